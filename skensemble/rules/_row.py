"""One row after the other: the arithmetic that runs as it is, or translated by numba.

What stands here keeps to the part of numpy that numba knows, too, and takes records and arrays only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from skensemble._translation import largest, total

__all__ = [
    "FAINT",
    "ROW_FUNCTIONS",
    "TINY",
    "Floats",
    "Positions",
    "Rows",
    "Trust",
    "following",
    "row_shares",
    "row_softmax",
    "trust_of",
    "updated",
]

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]
State = TypeVar("State")

# The smallest positive number: a divisor that keeps 0/0 at 0 and needs no branch.
TINY = 5e-324
# Below this total, weights are computed afresh from logarithms: relative precision would suffer.
FAINT = 1e-290
# Losses beyond this size count as not finite: their differences and sums would overflow.
_HUGE = 1e300


class Trust(NamedTuple):
    """Weights before confidences, in two forms.

    Attributes
    ----------
    logits : ndarray of shape (n_specialists,)
        Their logarithms up to a constant: what is true.
    odds : ndarray of shape (n_specialists,)
        The same over the largest, 0 where that underflows: what is fast.
    """

    logits: Floats
    odds: Floats


class Rows(NamedTuple):
    """What came to pass, as ``Rule.follow`` takes it; empty where it is not given."""

    said: Floats
    targets: Floats
    awake: Floats
    scale: Floats
    first: Positions
    last: Positions
    weights: Floats
    losses: Floats


def following(
    weigh: Callable[[State, Floats], Floats],
    update: Callable[[State, Floats, Floats, Floats, float], State],
    slope: Callable[[Floats, Floats, float], Floats],
) -> Callable[[State, Rows, float], tuple[State, Floats]]:
    """Return the loop of ``Rule.follow`` for the verbs of a rule and the slope of a loss with its parameter."""

    def follow(state: State, rows: Rows, parameter: float) -> tuple[State, Floats]:
        said, targets, awake, scale, first, last, given, losses = rows
        n_samples, n_models, _ = said.shape
        n_specialists = awake.shape[1]
        each = np.arange(n_specialists) % n_models
        # The regret is that of what was said, and so of the trust when it was said.
        trust = np.empty((n_samples, n_specialists))
        before = np.empty((n_samples, n_models))
        for i in range(n_samples):
            for row in range(first[i], last[i]):
                trust[row] = weigh(state, awake[row])
                before[row] = total(trust[row].reshape((n_specialists // n_models, n_models)))
            if not scale[i] > 0:
                continue
            then, of_models = trust[i], before[i]
            if given.size > 0:
                of_models = given[i]
                then = np.concatenate((of_models, np.zeros(n_specialists - n_models)))
            told = losses[i] if losses.size > 0 else said[i] @ slope(targets[i], of_models @ said[i], parameter)
            state = update(state, told[each], awake[i], then, scale[i])
        return state, before

    return follow


def updated(
    weigh: Callable[[State, Floats], Floats],
    learn: Callable[[State, Floats, Floats, Floats], State],
    state: State,
    losses: Floats,
    awake: Floats,
    weights: Floats,
    scale: float,
) -> State:
    """Return the state after one more row, of the rule that weighs and learns so."""
    if not 0.0 < scale < np.inf:
        return state
    # One comparison that fails for NaN, inf and extreme sizes keeps the usual row free of masks.
    if not largest(np.abs(losses)) <= _HUGE:
        heard = (awake > 0) & (np.abs(losses) <= _HUGE)
        losses = np.where(heard, losses, 0.0)
        awake = np.where(heard, awake, 0.0)
        if weights[~heard].any():
            weights = np.where(heard, weights, 0.0)
            weights = row_shares(weights) if weights.any() else weigh(state, awake)
    # Losses are measured from that of the heaviest specialist, whose own regret is the one that cancels most.
    heaviest = weights.argmax()
    if weights[heaviest] == 0.0:
        return state
    lead = losses - losses[heaviest]
    regrets = (weights.dot(lead) - lead) * awake
    if scale != 1.0:
        regrets *= scale
    return learn(state, regrets, awake, weights)


def trust_of(logits: Floats) -> Trust:
    """Return weights before confidences from their logarithms."""
    return Trust(logits, np.exp(logits - largest(logits)))


def row_softmax(trust: Trust, awake: Floats) -> Floats:
    """Return weights ∝ ``awake`` · exp(``trust.logits``); zeros where nobody is awake."""
    parts = awake * trust.odds
    whole = total(parts)
    if whole > FAINT:
        return parts / whole
    logits = np.where(awake > 0, trust.logits, -np.inf)
    return row_shares(awake * np.exp(logits - max(largest(logits), -1e308)))


def row_shares(parts: Floats) -> Floats:
    """Divide by the sum; zeros stay zeros."""
    return parts / max(total(parts), TINY)


# All that translated code may call here.
ROW_FUNCTIONS: tuple[Callable[..., Any], ...] = (updated, trust_of, row_softmax, row_shares)

"""The plain rules: never learn, or look at the last outcomes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skensemble._checks import check_number
from skensemble.rules._base import Rule, Specialists, moved, shares_of, softmax
from skensemble.rules._row import TINY, Floats, Positions, Trust, trust_of

__all__ = ["NoLearning", "RecentPerformance"]


class PriorState(NamedTuple):
    """State of ``NoLearning``.

    Attributes
    ----------
    specialists : Specialists
        The fixed part: there is no other.
    """

    specialists: Specialists


class NoLearning(Rule[PriorState]):
    """Keep the prior whatever happens: the rule that switches learning off.

    Weights are ``w_j ∝ a_j p_j``. It is the yardstick for all others: with an equal prior it is the plain average of
    those awake. Nothing is guaranteed but that nothing can go wrong: its weights do not depend on the losses, and so
    not on their scale or origin.

    See Also
    --------
    BernsteinAggregation : The rule that learns by default.

    Examples
    --------
    >>> import numpy as np
    >>> rule = NoLearning()
    >>> state = rule.start([0.5, 0.25, 0.25], [1, 1, 1])
    >>> state = rule.update(state, np.array([9.0, 0.0, 0.0]), np.ones(3))
    >>> rule.weights(state, np.array([1.0, 1.0, 0.0])).round(3)
    array([0.667, 0.333, 0.   ])
    """

    def _begin(self, specialists: Specialists) -> PriorState:
        return PriorState(specialists)

    def _weigh(self, state: PriorState, awake: Floats) -> Floats:
        return shares_of(awake * state.specialists.prior)

    def _learn(self, state: PriorState, regrets: Floats, awake: Floats, weights: Floats) -> PriorState:
        return state

    def _carry(self, state: PriorState, fresh: PriorState, origin: Positions, kept: Floats) -> PriorState:
        return fresh


class RecentState(NamedTuple):
    """State of ``RecentPerformance``.

    Attributes
    ----------
    specialists : Specialists
        The fixed part.
    leads : ndarray of shape (lookback, n_specialists)
        The last leads of each specialist over the field; 0 where there is none yet.
    cursor : ndarray of int of shape (n_specialists,)
        The row of ``leads`` that each specialist writes next.
    heard : ndarray of shape (n_specialists,)
        Sum of confidences so far: the number of outcomes where confidences are 0 or 1.
    trust : Trust
        The weights before confidences.
    """

    specialists: Specialists
    leads: Floats
    cursor: Positions
    heard: Floats
    trust: Trust


class RecentPerformance(Rule[RecentState]):
    """Weigh by the profit or loss of the last outcomes; weigh equally until there are enough.

    The plain rule of trading desks: what counts is who did well lately. The lead of a specialist is what it lost less
    than the field, the prior average of all that spoke on that row. Over the window its sum is compared with its own
    noise, as in a t statistic, so that the weights do not depend on the size of the losses::

        e_j = a_j · (Σ_i a_i p_i loss_i / Σ_i a_i p_i − loss_j)        w_j ∝ a_j p_j exp(Σ e_j / √(Σ e_j²))

    with sums over the last ``lookback`` outcomes of j. A specialist with fewer than ``min_outcomes`` outcomes has
    exponent 0: it is taken for average. Of a record that ``carried`` keeps in part, leads and number of outcomes (those
    in the window) are multiplied by that part.

    No regret bound holds: a window can be led by the nose. Where the best specialist alternates with the period of
    the window, the rule follows yesterday's winner for ever. Adding a constant to all losses changes nothing; nor
    does a common positive factor. Memory below 1 fades the rows within the window.

    Parameters
    ----------
    lookback : int, default=50
        Number of a specialist's own latest outcomes that count. Larger means slower to change its mind.
    min_outcomes : float, default=10
        Outcomes (sum of confidences) that a specialist needs before its record counts. Larger means longer at its
        prior share.

    See Also
    --------
    BernsteinAggregation : The default, which has a guarantee.

    Examples
    --------
    >>> import numpy as np
    >>> rule = RecentPerformance(lookback=4, min_outcomes=2)
    >>> state, awake = rule.start([0.5, 0.5], [1, 1]), np.ones(2)
    >>> state = rule.update(state, np.array([0.0, 1.0]), awake)
    >>> rule.weights(state, awake)
    array([0.5, 0.5])
    >>> state = rule.update(state, np.array([0.0, 1.0]), awake)
    >>> rule.weights(state, awake).round(3)  # exponents are √2 and −√2
    array([0.944, 0.056])
    """

    def __init__(self, lookback: int = 50, min_outcomes: float = 10) -> None:
        self.lookback = lookback
        self.min_outcomes = min_outcomes

    def _begin(self, specialists: Specialists) -> RecentState:
        check_number(self.lookback, "lookback", "RecentPerformance", low=1, integer=True)
        check_number(self.min_outcomes, "min_outcomes", "RecentPerformance", low=0)
        n_specialists = specialists.prior.size
        return RecentState(
            specialists,
            np.zeros((int(self.lookback), n_specialists)),
            np.zeros(n_specialists, dtype=np.intp),
            np.zeros(n_specialists),
            trust_of(specialists.log_prior),
        )

    def _weigh(self, state: RecentState, awake: Floats) -> Floats:
        return softmax(state.trust, awake)

    def _learn(self, state: RecentState, regrets: Floats, awake: Floats, weights: Floats) -> RecentState:
        specialists = state.specialists
        speaking = np.flatnonzero(awake)
        # What the specialists lost against the ensemble differs from what they lost against the field by a constant.
        field = shares_of(awake * specialists.prior)[speaking]
        plain = regrets[speaking] / awake[speaking]
        leads = state.leads.copy()
        if specialists.fading:
            leads *= specialists.memory**awake
        leads[state.cursor[speaking], speaking] = awake[speaking] * (plain - np.dot(field, plain))
        cursor = state.cursor.copy()
        cursor[speaking] = (cursor[speaking] + 1) % len(leads)
        return self._judged(specialists, leads, cursor, state.heard + awake)

    def _carry(self, state: RecentState, fresh: RecentState, origin: Positions, kept: Floats) -> RecentState:
        lookback, before = len(fresh.leads), len(state.leads)
        leads = kept * moved(state.leads, origin, kept)
        cursor, heard = moved(state.cursor, origin, kept), moved(state.heard, origin, kept)
        # What left the window long ago is no reason to believe what little is kept of it.
        heard = np.where(kept < 1, kept * np.minimum(heard, before), heard)
        if lookback != before:
            oldest_first = (cursor + np.arange(before)[:, np.newaxis]) % before
            leads = np.take_along_axis(leads, oldest_first, axis=0)[-lookback:]
            leads = np.vstack([np.zeros((lookback - len(leads), kept.size)), leads])
            cursor = np.zeros_like(cursor)
        return self._judged(fresh.specialists, leads, cursor, heard)

    def _judged(self, specialists: Specialists, leads: Floats, cursor: Positions, heard: Floats) -> RecentState:
        """Return the state with the trust that follows from the window."""
        largest = np.maximum(np.abs(leads).max(axis=0), TINY)
        relative = leads / largest
        evidence = relative.sum(axis=0) / np.maximum(np.sqrt(np.square(relative).sum(axis=0)), TINY)
        logits = specialists.log_prior + np.where(heard >= self.min_outcomes, evidence, 0.0)
        return RecentState(specialists, leads, cursor, heard, trust_of(logits))

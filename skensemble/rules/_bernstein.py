"""Exponential weights with a rate for every specialist: the default rule."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from skensemble._checks import check_choice, shown
from skensemble._translation import largest, total, translated
from skensemble.losses import Loss, SquaredLoss, slope_function
from skensemble.rules._base import Rule, Specialists, moved, shares_of, softmax
from skensemble.rules._row import (
    ROW_FUNCTIONS,
    TINY,
    Floats,
    Positions,
    Rows,
    Trust,
    following,
    row_shares,
    row_softmax,
    trust_of,
    updated,
)

__all__ = ["BernsteinAggregation"]

_ROOT_OF_2_2 = math.sqrt(2.2)


class BernsteinState(NamedTuple):
    """State of ``BernsteinAggregation``.

    Attributes
    ----------
    specialists : Specialists
        The fixed part.
    root : ndarray of shape (n_specialists,)
        √V_j, in units of loss; 0 for a specialist that has never been updated.
    evidence : ndarray of shape (n_specialists,)
        Q_j / √V_j, without a unit.
    trust : Trust
        The weights before confidences, of those updated.
    fresh : ndarray of shape (n_specialists,) or (0,)
        1 for who has never been updated, else 0; empty when everybody has (``None`` in older files).
    """

    specialists: Specialists
    root: Floats
    evidence: Floats
    trust: Trust
    fresh: Floats | None


class BernsteinAggregation(Rule[BernsteinState]):
    """Weigh by regularised regret, with a rate for every specialist set by its own noise: the default.

    Every specialist is judged in units of its own surprises: a small steady lead and a large noisy one can count the
    same. A specialist that disappoints pays twice, by its regret and by the square of it, which is what makes a fast
    rate possible where one specialist is clearly best. With γ_j the memory and d = γ_j^{a_j}::

        w_j ∝ a_j p_j η_j exp(η_j Q_j)       η_j = 1/√V_j
        V_j ← d V_j + 2.2 r_j²               Q_j ← d Q_j + r_j − r_j² / √V_j     with the new V_j

    The state keeps √V_j and Q_j/√V_j, so losses of any size are safe. Why 2.2: with the row itself in V_j,
    ``|η_j r_j| ≤ 1/√2.2 < 0.675``, where exp(x − x²) ≤ 1 + x still holds (it does down to x = −0.683), so no regret has
    to be clipped; 2.14 is the least constant for that.

    A specialist is *never updated* while V_j = 0: it has not spoken, or all its regrets were exactly 0. It has no rate
    yet and the formula says nothing about it. Let s_j = a_j p_j / Σ_i a_i p_i be its prior share of the row, and call
    a model new on a row if none of its specialists awake has been updated. A specialist of a new model has w_j = s_j.
    One never updated of any other model has w_j = 0: the model's other voices speak for it. What then remains of 1 is
    divided among the updated specialists awake by the formula. So a model heard for the first time keeps its prior
    share, and a new context of a known model has none until it has been heard. Its first regret then sets its rate, far
    above those of long records: it may take the lead after one outcome, and loses it as fast where it is not better.
    Of a record that ``carried`` keeps in part, V_j and Q_j are multiplied by that part.

    Guarantee, for any memories, every j and T::

        Σ_t D_t r_j ≤ √V_j · (ln(1/p_j) + ln(1.25 + ⅓ Σ_i p_i L_i) + 0.52 N_T + 0.91)

    where D_t is what memory left of row t at T (1 for memory 1, when the left side is R_j and V_j = 2.2 Σ r_j²);
    L_i = ln(V_i / first V_i) + 2 ln(1/γ_i) · (sum of a_i after its first row); and N_T is the number of *surprises*:
    rows on which some updated specialist has r_i < −0.7 √V_i (V_i of the row before), or on which new models and
    updated specialists spoke together, or whose outcome came after later predictions. For memory 1 a surprise of i more
    than doubles V_i, so but for late outcomes N_T ≤ Σ_i (2 + log₂(largest r_i² / first r_i² above 0)): it grows with
    the logarithm of the range of the regrets, not with T. Every surprise costs as much as a prior 1.7 times smaller;
    the term L_i costs a loglog.

    Proof in short: Φ = Σ_i p_i exp(η_i Q_i) starts at 1. By the inequality above, a step multiplies term i by at most
    exp((β−1) η_i Q_i) (1 + η'_i r_i), with β = d η'_i/η_i ≤ 1 and η' the new rate. As Σ_i p_i η_i exp(η_i Q_i) r_i = 0
    by the choice of the weights, Φ grows by at most Σ_i p_i max_s [exp(β s)(1 + η'_i r_i) − exp(s)(1 + η_i r_i)],
    and for η_i r_i ≥ −0.7 that maximum is at most ⅓ ln(1/β²), which adds up to ⅓ L_i. On a surprise
    Φ ← 1.675 Φ + ⅓ Σ_i p_i ln(1/β_i²) holds instead; the first row of i adds at most 0.25 p_i. So η_j Q_j is at most
    ln(Φ/p_j), and Q_j differs from the regret by Σ_t D_t r_j²/√V_j ≤ 2√V_j/2.2.
    Wintenberger (2017) introduces the rule and proves such second-order bounds, with a loglog price for rates that
    adapt, for rates that hold the range of the losses; Wintenberger (2021) has a version free of the scale. The bound
    above, its constants and N_T are derived here, for the very rule of this class.

    Adding a constant to all losses changes nothing; nor does a common positive factor (to the last bit for powers of
    two). As for every rule of this kind, two specialists that always agree share a weight as one would with the sum of
    their priors.

    Parameters
    ----------
    engine : {"numpy", "numba"}, default="numpy"
        What ``follow`` and ``replay`` run in. ``"numba"`` (``pip install "skensemble[fast]"``) translates them into
        machine code: some ten times as fast, weights within 1e-12, for the losses of ``skensemble.losses`` only. The
        first translation takes some fifteen seconds, and is kept. A single ``update`` runs in numpy.

    See Also
    --------
    ExponentialAverage : One rate for all.
    MLPoly : Polynomial weights with a rate for every specialist.

    References
    ----------
    O. Wintenberger. "Optimal learning with Bernstein online aggregation". Machine Learning 106, 2017.

    O. Wintenberger. "Stochastic online convex optimization. Application to probabilistic time series forecasting".
    arXiv:2102.00729, 2021.

    P. Gaillard, G. Stoltz and T. van Erven. "A second-order bound with excess losses". COLT, 2014.

    Examples
    --------
    After one row both have the same rate, and exponents ±1/√2.2 − 1/2.2: weights e^1.35 : 1.

    >>> import numpy as np
    >>> rule = BernsteinAggregation()
    >>> state, awake = rule.start([0.5, 0.5], [1, 1]), np.ones(2)
    >>> state = rule.update(state, np.array([0.0, 1.0]), awake)
    >>> rule.weights(state, awake).round(3)
    array([0.794, 0.206])
    """

    # What rules of older files run in, which have no engine of their own.
    engine = "numpy"

    def __init__(self, engine: str = "numpy") -> None:
        self.engine = engine

    def check(self, loss: Loss | None = None) -> None:
        """Refuse an unknown engine, one that is not installed, and a loss that it does not know.

        Parameters
        ----------
        loss : Loss, default=None
            What `follow` would be given.

        Raises
        ------
        ValueError
            If the engine or the loss does not do.
        ImportError
            If numba is not installed.
        """
        super().check(loss)
        if self.engine == "numba":
            _in_numba(_known_slope(loss)[0])

    def _begin(self, specialists: Specialists) -> BernsteinState:
        check_choice(self.engine, "engine", "BernsteinAggregation", ("numpy", "numba"))
        nothing = np.zeros_like(specialists.prior)
        return BernsteinState(specialists, nothing, nothing, trust_of(specialists.log_prior), np.ones_like(nothing))

    def _weigh(self, state: BernsteinState, awake: Floats) -> Floats:
        if awake.ndim == 1:
            return _row_weights(state, awake)
        fresh = state.fresh
        if fresh is None or fresh.size == 0 or not awake.dot(fresh).any():
            return softmax(state.trust, awake)
        known = np.where(fresh, 0.0, awake)
        met = np.sign(known).dot(state.specialists.kin) > 0
        shares = shares_of(awake * state.specialists.prior)
        rest = np.where(met, shares, 0.0).sum(axis=-1, keepdims=True)
        return np.where(met, rest * softmax(state.trust, known), shares)

    def _learn(self, state: BernsteinState, regrets: Floats, awake: Floats, weights: Floats) -> BernsteinState:
        return _row_learned(state, regrets, awake, weights)

    def _follow(self, state: BernsteinState, rows: Rows, loss: Loss | None) -> tuple[BernsteinState, Floats]:
        if self.engine == "numpy":
            return super()._follow(state, rows, loss)
        function, parameter = _known_slope(loss)
        return _in_numba(function)(_owned(state), _owned(rows), parameter)

    def _carry(self, state: BernsteinState, fresh: BernsteinState, origin: Positions, kept: Floats) -> BernsteinState:
        # V and Q shrink by what is kept, so √V and Q / √V by its root.
        half = np.sqrt(kept)
        root = half * moved(state.root, origin, kept)
        evidence = half * moved(state.evidence, origin, kept)
        scale = float(largest(root))
        if scale == 0.0:
            return fresh
        return _judged(fresh.specialists, root, evidence, _divisor(root, scale) / scale)


def _known_slope(loss: Loss | None) -> tuple[Callable[..., Floats], float]:
    known = slope_function(SquaredLoss() if loss is None else loss)
    if known is None:
        raise ValueError(
            f"engine='numba' of BernsteinAggregation knows the losses of skensemble.losses; got {shown(loss)}. Use "
            "engine='numpy'."
        )
    return known


@cache
def _in_numba(slope: Callable[..., Floats]) -> Callable[..., tuple[BernsteinState, Floats]]:
    own: list[Callable[..., Any]] = [_row_weights, _row_update, _row_learned, _judged, _divisor, slope]
    return translated(following(_row_weights, _row_update, slope), [*ROW_FUNCTIONS, *own])


def _owned(record: Any) -> Any:
    """Return a record whose arrays are of the one kind for which the loop is translated; those of a file may not be."""
    if isinstance(record, tuple):
        return type(record)(*map(_owned, record))
    record = np.empty(0) if record is None else record
    return np.require(record, requirements=("C", "W")) if isinstance(record, np.ndarray) else record


# One row: what numba can translate, too.


def _row_weights(state: BernsteinState, awake: Floats) -> Floats:
    """Return the weights of one row."""
    fresh, specialists = state.fresh, state.specialists
    if fresh is None or fresh.size == 0 or awake.dot(fresh) == 0.0:
        return row_softmax(state.trust, awake)
    known = np.where(fresh > 0, 0.0, awake)
    met = np.sign(known).dot(specialists.kin) > 0
    shares = row_shares(awake * specialists.prior)
    rest = total(np.where(met, shares, 0.0))
    return np.where(met, rest * row_softmax(state.trust, known), shares)


def _row_update(state: BernsteinState, losses: Floats, awake: Floats, weights: Floats, scale: float) -> BernsteinState:
    """Return the state after one more row."""
    return updated(_row_weights, _row_learned, state, losses, awake, weights, scale)


def _row_learned(state: BernsteinState, regrets: Floats, awake: Floats, weights: Floats) -> BernsteinState:
    specialists, root, evidence = state.specialists, state.root, state.evidence
    if specialists.fading:
        half = specialists.half_memory**awake
        root = root * half
        evidence = evidence * half
    larger = np.hypot(root, regrets * _ROOT_OF_2_2)
    scale = float(largest(larger))
    if scale == 0.0:
        return state
    safe = _divisor(larger, scale)
    step = regrets / safe
    evidence = evidence * (root / safe) + step - step * step
    return _judged(specialists, larger, evidence, safe / scale)


def _judged(specialists: Specialists, root: Floats, evidence: Floats, size: Floats) -> BernsteinState:
    """Return the state with the trust that follows from evidence and √V, with ``size`` for √V over the largest."""
    logits = evidence + specialists.log_prior - np.log(size)
    if np.count_nonzero(root) == root.size:
        return BernsteinState(specialists, root, evidence, trust_of(logits), np.empty(0))
    fresh = root == 0.0
    trust = trust_of(np.where(fresh, -np.inf, logits))
    return BernsteinState(specialists, root, evidence, trust, fresh.astype(np.float64))


def _divisor(root: Floats, scale: float) -> Floats:
    """Return ``root`` with a floor in place of 0, so that 0/0 is 0; numbers above 0 do not reach it."""
    return np.maximum(root, max(scale * 1e-307, TINY))

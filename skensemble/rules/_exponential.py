"""Exponential weights with one rate for all, for a best specialist that stays or one that changes."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from skensemble._checks import check_number
from skensemble.rules._base import Rule, Specialists, moved, softmax
from skensemble.rules._row import TINY, Floats, Positions, Trust, trust_of

__all__ = ["ExponentialAverage", "FixedShare"]


class ExponentialState(NamedTuple):
    """State of ``ExponentialAverage`` and ``FixedShare``.

    Attributes
    ----------
    specialists : Specialists
        The fixed part.
    saved : ndarray of shape (n_specialists,)
        Regret of each specialist less the mixability gaps of the rows on which it spoke.
    gaps : float
        Sum of all mixability gaps.
    pace : float
        One over the learning rate, in units of loss; 0 before the first difference of losses.
    rows : int
        Number of rows learned from.
    trust : Trust
        The weights before confidences.
    """

    specialists: Specialists
    saved: Floats
    gaps: float
    pace: float
    rows: int
    trust: Trust


class ExponentialAverage(Rule[ExponentialState]):
    """Weigh by the exponential of what was saved, with a rate that the losses set.

    The classical weighted average, made free of its learning rate as in AdaHedge: the rate falls exactly as fast as
    mixing turns out to cost something. With v the weights before confidences, over the specialists awake,::

        w_j ∝ a_j p_j exp(η x_j)                       v_j ∝ p_j exp(η x_j)  over those awake
        δ   = (1/η) ln Σ_j v_j exp(η r_j)              the mixability gap, never negative
        x_j ← x_j + r_j − δ   if awake                 Δ ← Δ + δ
        η   = L / Δ,  L = ln J                         J: number of specialists

    Before the first difference of losses η is infinite and δ the largest r_j. Where ``carried`` brings newcomers or
    keeps records in part, x = 0 is first moved to the mean trust of those carried: a newcomer has its prior share.

    One rate serves all specialists, so one that speaks rarely is judged by the noise of those that speak often; where
    that matters, ``BernsteinAggregation`` is better.

    Guarantee, for memory 1 and every j and T::

        R_j ≤ (1 + ln(1/p_j) / L) · Δ_T      Δ_T ≤ √(L V_T) + (2L/3 + 1) S

    with V_T the sum over rows of Σ_i v_i r_i² and S the largest difference of two regrets on one row: for an equal
    prior R_j ≤ 2√(V_T ln J) + (4/3 ln J + 2) S (de Rooij et al. 2014, whose proof holds for any L and, with the gap
    taken over those awake, for specialists that sleep: Freund et al. 1997).

    Proof in short: the choice of δ keeps Σ_i p_i exp(η x_i) as it was, and where it is at most 1 for one rate it is so
    for every smaller one (power means). So x_j ≤ ln(1/p_j) / η always, and R_j is x_j plus the gaps of the rows on
    which j spoke. For the gaps, Δ_t² − Δ_{t−1}² = 2 δ Δ_{t−1} + δ² with Δ_{t−1} = L/η and δ ≤ S, and Bernstein's
    inequality in the form 2δ/η ≤ Σ_i v_i r_i² + ⅔ S δ, which needs Σ_i v_i r_i = 0: that is what weights ∝ a_j v_j
    give. The sum over rows is Δ_T² ≤ L V_T + (2L/3 + 1) S Δ_T.

    Adding a constant to all losses changes nothing; nor does a common positive factor. With memory below 1, x_j and (as
    the mean over the weights) Δ fade too: a heuristic without a bound.

    See Also
    --------
    FixedShare : The same for a best specialist that changes.
    BernsteinAggregation : A rate for every specialist.

    References
    ----------
    S. de Rooij, T. van Erven, P. Grünwald and W. Koolen. "Follow the leader if you can, hedge if you must". Journal
    of Machine Learning Research 15, 2014.

    Y. Freund, R. Schapire, Y. Singer and M. Warmuth. "Using and combining predictors that specialize". STOC, 1997.

    Examples
    --------
    The first difference of losses sets the scale: Δ = ½, x = (0, −1), η = 2 ln 2, weights 4 : 1.

    >>> import numpy as np
    >>> rule = ExponentialAverage()
    >>> state, awake = rule.start([0.5, 0.5], [1, 1]), np.ones(2)
    >>> state = rule.update(state, np.array([0.0, 1.0]), awake)
    >>> rule.weights(state, awake).round(3)
    array([0.8, 0.2])
    """

    def _begin(self, specialists: Specialists) -> ExponentialState:
        nothing = np.zeros_like(specialists.prior)
        return ExponentialState(specialists, nothing, 0.0, 0.0, 0, trust_of(specialists.log_prior))

    def _weigh(self, state: ExponentialState, awake: Floats) -> Floats:
        return softmax(state.trust, awake)

    def _learn(self, state: ExponentialState, regrets: Floats, awake: Floats, weights: Floats) -> ExponentialState:
        specialists, saved, gaps, pace, rows, trust = state
        speaking = np.sign(awake)
        gap = _mixability_gap(regrets, softmax(trust, speaking), pace)
        if specialists.fading:
            fades = specialists.memory**awake
            fade = float(weights.dot(fades))
            saved, gaps, pace = fades * saved, fade * gaps, fade * pace
        saved = saved + (regrets - gap * speaking)
        gaps += gap
        rows += 1
        # Fading must not send the rate so far up that exponents overflow.
        floor = float(np.maximum.reduce(np.abs(saved))) * 1e-200
        pace = max(pace, gaps / self._complexity(saved.size, rows), floor)
        if pace == 0.0:
            return ExponentialState(specialists, saved, gaps, pace, rows, trust)
        saved = self._share(specialists, saved, awake, pace)
        return ExponentialState(specialists, saved, gaps, pace, rows, trust_of(specialists.log_prior + saved / pace))

    def _carry(
        self, state: ExponentialState, fresh: ExponentialState, origin: Positions, kept: Floats
    ) -> ExponentialState:
        pace = state.pace
        if pace == 0.0:
            return fresh._replace(rows=state.rows)
        specialists = fresh.specialists
        saved = moved(state.saved, origin, kept)
        if (kept < 1).any():
            # Falling rates leave everybody below 0: without a new zero, to be forgotten would be a reward.
            carried = (kept > 0).astype(float)
            level = _log_total(specialists.log_prior + saved / pace, carried) - math.log(carried.dot(specialists.prior))
            saved = kept * (saved - level * pace)
        return ExponentialState(
            specialists, saved, state.gaps, pace, state.rows, trust_of(specialists.log_prior + saved / pace)
        )

    def _complexity(self, n_specialists: int, rows: int) -> float:
        """Return the nats that it takes to name the specialist (or the path) to compare with."""
        return math.log(max(n_specialists, 2))

    def _share(self, specialists: Specialists, saved: Floats, awake: Floats, pace: float) -> Floats:
        """Return what was saved after trust has been passed around."""
        return saved


class FixedShare(ExponentialAverage):
    """Weigh as ``ExponentialAverage`` does, and after every row give a share of all trust back to the prior.

    Nobody's weight ever falls so low that it could not return soon, so the rule follows a best specialist that
    changes. After the step of ``ExponentialAverage``, with u = p exp(η x) at the new rate, those awake pass around the
    share α of their trust::

        u_j ← (1 − α a_j) u_j + α a_j p_j · Σ_i a_i u_i / Σ_i a_i p_i

    The rate is η = L_t / Δ, never rising, with L_t = ln J + t h(α) and h(α) = α ln(J/α) + (1 − α) ln(1/(1 − α)), the
    nats per row that a path of specialists costs when it changes on a share α of the rows.

    Guarantee, for memory 1 and all specialists always awake: against every path i_1, …, i_T that changes m times::

        Σ_t r_{i_t, t} ≤ Δ_T + C / η_T     C = (m+1) ln(1/p_min) + m ln(1/α) + (T − 1 − m) ln(1/(1−α))
        Δ_T ≤ √(L_T V_T) + (2 L_T/3 + 1) S

    with V_T and S as for ``ExponentialAverage``. It is the analysis of Herbster & Warmuth (1998) with the mixability
    gap in place of a fixed rate. When the rate falls from η to η', the path loses (1/η' − 1/η) ln(1/p) and the
    normalisation can only gain (Hölder), which adds up to the first term of C. Both Δ_T and η_T can be read off the
    state. Adding a constant to all losses changes nothing; nor does a common positive factor.

    Parameters
    ----------
    share : float, default=0.005
        Trust passed around per row and unit of confidence, at least 0 and below 1; about the share of rows on which
        the best specialist changes. Larger means quicker to change its mind and never quite sure; 0 is
        ``ExponentialAverage``.

    See Also
    --------
    ExponentialAverage : For a best specialist that stays.

    References
    ----------
    M. Herbster and M. Warmuth. "Tracking the best expert". Machine Learning 32, 1998.

    N. Cesa-Bianchi, P. Gaillard, G. Lugosi and G. Stoltz. "Mirror descent meets fixed share (and feels no regret)".
    Advances in Neural Information Processing Systems 25, 2012.

    Examples
    --------
    However long the first specialist was better, the other holds its share.

    >>> import numpy as np
    >>> rule = FixedShare(share=0.1)
    >>> state, awake = rule.start([0.5, 0.5], [1, 1]), np.ones(2)
    >>> for _ in range(1000):
    ...     state = rule.update(state, np.array([0.0, 1.0]), awake)
    >>> rule.weights(state, awake).round(2)
    array([0.94, 0.06])
    """

    def __init__(self, share: float = 0.005) -> None:
        self.share = share

    def _begin(self, specialists: Specialists) -> ExponentialState:
        check_number(self.share, "share", "FixedShare", low=0, high=0.999)
        return super()._begin(specialists)

    def _complexity(self, n_specialists: int, rows: int) -> float:
        naming = math.log(max(n_specialists, 2))
        if self.share == 0:
            return naming
        per_row = self.share * (naming - math.log(self.share)) - (1 - self.share) * math.log1p(-self.share)
        return naming + rows * per_row

    def _share(self, specialists: Specialists, saved: Floats, awake: Floats, pace: float) -> Floats:
        if self.share == 0:
            return saved
        exponents = saved / pace
        # Trust per unit of prior, averaged over those awake: what everyone's share is worth.
        pooled = _log_total(specialists.log_prior + exponents, awake) - math.log(awake.dot(specialists.prior))
        kept = exponents + np.log1p(-self.share * awake)
        received = np.log(np.maximum(self.share * awake, TINY)) + pooled
        return np.where(awake > 0, np.logaddexp(kept, received) * pace, saved)


def _log_total(logits: Floats, awake: Floats) -> float:
    """Return ln Σ ``awake`` exp(``logits``); somebody must be awake."""
    top = float(np.max(logits, where=awake > 0, initial=-1e308))
    return top + math.log(awake.dot(np.exp(np.minimum(logits - top, 0.0))))


def _mixability_gap(regrets: Floats, weights: Floats, pace: float) -> float:
    """Return ``pace`` · ln Σ ``weights`` exp(``regrets`` / ``pace``); where pace is 0, the largest regret."""
    best = float(np.maximum.reduce(regrets))
    if pace == 0.0:
        return max(best, 0.0)
    behind = np.maximum(regrets - best, -700.0 * pace) / pace
    return max(best + pace * math.log(weights.dot(np.exp(behind))), 0.0)

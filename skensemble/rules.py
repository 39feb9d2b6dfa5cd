"""One more row of losses → weights, step by step.

A rule divides trust among *specialists*: a specialist is one voice that may be awake with a confidence in [0, 1] and
is otherwise asleep. Where there is nothing but models, every model is one specialist; dynamic weighting makes one of
every pair (model, context). A rule holds parameters only. What it has learned is a *state*: a record that is never
changed in place, so that copies are free and a reader in another thread never sees half of an update. The one rule that
all members keep: only differences of losses count, a specialist that is asleep keeps its record to the last bit, and
nothing but a prior, a memory and the losses themselves is asked for: no learning rate, no range of the losses.

Every bound below speaks of the regret of specialist j, with ``a`` its confidence and ``w`` the weights in force::

    r_j = a_j · (Σ_i w_i loss_i − loss_j)          R_j = Σ_t r_j

that is, of what following j would have saved, counted while j speaks and as loudly as j speaks (Gaillard, Stoltz &
van Erven 2014 reduce confidences to the plain setting in this way). The bounds hold for every sequence of
losses, also for one chosen by an adversary who knows the rule. They suppose that outcomes arrive before the next
prediction; outcomes that arrive later are learned from all the same, without a guarantee.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from skensemble._checks import check_number, shown

__all__ = [
    "BernsteinAggregation",
    "ExponentialAverage",
    "FixedShare",
    "MLPoly",
    "NoLearning",
    "RecentPerformance",
    "Rule",
]

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]

# The smallest positive number: a divisor that keeps 0/0 at 0 and needs no branch.
_TINY = 5e-324
# Below this total, weights are computed afresh from logarithms: relative precision would suffer.
_FAINT = 1e-290
# Losses beyond this size count as not finite: their differences and sums would overflow.
_HUGE = 1e300
_ROOT_OF_2_2 = math.sqrt(2.2)


class Specialists(NamedTuple):
    """What is known of the specialists before the first row.

    Attributes
    ----------
    prior : ndarray of shape (n_specialists,)
        Shares of trust before anything was heard; they sum to 1.
    log_prior : ndarray of shape (n_specialists,)
        Their logarithms.
    memory : ndarray of shape (n_specialists,)
        Factor by which the past fades per unit of confidence.
    half_memory : ndarray of shape (n_specialists,)
        Their square roots.
    fading : bool
        Whether any memory is below 1.
    kin : ndarray of shape (n_specialists, n_specialists)
        1 where two specialists belong to one model, else 0.
    """

    prior: Floats
    log_prior: Floats
    memory: Floats
    half_memory: Floats
    fading: bool
    kin: Floats


class Record(Protocol):
    """What the states of all rules have in common."""

    @property
    def specialists(self) -> Specialists:
        """The fixed part."""


State = TypeVar("State", bound=Record)


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


class Rule(BaseEstimator, ABC, Generic[State]):
    """What every rule promises: ``start``, then ``weights`` and ``update`` row by row.

    All verbs are pure: they return new records and change none.

    Examples
    --------
    All members are used alike:

    >>> import numpy as np
    >>> rule = BernsteinAggregation()
    >>> state = rule.start(prior=[0.5, 0.5], memory=[1.0, 1.0])
    >>> state = rule.update(state, losses=np.array([0.0, 1.0]), awake=np.ones(2))
    >>> first, second = rule.weights(state, awake=np.ones(2))
    >>> bool(first > second)
    True
    """

    def start(self, prior: npt.ArrayLike, memory: npt.ArrayLike, models: npt.ArrayLike | None = None) -> State:
        """Return the state before the first row.

        Parameters
        ----------
        prior : array-like of shape (n_specialists,)
            Share of trust of each specialist before anything is known: positive, adding up to 1.
        memory : array-like of shape (n_specialists,)
            Factor in (0, 1] by which the record of a specialist fades per unit of confidence; 1 never forgets, smaller
            forgets faster.
        models : array-like of int of shape (n_specialists,), default=None
            The model that each specialist speaks for. ``None``: each speaks for a model of its own.

        Returns
        -------
        state : record of arrays
            To be handed to the other verbs; never changed in place.

        Raises
        ------
        ValueError
            If a share, a memory or a parameter of the rule is out of its range, or the lengths differ.
        """
        owner = type(self).__name__
        shares = np.array(prior, dtype=float)
        fades = np.array(memory, dtype=float)
        if shares.ndim != 1 or shares.size == 0 or not (shares > 0).all() or not math.isclose(shares.sum(), 1.0):
            raise ValueError(
                f"prior of {owner} must be positive shares that add up to 1, one per specialist; got {shown(prior)}."
            )
        if fades.shape != shares.shape or not ((fades > 0) & (fades <= 1)).all():
            raise ValueError(
                f"memory of {owner} must be one factor above 0 and at most 1 for each of the {shares.size} "
                f"specialists; got {shown(memory)}."
            )
        labels = np.arange(shares.size) if models is None else np.asarray(models)
        if labels.shape != shares.shape:
            raise ValueError(
                f"models of {owner} must name one model for each of the {shares.size} specialists; got {shown(models)}."
            )
        kin = (labels[:, None] == labels[None, :]).astype(float)
        return self._begin(Specialists(shares, np.log(shares), fades, np.sqrt(fades), bool((fades < 1).any()), kin))

    def weights(self, state: State, awake: Floats) -> Floats:
        """Return the weights now in force.

        Parameters
        ----------
        state : record of arrays
            From ``start`` or ``update``.
        awake : ndarray of shape (n_specialists,) or (n_samples, n_specialists)
            Confidence in [0, 1] with which each specialist speaks; 0 is asleep.

        Returns
        -------
        weights : ndarray of the shape of ``awake``
            Not negative, adding up to 1 over those awake; all zero where nobody is.
        """
        return self._weigh(state, awake)

    def update(
        self,
        state: State,
        losses: Floats,
        awake: Floats,
        *,
        weights: Floats | None = None,
        scale: float = 1.0,
    ) -> State:
        """Return the state after one more row of losses.

        Parameters
        ----------
        state : record of arrays
            From ``start`` or ``update``.
        losses : ndarray of shape (n_specialists,)
            Lower is better; a loss that is not finite (or beyond 1e300) puts its specialist to sleep for this row.
        awake : ndarray of shape (n_specialists,)
            Confidence in [0, 1] with which each specialist spoke.
        weights : ndarray of shape (n_specialists,), default=None
            The weights in force when the prediction was made; ``None`` takes those of ``state``. What they gave to
            specialists without a finite loss is shared out among the others.
        scale : float, default=1.0
            Sample weight of the row: it multiplies the regrets. 0 changes nothing.

        Returns
        -------
        state : record of arrays
            The very same record where nothing could be learned.
        """
        if not 0.0 < scale < math.inf:
            return state
        if weights is None:
            weights = self._weigh(state, awake)
        # One comparison that fails for NaN, inf and extreme sizes keeps the usual row free of masks.
        if not np.maximum.reduce(np.abs(losses)) <= _HUGE:
            heard = (awake > 0) & (np.abs(losses) <= _HUGE)
            losses = np.where(heard, losses, 0.0)
            awake = np.where(heard, awake, 0.0)
            if weights[~heard].any():
                weights = np.where(heard, weights, 0.0)
                weights = _shares(weights) if weights.any() else self._weigh(state, awake)
        # Losses are measured from that of the heaviest specialist, whose own regret is the one that cancels most.
        heaviest = weights.argmax()
        if weights[heaviest] == 0.0:
            return state
        lead = losses - losses[heaviest]
        regrets = weights.dot(lead) - lead
        regrets *= awake
        if scale != 1.0:
            regrets *= scale
        return self._learn(state, regrets, awake, weights)

    def replay(self, state: State, losses: Floats, awake: Floats, scale: Floats | None = None) -> tuple[State, Floats]:
        """Take many rows in order, each with the weights of its moment: the same as so many single steps.

        Parameters
        ----------
        state : record of arrays
            From ``start`` or ``update``.
        losses : ndarray of shape (n_samples, n_specialists)
            One row per outcome, in time order.
        awake : ndarray of shape (n_samples, n_specialists)
            Confidences.
        scale : ndarray of shape (n_samples,), default=None
            Sample weights; ``None`` means 1 for every row.

        Returns
        -------
        state : record of arrays
            The state after the last row.
        weights : ndarray of shape (n_samples, n_specialists)
            The weights in force before each outcome.
        """
        path = np.empty(awake.shape)
        scales = [1.0] * len(awake) if scale is None else [float(factor) for factor in scale]
        for row, factor in enumerate(scales):
            path[row] = self.weights(state, awake[row])
            state = self.update(state, losses[row], awake[row], weights=path[row], scale=factor)
        return state, path

    def carried(self, state: State, fresh: State, source: npt.ArrayLike, keep: npt.ArrayLike) -> State:
        """Return what was learned, moved to another set of specialists: models came, went or changed.

        Specialists carried whole keep their weights relative to each other, so far as the ratios of their priors stay.
        A newcomer has an empty record; each rule says in its docstring what that is worth. Figures that belong to no
        specialist (the number of rows, a rate or a range common to all) stay as they are. Where no specialist is
        carried, ``fresh`` is returned. The proved bounds speak of a run without a carry.

        Parameters
        ----------
        state : record of arrays
            What was learned, from ``start``, ``update`` or ``carried``.
        fresh : record of arrays
            From ``start``, for the new specialists: their prior, memory and models hold from now on.
        source : array-like of int of shape (n_new_specialists,)
            Position in ``state`` of the specialist that each new one continues; -1 where it is new. Two may continue
            the same one.
        keep : array-like of float of shape (n_new_specialists,)
            How much of the record is kept, in [0, 1]: 1 all, 0 nothing, as if it were new. Smaller means that old
            outcomes count less against those to come; half suits a model whose definition changed.

        Returns
        -------
        state : record of arrays
            For the new specialists, in their order.

        Raises
        ------
        ValueError
            If a position or a share to keep is out of its range, or the lengths differ.

        Examples
        --------
        The first of two specialists goes, a third comes: it has its prior share.

        >>> import numpy as np
        >>> from skensemble.rules import BernsteinAggregation
        >>> rule = BernsteinAggregation()
        >>> state = rule.update(rule.start([0.5, 0.5], [1, 1]), np.array([0.0, 1.0]), np.ones(2))
        >>> state = rule.carried(state, rule.start([0.75, 0.25], [1, 1]), source=[1, -1], keep=[1.0, 0.0])
        >>> rule.weights(state, np.ones(2))
        array([0.75, 0.25])
        """
        owner = type(self).__name__
        n_old, n_new = state.specialists.prior.size, fresh.specialists.prior.size
        origin, kept = np.asarray(source), np.asarray(keep, dtype=float)
        if origin.shape != (n_new,) or origin.dtype.kind not in "iu" or not ((origin >= -1) & (origin < n_old)).all():
            raise ValueError(
                f"source of {owner} must be, for each of the {n_new} new specialists, its position among the {n_old} "
                f"old ones or -1 where it is new; got {shown(source)}."
            )
        if kept.shape != (n_new,) or not ((kept >= 0) & (kept <= 1)).all():
            raise ValueError(
                f"keep of {owner} must be one share from 0 (nothing) to 1 (all) for each of the {n_new} new "
                f"specialists; got {shown(keep)}."
            )
        kept = np.where(origin >= 0, kept, 0.0)
        return self._carry(state, fresh, origin, kept) if kept.any() else fresh

    @abstractmethod
    def _begin(self, specialists: Specialists) -> State:
        """Return the state of a rule that has heard nothing."""

    @abstractmethod
    def _weigh(self, state: State, awake: Floats) -> Floats:
        """Return the weights over the last axis of ``awake``."""

    @abstractmethod
    def _learn(self, state: State, regrets: Floats, awake: Floats, weights: Floats) -> State:
        """Return the state after regrets that are finite, and 0 where a specialist is asleep."""

    @abstractmethod
    def _carry(self, state: State, fresh: State, origin: Positions, kept: Floats) -> State:
        """Return ``state`` on the specialists of ``fresh``; ``kept`` is 0 where one is new, but not everywhere."""


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
        return _shares(awake * state.specialists.prior)

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
            _trust(specialists.log_prior),
        )

    def _weigh(self, state: RecentState, awake: Floats) -> Floats:
        return _softmax(state.trust, awake)

    def _learn(self, state: RecentState, regrets: Floats, awake: Floats, weights: Floats) -> RecentState:
        specialists = state.specialists
        speaking = np.flatnonzero(awake)
        # What the specialists lost against the ensemble differs from what they lost against the field by a constant.
        field = _shares(awake * specialists.prior)[speaking]
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
        leads = kept * _moved(state.leads, origin, kept)
        cursor, heard = _moved(state.cursor, origin, kept), _moved(state.heard, origin, kept)
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
        largest = np.maximum(np.abs(leads).max(axis=0), _TINY)
        relative = leads / largest
        evidence = relative.sum(axis=0) / np.maximum(np.sqrt(np.square(relative).sum(axis=0)), _TINY)
        logits = specialists.log_prior + np.where(heard >= self.min_outcomes, evidence, 0.0)
        return RecentState(specialists, leads, cursor, heard, _trust(logits))


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
        return ExponentialState(specialists, nothing, 0.0, 0.0, 0, _trust(specialists.log_prior))

    def _weigh(self, state: ExponentialState, awake: Floats) -> Floats:
        return _softmax(state.trust, awake)

    def _learn(self, state: ExponentialState, regrets: Floats, awake: Floats, weights: Floats) -> ExponentialState:
        specialists, saved, gaps, pace, rows, trust = state
        speaking = np.sign(awake)
        gap = _mixability_gap(regrets, _softmax(trust, speaking), pace)
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
        return ExponentialState(specialists, saved, gaps, pace, rows, _trust(specialists.log_prior + saved / pace))

    def _carry(
        self, state: ExponentialState, fresh: ExponentialState, origin: Positions, kept: Floats
    ) -> ExponentialState:
        pace = state.pace
        if pace == 0.0:
            return fresh._replace(rows=state.rows)
        specialists = fresh.specialists
        saved = _moved(state.saved, origin, kept)
        if (kept < 1).any():
            # Falling rates leave everybody below 0: without a new zero, to be forgotten would be a reward.
            carried = (kept > 0).astype(float)
            level = _log_total(specialists.log_prior + saved / pace, carried) - math.log(carried.dot(specialists.prior))
            saved = kept * (saved - level * pace)
        return ExponentialState(
            specialists, saved, state.gaps, pace, state.rows, _trust(specialists.log_prior + saved / pace)
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
        received = np.log(np.maximum(self.share * awake, _TINY)) + pooled
        return np.where(awake > 0, np.logaddexp(kept, received) * pace, saved)


class PolynomialState(NamedTuple):
    """State of ``MLPoly``.

    Attributes
    ----------
    specialists : Specialists
        The fixed part.
    regret : ndarray of shape (n_specialists,)
        Sum of regrets.
    root : ndarray of shape (n_specialists,)
        Root of the sum of squared regrets.
    reach : float
        The largest regret seen, in absolute value.
    odds : ndarray of shape (n_specialists,)
        The weights before confidences, up to a factor; 0 without positive regret.
    """

    specialists: Specialists
    regret: Floats
    root: Floats
    reach: float
    odds: Floats


class MLPoly(Rule[PolynomialState]):
    """Weigh by positive regret, with a rate for every specialist.

    Only those that would have done better than the ensemble so far get a weight, in proportion to how much better.
    Decisive (weights reach exactly 0) and quick to return::

        w_j ∝ a_j p_j η_j max(R_j, 0)      η_j = 1 / (E² + V_j),   V_j = Σ r_j²,   E = largest |r| of anyone so far

    and w_j ∝ a_j p_j where nobody awake has positive regret. The original has 1 in place of E², for losses in [0, 1].

    Guarantee, for memory 1 and every j and T, with E_1 the first E above 0::

        R_j ≤ √((E_T² + V_j) / p_j) · (√(1.45 · Σ_i p_i ln((E_T² + V_i) / E_1²)) + 0.71 N_T)

    where N_T is the number of rows on which some r_i² is above E² + V_i of the row before: the first, and then only
    where the range of the losses widens. Gaillard et al. (2014) prove it for a known range, by the potential
    Σ_i p_i η_i max(R_i, 0)². Where the range widens, its root grows by at most 1/√2 (Minkowski); on all other rows
    every η_i r_i² is at most 1 and their sum telescopes. Adding a constant to all losses changes nothing; nor does a
    common positive factor. With memory below 1, R_j and V_j fade: a heuristic without a bound. A newcomer after
    ``carried`` has no weight until it would have gained; a record kept in part has R_j and V_j multiplied by that part.

    See Also
    --------
    BernsteinAggregation : Exponential weights with a rate for every specialist.

    References
    ----------
    P. Gaillard, G. Stoltz and T. van Erven. "A second-order bound with excess losses". COLT, 2014.

    Examples
    --------
    Regrets are (½, 0, −½): only the first would have gained.

    >>> import numpy as np
    >>> rule = MLPoly()
    >>> state, awake = rule.start([0.25, 0.5, 0.25], [1, 1, 1]), np.ones(3)
    >>> state = rule.update(state, np.array([0.0, 0.5, 1.0]), awake)
    >>> rule.weights(state, awake)
    array([1., 0., 0.])
    """

    def _begin(self, specialists: Specialists) -> PolynomialState:
        nothing = np.zeros_like(specialists.prior)
        return PolynomialState(specialists, nothing, nothing, 0.0, nothing)

    def _weigh(self, state: PolynomialState, awake: Floats) -> Floats:
        def undecided(part: Floats) -> Floats:
            return _shares(part * state.specialists.prior)

        return _normalised(awake * state.odds, awake, undecided)

    def _learn(self, state: PolynomialState, regrets: Floats, awake: Floats, weights: Floats) -> PolynomialState:
        specialists, regret, root, reach, _ = state
        if specialists.fading:
            half = specialists.half_memory**awake
            regret, root = half * half * regret, half * root
        regret = regret + regrets
        root = np.hypot(root, regrets)
        reach = max(reach, float(np.maximum.reduce(np.abs(regrets))))
        return self._judged(specialists, regret, root, reach)

    def _carry(
        self, state: PolynomialState, fresh: PolynomialState, origin: Positions, kept: Floats
    ) -> PolynomialState:
        regret = kept * _moved(state.regret, origin, kept)
        root = np.sqrt(kept) * _moved(state.root, origin, kept)
        return self._judged(fresh.specialists, regret, root, state.reach)

    def _judged(self, specialists: Specialists, regret: Floats, root: Floats, reach: float) -> PolynomialState:
        """Return the state with the weights that follow from regrets and their squares."""
        sizes = np.maximum(np.hypot(root, reach), _TINY)
        odds = specialists.prior * (np.maximum(regret, 0.0) / sizes)
        odds *= np.minimum.reduce(sizes) / sizes
        return PolynomialState(specialists, regret, root, reach, odds)


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
    fresh : ndarray of shape (n_specialists,) or None
        1 for who has never been updated, else 0; ``None`` when everybody has.
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
    rate possible where one specialist is clearly best. With γ_j the memory and d = γ_j^{a_j},::

        w_j ∝ a_j p_j η_j exp(η_j Q_j)       η_j = 1/√V_j
        V_j ← d V_j + 2.2 r_j²               Q_j ← d Q_j + r_j − r_j² / √V_j     with the new V_j

    The state keeps √V_j and Q_j/√V_j, so losses of any size are safe. Why 2.2: with the row itself in V_j,
    |η_j r_j| ≤ 1/√2.2 < 0.675, where exp(x − x²) ≤ 1 + x still holds (it does down to x = −0.683), so no regret has to
    be clipped; 2.14 is the least constant for that.

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

    def _begin(self, specialists: Specialists) -> BernsteinState:
        nothing = np.zeros_like(specialists.prior)
        return BernsteinState(specialists, nothing, nothing, _trust(specialists.log_prior), np.ones_like(nothing))

    def _weigh(self, state: BernsteinState, awake: Floats) -> Floats:
        fresh = state.fresh
        if fresh is None or not awake.dot(fresh).any():
            return _softmax(state.trust, awake)
        known = np.where(fresh, 0.0, awake)
        met = np.sign(known).dot(state.specialists.kin) > 0
        shares = _shares(awake * state.specialists.prior)
        rest = np.where(met, shares, 0.0).sum(axis=-1, keepdims=True)
        return np.where(met, rest * _softmax(state.trust, known), shares)

    def _learn(self, state: BernsteinState, regrets: Floats, awake: Floats, weights: Floats) -> BernsteinState:
        specialists, root, evidence, _, _ = state
        if specialists.fading:
            half = specialists.half_memory**awake
            root = root * half
            evidence = evidence * half
        larger = np.hypot(root, regrets * _ROOT_OF_2_2)
        largest = float(np.maximum.reduce(larger))
        if largest == 0.0:
            return state
        safe = _divisor(larger, largest)
        step = regrets / safe
        evidence = evidence * (root / safe)
        evidence += step
        evidence -= step * step
        return self._judged(specialists, larger, evidence, safe / largest)

    def _carry(self, state: BernsteinState, fresh: BernsteinState, origin: Positions, kept: Floats) -> BernsteinState:
        # V and Q shrink by what is kept, so √V and Q / √V by its root.
        half = np.sqrt(kept)
        root = half * _moved(state.root, origin, kept)
        evidence = half * _moved(state.evidence, origin, kept)
        largest = float(np.maximum.reduce(root))
        if largest == 0.0:
            return fresh
        return self._judged(fresh.specialists, root, evidence, _divisor(root, largest) / largest)

    def _judged(self, specialists: Specialists, root: Floats, evidence: Floats, size: Floats) -> BernsteinState:
        """Return the state with the trust that follows from evidence and √V, with ``size`` for √V over the largest."""
        logits = evidence + specialists.log_prior
        logits -= np.log(size)
        if np.count_nonzero(root) == root.size:
            return BernsteinState(specialists, root, evidence, _trust(logits), None)
        fresh = root == 0.0
        return BernsteinState(
            specialists, root, evidence, _trust(np.where(fresh, -np.inf, logits)), fresh.astype(float)
        )


def _divisor(root: Floats, largest: float) -> Floats:
    """Return ``root`` with a floor in place of 0, so that 0/0 is 0; numbers above 0 do not reach it."""
    return np.maximum(root, max(largest * 1e-307, _TINY))


def _moved(record: npt.NDArray[Any], origin: Positions, kept: Floats) -> npt.NDArray[Any]:
    """Return the record of those carried at their new places, and 0 for the others: nobody starts with anything."""
    return np.where(kept > 0, np.take(record, origin, axis=-1), 0)


def _trust(logits: Floats) -> Trust:
    """Return weights before confidences from their logarithms."""
    return Trust(logits, np.exp(logits - np.maximum.reduce(logits)))


def _softmax(trust: Trust, awake: Floats) -> Floats:
    """Return weights ∝ ``awake`` · exp(``trust.logits``) over the last axis; zeros where nobody is awake."""

    def by_logs(part: Floats) -> Floats:
        logits = np.where(part > 0, trust.logits, -np.inf)
        top = np.maximum.reduce(logits, axis=-1, keepdims=True, initial=-1e308)
        return _shares(part * np.exp(logits - top))

    return _normalised(awake * trust.odds, awake, by_logs)


def _normalised(parts: Floats, awake: Floats, otherwise: Callable[[Floats], Floats]) -> Floats:
    """Divide by the sum over the last axis; where that is next to nothing, the weights come from ``otherwise``."""
    if parts.ndim == 1:
        total = np.add.reduce(parts)
        return parts / total if total > _FAINT else otherwise(awake)
    totals = np.add.reduce(parts, axis=-1)
    shares = parts / np.maximum(totals, _FAINT)[:, np.newaxis]
    faint = totals <= _FAINT
    if faint.any():
        shares[faint] = otherwise(awake[faint])
    return shares


def _shares(parts: Floats) -> Floats:
    """Divide by the sum over the last axis; zeros stay zeros."""
    return parts / np.maximum(np.add.reduce(parts, axis=-1, keepdims=True), _TINY)


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

"""One more row of losses → weights, step by step.

A rule divides trust among *specialists*: a specialist is one voice that may be awake with a confidence in [0, 1] and
is otherwise asleep. Where there is nothing but models, every model is one specialist; dynamic weighting makes one of
every pair (model, context). A rule holds parameters only. What it has learned is a *state*: a record that is never
changed in place, so that copies are free and a reader in another thread never sees half of an update. The one rule that
all members keep: only differences of losses count, a specialist that is asleep keeps its record to the last bit, and
nothing but a prior, a memory and the losses themselves is asked for: no learning rate, no range of the losses.

Every bound below speaks of the regret of specialist j, with ``a`` its confidence and ``w`` the weights in force::

    r_j = a_j · (Σ_i w_i loss_i − loss_j)          R_j = Σ_t r_j

that is, of what it would have saved to follow j, counted while j speaks and as loudly as j speaks (Gaillard, Stoltz &
van Erven 2014, section 4, reduce confidences to the plain setting in this way). The bounds hold for every sequence of
losses, also for one chosen by an adversary who knows the rule. They suppose that outcomes arrive before the next
prediction; outcomes that arrive later are learned from all the same, without a guarantee.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, Generic, NamedTuple, TypeVar

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
State = TypeVar("State")

# The smallest and the lowest positive steps that keep divisions and maxima defined without a branch.
_TINY = 5e-324
_LOWEST = -1.7e308
# Losses beyond this size count as not finite: their differences and sums would overflow.
_HUGE = 1e300


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
    fading : bool
        Whether any memory is below 1.
    kin : ndarray of shape (n_specialists, n_specialists)
        1 where two specialists belong to one model, else 0.
    """

    prior: Floats
    log_prior: Floats
    memory: Floats
    fading: bool
    kin: Floats


class Rule(BaseEstimator, ABC, Generic[State]):
    """What every rule promises: ``start``, then ``weights`` and ``update`` row by row.

    All verbs are pure: they return new records and change none.
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
        return self._begin(Specialists(shares, np.log(shares), fades, bool((fades < 1).any()), kin))

    @abstractmethod
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
            The weights in force when the prediction was made; ``None`` takes those of ``state``.
        scale : float, default=1.0
            Sample weight of the row: it multiplies the regrets. 0 changes nothing.

        Returns
        -------
        state : record of arrays
            The very same record where nothing could be learned.
        """
        if not 0.0 < scale < math.inf:
            return state
        # One product that fails for NaN, inf and extreme sizes keeps the usual row free of masks.
        if not np.dot(losses, losses) < _HUGE:
            heard = (awake > 0) & (np.abs(losses) <= _HUGE)
            losses = np.where(heard, losses, 0.0)
            awake = np.where(heard, awake, 0.0)
            weights = _restricted(weights, heard)
        if weights is None:
            weights = self.weights(state, awake)
        # Losses are measured from that of the heaviest specialist, whose own regret is the one that cancels most.
        heaviest = weights.argmax()
        if weights[heaviest] == 0.0:
            return state
        lead = losses - losses[heaviest]
        regrets = np.dot(weights, lead) - lead
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

    @abstractmethod
    def _begin(self, specialists: Specialists) -> State: ...

    @abstractmethod
    def _learn(self, state: State, regrets: Floats, awake: Floats, weights: Floats) -> State: ...


class NoLearning(Rule[Specialists]):
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

    def weights(self, state: Specialists, awake: Floats) -> Floats:  # noqa: D102 - documented in Rule
        return _shares(awake * state.prior)

    def _begin(self, specialists: Specialists) -> Specialists:
        return specialists

    def _learn(self, state: Specialists, regrets: Floats, awake: Floats, weights: Floats) -> Specialists:
        return state

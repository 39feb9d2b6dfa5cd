"""What every rule promises, and the arithmetic that rules share."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from skensemble._checks import shown
from skensemble.losses import Loss
from skensemble.rules._row import FAINT, TINY, Floats, Positions, Rows, Trust, following, row_softmax, updated

__all__ = ["Rule", "Specialists", "moved", "normalised", "shares_of", "softmax"]


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


class Rule(BaseEstimator, ABC, Generic[State]):
    """What every rule promises: ``start``, then ``weights`` and ``update`` row by row.

    All verbs are pure: they return new records and change none.

    Examples
    --------
    All members are used alike:

    >>> import numpy as np
    >>> from skensemble.rules import BernsteinAggregation
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

    def check(self, loss: Loss | None = None) -> None:
        """Refuse parameters out of their range, and a loss whose slopes this rule cannot follow.

        Parameters
        ----------
        loss : Loss, default=None
            What `follow` would be given.

        Raises
        ------
        ValueError
            If a parameter or the loss does not do.
        ImportError
            If a library is not installed.
        """
        self.start([1.0], [1.0])

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
        if weights is None:
            weights = self._weigh(state, awake)
        return updated(self._weigh, self._learn, state, losses, awake, weights, scale)

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
        n_samples, n_specialists = awake.shape
        nothing = np.empty((n_samples, n_specialists, 0)), np.empty((n_samples, 0))
        return self.follow(state, *nothing, awake, losses=losses, scale=scale)

    def follow(
        self,
        state: State,
        said: Floats,
        targets: Floats,
        awake: Floats,
        *,
        loss: Loss | None = None,
        losses: Floats | None = None,
        scale: Floats | None = None,
        known: Positions | None = None,
        weights: Floats | None = None,
    ) -> tuple[State, Floats]:
        r"""Answer row after row for models that speak in several contexts, and learn from what each outcome cost.

        The specialists are the models within each context. A model's weight w is the sum over its contexts, the answer
        :math:`z = \sum_k w_k x_k`, and after the outcome y model k is told :math:`\langle \ell'(z, y), x_k \rangle`,
        or its own loss.

        Parameters
        ----------
        state : record of arrays
            From ``start`` or ``update``.
        said : ndarray of shape (n_samples, n_models, n_outputs)
            What each model said; 0 where it sleeps.
        targets : ndarray of shape (n_samples, n_outputs)
            What came true, in time order.
        awake : ndarray of shape (n_samples, n_contexts * n_models)
            Confidences, model by model within each context.
        loss : Loss, default=None
            Whose slopes are learned from; ``None`` needs ``losses``.
        losses : ndarray of shape (n_samples, n_models), default=None
            What each model's own error cost, to be learned from in place of slopes.
        scale : ndarray of shape (n_samples,), default=None
            Sample weights; ``None`` means 1 for every row.
        known : ndarray of int of shape (n_samples,), default=None
            How many rows had an outcome when each was answered, never falling and at most the row's own number;
            ``None`` is all rows before.
        weights : ndarray of shape (n_samples, n_models), default=None
            The weights with which the rows were answered elsewhere; ``None``: those of this run.

        Returns
        -------
        state : record of arrays
            The state after the last row.
        weights : ndarray of shape (n_samples, n_models)
            The weights with which each row was answered.

        Examples
        --------
        Two models in one context; the first is right:

        >>> import numpy as np
        >>> from skensemble.losses import SquaredLoss
        >>> from skensemble.rules import BernsteinAggregation
        >>> rule, said = BernsteinAggregation(), np.array([[[1.0], [3.0]]] * 3)
        >>> start = rule.start([0.5, 0.5], [1, 1])
        >>> state, weights = rule.follow(start, said, np.ones((3, 1)), np.ones((3, 2)), loss=SquaredLoss())
        >>> weights.round(2)
        array([[0.5 , 0.5 ],
               [0.79, 0.21],
               [0.87, 0.13]])
        """
        n_samples, n_models, _ = said.shape
        every, nothing = np.arange(n_samples), np.empty((0, n_models))
        # Which rows are answered after the outcomes of those before each and before its own.
        last = every + 1 if known is None else np.searchsorted(known, every, side="right")
        rows = Rows(
            said,
            targets,
            awake,
            np.ones(n_samples) if scale is None else scale,
            np.append(0, last)[:-1],
            last,
            nothing if weights is None else weights,
            nothing if losses is None else losses,
        )
        return self._follow(state, rows, loss)

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

    def joined(self, state: State, other: State, newcomers: npt.NDArray[np.bool_]) -> State:
        """Return a state in which some specialists have the record that they have in another state.

        Parameters
        ----------
        state : record of arrays
            The record of most.
        other : record of arrays
            A state of the same specialists, from other rows or the same.
        newcomers : ndarray of bool of shape (n_specialists,)
            Whose record to take from ``other``.

        Returns
        -------
        state : record of arrays
            A new record. Bounds that are proved for a sequence of rows do not span it.

        Examples
        --------
        >>> import numpy as np
        >>> from skensemble.rules import BernsteinAggregation
        >>> rule, even = BernsteinAggregation(), np.ones(2)
        >>> empty = rule.start([0.5, 0.5], [1, 1])
        >>> heard = rule.update(empty, np.array([0.0, 1.0]), even)
        >>> bool((rule.weights(rule.joined(empty, heard, even > 0), even) == rule.weights(heard, even)).all())
        True
        """
        size = len(newcomers)

        def each_has_one(part: Any) -> bool:
            return isinstance(part, np.ndarray) and part.shape[-1:] == (size,)

        pairs: Any = zip(state, other, strict=True)  # type: ignore[call-overload]
        # Only records are mixed; what follows from them is worked out by the same step that carries a record over.
        parts = [
            np.where(newcomers, theirs, own) if each_has_one(own) and each_has_one(theirs) else own
            for own, theirs in pairs
        ]
        return self._carry(type(state)(*parts), state, np.arange(size), np.ones(size))

    @abstractmethod
    def _begin(self, specialists: Specialists) -> State:
        """Return the state of a rule that has heard nothing."""

    @abstractmethod
    def _weigh(self, state: State, awake: Floats) -> Floats:
        """Return the weights over the last axis of ``awake``."""

    @abstractmethod
    def _learn(self, state: State, regrets: Floats, awake: Floats, weights: Floats) -> State:
        """Return the state after regrets that are finite, and 0 where a specialist is asleep."""

    def _follow(self, state: State, rows: Rows, loss: Loss | None) -> tuple[State, Floats]:
        """Return the state after all rows, and the weights of the models on each."""

        def update(state: State, losses: Floats, awake: Floats, weights: Floats, scale: float) -> State:
            return self.update(state, losses, awake, weights=weights, scale=scale)

        def slope(targets: Floats, combined: Floats, _: float) -> Floats:
            slopes: Floats = loss.slope(targets[None], combined[None])[0]  # type: ignore[union-attr]
            return slopes

        return following(self.weights, update, slope)(state, rows, 0.0)

    @abstractmethod
    def _carry(self, state: State, fresh: State, origin: Positions, kept: Floats) -> State:
        """Return ``state`` on the specialists of ``fresh``; ``kept`` is 0 where one is new, but not everywhere."""


def moved(record: npt.NDArray[Any], origin: Positions, kept: Floats) -> npt.NDArray[Any]:
    """Return the record of those carried at their new places, and 0 for the others: nobody starts with anything."""
    return np.where(kept > 0, np.take(record, origin, axis=-1), 0)


def softmax(trust: Trust, awake: Floats) -> Floats:
    """Return weights ∝ ``awake`` · exp(``trust.logits``) over the last axis; zeros where nobody is awake."""
    if awake.ndim == 1:
        return row_softmax(trust, awake)

    def by_logs(part: Floats) -> Floats:
        logits = np.where(part > 0, trust.logits, -np.inf)
        top = np.maximum.reduce(logits, axis=-1, keepdims=True, initial=-1e308)
        return shares_of(part * np.exp(logits - top))

    return normalised(awake * trust.odds, awake, by_logs)


def normalised(parts: Floats, awake: Floats, otherwise: Callable[[Floats], Floats]) -> Floats:
    """Divide by the sum over the last axis; where that is next to nothing, the weights come from ``otherwise``."""
    if parts.ndim == 1:
        total = np.add.reduce(parts)
        return parts / total if total > FAINT else otherwise(awake)
    totals = np.add.reduce(parts, axis=-1)
    shares = parts / np.maximum(totals, FAINT)[:, np.newaxis]
    faint = totals <= FAINT
    if faint.any():
        shares[faint] = otherwise(awake[faint])
    return shares


def shares_of(parts: Floats) -> Floats:
    """Divide by the sum over the last axis; zeros stay zeros."""
    return parts / np.maximum(np.add.reduce(parts, axis=-1, keepdims=True), TINY)

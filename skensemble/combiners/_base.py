"""What every combiner promises, and what all of them share per regime."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from skensemble._compat import take_rows
from skensemble.losses import LogLoss, Loss, SquaredLoss
from skensemble.trades import TradeEvidence

__all__ = [
    "Array",
    "Averaging",
    "Combiner",
    "awake_models",
    "best_so_far",
    "default_loss",
    "equal_weights",
    "over_awake",
    "regime_shares",
    "spoken",
    "weighted_mean",
]

Array = NDArray[np.float64]


class Combiner(BaseEstimator, ABC):
    r"""Turn the predictions of several models into one.

    A combiner is fitted on out-of-fold predictions. With regimes it keeps one answer per regime and a pooled one, and
    a row is served by

    .. math:: \Big(1 - \sum_r m_r\Big) f_\text{pooled} + \sum_r m_r f_r ,

    with :math:`m` the row's memberships: an unknown regime leaves everything to the pooled answer. What is learned
    later replaces what was known before and never changes it in place, so that a copy taken before is still whole.

    Attributes
    ----------
    regime_weights_ : ndarray of shape (1 + n_regimes, n_models)
        How far each model is trusted, first pooled, then in each regime.

    Examples
    --------
    All members are used alike:

    >>> import numpy as np
    >>> from skensemble.combiners import WeightedVoting
    >>> predictions, targets = np.array([[[1.0], [3.0]]]), np.array([[2.0]])
    >>> combiner = WeightedVoting().fit(predictions, targets, memberships=np.zeros((1, 0)))
    >>> combiner.combine(predictions, memberships=np.zeros((1, 0)))
    array([[2.]])
    """

    regime_weights_: Array

    @property
    def looks_at_features(self) -> bool:
        """Whether the rows themselves matter to the answer, and not only what models say of them.

        Returns
        -------
        bool
            False for all but stacking with ``passthrough``.
        """
        return False

    def check_parameters(self) -> None:
        """Refuse parameters that make no sense: an ensemble asks before it trains anybody.

        Raises
        ------
        ValueError
            If a parameter is out of its range.
        ImportError
            If a parameter needs a library that is not installed.
        """

    def fit(
        self,
        predictions: Array,
        targets: Array,
        memberships: Array,
        sample_weight: Array | None = None,
        *,
        features: Any = None,
    ) -> Self:
        """Learn from out-of-fold predictions, forgetting whatever was learned before.

        Parameters
        ----------
        predictions : ndarray of shape (n_samples, n_models, n_outputs)
            Out-of-fold predictions; NaN where a model sleeps.
        targets : ndarray of shape (n_samples, n_outputs)
            What came true; one column per class for classes.
        memberships : ndarray of shape (n_samples, n_regimes)
            Rows sum to 1, or are zero where the regime is unknown.
        sample_weight : ndarray of shape (n_samples,), default=None
            How much each row counts; ``None`` counts all alike.
        features : array-like of shape (n_samples, n_features), default=None
            The rows themselves, for combiners that look at them.

        Returns
        -------
        Combiner
            Itself.
        """
        self.check_parameters()
        self._fit(predictions, targets, memberships, _counted(sample_weight, targets), features)
        return self

    def fit_forward(
        self,
        predictions: Array,
        targets: Array,
        memberships: Array,
        sample_weight: Array,
        folds: NDArray[np.intp],
        *,
        known: NDArray[np.intp] | None = None,
        features: Any = None,
    ) -> tuple[Array, Array]:
        """Learn like `fit`, and say what the answer was on each row with what could be known before it.

        Parameters
        ----------
        predictions : ndarray of shape (n_samples, n_models, n_outputs)
            Out-of-fold predictions; NaN where a model sleeps.
        targets : ndarray of shape (n_samples, n_outputs)
            What came true; one column per class for classes.
        memberships : ndarray of shape (n_samples, n_regimes)
            Rows sum to 1, or are zero where the regime is unknown.
        sample_weight : ndarray of shape (n_samples,)
            How much each row counts.
        folds : ndarray of shape (n_samples,)
            Number of the fold that each row was predicted in. A combiner that learns at once knows the folds before;
            in the first nothing is known and models have equal weights.
        known : ndarray of shape (n_samples,), default=None
            How many rows had an outcome when each row was predicted, see `follow`.
        features : array-like of shape (n_samples, n_features), default=None
            The rows themselves, for combiners that look at them.

        Returns
        -------
        combined : ndarray of shape (n_samples, n_outputs)
            The combined predictions.
        weights : ndarray of shape (n_samples, n_models)
            The weights behind them.
        """
        weights = equal_weights(awake_models(predictions))
        combined = weighted_mean(weights, predictions)
        for fold in np.unique(folds)[1:]:
            now = np.flatnonzero(folds == fold)
            past = np.flatnonzero((folds < fold) & ~_open_labels(len(folds), now, known))
            if not sample_weight[past].sum() > 0:
                continue
            before, at = (None if features is None else take_rows(features, rows) for rows in (past, now))
            taught = clone(self).fit(
                predictions[past], targets[past], memberships[past], sample_weight[past], features=before
            )
            combined[now] = taught.combine(predictions[now], memberships[now], features=at)
            weights[now] = taught.weights(predictions[now], memberships[now])
        self.fit(predictions, targets, memberships, sample_weight, features=features)
        return combined, weights

    def follow(
        self,
        predictions: Array,
        targets: Array,
        memberships: Array,
        sample_weight: Array | None = None,
        *,
        weights: Array | None = None,
        known: NDArray[np.intp] | None = None,
        features: Any = None,
    ) -> tuple[Array, Array]:
        """Take more outcomes in time order: say what the answer was before each, then learn from it.

        Parameters
        ----------
        predictions : ndarray of shape (n_samples, n_models, n_outputs)
            What the models said; NaN where a model slept.
        targets : ndarray of shape (n_samples, n_outputs)
            What came true; one column per class for classes.
        memberships : ndarray of shape (n_samples, n_regimes)
            Rows sum to 1, or are zero where the regime is unknown.
        sample_weight : ndarray of shape (n_samples,), default=None
            How much each row counts; ``None`` counts all alike. A row of weight zero changes nothing.
        weights : ndarray of shape (n_samples, n_models), default=None
            Weights of the models when the predictions were made, for outcomes that arrive late; ``None`` takes those
            of the answer.
        known : ndarray of shape (n_samples,), default=None
            How many of these rows had an outcome when each row was predicted, never falling and at most the row's own
            number: the answer on a row is the one after so many outcomes, and a regret is that of the answer. ``None``
            is all rows before.
        features : array-like of shape (n_samples, n_features), default=None
            The rows themselves, for combiners that look at them.

        Returns
        -------
        combined : ndarray of shape (n_samples, n_outputs)
            The combined predictions; NaN where features are needed and were not given.
        weights : ndarray of shape (n_samples, n_models)
            The weights behind them. n rows at once give the same bits as n calls of one row.
        """
        counted = _counted(sample_weight, targets)
        return self._follow(predictions, targets, memberships, counted, weights, known, features)

    def follow_trades(self, profits_bps: Array, memberships: Array, sample_weight: Array) -> bool:
        """Learn from trades of single models, whose outcomes tell nothing about what the others would have earned.

        Parameters
        ----------
        profits_bps : ndarray of shape (n_trades, n_models)
            Profit of each model's trade in basis points; NaN where it did not trade.
        memberships : ndarray of shape (n_trades, n_regimes)
            Memberships of the trades.
        sample_weight : ndarray of shape (n_trades,)
            How much each trade counts.

        Returns
        -------
        bool
            Whether weights have moved; a model of models has none to move.
        """
        return False

    def welcome(self, newcomers: NDArray[np.bool_], taught: Self) -> None:
        """Give models that `resume` did not find the record that they have earned elsewhere.

        Parameters
        ----------
        newcomers : ndarray of bool of shape (n_models,)
            Which models are new.
        taught : Combiner
            A combiner of the same kind, models and regimes that has learned from rows on which they all spoke.
        """

    def resume(
        self,
        past: Combiner,
        models: NDArray[np.intp],
        regimes: NDArray[np.intp],
        keep: Array,
        n_outputs: int,
    ) -> bool:
        """Go on from what another combiner has learned, with other models and regimes.

        Parameters
        ----------
        past : Combiner
            Fitted; stays as it is.
        models : ndarray of shape (n_models,)
            Position of each model in ``past``; -1 for a new one.
        regimes : ndarray of shape (n_regimes,)
            Position of each regime in ``past``; -1 for a new one.
        keep : ndarray of shape (n_models,)
            How much of each model's record counts on, in [0, 1].
        n_outputs : int
            1 for numbers, the number of classes otherwise.

        Returns
        -------
        bool
            False where it cannot, as from a combiner of another kind; then `fit` starts anew.
        """
        self.check_parameters()
        return type(past) is type(self) and self._resume(past, models, regimes, keep, n_outputs)

    def combine(self, predictions: Array, memberships: Array, *, features: Any = None) -> Array:
        """Return the combined prediction.

        Parameters
        ----------
        predictions : ndarray of shape (n_samples, n_models, n_outputs)
            Predictions; NaN where a model sleeps.
        memberships : ndarray of shape (n_samples, n_regimes)
            Memberships of the rows.
        features : array-like of shape (n_samples, n_features), default=None
            The rows themselves, for combiners that look at them.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            The ensemble's prediction.
        """
        return self._combine(predictions, memberships, features)

    def weights(self, predictions: Array, memberships: Array) -> Array:
        """Return how far each model is trusted on each row.

        Parameters
        ----------
        predictions : ndarray of shape (n_samples, n_models, n_outputs)
            Predictions; NaN where a model sleeps.
        memberships : ndarray of shape (n_samples, n_regimes)
            Memberships of the rows.

        Returns
        -------
        ndarray of shape (n_samples, n_models)
            Not negative, 0 for models asleep, summing to 1 over the others.
        """
        awake = awake_models(predictions)
        return self._with_trades(self._weigh(awake, memberships), awake, memberships)

    def contributions(self, predictions: Array, memberships: Array, *, features: Any = None) -> Array:
        """Take the combined prediction apart: what each model moved it by.

        Parameters
        ----------
        predictions : ndarray of shape (n_samples, n_models, n_outputs)
            Predictions; NaN where a model sleeps.
        memberships : ndarray of shape (n_samples, n_regimes)
            Memberships of the rows.
        features : array-like of shape (n_samples, n_features), default=None
            The rows themselves, for combiners that look at them.

        Returns
        -------
        ndarray of shape (n_samples, n_models, n_outputs)
            Contributions; the prediction less their sum is the baseline, which no model answers for.
        """
        return self._contribute(predictions, memberships, features)

    # What a combiner says for itself.

    @abstractmethod
    def _fit(self, predictions: Array, targets: Array, memberships: Array, counted: Array, features: Any) -> None:
        """Start anew and learn from all rows."""

    @abstractmethod
    def _follow(
        self,
        predictions: Array,
        targets: Array,
        memberships: Array,
        counted: Array,
        weights: Array | None,
        known: NDArray[np.intp] | None,
        features: Any,
    ) -> tuple[Array, Array]:
        """Combined predictions and weights; answer all rows with so many outcomes known, then learn from the next."""

    @abstractmethod
    def _resume(
        self, past: Any, models: NDArray[np.intp], regimes: NDArray[np.intp], keep: Array, n_outputs: int
    ) -> bool:
        """Take over what a combiner of the same kind has learned, if that is possible."""

    @abstractmethod
    def _combine(self, predictions: Array, memberships: Array, features: Any) -> Array:
        """The combined prediction."""

    @abstractmethod
    def _contribute(self, predictions: Array, memberships: Array, features: Any) -> Array:
        """What each model moved it by."""

    def _weigh(self, awake: NDArray[np.bool_], memberships: Array) -> Array:
        """Weights over the models awake."""
        return over_awake(regime_shares(memberships) @ self.regime_weights_, awake)

    def _with_trades(self, weights: Array, awake: NDArray[np.bool_], memberships: Array) -> Array:
        """The weights with what trades have taught."""
        return weights


class Averaging(Combiner):
    """A combiner whose answer is the weighted mean of the predictions: contributions are weight times prediction.

    Trades of single models enter as a factor: a weight is multiplied by the probability that the model is the one that
    earns most, and the weights are brought back to a sum of one.
    """

    trades_: TradeEvidence | None = None

    def follow_trades(self, profits_bps: Array, memberships: Array, sample_weight: Array) -> bool:
        """Learn from trades of single models, whose outcomes tell nothing about what the others would have earned.

        Parameters
        ----------
        profits_bps : ndarray of shape (n_trades, n_models)
            Profit of each model's trade in basis points; NaN where it did not trade.
        memberships : ndarray of shape (n_trades, n_regimes)
            Memberships of the trades.
        sample_weight : ndarray of shape (n_trades,)
            How much each trade counts.

        Returns
        -------
        bool
            True: weights have moved.
        """
        known = self.trades_ or TradeEvidence(profits_bps.shape[1], memberships.shape[1])
        self.trades_ = known.updated(profits_bps, memberships, sample_weight)
        return True

    def _with_trades(self, weights: Array, awake: NDArray[np.bool_], memberships: Array) -> Array:
        if self.trades_ is None:
            return weights
        return over_awake(weights * self.trades_.weights(memberships), awake)

    def _resume_trades(self, past: Averaging, models: Any, regimes: Any, keep: Array) -> None:
        if past.trades_ is not None:
            self.trades_ = past.trades_.reindexed(models, regimes).faded(keep)

    def _combine(self, predictions: Array, memberships: Array, features: Any) -> Array:
        return weighted_mean(self.weights(predictions, memberships), predictions)

    def _contribute(self, predictions: Array, memberships: Array, features: Any) -> Array:
        return self.weights(predictions, memberships)[:, :, None] * spoken(predictions)


def _open_labels(n_samples: int, now: NDArray[np.intp], known: NDArray[np.intp] | None) -> NDArray[np.bool_]:
    """Which rows had no outcome yet when some row of ``now`` was predicted."""
    if known is None:
        return np.zeros(n_samples, dtype=bool)
    opened = np.bincount(known[now], minlength=n_samples + 1)
    closed = np.bincount(now + 1, minlength=n_samples + 1)
    return np.cumsum(opened - closed)[:n_samples] > 0


def awake_models(predictions: Array) -> NDArray[np.bool_]:
    """Say which model speaks on which row: all of its outputs are finite.

    Parameters
    ----------
    predictions : ndarray of shape (n_samples, n_models, n_outputs)
        What each model said.

    Returns
    -------
    ndarray of bool of shape (n_samples, n_models)
        False where the model is asleep.

    Examples
    --------
    >>> import numpy as np
    >>> awake_models(np.array([[[0.5, 0.5], [0.5, np.nan]]]))
    array([[ True, False]])
    """
    finite = np.isfinite(predictions)
    if finite.all():
        return np.ones(predictions.shape[:2], dtype=bool)
    # Output by output: numpy is slow at reducing an axis as short as this one.
    return np.logical_and.reduce([finite[:, :, k] for k in range(predictions.shape[2])])


def regime_shares(memberships: Array) -> Array:
    """Shares ``(n_samples, 1 + n_regimes)`` of the pooled answer, then of each regime's, in a row."""
    return np.column_stack([1.0 - memberships.sum(axis=1), memberships])


def over_awake(weights: Array, awake: NDArray[np.bool_]) -> Array:
    """Spread the weights over the models that are awake; equally where those have none.

    Parameters
    ----------
    weights : ndarray of shape (n_samples, n_models)
        Weights of any sum; negative ones count as 0.
    awake : ndarray of bool of shape (n_samples, n_models)
        Which model speaks on which row.

    Returns
    -------
    ndarray of shape (n_samples, n_models)
        Weights, summing to 1; all zero on a row where no model is awake.

    Examples
    --------
    >>> import numpy as np
    >>> over_awake(np.array([[0.5, 0.3, 0.1]]), np.array([[False, True, True]]))
    array([[0.  , 0.75, 0.25]])
    """
    weights = np.maximum(weights, 0.0) if awake.all() else np.where(awake, np.maximum(weights, 0.0), 0.0)
    # Model by model: numpy is slow at summing an axis as short as this one.
    total = weights[:, 0, None].copy()
    for k in range(1, weights.shape[1]):
        total += weights[:, k, None]
    if (total > 0).all():
        return weights / total
    return np.where(total > 0, weights / np.where(total > 0, total, 1.0), equal_weights(awake))


def equal_weights(awake: NDArray[np.bool_]) -> Array:
    """Weigh the models that are awake equally.

    Parameters
    ----------
    awake : ndarray of bool of shape (n_samples, n_models)
        Which model speaks on which row.

    Returns
    -------
    ndarray of shape (n_samples, n_models)
        Weights, summing to 1; all zero on a row where no model is awake.

    Examples
    --------
    >>> import numpy as np
    >>> equal_weights(np.array([[True, True], [True, False], [False, False]]))
    array([[0.5, 0.5],
           [1. , 0. ],
           [0. , 0. ]])
    """
    return awake / np.maximum(awake.sum(axis=1, keepdims=True), 1)


def weighted_mean(weights: Array, predictions: Array) -> Array:
    """Average the predictions by the weights; models asleep do not count.

    Parameters
    ----------
    weights : ndarray of shape (n_samples, n_models)
        Weights, 0 where a model is asleep.
    predictions : ndarray of shape (n_samples, n_models, n_outputs)
        What each model said; NaN where it is asleep.

    Returns
    -------
    ndarray of shape (n_samples, n_outputs)
        The mean of each row.

    Examples
    --------
    >>> import numpy as np
    >>> weighted_mean(np.array([[0.25, 0.75, 0.0]]), np.array([[[8.0], [4.0], [np.nan]]]))
    array([[5.]])
    """
    # The sum of what `Averaging` gives as contributions, to the last bit: voting has no baseline.
    said = spoken(predictions)
    total = weights[:, 0, None] * said[:, 0]
    for k in range(1, said.shape[1]):
        total += weights[:, k, None] * said[:, k]
    return total


def spoken(predictions: Array) -> Array:
    """The predictions with 0 in place of what is not finite."""
    finite = np.isfinite(predictions)
    return predictions if finite.all() else np.where(finite, predictions, 0.0)


def default_loss(n_outputs: int) -> Loss:
    """Name the loss that serves where none is given.

    Parameters
    ----------
    n_outputs : int
        1 for numbers, else the number of classes.

    Returns
    -------
    Loss
        Squared loss for numbers, log loss for class probabilities.

    Examples
    --------
    >>> default_loss(1), default_loss(3)
    (SquaredLoss(), LogLoss())
    """
    return SquaredLoss() if n_outputs == 1 else LogLoss()


def _counted(sample_weight: Array | None, targets: Array) -> Array:
    return np.ones(len(targets)) if sample_weight is None else np.asarray(sample_weight, dtype=float)


def best_so_far(losses: Array, sample_weight: Array, folds: NDArray[np.intp]) -> NDArray[np.intp]:
    """Name, for each row, the model with the lowest mean loss on the folds before; awake ones first.

    Parameters
    ----------
    losses : ndarray of shape (n_samples, n_models)
        Losses; NaN where a model sleeps.
    sample_weight : ndarray of shape (n_samples,)
        How much each row counts.
    folds : ndarray of shape (n_samples,)
        Number of the fold that each row was predicted in.

    Returns
    -------
    ndarray of shape (n_samples,)
        Positions of the models. In the first fold nothing is known yet: the first model awake.

    Examples
    --------
    >>> import numpy as np
    >>> best_so_far(np.array([[2.0, 1.0], [0.0, 9.0]]), np.ones(2), np.array([0, 1]))
    array([0, 1])
    """
    awake = np.isfinite(losses)
    best = np.argmax(awake, axis=1)
    for fold in np.unique(folds)[1:]:
        past, now = folds < fold, np.flatnonzero(folds == fold)
        s = sample_weight[past, None] * awake[past]
        heard = s.sum(axis=0)
        total = np.where(awake[past], losses[past] * s, 0.0).sum(axis=0)
        mean = np.where(heard > 0, total / np.where(heard > 0, heard, 1.0), np.finfo(float).max)
        best[now] = np.argmin(np.where(awake[now], mean, np.inf), axis=1)
    return best

"""What every combiner promises, and what all of them share per regime."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from skensemble._compat import take_rows

__all__ = [
    "Array",
    "Combiner",
    "awake_models",
    "best_so_far",
    "combine_forward",
    "equal_weights",
    "over_awake",
    "regime_shares",
    "weighted_mean",
]

Array = NDArray[np.float64]


class Combiner(BaseEstimator, ABC):
    r"""Turn the predictions of several models into one.

    A combiner is fitted on out-of-fold predictions. With regimes it keeps one answer per regime and a pooled one, and
    a row is served by

    .. math:: \Big(1 - \sum_r m_r\Big) f_\text{pooled} + \sum_r m_r f_r ,

    with :math:`m` the row's memberships: an unknown regime leaves everything to the pooled answer.

    Attributes
    ----------
    regime_weights_ : ndarray of shape (1 + n_regimes, n_models)
        How far each model is trusted, first pooled, then in each regime.
    """

    regime_weights_: Array

    @abstractmethod
    def fit(
        self,
        predictions: Array,
        targets: Array,
        memberships: Array,
        sample_weight: Array | None = None,
        *,
        features: Any = None,
    ) -> Self:
        """Learn from out-of-fold predictions.

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

    @abstractmethod
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
        return over_awake(regime_shares(memberships) @ self.regime_weights_, awake_models(predictions))

    @abstractmethod
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


def awake_models(predictions: Array) -> NDArray[np.bool_]:
    """Which model speaks on which row: all of its outputs are finite."""
    return np.isfinite(predictions).all(axis=2)


def regime_shares(memberships: Array) -> Array:
    """Shares ``(n_samples, 1 + n_regimes)`` of the pooled answer, then of each regime's, in a row."""
    return np.column_stack([1.0 - memberships.sum(axis=1), memberships])


def over_awake(weights: Array, awake: NDArray[np.bool_]) -> Array:
    """Spread the weights over the models that are awake; equally where those have none."""
    weights = np.where(awake, np.maximum(weights, 0.0), 0.0)
    total = weights.sum(axis=1, keepdims=True)
    return np.where(total > 0, weights / np.where(total > 0, total, 1.0), equal_weights(awake))


def equal_weights(awake: NDArray[np.bool_]) -> Array:
    """Equal weights over the models that are awake; all zero where none is."""
    return awake / np.maximum(awake.sum(axis=1, keepdims=True), 1)


def weighted_mean(weights: Array, predictions: Array) -> Array:
    """Mean of the predictions by the weights; models asleep have weight 0 and do not count."""
    return np.einsum("nm,nmk->nk", weights, np.where(np.isfinite(predictions), predictions, 0.0))


def combine_forward(
    combiner: Combiner,
    predictions: Array,
    targets: Array,
    memberships: Array,
    sample_weight: Array,
    folds: NDArray[np.intp],
    *,
    features: Any = None,
) -> tuple[Array, Array]:
    """Say what the combiner would have said on each fold, had it known only the folds before.

    Parameters
    ----------
    combiner : Combiner
        Cloned for every fold.
    predictions : ndarray of shape (n_samples, n_models, n_outputs)
        Out-of-fold predictions.
    targets : ndarray of shape (n_samples, n_outputs)
        What came true.
    memberships : ndarray of shape (n_samples, n_regimes)
        Memberships of the rows.
    sample_weight : ndarray of shape (n_samples,)
        How much each row counts.
    folds : ndarray of shape (n_samples,)
        Number of the fold that each row was predicted in. The first fold gets equal weights: nothing is known yet.
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
        past, now = np.flatnonzero(folds < fold), np.flatnonzero(folds == fold)
        if not sample_weight[past].sum() > 0:
            continue
        taken = [None if features is None else take_rows(features, rows) for rows in (past, now)]
        fitted = clone(combiner).fit(
            predictions[past], targets[past], memberships[past], sample_weight[past], features=taken[0]
        )
        combined[now] = fitted.combine(predictions[now], memberships[now], features=taken[1])
        weights[now] = fitted.weights(predictions[now], memberships[now])
    return combined, weights


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

"""Weighted voting: one weight per model, from its past errors."""

from __future__ import annotations

from typing import Any

import numpy as np

from skensemble._checks import check_number, shown
from skensemble.combiners._base import Array, Combiner, awake_models, weighted_mean
from skensemble.losses import LogLoss, Loss, SquaredLoss
from skensemble.weightings import ConvexWeights, Evidence, Weighting

__all__ = ["WeightedVoting", "default_loss"]


class WeightedVoting(Combiner):
    r"""Average the models with weights earned out of fold.

    Each model's past errors are summed up once pooled and once per regime, and a weighting turns the sums into weights.
    The pooled record stands in each regime's record as :math:`\kappa` = ``shrinkage`` further rows,

    .. math:: E_r \leftarrow E_r + \kappa\, E_\text{pooled} / n_\text{pooled} ,

    so that a regime with few rows is judged by the pool, and one with many by itself. The prediction is
    :math:`\sum_k w_k x_k`: of numbers for regression, of class probabilities (soft voting) for classification.

    Parameters
    ----------
    weighting : Weighting, default=None
        How past errors become weights. The default (``None``) is ``ConvexWeights()``.
    loss : Loss, default=None
        What an error costs. The default (``None``) is ``SquaredLoss()`` for regression, ``LogLoss()`` for classes.
    shrinkage : float, default=100.0
        Rows that the pooled record counts for in each regime. Larger means that regimes differ less; 0 means that they
        have nothing in common, infinity that they do not exist.

    Attributes
    ----------
    regime_weights_ : ndarray of shape (1 + n_regimes, n_models)
        Weights, first pooled, then in each regime.
    evidence_ : list of Evidence
        The summed past errors behind them, before shrinkage, in the same order.

    See Also
    --------
    Stacking : A model of models instead of an average.

    Examples
    --------
    Two models, the first always right:

    >>> import numpy as np
    >>> from skensemble.combiners import WeightedVoting
    >>> from skensemble.weightings import InverseLoss
    >>> targets = np.array([[1.0], [2.0], [3.0]])
    >>> predictions = np.stack([targets, targets + 1], axis=1)
    >>> voting = WeightedVoting(InverseLoss()).fit(predictions, targets, np.zeros((3, 0)))
    >>> voting.regime_weights_
    array([[1., 0.]])
    """

    def __init__(
        self, weighting: Weighting | None = None, *, loss: Loss | None = None, shrinkage: float = 100.0
    ) -> None:
        self.weighting = weighting
        self.loss = loss
        self.shrinkage = shrinkage

    def fit(
        self,
        predictions: Array,
        targets: Array,
        memberships: Array,
        sample_weight: Array | None = None,
        *,
        features: Any = None,
    ) -> WeightedVoting:
        """Learn the weights from out-of-fold predictions.

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
            Ignored.

        Returns
        -------
        WeightedVoting
            Itself.
        """
        check_number(self.shrinkage, "shrinkage", "WeightedVoting", low=0)
        for part, kind in ((self.weighting, Weighting), (self.loss, Loss)):
            if part is not None and not isinstance(part, kind):
                raise ValueError(
                    f"{kind.__name__.lower()} of WeightedVoting must be a {kind.__name__} such as "
                    f"{'ConvexWeights()' if kind is Weighting else 'SquaredLoss()'}; got {shown(part)}."
                )
        loss = self.loss if self.loss is not None else default_loss(targets.shape[1])
        counted = np.ones(len(targets)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        predictions = np.where(awake_models(predictions)[:, :, None], predictions, np.nan)
        losses = loss(targets, predictions)
        self.evidence_ = [
            Evidence.of(predictions, targets, losses, counted * share)
            for share in (np.ones(len(targets)), *memberships.T)
        ]
        self.regime_weights_ = self._weights_from(self.evidence_)
        return self

    def combine(self, predictions: Array, memberships: Array, *, features: Any = None) -> Array:
        """Return the weighted mean of the predictions.

        Parameters
        ----------
        predictions : ndarray of shape (n_samples, n_models, n_outputs)
            Predictions; NaN where a model sleeps.
        memberships : ndarray of shape (n_samples, n_regimes)
            Memberships of the rows.
        features : array-like of shape (n_samples, n_features), default=None
            Ignored.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            The ensemble's prediction.
        """
        return weighted_mean(self.weights(predictions, memberships), predictions)

    def contributions(self, predictions: Array, memberships: Array, *, features: Any = None) -> Array:
        """Return weight times prediction of each model.

        Parameters
        ----------
        predictions : ndarray of shape (n_samples, n_models, n_outputs)
            Predictions; NaN where a model sleeps.
        memberships : ndarray of shape (n_samples, n_regimes)
            Memberships of the rows.
        features : array-like of shape (n_samples, n_features), default=None
            Ignored.

        Returns
        -------
        ndarray of shape (n_samples, n_models, n_outputs)
            Contributions, which add up to the prediction.
        """
        weights = self.weights(predictions, memberships)
        return weights[:, :, None] * np.where(np.isfinite(predictions), predictions, 0.0)

    def _weights_from(self, evidence: list[Evidence]) -> Array:
        weighting = self.weighting if self.weighting is not None else ConvexWeights()
        pooled, *regimes = evidence
        answer = weighting(pooled)
        if not np.isfinite(self.shrinkage) or not pooled.total > 0:
            return np.stack([answer] * len(evidence))
        prior = pooled.scaled(self.shrinkage / pooled.total)
        return np.stack([answer, *(weighting(own + prior) if own.total > 0 else answer for own in regimes)])


def default_loss(n_outputs: int) -> Loss:
    """Squared loss for numbers, log loss for class probabilities."""
    return SquaredLoss() if n_outputs == 1 else LogLoss()

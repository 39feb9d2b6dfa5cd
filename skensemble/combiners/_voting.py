"""Weighted voting: one weight per model, from its past errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skensemble._checks import check_number, check_part
from skensemble.combiners._base import Array, Averaging, awake_models, default_loss, weighted_mean
from skensemble.losses import Loss
from skensemble.splits import answered_rows
from skensemble.weightings import ConvexWeights, Evidence, Weighting

__all__ = ["WeightedVoting"]


class WeightedVoting(Averaging):
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
    shrinkage : float, default=50.0
        Rows that the pooled record counts for in each regime. Larger means that regimes differ less; 0 means that they
        have nothing in common, infinity that they do not exist.
    memory : float, default=1.0
        Factor by which the past fades with each outcome: 0.998 remembers some 500 outcomes. 1 counts all alike, in
        whatever order they come.

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
        self,
        weighting: Weighting | None = None,
        *,
        loss: Loss | None = None,
        shrinkage: float = 50.0,
        memory: float = 1.0,
    ) -> None:
        self.weighting = weighting
        self.loss = loss
        self.shrinkage = shrinkage
        self.memory = memory

    def check_parameters(self) -> None:
        """Refuse parameters that make no sense."""
        check_number(self.shrinkage, "shrinkage", "WeightedVoting", low=0)
        check_number(self.memory, "memory", "WeightedVoting", low=0, open_low=True, high=1)
        check_part(self.weighting, "weighting", "WeightedVoting", Weighting, "ConvexWeights()")
        check_part(self.loss, "loss", "WeightedVoting", Loss, "SquaredLoss()")

    def _fit(self, predictions: Array, targets: Array, memberships: Array, counted: Array, features: Any) -> None:
        self.trades_ = None
        self.evidence_ = [Evidence.empty(predictions.shape[1])] * (1 + memberships.shape[1])
        predictions, losses = self._heard(predictions, targets)
        self.evidence_ = self._learned(predictions, targets, losses, memberships, counted)
        self.regime_weights_ = self._weights_from(self.evidence_)

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
        predictions, losses = self._heard(predictions, targets)
        combined, before = np.empty(targets.shape), np.empty(predictions.shape[:2])
        weighed = self.evidence_
        for i, now in enumerate(answered_rows(len(targets), known)):
            row = slice(i, i + 1)
            if now.start < now.stop:
                # Weights that nobody asks for, between rows of one timestamp, need not be worked out.
                if weighed is not self.evidence_:
                    self.regime_weights_, weighed = self._weights_from(self.evidence_), self.evidence_
                before[now] = self.weights(predictions[now], memberships[now])
                combined[now] = weighted_mean(before[now], predictions[now])
            if counted[i] > 0:
                self.evidence_ = self._learned(
                    predictions[row], targets[row], losses[row], memberships[row], counted[row]
                )
        if weighed is not self.evidence_:
            self.regime_weights_ = self._weights_from(self.evidence_)
        return combined, before

    def _resume(self, past: WeightedVoting, models: Any, regimes: Any, keep: Array, n_outputs: int) -> bool:
        if repr(self._resolved_loss(n_outputs)) != repr(past._resolved_loss(n_outputs)):
            return False
        pooled, *own = past.evidence_
        nothing = Evidence.empty(len(pooled.weight))
        sources = [pooled, *(own[r] if r >= 0 else nothing for r in regimes)]
        self.evidence_ = [source.moved(models, keep) for source in sources]
        self.regime_weights_ = self._weights_from(self.evidence_)
        self._resume_trades(past, models, regimes, keep)
        return True

    def _heard(self, predictions: Array, targets: Array) -> tuple[Array, Array]:
        predictions = np.where(awake_models(predictions)[:, :, None], predictions, np.nan)
        return predictions, self._resolved_loss(targets.shape[1])(targets, predictions)

    def _resolved_loss(self, n_outputs: int) -> Loss:
        return self.loss if self.loss is not None else default_loss(n_outputs)

    def _learned(
        self, predictions: Array, targets: Array, losses: Array, memberships: Array, counted: Array
    ) -> list[Evidence]:
        """The evidence with more rows; the past fades by ``memory`` for each row of weight one, later rows less."""
        # Weights of the rows as they will stand after the last one, instead of one multiplication for every row.
        later = np.cumsum(counted[::-1])[::-1] - counted
        faded = counted * self.memory**later
        past = self.memory ** counted.sum()
        return [
            (own if past == 1.0 else own.scaled(past)).plus(predictions, targets, losses, faded * share)
            for own, share in zip(self.evidence_, (np.ones(len(targets)), *memberships.T), strict=True)
        ]

    def _weights_from(self, evidence: list[Evidence]) -> Array:
        weighting = self.weighting if self.weighting is not None else ConvexWeights()
        pooled, *regimes = evidence
        answer = weighting(pooled)
        if not np.isfinite(self.shrinkage) or not pooled.total > 0:
            return np.stack([answer] * len(evidence))
        prior = pooled.scaled(self.shrinkage / pooled.total)
        return np.stack([answer, *(weighting(own + prior) if own.total > 0 else answer for own in regimes)])

"""The sums that every weighting reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from skensemble._checks import check_number

__all__ = ["BoolArray", "Evidence", "FloatArray"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_CHUNK_NUMBERS = 1 << 18  # 2 MiB of floats: what one step of accumulation may hold per intermediate array


@dataclass(frozen=True, eq=False)
class Evidence:
    """What past rows say about the models: sums over rows, from which every weighting is computed.

    A row counts for a model where that model was awake, and for a pair of models where both were. Sums can be added
    (``a + b`` is the evidence of the rows of both), discounted or weighted (``scaled``) and continued row by row
    (``plus``); n rows at once give bitwise the same sums as n times one row.

    Parameters
    ----------
    weight : array of shape (n_models,)
        Sum of the sample weights of the rows on which each model was awake: the number of rows that back it.
    loss_sum : array of shape (n_models,)
        Weighted sum of each model's losses.
    pair_weight : array of shape (n_models, n_models)
        Sum of the sample weights of the rows on which both models were awake.
    gram_sum : array of shape (n_models, n_models)
        Weighted sum of the products of both models' errors, added over the outputs; the diagonal holds the squared
        errors.

    Examples
    --------
    Two models, three outcomes; the second model slept on the last one.

    >>> import numpy as np
    >>> targets = np.array([[0.0], [0.0], [0.0]])
    >>> predictions = np.array([[[1.0], [2.0]], [[3.0], [-2.0]], [[2.0], [np.nan]]])
    >>> evidence = Evidence.of(predictions, targets, np.abs(predictions[:, :, 0]), np.ones(3))
    >>> evidence.mean_loss
    array([2., 2.])
    >>> evidence.weight
    array([3., 2.])
    >>> evidence.gram_sum
    array([[14., -4.],
           [-4.,  8.]])
    """

    weight: FloatArray
    loss_sum: FloatArray
    pair_weight: FloatArray
    gram_sum: FloatArray

    @classmethod
    def empty(cls, n_models: int) -> Self:
        """Return the evidence of no rows.

        Parameters
        ----------
        n_models : int
            Number of models.

        Returns
        -------
        Evidence
            Sums of zero.
        """
        pairs = (n_models, n_models)
        return cls(np.zeros(n_models), np.zeros(n_models), np.zeros(pairs), np.zeros(pairs))

    @classmethod
    def of(
        cls, predictions: FloatArray, targets: FloatArray, losses: FloatArray, sample_weight: FloatArray
    ) -> Evidence:
        """Return the evidence of some rows.

        Parameters
        ----------
        predictions : array of shape (n_samples, n_models, n_outputs)
            What each model said.
        targets : array of shape (n_samples, n_outputs)
            What came true; one-hot rows for classes.
        losses : array of shape (n_samples, n_models)
            How wrong each model was; NaN where it was asleep.
        sample_weight : array of shape (n_samples,)
            How much each row counts.

        Returns
        -------
        Evidence
            The sums.
        """
        return cls.empty(np.shape(losses)[-1]).plus(predictions, targets, losses, sample_weight)

    def plus(
        self, predictions: FloatArray, targets: FloatArray, losses: FloatArray, sample_weight: FloatArray
    ) -> Evidence:
        """Return this evidence continued by more rows, one after the other.

        Parameters
        ----------
        predictions : array of shape (n_samples, n_models, n_outputs)
            What each model said.
        targets : array of shape (n_samples, n_outputs)
            What came true; one-hot rows for classes.
        losses : array of shape (n_samples, n_models)
            How wrong each model was; NaN where it was asleep.
        sample_weight : array of shape (n_samples,)
            How much each row counts; a row of weight 0 is no row.

        Returns
        -------
        evidence : Evidence
            The new sums; this object stays as it is.

        Raises
        ------
        ValueError
            If the shapes do not belong together.
        """
        n_samples, n_models = losses.shape
        expected = (n_samples, len(self.weight))
        if predictions.shape[:2] != expected or losses.shape != expected or len(sample_weight) != n_samples:
            raise ValueError(
                f"Evidence about {len(self.weight)} models needs predictions of shape (n_samples, n_models, n_outputs),"
                f" losses of shape (n_samples, n_models) and one sample weight per row; got {predictions.shape}, "
                f"{losses.shape} and {sample_weight.shape}."
            )
        evidence = self
        step = max(1, _CHUNK_NUMBERS // n_models**2)
        for start in range(0, n_samples, step):
            rows = slice(start, start + step)
            evidence = evidence._plus_chunk(predictions[rows], targets[rows], losses[rows], sample_weight[rows])
        return evidence

    def scaled(self, factor: float) -> Evidence:
        """Return this evidence as if each row had counted more or less.

        Parameters
        ----------
        factor : float
            How many times as much, at least 0.

        Returns
        -------
        Evidence
            The new sums; this object stays as it is.
        """
        check_number(factor, "factor", "Evidence.scaled", low=0)
        if factor == 0:
            return Evidence.empty(len(self.weight))
        return Evidence(self.weight * factor, self.loss_sum * factor, self.pair_weight * factor, self.gram_sum * factor)

    def select(self, models: BoolArray | npt.NDArray[np.intp]) -> Evidence:
        """Return the evidence about some of the models.

        Parameters
        ----------
        models : array of bool of shape (n_models,) or of int
            A mask, or positions.

        Returns
        -------
        Evidence
            Of these models, in this order.
        """
        return Evidence(
            self.weight[models],
            self.loss_sum[models],
            self.pair_weight[models][:, models],
            self.gram_sum[models][:, models],
        )

    def moved(self, models: npt.NDArray[np.intp], keep: FloatArray) -> Evidence:
        """Return the evidence laid out for other models.

        Parameters
        ----------
        models : ndarray of int of shape (n_new,)
            Position of each model here; -1 for one that was never heard.
        keep : ndarray of shape (n_new,)
            How much the record of each counts on, in [0, 1].

        Returns
        -------
        Evidence
            Of the new models.
        """
        kept = np.where(models >= 0, keep, 0.0)
        pairs = np.minimum(kept[:, None], kept)
        own = self.select(np.maximum(models, 0)) if len(self.weight) else Evidence.empty(len(models))
        parts = (own.weight, kept), (own.loss_sum, kept), (own.pair_weight, pairs), (own.gram_sum, pairs)
        # What counts for nothing is gone, also where it was infinite.
        return Evidence(*(np.where(share > 0, part, 0.0) * share for part, share in parts))

    @property
    def mean_loss(self) -> FloatArray:
        """Mean loss of each model, of shape (n_models,); NaN for a model that was never heard."""
        return _mean(self.loss_sum, self.weight)

    @property
    def gram(self) -> FloatArray:
        """Mean products of errors, of shape (n_models, n_models); NaN for a pair never heard together."""
        return _mean(self.gram_sum, self.pair_weight)

    @property
    def total(self) -> float:
        """The number of rows that back the model heard most often."""
        return float(self.weight.max(initial=0.0))

    def _plus_chunk(
        self, predictions: FloatArray, targets: FloatArray, losses: FloatArray, sample_weight: FloatArray
    ) -> Evidence:
        counts = ~np.isnan(losses) & (sample_weight > 0)[:, None]
        weight = np.where(counts, sample_weight[:, None], 0.0)
        pair_weight = np.minimum(weight[:, :, None], weight[:, None, :])
        with np.errstate(over="ignore", invalid="ignore"):
            errors = np.where(counts[:, :, None], predictions - targets[:, None, :], 0.0)
            products = np.zeros(pair_weight.shape)
            # Output by output, since a matrix product may round differently for one row than for many.
            for k in range(errors.shape[2]):
                products += errors[:, :, None, k] * errors[:, None, :, k]
            return Evidence(
                _continued(self.weight, weight),
                _continued(self.loss_sum, weight * np.where(counts, losses, 0.0)),
                _continued(self.pair_weight, pair_weight),
                _continued(self.gram_sum, pair_weight * products),
            )

    def __add__(self, other: Evidence) -> Evidence:
        """Return the evidence of the rows of both."""
        if len(self.weight) != len(other.weight):
            raise ValueError(
                f"Evidence about {len(self.weight)} models cannot be added to evidence about {len(other.weight)} "
                "models; select the models that both know first."
            )
        return Evidence(
            self.weight + other.weight,
            self.loss_sum + other.loss_sum,
            self.pair_weight + other.pair_weight,
            self.gram_sum + other.gram_sum,
        )


def _continued(start: FloatArray, rows: FloatArray) -> FloatArray:
    """Add rows to a state strictly one after the other, however they are batched; ``sum`` would pair them up."""
    return np.asarray(np.add.accumulate(np.concatenate([start[None], rows]), axis=0)[-1])


def _mean(sums: FloatArray, weights: FloatArray) -> FloatArray:
    """Divide where there is something to divide by; NaN elsewhere."""
    return np.divide(sums, weights, out=np.full(sums.shape, np.nan), where=weights > 0)

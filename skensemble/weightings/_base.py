"""What every weighting promises."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from sklearn.base import BaseEstimator

from skensemble.weightings._evidence import BoolArray, Evidence, FloatArray

__all__ = ["Weighting"]


class Weighting(BaseEstimator, ABC):
    """From evidence to weights, at once.

    A member says how the models that were heard share the weight (``_shares``); the rules for all are kept here. A
    model that was never heard gets 0, and what the others get does not depend on it. A model whose mean loss or mean
    squared error is infinite gets 0. Where no model is left, those heard share equally, and where none was heard, all.

    Examples
    --------
    >>> import numpy as np
    >>> class MostHeard(Weighting):
    ...     def _shares(self, evidence):
    ...         return evidence.weight == evidence.total
    >>> rows = np.array([[[0.0], [1.0], [1.0]], [[0.0], [1.0], [np.nan]]])
    >>> evidence = Evidence.of(rows, np.zeros((2, 1)), np.abs(rows[:, :, 0]), np.ones(2))
    >>> MostHeard()(evidence)
    array([0.5, 0.5, 0. ])
    """

    def __call__(self, evidence: Evidence) -> FloatArray:
        """Weigh the models.

        Parameters
        ----------
        evidence : Evidence
            What past rows say about the models.

        Returns
        -------
        weights : array of shape (n_models,)
            Never negative; their sum is 1.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or the weighting cannot use losses such as these.
        """
        self._check()
        heard = evidence.weight > 0
        sound = heard & np.isfinite(evidence.loss_sum) & np.isfinite(evidence.gram_sum.diagonal())
        weights = np.zeros(len(heard))
        if sound.any():
            chosen, shares = sound, self._shares(evidence.select(sound))
        else:
            chosen = heard if heard.any() else ~heard
            shares = np.ones(chosen.sum())
        weights[chosen] = shares / shares.sum()
        return weights

    @abstractmethod
    def _shares(self, evidence: Evidence) -> FloatArray | BoolArray:
        """Shares of models that were all heard and have finite sums: not negative, not all 0."""

    def _check(self) -> None:
        """Refuse parameters out of their range; some weightings have none."""

"""The regressor: what is different about numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import assert_all_finite, column_or_1d

from skensemble._base import RegimeAwareEnsemble

__all__ = ["RegimeAwareEnsembleRegressor"]


class RegimeAwareEnsembleRegressor(RegressorMixin, RegimeAwareEnsemble):
    """DOC."""

    _task = "regressor"

    def predict(self, X: Any, *, regimes: Any = None) -> NDArray[np.float64]:
        """Predict numbers.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row; the default (``None``) asks ``regime_detector``.

        Returns
        -------
        ndarray of shape (n_samples,)
            The `Explanation.prediction` of `explain`.
        """
        return self._decide(self._combined(X, regimes))

    def score(self, X: Any, y: Any, sample_weight: Any = None, *, regimes: Any = None) -> float:
        """Return the coefficient of determination R² of the predictions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.
        regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row.

        Returns
        -------
        float
            1 is perfect, 0 as good as the mean of ``y``.
        """
        return float(r2_score(y, self.predict(X, regimes=regimes), sample_weight=sample_weight))

    def _encoded(self, y: Any) -> tuple[NDArray[Any], NDArray[np.float64]]:
        y = column_or_1d(y, warn=True)
        if y.dtype.kind not in "fiub":
            y = y.astype(np.float64)
        assert_all_finite(y, input_name="y")
        return y, y.astype(np.float64)[:, None]

    def _decide(self, combined: NDArray[np.float64]) -> NDArray[np.float64]:
        return combined[:, 0]

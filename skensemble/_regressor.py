"""The regressor: what is different about numbers."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import assert_all_finite, column_or_1d

from skensemble._base import RegimeAwareEnsemble, outcomes
from skensemble._checks import check_choice, shown
from skensemble.combiners import Combiner

__all__ = ["RegimeAwareEnsembleRegressor"]


class RegimeAwareEnsembleRegressor(RegressorMixin, RegimeAwareEnsemble):
    """DOC."""

    _task = "regressor"

    def __init__(
        self,
        estimators: list[Any] | None = None,
        *,
        combiner: str | Combiner | None = None,
        cv: Any = None,
        label_horizon: Any = 0,
        embargo: Any = 0,
        regime_detector: Any = None,
        outcome: str | None = None,
        lookback: int = 50,
        periods_per_year: float | None = None,
        max_models: int | None = None,
        min_weight: float = 0.01,
        rest_after: int = 500,
        warm_start: bool = False,
        on_error: str = "warn",
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(
            estimators,
            combiner=combiner,
            cv=cv,
            label_horizon=label_horizon,
            embargo=embargo,
            regime_detector=regime_detector,
            lookback=lookback,
            periods_per_year=periods_per_year,
            max_models=max_models,
            min_weight=min_weight,
            rest_after=rest_after,
            warm_start=warm_start,
            on_error=on_error,
            random_state=random_state,
            n_jobs=n_jobs,
        )
        self.outcome = outcome

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
            y = _numbers(y)
        assert_all_finite(y, input_name="y")
        return y, y.astype(np.float64)[:, None]

    def _encoded_outcomes(self, y: Any, n_samples: int) -> NDArray[np.float64]:
        return outcomes(y, n_samples, type(self).__name__).astype(np.float64)[:, None]

    def _checked_returns(self, returns: Any, y: Any) -> NDArray[np.float64] | None:
        return super()._checked_returns(y if returns is None and self.outcome == "return" else returns, y)

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.outcome is not None:
            check_choice(self.outcome, "outcome", type(self).__name__, ("return",))

    def _decide(self, combined: NDArray[np.float64]) -> NDArray[np.float64]:
        return combined[:, 0]


def _numbers(y: NDArray[Any]) -> NDArray[np.float64]:
    """Numbers that are stored as objects; nothing else becomes a number silently."""
    for row, value in enumerate(y):
        if value is not None and not isinstance(value, Real):
            raise ValueError(
                f"y of RegimeAwareEnsembleRegressor must hold numbers; got {shown(value)} of type "
                f"{type(value).__name__} in row {row}. For classes use RegimeAwareEnsembleClassifier."
            )
    return y.astype(np.float64)

"""The regressor: what is different about numbers."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import assert_all_finite, column_or_1d

from skensemble._base import RegimeAwareEnsemble
from skensemble._checks import check_choice, shown
from skensemble._inputs import known_outcomes
from skensemble._parameters import ATTRIBUTES, COVERAGES, PARAMETERS
from skensemble.combiners import Combiner
from skensemble.intervals import AdaptiveIntervals, check_coverage
from skensemble.models import documented

__all__ = ["RegimeAwareEnsembleRegressor"]


@documented(
    parameters=PARAMETERS.format(
        default='["xgboost", "lightgbm", "random_forest", "linear"]',
        bounds="intervals",
        extra="""
outcome : {"return"}, default=None
    Says that y is the return of a long position, as a fraction: the sign of a prediction is then a side, and the ledger
    counts win rate, profit and Sharpe ratio. The default (``None``) counts losses only.""",
    ),
    attributes=ATTRIBUTES
    + """
intervals_ : AdaptiveIntervals
    What is known about how far outcomes are from predictions; its ``coverage_frame(regimes_)`` says how often they were
    within the intervals stated.
confidence_ : AdaptiveConfidence
    How often predicted sides were right; its ``reliability(regimes_)`` holds what was stated against what came
    true.""",
)
class RegimeAwareEnsembleRegressor(RegressorMixin, RegimeAwareEnsemble):
    """Several regressors, one prediction: trained in parallel, combined by what each was worth in each regime.

    Every model predicts rows that it has not seen, forward in time; from these out-of-fold predictions the combiner
    learns how far to trust whom, pooled and in each regime; then every model is trained on all rows. `predict` combines
    what they say, `explain` says what a prediction is made of, `partial_update` takes outcomes back.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    See Also
    --------
    RegimeAwareEnsembleClassifier : The same for classes.

    References
    ----------
    Wolpert, D. H. (1992). Stacked generalization. Neural Networks 5(2), 241-259.

    Wintenberger, O. (2017). Optimal learning with Bernstein online aggregation. Machine Learning 106, 119-141.

    Examples
    --------
    One model always says 1, the other always -1. In regime "up" the first is right, in "down" the second:

    >>> import numpy as np
    >>> from sklearn.dummy import DummyRegressor
    >>> from skensemble import RegimeAwareEnsembleRegressor
    >>> regimes = np.repeat(["up", "down"] * 100, 10)
    >>> y = np.where(regimes == "up", 1.0, -1.0)
    >>> X = np.zeros((2000, 1))
    >>> models = [(f"always {c}", DummyRegressor(strategy="constant", constant=c)) for c in (1.0, -1.0)]
    >>> ensemble = RegimeAwareEnsembleRegressor(models).fit(X, y, regimes=regimes)
    >>> ensemble.weights_.loc["always 1.0"].round(2).to_dict()
    {'pooled': 0.5, 'down': 0.03, 'up': 0.97}
    >>> ensemble.predict(X[:2], regimes=["up", "down"]).round(2)
    array([ 0.94, -0.94])
    """

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
        coverages: Sequence[float] = COVERAGES,
        max_models: int | None = None,
        min_weight: float = 0.01,
        rest_after: int = 500,
        warm_start: bool = False,
        on_error: str = "warn",
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
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
            coverages=coverages,
            max_models=max_models,
            min_weight=min_weight,
            rest_after=rest_after,
            warm_start=warm_start,
            on_error=on_error,
            random_state=random_state,
            n_jobs=n_jobs,
            verbose=verbose,
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

    def predict_interval(self, X: Any, *, regimes: Any = None, coverage: float = 0.9) -> NDArray[np.float64]:
        """Predict between what the outcome should lie with the given frequency.

        Learned from the combined out-of-fold residuals, scaled by the size of recent ones and, as far as it proves to
        tell anything, by how far the models are apart; corrected with every outcome, pooled and per regime, and
        asymmetric where residuals are: see `AdaptiveIntervals`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row; the default (``None``) asks ``regime_detector``.
        coverage : float, default=0.9
            How often the outcome should be inside, up to the largest of ``coverages``.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            Lower and upper ends, with the prediction between them; infinite as long as nothing has been learned.

        Raises
        ------
        ValueError
            If the coverage is not above 0, or above those that are tracked.

        See Also
        --------
        explain : The same, with everything else, for the tracked coverages.
        """
        check_coverage(coverage, self.intervals_.coverages, "predict_interval")
        combined, spreads, memberships = self._bounded(X, regimes)
        return np.column_stack(self.intervals_.bounds(combined[:, 0], spreads, memberships, coverage))

    @property
    def intervals_(self) -> AdaptiveIntervals:
        """What is known about how far outcomes are from predictions.

        Returns
        -------
        AdaptiveIntervals
            The record; `AdaptiveIntervals.coverage_frame` says how often outcomes were within what was stated.
        """
        return cast(AdaptiveIntervals, self._known().bounds)

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
        missing = np.flatnonzero(np.isnan(y)) if y.dtype.kind == "f" else np.empty(0, dtype=np.intp)
        if missing.size:
            raise ValueError(
                f"Input y contains NaN, first in row {missing[0]}: a target that is not known yet cannot be learned "
                f"from. Leave such rows out: X[known], y[known] with known = y.notna(), and the same for whatever goes "
                f"with them."
            )
        assert_all_finite(y, input_name="y")
        return y, y.astype(np.float64)[:, None]

    def _encoded_outcomes(self, y: Any, n_samples: int) -> NDArray[np.float64]:
        y = known_outcomes(y, n_samples, type(self).__name__)
        return (y if y.dtype.kind in "fiub" else _numbers(y)).astype(np.float64)[:, None]

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

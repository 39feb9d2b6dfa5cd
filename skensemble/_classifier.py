"""The classifier: what is different about classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from skensemble._base import RegimeAwareEnsemble
from skensemble._checks import shown
from skensemble._inputs import known_outcomes
from skensemble._parameters import ATTRIBUTES, COVERAGES, PARAMETERS
from skensemble.combiners import Combiner
from skensemble.intervals import AdaptiveSets, check_coverage
from skensemble.models import documented

__all__ = ["RegimeAwareEnsembleClassifier"]


@documented(
    parameters=PARAMETERS.format(
        default='["xgboost", "lightgbm", "random_forest", "logistic"]',
        bounds="sets of classes",
        extra="""
calibrate : bool, default=False
    Whether combined probabilities are made as sharp and as level as out-of-fold outcomes say
    (`ProbabilityCalibration`): learned in time order, anew with every fit from what has come true since the first, and
    left alone as long as the log loss of later rows would not have been lower for it.""",
    ),
    attributes=ATTRIBUTES
    + """
classes_ : ndarray of shape (n_classes,)
    Class labels, sorted.
calibration_ : ProbabilityCalibration or None
    What is done to combined probabilities, and the outcomes that say so; ``None`` without ``calibrate``.
sets_ : AdaptiveSets
    What is known about which classes come true beside the likeliest; its ``coverage_frame(regimes_)`` says how often
    they were within the sets stated.
confidence_ : AdaptiveConfidence
    How often predicted classes were right; its ``reliability(regimes_)`` holds what was stated against what came
    true.""",
)
class RegimeAwareEnsembleClassifier(ClassifierMixin, RegimeAwareEnsemble):
    """Several classifiers, one prediction: trained in parallel, combined by what each was worth in each regime.

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
    RegimeAwareEnsembleRegressor : The same for numbers.

    References
    ----------
    Wolpert, D. H. (1992). Stacked generalization. Neural Networks 5(2), 241-259.

    Wintenberger, O. (2017). Optimal learning with Bernstein online aggregation. Machine Learning 106, 119-141.

    Examples
    --------
    One model always says "up", the other always "down". In regime "bull" the first is right, in "bear" the second:

    >>> import numpy as np
    >>> from sklearn.dummy import DummyClassifier
    >>> from skensemble import RegimeAwareEnsembleClassifier
    >>> regimes = np.repeat(["bull", "bear"] * 100, 10)
    >>> y = np.where(regimes == "bull", "up", "down")
    >>> X = np.zeros((2000, 1))
    >>> models = [(f"always {c}", DummyClassifier(strategy="constant", constant=c)) for c in ("up", "down")]
    >>> ensemble = RegimeAwareEnsembleClassifier(models).fit(X, y, regimes=regimes)
    >>> ensemble.predict(X[:2], regimes=["bull", "bear"])
    array(['up', 'down'], dtype='<U4')
    >>> ensemble.classes_
    array(['down', 'up'], dtype='<U4')
    """

    _task = "classifier"

    def __init__(
        self,
        estimators: list[Any] | None = None,
        *,
        combiner: str | Combiner | None = None,
        cv: Any = None,
        label_horizon: Any = 0,
        embargo: Any = 0,
        regime_detector: Any = None,
        calibrate: bool = False,
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
        self.calibrate = calibrate

    def predict(self, X: Any, *, regimes: Any = None) -> NDArray[Any]:
        """Predict the likeliest class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row; the default (``None``) asks ``regime_detector``.

        Returns
        -------
        ndarray of shape (n_samples,)
            Class labels.
        """
        return self._decide(self._combined(X, regimes))

    def predict_proba(self, X: Any, *, regimes: Any = None) -> NDArray[np.float64]:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row; the default (``None``) asks ``regime_detector``.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities in the order of ``classes_``.
        """
        return self._combined(X, regimes)

    def predict_set(self, X: Any, *, regimes: Any = None, coverage: float = 0.9) -> NDArray[np.bool_]:
        """Predict which classes should hold the outcome with the given frequency.

        The likeliest class and those that are not much less likely; how much is corrected with every outcome, pooled
        and per regime: see `AdaptiveSets`.

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
        ndarray of bool of shape (n_samples, n_classes)
            In the order of ``classes_``; always True for the likeliest class, so that a set may be right more often
            than was asked, and for all as long as nothing has been learned.

        Raises
        ------
        ValueError
            If the coverage is not above 0, or above those that are tracked.

        See Also
        --------
        explain : The same, with everything else, for the tracked coverages.
        """
        check_coverage(coverage, self.sets_.coverages, "predict_set")
        combined, _, memberships = self._bounded(X, regimes)
        return self.sets_.sets(np.clip(combined, 0.0, 1.0), memberships, coverage)

    @property
    def sets_(self) -> AdaptiveSets:
        """What is known about which classes come true beside the likeliest.

        Returns
        -------
        AdaptiveSets
            The record; `AdaptiveSets.coverage_frame` says how often outcomes were within what was stated.
        """
        return cast(AdaptiveSets, self._known().bounds)

    def score(self, X: Any, y: Any, sample_weight: Any = None, *, regimes: Any = None) -> float:
        """Return the accuracy of the predictions.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts.
        regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row.

        Returns
        -------
        float
            Share of rows whose class is predicted.
        """
        return float(accuracy_score(y, self.predict(X, regimes=regimes), sample_weight=sample_weight))

    def _encoded(self, y: Any) -> tuple[NDArray[Any], NDArray[np.float64]]:
        y = column_or_1d(y, warn=True)
        if y.dtype.kind == "f":
            assert_all_finite(y, input_name="y")
        missing = np.flatnonzero(pd.isna(y))
        if len(missing):
            raise ValueError(
                f"y of RegimeAwareEnsembleClassifier has no class in row {missing[0]} ({shown(y[missing[0]])}): Input "
                f"contains NaN. Leave such rows out of X and y."
            )
        check_classification_targets(y)
        self.classes_, position = np.unique(y, return_inverse=True)
        return y, np.eye(len(self.classes_))[position]

    def _encoded_outcomes(self, y: Any, n_samples: int) -> NDArray[np.float64]:
        y = known_outcomes(y, n_samples, type(self).__name__)
        try:
            at = np.searchsorted(self.classes_, y)
        except TypeError:
            # What cannot be compared with any class is none of them.
            at = np.full(len(y), len(self.classes_))
        unknown = (at == len(self.classes_)) | (self.classes_[np.minimum(at, len(self.classes_) - 1)] != y)
        if unknown.any():
            raise ValueError(
                f"y of partial_update holds the class {shown(y[unknown].tolist()[0])}, which fit has not seen; the "
                f"classes are {shown(self.classes_.tolist())}. Fit again with rows of that class."
            )
        return np.eye(len(self.classes_))[at]

    def _decide(self, combined: NDArray[np.float64]) -> NDArray[Any]:
        return self.classes_[combined.argmax(axis=1)]

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not isinstance(self.calibrate, bool):
            raise ValueError(f"calibrate of {type(self).__name__} must be True or False; got {shown(self.calibrate)}.")

    def _calibrates(self) -> bool:
        return self.calibrate and len(self.classes_) > 1

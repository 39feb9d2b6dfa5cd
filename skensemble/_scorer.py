"""Scores that know the regimes: scikit-learn's scorers hand metadata to the metric, this one hands it to predict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import UNUSED

from skensemble._checks import check_choice, shown

__all__ = ["make_regime_scorer"]

_RESPONSES = ("predict", "predict_proba")


class RegimeScorer(BaseEstimator):
    """Judge an estimator by what it predicts when it is told the regimes; made by `make_regime_scorer`.

    Being an estimator itself, it has what routing asks of a scorer: ``set_score_request`` and the requests behind it.

    Parameters
    ----------
    metric : callable
        Takes targets and predictions, returns a number.
    response_method : {"predict", "predict_proba"}
        What is asked of the estimator.
    greater_is_better : bool
        Whether a larger value of the metric is better; if not, its sign is turned.
    metric_params : dict
        Further arguments of the metric.
    """

    # The estimator under test is an argument of score, but no metadata.
    __metadata_request__score: ClassVar[dict[str, str]] = {"estimator": UNUSED}

    def __init__(
        self,
        metric: Callable[..., float],
        response_method: str = "predict",
        greater_is_better: bool = True,
        metric_params: Mapping[str, Any] | None = None,
    ) -> None:
        self.metric = metric
        self.response_method = response_method
        self.greater_is_better = greater_is_better
        self.metric_params = metric_params

    def score(self, estimator: Any, X: Any, y: Any, *, regimes: Any = None, sample_weight: Any = None) -> float:
        """Return the score; higher is better.

        Parameters
        ----------
        estimator : estimator
            Fitted.
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            What came true.
        regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row, handed to the estimator; ``None`` hands nothing.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts, handed to the metric; ``None`` hands nothing.

        Returns
        -------
        float
            The metric, with its sign turned where a smaller one is better.
        """
        known = {} if regimes is None else {"regimes": regimes}
        weighed = {} if sample_weight is None else {"sample_weight": sample_weight}
        params = dict(self.metric_params or {})
        said = np.asarray(getattr(estimator, self.response_method)(X, **known))
        if self.response_method == "predict_proba" and said.shape[1] == 2:
            # Metrics of two classes want the probability of one.
            classes = np.asarray(estimator.classes_)
            said = said[:, int(np.flatnonzero(classes == params.get("pos_label", classes[1]))[0])]
        value = self.metric(y, said, **params, **weighed)
        return float(value if self.greater_is_better else -value)

    def __call__(self, estimator: Any, X: Any, y: Any, *, regimes: Any = None, sample_weight: Any = None) -> float:
        """Return the score, as `score` does."""
        return self.score(estimator, X, y, regimes=regimes, sample_weight=sample_weight)


def make_regime_scorer(
    metric: Callable[..., float],
    *,
    response_method: str = "predict",
    greater_is_better: bool = True,
    **kwargs: Any,
) -> RegimeScorer:
    """Make a scorer that tells the estimator the regimes of the rows that it is judged on.

    scikit-learn's scorers hand metadata to the metric and never to ``predict``, so that a search or a cross-validation
    judges an ensemble by its pooled answer. This scorer hands ``regimes`` to ``predict`` and ``sample_weight`` to the
    metric. Through ``cross_validate`` or ``GridSearchCV`` that takes metadata routing and
    ``set_score_request(regimes=True)``; called directly it takes nothing else.

    Parameters
    ----------
    metric : callable
        Such as those of ``sklearn.metrics``: ``metric(y_true, y_pred, **kwargs)`` returns a number.
    response_method : {"predict", "predict_proba"}, default="predict"
        What is asked of the estimator. Of two classes the metric gets the probability of the second, or of
        ``pos_label``.
    greater_is_better : bool, default=True
        Whether a larger value of the metric is better. If not, the score is the negative of it, so that a larger score
        always is.
    **kwargs : dict
        Further arguments of the metric.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y, *, regimes=None, sample_weight=None)`` returns a float.

    Raises
    ------
    ValueError
        If the metric is no function or there is no such response.

    See Also
    --------
    sklearn.metrics.make_scorer : The same without regimes.

    Examples
    --------
    Two models, each right in one regime. Only who knows the regime can tell:

    >>> import numpy as np
    >>> from sklearn.dummy import DummyRegressor
    >>> from sklearn.metrics import mean_absolute_error
    >>> from skensemble import RegimeAwareEnsembleRegressor, make_regime_scorer
    >>> from skensemble.combiners import WeightedVoting
    >>> from skensemble.weightings import BestModels
    >>> regimes = np.tile(["down", "up"], 30)
    >>> X, y = np.zeros((60, 1)), np.where(regimes == "up", 1.0, -1.0)
    >>> models = [(f"says {c:g}", DummyRegressor(strategy="constant", constant=c)) for c in (-1.0, 1.0)]
    >>> ensemble = RegimeAwareEnsembleRegressor(models, combiner=WeightedVoting(BestModels(1), shrinkage=0))
    >>> scorer = make_regime_scorer(mean_absolute_error, greater_is_better=False)
    >>> ensemble = ensemble.fit(X, y, regimes=regimes)
    >>> scorer(ensemble, X, y) < -0.5, scorer(ensemble, X, y, regimes=regimes) + 0.0
    (True, 0.0)

    In a search or a cross-validation, with metadata routing:

    >>> import sklearn
    >>> from sklearn.model_selection import cross_val_score
    >>> with sklearn.config_context(enable_metadata_routing=True):
    ...     scores = cross_val_score(
    ...         ensemble.set_fit_request(regimes=True),
    ...         X,
    ...         y,
    ...         scoring=scorer.set_score_request(regimes=True),
    ...         params={"regimes": regimes},
    ...     )
    >>> scores + 0.0
    array([0., 0., 0., 0., 0.])
    """
    if not callable(metric):
        raise ValueError(
            f"metric of make_regime_scorer must be a function of targets and predictions, for example "
            f"sklearn.metrics.r2_score; got {shown(metric)}."
        )
    check_choice(response_method, "response_method", "make_regime_scorer", _RESPONSES)
    return RegimeScorer(metric, response_method, greater_is_better, kwargs)

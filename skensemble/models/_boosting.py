"""Boosted trees: many shallow trees, each correcting the sum of those before it; the libraries load in fit."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import ThreadpoolController

from skensemble._checks import shown
from skensemble.models._base import NamedClassifier, NamedModel, NamedRegressor, documented, in_slices
from skensemble.models._rows import Rows, is_sparse

__all__ = [
    "HistogramBoostingClassifier",
    "HistogramBoostingRegressor",
    "LightGBMClassifier",
    "LightGBMRegressor",
    "XGBoostClassifier",
    "XGBoostRegressor",
]

# The most categories that scikit-learn's histogram boosting can tell apart in one column.
MOST_CATEGORIES = 255

_ENDING = """
extra_params : dict, default=None
    More parameters in the words of the library. What this class sets by itself may not be among them.
random_state : int, RandomState instance or None, default=None
    Seed of what is random: rows and columns drawn when a share below one is asked for. With ``None`` every fit draws
    afresh.
n_jobs : int, default=None
    Number of threads. ``None`` means one (or what ``joblib.parallel_config`` says), -1 all cores. The result is
    the same for any number.
"""

_XGBOOST = """
n_estimators : int, default=200
    Number of trees; more fit closer and take longer.
learning_rate : float, default=0.05
    Share of each tree's correction that is used; smaller needs more trees and follows noise less.
max_depth : int, default=4
    Number of questions that a tree asks in a row, so the order of the interactions it can see.
min_child_weight : float, default=5.0
    Least sum of weights (of second derivatives, for a classifier) in a leaf; larger is smoother.
subsample : float, default=1.0
    Share of the rows that each tree sees, in (0, 1].
colsample_bytree : float, default=1.0
    Share of the columns that each tree sees, in (0, 1].
reg_lambda : float, default=1.0
    Penalty on squared leaf values; larger pulls leaves to zero.
reg_alpha : float, default=0.0
    Penalty on absolute leaf values; larger sets more of them to exactly zero.
gamma : float, default=0.0
    Least gain for which a leaf is split; larger gives smaller trees.
max_bin : int, default=256
    Number of steps into which a column of numbers is cut; fewer is faster and coarser.
""" + _ENDING.lstrip()

_LIGHTGBM = """
n_estimators : int, default=200
    Number of trees; more fit closer and take longer.
learning_rate : float, default=0.05
    Share of each tree's correction that is used; smaller needs more trees and follows noise less.
num_leaves : int, default=15
    Number of leaves per tree; trees grow where the gain is largest, so this, not the depth, is their size.
max_depth : int, default=-1
    Most questions asked in a row; -1 sets no bound.
min_child_samples : int, default=20
    Least number of rows in a leaf; larger is smoother.
min_child_weight : float, default=1e-3
    Least sum of second derivatives in a leaf; larger is smoother.
subsample : float, default=1.0
    Share of the rows that each tree sees, in (0, 1].
colsample_bytree : float, default=1.0
    Share of the columns that each tree sees, in (0, 1].
reg_lambda : float, default=1.0
    Penalty on squared leaf values; larger pulls leaves to zero.
reg_alpha : float, default=0.0
    Penalty on absolute leaf values; larger sets more of them to exactly zero.
max_bin : int, default=255
    Number of steps into which a column of numbers is cut; fewer is faster and coarser.
""" + _ENDING.lstrip()

_HISTOGRAM = """
max_iter : int, default=200
    Number of trees (per class, beyond two); more fit closer and take longer.
learning_rate : float, default=0.05
    Share of each tree's correction that is used; smaller needs more trees and follows noise less.
max_leaf_nodes : int or None, default=15
    Number of leaves per tree.
max_depth : int or None, default=None
    Most questions asked in a row; ``None`` sets no bound.
min_samples_leaf : int, default=20
    Least number of rows in a leaf; larger is smoother.
l2_regularization : float, default=1.0
    Penalty on squared leaf values; larger pulls leaves to zero.
max_features : float, default=1.0
    Share of the columns that each split looks at, in (0, 1].
max_bins : int, default=255
    Number of steps into which a column of numbers is cut; fewer is faster and coarser.
random_state : int, RandomState instance or None, default=None
    Seed for the columns drawn when ``max_features`` is below one. With ``None`` every fit draws afresh.
n_jobs : int, default=None
    Number of threads. ``None`` means one (or what ``joblib.parallel_config`` says), -1 all cores. The result is
    the same for any number.
"""

_ATTRIBUTES = """
n_features_in_ : int
    Number of columns.
feature_names_in_ : ndarray of shape (n_features,)
    Names of the columns, where X was a frame with names of type str.
"""

_IMPORTANCES = """feature_importances_ : ndarray of shape (n_features,)
    Share of each column in all that the splits have gained; all zero where there was nothing to learn.
"""


def _merged(own: dict[str, Any], defaults: dict[str, Any], extra: dict[str, Any] | None, owner: str) -> dict[str, Any]:
    """Join parameters, with those that the user gave under the library's names over our defaults only."""
    extra = {} if extra is None else extra
    if not isinstance(extra, dict):
        raise ValueError(f"extra_params of {owner} must be a dict of parameters or None; got {shown(extra)}.")
    taken = sorted(own.keys() & extra.keys())
    if taken:
        raise ValueError(
            f"extra_params of {owner} must hold only parameters that {owner} does not set by itself; got {taken}. "
            "Use the constructor parameter that does the same."
        )
    return defaults | extra | own


def _probabilities(margins: NDArray) -> NDArray:
    """Turn log-odds (n,) or log-probabilities (n, n_classes) into probabilities, in double precision."""
    margins = margins.astype(np.float64, copy=False)
    if margins.ndim == 1:
        second = expit(margins)
        return np.column_stack([1.0 - second, second])
    return softmax(margins, axis=1)


def _as_matrix(values: Any) -> Any:
    """Use the older sparse type, the only one that all releases of the libraries know."""
    return sparse.csr_matrix(values) if is_sparse(values) else values


def _shares(gains: NDArray) -> NDArray:
    """Gains of the columns as parts of their sum; all zero where nothing was gained."""
    total = gains.sum()
    return gains / total if total > 0 else np.zeros(len(gains))


class _XGBoost(NamedModel):
    def __init__(
        self,
        *,
        n_estimators: int = 200,
        learning_rate: float = 0.05,
        max_depth: int = 4,
        min_child_weight: float = 5.0,
        subsample: float = 1.0,
        colsample_bytree: float = 1.0,
        reg_lambda: float = 1.0,
        reg_alpha: float = 0.0,
        gamma: float = 0.0,
        max_bin: int = 256,
        extra_params: dict[str, Any] | None = None,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.min_child_weight = min_child_weight
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.reg_lambda = reg_lambda
        self.reg_alpha = reg_alpha
        self.gamma = gamma
        self.max_bin = max_bin
        self.extra_params = extra_params
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _boosted(self, rows: Rows, own: dict[str, Any], defaults: dict[str, Any]) -> Any:
        import xgboost  # noqa: PLC0415 - loaded where it is needed, so that importing this package stays quick

        threads = effective_n_jobs(self.n_jobs)
        own = own | {
            "learning_rate": self.learning_rate,
            "max_depth": self.max_depth,
            "min_child_weight": self.min_child_weight,
            "subsample": self.subsample,
            "colsample_bytree": self.colsample_bytree,
            "reg_lambda": self.reg_lambda,
            "reg_alpha": self.reg_alpha,
            "gamma": self.gamma,
            "max_bin": self.max_bin,
            "seed": check_random_state(self.random_state).randint(2**31 - 1),
            "nthread": threads,
        }
        params = _merged(
            own, {"verbosity": 0, "tree_method": "hist"} | defaults, self.extra_params, type(self).__name__
        )
        table = self._table(rows.values, label=rows.targets, weight=rows.weight, nthread=threads)
        self.sparse_ = is_sparse(rows.values)
        booster = xgboost.train(params, table, num_boost_round=self.n_estimators)
        booster.set_param({"nthread": 1})  # Predictions share the rows out over threads themselves.
        return booster

    def _table(self, values: Any, **about: Any) -> Any:
        import xgboost  # noqa: PLC0415 - see above

        kinds = ["c" if j in self.categories_.values else "q" for j in range(values.shape[1])]
        return xgboost.DMatrix(_as_matrix(values), feature_types=kinds, enable_categorical=True, **about)

    @property
    def feature_importances_(self) -> NDArray:
        """Share of each column in what the splits have gained."""
        check_is_fitted(self)
        gains = {} if self.model_ is None else self.model_.get_score(importance_type="total_gain")
        return _shares(np.array([gains.get(f"f{j}", 0.0) for j in range(self.n_features_in_)]))

    def _margins(self, values: Any, kind: str) -> NDArray:
        # To XGBoost what a sparse matrix does not store is missing, so later rows must read a zero the same way.
        if self.sparse_ and not is_sparse(values):
            values = np.where(values == 0, np.nan, values)
        elif is_sparse(values) and not self.sparse_:
            values = values.toarray()
        return in_slices(partial(self._margins_of, kind), _as_matrix(values), self.n_jobs)

    def _margins_of(self, kind: str, values: Any) -> NDArray:
        if self.categories_.values:
            return self.model_.predict(self._table(values, nthread=1), output_margin=kind == "margin")
        return self.model_.inplace_predict(values, predict_type=kind)


@documented(parameters=_XGBOOST, attributes=_ATTRIBUTES + _IMPORTANCES)
class XGBoostRegressor(_XGBoost, NamedRegressor):
    """Boosted trees for numbers, by XGBoost.

    Each tree is grown on what the sum of the trees before it still gets wrong, and adds a small share of its
    correction. Targets are standardised for the fit (with another ``objective`` in ``extra_params`` they are not), so
    that daily returns of 0.0001 are learned as well as prices of 10,000; missing values and categories are split on
    as they are.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    T. Chen and C. Guestrin, XGBoost: a scalable tree boosting system, KDD 2016.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.repeat([[0.0], [1.0]], 50, axis=0)
    >>> model = XGBoostRegressor().fit(X, 3 * X[:, 0])
    >>> model.predict([[0.0], [1.0]]).round(2) + 0.0
    array([0., 3.])
    """

    def _standardizes_target(self) -> bool:
        return "objective" not in (self.extra_params or {})

    def _train(self, rows: Rows) -> Any:
        return self._boosted(rows, {}, {"objective": "reg:squarederror"})

    def _answer(self, values: Any) -> NDArray:
        return self._margins(values, "value")


@documented(parameters=_XGBOOST, attributes=_ATTRIBUTES + _IMPORTANCES)
class XGBoostClassifier(_XGBoost, NamedClassifier):
    """Boosted trees for labels of any kind, by XGBoost.

    Each tree is grown on what the sum of the trees before it still gets wrong, on the scale of log-odds, and adds a
    small share of its correction. Missing values and categories are split on as they are.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels of positive weight, sorted.
    {attributes}

    References
    ----------
    T. Chen and C. Guestrin, XGBoost: a scalable tree boosting system, KDD 2016.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.repeat([[0.0], [1.0]], 50, axis=0)
    >>> model = XGBoostClassifier().fit(X, np.where(X[:, 0] > 0, "up", "down"))
    >>> model.predict([[0.0], [1.0]])
    array(['down', 'up'], ...)
    """

    def _train(self, rows: Rows, n_classes: int) -> Any:
        several = {"objective": "multi:softprob", "num_class": n_classes}
        return self._boosted(rows, {"objective": "binary:logistic"} if n_classes == 2 else several, {})

    def _probabilities(self, values: Any) -> NDArray:
        return _probabilities(self._margins(values, "margin"))


class _LightGBM(NamedModel):
    def __init__(
        self,
        *,
        n_estimators: int = 200,
        learning_rate: float = 0.05,
        num_leaves: int = 15,
        max_depth: int = -1,
        min_child_samples: int = 20,
        min_child_weight: float = 1e-3,
        subsample: float = 1.0,
        colsample_bytree: float = 1.0,
        reg_lambda: float = 1.0,
        reg_alpha: float = 0.0,
        max_bin: int = 255,
        extra_params: dict[str, Any] | None = None,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.num_leaves = num_leaves
        self.max_depth = max_depth
        self.min_child_samples = min_child_samples
        self.min_child_weight = min_child_weight
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.reg_lambda = reg_lambda
        self.reg_alpha = reg_alpha
        self.max_bin = max_bin
        self.extra_params = extra_params
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _boosted(self, rows: Rows, own: dict[str, Any], defaults: dict[str, Any]) -> Any:
        import lightgbm  # noqa: PLC0415 - loaded where it is needed, so that importing this package stays quick

        own = own | {
            "learning_rate": self.learning_rate,
            "num_leaves": self.num_leaves,
            "max_depth": self.max_depth,
            "min_data_in_leaf": self.min_child_samples,
            "min_sum_hessian_in_leaf": self.min_child_weight,
            "bagging_fraction": self.subsample,
            "bagging_freq": int(self.subsample < 1.0),
            "feature_fraction": self.colsample_bytree,
            "lambda_l2": self.reg_lambda,
            "lambda_l1": self.reg_alpha,
            "max_bin": self.max_bin,
            "seed": check_random_state(self.random_state).randint(2**31 - 1),
            "num_threads": effective_n_jobs(self.n_jobs),
        }
        defaults = {"verbosity": -1, "deterministic": True, "force_row_wise": True} | defaults
        params = _merged(own, defaults, self.extra_params, type(self).__name__)
        table = lightgbm.Dataset(
            _as_matrix(rows.values),
            label=rows.targets,
            weight=rows.weight,
            categorical_feature=sorted(self.categories_.values),
            params=params,
        )
        return lightgbm.train(params, table, num_boost_round=self.n_estimators)

    @property
    def feature_importances_(self) -> NDArray:
        """Share of each column in what the splits have gained."""
        check_is_fitted(self)
        nothing = np.zeros(self.n_features_in_)
        return nothing if self.model_ is None else _shares(self.model_.feature_importance(importance_type="gain"))

    def _margins(self, values: Any, *, raw: bool) -> NDArray:
        return self.model_.predict(_as_matrix(values), raw_score=raw, num_threads=effective_n_jobs(self.n_jobs))


@documented(parameters=_LIGHTGBM, attributes=_ATTRIBUTES + _IMPORTANCES)
class LightGBMRegressor(_LightGBM, NamedRegressor):
    """Boosted trees for numbers, by LightGBM.

    Each tree is grown, leaf by leaf where it pays most, on what the sum of the trees before it still gets wrong.
    Targets are standardised for the fit (with another ``objective`` in ``extra_params`` they are not); missing values
    and categories are split on as they are.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    G. Ke et al., LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.repeat([[0.0], [1.0]], 50, axis=0)
    >>> model = LightGBMRegressor().fit(X, 3 * X[:, 0])
    >>> model.predict([[0.0], [1.0]]).round(2) + 0.0
    array([0., 3.])
    """

    def _standardizes_target(self) -> bool:
        return "objective" not in (self.extra_params or {})

    def _train(self, rows: Rows) -> Any:
        return self._boosted(rows, {}, {"objective": "regression"})

    def _answer(self, values: Any) -> NDArray:
        return self._margins(values, raw=False)


@documented(parameters=_LIGHTGBM, attributes=_ATTRIBUTES + _IMPORTANCES)
class LightGBMClassifier(_LightGBM, NamedClassifier):
    """Boosted trees for labels of any kind, by LightGBM.

    Each tree is grown, leaf by leaf where it pays most, on what the sum of the trees before it still gets wrong, on
    the scale of log-odds. Missing values and categories are split on as they are.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels of positive weight, sorted.
    {attributes}

    References
    ----------
    G. Ke et al., LightGBM: a highly efficient gradient boosting decision tree, NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.repeat([[0.0], [1.0]], 50, axis=0)
    >>> model = LightGBMClassifier().fit(X, np.where(X[:, 0] > 0, "up", "down"))
    >>> model.predict([[0.0], [1.0]])
    array(['down', 'up'], ...)
    """

    def _train(self, rows: Rows, n_classes: int) -> Any:
        several = {"objective": "multiclass", "num_class": n_classes}
        return self._boosted(rows, {"objective": "binary"} if n_classes == 2 else several, {})

    def _probabilities(self, values: Any) -> NDArray:
        return _probabilities(self._margins(values, raw=True))


@cache
def openmp_threads(library: str) -> Any:
    """Find the thread pools of a library that is loaded, once: looking for them takes longer than predicting a row."""
    return ThreadpoolController().select(user_api="openmp")


class _HistogramBoosting(NamedModel):
    _reads_sparse = False

    def __init__(
        self,
        *,
        max_iter: int = 200,
        learning_rate: float = 0.05,
        max_leaf_nodes: int | None = 15,
        max_depth: int | None = None,
        min_samples_leaf: int = 20,
        l2_regularization: float = 1.0,
        max_features: float = 1.0,
        max_bins: int = 255,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.max_iter = max_iter
        self.learning_rate = learning_rate
        self.max_leaf_nodes = max_leaf_nodes
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.max_features = max_features
        self.max_bins = max_bins
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _boosted(self, rows: Rows, model_class: Any) -> Any:
        own = {name: value for name, value in self.get_params().items() if name != "n_jobs"}
        few = [j for j, categories in self.categories_.values.items() if len(categories) <= MOST_CATEGORIES]
        model = model_class(early_stopping=False, categorical_features=few or None, **own)
        with openmp_threads("sklearn").limit(limits=effective_n_jobs(self.n_jobs)):
            # A column of which nothing is known yet cannot be cut into steps; as a constant it is never asked about.
            values = np.where(np.isnan(rows.values).all(axis=0), 0.0, rows.values)
            return model.fit(values, rows.targets, sample_weight=rows.weight)

    @property
    def n_iter_(self) -> int:
        """Number of rounds of trees grown."""
        return 0 if self.model_ is None else self.model_.n_iter_


@documented(parameters=_HISTOGRAM, attributes=_ATTRIBUTES)
class HistogramBoostingRegressor(_HistogramBoosting, NamedRegressor):
    """Boosted trees for numbers, by scikit-learn's histogram gradient boosting.

    Each tree is grown on what the sum of the trees before it still gets wrong. Nothing is held out to stop early: a
    random share of a time series would look ahead. Missing values and categories (up to 255 in a column, beyond that
    their codes) are split on as they are.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    n_iter_ : int
        Number of trees grown.
    {attributes}

    References
    ----------
    J. H. Friedman, Greedy function approximation: a gradient boosting machine, Annals of Statistics 2001.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.repeat([[0.0], [1.0]], 50, axis=0)
    >>> model = HistogramBoostingRegressor().fit(X, 3 * X[:, 0])
    >>> model.predict([[0.0], [1.0]]).round(2) + 0.0
    array([0., 3.])
    """

    def _train(self, rows: Rows) -> Any:
        return self._boosted(rows, HistGradientBoostingRegressor)

    def _answer(self, values: Any) -> NDArray:
        with openmp_threads("sklearn").limit(limits=effective_n_jobs(self.n_jobs)):
            return self.model_.predict(values)


@documented(parameters=_HISTOGRAM, attributes=_ATTRIBUTES)
class HistogramBoostingClassifier(_HistogramBoosting, NamedClassifier):
    """Boosted trees for labels of any kind, by scikit-learn's histogram gradient boosting.

    Each tree is grown on what the sum of the trees before it still gets wrong, on the scale of log-odds. Nothing is
    held out to stop early: a random share of a time series would look ahead. Missing values and categories (up to 255
    in a column, beyond that their codes) are split on as they are.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels of positive weight, sorted.
    n_iter_ : int
        Number of rounds of trees grown.
    {attributes}

    References
    ----------
    J. H. Friedman, Greedy function approximation: a gradient boosting machine, Annals of Statistics 2001.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.repeat([[0.0], [1.0]], 50, axis=0)
    >>> model = HistogramBoostingClassifier().fit(X, np.where(X[:, 0] > 0, "up", "down"))
    >>> model.predict([[0.0], [1.0]])
    array(['down', 'up'], ...)
    """

    def _train(self, rows: Rows, n_classes: int) -> Any:
        return self._boosted(rows, HistGradientBoostingClassifier)

    def _probabilities(self, values: Any) -> NDArray:
        with openmp_threads("sklearn").limit(limits=effective_n_jobs(self.n_jobs)):
            return self.model_.predict_proba(values)

"""Models that feel the unit of a column: each column is brought to mean zero and spread one before they see it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skensemble.models._base import NamedClassifier, NamedModel, NamedRegressor, documented
from skensemble.models._rows import Rows, is_sparse

__all__ = ["LinearClassifier", "LinearRegressor", "NetworkClassifier", "NetworkRegressor"]

# A column of categories becomes one column of zeros and ones for each of its most frequent categories, up to this many.
MOST_INDICATORS = 50

_LINEAR_PARAMETERS = """
alpha : float, default=1.0
    Strength of the penalty on squared coefficients of standardised columns, at least 0; larger pulls the answer
    towards {centre}.
"""

_NETWORK_PARAMETERS = """
hidden_layer_sizes : tuple of int, default=(32,)
    Number of units in each hidden layer; more units can bend more, and need more rows.
alpha : float, default=0.01
    Strength of the penalty on squared weights; larger gives flatter answers.
learning_rate : float, default=0.003
    First step size of the optimiser (Adam); too large makes training erratic, too small slow.
batch_size : int, default=200
    Number of rows per step.
max_iter : int, default=200
    Most passes over the rows. Training ends sooner once ten passes in a row have gained next to nothing.
random_state : int, RandomState instance or None, default=None
    Seed of the first weights and of the order of the rows. With ``None`` every fit draws afresh.
"""

_ATTRIBUTES = """
n_features_in_ : int
    Number of columns.
feature_names_in_ : ndarray of shape (n_features,)
    Names of the columns, where X was a frame with names of type str.
"""

_IMPORTANCES = """feature_importances_ : ndarray of shape (n_features,)
    Absolute coefficients of the standardised columns, added up over classes and over the indicators of a category.
"""


class _Standardized(NamedModel):
    """A model of standardised columns: a missing value stands at the mean, a category becomes zeros and ones."""

    def _prepared(self, rows: Rows) -> Rows:
        self.indicators_ = {
            j: _most_frequent(rows.values[:, j], rows.weight, len(categories))
            for j, categories in self.categories_.values.items()
        }
        values = self._expanded(rows.values)
        self.mean_, self.scale_ = mean_and_scale(values, rows.weight)
        # Taking the mean off would fill a sparse matrix; the intercept of the model does it as well.
        self.centre_ = np.zeros_like(self.mean_) if is_sparse(values) else self.mean_
        return rows._replace(values=self._standardized(values))

    def _transformed(self, values: Any) -> Any:
        return self._standardized(self._expanded(values))

    def _expanded(self, values: Any) -> Any:
        if not self.indicators_:
            return values
        kept = np.delete(values, list(self.indicators_), axis=1)
        return np.hstack([kept, *(values[:, [j]] == codes for j, codes in self.indicators_.items())])

    def _standardized(self, values: Any) -> Any:
        if is_sparse(values) and self.centre_.any():
            values = values.toarray()
        if is_sparse(values):
            scaled, columns = values.copy(), values.indices
            scaled.data = np.where(np.isnan(scaled.data), self.mean_[columns], scaled.data) / self.scale_[columns]
            return scaled
        known = np.where(np.isnan(values), self.mean_, values)
        return (known - self.centre_) / self.scale_


def _most_frequent(codes: NDArray, weight: NDArray | None, n_categories: int) -> NDArray:
    """Return the codes of the most frequent categories; among equals those that sort first."""
    seen = ~np.isnan(codes)
    counts = np.bincount(codes[seen].astype(int), None if weight is None else weight[seen], n_categories)
    return np.sort(np.argsort(-counts, kind="stable")[:MOST_INDICATORS]).astype(np.float64)


def mean_and_scale(values: Any, weight: NDArray | None) -> tuple[NDArray, NDArray]:
    """Return weighted mean and standard deviation of the columns over their known values; a constant has scale one."""
    weight = np.ones(values.shape[0]) if weight is None else weight
    if is_sparse(values):
        mean, variance = _sparse_moments(values, weight)
    else:
        known = ~np.isnan(values)
        total = np.maximum(weight @ known, np.finfo(float).tiny)
        mean = weight @ np.where(known, values, 0.0) / total
        variance = weight @ np.where(known, values - mean, 0.0) ** 2 / total
    scale = np.sqrt(variance)
    return mean, np.where(scale > 1e-12 * np.abs(mean), scale, 1.0)


def _sparse_moments(values: Any, weight: NDArray) -> tuple[NDArray, NDArray]:
    unknown = np.isnan(values.data)
    stored = sparse.csr_array((np.where(unknown, 0.0, values.data), values.indices, values.indptr), values.shape)
    gaps = sparse.csr_array((unknown.astype(np.float64), values.indices, values.indptr), values.shape)
    total = np.maximum(weight.sum() - gaps.T @ weight, np.finfo(float).tiny)
    mean = stored.T @ weight / total
    return mean, np.maximum(stored.power(2).T @ weight / total - mean**2, 0.0)


def _products(values: Any, coefficients: NDArray) -> NDArray:
    """Products of rows and coefficients that do not depend on how many rows are asked for at once."""
    if is_sparse(values):
        return values @ coefficients
    # BLAS rounds one row otherwise than the same row among many, and so does a table stored by columns; feedback row
    # by row would then differ from a batch.
    return np.einsum("ij,j...->i...", np.ascontiguousarray(values), coefficients)


class _Linear(_Standardized):
    def __init__(self, *, alpha: float = 1.0) -> None:
        self.alpha = alpha

    @property
    def feature_importances_(self) -> NDArray:
        """Absolute coefficients of the standardised columns."""
        check_is_fitted(self)
        if self.model_ is None:
            return np.zeros(self.n_features_in_)
        kept = [j for j in range(self.n_features_in_) if j not in self.indicators_]
        columns = kept + [j for j, codes in self.indicators_.items() for _ in codes]
        return np.bincount(columns, np.abs(np.atleast_2d(self.model_.coef_)).sum(axis=0), self.n_features_in_)

    def _arranged(self, rows: Rows) -> Rows:
        return rows  # The solution depends smoothly on weighted sums, so neither order nor repetition matters.


@documented(parameters=_LINEAR_PARAMETERS.replace("{centre}", "the mean"), attributes=_ATTRIBUTES + _IMPORTANCES)
class LinearRegressor(_Linear, NamedRegressor):
    r"""The straight line through the rows, pulled a little towards flat: ridge regression of standardised columns.

    Columns and target are standardised with the sample weights; a missing value stands at its column's mean, a
    category is an indicator of its own (the fifty most frequent of a column).

    .. math:: \min_b \sum_i s_i (y_i - b_0 - z_i^\top b)^2 + \alpha \lVert b \rVert^2

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    coef_ : ndarray of shape (n_columns,)
        Coefficients of the standardised columns, for a standardised target.
    {attributes}

    References
    ----------
    A. E. Hoerl and R. W. Kennard, Ridge regression: biased estimation for nonorthogonal problems, Technometrics 1970.

    Examples
    --------
    >>> X = [[0.0], [1.0], [2.0]]
    >>> LinearRegressor(alpha=1e-6).fit(X, [1.0, 3.0, 5.0]).predict([[3.0]]).round(3)
    array([7.])
    """

    @property
    def coef_(self) -> NDArray:
        """Coefficients of the standardised columns."""
        return self.model_.coef_

    def _train(self, rows: Rows) -> Any:
        # On sparse rows the solver is iterative: it must run until repeated rows and weighted rows agree.
        solver = {"solver": "sparse_cg", "tol": 1e-12, "max_iter": 1_000} if is_sparse(rows.values) else {}
        return Ridge(alpha=self.alpha, **solver).fit(rows.values, rows.targets, sample_weight=rows.weight)

    def _answer(self, values: Any) -> NDArray:
        return _products(values, self.model_.coef_) + self.model_.intercept_


@documented(
    parameters=_LINEAR_PARAMETERS.replace("{centre}", "the class frequencies"), attributes=_ATTRIBUTES + _IMPORTANCES
)
class LinearClassifier(_Linear, NamedClassifier):
    r"""Logistic regression of standardised columns, pulled a little towards the class frequencies.

    Columns are standardised with the sample weights; a missing value stands at its column's mean, a category is an
    indicator of its own (the fifty most frequent of a column).

    .. math:: \min_b \sum_i s_i \, (-\log p_b(y_i \mid z_i)) + \tfrac{\alpha}{2} \lVert b \rVert^2

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
    D. R. Cox, The regression analysis of binary sequences, Journal of the Royal Statistical Society B 1958.

    Examples
    --------
    >>> X = [[0.0], [1.0], [2.0], [3.0]]
    >>> LinearClassifier().fit(X, ["down", "down", "up", "up"]).predict([[-1.0], [4.0]])
    array(['down', 'up'], ...)
    """

    def _train(self, rows: Rows, n_classes: int) -> Any:
        # Newton steps converge quadratically, but build a square matrix over columns and classes.
        newton = rows.values.shape[1] * n_classes <= 2_000
        model = LogisticRegression(
            C=1.0 / self.alpha if self.alpha > 0 else np.inf,
            solver="newton-cholesky" if newton else "lbfgs",
            tol=1e-10 if newton else 1e-6,
            max_iter=1_000,
        )
        return model.fit(rows.values, rows.targets, sample_weight=rows.weight)

    def _probabilities(self, values: Any) -> NDArray:
        scores = _products(values, self.model_.coef_.T) + self.model_.intercept_
        if scores.shape[1] > 1:
            return softmax(scores, axis=1)
        return np.hstack([expit(-scores), expit(scores)])


class _Network(_Standardized):
    def __init__(
        self,
        *,
        hidden_layer_sizes: tuple[int, ...] = (32,),
        alpha: float = 0.01,
        learning_rate: float = 0.003,
        batch_size: int = 200,
        max_iter: int = 200,
        random_state: Any = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.alpha = alpha
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.random_state = random_state

    def _trained(self, rows: Rows, network_class: Any, **first: Any) -> Any:
        """Pass over the rows until the loss stands still; in single passes, since a full fit would warn at its end."""
        network = network_class(
            hidden_layer_sizes=self.hidden_layer_sizes,
            alpha=self.alpha,
            learning_rate_init=self.learning_rate,
            batch_size=min(self.batch_size, rows.values.shape[0]),
            random_state=check_random_state(self.random_state).randint(2**31 - 1),
        )
        best, still = np.inf, 0
        for _ in range(self.max_iter):
            network.partial_fit(rows.values, rows.targets, sample_weight=rows.weight, **first)
            still = 0 if network.loss_ < best - 1e-4 else still + 1
            best = min(best, network.loss_)
            if still >= 10:
                break
        return network

    @property
    def n_iter_(self) -> int:
        """Number of passes over the rows."""
        return 0 if self.model_ is None else self.model_.n_iter_


@documented(parameters=_NETWORK_PARAMETERS, attributes=_ATTRIBUTES)
class NetworkRegressor(_Network, NamedRegressor):
    """A small neural network for numbers: smooth bends between columns, learned by gradient steps.

    Columns and target are standardised with the sample weights; a missing value stands at its column's mean, a
    category is an indicator of its own (the fifty most frequent of a column).

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    n_iter_ : int
        Number of passes over the rows.
    {attributes}

    References
    ----------
    D. E. Rumelhart, G. E. Hinton and R. J. Williams, Learning representations by back-propagating errors, Nature 1986.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 200)[:, None]
    >>> model = NetworkRegressor(random_state=0).fit(X, np.abs(X[:, 0]))
    >>> bool(abs(model.predict([[0.5]])[0] - 0.5) < 0.1)
    True
    """

    def _train(self, rows: Rows) -> Any:
        return self._trained(rows, MLPRegressor)

    def _answer(self, values: Any) -> NDArray:
        return self.model_.predict(values)


@documented(parameters=_NETWORK_PARAMETERS, attributes=_ATTRIBUTES)
class NetworkClassifier(_Network, NamedClassifier):
    """A small neural network for labels of any kind: smooth borders between classes, learned by gradient steps.

    Columns are standardised with the sample weights; a missing value stands at its column's mean, a category is an
    indicator of its own (the fifty most frequent of a column).

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels of positive weight, sorted.
    n_iter_ : int
        Number of passes over the rows.
    {attributes}

    References
    ----------
    D. E. Rumelhart, G. E. Hinton and R. J. Williams, Learning representations by back-propagating errors, Nature 1986.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 200)[:, None]
    >>> model = NetworkClassifier(random_state=0).fit(X, np.where(X[:, 0] ** 2 > 0.25, "far", "near"))
    >>> model.predict([[-1.0], [0.0], [1.0]])
    array(['far', 'near', 'far'], ...)
    """

    def _train(self, rows: Rows, n_classes: int) -> Any:
        return self._trained(rows, MLPClassifier, classes=np.arange(n_classes))

    def _probabilities(self, values: Any) -> NDArray:
        return self.model_.predict_proba(values)

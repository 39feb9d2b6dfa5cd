"""Forests: many deep trees, each grown with its own randomness, and their mean; the noise of one tree averages out."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.utils.validation import check_is_fitted

from skensemble.models._base import NamedClassifier, NamedModel, NamedRegressor, documented, in_slices
from skensemble.models._rows import Rows, is_sparse

__all__ = [
    "BootstrapForestClassifier",
    "BootstrapForestRegressor",
    "RandomSplitForestClassifier",
    "RandomSplitForestRegressor",
    "mean_of_trees",
]

_PARAMETERS = """
n_estimators : int, default=100
    Number of trees; more is never worse, only slower.
max_depth : int or None, default=None
    Most questions that a tree asks in a row; ``None`` leaves it to ``min_samples_leaf``.
min_samples_leaf : int or float, default=10
    Least number (or share) of rows in a leaf; larger is smoother and makes smaller trees.
max_features : int, float, "sqrt", "log2" or None, default=0.33
    How many columns each split looks at (a share, if a float); fewer make trees more different from each other, which
    helps with noisy data. A third is what Breiman advised for regression.
random_state : int, RandomState instance or None, default=None
    Seed of the trees. With ``None`` every fit draws afresh.
n_jobs : int, default=None
    Number of threads. ``None`` means one (or what ``joblib.parallel_config`` says), -1 all cores. The result is
    the same for any number.
"""

_ATTRIBUTES = """
n_features_in_ : int
    Number of columns.
feature_names_in_ : ndarray of shape (n_features,)
    Names of the columns, where X was a frame with names of type str.
feature_importances_ : ndarray of shape (n_features,)
    Share of each column in all that the splits have gained; all zero where there was nothing to learn.
"""


class _Forest(NamedModel):
    _grower: Any

    def __init__(
        self,
        *,
        n_estimators: int = 100,
        max_depth: int | None = None,
        min_samples_leaf: float = 10,
        max_features: Any = 0.33,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.random_state = random_state
        self.n_jobs = n_jobs

    @property
    def feature_importances_(self) -> NDArray:
        """Share of each column in what the splits have gained."""
        check_is_fitted(self)
        if self.model_ is None:
            return np.zeros(self.n_features_in_)
        # Splits that have gained nothing at all are shared out as 0 / 0.
        with np.errstate(invalid="ignore"):
            return np.nan_to_num(self.model_.feature_importances_)

    def _grown(self, rows: Rows) -> Any:
        forest = self._grower(**self.get_params())
        return forest.fit(_without_gaps(rows.values), rows.targets, sample_weight=rows.weight)

    def _mean_of_trees(self, values: Any) -> NDArray:
        return in_slices(partial(mean_of_trees, self.model_), _without_gaps(values), self.n_jobs)


class _ForestRegressor(_Forest, NamedRegressor):
    def _train(self, rows: Rows) -> Any:
        return self._grown(rows)

    def _answer(self, values: Any) -> NDArray:
        return self._mean_of_trees(values)[:, 0]


class _ForestClassifier(_Forest, NamedClassifier):
    def _train(self, rows: Rows, n_classes: int) -> Any:
        return self._grown(rows)

    def _probabilities(self, values: Any) -> NDArray:
        return self._mean_of_trees(values)


def mean_of_trees(forest: Any, values: Any) -> NDArray:
    """Return what a forest of scikit-learn says, tree by tree and without its thread pool.

    Parameters
    ----------
    forest : estimator
        Fitted, of one output.
    values : ndarray or CSR matrix of shape (n_samples, n_features)
        Rows.

    Returns
    -------
    ndarray of shape (n_samples, n_values)
        Numbers in one column, or the probability of each class.

    Examples
    --------
    >>> forest = RandomForestRegressor(5).fit([[0.0], [1.0]], [2.0, 2.0])
    >>> mean_of_trees(forest, np.array([[0.0]]))
    array([[2.]])
    """
    trees, values = [tree.tree_ for tree in forest.estimators_], values.astype(np.float32)
    # In their order: shared out over threads, the sum would depend on who is first.
    total = trees[0].predict(values)
    for tree in trees[1:]:
        total += tree.predict(values)
    return total / len(trees)


def _without_gaps(values: Any) -> Any:
    """Fill the gaps of a sparse matrix, where trees cannot hold them, with the value of what is not stored."""
    if not is_sparse(values) or not np.isnan(values.data).any():
        return values
    filled = values.copy()
    filled.data = np.nan_to_num(filled.data, nan=0.0)
    return filled


@documented(parameters=_PARAMETERS, attributes=_ATTRIBUTES)
class BootstrapForestRegressor(_ForestRegressor):
    """A random forest for numbers.

    Every tree is grown on rows drawn with replacement, and every split looks at a random share of the columns; the
    forest answers with the mean of its trees. Missing values go to the side of a split where they fit best,
    categories enter as ordered codes.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    L. Breiman, Random forests, Machine Learning 2001.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.repeat([[0.0], [1.0]], 50, axis=0)
    >>> model = BootstrapForestRegressor(n_estimators=20, random_state=0)
    >>> model.fit(X, 3 * X[:, 0]).predict([[0.0], [1.0]]).round(2) + 0.0
    array([0., 3.])
    """

    _grower = RandomForestRegressor


@documented(parameters=_PARAMETERS, attributes=_ATTRIBUTES)
class BootstrapForestClassifier(_ForestClassifier):
    """A random forest for labels of any kind.

    Every tree is grown on rows drawn with replacement, and every split looks at a random share of the columns; the
    forest answers with the mean of its trees. Missing values go to the side of a split where they fit best,
    categories enter as ordered codes.

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
    L. Breiman, Random forests, Machine Learning 2001.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.repeat([[0.0], [1.0]], 50, axis=0)
    >>> model = BootstrapForestClassifier(n_estimators=20, random_state=0)
    >>> model.fit(X, np.where(X[:, 0] > 0, "up", "down")).predict([[0.0], [1.0]])
    array(['down', 'up'], ...)
    """

    _grower = RandomForestClassifier


@documented(parameters=_PARAMETERS, attributes=_ATTRIBUTES)
class RandomSplitForestRegressor(_ForestRegressor):
    """A forest of extremely randomised trees for numbers.

    Every tree is grown on all rows, but its splits are the best of a few drawn at random; the forest answers with the
    mean of its trees. Smoother and faster than a bootstrap forest. Missing values go to the side of a split where they
    fit best, categories enter as ordered codes.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    {attributes}

    References
    ----------
    P. Geurts, D. Ernst and L. Wehenkel, Extremely randomized trees, Machine Learning 2006.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.repeat([[0.0], [1.0]], 50, axis=0)
    >>> model = RandomSplitForestRegressor(n_estimators=20, random_state=0)
    >>> model.fit(X, 3 * X[:, 0]).predict([[0.0], [1.0]]).round(2) + 0.0
    array([0., 3.])
    """

    _grower = ExtraTreesRegressor


@documented(parameters=_PARAMETERS, attributes=_ATTRIBUTES)
class RandomSplitForestClassifier(_ForestClassifier):
    """A forest of extremely randomised trees for labels of any kind.

    Every tree is grown on all rows, but its splits are the best of a few drawn at random; the forest answers with the
    mean of its trees. Smoother and faster than a bootstrap forest. Missing values go to the side of a split where they
    fit best, categories enter as ordered codes.

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
    P. Geurts, D. Ernst and L. Wehenkel, Extremely randomized trees, Machine Learning 2006.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.repeat([[0.0], [1.0]], 50, axis=0)
    >>> model = RandomSplitForestClassifier(n_estimators=20, random_state=0)
    >>> model.fit(X, np.where(X[:, 0] > 0, "up", "down")).predict([[0.0], [1.0]])
    array(['down', 'up'], ...)
    """

    _grower = ExtraTreesClassifier

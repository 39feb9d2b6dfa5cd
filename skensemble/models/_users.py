"""Models that users bring: what they can take, and a coat for those that cannot take labels as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone, is_classifier
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import assert_all_finite, column_or_1d, get_tags
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from skensemble.models._base import NamedModel

__all__ = [
    "LabelEncodedClassifier",
    "innermost",
    "label_encoded",
    "needs_label_encoding",
    "relative_cost",
    "same_on_any_threads",
    "takes_sample_weight",
]


Method = TypeVar("Method", bound=Callable[..., Any])


def innermost(estimator: Any) -> Any:
    """Return what learns inside pipelines and searches: the final step, the wrapped estimator, or the estimator.

    Parameters
    ----------
    estimator : estimator
        Any estimator, or the word of a pipeline for no estimator.

    Returns
    -------
    inner : estimator
        The estimator that a fit of ``estimator`` ends in.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> innermost(make_pipeline(StandardScaler(), Ridge()))
    Ridge()
    """
    if isinstance(estimator, Pipeline):
        return innermost(estimator.steps[-1][1])
    # Among the parameters only: a forest has an attribute ``estimator`` too, its own tree.
    params = estimator.get_params(deep=False) if hasattr(estimator, "get_params") else {}
    for name in ("estimator", "regressor"):
        if hasattr(params.get(name), "fit"):
            return innermost(params[name])
    return estimator


def same_on_any_threads(estimator: Any) -> bool:
    """Tell whether a model is known to answer to the last digit alike, however many threads it has.

    All named models do. A forest of scikit-learn does not: it adds up its trees in the order in which its threads
    happen to finish.

    Parameters
    ----------
    estimator : estimator
        Any estimator; of a Pipeline the last step counts.

    Returns
    -------
    bool
        False where nothing is known.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from skensemble.models import BootstrapForestRegressor
    >>> same_on_any_threads(BootstrapForestRegressor()), same_on_any_threads(RandomForestRegressor())
    (True, False)
    """
    return isinstance(innermost(estimator), NamedModel)


def takes_sample_weight(estimator: Any) -> bool:
    """Say whether sample weights given to ``fit`` reach what learns.

    Parameters
    ----------
    estimator : estimator
        Any estimator; a pipeline counts by its final step, and what hands its metadata on (a search, for one) by the
        estimator inside it. A frozen estimator takes them, having nothing to learn.

    Returns
    -------
    takes : bool
        Whether weights may be given.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> takes_sample_weight(Ridge()), takes_sample_weight(KNeighborsRegressor())
    (True, False)
    """
    if isinstance(estimator, FrozenEstimator) or has_fit_parameter(estimator, "sample_weight"):
        return True
    inner = innermost(estimator)
    return inner is not estimator and hasattr(inner, "fit") and has_fit_parameter(inner, "sample_weight")


def needs_label_encoding(estimator: Any) -> bool:
    """Say whether an estimator is a classifier of XGBoost's own, which knows no labels but 0 to n_classes - 1.

    Parameters
    ----------
    estimator : estimator
        Any estimator, also a pipeline that ends in such a classifier.

    Returns
    -------
    needs : bool
        Whether it should be wrapped by `label_encoded`.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from xgboost import XGBClassifier
    >>> needs_label_encoding(XGBClassifier()), needs_label_encoding(LogisticRegression())
    (True, False)
    """
    if isinstance(estimator, (FrozenEstimator, LabelEncodedClassifier)):
        return False
    inner = innermost(estimator)
    homes = {parent.__module__.partition(".")[0] for parent in type(inner).__mro__}
    return "xgboost" in homes and is_classifier(inner)


def label_encoded(estimator: Any) -> LabelEncodedClassifier:
    """Wrap a classifier so that it takes labels of any kind.

    Parameters
    ----------
    estimator : classifier
        A classifier, or a pipeline that ends in one, that knows no labels but 0 to n_classes - 1.

    Returns
    -------
    wrapped : LabelEncodedClassifier
        An unfitted classifier.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> label_encoded(DecisionTreeClassifier()).fit([[0], [1]], ["down", "up"]).predict([[1]])
    array(['up'], ...)
    """
    return LabelEncodedClassifier(estimator)


def _if_offered(method: str) -> Callable[[Method], Method]:
    """Give the wrapper a method only where the estimator inside has it."""

    def offered(wrapper: Any) -> bool:
        return hasattr(getattr(wrapper, "estimator_", wrapper.estimator), method)

    return available_if(offered)


class LabelEncodedClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """A classifier in a coat: it learns codes 0 to n_classes - 1, the world sees its labels.

    The codes are made anew in every fit from the labels that are there, so that neither text labels nor a class
    missing from a fold can upset it. Metadata passes through both ways, as if the coat were not there.

    Parameters
    ----------
    estimator : classifier
        The classifier, or a pipeline that ends in one.

    Attributes
    ----------
    estimator_ : classifier
        The fitted clone of ``estimator``.
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.

    Examples
    --------
    >>> from xgboost import XGBClassifier
    >>> model = LabelEncodedClassifier(XGBClassifier(n_estimators=5, min_child_weight=0))
    >>> model.fit([[0.0], [0.1], [1.0], [1.1]], ["down", "down", "up", "up"]).predict([[0.0], [1.0]])
    array(['down', 'up'], ...)
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: ArrayLike, **fit_params: Any) -> Self:
        """Learn from rows.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Whatever the estimator takes.
        y : array-like of shape (n_samples,)
            Labels of any kind that can be sorted.
        **fit_params : dict
            Handed to the estimator's ``fit`` as they are.

        Returns
        -------
        self : LabelEncodedClassifier
            The fitted classifier.
        """
        labels = column_or_1d(y, warn=True)
        assert_all_finite(labels, input_name="y")
        check_classification_targets(labels)
        self.classes_, codes = np.unique(labels, return_inverse=True)
        self.estimator_ = clone(self.estimator).fit(X, codes, **fit_params)
        return self

    def predict(self, X: Any, **predict_params: Any) -> NDArray:
        """Predict labels.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows with the columns of ``fit``.
        **predict_params : dict
            Handed to the estimator's ``predict`` as they are.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            One label per row.
        """
        check_is_fitted(self)
        return self.classes_[np.asarray(self.estimator_.predict(X, **predict_params)).astype(np.intp)]

    @_if_offered("predict_proba")
    def predict_proba(self, X: Any, **predict_params: Any) -> NDArray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows with the columns of ``fit``.
        **predict_params : dict
            Handed to the estimator's ``predict_proba`` as they are.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        check_is_fitted(self)
        probabilities = np.asarray(self.estimator_.predict_proba(X, **predict_params), dtype=np.float64)
        # XGBoost answers for a second class even where it has seen only one.
        return probabilities if len(self.classes_) > 1 else np.ones((len(probabilities), 1))

    @property
    def n_features_in_(self) -> int:
        """Number of columns seen in fit."""
        return self.estimator_.n_features_in_

    @property
    def feature_names_in_(self) -> NDArray:
        """Names of the columns seen in fit."""
        return self.estimator_.feature_names_in_

    def get_metadata_routing(self) -> Any:
        """Return the routing of the estimator inside.

        Returns
        -------
        routing : MetadataRequest or MetadataRouter
            What the estimator inside asks for.
        """
        return get_routing_for_object(self.estimator)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags


def relative_cost(estimator: Any) -> float:
    """Estimate how long training takes per row, relative to a linear model; only to start the longest jobs first.

    Trees count by their number times their depth (trees without a bound sort their rows and cost far more), networks by
    their passes times their units; anything else counts one.

    Parameters
    ----------
    estimator : estimator
        Any estimator.

    Returns
    -------
    cost : float
        A rough number without unit, at least 1.

    Examples
    --------
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from sklearn.linear_model import Ridge
    >>> relative_cost(Ridge()) < relative_cost(RandomForestRegressor(10)) < relative_cost(RandomForestRegressor(100))
    True
    """
    inner = innermost(estimator)
    params = inner.get_params(deep=False) if hasattr(inner, "get_params") else {}
    if "hidden_layer_sizes" in params:
        return 1.0 + _number(params.get("max_iter"), 200) * float(np.sum(params["hidden_layer_sizes"])) / 5
    leaves = _number(params.get("num_leaves"), 0) or _number(params.get("max_leaf_nodes"), 0)
    depth = _number(params.get("max_depth"), 0) or (float(np.log2(1 + leaves)) if leaves else 30)
    if "n_estimators" in params:
        return 1.0 + _number(params["n_estimators"], 100) * depth
    return 1.0 + _number(params.get("max_iter"), 100) * depth if "max_leaf_nodes" in params else 1.0


def _number(value: Any, otherwise: float) -> float:
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0
    return float(value) if usable else float(otherwise)

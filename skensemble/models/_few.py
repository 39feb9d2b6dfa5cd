"""A few rows, asked on the shortest way: checks, frames and thread pools cost more than the answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge

from skensemble.models._base import NamedClassifier, NamedModel, NamedRegressor
from skensemble.models._forests import mean_of_trees
from skensemble.models._users import LabelEncodedClassifier

__all__ = ["answers_as_named", "few_numbers", "quick_answer"]

# With more rows the checks are lost in the work.
FEW_ROWS = 64

_LINES = (ElasticNet, Lasso, LinearRegression, Ridge)
_FORESTS = (ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor)


def few_numbers(X: Any) -> NDArray[np.float64] | None:
    """Return few checked rows as plain numbers.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        Rows that were checked.

    Returns
    -------
    ndarray of float of shape (n_samples, n_features) or None
        ``None`` where the rows are many, or hold anything but numbers of double precision and NaN.

    Examples
    --------
    >>> few_numbers(pd.DataFrame({"a": [1], "b": [0.5]})), few_numbers([["text"]])
    (array([[1. , 0.5]]), None)
    """
    if isinstance(X, pd.DataFrame):
        if not 0 < len(X) <= FEW_ROWS or not all(_is_number(dtype) for dtype in X.dtypes):
            return None
        X = X.to_numpy()
    if not isinstance(X, np.ndarray) or X.ndim != 2 or not 0 < len(X) <= FEW_ROWS or not _is_number(X.dtype):
        return None
    values = X.astype(np.float64, copy=False)
    return None if np.isinf(values).any() else values


def _is_number(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "biuf" and dtype.itemsize <= 8


def answers_as_named(model: Any) -> bool:
    """Tell whether a model answers as the named models do: it is one, and reads numbers only.

    Parameters
    ----------
    model : estimator
        A fitted model.

    Returns
    -------
    bool
        False for a model that learned categories, and for one derived from a named model with answers of its own.

    Examples
    --------
    >>> from skensemble.models import LinearRegressor
    >>> answers_as_named(LinearRegressor().fit([[0.0], [1.0]], [0, 1]))
    True
    """
    if not isinstance(model, NamedModel) or model.categories_.values:
        return False
    kind: Any = type(model)
    if isinstance(model, NamedRegressor):
        return bool(kind.predict is NamedRegressor.predict)
    return bool(kind.predict_proba is NamedClassifier.predict_proba)


def quick_answer(model: Any, values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Ask a fitted model for the numbers or probabilities of few rows, as it would answer itself, only sooner.

    Parameters
    ----------
    model : estimator
        Any fitted model.
    values : ndarray of shape (n_samples, n_features)
        Rows as `few_numbers` gives them.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_classes) or None
        What ``predict`` of a regressor, or ``predict_proba`` of a classifier, would say; ``None`` where no way is known
        to be shorter than these.

    Examples
    --------
    >>> from sklearn.neighbors import KNeighborsRegressor
    >>> from skensemble.models import LinearRegressor
    >>> X, y = np.array([[0.0], [1.0]]), [0.0, 1.0]
    >>> quick_answer(LinearRegressor(alpha=0).fit(X, y), X).round(6), quick_answer(KNeighborsRegressor().fit(X, y), X)
    (array([0., 1.]), None)
    """
    if isinstance(model, LabelEncodedClassifier):
        return quick_answer(model.estimator_, values)
    if answers_as_named(model):
        return model.answers(values)
    if type(model) in _LINES and model.coef_.ndim == 1 and not np.isnan(values).any():
        return values @ model.coef_ + model.intercept_
    # Forests of scikit-learn refuse missing values, unless they learned with some; they tell best themselves.
    if type(model) in _FORESTS and not np.isnan(values).any() and model.n_outputs_ == 1:
        said = mean_of_trees(model, values)
        return said if isinstance(model, (ExtraTreesClassifier, RandomForestClassifier)) else said[:, 0]
    if type(model).__name__ == "LGBMRegressor" and type(model).__module__.startswith("lightgbm."):
        return model.booster_.predict(values, num_threads=1)
    return None

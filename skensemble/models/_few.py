"""A few rows, asked on the shortest way: checks, frames and thread pools cost more than the answer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge

from skensemble.models._base import NamedModel
from skensemble.models._boosting import openmp_threads
from skensemble.models._forests import mean_of_trees
from skensemble.models._users import LabelEncodedClassifier

__all__ = ["answers_as_named", "few_as_in_fit", "few_numbers", "quick_answer"]

# With more rows the checks are lost in the work.
FEW_ROWS = 64
# What single precision can hold, and up to where it holds every whole number.
LARGEST, LARGEST_WHOLE = float(np.finfo(np.float32).max), 2.0**24
# Up to where double precision holds every whole number.
LARGEST_EXACT = 2.0**53

_HOME = NamedModel.__module__.rpartition(".")[0] + "."
_LINES = (ElasticNet, Lasso, LinearRegression, Ridge)
_FORESTS = (ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor)


def few_numbers(X: Any) -> NDArray[np.float64] | None:
    """Return few checked rows as plain numbers, where every model reads the same in them.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        Rows that were checked.

    Returns
    -------
    ndarray of float of shape (n_samples, n_features) or None
        ``None`` where the rows are many, or hold anything but NaN and numbers within the range of single precision;
        for an array of whole numbers too large for single precision, to which LightGBM rounds these; and for a frame
        with whole numbers too large for double precision.

    Examples
    --------
    >>> few_numbers(pd.DataFrame({"a": [1], "b": [0.5]})), few_numbers([["text"]])
    (array([[1. , 0.5]]), None)
    """
    if isinstance(X, pd.DataFrame):
        if not 0 < len(X) <= FEW_ROWS or not all(_is_number(dtype) for dtype in X.dtypes):
            return None
        # Whole numbers that double precision does not hold would be rounded on their way to single precision.
        largest = LARGEST_EXACT if any(dtype.kind in "iu" for dtype in X.dtypes) else LARGEST
        # Truths beside numbers would make an array of objects.
        X = X.to_numpy(dtype=np.float64)
    elif not _is_table(X):
        return None
    else:
        largest = LARGEST_WHOLE if X.dtype.kind in "iu" else LARGEST
    values = X.astype(np.float64, copy=False)
    return None if (np.abs(values) > largest).any() else values


def few_as_in_fit(estimator: Any, X: Any) -> NDArray[np.float64] | None:
    """Return few rows as plain numbers, where a look at their form shows that they need no other check.

    Parameters
    ----------
    estimator : estimator
        Whoever is asked, fitted or not.
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        Rows that nobody has checked.

    Returns
    -------
    ndarray of float of shape (n_samples, n_features) or None
        What `few_numbers` says of an array, or of a frame with the columns of ``fit``; ``None`` where a number is
        missing.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> line = LinearRegression().fit(pd.DataFrame({"a": [1.0, 2.0]}), [0.0, 1.0])
    >>> few_as_in_fit(line, pd.DataFrame({"a": [3.0]})), few_as_in_fit(line, pd.DataFrame({"b": [3.0]}))
    (array([[3.]]), None)
    """
    known = vars(estimator)
    if "feature_names_in_" in known:
        same = isinstance(X, pd.DataFrame) and X.columns.tolist() == known["feature_names_in_"].tolist()
    else:
        same = type(X) is np.ndarray and X.shape[1:] == (known.get("n_features_in_"),)
    values = few_numbers(X) if same else None
    return None if values is None or np.isnan(values).any() else values


def _is_table(X: Any) -> bool:
    # A matrix is refused by whoever checks it.
    plain = isinstance(X, np.ndarray) and not isinstance(X, np.matrix)
    return plain and X.ndim == 2 and 0 < len(X) <= FEW_ROWS and _is_number(X.dtype)


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
        False for a model that learned categories, and for one derived from a named model, which may answer otherwise.

    Examples
    --------
    >>> from skensemble.models import LinearRegressor
    >>> answers_as_named(LinearRegressor().fit([[0.0], [1.0]], [0, 1]))
    True
    """
    ours = isinstance(model, NamedModel) and type(model).__module__.startswith(_HOME)
    return ours and not model.categories_.values


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
    # One that learned in single precision answers in it.
    if type(model) in _LINES and model.coef_.ndim == 1 and model.coef_.dtype == float and not np.isnan(values).any():
        return values @ model.coef_ + model.intercept_
    # Forests of scikit-learn refuse missing values, unless they learned with some; they tell best themselves.
    if type(model) in _FORESTS and not np.isnan(values).any() and model.n_outputs_ == 1:
        said = mean_of_trees(model, values)
        return said if isinstance(model, (ExtraTreesClassifier, RandomForestClassifier)) else said[:, 0]
    boosted = _BOOSTED.get(f"{type(model).__module__.partition('.')[0]}.{type(model).__name__}")
    return None if boosted is None else boosted(model, values)


def _lightgbm_answer(model: Any, values: NDArray[np.float64]) -> Any:
    booster = model.booster_
    # One that learned categories refuses numbers in their place.
    if booster.pandas_categorical:
        return None
    said = booster.predict(values, num_threads=1)
    if not hasattr(model, "predict_proba"):
        return said
    # Where the objective is the user's own, what comes out are no probabilities; they may be cut short, too.
    if callable(model.objective_) or getattr(model, "pred_early_stop", False):
        return None
    return said if said.ndim == 2 else np.column_stack([1.0 - said, said])


def _xgboost_answer(model: Any, values: NDArray[np.float64]) -> Any:
    # Whole numbers of a frame go straight to single precision, and larger ones would be rounded twice here.
    if "c" in (model.get_booster().feature_types or ()) or (np.abs(values) > LARGEST_EXACT).any():
        return None
    ask = model.predict_proba if hasattr(model, "predict_proba") else model.predict
    # Where all cores are busy, a thread that is woken to share one row comes late by thousands of rows.
    with nullcontext() if model.n_jobs == 1 else openmp_threads("xgboost").limit(limits=1):
        return ask(values, validate_features=False)


_BOOSTED: dict[str, Callable[[Any, NDArray[np.float64]], Any]] = {
    "lightgbm.LGBMClassifier": _lightgbm_answer,
    "lightgbm.LGBMRegressor": _lightgbm_answer,
    "xgboost.XGBClassifier": _xgboost_answer,
    "xgboost.XGBRegressor": _xgboost_answer,
}

"""How much fitted models make of each column, by what they say themselves."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import combinations, count, islice
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.pipeline import Pipeline

from skensemble._compat import take_rows
from skensemble._inputs import with_moved
from skensemble.models._columns import Categories, is_frame
from skensemble.models._standardized import mean_and_scale

__all__ = ["ColumnsRead", "column_importances", "columns_read", "mean_importances"]

Array = NDArray[np.float64]

# Under these names estimators keep the fitted one inside them.
_INSIDE = ("best_estimator_", "estimator_", "regressor_", "estimator")
# So many rows, at least, are asked what moves with what.
_SOME_ROWS = 200


@dataclass(frozen=True)
class ColumnsRead:
    """What a fitted model reads, in terms of the columns that were handed over.

    Parameters
    ----------
    origins : ndarray of int of shape (n_inner_columns,)
        Position of the column that each one it reads is made of; -1 where it is made of several, or always the same.
    n_columns : int
        Number of columns that were handed over.
    spread : ndarray of shape (n_inner_columns,), default=None
        Standard deviations that coefficients are to be multiplied by; ``None`` where there are no coefficients.

    Examples
    --------
    An indicator of the second of two columns, and their product:

    >>> ColumnsRead(np.array([1, -1]), n_columns=2)
    ColumnsRead(origins=array([ 1, -1]), n_columns=2, spread=None)
    """

    origins: NDArray[np.intp]
    n_columns: int
    spread: Array | None = None


def mean_importances(models: Sequence[Any], weights: Array, read: Sequence[ColumnsRead | None]) -> Array | None:
    """Average what the models make of each column, each brought to a sum of one.

    Parameters
    ----------
    models : sequence of estimator
        Fitted.
    weights : ndarray of shape (n_models,)
        How far each is trusted.
    read : sequence of ColumnsRead or None
        What `columns_read` found for each model when it was fitted.

    Returns
    -------
    ndarray of shape (n_columns,) or None
        The mean over the models that say what they make of their columns; they count alike where none of them has any
        weight. ``None`` where no model says so; all zero where none of these uses any column.

    Examples
    --------
    >>> from sklearn.dummy import DummyRegressor
    >>> from sklearn.linear_model import LinearRegression
    >>> X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [1.0, 2.0]])
    >>> one, two = (LinearRegression().fit(X, y) for y in (X[:, 0], X @ [1.0, 1.0]))
    >>> models = [one, two, DummyRegressor().fit(X, X[:, 0])]
    >>> read = [columns_read(model, X) for model in models]
    >>> mean_importances(models, np.array([0.3, 0.3, 0.4]), read).round(2)
    array([0.67, 0.33])
    """
    each = [column_importances(model, own) for model, own in zip(models, read, strict=True)]
    spoken = [own for own in each if own is not None]
    if not spoken:
        return None
    table, weight = np.stack(spoken), weights[[own is not None for own in each]]
    totals = table.sum(axis=1)
    if not totals.any():
        return np.zeros(table.shape[1])
    weight = np.where(totals > 0, weight, 0.0) if weight @ totals > 0 else (totals > 0).astype(float)
    shares = table / np.where(totals > 0, totals, 1.0)[:, None]
    return weight @ shares / weight.sum()


def column_importances(model: Any, read: ColumnsRead | None) -> Array | None:
    """Ask a fitted model how much it makes of each column.

    What counts is ``feature_importances_``, and of linear models the absolute coefficients times the spread of their
    columns, added up over classes. Behind the transformers of a Pipeline, what is made of one column alone (an
    indicator, a scaled copy, a power) counts for that column.

    Parameters
    ----------
    model : estimator
        Fitted; Pipelines, searches, frozen and wrapped ones count by what is inside them.
    read : ColumnsRead or None
        What `columns_read` found when it was fitted.

    Returns
    -------
    ndarray of shape (n_columns,) or None
        At least 0, in the model's own unit; ``None`` where it does not say, or where it uses what is made of several
        columns at once, such as products and principal components.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> X = np.array([[0.0, 5.0], [1.0, 5.0]])
    >>> tree = DecisionTreeRegressor().fit(X, [0.0, 1.0])
    >>> column_importances(tree, columns_read(tree, X))
    array([1., 0.])
    """
    if read is None:
        return None
    try:
        _, last = _taken_apart(model)
        if read.spread is None:
            own = np.abs(np.asarray(last.feature_importances_, dtype=float))
        else:
            own = np.abs(np.atleast_2d(last.coef_)).sum(axis=0)
    except Exception:  # whatever a model does when it is asked, the others answer
        return None
    known = read.origins >= 0
    if own.shape != known.shape:
        return None
    own = own if read.spread is None else own * read.spread
    if not np.isfinite(own).all() or own[~known].any():
        return None
    return np.bincount(read.origins[known], own[known], read.n_columns)


def columns_read(model: Any, X: Any, sample_weight: Array | None = None) -> ColumnsRead | None:
    """Find out which columns a fitted model reads: behind its transformers, where it has some.

    Names are not asked: what a transformer makes is moved with the one column that it is made of, and with no other.

    Parameters
    ----------
    model : estimator
        Fitted.
    X : array-like of shape (n_samples, n_features)
        The rows that it was fitted on.
    sample_weight : ndarray of shape (n_samples,), default=None
        How much each row counts in the spread.

    Returns
    -------
    ColumnsRead or None
        ``None`` where the model has neither importances nor coefficients of its own, or its transformers refuse.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import PolynomialFeatures
    >>> X = np.array([[0.0, 5.0, 1.0], [2.0, 5.0, 3.0]])
    >>> columns_read(Ridge().fit(X, [0.0, 1.0]), X)
    ColumnsRead(origins=array([0, 1, 2]), n_columns=3, spread=array([1., 0., 1.]))
    >>> made = make_pipeline(PolynomialFeatures(interaction_only=True), Ridge()).fit(X, [0.0, 1.0])
    >>> columns_read(made, X).origins
    array([-1,  0, -1,  2,  0, -1,  2])
    """
    try:
        front, last = _taken_apart(model)
        # Copies: a transformer may remember what it was asked, or draw at random.
        front = deepcopy(front)
        linear = not _has(last, "feature_importances_")
        if linear and not hasattr(last, "coef_"):
            return None
        n_columns = X.shape[1]
        if not front and not linear:
            return ColumnsRead(np.arange(n_columns), n_columns)
        with np.errstate(all="ignore"):
            values = _behind(front, X)
            origins = _origins(front, X, values) if front else np.arange(n_columns)
        return ColumnsRead(origins, n_columns, _spread(values, sample_weight) if linear else None)
    except Exception:  # see above
        return None


def _behind(front: Sequence[Any], X: Any) -> Any:
    """What comes out behind transformers, as numbers."""
    for part in front:
        X = part.transform(X)
    if sparse.issparse(X):
        return X.tocsc().astype(float)
    return Categories.of(X).encode(X) if is_frame(X) else np.asarray(X, dtype=float)


def _spread(values: Any, sample_weight: Array | None) -> Array:
    scale = mean_and_scale(values.tocsr() if sparse.issparse(values) else values, sample_weight)[1]
    # The scale of a constant is called one, so that it can be divided by.
    low, high = (np.asarray(_dense(getattr(values, end)(axis=0)), dtype=float) for end in ("min", "max"))
    return np.where(low == high, 0.0, scale)


def _origins(front: Sequence[Any], X: Any, values: Any) -> NDArray[np.intp]:
    """Position of the one column that each column behind the transformers is made of; -1 where it is not one alone.

    Some columns take values of other rows, then some others, and so on. Each column is among them in its own half of
    the times: what changes at those times is made of it, what changes more often is made of several.
    """
    rows = _telling_rows(values)
    few, source = take_rows(X, rows), _one_round(len(rows))
    before = _behind(front, few)
    n_columns = X.shape[1]
    n_times = next(n for n in count(2) if comb(n, n // 2) >= n_columns)
    times_of = list(islice(combinations(range(n_times), n_times // 2), n_columns))
    changed = np.column_stack(
        [
            _changed(
                before, _behind(front, with_moved(few, [j for j in range(n_columns) if time in times_of[j]], source))
            )
            for time in range(n_times)
        ]
    )
    column_of = {times: place for place, times in enumerate(times_of)}
    return np.array([column_of.get(tuple(np.flatnonzero(often)), -1) for often in changed], dtype=np.intp)


def _one_round(n_rows: int) -> NDArray[np.intp]:
    """For each row another one, all in a single round, so that what differs anywhere changes somewhere.

    In no order of time: a slow column would change on a few rows only, and what is made of it and of another perhaps
    on none.
    """
    order = np.random.default_rng(0).permutation(n_rows)
    source = np.empty(n_rows, dtype=np.intp)
    source[order] = np.roll(order, 1)
    return source


def _telling_rows(values: Any) -> NDArray[np.intp]:
    """Some rows of all times, and where a column is the same in all of these, its lowest and its highest."""
    rows = np.unique(np.linspace(0, values.shape[0] - 1, _SOME_ROWS).astype(np.intp))
    some = values[rows]
    same = np.flatnonzero(~_changed(some, some[np.roll(np.arange(len(rows)), 1)]))
    rare = values[:, same]
    ordered = rare if sparse.issparse(rare) else np.where(np.isnan(rare), np.inf, rare)
    ends = [_dense(getattr(ordered, end)(axis=0)) for end in ("argmin", "argmax")] if len(same) else []
    return np.unique(np.concatenate([rows, *ends]))


def _changed(before: Any, after: Any) -> NDArray[np.bool_]:
    """Which columns differ anywhere."""
    if sparse.issparse(before):
        return np.diff((before != after).tocsc().indptr) > 0
    return ((before != after) & ~(np.isnan(before) & np.isnan(after))).any(axis=0)


def _dense(values: Any) -> Any:
    return np.ravel(values.toarray() if sparse.issparse(values) else values)


def _taken_apart(model: Any) -> tuple[list[Any], Any]:
    """What transforms the columns on their way to what learns, and what learns."""
    front: list[Any] = []
    while True:
        if isinstance(model, Pipeline):
            front += [model[:-1]] if len(model) > 1 else []
            model = model[-1]
        elif _has(model, "feature_importances_") or _has(model, "coef_"):
            return front, model
        else:
            inside = next((getattr(model, name) for name in _INSIDE if hasattr(model, name)), None)
            if not hasattr(inside, "fit"):
                return front, model
            model = inside


def _has(model: Any, name: str) -> bool:
    """Look for an attribute without asking for it: a forest works its importances out anew each time."""
    return name in vars(model) or hasattr(type(model), name)

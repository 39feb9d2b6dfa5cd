"""How much fitted models make of each column, by what they say themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.pipeline import Pipeline

from skensemble.models._standardized import mean_and_scale

__all__ = ["column_importances", "column_spread", "mean_importances"]

Array = NDArray[np.float64]

# Looked for without being asked: a forest works its importances out anew each time.
_SAID = ("feature_importances_", "coef_")
# Under these names estimators keep the fitted one inside them.
_INSIDE = ("best_estimator_", "estimator_", "regressor_", "estimator")


def mean_importances(
    models: Sequence[Any], weights: Array, names: Sequence[str], spreads: Sequence[Array | None]
) -> Array | None:
    """Average what the models make of each column, each brought to a sum of one.

    Parameters
    ----------
    models : sequence of estimator
        Fitted.
    weights : ndarray of shape (n_models,)
        How far each is trusted.
    names : sequence of str
        Names of the columns.
    spreads : sequence of ndarray or None
        What `column_spread` found for each model when it was fitted.

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
    >>> spreads = [column_spread(model, X) for model in models]
    >>> mean_importances(models, np.array([0.3, 0.3, 0.4]), ["a", "b"], spreads).round(2)
    array([0.67, 0.33])
    """
    each = [column_importances(model, names, spread) for model, spread in zip(models, spreads, strict=True)]
    spoken = [own for own in each if own is not None]
    if not spoken:
        return None
    table, weight = np.stack(spoken), weights[[own is not None for own in each]]
    totals = table.sum(axis=1)
    if not totals.any():
        return np.zeros(len(names))
    weight = np.where(totals > 0, weight, 0.0) if weight @ totals > 0 else (totals > 0).astype(float)
    shares = table / np.where(totals > 0, totals, 1.0)[:, None]
    return weight @ shares / weight.sum()


def column_importances(model: Any, names: Sequence[str], spread: Array | None = None) -> Array | None:
    """Ask a fitted model how much it makes of each column.

    What counts is ``feature_importances_``, and of linear models the absolute coefficients times the spread of their
    columns, added up over classes. Behind the transformers of a Pipeline, what is made of a column (an indicator, a
    scaled copy, the column of a ``ColumnTransformer``) counts for that column, as told by its name.

    Parameters
    ----------
    model : estimator
        Fitted; Pipelines, searches, frozen and wrapped ones count by what is inside them.
    names : sequence of str
        Names of the columns.
    spread : ndarray of shape (n_inner_columns,), default=None
        How far apart the values are that coefficients are multiplied by, see `column_spread`.

    Returns
    -------
    ndarray of shape (n_columns,) or None
        At least 0, in the model's own unit; ``None`` where it does not say, or where nobody can tell which columns it
        speaks of, as behind principal components.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> X = np.array([[0.0, 5.0], [1.0, 5.0]])
    >>> column_importances(DecisionTreeRegressor().fit(X, [0.0, 1.0]), ["a", "b"])
    array([1., 0.])
    """
    try:
        front, last = _taken_apart(model)
        own = getattr(last, "feature_importances_", None)
        if own is None:
            coefficients = getattr(last, "coef_", None)
            if coefficients is None or spread is None:
                return None
            own = np.abs(np.reshape(coefficients, (-1, len(spread)))).sum(axis=0) * spread
        own, found = np.asarray(own, dtype=float), list(names)
        for part in front:
            found = list(part.get_feature_names_out(found))
        columns = [_origin(name, names) for name in found]
    except Exception:  # whatever a model does when it is asked, the others answer
        return None
    if None in columns or own.shape != (len(columns),) or not np.isfinite(own).all():
        return None
    return np.bincount(np.array(columns, dtype=np.intp), np.abs(own), len(names))


def column_spread(model: Any, X: Any, sample_weight: Array | None = None) -> Array | None:
    """Measure the spread of the columns that a fitted linear model reads: behind its transformers, where it has some.

    Parameters
    ----------
    model : estimator
        Fitted.
    X : array-like of shape (n_samples, n_features)
        The rows that it was fitted on.
    sample_weight : ndarray of shape (n_samples,), default=None
        How much each row counts.

    Returns
    -------
    ndarray of shape (n_inner_columns,) or None
        Standard deviations; ``None`` where the model has no coefficients or importances of its own.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> X = np.array([[0.0, 5.0], [2.0, 5.0]])
    >>> column_spread(Ridge().fit(X, [0.0, 1.0]), X)
    array([1., 0.])
    """
    try:
        front, last = _taken_apart(model)
        if hasattr(type(last), "feature_importances_") or not hasattr(last, "coef_"):
            return None
        for part in front:
            X = part.transform(X)
        values = X.tocsr().astype(float) if sparse.issparse(X) else np.asarray(X, dtype=float)
        scale = mean_and_scale(values, sample_weight)[1]
        # The scale of a constant is called one, so that it can be divided by.
        ends = [np.asarray(_dense(getattr(values, end)(axis=0)), dtype=float) for end in ("min", "max")]
        return np.where(ends[0] == ends[1], 0.0, scale)
    except Exception:  # see above
        return None


def _dense(values: Any) -> Any:
    return np.ravel(values.toarray()) if sparse.issparse(values) else values


def _taken_apart(model: Any) -> tuple[list[Any], Any]:
    """What transforms the columns on their way to what learns, and what learns."""
    front: list[Any] = []
    while True:
        if isinstance(model, Pipeline):
            front += [model[:-1]] if len(model) > 1 else []
            model = model[-1]
        elif any(name in vars(model) or hasattr(type(model), name) for name in _SAID):
            return front, model
        else:
            inside = next((getattr(model, name) for name in _INSIDE if hasattr(model, name)), None)
            if not hasattr(inside, "fit"):
                return front, model
            model = inside


def _origin(name: str, columns: Sequence[str]) -> int | None:
    """Position of the column that another is made of, by its name; ``None`` where that is not clear."""
    # Transformers put their name before that of a column, encoders a category behind it.
    words = str(name).split("__")
    endings = ["__".join(words[place:]) for place in range(len(words))]
    for ending in endings:
        if ending in columns:
            return list(columns).index(ending)
    for ending in endings:
        made_of = [place for place, column in enumerate(columns) if ending.startswith(f"{column}_")]
        if made_of:
            return made_of[0] if len(made_of) == 1 else None
    return None

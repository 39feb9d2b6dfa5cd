"""What a user hands over, read or refused with a sentence; nothing here knows an ensemble."""

from __future__ import annotations

import re
import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import column_or_1d, get_tags
from sklearn.utils.validation import check_consistent_length, validate_data

from skensemble._checks import LookAheadWarning, check_columns, shown
from skensemble._compat import check_sample_weight
from skensemble.splits import check_time_order, times_of

__all__ = [
    "check_feedback_form",
    "check_same_times",
    "checked_rows",
    "checked_training_rows",
    "checked_weight",
    "known_outcomes",
    "labels_of_groups",
    "numbers_of_returns",
    "tells_time",
    "warn_about_hindsight",
    "with_moved",
]

_DATE = re.compile(r"\s*(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})\b")


def checked_training_rows(estimator: Any, X: Any, y: Any) -> tuple[Any, Any]:
    """Read what an estimator is to be fitted on: rows in time order, and targets of the same times."""
    if hasattr(X, "columns"):
        check_columns(estimator, X, reset=True)
        validate_data(estimator, X, y, skip_check_array=True)
        if X.shape[0] < 2:
            raise ValueError(f"Found array with {X.shape[0]} sample(s) while a minimum of 2 is required.")
        _warn_about_dates(X, type(estimator).__name__)
    else:
        checks = {**_array_checks(estimator), "ensure_min_samples": 2, "multi_output": True, "y_numeric": False}
        X, y = validate_data(estimator, X, y, **checks)
        X = _with_short_indices(X)
    check_consistent_length(X, y)
    check_time_order(times_of(X, y))
    check_same_times(X, y, "y")
    return X, y


def checked_rows(estimator: Any, X: Any) -> Any:
    """Read rows for a fitted estimator."""
    if hasattr(X, "columns"):
        check_columns(estimator, X, reset=False)
        validate_data(estimator, X, reset=False, skip_check_array=True)
        if not X.shape[0]:
            raise ValueError(f"Found array with 0 sample(s) for {type(estimator).__name__}: X needs at least one row.")
        return X
    return _with_short_indices(validate_data(estimator, X, reset=False, **_array_checks(estimator)))


def _array_checks(estimator: Any) -> dict[str, Any]:
    tags = get_tags(estimator).input_tags
    return {
        "accept_sparse": ["csr", "csc"] if tags.sparse else False,
        "ensure_all_finite": "allow-nan" if tags.allow_nan else True,
    }


def _with_short_indices(X: Any) -> Any:
    """Number the columns of sparse rows with 32 bits where that is enough: many models read no other numbers."""
    if not hasattr(X, "indptr") or max(X.nnz, *X.shape) > np.iinfo(np.int32).max:
        return X
    return type(X)((X.data, X.indices.astype(np.int32), X.indptr.astype(np.int32)), shape=X.shape)


def with_moved(X: Any, places: Sequence[int] | NDArray[np.intp], source: NDArray[np.intp]) -> Any:
    """Return the rows with some columns taken from other rows.

    Parameters
    ----------
    X : array, sparse matrix or DataFrame of shape (n_rows, n_features)
        Rows; they stay as they are.
    places : sequence of int
        Positions of the columns.
    source : ndarray of int of shape (n_rows,)
        For each row the one that its values are taken from.

    Returns
    -------
    array, sparse matrix or DataFrame of shape (n_rows, n_features)
        Of the same kind.

    Examples
    --------
    >>> with_moved(np.array([[1, 10], [2, 20]]), [1], np.array([1, 0])).tolist()
    [[1, 20], [2, 10]]
    """
    if isinstance(X, pd.DataFrame):
        frame, taken = X.copy(deep=False), X.iloc[source, list(places)]
        for number, place in enumerate(places):
            frame.isetitem(place, taken.iloc[:, number].array)
        return frame
    if hasattr(X, "with_columns"):
        return X.with_columns([X.to_series(place).gather(source) for place in places])
    if sparse.issparse(X):
        chosen = np.arange(X.shape[1])
        chosen[list(places)] += X.shape[1]
        return type(X)(sparse.hstack([X, X[source]], format="csc")[:, chosen])
    moved = np.array(X)
    moved[:, list(places)] = moved[source][:, list(places)]
    return moved


def tells_time(X: Any) -> bool:
    """Whether the index of X says when its rows were: times, or row numbers that increase."""
    index = X.index if isinstance(X, pd.DataFrame) else None
    if index is None:
        return False
    times = times_of(index)
    if times is not None:
        return bool(times.is_monotonic_increasing)
    return bool(index.is_monotonic_increasing and index.dtype.kind in "iu" and index.is_unique)


def _warn_about_dates(X: Any, owner: str) -> None:
    """Say that dates in a column are not read: files come newest row first, and models take them for categories."""
    if not isinstance(X, pd.DataFrame) or not len(X) or times_of(X) is not None:
        return
    for place, name in enumerate(X.columns):
        column = X.iloc[:, place]
        first, last = (None, None) if column.dtype.kind in "biufcmM" else (column.iloc[0], column.iloc[-1])
        if all(isinstance(value, str) and _DATE.match(value) for value in (first, last)):
            warnings.warn(
                f"Column {name!r} of X of {owner} holds dates as text, {first!r} in the first row and {last!r} in the "
                f"last. They are not read: rows count as oldest first, and models take each date for a category. If "
                f"they say when the rows were, make them the index of X and y, oldest row first: read_csv(file, "
                f"index_col={name!r}, parse_dates=True).sort_index(), with dayfirst=True where days stand before "
                f"months.",
                UserWarning,
                stacklevel=6,
            )


def check_same_times(X: Any, values: Any, name: str) -> None:
    """Targets of other days than the features' are a look-ahead that nothing else would notice."""
    times, other = times_of(X), times_of(values)
    if times is None or other is None or len(times) != len(other):
        return
    apart = np.flatnonzero(np.asarray(times) != np.asarray(other))
    if len(apart):
        row = int(apart[0])
        raise ValueError(
            f"X and {name} are not of the same times: row {row} of X is {times[row]}, of {name} {other[row]}. Align "
            f"them, for example {name} = {name}.loc[X.index]."
        )


def warn_about_hindsight(times: pd.DatetimeIndex | None, until: pd.Timestamp | None) -> None:
    """Say so where models are asked about rows that they were trained on."""
    if times is None or until is None or not len(times):
        return
    if (times.tz is None) == (until.tzinfo is None) and times.min() <= until:
        warnings.warn(
            f"X of partial_update holds rows up to {until} that the models were trained on: what they say of them is "
            f"no forecast, and fit has learned from their outcomes already. Give later rows, or what was said at the "
            f"time (predictions=).",
            LookAheadWarning,
            stacklevel=3,
        )


def checked_weight(sample_weight: Any, X: Any) -> NDArray[np.float64] | None:
    """Weights of the rows of X as an array, not all of them zero."""
    if sample_weight is None:
        return None
    check_same_times(X, sample_weight, "sample_weight")
    weight = check_sample_weight(sample_weight, X)
    if not (weight > 0).any():
        raise ValueError("sample_weight has only zeros: at least one weight must be greater than zero.")
    return weight


def check_feedback_form(who: str, X: Any, y: Any, predictions: Any, trades: Any, beside: Mapping[str, Any]) -> None:
    """Refuse feedback in two forms at once, and what would be silently ignored beside one of them."""
    if trades is not None and (X is not None or y is not None):
        raise ValueError(f"partial_update of {who} takes either trades or X and y, one after the other; got both.")
    if trades is not None:
        for name, value in beside.items():
            if value is not None:
                raise ValueError(
                    f"{name} of partial_update of {who} goes with X and y; got {shown(value)} beside trades. Regime, "
                    f"sample_weight and profit_bps are fields of the trades themselves."
                )
        return
    if (X is None) == (predictions is None):
        raise ValueError(
            f"partial_update of {who} needs either X or predictions (an Explanation); got "
            f"{'neither' if X is None else 'both'}."
        )
    if y is None:
        raise ValueError(f"partial_update of {who} needs y: what came true for each row.")
    if predictions is not None and beside["regimes"] is not None:
        raise ValueError(
            f"regimes of partial_update of {who} goes with X; got {shown(beside['regimes'])} beside predictions. The "
            f"explanation holds the regimes of its moment: leave it out."
        )


def known_outcomes(y: Any, n_samples: int, owner: str) -> NDArray[Any]:
    """Outcomes as an array, one known outcome for each row."""
    y = column_or_1d(np.atleast_1d(np.asarray(y)))
    endless = [isinstance(value, (float, np.floating)) and np.isinf(value) for value in y.tolist()]
    missing = np.flatnonzero(pd.isna(y) | np.array(endless, dtype=bool))
    if len(missing):
        raise ValueError(
            f"y of partial_update of {owner} has no outcome in row {missing[0]} ({shown(y.tolist()[missing[0]])}): "
            f"give rows whose outcome is known, the others when it is."
        )
    if len(y) != n_samples:
        raise ValueError(
            f"y of partial_update of {owner} has {len(y)} outcomes for {n_samples} rows: give one for each."
        )
    return y


def numbers_of_returns(returns: Any, n_samples: int) -> NDArray[np.float64] | None:
    """Returns as an array, one finite number for each row."""
    if returns is None:
        return None
    try:
        values = np.asarray(returns, dtype=float)
    except (OverflowError, TypeError, ValueError):
        values = np.empty(0)
    if values.shape != (n_samples,) or not np.isfinite(values).all():
        raise ValueError(
            f"returns must hold one finite number for each of the {n_samples} rows, a fraction such as 0.012; got "
            f"{shown(returns)}."
        )
    return values


def labels_of_groups(groups: Any, n_samples: int) -> NDArray[Any] | None:
    """Groups as an array of hashable labels, one for each row."""
    if groups is None:
        return None
    single = isinstance(groups, (str, bytes)) or not hasattr(groups, "__len__") or getattr(groups, "ndim", 1) == 0
    values = None if single else list(groups)
    if values is None or len(values) != n_samples:
        raise ValueError(f"groups must hold one label for each of the {n_samples} rows; got {shown(groups)}.")
    labels: NDArray[Any] = np.empty(n_samples, dtype=object)
    for row, value in enumerate(values):
        labels[row] = value.item() if isinstance(value, np.generic) else value
    for row, (value, missing) in enumerate(zip(values, pd.isna(labels).tolist(), strict=True)):
        if missing or not isinstance(value, Hashable):
            raise ValueError(f"groups must hold one label for each row; got {shown(value)} in row {row}.")
    return labels

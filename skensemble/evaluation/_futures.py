"""Rows whose future is not there yet, or went otherwise: what the past must not notice.

One idea: a cut parts the rows into a past and a future. One rule: the rows of the past stay as they are to the last
bit, and so do the index, the columns and the types.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from skensemble._checks import shown
from skensemble._compat import take_rows
from skensemble.splits import check_time_order, n_outcomes_known, times_of

__all__ = [
    "FEWEST",
    "GOLDEN",
    "Rows",
    "checked_rows",
    "cut_points",
    "first_of_its_time",
    "n_rows",
    "next_time",
    "other_future",
    "other_outcomes",
    "outcomes_known",
    "rows_until",
]

FEWEST = 20
_MOST_GAPS = 5
GOLDEN = (5**0.5 - 1) / 2
# Beyond all that the past has seen, on both sides, but such that prices stay positive and highs above lows. A power of
# two rounds nothing.
_STRETCH = 8
_NUMPY_NUMBERS = {"int8", "int16", "int32", "int64", "float16", "float32"}


class Rows(NamedTuple):
    """What is known of the rows, oldest first.

    Attributes
    ----------
    X : array-like of shape (n_samples, ...)
        Features.
    y : array-like of shape (n_samples,) or None
        Targets.
    regimes : array-like of shape (n_samples, ...) or None
        Regimes.
    """

    X: Any
    y: Any
    regimes: Any


def checked_rows(X: Any, y: Any, regimes: Any) -> Rows:
    """Refuse what has no rows, too few of them, or rows that do not belong together."""
    X, y = (np.asarray(values) if isinstance(values, (list, tuple)) else values for values in (X, y))
    # Frames of other libraries than these can be cut, but not be put together again.
    strange = hasattr(X, "columns") and not isinstance(X, pd.DataFrame) and not hasattr(X, "with_columns")
    if isinstance(X, type) or not getattr(X, "shape", ()) or strange:
        raise ValueError(
            f"X of check_causality must be an array, a frame (pandas, polars) or a sparse matrix with one row per "
            f"moment, oldest first; got {shown(X)}."
        )
    n_samples = n_rows(X)
    if n_samples < FEWEST:
        raise ValueError(
            f"X of check_causality has {n_samples} rows: with fewer than {FEWEST} there is no past and no future to "
            f"speak of. Pass more rows."
        )
    for name, values in (("y", y), ("regimes", regimes)):
        if values is not None and n_rows(values) != n_samples:
            raise ValueError(
                f"{name} of check_causality has {n_rows(values)} rows but X has {n_samples}: give one for each row."
            )
    times = times_of(X)
    check_time_order(times)
    if times is not None and times[0] == times[-1]:
        raise ValueError(
            f"X of check_causality holds rows of one time only ({times[0]}), which may know each other. Pass rows of "
            f"several times."
        )
    # Other sparse formats cannot be cut into rows.
    return Rows(X.tocsr() if sparse.issparse(X) else X, y, regimes)


def n_rows(values: Any) -> int:
    """Count the rows of a table or the entries of a list."""
    return int(values.shape[0]) if getattr(values, "shape", ()) else len(values)


# Where to cut.


def cut_points(X: Any, n_cuts: int, steps: Sequence[int] = ()) -> list[int]:
    """Choose the first rows of the futures: spread over the second half, and where leaks show.

    Steps of the golden ratio fall in with no period of the data: evenly spaced cuts of hourly rows could all lie at
    midnight, where a merge with the day's last value leaks nothing. The last row is cut off by itself. A regime that
    was dated with hindsight shows right behind the row where it begins, a gap that was filled from behind at its end,
    and one at the start, where windows are not full yet, right behind row 0.
    """
    n_samples, times = n_rows(X), times_of(X)
    half = n_samples // 2
    spread = [half + 1 + int(k * GOLDEN % 1 * (n_samples - half - 1)) for k in range(1, n_cuts + 1)]
    begun = [next_time(row, X) for row in _some([row for row in steps if row >= half] or steps, n_cuts)]
    wanted = [*spread, n_samples - 1, *begun, *_ends_of_gaps(X), 1]
    return list(dict.fromkeys(cut for cut in (first_of_its_time(row, times) for row in wanted) if cut > 0))


def _some(rows: Sequence[int], n_most: int) -> list[int]:
    """Choose so many at most, evenly."""
    return [rows[k] for k in np.unique(np.linspace(0, len(rows) - 1, n_most).astype(int))] if rows else []


def first_of_its_time(row: int, times: pd.DatetimeIndex | None) -> int:
    """Move a row to the first of its time: rows of one time may well know each other."""
    return row if times is None else int(times.searchsorted(times[row]))


def next_time(row: int, X: Any) -> int:
    """Find the first row of the time after that of a row, or the last row."""
    times = times_of(X)
    after = row + 1 if times is None else int(times.searchsorted(times[row], side="right"))
    return min(after, n_rows(X) - 1)


def _ends_of_gaps(X: Any) -> list[int]:
    """Find the rows right behind the last gap of each column, for a few columns."""
    if sparse.issparse(X):
        return []
    missing = np.asarray(pd.isna(X if isinstance(X, (pd.DataFrame, pd.Series)) else np.asarray(X)))
    missing = missing.reshape(len(missing), -1)
    ended = missing[:-1] & ~missing[1:]
    last = [int(np.flatnonzero(column)[-1]) + 1 for column in ended.T if column.any()]
    return list(dict.fromkeys(last))[:_MOST_GAPS]


def outcomes_known(X: Any, label_horizon: Any) -> NDArray[np.intp]:
    """Count, for each row, the rows before it whose outcome is known there."""
    n_samples = n_rows(X)
    return n_outcomes_known(np.arange(n_samples), n_samples=n_samples, times=times_of(X), label_horizon=label_horizon)


# What lies behind the cut.


def rows_until(rows: Rows, cut: int) -> Rows:
    """Leave out all rows from the cut on."""
    return Rows(*(None if values is None else take_rows(values, slice(0, cut)) for values in rows))


def other_future(rows: Rows, cut: int) -> Rows:
    """Put other features and regimes in the place of those from the cut on."""
    regimes = None if rows.regimes is None else _mirrored(rows.regimes, cut)
    return rows._replace(X=_altered(rows.X, cut), regimes=regimes)


def other_outcomes(rows: Rows, start: int, *, classes: bool) -> Rows:
    """Put other targets in the place of those from a row on; classes stay classes."""
    return rows._replace(y=_mirrored(rows.y, start) if classes else _altered(rows.y, start))


def _altered(values: Any, start: int) -> Any:
    """Turn round the order of the rows from ``start`` on, and make numbers larger and smaller in turn."""
    if isinstance(values, pd.DataFrame):
        frame = values.copy()
        for k in range(frame.shape[1]):
            frame.isetitem(k, _altered_column(values.iloc[:, k], start).astype(values.dtypes.iloc[k]).array)
        return frame
    if hasattr(values, "columns"):
        return type(values)([_altered_column(values[name], start) for name in values.columns])
    return _stretched(_mirrored(values, start), start)


def _altered_column(column: Any, start: int) -> Any:
    return column if _is_clock(column) else _stretched(_mirrored(column, start), start)


def _mirrored(values: Any, start: int) -> Any:
    n_samples = n_rows(values)
    order = np.concatenate([np.arange(start), np.arange(n_samples - 1, start - 1, -1)])
    taken = take_rows(values, order)
    return taken.set_axis(values.index) if isinstance(values, (pd.DataFrame, pd.Series)) else taken


def _stretched(values: Any, start: int) -> Any:
    """Make every other number from ``start`` on larger, and those with a fraction in between smaller."""
    fraction = _is_fraction(values)
    if not (fraction or _is_amount(values)):
        return values
    rows, dtype = np.arange(n_rows(values)), str(values.dtype).lower().partition("[")[0]
    factors = np.where(rows < start, 1.0, np.where(rows % 2, _STRETCH, 1 / _STRETCH if fraction else 1))
    # By factors of another type the numbers would become of another type.
    factors = factors.astype(dtype if dtype in _NUMPY_NUMBERS else float)
    if sparse.issparse(values):
        return values.multiply(factors[:, None]).tocsr()
    return values * (factors.reshape(-1, *(1,) * (values.ndim - 1)) if isinstance(values, np.ndarray) else factors)


def _is_clock(column: Any) -> bool:
    """Whether a column tells the time, or numbers or names the rows in order: as joins read it, it must go on."""
    plain = pd.Series(np.asarray(column))
    counts = pd.api.types.is_integer_dtype(plain) or pd.api.types.is_datetime64_any_dtype(plain)
    return not _is_fraction(column) and plain.is_monotonic_increasing and (counts or plain.is_unique)


def _is_fraction(values: Any) -> bool:
    """Whether values are floating-point numbers, of whatever library."""
    return any(kind in str(values.dtype).lower() for kind in ("float", "double"))


def _is_amount(values: Any) -> bool:
    """Whether whole numbers count things and name none: they hardly repeat, and there is room for larger ones."""
    plain = np.empty(0) if sparse.issparse(values) else np.asarray(values)
    if plain.ndim != 1 or plain.dtype.kind != "i" or len(np.unique(plain)) <= len(plain) / 2:
        return False
    return bool(np.abs(plain).max() < np.iinfo(plain.dtype).max // _STRETCH)

"""Who may learn from whom: the interval of time that each label covers, and what touches it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import BaseOffset

from skensemble._checks import check_number, shown
from skensemble.splits._times import check_time_order, times_of

__all__ = [
    "LabelSpans",
    "Rows",
    "Span",
    "answered_rows",
    "check_spans",
    "label_spans",
    "looks_ahead",
    "n_outcomes_known",
    "purge",
    "rows_apart",
]

Rows = NDArray[np.intp]
Span = int | str | timedelta | np.timedelta64 | BaseOffset

LabelSpans = (
    tuple[NDArray[Any], NDArray[Any]] | None
)  # begin and end of every row's interval; None where nothing is purged


def purge(
    train: ArrayLike,
    test: ArrayLike,
    *,
    n_samples: int,
    times: pd.Index | None = None,
    label_horizon: Span = 0,
    embargo: Span = 0,
) -> Rows:
    """Leave out the training rows whose label interval touches that of a test row.

    A label that is known only after the first test row was seen has looked into the test set, and one that is still
    open when a test label begins shares its days. Both are left out, before and after the test rows, wherever they lie.

    Row ``i`` owns the closed interval ``[t_i, t_i + label_horizon + embargo]``, with ``t_i = i`` when both are numbers
    of rows; training row ``i`` goes if and only if its interval intersects that of some test row. In rows that is
    ``|i - j| <= label_horizon + embargo`` for some test row ``j``.

    Parameters
    ----------
    train : array-like of shape (n_train,)
        Row numbers (or a mask of length ``n_samples``) to learn from, in any order.
    test : array-like of shape (n_test,)
        Row numbers (or a mask) to be judged on, in any order, consecutive or not.
    n_samples : int
        Number of rows in all.
    times : pandas.Index of length n_samples, default=None
        The index of the rows. Needed, and a DatetimeIndex, when a length of time is given.
    label_horizon : int, str, timedelta or pandas offset, default=0
        How long after its row a label is known: rows, or a time such as ``"5D"``.
    embargo : int, str, timedelta or pandas offset, default=0
        Further distance to keep, on both sides, in the same unit.

    Returns
    -------
    ndarray of shape (n_kept,)
        The row numbers that may stay, in the order given. Where both lengths are 0, all of them.

    Raises
    ------
    ValueError
        If a length is negative or not understood, a time is given without a DatetimeIndex, the two lengths have
        different units, the times are out of order, or a row number is out of range.

    References
    ----------
    M. López de Prado, *Advances in Financial Machine Learning*, Wiley 2018, section 7.4.

    Examples
    --------
    Labels are known two rows later; rows 2 to 6 share a day with a test row:

    >>> from skensemble.splits import purge
    >>> purge([0, 1, 2, 3, 6, 7, 8], [4], n_samples=9, label_horizon=2)
    array([0, 1, 7, 8])
    """
    check_number(n_samples, "n_samples", "purge", low=0, integer=True)
    check_time_order(times)
    if times is not None and times_of(times) is not None and len(times) != n_samples:
        raise ValueError(f"times of purge must have one entry per row; got {len(times)} for n_samples={n_samples}.")
    rows = _checked_rows(train, "train", n_samples)
    tested = _checked_rows(test, "test", n_samples)
    return rows_apart(rows, tested, label_spans(n_samples, times, label_horizon, embargo))


def n_outcomes_known(rows: Rows, *, n_samples: int, times: pd.Index | None = None, label_horizon: Span = 0) -> Rows:
    """Count, for each of some rows in time order, those before it whose outcome is known at its time.

    An outcome is known ``label_horizon`` after its row, and never before the next timestamp: rows of one timestamp do
    not know each other's.

    Parameters
    ----------
    rows : ndarray of shape (n_rows,)
        Row numbers, ascending.
    n_samples : int
        Number of rows in all.
    times : pandas.Index of length n_samples, default=None
        The index of the rows; times count where it has any.
    label_horizon : int, str, timedelta or pandas offset, default=0
        How long after its row a label is known.

    Returns
    -------
    ndarray of shape (n_rows,)
        The first so many of ``rows`` are known.

    Examples
    --------
    >>> import numpy as np
    >>> n_outcomes_known(np.arange(6), n_samples=6, label_horizon=2)
    array([0, 0, 1, 2, 3, 4])
    """
    own_times = times_of(times)
    spans = label_spans(n_samples, own_times, label_horizon, 0)
    if spans is None:
        begin = np.arange(n_samples) if own_times is None else own_times.asi8
        spans = (begin, begin)
    begin, end = (np.asarray(edge)[rows] for edge in spans)
    if own_times is not None and isinstance(_span(label_horizon, "label_horizon"), int):
        # A horizon in rows still leaves rows of one timestamp strangers to each other.
        stamps = own_times.asi8[rows]
        earlier = np.searchsorted(stamps, stamps, side="left")
    else:
        earlier = np.searchsorted(begin, begin, side="left")
    return np.minimum(np.searchsorted(end, begin, side="right"), earlier)


def answered_rows(n_samples: int, known: Rows | None = None) -> list[slice]:
    """For each row, which rows are predicted after the outcomes of those before it and before its own.

    Parameters
    ----------
    n_samples : int
        Number of rows.
    known : ndarray of shape (n_samples,), default=None
        How many rows had an outcome when each row was predicted, never falling and at most the row's own number;
        ``None`` is all rows before.

    Returns
    -------
    list of slice
        One for each row; together they hold every row once.

    Examples
    --------
    Outcomes are known two rows later:

    >>> import numpy as np
    >>> answered_rows(4, np.array([0, 0, 1, 2]))
    [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None), slice(4, 4, None)]
    """
    if known is None:
        return [slice(i, i + 1) for i in range(n_samples)]
    stops = np.searchsorted(known, np.arange(n_samples), side="right").tolist()
    return [slice(start, stop) for start, stop in zip([0, *stops], stops, strict=False)]


def looks_ahead(train: ArrayLike, test: ArrayLike) -> bool:
    """Tell whether a model trained on these rows has seen the future of a row it is judged on.

    Parameters
    ----------
    train : array-like of shape (n_train,)
        Row numbers (or a mask) to learn from, in any order.
    test : array-like of shape (n_test,)
        Row numbers (or a mask) to be judged on, in any order.

    Returns
    -------
    bool
        True if some training row is later than some test row, or is itself a test row.

    Examples
    --------
    >>> from skensemble.splits import looks_ahead
    >>> looks_ahead([0, 1, 2], [3, 4]), looks_ahead([0, 4], [3])
    (False, True)
    """
    learned, tested = _rows(train), _rows(test)
    return bool(learned.size and tested.size and learned.max() >= tested.min())


def rows_apart(train: Rows, test: Rows, spans: LabelSpans) -> Rows:
    """Keep the training rows whose interval meets no test row's interval."""
    if spans is None or not test.size:
        return train
    begin, end = spans
    # An interval meets [a, b] unless it begins after b or has ended before a; the latter have all begun before b,
    # so a difference of two counts says how many meet, for any set of rows and without comparing pairs.
    begun = np.searchsorted(np.sort(begin[test]), end[train], side="right")
    ended = np.searchsorted(np.sort(end[test]), begin[train], side="left")
    return train[begun == ended]


def label_spans(n_samples: int, times: object, label_horizon: Span, embargo: Span) -> LabelSpans:
    horizon, distance = check_spans(label_horizon, embargo)
    if _is_zero(horizon) and _is_zero(distance):
        return None
    if isinstance(horizon, int) and isinstance(distance, int):
        rows = np.arange(n_samples)
        return rows, rows + horizon + distance
    when = times_of(times)
    if when is None:
        given, name = (embargo, "embargo") if isinstance(horizon, int) else (label_horizon, "label_horizon")
        raise ValueError(
            f"{name}={shown(given)} is a length of time, which needs rows with a DatetimeIndex; got "
            f"{'rows without an index' if times is None else f'an index of type {type(times).__name__}'}. "
            "Pass a DataFrame indexed by time, or a number of rows."
        )
    ends = _later(_later(when, horizon, "label_horizon"), distance, "embargo")
    return when.asi8, ends.as_unit(when.unit).asi8


def _later(times: pd.DatetimeIndex, span: int | pd.Timedelta | BaseOffset, name: str) -> pd.DatetimeIndex:
    if isinstance(span, int):
        return times
    if isinstance(span, pd.Timedelta):
        return times + span
    # Calendar offsets cannot all be added to a whole index without a warning; unique days keep the loop short.
    days = times.unique()
    moved = pd.DatetimeIndex([day + span for day in days])
    if (moved < days).any():
        raise ValueError(f"{name} must not go back in time; got {shown(span)}.")
    return moved[days.get_indexer(times)]


def check_spans(label_horizon: Span, embargo: Span) -> tuple[int | pd.Timedelta | BaseOffset, ...]:
    spans = _span(label_horizon, "label_horizon"), _span(embargo, "embargo")
    if not any(_is_zero(span) for span in spans) and isinstance(spans[0], int) != isinstance(spans[1], int):
        raise ValueError(
            f"label_horizon={shown(label_horizon)} and embargo={shown(embargo)} must both be numbers of rows or both "
            "be lengths of time."
        )
    return spans


def _span(value: Span, name: str) -> int | pd.Timedelta | BaseOffset:
    """Read a parameter as a number of rows, a fixed length of time or a calendar offset."""
    sentence = f"{name} must be a number of rows (0 or more) or a length of time such as '5D'; got {shown(value)}."
    if isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.timedelta64)):
        span: Any = int(value)
    elif isinstance(value, str):
        span = _parsed(value, sentence)
    elif isinstance(value, (timedelta, np.timedelta64)):
        span = pd.Timedelta(value)
    elif isinstance(value, BaseOffset):
        span = value
    else:
        raise ValueError(sentence)
    if span is pd.NaT or (not isinstance(span, BaseOffset) and span < type(span)(0)):
        raise ValueError(sentence)
    return span


def _parsed(text: str, sentence: str) -> Any:
    # pandas reads a bare number as nanoseconds, which nobody means here.
    if not any(letter.isalpha() for letter in text):
        raise ValueError(sentence)
    try:
        return pd.Timedelta(text)
    except ValueError:
        pass
    try:
        return to_offset(text)
    except ValueError:
        raise ValueError(sentence) from None


def _is_zero(span: object) -> bool:
    return span in (0, pd.Timedelta(0))


def _rows(rows: ArrayLike) -> NDArray[Any]:
    array = np.asarray(rows)
    if array.dtype == bool:
        return np.flatnonzero(array)
    return array.astype(np.intp) if array.size == 0 else array


def _checked_rows(rows: ArrayLike, name: str, n_samples: int) -> Rows:
    array = _rows(rows)
    if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name} of purge must be row numbers or a mask; got {shown(rows)}.")
    if array.size and not (array.min() >= 0 and array.max() < n_samples):
        wrong = array[(array < 0) | (array >= n_samples)][0]
        raise ValueError(f"{name} of purge must hold row numbers from 0 to {n_samples - 1}; got {wrong}.")
    return array.astype(np.intp, copy=False)

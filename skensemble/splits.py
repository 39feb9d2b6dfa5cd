"""Forward splitters: who may learn from which rows before being judged on which.

One idea: a label is known only some time after its row, so every row owns an interval of time that ends when its label
is known. One rule that everything here keeps: no interval of a training row touches one of a test row, and what a
model is judged on comes after what it learned from.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pandas.tseries.frequencies import to_offset
from pandas.tseries.offsets import BaseOffset
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length
from sklearn.utils.metadata_routing import UNUSED

from ._checks import check_number, shown

__all__ = ["ForwardSplit", "check_time_order", "looks_ahead", "purge"]

Rows = NDArray[np.intp]
Span = int | str | timedelta | np.timedelta64 | BaseOffset

_Spans = tuple[NDArray[Any], NDArray[Any]] | None  # begin and end of every row's interval; None where nothing is purged

_FEW_ROWS = 10


class ForwardSplit(BaseEstimator):
    """Cut rows in time order into training sets and the test blocks that follow them.

    The rows are cut into blocks of equal size. Every block but the first is tested once, by models that saw only rows
    before it: all of them (expanding window) or the last ``window`` of them. Training rows whose label is not yet known
    when the test block begins are purged, so that nothing that happens in the block leaks into the training set.

    With ``n`` rows and ``k`` folds each block has ``n // (k + 1)`` rows and the remainder goes to the first training
    set, exactly as in :class:`sklearn.model_selection.TimeSeriesSplit`. The label of row ``i`` is open during the
    closed interval ``[i, i + label_horizon]``, or ``[t_i, t_i + label_horizon]`` in time; row ``i`` may serve the block
    that begins with row ``j`` only if ``i + label_horizon + embargo < j``.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds on data of ordinary size. Small data gets fewer: see ``min_train``.
    window : int, default=None
        Number of rows in a training set: the last ones that purging left. ``None`` takes all earlier rows.
    min_train : int, default=None
        Rows before the first test block, counted before purging. A number is kept to: the rows after it are cut into
        ``n_splits`` blocks (into one-row blocks, and as many as there are, where the rows are too few). ``None`` takes
        blocks of equal size and as many folds as leave the first one 10 training rows (or ``window``, if smaller)
        after purging, at most ``n_splits`` and at least one.
    label_horizon : int, str, timedelta or pandas offset, default=0
        How long after its row a label is known: a number of rows, or a time such as ``"5D"`` when the rows of ``X``
        have a DatetimeIndex. Larger means that more rows before each test block are left out. With several rows per
        timestamp a time is what you want.
    embargo : int, str, timedelta or pandas offset, default=0
        Further distance between training and test rows, in the same unit as ``label_horizon``.

    See Also
    --------
    purge : The same rule for the folds of any other splitter.

    Notes
    -----
    Where ``X`` has a DatetimeIndex it must be in time order, and rows that share a timestamp are never cut apart:
    a boundary that falls among them moves to the first of them (and, among the rows of the very first timestamp, to the
    first row after them). A fold that is left without training rows is skipped.

    References
    ----------
    M. López de Prado, *Advances in Financial Machine Learning*, Wiley 2018, chapter 7: purging and embargo.

    Examples
    --------
    Thirty rows are enough for two folds; with labels that are known two rows later, the last two rows before each block
    are left out:

    >>> import numpy as np
    >>> from skensemble.splits import ForwardSplit
    >>> X = np.zeros((30, 1))
    >>> for train, test in ForwardSplit().split(X):
    ...     print(f"{train[0]}..{train[-1]} -> {test[0]}..{test[-1]}")
    0..9 -> 10..19
    0..19 -> 20..29
    >>> for train, test in ForwardSplit(n_splits=2, min_train=10, window=5, label_horizon=2).split(X):
    ...     print(f"{train[0]}..{train[-1]} -> {test[0]}..{test[-1]}")
    3..7 -> 10..19
    13..17 -> 20..29
    """

    # A splitter by rows has no use for groups: with metadata routing on, none are to be asked for.
    __metadata_request__split: ClassVar[dict[str, str]] = {"groups": UNUSED}

    def __init__(
        self,
        n_splits: int = 5,
        *,
        window: int | None = None,
        min_train: int | None = None,
        label_horizon: Span = 0,
        embargo: Span = 0,
    ) -> None:
        self.n_splits = n_splits
        self.window = window
        self.min_train = min_train
        self.label_horizon = label_horizon
        self.embargo = embargo

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[Rows, Rows]]:
        """Yield the row numbers of each training set and of the test block after it.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, ...)
            The rows, in time order. Only their number and a DatetimeIndex, if there is one, are looked at.
        y : array-like of shape (n_samples,), default=None
            Ignored but for its length.
        groups : array-like of shape (n_samples,), default=None
            Ignored but for its length.

        Yields
        ------
        train : ndarray of shape (n_train,)
            Row numbers to learn from, ascending.
        test : ndarray of shape (n_test,)
            Row numbers to be judged on: consecutive, all later than those of ``train``.

        Raises
        ------
        ValueError
            If a parameter is wrong, the rows are out of time order or too few, or purging leaves nothing to learn from.
        """
        check_consistent_length(X, y, groups)
        yield from self._folds(X)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Count the folds that ``split`` yields.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, ...), default=None
            The rows to be split; without them the answer is ``n_splits``, which small data may not reach.
        y : object, default=None
            Ignored.
        groups : object, default=None
            Ignored.

        Returns
        -------
        int
            The number of folds.
        """
        if X is None:
            self._check_parameters()
            return int(self.n_splits)
        return sum(1 for _ in self._folds(X))

    def _folds(self, X: Any) -> Iterator[tuple[Rows, Rows]]:
        self._check_parameters()
        n_samples, times = _size_and_times(X)
        if n_samples < 2:
            raise ValueError(
                "ForwardSplit needs at least 2 rows, one to learn from and a later one to be judged on; "
                f"got n_samples={n_samples}. Pass more rows."
            )
        spans = _spans(n_samples, times, self.label_horizon, self.embargo)
        bounds = self._bounds(n_samples, times, spans)
        n_folds = 0
        for start, stop in pairwise(bounds):
            train = self._train(start, stop, spans)
            if train.size:
                n_folds += 1
                yield train, np.arange(start, stop)
        if n_folds == 0:
            raise ValueError(
                f"label_horizon={shown(self.label_horizon)} and embargo={shown(self.embargo)} of ForwardSplit leave no "
                f"training row before any test block of these {n_samples} rows. Pass more rows or make them shorter."
            )

    def _bounds(self, n_samples: int, times: pd.DatetimeIndex | None, spans: _Spans) -> list[int]:
        """First row of every test block, and the end of the last."""
        if self.min_train is not None:
            return _whole_timestamps(_cut(n_samples, self.n_splits, self.min_train), times)
        enough = _FEW_ROWS if self.window is None else min(_FEW_ROWS, self.window)
        for n_folds in range(min(int(self.n_splits), n_samples - 1), 1, -1):
            bounds = _whole_timestamps(_cut(n_samples, n_folds, 1), times)
            if self._train(bounds[0], bounds[1], spans).size >= enough:
                return bounds
        return _whole_timestamps(_cut(n_samples, 1, 1), times)

    def _train(self, start: int, stop: int, spans: _Spans) -> Rows:
        train = _apart(np.arange(start), np.arange(start, stop), spans)
        return train if self.window is None else train[-int(self.window) :]

    def _check_parameters(self) -> None:
        check_number(self.n_splits, "n_splits", "ForwardSplit", low=1, integer=True)
        if self.window is not None:
            check_number(self.window, "window", "ForwardSplit", low=1, integer=True)
        if self.min_train is not None:
            check_number(self.min_train, "min_train", "ForwardSplit", low=1, integer=True)
        _both_spans(self.label_horizon, self.embargo)


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
    if isinstance(times, pd.DatetimeIndex) and len(times) != n_samples:
        raise ValueError(f"times of purge must have one entry per row; got {len(times)} for n_samples={n_samples}.")
    rows = _checked_rows(train, "train", n_samples)
    tested = _checked_rows(test, "test", n_samples)
    return _apart(rows, tested, _spans(n_samples, times, label_horizon, embargo))


def check_time_order(index: object) -> None:
    """Refuse rows whose timestamps go back in time.

    Parameters
    ----------
    index : object
        The index of ``X``. Only a :class:`pandas.DatetimeIndex` can be wrong; anything else passes, and its rows are
        taken to be in time order.

    Raises
    ------
    ValueError
        If a timestamp is missing or earlier than the one before it. Equal timestamps are fine.

    Examples
    --------
    >>> import pandas as pd
    >>> from skensemble.splits import check_time_order
    >>> check_time_order(pd.to_datetime(["2024-01-02", "2024-01-02", "2024-01-03"]))
    >>> check_time_order(pd.to_datetime(["2024-01-02", "2024-01-01"]))
    Traceback (most recent call last):
    ...
    ValueError: The rows of X must be in time order: row 1 (2024-01-01 00:00:00) is earlier than row 0
    (2024-01-02 00:00:00). Sort X, y and whatever goes with them by time.
    """
    if not isinstance(index, pd.DatetimeIndex) or (index.is_monotonic_increasing and not index.hasnans):
        return
    missing = np.flatnonzero(index.isna())
    if missing.size:
        raise ValueError(
            f"The rows of X must be in time order: row {missing[0]} has no timestamp (NaT). "
            "Drop such rows or give them one."
        )
    bad = int(np.flatnonzero(index[1:] < index[:-1])[0]) + 1
    raise ValueError(
        f"The rows of X must be in time order: row {bad} ({index[bad]}) is earlier than row {bad - 1} "
        f"({index[bad - 1]}). Sort X, y and whatever goes with them by time."
    )


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


def _apart(train: Rows, test: Rows, spans: _Spans) -> Rows:
    """Keep the training rows whose interval meets no test row's interval."""
    if spans is None or not test.size:
        return train
    begin, end = spans
    # An interval meets [a, b] unless it begins after b or has ended before a; the latter have all begun before b,
    # so a difference of two counts says how many meet, for any set of rows and without comparing pairs.
    begun = np.searchsorted(np.sort(begin[test]), end[train], side="right")
    ended = np.searchsorted(np.sort(end[test]), begin[train], side="left")
    return train[begun == ended]


def _spans(n_samples: int, times: object, label_horizon: Span, embargo: Span) -> _Spans:
    horizon, distance = _both_spans(label_horizon, embargo)
    if _is_zero(horizon) and _is_zero(distance):
        return None
    if isinstance(horizon, int) and isinstance(distance, int):
        rows = np.arange(n_samples)
        return rows, rows + horizon + distance
    if not isinstance(times, pd.DatetimeIndex):
        given, name = (embargo, "embargo") if isinstance(horizon, int) else (label_horizon, "label_horizon")
        raise ValueError(
            f"{name}={shown(given)} is a length of time, which needs rows with a DatetimeIndex; got "
            f"{'rows without an index' if times is None else f'an index of type {type(times).__name__}'}. "
            "Pass a DataFrame indexed by time, or a number of rows."
        )
    ends = _later(_later(times, horizon, "label_horizon"), distance, "embargo")
    return times.asi8, ends.as_unit(times.unit).asi8


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


def _both_spans(label_horizon: Span, embargo: Span) -> tuple[int | pd.Timedelta | BaseOffset, ...]:
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


def _cut(n_samples: int, n_splits: int, min_train: int) -> Rows:
    """Place the boundaries of consecutive, equally long test blocks that end with the last row."""
    n_folds = min(int(n_splits), n_samples - int(min_train))
    if n_folds < 1:
        raise ValueError(
            f"min_train={shown(min_train)} of ForwardSplit leaves no row to be judged on; got n_samples={n_samples}. "
            "Pass more rows or a smaller min_train."
        )
    size = min(n_samples // (n_folds + 1), (n_samples - int(min_train)) // n_folds)
    return n_samples - size * np.arange(n_folds, -1, -1)


def _whole_timestamps(bounds: Rows, times: pd.DatetimeIndex | None) -> list[int]:
    """Move boundaries so that rows of one timestamp stay together."""
    if times is None or times.is_unique:
        return [int(bound) for bound in bounds]
    second = int(times.searchsorted(times[0], side="right"))
    if second == len(times):
        raise ValueError(
            f"All {len(times)} rows share the timestamp {times[0]}, so there is no later one to be judged on. "
            "Pass rows of at least two times."
        )
    starts = np.maximum(times.searchsorted(times[bounds[:-1]], side="left"), second)
    return [*np.unique(starts).tolist(), int(bounds[-1])]


def _size_and_times(X: Any) -> tuple[int, pd.DatetimeIndex | None]:
    n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
    index = getattr(X, "index", None)
    if not isinstance(index, pd.DatetimeIndex):
        return n_samples, None
    check_time_order(index)
    return n_samples, index


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

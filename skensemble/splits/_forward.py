"""The splitter of the package: expanding or rolling training sets, and the test blocks that follow them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length
from sklearn.utils.metadata_routing import UNUSED

from skensemble._checks import check_number, shown
from skensemble.splits._intervals import LabelSpans, Rows, Span, check_spans, label_spans, rows_apart
from skensemble.splits._times import check_time_order, times_of

__all__ = ["ForwardSplit"]

_FEW_ROWS = 10


class ForwardSplit(BaseEstimator):
    """Cut rows in time order into training sets and the test blocks that follow them.

    The rows are cut into blocks of equal size. Every block but the first is tested once, by models that saw only rows
    before it: all of them (expanding window) or the last ``window`` of them. Training rows whose label is not yet known
    when the test block begins are purged, so that nothing that happens in the block leaks into the training set.

    With ``n`` rows and ``k`` folds each block has ``n // (k + 1)`` rows and the remainder goes to the first training
    set, exactly as in ``sklearn.model_selection.TimeSeriesSplit``. The label of row ``i`` is open during the
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
            The rows, in time order. Only their number and their times, if the index has any, are looked at.
        y : array-like of shape (n_samples,), default=None
            Ignored but for its length, and for its times where X has none.
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
        yield from self._folds(X, y)

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Count the folds that ``split`` yields.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, ...), default=None
            The rows to be split; without them the answer is ``n_splits``, which small data may not reach.
        y : object, default=None
            Ignored, but for its times where X has none.
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
        return sum(1 for _ in self._folds(X, y))

    def _folds(self, X: Any, y: Any) -> Iterator[tuple[Rows, Rows]]:
        self._check_parameters()
        n_samples, times = X.shape[0] if hasattr(X, "shape") else len(X), times_of(X, y)
        check_time_order(times)
        if n_samples < 2:
            raise ValueError(
                "ForwardSplit needs at least 2 rows, one to learn from and a later one to be judged on; "
                f"got n_samples={n_samples}. Pass more rows."
            )
        spans = label_spans(n_samples, times, self.label_horizon, self.embargo)
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

    def _bounds(self, n_samples: int, times: pd.DatetimeIndex | None, spans: LabelSpans) -> list[int]:
        """First row of every test block, and the end of the last."""
        if self.min_train is not None:
            return _whole_timestamps(_cut(n_samples, self.n_splits, self.min_train), times)
        enough = _FEW_ROWS if self.window is None else min(_FEW_ROWS, self.window)
        for n_folds in range(min(int(self.n_splits), n_samples - 1), 1, -1):
            bounds = _whole_timestamps(_cut(n_samples, n_folds, 1), times)
            if self._train(bounds[0], bounds[1], spans).size >= enough:
                return bounds
        return _whole_timestamps(_cut(n_samples, 1, 1), times)

    def _train(self, start: int, stop: int, spans: LabelSpans) -> Rows:
        train = rows_apart(np.arange(start), np.arange(start, stop), spans)
        return train if self.window is None else train[-int(self.window) :]

    def _check_parameters(self) -> None:
        check_number(self.n_splits, "n_splits", "ForwardSplit", low=1, integer=True)
        if self.window is not None:
            check_number(self.window, "window", "ForwardSplit", low=1, integer=True)
        if self.min_train is not None:
            check_number(self.min_train, "min_train", "ForwardSplit", low=1, integer=True)
        check_spans(self.label_horizon, self.embargo)


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

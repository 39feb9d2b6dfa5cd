"""When rows were, and what a detector that looks back keeps of those that came before.

One idea: rows are history for others where the index of a DataFrame says that they came before. The rule kept here:
only ``fit`` and ``remember`` add to the past, so that to predict is to change nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skensemble._checks import check_columns, shown
from skensemble.splits import times_of

__all__ = ["LooksBack", "Times", "clock_of", "remembered"]


class LooksBack(ABC):
    """What detectors have in common whose regime at a row depends on rows before it; how it does, members say."""

    past_times_: NDArray[Any]
    clock_: str

    def remember(self, X: Any) -> Self:
        """Take note of rows that came after those known, as history for later ones; what was learned stays.

        With it, predicting and remembering row by row gives what predicting in one batch gives, to the last bit.

        Parameters
        ----------
        X : pandas.DataFrame of shape (n_samples, n_features)
            Rows, oldest first, with an index that increases. Rows that are known already are left out.

        Returns
        -------
        Self
            Itself.

        Raises
        ------
        ValueError
            If the index does not say when the rows were.
        """
        check_is_fitted(self)
        check_columns(self, X, reset=False)
        if not self._reach():
            return self
        owner = type(self).__name__
        moments = _later_moments(clock_of(X, owner), self.clock_, self.past_times_, owner)
        if len(moments):
            self._move_on(X.iloc[-len(moments) :])
            self.past_times_ = np.concatenate([self.past_times_, moments])[-self._reach() :]
        return self

    @abstractmethod
    def _reach(self) -> int:
        """Return how many of the rows before a row bear on it, as far as it must be known when they were."""

    @abstractmethod
    def _move_on(self, X: pd.DataFrame) -> None:
        """Take note of rows that are all later than those known."""

    def _keep_times(self, X: Any) -> None:
        """Keep when the last rows of fit were; nothing where the index does not say it or nothing depends on it."""
        reach = self._reach()
        times = clock_of(X, type(self).__name__) if reach else Times("", np.zeros(0))
        self.clock_, self.past_times_ = times.clock, times.moments[-reach:].copy()

    def _follows(self, X: Any) -> bool:
        """Whether the rows of X come after the last that is known."""
        return clock_of(X, type(self).__name__).come_after(self.clock_, self.past_times_)


def remembered(detector: Any, X: Any) -> Any:
    """Let a fitted detector that looks back take note of rows that have happened.

    Parameters
    ----------
    detector : None, str, callable or fitted estimator
        See `detect`. One that looks back has a method ``remember``, which replaces what it knows and changes nothing
        in place.
    X : array-like of shape (n_samples, n_features)
        Rows, oldest first.

    Returns
    -------
    None, str, callable or estimator
        A copy that knows the rows; a detector that looks at no other row as it is.

    Examples
    --------
    >>> remembered("market", [[1.0]])
    'market'
    """
    return copy(detector).remember(X) if hasattr(detector, "remember") else detector


class Times(NamedTuple):
    """When the rows of a table were.

    Attributes
    ----------
    clock : str
        In what they are told; empty where they are not.
    moments : ndarray of shape (n_samples,)
        Times or row numbers, each later than the one before; empty without a clock.
    """

    clock: str
    moments: NDArray[Any]

    def come_after(self, clock: str, known: NDArray[Any]) -> bool:
        """Whether the first row is later than the last that is known by the same clock."""
        told = bool(self.clock) and self.clock == clock and len(self.moments) > 0 and len(known) > 0
        return told and bool(self.moments[0] > known[-1])


def clock_of(X: Any, owner: str) -> Times:
    """Read from the index of a DataFrame when the rows were: times, or row numbers that increase."""
    index = X.index if isinstance(X, pd.DataFrame) else pd.Index([])
    times = times_of(index)
    if times is not None:
        if not (times.is_monotonic_increasing and times.is_unique):
            raise ValueError(
                f"X of {owner} must hold one row for each time, oldest first, for it looks back over rows; got "
                f"{shown(list(map(str, times[:3])))}. Sort it by X.sort_index(). For several series at one time, make "
                f"the number a column first and cut it by QuantileRegimes."
            )
        if times.tz is None:
            return Times("times", times.to_numpy())
        return Times("times in a time zone", times.tz_convert("UTC").tz_localize(None).to_numpy())
    if index.is_monotonic_increasing and index.is_unique and index.dtype.kind in "iu":
        return Times("row numbers", index.to_numpy())
    return Times("", np.zeros(0))


def _later_moments(times: Times, clock: str, known: NDArray[Any], owner: str) -> NDArray[Any]:
    """Return the times that are later than those known, or refuse where nobody can tell."""
    if not clock or not len(known) or times.clock != clock:
        raise ValueError(
            f"{owner} cannot tell whether these rows come after those of fit, whose index holds "
            f"{clock or 'no times'}; theirs holds {times.clock or 'no times'}. Pass to fit and remember DataFrames "
            f"with the same kind of index: times, or row numbers that increase."
        )
    return times.moments[times.moments > known[-1]]

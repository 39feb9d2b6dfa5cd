"""When what is known, and when is retrained: row numbers, from the words of the user."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.tseries.offsets import BaseOffset, Day, Tick

from skensemble._checks import check_number, shown
from skensemble.splits import n_outcomes_known

__all__ = ["Period", "Schedule", "make_schedule"]

OWNER = "walk_forward"


@dataclass(frozen=True)
class Period:
    """The rows from one training to the next.

    Parameters
    ----------
    train : slice
        Rows that are learned from when the period begins.
    start, stop : int
        Rows that are predicted with what was learned.
    """

    train: slice
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Schedule:
    """What happens when.

    Parameters
    ----------
    periods : tuple of Period
        One for each training, in time order; together they hold all judged rows.
    known : ndarray of shape (n_samples,)
        How many rows, from the first on, had an outcome when each row was predicted.
    """

    periods: tuple[Period, ...]
    known: NDArray[np.intp]

    @property
    def first(self) -> int:
        """The first row that is judged."""
        return self.periods[0].start

    @property
    def n_samples(self) -> int:
        """Number of all rows."""
        return len(self.known)


def make_schedule(
    n_samples: int, times: pd.DatetimeIndex | None, *, initial: Any, refit_every: Any, window: Any, outcome_delay: Any
) -> Schedule:
    """Read the parameters of `walk_forward` as row numbers.

    Parameters
    ----------
    n_samples : int
        Number of rows.
    times : DatetimeIndex or None
        Their times; rows of one time are never parted.
    initial : int, str or Timestamp
        Rows before the first judged one, or the time of that.
    refit_every : None, int, str, timedelta or offset
        Rows, or a length of time, between two trainings.
    window : None, int, str, timedelta or offset
        Rows, or a length of time, that a training looks back.
    outcome_delay : int, str, timedelta or offset
        Rows, or a length of time, until an outcome is known.

    Returns
    -------
    Schedule
        At least one period, each with rows to learn from.
    """
    try:
        known = n_outcomes_known(np.arange(n_samples), n_samples=n_samples, times=times, label_horizon=outcome_delay)
    except ValueError as error:
        # The lengths are alike, and so are the sentences, but here it is called otherwise.
        raise ValueError(str(error).replace("label_horizon", f"outcome_delay of {OWNER}")) from None
    if times is not None:
        # Rows of one time are predicted together, with what the first of them may know, and learned from together.
        first_of_time = times.searchsorted(times, side="left")
        known = first_of_time[known[first_of_time]]
    first = _first_row(initial, n_samples, times)
    starts = _retrain_rows(refit_every, first, n_samples, times)
    periods = []
    for start, stop in pairwise([*starts, n_samples]):
        train = slice(_window_start(window, int(known[start]), start, times), int(known[start]))
        if train.start >= train.stop:
            raise ValueError(
                f"{OWNER} finds nothing to learn from before row {start}: of the rows before it {known[start]} have an "
                f"outcome (outcome_delay={shown(outcome_delay)}, window={shown(window)}). Begin later by initial, or "
                f"look back further."
            )
        periods.append(Period(train, start, stop))
    return Schedule(tuple(periods), known)


def _first_row(initial: Any, n_samples: int, times: pd.DatetimeIndex | None) -> int:
    if _is_number_of_rows(initial):
        first = int(initial)
        if times is not None and 0 < first < n_samples:
            # Rows of one time stay together: the first judged row is the first of its time.
            first = int(times.searchsorted(times[first], side="left"))
    else:
        moment = _moment(initial, times)
        first = int(times.searchsorted(moment, side="left")) if times is not None else 0
    if not 0 < first < n_samples:
        raise ValueError(
            f"initial of {OWNER} is {shown(initial)}, which puts the first judged row at {first} of {n_samples}: there "
            f"must be rows before it to learn from, and it must be among the rows."
        )
    return first


def _moment(initial: Any, times: pd.DatetimeIndex | None) -> pd.Timestamp:
    try:
        moment: Any = pd.NaT if isinstance(initial, (bool, float)) else pd.Timestamp(initial)
    except (TypeError, ValueError):
        moment = pd.NaT
    if moment is pd.NaT:
        raise ValueError(
            f"initial of {OWNER} must be a number of rows, or the time of the first judged row such as '2015-01-01'; "
            f"got {shown(initial)}."
        )
    if times is None:
        raise ValueError(
            f"initial of {OWNER} is the time {shown(initial)}, but the rows of X have no times. Pass a DataFrame with "
            f"a DatetimeIndex, or a number of rows."
        )
    if moment.tz is not None and times.tz is None:
        raise ValueError(
            f"initial of {OWNER} is {shown(initial)}, with a time zone, but the times of the rows have none: "
            f"{times[0]}, ... Give both in one kind."
        )
    return moment.tz_localize(times.tz) if moment.tz is None else moment


def _retrain_rows(refit_every: Any, first: int, n_samples: int, times: pd.DatetimeIndex | None) -> list[int]:
    if refit_every is None:
        return [first]
    if _is_number_of_rows(refit_every):
        check_number(refit_every, "refit_every", OWNER, low=1, integer=True)
        starts = np.arange(first, n_samples, int(refit_every))
        if times is not None:
            starts = np.maximum(times.searchsorted(times[starts], side="left"), first)
        return np.unique(starts).tolist()
    begin, end = _both_ends(times, first, "refit_every", refit_every)
    step = _span(refit_every, "refit_every")
    # A calendar step begins with its day, whatever the hour of the first row.
    moments = pd.date_range(begin, end, freq=step, normalize=not isinstance(step, (Tick, Day)))
    assert times is not None
    later = times.searchsorted(moments, side="left")
    return np.unique([first, *(row for row in later.tolist() if first < row < n_samples)]).tolist()


def _window_start(window: Any, stop: int, start: int, times: pd.DatetimeIndex | None) -> int:
    """First row of a training set that ends before ``stop`` and serves rows from ``start`` on."""
    if window is None:
        return 0
    if _is_number_of_rows(window):
        check_number(window, "window", OWNER, low=1, integer=True)
        begin = max(stop - int(window), 0)
        return begin if times is None or not begin else int(times.searchsorted(times[begin], side="left"))
    _both_ends(times, start, "window", window)
    assert times is not None
    return int(times.searchsorted(times[start] - _span(window, "window"), side="left"))


def _both_ends(times: pd.DatetimeIndex | None, first: int, name: str, value: Any) -> tuple[pd.Timestamp, pd.Timestamp]:
    if times is None:
        raise ValueError(
            f"{name} of {OWNER} is {shown(value)}, a length of time, but the rows of X have no times. Pass a DataFrame "
            f"with a DatetimeIndex, or a number of rows."
        )
    return times[first], times[-1]


def _span(value: Any, name: str) -> BaseOffset:
    try:
        span = pd.tseries.frequencies.to_offset(pd.Timedelta(value) if isinstance(value, np.timedelta64) else value)
    except (TypeError, ValueError):
        span = None
    some_day = pd.Timestamp(2000, 1, 1)
    if span is None or not some_day + span > some_day:
        raise ValueError(
            f"{name} of {OWNER} must be a number of rows, a length of time such as '90D', or a calendar step such as "
            f"'MS' (month starts) or 'YS' (year starts), above 0; got {shown(value)}."
        )
    return span


def _is_number_of_rows(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.timedelta64))

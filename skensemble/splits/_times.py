"""When the rows were, as far as an index says it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["check_time_order", "earlier_moments", "times_of"]


def times_of(*tables: Any) -> pd.DatetimeIndex | None:
    """Read the times of the rows from the first table whose index has them.

    Parameters
    ----------
    *tables : object
        Frames, Series or indices, which may hold times alone, as one level among several (date and asset), or as
        periods, which count from their start. Anything else has no times.

    Returns
    -------
    DatetimeIndex or None
        One time for each row; ``None`` where no table has any.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.MultiIndex.from_product([["AAA", "BBB"], pd.to_datetime(["2024-01-02"])])
    >>> len(times_of([1.0, 2.0], pd.Series([1.0, 2.0], index=rows)))
    2
    """
    for table in tables:
        index = table if isinstance(table, pd.Index) else getattr(table, "index", None)
        levels = map(index.get_level_values, range(index.nlevels)) if isinstance(index, pd.Index) else ()
        for values in levels:
            if isinstance(values, pd.PeriodIndex):
                return values.to_timestamp(how="start")
            if isinstance(values, pd.DatetimeIndex):
                return values
    return None


def check_time_order(index: object) -> None:
    """Refuse rows whose timestamps go back in time.

    Parameters
    ----------
    index : object
        The index of the rows, or whatever holds it. Rows without times are taken to be in order.

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
    times = times_of(index)
    if times is None or (times.is_monotonic_increasing and not times.hasnans):
        return
    missing = np.flatnonzero(times.isna())
    if missing.size:
        raise ValueError(
            f"The rows of X must be in time order: row {missing[0]} has no timestamp (NaT). "
            "Drop such rows or give them one."
        )
    bad = int(np.flatnonzero(times[1:] < times[:-1])[0]) + 1
    raise ValueError(
        f"The rows of X must be in time order: row {bad} ({times[bad]}) is earlier than row {bad - 1} "
        f"({times[bad - 1]}). Sort X, y and whatever goes with them by time."
    )


def earlier_moments(times: pd.DatetimeIndex | None) -> NDArray[np.intp] | None:
    """Count, for each row, those of earlier moments, whose outcomes it may know; those of its own it may not.

    Parameters
    ----------
    times : DatetimeIndex or None
        Times of the rows, in order.

    Returns
    -------
    ndarray of shape (n_rows,) or None
        ``None`` where every row has a moment of its own, or nobody can tell.

    Examples
    --------
    >>> import pandas as pd
    >>> earlier_moments(pd.to_datetime(["2024-01-02", "2024-01-02", "2024-01-03"]))
    array([0, 0, 2])
    """
    if times is None or times.is_unique:
        return None
    return np.searchsorted(times.asi8, times.asi8, side="left")

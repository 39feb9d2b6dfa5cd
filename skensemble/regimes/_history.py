"""When rows were, and which of them came before."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skensemble._checks import shown

__all__ = ["Times", "later_moments", "times_of"]


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


def times_of(X: Any, owner: str) -> Times:
    """Read from the index of a DataFrame when the rows were: times, or row numbers that increase."""
    index = X.index if isinstance(X, pd.DataFrame) else pd.Index([])
    ordered = index.is_monotonic_increasing and index.is_unique
    if isinstance(index, pd.DatetimeIndex):
        if not ordered:
            raise ValueError(
                f"X of {owner} must hold one row for each time, oldest first, for it looks back over rows; got "
                f"{shown(list(map(str, index[:3])))}. Sort it by X.sort_index(). For several series at one time, make "
                f"the number a column first and cut it by QuantileRegimes."
            )
        if index.tz is None:
            return Times("times", index.to_numpy())
        return Times("times in a time zone", index.tz_convert("UTC").tz_localize(None).to_numpy())
    if ordered and index.dtype.kind in "iu":
        return Times("row numbers", index.to_numpy())
    return Times("", np.zeros(0))


def later_moments(times: Times, clock: str, known: NDArray[Any], owner: str) -> NDArray[Any]:
    """Return the times that are later than those known, or refuse where nobody can tell."""
    if not clock or not len(known) or times.clock != clock:
        raise ValueError(
            f"{owner} cannot tell whether these rows come after those of fit, whose index holds "
            f"{clock or 'no times'}; theirs holds {times.clock or 'no times'}. Pass to fit and remember DataFrames "
            f"with the same kind of index: times, or row numbers that increase."
        )
    return times.moments[times.moments > known[-1]]

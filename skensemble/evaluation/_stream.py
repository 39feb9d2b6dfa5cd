"""The rows that somebody is judged on, and what goes with them, checked."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import column_or_1d

from skensemble._checks import shown
from skensemble._compat import check_sample_weight, take_rows
from skensemble._inputs import check_same_times, labels_of_groups, numbers_of_returns
from skensemble.regimes import encode_memberships, regime_names
from skensemble.splits import check_time_order, times_of

__all__ = ["Stream", "checked_stream"]


@dataclass(frozen=True, eq=False)
class Stream:
    """All rows, and what goes with them.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        What came true.
    regimes, sample_weight, returns, groups : array-like or None
        As `walk_forward` takes them.
    """

    X: Any
    y: Any
    regimes: Any = None
    sample_weight: Any = None
    returns: Any = None
    groups: Any = None

    def rows(self, rows: slice | NDArray[np.intp]) -> Stream:
        """Take some of the rows."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: take_rows(value, rows) for name, value in values.items() if value is not None})

    def given(self, *names: str) -> dict[str, Any]:
        """What was given, by name."""
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


def checked_stream(
    X: Any,
    y: Any,
    regimes: Any = None,
    sample_weight: Any = None,
    returns: Any = None,
    groups: Any = None,
    *,
    owner: str,
) -> tuple[Stream, pd.DatetimeIndex | None]:
    """Read rows in time order, or say what is wrong with them.

    Parameters
    ----------
    X, y, regimes, sample_weight, returns, groups : array-like
        As `walk_forward` takes them.
    owner : str
        Whose arguments these are, for the sentences.

    Returns
    -------
    stream : Stream
        The rows; regimes as a frame of memberships.
    times : DatetimeIndex or None
        Their times.
    """
    X = np.asarray(X) if isinstance(X, (list, tuple)) else X
    if not getattr(X, "shape", ()):
        raise ValueError(
            f"X of {owner} must be an array, a frame or a sparse matrix, oldest row first; got {shown(X)}."
        )
    # Other sparse formats cannot be cut into rows.
    X = X.tocsr() if sparse.issparse(X) else X
    values = column_or_1d(y, warn=True)
    n_samples = X.shape[0]
    if len(values) != n_samples:
        raise ValueError(f"X of {owner} has {n_samples} rows and y has {len(values)}: give one outcome for each row.")
    endless = np.isinf(values) if values.dtype.kind == "f" else np.zeros(n_samples, dtype=bool)
    missing = np.flatnonzero(pd.isna(values) | endless)
    if len(missing):
        row = int(missing[0])
        raise ValueError(
            f"y of {owner} has no outcome in row {row} ({shown(values.tolist()[row])}). Leave such rows out: X[known], "
            f"y[known] with known = y.notna(), and the same for whatever goes with them."
        )
    for name, beside in {"y": y, "regimes": regimes, "sample_weight": sample_weight, "returns": returns}.items():
        check_same_times(X, beside, name)
    times = times_of(X, y)
    check_time_order(times)
    if regimes is not None:
        names = regime_names(regimes)
        regimes = pd.DataFrame(encode_memberships(regimes, names, n_samples), columns=pd.Index(names, dtype=object))
    stream = Stream(
        X,
        y if isinstance(y, pd.Series) else values,
        regimes,
        None if sample_weight is None else check_sample_weight(sample_weight, X),
        numbers_of_returns(returns, n_samples),
        labels_of_groups(groups, n_samples),
    )
    return stream, times

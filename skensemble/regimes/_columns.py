"""What detectors read of X: a table of any kind, and its columns as numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skensemble._checks import shown
from skensemble.regimes._named import Floats

__all__ = ["as_rows", "column_values"]


def as_rows(X: Any, owner: str) -> Any:
    """Return X as a pandas DataFrame if it is a frame of any kind, and otherwise as a 2-D array."""
    if isinstance(X, pd.DataFrame):
        return X
    if hasattr(X, "columns"):
        return pd.DataFrame({name: X[name].to_numpy() for name in X.columns})
    rows = np.asarray(X)
    if rows.ndim != 2:
        raise ValueError(
            f"X of {owner} must be a table with one row per moment; got {type(X).__name__} with {rows.ndim} "
            f"dimension(s). Pass a DataFrame, such as series.to_frame(), or a 2-D array."
        )
    return rows


def column_values(rows: Any, column: Any, name: str, owner: str) -> Floats:
    """Read one column of a table as numbers, NaN where there is none."""
    labels = list(getattr(rows, "columns", []))
    if column in labels:
        position = labels.index(column)
        if labels.count(column) > 1:
            raise ValueError(f"{name} of {owner} names {column!r}, but X has {labels.count(column)} columns of it.")
    elif isinstance(column, (int, np.integer)) and not isinstance(column, bool) and 0 <= column < rows.shape[1]:
        position = int(column)
    else:
        has = f"the columns {shown(labels)}" if labels else f"{rows.shape[1]} columns without names"
        raise ValueError(
            f"{name} of {owner} is {shown(column)}, but X has {has}. Give the name of a column of a DataFrame, or a "
            f"position from 0 to {rows.shape[1] - 1}."
        )
    values = pd.Series(rows.iloc[:, position] if labels else rows[:, position])
    try:
        numbers = values.to_numpy(dtype=float, na_value=np.nan, copy=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} of {owner} is {shown(column)}, which does not hold numbers ({error}).") from None
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers

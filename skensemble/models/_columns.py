"""Frames to numbers: what a frame's columns mean is learned once, in fit, and holds for every later frame."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skensemble._checks import shown

__all__ = ["Categories", "is_frame"]

NUMBERS = {"floating", "integer", "mixed-integer-float", "decimal", "boolean", "empty"}


def is_frame(X: Any) -> bool:
    """Say whether ``X`` is a pandas or polars DataFrame, or looks like one."""
    return hasattr(X, "columns") and hasattr(X, "dtypes")


@dataclass(frozen=True)
class Categories:
    """The columns of a frame that hold categories, and their values in the order of their codes.

    Attributes
    ----------
    values : dict
        Position of a column (int) to its categories (list). Other columns hold numbers.
    """

    values: dict[int, list[Hashable]] = field(default_factory=dict)

    @classmethod
    def of(cls, X: Any) -> Categories:
        """Find the columns of a frame that are no numbers, and the categories that they hold."""
        if not is_frame(X) or _holds_numbers(X):
            return cls()
        found = {j: _categories(_column(X, j)) for j in range(X.shape[1])}
        return cls({j: categories for j, categories in found.items() if categories is not None})

    def encode(self, X: Any) -> NDArray:
        """Turn a frame into numbers: a category into its code, an unseen or missing one into NaN."""
        if not self.values and _holds_numbers(X):
            return X.to_numpy().astype(np.float64, copy=False)
        numbers = np.empty(X.shape, dtype=np.float64, order="F")
        for j, name in enumerate(X.columns):
            column = _column(X, j)
            numbers[:, j] = _codes(column, self.values[j]) if j in self.values else _numbers(column, name)
        return numbers


def _holds_numbers(X: Any) -> bool:
    return all(_is_plain(dtype) for dtype in X.dtypes)


def _is_plain(dtype: Any) -> bool:
    if isinstance(dtype, np.dtype):
        return dtype.kind in "biuf"
    is_numeric = getattr(dtype, "is_numeric", None)  # a method of the types of polars
    return callable(is_numeric) and bool(is_numeric()) and not bool(dtype.is_decimal())


def _column(X: Any, j: int) -> pd.Series:
    if isinstance(X, pd.DataFrame):
        return X.iloc[:, j]
    column = X[:, j]
    values, name = column.to_numpy(), X.columns[j]
    if type(column.dtype).__name__ == "Enum":
        return pd.Series(pd.Categorical(values, categories=list(column.dtype.categories)), name=name)
    return pd.Series(values, name=name)


def _categories(column: pd.Series) -> list[Hashable] | None:
    """Return the categories present, in their declared or else sorted order; ``None`` for a column of numbers."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        present = set(column.dropna())
        return [category for category in column.dtype.categories.tolist() if category in present]
    if pd.api.types.is_numeric_dtype(column.dtype) or column.dtype.kind in "mM":
        return None
    if pd.api.types.infer_dtype(column, skipna=True) in NUMBERS:
        return None
    try:
        return sorted(set(column.dropna()), key=_sorting_key)
    except TypeError:
        raise ValueError(
            f"Column {column.name!r} of X must hold numbers or categories; got values such as "
            f"{shown(column.dropna().iloc[0])}. Turn it into columns of numbers, or leave it out."
        ) from None


def _sorting_key(category: Hashable) -> tuple[str, Any]:
    return type(category).__name__, category if isinstance(category, (str, bytes, int, float)) else repr(category)


def _codes(column: pd.Series, categories: list[Hashable]) -> NDArray:
    values = np.asarray(column, dtype=object)
    codes = pd.Index(categories, dtype=object).get_indexer(pd.Index(values, dtype=object)).astype(np.float64)
    codes[codes < 0] = np.nan
    return codes


def _numbers(column: pd.Series, name: Any) -> NDArray:
    if column.dtype.kind in "mM":
        raise ValueError(
            f"Column {name!r} of X holds times; got {column.dtype}. Make it the index if it says when the rows "
            "were, turn it into numbers, such as the month or the days since some day, or leave it out."
        )
    try:
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise ValueError(
            f"Column {name!r} of X must hold numbers, as it did in fit; got {column.dtype} such as "
            f"{shown(column.iloc[0])}. Convert it to numbers, or fit on a frame in which it holds categories."
        ) from None

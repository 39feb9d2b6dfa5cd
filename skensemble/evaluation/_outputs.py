"""What was said of the rows, as tables that can be compared: one line for each row, one column for each part.

One idea: two answers about the same past are laid side by side, and the largest difference is reported. One rule:
labels are compared exactly, numbers by the spread of what is said, and missing equals missing.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from skensemble.evaluation._futures import n_rows

__all__ = [
    "RECORD",
    "Found",
    "NotRowByRowError",
    "Output",
    "check_something_said",
    "ensemble_outputs",
    "largest_move",
    "renamed",
    "steps",
    "tabulated",
]

Array = NDArray[np.float64]

RECORD = "out_of_fold_."
_MOST_COLUMNS = 1000
_SELDOM = 0.2


class NotRowByRowError(ValueError):
    """An answer that does not say which rows it speaks of."""


class Output(NamedTuple):
    """One thing that was said of every row.

    Attributes
    ----------
    name : str
        What it is called.
    table : DataFrame of shape (n_samples, n_parts)
        What was said; the columns are named as sentences name them.
    """

    name: str
    table: pd.DataFrame


class Found(NamedTuple):
    """Where two answers about the same rows differ most.

    Attributes
    ----------
    part : str
        The column.
    row : int
        The row.
    before : object
        What the first answer said there.
    after : object
        What the second one said.
    size : float
        How far they are apart, in units of the spread; infinite where they are no numbers.
    n_moved : int
        Rows that differ.
    first_row : int
        The first of them.
    """

    part: str
    row: int
    before: Any
    after: Any
    size: float
    n_moved: int
    first_row: int


# From answers to tables.


def tabulated(said: Any, X: Any, who: str) -> pd.DataFrame:
    """Lay out an answer with one line for each row of X; rows that it leaves out are missing."""
    table = _as_frame(said)
    n_samples = n_rows(X)
    index = X.index if isinstance(X, (pd.DataFrame, pd.Series)) else pd.RangeIndex(n_samples)
    by_label = isinstance(said, (pd.DataFrame, pd.Series)) and table.index.is_unique and index.is_unique
    if by_label and len(table) <= n_samples and table.index.isin(index).all():
        table = table.reindex(index)
    if len(table) != n_samples:
        raise NotRowByRowError(
            f"{who} gave {len(table)} rows for {n_samples}: it must give one for each row of X (missing values in "
            f"place of rows that it leaves out), or a frame whose index says which rows of X, each once, it speaks of."
        )
    return table.set_axis(pd.RangeIndex(n_samples)).infer_objects()


def check_something_said(outputs: Sequence[Output], who: str) -> None:
    """Refuse an output without any value: it could not move."""
    for name, table in outputs:
        if table.isna().all(axis=None):
            raise ValueError(
                f"{who} has no value in any of {len(table)} rows ({name}), so that nothing can be compared. Pass more "
                f"rows if it needs a longer past."
            )


def steps(outputs: Sequence[Output]) -> list[int]:
    """Find the rows where something that seldom changes does, such as a regime."""
    found: set[int] = set()
    for _, table in outputs:
        changes = _sizes(table.iloc[1:], table.iloc[:-1], len(table) - 1) > 0
        seldom = changes.mean(axis=0) <= _SELDOM
        found.update((np.flatnonzero(changes[:, seldom].any(axis=1)) + 1).tolist())
    return sorted(found)


def ensemble_outputs(
    said: Any,
    predictions: Array,
    *,
    models: Sequence[str],
    regimes: Sequence[Hashable],
    classes: Sequence[Hashable] | None,
    recorded: bool = False,
) -> list[Output]:
    """Lay out an explanation, or an out-of-fold record, in the order in which a prediction is made.

    What follows from these row by row (prediction, agreement, confidence) is left out: it jumps where one of them
    turns on its last digit.
    """
    kinds = [""] if classes is None else [f"class {name!r}" for name in classes]
    each = [", ".join(filter(None, (f"model {name!r}", kind))) for name in models for kind in kinds]
    tables: list[tuple[str, Array, list[str]]] = [
        ("memberships", said.memberships, [f"regime {name!r}" for name in regimes]),
        ("predictions" if recorded else "member_predictions", predictions.reshape(len(predictions), -1), each),
        ("weights", said.weights, [f"model {name!r}" for name in models]),
        ("combined", said.combined, kinds),
    ]
    prefix = RECORD if recorded else ""
    return [Output(prefix + name, pd.DataFrame(values, columns=parts)) for name, values, parts in tables if parts]


def _as_frame(said: Any) -> pd.DataFrame:
    if sparse.issparse(said):
        if said.shape[1] > _MOST_COLUMNS:
            # So many columns may not fit into memory; one mixture moves when any of them does.
            said = said @ np.sqrt(np.arange(1.0, 1.0 + said.shape[1]))[:, None]
        return _named(said.toarray() if sparse.issparse(said) else said)
    if isinstance(said, pd.Series):
        return said.to_frame("")
    if isinstance(said, pd.DataFrame):
        names = [f"column {name!r}" for name in said.columns]
        return said.set_axis(names if said.columns.is_unique else [f"column {k}" for k in range(len(names))], axis=1)
    if hasattr(said, "columns"):
        return pd.DataFrame({f"column {name!r}": said[name].to_numpy() for name in said.columns})
    return _named(np.asarray(said))


def _named(values: NDArray[Any]) -> pd.DataFrame:
    if not values.ndim:
        return pd.DataFrame([values.item()])
    table = pd.DataFrame(values.reshape(len(values), -1) if values.size else np.empty((len(values), 0)))
    return table.set_axis([""] if table.shape[1] == 1 else [f"column {k}" for k in table], axis=1)


# Side by side.


def largest_move(before: pd.DataFrame, after: pd.DataFrame, n_past: int, tolerance: float) -> Found | None:
    """Find where the first rows of two tables differ most, if anywhere by more than ``tolerance`` times the spread."""
    if not before.shape[1]:
        return None
    # A column that is not there, such as one of a label that does not occur, says "no" everywhere.
    after = after.reindex(columns=before.columns, fill_value=0)
    sizes = _sizes(before, after, n_past)
    moved = (sizes > tolerance).any(axis=1)
    if not moved.any():
        return None
    row, k = (int(at) for at in np.unravel_index(int(np.argmax(sizes)), sizes.shape))
    return Found(
        part=str(before.columns[k]),
        row=row,
        before=_plain(before.iloc[row, k]),
        after=_plain(after.iloc[row, k]),
        size=float(sizes[row, k]),
        n_moved=int(moved.sum()),
        first_row=int(np.argmax(moved)),
    )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def renamed(before: pd.DataFrame, after: pd.DataFrame, n_past: int) -> pd.DataFrame:
    """Put the regimes of the second table under the names of the first, by the rows of the past that they share."""
    shared = np.nan_to_num(before.to_numpy()[:n_past]).T @ np.nan_to_num(after.to_numpy()[:n_past])
    own, other = linear_sum_assignment(-shared)
    table = after.iloc[:, other].set_axis(before.columns[own], axis=1)
    # A regime that is not there has no members among the rows of the record.
    return table.reindex(columns=before.columns, fill_value=0.0).where(before.notna())


def _sizes(before: pd.DataFrame, after: pd.DataFrame, n_past: int) -> Array:
    """How far two tables are apart in each row of the past and in each column."""
    numbers = np.array([_are_numbers(before.dtypes.iloc[k], after.dtypes.iloc[k]) for k in range(before.shape[1])])
    sizes = np.empty((n_past, len(numbers)))
    first, second = (table.loc[:, numbers].to_numpy(dtype=float, na_value=np.nan) for table in (before, after))
    sizes[:, numbers] = _numbers_apart(first[:n_past], second[:n_past]) / spreads(first)
    labels = (table.iloc[:n_past].loc[:, ~numbers].astype(object).to_numpy() for table in (before, after))
    sizes[:, ~numbers] = _labels_apart(*labels)
    return sizes


def _are_numbers(*dtypes: Any) -> bool:
    """Whether columns hold numbers of which one at least has fractions; whole numbers may be labels."""
    floats = [pd.api.types.is_float_dtype(dtype) for dtype in dtypes]
    return any(floats) and all(map(pd.api.types.is_numeric_dtype, dtypes))


def _numbers_apart(first: Array, second: Array) -> Array:
    same = (first == second) | (np.isnan(first) & np.isnan(second))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.where(same, 0.0, np.abs(first - second))
    return np.where(np.isnan(apart), np.inf, apart)


def _labels_apart(first: NDArray[Any], second: NDArray[Any]) -> Array:
    missing, also = pd.isna(first), pd.isna(second)
    same = missing & also
    known = ~(missing | also)
    same[known] = np.frompyfunc(_is_same, 2, 1)(first[known], second[known]).astype(bool)
    return np.where(same, 0.0, np.inf)


def _is_same(one: Any, other: Any) -> bool:
    # A label may be anything, an array too, whose comparison is one more array.
    arrays = isinstance(one, np.ndarray) or isinstance(other, np.ndarray)
    return np.array_equal(one, other) if arrays else bool(one == other)


def spreads(values: Array) -> Array:
    """How far the values of each column lie from their median: 99 in 100 of them no farther than this.

    One wild value does not make it large. It is no less than a hundredth of the median, where values hardly vary, and
    than the rounding of a sum that the largest value takes part in.
    """
    known = np.where(np.isfinite(values), values, np.nan)
    spread = np.full(values.shape[1], np.finfo(float).tiny)
    some = ~np.isnan(known).all(axis=0)
    median = np.nanmedian(known[:, some], axis=0)
    usual = np.nanquantile(np.abs(known[:, some] - median), 0.99, axis=0)
    spread[some] += np.maximum(usual, 0.01 * np.abs(median)) + 1e-8 * np.nanmax(np.abs(known[:, some]), axis=0)
    return spread

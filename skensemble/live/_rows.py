"""What is handed to a live ensemble: rows, ids and times, read or refused with a sentence; and rows for the journal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skensemble._checks import shown
from skensemble.splits import times_of

__all__ = [
    "are_many",
    "checked_ids",
    "digest",
    "in_kind",
    "in_utc",
    "moment",
    "moments",
    "packed_rows",
    "rows_of",
    "unpacked_rows",
]

_MOST_OF_AN_ID = 1000


# Rows.


def rows_of(x: Any, names: Sequence[str] | None) -> Any:
    """Read one row or many as a table.

    Parameters
    ----------
    x : DataFrame, Series, mapping, or array-like of one or two dimensions
        The rows. Text in place of numbers is left to the ensemble to refuse.
    names : sequence of str or None
        Columns that the ensemble was fitted with.

    Returns
    -------
    DataFrame, sparse matrix, other frame or ndarray of two dimensions
        Rows and mappings have their columns in the order of ``names``.
    """
    if isinstance(x, pd.Series):
        x = x.to_dict()
    if isinstance(x, Mapping):
        if names is None:
            raise ValueError(
                f"x of LiveEnsemble.predict names columns, but the ensemble was fitted on rows without names; got "
                f"{shown(x)}. Pass the values in the order of fit."
            )
        ordered = [*(name for name in names if name in x), *(name for name in x if name not in names)]
        values = [x[name] for name in ordered]
        if all(isinstance(value, float) for value in values):
            return pd.DataFrame(np.array([values], dtype=float), columns=_object_index(ordered))
        return pd.DataFrame([dict(zip(ordered, values, strict=True))])
    if hasattr(x, "columns") or hasattr(x, "indptr"):
        return x
    try:
        table = np.asarray(x)
    except ValueError:
        table = np.empty(0)
    table = table[None] if table.ndim == 1 else table
    if table.ndim != 2 or not table.size:
        raise ValueError(
            f"x of LiveEnsemble.predict must be one row (a mapping, a Series, a list of values) or a table of rows; "
            f"got {shown(x)}."
        )
    if names is not None and table.shape[1] == len(names):
        return pd.DataFrame(table, columns=_object_index(names))
    return table


def _object_index(names: Sequence[Any]) -> pd.Index[Any]:
    """Names as an index that keeps them as they are."""
    return pd.Index(list(names), dtype=object)


def are_many(values: Any) -> bool:
    """Whether these are values for several rows, and not a single one."""
    listed = isinstance(values, (Sequence, np.ndarray, pd.Index, pd.Series, pd.api.extensions.ExtensionArray))
    return listed and not isinstance(values, (str, bytes)) and getattr(values, "ndim", 1) == 1


def checked_ids(ids: Any, n_rows: int) -> tuple[str, ...]:
    """Read the ids of rows, or make them up."""
    if ids is None:
        return tuple(uuid4().hex for _ in range(n_rows))
    given = list(ids) if are_many(ids) else [ids]
    for each in given:
        _check_id(each)
    if len(given) != n_rows:
        raise ValueError(f"id must hold one text for each of the {n_rows} rows; got {len(given)}: {shown(ids)}.")
    twice = [each for each in given if given.count(each) > 1] if len(set(given)) < len(given) else []
    if twice:
        raise ValueError(f"id must name each row once; got {shown(twice[0])} twice.")
    return tuple(map(str, given))


def _check_id(given: Any) -> None:
    if not isinstance(given, str) or not given or len(given) > _MOST_OF_AN_ID:
        raise ValueError(f"id must be a text of 1 to {_MOST_OF_AN_ID:,} characters; got {shown(given)}.")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise ValueError(f"id holds half a character, which cannot be written down; got {shown(given)}.") from None


# Times: nanoseconds in UTC.


def moment(at: Any, name: str = "at") -> int:
    """Read a time; without a time zone it is UTC."""
    try:
        if isinstance(at, (bool, float, complex)):
            raise TypeError
        time = pd.Timestamp(at)
        if pd.isna(time):
            raise ValueError
        time = time.tz_localize("UTC") if time.tzinfo is None else time.tz_convert("UTC")
        return int(time.as_unit("ns").value)
    except (TypeError, ValueError, OverflowError, AttributeError):
        raise ValueError(
            f"{name} must be a time, such as a Timestamp or '2024-05-17 16:00' (UTC where no zone is given), between "
            f"the years 1678 and 2262; got {shown(at)}."
        ) from None


def moments(at: Any, X: Any, n_rows: int) -> list[int] | None:
    """Read the time of each row: as given, else of the index; None where nobody says."""
    if at is None:
        times = times_of(X)
        return None if times is None else [moment(time, "The index of x") for time in times]
    if are_many(at):
        if len(at) != n_rows:
            raise ValueError(f"at must be one time, or one for each of the {n_rows} rows; got {len(at)}: {shown(at)}.")
        return [moment(each) for each in at]
    return [moment(at)] * n_rows


def in_kind(times: Sequence[int] | NDArray[np.int64], example: pd.Timestamp | None) -> pd.DatetimeIndex:
    """Tell times as an ensemble is used to: in UTC, with a time zone only where ``example`` has one."""
    index = pd.DatetimeIndex(np.asarray(times, dtype="datetime64[ns]"))
    return index if example is None or example.tzinfo is None else index.tz_localize("UTC")


def in_utc(times: Sequence[int]) -> pd.DatetimeIndex:
    """Times of the journal as those of pandas."""
    return in_kind(times, None).tz_localize("UTC")


# Rows as text: what the journal keeps.


def packed_rows(X: Any) -> tuple[str, list[bytes]]:
    """Write rows down such that they can be read back with their columns, types and index.

    Returns
    -------
    description : str
        What all rows have in common.
    rows : list of bytes
        One for each.
    """
    if not isinstance(X, pd.DataFrame):
        table = X.toarray() if hasattr(X, "toarray") else X
        if hasattr(table, "columns"):
            return packed_rows(pd.DataFrame({name: table[name].to_list() for name in table.columns}))
        table = np.asarray(table)
        values = [_plain(column) for column in table.T]
        about = {"types": [table.dtype.str]}
        return _text(about), [_text(row).encode() for row in zip(*values, strict=True)]
    times = times_of(X)
    index = X.index if times is None else times
    types = tuple(X.dtypes)
    description = _description(tuple(X.columns), types, index.dtype)
    if types and isinstance(types[0], np.dtype) and types[0].kind in "fiub" and types.count(types[0]) == len(types):
        rows = zip(_plain(index), *X.to_numpy().T.tolist(), strict=True)
    else:
        rows = zip(_plain(index), *(_plain(X.iloc[:, k]) for k in range(X.shape[1])), strict=True)
    return description, [_text(row).encode() for row in rows]


def unpacked_rows(description: str, rows: Sequence[bytes]) -> Any:
    """Read rows back."""
    about = json.loads(description)
    values = [json.loads(row) for row in rows]
    if "names" not in about:
        return np.array(values, dtype=np.dtype(about["types"][0]))
    index, *columns = zip(*values, strict=True)
    made = {
        place: _typed(column, kind, categories)
        for place, (column, kind, categories) in enumerate(
            zip(columns, about["types"], about["categories"], strict=True)
        )
    }
    frame = pd.DataFrame(made, index=pd.Index(_typed(index, about["index"], None)))
    return frame.set_axis(pd.Index(about["names"], dtype=object), axis=1)


def digest(description: str, row: bytes) -> bytes:
    """A fingerprint of a row: whoever has the features can tell that they are those."""
    return hashlib.sha256(description.encode() + b"\n" + row).digest()


@lru_cache(maxsize=64)
def _description(names: tuple[Any, ...], types: tuple[Any, ...], index: Any) -> str:
    """What rows of a frame have in common."""
    return _text(
        {
            "names": [_plain_name(name) for name in names],
            "types": [str(each) for each in types],
            "categories": [
                _plain(each.categories) if isinstance(each, pd.CategoricalDtype) else None for each in types
            ],
            "index": str(index),
        }
    )


def _text(values: Any) -> str:
    return json.dumps(values, separators=(",", ":"))


def _plain_name(name: Any) -> Any:
    if not isinstance(name, (str, int)):
        raise ValueError(
            f"Columns of x must be named by texts or whole numbers to stand in a journal; got {shown(name)}."
        )
    return name


def _plain(values: Any) -> list[Any]:
    """Values as numbers, texts and None."""
    dtype = getattr(values, "dtype", None)
    if isinstance(dtype, pd.CategoricalDtype):
        return pd.Series(values).cat.codes.tolist()
    if getattr(dtype, "kind", "O") == "M":
        return pd.DatetimeIndex(values).as_unit("ns").asi8.tolist()
    if isinstance(dtype, np.dtype) and dtype.kind in "fiub":
        return values.tolist()
    plain = [value.item() if isinstance(value, np.generic) else None if value is pd.NA else value for value in values]
    strange = [value for value in plain if not (value is None or isinstance(value, (str, bool, int, float)))]
    if strange:
        raise ValueError(
            f"x holds {shown(strange[0])} of type {type(strange[0]).__name__}: a journal keeps numbers, texts, times "
            f"and categories."
        )
    return plain


def _typed(values: Sequence[Any], kind: str, categories: Sequence[Any] | None) -> Any:
    if categories is not None:
        return pd.Categorical.from_codes(list(values), categories=pd.Index(categories))
    if kind.startswith("datetime64"):
        times = pd.DatetimeIndex(np.array(values, dtype="datetime64[ns]"))
        return times.tz_localize("UTC").astype(kind) if "," in kind else times.astype(kind)
    return pd.Series(values, dtype=kind).array if kind != "object" else pd.Series(list(values), dtype=object).array

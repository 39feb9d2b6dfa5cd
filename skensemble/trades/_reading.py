"""Trades as users hand them over: read all or none."""

from __future__ import annotations

import dataclasses
import difflib
import math
import numbers
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from skensemble._checks import shown
from skensemble.trades._beliefs import Array

__all__ = ["Trades", "check_trades"]

Integers: TypeAlias = npt.NDArray[np.intp]

_FIELDS = ("model", "won", "profit_bps", "regime", "time", "sample_weight")
# Profits in basis points are fractions by mistake when most are below the first and all are below the second.
_USUAL_FRACTION = 0.05
_LARGEST_FRACTION = 1.0


@dataclasses.dataclass(frozen=True, eq=False)
class Trades:
    """Trades as they were read: one entry per trade, in the order given.

    Parameters
    ----------
    models : ndarray of int of shape (n_trades,)
        Position of the model that traded; -1 for a trade of the ensemble as a whole.
    won : ndarray of shape (n_trades,)
        1 where the trade was won, 0 where it was lost, NaN where it was neither: a profit of exactly 0.
    profits_bps : ndarray of shape (n_trades,)
        Profit in basis points, NaN where only ``won`` was given.
    regimes : ndarray of object of shape (n_trades,)
        Label of the regime, None where it is unknown or was never seen: then only pooled records move.
    time : ndarray of object of shape (n_trades,) or None
        When, as given; None if no trade says.
    sample_weight : ndarray of shape (n_trades,)
        How many trades each counts for.

    Examples
    --------
    >>> trades = check_trades([{"model": "b", "profit_bps": -2.5}], ["a", "b"], [])
    >>> len(trades), trades.models.tolist(), trades.won.tolist()
    (1, [1], [0.0])
    """

    models: Integers
    won: Array
    profits_bps: Array
    regimes: npt.NDArray[np.object_]
    time: npt.NDArray[np.object_] | None
    sample_weight: Array

    def __len__(self) -> int:
        return len(self.models)


def check_trades(trades: Any, models: Sequence[str], regimes: Sequence[Hashable], *, in_bps: bool = False) -> Trades:
    """Read the trades of a user, all or none: the first thing wrong gets a sentence.

    Each trade has ``model`` (None, or missing in a DataFrame, for a trade of the ensemble), at least one of ``won``
    (True or False) and ``profit_bps``, and may have ``regime`` (left out, None or NaN: unknown), ``time`` and
    ``sample_weight``. A profit of exactly 0 is neither won nor lost; ``won=False`` is accepted there, since many
    record only whether there was a profit, and ``won=True`` is not.

    Parameters
    ----------
    trades : DataFrame, mapping, or iterable of records
        One trade per row; one trade; or one trade per mapping, dataclass, named tuple or Series.
    models : sequence of str
        Names of the models, in the order of their positions.
    regimes : sequence of hashable
        Labels of the regimes that are known. Any other label is a regime never seen.
    in_bps : bool, default=False
        Whether earlier trades have shown that profits are in basis points; then small ones are believed, as they come
        up now and then where trades are told one by one.

    Returns
    -------
    trades : Trades
        One entry per trade.

    Raises
    ------
    ValueError
        If a field is unknown, missing, or not what it must be; if a model is unknown; if ``won`` contradicts
        ``profit_bps``; if profits look like fractions; if times go backwards.

    Examples
    --------
    >>> read = check_trades({"model": "ridge", "profit_bps": 12.5, "regime": "calm"}, ["ridge", "forest"], ["calm"])
    >>> read.models, read.won, read.profits_bps
    (array([0]), array([1.]), array([12.5]))
    >>> check_trades([{"model": "forrest", "won": True}], ["ridge", "forest"], [])
    Traceback (most recent call last):
    ValueError: model of trades[0] must be one of 'ridge', 'forest', or None for the ensemble; got 'forrest'.
    Did you mean 'forest'?
    """
    records = _records(trades)
    names, labels = list(models), set(regimes)
    positions = [_model(record["model"], row, names) for row, record in enumerate(records)]
    outcomes = [_outcome(record, row) for row, record in enumerate(records)]
    read = Trades(
        models=np.array(positions, dtype=np.intp),
        won=np.array([won for won, _ in outcomes], dtype=float),
        profits_bps=np.array([profit for _, profit in outcomes], dtype=float),
        regimes=_objects([_regime(record.get("regime"), row, labels) for row, record in enumerate(records)]),
        time=_times(records),
        sample_weight=np.array([_weight(record, row) for row, record in enumerate(records)], dtype=float),
    )
    if not in_bps:
        _check_unit(read.profits_bps)
    return read


def _records(trades: Any) -> list[Mapping[str, Any]]:
    """Turn what the user gave into one mapping per trade with known fields, the needed ones among them."""
    if isinstance(trades, pd.DataFrame):
        _check_fields(list(trades.columns), "a column of trades")
        rows: list[Any] = trades.astype(object).to_dict("records")
    elif hasattr(trades, "to_dicts"):
        rows = trades.to_dicts()
    elif _as_mapping(trades) is not None:
        rows = [trades]
    elif isinstance(trades, Iterable) and not isinstance(trades, (str, bytes)) and getattr(trades, "ndim", 1) != 0:
        rows = list(trades)
    else:
        raise ValueError(
            "trades must be a DataFrame, one trade as a dict, or a list of dicts, with the fields model and won or "
            f"profit_bps; got {shown(trades)}."
        )
    records = []
    for row, given in enumerate(rows):
        record = _as_mapping(given)
        if record is None:
            raise ValueError(
                f"trades[{row}] must be a dict, or another record of named fields such as model and profit_bps; got "
                f"{shown(given)}."
            )
        _check_fields(list(record), f"a field of trades[{row}]")
        _check_complete(record, row)
        records.append(record)
    return records


def _as_mapping(record: Any) -> Mapping[str, Any] | None:
    if isinstance(record, Mapping):
        return record
    if isinstance(record, pd.Series):
        return {str(field): value for field, value in record.items()}
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    if isinstance(record, tuple) and hasattr(record, "_asdict"):
        return record._asdict()
    return None


def _check_fields(fields: list[Any], what: str) -> None:
    for position, field in enumerate(fields):
        if field not in _FIELDS:
            raise ValueError(f"{what} must be one of {', '.join(_FIELDS)}; got {shown(field)}.{_meant(field, _FIELDS)}")
        if field in fields[:position]:
            raise ValueError(f"{what} must appear once; got {shown(field)} twice.")


def _check_complete(record: Mapping[str, Any], row: int) -> None:
    if "model" not in record:
        raise ValueError(
            f"trades[{row}] has no model; got {shown(dict(record))}. Add the name of the model that traded, or "
            "model=None for a trade of the ensemble."
        )
    if "won" not in record and "profit_bps" not in record:
        raise ValueError(f"trades[{row}] has neither won nor profit_bps; got {shown(dict(record))}. Add one or both.")


def _model(model: Any, row: int, names: list[str]) -> int:
    if _missing(model):
        return -1
    if isinstance(model, str) and model in names:
        return names.index(model)
    if isinstance(model, (list, tuple, np.ndarray, pd.Series)):
        raise ValueError(
            f"model of trades[{row}] must be one name, since a dict is one trade; got {shown(model)}. Pass a DataFrame "
            "or a list of dicts for several trades."
        )
    raise ValueError(
        f"model of trades[{row}] must be one of {', '.join(map(repr, names))}, or None for the ensemble; got "
        f"{shown(model)}.{_meant(model, names)}"
    )


def _outcome(record: Mapping[str, Any], row: int) -> tuple[float, float]:
    """Return won and profit of a trade, either of them NaN where the trade does not say."""
    won = _flag(record["won"], row) if "won" in record else math.nan
    if "profit_bps" not in record:
        return won, math.nan
    profit = _number(record["profit_bps"], f"profit_bps of trades[{row}]")
    if "won" in record and won != (profit > 0):
        raise ValueError(
            f"won of trades[{row}] contradicts its profit_bps: got won={bool(won)} with profit_bps={profit:g}. A trade "
            "is won if its profit is above 0; correct one of the two, or leave won out."
        )
    return (float(profit > 0) if profit else math.nan), profit


def _flag(won: Any, row: int) -> float:
    if isinstance(won, (bool, np.bool_)):
        return float(won)
    if isinstance(won, (int, float, np.number)) and won in (0, 1):
        return float(won)
    advice = "Leave it out where it is not known." if _missing(won) else "Text and other numbers are not read."
    raise ValueError(f"won of trades[{row}] must be True or False; got {shown(won)}. {advice}")


def _number(value: Any, what: str) -> float:
    numeric = isinstance(value, (numbers.Number, np.number)) and not isinstance(value, (bool, complex))
    try:
        number = float(value) if numeric else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        advice = " Leave it out where it is not known." if _missing(value) else ""
        raise ValueError(f"{what} must be a finite number; got {shown(value)}.{advice}")
    return number


def _weight(record: Mapping[str, Any], row: int) -> float:
    weight = _number(record.get("sample_weight", 1.0), f"sample_weight of trades[{row}]")
    if weight < 0:
        raise ValueError(f"sample_weight of trades[{row}] must not be negative; got {weight:g}.")
    return weight


def _regime(label: Any, row: int, regimes: set[Hashable]) -> Hashable | None:
    if _missing(label):
        return None
    if not isinstance(label, Hashable):
        raise ValueError(f"regime of trades[{row}] must be one label, or None where it is unknown; got {shown(label)}.")
    return label if label in regimes else None


def _times(records: list[Mapping[str, Any]]) -> npt.NDArray[np.object_] | None:
    if not any("time" in record for record in records):
        return None
    times = [record.get("time") for record in records]
    for row, time in enumerate(times):
        if _missing(time):
            raise ValueError(f"time of trades[{row}] is missing; got {shown(time)}. Give all times or none.")
        if row and _earlier(time, times[row - 1], row):
            raise ValueError(
                f"time of trades[{row}] goes backwards; got {shown(time)} after {shown(times[row - 1])}. Sort the "
                "trades by time: what is learned depends on the order."
            )
    return _objects(times)


def _earlier(time: Any, before: Any, row: int) -> bool:
    try:
        return bool(time < before)
    except TypeError:
        raise ValueError(
            f"time of trades[{row}] cannot be compared with the one before; got {shown(time)} after {shown(before)}. "
            "Give all times in one kind, with a time zone or without."
        ) from None


def _check_unit(profits_bps: Array) -> None:
    sizes = np.abs(profits_bps[np.isfinite(profits_bps) & (profits_bps != 0)])
    if sizes.size and np.median(sizes) < _USUAL_FRACTION and sizes.max() < _LARGEST_FRACTION:
        raise ValueError(
            f"profit_bps of trades looks like fractions: half of the profits are at most {np.median(sizes):.3g} in "
            "size. A profit of 1 % is 100 basis points; multiply by 10,000."
        )


def _missing(value: Any) -> bool:
    """Say whether a value is one of the many ways to say that there is none."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _meant(value: Any, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(value, list(known), n=1, cutoff=0.6) if isinstance(value, str) else []
    return f" Did you mean {close[0]!r}?" if close else ""


def _objects(values: list[Any]) -> npt.NDArray[np.object_]:
    """Make an array of objects of one dimension, also where the objects are tuples."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array

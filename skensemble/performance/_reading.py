"""What a ledger is handed: read as numbers of the right shape, or refused with a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from skensemble._checks import shown
from skensemble.performance._intervals import Array

__all__ = ["check_shares", "distinct_names", "read_memberships", "read_table", "row_weights"]


def distinct_names(names: Sequence[Any], what: str, reserved: tuple[str, ...]) -> tuple[Any, ...]:
    """Refuse names that would mix up two records."""
    names, seen = tuple(names), set()
    for name in names:
        if name in reserved:
            raise ValueError(
                f"{what} of Ledger may not be called {shown(name)}: somebody else stands under that name in its tables "
                f"and pictures."
            )
        if name in seen:
            raise ValueError(f"{what} of Ledger must all be different; got {shown(name)} twice.")
        seen.add(name)
    return names


def read_memberships(memberships: npt.ArrayLike, n_regimes: int) -> npt.NDArray[Any]:
    """Read shares of the regimes, or the position of one regime for each row."""
    if isinstance(memberships, np.ndarray) and memberships.ndim == 1 and memberships.dtype.kind == "i":
        wrong = (memberships < -1) | (memberships >= n_regimes)
        if wrong.any():
            raise ValueError(
                f"memberships of the ledger must be positions of its {n_regimes} regimes, or -1; got "
                f"{memberships[wrong][0]} in row {int(np.argmax(wrong))}."
            )
        return memberships
    shares = read_table(memberships, "memberships", (None, n_regimes), "one column per regime")
    totals = shares.sum(axis=1)
    # Written so that NaN is refused too.
    if not (shares.min(initial=0.0) >= 0 and totals.max(initial=0.0) <= 1 + 1e-6):
        row = int(np.argmin((shares >= 0).all(axis=1) & (totals <= 1 + 1e-6)))
        raise ValueError(
            "memberships of the ledger must be at least 0 and add up to at most 1 in every row; "
            f"got {shown(shares[row].tolist())} in row {row}."
        )
    return shares


def read_table(values: npt.ArrayLike, name: str, shape: tuple[int | None, int], columns: str) -> Array:
    """Read numbers of a given shape; None stands for any number of rows."""
    table = _numbers(values, name)
    if table.ndim != 2 or table.shape[1] != shape[1] or shape[0] not in (None, len(table)):
        rows = "n_samples" if shape[0] is None else shape[0]
        raise ValueError(
            f"{name} of the ledger must have one row per outcome and {columns}, a shape of ({rows}, {shape[1]}); "
            f"got {table.shape}."
        )
    return table


def _numbers(values: npt.ArrayLike, name: str) -> Array:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} of the ledger must be numbers; got {shown(values)}.") from error


def row_weights(sample_weight: npt.ArrayLike | None, n: int) -> Array:
    if sample_weight is None:
        return np.ones(n)
    weights = _numbers(sample_weight, "sample_weight")
    if weights.shape != (n,) or not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(
            f"sample_weight of the ledger must be {n} finite numbers of at least 0; got {shown(weights.tolist())}."
        )
    return weights


def check_shares(values: Array, name: str) -> None:
    if ((values < 0) | (values > 1)).any():
        wrong = values[(values < 0) | (values > 1)][0]
        raise ValueError(f"{name} of the ledger must lie between 0 and 1, or be NaN; got {shown(float(wrong))}.")

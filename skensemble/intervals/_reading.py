"""What the parts of this folder are handed: read as numbers of the right shape, or refused with a sentence."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from skensemble._checks import shown

__all__ = [
    "Array",
    "Shares",
    "check_length",
    "present",
    "read_classes",
    "read_column",
    "read_memberships",
    "read_numbers",
    "read_probabilities",
    "read_stated",
    "read_weights",
]

Array: TypeAlias = npt.NDArray[np.float64]
# The regimes that one row has a share of, and how large it is.
Shares: TypeAlias = list[tuple[int, float]]

# A sum of shares may exceed 1 by what rounding left.
_ROUNDING = 1e-6


def read_numbers(values: object, name: str, owner: str) -> Array:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} of {owner} must be numbers; got {shown(values)}.") from error


def read_column(values: npt.ArrayLike, name: str, owner: str, n: int | None = None) -> Array:
    """Read one number per row; ``n`` says how many rows there are, if that is known."""
    column = read_numbers(values, name, owner)
    if column.ndim != 1:
        raise ValueError(f"{name} of {owner} must be one number per row, a shape of (n_samples,); got {column.shape}.")
    if n is not None:
        check_length(column, name, owner, n)
    return column


def check_length(values: Array, name: str, owner: str, n: int) -> None:
    if len(values) != n:
        raise ValueError(f"{name} of {owner} must have one entry for each of the {n} rows; got {len(values)}.")


def read_memberships(memberships: npt.ArrayLike, owner: str, n: int, n_regimes: int) -> Array:
    shares = read_numbers(memberships, "memberships", owner)
    if shares.shape != (n, n_regimes):
        raise ValueError(
            f"memberships of {owner} must have one row per sample and one column per regime, a shape of "
            f"{(n, n_regimes)}; got {shares.shape}."
        )
    # Both fail where something is NaN.
    if shares.size and not (shares.min() >= 0.0 and shares.sum(axis=1).max() <= 1.0 + _ROUNDING):
        raise ValueError(
            f"memberships of {owner} must be shares of at least 0 that add up to at most 1 in each row; got "
            f"{shown(shares.tolist())}."
        )
    return shares


def read_probabilities(probabilities: npt.ArrayLike, owner: str) -> Array:
    """Read one probability per row and class; a row that is NaN somewhere becomes NaN altogether."""
    table = read_numbers(probabilities, "probabilities", owner)
    if table.ndim != 2 or not table.shape[1]:
        raise ValueError(
            f"probabilities of {owner} must have one row per sample and one column for each class; got a shape of "
            f"{table.shape}."
        )
    unknown = np.isnan(table).any(axis=1, keepdims=True)
    if unknown.any():
        table = np.where(unknown, np.nan, table)
    if ((table < 0.0) | (table > 1.0 + _ROUNDING)).any():
        raise ValueError(f"probabilities of {owner} must lie between 0 and 1; got {shown(table.tolist())}.")
    return table


def read_classes(targets: npt.ArrayLike, owner: str, shape: tuple[int, ...]) -> npt.NDArray[np.intp]:
    """Read which class came true, from a one in its column; -1 where none did or nobody knows."""
    table = read_numbers(targets, "targets", owner)
    if table.shape != shape:
        raise ValueError(
            f"targets of {owner} must have one row per sample and one column per class, a shape of {shape}; got "
            f"{table.shape}."
        )
    known, ones = ~np.isnan(table).any(axis=1), table == 1.0
    plain = ones.sum(axis=1) <= 1
    if (known & ~(plain & (ones | (table == 0.0)).all(axis=1))).any():
        raise ValueError(
            f"targets of {owner} must have a 1 for the class that came true and 0 for all others; got "
            f"{shown(table.tolist())}."
        )
    return np.where(known & ones.any(axis=1), ones.argmax(axis=1), -1)


def read_weights(sample_weight: npt.ArrayLike | None, owner: str, n: int) -> Array:
    if sample_weight is None:
        return np.ones(n)
    weights = read_column(sample_weight, "sample_weight", owner, n)
    if not ((weights >= 0) & np.isfinite(weights)).all():
        raise ValueError(f"sample_weight of {owner} must be finite and not negative; got {shown(weights.tolist())}.")
    return weights


def read_stated(stated: npt.ArrayLike | None, owner: str, shape: tuple[int, ...]) -> list[Any]:
    """Read what was said of each row earlier; None for a row of which nobody hands it over."""
    if stated is None:
        return [None] * shape[0]
    table = read_numbers(stated, "stated", owner)
    if table.shape != shape:
        raise ValueError(f"stated of {owner} must be what was stated of each row, of shape {shape}; got {table.shape}.")
    sums = table.sum(axis=tuple(range(1, table.ndim)))
    return [None if math.isnan(total) else said for total, said in zip(sums.tolist(), table.tolist(), strict=True)]


def present(shares: list[float]) -> Shares:
    """Leave out the regimes that a row has nothing of, most of them as a rule."""
    return [(regime, share) for regime, share in enumerate(shares) if share]

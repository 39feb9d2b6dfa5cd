"""Rows to learn from: a fit depends on which rows it was given and how often, never on the order they came in."""

from __future__ import annotations

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.utils import check_array

from skensemble._checks import shown

__all__ = ["Rows", "counted_rows", "is_sparse", "weighted_rows"]

# Whole weights are repetitions as long as that makes the table at most this many rows, or this many times, as long.
MANY_ROWS = 10_000
MANY_TIMES = 4


class Rows(NamedTuple):
    """Rows of one fit: ``values`` (n_rows, n_columns), ``targets`` (n_rows,), ``weight`` (n_rows,) or ``None``."""

    values: Any
    targets: NDArray
    weight: NDArray | None


def is_sparse(values: Any) -> bool:
    """Say whether ``values`` is a sparse matrix or array of scipy."""
    return bool(sparse.issparse(values))


def weighted_rows(values: Any, targets: NDArray, sample_weight: Any, owner: str) -> Rows:
    """Keep the rows of positive weight, with weights of mean one where they are no whole numbers.

    Whole numbers are counts: a row of weight 3 is that row three times. Other weights say only which row matters more,
    so their unit must not decide how strongly a model is regularised.
    """
    if sample_weight is None:
        return Rows(values, targets, None)
    weight = _checked_weight(sample_weight, values.shape[0], owner)
    kept = weight > 0
    if not kept.all():
        values, targets, weight = values[kept], targets[kept], weight[kept]
    if not _whole(weight):
        weight = weight / weight.mean()
    return Rows(values, targets, None if (weight == 1).all() else weight)


def counted_rows(rows: Rows) -> Rows:
    """Write a row as often as its weight says (while that stays affordable) and put the rows in canonical order."""
    values, targets, weight = rows
    if weight is not None and _whole(weight) and weight.sum() <= max(MANY_ROWS, MANY_TIMES * len(weight)):
        times = np.repeat(np.arange(len(weight)), weight.astype(np.intp))
        values, targets, weight = values[times], targets[times], None
    order = _canonical_order(values, targets, weight)
    return Rows(values[order], targets[order], None if weight is None else weight[order])


def _whole(weight: NDArray) -> bool:
    return bool((weight == np.floor(weight)).all())


def _checked_weight(sample_weight: Any, n_rows: int, owner: str) -> NDArray:
    if isinstance(sample_weight, Real):
        sample_weight = np.full(n_rows, sample_weight)
    weight = check_array(sample_weight, ensure_2d=False, dtype=np.float64, input_name="sample_weight")
    if weight.shape != (n_rows,):
        raise ValueError(
            f"sample_weight of {owner} must hold one weight for each of the {n_rows} rows; got shape {weight.shape}."
        )
    if (weight < 0).any():
        raise ValueError(
            f"sample_weight of {owner} must not be negative; got {shown(float(weight.min()))}. "
            "Give rows that must not count a weight of 0."
        )
    if not weight.any():
        raise ValueError(
            f"sample_weight of {owner} gives every row a weight of zero, so there is nothing to learn from. "
            "Give at least one row a positive weight."
        )
    return weight


def _canonical_order(values: Any, targets: NDArray, weight: NDArray | None) -> NDArray:
    """Order rows by a 64-bit fingerprint of their values, then by target: cheap, and the same after any shuffling."""
    factors = np.random.default_rng(0).integers(0, 2**63, size=values.shape[1], dtype=np.uint64)
    factors = factors * np.uint64(2) + np.uint64(1)
    mark = np.zeros(values.shape[0], dtype=np.uint64)
    if is_sparse(values):
        coordinates = values.tocoo()
        np.add.at(mark, coordinates.row, _mixed(coordinates.data) * factors[coordinates.col])
    else:
        for column, factor in enumerate(factors):
            mark += _mixed(values[:, column]) * factor
    return np.lexsort((targets, mark) if weight is None else (weight, targets, mark))


def _mixed(numbers: NDArray) -> NDArray:
    """Scatter the bits of numbers, so that close numbers get unrelated marks (0.0 and -0.0 the same one)."""
    bits = (np.asarray(numbers, dtype=np.float64) + 0.0).view(np.uint64)
    bits = (bits ^ (bits >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)
    return (bits ^ (bits >> np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)

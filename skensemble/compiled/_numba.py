"""The packed trees, walked by machine code: the same table and the same sums, without numpy's step per level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skensemble._translation import translated
from skensemble.compiled._trees import PackedTrees, TreeModel, readings

__all__ = ["NumbaTrees"]

Array = NDArray[np.float64]


class NumbaTrees(PackedTrees):
    """Trees of several models, walked by a loop that numba has translated.

    The loop goes level by level over all trees, as `PackedTrees` does, so that the processor fetches the nodes of many
    trees at a time instead of waiting for one; and it adds the leaves up in the order and the precision of each model.

    Parameters
    ----------
    models : sequence of TreeModel
        The models.
    n_features : int
        Number of features of a row.

    Raises
    ------
    ImportError
        If numba is not installed.

    Examples
    --------
    >>> from skensemble.compiled import tree_model
    >>> from skensemble.models import XGBoostRegressor
    >>> X, y = np.arange(100.0)[:, None], np.arange(100.0)
    >>> model = XGBoostRegressor().fit(X, y)
    >>> (said,) = NumbaTrees([tree_model(model)], 1).answers(X[:5])
    >>> bool((said[:, 0] == model.predict(X[:5])).all())
    True
    """

    def __init__(self, models: Sequence[TreeModel], n_features: int) -> None:
        super().__init__(models, n_features)
        _compiled()
        self._levels = np.array(self._on_their_way, dtype=np.intp)
        # Where in one flat table the answers of a leaf begin.
        sizes = [table.size for table in self._tables]
        begins = np.cumsum([0, *sizes])[:-1]
        self._table = np.concatenate([table.ravel() for table in self._tables])
        self._sums = np.array(
            [
                (part.start, part.stop, begin, table.shape[1], leaves.n_outputs, leaves.single)
                for part, begin, table, leaves in zip(self._parts, begins, self._tables, self._leaves, strict=True)
            ],
            dtype=np.intp,
        )
        starts = [np.broadcast_to(leaves.start, leaves.n_outputs).astype(leaves.dtype) for leaves in self._leaves]
        self._starts = np.concatenate(starts).astype(np.float64)
        self._ends = np.cumsum([leaves.n_outputs for leaves in self._leaves]).tolist()

    def answers(self, X: Array) -> list[Array]:
        """Answer for rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows without infinite values; NaN is a missing value.

        Returns
        -------
        list of ndarray of shape (n_samples, n_outputs)
            What each model says, bit for bit as `PackedTrees` has it.
        """
        totals = np.empty((len(X), len(self._starts)))
        _compiled()(
            readings(X),
            self._nodes,
            self._nan_right,
            self._roots,
            self._levels,
            self._back,
            self._number,
            self._table,
            self._sums,
            self._starts,
            totals,
        )
        answers = []
        begin = 0
        for leaves, part, end in zip(self._leaves, self._parts, self._ends, strict=True):
            total = totals[:, begin:end]
            answers.append(leaves.linked(total / (part.stop - part.start) if leaves.mean else total))
            begin = end
        return answers


def _totals(
    rows: Array,
    nodes: NDArray[Any],
    nan_right: NDArray[np.bool_],
    roots: NDArray[np.int64],
    levels: NDArray[np.intp],
    back: NDArray[np.intp],
    number: NDArray[np.intp],
    table: Array,
    sums: NDArray[np.intp],
    starts: Array,
    totals: Array,
) -> None:
    """Let each row fall through all trees, and add up their leaves, model by model."""
    at = np.empty_like(roots)
    for i in range(len(rows)):
        at[:] = roots
        gaps = np.isnan(rows[i]).any()
        for n_trees in levels:
            for tree in range(n_trees):
                node = nodes[at[tree]]
                asked = rows[i, node.feature]
                right = asked > node.threshold
                if gaps:
                    right |= np.isnan(asked) & nan_right[at[tree]]
                at[tree] = node.left + right
        output = 0
        for first, last, begin, n_values, n_outputs, single in sums:
            for turn in range(n_outputs):
                total = starts[output]
                step, value = (1, turn) if n_values > 1 else (n_outputs, 0)
                for tree in range(first + (0 if n_values > 1 else turn), last, step):
                    leaf = table[begin + number[at[back[tree]]] * n_values + value]
                    # The sum of two singles in double precision, rounded, is their sum in single precision.
                    total = np.float64(np.float32(total + np.float32(leaf))) if single else total + leaf
                totals[i, output] = total
                output += 1


@cache
def _compiled() -> Callable[..., None]:
    return translated(_totals)

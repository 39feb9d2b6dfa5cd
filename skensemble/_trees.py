"""All trees of all models in one table, so that one row falls through all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

__all__ = ["Leaves", "PackedTrees", "Tree", "TreeModel", "readings"]

Array = NDArray[np.float64]

# One record per node, so that a step down fetches one line of memory. The right child follows the left one.
_NODE = np.dtype([("threshold", "f8"), ("left", "i4"), ("feature", "i4")])

_NO_CHILD = -1

# The order in which a row holds its features.
READINGS = ("double", "single", "stored")
NEAR_ZERO = float(np.float32(1e-35))
FAR = 1e300


class Tree(NamedTuple):
    """One decision tree: a row goes left where its feature is at most the threshold.

    Parameters
    ----------
    feature : ndarray of int of shape (n_nodes,)
        Which feature each node asks for.
    threshold : ndarray of shape (n_nodes,)
        With what it is compared.
    left, right : ndarray of int of shape (n_nodes,)
        The children; -1 in a leaf.
    nan_left : ndarray of bool of shape (n_nodes,)
        Whether a missing value goes left.
    value : ndarray of shape (n_nodes, n_values)
        What a leaf answers.

    Examples
    --------
    >>> stump = Tree(*map(np.array, ([0, 0, 0], [0.5, 0, 0], [1, -1, -1], [2, -1, -1], [True] * 3, [[0.0], [1], [2]])))
    >>> stump.value[stump.left[0]]
    array([1.])
    """

    feature: NDArray[Any]
    threshold: Array
    left: NDArray[Any]
    right: NDArray[Any]
    nan_left: NDArray[np.bool_]
    value: Array


@dataclass(frozen=True)
class Leaves:
    """How the leaves that a row reaches become an answer: added up in the model's own order and precision.

    Parameters
    ----------
    n_outputs : int
        Numbers per row; the trees stand for them in turn, unless a leaf holds them all.
    start : tuple of float, default=(0.0,)
        What the trees are added to.
    single : bool, default=False
        Whether the model adds in single precision.
    mean : bool, default=False
        Whether the answer is the mean of the trees, not their sum.
    link : {"identity", "expit", "softmax"}, default="identity"
        What turns the sum into the answer; ``"expit"`` makes the probabilities of two classes of it.
    shift, scale : float, default=0.0, 1.0
        The answer is ``shift + scale * sum``.

    Examples
    --------
    >>> Leaves(1, scale=10.0).answer(np.array([[[1.0], [2.0]]]))
    array([[30.]])
    """

    n_outputs: int
    start: tuple[float, ...] = (0.0,)
    single: bool = False
    mean: bool = False
    link: str = "identity"
    shift: float = 0.0
    scale: float = 1.0

    @property
    def n_columns(self) -> int:
        """How many numbers a row gets: one for each of two classes, though one sum stands for both."""
        return 2 if self.link == "expit" else self.n_outputs

    @property
    def dtype(self) -> type[np.floating[Any]]:
        """In what the leaves are added up."""
        return np.float32 if self.single else np.float64

    def answer(self, values: Array) -> Array:
        """Add up what the trees say.

        Parameters
        ----------
        values : ndarray of shape (n_samples, n_trees, n_values)
            The leaf of each tree.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            The model's answer.
        """
        n_samples, n_trees, _ = values.shape
        each = values.reshape(n_samples, -1, self.n_outputs).astype(self.dtype)
        begin = np.broadcast_to(np.asarray(self.start, dtype=each.dtype), (n_samples, 1, self.n_outputs))
        # One after the other, as the libraries do: a pairwise sum would differ in the last digits.
        total = np.add.accumulate(np.concatenate([begin, each], axis=1), axis=1)[:, -1].astype(np.float64)
        return self.linked(total / n_trees if self.mean else total)

    def linked(self, total: Array) -> Array:
        """Turn what the trees add up to into the answer.

        Parameters
        ----------
        total : ndarray of shape (n_samples, n_outputs)
            Sum, or mean, of the leaves.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            The model's answer.
        """
        if self.link == "expit":
            second = expit(total)
            return np.column_stack([1.0 - second, second])
        if self.link == "softmax":
            return softmax(total, axis=1)
        return self.shift + self.scale * total


class TreeModel(NamedTuple):
    """A model that is nothing but trees.

    Parameters
    ----------
    trees : sequence of Tree
        The trees, in the order in which the model adds them up.
    leaves : Leaves
        How their leaves become an answer.
    reading : {"double", "single", "stored"}
        How the model reads a feature before it compares: as it is, rounded to single precision, or as LightGBM stores
        it, nearer to 0 than ``1e-35`` as 0, and nothing beyond ``1e300``.
    takes_missing : bool
        Whether the model answers for rows with missing values.

    Examples
    --------
    >>> TreeModel([], Leaves(1), "single", takes_missing=False).reading
    'single'
    """

    trees: Sequence[Tree]
    leaves: Leaves
    reading: str
    takes_missing: bool


class PackedTrees:
    """The trees of several models, packed so that one step takes a row one level down in all of them.

    Every library compares in its own way: XGBoost ``float32(x) < t``, a forest of scikit-learn ``float32(x) <= t``,
    LightGBM ``x <= t`` in double precision. All of them are ``x <= t`` with a threshold of their own, on a row that
    holds each feature once for every way of reading it. So nothing is lost, and nothing is compared differently.

    Nodes are stored level by level over all trees, the two children of a node side by side: a step is one gather of
    nodes, one of features, and one comparison.

    Parameters
    ----------
    models : sequence of TreeModel
        The models.
    n_features : int
        Number of features of a row.

    Examples
    --------
    >>> stump = Tree(*map(np.array, ([0, 0, 0], [0.5, 0, 0], [1, -1, -1], [2, -1, -1], [True] * 3, [[0.0], [1], [2]])))
    >>> packed = PackedTrees([TreeModel([stump, stump], Leaves(1), "double", takes_missing=True)], 1)
    >>> packed.answers(np.array([[0.5], [0.6], [np.nan]]))
    [array([[2.],
           [4.],
           [2.]])]
    """

    def __init__(self, models: Sequence[TreeModel], n_features: int) -> None:
        trees = [tree for model in models for tree in model.trees]
        offsets = np.cumsum([0, *(len(tree.feature) for tree in trees)])
        if offsets[-1] > np.iinfo(np.int32).max:
            raise ValueError(f"The trees have {offsets[-1]} nodes: more than can be numbered.")
        shifted = [READINGS.index(model.reading) * n_features for model in models for _ in model.trees]
        left = np.concatenate([_moved(tree.left, by) for tree, by in zip(trees, offsets, strict=False)])
        right = np.concatenate([_moved(tree.right, by) for tree, by in zip(trees, offsets, strict=False)])
        feature = np.concatenate(
            [(tree.feature + by).astype(np.int32) for tree, by in zip(trees, shifted, strict=True)]
        )
        order, depths = _by_level(left, right, offsets[:-1])
        leaf = left[order] == _NO_CHILD
        # A leaf is its own left child, and every value is at most infinity: who has arrived stays.
        self._nodes = np.empty(len(order), dtype=_NODE)
        self._nodes["threshold"] = np.where(leaf, np.inf, np.concatenate([tree.threshold for tree in trees])[order])
        # Behind the roots stand the pairs of children, in the order of their parents.
        behind = len(trees) - 2 + 2 * np.cumsum(~leaf, dtype=np.int32)
        self._nodes["left"] = np.where(leaf, np.arange(len(order), dtype=np.int32), behind)
        self._nodes["feature"] = np.where(leaf, 0, feature[order])
        self._nan_right = ~(np.concatenate([tree.nan_left for tree in trees])[order] | leaf)
        # The deepest first, so that those still on their way are always the first ones.
        self._roots = np.argsort(-depths, kind="stable")
        self._back = np.argsort(self._roots)
        self._on_their_way = [int((depths > level).sum()) for level in range(int(depths.max(initial=0)))]
        self._number, self._tables = _leaf_numbers(models, order)
        ends = np.cumsum([len(model.trees) for model in models])
        self._parts = [slice(end - len(model.trees), end) for model, end in zip(models, ends, strict=True)]
        self._leaves = [model.leaves for model in models]

    def answers(self, X: Array) -> list[Array]:
        """Answer for rows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows without infinite values; NaN is a missing value.

        Returns
        -------
        list of ndarray of shape (n_samples, n_outputs)
            What each model says.
        """
        reached = np.stack([self._reached(row) for row in readings(X)])
        return [
            leaves.answer(table[reached[:, part]])
            for leaves, table, part in zip(self._leaves, self._tables, self._parts, strict=True)
        ]

    def edges(self, X: Array, n_rows: int, random_state: np.random.RandomState) -> Array:
        """Make rows that stand exactly on thresholds, and one step beyond: where a wrong comparison shows.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
            Rows to start from.
        n_rows : int
            How many to make.
        random_state : RandomState
            Draws rows and thresholds.

        Returns
        -------
        ndarray of shape (n_rows, n_features)
            The rows; none if no tree asks anything.
        """
        asking = np.flatnonzero(np.isfinite(self._nodes["threshold"]))
        if not len(asking):
            return np.empty((0, X.shape[1]))
        rows = X[random_state.randint(len(X), size=n_rows)]
        drawn = self._nodes[asking[random_state.randint(len(asking), size=n_rows)]]
        toward = np.array([-np.inf, 0.0, np.inf])[random_state.randint(3, size=n_rows)]
        beside = np.where(toward == 0, drawn["threshold"], np.nextafter(drawn["threshold"], toward))
        rows[np.arange(n_rows), drawn["feature"] % X.shape[1]] = beside
        return rows

    def _reached(self, row: Array) -> NDArray[np.intp]:
        """Return the number of the leaf that a row reaches in each tree."""
        at = self._roots.copy()
        gaps = bool(np.isnan(row).any())
        for n_trees in self._on_their_way:
            here = at[:n_trees]
            nodes = self._nodes.take(here)
            asked = row.take(nodes["feature"])
            right = asked > nodes["threshold"]
            if gaps:
                right |= np.isnan(asked) & self._nan_right.take(here)
            at[:n_trees] = nodes["left"] + right
        return self._number.take(at.take(self._back))


def readings(X: Array) -> Array:
    """Put each row beside itself, once for every way of reading it.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.

    Returns
    -------
    ndarray of shape (n_samples, 3 * n_features)
        What the packed trees ask about.

    Examples
    --------
    >>> readings(np.array([[0.1, 1e-40]]))[0, [0, 2, 4, 5]].tolist()
    [0.1, 0.10000000149011612, 0.1, 0.0]
    """
    with np.errstate(over="ignore"):  # beyond single precision is infinity to such a model, too
        single = X.astype(np.float32).astype(np.float64)
    stored = np.maximum(np.minimum(np.where(np.abs(X) <= NEAR_ZERO, 0.0, X), FAR), -FAR)
    return np.concatenate([X, single, stored], axis=1)


def _moved(children: NDArray[Any], by: int) -> NDArray[np.int32]:
    return np.where(children == _NO_CHILD, _NO_CHILD, children + by).astype(np.int32)


def _by_level(
    left: NDArray[np.int32], right: NDArray[np.int32], roots: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the nodes level by level, siblings side by side, and the depth of each tree."""
    levels, owner = [roots.astype(np.int32)], np.arange(len(roots))
    depths = np.zeros(len(roots), dtype=np.int64)
    while True:
        splits = left[levels[-1]] != _NO_CHILD
        if not splits.any():
            return np.concatenate(levels), depths
        parents, owner = levels[-1][splits], np.repeat(owner[splits], 2)
        depths[owner] = len(levels)
        levels.append(np.column_stack([left[parents], right[parents]]).ravel())


def _leaf_numbers(models: Sequence[TreeModel], order: NDArray[np.int64]) -> tuple[NDArray[np.intp], list[Array]]:
    """Number the leaves of each model, and list what they answer."""
    numbers, tables = [], []
    for model in models:
        leaves = [tree.left == _NO_CHILD for tree in model.trees]
        numbers.append(np.cumsum(np.concatenate(leaves)) - 1)
        tables.append(np.concatenate([tree.value[leaf] for tree, leaf in zip(model.trees, leaves, strict=True)]))
    return np.concatenate(numbers)[order], tables

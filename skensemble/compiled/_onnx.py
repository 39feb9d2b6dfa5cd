"""The packed trees as one graph for ONNX Runtime: the same comparisons in double precision, walked in C."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skensemble._trees import READINGS, PackedTrees, TreeModel, readings

__all__ = ["OnnxTrees"]

Array = NDArray[np.float64]

_NODE_COLUMNS = ("leaf", "tree", "node", "feature", "threshold", "left", "right", "nan_left")


class OnnxTrees(PackedTrees):
    """Trees of several models in one graph of ONNX Runtime.

    One operator (``TreeEnsembleRegressor``) holds all trees of all models, on the same row and with the same
    thresholds as `PackedTrees`; each model has its own targets. ONNX adds leaves up in single precision, so that an
    answer differs from the model's own in the seventh digit.

    Parameters
    ----------
    models : sequence of TreeModel
        The models.
    n_features : int
        Number of features of a row.

    Raises
    ------
    ImportError
        If ONNX Runtime is not installed.

    References
    ----------
    ONNX, operator ``ai.onnx.ml.TreeEnsembleRegressor``, version 3 (double precision since 2021).

    Examples
    --------
    >>> from skensemble.compiled import tree_model
    >>> from skensemble.models import XGBoostRegressor
    >>> X, y = np.arange(100.0)[:, None], np.arange(100.0)
    >>> model = XGBoostRegressor().fit(X, y)
    >>> (said,) = OnnxTrees([tree_model(model)], 1).answers(X[:5])
    >>> bool(np.allclose(said[:, 0], model.predict(X[:5]), rtol=1e-6))
    True
    """

    def __init__(self, models: Sequence[TreeModel], n_features: int) -> None:
        super().__init__(models, n_features)
        self._graph = _graph(models, n_features)
        self._session = _session(self._graph)

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
        (sums,) = self._session.run(None, {"X": readings(X)})
        ends = np.cumsum([leaves.n_outputs for leaves in self._leaves])[:-1]
        return [
            leaves.linked(np.asarray(leaves.start) + part)
            for leaves, part in zip(self._leaves, np.split(sums, ends, axis=1), strict=True)
        ]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_session"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _session=_session(state["_graph"]))


def _libraries() -> tuple[Any, Any]:
    try:
        import onnx.helper  # noqa: PLC0415 - loaded where it is needed, and an extra
        import onnxruntime  # noqa: PLC0415 - the same
    except ImportError as error:
        raise ImportError(
            f"engine='onnx' needs ONNX Runtime ({error}): pip install \"skensemble[fast]\", or use engine='packed'."
        ) from error
    return onnx, onnxruntime


def _session(graph: bytes) -> Any:
    _, onnxruntime = _libraries()
    options = onnxruntime.SessionOptions()
    # One row gives threads nothing to share, and waking them costs more than the row.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _graph(models: Sequence[TreeModel], n_features: int) -> bytes:
    onnx, _ = _libraries()
    helper, kinds = onnx.helper, onnx.TensorProto
    nodes, leaves = _columns(models, n_features)
    n_targets = sum(model.leaves.n_outputs for model in models)
    operator = helper.make_node(
        "TreeEnsembleRegressor",
        ["X"],
        ["sums"],
        domain="ai.onnx.ml",
        aggregate_function="SUM",
        post_transform="NONE",
        n_targets=n_targets,
        nodes_modes=np.where(nodes["leaf"], "LEAF", "BRANCH_LEQ").tolist(),
        nodes_treeids=nodes["tree"].tolist(),
        nodes_nodeids=nodes["node"].tolist(),
        nodes_featureids=nodes["feature"].tolist(),
        nodes_values_as_tensor=_tensor(onnx, "nodes_values", nodes["threshold"]),
        nodes_truenodeids=nodes["left"].tolist(),
        nodes_falsenodeids=nodes["right"].tolist(),
        nodes_missing_value_tracks_true=nodes["nan_left"].tolist(),
        target_treeids=leaves["tree"].tolist(),
        target_nodeids=leaves["node"].tolist(),
        target_ids=leaves["target"].tolist(),
        target_weights_as_tensor=_tensor(onnx, "target_weights", leaves["weight"]),
    )
    rows = helper.make_tensor_value_info("X", kinds.DOUBLE, [None, len(READINGS) * n_features])
    sums = helper.make_tensor_value_info("sums", kinds.FLOAT, [None, n_targets])
    graph = helper.make_graph([operator], "trees", [rows], [sums])
    versions = [helper.make_opsetid("ai.onnx.ml", 3), helper.make_opsetid("", 15)]
    return helper.make_model(graph, opset_imports=versions, ir_version=8).SerializeToString()


def _tensor(onnx: Any, name: str, values: Array) -> Any:
    return onnx.helper.make_tensor(name, onnx.TensorProto.DOUBLE, [len(values)], values.tobytes(), raw=True)


def _columns(models: Sequence[TreeModel], n_features: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """List all nodes of all trees, and all values of all leaves."""
    nodes: dict[str, list[Any]] = {name: [] for name in _NODE_COLUMNS}
    leaves: dict[str, list[Any]] = {name: [] for name in ("tree", "node", "target", "weight")}
    number, first = 0, 0
    for model in models:
        n_outputs = model.leaves.n_outputs
        for turn, tree in enumerate(model.trees):
            leaf = tree.left < 0
            each = {
                "leaf": leaf,
                "tree": np.full(len(leaf), number),
                "node": np.arange(len(leaf)),
                "feature": np.where(leaf, 0, tree.feature + READINGS.index(model.reading) * n_features),
                "threshold": np.where(leaf, 0.0, tree.threshold),
                "left": np.where(leaf, 0, tree.left),
                "right": np.where(leaf, 0, tree.right),
                "nan_left": tree.nan_left.astype(int),
            }
            n_values = tree.value.shape[1]
            at = np.flatnonzero(leaf)
            weight = tree.value[at] / (len(model.trees) if model.leaves.mean else 1)
            target = first + (np.arange(n_values) if n_values > 1 else np.array([turn % n_outputs]))
            for name, values in each.items():
                nodes[name].append(values)
            leaves["tree"].append(np.full(weight.size, number))
            leaves["node"].append(np.repeat(at, n_values))
            leaves["target"].append(np.tile(target, len(at)))
            leaves["weight"].append(weight.ravel())
            number += 1
        first += n_outputs
    return _joined(nodes), _joined(leaves)


def _joined(columns: dict[str, list[Any]]) -> dict[str, Any]:
    return {name: np.concatenate(parts) for name, parts in columns.items()}

"""A fitted ensemble made ready for one row at a time: all trees of all models in one table, verified."""

from skensemble._trees import Leaves, PackedTrees, Tree, TreeModel
from skensemble.compiled._ensemble import CompiledEnsemble, kept_rows
from skensemble.compiled._numba import NumbaTrees
from skensemble.compiled._onnx import OnnxTrees
from skensemble.compiled._reading import tree_model

__all__ = [
    "CompiledEnsemble",
    "Leaves",
    "NumbaTrees",
    "OnnxTrees",
    "PackedTrees",
    "Tree",
    "TreeModel",
    "kept_rows",
    "tree_model",
]

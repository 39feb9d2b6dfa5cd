"""Trees out of the models of XGBoost, LightGBM and scikit-learn; ``None`` wherever a model is anything else.

Only what the libraries document of their stored models is read; whoever uses it verifies it against the model itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

from skensemble._compat import histogram_nodes
from skensemble._trees import Leaves, Tree, TreeModel
from skensemble.models import LabelEncodedClassifier, NamedModel, answers_as_named, forest_trees

__all__ = ["tree_model"]

_FORESTS = (ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor)

_HISTOGRAMS = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)

# Objectives whose sum of trees is the answer, by the names of XGBoost, LightGBM and scikit-learn.
_SUMS = {
    "reg:squarederror",
    "reg:absoluteerror",
    "reg:pseudohubererror",
    "reg:quantileerror",
    "regression",
    "regression_l1",
    "huber",
    "fair",
    "quantile",
    "mape",
    "squared_error",
    "absolute_error",
}
_XGBOOST_KEYS = {"cats", "gbtree_model_param", "iteration_indptr", "tree_info", "trees"}
_TWO_CLASSES = {"binary:logistic", "binary"}
_CLASSES = {"multi:softprob", "multi:softmax", "multiclass"}


def tree_model(model: Any) -> TreeModel | None:
    """Read the trees of a fitted model.

    Parameters
    ----------
    model : estimator
        A named model, or one of XGBoost, LightGBM or scikit-learn's forests.

    Returns
    -------
    TreeModel or None
        Its trees; ``None`` where it has none, or where it does with them what is not known here: categories, linear
        leaves, DART, objectives with a link of their own.

    Examples
    --------
    >>> from skensemble.models import LinearRegressor, XGBoostRegressor
    >>> X, y = np.arange(100.0)[:, None], np.arange(100.0)
    >>> len(tree_model(XGBoostRegressor(n_estimators=7).fit(X, y)).trees), tree_model(LinearRegressor().fit(X, y))
    (7, None)
    """
    if isinstance(model, LabelEncodedClassifier):
        return tree_model(model.estimator_)
    if not isinstance(model, NamedModel):
        return _library_model(model)
    if not answers_as_named(model) or model.model_ is None or getattr(model, "sparse_", False):
        return None
    reader = _reader(model.model_)
    read = None if reader is None else reader(model.model_)
    if read is None or not hasattr(model, "target_scale_"):
        return read and read._replace(takes_missing=True)
    leaves = replace(read.leaves, shift=model.target_mean_, scale=model.target_scale_)
    return read._replace(leaves=leaves, takes_missing=True)


def _library_model(model: Any) -> TreeModel | None:
    kind = f"{type(model).__module__.partition('.')[0]}.{type(model).__name__}"
    if kind in ("xgboost.XGBRegressor", "xgboost.XGBClassifier"):
        plain = model.missing is None or np.isnan(model.missing)
        return _xgboost_trees(model.get_booster()) if plain else None
    if kind in ("lightgbm.LGBMRegressor", "lightgbm.LGBMClassifier"):
        return _lightgbm_trees(model.booster_)
    reader = _reader(model)
    return None if reader is None else reader(model)


def _reader(inner: Any) -> Callable[[Any], TreeModel | None] | None:
    # Not those derived from them, which may answer otherwise.
    if type(inner) in _FORESTS:
        return forest_trees if inner.n_outputs_ == 1 else None
    if type(inner) in _HISTOGRAMS:
        return _histogram_trees
    library = type(inner).__module__.partition(".")[0]
    readers: dict[str, Callable[[Any], TreeModel | None]] = {"xgboost": _xgboost_trees, "lightgbm": _lightgbm_trees}
    return readers.get(library) if type(inner).__name__ == "Booster" else None


def _histogram_trees(model: Any) -> TreeModel | None:
    known = histogram_nodes(model)
    classes = getattr(model, "classes_", None)
    n_outputs = 1 if classes is None or len(classes) == 2 else len(classes)
    several = "softmax" if n_outputs > 1 else "expit"
    link = _link(model.loss) if classes is None else several
    if known is None or link is None or getattr(model, "is_categorical_", None) is not None:
        return None
    nodes, start = known
    read = [_histogram_tree(each) for each in nodes]
    leaves = Leaves(n_outputs, start=tuple(start.tolist()), link=link)
    return TreeModel(read, leaves, "double", takes_missing=True)


def _histogram_tree(nodes: Any) -> Tree:
    leaf = nodes["is_leaf"].astype(bool)
    left, right = (np.where(leaf, -1, nodes[side].astype(np.int64)) for side in ("left", "right"))
    value = np.where(leaf, nodes["value"], 0.0)[:, None]
    return Tree(nodes["feature_idx"], nodes["num_threshold"], left, right, nodes["missing_go_to_left"] > 0, value)


def _xgboost_trees(booster: Any) -> TreeModel | None:
    learner = json.loads(booster.save_raw("json"))["learner"]
    about, objective = learner["learner_model_param"], learner["objective"]["name"]
    if learner["gradient_booster"]["name"] != "gbtree" or int(about.get("num_target", 1)) > 1:
        return None
    if "c" in learner.get("feature_types", ()):  # categories, which such a model asks for even where no tree does
        return None
    given = json.loads(about["base_score"])
    start = np.atleast_1d(np.asarray(given, dtype=np.float64))
    n_outputs = max(int(about["num_class"]), 1)
    link = _link(objective)
    if link == "expit":
        start = np.log(start / (1.0 - start))
    forest = learner["gradient_booster"]["model"]
    trees, turns = forest["trees"], forest["tree_info"]
    if set(forest) - _XGBOOST_KEYS:  # weights of trees that were dropped (DART), or what later releases may store
        return None
    best = learner["attributes"].get("best_iteration")
    if best is not None:
        rounds = int(best) + 1
        trees, turns = trees[: rounds * n_outputs], turns[: rounds * n_outputs]
        if int(forest["gbtree_model_param"]["num_parallel_tree"]) > 1:
            return None
    in_turn = turns == [number % n_outputs for number in range(len(trees))]
    plain = all(not any(tree["split_type"]) and int(tree["tree_param"]["size_leaf_vector"]) <= 1 for tree in trees)
    if link is None or not trees or not in_turn or not plain:
        return None
    leaves = Leaves(n_outputs, start=tuple(start.tolist()), single=True, link=link)
    return TreeModel([_xgboost_tree(tree) for tree in trees], leaves, "single", takes_missing=True)


def _xgboost_tree(tree: dict[str, Any]) -> Tree:
    condition = np.asarray(tree["split_conditions"], dtype=np.float32)
    # x < t among numbers of single precision is x <= the number before t.
    before = np.nextafter(condition, np.float32(-np.inf)).astype(np.float64)
    left, right = np.asarray(tree["left_children"]), np.asarray(tree["right_children"])
    return Tree(
        np.asarray(tree["split_indices"]),
        before,
        left,
        right,
        np.asarray(tree["default_left"], dtype=bool),
        condition.astype(np.float64)[:, None],
    )


def _lightgbm_trees(booster: Any) -> TreeModel | None:
    stored = booster.dump_model()
    # A function of the user has no name.
    objective, *options = stored.get("objective", "").split() or [""]
    link, n_outputs = _link(objective), stored["num_tree_per_iteration"]
    # A link of another shape than the usual: the square root of the target, a sigmoid that is steeper.
    unusual = set(options) - {f"num_class:{n_outputs}", "sigmoid:1"} or booster.pandas_categorical
    if link is None or unusual or stored.get("average_output") or not stored["tree_info"]:
        return None
    try:
        trees = [_lightgbm_tree(tree["tree_structure"]) for tree in stored["tree_info"]]
    except _UnreadableError:
        return None
    return TreeModel(trees, Leaves(n_outputs, link=link), "stored", takes_missing=True)


class _UnreadableError(Exception):
    """A split or leaf of a kind that is not read here."""


def _lightgbm_tree(root: dict[str, Any]) -> Tree:
    # Each row: feature, threshold, left, right, whether a missing value goes left, and what a leaf answers.
    nodes: list[list[Any]] = []
    waiting = [(root, -1, 0)]
    while waiting:
        node, parent, side = waiting.pop()
        if parent >= 0:
            nodes[parent][side] = len(nodes)
        if "leaf_value" in node:
            if "leaf_const" in node:
                raise _UnreadableError
            nodes.append([0, 0.0, -1, -1, True, node["leaf_value"]])
            continue
        missing = {"NaN": node["default_left"], "None": node["threshold"] >= 0.0}.get(node["missing_type"])
        if node["decision_type"] != "<=" or missing is None:
            raise _UnreadableError
        waiting += [(node["left_child"], len(nodes), 2), (node["right_child"], len(nodes), 3)]
        nodes.append([node["split_feature"], node["threshold"], -1, -1, missing, 0.0])
    feature, threshold, left, right, nan_left, value = zip(*nodes, strict=True)
    return Tree(
        np.array(feature),
        np.array(threshold, dtype=np.float64),
        np.array(left),
        np.array(right),
        np.array(nan_left, dtype=bool),
        np.array(value, dtype=np.float64)[:, None],
    )


def _link(objective: str) -> str | None:
    kinds = (("identity", _SUMS), ("expit", _TWO_CLASSES), ("softmax", _CLASSES))
    return next((link for link, objectives in kinds if objective in objectives), None)

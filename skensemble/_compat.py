"""The only place that reaches for names which scikit-learn marks as private."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing
from sklearn.utils._repr_html.estimator import _VisualBlock
from sklearn.utils.validation import _check_sample_weight

from skensemble._checks import shown

__all__ = [
    "CallbackSupport",
    "callbacks_of",
    "check_sample_weight",
    "drop_travelling_callbacks",
    "histogram_nodes",
    "take_rows",
    "travelling_callbacks",
    "visual_block",
    "with_callbacks",
]


class _NoCallbacks:
    """Stand in for scikit-learn's mixin before 1.9, which had no callbacks."""


def _callback_parts() -> tuple[Any, Callable[[Any], Any]]:
    try:
        from sklearn.callback import CallbackSupportMixin, with_callbacks  # noqa: PLC0415 - not in every release
    except ImportError:
        return _NoCallbacks, lambda method: method
    return CallbackSupportMixin, with_callbacks


CallbackSupport, with_callbacks = _callback_parts()

_MOST_WEIGHT = 1e100


def callbacks_of(estimator: Any) -> list[Any]:
    """Who listens to the fits of an estimator: callbacks of its own, or of whoever it is a part of."""
    return list(getattr(estimator, "_skl_callbacks", ()))


def travelling_callbacks(estimator: Any) -> list[Any]:
    """Callbacks of an estimator that go along into estimators inside others, such as a progress bar."""
    return [each for each in callbacks_of(estimator) if hasattr(each, "max_propagation_depth")]


def drop_travelling_callbacks(estimator: Any) -> None:
    """Take those callbacks off an estimator that go along into others."""
    travelling = travelling_callbacks(estimator)
    if travelling:
        estimator.set_callbacks(*(each for each in callbacks_of(estimator) if each not in travelling))


def check_sample_weight(sample_weight: Any, X: Any) -> NDArray[np.float64]:
    """Sample weights as an array, one for each row of X, none negative."""
    # Newer releases refuse weights that are all zero, which may well be the weights of one row.
    all_zero = "allow_all_zero_weights"
    extra = {all_zero: True} if all_zero in signature(_check_sample_weight).parameters else {}
    try:
        if np.iscomplexobj(np.asarray(sample_weight)):
            raise TypeError("complex numbers are no weights")
        weight = np.asarray(_check_sample_weight(sample_weight, X, ensure_non_negative=True, **extra), dtype=float)
        if (weight > _MOST_WEIGHT).any():
            raise ValueError(f"sums of weights above {_MOST_WEIGHT:g} are no numbers any more")
        return weight
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(
            f"sample_weight must hold one finite number of at least 0 for each of the {X.shape[0]} rows of X; got "
            f"{shown(sample_weight)} ({error})"
        ) from error


def take_rows(values: Any, rows: Any) -> Any:
    """Take rows of an array, frame (pandas or polars), sparse matrix or list; a slice of an array is a view."""
    return _safe_indexing(values, rows)


def histogram_nodes(model: Any) -> tuple[list[Any], NDArray[np.float64]] | None:
    """Nodes of each tree of histogram boosting, and what the trees are added to; ``None`` where it has none."""
    try:
        nodes = [tree.nodes for round_ in model._predictors for tree in round_]
        return nodes, np.ravel(model._baseline_prediction).astype(float)
    except AttributeError:
        return None


def visual_block(stages: list[list[tuple[str, Any]]]) -> Any:
    """Draw named estimators in the HTML of a notebook: those of one stage side by side, one stage below the other."""
    blocks = []
    for stage in stages:
        names, estimators = zip(*stage, strict=True)
        details = [str(estimator) for estimator in estimators]
        blocks.append(_VisualBlock("parallel", estimators, names=names, name_details=details, dash_wrapped=False))
    # The outer one is the ensemble's own box, the inner one puts its stages in a column.
    return _VisualBlock("serial", [_VisualBlock("serial", blocks, dash_wrapped=False)])

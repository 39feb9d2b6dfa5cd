"""The only place that reaches for names which scikit-learn marks as private."""

from __future__ import annotations

from typing import Any

from sklearn.utils import _safe_indexing
from sklearn.utils._repr_html.estimator import _VisualBlock

__all__ = ["take_rows", "visual_block"]


def take_rows(values: Any, rows: Any) -> Any:
    """Take rows of an array, frame (pandas or polars), sparse matrix or list; a slice of an array is a view."""
    return _safe_indexing(values, rows)


def visual_block(names: list[str], estimators: list[Any]) -> Any:
    """Draw estimators side by side in the HTML of a notebook."""
    return _VisualBlock("parallel", estimators, names=names, name_details=[str(e) for e in estimators])

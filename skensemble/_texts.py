"""How numbers, names and shares are written for people: one manner for reprs, tables and reviews."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

__all__ = ["between", "count", "label", "listed", "number", "percent", "shortened", "with_count"]


def shortened(name: object, width: int) -> str:
    """Write a name so that it fits into a column."""
    text = " ".join(label(name).split())
    return text if len(text) <= width else text[: width - 1] + "…"


def label(name: Any) -> str:
    """Write a label of a row, or the name of a model, regime or class; of times no more than counts."""
    if isinstance(name, tuple):
        return ", ".join(map(label, name))
    if isinstance(name, pd.Timestamp) and not pd.isna(name):
        name = f"{name:%Y-%m-%d %H:%M:%S}"
    return str(name).removesuffix(" 00:00:00")


def count(n: float) -> str:
    """Write a number of rows, which shares of rows may have made a broken one."""
    if math.isnan(n):
        return "0"
    return f"{n:,.0f}" if n >= 100 or n == round(n) else f"{n:.3g}"


def number(value: float) -> str:
    """Write a figure with four digits; nothing where there is none."""
    return "" if math.isnan(value) else f"{value:.4g}"


def with_count(value: float, n: float) -> str:
    """Write a figure and behind it of how many rows; nothing where there are none."""
    return f"{number(value)} ({count(n)})" if n else ""


def percent(share: float, digits: int = 1, *, signed: bool = False) -> str:
    """Write a share in percent; nothing where there is none."""
    if math.isnan(share):
        return ""
    if math.isinf(share):
        return "endlessly more" if share > 0 else "endlessly less"
    digits = digits if abs(share) < 10 else 0
    text = f"{100 * share:{'+' if signed else ''},.{digits}f}"
    # A hair below nothing is nothing.
    return (text.replace("-", "+" if signed else "") if not text.strip("+-0.") else text) + " %"


def between(low: str, high: str) -> str:
    """Write an interval behind its figure, the unit but once; nothing where there is none."""
    return f" [{low.removesuffix(' %')}, {high.removesuffix(' %')}]" if low and high else ""


def listed(names: Sequence[object]) -> str:
    """Write names into a sentence."""
    if not names:
        return ""
    *most, last = map(label, names)
    return f"{', '.join(most)} and {last}" if most else last

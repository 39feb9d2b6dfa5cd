"""One voice for errors: every rejected input gets a sentence with who, what (the value printed) and what to do.

Messages are written for a tired person: they name the argument and never an internal function.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sklearn.utils.validation import validate_data

__all__ = [
    "LookAheadWarning",
    "ModelFailureWarning",
    "check_choice",
    "check_columns",
    "check_number",
    "check_part",
    "shown",
]


class LookAheadWarning(UserWarning):
    """Something was asked for that lets a model learn from rows later than those it is judged on."""


class ModelFailureWarning(UserWarning):
    """A model failed and sleeps; the others carry on without it."""


def shown(value: object, limit: int = 80) -> str:
    """Print a value so that it fits into a sentence."""
    text = " ".join(repr(value).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def check_number(
    value: Any,
    name: str,
    owner: str,
    *,
    low: float = float("-inf"),
    high: float = float("inf"),
    open_low: bool = False,
    integer: bool = False,
) -> None:
    """Refuse a parameter that is not a number between ``low`` and ``high`` (``open_low`` leaves ``low`` out)."""
    kinds = "an integer" if integer else "a number"
    bound = f"{'above' if open_low else 'of at least'} {low}" + (f" and at most {high}" if high != float("inf") else "")
    allowed = f"{kinds} {bound}" if low != float("-inf") else kinds
    plain = isinstance(value, (int, float)) or hasattr(value, "__float__")
    in_range = (
        plain
        and not isinstance(value, (bool, str))
        and (value > low if open_low else value >= low)
        and value <= high
        and (not integer or float(value).is_integer())
    )
    if not in_range:
        raise ValueError(f"{name} of {owner} must be {allowed}; got {shown(value)}.")


def check_choice(value: Any, name: str, owner: str, choices: Iterable[str] | Mapping[str, Any]) -> None:
    """Refuse a parameter that is not one of the given words."""
    words = sorted(choices)
    if not isinstance(value, str) or value not in words:
        raise ValueError(f"{name} of {owner} must be one of {', '.join(map(repr, words))}; got {shown(value)}.")


def check_columns(estimator: Any, X: Any, *, reset: bool) -> None:
    """Remember the columns of a frame (``reset=True``), or refuse a frame whose columns are not those remembered.

    Reordered columns are refused too: a model that reads columns by position would answer, and answer wrongly.
    """
    known = [] if reset else list(getattr(estimator, "feature_names_in_", []))
    try:
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    except ValueError as error:
        given = list(getattr(X, "columns", []))
        if not known or not given:
            raise
        raise ValueError(f"{error}\n{_columns_at_odds(type(estimator).__name__, known, given)}") from None


def _columns_at_odds(owner: str, known: list[Any], given: list[Any]) -> str:
    missing = [name for name in known if name not in given]
    unknown = [name for name in given if name not in known]
    wrongs = []
    if missing:
        wrongs.append(f"misses the columns {shown(missing)}")
    if unknown:
        wrongs.append(f"has the columns {shown(unknown)} that fit did not have")
    if not wrongs:
        moved = [f"{name!r} where {before!r} was" for before, name in zip(known, given, strict=False) if before != name]
        wrongs.append(f"has its columns in another order than in fit: {', '.join(moved[:5])}")
        wrongs[0] += f", and {len(moved) - 5} more" if len(moved) > 5 else ""
    return f"X of {owner} {' and '.join(wrongs)}. Pass X[list(estimator.feature_names_in_)], the columns of fit."


def check_part(value: Any, name: str, owner: str, kind: type, example: str) -> None:
    """Refuse a part that is neither ``None`` nor of its family."""
    if value is not None and not isinstance(value, kind):
        hint = f" Did you mean {value.__name__}()?" if isinstance(value, type) and issubclass(value, kind) else ""
        raise ValueError(f"{name} of {owner} must be a {kind.__name__} such as {example}; got {shown(value)}.{hint}")

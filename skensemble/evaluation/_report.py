"""What a check of causality has found, in plain sentences."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from skensemble._checks import shown

__all__ = ["CausalityReport", "Move", "advice", "told_apart"]

_CHANGES = {
    "removed": "the rows from {cut} on were removed",
    "altered": "the rows from {cut} on were altered",
    "outcomes altered": "y was altered from row {cut} on, where it is not known yet",
    "training altered": "the rows it was fitted on were altered from {cut} on, and y where it is not known by then",
}
_DETECTOR = (
    "The regime detector reads the whole batch, as a smoothed hidden Markov model does. Take one that looks back, such "
    "as those of skensemble.regimes, or pass regimes that were known at their rows."
)
# By what the name of the output begins with.
_ADVICE = {
    "output": "Look for centred windows, shift(-k), filling from behind, ranks, means or scalers over all rows, and "
    "joins with values that are final only later, such as the close of the same day.",
    "memberships": _DETECTOR,
    "out_of_fold_.memberships": _DETECTOR,
    "member_predictions": "The model reads the whole batch: what it needs to know of many rows belongs into its fit.",
    "out_of_fold_.": "So the weights were learned with hindsight. Leave cv=None or give a number of forward folds, and "
    "label_horizon where labels are known later; what is fitted before the ensemble, such as a scaler in a Pipeline, "
    "belongs into each model.",
    "": "It reads the whole batch to answer for one row. A hidden Markov model smooths: ask it for each row with the "
    "rows up to it. What must be known of many rows, such as a mean, belongs into fit.",
}
_ADVICE_ON_OUTCOMES = "It uses y before it is known: y.shift(max(label_horizon, 1)) holds what is known at each row."


@dataclass(frozen=True)
class Move:
    """One value of the past that a later row has moved.

    Parameters
    ----------
    output : str
        What was said: the method, the stage of an ensemble, or ``"output"`` for a function.
    part : str
        Which column, model, regime or class of it; empty where there is one only.
    row : int
        Position of the row: of those that moved the one that moved most.
    label : hashable or None
        Its label in the index of X; None where X has none.
    before : object
        The value with the rows as they are.
    after : object
        The value with another future.
    change : {"removed", "altered", "outcomes altered", "training altered"}
        What was done to the future.
    cut : int
        Position of the first row that it was done to.
    cut_label : hashable or None
        Its label.
    n_moved : int
        Rows of the past that moved.
    first_row : int
        Position of the first of them.
    advice : str
        What to look at.

    Examples
    --------
    >>> import pandas as pd
    >>> from skensemble import check_causality
    >>> X = pd.DataFrame({"price": [float(t % 7) for t in range(40)]})
    >>> move = check_causality(lambda X: X["price"].shift(-1), X).move
    >>> move.change, move.cut, move.row, move.before, move.after
    ('removed', 32, 31, 4.0, nan)
    """

    output: str
    part: str
    row: int
    label: Hashable
    before: Any
    after: Any
    change: str
    cut: int
    cut_label: Hashable
    n_moved: int
    first_row: int
    advice: str

    def __str__(self) -> str:
        before, after = told_apart(self.before, self.after)
        what = ", ".join(filter(None, (self.output, self.part)))
        change = _CHANGES[self.change].format(cut=_at(self.cut, self.cut_label))
        also = f" Rows that moved: {self.n_moved:,}, the first is row {self.first_row:,}." if self.n_moved > 1 else ""
        return f"{what} of row {_at(self.row, self.label)} was {before} and is {after} when {change}.{also}"


@dataclass(frozen=True, repr=False)
class CausalityReport:
    """What `check_causality` has found: true where no past output has moved.

    Parameters
    ----------
    checked : str
        What was checked.
    n_samples : int
        Number of rows.
    cuts : tuple of int
        Positions of the first rows of the futures that were removed and altered, in the order tried; the last one is
        that of the move, if there is one.
    outputs : tuple of str
        What was compared.
    move : Move or None
        The move that was found; None where nothing has moved.
    unanswered : tuple of str
        Where it could not answer with an altered future, and why; there, later rows were removed only.

    Examples
    --------
    >>> import pandas as pd
    >>> from skensemble import check_causality
    >>> X = pd.DataFrame({"price": [float(t % 7) for t in range(40)]})
    >>> report = check_causality(lambda X: X.rolling(3).mean(), X, n_cuts=2)
    >>> assert report, report
    >>> report
    The function was not caught looking ahead: output stayed the same for all rows before 4 cuts of 40 rows, with the
    later rows removed and with others in their place.
    """

    checked: str
    n_samples: int
    cuts: tuple[int, ...]
    outputs: tuple[str, ...]
    move: Move | None
    unanswered: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.move is None

    def __str__(self) -> str:
        if self.move is not None:
            return f"{self.checked} looks ahead: {self.move}\n{self.move.advice}"
        both = "with the later rows removed and with others in their place"
        refused = (
            f" It could not answer with others in their place at {len(self.unanswered)} of them: {self.unanswered[0]}"
            if self.unanswered
            else ""
        )
        return (
            f"{self.checked} was not caught looking ahead: {', '.join(self.outputs)} stayed the same for all rows "
            f"before {len(self.cuts)} cuts of {self.n_samples:,} rows, {both}.{refused}"
        )

    def __repr__(self) -> str:
        return str(self)


def _at(row: int, label: Hashable) -> str:
    return f"{row:,}" if label is None else f"{row:,} ({_label(label)})"


def _label(label: Any) -> str:
    if isinstance(label, tuple):
        return ", ".join(map(_label, label))
    return str(label).removesuffix(" 00:00:00")


def told_apart(before: Any, after: Any) -> tuple[str, str]:
    """Print two values with as many digits as it takes to see that they differ."""
    if not (isinstance(before, float) and isinstance(after, float)):
        return _plain(before), _plain(after)
    for digits in (4, 8, 17):
        texts = f"{before:.{digits}g}", f"{after:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return _label(value) if isinstance(value, pd.Timestamp) else shown(value)


def advice(output: str, change: str) -> str:
    """Say what to look at: by what was said, and by what moved it."""
    if change == "outcomes altered":
        return _ADVICE_ON_OUTCOMES
    return next(text for start, text in _ADVICE.items() if output.startswith(start))

"""Does it look ahead? Ask about the same past with several futures, and see whether the answers move.

One idea: what is said of a row may depend on rows up to it alone, so that later ones can be taken away or replaced and
nothing that was said before them moves. One rule: answers are compared where the rows behind them are the same, and
nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.frozen import FrozenEstimator

from skensemble._checks import check_number
from skensemble._training import OutOfFold
from skensemble.evaluation._asking import (
    ask,
    check_can_answer,
    fitted,
    name_of,
    record,
    takes_regimes,
    takes_targets,
)
from skensemble.evaluation._ensembles import ensemble_in
from skensemble.evaluation._futures import (
    FEWEST,
    GOLDEN,
    Rows,
    checked_rows,
    cut_points,
    first_of_its_time,
    n_rows,
    next_time,
    other_future,
    other_outcomes,
    outcomes_known,
    rows_until,
)
from skensemble.evaluation._outputs import RECORD, Found, Output, check_something_said, largest_move, renamed, steps
from skensemble.evaluation._report import CausalityReport, Move, advice, told_apart
from skensemble.splits import times_of

__all__ = ["check_causality"]

# A batch that keeps its size is rounded the same whatever is in it, so that far smaller moves tell.
_SAME_SIZE = 1e-3
# What moves by so many times the difference between two answers to the same question is no noise.
_ABOVE_NOISE = 10.0

Answer = Callable[[Rows, str], list[Output]]


class _Future(NamedTuple):
    """What might have been known behind a cut.

    Attributes
    ----------
    change : str
        What is done to the rows, as `Move` calls it.
    start : int
        The first row that it is done to.
    n_past : int
        So many rows must not notice.
    rows : Rows
        The rows as they would have been.
    is_plain : bool
        Whether there must be an answer: these rows are many enough, and none of them is made up.
    """

    change: str
    start: int
    n_past: int
    rows: Rows
    is_plain: bool = False

    @property
    def about(self) -> str:
        return f"all rows, but with those from {self.start:,} on {self.change.split()[-1]}"


class _Trial(NamedTuple):
    """What came of asking about several futures.

    Attributes
    ----------
    outputs : tuple of str
        What was compared.
    cuts : tuple of int
        The cuts that were tried.
    unanswered : tuple of str
        Where there was no answer.
    move : Move or None
        What moved.
    """

    outputs: tuple[str, ...] = ()
    cuts: tuple[int, ...] = ()
    unanswered: tuple[str, ...] = ()
    move: Move | None = None


def check_causality(
    estimator: Any,
    X: Any,
    y: Any = None,
    *,
    regimes: Any = None,
    label_horizon: Any = None,
    n_cuts: int = 10,
    tolerance: float = 1e-4,
) -> CausalityReport:
    """Find out whether what is said of a row depends on later rows.

    For your own feature functions, transformers, detectors, models, pipelines and ensembles. At several cuts the rows
    behind the cut are removed, and replaced by others; what was said of the rows before it must not move. The first
    output that does is reported, with the row, the two values, and what was done to the future.

    A function is called with X (and y, if it takes it). An estimator is cloned, fitted on the first half of the rows,
    and asked by every method it has: ``predict_proba``, ``predict``, ``decision_function``, ``transform``; an ensemble
    stage by stage, a Pipeline step by step; only where there is nothing else by ``fit_predict`` and ``fit_transform``.
    An ensemble is also fitted twice more on the first half with another future in it: the out-of-fold record, from
    which its weights are learned, must not move before that either.

    Parameters
    ----------
    estimator : callable or estimator
        What is checked. It must answer with one row for each row of X, or with a frame whose index says which rows it
        speaks of. What is frozen (``FrozenEstimator``), or fitted and cannot be cloned, is asked as it is.
    X : array-like of shape (n_samples, ...)
        Rows, oldest first, at least 20: an array, a frame, a series or a sparse matrix. Rows of one time (in a
        DatetimeIndex, or in such a level of a MultiIndex) may know each other.
    y : array-like of shape (n_samples,), default=None
        Targets, for what learns from them or makes features of them.
    regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
        Regimes, handed to fit and predict where these take them. Whether they were known at their rows cannot be seen
        from them: check the function that makes them.
    label_horizon : int, str or timedelta, default=None
        How long after its row a label is known: what is said of a row must not depend on labels that are not known
        there. The default (``None``) is that of the ensemble, otherwise 0: a label is known at the next row.
    n_cuts : int, default=10
        Cuts spread over the second half of the rows. Some are added where leaks show: up to as many again where a
        regime, or any other output that seldom changes, does; the ends of gaps, the last row and the first. More find
        leaks that few rows have.
    tolerance : float, default=1e-4
        How far numbers may move where later rows are removed, as a part of their spread (the distance from the median
        within which 99 in 100 of them lie): sums round by the size of a batch, in single precision up to the fifth
        digit. Where rows are altered the size stays, and a thousandth of it is allowed. Anything but numbers with a
        fraction is compared exactly; missing equals missing.

    Returns
    -------
    CausalityReport
        True where nothing moved; printed, it says what was found, in sentences.

    Raises
    ------
    ValueError
        If the input is wrong, if it cannot answer for fewer rows, or if it answers differently when asked twice. A leak
        is no error.

    Notes
    -----
    Nothing that is handed over is changed, and the global random state is put back.

    Cost: 25 to 50 answers for all rows, and one fit on half of them; for an ensemble two more, a third where it leaks.

    Altered rows come in reversed order, their amounts eight times as large and an eighth in turn; the index stays, and
    so do sorted columns of times or row numbers. What cannot answer for such rows is judged by the removal alone, and
    the report says so.

    What it cannot find: a leak in the data themselves (regimes, columns and targets made elsewhere from the whole
    history), in tables that a function reads on its own, in models that were fitted before (``FrozenEstimator``), in
    choices made with hindsight, and whatever does not show on these rows: where no value is missing, filling from
    behind does nothing, and where no regime changes, none is dated with hindsight. Only what answers by labels alone
    may hide so; probabilities move at every cut.

    Examples
    --------
    A volatility of past returns looks back; the same window, centred, does not.

    >>> import numpy as np
    >>> import pandas as pd
    >>> from skensemble import check_causality
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"return": rng.normal(size=300)})
    >>> bool(check_causality(lambda X: X["return"].rolling(21).std(), X))
    True
    >>> print(check_causality(lambda X: X["return"].rolling(21, center=True).std(), X))
    The function looks ahead: ...

    So a test of your features is one line: ``assert check_causality(features, X)``.
    """
    who = name_of(estimator)
    check_can_answer(estimator)
    check_number(n_cuts, "n_cuts", "check_causality", low=1, integer=True)
    check_number(tolerance, "tolerance", "check_causality", low=0, open_low=True)
    rows = checked_rows(X, y, regimes)
    if regimes is not None and not takes_regimes(estimator):
        raise ValueError(f"regimes of check_causality is given, but {who} takes none. Leave it out, or add it to X.")
    ensemble = None if isinstance(estimator, FrozenEstimator) else ensemble_in(estimator)
    if label_horizon is None:
        label_horizon = 0 if ensemble is None else ensemble.label_horizon
    n_samples = n_rows(rows.X)
    half = first_of_its_time(n_samples // 2, times_of(rows.X)) or n_samples // 2
    # Folds that are listed by row number fit these rows only.
    listed = ensemble is not None and hasattr(ensemble.cv, "__iter__") and not hasattr(ensemble.cv, "split")
    past = rows if listed else rows_until(rows, half)
    subject = fitted(estimator, past, who, f"the first {n_rows(past.X):,} of {n_samples:,} rows")
    makes_of_targets = y is not None and not hasattr(estimator, "fit") and takes_targets(estimator)
    known = outcomes_known(rows.X, label_horizon) if makes_of_targets else None
    before = ask(subject, who, rows, "all rows")
    check_something_said(before, who)
    cuts = cut_points(rows.X, int(n_cuts), steps(before))
    trial = _Trial()
    # The latest rows first: a move among them tells more than one of the very first row.
    for some in ([cut for cut in cuts if cut >= half], [cut for cut in cuts if cut < half]):
        if trial.move is None:
            futures = _futures(rows, some, half, known)
            trial = _joined(trial, _tried(partial(ask, subject, who), rows, futures, before, who, tolerance))
    if ensemble is not None and trial.move is None:
        trial = _joined(trial, _tried_in_training(estimator, subject, past, label_horizon, who, tolerance))
    return CausalityReport(who, n_samples, trial.cuts, trial.outputs, trial.move, trial.unanswered)


def _tried_in_training(
    estimator: Any, subject: Any, past: Rows, label_horizon: Any, who: str, tolerance: float
) -> _Trial:
    """Compare the out-of-fold record of an ensemble with those that other futures among its training rows leave."""
    ensemble: Any = ensemble_in(subject)
    n_samples = n_rows(past.X)
    known = outcomes_known(past.X, label_horizon)
    futures = _futures_in_training(past, ensemble.out_of_fold_, known, is_classifier(ensemble))

    def answer(rows: Rows, about: str) -> list[Output]:
        return record(ensemble_in(fitted(estimator, rows, who, about)), n_samples)

    return _tried(answer, past, futures, record(ensemble, n_samples), who, tolerance)


def _tried(
    answer: Answer, rows: Rows, futures: Iterable[_Future], before: list[Output], who: str, tolerance: float
) -> _Trial:
    """Compare what was said of the rows as they are with what is said of other futures."""
    cuts: dict[int, None] = {}
    unanswered: list[str] = []
    noise: list[float] | None = None
    worst: tuple[int, float, Found, _Future] | None = None
    for future in futures:
        cuts[future.n_past] = None
        try:
            after = answer(future.rows, future.about)
        except ValueError as error:
            if future.is_plain:
                raise
            # Made-up rows may be impossible ones, and few rows too few; there the other way has to do.
            unanswered.extend([str(error)] * (future.change != "removed"))
            continue
        allowed = tolerance if future.change == "removed" else tolerance * _SAME_SIZE
        found = _first_moved(before, after, future.n_past, allowed, noise)
        if found is not None and noise is None:
            noise = _noise(before, answer(rows, "all rows, once more"), who, tolerance)
            found = _first_moved(before, after, future.n_past, allowed, noise)
        # The first output that moves is where the leak is; of its moves the largest tells most.
        if found is not None and (worst is None or (found[0], -found[1].size) < worst[:2]):
            worst = (found[0], -found[1].size, found[1], future)
    move = None if worst is None else _told(worst[2], before[worst[0]].name, worst[3], rows.X)
    return _Trial(tuple(output.name for output in before), tuple(cuts), tuple(unanswered), move)


def _first_moved(
    before: list[Output], after: list[Output], n_past: int, allowed: float, noise: list[float] | None
) -> tuple[int, Found] | None:
    others = dict(after)
    for at, (name, table) in enumerate(before):
        # A detector fitted anew may have found no regime at all, and what it calls those it found is chance.
        other = others.get(name, table.iloc[:, :0])
        if name == f"{RECORD}memberships":
            other = renamed(table, other, n_past)
        found = largest_move(table, other, n_past, max(allowed, noise[at] if noise else 0.0))
        if found is not None:
            return at, found
    return None


def _noise(before: list[Output], again: list[Output], who: str, tolerance: float) -> list[float]:
    """How far each output may be apart for chance alone, by two answers to the same question."""
    noise = []
    for first, second in zip(before, again, strict=True):
        found = largest_move(first.table, second.table, len(first.table), 0.0)
        if found is not None and found.size > tolerance:
            values = told_apart(found.before, found.after)
            raise ValueError(
                f"{who} answers differently when asked twice: {first.name} of row {found.row:,} was {values[0]}, then "
                f"{values[1]} for the same rows. What later rows do to it cannot be told from chance: give it a seed "
                f"(random_state)."
            )
        noise.append(0.0 if found is None else _ABOVE_NOISE * found.size)
    return noise


def _told(found: Found, output: str, future: _Future, X: Any) -> Move:
    return Move(
        output=output,
        part=found.part,
        row=found.row,
        label=_label(X, found.row),
        before=found.before,
        after=found.after,
        change=future.change,
        cut=future.start,
        cut_label=_label(X, future.start),
        n_moved=found.n_moved,
        first_row=found.first_row,
        advice=advice(output, future.change),
    )


def _label(X: Any, row: int) -> Hashable:
    index = X.index if isinstance(X, (pd.DataFrame, pd.Series)) else pd.RangeIndex(row + 1)
    return None if isinstance(index, pd.RangeIndex) else index[row]


def _futures(rows: Rows, cuts: Sequence[int], half: int, known: Any) -> Iterator[_Future]:
    """What is done at each cut; targets are altered where features are made of them."""
    for cut in cuts:
        if cut >= FEWEST:
            yield _Future("removed", cut, cut, rows_until(rows, cut), is_plain=cut >= half)
        yield _Future("altered", cut, cut, other_future(rows, cut))
        if known is not None:
            first = int(known[cut - 1])
            yield _Future("outcomes altered", first, cut, other_outcomes(rows, first, classes=False))


def _futures_in_training(past: Rows, kept: OutOfFold, known: Any, classes: bool) -> Iterator[_Future]:
    """Other rows to learn from: cut inside a fold, and right behind the start of the last, where its past overlaps."""
    changes = np.flatnonzero(np.diff(kept.folds)) + 1
    last = kept.rows[changes[-1] if len(changes) else 0]
    for row in (kept.rows[int(GOLDEN * len(kept.rows))], next_time(last, past.X)):
        cut = first_of_its_time(int(row), times_of(past.X))
        if cut > 0:
            others = other_outcomes(other_future(past, cut), int(known[cut - 1]), classes=classes)
            yield _Future("training altered", cut, cut, others)


def _joined(first: _Trial, second: _Trial) -> _Trial:
    return _Trial(
        tuple(dict.fromkeys(first.outputs + second.outputs)),
        tuple(dict.fromkeys(first.cuts + second.cuts)),
        first.unanswered + second.unanswered,
        second.move,
    )

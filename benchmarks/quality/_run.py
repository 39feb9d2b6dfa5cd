"""Every method on every scenario: one scenario a process, one thread a model, and a table of what came of it."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.quality import _rivals
from benchmarks.quality._case import Case, Said
from benchmarks.quality._measures import measured
from benchmarks.quality._methods import METHODS, PARTS, Method, missing_package
from benchmarks.quality._scenarios import QUICK, SCENARIOS, Scenario
from skensemble import walk_forward
from skensemble._training import shared_training
from skensemble.explanation import Explanation

__all__ = ["Answers", "Found", "answered", "chosen_methods", "chosen_scenarios", "run"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """What came of one scenario.

    Parameters
    ----------
    figures : DataFrame
        One row for each method and measure: ``scenario``, ``method``, ``measure``, ``value``.
    remarks : list of str
        What did not work, in sentences.
    """

    figures: pd.DataFrame
    remarks: list[str] = field(default_factory=list)


def chosen_scenarios(pattern: str | None, set_: str | None, *, quick: bool) -> list[Scenario]:
    """Scenarios whose names match, one of comma-separated patterns, and which are of the set."""
    names = [name for name in SCENARIOS if name in QUICK] if quick and pattern is None else list(SCENARIOS)
    return [SCENARIOS[name] for name in _matching(names, pattern) if set_ in (None, SCENARIOS[name].set)]


def chosen_methods(pattern: str | None) -> list[Method]:
    """Methods whose names match."""
    return [METHODS[name] for name in _matching(list(METHODS), pattern)]


def _matching(names: Collection[str], pattern: str | None) -> list[str]:
    patterns = [each.strip() for each in (pattern or "*").split(",")]
    return [name for name in names if any(fnmatchcase(name, each) for each in patterns)]


def run(
    scenarios: Sequence[Scenario],
    methods: Sequence[Method],
    *,
    quick: bool,
    jobs: int,
    say: Callable[[str], None],
    keep: Callable[[pd.DataFrame], None] = lambda figures: None,
) -> Found:
    """Answer all scenarios by all methods.

    Parameters
    ----------
    scenarios, methods : sequence
        What takes part.
    quick : bool
        Few rows and tiny models.
    jobs : int
        Scenarios at a time.
    say : callable
        Told what has been done.
    keep : callable, default=lambda figures: None
        Handed the figures of each scenario as they come.

    Returns
    -------
    Found
        Everything, in the order of the registry.
    """
    # Real ones have the most rows, and the longest first leaves no core idle in the end.
    order = sorted(scenarios, key=lambda scenario: scenario.group != "real")
    names = [method.name for method in methods]
    found: dict[str, Found] = {}
    done = Parallel(n_jobs=jobs, return_as="generator_unordered")(
        delayed(_one)(scenario.name, names, quick) for scenario in order
    )
    for name, seconds, part in done:
        found[name] = part
        keep(part.figures)
        say(f"{len(found)}/{len(order)} {name}: {seconds:.0f} s")
        for remark in part.remarks:
            say(f"  {remark}")
    parts = [found[scenario.name] for scenario in scenarios]
    figures = pd.concat([part.figures for part in parts], ignore_index=True) if parts else pd.DataFrame()
    return Found(figures, [remark for part in parts for remark in part.remarks])


def _one(name: str, methods: list[str], quick: bool) -> tuple[str, float, Found]:
    begin = time.perf_counter()
    # OpenMP reads it when it starts, in a process that does nothing else.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with warnings.catch_warnings(), threadpool_limits(1):
        # A model that sleeps, a rival that does not converge: all of it is in the figures.
        warnings.simplefilter("ignore")
        found = _answered_and_measured(SCENARIOS[name], [METHODS[each] for each in methods], quick)
    return name, time.perf_counter() - begin, found


def _answered_and_measured(scenario: Scenario, methods: Sequence[Method], quick: bool) -> Found:
    missing = missing_package(scenario.needs)
    if missing:
        return Found(_figures([]), [f"{scenario.name}: {missing}"])
    case = Case.of(scenario, quick=quick)
    asked = answered(case, methods)
    of_parts = {method.name for method in methods if method.family == PARTS}
    rows = [(scenario.name, *each) for each in measured(case, asked.complete, of_parts)]
    rows += [(scenario.name, name, "failed", 1.0) for name in asked.failed]
    return Found(_figures(rows), [f"{scenario.name}: {remark}" for remark in asked.remarks])


def _figures(rows: list[tuple[str, str, str, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["scenario", "method", "measure", "value"])


@dataclass(frozen=True)
class Answers:
    """What the methods said of the judged rows of one scenario.

    Parameters
    ----------
    complete : dict of str to ndarray of shape (n_judged, n_outputs)
        By method, of those that said something of every row.
    failed : dict of str to str
        What went wrong, by method.
    missing : dict of str to str
        What is not installed, by method.
    """

    complete: dict[str, Array] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def remarks(self) -> list[str]:
        return [
            *(f"{name} is left out, {why}" for name, why in self.missing.items()),
            *(f"{name} failed: {why}" for name, why in self.failed.items()),
        ]

    def take(self, name: str, answer: Array) -> None:
        silent = int(np.isnan(answer).any(axis=1).sum())
        if silent:
            self.failed[name] = f"it says nothing on {silent} of {len(answer)} rows"
        else:
            self.complete[name] = answer


def answered(case: Case, methods: Sequence[Method]) -> Answers:
    """Answer the judged rows of one scenario by every method that can.

    Parameters
    ----------
    case : Case
        The scenario.
    methods : sequence of Method
        Who is asked.

    Returns
    -------
    Answers
        What each said, in the order of the methods, and who could not.
    """
    found = Answers()
    # The models of all our ensembles are the same: they are trained once.
    with shared_training():
        said, ours = _live_frozen(case, {method.name: method.frozen(case) for method in methods if method.frozen})
        for sees in (False, True):
            online = {
                method.name: method.online(case) for method in methods if method.online and method.sees_regimes == sees
            }
            ours |= _walked(case, online, _with_regimes(case) if sees else None) if online else {}
    for method in methods:
        missing = missing_package(method.needs)
        if missing:
            found.missing[method.name] = missing
            continue
        try:
            answer = ours[method.name] if method.name in ours else _other(case, said, method)
        except Exception as error:  # a rival may fail in any way, and that is part of the picture
            found.failed[method.name] = f"{type(error).__name__}: {error}"
            continue
        if answer is not None:
            found.take(method.name, answer)
    _rivals.forget()
    return found


def _other(case: Case, said: Said, method: Method) -> Array | None:
    return method.reads(case, said) if method.reads else _live_plainly(case, method)


def _walked(case: Case, rivals: dict[str, Any], X: pd.DataFrame | None = None) -> dict[str, Array]:
    X = case.market.X if X is None else X
    walk = walk_forward(rivals, X, case.market.y, regimes=case.market.told, **case.walk)
    if walk.probabilities is None:
        return {name: walk.predictions[name].to_numpy(dtype=float)[:, None] for name in rivals}
    return {name: walk.probabilities[name].to_numpy() for name in rivals}


def _live_plainly(case: Case, method: Method) -> Array | None:
    assert method.plain is not None
    X = _with_regimes(case) if method.sees_regimes else None
    return _walked(case, {method.name: method.plain(case)}, X)[method.name]


def _with_regimes(case: Case) -> pd.DataFrame:
    """Regimes and features side by side; the clock of a model that has one stays the last column."""
    columns = [f"regime {k}" for k in range(case.memberships.shape[1])]
    return pd.concat([pd.DataFrame(case.memberships, case.market.X.index, columns), case.market.X], axis=1)


def _live_frozen(case: Case, ensembles: dict[str, Any]) -> tuple[Said, dict[str, Array]]:
    """Train every ensemble anew at every training and ask it until the next; and what its models said."""
    # One that is always trained anew lets no model rest: what it hears is what all models say.
    listener = case.ensemble(None, blind=False)
    answers: dict[str, list[Array]] = {name: [] for name in ensembles}
    heard: list[Array] = []
    for period in case.schedule.periods:
        past, now = period.train, slice(period.start, period.stop)
        for name, ensemble in ensembles.items():
            answers[name].append(_trained_and_asked(case, ensemble, past, now).combined)
        heard.append(_trained_and_asked(case, listener, past, now).member_predictions)
        if period is case.schedule.periods[0]:
            before = listener.out_of_fold_
    return Said(before, np.concatenate(heard)), {name: np.concatenate(parts) for name, parts in answers.items()}


def _trained_and_asked(case: Case, ensemble: Any, past: slice, now: slice) -> Explanation:
    X, y, told = case.market.X, case.market.y, case.market.told
    takes = told is not None and ensemble.regime_detector is None
    then, given = ({"regimes": told.iloc[rows]} if takes else {} for rows in (past, now))
    return ensemble.fit(X.iloc[past], y.iloc[past], **then).explain(X.iloc[now], **given)

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

__all__ = ["Found", "answered", "chosen_methods", "chosen_scenarios", "run"]

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
        return Found(pd.DataFrame(columns=["scenario", "method", "measure", "value"]), [f"{scenario.name}: {missing}"])
    case = Case.of(scenario, quick=quick)
    answers, remarks = answered(case, methods)
    silent = {name: int(np.isnan(answer).any(axis=1).sum()) for name, answer in answers.items()}
    remarks += [f"{scenario.name}: {name} says nothing on {rows} rows" for name, rows in silent.items() if rows]
    complete = {name: answer for name, answer in answers.items() if not silent[name]}
    of_parts = {method.name for method in methods if method.family == PARTS}
    rows = [(scenario.name, *each) for each in measured(case, complete, of_parts)]
    rows += [(scenario.name, name, "failed", 1.0) for name in [*_failed(methods, answers, remarks), *_mute(silent)]]
    return Found(pd.DataFrame(rows, columns=["scenario", "method", "measure", "value"]), remarks)


def _mute(silent: dict[str, int]) -> list[str]:
    return [name for name, rows in silent.items() if rows]


def _failed(methods: Sequence[Method], answers: dict[str, Array], remarks: list[str]) -> list[str]:
    return [method.name for method in methods if any(f": {method.name} failed" in remark for remark in remarks)]


def answered(case: Case, methods: Sequence[Method]) -> tuple[dict[str, Array], list[str]]:
    """Answer the judged rows of one scenario by every method that can.

    Parameters
    ----------
    case : Case
        The scenario.
    methods : sequence of Method
        Who is asked.

    Returns
    -------
    answers : dict of str to ndarray of shape (n_judged, n_outputs)
        What each said.
    remarks : list of str
        Who could not, and why.
    """
    answers: dict[str, Array] = {}
    remarks: list[str] = []
    # The models of all our ensembles are the same: they are trained once.
    with shared_training():
        frozen = {method.name: method.frozen(case) for method in methods if method.frozen}
        said, lived = _live_frozen(case, frozen)
        answers |= lived
        online = {method.name: method.online(case) for method in methods if method.online}
        if online:
            answers |= _walked(case, online)
    for method in methods:
        if not (method.plain or method.reads):
            continue
        missing = missing_package(method.needs)
        if missing:
            remarks.append(f"{case.scenario.name}: {method.name} is left out, {missing}")
            continue
        try:
            answer = method.reads(case, said) if method.reads else _live_plainly(case, method)
        except Exception as error:  # a rival may fail in any way, and that is part of the picture
            remarks.append(f"{case.scenario.name}: {method.name} failed: {type(error).__name__}: {error}")
            continue
        if answer is not None:
            answers[method.name] = answer
    _rivals.forget()
    return {method.name: answers[method.name] for method in methods if method.name in answers}, remarks


def _walked(case: Case, rivals: dict[str, Any], X: pd.DataFrame | None = None) -> dict[str, Array]:
    X = case.market.X if X is None else X
    walk = walk_forward(rivals, X, case.market.y, regimes=case.market.told, **case.walk)
    if walk.probabilities is None:
        return {name: walk.predictions[name].to_numpy(dtype=float)[:, None] for name in rivals}
    return {name: walk.probabilities[name].to_numpy() for name in rivals}


def _live_plainly(case: Case, method: Method) -> Array | None:
    assert method.plain is not None
    X = case.market.X
    if method.sees_regimes:
        columns = [f"regime {k}" for k in range(case.memberships.shape[1])]
        X = pd.concat([X, pd.DataFrame(case.memberships, X.index, columns)], axis=1)
    return _walked(case, {method.name: method.plain(case)}, X)[method.name]


def _live_frozen(case: Case, ensembles: dict[str, Any]) -> tuple[Said, dict[str, Array]]:
    """Train every ensemble anew at every training and ask it until the next; and what its models said."""
    market, detected = case.market, case.scenario.detector is not None
    # One that weighs all models alike lets none of them rest: what it hears is what all models say.
    listener = case.ensemble(None, blind=False)
    before, heard = None, []
    answers: dict[str, list[Array]] = {name: [] for name in ensembles}
    for period in case.schedule.periods:
        past, now = period.train, slice(period.start, period.stop)
        then = {} if detected else {"regimes": market.told.iloc[past]}
        given = {} if detected else {"regimes": market.told.iloc[now]}
        for name, ensemble in {"": listener, **ensembles}.items():
            own = {} if ensemble.regime_detector is not None and not detected else then
            fitted = ensemble.fit(market.X.iloc[past], market.y.iloc[past], **own)
            explained = fitted.explain(market.X.iloc[now], **(given if own else {}))
            if name:
                answers[name].append(explained.combined)
                continue
            heard.append(explained.member_predictions)
            before = before or fitted.out_of_fold_
    assert before is not None
    return Said(before, np.concatenate(heard)), {name: np.concatenate(parts) for name, parts in answers.items()}

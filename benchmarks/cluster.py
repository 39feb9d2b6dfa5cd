"""How long a training takes on many cores: simulated from the work of every task, measured one after another here.

The rule: the tasks are those that the library would run on so many cores, forests in parts, in its order; each goes to
the core that is free first. Nobody can be faster than an equal share for each core, or than the longest model fit that
cannot be split: the bound. Beside it the schedule of scikit-learn's stacking with the same work: all models on all rows
first, then, model by model, the folds of each in one piece. What a network adds is not in it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import thread_time
from typing import Any
from unittest.mock import patch

import pandas as pd

from benchmarks._kept import configuration, parser, save, show
from benchmarks.speed import table
from skensemble import RegimeAwareEnsembleRegressor, _training
from skensemble.models import parts_of_forest

__all__ = ["main"]

CORES = (1, 2, 4, 8, 16, 64, 256)
# What the library promises at 16 cores.
TARGET, TARGET_CORES = 1.3, 16


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rows: int
    cores: Sequence[int]


FULL = Plan(rows=20_000, cores=CORES)
QUICK = Plan(rows=200, cores=(1, 4))


@dataclass(frozen=True)
class Job:
    """One job that was run: of which model, on all rows or a fold, how many seconds of work."""

    name: str
    fold: bool
    splits: bool
    work: float


def main(argv: Sequence[str]) -> None:
    """Measure the tasks, simulate, and print makespans over the bound."""
    chosen = parser("cluster", __doc__).parse_args(argv)
    plan = QUICK if chosen.quick else FULL
    made = configuration("cluster", argv, ("numpy", "scikit-learn", "xgboost", "lightgbm"))
    measured = pd.DataFrame(_simulated(plan))
    show(f"makespan over the bound, {plan.rows:,} rows, 4 models, 5 folds", measured.round(3))
    if TARGET_CORES in plan.cores:
        found = measured.set_index("cores")["flat, forests in parts"][TARGET_CORES]
        print(f"\nat {TARGET_CORES} cores at most {TARGET:g} wanted, {found:.2f} found")
    save(measured, made, chosen.save)


def _simulated(plan: Plan) -> Iterator[dict[str, Any]]:
    whole = _jobs(plan.rows, 1)
    for cores in plan.cores:
        parts = _jobs(plan.rows, cores) if cores > 1 else whole
        longest = max(job.work for job in whole if not job.splits)
        bound = max(sum(job.work for job in whole) / cores, longest)
        yield {
            "cores": cores,
            "bound, s": bound,
            "flat, forests in parts": _makespan([job.work for job in parts], cores) / bound,
            "flat": _makespan([job.work for job in whole], cores) / bound,
            "as scikit-learn's stacking": _as_stacking(whole, cores) / bound,
            "jobs": len(parts),
        }


def _jobs(rows: int, cores: int) -> list[Job]:
    """Train as on so many cores, but one job after another, and note the work of each in the order of the library."""
    X, y = table("regressor", rows)
    jobs: list[Job] = []
    run = _training._run

    def clocked(task: Any, *rest: Any) -> Any:
        start = thread_time()
        result = run(task, *rest)
        splits = len(parts_of_forest(task.estimator, 2)) > 1
        jobs.append(Job(task.name, task.test is not None, splits, thread_time() - start))
        return result

    with patch.object(_training, "_run", clocked), patch.object(_training, "effective_n_jobs", lambda _: cores):
        RegimeAwareEnsembleRegressor(n_jobs=1, random_state=0).fit(X, y)
    return jobs


def _makespan(work: Sequence[float], cores: int) -> float:
    """Hand each job in turn to the core that is free first; say when the last one ends."""
    free = [0.0] * cores
    for seconds in work:
        heapq.heapreplace(free, free[0] + seconds)
    return max(free)


def _as_stacking(jobs: Sequence[Job], cores: int) -> float:
    names = dict.fromkeys(job.name for job in jobs)
    on_all_rows = [sum(job.work for job in jobs if job.name == name and not job.fold) for name in names]
    on_folds = [sum(job.work for job in jobs if job.name == name and job.fold) for name in names]
    return _makespan(on_all_rows, cores) + _makespan(on_folds, cores)

"""How close the order of the tasks comes to the best possible one, for two jobs."""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter
from typing import Any
from unittest.mock import patch

from benchmarks.speed._contenders import members, table
from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor, _training

__all__ = ["makespans"]

JOBS = 2


def makespans(task: str, kind: str, rows: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Yield the time from the first task's start to the last one's end over what no order could beat.

    That is the longest task, or an equal share of all of them for each job: once with the times of the same run, which
    judges the order alone, once with the times of the tasks run one after another, which also counts what tasks side
    by side cost each other.
    """
    for number in range(rounds):
        alone = _spans(task, kind, rows, 1)
        spans = _spans(task, kind, rows, JOBS)
        makespan = max(end for _, end in spans) - min(start for start, _ in spans)
        figures = {
            "makespan": (makespan, "s"),
            "makespan / bound, same run": (makespan / _bound(spans), "ratio"),
            "makespan / bound, tasks alone": (makespan / _bound(alone), "ratio"),
        }
        about = {"contender": "skensemble voting", "task": task, "members": kind, "rows": rows, "n_jobs": JOBS}
        for what, (value, unit) in figures.items():
            yield {"what": what, "round": number, "value": value, "unit": unit} | about


def _bound(spans: list[tuple[float, float]]) -> float:
    lengths = [end - start for start, end in spans]
    return max(sum(lengths) / JOBS, *lengths)


def _spans(task: str, kind: str, rows: int, n_jobs: int) -> list[tuple[float, float]]:
    """Fit with the default forward folds, and note start and end of each task."""
    X, y = table(task, rows)
    ensemble = RegimeAwareEnsembleRegressor if task == "regressor" else RegimeAwareEnsembleClassifier
    spans: list[tuple[float, float]] = []
    run = _training._run

    def clocked(*arguments: Any) -> Any:
        start = perf_counter()
        result = run(*arguments)
        spans.append((start, perf_counter()))
        return result

    with patch.object(_training, "_run", clocked):
        ensemble(members(task, kind), n_jobs=n_jobs, random_state=0).fit(X, y)
    return spans

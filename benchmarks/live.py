"""What a journal costs: latency of calls beyond the ensemble's own predict, and opening a long journal.

The rule: nothing is timed alone. Each live prediction stands beside the same ensemble's own `explain` of the same row;
a journal is opened as it is after a close, and as it is after a kill, with outcomes later than the last snapshot.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from benchmarks._kept import configuration, parser, save, show
from skensemble import LiveEnsemble, RegimeAwareEnsembleRegressor

__all__ = ["main"]

MODELS = 4
# Milliseconds that a prediction may take beyond the ensemble's own, and seconds to open the longest journal.
BEYOND, OPENED = 1.0, 10.0


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    calls: int
    journals: tuple[int, ...]
    rounds: int


FULL = Plan(calls=500, journals=(100_000, 1_000_000), rounds=3)
QUICK = Plan(calls=10, journals=(50,), rounds=1)


def main(argv: Sequence[str]) -> None:
    """Time, print a table for each part, and the targets beside what was found."""
    options = parser("live", __doc__)
    options.add_argument("--outcomes", type=int, nargs="*", help="lengths of the journals that are opened again")
    chosen = options.parse_args(argv)
    plan = QUICK if chosen.quick else FULL
    journals = plan.journals if chosen.outcomes is None else tuple(chosen.outcomes)
    made = configuration("live", argv, ("numpy", "scikit-learn"))
    ensemble, rows, outcomes = _ensemble()
    measured = pd.DataFrame([*_calls(plan, ensemble, rows, outcomes), *_openings(plan, journals, ensemble)])
    show(f"milliseconds of a call, {MODELS} linear members", _table(measured, "ms"))
    if journals:
        show("seconds to open a journal, by outcomes in it", _table(measured, "s"))
    show("targets, and found", _targets(measured))
    save(measured, made, chosen.save)


def _ensemble() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2_300, 10))
    y = X[:, 0] + rng.normal(size=len(X))
    members = [(f"ridge{i}", Ridge(alpha=10.0**i)) for i in range(MODELS)]
    return RegimeAwareEnsembleRegressor(members, combiner="dynamic").fit(X[:300], y[:300]), X[300:], y[300:]


def _calls(plan: Plan, ensemble: Any, rows: Any, outcomes: Any) -> Iterator[dict[str, Any]]:
    """Predict and feed back, one by one, each prediction beside the ensemble's own of the same row."""
    for number in range(plan.rounds):
        for synchronous in ("full", "normal"):
            times: dict[str, list[tuple[float, float]]] = {"explain": [], "predict": [], "feedback": [], "beyond": []}
            with (
                tempfile.TemporaryDirectory() as folder,
                LiveEnsemble(ensemble, Path(folder) / "live.db", synchronous=synchronous) as live,
            ):
                for i in range(plan.calls):
                    row, y, name = rows[i % len(rows)], float(outcomes[i % len(rows)]), str(i)
                    own, said = _timed(ensemble.explain, row[None]), _timed(live.predict, row, id=name)
                    times["explain"].append(own)
                    times["predict"].append(said)
                    times["beyond"].append((said[0] - own[0], said[1] - own[1]))
                    times["feedback"].append(_timed(live.feedback, name, y=y))
            for call, each in times.items():
                clock, worked = 1e3 * np.array(each).T
                about = {
                    "what": call,
                    "synchronous": synchronous,
                    "round": number,
                    "outcomes": plan.calls,
                    "unit": "ms",
                }
                for figure, value in {
                    "p50": np.quantile(clock, 0.5),
                    "p99": np.quantile(clock, 0.99),
                    "p50 work": np.quantile(worked, 0.5),
                }.items():
                    yield about | {"figure": figure, "value": value}


def _timed(call: Callable[..., Any], *given: Any, **named: Any) -> tuple[float, float]:
    """Seconds by the clock, and of this process's work."""
    start, worked = perf_counter(), process_time()
    call(*given, **named)
    return perf_counter() - start, process_time() - worked


def _openings(plan: Plan, journals: Sequence[int], ensemble: Any) -> Iterator[dict[str, Any]]:
    """Write journals of so many outcomes, in blocks, and open them again: after a close, and after a kill."""
    for n_outcomes in journals:
        with tempfile.TemporaryDirectory() as folder:
            closed, killed = (Path(folder) / name / "live.db" for name in ("closed", "killed"))
            for path in (closed, killed):
                path.parent.mkdir()
            with LiveEnsemble(ensemble, closed, synchronous="normal") as live:
                _fill(live, n_outcomes, min(900, n_outcomes // 2))
                for file in closed.parent.glob("live.db*"):
                    shutil.copy(file, killed.parent)
                size = live.health().journal_bytes
            about = {"synchronous": "normal", "outcomes": n_outcomes}
            yield about | {"what": "journal", "figure": "size", "value": size, "unit": "bytes", "round": 0}
            for number in range(plan.rounds):
                for path in (closed, killed):
                    # Opening brings a journal in order: each round begins with the same files.
                    again = Path(folder) / f"{path.parent.name} {number}"
                    shutil.copytree(path.parent, again)
                    seconds = _timed(_open, again / "live.db")[0]
                    what = f"open, {path.parent.name}"
                    yield about | {"what": what, "figure": "clock", "value": seconds, "unit": "s", "round": number}
                    shutil.rmtree(again)


def _open(path: Path) -> None:
    """Open a journal and learn from all that is in it."""
    live = LiveEnsemble.open(path)
    _ = live.ensemble
    live.close()


def _fill(live: LiveEnsemble, n_outcomes: int, n_last: int) -> None:
    """Predict and feed back in blocks; the last so many outcomes come after the last snapshot."""
    rng = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=n_outcomes, freq="min")
    edges = [*range(0, n_outcomes - n_last, 1_000), n_outcomes - n_last, n_outcomes]
    for start, stop in pairwise(edges):
        ids = [str(i) for i in range(start, stop)]
        X = rng.normal(size=(stop - start, 10))
        live.predict(X, id=ids, at=times[start:stop])
        live.feedback(ids, y=X[:, 0] + rng.normal(size=stop - start))


def _table(measured: pd.DataFrame, unit: str) -> pd.DataFrame:
    part = measured[measured["unit"] == unit]
    by = part.groupby(["what", "synchronous", "outcomes", "figure"], sort=False)["value"]
    return by.agg(median="median", least="min", most="max", n="count").round(3).reset_index()


def _targets(measured: pd.DataFrame) -> pd.DataFrame:
    """What was wanted and what was found."""
    lines = []
    beyond = measured.query("what == 'beyond' and synchronous == 'normal'").groupby("figure")["value"].median()
    for figure in ("p50", "p50 work"):
        met = beyond[figure] <= BEYOND
        lines.append(
            ("predict beyond the ensemble's own, normal", figure, f"{beyond[figure]:.2f} ms", f"≤ {BEYOND:g} ms", met)
        )
    after_a_kill = measured.query("what == 'open, killed'").groupby("outcomes")["value"].median()
    for n_outcomes, seconds in after_a_kill.items():
        what = f"open {n_outcomes:,} outcomes after a kill"
        lines.append((what, "clock", f"{seconds:.2f} s", f"≤ {OPENED:g} s", seconds <= OPENED))
    table = pd.DataFrame(lines, columns=["what", "by", "found", "target", ""])
    return table.assign(**{"": table[""].map({True: "met", False: "MISSED"})})

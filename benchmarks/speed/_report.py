"""What is measured, in which order, and how it is printed and kept."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

import skensemble
from benchmarks.speed._contenders import FOLDS, MEMBERS, TASKS, Setting, contenders
from benchmarks.speed._processes import import_times, peaks
from benchmarks.speed._rounds import fit_and_predict
from benchmarks.speed._schedule import makespans

__all__ = ["main"]

PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "joblib", "threadpoolctl", "xgboost", "lightgbm")
COLUMNS = ["what", "task", "members", "rows", "n_jobs", "contender", "round", "value", "unit"]
SETTING = ["task", "members", "rows", "n_jobs"]

# What is divided by what. scikit-learn's voting fits no folds, so its fit is taken as often as the folds make it.
COMPARISONS = (
    ("import", "skensemble", "sklearn.ensemble + pandas", 1),
    ("fit", "skensemble voting", "sklearn stacking", 1),
    ("fit", "skensemble voting", "sklearn voting", FOLDS),
    ("fit", "skensemble stacking", "sklearn stacking", 1),
    ("predict", "skensemble voting", "sklearn voting", 1),
    ("predict", "skensemble stacking", "sklearn stacking", 1),
    # The same by the work of the process, which a busy machine does not stretch; with one job only.
    ("fit cpu", "skensemble voting", "sklearn stacking", 1),
    ("fit cpu", "skensemble voting", "sklearn voting", FOLDS),
    ("fit cpu", "skensemble stacking", "sklearn stacking", 1),
    ("predict cpu", "skensemble voting", "sklearn voting", 1),
    ("predict cpu", "skensemble stacking", "sklearn stacking", 1),
)


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    tasks: Sequence[str]
    members: Sequence[str]
    rows: Sequence[int]
    n_jobs: Sequence[int | None]
    memory_members: Sequence[str]
    memory_contenders: Sequence[str]
    most_rounds: int

    def rounds(self, rows: int) -> int:
        """Fewer rounds on more rows: there one fit takes minutes, and noise counts less."""
        return min(self.most_rounds, 7 if rows <= 2_000 else 5 if rows <= 20_000 else 3)


QUICK = Plan(
    tasks=("regressor",),
    members=("light",),
    rows=(300,),
    n_jobs=(1,),
    memory_members=("light",),
    memory_contenders=("skensemble stacking",),
    most_rounds=1,
)
FULL_ROWS = (2_000, 20_000, 100_000)


def main(argv: Sequence[str]) -> None:
    """Measure, print the tables and keep every single measurement where asked to."""
    arguments = _arguments(argv)
    plan = (
        QUICK
        if arguments.quick
        else Plan(
            tasks=TASKS,
            members=arguments.members,
            rows=arguments.rows,
            n_jobs=(None, 1, 2),
            memory_members=[kind for kind in arguments.members if kind != "raw"],
            memory_contenders=list(contenders(Setting("regressor", "light", 10, None))),
            most_rounds=7,
        )
    )
    configuration = _configuration(arguments)
    for key, value in configuration.items():
        print(f"{key}: {value}")
    records: list[dict[str, Any]] = []
    for part in _parts(plan):
        measured = pd.DataFrame(part, columns=COLUMNS)
        _show(measured)
        records.extend(part)
        if arguments.save:
            # Kept after every part: a run of hours that is stopped has not been for nothing.
            _save(pd.DataFrame(records, columns=COLUMNS), configuration, arguments.save)


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks speed", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the smallest setting, in seconds: does it run at all?")
    parser.add_argument("--rows", type=int, nargs="+", default=FULL_ROWS, help="numbers of rows (default: %(default)s)")
    parser.add_argument("--members", nargs="+", choices=MEMBERS, default=MEMBERS, help="kinds of members")
    parser.add_argument("--save", type=Path, help="CSV file for every single measurement")
    return parser.parse_args(argv)


def _parts(plan: Plan) -> Iterator[list[dict[str, Any]]]:
    """Yield the records of one table after another."""
    yield list(import_times(plan.most_rounds))
    for rows in plan.rows:
        rounds = plan.rounds(rows)
        for task, kind, n_jobs in product(plan.tasks, plan.members, plan.n_jobs):
            yield list(fit_and_predict(Setting(task, kind, rows, n_jobs), rounds, 3 * rounds))
        for task, kind in product(plan.tasks, plan.members):
            yield list(makespans(task, kind, rows, rounds))
        for task, kind in product(plan.tasks, plan.memory_members):
            yield list(peaks(task, kind, rows, list(plan.memory_contenders)))


def _show(measured: pd.DataFrame) -> None:
    """Print one part: ratios where there are rivals in rounds, else the figures themselves."""
    first = measured.iloc[0]
    setting = ", ".join(f"{name} {first[name]}" for name in SETTING if first.notna()[name] or name == "n_jobs")
    tables = {"memory before": _memory, "makespan": _medians}
    print(f"\n{setting if pd.notna(first['rows']) else 'import in a fresh process'}")
    print(tables.get(first["what"], _ratios)(measured).to_string(index=False), flush=True)


def _ratios(measured: pd.DataFrame) -> pd.DataFrame:
    """Median, least and largest ratio of two times of the same round, beside the two medians in milliseconds."""
    lines = []
    here = set(measured["what"])
    for what, ours, rival, times in (line for line in COMPARISONS if line[0] in here):
        seconds = measured[measured["what"] == what].pivot(index="round", columns="contender", values="value")
        ratio = seconds[ours] / (times * seconds[rival])
        lines.append(
            {
                "what": what,
                "ours": ours,
                "ms": f"{1e3 * seconds[ours].median():.1f}",
                "rival": rival if times == 1 else f"{rival} × {times}",
                "its ms": f"{1e3 * times * seconds[rival].median():.1f}",
                "ratio": f"{ratio.median():.2f}",
                "least": f"{ratio.min():.2f}",
                "most": f"{ratio.max():.2f}",
                "n": len(ratio),
            }
        )
    return pd.DataFrame(lines)


def _medians(measured: pd.DataFrame) -> pd.DataFrame:
    figures = measured.groupby(["contender", "what", "unit"], sort=False)["value"]
    return figures.agg(median="median", least="min", most="max", n="count").round(3).reset_index()


def _memory(measured: pd.DataFrame) -> pd.DataFrame:
    """Peaks in MiB, and what fit and predict added to the process that had loaded everything."""
    peak = measured.pivot(index="contender", columns="what", values="value").rename_axis(columns=None)
    return peak.assign(added=peak["memory predict"] - peak["memory before"]).round(1).reset_index()


def _configuration(arguments: argparse.Namespace) -> dict[str, Any]:
    chosen = ["--quick"] if arguments.quick else ["--rows", *map(str, arguments.rows), "--members", *arguments.members]
    return {
        "command": " ".join(["python", "-m", "benchmarks", "speed", *chosen]),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "python": platform.python_version(),
        "skensemble": skensemble.__version__,
        **{name: version(name) for name in PACKAGES},
        "system": f"{platform.system()} {platform.machine()}",
        "cores": joblib.cpu_count(),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "not set"),
        "folds": FOLDS,
    }


def _save(measured: pd.DataFrame, configuration: dict[str, Any], path: Path) -> None:
    """Write one row per measurement, under the configuration as comments: ``pandas.read_csv(path, comment="#")``."""
    about = "".join(f"# {key}: {value}\n" for key, value in configuration.items())
    tidy = measured.assign(rows=measured["rows"].astype("Int64"), n_jobs=measured["n_jobs"].astype("Int64"))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(about + tidy.to_csv(index=False, float_format="%.6g"))

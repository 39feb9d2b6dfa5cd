"""``python -m benchmarks run | compare | plot | list``."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._kept import RESULTS, configuration, parser, save, show
from benchmarks.quality._case import N_TRAININGS
from benchmarks.quality._cost import COSTED, costs
from benchmarks.quality._methods import LEFT_OUT, METHODS, OURS, missing_package
from benchmarks.quality._plot import draw
from benchmarks.quality._run import chosen_methods, chosen_scenarios, run
from benchmarks.quality._scenarios import SCENARIOS
from benchmarks.quality._tables import tables, wide

__all__ = ["compare_main", "list_main", "plot_main", "run_main"]

KEPT, KEPT_QUICK = RESULTS / "quality.csv", RESULTS / "quality_quick.csv"
PACKAGES = (
    "numpy", "scipy", "pandas", "scikit-learn", "xgboost", "lightgbm", "mlxtend", "river", "flaml", "skfolio", "arch",
    "statsmodels", "hmmlearn", "jumpmodels",
)  # fmt: skip


def run_main(argv: Sequence[str]) -> None:
    """Answer the scenarios by every method, print what came of it, and keep it where asked."""
    options = parser("run", run_main.__doc__)
    _add_choices(options)
    options.add_argument("--resume", action="store_true", help="take over what an unfinished run with --save has found")
    chosen = options.parse_args(argv)
    kept = _where_kept(options, chosen)
    part = None if kept is None else kept.with_suffix(".part.csv")
    figures, made = _measured("run", argv, chosen, part, with_costs=True)
    for title, table in tables(figures):
        show(title, table)
    save(figures, made, kept)
    if part is not None:
        part.unlink(missing_ok=True)


def compare_main(argv: Sequence[str]) -> None:
    """Run again and hold the losses of our ensembles against the kept ones; exit with 1 where any has become worse."""
    options = ArgumentParser(prog="python -m benchmarks compare", description=compare_main.__doc__)
    options.add_argument("--quick", action="store_true", help="the smallest setting, against its own kept results")
    options.add_argument(
        "--tolerance", type=float, default=0.02, help="how much more loss is none (default: %(default)s)"
    )
    options.add_argument("--kept", type=Path, help="what to compare with (default: benchmarks/results)")
    options.add_argument("--found", type=Path, help="compare these results of `run --save`, and run nothing")
    _add_choices(options)
    chosen = options.parse_args(argv)
    kept = read(chosen.kept or (KEPT_QUICK if chosen.quick else KEPT))
    figures = read(chosen.found) if chosen.found else _measured("compare", argv, chosen, None, with_costs=False)[0]
    table, worse = compared(figures, kept, chosen.tolerance)
    show("loss / kept loss, where it is not the same", table)
    if worse:
        raise SystemExit(f"{worse} of our losses are more than {100 * chosen.tolerance:g} % above the kept ones.")
    print(f"\nNo loss of ours is more than {100 * chosen.tolerance:g} % above the kept one.")


def plot_main(argv: Sequence[str]) -> None:
    """Draw the kept results, and print their tables."""
    options = ArgumentParser(prog="python -m benchmarks plot", description=plot_main.__doc__)
    options.add_argument("--kept", type=Path, default=KEPT, help="what to draw (default: %(default)s)")
    options.add_argument("--set", choices=("tune", "report"), default="report", help="of which scenarios")
    options.add_argument("--to", type=Path, default=Path("quality.png"), help="the picture (default: %(default)s)")
    chosen = options.parse_args(argv)
    figures = read(chosen.kept)
    for title, table in tables(figures):
        show(title, table)
    draw(figures, chosen.set, chosen.to)
    print(f"drawn in {chosen.to}")


def list_main(argv: Sequence[str]) -> None:
    """List scenarios and methods, and say what is not installed."""
    ArgumentParser(prog="python -m benchmarks list", description=list_main.__doc__).parse_args(argv)
    print(f"Scenarios (half of the rows first, then {N_TRAININGS} trainings)")
    for scenario in SCENARIOS.values():
        print(_line(scenario.name, f"{scenario.set:<6}  {scenario.line}", scenario.needs))
    print("\nMethods")
    for method in METHODS.values():
        print(_line(method.name, f"{method.family:<12}  {method.line}", method.needs))
    print("\nLeft out")
    for name, why in LEFT_OUT.items():
        print(_line(name, why, ""))


def read(path: Path) -> pd.DataFrame:
    """Read kept results."""
    if not path.exists():
        raise SystemExit(f"{path} is not there. Make it by: python -m benchmarks run --save {path}")
    return pd.read_csv(path, comment="#")


def compared(found: pd.DataFrame, kept: pd.DataFrame, tolerance: float) -> tuple[pd.DataFrame, int]:
    """Lay new losses beside kept ones.

    Returns
    -------
    table : DataFrame
        One row for each loss that has moved, the worst first.
    worse : int
        How many losses of our ensembles have grown by more than the tolerance, or are not there any more.
    """
    new, old = wide(found, "loss"), wide(kept, "loss")
    # What was not asked for is not missing: neither scenarios nor methods.
    old = old.loc[old.index.isin(new.index), old.columns.isin(set(found["method"]))]
    table = pd.DataFrame({"kept": old.stack(), "ratio": (new.reindex_like(old) / old).stack(future_stack=True)})
    table = table[table["kept"].notna()].reset_index(names=["scenario", "method"])
    ours = table["method"].map(lambda name: METHODS[name].family.startswith(OURS))
    worse = ours & ~(table["ratio"] <= 1 + tolerance)
    table["verdict"] = np.where(worse, "WORSE", "")
    moved = table[worse | ((table["ratio"] - 1).abs() > 1e-4)].sort_values(
        "ratio", ascending=False, na_position="first"
    )
    return moved.round(6), int(worse.sum())


def _add_choices(options: ArgumentParser) -> None:
    options.add_argument("--scenarios", metavar="GLOB", help="which, such as 'sharp-*,sp500-*' (default: all)")
    options.add_argument("--methods", metavar="GLOB", help="which, such as 'dynamic*,LightGBM' (default: all)")
    options.add_argument(
        "--set", choices=("tune", "report"), help="of the scenarios; defaults are tuned on the first only"
    )
    options.add_argument("--jobs", type=int, default=2, help="scenarios at a time (default: %(default)s)")


def _where_kept(options: ArgumentParser, chosen: Namespace) -> Path | None:
    path = chosen.save
    if path is not None and path.name == "run.csv" and path.parent == RESULTS:
        path = KEPT_QUICK if chosen.quick else KEPT
        if chosen.scenarios or chosen.methods or chosen.set:
            options.error("the kept results are those of one run of everything: give --save a path of its own")
    return path


def _measured(
    word: str, argv: Sequence[str], chosen: Namespace, part: Path | None, *, with_costs: bool
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Run what was chosen; what is found on the way is kept in ``part``."""
    made = configuration(word, argv, PACKAGES)
    scenarios = chosen_scenarios(chosen.scenarios, chosen.set, quick=chosen.quick)
    methods = chosen_methods(chosen.methods)
    if not scenarios or not methods:
        raise SystemExit("No scenario or no method has such a name: see python -m benchmarks list")
    before = [read(part)] if part is not None and part.exists() and getattr(chosen, "resume", False) else []
    if part is not None and not before:
        part.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)

    def keep(figures: pd.DataFrame) -> None:
        if part is not None:
            figures.to_csv(part, mode="a", header=not part.exists(), index=False)

    done = set(before[0]["scenario"]) if before else set()
    left = [scenario for scenario in scenarios if scenario.name not in done]
    found = run(
        left, methods, quick=chosen.quick, jobs=chosen.jobs, say=lambda text: print(text, flush=True), keep=keep
    )
    figures = pd.concat([*before, found.figures], ignore_index=True)
    if with_costs:
        names = [scenario.name for scenario in scenarios if scenario.name in COSTED]
        # A quick run shows that it can be measured, by one of ours and one rival.
        few = [method for method in methods if method.name in ("dynamic", "LightGBM")] if chosen.quick else methods
        spent = list(costs(names, few, quick=chosen.quick))
        figures = pd.concat([figures, pd.DataFrame(spent, columns=list(figures))], ignore_index=True)
    print(f"\n{len(found.remarks)} remarks" + "".join(f"\n  {remark}" for remark in found.remarks))
    for name, why in LEFT_OUT.items():
        print(f"  {name} is left out: {why}")
    # What found nothing is not of numbers, and would make all of it objects.
    return figures.astype({"value": float}), made | {"scenarios": len(scenarios), "methods": len(methods)}


def _line(name: str, words: str, needs: str) -> str:
    missing = missing_package(needs)
    return f"  {name:<30} {words}{f' [{missing}]' if missing else ''}"

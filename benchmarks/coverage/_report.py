"""What was covered, how wide it was, and what was expected of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from benchmarks._kept import configuration, parser, save, show
from benchmarks.coverage._data import KINDS, MARKETS, SERIES, Said, classes, noise, series
from benchmarks.coverage._measures import (
    BY_FIFTHS,
    BY_REGIME,
    EQUAL,
    SCORE,
    TYPICAL,
    WORST,
    of_intervals,
    of_sets,
    of_statements,
)
from benchmarks.coverage._rivals import FIRST_ROWS, RIVALS, drawn, mapie_is_here
from benchmarks.coverage._stated import SETS, STATED, nominal

__all__ = ["main"]

OURS, MAPIE, OUR_CONFIDENCE = "AdaptiveIntervals", "MAPIE ACI", "AdaptiveConfidence"
NOISE, REAL = "noise", "series"


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    kinds: Sequence[str]
    seeds: Sequence[int]
    noise_rows: int
    series: Sequence[str]
    markets: Sequence[str]
    market_seeds: Sequence[int]
    models: Sequence[Sequence[str]]
    rows: int | None
    n_folds: int
    first: int


# Constants were chosen on seeds from 1000 on and on series that are not here; seeds below 100 belong to the tests.
FULL = Plan(
    kinds=tuple(KINDS),
    seeds=(500, 501),
    noise_rows=3000,
    series=tuple(SERIES),
    markets=tuple(MARKETS),
    market_seeds=(500, 501),
    models=(("logistic", "extra_trees"), ("logistic", "xgboost")),
    rows=None,
    n_folds=10,
    first=FIRST_ROWS,
)
QUICK = Plan(("labelled",), (500,), 400, ("S&P 500 return",), ("3 classes",), (500,), FULL.models[:1], 320, 3, 60)


def main(argv: Sequence[str]) -> None:
    """Replay residuals, series and markets, and print who covered what, at which width."""
    options = parser("coverage", __doc__)
    options.add_argument("--n-jobs", type=int, default=1, help="streams replayed side by side (default: %(default)s)")
    chosen = options.parse_args(argv)
    plan = QUICK if chosen.quick else FULL
    made = configuration(
        "coverage",
        argv,
        ("numpy", "scipy", "pandas", "scikit-learn", "xgboost", "mapie", "arch", "statsmodels", "river"),
    )
    rivals = [name for name in RIVALS if name != MAPIE or mapie_is_here()]
    if MAPIE not in rivals:
        print(f"{MAPIE}: left out, since mapie is not installed (pip install skensemble[benchmarks])")
    work = [*_of_noise(plan, rivals), *_of_series(plan, rivals), *_of_markets(plan)]
    lines = [
        line for part in Parallel(n_jobs=chosen.n_jobs)(delayed(one)(*given) for one, given in work) for line in part
    ]
    measured = pd.DataFrame(lines, columns=["part", "data", "seed", "contender", "asked", "figure", "value"])
    _show_intervals(measured)
    _show_sets(measured)
    _show_statements(measured)
    show("expected, and found", _expectations(measured))
    save(measured, made, chosen.save)


# What is measured.

Line = tuple[str, str, int, str, str, str, float]
Work = tuple[Callable[..., list[Line]], tuple[Any, ...]]


def _of_noise(plan: Plan, rivals: Sequence[str]) -> Iterator[Work]:
    for kind in plan.kinds:
        for seed in plan.seeds:
            yield _intervals, (NOISE, noise(kind, seed, plan.noise_rows), rivals, plan.first)


def _of_series(plan: Plan, rivals: Sequence[str]) -> Iterator[Work]:
    for name in plan.series:
        said = series(name, plan.n_folds, plan.rows)
        if isinstance(said, str):
            print(said)
        elif len(said.targets) < 2 * plan.first:
            print(f"{name}: left out, since {len(said.targets)} rows are too few to judge")
        else:
            yield _intervals, (REAL, said, rivals, plan.first)
            if "volatility" not in name:
                yield _statements, ("sides", said, plan.first)


def _of_markets(plan: Plan) -> Iterator[Work]:
    for name in plan.markets:
        seeds = plan.market_seeds if MARKETS[name][1] else plan.market_seeds[:1]
        for models in plan.models:
            for seed in seeds:
                said = classes(name, seed, models, plan.n_folds, plan.rows)
                yield _statements, ("classes", said, plan.first)
                yield _sets, (said, plan.first)


def _intervals(part: str, said: Said, rivals: Sequence[str], first: int) -> list[Line]:
    return [
        (part, said.data, said.seed, rival, *figure)
        for rival in rivals
        for figure in of_intervals(said, drawn(said, rival, first), first)
    ]


def _sets(said: Said, first: int) -> list[Line]:
    return [
        ("sets", said.data, said.seed, name, *figure)
        for name, make in SETS.items()
        for figure in of_sets(said, make(said, first), first)
    ]


def _statements(part: str, said: Said, first: int) -> list[Line]:
    unchecked = nominal(said)
    return [
        (part, said.data, said.seed, name, *figure)
        for name, make in STATED.items()
        for figure in of_statements(said, make(said, unchecked), first)
    ]


# What it means.


def _wide(measured: pd.DataFrame, part: str) -> pd.DataFrame:
    """One row per data, seed, contender and coverage, one column per figure."""
    own = measured[measured["part"] == part]
    return own.pivot(index=["data", "seed", "contender", "asked"], columns="figure", values="value").reset_index()


def _gaps(wide: pd.DataFrame) -> pd.DataFrame:
    """The largest distance of realised coverage from what was asked, in points, over all data."""
    wide = wide.assign(pooled=(wide["realised"] - wide["asked"].astype(float)).abs())
    how = {"pooled": "max", "lowest regime": "min", "highest regime": "max", "worst year": "min"}
    worst = wide.groupby(["contender", "asked"], sort=False).agg({name: of for name, of in how.items() if name in wide})
    return _side_by_side((100 * worst).round(1))


def _ratios(wide: pd.DataFrame) -> pd.DataFrame:
    """Geometric means over data of figures divided by ours, by contender and coverage."""
    names = [EQUAL, BY_REGIME, TYPICAL, SCORE]
    ours = wide[wide["contender"] == OURS].set_index(["data", "seed", "asked"])[names]
    logs = np.log(
        wide[names].to_numpy() / ours.loc[pd.MultiIndex.from_frame(wide[["data", "seed", "asked"]])].to_numpy()
    )
    table = pd.DataFrame(logs, columns=names).assign(contender=wide["contender"], asked=wide["asked"])
    return np.exp(table.groupby(["contender", "asked"], sort=False).mean())


def _side_by_side(table: pd.DataFrame) -> pd.DataFrame:
    """Contenders × figures and coverages."""
    table = table.unstack("asked")
    table.columns = [f"{figure} {100 * float(asked):g} %" for figure, asked in table.columns]
    return table.reset_index()


def _show_intervals(measured: pd.DataFrame) -> None:
    for part, words in ((NOISE, "noise of known size"), (REAL, "real series")):
        wide = _wide(measured, part)
        show(f"{words}: worst distance of coverage from what was asked over all data, in points", _gaps(wide))
        ratios = _ratios(wide)
        for name in ratios:
            title = f"{name}, as drawn" if name == SCORE else f"{name} at equal coverage"
            show(f"{words}: {title}, divided by ours; mean over data", _side_by_side(ratios[[name]].round(3)))
    ours = wide[wide["contender"] == OURS]
    columns = [name for name in ("realised", "lowest regime", "highest regime", "worst year") if name in ours]
    show("real series: coverage of ours", _side_by_side(ours.set_index(["data", "asked"])[columns].round(3)))


def _show_sets(measured: pd.DataFrame) -> None:
    wide = _wide(measured, "sets")
    keys = ["data", "seed", "contender"]
    accuracy = wide[wide["asked"] == ""].set_index(keys)["accuracy"]
    wide = wide[wide["asked"] != ""].drop(columns="accuracy")
    rarely = accuracy.loc[pd.MultiIndex.from_frame(wide[keys])].to_numpy() < wide["asked"].astype(float).to_numpy()
    show(
        "sets, where the likeliest class is right less often than asked: worst distance, in points", _gaps(wide[rarely])
    )
    sizes = wide[rarely].groupby(["contender", "asked"], sort=False)[["realised", "size"]].mean().round(3)
    show("sets, in the same places: coverage and size; mean over data", _side_by_side(sizes))


def _show_statements(measured: pd.DataFrame) -> None:
    for part, words in (("classes", "likeliest class"), ("sides", "side of a number")):
        wide = _wide(measured, part)
        for name in (WORST, BY_FIFTHS, "log loss", "early log loss"):
            if name in wide:
                points = name in {WORST, BY_FIFTHS}
                wide[name] = 100 * wide[name].abs() if points else wide[name]
                table = wide.pivot_table(name, "data", "contender", sort=False).round(1 if points else 4)
                title = f"distance of stated probability from the truth, {name}, in points" if points else name
                show(f"{words}: {title}; mean over seeds", table.reset_index())


def _expectations(measured: pd.DataFrame) -> pd.DataFrame:
    """Hold the worst figure over all data against what was expected, and say on how many it was missed."""
    lines = []
    for part in (NOISE, REAL):
        wide = _wide(measured, part)
        ours = wide[wide["contender"] == OURS]
        pooled = (ours["realised"] - ours["asked"].astype(float)).abs()
        lines.append(_held(part, "distance of coverage, pooled", pooled, 0.015))
        if "lowest regime" in ours:
            worst = np.maximum(-ours["lowest regime"], ours["highest regime"]).dropna()
            lines.append(_held(part, "distance of coverage, regimes of more than 500 rows", worst, 0.03))
        if "worst year" in ours:
            lines.append(_held(part, "below what was asked, worst 250 rows", -ours["worst year"].dropna(), 0.08))
        if (wide["contender"] == MAPIE).any():
            theirs = _ratios(wide).loc[MAPIE]
            lines += [
                _held(part, f"{name} / that of {MAPIE}, mean over data", 1 / theirs[name], 1.0) for name in theirs
            ]
    for part in ("classes", "sides"):
        wide = _wide(measured, part)
        if WORST in wide:
            ours = wide.loc[wide["contender"] == OUR_CONFIDENCE, WORST].abs().dropna()
            lines.append(_held(part, "distance of stated probability, regimes of more than 500 rows", ours, 0.03))
    return pd.DataFrame(lines)


def _held(part: str, words: str, figures: pd.Series, most: float) -> dict[str, Any]:
    missed = int((figures.round(6) > most).sum())
    return {
        "part": part,
        "figure": words,
        "at most": most,
        "worst": round(float(figures.max()), 4),
        "mean": round(float(figures.mean()), 4),
        "": f"MISSED on {missed} of {len(figures)}" if missed else "met",
    }

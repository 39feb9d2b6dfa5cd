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
from benchmarks.coverage._measures import BY_REGIME, EQUAL, TYPICAL, of_intervals, of_sets, of_statements
from benchmarks.coverage._rivals import FIRST_ROWS, RIVALS, drawn, mapie_is_here
from benchmarks.coverage._stated import SETS, STATED, nominal

__all__ = ["main"]

OURS, MAPIE, SETS_OF_OURS, OUR_CONFIDENCE = "AdaptiveIntervals", "MAPIE ACI", "AdaptiveSets", "AdaptiveConfidence"
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
    keys = ["data", "seed", "contender", "asked"]
    return own.pivot(index=keys, columns="figure", values="value").reset_index()


def _gaps(wide: pd.DataFrame) -> pd.DataFrame:
    """The largest distance of realised coverage from what was asked, in points, over all data."""
    asked = wide["asked"].astype(float)
    wide = wide.assign(pooled=(wide["realised"] - asked).abs())
    worst = wide.groupby(["contender", "asked"], sort=False).agg(
        pooled=("pooled", "max"),
        **{
            name: (name, how)
            for name, how in (("lowest regime", "min"), ("highest regime", "max"), ("worst year", "min"))
            if name in wide
        },
    )
    return (100 * worst).round(1).reset_index()


def _ratios(wide: pd.DataFrame) -> pd.DataFrame:
    """Geometric means over data of figures divided by ours."""
    names = [EQUAL, BY_REGIME, TYPICAL, "interval score"]
    ours = wide[wide["contender"] == OURS].set_index(["data", "seed", "asked"])[names]
    keys = pd.MultiIndex.from_frame(wide[["data", "seed", "asked"]])
    logs = np.log(wide[names].to_numpy() / ours.loc[keys].to_numpy())
    table = pd.DataFrame(logs, columns=names).assign(contender=wide["contender"], asked=wide["asked"])
    return np.exp(table.groupby(["contender", "asked"], sort=False).mean()).round(3).reset_index()


def _show_intervals(measured: pd.DataFrame) -> None:
    for part, words in ((NOISE, "residuals of known noise"), (REAL, "real series")):
        wide = _wide(measured, part)
        show(f"{words}, coverage: worst distance from what was asked over all data, in points", _gaps(wide))
        show(
            f"{words}, width at equal coverage, and interval score: geometric mean of the ratio to ours", _ratios(wide)
        )
        ours = wide[(wide["contender"] == OURS) & (wide["asked"] == "0.9")]
        show(f"{words}: ours at 90 %", ours.drop(columns=["contender", "asked"]).round(4))


def _show_sets(measured: pd.DataFrame) -> None:
    wide = _wide(measured, "sets")
    accuracy = wide[wide["asked"] == ""].set_index(["data", "seed", "contender"])["accuracy"]
    wide = wide[wide["asked"] != ""].drop(columns="accuracy")
    keys = pd.MultiIndex.from_frame(wide[["data", "seed", "contender"]])
    asked_more = accuracy.loc[keys].to_numpy() < wide["asked"].astype(float).to_numpy()
    show(
        "sets where the likeliest class is right less often than asked: worst distance, in points",
        _gaps(wide[asked_more]),
    )
    for coverage in ("0.5", "0.9"):
        table = wide[wide["asked"] == coverage].pivot_table(
            ["realised", "size"], "data", "contender", sort=False, observed=True
        )
        show(f"sets at {coverage}: coverage and mean size", table.round(3).reset_index())


def _show_statements(measured: pd.DataFrame) -> None:
    for part, words in (("classes", "likeliest classes"), ("sides", "sides of numbers")):
        wide = _wide(measured, part)
        figures = [
            name for name in ("worst regime", "worst regime, by fifths", "log loss", "early log loss") if name in wide
        ]
        scaled = wide.assign(**{name: 100 * wide[name].abs() for name in figures if name.startswith("worst")})
        for name in figures:
            title = f"{words}: {name}" + (" of stated probability, in points" if name.startswith("worst") else "")
            table = scaled.pivot_table(name, "data", "contender", sort=False)
            show(title, table.round(1 if name.startswith("worst") else 4).reset_index())


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
            ratios = _ratios(wide)
            theirs = ratios[ratios["contender"] == MAPIE]
            for name in (EQUAL, BY_REGIME, TYPICAL, "interval score"):
                lines.append(_held(part, f"{name} / that of {MAPIE}, mean over data", 1 / theirs[name], 1.0))
    for part in ("classes", "sides"):
        wide = _wide(measured, part)
        if "worst regime" in wide:
            ours = wide.loc[wide["contender"] == OUR_CONFIDENCE, "worst regime"].abs().dropna()
            lines.append(_held(part, "distance of stated probability, regimes of more than 500 rows", ours, 0.03))
    return pd.DataFrame(lines)


def _held(part: str, words: str, figures: pd.Series, most: float) -> dict[str, Any]:
    missed = int((figures > most).sum())
    return {
        "part": part,
        "figure": words,
        "at most": most,
        "worst": round(float(figures.max()), 4),
        "mean": round(float(figures.mean()), 4),
        "": f"MISSED on {missed} of {len(figures)}" if missed else "met",
    }

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
    EXCESS,
    RIGHT,
    SCORE,
    TYPICAL,
    WORST,
    of_intervals,
    of_sets,
    of_statements,
)
from benchmarks.coverage._rivals import FIRST_ROWS, RIVALS, drawn, mapie_is_here
from benchmarks.coverage._stated import SETS, STATED, calibrated, nominal
from skensemble.losses import LogLoss

__all__ = ["main"]

OURS, MAPIE, OUR_CONFIDENCE = "AdaptiveIntervals", "MAPIE ACI", "AdaptiveConfidence"
NOISE, REAL = "noise", "series"
CALIBRATION, NONE = "ProbabilityCalibration", "none"


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
    _show_calibration(measured)
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
                yield _calibration, (said,)


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


def _calibration(said: Said) -> list[Line]:
    later = said.folds > said.folds.min()
    answers = {CALIBRATION: calibrated(said), NONE: said.combined}
    losses = {name: LogLoss()(said.targets, each[:, None, :])[later, 0].mean() for name, each in answers.items()}
    return [
        ("calibration", said.data, said.seed, name, RIGHT, "log loss", float(loss)) for name, loss in losses.items()
    ]


# What it means.


def _wide(measured: pd.DataFrame, part: str) -> pd.DataFrame:
    """One row per data, seed, contender and coverage, one column per figure."""
    own = measured[measured["part"] == part]
    return own.pivot(index=["data", "seed", "contender", "asked"], columns="figure", values="value").reset_index()


def _show_gaps(words: str, wide: pd.DataFrame) -> None:
    """Print the largest distances of realised coverage from what was asked over all data."""
    wide = wide.assign(pooled=(wide["realised"] - wide["asked"].astype(float)).abs())
    how = {"pooled": "max", EXCESS: "max", "lowest regime": "min", "highest regime": "max", "worst 250 rows": "min"}
    for name, of in how.items():
        if name in wide:
            worst = 100 * wide.groupby(["contender", "asked"], sort=False)[[name]].agg(of)
            show(
                f"{words}: coverage less what was asked, {name}; worst over data, in points",
                _side_by_side(worst.round(1)),
            )


def _ratios(wide: pd.DataFrame) -> pd.DataFrame:
    """Geometric means over data of figures divided by ours, by contender and coverage."""
    names = [EQUAL, BY_REGIME, TYPICAL, SCORE]
    keys = ["data", "seed", "asked"]
    ours = wide[wide["contender"] == OURS].set_index(keys)[names].loc[pd.MultiIndex.from_frame(wide[keys])]
    # An interval of no width at all, as some rivals draw it now and then, has no typical width either.
    with np.errstate(divide="ignore"):
        logs = np.log(wide[names].to_numpy() / ours.to_numpy())
    table = pd.DataFrame(logs, columns=names).assign(contender=wide["contender"], asked=wide["asked"])
    return np.exp(table.groupby(["contender", "asked"], sort=False).mean())


def _side_by_side(table: pd.DataFrame) -> pd.DataFrame:
    """One line per contender (or data), one column per coverage and, if there are several, figure."""
    table = table.unstack("asked").sort_index(axis=1, level="asked", sort_remaining=False)
    several = len(set(table.columns.get_level_values(0))) > 1
    table.columns = [f"{f'{figure}, ' * several}{100 * float(asked):g} %" for figure, asked in table.columns]
    return table.reset_index()


def _show_intervals(measured: pd.DataFrame) -> None:
    for part, words in ((NOISE, "noise of known size"), (REAL, "real series")):
        wide = _wide(measured, part)
        _show_gaps(words, wide)
        ratios = _ratios(wide)
        for name in ratios:
            title = f"{name}, as drawn" if name == SCORE else f"{name} at equal coverage"
            show(f"{words}: {title}, divided by ours; mean over data", _side_by_side(ratios[[name]].round(3)))
    ours = wide[wide["contender"] == OURS].set_index(["data", "asked"])
    for name in ("realised", "lowest regime", "highest regime", "worst 250 rows"):
        if name in ours:
            show(f"real series: {name}, ours", _side_by_side(ours[[name]].round(3)))


def _show_sets(measured: pd.DataFrame) -> None:
    wide = _wide(measured, "sets")
    wide = wide[wide["asked"] != RIGHT]
    _show_gaps("sets", wide)
    show(
        "sets: size; mean over data",
        _side_by_side(wide.groupby(["contender", "asked"], sort=False)[["size"]].mean().round(3)),
    )
    at = wide[wide["asked"] == "0.9"].set_index(["data", "seed", "contender"])[["realised", "size"]]
    show(
        "sets: coverage and size at 90 %; mean over seeds",
        at.groupby(["data", "contender"], sort=False).mean().unstack().round(3).reset_index(),
    )


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


def _show_calibration(measured: pd.DataFrame) -> None:
    table = _wide(measured, "calibration").pivot_table("log loss", ["data"], "contender")
    table["ratio"] = table[CALIBRATION] / table[NONE]
    show("log loss of all classes, calibrated forward and not; mean over seeds", table.round(4).reset_index())


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
        if "worst 250 rows" in ours:
            lines.append(_held(part, "below what was asked, worst 250 rows", -ours["worst 250 rows"].dropna(), 0.08))
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
    losses = _wide(measured, "calibration").pivot(index=["data", "seed"], columns="contender", values="log loss")
    lines.append(_held("calibration", "log loss / that of none", losses[CALIBRATION] / losses[NONE], 1.0))
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

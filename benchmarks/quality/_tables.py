"""What the figures say: tables, and the targets of the issue beside what was found.

The rule: losses of different scenarios are compared by ratios, their means are geometric, and an interval says what
other scenarios of the same kind might have shown (bootstrap over scenarios). Where a target is missed, it says MISSED.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.quality._methods import (
    BASE,
    BEST,
    EQUAL,
    HEADLINE,
    METHODS,
    MIX,
    ORACLES,
    OURS,
    PARTS,
    SHUFFLED,
)
from benchmarks.quality._scenarios import PREDICTABLE, SCENARIOS, TRADED

__all__ = ["PLACES", "Interval", "bootstrap", "ranks", "tables", "wide"]

_DRAWS = 2000

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]

# Where the columns of the main table come from: group or kind, and task.
PLACES: dict[str, Callable[[str], bool]] = {
    "real": lambda name: SCENARIOS[name].kind == PREDICTABLE,
    "returns": lambda name: SCENARIOS[name].kind == TRADED,
    "synth. numbers": lambda name: SCENARIOS[name].group == "synthetic" and SCENARIOS[name].task == "numbers",
    "synth. classes": lambda name: SCENARIOS[name].group == "synthetic" and SCENARIOS[name].task == "classes",
}


class Interval(NamedTuple):
    """A mean over scenarios, its 95 % interval, and how many there were."""

    mean: float
    low: float
    high: float
    n: int


def _mean(rows: Array) -> Array:
    return rows[..., 0].mean(axis=-1)


def bootstrap(figures: pd.Series | pd.DataFrame, statistic: Statistic = _mean) -> Interval:
    """Mean (or another statistic) over scenarios, and its interval when scenarios are drawn anew.

    The statistic takes arrays of shape ``(..., n_scenarios, n_columns)`` to ``(...)``.
    """
    rows = pd.DataFrame(figures).dropna().to_numpy(dtype=float)
    if not len(rows):
        return Interval(np.nan, np.nan, np.nan, 0)
    drawn = np.random.default_rng(0).integers(len(rows), size=(_DRAWS, len(rows)))
    low, high = np.quantile(statistic(rows[drawn]), [0.025, 0.975])
    return Interval(float(statistic(rows)), float(low), float(high), len(rows))


def wide(figures: pd.DataFrame, measure: str, *, set_: str | None = None) -> pd.DataFrame:
    """Scenarios × methods of one measure."""
    chosen = figures[figures["measure"] == measure]
    table = chosen.pivot(index="scenario", columns="method", values="value")
    kept = [name for name in SCENARIOS if name in table.index and set_ in (None, SCENARIOS[name].set)]
    return table.loc[kept]


def _main(table: pd.DataFrame) -> list[str]:
    """Methods that are ranked: neither parts nor oracles."""
    return [name for name, method in METHODS.items() if name in table and method.live and method.family != PARTS]


def ranks(figures: pd.DataFrame, set_: str | None = None) -> pd.DataFrame:
    """Rank of every live method on every scenario, from 0 (best) to 1 (worst); whoever failed is last.

    A method that does not apply to a scenario has no rank there.
    """
    losses = wide(figures, "loss", set_=set_)
    losses = losses[_main(losses)]
    failed = wide(figures, "failed", set_=set_).reindex_like(losses)
    losses = losses.mask(failed.notna(), np.inf)
    placed = losses.rank(axis=1)
    return (placed - 1).div(placed.max(axis=1) - 1, axis=0)


def tables(figures: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield titles and tables, the report set last."""
    for set_ in ("tune", "report"):
        losses = wide(figures, "loss", set_=set_)
        if losses.empty or BASE not in losses:
            continue
        n = len(losses)
        yield f"{set_} set, {n} scenarios: loss / that of one LightGBM", _each(losses)
        yield (
            f"{set_} set: parts of ours, loss / that of the default, geometric mean over {n} scenarios",
            _parts(losses),
        )
        traded = [name for name in losses.index if PLACES["returns"](name)]
        if traded:
            yield (
                f"{set_} set: trades on {len(traded)} series, after costs, less those of one LightGBM",
                _trades(figures, set_, traded),
            )
        yield f"{set_} set, {n} scenarios: loss against one LightGBM in %, and the worst", _summary(figures, set_)
        yield f"{set_} set: targets, and found", _targets(figures, set_)
        if HEADLINE in losses:
            yield f"{set_} set: the claims, {HEADLINE} against one LightGBM", _claims(figures, set_)
    spent = _costs(figures)
    if len(spent):
        yield "cost on 1,200 rows: one thread, one process", spent


def _percent(ratio: float) -> str:
    return "" if np.isnan(ratio) else f"{100 * (ratio - 1):+.1f}"


def _mean_ratio(losses: pd.DataFrame, method: str, rival: str) -> pd.Series:
    """Logarithm of the ratio of losses, by scenario."""
    if method not in losses or rival not in losses:
        return pd.Series(dtype=float)
    return np.log(losses[method] / losses[rival]).dropna()


_SHOWN = (
    "voting",
    "stacking",
    "dynamic",
    "combined",
    "dynamic, no regimes",
    "best single",
    "equal weights",
    SHUFFLED,
    "FLAML",
)


def _each(losses: pd.DataFrame) -> pd.DataFrame:
    columns = [name for name in (*_SHOWN, "LightGBM + regimes", "windowed rule", MIX) if name in losses]
    table = losses[columns].div(losses[BASE], axis=0)
    return table.map(lambda ratio: "" if np.isnan(ratio) else f"{ratio:.3f}").reset_index()


_DEFAULTS = {
    "rule": "rule BernsteinAggregation",
    "weighting": "weighting ConvexWeights",
    "detector": "detector SingleRegime",
}


def _parts(losses: pd.DataFrame) -> pd.DataFrame:
    lines = []
    for name in losses:
        default = _DEFAULTS.get(name.split()[0])
        if METHODS[name].family == PARTS and default in losses:
            ratio = _mean_ratio(losses, name, default)
            line = {"part": name, "to": default, "n": len(ratio), "mean %": _percent(np.exp(ratio.mean()))}
            for place, inside in PLACES.items():
                here = ratio[[inside(scenario) for scenario in ratio.index]]
                line[place] = _percent(np.exp(here.mean())) if len(here) else ""
            lines.append(line | {"worst %": _percent(np.exp(ratio.max()))})
    return pd.DataFrame(lines)


def _trades(figures: pd.DataFrame, set_: str, traded: Sequence[str]) -> pd.DataFrame:
    lines = []
    losses = wide(figures, "loss", set_=set_).loc[traded]
    won, earned = (wide(figures, measure, set_=set_).reindex(traded) for measure in ("win rate", "sharpe"))
    for name in _main(losses):
        ratio = bootstrap(_mean_ratio(losses, name, BASE), _geometric)
        line = {"method": name, "loss %": _interval(ratio, _percent)}
        line["win rate %"] = f"{100 * won[name].mean():.1f}" if name in won else ""
        line["points more"] = (
            _interval(bootstrap(100 * (won[name] - won[BASE])), "{:+.1f}".format) if name in won else ""
        )
        line["Sharpe"] = f"{earned[name].mean():.2f}" if name in earned else ""
        line["more"] = _interval(bootstrap(earned[name] - earned[BASE]), "{:+.2f}".format) if name in earned else ""
        lines.append(line)
    return pd.DataFrame(lines)


def _interval(found: Interval, form: Callable[[float], str]) -> str:
    return "" if np.isnan(found.mean) else f"{form(found.mean)} ({form(found.low)} to {form(found.high)})"


def _summary(figures: pd.DataFrame, set_: str) -> pd.DataFrame:
    losses, placed = wide(figures, "loss", set_=set_), ranks(figures, set_)
    far = {word: np.log(wide(figures, f"worst {word} / oracle", set_=set_)) for word in ("regime", "year")}
    recovered = wide(figures, "rows to recover", set_=set_)
    lines = []
    for name in [*_main(losses), *(name for name in losses if METHODS[name].family == ORACLES)]:
        ratio = _mean_ratio(losses, name, BASE)
        line: dict[str, object] = {"method": name}
        for place, inside in PLACES.items():
            here = ratio[[inside(scenario) for scenario in ratio.index]]
            line[place] = _percent(np.exp(here.mean())) if len(here) else ""
        single = _mean_ratio(losses, name, BEST)
        line["/ best single, worst"] = _percent(np.exp(single.max())) if len(single) else ""
        for word, table in far.items():
            line[f"worst {word} / oracle"] = _percent(np.exp(table[name].mean())) if name in table else ""
        rows = recovered[name].median() if name in recovered else np.nan
        line["recovers"] = "" if np.isnan(rows) else f"{rows:.0f}"
        own = bootstrap(placed[name]) if name in placed else None
        line["rank"] = own.mean if own else np.nan
        line["rank, 95 %"] = "" if own is None else f"{own.mean:.2f} ({own.low:.2f} to {own.high:.2f}), n {own.n}"
        lines.append(line)
    table = pd.DataFrame(lines).sort_values("rank", kind="stable", na_position="last")
    return table.drop(columns="rank")


# Targets.


class Target(NamedTuple):
    """What the issue asks for: a figure by scenario, how it is summed up, and the most it may be."""

    words: str
    most: float
    figure: Callable[[pd.DataFrame, str, str], pd.DataFrame | pd.Series]
    statistic: Statistic
    form: Callable[[float], str]


def _geometric(rows: Array) -> Array:
    return np.exp(_mean(rows))


def _worst(rows: Array) -> Array:
    return np.exp(rows[..., 0].max(axis=-1))


def _against(rival: str, place: str | None = None) -> Callable[[pd.DataFrame, str, str], pd.Series]:
    def figure(figures: pd.DataFrame, set_: str, name: str) -> pd.Series:
        ratio = _mean_ratio(wide(figures, "loss", set_=set_), name, rival)
        return ratio if place is None else ratio[[PLACES[place](scenario) for scenario in ratio.index]]

    return figure


def _distances(word: str) -> Callable[[pd.DataFrame, str, str], pd.DataFrame]:
    """Logarithms of the worst loss relative to the oracle's, ours and that of the LightGBM."""

    def figure(figures: pd.DataFrame, set_: str, name: str) -> pd.DataFrame:
        table = np.log(wide(figures, f"worst {word} / oracle", set_=set_))
        return table[[name, BASE]] if name in table and BASE in table else pd.DataFrame()

    return figure


def _remaining(rows: Array) -> Array:
    """Our mean distance to the oracle as a share of that of the LightGBM."""
    means = rows.mean(axis=-2)
    return means[..., 0] / means[..., 1]


def _rank(figures: pd.DataFrame, set_: str, name: str) -> pd.DataFrame:
    """Our rank beside the best of all others that are not ours."""
    placed = ranks(figures, set_)
    others = [other for other in placed if not METHODS[other].family.startswith(OURS)]
    if name not in placed or not others:
        return pd.DataFrame()
    return placed[[name, placed[others].mean().idxmin()]]


def _rank_behind(rows: Array) -> Array:
    means = rows.mean(axis=-2)
    return means[..., 0] - means[..., 1]


TARGETS = (
    Target("real: loss against one LightGBM", 0.95, _against(BASE, "real"), _geometric, _percent),
    Target("real: against equal weights", 1.0, _against(EQUAL, "real"), _geometric, _percent),
    Target("real: against sklearn Stacking, shuffled", 1.0, _against(SHUFFLED, "real"), _geometric, _percent),
    Target("real: against the best fixed mix in hindsight", 1.01, _against(MIX, "real"), _geometric, _percent),
    Target("all: rank behind the best that is not ours", 0.0, _rank, _rank_behind, "{:+.2f}".format),
    Target("all: against the best single, where worst", 1.02, _against(BEST), _worst, _percent),
    Target(
        "all: worst regime, distance to oracle / LightGBM's", 0.7, _distances("regime"), _remaining, "{:.2f}".format
    ),
    Target("all: worst year, distance to oracle / LightGBM's", 0.7, _distances("year"), _remaining, "{:.2f}".format),
)


def _targets(figures: pd.DataFrame, set_: str) -> pd.DataFrame:
    ours = [name for name, method in METHODS.items() if method.family == OURS]
    lines = []
    for target in TARGETS:
        line = {"target": target.words, "at most": target.form(target.most)}
        for name in ours:
            rows = target.figure(figures, set_, name)
            if not len(rows):
                continue
            found = bootstrap(rows, target.statistic)
            unsure = (
                "" if target.statistic is _worst or (found.low > target.most) == (found.high > target.most) else "?"
            )
            line[name] = f"{target.form(found.mean)} {'met' if found.mean <= target.most else 'MISSED'}{unsure}"
            line["n"] = str(found.n)
        lines.append(line)
    return pd.DataFrame(lines).fillna("")


# Claims.


def _gain(rows: Array) -> Array:
    """The mean of the first column relative to that of the second."""
    means = rows.mean(axis=-2)
    return means[..., 0] / means[..., 1]


def _claims(figures: pd.DataFrame, set_: str) -> pd.DataFrame:
    """What was hoped for of an ensemble instead of one model, and what was found."""

    def pair(measure: str, place: str | None = None) -> pd.DataFrame:
        table = wide(figures, measure, set_=set_)
        if not {HEADLINE, BASE} <= set(table):
            return pd.DataFrame(columns=[HEADLINE, BASE], dtype=float)
        inside = [place is None or PLACES[place](name) for name in table.index]
        return table.loc[inside, [HEADLINE, BASE]]

    def loss(place: str) -> pd.Series:
        return _against(BASE, place)(figures, set_, HEADLINE)

    sharpe = pair("sharpe")
    lines = [
        ("win rate, returns and signs", "+5 to +10", bootstrap(pair("win rate", "returns"), _gain), _percent),
        ("Sharpe ratio, the same", "+10 to +20", bootstrap(sharpe, _gain), _percent),
        ("  difference of both", "", bootstrap(sharpe[HEADLINE] - sharpe[BASE]), "{:+.2f}".format),
        *(
            (
                f"worst {word}: distance to the oracle",
                "-30 to -50",
                bootstrap(_distances(word)(figures, set_, HEADLINE), _remaining),
                _percent,
            )
            for word in ("regime", "year")
        ),
        *((f"loss on new rows: {place}", "below 0", bootstrap(loss(place), _geometric), _percent) for place in PLACES),
    ]
    return pd.DataFrame(
        [
            {"claim": words, "hoped": hoped, "found": _interval(found, form), "n": found.n}
            for words, hoped, found, form in lines
        ]
    )


def _costs(figures: pd.DataFrame) -> pd.DataFrame:
    measures = ["fit s", "predict ms/row", "update ms/row", "peak MiB"]
    chosen = figures[figures["measure"].isin(measures)]
    if chosen.empty:
        return chosen
    table = chosen.pivot(index=["scenario", "method"], columns="measure", values="value")
    table = table.reindex(columns=measures).sort_index(level=0, sort_remaining=False)
    return table.round(3).astype(object).where(table.notna(), "").reset_index()

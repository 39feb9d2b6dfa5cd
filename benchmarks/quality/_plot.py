"""One picture of the kept results: how much is lost, where it is worst, and who comes first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.quality._methods import BASE, BEST, EQUAL, METHODS, MIX, OURS, SHUFFLED, missing_package
from benchmarks.quality._tables import PLACES, bootstrap, ranks, wide

__all__ = ["draw"]

SHOWN = (
    "combined + regimes",
    "combined",
    "dynamic",
    "stacking",
    "voting",
    BEST,
    EQUAL,
    "windowed rule",
    "sklearn Stacking",
    SHUFFLED,
    "mlxtend Stacking",
    "FLAML",
    "river EWA",
    "river adaptive forest",
    "LightGBM + regimes",
    BASE,
)
_TITLES = {
    "real": "real series that can be predicted",
    "returns": "returns and signs",
    "synth. numbers": "synthetic markets, numbers",
    "synth. classes": "synthetic markets, classes",
}
_OURS, _OTHERS, _EACH = "#0072B2", "#555555", "#bbbbbb"
_FARTHEST = 40.0


def draw(figures: pd.DataFrame, set_: str, path: Path) -> None:
    """Draw loss against one LightGBM in each kind of scenario, and ranks.

    Parameters
    ----------
    figures : DataFrame
        As `run` keeps them.
    set_ : {"tune", "report"}
        Which scenarios.
    path : Path
        Where to.
    """
    if missing_package("matplotlib"):
        raise SystemExit("matplotlib is not installed. Run: pip install matplotlib")
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra: the tables do without it

    losses, placed = wide(figures, "loss", set_=set_), ranks(figures, set_)
    names = [name for name in SHOWN if name in losses]
    ratios = 100 * (losses.div(losses[BASE], axis=0) - 1)
    places = {place: [name for name in ratios.index if inside(name)] for place, inside in PLACES.items()}
    places = {place: found for place, found in places.items() if found}
    figure = Figure(figsize=(3.1 * (len(places) + 1) + 1.5, 0.34 * len(names) + 1.5), layout="constrained")
    grid: Any = figure.subplots(1, len(places) + 1, sharey=True, squeeze=False)
    for axes, (place, scenarios) in zip(grid[0], places.items(), strict=False):
        _draw_ratios(axes, ratios.loc[scenarios], names, f"{_TITLES[place]} (n = {len(scenarios)})")
    _draw_ranks(grid[0, -1], placed, names)
    grid[0, 0].set_yticks(range(len(names)), names)
    grid[0, 0].invert_yaxis()
    for label in grid[0, 0].get_yticklabels():
        label.set_color(_OURS if METHODS[label.get_text()].family == OURS else "black")
    figure.suptitle("Loss against one LightGBM in %, per scenario and mean; left is better", fontsize=11)
    figure.savefig(path, dpi=150)


def _draw_ratios(axes: Any, ratios: pd.DataFrame, names: list[str], title: str) -> None:
    for row, name in enumerate(names):
        each = ratios[name].dropna()
        axes.plot(each.clip(upper=_FARTHEST), np.full(len(each), row), "|", color=_EACH, ms=7)
        if len(each):
            mean = 100 * (np.exp(np.log1p(each / 100).mean()) - 1)
            axes.plot(min(mean, _FARTHEST), row, "o", color=_colour(name), ms=6)
    if MIX in ratios:
        mix = 100 * (np.exp(np.log1p(ratios[MIX] / 100).mean()) - 1)
        axes.axvline(mix, color="#009E73", lw=1, ls="--", label="best fixed mix in hindsight")
        axes.legend(loc="lower right", fontsize=7, frameon=False)
    axes.axvline(0, color="black", lw=0.8)
    axes.set_title(title, fontsize=9)
    axes.grid(axis="y", color="#eeeeee")
    axes.set_axisbelow(True)


def _draw_ranks(axes: Any, placed: pd.DataFrame, names: list[str]) -> None:
    for row, name in enumerate(names):
        if name in placed:
            own = bootstrap(placed[name])
            axes.plot([own.low, own.high], [row, row], color=_colour(name), lw=2)
            axes.plot(own.mean, row, "o", color=_colour(name), ms=6)
    axes.set_title(f"mean rank of {placed.shape[1]}, 0 = first (95 %)", fontsize=9)
    axes.grid(axis="y", color="#eeeeee")
    axes.set_axisbelow(True)


def _colour(name: str) -> str:
    return _OURS if METHODS[name].family == OURS else _OTHERS

"""``python -m skensemble``: the main job on bundled real data, in a minute, with tables and a picture."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from skensemble import __version__
from skensemble._demo import (
    BEST_SINGLE,
    BLIND,
    COMBINERS,
    COST_BPS,
    EQUAL,
    FORMATS,
    HORIZONS,
    NO_MODEL,
    REGIMES,
    RIVAL,
    draw,
    walk,
)
from skensemble.evaluation import Change, WalkForward, change_interval

__all__ = ["main"]

WIDTH = 100
NAME = 20
BLOCK = 63

WHAT = f"""\
Several models predict the S&P 500 day by day, and are combined in three ways.

The daily prices of 1999 to 2018 come with the package. Four models are trained on the years up to 2006
and retrained every January on all outcomes known by then. Every day from 2007 on is predicted with what
was known at its close; when its outcome has come, it goes back to the ensembles (partial_update), and
the next day is predicted with what it has taught. All of this stands beside one LightGBM as it comes
out of the box, equal weights, the best single model so far, each model alone, and no model at all.

It takes about a minute on two free cores and needs no network.

  voting    weights of least squared error
  stacking  a linear model of the models' predictions
  dynamic   weights that follow a rule with regret bounds
  regimes   {", ".join(REGIMES)}: where today's volatility stands among all until today
"""

NO_MODEL_MEANS = {
    "return": "No model: expects 0, holds long.",
    "volatility": "No model: that of the last 21 days.",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program.

    Parameters
    ----------
    arguments : sequence of str, default=None
        Arguments of the command line; ``None`` takes those of the process.

    Returns
    -------
    int
        0: everything was printed, and saved where asked for. 1: a picture cannot be saved, and a sentence on stderr
        says why. (Wrong arguments leave with 2, as usual.)
    """
    asked = _parser().parse_args(arguments)
    trouble = _cannot_save(asked.save)
    if trouble:
        print(trouble, file=sys.stderr)
        return 1
    walks = {}
    for target in list(HORIZONS) if asked.target == "both" else [asked.target]:
        _progress(f"{target}: living through the years, training every January ...")
        walks[target] = walk(target, quick=asked.quick)
    _progress("")
    print(_opening(next(iter(walks.values()))))
    for target, walked in walks.items():
        print("", _table(target, walked), "", _weights(walked), "", _words_kept(target, walked), sep="\n")
        print("", _verdict(target, walked), sep="\n")
    if asked.save is not None:
        draw(walks, asked.save)
        print("", f"The picture is in {asked.save}.", sep="\n")
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser("python -m skensemble", description=WHAT, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"skensemble {__version__}")
    parser.add_argument(
        "--target",
        choices=(*HORIZONS, "both"),
        default="both",
        help="what is predicted: the return of the next day, the volatility of the next five, or both (default)",
    )
    parser.add_argument(
        "--save", type=Path, metavar="FILE.png", help="draw how weights and losses ran (.png, .pdf or .svg)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="fewer years and small models, in seconds; the figures are worse for it"
    )
    return parser


def _cannot_save(path: Path | None) -> str:
    """What stands in the way of a picture, said before the minute is spent; empty where nothing does."""
    if path is None:
        return ""
    if path.suffix.lower() not in FORMATS:
        return f"--save {path}: the name must end in one of {', '.join(FORMATS)}."
    if not path.absolute().parent.is_dir():
        return f"--save {path}: there is no folder {path.absolute().parent}. Make it first."
    if find_spec("matplotlib") is None:
        return f'--save {path} needs matplotlib, which is not installed. Run: pip install "skensemble[plot]"'
    return ""


def _progress(text: str) -> None:
    """Say what is going on where somebody is watching, and wipe it afterwards."""
    if sys.stderr.isatty():
        print(f"\r{text:<{WIDTH - 1}}\r", end="", file=sys.stderr, flush=True)


def _opening(walked: WalkForward) -> str:
    first, last = walked.predictions.index[0].year, walked.predictions.index[-1].year
    n_train = walked.trainings["n_train"].iloc[0]
    return "\n".join(
        [
            f"skensemble {__version__} on the S&P 500, {first} to {last}: each day is predicted at the close before.",
            f"Models: {', '.join(_models(walked))}; first trained on {n_train:,} days, then every January.",
            "Outcomes go back to the ensembles as they become known. Nothing is used before its time.",
            f"Regimes, by past volatility: {', '.join(REGIMES)}.",
        ]
    )


def _models(walked: WalkForward) -> tuple[str, ...]:
    return walked.explanations["dynamic"].models


def _table(target: str, walked: WalkForward) -> str:
    report = walked.report(block=BLOCK).set_index(["rival", "regime"])
    of_returns = target == "return"
    row = _row_of_returns if of_returns else _row_of_volatility
    lines = _header_of_returns(walked) if of_returns else _header_of_volatility(walked)
    sections = {
        "Each model alone": {f"{model} alone": model for model in _models(walked)},
        "Rivals": {name: name for name in (RIVAL, EQUAL, BEST_SINGLE, NO_MODEL)},
        "Ensembles": {name: name for name in (*COMBINERS, BLIND)},
    }
    for title, names in sections.items():
        lines += [title, *(row(shown, report.loc[name]) for name, shown in names.items())]
    return "\n".join([*lines, *_notes(target, walked)])


def _header_of_returns(walked: WalkForward) -> list[str]:
    return [
        _title(f"Return of the next day: {len(walked):,} days"),
        _return_cells("", "error", "loss vs", "right side", "", "profit", "Sharpe", "worst"),
        _return_cells("", "bps", "LightGBM", "% (95 %)", "n", "bps", "a year (95 %)", "year"),
    ]


def _row_of_returns(name: str, rows: Any) -> str:
    row = rows.loc["pooled"]
    low, high = 100 * row["win_rate_low"], 100 * row["win_rate_high"]
    return _return_cells(
        name,
        f"{1e4 * np.sqrt(row['loss']):.1f}",
        _percent(row["change"]),
        f"{100 * row['win_rate']:.1f} ({low:.1f}, {high:.1f})",
        f"{row['won'] + row['lost']:.0f}",
        f"{row['profit_bps']:.1f}",
        f"{row['sharpe_annual']:.2f} ({row['sharpe_annual_low']:.2f}, {row['sharpe_annual_high']:.2f})",
        f"{row['worst_year']}",
    )


def _return_cells(name: str, error: str, change: str, right: str, n: str, profit: str, sharpe: str, worst: str) -> str:
    return f" {name:<{NAME}}{error:>6}{change:>10}{right:>19}{n:>6}{profit:>8}{sharpe:>21}{worst:>7}"


def _header_of_volatility(walked: WalkForward) -> list[str]:
    return [
        _title(f"Volatility of the next 5 days: {len(walked):,} days"),
        _volatility_cells("", "error", "loss vs", ["", "", "loss vs LightGBM in"], "worst"),
        _volatility_cells("", "% a year", "LightGBM", REGIMES, "year"),
    ]


def _row_of_volatility(name: str, rows: Any) -> str:
    row = rows.loc["pooled"]
    inside = [_percent(rows.loc[regime, "change"]) for regime in REGIMES]
    cells = (f"{100 * np.sqrt(row['loss']):.2f}", _percent(row["change"]), inside, f"{row['worst_year']}")
    return _volatility_cells(name, *cells)


def _volatility_cells(name: str, error: str, change: str, inside: Sequence[str], worst: str) -> str:
    return f" {name:<{NAME}}{error:>10}{change:>12}  {''.join(f'{cell:>12}' for cell in inside)}{worst:>9}"


def _notes(target: str, walked: WalkForward) -> list[str]:
    days = walked.regimes.value_counts()
    lines = [
        "Error: root mean squared. Loss: mean squared error, against the default LightGBM, in %; below 0 is",
        f"better. Days: {', '.join(f'{days.get(regime, 0):,} {regime}' for regime in REGIMES)}. "
        + NO_MODEL_MEANS[target],
    ]
    if target == "return":
        lines.append(
            f"Profit: per day, of holding the predicted side, after {COST_BPS:g} bps for every change of side."
        )
        lines.append("Worst year: that of least profit.")
    else:
        lines.append("Worst year: that of most loss against LightGBM (LightGBM itself: of most loss).")
    return lines


def _weights(walked: WalkForward) -> str:
    weights = walked.weights["dynamic"]
    by_year = weights.groupby(pd.DatetimeIndex(weights.index).year).mean()
    now = walked.estimators["dynamic"].weights_
    regimes = "".join(f"{regime:>9}" for regime in REGIMES)
    years = "".join(f"'{year:02d}".rjust(4) for year in by_year.index.to_numpy() % 100)
    ends = f"after {weights.index[-1].date()}, in"
    lines = [
        "How dynamic divides its trust among the models, in %",
        f"{'':<{NAME - 4}}{ends:>27}   mean of the year",
        f"{'':<{NAME - 4}}{regimes}   {years}",
    ]
    for model in _models(walked):
        cells = [f"{100 * now.loc[model, regime]:>9.0f}" for regime in REGIMES]
        lines.append(f" {model:<{NAME - 5}}{''.join(cells)}   " + "".join(f"{100 * w:>4.0f}" for w in by_year[model]))
    return "\n".join(lines)


def _words_kept(target: str, walked: WalkForward) -> str:
    """How often outcomes were within what dynamic stated of them before."""
    said, came = walked.explanations["dynamic"], walked.outcome.to_numpy()
    inside = {"all days": np.ones(len(walked), dtype=bool)}
    inside |= {regime: (walked.regimes == regime).to_numpy() for regime in REGIMES}
    lines = [
        "How often outcomes were within the intervals that dynamic had stated, in %",
        f"{'asked':>{NAME - 5}}" + "".join(f"{name:>12}" for name in inside),
    ]
    for coverage in said.coverages:
        low, high = said.interval(coverage).T
        held = (low <= came) & (came <= high)
        cells = "".join(f"{100 * held[rows].mean():>12.1f}" for rows in inside.values())
        lines.append(f"{100 * coverage:>{NAME - 5}.0f}{cells}")
    if target == "return":
        right = walked.wins["dynamic"] if walked.wins is not None else came
        lines.append(f"Its side was said to be right with {_mean(said.confidence)}, and was on {_mean(right)} of days.")
    return "\n".join(lines)


def _mean(values: Any) -> str:
    return f"{100 * np.nanmean(values):.1f} %"


def _verdict(target: str, walked: WalkForward) -> str:
    losses = walked.losses
    rivals = {
        "the default LightGBM": RIVAL,
        "equal weights": EQUAL,
        "the best single model": BEST_SINGLE,
        "no model": NO_MODEL,
        "no regimes": BLIND,
    }
    lines = [
        "Is it more than chance? Change of loss in %, with its 95 % interval",
        f"{'against':<{NAME + 8}}" + "".join(f"{combiner:>24}" for combiner in COMBINERS),
    ]
    sentences = []
    found: dict[str, dict[str, Change]] = {}
    for words, rival in rivals.items():
        found[rival] = each = {name: change_interval(losses[name], losses[rival], block=BLOCK) for name in COMBINERS}
        cells = [
            f"{100 * middle:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})" for middle, low, high, _ in each.values()
        ]
        lines.append(f" {words:<{NAME + 7}}" + "".join(f"{cell:>24}" for cell in cells))
        sentences.append(f" Against {words}: {_plainly(each)}.")
    lines += [
        "No regimes: dynamic, which is not told them.",
        f"All on the same {len(losses):,} days, drawn anew 2,000 times in blocks of {BLOCK} days.",
        "One interval in twenty leaves out 0 by chance alone.",
        "",
        "In plain words",
        *sentences,
        f" {_years_won(walked)}",
    ]
    if target == "return":
        lines += _about_returns(walked, found[NO_MODEL])
    return "\n".join(lines)


def _plainly(found: Mapping[str, Change]) -> str:
    """Who has less loss, who has more, and who neither."""
    less = [combiner for combiner, change in found.items() if change.verdict == "distinguishable: less loss"]
    more = [combiner for combiner, change in found.items() if change.verdict == "distinguishable: more loss"]
    unclear = [combiner for combiner in found if combiner not in (*less, *more)]
    parts = [f"{_listed(less)} {_have(less)} less loss"] if less else []
    parts += [f"{_listed(more)} {_have(more)} more loss"] if more else []
    if unclear:
        parts.append(f"for {_listed(unclear)} it may be chance" if parts else "any difference may be chance")
    return "; ".join(parts)


def _years_won(walked: WalkForward) -> str:
    """In how many years the loss was lower: one wild year must not speak for all."""
    by_year = walked.losses.groupby(pd.DatetimeIndex(walked.losses.index).year).mean()
    won = [f"{combiner} {(by_year[combiner] < by_year[RIVAL]).sum()}" for combiner in COMBINERS]
    return f"Years with less loss than the default LightGBM, of {len(by_year)}: {', '.join(won)}."


def _about_returns(walked: WalkForward, against_none: Mapping[str, Change]) -> list[str]:
    report = walked.report(block=BLOCK)
    found = report[report["regime"] == "pooled"].set_index("rival")
    sure = [
        str(name).removesuffix(" alone") for name in found.index[(found["sharpe_low"] > 0) | (found["sharpe_high"] < 0)]
    ]
    years = round(len(walked) / 252)
    lines = []
    if not any(change.high < 0 for change in against_none.values()):
        lines.append(" No ensemble is known to predict the next return better than expecting nothing does.")
    if sure:
        lines.append(f" Profit: of {len(found)} rows {_listed(sure)} {_have(sure)} a Sharpe ratio surely off 0.")
    else:
        lines.append(
            f" Profit: not one of the {len(found)} Sharpe ratios can be told from 0, so luck may explain all of them."
        )
    lines.append(f" Sharpe (95 %): true ratios in this range would make {years} years like these no surprise.")
    return lines


def _have(names: Sequence[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _percent(fraction: float) -> str:
    return "" if np.isnan(fraction) else f"{100 * fraction:+.1f}"


def _title(text: str) -> str:
    return f"== {text} ".ljust(WIDTH, "=")


if __name__ == "__main__":
    sys.exit(main())

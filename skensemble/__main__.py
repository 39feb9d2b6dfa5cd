"""``python -m skensemble``: the main job on bundled real data, in a minute, with tables and a picture."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from skensemble import __version__
from skensemble._demo import (
    BEST_SINGLE,
    BLOCK,
    COMBINERS,
    EQUAL,
    HORIZONS,
    NO_MODEL,
    REGIMES,
    RIVAL,
    Walk,
    change_interval,
    draw,
    figures,
    walk,
    with_regimes,
)

__all__ = ["main"]

Interval = tuple[float, float, float]

WIDTH = 100
NAME = 19
FORMATS = (".pdf", ".png", ".svg")

WHAT = f"""\
Several models predict the S&P 500 day by day, and are combined in three ways.

The daily prices of 1999 to 2018 come with the package. Four models are trained on the years up to 2006
and retrained every January on all days before; the ensembles learn from what the models said of days
that they had not seen. Every day from 2007 on is predicted with what was known at its close, and judged
when its outcome has come. All of this stands beside one LightGBM as it comes out of the box, equal
weights, the best single model chosen each January, and no model at all.

It takes about half a minute on two free cores and needs no network.

  voting    weights of least squared error, learned every January
  stacking  a linear model of the models' predictions, learned every January
  dynamic   weights that move with every outcome: one day later for returns, five for volatility
            (what partial_update does in an ensemble of yours)
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
    targets = list(HORIZONS) if asked.target == "both" else [asked.target]
    walks = []
    for target in targets:
        _progress(f"{target}: training the models, year by year ...")
        walks.append(walk(target, quick=asked.quick))
    _progress("")
    print(_opening(walks[0]))
    for walked in walks:
        print("", _table(walked), "", _weights(walked), "", _verdict(walked), sep="\n")
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


def _opening(walked: Walk) -> str:
    first, last, since = walked.said.index[0].year, walked.said.index[-1].year, walked.learned_from.year
    return "\n".join(
        [
            f"skensemble {__version__} on the S&P 500, {first} to {last}: each day is predicted at the close before.",
            f"Models: {', '.join(walked.models)}; trained on {since} to {first - 1}, anew every January.",
            "Voting and stacking learn every January how far to trust which model, dynamic every day.",
            f"Regimes, by past volatility: {', '.join(REGIMES)}. Nothing is used before its time.",
        ]
    )


def _table(walked: Walk) -> str:
    found = figures(walked)
    of_returns = walked.target == "return"
    row = _row_of_returns if of_returns else _row_of_volatility
    lines = _header_of_returns(walked) if of_returns else _header_of_volatility(walked)
    sections = {
        "Each model alone": walked.models,
        "Rivals": (RIVAL, EQUAL, BEST_SINGLE, NO_MODEL),
        "Ensembles": [name for combiner in COMBINERS for name in (combiner, with_regimes(combiner))],
    }
    for title, names in sections.items():
        lines += [title, *(row(found.loc[name]) for name in names)]
    return "\n".join([*lines, *_notes(walked)])


def _header_of_returns(walked: Walk) -> list[str]:
    return [
        _title(f"Return of the next day: {len(walked.said):,} days"),
        _return_cells("", "error", "loss vs", "right side", "", "profit", "Sharpe", "worst regime"),
        _return_cells("", "bps", "LightGBM", "% (95 %)", "n", "bps", "a year (95 %)", "bps"),
    ]


def _row_of_returns(row: Any) -> str:
    low, high = 100 * row["win_rate_low"], 100 * row["win_rate_high"]
    return _return_cells(
        row.name,
        f"{1e4 * row['error']:.1f}",
        _percent(row["change"]),
        f"{100 * row['win_rate']:.1f} ({low:.1f}, {high:.1f})",
        f"{row['n']:.0f}",
        f"{row['profit_bps']:.1f}",
        f"{row['sharpe']:.2f} ({row['sharpe_low']:.2f}, {row['sharpe_high']:.2f})",
        f"{row['worst']} {row['profit_bps_' + row['worst']]:.1f}",
    )


def _return_cells(name: str, error: str, change: str, right: str, n: str, profit: str, sharpe: str, worst: str) -> str:
    return f" {name:<{NAME}}{error:>6}{change:>9}{right:>18}{n:>5}{profit:>7}{sharpe:>20}{worst:>15}"


def _header_of_volatility(walked: Walk) -> list[str]:
    return [
        _title(f"Volatility of the next 5 days: {len(walked.said):,} days"),
        _volatility_cells("", "error", "loss vs", ["", "", "loss vs LightGBM in"], "worst"),
        _volatility_cells("", "% a year", "LightGBM", REGIMES, "regime"),
    ]


def _row_of_volatility(row: Any) -> str:
    inside = [_percent(row[f"change_{regime}"]) for regime in REGIMES]
    return _volatility_cells(row.name, f"{100 * row['error']:.2f}", _percent(row["change"]), inside, row["worst"])


def _volatility_cells(name: str, error: str, change: str, inside: Sequence[str], worst: str) -> str:
    return f" {name:<{NAME}}{error:>10}{change:>12}  {''.join(f'{cell:>12}' for cell in inside)}{worst:>13}"


def _notes(walked: Walk) -> list[str]:
    days = walked.regimes.value_counts()
    years_of = ", ".join(f"{name} in {years}" for name, years in Counter(walked.best).most_common())
    lines = [
        "Error: root mean squared. Loss: mean squared error, against the default LightGBM, in %; below 0 is",
        f"better. Days: {', '.join(f'{days.get(regime, 0):,} {regime}' for regime in REGIMES)}. "
        + NO_MODEL_MEANS[walked.target],
        f"Best single, chosen every January: {years_of} of {len(walked.best)} years.",
    ]
    if walked.target == "return":
        lines.append(
            "Profit: per day, of holding the predicted side, before costs; worst regime: that of least profit."
        )
    return lines


def _weights(walked: Walk) -> str:
    by_year = walked.weights.groupby(pd.DatetimeIndex(walked.weights.index).year).mean()
    regimes = "".join(f"{regime:>9}" for regime in REGIMES)
    years = "".join(f"'{year:02d}".rjust(4) for year in by_year.index.to_numpy() % 100)
    ends = f"after {walked.said.index[-1].date()}, in"
    lines = [
        "How dynamic + regimes divides its trust among the models, in %",
        f"{'':<{NAME - 3}}{ends:>27}   mean of the year",
        f"{'':<{NAME - 3}}{regimes}   {years}",
    ]
    for model in walked.models:
        cells = [f"{100 * weight:>9.0f}" for weight in walked.weights_now.loc[model].to_numpy()]
        lines.append(f" {model:<{NAME - 4}}{''.join(cells)}   " + "".join(f"{100 * w:>4.0f}" for w in by_year[model]))
    return "\n".join(lines)


def _verdict(walked: Walk) -> str:
    losses = walked.losses
    rivals = {
        "the default LightGBM": RIVAL,
        "equal weights": EQUAL,
        "the best single model": BEST_SINGLE,
        "no model": NO_MODEL,
        "the same without regimes": "",
    }
    lines = [
        "Is it more than chance? Change of loss in %, with its 95 % interval",
        f"{'with regimes, against':<{NAME + 8}}" + "".join(f"{combiner:>24}" for combiner in COMBINERS),
    ]
    sentences = []
    found: dict[str, dict[str, Interval]] = {}
    for words, rival in rivals.items():
        found[rival] = each = {
            combiner: change_interval(losses[with_regimes(combiner)], losses[rival or combiner])
            for combiner in COMBINERS
        }
        cells = [f"{100 * middle:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})" for middle, low, high in each.values()]
        lines.append(f" {words:<{NAME + 7}}" + "".join(f"{cell:>24}" for cell in cells))
        sentences.append(f" Against {words}: {_plainly(each)}.")
    lines += [
        f"Both on the same {len(losses):,} days, drawn anew 2,000 times in blocks of {BLOCK} days.",
        "One interval in twenty leaves out 0 by chance alone.",
        "",
        "In plain words",
        *sentences,
        f" {_years_won(walked)}",
    ]
    if walked.target == "return":
        lines += _about_returns(walked, found[NO_MODEL])
    return "\n".join(lines)


def _plainly(found: Mapping[str, Interval]) -> str:
    """Who has less loss, who has more, and who neither, by whether the interval leaves out 0."""
    less = [combiner for combiner, (_, _, high) in found.items() if high < 0]
    more = [combiner for combiner, (_, low, _) in found.items() if low > 0]
    unclear = [combiner for combiner in found if combiner not in (*less, *more)]
    parts = [f"{_listed(less)} {_have(less)} less loss"] if less else []
    parts += [f"{_listed(more)} {_have(more)} more loss"] if more else []
    if unclear:
        parts.append(f"for {_listed(unclear)} it may be chance" if parts else "any difference may be chance")
    return "; ".join(parts)


def _years_won(walked: Walk) -> str:
    """In how many years the loss was lower: one wild year must not speak for all."""
    by_year = walked.losses.groupby(pd.DatetimeIndex(walked.said.index).year).mean()
    won = [f"{combiner} {(by_year[with_regimes(combiner)] < by_year[RIVAL]).sum()}" for combiner in COMBINERS]
    return f"Years with less loss than the default LightGBM, of {len(by_year)}: {', '.join(won)}."


def _about_returns(walked: Walk, against_none: Mapping[str, Interval]) -> list[str]:
    found = figures(walked)
    sure = [str(name) for name in found.index[(found["sharpe_low"] > 0) | (found["sharpe_high"] < 0)]]
    years = round(len(walked.said) / 252)
    lines = []
    if not any(high < 0 for _, _, high in against_none.values()):
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
    return f"{100 * fraction:+.1f}"


def _title(text: str) -> str:
    return f"== {text} ".ljust(WIDTH, "=")


if __name__ == "__main__":
    sys.exit(main())

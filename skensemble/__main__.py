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
NAME = 21
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
    first, last = walked.said.index[0].year, walked.said.index[-1].year
    return "\n".join(
        [
            f"skensemble {__version__} on the S&P 500: each trading day of {first} to {last}, predicted at the close before.",
            f"Models: {', '.join(walked.models)}; trained on {walked.learned_from.year} to {first - 1}, anew every January.",
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
        lines += [title, *(f" {name:<{NAME - 1}}{row(found.loc[name])}" for name in names)]
    return "\n".join([*lines, *_notes(walked)])


def _header_of_returns(walked: Walk) -> list[str]:
    first = f"{'':<{NAME}}{'error':>6}{'loss vs':>8}{'right side':>20}{'':>5}{'profit':>7}{'Sharpe':>13}{'worst':>20}"
    second = (
        f"{'':<{NAME}}{'bps':>6}{'LightGBM':>9}{'% (95 %)':>18}{'n':>6}{'bps':>6}{'a year (95 %)':>17}{'regime':>17}"
    )
    return [_title(f"Return of the next day: {len(walked.said):,} days"), first, second]


def _row_of_returns(row: Any) -> str:
    right = f"{100 * row['win_rate']:.1f} ({100 * row['win_rate_low']:.1f} to {100 * row['win_rate_high']:.1f})"
    sharpe = f"{row['sharpe']:.2f} ({row['sharpe_low']:.2f} to {row['sharpe_high']:.2f})"
    worst = f"{row['worst']} {row['profit_bps_' + row['worst']]:.1f}"
    figures_first = f"{1e4 * row['error']:>6.1f}{_percent(row['change']):>8}{right:>20}{row['n']:>6.0f}"
    return f"{figures_first}{row['profit_bps']:>5.1f}{sharpe:>21}{worst:>14}".rstrip()


def _header_of_volatility(walked: Walk) -> list[str]:
    regimes = "".join(f"{regime:>11}" for regime in REGIMES)
    first = f"{'':<{NAME}}{'error':>9}{'loss vs':>12}{'loss vs LightGBM in each regime':>35}{'worst':>13}"
    second = f"{'':<{NAME}}{'% a year':>9}{'LightGBM':>12}  {regimes}{'regime':>13}"
    return [_title(f"Volatility of the next 5 days: {len(walked.said):,} days"), first, second]


def _row_of_volatility(row: Any) -> str:
    regimes = "".join(f"{_percent(row['change_' + regime]):>11}" for regime in REGIMES)
    return f"{100 * row['error']:>9.2f}{_percent(row['change']):>12}  {regimes}{row['worst']:>13}"


def _notes(walked: Walk) -> list[str]:
    days = walked.regimes.value_counts()
    chosen = Counter(walked.best)
    lines = [
        "Error: root mean squared. Loss: mean squared error, against that of LightGBM by default, in %; below 0",
        f"is better. Days: {', '.join(f'{days.get(regime, 0):,} {regime}' for regime in REGIMES)}.",
        f"Best single: chosen every January ({', '.join(f'{name} {times} times' for name, times in chosen.items())}). "
        + NO_MODEL_MEANS[walked.target],
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
        f"{'':<{NAME - 5}}{ends:>27}   mean of the year",
        f"{'':<{NAME - 5}}{regimes}   {years}",
    ]
    for model in walked.models:
        cells = [f"{100 * weight:>9.0f}" for weight in walked.weights_now.loc[model]]
        lines.append(f" {model:<{NAME - 6}}{''.join(cells)}   " + "".join(f"{100 * w:>4.0f}" for w in by_year[model]))
    return "\n".join(lines)


def _verdict(walked: Walk) -> str:
    losses = walked.losses
    rivals = {
        "LightGBM by default": RIVAL,
        "equal weights": EQUAL,
        "the best single model": BEST_SINGLE,
        "no model": NO_MODEL,
        "themselves without regimes": "",
    }
    lines = [
        "Is it more than chance? Change of loss in %, with its 95 % interval",
        f"{'with regimes, against':<{NAME + 7}}" + "".join(f"{combiner:>24}" for combiner in COMBINERS),
    ]
    sentences = []
    found: dict[str, dict[str, Interval]] = {}
    for words, rival in rivals.items():
        found[rival] = each = {
            combiner: change_interval(losses[with_regimes(combiner)], losses[rival or combiner])
            for combiner in COMBINERS
        }
        cells = [f"{100 * middle:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})" for middle, low, high in each.values()]
        lines.append(f" {words:<{NAME + 6}}" + "".join(f"{cell:>24}" for cell in cells))
        sentences.append(f" Against {words}: {_plainly(each)}.")
    lines += [
        f"Both on the same {len(losses):,} days, drawn anew 2,000 times in blocks of {BLOCK} days. By chance alone about one",
        "interval in twenty leaves out 0.",
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
        who = "" if len(unclear) == len(found) else f" for {_listed(unclear)}"
        parts.append(f"no difference that can be told from chance{who}")
    return "; ".join(parts)


def _years_won(walked: Walk) -> str:
    """In how many years the loss was lower: one wild year must not speak for all."""
    by_year = walked.losses.groupby(pd.DatetimeIndex(walked.said.index).year).mean()
    won = [f"{combiner} {(by_year[with_regimes(combiner)] < by_year[RIVAL]).sum()}" for combiner in COMBINERS]
    return f"Years with less loss than LightGBM by default, of {len(by_year)}: {', '.join(won)}."


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

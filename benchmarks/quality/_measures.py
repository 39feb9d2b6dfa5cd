"""How good an answer was: losses, the worst regime and year, recovery, trades, and whether it was more than chance.

The rule: everything is measured on the same judged rows for every method, from its predictions and the outcomes alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.quality._case import Case
from benchmarks.quality._methods import BASE, BEST, EQUAL, MIX, REGIME_MODEL
from skensemble.combiners import default_loss
from skensemble.evaluation import change_interval

__all__ = ["COST_BPS", "YEAR", "losses_of", "measured", "recovery"]

Array = NDArray[np.float64]

YEAR = 250
COST_BPS = 1.0
# A regime of fewer judged rows says nothing.
_FEWEST = 30
# Rows after a switch in which recovery is looked for, rows that are averaged over, and how near is near enough.
_RECOVERS_WITHIN, _WINDOW, _NEAR = 150, 25, 1.1
_DRAWS, _BLOCK = 2000, 63


def losses_of(case: Case, answer: Array) -> Array:
    """Squared error of numbers, log loss of classes, row by row."""
    return default_loss(answer.shape[1])(case.targets[case.judged], answer[:, None])[:, 0]


def measured(case: Case, answers: dict[str, Array], plain: set[str]) -> Iterator[tuple[str, str, float]]:
    """Yield method, measure and figure; of the ``plain`` ones nothing but the loss."""
    losses = {name: losses_of(case, answer) for name, answer in answers.items()}
    of_moments = {name: _summed(case, values) for name, values in losses.items()}
    trades = {name: _trades(case, answers[name]) for name in answers if name not in plain}
    for name, own in losses.items():
        yield name, "loss", own.mean()
        if name in plain:
            continue
        if MIX in losses:
            yield name, "worst regime / oracle", _worst_regime(case, own, losses[MIX])
            yield name, "worst year / oracle", worst_year(of_moments[name], of_moments[MIX], _year(case))
        if case.market.truth is not None and REGIME_MODEL in losses:
            yield name, "rows to recover", recovery(own, losses[REGIME_MODEL], case.regimes)
        for rival in (BASE, EQUAL, BEST):
            if rival in losses and rival != name:
                change = change_interval(of_moments[name], of_moments[rival], block=_BLOCK)
                for figure, value in zip(("", ", low", ", high"), change[:3], strict=True):
                    yield name, f"change against {rival}{figure}", value
        for figure, value in trades[name].items() if trades[name] is not None else ():
            yield name, figure, value


# Rows.


def _summed(case: Case, values: Array) -> Array:
    """Sums over the rows of each moment."""
    return np.bincount(case.moments, weights=values)


def _year(case: Case) -> int:
    """Moments that hold 250 rows; half of them where there are fewer than 500."""
    per_moment = len(case.moments) / (case.moments[-1] + 1)
    return max(1, int(min(YEAR / per_moment, (case.moments[-1] + 1) // 2)))


def _worst_regime(case: Case, own: Array, oracle: Array) -> float:
    names, counts = np.unique(case.regimes, return_counts=True)
    large = names[counts >= min(_FEWEST, counts.max())]
    return float(max(own[case.regimes == name].sum() / oracle[case.regimes == name].sum() for name in large))


def worst_year(own: Array, oracle: Array, length: int) -> float:
    """The largest ratio of both losses over so many moments in a row."""
    sums = [np.convolve(values, np.ones(length), "valid") for values in (own, oracle)]
    return float((sums[0] / sums[1]).max())


def recovery(own: Array, oracle: Array, regimes: NDArray[np.str_]) -> float:
    """Rows after a switch until the loss is again near that of the best model per regime.

    The first k so that rows k to k + 24 after a switch, of all switches together, lose at most 10 % more than the
    oracle does on them; 150 where there is no such k. NaN where nothing switches.
    """
    begins = np.flatnonzero(regimes[1:] != regimes[:-1]) + 1
    if not len(begins):
        return np.nan
    ends = np.append(begins[1:], len(regimes))
    since = np.full(len(regimes), -1)
    for begin, end in zip(begins, ends, strict=True):
        since[begin:end] = np.arange(end - begin)
    for lag in range(_RECOVERS_WITHIN):
        inside = (since >= lag) & (since < lag + _WINDOW)
        if inside.sum() >= _WINDOW and own[inside].sum() <= _NEAR * oracle[inside].sum():
            return float(lag)
    return float(_RECOVERS_WITHIN)


# Trades.


def _trades(case: Case, answer: Array) -> dict[str, float]:
    """Win rate; with returns also profit of a trade and Sharpe ratio of a year, after costs of every change of side."""
    judged = case.judged
    if case.market.returns is None:
        if case.classes is None:
            return {}
        right = answer.argmax(axis=1) == case.targets[judged].argmax(axis=1)
        return {"win rate": float(right.mean())}
    returns = case.market.returns[judged]
    side = np.sign(answer[:, 0] if case.classes is None else answer[:, -1] - 0.5)
    held = (side != 0) & (returns != 0)
    profits = 1e4 * side * returns - COST_BPS * np.abs(_changes(case, side))
    by_moment = _summed(case, profits) / np.bincount(case.moments)
    mean, deviation = by_moment.mean(), by_moment.std(ddof=1)
    return {
        "win rate": float((side == np.sign(returns))[held].mean()),
        "profit bps": float(mean),
        "sharpe": float(mean / deviation * np.sqrt(case.market.per_year)) if deviation > 0 else np.nan,
    }


def _changes(case: Case, side: Array) -> Array:
    """1 where a side is taken or left, 2 where it is turned, by whose row it is."""
    groups = case.market.groups
    whose = np.zeros(len(side), dtype=int) if groups is None else pd.factorize(groups[case.judged])[0]
    before = pd.Series(side).groupby(whose).shift(fill_value=0.0).to_numpy()
    return side - before

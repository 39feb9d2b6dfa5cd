"""Real series that come with packages, as prediction tasks: features that look back, targets that come after.

The rule: a series is read as steps, the changes (or returns) from one row to the next. Features and labels of a row are
functions of the steps up to it, written here once; its target is a function of those behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.quality._markets import Market
from skensemble.datasets import load_sp500

__all__ = ["MOST_ROWS", "STOCKS", "arch", "macro", "river", "sp500", "sp500_index", "statsmodels", "stocks"]

MOST_ROWS = 4000
WEEK, MONTH = 5, 21
# The stocks of skfolio in the order of their names, every second one in each set. All survived until 2022.
STOCKS = {"a": slice(0, None, 2), "b": slice(1, None, 2)}

Steps = pd.Series


def features(steps: Steps, season: int | None = None) -> pd.DataFrame:
    """What is known when a step has been taken: the last ones, their mean and size over several windows, the level."""
    squares, level = steps**2, steps.cumsum()
    columns = {f"step_{k}": steps.shift(k) for k in range(5)}
    columns |= {f"mean_{k}": steps.rolling(k).mean() for k in (5, 21, 63)}
    columns |= {f"size_{k}": np.sqrt(squares.rolling(k).mean()) for k in (5, 21, 63)}
    columns |= {f"from_mean_{k}": level - level.rolling(k).mean() for k in (21, 63)}
    if season is not None:
        columns["season"] = steps.shift(season - 1)
    return pd.DataFrame(columns)


def labels(steps: Steps) -> pd.Series:
    """Name a row by the rank of the size of the last 21 steps among all such sizes so far."""
    rank = np.sqrt((steps**2).rolling(21).mean()).expanding(min_periods=60).rank(pct=True)
    names = np.select([rank <= 1 / 3, rank > 4 / 5], ["CALM", "STRESSED"], "NORMAL")
    return pd.Series(names, steps.index).where(rank.notna())


def _volatility(steps: Steps) -> pd.Series:
    """Realised volatility of the five steps that end here, a year of 252."""
    return np.sqrt(252 * (steps**2).rolling(WEEK).mean())


def _next(steps: Steps) -> pd.Series:
    return steps.shift(-1)


def _sign(steps: Steps) -> pd.Series:
    following = steps.shift(-1)
    return pd.Series(np.where(following > 0, "up", "down"), steps.index).where(following.notna())


def _next_volatility(steps: Steps) -> pd.Series:
    return _volatility(steps).shift(-WEEK)


def _wild(steps: Steps) -> pd.Series:
    """Whether the next five steps are more volatile than the median of those so far."""
    coming, median = _next_volatility(steps), _volatility(steps).expanding(min_periods=60).median()
    return pd.Series(np.where(coming > median, "wild", "calm"), steps.index).where(coming.notna() & median.notna())


TARGETS: Mapping[str, Callable[[Steps], pd.Series]] = {
    "change": _next,
    "return": _next,
    "sign": _sign,
    "volatility": _next_volatility,
    "wild": _wild,
}


def market(
    steps: Steps, target: str, *, season: int | None = None, every: int = 1, rows: slice = slice(MOST_ROWS)
) -> Market:
    """Make a task of one series.

    Parameters
    ----------
    steps : Series
        Changes or returns, by time.
    target : str
        Of `TARGETS`.
    season : int, default=None
        Steps after which things repeat.
    every : int, default=1
        Take every so many rows.
    rows : slice
        Which of those that are left.

    Returns
    -------
    Market
        Without rows that miss anything.
    """
    X, y, told = features(steps, season), TARGETS[target](steps), labels(steps)
    if target in ("volatility", "wild"):
        X["volatility_21"] = np.sqrt(252) * X["size_21"]
    known = X.notna().all(axis=1) & y.notna() & told.notna()
    kept = np.flatnonzero(known)[::every][rows]
    returns = steps.shift(-1).to_numpy()[kept] if target in ("return", "sign") else None
    return Market(X.iloc[kept], y.iloc[kept], told.iloc[kept], returns=returns)


def panel(steps: pd.DataFrame, target: str, *, every: int, n_moments: int, per_year: float) -> Market:
    """Make one task of many series: the last moments of all, rows of one moment side by side."""
    parts = [market(steps[name].dropna(), target, every=every, rows=slice(None)) for name in steps]
    moments = parts[0].X.index[-n_moments:]
    X, y, told = (pd.concat([getattr(part, field) for part in parts]) for field in ("X", "y", "told"))
    beside = pd.DataFrame({"whose": np.repeat(np.array(list(steps)), [len(part.X) for part in parts])}, index=X.index)
    if target in ("return", "sign"):
        beside["returns"] = np.concatenate([part.returns for part in parts])
    kept = np.flatnonzero(X.index.isin(moments))
    kept = kept[np.argsort(X.index[kept].asi8, kind="stable")]
    returns = beside["returns"].to_numpy()[kept] if "returns" in beside else None
    whose = beside["whose"].to_numpy()[kept]
    return Market(X.iloc[kept], y.iloc[kept], told.iloc[kept], returns=returns, groups=whose, per_year=per_year)


# Where they come from.


def _returns(prices: Any, every: int = 1) -> Any:
    return prices.iloc[::every].pct_change(fill_method=None).iloc[1:]


def sp500(target: str) -> Market:
    """The bundled S&P 500 with its own features and labels, from 2003 on."""
    X, y, told = (part["2003":][:MOST_ROWS] for part in load_sp500(target))
    returns = load_sp500("return").y.loc[X.index].to_numpy() if target in ("return", "sign") else None
    return Market(X, y, told, returns=returns)


def sp500_index(target: str) -> Market:
    """The S&P 500 of skfolio, 1990 to 2005."""
    index = import_module("skfolio.datasets").load_sp500_index()["SP500"]
    return market(_returns(index[:"2005"]), target)


def stocks(which: str, target: str) -> Market:
    """Ten of the stocks of skfolio: months of 33 years for returns, weeks of the last eight years for volatility."""
    prices = import_module("skfolio.datasets").load_sp500_dataset().iloc[:, STOCKS[which]]
    if target == "volatility":
        return panel(_returns(prices), target, every=WEEK, n_moments=400, per_year=52)
    return panel(_returns(prices, MONTH), target, every=1, n_moments=400, per_year=12)


def arch(
    name: str,
    target: str,
    read: Callable[[pd.DataFrame], pd.Series],
    *,
    rows: slice = slice(MOST_ROWS),
    season: int | None = None,
    per_year: float = 252.0,
) -> Market:
    """A series of arch, read as steps."""
    made = market(read(import_module(f"arch.data.{name}").load()).dropna(), target, rows=rows, season=season)
    return Market(**{**vars(made), "per_year": per_year})


def statsmodels(name: str, read: Callable[[pd.DataFrame], Any], season: int) -> Market:
    """A series of statsmodels, read as steps."""
    values = read(import_module(f"statsmodels.datasets.{name}").load_pandas().data)
    return market(_hourly(pd.Series(np.asarray(values, dtype=float)).diff().dropna()), "change", season=season)


def macro() -> Market:
    """The quarterly series of statsmodels as one panel: changes of logarithms, and of rates, standardised."""
    data = import_module("statsmodels.datasets.macrodata").load_pandas().data.drop(columns=["year", "quarter"])
    rates = ["tbilrate", "unemp", "infl", "realint"]
    steps = pd.concat([np.log(data.drop(columns=rates)).diff(), data[rates].diff()], axis=1).iloc[1:]
    # The scale of each series is that of its first years.
    steps = _hourly((steps / steps.iloc[:80].std()).reset_index(drop=True))
    return panel(steps, "change", every=1, n_moments=10_000, per_year=4)


def river(name: str, target: str) -> Market:
    """A stream of river: its own features, or its target read as steps."""
    rows = list(getattr(import_module("river.datasets"), name)())
    values = pd.Series([outcome for _, outcome in rows])
    if target == "change":
        return market(_hourly(values.diff().dropna()), "change", season=24)
    X = _hourly(pd.DataFrame([seen for seen, _ in rows]).astype(float))
    if target == "class":
        return Market(X, values.astype(int).set_axis(X.index)).first(MOST_ROWS)
    past = values.set_axis(X.index)
    X = X.drop(columns="ordinal_date").assign(last=past.shift(), step=past.diff().shift())
    told = labels(past.diff().shift().iloc[2:])
    rows_known = told.index[told.notna()]
    return Market(X.loc[rows_known], past.loc[rows_known], told.loc[rows_known])


def _hourly(values: Any) -> Any:
    """Give rows that have no time one of their own."""
    return values.set_axis(pd.date_range("2000-01-01", periods=len(values), freq="h", name="time"))

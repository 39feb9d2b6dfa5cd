"""The scenarios of the benchmark, by their permanent names.

The rule: a name stands for the same rows for ever. Which scenarios the defaults may be tuned on ("tune") and which only
tell how it went ("report") was decided before anything was measured: every kind is in both sets, synthetic markets with
other seeds, regimes and noise, real series with other years or other series.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.quality import _series
from benchmarks.quality._markets import KINDS, Market, synthetic
from skensemble.regimes import OrderedRegimes, QuantileRegimes, VolatilityRegimes

__all__ = ["PREDICTABLE", "QUICK", "SCENARIOS", "SYNTHETIC_ROWS", "TRADED", "Scenario"]

SYNTHETIC_ROWS = 2400
# What a real target is: something that can be predicted to a degree, or what markets leave.
PREDICTABLE, TRADED = "predictable", "returns"


@dataclass(frozen=True)
class Scenario:
    """One prediction task.

    Parameters
    ----------
    name : str
        For ever.
    group : {"synthetic", "real"}
        Where it comes from.
    set : {"tune", "report"}
        Whether anything may be tuned on it.
    task : {"numbers", "classes"}
        What is predicted.
    kind : str
        What happens in a synthetic one; ``"predictable"`` or ``"returns"`` for a real one.
    line : str
        In words.
    make : callable
        Returns the `Market`; takes the number of rows, or ``None`` for all.
    horizon : int, default=1
        Rows until an outcome is known.
    needs : str, default=""
        Package that it comes with.
    naive : str, default=""
        Column that one would guess by who has no model; the mean or the share of each class without.
    watch : str, default=""
        Column that detectors look at; without one they do not take part.
    detector : callable, default=None
        Makes the detector of the methods that know regimes, where none are told.
    change : str, default=""
        What happens to the linear model, see `sometimes`.
    """

    name: str
    group: str
    set: str
    task: str
    kind: str
    line: str
    make: Callable[[int | None], Market]
    horizon: int = 1
    needs: str = ""
    naive: str = ""
    watch: str = ""
    detector: Callable[[], Any] | None = None
    change: str = ""


def _synthetic(kind: str, task: str, again: bool) -> Scenario:
    def make(n_rows: int | None) -> Market:
        return synthetic(kind, task, again, n_rows or SYNTHETIC_ROWS)

    hidden = kind == "hidden"
    return Scenario(
        name=f"{kind}-{task}-{'b' if again else 'a'}",
        group="synthetic",
        set="report" if again else "tune",
        task=task,
        kind=kind,
        line=f"{KINDS[kind].line}; {task}, {'second' if again else 'first'} draw",
        make=make,
        watch="stir" if hidden else "",
        detector=partial(VolatilityRegimes, "stir", 2, window=10) if hidden else None,
        change=KINDS[kind].change,
    )


def _real(
    name: str, set_: str, kind: str, line: str, read: Callable[[], Market], *, task: str = "numbers", **more: Any
) -> Scenario:
    return Scenario(name, "real", set_, task, kind, line, lambda n_rows: read().first(n_rows), **more)


def _pct(column: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda data: data[column].pct_change(fill_method=None)


def _log(column: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda data: np.log(data[column]).diff()


def _french(data: pd.DataFrame) -> pd.Series:
    """Monthly returns, whose index holds years and months as numbers."""
    when = [int(str(getattr(moment, "value", moment))) for moment in data.index]
    return (data["Mkt-RF"] / 100).set_axis(pd.to_datetime(when, format="%Y%m"))


_VOLATILITY: dict[str, Any] = {"horizon": 5, "naive": "volatility_21", "watch": "step_0"}
_LATE = slice(-_series.MOST_ROWS, None)
_SURVIVORS = "of skfolio (they survived until 2022)"

_TUNE = [
    _real(
        "sp500-1990-volatility",
        "tune",
        PREDICTABLE,
        "S&P 500, 1990 to 2005: volatility of the next 5 days",
        partial(_series.sp500_index, "volatility"),
        needs="skfolio",
        **_VOLATILITY,
    ),
    _real(
        "wti-volatility",
        "tune",
        PREDICTABLE,
        "WTI oil, 1986 to 2002: volatility of the next 5 days",
        partial(_series.arch, "wti", "volatility", _pct("DCOILWTICO")),
        needs="arch",
        **_VOLATILITY,
    ),
    _real(
        "stocks-a-volatility",
        "tune",
        PREDICTABLE,
        f"10 stocks {_SURVIVORS}, 400 weeks: volatility of the next one",
        partial(_series.stocks, "a", "volatility"),
        needs="skfolio",
        naive="volatility_21",
    ),
    _real(
        "sp500-1990-wild",
        "tune",
        PREDICTABLE,
        "S&P 500, 1990 to 2005: are the next 5 days wilder than the median?",
        partial(_series.sp500_index, "wild"),
        task="classes",
        needs="skfolio",
        horizon=5,
        watch="step_0",
    ),
    _real(
        "vix",
        "tune",
        PREDICTABLE,
        "VIX, 2014 to 2019: next change of its logarithm",
        partial(_series.arch, "vix", "change", _log("vix")),
        needs="arch",
        watch="step_0",
    ),
    _real(
        "co2",
        "tune",
        PREDICTABLE,
        "CO2 at Mauna Loa, weekly, 1958 to 2001: next change",
        partial(_series.statsmodels, "co2", lambda data: data["co2"].interpolate(), 52),
        needs="statsmodels",
        watch="step_0",
    ),
    _real(
        "trump",
        "tune",
        PREDICTABLE,
        "Approval of a president from five polls and its past, 2017 to 2019",
        partial(_series.river, "TrumpApproval", "value"),
        needs="river",
        naive="last",
        watch="step",
    ),
    _real(
        "phishing",
        "tune",
        PREDICTABLE,
        "Is a web page phishing? (no time order is known)",
        partial(_series.river, "Phishing", "class"),
        task="classes",
        needs="river",
        watch="age_of_domain",
        detector=partial(QuantileRegimes, "age_of_domain", 2),
    ),
    _real(
        "sp500-1990-return",
        "tune",
        TRADED,
        "S&P 500, 1990 to 2005: return of the next day",
        partial(_series.sp500_index, "return"),
        needs="skfolio",
        watch="step_0",
    ),
    _real(
        "sp500-1990-sign",
        "tune",
        TRADED,
        "S&P 500, 1990 to 2005: sign of the next day's return",
        partial(_series.sp500_index, "sign"),
        task="classes",
        needs="skfolio",
        watch="step_0",
    ),
    _real(
        "wti-return",
        "tune",
        TRADED,
        "WTI oil, 1986 to 2002: return of the next day",
        partial(_series.arch, "wti", "return", _pct("DCOILWTICO")),
        needs="arch",
        watch="step_0",
    ),
    _real(
        "stocks-a-return",
        "tune",
        TRADED,
        f"10 stocks {_SURVIVORS}: return of the next month, 1990 to 2022",
        partial(_series.stocks, "a", "return"),
        needs="skfolio",
    ),
    _real(
        "stocks-a-sign",
        "tune",
        TRADED,
        f"10 stocks {_SURVIVORS}: sign of the next month's return, 1990 to 2022",
        partial(_series.stocks, "a", "sign"),
        task="classes",
        needs="skfolio",
    ),
]

_REPORT = [
    _real(
        "sp500-volatility",
        "report",
        PREDICTABLE,
        "S&P 500 (bundled), 2003 to 2018: volatility of the next 5 days",
        partial(_series.sp500, "volatility"),
        horizon=5,
        naive="volatility_21",
        watch="return_1",
    ),
    _real(
        "nasdaq-volatility",
        "report",
        PREDICTABLE,
        "Nasdaq, 2003 to 2018: volatility of the next 5 days",
        partial(_series.arch, "nasdaq", "volatility", _pct("Adj Close"), rows=_LATE),
        needs="arch",
        **_VOLATILITY,
    ),
    _real(
        "stocks-b-volatility",
        "report",
        PREDICTABLE,
        f"10 others {_SURVIVORS}, 400 weeks: volatility of the next one",
        partial(_series.stocks, "b", "volatility"),
        needs="skfolio",
        naive="volatility_21",
    ),
    _real(
        "nasdaq-wild",
        "report",
        PREDICTABLE,
        "Nasdaq, 2003 to 2018: are the next 5 days wilder than the median?",
        partial(_series.arch, "nasdaq", "wild", _pct("Adj Close"), rows=_LATE),
        task="classes",
        needs="arch",
        horizon=5,
        watch="step_0",
    ),
    _real(
        "macro",
        "report",
        PREDICTABLE,
        "12 quarterly series of the US, 1959 to 2009: next change",
        _series.macro,
        needs="statsmodels",
    ),
    _real(
        "water",
        "report",
        PREDICTABLE,
        "Water flow through a pipe, hourly: next change",
        partial(_series.river, "WaterFlow", "change"),
        needs="river",
        watch="step_0",
    ),
    _real(
        "elnino",
        "report",
        PREDICTABLE,
        "Temperature of the Pacific, monthly, 1950 to 2010: next change",
        partial(_series.statsmodels, "elnino", lambda data: data.iloc[:, 1:].to_numpy(dtype=float).ravel(), 12),
        needs="statsmodels",
        watch="step_0",
    ),
    _real(
        "baa",
        "report",
        PREDICTABLE,
        "Yield of Baa bonds, monthly, 1919 to 2018: next change",
        partial(_series.arch, "default", "change", lambda data: data["BAA"].diff(), per_year=12),
        needs="arch",
        watch="step_0",
    ),
    _real(
        "bananas",
        "report",
        PREDICTABLE,
        "Two entangled clouds of points (no time order is known)",
        partial(_series.river, "Bananas", "class"),
        task="classes",
        needs="river",
        watch="1",
        detector=partial(OrderedRegimes, by="1"),
    ),
    _real(
        "sp500-return",
        "report",
        TRADED,
        "S&P 500 (bundled), 2003 to 2018: return of the next day",
        partial(_series.sp500, "return"),
        watch="return_1",
    ),
    _real(
        "sp500-sign",
        "report",
        TRADED,
        "S&P 500 (bundled), 2003 to 2018: sign of the next day's return",
        partial(_series.sp500, "sign"),
        task="classes",
        watch="return_1",
    ),
    _real(
        "nasdaq-return",
        "report",
        TRADED,
        "Nasdaq, 2003 to 2018: return of the next day",
        partial(_series.arch, "nasdaq", "return", _pct("Adj Close"), rows=_LATE),
        needs="arch",
        watch="step_0",
    ),
    _real(
        "market-return",
        "report",
        TRADED,
        "US market over the riskless rate, monthly, 1926 to 2018: next return",
        partial(_series.arch, "frenchdata", "return", _french, per_year=12),
        needs="arch",
        watch="step_0",
    ),
    _real(
        "stocks-b-return",
        "report",
        TRADED,
        f"10 others {_SURVIVORS}: return of the next month, 1990 to 2022",
        partial(_series.stocks, "b", "return"),
        needs="skfolio",
    ),
    _real(
        "stocks-b-sign",
        "report",
        TRADED,
        f"10 others {_SURVIVORS}: sign of the next month's return, 1990 to 2022",
        partial(_series.stocks, "b", "sign"),
        task="classes",
        needs="skfolio",
    ),
]

_MARKETS = [
    _synthetic(kind, task, again) for again in (False, True) for kind in KINDS for task in ("numbers", "classes")
]

SCENARIOS = {scenario.name: scenario for scenario in (*_TUNE, *_REPORT, *_MARKETS)}
# Of each kind of machinery one: told regimes, detectors, a model that breaks, returns, an outcome that comes late.
QUICK = ("sharp-numbers-a", "hidden-numbers-a", "broken-classes-a", "sp500-volatility", "sp500-sign")

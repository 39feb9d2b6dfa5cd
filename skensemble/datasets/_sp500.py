"""The S&P 500, day by day: what was known at each close, and what came after it.

One idea: a row is the close of a trading day. One rule: features and regimes are functions of the prices up to that
close and nothing else; targets are functions of the prices after it.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import pandas as pd

from skensemble._checks import check_choice

__all__ = ["MarketData", "load_sp500", "load_sp500_prices"]

_TRADING_DAYS = 252


class MarketData(NamedTuple):
    """Rows in time order, what is to be predicted in each, and the regime each lies in.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)
        Features, indexed by time.
    y : Series of shape (n_samples,)
        Targets, with the index of ``X``.
    regimes : Series of shape (n_samples,)
        Regime labels, with the index of ``X``.

    Examples
    --------
    >>> from skensemble.datasets import make_regime_regression
    >>> X, y, regimes = make_regime_regression(n_samples=100, random_state=0)
    >>> X.shape, y.shape, regimes.shape
    ((100, 5), (100,), (100,))
    """

    X: pd.DataFrame
    y: pd.Series
    regimes: pd.Series


def load_sp500_prices() -> pd.DataFrame:
    """Load daily prices and volume of the S&P 500 index, 1999 to 2018.

    Returns
    -------
    DataFrame of shape (5031, 5)
        Columns ``open``, ``high``, ``low``, ``close`` (index points, two decimals) and ``volume`` (shares), indexed by
        trading day from 1999-01-04 to 2018-12-31.

    Notes
    -----
    Two openings in five equal the close of the day before, so the gap between close and open tells less than its name
    promises.

    References
    ----------
    K. Sheppard, *arch: autoregressive conditional heteroskedasticity and other tools in Python*, version 8.0.0, whose
    ``arch.data.sp500`` carries the same figures; here they are rounded to two decimals.

    Examples
    --------
    >>> from skensemble.datasets import load_sp500_prices
    >>> load_sp500_prices().loc["2008-10-10":"2008-10-14", "close"]
    date
    2008-10-10     899.22
    2008-10-13    1003.35
    2008-10-14     998.01
    Name: close, dtype: float64
    """
    with files(__package__).joinpath("sp500.csv.gz").open("rb") as file:
        return pd.read_csv(file, compression="gzip", index_col="date", parse_dates=["date"])


def load_sp500(target: str = "return") -> MarketData:
    """Load the S&P 500 as a prediction task: features known at the close, a target that comes after it.

    With ``r_t = close_t / close_{t-1} - 1`` the targets are

    - ``"return"``: ``r_{t+1}``, the return of the next day as a fraction (0.01 is one percent);
    - ``"sign"``: ``"up"`` if ``r_{t+1} > 0``, else ``"down"``;
    - ``"volatility"``: ``sqrt(252 * mean(r_{t+1}², …, r_{t+5}²))``, the realised volatility of the next five days,
      annualised, as a fraction (0.16 is 16 percent a year). It is known five rows later: use ``label_horizon=5``.

    The regime is where today's volatility over 21 days stands among all such volatilities up to today: ``"CALM"`` in
    their lowest third, ``"STRESSED"`` in their highest fifth, else ``"NORMAL"``.

    Parameters
    ----------
    target : {"return", "sign", "volatility"}, default="return"
        What ``y`` holds.

    Returns
    -------
    X : DataFrame of shape (n_samples, 17)
        Features of each day, without missing values; all are fractions, ratios or (``weekday``) 0 for Monday to 4.

        - ``return_k``: return over the last k days, k = 1, 2, 5, 10, 21, 63.
        - ``volatility_k``: annualised root mean square of the last k daily returns, k = 5, 21, 63.
        - ``range_volatility_k``: annualised volatility from the daily ranges of high to low (Parkinson), k = 5, 21.
        - ``volume_ratio``: logarithm of volume over its mean of the last 21 days.
        - ``from_high_252``, ``from_mean_200``: distance of the close from its highest of 252 days and mean of 200 days.
        - ``overnight_gap``: return from the last close to today's open.
        - ``close_location``: where the close lies between low (0) and high (1).
        - ``weekday``: day of the week.
    y : Series of shape (n_samples,)
        The target. The last day (for ``"volatility"``, the last five) has none and is left out.
    regimes : Series of shape (n_samples,)
        ``"CALM"``, ``"NORMAL"`` or ``"STRESSED"``.

    Raises
    ------
    ValueError
        If ``target`` is none of the three words.

    See Also
    --------
    load_sp500_prices : The table behind it.

    References
    ----------
    M. Parkinson, "The extreme value method for estimating the variance of the rate of return", *The Journal of
    Business*, 1980.

    Examples
    --------
    >>> from skensemble.datasets import load_sp500
    >>> X, y, regimes = load_sp500("volatility")
    >>> X.shape, str(X.index[0].date()), str(X.index[-1].date())
    ((4754, 17), '2000-02-01', '2018-12-21')
    >>> regimes.value_counts().to_dict()
    {'CALM': 2423, 'NORMAL': 1503, 'STRESSED': 828}
    >>> load_sp500("sign").y["2008-10-10":"2008-10-13"].tolist()
    ['up', 'down']
    """
    check_choice(target, "target", "load_sp500", _TARGETS)
    prices = load_sp500_prices()
    X = _features(prices)
    y = _TARGETS[target](prices["close"].pct_change())
    regimes = _regimes(X["volatility_21"])
    known = X.notna().all(axis=1) & y.notna() & regimes.notna()
    return MarketData(X[known], y[known].rename(target), regimes[known].rename("regime"))


def _features(prices: pd.DataFrame) -> pd.DataFrame:
    opened, high, low, close, volume = (prices[name] for name in ("open", "high", "low", "close", "volume"))
    squared_return = close.pct_change() ** 2
    squared_range = np.log(high / low) ** 2 / (4 * np.log(2))
    span = high - low
    columns: dict[str, pd.Series] = {f"return_{k}": close / close.shift(k) - 1 for k in (1, 2, 5, 10, 21, 63)}
    columns |= {f"volatility_{k}": _annualised(squared_return, k) for k in (5, 21, 63)}
    columns |= {f"range_volatility_{k}": _annualised(squared_range, k) for k in (5, 21)}
    columns |= {
        "volume_ratio": (volume / volume.rolling(21).mean()).pipe(np.log),
        "from_high_252": close / close.rolling(_TRADING_DAYS).max() - 1,
        "from_mean_200": close / close.rolling(200).mean() - 1,
        "overnight_gap": opened / close.shift(1) - 1,
        # A day without a range closed in the middle of it.
        "close_location": ((close - low) / span.where(span > 0)).fillna(0.5),
        "weekday": pd.Series(pd.DatetimeIndex(prices.index).day_of_week, prices.index, dtype=float),
    }
    return pd.DataFrame(columns)


def _annualised(squared: pd.Series, n_days: int) -> pd.Series:
    return (_TRADING_DAYS * squared.rolling(n_days).mean()) ** 0.5


def _regimes(volatility: pd.Series) -> pd.Series:
    """Name each day by the rank of its volatility among those up to it."""
    rank = volatility.expanding(min_periods=_TRADING_DAYS).rank(pct=True)
    names = np.select([rank <= 1 / 3, rank > 4 / 5], ["CALM", "STRESSED"], "NORMAL")
    return pd.Series(names, volatility.index).where(rank.notna())


def _next_return(returns: pd.Series) -> pd.Series:
    return returns.shift(-1)


def _next_sign(returns: pd.Series) -> pd.Series:
    following = returns.shift(-1)
    return pd.Series(np.where(following > 0, "up", "down"), returns.index).where(following.notna())


def _next_volatility(returns: pd.Series) -> pd.Series:
    return _annualised(returns**2, 5).shift(-5)


_TARGETS: dict[str, Callable[[pd.Series], pd.Series]] = {
    "return": _next_return,
    "sign": _next_sign,
    "volatility": _next_volatility,
}

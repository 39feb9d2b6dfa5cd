"""Regimes by the last returns: how much they move, and where to.

One idea: a number is measured over a window that ends at the row, and cut into bins. The rule that both members keep:
where less than a window of the past is known, the regime is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from skensemble._checks import check_number, shown
from skensemble.regimes._bins import BinnedRegimes, quantiles
from skensemble.regimes._columns import column_values
from skensemble.regimes._history import LooksBack, clock_of
from skensemble.regimes._named import Floats, checked_names, volatility_names

__all__ = ["TrendRegimes", "VolatilityRegimes", "WindowedRegimes"]


class WindowedRegimes(LooksBack, BinnedRegimes):
    """Cut a number that is measured over a window of returns into named bins; the window ends at its row."""

    window: int
    prices: bool
    past_: Floats

    def _returns(self, values: Floats) -> Floats:
        if not self.prices:
            return values
        positive = np.where(values > 0, values, np.nan)
        returns = np.full(len(values), np.nan)
        with np.errstate(over="ignore"):
            returns[1:] = positive[1:] / positive[:-1] - 1.0
        return returns

    def _check_window(self) -> None:
        owner = type(self).__name__
        check_number(self.window, "window", owner, low=2, integer=True)
        if not isinstance(self.prices, bool):
            raise ValueError(
                f"prices of {owner} must be True (the column holds prices) or False (it holds returns); got "
                f"{shown(self.prices)}."
            )

    def _reach(self) -> int:
        return int(self.window) if self.prices else int(self.window) - 1

    def _keep(self, X: Any, values: Floats) -> None:
        self._keep_times(X)
        self.past_ = values[len(values) - len(self.past_times_) :].copy()

    def _before(self, X: Any) -> Floats:
        times = clock_of(X, type(self).__name__)
        if not times.come_after(self.clock_, self.past_times_[:1]):
            return np.zeros(0)
        return self.past_[self.past_times_ < times.moments[0]]

    def _move_on(self, X: pd.DataFrame) -> None:
        values = column_values(X, self.column, "column", type(self).__name__)
        self.past_ = np.concatenate([self.past_, values])[-self._reach() :]


class VolatilityRegimes(WindowedRegimes):
    """Tell calm from turbulent by the standard deviation of the last returns.

    Volatility comes in clusters, so that what it was lately says what it is now. The number that is cut is::

        σ_t = √( Σ_{s = t-w+1..t} (r_s - r̄)² / (w - 1) )

    over a window of w returns that ends at the row, and the cuts are quantiles of σ over the training rows. Rows with
    less than a window of known returns behind them have no regime. One row must follow the other in a single series:
    several rows at one time are refused.

    Rows that are predicted together are history for each other. The last rows of ``fit`` are history too where the
    index of a DataFrame (times, or row numbers that increase) says that they came before; an array cannot say, so pass
    new rows of an array with a window of those before them.

    Parameters
    ----------
    column : str or int, default=0
        Name of a column of a DataFrame, or its position. It holds returns, or prices.
    n_regimes : int, default=2
        Number of bins, at least 2.
    window : int, default=20
        Length of the window in rows, at least 2. Longer windows change their mind later and less often.
    prices : bool, default=False
        Whether the column holds prices, of which the relative changes from row to row are taken. A price that is not
        positive has no return.
    names : sequence of str, default=None
        Names of the bins, low to high. The default (``None``) is ``CALM, TURBULENT`` for two, ``CALM, NORMAL,
        TURBULENT`` for three, otherwise ``VOLATILITY_1, VOLATILITY_2, …``.

    Attributes
    ----------
    regimes_ : tuple of str
        Names of the bins, low to high.
    cuts_ : ndarray of shape (n_regimes - 1,)
        Cuts between the bins, as standard deviations of the return of one row.
    past_ : ndarray of shape (n_past,)
        The last known values of the column, as far as a window reaches; none where no index says when they were.
    past_times_ : ndarray of shape (n_past,)
        When these were: times (in UTC where they have a time zone) or row numbers.
    clock_ : str
        What the index of the training rows holds; empty where it does not say when they were.

    See Also
    --------
    TrendRegimes : Regimes by direction.
    ProductRegimes : Both at once.

    References
    ----------
    B. Mandelbrot. "The variation of certain speculative prices". The Journal of Business, 1963.

    Examples
    --------
    Over two returns σ is their distance over √2: unknown, then 0, 0.02/√2, and 0 again.

    >>> import pandas as pd
    >>> X = pd.DataFrame({"return": [0.01, 0.01, -0.01, -0.01]})
    >>> regimes = VolatilityRegimes("return", window=2).fit(X)
    >>> regimes.predict(X).tolist()
    [None, 'CALM', 'TURBULENT', 'CALM']
    """

    def __init__(
        self,
        column: str | int = 0,
        n_regimes: int = 2,
        *,
        window: int = 20,
        prices: bool = False,
        names: Sequence[str] | None = None,
    ) -> None:
        self.column = column
        self.n_regimes = n_regimes
        self.window = window
        self.prices = prices
        self.names = names

    def _names(self) -> tuple[str, ...]:
        owner = type(self).__name__
        self._check_window()
        check_number(self.n_regimes, "n_regimes", owner, low=2, integer=True)
        return checked_names(self.names, volatility_names(self.n_regimes), owner)

    def _number(self, values: Floats) -> Floats:
        return _mean_and_deviation(self._returns(values), int(self.window))[1]

    def _cuts(self, numbers: Floats) -> Floats:
        return quantiles(numbers, self.n_regimes)


class TrendRegimes(WindowedRegimes):
    """Tell up from down and sideways by how surely the mean of the last returns is not zero.

    A mean return says little without its noise. The number that is cut is the mean in units of its standard error::

        t = √w · r̄ / σ

    over a window of w returns that ends at the row: ``TREND_UP`` above ``threshold``, ``TREND_DOWN`` below minus
    ``threshold``, ``SIDEWAYS`` between. The cuts are given and not learned, so that they are the same in every fit.
    Rows with less than a window of known returns behind them have no regime. One row must follow the other in a single
    series: several rows at one time are refused.

    Rows that are predicted together are history for each other. The last rows of ``fit`` are history too where the
    index of a DataFrame (times, or row numbers that increase) says that they came before; an array cannot say, so pass
    new rows of an array with a window of those before them.

    Parameters
    ----------
    column : str or int, default=0
        Name of a column of a DataFrame, or its position. It holds returns, or prices.
    threshold : float, default=1.0
        Standard errors, at least 0. Larger means that fewer rows are a trend; in returns without any trend about a
        third of the rows are beyond 1, and one in twenty beyond 2.
    window : int, default=60
        Length of the window in rows, at least 2. Longer windows change their mind later and less often.
    prices : bool, default=False
        Whether the column holds prices, of which the relative changes from row to row are taken. A price that is not
        positive has no return.
    names : sequence of str, default=None
        Three names, for down, sideways and up. The default (``None``) is ``TREND_DOWN, SIDEWAYS, TREND_UP``.

    Attributes
    ----------
    regimes_ : tuple of str
        Names of the bins, low to high.
    cuts_ : ndarray of shape (2,)
        Minus and plus ``threshold``; a value that equals one of them is sideways.
    past_ : ndarray of shape (n_past,)
        The last known values of the column, as far as a window reaches; none where no index says when they were.
    past_times_ : ndarray of shape (n_past,)
        When these were: times (in UTC where they have a time zone) or row numbers.
    clock_ : str
        What the index of the training rows holds; empty where it does not say when they were.

    See Also
    --------
    VolatilityRegimes : Regimes by size of the moves.
    ProductRegimes : Both at once.

    References
    ----------
    T. J. Moskowitz, Y. H. Ooi and L. H. Pedersen. "Time series momentum". Journal of Financial Economics, 2012.

    Examples
    --------
    Over the returns 1 % and 3 % t is √2 · 2 / √2 = 2; over 3 % and -4 % it is -0.14.

    >>> import pandas as pd
    >>> X = pd.DataFrame({"return": [0.01, 0.03, -0.04, -0.04]})
    >>> TrendRegimes("return", window=2).fit(X).predict(X).tolist()
    [None, 'TREND_UP', 'SIDEWAYS', 'TREND_DOWN']
    """

    def __init__(
        self,
        column: str | int = 0,
        threshold: float = 1.0,
        *,
        window: int = 60,
        prices: bool = False,
        names: Sequence[str] | None = None,
    ) -> None:
        self.column = column
        self.threshold = threshold
        self.window = window
        self.prices = prices
        self.names = names

    def _names(self) -> tuple[str, ...]:
        owner = type(self).__name__
        self._check_window()
        check_number(self.threshold, "threshold", owner, low=0)
        return checked_names(self.names, ("TREND_DOWN", "SIDEWAYS", "TREND_UP"), owner)

    def _number(self, values: Floats) -> Floats:
        mean, deviation = _mean_and_deviation(self._returns(values), int(self.window))
        # Returns that are all alike have no noise: any mean but zero is then a sure trend.
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(mean == 0, 0.0, np.sqrt(float(self.window)) * mean / deviation)

    def _cuts(self, numbers: Floats) -> Floats:
        # A value at a cut belongs to the bin below; the lower cut gives way by a hair, so that both ends are sideways.
        return np.array([np.nextafter(-float(self.threshold), -np.inf), float(self.threshold)])


def _mean_and_deviation(values: Floats, window: int) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the window that ends at each row; NaN where it is not full.

    Every window is summed up anew, in the same order: a running sum would carry rounding errors from the rows before
    the window into it, and the answer would depend on where the batch began.
    """
    mean, deviation = np.full(len(values), np.nan), np.full(len(values), np.nan)
    n_full = len(values) - window + 1
    if n_full < 1:
        return mean, deviation
    parts = [values[k : k + n_full] for k in range(window)]
    with np.errstate(over="ignore", invalid="ignore"):
        total = np.zeros(n_full)
        for part in parts:
            total += part
        centre = total / window
        squares = np.zeros(n_full)
        for part in parts:
            squares += (part - centre) ** 2
        mean[window - 1 :] = centre
        deviation[window - 1 :] = np.sqrt(squares / (window - 1))
    return mean, deviation

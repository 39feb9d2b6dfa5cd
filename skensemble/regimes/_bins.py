"""Regimes by the size of one number: bins of a column, of its volatility, of its trend, and products of these.

One idea: a stated number of every row is cut into a few named bins, low to high, so that a refit moves the cuts and
never swaps the names. The rule that all members keep: the number at a row depends on that row and on rows before it,
and where too little of the past is known, the regime is missing and the pooled answer serves.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skensemble._checks import check_columns, check_number, shown
from skensemble.regimes._detection import detect, fit_detector
from skensemble.regimes._memberships import encode_memberships, regime_names

__all__ = [
    "BinnedRegimes",
    "NamedRegimes",
    "ProductRegimes",
    "QuantileRegimes",
    "Times",
    "TrendRegimes",
    "VolatilityRegimes",
    "WindowedRegimes",
    "as_rows",
    "checked_names",
    "column_values",
    "later_moments",
    "level_names",
    "most_probable",
    "one_hot",
    "times_of",
]

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


class NamedRegimes(BaseEstimator, ABC):
    """Give every row its most probable regime, by a name that means the same after every fit."""

    regimes_: tuple[str, ...]

    @abstractmethod
    def predict_proba(self, X: Any) -> Floats:
        """Return the membership of every row in every regime.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, oldest first; each is history for those after it.

        Returns
        -------
        ndarray of shape (n_samples, n_regimes)
            One column for each name in ``regimes_``. Rows sum to 1, or are zero where the regime is missing.
        """

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the regime of every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, oldest first; each is history for those after it.

        Returns
        -------
        ndarray of shape (n_samples,)
            Names, or ``None`` where the regime is missing.
        """
        memberships = self.predict_proba(X)
        names = np.array([*self.regimes_, None], dtype=object)
        return names[most_probable(memberships)]

    @property
    def classes_(self) -> NDArray[Any]:
        """The names of the regimes, low to high, as scikit-learn calls them."""
        check_is_fitted(self)
        return np.array(self.regimes_, dtype=object)


class BinnedRegimes(NamedRegimes):
    """Cut a number of every row into named bins; what the number is and where the cuts are, members say."""

    column: str | int
    names: Sequence[str] | None

    def fit(self, X: Any, y: Any = None) -> BinnedRegimes:
        """Learn the cuts, and keep what later rows need to know of the past.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, oldest first.
        y : None
            Ignored.

        Returns
        -------
        BinnedRegimes
            Itself.
        """
        names = self._names()
        rows = as_rows(X, type(self).__name__)
        check_columns(self, X, reset=True)
        values = column_values(rows, self.column, "column", type(self).__name__)
        self.cuts_ = self._cuts(self._number(values))
        self.regimes_ = names
        self._keep(X, values)
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Return 1 for the bin of every row and 0 for the others.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, oldest first; each is history for those after it.

        Returns
        -------
        ndarray of shape (n_samples, n_regimes)
            One column for each name in ``regimes_``; all zero where the regime is missing.
        """
        check_is_fitted(self)
        rows = as_rows(X, type(self).__name__)
        check_columns(self, X, reset=False)
        values = column_values(rows, self.column, "column", type(self).__name__)
        before = self._before(X)
        numbers = self._number(np.concatenate([before, values]))[len(before) :]
        unknown = np.isnan(numbers) | np.isnan(self.cuts_).any()
        codes = np.where(unknown, -1, np.searchsorted(self.cuts_, numbers, side="left"))
        return one_hot(codes, len(self.regimes_))

    @abstractmethod
    def _names(self) -> tuple[str, ...]:
        """Check the parameters and return the names of the bins."""

    @abstractmethod
    def _number(self, values: Floats) -> Floats:
        """Return the number of every row that is cut; NaN where it is not known."""

    @abstractmethod
    def _cuts(self, numbers: Floats) -> Floats:
        """Return the cuts between the bins, in ascending order; NaN where there is nothing to learn them from."""

    def _keep(self, X: Any, values: Floats) -> None:
        """Keep what later rows need to know of the past."""

    def _before(self, X: Any) -> Floats:
        """Return the values of the rows that came before X."""
        return np.zeros(0)


class QuantileRegimes(BinnedRegimes):
    """Cut a column into bins that hold equally many of the training rows.

    The plainest regimes: a column such as a volatility index, a spread or a temperature is low, middling or high, as
    measured by what it was on the training rows. With q_i the i/n quantile of the column there::

        bin(x) = number of cuts q_1 ≤ … ≤ q_{n-1} that are below x

    A value that equals a cut belongs to the lower bin. A row depends on no other row.

    Parameters
    ----------
    column : str or int, default=0
        Name of a column of a DataFrame, or its position.
    n_regimes : int, default=3
        Number of bins, at least 2. More bins are finer, and each of them is known from fewer rows.
    names : sequence of str, default=None
        Names of the bins, low to high. The default (``None``) is ``LOW, HIGH`` for two, ``LOW, MID, HIGH`` for three,
        otherwise ``LEVEL_1, LEVEL_2, …``.

    Attributes
    ----------
    regimes_ : tuple of str
        Names of the bins, low to high.
    cuts_ : ndarray of shape (n_regimes - 1,)
        Cuts between the bins, in units of the column; NaN where no training row had a value.

    See Also
    --------
    VolatilityRegimes : Bins of how much a column moves.
    OrderedRegimes : Regimes of several columns, by any clusterer.

    Examples
    --------
    The terciles of 0 … 6 are 2 and 4.

    >>> regimes = QuantileRegimes("vix").fit(pd.DataFrame({"vix": range(7)}))
    >>> regimes.cuts_.tolist()
    [2.0, 4.0]
    >>> regimes.predict(pd.DataFrame({"vix": [1, 3, 9, None]})).tolist()
    ['LOW', 'MID', 'HIGH', None]
    """

    def __init__(self, column: str | int = 0, n_regimes: int = 3, *, names: Sequence[str] | None = None) -> None:
        self.column = column
        self.n_regimes = n_regimes
        self.names = names

    def _names(self) -> tuple[str, ...]:
        owner = type(self).__name__
        check_number(self.n_regimes, "n_regimes", owner, low=2, integer=True)
        return checked_names(self.names, level_names(self.n_regimes), owner)

    def _number(self, values: Floats) -> Floats:
        return values

    def _cuts(self, numbers: Floats) -> Floats:
        return _quantiles(numbers, self.n_regimes)


class WindowedRegimes(BinnedRegimes):
    """Cut a number that is measured over a window of returns into named bins; the window ends at its row."""

    window: int
    prices: bool
    past_: Floats
    past_times_: NDArray[Any]
    clock_: str

    def remember(self, X: Any) -> WindowedRegimes:
        """Take note of rows that came after those known, as history for later ones; the cuts stay.

        With it, predicting and remembering row by row gives what predicting in one batch gives, to the last bit.

        Parameters
        ----------
        X : pandas.DataFrame of shape (n_samples, n_features)
            Rows, oldest first, with an index that increases. Rows that are known already are left out.

        Returns
        -------
        WindowedRegimes
            Itself.

        Raises
        ------
        ValueError
            If the index does not say when the rows were.
        """
        check_is_fitted(self)
        check_columns(self, X, reset=False)
        owner = type(self).__name__
        moments = later_moments(times_of(X, owner), self.clock_, self.past_times_, owner)
        values = column_values(as_rows(X, owner), self.column, "column", owner)
        if len(moments):
            kept = slice(-self._lookback(), None)
            self.past_ = np.concatenate([self.past_, values[-len(moments) :]])[kept]
            self.past_times_ = np.concatenate([self.past_times_, moments])[kept]
        return self

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

    def _lookback(self) -> int:
        return int(self.window) if self.prices else int(self.window) - 1

    def _keep(self, X: Any, values: Floats) -> None:
        times = times_of(X, type(self).__name__)
        kept = slice(-self._lookback(), None) if times.clock else slice(0)
        self.past_, self.past_times_, self.clock_ = values[kept].copy(), times.moments[kept].copy(), times.clock

    def _before(self, X: Any) -> Floats:
        times = times_of(X, type(self).__name__)
        if not times.come_after(self.clock_, self.past_times_[:1]):
            return np.zeros(0)
        return self.past_[self.past_times_ < times.moments[0]]


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
        usual = {2: ("CALM", "TURBULENT"), 3: ("CALM", "NORMAL", "TURBULENT")}
        numbered = tuple(f"VOLATILITY_{i + 1}" for i in range(int(self.n_regimes)))
        return checked_names(self.names, usual.get(self.n_regimes, numbered), owner)

    def _number(self, values: Floats) -> Floats:
        return _mean_and_deviation(self._returns(values), int(self.window))[1]

    def _cuts(self, numbers: Floats) -> Floats:
        return _quantiles(numbers, self.n_regimes)


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


class ProductRegimes(NamedRegimes):
    """Combine two detectors into regimes such as ``TREND_UP/CALM``.

    Where each of two things matters, so may their combination. The membership of a pair is the product of the two
    memberships, and a row that either of them knows nothing about has no regime. Each pair is known from fewer rows
    than its parts: keep the parts small. A product may be a part of another.

    Parameters
    ----------
    first : str, callable or estimator, default=None
        A detector whose regimes have names, or whatever an ensemble takes as such. The default (``None``) is
        ``TrendRegimes()``.
    second : str, callable or estimator, default=None
        Another. The default (``None``) is ``VolatilityRegimes()``.

    Attributes
    ----------
    regimes_ : tuple of str
        Names of all pairs: those of the first regime of ``first``, low to high by ``second``, then the next.
    first_, second_ : object
        The fitted parts.
    parts_ : tuple of tuple of str
        Names of the regimes of the two parts.

    See Also
    --------
    TrendRegimes : Regimes by direction.
    VolatilityRegimes : Regimes by size of the moves.

    Examples
    --------
    >>> X = pd.DataFrame({"return": [0.01, 0.03, -0.04, -0.04]})
    >>> trend = TrendRegimes("return", window=2)
    >>> regimes = ProductRegimes(trend, VolatilityRegimes("return", window=2)).fit(X)
    >>> regimes.predict(X).tolist()
    [None, 'TREND_UP/CALM', 'SIDEWAYS/TURBULENT', 'TREND_DOWN/CALM']
    """

    def __init__(self, first: Any = None, second: Any = None) -> None:
        self.first = first
        self.second = second

    def fit(self, X: Any, y: Any = None) -> ProductRegimes:
        """Fit both detectors.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, oldest first.
        y : None
            Ignored.

        Returns
        -------
        ProductRegimes
            Itself.
        """
        first = _fitted_part(TrendRegimes() if self.first is None else self.first, X, "first")
        second = _fitted_part(VolatilityRegimes() if self.second is None else self.second, X, "second")
        parts = (_part_names(first, X, "first"), _part_names(second, X, "second"))
        names = tuple(f"{one}/{other}" for one in parts[0] for other in parts[1])
        check_columns(self, X, reset=True)
        self.first_, self.second_, self.parts_, self.regimes_ = first, second, parts, names
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Return the product of the memberships that the two detectors give.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, oldest first; each is history for those after it.

        Returns
        -------
        ndarray of shape (n_samples, n_regimes)
            One column for each name in ``regimes_``; all zero where either regime is missing.
        """
        check_is_fitted(self)
        n_samples = len(as_rows(X, type(self).__name__))
        check_columns(self, X, reset=False)
        first = encode_memberships(detect(self.first_, X), self.parts_[0], n_samples)
        second = encode_memberships(detect(self.second_, X), self.parts_[1], n_samples)
        return (first[:, :, None] * second[:, None, :]).reshape(n_samples, len(self.regimes_))

    def remember(self, X: Any) -> ProductRegimes:
        """Take note of rows that came after those known, in each detector that looks back.

        Parameters
        ----------
        X : pandas.DataFrame of shape (n_samples, n_features)
            Rows, oldest first, with an index that increases. Rows that are known already are left out.

        Returns
        -------
        ProductRegimes
            Itself.
        """
        check_is_fitted(self)
        # Copies, so that rows which one part refuses change neither.
        parts = [deepcopy(part) for part in (self.first_, self.second_)]
        for part in parts:
            if hasattr(part, "remember"):
                part.remember(X)
        self.first_, self.second_ = parts
        return self


def _fitted_part(part: Any, X: Any, name: str) -> Any:
    if isinstance(part, type) or not (isinstance(part, str) or callable(part) or hasattr(part, "fit")):
        raise ValueError(
            f"{name} of ProductRegimes must be a detector such as TrendRegimes(), the name of a column of X or a "
            f"function of X; got {shown(part)}."
        )
    return fit_detector(part, X)


def _part_names(part: Any, X: Any, name: str) -> tuple[str, ...]:
    known: Any = getattr(part, "regimes_", None)
    names = regime_names(detect(part, X)) if known is None else known
    if not names or not all(isinstance(each, str) for each in names):
        raise ValueError(
            f"{name} of ProductRegimes must be a detector whose regimes have names; those of {shown(part)} are "
            f"{shown(list(names))}. A clusterer gets names by OrderedRegimes(clusterer)."
        )
    return tuple(str(each) for each in names)


# What the members share: names, columns, times, windows.


def level_names(n_regimes: int) -> tuple[str, ...]:
    """Name so many levels, low to high."""
    usual = {2: ("LOW", "HIGH"), 3: ("LOW", "MID", "HIGH")}
    return usual.get(n_regimes, tuple(f"LEVEL_{i + 1}" for i in range(int(n_regimes))))


def checked_names(names: Any, usual: tuple[str, ...], owner: str) -> tuple[str, ...]:
    """Return the names that were given, or else the usual ones; one for each regime."""
    if names is None:
        return usual
    given = [] if isinstance(names, str) or not hasattr(names, "__iter__") else list(names)
    texts = all(isinstance(name, str) for name in given)
    if len(given) != len(usual) or not texts or len(regime_names(given)) != len(given):
        raise ValueError(
            f"names of {owner} must be {len(usual)} different texts, low to high, such as {shown(list(usual))}; got "
            f"{shown(names)}."
        )
    return tuple(str(name) for name in given)


def as_rows(X: Any, owner: str) -> Any:
    """Return X as a pandas DataFrame if it is a frame of any kind, and otherwise as a 2-D array."""
    if isinstance(X, pd.DataFrame):
        return X
    if hasattr(X, "columns"):
        return pd.DataFrame({name: X[name].to_numpy() for name in X.columns})
    rows = np.asarray(X)
    if rows.ndim != 2:
        raise ValueError(
            f"X of {owner} must be a table with one row per moment; got {type(X).__name__} with {rows.ndim} "
            f"dimension(s). Pass a DataFrame, such as series.to_frame(), or a 2-D array."
        )
    return rows


def column_values(rows: Any, column: Any, name: str, owner: str) -> Floats:
    """Read one column of a table as numbers, NaN where there is none."""
    labels = list(getattr(rows, "columns", []))
    if column in labels:
        position = labels.index(column)
        if labels.count(column) > 1:
            raise ValueError(f"{name} of {owner} names {column!r}, but X has {labels.count(column)} columns of it.")
    elif isinstance(column, (int, np.integer)) and not isinstance(column, bool) and 0 <= column < rows.shape[1]:
        position = int(column)
    else:
        has = f"the columns {shown(labels)}" if labels else f"{rows.shape[1]} columns without names"
        raise ValueError(
            f"{name} of {owner} is {shown(column)}, but X has {has}. Give the name of a column of a DataFrame, or a "
            f"position from 0 to {rows.shape[1] - 1}."
        )
    values = pd.Series(rows.iloc[:, position] if labels else rows[:, position])
    try:
        numbers = values.to_numpy(dtype=float, na_value=np.nan, copy=True)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} of {owner} is {shown(column)}, which does not hold numbers ({error}).") from None
    numbers[~np.isfinite(numbers)] = np.nan
    return numbers


class Times(NamedTuple):
    """When the rows of a table were.

    Attributes
    ----------
    clock : str
        In what they are told; empty where they are not.
    moments : ndarray of shape (n_samples,)
        Times or row numbers, each later than the one before; empty without a clock.
    """

    clock: str
    moments: NDArray[Any]

    def come_after(self, clock: str, known: NDArray[Any]) -> bool:
        """Whether the first row is later than the last that is known by the same clock."""
        told = bool(self.clock) and self.clock == clock and len(self.moments) > 0 and len(known) > 0
        return told and bool(self.moments[0] > known[-1])


def times_of(X: Any, owner: str) -> Times:
    """Read from the index of a DataFrame when the rows were: times, or row numbers that increase."""
    index = X.index if isinstance(X, pd.DataFrame) else pd.Index([])
    ordered = index.is_monotonic_increasing and index.is_unique
    if isinstance(index, pd.DatetimeIndex):
        if not ordered:
            raise ValueError(
                f"X of {owner} must hold one row for each time, oldest first, for it looks back over rows; got "
                f"{shown(list(map(str, index[:3])))}. Sort it by X.sort_index(). For several series at one time, make "
                f"the number a column first and cut it by QuantileRegimes."
            )
        if index.tz is None:
            return Times("times", index.to_numpy())
        return Times("times in a time zone", index.tz_convert("UTC").tz_localize(None).to_numpy())
    if ordered and index.dtype.kind in "iu":
        return Times("row numbers", index.to_numpy())
    return Times("", np.zeros(0))


def later_moments(times: Times, clock: str, known: NDArray[Any], owner: str) -> NDArray[Any]:
    """Return the times that are later than those known, or refuse where nobody can tell."""
    if not clock or not len(known) or times.clock != clock:
        raise ValueError(
            f"{owner} cannot tell whether these rows come after those of fit, whose index holds "
            f"{clock or 'no times'}; theirs holds {times.clock or 'no times'}. Pass to fit and remember DataFrames "
            f"with the same kind of index: times, or row numbers that increase."
        )
    return times.moments[times.moments > known[-1]]


def most_probable(memberships: Floats) -> Codes:
    """Return the column of the largest membership of each row, and -1 where there is none."""
    known = memberships.any(axis=1)
    return np.where(known, memberships.argmax(axis=1), -1)


def one_hot(codes: Codes, n_regimes: int) -> Floats:
    """Return memberships of 1 in the regime of each row; a code of -1 is missing."""
    memberships = np.zeros((len(codes), n_regimes))
    rows = np.flatnonzero(codes >= 0)
    memberships[rows, codes[rows]] = 1.0
    return memberships


def _quantiles(numbers: Floats, n_regimes: int) -> Floats:
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        return np.full(int(n_regimes) - 1, np.nan)
    return np.quantile(known, np.arange(1, int(n_regimes)) / n_regimes)


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

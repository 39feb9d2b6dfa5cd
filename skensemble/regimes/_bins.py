"""Regimes by the size of one number: bins of it, low to high.

One idea: a stated number of every row is cut into a few named bins, so that a refit moves the cuts and never swaps the
names. The rule that all members keep: the number at a row depends on that row and on rows before it, and where too
little of the past is known, the regime is missing and the pooled answer serves.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skensemble._checks import check_columns, check_number
from skensemble.regimes._columns import as_rows, column_values
from skensemble.regimes._named import Floats, NamedRegimes, checked_names, level_names, one_hot

__all__ = ["BinnedRegimes", "QuantileRegimes", "quantiles"]


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

    >>> import pandas as pd
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
        return quantiles(numbers, self.n_regimes)


def quantiles(numbers: Floats, n_regimes: int) -> Floats:
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        return np.full(int(n_regimes) - 1, np.nan)
    return np.quantile(known, np.arange(1, int(n_regimes)) / n_regimes)

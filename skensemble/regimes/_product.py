"""Regimes of two things at once: the product of two detectors."""

from __future__ import annotations

from typing import Any

from sklearn.utils.validation import check_is_fitted

from skensemble._checks import check_columns, shown
from skensemble.regimes._columns import as_rows
from skensemble.regimes._detection import detect, fit_detector
from skensemble.regimes._history import remembered
from skensemble.regimes._memberships import encode_memberships, regime_names
from skensemble.regimes._named import Floats, NamedRegimes
from skensemble.regimes._windows import TrendRegimes, VolatilityRegimes

__all__ = ["ProductRegimes"]


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
    >>> import pandas as pd
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
        # Both before either, so that rows which one part refuses change neither.
        self.first_, self.second_ = remembered(self.first_, X), remembered(self.second_, X)
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

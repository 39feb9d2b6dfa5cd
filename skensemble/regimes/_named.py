"""Regimes with names: most probable regime of a row, in an order that no refit changes.

One idea: a detector answers with a membership for each name. The rule that all members keep: the names are listed from
low to high by a number that is stated, so that a name means the same after every fit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skensemble._checks import shown
from skensemble.regimes._memberships import regime_names

__all__ = [
    "Codes",
    "Floats",
    "NamedRegimes",
    "checked_names",
    "level_names",
    "most_probable",
    "one_hot",
    "volatility_names",
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


def level_names(n_regimes: int) -> tuple[str, ...]:
    """Name so many levels, low to high."""
    usual = {2: ("LOW", "HIGH"), 3: ("LOW", "MID", "HIGH")}
    return usual.get(n_regimes, tuple(f"LEVEL_{i + 1}" for i in range(int(n_regimes))))


def volatility_names(n_regimes: int) -> tuple[str, ...]:
    """Name so many sizes of moves, small to large."""
    usual = {2: ("CALM", "TURBULENT"), 3: ("CALM", "NORMAL", "TURBULENT")}
    return usual.get(n_regimes, tuple(f"VOLATILITY_{i + 1}" for i in range(int(n_regimes))))


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

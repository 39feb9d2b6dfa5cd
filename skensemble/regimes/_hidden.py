"""Regimes that nobody sees: a state that lasts, learned from all training rows and then followed row by row.

One idea: what a row says of each regime is weighed against where the rows before it stood, by one recursion for both
members::

    state_t(k) = evidence_t(k) + ⊕_j ( state_{t-1}(j) + move(j, k) )

The sum ⊕ is the logarithm of a sum of exponentials where all paths count (`MarkovRegimes`), and the maximum where the
best one does (`JumpRegimes`). The rule that both keep: the recursion goes forward only, so that no later row changes
the regime of an earlier one. What other libraries do over a whole batch is used in ``fit``, and is needed there alone.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skensemble._checks import check_columns, check_number, shown
from skensemble.regimes._columns import as_rows, column_values
from skensemble.regimes._history import LooksBack
from skensemble.regimes._named import Floats, NamedRegimes

__all__ = ["HiddenRegimes", "low_to_high", "not_installed", "run_lengths", "standardized"]


class HiddenRegimes(LooksBack, NamedRegimes):
    """Follow a hidden state along the rows; how it is learned and what a row says of it, members say."""

    columns: str | int | Sequence[str | int]
    n_regimes: int
    n_init: int
    random_state: int
    state_: Floats

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn what the regimes look like and how long they last, and keep where the rows left off.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, oldest first.
        y : None
            Ignored.

        Returns
        -------
        Self
            Itself.
        """
        names = self._names()
        values = self._values(X)
        known = np.all(np.isfinite(values), axis=1)
        if known.sum() < self.n_regimes:
            raise ValueError(
                f"X of {type(self).__name__} has {known.sum()} rows without a missing value in its columns "
                f"{shown(self.columns)}; n_regimes={self.n_regimes} needs at least as many. Pass more rows, or leave "
                f"out columns that are rarely known by columns=."
            )
        check_columns(self, X, reset=True)
        self._keep_times(X)
        self._learn(values[known], run_lengths(known))
        self.regimes_ = names
        memberships, self.state_ = self._follow(values, self._start())
        self._warn_of_empty(memberships)
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Return how far every row belongs to every regime, by what was known at the row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, oldest first; each is history for those after it, and so are those of ``fit`` where the index of a
            DataFrame says that they came before.

        Returns
        -------
        ndarray of shape (n_samples, n_regimes)
            One column for each name in ``regimes_``; rows sum to 1, or are zero where the regime is missing.
        """
        check_is_fitted(self)
        check_columns(self, X, reset=False)
        return self._follow(self._values(X), self.state_ if self._follows(X) else self._start())[0]

    def _reach(self) -> int:
        return 1

    def _move_on(self, X: pd.DataFrame) -> None:
        _, self.state_ = self._follow(self._values(X), self.state_)

    def _follow(self, values: Floats, state: Floats) -> tuple[Floats, Floats]:
        """Walk along the rows from a state; return the memberships at each row, and the state at the last one."""
        with np.errstate(over="ignore"):
            evidence = self._evidence(values)
        # Rows that say nothing of any regime: a value is missing, or its square is beyond all numbers.
        evidence[~np.isfinite(evidence).any(axis=1)] = 0.0
        moves, pooled = self._moves(), self._pool.reduce
        memberships = np.zeros((len(values), len(state)))
        # One row at a time, with arrays of one shape: sums and exponentials must not depend on where the batch began.
        for row, said in enumerate(evidence):
            state = said + pooled(state[:, None] + moves, axis=0)
            state = state - pooled(state)
            memberships[row] = self._membership(state)
        return memberships, state

    def _values(self, X: Any) -> Floats:
        """Return the columns that are looked at as numbers, NaN where there is none."""
        owner = type(self).__name__
        rows = as_rows(X, owner)
        return np.column_stack([column_values(rows, each, "columns", owner) for each in _as_list(self.columns, owner)])

    def _check_learning(self) -> None:
        owner = type(self).__name__
        check_number(self.n_regimes, "n_regimes", owner, low=2, integer=True)
        check_number(self.n_init, "n_init", owner, low=1, integer=True)
        check_number(self.random_state, "random_state", owner, low=0, high=2**32 - 1, integer=True)

    def _warn_of_empty(self, memberships: Floats) -> None:
        empty = [name for name, n_rows in zip(self.regimes_, memberships.sum(axis=0), strict=True) if n_rows < 1]
        if empty:
            warnings.warn(
                f"{type(self).__name__} finds less than one row of X in the regime {' and in '.join(empty)}: "
                f"{self._advice()}.",
                UserWarning,
                stacklevel=3,
            )

    @property
    @abstractmethod
    def _pool(self) -> np.ufunc:
        """How the ways to a regime are summed up."""

    @abstractmethod
    def _names(self) -> tuple[str, ...]:
        """Check the parameters and return the names of the regimes."""

    @abstractmethod
    def _learn(self, values: Floats, lengths: NDArray[np.intp]) -> None:
        """Learn from complete rows, given how many of them follow each other without a gap, run by run."""

    @abstractmethod
    def _start(self) -> Floats:
        """Return the state before the first row, where nothing is known of the past."""

    @abstractmethod
    def _moves(self) -> Floats:
        """Return what it adds to a path to go from each regime (row) to each regime (column)."""

    @abstractmethod
    def _evidence(self, values: Floats) -> Floats:
        """Return what each row says for each regime, on the scale of the state."""

    @abstractmethod
    def _membership(self, state: Floats) -> Floats:
        """Return the memberships of a row at which the state is this."""

    @abstractmethod
    def _advice(self) -> str:
        """What to do about a regime that never comes."""


def standardized(values: Floats) -> tuple[Floats, Floats, Floats]:
    """Return complete rows in units of each column's deviation from its mean, the means, and the deviations.

    A column that is constant is all zero then, and its unit 1: the deviation may be a rounding error instead of zero.
    """
    deviations = values.std(axis=0)
    moves = (values.max(axis=0) > values.min(axis=0)) & (deviations > 0)
    centre, scale = np.where(moves, values.mean(axis=0), values[0]), np.where(moves, deviations, 1.0)
    return (values - centre) / scale, centre, scale


def low_to_high(table: Floats) -> NDArray[np.intp]:
    """Sort regimes by the first column; by the next where they are alike in it. NaN comes last."""
    return np.lexsort(table.T[::-1])


def run_lengths(known: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Count the rows of each unbroken run of known ones."""
    edges = np.flatnonzero(np.diff(known, prepend=False, append=False))
    return edges[1::2] - edges[::2]


def not_installed(library: str, owner: str) -> ModuleNotFoundError:
    """Say which library is missing and how to get it."""
    return ModuleNotFoundError(
        f'fit of {owner} needs {library}, which is not installed. Run: pip install "skensemble[regimes]"'
    )


def _as_list(columns: Any, owner: str) -> list[Any]:
    if isinstance(columns, (str, int, np.integer)):
        return [columns]
    if not hasattr(columns, "__iter__") or not list(columns):
        raise ValueError(f"columns of {owner} must be a column of X or a list of them; got {shown(columns)}.")
    return list(columns)

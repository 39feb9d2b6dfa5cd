"""What the records of this folder have in common: they never change, and they follow regimes through a retrain."""

from __future__ import annotations

import copy
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Self, TypeVar

import numpy as np

from skensemble._checks import check_number, shown
from skensemble.intervals._reading import Array

__all__ = ["RegimeRecord", "moved", "part_names"]

Part = TypeVar("Part")


class RegimeRecord(ABC):
    """A record per regime and pooled that never changes: what it learns goes into a new one.

    All that it has learned is one dataclass of numbers, lists of numbers and arrays, so that a copy is cheap and two
    records are equal where their numbers are.
    """

    n_regimes: int
    _state: Any

    def __init__(self, n_regimes: int) -> None:
        check_number(n_regimes, "n_regimes", type(self).__name__, low=0, integer=True)
        self.n_regimes = int(n_regimes)

    @property
    def n_rows(self) -> Array:
        """Rows that were judged, by membership: an array (n_regimes + 1,), all rows last."""
        return np.array(self._rows())

    def reindexed(self, regime_positions: Sequence[int]) -> Self:
        """Carry the record over to other regimes, as after a retrain.

        Parameters
        ----------
        regime_positions : sequence of int
            For each regime from now on, its position until now; -1 for a new one, which leans on the pooled part. The
            pooled part always stays.

        Returns
        -------
        Self
            A new record; this one stays as it is.

        Raises
        ------
        ValueError
            If a position is not one of this record's, or -1.

        Examples
        --------
        >>> from skensemble.intervals import AdaptiveIntervals
        >>> intervals = AdaptiveIntervals(2).updated([1, 2, 3], [1, 1, 1], [[1, 0], [1, 0], [0, 1]])
        >>> intervals.n_rows, intervals.reindexed([1, -1, 0]).n_rows
        (array([1., 1., 2.]), array([1., 0., 1., 2.]))
        """
        positions = np.array(regime_positions, dtype=np.intp)
        if positions.ndim != 1 or ((positions < -1) | (positions >= self.n_regimes)).any():
            raise ValueError(
                f"regime_positions of {type(self).__name__} must be positions from 0 to {self.n_regimes - 1}, or -1 "
                f"for a new one; got {shown(list(regime_positions))}."
            )
        later = self._with(self._state.reindexed(positions.tolist()))
        later.n_regimes = len(positions)
        return later

    @abstractmethod
    def _rows(self) -> list[float]:
        """Rows that were judged in each regime, all rows last."""

    @abstractmethod
    def _options(self) -> dict[str, Any]:
        """What the record was made with, beside the number of regimes."""

    def _with(self, state: Any) -> Self:
        later = object.__new__(type(self))
        later.__dict__ = self.__dict__ | {"_state": state}
        return later

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RegimeRecord) or type(self) is not type(other):
            return NotImplemented
        return (self.n_regimes, self._options()) == (other.n_regimes, other._options()) and all(
            np.array_equal(mine, theirs)
            for mine, theirs in zip(_numbers(self._state), _numbers(other._state), strict=True)
        )

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.n_regimes, *self._options().values()))

    def __repr__(self) -> str:
        options = {"n_regimes": self.n_regimes} | self._options()
        words = [f"{name}={f'{value:g}' if isinstance(value, float) else value}" for name, value in options.items()]
        return f"{type(self).__name__}({', '.join(words)}) after {self._rows()[-1]:g} rows judged"


def _numbers(state: Any) -> list[Any]:
    """List the numbers, lists and arrays of a state, those of states within it too."""
    values = [getattr(state, field.name) for field in dataclasses.fields(state)]
    return [part for value in values for part in (_numbers(value) if dataclasses.is_dataclass(value) else [value])]


def moved(parts: list[Part], positions: list[int], new: Part) -> list[Part]:
    """Lay out copies of the parts of all regimes in another order, with copies of ``new`` for new ones."""
    return [copy.copy(new) if position < 0 else copy.copy(parts[position]) for position in positions]


def part_names(regimes: Sequence[object] | None, n_regimes: int, owner: str) -> list[object]:
    """Name the regimes, by position where nobody does, and the pooled part behind them."""
    names: list[object] = list(range(n_regimes)) if regimes is None else list(regimes)
    if len(names) != n_regimes:
        raise ValueError(f"regimes of {owner} must be {n_regimes} names, one per regime; got {shown(names)}.")
    return [*names, "pooled"]

"""Thresholds that every miss raises and every hit lowers, for several coverages, per regime and pooled."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from skensemble._checks import check_number, shown
from skensemble.intervals._reading import Array, Shares, read_numbers
from skensemble.intervals._record import RegimeRecord, moved, part_names
from skensemble.performance import wilson_interval

__all__ = [
    "Asked",
    "CoverageRecord",
    "Thresholds",
    "at_coverage",
    "check_coverage",
    "mixed",
    "read_coverages",
    "step_size",
]

# A threshold moves by _FIRST_STEP/√n, so that a bad start is soon forgotten, and by no less than some least step later.
_FIRST_STEP = 0.6
# The regime part corrects what the pooled part leaves; with a whole step of its own both would correct it twice.
_REGIME_SHARE = 0.5
# How far up a threshold may go from where it started. Without an end, what a jump of the scale has wound up in a row of
# misses would take a thousand rows to come down again at a coverage of 95 %.
_MOST_SHIFT = 2.0


class Asked(NamedTuple):
    """What follows from the coverages alone, each a list of one number per coverage."""

    # How often an outcome may be missed, the least step of a threshold, and where it starts.
    alphas: list[float]
    steps: list[float]
    starts: list[float]


class CoverageRecord(RegimeRecord):
    """A record that answers for several coverages and counts how often each was kept."""

    coverages: tuple[float, ...]

    def __init__(self, n_regimes: int, coverages: Sequence[float]) -> None:
        super().__init__(n_regimes)
        self.coverages = read_coverages(coverages, type(self).__name__)

    def coverage_frame(self, regimes: Sequence[object] | None = None) -> pd.DataFrame:
        """Return how often the outcome was covered, each row judged as it was before its outcome was known.

        Parameters
        ----------
        regimes : sequence of length n_regimes, default=None
            Names of the regimes; their positions if None.

        Returns
        -------
        frame : DataFrame
            One row for each regime (last: "pooled", all rows) and tracked coverage, with ``n`` the number of rows (by
            membership), ``realised`` the share that was covered, and ``low`` and ``high`` the Wilson interval of 95 %
            for it, as if rows were independent; NaN without rows.

        Raises
        ------
        ValueError
            If there is not one name per regime.

        See Also
        --------
        skensemble.performance.wilson_interval : What a count of hits says about the true rate.

        Examples
        --------
        The first row finds no scale, and is not judged; the other three are as large, then as small, then larger.

        >>> from skensemble.intervals import AdaptiveIntervals
        >>> intervals = AdaptiveIntervals(n_regimes=1, coverages=[0.5])
        >>> later = intervals.updated([1, 1, 0.1, -3], [1, 1, 1, 1], [[1], [1], [1], [1]])
        >>> later.coverage_frame(["CALM"]).round(2)
                         n  realised   low  high
        regime coverage
        CALM   0.5     3.0      0.33  0.06  0.79
        pooled 0.5     3.0      0.33  0.06  0.79
        """
        names = part_names(regimes, self.n_regimes, type(self).__name__)
        index = pd.MultiIndex.from_product([names, self.coverages], names=["regime", "coverage"])
        n = np.repeat(self._rows(), len(self.coverages))
        covered = np.ravel(self._thresholds().covered)
        low, high = wilson_interval(covered, n)
        realised = np.divide(covered, n, out=np.full(len(n), np.nan), where=n > 0)
        return pd.DataFrame({"n": n, "realised": realised, "low": low, "high": high}, index=index)

    def _thresholds(self) -> Thresholds:
        thresholds: Thresholds = self._state.thresholds
        return thresholds

    def _rows(self) -> list[float]:
        return self._thresholds().rows

    def _check_coverage(self, coverage: float) -> None:
        check_coverage(coverage, self.coverages, type(self).__name__)


def read_coverages(coverages: Sequence[float], owner: str) -> tuple[float, ...]:
    """Return the coverages that are to be tracked, or refuse them.

    Parameters
    ----------
    coverages : sequence of float
        Increasing, in (0, 1), at least one.
    owner : str
        Whose they are, for the error.

    Returns
    -------
    tuple of float
        The same as plain numbers.

    Raises
    ------
    ValueError
        If they are anything else.

    Examples
    --------
    >>> read_coverages([0.5, 0.9], "Ensemble")
    (0.5, 0.9)
    """
    levels = read_numbers(coverages, "coverages", owner)
    if levels.ndim != 1 or not len(levels) or not ((levels > 0) & (levels < 1)).all() or (np.diff(levels) <= 0).any():
        raise ValueError(
            f"coverages of {owner} must be numbers between 0 and 1 in increasing order, such as (0.5, 0.8, 0.9, 0.95); "
            f"got {shown(coverages)}."
        )
    return tuple(levels.tolist())


def check_coverage(coverage: float, tracked: Sequence[float], owner: str) -> None:
    """Refuse a coverage that is above all that are tracked.

    Parameters
    ----------
    coverage : float
        What is asked for.
    tracked : sequence of float
        What is tracked, increasing.
    owner : str
        Who was asked, for the error.

    Raises
    ------
    ValueError
        If the coverage is no number, not above 0, or above the largest that is tracked.

    Examples
    --------
    >>> check_coverage(0.85, (0.5, 0.9), "predict_interval")
    """
    check_number(coverage, "coverage", owner, low=0, open_low=True)
    if coverage > tracked[-1]:
        raise ValueError(
            f"coverage of {owner} must be at most {tracked[-1]}, the largest that is tracked; got {shown(coverage)}. "
            "Name larger ones in coverages from the start, such as (0.5, 0.8, 0.9, 0.95, 0.99)."
        )


@dataclasses.dataclass
class Thresholds:
    """The tracked thresholds, in logarithms, while rows are added to them; the pooled part stands last."""

    # n_regimes + 1 lists of n_coverages: how far each part has gone from where it started.
    shifts: list[list[float]]
    # n_regimes + 1: the weights of the rows that moved each part, by membership.
    clocks: list[float]
    # n_regimes + 1, and as many lists of n_coverages: rows judged, and rows covered.
    rows: list[float]
    covered: list[list[float]]

    @classmethod
    def empty(cls, n_regimes: int, n_coverages: int) -> Thresholds:
        parts = n_regimes + 1
        nothing = [0.0] * n_coverages
        return cls([nothing[:] for _ in range(parts)], [0.0] * parts, [0.0] * parts, [nothing[:] for _ in range(parts)])

    def copied(self) -> Thresholds:
        return Thresholds(
            [part[:] for part in self.shifts], self.clocks[:], self.rows[:], [part[:] for part in self.covered]
        )

    def reindexed(self, positions: list[int]) -> Thresholds:
        parts, nothing = [*positions, len(self.rows) - 1], [0.0] * len(self.shifts[0])
        return Thresholds(
            moved(self.shifts, parts, nothing),
            moved(self.clocks, parts, 0.0),
            moved(self.rows, parts, 0.0),
            moved(self.covered, parts, nothing),
        )

    def of_row(self, shares: Shares) -> list[float]:
        """Return how far the threshold of each coverage is from its start on one row."""
        regimes = [0.0] * len(self.shifts[-1])
        for regime, share in shares:
            regimes = [total + share * shift for total, shift in zip(regimes, self.shifts[regime], strict=True)]
        return [pooled + total for pooled, total in zip(self.shifts[-1], regimes, strict=True)]

    def of_rows(self, memberships: Array) -> Array:
        """Return the same of many rows, (n_samples, n_coverages), to the bit."""
        shifts = np.array(self.shifts)
        return np.asarray(shifts[-1] + mixed(memberships, shifts[:-1]))

    def count(self, missed: list[bool], shares: Shares) -> None:
        for part, share in _parts(shares):
            self.rows[part] += share
            for place, miss in enumerate(missed):
                if not miss:
                    self.covered[part][place] += share

    def move(self, missed: list[bool], asked: Asked, shares: Shares, weight: float, least: float) -> None:
        """Move the thresholds of a row by misses and hits, none below ``least``."""
        moves = [
            0.0 if (shift >= _MOST_SHIFT and miss) or (shift <= least and not miss) else float(miss) - alpha
            for shift, miss, alpha in zip(self.of_row(shares), missed, asked.alphas, strict=True)
        ]
        for part, share in _parts(shares):
            self.clocks[part] += weight * share
            of_part = 1.0 if part < 0 else _REGIME_SHARE
            self.shifts[part] = [
                shift + of_part * step_size(weight * share, self.clocks[part], slow) * by
                for shift, slow, by in zip(self.shifts[part], asked.steps, moves, strict=True)
            ]


def _parts(shares: Shares) -> Shares:
    """The parts that a row belongs to: those of its regimes, then the pooled one."""
    return [*shares, (-1, 1.0)]


def step_size(weight: float, clock: float, least: float) -> float:
    """The step of a row of some weight: large at the start of the clock, never below ``least`` times its weight."""
    return min(weight * max(least, _FIRST_STEP / math.sqrt(max(clock, 1.0))), 1.0)


def at_coverage(
    log_widths: Array,
    places: Callable[[float | Sequence[float]], Array],
    coverages: Sequence[float],
    coverage: float,
) -> Array:
    """Read the widths of one coverage, on straight lines in ``places`` between the tracked ones, which stand last."""
    place, tracked = float(places(coverage)), places(coverages)
    upper = int(np.searchsorted(coverages, coverage))
    if upper == 0:
        return log_widths[..., 0] + (place - float(tracked[0]))
    share = (place - float(tracked[upper - 1])) / float(tracked[upper] - tracked[upper - 1])
    return (1.0 - share) * log_widths[..., upper - 1] + share * log_widths[..., upper]


def mixed(memberships: Array, parts: Array) -> Array:
    """Add up the parts of all regimes by membership, one by one: a row must not depend on the rows beside it."""
    total = np.zeros((len(memberships), *parts.shape[1:]))
    columns = memberships.T.reshape(len(parts), -1, *(1,) * (parts.ndim - 1)) if len(parts) else ()
    for share, part in zip(columns, parts, strict=True):
        total += share * part
    return total

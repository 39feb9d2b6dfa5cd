"""How often, in which regime, over which year: the figures that coverage is judged by."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from benchmarks.coverage._data import Said
from benchmarks.coverage._rivals import COVERAGES
from benchmarks.coverage._stated import right

__all__ = [
    "BY_FIFTHS",
    "BY_REGIME",
    "EQUAL",
    "EXCESS",
    "REGIME_ROWS",
    "RIGHT",
    "SCORE",
    "TYPICAL",
    "WORST",
    "of_intervals",
    "of_sets",
    "of_statements",
    "widths",
]

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]
Figures = Iterator[tuple[str, str, float]]

# A regime is judged if it has more rows than this; and after the first year, so is every year of rows.
REGIME_ROWS, WINDOW = 500, 250
EQUAL, BY_REGIME, TYPICAL, SCORE = "width", "width, by regime", "typical width", "interval score"
# What is asked where no coverage is: whether the likeliest class or the side was right.
RIGHT = "right"
EXCESS = "above what it must be"
WORST, BY_FIFTHS = "worst regime", "worst regime, by fifths"
_N_BINS = 5
_FLOOR = 1e-6


def of_intervals(said: Said, distances: Array, first: int) -> Figures:
    """Yield what was asked, the name of the figure and its value, for every coverage."""
    judged = said.known >= first
    residuals, inside = (said.targets - said.combined)[judged, 0], _regimes(said)[judged]
    for place, coverage in enumerate(COVERAGES):
        below, above = distances[judged, 0, place], distances[judged, 1, place]
        asked = f"{coverage:g}"
        for name, value in _shares((-below <= residuals) & (residuals <= above), coverage, inside):
            yield asked, name, value
        for name, value in widths(residuals, below, above, coverage, inside):
            yield asked, name, value


def widths(residuals: Array, below: Array, above: Array, coverage: float, inside: Array) -> Iterator[tuple[str, float]]:
    """Yield how wide intervals are once they are stretched about their centres to cover exactly as asked.

    ``EQUAL`` is the mean width after one factor for all rows, ``TYPICAL`` the geometric mean, ``BY_REGIME`` the mean
    after a factor for each regime. The mean alone rewards those who cover calm rows too often and wild ones too rarely;
    the other two do not. The interval score (Gneiting & Raftery 2007) is of intervals as they were drawn.
    """
    width, off_centre = below + above, np.abs(residuals - (above - below) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.where(off_centre > 0, off_centre / (width / 2), 0.0)
    factor = np.quantile(needed, coverage, method="inverted_cdf")
    yield "mean width", float(width.mean())
    yield EQUAL, float(factor * width.mean())
    with np.errstate(divide="ignore"):
        yield TYPICAL, float(factor * np.exp(np.log(width).mean()))
    stretched = width.copy()
    for regime in np.unique(inside):
        rows = inside == regime
        stretched[rows] *= np.quantile(needed[rows], coverage, method="inverted_cdf")
    yield BY_REGIME, float(stretched.mean())
    beyond = np.maximum(-residuals - below, 0.0) + np.maximum(residuals - above, 0.0)
    yield SCORE, float((width + 2.0 / (1.0 - coverage) * beyond).mean())


def of_sets(said: Said, sets: Bools, first: int) -> Figures:
    """Yield figures of sets for every coverage.

    Where the likeliest class is right more often than asked, no set can help covering more. So ``EXCESS`` is realised
    coverage above what was asked or, in regimes where that is more, above the accuracy there.
    """
    judged = said.known >= first
    truth, inside = said.targets[judged].argmax(axis=1), _regimes(said)[judged]
    for place, coverage in enumerate(COVERAGES):
        chosen = sets[judged, :, place]
        for name, value in _shares(chosen[np.arange(len(truth)), truth], coverage, inside):
            yield f"{coverage:g}", name, value
        least = np.empty(len(truth))
        for regime in np.unique(inside):
            rows = inside == regime
            least[rows] = max(coverage, right(said)[judged][rows].mean())
        yield f"{coverage:g}", EXCESS, float(chosen[np.arange(len(truth)), truth].mean() - least.mean())
        yield f"{coverage:g}", "size", float(chosen.sum(axis=1).mean())
    yield RIGHT, "accuracy", float(np.nanmean(right(said)[judged]))


def of_statements(said: Said, stated: Array, first: int) -> Figures:
    """Yield figures of stated probabilities of being right, after the first year and (early) within it."""
    outcomes = right(said)
    judged = ~np.isnan(outcomes)
    later = judged & (said.known >= first)
    gap, inside = stated[later] - outcomes[later], _regimes(said)[later]
    yield RIGHT, "stated", float(stated[later].mean())
    yield RIGHT, "right", float(outcomes[later].mean())
    large = [inside == regime for regime in np.unique(inside) if (inside == regime).sum() > REGIME_ROWS]
    if large:
        yield RIGHT, WORST, max((float(gap[rows].mean()) for rows in large), key=abs)
        ordered = [gap[rows][np.argsort(stated[later][rows], kind="stable")] for rows in large]
        fifths = [[abs(part.mean()) for part in np.array_split(gaps, _N_BINS)] for gaps in ordered]
        yield RIGHT, BY_FIFTHS, float(np.max(np.mean(fifths, axis=1)))
    for name, rows in (("", later), ("early ", judged & ~later)):
        of_outcome = np.where(outcomes[rows] == 1, stated[rows], 1.0 - stated[rows])
        yield RIGHT, f"{name}brier", float(((1.0 - of_outcome) ** 2).mean())
        yield RIGHT, f"{name}log loss", float(-np.log(np.maximum(of_outcome, _FLOOR)).mean())


def _shares(held: Bools, coverage: float, inside: Array) -> Iterator[tuple[str, float]]:
    yield "realised", float(held.mean())
    shares = [held[inside == regime].mean() for regime in np.unique(inside) if (inside == regime).sum() > REGIME_ROWS]
    if shares:
        yield "lowest regime", float(min(shares) - coverage)
        yield "highest regime", float(max(shares) - coverage)
    if len(held) >= WINDOW:
        sums = np.cumsum(np.append(0, held))
        yield "worst 250 rows", float((sums[WINDOW:] - sums[:-WINDOW]).min() / WINDOW - coverage)


def _regimes(said: Said) -> Array:
    """The likeliest regime of each row; −1 where it is unknown."""
    return np.where(said.memberships.any(axis=1), said.memberships.argmax(axis=1), -1)

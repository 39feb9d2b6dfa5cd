"""Intervals around a prediction that hold the outcome as often as they say.

The one idea: how wrong the last predictions were, in units of a scale known before each of them, says how wrong the
next may be; a threshold that rises after every miss and falls after every hit ends where misses are as frequent as
they should be, whatever the stream does. The one rule: an interval is made before its outcome and judged as it was
made, so that a row never tells anything about itself.
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from skensemble._checks import check_number, shown

__all__ = ["AdaptiveIntervals"]

Array: TypeAlias = npt.NDArray[np.float64]

# A threshold moves by _FIRST_STEP/√n, so that a bad start is soon forgotten, and by no less than _LEAST_STEP later on.
# Less is narrower by a percent, but after an unannounced change too many outcomes in a row are missed.
_FIRST_STEP = 0.6
_LEAST_STEP = 0.07
# The regime part corrects what the pooled part leaves; with a whole step of its own both would correct it twice.
_REGIME_SHARE = 0.5
# The two sides part slowly: a wrong asymmetry costs width, a wrong width costs coverage.
_LEAN_SHARE = 0.25
_MOST_LEAN = 1.5
# How far log q may go from the threshold of normal residuals. Without an end, what a jump of the scale has wound up in
# a row of misses would take a thousand rows to come down again at a coverage of 95 %.
_LEAST_SHIFT, _MOST_SHIFT = -3.0, 2.0
# A residual enters the scale with up to this many times the scale: one absurd outcome must not widen all that follow.
_LIMIT = 20.0
# A spread is believed within these bounds, in units of its running mean: two models may well agree by accident.
_LEAST_SPREAD, _MOST_SPREAD = 0.1, 5.0
# What the spread has to explain before it counts, in rows of one unit each, and the memory for it, in half-lives.
_SPREAD_PRIOR = 10.0
_SPREAD_MEMORY = 40.0
# The size of a regime moves as thresholds do, and no further than this from that of all.
_LEAST_SIZE_STEP = 0.02
_MOST_REGIME_SIZE = 3.0


class AdaptiveIntervals:
    """What past residuals say about how far the next outcome may be from its prediction, per regime and pooled.

    Intuition: an interval of 90 % should be missed once in ten rows. After every miss the intervals become a little
    wider, after every hit a little narrower, nine times less; they settle where one row in ten is missed, without any
    assumption on the stream. Most of the way is gone by a scale: the size of recent residuals, larger where the regime
    is a wild one, and larger where the models disagree, as far as their disagreement has proved to tell anything.

    The rule: with e the residual of a row, x the models' spread in units of its running mean and m the memberships,

        s = S · (1 + b (x − 1)) · exp(Σ_g m_g c_g)                        the scale, known before the row
        low, high = ẑ − s q exp(−a),  ẑ + s q exp(a)                     the interval
        log q = θ_0 + Σ_g m_g θ_g                                         its threshold, one for each coverage

    where S is the running mean of |e| / (s/S), b in [0, 1] the slope of |e| on x (0 until the spread has proved
    useful), and c_g the logarithm of the size of residuals in regime g. After the outcome, with miss = 1 if it lies
    outside and 0 otherwise, and α = 1 − coverage,

        θ_0 += η_0 (miss − α),   θ_g += ½ m_g η_g (miss − α),   a += ¼ η_0 (miss above − miss below),

    with steps η = max(0.07, 0.6/√n) on the clock of each part. Coverage is thereby corrected for all rows and in every
    regime, and a rare or unseen regime leans on the pooled part. The lean a makes the interval asymmetric where
    residuals are: outcomes are missed as often above as below. Every error of coverage that persists is worked off by
    the thresholds, which is what makes the frequencies right in the long run even if nothing of the above model is.

    Only ratios of residuals count, so the unit of the target does not matter, nor that of the spread. A residual
    counts in the scale with up to 20 times its present value: a few absurd outcomes do not rule.

    A record never changes: :meth:`updated` returns a new one, of the same size however many rows it has seen.

    Parameters
    ----------
    n_regimes : int
        Number of regimes; 0 for none, then there is the pooled part alone.
    coverages : sequence of float, default=(0.5, 0.8, 0.9, 0.95)
        The coverages that are tracked, increasing, in (0, 1). Between two of them intervals are interpolated; above
        the largest there are none, since nothing would keep them honest.
    half_life : float, default=25.0
        Rows after which a residual counts half in the scale. Larger is steadier, and up to one percent narrower, but
        slower to notice that residuals have become larger; ``inf`` never forgets.

    See Also
    --------
    skensemble.performance.wilson_interval : What a count of hits says about the true rate.

    References
    ----------
    I. Gibbs and E. Candès, "Adaptive conformal inference under distribution shift", Advances in Neural Information
    Processing Systems (NeurIPS), 2021.

    A. N. Angelopoulos, E. Candès and R. J. Tibshirani, "Conformal PID control for time series prediction", Advances in
    Neural Information Processing Systems (NeurIPS), 2023.

    I. Gibbs and E. Candès, "Conformal inference for online prediction with arbitrary distribution shifts", Journal of
    Machine Learning Research, 2024.

    Examples
    --------
    Nothing is known, so anything may happen; then come residuals of standard deviation 10, of which 80 % lie within 13.

    >>> import numpy as np
    >>> intervals = AdaptiveIntervals(n_regimes=0)
    >>> intervals.bounds([100], [1], [[]], coverage=0.8)
    (array([-inf]), array([inf]))
    >>> residuals = 10 * np.random.default_rng(0).normal(size=1000)
    >>> later = intervals.updated(residuals, np.ones(1000), np.empty((1000, 0)))
    >>> low, high = later.bounds([100], [1], [[]], coverage=0.8)
    >>> bool(82 < low[0] < 92 and 108 < high[0] < 118)
    True
    """

    def __init__(
        self, n_regimes: int, *, coverages: Sequence[float] = (0.5, 0.8, 0.9, 0.95), half_life: float = 25.0
    ) -> None:
        check_number(n_regimes, "n_regimes", "AdaptiveIntervals", low=0, integer=True)
        check_number(half_life, "half_life", "AdaptiveIntervals", low=0, open_low=True)
        levels = _numbers(coverages, "coverages")
        if (
            levels.ndim != 1
            or not len(levels)
            or not ((levels > 0) & (levels < 1)).all()
            or (np.diff(levels) <= 0).any()
        ):
            raise ValueError(
                "coverages of AdaptiveIntervals must be numbers between 0 and 1 in increasing order, such as "
                f"(0.5, 0.8, 0.9, 0.95); got {shown(coverages)}."
            )
        self.n_regimes = int(n_regimes)
        self.coverages: tuple[float, ...] = tuple(levels.tolist())
        self.half_life = float(half_life)
        self._record = _Record.empty(self.n_regimes, len(levels))

    @property
    def n_rows(self) -> Array:
        """Rows that were judged, by membership: an array (n_regimes + 1,), all rows last."""
        return self._record.rows.copy()

    def updated(
        self,
        residuals: npt.ArrayLike,
        spreads: npt.ArrayLike,
        memberships: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> AdaptiveIntervals:
        """Return the record with more rows, in time order; n rows at once equal n calls of one row, to the bit.

        Parameters
        ----------
        residuals : array-like of shape (n_samples,)
            Outcome minus prediction. A row that is NaN (or not finite) changes nothing.
        spreads : array-like of shape (n_samples,)
            How far the models disagreed, at least 0, in any unit; NaN where it is unknown, as with one model alone.
        memberships : array-like of shape (n_samples, n_regimes)
            Share of each regime in each row, in [0, 1] with a sum of at most 1; all zero where the regime is unknown,
            then only the pooled part moves.
        sample_weight : array-like of shape (n_samples,), default=None
            What each step is multiplied by; 1 if None. A row of weight 0 is a row left out, and no weight, however
            large, moves a threshold by more than a factor of e.

        Returns
        -------
        intervals : AdaptiveIntervals
            A new record; this one stays as it is.

        Raises
        ------
        ValueError
            If a shape does not fit, or spreads, memberships or weights are out of their range.
        """
        errors = _column(residuals, "residuals")
        disagreements, shares = self._known_before(spreads, memberships, len(errors))
        weights = np.ones(len(errors)) if sample_weight is None else _column(sample_weight, "sample_weight")
        _check_length(weights, "sample_weight", len(errors))
        if not ((weights >= 0) & np.isfinite(weights)).all():
            raise ValueError(
                f"sample_weight of AdaptiveIntervals must be finite and not negative; got {shown(weights.tolist())}."
            )
        record = copy.deepcopy(self._record)
        alphas = 1.0 - np.array(self.coverages)
        starts = _normal_thresholds(self.coverages)
        for row in np.flatnonzero(np.isfinite(errors) & (weights > 0)).tolist():
            here = slice(row, row + 1)
            weight = float(weights[row])
            record.learn(float(errors[row]), disagreements[here], shares[here], weight, self.half_life, alphas, starts)
        return self._with(record)

    def bounds(
        self, combined: npt.ArrayLike, spreads: npt.ArrayLike, memberships: npt.ArrayLike, coverage: float
    ) -> tuple[Array, Array]:
        """Return the interval of each row that should hold its outcome with the given frequency.

        Between two tracked coverages log q is a straight line in log Φ⁻¹((1 + coverage)/2), exact where residuals are
        a multiple of normal ones; below the smallest it goes on as that of normal residuals. A larger coverage never
        gives a narrower interval.

        Parameters
        ----------
        combined : array-like of shape (n_samples,)
            The predictions, NaN where there is none.
        spreads : array-like of shape (n_samples,)
            How far the models disagree, at least 0; NaN where it is unknown.
        memberships : array-like of shape (n_samples, n_regimes)
            Share of each regime in each row; all zero where the regime is unknown, then the pooled part answers.
        coverage : float
            From above 0 to the largest of ``coverages``.

        Returns
        -------
        low : ndarray of shape (n_samples,)
            Never above ``combined``; −inf as long as nothing has been learned.
        high : ndarray of shape (n_samples,)
            Never below ``combined``; inf as long as nothing has been learned.

        Raises
        ------
        ValueError
            If a shape does not fit, spreads or memberships are out of their range, or the coverage is not tracked.
        """
        check_number(coverage, "coverage", "AdaptiveIntervals", low=0, open_low=True)
        if coverage > self.coverages[-1]:
            raise ValueError(
                f"coverage of AdaptiveIntervals must be at most {self.coverages[-1]}, the largest that is tracked; got "
                f"{shown(coverage)}. Name larger ones in coverages from the start, such as (0.5, 0.8, 0.9, 0.95, 0.99)."
            )
        centres = _column(combined, "combined")
        disagreements, shares = self._known_before(spreads, memberships, len(centres))
        if not self._record.size_weight:
            known = np.where(np.isnan(centres), np.nan, np.inf)
            return -known, known
        record = self._record
        scales = record.scales(record.spread_factors(record.deviations(disagreements)), shares)
        above, below = record.log_widths(record.thresholds(shares, _normal_thresholds(self.coverages)))
        with np.errstate(over="ignore"):
            low = centres - scales * np.exp(_at_coverage(below, self.coverages, float(coverage)))
            return low, centres + scales * np.exp(_at_coverage(above, self.coverages, float(coverage)))

    def coverage_frame(self, regimes: Sequence[object] | None = None) -> pd.DataFrame:
        """Return how often the intervals did hold the outcome, each judged as it was before its outcome was known.

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

        References
        ----------
        E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
        Statistical Association, 1927.

        Examples
        --------
        The first row finds no scale, and is not judged; the other three are as large, then as small, then larger.

        >>> intervals = AdaptiveIntervals(n_regimes=1, coverages=[0.5])
        >>> later = intervals.updated([1, 1, 0.1, -3], [1, 1, 1, 1], [[1], [1], [1], [1]])
        >>> later.coverage_frame(["CALM"]).round(2)
                         n  realised   low  high
        regime coverage
        CALM   0.5     3.0      0.33  0.06  0.79
        pooled 0.5     3.0      0.33  0.06  0.79
        """
        names = list(range(self.n_regimes)) if regimes is None else list(regimes)
        if len(names) != self.n_regimes:
            raise ValueError(
                f"regimes of AdaptiveIntervals must be {self.n_regimes} names, one per regime; got {shown(names)}."
            )
        index = pd.MultiIndex.from_product([[*names, "pooled"], self.coverages], names=["regime", "coverage"])
        n = np.repeat(self._record.rows, len(self.coverages))
        realised = np.divide(self._record.covered.ravel(), n, out=np.full(len(n), np.nan), where=n > 0)
        doubt = special.ndtri(0.975) ** 2
        centre = (realised * n + doubt / 2) / (n + doubt)
        margin = np.sqrt(doubt * (realised * (1 - realised) * n + doubt / 4)) / (n + doubt)
        return pd.DataFrame(
            {"n": n, "realised": realised, "low": centre - margin, "high": centre + margin}, index=index
        )

    def reindexed(self, regime_positions: Sequence[int]) -> AdaptiveIntervals:
        """Carry the record over to other regimes, as after a retrain.

        Parameters
        ----------
        regime_positions : sequence of int
            For each regime from now on, its position until now; -1 for a new one, which leans on the pooled part. The
            pooled part always stays.

        Returns
        -------
        intervals : AdaptiveIntervals
            A new record; this one stays as it is.

        Raises
        ------
        ValueError
            If a position is not one of this record's, or -1.

        Examples
        --------
        >>> intervals = AdaptiveIntervals(2).updated([1, 2, 3], [1, 1, 1], [[1, 0], [1, 0], [0, 1]])
        >>> intervals.n_rows, intervals.reindexed([1, -1, 0]).n_rows
        (array([1., 1., 2.]), array([1., 0., 1., 2.]))
        """
        positions = np.array(regime_positions, dtype=np.intp)
        if positions.ndim != 1 or ((positions < -1) | (positions >= self.n_regimes)).any():
            raise ValueError(
                f"regime_positions of AdaptiveIntervals must be positions from 0 to {self.n_regimes - 1}, or -1 for a "
                f"new one; got {shown(list(regime_positions))}."
            )
        later = self._with(self._record.reindexed(positions))
        later.n_regimes = len(positions)
        return later

    def _known_before(self, spreads: npt.ArrayLike, memberships: npt.ArrayLike, n: int) -> tuple[Array, Array]:
        disagreements, shares = _column(spreads, "spreads"), _numbers(memberships, "memberships")
        _check_length(disagreements, "spreads", n)
        if (disagreements < 0).any():
            raise ValueError(
                f"spreads of AdaptiveIntervals must not be negative; got {shown(disagreements.tolist())}. "
                "Pass a distance, such as the standard deviation of the models' predictions."
            )
        if shares.shape != (n, self.n_regimes):
            raise ValueError(
                "memberships of AdaptiveIntervals must have one row per sample and one column per regime, a shape of "
                f"{(n, self.n_regimes)}; got {shares.shape}."
            )
        # A sum of shares may exceed 1 by what rounding left.
        if not ((shares >= 0).all() and (shares.sum(axis=1) <= 1 + 1e-6).all()):
            raise ValueError(
                "memberships of AdaptiveIntervals must be shares of at least 0 that add up to at most 1 in each row; "
                f"got {shown(shares.tolist())}."
            )
        return disagreements, shares

    def _with(self, record: _Record) -> AdaptiveIntervals:
        later = copy.copy(self)
        later._record = record
        return later

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AdaptiveIntervals):
            return NotImplemented
        return (self.coverages, self.half_life) == (other.coverages, other.half_life) and all(
            np.array_equal(mine, theirs)
            for mine, theirs in zip(vars(self._record).values(), vars(other._record).values(), strict=True)
        )

    def __hash__(self) -> int:
        return hash((self.n_regimes, self.coverages, self.half_life))

    def __repr__(self) -> str:
        return (
            f"AdaptiveIntervals(n_regimes={self.n_regimes}, coverages={self.coverages}, half_life={self.half_life:g}) "
            f"after {self._record.rows[-1]:g} rows judged"
        )


@dataclasses.dataclass
class _Record:
    """All that an ``AdaptiveIntervals`` remembers, while rows are added to it; the pooled part stands last."""

    # The running mean of residuals in units of the rest of the scale, and what it rests on.
    size: float
    size_weight: float
    # The running mean of the spread, and the regression of residuals on the spread's deviation from it.
    spread: float
    spread_weight: float
    products: float
    squares: float
    # (n_regimes,): how much larger than usual residuals are in each regime, in logarithms.
    regime_sizes: Array
    # (n_regimes + 1,): the weights of the rows seen, by membership.
    clocks: Array
    # (n_regimes + 1, n_coverages) and (n_coverages,): away from the threshold of normal residuals; above against below.
    shifts: Array
    leans: Array
    # (n_regimes + 1,) and (n_regimes + 1, n_coverages): rows judged, and rows covered.
    rows: Array
    covered: Array

    @classmethod
    def empty(cls, n_regimes: int, n_coverages: int) -> _Record:
        parts = n_regimes + 1
        return cls(
            *(0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
            *(np.zeros(n_regimes), np.zeros(parts), np.zeros((parts, n_coverages)), np.zeros(n_coverages)),
            *(np.zeros(parts), np.zeros((parts, n_coverages))),
        )

    def deviations(self, spreads: Array) -> Array:
        """Return how far each spread is from the usual, relative to it; 0 where one of the two is unknown."""
        known = np.isfinite(spreads) & (self.spread > 0)
        usual = self.spread if self.spread > 0 else 1.0
        # Bounded before the division, which could overflow.
        bounded = np.minimum(np.maximum(spreads, _LEAST_SPREAD * usual), _MOST_SPREAD * usual)
        return np.where(known, bounded / usual - 1.0, 0.0)

    def spread_factors(self, deviations: Array) -> Array:
        return 1.0 + min(max(self.products / (self.squares + _SPREAD_PRIOR), 0.0), 1.0) * deviations

    def scales(self, factors: Array, shares: Array) -> Array:
        return self.size * (factors * np.exp(_mixed(shares, self.regime_sizes)))

    def thresholds(self, shares: Array, starts: Array) -> Array:
        """Return log q of each coverage, (n_samples, n_coverages)."""
        return starts + (self.shifts[-1] + _mixed(shares, self.shifts[:-1]))

    def log_widths(self, thresholds: Array) -> tuple[Array, Array]:
        """Return the logarithms of both sides in units of the scale, (n_samples, n_coverages), never decreasing."""
        # Neighbouring coverages may cross for some rows; an interval holds those of all smaller coverages.
        return (
            np.maximum.accumulate(thresholds + self.leans, axis=1),
            np.maximum.accumulate(thresholds - self.leans, axis=1),
        )

    def learn(
        self,
        residual: float,
        spreads: Array,
        shares: Array,
        weight: float,
        half_life: float,
        alphas: Array,
        starts: Array,
    ) -> None:
        """Add one row: judge its interval, then let the scale know."""
        deviations = self.deviations(spreads)
        factors = self.spread_factors(deviations)
        scale = float(self.scales(factors, shares)[0])
        if self.size_weight:
            self._judge(residual, scale, shares, weight, alphas, starts)
        size, fade = abs(residual), 2.0 ** (-weight / half_life)
        if scale > 0.0:
            score = min(size, _LIMIT * scale) / scale
            self._learn_spread(score * float(factors[0]), float(deviations[0]), weight, half_life)
            self._learn_regimes(score, shares[0], weight)
            size = score * self.size
        self.size_weight = self.size_weight * fade + weight
        self.size += weight / self.size_weight * (size - self.size)
        if np.isfinite(spreads[0]):
            self.spread_weight = self.spread_weight * fade + weight
            self.spread += weight / self.spread_weight * (float(spreads[0]) - self.spread)

    def _judge(self, residual: float, scale: float, shares: Array, weight: float, alphas: Array, starts: Array) -> None:
        """Hold the intervals of a row against its outcome, count, and move the thresholds."""
        thresholds = self.thresholds(shares, starts)
        with np.errstate(over="ignore"):
            above, below = (scale * np.exp(side[0]) for side in self.log_widths(thresholds))
        too_high, too_low = residual > above, -residual > below
        missed = too_high | too_low
        counts = np.append(shares[0], 1.0)
        self.rows += counts
        self.covered += counts[:, None] * ~missed
        # Without any error so far there is no unit that a threshold could be measured in.
        if scale <= 0.0:
            return
        self.clocks += weight * counts
        steps = np.minimum(weight * counts * _steps(self.clocks, _LEAST_STEP), 1.0)
        moves, shifts = missed - alphas, thresholds[0] - starts
        moves[((shifts >= _MOST_SHIFT) & (moves > 0)) | ((shifts <= _LEAST_SHIFT) & (moves < 0))] = 0.0
        self.shifts[-1] += steps[-1] * moves
        self.shifts[:-1] += _REGIME_SHARE * steps[:-1, None] * moves
        leans = self.leans + _LEAN_SHARE * steps[-1] * (1.0 * too_high - 1.0 * too_low)
        self.leans = np.minimum(np.maximum(leans, -_MOST_LEAN), _MOST_LEAN)

    def _learn_spread(self, score: float, deviation: float, weight: float, half_life: float) -> None:
        fade = 2.0 ** (-weight / (_SPREAD_MEMORY * half_life))
        self.products = self.products * fade + weight * (min(score, _LIMIT) - 1.0) * deviation
        self.squares = self.squares * fade + weight * deviation**2

    def _learn_regimes(self, score: float, shares: Array, weight: float) -> None:
        steps = weight * shares * _steps(self.clocks[:-1], _LEAST_SIZE_STEP)
        sizes = self.regime_sizes + np.minimum(np.maximum(steps * (score - 1.0), -1.0), 1.0)
        # What all regimes have in common is left to the size of all: an unseen regime starts from there.
        seen = self.clocks[:-1]
        common = float((seen * sizes).sum()) / max(float(seen.sum()), 1.0)
        sizes = np.where(seen > 0, sizes - common, 0.0)
        self.regime_sizes = np.minimum(np.maximum(sizes, -_MOST_REGIME_SIZE), _MOST_REGIME_SIZE)

    def reindexed(self, positions: npt.NDArray[np.intp]) -> _Record:
        n_known = len(self.regime_sizes)
        parts = np.append(positions, n_known)
        new = parts < 0
        later = copy.deepcopy(self)
        later.regime_sizes = np.where(new[:-1], 0.0, np.append(self.regime_sizes, 0.0)[positions])
        later.clocks, later.rows = (np.where(new, 0.0, part[parts]) for part in (self.clocks, self.rows))
        later.shifts, later.covered = (np.where(new[:, None], 0.0, part[parts]) for part in (self.shifts, self.covered))
        return later


def _normal_thresholds(coverages: Sequence[float]) -> Array:
    """Return log q of normal residuals in units of their mean size."""
    return _normal_places(coverages) + 0.5 * math.log(math.pi / 2.0)


def _normal_places(coverages: float | Sequence[float]) -> Array:
    # Φ⁻¹((1 + coverage)/2), exact for the smallest coverages too.
    return np.log(math.sqrt(2.0) * special.erfinv(np.asarray(coverages, dtype=float)))


def _at_coverage(log_widths: Array, coverages: Sequence[float], coverage: float) -> Array:
    """Read the widths of one coverage, (n_samples,), between those of the tracked ones."""
    place, places = float(_normal_places(coverage)), _normal_places(coverages)
    upper = int(np.searchsorted(coverages, coverage))
    if upper == 0:
        return log_widths[:, 0] + (place - float(places[0]))
    share = (place - float(places[upper - 1])) / float(places[upper] - places[upper - 1])
    return (1.0 - share) * log_widths[:, upper - 1] + share * log_widths[:, upper]


def _mixed(shares: Array, parts: Array) -> Array:
    """Add up the parts of all regimes by membership, one by one: a row must not depend on the rows beside it."""
    total = np.zeros((len(shares), *parts.shape[1:]))
    columns = shares.T.reshape(len(parts), -1, *(1,) * (parts.ndim - 1)) if len(parts) else ()
    for share, part in zip(columns, parts, strict=True):
        total += share * part
    return total


def _steps(clocks: Array, least: float) -> Array:
    return np.maximum(least, _FIRST_STEP / np.sqrt(np.maximum(clocks, 1.0)))


def _numbers(values: object, name: str) -> Array:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} of AdaptiveIntervals must be numbers; got {shown(values)}.") from error


def _column(values: npt.ArrayLike, name: str) -> Array:
    column = _numbers(values, name)
    if column.ndim != 1:
        raise ValueError(
            f"{name} of AdaptiveIntervals must be one number per row, a shape of (n_samples,); got {column.shape}."
        )
    return column


def _check_length(column: Array, name: str, n: int) -> None:
    if len(column) != n:
        raise ValueError(
            f"{name} of AdaptiveIntervals must have one entry for each of the {n} rows; got {len(column)}."
        )

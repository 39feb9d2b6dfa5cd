"""Intervals around a number: past residuals over a scale known before them, and a threshold for each coverage."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from skensemble._checks import check_number, shown
from skensemble.intervals._reading import (
    Array,
    Shares,
    present,
    read_column,
    read_memberships,
    read_stated,
    read_weights,
)
from skensemble.intervals._record import moved
from skensemble.intervals._thresholds import Asked, CoverageRecord, Thresholds, at_coverage, mixed, step_size
from skensemble.splits import answered_rows

__all__ = ["AdaptiveIntervals", "side_chances"]

# A threshold moves by no less than this times the standard deviation of a miss, √(α (1 − α)): the rarer misses are, the
# less one of them says. Half of it is narrower by a percent, but after an unannounced change too many outcomes in a row
# are missed.
_LEAST_STEP = 0.14
# The two sides part slowly: a wrong asymmetry costs width, a wrong width costs coverage.
_LEAN_SHARE, _LEAST_LEAN_STEP = 0.25, 0.03
_MOST_LEAN = 1.5
# How far log q may fall below the threshold of normal residuals: not for good, where residuals have been 0 for long.
_LEAST_SHIFT = -3.0
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


class AdaptiveIntervals(CoverageRecord):
    """What past residuals say about how far the next outcome may be from its prediction, per regime and pooled.

    Intuition: an interval of 90 % should be missed once in ten rows. After every miss the intervals become a little
    wider, after every hit a little narrower, nine times less; they settle where one row in ten is missed, without any
    assumption on the stream. Most of the way is gone by a scale: the size of recent residuals, larger where the regime
    is a wild one, and larger where the models disagree, as far as their disagreement has proved to tell anything.

    The rule: with e the residual of a row, x the models' spread in units of its running mean and m the memberships::

        s = S · (1 + b (x − 1)) · exp(Σ_g m_g c_g)                        the scale, known before the row
        low, high = ẑ − s q exp(−a),  ẑ + s q exp(a)                     the interval
        log q = θ_0 + Σ_g m_g θ_g                                         its threshold, one for each coverage

    where S is the running mean of ``|e| / (s/S)``, b in [0, 1] the slope of ``|e|`` on x (0 until the spread has
    proved useful), and c_g the logarithm of the size of residuals in regime g. After the outcome, with miss = 1 if it
    lies outside and 0 otherwise, and α = 1 − coverage::

        θ_0 += η_0 (miss − α),   θ_g += ½ m_g η_g (miss − α),   a += ¼ η_a (miss above − miss below)

    with steps η_0 and η_g of max(0.14 √(α (1 − α)), 0.6/√n) on the clock n of each part, and η_a = max(0.03, 0.6/√n).
    Coverage is thereby corrected for all rows and in every regime, and a rare or unseen regime leans on the pooled
    part. The lean a makes the interval asymmetric where residuals are: outcomes are missed as often above as below.
    Every error of coverage that persists is worked off by the thresholds, which is what makes the frequencies right in
    the long run even if nothing of the above model is.

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
    AdaptiveSets : The same for classes.
    AdaptiveConfidence : How likely the outcome has the sign of the prediction.

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
        super().__init__(n_regimes, coverages)
        check_number(half_life, "half_life", "AdaptiveIntervals", low=0, open_low=True)
        self.half_life = float(half_life)
        self._state = _State.empty(self.n_regimes, len(self.coverages))

    def updated(
        self,
        residuals: npt.ArrayLike,
        spreads: npt.ArrayLike,
        memberships: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        stated: npt.ArrayLike | None = None,
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
        stated : array-like of shape (n_samples, 2, n_coverages), default=None
            For outcomes that arrive late: what :meth:`stated` of the record then in force was for each row, so that it
            is judged as it was said. ``None`` (or NaN) is what this record says of it, with all rows before.

        Returns
        -------
        intervals : AdaptiveIntervals
            A new record; this one stays as it is.

        Raises
        ------
        ValueError
            If a shape does not fit, or spreads, memberships or weights are out of their range.
        """
        errors = read_column(residuals, "residuals", "AdaptiveIntervals")
        disagreements, shares = self._known_before(spreads, memberships, len(errors))
        weights = read_weights(sample_weight, "AdaptiveIntervals", len(errors))
        said = read_stated(stated, "AdaptiveIntervals", (len(errors), 2, len(self.coverages)))
        state = self._state.copied()
        asked = _asked(self.coverages)
        rows = zip(errors.tolist(), disagreements.tolist(), shares.tolist(), weights.tolist(), said, strict=True)
        for residual, spread, share, weight, sides in rows:
            if math.isfinite(residual) and weight > 0.0:
                side = None if sides is None else sides[residual > 0.0]
                state.learn(residual, spread, present(share), weight, self.half_life, asked, side)
        return self._with(state)

    def followed(
        self,
        residuals: npt.ArrayLike,
        spreads: npt.ArrayLike,
        memberships: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        known: npt.NDArray[np.intp] | None = None,
    ) -> tuple[AdaptiveIntervals, Array, Array]:
        """Return the record with more rows, and what would have been said of each with what was known before it.

        Parameters
        ----------
        residuals : array-like of shape (n_samples,)
            Outcome minus prediction, as :meth:`updated` takes it.
        spreads : array-like of shape (n_samples,)
            How far the models disagreed.
        memberships : array-like of shape (n_samples, n_regimes)
            Share of each regime in each row.
        sample_weight : array-like of shape (n_samples,), default=None
            What each step is multiplied by; 1 if None.
        known : ndarray of shape (n_samples,), default=None
            How many of these rows had an outcome when each row was predicted, never falling and at most the row's own
            number; ``None`` is all rows before, and then the record is that of :meth:`updated`, to the bit.

        Returns
        -------
        intervals : AdaptiveIntervals
            A new record; this one stays as it is.
        stated : ndarray of shape (n_samples, 2, n_coverages)
            :meth:`stated` of each row, and what it was judged by.
        scale : ndarray of shape (n_samples,)
            :meth:`scale` of each row.

        Raises
        ------
        ValueError
            If a shape does not fit, or spreads, memberships or weights are out of their range.

        Examples
        --------
        The outcome of a row is known two rows later: the second is said as the first was, without knowing anything.

        >>> _, _, scale = AdaptiveIntervals(0).followed([2, -4, 1], [1, 1, 1], [[], [], []], known=np.array([0, 0, 1]))
        >>> scale
        array([nan, nan,  2.])
        """
        errors = read_column(residuals, "residuals", "AdaptiveIntervals")
        disagreements, memberships = self._known_before(spreads, memberships, len(errors))
        weights = read_weights(sample_weight, "AdaptiveIntervals", len(errors))
        state, asked = self._state.copied(), _asked(self.coverages)
        shares = [present(share) for share in memberships.tolist()]
        spread_of = disagreements.tolist()
        stated, scale = np.empty((len(errors), 2, len(self.coverages))), np.empty(len(errors))
        rows = zip(errors.tolist(), weights.tolist(), answered_rows(len(errors), known), strict=True)
        for row, (residual, weight, answered) in enumerate(rows):
            for other in range(answered.start, answered.stop):
                scale[other], stated[other] = state.said(spread_of[other], shares[other], asked)
            if math.isfinite(residual) and weight > 0.0:
                side = stated[row, int(residual > 0.0)].tolist()
                state.learn(residual, spread_of[row], shares[row], weight, self.half_life, asked, side)
        return self._with(state), stated, scale

    def stated(self, spreads: npt.ArrayLike, memberships: npt.ArrayLike) -> Array:
        """Return how far from the prediction the intervals of all tracked coverages reach.

        Parameters
        ----------
        spreads : array-like of shape (n_samples,)
            How far the models disagree, at least 0; NaN where it is unknown.
        memberships : array-like of shape (n_samples, n_regimes)
            Share of each regime in each row; all zero where the regime is unknown, then the pooled part answers.

        Returns
        -------
        stated : ndarray of shape (n_samples, 2, n_coverages)
            Distances below (first) and above; inf as long as nothing has been learned.

        Raises
        ------
        ValueError
            If a shape does not fit, or spreads or memberships are out of their range.

        Examples
        --------
        Normal residuals of mean size 7.98 are below 6.74 in half of the rows and below 12.8 in four of five.

        >>> intervals = AdaptiveIntervals(0, coverages=[0.5, 0.8]).updated([7.98], [1], [[]])
        >>> intervals.stated([1], [[]]).round(2)
        array([[[ 6.75, 12.82],
                [ 6.75, 12.82]]])
        """
        disagreements = read_column(spreads, "spreads", "AdaptiveIntervals")
        disagreements, shares = self._known_before(disagreements, memberships, len(disagreements))
        if not self._state.size_weight:
            return np.full((len(disagreements), 2, len(self.coverages)), np.inf)
        with np.errstate(over="ignore"):
            widths = np.exp(self._state.log_widths(shares, _normal_thresholds(self.coverages)))
            return np.asarray(self._scales(disagreements, shares)[:, None, None] * widths)

    def scale(self, spreads: npt.ArrayLike, memberships: npt.ArrayLike) -> Array:
        """Return the size that a residual is expected to have on each row, the s of the formula above.

        Parameters
        ----------
        spreads : array-like of shape (n_samples,)
            How far the models disagree, at least 0; NaN where it is unknown.
        memberships : array-like of shape (n_samples, n_regimes)
            Share of each regime in each row; all zero where the regime is unknown, then the pooled part answers.

        Returns
        -------
        scale : ndarray of shape (n_samples,)
            The mean size of a residual to be expected, in units of the target; NaN as long as nothing has been learned.

        Raises
        ------
        ValueError
            If a shape does not fit, or spreads or memberships are out of their range.

        Examples
        --------
        Residuals of 2 and 4, whose mean is 3; the later one counts a little more.

        >>> intervals = AdaptiveIntervals(n_regimes=0).updated([2, -4], [1, 1], [[], []])
        >>> intervals.scale([1], [[]]).round(2)
        array([3.01])
        """
        disagreements = read_column(spreads, "spreads", "AdaptiveIntervals")
        return self._scales(*self._known_before(disagreements, memberships, len(disagreements)))

    def sides(self, combined: npt.ArrayLike, spreads: npt.ArrayLike, memberships: npt.ArrayLike) -> Array:
        """Return how likely the outcome has the sign of the prediction, if residuals were normal and as large as scale.

        With s the scale of the row it is ``Φ(|ẑ| / (s √(π/2)))``. Nobody has checked it against outcomes: where
        residuals are not normal, or predictions are too large, it is wrong. `AdaptiveConfidence` turns it into what
        can be believed.

        Parameters
        ----------
        combined : array-like of shape (n_samples,)
            The predictions, NaN where there is none.
        spreads : array-like of shape (n_samples,)
            How far the models disagree, at least 0; NaN where it is unknown.
        memberships : array-like of shape (n_samples, n_regimes)
            Share of each regime in each row; all zero where the regime is unknown, then the pooled part answers.

        Returns
        -------
        sides : ndarray of shape (n_samples,)
            From 0.5 to 1; 0.5 where the prediction is 0 or missing and as long as nothing has been learned.

        Raises
        ------
        ValueError
            If a shape does not fit, or spreads or memberships are out of their range.

        See Also
        --------
        AdaptiveConfidence : The same, held against what came true.

        Examples
        --------
        The mean size of normal residuals of standard deviation 10 is 7.98, and 84 % of them are above −10.

        >>> intervals = AdaptiveIntervals(n_regimes=0).updated([7.98], [1], [[]])
        >>> intervals.sides([0, 10, -10], [1, 1, 1], [[], [], []]).round(2)
        array([0.5 , 0.84, 0.84])
        """
        centres = read_column(combined, "combined", "AdaptiveIntervals")
        return side_chances(centres, self._scales(*self._known_before(spreads, memberships, len(centres))))

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
        self._check_coverage(coverage)
        centres = read_column(combined, "combined", "AdaptiveIntervals")
        disagreements, shares = self._known_before(spreads, memberships, len(centres))
        if not self._state.size_weight:
            known = np.where(np.isnan(centres), np.nan, np.inf)
            return -known, known
        scales = self._scales(disagreements, shares)
        log_widths = self._state.log_widths(shares, _normal_thresholds(self.coverages))
        with np.errstate(over="ignore"):
            widths = np.exp(at_coverage(log_widths, _normal_places, self.coverages, float(coverage)))
            return centres - scales * widths[:, 0], centres + scales * widths[:, 1]

    def _known_before(self, spreads: npt.ArrayLike, memberships: npt.ArrayLike, n: int) -> tuple[Array, Array]:
        disagreements = read_column(spreads, "spreads", "AdaptiveIntervals", n)
        if (disagreements < 0).any():
            raise ValueError(
                f"spreads of AdaptiveIntervals must not be negative; got {shown(disagreements.tolist())}. "
                "Pass a distance, such as the standard deviation of the models' predictions."
            )
        return disagreements, read_memberships(memberships, "AdaptiveIntervals", n, self.n_regimes)

    def _scales(self, spreads: Array, shares: Array) -> Array:
        state: _State = self._state
        return state.scales(spreads, shares) if state.size_weight else np.full(len(spreads), np.nan)

    def _options(self) -> dict[str, Any]:
        return {"coverages": self.coverages, "half_life": self.half_life}


@dataclasses.dataclass
class _State:
    """All that an ``AdaptiveIntervals`` remembers, while rows are added to it.

    Rows are learned from one by one in plain numbers, several times as fast as in arrays of a few entries; only the
    exponential is numpy's in both ways of reading, so that a row is judged by the very interval that was shown.
    """

    # The running mean of residuals in units of the rest of the scale, and what it rests on.
    size: float
    size_weight: float
    # The running mean of the spread, and the regression of residuals on the spread's deviation from it.
    spread: float
    spread_weight: float
    products: float
    squares: float
    # n_regimes: how much larger than usual residuals are in each regime, in logarithms.
    regime_sizes: list[float]
    # n_coverages: above against below.
    leans: list[float]
    # Away from the thresholds of normal residuals.
    thresholds: Thresholds

    @classmethod
    def empty(cls, n_regimes: int, n_coverages: int) -> _State:
        thresholds = Thresholds.empty(n_regimes, n_coverages)
        return cls(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, [0.0] * n_regimes, [0.0] * n_coverages, thresholds)

    def copied(self) -> _State:
        return dataclasses.replace(
            self,
            regime_sizes=self.regime_sizes[:],
            leans=self.leans[:],
            thresholds=self.thresholds.copied(),
        )

    def reindexed(self, positions: list[int]) -> _State:
        return dataclasses.replace(
            self,
            regime_sizes=moved(self.regime_sizes, positions, 0.0),
            leans=self.leans[:],
            thresholds=self.thresholds.reindexed(positions),
        )

    # Many rows at once.

    def scales(self, spreads: Array, shares: Array) -> Array:
        known = np.isfinite(spreads) & (self.spread > 0)
        usual = self.spread if self.spread > 0 else 1.0
        # Bounded before the division, which could overflow.
        bounded = np.minimum(np.maximum(spreads, _LEAST_SPREAD * usual), _MOST_SPREAD * usual)
        factors = 1.0 + self._slope() * np.where(known, bounded / usual - 1.0, 0.0)
        return np.asarray(self.size * (factors * np.exp(mixed(shares, np.array(self.regime_sizes)))))

    def log_widths(self, shares: Array, starts: Array) -> Array:
        """Return the logarithms of both sides in units of the scale, (n_samples, 2, n_coverages), never decreasing."""
        thresholds, leans = starts + self.thresholds.of_rows(shares), np.array(self.leans)
        # Neighbouring coverages may cross for some rows; an interval holds those of all smaller coverages.
        return np.asarray(np.maximum.accumulate(np.stack([thresholds - leans, thresholds + leans], axis=1), axis=2))

    # One row after the other.

    def learn(
        self,
        residual: float,
        spread: float,
        shares: Shares,
        weight: float,
        half_life: float,
        asked: Asked,
        side: list[float] | None,
    ) -> None:
        """Add one row: judge its interval (``side`` as it was said, if that was earlier), then let the scale know."""
        deviation = self._deviation(spread)
        factor = 1.0 + self._slope() * deviation
        scale = self.size * (factor * self._regime_factor(shares))
        if self.size_weight:
            side = side or self._side(1.0 if residual > 0.0 else -1.0, scale, shares, asked)
            self._judge(residual, scale, shares, weight, asked, side)
        size, fade = abs(residual), 2.0 ** (-weight / half_life)
        if scale > 0.0:
            score = min(size, _LIMIT * scale) / scale
            self._learn_spread(score * factor, deviation, weight, half_life)
            self._learn_regimes(score, shares, weight)
            size = score * self.size
        self.size_weight = self.size_weight * fade + weight
        self.size += weight / self.size_weight * (size - self.size)
        if math.isfinite(spread):
            self.spread_weight = self.spread_weight * fade + weight
            self.spread += weight / self.spread_weight * (spread - self.spread)

    def said(self, spread: float, shares: Shares, asked: Asked) -> tuple[float, list[list[float]]]:
        """Return the scale of a row, and how far its intervals reach below and above; NaN and inf if nobody knows."""
        if not self.size_weight:
            return math.nan, [[math.inf] * len(asked.starts)] * 2
        factor = 1.0 + self._slope() * self._deviation(spread)
        scale = self.size * (factor * self._regime_factor(shares))
        return scale, [self._side(lean, scale, shares, asked) for lean in (-1.0, 1.0)]

    def _deviation(self, spread: float) -> float:
        """Return how far the spread is from the usual, relative to it; 0 where one of the two is unknown."""
        if not (math.isfinite(spread) and self.spread > 0.0):
            return 0.0
        return min(max(spread, _LEAST_SPREAD * self.spread), _MOST_SPREAD * self.spread) / self.spread - 1.0

    def _slope(self) -> float:
        return min(max(self.products / (self.squares + _SPREAD_PRIOR), 0.0), 1.0)

    def _regime_factor(self, shares: Shares) -> float:
        total = 0.0
        for regime, share in shares:
            total += share * self.regime_sizes[regime]
        return float(np.exp(total))

    def _side(self, lean: float, scale: float, shares: Shares, asked: Asked) -> list[float]:
        """Return how far the intervals of a row reach below (``lean`` of -1) or above (1)."""
        thresholds = zip(asked.starts, self.thresholds.of_row(shares), self.leans, strict=True)
        log_widths = accumulate((start + shift + lean * by for start, shift, by in thresholds), max)
        return [scale * width for width in np.exp(np.fromiter(log_widths, dtype=float)).tolist()]

    def _judge(
        self, residual: float, scale: float, shares: Shares, weight: float, asked: Asked, side: list[float]
    ) -> None:
        """Hold the intervals of a row against its outcome, count, and move the thresholds."""
        # Where nothing was known when the row was said, everything was possible, and there is nothing to judge.
        if math.isinf(side[-1]) and math.isfinite(scale):
            return
        missed = [abs(residual) > width for width in side]
        self.thresholds.count(missed, shares)
        # Without any error so far there is no unit that a threshold could be measured in.
        if scale <= 0.0:
            return
        self.thresholds.move(missed, asked, shares, weight, _LEAST_SHIFT)
        step = step_size(weight, self.thresholds.clocks[-1], _LEAST_LEAN_STEP)
        by = math.copysign(_LEAN_SHARE * step, residual)
        self.leans = [
            min(max(lean + by * miss, -_MOST_LEAN), _MOST_LEAN) for lean, miss in zip(self.leans, missed, strict=True)
        ]

    def _learn_spread(self, score: float, deviation: float, weight: float, half_life: float) -> None:
        fade = 2.0 ** (-weight / (_SPREAD_MEMORY * half_life))
        self.products = self.products * fade + weight * (min(score, _LIMIT) - 1.0) * deviation
        self.squares = self.squares * fade + weight * deviation**2

    def _learn_regimes(self, score: float, shares: Shares, weight: float) -> None:
        clocks = self.thresholds.clocks
        for regime, share in shares:
            step = step_size(weight * share, clocks[regime], _LEAST_SIZE_STEP)
            self.regime_sizes[regime] += min(max(step * (score - 1.0), -1.0), 1.0)
        # What all regimes have in common is left to the size of all: an unseen regime starts from there.
        total = seen = 0.0
        for clock, size in zip(clocks, self.regime_sizes, strict=False):
            total += clock * size
            seen += clock
        common = total / max(seen, 1.0)
        self.regime_sizes = [
            min(max(size - common, -_MOST_REGIME_SIZE), _MOST_REGIME_SIZE) if clock > 0.0 else 0.0
            for clock, size in zip(clocks, self.regime_sizes, strict=False)
        ]


def side_chances(combined: Array, scales: Array) -> Array:
    """Return how likely outcomes have the sign of the prediction, if residuals are normal and as large as their scale.

    Parameters
    ----------
    combined : ndarray of shape (n_samples,)
        The predictions, NaN where there is none.
    scales : ndarray of shape (n_samples,)
        Mean size that a residual is expected to have, NaN where it is unknown.

    Returns
    -------
    ndarray of shape (n_samples,)
        From 0.5 to 1, see `AdaptiveIntervals.sides`.

    Examples
    --------
    >>> import numpy as np
    >>> side_chances(np.array([0.0, -10.0, 10.0]), np.array([7.98, 7.98, np.nan])).round(2)
    array([0.5 , 0.84, 0.5 ])
    """
    sizes = np.abs(combined)
    with np.errstate(divide="ignore", over="ignore"):
        # Where nothing is predicted no side is taken, however small the scale.
        distances = np.divide(sizes, scales * math.sqrt(math.pi / 2.0), out=np.zeros(len(sizes)), where=sizes > 0)
    return np.where(np.isnan(distances), 0.5, special.ndtr(distances))


def _asked(coverages: Sequence[float]) -> Asked:
    alphas = [1.0 - coverage for coverage in coverages]
    steps = [_LEAST_STEP * math.sqrt(alpha * (1.0 - alpha)) for alpha in alphas]
    return Asked(alphas, steps, _normal_thresholds(coverages).tolist())


def _normal_thresholds(coverages: Sequence[float]) -> Array:
    """Return log q of normal residuals in units of their mean size."""
    return _normal_places(coverages) + 0.5 * math.log(math.pi / 2.0)


def _normal_places(coverages: float | Sequence[float]) -> Array:
    # Φ⁻¹((1 + coverage)/2), exact for the smallest coverages too.
    return np.log(math.sqrt(2.0) * special.erfinv(np.asarray(coverages, dtype=float)))

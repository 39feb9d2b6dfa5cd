"""Sets of classes: how far the likeliest class was ahead of the true one, and a threshold for each coverage."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt

from skensemble.intervals._reading import (
    Array,
    Shares,
    present,
    read_classes,
    read_memberships,
    read_numbers,
    read_probabilities,
    read_stated,
    read_weights,
)
from skensemble.intervals._thresholds import Asked, CoverageRecord, Thresholds, at_coverage
from skensemble.splits import answered_rows

__all__ = ["AdaptiveSets", "within_margins"]

# Probabilities below this are as good as this: a class that was said to be impossible and came true is one miss.
_FLOOR = 1e-6
# Rows after which a margin counts half in the unit. The unit need not be quick: thresholds follow what it leaves.
_HALF_LIFE = 100.0
# A threshold moves by no less than this. Sets are as large with half of it, and more rows in a row are missed.
_LEAST_STEP = 0.07
# How far log q may fall. Where the likeliest class is right more often than asked, thresholds fall without end although
# no set can become smaller; when it is right less often again, they must not have far to come back.
_LEAST_SHIFT = -2.5


class AdaptiveSets(CoverageRecord):
    """What past outcomes say about which classes beside the likeliest one may come true, per regime and pooled.

    Intuition: the likeliest class is always in the set, and beside it every class that is not much less likely. How
    much less is learned: after every outcome that was not in its set the sets become a little larger, after every other
    one a little smaller, so that outcomes are missed as often as they should be, whether or not the probabilities are
    those of the world.

    The rule: with p the probabilities of a row, its margins are x_c = log(max p / p_c), 0 for the likeliest class. With
    m the memberships::

        set = {c : x_c ≤ U q}
        log q = log log(1/α) + θ_0 + Σ_g m_g θ_g                          the threshold, one for each coverage

    where α = 1 − coverage and U is the running mean of the margin that the true class is expected to have when it is
    not the likeliest, Σ_c p_c x_c / Σ_c p_c over the other classes (the start is right where such margins are
    exponential). The thresholds move as those of `AdaptiveIntervals`, with steps of at least 0.07: after a miss
    up, after a hit down, in all rows and in the regimes of the row. Only ratios of probabilities count: sets are the
    same for probabilities that are twice as sharp throughout.

    A set is never empty, and that has its price in one place: where (in a regime, or for a while) the likeliest class
    alone is right more often than was asked, the set is that class, now and then one more, and is covered as often as
    the class is right or a little more, which is above what was asked. Nothing else keeps coverage above, and nothing
    keeps it below for long: thresholds stop falling where little is left of the sets to take away, so that they are
    soon back when the classifier gets worse. (Classes that are exactly as likely as the likeliest count as likeliest.)

    A record never changes: :meth:`updated` returns a new one, of the same size however many rows it has seen.

    Parameters
    ----------
    n_regimes : int
        Number of regimes; 0 for none, then there is the pooled part alone.
    coverages : sequence of float, default=(0.5, 0.8, 0.9, 0.95)
        The coverages that are tracked, increasing, in (0, 1). Between two of them sets are interpolated; above the
        largest there are none, since nothing would keep them honest.

    See Also
    --------
    AdaptiveIntervals : The same for numbers.
    AdaptiveConfidence : How likely the likeliest class is right.

    References
    ----------
    M. Sadinle, J. Lei and L. Wasserman, "Least ambiguous set-valued classifiers with bounded error levels", Journal of
    the American Statistical Association, 2019.

    I. Gibbs and E. Candès, "Adaptive conformal inference under distribution shift", Advances in Neural Information
    Processing Systems (NeurIPS), 2021.

    A. N. Angelopoulos, E. Candès and R. J. Tibshirani, "Conformal PID control for time series prediction", Advances in
    Neural Information Processing Systems (NeurIPS), 2023.

    Examples
    --------
    Nothing is known, so every class may come true; then a model that says 60 : 40 or 90 : 10 and is right as often.

    >>> import numpy as np
    >>> sets = AdaptiveSets(n_regimes=0)
    >>> sets.sets([[0.9, 0.1]], [[]], coverage=0.8)
    array([[ True,  True]])
    >>> rng = np.random.default_rng(0)
    >>> sure = rng.choice([0.6, 0.9], size=1000)
    >>> right = rng.random(1000) < sure
    >>> later = sets.updated(np.column_stack([sure, 1 - sure]), np.column_stack([right, ~right]), np.empty((1000, 0)))
    >>> later.sets([[0.9, 0.1], [0.6, 0.4]], [[], []], coverage=0.9)
    array([[ True, False],
           [ True,  True]])
    """

    def __init__(self, n_regimes: int, *, coverages: Sequence[float] = (0.5, 0.8, 0.9, 0.95)) -> None:
        super().__init__(n_regimes, coverages)
        self._state = _State(0.0, 0.0, Thresholds.empty(self.n_regimes, len(self.coverages)))

    def updated(
        self,
        probabilities: npt.ArrayLike,
        targets: npt.ArrayLike,
        memberships: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        stated: npt.ArrayLike | None = None,
    ) -> AdaptiveSets:
        """Return the record with more rows, in time order; n rows at once equal n calls of one row, to the bit.

        Parameters
        ----------
        probabilities : array-like of shape (n_samples, n_classes)
            How likely each class was said to be. A row that is NaN changes nothing.
        targets : array-like of shape (n_samples, n_classes)
            1 for the class that came true, 0 for the others. A row without any (or NaN) changes nothing.
        memberships : array-like of shape (n_samples, n_regimes)
            Share of each regime in each row, in [0, 1] with a sum of at most 1; all zero where the regime is unknown,
            then only the pooled part moves.
        sample_weight : array-like of shape (n_samples,), default=None
            What each step is multiplied by; 1 if None. A row of weight 0 is a row left out, and no weight, however
            large, moves a threshold by more than a factor of e.
        stated : array-like of shape (n_samples, n_coverages), default=None
            For outcomes that arrive late: what :meth:`stated` of the record then in force was for each row, so that it
            is judged as it was said. ``None`` (or NaN) is what this record says of it, with all rows before.

        Returns
        -------
        sets : AdaptiveSets
            A new record; this one stays as it is.

        Raises
        ------
        ValueError
            If a shape does not fit, or probabilities, targets, memberships or weights are out of their range.
        """
        margins, expected, shares, weights = self._read(probabilities, targets, memberships, sample_weight)
        said = read_stated(stated, "AdaptiveSets", (len(margins), len(self.coverages)))
        state, asked = self._state.copied(), _asked(self.coverages)
        for margin, typical, share, weight, limits in zip(margins, expected, shares, weights, said, strict=True):
            if not math.isnan(margin) and weight > 0.0:
                state.learn(margin, typical, share, weight, asked, limits)
        return self._with(state)

    def followed(
        self,
        probabilities: npt.ArrayLike,
        targets: npt.ArrayLike,
        memberships: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        known: npt.NDArray[np.intp] | None = None,
    ) -> tuple[AdaptiveSets, Array]:
        """Return the record with more rows, and what would have been said of each with what was known before it.

        Parameters
        ----------
        probabilities : array-like of shape (n_samples, n_classes)
            How likely each class was said to be, as :meth:`updated` takes it.
        targets : array-like of shape (n_samples, n_classes)
            1 for the class that came true, 0 for the others.
        memberships : array-like of shape (n_samples, n_regimes)
            Share of each regime in each row.
        sample_weight : array-like of shape (n_samples,), default=None
            What each step is multiplied by; 1 if None.
        known : ndarray of shape (n_samples,), default=None
            How many of these rows had an outcome when each row was predicted, never falling and at most the row's own
            number; ``None`` is all rows before, and then the record is that of :meth:`updated`, to the bit.

        Returns
        -------
        sets : AdaptiveSets
            A new record; this one stays as it is.
        stated : ndarray of shape (n_samples, n_coverages)
            :meth:`stated` of each row, and what it was judged by.

        Raises
        ------
        ValueError
            If a shape does not fit, or probabilities, targets, memberships or weights are out of their range.

        Examples
        --------
        >>> said, came = [[0.8, 0.2], [0.8, 0.2]], [[0, 1], [1, 0]]
        >>> AdaptiveSets(0, coverages=[0.8]).followed(said, came, [[], []])[1].round(2)
        array([[ inf],
               [2.23]])
        """
        margins, expected, shares, weights = self._read(probabilities, targets, memberships, sample_weight)
        state, asked = self._state.copied(), _asked(self.coverages)
        stated = np.empty((len(margins), len(self.coverages)))
        rows = zip(margins, expected, weights, answered_rows(len(margins), known), strict=True)
        for row, (margin, typical, weight, answered) in enumerate(rows):
            for other in range(answered.start, answered.stop):
                stated[other] = state.limits(shares[other], asked)
            if not math.isnan(margin) and weight > 0.0:
                state.learn(margin, typical, shares[row], weight, asked, stated[row].tolist())
        return self._with(state), stated

    def stated(self, memberships: npt.ArrayLike) -> Array:
        """Return up to which margin classes are in the sets of all tracked coverages.

        Parameters
        ----------
        memberships : array-like of shape (n_samples, n_regimes)
            Share of each regime in each row; all zero where the regime is unknown, then the pooled part answers.

        Returns
        -------
        stated : ndarray of shape (n_samples, n_coverages)
            The most that log(max p / p_c) of a class in the set may be; inf as long as nothing has been learned.

        Raises
        ------
        ValueError
            If the shape does not fit, or memberships are out of their range.

        Examples
        --------
        Half as likely is the only margin so far; exponential margins of that mean are below log 5 times it in 80 %.

        >>> sets = AdaptiveSets(0, coverages=[0.8]).updated([[2 / 3, 1 / 3]], [[0, 1]], [[]])
        >>> sets.stated([[]]).round(2)
        array([[1.12]])
        """
        n = len(read_numbers(memberships, "memberships", "AdaptiveSets"))
        shares = read_memberships(memberships, "AdaptiveSets", n, self.n_regimes)
        if not self._state.unit_weight:
            return np.full((n, len(self.coverages)), np.inf)
        return np.asarray(self._state.unit * np.exp(self._log_widths(shares)))

    def sets(self, probabilities: npt.ArrayLike, memberships: npt.ArrayLike, coverage: float) -> npt.NDArray[np.bool_]:
        """Return the classes of each row that should hold its outcome with the given frequency.

        Between two tracked coverages log q is a straight line in log log(1/α); below the smallest it goes on as it
        would for exponential margins. A larger coverage never gives a smaller set.

        Parameters
        ----------
        probabilities : array-like of shape (n_samples, n_classes)
            How likely each class is said to be; NaN where nothing is said, then every class may come true.
        memberships : array-like of shape (n_samples, n_regimes)
            Share of each regime in each row; all zero where the regime is unknown, then the pooled part answers.
        coverage : float
            From above 0 to the largest of ``coverages``.

        Returns
        -------
        sets : ndarray of bool of shape (n_samples, n_classes)
            True for the classes in the set; always for the likeliest, and for all as long as nothing has been learned.

        Raises
        ------
        ValueError
            If a shape does not fit, probabilities or memberships are out of their range, or the coverage is not
            tracked.
        """
        self._check_coverage(coverage)
        said = read_probabilities(probabilities, "AdaptiveSets")
        shares = read_memberships(memberships, "AdaptiveSets", len(said), self.n_regimes)
        if not self._state.unit_weight:
            return np.ones(said.shape, dtype=bool)
        log_width = at_coverage(self._log_widths(shares), _starts, self.coverages, float(coverage))
        return within_margins(said, self._state.unit * np.exp(log_width))

    def _read(
        self,
        probabilities: npt.ArrayLike,
        targets: npt.ArrayLike,
        memberships: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None,
    ) -> tuple[list[float], list[float], list[Shares], list[float]]:
        """Margins of what came true and what was to be expected of them, shares and weights, row by row."""
        margins, expected = _margins(read_probabilities(probabilities, "AdaptiveSets"))
        came = read_classes(targets, "AdaptiveSets", margins.shape)
        shares = read_memberships(memberships, "AdaptiveSets", len(margins), self.n_regimes)
        weights = read_weights(sample_weight, "AdaptiveSets", len(margins))
        behind = np.where(came >= 0, margins[np.arange(len(came)), came], np.nan)
        return behind.tolist(), expected.tolist(), [present(share) for share in shares.tolist()], weights.tolist()

    def _log_widths(self, shares: Array) -> Array:
        # Neighbouring coverages may cross for some rows; a set holds those of all smaller coverages.
        widths = _starts(self.coverages) + self._thresholds().of_rows(shares)
        return np.asarray(np.maximum.accumulate(widths, axis=1))

    def _options(self) -> dict[str, Any]:
        return {"coverages": self.coverages}


@dataclasses.dataclass
class _State:
    """All that an ``AdaptiveSets`` remembers, while rows are added to it."""

    # The running mean of the margin to be expected of a true class that is not the likeliest, and what it rests on.
    unit: float
    unit_weight: float
    # Away from those of exponential margins.
    thresholds: Thresholds

    def copied(self) -> _State:
        return _State(self.unit, self.unit_weight, self.thresholds.copied())

    def reindexed(self, positions: list[int]) -> _State:
        return _State(self.unit, self.unit_weight, self.thresholds.reindexed(positions))

    def learn(
        self, margin: float, typical: float, shares: Shares, weight: float, asked: Asked, limits: list[float] | None
    ) -> None:
        """Add one row: judge its sets (``limits`` as they were said, if that was earlier), then let the unit know."""
        limits = limits or self.limits(shares, asked)
        # Where nothing was known when the row was said, every class was in the set, and there is nothing to judge.
        if not math.isinf(limits[-1]):
            missed = [margin > limit for limit in limits]
            self.thresholds.count(missed, shares)
            # Without any margin so far there is no unit that a threshold could be measured in.
            if self.unit > 0.0:
                self.thresholds.move(missed, asked, shares, weight, _LEAST_SHIFT)
        self.unit_weight = self.unit_weight * 2.0 ** (-weight / _HALF_LIFE) + weight
        self.unit += weight / self.unit_weight * (typical - self.unit)

    def limits(self, shares: Shares, asked: Asked) -> list[float]:
        """Return the margins up to which classes are in the sets of a row."""
        if not self.unit_weight:
            return [math.inf] * len(asked.starts)
        shifts = self.thresholds.of_row(shares)
        widths = accumulate((start + shift for start, shift in zip(asked.starts, shifts, strict=True)), max)
        return [self.unit * width for width in np.exp(np.fromiter(widths, dtype=float)).tolist()]


def within_margins(probabilities: Array, limits: Array) -> npt.NDArray[np.bool_]:
    """Return which classes are not much less likely than the likeliest.

    Parameters
    ----------
    probabilities : ndarray of shape (n_samples, n_classes)
        How likely each class is said to be; NaN where nothing is said, then every class is possible.
    limits : ndarray of shape (n_samples,)
        The most that log(max p / p_c) may be.

    Returns
    -------
    ndarray of bool of shape (n_samples, n_classes)
        Always True for the likeliest class.

    Examples
    --------
    >>> within_margins(np.array([[0.6, 0.3, 0.1]]), np.array([1.0]))
    array([[ True,  True, False]])
    """
    return np.asarray(~(_margins(probabilities)[0] > limits[:, None]))


def _asked(coverages: Sequence[float]) -> Asked:
    alphas = [1.0 - coverage for coverage in coverages]
    return Asked(alphas, [_LEAST_STEP] * len(alphas), _starts(coverages).tolist())


def _margins(probabilities: Array) -> tuple[Array, Array]:
    """Return log(max p / p_c), and its mean over the classes that are not the likeliest; row by row, class by class."""
    bounded = np.clip(probabilities, _FLOOR, 1.0)
    logs = np.log(bounded)
    margins = logs.max(axis=1, keepdims=True) - logs
    total = products = np.zeros(len(bounded))
    for share, margin in zip(bounded.T, margins.T, strict=True):
        total, products = total + share, products + share * margin
    others = total - bounded.max(axis=1)
    # One class alone has no other, and no margin.
    return margins, np.divide(products, others, out=np.zeros(len(others)), where=others != 0)


def _starts(coverages: float | Sequence[float]) -> Array:
    """Return log log(1/α), the logarithm of the quantile of exponential margins of mean 1."""
    return np.asarray(np.log(-np.log1p(-np.asarray(coverages, dtype=float))))

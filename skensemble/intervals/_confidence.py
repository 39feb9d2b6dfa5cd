"""The probability that the predicted side or class is right, held against how often it was."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
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
from skensemble.intervals._record import RegimeRecord, part_names
from skensemble.intervals._thresholds import mixed
from skensemble.performance import wilson_interval
from skensemble.splits import answered_rows

__all__ = ["AdaptiveConfidence"]

# How far the common slope and level may be from 1 and 0, and those of a regime from the common ones, as standard
# deviations before anything has been seen. Twice as much learns little faster, and is wrong by more on the first rows.
# With as much for regimes, these would keep to themselves what all have in common, and a new one would not hear of it.
_DOUBT, _REGIME_DOUBT = 0.35, 0.25
# What was learned long ago is forgotten towards a prior this many times as wide: caution is for the first rows.
_LATER = 2.0
# Nominal probabilities count as no surer than this, so that no single row can turn the slope over.
_SUREST = 0.999
_FLOOR = 1e-6
_N_BINS = 20
# What is added up in each bin.
_COUNTED = ("n", "stated", "right", "brier", "log_loss", "nominal", "nominal_brier", "nominal_log_loss")


class AdaptiveConfidence(RegimeRecord):
    """What past outcomes say about how often a stated probability of being right comes true, per regime and pooled.

    Intuition: a model that says 70 % should be right seven times in ten. Most are not: ensembles are too modest, trees
    too sure, and in one regime a model may be right as often as it says and in another not at all. From what was said
    and whether it was right, the probability is corrected: stretched or shrunk, and shifted, a little differently in
    each regime, as far as outcomes have proved that it must be.

    The rule: with u the log-odds of the nominal probability and m the memberships, the log-odds of the stated one are::

        (a + Σ_g m_g a_g) u + (b + Σ_g m_g b_g)

    with a logistic regression's coefficients under a normal prior around a = 1 and 0 for all others, of standard
    deviation 0.35 for a and b and 0.25 for those of regimes: at the start the nominal probability is stated, and
    regimes lean on what all have in common. After each outcome coefficients move to the most probable ones given that
    outcome and a normal distribution that stands for all before it (Laplace's approximation). With the given half-life
    that distribution fades to one around the same place and twice as wide, so that changes are followed. Nominal
    probabilities above 0.999 count as 0.999.

    A record never changes: :meth:`updated` returns a new one, of the same size however many rows it has seen.

    Parameters
    ----------
    n_regimes : int
        Number of regimes; 0 for none, then there is the pooled part alone.
    half_life : float, default=500.0
        Rows after which an outcome counts half. Larger is steadier, but slower to notice that a model has become better
        or worse; ``inf`` never forgets.

    See Also
    --------
    AdaptiveIntervals.sides : The nominal probability of a side, for numbers.
    ProbabilityCalibration : Probabilities of all classes, calibrated at once.

    References
    ----------
    J. C. Platt, "Probabilistic outputs for support vector machines and comparisons to regularized likelihood methods",
    Advances in Large Margin Classifiers, MIT Press, 1999.

    D. J. Spiegelhalter and S. L. Lauritzen, "Sequential updating of conditional probabilities on directed graphical
    structures", Networks, 1990.

    W. D. Penny and S. J. Roberts, "Dynamic logistic regression", International Joint Conference on Neural Networks,
    1999.

    Examples
    --------
    A model that says 80 % and is right in half of the rows soon says so.

    >>> import numpy as np
    >>> confidence = AdaptiveConfidence(n_regimes=0)
    >>> confidence.probability([0.8], [[]])
    array([0.8])
    >>> later = confidence.updated(np.full(500, 0.8), np.arange(500) % 2, np.empty((500, 0)))
    >>> later.probability([0.8], [[]]).round(2)
    array([0.51])
    """

    def __init__(self, n_regimes: int, *, half_life: float = 500.0) -> None:
        super().__init__(n_regimes)
        check_number(half_life, "half_life", "AdaptiveConfidence", low=0, open_low=True)
        self.half_life = float(half_life)
        self._state = _State.empty(self.n_regimes)

    def updated(
        self,
        nominal: npt.ArrayLike,
        right: npt.ArrayLike,
        memberships: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        stated: npt.ArrayLike | None = None,
    ) -> AdaptiveConfidence:
        """Return the record with more rows, in time order; n rows at once equal n calls of one row, to the bit.

        Parameters
        ----------
        nominal : array-like of shape (n_samples,)
            The probability of being right that nobody has checked, in [0, 1]: for classes the largest combined
            probability, for numbers that of the side. A row that is NaN changes nothing.
        right : array-like of shape (n_samples,)
            1 where the class or side came true, 0 where it did not; NaN where it was neither, such as the side of an
            outcome of 0, or is not known, which changes nothing.
        memberships : array-like of shape (n_samples, n_regimes)
            Share of each regime in each row, in [0, 1] with a sum of at most 1; all zero where the regime is unknown,
            then the pooled part answers.
        sample_weight : array-like of shape (n_samples,), default=None
            As how many rows each row counts in what is learned; 1 if None. A row of weight 0 is a row left out.
        stated : array-like of shape (n_samples,), default=None
            For outcomes that arrive late: the :meth:`probability` that was stated of each row then, which is what
            :meth:`reliability` counts. ``None`` (or NaN) is what this record states of it, with all rows before.

        Returns
        -------
        confidence : AdaptiveConfidence
            A new record; this one stays as it is.

        Raises
        ------
        ValueError
            If a shape does not fit, or a number is out of its range.
        """
        rows = self._rows_of(nominal, right, memberships, sample_weight)
        earlier = read_stated(stated, "AdaptiveConfidence", (len(rows),))
        state = self._state.copied()
        for row, then in zip(rows, earlier, strict=True):
            if row.counts:
                state.learn(row, self.half_life, then)
        return self._with(state)

    def followed(
        self,
        nominal: npt.ArrayLike,
        right: npt.ArrayLike,
        memberships: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        known: npt.NDArray[np.intp] | None = None,
    ) -> tuple[AdaptiveConfidence, Array]:
        """Return the record with more rows, and what would have been said of each with what was known before it.

        Parameters
        ----------
        nominal : array-like of shape (n_samples,)
            The probability of being right that nobody has checked, as :meth:`updated` takes it.
        right : array-like of shape (n_samples,)
            1 where the class or side came true, 0 where it did not; NaN where it was neither.
        memberships : array-like of shape (n_samples, n_regimes)
            Share of each regime in each row.
        sample_weight : array-like of shape (n_samples,), default=None
            As how many rows each row counts in what is learned; 1 if None.
        known : ndarray of shape (n_samples,), default=None
            How many of these rows had an outcome when each row was predicted, never falling and at most the row's own
            number; ``None`` is all rows before, and then the record is that of :meth:`updated`, to the bit.

        Returns
        -------
        confidence : AdaptiveConfidence
            A new record; this one stays as it is.
        stated : ndarray of shape (n_samples,)
            :meth:`probability` of each row.

        Raises
        ------
        ValueError
            If a shape does not fit, or a number is out of its range.

        Examples
        --------
        >>> AdaptiveConfidence(0).followed([0.8, 0.8], [0, 0], [[], []])[1].round(2)
        array([0.8 , 0.75])
        """
        rows = self._rows_of(nominal, right, memberships, sample_weight)
        state, stated = self._state.copied(), np.empty(len(rows))
        for row, answered in zip(rows, answered_rows(len(rows), known), strict=True):
            for other in range(answered.start, answered.stop):
                stated[other] = state.said(rows[other])
            if row.counts:
                state.learn(row, self.half_life, float(stated[row.number]))
        return self._with(state), stated

    def probability(self, nominal: npt.ArrayLike, memberships: npt.ArrayLike) -> Array:
        """Return how likely each prediction is right.

        Parameters
        ----------
        nominal : array-like of shape (n_samples,)
            The probability of being right that nobody has checked, in [0, 1].
        memberships : array-like of shape (n_samples, n_regimes)
            Share of each regime in each row; all zero where the regime is unknown, then the pooled part answers.

        Returns
        -------
        probability : ndarray of shape (n_samples,)
            Between 0 and 1; below one half where the opposite has been right more often. The nominal one as long as
            nothing has been learned, NaN where there is none.

        Raises
        ------
        ValueError
            If a shape does not fit, or a number is out of its range.
        """
        log_odds = _log_odds(self._read(nominal))
        shares = read_memberships(memberships, "AdaptiveConfidence", len(log_odds), self.n_regimes)
        state: _State = self._state
        slopes, levels = state.of_regimes()
        return np.asarray(
            special.expit((state.slope + mixed(shares, slopes)) * log_odds + (state.level + mixed(shares, levels)))
        )

    def reliability(self, regimes: Sequence[object] | None = None) -> pd.DataFrame:
        """Return how often predictions were right beside how often they were said to be, each as it was said then.

        Parameters
        ----------
        regimes : sequence of length n_regimes, default=None
            Names of the regimes; their positions if None.

        Returns
        -------
        frame : DataFrame
            For each regime (last: "pooled", all rows) one row per twentieth of stated probability that occurred, such
            as "0.55 to 0.60", and one for "all", with

            - ``n``: number of rows, by membership;
            - ``stated``: mean of the probabilities stated, ``right``: share of the predictions that were right;
            - ``low``, ``high``: Wilson interval of 95 % for ``right``, as if rows were independent;
            - ``brier``, ``log_loss``: mean squared distance of the stated probability from the outcome, and mean
              negative logarithm of the probability of what came true;
            - ``nominal``, ``nominal_brier``, ``nominal_log_loss``: the same of the nominal probabilities.

            NaN without rows.

        Raises
        ------
        ValueError
            If there is not one name per regime.

        References
        ----------
        G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review, 1950.

        Examples
        --------
        What was said first was the nominal probability.

        >>> confidence = AdaptiveConfidence(n_regimes=1).updated([0.82, 0.82], [1, 0], [[1], [0]])
        >>> confidence.reliability(["CALM"])[["n", "stated", "right", "nominal", "nominal_brier"]].round(3)
                               n  stated  right  nominal  nominal_brier
        regime stated
        CALM   0.80 to 0.85  1.0   0.820    1.0     0.82          0.032
               all           1.0   0.820    1.0     0.82          0.032
        pooled 0.80 to 0.85  2.0   0.825    0.5     0.82          0.352
               all           2.0   0.825    0.5     0.82          0.352
        """
        names = part_names(regimes, self.n_regimes, "AdaptiveConfidence")
        bins = [f"{low / _N_BINS:.2f} to {(low + 1) / _N_BINS:.2f}" for low in range(_N_BINS)]
        frames = []
        for name, sums in zip(names, self._state.bins, strict=True):
            kept = np.flatnonzero(sums[:, 0] > 0)
            totals = np.vstack([sums[kept], sums.sum(axis=0)])
            index = pd.MultiIndex.from_product([[name], [*(bins[k] for k in kept), "all"]], names=["regime", "stated"])
            frames.append(pd.DataFrame(totals, index, list(_COUNTED)))
        frame = pd.concat(frames)
        low, high = wilson_interval(frame["right"], frame["n"])
        frame[list(_COUNTED[1:])] = frame[list(_COUNTED[1:])].div(frame["n"].where(frame["n"] > 0), axis=0)
        frame.insert(3, "low", low)
        frame.insert(4, "high", high)
        return frame

    def _rows_of(
        self,
        nominal: npt.ArrayLike,
        right: npt.ArrayLike,
        memberships: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None,
    ) -> list[_Row]:
        probabilities = self._read(nominal)
        outcomes = read_column(right, "right", "AdaptiveConfidence", len(probabilities))
        if not (np.isnan(outcomes) | (outcomes == 0) | (outcomes == 1)).all():
            raise ValueError(
                "right of AdaptiveConfidence must be 1 where the prediction was right, 0 where it was wrong and NaN "
                f"where it was neither; got {shown(outcomes.tolist())}."
            )
        shares = read_memberships(memberships, "AdaptiveConfidence", len(probabilities), self.n_regimes)
        weights = read_weights(sample_weight, "AdaptiveConfidence", len(probabilities))
        columns = (probabilities, _log_odds(probabilities), outcomes, weights)
        said, log_odds, right_or_not, counted = (column.tolist() for column in columns)
        inside = [present(share) for share in shares.tolist()]
        return list(map(_Row, range(len(said)), said, log_odds, right_or_not, counted, inside))

    def _read(self, nominal: npt.ArrayLike) -> Array:
        probabilities = read_column(nominal, "nominal", "AdaptiveConfidence")
        if ((probabilities < 0) | (probabilities > 1)).any():
            raise ValueError(
                "nominal of AdaptiveConfidence must be probabilities between 0 and 1, or NaN; got "
                f"{shown(probabilities.tolist())}."
            )
        return probabilities

    def _rows(self) -> list[float]:
        rows: list[float] = self._state.bins[:, :, 0].sum(axis=1).tolist()
        return rows

    def _options(self) -> dict[str, Any]:
        return {"half_life": self.half_life}


class _Row(NamedTuple):
    """One row: what was said in log-odds too, whether it was right, how much it counts, and its regimes."""

    number: int
    nominal: float
    u: float
    right: float
    weight: float
    shares: Shares

    @property
    def counts(self) -> bool:
        """Whether there is anything to learn from it."""
        return not math.isnan(self.nominal) and not math.isnan(self.right) and self.weight > 0.0


@dataclasses.dataclass
class _State:
    """All that an ``AdaptiveConfidence`` remembers, while rows are added to it.

    Coefficients stand in the order a, b, then a_g and b_g of each regime, as distances from the prior's mean.
    """

    # (2 + 2 n_regimes,) and its square: mean and precision of the coefficients.
    moves: Array
    precision: Array
    # (n_regimes + 1, _N_BINS, len(_COUNTED)): sums by stated probability; the pooled part stands last.
    bins: Array

    @classmethod
    def empty(cls, n_regimes: int) -> _State:
        precision = np.diag(_prior_precision(n_regimes))
        return cls(np.zeros(len(precision)), precision, np.zeros((n_regimes + 1, _N_BINS, len(_COUNTED))))

    @property
    def slope(self) -> float:
        return 1.0 + float(self.moves[0])

    @property
    def level(self) -> float:
        return float(self.moves[1])

    def of_regimes(self) -> tuple[Array, Array]:
        return self.moves[2::2], self.moves[3::2]

    def copied(self) -> _State:
        return _State(self.moves.copy(), self.precision.copy(), self.bins.copy())

    def reindexed(self, positions: list[int]) -> _State:
        n_known = len(self.bins) - 1
        kept = [position for position in positions if position >= 0]
        gone = [position for position in range(n_known) if position not in kept]
        stay, leave = _places(kept, pooled=True), _places(gone, pooled=False)
        precision = self.precision[np.ix_(stay, stay)]
        if leave:
            # What is known of the others when nothing more is asked of these.
            shared = self.precision[np.ix_(leave, stay)]
            precision = precision - shared.T @ np.linalg.solve(self.precision[np.ix_(leave, leave)], shared)
        later = _State.empty(len(positions))
        now = _places([place for place, position in enumerate(positions) if position >= 0], pooled=True)
        later.moves[now] = self.moves[stay]
        later.precision[np.ix_(now, now)] = precision
        for place, position in enumerate([*positions, n_known]):
            if position >= 0:
                later.bins[place] = self.bins[position]
        return later

    def said(self, row: _Row) -> float:
        """Return the probability that is stated of a row."""
        slope = level = 0.0
        for regime, share in row.shares:
            at = 2 + 2 * regime
            slope, level = slope + share * float(self.moves[at]), level + share * float(self.moves[at + 1])
        return float(special.expit((self.slope + slope) * row.u + (self.level + level)))

    def learn(self, given: _Row, half_life: float, then: float | None) -> None:
        """Add one row: judge what was stated (``then``, if that was earlier), fade, and move to what is likeliest."""
        self._count(self.said(given) if then is None else then, given.nominal, given.right, given.shares)
        u, outcome, weight = given.u, given.right, given.weight
        row = np.zeros(len(self.moves))
        row[0], row[1] = u, 1.0
        for regime, share in given.shares:
            row[2 + 2 * regime : 4 + 2 * regime] = share * u, share
        fade = 2.0 ** (-weight / half_life)
        faded = fade * self.precision
        pull = faded @ self.moves
        faded.flat[:: len(row) + 1] += (1.0 - fade) / _LATER**2 * _prior_precision(len(self.bins) - 1)
        self.moves, direction = np.linalg.solve(faded, np.column_stack([pull, row])).T
        before = u + float(row @ self.moves)
        after = _settled(before, weight * float(row @ direction), outcome)
        chance = _expit(after)
        self.moves = self.moves + weight * (outcome - chance) * direction
        self.precision = faded + weight * chance * (1.0 - chance) * np.outer(row, row)

    def _count(self, stated: float, nominal: float, outcome: float, shares: Shares) -> None:
        counts = np.array([1.0, stated, outcome, *_losses(stated, outcome), nominal, *_losses(nominal, outcome)])
        place = min(int(stated * _N_BINS), _N_BINS - 1)
        self.bins[-1, place] += counts
        for regime, share in shares:
            self.bins[regime, place] += share * counts


def _log_odds(probabilities: Array) -> Array:
    return np.asarray(special.logit(np.clip(probabilities, 1.0 - _SUREST, _SUREST)))


def _prior_precision(n_regimes: int) -> Array:
    return np.repeat([_DOUBT**-2, _REGIME_DOUBT**-2], [2, 2 * n_regimes])


def _places(regimes: list[int], *, pooled: bool) -> list[int]:
    """Where the coefficients of the regimes stand, behind the pooled ones."""
    own = [place for regime in regimes for place in (2 + 2 * regime, 3 + 2 * regime)]
    return [0, 1, *own] if pooled else own


def _settled(before: float, reach: float, outcome: float) -> float:
    """Return the log-odds t = before + reach (outcome − expit(t)), between where they are and all the way.

    Newton's method, held in a bracket: no single row, however surprising or heavy, throws the coefficients too far.
    """
    low, high = sorted((before, before + reach * (outcome - _expit(before))))
    t = before
    for _ in range(100):
        chance = _expit(t)
        excess = t - before - reach * (outcome - chance)
        low, high = (low, t) if excess > 0.0 else (t, high)
        step = excess / (1.0 + reach * chance * (1.0 - chance))
        previous, t = t, t - step
        if not low <= t <= high:
            t = 0.5 * (low + high)
        if abs(t - previous) <= 1e-12 * (1.0 + abs(t)):
            break
    return t


def _expit(t: float) -> float:
    return 1.0 / (1.0 + math.exp(-t)) if t >= 0.0 else math.exp(t) / (1.0 + math.exp(t))


def _losses(probability: float, outcome: float) -> tuple[float, float]:
    """Brier score and log loss of one statement."""
    of_outcome = probability if outcome else 1.0 - probability
    return (1.0 - of_outcome) ** 2, -math.log(max(of_outcome, _FLOOR))

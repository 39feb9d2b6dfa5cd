"""Combined class probabilities made as sharp and as level as outcomes say, as long as that proves to pay."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

from skensemble._checks import check_number, shown
from skensemble._softmax import fit_softmax, slope_and_curvature
from skensemble.intervals._reading import (
    Array,
    check_length,
    read_classes,
    read_numbers,
    read_probabilities,
    read_weights,
)
from skensemble.losses import LogLoss
from skensemble.splits import answered_rows

__all__ = ["ProbabilityCalibration"]

Whole: TypeAlias = npt.NDArray[np.intp]

_FLOOR = 1e-6
# Rows that "as it was said" counts for, of the sharpness and of the level of each class. Sharpness is where combined
# probabilities go wrong as a rule; levels mostly follow which classes happened to be frequent lately.
_SLOPE_ROWS, _LEVEL_ROWS = 10.0, 300.0
# By how many standard errors the log loss must have been lower. With one, or none, maps that lose are taken for maps
# that gain several times as often, and what is gained on average is no more.
_SURE = 2.0
# How long "lately" is, in half-lives. A map that has gained much may lose for long before its mean gain says so.
_LATELY = 0.05
# Fewer judged rows than this prove nothing: their standard error is a matter of chance itself.
_LEAST_ROWS = 10.0
# A map is learned from the latest rows only: what older ones say has faded.
_MOST_ROWS = 10_000


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows in time order: what was said of each, which class came true (-1 for none), and how much it counts."""

    said: Array
    classes: Whole
    weights: Array

    @classmethod
    def read(cls, said: Array, targets: npt.ArrayLike, sample_weight: npt.ArrayLike | None) -> _Rows:
        classes = read_classes(targets, "ProbabilityCalibration", said.shape)
        weights = read_weights(sample_weight, "ProbabilityCalibration", len(said))
        return cls(said, classes, np.where((classes >= 0) & ~np.isnan(said[:, 0]), weights, 0.0))

    def those(self, chosen: npt.NDArray[np.bool_]) -> _Rows:
        return _Rows(self.said[chosen], self.classes[chosen], self.weights[chosen])

    def followed_by(self, later: _Rows) -> _Rows:
        """The latest of the rows of both that count."""
        later = later.those(later.weights > 0)
        return _Rows(
            np.concatenate([self.said, later.said])[-_MOST_ROWS:],
            np.concatenate([self.classes, later.classes])[-_MOST_ROWS:],
            np.concatenate([self.weights, later.weights])[-_MOST_ROWS:],
        )


@dataclass(frozen=True)
class _FadingMean:
    """The mean of numbers of which newer ones count more, and how sure it is."""

    half_life: float
    # Sums over the rows of s, s², s g, s² g and s² g², with g the number of a row and s what it counts by now.
    sums: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.0)

    def after(self, numbers: Array, weights: Array) -> _FadingMean:
        s = _faded(weights, self.half_life)
        fade = 2.0 ** (-weights.sum() / self.half_life)
        news = np.array([s.sum(), s @ s, s @ numbers, s**2 @ numbers, s**2 @ numbers**2])
        before = np.array(self.sums) * np.array([fade, fade**2, fade, fade**2, fade**2])
        return _FadingMean(self.half_life, tuple((before + news).tolist()))

    @property
    def mean(self) -> float:
        """NaN without rows."""
        return self.sums[2] / self.sums[0] if self.sums[0] > 0 else float("nan")

    @property
    def error(self) -> float:
        """The standard error of the mean, as if rows were independent."""
        weight, squares, _, first, second = self.sums
        variance = max(second - 2.0 * self.mean * first + self.mean**2 * squares, 0.0)
        return variance**0.5 / weight if weight > 0 else float("nan")

    @property
    def rows(self) -> float:
        """Of how many rows that count alike the mean would be as sure."""
        weight, squares = self.sums[:2]
        return weight * weight / squares if squares > 0 else 0.0


@dataclass(frozen=True)
class _Judgement:
    """By how much maps have lowered the log loss of rows that they did not know: on the whole, and lately."""

    gain: _FadingMean
    lately: _FadingMean

    def after(self, gains: Array, weights: Array) -> _Judgement:
        return _Judgement(self.gain.after(gains, weights), self.lately.after(gains, weights))

    @property
    def pays(self) -> bool:
        """Whether calibrating has proved to be better than leaving probabilities as they are."""
        gain = self.gain
        return gain.rows >= _LEAST_ROWS and gain.mean > _SURE * gain.error and self.lately.mean > 0


class ProbabilityCalibration:
    r"""A map from combined class probabilities to calibrated ones, learned in time order and kept only while it pays.

    Intuition: a mean of models that disagree is less sure than it could be, and trees are surer than they should be.
    One exponent for all classes makes probabilities sharper or calmer, and a level for each class shifts them:

    .. math:: p'_c \propto \exp(a \log p_c + b_c), \qquad a \ge 0.

    The coefficients minimise the log loss of the latest rows, at most 10,000, of which newer ones count more, plus a
    penalty that draws them to a = 1 and b = 0 and counts for 10 rows (a) and 300 rows (b). The exponent never changes
    which class is the likeliest; levels may, where two classes are close.

    Calibration can make things worse, so it has to earn its place: for each fold a map is learned on the rows before
    it and judged on that fold, whether or not it is used there; the last map is judged on every row that follows. A row
    is calibrated only if on earlier rows, of which newer ones count more, maps that did not know them have lowered the
    log loss by more than two standard errors, and on the latest of them have lowered it, too. Otherwise probabilities
    stay as they are, to the bit.

    A calibration never changes: :meth:`learned_forward` and :meth:`followed` return a new one.

    Parameters
    ----------
    n_classes : int
        Number of classes, at least 2.
    half_life : float, default=1000.0
        Rows after which an outcome counts half; a twentieth of it is "the latest rows". Larger is steadier, but slower
        to notice that models have become better or worse; ``inf`` never forgets.

    See Also
    --------
    AdaptiveConfidence : How likely the likeliest class is right, corrected row by row and per regime.

    References
    ----------
    J. C. Platt, "Probabilistic outputs for support vector machines and comparisons to regularized likelihood methods",
    Advances in Large Margin Classifiers, MIT Press, 1999.

    C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks", International Conference
    on Machine Learning (ICML), 2017.

    R. Ranjan and T. Gneiting, "Combining probability forecasts", Journal of the Royal Statistical Society, Series B,
    2010.

    Examples
    --------
    A model that says 60 % and is right nine times in ten.

    >>> import numpy as np
    >>> said = np.tile([[0.6, 0.4], [0.4, 0.6]], (500, 1))
    >>> came = np.tile([[1, 0], [0, 1]], (500, 1))
    >>> wrong = np.arange(1000) // 2 % 10 == 0
    >>> came[wrong] = came[wrong, ::-1]
    >>> folds = np.arange(1000) // 200
    >>> then, calibration = ProbabilityCalibration(2).learned_forward(said, came, folds)
    >>> then[[0, 999]].round(2)
    array([[0.6 , 0.4 ],
           [0.11, 0.89]])
    >>> calibration.calibrated([[0.6, 0.4]]).round(2)
    array([[0.89, 0.11]])
    """

    def __init__(self, n_classes: int, *, half_life: float = 1000.0) -> None:
        check_number(n_classes, "n_classes", "ProbabilityCalibration", low=2, integer=True)
        check_number(half_life, "half_life", "ProbabilityCalibration", low=0, open_low=True)
        self.n_classes = int(n_classes)
        self.half_life = float(half_life)
        self._rows = _Rows(np.empty((0, self.n_classes)), np.empty(0, dtype=np.intp), np.empty(0))
        # The last map, whether or not it pays.
        self._taught: Array | None = None
        self._judgement = _Judgement(_FadingMean(self.half_life), _FadingMean(_LATELY * self.half_life))

    @property
    def slope(self) -> float:
        """The exponent a: above 1 sharper, below 1 calmer, exactly 1 as long as nothing proves to pay."""
        return 1.0 if self._in_force is None else float(self._in_force[0])

    @property
    def levels(self) -> Array:
        """The levels b of the classes, an array (n_classes,), all 0 as long as nothing proves to pay."""
        return np.zeros(self.n_classes) if self._in_force is None else self._in_force[1:].copy()

    @property
    def gain(self) -> tuple[float, float]:
        """By how much calibrating lowered the mean log loss of later rows, and the standard error; NaN if unknown."""
        return self._judgement.gain.mean, self._judgement.gain.error

    def learned_forward(
        self,
        probabilities: npt.ArrayLike,
        targets: npt.ArrayLike,
        folds: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        known: npt.ArrayLike | None = None,
    ) -> tuple[Array, Self]:
        """Learn from out-of-fold probabilities, and say what they would have been, calibrated with what was known then.

        What this one has learned from is known to all folds. Without any rows the map is learned anew from that alone.

        Parameters
        ----------
        probabilities : array-like of shape (n_samples, n_classes)
            Combined probabilities, in time order. A row that is NaN teaches nothing and stays as it is.
        targets : array-like of shape (n_samples, n_classes)
            1 for the class that came true, 0 for the others. A row without any (or NaN) teaches nothing.
        folds : array-like of shape (n_samples,)
            Number of the fold that each row was predicted in. A map knows the folds before.
        sample_weight : array-like of shape (n_samples,), default=None
            As how many rows each row counts; 1 if None.
        known : array-like of shape (n_samples,), default=None
            How many of these rows had an outcome when each row was predicted; a map for a fold knows no row that was
            still open on any row of that fold. ``None`` is all rows of the folds before.

        Returns
        -------
        calibrated : ndarray of shape (n_samples, n_classes)
            The probabilities as they would have been stated.
        calibration : ProbabilityCalibration
            What holds from now on. This one stays as it is.

        Raises
        ------
        ValueError
            If a shape does not fit, or a number is out of its range.
        """
        said = self._read(probabilities)
        rows = _Rows.read(said, targets, sample_weight)
        numbers = _read_counts(folds, "folds", len(said))
        counts = None if known is None else _read_counts(known, "known", len(said))
        calibrated, gains, judged = said.copy(), np.zeros(len(said)), np.zeros(len(said), dtype=bool)
        for fold in np.unique(numbers):
            now = numbers == fold
            past = numbers < fold
            if counts is not None:
                past &= np.arange(len(said)) < counts[now].min()
            taught = self._learned_from(self._rows.followed_by(rows.those(past)))
            if taught is None:
                continue
            mapped = _mapped(taught, said[now])
            if self._judged(rows.weights, gains, past & judged).pays:
                calibrated[now] = mapped
            gains[now], judged[now] = _gains(said[now], mapped, rows.classes[now]), True
        known_now = self._rows.followed_by(rows)
        return calibrated, self._with(
            known_now, self._learned_from(known_now), self._judged(rows.weights, gains, judged)
        )

    def followed(
        self,
        probabilities: npt.ArrayLike,
        targets: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        known: npt.ArrayLike | None = None,
    ) -> tuple[Array, Self]:
        """Take more outcomes in time order: the map stays, but every row tells whether it still pays.

        The rows are kept for the next map, which :meth:`learned_forward` learns.

        Parameters
        ----------
        probabilities : array-like of shape (n_samples, n_classes)
            Combined probabilities; a row that is NaN teaches nothing and stays as it is.
        targets : array-like of shape (n_samples, n_classes)
            1 for the class that came true, 0 for the others. A row without any (or NaN) teaches nothing.
        sample_weight : array-like of shape (n_samples,), default=None
            As how many rows each row counts; 1 if None.
        known : array-like of shape (n_samples,), default=None
            How many of these rows had an outcome when each row was predicted, never falling and at most the row's own
            number; ``None`` is all rows before.

        Returns
        -------
        calibrated : ndarray of shape (n_samples, n_classes)
            The probabilities as they would have been stated.
        calibration : ProbabilityCalibration
            What holds from now on; n rows at once give that of n calls of one row, to the bit. This one stays as it is.

        Raises
        ------
        ValueError
            If a shape does not fit, or a number is out of its range.

        Examples
        --------
        Three in four is said, and always comes true: the map makes it sharper. Then it is three in four, and the map is
        dropped.

        >>> import numpy as np
        >>> said, came = np.tile([0.75, 0.25], (400, 1)), np.tile([1, 0], (400, 1))
        >>> _, calibration = ProbabilityCalibration(2).learned_forward(said, came, np.arange(400) // 100)
        >>> came[::4] = [0, 1]
        >>> then, later = calibration.followed(said, came)
        >>> then[[0, -1]].round(2)
        array([[0.98, 0.02],
               [0.75, 0.25]])
        >>> later
        ProbabilityCalibration(n_classes=2, half_life=1000) that changes nothing
        """
        said = self._read(probabilities)
        rows = _Rows.read(said, targets, sample_weight)
        counts = None if known is None else _read_counts(known, "known", len(said))
        mapped = said if self._taught is None else _mapped(self._taught, said)
        gains = _gains(said, mapped, rows.classes)
        calibrated, judgement = said.copy(), self._judgement
        for row, answered in enumerate(answered_rows(len(said), counts)):
            if judgement.pays:
                calibrated[answered] = mapped[answered]
            if self._taught is not None and rows.weights[row] > 0:
                now = slice(row, row + 1)
                judgement = judgement.after(gains[now], rows.weights[now])
        return calibrated, self._with(self._rows.followed_by(rows), self._taught, judgement)

    def calibrated(self, probabilities: npt.ArrayLike) -> Array:
        """Return the calibrated probabilities.

        Parameters
        ----------
        probabilities : array-like of shape (n_samples, n_classes)
            Combined probabilities; a row that is NaN stays so.

        Returns
        -------
        calibrated : ndarray of shape (n_samples, n_classes)
            Rows that sum to 1; exactly those that were given, where calibrating does not prove to pay.

        Raises
        ------
        ValueError
            If the shape does not fit, or a probability is not between 0 and 1.
        """
        said = self._read(probabilities)
        return said.copy() if self._in_force is None else _mapped(self._in_force, said)

    @property
    def _in_force(self) -> Array | None:
        """The coefficients of the map as long as it pays."""
        return self._taught if self._judgement.pays else None

    def _read(self, probabilities: npt.ArrayLike) -> Array:
        said = read_probabilities(probabilities, "ProbabilityCalibration")
        if said.shape[1] != self.n_classes:
            raise ValueError(
                f"probabilities of ProbabilityCalibration must have {self.n_classes} columns, one per class; got "
                f"{said.shape[1]}."
            )
        return said

    def _learned_from(self, rows: _Rows) -> Array | None:
        """The coefficients that rows which all count teach; None where there are none."""
        if not len(rows.weights):
            return None
        s = _faded(rows.weights, self.half_life)
        start = np.append(1.0, np.zeros(self.n_classes))
        scores = _scores(rows.said)
        # The prior is measured in the curvature that a row of these has where nothing is calibrated.
        curvature = slope_and_curvature(start, scores, rows.classes, s)[1].diagonal()
        strength = np.append(_SLOPE_ROWS, np.full(self.n_classes, _LEVEL_ROWS))
        precision = np.diag((strength / s.sum() + 1e-10) * curvature + 1e-300)
        least = np.append(0.0, np.full(self.n_classes, -np.inf))
        return fit_softmax(scores, rows.classes, s, start, precision, least)[0]

    def _judged(self, weights: Array, gains: Array, judged: npt.NDArray[np.bool_]) -> _Judgement:
        heard = judged & (weights > 0)
        return self._judgement.after(gains[heard], weights[heard])

    def _with(self, rows: _Rows, taught: Array | None, judgement: _Judgement) -> Self:
        later = copy(self)
        later._rows, later._taught, later._judgement = rows, taught, judgement
        return later

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ProbabilityCalibration):
            return NotImplemented
        mine, theirs = ((each.n_classes, each.half_life, each._judgement) for each in (self, other))
        return mine == theirs and all(map(np.array_equal, self._arrays(), other._arrays()))

    def _arrays(self) -> list[npt.NDArray[Any]]:
        taught = np.empty(0) if self._taught is None else self._taught
        return [self._rows.said, self._rows.classes, self._rows.weights, taught]

    def __hash__(self) -> int:
        return hash((self.n_classes, self.half_life))

    def __repr__(self) -> str:
        made = f"ProbabilityCalibration(n_classes={self.n_classes}, half_life={self.half_life:g})"
        if self._in_force is None:
            return f"{made} that changes nothing"
        return f"{made} of slope {self.slope:.3g} and levels {shown(self.levels.round(3).tolist())}"


def _read_counts(values: npt.ArrayLike, name: str, n: int) -> Whole:
    numbers = read_numbers(values, name, "ProbabilityCalibration")
    if numbers.ndim != 1 or (numbers != np.floor(numbers)).any():
        raise ValueError(
            f"{name} of ProbabilityCalibration must be one integer per row; got {shown(numbers.tolist())}."
        )
    check_length(numbers, name, "ProbabilityCalibration", n)
    return numbers.astype(np.intp)


def _faded(weights: Array, half_life: float) -> Array:
    """What rows in time order count after the last of them."""
    later = weights.sum() - np.cumsum(weights)
    return np.asarray(weights * 2.0 ** (-later / half_life))


def _scores(said: Array) -> Array:
    """What a and b multiply, (n_samples, n_classes, 1 + n_classes): centred log-probabilities, and a one per class."""
    logs = np.log(np.clip(said, _FLOOR, 1.0))
    logs -= logs.mean(axis=1, keepdims=True)
    n_classes = said.shape[1]
    return np.concatenate([logs[:, :, None], np.broadcast_to(np.eye(n_classes), (len(said), n_classes, n_classes))], 2)


def _mapped(coefficients: Array, said: Array) -> Array:
    return np.asarray(special.softmax(_scores(said) @ coefficients, axis=1))


def _gains(said: Array, mapped: Array, classes: Whole) -> Array:
    """By how much a map lowers the log loss of each row as the rest of the package counts it; NaN without a row."""
    losses = LogLoss()(np.eye(said.shape[1])[classes], np.stack([said, mapped], axis=1))
    return np.asarray(losses[:, 0] - losses[:, 1])

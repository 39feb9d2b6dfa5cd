"""Combined class probabilities made as sharp and as level as outcomes say, where that has proved to pay."""

from __future__ import annotations

from typing import Self

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

__all__ = ["ProbabilityCalibration"]

_FLOOR = 1e-6
# Rows that "as it was said" counts for, of the sharpness and of the level of each class. Sharpness is where combined
# probabilities go wrong as a rule; levels mostly follow which classes happened to be frequent lately.
_SLOPE_ROWS, _LEVEL_ROWS = 10.0, 300.0
# By how many standard errors the log loss must have been lower. With one, or none, maps that lose are taken for maps
# that gain several times as often, and what is gained on average is no more.
_SURE = 2.0


class ProbabilityCalibration:
    r"""A map from combined class probabilities to calibrated ones, learned in time order and kept only if it pays.

    Intuition: a mean of models that disagree is less sure than it could be, and trees are surer than they should be.
    One exponent for all classes makes probabilities sharper or calmer, and a level for each class shifts them:

    .. math:: p'_c \propto \exp(a \log p_c + b_c), \qquad a \ge 0.

    The coefficients minimise the log loss of earlier rows, of which newer ones count more, plus a penalty that draws
    them to a = 1 and b = 0 and counts for 10 rows (a) and 300 rows (b). The exponent never changes which class is the
    likeliest; levels may, where two classes are close.

    Calibration can make things worse, so it has to earn its place: for each fold a map is learned on the folds before
    it and judged on that fold, whether or not it is used there. A fold is calibrated only if the maps judged on earlier
    folds have lowered the log loss by more than two standard errors; and the final map, learned on all rows, is used
    only if the same holds of all judged folds. Otherwise probabilities stay as they are, to the bit.

    A calibration never changes: :meth:`learned_forward` returns a new one.

    Parameters
    ----------
    n_classes : int
        Number of classes, at least 2.
    half_life : float, default=1000.0
        Rows after which an outcome counts half. Larger is steadier, but slower to notice that models have become better
        or worse; ``inf`` never forgets.

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
        self._coefficients: Array | None = None
        self._gain, self._doubt = float("nan"), float("nan")

    @property
    def slope(self) -> float:
        """The exponent a: above 1 sharper, below 1 calmer, exactly 1 as long as nothing has proved to pay."""
        return 1.0 if self._coefficients is None else float(self._coefficients[0])

    @property
    def levels(self) -> Array:
        """The levels b of the classes, an array (n_classes,), all 0 as long as nothing has proved to pay."""
        return np.zeros(self.n_classes) if self._coefficients is None else self._coefficients[1:].copy()

    @property
    def gain(self) -> tuple[float, float]:
        """By how much calibrating lowered the mean log loss of later folds, and the standard error; NaN if unknown."""
        return self._gain, self._doubt

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
            How many rows had an outcome when each row was predicted; a map for a fold knows no row that was still open
            on any row of that fold. ``None`` is all rows of the folds before.

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
        owner = "ProbabilityCalibration"
        said = self._read(probabilities)
        classes = read_classes(targets, owner, said.shape)
        numbers = _read_counts(folds, "folds", len(said))
        weights = read_weights(sample_weight, owner, len(said))
        counts = None if known is None else _read_counts(known, "known", len(said))
        weights = np.where((classes >= 0) & ~np.isnan(said[:, 0]), weights, 0.0)
        losses, calibrated = _log_losses(said, classes), said.copy()
        gains, judged = np.zeros(len(said)), np.zeros(len(said), dtype=bool)
        for fold in np.unique(numbers)[1:]:
            now = np.flatnonzero(numbers == fold)
            past = numbers < fold
            if counts is not None:
                past &= np.arange(len(said)) < counts[now].min()
            if not weights[past].sum() > 0:
                continue
            taught = _mapped(self._fit(said[past], classes[past], weights[past]), said[now])
            if _pays(*_mean(gains[past & judged], weights[past & judged])):
                calibrated[now] = taught
            gains[now], judged[now] = losses[now] - _log_losses(taught, classes[now]), True
        later = self._empty()
        later._gain, later._doubt = _mean(gains[judged], weights[judged])
        if _pays(later._gain, later._doubt):
            later._coefficients = self._fit(said, classes, weights)
        return calibrated, later

    def calibrated(self, probabilities: npt.ArrayLike) -> Array:
        """Return the calibrated probabilities.

        Parameters
        ----------
        probabilities : array-like of shape (n_samples, n_classes)
            Combined probabilities; a row that is NaN stays so.

        Returns
        -------
        calibrated : ndarray of shape (n_samples, n_classes)
            Rows that sum to 1; exactly those that were given, where calibrating has not proved to pay.

        Raises
        ------
        ValueError
            If the shape does not fit, or a probability is not between 0 and 1.
        """
        said = self._read(probabilities)
        return said.copy() if self._coefficients is None else _mapped(self._coefficients, said)

    def _read(self, probabilities: npt.ArrayLike) -> Array:
        said = read_probabilities(probabilities, "ProbabilityCalibration")
        if said.shape[1] != self.n_classes:
            raise ValueError(
                f"probabilities of ProbabilityCalibration must have {self.n_classes} columns, one per class; got "
                f"{said.shape[1]}."
            )
        return said

    def _fit(self, said: Array, classes: npt.NDArray[np.intp], weights: Array) -> Array:
        counted = weights > 0
        said, classes, weights = said[counted], classes[counted], weights[counted]
        later = weights.sum() - np.cumsum(weights)
        s = weights * 2.0 ** (-later / self.half_life)
        start = np.append(1.0, np.zeros(self.n_classes))
        scores = _scores(said)
        # The prior is measured in the curvature that a row of these has where nothing is calibrated.
        curvature = slope_and_curvature(start, scores, classes, s)[1].diagonal()
        rows = np.append(_SLOPE_ROWS, np.full(self.n_classes, _LEVEL_ROWS))
        precision = np.diag((rows / s.sum() + 1e-10) * curvature + 1e-300)
        least = np.append(0.0, np.full(self.n_classes, -np.inf))
        return fit_softmax(scores, classes, s, start, precision, least)[0]

    def _empty(self) -> Self:
        return type(self)(self.n_classes, half_life=self.half_life)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ProbabilityCalibration):
            return NotImplemented
        return (self.n_classes, self.half_life, self.slope) == (other.n_classes, other.half_life, other.slope) and all(
            np.array_equal(mine, theirs, equal_nan=True)
            for mine, theirs in ((self.levels, other.levels), (self.gain, other.gain))
        )

    def __hash__(self) -> int:
        return hash((self.n_classes, self.half_life))

    def __repr__(self) -> str:
        made = f"ProbabilityCalibration(n_classes={self.n_classes}, half_life={self.half_life:g})"
        if self._coefficients is None:
            return f"{made} that changes nothing"
        return f"{made} of slope {self.slope:.3g} and levels {shown(self.levels.round(3).tolist())}"


def _read_counts(values: npt.ArrayLike, name: str, n: int) -> npt.NDArray[np.intp]:
    numbers = read_numbers(values, name, "ProbabilityCalibration")
    if numbers.ndim != 1 or (numbers != np.floor(numbers)).any():
        raise ValueError(
            f"{name} of ProbabilityCalibration must be one integer per row; got {shown(numbers.tolist())}."
        )
    check_length(numbers, name, "ProbabilityCalibration", n)
    return numbers.astype(np.intp)


def _scores(said: Array) -> Array:
    """What a and b multiply, (n_samples, n_classes, 1 + n_classes): centred log-probabilities, and a one per class."""
    logs = np.log(np.clip(said, _FLOOR, 1.0))
    logs -= logs.mean(axis=1, keepdims=True)
    n_classes = said.shape[1]
    return np.concatenate([logs[:, :, None], np.broadcast_to(np.eye(n_classes), (len(said), n_classes, n_classes))], 2)


def _mapped(coefficients: Array, said: Array) -> Array:
    return np.asarray(special.softmax(_scores(said) @ coefficients, axis=1))


def _log_losses(said: Array, classes: npt.NDArray[np.intp]) -> Array:
    """The log loss of each row as the rest of the package counts it; NaN where nothing was said."""
    return LogLoss()(np.eye(said.shape[1])[classes], said[:, None, :])[:, 0]


def _mean(gains: Array, weights: Array) -> tuple[float, float]:
    """Weighted mean and its standard error, as if rows were independent; NaN where there is nothing to judge."""
    counted = weights > 0
    gains, shares = gains[counted], weights[counted] / max(weights.sum(), np.finfo(float).tiny)
    if len(gains) < 2:
        return float("nan"), float("nan")
    mean = float(shares @ gains)
    return mean, float(np.sqrt(shares**2 @ (gains - mean) ** 2))


def _pays(gain: float, doubt: float) -> bool:
    return gain > _SURE * doubt

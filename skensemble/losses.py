"""How wrong was each model on each row: losses, lower is better, with their slopes.

A loss compares every model's prediction with the target, output by output, and adds the outputs up; the same object
tells by ``slope`` how the loss of a combined prediction changes when that prediction moves. The one rule that all
members keep: a slope is the derivative wherever there is one, and 0 at a kink, because every kink of this family is a
minimum, where no small step helps. A prediction that is not finite has loss NaN: its model was asleep there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from skensemble._checks import check_number, shown

__all__ = ["AbsoluteLoss", "BrierLoss", "HuberLoss", "LogLoss", "Loss", "PinballLoss", "SquaredLoss"]

FloatArray = npt.NDArray[np.float64]


class Loss(BaseEstimator, ABC):
    """A loss that is computed per output and summed over the outputs.

    A member says how one output is judged (``_losses``) and how that changes with the prediction (``_slopes``); shapes,
    sleeping models and overflow are dealt with here, once. Squares of very large errors become ``inf``, silently.

    Attributes
    ----------
    convex : bool
        Whether the loss is convex in the prediction. Rules that learn from slopes instead of losses need it.

    Examples
    --------
    >>> import numpy as np
    >>> class LinexLoss(Loss):
    ...     convex = True
    ...
    ...     def _losses(self, targets, predictions):
    ...         return np.exp(predictions - targets) - (predictions - targets) - 1
    ...
    ...     def _slopes(self, targets, combined):
    ...         return np.exp(combined - targets) - 1
    >>> LinexLoss()(np.array([[2.0]]), np.array([[[2.0], [np.nan]]]))
    array([[ 0., nan]])
    """

    convex: bool

    def __call__(self, targets: FloatArray, predictions: FloatArray) -> FloatArray:
        """Judge every model on every row.

        Parameters
        ----------
        targets : array of shape (n_samples, n_outputs)
            What came true; one-hot rows for classes.
        predictions : array of shape (n_samples, n_models, n_outputs)
            What each model said; NaN where it was asleep.

        Returns
        -------
        losses : array of shape (n_samples, n_models)
            Lower is better; NaN where the prediction or the target is not finite.

        Raises
        ------
        ValueError
            If the shapes do not belong together or a parameter is out of its range.
        """
        self._check()
        # One memory layout, hence one order of summation: a row has the same loss alone and among others, bitwise.
        targets, predictions = (np.asarray(values, dtype=float, order="C") for values in (targets, predictions))
        if predictions.ndim != 3 or targets.shape != (len(predictions), predictions.shape[2]):
            raise ValueError(
                f"{type(self).__name__} needs predictions of shape (n_samples, n_models, n_outputs) and targets of "
                f"shape (n_samples, n_outputs); got {predictions.shape} and {targets.shape}. Give single outputs a "
                "last axis of length 1 and classes one output each."
            )
        with np.errstate(over="ignore", invalid="ignore"):
            losses = self._losses(targets[:, None, :], predictions).sum(axis=2)
        known = np.isfinite(predictions).all(axis=2) & np.isfinite(targets).all(axis=1)[:, None]
        return np.where(known, losses, np.nan)

    def slope(self, targets: FloatArray, combined: FloatArray) -> FloatArray:
        """Tell how the loss of the combined prediction changes as that prediction moves.

        Parameters
        ----------
        targets : array of shape (n_samples, n_outputs)
            What came true; one-hot rows for classes.
        combined : array of shape (n_samples, n_outputs)
            The combined prediction.

        Returns
        -------
        slopes : array of shape (n_samples, n_outputs)
            Derivative of the loss with respect to each output; 0 at a kink, NaN where the prediction is NaN.

        Raises
        ------
        ValueError
            If the shapes differ or a parameter is out of its range.
        """
        self._check()
        targets, combined = np.asarray(targets, dtype=float), np.asarray(combined, dtype=float)
        if targets.ndim != 2 or targets.shape != combined.shape:
            raise ValueError(
                f"The slope of {type(self).__name__} needs targets and combined predictions of one shape (n_samples, "
                f"n_outputs); got {targets.shape} and {combined.shape}."
            )
        with np.errstate(over="ignore", invalid="ignore"):
            return self._slopes(targets, combined)

    @abstractmethod
    def _losses(self, targets: FloatArray, predictions: FloatArray) -> FloatArray:
        """Losses per output; the arguments broadcast against each other."""

    @abstractmethod
    def _slopes(self, targets: FloatArray, combined: FloatArray) -> FloatArray:
        """Slopes per output; both arguments have the same shape."""

    def _check(self) -> None:
        """Refuse parameters out of their range; most losses have none."""


class SquaredLoss(Loss):
    """Squared error: large errors count most, and the mean of the outcomes is the best constant prediction.

    For one output with error :math:`d = p - y` the loss is :math:`d^2` and the slope :math:`2d`.

    See Also
    --------
    BrierLoss : The same loss by its name for probabilities.
    HuberLoss : Squared for small errors, linear for large ones.

    Examples
    --------
    >>> import numpy as np
    >>> SquaredLoss()(np.array([[1.0]]), np.array([[[1.0], [4.0]]]))
    array([[0., 9.]])
    >>> SquaredLoss().slope(np.array([[1.0]]), np.array([[4.0]]))
    array([[6.]])
    """

    convex = True

    def _losses(self, targets: FloatArray, predictions: FloatArray) -> FloatArray:
        return np.square(predictions - targets)

    def _slopes(self, targets: FloatArray, combined: FloatArray) -> FloatArray:
        return _squared(targets, combined, 0.0)


class BrierLoss(SquaredLoss):
    """Brier score: squared error of the probabilities, summed over the classes.

    It lies between 0 and 2 and is lowest in expectation for the true probabilities. A confident mistake costs a bounded
    amount, so that it forgives what :class:`LogLoss` does not. This is :class:`SquaredLoss` on one-hot targets, under
    the name by which people look for it.

    References
    ----------
    G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review, 1950.

    Examples
    --------
    >>> import numpy as np
    >>> BrierLoss()(np.array([[0.0, 1.0]]), np.array([[[0.5, 0.5], [1.0, 0.0]]]))
    array([[0.5, 2. ]])
    """


class AbsoluteLoss(Loss):
    r"""Absolute error: twice the error costs twice as much, and the median is the best constant prediction.

    For one output with error :math:`d = p - y` the loss is :math:`|d|` and the slope :math:`\operatorname{sign} d`,
    which is 0 where the prediction is exactly right.

    Examples
    --------
    >>> import numpy as np
    >>> AbsoluteLoss()(np.array([[1.0]]), np.array([[[1.0], [-2.0]]]))
    array([[0., 3.]])
    """

    convex = True

    def _losses(self, targets: FloatArray, predictions: FloatArray) -> FloatArray:
        return np.abs(predictions - targets)

    def _slopes(self, targets: FloatArray, combined: FloatArray) -> FloatArray:
        return _absolute(targets, combined, 0.0)


class PinballLoss(Loss):
    r"""Pinball loss: the best constant prediction is a quantile of the outcomes.

    With quantile :math:`q`, an outcome above the prediction costs :math:`q` per unit and one below it :math:`1 - q`:
    :math:`\max(q (y - p),\, (1 - q)(p - y))`. At 0.5 it is half the absolute error.

    Parameters
    ----------
    quantile : float, default=0.5
        Which quantile is aimed at, strictly between 0 and 1; larger means that predicting too low is worse.

    References
    ----------
    R. Koenker and G. Bassett, "Regression quantiles", Econometrica, 1978.

    Examples
    --------
    >>> import numpy as np
    >>> PinballLoss(quantile=0.75)(np.array([[10.0]]), np.array([[[6.0], [14.0]]]))
    array([[3., 1.]])
    """

    convex = True

    def __init__(self, quantile: float = 0.5) -> None:
        self.quantile = quantile

    def _losses(self, targets: FloatArray, predictions: FloatArray) -> FloatArray:
        errors = predictions - targets
        return np.maximum(-self.quantile * errors, (1.0 - self.quantile) * errors)

    def _slopes(self, targets: FloatArray, combined: FloatArray) -> FloatArray:
        return _pinball(targets, combined, self.quantile)

    def _check(self) -> None:
        check_number(self.quantile, "quantile", "PinballLoss", low=0, high=1)
        if not 0 < self.quantile < 1:
            raise ValueError(
                f"quantile of PinballLoss must lie strictly between 0 and 1; got {shown(self.quantile)}, for which the "
                "most extreme prediction would always be the best."
            )


class HuberLoss(Loss):
    r"""Huber loss: squared for small errors, linear for large ones, so that outliers do not decide.

    With error :math:`d = p - y` the loss is :math:`d^2 / 2` up to :math:`|d| = \delta` and
    :math:`\delta (|d| - \delta / 2)` beyond; the slope is :math:`d`, clipped to :math:`\pm\delta`.

    Parameters
    ----------
    delta : float, default=1.0
        Error at which the loss turns from squared to linear, above 0 and in the units of the target. Smaller means that
        outliers count less.

    References
    ----------
    P. J. Huber, "Robust estimation of a location parameter", The Annals of Mathematical Statistics, 1964.

    Examples
    --------
    >>> import numpy as np
    >>> HuberLoss(delta=2.0)(np.array([[0.0]]), np.array([[[1.0], [5.0]]]))
    array([[0.5, 8. ]])
    """

    convex = True

    def __init__(self, delta: float = 1.0) -> None:
        self.delta = delta

    def _losses(self, targets: FloatArray, predictions: FloatArray) -> FloatArray:
        errors = predictions - targets
        clipped = np.clip(errors, -self.delta, self.delta)
        return clipped * (errors - 0.5 * clipped)

    def _slopes(self, targets: FloatArray, combined: FloatArray) -> FloatArray:
        return _huber(targets, combined, self.delta)

    def _check(self) -> None:
        check_number(self.delta, "delta", "HuberLoss", low=0, open_low=True)


class LogLoss(Loss):
    r"""Logarithmic loss: how surprising the outcome was to who gave it that probability.

    The loss of a row is :math:`-\sum_k y_k \log p_k`, lowest in expectation for the true probabilities. Below the
    floor the logarithm goes on as its tangent, and probabilities above 1 count as 1: on probabilities the loss is at
    most :math:`1 - \log(\text{floor})` and the slope at most :math:`1 / \text{floor}`, the loss stays convex, and a
    prediction of 0 still has a slope that says where to go. Rows that do not sum to 1 are used as they are given.

    Parameters
    ----------
    floor : float, default=1e-6
        Probability below which a mistake costs no more than linearly, from 1e-15 to 1. Larger means that confident
        mistakes are forgiven sooner.

    See Also
    --------
    BrierLoss : Bounded by 2 whatever was said.

    References
    ----------
    I. J. Good, "Rational decisions", Journal of the Royal Statistical Society, Series B, 1952.

    Examples
    --------
    >>> import numpy as np
    >>> target, said = np.array([[0.0, 1.0]]), np.array([[[0.5, 0.5], [0.0, 1.0], [1.0, 0.0]]])
    >>> LogLoss(floor=0.01)(target, said).round(4)
    array([[0.6931, 0.    , 5.6052]])
    >>> LogLoss().slope(target, np.array([[0.5, 0.5]]))
    array([[ 0., -2.]])
    """

    convex = True

    def __init__(self, floor: float = 1e-6) -> None:
        self.floor = floor

    def _losses(self, targets: FloatArray, predictions: FloatArray) -> FloatArray:
        beyond_floor = np.maximum(self.floor - predictions, 0.0) / self.floor
        surprise = beyond_floor - np.log(np.clip(predictions, self.floor, 1.0))
        # A class that did not happen costs nothing, not even 0 × inf.
        return np.where(targets == 0, 0.0, targets * surprise)

    def _slopes(self, targets: FloatArray, combined: FloatArray) -> FloatArray:
        return _logarithmic(targets, combined, self.floor)

    def _check(self) -> None:
        check_number(self.floor, "floor", "LogLoss", low=1e-15, high=1)


# Slopes as functions of arrays and the one parameter of the loss: what numba can translate, too.


def _squared(targets: FloatArray, combined: FloatArray, parameter: float) -> FloatArray:
    return 2.0 * (combined - targets)


def _absolute(targets: FloatArray, combined: FloatArray, parameter: float) -> FloatArray:
    return np.sign(combined - targets)


def _pinball(targets: FloatArray, combined: FloatArray, quantile: float) -> FloatArray:
    errors = combined - targets
    return np.sign(errors) * np.where(errors > 0, 1.0 - quantile, quantile)


def _huber(targets: FloatArray, combined: FloatArray, delta: float) -> FloatArray:
    return np.clip(combined - targets, -delta, delta)


def _logarithmic(targets: FloatArray, combined: FloatArray, floor: float) -> FloatArray:
    return np.where(combined < 1, 0.0 - targets / np.maximum(combined, floor), 0.0 * combined)


_SLOPES = {
    SquaredLoss: (_squared, None),
    BrierLoss: (_squared, None),
    AbsoluteLoss: (_absolute, None),
    PinballLoss: (_pinball, "quantile"),
    HuberLoss: (_huber, "delta"),
    LogLoss: (_logarithmic, "floor"),
}


def slope_function(loss: Loss) -> tuple[Callable[..., FloatArray], float] | None:
    """Return the slope of a loss as a function of targets, prediction and a parameter, with that parameter.

    It does not check what it is given. A loss that is not of this module has none.
    """
    if type(loss) not in _SLOPES:
        return None
    function, parameter = _SLOPES[type(loss)]
    loss._check()
    return function, 0.0 if parameter is None else float(getattr(loss, parameter))

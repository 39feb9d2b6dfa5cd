"""The two models of models that stacking uses by default: few coefficients, none negative, drawn to equal weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import nnls
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from skensemble._checks import check_number
from skensemble._softmax import fit_softmax, slope_and_curvature
from skensemble.combiners._base import Array

__all__ = ["LogOddsPool", "NonNegativeRidge"]


class NonNegativeRidge(RegressorMixin, BaseEstimator):
    r"""Fit a linear model of predictions whose coefficients are not negative and lean on equal weights.

    With predictions :math:`x_k` of M models and weights :math:`s` of the rows it minimises

    .. math:: \sum_i s_i \Big(y_i - b - \sum_k v_k x_{ik}\Big)^2 + \alpha \sigma_y^2 \sum_k (v_k - 1/M)^2,
        \qquad v \ge 0,

    with :math:`\sigma_y^2` the variance of the target, so that :math:`\alpha` is the number of rows on which a model
    that moves as much as the target would say the same. With few rows, or where little of the target can be predicted,
    the answer is the equally weighted mean; with many it is least squares. Coefficients need not sum to one: where
    nothing can be predicted they shrink, which an average cannot do. A model of enormous predictions gets next to no
    coefficient, however few the rows that speak against it.

    Parameters
    ----------
    alpha : float, default=30.0
        Rows that equal weights count for. Larger leans on equal weights for longer.
    memory : float, default=1.0
        Factor by which the past fades with each row given to `partial_fit`; 1 forgets nothing.

    Attributes
    ----------
    coef_ : ndarray of shape (n_models,)
        Coefficients, none negative.
    intercept_ : float
        Level; drawn to zero by the same number of rows.

    References
    ----------
    Breiman, L. (1996). Stacked regressions. Machine Learning 24, 49-64: why the coefficients should not be negative.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.array([[1.0, 5.0], [2.0, 3.0], [3.0, 4.0], [4.0, 6.0]])
    >>> NonNegativeRidge(alpha=0.0).fit(x, x[:, 0]).coef_.round(6)
    array([1., 0.])
    """

    def __init__(self, alpha: float = 30.0, *, memory: float = 1.0) -> None:
        self.alpha = alpha
        self.memory = memory

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NonNegativeRidge:
        """Fit the coefficients.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_models)
            Predictions of the models.
        y : ndarray of shape (n_samples,)
            Targets.
        sample_weight : ndarray of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        NonNegativeRidge
            Itself.
        """
        check_number(self.alpha, "alpha", "NonNegativeRidge", low=0)
        check_number(self.memory, "memory", "NonNegativeRidge", low=0, open_low=True, high=1)
        table, s = self._table(X, y), _weights(sample_weight, len(y))
        # Sums are kept around the first mean: around zero, large levels would drown small differences.
        self._origin = s @ table / s.sum()
        around = table - self._origin
        with np.errstate(over="ignore", invalid="ignore"):
            self._sums = (float(s.sum()), s @ around, (s[:, None] * around).T @ around)
        self._solve()
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> NonNegativeRidge:
        """Fit the coefficients to more rows, as if they had been there from the start.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_models)
            Predictions of the models.
        y : ndarray of shape (n_samples,)
            Targets.
        sample_weight : ndarray of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        NonNegativeRidge
            Itself.
        """
        check_is_fitted(self)
        total, first, second = self._sums
        for row, s in zip(self._table(X, y) - self._origin, _weights(sample_weight, len(y)), strict=True):
            with np.errstate(over="ignore"):
                products = np.outer(row, row)
            # A row whose square is beyond all numbers would wipe out everything learned before.
            if not np.isfinite(products).all():
                continue
            fade = self.memory**s
            total = fade * total + s
            first = fade * first + s * row
            second = fade * second + s * products
        self._sums = (float(total), first, second)
        self._solve()
        return self

    @staticmethod
    def _table(X: Any, y: Any) -> Array:
        return np.column_stack([np.asarray(X, dtype=float), np.asarray(y, dtype=float)])

    def _solve(self) -> None:
        total, first, second = self._sums
        mean = first / total
        with np.errstate(over="ignore", invalid="ignore"):
            covariance = second / total - np.outer(mean, mean)
        *x_mean, y_mean = self._origin + mean
        n_models = len(x_mean)
        deviation = np.sqrt(np.maximum(covariance.diagonal(), 0.0))
        sound = np.flatnonzero(np.isfinite(deviation[:-1]))
        self.coef_ = np.zeros(n_models)
        if len(sound):
            # In units of the models' own deviations, so that no model's size blurs the others'.
            size = np.where(deviation[sound] > 1e-100, deviation[sound], 1.0)
            pull = self.alpha / total * (deviation[-1] / size) ** 2 + 1e-10
            target = covariance[sound, -1] / size + pull * size / n_models
            root = np.linalg.cholesky(covariance[np.ix_(sound, sound)] / size / size[:, None] + np.diag(pull))
            self.coef_[sound] = nnls(root.T, np.linalg.solve(root, target))[0] / size
        # The prior is the equally weighted mean with no level of its own, so the level has to earn its rows too.
        level = np.dot(np.where(self.coef_ > 0, x_mean, 0.0), self.coef_)
        self.intercept_ = float(y_mean - level) * total / (total + self.alpha)

    def predict(self, X: Any) -> Array:
        """Return the linear combination of the predictions.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_models)
            Predictions of the models.

        Returns
        -------
        ndarray of shape (n_samples,)
            Combined predictions.
        """
        check_is_fitted(self)
        return np.asarray(X, dtype=float) @ self.coef_ + self.intercept_


class LogOddsPool(ClassifierMixin, BaseEstimator):
    r"""Pool class probabilities by a weighted mean of log-odds whose weights are learned, not negative and few.

    With :math:`p_{kc}` the probability that model k gives to class c,

    .. math:: P(c) \propto \prod_k p_{kc}^{v_k}, \qquad v \ge 0,

    a logistic regression on log-odds with one coefficient per model, the same for all classes: a class that was never
    among the rows it learned from is served like any other. The coefficients minimise the log loss plus a penalty that
    draws them to 1/M and counts for ``alpha`` rows. Their sum sets the sharpness: below one it calms overconfident
    models.

    Parameters
    ----------
    n_classes : int, default=2
        Number of classes. The columns of X are the models' probabilities: of the second class for two classes, of all
        classes otherwise, model after model.
    alpha : float, default=30.0
        Rows that equal weights count for. Larger leans on equal weights for longer.
    memory : float, default=1.0
        Factor by which the past fades with each row given to `partial_fit`; 1 forgets nothing.

    Attributes
    ----------
    coef_ : ndarray of shape (n_models,)
        Exponents :math:`v_k`.
    classes_ : ndarray of shape (n_classes,)
        Class numbers ``0 .. n_classes - 1``.

    References
    ----------
    Genest, C. & Zidek, J. V. (1986). Combining probability distributions. Statistical Science 1(1), 114-135:
    logarithmic opinion pools.

    Examples
    --------
    >>> import numpy as np
    >>> p = np.array([[0.9, 0.5], [0.8, 0.5], [0.2, 0.5], [0.1, 0.5]])
    >>> pool = LogOddsPool(alpha=1.0).fit(p, np.array([1, 1, 0, 0]))
    >>> pool.predict(p)
    array([1, 1, 0, 0])
    """

    _floor = 1e-6

    def __init__(self, n_classes: int = 2, *, alpha: float = 30.0, memory: float = 1.0) -> None:
        self.n_classes = n_classes
        self.alpha = alpha
        self.memory = memory

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LogOddsPool:
        """Fit the exponents.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_columns)
            Probabilities, as the class says.
        y : ndarray of shape (n_samples,)
            Class numbers.
        sample_weight : ndarray of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        LogOddsPool
            Itself.
        """
        check_number(self.alpha, "alpha", "LogOddsPool", low=0)
        check_number(self.memory, "memory", "LogOddsPool", low=0, open_low=True, high=1)
        self.classes_ = np.arange(self.n_classes)
        scores, s, numbers = self._log_odds(X), _weights(sample_weight, len(y)), np.asarray(y, dtype=int)
        n_models = scores.shape[2]
        start = np.full(n_models, 1.0 / n_models)
        # The prior is measured in the curvature that a row of these has at equal weights.
        curvature = np.trace(slope_and_curvature(start, scores, numbers, s)[1])
        prior = (self.alpha / s.sum() + 1e-10) * curvature / n_models + 1e-300
        self.coef_, self._precision = fit_softmax(
            scores, numbers, s, start, prior * np.eye(n_models), np.zeros(n_models)
        )
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> LogOddsPool:
        """Fit the exponents to more rows, one after the other.

        What was learned before stands in as a normal distribution around the exponents, whose precision is the
        curvature of the log loss of all rows so far (Laplace's approximation); each row is one step of Newton's method
        from there.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_columns)
            Probabilities, as the class says.
        y : ndarray of shape (n_samples,)
            Class numbers.
        sample_weight : ndarray of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        LogOddsPool
            Itself.
        """
        check_is_fitted(self)
        scores, s = self._log_odds(X), _weights(sample_weight, len(y))
        numbers = np.asarray(y, dtype=int)
        for i in range(len(scores)):
            row = slice(i, i + 1)
            slope, curvature = slope_and_curvature(self.coef_, scores[row], numbers[row], s[row])
            self._precision = self.memory ** s[i] * self._precision + curvature
            self.coef_ = np.maximum(self.coef_ - np.linalg.solve(self._precision, slope), 0.0)
        return self

    def predict_proba(self, X: Any) -> Array:
        """Return the pooled probabilities.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_columns)
            Probabilities, as the class says.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities of the classes.
        """
        check_is_fitted(self)
        return np.asarray(softmax(self._log_odds(X) @ self.coef_, axis=1))

    def predict(self, X: Any) -> Any:
        """Return the most probable class.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_columns)
            Probabilities, as the class says.

        Returns
        -------
        ndarray of shape (n_samples,)
            Class numbers.
        """
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def _log_odds(self, X: Any) -> Array:
        """Centred log-probabilities ``(n_samples, n_classes, n_models)``."""
        p = np.asarray(X, dtype=float)
        if self.n_classes == 2:
            p = np.stack([1.0 - p, p], axis=1)
        else:
            p = p.reshape(len(p), -1, self.n_classes).transpose(0, 2, 1)
        logs = np.log(np.clip(p, self._floor, 1.0))
        return np.asarray(logs - logs.mean(axis=1, keepdims=True))


def _weights(sample_weight: Any, n_samples: int) -> Array:
    return np.ones(n_samples) if sample_weight is None else np.asarray(sample_weight, dtype=float)

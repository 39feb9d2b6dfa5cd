"""The two models of models that stacking uses by default: few coefficients, none negative, drawn to equal weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import nnls
from scipy.special import logsumexp, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from skensemble._checks import check_number
from skensemble.combiners._base import Array

__all__ = ["LogOddsPool", "NonNegativeRidge"]


class NonNegativeRidge(RegressorMixin, BaseEstimator):
    r"""Fit a linear model of predictions whose coefficients are not negative and lean on equal weights.

    With predictions :math:`x_k` of M models and weights :math:`s` of the rows it minimises

    .. math:: \sum_i s_i \Big(y_i - b - \sum_k v_k x_{ik}\Big)^2 + \alpha \bar\sigma^2 \sum_k (v_k - 1/M)^2,
        \qquad v \ge 0,

    with :math:`\bar\sigma^2` the mean variance of the models, so that :math:`\alpha` is a number of rows. With few rows
    the answer is the equally weighted mean; with many it is least squares. Coefficients need not sum to one: where
    nothing can be predicted they shrink, which an average cannot do.

    Parameters
    ----------
    alpha : float, default=30.0
        Rows that equal weights count for. Larger leans on equal weights for longer.

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

    def __init__(self, alpha: float = 30.0) -> None:
        self.alpha = alpha

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
        X, y = np.asarray(X, dtype=float), np.asarray(y, dtype=float)
        s = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        total, n_models = s.sum(), X.shape[1]
        x_mean, y_mean = s @ X / total, s @ y / total
        centred = X - x_mean
        covariance = (s[:, None] * centred).T @ centred / total
        scale = np.trace(covariance) / n_models
        self.coef_ = np.full(n_models, 1.0 / n_models)
        if scale > 0:
            ridge = self.alpha / total + 1e-10
            target = (s * (y - y_mean)) @ centred / total / scale + ridge / n_models
            root = np.linalg.cholesky(covariance / scale + ridge * np.eye(n_models))
            self.coef_ = nnls(root.T, np.linalg.solve(root, target))[0]
        # The prior is the equally weighted mean with no level of its own, so the level has to earn its rows too.
        self.intercept_ = float(y_mean - x_mean @ self.coef_) * total / (total + self.alpha)
        return self

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

    def __init__(self, n_classes: int = 2, *, alpha: float = 30.0) -> None:
        self.n_classes = n_classes
        self.alpha = alpha

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
        self.classes_ = np.arange(self.n_classes)
        scores = self._log_odds(X)
        s = np.ones(len(scores)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        self.coef_ = _pool_exponents(scores, np.asarray(y, dtype=int), s / s.sum(), self.alpha / s.sum())
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


def _pool_exponents(scores: Array, y: Any, s: Array, ridge: float) -> Array:
    """Newton's method with the exponents that sit at zero held there while the slope pushes them down."""
    n_models = scores.shape[2]
    start = np.full(n_models, 1.0 / n_models)
    rows = np.arange(len(y))

    def cost(v: Array) -> tuple[float, Array]:
        z = scores @ v
        value = s @ (logsumexp(z, axis=1) - z[rows, y]) + 0.5 * penalty * np.sum((v - start) ** 2)
        return float(value), np.asarray(softmax(z, axis=1))

    def derivatives(v: Array, p: Array) -> tuple[Array, Array]:
        mean = np.einsum("nc,ncm->nm", p, scores)
        slope = s @ (mean - scores[rows, y]) + penalty * (v - start)
        second = np.einsum("n,nc,ncm,ncl->ml", s, p, scores, scores, optimize=True)
        curvature = second - (s[:, None] * mean).T @ mean + penalty * np.eye(n_models)
        return np.asarray(slope), np.asarray(curvature)

    penalty = 0.0
    # The penalty is measured in the curvature that the rows themselves have at equal weights.
    penalty = (ridge + 1e-10) * float(np.trace(derivatives(start, cost(start)[1])[1])) / n_models + 1e-300
    v, (value, p) = start, cost(start)
    for _ in range(100):
        slope, curvature = derivatives(v, p)
        free = (v > 0) | (slope < 0)
        if np.abs(slope[free]).max(initial=0.0) <= 1e-14 * (1.0 + np.abs(curvature).max()):
            break
        step = np.zeros(n_models)
        step[free] = -np.linalg.solve(curvature[np.ix_(free, free)], slope[free])
        for length in 0.5 ** np.arange(40):
            candidate = np.maximum(v + length * step, 0.0)
            candidate_value, candidate_p = cost(candidate)
            if candidate_value < value:
                break
        else:
            break
        v, value, p = candidate, candidate_value, candidate_p
    return v

"""Coefficients of least log loss where class probabilities are the softmax of linear scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

__all__ = ["fit_softmax", "slope_and_curvature"]

Array = NDArray[np.float64]


def slope_and_curvature(v: Array, scores: Array, y: NDArray[np.intp], s: Array) -> tuple[Array, Array]:
    """First and second derivative of the weighted log loss in the coefficients.

    Parameters
    ----------
    v : ndarray of shape (n_coefficients,)
        Coefficients.
    scores : ndarray of shape (n_samples, n_classes, n_coefficients)
        What they multiply; the score of a class is ``scores @ v``.
    y : ndarray of shape (n_samples,)
        Class numbers.
    s : ndarray of shape (n_samples,)
        How much each row counts.

    Returns
    -------
    slope : ndarray of shape (n_coefficients,)
        First derivative.
    curvature : ndarray of shape (n_coefficients, n_coefficients)
        Second derivative.

    Examples
    --------
    One row of two classes, told apart by a single coefficient that says nothing yet: it should become larger.

    >>> import numpy as np
    >>> slope_and_curvature(np.zeros(1), np.array([[[1.0], [-1.0]]]), np.array([0]), np.ones(1))
    (array([-1.]), array([[1.]]))
    """
    p = np.asarray(softmax(scores @ v, axis=1))
    mean = np.einsum("nc,ncm->nm", p, scores)
    slope = s @ (mean - scores[np.arange(len(y)), y])
    weighted = (np.sqrt(s[:, None] * p)[:, :, None] * scores).reshape(-1, scores.shape[2])
    second = weighted.T @ weighted
    return np.asarray(slope), np.asarray(second - (s[:, None] * mean).T @ mean)


def fit_softmax(
    scores: Array, y: NDArray[np.intp], s: Array, prior: Array, precision: Array, least: Array
) -> tuple[Array, Array]:
    """Minimise the log loss plus ½ (v − prior)ᵀ precision (v − prior) over coefficients that are at least ``least``.

    Newton's method; coefficients that sit at their floor are held there while the slope pushes them down.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_classes, n_coefficients)
        What the coefficients multiply.
    y : ndarray of shape (n_samples,)
        Class numbers.
    s : ndarray of shape (n_samples,)
        How much each row counts.
    prior : ndarray of shape (n_coefficients,)
        Where the coefficients are without any rows, not below ``least``.
    precision : ndarray of shape (n_coefficients, n_coefficients)
        How strongly they are drawn there.
    least : ndarray of shape (n_coefficients,)
        Floor of each coefficient; −inf for none.

    Returns
    -------
    coefficients : ndarray of shape (n_coefficients,)
        Where the minimum is.
    curvature : ndarray of shape (n_coefficients, n_coefficients)
        Second derivative there, with that of the prior.

    Examples
    --------
    Three of four rows are of class 0, and the log-odds of three to one are 1.1.

    >>> import numpy as np
    >>> scores, y = np.tile([[[1.0], [0.0]]], (4, 1, 1)), np.array([0, 0, 0, 1])
    >>> fit_softmax(scores, y, np.ones(4), np.zeros(1), 1e-9 * np.eye(1), np.zeros(1))[0].round(2)
    array([1.1])
    """
    rows = np.arange(len(y))

    def cost(v: Array) -> float:
        z = scores @ v
        total = np.logaddexp(z[:, 0], z[:, 1]) if z.shape[1] == 2 else logsumexp(z, axis=1)
        return float(s @ (total - z[rows, y]) + 0.5 * (v - prior) @ precision @ (v - prior))

    v = prior
    value = cost(v)
    for _ in range(100):
        slope, curvature = slope_and_curvature(v, scores, y, s)
        slope, curvature = slope + precision @ (v - prior), curvature + precision
        free = (v > least) | (slope < 0)
        if np.abs(slope[free]).max(initial=0.0) <= 1e-14 * (s.sum() + np.abs(curvature).max()):
            break
        step = np.zeros(len(v))
        step[free] = -np.linalg.solve(curvature[np.ix_(free, free)], slope[free])
        if -(slope @ step) <= 1e-14 * (1.0 + abs(value)):
            # The cost can no longer tell where it falls, but the last step squares what error is left.
            v = np.maximum(v + step, least)
            break
        for length in 0.5 ** np.arange(40):
            candidate = np.maximum(v + length * step, least)
            candidate_value = cost(candidate)
            if candidate_value < value:
                break
        else:
            break
        v, value = candidate, candidate_value
    return v, slope_and_curvature(v, scores, y, s)[1] + precision

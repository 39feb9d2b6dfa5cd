"""From the records of some models to what is believed of each, and to its chance to be the best."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

__all__ = ["TINY", "Array", "beliefs", "chances_to_be_best"]

Array: TypeAlias = npt.NDArray[np.float64]

# Ratio of the variance between models (and between the regimes of a model) to that of single trades: what is believed
# before anything is known, how many records of much evidence that belief is worth, and the least that is believed.
_PRIOR_RATIO = 0.01
_PRIOR_RECORDS = 2.0
_LEAST_RATIO = 1e-4
# A profit has the variance 1 in units of its usual size: the number of trades that this belief is worth.
_PRIOR_TRADES = 2.0
# How often the two parts of a mean profit, that of the model and that of the regime, are estimated in turns.
_TURNS = 3
# Where the distribution of each model is cut for the integral over all of them, in standard deviations.
_CUTS = np.array([-6.5, -4.0, -3.0, -2.2, -1.4, -0.7, 0.0, 0.7, 1.4, 2.2, 3.0, 4.0, 6.5])
_CHUNK = 128
TINY = 1e-300


def beliefs(trades: Array, means: Array, squares: Array) -> tuple[Array, Array]:
    """Return mean and variance of what is believed of each model in each context, both (n_regimes + 1, n_models)."""
    n_models = len(squares)
    n = trades[-1]
    variance = (_PRIOR_TRADES + squares.sum()) / (_PRIOR_TRADES + np.maximum(n - 1.0, 0.0).sum())
    # How far a record speaks for itself if the ratio of variances is as believed: it weighs records against each other.
    trust = trades / (trades + 1.0 / _PRIOR_RATIO)
    squared_trust = trust * trust
    inverse = 1.0 / np.maximum(trades, TINY)

    # A model that mostly traded in a regime that pays all of them is no better for it: what the regimes add to all is
    # taken out of the pooled means, in turns, since either is estimated given the other.
    share = trades[:-1] / np.maximum(np.maximum(n, trades[:-1].sum(axis=0)), TINY)
    shift, mean = np.zeros(len(share)), means[-1]
    voice = trust[:-1] / np.maximum(trust[:-1].sum(axis=1, keepdims=True), TINY)
    for _ in range(_TURNS):
        shift = (voice * (means[:-1] - mean)).sum(axis=1)
        mean = means[-1] - shift.dot(share)

    centre = trust[-1].dot(mean) / max(trust[-1].sum(), TINY)
    excess = (mean - centre) ** 2 / variance - inverse[-1]
    inertia = 1.0 / _ratio(squared_trust[-1].dot(excess), squared_trust[-1].sum() - 1.0)
    held = n + inertia
    pooled_means, pooled_variances = (n * mean + inertia * centre) / held, variance / held

    gaps = means[:-1] - mean - shift[:, None]
    # A regime is part of its model's pooled record, and the shift is common to all models: both make gaps smaller.
    freedom = (n_models - 1.0) / n_models
    excess = gaps * gaps / variance - freedom * np.maximum(inverse[:-1] - inverse[-1], 0.0)
    apart = freedom * (1.0 - share)
    inertia = 1.0 / _ratio((squared_trust[:-1] * excess).sum(), (squared_trust[:-1] * apart).sum())
    held = trades[:-1] + inertia
    lent = inertia / held
    regime_means = means[:-1] + lent * (pooled_means + shift[:, None] - means[:-1])
    regime_variances = variance / held + lent * lent * pooled_variances
    return np.vstack([regime_means, pooled_means]), np.vstack([regime_variances, pooled_variances])


def _ratio(excess: float, n_records: float) -> float:
    """Estimate the ratio of variances from records whose squared gaps exceed those of chance by ``excess``."""
    estimate = (_PRIOR_RECORDS * _PRIOR_RATIO + excess) / (_PRIOR_RECORDS + max(n_records, 0.0))
    return float(max(estimate, _LEAST_RATIO))


def chances_to_be_best(means: Array, deviations: Array) -> Array:
    """Return the probability of each of some independent normal variables to be the largest, row by row.

    On a grid that is fine wherever one of the variables is, ΔP, a step of the product of all distribution functions, is
    shared out in proportion to the steps of their logarithms. That is exact where these are straight lines, and the
    shares are positive and add up to 1 on any grid.
    """
    chances = np.empty(means.shape)
    for start in range(0, len(means), _CHUNK):
        rows = slice(start, start + _CHUNK)
        # Measured from the best, so that even a tiny deviation of the best is not lost in rounding.
        mean = (means[rows] - means[rows].max(axis=1, keepdims=True))[:, None, :]
        deviation = deviations[rows, None, :]
        grid = np.sort((mean + deviation * _CUTS[:, None]).reshape(len(mean), -1), axis=1)
        logs = np.log(np.maximum(special.ndtr((grid[:, :, None] - mean) / deviation), TINY))
        log_products = logs.sum(axis=2)
        products = np.exp(log_products)
        slopes = (products[:, 1:] - products[:, :-1]) / np.maximum(log_products[:, 1:] - log_products[:, :-1], TINY)
        shares = (slopes[:, None, :] @ (logs[:, 1:] - logs[:, :-1]))[:, 0, :]
        # No model is ruled out for good: what has underflowed counts as barely possible.
        shares = np.maximum(shares, TINY)
        chances[rows] = shares / shares.sum(axis=1, keepdims=True)
    return chances

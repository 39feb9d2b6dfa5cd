"""What could have been had of the models by someone who knew the outcomes.

The rule: an oracle sees all judged rows at once, and nothing else than what the models said of them. Where a model is
silent the others speak for it, with equal weights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from benchmarks.quality._case import Case, Said
from skensemble.combiners import awake_models, default_loss, equal_weights, weighted_mean

__all__ = ["best_mix", "best_model", "best_model_per_regime", "spoken_for"]

Array = NDArray[np.float64]


def spoken_for(predictions: Array) -> Array:
    """Predictions in which the mean of those awake stands for those asleep."""
    awake = awake_models(predictions)
    mean = weighted_mean(equal_weights(awake), predictions)
    return np.where(awake[:, :, None], predictions, mean[:, None])


def best_model(case: Case, said: Said) -> Array:
    predictions, losses = _judged(case, said)
    return predictions[:, losses.mean(axis=0).argmin()]


def best_model_per_regime(case: Case, said: Said) -> Array:
    predictions, losses = _judged(case, said)
    combined = np.empty_like(predictions[:, 0])
    for regime in np.unique(case.regimes):
        inside = case.regimes == regime
        combined[inside] = predictions[inside, losses[inside].mean(axis=0).argmin()]
    return combined


def best_mix(case: Case, said: Said) -> Array:
    predictions, losses = _judged(case, said)
    weights = mix_of_least_loss(case.targets[case.judged], predictions, losses)
    return np.einsum("k,nko->no", weights, predictions)


def mix_of_least_loss(targets: Array, predictions: Array, losses: Array) -> Array:
    """Weights, not negative and of sum one, whose mean of the predictions loses least: a convex problem."""
    n_models, n_outputs = predictions.shape[1:]
    loss = default_loss(n_outputs)
    # A model that is far off tells nothing about the others, and spoils the scale of the problem.
    kept = np.flatnonzero(losses.mean(axis=0) < 1e3 * losses.mean(axis=0).min())
    scale = max(float(losses[:, kept].mean(axis=0).min()), 1e-300)

    def value(part: Array) -> tuple[float, Array]:
        combined = np.einsum("k,nko->no", part, predictions[:, kept])
        slopes = np.einsum("no,nko->k", loss.slope(targets, combined), predictions[:, kept])
        return float(loss(targets, combined[:, None]).mean()) / scale, slopes / len(targets) / scale

    start = np.full(len(kept), 1 / len(kept))
    found = minimize(
        value,
        start,
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * len(kept),
        constraints={"type": "eq", "fun": lambda part: part.sum() - 1.0, "jac": np.ones_like},
        options={"maxiter": 500, "ftol": 1e-12},
    )
    corners = [*np.eye(len(kept)), np.clip(found.x, 0.0, None) / np.clip(found.x, 0.0, None).sum()]
    weights = np.zeros(n_models)
    weights[kept] = min(corners, key=lambda part: value(part)[0])
    return weights


def _judged(case: Case, said: Said) -> tuple[Array, Array]:
    predictions = spoken_for(said.predictions)
    return predictions, default_loss(predictions.shape[2])(case.targets[case.judged], predictions)

"""The comparison that always stands beside the ensemble: its models, equal weights and the best single model."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skensemble._training import OutOfFold
from skensemble.combiners import awake_models, best_so_far, equal_weights, weighted_mean
from skensemble.losses import Loss

__all__ = ["report_out_of_fold"]

Array = NDArray[np.float64]


def report_out_of_fold(
    record: OutOfFold, models: Sequence[str], regimes: Sequence[Hashable], loss: Loss
) -> pd.DataFrame:
    """Compare everything that was predicted out of fold, pooled and per regime; see ``performance_report``."""
    said = record.predictions
    best = best_so_far(loss(record.targets, said), record.sample_weight, record.folds)
    rivals = [
        record.combined,
        weighted_mean(equal_weights(awake_models(said)), said),
        said[np.arange(len(said)), best],
    ]
    everyone = np.concatenate([said, np.stack(rivals, axis=1)], axis=1)
    names = [*models, "ensemble", "equal weights", "best so far"]
    losses = loss(record.targets, everyone)
    scopes = np.column_stack([np.ones(len(said)), record.memberships]) * record.sample_weight[:, None]
    rows = []
    for regime, share in zip(["pooled", *regimes], scopes.T, strict=True):
        for k, name in enumerate(names):
            heard = np.isfinite(losses[:, k]) & (share > 0)
            s, n = share[heard], float(share[heard].sum())
            rows.append(
                {
                    "regime": regime,
                    "model": name,
                    "n": n,
                    "loss": float(s @ losses[heard, k] / n) if n else np.nan,
                    "score": _score(record.targets[heard], everyone[heard, k], s) if n else np.nan,
                }
            )
    return pd.DataFrame(rows)


def _score(targets: Array, predictions: Array, s: Array) -> float:
    """R² of numbers, accuracy of classes."""
    if targets.shape[1] > 1:
        return float(s @ (targets.argmax(axis=1) == predictions.argmax(axis=1)) / s.sum())
    off = s @ (targets - s @ targets / s.sum()) ** 2
    return float(1.0 - (s @ (targets - predictions) ** 2)[0] / off[0]) if off[0] > 0 else np.nan

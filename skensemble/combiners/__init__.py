"""Many predictions, one answer: combiners learn out of fold how far to trust each model in each regime.

The rule that all members keep: each regime has an answer of its own, shrunk towards the pooled one by the number of
rows behind it; a model that sleeps on a row has no say there, and the others carry the row.
"""

from skensemble.combiners._base import (
    Combiner,
    awake_models,
    best_so_far,
    default_loss,
    equal_weights,
    over_awake,
    weighted_mean,
)
from skensemble.combiners._combined import WeightedCombiners
from skensemble.combiners._dynamic import DynamicWeighting
from skensemble.combiners._final import LogOddsPool, NonNegativeRidge
from skensemble.combiners._stacking import Stacking
from skensemble.combiners._voting import WeightedVoting

__all__ = [
    "Combiner",
    "DynamicWeighting",
    "LogOddsPool",
    "NonNegativeRidge",
    "Stacking",
    "WeightedCombiners",
    "WeightedVoting",
    "awake_models",
    "best_so_far",
    "default_loss",
    "equal_weights",
    "over_awake",
    "weighted_mean",
]

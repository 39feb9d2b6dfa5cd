"""Past errors to weights, at once: what a vote is weighted by.

A weighting reads nothing but :class:`Evidence`: sums over past rows that can be added row by row, discounted, merged
and shrunk towards other sums in constant memory. The one rule that all members keep: the weights are a pure function of
the evidence, never negative, add up to 1 over the models that were heard, and depend on a model's evidence alone, never
on its position, so that models with equal evidence share equally.
"""

from skensemble.weightings._base import Weighting
from skensemble.weightings._evidence import Evidence
from skensemble.weightings._mixes import ConvexWeights, GreedySelection
from skensemble.weightings._simple import BestModels, InverseLoss, SoftmaxLoss, UniformWeights

__all__ = [
    "BestModels",
    "ConvexWeights",
    "Evidence",
    "GreedySelection",
    "InverseLoss",
    "SoftmaxLoss",
    "UniformWeights",
    "Weighting",
]

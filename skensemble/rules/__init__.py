"""One more row of losses → weights, step by step.

A rule divides trust among *specialists*: a specialist is one voice that may be awake with a confidence in [0, 1] and
is otherwise asleep. Where there is nothing but models, every model is one specialist; dynamic weighting makes one of
every pair (model, context). A rule holds parameters only. What it has learned is a *state*: a record that is never
changed in place, so that copies are free and a reader in another thread never sees half of an update. The one rule that
all members keep: only differences of losses count, a specialist that is asleep keeps its record to the last bit, and
nothing but a prior, a memory and the losses themselves is asked for: no learning rate, no range of the losses.

Every bound below speaks of the regret of specialist j, with ``a`` its confidence and ``w`` the weights in force::

    r_j = a_j · (Σ_i w_i loss_i − loss_j)          R_j = Σ_t r_j

that is, of what following j would have saved, counted while j speaks and as loudly as j speaks (Gaillard, Stoltz &
van Erven 2014 reduce confidences to the plain setting in this way). The bounds hold for every sequence of
losses, also for one chosen by an adversary who knows the rule. They suppose that outcomes arrive before the next
prediction; outcomes that arrive later are learned from all the same, without a guarantee.
"""

from skensemble.rules._base import Rule
from skensemble.rules._bernstein import BernsteinAggregation
from skensemble.rules._exponential import ExponentialAverage, FixedShare
from skensemble.rules._polynomial import MLPoly
from skensemble.rules._simple import NoLearning, RecentPerformance

__all__ = [
    "BernsteinAggregation",
    "ExponentialAverage",
    "FixedShare",
    "MLPoly",
    "NoLearning",
    "RecentPerformance",
    "Rule",
]

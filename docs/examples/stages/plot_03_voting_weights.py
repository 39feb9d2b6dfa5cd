"""
Voting: how do errors become weights?
=====================================

``WeightedVoting`` is a weighted mean. A *weighting* makes the weights out of past errors; here six of them see the
same errors.
"""

# %%
# Four models. ``skilled`` has the smallest errors, ``twin`` errs like it to the last digit but one, ``other`` is
# worse but errs independently, ``poor`` is poor.

import numpy as np

rng = np.random.default_rng(0)
n = 600
y = rng.standard_normal(n)
error = rng.standard_normal(n)
said = {
    "skilled": y + 0.5 * error,
    "twin": y + 0.5 * error + 0.05 * rng.standard_normal(n),
    "other": y + 0.7 * rng.standard_normal(n),
    "poor": y + 1.5 * rng.standard_normal(n),
}
predictions = np.column_stack(list(said.values()))[:, :, None]
targets = y[:, None]

# %%
# Each weighting on the first half, its loss on the second.

import pandas as pd

from skensemble.combiners import WeightedVoting
from skensemble.weightings import (
    BestModels,
    ConvexWeights,
    GreedySelection,
    InverseLoss,
    SoftmaxLoss,
    UniformWeights,
)

weightings = [
    UniformWeights(),
    InverseLoss(),
    SoftmaxLoss(),
    BestModels(2),
    GreedySelection(),
    ConvexWeights(),
]
nowhere = np.zeros((n // 2, 0))
weights, losses = {}, {}
for weighting in weightings:
    name = type(weighting).__name__
    voting = WeightedVoting(weighting).fit(predictions[: n // 2], targets[: n // 2], nowhere)
    weights[name] = voting.regime_weights_[0]
    losses[name] = float(
        np.mean((voting.combine(predictions[n // 2 :], nowhere) - targets[n // 2 :]) ** 2)
    )
weights = pd.DataFrame(weights, index=list(said)).T

# %%
# Weightings that rank models by their own loss give the twins nearly all of the weight. ``ConvexWeights``, the
# default, looks at the mix: a model that errs on its own is worth more than another one that errs like the first.

import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(9, 3.8), layout="constrained")
left = np.zeros(len(weights))
for name, colour, hatch in zip(
    weights, ["#0072B2", "#56B4E9", "#E69F00", "#999999"], ["", "///", "...", "xxx"], strict=True
):
    ax.barh(
        weights.index,
        weights[name],
        left=left,
        color=colour,
        hatch=hatch,
        edgecolor="white",
        label=name,
    )
    left += weights[name].to_numpy()
for place, name in enumerate(weights.index):
    ax.text(1.02, place, f"loss {losses[name]:.3f}", va="center")
ax.invert_yaxis()
ax.set(xlabel="weight", xlim=(0, 1.16), xticks=np.linspace(0, 1, 6))
ax.set_title("Six weightings, the same errors (loss on later rows, n = 300)", loc="left")
ax.legend(loc="upper center", bbox_to_anchor=(0.45, -0.16), ncols=4, frameon=False)

# %%
pd.Series(losses, name="loss").round(4)

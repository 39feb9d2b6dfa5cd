"""
Dynamic weighting: how soon is a dead model noticed?
====================================================

The best of four models breaks in the middle of the stream. Weights made of the sum of all past errors go on believing
in it for a while; a rule that moves with every outcome does not.
"""

# %%
# A stream whose answer is known: up to row 999 the first model is the best, from row 1,000 on it is useless.

import numpy as np

from skensemble.combiners import DynamicWeighting, WeightedVoting
from skensemble.datasets import make_prediction_stream

stream = make_prediction_stream("switch", n_samples=2000, random_state=0)
nowhere = np.zeros((2000, 0))

# %%
# Every combiner follows the stream: it answers a row, then learns from its outcome.

combiners = {
    "voting": WeightedVoting(),
    "voting, memory=0.998": WeightedVoting(memory=0.998),
    "dynamic": DynamicWeighting(),
}
start = slice(0, 50)
weights, errors = {}, {}
for name, combiner in combiners.items():
    combiner.fit(stream.predictions[start], stream.targets[start], nowhere[start])
    combined, moved = combiner.follow(stream.predictions[50:], stream.targets[50:], nowhere[50:])
    weights[name] = moved[:, 0]
    errors[name] = (combined - stream.targets[50:])[:, 0] ** 2

# %%
# The weight of the model that breaks.

import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(9, 3.8), layout="constrained")
rows = np.arange(50, 2000)
for (name, weight), colour, line in zip(
    weights.items(), ["#E69F00", "#009E73", "#0072B2"], [":", "--", "-"], strict=True
):
    after = errors[name][950:1150].mean()
    ax.plot(rows, weight, color=colour, ls=line, label=f"{name}: squared error {after:.2f}")
ax.axvline(1000, color="black", lw=1)
ax.annotate("it breaks", (1000, 0.95), xytext=(8, 0), textcoords="offset points")
ax.set(xlabel="row", ylabel="weight of the broken model", xlim=(50, 2000), ylim=(0, 1))
ax.set_title("Trust in a model that breaks at row 1,000", loc="left")
ax.legend(title="mean of the 200 rows after it breaks", frameon=False, loc="lower left")

# %%
# How many rows until half of the trust is gone?

for name, weight in weights.items():
    before = weight[949]
    fallen = np.flatnonzero(weight[950:] < before / 2)
    print(f"{name}: {fallen[0] if len(fallen) else 'more than 1,000'} rows")

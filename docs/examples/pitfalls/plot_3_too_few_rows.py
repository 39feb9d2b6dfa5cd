"""
Too few rows: what is known of a rare regime?
=============================================

Twelve days of panic in ten years. Weights that are learned from twelve days alone are weights learned from noise.
"""

# %%
# Four models; the first is the best, everywhere. The labels mean nothing, and one of them is rare.

import numpy as np

from skensemble.combiners import WeightedVoting
from skensemble.datasets import make_prediction_stream

counts = [5, 10, 20, 40, 80, 160]
shrinkages = {
    "each regime for itself (shrinkage=0)": 0.0,
    "drawn to the pool (shrinkage=50, the default)": 50.0,
}
extra = {name: np.zeros((40, len(counts))) for name in shrinkages}
for seed in range(40):
    stream = make_prediction_stream("noise", n_samples=1600, random_state=seed)
    for column, count in enumerate(counts):
        rare = np.zeros((1600, 2))
        rare[:, 0] = 1
        rare[:count] = [0, 1]
        past, later = slice(0, 800), slice(800, 1600)
        tested = np.tile([0.0, 1.0], (800, 1))
        for name, shrinkage in shrinkages.items():
            voting = WeightedVoting(shrinkage=shrinkage)
            voting.fit(stream.predictions[past], stream.targets[past], rare[past])
            own = np.mean(
                (voting.combine(stream.predictions[later], tested) - stream.targets[later]) ** 2
            )
            pool = np.mean(
                (voting.combine(stream.predictions[later], 0 * tested) - stream.targets[later]) ** 2
            )
            extra[name][seed, column] = 100 * (own / pool - 1)

# %%
# What believing in the rare regime costs, against believing in the pool, on later days.

import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(9, 3.8), layout="constrained")
for (name, cost), colour, line in zip(
    extra.items(), ["#D55E00", "#0072B2"], ["--", "-"], strict=True
):
    middle, error = cost.mean(axis=0), 1.96 * cost.std(axis=0) / np.sqrt(len(cost))
    ax.errorbar(counts, middle, error, color=colour, ls=line, marker="o", capsize=3, label=name)
ax.axhline(0, color="#777777", lw=1)
ax.set(
    xscale="log", xticks=counts, xticklabels=counts, xlabel="rows of the rare regime in training"
)
ax.minorticks_off()
ax.set(ylabel="more loss than pooled weights, %")
ax.set_title("A regime that tells nothing (mean of 40 streams, 95 % intervals)", loc="left")
ax.legend(frameon=False)

# %%
# In figures the same mistake is to read a Sharpe ratio of twelve trades. All tables have their n and an interval,
# displays hatch what has fewer than 30 rows, and ``walk_forward`` gives no verdict on it:

from sklearn.dummy import DummyRegressor

from skensemble import walk_forward

rng = np.random.default_rng(0)
y = rng.standard_normal(212)
regimes = np.array(["CALM"] * 200 + ["PANIC"] * 12)
rivals = {"zero": DummyRegressor(strategy="constant", constant=0.0), "mean": DummyRegressor()}
walk = walk_forward(rivals, np.zeros((212, 1)), y, initial=100, regimes=regimes)
walk.report().query("rival == 'mean'")[["regime", "n", "loss", "verdict"]].round(3)

"""
Swapped labels: whose weights are these?
========================================

A clusterer numbers its clusters as it likes. After the next training regime 0 may be what regime 1 was, and what was
learned about the one is applied to the other.
"""

# %%
# A market in which a line is right on calm days and trees are on wild ones. The column ``wild`` tells which.

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans

from skensemble import RegimeAwareEnsembleRegressor
from skensemble.datasets import make_regime_regression
from skensemble.regimes import OrderedRegimes

X, y, regimes = make_regime_regression(1200, noise=0.5, random_state=4)
rng = np.random.default_rng(0)
X["wild"] = np.where(regimes == "R1", 2.0, 0.0) + 0.2 * rng.standard_normal(len(X))
then, now = slice(0, 800), slice(800, 1200)

# %%
# Nothing is wrong as long as one detector is fitted once, and folds of one ``fit`` are matched by the ensemble
# itself. But a detector that is fitted anew, outside of the ensemble, may swap its numbers. One and the same day,
# after six fits:

seeds = range(6)


def labels(seed, ordered):
    """Regimes of all days, by a detector of this seed fitted on the past."""
    detector = KMeans(2, random_state=seed, n_init=1)
    if ordered:
        detector = OrderedRegimes(detector, by="wild")
    return detector.fit(X[["wild"]][then]).predict(X[["wild"]])


pd.DataFrame(
    {f"seed {seed}": [labels(seed, ordered)[800] for ordered in (False, True)] for seed in seeds},
    index=["KMeans", "OrderedRegimes(KMeans)"],
)

# %%
# So: labels of the training from one fit, labels of today from another.

losses = {}
for name, ordered in {"KMeans": False, "OrderedRegimes(KMeans)": True}.items():
    ensemble = RegimeAwareEnsembleRegressor(["linear", "extra_trees"], random_state=0)
    ensemble = ensemble.fit(X[then], y[then], regimes=labels(0, ordered)[then])
    said = [ensemble.predict(X[now], regimes=labels(seed, ordered)[now]) for seed in seeds]
    losses[name] = [float(((each - y[now]) ** 2).mean()) for each in said]
without = float(((ensemble.predict(X[now]) - y[now]) ** 2).mean())

# %%
# Where the numbers are swapped, it is worse than to know no regimes, and to predict with the pooled weights.

import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(9, 3.6), layout="constrained")
at = np.arange(len(seeds))
ax.bar(
    at - 0.2, losses["KMeans"], 0.4, color="#D55E00", hatch="///", edgecolor="white", label="KMeans"
)
ax.bar(
    at + 0.2, losses["OrderedRegimes(KMeans)"], 0.4, color="#0072B2", label="OrderedRegimes(KMeans)"
)
ax.axhline(without, color="black", ls="--", label="pooled weights")
ax.set(
    xticks=at,
    xticklabels=[f"seed {seed}" for seed in seeds],
    xlabel="the fit that today's labels come from",
)
ax.set(ylabel="squared error")
ax.set_title("Labels of the training from seed 0, of today from another fit (n = 400)", loc="left")
ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))

# %%
# The package cannot see this: a label is a label. What it offers is a name that means something: ``OrderedRegimes``
# names the clusters of any clusterer by their order, and its own detectors name theirs. Better still, hand the
# detector to the ensemble, ``regime_detector=OrderedRegimes(...)``.

"""
Live: does it matter when outcomes arrive?
==========================================

Outcomes come late, in any order, some of them twice, and the process may be killed. The journal joins each to what
was said then; the weights end where they would have ended.
"""

# %%
# Two live processes predict the same 60 days.

import tempfile
from pathlib import Path

import numpy as np

from skensemble import LiveEnsemble, RegimeAwareEnsembleRegressor
from skensemble.datasets import load_sp500

X, y, regimes = load_sp500("volatility")
ensemble = RegimeAwareEnsembleRegressor(
    ["extra_trees", "linear"], combiner="dynamic", label_horizon=5, random_state=0
).fit(X["2004":"2007"], y["2004":"2007"], regimes=regimes["2004":"2007"])
days = X["2008":].index[:60]
folder = tempfile.TemporaryDirectory()
orderly = LiveEnsemble(ensemble, Path(folder.name) / "orderly.db", synchronous="normal")
untidy = LiveEnsemble(ensemble, Path(folder.name) / "untidy.db", synchronous="normal")
for live in (orderly, untidy):
    live.predict(X.loc[days], id=[f"{day:%Y-%m-%d}" for day in days], regimes=regimes[days])

# %%
# The first hears of the outcomes in order. The second hears of them shuffled, of some twice, and is killed in
# between.

trust = {"in order": [], "in any order, some twice, killed once": []}
for day in days:
    orderly.feedback(f"{day:%Y-%m-%d}", y=y[day])
    trust["in order"].append(orderly.ensemble.weights_.loc["linear", "STRESSED"])
arrivals = np.random.default_rng(0).permutation(len(days))
for count, place in enumerate([*arrivals, *arrivals[:5]]):
    untidy.feedback(f"{days[place]:%Y-%m-%d}", y=y[days[place]])
    trust["in any order, some twice, killed once"].append(
        untidy.ensemble.weights_.loc["linear", "STRESSED"]
    )
    if count == 30:
        untidy.close()
        untidy = LiveEnsemble.open(Path(folder.name) / "untidy.db", synchronous="normal")

# %%
# On the way they trust differently, since they know different outcomes. At the end they know the same, and the
# weights are equal to the last bit.

import matplotlib.pyplot as plt

print("equal:", orderly.ensemble.weights_.equals(untidy.ensemble.weights_))
fig, ax = plt.subplots(figsize=(9, 3.6), layout="constrained")
for (name, path), colour, line in zip(
    trust.items(), ["#0072B2", "#D55E00"], ["-", "--"], strict=True
):
    ax.plot(
        np.arange(1, len(path) + 1),
        path,
        color=colour,
        ls=line,
        marker="o",
        markevery=[-1],
        label=name,
    )
ax.set(xlabel="outcomes heard of", ylabel="weight of the linear model, STRESSED")
ax.set_title("Two orders of arrival, one result", loc="left")
ax.legend(frameon=False)
orderly.close()
untidy.close()
folder.cleanup()

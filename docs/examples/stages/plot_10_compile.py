"""
Compile: does the fast ensemble say the same?
=============================================

``compile`` packs the trees of all models into one table, so that one row is answered in a fraction of a millisecond.
It must not answer anything else.
"""

# %%
# Four models, and a column as markets have them: a price above a million, with cents. Single precision, in which
# tables of trees are often kept, has no cents there: its numbers are 12 cents apart.

import numpy as np

from skensemble import RegimeAwareEnsembleRegressor

rng = np.random.default_rng(0)
X = rng.normal(size=(600, 4))
X[:, 0] = (1_234_567 + 0.3 * X[:, 0]).round(2)
y = 3 * (X[:, 0] - 1_234_567) + X[:, 1] * X[:, 2] + 0.3 * rng.normal(size=600)
ensemble = RegimeAwareEnsembleRegressor(
    ["xgboost", "lightgbm", "random_forest", "linear"], combiner="dynamic", random_state=0
)
ensemble = ensemble.set_params(
    xgboost__n_estimators=30, lightgbm__n_estimators=30, random_forest__n_estimators=20
)
ensemble = ensemble.fit(X[:500], y[:500])
quick = ensemble.compile()
quick

# %%
# Each row by itself, as a live process asks. ``careless`` is the ensemble, asked about rows in single precision.

rows = [X[place : place + 1] for place in range(500, 600)]
asked = np.array([ensemble.predict(row)[0] for row in rows])
compiled = np.array([quick.predict(row)[0] for row in rows])
careless = np.array([ensemble.predict(row.astype(np.float32).astype(float))[0] for row in rows])

# %%
# How far each is from what the ensemble itself says.

import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(9, 3.4), layout="constrained")
bins = np.logspace(-17, 0, 35)
for name, said, colour, hatch in [
    ("compiled", compiled, "#0072B2", ""),
    ("careless: rows in single precision", careless, "#E69F00", "///"),
]:
    apart = np.abs(said - asked)
    label = f"{name}: at most {apart.max():.1g}"
    ax.hist(
        np.maximum(apart, 1.5e-17), bins, color=colour, hatch=hatch, edgecolor="white", label=label
    )
ax.set(
    xscale="log",
    xlabel="distance from the ensemble's own prediction (left end: none)",
    ylabel="rows of 100",
)
ax.set_title(
    f"Compiled answers, of predictions from {asked.min():.1f} to {asked.max():.1f}", loc="left"
)
ax.legend(frameon=False)

# %%
# It stays attached: outcomes move the weights of both.

ensemble = ensemble.partial_update(X[500:], y[500:])
print("same weights:", quick.weights_.equals(ensemble.weights_))

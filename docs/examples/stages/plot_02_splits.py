"""
Folds: which rows taught, which judged?
=======================================

Weights are learned from what the models said about rows that they had not seen. The folds only look forward, and rows
whose outcome was not known yet are left out.
"""

# %%
# 120 days, and an outcome that is known ten days later. Five forward folds:

import numpy as np

from skensemble.splits import ForwardSplit

X = np.zeros((120, 1))
folds = list(ForwardSplit(5, label_horizon=10).split(X))
for number, (train, test) in enumerate(folds):
    print(
        f"fold {number}: learn from {train[0]:>2} to {train[-1]:>2}, judged on {test[0]:>3} to {test[-1]:>3}"
    )

# %%
# Between what taught and what judged is a gap of ten days: their outcomes reach into the test rows.

import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(9, 3.6), layout="constrained")
looks = {
    "learn": {"color": "#0072B2"},
    "left out: outcome not known yet": {"color": "white", "edgecolor": "#777777", "hatch": "////"},
    "judge": {"color": "#E69F00"},
}
for number, (train, test) in enumerate(folds):
    edges = [train[0], train[-1] + 1, test[0], test[-1] + 1]
    for (name, look), first, end in zip(looks.items(), edges, edges[1:], strict=False):
        ax.barh(number, end - first, left=first, label=name if number == 0 else None, **look)
ax.invert_yaxis()
ax.set(xlabel="day", ylabel="fold", xlim=(0, 120), yticks=range(5))
ax.set_title("Forward folds of 120 days, outcomes known after 10", loc="left")
ax.legend(loc="upper right")

# %%
# The ensemble does this by itself, and keeps what was said: ``out_of_fold_``. The first rows have no model that could
# predict them.

from skensemble import RegimeAwareEnsembleRegressor

y = np.sin(np.arange(120) / 9)
X = np.column_stack([y, np.roll(y, 1)])
ensemble = RegimeAwareEnsembleRegressor(
    ["linear", "extra_trees"], label_horizon=10, random_state=0
).fit(X, y)
print(
    "rows judged:",
    len(ensemble.out_of_fold_.rows),
    " rows without a judgement:",
    ensemble.n_excluded_,
)

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
for number, (train, test) in enumerate(folds):
    ax.barh(
        number, len(train), left=train[0], color="#0072B2", label="learn" if not number else None
    )
    ax.barh(
        number,
        test[0] - train[-1] - 1,
        left=train[-1] + 1,
        color="white",
        edgecolor="#777777",
        hatch="////",
        label="left out: outcome not known yet" if not number else None,
    )
    ax.barh(number, len(test), left=test[0], color="#E69F00", label="judge" if not number else None)
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

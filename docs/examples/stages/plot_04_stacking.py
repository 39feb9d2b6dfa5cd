"""
Stacking: what does it do that a mean cannot?
=============================================

A weighted mean of models that all exaggerate exaggerates, too. ``Stacking`` learns coefficients that need not add up
to one: where little can be predicted, it predicts little.
"""

# %%
# Three models say the signal plus an error of their own. The louder the error, the less of what they say is worth
# repeating.

import numpy as np

from skensemble.combiners import Stacking, WeightedVoting

rng = np.random.default_rng(0)
n, noises = 1000, np.array([0.25, 0.5, 1.0, 1.5, 2.0, 3.0])
total, loss = [], {"WeightedVoting": [], "Stacking": []}
nowhere = np.zeros((n // 2, 0))
for noise in noises:
    signal = rng.standard_normal(n)
    targets = (signal + 0.5 * rng.standard_normal(n))[:, None]
    said = (signal[:, None] + noise * rng.standard_normal((n, 3)))[:, :, None]
    past, later = slice(0, n // 2), slice(n // 2, n)
    for combiner in (WeightedVoting(), Stacking()):
        combiner.fit(said[past], targets[past], nowhere)
        error = combiner.combine(said[later], nowhere) - targets[later]
        loss[type(combiner).__name__].append(float(np.mean(error**2)))
    said_one, said_nothing = (
        combiner.combine(np.full((1, 3, 1), value), nowhere[:1]) for value in (1.0, 0.0)
    )
    total.append(float((said_one - said_nothing).item()))

# %%
# Left, the sum of the coefficients: one where models are good, falling where they are not. The dashed line is the
# best there is, 1 / (1 + noise² / 3). Right, what that is worth on later rows.

import matplotlib.pyplot as plt

fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.plot(noises, total, "o-", color="#0072B2", label="Stacking")
left.plot(noises, 1 / (1 + noises**2 / 3), "--", color="black", label="the best possible")
left.axhline(1, color="#E69F00", ls=":", label="any weighted mean")
left.set(
    xlabel="noise of each model, in deviations of the signal",
    ylabel="sum of coefficients",
    ylim=(0, 1.1),
)
left.set_title("How much is repeated", loc="left")
left.legend(frameon=False)
right.plot(noises, loss["WeightedVoting"], "s:", color="#E69F00", label="WeightedVoting")
right.plot(noises, loss["Stacking"], "o-", color="#0072B2", label="Stacking")
right.axhline(1.25, color="#777777", lw=1, label="always saying 0")
right.set(
    xlabel="noise of each model, in deviations of the signal",
    ylabel="squared error",
    ylim=(0, None),
)
right.set_title(f"What it costs on later rows (n = {n // 2})", loc="left")
right.legend(frameon=False)

# %%
# In an ensemble it is one word, ``combiner="stacking"``, and each regime has coefficients of its own, drawn to the
# pooled ones as long as it has few rows.

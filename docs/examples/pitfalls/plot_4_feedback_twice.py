"""
Feedback twice: what does the same outcome count?
=================================================

A job runs twice, and hands the same outcomes back again. Nothing new has happened, but the record grows and weights
move.
"""

# %%
# The next day's return of the S&P 500, and one year of outcomes.

from skensemble import RegimeAwareEnsembleRegressor
from skensemble.datasets import load_sp500

X, y, regimes = load_sp500("return")
then, now = slice("2002", "2005"), slice("2006", "2006")
fitted = RegimeAwareEnsembleRegressor(
    ["extra_trees", "linear"], combiner="dynamic", outcome="return", random_state=0
).fit(X[then], y[then], regimes=regimes[then])
said = fitted.explain(X[now], regimes=regimes[now])

# %%
# Once, twice, five times, ten times. The record starts with the 840 out-of-fold rows of ``fit``.

from copy import copy

import pandas as pd

rows = {}
for times in (1, 2, 5, 10):
    ensemble = copy(fitted)
    for _ in range(times):
        ensemble = ensemble.partial_update(predictions=said, y=y[now])
    frame = ensemble.ledger_.frame().query(
        "performer == 'ensemble' and regime == 'pooled' and window == 'lifetime'"
    )
    rows[times] = frame.iloc[0][["n", "win_rate", "win_rate_low", "win_rate_high"]].astype(float)
record = pd.DataFrame(rows).T.rename_axis("handed back")
record.round(3)

# %%
# The interval shrinks as if one had learned something. What looks like proof is repetition.

import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(9, 3.4), layout="constrained")
at = range(len(record))
low, high = (
    record["win_rate"] - record["win_rate_low"],
    record["win_rate_high"] - record["win_rate"],
)
ax.errorbar(record["win_rate"], at, xerr=[low, high], fmt="o", color="#0072B2", capsize=4)
ax.axvline(0.5, color="#777777", lw=1)
labels = [f"{times}×  (n = {n:,.0f})" for times, n in record["n"].items()]
ax.set(yticks=at, yticklabels=labels, xlabel="win rate of the ensemble, with its 95 % interval")
ax.invert_yaxis()
ax.set_title("The same 251 outcomes, handed back again and again", loc="left")

# %%
# ``partial_update`` cannot know: the same numbers may be another day's. It does warn where rows have times and the
# models were trained on them. What knows is an id, and a live process has one for every prediction:

import tempfile
from pathlib import Path

from skensemble import LiveEnsemble

with (
    tempfile.TemporaryDirectory() as folder,
    LiveEnsemble(fitted, Path(folder) / "journal.db") as live,
):
    day = X[now].index[0]
    live.predict(X.loc[[day]], id="first", regimes=regimes[day])
    print(
        "the first time:",
        live.feedback("first", y=y[day]),
        " again:",
        live.feedback("first", y=y[day]),
    )

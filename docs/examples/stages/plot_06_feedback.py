"""
Feedback and the ledger: who was right, and is that chance?
===========================================================

Every outcome that comes back is counted: for each model, the ensemble and its plain rivals, in each regime, with its
interval.
"""

# %%
# Will the S&P 500 rise tomorrow? Hardly anybody can tell, and the ledger says so. Train on eight years:

from skensemble import RegimeAwareEnsembleRegressor
from skensemble.datasets import load_sp500

X, y, regimes = load_sp500("return")
then, now = slice("2000", "2007"), slice("2008", "2009")
ensemble = RegimeAwareEnsembleRegressor(
    ["lightgbm", "extra_trees", "linear"], combiner="dynamic", outcome="return", random_state=0
)
ensemble = ensemble.fit(X[then], y[then], regimes=regimes[then])

# %%
# Two years of days, each outcome handed back with what had been said, a month at a time.

for _, month in X[now].groupby(X[now].index.to_period("M")):
    said = ensemble.explain(month, regimes=regimes[month.index])
    ensemble = ensemble.partial_update(predictions=said, y=y[month.index])

# %%
# The win rate of each, with its 95 % interval (Wilson): an interval across the line says *it may be chance*.

import matplotlib.pyplot as plt
import numpy as np

report = ensemble.performance_report().query("window == 'lifetime'")
fig, ax = plt.subplots(figsize=(9, 4.2), layout="constrained")
marks = {
    "CALM": ("o", "#56B4E9"),
    "NORMAL": ("s", "#E69F00"),
    "STRESSED": ("^", "#D55E00"),
    "pooled": ("D", "black"),
}
performers = report["performer"].unique()
for place, (regime, (mark, colour)) in enumerate(marks.items()):
    own = report[report["regime"] == regime].set_index("performer").loc[performers]
    at = np.arange(len(performers)) + 0.18 * (place - 1.5)
    low, high = (own["win_rate"] - own["win_rate_low"], own["win_rate_high"] - own["win_rate"])
    n = int((own["won"] + own["lost"]).max())
    ax.errorbar(
        own["win_rate"],
        at,
        xerr=[low, high],
        fmt=mark,
        color=colour,
        capsize=2,
        label=f"{regime} (n up to {n:,})",
    )
ax.axvline(0.5, color="#777777", lw=1)
ax.set(
    xlabel="share of days on which the side was right",
    yticks=range(len(performers)),
    yticklabels=performers,
)
ax.invert_yaxis()
ax.set_title("S&P 500, next day: who was right, 95 % intervals", loc="left")
ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))

# %%
# The same as a table, with what a day earned in basis points.

report.query("regime == 'pooled'")[
    ["performer", "n", "win_rate", "win_rate_low", "win_rate_high", "profit_bps"]
].round(3)

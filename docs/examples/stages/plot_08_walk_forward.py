"""
Walk forward: would it have paid?
=================================

One call lives through the past for several rivals at once. Each of them knows on a day what was known on that day.
"""

# %%
# The volatility of the next five days, for one LightGBM as it comes and for an ensemble. Outcomes are known five days
# later, and everybody is trained anew every January.

from lightgbm import LGBMRegressor

from skensemble import RegimeAwareEnsembleRegressor, walk_forward
from skensemble.datasets import load_sp500

X, y, regimes = load_sp500("volatility")
X, y, regimes = X["2004":"2009"], y["2004":"2009"], regimes["2004":"2009"]
rivals = {
    "one LightGBM": LGBMRegressor(n_jobs=1, verbose=-1),
    "ensemble": RegimeAwareEnsembleRegressor(
        ["lightgbm", "extra_trees", "linear"], combiner="dynamic", label_horizon=5, random_state=0
    ),
}
walk = walk_forward(
    rivals, X, y, regimes=regimes, initial="2007-01-01", refit_every="YS", outcome_delay=5
)
walk

# %%
# Where did the difference come from? Below zero is gained; a line that falls was gaining just then.

from skensemble.displays import CumulativeLossDisplay

display = CumulativeLossDisplay.from_walk_forward(
    walk, against=["one LightGBM", "equal weights", "best single"]
).plot()

# %%
# By regime, with the interval of the difference (a bootstrap of whole blocks, since bad days come in clusters):

report = walk.report().query("rival == 'ensemble'")
report[["regime", "n", "loss", "change", "change_low", "change_high", "verdict"]].round(3)

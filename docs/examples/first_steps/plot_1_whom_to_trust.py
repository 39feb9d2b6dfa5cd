"""
Whom is trusted, and when?
==========================

Three models predict how much the S&P 500 will move in the next five days. The ensemble learns from every outcome how
far to trust each of them, in calm and in stressed markets.
"""

# %%
# A row is the close of a day: what was known then, the volatility of the five days after it, and the regime of the
# day. ``label_horizon=5`` says that an outcome is known five rows later.

from skensemble import RegimeAwareEnsembleRegressor, walk_forward
from skensemble.datasets import load_sp500

X, y, regimes = load_sp500("volatility")
X, y, regimes = X["2004":"2010"], y["2004":"2010"], regimes["2004":"2010"]
ensemble = RegimeAwareEnsembleRegressor(
    ["lightgbm", "extra_trees", "linear"], combiner="dynamic", label_horizon=5, random_state=0
)

# %%
# ``walk_forward`` lives through the days: predict, wait for the outcome, take it back, train anew every January.

walk = walk_forward(
    {"ensemble": ensemble},
    X,
    y,
    regimes=regimes,
    initial="2007-01-01",
    refit_every="YS",
    outcome_delay=5,
)
walk

# %%
# Trust, day by day. In stressed markets, such as the autumn of 2008, the trees cannot predict more than they have
# seen; a line can.

from skensemble.displays import WeightsDisplay

display = WeightsDisplay.from_walk_forward(walk).plot()

# %%
# The same in numbers: the mean weight of each model in each regime.

walk.weights["ensemble"].groupby(walk.regimes).mean().round(2)

"""
Your own table: whom to trust over time?
========================================

From a file of daily prices, as a broker exports it, to a picture of trust over time.
"""

# %%
# The file. Here it is made of the bundled prices, with what real files have: newest row first, a row twice, a close
# missing.

import io

from skensemble.datasets import load_sp500_prices

exported = (
    load_sp500_prices()["2004":"2010"].iloc[::-1].rename(columns=str.title).rename_axis("Date")
)
exported.iloc[700, 3] = float("nan")
file = io.StringIO(exported.iloc[[0, *range(len(exported))]].to_csv())

# %%
# Read it, oldest row first, each day once, whole rows only.

import pandas as pd

prices = pd.read_csv(file, parse_dates=["Date"], index_col="Date").sort_index()
prices = prices[~prices.index.duplicated()].dropna()
prices.tail(3)

# %%
# Features look back, the target looks ahead: the mean move of the next five days, in per cent. Where either is not
# known, leave the row out.


def features(prices):
    """What is known at the close."""
    daily = 100 * prices["Close"].pct_change()
    return pd.DataFrame(
        {
            "return_1": daily,
            "return_5": 100 * prices["Close"].pct_change(5),
            "move_5": daily.abs().rolling(5).mean(),
            "move_21": daily.abs().rolling(21).mean(),
            "range_5": 100 * (prices["High"] / prices["Low"] - 1).rolling(5).mean(),
        }
    )


X = features(prices)
y = X["move_5"].shift(-5).rename("next five days")
known = X.notna().all(axis=1) & y.notna()
X, y = X[known], y[known]

# %%
# Do the features look ahead, by mistake? Ask.

from skensemble import check_causality

print(check_causality(features, prices))

# %%
# Regimes from the table itself: ``VolatilityRegimes`` looks back over the last 20 returns.

from skensemble import RegimeAwareEnsembleRegressor, walk_forward
from skensemble.regimes import VolatilityRegimes

ensemble = RegimeAwareEnsembleRegressor(
    ["lightgbm", "extra_trees", "linear"],
    combiner="dynamic",
    label_horizon=5,
    regime_detector=VolatilityRegimes("return_1"),
    random_state=0,
)
walk = walk_forward({"ensemble": ensemble}, X, y, initial=500, refit_every="YS", outcome_delay=5)

# %%
# The picture.

from skensemble.displays import WeightsDisplay

display = WeightsDisplay.from_walk_forward(walk).plot()

# %%
# And whether it was worth it, beside the plain rivals.

walk.report().query("regime == 'pooled'")[["rival", "n", "loss"]]

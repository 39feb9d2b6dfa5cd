"""
Regimes: which one was it?
==========================

A regime must be known at the row: a label that needs the following week makes every figure too good. The detectors of
``skensemble.regimes`` look back only.
"""

# %%
# Two detectors on the S&P 500, fitted on what came before 2007: the volatility of the last 20 days, cut at its
# median, and the trend of the last 60, in standard errors.

from skensemble.datasets import load_sp500, load_sp500_prices
from skensemble.regimes import TrendRegimes, VolatilityRegimes

X, _, _ = load_sp500("return")
volatility = VolatilityRegimes("return_1").fit(X[:"2006"])
trend = TrendRegimes("return_1").fit(X[:"2006"])

# %%
# They carry on where the rows of ``fit`` left off, and give one label for each day.

import pandas as pd

now = X["2007":"2012"]
found = pd.DataFrame(
    {"volatility": volatility.predict(now), "trend": trend.predict(now)}, now.index
)
found.value_counts().unstack()

# %%
# The price, with the regimes as they were known at each close.

from skensemble.displays import RegimesDisplay

close = load_sp500_prices()["close"].loc[now.index]
display = RegimesDisplay(close, found["volatility"]).plot()

# %%
# How long does a regime last? One that changes every few days gives no model the time to prove itself.

changes = (found != found.shift()).sum()
(len(found) / changes).round(1).rename("mean days in a row")

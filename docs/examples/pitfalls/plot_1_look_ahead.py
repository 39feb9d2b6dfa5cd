"""
Looking ahead: what does it fake?
=================================

A window that is centred on the day knows the days after it. Nobody means to; it is one argument, ``center=True``.
"""

# %%
# A rule of many textbooks: be long while the volatility of 21 days is low, that is, below its median of 1999 to 2008.

import numpy as np

from skensemble import check_causality
from skensemble.datasets import load_sp500_prices

prices = load_sp500_prices()


def backward(prices):
    """Volatility of the last 21 days."""
    return prices["close"].pct_change().rolling(21).std()


def centred(prices):
    """Volatility of the 21 days around today: the mistake."""
    return prices["close"].pct_change().rolling(21, center=True).std()


low = backward(prices)[:"2008"].median()
following = prices["close"].pct_change().shift(-1)
profits = {
    name: following.where(volatility(prices) < low, 0.0)["2009":].iloc[:-1]
    for name, volatility in {"centred (looks ahead)": centred, "backward": backward}.items()
}
profits["always long"] = following["2009":].iloc[:-1]

# %%
# The mistake earns twice as much per risk as the market; done right, the rule earns less than the market.

import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(9, 4), layout="constrained")
for (name, daily), colour, line in zip(
    profits.items(), ["#D55E00", "#0072B2", "#777777"], ["-", "--", ":"], strict=True
):
    sharpe = np.sqrt(252) * daily.mean() / daily.std()
    ax.plot(
        daily.index,
        100 * daily.cumsum(),
        color=colour,
        ls=line,
        label=f"{name}: Sharpe ratio {sharpe:.2f}",
    )
ax.set(
    ylabel="profit so far, % of the stake", xlabel="year", xlim=(daily.index[0], daily.index[-1])
)
ax.set_title(
    f"S&P 500, long while volatility is low (n = {len(daily):,} days, without costs)", loc="left"
)
ax.legend(frameon=False)

# %%
# How it is found: the rows behind a cut are removed, and the past must not move.

print(check_causality(centred, prices))

# %%
# What it cannot see: columns that were computed with hindsight before they were handed over, such as a table that
# holds the centred volatility already. Check the function that computes them, as here, in a test.

assert check_causality(backward, prices)

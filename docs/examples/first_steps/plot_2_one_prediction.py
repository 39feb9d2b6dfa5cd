"""
What is one prediction made of?
===============================

``explain`` is ``predict`` with its reasons: what each model said, how far it was trusted, and what that adds up to.
"""

# %%
# Train on eight years of the S&P 500, up to the end of 2010.

from skensemble import RegimeAwareEnsembleRegressor
from skensemble.datasets import load_sp500

X, y, regimes = load_sp500("volatility")
ensemble = RegimeAwareEnsembleRegressor(
    ["lightgbm", "extra_trees", "linear"], combiner="dynamic", label_horizon=5, random_state=0
)
ensemble = ensemble.fit(X["2004":"2010"], y["2004":"2010"], regimes=regimes["2004":"2010"])

# %%
# 3 January 2011, a quiet Monday. The question: how much will the index move in the next five days, as volatility of a
# year?

day = ["2011-01-03"]
said = ensemble.explain(X.loc[day], regimes=regimes[day])
said

# %%
# Contributions add up to the prediction, to the last digits. The interval should hold the outcome nine times in ten.

print(
    "sum of contributions:",
    round(float((said.baseline + said.contributions.sum(axis=1)).item()), 6),
)
print("prediction:          ", round(float(said.prediction[0]), 6))
print("90 % interval:       ", said.interval(0.9)[0].round(3))
print("what came true:      ", round(float(y[day].iloc[0]), 3))

# %%
# The picture of it: from the first model to the prediction.

from skensemble.displays import ContributionDisplay

display = ContributionDisplay.from_estimator(ensemble, X.loc[day], regimes=regimes[day]).plot()

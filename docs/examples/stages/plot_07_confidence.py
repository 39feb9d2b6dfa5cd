"""
Confidence: is what it says true?
=================================

A confidence of 70 % should be right seven times in ten, and an interval of 90 % should hold nine outcomes in ten.
Both are counted.
"""

# %%
# A synthetic market of two classes, in which a linear model is right in one regime and trees in the other.

from skensemble import RegimeAwareEnsembleClassifier, walk_forward
from skensemble.datasets import make_regime_classification

X, y, regimes = make_regime_classification(1500, random_state=0)
ensemble = RegimeAwareEnsembleClassifier(
    ["logistic", "extra_trees"], combiner="dynamic", random_state=0
)
walk = walk_forward({"ensemble": ensemble}, X, y, regimes=regimes, initial=500, refit_every=500)

# %%
# What was stated on each row before its outcome was known, held against what came true.

from skensemble.displays import ReliabilityDisplay

display = ReliabilityDisplay.from_walk_forward(walk).plot()

# %%
# The same in numbers: the confidence stated, and how often the class was right.

live = walk.estimators["ensemble"]
report = live.performance_report().query("performer == 'ensemble' and window == 'lifetime'")
report[["regime", "n_confidence", "confidence", "right", "right_low", "right_high"]].round(3)

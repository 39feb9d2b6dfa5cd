"""Where our parts are set to what scikit-learn's Voting and Stacking do, the answers are the same."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble._checks import LookAheadWarning
from skensemble.combiners import Stacking, WeightedVoting
from skensemble.weightings import UniformWeights

TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}
REGRESSORS = [("ridge", Ridge()), ("tree", DecisionTreeRegressor(max_depth=3, random_state=0))]
CLASSIFIERS = [
    ("logistic", LogisticRegression(solver="newton-cholesky", tol=1e-12)),
    ("bayes", GaussianNB()),
    ("tree", DecisionTreeClassifier(max_depth=3, random_state=0)),
]
weighted = pytest.mark.parametrize("weighted", [False, True], ids=["rows alike", "rows weighted"])
n_classes = pytest.mark.parametrize("n_classes", [2, 3])
passthrough = pytest.mark.parametrize("passthrough", [False, True], ids=["predictions", "and features"])


def numbers():
    return make_regression(n_samples=150, n_features=4, noise=10.0, random_state=0)


def classes(n_classes):
    X, y = make_classification(
        n_samples=180, n_features=6, n_informative=4, n_classes=n_classes, flip_y=0.2, random_state=0
    )
    return X, np.array(["calm", "down", "up"])[y]


def weights(y, weighted):
    return np.random.default_rng(1).uniform(0.1, 3.0, len(y)) if weighted else None


def folds(X):
    """Every row is predicted by a model that has seen later ones: what scikit-learn's stacking asks for."""
    return list(KFold(3).split(X))


@weighted
def test_equal_weights_are_a_voting_regressor(weighted):
    X, y = numbers()
    given = weights(y, weighted)
    ours = RegimeAwareEnsembleRegressor(REGRESSORS, combiner=WeightedVoting(UniformWeights()))
    theirs = VotingRegressor(REGRESSORS)
    ours.fit(X, y, sample_weight=given)
    theirs.fit(X, y, sample_weight=given)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), **TOLERANCE)
    np.testing.assert_allclose(ours.member_predictions(X), theirs.transform(X), **TOLERANCE)


@weighted
@n_classes
def test_equal_weights_are_a_soft_voting_classifier(n_classes, weighted):
    X, y = classes(n_classes)
    given = weights(y, weighted)
    ours = RegimeAwareEnsembleClassifier(CLASSIFIERS, combiner=WeightedVoting(UniformWeights()))
    theirs = VotingClassifier(CLASSIFIERS, voting="soft")
    ours.fit(X, y, sample_weight=given)
    theirs.fit(X, y, sample_weight=given)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), **TOLERANCE)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


@pytest.mark.parametrize("final", [LinearRegression(), Ridge(), DecisionTreeRegressor(max_depth=2, random_state=0)])
@passthrough
@weighted
def test_stacking_is_a_stacking_regressor(final, passthrough, weighted):
    X, y = numbers()
    given = weights(y, weighted)
    ours = RegimeAwareEnsembleRegressor(REGRESSORS, combiner=Stacking(final, passthrough=passthrough), cv=folds(X))
    theirs = StackingRegressor(REGRESSORS, final, cv=folds(X), passthrough=passthrough)
    with pytest.warns(LookAheadWarning, match="trains on rows later than those it predicts"):
        ours.fit(X, y, sample_weight=given)
    theirs.fit(X, y, sample_weight=given)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), **TOLERANCE)


@n_classes
@passthrough
@weighted
def test_stacking_is_a_stacking_classifier(n_classes, passthrough, weighted):
    X, y = classes(n_classes)
    given = weights(y, weighted)
    final = LogisticRegression(solver="newton-cholesky", tol=1e-12)
    ours = RegimeAwareEnsembleClassifier(CLASSIFIERS, combiner=Stacking(final, passthrough=passthrough), cv=folds(X))
    theirs = StackingClassifier(CLASSIFIERS, final, cv=folds(X), stack_method="predict_proba", passthrough=passthrough)
    with pytest.warns(LookAheadWarning, match="trains on rows later than those it predicts"):
        ours.fit(X, y, sample_weight=given)
    theirs.fit(X, y, sample_weight=given)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), **TOLERANCE)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))

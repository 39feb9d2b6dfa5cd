"""Many rows are answered in batches, and nobody can tell."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin

import skensemble._fitted as module
from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble._checks import ModelFailureWarning
from skensemble.combiners import DynamicWeighting, Stacking, WeightedVoting

N, BATCH = 100, 7
X = np.random.RandomState(0).standard_normal((N, 3))
Y = X[:, 0] + X[:, 1] * X[:, 2]
REGIMES = np.where(X[:, 2] > 0, "calm", "wild")


class Shy(RegressorMixin, BaseEstimator):
    """Has no answer for large numbers."""

    def fit(self, X, y):
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return np.where(X[:, 0] > 90, np.nan, X[:, 0])


@pytest.fixture
def in_batches(monkeypatch):
    def switch(rows=BATCH):
        monkeypatch.setattr(module, "BATCH_ROWS", rows)

    return switch


def read_as(kind):
    if kind == "frame":
        return pd.DataFrame(X, columns=list("abc"), index=pd.date_range("2024-01-01", periods=N))
    return sparse.csr_matrix(X) if kind == "sparse" else X


@pytest.mark.parametrize("kind", ["array", "frame", "sparse"])
@pytest.mark.parametrize("combiner", [WeightedVoting(), Stacking(), DynamicWeighting()], ids=repr)
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_batches_answer_as_one(kind, combiner, n_jobs, in_batches):
    rows = read_as(kind)
    numbers = RegimeAwareEnsembleRegressor(
        ["linear", "extra_trees"], combiner=combiner, cv=2, random_state=0, n_jobs=n_jobs
    )
    labels = RegimeAwareEnsembleClassifier(["logistic", "extra_trees"], combiner=combiner, cv=2, random_state=0)
    numbers.fit(rows, Y, regimes=REGIMES)
    labels.fit(rows, Y > 0, regimes=REGIMES)
    whole = numbers.predict(rows, regimes=REGIMES), numbers.predict(rows), labels.predict_proba(rows, regimes=REGIMES)
    in_batches()
    parts = numbers.predict(rows, regimes=REGIMES), numbers.predict(rows), labels.predict_proba(rows, regimes=REGIMES)
    for one, other in zip(whole, parts, strict=True):
        assert_array_equal(one, other)
    assert_array_equal(labels.predict(rows), labels.classes_[labels.predict_proba(rows).argmax(axis=1)])


def test_a_detector_that_looks_back_sees_all_rows_in_every_batch(in_batches):
    def moods(X):
        return np.where(pd.Series(X[:, 0]).rolling(20, min_periods=1).mean() > 0, "calm", "wild")

    ensemble = RegimeAwareEnsembleRegressor(["linear", "extra_trees"], regime_detector=moods, cv=2, random_state=0).fit(
        X, Y
    )
    whole = ensemble.predict(X)
    in_batches()
    assert_array_equal(ensemble.predict(X), whole)


def test_what_goes_wrong_is_named_by_its_row_among_all(in_batches):
    ensemble = RegimeAwareEnsembleRegressor([("shy", Shy())], cv=2).fit(X, Y)
    strange = X.copy()
    strange[[52, 80], 0] = 99.0
    in_batches()
    with (
        pytest.warns(ModelFailureWarning, match="shy has no finite prediction for 1 of 7 rows"),
        pytest.raises(ValueError, match=r"No model has a finite prediction for 1 of 7 rows, the first is row 52\."),
    ):
        ensemble.predict(strange)

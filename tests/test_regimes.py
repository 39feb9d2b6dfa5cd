"""Regimes: any labels, any probabilities, any detector; and never a look into the future."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.cluster import KMeans
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skensemble import RegimeAwareEnsembleRegressor
from skensemble.combiners import WeightedVoting
from skensemble.regimes import (
    SingleRegime,
    detect,
    detect_forward,
    encode_memberships,
    fit_detector,
    matched_numbers,
    regime_names,
)
from skensemble.splits import ForwardSplit
from skensemble.weightings import InverseLoss

few = settings(deadline=None, max_examples=25, derandomize=True)
LOG: list[np.ndarray] = []


def coded(regimes):
    names = regime_names(regimes)
    return list(names), encode_memberships(regimes, names, len(regimes)).tolist()


# Labels.

A, B, NONE = [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["a", "b", None], ["a", "b"]),
        ([1, 2, np.nan], [1, 2]),
        ([1, 2, pd.NA], [1, 2]),
        (["a", "b", pd.NaT], ["a", "b"]),
        ([False, True, None], [False, True]),
        ([("a", 1), ("b", None), None], [("a", 1), ("b", None)]),
        ([1, "x", None], [1, "x"]),
        ([("a", 1), "b", None], ["b", ("a", 1)]),
        ([frozenset({1}), frozenset({1, 2}), None], [frozenset({1}), frozenset({1, 2})]),
        ([dt.date(2024, 1, 1), dt.date(2024, 2, 1), None], [dt.date(2024, 1, 1), dt.date(2024, 2, 1)]),
        (np.array([1.5, 2.5, np.nan]), [1.5, 2.5]),
        (np.array(["a", "b", None], dtype=object), ["a", "b"]),
        (np.array([["a"], ["b"], [None]], dtype=object), ["a", "b"]),
        ([["a"], ["b"], [None]], ["a", "b"]),
        (pd.Series(["a", "b", None], dtype="string", index=[7, 8, 9]), ["a", "b"]),
        (pd.Series([1, 2, None], dtype="Int64"), [1, 2]),
        (pd.Series([True, False, None], dtype="boolean"), [False, True]),
        (pd.Series(["b", "a", None], dtype="category"), ["a", "b"]),
        (pd.Categorical(["a", "b", None]), ["a", "b"]),
        (pd.DataFrame({"market": ["a", "b", None]}), ["a", "b"]),
        (pl.Series(["a", "b", None]), ["a", "b"]),
        (pl.Series(["a", "b", None], dtype=pl.Categorical), ["a", "b"]),
        (pl.DataFrame({"market": ["a", "b", None]}), ["a", "b"]),
        (pd.to_datetime(["2024-01-01", "2024-01-02", None]), list(pd.to_datetime(["2024-01-01", "2024-01-02"]))),
    ],
    ids=repr,
)
def test_labels_of_any_kind(labels, names):
    got, memberships = coded(labels)
    assert got == names
    first = next(iter(labels if not hasattr(labels, "columns") else labels["market"]))
    first = first[0] if isinstance(first, (list, np.ndarray)) else first
    order = [A, B] if first == names[0] else [B, A]
    assert memberships == [*order, NONE]


def test_labels_that_were_never_seen_are_unknown():
    assert encode_memberships(["b", "c", "a"], ("a", "b"), 3).tolist() == [B, NONE, A]
    assert encode_memberships(["x", "y"], (), 2).shape == (2, 0)


def test_all_labels_missing_are_no_regimes():
    assert coded([None, np.nan]) == ([], [[], []])


def test_names_do_not_depend_on_the_order_of_the_rows():
    labels = ["b", 1, "a", (2, 3), None, 7]
    assert regime_names(labels) == regime_names(labels[::-1])


# Probabilities.


def test_probabilities_are_matched_by_name():
    seen = pd.DataFrame({"calm": [0.2, 1.0], "wild": [0.8, 0.0]})
    assert coded(seen) == (["calm", "wild"], [[0.2, 0.8], A])
    turned = seen[["wild", "calm"]]
    np.testing.assert_array_equal(encode_memberships(turned, ("calm", "wild"), 2), [[0.2, 0.8], A])
    np.testing.assert_array_equal(encode_memberships(pl.DataFrame(turned), ("calm", "wild"), 2), [[0.2, 0.8], A])


def test_the_mass_of_a_new_regime_goes_to_the_pooled_answer():
    later = pd.DataFrame({"wild": [0.5], "new": [0.3], "calm": [0.2]})
    np.testing.assert_array_equal(encode_memberships(later, ("calm", "wild"), 1), [[0.2, 0.5]])


def test_rows_without_probabilities_are_unknown():
    for missing in (np.nan, 0.0, None):
        table = pd.DataFrame({"a": [missing, 0.4], "b": [missing, 0.6]})
        assert coded(table)[1] == [NONE, [0.4, 0.6]]


def test_arrays_of_probabilities_have_numbers_for_names():
    assert coded(np.array([[0.25, 0.75], [1.0, 0.0]])) == ([0, 1], [[0.25, 0.75], A])
    assert coded([[0.25, 0.75], [1.0, 0.0]])[1] == [[0.25, 0.75], A]
    assert coded(pd.get_dummies(pd.Series(["a", "b"])))[1] == [A, B]
    assert coded(np.array([[1, 0], [0, 1]]))[1] == [A, B]


@few
@given(st.integers(1, 8), st.integers(1, 5), st.integers(0, 99))
def test_rows_sum_to_one(n, n_regimes, seed):
    table = np.random.RandomState(seed).dirichlet(np.ones(n_regimes), n).astype(np.float32)
    np.testing.assert_allclose(np.sum(coded(table)[1], axis=1), 1.0, rtol=1e-12)


# Detectors.


class Spy(BaseEstimator):
    """Two regimes, split at the median of the rows it was fitted on; the first column is the number of the row."""

    def fit(self, X, y=None):
        rows = np.asarray(X)
        LOG.append(rows[:, 0].astype(int))
        self.middle_ = np.median(rows[:, 1])
        return self

    def predict(self, X):
        return np.where(np.asarray(X)[:, 1] > self.middle_, "high", "low")


class Foreign:
    """A detector that knows nothing of scikit-learn."""

    def fit(self, X):
        return self

    def predict(self, X):
        return np.where(np.asarray(X)[:, 1] > 0, "up", "down")


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    X = np.column_stack([np.arange(120.0), np.repeat([-3.0, 3.0], 10)[np.arange(120) % 20], rng.standard_normal(120)])
    X[:, 1] += 0.3 * rng.standard_normal(120)
    y = np.where(X[:, 1] > 0, X[:, 2], -X[:, 2]) + 0.1 * rng.standard_normal(120)
    return X, y


def fitted(data, detector, **params):
    models = [("ridge", Ridge()), ("line", LinearRegression())]
    ensemble = RegimeAwareEnsembleRegressor(models, regime_detector=detector, n_jobs=1, random_state=0, **params)
    return ensemble.fit(*data)


def named(X):
    return pd.DataFrame(X, columns=["row", "level", "x"]).assign(market=np.where(X[:, 1] > 0, "up", "down"))


def test_a_column_of_x_names_the_regimes(data):
    X, y = data
    frame = named(X)
    numbers = frame.assign(market=(frame["market"] == "up").astype(int))
    ensemble = fitted((numbers, y), "market")
    by_label = fitted(data, None).fit(numbers, y, regimes=numbers["market"])
    assert ensemble.regimes_ == (0, 1)
    np.testing.assert_array_equal(ensemble.predict(numbers), by_label.predict(numbers, regimes=numbers["market"]))


def test_a_function_of_x_names_the_regimes(data):
    X, y = data
    ensemble = fitted(data, lambda X: np.where(X[:, 1] > 0, "up", "down"))
    assert ensemble.regimes_ == ("down", "up")
    by_label = fitted(data, None).fit(X, y, regimes=np.where(X[:, 1] > 0, "up", "down"))
    np.testing.assert_array_equal(ensemble.predict(X), by_label.predict(X, regimes=np.where(X[:, 1] > 0, "up", "down")))


DETECTORS = [
    KMeans(2, n_init=1),
    GaussianMixture(2),
    make_pipeline(StandardScaler(), KMeans(2, n_init=1)),
    make_pipeline(StandardScaler(), GaussianMixture(2)),
    Spy(),
    Foreign(),
    SingleRegime(),
]


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: type(detector).__name__)
def test_any_estimator_may_detect(data, detector):
    X, _ = data
    ensemble = fitted(data, detector)
    assert len(ensemble.regimes_) == (1 if isinstance(detector, SingleRegime) else 2)
    memberships = ensemble.explain(X).memberships
    np.testing.assert_allclose(memberships.sum(axis=1), 1.0)
    np.testing.assert_allclose(ensemble.out_of_fold_.memberships.sum(axis=1), 1.0)
    again = fitted(data, detector)
    np.testing.assert_array_equal(again.predict(X), ensemble.predict(X))


def test_a_single_regime_is_no_regime(data):
    X, _ = data
    voting = WeightedVoting(InverseLoss())
    single, none = (fitted(data, detector, combiner=voting) for detector in (SingleRegime(), None))
    np.testing.assert_allclose(single.predict(X), none.predict(X))


def test_regimes_that_are_passed_come_first(data):
    X, y = data
    ensemble = fitted((named(X).drop(columns="market").assign(market=0), y), "market")
    given = fitted(data, None).fit(X, y, regimes=["a", "b"] * 60)
    assert ensemble.regimes_ == (0,)
    assert given.regimes_ == ("a", "b")


def test_detectors_are_fitted_on_the_past_of_each_fold(data):
    LOG.clear()
    ensemble = fitted(data, Spy(), cv=3)
    whole, *folds = LOG
    np.testing.assert_array_equal(whole, np.arange(120))
    for learned, (train, _) in zip(folds, ForwardSplit(3).split(data[0]), strict=True):
        np.testing.assert_array_equal(learned, train)
    assert ensemble.regime_detector is not ensemble.regime_detector_
    assert not hasattr(ensemble.regime_detector, "middle_")


def test_a_hidden_length_of_labels_purges_the_detector_too(data):
    LOG.clear()
    fitted(data, Spy(), cv=3, label_horizon=7)
    for learned, (_, test) in zip(LOG[1:], ForwardSplit(3, label_horizon=7).split(data[0]), strict=True):
        assert learned.max() < test.min() - 7


def partition(memberships):
    """Which rows belong together, whatever the regimes are called."""
    label = memberships.argmax(axis=1)
    return (label[:, None] == label[None, :]).tolist()


@pytest.mark.parametrize("detector", [KMeans(3, n_init=1, random_state=0), GaussianMixture(3, random_state=0), Spy()])
@pytest.mark.parametrize("seed", range(6))
def test_the_future_never_changes_the_regimes_of_a_fold(data, detector, seed):
    X, _ = data
    splits = list(ForwardSplit(4).split(X))
    other = X.copy()
    rng = np.random.RandomState(seed)
    other[72:] = rng.permutation(other[72:]) * rng.uniform(-4, 4, size=(48, 3))
    found = []
    for rows in (X, other):
        _, memberships = detect_forward(detector, fit_detector(detector, rows), rows, splits)
        found.append(memberships[splits[0][1][0] : 72])
    assert partition(found[0]) == partition(found[1])


def test_clusters_keep_their_numbers_from_fit_to_fit(data):
    """The same two clouds in every fold: every fit numbers them at will, and yet each keeps one number."""
    X = data[0][:, 1:]

    class Restless(KMeans):
        """Turn the numbers of the clusters around in every second fit."""

        fits = 0

        def fit(self, X, y=None):
            super().fit(X)
            type(self).fits += 1
            self.turn_ = type(self).fits % 2
            return self

        def predict(self, X):
            return super().predict(X) ^ self.turn_

    detector = Restless(2, n_init=1, random_state=0)
    names, memberships = detect_forward(detector, fit_detector(detector, X), X, list(ForwardSplit(5).split(X)))
    assert sorted(names) == [0, 1]
    up = X[:, 0] > 0
    number = memberships.argmax(axis=1)
    assert len(set(number[up])) == len(set(number[~up])) == 1
    assert number[up][0] != number[~up][0]


def test_the_numbers_of_the_folds_are_those_of_the_detector_that_stays(data):
    X, y = data[0][:, 1:], data[1]
    ensemble = fitted((X, y), KMeans(2, n_init=1))
    record = ensemble.out_of_fold_
    np.testing.assert_array_equal(record.memberships, ensemble.explain(X).memberships[record.rows])


def test_matching_numbers_by_hand():
    reference = pd.DataFrame({0: [1, 1, 0, 0], 1: [0, 0, 1, 1]})
    assert matched_numbers(reference, pd.DataFrame({0: [0, 0, 1, 1], 1: [1, 1, 0, 0]})) == {0: 1, 1: 0}
    split = pd.DataFrame({0: [0, 0, 1, 0], 1: [1, 1, 0, 0], 2: [0, 0, 0, 1]})
    matched = matched_numbers(reference, split)
    assert matched[1] == 0
    assert sorted(matched.values()) == [0, 1, 2]
    assert matched_numbers(reference, pd.DataFrame({"calm": [1, 1, 0, 0]})) == {}


def test_a_cluster_that_comes_late_gets_a_name_of_its_own():
    rng = np.random.RandomState(0)
    X = np.column_stack([np.arange(90.0), rng.standard_normal(90)])
    X[60:, 1] += 50.0

    class Levels(BaseEstimator):
        """Number the levels in the order of their appearance, the latest first."""

        def fit(self, X, y=None):
            self.levels_ = sorted({round(value / 50) for value in X[:, 1]}, reverse=True)
            return self

        def predict(self, X):
            return np.array([int(np.argmin([abs(v / 50 - level) for level in self.levels_])) for v in X[:, 1]])

    names, memberships = detect_forward(Levels(), Levels().fit(X), X, list(ForwardSplit(8).split(X)))
    number = np.array(names)[memberships.argmax(axis=1)]
    assert len(names) == 2
    assert len(set(number[:60])) == 1  # the old level keeps its number after the new one has appeared
    assert set(number[80:]) == set(Levels().fit(X).predict(X[80:]))


def test_columns_and_functions_speak_for_themselves():
    assert detect(None, np.zeros((2, 1))) is None
    assert detect(lambda X: X[:, 0] > 0, np.array([[1.0], [-1.0]])).tolist() == [True, False]
    assert fit_detector("market", None) == "market"


def test_a_mixture_is_asked_for_probabilities(data):
    X, _ = data
    mixture = GaussianMixture(2, random_state=0).fit(X[:, 1:])
    table = detect(mixture, X[:, 1:])
    np.testing.assert_array_equal(table.to_numpy(), mixture.predict_proba(X[:, 1:]))
    assert list(table.columns) == [0, 1]

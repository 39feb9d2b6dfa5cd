"""Explanations: they add up, they are what predict says, and confidence means what it says."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble._checks import ModelFailureWarning
from skensemble.explanation import Explanation, agreement, joined, laid_out, spread

N = 80
AVERAGING = ["weighted_voting", "dynamic"]
COMBINERS = [*AVERAGING, "stacking", "weighted_combiners"]


class Shy(RegressorMixin, BaseEstimator):
    """Say nothing where the first column is above one."""

    def fit(self, X, y):
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X):
        return np.where(np.asarray(X)[:, 0] > 1, np.nan, self.mean_)


@pytest.fixture(scope="module")
def data():
    rng = np.random.RandomState(0)
    X = pd.DataFrame(rng.standard_normal((N, 3)), columns=["a", "b", "c"], index=pd.date_range("2024-01-01", periods=N))
    y = X["a"] - X["b"] ** 2 + 0.3 * rng.standard_normal(N)
    regimes = pd.Series(np.where(np.arange(N) // 8 % 2, "calm", "wild"), index=X.index)
    return X, y, regimes


def numbers(data, combiner="weighted_voting", models=None):
    X, y, regimes = data
    models = models or [("ridge", Ridge(30.0)), ("line", LinearRegression())]
    ensemble = RegimeAwareEnsembleRegressor(models, combiner=combiner, n_jobs=1, random_state=0)
    return ensemble.fit(X, y, regimes=regimes)


def classes(data, combiner="weighted_voting", labels=("buy", "hold", "sell")):
    X, y, regimes = data
    y = np.array(labels)[np.digitize(y, np.quantile(y, np.linspace(0, 1, len(labels) + 1)[1:-1]))]
    models = [("calm", LogisticRegression(C=0.01)), ("bold", LogisticRegression(max_iter=1000))]
    ensemble = RegimeAwareEnsembleClassifier(models, combiner=combiner, n_jobs=1, random_state=0)
    return ensemble.fit(X, y, regimes=regimes)


# The record and the prediction are one.


@pytest.mark.parametrize("combiner", COMBINERS)
@pytest.mark.parametrize("task", [numbers, classes])
def test_predict_is_a_view_of_explain(data, combiner, task):
    X, _, regimes = data
    ensemble = task(data, combiner)
    for labels in (None, regimes, ["never seen"] * N):
        explanation = ensemble.explain(X, regimes=labels)
        np.testing.assert_array_equal(ensemble.predict(X, regimes=labels), explanation.prediction)
        if task is classes:
            np.testing.assert_array_equal(ensemble.predict_proba(X, regimes=labels), explanation.combined)
            np.testing.assert_allclose(explanation.combined.sum(axis=1), 1.0)


@pytest.mark.parametrize("combiner", COMBINERS)
@pytest.mark.parametrize("task", [numbers, classes])
def test_baseline_and_contributions_add_up(data, combiner, task):
    X, _, regimes = data
    explanation = task(data, combiner).explain(X, regimes=regimes)
    total = explanation.baseline + explanation.contributions.sum(axis=1)
    np.testing.assert_allclose(total, explanation.combined, rtol=1e-9)
    if combiner in AVERAGING:
        np.testing.assert_array_equal(explanation.baseline, 0.0)
        by_weight = explanation.weights[:, :, None] * explanation.member_predictions
        np.testing.assert_array_equal(explanation.contributions, by_weight)


@pytest.mark.parametrize("combiner", COMBINERS)
def test_a_row_is_explained_alike_alone_and_among_others(data, combiner):
    X, _, regimes = data
    ensemble = numbers(data, combiner)
    whole = ensemble.explain(X, regimes=regimes)
    for i in (0, 17):
        alone = ensemble.explain(X.iloc[[i]], regimes=regimes.iloc[[i]])
        for name in ("combined", "weights", "contributions", "confidence", "agreement"):
            np.testing.assert_allclose(getattr(alone, name)[0], getattr(whole, name)[i], rtol=1e-9, atol=1e-12)


def test_explaining_changes_nothing(data):
    X, _, regimes = data
    ensemble = numbers(data, "dynamic")
    before = ensemble.weights_
    first = ensemble.explain(X, regimes=regimes)
    pd.testing.assert_frame_equal(ensemble.weights_, before)
    np.testing.assert_array_equal(ensemble.explain(X, regimes=regimes).combined, first.combined)


def test_the_record_is_frozen(data):
    explanation = numbers(data).explain(data[0])
    with pytest.raises(AttributeError):
        explanation.prediction = None


# Fields.


def test_an_unknown_regime_is_none_and_served_by_the_pool(data):
    X, _, _ = data
    ensemble = numbers(data)
    explanation = ensemble.explain(X.iloc[:3], regimes=["calm", None, "new"])
    assert explanation.regime.tolist() == ["calm", None, None]
    np.testing.assert_allclose(explanation.weights[1], ensemble.weights_["pooled"])
    np.testing.assert_allclose(explanation.weights[0], ensemble.weights_["calm"])
    assert numbers(data).explain(X).regime.tolist() == [None] * N


def test_the_likeliest_regime_is_named(data):
    soft = pd.DataFrame({"wild": [0.3, 0.9], "calm": [0.7, 0.1]}, index=data[0].index[:2])
    explanation = numbers(data).explain(data[0].iloc[:2], regimes=soft)
    assert explanation.regime.tolist() == ["calm", "wild"]
    np.testing.assert_allclose(explanation.memberships, [[0.7, 0.3], [0.1, 0.9]])


def test_who_was_asleep(data):
    X, _, _ = data
    with pytest.warns(ModelFailureWarning, match="shy has no finite prediction"):
        explanation = numbers(data, models=[("shy", Shy()), ("line", LinearRegression())]).explain(X)
    np.testing.assert_array_equal(explanation.asleep[:, 0], X["a"] > 1)
    assert not explanation.asleep[:, 1].any()
    assert (explanation.weights[explanation.asleep] == 0).all()
    assert (explanation.contributions[explanation.asleep] == 0).all()
    np.testing.assert_array_equal(np.isnan(explanation.member_predictions).all(axis=2), explanation.asleep)


def test_class_labels_stay_what_they_are(data):
    explanation = classes(data).explain(data[0])
    assert explanation.classes == ("buy", "hold", "sell")
    likeliest = np.array(explanation.classes, dtype=object)[explanation.combined.argmax(axis=1)]
    np.testing.assert_array_equal(explanation.prediction, likeliest)
    whole = classes(data, labels=(-1, 0, 7)).explain(data[0])
    assert whole.classes == (-1, 0, 7)


# The table.


def test_the_frame_of_numbers(data):
    X, _, regimes = data
    ensemble = numbers(data)
    explanation = ensemble.explain(X, regimes=regimes)
    frame = explanation.frame()
    assert list(frame.columns) == [
        *("row", "model", "said", "weight", "contribution", "baseline", "combined"),
        *("prediction", "regime", "agreement", "confidence"),
    ]
    assert len(frame) == 2 * N
    np.testing.assert_array_equal(frame["row"].to_numpy()[::2], X.index.to_numpy())
    said = frame.pivot_table(index="row", columns="model", values="said")
    pd.testing.assert_frame_equal(
        said[["ridge", "line"]], ensemble.member_predictions(X), check_names=False, check_freq=False
    )
    sums = frame.groupby("row")["contribution"].sum() + frame.groupby("row")["baseline"].first()
    np.testing.assert_allclose(sums, explanation.combined[:, 0])
    assert (frame.groupby("row")["weight"].sum() - 1).abs().max() < 1e-9
    assert frame["regime"].tolist()[:2] == [regimes.iloc[0]] * 2


def test_the_frame_of_classes(data):
    ensemble = classes(data)
    explanation = ensemble.explain(data[0].iloc[:5])
    frame = explanation.frame()
    assert len(frame) == 5 * 2 * 3
    assert frame["class"].tolist()[:6] == ["buy", "hold", "sell"] * 2
    first = frame[(frame["row"] == data[0].index[0]) & (frame["class"] == "hold")]
    np.testing.assert_allclose(first["said"], explanation.member_predictions[0, :, 1])
    np.testing.assert_allclose(first["contribution"].sum() + first["baseline"].iloc[0], explanation.combined[0, 1])
    np.testing.assert_allclose(first["combined"], explanation.combined[0, 1])


def test_rows_without_names_are_numbered(data):
    X, y, _ = data
    ensemble = RegimeAwareEnsembleRegressor([("line", LinearRegression())], n_jobs=1).fit(X.to_numpy(), y.to_numpy())
    assert ensemble.explain(X.to_numpy()[:3]).frame()["row"].tolist() == [0, 1, 2]


# What a person reads.


def record(**fields):
    given = {
        "prediction": np.array([2.5]),
        "combined": np.array([[2.5]]),
        "models": ("tree", "line"),
        "member_predictions": np.array([[[2.0], [4.0]]]),
        "weights": np.array([[0.75, 0.25]]),
        "contributions": np.array([[[1.5], [1.0]]]),
        "baseline": np.zeros((1, 1)),
        "best_so_far": np.array([[2.0]]),
        "regimes": ("calm",),
        "memberships": np.ones((1, 1)),
        "agreement": np.array([1.0]),
        "confidence": np.array([0.25]),
        "nominal": np.array([0.5]),
        "limits": np.array([[[1.0, 2.0], [3.0, 4.0]]]),
        "coverages": (0.5, 0.9),
        "classes": None,
        "index": pd.RangeIndex(1),
    }
    return Explanation(**(given | fields))


def test_one_prediction_reads_as_a_table():
    assert repr(record()).splitlines() == [
        "prediction 2.5   confidence 0.25   agreement 1.00   regime calm",
        "  tree      said          2   weight 0.750   contribution +1.5",
        "  line      said          4   weight 0.250   contribution +1",
    ]


def test_sleepers_baselines_and_unknown_regimes_are_readable():
    text = repr(
        record(
            member_predictions=np.array([[[2.0], [np.nan]]]),
            weights=np.array([[1.0, 0.0]]),
            contributions=np.array([[[1.5], [0.0]]]),
            baseline=np.ones((1, 1)),
            memberships=np.zeros((1, 1)),
        )
    )
    assert "regime unknown" in text
    assert "line      said     asleep" in text
    assert text.splitlines()[-1].split() == ["baseline", "contribution", "+1"]


def test_a_class_reads_with_its_probability():
    text = repr(
        record(
            prediction=np.array(["up"], dtype=object),
            combined=np.array([[0.2, 0.8]]),
            classes=("down", "up"),
            member_predictions=np.array([[[0.4, 0.6], [0.1, 0.9]]]),
            contributions=np.array([[[0.1, 0.3], [0.1, 0.5]]]),
            baseline=np.zeros((1, 2)),
        )
    )
    assert text.startswith("prediction up (probability 0.8)")
    assert "said        0.6" in text


def test_many_predictions_are_counted(data):
    explanation = numbers(data).explain(data[0])
    assert len(explanation) == N
    assert repr(explanation) == "Explanation of 80 predictions by 2 models (ridge, line)"


# Intervals and sets.


def test_the_interval_reaches_as_far_as_was_stated():
    np.testing.assert_array_equal(record().interval(0.9), [[0.5, 6.5]])
    np.testing.assert_array_equal(record().interval(0.5), [[1.5, 5.5]])
    with pytest.raises(
        ValueError, match=r"coverage of interval must be .*tracked, \(0.5, 0.9\); got 0.8. predict_interval"
    ):
        record().interval(0.8)
    with pytest.raises(ValueError, match="possible is for classes"):
        record().possible(0.9)


def test_possible_are_the_classes_within_the_margin():
    said = record(combined=np.array([[0.6, 0.3, 0.1]]), classes=(1, 2, 3), limits=np.array([[[0.1, 1.0]]]))
    np.testing.assert_array_equal(said.possible(0.5), [[True, False, False]])
    np.testing.assert_array_equal(said.possible(0.9), [[True, True, False]])
    with pytest.raises(ValueError, match=r"coverage of possible must be .*tracked, \(0.5, 0.9\); got 0.8. predict_set"):
        said.possible(0.8)
    with pytest.raises(ValueError, match="interval is for numbers"):
        said.interval(0.9)


# Agreement and confidence.


def test_agreement_by_hand():
    said = np.array([[[1.0], [-3.0], [2.0]]])
    weights = np.array([[0.5, 0.25, 0.25]])
    assert agreement(said, weights, np.array([[0.25]])) == [0.75]
    assert agreement(said, weights, np.array([[-0.25]])) == [0.25]
    probabilities = np.array([[[0.6, 0.4], [0.2, 0.8], [np.nan, np.nan]]])
    assert agreement(probabilities, np.array([[0.7, 0.3, 0.0]]), np.array([[0.48, 0.52]])) == [0.3]


def test_spread_by_hand():
    said = np.array([[[1.0], [3.0], [np.nan]]])
    np.testing.assert_allclose(spread(said, np.array([[0.5, 0.5, 0.0]]), np.array([[2.0]])), [1.0])
    np.testing.assert_allclose(spread(said, np.array([[0.75, 0.25, 0.0]]), np.array([[1.5]])), [np.sqrt(0.75)])


@pytest.mark.parametrize("combiner", COMBINERS)
@pytest.mark.parametrize("task", [numbers, classes])
def test_confidence_and_agreement_are_shares(data, combiner, task):
    X, _, regimes = data
    explanation = task(data, combiner).explain(X * 3, regimes=regimes)
    for share in (explanation.confidence, explanation.agreement):
        assert ((share >= 0) & (share <= 1)).all()
    assert explanation.confidence.std() > 0


# Rows, and other orders of names.


@pytest.mark.parametrize("task", [numbers, classes])
@pytest.mark.parametrize("rows", [3, slice(2, 9), [5, 1], np.arange(N) % 7 == 0])
def test_some_rows_are_those_rows(data, task, rows):
    X, _, regimes = data
    ensemble = task(data)
    some, whole = ensemble.explain(X, regimes=regimes)[rows], ensemble.explain(X, regimes=regimes)
    at = np.atleast_1d(np.arange(N)[rows])
    alone = ensemble.explain(X.iloc[at], regimes=regimes.iloc[at])
    assert len(some) == len(at)
    assert some.index.equals(X.index[at])
    for name in (
        "prediction",
        "combined",
        "weights",
        "contributions",
        "memberships",
        "confidence",
        "limits",
        "nominal",
    ):
        np.testing.assert_array_equal(getattr(some, name), getattr(whole, name)[at])
        # Linear models round by batch.
        if getattr(some, name).dtype.kind == "f":
            np.testing.assert_allclose(getattr(some, name), getattr(alone, name), rtol=1e-9)
    assert (some.models, some.regimes, some.classes) == (whole.models, whole.regimes, whole.classes)


@pytest.mark.parametrize("task", [numbers, classes])
def test_pieces_join_to_the_whole(data, task):
    X, _, regimes = data
    ensemble = task(data)
    whole = ensemble.explain(X, regimes=regimes)
    again = joined([whole[:30], whole[30:31], whole[31:]])
    pd.testing.assert_frame_equal(again.frame(), whole.frame())
    assert joined([whole]) is whole


def test_what_only_some_pieces_know_is_laid_out_in_the_others(data):
    X = data[0]
    two, three = classes(data, labels=("buy", "sell")).explain(X[:4]), classes(data).explain(X[4:7])
    both = joined([laid_out(two, ("bold", "other"), ("calm", "new"), ("buy", "sell")), three])
    assert both.models == ("bold", "other", "calm")
    assert both.regimes == ("calm", "new", "wild")
    assert both.classes == ("buy", "hold", "sell")
    np.testing.assert_array_equal(both.combined[:4, [0, 2]], two.combined)
    assert (both.combined[:4, 1] == 0).all()
    np.testing.assert_array_equal(both.best_so_far[:4, [0, 2]], two.best_so_far)
    assert (both.best_so_far[:4, 1] == 0).all()
    np.testing.assert_array_equal(both.member_predictions[:4, 0][:, [0, 2]], two.member_predictions[:, 1])
    assert both.asleep.tolist() == [[False, True, True]] * 4 + [[False, True, False]] * 3
    # The weight of a model that is not named any more is the others'.
    assert (both.weights[:4, 0] == 1).all()
    total = both.baseline + both.contributions.sum(axis=1)
    np.testing.assert_allclose(total, both.combined, atol=1e-12)

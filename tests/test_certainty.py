"""How sure the estimators are: intervals, sets and confidence that come true as often as they say, live and late."""

import pickle
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor, walk_forward
from skensemble.combiners import Stacking
from skensemble.datasets import load_sp500, make_regime_classification
from skensemble.explanation import joined
from skensemble.performance import wilson_interval

N = 400
COVERAGES = np.array([0.5, 0.8, 0.9, 0.95])
AVERAGING = ["weighted_voting", "dynamic"]
COMBINERS = [*AVERAGING, "stacking", "weighted_combiners"]
every_combiner = pytest.mark.parametrize("combiner", COMBINERS)
every_task = pytest.mark.parametrize("classes", [False, True])


def made(n=N, seed=0, classes=False):
    rng = np.random.RandomState(seed)
    wild = (np.arange(n) // 40) % 2 == 1
    X = pd.DataFrame(rng.standard_normal((n, 3)), columns=list("abc"), index=pd.date_range("2023-01-01", periods=n))
    y = pd.Series(X["a"] + np.where(wild, 2.0, 0.5) * rng.standard_normal(n), X.index)
    if classes:
        y = pd.Series(np.select([y < -0.5, y > 0.5], ["down", "up"], "flat"), X.index)
    return X, y, pd.Series(np.where(wild, "wild", "calm"), X.index)


def ensemble(combiner="dynamic", classes=False, **params):
    if classes:
        models = [("tree", DecisionTreeClassifier(max_depth=3)), ("prior", DummyClassifier())]
        return RegimeAwareEnsembleClassifier(models, combiner=combiner, cv=3, random_state=0, **params)
    # Trees say of a row the same bits alone and among others.
    models = [("tree", DecisionTreeRegressor(max_depth=3)), ("stump", DecisionTreeRegressor(max_depth=1))]
    return RegimeAwareEnsembleRegressor(models, combiner=combiner, cv=3, random_state=0, **params)


def fitted(combiner="dynamic", classes=False, n=200, **params):
    X, y, regimes = made(classes=classes)
    return ensemble(combiner, classes, **params).fit(X[:n], y[:n], regimes=regimes[:n]), (X, y, regimes)


def record(model):
    return model._certainty.bounds, model.confidence_


# What is said.


@every_combiner
def test_intervals_hold_the_prediction_and_grow_with_the_coverage(combiner):
    model, (X, _, regimes) = fitted(combiner)
    said = model.explain(X[200:], regimes=regimes[200:])
    before = None
    for coverage in (0.3, 0.5, 0.6, 0.9, 0.95):
        low, high = model.predict_interval(X[200:], regimes=regimes[200:], coverage=coverage).T
        assert ((low < said.prediction) & (said.prediction < high)).all()
        if coverage in said.coverages:
            np.testing.assert_allclose(said.interval(coverage), np.column_stack([low, high]), rtol=1e-12)
        if before is not None:
            assert ((low <= before[0]) & (high >= before[1])).all()
        before = low, high
    wide = model.predict_interval(X[200:202], regimes=["calm", "wild"])
    assert np.ptp(wide[1]) > 1.5 * np.ptp(wide[0])
    # Without a regime the pooled answer serves.
    unknown = model.predict_interval(X[200:201], regimes=[None])
    assert np.ptp(wide[0]) < np.ptp(unknown) < np.ptp(wide[1])


@every_combiner
def test_sets_hold_the_likeliest_class_and_grow_with_the_coverage(combiner):
    model, (X, _, regimes) = fitted(combiner, classes=True)
    said = model.explain(X[200:], regimes=regimes[200:])
    before = np.zeros((200, 3), dtype=bool)
    for coverage in (0.3, 0.5, 0.85, 0.9, 0.95):
        inside = model.predict_set(X[200:], regimes=regimes[200:], coverage=coverage)
        assert inside[np.arange(200), said.combined.argmax(axis=1)].all()
        assert (inside >= before).all()
        if coverage in said.coverages:
            np.testing.assert_array_equal(said.possible(coverage), inside)
        before = inside
    assert 1.2 < before.sum(axis=1).mean() <= 3


def test_other_coverages_may_be_asked_for():
    model, (X, _, _) = fitted(coverages=(0.5, 0.99))
    assert model.intervals_.coverages == (0.5, 0.99)
    assert model.explain(X[200:203]).limits.shape == (3, 2, 2)
    wide, wider = (np.ptp(model.predict_interval(X[200:201], coverage=c)) for c in (0.5, 0.99))
    assert wider > 2 * wide


@every_task
def test_a_coverage_that_makes_no_sense_gets_a_sentence_that_names_who_was_asked(classes):
    model, (X, _, _) = fitted(classes=classes)
    name = "predict_set" if classes else "predict_interval"
    with pytest.raises(ValueError, match=rf"coverage of {name} must be at most 0.95, .*tracked; got 0.97.*coverages"):
        getattr(model, name)(X[200:201], coverage=0.97)
    with pytest.raises(ValueError, match=f"coverage of {name} must be a number above 0; got 0"):
        getattr(model, name)(X[200:201], coverage=0)
    with pytest.raises(ValueError, match=rf"coverages of {type(model).__name__} must be numbers .*got \(0.9, 0.5\)"):
        fitted(classes=classes, coverages=(0.9, 0.5))


@every_task
def test_before_fit_nothing_is_known(classes):
    X, _, _ = made()
    ask = "predict_set" if classes else "predict_interval"
    for call in (lambda model: getattr(model, ask)(X), lambda model: model.confidence_):
        with pytest.raises(ValueError, match="not fitted yet"):
            call(ensemble(classes=classes))
    assert not hasattr(ensemble(), "predict_set")
    assert not hasattr(ensemble(classes=True), "predict_interval")


class Odd(ClassifierMixin, BaseEstimator):
    """A classifier whose probabilities are none."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.tile(np.linspace(-0.1, 1.3, len(self.classes_)), (len(X), 1))

    def predict(self, X):
        return np.full(len(X), self.classes_[-1])


@every_combiner
@pytest.mark.parametrize("calibrate", [False, True])
def test_probabilities_that_are_none_sink_nobody(combiner, calibrate):
    X, y, regimes = made(classes=True)
    models = [("odd", Odd()), ("odder", Odd())]
    model = RegimeAwareEnsembleClassifier(models, combiner=combiner, cv=2, calibrate=calibrate)
    model.fit(X[:200], y[:200], regimes=regimes[:200]).partial_update(X[200:], y[200:], regimes=regimes[200:])
    assert ((model.explain(X).confidence >= 0) & (model.explain(X).confidence <= 1)).all()
    assert model.predict_set(X).any(axis=1).all()


@every_combiner
def test_one_class_alone_is_certain(combiner):
    X, _, _ = made()
    model = RegimeAwareEnsembleClassifier([("prior", DummyClassifier())], combiner=combiner, cv=2, calibrate=True)
    model.fit(X[:100], np.full(100, "up")).partial_update(X[100:110], np.full(10, "up"))
    assert model.sets_.coverage_frame()["realised"].tolist() == [1.0] * 4
    assert model.predict_set(X[:3]).tolist() == [[True]] * 3
    assert model.explain(X[:3]).possible(0.9).tolist() == [[True]] * 3


@every_combiner
@pytest.mark.parametrize("calibrate", [False, True])
def test_one_class_at_first_and_others_later(combiner, calibrate):
    X, _, regimes = made()
    y = pd.Series(np.random.RandomState(0).choice(["down", "up"], N), X.index)
    y[:100] = "up"
    model = RegimeAwareEnsembleClassifier(
        [("tree", DecisionTreeClassifier(max_depth=2)), ("prior", DummyClassifier())],
        combiner=combiner,
        cv=2,
        calibrate=calibrate,
        warm_start=True,
    )
    model.fit(X[:80], y[:80], regimes=regimes[:80])
    early = model.explain(X[80:120], regimes=regimes[80:120])
    assert early.limits.shape == (40, 1, 4)
    model.partial_update(predictions=early[:20], y=y[80:100])
    with pytest.raises(ValueError, match=r"holds the class 'down', which fit has not seen; .* \['up'\]. Fit again"):
        model.partial_update(X[100:120], y[100:120], regimes=regimes[100:120])
    with pytest.warns(UserWarning, match="classes were"):
        model.fit(X[:100], y[:100].where(np.arange(100) % 3 > 0, "down"), regimes=regimes[:100])
    model.partial_update(predictions=early[20:], y=y[100:120])
    model.partial_update(X[120:200], y[120:200], regimes=regimes[120:200])
    model.fit(X[:300], y[:300], regimes=regimes[:300])
    # Nothing was said of the other class, so that it was outside of every set.
    late = model.explain(X[300:320], regimes=regimes[300:320])
    both = joined([early, late])
    assert both.classes == ("down", "up")
    assert both.limits.shape == (60, 1, 4)
    np.testing.assert_array_equal(both.possible(0.9)[:40], [[False, True]] * 40)
    np.testing.assert_array_equal(both.possible(0.9)[40:], late.possible(0.9))


def test_a_walk_from_one_class_to_three_and_back():
    X, _, regimes = made()
    y = pd.Series(np.random.RandomState(0).choice(["down", "flat", "up"], N), X.index)
    y[:150], y[250:] = "up", "down"
    models = [("tree", DecisionTreeClassifier(max_depth=2)), ("prior", DummyClassifier())]
    model = RegimeAwareEnsembleClassifier(models, cv=2, calibrate=True, warm_start=True)
    with pytest.warns(UserWarning, match="classes were"):
        walk = walk_forward(model, X, y, regimes=regimes, initial=100, refit_every=50, window=100)
    sets = next(iter(walk.explanations.values())).possible(0.9)
    assert sets.shape == (300, 3)
    assert sets[:50].tolist() == [[False, False, True]] * 50


# What is learned.


@every_task
@every_combiner
def test_rows_at_once_are_rows_one_by_one(combiner, classes):
    model, (X, y, regimes) = fitted(combiner, classes)
    at_once = deepcopy(model).partial_update(X[200:260], y[200:260], regimes=regimes[200:260])
    for row in range(200, 260):
        now = slice(row, row + 1)
        model.partial_update(X[now], y[now], regimes=regimes[now])
    assert record(model) == record(at_once)
    assert record(model) != record(fitted(combiner, classes)[0])


@every_task
@every_combiner
def test_an_explanation_is_judged_by_what_it_stated(combiner, classes):
    model, (X, y, regimes) = fitted(combiner, classes)
    said = model.explain(X[200:230], regimes=regimes[200:230])
    later = deepcopy(model).partial_update(X[230:300], y[230:300], regimes=regimes[230:300])
    before = record(later)
    later.partial_update(predictions=said, y=y[200:230])
    frames = [bounds.coverage_frame(later.regimes_).loc["pooled"] for bounds in (before[0], record(later)[0])]
    covered = frames[1]["n"] * frames[1]["realised"] - frames[0]["n"] * frames[0]["realised"]
    if classes:
        came = model.classes_ == y[200:230].to_numpy()[:, None]
        inside = [(said.possible(coverage) & came).any(axis=1).sum() for coverage in said.coverages]
    else:
        ends = [said.interval(coverage).T for coverage in said.coverages]
        inside = [((low <= y[200:230]) & (y[200:230] <= high)).sum() for low, high in ends]
    np.testing.assert_allclose(covered, inside)
    bins = [each.reliability(later.regimes_).loc[("pooled", "all")] for each in (before[1], later.confidence_)]
    stated = bins[1]["n"] * bins[1]["stated"] - bins[0]["n"] * bins[0]["stated"]
    assert stated == pytest.approx(said.confidence.sum())


def test_late_labels_are_not_known_to_the_intervals_of_fit():
    """With a horizon of h rows, what the first h rows after a change say is as if nothing had changed."""
    X, y, regimes = made()
    changed = y.copy()
    changed.iloc[300] += 500.0
    frames = []
    for horizon in (0, 8):
        model = ensemble(label_horizon=horizon).fit(X, y, regimes=regimes)
        frames.append(model.intervals_.coverage_frame(model.regimes_).loc["pooled"])
        spoiled = ensemble(label_horizon=horizon).fit(X[:301], changed[:301], regimes=regimes[:301])
        assert np.isfinite(spoiled.predict_interval(X[301:])).all()
    # Rows that wait for the first outcomes know no scale, and are not judged.
    assert frames[0]["n"].iloc[0] - frames[1]["n"].iloc[0] == 7


@every_task
def test_a_retrain_keeps_the_record_and_follows_the_regimes(classes):
    model, (X, y, regimes) = fitted(classes=classes, warm_start=True)
    model.partial_update(X[200:240], y[200:240], regimes=regimes[200:240])
    before = record(model)
    model.fit(X[:240], y[:240], regimes=regimes[:240])
    assert record(model) == before
    new = regimes[:280].where(np.arange(280) < 260, "new")
    model.fit(X[:280], y[:280], regimes=new)
    assert model.regimes_ == ("calm", "wild", "new")
    rows = record(model)[0].n_rows
    assert rows[-1] == before[0].n_rows[-1] + 40
    assert rows[2] == 20


@every_task
@every_combiner
def test_other_coverages_are_learned_from_the_folds_of_the_retrain(combiner, classes):
    model, (X, y, regimes) = fitted(combiner, classes, warm_start=True)
    model.partial_update(X[200:210], y[200:210], regimes=regimes[200:210])
    n_right, now = model.confidence_.n_rows[-1], {"regimes": regimes[:210]}
    model.set_params(coverages=(0.6, 0.9)).fit(X[:210], y[:210], **now)
    assert record(model)[0] == record(clone(model).fit(X[:210], y[:210], **now))[0]
    # How often sides are right has nothing to do with it.
    assert model.confidence_.n_rows[-1] == n_right
    # The same coverages in other words are the same.
    bounds = record(model)[0]
    assert record(model.set_params(coverages=[0.6, 0.9]).fit(X[:210], y[:210], **now))[0] == bounds
    assert len(model.out_of_fold_.rows) == 0


def test_statements_of_other_coverages_are_judged_anew():
    model, (X, y, regimes) = fitted(warm_start=True)
    said = model.explain(X[200:210], regimes=regimes[200:210])
    model.set_params(coverages=(0.6, 0.9)).fit(X[:200], y[:200], regimes=regimes[:200])
    n = model.intervals_.n_rows[-1]
    model.partial_update(predictions=said, y=y[200:210])
    assert model.intervals_.n_rows[-1] == n + 10


@every_task
def test_rows_of_weight_zero_are_rows_left_out(classes):
    X, y, regimes = made(classes=classes)
    weight = np.where(np.arange(N) % 5, 1.0, 0.0)
    spoiled = y.where(weight > 0, "up" if classes else 1e6)
    one, other = (
        ensemble(classes=classes).fit(X[:300], target[:300], regimes=regimes[:300], sample_weight=weight[:300])
        for target in (y, spoiled)
    )
    assert record(one) == record(other)
    one, other = (
        each.partial_update(X[300:], target[300:], regimes=regimes[300:], sample_weight=weight[300:])
        for each, target in ((one, y), (other, spoiled))
    )
    assert record(one) == record(other)


def test_a_pickle_knows_all_of_it():
    for classes in (False, True):
        model, (X, _, regimes) = fitted(classes=classes)
        again = pickle.loads(pickle.dumps(model))
        assert record(again) == record(model)
        one, other = (each.explain(X[200:], regimes=regimes[200:]) for each in (model, again))
        np.testing.assert_array_equal(one.limits, other.limits)


# As often as it says.


def realised(walk, name):
    said, y = walk.explanations[name], walk.outcome.to_numpy()
    return np.column_stack(
        [(low <= y) & (y <= high) for low, high in (said.interval(coverage).T for coverage in said.coverages)]
    )


@pytest.mark.parametrize("target", ["volatility", "return"])
def test_intervals_on_the_sp500_cover_what_they_say(target):
    X, y, regimes = (part["2003":] for part in load_sp500(target))
    horizon = {"volatility": 5, "return": 1}[target]
    models = [("line", LinearRegression()), ("shy", Ridge(1e3)), ("mean", DummyRegressor())]
    model = RegimeAwareEnsembleRegressor(models, combiner="dynamic", label_horizon=horizon)
    walk = walk_forward({"it": model}, X, y, regimes=regimes, initial=500, refit_every="YS", outcome_delay=horizon)
    inside = realised(walk, "it")
    assert np.abs(inside.mean(axis=0) - COVERAGES).max() < 0.015
    for regime, share in walk.memberships.items():
        if share.sum() > 500:
            assert np.abs(inside[share == 1].mean(axis=0) - COVERAGES).max() < 0.03, regime
    # Labels of five days overlap: 250 rows are worth 50 there.
    least = {"volatility": -0.1, "return": -0.08}[target]
    rolling = pd.DataFrame(inside).rolling(250).mean()[500:]
    assert (rolling - COVERAGES).min().min() > least


def test_confidence_of_classes_comes_true_by_regime():
    X, y, regimes = make_regime_classification(3000, random_state=5)
    models = [("line", LogisticRegression()), ("bold", Bold())]
    model = RegimeAwareEnsembleClassifier(models, combiner="dynamic")
    walk = walk_forward({"it": model}, X, y, regimes=regimes, initial=600)
    said = walk.explanations["it"]
    right = walk.wins["it"].to_numpy()
    assert abs(right.mean() - said.confidence.mean()) < 0.02
    for regime in ("R0", "R1"):
        own = (walk.regimes == regime).to_numpy()
        assert abs(right[own].mean() - said.confidence[own].mean()) < 0.04
    sure = said.confidence > np.quantile(said.confidence, 0.8)
    assert right[sure].mean() > right[~sure].mean()
    # What was stated is nearer to what came true than what the models said.
    assert ((said.confidence - right) ** 2).mean() <= ((said.nominal - right) ** 2).mean()
    report = walk.estimators["it"].performance_report()
    own = report.query("performer == 'ensemble' and window == 'lifetime'").set_index("regime")
    assert own.loc["pooled", "right_low"] < own.loc["pooled", "confidence"] < own.loc["pooled", "right_high"]
    assert own.loc["R0", "n_confidence"] + own.loc["R1", "n_confidence"] == own.loc["pooled", "n_confidence"]
    assert report.query("performer == 'line'")["confidence"].isna().all()


def test_outcomes_that_share_their_days_say_less_about_how_often_it_was_right():
    X, y, regimes = made()
    model = ensemble(label_horizon=4).fit(X, y, regimes=regimes)
    report = model.performance_report().query("performer == 'ensemble' and window == 'lifetime'")
    independent = report["n_confidence"] / 4
    low, high = wilson_interval(report["right"] * independent, independent)
    np.testing.assert_allclose(report["right_low"], low)
    np.testing.assert_allclose(report["right_high"], high)


class Bold(ClassifierMixin, BaseEstimator):
    """A classifier that is far too sure."""

    def fit(self, X, y):
        self.model_ = LogisticRegression().fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict_proba(self, X):
        sharp = self.model_.predict_proba(X) ** 6
        return sharp / sharp.sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def test_the_side_of_a_return_is_believed_as_far_as_it_came_true():
    rng = np.random.RandomState(1)
    X = pd.DataFrame({"a": rng.standard_normal(2000)}, index=pd.date_range("2020-01-01", periods=2000))
    y = pd.Series(0.5 * X["a"] + rng.standard_normal(2000), X.index)
    model = RegimeAwareEnsembleRegressor([("line", LinearRegression()), ("mean", DummyRegressor())], combiner="dynamic")
    walk = walk_forward({"it": model}, X, y, initial=500)
    said = walk.explanations["it"]
    right = np.sign(said.prediction) == np.sign(walk.outcome)
    for low, high in ((0.5, 0.6), (0.6, 0.7), (0.7, 1.0)):
        own = (said.confidence >= low) & (said.confidence < high)
        assert abs(right[own].mean() - said.confidence[own].mean()) < 0.07, (low, own.sum())


# Calibrated probabilities.


def market(n=1200, seed=3):
    return make_regime_classification(n, n_classes=3, random_state=seed)


@every_combiner
def test_calibration_pays_or_changes_nothing(combiner):
    X, y, regimes = market()
    then, now = slice(0, 900), slice(900, None)
    for models in ([("bold", Bold())], [("line", LogisticRegression())]):
        plain, calibrated = (
            RegimeAwareEnsembleClassifier(models, combiner=combiner, calibrate=calibrate).fit(
                X[then], y[then], regimes=regimes[then]
            )
            for calibrate in (False, True)
        )
        assert plain.calibration_ is None
        losses = [
            log_loss(record.targets.argmax(axis=1), record.combined, labels=[0, 1, 2])
            for record in (plain.out_of_fold_, calibrated.out_of_fold_)
        ]
        assert losses[1] <= losses[0] + 1e-12
        said = [model.predict_proba(X[now], regimes=regimes[now]) for model in (plain, calibrated)]
        if calibrated.calibration_.slope == 1:
            np.testing.assert_array_equal(*said)
        if models[0][0] == "bold" and combiner in AVERAGING:
            assert calibrated.calibration_.slope < 1
            live = [log_loss(y[now], each) for each in said]
            assert live[1] < live[0]


@every_combiner
def test_calibrated_explanations_add_up(combiner):
    X, y, regimes = market()
    models = [("bold", Bold()), ("line", LogisticRegression())]
    model = RegimeAwareEnsembleClassifier(models, combiner=combiner, calibrate=True).fit(X, y, regimes=regimes)
    said = model.explain(X, regimes=regimes)
    np.testing.assert_allclose(said.baseline + said.contributions.sum(axis=1), said.combined, atol=1e-9)
    np.testing.assert_array_equal(said.combined, model.predict_proba(X, regimes=regimes))
    np.testing.assert_allclose(said.combined.sum(axis=1), 1.0)
    np.testing.assert_array_equal(model.classes_[said.combined.argmax(axis=1)], model.predict(X, regimes=regimes))


def test_calibration_knows_no_later_outcome():
    X, y, regimes = market()
    changed = y.copy()
    changed.iloc[900:] = 2 - changed.iloc[900:]
    models = [("bold", Bold()), ("line", LogisticRegression())]
    one, other = (
        RegimeAwareEnsembleClassifier(models, calibrate=True).fit(X, target, regimes=regimes).out_of_fold_
        for target in (y, changed)
    )
    same = one.rows < 900
    np.testing.assert_array_equal(one.combined[same], other.combined[same])
    assert not np.array_equal(one.combined[~same], other.combined[~same])


class Sharp(ClassifierMixin, BaseEstimator):
    """Say as much as column "a" tells, as sharply as column "b" has it."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return softmax(X[["b"]].to_numpy() * X[["a"]].to_numpy() * np.linspace(-1, 1, len(self.classes_)), axis=1)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def sharpness(*slopes, n=300, n_classes=2, seed=0):
    """Stretches of n rows on which models are sharper than they should be by the factor of the stretch."""
    rng = np.random.RandomState(seed)
    b = np.repeat(slopes, n).astype(float)
    index = pd.date_range("2023-01-01", periods=len(b))
    X = pd.DataFrame({"a": 1.5 * rng.standard_normal(len(b)), "b": b}, index)
    truth = softmax(X[["a"]].to_numpy() * np.linspace(-1, 1, n_classes), axis=1)
    y = (np.log(truth) + rng.gumbel(size=truth.shape)).argmax(axis=1)
    return X, pd.Series(y, index)


def sharp(combiner="weighted_voting", names=("one", "other"), **params):
    models = [(name, Sharp()) for name in names]
    return RegimeAwareEnsembleClassifier(models, combiner=combiner, cv=4, calibrate=True, warm_start=True, **params)


def n_known(model):
    """Outcomes that calibration has learned from."""
    return len(model.calibration_._rows.weights)


@every_combiner
def test_the_map_of_a_retrain_knows_what_has_come_true_since(combiner):
    X, y = sharpness(3, 1, 1, 1)
    model = sharp(combiner).fit(X[:300], y[:300])
    first = model.calibration_
    for start in range(300, 1200, 50):
        now = slice(start, start + 50)
        model.partial_update(predictions=model.explain(X[now]), y=y[now])
        model.fit(X[: start + 50], y[: start + 50])
    assert n_known(model) == first._rows.weights.size + 900
    plain = model.combiner_.combine(model._ask_models(X[:5]), np.zeros((5, 0)))
    if combiner in AVERAGING:
        assert first.slope < 0.6
        assert model.calibration_.slope == 1
        np.testing.assert_array_equal(model.predict_proba(X[:5]), plain)


def test_a_map_that_does_not_pay_any_more_is_dropped_before_the_next_retrain():
    X, y = sharpness(3, 0.4)
    model = sharp().fit(X[:300], y[:300])
    taught = model.calibration_.slope
    assert taught < 0.6
    model.partial_update(X[300:], y[300:])
    assert model.calibration_.slope == 1
    assert model.fit(X[:300], y[:300]).calibration_.slope == 1


def walked(*slopes):
    """Losses, calibrated and plain, of a walk over the stretches after the first."""
    X, y = sharpness(*slopes, n=400)
    rivals = {"calibrated": sharp("dynamic"), "plain": sharp("dynamic").set_params(calibrate=False)}
    losses = walk_forward(rivals, X, y, initial=400, refit_every=80).losses
    return losses["calibrated"], losses["plain"]


def test_a_walk_drops_a_map_soon_after_it_has_stopped_to_pay():
    calibrated, plain = walked(2, 1, 1)
    assert (calibrated[:20] != plain[:20]).all()
    assert (calibrated[100:] == plain[100:]).all()
    assert calibrated.mean() < plain.mean() * 1.02


def test_a_walk_takes_up_a_map_that_has_begun_to_pay():
    calibrated, plain = walked(1, 2, 2)
    assert (calibrated[:50] == plain[:50]).all()
    assert calibrated.mean() < plain.mean() * 0.95


@every_combiner
def test_calibrated_rows_at_once_are_calibrated_rows_one_by_one(combiner):
    X, y = sharpness(3, 0.5)
    model = sharp(combiner).fit(X[:300], y[:300])
    at_once = deepcopy(model).partial_update(X[300:], y[300:])
    for row in range(300, 600):
        model.partial_update(X[row : row + 1], y[row : row + 1])
    assert model.calibration_ == at_once.calibration_
    assert record(model) == record(at_once)
    assert model.ledger_ == at_once.ledger_


@pytest.mark.parametrize("combiner", ["weighted_voting", "dynamic"])
def test_no_row_is_learned_from_twice(combiner):
    X, y = sharpness(3, 3)
    model = sharp(combiner).fit(X[:300], y[:300])
    out_of_fold = len(model.out_of_fold_.rows)
    assert n_known(model) == out_of_fold
    # A retrain without news learns the same map from the same rows.
    first = model.calibration_
    assert model.fit(X[:300], y[:300]).calibration_ == first
    assert len(model.out_of_fold_.rows) == 0
    model.partial_update(X[300:400], y[300:400])
    assert n_known(model) == out_of_fold + 100
    # 400 to 450 are news to this one, and come from its folds.
    model.fit(X[:450], y[:450])
    assert n_known(model) == out_of_fold + 150
    assert model.calibration_.slope != first.slope
    # A new model brings all folds with it, but what the ensemble had said of them is on record.
    model.set_params(estimators=[(name, Sharp()) for name in ("one", "other", "new")]).fit(X[:450], y[:450])
    assert len(model.out_of_fold_.rows) > 300
    assert n_known(model) == out_of_fold + 150
    with pytest.warns(UserWarning, match="without times"):
        model.fit(X.reset_index(drop=True), y.reset_index(drop=True))
    assert n_known(model) == out_of_fold + 150


def test_calibration_comes_goes_and_starts_anew():
    X, y = sharpness(3, 3)
    model = sharp("dynamic").set_params(calibrate=False).fit(X[:300], y[:300])
    assert model.calibration_ is None
    model.partial_update(X[300:400], y[300:400])
    # All folds are asked what the ensemble would have said.
    late = deepcopy(model).set_params(calibrate=True).fit(X[:400], y[:400])
    assert n_known(late) == len(late.out_of_fold_.rows) == 400 - late.n_excluded_
    assert late.calibration_.slope < 0.6
    assert late.set_params(calibrate=False).fit(X[:400], y[:400]).calibration_ is None
    # How sharp another combiner is, nobody knows.
    other = deepcopy(late).set_params(calibrate=True).fit(X[:400], y[:400])
    other.set_params(combiner="weighted_voting").fit(X[:300], y[:300])
    assert other.calibration_ == sharp().fit(X[:300], y[:300]).calibration_
    # And so it is with other classes.
    with pytest.warns(UserWarning, match="classes were"):
        other.fit(X[:300], y[:300].replace({0: "down", 1: "up"}))
    assert n_known(other) == len(other.out_of_fold_.rows)
    assert clone(other).fit(X[:300], y[:300]).calibration_ == sharp().fit(X[:300], y[:300]).calibration_
    with pytest.raises(ValueError, match="calibrate of RegimeAwareEnsembleClassifier must be True or False; got 'yes'"):
        clone(model).set_params(calibrate="yes").fit(X, y)


def test_a_pickle_knows_the_calibration_and_goes_on_from_it():
    X, y = sharpness(3, 1, 0.5)
    model = sharp("dynamic").fit(X[:300], y[:300]).partial_update(X[300:400], y[300:400])
    again = pickle.loads(pickle.dumps(model))
    for each in (model, again):
        each.partial_update(X[400:500], y[400:500]).fit(X[:600], y[:600])
    assert model.calibration_ == again.calibration_
    np.testing.assert_array_equal(model.predict_proba(X), again.predict_proba(X))


def test_an_explanation_without_features_tells_stacking_with_features_nothing():
    X, y = sharpness(3, 3)
    final = SGDClassifier(loss="log_loss", random_state=0)
    model = sharp(Stacking(final, passthrough=True)).fit(X[:300], y[:300])
    before = model.calibration_
    with pytest.warns(UserWarning, match="passthrough"):
        model.partial_update(predictions=model.explain(X[300:]), y=y[300:])
    assert model.calibration_ == before


def test_in_a_search_and_behind_a_scaler():
    X, y, regimes = made()
    pipe = make_pipeline(StandardScaler(), ensemble())
    search = GridSearchCV(pipe, {"regimeawareensembleregressor__coverages": [(0.5, 0.9), (0.8, 0.9)]}, cv=2)
    best = search.fit(X, y, regimeawareensembleregressor__regimes=regimes).best_estimator_
    ends = best[-1].predict_interval(best[:-1].transform(X), coverage=0.9)
    assert ends.shape == (N, 2)

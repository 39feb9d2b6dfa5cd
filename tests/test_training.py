"""Training: who saw which rows, what comes out of fold, and what happens to models that fail."""

import ast
import os
import re
import subprocess
import sys
import warnings
from typing import ClassVar

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import KFold, LeaveOneGroupOut, ShuffleSplit, TimeSeriesSplit
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_info

from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble._checks import LookAheadWarning, ModelFailureWarning
from skensemble._training import AsleepModel, outputs, reach_of, shared_training, within_reach
from skensemble.models import BootstrapForestRegressor
from skensemble.splits import ForwardSplit

N = 60
LOG: list[dict] = []


class SpyRegressor(RegressorMixin, BaseEstimator):
    """Write down the number of every row it sees; the first column of X is that number."""

    def __init__(self, *, n_jobs=None, random_state=None):
        self.n_jobs = n_jobs
        self.random_state = random_state

    def fit(self, X, y, sample_weight=None):
        self.rows_ = np.asarray(X)[:, 0].astype(int)
        self.mean_ = float(np.mean(y))
        pools = [pool["num_threads"] for pool in threadpool_info()]
        LOG.append({"fit": self.rows_, "weight": sample_weight, "n_jobs": self.n_jobs, "pools": pools})
        return self

    def predict(self, X):
        rows = np.asarray(X)[:, 0].astype(int)
        LOG.append({"predict": rows, "after": self.rows_})
        return np.full(len(rows), self.mean_)


class Broken(RegressorMixin, BaseEstimator):
    """Fail in a chosen way where a chosen row is among those it learns from, or is asked about."""

    def __init__(self, how="fit", row=0):
        self.how = how
        self.row = row

    def fit(self, X, y):
        if self.how == "fit" and (X[:, 0] == self.row).any():
            raise RuntimeError("the disk is full")
        self.is_fitted_ = True
        return self

    def predict(self, X):
        said = np.zeros(len(X))
        there = X[:, 0] == self.row
        if self.how == "predict" and there.any():
            raise RuntimeError("the moon is full")
        if self.how == "shape":
            return np.zeros((len(X), 2))
        said[there] = {"nan": np.nan, "inf": np.inf, "-inf": -np.inf}.get(self.how, 0.0)
        return said


@pytest.fixture(autouse=True)
def _empty_log():
    LOG.clear()


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    X = np.column_stack([np.arange(N), rng.standard_normal((N, 2))])
    return X, X[:, 1] - 0.5 * X[:, 2] + 0.1 * rng.standard_normal(N)


def linear_models():
    return [("ridge", Ridge(10.0)), ("line", LinearRegression())]


def ensemble(models, **params):
    return RegimeAwareEnsembleRegressor(models, **{"random_state": 0, "n_jobs": 1} | params)


def asked():
    return [(entry["after"], entry["predict"]) for entry in LOG if "predict" in entry]


# Who saw what.


def test_no_model_learns_from_a_row_later_than_those_it_predicts(data):
    ensemble([("spy", SpyRegressor())]).fit(*data)
    assert len(asked()) == 5
    for learned, predicted in asked():
        assert learned.max() < predicted.min()
    fits = [entry["fit"] for entry in LOG if "fit" in entry]
    assert max(map(len, fits)) == N


@pytest.mark.parametrize("cv", [None, 3, TimeSeriesSplit(4), KFold(4)])
@pytest.mark.parametrize(("horizon", "embargo"), [(3, 0), (0, 2), (2, 2)])
def test_rows_whose_label_touches_the_test_rows_are_never_seen(data, cv, horizon, embargo):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookAheadWarning)
        ensemble([("spy", SpyRegressor())], cv=cv, label_horizon=horizon, embargo=embargo).fit(*data)
    for learned, predicted in asked():
        assert np.abs(learned[:, None] - predicted).min() > horizon + embargo


def test_time_offsets_purge_by_time_and_not_by_rows(data):
    X, y = data
    times = pd.to_datetime("2024-01-01") + pd.to_timedelta(np.arange(N) // 3, unit="D")
    frame = pd.DataFrame(X, columns=["row", "a", "b"], index=times)
    ensemble([("spy", SpyRegressor())], label_horizon="2D", embargo=pd.Timedelta("1D")).fit(frame, y)
    assert asked()
    for learned, predicted in asked():
        days = times.to_numpy()
        assert (days[predicted].min() - days[learned].max()) > np.timedelta64(3, "D")


def test_rows_of_weight_zero_are_never_seen(data):
    weight = np.ones(N)
    weight[[3, 17, 40, 59]] = 0
    ensemble([("spy", SpyRegressor())]).fit(*data, sample_weight=weight)
    for entry in LOG:
        if "fit" in entry:
            assert not np.isin([3, 17, 40, 59], entry["fit"]).any()
            assert len(entry["weight"]) == len(entry["fit"])


def test_a_fold_whose_past_has_only_zero_weights_is_left_out(data):
    weight = np.r_[np.zeros(20), np.ones(40)]
    fitted = ensemble(linear_models(), on_error="raise").fit(*data, sample_weight=weight)
    assert fitted.out_of_fold_.rows.min() == 30
    assert fitted.n_excluded_ == 30


# What comes out of fold.


def by_hand(models, X, y, splits, weight=None):
    said = np.full((len(y), len(models)), np.nan)
    for train, test in splits:
        for k, (_, model) in enumerate(models):
            extra = {} if weight is None else {"sample_weight": weight[train]}
            said[test, k] = clone(model).fit(X[train], y[train], **extra).predict(X[test])
    return said


@pytest.mark.parametrize("splitter", [ForwardSplit(3), TimeSeriesSplit(4, gap=2), ForwardSplit(4, window=12)])
def test_out_of_fold_predictions_are_those_of_a_slow_loop(data, splitter):
    X, y = data
    fitted = ensemble(linear_models(), cv=splitter).fit(X, y)
    expected = by_hand(linear_models(), X, y, splitter.split(X))
    record = fitted.out_of_fold_
    np.testing.assert_array_equal(record.rows, np.flatnonzero(np.isfinite(expected[:, 0])))
    np.testing.assert_allclose(record.predictions[:, :, 0], expected[record.rows], rtol=1e-12)
    assert fitted.n_excluded_ == N - len(record.rows) > 0


def test_out_of_fold_probabilities_are_those_of_a_slow_loop(data):
    X, y = data
    labels = np.select([y < -0.3, y < 0.3], ["down", "flat"], "up")
    models = [("one", LogisticRegression(max_iter=5000)), ("two", LogisticRegression(C=0.1, max_iter=5000))]
    fitted = RegimeAwareEnsembleClassifier(models, cv=2, n_jobs=1).fit(X, labels)
    for train, test in ForwardSplit(2).split(X):
        for k, (_, model) in enumerate(models):
            at = np.searchsorted(fitted.out_of_fold_.rows, test)
            expected = clone(model).fit(X[train], labels[train]).predict_proba(X[test])
            np.testing.assert_allclose(fitted.out_of_fold_.predictions[at, k], expected, rtol=1e-9)


def test_weights_count_in_the_folds_too(data):
    X, y = data
    weight = np.random.RandomState(1).uniform(0.1, 3, N)
    fitted = ensemble(linear_models(), cv=TimeSeriesSplit(3)).fit(X, y, sample_weight=weight)
    expected = by_hand(linear_models(), X, y, TimeSeriesSplit(3).split(X), weight)
    np.testing.assert_allclose(fitted.out_of_fold_.predictions[:, :, 0], expected[fitted.out_of_fold_.rows], rtol=1e-9)
    np.testing.assert_allclose(
        fitted.estimators_[0].coef_, Ridge(10.0).fit(X, y, sample_weight=weight).coef_, rtol=1e-9
    )


def test_a_row_that_several_folds_predict_gets_the_mean(data):
    X, y = data
    folds = [(np.arange(20), np.arange(30, 40)), (np.arange(25), np.arange(35, 50))]
    record = ensemble(linear_models()).set_params(cv=folds).fit(X, y).out_of_fold_
    first, second = (by_hand(linear_models(), X, y, [fold]) for fold in folds)
    expected = np.nanmean([first[35:40], second[35:40]], axis=0)
    np.testing.assert_allclose(record.predictions[np.isin(record.rows, range(35, 40)), :, 0], expected)
    np.testing.assert_array_equal(record.rows, np.arange(30, 50))


def test_repeated_random_splits_average_too(data):
    X, y = data
    splitter = ShuffleSplit(8, test_size=0.4, random_state=0)
    with pytest.warns(LookAheadWarning):
        record = ensemble(linear_models(), cv=splitter).fit(X, y).out_of_fold_
    parts = [by_hand(linear_models(), X, y, [fold]) for fold in splitter.split(X)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = np.nanmean(parts, axis=0)
    np.testing.assert_allclose(record.predictions[:, :, 0], expected[record.rows])


def test_a_fold_that_purging_empties_is_skipped(data):
    fitted = ensemble(linear_models(), cv=TimeSeriesSplit(5), label_horizon=12, on_error="raise").fit(*data)
    assert fitted.out_of_fold_.rows.min() == 20


@pytest.mark.parametrize("combiner", ["weighted_voting", "stacking", "dynamic"])
def test_the_future_changes_nothing_that_was_said_before(data, combiner):
    X, y = data
    folds = [(np.arange(20), np.arange(20, 30)), (np.arange(30), np.arange(30, 40)), (np.arange(40), np.arange(40, 60))]
    other_X, other_y = X.copy(), y.copy()
    other_X[45:] *= -7.0
    other_y[45:] = 100.0
    regimes = np.array(["calm", "wild"])[np.arange(N) // 5 % 2]
    records = []
    for features, targets in ((X, y), (other_X, other_y)):
        fitted = ensemble(linear_models(), cv=folds, combiner=combiner).fit(features, targets, regimes=regimes)
        records.append(fitted.out_of_fold_)
    shorter = ensemble(linear_models(), cv=folds[:2], combiner=combiner).fit(X[:40], y[:40], regimes=regimes[:40])
    records.append(shorter.out_of_fold_)
    for record in records[1:]:
        for name in ("predictions", "combined", "weights", "memberships"):
            before = getattr(records[0], name)[records[0].rows < 40]
            assert (before == getattr(record, name)[record.rows < 40]).all(), name


def test_time_series_split_of_scikit_learn_is_welcome(data):
    fitted = ensemble(linear_models(), cv=TimeSeriesSplit(3)).fit(*data)
    np.testing.assert_array_equal(fitted.out_of_fold_.rows, np.arange(15, 60))


def test_a_shuffled_splitter_works_with_one_warning(data):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fitted = ensemble(linear_models(), cv=KFold(3, shuffle=True, random_state=0)).fit(*data)
    assert [warning.category for warning in caught] == [LookAheadWarning]
    assert "looks ahead" in str(caught[0].message) or "look ahead" in str(caught[0].message)
    assert fitted.n_excluded_ == 0


def test_groups_reach_the_splitter(data):
    groups = np.arange(N) // 20
    with pytest.warns(LookAheadWarning):
        fitted = ensemble(linear_models(), cv=LeaveOneGroupOut()).fit(*data, groups=groups)
    np.testing.assert_array_equal(fitted.out_of_fold_.folds, groups)


# The same result however it is computed.


def random_models():
    return [("trees", ExtraTreesRegressor(4, max_depth=3)), ("ridge", Ridge()), ("more", ExtraTreesRegressor(3))]


def answers(fitted, X):
    return np.column_stack([fitted.predict(X), fitted.member_predictions(X).to_numpy()])


@pytest.fixture
def reference(data):
    fitted = ensemble(random_models()).fit(*data)
    return answers(fitted, data[0]), fitted.out_of_fold_.predictions


@pytest.mark.parametrize("n_jobs", [None, 1, 2, -1])
def test_the_number_of_jobs_changes_nothing(data, reference, n_jobs):
    fitted = ensemble(random_models(), n_jobs=n_jobs).fit(*data)
    np.testing.assert_array_equal(fitted.out_of_fold_.predictions, reference[1])
    np.testing.assert_array_equal(answers(fitted, data[0]), reference[0])


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_the_backend_changes_nothing(data, reference, backend):
    with joblib.parallel_config(backend=backend, n_jobs=2):
        fitted = ensemble(random_models(), n_jobs=None).fit(*data)
    np.testing.assert_array_equal(fitted.out_of_fold_.predictions, reference[1])
    np.testing.assert_array_equal(answers(fitted, data[0]), reference[0])


def test_the_order_of_the_models_permutes_the_weights_and_nothing_else(data):
    X, y = data
    regimes = np.array(["calm", "wild"])[np.arange(N) // 7 % 2]
    models = random_models()
    straight = ensemble(models).fit(X, y, regimes=regimes)
    turned = ensemble(models[::-1]).fit(X, y, regimes=regimes)
    pd.testing.assert_frame_equal(straight.weights_, turned.weights_.loc[straight.weights_.index], rtol=1e-9)
    np.testing.assert_allclose(straight.predict(X), turned.predict(X), rtol=1e-9)


def test_two_fits_with_one_seed_agree_and_another_seed_differs(data):
    X, y = data
    first, again = (ensemble(random_models()).fit(X, y).predict(X) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (ensemble(random_models(), random_state=1).fit(X, y).predict(X) != first).any()


def test_models_have_one_thread_while_tasks_run_side_by_side(data):
    ensemble([("spy", SpyRegressor())], n_jobs=2).fit(*data)
    fits = [entry for entry in LOG if "fit" in entry]
    assert len(fits) == 6
    for entry in fits:
        assert entry["n_jobs"] == 1
        assert set(entry["pools"]) == {1}


def test_a_number_of_threads_that_the_user_chose_stays(data):
    ensemble([("spy", SpyRegressor(n_jobs=3))], n_jobs=2).fit(*data)
    assert {entry["n_jobs"] for entry in LOG if "fit" in entry} == {3}


def test_named_models_have_all_cores_where_tasks_run_one_by_one(data, monkeypatch):
    models = [("forest", BootstrapForestRegressor(n_estimators=3)), ("spy", SpyRegressor())]
    for allowed, threads in ((None, joblib.cpu_count()), ("1", 1)):
        if allowed is None:
            monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        else:
            monkeypatch.setenv("OMP_NUM_THREADS", allowed)
        fitted = ensemble(models, n_jobs=None).fit(*data)
        assert fitted.named_estimators_["forest"].n_jobs == threads
    # What another library's model says may depend on its threads, so it keeps what its user gave it.
    assert {entry["n_jobs"] for entry in LOG if "fit" in entry} <= {None, 1}


def test_n_jobs_that_scikit_learn_has_retired_is_left_alone(data):
    X, y = data
    pipe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    RegimeAwareEnsembleClassifier([("one", LogisticRegression(max_iter=5000)), ("two", pipe)], n_jobs=1).fit(X, y > 0)


def test_the_results_do_not_depend_on_the_threads_of_the_process():
    program = (
        "import numpy as np; from skensemble import RegimeAwareEnsembleRegressor as R;"
        "from sklearn.linear_model import Ridge, LinearRegression;"
        "X = np.random.RandomState(0).standard_normal((2000, 8)); y = X.sum(axis=1);"
        "said = R([('a', Ridge()), ('b', LinearRegression())], random_state=0, n_jobs=n_jobs).fit(X, y).predict(X)"
    )
    here = {"n_jobs": 1}
    exec(program, here)
    there = subprocess.run(
        [sys.executable, "-c", f"n_jobs = None; {program}; print(said[:5].tolist())"],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"},
    )
    np.testing.assert_allclose(ast.literal_eval(there.stdout), here["said"][:5], rtol=1e-10)


# Sample weights.


def test_weights_reach_everybody_who_takes_them_and_the_others_are_named(data):
    X, y = data
    weight = np.random.RandomState(2).uniform(0.5, 2, N)
    pipe = make_pipeline(StandardScaler(), SpyRegressor())
    models = [("spy", SpyRegressor()), ("pipe", pipe), ("near", KNeighborsRegressor())]
    with pytest.warns(UserWarning, match="sample_weight does not reach near") as caught:
        ensemble(models).fit(X, y, sample_weight=weight)
    assert len(caught) == 1
    fits = [entry for entry in LOG if "fit" in entry]
    assert len(fits) == 12
    for entry in fits:
        expected = weight[: len(entry["fit"])]
        np.testing.assert_array_equal(entry["weight"], expected)


def test_with_routing_the_requests_decide_who_gets_weights(data):
    X, y = data
    weight = np.linspace(0.5, 2, N)
    with sklearn.config_context(enable_metadata_routing=True):
        wants, wants_not = SpyRegressor(), SpyRegressor()
        wants.set_fit_request(sample_weight=True)
        wants_not.set_fit_request(sample_weight=False)
        pipe = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=False), Ridge().set_fit_request(sample_weight=True)
        )
        models = [("wants", wants), ("not", wants_not), ("pipe", pipe)]
        fitted = ensemble(models, cv=2, on_error="raise").fit(X, y, sample_weight=weight)
    given = [entry["weight"] is not None for entry in LOG if "fit" in entry]
    assert sorted(given) == [False] * 3 + [True] * 3
    expected = Ridge().fit(StandardScaler().fit_transform(X), y, sample_weight=weight).coef_
    np.testing.assert_allclose(fitted.named_estimators_["pipe"][-1].coef_, expected)


def test_frozen_models_are_asked_and_never_trained(data):
    X, y = data
    ready = Ridge().fit(X, y)
    fitted = ensemble([("ready", FrozenEstimator(ready)), ("line", LinearRegression())]).fit(X, y)
    np.testing.assert_array_equal(fitted.named_estimators_["ready"].predict(X), ready.predict(X))
    record = fitted.out_of_fold_
    np.testing.assert_allclose(record.predictions[:, 0, 0], ready.predict(X)[record.rows])


# Models that fail.

WAYS = {
    "fit": "failed on all rows: RuntimeError: the disk is full",
    "predict": "failed in fold 0: RuntimeError: the moon is full",
    "shape": r"failed in fold 0: ValueError: predict gave an array of shape \(10, 2\) for 10 rows",
}


def with_broken(how, row, **params):
    return ensemble([("bad", Broken(how, row)), *linear_models()], **params)


@pytest.mark.parametrize("how", WAYS)
def test_a_model_that_fails_sleeps_loudly(data, how):
    X, y = data
    with pytest.warns(ModelFailureWarning, match=f"bad {WAYS[how]}") as caught:
        fitted = with_broken(how, 15).fit(X, y)
    assert len(caught) == 1
    assert np.isfinite(fitted.out_of_fold_.combined).all()
    if how == "shape":
        assert fitted.weights_.loc["bad", "pooled"] == 0
    if how == "fit":
        asleep = np.isnan(fitted.out_of_fold_.predictions[:, 0, 0])
        assert asleep.any()
        assert not asleep.all()
        assert isinstance(fitted.estimators_[0], AsleepModel)
        alone = ensemble(linear_models()).fit(X, y)
        assert np.isnan(fitted.member_predictions(X)["bad"]).all()
        assert np.isfinite(fitted.predict(X)).all()
        assert alone.predict(X).shape == fitted.predict(X).shape


@pytest.mark.parametrize("how", ["nan", "inf", "-inf"])
def test_a_prediction_that_is_not_finite_is_a_row_asleep(data, how):
    X, y = data
    fitted = with_broken(how, 15).fit(X, y)
    record = fitted.out_of_fold_
    np.testing.assert_array_equal(record.rows[np.isnan(record.predictions[:, 0, 0])], [15])
    assert record.weights[record.rows == 15, 0] == 0
    with pytest.warns(ModelFailureWarning, match="bad has no finite prediction for 1 of 60 rows"):
        explanation = fitted.explain(X)
    assert explanation.weights[15, 0] == 0
    assert np.isfinite(explanation.prediction).all()


def test_a_model_that_raises_when_asked_sleeps_for_the_call(data):
    X, y = data
    fitted = with_broken("predict", -1.0).fit(X, y)
    new = X[:3].copy()
    new[1, 0] = -1.0
    with pytest.warns(ModelFailureWarning, match=r"bad failed in predict \(RuntimeError: the moon is full\)"):
        said = fitted.predict(new)
    assert np.isfinite(said).all()
    assert np.isfinite(fitted.predict(X[:3])).all()


def test_a_model_that_fails_everywhere_leaves_the_others_as_they_are_without_it(data):
    X, y = data
    regimes = np.array(["calm", "wild"])[np.arange(N) // 7 % 2]
    with pytest.warns(ModelFailureWarning, match=r"bad failed on all rows: .* \(and in 5 of the other fits\)"):
        fitted = with_broken("fit", 0).fit(X, y, regimes=regimes)
    alone = ensemble(linear_models()).fit(X, y, regimes=regimes)
    np.testing.assert_allclose(fitted.predict(X, regimes=regimes), alone.predict(X, regimes=regimes), rtol=1e-9)
    assert (fitted.weights_.loc["bad"] == 0).all()


@pytest.mark.parametrize("how", WAYS)
def test_on_error_raise_stops(data, how):
    with pytest.raises(ValueError, match=f"bad {WAYS[how]}"):
        with_broken(how, 15, on_error="raise").fit(*data)


@pytest.mark.parametrize("how", ["nan", "predict"])
def test_on_error_raise_stops_in_predict_too(data, how):
    X, y = data
    fitted = with_broken(how, -1.0, on_error="raise").fit(X, y)
    with pytest.raises(ValueError, match=re.escape("on_error='warn' would carry on without it")):
        fitted.predict(np.r_[X[:1] * 0 - 1.0, X[:1]])


def test_when_no_model_is_left_there_is_an_error(data):
    with pytest.raises(ValueError, match=r"could not train: one failed .* / two failed .*\. No model is left"):
        ensemble([("one", Broken()), ("two", Broken())]).fit(*data)


def test_when_nobody_has_an_answer_for_a_row_it_is_named(data):
    X, y = data
    fitted = ensemble([("one", Broken("nan", -1.0)), ("two", Broken("nan", -1.0))]).fit(X, y)
    new = X.copy()
    new[7, 0] = -1.0
    with (
        pytest.warns(ModelFailureWarning),
        pytest.raises(ValueError, match=r"No model has a finite prediction for 1 of 60 rows, the first is row 7"),
    ):
        fitted.predict(new)


class Saying(RegressorMixin, BaseEstimator):
    """Say one number, as long as the first column is below a bound; above it, another."""

    def __init__(self, first=0.0, then=0.0, bound=0.0):
        self.first = first
        self.then = then
        self.bound = bound

    def fit(self, X, y):
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return np.where(np.asarray(X)[:, 0] < self.bound, self.first, self.then)


@pytest.mark.parametrize("combiner", ["weighted_voting", "stacking", "dynamic"])
def test_a_model_of_nonsense_sleeps_and_costs_nothing_else(data, combiner):
    X, y = data
    nonsense = ensemble([("bad", Saying(1e200, 1e200)), *linear_models()], combiner=combiner, cv=4).fit(X, y)
    with pytest.warns(ModelFailureWarning, match=r"bad says 1e\+200, which is more than a hundred times"):
        said = nonsense.explain(X)
    assert said.asleep[:, 0].all()
    assert np.abs(said.prediction - y).mean() < np.abs(y).mean()


def test_a_model_that_breaks_after_the_training_never_speaks(data):
    """The first row of nonsense is as harmless as the last: nobody has to lose on it to find out."""
    X, y = data
    breaks = Saying(1.0, 1e6, bound=np.inf)
    fitted = ensemble([("breaks", breaks), *linear_models()], cv=4).fit(X, y)
    before = fitted.explain(X)
    for model in fitted.estimators_:
        if isinstance(model, Saying):
            model.bound = -np.inf
    with pytest.warns(ModelFailureWarning, match="breaks says 1e"):
        after = fitted.explain(X)
    assert not before.asleep.any()
    assert after.asleep[:, 0].all()
    assert np.abs(after.prediction).max() <= 2 * np.abs(after.member_predictions[:, 1:]).max()
    fitted.set_params(on_error="raise")
    with pytest.raises(ValueError, match="breaks says 1e"):
        fitted.predict(X)


def test_where_all_are_out_of_reach_all_speak():
    said = np.array([[[1.0], [1e6], [np.nan]], [[1e6], [2e6], [np.nan]], [[-101.0], [0.0], [201.0]]])
    reach = reach_of(np.array([0.0, 1.0, 99.0]), np.array([1.0, 2.0, 0.0]))
    assert reach == (-100.0, 101.0)
    np.testing.assert_array_equal(
        within_reach(said, reach)[:, :, 0], [[1.0, np.nan, np.nan], [1e6, 2e6, np.nan], [np.nan, 0.0, np.nan]]
    )
    assert reach_of(np.array([3.0, 3.0])) == reach_of(np.zeros(0)) == (-np.inf, np.inf)


class Backwards(ClassifierMixin, BaseEstimator):
    """A classifier that answers for classes nobody asked about, or in the wrong shape."""

    def __init__(self, how="class"):
        self.how = how

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), "sideways")

    @property
    def predict_proba(self):
        if self.how == "class":
            raise AttributeError
        return lambda X: np.ones((len(X), 7))


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("class", r"it predicts the class .*sideways.*, which is not among \['down', 'up'\]"),
        ("shape", r"predict_proba gave an array of shape \(10, 7\) for 10 rows, 2 classes"),
    ],
)
def test_a_classifier_that_answers_something_else_sleeps(data, how, why):
    X, y = data
    labels = np.where(y > 0, "up", "down")
    models = [("bad", Backwards(how)), ("good", LogisticRegression(max_iter=5000))]
    with pytest.warns(ModelFailureWarning, match=why):
        fitted = RegimeAwareEnsembleClassifier(models, n_jobs=1).fit(X, labels)
    with pytest.warns(ModelFailureWarning, match="bad"):
        assert np.isfinite(fitted.predict_proba(X)).all()


def test_a_class_that_comes_late_is_a_zero_until_then(data):
    X, y = data
    labels = np.where(y > 0, "b", "a").astype(object)
    labels[45:50] = "late"
    fitted = RegimeAwareEnsembleClassifier([("one", LogisticRegression(max_iter=5000))], n_jobs=1).fit(X, labels)
    record = fitted.out_of_fold_
    assert (record.predictions[record.rows < 50, :, 2] == 0).all()
    np.testing.assert_allclose(record.predictions.sum(axis=2), 1.0)
    assert fitted.predict_proba(X)[:, 2].max() > 0


def test_one_class_in_a_fold_needs_no_model(data):
    X, y = data
    labels = np.where(np.arange(N) < 25, "a", np.where(y > 0, "b", "a"))
    fitted = RegimeAwareEnsembleClassifier([("one", LogisticRegression(max_iter=5000))], n_jobs=1).fit(X, labels)
    record = fitted.out_of_fold_
    assert (record.predictions[record.rows < 20, 0] == [1.0, 0.0]).all()


def test_a_stand_in_says_nothing():
    said = outputs(AsleepModel("no disk"), np.zeros((3, 1)), np.array(["a", "b"]))
    assert said.shape == (3, 2)
    assert np.isnan(said).all()


# Times.


def timed(data):
    X, y = data
    times = pd.date_range("2024-01-01", periods=N, freq="D")
    return pd.DataFrame(X, columns=["row", "a", "b"], index=times), pd.Series(y, index=times)


def test_rows_out_of_time_order_are_refused_by_name(data):
    X, y = timed(data)
    order = np.arange(N)
    order[[10, 11]] = [11, 10]
    with pytest.raises(ValueError, match=r"row 11 \(2024-01-11 .*\) is earlier than row 10 \(2024-01-12"):
        ensemble(linear_models()).fit(X.iloc[order], y.iloc[order])


@pytest.mark.parametrize("name", ["y", "sample_weight", "regimes"])
def test_values_of_other_days_are_refused(data, name):
    X, y = timed(data)
    given = {
        "y": y,
        "sample_weight": pd.Series(1.0, X.index),
        "regimes": pd.Series("calm", X.index),
    }
    given[name] = given[name].set_axis(X.index + pd.Timedelta("1D"))
    with pytest.raises(ValueError, match=rf"X and {name} are not of the same times: row 0 of X is 2024-01-01"):
        ensemble(linear_models()).fit(X, **given)


def test_regimes_of_other_days_are_refused_in_predict_too(data):
    X, y = timed(data)
    fitted = ensemble(linear_models()).fit(X, y, regimes=pd.Series("calm", X.index))
    with pytest.raises(ValueError, match="X and regimes are not of the same times"):
        fitted.predict(X.iloc[:5], regimes=pd.Series("calm", X.index[1:6]))


class Counting(Ridge):
    counted: ClassVar[list[int]] = []

    def fit(self, X, y, sample_weight=None):
        self.counted.append(len(X))
        return super().fit(X, y)


def test_a_block_of_shared_trainings_within_another_is_part_of_it():
    X = np.arange(40.0).reshape(-1, 1)
    ensemble = RegimeAwareEnsembleRegressor([("ridge", Counting())], cv=2, random_state=0)
    with shared_training():
        ensemble.fit(X, X[:, 0])
        once = len(Counting.counted)
        with shared_training():
            ensemble.fit(X, X[:, 0])
        ensemble.fit(X, X[:, 0])
    assert len(Counting.counted) == once > 0
    ensemble.fit(X, X[:, 0])
    assert len(Counting.counted) == 2 * once

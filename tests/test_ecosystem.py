"""The ensembles among scikit-learn's tools, other people's models, all kinds of tables, and on disk."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingRegressor
from sklearn.exceptions import NotFittedError, UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import log_loss, make_scorer, mean_squared_error, r2_score, roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
)
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tests.metadata_routing_common import ConsumingClassifier, ConsumingRegressor, _Registry
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import get_tags
from skops import io as skops_io
from xgboost import XGBClassifier

from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor, make_regime_scorer
from skensemble._checks import LookAheadWarning
from skensemble._parameters import COMBINERS
from skensemble.combiners import Stacking, WeightedVoting
from skensemble.models import DEFAULT_CLASSIFIERS, DEFAULT_REGRESSORS, make_model, model_names
from skensemble.regimes import SingleRegime
from skensemble.weightings import BestModels, InverseLoss, UniformWeights

ENSEMBLES = {"regressor": RegimeAwareEnsembleRegressor, "classifier": RegimeAwareEnsembleClassifier}
SMALL = {"n_estimators": 10, "max_iter": 10, "min_samples_leaf": 2, "min_child_weight": 1, "learning_rate": 0.3}

both_tasks = pytest.mark.parametrize("task", list(ENSEMBLES))
every_combiner = pytest.mark.parametrize("combiner", list(COMBINERS))
# Whole folds of scikit-learn are not cut with an eye on time: these tests ask for that on purpose.
looks_ahead = pytest.mark.filterwarnings("ignore::skensemble._checks.LookAheadWarning")


class Slope(RegressorMixin, BaseEstimator):
    """Says a multiple of the first column: right in one regime, wrong in the other."""

    def __init__(self, slope=1.0):
        self.slope = slope

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return self.slope * np.asarray(X)[:, 0]


class Side(ClassifierMixin, BaseEstimator):
    """Gives the classes that `Slope` would: the side of a multiple of the first column."""

    def __init__(self, slope=1.0):
        self.slope = slope

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        up = np.where(self.slope * np.asarray(X)[:, 0] > 0, 0.9, 0.1)
        return np.column_stack([1 - up, up])

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


class Witness(RegimeAwareEnsembleRegressor):
    """Notes down what it is told about regimes."""

    seen = _Registry()

    def fit(self, X, y, *, regimes=None, sample_weight=None, **fit_params):
        self.seen.append(("fit", len(X), regimes))
        return super().fit(X, y, regimes=regimes, sample_weight=sample_weight, **fit_params)

    def predict(self, X, *, regimes=None):
        self.seen.append(("predict", len(X), regimes))
        return super().predict(X, regimes=regimes)


@pytest.fixture(autouse=True)
def blank_page():
    Witness.seen.clear()


@pytest.fixture
def routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


def table(n=120, seed=0):
    """Rows whose target is the first column in one regime and its negative in the other."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=["signal", "noise", "more"])
    regimes = np.where(np.arange(n) // 5 % 2 == 0, "calm", "storm")
    y = np.where(regimes == "calm", 1.0, -1.0) * X["signal"].to_numpy() + 0.1 * rng.normal(size=n)
    return X, y, regimes


def two_slopes(kind=RegimeAwareEnsembleRegressor, **params):
    return kind(
        [("with", Slope(1.0)), ("against", Slope(-1.0))],
        combiner=WeightedVoting(BestModels(1), shrinkage=0),
        **params,
    )


def two_sides(**params):
    return RegimeAwareEnsembleClassifier(
        [("with", Side(1.0)), ("against", Side(-1.0))],
        combiner=WeightedVoting(BestModels(1), shrinkage=0),
        **params,
    )


def small(name, task, **params):
    model = make_model(name, task)
    wanted = SMALL | ({"learning_rate": 0.1} if name == "mlp" else {}) | params
    return name, model.set_params(**{key: value for key, value in wanted.items() if key in model.get_params()})


def small_default(task, **params):
    """The default set of the task with few trees."""
    names = DEFAULT_REGRESSORS if task == "regressor" else DEFAULT_CLASSIFIERS
    return ENSEMBLES[task]([small(name, task) for name in names], **({"cv": 2, "random_state": 0} | params))


def problem(task, n=120):
    X, _, _ = table(n)
    signal = X["signal"] + X["noise"]
    return X, signal.to_numpy() if task == "regressor" else np.where(signal > 0, "up", "down")


def answer(model, X, **known):
    return model.predict_proba(X, **known) if hasattr(model, "predict_proba") else model.predict(X, **known)


def lengths_match(entry):
    _, n_rows, regimes = entry
    return regimes is not None and len(regimes) == n_rows


# Pipelines, searches and the rest of scikit-learn's tools.


@both_tasks
@pytest.mark.parametrize("output", ["default", "pandas"])
def test_in_a_pipeline_behind_columns_picked_by_name(task, output):
    X, y = problem(task)
    X = X.assign(venue=np.where(np.arange(len(X)) % 3 == 0, "NYSE", "NASDAQ"))
    columns = ColumnTransformer(
        [("numbers", StandardScaler(), ["signal", "noise"]), ("venue", OneHotEncoder(sparse_output=False), ["venue"])]
    ).set_output(transform=output)
    pipe = Pipeline([("columns", columns), ("ensemble", small_default(task))]).fit(X, y)
    assert pipe.score(X, y) > 0.8
    assert hasattr(pipe[-1], "feature_names_in_") == (output == "pandas")
    if output == "pandas":
        assert "venue__venue_NYSE" in pipe[-1].feature_names_in_


@both_tasks
def test_members_may_pick_columns_by_name_themselves(task):
    X, y = problem(task)
    model = Ridge() if task == "regressor" else LogisticRegression()
    own = make_pipeline(ColumnTransformer([("some", "passthrough", ["signal", "noise"])]), model)
    ensemble = ENSEMBLES[task]([("own", own), small("linear", task)]).fit(X, y)
    assert ensemble.score(X, y) > 0.8


@both_tasks
def test_a_search_reaches_every_part(task):
    X, y = problem(task)
    grid = [
        {"combiner": ["stacking", WeightedVoting()], "xgboost__max_depth": [1, 2]},
        {"combiner": [WeightedVoting()], "combiner__shrinkage": [0.0, 10.0]},
        {"combiner__weighting": [UniformWeights(), InverseLoss()]},
        {"regime_detector": [None, SingleRegime(), GaussianMixture(2, random_state=0)]},
    ]
    names = ["xgboost", "linear"]
    ensemble = ENSEMBLES[task](names, cv=2, random_state=0)
    search = GridSearchCV(ensemble, grid, cv=TimeSeriesSplit(2), error_score="raise").fit(X, y)
    assert len(search.cv_results_["params"]) == 11
    assert search.best_score_ > 0.7
    assert names == ["xgboost", "linear"]


@both_tasks
def test_cross_validation_of_every_kind(task):
    X, y = problem(task)
    ensemble = small_default(task)
    assert cross_validate(ensemble, X, y, cv=3)["test_score"].min() > 0.4
    assert len(cross_val_predict(ensemble, X, y, cv=3)) == len(y)
    sizes, _, scores = learning_curve(ensemble, X, y, cv=KFold(2), train_sizes=[0.5, 1.0])
    assert len(sizes) == 2
    assert np.isfinite(scores).all()


@both_tasks
def test_permutation_importance_finds_the_columns_that_count(task):
    X, y = problem(task)
    found = permutation_importance(small_default(task).fit(X, y), X, y, n_repeats=2, random_state=0)
    assert found.importances_mean[2] < found.importances_mean[:2].min()


def test_calibration_of_the_classifier():
    X, y = problem("classifier")
    calibrated = CalibratedClassifierCV(small_default("classifier"), cv=2).fit(X, y)
    assert calibrated.predict_proba(X).shape == (len(X), 2)
    assert calibrated.score(X, y) > 0.8


def test_transformed_targets_and_several_targets():
    X, y = problem("regressor")
    transformed = TransformedTargetRegressor(small_default("regressor"), func=np.sinh, inverse_func=np.arcsinh)
    assert transformed.fit(X, y).score(X, y) > 0.8
    several = MultiOutputRegressor(small_default("regressor")).fit(X, np.column_stack([y, -y]))
    assert several.predict(X).shape == (len(X), 2)


def test_an_ensemble_is_a_member_of_other_ensembles():
    X, y = problem("regressor")
    ours = small_default("regressor")
    voting = VotingRegressor([("ours", ours), ("ridge", Ridge())]).fit(X, y)
    both = (clone(ours).fit(X, y).predict(X) + Ridge().fit(X, y).predict(X)) / 2
    np.testing.assert_allclose(voting.predict(X), both, rtol=1e-12)
    assert StackingRegressor([("ours", ours), ("ridge", Ridge())], Ridge(), cv=2).fit(X, y).score(X, y) > 0.8
    nested = RegimeAwareEnsembleRegressor([("inner", ours), ("ridge", Ridge())], cv=2, random_state=0).fit(X, y)
    assert nested.score(X, y) > 0.8


# Regimes without metadata routing.


def test_direct_calls_take_regimes():
    X, y, regimes = table()
    ensemble = two_slopes().fit(X, y, regimes=regimes)
    assert ensemble.score(X, y, regimes=regimes) > 0.9
    assert ensemble.score(X, y) < 0.5
    assert r2_score(y, ensemble.predict(X, regimes=regimes)) == ensemble.score(X, y, regimes=regimes)


def test_a_pipeline_takes_regimes_with_a_prefix_in_fit_and_without_in_predict():
    X, y, regimes = table()
    pipe = Pipeline([("scale", "passthrough"), ("ensemble", two_slopes())])
    with pytest.raises(ValueError, match="regimes"):
        pipe.fit(X, y, regimes=regimes)
    pipe.fit(X, y, ensemble__regimes=regimes)
    assert r2_score(y, pipe.predict(X, regimes=regimes)) > 0.9
    with pytest.raises(TypeError, match="ensemble__regimes"):
        pipe.predict(X, ensemble__regimes=regimes)
    classifier = Pipeline([("ensemble", two_sides())]).fit(X, y > 0, ensemble__regimes=regimes)
    told, untold = classifier.predict_proba(X, regimes=regimes), classifier.predict_proba(X)
    assert log_loss(y > 0, told) < log_loss(y > 0, untold)


def test_a_pipeline_drops_regimes_in_score():
    X, y, regimes = table()
    pipe = Pipeline([("ensemble", two_slopes())]).fit(X, y, ensemble__regimes=regimes)
    assert pipe.score(X, y, regimes=regimes) == pipe.score(X, y)


@pytest.mark.parametrize("kind", [np.asarray, list, pd.Series])
def test_a_search_cuts_regimes_to_its_folds(kind):
    X, y, regimes = table()
    search = GridSearchCV(two_slopes(Witness), {"cv": [2]}, cv=3).fit(X, y, regimes=kind(regimes))
    fits = [entry for entry in Witness.seen if entry[0] == "fit"]
    assert [n for _, n, _ in fits] == [80, 80, 80, 120]
    assert all(map(lengths_match, fits))
    assert all(regimes is None for what, _, regimes in Witness.seen if what == "predict")
    with pytest.raises(TypeError, match="regimes"):
        search.predict(X, regimes=regimes)
    with pytest.raises(ValueError, match="enable_metadata_routing"):
        search.score(X, y, regimes=regimes)
    assert r2_score(y, search.best_estimator_.predict(X, regimes=regimes)) > 0.9


def test_a_search_over_a_pipeline_cuts_regimes_to_its_folds():
    X, y, regimes = table()
    pipe = Pipeline([("ensemble", two_slopes(Witness))])
    GridSearchCV(pipe, {"ensemble__cv": [2]}, cv=2).fit(X, y, ensemble__regimes=regimes)
    fits = [entry for entry in Witness.seen if entry[0] == "fit"]
    assert [n for _, n, _ in fits] == [60, 60, 120]
    assert all(map(lengths_match, fits))


def test_a_search_takes_regimes_and_groups_together():
    X, y, regimes = table()
    groups = np.arange(len(X)) // 10
    search = GridSearchCV(two_slopes(Witness), {"cv": [2]}, cv=GroupKFold(3)).fit(X, y, regimes=regimes, groups=groups)
    assert all(lengths_match(entry) for entry in Witness.seen if entry[0] == "fit")
    assert r2_score(y, search.best_estimator_.predict(X, regimes=regimes)) > 0.9


@pytest.mark.parametrize("tool", [cross_validate, cross_val_score, learning_curve, cross_val_predict])
def test_tools_cut_regimes_to_their_folds(tool):
    X, y, regimes = table()
    tool(two_slopes(Witness), X, y, cv=3, params={"regimes": regimes})
    fits = [entry for entry in Witness.seen if entry[0] == "fit"]
    assert len(fits) >= 3
    assert all(map(lengths_match, fits))
    assert all(regimes is None for what, _, regimes in Witness.seen if what == "predict")


def test_wrappers_hand_regimes_to_fit():
    X, y, regimes = table()
    calibrated = CalibratedClassifierCV(two_sides(), cv=2).fit(X, y > 0, regimes=regimes)
    assert calibrated.calibrated_classifiers_[0].estimator.regimes_ == ("calm", "storm")
    with pytest.raises(TypeError, match="regimes"):
        calibrated.predict(X, regimes=regimes)
    several = MultiOutputRegressor(two_slopes()).fit(X, np.column_stack([y, y]), regimes=regimes)
    assert several.estimators_[0].regimes_ == ("calm", "storm")
    with pytest.raises(TypeError, match="regimes"):
        several.predict(X, regimes=regimes)
    transformed = TransformedTargetRegressor(two_slopes(), transformer=StandardScaler(with_mean=False))
    transformed.fit(X, y, regimes=regimes)
    assert r2_score(y, transformed.predict(X, regimes=regimes)) > r2_score(y, transformed.predict(X))
    frozen = FrozenEstimator(two_slopes().fit(X, y, regimes=regimes))
    assert r2_score(y, frozen.predict(X, regimes=regimes)) > 0.9


def test_regimes_are_not_handed_to_members():
    X, y, regimes = table()
    registry = _Registry()
    RegimeAwareEnsembleRegressor([("member", ConsumingRegressor(registry=registry))], cv=2).fit(X, y, regimes=regimes)
    assert {key for model in registry for fit in model._records["fit"].values() for key in fit[0]} <= {
        "sample_weight",
        "metadata",
    }


def test_regimes_of_another_length_fail_loudly():
    X, y, regimes = table()
    with pytest.raises(ValueError, match="regimes has 119 rows but X has 120"):
        two_slopes().fit(X, y, regimes=regimes[1:])
    with pytest.raises(ValueError, match="All the 2 fits failed"):
        GridSearchCV(two_slopes(), {"cv": [2]}, cv=2).fit(X, y, regimes=regimes[1:])


def test_one_word_for_all_rows_is_no_list_of_regimes():
    X, y, _ = table()
    with pytest.raises(ValueError, match="regimes must hold one label per row of X; got 'storm'"):
        two_slopes().fit(X, y, regimes="storm")
    with pytest.raises(ValueError, match=r"regimes must hold one label per row of X; got 'c{77}"):
        two_slopes().fit(X, y, regimes="c" * len(X))


def test_a_detector_gives_regimes_where_nobody_can_pass_them():
    X, y, regimes = table()
    X = X.assign(market=(regimes == "storm").astype(float))
    ensemble = two_slopes(regime_detector="market")
    assert cross_val_score(ensemble, X, y, cv=3).min() > 0.9
    assert r2_score(y, cross_val_predict(ensemble, X, y, cv=3)) > 0.9
    search = GridSearchCV(ensemble, {"regime_detector": [None, "market"]}, cv=2).fit(X, y)
    assert search.best_params_ == {"regime_detector": "market"}
    importance = permutation_importance(ensemble.fit(X, y), X, y, n_repeats=1, random_state=0).importances_mean
    assert importance[3] > 1


# Regimes with metadata routing.


@pytest.mark.usefixtures("routing")
def test_with_routing_direct_calls_need_no_request():
    X, y, regimes = table()
    assert two_slopes().fit(X, y).regimes_ == ()
    ensemble = two_slopes().fit(X, y, regimes=regimes)
    assert ensemble.score(X, y, regimes=regimes) > 0.9


@pytest.mark.usefixtures("routing")
def test_with_routing_a_pipeline_needs_requests():
    X, y, regimes = table()
    ensemble = two_slopes()
    pipe = Pipeline([("scale", StandardScaler()), ("ensemble", ensemble)])
    with pytest.raises(UnsetMetadataPassedError, match="regimes"):
        pipe.fit(X, y, regimes=regimes)
    ensemble.set_fit_request(regimes=True)
    with pytest.raises(TypeError, match="ensemble__regimes"):
        pipe.fit(X, y, ensemble__regimes=regimes)
    pipe.fit(X, y, regimes=regimes)
    with pytest.raises(UnsetMetadataPassedError, match="regimes"):
        pipe.predict(X, regimes=regimes)
    with pytest.raises(UnsetMetadataPassedError, match="regimes"):
        pipe.score(X, y, regimes=regimes)
    ensemble.set_predict_request(regimes=True).set_score_request(regimes=True)
    assert r2_score(y, pipe.predict(X, regimes=regimes)) == pipe.score(X, y, regimes=regimes) > 0.8


@pytest.mark.usefixtures("routing")
def test_with_routing_probabilities_through_a_pipeline_need_a_request():
    X, y, regimes = table()
    ensemble = two_sides().set_fit_request(regimes=True)
    pipe = Pipeline([("ensemble", ensemble)]).fit(X, y > 0, regimes=regimes)
    with pytest.raises(UnsetMetadataPassedError, match="regimes"):
        pipe.predict_proba(X, regimes=regimes)
    ensemble.set_predict_proba_request(regimes=True)
    told, untold = pipe.predict_proba(X, regimes=regimes), pipe.predict_proba(X)
    assert log_loss(y > 0, told) < log_loss(y > 0, untold)


@pytest.mark.usefixtures("routing")
def test_with_routing_a_search_scores_with_regimes():
    X, y, regimes = table()
    ensemble = two_slopes(Witness)
    search = GridSearchCV(ensemble, {"cv": [2]}, cv=3)
    with pytest.raises(UnsetMetadataPassedError, match="regimes"):
        search.fit(X, y, regimes=regimes)
    ensemble.set_fit_request(regimes=True)
    with pytest.raises(UnsetMetadataPassedError, match="regimes"):
        search.fit(X, y, regimes=regimes)
    ensemble.set_score_request(regimes=True)
    search.fit(X, y, regimes=regimes)
    assert search.best_score_ > 0.9
    assert [n for what, n, _ in Witness.seen if what == "fit"] == [80, 80, 80, 120]
    assert all(map(lengths_match, Witness.seen))
    assert search.score(X, y, regimes=regimes) > 0.9


@pytest.mark.usefixtures("routing")
def test_with_routing_scorers_of_scikit_learn_hand_no_regimes_to_predict():
    X, y, regimes = table()
    ensemble = two_slopes(Witness).set_fit_request(regimes=True)
    GridSearchCV(ensemble, {"cv": [2]}, cv=2, scoring="r2").fit(X, y, regimes=regimes)
    assert all(map(lengths_match, (entry for entry in Witness.seen if entry[0] == "fit")))
    assert all(regimes is None for what, _, regimes in Witness.seen if what == "predict")
    scorer = make_scorer(r2_score).set_score_request(regimes=True)
    with pytest.raises(TypeError, match="regimes"):
        cross_validate(ensemble, X, y, cv=2, scoring=scorer, params={"regimes": regimes}, error_score="raise")


@pytest.mark.usefixtures("routing")
def test_with_routing_regimes_may_have_another_name():
    X, y, regimes = table()
    ensemble = two_slopes(Witness).set_fit_request(regimes="market_state").set_score_request(regimes="market_state")
    ensemble.set_predict_request(regimes="market_state")
    pipe = Pipeline([("ensemble", ensemble)]).fit(X, y, market_state=regimes)
    assert r2_score(y, pipe.predict(X, market_state=regimes)) > 0.9
    search = GridSearchCV(pipe, {"ensemble__cv": [2]}, cv=2).fit(X, y, market_state=regimes)
    assert search.best_score_ > 0.9
    assert search.score(X, y, market_state=regimes) > 0.9


@pytest.mark.usefixtures("routing")
def test_with_routing_requests_survive_cloning_and_pickling():
    X, y, regimes = table()
    ensemble = two_slopes().set_fit_request(regimes=True).set_score_request(regimes=True)
    for copied in (clone(ensemble), pickle.loads(pickle.dumps(ensemble))):
        assert GridSearchCV(copied, {"cv": [2]}, cv=2).fit(X, y, regimes=regimes).best_score_ > 0.9


@pytest.mark.usefixtures("routing")
@looks_ahead
def test_with_routing_groups_reach_the_splitters():
    X, y, regimes = table()
    groups = np.arange(len(X)) // 10
    ensemble = two_slopes().set_fit_request(regimes=True).set_score_request(regimes=True)
    search = GridSearchCV(ensemble, {"cv": [2]}, cv=GroupKFold(3)).fit(X, y, regimes=regimes, groups=groups)
    assert search.best_score_ > 0.9
    inner = two_slopes(cv=GroupKFold(3)).fit(X, y, groups=groups, regimes=regimes)
    assert folds_keep_groups_together(inner, groups)
    assert inner.n_excluded_ == 0


@looks_ahead
def test_groups_reach_the_splitter():
    X, y, _ = table()
    groups = np.arange(len(X)) // 10
    ensemble = two_slopes(cv=GroupKFold(3)).fit(X, y, groups=groups)
    assert folds_keep_groups_together(ensemble, groups)
    with pytest.raises(ValueError, match="The 'groups' parameter should not be None"):
        two_slopes(cv=GroupKFold(3)).fit(X, y)


def folds_keep_groups_together(ensemble, groups):
    record = ensemble.out_of_fold_
    return pd.Series(record.folds).groupby(groups[record.rows]).nunique().max() == 1


@pytest.mark.usefixtures("routing")
@looks_ahead
def test_with_routing_a_model_may_have_any_name():
    X, y, _ = table()
    models = [(name, Slope()) for name in ("splitter", "scorer", "estimator", "fit")]
    ensemble = RegimeAwareEnsembleRegressor(models, cv=GroupKFold(2)).fit(X, y, groups=np.arange(len(X)) // 10)
    assert ensemble.model_names_ == ("splitter", "scorer", "estimator", "fit")


@pytest.mark.usefixtures("routing")
def test_with_routing_other_ensembles_of_scikit_learn():
    X, y, regimes = table()
    ensemble = two_slopes().set_fit_request(regimes=True)
    voting = VotingRegressor([("ours", ensemble)]).fit(X, y, regimes=regimes)
    assert voting.estimators_[0].regimes_ == ("calm", "storm")
    with pytest.raises(TypeError, match="regimes"):
        voting.predict(X, regimes=regimes)
    with pytest.raises(TypeError, match="regimes"):
        StackingRegressor([("ours", ensemble)], Ridge()).fit(X, y, regimes=regimes)


@pytest.mark.usefixtures("routing")
@both_tasks
def test_with_routing_named_models_take_sample_weights_unasked(task):
    X, y = problem(task, 40)
    weight = np.arange(len(X)) % 3.0
    ensemble = ENSEMBLES[task]([small(name, task) for name in model_names(task)[:-1]], cv=2, random_state=0)
    kept = weight > 0
    with_routing = ensemble.fit(X, y, sample_weight=weight)
    with sklearn.config_context(enable_metadata_routing=False):
        without = clone(ensemble).fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(answer(with_routing, X[kept]), answer(without, X[kept]))
    assert not np.array_equal(answer(with_routing, X), answer(clone(ensemble).fit(X, y), X))


@pytest.mark.usefixtures("routing")
@both_tasks
def test_with_routing_members_get_what_they_request_cut_to_the_fold(task):
    X, y = problem(task, 60)
    weight, metadata = np.linspace(1, 2, 60), np.arange(60)
    kind = ConsumingRegressor if task == "regressor" else ConsumingClassifier
    registry = _Registry()
    member = kind(registry=registry)
    ensemble = ENSEMBLES[task]([("member", member)], cv=[(np.arange(20), np.arange(20, 60))])
    with pytest.raises(UnsetMetadataPassedError, match="metadata"):
        ensemble.fit(X, y, metadata=metadata)
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        ensemble.fit(X, y, sample_weight=weight)
    member.set_fit_request(sample_weight=True, metadata="facts")
    registry.clear()
    ensemble.fit(X, y, sample_weight=weight, facts=metadata)
    given = [record for model in registry for records in model._records["fit"].values() for record in records]
    got = {len(record["metadata"]): record for record in given}
    assert set(got) == {20, 60}
    for n, record in got.items():
        np.testing.assert_array_equal(record["metadata"], metadata[:n])
        np.testing.assert_array_equal(record["sample_weight"], weight[:n])


@pytest.mark.usefixtures("routing")
def test_with_routing_the_requests_are_listed():
    X, y, _ = table()
    member = ConsumingRegressor().set_fit_request(metadata=True)
    ensemble = RegimeAwareEnsembleRegressor([("member", member), "linear"]).set_fit_request(regimes=True)
    requests = ensemble.get_metadata_routing()
    assert requests.consumes("fit", ["regimes", "metadata", "sample_weight", "other"]) >= {"regimes", "metadata"}
    with pytest.raises(TypeError, match="other"):
        ensemble.fit(X, y, other=np.arange(len(X)))


def test_without_routing_other_metadata_get_a_sentence():
    X, y, _ = table()
    with pytest.raises(ValueError, match=r"got \['facts'\], which it can only pass on with metadata routing"):
        two_slopes().fit(X, y, facts=np.arange(len(X)))


# A scorer that knows the regimes.


def test_a_regime_scorer_directly():
    X, y, regimes = table()
    ensemble = two_slopes().fit(X, y, regimes=regimes)
    scorer = make_regime_scorer(r2_score)
    assert scorer(ensemble, X, y, regimes=regimes) == ensemble.score(X, y, regimes=regimes)
    assert scorer(ensemble, X, y) == ensemble.score(X, y)
    weight = np.linspace(0, 1, len(X))
    weighted = scorer(ensemble, X, y, regimes=regimes, sample_weight=weight)
    assert weighted == ensemble.score(X, y, weight, regimes=regimes)
    costs = make_regime_scorer(mean_squared_error, greater_is_better=False)
    assert costs(ensemble, X, y) == -mean_squared_error(y, ensemble.predict(X))


@pytest.mark.parametrize("labels", [np.array(["down", "up"]), np.array([0, 1]), np.array([False, True])])
def test_a_regime_scorer_of_probabilities(labels):
    X, y, regimes = table()
    y = labels[(y > 0).astype(int)]
    ensemble = two_sides().fit(X, y, regimes=regimes)
    said = ensemble.predict_proba(X, regimes=regimes)
    area = make_regime_scorer(roc_auc_score, response_method="predict_proba")
    assert area(ensemble, X, y, regimes=regimes) == roc_auc_score(y, said[:, 1]) > 0.8
    cost = make_regime_scorer(log_loss, response_method="predict_proba", greater_is_better=False, labels=labels)
    assert cost(ensemble, X, y, regimes=regimes) == pytest.approx(-log_loss(y, said, labels=labels))


def test_a_regime_scorer_of_a_chosen_and_of_many_classes():
    X, y, regimes = table()

    def mean_probability(y, said, pos_label="up"):
        return float(np.mean(said))

    ensemble = two_sides().fit(X, np.where(y > 0, "up", "down"), regimes=regimes)
    said = ensemble.predict_proba(X, regimes=regimes)
    scorer = make_regime_scorer(mean_probability, response_method="predict_proba", pos_label="down")
    assert scorer(ensemble, X, y, regimes=regimes) == pytest.approx(said[:, 0].mean())
    three = np.digitize(y, [-0.5, 0.5])
    ensemble = RegimeAwareEnsembleClassifier(["logistic"], cv=2).fit(X, three, regimes=regimes)
    scorer = make_regime_scorer(log_loss, response_method="predict_proba", greater_is_better=False, labels=[0, 1, 2])
    assert scorer(ensemble, X, three, regimes=regimes) == -log_loss(three, ensemble.predict_proba(X, regimes=regimes))


@pytest.mark.usefixtures("routing")
def test_a_regime_scorer_in_the_tools_of_scikit_learn():
    X, y, regimes = table()
    ensemble = two_slopes().set_fit_request(regimes=True)
    scorer = make_regime_scorer(r2_score)
    with pytest.raises(UnsetMetadataPassedError, match="regimes"):
        cross_validate(ensemble, X, y, cv=3, scoring=scorer, params={"regimes": regimes})
    scorer.set_score_request(regimes=True)
    assert cross_validate(ensemble, X, y, cv=3, scoring=scorer, params={"regimes": regimes})["test_score"].min() > 0.9
    several = {"told": scorer, "untold": "r2"}
    scores = cross_validate(ensemble, X, y, cv=3, scoring=several, params={"regimes": regimes})
    assert scores["test_told"].min() > 0.9 > scores["test_untold"].max()
    search = GridSearchCV(ensemble, {"cv": [2, 3]}, cv=2, scoring=scorer).fit(X, y, regimes=regimes)
    assert search.best_score_ > 0.9
    assert search.score(X, y, regimes=regimes) > 0.9
    assert clone(search).fit(X, y, regimes=regimes).best_score_ == search.best_score_


@pytest.mark.usefixtures("routing")
def test_a_regime_scorer_and_a_pipeline():
    X, y, regimes = table()
    ensemble = two_slopes().set_fit_request(regimes="state").set_predict_request(regimes=True)
    pipe = Pipeline([("scale", StandardScaler()), ("ensemble", ensemble)])
    scorer = make_regime_scorer(r2_score).set_score_request(regimes="state")
    search = GridSearchCV(pipe, {"ensemble__cv": [2]}, cv=2, scoring=scorer).fit(X, y, state=regimes)
    assert search.best_score_ > 0.8


def test_a_regime_scorer_survives_pickling_and_refuses_nonsense():
    X, y, regimes = table()
    ensemble = two_slopes().fit(X, y, regimes=regimes)
    scorer = make_regime_scorer(r2_score)
    assert pickle.loads(pickle.dumps(scorer))(ensemble, X, y, regimes=regimes) == scorer(
        ensemble, X, y, regimes=regimes
    )
    assert "r2_score" in repr(scorer)
    with pytest.raises(ValueError, match=r"metric of make_regime_scorer must be a function .* got 'r2'"):
        make_regime_scorer("r2")
    with pytest.raises(ValueError, match="must be one of 'predict', 'predict_proba'; got 'transform'"):
        make_regime_scorer(r2_score, response_method="transform")


# Copies, on disk and in memory.


def fitted_and_told(task, combiner):
    """An ensemble of every named model, its rows and their regimes."""
    X, y = problem(task)
    X, regimes = X.to_numpy(), table()[2]
    models = [small(name, task) for name in model_names(task)[:-1]]
    ensemble = ENSEMBLES[task](models, combiner=combiner, cv=2, random_state=0)
    return ensemble.fit(X, y, regimes=regimes), X, regimes


def test_copies_answer_with_the_same_bits_in_a_fresh_process(tmp_path):
    for task in ENSEMBLES:
        for combiner in COMBINERS:
            ensemble, X, regimes = fitted_and_told(task, combiner)
            here = tmp_path / f"{task} {combiner}"
            here.mkdir()
            (here / "pickle").write_bytes(pickle.dumps(ensemble))
            (here / "cloudpickle").write_bytes(cloudpickle.dumps(ensemble))
            joblib.dump(ensemble, here / "joblib")
            np.savez(here / "said", X=X, regimes=regimes, expected=answer(ensemble, X, regimes=regimes))
    code = f"""
import pickle, joblib, numpy as np
from pathlib import Path
for here in Path({str(tmp_path)!r}).iterdir():
    said = np.load(here / "said.npz")
    X, regimes, expected = said["X"], said["regimes"], said["expected"].tobytes()
    copies = [pickle.loads((here / "pickle").read_bytes()), pickle.loads((here / "cloudpickle").read_bytes())]
    for copy in [*copies, joblib.load(here / "joblib")]:
        ask = copy.predict_proba if hasattr(copy, "predict_proba") else copy.predict
        assert ask(X, regimes=regimes).tobytes() == expected, here
        assert copy.explain(X, regimes=regimes).combined.tobytes() == expected, here
    print(here.name)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert len(done.stdout.splitlines()) == len(ENSEMBLES) * len(COMBINERS)


# What a reader of the file must trust besides scikit-learn's own classes and ours.
TRUSTED = {"collections.OrderedDict", "lightgbm.basic.Booster", "xgboost.core.Booster"}


@both_tasks
@every_combiner
def test_skops_round_trip(task, combiner):
    ensemble, X, regimes = fitted_and_told(task, combiner)
    dumped = skops_io.dumps(ensemble)
    trusted = skops_io.get_untrusted_types(data=dumped)
    assert {name for name in trusted if not name.startswith(("skensemble.", "sklearn."))} <= TRUSTED
    copied = skops_io.loads(dumped, trusted=trusted)
    assert answer(copied, X, regimes=regimes).tobytes() == answer(ensemble, X, regimes=regimes).tobytes()


@both_tasks
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Paris"])
def test_what_was_trained_on_times_survives_skops_and_goes_on(task, zone):
    X, y = problem(task)
    X = X.set_index(pd.date_range("2024-01-01 09:30:00.123456789", periods=len(X), freq="h", tz=zone))
    y = pd.Series(np.asarray(y), X.index)
    models = [small(name, task) for name in ("xgboost", "lightgbm", model_names(task)[2])]
    ensemble = ENSEMBLES[task](models, combiner="dynamic", cv=2, warm_start=True, random_state=0)
    if task == "classifier":
        ensemble.set_params(calibrate=True)
    half, most = len(X) // 2, len(X) - 10
    ensemble.fit(X[:half], y[:half]).partial_update(X[half:most], y[half:most])
    dumped = skops_io.dumps(ensemble)
    trusted = skops_io.get_untrusted_types(data=dumped)
    assert {name for name in trusted if not name.startswith(("skensemble.", "sklearn."))} <= TRUSTED
    copied = skops_io.loads(dumped, trusted=trusted)
    for name, at in (("trained_until_", half - 1), ("learned_until_", most - 1)):
        assert getattr(copied, name) == getattr(pickle.loads(pickle.dumps(ensemble)), name) == X.index[at]
    for each in (ensemble, copied):
        each.partial_update(X[most:], y[most:]).fit(X, y)
    assert answer(copied, X).tobytes() == answer(ensemble, X).tobytes()
    assert copied.ledger_ == ensemble.ledger_
    with pytest.raises(ValueError, match="time zone"):
        copied.fit(X.set_index(X.index.tz_localize("UTC" if zone is None else None)), y.to_numpy())


@both_tasks
def test_a_clone_is_unfitted_and_fits_to_the_same_bits(task):
    X, y = problem(task)
    ensemble = small_default(task).fit(X, y)
    copied = clone(ensemble)
    with pytest.raises(NotFittedError):
        copied.predict(X)
    assert copied.get_params().keys() == ensemble.get_params().keys()
    assert answer(copied.fit(X, y), X).tobytes() == answer(ensemble, X).tobytes()


@both_tasks
@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_backends_and_numbers_of_jobs_change_no_bit(task, backend):
    X, y = problem(task, 80)
    names = model_names(task)[:-1]
    ensemble = ENSEMBLES[task]([small(name, task) for name in names], cv=2, random_state=0)
    expected = answer(clone(ensemble).fit(X, y), X).tobytes()
    with joblib.parallel_config(backend=backend, n_jobs=2):
        assert answer(clone(ensemble).fit(X, y), X).tobytes() == expected
    for n_jobs in (1, 2):
        assert answer(clone(ensemble).set_params(n_jobs=n_jobs).fit(X, y), X).tobytes() == expected


# All kinds of tables.


@both_tasks
def test_one_answer_for_every_kind_of_table(task, tmp_path):
    frame, y = problem(task)
    numbers = frame.to_numpy()
    np.save(tmp_path / "X.npy", numbers)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    target = np.array(y)
    target.flags.writeable = False
    expected = answer(small_default(task).fit(numbers, y), numbers)
    for X in (frame, pl.from_pandas(frame), numbers.tolist(), mapped, np.asfortranarray(numbers)):
        fitted = small_default(task).fit(X, target)
        np.testing.assert_allclose(answer(fitted, X), expected, rtol=1e-12)
    np.testing.assert_allclose(answer(small_default(task).fit(frame, pd.Series(y)), frame), expected, rtol=1e-12)
    np.testing.assert_allclose(answer(small_default(task).fit(frame, pl.Series(y)), frame), expected, rtol=1e-12)


@both_tasks
@every_combiner
@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_array, sparse.csr_matrix, sparse.coo_array])
def test_sparse_rows(task, kind, combiner):
    X, y = problem(task)
    X = np.where(np.abs(X.to_numpy()) < 0.3, 0.0, X.to_numpy())
    ensemble = small_default(task, combiner=combiner).fit(kind(X), y)
    assert ensemble.score(kind(X), y) > 0.6
    assert ensemble.explain(kind(X)).combined.tobytes() == ensemble.explain(kind(X)).combined.tobytes()


@both_tasks
def test_sparse_rows_with_long_indices_reach_trees(task):
    X, y = problem(task)
    rows = sparse.csr_array(X.to_numpy())
    rows.indices, rows.indptr = rows.indices.astype(np.int64), rows.indptr.astype(np.int64)
    tree = DecisionTreeRegressor(max_depth=3) if task == "regressor" else DecisionTreeClassifier(max_depth=3)
    ensemble = ENSEMBLES[task]([("tree", tree), small("random_forest", task)], random_state=0).fit(rows, y)
    assert not ensemble.explain(rows).asleep.any()
    assert rows.indices.dtype == np.int64


def test_sparse_rows_and_features_beside_predictions():
    X, y = problem("regressor")
    rows = sparse.csr_array(X.to_numpy())
    ensemble = small_default("regressor", combiner=Stacking(passthrough=True)).fit(rows, y)
    assert ensemble.score(rows, y) > 0.8


@both_tasks
@every_combiner
def test_missing_values_pass_through_to_models_that_can_take_them(task, combiner):
    X, y = problem(task)
    X = X.mask(np.random.default_rng(0).random(X.shape) < 0.1)
    X["gap"] = np.nan
    for rows in (X, X.to_numpy()):
        ensemble = small_default(task, combiner=combiner).fit(rows, y)
        assert ensemble.score(rows, y) > 0.6
        assert not ensemble.explain(rows).asleep.any()


@both_tasks
def test_categorical_columns_pass_through_to_the_default_models(task):
    X, y, regimes = table()
    y = y if task == "regressor" else np.where(y > 0, "up", "down")
    X["market"] = pd.Categorical(regimes)
    X["venue"] = np.where(np.arange(len(X)) % 2, "NYSE", None)
    ensemble = small_default(task).fit(X, y)
    assert not ensemble.explain(X).asleep.any()
    unseen = X.assign(market=pd.Categorical(["crash"] * len(X)))
    assert not ensemble.explain(unseen).asleep.any()
    if task == "regressor":
        told = small_default(task).fit(X, y).score(X, y)
        assert told > small_default(task).fit(X.drop(columns="market"), y).score(X.drop(columns="market"), y)


@pytest.mark.parametrize(
    "labels",
    [["b", "a", "c"], [3, 1, 2], [-1, 0, 7], [1.0, 2.0, 3.0], [True, False, True], np.array(["x", "y", "z"], object)],
    ids=str,
)
@every_combiner
def test_labels_of_any_kind(labels, combiner):
    X, y, regimes = table()
    y = np.asarray(labels)[np.digitize(X["signal"], [-0.5, 0.5])]
    ensemble = small_default("classifier", combiner=combiner).fit(X, y, regimes=regimes)
    np.testing.assert_array_equal(ensemble.classes_, np.unique(y))
    assert ensemble.predict(X).dtype == ensemble.classes_.dtype
    assert ensemble.score(X, y, regimes=regimes) > 0.8
    np.testing.assert_allclose(ensemble.predict_proba(X).sum(axis=1), 1.0)


@every_combiner
def test_a_class_that_the_first_folds_lack(combiner):
    X, _, _ = table(150)
    y = np.where(X["signal"] > 0, "up", "down").astype(object)
    y[100:][X["noise"].to_numpy()[100:] > 0.3] = "crash"
    y[:25] = "down"
    ensemble = small_default("classifier", cv=None, combiner=combiner).fit(X, y)
    assert ensemble.classes_.tolist() == ["crash", "down", "up"]
    said = ensemble.predict_proba(X)
    np.testing.assert_allclose(said.sum(axis=1), 1.0)
    assert ensemble.explain(X).asleep.sum() == 0


def test_one_class_alone():
    X, _, _ = table(30)
    for combiner in COMBINERS:
        ensemble = small_default("classifier", combiner=combiner).fit(X, ["up"] * 30)
        assert set(ensemble.predict(X)) == {"up"}
        np.testing.assert_allclose(ensemble.predict_proba(X), np.ones((30, 1)), rtol=1e-12)


@both_tasks
@every_combiner
@pytest.mark.parametrize("n", range(2, 13))
def test_few_rows(task, combiner, n):
    X, y = problem(task, n)
    ensemble = ENSEMBLES[task](
        [small(name, task) for name in model_names(task)[:-1]], combiner=combiner, random_state=0
    ).fit(X, y, regimes=np.arange(n) % 2)
    said = answer(ensemble, X, regimes=np.arange(n) % 2)
    assert np.isfinite(said).all()
    assert not ensemble.explain(X).asleep.any()


@both_tasks
def test_one_row_is_refused(task):
    X, y = problem(task, 1)
    for rows in (X, X.to_numpy()):
        with pytest.raises(ValueError, match=r"1 sample\(s\).* minimum of 2 is required"):
            small_default(task).fit(rows, y)


@both_tasks
def test_one_feature(task):
    X, y = problem(task)
    ensemble = small_default(task).fit(X[["signal"]], y)
    assert ensemble.n_features_in_ == 1
    assert ensemble.score(X[["signal"]], y) > 0.4


@both_tasks
def test_column_names_with_any_characters(task):
    X, y = problem(task)
    X.columns = ["close[0]", '{"a": <1>, b}', "ß, ü"]
    ensemble = small_default(task).fit(X, y)
    assert list(ensemble.feature_names_in_) == list(X.columns)
    assert ensemble.score(X, y) > 0.8


@both_tasks
def test_columns_out_of_order_are_an_error_that_names_them(task):
    X, y = problem(task)
    ensemble = small_default(task).fit(X, y)
    with pytest.raises(ValueError, match="'noise' where 'signal' was, 'signal' where 'noise' was"):
        ensemble.predict(X[["noise", "signal", "more"]])
    with pytest.raises(ValueError, match=r"misses the columns \['more'\]"):
        ensemble.predict(X[["signal", "noise"]])


def seen_by_scikit_learn(frame):
    """Names of columns that scikit-learn finds: before 1.9 none in a frame of the newest polars."""
    numbers = frame.select(pl.lit(0.0).alias(name) for name in frame.columns)
    return list(getattr(StandardScaler().fit(numbers), "feature_names_in_", []))


@both_tasks
def test_polars_all_the_way(task):
    X, y, regimes = table()
    y = y if task == "regressor" else np.where(y > 0, "up", "down")
    X["market"] = regimes
    given = {"regimes": pl.Series(regimes), "sample_weight": pl.Series(np.linspace(1, 2, 120))}
    given["groups"] = pl.Series(["a", "b"] * 60)
    frame, targets = pl.from_pandas(X), pl.Series(y)
    told = small_default(task).fit(frame, targets, **given)
    plain = small_default(task).fit(X, y, regimes=regimes, sample_weight=np.linspace(1, 2, 120))
    said = answer(told, frame, regimes=given["regimes"])
    assert isinstance(said, np.ndarray)
    np.testing.assert_allclose(said, answer(plain, X, regimes=regimes), rtol=1e-12)
    assert list(getattr(told, "feature_names_in_", [])) == seen_by_scikit_learn(frame)
    told.partial_update(frame[:9], targets[:9], regimes=given["regimes"][:9])
    told.partial_update(predictions=told.explain(frame[9:20], regimes=given["regimes"][9:20]), y=targets[9:20])
    plain.partial_update(X[:9], y[:9], regimes=regimes[:9])
    plain.partial_update(predictions=plain.explain(X[9:20], regimes=regimes[9:20]), y=y[9:20])
    pd.testing.assert_frame_equal(told.weights_, plain.weights_, rtol=1e-12)
    assert pl.from_pandas(told.explain(frame).frame()).height == pl.from_pandas(plain.explain(X).frame()).height
    detected = small_default(task, regime_detector="market").fit(frame, targets)
    assert detected.regimes_ == ("calm", "storm")


@both_tasks
@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_frames_out_of_transformers_into_the_ensemble_and_out_of_a_stack(task, output):
    X, y = problem(task)
    X = X[["signal", "noise"]]
    pipe = make_pipeline(StandardScaler(), small_default(task)).set_output(transform=output).fit(X, y)
    seen = seen_by_scikit_learn(pl.from_pandas(X)) if output == "polars" else ["signal", "noise"]
    assert list(getattr(pipe[-1], "feature_names_in_", [])) == seen
    assert pipe.score(X, y) > 0.8
    # The ensembles are no transformers; scikit-learn's stacking makes one of them.
    assert not hasattr(pipe[-1], "transform")
    kind = StackingRegressor if task == "regressor" else StackingClassifier
    stack = kind([("ours", ENSEMBLES[task](["linear" if task == "regressor" else "logistic"], cv=2))], cv=3)
    made = stack.set_output(transform=output).fit(X, y).transform(X)
    assert type(made).__module__.startswith(output)
    assert list(made.columns) == list(stack.get_feature_names_out())
    assert all("ours" in name for name in made.columns)


# Members of other people.


def test_a_plain_xgboost_classifier_takes_words_and_missing_classes():
    X, _, _ = table(150)
    y = np.where(X["signal"] > 0, "up", "down").astype(object)
    y[100:][X["noise"].to_numpy()[100:] > 0.3] = "crash"
    plain = XGBClassifier(n_estimators=10, learning_rate=0.5)
    ensemble = RegimeAwareEnsembleClassifier([("plain", plain), ("piped", make_pipeline(clone(plain)))]).fit(X, y)
    assert ensemble.score(X, y) > 0.8
    assert ensemble.explain(X).asleep.sum() == 0
    assert ensemble.estimators[0][1] is plain


@every_combiner
def test_classifiers_without_probabilities_vote_for_one_class(combiner):
    X, _, regimes = table()
    y = np.array(["a", "b", "c"])[np.digitize(X["signal"], [-0.5, 0.5])]
    models = [("svc", LinearSVC(random_state=0)), ("ridge", RidgeClassifier()), small("logistic", "classifier")]
    ensemble = RegimeAwareEnsembleClassifier(models, combiner=combiner).fit(X, y, regimes=regimes)
    votes = ensemble.explain(X).member_predictions[:, :2]
    assert set(np.unique(votes)) == {0.0, 1.0}
    assert ensemble.score(X, y, regimes=regimes) > 0.6


@both_tasks
@looks_ahead
def test_frozen_members_are_taken_as_they_are(task):
    X, y = problem(task)
    fitted = make_model("linear", task).fit(X[:60], y[:60])
    ensemble = ENSEMBLES[task]([("before", FrozenEstimator(fitted)), small("extra_trees", task)], random_state=0)
    ensemble.fit(X, y)
    assert ensemble.named_estimators_["before"].estimator is fitted
    np.testing.assert_array_equal(
        ensemble.explain(X).member_predictions[:, 0].ravel(), answer(fitted, X).reshape(len(X), -1).ravel()
    )
    weighted = clone(ensemble).fit(X, y, sample_weight=np.linspace(1, 2, len(X)))
    assert weighted.named_estimators_["before"].estimator is fitted
    alone = ENSEMBLES[task]([("before", FrozenEstimator(fitted))]).fit(X, y)
    np.testing.assert_allclose(answer(alone, X), answer(fitted, X), rtol=1e-12)


@both_tasks
def test_dropped_members(task):
    X, y = problem(task)
    ensemble = small_default(task).set_params(xgboost="drop").fit(X, y)
    assert ensemble.model_names_ == (*(DEFAULT_REGRESSORS if task == "regressor" else DEFAULT_CLASSIFIERS)[1:],)
    assert ensemble.get_params()["xgboost"] == "drop"
    assert list(ensemble.weights_.index) == list(ensemble.model_names_)
    everything = dict.fromkeys(("xgboost", "lightgbm", "random_forest", ensemble.model_names_[-1]), "drop")
    with pytest.raises(ValueError, match="are all 'drop'"):
        clone(ensemble).set_params(**everything).fit(X, y)


# Parameters and pictures.


@both_tasks
def test_setting_parameters_leaves_the_list_of_the_caller_alone(task):
    given = ["xgboost", ("own", Ridge() if task == "regressor" else LogisticRegression())]
    kept = list(given)
    ensemble = ENSEMBLES[task](given)
    ensemble.set_params(xgboost__max_depth=1, own="drop")
    assert given == kept
    assert ensemble.estimators is not given
    assert ensemble.get_params()["xgboost__max_depth"] == 1
    assert ensemble.get_params()["own"] == "drop"


@both_tasks
def test_default_models_have_parameters(task):
    ensemble = ENSEMBLES[task]()
    assert ensemble.get_params()["estimators"] is None
    assert ensemble.get_params()["xgboost__max_depth"] == make_model("xgboost", task).max_depth
    ensemble.set_params(xgboost__max_depth=1, combiner__shrinkage=5.0)
    assert ENSEMBLES[task]().get_params()["xgboost__max_depth"] == make_model("xgboost", task).max_depth
    assert ensemble.get_params()["xgboost__max_depth"] == 1
    assert ensemble.combiner.shrinkage == 5.0
    copied = clone(ensemble)
    assert copied.get_params()["xgboost__max_depth"] == 1
    with pytest.raises(ValueError, match="Invalid parameter 'catboost'"):
        ensemble.set_params(catboost__depth=3)


@both_tasks
def test_pictures(task):
    X, y = problem(task)
    ensemble = small_default(task, regime_detector=SingleRegime())
    assert repr(ensemble).startswith(f"{type(ensemble).__name__}(")
    for drawn in (ensemble, ensemble.fit(X, y), ENSEMBLES[task](), Pipeline([("ensemble", ensemble)])):
        html = drawn._repr_html_()
        for name in ("xgboost", "lightgbm", "random_forest", "WeightedVoting"):
            assert name in html
    for garbage in (-1, "helloworld", [3], [("a",)], {}, object()):
        assert ENSEMBLES[task](garbage, combiner=garbage, regime_detector=garbage)._repr_html_()


def test_printing_to_a_buffer_shows_changed_parameters_only():
    buffer = io.StringIO()
    print(RegimeAwareEnsembleRegressor(["linear"], combiner=Stacking()), file=buffer)
    assert buffer.getvalue() == "RegimeAwareEnsembleRegressor(combiner=Stacking(), estimators=['linear'])\n"


def test_a_splitter_that_is_no_partition_works():
    X, y = problem("regressor")
    ensemble = RegimeAwareEnsembleRegressor(["linear"], cv=TimeSeriesSplit(3)).fit(X, y)
    assert ensemble.n_excluded_ == 30
    with pytest.warns(LookAheadWarning, match="trains on rows later") as caught:
        RegimeAwareEnsembleRegressor(["linear", "extra_trees"], cv=KFold(3)).fit(X, y)
    assert len(caught) == 1


def test_tags_follow_the_models_after_fit_too():
    X, y = np.linspace(0, 1, 60).reshape(-1, 1), np.linspace(0, 2, 60)
    ensemble = RegimeAwareEnsembleRegressor(["linear"]).fit(X, y)
    assert get_tags(ensemble).input_tags.allow_nan
    ensemble.set_params(estimators=[("ridge", Ridge())])
    assert not get_tags(ensemble).input_tags.allow_nan

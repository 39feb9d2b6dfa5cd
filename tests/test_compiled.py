"""A compiled ensemble says what the ensemble says, bit for bit where the models add up in our order, or nothing."""

import pickle
import threading
from copy import deepcopy

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor

import skensemble.compiled._ensemble as module
from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble._training import outputs
from skensemble.compiled import CompiledEnsemble, Leaves, NumbaTrees, PackedTrees, Tree, TreeModel, tree_model
from skensemble.compiled._numba import _compiled as numba_compiled
from skensemble.models import few_numbers, label_encoded, make_model, model_names, quick_answer
from skensemble.regimes import QuantileRegimes

N, N_FEATURES = 240, 4
ENGINES = ["packed", "numba", "onnx"]
FEW = {"n_estimators": 12, "max_iter": 12}
# Those that are nothing but trees, by their names.
PACKED = {"xgboost", "lightgbm", "random_forest", "extra_trees", "hist_gradient_boosting"}
LIBRARY_REGRESSORS = [
    RandomForestRegressor(12, random_state=0),
    ExtraTreesRegressor(12, random_state=0),
    HistGradientBoostingRegressor(max_iter=12),
    lightgbm.LGBMRegressor(n_estimators=12, verbosity=-1),
    lightgbm.LGBMRegressor(n_estimators=12, verbosity=-1, objective="quantile", alpha=0.7),
    xgboost.XGBRegressor(n_estimators=12),
    xgboost.XGBRegressor(n_estimators=12, objective="reg:absoluteerror", base_score=3.0),
    xgboost.XGBRegressor(n_estimators=4, num_parallel_tree=3, subsample=0.5, random_state=0),
]
LIBRARY_CLASSIFIERS = [
    RandomForestClassifier(12, random_state=0),
    ExtraTreesClassifier(12, random_state=0),
    HistGradientBoostingClassifier(max_iter=12),
    lightgbm.LGBMClassifier(n_estimators=12, verbosity=-1),
    label_encoded(xgboost.XGBClassifier(n_estimators=12)),
]


def own_objective(y_true, y_pred):
    return y_pred - y_true, np.ones_like(y_true)


# What looks like trees and is more than a sum of leaves.
OTHERS = [
    xgboost.XGBRegressor(n_estimators=5, booster="dart", rate_drop=0.5, random_state=0),
    xgboost.XGBRegressor(booster="gblinear"),
    xgboost.XGBRegressor(n_estimators=5, objective="reg:gamma"),
    xgboost.XGBRegressor(n_estimators=5, missing=0.0),
    lightgbm.LGBMRegressor(n_estimators=5, verbosity=-1, objective="poisson"),
    lightgbm.LGBMRegressor(n_estimators=5, verbosity=-1, objective=own_objective),
    lightgbm.LGBMRegressor(n_estimators=5, verbosity=-1, linear_tree=True),
    lightgbm.LGBMRegressor(n_estimators=5, verbosity=-1, zero_as_missing=True),
    lightgbm.LGBMRegressor(n_estimators=5, verbosity=-1, boosting_type="rf", subsample=0.5, subsample_freq=1),
    HistGradientBoostingRegressor(max_iter=5, loss="poisson"),
    KNeighborsRegressor(),
]


def shown(model):
    return repr(model)[:60]


def rows(n=N, *, gaps=0.0, scale=1.0, seed=0):
    rng = np.random.RandomState(seed)
    X = scale * rng.standard_normal((n, N_FEATURES))
    X[rng.random_sample(X.shape) < gaps] = np.nan
    return X


def numbers(X):
    return np.exp(np.nan_to_num(X[:, 0] / np.nanstd(X[:, 0]))) + np.nan_to_num(X[:, 1] > 0)


def labels(X, n_classes):
    return np.array(["down", "flat", "up"])[
        np.digitize(np.nan_to_num(X[:, 0] / np.nanstd(X[:, 0])), [0, 0.5][: n_classes - 1])
    ]


def named(name, task):
    model = make_model(name, task)
    return model.set_params(**{key: value for key, value in FEW.items() if key in model.get_params()})


def ensembles(models=None, task="regressor", **options):
    models = (
        ["xgboost", "lightgbm", "random_forest", "linear" if task == "regressor" else "logistic"]
        if models is None
        else models
    )
    estimators = [(each, named(each, task)) if isinstance(each, str) else each for each in models]
    kind = RegimeAwareEnsembleRegressor if task == "regressor" else RegimeAwareEnsembleClassifier
    return kind(estimators, cv=2, random_state=0, **options)


@pytest.fixture(scope="module")
def ensemble():
    X = rows()
    return ensembles(combiner="dynamic").fit(X, numbers(X), regimes=X[:, 2] > 0)


def packed_answers(model, X):
    read = tree_model(model)
    assert read is not None
    return PackedTrees([read], X.shape[1]).answers(X)[0]


def assert_as_the_model(model, X, classes=None, rtol=0.0):
    """On rows, on rows that stand on thresholds or beside them, and on rows with gaps where the model takes them."""
    read = tree_model(model)
    packed, walked = PackedTrees([read], X.shape[1]), NumbaTrees([read], X.shape[1])
    known = np.nan_to_num(X)
    holes = rows(60, gaps=0.4, seed=3)
    edges = packed.edges(known, 400, np.random.RandomState(1))
    for values in (X, *([edges] if len(edges) else []), *([holes] if read.takes_missing else [])):
        own = outputs(model, values, classes)
        said = packed.answers(values)[0]
        assert np.isfinite(own).all()
        assert_allclose(said, own, rtol=rtol, atol=rtol * np.abs(own).max())
        assert_array_equal(walked.answers(values)[0], said)


# Packed trees answer as the model does.


@pytest.mark.parametrize("gaps", [0.0, 0.2])
@pytest.mark.parametrize("name", sorted(PACKED))
def test_named_regressors(name, gaps):
    X = rows(gaps=gaps)
    model = named(name, "regressor").fit(X, numbers(X))
    assert_as_the_model(model, X, rtol=1e-14)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", sorted(PACKED))
def test_named_classifiers(name, n_classes):
    X = rows(gaps=0.2)
    model = named(name, "classifier").fit(X, labels(X, n_classes))
    assert_as_the_model(model, X, model.classes_, rtol=1e-14)


@pytest.mark.parametrize("model", LIBRARY_REGRESSORS, ids=shown)
def test_regressors_of_the_libraries(model):
    X = rows()
    assert_as_the_model(model.fit(X, numbers(X)), X, rtol=1e-14 if "xgb" not in shown(model).lower() else 3e-7)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("model", LIBRARY_CLASSIFIERS, ids=shown)
def test_classifiers_of_the_libraries(model, n_classes):
    X = rows()
    model = model.fit(X, labels(X, n_classes))
    assert_as_the_model(model, X, model.classes_, rtol=1e-14 if "xgb" not in shown(model).lower() else 3e-7)


def test_every_named_model_is_packed_or_known_not_to_be():
    X = rows()
    for task in ("regressor", "classifier"):
        for name in set(model_names(task)) - {"logistic" if task == "regressor" else "linear"}:
            model = named(name, task).fit(X, numbers(X) if task == "regressor" else labels(X, 2))
            assert (tree_model(model) is not None) == (name in PACKED)


@pytest.mark.filterwarnings("ignore:.*(gblinear|base margin|booster=dart).*")
@pytest.mark.parametrize("model", OTHERS, ids=shown)
def test_what_is_more_than_a_sum_of_leaves_is_not_packed(model):
    X = rows()
    assert tree_model(model.fit(X, numbers(X))) is None


def test_what_a_derived_class_answers_is_its_own():
    class Doubled(RandomForestRegressor):
        def predict(self, X):
            return 2 * super().predict(X)

    class Half(type(make_model("random_forest", "regressor"))):
        def predict(self, X):
            return super().predict(X) / 2

    class Mirrored(type(make_model("random_forest", "regressor"))):
        def _values(self, X):
            return -super()._values(X)

    X = rows()
    for kind in (Doubled, Half, Mirrored):
        model = kind(n_estimators=3).fit(X, numbers(X))
        assert tree_model(model) is None
        assert quick_answer(model, X[:2]) is None


@pytest.mark.filterwarnings("ignore:The argument 'eval_set'")
def test_trees_up_to_the_best_iteration():
    X, X_late = rows(), rows(seed=1)
    y, y_late = numbers(X), np.random.RandomState(0).standard_normal(N)
    boosted = [
        xgboost.XGBRegressor(n_estimators=40, early_stopping_rounds=3, eval_metric="rmse").fit(
            X, y, eval_set=[(X_late, y_late)], verbose=False
        ),
        lightgbm.LGBMRegressor(n_estimators=40, verbosity=-1).fit(
            X, y, eval_set=[(X_late, y_late)], callbacks=[lightgbm.early_stopping(3, verbose=False)]
        ),
    ]
    for model in boosted:
        assert len(tree_model(model).trees) < 40
        assert_as_the_model(model, X, rtol=3e-7)


def test_a_constant_and_trees_without_a_split():
    X = rows()
    assert tree_model(named("xgboost", "regressor").fit(X, np.ones(N))) is None  # nothing was learned but the constant
    forest = RandomForestRegressor(3, min_samples_leaf=200, random_state=0).fit(X, numbers(X))
    assert_array_equal(packed_answers(forest, X)[:, 0], forest.predict(X))
    assert PackedTrees([tree_model(forest)], N_FEATURES).edges(X, 5, np.random.RandomState(0)).shape == (0, N_FEATURES)


@pytest.mark.parametrize("scale", [1e-30, 1e9, 1.7e18])
@pytest.mark.parametrize("name", sorted(PACKED))
def test_features_beyond_single_precision(name, scale):
    """Prices in full, or nanoseconds: neighbours in double precision are one number in single precision."""
    X = np.round(1e6 * rows()) / 1e6 * scale + scale
    model = named(name, "regressor").fit(X, numbers(X - scale))
    assert_as_the_model(model, X, rtol=1e-14)


def test_two_models_compare_the_same_number_each_in_its_own_precision():
    """0.1 is above float32(0.1) rounded down, so one tree sends it right and the other left; hand-computed."""
    near = float(np.nextafter(np.float32(0.1), np.float32(0)))  # just below 0.1 and not the nearest to it
    value = near + 0.9 * (float(np.float32(0.1)) - near)  # rounds up to float32(0.1)
    threshold = value - 1e-12
    tree = Tree(*map(np.array, ([0, 0, 0], [threshold, 0, 0], [1, -1, -1], [2, -1, -1], [True] * 3, [[0.0], [1], [2]])))
    exact = Tree(*map(np.array, ([0, 0, 0], [value, 0, 0], [1, -1, -1], [2, -1, -1], [True] * 3, [[0.0], [1], [2]])))
    models = [
        TreeModel([exact], Leaves(1), "double", takes_missing=True),
        TreeModel([exact], Leaves(1), "single", takes_missing=True),
        TreeModel([tree], Leaves(1), "double", takes_missing=True),
    ]
    assert [answer[0, 0] for answer in PackedTrees(models, 1).answers(np.array([[value]]))] == [1, 2, 2]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.booleans())
def test_random_trees_fall_as_they_are_drawn(seed, n_trees, single):
    """Trees of any shape against a loop that follows one row down one tree."""
    rng = np.random.RandomState(seed)
    trees = [random_tree(rng) for _ in range(n_trees)]
    model = TreeModel(trees, Leaves(1), "single" if single else "double", takes_missing=True)
    X = rng.randint(-2, 3, size=(20, N_FEATURES)) / 7
    X[rng.random_sample(X.shape) < 0.2] = np.nan
    values = X.astype(np.float32).astype(float) if single else X
    expected = [sum(fallen(tree, row) for tree in trees) for row in values]
    assert_allclose(PackedTrees([model, model], N_FEATURES).answers(X)[1][:, 0], expected, rtol=1e-12)


def random_tree(rng):
    feature, threshold, left, right = [0], [0.0], [-1], [-1]
    for _ in range(rng.randint(12)):
        node = int(rng.choice([at for at, child in enumerate(left) if child < 0]))
        feature[node], threshold[node] = rng.randint(N_FEATURES), rng.randint(-2, 3) / 7
        for children in (left, right):
            children[node] = len(feature)
            feature, threshold = [*feature, 0], [*threshold, 0.0]
            left.append(-1), right.append(-1)
    nan_left = rng.randint(2, size=len(feature)).astype(bool)
    return Tree(*map(np.array, (feature, threshold, left, right)), nan_left, rng.standard_normal((len(feature), 1)))


def fallen(tree, row):
    at = 0
    while tree.left[at] >= 0:
        asked = row[tree.feature[at]]
        goes_left = tree.nan_left[at] if np.isnan(asked) else asked <= tree.threshold[at]
        at = tree.left[at] if goes_left else tree.right[at]
    return tree.value[at, 0]


# The short way of an ordinary predict.


@pytest.mark.parametrize(
    "model",
    [
        *LIBRARY_REGRESSORS,
        Ridge(),
        KNeighborsRegressor(),
        *(named(name, "regressor") for name in sorted(PACKED | {"linear", "mlp"})),
    ],
    ids=shown,
)
def test_few_rows_get_the_answer_of_many(model):
    X = rows()
    model = model.fit(X, numbers(X))
    assert_allclose(outputs(model, X[:3], None, numbers=X[:3]), outputs(model, X[:3], None), rtol=1e-13)


@pytest.mark.parametrize(
    "model", [*LIBRARY_CLASSIFIERS, LogisticRegression(), named("logistic", "classifier")], ids=shown
)
def test_few_rows_get_the_probabilities_of_many(model):
    X = rows()
    y = labels(X, 3)
    model = model.fit(X[y != "up"], y[y != "up"])
    classes = np.unique(y)
    assert_allclose(outputs(model, X[:3], classes, numbers=X[:3]), outputs(model, X[:3], classes), rtol=1e-13)


def test_rows_that_a_model_refuses_are_refused_on_the_short_way():
    X = rows()
    X_gap = X[:1].copy()
    X_gap[0, 0] = np.nan
    for model in (Ridge(), RandomForestRegressor(3)):
        assert quick_answer(model.fit(X, numbers(X)), X_gap) is None


@pytest.mark.parametrize(
    "X",
    [
        np.ones((65, 2)),
        np.array([[1.0, np.inf]]),
        np.array([["a"]]),
        np.array([[3.5e38]]),
        np.array([[2**24 + 1]]),
        np.asmatrix([[1.0]]),
        np.ones(3),
        pd.DataFrame({"a": ["x"]}),
        pd.DataFrame({"a": pd.Categorical(["x"])}),
        pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
        [[1.0]],
    ],
    ids=str,
)
def test_no_numbers_no_short_way(X):
    assert few_numbers(X) is None


def test_truths_beside_numbers_are_numbers():
    X = pd.DataFrame({"a": [True, False], "b": [0.5, np.nan]})
    assert_array_equal(few_numbers(X), [[1.0, 0.5], [0.0, np.nan]])
    X = X.fillna(0.0).loc[np.arange(N) % 2]
    fitted = ensembles().fit(X, np.arange(N) % 2 + X["b"].to_numpy())
    quick = fitted.compile()
    assert quick.packed_models == ("xgboost", "lightgbm", "random_forest")
    assert_allclose(quick.predict(X[:3]), fitted.predict(X[:3]), rtol=1e-12)


def test_whole_numbers_are_rounded_as_by_lightgbm():
    """An array of integers is single precision to it: above 2^24 every other one is its neighbour."""
    X = 2**24 + rows().argsort(axis=0) % 9
    fitted = ensembles([("l", lightgbm.LGBMRegressor(n_estimators=12, verbosity=-1))]).fit(X, X[:, 0] % 2 + X[:, 1] % 9)
    quick = fitted.compile()
    assert quick.packed_models == ("l",)
    few = np.concatenate([fitted.predict(X[at : at + 8]) for at in range(0, N, 8)])
    assert_array_equal(few, fitted.estimators_[0].predict(X))
    assert_array_equal(np.concatenate([quick.predict(X[at : at + 8]) for at in range(0, N, 8)]), few)


def test_a_line_learned_in_single_precision_answers_in_it():
    X = rows().astype(np.float32)
    model = Ridge().fit(X, numbers(X))
    assert_array_equal(outputs(model, X[:3], None, numbers=few_numbers(X[:3]))[:, 0], model.predict(X[:3]))


def test_numbers_in_place_of_categories_are_refused_on_the_short_way():
    X = pd.DataFrame(rows(), columns=list("abcd")).assign(d=pd.Categorical(np.arange(N) % 3))
    model = lightgbm.LGBMRegressor(n_estimators=5, verbosity=-1).fit(X, X["a"])
    as_numbers = X.assign(d=np.arange(N) % 3)[:3]
    assert quick_answer(model, few_numbers(as_numbers)) is None
    assert tree_model(model) is None
    # No tree asks for the category, and yet the model refuses numbers in its place.
    stump = xgboost.XGBRegressor(n_estimators=1, max_depth=1, enable_categorical=True).fit(X, X["a"])
    assert tree_model(stump) is None


# The compiled ensemble.


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("task", ["regressor", "classifier"])
@pytest.mark.parametrize("combiner", ["weighted_voting", "stacking", "dynamic"])
def test_it_says_what_the_ensemble_says(combiner, task, engine):
    X = rows()
    regimes = np.where(X[:, 2] > 0, "calm", "wild")
    fitted = ensembles(task=task, combiner=combiner).fit(
        X, numbers(X) if task == "regressor" else labels(X, 3), regimes=regimes
    )
    quick = fitted.compile(engine=engine)
    assert quick.packed_models == ("xgboost", "lightgbm", "random_forest")
    tolerance = {"rtol": 1e-12} if engine != "onnx" else {"rtol": 1e-5, "atol": 1e-6}
    for some in (slice(0, 1), slice(3, 6), slice(0, 30)):
        for given_regimes in (regimes[some], None):
            assert_array_equal(quick.predict(X[some], regimes=given_regimes).shape, (some.stop - some.start,))
            said, own = quick.explain(X[some], regimes=given_regimes), fitted.explain(X[some], regimes=given_regimes)
            for part in (
                "combined",
                "member_predictions",
                "weights",
                "contributions",
                "agreement",
                "confidence",
                "limits",
            ):
                assert_allclose(getattr(said, part), getattr(own, part), **tolerance)
            assert said.models == own.models
            assert_array_equal(said.index, own.index)
            if task == "classifier":
                assert_array_equal(
                    quick.predict(X[some], regimes=given_regimes), fitted.predict(X[some], regimes=given_regimes)
                )
                assert_allclose(quick.predict_proba(X[some], regimes=given_regimes), own.combined, **tolerance)
            else:
                assert_allclose(quick.predict(X[some], regimes=given_regimes), own.prediction, **tolerance)
    assert hasattr(quick, "predict_proba") == (task == "classifier")


def test_many_rows_are_answered_by_the_models_themselves(ensemble, monkeypatch):
    quick = ensemble.compile()
    monkeypatch.setattr(PackedTrees, "answers", None)
    assert_array_equal(quick.predict(rows()[:9]), ensemble.predict(rows()[:9]))
    with pytest.raises(TypeError):
        quick.predict(rows()[:8])


@pytest.mark.parametrize("engine", ENGINES)
def test_feedback_is_seen_at_once(ensemble, engine):
    live = deepcopy(ensemble)
    quick = live.compile(engine=engine)
    X = rows(50, seed=4)
    before = quick.weights_
    live.partial_update(X, 10 * numbers(X))
    assert not quick.weights_.equals(before)
    pd.testing.assert_frame_equal(quick.weights_, live.weights_)
    assert_allclose(quick.predict(X[:1]), live.predict(X[:1]), rtol=1e-5)
    assert_allclose(quick.explain(X[:1]).limits, live.explain(X[:1]).limits, rtol=1e-5)


def test_after_another_fit_it_has_to_be_compiled_again(ensemble):
    live = deepcopy(ensemble)
    quick = live.compile()
    X = rows(seed=5)
    live.fit(X, numbers(X))
    with pytest.raises(ValueError, match=r"RegimeAwareEnsembleRegressor was fitted again .* compile it again"):
        quick.predict(X[:1])
    assert_allclose(live.compile().predict(X[:1]), live.predict(X[:1]), rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_pickle_says_the_same_and_stays_attached(ensemble, engine):
    quick = ensemble.compile(engine=engine)
    X = rows(20, seed=6)
    again = pickle.loads(pickle.dumps(quick))
    assert_array_equal(again.predict(X[:1]), quick.predict(X[:1]))
    again.ensemble.partial_update(X, -numbers(X))
    assert (again.weights_.to_numpy() != quick.weights_.to_numpy()).any()


def test_nothing_in_it_can_be_changed(ensemble):
    quick = ensemble.compile()
    with pytest.raises(AttributeError):
        quick.engine = "onnx"
    assert repr(quick) == (
        "CompiledEnsemble(engine='packed', packed_models=('xgboost', 'lightgbm', 'random_forest'), "
        "other_models=('linear',))"
    )


@pytest.mark.parametrize("engine", ENGINES)
def test_many_threads_get_what_one_gets(ensemble, engine):
    quick, X = ensemble.compile(engine=engine), rows(40, seed=7)
    alone = [quick.predict(row[None]) for row in X]
    wrong = []

    def ask():
        wrong.extend(at for at, row in enumerate(X) if quick.predict(row[None]) != alone[at])

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def refusal(asked, X):
    with pytest.raises((TypeError, ValueError), match=r"\w") as refused:
        asked.predict(X)
    return str(refused.value)


def test_frames_are_read_by_their_columns():
    X = pd.DataFrame(rows(), columns=list("abcd")).assign(d=lambda frame: (10 * frame["d"]).astype(int))
    fitted = ensembles().fit(X, numbers(X.to_numpy()))
    quick = fitted.compile()
    assert quick.packed_models == ("xgboost", "lightgbm", "random_forest")
    assert_allclose(quick.predict(X[:3]), fitted.predict(X[:3]), rtol=1e-12)
    assert_array_equal(quick.explain(X[5:6]).index, [5])
    for wrong in (X[:1].iloc[:, ::-1], X[:1].drop(columns="a"), X[:1].rename(columns={"a": "A"})):
        assert refusal(quick, wrong) == refusal(fitted, wrong)


@pytest.mark.parametrize(
    "wrong",
    [np.ones((1, 3)), np.ones(4), [["a", "b", "c", "d"]], np.full((1, 4), np.inf), np.asmatrix(np.ones((1, 4)))],
    ids=str,
)
def test_what_the_ensemble_refuses_is_refused_in_its_words(ensemble, wrong):
    assert refusal(ensemble.compile(), wrong) == refusal(ensemble, wrong)


def test_lists_of_numbers_are_read_as_by_the_ensemble(ensemble):
    X = rows()[:2].tolist()
    assert_allclose(ensemble.compile().predict(X), ensemble.predict(X), rtol=1e-12)


def test_rows_with_gaps():
    X = rows(gaps=0.2)
    fitted = ensembles(combiner="dynamic").fit(X, numbers(X))
    quick = fitted.compile()
    gaps = [slice(at, at + 1) for at in np.flatnonzero(np.isnan(X).any(axis=1))[:30]]
    assert_allclose([quick.predict(X[at])[0] for at in gaps], [fitted.predict(X[at])[0] for at in gaps], rtol=1e-12)


def test_forests_of_scikit_learn_are_asked_themselves_about_gaps():
    X = rows()
    fitted = ensembles(["xgboost", ("forest", RandomForestRegressor(5, random_state=0))]).fit(X, numbers(X))
    quick = fitted.compile()
    assert quick.packed_models == ("xgboost", "forest")
    X_gap = X[:1].copy()
    X_gap[0, 1] = np.nan
    assert_array_equal(quick.explain(X_gap).member_predictions, fitted.explain(X_gap).member_predictions)


def test_categories_are_left_to_the_models():
    X = pd.DataFrame(rows(), columns=list("abcd")).assign(d=lambda frame: np.where(frame["d"] > 0, "x", "y"))
    fitted = ensembles(["xgboost", "lightgbm"]).fit(X, X["a"])
    with pytest.raises(ValueError, match="compile of RegimeAwareEnsembleRegressor verifies itself on rows of numbers"):
        fitted.compile()
    quick = fitted.compile(X)
    assert (quick.packed_models, quick.other_models) == ((), ("xgboost", "lightgbm"))
    assert_array_equal(quick.predict(X[:1]), fitted.predict(X[:1]))


def test_a_class_that_a_model_has_never_seen():
    X = rows()
    y = labels(X, 3)

    class Blind(RandomForestClassifier):
        """Sees two classes only."""

        def fit(self, X, y, sample_weight=None):
            return super().fit(X[y != "flat"], y[y != "flat"])

    known = RandomForestClassifier(5, random_state=0).fit(X[y != "flat"], y[y != "flat"])
    fitted = ensembles(["xgboost", ("two", known)], task="classifier").fit(X, y)
    fitted.estimators_[1] = known
    quick = fitted.compile()
    assert quick.packed_models == ("xgboost", "two")
    assert_allclose(quick.predict_proba(X[:5]), fitted.predict_proba(X[:5]), rtol=1e-12)


def test_an_ensemble_without_trees():
    X = rows()
    fitted = ensembles(["linear", "mlp"]).fit(X, numbers(X))
    quick = fitted.compile()
    assert quick.packed_models == ()
    assert_array_equal(quick.predict(X[:1]), fitted.predict(X[:1]))


def test_a_detector_is_asked():
    X = rows()
    fitted = ensembles(["random_forest", "linear"], combiner="dynamic", regime_detector=QuantileRegimes(0, 3)).fit(
        X, numbers(X)
    )
    assert_array_equal(fitted.compile().explain(X[:6]).memberships, fitted.explain(X[:6]).memberships)


def test_forests_of_scikit_learn_are_verified_where_the_rows_kept_have_gaps(monkeypatch):
    X = rows(gaps=0.2)
    fitted = ensembles([("forest", RandomForestRegressor(5, random_state=0))]).fit(X, numbers(X))
    assert fitted.compile().packed_models == ("forest",)

    def wrong(model):
        read = tree_model(model)
        return read._replace(trees=[tree._replace(value=2 * tree.value) for tree in read.trees])

    monkeypatch.setattr(module, "tree_model", wrong)
    with pytest.raises(ValueError, match=r"forest says .* and its packed trees"):
        fitted.compile()


def test_thresholds_beyond_single_precision_do_not_upset_other_models():
    """LightGBM stores "is it missing" as a threshold of 1e300, which a forest of scikit-learn refuses to read."""
    X = rows(gaps=0.3)
    y = np.isnan(X[:, 0]) + np.nan_to_num(X[:, 1])
    models = ["lightgbm", ("forest", RandomForestRegressor(5, random_state=0))]
    fitted = ensembles(models).fit(X, y)
    quick = fitted.compile()
    assert quick.packed_models == ("lightgbm", "forest")
    assert_allclose(quick.predict(X[:8]), fitted.predict(X[:8]), rtol=1e-12)


def test_trees_that_ask_nothing():
    X = rows()
    fitted = ensembles([("stumps", RandomForestRegressor(3, min_samples_leaf=200, random_state=0))]).fit(X, numbers(X))
    assert_array_equal(fitted.compile().predict(X[:2]), fitted.predict(X[:2]))


@pytest.mark.parametrize(
    ("task", "model"),
    [
        ("regressor", xgboost.XGBRegressor(n_estimators=5, objective="binary:logistic")),
        ("regressor", lightgbm.LGBMRegressor(n_estimators=5, verbosity=-1, objective="binary")),
        ("classifier", xgboost.XGBClassifier(n_estimators=5, objective="reg:squarederror")),
    ],
    ids=shown,
)
def test_trees_of_the_other_task_are_left_to_their_model(task, model):
    X = rows()
    fitted = ensembles([("other", model), "lightgbm"], task=task).fit(X, X[:, 0] > 0)
    quick = fitted.compile()
    assert quick.packed_models == ("lightgbm",)
    assert_allclose(quick.explain(X[:3]).combined, fitted.explain(X[:3]).combined, rtol=1e-12)


@pytest.mark.parametrize("engine", ENGINES)
def test_wrong_trees_are_refused(ensemble, monkeypatch, engine):
    """One threshold of one tree, moved by one step: only a row that stands on it shows that."""

    def slightly_wrong(model):
        read = tree_model(model)
        if read is None or not isinstance(model, type(make_model("lightgbm", "regressor"))):
            return read
        first = read.trees[0]
        threshold = np.nextafter(first.threshold, -np.inf)
        return read._replace(trees=[first._replace(threshold=threshold), *read.trees[1:]])

    monkeypatch.setattr(module, "tree_model", slightly_wrong)
    with pytest.raises(ValueError, match=r"is wrong: lightgbm says .* and its packed trees .* use its predict"):
        ensemble.compile(engine=engine)


def test_an_unknown_engine(ensemble):
    with pytest.raises(
        ValueError,
        match="engine of compile of RegimeAwareEnsembleRegressor must be one of 'numba', 'onnx', 'packed'; got 'C'",
    ):
        ensemble.compile(engine="C")


def test_where_nothing_can_be_written_numba_translates_anew(monkeypatch):
    def refusing(**options):
        def translated(function):
            if options.pop("cache", False):
                raise RuntimeError("cannot cache function: no locator available for file")
            return function

        return translated

    monkeypatch.setattr("numba.njit", refusing)
    numba_compiled.cache_clear()
    try:
        assert callable(numba_compiled())
    finally:
        numba_compiled.cache_clear()


@pytest.mark.parametrize(("engine", "library"), [("numba", "numba"), ("onnx", "onnxruntime")])
def test_a_library_that_is_missing(ensemble, monkeypatch, engine, library):
    monkeypatch.setitem(__import__("sys").modules, library, None)
    numba_compiled.cache_clear()
    with pytest.raises(ImportError, match=r'pip install "skensemble\[fast\]", or use '):
        ensemble.compile(engine=engine)


def test_before_fit():
    with pytest.raises(ValueError, match="not fitted"):
        ensembles().compile()


def test_it_is_public():
    assert CompiledEnsemble.__module__.startswith("skensemble.compiled")

"""What the models make of each column: hand-computed means, and every way in which a model can say it."""

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMRegressor
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import AdaBoostRegressor, BaggingRegressor, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import RFE, SelectFromModel, SelectKBest, f_regression
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import DMatrix, XGBClassifier, XGBRegressor

from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble.combiners import WeightedVoting
from skensemble.models import column_importances, column_spread, make_model, mean_importances, model_names
from skensemble.weightings import UniformWeights

NAMES = ["signal", "half", "noise"]


def table(n=300, seed=0):
    """The target is made of the first column, and half as much of the second, whose unit is a thousandth."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)) * [1.0, 1000.0, 1.0], columns=NAMES)
    return X, X["signal"].to_numpy() + 0.0005 * X["half"].to_numpy() + 0.01 * rng.normal(size=n)


def equal(models, **params):
    return RegimeAwareEnsembleRegressor(
        models, combiner=WeightedVoting(UniformWeights()), cv=2, random_state=0, **params
    )


def test_the_mean_of_a_line_and_a_tree_by_hand():
    X, y = table()
    ensemble = equal([("line", LinearRegression()), ("stump", DecisionTreeRegressor(max_depth=1))]).fit(X, y)
    line = np.abs(ensemble.named_estimators_["line"].coef_) * X.std(ddof=0).to_numpy()
    expected = (line / line.sum() + [1.0, 0.0, 0.0]) / 2
    np.testing.assert_allclose(ensemble.feature_importances_, expected, rtol=1e-10)
    np.testing.assert_allclose(line / line[0], [1.0, 0.5, 0.0], atol=0.1)


def test_models_count_by_how_far_they_are_trusted_now():
    X, y = table()
    models = [("one", DecisionTreeRegressor(max_depth=1)), ("other", make_pipeline(StandardScaler(), Lasso(0.9)))]
    ensemble = RegimeAwareEnsembleRegressor(models, combiner="dynamic", cv=2).fit(X[["half", "signal"]], y)
    for _ in range(2):
        trust = ensemble.weights_["pooled"].to_numpy()
        each = [
            column_importances(model, ["half", "signal"], spread)
            for model, spread in zip(ensemble.estimators_, ensemble._spreads, strict=True)
        ]
        expected = sum(weight * own / own.sum() for weight, own in zip(trust, each, strict=True))
        np.testing.assert_allclose(ensemble.feature_importances_, expected, rtol=1e-12)
        ensemble.partial_update(X[["half", "signal"]], -y)


def test_models_that_say_nothing_are_left_out_and_where_none_does_a_sentence_says_so():
    X, y = table()
    tree = ("tree", DecisionTreeRegressor(max_depth=2, random_state=0))
    alone = equal([tree]).fit(X, y).feature_importances_
    mixed = equal([tree, ("near", KNeighborsRegressor()), "mlp", "hist_gradient_boosting"]).fit(X, y)
    np.testing.assert_allclose(mixed.feature_importances_, alone, rtol=1e-12)
    silent = equal([("near", KNeighborsRegressor()), ("mean", DummyRegressor())]).fit(X, y)
    assert not hasattr(silent, "feature_importances_")
    with pytest.raises(AttributeError, match=r"none of its models \(near, mean\) says .*permutation_importance"):
        _ = silent.feature_importances_
    assert not hasattr(equal([tree]), "feature_importances_")
    with pytest.raises(NotFittedError):
        _ = equal([tree]).feature_importances_


def test_those_without_any_weight_count_alike_where_all_that_speak_have_none():
    X, y = table()
    stumps = [DecisionTreeRegressor(max_depth=1).fit(X, X[name]) for name in ("signal", "half")]
    models = [*stumps, KNeighborsRegressor().fit(X, y)]
    for weights, expected in {(0, 0, 1): [0.5, 0.5, 0], (0.6, 0.2, 0.2): [0.75, 0.25, 0]}.items():
        found = mean_importances(models, np.array(weights, dtype=float), NAMES, [None] * 3)
        np.testing.assert_allclose(found, expected)


def test_a_model_that_sleeps_is_left_out_and_one_that_learned_nothing_uses_nothing():
    X, y = table()
    models = [("one", DecisionTreeRegressor(max_depth=1)), ("two", LinearRegression())]
    ensemble = equal(models, max_models=1).fit(X, y)
    assert ensemble.selected_models_ == ("two",)
    np.testing.assert_allclose(ensemble.feature_importances_, [2 / 3, 1 / 3, 0], atol=0.03)
    nothing = equal([("tree", DecisionTreeRegressor()), "linear"]).fit(X, np.ones(len(X)))
    np.testing.assert_array_equal(nothing.feature_importances_, np.zeros(3))


@pytest.mark.parametrize("task", ["regressor", "classifier"])
@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "random_forest", "extra_trees", "linear"])
def test_named_models_know_what_they_make_of_columns(task, name):
    X, y = table()
    y = y if task == "regressor" else np.where(y > 0, "up", "down")
    name = name if name in model_names(task) else "logistic"

    def made():
        model = make_model(name, task)
        return model.set_params(random_state=0) if "random_state" in model.get_params() else model

    assert not hasattr(made(), "feature_importances_")
    own = made().fit(X, y).feature_importances_
    assert own.shape == (3,)
    assert own[0] > own[1] > own[2] >= 0
    np.testing.assert_array_equal(made().fit(X, y[:1].repeat(len(X))).feature_importances_, np.zeros(3))
    X["market"] = pd.Categorical(np.where(np.arange(len(X)) % 3, "calm", "wild"))
    wider = made().fit(X[["market", *NAMES]], y).feature_importances_
    assert wider.shape == (4,)
    assert wider[1] > wider[0]


def test_an_indicator_counts_for_its_category():
    X = pd.DataFrame({"market": ["a", "b", "c"] * 20, "noise": np.tile([0.0, 1.0], 30)})
    y = np.tile([0.0, 1.0, 2.0], 20)
    for model in ("linear", "xgboost"):
        own = make_model(model, "regressor").fit(X, y).feature_importances_
        assert own[0] > 20 * own[1]


def _columns(*pairs):
    return ColumnTransformer([(f"part {k}", *pair) for k, pair in enumerate(pairs)])


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (make_pipeline(StandardScaler(), LinearRegression()), [2 / 3, 1 / 3, 0]),
        (make_pipeline(StandardScaler(), make_pipeline(StandardScaler(), Ridge(1e-9))), [2 / 3, 1 / 3, 0]),
        (make_pipeline(SelectKBest(f_regression, k=1), LinearRegression()), [1, 0, 0]),
        (make_pipeline(_columns(("passthrough", ["noise", "half"])), LinearRegression()), [0, 1, 0]),
        (GridSearchCV(Ridge(), {"alpha": [1e-9]}, cv=TimeSeriesSplit(2)), [2 / 3, 1 / 3, 0]),
        (TransformedTargetRegressor(LinearRegression(), transformer=StandardScaler()), [2 / 3, 1 / 3, 0]),
        (FrozenEstimator(LinearRegression().fit(*table())), [2 / 3, 1 / 3, 0]),
        (AdaBoostRegressor(DecisionTreeRegressor(max_depth=1), n_estimators=1, random_state=0), [1, 0, 0]),
        (equal([("line", LinearRegression())]), [2 / 3, 1 / 3, 0]),
        (XGBRegressor(n_estimators=1, max_depth=1), [1, 0, 0]),
        (LGBMRegressor(n_estimators=1, num_leaves=2, verbose=-1), [1, 0, 0]),
        (RandomForestRegressor(1, max_depth=1, random_state=0), [1, 0, 0]),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else "",
)
@pytest.mark.filterwarnings("ignore::skensemble._checks.LookAheadWarning")
def test_what_users_bring(model, expected):
    X, y = table()
    own = equal([("own", model)]).fit(X, y).feature_importances_
    np.testing.assert_allclose(own, expected, atol=0.08)
    assert own.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    "model", [make_pipeline(PCA(2), LinearRegression()), BaggingRegressor(random_state=0)], ids=repr
)
def test_what_nobody_can_tell_is_left_out(model):
    X, y = table()
    assert column_importances(model.fit(X, y), NAMES, column_spread(model, X)) is None


def test_indicators_made_by_a_pipeline():
    X, y = table()
    X["market"] = np.where(np.arange(len(X)) % 2, "calm", "wild")
    y = y + 3.0 * (X["market"] == "wild")
    columns = _columns((OneHotEncoder(), ["market"]), ("passthrough", ["signal"]))
    own = equal([("own", make_pipeline(columns, DecisionTreeRegressor(max_depth=1)))]).fit(X, y).feature_importances_
    np.testing.assert_allclose(own, [0.0, 0.0, 0.0, 1.0])
    sparse = _columns((OneHotEncoder(), ["market"]))
    own = equal([("own", make_pipeline(sparse, Ridge(1e-9)))]).fit(X, y).feature_importances_
    np.testing.assert_allclose(own, [0.0, 0.0, 0.0, 1.0])


def test_names_that_could_mean_two_columns_are_not_guessed():
    X = pd.DataFrame({"a": ["b_x", "c"] * 20, "a_b": ["x", "y"] * 20, "z": np.tile([0.0, 1.0], 20)})
    y = np.tile([0.0, 1.0], 20)
    model = make_pipeline(_columns((OneHotEncoder(), ["a"])), Ridge()).fit(X, y)
    assert column_importances(model, list(X), column_spread(model, X)) is None


def test_sample_weights_and_sparse_rows_reach_the_spread():
    from scipy import sparse

    X, y = table()
    weight = np.repeat([0.0, 1.0], 150)
    line = LinearRegression().fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(column_spread(line, X, weight), X[150:].std(ddof=0), rtol=1e-10)
    np.testing.assert_allclose(column_spread(line, sparse.csr_array(X.to_numpy())), X.std(ddof=0), rtol=1e-8)
    X["half"] = 3.0
    np.testing.assert_array_equal(column_spread(LinearRegression().fit(X, y), X)[1], 0.0)


def test_classifiers():
    X, y = table()
    y = np.array(["a", "b", "c"])[np.digitize(y, [-0.5, 0.5])]
    models = [
        "logistic",
        ("own", LogisticRegression()),
        ("tree", DecisionTreeClassifier(max_depth=3)),
        ("x", XGBClassifier(n_estimators=5)),
    ]
    ensemble = RegimeAwareEnsembleClassifier(models, cv=2, random_state=0).fit(X[["signal", "noise"]], y)
    own = ensemble.feature_importances_
    assert own.sum() == pytest.approx(1.0)
    assert own[0] > 0.6
    # One class alone: dummies stand in, and nothing is learned of any column.
    alone = RegimeAwareEnsembleClassifier(["logistic", ("d", DummyClassifier())]).fit(X, ["up"] * len(X))
    assert not hasattr(alone, "feature_importances_")


def test_feature_selection_of_scikit_learn_takes_an_ensemble():
    X, y = table()
    models = ["linear", ("tree", DecisionTreeRegressor(max_depth=2, random_state=0))]
    chosen = SelectFromModel(equal(models), threshold=0.1).fit(X, y)
    assert list(chosen.get_feature_names_out()) == ["signal", "half"]
    assert list(RFE(equal(models), n_features_to_select=1).fit(X, y).get_feature_names_out()) == ["signal"]
    piped = make_pipeline(SelectFromModel(equal(models), threshold=0.1), LinearRegression()).fit(X, y)
    assert piped.score(X, y) > 0.99


def test_arrays_without_names_and_names_like_positions():
    X, y = table()
    np.testing.assert_array_equal(
        equal([("own", make_pipeline(StandardScaler(), Ridge())), "linear"]).fit(X.to_numpy(), y).feature_importances_,
        equal([("own", make_pipeline(StandardScaler(), Ridge())), "linear"]).fit(X, y).feature_importances_,
    )


@pytest.mark.parametrize("combiner", ["weighted_voting", "dynamic"])
def test_shares_of_a_prediction_are_the_mean_of_the_models_shares(combiner):
    X, y = table()
    regimes = np.where(np.arange(len(X)) // 10 % 2, "calm", "wild")
    ensemble = RegimeAwareEnsembleRegressor(["xgboost", "lightgbm", "linear"], combiner=combiner, cv=2, random_state=0)
    ensemble.set_params(xgboost__n_estimators=10, lightgbm__n_estimators=10).fit(X, y, regimes=regimes)
    said = ensemble.explain(X, regimes=regimes)
    trees, others, line = ensemble.estimators_
    values = X.to_numpy()
    own = [
        trees.target_scale_ * trees.model_.predict(DMatrix(values, feature_types=["q"] * 3), pred_contribs=True),
        others.target_scale_ * others.model_.predict(values, pred_contrib=True),
        line.target_scale_ * np.column_stack([line.coef_ * (values - line.mean_) / line.scale_, np.zeros(len(X))]),
    ]
    for model, shares in zip((trees, others, line), own, strict=True):
        shares[:, -1] += model.target_mean_
        np.testing.assert_allclose(shares.sum(axis=1), model.predict(X), rtol=1e-5, atol=1e-5)
    together = np.einsum("rm,rmc->rc", said.weights, np.stack(own, axis=1))
    np.testing.assert_allclose(together.sum(axis=1), said.prediction, rtol=1e-5, atol=1e-5)

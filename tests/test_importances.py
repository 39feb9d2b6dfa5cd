"""What the models make of each column: hand-computed means, and every way in which a model can say it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lightgbm import LGBMRegressor
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin, clone
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
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from xgboost import DMatrix, XGBClassifier, XGBRegressor

from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble.combiners import WeightedVoting
from skensemble.models import column_importances, columns_read, make_model, mean_importances, model_names
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
            column_importances(model, read)
            for model, read in zip(ensemble.estimators_, ensemble._columns_read, strict=True)
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
        found = mean_importances(models, np.array(weights, dtype=float), [columns_read(model, X) for model in models])
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
    assert column_importances(model.fit(X, y), columns_read(model, X)) is None


def test_indicators_made_by_a_pipeline():
    X, y = table()
    X["market"] = np.where(np.arange(len(X)) % 2, "calm", "wild")
    y = y + 3.0 * (X["market"] == "wild")
    columns = _columns((OneHotEncoder(), ["market"]), ("passthrough", ["signal"]))
    own = equal([("own", make_pipeline(columns, DecisionTreeRegressor(max_depth=1)))]).fit(X, y).feature_importances_
    np.testing.assert_allclose(own, [0.0, 0.0, 0.0, 1.0])
    indicators = _columns((OneHotEncoder(), ["market"]))
    own = equal([("own", make_pipeline(indicators, Ridge(1e-9)))]).fit(X, y).feature_importances_
    np.testing.assert_allclose(own, [0.0, 0.0, 0.0, 1.0])


@pytest.mark.parametrize(
    ("names", "made", "expected"),
    [
        # What a transformer makes is called like another column.
        (["a", "b", "a b"], PolynomialFeatures(degree=(2, 2), interaction_only=True, include_bias=False), None),
        (["a", "a_b", "a_c"], PolynomialFeatures(interaction_only=True, include_bias=False), None),
        (["pca0", "pca1", "pca2"], PCA(), None),
        (["a", "t__a", "c"], ColumnTransformer([("t", "passthrough", ["a"])]), [1, 0, 0]),
        (["a", "b", "a_x"], ColumnTransformer([("", Binarizer(threshold=0.0), ["a"])]), [1, 0, 0]),
        # It has other columns, or another order, than it says, or says nothing.
        (
            ["a", "b", "c"],
            FunctionTransformer(lambda X: np.asarray(X)[:, ::-1], feature_names_out="one-to-one"),
            [0, 1, 0],
        ),
        (["a", "b", "c"], FunctionTransformer(np.cumsum, kw_args={"axis": 1}, feature_names_out="one-to-one"), None),
        (["a", "b", "c"], FunctionTransformer(lambda X: np.asarray(X)[:, [0, 2]]), [1, 0, 0]),
        (["a", "b", "c"], PolynomialFeatures(degree=1), [1, 0, 0]),
        (["a", "b", "c"], make_union(StandardScaler(), SelectKBest(f_regression, k=1)), [1, 0, 0]),
        (["a", "b", "c"], make_union(PCA(1), SelectKBest(f_regression, k=1)), None),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("kind", ["frame", "array"])
def test_what_is_made_of_a_column_counts_for_it_whatever_it_is_called(names, made, expected, kind):
    if kind == "array" and isinstance(made, ColumnTransformer):
        made = clone(made).set_params(transformers=[(*made.transformers[0][:2], [0])])
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(200, 3)), columns=names)
    y = X.iloc[:, 0] + 2.0 * X.iloc[:, 0] * X.iloc[:, 1] + X.iloc[:, 1]
    y = y if expected is None else X.iloc[:, expected.index(1)]
    X = X if kind == "frame" else X.to_numpy()
    for last in (LinearRegression(), DecisionTreeRegressor(max_depth=2, random_state=0)):
        model = make_pipeline(clone(made), last).fit(X, y)
        own = column_importances(model, columns_read(model, X))
        if expected is None:
            assert own is None
        else:
            np.testing.assert_allclose(own / own.sum(), expected, atol=1e-6)


@pytest.mark.parametrize("others", [["a_x", "z"], ["a_b", "z"]], ids=str)
def test_an_indicator_called_like_another_column_counts_for_its_own(others):
    market = np.tile(["x", "b_y"], 40)
    X = pd.DataFrame({"a": market, others[0]: np.tile(["x", "y", "y", "x"], 20), "z": np.arange(80.0)})
    model = make_pipeline(_columns((OneHotEncoder(), ["a", others[0]]), ("passthrough", ["z"])), Ridge())
    model.fit(X, np.tile([0.0, 1.0], 40))
    own = column_importances(model, columns_read(model, X))
    assert own[0] > 100 * own[1:].max()


def test_products_that_a_model_does_not_use_keep_no_one_from_saying_what_it_uses():
    X, y = table()
    made = PolynomialFeatures(interaction_only=True, include_bias=False)
    model = make_pipeline(made, DecisionTreeRegressor(max_depth=1)).fit(X, y)
    np.testing.assert_array_equal(column_importances(model, columns_read(model, X)), [1, 0, 0])


@pytest.mark.parametrize("weekday", range(5))
def test_the_product_of_a_slow_flag_and_another_is_made_of_both(weekday):
    n = np.arange(600)
    X = np.column_stack([n > 300, n % 5 == weekday, np.sin(n)]).astype(float)
    model = make_pipeline(PolynomialFeatures(interaction_only=True, include_bias=False), Ridge()).fit(X, X[:, 2])
    np.testing.assert_array_equal(columns_read(model, X).origins, [0, 1, 2, -1, -1, -1])


class Remembering(FunctionTransformer):
    """Keeps the last row that it was asked about."""

    def transform(self, X):
        self.last_ = X[-1].copy()
        return X


def test_transformers_stay_as_the_fit_has_left_them():
    X = table()[0].to_numpy()
    model = make_pipeline(Remembering(), Ridge()).fit(X, X[:, 0])
    model.predict(X[:7])
    assert columns_read(model, X) is not None
    np.testing.assert_array_equal(model[0].last_, X[6])


def test_where_a_few_rows_tell_no_others_are_asked():
    asked = []
    X = np.random.default_rng(0).normal(size=(5000, 400))
    watched = FunctionTransformer(lambda X: asked.append(len(X)) or X)
    model = make_pipeline(watched, Ridge()).fit(X, X[:, 0])
    asked.clear()
    np.testing.assert_array_equal(columns_read(model, X).origins, np.arange(400))
    assert sorted(asked)[-2] <= 200


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**31), st.booleans())
def test_columns_are_found_behind_any_choice_of_them(n_columns, seed, thin):
    draws = np.random.default_rng(seed)
    chosen = draws.integers(n_columns, size=draws.integers(1, 60))
    X = draws.normal(size=(600, n_columns)) * (draws.random((600, n_columns)) < (0.02 if thin else 1.0))
    X[:2] = [[1.0], [2.0]]  # no column is the same in all rows
    rows = sparse.csr_array(X) if thin else X
    model = make_pipeline(FunctionTransformer(lambda X: X[:, chosen]), Ridge()).fit(rows, X.sum(axis=1))
    found = columns_read(model, rows)
    np.testing.assert_array_equal(found.origins, chosen)
    np.testing.assert_allclose(found.spread, X[:, chosen].std(axis=0), rtol=1e-8)


class Told(DecisionTreeRegressor):
    """Importances that a fit leaves behind count as well as those worked out when asked."""

    asked = 0

    @property
    def feature_importances_(self):
        type(self).asked += 1
        return super().feature_importances_


class Kept(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.feature_importances_ = np.arange(X.shape[1])
        return self

    def predict(self, X):
        return np.zeros(len(X))


def test_importances_are_asked_for_when_they_are_needed():
    X, y = table()
    ensemble = equal([("told", Told(max_depth=1)), ("kept", Kept())]).fit(X, y)
    assert Told.asked == 0
    np.testing.assert_allclose(ensemble.feature_importances_, [1 / 2, 1 / 6, 1 / 3])
    assert Told.asked == 1


def test_a_category_of_a_single_row_and_gaps_are_found():
    X = pd.DataFrame({"noise": np.arange(3000.0), "market": ["rare", *["calm", "wild"] * 1500][:3000]})
    X["gap"] = np.where(np.arange(3000) == 2999, np.nan, 1.0)
    model = make_pipeline(
        _columns((OneHotEncoder(), ["market"]), ("passthrough", ["gap", "noise"])), DecisionTreeRegressor()
    ).fit(X, np.zeros(3000))
    np.testing.assert_array_equal(columns_read(model, X).origins, [1, 1, 1, 2, 0])


def test_a_model_on_a_choice_of_columns_is_not_taken_for_one_on_all():
    X, y = table()
    X, y = X / X.std(), np.array(["a", "b", "c"])[np.digitize(y, [-0.5, 0.5])]
    model = RFE(LogisticRegression(), n_features_to_select=1).fit(X, y)
    assert column_importances(model, columns_read(model, X)) is None


def test_sample_weights_and_sparse_rows_reach_the_spread():
    X, y = table()
    weight = np.repeat([0.0, 1.0], 150)
    line = LinearRegression().fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(columns_read(line, X, weight).spread, X[150:].std(ddof=0), rtol=1e-10)
    np.testing.assert_allclose(columns_read(line, sparse.csr_array(X.to_numpy())).spread, X.std(ddof=0), rtol=1e-8)
    X["half"] = 3.0
    np.testing.assert_array_equal(columns_read(LinearRegression().fit(X, y), X).spread[1], 0.0)


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

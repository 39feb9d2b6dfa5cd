"""Every named model keeps the promises of its family, with scikit-learn's whole battery first among them."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone, is_classifier
from sklearn.ensemble import RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks
from skops import io as skops_io
from xgboost import XGBClassifier, XGBRegressor

import skensemble.models as models_module
from skensemble._checks import check_columns
from skensemble.models import (
    DEFAULT_CLASSIFIERS,
    DEFAULT_REGRESSORS,
    LabelEncodedClassifier,
    LightGBMRegressor,
    LinearClassifier,
    LinearRegressor,
    XGBoostClassifier,
    XGBoostRegressor,
    canonical_name,
    innermost,
    label_encoded,
    make_model,
    model_names,
    needs_label_encoding,
    relative_cost,
    takes_sample_weight,
    warn_about_stand_ins,
)

SMALL = {
    "n_estimators": 20,
    "max_iter": 30,
    "learning_rate": 0.2,
    "min_child_weight": 1,
    "min_samples_leaf": 3,
    "max_features": 1.0,
}
ALL = [(task, name) for task in ("regressor", "classifier") for name in model_names(task)]


def small(task, name, **params):
    """Make a model that trains quickly, on little data, and always in the same way."""
    model = make_model(name, task)
    wanted = SMALL | {"random_state": 0} | ({"learning_rate": 0.02} if name == "mlp" else {}) | params
    return model.set_params(**{key: value for key, value in wanted.items() if key in model.get_params()})


def table(task, n_rows=120, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, 3))
    signal = X[:, 0] + 0.5 * X[:, 1] + 0.1 * rng.normal(size=n_rows)
    return X, signal if task == "regressor" else np.where(signal > 0, "up", "down")


def answer(model, X):
    return model.predict_proba(X) if is_classifier(model) else model.predict(X)


every_model = pytest.mark.parametrize(("task", "name"), ALL)
checked = [small(task, name, random_state=None) for task, name in ALL if canonical_name(name, task) == name]


@parametrize_with_checks([*checked, LabelEncodedClassifier(LogisticRegression())])
def test_scikit_learn_battery(estimator, check):
    check(estimator)


@pytest.mark.parametrize("model", checked, ids=lambda model: type(model).__name__)
def test_the_battery_contains_the_checks_of_sample_weights(model):
    names = {getattr(check, "func", check).__name__ for _, check in estimator_checks_generator(model)}
    assert "check_sample_weight_equivalence_on_dense_data" in names
    assert "check_all_zero_sample_weights_error" in names
    assert ("check_sample_weight_equivalence_on_sparse_data" in names) == get_tags(model).input_tags.sparse


def test_the_battery_covers_every_public_class():
    family = {name for name in models_module.__all__ if name.endswith(("Regressor", "Classifier"))}
    assert family == {type(model).__name__ for model in checked} | {"LabelEncodedClassifier"}


def test_names():
    assert set(DEFAULT_REGRESSORS) <= set(model_names("regressor"))
    assert set(DEFAULT_CLASSIFIERS) <= set(model_names("classifier"))
    assert set(model_names("regressor")) == set(model_names("classifier"))
    assert isinstance(make_model("logistic", "regressor"), LinearRegressor)
    assert isinstance(make_model("linear", "classifier"), LinearClassifier)
    assert make_model("linear", "regressor") is not make_model("linear", "regressor")


def test_unknown_names_and_tasks_get_a_sentence():
    with pytest.raises(
        ValueError, match=r"No regressor has the name 'xgbost'\. Did you mean 'xgboost'\? The names are"
    ):
        make_model("xgbost", "regressor")
    with pytest.raises(ValueError, match=r"No classifier has the name 'quantum'\. The names are"):
        make_model("quantum", "classifier")
    with pytest.raises(ValueError, match="No classifier has the name 3"):
        canonical_name(3, "classifier")
    with pytest.raises(ValueError, match="task of model_names must be one of 'classifier', 'regressor'; got 'ranking'"):
        make_model("xgboost", "ranking")


def test_stand_ins_are_announced_once_and_only_where_they_surprise():
    with pytest.warns(UserWarning, match="'logistic' in Ensemble is a model for classes") as caught:
        warn_about_stand_ins(["logistic", "logistic", Ridge()], "regressor", "Ensemble")
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_about_stand_ins(["linear", Ridge()], "regressor", "Ensemble")
        warn_about_stand_ins(["linear", "logistic"], "classifier", "Ensemble")
        make_model("logistic", "regressor").get_params()


def test_importing_loads_neither_xgboost_nor_lightgbm():
    code = (
        "import sys, skensemble.models as m; from sklearn.base import clone;"
        "clone(m.make_model('xgboost', 'regressor')); m.needs_label_encoding(m.make_model('mlp', 'classifier'));"
        "assert not {'xgboost', 'lightgbm', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@every_model
def test_weights_are_repetitions_whatever_the_order_of_the_rows(task, name):
    rng = np.random.default_rng(1)
    X, y = table(task, 60)
    X = X.round(1)
    X[rng.random(X.shape) < 0.05] = np.nan
    weight = rng.integers(0, 4, size=60)
    shuffled, repeated = rng.permutation(60), rng.permutation(np.repeat(np.arange(60), weight))
    weighted_answer = answer(small(task, name).fit(X[shuffled], y[shuffled], weight[shuffled]), X)
    repeated_answer = answer(small(task, name).fit(X[repeated], y[repeated]), X)
    np.testing.assert_allclose(weighted_answer, repeated_answer, rtol=1e-9)


@every_model
def test_the_unit_of_fractional_weights_changes_nothing(task, name):
    X, y = table(task)
    weight = np.random.default_rng(2).uniform(0.5, 2, size=len(y))
    large, little = (answer(small(task, name).fit(X, y, factor * weight), X) for factor in (1, 2.0**-20))
    np.testing.assert_allclose(large, little, rtol=1e-9)
    assert not np.allclose(large, answer(small(task, name).fit(X, y), X), rtol=1e-9)


@every_model
def test_many_repetitions_are_not_written_out(task, name):
    X, y = table(task)
    model = small(task, name).fit(X, y, np.full(len(y), 1_000_000))
    assert np.isfinite(answer(model, X)).all()


@pytest.mark.parametrize(
    ("weight", "sentence"),
    [
        (np.zeros(120), "every row a weight of zero"),
        (-np.ones(120), r"must not be negative; got -1\.0\. Give rows that must not count a weight of 0"),
        (np.ones(7), "one weight for each of the 120 rows; got shape"),
        (np.ones((120, 1)), "one weight for each of the 120 rows; got shape"),
        (np.full(120, np.nan), "sample_weight contains NaN"),
    ],
)
def test_bad_weights_get_a_sentence(weight, sentence):
    with pytest.raises(ValueError, match=sentence):
        LinearRegressor().fit(*table("regressor"), weight)


@pytest.mark.parametrize("name", model_names("regressor"))
def test_the_unit_of_the_target_changes_nothing(name):
    X, y = table("regressor")
    expected = small("regressor", name).fit(X, y).predict(X)
    for factor in (2.0**-24, 2.0**20):  # powers of two, for which all sums are exact
        given = small("regressor", name).fit(X, factor * y).predict(X)
        np.testing.assert_allclose(given / factor, expected, rtol=1e-9, atol=1e-12)
    moved = small("regressor", name).fit(X, y + 1e6).predict(X) - 1e6
    assert np.corrcoef(moved, expected)[0, 1] > 0.999


@pytest.mark.parametrize("name", model_names("regressor"))
def test_a_constant_target_is_predicted_as_it_is(name):
    X, _ = table("regressor")
    np.testing.assert_allclose(small("regressor", name).fit(X, np.full(len(X), 7.25)).predict(X), 7.25)


@every_model
def test_models_learn(task, name):
    X, y = table(task, 300)
    assert small(task, name).fit(X, y).score(X, y) > 0.75


@pytest.mark.parametrize("name", model_names("classifier"))
@pytest.mark.parametrize(
    "labels",
    [np.array(["sideways", "down", "up"]), np.array([10, -1, 3]), np.array([1.0, 0.0, 2.0]), np.array([True, False])],
    ids=lambda labels: str(labels.dtype),
)
def test_labels_of_any_kind(name, labels):
    X, _ = table("regressor")
    y = labels[np.arange(len(X)) % len(labels)]
    model = small("classifier", name).fit(X, y)
    np.testing.assert_array_equal(model.classes_, np.unique(labels))
    assert model.predict(X).dtype == labels.dtype
    probabilities = model.predict_proba(X)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)


@pytest.mark.parametrize("name", model_names("classifier"))
def test_classes_follow_what_is_there(name):
    X, _ = table("classifier")
    one = small("classifier", name).fit(X, ["only"] * len(X))
    assert set(one.predict(X)) == {"only"}
    np.testing.assert_array_equal(one.predict_proba(X), np.ones((len(X), 1)))
    y = np.where(X[:, 0] > 0, "b", "c")
    y[:5] = "a"
    unheard = small("classifier", name).fit(X, y, np.where(y == "a", 0, 1))
    np.testing.assert_array_equal(unheard.classes_, ["b", "c"])
    assert unheard.predict_proba(X).shape == (len(X), 2)


@every_model
def test_column_names_of_any_characters(task, name):
    X, y = table(task)
    frame = pd.DataFrame(X, columns=["a[0] <b>", '{"json": [1, 2]}', "größe, %"])
    model = small(task, name).fit(frame, y)
    np.testing.assert_array_equal(model.feature_names_in_, frame.columns)
    np.testing.assert_allclose(answer(model, frame), answer(small(task, name).fit(X, y), X), rtol=1e-9)
    np.testing.assert_array_equal(answer(model, pl.from_pandas(frame)), answer(model, frame))


@every_model
def test_columns_out_of_place_are_refused_by_name(task, name):
    X, y = table(task)
    frame = pd.DataFrame(X, columns=["open", "high", "low"])
    model = small(task, name).fit(frame, y)
    with pytest.raises(ValueError, match="has its columns in another order than in fit: 'high' where 'open' was"):
        answer(model, frame[["high", "open", "low"]])
    with pytest.raises(ValueError, match=r"misses the columns \['low'\]\. Pass X\[list"):
        answer(model, frame[["open", "high"]])
    with pytest.raises(
        ValueError, match=r"misses the columns \['low'\] and has the columns \['close'\] that fit did not"
    ):
        answer(model, frame.rename(columns={"low": "close"}))


def test_check_columns_serves_any_estimator():
    frame = pd.DataFrame(np.zeros((3, 8)), columns=list("abcdefgh"))
    model = Ridge().fit(frame, [1, 2, 3])
    check_columns(model, frame, reset=False)
    with pytest.raises(ValueError, match=r"X of Ridge has its columns in another order .* and 3 more"):
        check_columns(model, frame[list("hgfedcba")], reset=False)
    with pytest.raises(ValueError, match="X has 2 features, but Ridge is expecting 8"):
        check_columns(Ridge().fit(np.zeros((3, 8)), [1, 2, 3]), np.zeros((3, 2)), reset=False)
    check_columns(model, frame[["a"]], reset=True)
    assert model.n_features_in_ == 1


def mixed_frame(n_rows=200):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"number": rng.normal(size=n_rows), "count": rng.integers(0, 5, size=n_rows)})
    frame["text"] = rng.choice(["ant", "bee", "cow"], size=n_rows)
    frame["thing"] = pd.Series(rng.choice(np.array(["x", 7, None], dtype=object), size=n_rows), dtype=object)
    frame["flag"] = frame["number"] > 0.5
    frame["level"] = pd.Categorical(rng.choice(["low", "high"], size=n_rows), categories=["low", "mid", "high"])
    frame["nullable"] = pd.array(rng.choice([1, 2, None], size=n_rows), dtype="Int64")
    frame.loc[::7, "text"] = None
    frame.loc[::9, "number"] = np.nan
    target = 3.0 * (frame["text"] == "bee") - 2.0 * (frame["level"] == "high")
    return frame, target.to_numpy()


@every_model
def test_frames_of_mixed_columns(task, name):
    frame, y = mixed_frame()
    y = y if task == "regressor" else np.where(y > 0, "up", "down")
    model = small(task, name).fit(frame, y)
    assert model.score(frame, y) > 0.8
    np.testing.assert_array_equal(model.categories_.values[2], ["ant", "bee", "cow"])
    np.testing.assert_array_equal(model.categories_.values[3], [7, "x"])
    np.testing.assert_array_equal(model.categories_.values[5], ["low", "high"])
    assert sorted(model.categories_.values) == [2, 3, 5]
    # Text written in another type, and codes in another order, mean the same.
    same = frame.assign(
        text=frame["text"].astype("category").cat.reorder_categories(["cow", "bee", "ant"]),
        level=frame["level"].astype(object),
    )
    np.testing.assert_array_equal(answer(model, same), answer(model, frame))
    np.testing.assert_array_equal(answer(pickle.loads(pickle.dumps(model)), frame), answer(model, frame))
    # A row alone is answered like a row among others.
    np.testing.assert_allclose(answer(model, frame.iloc[[5]]), answer(model, frame)[[5]], rtol=1e-12)


@every_model
def test_an_unseen_category_is_a_missing_one(task, name):
    frame, y = mixed_frame()
    y = y if task == "regressor" else np.where(y > 0, "up", "down")
    model = small(task, name).fit(frame, y)
    np.testing.assert_array_equal(
        answer(model, frame.assign(text="dog", level="mid")), answer(model, frame.assign(text=None, level=None))
    )


@every_model
def test_polars_frames_mean_what_pandas_frames_mean(task, name):
    frame, y = mixed_frame()
    y = y if task == "regressor" else np.where(y > 0, "up", "down")
    frame = frame.drop(columns="thing")
    other = pl.DataFrame(
        {
            "number": pl.Series(frame["number"].to_numpy(), nan_to_null=True),
            "count": frame["count"].to_numpy(),
            "text": pl.Series([None if pd.isna(value) else value for value in frame["text"]]),
            "flag": frame["flag"].to_numpy(),
            "level": pl.Series(list(frame["level"]), dtype=pl.Enum(["low", "mid", "high"])),
            "nullable": pl.Series([None if pd.isna(value) else int(value) for value in frame["nullable"]]),
        }
    )
    expected = answer(small(task, name).fit(frame, y), frame)
    np.testing.assert_array_equal(answer(small(task, name).fit(other, y), other), expected)
    as_text = other.with_columns(pl.col("text").cast(pl.Categorical))
    np.testing.assert_array_equal(answer(small(task, name).fit(as_text, y), as_text), expected)


def test_what_a_frame_may_not_hold_gets_a_sentence():
    frame = pd.DataFrame({"day": pd.date_range("2020-01-01", periods=4), "x": [1.0, 2.0, 3.0, 4.0]})
    with pytest.raises(ValueError, match="Column 'day' of X holds times; got datetime64"):
        LinearRegressor().fit(frame, frame["x"])
    with pytest.raises(ValueError, match=r"Column 'x' of X must hold numbers or categories; got values such as \[1\]"):
        LinearRegressor().fit(pd.DataFrame({"x": [[1], [2]]}), [1, 2])
    model = LinearRegressor().fit(frame[["x"]], frame["x"])
    with pytest.raises(ValueError, match=r"Column 'x' of X must hold numbers, as it did in fit; got .* such as 'much'"):
        model.predict(pd.DataFrame({"x": ["much"]}))
    model = LinearRegressor().fit(pd.DataFrame({"x": ["a", "b"]}), [1, 2])
    with pytest.raises(ValueError, match=r"learned categories in columns \[0\], so X must be a DataFrame"):
        model.predict([[0.0]])
    with pytest.raises(ValueError, match="infinity"):
        model.fit(pd.DataFrame({"x": [np.inf, 1.0]}), [1, 2])


def test_object_columns_of_numbers_are_numbers():
    frame = pd.DataFrame({"x": np.array([1, 2.5, None, 4], dtype=object)})
    model = LinearRegressor(alpha=1e-9).fit(frame, [2.0, 5.0, 5.0, 8.0])
    np.testing.assert_allclose(model.predict(frame), [2, 5, 5, 8], atol=1e-6)


def test_columns_of_many_categories():
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({"who": rng.choice([f"{i:03d}" for i in range(300)], size=900)})
    frame.loc[:299, "who"] = "007"
    y = (frame["who"] == "007").astype(float).to_numpy()
    for name in model_names("regressor"):
        model = small("regressor", name).fit(frame, y)
        # scikit-learn's histograms leave categories of few rows aside, and here no two have enough of them.
        least = 0.3 if name == "hist_gradient_boosting" else 0.5
        assert model.predict(pd.DataFrame({"who": ["007"]})) > least, name
    assert len(small("regressor", "linear").fit(frame, y).mean_) == 50


@every_model
def test_missing_numbers(task, name):
    X, y = table(task, 300)
    X[::5, 0] = np.nan
    X[:, 2] = np.nan
    model = small(task, name).fit(X, y)
    assert np.isfinite(answer(model, np.full((2, 3), np.nan))).all()
    assert model.score(X, y) > 0.6
    assert get_tags(model).input_tags.allow_nan


@every_model
def test_sparse_rows_mean_what_dense_rows_mean(task, name):
    X, y = table(task)
    X[np.abs(X) < 0.7] = 0.0
    if not get_tags(make_model(name, task)).input_tags.sparse:
        with pytest.raises(TypeError, match=r"[Ss]parse"):
            small(task, name).fit(sparse.csr_array(X), y)
        return
    for kind in (sparse.csr_array, sparse.csc_matrix):
        model = small(task, name).fit(kind(X), y)
        np.testing.assert_allclose(answer(model, X), answer(model, kind(X)), rtol=1e-9)
        dense = small(task, name).fit(X, y)
        np.testing.assert_array_equal(answer(dense, X), answer(dense, kind(X)))
    gaps = sparse.csr_array(X)
    gaps.data[::10] = np.nan
    model = small(task, name).fit(gaps, y)
    assert np.isfinite(answer(model, gaps)).all()


@every_model
def test_models_are_quiet(task, name, capfd):
    frame, y = mixed_frame()
    y = y if task == "regressor" else np.where(y > 0, "up", "down")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for rows in (200, 3):
            model = small(task, name).fit(frame[:rows], y[:rows])
            answer(model, frame)
        make_model(name, task).fit(*table(task, 12))
    assert capfd.readouterr() == ("", "")


@every_model
def test_one_row_is_enough(task, name):
    X, y = table(task)
    model = small(task, name).fit(X[:1], y[:1])
    assert (model.predict(X) == y[0]).all() or task == "regressor"
    assert np.isfinite(answer(model, X)).all()


@every_model
def test_fitted_models_travel(task, name):
    X, y = table(task)
    model = small(task, name).fit(X, y)
    expected = answer(model, X)
    np.testing.assert_array_equal(answer(pickle.loads(cloudpickle.dumps(model)), X), expected)
    packed = skops_io.dumps(model)
    unpacked = skops_io.loads(packed, trusted=skops_io.get_untrusted_types(data=packed))
    np.testing.assert_array_equal(answer(unpacked, X), expected)
    assert len(pickle.dumps(model)) < 200_000


def test_a_boosted_model_stays_small_however_many_rows_it_saw():
    X, y = table("regressor", 5_000)
    for name in ("xgboost", "lightgbm", "hist_gradient_boosting", "linear", "mlp"):
        assert len(pickle.dumps(small("regressor", name).fit(X, y))) < 120_000, name


@every_model
def test_any_number_of_threads_gives_the_same_answer(task, name):
    model = small(task, name, n_estimators=4, max_iter=4)  # threads that wait for a busy core wait once per tree
    if "n_jobs" not in model.get_params():
        return
    X, y = table(task, 4_500)
    one, two = (answer(clone(model).set_params(n_jobs=n_jobs).fit(X, y), X) for n_jobs in (1, 2))
    np.testing.assert_array_equal(one, two)
    with joblib.parallel_config(n_jobs=2):
        np.testing.assert_array_equal(answer(clone(model).fit(X, y), X), one)


@every_model
def test_prediction_is_pure_and_safe_in_threads(task, name):
    X, y = table(task, 300)
    model = small(task, name).fit(X, y)
    expected, state = answer(model, X), joblib.hash(model.__dict__)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda _: answer(model, X), range(12)):
            np.testing.assert_array_equal(result, expected)
    assert joblib.hash(model.__dict__) == state


@every_model
def test_params_reach_the_model_and_seeds_rule_the_randomness(task, name):
    X, y = table(task)
    model = small(task, name)
    np.testing.assert_array_equal(answer(clone(model).fit(X, y), X), answer(clone(model).fit(X, y), X))
    random = {"subsample": 0.5, "max_features": 0.34}
    model = small(task, name, **random)
    if "random_state" in model.get_params() and any(key in model.get_params() for key in random):
        first, second = (answer(clone(model).set_params(random_state=seed).fit(X, y), X) for seed in (0, 1))
        assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("model", "param", "values"),
    [
        (small(task, name), param, values)
        for task, name in ALL
        for param, values in {
            "n_estimators": (2, 30),
            "max_iter": (2, 30),
            "learning_rate": (0.01, 0.5),
            "max_depth": (1, 5),
            "num_leaves": (2, 9),
            "max_leaf_nodes": (2, 9),
            "min_child_weight": (0.1, 60),
            "min_child_samples": (5, 50),
            "min_samples_leaf": (2, 30),
            "subsample": (0.3, 1.0),
            "colsample_bytree": (0.3, 1.0),
            "reg_lambda": (0.0, 50.0),
            "reg_alpha": (0.0, 20.0),
            "l2_regularization": (0.0, 50.0),
            "gamma": (0.0, 20.0),
            "max_bin": (4, 64),
            "max_bins": (4, 64),
            "max_features": (0.34, 1.0),
            "alpha": (1e-3, 1e3),
            "hidden_layer_sizes": ((4,), (9, 3)),
            "batch_size": (10, 60),
        }.items()
        if param in make_model(name, task).get_params() and canonical_name(name, task) == name
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else None,
)
def test_every_parameter_has_an_effect(model, param, values):
    X, y = table("classifier" if is_classifier(model) else "regressor")
    low, high = (answer(clone(model).set_params(**{param: value}).fit(X, y), X) for value in values)
    assert not np.array_equal(low, high)


def test_extra_params_speak_the_library():
    X, y = table("regressor")
    y = np.exp(y)
    for model in (
        XGBoostRegressor(extra_params={"objective": "count:poisson"}),
        LightGBMRegressor(extra_params={"objective": "poisson"}),
    ):
        assert (model.fit(X, y).predict(X) > 0).all()
    with pytest.raises(ValueError, match=r"extra_params of XGBoostRegressor must hold only .* got \['max_depth'\]"):
        XGBoostRegressor(extra_params={"max_depth": 3}).fit(X, y)
    with pytest.raises(ValueError, match=r"extra_params of XGBoostClassifier .*objective"):
        XGBoostClassifier(extra_params={"objective": "multi:softmax"}).fit(X, y > 1)
    with pytest.raises(ValueError, match="must be a dict of parameters or None; got 'fast'"):
        LightGBMRegressor(extra_params="fast").fit(X, y)


def test_named_models_ask_for_weights_where_metadata_is_routed():
    for task, name in ALL:
        assert make_model(name, task).get_metadata_routing().fit.requests["sample_weight"] is True


def test_linear_models_agree_with_the_formula():
    X, y = table("regressor")
    weight = np.random.default_rng(5).integers(1, 4, size=len(y)).astype(float)
    mean = np.average(X, axis=0, weights=weight)
    scale = np.sqrt(np.average((X - mean) ** 2, axis=0, weights=weight))
    Z, centre = (X - mean) / scale, np.average(y, weights=weight)
    b = np.linalg.solve(Z.T @ (weight[:, None] * Z) + 2.0 * np.eye(3), Z.T @ (weight * (y - centre)))
    np.testing.assert_allclose(LinearRegressor(alpha=2.0).fit(X, y, weight).predict(X), centre + Z @ b, rtol=1e-9)
    labels = y > 0
    plain = LogisticRegression(C=0.5, tol=1e-10, max_iter=1000).fit(Z, labels, sample_weight=weight)
    np.testing.assert_allclose(
        LinearClassifier(alpha=2.0).fit(X, labels, weight).predict_proba(X), plain.predict_proba(Z), rtol=1e-4
    )


def test_boosters_agree_with_their_libraries():
    X, y = table("regressor", 500)
    params = {"n_estimators": 30, "learning_rate": 0.1, "max_depth": 3, "min_child_weight": 1.0}
    theirs = XGBRegressor(**params, n_jobs=1).fit(X, y).predict(X)
    np.testing.assert_allclose(XGBoostRegressor(**params).fit(X, y).predict(X), theirs, atol=0.05)


@pytest.mark.parametrize("wrapped", [False, True])
def test_plain_xgboost_takes_any_labels_in_its_coat(wrapped):
    X, y = table("classifier")
    plain = XGBClassifier(n_estimators=5, n_jobs=1)
    model = label_encoded(make_pipeline(StandardScaler(), plain) if wrapped else plain)
    weight = {"xgbclassifier__sample_weight" if wrapped else "sample_weight": np.where(y == "up", 1.0, 3.0)}
    weighted = clone(model).fit(X, y, **weight)
    model.fit(X, y)
    assert model.score(X, y) > 0.8
    np.testing.assert_array_equal(model.classes_, ["down", "up"])
    assert model.n_features_in_ == 3
    assert weighted.predict_proba(X)[:, 0].mean() > model.predict_proba(X)[:, 0].mean()
    np.testing.assert_array_equal(model.fit(X, ["one"] * len(y)).predict_proba(X), np.ones((len(y), 1)))
    assert set(model.predict(X)) == {"one"}
    assert not hasattr(label_encoded(Ridge()), "predict_proba")


def test_the_coat_lets_metadata_requests_through():
    coat = label_encoded(XGBoostClassifier())
    assert coat.get_metadata_routing().fit.requests["sample_weight"] is True


def test_which_estimators_need_what():
    plain, search = XGBClassifier(), GridSearchCV(XGBClassifier(), {})
    assert needs_label_encoding(plain)
    assert needs_label_encoding(make_pipeline(StandardScaler(), plain))
    assert needs_label_encoding(search)
    others = [XGBRegressor(), LogisticRegression(), XGBoostClassifier(), label_encoded(plain), FrozenEstimator(plain)]
    assert not any(needs_label_encoding(other) for other in [*others, "drop", None])
    takers = [Ridge(), search, make_pipeline(StandardScaler(), Ridge()), label_encoded(plain), FrozenEstimator(plain)]
    assert all(takes_sample_weight(taker) for taker in [*takers, *checked])
    refusers = [KNeighborsClassifier(), make_pipeline(StandardScaler(), KNeighborsClassifier()), "drop"]
    assert not any(
        takes_sample_weight(refuser) for refuser in [*refusers, make_pipeline(StandardScaler(), "passthrough")]
    )
    assert innermost(search) is search.estimator
    forest = RandomForestRegressor()
    assert innermost(forest) is forest


def test_the_longest_jobs_are_known_to_be_long():
    costs = {name: relative_cost(make_model(name, "regressor")) for name in model_names("regressor")}
    assert costs["linear"] == 1
    assert max(costs, key=costs.get) == "random_forest" or costs["random_forest"] == costs["extra_trees"]
    assert costs["lightgbm"] > 10
    assert relative_cost(make_pipeline(StandardScaler(), XGBRegressor(n_estimators=500))) > relative_cost(
        XGBRegressor()
    )
    assert relative_cost("drop") == 1

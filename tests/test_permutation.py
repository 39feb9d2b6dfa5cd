"""Permutation importance out of fold: who saw which rows, how values move, and what is made of it."""

from typing import ClassVar

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor
from xgboost import XGBClassifier

from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble._inputs import with_moved
from skensemble.evaluation import permutation_importance
from skensemble.evaluation._permutation import moved_rows
from skensemble.losses import AbsoluteLoss
from skensemble.splits import ForwardSplit


class Spy(RegressorMixin, BaseEstimator):
    """Says the first column, and notes down what it is shown."""

    seen: ClassVar[list] = []

    def fit(self, X, y):
        self.seen.append(("fit", np.array(X)))
        return self

    def predict(self, X):
        self.seen.append(("predict", np.array(X)))
        return np.array(X)[:, 0]


@pytest.fixture(autouse=True)
def blank_page():
    Spy.seen.clear()


def table(n=240, seed=0, columns=("a", "b", "c")):
    """The target is the first column and a little of the second."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, len(columns))), columns=list(columns))
    return X, (X.iloc[:, 0] + 0.3 * X.iloc[:, 1] + 0.5 * rng.normal(size=n)).to_numpy(copy=True)


def ensemble(**params):
    models = [("line", LinearRegression()), ("tree", DecisionTreeRegressor(max_depth=2, random_state=0))]
    return RegimeAwareEnsembleRegressor(models, cv=2, **params)


def pooled(found):
    return found[found["regime"] == "pooled"].set_index("feature")


# How values move.


@settings(deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=80), st.integers(1, 90), st.integers(0, 2**31), st.booleans())
def test_whole_blocks_of_time_change_places(sizes, block, seed, alike):
    sizes = [sizes[0]] * len(sizes) if alike else sizes
    moments = np.repeat(np.arange(len(sizes)) * 3 + 5, sizes)
    source = moved_rows(moments, block, np.random.default_rng(seed))
    taken = moments[source]
    # The rows of a moment stay together, and every moment is taken once.
    firsts = np.flatnonzero(np.diff(moments, prepend=-1))
    of_moment = taken[firsts]
    np.testing.assert_array_equal(taken, np.repeat(of_moment, sizes))
    assert sorted(of_moment) == sorted(set(moments))
    if alike:
        assert sorted(source) == list(range(len(moments)))
    # No moment is asked about with its own values.
    assert len(sizes) == 1 or np.all(of_moment != moments[firsts])
    # Neighbours stay neighbours, but at the edges of blocks.
    size = max(min(block, len(sizes) // 8), 1)
    places = (of_moment - 5) // 3
    torn = np.sum(np.diff(places) % len(sizes) != 1)
    assert torn <= -(-len(sizes) // size) + 1


def test_every_block_may_take_the_place_of_every_other():
    draws = np.random.default_rng(0)
    taken = np.stack([moved_rows(np.arange(8), 1, draws) for _ in range(2000)])
    shares = np.stack([(taken == source).mean(axis=0) for source in range(8)])
    np.testing.assert_allclose(shares, (1 - np.eye(8)) / 7, atol=0.03)


def test_in_folds_of_few_rows_all_is_lost_that_a_column_knew():
    """Of values that have nothing to do with one another, half the squared distance of two is their variance."""
    X = np.random.default_rng(0).normal(size=(1200, 1))
    folds = [(np.arange(start), np.arange(start, start + 8)) for start in range(8, 1200, 8)]
    found = permutation_importance(Spy(), X, X[:, 0], cv=folds, n_repeats=7, random_state=0)
    between = [2 * np.var(X[test], ddof=1) for _, test in folds]
    assert found["permuted_loss"].item() == pytest.approx(np.mean(between), rel=0.02)


@pytest.mark.parametrize("kind", ["array", "pandas", "polars", "sparse"])
def test_only_the_columns_asked_for_move_and_nothing_is_changed(kind):
    plain = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0], "c": [7.0, 0.0, 9.0]})
    X = {
        "array": plain.to_numpy(),
        "pandas": plain,
        "polars": pl.from_pandas(plain),
        "sparse": sparse.csr_array(plain.to_numpy()),
    }[kind]
    moved = with_moved(X, [0, 2], np.array([2, 0, 1]))
    assert type(moved) is type(X)

    def numbers(rows):
        return rows.toarray() if kind == "sparse" else np.asarray(rows)

    np.testing.assert_array_equal(numbers(moved), [[3, 4, 9], [1, 5, 7], [2, 6, 0]])
    np.testing.assert_array_equal(numbers(X), plain)


def test_kinds_of_columns_and_the_index_stay():
    X = pd.DataFrame(
        {"m": pd.Categorical(["x", "y", "x"]), "t": pd.array([1, None, 3], dtype="Int64"), "s": ["u", "v", None]},
        index=pd.date_range("2024-01-01", periods=3),
    )
    moved = with_moved(X, [0, 1, 2], np.array([1, 2, 0]))
    pd.testing.assert_frame_equal(moved, X.iloc[[1, 2, 0]].set_axis(X.index))
    twice = X.set_axis(["d", "d", "e"], axis=1)
    pd.testing.assert_frame_equal(with_moved(twice, [1], np.array([1, 2, 0])).iloc[:, [0, 2]], twice.iloc[:, [0, 2]])


# Who sees what.


@settings(max_examples=15, deadline=None)
@given(st.integers(40, 120), st.integers(1, 4), st.integers(0, 6), st.integers(1, 20), st.integers(0, 1000))
def test_models_are_trained_once_on_the_past_and_asked_about_values_of_their_fold(n, n_folds, horizon, block, seed):
    Spy.seen.clear()
    X = np.column_stack([np.arange(n), np.arange(n) + 1000.0, np.arange(n) + 2000.0])
    found = permutation_importance(
        Spy(), X, np.zeros(n), cv=n_folds, label_horizon=horizon, n_repeats=2, block=block, random_state=seed
    )
    fits = [rows[:, 0] for what, rows in Spy.seen if what == "fit"]
    asked = [rows for what, rows in Spy.seen if what == "predict"]
    folds = list(ForwardSplit(n_folds, label_horizon=horizon).split(X))
    assert len(fits) == len(folds)
    assert len(asked) == len(folds) * (1 + 3 * 2)
    for number, (train, test) in enumerate(folds):
        np.testing.assert_array_equal(fits[number], train)
        assert train.max() + horizon <= test.min() + (horizon == 0)
        before, *after = asked[number * 7 : number * 7 + 7]
        np.testing.assert_array_equal(before, X[test])
        for place, rows in enumerate(after):
            column = place // 2
            others = [j for j in range(3) if j != column]
            np.testing.assert_array_equal(rows[:, others], before[:, others])
            np.testing.assert_array_equal(np.sort(rows[:, column]), before[:, column])
            # All columns move alike.
            np.testing.assert_array_equal(rows[:, column] - 1000 * column, after[place % 2][:, 0])
    assert found["n"].eq(sum(len(test) for _, test in folds)).all()


def test_the_figures_by_hand():
    X, y = table()
    found = permutation_importance(Spy(), X, y, cv=3, n_repeats=2, random_state=3).set_index("feature")
    asked = [rows for what, rows in Spy.seen if what == "predict"]
    tests = np.concatenate([test for _, test in ForwardSplit(3).split(X)])
    np.testing.assert_allclose(found["loss"], np.mean((X["a"].to_numpy()[tests] - y[tests]) ** 2))
    moved = [np.concatenate([asked[fold * 7 + 1 + repeat][:, 0] for fold in range(3)]) for repeat in range(2)]
    expected = np.mean([(values - y[tests]) ** 2 for values in moved])
    assert found.loc["a", "permuted_loss"] == pytest.approx(expected)
    assert found.loc["a", "change"] == pytest.approx(expected / found.loc["a", "loss"] - 1)
    assert found.loc["a", "change_low"] < found.loc["a", "change"] < found.loc["a", "change_high"]
    assert found["verdict"].tolist() == ["distinguishable: more loss"] + ["not distinguishable"] * 2
    assert found.loc[["b", "c"], ["change", "change_low", "change_high"]].eq(0).all(axis=None)


@pytest.mark.parametrize("model", [ensemble(), make_pipeline(StandardScaler(), ensemble()), LinearRegression()])
def test_what_comes_later_changes_nothing(model):
    X, y = table()
    folds = [(np.arange(0, 80), np.arange(80, 120)), (np.arange(0, 120), np.arange(120, 160))]
    options = {"cv": folds, "n_repeats": 2, "random_state": 0}
    regimes = np.where(np.arange(240) // 10 % 2, "a", "b")
    before = permutation_importance(model, X, y, regimes=regimes, **options)
    X.iloc[160:], y[160:], regimes[160:] = 77.0, -5.0, "a"
    pd.testing.assert_frame_equal(before, permutation_importance(model, X, y, regimes=regimes, **options))
    # Nor does the second fold know anything that would change the first.
    first = {**options, "cv": folds[:1]}
    alone = permutation_importance(model, X, y, regimes=regimes, **first)
    X.iloc[120:], y[120:] = 9.0, 9.0
    pd.testing.assert_frame_equal(alone, permutation_importance(model, X, y, regimes=regimes, **first))


def test_the_horizon_of_the_ensemble_is_the_default():
    X, y = table()
    told = permutation_importance(ensemble(label_horizon=8), X, y, random_state=0, cv=2)
    pd.testing.assert_frame_equal(
        told, permutation_importance(ensemble(label_horizon=8), X, y, random_state=0, cv=2, label_horizon=8)
    )
    other = permutation_importance(ensemble(label_horizon=8), X, y, random_state=0, cv=2, label_horizon=0)
    assert not told["loss"].equals(other["loss"])


# What is made of it.


def test_the_same_seed_gives_the_same_whatever_else_is_asked_for():
    X, y = table()
    forest = RegimeAwareEnsembleRegressor(["extra_trees", "linear"], cv=2).set_params(extra_trees__n_estimators=5)
    options = {"n_repeats": 2, "cv": 2, "random_state": 5}
    whole = permutation_importance(forest, X, y, **options)
    pd.testing.assert_frame_equal(whole, permutation_importance(forest, X, y, n_jobs=2, **options))
    alone = permutation_importance(forest, X, y, columns=["b"], **options)
    pd.testing.assert_frame_equal(alone, whole[whole["feature"] == "b"].reset_index(drop=True))
    again = permutation_importance(forest, X, y, **{**options, "random_state": 6})
    assert not whole["permuted_loss"].equals(again["permuted_loss"])
    assert not hasattr(forest, "combiner_")


def test_two_columns_alike_are_missed_together():
    X, y = table()
    X["b"] = X["a"] + 1e-3 * X["c"]
    found = pooled(
        permutation_importance(
            RegimeAwareEnsembleRegressor(["linear"]),
            X,
            y,
            columns={"both": ["a", "b"], "a": "a", "b": "b", "c": ["c"]},
            random_state=0,
        )
    )
    assert found.index.tolist() == ["both", "a", "b", "c"]
    assert found.loc["both", "change"] > 2 * found.loc[["a", "b"], "change"].max()
    by_place = permutation_importance(LinearRegression(), X.to_numpy(), y, columns={"x": [0, 1], 2: 2}, random_state=0)
    named = permutation_importance(LinearRegression(), X, y, columns={"x": ["a", "b"], 2: "c"}, random_state=0)
    pd.testing.assert_frame_equal(by_place, named)


def test_kinds_of_tables_agree():
    X, y = table()
    found = permutation_importance(ensemble(), X, y, random_state=0, cv=2)
    pd.testing.assert_frame_equal(
        found, permutation_importance(ensemble(), pl.from_pandas(X), pl.Series(y), random_state=0, cv=2)
    )
    for kind in (np.asarray, sparse.csr_array, sparse.coo_array):
        other = permutation_importance(ensemble(), kind(X.to_numpy()), y, random_state=0, cv=2)
        assert other["feature"].tolist() == [0, 1, 2]
        pd.testing.assert_frame_equal(found.drop(columns="feature"), other.drop(columns="feature"))


def test_regimes_tell_where_a_column_matters():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(600, 2)), columns=["a", "b"])
    regimes = np.where(np.arange(600) // 20 % 2, "first", "second")
    y = np.where(regimes == "first", X["a"], X["b"]) + 0.1 * rng.normal(size=600)
    models = [("a", make_pipeline(Only("a"), LinearRegression())), ("b", make_pipeline(Only("b"), LinearRegression()))]
    model = RegimeAwareEnsembleRegressor(models, cv=2)
    found = permutation_importance(model, X, y, regimes=regimes, random_state=0, cv=3).set_index(["feature", "regime"])
    assert found.loc[("a", "first"), "change"] > 5 * abs(found.loc[("a", "second"), "change"])
    assert found.loc[("b", "second"), "change"] > 5 * abs(found.loc[("b", "first"), "change"])
    halves = found.loc[[("a", "first"), ("a", "second")], "n"]
    assert halves.sum() == found.loc[("a", "pooled"), "n"]
    piped = permutation_importance(
        make_pipeline(StandardScaler().set_output(transform="pandas"), model),
        X,
        y,
        regimes=regimes,
        random_state=0,
        cv=3,
    )
    np.testing.assert_allclose(piped["loss"], found["loss"], rtol=1e-6)


class Only(BaseEstimator):
    def __init__(self, column):
        self.column = column

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return np.asarray(X[[self.column]])


def test_regimes_of_a_detector_and_shares_of_regimes():
    X, y = table()
    X["market"] = np.where(np.arange(240) // 10 % 2, "calm", "wild")
    model = RegimeAwareEnsembleRegressor(["linear"], regime_detector="market", cv=2)
    found = permutation_importance(model, X, y, columns=["a", "market"], random_state=0, cv=2)
    assert found["regime"].tolist() == ["calm", "wild", "pooled"] * 2
    shares = np.full((240, 2), 0.5)
    half = permutation_importance(
        ensemble(), X[["a", "b", "c"]], y, regimes=shares, columns=["a"], random_state=0, cv=2
    )
    np.testing.assert_allclose(half["n"], [80, 80, 160])
    np.testing.assert_allclose(half["change"], half["change"].iloc[0])
    plain = permutation_importance(LinearRegression(), X[["a"]], y, random_state=0, cv=2)
    assert plain["regime"].tolist() == ["pooled"]


def test_classes():
    X, y = table()
    labels = np.array(["down", "flat", "up"])[np.digitize(y, [-0.4, 0.4])]
    models = [("one", LogisticRegression()), ("x", XGBClassifier(n_estimators=5, max_depth=2))]
    for model in (RegimeAwareEnsembleClassifier(models, cv=2), RidgeClassifier(), XGBClassifier(n_estimators=5)):
        found = pooled(permutation_importance(model, X, labels, cv=2, random_state=0))
        assert found["change"].idxmax() == "a"
        assert found.loc["a", "verdict"] == "distinguishable: more loss"
    wrong = pooled(permutation_importance(RidgeClassifier(), X, labels, cv=2, random_state=0))
    assert wrong["loss"].between(0, 1).all()


def test_weights_and_losses():
    X, y = table()
    y[200:220] = 100.0
    weight = np.ones(240)
    weight[200:220] = 0.0
    options = {"cv": 2, "random_state": 0, "loss": AbsoluteLoss()}
    found = permutation_importance(LinearRegression(), X, y, sample_weight=weight, **options)
    assert found["n"].eq(140).all()
    assert found["loss"].lt(1).all()
    scaled = permutation_importance(LinearRegression(), X, y, sample_weight=3 * weight, **options)
    pd.testing.assert_frame_equal(found, scaled, rtol=1e-6)
    left_out = permutation_importance(ensemble(), X, y, sample_weight=weight, **options)
    assert left_out["loss"].lt(1).all()


def test_rows_of_one_time_move_together():
    n = 60
    X, y = table(2 * n)
    X.index = pd.date_range("2024-01-01", periods=n).repeat(2)
    X["asset"] = np.tile([0.0, 1.0], n)
    found = permutation_importance(ensemble(), X, y, columns=["asset", "a"], cv=2, random_state=0)
    # Each row gets the value of the same asset.
    assert pooled(found).loc["asset", "change"] == 0
    assert pooled(found).loc["a", "change"] > 0


WRONG = {
    "a class": (
        {"estimator": LinearRegression},
        "estimator of permutation_importance must be a regressor .*got <class",
    ),
    "a scaler": ({"estimator": StandardScaler()}, "must be a regressor or a classifier"),
    "columns unknown": (
        {"columns": ["d"]},
        r"columns of .* names 'd', which X does not have: \['d'\].*\['a', 'b', 'c'\]",
    ),
    "group unknown": ({"columns": {"g": ["a", "d"]}}, r"names \['a', 'd'\], which X does not have: \['d'\]"),
    "group empty": ({"columns": {"g": []}}, r"names \[\], but no column"),
    "no columns": ({"columns": []}, r"must be a list of columns of X, or a dict .*\{'trend': \['a'\]\}; got \[\]"),
    "a list of lists": ({"columns": [["a", "b"]]}, r"must be a list of columns of X, or a dict .*got \[\['a', 'b'\]\]"),
    "one word": ({"columns": "a"}, "must be a list of columns of X.*got 'a'"),
    "no number": ({"columns": 3}, "must be a list of columns of X.*got 3"),
    "repeats": ({"n_repeats": 0}, "n_repeats of permutation_importance must be an integer of at least 1; got 0"),
    "block": ({"block": 0.5}, "block of permutation_importance must be an integer"),
    "loss": ({"loss": "mse"}, r"loss of permutation_importance must be a Loss such as SquaredLoss\(\); got 'mse'"),
    "flat": ({"X": np.zeros(240)}, r"X of permutation_importance must have rows and columns.*\(240,\)"),
    "lengths": ({"y": np.zeros(3)}, "X of permutation_importance has 240 rows and y has 3"),
    "gaps": ({"y": np.full(240, np.nan)}, "y of permutation_importance has no outcome in row 0"),
    "a fold of one time": (
        {"cv": [(np.arange(50), [70, 71]), (np.arange(80), [90])]},
        r"must have rows of two times at least.*the rows \[90\] only\. Make the folds longer",
    ),
    "cv": ({"cv": 0}, "cv of permutation_importance must be an integer of at least 1"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_calls(wrong):
    given, sentence = WRONG[wrong]
    X, y = table()
    with pytest.raises(ValueError, match=sentence):
        permutation_importance(**{"estimator": ensemble(), "X": X, "y": y, **given})


def test_a_row_without_an_answer_is_named():
    class Silent(Spy):
        def predict(self, X):
            return np.where(np.arange(len(X)) == 3, np.nan, 0.0)

    X, y = table()
    with pytest.raises(ValueError, match=r"no finite prediction for row 83\. .*imputer"):
        permutation_importance(Silent(), X, y, cv=2)

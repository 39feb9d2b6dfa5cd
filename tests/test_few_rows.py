"""A few rows are answered on a shorter way, with the bits of many rows, and leave no trace in whom they ask."""

import gc
import pickle
import threading

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from numpy.testing import assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_info, threadpool_limits

import skensemble.models._forests as module
from skensemble import RegimeAwareEnsembleRegressor
from skensemble._training import outputs
from skensemble.models import (
    BootstrapForestClassifier,
    BootstrapForestRegressor,
    few_numbers,
    label_encoded,
    quick_answer,
)
from skensemble.models._forests import mean_of_trees

N, N_TREES = 150, 3 * module.TREES_PER_ROW
rng = np.random.RandomState(0)
X = rng.standard_normal((N, 3)) * [1.0, 1e-3, 1e6]
Y = X[:, 0] + np.sign(X[:, 1] * X[:, 2])
FORESTS = [ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor]


def forest(kind=RandomForestRegressor, **options):
    options = {"n_estimators": N_TREES, "random_state": 0} | options
    return kind(**options).fit(X, np.digitize(Y, [-0.5, 0.5]) if is_classifier(kind()) else Y)


@pytest.fixture
def tables(monkeypatch):
    """Count the tables that are made."""
    made = []

    class Counted(module.PackedTrees):
        def __init__(self, *given):
            made.append(self)
            super().__init__(*given)

    monkeypatch.setattr(module, "PackedTrees", Counted)
    return made


@pytest.mark.parametrize("kind", FORESTS)
@pytest.mark.parametrize("options", [{}, {"max_depth": 1}, {"max_leaf_nodes": 9}], ids=str)
def test_few_rows_have_the_bits_of_many(kind, options, tables):
    model = forest(kind, **options)
    many = mean_of_trees(model, X)
    assert tables == []
    for n_rows in (1, 2, 3, 4):
        few = np.concatenate([mean_of_trees(model, X[at : at + n_rows]) for at in range(0, N, n_rows)])
        assert_array_equal(few, many)
    assert len(tables) == 1


def test_rows_on_thresholds_and_gaps_have_the_bits_of_many(tables):
    X_gap = np.where(rng.random_sample(X.shape) < 0.2, np.nan, X)
    for kind, y in ((BootstrapForestRegressor, Y), (BootstrapForestClassifier, Y > 0)):
        model = kind(n_estimators=N_TREES, random_state=0).fit(X_gap, y).model_
        thresholds = np.array([tree.tree_.threshold[0] for tree in model.estimators_])
        edges = np.nextafter(np.column_stack([thresholds] * 3), rng.choice([-np.inf, np.inf], size=(N_TREES, 3)))
        for values in (X_gap, np.column_stack([thresholds] * 3), edges):
            few = np.concatenate([mean_of_trees(model, row[None]) for row in values])
            assert_array_equal(few, mean_of_trees(model, values))
    assert len(tables) == 2


def test_the_table_is_that_of_the_trees_of_now(tables):
    model = forest(warm_start=True)
    mean_of_trees(model, X[:1])
    model.set_params(n_estimators=N_TREES + 5).fit(X, Y)  # the same list of trees, longer
    assert_array_equal(mean_of_trees(model, X[:1]), mean_of_trees(model, X)[:1])
    model.estimators_[3].fit(X, -Y)
    assert_array_equal(mean_of_trees(model, X[:1]), mean_of_trees(model, X)[:1])
    assert len(tables) == 3


def test_the_table_lives_as_long_as_its_forest_and_travels_with_nothing(tables):
    gc.collect()
    model, before = forest(), len(module._TABLES)
    size = len(pickle.dumps(model))
    mean_of_trees(model, X[:1])
    assert len(module._TABLES) == before + 1
    assert len(pickle.dumps(model)) == size
    copied = pickle.loads(pickle.dumps(model))
    assert copied not in module._TABLES
    assert clone(model) not in module._TABLES
    del model
    gc.collect()
    assert len(module._TABLES) == before


def test_no_table_for_few_trees_or_very_many_nodes(tables, monkeypatch):
    small = forest(n_estimators=module.TREES_PER_ROW - 1)
    mean_of_trees(small, X[:1])
    large = forest()
    monkeypatch.setattr(module, "MOST_NODES", 1000)
    assert_array_equal(mean_of_trees(large, X[:1]), mean_of_trees(large, X)[:1])
    mean_of_trees(large, X[:0])
    assert tables == []


def test_any_number_of_threads_may_ask_first():
    model, said = forest(), {}
    together = threading.Barrier(8)

    def ask(k):
        together.wait()
        said[k] = np.concatenate([mean_of_trees(model, X[at : at + 1]) for at in range(k, 40 + k)])

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    many = mean_of_trees(model, X)
    for k, answers in said.items():
        assert_array_equal(answers, many[k : 40 + k])


POSITIVE = np.exp(Y)
BOOSTED = [
    {},
    {"objective": "reg:gamma"},
    {"objective": "count:poisson"},
    {"objective": "reg:absoluteerror", "base_score": 3.0},
    {"objective": lambda y, said: (said - y, np.ones_like(y))},
    {"missing": 0.0},
    {"booster": "dart", "rate_drop": 0.5},
    {"num_parallel_tree": 3, "subsample": 0.5},
    {"early_stopping_rounds": 1, "learning_rate": 1.0},
    {"booster": "gblinear"},
]


@pytest.mark.filterwarnings("ignore:.*(gblinear|booster=dart).*")
@pytest.mark.parametrize("options", BOOSTED, ids="-".join)
@pytest.mark.parametrize("framed", [False, True])
def test_boosted_rows_have_the_bits_of_many(options, framed):
    rows = np.where(rng.random_sample(X.shape) < 0.2, 0.0, X)
    rows = (
        pd.DataFrame(rows, columns=list("abc")).assign(b=rows[:, 1] > 0, c=rows[:, 2].astype(int)) if framed else rows
    )
    model = xgboost.XGBRegressor(n_estimators=30, n_jobs=1, random_state=0, **options)
    watched = {"eval_set": [(rows[100:], POSITIVE[100:])]} if "early_stopping_rounds" in options else {}
    model.fit(rows[:100], POSITIVE[:100], verbose=False, **watched)
    assert not watched or model.best_iteration < 29
    many = model.predict(rows)
    few = [quick_answer(model, few_numbers(rows[at : at + 1])) for at in range(N)]
    assert_array_equal(np.concatenate(few), many)


def test_no_thread_is_woken_for_a_boosted_row(monkeypatch):
    seen, own = [], xgboost.Booster.inplace_predict

    def watched(*given, **named):
        seen.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp")
        return own(*given, **named)

    monkeypatch.setattr(xgboost.Booster, "inplace_predict", watched)
    model = xgboost.XGBRegressor(n_estimators=2).fit(X, Y)
    with threadpool_limits(2, user_api="openmp"):
        before = threadpool_info()
        quick_answer(model, X[:1])
        assert set(seen) == {1}
        assert threadpool_info() == before


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize(
    "model",
    [
        lightgbm.LGBMClassifier(n_estimators=12, verbosity=-1),
        xgboost.XGBClassifier(n_estimators=12),
        xgboost.XGBClassifier(n_estimators=12, objective="multi:softmax"),
    ],
    ids=["lightgbm", "xgboost", "softmax"],
)
def test_boosted_classes_have_the_bits_of_many(model, n_classes):
    classes = np.arange(n_classes)
    y = np.digitize(Y, [-0.5, 0.5][: n_classes - 1])
    if n_classes == 2 and model.get_params().get("objective") == "multi:softmax":
        model = clone(model).set_params(num_class=2)
    model = label_encoded(clone(model)).fit(X, y)
    many = outputs(model, X, classes)
    few = np.concatenate([outputs(model, row, classes, numbers=few_numbers(row)) for row in X[:, None]])
    assert_array_equal(few, many)
    assert quick_answer(model, X[:1]) is not None


def test_lightgbm_that_gives_no_whole_probabilities_takes_the_long_way():
    own = lightgbm.LGBMClassifier(objective=lambda y, said: (said - y, np.ones_like(y)), n_estimators=2, verbosity=-1)
    hasty = lightgbm.LGBMClassifier(n_estimators=2, verbosity=-1, pred_early_stop=True)
    for model in (own, hasty):
        assert quick_answer(model.fit(X, Y > 0), X[:1]) is None


def test_what_boosted_trees_read_otherwise_takes_the_long_way():
    frame = pd.DataFrame(X, columns=list("abc")).assign(c=pd.Categorical(np.arange(N) % 3))
    kinds = xgboost.XGBRegressor(n_estimators=2, enable_categorical=True).fit(frame, Y)
    assert quick_answer(kinds, X[:1]) is None
    # Halfway between two numbers of single precision, but for what double precision cannot hold.
    assert quick_answer(xgboost.XGBRegressor(n_estimators=2).fit(X, Y), X[:1] * 0 + 2.0**60) is None


# The ensemble.


@pytest.mark.parametrize("framed", [False, True])
def test_few_rows_in_the_form_of_fit_are_not_changed_by_less_checking(framed):
    rows = pd.DataFrame(X, columns=list("abc")) if framed else X
    fitted = RegimeAwareEnsembleRegressor(
        [("f", RandomForestRegressor(N_TREES, random_state=0)), ("x", xgboost.XGBRegressor(n_estimators=20))],
        cv=2,
        combiner="dynamic",
        random_state=0,
    ).fit(rows, Y)
    many = fitted.predict(rows)
    assert_array_equal(np.concatenate([fitted.predict(rows[at : at + 1]) for at in range(N)]), many)


def test_few_rows_in_another_form_are_refused_as_ever():
    frame = pd.DataFrame(X, columns=list("abc"))
    models = [("r", Ridge())]
    on_frame = RegimeAwareEnsembleRegressor(models, cv=2).fit(frame, Y)
    on_array = RegimeAwareEnsembleRegressor(models, cv=2).fit(X, Y)
    for rows, sentence in (
        (frame[["b", "a", "c"]][:1], "another order"),
        (frame[["a", "b"]][:1], "misses the columns"),
        (frame.rename(columns={"a": "z"})[:1], "that fit did not have"),
    ):
        with pytest.raises(ValueError, match=sentence):
            on_frame.predict(rows)
    for rows, sentence in ((X[:1, :2], "features"), (X[0], "2D array"), (np.full((1, 3), np.nan), "NaN")):
        with pytest.raises(ValueError, match=sentence):
            on_array.predict(rows)
    with pytest.warns(UserWarning, match="feature names"):
        on_frame.predict(X[:1])


def test_whole_numbers_that_double_precision_rounds_take_the_long_way():
    frame = pd.DataFrame({"stamp": np.array([2**54, 2**54 + 2**31] * 20, dtype=np.int64)})
    model = RandomForestRegressor(N_TREES, random_state=0).fit(frame, frame["stamp"] > 2**54)
    asked = pd.DataFrame({"stamp": [2**54 + 2**30 + 1]})
    assert few_numbers(asked) is None
    assert few_numbers(asked // 4) is not None
    said = outputs(model, asked, None)
    assert_array_equal(np.ravel(said), model.predict(asked))

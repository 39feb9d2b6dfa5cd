"""A forest grown in parts is the forest grown at once, and only a forest that others would wait for is."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import Ridge

import skensemble._training as module
from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble._checks import ModelFailureWarning
from skensemble._training import AsleepModel
from skensemble.models import (
    BootstrapForestClassifier,
    BootstrapForestRegressor,
    RandomSplitForestClassifier,
    RandomSplitForestRegressor,
    forest_of_parts,
    parts_of_forest,
)

N = 150
rng = np.random.RandomState(0)
X = rng.standard_normal((N, 3))
Y = X[:, 0] + X[:, 1] * X[:, 2]
WEIGHT = rng.randint(3, size=N).astype(float)
FORESTS = [
    BootstrapForestClassifier,
    BootstrapForestRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    RandomSplitForestClassifier,
    RandomSplitForestRegressor,
]


def targets(forest):
    return np.digitize(Y, [-0.5, 0.5]) if is_classifier(forest) else Y


def trees(model):
    forest = getattr(model, "model_", model)
    return [
        (tree.random_state, *(getattr(tree.tree_, name).tolist() for name in ("feature", "threshold", "value")))
        for tree in forest.estimators_
    ]


@pytest.mark.parametrize("n_parts", [2, 3, 7])
@pytest.mark.parametrize("kind", FORESTS)
def test_parts_grow_the_trees_of_the_whole(kind, n_parts):
    forest = kind(n_estimators=41, random_state=3)
    parts = parts_of_forest(forest, n_parts)
    assert len(parts) == n_parts
    whole = forest_of_parts(forest, [part.fit(X, targets(forest), sample_weight=WEIGHT) for part in parts])
    alone = clone(forest).fit(X, targets(forest), sample_weight=WEIGHT)
    assert trees(whole) == trees(alone)
    assert whole.get_params() == alone.get_params()
    assert getattr(whole, "model_", whole).get_params() == getattr(alone, "model_", alone).get_params()
    ask = "predict_proba" if is_classifier(forest) else "predict"
    assert_array_equal(getattr(whole, ask)(X), getattr(alone, ask)(X))


class Derived(RandomForestRegressor):
    """May do anything."""


@pytest.mark.parametrize(
    "forest",
    [
        Ridge(),
        Derived(50, random_state=0),
        RandomForestRegressor(9, random_state=0),
        RandomForestRegressor(50, random_state=None),
        RandomForestRegressor(50, random_state=np.random.RandomState(0)),
        RandomForestRegressor(50, random_state=0, oob_score=True),
        RandomForestRegressor(50, random_state=0, warm_start=True),
        BootstrapForestRegressor(n_estimators="many", random_state=0),
    ],
    ids=["no forest", "derived", "few trees", "no seed", "a generator", "oob_score", "warm_start", "wrong"],
)
def test_what_cannot_be_split_stays_whole(forest):
    assert parts_of_forest(forest, 4) == [forest]
    assert forest_of_parts(forest, [forest]) is forest


@pytest.mark.parametrize("task", ["regressor", "classifier"])
@pytest.mark.parametrize("others", [[], ["linear"]])
def test_an_ensemble_is_the_same_for_any_number_of_jobs(task, others, monkeypatch):
    split = []

    def seen(forest, n_parts):
        parts = parts_of_forest(forest, n_parts)
        split.append(len(parts))
        return parts

    monkeypatch.setattr(module, "parts_of_forest", seen)
    kind = RegimeAwareEnsembleRegressor if task == "regressor" else RegimeAwareEnsembleClassifier
    forest = (BootstrapForestRegressor if task == "regressor" else BootstrapForestClassifier)(n_estimators=60)
    y = Y if task == "regressor" else targets(BootstrapForestClassifier())
    fitted = []
    for n_jobs in (1, 2, 8):
        split.clear()
        fitted.append(
            kind([("forest", forest), *others], cv=2, random_state=0, n_jobs=n_jobs).fit(X, y, sample_weight=WEIGHT)
        )
        assert (max(split) > 1) == (n_jobs > 1)
    for each in fitted[1:]:
        assert trees(each.estimators_[0]) == trees(fitted[0].estimators_[0])
        assert_array_equal(each.out_of_fold_.predictions, fitted[0].out_of_fold_.predictions)
        assert_array_equal(each.explain(X).combined, fitted[0].explain(X).combined)


def test_short_tasks_are_not_split():
    """Eight equal forests and two workers: nobody waits for anybody."""
    models = [(f"forest{i}", BootstrapForestRegressor(n_estimators=20)) for i in range(8)]
    tasks = [
        module._Task(0, 0, name, model.set_params(random_state=0), np.arange(N), None, {}, module._UNHEARD)
        for name, model in models
    ]
    seen = []

    def parts(forest, n_parts):
        seen.append(n_parts)
        return [forest]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "parts_of_forest", parts)
        module._run_all(tasks, X, Y, None, 1, 2)
    assert seen == [1] * 8


@pytest.mark.parametrize(
    "forest",
    [RandomForestRegressor(40, max_depth=-1), RandomForestRegressor(40, random_state=-1)],
    ids=["parameter", "seed"],
)
def test_a_forest_that_fails_in_its_parts_sleeps_with_one_sentence(forest):
    with pytest.warns(ModelFailureWarning, match="forest failed on all rows: InvalidParameterError"):
        ensemble = RegimeAwareEnsembleRegressor([("forest", forest), "linear"], cv=2, random_state=0, n_jobs=2).fit(
            X, Y
        )
    assert isinstance(ensemble.estimators_[0], AsleepModel)


def test_rows_of_one_class_need_no_forest():
    y = np.where(np.arange(N) < 60, "down", np.where(X[:, 0] > 0, "up", "down"))
    models = [("forest", RandomForestClassifier(60))]
    one, two = (
        RegimeAwareEnsembleClassifier(models, cv=3, random_state=0, n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 2)
    )
    assert_array_equal(one.out_of_fold_.predictions, two.out_of_fold_.predictions)
    assert_array_equal(one.predict_proba(X), two.predict_proba(X))


def test_a_constant_target_grows_no_trees():
    forest = BootstrapForestRegressor(n_estimators=40, random_state=0)
    parts = [part.fit(X, np.ones(N)) for part in parts_of_forest(forest, 3)]
    assert_array_equal(forest_of_parts(forest, parts).predict(X), np.ones(N))

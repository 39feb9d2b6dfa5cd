"""scikit-learn's whole battery on both estimators: as they come, and every combiner with every named technique."""

from __future__ import annotations

import unittest

import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble._parameters import COMBINERS
from skensemble.models import canonical_name, make_model, model_names

ENSEMBLES = {"regressor": RegimeAwareEnsembleRegressor, "classifier": RegimeAwareEnsembleClassifier}
TASKS = tuple(ENSEMBLES)

# Few and eager trees: enough to score what the battery asks for, no more.
SMALL = {"n_estimators": 10, "max_iter": 10, "learning_rate": 0.3, "min_samples_leaf": 2, "min_child_weight": 1}
SMALL_NETWORK = {"max_iter": 10, "learning_rate": 0.1, "hidden_layer_sizes": (16,)}

# Pairs of models of scikit-learn's own that take no NaN; solved so closely that weighted and repeated rows agree.
TUPLES = {
    "regressor": [("ridge", Ridge(solver="sparse_cg", tol=1e-14)), ("tree", DecisionTreeRegressor())],
    "classifier": [
        ("logistic", LogisticRegression(solver="newton-cholesky", tol=1e-10)),
        ("tree", DecisionTreeClassifier(max_depth=2)),
        ("unused", "drop"),
    ],
}

WEIGHT_CHECKS = {
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
}
# The checks of sample weights bring folds of their own, cut without an eye on time.
looks_ahead_on_purpose = pytest.mark.filterwarnings("ignore::skensemble._checks.LookAheadWarning")
SHUFFLED = "the check shuffles the rows of one side, and an online rule learns from rows in their order"


def small_model(name, task):
    model = make_model(name, task)
    wanted = SMALL_NETWORK if name == "mlp" else SMALL
    return model.set_params(**{key: value for key, value in wanted.items() if key in model.get_params()})


def techniques(task):
    return [name for name in model_names(task) if canonical_name(name, task) == name]


def small_ensembles():
    """Two folds instead of five: the battery fits each of them some two hundred times."""
    return [
        ENSEMBLES[task](estimators, combiner=combiner, cv=2)
        for task in TASKS
        for combiner in COMBINERS
        for estimators in (*([(name, small_model(name, task))] for name in techniques(task)), TUPLES[task])
    ]


# The online rule, and the combiner that holds it and is judged by it.
ONLINE = {"dynamic", "weighted_combiners"}


def expected_failures(ensemble):
    """Two checks for the online rule alone; a single model has the whole weight in any order."""
    if ensemble.combiner not in ONLINE or len(ensemble.estimators) == 1:
        return {}
    return dict.fromkeys(WEIGHT_CHECKS, SHUFFLED)


def names_of_checks(estimator):
    return {getattr(check, "func", check).__name__ for _, check in estimator_checks_generator(estimator)}


def passes(estimator, check):
    try:
        check(estimator)
    except unittest.SkipTest as skipped:
        pytest.fail(f"skipped, which counts as a failure here: {skipped}")


@looks_ahead_on_purpose
@parametrize_with_checks([ensemble() for ensemble in ENSEMBLES.values()])
def test_the_ensembles_as_they_come(estimator, check):
    passes(estimator, check)


@looks_ahead_on_purpose
@parametrize_with_checks(small_ensembles(), expected_failed_checks=expected_failures)
def test_every_combiner_with_every_technique(estimator, check):
    passes(estimator, check)


def test_only_the_online_rule_is_excused_and_only_where_order_must_matter():
    for ensemble in small_ensembles():
        excused = set(expected_failures(ensemble))
        assert excused == (WEIGHT_CHECKS if ensemble.combiner in ONLINE and len(ensemble.estimators) > 1 else set())


def test_the_checks_of_sample_weights_are_among_those_that_run():
    for ensemble in [*(ensemble() for ensemble in ENSEMBLES.values()), *small_ensembles()]:
        names = names_of_checks(ensemble)
        assert {"check_sample_weight_equivalence_on_dense_data", "check_all_zero_sample_weights_error"} <= names
        sparse = get_tags(ensemble).input_tags.sparse
        assert ("check_sample_weight_equivalence_on_sparse_data" in names) == sparse
        assert sparse == all(get_tags(model).input_tags.sparse for model in models_of(ensemble))


def models_of(ensemble):
    return [model for key, model in ensemble.get_params().items() if "__" not in key and hasattr(model, "fit")]


@pytest.mark.parametrize("task", TASKS)
def test_the_ensembles_as_they_come_read_sparse_rows_and_missing_values(task):
    tags = get_tags(ENSEMBLES[task]()).input_tags
    assert tags.sparse
    assert tags.allow_nan


@pytest.mark.parametrize("task", TASKS)
def test_the_battery_meets_every_combiner_and_technique(task):
    met = {(e.combiner, e.estimators[0][0]) for e in small_ensembles() if isinstance(e, ENSEMBLES[task])}
    assert met >= {(combiner, name) for combiner in COMBINERS for name in techniques(task)}

"""Promises of every member of every family; the members are found here, not listed."""

import doctest
import importlib
import inspect
import pickle
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge

import skensemble
from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble.combiners import Combiner, WeightedVoting
from skensemble.losses import Loss
from skensemble.rules import Rule
from skensemble.weightings import Evidence, Weighting

# A family is a public module and what its members have in common.
FAMILIES = {
    "losses": Loss,
    "weightings": Weighting,
    "combiners": Combiner,
    "rules": Rule,
    "regimes": BaseEstimator,
    "splits": BaseEstimator,
    "models": BaseEstimator,
}

# What it takes to make a member that needs something.
NEEDS = {"LabelEncodedClassifier": {"estimator": LogisticRegression()}}


def contributed():
    """Run docs/contributing.md as a module, so that what it shows how to write can be pickled, and return that."""
    module = sys.modules["contributed"] = ModuleType("contributed")
    page = Path(__file__).parents[1] / "docs" / "contributing.md"
    for example in doctest.DocTestParser().get_examples(page.read_text(encoding="utf-8")):
        if example.exc_msg is None:
            exec(example.source, vars(module))
    return [thing for thing in vars(module).values() if inspect.isclass(thing) and thing.__module__ == "contributed"]


CONTRIBUTED = contributed()


def classes_of(family):
    module = importlib.import_module(f"skensemble.{family}")
    named = [getattr(module, name) for name in module.__all__]
    shown = [
        thing for thing in CONTRIBUTED if any(each.__module__.startswith(module.__name__) for each in thing.__mro__)
    ]
    return [
        thing
        for thing in named + shown
        if inspect.isclass(thing) and issubclass(thing, BaseEstimator) and not inspect.isabstract(thing)
    ]


def members(*families):
    """One of each; of the families asked for those alone that are of its kind."""
    return [
        cls(**NEEDS.get(cls.__name__, {}))
        for family in families or FAMILIES
        for cls in classes_of(family)
        if not families or issubclass(cls, FAMILIES[family])
    ]


def estimators():
    return [RegimeAwareEnsembleRegressor(), RegimeAwareEnsembleClassifier()]


every_member = pytest.mark.parametrize("member", [*members(), *estimators()], ids=lambda member: type(member).__name__)
every_loss = pytest.mark.parametrize("loss", members("losses"), ids=repr)
every_weighting = pytest.mark.parametrize("weighting", members("weightings"), ids=repr)


def rows(seed=0, n=40, n_models=3, n_outputs=1):
    rng = np.random.RandomState(seed)
    if n_outputs == 1:
        targets = rng.standard_normal((n, 1))
        return targets[:, None] + rng.standard_normal((n, n_models, 1)), targets
    predictions = rng.dirichlet(np.ones(n_outputs), (n, n_models))
    return predictions, np.eye(n_outputs)[rng.randint(n_outputs, size=n)]


def same(first, second):
    """Whether two objects of any kind hold the same, to the last bit."""
    return pickle.dumps(first) == pickle.dumps(second)


def test_every_family_has_members():
    for family, kind in FAMILIES.items():
        found = classes_of(family)
        assert found, family
        # Combiners bring their own final estimators.
        assert any(issubclass(cls, kind) for cls in found)


# Parts are plain estimators.


@every_member
def test_init_only_stores(member):
    cls = type(member)
    marks = {name: object() for name in member.get_params(deep=False)}
    made = cls(**marks)
    assert vars(made) == marks


@every_member
def test_clone_and_params_go_round(member):
    copy = clone(member)
    assert type(copy) is type(member)
    assert same(
        {k: repr(v) for k, v in copy.get_params(deep=True).items()},
        {k: repr(v) for k, v in member.get_params(deep=True).items()},
    )
    params = member.get_params(deep=False)
    assert copy.set_params(**params).get_params(deep=False) == params


@every_member
def test_the_repr_makes_it_again(member):
    names = {cls.__name__: cls for cls in [type(each) for each in [*members(), *estimators()]]}
    again = eval(repr(member), names | {"LogisticRegression": LogisticRegression, "inf": np.inf})
    assert repr(again) == repr(member)


@every_member
def test_defaults_are_plain_values(member):
    """An instance as a default would be shared by all."""
    for name, parameter in inspect.signature(type(member)).parameters.items():
        plain = (bool, int, float, str, tuple, type(None))
        assert parameter.default is inspect.Parameter.empty or isinstance(parameter.default, plain), name


@every_member
def test_pickles(member):
    again = pickle.loads(pickle.dumps(member))
    assert repr(again) == repr(member)


@every_member
def test_public_signatures_are_annotated(member):
    for name, method in inspect.getmembers(type(member), inspect.isfunction):
        if name.startswith("_") or not method.__module__.startswith("skensemble"):
            continue
        signature = inspect.signature(method)
        assert signature.return_annotation is not inspect.Signature.empty, name
        for parameter in list(signature.parameters.values())[1:]:
            assert parameter.annotation is not inspect.Parameter.empty, (name, parameter.name)


# Nothing that is handed over is changed.


def unchanged(call, *arrays):
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.setflags(write=False)
    result = call(*arrays)
    for array, kept in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, kept)
    return result


@every_loss
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_losses_read_only(loss, n_outputs):
    predictions, targets = rows(n_outputs=n_outputs)
    losses = unchanged(loss, targets, predictions)
    assert losses.shape == (40, 3)
    slopes = unchanged(loss.slope, targets.copy(), predictions[:, 0].copy())
    assert slopes.shape == targets.shape


@every_weighting
def test_weightings_read_only(weighting):
    predictions, targets = rows()
    losses = (predictions[:, :, 0] - targets) ** 2
    evidence = Evidence.of(predictions, targets, losses, np.ones(40))
    before = pickle.dumps(evidence)
    weights = weighting(evidence)
    assert pickle.dumps(evidence) == before
    assert weights.shape == (3,)
    np.testing.assert_array_equal(weighting(evidence), weights)


@pytest.mark.parametrize("combiner", members("combiners"), ids=repr)
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_combiners_read_only_and_travel(combiner, n_outputs):
    predictions, targets = rows(n_outputs=n_outputs)
    memberships = np.eye(2)[np.arange(40) % 2]
    fitted = unchanged(combiner.fit, predictions, targets, memberships)
    assert fitted is combiner
    again = pickle.loads(pickle.dumps(fitted))
    for name in ("combine", "weights", "contributions"):
        said = unchanged(getattr(fitted, name), predictions.copy(), memberships.copy())
        np.testing.assert_array_equal(getattr(again, name)(predictions, memberships), said)
    params = {name: repr(value) for name, value in fitted.get_params().items()}
    assert params == {name: repr(value) for name, value in clone(fitted).get_params().items()}


@pytest.mark.parametrize("rule", members("rules"), ids=repr)
def test_rules_read_only(rule):
    state = rule.start(np.full(3, 1 / 3), np.ones(3))
    before = pickle.dumps(state)
    awake = np.array([1.0, 0.5, 0.0])
    weights = rule.weights(state, awake)
    rule.update(state, np.array([1.0, 2.0, 3.0]), awake)
    assert pickle.dumps(state) == before
    assert weights[2] == 0
    np.testing.assert_allclose(weights.sum(), 1.0)


@pytest.mark.parametrize("splitter", members("splits"), ids=repr)
def test_splitters_look_forward(splitter):
    X = np.zeros((60, 1))
    folds = list(splitter.split(X))
    assert len(folds) == splitter.get_n_splits(X)
    for train, test in folds:
        assert train.max() < test.min()


@pytest.mark.filterwarnings("ignore:.*finds less than one row of X in the regime")  # in noise there may be none to find
@pytest.mark.parametrize("detector", members("regimes"), ids=repr)
def test_detectors_give_one_label_for_each_row(detector):
    X = np.random.RandomState(0).standard_normal((30, 2))
    fitted = unchanged(clone(detector).fit, X)
    assert len(unchanged(fitted.predict, X.copy())) == 30


# Members go together.


@every_loss
@every_weighting
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_every_loss_runs_with_every_weighting(loss, weighting, n_outputs):
    predictions, targets = rows(n_outputs=n_outputs)
    if n_outputs == 1:  # numbers that may be probabilities too
        predictions, targets = (1 / (1 + np.exp(-part)) for part in (predictions, targets))
    memberships = np.eye(2)[np.arange(40) % 2]
    voting = WeightedVoting(weighting, loss=loss).fit(predictions, targets, memberships)
    weights = voting.regime_weights_
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    assert np.isfinite(voting.combine(predictions, memberships)).all()


@pytest.mark.parametrize("combiner", members("combiners"), ids=repr)
def test_an_ensemble_changes_neither_its_parameters_nor_its_input(combiner):
    X = np.random.RandomState(0).standard_normal((60, 2))
    y = X[:, 0].copy()
    models = [("ridge", Ridge()), ("line", LinearRegression())]
    ensemble = RegimeAwareEnsembleRegressor(models, combiner=combiner, n_jobs=1)
    before = repr(ensemble)
    fitted = unchanged(ensemble.fit, X, y)
    unchanged(fitted.predict, X.copy())
    assert repr(fitted) == before
    assert models[0][1] is ensemble.estimators[0][1]
    assert not hasattr(models[0][1], "coef_")
    assert fitted.combiner_ is not combiner
    assert not hasattr(combiner, "regime_weights_")


def test_the_contributing_page_shows_a_member_of_each_family_that_it_names():
    found = {family: {cls.__name__ for cls in classes_of(family)} for family in ("losses", "rules", "regimes")}
    assert {"LogCoshLoss"} < found["losses"]
    assert {"RegretMatching"} < found["rules"]
    assert {"SignRegimes"} < found["regimes"]


def test_the_public_names_are_these():
    assert {"RegimeAwareEnsembleRegressor", "RegimeAwareEnsembleClassifier"} <= set(skensemble.__all__)

"""How far a fit has come: for callbacks, also from outside, and in lines; and nothing changes for being listened to."""

import pickle
import re

import joblib
import numpy as np
import pandas as pd
import pytest
from joblib.externals.loky import get_reusable_executor
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor, walk_forward
from skensemble._compat import CallbackSupport
from skensemble.multi_model import MultiModelTrainer

with_callbacks = pytest.mark.skipif(
    not hasattr(CallbackSupport, "set_callbacks"), reason="scikit-learn 1.9 has callbacks"
)


class Listener:
    """Writes down what it hears, as paths of task names."""

    def __init__(self):
        self.begun, self.ended, self.set_up, self.torn_down = [], [], 0, 0

    def setup(self, estimator, context):
        self.set_up += 1

    def teardown(self, estimator, context):
        self.torn_down += 1

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(path(context))

    def on_fit_task_end(self, estimator, context):
        self.ended.append(path(context))


class Everywhere(Listener):
    """Goes along into estimators inside others."""

    @property
    def max_propagation_depth(self):
        return None


def path(context):
    names = []
    while context is not None:
        names.append(context.task_name)
        context = context.parent
    return tuple(reversed(names))


def made(n=90):
    rng = np.random.RandomState(0)
    X = rng.standard_normal((n, 2))
    return X, X[:, 0] + 0.1 * rng.standard_normal(n)


def ensemble(**params):
    models = [("line", LinearRegression()), ("ridge", Ridge())]
    return RegimeAwareEnsembleRegressor(models, cv=2, **params)


@with_callbacks
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_every_model_and_fold_is_announced_and_reported(n_jobs):
    listener = Listener()
    X, y = made()
    fitted = ensemble(n_jobs=n_jobs).set_callbacks(listener).fit(X, y)
    expected = [("fit",)]
    for model in ("line", "ridge"):
        expected += [("fit", model), *(("fit", model, part) for part in ("fold 0", "fold 1", "all rows"))]
    assert sorted(listener.begun) == sorted(listener.ended) == sorted(expected)
    assert listener.begun[0] == listener.ended[-1] == ("fit",)
    assert (listener.set_up, listener.torn_down) == (1, 1)
    np.testing.assert_array_equal(fitted.predict(X), ensemble(n_jobs=n_jobs).fit(X, y).predict(X))


@with_callbacks
def test_a_search_and_a_pipeline_hear_of_the_models_inside():
    listener = Everywhere()
    X, y = made()
    pipe = make_pipeline(StandardScaler(), ensemble())
    search = GridSearchCV(pipe, {"regimeawareensembleregressor__combiner": ["dynamic"]}, cv=2)
    search.set_callbacks(listener).fit(X, y)
    inside = [each for each in listener.ended if each[-1] == "all rows"]
    # Two models in two folds of the search and in its last fit.
    assert len(inside) == 6
    assert all(each[-2] in ("line", "ridge") for each in inside)
    assert sorted(listener.begun) == sorted(listener.ended)


@with_callbacks
def test_a_fit_that_fails_lets_go_of_its_listeners():
    listener = Listener()
    X, y = made()
    model = ensemble(lookback=-1).set_callbacks(listener)
    with pytest.raises(ValueError, match="lookback"):
        model.fit(X, y)
    # Nothing had begun.
    assert listener.set_up == listener.torn_down == 0
    model.set_params(lookback=50, estimators=[("line", LinearRegression()), ("broken", Broken())])
    model.set_params(on_error="raise")
    with pytest.raises(ValueError, match="broken failed"):
        model.fit(X, y)
    assert listener.set_up == listener.torn_down == 1
    assert not hasattr(model, "combiner_")


class Broken(Ridge):
    def fit(self, X, y, sample_weight=None):
        raise RuntimeError("the disk is full")


class Interrupted(Ridge):
    def fit(self, X, y, sample_weight=None):
        raise KeyboardInterrupt


@with_callbacks
@pytest.mark.parametrize("where", ["fit", "walk"])
def test_an_interrupted_fit_leaves_nothing_behind(where):
    listener = Everywhere()
    X, y = made()
    model = ensemble().set_callbacks(listener).fit(X, y)
    before = dict(vars(model))
    model.set_params(estimators=[("line", LinearRegression()), ("stopped", Interrupted())])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y) if where == "fit" else walk_forward(model, X, y, initial=60)
    assert listener.set_up == listener.torn_down == 2
    assert dict(vars(model), estimators=before["estimators"]) == before
    assert all(not hasattr(each, "_parent_callback_ctx") for _, each in model.estimators)


@with_callbacks
def test_a_model_that_fails_is_reported_and_a_listener_that_fails_is_no_failure_of_the_model():
    class Broken(Ridge):
        def fit(self, X, y, sample_weight=None):
            raise RuntimeError("the disk is full")

    listener, X, y = Listener(), *made()
    models = [("line", LinearRegression()), ("broken", Broken())]
    with pytest.warns(UserWarning, match="broken failed"):
        RegimeAwareEnsembleRegressor(models, cv=2).set_callbacks(listener).fit(X, y)
    assert sorted(listener.begun) == sorted(listener.ended)
    assert len(listener.ended) == 9

    class Deaf(Listener):
        def on_fit_task_end(self, estimator, context):
            if context.task_name == "fold 1":
                raise RuntimeError("nobody can hear that")

    deaf = Deaf()
    with pytest.raises(RuntimeError, match="nobody can hear that"):
        ensemble().set_callbacks(deaf).fit(X, y)
    assert deaf.set_up == deaf.torn_down == 1


@with_callbacks
def test_listeners_survive_clone_and_pickle():
    X, y = made()
    model = ensemble().set_callbacks(Listener()).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    (listener,) = again._skl_callbacks
    heard = len(listener.ended)
    again.fit(X, y)
    assert len(listener.ended) == 2 * heard == 18
    clone(model).fit(X, y)
    assert len(model._skl_callbacks[0].ended) == 18


@with_callbacks
@pytest.mark.parametrize(("backend", "n_jobs"), [("threading", None), ("threading", 2), ("loky", 2)])
def test_a_progress_bar_runs(capsys, backend, n_jobs):
    from sklearn.callback import ProgressBar

    X, y = made()
    with joblib.parallel_config(backend):
        shown = ensemble(n_jobs=n_jobs).set_callbacks(ProgressBar()).fit(X, y)
    said = capsys.readouterr().out
    assert all(name in said for name in ("RegimeAwareEnsembleRegressor - fit", "line #0", "ridge #1"))
    assert said.count("100%") >= 3
    np.testing.assert_array_equal(shown.predict(X), ensemble(n_jobs=n_jobs).fit(X, y).predict(X))


@with_callbacks
def test_a_progress_bar_of_a_search_shows_the_models_inside(capsys):
    from sklearn.callback import ProgressBar

    X, y = made()
    search = GridSearchCV(ensemble(), {"combiner": ["dynamic"]}, cv=2, n_jobs=2).set_callbacks(ProgressBar())
    search.fit(X, y)
    said = capsys.readouterr().out
    assert said.count("ridge #1") >= 3
    assert "GridSearchCV - fit" in said


# By the trading names.


def trained(**params):
    X, y = made()
    trainer = MultiModelTrainer([("line", LinearRegression()), ("ridge", Ridge())], n_jobs=1, **params)
    return trainer, (X[:60], y[:60], X[60:], y[60:])


def test_a_trainer_prints_the_lines_of_its_ensemble(capsys):
    trainer, sets = trained(verbose=1)
    trainer.train_parallel(*sets)
    expected = [(model, part) for model in ("line", "ridge") for part in ("all rows", "fold 0")]
    assert sorted(line[1:3] for line in lines(capsys.readouterr().out)) == expected
    quiet, _ = trained()
    assert quiet.train_parallel(*sets) == trainer.results_
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="verbose of MultiModelTrainer must be an integer of at least 0; got -1"):
        trained(verbose=-1)[0].train_parallel(*sets)


@with_callbacks
def test_listeners_of_a_trainer_hear_of_every_model_and_are_let_go():
    listener = Listener()
    trainer, sets = trained()
    trainer.set_callbacks(listener).train_parallel(*sets)
    expected = [("fit",)]
    for model in ("line", "ridge"):
        expected += [("fit", model), ("fit", model, "fold 0"), ("fit", model, "all rows")]
    assert sorted(listener.begun) == sorted(listener.ended) == sorted(expected)
    assert (listener.set_up, listener.torn_down) == (1, 1)
    # The ensemble may be fitted on other rows; who listened to the training does not listen to that.
    trainer.ensemble_.fit(*sets[:2])
    assert listener.set_up == 1
    assert trainer._skl_callbacks == [listener]


# Through a walk.


def walked(rivals, **options):
    X, y = made()
    return walk_forward(rivals, X, y, initial=60, refit_every=20, **options)


@with_callbacks
def test_a_walk_is_a_task_of_its_own():
    listener = Listener()
    rivals = {"it": ensemble(), "line": LinearRegression()}
    walk = walked(rivals, callbacks=[listener])
    expected = [("fit",), ("fit", "it"), ("fit", "line")]
    expected += [("fit", "it", part) for part in ("training 0", "rows 60-79", "training 1", "rows 80-89")]
    expected += [("fit", "line", part) for part in ("training 0", "training 1")]
    assert sorted(listener.begun) == sorted(listener.ended) == sorted(expected)
    assert listener.ended.index(("fit", "it", "rows 60-79")) < listener.ended.index(("fit", "it", "training 1"))
    assert listener.begun[0] == listener.ended[-1] == ("fit",)
    assert (listener.set_up, listener.torn_down) == (1, 1)
    pd.testing.assert_frame_equal(walk.predictions, walked(rivals).predictions, check_exact=True)


@with_callbacks
@pytest.mark.parametrize("whose", ["ensemble", "pipeline", "both", "model"])
def test_what_rivals_bring_listens_to_the_whole_walk_once(whose):
    listener = Everywhere()
    inside = ensemble()
    rival = make_pipeline(StandardScaler(), inside) if whose in ("pipeline", "both") else inside
    for each in {"ensemble": [inside], "pipeline": [rival], "both": [inside, rival], "model": []}[whose]:
        each.set_callbacks(listener)
    given = [listener] if whose == "model" else ()
    if whose == "model":
        # A bar of a model's own cannot be part of another: it is left to itself, and the model does not suffer.
        own = RegimeAwareEnsembleRegressor(["linear"], cv=1).set_callbacks(Everywhere())
        inside.estimators.append(("nested", own))
    walked({"it": rival, "mean": DummyRegressor()}, callbacks=given)
    assert listener.set_up == listener.torn_down == 1
    assert sorted(listener.begun) == sorted(listener.ended)
    assert ("fit", "mean", "training 1") in listener.ended
    assert ("fit", "it", "fit", "ridge", "fold 1") in listener.ended
    assert sum(path[-1] == "all rows" for path in listener.ended) == 2 * len(inside.estimators)
    if whose != "model":
        assert rival._skl_callbacks == [listener] if whose != "ensemble" else inside._skl_callbacks == [listener]


@with_callbacks
def test_a_listener_of_an_ensemble_alone_hears_its_trainings():
    listener = Listener()
    walked({"it": ensemble().set_callbacks(listener), "line": LinearRegression()})
    assert listener.set_up == listener.torn_down == 2
    assert sum(path[-1] == "all rows" for path in listener.ended) == 4


# Lines.

LINE = re.compile(r"\[(\w+)\] (\w+), (.*) \((\d) of (\d)\) after \d+\.\d s")


def lines(text):
    return [LINE.fullmatch(line).groups() for line in text.splitlines()]


@pytest.mark.parametrize(("backend", "n_jobs"), [("threading", None), ("threading", 2), ("loky", 2)])
def test_one_line_for_every_fit_of_a_model_that_has_ended(capfd, backend, n_jobs):
    X, y = made()
    # Workers that are there already write where they wrote before.
    get_reusable_executor().shutdown()
    with joblib.parallel_config(backend):
        fitted = ensemble(n_jobs=n_jobs, verbose=1).fit(X, y)
    out, err = capfd.readouterr()
    parts = [("fold 0", "1", "3"), ("fold 1", "2", "3"), ("all rows", "3", "3")]
    expected = [("RegimeAwareEnsembleRegressor", model, *part) for model in ("line", "ridge") for part in parts]
    assert sorted(lines(out)) == sorted(expected)
    assert err == ""
    np.testing.assert_array_equal(fitted.predict(X), ensemble(n_jobs=n_jobs).fit(X, y).predict(X))


def test_a_forest_that_is_grown_in_parts_has_one_line(capsys):
    X, y = made()
    models = [("forest", RandomForestRegressor(40, random_state=0)), ("line", LinearRegression())]
    RegimeAwareEnsembleRegressor(models, cv=1, n_jobs=2, verbose=True).fit(X, y)
    said = [line[1:3] for line in lines(capsys.readouterr().out)]
    assert sorted(said) == [(model, part) for model in ("forest", "line") for part in ("all rows", "fold 0")]


def test_lines_of_a_walk(capsys):
    walked({"it": ensemble(verbose=1), "line": LinearRegression()}, verbose=1)
    said = lines(capsys.readouterr().out)
    own = [line for line in said if line[0] == "walk_forward"]
    assert own == [
        ("walk_forward", "line", "training 0", "1", "2"),
        ("walk_forward", "line", "training 1", "2", "2"),
        ("walk_forward", "it", "training 0", "1", "4"),
        ("walk_forward", "it", "rows 60-79", "2", "4"),
        ("walk_forward", "it", "training 1", "3", "4"),
        ("walk_forward", "it", "rows 80-89", "4", "4"),
    ]
    # Two trainings of two models; without times the second trains no fold.
    assert sum(line[2] == "all rows" for line in said) == 4
    walked({"it": ensemble(verbose=1)})
    assert {line[0] for line in lines(capsys.readouterr().out)} == {"RegimeAwareEnsembleRegressor"}


def test_nothing_is_said_where_nobody_asks(capfd):
    X, y = made()
    ensemble(n_jobs=2).fit(X, y).predict(X)
    models = [("one", LogisticRegression()), "linear"]
    RegimeAwareEnsembleClassifier(models, cv=2).fit(X, y > 0).partial_update(X, y > 0)
    walked({"it": ensemble(), "line": LinearRegression()})
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("verbose", [-1, "loud", None, 0.5])
def test_verbose_is_a_number_or_a_truth(verbose):
    X, y = made()
    with pytest.raises(ValueError, match="verbose of RegimeAwareEnsembleRegressor must be an integer"):
        ensemble(verbose=verbose).fit(X, y)
    with pytest.raises(ValueError, match="verbose of walk_forward must be an integer"):
        walked(LinearRegression(), verbose=verbose)

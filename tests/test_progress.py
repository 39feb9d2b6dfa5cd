"""Callbacks of scikit-learn hear of models and folds, also from outside; and nothing changes for being listened to."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skensemble import RegimeAwareEnsembleRegressor
from skensemble._compat import CallbackSupport

pytestmark = pytest.mark.skipif(not hasattr(CallbackSupport, "set_callbacks"), reason="scikit-learn 1.9 has callbacks")


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


def test_a_progress_bar_runs(capsys):
    from sklearn.callback import ProgressBar

    X, y = made()
    ensemble().set_callbacks(ProgressBar()).fit(X, y)
    assert "RegimeAwareEnsembleRegressor" in capsys.readouterr().out

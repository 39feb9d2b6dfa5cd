"""Small live ensembles: models that say a column, and what a plain ensemble learns from the same outcomes."""

from __future__ import annotations

import pickle
from copy import copy
from dataclasses import fields, replace
from itertools import groupby

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble.explanation import Explanation, joined

DAYS = pd.date_range("2024-01-01", periods=60, freq="D")


class Says(RegressorMixin, BaseEstimator):
    """Say what stands in a column; NaN sleeps."""

    def __init__(self, column=0, scale=1.0):
        self.column = column
        self.scale = scale

    def fit(self, X, y):
        self.is_fitted_ = True
        return self

    def predict(self, X):
        return self.scale * np.asarray(X, dtype=float)[:, self.column]


class Leans(ClassifierMixin, BaseEstimator):
    """Probabilities from one column."""

    def __init__(self, column=0):
        self.column = column

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        raised = np.exp(np.asarray(X, dtype=float)[:, [self.column]] * np.arange(len(self.classes_)))
        return raised / raised.sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


MODELS = [("a", Says(0)), ("b", Says(1)), ("c", Says(2))]


def rows(n, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3))
    return X, X[:, 0] + 0.5 * rng.normal(size=n), np.where(X[:, 2] > 0, "up", "down")


def regressor(models=MODELS, times=None, seed=0, **params):
    X, y, regimes = rows(60, seed)
    X = X if times is None else pd.DataFrame(X, index=times, columns=list("xyz"))
    params = {"combiner": "dynamic", "random_state": 0, **params}
    given = {} if "regime_detector" in params else {"regimes": regimes}
    return RegimeAwareEnsembleRegressor(models, **params).fit(X, y, **given)


def classifier(classes=("no", "yes"), seed=0, **params):
    X, y, regimes = rows(60, seed)
    labels = np.array(classes)[np.digitize(y, [0.0, 0.7][: len(classes) - 1])]
    models = [("a", Leans(0)), ("b", Leans(1))]
    params = {"combiner": "dynamic", "random_state": 0, **params}
    return RegimeAwareEnsembleClassifier(models, **params).fit(X, labels, regimes=regimes)


def learned(ensemble):
    """Everything that outcomes move, bit by bit."""
    names = (*ensemble._moving, "regimes_", "records_", "_sides")
    return {name: bits(getattr(ensemble, name)) for name in names if name != "regime_detector_"}


def bits(value):
    """What a value is made of: who shares which part with whom does not matter."""
    if isinstance(value, np.ndarray) and value.dtype != object:
        return value.dtype.str, value.shape, value.tobytes()
    if isinstance(value, (list, tuple, np.ndarray)):
        return type(value).__name__, [bits(each) for each in value]
    if isinstance(value, dict):
        return {key: bits(each) for key, each in value.items()}
    if isinstance(value, pd.Timestamp):
        return value.tz, value.as_unit("ns").value
    inside = getattr(value, "__dict__", None)
    return pickle.dumps(value) if inside is None else (type(value).__name__, bits(dict(inside)))


def at(hour):
    return pd.Timestamp("2024-06-01") + pd.Timedelta(hours=hour)


def plainly(ensemble, outcomes):
    """A copy that has learned from (explanation, y, time) in the order of times, those of one time together."""
    ensemble = copy(ensemble)
    zoned = ensemble.trained_until_ is not None and ensemble.trained_until_.tz is not None
    for time, same in groupby(sorted(outcomes, key=lambda outcome: outcome[2]), key=lambda outcome: outcome[2]):
        said, y, _ = zip(*same, strict=True)
        index = pd.DatetimeIndex([time] * len(y))
        together = joined([as_explanation(each) for each in said])
        together = replace(together, index=index.tz_localize("UTC") if zoned else index)
        ensemble.partial_update(predictions=together, y=list(y))
    return ensemble


def as_explanation(said):
    return Explanation(**{field.name: getattr(said, field.name) for field in fields(Explanation)})

"""Rivals of other packages, fed as their own pages say.

The rule: each gets the same rows, the same models where it takes models, the same moments of training, and outcomes no
sooner. Where a rival has a flaw that a user would notice at once, it is helped, and the help is written here.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any, ClassVar

import joblib
import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from benchmarks.quality._case import Case, Said
from skensemble._demo import NoModel

__all__ = [
    "ewa",
    "flaml",
    "forest",
    "forget",
    "lightgbm",
    "mlxtend_stacking",
    "no_model",
    "sklearn_stacking",
    "sklearn_stacking_shuffled",
    "sklearn_voting",
]

Array = NDArray[np.float64]


def lightgbm(case: Case) -> Any:
    """Make one LightGBM as it comes."""
    model = LGBMRegressor if case.numbers else LGBMClassifier
    return model(n_estimators=5 if case.quick else 100, n_jobs=1, random_state=0, verbosity=-1)


def no_model(case: Case) -> Any:
    """Make the guess of someone without a model: a column, or the mean or the share of each class."""
    if case.scenario.naive:
        return NoModel(case.scenario.naive)
    return DummyRegressor() if case.numbers else DummyClassifier(strategy="prior")


class _Once(BaseEstimator):
    """Train no model twice on the same rows: rivals that differ in what they make of their models share these.

    Parameters
    ----------
    estimator : estimator
        The model.
    """

    trained: ClassVar[dict[str, Any]] = {}

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: Any, y: Any) -> _Once:
        key = joblib.hash((self.estimator, np.ascontiguousarray(X), np.ascontiguousarray(y)))
        if key not in self.trained:
            self.trained[key] = clone(self.estimator).fit(X, y)
        self.estimator_ = self.trained[key]
        self.n_features_in_ = self.estimator_.n_features_in_
        return self

    def predict(self, X: Any) -> Any:
        return self.estimator_.predict(X)


class OnceRegressor(RegressorMixin, _Once):
    pass


class OnceClassifier(ClassifierMixin, _Once):
    def predict_proba(self, X: Any) -> Array:
        return self.estimator_.predict_proba(X)

    @property
    def classes_(self) -> NDArray[Any]:
        return self.estimator_.classes_


def forget() -> None:
    """Forget the models of the rivals, when a scenario is done."""
    _Once.trained.clear()


def _members(case: Case) -> list[tuple[str, Any]]:
    once = OnceRegressor if case.numbers else OnceClassifier
    return [(name, once(model)) for name, model in case.members(patient=False)]


def _on_arrays(rival: Any) -> Any:
    """Hand a rival arrays; mlxtend makes arrays of tables in fit, but not later."""
    return make_pipeline(FunctionTransformer(np.asarray), rival)


def sklearn_voting(case: Case) -> Any:
    members = _members(case)
    return _on_arrays(VotingRegressor(members) if case.numbers else VotingClassifier(members, voting="soft"))


def sklearn_stacking(case: Case, folds: Any = None) -> Any:
    stacking = StackingRegressor if case.numbers else StackingClassifier
    return _on_arrays(stacking(_members(case), cv=folds))


def sklearn_stacking_shuffled(case: Case) -> Any:
    folds = KFold if case.numbers else StratifiedKFold
    return sklearn_stacking(case, folds(5, shuffle=True, random_state=0))


def mlxtend_stacking(case: Case) -> Any:
    members = [model for _, model in _members(case)]
    if case.numbers:
        made = import_module("mlxtend.regressor").StackingCVRegressor
        stacking = made(members, LinearRegression(), cv=5, random_state=0)
    else:
        made = import_module("mlxtend.classifier").StackingCVClassifier
        stacking = made(members, LogisticRegression(), use_probas=True, cv=5, random_state=0)
    return _on_arrays(stacking)


class _FLAML(BaseEstimator):
    """FLAML's search, of as many models as given, so that it finds the same on every machine; its own holdout.

    Parameters
    ----------
    task : str
        As FLAML calls it.
    max_iter : int
        Number of models tried.
    """

    def __init__(self, task: str, max_iter: int = 20) -> None:
        self.task = task
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any) -> _FLAML:
        self.search_ = import_module("flaml").AutoML()
        self.search_.fit(
            X,
            y,
            task=self.task,
            metric="mse" if self.task == "regression" else "log_loss",
            estimator_list=["lgbm", "rf", "extra_tree"],
            max_iter=self.max_iter,
            split_type="time",
            n_jobs=1,
            seed=0,
            verbose=0,
        )
        return self

    def predict(self, X: Any) -> Any:
        return self.search_.predict(X)


class FLAMLRegressor(RegressorMixin, _FLAML):
    pass


class FLAMLClassifier(ClassifierMixin, _FLAML):
    def predict_proba(self, X: Any) -> Array:
        return self.search_.predict_proba(X)

    @property
    def classes_(self) -> NDArray[Any]:
        return self.search_.classes_


def flaml(case: Case) -> Any:
    """Make FLAML's search; it looks for its best model on the last rows, as its pages advise for rows in time order."""
    task, make = ("regression", FLAMLRegressor) if case.numbers else ("classification", FLAMLClassifier)
    return make(task, 2 if case.quick else 20)


# river: row by row.


class _Column:
    """A model of river that says what stands in a column."""

    def __init__(self, column: int) -> None:
        self.column = column

    def predict_one(self, x: Any) -> float:
        return float(x[self.column])

    def learn_one(self, x: Any, y: Any) -> None:
        pass


def ewa(case: Case, said: Said) -> Array | None:
    """River's EWARegressor over what the models said, out of fold first; for numbers only.

    Its losses are squares in the unit of the target, so it is given standardised ones; and its weights, which are all 1
    before the first outcome, add up to 1 after it, so that it starts with an outcome.
    """
    if not case.numbers:
        return None
    predictions = np.concatenate([said.before.predictions, said.predictions])[:, :, 0]
    targets = np.concatenate([said.before.targets, case.targets[case.judged]])[:, 0]
    n_before = len(said.before.targets)
    mean, scale = targets[:n_before].mean(), targets[:n_before].std()
    silent = np.isnan(predictions)
    rows = (np.where(silent, mean, predictions) - mean) / scale
    targets = (targets - mean) / scale
    rule = import_module("river.ensemble").EWARegressor([_Column(k) for k in range(rows.shape[1])])
    answers, learned = np.empty(len(case.known)), 0
    for row, known in enumerate(n_before + case.known):
        while learned < known:
            rule.learn_one(rows[learned], targets[learned])
            learned += 1
        answers[row] = rule.predict_one(rows[n_before + row])
    return (mean + scale * answers)[:, None]


def adaptive_forest(case: Case) -> Any:
    trees = import_module("river.forest")
    made = trees.ARFRegressor if case.numbers else trees.ARFClassifier
    return made(n_models=2 if case.quick else 10, seed=0)


def forest_rows(case: Case) -> Iterator[tuple[dict[str, float], Any]]:
    names = list(case.market.X)
    outcomes = case.market.y.tolist()
    for values, outcome in zip(case.market.X.to_numpy(dtype=float).tolist(), outcomes, strict=True):
        yield dict(zip(names, values, strict=True)), outcome


def forest_answer(case: Case, model: Any, row: dict[str, float]) -> Array:
    if case.classes is None:
        return np.array([model.predict_one(row)])
    said = model.predict_proba_one(row)
    shares = np.array([said.get(label, 0.0) for label in case.classes.tolist()])
    return shares / shares.sum() if shares.sum() > 0 else np.full(len(shares), 1 / len(shares))


def forest(case: Case, said: Said) -> Array:
    """River's adaptive random forest on the features, row by row from the first row on."""
    model, rows = adaptive_forest(case), list(forest_rows(case))
    answers, learned = [], 0
    for row in range(case.schedule.first, len(rows)):
        while learned < case.schedule.known[row]:
            model.learn_one(*rows[learned])
            learned += 1
        answers.append(forest_answer(case, model, rows[row][0]))
    return np.stack(answers)

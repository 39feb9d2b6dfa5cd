"""What a scenario hands out, and the synthetic markets: the right answer is known.

The rule: a market is made of rows of `skensemble.datasets`, laid along a path of regimes that is drawn here. Rows of
one regime are interchangeable there, so that any path can be walked: sharp, rare, drifting.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone, is_classifier

from skensemble.datasets import make_regime_classification, make_regime_regression

__all__ = ["CHANGE", "CLOCK", "KINDS", "Kind", "Market", "sometimes", "synthetic"]

Array = NDArray[np.float64]
Path = NDArray[np.intp]

# Share of the rows after which a model breaks, falls silent or arrives: in the middle of the judged half, and between
# two trainings.
CHANGE = 0.7
# The column that says how much of the time has passed; the last one, where a model has a time of its own.
CLOCK = "clock"
_NONSENSE = 1e6


@dataclass(frozen=True, eq=False)
class Market:
    """Rows in time order, and what is known of them.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)
        Features, indexed by time; rows of one time do not know each other's outcomes.
    y : Series of shape (n_samples,)
        Numbers, or labels.
    told : Series of shape (n_samples,) or None
        Regime that the methods are told; ``None`` leaves it to a detector.
    truth : ndarray of shape (n_samples,) or None
        Regime that is true, where anybody knows; nobody is told.
    returns : ndarray of shape (n_samples,) or None
        Return of the long side, as a fraction, where a prediction is a side.
    groups : ndarray of shape (n_samples,) or None
        Whose row each is.
    per_year : float
        Moments in a year, for Sharpe ratios.
    """

    X: pd.DataFrame
    y: pd.Series
    told: pd.Series | None = None
    truth: NDArray[Any] | None = None
    returns: Array | None = None
    groups: NDArray[Any] | None = None
    per_year: float = 252.0

    def first(self, n_rows: int | None) -> Market:
        """Only the first rows."""
        if n_rows is None or n_rows >= len(self.X):
            return self
        cut = {name: None if part is None else part[:n_rows] for name, part in vars(self).items() if name != "per_year"}
        return Market(**cut, per_year=self.per_year)


@dataclass(frozen=True)
class Kind:
    """What happens in a synthetic market.

    Parameters
    ----------
    line : str
        In words.
    path : callable
        Draws the regime of each row from a generator, the number of rows, and whether it is the second draw.
    told : {"truth", "noise", "nothing"}
        What the methods hear of it: the path, another one that means nothing, or nothing.
    change : str, default=""
        What happens to the linear model from `CHANGE` on: "nonsense", "silence" or "arrival".
    heavy : bool, default=False
        Whether noise (of numbers) or features (of classes) have heavy tails.
    """

    line: str
    path: Callable[[np.random.Generator, int, bool], Path]
    told: str = "noise"
    change: str = ""
    heavy: bool = False


def _chain(rng: np.random.Generator, n_rows: int, dwell: float, n_regimes: int = 2) -> Path:
    moved = rng.random(n_rows) < 1 / dwell
    return (np.cumsum(moved * rng.integers(1, n_regimes, size=n_rows)) + rng.integers(n_regimes)) % n_regimes


def _sharp(rng: np.random.Generator, n_rows: int, again: bool) -> Path:
    return _chain(rng, n_rows, 100 if again else 50, 3 if again else 2)


def _rare(rng: np.random.Generator, n_rows: int, again: bool) -> Path:
    """Visits of ten (or twenty) rows, about once in 250."""
    length = 20 if again else 10
    begins = rng.random(n_rows) < 1 / 250
    return (np.convolve(begins, np.ones(length))[:n_rows] > 0).astype(np.intp)


def _drifting(rng: np.random.Generator, n_rows: int, again: bool) -> Path:
    """The second regime comes ever more often; again: and goes."""
    passed = np.linspace(0, 1, n_rows)
    return (rng.random(n_rows) < (1 - np.abs(2 * passed - 1) if again else passed)).astype(np.intp)


def _one(rng: np.random.Generator, n_rows: int, again: bool) -> Path:
    return np.zeros(n_rows, dtype=np.intp)


KINDS = {
    "sharp": Kind("regimes change suddenly and are told", _sharp, "truth"),
    "noise": Kind("regimes change suddenly; the labels told are those of another chain", _sharp),
    "hidden": Kind("regimes change suddenly and are not told; a column moves more in one of them", _sharp, "nothing"),
    "rare": Kind("one regime in 20 to 30 rows, in short visits, told", _rare, "truth"),
    "drift": Kind("which kind of model is right changes slowly; labels mean nothing", _drifting),
    "broken": Kind("the best model says nonsense in the second half of the judged rows", _one, change="nonsense"),
    "silent": Kind("the best model says nothing in the second half of the judged rows", _one, change="silence"),
    "newcomer": Kind("the best model arrives in the middle of the judged rows", _one, change="arrival"),
    "heavy": Kind(
        "sharp regimes under noise (numbers) or features (classes) with heavy tails", _sharp, "truth", "", True
    ),
}


def synthetic(kind: str, task: str, again: bool, n_rows: int) -> Market:
    """Draw a market.

    Parameters
    ----------
    kind : str
        Of `KINDS`.
    task : {"numbers", "classes"}
        What is to be predicted.
    again : bool
        The second draw: another seed, longer regimes and more of them, other noise.
    n_rows : int
        Number of rows.

    Returns
    -------
    Market
        The same for the same arguments.
    """
    about = KINDS[kind]
    rng = np.random.default_rng([list(KINDS).index(kind), task == "classes", again])
    path = about.path(rng, n_rows, again)
    X, y = _laid_along(path, task, again, about.heavy, int(rng.integers(2**31)))
    names = np.array([f"R{regime}" for regime in range(3)])
    told = {
        "truth": lambda: pd.Series(names[path], X.index),
        "noise": lambda: pd.Series(names[_chain(rng, n_rows, 50)], X.index),
        "nothing": lambda: None,
    }[about.told]()
    truth = names[path]
    if about.told == "nothing":
        X["stir"] = rng.normal(size=n_rows) * np.where(path == 1, 3.0, 1.0)
    if about.heavy and task == "numbers":
        y += (0.7 if again else 1.0) * rng.standard_t(3, size=n_rows) / np.sqrt(3)
    if about.change:
        X[CLOCK] = np.arange(n_rows) / n_rows
        truth = np.where(X[CLOCK] < CHANGE, "before", "after")
    # Where a row's regime is drawn anew there is none that one could be in.
    return Market(X, y, told, None if kind == "drift" else truth)


def _laid_along(path: Path, task: str, again: bool, heavy: bool, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    n_regimes = max(2, int(path.max()) + 1)
    n_rows = len(path)
    if task == "numbers":
        noise = 0.0 if heavy else 0.7 if again else 1.0
        made = make_regime_regression(
            2 * n_regimes * n_rows, n_regimes=n_regimes, dwell=2, noise=noise, random_state=seed
        )
    else:
        made = make_regime_classification(
            2 * n_regimes * n_rows, n_regimes=n_regimes, dwell=2, noise=0.3 if again else 0.5, random_state=seed
        )
    drawn = made.regimes.to_numpy()
    rows = np.empty(n_rows, dtype=np.intp)
    for regime in np.unique(path):
        inside = np.flatnonzero(path == regime)
        rows[inside] = np.flatnonzero(drawn == f"R{regime}")[: len(inside)]
    times = made.X.index[:n_rows]
    X = made.X.iloc[rows].set_axis(times)
    if heavy and task == "classes":
        X = X**3
    return X, made.y.iloc[rows].set_axis(times)


# A model that is not always there.


class _Sometimes(BaseEstimator):
    """Say what another estimator says from one time to another, and something else at other times.

    Parameters
    ----------
    estimator : estimator
        Who speaks.
    start, stop : float
        From when until when, by the last column of X.
    instead : {"nonsense", "silence", "mean"}
        What is said at other times. "mean" is what a user makes of silence whose ensemble cannot bear it: the mean of
        the training rows, or the share of each class in them.
    """

    def __init__(self, estimator: Any, start: float = 0.0, stop: float = 2.0, instead: str = "silence") -> None:
        self.estimator = estimator
        self.start = start
        self.stop = stop
        self.instead = instead

    def fit(self, X: Any, y: Any) -> _Sometimes:
        self.estimator_ = clone(self.estimator).fit(X, y)
        self.n_features_in_ = self.estimator_.n_features_in_
        if is_classifier(self):
            self.classes_, counts = np.unique(np.asarray(y), return_counts=True)
            self.mean_ = counts / counts.sum()
        else:
            self.mean_ = np.array([np.mean(y)])
        return self

    def _said(self, X: Any, own: Array) -> Array:
        clock = np.asarray(X)[:, -1].astype(float)
        away = (clock < self.start) | (clock >= self.stop)
        said = own.copy()
        said[away] = {"silence": np.nan, "mean": self.mean_}.get(self.instead, 0.0)
        if self.instead == "nonsense":
            said[away] = self._nonsense(own[away])
        return said


class SometimesRegressor(RegressorMixin, _Sometimes):
    def predict(self, X: Any) -> Array:
        return self._said(X, self.estimator_.predict(X)[:, None])[:, 0]

    def _nonsense(self, own: Array) -> Array:
        return _NONSENSE * np.sign(own)


class SometimesClassifier(ClassifierMixin, _Sometimes):
    def predict_proba(self, X: Any) -> Array:
        return self._said(X, self.estimator_.predict_proba(X))

    def predict(self, X: Any) -> NDArray[Any]:
        return self.classes_[np.nan_to_num(self.predict_proba(X)).argmax(axis=1)]

    def _nonsense(self, own: Array) -> Array:
        """Be certain of the class that is least likely."""
        return np.eye(own.shape[1])[own.argmin(axis=1)]


def sometimes(estimator: Any, change: str, patient: bool) -> Any:
    """Let a model break, fall silent or arrive at `CHANGE`; for a rival that bears no silence it says the mean."""
    wrapper = SometimesClassifier if is_classifier(estimator) else SometimesRegressor
    start, stop = (CHANGE, 2.0) if change == "arrival" else (0.0, CHANGE)
    return wrapper(estimator, start, stop, "nonsense" if change == "nonsense" else "silence" if patient else "mean")

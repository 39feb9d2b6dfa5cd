"""What is to be covered: residuals of known noise, and predictions of real series and of markets of classes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble.datasets import load_sp500, make_regime_classification
from skensemble.explanation import spread
from skensemble.splits import n_outcomes_known

__all__ = ["KINDS", "MARKETS", "SERIES", "Said", "classes", "noise", "series"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Said:
    """What an ensemble said of rows that it had not seen, in time order.

    Parameters
    ----------
    data : str
        Where it comes from.
    seed : int
        Which draw of it.
    combined : ndarray of shape (n_rows, n_outputs)
        The number, or the probabilities of the classes.
    targets : ndarray of shape (n_rows, n_outputs)
        What came true.
    spreads : ndarray of shape (n_rows,)
        How far the models disagreed.
    memberships : ndarray of shape (n_rows, n_regimes)
        Regimes, as known at each row.
    known : ndarray of shape (n_rows,)
        How many rows had an outcome when each was predicted.
    folds : ndarray of shape (n_rows,)
        The fold of each row; one for all where nothing was fitted.
    """

    data: str
    seed: int
    combined: Array
    targets: Array
    spreads: Array
    memberships: Array
    known: NDArray[np.intp]
    folds: NDArray[np.intp]


# Noise of known size around a prediction of 0. Regimes switch; most of the time the labels tell, not always.


def _chain(rng: np.random.Generator, n_states: int, stay: float, n: int) -> NDArray[np.intp]:
    """A state for each row, drawn anew with probability ``1 − stay``."""
    draws, moved = rng.integers(n_states, size=n), rng.random(n) > stay
    return draws[np.maximum.accumulate(np.where(moved, np.arange(n), 0))]


def _switching(sizes: Sequence[float], stay: float, draw: Callable[..., Any]) -> Callable[..., tuple[Array, ...]]:
    def make(rng: np.random.Generator, n: int) -> tuple[Array, ...]:
        state = _chain(rng, len(sizes), stay, n)
        return np.array(sizes)[state] * draw(rng, n), np.ones(n), np.eye(len(sizes))[state]

    return make


def _labels_of_noise(rng: np.random.Generator, n: int) -> tuple[Array, ...]:
    size = np.array([1.0, 4.0])[_chain(rng, 2, 0.99, n)]
    return size * rng.normal(size=n), np.abs(rng.normal(size=n)), np.eye(2)[_chain(rng, 2, 0.99, n)]


def _clustered(rng: np.random.Generator, n: int) -> tuple[Array, ...]:
    """The volatility of prices, and a regime that is read off the rows before."""
    residuals, variance = np.zeros(n), 1.0
    for row in range(n):
        residuals[row] = math.sqrt(variance) * rng.standard_t(6)
        variance = 0.03 + 0.066 * residuals[row] ** 2 + 0.87 * variance
    recent = pd.Series(np.abs(residuals)).rolling(20, min_periods=1).mean().shift(fill_value=0.0)
    wild = (recent > recent.expanding().median()).to_numpy()
    return residuals, np.full(n, np.nan), np.eye(2)[wild.astype(int)]


def _told_by_the_spread(rng: np.random.Generator, n: int) -> tuple[Array, ...]:
    spreads, state = rng.lognormal(sigma=0.6, size=n), _chain(rng, 2, 0.98, n)
    return spreads * np.array([1.0, 2.0])[state] * rng.normal(size=n), spreads, np.eye(2)[state]


def _rare_and_wild(rng: np.random.Generator, n: int) -> tuple[Array, ...]:
    wild = (_chain(rng, 12, 0.97, n) == 0).astype(int)
    return np.array([1.0, 5.0])[wild] * rng.normal(size=n), np.ones(n), np.eye(2)[wild]


def _breaking(rng: np.random.Generator, n: int) -> tuple[Array, ...]:
    state, broken = _chain(rng, 2, 0.98, n), np.where(np.arange(n) < n // 2, 1.0, 4.0)
    return broken * np.array([1.0, 2.0])[state] * rng.normal(size=n), np.ones(n), np.eye(2)[state]


def _drifting(rng: np.random.Generator, n: int) -> tuple[Array, ...]:
    state, size = _chain(rng, 2, 0.98, n), np.exp(np.cumsum(0.03 * rng.normal(size=n)))
    return size * np.array([1.0, 2.0])[state] * rng.normal(size=n), np.ones(n), np.eye(2)[state]


KINDS: dict[str, Callable[[np.random.Generator, int], tuple[Array, ...]]] = {
    "labelled": _switching([1.0, 4.0], 0.99, lambda rng, n: rng.normal(size=n)),
    "labels of noise": _labels_of_noise,
    "heavy tails": _switching([1.0, 3.0], 0.98, lambda rng, n: rng.standard_t(3, size=n)),
    "skewed": _switching([1.0, 2.0, 4.0], 0.98, lambda rng, n: rng.exponential(size=n) - 1.0),
    "short regimes": _switching([1.0, 2.0, 4.0], 0.8, lambda rng, n: rng.normal(size=n)),
    "clustered": _clustered,
    "told by the spread": _told_by_the_spread,
    "rare and wild": _rare_and_wild,
    "breaking": _breaking,
    "drifting": _drifting,
}


def noise(kind: str, seed: int, n_rows: int) -> Said:
    residuals, spreads, memberships = KINDS[kind](np.random.default_rng(seed), n_rows)
    nothing = np.zeros((n_rows, 1))
    return Said(
        kind,
        seed,
        nothing,
        residuals[:, None],
        spreads,
        memberships,
        np.arange(n_rows),
        np.zeros(n_rows, dtype=np.intp),
    )


# Real series: what an ensemble of two plain models says of the next step, forward and out of fold.


def _frame(values: Any, changes: bool = True) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Predict the next change from the last ones; the regime is the rank of the recent size of changes so far."""
    steps = pd.Series(np.asarray(values, dtype=float))
    steps = steps.diff() if changes else steps
    columns = {f"lag{k}": steps.shift(k) for k in range(5)}
    columns |= {f"mean{k}": steps.rolling(k).mean() for k in (10, 21)}
    columns |= {f"size{k}": steps.abs().rolling(k).mean() for k in (5, 21)}
    X, y = pd.DataFrame(columns), steps.shift(-1)
    rank = ((steps**2).rolling(21).mean() ** 0.5).expanding(min_periods=60).rank(pct=True)
    names = pd.Series(np.select([rank <= 1 / 3, rank > 4 / 5], ["CALM", "STRESSED"], "NORMAL"), steps.index)
    known = X.notna().all(axis=1) & y.notna() & rank.notna()
    return X[known], y[known], names[known]


def _arch(name: str, column: str, transform: Callable[[Any], Any]) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    return _frame(transform(import_module(f"arch.data.{name}").load()[column].dropna()))


def _statsmodels(name: str, read: Callable[[pd.DataFrame], Any]) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    return _frame(read(import_module("statsmodels.datasets." + name).load_pandas().data))


def _river(name: str) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    stream = getattr(import_module("river.datasets"), name)()
    return _frame([target for _, target in stream if target is not None])


# Name → how to get features, targets and regimes, and how many rows it takes until an outcome is known.
SERIES: dict[str, tuple[Callable[[], tuple[Any, Any, Any]], int]] = {
    "S&P 500 return": (lambda: load_sp500("return"), 1),
    "S&P 500 volatility": (lambda: load_sp500("volatility"), 5),
    "VIX": (lambda: _arch("vix", "vix", np.log), 1),
    "NASDAQ": (lambda: _arch("nasdaq", "Adj Close", np.log), 1),
    "WTI": (lambda: _arch("wti", "DCOILWTICO", lambda price: price), 1),
    "Trump approval": (lambda: _river("TrumpApproval"), 1),
    "water flow": (lambda: _river("WaterFlow"), 1),
    "CO2": (lambda: _statsmodels("co2", lambda data: data["co2"].interpolate()), 1),
    "El Niño": (lambda: _statsmodels("elnino", lambda data: data.iloc[:, 1:].to_numpy(dtype=float).ravel()), 1),
    "US consumption": (lambda: _statsmodels("macrodata", lambda data: np.log(data["realcons"])), 1),
}


def series(name: str, n_folds: int, n_rows: int | None = None) -> Said | str:
    """Return what was said of a series, or why there is none."""
    read, horizon = SERIES[name]
    try:
        X, y, regimes = (part[:n_rows] for part in read())
    except ImportError as error:
        return f"{name}: left out, since {error.name} is not installed"
    ensemble = RegimeAwareEnsembleRegressor(["linear", "extra_trees"], combiner="dynamic")
    return _said(ensemble, name, 0, X, y, regimes, horizon, n_folds)


# Markets of classes.


def _classes(
    n_classes: int, informative: bool, noise: float = 0.5
) -> Callable[[int, int | None], tuple[Any, Any, Any]]:
    def make(seed: int, n_rows: int | None) -> tuple[Any, Any, Any]:
        return make_regime_classification(
            n_rows or 3500, n_classes=n_classes, noise=noise, informative=informative, random_state=seed
        )

    return make


def _signs(seed: int, n_rows: int | None) -> tuple[Any, Any, Any]:
    X, y, regimes = load_sp500("sign")
    return X[:n_rows], y[:n_rows], regimes[:n_rows]


# Name → how to make it, and whether another seed makes another one.
MARKETS: dict[str, tuple[Callable[[int, int | None], tuple[Any, Any, Any]], bool]] = {
    "2 classes": (_classes(2, informative=True), True),
    "2 classes, regimes of noise": (_classes(2, informative=False), True),
    "2 classes, easy": (_classes(2, informative=True, noise=0.1), True),
    "3 classes": (_classes(3, informative=True), True),
    "3 classes, regimes of noise": (_classes(3, informative=False), True),
    "3 classes, hard": (_classes(3, informative=True, noise=3.0), True),
    "5 classes": (_classes(5, informative=True), True),
    "S&P 500 sign": (_signs, False),
}


def classes(name: str, seed: int, models: Sequence[str], n_folds: int, n_rows: int | None = None) -> Said:
    X, y, regimes = MARKETS[name][0](seed, n_rows)
    ensemble = RegimeAwareEnsembleClassifier(list(models), combiner="dynamic")
    return _said(ensemble, f"{name}, {models[-1]}", seed, X, y, regimes, 1, n_folds)


def _said(ensemble: Any, name: str, seed: int, X: Any, y: Any, regimes: Any, horizon: int, n_folds: int) -> Said:
    ensemble.set_params(cv=n_folds, label_horizon=horizon, random_state=seed, n_jobs=1)
    with warnings.catch_warnings():
        # Where a class or a regime is missing from some fold, that is so.
        warnings.simplefilter("ignore")
        record = ensemble.fit(X, y, regimes=regimes).out_of_fold_
    known = n_outcomes_known(
        record.rows,
        n_samples=len(X),
        times=X.index if isinstance(X.index, pd.DatetimeIndex) else None,
        label_horizon=horizon,
    )
    spreads = spread(record.predictions, record.weights, record.combined)
    print(f"fitted: {name}, seed {seed}", flush=True)
    return Said(name, seed, record.combined, record.targets, spreads, record.memberships, known, record.folds)

"""Everybody who draws intervals around the same predictions, each with the settings that served it best elsewhere.

All but `SplitConformal` learn row by row. Windows, rates and grids were chosen on other seeds and other series than
those of the report. An interval without an end (some of them draw it when they have missed too often) is given the
width of the largest residual in the window: with infinite ones, nothing could be said of their widths.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin

from benchmarks.coverage._data import Said
from skensemble.intervals import AdaptiveIntervals

__all__ = ["COVERAGES", "FIRST_ROWS", "RIVALS", "drawn", "mapie_is_here"]

Array = NDArray[np.float64]

COVERAGES = (0.5, 0.8, 0.9, 0.95)
ALPHAS = 1.0 - np.array(COVERAGES)
# A year of days: what the fixed quantile is taken from, what is not judged, and the window of those who have one.
FIRST_ROWS = 250
_GAMMA = 0.02
_MAPIE_GAMMA = 0.02


class Intervals(ABC):
    """Say of a row how far below and above its prediction the outcome may be; then learn from its residual."""

    def __init__(self, n_regimes: int, first: int) -> None:
        self.first = first

    @abstractmethod
    def around(self, spread: float, memberships: Array) -> Array:
        """Distances (2, n_coverages) below and above the prediction."""

    @abstractmethod
    def learn(self, residual: float, spread: float, memberships: Array) -> None:
        """Take the outcome of the oldest row that is not learned from yet."""


class Adaptive(Intervals):
    """`AdaptiveIntervals`."""

    def __init__(self, n_regimes: int, first: int) -> None:
        self.intervals = AdaptiveIntervals(n_regimes, coverages=COVERAGES)
        self.said: deque[Array] = deque()

    def around(self, spread: float, memberships: Array) -> Array:
        self.said.append(self.intervals.stated([spread], memberships[None, :]))
        return self.said[-1][0]

    def learn(self, residual: float, spread: float, memberships: Array) -> None:
        self.intervals = self.intervals.updated([residual], [spread], memberships[None, :], stated=self.said.popleft())


class OnePerRegime(Intervals):
    """The same once for each regime, which sees nothing else; the pool of all where it has seen too little."""

    _LEAST_ROWS = 20

    def __init__(self, n_regimes: int, first: int) -> None:
        self.alone = [Adaptive(0, first) for _ in range(n_regimes + 1)]
        self.n_rows = np.zeros(n_regimes + 1)

    def around(self, spread: float, memberships: Array) -> Array:
        regime = self._regime(memberships)
        said = {each: self.alone[each].around(spread, _NOWHERE) for each in (regime, len(self.alone) - 1)}
        return said[regime if self.n_rows[regime] >= self._LEAST_ROWS else len(self.alone) - 1]

    def learn(self, residual: float, spread: float, memberships: Array) -> None:
        for regime in {self._regime(memberships), len(self.alone) - 1}:
            self.alone[regime].learn(residual, spread, _NOWHERE)
            self.n_rows[regime] += 1

    @staticmethod
    def _regime(memberships: Array) -> int:
        return int(memberships.argmax()) if memberships.any() else len(memberships)


_NOWHERE = np.empty(0)


class SplitConformal(Intervals):
    """The quantile of the first residuals, for ever (Papadopoulos et al. 2002)."""

    def __init__(self, n_regimes: int, first: int) -> None:
        super().__init__(n_regimes, first)
        self.sizes: list[float] = []
        self.fixed = np.full(len(COVERAGES), np.inf)

    def around(self, spread: float, memberships: Array) -> Array:
        return np.stack([self.fixed, self.fixed])

    def learn(self, residual: float, spread: float, memberships: Array) -> None:
        if len(self.sizes) < self.first:
            self.sizes.append(abs(residual))
            self.fixed = _quantiles(np.sort(self.sizes), ALPHAS)


class AdaptiveConformal(Intervals):
    """ACI: one level of the window's quantile for each coverage, moved by every miss (Gibbs & Candès, NeurIPS 2021)."""

    def __init__(self, n_regimes: int, first: int) -> None:
        super().__init__(n_regimes, first)
        self.sizes: deque[float] = deque(maxlen=first)
        self.alphas = ALPHAS.copy()
        self.said: deque[tuple[Array, Array]] = deque()

    def around(self, spread: float, memberships: Array) -> Array:
        window, alphas = np.sort(self.sizes), self._alphas()
        # Judged is what is strictly said; an interval without an end misses nothing.
        self.said.append((window, alphas))
        widths = _quantiles(window, alphas)
        return np.stack([widths, widths])

    def learn(self, residual: float, spread: float, memberships: Array) -> None:
        window, alphas = self.said.popleft()
        if len(window):
            # The largest level whose interval holds the outcome.
            level = 1.0 - np.searchsorted(window, abs(residual)) / (len(window) + 1)
            self._move(level, alphas)
        self.sizes.append(abs(residual))

    def _alphas(self) -> Array:
        return self.alphas.copy()

    def _move(self, level: float, alphas: Array) -> None:
        self.alphas += _GAMMA * (ALPHAS - (alphas >= level))


class AggregatedConformal(AdaptiveConformal):
    """DtACI: several rates at once, weighted by the pinball loss of their levels (Gibbs & Candès, JMLR 2024)."""

    _GAMMAS = np.array([0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128])
    _INTERVAL = 500

    def __init__(self, n_regimes: int, first: int) -> None:
        super().__init__(n_regimes, first)
        n, a, b = len(self._GAMMAS), ALPHAS, 1.0 - ALPHAS
        self.share = 1.0 / (2.0 * self._INTERVAL)
        self.rate = np.sqrt(3.0 / self._INTERVAL * (np.log(n * self._INTERVAL) + 2.0) / (b**2 * a**3 + a**2 * b**3))
        self.levels = np.repeat(ALPHAS[:, None], n, axis=1)
        self.weights = np.full((len(ALPHAS), n), 1.0 / n)

    def _alphas(self) -> Array:
        return (self.weights * self.levels).sum(axis=1)

    def _move(self, level: float, alphas: Array) -> None:
        away = level - self.levels
        losses = ALPHAS[:, None] * away - np.minimum(away, 0.0)
        weights = self.weights * np.exp(-self.rate[:, None] * losses)
        self.weights = (1.0 - self.share) * weights / weights.sum(axis=1, keepdims=True) + self.share / len(
            self._GAMMAS
        )
        self.levels += self._GAMMAS * (ALPHAS[:, None] - (self.levels >= level))


class Mapie(Intervals):
    """MAPIE's ``TimeSeriesRegressor(method="aci")`` around the same predictions, with a window of the same length."""

    def __init__(self, n_regimes: int, first: int) -> None:
        super().__init__(n_regimes, first)
        self.residuals: list[float] = []
        self.model: Any = None

    def around(self, spread: float, memberships: Array) -> Array:
        if self.model is None:
            return np.full((2, len(COVERAGES)), np.inf)
        _, bounds = self.model.predict(_AT_ZERO, confidence_level=COVERAGES, allow_infinite_bounds=True)
        widest = np.abs(self.model.conformity_scores_).max()
        return np.minimum(bounds[0] * np.array([[-1.0], [1.0]]), widest)

    def learn(self, residual: float, spread: float, memberships: Array) -> None:
        outcome = np.array([residual])
        if self.model is None:
            self.residuals.append(residual)
            if len(self.residuals) == self.first:
                regression = import_module("mapie.regression")
                self.model = regression.TimeSeriesRegressor(_Zero().fit(), method="aci", cv="prefit")
                self.model.fit(np.zeros((self.first, 1)), np.array(self.residuals))
        else:
            self.model.adapt_conformal_inference(_AT_ZERO, outcome, gamma=_MAPIE_GAMMA, confidence_level=COVERAGES)
            self.model.update(_AT_ZERO, outcome)


_AT_ZERO = np.zeros((1, 1))


class _Zero(RegressorMixin, BaseEstimator):
    """A fitted model of residuals that predicts 0."""

    def fit(self, X: Any = None, y: Any = None) -> _Zero:
        self.n_features_in_ = 1
        return self

    def predict(self, X: Any) -> Array:
        return np.zeros(len(X))


RIVALS: dict[str, Callable[[int, int], Intervals]] = {
    "AdaptiveIntervals": Adaptive,
    "one per regime": OnePerRegime,
    "split conformal": SplitConformal,
    "ACI": AdaptiveConformal,
    "DtACI": AggregatedConformal,
    "MAPIE ACI": Mapie,
}


def mapie_is_here() -> bool:
    return find_spec("mapie") is not None


def drawn(said: Said, name: str, first: int = FIRST_ROWS) -> Array:
    """Distances (n_rows, 2, n_coverages) below and above the prediction of each row, from what was known then."""
    rival, n_learned = RIVALS[name](said.memberships.shape[1], first), 0
    residuals = (said.targets - said.combined)[:, 0]
    found = np.empty((len(residuals), 2, len(COVERAGES)))
    with warnings.catch_warnings():
        # MAPIE warns on every update that its arguments have changed.
        warnings.simplefilter("ignore")
        for row, n_known in enumerate(said.known.tolist()):
            for i in range(n_learned, n_known):
                rival.learn(residuals[i], said.spreads[i], said.memberships[i])
            n_learned = max(n_learned, n_known)
            found[row] = rival.around(said.spreads[row], said.memberships[row])
    return found


def _quantiles(window: Array, alphas: Array) -> Array:
    """The conformal quantile of sizes at each level: 0 from a level of 1 on, the largest where there is no end."""
    if not len(window):
        return np.full(len(alphas), np.inf)
    place = np.ceil((len(window) + 1) * (1.0 - alphas)).astype(int) - 1
    return np.where(place < 0, 0.0, window[np.clip(place, 0, len(window) - 1)])

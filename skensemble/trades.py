"""What trades of single models teach about all of them.

The one idea: a trade of one model tells nothing about what the others would have earned on it, so it carries no regret
and no rule can learn from it. What it does tell is what that model earns, a little; weights from such trades are the
probability that a model is the best, given how much (and how little) is known of each. The one rule: what is read from
the user is checked as a whole before anything is learned from any of it, so that a bad trade moves nothing.
"""

from __future__ import annotations

import copy
import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

from skensemble._checks import check_number

__all__ = ["TradeEvidence", "Trades", "check_trades"]

Array: TypeAlias = npt.NDArray[np.float64]

# A profit counts up to this many times the usual size of its model's profits. What happens more often than once in the
# square of it (36 trades) is no accident: it moves the usual size itself, and then counts in full.
_LIMIT = 6.0
# The usual size moves by 1/√n, so that a bad start is soon forgotten, and by no less than this later on.
_SLOWEST = 0.02
# What is believed of the ratio of variances between models (and between regimes of a model) to that of single trades
# before anything is known, and the number of models that must disagree to be believed as much.
_PRIOR_RATIO = 0.01
_PRIOR_MODELS = 2.0
# Between models that differ by less than this ratio, no number of trades within a half-life could choose.
_LEAST_RATIO = 1e-4
# Trades that the prior variance of a profit in units of its usual size, 1, is worth.
_PRIOR_TRADES = 2.0
# Where each model's distribution is cut for the integral over all of them, in standard deviations.
_NODES = np.concatenate([[-9.0, -6.0], np.linspace(-4.0, 4.0, 13), [6.0, 9.0]])
_CHUNK = 128
_LARGEST = 1e50


class TradeEvidence:
    """What the profits of single trades say about which model is the best, per regime and pooled.

    A record never changes: :meth:`updated` returns a new one. Its size depends on the numbers of models and regimes
    only.
    """

    def __init__(self, n_models: int, n_regimes: int, *, half_life: float = 1000.0) -> None:
        check_number(n_models, "n_models", "TradeEvidence", low=1, integer=True)
        check_number(n_regimes, "n_regimes", "TradeEvidence", low=0, integer=True)
        check_number(half_life, "half_life", "TradeEvidence", low=0, open_low=True)
        self.n_models = int(n_models)
        self.n_regimes = int(n_regimes)
        self.half_life = float(half_life)
        shape = (self.n_regimes + 1, self.n_models)
        self._trades = np.zeros(shape)
        self._means = np.zeros(shape)
        self._squares = np.zeros(self.n_models)
        self._scales = np.zeros(self.n_models + 1)
        self._scale_trades = np.zeros(self.n_models + 1)

    @property
    def n_trades(self) -> Array:
        return self._trades.copy()

    def updated(self, profits_bps, memberships, sample_weight=None) -> TradeEvidence:
        profits = np.asarray(profits_bps, dtype=float)
        shares = np.asarray(memberships, dtype=float)
        weights = np.ones(len(profits)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        later = copy.copy(self)
        for name in ("_trades", "_means", "_squares", "_scales", "_scale_trades"):
            setattr(later, name, getattr(self, name).copy())
        contexts = np.column_stack([shares, np.ones(len(profits))]) * weights[:, None]
        with np.errstate(over="ignore", under="ignore"):
            for row, context in zip(profits, contexts, strict=True):
                traded = np.flatnonzero(np.isfinite(row))
                if traded.size and context[-1] > 0:
                    later._learn(row[traded], traded, context)
        return later

    def _learn(self, profits: Array, traded, context: Array) -> None:
        units = self._in_units(profits, traded, context[-1])
        weight = context[:, None]
        fade = np.exp2(-weight / self.half_life)
        trades = self._trades[:, traded] * fade + weight
        means = self._means[:, traded]
        steps = np.divide(weight, trades, out=np.zeros_like(trades), where=weight > 0) * (units - means)
        pooled = context[-1]
        self._squares[traded] = self._squares[traded] * fade[-1] + pooled * (units - means[-1]) * (
            units - means[-1] - steps[-1]
        )
        self._trades[:, traded] = trades
        self._means[:, traded] = means + steps

    def _in_units(self, profits, traded, weight):
        sizes = np.abs(profits)
        if self._scales[-1] == 0.0:
            if not sizes.any():
                return profits
            self._scales[-1] = np.median(sizes[sizes > 0])
        unit = self._scales[-1]
        own = self._scales[traded]
        own[own == 0.0] = unit
        limit = _LIMIT * np.minimum(own / unit, _LARGEST)
        units = np.clip(profits / unit, -limit, limit)
        moved = sizes > 0
        if moved.any():
            self._scales[traded[moved]], self._scale_trades[traded[moved]] = _followed(
                own[moved], self._scale_trades[traded[moved]], _surprise(sizes[moved] / own[moved]), weight
            )
            n = moved.sum()
            self._scales[-1], self._scale_trades[-1] = _followed(
                unit, self._scale_trades[-1], _surprise(sizes[moved] / unit).mean(), weight * n
            )
        return units

    def weights(self, memberships) -> Array:
        shares = np.asarray(memberships, dtype=float)
        distinct, where = (shares, None) if len(shares) == 1 else np.unique(shares, axis=0, return_inverse=True)
        means, variances = self._posterior()
        mix = np.column_stack([distinct, 1.0 - distinct.sum(axis=1)])
        found = _probability_best(mix @ means, np.sqrt(mix @ variances))
        return found if where is None else found[where.ravel()]

    def _posterior(self):
        trades, means = self._trades[-1], self._means[-1]
        variance = (_PRIOR_TRADES + self._squares.sum()) / (_PRIOR_TRADES + np.maximum(trades - 1.0, 0.0).sum())
        trust = trades * _PRIOR_RATIO / (trades * _PRIOR_RATIO + 1.0)
        centre = np.average(means, weights=trust) if trust.any() else 0.0
        gaps = (means - centre) ** 2 / variance
        noise = trust**2 / np.maximum(trades, 1e-300)
        ratio = _ratio((trust**2 * gaps - noise).sum(), max((trust**2).sum() - 1.0, 0.0))
        need = 1.0 / ratio
        model_means = (trades * means + need * centre) / (trades + need)
        model_variances = variance / (trades + need)
        if not self.n_regimes:
            return model_means[None], model_variances[None]
        n, m = self._trades[:-1], self._means[:-1]
        trust = n * _PRIOR_RATIO / (n * _PRIOR_RATIO + 1.0)
        total = trust.sum(axis=1, keepdims=True)
        lead = np.divide((trust * (m - means)).sum(axis=1, keepdims=True), total, out=np.zeros_like(total), where=total > 0)
        gaps = (m - means - lead) ** 2 / variance
        inv_n, inv_all = 1 / np.maximum(n, 1e-300), 1 / np.maximum(trades, 1e-300)
        noise = trust**2 * np.maximum(inv_n - inv_all, 0.0)
        free = (1.0 - np.minimum(n / np.maximum(trades, 1e-300), 1.0)) * (1 - 1 / self.n_models)
        ratio = _ratio((trust**2 * gaps - noise * (1 - 1 / self.n_models)).sum(), (trust**2 * free).sum())
        need = 1.0 / ratio
        regime_means = (n * m + need * (model_means + lead)) / (n + need)
        regime_variances = variance / (n + need) + (need / (n + need)) ** 2 * model_variances
        return np.vstack([regime_means, model_means]), np.vstack([regime_variances, model_variances])


def _ratio(excess, models):
    return max((_PRIOR_MODELS * _PRIOR_RATIO + excess) / (_PRIOR_MODELS + models), _LEAST_RATIO)


def _surprise(sizes):
    return (np.minimum(sizes, _LIMIT) ** 2 - 1.0) / 2.0


def _followed(scale, trades, surprise, weight):
    trades = trades + weight
    rate = np.minimum(weight * np.maximum(1.0 / np.sqrt(trades), _SLOWEST), 1.0)
    return np.clip(scale * np.exp(np.minimum(rate * surprise, math.log(2))), 1e-300, 1e300), trades


def _probability_best(means, sds):
    out = np.empty(means.shape)
    for start in range(0, len(means), _CHUNK):
        part = slice(start, start + _CHUNK)
        m, s = means[part, None, :], sds[part, None, :]
        x = np.sort((m + s * _NODES[:, None]).reshape(len(m), -1), axis=1)
        logs = np.log(np.maximum(special.ndtr((x[:, :, None] - m) / s), 1e-300))
        total = logs.sum(axis=2)
        rises, total_rises = np.diff(logs, axis=1), np.diff(total, axis=1)
        gained = np.divide(np.diff(np.exp(total), axis=1), total_rises, out=np.zeros_like(total_rises), where=total_rises > 0)
        shares = np.einsum("rc,rcm->rm", gained, rises)
        out[part] = shares / shares.sum(axis=1, keepdims=True)
    return out

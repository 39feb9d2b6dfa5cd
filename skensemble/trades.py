"""What trades of single models teach about all of them.

The one idea: a trade of one model tells nothing about what the others would have earned on it, so it carries no regret
and no rule can learn from it. What it does tell, a little, is what its own model earns; weights from such trades are
the probability that a model is the best, given how much (and how little) is known of each. The one rule: what a user
hands over is checked as a whole before anything is learned from any of it, so that a bad trade moves nothing.
"""

from __future__ import annotations

import copy
import dataclasses
import difflib
import math
import numbers
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from skensemble._checks import check_number, shown

__all__ = ["TradeEvidence", "Trades", "check_trades"]

Array: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.intp]

# A profit counts up to this many times the usual size of its model's profits. What happens more often than once in
# the square of it is no accident: it moves the usual size itself, and then counts in full.
_LIMIT = 6.0
# The usual size moves by 1/√n, so that a bad start is soon forgotten, and by no less than this later on.
_LEAST_RATE = 0.02
_DOUBLING = math.log(2.0)
# Ratio of the variance between models (and between the regimes of a model) to that of single trades: what is believed
# before anything is known, how many records of much evidence that belief is worth, and the least that is believed.
_PRIOR_RATIO = 0.01
_PRIOR_RECORDS = 2.0
_LEAST_RATIO = 1e-4
# A profit has the variance 1 in units of its usual size: the number of trades that this belief is worth.
_PRIOR_TRADES = 2.0
# How often the two parts of a mean profit, that of the model and that of the regime, are estimated in turns.
_TURNS = 3
# Where the distribution of each model is cut for the integral over all of them, in standard deviations.
_CUTS = np.array([-6.5, -4.0, -3.0, -2.2, -1.4, -0.7, 0.0, 0.7, 1.4, 2.2, 3.0, 4.0, 6.5])
_CHUNK = 128
_TINY = 1e-300
_LARGE = 1e50

_FIELDS = ("model", "won", "profit_bps", "regime", "time", "sample_weight")
# Profits in basis points are fractions by mistake when most are below the first and all are below the second.
_USUAL_FRACTION = 0.05
_LARGEST_FRACTION = 1.0


class TradeEvidence:
    """What the profits of single trades say about which model is the best, per regime and pooled.

    Intuition: a model is the best with the probability that its true mean profit exceeds those of all others. Where
    little is known the probabilities are nearly equal; they part as trades come in, first for all regimes together,
    then within a regime as far as the regimes turn out to matter. Drawing the next model to trade from them, rather
    than always the leader, is Thompson's rule: it keeps trying those that may yet be the best.

    The model: a profit of model k in regime g has mean μ_gk and a variance σ² common to all; μ_gk varies around the
    model's mean μ_k with variance ρ_r σ², and μ_k around the mean of all models with variance ρ_m σ². With N the
    number of trades and ȳ their mean profit,

        μ_k ~ Normal((N_k ȳ_k + c/ρ_m) / (N_k + 1/ρ_m),   σ² / (N_k + 1/ρ_m))
        μ_gk given μ_k ~ Normal((N_gk ȳ_gk + (μ_k + b_g)/ρ_r) / (N_gk + 1/ρ_r),   σ² / (N_gk + 1/ρ_r))

    with c the mean of the models and b_g what regime g adds to all of them, which is taken out of ȳ_k first, so that a
    model does not look good for having traded when all earned. σ², ρ_m and ρ_r are estimated from the
    records, and start from a belief worth a few trades and two models. In a mix of regimes means and variances are
    averaged by membership; what membership lacks to 1 goes to the pooled record. The weight of a model is

        w_k = ∫ φ_k(x) Π_{j≠k} Φ_j(x) dx.

    Profits are learned in units of their running size, so the currency does not matter, and count up to six times the
    running size of their model's profits: a few absurd trades do not rule. Losses that recur, more often than once in
    36 trades, raise that size and count in full. The past fades by half every ``half_life`` trades of the same model
    (in a regime: trades there); a model that does not trade keeps its record to the last bit.

    A record never changes: :meth:`updated` returns a new one, of the same size however many trades it has seen.

    Parameters
    ----------
    n_models : int
        Number of models.
    n_regimes : int
        Number of regimes; 0 for none, then there is the pooled record alone.
    half_life : float, default=1000.0
        Trades of a model after which an earlier one counts half. Larger is steadier and slower to notice that the best
        model has changed; ``inf`` never forgets.

    References
    ----------
    W. R. Thompson, "On the likelihood that one unknown probability exceeds another in view of the evidence of two
    samples", Biometrika, 1933.

    C. N. Morris, "Parametric empirical Bayes inference: theory and applications", Journal of the American Statistical
    Association, 1983.

    P. J. Huber, "Robust estimation of a location parameter", The Annals of Mathematical Statistics, 1964.

    Examples
    --------
    Nothing is known, so both are equal; then the first model earns 20 basis points and the second loses 20, ten times.

    >>> evidence = TradeEvidence(n_models=2, n_regimes=1)
    >>> evidence.weights([[1]])
    array([[0.5, 0.5]])
    >>> later = evidence.updated([[20, -20]] * 10, [[1]] * 10)
    >>> bool(later.weights([[1]])[0, 0] > 0.9)
    True

    A trade of one model, in an unknown regime, moves the pooled record alone.

    >>> evidence.updated([[20, float("nan")]], [[0]]).n_trades
    array([[0., 0.],
           [1., 0.]])
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
        # Squared deviations from the pooled mean of each model, added up.
        self._squares = np.zeros(self.n_models)
        # The running size of the profits of each model, and last of all profits; 0 where there is none yet.
        self._sizes = np.zeros(self.n_models + 1)
        self._size_trades = np.zeros(self.n_models + 1)

    @property
    def n_trades(self) -> Array:
        """Trades that still count, faded and weighted: an array (n_regimes + 1, n_models), the pooled record last."""
        return self._trades.copy()

    def updated(
        self, profits_bps: npt.ArrayLike, memberships: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> TradeEvidence:
        """Return the record with more trades, in time order; n rows at once equal n calls of one row, to the bit.

        Parameters
        ----------
        profits_bps : array-like of shape (n_samples, n_models)
            Profit of each model's trade in basis points, NaN (or anything not finite) where it did not trade.
        memberships : array-like of shape (n_samples, n_regimes)
            Share of each regime in each row, in [0, 1] with a sum of at most 1; all zero where the regime is unknown,
            then only the pooled record moves.
        sample_weight : array-like of shape (n_samples,), default=None
            How many trades each row counts for (at most 1e50); 1 if None. A row of weight 0 is a row left out.

        Returns
        -------
        evidence : TradeEvidence
            A new record; this one stays as it is.

        Raises
        ------
        ValueError
            If a shape does not fit, or memberships or weights are out of their range.
        """
        profits = _table(profits_bps, "profits_bps", self.n_models, "model")
        shares = self._shares(memberships)
        weights = np.ones(len(profits)) if sample_weight is None else _numbers(sample_weight, "sample_weight")
        if len(shares) != len(profits) or weights.shape != (len(profits),):
            raise ValueError(
                f"memberships and sample_weight of TradeEvidence must have one entry for each of the {len(profits)} "
                f"rows of profits_bps; got shapes {shares.shape} and {weights.shape}."
            )
        if not ((weights >= 0) & np.isfinite(weights)).all():
            raise ValueError(
                f"sample_weight of TradeEvidence must be finite and not negative; got {shown(weights.tolist())}."
            )
        counts = np.column_stack([shares, np.ones(len(shares))]) * np.minimum(weights, _LARGE)[:, None]
        # Plain floats: a row is usually one trade of one model, far too little work for arrays.
        trades, means, squares, sizes, size_trades = (part.tolist() for part in self._parts())
        record = _Record(trades, means, squares, sizes, size_trades, self.half_life)
        traded = np.isfinite(profits) & (weights > 0)[:, None]
        for row in np.flatnonzero(traded.any(axis=1)).tolist():
            models, contexts = np.flatnonzero(traded[row]), np.flatnonzero(counts[row])
            record.learn(
                list(zip(models.tolist(), profits[row, models].tolist(), strict=True)),
                list(zip(contexts.tolist(), counts[row, contexts].tolist(), strict=True)),
            )
        return self._with(record.trades, record.means, record.squares, record.sizes, record.size_trades)

    def weights(self, memberships: npt.ArrayLike) -> Array:
        """Return the probability of each model to be the best in the regime mix of each row.

        Parameters
        ----------
        memberships : array-like of shape (n_samples, n_regimes)
            Share of each regime in each row; all zero where the regime is unknown, then the pooled record answers.

        Returns
        -------
        weights : ndarray of shape (n_samples, n_models)
            Above 0, adding up to 1; equal where nothing is known.

        Raises
        ------
        ValueError
            If the shape does not fit or memberships are out of their range.
        """
        shares = self._shares(memberships)
        mixes = np.column_stack([shares, np.maximum(1.0 - shares.sum(axis=1), 0.0)])
        if len(mixes) == 1:
            return self._chances(mixes)
        distinct, place = np.unique(mixes, axis=0, return_inverse=True)
        return self._chances(distinct)[place.reshape(-1)]

    def reindexed(self, model_positions: Sequence[int], regime_positions: Sequence[int]) -> TradeEvidence:
        """Carry the record over to other models and regimes, as after a retrain.

        Parameters
        ----------
        model_positions : sequence of int
            For each model from now on, its position until now; -1 for a new one, which starts without trades.
        regime_positions : sequence of int
            The same for regimes. The pooled record always stays.

        Returns
        -------
        evidence : TradeEvidence
            A new record; this one stays as it is.

        Raises
        ------
        ValueError
            If a position is not one of this record's, or -1.

        Examples
        --------
        >>> evidence = TradeEvidence(2, 0).updated([[5, 7], [5, float("nan")]], [[], []], [1, 1])
        >>> evidence.reindexed([-1, 1, 0], []).n_trades.round(2)
        array([[0., 1., 2.]])
        """
        models = _positions(model_positions, "model_positions", self.n_models)
        regimes = np.append(_positions(regime_positions, "regime_positions", self.n_regimes), self.n_regimes)
        new = TradeEvidence(len(models), len(regimes) - 1, half_life=self.half_life)
        known = models >= 0
        cells = known & (regimes >= 0)[:, None]
        with_all = np.append(models, self.n_models)
        return new._with(
            np.where(cells, self._trades[regimes[:, None], models], 0.0),
            np.where(cells, self._means[regimes[:, None], models], 0.0),
            np.where(known, self._squares[models], 0.0),
            np.where(with_all >= 0, self._sizes[with_all], 0.0),
            np.where(with_all >= 0, self._size_trades[with_all], 0.0),
        )

    def faded(self, factor: npt.ArrayLike) -> TradeEvidence:
        """Let the past of some models count for less, as after their definition has changed.

        Parameters
        ----------
        factor : array-like of shape (n_models,)
            From 0 (forget the model's trades) to 1 (nothing changes).

        Returns
        -------
        evidence : TradeEvidence
            A new record; this one stays as it is.

        Raises
        ------
        ValueError
            If there is not one factor in [0, 1] per model.

        Examples
        --------
        >>> TradeEvidence(2, 0).updated([[5, 7]], [[]]).faded([1, 0.25]).n_trades
        array([[1.  , 0.25]])
        """
        factors = _numbers(factor, "factor")
        if factors.shape != (self.n_models,) or not ((factors >= 0) & (factors <= 1)).all():
            raise ValueError(
                f"factor of TradeEvidence must be {self.n_models} numbers from 0 to 1, one per model; got "
                f"{shown(factors.tolist())}."
            )
        return self._with(
            self._trades * factors,
            self._means,
            self._squares * factors,
            self._sizes,
            self._size_trades * np.append(factors, 1.0),
        )

    def _chances(self, mixes: Array) -> Array:
        if self.n_models == 1:
            return np.ones((len(mixes), 1))
        means, variances = _beliefs(self._trades, self._means, self._squares)
        return _chances_to_be_best(mixes @ means, np.sqrt(mixes @ variances))

    def _shares(self, memberships: npt.ArrayLike) -> Array:
        shares = _table(memberships, "memberships", self.n_regimes, "regime")
        # A sum of shares may exceed 1 by what rounding left.
        if not ((shares >= 0).all() and (shares.sum(axis=1) <= 1 + 1e-6).all()):
            raise ValueError(
                "memberships of TradeEvidence must be shares of at least 0 that add up to at most 1 in each row; got "
                f"{shown(shares.tolist())}."
            )
        return shares

    def _parts(self) -> tuple[Array, ...]:
        return self._trades, self._means, self._squares, self._sizes, self._size_trades

    def _with(self, trades: Any, means: Any, squares: Any, sizes: Any, size_trades: Any) -> TradeEvidence:
        later = copy.copy(self)
        later._trades, later._means, later._squares, later._sizes, later._size_trades = (
            np.array(part, dtype=float) for part in (trades, means, squares, sizes, size_trades)
        )
        return later

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TradeEvidence):
            return NotImplemented
        return self.half_life == other.half_life and all(
            np.array_equal(mine, theirs) for mine, theirs in zip(self._parts(), other._parts(), strict=True)
        )

    def __hash__(self) -> int:
        return hash((self.n_models, self.n_regimes, self.half_life))

    def __repr__(self) -> str:
        return (
            f"TradeEvidence(n_models={self.n_models}, n_regimes={self.n_regimes}, half_life={self.half_life:g}) "
            f"after {self._trades[-1].sum():.4g} trades that count"
        )


@dataclasses.dataclass
class _Record:
    """The parts of a ``TradeEvidence`` as plain lists, while trades are added to them."""

    trades: list[list[float]]
    means: list[list[float]]
    squares: list[float]
    sizes: list[float]
    size_trades: list[float]
    half_life: float

    def learn(self, profits: list[tuple[int, float]], counts: list[tuple[int, float]]) -> None:
        """Add the trades (model, profit) of one row, each counted (context, count) times; the last is pooled."""
        if self.sizes[-1] == 0.0:
            self.sizes[-1] = _usual_size([profit for _, profit in profits])
        unit = self.sizes[-1]
        surprises = []
        pooled = counts[-1][1]
        fades = [2.0 ** (-count / self.half_life) for _, count in counts]
        for model, profit in profits:
            # Before the first profit that is not 0 there is no unit, and none is needed.
            size = self.sizes[model] or unit
            limit = _LIMIT * min(size / unit, _LARGE) if unit else 0.0
            value = min(max(profit / unit, -limit), limit) if unit else 0.0
            if profit != 0.0:
                self._resize(model, size, _surprise(profit, size), pooled)
                surprises.append(_surprise(profit, unit))
            mean = self.means[-1][model]
            for (context, count), fade in zip(counts, fades, strict=True):
                n = self.trades[context][model] * fade + count
                self.trades[context][model] = n
                self.means[context][model] += count / n * (value - self.means[context][model])
            deviations = (value - mean) * (value - self.means[-1][model])
            self.squares[model] = self.squares[model] * fades[-1] + pooled * deviations
        if surprises:
            # An exact sum does not depend on the order of the models.
            n_moved = len(surprises)
            self._resize(-1, unit, math.fsum(surprises) / n_moved, pooled * n_moved)

    def _resize(self, place: int, size: float, surprise: float, count: float) -> None:
        self.size_trades[place] += count
        rate = min(count * max(self.size_trades[place] ** -0.5, _LEAST_RATE), 1.0)
        self.sizes[place] = min(max(size * math.exp(min(rate * surprise, _DOUBLING)), _TINY), 1.0 / _TINY)


def _usual_size(profits: list[float]) -> float:
    sizes = [abs(profit) for profit in profits if profit != 0.0]
    return min(max(float(np.median(sizes)), _TINY), 1.0 / _TINY) if sizes else 0.0


def _surprise(profit: float, size: float) -> float:
    """Return how far the squared profit, as far as it counts, exceeds the expected: 0 on average at the right size."""
    return (min(abs(profit) / size, _LIMIT) ** 2 - 1.0) / 2.0


def _beliefs(trades: Array, means: Array, squares: Array) -> tuple[Array, Array]:
    """Return mean and variance of what is believed of each model in each context, both (n_regimes + 1, n_models)."""
    n_models = len(squares)
    n = trades[-1]
    variance = (_PRIOR_TRADES + squares.sum()) / (_PRIOR_TRADES + np.maximum(n - 1.0, 0.0).sum())
    # How far a record speaks for itself if the ratio of variances is as believed: it weighs records against each other.
    trust = trades / (trades + 1.0 / _PRIOR_RATIO)
    squared_trust = trust * trust
    inverse = 1.0 / np.maximum(trades, _TINY)

    # A model that mostly traded in a regime that pays all of them is no better for it: what the regimes add to all is
    # taken out of the pooled means, in turns, since either is estimated given the other.
    share = trades[:-1] / np.maximum(np.maximum(n, trades[:-1].sum(axis=0)), _TINY)
    shift, mean = np.zeros(len(share)), means[-1]
    voice = trust[:-1] / np.maximum(trust[:-1].sum(axis=1, keepdims=True), _TINY)
    for _ in range(_TURNS):
        shift = (voice * (means[:-1] - mean)).sum(axis=1)
        mean = means[-1] - shift.dot(share)

    centre = trust[-1].dot(mean) / max(trust[-1].sum(), _TINY)
    excess = (mean - centre) ** 2 / variance - inverse[-1]
    inertia = 1.0 / _ratio(squared_trust[-1].dot(excess), squared_trust[-1].sum() - 1.0)
    held = n + inertia
    pooled_means, pooled_variances = (n * mean + inertia * centre) / held, variance / held

    gaps = means[:-1] - mean - shift[:, None]
    # A regime is part of its model's pooled record, and the shift is common to all models: both make gaps smaller.
    freedom = (n_models - 1.0) / n_models
    excess = gaps * gaps / variance - freedom * np.maximum(inverse[:-1] - inverse[-1], 0.0)
    apart = freedom * (1.0 - share)
    inertia = 1.0 / _ratio((squared_trust[:-1] * excess).sum(), (squared_trust[:-1] * apart).sum())
    held = trades[:-1] + inertia
    lent = inertia / held
    regime_means = means[:-1] + lent * (pooled_means + shift[:, None] - means[:-1])
    regime_variances = variance / held + lent * lent * pooled_variances
    return np.vstack([regime_means, pooled_means]), np.vstack([regime_variances, pooled_variances])


def _ratio(excess: float, n_records: float) -> float:
    """Estimate the ratio of variances from records whose squared gaps exceed those of chance by ``excess``."""
    estimate = (_PRIOR_RECORDS * _PRIOR_RATIO + excess) / (_PRIOR_RECORDS + max(n_records, 0.0))
    return float(max(estimate, _LEAST_RATIO))


def _chances_to_be_best(means: Array, deviations: Array) -> Array:
    """Return the probability of each of some independent normal variables to be the largest, row by row.

    On a grid that is fine wherever one of the variables is, ΔP, a step of the product of all distribution functions, is
    shared out in proportion to the steps of their logarithms. That is exact where these are straight lines, and the
    shares are positive and add up to 1 on any grid.
    """
    chances = np.empty(means.shape)
    for start in range(0, len(means), _CHUNK):
        rows = slice(start, start + _CHUNK)
        # Measured from the best, so that even a tiny deviation of the best is not lost in rounding.
        mean = (means[rows] - means[rows].max(axis=1, keepdims=True))[:, None, :]
        deviation = deviations[rows, None, :]
        grid = np.sort((mean + deviation * _CUTS[:, None]).reshape(len(mean), -1), axis=1)
        logs = np.log(np.maximum(special.ndtr((grid[:, :, None] - mean) / deviation), _TINY))
        log_products = logs.sum(axis=2)
        products = np.exp(log_products)
        slopes = (products[:, 1:] - products[:, :-1]) / np.maximum(log_products[:, 1:] - log_products[:, :-1], _TINY)
        shares = (slopes[:, None, :] @ (logs[:, 1:] - logs[:, :-1]))[:, 0, :]
        # No model is ruled out for good: what has underflowed counts as barely possible.
        shares = np.maximum(shares, _TINY)
        chances[rows] = shares / shares.sum(axis=1, keepdims=True)
    return chances


@dataclasses.dataclass(frozen=True, eq=False)
class Trades:
    """Trades as they were read: one entry per trade, in the order given.

    Parameters
    ----------
    models : ndarray of int of shape (n_trades,)
        Position of the model that traded; -1 for a trade of the ensemble as a whole.
    won : ndarray of shape (n_trades,)
        1 where the trade was won, 0 where it was lost, NaN where it was neither: a profit of exactly 0.
    profits_bps : ndarray of shape (n_trades,)
        Profit in basis points, NaN where only ``won`` was given.
    regimes : ndarray of object of shape (n_trades,)
        Label of the regime, None where it is unknown or was never seen: then only pooled records move.
    time : ndarray of object of shape (n_trades,) or None
        When, as given; None if no trade says.
    sample_weight : ndarray of shape (n_trades,)
        How many trades each counts for.

    Examples
    --------
    >>> trades = check_trades([{"model": "b", "profit_bps": -2.5}], ["a", "b"], [])
    >>> len(trades), trades.models.tolist(), trades.won.tolist()
    (1, [1], [0.0])
    """

    models: Integers
    won: Array
    profits_bps: Array
    regimes: npt.NDArray[np.object_]
    time: npt.NDArray[np.object_] | None
    sample_weight: Array

    def __len__(self) -> int:
        return len(self.models)


def check_trades(trades: Any, models: Sequence[str], regimes: Sequence[Hashable], *, in_bps: bool = False) -> Trades:
    """Read the trades of a user, all or none: the first thing wrong gets a sentence.

    Each trade has ``model`` (None, or missing in a DataFrame, for a trade of the ensemble), at least one of ``won``
    (True or False) and ``profit_bps``, and may have ``regime`` (left out, None or NaN: unknown), ``time`` and
    ``sample_weight``. A profit of exactly 0 is neither won nor lost; ``won=False`` is accepted there, since many
    record only whether there was a profit, and ``won=True`` is not.

    Parameters
    ----------
    trades : DataFrame, mapping, or iterable of records
        One trade per row; one trade; or one trade per mapping, dataclass, named tuple or Series.
    models : sequence of str
        Names of the models, in the order of their positions.
    regimes : sequence of hashable
        Labels of the regimes that are known. Any other label is a regime never seen.
    in_bps : bool, default=False
        Whether earlier trades have shown that profits are in basis points; then small ones are believed, as they come
        up now and then where trades are told one by one.

    Returns
    -------
    trades : Trades
        One entry per trade.

    Raises
    ------
    ValueError
        If a field is unknown, missing, or not what it must be; if a model is unknown; if ``won`` contradicts
        ``profit_bps``; if profits look like fractions; if times go backwards.

    Examples
    --------
    >>> read = check_trades({"model": "ridge", "profit_bps": 12.5, "regime": "calm"}, ["ridge", "forest"], ["calm"])
    >>> read.models, read.won, read.profits_bps
    (array([0]), array([1.]), array([12.5]))
    >>> check_trades([{"model": "forrest", "won": True}], ["ridge", "forest"], [])
    Traceback (most recent call last):
    ValueError: model of trades[0] must be one of 'ridge', 'forest', or None for the ensemble; got 'forrest'.
    Did you mean 'forest'?
    """
    records = _records(trades)
    names, labels = list(models), set(regimes)
    positions = [_model(record["model"], row, names) for row, record in enumerate(records)]
    outcomes = [_outcome(record, row) for row, record in enumerate(records)]
    read = Trades(
        models=np.array(positions, dtype=np.intp),
        won=np.array([won for won, _ in outcomes], dtype=float),
        profits_bps=np.array([profit for _, profit in outcomes], dtype=float),
        regimes=_objects([_regime(record.get("regime"), row, labels) for row, record in enumerate(records)]),
        time=_times(records),
        sample_weight=np.array([_weight(record, row) for row, record in enumerate(records)], dtype=float),
    )
    if not in_bps:
        _check_unit(read.profits_bps)
    return read


def _records(trades: Any) -> list[Mapping[str, Any]]:
    """Turn what the user gave into one mapping per trade with known fields, the needed ones among them."""
    if isinstance(trades, pd.DataFrame):
        _check_fields(list(trades.columns), "a column of trades")
        rows: list[Any] = trades.astype(object).to_dict("records")
    elif hasattr(trades, "to_dicts"):
        rows = trades.to_dicts()
    elif _as_mapping(trades) is not None:
        rows = [trades]
    elif isinstance(trades, Iterable) and not isinstance(trades, (str, bytes)):
        rows = list(trades)
    else:
        raise ValueError(
            "trades must be a DataFrame, one trade as a dict, or a list of dicts, with the fields model and won or "
            f"profit_bps; got {shown(trades)}."
        )
    records = []
    for row, given in enumerate(rows):
        record = _as_mapping(given)
        if record is None:
            raise ValueError(
                f"trades[{row}] must be a dict, or another record of named fields such as model and profit_bps; got "
                f"{shown(given)}."
            )
        _check_fields(list(record), f"a field of trades[{row}]")
        _check_complete(record, row)
        records.append(record)
    return records


def _as_mapping(record: Any) -> Mapping[str, Any] | None:
    if isinstance(record, Mapping):
        return record
    if isinstance(record, pd.Series):
        return {str(field): value for field, value in record.items()}
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    if isinstance(record, tuple) and hasattr(record, "_asdict"):
        return record._asdict()
    return None


def _check_fields(fields: list[Any], what: str) -> None:
    for position, field in enumerate(fields):
        if field not in _FIELDS:
            raise ValueError(f"{what} must be one of {', '.join(_FIELDS)}; got {shown(field)}.{_meant(field, _FIELDS)}")
        if field in fields[:position]:
            raise ValueError(f"{what} must appear once; got {shown(field)} twice.")


def _check_complete(record: Mapping[str, Any], row: int) -> None:
    if "model" not in record:
        raise ValueError(
            f"trades[{row}] has no model; got {shown(dict(record))}. Add the name of the model that traded, or "
            "model=None for a trade of the ensemble."
        )
    if "won" not in record and "profit_bps" not in record:
        raise ValueError(f"trades[{row}] has neither won nor profit_bps; got {shown(dict(record))}. Add one or both.")


def _model(model: Any, row: int, names: list[str]) -> int:
    if _missing(model):
        return -1
    if isinstance(model, str) and model in names:
        return names.index(model)
    if isinstance(model, (list, tuple, np.ndarray, pd.Series)):
        raise ValueError(
            f"model of trades[{row}] must be one name, since a dict is one trade; got {shown(model)}. Pass a DataFrame "
            "or a list of dicts for several trades."
        )
    raise ValueError(
        f"model of trades[{row}] must be one of {', '.join(map(repr, names))}, or None for the ensemble; got "
        f"{shown(model)}.{_meant(model, names)}"
    )


def _outcome(record: Mapping[str, Any], row: int) -> tuple[float, float]:
    """Return won and profit of a trade, either of them NaN where the trade does not say."""
    won = _flag(record["won"], row) if "won" in record else math.nan
    if "profit_bps" not in record:
        return won, math.nan
    profit = _number(record["profit_bps"], f"profit_bps of trades[{row}]")
    if "won" in record and won != (profit > 0):
        raise ValueError(
            f"won of trades[{row}] contradicts its profit_bps: got won={bool(won)} with profit_bps={profit:g}. A trade "
            "is won if its profit is above 0; correct one of the two, or leave won out."
        )
    return (float(profit > 0) if profit else math.nan), profit


def _flag(won: Any, row: int) -> float:
    if isinstance(won, (bool, np.bool_)):
        return float(won)
    if isinstance(won, (int, float, np.number)) and won in (0, 1):
        return float(won)
    advice = "Leave it out where it is not known." if _missing(won) else "Text and other numbers are not read."
    raise ValueError(f"won of trades[{row}] must be True or False; got {shown(won)}. {advice}")


def _number(value: Any, what: str) -> float:
    numeric = isinstance(value, (numbers.Number, np.number)) and not isinstance(value, (bool, complex))
    try:
        number = float(value) if numeric else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        advice = " Leave it out where it is not known." if _missing(value) else ""
        raise ValueError(f"{what} must be a finite number; got {shown(value)}.{advice}")
    return number


def _weight(record: Mapping[str, Any], row: int) -> float:
    weight = _number(record.get("sample_weight", 1.0), f"sample_weight of trades[{row}]")
    if weight < 0:
        raise ValueError(f"sample_weight of trades[{row}] must not be negative; got {weight:g}.")
    return weight


def _regime(label: Any, row: int, regimes: set[Hashable]) -> Hashable | None:
    if _missing(label):
        return None
    if not isinstance(label, Hashable):
        raise ValueError(f"regime of trades[{row}] must be one label, or None where it is unknown; got {shown(label)}.")
    return label if label in regimes else None


def _times(records: list[Mapping[str, Any]]) -> npt.NDArray[np.object_] | None:
    if not any("time" in record for record in records):
        return None
    times = [record.get("time") for record in records]
    for row, time in enumerate(times):
        if _missing(time):
            raise ValueError(f"time of trades[{row}] is missing; got {shown(time)}. Give all times or none.")
        if row and _earlier(time, times[row - 1], row):
            raise ValueError(
                f"time of trades[{row}] goes backwards; got {shown(time)} after {shown(times[row - 1])}. Sort the "
                "trades by time: what is learned depends on the order."
            )
    return _objects(times)


def _earlier(time: Any, before: Any, row: int) -> bool:
    try:
        return bool(time < before)
    except TypeError:
        raise ValueError(
            f"time of trades[{row}] cannot be compared with the one before; got {shown(time)} after {shown(before)}. "
            "Give all times in one kind, with a time zone or without."
        ) from None


def _check_unit(profits_bps: Array) -> None:
    sizes = np.abs(profits_bps[np.isfinite(profits_bps) & (profits_bps != 0)])
    if sizes.size and np.median(sizes) < _USUAL_FRACTION and sizes.max() < _LARGEST_FRACTION:
        raise ValueError(
            f"profit_bps of trades looks like fractions: half of the profits are at most {np.median(sizes):.3g} in "
            "size. A profit of 1 % is 100 basis points; multiply by 10,000."
        )


def _missing(value: Any) -> bool:
    """Say whether a value is one of the many ways to say that there is none."""
    return bool(pd.api.types.is_scalar(value) and pd.isna(value))


def _meant(value: Any, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(value, list(known), n=1, cutoff=0.6) if isinstance(value, str) else []
    return f" Did you mean {close[0]!r}?" if close else ""


def _objects(values: list[Any]) -> npt.NDArray[np.object_]:
    """Make an array of objects of one dimension, also where the objects are tuples."""
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


def _numbers(values: npt.ArrayLike, name: str) -> Array:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} of TradeEvidence must be numbers; got {shown(values)}.") from error


def _table(values: npt.ArrayLike, name: str, n_columns: int, what: str) -> Array:
    table = _numbers(values, name)
    if table.ndim != 2 or table.shape[1] != n_columns:
        raise ValueError(
            f"{name} of TradeEvidence must have one row per trade and one column per {what}, a shape of "
            f"(n_samples, {n_columns}); got {table.shape}."
        )
    return table


def _positions(positions: Sequence[int], name: str, n_known: int) -> Integers:
    found = np.array(positions, dtype=np.intp)
    if found.ndim != 1 or ((found < -1) | (found >= n_known)).any():
        raise ValueError(
            f"{name} of TradeEvidence must be positions from 0 to {n_known - 1}, or -1 for a new one; got "
            f"{shown(list(positions))}."
        )
    return found

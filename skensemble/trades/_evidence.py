"""The record of single trades, per model and regime."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from skensemble._checks import check_number, shown
from skensemble.trades._beliefs import TINY, Array, beliefs, chances_to_be_best

__all__ = ["TradeEvidence"]

# A profit counts up to this many times the usual size of its model's profits. What happens more often than once in
# the square of it is no accident: it moves the usual size itself, and then counts in full.
_LIMIT = 6.0
# The usual size moves by 1/√n, so that a bad start is soon forgotten, and by no less than this later on.
_LEAST_RATE = 0.02
_DOUBLING = math.log(2.0)
_LARGE = 1e50


class TradeEvidence:
    """What the profits of single trades say about which model is the best, per regime and pooled.

    Intuition: a model is the best with the probability that its true mean profit exceeds those of all others. Where
    little is known the probabilities are nearly equal; they part as trades come in, first for all regimes together,
    then within a regime as far as the regimes turn out to matter. Drawing the next model to trade from them, rather
    than always the leader, is Thompson's rule: it keeps trying those that may yet be the best.

    The model: a profit of model k in regime g has mean μ_gk and a variance σ² common to all; μ_gk varies around the
    model's mean μ_k with variance ρ_r σ², and μ_k around the mean of all models with variance ρ_m σ². With N the
    number of trades and ȳ their mean profit::

        μ_k ~ Normal((N_k ȳ_k + c/ρ_m) / (N_k + 1/ρ_m),   σ² / (N_k + 1/ρ_m))
        μ_gk given μ_k ~ Normal((N_gk ȳ_gk + (μ_k + b_g)/ρ_r) / (N_gk + 1/ρ_r),   σ² / (N_gk + 1/ρ_r))

    with c the mean of the models and b_g what regime g adds to all of them, which is taken out of ȳ_k first, so that a
    model does not look good for having traded when all earned. σ², ρ_m and ρ_r are estimated from the
    records, and start from a belief worth a few trades and two models. In a mix of regimes means and variances are
    averaged by membership; what membership lacks to 1 goes to the pooled record. The weight of a model is::

        w_k = ∫ φ_k(x) Π_{j≠k} Φ_j(x) dx

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
        means, variances = beliefs(self._trades, self._means, self._squares)
        return chances_to_be_best(mixes @ means, np.sqrt(mixes @ variances))

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
        self.sizes[place] = min(max(size * math.exp(min(rate * surprise, _DOUBLING)), TINY), 1.0 / TINY)


def _usual_size(profits: list[float]) -> float:
    sizes = [abs(profit) for profit in profits if profit != 0.0]
    return min(max(float(np.median(sizes)), TINY), 1.0 / TINY) if sizes else 0.0


def _surprise(profit: float, size: float) -> float:
    """Return how far the squared profit, as far as it counts, exceeds the expected: 0 on average at the right size."""
    return (min(abs(profit) / size, _LIMIT) ** 2 - 1.0) / 2.0


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


def _positions(positions: Sequence[int], name: str, n_known: int) -> npt.NDArray[np.intp]:
    found = np.array(positions, dtype=np.intp)
    if found.ndim != 1 or ((found < -1) | (found >= n_known)).any():
        raise ValueError(
            f"{name} of TradeEvidence must be positions from 0 to {n_known - 1}, or -1 for a new one; got "
            f"{shown(list(positions))}."
        )
    return found

"""The arrays that a ledger keeps: how they are laid out, extended, joined and read."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from skensemble.performance._intervals import (
    Array,
    effective_number,
    mean_interval,
    ratio,
    sharpe_interval,
    wilson_interval,
)

__all__ = [
    "AGREEMENT",
    "CHANNELS",
    "LOSS",
    "MOMENTS",
    "N_CHANNELS",
    "N_PLANES",
    "PATH",
    "PROFIT",
    "ROUNDING",
    "SQUARES",
    "TOTALS",
    "TRADABLE",
    "WEIGHTS",
    "WIN",
    "extended",
    "figures_of",
    "joined",
    "joined_pairs",
    "pairs_of",
    "pushed",
    "tradable",
]

# Below this share of the mean, a standard deviation is what rounding left behind.
ROUNDING = 1e-12
_TINY = float(np.finfo(np.float64).tiny)

# A record is an array (22, n_regimes + 1, n_performers). Its planes: for each of the five channels the weight of the
# outcomes, their weighted total and their squared weight; mean and central moment sums (2 to 4) of profit; highest and
# lowest point and deepest fall of the path of cumulative profit, which starts at 0. Channels are those below, as they
# are given, and whether there could have been a trade.
CHANNELS = ("losses", "wins", "profits_bps", "agreements")
LOSS, WIN, PROFIT, AGREEMENT, TRADABLE = range(5)
N_CHANNELS, N_PLANES = 5, 22
WEIGHTS, TOTALS, SQUARES, MOMENTS, PATH = slice(0, 5), slice(5, 10), slice(10, 15), slice(15, 19), slice(19, 22)


def tradable(losses: Array, profits_bps: Array) -> Array:
    """1 where there was a trade, or none by choice, since something was said; NaN elsewhere."""
    return np.where(np.isfinite(profits_bps) | np.isfinite(losses), 1.0, np.nan)


def joined(first: Array, second: Array) -> Array:
    """Join the record of one stretch of time with that of the next; either may be empty."""
    both = first + second
    n_second = second[WEIGHTS][PROFIT]
    if not n_second.any():
        return both
    both[MOMENTS] = _joined_moments(first[WEIGHTS][PROFIT], first[MOMENTS], n_second, second[MOMENTS])
    level = first[TOTALS][PROFIT]
    peak, low, fall = first[PATH]
    peak_second, low_second, fall_second = second[PATH]
    path = both[PATH]
    path[0] = np.maximum(peak, level + peak_second)
    path[1] = np.minimum(low, level + low_second)
    path[2] = np.maximum(np.maximum(fall, fall_second), peak - (level + low_second))
    return both


def _joined_moments(n_first: Array, first: Array, n_second: Array, second: Array) -> Array:
    """Mean and central moment sums of both parts together."""
    mean, m2, m3, _ = first
    mean_second, m2_second, m3_second, _ = second
    n = np.maximum(n_first + n_second, _TINY)
    gap = mean_second - mean
    # An empty second part makes up and lift exactly 0, so that the first stays as it was to the last bit.
    up, down = gap * (n_second / n), gap * (n_first / n)
    lift = up * gap * n_first
    moments = first + second
    moments[0] = mean + up
    moments[1] += lift
    moments[2] += lift * (down - up) + 3 * (down * m2_second - up * m2)
    moments[3] += (
        lift * (down * down - down * up + up * up)
        + 6 * (up * up * m2 + down * down * m2_second)
        + 4 * (down * m3_second - up * m3)
    )
    return moments


def extended(record: Array, weight: Array, square: Array, values: Array) -> Array:
    """Join a record with a block of rows.

    ``weight`` and ``square``, what the weight adds to the sum of squares, are (n_samples, n_regimes, n_performers),
    ``values`` is (n_samples, 5, the same or 1, n_performers).
    """
    known = np.isfinite(values)
    values = np.where(known, values, 0.0)
    weights = weight[:, None] * known
    sums = np.concatenate([weights, weights * values, square[:, None] * known], axis=1)
    block = np.zeros_like(record)
    block[: SQUARES.stop] = sums.sum(axis=0)
    weight, profit = weights[:, PROFIT], values[:, PROFIT]
    mean = (weight * profit).sum(axis=0) / np.maximum(block[WEIGHTS][PROFIT], _TINY)
    gap = profit - mean
    power = weight * gap
    block[MOMENTS][0] = mean
    for moment in block[MOMENTS][1:]:
        power = power * gap
        moment[:] = power.sum(axis=0)
    level = np.add.accumulate(sums[:, TOTALS][:, PROFIT], axis=0)
    peak = np.maximum.accumulate(np.maximum(level, 0.0), axis=0)
    path = block[PATH]
    path[0], path[1], path[2] = peak[-1], level.min(axis=0, initial=0.0), (peak - level).max(axis=0)
    return joined(record, block)


def pushed(
    recent: Array, slot: npt.NDArray[np.intp], weight: Array, square: Array, values: Array
) -> tuple[Array, npt.NDArray[np.intp]]:
    """Put the latest of some rows into the ring, each performer and regime at its own pace."""
    lookback = len(recent)
    entered = weight > 0
    count = np.cumsum(entered, axis=0)
    row, regime, performer = np.nonzero(entered & (count > count[-1] - lookback))
    place = (slot[regime, performer] + count[row, regime, performer] - 1) % lookback
    recent = recent.copy()
    for plane, given in enumerate((weight, square)):
        recent[place, plane, regime, performer] = given[row, regime, performer]
    recent[place, 2:, regime, performer] = np.broadcast_to(values, (*values.shape[:2], *slot.shape))[
        row, :, regime, performer
    ]
    return recent, (slot + count[-1]) % lookback


def pairs_of(weight: Array, errors: Array) -> Array:
    """Make the pair record of a block of rows: (5, n_models, n_models)."""
    awake = np.isfinite(errors)
    errors = np.where(awake, errors, 0.0)[:, :, None]
    weights = weight[:, None, None] * (awake[:, :, None] & awake[:, None, :])
    square = (weight[:, None, None] * weights).sum(axis=0)
    n = weights.sum(axis=0)
    mean = (weights * errors).sum(axis=0) / np.maximum(n, _TINY)
    gap = errors - mean
    lever = weights * gap
    return np.stack([n, mean, (lever * gap).sum(axis=0), (lever * gap.transpose(0, 2, 1)).sum(axis=0), square])


def joined_pairs(first: Array, second: Array) -> Array:
    """Join the pair records of one stretch of time and the next."""
    both = first + second
    gap = second[1] - first[1]
    up = gap * (second[0] / np.maximum(both[0], _TINY))
    lift = up * first[0]
    both[1] = first[1] + up
    both[2] += lift * gap
    both[3] += lift * gap.T
    return both


def figures_of(record: Array, periods_per_year: float | None, overlap: float) -> dict[str, Array]:
    """Read a record: every figure as (n_regimes + 1, n_performers)."""
    n, n_sides, n_trades, n_agreement, _ = record[WEIGHTS]
    loss, won, _, agreement, _ = record[TOTALS]
    independent = effective_number(record[WEIGHTS], record[SQUARES]) / overlap
    win_rate = ratio(won, n_sides)
    win_low, win_high = wilson_interval(win_rate * independent[WIN], independent[WIN])
    square, moments = record[SQUARES][PROFIT], record[MOMENTS]
    mean = np.where(n_trades > 0, moments[0], np.nan)
    profit_low, profit_high = mean_interval(mean, _deviation(n_trades, square, moments), independent[PROFIT])
    figures = {
        "n": n,
        "loss": ratio(loss, n),
        "won": won,
        "lost": n_sides - won,
        "win_rate": win_rate,
        "win_rate_low": win_low,
        "win_rate_high": win_high,
        "n_trades": n_trades,
        "profit_bps": mean,
        "profit_bps_low": profit_low,
        "profit_bps_high": profit_high,
        **_sharpe_figures("sharpe", n_trades, square, moments, overlap),
    }
    if periods_per_year is not None:
        year = np.sqrt(periods_per_year / overlap)
        annual = _sharpe_figures("sharpe_annual", *_with_flat_outcomes(record), overlap)
        figures |= {name: year * figure for name, figure in annual.items()}
    return figures | {
        "drawdown_bps": np.where(n_trades > 0, record[PATH][2], np.nan),
        "n_agreement": n_agreement,
        "agreement": ratio(agreement, n_agreement),
    }


def _with_flat_outcomes(record: Array) -> tuple[Array, Array, Array]:
    """Weight, squared weight and moments of profit where an outcome without a trade is a profit of 0."""
    n, n_trades, moments = record[WEIGHTS][TRADABLE], record[WEIGHTS][PROFIT], record[MOMENTS]
    whole = _joined_moments(n_trades, moments, n - n_trades, np.zeros_like(moments))
    return n, record[SQUARES][TRADABLE], whole


def _sharpe_figures(name: str, n: Array, square: Array, moments: Array, overlap: float) -> dict[str, Array]:
    """Mean over standard deviation, with its interval."""
    mean, m2, m3, m4 = moments
    std = _deviation(n, square, moments)
    sharpe = ratio(mean, np.where(std > ROUNDING * np.abs(mean), std, 0.0))
    skewness = ratio(m3 * np.sqrt(n), m2**1.5)
    kurtosis = ratio(m4 * n, m2**2)
    low, high = sharpe_interval(sharpe, effective_number(n, square) / overlap, skewness, kurtosis)
    return {name: sharpe, f"{name}_low": low, f"{name}_high": high}


def _deviation(n: Array, square: Array, moments: Array) -> Array:
    """Standard deviation; with ``ddof=1`` where all weights are one."""
    spare = n - ratio(square, n)
    return np.sqrt(ratio(moments[1], np.where(spare > ROUNDING * n, spare, 0.0)))

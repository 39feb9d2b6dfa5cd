"""The arrays that a ledger keeps: how they are laid out, extended, joined and read."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from skensemble.performance._intervals import Array, mean_interval, ratio, sharpe_interval, wilson_interval

__all__ = [
    "AGREEMENT",
    "CHANNELS",
    "LOSS",
    "MOMENTS",
    "N_PLANES",
    "PATH",
    "PROFIT",
    "ROUNDING",
    "TOTALS",
    "WEIGHTS",
    "WIN",
    "extended",
    "figures_of",
    "joined",
    "joined_pairs",
    "pairs_of",
    "pushed",
    "sums_after",
]

# Below this share of the mean, a standard deviation is what rounding left behind.
ROUNDING = 1e-12
_TINY = float(np.finfo(np.float64).tiny)

# A record is an array (15, n_regimes + 1, n_performers). Its planes: for each of the four channels below the weight of
# the outcomes and their weighted total; mean and central moment sums (2 to 4) of profit; highest and lowest point and
# deepest fall of the path of cumulative profit, which starts at 0.
CHANNELS = ("losses", "wins", "profits_bps", "agreements")
N_PLANES = 15
LOSS, WIN, PROFIT, AGREEMENT = range(4)
WEIGHTS, TOTALS, MOMENTS, PATH = slice(0, 4), slice(4, 8), slice(8, 12), slice(12, 15)


def joined(first: Array, second: Array) -> Array:
    """Join the record of one stretch of time with that of the next; either may be empty."""
    both = first + second
    n_first, n_second = first[WEIGHTS][PROFIT], second[WEIGHTS][PROFIT]
    if not n_second.any():
        return both
    mean, m2, m3, _ = first[MOMENTS]
    mean_second, m2_second, m3_second, _ = second[MOMENTS]
    n = np.maximum(n_first + n_second, _TINY)
    gap = mean_second - mean
    # An empty second part makes up and lift exactly 0, so that the first stays as it was to the last bit.
    up, down = gap * (n_second / n), gap * (n_first / n)
    lift = up * gap * n_first
    moments = both[MOMENTS]
    moments[0] = mean + up
    moments[1] += lift
    moments[2] += lift * (down - up) + 3 * (down * m2_second - up * m2)
    moments[3] += (
        lift * (down * down - down * up + up * up)
        + 6 * (up * up * m2 + down * down * m2_second)
        + 4 * (down * m3_second - up * m3)
    )
    level = first[TOTALS][PROFIT]
    peak, low, fall = first[PATH]
    peak_second, low_second, fall_second = second[PATH]
    path = both[PATH]
    path[0] = np.maximum(peak, level + peak_second)
    path[1] = np.minimum(low, level + low_second)
    path[2] = np.maximum(np.maximum(fall, fall_second), peak - (level + low_second))
    return both


def extended(record: Array, weight: Array, values: Array) -> Array:
    """Join a record with a block of rows.

    ``weight`` is (n_samples, n_regimes + 1, n_performers), ``values`` (n_samples, 4, the same or 1, n_performers).
    """
    known = np.isfinite(values)
    values = np.where(known, values, 0.0)
    weights = weight[:, None] * known
    sums = np.concatenate([weights, weights * values], axis=1)
    block = np.zeros_like(record)
    block[WEIGHTS] = sums[:, WEIGHTS].sum(axis=0)
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
    both = joined(record, block)
    # Row by row: `leaders` must find the same sums whether or not rows wait for their block.
    both[: TOTALS.stop] = np.add.accumulate(np.concatenate([record[None, : TOTALS.stop], sums]), axis=0)[-1]
    return both


def pushed(recent: Array, slot: npt.NDArray[np.intp], weight: Array, values: Array) -> tuple[Array, Any]:
    """Put the latest of some rows into the ring, each performer and regime at its own pace."""
    lookback = len(recent)
    entered = weight > 0
    count = np.cumsum(entered, axis=0)
    row, regime, performer = np.nonzero(entered & (count > count[-1] - lookback))
    place = (slot[regime, performer] + count[row, regime, performer] - 1) % lookback
    recent = recent.copy()
    recent[place, 0, regime, performer] = weight[row, regime, performer]
    recent[place, 1:, regime, performer] = np.broadcast_to(values, (*values.shape[:2], *slot.shape))[
        row, :, regime, performer
    ]
    return recent, (slot + count[-1]) % lookback


def pairs_of(weight: Array, errors: Array) -> Array:
    """Make the pair record of a block of rows: (4, n_models, n_models)."""
    awake = np.isfinite(errors)
    errors = np.where(awake, errors, 0.0)[:, :, None]
    weights = weight[:, None, None] * (awake[:, :, None] & awake[:, None, :])
    n = weights.sum(axis=0)
    mean = (weights * errors).sum(axis=0) / np.maximum(n, _TINY)
    gap = errors - mean
    lever = weights * gap
    return np.stack([n, mean, (lever * gap).sum(axis=0), (lever * gap.transpose(0, 2, 1)).sum(axis=0)])


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


def figures_of(record: Array, periods_per_year: float | None) -> dict[str, Array]:
    """Read a record: every figure as (n_regimes + 1, n_performers)."""
    n, n_sides, n_trades, n_agreement = record[WEIGHTS]
    loss, won, _, agreement = record[TOTALS]
    win_low, win_high = wilson_interval(won, n_sides)
    mean, m2, m3, m4 = record[MOMENTS]
    mean = np.where(n_trades > 0, mean, np.nan)
    std = np.sqrt(ratio(m2, n_trades - 1))
    profit_low, profit_high = mean_interval(mean, std, n_trades)
    sharpe = ratio(mean, np.where(std > ROUNDING * np.abs(mean), std, 0.0))
    skewness = ratio(m3 * np.sqrt(n_trades), m2**1.5)
    kurtosis = ratio(m4 * n_trades, m2**2)
    sharpe_low, sharpe_high = sharpe_interval(sharpe, n_trades, skewness, kurtosis)
    figures = {
        "n": n,
        "loss": ratio(loss, n),
        "won": won,
        "lost": n_sides - won,
        "win_rate": ratio(won, n_sides),
        "win_rate_low": win_low,
        "win_rate_high": win_high,
        "n_trades": n_trades,
        "profit_bps": mean,
        "profit_bps_low": profit_low,
        "profit_bps_high": profit_high,
        "sharpe": sharpe,
        "sharpe_low": sharpe_low,
        "sharpe_high": sharpe_high,
    }
    if periods_per_year is not None:
        year = np.sqrt(periods_per_year)
        figures |= {
            "sharpe_annual": year * sharpe,
            "sharpe_annual_low": year * sharpe_low,
            "sharpe_annual_high": year * sharpe_high,
        }
    return figures | {
        "drawdown_bps": np.where(n_trades > 0, record[PATH][2], np.nan),
        "n_agreement": n_agreement,
        "agreement": ratio(agreement, n_agreement),
    }


def sums_after(start: Array, rows: Array) -> Array:
    """Add up the rows one after the other as the record does: the sum after none of them, after one, and so on."""
    return np.add.accumulate(np.concatenate([start[None], rows]), axis=0)

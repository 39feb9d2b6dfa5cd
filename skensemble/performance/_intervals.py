"""What a trade earned, and how sure a rate, a mean or a Sharpe ratio is."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

from skensemble._checks import shown

__all__ = [
    "Array",
    "effective_number",
    "mean_interval",
    "normal_quantile",
    "rate_interval",
    "ratio",
    "sharpe_interval",
    "trade_outcomes",
    "wilson_interval",
]

Array: TypeAlias = npt.NDArray[np.float64]

_BPS = 1e4


def effective_number(weight: npt.ArrayLike, square: npt.ArrayLike) -> Array:
    """Say how many outcomes of one weight would tell as much as weighted ones: (Σw)² / Σw².

    The scale of the weights does not matter. It is the number of outcomes where all weights are alike, and less where a
    few of them carry most of the weight.

    Parameters
    ----------
    weight, square : array-like
        Sum of the weights, and of their squares.

    Returns
    -------
    n : ndarray
        The number; NaN where there is no weight.

    References
    ----------
    L. Kish, Survey Sampling, Wiley 1965.

    Examples
    --------
    Three outcomes of weight 1 and one of weight 3:

    >>> float(effective_number(6, 12))
    3.0
    """
    return ratio(weight, ratio(square, weight))


def wilson_interval(wins: npt.ArrayLike, n: npt.ArrayLike, confidence: float = 0.95) -> tuple[Array, Array]:
    """Bound the true rate behind ``wins`` successes in ``n`` outcomes by the score interval of Wilson.

    Unlike the textbook interval it stays inside [0, 1] and says something sensible for few outcomes and for rates of 0
    and 1. With p = wins / n and z the normal quantile::

        (p + z²/2n ± z √(p (1 − p)/n + z²/4n²)) / (1 + z²/n)

    Parameters
    ----------
    wins : array-like
        Successes; may be fractional where outcomes are weighted.
    n : array-like
        Outcomes, of the same shape. Where 0 the bounds are NaN.
    confidence : float, default=0.95
        Probability in (0, 1) that the interval covers the true rate; higher is wider.

    Returns
    -------
    low, high : ndarray
        The bounds, of the shape of the input.

    Raises
    ------
    ValueError
        If the confidence is not between 0 and 1.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
    Statistical Association, 1927.

    Examples
    --------
    >>> low, high = wilson_interval(8, 10)
    >>> print(f"{low:.4f} to {high:.4f}")
    0.4902 to 0.9433
    """
    wins, n = np.asarray(wins, dtype=float), np.asarray(n, dtype=float)
    z = normal_quantile(confidence)
    rate, spread = ratio(wins, n), ratio(z**2, n)
    # Rounding of weighted sums may leave a rate a hair outside [0, 1].
    variance = np.maximum(ratio(rate * (1 - rate), n), 0.0)
    half = z * np.sqrt(variance + ratio(spread, 4 * n))
    low, high = (rate + spread / 2 - half) / (1 + spread), (rate + spread / 2 + half) / (1 + spread)
    return np.maximum(low, 0.0), np.minimum(high, 1.0)


def rate_interval(
    hits: npt.ArrayLike, weight: npt.ArrayLike, moments: npt.ArrayLike, *, overlap: float = 1.0
) -> tuple[float, float]:
    """Bound the true rate behind outcomes of which those of one moment share their fate.

    Five hundred shares on one day are not five hundred answers: they rise and fall together. So the rate is bounded by
    `wilson_interval`, with as many outcomes as it would take of outcomes by themselves to be as uncertain: with w the
    weights, h the hits (0 or 1), p the rate, T the number of moments, t Student's quantile and z the normal one, ::

        n = p (1 − p) / v,   v = (t(T / overlap − 1) / z)² · T / (T − 1) · Σ_moments (Σ w (h − p))² / (Σ w)²

    and never more than by `effective_number` of the weights; where all or none are hits, or there are fewer than two
    moments for each ``overlap``, that of the moments' weights.

    Parameters
    ----------
    hits : array-like of shape (n_samples,)
        1 or 0 in time order; where NaN, the outcome does not count.
    weight : array-like of shape (n_samples,)
        How much each outcome counts.
    moments : array-like of shape (n_samples,)
        Number of the moment of each, not decreasing.
    overlap : float, default=1.0
        How many moments in a row share one stretch of time; so many tell as much as one.

    Returns
    -------
    low, high : float
        The bounds at 95 %; NaN where nothing counts.

    References
    ----------
    K.-Y. Liang and S. L. Zeger, "Longitudinal data analysis using generalized linear models", Biometrika, 1986.

    Examples
    --------
    Of four days three were right, told by one share or by ten that moved as one:

    >>> days, right = np.arange(4), np.array([1, 1, 1, 0])
    >>> low, high = rate_interval(right, np.ones(4), days)
    >>> print(f"{low:.2f} to {high:.2f}")
    0.30 to 0.95
    >>> low, high = rate_interval(right.repeat(10), np.ones(40), days.repeat(10))
    >>> print(f"{low:.2f} to {high:.2f}")
    0.13 to 0.98
    """
    hits, weight, moments = (np.asarray(part, dtype=float) for part in (hits, weight, moments))
    counts = (weight > 0) & np.isfinite(hits)
    hits, weight, moments = hits[counts], weight[counts], moments[counts]
    if not len(hits):
        return float("nan"), float("nan")
    rate = float(weight @ hits / weight.sum())
    n = float(effective_number(weight.sum(), weight @ weight))
    starts = np.flatnonzero(np.diff(moments, prepend=-np.inf))
    if len(starts) < len(moments):
        surplus, of_moments = np.add.reduceat(np.stack([weight * (hits - rate), weight]), starts, axis=1)
        n = min(n, _as_many(surplus, of_moments, rate, overlap))
    low, high = wilson_interval(rate * n / overlap, n / overlap)
    return float(low), float(high)


def _as_many(surplus: Array, of_moments: Array, rate: float, overlap: float) -> float:
    """Of how many outcomes by themselves a rate would be as uncertain as this one of outcomes that share moments."""
    total, n_moments = of_moments.sum(), len(of_moments)
    if not 0 < rate < 1 or n_moments < 2 * overlap:
        return float(effective_number(total, of_moments @ of_moments))
    variance = float(n_moments / (n_moments - 1) * (surplus @ surplus) / total**2)
    # A variance that few moments tell is itself a guess: as wide as Student's interval of a mean.
    variance *= float(special.stdtrit(n_moments / overlap - 1, 0.975) / normal_quantile(0.95)) ** 2
    return rate * (1 - rate) / variance if variance > 0 else float("inf")


def mean_interval(
    mean: npt.ArrayLike, std: npt.ArrayLike, n: npt.ArrayLike, confidence: float = 0.95
) -> tuple[Array, Array]:
    """Bound the true mean of ``n`` outcomes by Student's interval, mean ± t(n − 1) · std / √n.

    Parameters
    ----------
    mean, std : array-like
        Mean and standard deviation (``ddof=1``) of the outcomes, in any one unit.
    n : array-like
        Outcomes; may be fractional where they are weighted. Where not above 1 the bounds are NaN.
    confidence : float, default=0.95
        Probability in (0, 1) that the interval covers the true mean; higher is wider.

    Returns
    -------
    low, high : ndarray
        The bounds, in the unit of the mean.

    Raises
    ------
    ValueError
        If the confidence is not between 0 and 1.

    References
    ----------
    Student, "The probable error of a mean", Biometrika, 1908.

    Examples
    --------
    >>> low, high = mean_interval(10.0, 30.0, 9)
    >>> print(f"{low:.2f} to {high:.2f}")
    -13.06 to 33.06
    """
    mean, std, n = (np.asarray(part, dtype=float) for part in (mean, std, n))
    normal_quantile(confidence)
    quantile = special.stdtrit(np.where(n > 1, n - 1, np.nan), 0.5 + confidence / 2)
    half = quantile * ratio(std, np.sqrt(n))
    return mean - half, mean + half


def sharpe_interval(
    sharpe: npt.ArrayLike,
    n: npt.ArrayLike,
    skewness: npt.ArrayLike = 0.0,
    kurtosis: npt.ArrayLike = 3.0,
    confidence: float = 0.95,
) -> tuple[Array, Array]:
    """Bound the true Sharpe ratio per trade by Lo's large-sample interval with Mertens' correction.

    Profits that are skewed to the left or have fat tails make a Sharpe ratio less certain than its size suggests. With
    skewness γ₃ and kurtosis γ₄ (3 for a normal distribution) the interval is::

        S ± z √((1 − γ₃ S + (γ₄ − 1) S² / 4) / n)

    which is Lo's for normal profits. It takes profits as independent from trade to trade.

    Parameters
    ----------
    sharpe : array-like
        Mean of profit divided by its standard deviation, per trade (not annualised).
    n : array-like
        Trades; may be fractional where they are weighted. Where not above 1 the bounds are NaN.
    skewness, kurtosis : array-like, default=0.0 and 3.0
        Standardised third and fourth central moments of profit.
    confidence : float, default=0.95
        Probability in (0, 1) that the interval covers the true ratio; higher is wider.

    Returns
    -------
    low, high : ndarray
        The bounds, per trade. For annualised ones multiply both by √(trades per year).

    Raises
    ------
    ValueError
        If the confidence is not between 0 and 1.

    References
    ----------
    A. W. Lo, "The statistics of Sharpe ratios", Financial Analysts Journal, 2002.

    E. Mertens, "Comments on variance of the IID estimator in Lo (2002)", working paper, University of Basel, 2002.

    Examples
    --------
    >>> low, high = sharpe_interval(0.1, 400)
    >>> print(f"{low:.3f} to {high:.3f}")
    0.002 to 0.198
    """
    sharpe, n, skewness, kurtosis = (np.asarray(part, dtype=float) for part in (sharpe, n, skewness, kurtosis))
    # Never negative for moments of real data (γ₄ ≥ 1 + γ₃²), but rounding may take it there.
    spread = np.maximum(1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2, 0.0)
    half = normal_quantile(confidence) * np.sqrt(ratio(spread, np.where(n > 1, n, 0.0)))
    return sharpe - half, sharpe + half


def trade_outcomes(sides: npt.ArrayLike, returns: npt.ArrayLike) -> tuple[Array, Array]:
    """Say what taking a side earned: who won, and how many basis points.

    profit_bps = side × return × 10⁴. A performer that took no side (0 or NaN) made no trade; a return of exactly 0 is a
    trade that is neither won nor lost.

    Parameters
    ----------
    sides : array-like of shape (n_samples, n_performers)
        Above 0 for long, below 0 for short, 0 or NaN for no trade; only the sign counts.
    returns : array-like of shape (n_samples,)
        What the market did, as a fraction (0.01 is one per cent); NaN where unknown.

    Returns
    -------
    wins : ndarray of shape (n_samples, n_performers)
        1 where the side was right, 0 where it was wrong, NaN where there was no trade or the return was 0.
    profits_bps : ndarray of shape (n_samples, n_performers)
        Profit in basis points, NaN where there was no trade.

    Examples
    --------
    >>> wins, profits_bps = trade_outcomes([[1, -1, 0]], [0.0025])
    >>> wins
    array([[ 1.,  0., nan]])
    >>> profits_bps
    array([[ 25., -25.,  nan]])
    """
    signs = np.sign(np.asarray(sides, dtype=float))
    profits_bps = np.where(signs == 0, np.nan, signs * np.asarray(returns, dtype=float)[:, None] * _BPS)
    decided = np.isfinite(profits_bps) & (profits_bps != 0)
    return np.where(decided, (profits_bps > 0).astype(float), np.nan), profits_bps


def ratio(top: npt.ArrayLike, bottom: npt.ArrayLike) -> Array:
    """Divide where there is something to divide by; NaN elsewhere."""
    top, bottom = np.broadcast_arrays(np.asarray(top, dtype=float), np.asarray(bottom, dtype=float))
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)


def normal_quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence of an interval must lie between 0 and 1; got {shown(confidence)}.")
    return float(special.ndtri(0.5 + confidence / 2))

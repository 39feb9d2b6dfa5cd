"""The figures of a finished record, all at once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from skensemble.performance._intervals import Array, ratio
from skensemble.performance._records import (
    LOSS,
    N_CHANNELS,
    N_PLANES,
    PROFIT,
    TRADABLE,
    WIN,
    extended,
    figures_of,
    tradable,
)

__all__ = ["moment_profits", "performance_figures"]


def performance_figures(
    memberships: Array,
    losses: Array,
    *,
    wins: Array | None = None,
    profits_bps: Array | None = None,
    sample_weight: npt.ArrayLike | None = None,
    periods_per_year: float | None = None,
    overlap: float = 1.0,
) -> dict[str, Array]:
    """Work out what a ledger would show of rows that are all known already.

    Parameters
    ----------
    memberships : ndarray of shape (n_samples, n_regimes)
        Share of each regime in each row.
    losses : ndarray of shape (n_samples, n_performers)
        How wrong each was, NaN where it said nothing.
    wins : ndarray of shape (n_samples, n_performers), default=None
        1 for the right side, 0 for the wrong one, NaN for neither.
    profits_bps : ndarray of shape (n_samples, n_performers), default=None
        Profit of each trade in basis points, NaN where there was none.
    sample_weight : array-like of shape (n_samples,), default=None
        How much each row counts; all alike if None.
    periods_per_year : float, default=None
        Rows per year, traded or not, for annualised Sharpe ratios.
    overlap : float, default=1.0
        How many rows in a row share one stretch of time, see `Ledger`.

    Returns
    -------
    dict of str to ndarray of shape (n_regimes + 1, n_performers)
        Figures named as in `Ledger.frame`, the pooled ones in the last row.

    Examples
    --------
    >>> import numpy as np
    >>> figures = performance_figures(np.array([[1.0], [0.0]]), np.array([[1.0], [3.0]]))
    >>> figures["loss"].ravel().tolist()
    [1.0, 2.0]
    """
    n_samples, n_performers = losses.shape
    values = np.full((n_samples, N_CHANNELS, 1, n_performers), np.nan)
    for channel, given in ((LOSS, losses), (WIN, wins), (PROFIT, profits_bps)):
        if given is not None:
            values[:, channel, 0] = given
    if profits_bps is not None:
        values[:, TRADABLE, 0] = tradable(losses, profits_bps)
    counted = np.ones(n_samples) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    record = np.zeros((N_PLANES, memberships.shape[1] + 1, n_performers))
    for regime, share in enumerate((*memberships.T, np.ones(n_samples))):
        rows = np.flatnonzero(share * counted > 0)
        if len(rows):
            weight = np.repeat((share * counted)[rows, None, None], n_performers, axis=2)
            here = slice(regime, regime + 1)
            with np.errstate(over="ignore", invalid="ignore"):
                record[:, here] = extended(record[:, here], weight, weight**2, values[rows])
    return figures_of(record, periods_per_year, overlap)


def moment_profits(profits_bps: Array, weight: Array, moments: npt.NDArray[np.intp]) -> tuple[Array, Array]:
    """Take the rows of one moment for one trade at the mean of their profits.

    Parameters
    ----------
    profits_bps : ndarray of shape (n_samples, n_performers)
        Profit of each row in basis points, NaN where there was no trade.
    weight : ndarray of shape (n_samples,)
        How much each row counts.
    moments : ndarray of int of shape (n_samples,)
        Number of the moment of each row.

    Returns
    -------
    profits_bps : ndarray of shape (n_moments, n_performers)
        Mean profit of those rows that traded, NaN where none did.
    weight : ndarray of shape (n_moments,)
        Mean weight of the rows that count; 0 where none does.

    Examples
    --------
    >>> import numpy as np
    >>> profits, weight = moment_profits(np.array([[10.0], [20.0], [np.nan]]), np.ones(3), np.array([0, 0, 1]))
    >>> profits.ravel().tolist(), weight.tolist()
    ([15.0, nan], [1.0, 1.0])
    """
    own, place = np.unique(moments, return_inverse=True)

    def summed(values: Array) -> Array:
        return np.stack([np.bincount(place, column, len(own)) for column in values.T], axis=1)

    traded = np.isfinite(profits_bps) * weight[:, None]
    earned = summed(np.where(traded > 0, profits_bps, 0.0) * traded)
    whole, n_rows = summed(np.column_stack([weight, weight > 0])).T
    return ratio(earned, summed(traded)), whole / np.maximum(n_rows, 1.0)

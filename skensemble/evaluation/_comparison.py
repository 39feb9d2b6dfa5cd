"""Whether one rival is better than another, or was luckier: paired differences with a block bootstrap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from skensemble._checks import check_number, shown

__all__ = ["Change", "change_interval"]

Array = NDArray[np.float64]

_N_DRAWS = 2000


class Change(NamedTuple):
    """How the mean loss of one compares with that of another, less 1: below 0 is better.

    Parameters
    ----------
    change : float
        Mean loss relative to the rival's, less 1.
    low, high : float
        Its 95 % interval.

    Examples
    --------
    >>> Change(-0.1, -0.2, -0.01).verdict
    'distinguishable: less loss'
    """

    change: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """What the interval says, in words."""
        if self.high < 0:
            return "distinguishable: less loss"
        if self.low > 0:
            return "distinguishable: more loss"
        return "not distinguishable"


def change_interval(losses: npt.ArrayLike, rival: npt.ArrayLike, *, block: int = 63) -> Change:
    """Compare the mean losses of two contestants on the same rows, by a paired block bootstrap.

    Whole blocks of rows, cut from the rows closed to a circle, are drawn with replacement, for both contestants alike:
    bad days come in clusters, and days drawn one by one would look far more certain than they are. 2,000 draws with a
    fixed seed.

    Parameters
    ----------
    losses, rival : array-like of shape (n_samples,)
        Losses of the contestant and of the rival on the same rows in time order. A contestant that sees several rows at
        one time is judged by their sum.
    block : int, default=63
        Rows in a block, at most all of them; about a quarter of a year of trading days. Longer blocks are honest about
        longer clusters, and need more rows.

    Returns
    -------
    Change
        Mean loss of the contestant relative to the rival's, less 1, and its 95 % interval. Below 0 is better than the
        rival; an interval that holds 0 cannot tell.

    Raises
    ------
    ValueError
        If there are no rows or not as many of both.

    References
    ----------
    D. N. Politis and J. P. Romano, "A circular block-resampling procedure for stationary data", in Exploring the
    Limits of Bootstrap, Wiley 1992.

    Examples
    --------
    >>> change_interval([1.0, 3.0, 1.0, 3.0], [2.0, 6.0, 2.0, 6.0])
    Change(change=-0.5, low=-0.5, high=-0.5)
    """
    check_number(block, "block", "change_interval", low=1, integer=True)
    both = [np.asarray(values, dtype=float) for values in (losses, rival)]
    if both[0].ndim != 1 or both[0].shape != both[1].shape or not both[0].size:
        raise ValueError(
            f"change_interval compares losses on the same rows, one number for each; got shapes "
            f"{shown([values.shape for values in both])}."
        )
    table = np.stack(both)
    n_rows = table.shape[1]
    block = min(int(block), n_rows)
    totals = np.cumsum(np.hstack([np.zeros((2, 1)), table, table[:, : block - 1]]), axis=1)
    of_block = totals[:, block:] - totals[:, :-block]
    starts = np.random.default_rng(0).integers(n_rows, size=(_N_DRAWS, -(-n_rows // block)))
    drawn = of_block[:, starts].sum(axis=2)
    if not table[1].sum() > 0 or not (drawn[1] > 0).all():
        # A rival without loss cannot be compared with by a ratio.
        return Change(float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(drawn[0] / drawn[1] - 1, [0.025, 0.975])
    return Change(float(table[0].sum() / table[1].sum() - 1), float(low), float(high))

"""Whether one rival is better than another, or was luckier: paired differences with a block bootstrap."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray
from scipy import special

from skensemble._checks import check_number, shown

__all__ = ["Change", "Difference", "change_interval", "difference_interval"]

Array = NDArray[np.float64]

_N_DRAWS = 2000
# With fewer rows nobody can tell, and a bootstrap of so few would claim to.
_FEWEST = 30
_FEWEST_BLOCKS = 8
_CONFIDENCE = 0.95


class Change(NamedTuple):
    """How the mean loss of one compares with that of another, less 1: below 0 is better.

    Parameters
    ----------
    change : float
        Mean loss relative to the rival's, less 1; NaN where the rival's is not above 0.
    low, high : float
        Its 95 % interval; NaN where the change is, or of fewer than 30 rows.
    verdict : str
        What the interval of the difference says: ``"distinguishable: less loss"``, ``"distinguishable: more loss"``,
        ``"not distinguishable"``, or ``"too few rows"``.

    Examples
    --------
    >>> Change(-0.1, -0.2, -0.01, "distinguishable: less loss").verdict
    'distinguishable: less loss'
    """

    change: float
    low: float
    high: float
    verdict: str


def change_interval(losses: npt.ArrayLike, rival: npt.ArrayLike, *, block: int = 63) -> Change:
    """Compare the mean losses of two contestants on the same rows, by a paired block bootstrap.

    Whole blocks of rows, cut from the rows closed to a circle, are drawn with replacement, for both contestants alike:
    bad days come in clusters, and days drawn one by one would look far more certain than they are. 2,000 draws with a
    fixed seed.

    Few blocks make draws that are too much alike. So, of n rows in blocks of b, the quantiles taken are not those at
    2.5 and 97.5 % but further out, at Φ(∓t(n/b − 1) / √(1 − b/n)), where t is Student's: by their number, and because
    blocks of a circle always hold a share b/n of one another.

    Parameters
    ----------
    losses, rival : array-like of shape (n_samples,)
        Losses of the contestant and of the rival on the same rows in time order. A contestant that sees several rows at
        one time is judged by their sum.
    block : int, default=63
        Rows in a block, at most an eighth of them; about a quarter of a year of trading days. Longer blocks are honest
        about longer clusters, and need more rows.

    Returns
    -------
    Change
        Mean loss of the contestant relative to the rival's, less 1, its 95 % interval, and a verdict. Below 0 is better
        than the rival; an interval that holds 0 cannot tell.

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
    >>> change_interval([1.0, 3.0] * 20, [2.0, 6.0] * 20)
    Change(change=-0.5, low=-0.5, high=-0.5, verdict='distinguishable: less loss')
    """
    check_number(block, "block", "change_interval", low=1, integer=True)
    both = [np.asarray(values, dtype=float) for values in (losses, rival)]
    if both[0].ndim != 1 or both[0].shape != both[1].shape or not both[0].size:
        raise ValueError(
            f"change_interval compares losses on the same rows, one number for each; got shapes "
            f"{shown([values.shape for values in both])}."
        )
    table = np.stack(both)
    totals = table.sum(axis=1)
    change = float(_relative(*totals)) if totals[1] > 0 else float("nan")
    n_rows = table.shape[1]
    if n_rows < _FEWEST:
        return Change(change, float("nan"), float("nan"), "too few rows")
    block = min(int(block), n_rows // _FEWEST_BLOCKS)
    drawn = _drawn(table, block)
    tails = _tails(n_rows, block)
    less, more = np.quantile(drawn[0] - drawn[1], tails)
    verdict = "not distinguishable"
    if more < 0 or less > 0:
        verdict = "distinguishable: less loss" if more < 0 else "distinguishable: more loss"
    if np.isnan(change):
        return Change(change, float("nan"), float("nan"), verdict)
    low, high = np.quantile(_relative(*drawn), tails, method="inverted_cdf")
    return Change(change, float(low), float(high), verdict)


class Difference(NamedTuple):
    """How far one mean is above another.

    Parameters
    ----------
    difference : float
        Weighted mean of the differences, in their unit.
    low, high : float
        Its 95 % interval; NaN of fewer than 30 rows.

    Examples
    --------
    >>> Difference(1.5, -0.5, 3.5).low
    -0.5
    """

    difference: float
    low: float
    high: float


def difference_interval(
    values: npt.ArrayLike, rival: npt.ArrayLike, weight: npt.ArrayLike | None = None, *, block: int = 63
) -> Difference:
    """Compare two means of the same rows in their own unit, such as profits, by the bootstrap of `change_interval`.

    Parameters
    ----------
    values, rival : array-like of shape (n_samples,)
        Figures of the contestant and of the rival on the same rows in time order.
    weight : array-like of shape (n_samples,), default=None
        How much each row counts, 0 or more; all alike if None.
    block : int, default=63
        Rows in a block, at most an eighth of them.

    Returns
    -------
    Difference
        Mean of the contestant less that of the rival, with its 95 % interval; one that holds 0 cannot tell.

    Raises
    ------
    ValueError
        If there is no row that counts, or not one number for each in all of them.

    Examples
    --------
    >>> difference_interval([1.0, 3.0] * 20, [0.0, 2.0] * 20)
    Difference(difference=1.0, low=1.0, high=1.0)
    """
    check_number(block, "block", "difference_interval", low=1, integer=True)
    ours, theirs = np.asarray(values, dtype=float), np.asarray(rival, dtype=float)
    counted = np.ones(ours.shape) if weight is None else np.asarray(weight, dtype=float)
    if ours.ndim != 1 or not ours.shape == theirs.shape == counted.shape or not (counted > 0).any():
        raise ValueError(
            f"difference_interval compares figures of the same rows, one number and weight for each, some above 0; got "
            f"shapes {shown([ours.shape, theirs.shape])} and weights {shown(counted)}."
        )
    rows = counted > 0
    table = np.stack([(ours - theirs)[rows], np.ones(rows.sum())]) * counted[rows]
    above, whole = table.sum(axis=1)
    n_rows = table.shape[1]
    if n_rows < _FEWEST:
        return Difference(float(above / whole), float("nan"), float("nan"))
    block = min(int(block), n_rows // _FEWEST_BLOCKS)
    drawn = _drawn(table, block)
    low, high = np.quantile(drawn[0] / drawn[1], _tails(n_rows, block))
    return Difference(float(above / whole), float(low), float(high))


def _drawn(table: Array, block: int) -> Array:
    """Sums of both over as many rows as there are, drawn in blocks."""
    n_rows = table.shape[1]
    totals = np.cumsum(np.hstack([np.zeros((2, 1)), table, table[:, : block - 1]]), axis=1)
    of_block = totals[:, block:] - totals[:, :-block]
    starts = np.random.default_rng(0).integers(n_rows, size=(_N_DRAWS, -(-n_rows // block)))
    return of_block[:, starts].sum(axis=2)


def _tails(n_rows: int, block: int) -> Array:
    """Which quantiles of the draws bound 95 % of what may be true."""
    reach = special.stdtrit(n_rows / block - 1, 0.5 + _CONFIDENCE / 2) / np.sqrt(1 - block / n_rows)
    return special.ndtr([-reach, reach])


def _relative(loss: npt.ArrayLike, rival: npt.ArrayLike) -> Array:
    """One loss relative to another, less 1: endless where only the rival has none, NaN where it has less than none."""
    loss, rival = np.asarray(loss, dtype=float), np.asarray(rival, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(loss == rival, 0.0, np.where(rival >= 0, loss / rival - 1, np.nan))

"""What the tables of a walk forward are made of: parts of its rows, and what is counted in each.

The one rule: the figures of a part are made of its own rows, so that many small parts cost no more than a few large.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skensemble.evaluation._comparison import Change, change_interval
from skensemble.performance import moment_profits, performance_figures, rate_interval
from skensemble.regimes import label_names

__all__ = ["Part", "change", "figures", "parts_by_group", "parts_by_regime", "worst_labels"]

Array = NDArray[np.float64]

_WINS = ("won", "lost", "win_rate")
_TRADING = ("n_trades", "profit_bps", "sharpe", "drawdown")
# A worse stretch than this can be found in any record.
_LEAST_MOMENTS = 30


class Part(NamedTuple):
    """Some of the rows, in time order.

    Parameters
    ----------
    name : hashable
        What they have in common.
    rows : ndarray of int of shape (n_rows,)
        Their positions.
    weight : ndarray of shape (n_rows,)
        How much each counts, above 0.
    """

    name: Hashable
    rows: NDArray[np.intp]
    weight: Array


def parts_by_regime(memberships: pd.DataFrame, weight: Array) -> list[Part]:
    """Tell the rows apart by their regimes; the last part is all of them.

    Parameters
    ----------
    memberships : DataFrame of shape (n_judged, n_regimes)
        Share of each regime in each row.
    weight : ndarray of shape (n_judged,)
        How much each row counts.

    Returns
    -------
    list of Part
        One for each regime, and ``"pooled"``.
    """
    shares = [*memberships.to_numpy().T, np.ones(len(weight))]
    return [_part(name, share * weight) for name, share in zip((*memberships.columns, "pooled"), shares, strict=True)]


def parts_by_group(groups: NDArray[Any], weight: Array) -> list[Part]:
    """Tell the rows apart by their groups; the last part is all of them.

    Parameters
    ----------
    groups : ndarray of shape (n_judged,)
        Whose row each is.
    weight : ndarray of shape (n_judged,)
        How much each row counts.

    Returns
    -------
    list of Part
        One for each group, and ``"pooled"``.
    """
    names = label_names(groups, "groups")
    place = {name: position for position, name in enumerate(names)}
    own = np.array([place[group] for group in groups.tolist()], dtype=np.intp)
    order = np.argsort(own, kind="stable")
    order = order[weight[order] > 0]
    rows = np.split(order, np.searchsorted(own[order], np.arange(1, len(names))))
    parts = [Part(name, of_group, weight[of_group]) for name, of_group in zip(names, rows, strict=True)]
    return [*parts, _part("pooled", weight)]


def _part(name: Hashable, weight: Array) -> Part:
    rows = np.flatnonzero(weight > 0)
    return Part(name, rows, weight[rows])


def figures(
    part: Part,
    losses: Array,
    wins: Array | None,
    profits: Array | None,
    moments: NDArray[np.intp],
    *,
    periods_per_year: float | None,
    overlap: float,
) -> dict[str, Array]:
    """Work out the figures of every rival in a part of the rows, as a ledger counts them.

    Parameters
    ----------
    part : Part
        Which rows.
    losses : ndarray of shape (n_judged, n_rivals)
        Loss of each prediction, NaN where there was none.
    wins, profits : ndarray of shape (n_judged, n_rivals) or None
        Who was right, and the profit of its side in basis points; NaN where there was no side.
    moments : ndarray of int of shape (n_judged,)
        Number of the moment of each row. Rows of one moment are one trade, the mean of theirs.
    periods_per_year : float or None
        Moments per year.
    overlap : float
        How many moments in a row share one stretch of time.

    Returns
    -------
    dict of str to ndarray of shape (n_rivals,)
        Figures by name.
    """
    rows, weight = part.rows, part.weight
    nowhere = np.zeros((len(rows), 0))
    of_rows = performance_figures(
        nowhere, losses[rows], wins=None if wins is None else wins[rows], sample_weight=weight, overlap=overlap
    )
    found = {name: of_rows[name][0] for name in ("n", "loss", *(() if wins is None else _WINS))}
    if wins is not None:
        bounds = [rate_interval(won, weight, moments[rows], overlap=overlap) for won in wins[rows].T]
        found |= dict(zip(("win_rate_low", "win_rate_high"), np.transpose(bounds), strict=True))
    if profits is not None:
        heard = _summed(np.isfinite(losses[rows]), moments[rows])
        earned, counted = moment_profits(profits[rows], weight, moments[rows])
        of_moments = performance_figures(
            np.zeros((len(earned), 0)),
            np.where(heard > 0, 0.0, np.nan),
            profits_bps=earned,
            sample_weight=counted,
            periods_per_year=periods_per_year,
            overlap=overlap,
        )
        found |= {name: figure[0] for name, figure in of_moments.items() if name.startswith(_TRADING)}
    return found


def change(part: Part, losses: Array, rival: Array, moments: NDArray[np.intp], block: int) -> Change:
    """Say how the loss of one compares with that of another in a part of the rows, moment by moment.

    Parameters
    ----------
    part : Part
        Which rows.
    losses, rival : ndarray of shape (n_judged,)
        Losses of the two; rows that either is silent on are left out.
    moments : ndarray of int of shape (n_judged,)
        Number of the moment of each row.
    block : int
        Moments in a block of the bootstrap.

    Returns
    -------
    Change
        Nothing but NaN where there is no row of both.
    """
    both = np.column_stack([losses[part.rows], rival[part.rows]])
    heard = np.isfinite(both).all(axis=1)
    if not heard.any():
        return Change(float("nan"), float("nan"), float("nan"), "")
    one, other = _summed((both * part.weight[:, None])[heard], moments[part.rows][heard]).T
    return change_interval(one, other, block=block)


def _summed(values: NDArray[Any], moments: NDArray[np.intp]) -> Array:
    """Sums over the rows of each moment that there are rows of."""
    starts = np.flatnonzero(np.diff(moments, prepend=-1))
    return np.add.reduceat(values.astype(float), starts, axis=0) if len(starts) else np.empty((0, values.shape[1]))


def worst_labels(
    labels: Sequence[Any], losses: Array, profits: Array | None, weight: Array, moments: NDArray[np.intp]
) -> list[Any]:
    """Name for each rival the label where it did worst.

    Parameters
    ----------
    labels : sequence of length n_judged
        Label of each row, such as its year; missing ones are left out.
    losses : ndarray of shape (n_judged, n_rivals)
        Loss of each prediction, NaN where there was none.
    profits : ndarray of shape (n_judged, n_rivals) or None
        Profit in basis points, NaN where there was no trade.
    weight : ndarray of shape (n_judged,)
        How much each row counts.
    moments : ndarray of int of shape (n_judged,)
        Number of the moment of each row.

    Returns
    -------
    list of label
        Of least profit by row, traded or not; without profits of most loss relative to that of the first rival (for
        that one, of most loss). Only labels of at least 30 judged moments can be named, ``None`` where there is none.
    """
    codes, names = pd.factorize(np.asarray(labels, dtype=object))
    judged = np.isfinite(losses) & (weight > 0)[:, None] & (codes >= 0)[:, None]
    harm = losses if profits is None else -np.where(np.isfinite(profits), profits, 0.0)
    means = np.full((len(names), losses.shape[1]), np.nan)
    for rival, rows in enumerate(map(np.flatnonzero, judged.T)):
        own = codes[rows]
        total = np.bincount(own, weight[rows], len(names))
        enough = _n_moments(own, moments[rows], len(names)) >= _LEAST_MOMENTS
        means[enough, rival] = (np.bincount(own, weight[rows] * harm[rows, rival], len(names)) / total)[enough]
    if profits is None:
        means[:, 1:] = np.divide(
            means[:, 1:], means[:, :1], out=np.full_like(means[:, 1:], np.nan), where=means[:, :1] > 0
        )
    return [None if np.isnan(column).all() else names[int(np.nanargmax(column))] for column in means.T]


def _n_moments(codes: NDArray[np.intp], moments: NDArray[np.intp], n_labels: int) -> NDArray[np.intp]:
    """How many different moments each label has."""
    pairs = np.stack([codes, moments])[:, np.argsort(codes, kind="stable")]
    return np.bincount(pairs[0, np.diff(pairs, prepend=-1).any(axis=0)], minlength=n_labels)

"""From labels of any hashable kind, or from probabilities, to the membership matrix."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skensemble._checks import shown

__all__ = ["encode_memberships", "joined_names", "label_names", "listed_memberships", "regime_names"]

_MOST_LABELS = 50


def regime_names(regimes: Any) -> tuple[Hashable, ...]:
    """List the regimes that occur, in an order that does not depend on the order of the rows.

    Parameters
    ----------
    regimes : array-like
        Labels, one per row (missing ones allowed), or a frame or 2-D array of probabilities, one column per regime.

    Returns
    -------
    tuple of hashable
        Sorted labels; for probabilities the column names, or ``0 .. n_regimes - 1``.

    Raises
    ------
    ValueError
        If ``regimes`` is a single string, or has nearly as many labels as rows: then it is a measurement.

    Examples
    --------
    >>> regime_names(["trend", "calm", None, "trend"])
    ('calm', 'trend')
    """
    table = _as_probabilities(regimes)
    if table is not None:
        return _checked_names(table.columns)
    labels = _as_labels(regimes)
    names = set(labels[~pd.isna(labels)])
    if len(names) > _MOST_LABELS and len(names) > len(labels) // 2:
        raise ValueError(
            f"regimes holds {len(names)} different labels in {len(labels)} rows, for example "
            f"{shown(next(iter(names)))}: that is a measurement, not a regime. Cut it into a few named bins first."
        )
    return label_names(names, "regimes")


def label_names(labels: Iterable[Hashable], owner: str) -> tuple[Hashable, ...]:
    """List the labels that occur, in an order that does not depend on theirs.

    Parameters
    ----------
    labels : iterable of hashable
        Labels, none missing.
    owner : str
        What they are labels of, for the error message.

    Returns
    -------
    tuple of hashable
        Sorted.

    Raises
    ------
    ValueError
        If one of them is ``"pooled"``.

    Examples
    --------
    >>> label_names(["MSFT", "AAPL", "MSFT"], "groups")
    ('AAPL', 'MSFT')
    """
    names = tuple(map(_plain, _sorted(set(labels))))
    _refuse_pooled(names, owner)
    return names


def _checked_names(columns: Iterable[Hashable]) -> tuple[Hashable, ...]:
    names = tuple(map(_plain, columns))
    doubles = [name for name in names if names.count(name) > 1]
    if doubles:
        raise ValueError(f"regimes has several columns named {shown(doubles[0])}: give each regime a name of its own.")
    _refuse_pooled(names, "regimes")
    return names


def _plain(name: Hashable) -> Hashable:
    """Plain Python numbers, also from arrays: they read better in messages and tables."""
    return name.item() if isinstance(name, np.generic) else name


def _refuse_pooled(names: Sequence[Hashable], owner: str) -> None:
    if "pooled" in names:
        raise ValueError(f"{owner} holds the label 'pooled', which names the answer for all {owner}. Rename it.")


def encode_memberships(regimes: Any, names: Sequence[Hashable], n_samples: int) -> NDArray[np.float64]:
    """Turn labels or probabilities into memberships over the regimes that are known by name.

    Parameters
    ----------
    regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), or None
        Labels with missing values allowed, or probabilities. ``None`` means that no regime is known.
    names : sequence of hashable
        The regimes seen in ``fit``. A label that is not among them is served by the pooled answer.
    n_samples : int
        Number of rows of X.

    Returns
    -------
    ndarray of shape (n_samples, n_regimes)
        Rows sum to 1, or are zero where the regime is missing; probability given to a regime that was never seen
        is left out, so that the pooled answer takes its share.

    Raises
    ------
    ValueError
        If the number of rows differs, a probability is negative or a row does not sum to one.

    Examples
    --------
    >>> encode_memberships(["calm", None, "storm"], ("calm", "trend"), 3)
    array([[1., 0.],
           [0., 0.],
           [0., 0.]])
    """
    if regimes is None:
        return np.zeros((n_samples, len(names)))
    table = _as_probabilities(regimes)
    n_rows = len(_as_labels(regimes)) if table is None else len(table)
    if n_rows != n_samples:
        raise ValueError(f"regimes has {n_rows} rows but X has {n_samples}: give one regime per row of X.")
    position = {name: j for j, name in enumerate(names)}
    memberships = np.zeros((n_samples, len(names)))
    if table is None:
        known = np.array([position.get(label, -1) for label in _as_labels(regimes)], dtype=int)
        rows = np.flatnonzero(known >= 0)
        memberships[rows, known[rows]] = 1.0
        return memberships
    probabilities = _checked_probabilities(_numbers(table))
    for j, name in enumerate(table.columns):
        if name in position:
            memberships[:, position[name]] += probabilities[:, j]
    return memberships


def _numbers(table: pd.DataFrame) -> NDArray[np.float64]:
    try:
        return table.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        first = next(value for value in table.to_numpy(dtype=object).ravel() if not _is_number(value))
        raise ValueError(
            f"regimes has {table.shape[1]} columns, so it must hold probabilities; got {shown(first)}. For labels pass "
            f"a 1-D array, one label per row of X."
        ) from None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float, np.number, np.bool_)) or value is None or value is pd.NA


def joined_names(known: Sequence[Hashable], names: Sequence[Hashable]) -> tuple[Hashable, ...]:
    """Add regimes to those that are known already; none is forgotten, since it may come back.

    Parameters
    ----------
    known : sequence of hashable
        Regimes of an earlier fit.
    names : sequence of hashable
        Regimes of this one.

    Returns
    -------
    tuple of hashable
        The known ones, then the new ones.

    Examples
    --------
    >>> joined_names(("calm", "storm"), ("calm", "trend"))
    ('calm', 'storm', 'trend')
    """
    before = set(known)
    return (*known, *(name for name in names if name not in before))


def listed_memberships(
    memberships: NDArray[Any],
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """List which row has a share of which regime, row by row.

    Parameters
    ----------
    memberships : ndarray of shape (n_samples, n_regimes), or of int of shape (n_samples,)
        Shares, or the position of the one regime of each row, -1 where it is unknown.

    Returns
    -------
    rows, regimes : ndarray of int of shape (n_shares,)
        Positions of every share above 0.
    shares : ndarray of shape (n_shares,)
        The shares.

    Examples
    --------
    >>> rows, regimes, shares = listed_memberships(np.array([[0.25, 0.75], [0.0, 1.0]]))
    >>> rows.tolist(), regimes.tolist(), shares.tolist()
    ([0, 0, 1], [0, 1, 1], [0.25, 0.75, 1.0])
    >>> listed_memberships(np.array([2, -1]))[:2]
    (array([0]), array([2]))
    """
    if memberships.ndim == 1:
        rows = np.flatnonzero(memberships >= 0)
        return rows, memberships[rows].astype(np.intp), np.ones(len(rows))
    rows, regimes = np.nonzero(memberships)
    return rows, regimes, memberships[rows, regimes]


def _checked_probabilities(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows with a missing value become zero; the others must be probabilities."""
    unknown = np.isnan(probabilities).any(axis=1)
    probabilities = np.where(unknown[:, None], 0.0, probabilities)
    totals = probabilities.sum(axis=1)
    wrong = (probabilities < 0).any(axis=1) | ((totals != 0) & (np.abs(totals - 1) > 1e-6))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(
            f"regimes must hold probabilities that are not negative and sum to 1 in each row (or be missing); "
            f"row {row} is {shown(probabilities[row].tolist())}. For labels pass a 1-D array."
        )
    return probabilities / np.where(totals == 0, 1.0, totals)[:, None]


def _as_probabilities(regimes: Any) -> pd.DataFrame | None:
    """A frame of probabilities, or None where ``regimes`` is one label per row."""
    if isinstance(regimes, pd.DataFrame):
        table = regimes
    elif hasattr(regimes, "columns"):
        table = pd.DataFrame(regimes.to_numpy(), columns=list(regimes.columns))
    elif _is_matrix(regimes):
        table = pd.DataFrame(np.asarray(regimes))
    else:
        return None
    is_label_column = table.shape[1] == 1 and not pd.api.types.is_float_dtype(table.dtypes.iloc[0])
    return None if is_label_column else table


def _as_labels(regimes: Any) -> NDArray[Any]:
    """One object per row; tuples stay whole."""
    if isinstance(regimes, (str, bytes)) or not hasattr(regimes, "__iter__"):
        way_out = f" A column of X is named by regime_detector={regimes!r}." if isinstance(regimes, str) else ""
        raise ValueError(f"regimes must hold one label per row of X; got {shown(regimes)}.{way_out}")
    given: Any = regimes[regimes.columns[0]] if hasattr(regimes, "columns") else regimes
    if not isinstance(given, np.ndarray) and _is_matrix(given):
        given = np.asarray(given)
    values = list(given.ravel()) if isinstance(given, np.ndarray) else list(given)
    labels: NDArray[Any] = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        if not isinstance(value, Hashable):
            raise ValueError(f"regimes must hold one label per row of X; got {shown(value)} in row {i}.")
        labels[i] = value
    return labels


def _is_matrix(regimes: Any) -> bool:
    """Whether there is a row of several values for each row of X; rows that are tuples are labels instead."""
    if isinstance(regimes, (list, tuple)) and any(isinstance(row, tuple) for row in regimes):
        return False
    try:
        return np.ndim(regimes) == 2
    except ValueError:  # rows of different lengths
        return False


def _sorted(names: Iterable[Any]) -> list[Any]:
    """Sort labels; labels of kinds that cannot be compared are sorted by kind and text."""
    try:
        return sorted(names)
    except TypeError:
        return sorted(names, key=lambda name: (type(name).__name__, repr(name)))

"""From whatever a user gives as ``cv`` to checked and purged folds."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from skensemble._checks import LookAheadWarning, check_number, shown
from skensemble.splits._forward import ForwardSplit
from skensemble.splits._intervals import Rows, Span, looks_ahead, purge
from skensemble.splits._times import times_of

__all__ = ["make_folds"]


def make_folds(
    cv: Any,
    X: Any,
    y: Any = None,
    *,
    owner: str,
    label_horizon: Span = 0,
    embargo: Span = 0,
    params: Mapping[str, Any] | None = None,
) -> list[tuple[Rows, Rows]]:
    """Cut the rows of X into folds by anything that scikit-learn takes as ``cv``, and purge them.

    Parameters
    ----------
    cv : None, int, splitter or iterable of (train, test)
        ``None`` is five forward folds, an int that many; fewer on small data. Nothing needs to be a partition.
    X : array-like of shape (n_samples, n_features)
        Rows, oldest first.
    y : array-like of shape (n_samples,), default=None
        Targets, for splitters that look at them.
    owner : str
        Whose parameter ``cv`` is, for the sentences.
    label_horizon : int, str, timedelta or pandas offset, default=0
        How long after its row a label is known.
    embargo : int, str, timedelta or pandas offset, default=0
        Further distance between training and test rows.
    params : mapping, default=None
        Further arguments for the splitter, such as ``groups``.

    Returns
    -------
    list of (train, test)
        Row numbers. A fold that is left without training rows is skipped.

    Raises
    ------
    ValueError
        If ``cv`` is nothing of these, names rows that are not there, or leaves no fold.

    Examples
    --------
    >>> import numpy as np
    >>> [(len(train), len(test)) for train, test in make_folds(2, np.zeros((90, 1)), owner="Ensemble")]
    [(30, 30), (60, 30)]
    """
    if cv is None or (isinstance(cv, (int, np.integer)) and not isinstance(cv, bool)):
        check_number(5 if cv is None else cv, "cv", owner, low=1, integer=True)
        cv = ForwardSplit(5 if cv is None else int(cv), label_horizon=label_horizon, embargo=embargo)
    if hasattr(cv, "split") and not isinstance(cv, (str, type)):
        given = list(cv.split(X, y, **(params or {})))
    elif hasattr(cv, "__iter__") and not isinstance(cv, (str, type, Mapping)):
        given = list(cv)
    else:
        raise ValueError(
            f"cv of {owner} must be None, a number of forward folds, a splitter or a list of (train, test) row "
            f"numbers; got {shown(cv)}."
        )
    n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
    times = times_of(X, y)
    folds = []
    for number, fold in enumerate(given):
        train, test = _checked(fold, number, n_samples, owner)
        # Folds that were cut here are purged already; once more changes nothing.
        kept = purge(train, test, n_samples=n_samples, times=times, label_horizon=label_horizon, embargo=embargo)
        if len(kept):
            folds.append((kept, test))
    if not folds:
        raise ValueError(
            f"cv of {owner} leaves no fold with rows to learn from: it gave {len(given)} folds, which were purged with "
            f"label_horizon={shown(label_horizon)} and embargo={shown(embargo)}. Pass more rows, shorter lengths, or "
            f"folds as a list (a generator can be read only once)."
        )
    if any(looks_ahead(train, test) for train, test in folds):
        warnings.warn(
            f"cv of {owner} trains on rows later than those it predicts: the weights learned from it look ahead and "
            f"flatter models that overfit. Leave cv=None, or pass a number of forward folds.",
            LookAheadWarning,
            stacklevel=4,
        )
    return folds


def _checked(fold: Any, number: int, n_samples: int, owner: str) -> tuple[Rows, Rows]:
    if not isinstance(fold, (tuple, list)) or len(fold) != 2:
        raise ValueError(f"cv of {owner} must give pairs (train, test) of row numbers; fold {number} is {shown(fold)}.")
    train, test = (_row_numbers(rows, number, owner) for rows in fold)
    if not len(test):
        raise ValueError(f"cv of {owner}: fold {number} has no rows to predict. Leave it out.")
    for rows in (train, test):
        if len(rows) and not (rows.min() >= 0 and rows.max() < n_samples):
            raise ValueError(
                f"cv of {owner}: fold {number} names row {rows.max() if rows.min() >= 0 else rows.min()}, but X has "
                f"the rows 0 to {n_samples - 1}."
            )
    return train, test


def _row_numbers(given: Any, number: int, owner: str) -> Rows:
    rows = np.asarray(given)
    if rows.dtype == bool:
        return np.flatnonzero(rows)
    if rows.ndim != 1 or (rows.size and rows.dtype.kind not in "iu"):
        raise ValueError(
            f"cv of {owner} must give pairs (train, test) of row numbers; fold {number} holds {shown(given)}."
        )
    return rows.astype(np.intp)

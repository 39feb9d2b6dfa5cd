"""Regimes by any scikit-learn clusterer or mixture, put into an order and given names.

One idea: a clusterer numbers its clusters as chance has it, so they are sorted by the mean of a stated column. The rule
kept here: a refit never swaps the names, and a regime is announced only when the rows up to now say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skensemble._checks import check_columns, check_number, shown
from skensemble._compat import take_rows
from skensemble.regimes._columns import as_rows, column_values
from skensemble.regimes._detection import detect, fit_detector
from skensemble.regimes._history import LooksBack, remembered
from skensemble.regimes._memberships import encode_memberships, regime_names
from skensemble.regimes._named import Codes, Floats, NamedRegimes, checked_names, level_names, most_probable, one_hot

__all__ = ["Dwelling", "OrderedRegimes"]


class Dwelling(NamedTuple):
    """Where a sequence of regimes stands.

    Attributes
    ----------
    held : int
        The regime that is announced; -1 before the first one is sure.
    seen : int
        The regime of the last row.
    n_seen : int
        How many rows it has been seen in a row.
    """

    held: int = -1
    seen: int = -1
    n_seen: int = 0


class OrderedRegimes(LooksBack, NamedRegimes):
    """Make the regimes of any clusterer or mixture canonical: sorted by a column, named, and without flicker.

    KMeans may call the calm rows 0 today and 2 after the next fit. Here regime i is always the one with the i-th
    smallest mean of a stated column over the training rows, each row counted by its membership m::

        mean_j = Σ_i m_ij x_i / Σ_i m_ij

    With ``min_dwell=d`` a new regime is announced only when it has been seen d rows in a row, and then stays for at
    least d rows. That costs d - 1 rows of delay, and looks at no later row. Until a first regime has been seen so often
    there is none: what is announced is then the same wherever the rows began.

    The clusterer is asked about rows, and must answer each by itself or by those before it: a hidden Markov model that
    smooths over the whole batch lets the future into the past, and `MarkovRegimes` does not.

    Parameters
    ----------
    estimator : estimator, default=None
        A clusterer, a mixture or a Pipeline that ends in one, with ``fit`` and ``predict`` or ``predict_proba``. The
        default (``None``) is ``KMeans(n_clusters=3, random_state=0)``.
    by : str or int, default=0
        Name of the column of a DataFrame, or its position, by whose mean the regimes are sorted.
    columns : sequence of str or int, default=None
        The columns that the estimator sees. The default (``None``) is all of them. A row with a missing or infinite
        value in one of these has no regime.
    min_dwell : int, default=1
        Rows for which a regime stays at least. Larger means fewer changes, seen later; 1 switches it off.
    names : sequence of str, default=None
        Names of the regimes, low to high. The default (``None``) is ``LOW, HIGH`` for two, ``LOW, MID, HIGH`` for
        three, otherwise ``LEVEL_1, LEVEL_2, …``.

    Attributes
    ----------
    regimes_ : tuple of str
        Names, low to high.
    labels_ : tuple
        What the estimator calls them, in the same order.
    estimator_ : estimator
        The fitted estimator.
    dwelling_ : Dwelling
        Where the training rows left off.
    past_times_ : ndarray of shape (1,) or (0,)
        When the last known row was: later ones carry on from ``dwelling_``. Empty where no index says it, and where
        neither ``min_dwell`` nor the estimator looks back.
    clock_ : str
        What the index of the training rows holds; empty where it does not say when they were.

    See Also
    --------
    QuantileRegimes : Regimes of one column.

    Examples
    --------
    >>> from sklearn.cluster import KMeans
    >>> X = pd.DataFrame({"vol": [1.0, 1.1, 9.0, 9.1, 1.0]})
    >>> regimes = OrderedRegimes(KMeans(2, random_state=0), by="vol").fit(X)
    >>> regimes.predict(X).tolist()
    ['LOW', 'LOW', 'HIGH', 'HIGH', 'LOW']
    >>> regimes.set_params(min_dwell=2).fit(X).predict(X).tolist()
    [None, 'LOW', 'LOW', 'HIGH', 'HIGH']
    """

    def __init__(
        self,
        estimator: Any = None,
        by: str | int = 0,
        *,
        columns: Sequence[str | int] | None = None,
        min_dwell: int = 1,
        names: Sequence[str] | None = None,
    ) -> None:
        self.estimator = estimator
        self.by = by
        self.columns = columns
        self.min_dwell = min_dwell
        self.names = names

    def fit(self, X: Any, y: Any = None) -> OrderedRegimes:
        """Fit the estimator and sort its regimes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, oldest first.
        y : None
            Ignored.

        Returns
        -------
        OrderedRegimes
            Itself.
        """
        owner = type(self).__name__
        unfitted = _usual_clusters() if self.estimator is None else self.estimator
        _check_estimator(unfitted)
        check_number(self.min_dwell, "min_dwell", owner, low=1, integer=True)
        feature = column_values(as_rows(X, owner), self.by, "by", owner)
        seen, complete = self._seen(X)
        if not len(complete):
            raise ValueError(
                f"X of {owner} has no row without a missing value to fit {shown(unfitted)} on. Leave out the columns "
                f"that are never known by columns=."
            )
        check_columns(self, X, reset=True)
        known = take_rows(seen, complete)
        estimator = fit_detector(unfitted, known)
        found = detect(estimator, known)
        labels = regime_names(found)
        order = _order(encode_memberships(found, labels, len(complete)), feature[complete])
        names = checked_names(self.names, level_names(len(labels)), owner)
        self.estimator_, self.labels_, self.regimes_ = estimator, tuple(labels[j] for j in order), names
        self._keep_times(X)
        _, self.dwelling_ = settled(most_probable(self._memberships(X)), int(self.min_dwell), Dwelling())
        return self

    def predict_proba(self, X: Any) -> Floats:
        """Return the memberships that the estimator gives; with ``min_dwell`` above 1, 1 for the announced regime.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, oldest first; with ``min_dwell`` above 1 each is history for those after it, and so are those of
            ``fit`` where the index of a DataFrame says that they came before.

        Returns
        -------
        ndarray of shape (n_samples, n_regimes)
            One column for each name in ``regimes_``; all zero where the regime is missing.
        """
        check_is_fitted(self)
        check_columns(self, X, reset=False)
        memberships = self._memberships(X)
        if self.min_dwell == 1:
            return memberships
        start = self.dwelling_ if self._follows(X) else Dwelling()
        codes, _ = settled(most_probable(memberships), int(self.min_dwell), start)
        return one_hot(codes, len(self.regimes_))

    def _reach(self) -> int:
        return int(self.min_dwell > 1 or hasattr(self.estimator, "remember"))

    def _move_on(self, X: pd.DataFrame) -> None:
        _, dwelling = settled(most_probable(self._memberships(X)), int(self.min_dwell), self.dwelling_)
        seen, complete = self._seen(X)
        self.estimator_ = remembered(self.estimator_, take_rows(seen, complete))
        self.dwelling_ = dwelling

    def _memberships(self, X: Any) -> Floats:
        seen, complete = self._seen(X)
        memberships = np.zeros((len(seen), len(self.labels_)))
        if len(complete):
            found = detect(self.estimator_, take_rows(seen, complete))
            memberships[complete] = encode_memberships(found, self.labels_, len(complete))
        return memberships

    def _seen(self, X: Any) -> tuple[Any, NDArray[np.intp]]:
        """Return what the estimator sees of X, and the numbers of the rows without a missing value."""
        owner = type(self).__name__
        rows = as_rows(X, owner)
        if self.columns is not None:
            rows = _chosen(rows, self.columns, owner)
        table = pd.DataFrame(rows)
        missing = table.isna() | table.isin([np.inf, -np.inf])
        return rows, np.flatnonzero(~missing.to_numpy(dtype=bool).any(axis=1))


def settled(codes: Codes, min_dwell: int, start: Dwelling) -> tuple[Codes, Dwelling]:
    """Announce a regime when it has been seen often enough in a row; a row without a regime leaves all as it was."""
    held, seen, n_seen = start
    announced = np.full(len(codes), -1)
    for row, code in enumerate(codes.tolist()):
        if code < 0:
            continue
        n_seen = n_seen + 1 if code == seen else 1
        seen = code
        if n_seen >= min_dwell:
            held = code
        announced[row] = held
    return announced, Dwelling(held, seen, min(n_seen, min_dwell))


def _usual_clusters() -> Any:
    from sklearn.cluster import KMeans  # noqa: PLC0415 - loaded by those who cluster

    return KMeans(n_clusters=3, random_state=0)


def _order(memberships: Floats, feature: Floats) -> list[int]:
    """Columns by the mean of the feature; those that hold no row with a known feature come last."""
    known = ~np.isnan(feature)
    totals = memberships[known].sum(axis=0)
    sums = memberships[known].T @ feature[known]
    means = np.divide(sums, totals, out=np.full(len(totals), np.nan), where=totals > 0)
    return np.argsort(means, kind="stable").tolist()


def _chosen(rows: Any, columns: Any, owner: str) -> Any:
    chosen = [] if isinstance(columns, str) or not hasattr(columns, "__iter__") else list(columns)
    if not chosen:
        raise ValueError(f"columns of {owner} must be a list of columns of X, or None for all; got {shown(columns)}.")
    for column in chosen:
        column_values(rows, column, "columns", owner)
    labels = list(getattr(rows, "columns", []))
    positions = [labels.index(column) if column in labels else int(column) for column in chosen]
    return rows.iloc[:, positions] if labels else rows[:, positions]


def _check_estimator(estimator: Any) -> None:
    answers = hasattr(estimator, "predict") or hasattr(estimator, "predict_proba")
    if isinstance(estimator, type) or not hasattr(estimator, "fit") or not answers:
        raise ValueError(
            f"estimator of OrderedRegimes must have fit and predict or predict_proba, such as KMeans(3) or "
            f"GaussianMixture(3); got {shown(estimator)}. A clusterer that cannot say where new rows belong, such as "
            f"DBSCAN, cannot serve."
        )

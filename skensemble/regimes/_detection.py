"""Regimes from X, where nobody passes them: a column, a function, or any scikit-learn clusterer or mixture."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.base import BaseEstimator, clone

from skensemble._checks import shown
from skensemble._compat import take_rows
from skensemble.regimes._memberships import encode_memberships, joined_names, regime_names

__all__ = ["SingleRegime", "detect", "detect_forward", "fit_detector", "learn_regimes", "matched_numbers"]


class SingleRegime(BaseEstimator):
    """Put every row into one and the same regime: the detector that switches regimes off.

    With it an ensemble is its pooled self, which makes "no regimes" one of the choices in a search.

    Examples
    --------
    >>> SingleRegime().fit([[1.0], [2.0]]).predict([[3.0]]).tolist()
    ['all']
    """

    def fit(self, X: Any, y: Any = None) -> SingleRegime:
        """Learn nothing.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Ignored.
        y : None
            Ignored.

        Returns
        -------
        SingleRegime
            Itself.
        """
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the one regime for every row.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            The label ``"all"``.
        """
        return np.full(np.shape(X)[0], "all", dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return True


def fit_detector(detector: Any, X: Any) -> Any:
    """Fit a detector on X where it has something to fit.

    Parameters
    ----------
    detector : None, str, callable or estimator
        See `detect`.
    X : array-like of shape (n_samples, n_features)
        The rows that may be known.

    Returns
    -------
    None, str, callable or estimator
        A fitted clone of an estimator; anything else as it is.

    Examples
    --------
    >>> fit_detector("market", [[1.0]])
    'market'
    """
    if hasattr(detector, "fit") and not isinstance(detector, type):
        return clone(detector, safe=False).fit(X)
    if detector is None or isinstance(detector, str) or (callable(detector) and not isinstance(detector, type)):
        return detector
    raise ValueError(
        f"regime_detector must be None, the name of a column of X, a function of X or an estimator with fit and "
        f"predict; got {shown(detector)}."
    )


def detect(detector: Any, X: Any) -> Any:
    """Read the regimes of the rows of X from a fitted detector.

    Parameters
    ----------
    detector : None, str, callable or fitted estimator
        ``None`` knows nothing; a string names a column of X; a function takes X; an estimator answers by
        ``predict_proba`` or else by ``predict``.
    X : array-like of shape (n_samples, n_features)
        Rows.

    Returns
    -------
    None or array-like
        Labels or probabilities, as `encode_memberships` takes them.

    Raises
    ------
    ValueError
        If the column is not there or the detector cannot predict.

    Examples
    --------
    >>> import pandas as pd
    >>> list(detect("market", pd.DataFrame({"market": ["calm", "trend"]})))
    ['calm', 'trend']
    """
    if detector is None:
        return None
    if isinstance(detector, str):
        return _column(detector, X)
    if hasattr(detector, "predict_proba"):
        probabilities = detector.predict_proba(X)
        if hasattr(probabilities, "columns"):
            return probabilities
        return pd.DataFrame(
            probabilities, columns=pd.Index(_classes(detector, np.shape(probabilities)[1]), dtype=object)
        )
    if hasattr(detector, "predict"):
        return detector.predict(X)
    if callable(detector):
        return detector(X)
    raise ValueError(f"regime_detector {shown(detector)} has neither predict_proba nor predict.")


def detect_forward(
    detector: Any, fitted: Any, X: Any, splits: Sequence[tuple[Any, Any]]
) -> tuple[tuple[Hashable, ...], NDArray[np.float64]]:
    """Find the regimes of the rows of X as they were known at each row: by a detector fitted on the fold's past.

    Parameters
    ----------
    detector : estimator
        Unfitted; cloned and fitted once for each fold.
    fitted : estimator
        The same, fitted on all rows: it serves the rows that no fold predicts, and later ones.
    X : array-like of shape (n_samples, n_features)
        Rows, oldest first.
    splits : sequence of (train, test)
        Row numbers of each fold.

    Returns
    -------
    names : tuple of hashable
        All regimes.
    memberships : ndarray of shape (n_samples, n_regimes)
        Memberships; those of a fold's test rows come from its own detector. A clusterer numbers its clusters anew in
        every fit: whole numbers are matched from fold to fold by the rows that both knew, and in the end, all at once,
        with those of ``fitted``. Other labels are taken at their word.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.arange(4.0).reshape(-1, 1)
    >>> detect_forward(SingleRegime(), SingleRegime(), X, [(np.array([0, 1]), np.array([2, 3]))])[0]
    ('all',)
    """
    final = _table(fitted, X)
    folds: list[tuple[Any, pd.DataFrame]] = []
    last = None
    for train, test in splits:
        own = _table(fit_detector(detector, take_rows(X, train)), take_rows(X, slice(0, int(max(test)) + 1)))
        if last is not None:
            known = np.intersect1d(train, np.arange(min(len(own), len(last))))
            own = own.rename(columns=matched_numbers(last.iloc[known], own.iloc[known]))
        folds.append((test, own.iloc[test]))
        last = own
    if not folds:
        return tuple(final.columns), encode_memberships(final, tuple(final.columns), len(final))
    # Later rows are numbered by the fit on all rows, so its numbers are kept. It knows the future of every fold, and
    # may therefore only rename them all alike: never which rows belong together, within a fold or between folds.
    found = _stacked([table for _, table in folds], [test for test, _ in folds])
    found = found.rename(columns=matched_numbers(final.iloc[found.index], found))
    names = tuple(dict.fromkeys([*final.columns, *found.columns]))
    memberships = encode_memberships(final, names, len(final))
    memberships[found.index] = encode_memberships(found, names, len(found))
    return names, memberships


def learn_regimes(
    detector: Any, X: Any, regimes: Any, splits: Sequence[tuple[Any, Any]], known: Sequence[Hashable] = ()
) -> tuple[tuple[Hashable, ...], NDArray[np.float64], Any]:
    """Tell the regimes of rows to be trained on, as they were known at each row, and fit the detector of later ones.

    Parameters
    ----------
    detector : None, str, callable or estimator
        Not fitted, see `detect`.
    X : array-like of shape (n_samples, n_features)
        Rows, oldest first.
    regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), or None
        What somebody knows of them, see `encode_memberships`; ``None`` asks the detector.
    splits : sequence of (train, test)
        Row numbers of each fold, see `detect_forward`.
    known : sequence of hashable, default=()
        Regimes that were known before; they keep their places.

    Returns
    -------
    names : tuple of hashable
        All regimes.
    memberships : ndarray of shape (n_samples, n_regimes)
        Memberships of the rows.
    fitted : None, str, callable or estimator
        The detector, fitted on all rows.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.array([[1.0], [2.0]])
    >>> names, memberships, fitted = learn_regimes(None, X, ["calm", "wild"], [], known=["wild"])
    >>> names, memberships.tolist(), fitted
    (('wild', 'calm'), [[0.0, 1.0], [1.0, 0.0]], None)
    """
    fitted = fit_detector(detector, X)
    n_samples = X.shape[0]
    if regimes is None and hasattr(fitted, "fit"):
        found, own = detect_forward(detector, fitted, X, splits)
        names = joined_names(known, found)
        memberships = np.zeros((n_samples, len(names)))
        memberships[:, [names.index(name) for name in found]] = own
        return names, memberships, fitted
    if regimes is None:
        regimes = detect(fitted, X)
    names = joined_names(known, () if regimes is None else regime_names(regimes))
    return names, encode_memberships(regimes, names, n_samples), fitted


def _stacked(tables: Sequence[pd.DataFrame], rows: Sequence[Any]) -> pd.DataFrame:
    """Put the folds' tables one below the other; a row that several folds predict is read from the last of them."""
    stacked = pd.concat([table.set_axis(np.asarray(test), axis=0) for table, test in zip(tables, rows, strict=True)])
    return stacked.fillna(0.0).loc[lambda table: ~table.index.duplicated(keep="last")]


def matched_numbers(reference: pd.DataFrame, table: pd.DataFrame) -> dict[Hashable, Hashable]:
    """Match the numbers of clusters in one fit with those of another, by the memberships of the rows they share.

    Parameters
    ----------
    reference : pandas.DataFrame of shape (n_samples, n_regimes)
        Memberships by the fit whose numbering is kept; the columns are the numbers.
    table : pandas.DataFrame of shape (n_samples, n_regimes)
        Memberships of the same rows by the other fit.

    Returns
    -------
    dict
        From each column of ``table`` to the number it stands for, so that as many rows as possible agree; empty where
        the labels are not whole numbers. A cluster without a partner gets a number that is free.

    Examples
    --------
    >>> import pandas as pd
    >>> matched_numbers(pd.DataFrame({0: [1, 1, 0], 1: [0, 0, 1]}), pd.DataFrame({0: [0, 0, 1], 1: [1, 1, 0]}))
    {0: 1, 1: 0}
    """
    kept: list[Any] = list(reference.columns)
    given: list[Any] = list(table.columns)
    if not all(isinstance(label, (int, np.integer)) and not isinstance(label, bool) for label in (*kept, *given)):
        return {}
    rows, columns = linear_sum_assignment(-(reference.to_numpy().T @ table.to_numpy()))
    names = {given[column]: kept[row] for row, column in zip(rows, columns, strict=True)}
    free = iter(sorted({*given, *kept, *range(len(kept), len(kept) + len(given))} - set(names.values())))
    return {label: names[label] if label in names else next(free) for label in given}


def _table(detector: Any, X: Any) -> pd.DataFrame:
    found = detect(detector, X)
    names = regime_names(found)
    n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
    return pd.DataFrame(encode_memberships(found, names, n_samples), columns=pd.Index(names, dtype=object))


def _column(name: str, X: Any) -> Any:
    columns: Sequence[Any] = list(getattr(X, "columns", []))
    if name not in columns:
        where = f"X has the columns {shown(columns)}" if columns else f"X is a {type(X).__name__} without column names"
        raise ValueError(f"regime_detector names the column {name!r}, but {where}. Pass a DataFrame that holds it.")
    return X[name]


def _classes(detector: Any, n_regimes: int) -> list[Any]:
    classes = list(getattr(detector, "classes_", range(n_regimes)))
    return classes if len(classes) == n_regimes else list(range(n_regimes))

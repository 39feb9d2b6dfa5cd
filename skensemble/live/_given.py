"""What is handed to a live ensemble beside rows: read or refused with a sentence, and nothing here knows a journal."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.utils.validation import check_is_fitted

from skensemble._base import RegimeAwareEnsemble
from skensemble._checks import shown
from skensemble.live._journal import Said
from skensemble.live._prediction import Layout
from skensemble.live._replay import trade
from skensemble.live._rows import are_many, in_kind
from skensemble.live._what_if import loss_of
from skensemble.trades import check_trades

__all__ = [
    "checked_ensemble",
    "checked_outcome",
    "checked_trade",
    "classes_of",
    "column_of",
    "in_time",
    "length_of_time",
    "regimes_of",
]


def checked_ensemble(ensemble: Any, owner: str) -> RegimeAwareEnsemble:
    """Refuse what is no fitted ensemble, or has classes that a journal does not keep."""
    if not isinstance(ensemble, RegimeAwareEnsemble):
        raise ValueError(
            f"{owner} needs a fitted RegimeAwareEnsembleRegressor or RegimeAwareEnsembleClassifier (of a Pipeline its "
            f"last step); got {shown(ensemble)}."
        )
    check_is_fitted(ensemble, "combiner_")
    assert is_classifier(ensemble) or is_regressor(ensemble)
    strange = [label for label in classes_of(ensemble) if not isinstance(label, (str, int, float))]
    if strange:
        raise ValueError(f"{owner} needs classes that are texts or numbers; got the class {shown(strange[0])}.")
    return ensemble


def classes_of(ensemble: RegimeAwareEnsemble) -> list[Any]:
    """Classes that an ensemble knows; none of numbers."""
    return ensemble.classes_.tolist() if hasattr(ensemble, "classes_") else []


def length_of_time(value: Any, name: str) -> int | None:
    """Read a length of time, in nanoseconds."""
    if value is None:
        return None
    try:
        length = pd.Timedelta(value)
        if not isinstance(value, (int, float)) and length > pd.Timedelta(0):
            return int(length.as_unit("ns").value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"{name} of LiveEnsemble must be a length of time such as '36h' or None; got {shown(value)}.")


def in_time(X: pd.DataFrame, times: Sequence[int], ensemble: RegimeAwareEnsemble) -> pd.DataFrame:
    """Rows that came without an index, at their times or, where the detector counts rows, after those it knows."""
    detector = ensemble.regime_detector_
    if getattr(detector, "clock_", "") == "row numbers":
        last = int(detector.past_times_[-1])
        return X.set_axis(pd.RangeIndex(last + 1, last + 1 + len(X)), axis=0)
    return X.set_axis(in_kind(times, ensemble.trained_until_), axis=0)


def regimes_of(regimes: Any, n_rows: int) -> Any:
    """Regimes of the rows; of a single row a label is enough."""
    single = isinstance(regimes, str) or not hasattr(regimes, "__len__")
    return [regimes] if regimes is not None and single and n_rows == 1 else regimes


def column_of(values: Any, ids: Any, n_rows: int, name: str) -> Sequence[Any]:
    """One value for each id; a single id has a single value."""
    if values is None:
        return [None] * n_rows
    if not are_many(ids):
        return [values]
    if not are_many(values) or len(values) != n_rows:
        raise ValueError(f"{name} must hold one value for each of the {n_rows} ids; got {shown(values)}.")
    return list(values)


def checked_outcome(who: str, layout: Layout, said: Said, y: Any) -> tuple[Any, float]:
    """An outcome as the journal keeps it, and what it cost."""
    if isinstance(y, (np.ndarray, pd.Series)) and y.shape == (1,):
        y = y.tolist()[0]
    y = y.item() if isinstance(y, np.generic) else y
    if not isinstance(y, (str, int, float)):
        raise ValueError(f"y of feedback must be one number or class for {shown(said.id)}; got {shown(y)}.")
    given = y
    (combined,) = np.frombuffer(said.said, dtype="<f8")[None, : 1 if layout.classes is None else len(layout.classes)]
    if layout.classes is None:
        try:
            y = float("nan") if isinstance(y, str) else float(y)
        except OverflowError:
            y = float("inf")
        if not np.isfinite(y):
            raise ValueError(f"y of feedback must be a finite number for {who}; got {shown(given)}.")
        targets = np.full((1, 1), y)
    else:
        known = [label for label in layout.classes if label == y and isinstance(label, str) == isinstance(y, str)]
        if not known:
            raise ValueError(
                f"y of feedback must be one of the classes that {who} knew when it said {shown(said.id)}, "
                f"{shown(list(layout.classes))}; got {shown(y)}."
            )
        y = known[0]
        targets = np.eye(len(layout.classes))[[layout.classes.index(y)]]
    with np.errstate(over="ignore"):
        return y, float(min(loss_of(targets, combined[None])[0], np.finfo(float).max))


def checked_trade(ensemble: RegimeAwareEnsemble, won: Any, profit_bps: Any) -> tuple[int | None, float | None]:
    """A trade as the journal keeps it."""
    combiner = copy(ensemble.combiner_)
    n_models, n_regimes = len(ensemble.model_names_), len(ensemble.regimes_)
    in_bps = getattr(combiner, "trades_", None) is not None
    read = check_trades([trade(won, profit_bps, None)], ensemble.model_names_, ensemble.regimes_, in_bps=in_bps)
    if not combiner.follow_trades(np.empty((0, n_models)), np.empty((0, n_regimes)), np.empty(0)):
        warnings.warn(
            f"{type(combiner).__name__} of {type(ensemble).__name__} has no weights that trades could move: only the "
            f"ledger moves. combiner='dynamic' follows trades.",
            UserWarning,
            stacklevel=4,
        )
    profit = None if profit_bps is None else float(read.profits_bps[0])
    return None if won is None else int(bool(won)), profit

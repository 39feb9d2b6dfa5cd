"""What is handed to a live ensemble beside rows: read or refused with a sentence, and nothing here knows a journal."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import pandas as pd
from sklearn.base import is_classifier, is_regressor
from sklearn.utils.validation import check_is_fitted

from skensemble._base import RegimeAwareEnsemble
from skensemble._checks import shown
from skensemble.live._rows import are_many, in_kind

__all__ = ["check_succession", "checked_ensemble", "column_of", "in_time", "length_of_time", "regimes_of"]


def checked_ensemble(ensemble: Any, owner: str) -> RegimeAwareEnsemble:
    """Refuse what is no fitted ensemble, or has classes that a journal does not keep."""
    if not isinstance(ensemble, RegimeAwareEnsemble):
        raise ValueError(
            f"{owner} needs a fitted RegimeAwareEnsembleRegressor or RegimeAwareEnsembleClassifier (of a Pipeline its "
            f"last step); got {shown(ensemble)}."
        )
    check_is_fitted(ensemble, "combiner_")
    assert is_classifier(ensemble) or is_regressor(ensemble)
    strange = [label for label in _classes(ensemble) if not isinstance(label, (str, int, float))]
    if strange:
        raise ValueError(f"{owner} needs classes that are texts or numbers; got the class {shown(strange[0])}.")
    return ensemble


def check_succession(now: RegimeAwareEnsemble, fitted: RegimeAwareEnsemble) -> None:
    """Refuse an ensemble that is to take over, but cannot learn from what the one before waits for."""
    if is_classifier(now) != is_classifier(fitted):
        raise ValueError(
            f"LiveEnsemble.adopt needs an ensemble of the same task: {type(now).__name__} is live, got "
            f"{type(fitted).__name__}."
        )
    before, after = _classes(now), _classes(fitted)
    gone = set(before) - set(after)
    if gone:
        raise ValueError(
            f"LiveEnsemble.adopt needs an ensemble that knows the classes of the one before; got one that has never "
            f"seen {shown(sorted(gone))}, of which outcomes may still come. Fit it on rows of these, too."
        )
    if before != after:
        warnings.warn(
            f"The classes were {shown(before)} and are {shown(after)} now: what was learned of the other classes means "
            f"nothing here, so ledger and weights go on from those of the new ensemble.",
            UserWarning,
            stacklevel=3,
        )


def _classes(ensemble: RegimeAwareEnsemble) -> list[Any]:
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

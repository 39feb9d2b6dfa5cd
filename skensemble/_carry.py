"""What a retrained ensemble keeps of the one before: whose record, in which regimes, and which rows it knows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from skensemble._certainty import Certainty
from skensemble.combiners import Combiner
from skensemble.intervals import ProbabilityCalibration
from skensemble.performance import Ledger
from skensemble.regimes import joined_names

__all__ = [
    "Carried",
    "best_models",
    "carry",
    "definition",
    "folds_with_news",
    "idle_after",
    "latest",
    "resting_models",
    "transplanted",
    "unknown_rows",
]

_KEPT_OF_ANOTHER_DEFINITION = 0.5
_DEGRADED = 1.25
_NOT_PART_OF_A_DEFINITION = ("random_state", "n_jobs", "verbose")


@dataclass(frozen=True, eq=False)
class Carried:
    """The past, laid out for the models and regimes of today.

    Parameters
    ----------
    ledger : Ledger
        The record with today's models and regimes.
    by_group : Ledger or None
        The record of each group with today's models.
    certainty : Certainty
        How sure it may be, in today's regimes.
    combiner : Combiner or None
        A combiner that goes on from what the one before had learned; ``None`` where it cannot.
    calibration : ProbabilityCalibration or None
        What was learned of how sharp the combiner is; ``None`` where that was not asked, or it starts anew.
    known : ndarray of shape (n_models,)
        Which models were there before.
    idle : ndarray of shape (n_models,)
        For how many outcomes in a row each has carried next to nothing.
    records : dict of str to str
        For each model what became of its record: ``"kept"``, ``"discounted"`` or ``"new"``.
    """

    ledger: Ledger
    by_group: Ledger | None
    certainty: Certainty
    combiner: Combiner | None
    calibration: ProbabilityCalibration | None
    known: NDArray[np.bool_]
    idle: NDArray[np.intp]
    records: dict[str, str]


def carry(
    past: Mapping[str, Any],
    combiner: Combiner,
    definitions: Mapping[str, str],
    regimes: Sequence[Hashable],
    n_outputs: int,
) -> Carried:
    """Bring ledger and combiner of the ensemble before to the models and regimes of today.

    Parameters
    ----------
    past : mapping of str to object
        Attributes of the ensemble before.
    combiner : Combiner
        The combiner of today, not fitted.
    definitions : mapping of str to str
        Definition of each model today. The record of a model whose definition has changed counts half.
    regimes : sequence of hashable
        Regimes of today.
    n_outputs : int
        1 for numbers, the number of classes otherwise.

    Returns
    -------
    Carried
        New objects; those of before stay as they are.
    """
    ledger, definitions_before = past["ledger_"], past["_definitions"]
    before = list(definitions_before)
    source = np.array([before.index(name) if name in before else -1 for name in definitions], dtype=np.intp)
    changed = [name for name in definitions if definitions_before.get(name, definitions[name]) != definitions[name]]
    keep = np.array([_KEPT_OF_ANOTHER_DEFINITION if name in changed else 1.0 for name in definitions])
    old_regimes = list(ledger.regimes)
    regime_source = np.array([old_regimes.index(r) if r in old_regimes else -1 for r in regimes], dtype=np.intp)

    def moved(record: Ledger, names: Sequence[Hashable]) -> Ledger:
        return record.reindexed(list(definitions), names).discounted(changed, _KEPT_OF_ANOTHER_DEFINITION)

    by_group = past["group_ledger_"]
    resumed = combiner.resume(past["combiner_"], source, regime_source, keep, n_outputs)
    idle = np.where(source >= 0, past["_idle"][source], 0)
    records = {
        name: "new" if name not in before else "discounted" if name in changed else "kept" for name in definitions
    }
    return Carried(
        moved(ledger, regimes),
        None if by_group is None else moved(by_group, by_group.regimes),
        past["_certainty"].reindexed(regime_source.tolist()),
        combiner if resumed else None,
        past["calibration_"] if resumed else None,
        source >= 0,
        idle,
        records,
    )


def transplanted(past: Mapping[str, Any], fitted: Mapping[str, Any]) -> dict[str, Any]:
    """Give an ensemble that was fitted by itself the record of the one that it takes over from.

    Ledger, weights and certainty go on as they stand: what the new one has learned out of fold counts for the models
    that the one before did not have, and for a combiner that cannot go on from what was learned before.

    Parameters
    ----------
    past : mapping of str to object
        Attributes of the ensemble before.
    fitted : mapping of str to object
        Attributes of the new one.

    Returns
    -------
    dict of str to object
        Attributes that the new one has from now on; nothing given is changed.
    """
    definitions, n_outputs = fitted["_definitions"], fitted["out_of_fold_"].targets.shape[1]
    names = joined_names(past["regimes_"], fitted["regimes_"])
    carried = carry(past, clone(fitted["combiner_"]), definitions, names, n_outputs)
    taught = _with_regimes(fitted, names, n_outputs)
    if carried.combiner is None and taught is None:
        # A combiner that knows nothing of the regimes before answers in its own.
        names, taught = fitted["regimes_"], fitted["combiner_"]
        carried = carry(past, clone(taught), definitions, names, n_outputs)
    if carried.combiner is not None and taught is not None and not carried.known.all():
        carried.combiner.welcome(~carried.known, taught)
    same = carried.certainty.bounds.coverages == fitted["_certainty"].bounds.coverages
    own = [_place(name, fitted["regimes_"]) for name in names]
    return {
        "combiner_": taught if carried.combiner is None else carried.combiner,
        "calibration_": fitted["calibration_"] and (carried.calibration or fitted["calibration_"]),
        "ledger_": carried.ledger,
        "group_ledger_": carried.by_group,
        "learned_until_": _in_the_zone_of(fitted["trained_until_"], past["learned_until_"]),
        "_certainty": carried.certainty if same else fitted["_certainty"].reindexed(own),
        "_moments": _moments_of(past["_moments"], past["regimes_"], names),
        "_group_moments": past["_group_moments"],
        "_idle": carried.idle,
        "_sides": past["_sides"] if fitted["_sides"] is None else fitted["_sides"],
        "regimes_": names,
        "records_": carried.records,
    }


def _with_regimes(fitted: Mapping[str, Any], names: Sequence[Hashable], n_outputs: int) -> Combiner | None:
    """What a combiner has learned, laid out for more regimes; None where it cannot be."""
    if tuple(names) == tuple(fitted["regimes_"]):
        return fitted["combiner_"]
    combiner = clone(fitted["combiner_"])
    n_models = len(fitted["_definitions"])
    places = np.array([_place(name, fitted["regimes_"]) for name in names], dtype=np.intp)
    resumed = combiner.resume(fitted["combiner_"], np.arange(n_models), places, np.ones(n_models), n_outputs)
    return combiner if resumed else None


def _place(name: Hashable, names: Sequence[Hashable]) -> int:
    return list(names).index(name) if name in names else -1


def _moments_of(
    moments: NDArray[np.float64] | None, before: Sequence[Hashable], names: Sequence[Hashable]
) -> NDArray[np.float64] | None:
    """Sums of what came true, in the order of other regimes; those without any have not happened yet."""
    if moments is None:
        return None
    found = np.vstack([np.zeros((3, 1 + len(names))), np.full(1 + len(names), moments[3, 0])])
    for column, place in enumerate([0, *(1 + _place(name, before) for name in names)]):
        if column == 0 or 0 < place < moments.shape[1]:
            found[:, column] = moments[:, place]
    return found


def _in_the_zone_of(example: pd.Timestamp | None, moment: pd.Timestamp | None) -> pd.Timestamp | None:
    """Tell a time with or without a time zone, as another one is told; without one it is UTC."""
    if example is None or moment is None or (example.tzinfo is None) == (moment.tzinfo is None):
        return moment
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC").tz_localize(None)


def folds_with_news(
    splits: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]],
    past: Mapping[str, Any],
    combiner: Combiner,
    definitions: Mapping[str, str],
    n_outputs: int,
    times: pd.DatetimeIndex | None,
) -> Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Leave out the folds that would tell nothing new: a retrain then costs little more than its fit on all rows.

    Parameters
    ----------
    splits : sequence of (train, test)
        Row numbers of the folds.
    past : mapping of str to object
        Attributes of the ensemble before.
    combiner : Combiner
        The combiner of today, not fitted.
    definitions : mapping of str to str
        Definition of each model today.
    n_outputs : int
        1 for numbers, the number of classes otherwise.
    times : DatetimeIndex or None
        Times of the rows.

    Returns
    -------
    sequence of (train, test)
        All of them where a model is new, or the combiner cannot go on from what was learned before; otherwise those
        that test rows which nobody has learned from yet.
    """
    if not past or past["out_of_fold_"].targets.shape[1] != n_outputs:
        return splits
    carried = carry(past, clone(combiner), definitions, past["regimes_"], n_outputs)
    if carried.combiner is None or not carried.known.all():
        return splits
    return [fold for fold in splits if unknown_rows(times, fold[1], past["learned_until_"]).any()]


def definition(model: Any) -> str:
    """Say what a model is: its kind and its parameters, but for seeds, threads and chatter.

    Parameters
    ----------
    model : estimator
        The model.

    Returns
    -------
    str
        The same for two models that would learn the same.
    """
    parts = [type(model).__qualname__]
    for name, value in sorted(model.get_params(deep=True).items()):
        if name.rpartition("__")[2] not in _NOT_PART_OF_A_DEFINITION:
            bare = value.item() if isinstance(value, np.generic) else value
            parts.append(f"{name}={bare!r}" if _is_plain(bare) else f"{name}:{type(bare).__qualname__}")
    return ", ".join(parts)


def _is_plain(value: Any) -> bool:
    """Whether the text of a value says all about it; parameters of models inside are listed by themselves."""
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (str, int, float, bool))


def unknown_rows(times: pd.DatetimeIndex | None, rows: NDArray[np.intp], learned_until: Any) -> NDArray[np.bool_]:
    """Which rows of a retrain have outcomes that nobody has learned from yet: those later than the last one learned.

    Parameters
    ----------
    times : DatetimeIndex or None
        Times of all rows.
    rows : ndarray of shape (n_rows,)
        Rows with an out-of-fold prediction.
    learned_until : Timestamp or None
        Time of the last row learned from.

    Returns
    -------
    ndarray of shape (n_rows,)
        All False without times: then nobody can tell, and outcomes are left to ``partial_update``.
    """
    if times is None or learned_until is None:
        return np.zeros(len(rows), dtype=bool)
    _check_zone(learned_until, times)
    return np.asarray(times[rows] > learned_until)


def idle_after(idle: NDArray[np.intp], weights: NDArray[np.float64], min_weight: float) -> NDArray[np.intp]:
    """For how many outcomes in a row each model has carried less than ``min_weight``.

    Parameters
    ----------
    idle : ndarray of shape (n_models,)
        The count before.
    weights : ndarray of shape (n_samples, n_models)
        Weights behind further outcomes, in time order.
    min_weight : float
        The least weight that counts as work.

    Returns
    -------
    ndarray of shape (n_models,)
        The count after.
    """
    if not len(weights):
        return idle
    working = weights >= min_weight
    last = np.where(working.any(axis=0), len(weights) - 1 - np.argmax(working[::-1], axis=0), -1)
    return np.where(last >= 0, len(weights) - 1 - last, idle + len(weights)).astype(np.intp)


def latest(learned_until: Any, times: pd.DatetimeIndex | None) -> Any:
    """The later of the last time learned from and the last time of these rows.

    Parameters
    ----------
    learned_until : Timestamp or None
        Time of the last row learned from so far.
    times : DatetimeIndex or None
        Times of the rows that are learned from now.

    Returns
    -------
    Timestamp or None
        ``None`` as long as no row had a time.
    """
    if times is None or not len(times):
        return learned_until
    if learned_until is None:
        return times.max()
    _check_zone(learned_until, times)
    return max(learned_until, times.max())


def resting_models(
    past: Mapping[str, Any], names: Sequence[str], rest_after: int, max_models: int | None
) -> frozenset[str]:
    """Which models are not worth fitting again: long idle, or not among the best of late; none where things got worse.

    Parameters
    ----------
    past : mapping of str to object
        Attributes of the ensemble before; empty for a fit from nothing, in which nobody rests.
    names : sequence of str
        Models of today.
    rest_after : int
        Outcomes without work after which a model rests.
    max_models : int or None
        The most models to keep at work.

    Returns
    -------
    frozenset of str
        Never all of them, and never a model that was not there before.
    """
    if not past or _degraded(past["ledger_"]):
        return frozenset()
    before = list(past["_definitions"])
    resting = {name for name, count in zip(before, past["_idle"], strict=True) if count >= rest_after}
    frame = past["ledger_"].frame()
    recent = frame[(frame["window"] == "recent") & (frame["regime"] == "pooled")].set_index("performer")["loss"]
    resting |= set(before) - set(best_models(before, recent[before].to_numpy(), max_models))
    return frozenset(resting & set(names)) if set(names) - resting else frozenset()


def best_models(names: Sequence[str], losses: NDArray[np.float64], max_models: int | None) -> tuple[str, ...]:
    """The models with the lowest losses, in their given order.

    Parameters
    ----------
    names : sequence of str
        All models.
    losses : ndarray of shape (n_models,)
        Mean loss of each on the latest outcomes; NaN comes last.
    max_models : int or None
        How many; ``None`` takes all.

    Returns
    -------
    tuple of str
        The best ones.
    """
    if max_models is None:
        return tuple(names)
    best = set(np.argsort(losses, kind="stable")[:max_models].tolist())
    return tuple(name for k, name in enumerate(names) if k in best)


def _check_zone(learned_until: pd.Timestamp, times: pd.DatetimeIndex) -> None:
    """Refuse times that cannot be compared with those learned from."""
    if (learned_until.tzinfo is None) != (times.tz is None):
        kinds = ("without", "with") if learned_until.tzinfo is None else ("with", "without")
        raise ValueError(
            f"Rows were learned from until {learned_until}, {kinds[0]} a time zone; got rows {kinds[1]} one, the first "
            f"of {times[0]}. Give all times in one kind."
        )


def _degraded(ledger: Ledger) -> bool:
    """Whether the ensemble's recent loss is a quarter above that of its lifetime."""
    frame = ledger.frame()
    own = frame[(frame["performer"] == "ensemble") & (frame["regime"] == "pooled")].set_index("window")["loss"]
    return bool(own["recent"] > _DEGRADED * own["lifetime"])

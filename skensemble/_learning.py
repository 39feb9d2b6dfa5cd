"""What the out-of-fold rows teach combiner and ledger, beside what was learned before where that is to survive."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from skensemble._carry import Carried, best_models, carry, definition, idle_after, latest, unknown_rows
from skensemble._certainty import Certainty, probable
from skensemble._compat import take_rows
from skensemble._feedback import (
    Outcomes,
    certainty_after,
    class_sides,
    figures_after,
    inferred_frequency,
    inferred_overlap,
)
from skensemble._training import AsleepModel, OutOfFold, Training
from skensemble.combiners import Combiner, awake_models, default_loss
from skensemble.intervals import ProbabilityCalibration
from skensemble.performance import Ledger
from skensemble.splits import n_outcomes_known

__all__ = ["learned"]

Array = NDArray[np.float64]


def learned(
    training: Training,
    combiner: Combiner,
    models: Sequence[tuple[str, Any]],
    regimes: tuple[Hashable, ...],
    X: Any,
    targets: Array,
    memberships: Array,
    counted: Array,
    *,
    n_excluded: int,
    times: pd.DatetimeIndex | None,
    past: Mapping[str, Any],
    returns: Array | None,
    groups: NDArray[Any] | None,
    label_horizon: Any,
    lookback: int,
    min_weight: float,
    max_models: int | None,
    calibrate: bool,
    unknown: Certainty,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """Fit the combiner and write the ledger.

    Parameters
    ----------
    training : Training
        What the models predicted out of fold.
    combiner : Combiner
        Not fitted; it is fitted here.
    models : sequence of (str, estimator)
        The models, not fitted.
    regimes : tuple of hashable
        Names of the regimes.
    X : array-like of shape (n_samples, n_features)
        Features.
    targets : ndarray of shape (n_samples, n_outputs)
        What came true.
    memberships : ndarray of shape (n_samples, n_regimes)
        Memberships as they were known at each row.
    counted : ndarray of shape (n_samples,)
        How much each row counts.
    n_excluded : int
        Rows that no fold predicts.
    times : DatetimeIndex or None
        Times of the rows, of X or else of y.
    past : mapping of str to object
        Attributes of the ensemble before, whose record is to survive; empty for a fit from nothing.
    returns : ndarray of shape (n_samples,) or None
        Returns of a long position.
    groups : ndarray of shape (n_samples,) or None
        Whose row each is.
    label_horizon : int, str, timedelta or pandas offset
        How long after its row a label is known.
    lookback : int
        Outcomes that models are compared on.
    min_weight : float
        The least weight that counts as work.
    max_models : int or None
        How many models to keep at work: those of lowest loss on the last ``lookback`` out-of-fold rows. The record of
        each fold is that of the best ones of the folds before.
    calibrate : bool
        Whether combined probabilities are calibrated where that pays.
    unknown : Certainty
        How sure it may be that has learned nothing, for the regimes and coverages of today.
    options : mapping of str to object
        How a new record counts: ``lookback`` and ``periods_per_year`` (``None`` reads it off the times).

    Returns
    -------
    dict of str to object
        Fitted attributes by name.
    """
    rows = np.flatnonzero(awake_models(training.predictions).any(axis=1))
    _warn_without_times(past, times)
    known_then = n_outcomes_known(rows, n_samples=len(targets), times=times, label_horizon=label_horizon)
    record = Outcomes(
        said=training.predictions[rows],
        targets=targets[rows],
        memberships=memberships[rows],
        counted=counted[rows],
        features=take_rows(X, rows),
        returns=None if returns is None else returns[rows],
        groups=None if groups is None else groups[rows],
        known=known_then,
    )
    folds = training.folds[rows]
    definitions = {name: definition(model) for name, model in models}
    names = list(definitions)
    asleep = np.array([isinstance(model, AsleepModel) for model in training.estimators])
    losses = np.where(asleep, np.nan, _recent_losses(record, lookback))
    working = np.isin(names, best_models(names, losses, max_models))
    carried = _carried(past, combiner, definitions, regimes, targets.shape[1])

    # What would have been said with what was known then: by those at work then, without hindsight.
    untaught = clone(combiner)
    combined, weights = _said_forward(untaught, record, folds, lookback, max_models)
    fresh, heard = np.ones(len(rows), dtype=bool), record.said
    if carried is not None:
        # Rows that the models of before have learned from already are news to the new models only.
        fresh = unknown_rows(times, rows, past["learned_until_"])
        heard = np.where((fresh[:, None] | ~carried.known)[:, :, None], record.said, np.nan)
    judged = awake_models(heard).any(axis=1)
    news = replace(record, said=heard).those(judged)
    if carried is not None and carried.combiner is not None:
        now, trust = combiner.follow(
            news.said, news.targets, news.memberships, news.counted, known=news.known, features=news.features
        )
        combined[judged & fresh], weights[judged & fresh] = now[fresh[judged]], trust[fresh[judged]]
        if not carried.known.all():
            combiner.welcome(~carried.known, untaught)
    elif max_models is None:
        combiner = untaught
    else:
        at_work = np.where(working[:, None], record.said, np.nan)
        combiner.fit(at_work, record.targets, record.memberships, record.counted, features=record.features)

    calibration = None
    if calibrate:
        before = None if carried is None else carried.calibration
        combined, calibration = _calibrated(before, combined, record, folds, fresh)
    all_rows = np.arange(len(targets))
    known = n_outcomes_known(all_rows, n_samples=len(targets), times=times, label_horizon=label_horizon)
    overlap = inferred_overlap(known, times)
    sides = class_sides(targets, returns, counted, overlap)
    counts = judged & (record.counted > 0)
    figures = _figures_before(past, carried, names, regimes, times, overlap, options)
    outcomes = (replace(record, said=heard).those(counts), combined[counts], weights[counts])
    certainty = certainty_after(unknown if carried is None else carried.certainty, *outcomes, ~fresh[counts])
    if certainty.bounds.coverages != unknown.bounds.coverages:
        # What was tracked for other coverages says nothing of these; what the folds say tells all of them.
        every = record.counted > 0
        anew = certainty_after(unknown, record.those(every), combined[every], weights[every])
        certainty = replace(certainty, bounds=anew.bounds)
    figures = figures_after(figures, *outcomes, sides=sides, known=~fresh[counts])
    idle = np.zeros(len(names), dtype=np.intp) if carried is None else carried.idle
    until = None if times is None else times[counted > 0]
    return figures | {
        "_certainty": certainty,
        "model_names_": tuple(names),
        "regimes_": regimes,
        "combiner_": combiner,
        "calibration_": calibration,
        "selected_models_": tuple(
            name for name, works, sleeps in zip(names, working, asleep, strict=True) if works and not sleeps
        ),
        "records_": dict.fromkeys(names, "new") if carried is None else carried.records,
        "out_of_fold_": OutOfFold(
            rows, folds, record.targets, record.said, record.memberships, record.counted, combined, weights, known_then
        ),
        "n_excluded_": n_excluded,
        "learned_until_": latest(None if carried is None else past["learned_until_"], until),
        "_definitions": definitions,
        "_sides": past.get("_sides") if sides is None else sides,
        "_idle": idle_after(idle, weights[fresh & (record.counted > 0)], min_weight),
    }


def _said_forward(
    combiner: Combiner, record: Outcomes, folds: NDArray[np.intp], lookback: int, max_models: int | None
) -> tuple[Array, Array]:
    """Fit the combiner, and work out what it would have said of each row with what was known before it."""
    if not len(record):
        return np.empty(record.targets.shape), np.empty(record.said.shape[:2])
    said = record.said
    if max_models is not None:
        said = np.where(_best_before(record, folds, lookback, max_models)[:, :, None], said, np.nan)
    return combiner.fit_forward(
        said,
        record.targets,
        record.memberships,
        record.counted,
        folds,
        known=record.known,
        features=record.features,
    )


def _calibrated(
    before: ProbabilityCalibration | None,
    combined: Array,
    record: Outcomes,
    folds: NDArray[np.intp],
    fresh: NDArray[np.bool_],
) -> tuple[Array, ProbabilityCalibration]:
    """Combined probabilities as they would have been said, and what is done to later ones."""

    def learned_by(calibration: ProbabilityCalibration, rows: NDArray[np.bool_]) -> tuple[Array, Any]:
        news = record.those(rows)
        said = probable(combined[rows])
        return calibration.learned_forward(said, news.targets, folds[rows], news.counted, known=news.known)

    said, calibration = learned_by(ProbabilityCalibration(record.targets.shape[1]), np.ones(len(record), dtype=bool))
    if before is not None:
        said[fresh], calibration = learned_by(before, fresh)
    return said, calibration


def _figures_before(
    past: Mapping[str, Any],
    carried: Carried | None,
    models: Sequence[str],
    regimes: tuple[Hashable, ...],
    times: pd.DatetimeIndex | None,
    overlap: float,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    """What has been counted so far: nothing, or what is carried over from the ensemble before."""
    if carried is not None:
        return {
            "ledger_": carried.ledger,
            "group_ledger_": carried.by_group,
            "_moments": past["_moments"],
            "_group_moments": past["_group_moments"],
        }
    frequency = options["periods_per_year"]
    frequency = inferred_frequency(times) if frequency is None else frequency
    return {
        "ledger_": Ledger(models, regimes, lookback=options["lookback"], periods_per_year=frequency, overlap=overlap),
        "group_ledger_": None,
        "_moments": None,
        "_group_moments": None,
    }


def _warn_without_times(past: Mapping[str, Any], times: pd.DatetimeIndex | None) -> None:
    if past and times is None:
        warnings.warn(
            "warm_start keeps the record as it is: without times nobody can tell which rows were learned from before. "
            "Give X or y a DatetimeIndex (in a Pipeline: set_output(transform='pandas')), or hand outcomes to "
            "partial_update.",
            UserWarning,
            stacklevel=5,
        )


def _carried(
    past: Mapping[str, Any],
    combiner: Combiner,
    definitions: Mapping[str, str],
    regimes: Sequence[Hashable],
    n_outputs: int,
) -> Carried | None:
    """The past laid out for today; None where there is none, or one of another task."""
    if not past or past["out_of_fold_"].targets.shape[1] != n_outputs:
        return None
    return carry(past, combiner, definitions, regimes, n_outputs)


def _best_before(record: Outcomes, folds: NDArray[np.intp], lookback: int, n_best: int) -> NDArray[np.bool_]:
    """Which models would have been at work on each row: the best on what was known before its fold."""
    assert record.known is not None
    every = list(map(str, range(record.said.shape[1])))
    working = np.ones(record.said.shape[:2], dtype=bool)
    for fold in np.unique(folds)[1:]:
        now = folds == fold
        past = (folds < fold) & (np.arange(len(record)) < record.known[now].min())
        if past.any():
            losses = _recent_losses(record.those(past), lookback)
            working[now] = np.isin(every, best_models(every, losses, n_best))
    # Somebody must answer where all of them sleep.
    awake = awake_models(record.said)
    return working | ~(working & awake).any(axis=1, keepdims=True)


def _recent_losses(record: Outcomes, lookback: int) -> Array:
    """Mean loss of each model on its last rows; NaN for one that said nothing."""
    losses = default_loss(record.targets.shape[1])(record.targets, record.said)
    means = np.full(record.said.shape[1], np.nan)
    for k, own in enumerate(losses.T):
        heard = np.flatnonzero(np.isfinite(own) & (record.counted > 0))[-lookback:]
        if len(heard):
            means[k] = np.average(own[heard], weights=record.counted[heard])
    return means

"""What the out-of-fold rows teach combiner and ledger, beside what was learned before where that is to survive."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from skensemble._carry import Carried, best_models, carry, definition, idle_after, latest, unknown_rows
from skensemble._compat import take_rows
from skensemble._feedback import Outcomes, class_sides, figures_after, inferred_frequency
from skensemble._training import AsleepModel, OutOfFold, Training
from skensemble.combiners import Combiner, default_loss
from skensemble.explanation import spread, spread_levels
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
    periods_per_year: float | None,
    min_weight: float,
    max_models: int | None,
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
        Outcomes in the ledger's recent window.
    periods_per_year : float or None
        Rows per year; ``None`` reads them off a DatetimeIndex.
    min_weight : float
        The least weight that counts as work.
    max_models : int or None
        How many models to keep at work: those of lowest loss on the last ``lookback`` out-of-fold rows. The record of
        each fold is that of the best ones of the folds before.

    Returns
    -------
    dict of str to object
        Fitted attributes by name.
    """
    rows = np.flatnonzero(np.isfinite(training.predictions).all(axis=2).any(axis=1))
    said, folds = training.predictions[rows], training.folds[rows]
    came, inside, counts = targets[rows], memberships[rows], counted[rows]
    features, index = take_rows(X, rows), times
    _warn_without_times(past, index)
    known = n_outcomes_known(rows, n_samples=len(targets), times=index, label_horizon=label_horizon)
    definitions = {name: definition(model) for name, model in models}
    names = list(definitions)
    carried = _carried(past, combiner, definitions, regimes, targets.shape[1])
    asleep = np.array([isinstance(model, AsleepModel) for model in training.estimators])
    losses = np.where(asleep, np.nan, _recent_losses(said, came, counts, lookback))
    working = np.isin(names, best_models(names, losses, max_models))

    # What would have been said with what was known then: by those at work then, without hindsight.
    untaught = clone(combiner)
    at_work = said
    if max_models is not None:
        best = _best_before(said, came, counts, folds, known, lookback, max_models)
        at_work = np.where(best[:, :, None], said, np.nan)
    combined, weights = np.empty(came.shape), np.empty(said.shape[:2])
    if len(rows):
        combined, weights = untaught.fit_forward(at_work, came, inside, counts, folds, known=known, features=features)

    fresh = np.ones(len(rows), dtype=bool)
    heard = said
    if carried is None:
        frequency = inferred_frequency(index) if periods_per_year is None else periods_per_year
        ledger = Ledger(names, regimes, lookback=lookback, periods_per_year=frequency)
        figures = {"ledger_": ledger, "group_ledger_": None, "_moments": None, "_group_moments": None}
        idle, until = np.zeros(len(names), dtype=np.intp), None
    else:
        figures = {"ledger_": carried.ledger, "group_ledger_": carried.by_group}
        figures |= {name: past[name] for name in ("_moments", "_group_moments")}
        idle, until = carried.idle, past["learned_until_"]
        # Rows that the models of before have learned from already are news to the new models only.
        fresh = unknown_rows(index, rows, until)
        heard = np.where((fresh[:, None] | ~carried.known)[:, :, None], said, np.nan)
    judged = np.isfinite(heard).all(axis=2).any(axis=1)
    if carried is not None and carried.combiner is not None:
        told = np.flatnonzero(judged)
        n_before = np.concatenate([[0], np.cumsum(judged)])[known[told]]
        now, trust = combiner.follow(
            heard[told], came[told], inside[told], counts[told], known=n_before, features=take_rows(features, told)
        )
        combined[told[fresh[told]]], weights[told[fresh[told]]] = now[fresh[told]], trust[fresh[told]]
        if not carried.known.all():
            combiner.welcome(~carried.known, untaught)
    elif max_models is None:
        combiner = untaught
    else:
        combiner.fit(np.where(working[:, None], said, np.nan), came, inside, counts, features=features)
    sides = class_sides(targets, returns, counted)
    judged &= counts > 0
    news = Outcomes(
        said=heard[judged],
        targets=came[judged],
        memberships=inside[judged],
        counted=counts[judged],
        returns=None if returns is None else returns[rows][judged],
        groups=None if groups is None else groups[rows][judged],
    )
    figures = figures_after(figures, news, combined[judged], weights[judged], sides=sides, known=~fresh[judged])
    new = fresh & (counts > 0)
    return figures | {
        "model_names_": tuple(names),
        "regimes_": regimes,
        "combiner_": combiner,
        "selected_models_": tuple(
            name for name, works, sleeps in zip(names, working, asleep, strict=True) if works and not sleeps
        ),
        "records_": dict.fromkeys(names, "new") if carried is None else carried.records,
        "out_of_fold_": OutOfFold(rows, folds, came, said, inside, counts, combined, weights),
        "n_excluded_": n_excluded,
        "learned_until_": latest(until, index[counted > 0] if isinstance(index, pd.DatetimeIndex) else None),
        "_definitions": definitions,
        "_sides": past.get("_sides") if sides is None else sides,
        "_idle": idle_after(idle, weights[new], min_weight),
        "_spread_levels": past["_spread_levels"]
        if past and not len(rows)
        else spread_levels(spread(said, weights, combined)[counts > 0]),
    }


def _warn_without_times(past: Mapping[str, Any], index: Any) -> None:
    if past and index is None:
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


def _best_before(
    said: Array,
    came: Array,
    counts: Array,
    folds: NDArray[np.intp],
    known: NDArray[np.intp],
    lookback: int,
    n_best: int,
) -> NDArray[np.bool_]:
    """Which models would have been at work on each row: the best on what was known before its fold."""
    every = list(map(str, range(said.shape[1])))
    working = np.ones(said.shape[:2], dtype=bool)
    for fold in np.unique(folds)[1:]:
        now = folds == fold
        past = np.flatnonzero(folds < fold)
        past = past[past < known[now].min()]
        if len(past):
            losses = _recent_losses(said[past], came[past], counts[past], lookback)
            working[now] = np.isin(every, best_models(every, losses, n_best))
    # Somebody must answer where all of them sleep.
    awake = np.isfinite(said).all(axis=2)
    return working | ~(working & awake).any(axis=1, keepdims=True)


def _recent_losses(said: Array, came: Array, counts: Array, lookback: int) -> Array:
    """Mean loss of each model on its last rows; NaN for one that said nothing."""
    losses = default_loss(came.shape[1])(came, said)
    means = np.full(said.shape[1], np.nan)
    for k, own in enumerate(losses.T):
        heard = np.flatnonzero(np.isfinite(own) & (counts > 0))[-lookback:]
        if len(heard):
            means[k] = np.average(own[heard], weights=counts[heard])
    return means

"""What the out-of-fold rows teach combiner and ledger, beside what was learned before where that is to survive."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skensemble._carry import Carried, best_models, carry, definition, idle_after, unknown_rows
from skensemble._compat import take_rows
from skensemble._feedback import class_sides, inferred_frequency, outcome_moments, recorded
from skensemble._training import AsleepModel, OutOfFold, Training
from skensemble.combiners import Combiner, default_loss
from skensemble.explanation import spread, spread_levels
from skensemble.performance import Ledger

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
    past: Mapping[str, Any],
    returns: Array | None,
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
    past : mapping of str to object
        Attributes of the ensemble before, whose record is to survive; empty for a fit from nothing.
    returns : ndarray of shape (n_samples,) or None
        Returns of a long position.
    lookback : int
        Outcomes in the ledger's recent window.
    periods_per_year : float or None
        Rows per year; ``None`` reads them off a DatetimeIndex.
    min_weight : float
        The least weight that counts as work.
    max_models : int or None
        How many models to keep at work: those of lowest loss on the last ``lookback`` out-of-fold rows.

    Returns
    -------
    dict of str to object
        Fitted attributes by name.
    """
    rows = np.flatnonzero(np.isfinite(training.predictions).all(axis=2).any(axis=1))
    said, folds = training.predictions[rows], training.folds[rows]
    came, inside, counts = targets[rows], memberships[rows], counted[rows]
    features, index = take_rows(X, rows), getattr(X, "index", None)
    definitions = {name: definition(model) for name, model in models}
    carried = _carried(past, combiner, definitions, regimes, targets.shape[1])
    selected = best_models(list(definitions), _recent_losses(said, came, counts, lookback), max_models)
    working = np.array([name in selected for name in definitions])
    heard, fresh = said, np.ones(len(rows), dtype=bool)
    if carried is None:
        frequency = inferred_frequency(index) if periods_per_year is None else periods_per_year
        ledger = Ledger(list(definitions), regimes, lookback=lookback, periods_per_year=frequency)
    else:
        ledger = carried.ledger
        # Rows that the models of before have learned from already are news to the new models only.
        fresh = unknown_rows(index, rows, past["learned_until_"])
        heard = np.where((fresh[:, None] | ~carried.known)[:, :, None], said, np.nan)
    if carried is None or carried.combiner is None:
        at_work = np.where(working[:, None], said, np.nan)
        combined, weights = combiner.fit_forward(at_work, came, inside, counts, folds, features=features)
    else:
        combined, weights = combiner.follow(heard, came, inside, counts, features=features)
        old = np.flatnonzero(~fresh)
        combined[old] = combiner.combine(said[old], inside[old], features=take_rows(features, old))
        weights[old] = combiner.weights(said[old], inside[old])
    sides = class_sides(targets, returns, counted)
    own_returns = None if returns is None else returns[rows]
    judged = np.isfinite(heard).all(axis=2).any(axis=1)
    ledger = recorded(
        ledger,
        heard[judged],
        combined[judged],
        weights[judged],
        came[judged],
        inside[judged],
        counts[judged],
        returns=None if own_returns is None else own_returns[judged],
        sides=sides,
        known=~fresh[judged],
    )
    return {
        "model_names_": tuple(definitions),
        "regimes_": regimes,
        "combiner_": combiner,
        "ledger_": ledger,
        "selected_models_": tuple(
            name
            for name, works, model in zip(definitions, working, training.estimators, strict=True)
            if works and not isinstance(model, AsleepModel)
        ),
        "records_": dict.fromkeys(definitions, "new") if carried is None else carried.records,
        "out_of_fold_": OutOfFold(rows, folds, came, said, inside, counts, combined, weights),
        "n_excluded_": len(targets) - len(rows),
        "learned_until_": index[-1] if isinstance(index, pd.DatetimeIndex) else None,
        "_definitions": definitions,
        "_sides": sides,
        "_moments": outcome_moments(None, came, inside, counts),
        "_idle": idle_after(np.zeros(len(definitions), dtype=np.intp), weights, min_weight),
        "_spread_levels": spread_levels(spread(said, weights, combined)[counts > 0]),
    }


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
    return carry(past["ledger_"], past["combiner_"], combiner, past["_definitions"], definitions, regimes, n_outputs)


def _recent_losses(said: Array, came: Array, counts: Array, lookback: int) -> Array:
    """Mean loss of each model on its last rows; NaN for one that said nothing."""
    losses = default_loss(came.shape[1])(came, said)
    means = np.full(said.shape[1], np.nan)
    for k, own in enumerate(losses.T):
        heard = np.flatnonzero(np.isfinite(own) & (counts > 0))[-lookback:]
        if len(heard):
            means[k] = np.average(own[heard], weights=counts[heard])
    return means

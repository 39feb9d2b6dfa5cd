"""What displays are made of: rows in time order, what an ensemble said of them, and what came true.

The one idea: a fitted estimator, a walk forward and a live journal publish the same of every row, so it is read into
one record, and a display is worked out once. The one rule: a rival that is chosen, is chosen by what was known then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skensemble._base import RegimeAwareEnsemble
from skensemble._checks import shown
from skensemble.combiners import awake_models, default_loss, equal_weights, weighted_mean
from skensemble.explanation import Explanation
from skensemble.performance import Ledger
from skensemble.splits import n_outcomes_known, times_of

__all__ = [
    "BEST",
    "EQUAL",
    "Judged",
    "ensemble_of",
    "explained",
    "judged_by_estimator",
    "judged_by_live",
    "judged_by_walk",
    "likeliest",
    "likeliest_places",
    "plain_rivals",
    "same_losses",
    "with_mean_one",
]

Array = NDArray[np.float64]

EQUAL, BEST = "equal weights", "best single"


@dataclass(frozen=True, eq=False)
class Judged:
    """What an ensemble and its models said of rows in time order, and what came true.

    Parameters
    ----------
    who : str
        Name of the ensemble.
    rows : str
        What the rows are, for titles.
    index : Index of length n_rows
        Times or labels.
    models : tuple of str
        Names of the models.
    said : ndarray of shape (n_rows, n_models, n_outputs)
        What each model said; NaN where it was asleep.
    combined : ndarray of shape (n_rows, n_outputs)
        What the ensemble said.
    weights : ndarray of shape (n_rows, n_models)
        The weights behind it.
    memberships : DataFrame of shape (n_rows, n_regimes)
        Regimes as they were known at each row.
    targets : ndarray of shape (n_rows, n_outputs) or None
        What came true, NaN where that is not known yet.
    losses : DataFrame of shape (n_rows, n_performers) or None
        Loss of each model, ``who``, equal weights and the best single model so far.
    loss : str
        What the losses are.
    sample_weight : ndarray of shape (n_rows,)
        How much each row counts, 1 on average over those that do.
    explanation : Explanation or None
        The same taken apart, where it was kept.
    moments : ndarray of int of shape (n_rows,)
        Number of the moment of each row, as far as times are known: rows of one timestamp have one.
    overlap : float
        How many rows in a row have outcomes that share one stretch of time.
    """

    who: str
    rows: str
    index: pd.Index[Any]
    models: tuple[str, ...]
    said: Array
    combined: Array
    weights: Array
    memberships: pd.DataFrame
    targets: Array | None
    losses: pd.DataFrame | None
    loss: str
    sample_weight: Array
    explanation: Explanation | None
    moments: NDArray[np.intp]
    overlap: float = 1.0


# A fitted estimator.


def ensemble_of(estimator: Any, owner: str) -> tuple[RegimeAwareEnsemble, Any]:
    """Return the fitted ensemble, and what stands before it in a Pipeline."""
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    if not isinstance(last, RegimeAwareEnsemble):
        raise ValueError(
            f"estimator of {owner}.from_estimator must be a RegimeAwareEnsembleRegressor or "
            f"RegimeAwareEnsembleClassifier, or a Pipeline that ends in one; got {shown(estimator)}."
        )
    check_is_fitted(last, "combiner_")
    front = estimator[:-1] if isinstance(estimator, Pipeline) and len(estimator.steps) > 1 else None
    return last, front


def explained(estimator: Any, X: Any, regimes: Any, owner: str) -> Explanation:
    """What the ensemble says of rows."""
    ensemble, front = ensemble_of(estimator, owner)
    return ensemble.explain(X if front is None else front.transform(X), regimes=regimes)


def judged_by_estimator(estimator: Any, X: Any, y: Any, regimes: Any, owner: str) -> Judged:
    """The out-of-fold rows of `fit`, or what the ensemble says of other rows as it stands."""
    ensemble, _ = ensemble_of(estimator, owner)
    if X is None:
        if y is not None or regimes is not None:
            raise ValueError(f"{owner}.from_estimator got y or regimes, but not their rows: pass X, too.")
        return _out_of_fold(ensemble)
    said = explained(estimator, X, regimes, owner)
    targets = None
    if y is not None:
        targets = _targets(np.asarray(y), said.classes, f"y of {owner}.from_estimator")
        if len(targets) != len(said):
            raise ValueError(f"y of {owner}.from_estimator has {len(targets)} outcomes for {len(said)} rows of X.")
    judged = _from_explanation("ensemble", said, targets)
    return _with_losses(judged, None if y is None else _known_before(ensemble, X, y), ensemble.ledger_)


def _known_before(ensemble: RegimeAwareEnsemble, X: Any, y: Any) -> NDArray[np.intp]:
    """For each row how many of those before it have an outcome by its time."""
    n_rows, times = len(np.asarray(y)), times_of(X, y)
    return n_outcomes_known(
        np.arange(n_rows), n_samples=n_rows, times=times, label_horizon=cast("Any", ensemble).label_horizon
    )


def _out_of_fold(ensemble: RegimeAwareEnsemble) -> Judged:
    record = ensemble.out_of_fold_
    index = pd.Index(record.rows)
    judged = Judged(
        who="ensemble",
        rows="out-of-fold rows",
        index=index,
        models=ensemble.model_names_,
        said=record.predictions,
        combined=record.combined,
        weights=record.weights,
        memberships=_memberships(record.memberships, ensemble.regimes_, index),
        targets=record.targets,
        losses=None,
        loss="",
        sample_weight=with_mean_one(record.sample_weight),
        explanation=None,
        moments=np.arange(len(record.rows)),
        overlap=ensemble.ledger_.overlap,
    )
    return _with_losses(judged, record.known, Ledger(ensemble.model_names_, []))


# A walk forward.


def judged_by_walk(walk: Any, rival: str | None, owner: str) -> Judged:
    """The judged rows, as one of the ensembles saw them."""
    if not hasattr(walk, "explanations") or not hasattr(walk, "losses"):
        raise ValueError(f"walk of {owner}.from_walk_forward must be what walk_forward returned; got {shown(walk)}.")
    known = list(walk.explanations)
    if not known:
        raise ValueError(f"{owner}.from_walk_forward needs an ensemble among the rivals; got {shown(walk.rivals)}.")
    rival = known[0] if rival is None else rival
    if rival not in known:
        raise ValueError(
            f"rival of {owner}.from_walk_forward must be one of the ensembles {shown(known)}; got {shown(rival)}."
        )
    said = walk.explanations[rival]
    targets = _targets(walk.outcome.to_numpy(), said.classes, f"outcomes of {owner}")
    judged = replace(
        _from_explanation(rival, said, targets),
        index=walk.predictions.index if walk.times is None else walk.times,
        sample_weight=with_mean_one(walk.sample_weight),
        loss=walk.loss,
        moments=walk.moments,
        overlap=walk.overlap,
    )
    names = plain_rivals(walk, rival)
    found = walk.losses[[rival, names[EQUAL], names[BEST]]].set_axis([rival, EQUAL, BEST], axis=1)
    found = found.set_axis(judged.index, axis=0)
    models = _member_losses(walk, rival, judged)
    return replace(
        judged,
        memberships=walk.memberships.set_axis(judged.index, axis=0),
        losses=found if models is None else pd.concat([models, found], axis=1),
    )


def plain_rivals(walk: Any, rival: str) -> dict[str, str]:
    """How the plain rivals of an ensemble, and its models alone, are called in a walk forward.

    Ensembles of the same models have them in common, under the name of the first of these.
    """
    said = walk.explanations[rival]
    own = next(name for name in walk.explanations if name == rival or _said_the_same(walk.explanations[name], said))
    own = rival if f"{EQUAL} of {rival}" in walk.losses else own
    suffix = f" of {own}" if f"{EQUAL} of {own}" in walk.losses else ""
    return {name: name + suffix for name in (EQUAL, BEST)} | {model: f"{model} alone{suffix}" for model in said.models}


def _said_the_same(first: Explanation, second: Explanation) -> bool:
    """Whether the same models said the same wherever both let them work."""
    if first.models != second.models:
        return False
    one, other = first.member_predictions, second.member_predictions
    return bool(np.array_equal(one, other, equal_nan=True) or ((one == other) | np.isnan(one) | np.isnan(other)).all())


def _member_losses(walk: Any, rival: str, judged: Judged) -> pd.DataFrame | None:
    """Losses of the models: as they were judged, or worked out where the loss is the one that serves by default."""
    names = plain_rivals(walk, rival)
    alone = [names[model] for model in judged.models]
    if all(name in walk.losses for name in alone):
        return walk.losses[alone].set_axis(list(judged.models), axis=1).set_axis(judged.index, axis=0)
    assert judged.targets is not None
    loss = default_loss(judged.targets.shape[1])
    own = loss(judged.targets, judged.combined[:, None, :])[:, 0]
    if not same_losses(own, walk.losses[rival].to_numpy(dtype=float)):
        return None
    return pd.DataFrame(loss(judged.targets, judged.said), index=judged.index, columns=list(judged.models))


def same_losses(ours: Array, theirs: Array) -> bool:
    """Whether two losses are one, however small the numbers are: squares of returns often are."""
    largest = np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0)
    return bool(np.allclose(ours, theirs, rtol=1e-6, atol=1e-9 * largest, equal_nan=True))


# A live process.


def judged_by_live(live: Any, owner: str) -> tuple[Judged, pd.DataFrame]:
    """All predictions of a journal by their times, with the journal's own table in the same order."""
    if not hasattr(live, "to_frame") or not hasattr(live, "explanation"):
        raise ValueError(f"live of {owner}.from_live must be a LiveEnsemble; got {shown(live)}.")
    said = live.explanation()
    frame = live.to_frame(clock=True).set_index("id").loc[said.index].reset_index(names="id")
    known = frame["y"].notna().to_numpy()
    targets = np.full(said.combined.shape, np.nan)
    if known.any():
        targets[known] = _targets(frame["y"].to_numpy()[known], said.classes, f"outcomes of {owner}")
    times = pd.DatetimeIndex(frame["at"])
    judged = replace(_from_explanation("live ensemble", said, targets), index=times, moments=_moments(times))
    # For rows of early journals, which do not tell who led: the record that it went live with, until more is known.
    before = live.fitted(int(frame["version"].min())).ledger_.reindexed(said.models, [])
    judged = _with_losses(judged, _heard_before(frame), before, said.best_so_far)
    judged = replace(judged, overlap=before.overlap)
    order = np.argsort(_ns(judged.index), kind="stable")
    return _those(judged, order), frame.iloc[order].reset_index(drop=True)


def _heard_before(frame: pd.DataFrame) -> NDArray[np.intp]:
    """For each prediction how many of the first ones had been answered when it was made."""
    # What was never answered is waited for by nobody.
    heard = np.where(frame["heard"].notna(), _ns(frame["heard"]), 0)
    complete = np.maximum.accumulate(heard)
    before = np.searchsorted(complete, _ns(frame["made"]), side="right")
    return np.maximum.accumulate(np.minimum(before, np.arange(len(frame))))


def _ns(times: Any) -> NDArray[np.int64]:
    return pd.DatetimeIndex(times).as_unit("ns").asi8


def _those(judged: Judged, order: NDArray[np.intp]) -> Judged:
    assert judged.targets is not None
    assert judged.losses is not None
    arrays = {name: getattr(judged, name)[order] for name in ("said", "combined", "weights", "targets", "moments")}
    said = None if judged.explanation is None else judged.explanation[order]
    return replace(
        judged,
        **arrays,
        index=judged.index[order],
        memberships=judged.memberships.iloc[order].set_axis(judged.index[order], axis=0),
        losses=judged.losses.iloc[order].set_axis(judged.index[order], axis=0),
        sample_weight=judged.sample_weight[order],
        explanation=said,
    )


# What they share.


def likeliest(memberships: pd.DataFrame) -> NDArray[Any]:
    """The likeliest regime of each row; ``None`` where it is unknown."""
    # The last name stands for an unknown regime.
    names = np.empty(memberships.shape[1] + 1, dtype=object)
    names[:-1] = list(memberships.columns)
    return names[likeliest_places(memberships)]


def likeliest_places(memberships: pd.DataFrame) -> NDArray[np.intp]:
    """The place of the likeliest regime of each row; one past the last where it is unknown."""
    shares = memberships.to_numpy(dtype=float)
    likeliest = np.column_stack([shares, np.zeros(len(shares))]).argmax(axis=1)
    return np.where(shares.sum(axis=1) > 0, likeliest, shares.shape[1])


def _from_explanation(who: str, said: Explanation, targets: Array | None) -> Judged:
    return Judged(
        who=who,
        rows="rows",
        index=said.index,
        models=said.models,
        said=said.member_predictions,
        combined=said.combined,
        weights=said.weights,
        memberships=_memberships(said.memberships, said.regimes, said.index),
        targets=targets,
        losses=None,
        loss="",
        sample_weight=np.ones(len(said)),
        explanation=said,
        moments=_moments(said.index),
    )


def _moments(index: pd.Index[Any]) -> NDArray[np.intp]:
    times = times_of(index)
    return np.arange(len(index)) if times is None else np.unique(times.asi8, return_inverse=True)[1]


def _memberships(shares: Array, regimes: Any, index: pd.Index[Any]) -> pd.DataFrame:
    return pd.DataFrame(shares, index=index, columns=pd.Index(list(regimes), dtype=object, tupleize_cols=False))


def with_mean_one(weight: Array) -> Array:
    """Of weights only the ratios matter."""
    return weight * ((weight > 0).sum() / max(weight.sum(), np.finfo(float).tiny))


def _targets(y: NDArray[Any], classes: Any, what: str) -> Array:
    """Outcomes as losses take them: one column of numbers, or one for each class."""
    if classes is None:
        return np.asarray(y, dtype=float).reshape(-1, 1)
    place = {label: number for number, label in enumerate(classes)}
    unknown = sorted({label for label in y.tolist() if label not in place}, key=str)
    if unknown:
        raise ValueError(f"{what} hold {shown(unknown)}, which are not among the classes {shown(list(classes))}.")
    return np.eye(len(classes))[[place[label] for label in y.tolist()]]


def _with_losses(judged: Judged, known: NDArray[np.intp] | None, ledger: Ledger, then: Array | None = None) -> Judged:
    """Add the losses of all, the best single model chosen for each row by the outcomes known before it, or ``then``."""
    if judged.targets is None:
        return judged
    loss = default_loss(judged.targets.shape[1])
    came, awake = np.isfinite(judged.targets).all(axis=1), awake_models(judged.said)
    of_models = loss(judged.targets, judged.said)
    # A row without an outcome counts nothing, but who is awake there may lead.
    heard = np.where(awake, np.where(came[:, None], of_models, 0.0), np.nan)
    leaders = ledger.leaders(heard, sample_weight=np.where(came, judged.sample_weight, 0.0), known=known)
    equal = np.where(awake.any(axis=1, keepdims=True), weighted_mean(equal_weights(awake), judged.said), np.nan)
    best = judged.said[np.arange(len(came)), leaders]
    if then is not None:
        best = np.where(np.isfinite(then), then, best)
    others = loss(judged.targets, np.stack([judged.combined, equal, best], axis=1))
    table = np.column_stack([of_models, others])
    columns = [*judged.models, judged.who, EQUAL, BEST]
    return replace(judged, losses=pd.DataFrame(table, index=judged.index, columns=columns), loss=type(loss).__name__)

"""Looking back on a journal: how another ensemble, or another rule, would have done on what has happened."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone

from skensemble._base import RegimeAwareEnsemble
from skensemble._certainty import probable
from skensemble._checks import LookAheadWarning, check_number, shown
from skensemble._feedback import Outcomes
from skensemble._parameters import COMBINERS
from skensemble.combiners import Combiner, default_loss
from skensemble.evaluation import Change, change_interval
from skensemble.explanation import Explanation, joined
from skensemble.live._journal import Entry, Journal, Said
from skensemble.live._prediction import Layout
from skensemble.live._rows import in_utc
from skensemble.live._views import features_of, said_before

__all__ = ["TakeoverRefusedError", "WhatIf", "judged", "loss_of", "what_if"]

Array = NDArray[np.float64]
Settled = Sequence[tuple[Entry, Said]]


class TakeoverRefusedError(RuntimeError):
    """An ensemble that was to take over did worse on the journal's rows than the one that is live, beyond chance."""


@dataclass(frozen=True, eq=False)
class WhatIf:
    """What another rule would have said of the rows of a journal.

    Parameters
    ----------
    frame : DataFrame
        One row for each outcome, in the order of their times: ``id``, ``at``, ``y``, ``loss`` (what was said) and
        ``other_loss`` (what would have been said).
    change : Change
        The other rule's loss relative to what was said, with its interval and a verdict.

    Examples
    --------
    >>> import pandas as pd
    >>> from skensemble.evaluation import Change
    >>> losses = pd.DataFrame({"loss": [2.0], "other_loss": [1.0]})
    >>> WhatIf(losses, Change(-0.5, -0.6, -0.4, "distinguishable: less loss"))
    1 outcomes: loss 1 in place of 2, change -50.0 % (-60.0 to -40.0): distinguishable: less loss
    """

    frame: pd.DataFrame
    change: Change

    def __repr__(self) -> str:
        mean = self.frame[["other_loss", "loss"]].mean()
        of = self.change
        return (
            f"{len(self.frame)} outcomes: loss {mean['other_loss']:.4g} in place of {mean['loss']:.4g}, change "
            f"{100 * of.change:+.1f} % ({100 * of.low:+.1f} to {100 * of.high:+.1f}): {of.verdict}"
        )


def loss_of(targets: Array, combined: Array) -> Array:
    """The loss by which an ensemble is judged, row by row."""
    return default_loss(targets.shape[1])(targets, combined[:, None, :])[:, 0]


def judged(
    candidate: RegimeAwareEnsemble, gate: int, journal: Journal, layouts: Mapping[int, Layout], *, keeps_values: bool
) -> Change:
    """Compare an ensemble that is to take over with what was said, and refuse it where it did worse beyond chance."""
    check_number(gate, "gate", "LiveEnsemble.adopt", low=1, integer=True)
    rows = [pair for pair in journal.settled(last=int(gate)) if pair[1].columns is not None]
    if not rows and not keeps_values:
        raise ValueError("gate of LiveEnsemble.adopt needs the rows: begin the journal with features='values'.")
    change = _compared(candidate, rows, layouts, journal.columns())
    if change.verdict == "distinguishable: more loss":
        raise TakeoverRefusedError(
            f"The new ensemble's loss on the latest rows is {100 * change.change:+.1f} % of the live one's (95 % "
            f"interval {100 * change.low:+.1f} to {100 * change.high:+.1f} %): it does not take over. adopt(ensemble) "
            f"without gate puts it in all the same."
        )
    return change


def _compared(
    candidate: RegimeAwareEnsemble, rows: Settled, layouts: Mapping[int, Layout], columns: Mapping[int, str]
) -> Change:
    """Compare an ensemble that is to take over with what was said, on rows that it was not trained on.

    It starts with what it has learned out of fold and learns from each outcome before the next row.
    """
    until = candidate.trained_until_
    if until is None:
        warnings.warn(
            "gate of LiveEnsemble.adopt cannot tell which rows of the journal the new ensemble was trained on, since "
            "it was fitted without times: on those it will look too good. Fit it on rows with a DatetimeIndex.",
            LookAheadWarning,
            stacklevel=4,
        )
    else:
        last = (until.tz_localize("UTC") if until.tzinfo is None else until).as_unit("ns").value
        rows = [pair for pair in rows if pair[1].at > last]
    losses: list[Array] = []
    for said, X, y, memberships in _blocks(rows, layouts, columns):
        regimes = memberships if candidate.regime_detector_ is None else None
        now = candidate.explain(X, regimes=regimes)
        targets = candidate._encoded_outcomes(y, len(said))
        news = Outcomes(now.member_predictions, targets, now.memberships, np.ones(len(y)), features=X)
        moved, combined, _ = candidate._moved(news)
        losses.append(loss_of(targets, combined))
        candidate = copy(candidate)
        candidate.__dict__.update(moved)
    if not losses:
        return Change(float("nan"), float("nan"), float("nan"), "too few rows")
    return change_interval(np.concatenate(losses), [entry.loss or 0.0 for entry, _ in rows])


def _blocks(rows: Settled, layouts: Mapping[int, Layout], columns: Mapping[int, str]) -> Any:
    """Runs of rows with the same columns and layout: what was said, features, outcomes and memberships."""
    start = 0
    while start < len(rows):
        kind = (rows[start][1].layout, rows[start][1].columns)
        stop = start
        while stop < len(rows) and (rows[stop][1].layout, rows[stop][1].columns) == kind:
            stop += 1
        said = [each for _, each in rows[start:stop]]
        (explained,) = said_before(said, layouts, [each.at for each in said])
        (X,) = features_of(said, columns)
        yield said, X, [entry.outcome for entry, _ in rows[start:stop]], _named(explained)
        start = stop


def _named(said: Explanation) -> pd.DataFrame | None:
    """Memberships by name, missing where the regime was not known; None where there are no regimes."""
    if not said.regimes:
        return None
    known = said.memberships.sum(axis=1, keepdims=True) > 0
    return pd.DataFrame(np.where(known, said.memberships, np.nan), columns=pd.Index(said.regimes, dtype=object))


def what_if(combiner: Any, first: RegimeAwareEnsemble, rows: Settled, layouts: Mapping[int, Layout]) -> WhatIf:
    """Replay what the models had said through another combiner, each row with the outcomes known at the time."""
    if isinstance(combiner, str) and combiner in COMBINERS:
        combiner = COMBINERS[combiner]()
    if not isinstance(combiner, Combiner):
        raise ValueError(
            f"combiner of LiveEnsemble.what_if must be one of {', '.join(map(repr, COMBINERS))} or a combiner such as "
            f"WeightedVoting(); got {shown(combiner)}."
        )
    if combiner.looks_at_features:
        raise ValueError("combiner of LiveEnsemble.what_if reads features (passthrough=True); a journal replays none.")
    if not rows:
        raise ValueError("LiveEnsemble.what_if needs outcomes; the journal holds none yet.")
    entries, predictions = [entry for entry, _ in rows], [said for _, said in rows]
    said = joined(said_before(predictions, layouts, [each.at for each in predictions]))
    y = [entry.outcome for entry in entries]
    targets = np.array(y, dtype=float)[:, None] if said.classes is None else _targets(y, said.classes)
    rule = clone(combiner)
    rule.fit(*_out_of_fold(first, said))
    known = _known(entries, predictions)
    combined, _ = rule.follow(said.member_predictions, targets, said.memberships, known=known)
    calibration = first.calibration_
    if calibration is not None and said.classes == tuple(first.classes_.tolist()):
        combined, _ = calibration.followed(probable(combined), targets, np.ones(len(rows)), known=known)
    loss, other = np.array([entry.loss for entry in entries], dtype=float), loss_of(targets, combined)
    frame = pd.DataFrame(
        {
            "id": [each.id for each in predictions],
            "at": in_utc([each.at for each in predictions]),
            "y": y,
            "loss": loss,
            "other_loss": other,
        }
    )
    return WhatIf(frame, change_interval(other, loss))


def _targets(y: Sequence[Any], classes: Sequence[Any]) -> Array:
    return np.eye(len(classes))[[list(classes).index(label) for label in y]]


def _out_of_fold(first: RegimeAwareEnsemble, said: Explanation) -> tuple[Array, Array, Array, Array]:
    """What the first ensemble of the journal had learned from, in the order of models, regimes and classes of all."""
    record = first.out_of_fold_
    n = len(record.targets)
    models = [said.models.index(name) for name in first.model_names_]
    regimes = [said.regimes.index(name) for name in first.regimes_]
    n_outputs = said.combined.shape[1]
    outputs = [0] if said.classes is None else [said.classes.index(label) for label in first.classes_.tolist()]
    predictions = np.full((n, len(said.models), n_outputs), np.nan)
    for k, place in enumerate(models):
        asleep = ~np.isfinite(record.predictions[:, k]).all(axis=1)
        predictions[:, place] = np.where(asleep[:, None], np.nan, 0.0)
        predictions[:, place, outputs] = record.predictions[:, k]
    targets, memberships = np.zeros((n, n_outputs)), np.zeros((n, len(said.regimes)))
    targets[:, outputs] = record.targets
    memberships[:, regimes] = record.memberships
    return predictions, targets, memberships, record.sample_weight


def _known(entries: Sequence[Entry], predictions: Sequence[Said]) -> NDArray[np.intp]:
    """How many of the first outcomes had all arrived when each prediction was made."""
    arrived = np.maximum.accumulate([entry.made for entry in entries])
    known = np.searchsorted(arrived, [said.made for said in predictions], side="left")
    known = np.minimum(known, np.arange(len(entries)))
    return np.minimum.accumulate(known[::-1])[::-1].astype(np.intp)

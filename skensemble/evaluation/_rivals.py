"""How a rival lives through the rows: it predicts, waits for outcomes, learns from them, and is retrained.

One rule: what is said of a row is made of rows and outcomes that were known at its time. Plain estimators know nothing
between two trainings; an ensemble takes every outcome back as it becomes known, with what it had said itself.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed

from skensemble._base import RegimeAwareEnsemble
from skensemble._carry import latest
from skensemble._compat import take_rows
from skensemble._feedback import Outcomes
from skensemble._inputs import labels_of_groups
from skensemble._progress import Progress
from skensemble._training import outputs, shared_training, weight_params
from skensemble.combiners import default_loss
from skensemble.evaluation._schedule import Period, Schedule
from skensemble.explanation import Explanation, joined, laid_out
from skensemble.models import label_encoded, needs_label_encoding

__all__ = ["Lived", "Stream", "ensemble_in", "live_ensembles", "live_plainly"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stream:
    """All rows, and what goes with them.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Features.
    y : array-like of shape (n_samples,)
        What came true.
    regimes, sample_weight, returns, groups : array-like or None
        As `walk_forward` takes them.
    """

    X: Any
    y: Any
    regimes: Any = None
    sample_weight: Any = None
    returns: Any = None
    groups: Any = None

    def rows(self, rows: slice) -> Stream:
        """Take a stretch of the rows."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{name: take_rows(value, rows) for name, value in values.items() if value is not None})

    def given(self, *names: str) -> dict[str, Any]:
        """What was given, by name."""
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}


@dataclass(frozen=True, eq=False)
class Lived:
    """What a rival said of the judged rows.

    Parameters
    ----------
    combined : ndarray of shape (n_judged, n_outputs)
        Numbers, or probabilities of the classes.
    estimator : estimator
        The rival as it stands in the end.
    explanation : Explanation or None
        What an ensemble said, taken apart; ``None`` for a plain estimator.
    best : ndarray of shape (n_judged, n_outputs) or None
        What that one of an ensemble's models said which had been best so far.
    """

    combined: Array
    estimator: Any
    explanation: Explanation | None = None
    best: Array | None = None


def ensemble_in(rival: Any) -> RegimeAwareEnsemble | None:
    """The ensemble that a rival is, or that stands at the end of a Pipeline; None for any other estimator."""
    last = rival.steps[-1][1] if isinstance(rival, Pipeline) else rival
    return last if isinstance(last, RegimeAwareEnsemble) else None


# Plain estimators: one training does not depend on another.


def live_plainly(
    rivals: Mapping[str, Any],
    stream: Stream,
    schedule: Schedule,
    classes: NDArray[Any] | None,
    *,
    n_jobs: int | None,
    progress: Mapping[str, Progress],
) -> dict[str, Lived]:
    """Train every rival for every period, side by side, and let it predict the period.

    Parameters
    ----------
    rivals : mapping of str to estimator
        Unfitted.
    stream : Stream
        The rows.
    schedule : Schedule
        When is trained on what.
    classes : ndarray of shape (n_classes,) or None
        All classes, sorted.
    n_jobs : int or None
        Trainings at a time, as joblib takes it.
    progress : mapping of str to Progress
        The task of each rival, with one part for each period.

    Returns
    -------
    dict of str to Lived
        What each said.
    """
    tasks = [
        (name, period, progress[name].part(f"period {number}", number))
        for name in rivals
        for number, period in enumerate(schedule.periods)
    ]
    done = Parallel(n_jobs=n_jobs, prefer="threads")(
        delayed(_trained_and_asked)(name, rivals[name], stream, period, classes, step) for name, period, step in tasks
    )
    n_periods = len(schedule.periods)
    lived = {}
    for place, name in enumerate(rivals):
        own = done[place * n_periods : (place + 1) * n_periods]
        lived[name] = Lived(np.concatenate([said for said, _ in own]), own[-1][1])
    return lived


def _trained_and_asked(
    name: str, rival: Any, stream: Stream, period: Period, classes: NDArray[Any] | None, step: Progress
) -> tuple[Array, Any]:
    model = clone(rival)
    model = label_encoded(model) if needs_label_encoding(model) else model
    past = stream.rows(period.train)
    params = {} if past.sample_weight is None else weight_params(model, past.sample_weight)
    with step.running(model):
        model.fit(past.X, past.y, **params)
    said = outputs(model, take_rows(stream.X, slice(period.start, period.stop)), classes)
    missing = np.flatnonzero(np.isnan(said).any(axis=1))
    if len(missing):
        raise ValueError(
            f"The rival {name!r} has no finite prediction for row {period.start + int(missing[0])}. Let it cope with "
            f"such rows, for example by a Pipeline with an imputer."
        )
    return said, model


# Ensembles: side by side through the same periods, so that equal trainings are made once.


def live_ensembles(
    rivals: Mapping[str, Any],
    stream: Stream,
    schedule: Schedule,
    classes: NDArray[Any] | None,
    *,
    progress: Mapping[str, Progress],
) -> dict[str, Lived]:
    """Let every ensemble predict, take outcomes back as they become known, and be retrained with its record kept.

    Parameters
    ----------
    rivals : mapping of str to estimator
        Unfitted ensembles, or Pipelines that end in one.
    stream : Stream
        The rows.
    schedule : Schedule
        When is trained on what, and which outcomes are known.
    classes : ndarray of shape (n_classes,) or None
        All classes, sorted.
    progress : mapping of str to Progress
        The task of each rival, with one part for each period.

    Returns
    -------
    dict of str to Lived
        What each said.
    """
    living = {name: _Living(rival, stream, schedule) for name, rival in rivals.items()}
    steps = {
        name: [progress[name].part(f"period {number}", number) for number in range(len(schedule.periods))]
        for name in rivals
    }
    for number, period in enumerate(schedule.periods):
        with shared_training():
            for name, each in living.items():
                each.retrain(period, steps[name][number])
        for each in living.values():
            each.live(period)
    return {name: each.lived(classes) for name, each in living.items()}


class _Living:
    """One ensemble on its way through the rows.

    These are the steps of a loop of ``explain``, ``partial_update(predictions=...)``, ``remember`` and ``fit``, but
    that the models are asked about a whole period at once, that nothing is checked twice, and that what is only counted
    is counted at the end of a period.
    """

    def __init__(self, rival: Any, stream: Stream, schedule: Schedule) -> None:
        self.stream, self.schedule = stream, schedule
        self.pipeline = clone(rival)
        ensemble: Any = ensemble_in(self.pipeline)
        self.ensemble = ensemble
        # The record survives every retrain.
        self.ensemble.set_params(warm_start=True)
        self.own_regimes = self.ensemble.regime_detector is not None
        self.outcomes = np.asarray(stream.y)
        self.weight = np.ones(len(self.outcomes)) if stream.sample_weight is None else stream.sample_weight
        self.groups = labels_of_groups(stream.groups, len(self.outcomes))
        index = getattr(stream.X, "index", None)
        self.index = index if isinstance(index, pd.Index) else pd.RangeIndex(len(self.outcomes))
        self.said: list[Explanation] = []
        self.leaders: list[NDArray[np.intp]] = []
        # What has been said and waits for its outcome, by first row; and the first row that waits.
        self.waiting: deque[tuple[int, Explanation]] = deque()
        self.pending = schedule.first
        # What has been learned from and waits to be counted.
        self.uncounted: list[tuple[Outcomes, Array, Array]] = []

    def retrain(self, period: Period, step: Progress) -> None:
        """Learn from all that is known when a period begins."""
        if self.said:
            self.hand_back(int(self.schedule.known[period.start]))
            self.count()
        past = self.stream.rows(period.train)
        names = ("sample_weight", "returns", "groups") + (() if self.own_regimes else ("regimes",))
        with step.running(self.ensemble), warnings.catch_warnings():
            # Every outcome is handed back here, so nothing is lost where rows have no times.
            warnings.filterwarnings("ignore", "warm_start keeps the record as it is", UserWarning)
            front = self._front()
            features = past.X if front is None else front.fit_transform(past.X, past.y)
            self.ensemble.fit(features, past.y, **past.given(*names))
        self._read_outcomes()
        # Rows whose outcome is not known yet are not learned from, but they have happened.
        if period.train.stop < period.start:
            self._remember(slice(period.train.stop, period.start))

    def live(self, period: Period) -> None:
        """Predict the rows of a period, each with what is known at its time."""
        known = self.schedule.known
        rows = slice(period.start, period.stop)
        block = self.stream.rows(rows)
        ensemble, front = self.ensemble, self._front()
        features = ensemble._validated_rows(block.X if front is None else front.transform(block.X))
        said = ensemble._ask_models(features)
        memberships = ensemble._memberships(features, None if self.own_regimes else block.regimes)
        needed = features if ensemble.combiner_.looks_at_features else None
        self.leaders.append(self._best_so_far(said, rows))
        cuts = period.start + np.flatnonzero(np.diff(known[rows])) + 1
        for start, stop in pairwise([period.start, *cuts.tolist(), period.stop]):
            self.hand_back(int(known[start]))
            here = slice(start - period.start, stop - period.start)
            asked_with = None if needed is None else take_rows(needed, here)
            piece = ensemble._explained(said[here], memberships[here], asked_with, self.index[start:stop])
            self.said.append(piece)
            self.waiting.append((start, piece))
        self.count()
        self._remember(rows)

    def hand_back(self, known: int) -> None:
        """Give the ensemble the outcomes of all rows before ``known`` that it has predicted and not heard of yet."""
        while self.pending < known and self.waiting:
            start, piece = self.waiting[0]
            end = start + len(piece)
            stop = min(known, end)
            whole = (self.pending, stop) == (start, end)
            self._learn(piece if whole else piece[self.pending - start : stop - start], slice(self.pending, stop))
            self.pending = stop
            if stop == end:
                self.waiting.popleft()

    def count(self) -> None:
        """Let ledger and record know of what has been learned from."""
        if not self.uncounted:
            return
        news, combined, weights = zip(*self.uncounted, strict=True)
        together = news[0].followed_by(news[1:])
        counted = self.ensemble._counted(together, np.concatenate(combined), np.concatenate(weights))
        counted["learned_until_"] = latest(self.ensemble.learned_until_, self.index[[self.last_learned]])
        vars(self.ensemble).update(counted)
        self.uncounted.clear()

    def _learn(self, said: Explanation, rows: slice) -> None:
        ensemble = self.ensemble
        if set(said.classes or ()) - set(self.classes or ()):
            return
        news = Outcomes(
            targets=self.targets[rows],
            counted=self.counts[rows],
            returns=None if self.returns is None else self.returns[rows],
            groups=None if self.groups is None else self.groups[rows],
            **ensemble._said_earlier(said, self.classes),
        ).counting()
        if len(news):
            moved, combined, weights = ensemble._moved(news)
            vars(ensemble).update(moved)
            self.uncounted.append((news, combined, weights))
            self.last_learned = rows.start + int(np.flatnonzero(self.counts[rows] > 0)[-1])

    def _read_outcomes(self) -> None:
        """Lay out all outcomes as the models of today know them."""
        ensemble, y, self.classes, self.counts = self.ensemble, self.outcomes, None, self.weight
        if hasattr(ensemble, "classes_"):
            self.classes = ensemble.classes_.tolist()
            # A class that nobody has been trained on is nothing to be learned from before the next training.
            known = np.isin(y, ensemble.classes_)
            y, self.counts = np.where(known, y, ensemble.classes_[0]), np.where(known, self.weight, 0.0)
        self.targets = ensemble._encoded_outcomes(y, len(y))
        self.returns = ensemble._checked_returns(self.stream.returns, y)

    def _best_so_far(self, said: Array, rows: slice) -> NDArray[np.intp]:
        """For each row the model, of those that speak, with the least loss of what is known at its time."""
        models, n_outputs = self.ensemble.model_names_, said.shape[2]
        before = []
        for first, piece in self.waiting:
            known_classes = not set(piece.classes or ()) - set(self.classes or ())
            earlier = laid_out(piece, models, (), self.classes).member_predictions if known_classes else None
            nothing = np.full((len(piece), len(models), n_outputs), np.nan)
            before.append((nothing if earlier is None else earlier)[max(self.pending - first, 0) :])
        heard = np.concatenate([*before, said])
        all_rows = slice(rows.stop - len(heard), rows.stop)
        leaders = self.ensemble.ledger_.leaders(
            default_loss(n_outputs)(self.targets[all_rows], heard),
            sample_weight=self.counts[all_rows],
            known=np.maximum(self.schedule.known[all_rows] - all_rows.start, 0),
        )
        return leaders[len(heard) - len(said) :]

    def _remember(self, rows: slice) -> None:
        X = take_rows(self.stream.X, rows)
        front = self._front()
        self.ensemble.remember(X if front is None else front.transform(X))

    def _front(self) -> Any:
        """What stands before the ensemble in a Pipeline."""
        return self.pipeline[:-1] if isinstance(self.pipeline, Pipeline) and len(self.pipeline) > 1 else None

    def lived(self, classes: NDArray[Any] | None) -> Lived:
        """What came of it."""
        whole = joined(self.said)
        whole = laid_out(whole, whole.models, whole.regimes, None if classes is None else classes.tolist())
        best = whole.member_predictions[np.arange(len(whole)), np.concatenate(self.leaders)]
        return Lived(whole.combined, self.pipeline, whole, best)

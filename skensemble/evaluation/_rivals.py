"""How a rival lives through the rows: it predicts, waits for outcomes, learns from them, and is retrained.

One rule: what is said of a row is made of rows and outcomes that were known at its time. Plain estimators know nothing
between two trainings; an ensemble takes every outcome back as it becomes known, with what it had said itself.
"""

from __future__ import annotations

import sys
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy, deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from skensemble._carry import resting_models
from skensemble._compat import take_rows
from skensemble._feedback import Outcomes
from skensemble._inputs import labels_of_groups, tells_time
from skensemble._members import weight_params
from skensemble._progress import Progress
from skensemble._training import outputs, shared_training
from skensemble.combiners import default_loss
from skensemble.evaluation._ensembles import ensemble_in, front_of
from skensemble.evaluation._schedule import Period, Schedule
from skensemble.evaluation._stream import Stream
from skensemble.explanation import Explanation, joined, laid_out
from skensemble.models import label_encoded, needs_label_encoding
from skensemble.regimes import remembered
from skensemble.splits import earlier_moments, times_of

__all__ = ["Lived", "live_ensembles", "live_plainly"]

Array = NDArray[np.float64]


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
    pool : ndarray of shape (n_judged, n_models, n_outputs) or None
        What all models of an ensemble said, those too that it has put to rest.
    best : ndarray of shape (n_judged, n_outputs) or None
        What that one of them said which had been best so far.
    """

    combined: Array
    estimator: Any
    explanation: Explanation | None = None
    pool: Array | None = None
    best: Array | None = None


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
        (name, period, progress[name].part(f"training {number}", number))
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
    with step.running(model), _by_name(name, period):
        model.fit(past.X, past.y, **params)
    said = outputs(model, take_rows(stream.X, slice(period.start, period.stop)), classes)
    missing = np.flatnonzero(np.isnan(said).any(axis=1))
    if len(missing):
        raise ValueError(
            f"The rival {name!r} has no finite prediction for row {period.start + int(missing[0])}. Let it cope with "
            f"such rows, for example by a Pipeline with an imputer."
        )
    return said, model


@contextmanager
def _by_name(name: str, period: Period) -> Iterator[None]:
    """Say whose training an error is of, and on which rows."""
    try:
        yield
    except Exception as error:
        error.add_note(f"This was the rival {name!r}, trained on rows {period.train.start} to {period.train.stop - 1}.")
        raise


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
        The task of each rival, with two parts for each period.

    Returns
    -------
    dict of str to Lived
        What each said.
    """
    living = {name: _Living(name, rival, stream, schedule) for name, rival in rivals.items()}
    # The plain rivals of an ensemble are made of all its models, those too that it puts to rest.
    unrested: dict[str, _Living] = {}
    steps = {name: _announced(progress[name], schedule) for name in rivals}
    for number, period in enumerate(schedule.periods):
        for each in (*living.values(), *unrested.values()):
            each.catch_up(period)
        for name in living.keys() - unrested.keys():
            if living[name].lets_models_rest():
                unrested[name] = living[name].without_rest()
        with shared_training():
            for name, each in living.items():
                each.retrain(period, steps[name][number][0])
            for each in unrested.values():
                each.retrain(period, Progress())
        for name, each in living.items():
            with steps[name][number][1].running():
                each.live(period)
        for each in unrested.values():
            each.live(period)
    return {name: each.lived(classes, unrested.get(name, each)) for name, each in living.items()}


def _announced(whole: Progress, schedule: Schedule) -> list[tuple[Progress, Progress]]:
    """The tasks of an ensemble in each period: its training, and the rows that it lives through."""
    return [
        (
            whole.part(f"training {number}", 2 * number),
            whole.part(f"rows {period.start}-{period.stop - 1}", 2 * number + 1),
        )
        for number, period in enumerate(schedule.periods)
    ]


class _Living:
    """One ensemble on its way through the rows.

    These are the steps of a loop of ``explain``, ``partial_update(predictions=...)``, ``remember`` and ``fit``, but
    that the models are asked about a whole period at once, that nothing is checked twice, and that what is only counted
    is counted at the end of a period.
    """

    def __init__(self, name: str, rival: Any, stream: Stream, schedule: Schedule) -> None:
        self.name, self.stream, self.schedule = name, stream, schedule
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
        self.times = times_of(stream.X, stream.y)
        self.said: list[Explanation] = []
        # What has been said and waits for its outcome, by first row; and the first row that waits.
        self.waiting: deque[tuple[int, Explanation]] = deque()
        self.pending = schedule.first
        # What has been learned from and waits to be counted.
        self.uncounted: list[tuple[Outcomes, Array, Array]] = []

    def catch_up(self, period: Period) -> None:
        """Take back all outcomes that are known when a period begins."""
        if self.said:
            self.hand_back(int(self.schedule.known[period.start]))
            self.count()

    def lets_models_rest(self) -> bool:
        """Whether the next training may leave models out."""
        ensemble = self.ensemble
        if not self.said:
            return ensemble.max_models is not None
        return bool(resting_models(vars(ensemble), ensemble.model_names_, ensemble.rest_after, ensemble.max_models))

    def without_rest(self) -> _Living:
        """A twin that goes on from here with all models at work, always."""
        twin = copy(self)
        twin.pipeline = deepcopy(self.pipeline)
        twin.ensemble = ensemble_in(twin.pipeline)
        # What the twin does is part of the training that it was made for.
        twin.ensemble.set_params(max_models=None, rest_after=sys.maxsize, verbose=0)
        twin.said, twin.waiting = self.said.copy(), self.waiting.copy()
        return twin

    def retrain(self, period: Period, step: Progress) -> None:
        """Learn from all rows that are known when a period begins."""
        past = self.stream.rows(period.train)
        names = ("sample_weight", "returns", "groups") + (() if self.own_regimes else ("regimes",))
        with step.running(self.ensemble), warnings.catch_warnings(), _by_name(self.name, period):
            # Every outcome is handed back here, so nothing is lost where rows have no times.
            warnings.filterwarnings("ignore", "warm_start keeps the record as it is", UserWarning)
            front = front_of(self.pipeline)
            features = past.X if front is None else front.fit_transform(past.X, past.y)
            self._check_clock(features)
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
        ensemble, front = self.ensemble, front_of(self.pipeline)
        features = ensemble._validated_rows(block.X if front is None else front.transform(block.X))
        said = ensemble._ask_models(features)
        memberships = ensemble._memberships(features, None if self.own_regimes else block.regimes)
        needed = features if ensemble.combiner_.looks_at_features else None
        best = self._best_so_far(said, rows)
        cuts = period.start + np.flatnonzero(np.diff(known[rows])) + 1
        for start, stop in pairwise([period.start, *cuts.tolist(), period.stop]):
            self.hand_back(int(known[start]))
            here = slice(start - period.start, stop - period.start)
            asked_with = None if needed is None else take_rows(needed, here)
            piece = ensemble._explained(said[here], memberships[here], asked_with, self.index[start:stop], best[here])
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
        vars(self.ensemble).update(counted)
        self.uncounted.clear()

    def _learn(self, said: Explanation, rows: slice) -> None:
        ensemble = self.ensemble
        if set(said.classes or ()) - set(self.classes or ()):
            return
        times = None if self.times is None else self.times[rows]
        news = Outcomes(
            targets=self.targets[rows],
            counted=self.counts[rows],
            times=times,
            known=earlier_moments(times),
            returns=None if self.returns is None else self.returns[rows],
            groups=None if self.groups is None else self.groups[rows],
            **ensemble._said_earlier(said, self.classes),
        ).counting()
        if len(news):
            moved, combined, weights = ensemble._moved(news)
            vars(ensemble).update(moved)
            self.uncounted.append((news, combined, weights))

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

    def _best_so_far(self, said: Array, rows: slice) -> Array:
        """For each row what the model says, of those that speak, with the least loss of what is known at its time."""
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
        return said[np.arange(len(said)), leaders[len(heard) - len(said) :]]

    def _remember(self, rows: slice) -> None:
        X = take_rows(self.stream.X, rows)
        front = front_of(self.pipeline)
        self.ensemble.remember(X if front is None else front.transform(X))

    def _check_clock(self, features: Any) -> None:
        """Refuse rows whose order nobody can tell where the detector looks back, before anything is trained."""
        detector = self.ensemble.regime_detector
        if self.said or tells_time(features) or not hasattr(detector, "remember"):
            return
        try:
            remembered(clone(detector).fit(features), features)
        except ValueError as error:
            raise ValueError(
                f"{type(detector).__name__} of the rival {self.name!r} looks back over rows, so it must be told when "
                f"they were: pass walk_forward a DataFrame whose index holds times or row numbers, and let "
                f"transformers keep it (in a Pipeline: set_output(transform='pandas')). {error}"
            ) from error

    def lived(self, classes: NDArray[Any] | None, unrested: _Living) -> Lived:
        """What came of it."""
        whole, pool = self._whole(classes), unrested._whole(classes)
        return Lived(whole.combined, self.pipeline, whole, pool.member_predictions, pool.best_so_far)

    def _whole(self, classes: NDArray[Any] | None) -> Explanation:
        """All that was said, with a place for every class."""
        whole = joined(self.said)
        return laid_out(whole, whole.models, whole.regimes, None if classes is None else classes.tolist())

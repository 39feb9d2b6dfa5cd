"""Fit models and folds in parallel, and hand over what they predicted out of fold.

Every (model, fold) and every (model, all rows) is one task of one flat list, longest first; a forest that would take
longer than its share is grown in parts. A fold's task fits on the fold's past and returns predictions only; the task on
all rows returns the fitted model. A model that fails anywhere
comes back as a sentence, never as an exception: the others carry on.
"""

from __future__ import annotations

import math
import os
import sys
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import joblib
import numpy as np
from joblib import cpu_count, effective_n_jobs
from joblib.parallel import get_active_backend
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import ThreadpoolController

from skensemble._checks import ModelFailureWarning
from skensemble._compat import take_rows
from skensemble._members import with_threads
from skensemble._progress import Progress
from skensemble.models import (
    forest_of_parts,
    parts_of_forest,
    quick_answer,
    relative_cost,
)

__all__ = [
    "AsleepModel",
    "OutOfFold",
    "Training",
    "outputs",
    "reach_of",
    "report_failures",
    "shared_training",
    "train",
    "within_reach",
]

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

_UNHEARD = Progress()

# So many times the range of the outcomes known may a prediction be away from them before it is taken for nonsense.
_MOST_RANGES = 100.0


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """What the models predicted on rows that they had not seen, and what came true; rows in time order.

    Parameters
    ----------
    rows : ndarray of shape (n_rows,)
        Positions of the rows in X. Rows that no fold predicted are not among them.
    folds : ndarray of shape (n_rows,)
        Number of the fold that predicted each row, in the order of the splitter.
    targets : ndarray of shape (n_rows, n_outputs)
        What came true; one column per class for classes.
    predictions : ndarray of shape (n_rows, n_models, n_outputs)
        What each model predicted; NaN where it was asleep.
    memberships : ndarray of shape (n_rows, n_regimes)
        How far each row belongs to each regime, as it was known at the row.
    sample_weight : ndarray of shape (n_rows,)
        How much each row counts.
    combined : ndarray of shape (n_rows, n_outputs)
        What the ensemble would have said with what the folds before had taught it.
    weights : ndarray of shape (n_rows, n_models)
        The weights behind it.
    known : ndarray of shape (n_rows,)
        How many of these rows, from the first, had an outcome when each was predicted.
    """

    rows: Rows
    folds: Rows
    targets: Array
    predictions: Array
    memberships: Array
    sample_weight: Array
    combined: Array
    weights: Array
    known: Rows


@dataclass(frozen=True, eq=False)
class Training:
    """Models fitted on all rows, and what their twins predicted out of fold.

    Parameters
    ----------
    estimators : list of estimator
        One per model, fitted on all rows; an `AsleepModel` where the fit failed.
    predictions : ndarray of shape (n_samples, n_models, n_outputs)
        Out-of-fold predictions; NaN where there is none.
    folds : ndarray of shape (n_samples,)
        Fold that predicted each row; -1 where none did.
    failures : dict of str to list of str
        For each model that failed somewhere, what happened.
    """

    estimators: list[Any]
    predictions: Array
    folds: Rows
    failures: dict[str, list[str]]


class AsleepModel(BaseEstimator):
    """Stand in for a model that could not be fitted: it has no opinion on any row.

    Parameters
    ----------
    reason : str
        What happened, for whoever looks.
    """

    def __init__(self, reason: str = "") -> None:
        self.reason = reason

    def __sklearn_is_fitted__(self) -> bool:
        return True


@dataclass(frozen=True, eq=False)
class _Task:
    """One fit: of one model on some rows, and the rows to predict with it (none: keep the model)."""

    model: int
    fold: int
    name: str
    estimator: Any
    train: Rows
    test: Rows | None
    fit_params: Mapping[str, Any]
    progress: Progress


def train(
    models: Sequence[tuple[str, Any]],
    X: Any,
    y: Any,
    splits: Sequence[tuple[Rows, Rows]],
    *,
    sample_weight: Array | None = None,
    fit_params: Mapping[str, Mapping[str, Any]] | None = None,
    classes: NDArray[Any] | None = None,
    resting: Collection[str] = (),
    n_jobs: int | None = None,
    progress: Progress = _UNHEARD,
) -> Training:
    """Fit every model on every fold and on all rows, as one flat list of tasks.

    Parameters
    ----------
    models : sequence of (str, estimator)
        Unfitted models with their seeds set.
    X : array-like of shape (n_samples, n_features)
        Features, handed to the models as they are.
    y : ndarray of shape (n_samples,)
        Targets; for classes the original labels.
    splits : sequence of (train, test)
        Row numbers of each fold.
    sample_weight : ndarray of shape (n_samples,), default=None
        Rows of weight zero are not trained on.
    fit_params : mapping of str to mapping, default=None
        Arguments for each model's ``fit``, sample weights among them; what has one entry per row is cut to the fold.
    classes : ndarray of shape (n_classes,), default=None
        Sorted class labels; ``None`` for regression.
    resting : collection of str, default=()
        Models that are not fitted: they sleep.
    n_jobs : int, default=None
        Tasks at a time, as joblib takes it. The models run on one thread each while tasks run side by side.
    progress : Progress, default=Progress()
        The task that all of this is, with one part for each model.

    Returns
    -------
    Training
        The same for every ``n_jobs`` and backend.
    """
    n_samples = len(y)
    everything = np.arange(n_samples)
    threads = _threads_per_model(n_jobs)
    tasks = []
    parts = [progress.part(name, k, len(splits) + 1) for k, (name, _) in enumerate(models)]
    for k, (name, model) in enumerate(models):
        params = (fit_params or {}).get(name, {})
        ready = with_threads(model, threads)
        for fold, (fold_train, fold_test) in enumerate([*splits, (everything, None)] if name not in resting else []):
            kept = fold_train if sample_weight is None else fold_train[sample_weight[fold_train] > 0]
            step = parts[k].part(f"fold {fold}" if fold_test is not None else "all rows", fold)
            tasks.append(_Task(k, fold, name, ready, kept, fold_test, params, step))
    # BLAS rounds by its number of threads, so it has one for every n_jobs. Its pool is the whole process's: it is
    # limited here, once, and not by tasks that overlap.
    with _thread_pools(len(sys.modules)).limit(limits=1, user_api="blas"), ExitStack() as running:
        for part in parts:
            running.enter_context(part.running())
        memory, keys = _memory(tasks, X, y, classes)
        left = [i for i in range(len(tasks)) if keys[i] not in memory]
        done = _run_all([tasks[i] for i in left], X, y, classes, threads, n_jobs)
    memory.update((keys[i], result) for i, result in zip(left, done, strict=True))
    results = [memory[key] for key in keys]
    training = _gathered(models, splits, tasks, results, n_samples, 1 if classes is None else len(classes))
    if classes is None:
        for known, test in splits:
            reach = reach_of(y[known], None if sample_weight is None else sample_weight[known])
            training.predictions[test] = within_reach(training.predictions[test], reach)
    return training


def _run_all(
    tasks: Sequence[_Task], X: Any, y: Any, classes: NDArray[Any] | None, threads: int | None, n_jobs: int | None
) -> list[tuple[Any, str | None]]:
    """Do all tasks side by side, longest first; a forest for which all others would wait is grown in parts."""
    workers = effective_n_jobs(n_jobs)
    # With nothing longer than a quarter of what a worker has to do, the last ones end close together, also where the
    # costs are estimated badly.
    longest = sum(map(_cost, tasks)) / (4 * workers)
    jobs: list[_Task] = []
    jobs_of: list[list[int]] = []
    for task in tasks:
        parts = parts_of_forest(task.estimator, math.ceil(_cost(task) / longest) if workers > 1 else 1)
        jobs_of.append(list(range(len(jobs), len(jobs) + len(parts))))
        jobs += [replace(task, estimator=part, test=None, progress=_UNHEARD) for part in parts] if parts[1:] else [task]
    order = sorted(range(len(jobs)), key=lambda i: -_cost(jobs[i]))
    # X is an argument of its own, so that a cluster may send it once and not with every task. The rest is not: dask
    # would put it on one worker only, and all were lost with that one.
    beside = (y, classes, threads, os.getpid())
    done = Parallel(n_jobs=n_jobs, prefer="threads")(delayed(_run)(jobs[i], X, beside) for i in order)
    found = dict(zip(order, done, strict=True))
    return [
        _joined(task, [found[i] for i in places], X, classes) if places[1:] else found[places[0]]
        for task, places in zip(tasks, jobs_of, strict=True)
    ]


def _cost(task: _Task) -> float:
    return relative_cost(task.estimator) * len(task.train)


def _joined(
    task: _Task, parts: Sequence[tuple[Any, str | None]], X: Any, classes: NDArray[Any] | None
) -> tuple[Any, str | None]:
    """Put the parts of a forest together, and do what is left of its task."""
    with task.progress.running():
        wrong = next((error for _, error in parts if error is not None), None)
        if wrong is not None:
            return None, wrong
        models = [model for model, _ in parts]
        # Of rows of one class each part has learned the same: there is nothing to put together.
        model = forest_of_parts(task.estimator, models) if isinstance(models[0], type(task.estimator)) else models[0]
        return (model if task.test is None else outputs(model, take_rows(X, _span(task.test)), classes)), None


_MEMORY: ContextVar[dict[Any, Any] | None] = ContextVar("trainings made so far", default=None)


@contextmanager
def shared_training() -> Iterator[None]:
    """Let the fits inside do no training twice: what is equal in models, seeds and rows is taken over as it is.

    Ensembles that differ in their combiners only then cost one training together. Everything is kept until the end of
    the block; a block within a block is part of it.
    """
    if _MEMORY.get() is not None:
        yield
        return
    token = _MEMORY.set({})
    try:
        yield
    finally:
        _MEMORY.reset(token)


def _memory(tasks: Sequence[_Task], X: Any, y: Any, classes: Any) -> tuple[dict[Any, Any], list[Any]]:
    """Where results are kept, and the key of each task in it: all that a result depends on."""
    shared = _MEMORY.get()
    if shared is None:
        return {}, list(range(len(tasks)))
    rows = _hash((X, y, classes))
    keys = [(rows, _hash((task.estimator, task.train, task.test, dict(task.fit_params)))) for task in tasks]
    return shared, keys


def _hash(value: Any) -> Any:
    """A text that is the same for equal values; an object like no other where nobody can tell."""
    try:
        return joblib.hash(value)
    except Exception:  # what cannot be pickled, such as a class made in a function, is not shared
        return object()


def outputs(model: Any, X: Any, classes: NDArray[Any] | None, *, numbers: Array | None = None, **params: Any) -> Array:
    """Ask a fitted model for its predictions in the common shape.

    Parameters
    ----------
    model : estimator
        Fitted. A classifier without ``predict_proba`` gives its whole vote to the class it predicts.
    X : array-like of shape (n_samples, n_features)
        Rows.
    classes : ndarray of shape (n_classes,) or None
        Sorted class labels of the ensemble; a class that the model never saw has probability 0.
    numbers : ndarray of shape (n_samples, n_features), default=None
        The same rows as `few_numbers` gives them: models that have a shorter way to an answer take it.
    **params : dict
        Further arguments for the model's ``predict``.

    Returns
    -------
    ndarray of shape (n_samples, n_outputs)
        NaN in the whole row where any output is not finite.
    """
    n_samples = _n_rows(X)
    if isinstance(model, AsleepModel):
        return np.full((n_samples, 1 if classes is None else len(classes)), np.nan)
    quick = None if numbers is None else quick_answer(model, numbers)
    if classes is None:
        said = np.asarray(model.predict(X, **params) if quick is None else quick, dtype=float)
        if said.size != n_samples:
            raise ValueError(f"predict gave an array of shape {said.shape} for {n_samples} rows")
        said = said.reshape(n_samples, 1)
    else:
        said = _probabilities(model, X, classes, n_samples, params, quick)
    finite = np.isfinite(said)
    return said if finite.all() else np.where(finite.all(axis=1, keepdims=True), said, np.nan)


def reach_of(targets: Array, sample_weight: Array | None = None) -> tuple[float, float]:
    """Bound what a sensible model of these outcomes may say.

    Parameters
    ----------
    targets : ndarray of shape (n_samples,)
        Outcomes known, numbers.
    sample_weight : ndarray of shape (n_samples,), default=None
        Outcomes of weight zero do not count.

    Returns
    -------
    low, high : float
        A hundred times their range below the least and above the largest; without bounds where they are all the same.
    """
    known = targets if sample_weight is None else targets[sample_weight > 0]
    if not len(known):
        return -np.inf, np.inf
    low, high = float(np.min(known)), float(np.max(known))
    room = _MOST_RANGES * (high - low)
    return (low - room, high + room) if room > 0 else (-np.inf, np.inf)


def within_reach(said: Array, reach: tuple[float, float]) -> Array:
    """Silence models that talk nonsense on rows on which another does not.

    Parameters
    ----------
    said : ndarray of shape (n_samples, n_models, 1)
        Predictions of numbers; NaN where a model sleeps.
    reach : tuple of float
        Bounds, see `reach_of`.

    Returns
    -------
    ndarray of shape (n_samples, n_models, 1)
        NaN where a prediction was out of reach. Where all are, all stay: the outcomes may have left their range.
    """
    sensible = (said >= reach[0]) & (said <= reach[1])
    if sensible.all():
        return said
    silenced = ~sensible & sensible.any(axis=1, keepdims=True)
    return np.where(silenced, np.nan, said) if (silenced & ~np.isnan(said)).any() else said


def _probabilities(
    model: Any, X: Any, classes: NDArray[Any], n_samples: int, params: Mapping[str, Any], quick: Array | None
) -> Array:
    said = np.zeros((n_samples, len(classes)))
    if quick is not None or hasattr(model, "predict_proba"):
        own = np.asarray(model.predict_proba(X, **params) if quick is None else quick, dtype=float)
        known = np.asarray(model.classes_)
        if own.shape != (n_samples, len(known)):
            raise ValueError(
                f"predict_proba gave an array of shape {own.shape} for {n_samples} rows, {len(known)} classes"
            )
    else:
        labels = np.asarray(model.predict(X, **params))
        known, position = np.unique(labels, return_inverse=True)
        own = np.eye(len(known))[position]
    at = np.searchsorted(classes, known)
    wrong = (at == len(classes)) | (classes[np.minimum(at, len(classes) - 1)] != known)
    if wrong.any():
        raise ValueError(f"it predicts the class {known[wrong][0]!r}, which is not among {classes.tolist()}")
    said[:, at] = own
    return said


def _run(task: _Task, X: Any, beside: tuple[Any, NDArray[Any] | None, int | None, int]) -> tuple[Any, str | None]:
    """Do one task; what goes wrong comes back as a sentence."""
    y, classes, threads, home = beside
    # OpenMP keeps its limit per thread, so a task can set its own; a worker process has BLAS to itself, too.
    pools = "openmp" if os.getpid() == home else None
    with _thread_pools(len(sys.modules)).limit(limits=1, user_api=pools) if threads == 1 else nullcontext():
        model = clone(task.estimator)
        # An error of whoever listens is no failure of the model.
        with task.progress.running(model):
            try:
                model = _fitted(model, task, X, y, classes)
                return (model if task.test is None else outputs(model, take_rows(X, _span(task.test)), classes)), None
            except Exception as error:  # a model may fail in any way; the others must carry on
                return None, f"{type(error).__name__}: {error}"


def _fitted(model: Any, task: _Task, X: Any, y: Any, classes: NDArray[Any] | None) -> Any:
    if not len(task.train):
        raise ValueError("no rows to train on")
    rows = _span(task.train)
    y_train = take_rows(y, rows)
    if isinstance(model, FrozenEstimator):
        return model
    X_train = take_rows(X, rows)
    if classes is not None and len(np.unique(y_train)) == 1:
        # Most classifiers refuse a single class; the answer is known without them.
        return DummyClassifier(strategy="prior").fit(X_train, y_train)
    return model.fit(X_train, y_train, **_cut(task.fit_params, rows, len(y)))


def _gathered(
    models: Sequence[tuple[str, Any]],
    splits: Sequence[tuple[Rows, Rows]],
    tasks: Sequence[_Task],
    results: Sequence[tuple[Any, str | None]],
    n_samples: int,
    n_outputs: int,
) -> Training:
    """Put the results in their places; a row that several folds predicted gets the mean."""
    predictions = np.zeros((n_samples, len(models), n_outputs))
    times = np.zeros((n_samples, len(models), 1))
    folds = np.full(n_samples, -1, dtype=np.intp)
    for number, (_, test) in enumerate(splits):
        folds[test] = number
    estimators: list[Any] = [AsleepModel("it rests: it had long carried next to nothing") for _ in models]
    failures: dict[str, list[str]] = {}
    for task, (result, error) in zip(tasks, results, strict=True):
        if error is not None:
            where = "on all rows" if task.test is None else f"in fold {task.fold}"
            failures.setdefault(task.name, []).append(f"{where}: {error}")
        if task.test is None:
            estimators[task.model] = AsleepModel(error) if error is not None else result
        elif error is None:
            predictions[task.test, task.model] += result
            times[task.test, task.model] += 1
    predictions = np.where(times > 0, predictions / np.maximum(times, 1), np.nan)
    return Training(estimators, predictions, folds, failures)


def report_failures(training: Training, owner: str, *, raises: bool) -> None:
    """Say what could not be trained; an error where nothing is left, or where one failure is enough."""
    if not training.failures:
        return
    every = [isinstance(model, AsleepModel) for model in training.estimators]
    lines = []
    for name, texts in training.failures.items():
        # The fit on all rows comes last, and matters most: without it the model predicts nothing.
        first = texts[-1] if texts[-1].startswith("on all rows") else texts[0]
        more = f" (and in {len(texts) - 1} of the other fits)" if len(texts) > 1 else ""
        lines.append(f"{name} failed {first}{more}")
    if all(every) or raises:
        fix = "No model is left." if all(every) else "on_error='warn' would carry on without it."
        raise ValueError(f"{owner} could not train: {' / '.join(lines)}. {fix}")
    for line in lines:
        warnings.warn(
            f"{line}. It sleeps there and the others carry on; on_error='raise' stops instead.",
            ModelFailureWarning,
            stacklevel=3,
        )


def _threads_per_model(n_jobs: int | None) -> int | None:
    """One thread each while tasks run side by side or inside somebody else's loop; otherwise all there are."""
    nested = (get_active_backend()[0].nesting_level or 0) > 0
    if nested or n_jobs == 1 or effective_n_jobs(n_jobs) > 1:
        return 1
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    return min(cpu_count(), int(allowed)) if allowed.isdigit() and int(allowed) else cpu_count()


@lru_cache(maxsize=1)
def _thread_pools(n_modules: int) -> ThreadpoolController:
    """Find the thread pools of the process; looking takes longer than a small fit, and a new pool means new modules."""
    return ThreadpoolController()


def _span(rows: Rows) -> Rows | slice:
    """A run of neighbouring rows as a slice, so that arrays give a view instead of a copy."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _cut(fit_params: Mapping[str, Any], rows: Rows | slice, n_samples: int) -> dict[str, Any]:
    return {
        key: take_rows(value, rows) if hasattr(value, "__len__") and _n_rows(value) == n_samples else value
        for key, value in fit_params.items()
    }


def _n_rows(X: Any) -> int:
    return int(X.shape[0]) if hasattr(X, "shape") and len(X.shape) else len(X)

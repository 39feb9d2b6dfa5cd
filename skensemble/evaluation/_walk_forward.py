"""What would have happened: predict a row, wait for its outcome, learn from it, retrain every so often."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.utils import get_tags

from skensemble._checks import check_number, check_part, shown
from skensemble._compat import (
    CallbackSupport,
    drop_travelling_callbacks,
    take_rows,
    travelling_callbacks,
    with_callbacks,
)
from skensemble._feedback import class_sides, inferred_overlap
from skensemble._progress import check_verbose, listened_to
from skensemble.combiners import awake_models, default_loss, equal_weights, weighted_mean
from skensemble.evaluation._ensembles import buried_ensembles, ensemble_in
from skensemble.evaluation._result import WalkForward
from skensemble.evaluation._rivals import Lived, live_ensembles, live_plainly
from skensemble.evaluation._schedule import Schedule, make_schedule
from skensemble.evaluation._stream import Stream, checked_stream
from skensemble.losses import Loss
from skensemble.performance import trade_outcomes
from skensemble.splits import n_outcomes_known

__all__ = ["walk_forward"]

Array = NDArray[np.float64]

_OWNER = "walk_forward"
_EQUAL, _BEST, _ALONE = "equal weights", "best single", " alone"


def walk_forward(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    initial: Any,
    refit_every: Any = None,
    window: Any = None,
    outcome_delay: Any = 0,
    regimes: Any = None,
    sample_weight: Any = None,
    returns: Any = None,
    groups: Any = None,
    cost_bps: float = 0.0,
    loss: Loss | None = None,
    judge_models: bool = False,
    callbacks: Sequence[Any] = (),
    n_jobs: int | None = None,
    verbose: int = 0,
) -> WalkForward:
    """Replay what would have happened: predict, wait for the outcome, take it back, retrain every so often.

    At every row the estimators answer with what was known then: the models were trained on rows whose outcome had
    arrived by the last training, and an ensemble has been handed every outcome that has arrived since, with what it had
    said at the time. It is the loop of ``fit``, ``explain``, ``remember`` and ``partial_update(predictions=...)`` that
    a live process runs, to the last bit, but the models are asked about all rows up to the next training at once, and
    ensembles that differ in their combiner only are trained once together.

    Any estimator of scikit-learn may be a rival of an ensemble in the same call. Beside the ensembles always stand
    their plain rivals ``"equal weights"`` (of all its models, those too that it puts to rest) and ``"best single"``
    (the model of least loss so far).

    Parameters
    ----------
    estimator : estimator or dict of str to estimator
        What is judged, by name; the first is what the others are compared with. An ensemble may stand at the end of a
        Pipeline; inside anything else, such as a search, no outcome goes back to it. Nothing that is passed is changed.
    X : array-like of shape (n_samples, n_features)
        Features, oldest row first. Where the index of X or y has times (see `skensemble.splits.times_of`), rows of one
        time are predicted together and do not know each other's outcomes.
    y : array-like of shape (n_samples,)
        What came true.
    initial : int, str or Timestamp
        Number of rows before the first that is judged, or the time of that row.
    refit_every : int, str, timedelta or offset, default=None
        Retrain after so many rows or so long a time (``"90D"``), or at every calendar step (``"MS"``: month starts,
        ``"YS"``: year starts). The default (``None``) trains once.
    window : int, str, timedelta or offset, default=None
        How many rows, or how far back, a training looks. The default (``None``) is all the past.
    outcome_delay : int, str, timedelta or offset, default=0
        How many rows after its own, or how much later, an outcome is known. 0 and 1 both mean: before the next row. The
        same as ``label_horizon`` of an ensemble, or more.
    regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
        Regime of each row, known at the row: handed to the ensembles without a ``regime_detector`` of their own
        (`SingleRegime` is one that knows none), and what the report is told apart by. The default (``None``) leaves it
        to the detectors, and reports by those of the first ensemble.
    sample_weight : array-like of shape (n_samples,), default=None
        How much each row counts, in training, feedback and report.
    returns : array-like of shape (n_samples,), default=None
        Return of a long position over each row's horizon, as a fraction: the report then counts profits. The sign of a
        number is its side; a class stands for the side that paid on the training rows, if that is not chance. A return
        counts as one until ``outcome_delay``: those of five days on daily rows share their days with their neighbours,
        so that five of them tell as much as one, and a year holds a fifth as many.
    groups : array-like of shape (n_samples,), default=None
        Whose row each is, such as the asset: for the ledgers, for costs, and for ``report(by="group")``.
    cost_bps : float, default=0.0
        What a change of side costs, in basis points, the first side included; sides change within a group. What it
        costs to leave the market is taken off the next trade of the group, so that no row waits for a later one.
    loss : Loss, default=None
        What an error costs in the report. The default (``None``) is the squared error of numbers, and of classes the
        log loss, or the share of wrong ones where some rival gives no probabilities.
    judge_models : bool, default=False
        Whether each model of an ensemble is judged too, as ``"NAME alone"``. It costs nothing but room in the tables.
    callbacks : sequence of callback, default=()
        Callbacks of scikit-learn (1.9 and later), such as ``sklearn.callback.ProgressBar()``: rivals by trainings and
        the rows between them. A progress bar that was set on a rival is shown for the whole walk in the same way, and
        ``ProgressBar(0)`` shows the walk without the fits inside it.
    n_jobs : int, default=None
        Trainings of plain estimators at a time, as joblib takes it. One training of an ensemble depends on what became
        of the last, so they come one after the other, each with the ensemble's own ``n_jobs``.
    verbose : int, default=0
        Whether a line is printed for every training, and for the rows between two of them, as they end. An ensemble's
        own ``verbose`` adds one for every fit of a model.

    Returns
    -------
    WalkForward
        Predictions, weights over time, regimes, what the models said; `WalkForward.report` and `WalkForward.frame`.

    Raises
    ------
    ValueError
        If the input is wrong, in words that say which and what to do.

    See Also
    --------
    check_causality : Whether features, detectors and models look ahead themselves.

    Notes
    -----
    An ensemble is retrained with ``warm_start=True``: its record survives. Outcomes of a class that no model has been
    trained on yet are learned from at the next training.

    Examples
    --------
    The rule changes at row 300; the ensemble notices long before the next training would:

    >>> import numpy as np
    >>> from sklearn.dummy import DummyRegressor
    >>> from skensemble import RegimeAwareEnsembleRegressor, walk_forward
    >>> X = np.zeros((600, 1))
    >>> y = np.where(np.arange(600) < 300, 1.0, -1.0)
    >>> models = [(f"always {c}", DummyRegressor(strategy="constant", constant=c)) for c in (1.0, -1.0)]
    >>> rivals = {
    ...     "frozen": DummyRegressor(),
    ...     "ensemble": RegimeAwareEnsembleRegressor(models, combiner="dynamic"),
    ... }
    >>> walk = walk_forward(rivals, X, y, initial=200)
    >>> walk.report()[["rival", "n", "loss"]].round(2)
               rival      n  loss
    0         frozen  400.0  3.00
    1       ensemble  400.0  0.07
    2  equal weights  400.0  1.00
    3    best single  400.0  2.66
    >>> walk.weights["ensemble"].iloc[[0, -1]].round(1)
         always 1.0  always -1.0
    200         1.0          0.0
    599         0.0          1.0
    """
    rivals = _checked_rivals(estimator, judge_models)
    stream, times = checked_stream(X, y, regimes, sample_weight, returns, groups, owner=_OWNER)
    classes = np.unique(np.asarray(stream.y)) if any(map(is_classifier, rivals.values())) else None
    check_number(cost_bps, "cost_bps", _OWNER, low=0)
    if cost_bps > 0:
        _check_costs(cost_bps, stream, times)
    check_part(loss, "loss", _OWNER, Loss, "SquaredLoss()")
    check_verbose(verbose, _OWNER)
    schedule = make_schedule(
        len(stream.y), times, initial=initial, refit_every=refit_every, window=window, outcome_delay=outcome_delay
    )
    _check_horizons(rivals, schedule, times)
    lived = Walk(len(rivals), verbose).walk(rivals, stream, schedule, classes, callbacks, n_jobs)
    return _result(lived | _from_models(lived, judge_models), stream, times, classes, schedule, loss, cost_bps)


class Walk(CallbackSupport, BaseEstimator):
    """What callbacks are told about: a fit whose parts are the rivals."""

    def __init__(self, n_rivals: int = 0, verbose: int = 0) -> None:
        self.n_rivals = n_rivals
        self.verbose = verbose

    @with_callbacks
    def walk(
        self,
        rivals: Mapping[str, Any],
        stream: Stream,
        schedule: Schedule,
        classes: NDArray[Any] | None,
        callbacks: Sequence[Any],
        n_jobs: int | None,
    ) -> dict[str, Lived]:
        """Let every rival live through the rows."""
        rivals = self._listening(rivals, callbacks)
        whole = listened_to(self, len(rivals), _OWNER)
        ensembles = {name: rival for name, rival in rivals.items() if ensemble_in(rival) is not None}
        plain = {name: rival for name, rival in rivals.items() if name not in ensembles}
        n_periods = len(schedule.periods)
        parts = {
            name: whole.part(name, number, 2 * n_periods if name in ensembles else n_periods)
            for number, name in enumerate(rivals)
        }
        with ExitStack() as running:
            for part in (whole, *parts.values()):
                running.enter_context(part.running())
            lived = live_plainly(plain, stream, schedule, classes, n_jobs=n_jobs, progress=parts)
            lived |= live_ensembles(ensembles, stream, schedule, classes, progress=parts)
        return {name: lived[name] for name in rivals}

    def _listening(self, rivals: Mapping[str, Any], callbacks: Sequence[Any]) -> dict[str, Any]:
        """Let callbacks listen to the walk, those too that its rivals brought for all that happens inside them."""
        if not isinstance(callbacks, Sequence):
            raise ValueError(f"callbacks of {_OWNER} must be a list of callbacks; got {shown(callbacks)}.")
        if callbacks and not hasattr(self, "set_callbacks"):
            raise ValueError(f"callbacks of {_OWNER} need scikit-learn 1.9 or later. Leave them out.")
        heard_by = [callbacks]
        for rival in rivals.values():
            heard_by += [travelling_callbacks(rival), travelling_callbacks(ensemble_in(rival))]
        listeners = list({id(each): each for several in heard_by for each in several}.values())
        if not listeners:
            return dict(rivals)
        self.set_callbacks(*listeners)
        quiet = {name: clone(rival) for name, rival in rivals.items()}
        for rival in quiet.values():
            for each in (rival, ensemble_in(rival)):
                drop_travelling_callbacks(each)
        return quiet


# Input.


def _checked_rivals(estimator: Any, judge_models: bool) -> dict[str, Any]:
    rivals = dict(estimator) if isinstance(estimator, Mapping) else {type(estimator).__name__: estimator}
    if not rivals:
        raise ValueError(f"estimator of {_OWNER} is empty: pass an estimator, or a dict of them by name.")
    for name, rival in rivals.items():
        if not isinstance(name, str) or name.startswith((_EQUAL, _BEST)) or (judge_models and _ALONE in name):
            raise ValueError(
                f"estimator of {_OWNER} names a rival {shown(name)}: names must be texts. {_EQUAL!r}, {_BEST!r} and, "
                f"with judge_models, 'NAME{_ALONE}' stand for the plain rivals of an ensemble."
            )
        # Scikit-learn's stacking has no predict before it is fitted.
        predicts = hasattr(rival, "predict") or is_classifier(rival) or is_regressor(rival)
        usable = predicts and all(hasattr(rival, part) for part in ("fit", "get_params"))
        usable = usable and not isinstance(rival, type)
        if not usable or get_tags(rival).estimator_type not in (None, "classifier", "regressor"):
            raise ValueError(
                f"The rival {name!r} of {_OWNER} must be a regressor or a classifier, with fit and predict; got "
                f"{shown(rival)}."
            )
        if buried_ensembles(rival):
            warnings.warn(
                f"The rival {name!r} of {_OWNER} holds an ensemble inside {type(rival).__name__}: it is retrained, but "
                f"no outcome goes back to it between trainings. Pass the ensemble itself, or a Pipeline that ends in "
                f"it.",
                UserWarning,
                stacklevel=3,
            )
    tasks = {name: is_classifier(rival) for name, rival in rivals.items()}
    if len(set(tasks.values())) > 1:
        raise ValueError(
            f"estimator of {_OWNER} mixes classifiers and regressors: "
            f"{shown([name for name, task in tasks.items() if task])} are classifiers, the others are not."
        )
    return rivals


def _check_horizons(rivals: Mapping[str, Any], schedule: Schedule, times: pd.DatetimeIndex | None) -> None:
    """Refuse outcomes that would be used before their label is complete."""
    rows = np.arange(schedule.n_samples)
    for name, rival in rivals.items():
        ensemble = ensemble_in(rival)
        for horizon in {part.label_horizon for part in ([ensemble] if ensemble else buried_ensembles(rival))}:
            complete = n_outcomes_known(rows, n_samples=len(rows), times=times, label_horizon=horizon)
            early = np.flatnonzero(schedule.known > complete)
            if len(early):
                raise ValueError(
                    f"outcome_delay of {_OWNER} is shorter than label_horizon={shown(horizon)} of the rival {name!r}: "
                    f"at row {early[0]} it would use {schedule.known[early[0]]} outcomes, of which "
                    f"{complete[early[0]]} are known. Pass outcome_delay={shown(horizon)} or more."
                )


def _check_costs(cost_bps: float, stream: Stream, times: pd.DatetimeIndex | None) -> None:
    """Refuse costs that nothing is taken off, or of changes that nobody has made."""
    if stream.returns is None:
        raise ValueError(
            f"cost_bps of {_OWNER} is {shown(cost_bps)}, but without returns there is no profit to take it off. Pass "
            f"returns, or leave it out."
        )
    if stream.groups is None and times is not None and not times.is_unique:
        raise ValueError(
            f"cost_bps of {_OWNER} is {shown(cost_bps)} and rows share a time, such as {times[times.duplicated()][0]}: "
            f"nobody can tell who changes sides from row to row. Pass groups, which say whose row each is."
        )


# Outcome.


def _from_models(lived: Mapping[str, Lived], judge_models: bool) -> dict[str, Lived]:
    """The mean and the best of the models of each ensemble, and each alone; once for ensembles of the same models."""
    pools: list[_Pool] = []
    for name, each in lived.items():
        if each.explanation is None or each.pool is None or each.best is None:
            continue
        pool = _Pool(f" of {name}" if pools else "", each.explanation.models, each.pool, each.best)
        if not any(pool.is_like(other) for other in pools):
            pools.append(pool)
    found: dict[str, Lived] = {}
    for of, models, said, best in pools:
        equal = weighted_mean(equal_weights(awake_models(said)), said)
        found |= {f"{_EQUAL}{of}": Lived(equal, None), f"{_BEST}{of}": Lived(best, None)}
        if judge_models:
            found |= {f"{model}{_ALONE}{of}": Lived(said[:, k], None) for k, model in enumerate(models)}
    return found


class _Pool(NamedTuple):
    """The models of one or several ensembles, and what they said."""

    of: str
    models: tuple[str, ...]
    said: Array
    best: Array

    def is_like(self, other: _Pool) -> bool:
        """Whether these are the same models, which said the same."""
        return self.models == other.models and np.array_equal(self.said, other.said, equal_nan=True)


def _result(
    lived: Mapping[str, Lived],
    stream: Stream,
    times: pd.DatetimeIndex | None,
    classes: NDArray[Any] | None,
    schedule: Schedule,
    loss: Loss | None,
    cost_bps: float,
) -> WalkForward:
    judged = slice(schedule.first, schedule.n_samples)
    came = stream.rows(judged)
    index = came.X.index if isinstance(came.X, pd.DataFrame) else pd.RangeIndex(schedule.first, schedule.n_samples)
    when = None if times is None else times[judged]
    y = np.asarray(came.y)
    names = list(lived)
    combined = np.stack([each.combined for each in lived.values()], axis=1)
    silent = np.isnan(combined).any(axis=2)
    if classes is None:
        targets, predictions = y.astype(float)[:, None], combined[:, :, 0]
    else:
        # A model alone may have been asleep; then it has no class either.
        targets, predictions = np.eye(len(classes))[np.searchsorted(classes, y)], classes[combined.argmax(axis=2)]
        if silent.any():
            predictions = predictions.astype(object)
            predictions[silent] = None

    def table(values: Any) -> pd.DataFrame | None:
        return None if values is None else pd.DataFrame(values, index=index, columns=names)

    overlap = inferred_overlap(schedule.known, times)
    sides = _sides(stream, schedule, classes, combined, overlap)
    wins, profits = _earned(sides, came, cost_bps)
    if classes is not None:
        wins = np.where(silent, np.nan, predictions == y[:, None])
    losses, words = _losses(lived, targets, combined, loss)
    return WalkForward(
        predictions=pd.DataFrame(predictions, index=index, columns=names),
        outcome=pd.Series(y, index=index, name="outcome"),
        losses=pd.DataFrame(losses, index=index, columns=names),
        loss=words,
        memberships=_memberships(lived, came, index),
        probabilities=None
        if classes is None
        else {name: pd.DataFrame(combined[:, k], index=index, columns=classes) for k, name in enumerate(names)},
        wins=table(wins),
        sides=table(sides),
        profits_bps=table(profits),
        explanations={name: each.explanation for name, each in lived.items() if each.explanation is not None},
        estimators={name: each.estimator for name, each in lived.items() if each.estimator is not None},
        trainings=_trainings(schedule, stream.X),
        sample_weight=np.ones(len(index)) if came.sample_weight is None else came.sample_weight,
        groups=came.groups,
        moments=np.arange(len(index)) if when is None else np.unique(when.asi8, return_inverse=True)[1],
        times=when,
        overlap=overlap,
    )


def _losses(lived: Mapping[str, Lived], targets: Array, combined: Array, loss: Loss | None) -> tuple[Array, str]:
    """Losses ``(n_judged, n_rivals)`` and what they are called."""
    given = (each.estimator for each in lived.values() if each.estimator is not None)
    if loss is None and targets.shape[1] > 1 and not all(hasattr(rival, "predict_proba") for rival in given):
        # Whoever gives no probabilities would have to pay as much as the logarithm allows.
        wrong = combined.argmax(axis=2) != targets.argmax(axis=1)[:, None]
        return np.where(np.isnan(combined).any(axis=2), np.nan, wrong), "share of wrong classes"
    chosen = default_loss(targets.shape[1]) if loss is None else loss
    return chosen(targets, combined), type(chosen).__name__


def _sides(
    stream: Stream, schedule: Schedule, classes: NDArray[Any] | None, combined: Array, overlap: float
) -> Array | None:
    """Side that every rival took: the sign of a number, or what the class stood for on the training rows."""
    if stream.returns is None:
        return None
    if classes is None:
        return np.sign(combined[:, :, 0])
    y = np.searchsorted(classes, np.asarray(stream.y))
    taken = np.zeros(combined.shape[:2])
    for period in schedule.periods:
        rows = slice(period.start - schedule.first, period.stop - schedule.first)
        past = slice(period.train.start, period.train.stop)
        weight = np.ones(past.stop - past.start) if stream.sample_weight is None else stream.sample_weight[past]
        stands_for = class_sides(np.eye(len(classes))[y[past]], stream.returns[past], weight, overlap)
        taken[rows] = np.zeros(1) if stands_for is None else stands_for[combined[rows].argmax(axis=2)]
    return np.where(np.isnan(combined).any(axis=2), np.nan, taken)


def _earned(sides: Array | None, came: Stream, cost_bps: float) -> tuple[Array | None, Array | None]:
    """Who was on the right side, and what it earned after costs."""
    if sides is None:
        return None, None
    wins, profits = trade_outcomes(sides, came.returns)
    return wins, profits - cost_bps * _changes_paid(np.nan_to_num(sides), came.groups)


def _changes_paid(sides: Array, groups: NDArray[Any] | None) -> Array:
    """How many changes of side each trade pays for: its own, and leaving the market after the last trade."""
    owners = np.zeros(len(sides), dtype=np.intp) if groups is None else pd.factorize(groups)[0]
    order = np.argsort(owners, kind="stable")
    held = sides[order]
    first = np.diff(owners[order], prepend=-1) != 0
    changed = held != np.where(first[:, None], 0.0, np.roll(held, 1, axis=0))
    changes = np.cumsum(changed, axis=0)
    # Changes that were paid for by the last trade before each row, or were made by others before the group's first.
    settled = np.roll(np.where(held != 0, changes, 0), 1, axis=0)
    settled[first] = (changes - changed)[first]
    paid = np.empty_like(sides)
    paid[order] = changes - np.maximum.accumulate(settled, axis=0)
    return paid


def _memberships(lived: Mapping[str, Lived], came: Stream, index: pd.Index[Any]) -> pd.DataFrame:
    if came.regimes is not None:
        return came.regimes.set_axis(index, axis=0)
    said = next((each.explanation for each in lived.values() if each.explanation is not None), None)
    if said is None:
        return pd.DataFrame(index=index)
    return pd.DataFrame(said.memberships, index=index, columns=pd.Index(list(said.regimes), dtype=object))


def _trainings(schedule: Schedule, X: Any) -> pd.DataFrame:
    starts = [period.start for period in schedule.periods]
    labels = take_rows(X, starts).index if isinstance(X, pd.DataFrame) else pd.RangeIndex(X.shape[0])[starts]
    return pd.DataFrame(
        {
            "judged_from": labels,
            "n_train": [period.train.stop - period.train.start for period in schedule.periods],
            "n_judged": [period.stop - period.start for period in schedule.periods],
        }
    )

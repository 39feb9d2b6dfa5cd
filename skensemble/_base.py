"""The order of the steps that both estimators share; the arithmetic is in the modules that they call."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import wraps
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import sklearn
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch, check_random_state, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from skensemble._carry import definition, folds_with_news, idle_after, latest, resting_models
from skensemble._certainty import Certainty, probable
from skensemble._checks import LookAheadWarning, ModelFailureWarning, check_choice, check_columns, check_number, shown
from skensemble._compat import CallbackSupport, check_sample_weight, take_rows, visual_block, with_callbacks
from skensemble._composition import NamedParts, pairs
from skensemble._feedback import (
    Outcomes,
    certainty_after,
    figures_after,
    recorded_trades,
    said_earlier,
    trade_credits,
    with_reliability,
    with_scores,
)
from skensemble._inputs import (
    check_feedback_form,
    check_same_times,
    labels_of_groups,
    numbers_of_returns,
    tells_time,
    warn_about_dates,
    with_short_indices,
)
from skensemble._learning import learned
from skensemble._members import checked_models, listed_models, warn_about_weights
from skensemble._progress import check_verbose, listened_to
from skensemble._training import (
    AsleepModel,
    OutOfFold,
    Training,
    outputs,
    reach_of,
    seeded,
    train,
    weight_params,
    within_reach,
)
from skensemble.combiners import Combiner, DynamicWeighting, Stacking, WeightedCombiners, WeightedVoting
from skensemble.compiled import CompiledEnsemble, kept_rows
from skensemble.explanation import Explanation, agreement, spread
from skensemble.intervals import AdaptiveConfidence, ProbabilityCalibration, read_coverages
from skensemble.models import ColumnsRead, columns_read, few_numbers, mean_importances
from skensemble.performance import Ledger
from skensemble.regimes import (
    detect,
    detect_forward,
    encode_memberships,
    fit_detector,
    joined_names,
    regime_names,
    remembered,
)
from skensemble.splits import check_time_order, earlier_moments, make_folds, times_of
from skensemble.trades import Trades, check_trades

__all__ = ["ATTRIBUTES", "COVERAGES", "PARAMETERS", "RegimeAwareEnsemble"]

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

PARAMETERS = """estimators : list of str and (str, estimator) pairs, default=None
    The models: names such as ``"xgboost"``, ``"lightgbm"``, ``"random_forest"``, ``"extra_trees"``,
    ``"hist_gradient_boosting"``, ``"linear"``, ``"logistic"``, ``"mlp"``, or pairs of a name and any estimator of the
    task (``"drop"`` leaves one out, ``FrozenEstimator`` brings a fitted one). Parameters of each are found as
    ``name__parameter``. The default (``None``) is ``{default}``.
combiner : {{"weighted_voting", "stacking", "dynamic", "weighted_combiners"}} or Combiner, default=None
    How predictions become one; the last one weighs the other three. The default (``None``) is ``WeightedVoting()``.
cv : int, splitter or iterable of (train, test), default=None
    Folds for the out-of-fold predictions. The default (``None``) is five forward folds (`ForwardSplit`), an int that
    many, fewer on small data. Any splitter will do, no partition is asked for; one that looks ahead gives a warning.
label_horizon : int, str or timedelta, default=0
    How long after its row a label is known: rows, or a time such as ``"5D"`` where X has a DatetimeIndex. Training rows
    whose label interval touches a test row's are purged. Outcomes that share their time count for less in intervals.
embargo : int, str or timedelta, default=0
    Further distance between training and test rows.
regime_detector : str, callable or estimator, default=None
    Where regimes come from when nobody passes them: the name of a column of X, a function of X, or an estimator with
    ``fit`` and ``predict`` or ``predict_proba``, fitted inside each fold on the fold's past. The default (``None``)
    knows no regimes.{extra}
lookback : int, default=50
    Outcomes in the recent window of the ledger, and in the comparison of ``max_models``.
periods_per_year : float, default=None
    Outcomes per year, for annualised Sharpe ratios. The default (``None``) reads it off a DatetimeIndex if it can.
coverages : sequence of float, default=(0.5, 0.8, 0.9, 0.95)
    How often {bounds} should hold the outcome: what is tracked and kept honest, increasing, in (0, 1). Between two of
    them is interpolated; above the largest nothing is known. A retrain with other ones trains all folds, to learn them.
max_models : int, default=None
    How many models may work: those of lowest loss on the latest ``lookback`` outcomes; the others sleep. The default
    (``None``) is all of them.
min_weight : float, default=0.01
    A model that carries less than this weight on ``rest_after`` outcomes in a row is not fitted at the next retrain
    with ``warm_start``; it comes back when the ensemble's recent loss is a quarter above that of its lifetime.
rest_after : int, default=500
    See ``min_weight``.
warm_start : bool, default=False
    Whether `fit` keeps ledger and weights of the fit before, for models of the same name (half of the record where the
    definition has changed). Rows with times up to the last one learned from are not learned from again, and folds
    without later rows are not trained unless a model is new: such a retrain costs little more than one fit of each
    model. Rows without times are left to `partial_update`.
on_error : {{"warn", "raise"}}, default="warn"
    Whether a model that fails sleeps, with a warning that names it, or stops everything.
random_state : int, RandomState instance or None, default=None
    Seed of every model that has none of its own.
n_jobs : int, default=None
    Fits at a time, as joblib takes it; models run on one thread each meanwhile. With ``None`` they come one after the
    other and may use all cores. Predictions of many rows are made in batches, so many at a time.
verbose : int, default=0
    Whether a line is printed for every fit of a model, in each fold and on all rows, as it ends. For progress bars use
    ``set_callbacks(sklearn.callback.ProgressBar())`` (scikit-learn 1.9 and later)."""

ATTRIBUTES = """estimators_ : list of estimator
    The models fitted on all rows; an ``AsleepModel`` in place of one that failed, rests or was not selected.
named_estimators_ : Bunch
    The same by name.
model_names_ : tuple of str
    Names of the models, in the order of all results.
selected_models_ : tuple of str
    Names of the models at work.
combiner_ : Combiner
    The fitted combiner.
weights_ : DataFrame of shape (n_models, 1 + n_regimes)
    How far each model is trusted, pooled and in each regime.
feature_importances_ : ndarray of shape (n_features,)
    How much the models make of each column, weighted by how far each is trusted, pooled.
regimes_ : tuple of hashable
    Names of the regimes.
regime_detector_ : object
    The fitted detector.
ledger_ : Ledger
    Who was right, out of fold and since; `performance_report` reads it.
group_ledger_ : Ledger or None
    The same for each group by itself, over its lifetime; ``None`` as long as no groups were given.
records_ : dict of str to str
    What became of each model's record at the last fit: ``"new"``, ``"kept"`` or ``"discounted"``.
out_of_fold_ : OutOfFold
    What was predicted out of fold, and what came true; with ``warm_start`` of the folds that were trained.
n_excluded_ : int
    Rows that no fold predicts.
learned_until_ : Timestamp or None
    Time of the last row learned from.
trained_until_ : Timestamp or None
    Time of the last row that `fit` was given.
n_features_in_ : int
    Number of columns of X.
feature_names_in_ : ndarray of shape (n_features,)
    Their names, where X was a frame."""

# So many rows keep all models at work, and what they say of them takes little memory.
BATCH_ROWS = 65_536

COVERAGES = (0.5, 0.8, 0.9, 0.95)

_MOMENTS = ("learned_until_", "trained_until_")

COMBINERS: dict[str, type[Combiner]] = {
    "dynamic": DynamicWeighting,
    "stacking": Stacking,
    "weighted_combiners": WeightedCombiners,
    "weighted_voting": WeightedVoting,
}


def _all_or_nothing(fit: Callable[..., Any]) -> Callable[..., Any]:
    """Let a fit that fails leave everything as it was: new classes over old models would answer, and answer wrongly."""

    @wraps(fit)
    def fit_or_restore(self: Any, *args: Any, **kwargs: Any) -> Any:
        before = vars(self).copy()
        try:
            return fit(self, *args, **kwargs)
        except BaseException:
            for name in vars(self).keys() - before.keys():
                delattr(self, name)
            vars(self).update(before)
            raise

    return fit_or_restore


class RegimeAwareEnsemble(CallbackSupport, NamedParts):
    """Train several models, combine them per regime, and say what each prediction is made of.

    The two public estimators say only what differs between numbers and classes.
    """

    # Groups only say whose rows they are: whoever hands them to a search means them for its splitter and for us.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}

    # All that `partial_update` moves, in records that are replaced and never changed: a shallow copy is a moment kept.
    _moving: ClassVar[tuple[str, ...]] = (
        "combiner_",
        "calibration_",
        "regime_detector_",
        "ledger_",
        "group_ledger_",
        "learned_until_",
        "_certainty",
        "_moments",
        "_group_moments",
        "_idle",
    )

    _task: ClassVar[str]
    estimators: list[Any] | None
    classes_: NDArray[Any]
    n_features_in_: int
    combiner_: Combiner
    calibration_: ProbabilityCalibration | None
    ledger_: Ledger
    learned_until_: Any
    trained_until_: Any
    model_names_: tuple[str, ...]
    regimes_: tuple[Hashable, ...]
    selected_models_: tuple[str, ...]
    out_of_fold_: OutOfFold
    _idle: NDArray[np.intp]
    group_ledger_: Ledger | None
    _moments: Array
    _group_moments: Array | None
    _sides: Array | None
    _kept_rows: Array | None
    _columns_read: list[ColumnsRead | None]
    _certainty: Certainty

    def __init__(
        self,
        estimators: list[Any] | None = None,
        *,
        combiner: str | Combiner | None = None,
        cv: Any = None,
        label_horizon: Any = 0,
        embargo: Any = 0,
        regime_detector: Any = None,
        lookback: int = 50,
        periods_per_year: float | None = None,
        coverages: Sequence[float] = COVERAGES,
        max_models: int | None = None,
        min_weight: float = 0.01,
        rest_after: int = 500,
        warm_start: bool = False,
        on_error: str = "warn",
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.estimators = estimators
        self.combiner = combiner
        self.cv = cv
        self.label_horizon = label_horizon
        self.embargo = embargo
        self.regime_detector = regime_detector
        self.lookback = lookback
        self.periods_per_year = periods_per_year
        self.coverages = coverages
        self.max_models = max_models
        self.min_weight = min_weight
        self.rest_after = rest_after
        self.warm_start = warm_start
        self.on_error = on_error
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_all_or_nothing
    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        *,
        regimes: Any = None,
        sample_weight: Any = None,
        returns: Any = None,
        groups: Any = None,
        **fit_params: Any,
    ) -> Any:
        """Train every model out of fold and on all rows, and learn how far to trust whom.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features, oldest row first. Frames are handed to the models as they are.
        y : array-like of shape (n_samples,)
            Targets.
        regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row: labels of any hashable kind, missing ones allowed, or probabilities. The default
            (``None``) asks ``regime_detector``.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts, in the models, in the folds and in the combiner.
        returns : array-like of shape (n_samples,), default=None
            Return of a long position over each row's horizon, as a fraction: the ledger then counts profits. A
            class stands for the side that paid on the training rows.
        groups : array-like of shape (n_samples,), default=None
            Whose row each is, such as the asset: the ledger then counts each by itself, too. A splitter that takes
            groups gets them.
        **fit_params : dict
            With metadata routing enabled, whatever the models or the splitter request.

        Returns
        -------
        estimator
            Itself, fitted.

        Raises
        ------
        ValueError
            If the input or a parameter is wrong, in words that say which and what to do, or if no model could be
            trained.
        """
        past = vars(self).copy() if self.warm_start and hasattr(self, "combiner_") else {}
        times = times_of(X, y)
        X, y, targets = self._validated(X, y)
        if past and not np.array_equal(past.get("classes_", ()), getattr(self, "classes_", ())):
            warnings.warn(
                f"The classes were {shown(past['classes_'].tolist())} and are {shown(self.classes_.tolist())} now: "
                f"what {type(self).__name__} has learned of the other classes means nothing here, so ledger and "
                f"weights start anew in spite of warm_start.",
                UserWarning,
                stacklevel=2,
            )
            past = {}
        weight = self._checked_weight(sample_weight, X)
        returns = self._checked_returns(returns, y)
        owners = labels_of_groups(groups, len(y))
        self._check_parameters()
        models = checked_models(
            self.estimators, self._task, type(self).__name__, BaseEstimator.get_params(self, deep=False)
        )
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        parts = [("combiner", self._checked_combiner()), ("regime_detector", self.regime_detector)]
        (_, combiner), (_, unfitted) = seeded(parts, seed)
        routed = self._routed_fit(models, {"regimes": regimes, "sample_weight": weight, "groups": groups, **fit_params})
        splits = make_folds(
            self.cv,
            X,
            y,
            owner=type(self).__name__,
            label_horizon=self.label_horizon,
            embargo=self.embargo,
            params=routed.splitter,
        )
        splits = [fold for fold in splits if weight is None or weight[fold[0]].any()]
        n_judged = len(np.unique(np.concatenate([test for _, test in splits]))) if splits else 0
        known = past.get("regimes_", ())
        news: Sequence[tuple[Rows, Rows]] = splits
        if not self._needs_all_folds(past):
            definitions = {name: definition(model) for name, model in models}
            news = folds_with_news(splits, past, combiner, definitions, targets.shape[1], times)
        names, memberships, detector = self._fit_regimes(X, regimes, news, unfitted, known)
        if len(news) < len(splits) and names != known:
            # A combiner may not be able to go on with regimes that it has never seen.
            news = splits
            names, memberships, detector = self._fit_regimes(X, regimes, news, unfitted, known)
        progress = listened_to(self, len(models), type(self).__name__)
        with progress.running():
            training = train(
                seeded(models, seed),
                X,
                y,
                news,
                sample_weight=weight,
                fit_params=routed.models,
                classes=getattr(self, "classes_", None),
                resting=resting_models(past, [name for name, _ in models], self.rest_after, self.max_models),
                n_jobs=self.n_jobs,
                progress=progress,
            )
        self._report_failures(training)
        attributes = learned(
            training,
            combiner,
            models,
            names,
            X,
            targets,
            memberships,
            np.ones(len(y)) if weight is None else weight,
            n_excluded=len(y) - n_judged,
            times=times,
            past=past,
            returns=returns,
            groups=owners,
            label_horizon=self.label_horizon,
            lookback=self.lookback,
            min_weight=self.min_weight,
            max_models=self.max_models,
            calibrate=self._calibrates(),
            unknown=Certainty.unknown(hasattr(self, "classes_"), len(names), self.coverages),
            options={name: getattr(self, name) for name in ("lookback", "periods_per_year")},
        )
        for name, value in attributes.items():
            setattr(self, name, value)
        self._reach = reach_of(y, weight) if self._task == "regressor" else (-np.inf, np.inf)
        self._reads = (self.estimators, *self._read_by_models())
        self.trained_until_ = None if times is None else times[-1]
        self.estimators_ = [
            model if name in self.selected_models_ or isinstance(model, AsleepModel) else AsleepModel("not selected")
            for (name, _), model in zip(models, training.estimators, strict=True)
        ]
        self.named_estimators_ = Bunch(**dict(zip(self.model_names_, self.estimators_, strict=True)))
        self.regime_detector_ = detector
        self._kept_rows = kept_rows(X)
        self._columns_read = [columns_read(model, X, weight) for model in self.estimators_]
        return self

    def partial_update(
        self,
        X: Any = None,
        y: Any = None,
        *,
        regimes: Any = None,
        sample_weight: Any = None,
        returns: Any = None,
        groups: Any = None,
        predictions: Explanation | None = None,
        trades: Any = None,
    ) -> Any:
        """Take outcomes back: the weights and the ledger move, the models stay as they are.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), default=None
            Features of the rows whose outcomes are known now, oldest first. The models are asked again what they say.
        y : array-like of shape (n_samples,)
            What came true.
        regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row of X; the default (``None``) asks ``regime_detector``.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each outcome counts; one of weight zero changes nothing.
        returns : array-like of shape (n_samples,), default=None
            Return of a long position over each row's horizon, as a fraction, for the trading figures of the ledger.
        groups : array-like of shape (n_samples,), default=None
            Whose outcome each is, such as the asset, for the ledger of each.
        predictions : Explanation, default=None
            What was said earlier, by this ensemble or by the one before a retrain, in place of X: nothing is
            recomputed, and the regret is that of the weights at that time.
        trades : DataFrame, dict or iterable of dict, default=None
            Results of trades in place of ``y``, with the fields ``model`` (``None`` for a trade of the ensemble),
            ``won``, ``profit_bps``, ``regime`` and, if wanted, ``time`` and ``sample_weight``. A trade of the ensemble
            is credited to the models by the side each took if ``predictions`` has one row for every trade, and to the
            ensemble's record alone otherwise. Weights move by profits; ``won`` alone moves the ledger.

        Returns
        -------
        estimator
            Itself. n rows at once equal n calls of one row, or of the rows of one timestamp: these do not know
            each other's outcomes.

        Raises
        ------
        ValueError
            If the input is wrong; then nothing has moved.
        TypeError
            If X holds objects that are no numbers, as from any estimator of scikit-learn.

        Notes
        -----
        n rows at once give the bits of n calls where the models do: all named ones but ``"mlp"``, whose matrix products
        round by batch. Outcomes that come late (``label_horizon``) are judged by the weights of today where X is given,
        and by those of their moment where the explanation is: only then is the ensemble's record what was said. In a
        Pipeline: ``pipe[-1].partial_update(pipe[:-1].transform(X), y)``. One thread may update while others predict:
        each of them sees the weights before or those after.
        """
        check_is_fitted(self, "combiner_")
        beside = {"regimes": regimes, "sample_weight": sample_weight, "returns": returns, "groups": groups}
        check_feedback_form(type(self).__name__, X, y, predictions, trades, beside)
        if trades is not None:
            return self._learn_trades(trades, predictions)
        news = self._checked_outcomes(X, y, predictions, beside)
        if not len(news):
            return self
        if news.said is None:
            self._warn_about_hindsight(news.times)
            news = replace(news, said=self._ask_models(news.features))
        self._learn(news)
        return self

    def remember(self, X: Any) -> Any:
        """Take note of rows that have happened, so that a detector that looks back carries on from them.

        Nothing is learned. `partial_update` with X does this by itself; call it where outcomes come later than the next
        rows, or as ``predictions=``. Without it the next rows would follow upon those of `fit`, as if nothing had been
        between them.

        Parameters
        ----------
        X : pandas.DataFrame of shape (n_samples, n_features)
            Rows, oldest first, whose index says when they were: times, or row numbers that increase. Rows that are
            known already are left out.

        Returns
        -------
        estimator
            Itself.

        Raises
        ------
        ValueError
            If the detector looks back and nobody can tell when the rows were.
        """
        X = self._validated_rows(X)
        self.regime_detector_ = remembered(self.regime_detector_, X)
        return self

    def _learn(self, news: Outcomes) -> None:
        """Take outcomes whose models have been asked."""
        moved, combined, weights = self._moved(news)
        # All at once, so that a copy or a pickle made meanwhile is of one moment.
        self.__dict__.update(moved, **self._counted(news, combined, weights))

    def _moved(self, news: Outcomes) -> tuple[dict[str, Any], Array, Array]:
        """What the next prediction depends on, after more outcomes; and what was said of these by which weights."""
        combiner = copy(self.combiner_)
        combined, weights = combiner.follow(
            news.said,
            news.targets,
            news.memberships,
            news.counted,
            weights=news.weights,
            known=news.known,
            features=news.features,
        )
        calibration = self.calibration_
        if calibration is not None:
            combined, calibration = calibration.followed(
                probable(combined), news.targets, news.counted, known=news.known
            )
        if news.combined is not None and news.weights is not None:
            combined, weights = news.combined, news.weights
        detector = self.regime_detector_
        if tells_time(news.features):
            detector = remembered(detector, news.features)
        certainty = certainty_after(self._certainty, news, combined, weights)
        moved = {
            "combiner_": combiner,
            "calibration_": calibration,
            "regime_detector_": detector,
            "_certainty": certainty,
        }
        return moved, combined, weights

    def _counted(self, news: Outcomes, combined: Array, weights: Array) -> dict[str, Any]:
        """What is only counted, after more outcomes."""
        return figures_after(vars(self), news, combined, weights, sides=self._sides) | {
            "learned_until_": latest(self.learned_until_, news.times),
            "_idle": idle_after(self._idle, weights, self.min_weight),
        }

    def _warn_about_hindsight(self, times: pd.DatetimeIndex | None) -> None:
        """Say so where models are asked about rows that they were trained on."""
        until = self.trained_until_
        if times is None or until is None or not len(times):
            return
        if (times.tz is None) == (until.tzinfo is None) and times.min() <= until:
            warnings.warn(
                f"X of partial_update holds rows up to {until} that the models were trained on: what they say of them "
                f"is no forecast, and fit has learned from their outcomes already. Give later rows, or what was said "
                f"at the time (predictions=).",
                LookAheadWarning,
                stacklevel=4,
            )

    def _learn_trades(self, trades: Any, predictions: Explanation | None) -> Any:
        # A small profit is only suspicious as long as no trade has shown the unit.
        in_bps = getattr(self.combiner_, "trades_", None) is not None
        read = check_trades(trades, self.model_names_, self.regimes_, in_bps=in_bps)
        said = None
        if predictions is not None:
            classes = self.classes_.tolist() if hasattr(self, "classes_") else None
            said = self._said_earlier(predictions, classes)["said"]
            if len(said) != len(read):
                raise ValueError(
                    f"predictions explains {len(said)} predictions for {len(read)} trades: give one row for every "
                    f"trade."
                )
        if not self._learn_read_trades(read, predictions, said):
            warnings.warn(
                f"{type(self.combiner_).__name__} of {type(self).__name__} has no weights that trades could move: only "
                f"the ledger moves. combiner='dynamic' follows trades.",
                UserWarning,
                stacklevel=3,
            )
        return self

    def _learn_read_trades(self, read: Trades, predictions: Explanation | None, said: Array | None) -> bool:
        """Take trades that have been read; whether weights could move, and not the ledger alone."""
        memberships = encode_memberships(read.regimes, self.regimes_, len(read))
        profits, wins = trade_credits(read, len(self.model_names_), predictions, said, self._sides)
        ledger = recorded_trades(self.ledger_, read, profits, wins, memberships)
        combiner = copy(self.combiner_)
        follows = combiner.follow_trades(profits, memberships, read.sample_weight)
        self.__dict__.update(combiner_=combiner, ledger_=ledger)
        return follows

    def explain(self, X: Any, *, regimes: Any = None) -> Explanation:
        """Predict, and say what the predictions are made of.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row; the default (``None``) asks ``regime_detector``. A missing regime, or one that was never
            seen, is served by the pooled answer.

        Returns
        -------
        Explanation
            Predictions, weights, contributions, agreement and confidence; `Explanation.frame` lists them.
        """
        X = self._validated_rows(X)
        index = X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(X.shape[0])
        return self._explained(self._ask_models(X), self._memberships(X, regimes), X, index)

    def _explained(self, said: Array, memberships: Array, features: Any, index: pd.Index[Any]) -> Explanation:
        """What predictions are made of, once the models have been asked."""
        # One combiner for all of it: another thread may put its successor in place meanwhile.
        combiner, calibration = self.combiner_, self.calibration_
        combined = _calibrated(combiner.combine(said, memberships, features=features), calibration)
        weights = combiner.weights(said, memberships)
        contributions = combiner.contributions(said, memberships, features=features)
        certainty = self._certainty
        statement = certainty.statement(combined, spread(said, weights, combined), memberships)
        return Explanation(
            prediction=self._decide(combined),
            combined=combined,
            models=self.model_names_,
            member_predictions=said,
            weights=weights,
            contributions=contributions,
            baseline=combined - contributions.sum(axis=1),
            regimes=self.regimes_,
            memberships=memberships,
            agreement=agreement(said, weights, combined),
            confidence=statement.confidence,
            nominal=statement.nominal,
            limits=statement.limits,
            coverages=certainty.bounds.coverages,
            classes=tuple(self.classes_.tolist()) if hasattr(self, "classes_") else None,
            index=index,
        )

    def compile(self, X_check: Any = None, *, engine: str | None = None) -> CompiledEnsemble:
        """Make the ensemble ready for one row at a time.

        The trees of all models are packed into one table, so that a row falls through all of them at once; then they
        are verified against the models themselves, also on rows that stand exactly on thresholds.

        Parameters
        ----------
        X_check : array-like of shape (n_samples, n_features), default=None
            Rows to verify on, of which 64 are taken. The default (``None``) are rows that `fit` has kept.
        engine : {"packed", "numba", "onnx"}, default=None
            What takes rows through the trees: numpy, or, with ``pip install "skensemble[fast]"``, a loop that numba
            translates when it is first asked for, or ONNX Runtime. The default (``None``) is ``"packed"``.

        Returns
        -------
        CompiledEnsemble
            With ``predict``, ``predict_proba``, ``explain``, and the weights of this ensemble at every moment.

        Raises
        ------
        ValueError
            If the compiled trees say anything else than the models, beyond a millionth of the largest prediction.
        """
        check_is_fitted(self, "combiner_")
        return CompiledEnsemble(self, X_check, engine=engine)

    def member_predictions(self, X: Any) -> pd.DataFrame:
        """Return what each model says.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        pandas.DataFrame of shape (n_samples, n_models) or (n_samples, n_models * n_classes)
            One column per model, or per model and class; NaN where a model is asleep.
        """
        X = self._validated_rows(X)
        said = self._ask_models(X)
        columns: Any = pd.Index(self.model_names_, name="model")
        if hasattr(self, "classes_"):
            columns = pd.MultiIndex.from_product([self.model_names_, self.classes_.tolist()], names=["model", "class"])
        index = X.index if isinstance(X, pd.DataFrame) else None
        return pd.DataFrame(said.reshape(len(said), -1), columns=columns, index=index)

    @property
    def weights_(self) -> pd.DataFrame:
        """How far each model is trusted, pooled and in each regime.

        Returns
        -------
        pandas.DataFrame of shape (n_models, 1 + n_regimes)
            Columns ``"pooled"`` and the regimes; each sums to 1 over the models that predict.
        """
        check_is_fitted(self, "combiner_")
        columns = pd.Index(["pooled", *self.regimes_], dtype=object, name="regime", tupleize_cols=False)
        n_models, n_regimes = len(self.model_names_), len(self.regimes_)
        inside = np.vstack([np.zeros(n_regimes), np.eye(n_regimes)])
        asleep = [isinstance(model, AsleepModel) for model in self.estimators_]
        said = np.where(np.array(asleep)[None, :, None], np.nan, np.zeros((1 + n_regimes, n_models, 1)))
        weights = self.combiner_.weights(said, inside)
        return pd.DataFrame(weights.T, index=pd.Index(self.model_names_, name="model"), columns=columns)

    @property
    def feature_importances_(self) -> Array:
        """How much the models make of each column, by what they say themselves.

        Each model's importances (``feature_importances_``; of linear models the absolute coefficients times the spread
        of their columns) are brought to a sum of one, and averaged by how far the models are trusted now, pooled.
        Models that say nothing (networks, histogram boosting), or use products, principal components and whatever else
        a Pipeline makes of several columns at once, are left out. What counts is what was learned, on the
        rows that it was learned from: whether a column helps on rows not seen is what
        `skensemble.evaluation.permutation_importance` measures.

        Returns
        -------
        ndarray of shape (n_features,)
            At least 0, summing to 1; all zero where no model uses any column.

        Raises
        ------
        AttributeError
            If no model says what it makes of the columns.
        """
        check_is_fitted(self, "combiner_")
        found = mean_importances(self.estimators_, self.weights_["pooled"].to_numpy(), self._columns_read)
        if found is None:
            raise AttributeError(
                f"{type(self).__name__} has no feature_importances_: none of its models "
                f"({', '.join(self.model_names_)}) says what it makes of the columns. "
                f"skensemble.evaluation.permutation_importance measures it for any model."
            )
        return found

    @property
    def confidence_(self) -> AdaptiveConfidence:
        """How often predicted sides or classes were right.

        Returns
        -------
        AdaptiveConfidence
            The record; `AdaptiveConfidence.reliability` holds what was stated against what came true.
        """
        return self._known().right

    def _known(self) -> Certainty:
        check_is_fitted(self, "combiner_")
        return self._certainty

    def performance_report(self, by: str = "regime") -> pd.DataFrame:
        """Compare the models, the ensemble and its plain rivals on outcomes that they had not seen.

        The record starts with the out-of-fold rows of `fit` and goes on with every `partial_update`. The ensemble's
        figures are those of what it said, or would have said, before each outcome was known; "best so far" is the
        single model with the lowest loss until then, "equal weights" the plain mean, both of the models at work. Where
        outcomes of later updates come late, "until then" is until they came, which flatters "best so far": it knows
        more than anybody did at the prediction. `walk_forward` does not have this fault.

        Parameters
        ----------
        by : {"regime", "group"}, default="regime"
            What the outcomes are told apart by; groups have no recent window.

        Returns
        -------
        pandas.DataFrame
            The frame of `Ledger` with the column ``score``: R² of numbers (against the variance of all outcomes in the
            regime or group), accuracy of classes; higher is better. By regime, the ensemble's row of its lifetime also
            holds its mean stated ``confidence`` beside how often it was ``right``, with the interval, and their number
            ``n_confidence``; `confidence_` has them by what was stated.

        Raises
        ------
        ValueError
            If ``by`` is none of these, or there are no groups.
        """
        check_is_fitted(self, "combiner_")
        who = type(self).__name__
        check_choice(by, "by", f"performance_report of {who}", ("regime", "group"))
        ledger, moments = self.ledger_, self._moments
        if by == "group":
            if self.group_ledger_ is None or self._group_moments is None:
                raise ValueError(f"{who} knows no groups: pass groups= to fit or partial_update.")
            ledger, moments = self.group_ledger_, self._group_moments
        report = with_scores(ledger.frame(), None if hasattr(self, "classes_") else moments, ledger.regimes)
        if by == "group":
            return report[report["window"] == "lifetime"].rename(columns={"regime": "group"}).reset_index(drop=True)
        return with_reliability(report, self.confidence_.reliability(self.regimes_), ledger.overlap)

    def get_metadata_routing(self) -> MetadataRouter:
        """List who asks for which metadata.

        Returns
        -------
        MetadataRouter
            The ensemble's own requests (``regimes``, ``sample_weight``), the models' and the splitter's.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        for name, model in pairs(self._listed_models()):
            if _is_routed(model):
                router.add(**{name: model}, method_mapping=MethodMapping().add(caller="fit", callee="fit"))
        if _is_routed(self.cv):
            # No model can have this name: it is a parameter's.
            router.add(cv=self.cv, method_mapping=MethodMapping().add(caller="fit", callee="split"))
        return router

    # What a leaf says about its task.

    @abstractmethod
    def _encoded(self, y: Any) -> tuple[NDArray[Any], Array]:
        """Checked targets as the models get them, and in the shape ``(n_samples, n_outputs)``."""

    @abstractmethod
    def _encoded_outcomes(self, y: Any, n_samples: int) -> Array:
        """Checked outcomes of `partial_update` in the shape ``(n_samples, n_outputs)``."""

    @abstractmethod
    def _decide(self, combined: Array) -> NDArray[Any]:
        """What `predict` returns for combined outputs."""

    # The steps of partial_update.

    def _checked_outcomes(self, X: Any, y: Any, predictions: Explanation | None, beside: Mapping[str, Any]) -> Outcomes:
        """What is to be learned from, row by row; a row of weight zero is a row left out."""
        classes = self.classes_.tolist() if hasattr(self, "classes_") else None
        if predictions is None:
            X = self._validated_rows(X)
            times, n_samples = times_of(X, y), X.shape[0]
            then: dict[str, Any] = {"memberships": self._memberships(X, beside["regimes"])}
            then["said"] = None
        else:
            then = self._said_earlier(predictions, classes)
            times, n_samples = times_of(predictions, y), len(predictions)
        if not n_samples:
            raise ValueError(f"partial_update of {type(self).__name__} got no rows (0 samples): give at least one.")
        check_time_order(times)
        for name, values in {"y": y, **beside}.items():
            check_same_times(X if predictions is None else predictions, values, name)
        targets = self._encoded_outcomes(y, n_samples)
        weight = beside["sample_weight"]
        returns = self._checked_returns(beside["returns"], targets[:, 0])
        if returns is not None and classes is not None and self._sides is None:
            raise ValueError(
                f"returns of partial_update of {type(self).__name__} tell nothing as long as nobody knows which class "
                f"is long and which is short: fit with returns first. Got {shown(beside['returns'])}."
            )
        return Outcomes(
            targets=targets,
            counted=np.ones(n_samples) if weight is None else check_sample_weight(weight, targets),
            times=times,
            features=X,
            returns=returns,
            groups=labels_of_groups(beside["groups"], n_samples),
            known=earlier_moments(times),
            **then,
        ).counting()

    def _said_earlier(self, said: Explanation, classes: list[Hashable] | None) -> dict[str, Any]:
        """What was said earlier in the order of models, regimes and classes of today."""
        return said_earlier(said, self.model_names_, self.regimes_, classes, self._certainty.bounds.coverages)

    # The steps of fit, in order.

    def _validated(self, X: Any, y: Any) -> tuple[Any, NDArray[Any], Array]:
        if hasattr(X, "columns"):
            check_columns(self, X, reset=True)
            validate_data(self, X, y, skip_check_array=True)
            if X.shape[0] < 2:
                raise ValueError(f"Found array with {X.shape[0]} sample(s) while a minimum of 2 is required.")
            warn_about_dates(X, type(self).__name__)
        else:
            X, y = validate_data(
                self, X, y, ensure_min_samples=2, **self._array_checks(), multi_output=True, y_numeric=False
            )
            X = with_short_indices(X)
        check_consistent_length(X, y)
        check_time_order(times_of(X, y))
        check_same_times(X, y, "y")
        return X, *self._encoded(y)

    def _validated_rows(self, X: Any) -> Any:
        check_is_fitted(self, "combiner_")
        if hasattr(X, "columns"):
            check_columns(self, X, reset=False)
            validate_data(self, X, reset=False, skip_check_array=True)
            if not X.shape[0]:
                raise ValueError(f"Found array with 0 sample(s) for {type(self).__name__}: X needs at least one row.")
            return X
        return with_short_indices(validate_data(self, X, reset=False, **self._array_checks()))

    def _array_checks(self) -> dict[str, Any]:
        tags = get_tags(self).input_tags
        return {
            "accept_sparse": ["csr", "csc"] if tags.sparse else False,
            "ensure_all_finite": "allow-nan" if tags.allow_nan else True,
        }

    def _checked_weight(self, sample_weight: Any, X: Any) -> Array | None:
        if sample_weight is None:
            return None
        check_same_times(X, sample_weight, "sample_weight")
        weight = check_sample_weight(sample_weight, X)
        if not (weight > 0).any():
            raise ValueError("sample_weight has only zeros: at least one weight must be greater than zero.")
        return weight

    def _check_parameters(self) -> None:
        who = type(self).__name__
        check_choice(self.on_error, "on_error", who, ("raise", "warn"))
        check_verbose(self.verbose, who)
        if self.n_jobs is not None:
            whole = isinstance(self.n_jobs, (int, np.integer)) and not isinstance(self.n_jobs, bool)
            if not whole or self.n_jobs == 0:
                raise ValueError(
                    f"n_jobs of {who} must be None, a number of tasks at a time, or -1 for all cores; "
                    f"got {shown(self.n_jobs)}."
                )
        check_number(self.lookback, "lookback", who, low=1, integer=True)
        if self.max_models is not None:
            check_number(self.max_models, "max_models", who, low=1, integer=True)
        read_coverages(self.coverages, who)
        check_number(self.min_weight, "min_weight", who, low=0, high=1)
        check_number(self.rest_after, "rest_after", who, low=1, integer=True)
        if self.periods_per_year is not None:
            check_number(self.periods_per_year, "periods_per_year", who, low=0, open_low=True)

    def _checked_returns(self, returns: Any, y: Any) -> Array | None:
        """Returns as an array; a regressor may say that its targets are returns."""
        return numbers_of_returns(returns, len(y))

    def _checked_combiner(self) -> Combiner:
        combiner = self._named_parts().get("combiner", self.combiner)
        if not isinstance(combiner, Combiner):
            raise ValueError(
                f"combiner of {type(self).__name__} must be one of {', '.join(map(repr, COMBINERS))} or a combiner "
                f"such as WeightedVoting(); got {shown(combiner)}."
            )
        combiner.check_parameters()
        return combiner

    def _routed_fit(self, models: Sequence[tuple[str, Any]], metadata: Mapping[str, Any]) -> Bunch:
        """Who gets which metadata in fit; without routing every model that takes sample weights gets them."""
        given = {key: value for key, value in metadata.items() if value is not None}
        weight = given.get("sample_weight")
        if weight is not None:
            warn_about_weights(models)
        if sklearn.get_config()["enable_metadata_routing"]:
            routed = process_routing(self, "fit", **given)
            each = {name: dict(routed[name]["fit"]) for name, model in models if _is_routed(model)}
            return Bunch(models=each, splitter=dict(routed["cv"]["split"]) if _is_routed(self.cv) else {})
        unknown = set(metadata) - {"regimes", "sample_weight", "groups"}
        if unknown:
            raise ValueError(
                f"fit of {type(self).__name__} got {shown(sorted(unknown))}, which it can only pass on with metadata "
                f"routing: sklearn.set_config(enable_metadata_routing=True), and let a model request it."
            )
        each = {} if weight is None else {name: weight_params(model, weight) for name, model in models}
        return Bunch(models=each, splitter={key: given[key] for key in ("groups",) if key in given})

    def _needs_all_folds(self, past: Mapping[str, Any]) -> bool:
        """Whether a retrain asks for folds that tell nothing new, too.

        Selection compares the models on them, and calibration and other coverages are learned from them at first.
        """
        if self.max_models is not None or (self._calibrates() and past.get("calibration_") is None):
            return True
        return bool(past) and past["_certainty"].bounds.coverages != tuple(self.coverages)

    def _fit_regimes(
        self,
        X: Any,
        regimes: Any,
        splits: Sequence[tuple[Rows, Rows]],
        unfitted: Any,
        known: tuple[Hashable, ...],
    ) -> tuple[tuple[Hashable, ...], Array, Any]:
        """Regime names, memberships of the training rows as they were known at each row, and the fitted detector."""
        n_samples = X.shape[0]
        detector = fit_detector(unfitted, X)
        if regimes is not None:
            check_same_times(X, regimes, "regimes")
            names = joined_names(known, regime_names(regimes))
            return names, encode_memberships(regimes, names, n_samples), detector
        if hasattr(detector, "fit"):
            found, own = detect_forward(unfitted, detector, X, splits)
            names = joined_names(known, found)
            memberships = np.zeros((n_samples, len(names)))
            memberships[:, [names.index(name) for name in found]] = own
            return names, memberships, detector
        found = detect(detector, X)
        names = joined_names(known, () if found is None else regime_names(found))
        return names, encode_memberships(found, names, n_samples), detector

    def _report_failures(self, training: Training) -> None:
        if not training.failures:
            return
        every = [isinstance(model, AsleepModel) for model in training.estimators]
        lines = []
        for name, texts in training.failures.items():
            # The fit on all rows comes last, and matters most: without it the model predicts nothing.
            first = texts[-1] if texts[-1].startswith("on all rows") else texts[0]
            more = f" (and in {len(texts) - 1} of the other fits)" if len(texts) > 1 else ""
            lines.append(f"{name} failed {first}{more}")
        if all(every) or self.on_error == "raise":
            fix = "No model is left." if all(every) else "on_error='warn' would carry on without it."
            raise ValueError(f"{type(self).__name__} could not train: {' / '.join(lines)}. {fix}")
        for line in lines:
            warnings.warn(
                f"{line}. It sleeps there and the others carry on; on_error='raise' stops instead.",
                ModelFailureWarning,
                stacklevel=3,
            )

    # The steps of predict.

    def _combined(self, X: Any, regimes: Any) -> Array:
        """The prediction; many rows come in batches, side by side, so that memory does not grow with them."""
        X = self._validated_rows(X)
        # One combiner for all of them: another thread may put its successor in place meanwhile.
        memberships, combiner, calibration = self._memberships(X, regimes), self.combiner_, self.calibration_
        if X.shape[0] <= BATCH_ROWS:
            return self._merged(self._ask_models(X), X, memberships, combiner, calibration)

        def merged(first: int) -> Array:
            rows = slice(first, first + BATCH_ROWS)
            batch = take_rows(X, rows)
            return self._merged(self._ask_models(batch, first=first), batch, memberships[rows], combiner, calibration)

        batches = range(0, X.shape[0], BATCH_ROWS)
        return np.concatenate(Parallel(n_jobs=self.n_jobs, prefer="threads")(delayed(merged)(at) for at in batches))

    def _merged(
        self,
        said: Array,
        X: Any,
        memberships: Array,
        combiner: Combiner,
        calibration: ProbabilityCalibration | None,
    ) -> Array:
        """The prediction, once the models have been asked."""
        return _calibrated(combiner.combine(said, memberships, features=X), calibration)

    def _bounded(self, X: Any, regimes: Any) -> tuple[Array, Array, Array]:
        """What bounds are made of: the combined prediction, how far the models are apart, and memberships."""
        X = self._validated_rows(X)
        said, memberships = self._ask_models(X), self._memberships(X, regimes)
        combiner, calibration = self.combiner_, self.calibration_
        combined = self._merged(said, X, memberships, combiner, calibration)
        return combined, spread(said, combiner.weights(said, memberships), combined), memberships

    def _calibrates(self) -> bool:
        """Whether probabilities are to be calibrated; numbers have none."""
        return False

    def _memberships(self, X: Any, regimes: Any) -> Array:
        check_same_times(X, regimes, "regimes")
        found = detect(self.regime_detector_, X) if regimes is None else regimes
        return encode_memberships(found, self.regimes_, X.shape[0])

    def _ask_models(
        self, X: Any, known: Mapping[int, Array] | None = None, numbers: Array | None = None, first: int = 0
    ) -> Array:
        """What the models say ``(n_samples, n_models, n_outputs)``; one that fails sleeps, loudly.

        Whoever knows already what some of them say passes it by their places, and the rows as `few_numbers` gives them;
        ``first`` is the number of the first row.
        """
        classes = getattr(self, "classes_", None)
        n_samples, known = X.shape[0], known or {}
        numbers = few_numbers(X) if numbers is None else numbers
        said = np.full((n_samples, len(self.estimators_), 1 if classes is None else len(classes)), np.nan)
        failed = {}
        for k, model in enumerate(self.estimators_):
            try:
                said[:, k] = known[k] if k in known else outputs(model, X, classes, numbers=numbers)
            except Exception as error:  # whatever a model does, the others answer
                failed[k] = f"failed in predict ({type(error).__name__}: {error})"
        # Usually all of them answer, and then one look at all of it will do.
        all_awake = not np.isnan(said).any()
        if not all_awake:
            self._report_asleep(np.isnan(said).any(axis=2), failed)
        if classes is None and (sensible := within_reach(said, self._reach)) is not said:
            self._report_nonsense(said[:, :, 0], np.isnan(sensible[:, :, 0]) & ~np.isnan(said[:, :, 0]))
            said, all_awake = sensible, False
        alone = np.zeros(0, dtype=bool) if all_awake else np.isnan(said).any(axis=2).all(axis=1)
        if alone.any():
            row = first + int(np.argmax(alone))
            raise ValueError(
                f"No model has a finite prediction for {int(alone.sum())} of {n_samples} rows, the first is row {row}. "
                f"Look at these rows for missing or infinite values, and at estimators_ for models that failed in fit."
            )
        return said

    def _report_asleep(self, asleep: NDArray[np.bool_], failed: Mapping[int, str]) -> None:
        for k, n_asleep in enumerate(asleep.sum(axis=0).tolist()):
            if n_asleep and not isinstance(self.estimators_[k], AsleepModel):
                trouble = f"has no finite prediction for {n_asleep} of {len(asleep)} rows"
                self._report_sleep(self.model_names_[k], failed.get(k, trouble))

    def _report_nonsense(self, said: Array, silenced: NDArray[np.bool_]) -> None:
        for k in np.flatnonzero(silenced.any(axis=0)).tolist():
            own = said[silenced[:, k], k]
            self._report_sleep(
                self.model_names_[k],
                f"says {own[np.abs(own).argmax()]:.4g}, which is more than a hundred times their range away from all "
                f"outcomes of the training, where others do not",
            )

    def _report_sleep(self, name: str, trouble: str) -> None:
        if self.on_error == "raise":
            raise ValueError(f"{name} {trouble}. on_error='warn' would carry on without it.")
        warnings.warn(f"{name} {trouble}: it sleeps there.", ModelFailureWarning, stacklevel=6)

    # Composition, tags, HTML.

    def _listed_models(self) -> list[Any]:
        return listed_models(self.estimators, self._task)

    def _named_parts(self) -> dict[str, Any]:
        given = "weighted_voting" if self.combiner is None else self.combiner
        if isinstance(given, str):
            return {"combiner": COMBINERS[given]()} if given in COMBINERS else {}
        return {"combiner": given}

    def __copy__(self) -> Any:
        # Records are replaced and never changed, so this is the ensemble of this moment.
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        # Text, for skops makes objects without calling them, which no Timestamp survives.
        state: dict[str, Any] = super().__getstate__()
        return state | {name: _written(state[name]) for name in _MOMENTS if name in state}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state | {name: _read_again(state[name]) for name in _MOMENTS if name in state})

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Every prediction asks for the tags, and making the models anew to ask them costs more than a small model does.
        read = self.__dict__.get("_reads", ())
        sparse, allow_nan = read[1:] if read and read[0] is self.estimators else self._read_by_models()
        tags.input_tags.sparse, tags.input_tags.allow_nan = sparse, allow_nan
        tags.target_tags.single_output = True
        tags.target_tags.multi_output = False
        return tags

    def _read_by_models(self) -> tuple[bool, bool]:
        """Whether all models take sparse rows, and whether all take missing values."""
        members = [model for _, model in pairs(self._listed_models()) if not isinstance(model, str)]
        try:
            each = [get_tags(model).input_tags for model in members]
        except Exception:  # parameters may be anything until fit has looked at them
            each = []
        return bool(each) and all(tag.sparse for tag in each), bool(each) and all(tag.allow_nan for tag in each)

    def _sk_visual_block_(self) -> Any:
        # As the rows go: regimes, models, and what makes one prediction of theirs; fitted ones where there are such.
        models, combiner, detector = pairs(self._listed_models()), self._named_parts(), self.regime_detector
        if hasattr(self, "combiner_"):
            models = list(zip(self.model_names_, self.estimators_, strict=True))
            combiner, detector = {"combiner": self.combiner_}, self.regime_detector_
        regimes = [] if detector is None else [("regime_detector", detector)]
        return visual_block([stage for stage in (regimes, models, list(combiner.items())) if stage])


def _calibrated(combined: Array, calibration: ProbabilityCalibration | None) -> Array:
    """Combined outputs as they are said."""
    return combined if calibration is None else calibration.calibrated(probable(combined))


def _written(moment: pd.Timestamp | None) -> str | None:
    """Write a time as text that any release of pandas reads: one in a time zone becomes that of UTC."""
    if moment is None:
        return None
    return str(moment if moment.tzinfo is None else moment.tz_convert("UTC"))


def _read_again(text: str | None) -> pd.Timestamp | None:
    return None if text is None else pd.Timestamp(text)


def _is_routed(part: Any) -> bool:
    return hasattr(part, "get_metadata_routing")

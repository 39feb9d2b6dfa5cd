"""What moves an ensemble, fit and partial_update, in the order of their steps; the arithmetic is in what they call."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from functools import wraps
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch, check_random_state
from sklearn.utils.validation import check_is_fitted

from skensemble._carry import definition, folds_with_news, idle_after, latest, resting_models
from skensemble._certainty import Certainty, probable
from skensemble._checks import shown
from skensemble._compat import check_sample_weight, with_callbacks
from skensemble._feedback import (
    Outcomes,
    certainty_after,
    figures_after,
    recorded_trades,
    said_earlier,
    trade_credits,
)
from skensemble._fitted import FittedEnsemble
from skensemble._inputs import (
    check_feedback_form,
    check_same_times,
    checked_training_rows,
    checked_weight,
    labels_of_groups,
    numbers_of_returns,
    tells_time,
    warn_about_hindsight,
)
from skensemble._learning import learned
from skensemble._members import checked_models, seeded
from skensemble._progress import listened_to
from skensemble._training import AsleepModel, reach_of, report_failures, train
from skensemble.compiled import kept_rows
from skensemble.explanation import Explanation
from skensemble.models import columns_read
from skensemble.regimes import encode_memberships, learn_regimes, remembered
from skensemble.splits import check_time_order, earlier_moments, make_folds, times_of
from skensemble.trades import Trades, check_trades

__all__ = ["RegimeAwareEnsemble"]

Array = NDArray[np.float64]
Rows = NDArray[np.intp]


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


class RegimeAwareEnsemble(FittedEnsemble):
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

    _idle: NDArray[np.intp]

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
        X, y = checked_training_rows(self, X, y)
        y, targets = self._encoded(y)
        if past and not np.array_equal(past.get("classes_", ()), getattr(self, "classes_", ())):
            warnings.warn(
                f"The classes were {shown(past['classes_'].tolist())} and are {shown(self.classes_.tolist())} now: "
                f"what {type(self).__name__} has learned of the other classes means nothing here, so ledger and "
                f"weights start anew in spite of warm_start.",
                UserWarning,
                stacklevel=2,
            )
            past = {}
        weight = checked_weight(sample_weight, X)
        returns = self._checked_returns(returns, y)
        owners = labels_of_groups(groups, len(y))
        check_same_times(X, regimes, "regimes")
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
        names, memberships, detector = learn_regimes(unfitted, X, regimes, news, known)
        if len(news) < len(splits) and names != known:
            # A combiner may not be able to go on with regimes that it has never seen.
            news = splits
            names, memberships, detector = learn_regimes(unfitted, X, regimes, news, known)
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
        report_failures(training, type(self).__name__, raises=self.on_error == "raise")
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
            warn_about_hindsight(news.times, self.trained_until_)
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

    # What a leaf says about its task.

    @abstractmethod
    def _encoded(self, y: Any) -> tuple[NDArray[Any], Array]:
        """Checked targets as the models get them, and in the shape ``(n_samples, n_outputs)``."""

    @abstractmethod
    def _encoded_outcomes(self, y: Any, n_samples: int) -> Array:
        """Checked outcomes of `partial_update` in the shape ``(n_samples, n_outputs)``."""

    def _checked_returns(self, returns: Any, y: Any) -> Array | None:
        """Returns as an array; a regressor may say that its targets are returns."""
        return numbers_of_returns(returns, len(y))

    def _calibrates(self) -> bool:
        """Whether probabilities are to be calibrated; numbers have none."""
        return False

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

    # The steps of fit.

    def _needs_all_folds(self, past: Mapping[str, Any]) -> bool:
        """Whether a retrain asks for folds that tell nothing new, too.

        Selection compares the models on them, and calibration and other coverages are learned from them at first.
        """
        if self.max_models is not None or (self._calibrates() and past.get("calibration_") is None):
            return True
        return bool(past) and past["_certainty"].bounds.coverages != tuple(self.coverages)

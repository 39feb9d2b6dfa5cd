"""The trading names: train several techniques at once, predict with all of them, and weigh them by their trades.

The one idea: who knows the words of a trading desk (techniques, validation set, trades won and lost) finds them here.
The one rule: nothing is computed here that the estimators, the ledger and the evidence of trades do not compute; what
these names leave out is a step away, in `MultiModelTrainer.ensemble_` and `DynamicEnsembleCombiner.ledger_`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score

from skensemble._base import RegimeAwareEnsemble
from skensemble._checks import check_choice, check_number, shown
from skensemble._classifier import RegimeAwareEnsembleClassifier
from skensemble._compat import CallbackSupport, callbacks_of
from skensemble._feedback import recorded_trades, trade_credits
from skensemble._progress import check_verbose
from skensemble._regressor import RegimeAwareEnsembleRegressor
from skensemble._training import AsleepModel
from skensemble.combiners import awake_models, default_loss, over_awake, weighted_mean
from skensemble.explanation import Explanation
from skensemble.performance import Ledger
from skensemble.regimes import encode_memberships, joined_names, regime_names
from skensemble.splits import ForwardSplit, times_of
from skensemble.trades import TradeEvidence, check_trades

__all__ = [
    "DynamicEnsembleCombiner",
    "EnsemblePrediction",
    "ModelResult",
    "MultiModelTrainer",
    "predict_with_ensemble",
    "train_multi_model_ensemble",
]

Array = NDArray[np.float64]

_COMBINERS = {"weighted_voting": "weighted_voting", "stacking": "stacking", "dynamic_weighting": "dynamic"}
# On simulated trades a half-life of one window earned a fifth to a quarter less than one of twenty windows, and more
# only where the best model had just changed.
_WINDOWS_TO_HALVE = 20
# Profits that reach this size are no fractions.
_SURELY_BPS = 1.0


@dataclass(frozen=True)
class ModelResult:
    """How one model did on the validation set, trained on the training set alone.

    Parameters
    ----------
    name : str
        The model.
    score : float
        R² of numbers, accuracy of classes; higher is better. NaN where there is nothing to judge.
    loss : float
        Mean squared error of numbers, mean log loss of classes; lower is better. NaN where there is nothing to judge.
    n : int
        Validation rows that the model has predicted.
    error : str or None
        What went wrong, for a model that sleeps; None where all went well.

    Examples
    --------
    >>> ModelResult("linear", score=0.25, loss=0.75, n=100, error=None).score
    0.25
    """

    name: str
    score: float
    loss: float
    n: int
    error: str | None


@dataclass(frozen=True, eq=False)
class EnsemblePrediction:
    """What the ensemble says, how sure it is, and which model moved it by how much.

    One row gives plain numbers, several rows give arrays with one entry per row.

    Parameters
    ----------
    prediction : float, label, or ndarray of shape (n_samples,)
        The predicted number, or the likeliest class.
    confidence : float or ndarray of shape (n_samples,)
        Share of the validation rows on which the models were at least as far apart as here, in [0, 1].
    model_contributions : dict of str to float, or of str to ndarray of shape (n_samples,)
        What each model moved the prediction by; for classes, the probability of the predicted class. They add up to it,
        after stacking together with ``explanation.baseline``. A model asleep moves nothing.
    explanation : Explanation
        Everything behind it: weights, what each model said, probabilities (``combined``), regimes.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.arange(60.0).reshape(-1, 1)
    >>> trainer = MultiModelTrainer(["linear", "extra_trees"], random_state=0, n_jobs=1)
    >>> _ = trainer.train_parallel(X[:40], X[:40, 0], X[40:], X[40:, 0])
    >>> result = trainer.predict_ensemble(X[[50]])
    >>> bool(np.isclose(sum(result.model_contributions.values()), result.prediction))
    True
    """

    prediction: Any
    confidence: Any
    model_contributions: dict[str, Any]
    explanation: Explanation


class MultiModelTrainer(CallbackSupport, BaseEstimator):
    """Train several techniques side by side, judge them on a validation set, and predict with all of them.

    Every model is trained on the training set and predicts the validation set; from these predictions the ensemble
    learns how far to trust whom, in each regime. Then every model is trained again on both sets, and predicts from
    there on. ``ensemble_`` is a `RegimeAwareEnsembleRegressor` or `RegimeAwareEnsembleClassifier`: what it can do
    beyond these names (outcomes of rows, the performance report, retraining), it does.

    Parameters
    ----------
    techniques : list of str and (str, estimator) pairs, default=None
        The models: names such as ``"xgboost"``, ``"lightgbm"``, ``"random_forest"``, ``"logistic"`` (a linear model
        where numbers are predicted), or pairs of a name and an estimator. The default (``None``) is
        ``["xgboost", "lightgbm", "random_forest"]`` and the linear model of the task.
    ensemble_method : {"weighted_voting", "stacking", "dynamic_weighting"}, default="weighted_voting"
        How predictions become one: by weights set once; by a model of the models; by weights that move with every
        outcome.
    is_classification : bool, default=False
        Whether y holds classes.
    label_horizon : int, str or timedelta, default=0
        How long after its row a label is known: rows, or a time such as ``"5D"`` where X has a DatetimeIndex. Training
        rows whose label reaches into the validation set are left out while models are judged.
    random_state : int, RandomState instance or None, default=None
        Seed of every model that has none of its own.
    n_jobs : int, default=-1
        Fits at a time; -1 is one for each core. It does not change the result.
    verbose : int, default=0
        Whether a line is printed for every fit of a model as it ends. For progress bars use
        ``set_callbacks(sklearn.callback.ProgressBar())`` (scikit-learn 1.9 and later).

    Attributes
    ----------
    ensemble_ : RegimeAwareEnsembleRegressor or RegimeAwareEnsembleClassifier
        The fitted ensemble. Its ``cv`` is back to the default, for fits on other rows.
    results_ : dict of str to ModelResult
        What `train_parallel` has returned.

    See Also
    --------
    DynamicEnsembleCombiner : Weights from trades alone, for models that were trained elsewhere.

    Examples
    --------
    One model always says 1, the other -1. In a trend the first is right, in a range the second:

    >>> import numpy as np
    >>> from sklearn.dummy import DummyRegressor
    >>> regimes = np.tile(np.repeat(["TREND", "RANGE"], 10), 40)
    >>> y = np.where(regimes == "TREND", 1.0, -1.0)
    >>> X = np.zeros((800, 1))
    >>> models = [(name, DummyRegressor(strategy="constant", constant=c)) for name, c in (("bull", 1), ("bear", -1))]
    >>> trainer = MultiModelTrainer(techniques=models, ensemble_method="dynamic_weighting")
    >>> results = trainer.train_parallel(
    ...     X_train=X[:400], y_train=y[:400], X_val=X[400:], y_val=y[400:], regimes=regimes
    ... )
    >>> results["bull"].loss, results["bull"].n  # right half of the time, else off by 2
    (2.0, 400)
    >>> [round(trainer.predict_ensemble(X[:1], regime=regime).prediction) for regime in ("TREND", "RANGE")]
    [1, -1]
    """

    ensemble_: RegimeAwareEnsemble
    results_: dict[str, ModelResult]

    def __init__(
        self,
        techniques: list[Any] | None = None,
        ensemble_method: str = "weighted_voting",
        is_classification: bool = False,
        *,
        label_horizon: Any = 0,
        random_state: Any = None,
        n_jobs: int | None = -1,
        verbose: int = 0,
    ) -> None:
        self.techniques = techniques
        self.ensemble_method = ensemble_method
        self.is_classification = is_classification
        self.label_horizon = label_horizon
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def train_parallel(
        self, X_train: Any, y_train: Any, X_val: Any, y_val: Any, regimes: Any = None
    ) -> dict[str, ModelResult]:
        """Train every model, judge it on the validation set, and learn how far to trust it.

        Parameters
        ----------
        X_train : array-like of shape (n_train, n_features)
            Features of the training rows, oldest first.
        y_train : array-like of shape (n_train,)
            Targets of the training rows.
        X_val : array-like of shape (n_val, n_features)
            Features of the validation rows, later than all training rows.
        y_val : array-like of shape (n_val,)
            Targets of the validation rows.
        regimes : array-like, default=None
            Regime of each row: labels with missing ones allowed, or probabilities with one column per regime; for the
            training rows, then the validation rows. Regimes of the training rows alone leave those of the validation
            rows unknown; the weights per regime are then learned from forward folds of the training rows, which costs
            further fits.

        Returns
        -------
        dict of str to ModelResult
            Score, loss and number of validation rows of every model, or why it failed.

        Raises
        ------
        ValueError
            If a parameter or the input is wrong, or if no model could be trained; then what was trained before stays.
        """
        check_choice(self.ensemble_method, "ensemble_method", type(self).__name__, _COMBINERS)
        if not isinstance(self.is_classification, (bool, np.bool_)):
            raise ValueError(
                f"is_classification of {type(self).__name__} must be True or False; got "
                f"{shown(self.is_classification)}."
            )
        check_verbose(self.verbose, type(self).__name__)
        X, y, n_train = _joined_sets(X_train, y_train, X_val, y_val)
        n_samples = n_train + _n_rows(X_val)
        folds = [(np.arange(n_train), np.arange(n_train, n_samples))]
        if regimes is not None and len(regimes) == n_train:
            regimes = _then_unknown(regimes, n_train, X_val)
            folds = [*ForwardSplit().split(X_train), *folds]
        elif regimes is not None and len(regimes) != n_samples:
            raise ValueError(
                f"regimes of train_parallel must have one entry for each of the {n_train} training rows, or for these "
                f"and the {n_samples - n_train} validation rows; got {len(regimes)}: {shown(regimes)}."
            )
        kind = RegimeAwareEnsembleClassifier if self.is_classification else RegimeAwareEnsembleRegressor
        ensemble = kind(
            self.techniques,
            combiner=_COMBINERS[self.ensemble_method],
            cv=folds,
            label_horizon=self.label_horizon,
            random_state=self.random_state,
            n_jobs=self.n_jobs,
            verbose=self.verbose,
        )
        listeners = callbacks_of(self)
        if listeners:
            ensemble.set_callbacks(*listeners)
        ensemble.fit(X, y, regimes=regimes)
        # What was meant for this training is not for fits on other rows.
        if listeners:
            ensemble.set_callbacks()
        ensemble.cv = None
        self.ensemble_, self.results_ = ensemble, _judged(ensemble, n_train)
        return self.results_

    def predict_ensemble(self, X: Any, regime: Any = None) -> EnsemblePrediction:
        """Predict with all models.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        regime : hashable or array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of all rows, or that of each row (labels or probabilities). One that is missing, or was never seen,
            is served by the weights of all regimes together.

        Returns
        -------
        EnsemblePrediction
            ``prediction``, ``confidence``, ``model_contributions`` and the full ``explanation``.

        Raises
        ------
        NotFittedError
            Before `train_parallel`.
        ValueError
            If the input is wrong, or no model has an answer for a row.
        """
        one_for_all = regime is not None and (isinstance(regime, tuple) or np.ndim(regime) == 0)
        regimes = [regime] * _n_rows(X) if one_for_all else regime
        return _taken_apart(self._trained().explain(X, regimes=regimes))

    def update_performance(self, model_name: str | None, won: bool, profit_bps: float, regime: Any = None) -> None:
        """Tell the ensemble what came of a trade: weights and ledger move.

        The same as ``ensemble_.partial_update(trades=...)``, which takes many trades at once. Where the outcomes of
        rows are known, ``ensemble_.partial_update(X, y)`` teaches far more: it compares all models on the same row.

        Parameters
        ----------
        model_name : str or None
            The model that traded; None for a trade of the ensemble, which moves the ledger alone.
        won : bool
            Whether the trade was won.
        profit_bps : float
            Its profit in basis points.
        regime : hashable, default=None
            Regime in which it was made, None where unknown.

        Raises
        ------
        NotFittedError
            Before `train_parallel`.
        ValueError
            If the trade cannot be right; then nothing has moved.
        """
        trade = {"model": model_name, "won": won, "profit_bps": profit_bps, "regime": regime}
        self._trained().partial_update(trades=[trade])

    def _trained(self) -> RegimeAwareEnsemble:
        if not hasattr(self, "ensemble_"):
            raise NotFittedError(f"This {type(self).__name__} is not trained yet: call train_parallel first.")
        return self.ensemble_


class DynamicEnsembleCombiner(BaseEstimator):
    r"""Weigh models by their trades, per regime, and combine what they predict.

    For models that were trained anywhere, of which only the trades are known. The weight of a model is the probability
    that its trades earn most, given all it has earned, in this regime first and in the others as far as they are alike
    (`TradeEvidence`). A model with fewer than ``min_trades_for_weighting`` trades keeps an equal share; among n models,
    m of them with enough trades,

    .. math:: w_k = \frac{1}{n} \ \text{with too few trades,} \qquad
              w_k = \frac{m}{n} \, P(k \text{ is the best of the } m) \ \text{with enough.}

    Parameters
    ----------
    lookback_trades : int, default=50
        How far to look back. The recent figures of ``ledger_`` are those of so many trades. Weights fade more slowly,
        since profits are mostly noise: a trade counts half after 20 times as many trades of its model, a thousand by
        default. Larger means steadier, smaller means sooner to notice that the best model has changed.
    min_trades_for_weighting : int, default=10
        Trades, in all regimes together, that a model needs before they count. Larger means longer at an equal share.

    Attributes
    ----------
    ledger_ : Ledger or None
        Win rate, profit and Sharpe ratio of every model, per regime and pooled; ``ledger_.frame()`` lists them. None
        before the first trade.
    trades_ : TradeEvidence or None
        What the weights are made of.
    n_trades_ : dict of str to int
        Trades of each model so far.

    See Also
    --------
    MultiModelTrainer : Trains the models too, and learns from outcomes of rows.

    Notes
    -----
    A plain window of the last 50 trades is what desks often use, and `RecentPerformance` is that rule; on simulated
    trades of single models it earned between half and two thirds of what these weights earned.

    Examples
    --------
    In a trend the first model earns and the second loses; both are equal until each has ten trades.

    >>> combiner = DynamicEnsembleCombiner(lookback_trades=50, min_trades_for_weighting=10)
    >>> for trade in range(10):
    ...     combiner.update_performance(model_name="xgboost", won=True, profit_bps=15, regime="TREND")
    >>> combiner.get_weights(current_regime="TREND", model_names=["xgboost", "linear"])
    {'xgboost': 0.5, 'linear': 0.5}
    >>> for trade in range(10):
    ...     combiner.update_performance(model_name="linear", won=False, profit_bps=-15, regime="TREND")
    >>> weights = combiner.get_weights(current_regime="TREND", model_names=["xgboost", "linear"])
    >>> weights["xgboost"] > 0.9
    True

    >>> combiner.combine({"xgboost": 4.0, "linear": 8.0, "forest": None}, {"xgboost": 0.75, "linear": 0.25})
    5.0
    """

    ledger_: Ledger | None = None
    trades_: TradeEvidence | None = None
    n_trades_: Mapping[str, int] = {}
    _in_bps: bool = False

    def __init__(self, lookback_trades: int = 50, min_trades_for_weighting: int = 10) -> None:
        self.lookback_trades = lookback_trades
        self.min_trades_for_weighting = min_trades_for_weighting

    def update_performance(self, model_name: str, won: bool, profit_bps: float, regime: Any = None) -> None:
        """Take the result of one trade of one model.

        Parameters
        ----------
        model_name : str
            The model that traded; a name that is new starts a new record.
        won : bool
            Whether the trade was won. It moves the ledger; weights follow the profit.
        profit_bps : float
            Its profit in basis points; 1 % is 100.
        regime : hashable, default=None
            Regime in which it was made; one that is new starts a new record, None (unknown) moves the pooled record.

        Raises
        ------
        ValueError
            If the trade cannot be right, for example won with a loss; then nothing has moved.
        """
        self._check_parameters()
        if not isinstance(model_name, str):
            raise ValueError(f"model_name of update_performance must be the name of a model; got {shown(model_name)}.")
        ledger, evidence = self.ledger_, self.trades_
        known, regimes = _names(ledger)
        models = known if model_name in known else (*known, model_name)
        regimes = joined_names(regimes, regime_names([_label(regime, "regime of update_performance")]))
        trade = {"model": model_name, "won": won, "profit_bps": profit_bps, "regime": regime}
        read = check_trades(trade, models, regimes, in_bps=self._in_bps)
        memberships = encode_memberships(read.regimes, regimes, 1)
        profits, wins = trade_credits(read, len(models), None, None, None)
        if ledger is None or evidence is None:
            ledger = Ledger(models, regimes, lookback=self.lookback_trades)
            half_life = float(_WINDOWS_TO_HALVE * self.lookback_trades)
            evidence = TradeEvidence(len(models), len(regimes), half_life=half_life)
        elif (models, regimes) != _names(ledger):
            evidence = _reindexed(evidence, ledger, models, regimes)
            ledger = ledger.reindexed(models, regimes)
        # All at once, so that a copy or a pickle made meanwhile is of one moment.
        self.__dict__.update(
            ledger_=recorded_trades(ledger, read, profits, wins, memberships),
            trades_=evidence.updated(profits, memberships),
            n_trades_={**self.n_trades_, model_name: self.n_trades_.get(model_name, 0) + 1},
            _in_bps=self._in_bps or abs(profit_bps) >= _SURELY_BPS,
        )

    def get_weights(
        self,
        current_regime: Any = None,
        model_names: Sequence[str] | None = None,
        predictions: Mapping[str, Any] | None = None,
    ) -> dict[str, float]:
        """Return the weight of each model now.

        Parameters
        ----------
        current_regime : hashable, default=None
            The regime now; None, or one without trades, asks the record of all regimes together.
        model_names : sequence of str, default=None
            The models to weigh. The default (``None``) is those of ``predictions``, else all that have traded.
        predictions : mapping of str to float or array-like, default=None
            What the models predict. One that predicts nothing (None or NaN) has weight 0, the others share the rest.

        Returns
        -------
        dict of str to float
            Not negative, adding up to 1; all 0 where no model predicts anything.

        Raises
        ------
        ValueError
            If names are not different from each other, or there are none.
        """
        self._check_parameters()
        regime = _label(current_regime, "current_regime of get_weights")
        # The ledger first: evidence that another thread replaces meanwhile still holds all of its names.
        ledger, evidence = self.ledger_, self.trades_
        known, regimes = _names(ledger)
        names = tuple(model_names if model_names is not None else predictions or known)
        if not names or isinstance(model_names, str) or len(set(names)) < len(names):
            raise ValueError(
                f"model_names of get_weights must be a list of at least one name, all different; got "
                f"{shown(model_names if names else list(names))}."
            )
        awake = names
        if predictions is not None:
            said, _ = _table({name: predictions.get(name) for name in names})
            speaks = awake_models(said).any(axis=0)
            awake = tuple(name for name, speaking in zip(names, speaks, strict=True) if speaking)
        proven = [name for name in awake if self.n_trades_.get(name, 0) >= self.min_trades_for_weighting]
        weights = {name: 1 / len(awake) if name in awake else 0.0 for name in names}
        if ledger is not None and evidence is not None and len(proven) > 1:
            evidence = _reindexed(evidence, ledger, proven, regimes)
            chances = evidence.weights(encode_memberships([regime], regimes, 1))[0]
            weights.update(zip(proven, (chances * len(proven) / len(awake)).tolist(), strict=True))
        return weights

    def combine(self, predictions: Mapping[str, Any], weights: Mapping[str, float]) -> Any:
        """Return the weighted mean of what the models predict.

        Parameters
        ----------
        predictions : mapping of str to float or array-like of shape (n_samples,) or (n_samples, n_classes)
            A number, a number per row, or probabilities per row; the same shape for all models. None or NaN is no
            prediction: there the weights of the others are brought to a sum of 1 (equal ones if all are 0). A row of
            probabilities counts as a whole.
        weights : mapping of str to float
            One for every model with a prediction, not negative; they need not add up to 1.

        Returns
        -------
        float or ndarray of shape (n_samples,) or (n_samples, n_classes)
            In the shape of the predictions.

        Raises
        ------
        ValueError
            If shapes differ, a weight is missing or negative, or no model predicts a row.
        """
        said, shape = _table(predictions)
        awake = awake_models(said)
        if not awake.any(axis=1).all():
            row = int(np.argmin(awake.any(axis=1)))
            raise ValueError(
                f"No model in predictions of combine has a finite prediction for row {row} of {len(said)}; got "
                f"{shown(dict(predictions))}."
            )
        speaks = awake.any(axis=0)
        given = [_weight(weights, name) if spoke else 0.0 for name, spoke in zip(predictions, speaks, strict=True)]
        combined = weighted_mean(over_awake(np.tile(given, (len(said), 1)), awake), said).reshape(shape)
        return combined if shape else float(combined)

    def _check_parameters(self) -> None:
        who = type(self).__name__
        check_number(self.lookback_trades, "lookback_trades", who, low=1, integer=True)
        check_number(self.min_trades_for_weighting, "min_trades_for_weighting", who, low=0, integer=True)


def train_multi_model_ensemble(
    X_train: Any,
    y_train: Any,
    X_val: Any,
    y_val: Any,
    regimes: Any = None,
    techniques: list[Any] | None = None,
    ensemble_method: str = "weighted_voting",
    is_classification: bool = False,
    **parameters: Any,
) -> MultiModelTrainer:
    """Train several techniques side by side and return the trainer that predicts with all of them.

    Parameters
    ----------
    X_train : array-like of shape (n_train, n_features)
        Features of the training rows, oldest first.
    y_train : array-like of shape (n_train,)
        Targets of the training rows.
    X_val : array-like of shape (n_val, n_features)
        Features of the validation rows, later than all training rows.
    y_val : array-like of shape (n_val,)
        Targets of the validation rows.
    regimes : array-like, default=None
        Regime of each training row, or of each training and validation row.
    techniques : list of str and (str, estimator) pairs, default=None
        The models; the default (``None``) is that of `MultiModelTrainer`.
    ensemble_method : {"weighted_voting", "stacking", "dynamic_weighting"}, default="weighted_voting"
        How predictions become one.
    is_classification : bool, default=False
        Whether y holds classes.
    **parameters : dict
        Further parameters of `MultiModelTrainer`.

    Returns
    -------
    MultiModelTrainer
        Trained; ``results_`` holds how each model did on the validation set.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> X, line = np.arange(60.0).reshape(-1, 1), [("line", LinearRegression())]
    >>> trainer = train_multi_model_ensemble(X[:40], X[:40, 0], X[40:], X[40:, 0], techniques=line)
    >>> round(trainer.results_["line"].score, 3)
    1.0
    """
    trainer = MultiModelTrainer(techniques, ensemble_method, is_classification, **parameters)
    trainer.train_parallel(X_train, y_train, X_val, y_val, regimes)
    return trainer


def predict_with_ensemble(trainer: MultiModelTrainer, X: Any, regime: Any = None) -> EnsemblePrediction:
    """Predict with a trained ensemble.

    Parameters
    ----------
    trainer : MultiModelTrainer
        From `train_multi_model_ensemble`.
    X : array-like of shape (n_samples, n_features)
        Features.
    regime : hashable or array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
        Regime of all rows, or that of each row.

    Returns
    -------
    EnsemblePrediction
        ``prediction``, ``confidence``, ``model_contributions`` and the full ``explanation``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> X, line = np.arange(60.0).reshape(-1, 1), [("line", LinearRegression())]
    >>> trainer = train_multi_model_ensemble(X[:40], X[:40, 0], X[40:], X[40:, 0], techniques=line)
    >>> round(predict_with_ensemble(trainer, [[100.0]]).prediction, 3)
    100.0
    """
    return trainer.predict_ensemble(X, regime)


def _n_rows(X: Any) -> int:
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def _joined_sets(X_train: Any, y_train: Any, X_val: Any, y_val: Any) -> tuple[Any, Any, int]:
    """Features and targets of the training rows, then the validation rows, and the number of the former."""
    for name, X, y in (("train", X_train, y_train), ("val", X_val, y_val)):
        if not _n_rows(X) or len(y) != _n_rows(X):
            raise ValueError(
                f"y_{name} of train_parallel has {len(y)} entries and X_{name} has {_n_rows(X)} rows: give one target "
                f"for each row, and at least one row."
            )
    before, after = _layout(X_train), _layout(X_val)
    if before != after:
        raise ValueError(
            f"X_val of train_parallel must have the columns of X_train in the same order, {shown(before)}; got "
            f"{shown(after)}."
        )
    return _joined(X_train, X_val), _joined(y_train, y_val), _n_rows(X_train)


def _layout(X: Any) -> list[Any]:
    """The columns, by name where they have names."""
    return list(X.columns) if hasattr(X, "columns") else list(range(np.shape(X)[-1]))


def _joined(first: Any, second: Any) -> Any:
    """Rows of the first, then of the second; frames stay frames and keep their times."""
    if all(isinstance(each, (pd.DataFrame, pd.Series)) for each in (first, second)):
        return pd.concat([first, second])
    if sparse.issparse(first):
        both: list[Any] = [first, second]
        return sparse.vstack(both, format="csr")
    if hasattr(first, "vstack"):
        return first.vstack(second)
    return np.concatenate([np.asarray(first), np.asarray(second)])


def _then_unknown(regimes: Any, n_train: int, X_val: Any) -> pd.DataFrame:
    """Regimes of the training rows as memberships, zero from there on."""
    names = regime_names(regimes)
    known = encode_memberships(regimes, names, n_train)
    before, after = times_of(regimes), times_of(X_val)
    index = None if before is None or after is None else before.append(after)
    unknown = np.zeros((_n_rows(X_val), len(names)))
    return pd.DataFrame(np.vstack([known, unknown]), columns=pd.Index(names, tupleize_cols=False), index=index)


def _judged(ensemble: RegimeAwareEnsemble, n_train: int) -> dict[str, ModelResult]:
    """How each model did on the rows behind the training rows."""
    record = ensemble.out_of_fold_
    rows = record.rows >= n_train
    targets, said = record.targets[rows], record.predictions[rows]
    losses = default_loss(targets.shape[1])(targets, said)
    results = {}
    for k, (name, model) in enumerate(zip(ensemble.model_names_, ensemble.estimators_, strict=True)):
        heard = np.isfinite(losses[:, k])
        error = None if heard.any() else "it has no finite prediction for any validation row"
        results[name] = ModelResult(
            name=name,
            score=_score(targets[heard], said[heard, k]),
            loss=float(losses[heard, k].mean()) if heard.any() else np.nan,
            n=int(heard.sum()),
            error=model.reason if isinstance(model, AsleepModel) else error,
        )
    return results


def _score(targets: Array, said: Array) -> float:
    """R² of numbers, accuracy of classes."""
    if len(targets) < 2:
        return np.nan
    if targets.shape[1] == 1:
        return float(r2_score(targets, said))
    return float((targets.argmax(axis=1) == said.argmax(axis=1)).mean())


def _taken_apart(explanation: Explanation) -> EnsemblePrediction:
    rows = np.arange(len(explanation))
    moved = explanation.contributions[rows, :, explanation.combined.argmax(axis=1)]
    return EnsemblePrediction(
        prediction=_plain(explanation.prediction),
        confidence=_plain(explanation.confidence),
        model_contributions={name: _plain(each) for name, each in zip(explanation.models, moved.T, strict=True)},
        explanation=explanation,
    )


def _plain(values: NDArray[Any]) -> Any:
    """The value itself where there is only one."""
    return values.tolist()[0] if len(values) == 1 else values


def _names(ledger: Ledger | None) -> tuple[tuple[str, ...], tuple[Hashable, ...]]:
    """Models and regimes that have traded so far."""
    return ((), ()) if ledger is None else (ledger.models, ledger.regimes)


def _label(regime: Any, name: str) -> Hashable:
    if not isinstance(regime, Hashable):
        raise ValueError(f"{name} must be one label, or None where it is unknown; got {shown(regime)}.")
    return regime


def _reindexed(
    evidence: TradeEvidence, ledger: Ledger, models: Sequence[Hashable], regimes: Sequence[Hashable]
) -> TradeEvidence:
    """The evidence on other models and regimes, in the order of the ledger until now."""
    return evidence.reindexed(_positions(models, ledger.models), _positions(regimes, ledger.regimes))


def _positions(names: Sequence[Hashable], known: Sequence[Hashable]) -> list[int]:
    return [known.index(name) if name in known else -1 for name in names]


def _table(predictions: Mapping[str, Any]) -> tuple[Array, tuple[int, ...]]:
    """What the models said ``(n_samples, n_models, n_outputs)``, NaN for nothing, and the shape of one answer."""
    try:
        values = {name: np.asarray(np.nan if each is None else each, dtype=float) for name, each in predictions.items()}
    except (TypeError, ValueError) as error:
        raise ValueError(f"predictions must be numbers or probabilities; got {shown(dict(predictions))}.") from error
    spoken = {name: each for name, each in values.items() if each.ndim or np.isfinite(each)}
    shapes = {each.shape: name for name, each in spoken.items()} or {(): ""}
    shape = next(iter(shapes))
    if len(shapes) > 1 or len(shape) > 2:
        raise ValueError(
            f"predictions must have one shape for all models: a number, (n_samples,) or (n_samples, n_classes); got "
            f"{', '.join(f'{each} of {name!r}' for each, name in shapes.items())}."
        )
    size = (shape[0] if shape else 1, shape[1] if len(shape) == 2 else 1)
    said = [spoken[name].reshape(size) if name in spoken else np.full(size, np.nan) for name in values]
    return np.stack(said, axis=1) if said else np.empty((1, 0, 1)), shape


def _weight(weights: Mapping[str, float], name: str) -> float:
    if name not in weights:
        raise ValueError(
            f"weights of combine has none for {name!r}, which has a prediction; got {shown(dict(weights))}. Give one "
            f"for every model, 0 for one that is not to count."
        )
    check_number(weights[name], f"weights[{name!r}]", "combine", low=0)
    return float(weights[name])

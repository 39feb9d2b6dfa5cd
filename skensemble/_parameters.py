"""What both estimators are made of: their parameters, what is said of them, and what scikit-learn asks about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import sklearn
from sklearn.utils import Bunch, get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing

from skensemble._checks import check_choice, check_number, shown
from skensemble._compat import CallbackSupport, visual_block
from skensemble._composition import NamedParts, pairs
from skensemble._members import listed_models, warn_about_weights, weight_params
from skensemble._progress import check_verbose
from skensemble.combiners import Combiner, DynamicWeighting, Stacking, WeightedCombiners, WeightedVoting
from skensemble.intervals import read_coverages

__all__ = ["ATTRIBUTES", "COMBINERS", "COVERAGES", "PARAMETERS", "EnsembleParameters"]

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

COVERAGES = (0.5, 0.8, 0.9, 0.95)

COMBINERS: dict[str, type[Combiner]] = {
    "dynamic": DynamicWeighting,
    "stacking": Stacking,
    "weighted_combiners": WeightedCombiners,
    "weighted_voting": WeightedVoting,
}


class EnsembleParameters(CallbackSupport, NamedParts):
    """An ensemble as it was ordered: nothing here needs a fit."""

    _task: ClassVar[str]
    estimators: list[Any] | None

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

    def _checked_combiner(self) -> Combiner:
        combiner = self._named_parts().get("combiner", self.combiner)
        if not isinstance(combiner, Combiner):
            raise ValueError(
                f"combiner of {type(self).__name__} must be one of {', '.join(map(repr, COMBINERS))} or a combiner "
                f"such as WeightedVoting(); got {shown(combiner)}."
            )
        combiner.check_parameters()
        return combiner

    # Parts by name.

    def _listed_models(self) -> list[Any]:
        return listed_models(self.estimators, self._task)

    def _named_parts(self) -> dict[str, Any]:
        given = "weighted_voting" if self.combiner is None else self.combiner
        if isinstance(given, str):
            return {"combiner": COMBINERS[given]()} if given in COMBINERS else {}
        return {"combiner": given}

    # Metadata.

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

    # Tags and HTML.

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


def _is_routed(part: Any) -> bool:
    return hasattr(part, "get_metadata_routing")

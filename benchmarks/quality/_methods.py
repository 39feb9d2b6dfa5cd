"""The methods of the benchmark, by name: ours, their parts, rivals, and oracles.

The rule: a method answers every scenario that it can answer at all; where it cannot, it says why. A new one is one
entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from benchmarks.quality import _oracles, _rivals
from benchmarks.quality._case import LINEAR, Case, Said
from skensemble import combiners, rules, weightings
from skensemble.combiners import (
    DynamicWeighting,
    LogOddsPool,
    NonNegativeRidge,
    Stacking,
    WeightedCombiners,
    WeightedVoting,
)
from skensemble.combiners import equal_weights as _equal
from skensemble.regimes import (
    JumpRegimes,
    MarkovRegimes,
    OrderedRegimes,
    ProductRegimes,
    QuantileRegimes,
    SingleRegime,
    TrendRegimes,
    VolatilityRegimes,
)

__all__ = [
    "BASE",
    "BEST",
    "EQUAL",
    "HEADLINE",
    "LEFT_OUT",
    "METHODS",
    "MIX",
    "OURS",
    "REGIME_MODEL",
    "SHUFFLED",
    "Method",
    "missing_package",
]

Array = NDArray[np.float64]

BASE, EQUAL, BEST = "LightGBM", "equal weights", "best single"
MIX, REGIME_MODEL = "oracle: best mix", "oracle: best model per regime"
SHUFFLED = "sklearn Stacking, shuffled"
HEADLINE = "combined"
OURS, FROZEN, MODELS, PLAIN, RIVALS, PARTS, ORACLES = (
    "ours",
    "ours, frozen",
    "models",
    "plain",
    "rivals",
    "parts",
    "oracles",
)
# Who does not take part, and why.
LEFT_OUT = {
    "AutoGluon": "autogluon.tabular 1.6 holds pandas below 2.4, and an environment with it cannot have today's pandas",
}


@dataclass(frozen=True, eq=False)
class Method:
    """A way to answer the judged rows. It has exactly one of ``online``, ``frozen``, ``plain`` and ``reads``.

    Parameters
    ----------
    name : str
        In tables, for ever.
    family : str
        What it is compared with.
    line : str
        In words.
    online : callable, default=None
        Makes an ensemble that takes every outcome back, from a `Case`.
    frozen : callable, default=None
        Makes an ensemble that knows nothing between two trainings.
    plain : callable, default=None
        Makes any other estimator, which knows nothing between two trainings.
    reads : callable, default=None
        Answers from a `Case` and what the models `Said`; ``None`` where it cannot.
    sees_regimes : bool, default=False
        Whether a plain estimator, or the models of an ensemble, have the regimes as further columns.
    needs : str, default=""
        Package that it comes with.
    live : bool, default=True
        Whether it could have been run live: an oracle could not.
    parts : tuple, default=()
        Parts of ours that it is there to show.
    """

    name: str
    family: str
    line: str
    online: Callable[[Case], Any] | None = None
    frozen: Callable[[Case], Any] | None = None
    plain: Callable[[Case], Any] | None = None
    reads: Callable[[Case, Said], Array | None] | None = None
    sees_regimes: bool = False
    needs: str = ""
    live: bool = True
    parts: tuple[Any, ...] = ()


def missing_package(needs: str) -> str:
    """Say that a package is not installed, or nothing."""
    return f"{needs} is not installed" if needs and find_spec(needs) is None else ""


# Ours.

_COMBINERS = {
    "voting": WeightedVoting(),
    "stacking": Stacking(),
    "dynamic": DynamicWeighting(),
    "combined": WeightedCombiners(),
}


def _ensembles() -> list[Method]:
    made = []
    for short, combiner in _COMBINERS.items():
        for blind in (False, True):
            name = f"{short}, no regimes" if blind else short
            of = partial(Case.ensemble, combiner=combiner, blind=blind)
            regimes = "no regimes" if blind else "regimes"
            line = f"{combiner!r}, {regimes}"
            made += [
                Method(name, OURS, f"{line}, outcomes taken back", online=of, parts=(combiner,)),
                Method(f"{name}, frozen", FROZEN, f"{line}, nothing learned between trainings", frozen=of),
            ]
    line = "the same as combined, and its models have the regimes as further columns, too"
    of = partial(Case.ensemble, combiner=WeightedCombiners(), blind=False)
    return [*made, Method("combined + regimes", OURS, line, online=of, sees_regimes=True)]


# Read off what the models said.


def _alone(name: str, case: Case, said: Said) -> Array:
    return said.predictions[:, [member for member, _ in case.members()].index(name)]


def _equal_weights(case: Case, said: Said) -> Array:
    awake = combiners.awake_models(said.predictions)
    return combiners.weighted_mean(_equal(awake), said.predictions)


def _best_single(case: Case, said: Said) -> Array:
    """What the model said that was best so far, out of fold and after, of those that speak."""
    loss = combiners.default_loss(case.targets.shape[1])
    predictions = np.concatenate([said.before.predictions, said.predictions])
    losses = loss(np.concatenate([said.before.targets, case.targets[case.judged]]), predictions)
    heard = np.isfinite(losses)
    known = len(said.before.targets) + case.known - 1
    total, count = (np.cumsum(values, axis=0)[known] for values in (np.where(heard, losses, 0.0), heard))
    speaks = np.isfinite(said.predictions).all(axis=2)
    # One that was never heard comes last of those that speak.
    mean = np.where(count > 0, total / np.maximum(count, 1), np.finfo(float).max)
    best = np.where(speaks, mean, np.inf).argmin(axis=1)
    return said.predictions[np.arange(len(best)), best]


def replayed(combiner: Any, case: Case, said: Said, memberships: Array | None = None) -> Array:
    """Let a combiner learn from what the models said out of fold, then follow the judged rows.

    It is what the ensemble does, trained once: see the test that holds both side by side.
    """
    if memberships is None:
        memberships = case.memberships
    before = said.before
    learned = combiner.fit(before.predictions, before.targets, memberships[before.rows])
    judged = case.judged
    return learned.follow(said.predictions, case.targets[judged], memberships[judged], known=case.known)[0]


def _part(name: str, part: Any, combiner: Callable[[], Any], task: str = "") -> Method:
    def reads(case: Case, said: Said) -> Array | None:
        return None if task and case.scenario.task != task else replayed(combiner(), case, said)

    return Method(name, PARTS, f"replayed on what the models said: {part!r}", reads=reads, parts=(part,))


def _public(module: Any) -> list[Any]:
    """All parts of a family, each as it comes."""
    family = {rules: rules.Rule, weightings: weightings.Weighting}[module]
    named = [getattr(module, name) for name in module.__all__]
    return [part() for part in named if isinstance(part, type) and issubclass(part, family) and part is not family]


def _parts() -> list[Method]:
    return [
        *(_part(f"rule {type(r).__name__}", r, partial(DynamicWeighting, r)) for r in _public(rules)),
        *(_part(f"weighting {type(w).__name__}", w, partial(WeightedVoting, w)) for w in _public(weightings)),
        _part("final NonNegativeRidge", NonNegativeRidge(), lambda: Stacking(NonNegativeRidge()), "numbers"),
        _part("final LogOddsPool", LogOddsPool(), lambda: Stacking(LogOddsPool()), "classes"),
    ]


# Detectors, each looking at the column that the scenario names.
DETECTORS: dict[str, Callable[[str], BaseEstimator]] = {
    "SingleRegime": lambda column: SingleRegime(),
    "QuantileRegimes": QuantileRegimes,
    "VolatilityRegimes": VolatilityRegimes,
    "TrendRegimes": lambda column: TrendRegimes(column, window=20),
    "MarkovRegimes": MarkovRegimes,
    "JumpRegimes": JumpRegimes,
    "OrderedRegimes": lambda column: OrderedRegimes(by=column, columns=[column], min_dwell=5),
    "ProductRegimes": lambda column: ProductRegimes(VolatilityRegimes(column), TrendRegimes(column, window=20)),
}
_NEEDS = {"MarkovRegimes": "hmmlearn", "JumpRegimes": "jumpmodels"}


def _detector(name: str) -> Method:
    def reads(case: Case, said: Said) -> Array | None:
        column = case.scenario.watch
        if not column:
            return None
        return replayed(DynamicWeighting(), case, said, case.detected(DETECTORS[name](column)))

    line = f"dynamic weighting, replayed, with regimes by {name} of one column"
    needs, part = _NEEDS.get(name, ""), DETECTORS[name]("x")
    return Method(f"detector {name}", PARTS, line, reads=reads, needs=needs, parts=(part,))


def _windowed(case: Case, said: Said) -> Array:
    rule = rules.RecentPerformance(lookback=50, min_outcomes=10)
    return replayed(DynamicWeighting(rule, short_memory=1.0, gradient_trick=False), case, said)


_LISTED = [
    *_ensembles(),
    *(
        Method(f"{name} alone", MODELS, f"the model {name} of our ensembles by itself", reads=partial(_alone, name))
        for name in ("xgboost", "lightgbm", "random_forest", LINEAR)
    ),
    Method(BASE, PLAIN, "one LightGBM as it comes: what the others are compared with", plain=_rivals.lightgbm),
    Method(
        "LightGBM + regimes",
        PLAIN,
        "the same, with the regimes as further columns",
        plain=_rivals.lightgbm,
        sees_regimes=True,
    ),
    Method("no model", PLAIN, "the mean, the share of each class, or the last value", plain=_rivals.no_model),
    Method(EQUAL, PLAIN, "the mean of our models", reads=_equal_weights),
    Method(BEST, PLAIN, "the model of least loss so far, out of fold and after", reads=_best_single),
    Method("sklearn Voting", RIVALS, "VotingRegressor, VotingClassifier (soft)", plain=_rivals.sklearn_voting),
    Method(
        "sklearn Stacking",
        RIVALS,
        "StackingRegressor, StackingClassifier, folds as they come",
        plain=_rivals.sklearn_stacking,
    ),
    Method(SHUFFLED, RIVALS, "the same, with shuffled folds", plain=_rivals.sklearn_stacking_shuffled),
    Method(
        "mlxtend Stacking",
        RIVALS,
        "StackingCVRegressor, StackingCVClassifier",
        plain=_rivals.mlxtend_stacking,
        needs="mlxtend",
    ),
    Method("FLAML", RIVALS, "AutoML over 20 models", plain=_rivals.flaml, needs="flaml"),
    Method(
        "river EWA", RIVALS, "EWARegressor over what the models said (numbers only)", reads=_rivals.ewa, needs="river"
    ),
    Method(
        "river adaptive forest",
        RIVALS,
        "ARFRegressor, ARFClassifier on the features",
        reads=_rivals.forest,
        needs="river",
    ),
    Method("windowed rule", RIVALS, "weights by the last 50 outcomes in each regime, equal before 10", reads=_windowed),
    *_parts(),
    *(_detector(name) for name in DETECTORS),
    Method("oracle: best model", ORACLES, "in hindsight", reads=_oracles.best_model, live=False),
    Method(MIX, ORACLES, "the best fixed convex combination, in hindsight", reads=_oracles.best_mix, live=False),
    Method(
        REGIME_MODEL,
        ORACLES,
        "in hindsight, by the true regime where it is known",
        reads=_oracles.best_model_per_regime,
        live=False,
    ),
]

METHODS = {method.name: method for method in _LISTED}

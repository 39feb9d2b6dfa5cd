"""Why the defaults are what they are: every weighting, several shrinkages and every combiner, on the same predictions.

The rule: the models are fitted once, forward and out of fold, and all candidates combine the very same predictions with
nothing but what was known before. A loss is divided by that of equal weights on the same rows; the first fold, in which
nobody knows anything, is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from benchmarks._kept import configuration, parser, save, show
from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor, weightings
from skensemble.combiners import Combiner, DynamicWeighting, Stacking, WeightedVoting, default_loss
from skensemble.datasets import (
    load_sp500,
    make_prediction_stream,
    make_regime_classification,
    make_regime_regression,
)
from skensemble.splits import n_outcomes_known
from skensemble.weightings import BestModels, ConvexWeights, InverseLoss, UniformWeights, Weighting

__all__ = ["main"]

Array = NDArray[np.float64]

EQUAL = "UniformWeights()"
SHRINKAGES = (20.0, 50.0, 100.0, 300.0, 1000.0, np.inf)
# What the weightings know, each with its defaults; and two that people try first.
ALSO: tuple[Weighting, ...] = (BestModels(1), InverseLoss(power=4))
SP500 = {"return": 1, "volatility": 5, "sign": 1}
STREAMS = ("informative", "noise", "rare", "new", "many", "drift", "missing", "switch", "heavy_tails")


@dataclass(frozen=True)
class Plan:
    """What the models are, and on what they are judged."""

    default_models: bool
    n_folds: int
    sp500_rows: int | None
    market_rows: int
    stream_rows: int
    streams: Sequence[str]
    seeds: int


FULL = Plan(True, 10, None, 3000, 3000, STREAMS, 3)
QUICK = Plan(False, 3, 300, 120, 120, ("informative", "noise"), 1)


@dataclass(frozen=True)
class Record:
    """Predictions of models on rows that they had not seen, in time order.

    Parameters
    ----------
    data : str
        Where they come from.
    seed : int
        Which draw of it.
    predictions : ndarray of shape (n_rows, n_models, n_outputs)
        What each model predicted.
    targets : ndarray of shape (n_rows, n_outputs)
        What came true.
    memberships : ndarray of shape (n_rows, n_regimes)
        Regimes.
    folds : ndarray of shape (n_rows,)
        The fold of each row.
    known : ndarray of shape (n_rows,)
        How many rows had an outcome when each was predicted.
    """

    data: str
    seed: int
    predictions: Array
    targets: Array
    memberships: Array
    folds: NDArray[np.intp]
    known: NDArray[np.intp]


def main(argv: Sequence[str]) -> None:
    """Fit the models, combine what they said in every way, and print how the ways compare."""
    chosen = parser("defaults", __doc__).parse_args(argv)
    plan = QUICK if chosen.quick else FULL
    made = configuration("defaults", argv, ("numpy", "scipy", "scikit-learn", "xgboost", "lightgbm"))
    measured = pd.DataFrame([line for record in _records(plan) for line in _losses(record)])
    for question, part in measured.groupby("question", sort=False):
        show(f"{question}: mean loss / that of equal weights", _table(measured, part))
    save(measured, made, chosen.save)


# What is combined.


def _records(plan: Plan) -> Iterator[Record]:
    """Yield the predictions of the default models on real and synthetic rows, then streams of known skill."""
    for target, horizon in SP500.items():
        X, y, regimes = load_sp500(target=target)
        few = slice(None, plan.sp500_rows)
        task = RegimeAwareEnsembleClassifier if target == "sign" else RegimeAwareEnsembleRegressor
        yield _out_of_fold(plan, f"sp500 {target}", 0, task, X[few], y[few], regimes[few], horizon)
    markets = {
        "numbers": (make_regime_regression, RegimeAwareEnsembleRegressor),
        "classes": (make_regime_classification, RegimeAwareEnsembleClassifier),
    }
    for kind, (make, task) in markets.items():
        for informative in (True, False):
            for seed in range(min(plan.seeds, 2)):
                data = f"market, {kind}, {'regimes' if informative else 'noise'}"
                rows = make(plan.market_rows, informative=informative, random_state=seed)
                yield _out_of_fold(plan, data, seed, task, *rows, 1)
    for kind in plan.streams:
        for seed in range(plan.seeds):
            stream = make_prediction_stream(kind, n_samples=plan.stream_rows, random_state=seed)
            rows = np.arange(plan.stream_rows)
            folds = rows * plan.n_folds // plan.stream_rows
            yield Record(f"stream, {kind}", seed, stream.predictions, stream.targets, stream.memberships, folds, rows)


def _out_of_fold(plan: Plan, data: str, seed: int, task: Any, X: Any, y: Any, regimes: Any, horizon: int) -> Record:
    # The folds are what is wanted; the rest of the fit costs little beside them.
    ensemble = task(
        None if plan.default_models else _trees(task), cv=plan.n_folds, label_horizon=horizon, random_state=seed
    )
    record = ensemble.fit(X, y, regimes=regimes).out_of_fold_
    known = n_outcomes_known(record.rows, n_samples=len(X), times=X.index, label_horizon=horizon)
    print(f"fitted: {data}, seed {seed}", flush=True)
    return Record(data, seed, record.predictions, record.targets, record.memberships, record.folds, known)


def _trees(task: Any) -> list[tuple[str, Any]]:
    """Two models that are fitted in no time and do not agree."""
    tree = DecisionTreeClassifier if task is RegimeAwareEnsembleClassifier else DecisionTreeRegressor
    return [(f"tree{depth}", tree(max_depth=depth)) for depth in (1, 2)]


# How it is combined.


def candidates() -> Iterator[tuple[str, Combiner]]:
    """Yield the question that a candidate answers, and the candidate."""
    listed = [getattr(weightings, name) for name in weightings.__all__]
    each = [part() for part in listed if issubclass(part, Weighting) and part is not Weighting]
    for weighting in sorted([*each, *ALSO], key=repr):
        yield "weighting", WeightedVoting(weighting)
    for shrinkage in SHRINKAGES:
        yield "shrinkage of voting", WeightedVoting(ConvexWeights(), shrinkage=shrinkage)
    for shrinkage in SHRINKAGES:
        yield "shrinkage of stacking", Stacking(shrinkage=shrinkage)
    for combiner in (WeightedVoting(UniformWeights()), WeightedVoting(BestModels(1)), WeightedVoting(), Stacking()):
        yield "combiner", combiner
    yield "combiner", DynamicWeighting()


def _named(question: str, combiner: Any) -> str:
    if question == "weighting":
        return repr(combiner.weighting)
    if question.startswith("shrinkage"):
        return f"{combiner.shrinkage:g}"
    return repr(combiner)


def _losses(record: Record) -> Iterator[dict[str, Any]]:
    """Yield one line for each candidate: its mean loss after the first fold."""
    later = record.folds > record.folds.min()
    loss = default_loss(record.targets.shape[1])
    for question, combiner in candidates():
        combined = _answer(record, combiner)
        yield {
            "data": record.data,
            "seed": record.seed,
            "question": question,
            "candidate": _named(question, combiner),
            "loss": float(loss(record.targets, combined[:, None, :])[later, 0].mean()),
        }


def _answer(record: Record, combiner: Combiner) -> Array:
    counted = np.ones(len(record.targets))
    combined, _ = clone(combiner).fit_forward(
        record.predictions, record.targets, record.memberships, counted, record.folds, known=record.known
    )
    return combined


# What it means.


def _table(measured: pd.DataFrame, part: pd.DataFrame) -> pd.DataFrame:
    """Data × candidates: the mean over seeds of the loss over that of equal weights; geometric means and the worst."""
    weighed = measured[(measured["question"] == "weighting") & (measured["candidate"] == EQUAL)]
    equal = weighed.set_index(["data", "seed"])["loss"]
    ratio = part["loss"] / equal.loc[pd.MultiIndex.from_frame(part[["data", "seed"]])].to_numpy()
    table = part.assign(ratio=ratio).pivot_table("ratio", "data", "candidate", sort=False)
    source = table.index.str.split(",? ").str[0]
    summary = {f"geometric mean, {of}": np.exp(np.log(table[source == of]).mean()) for of in source.unique()}
    summary |= {"geometric mean": np.exp(np.log(table).mean()), "worst": table.max()}
    return pd.concat([table, pd.DataFrame(summary).T]).round(4).rename_axis("data").reset_index()

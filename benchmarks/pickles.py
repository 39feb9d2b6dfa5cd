"""How large a fitted ensemble is on disk, and how soon it is back: beside scikit-learn's with the same members.

The rule: the members are the same ones, with their defaults, on the same rows; rivals take turns within a round.
"""

from __future__ import annotations

import gc
import pickle
import warnings
from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Any

import pandas as pd
from sklearn.ensemble import StackingRegressor, VotingRegressor

from benchmarks._kept import configuration, parser, save, show
from benchmarks.latency import FULL, QUICK, members
from benchmarks.speed import table
from skensemble import RegimeAwareEnsembleRegressor

__all__ = ["main"]

ALONE, VOTING, STACKING = "the members", "VotingRegressor", "StackingRegressor"
OURS, COMPILED = "RegimeAwareEnsembleRegressor", "CompiledEnsemble (holds the ensemble)"


def main(argv: Sequence[str]) -> None:
    """Weigh and time, and print a table over the members alone."""
    chosen = parser("pickles", __doc__).parse_args(argv)
    plan = QUICK if chosen.quick else FULL
    made = configuration("pickles", argv, ("numpy", "scikit-learn", "xgboost", "lightgbm"))
    X, y = table("regressor", plan.trained)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # LightGBM asks for the names that it gave itself
        ours = RegimeAwareEnsembleRegressor(members(plan.trees), combiner="dynamic", cv=2, random_state=0).fit(X, y)
        voting = VotingRegressor(members(plan.trees)).fit(X, y)
        ready = {
            ALONE: voting.estimators_,
            VOTING: voting,
            STACKING: StackingRegressor(members(plan.trees), cv=2).fit(X, y),
            OURS: ours,
            COMPILED: ours.compile(),
        }
    measured = pd.DataFrame(_rounds(ready, plan.batch_rounds))
    show(f"pickles of {plan.trained:,} rows, {plan.trees} trees a model", _medians(measured))
    save(measured, made, chosen.save)


def _rounds(ready: dict[str, Any], n_rounds: int) -> Iterator[dict[str, Any]]:
    for number in range(n_rounds):
        for name, model in ready.items():
            gc.collect()
            start = perf_counter()
            text = pickle.dumps(model, protocol=5)
            written = perf_counter()
            pickle.loads(text)
            read = perf_counter()
            found = {"size": (len(text), "B"), "dump": (written - start, "s"), "load": (read - written, "s")}
            for what, (value, unit) in found.items():
                yield {"what": what, "contender": name, "round": number, "value": value, "unit": unit}


def _medians(measured: pd.DataFrame) -> pd.DataFrame:
    medians = measured.groupby(["contender", "what"], sort=False)["value"].median().unstack()
    over = medians / medians.loc[ALONE]
    return pd.DataFrame(
        {
            "contender": medians.index,
            "MB": (medians["size"] / 1e6).map("{:.2f}".format),
            "× members": over["size"].map("{:.2f}".format),
            "dump, ms": (1e3 * medians["dump"]).map("{:.1f}".format),
            "load, ms": (1e3 * medians["load"]).map("{:.1f}".format),
            "load × members": over["load"].map("{:.2f}".format),
            "n": measured["round"].nunique(),
        }
    )

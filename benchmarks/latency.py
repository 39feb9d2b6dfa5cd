"""How soon one row is answered, and many: beside scikit-learn's voting with the same members, and the members alone.

The rule: nothing is timed alone. Rivals take turns within a round, on the same rows, other ones each round, and every
ratio is of two times of the same round, so that a machine that slows down slows both.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from time import perf_counter
from typing import Any

import pandas as pd
from lightgbm import LGBMRegressor
from sklearn.ensemble import RandomForestRegressor, VotingRegressor
from sklearn.linear_model import Ridge
from xgboost import XGBRegressor

from benchmarks._kept import configuration, parser, save, show
from benchmarks.speed import in_turns, table
from skensemble import RegimeAwareEnsembleRegressor

__all__ = ["main"]

VOTING, ALONE = "VotingRegressor.predict", "members' predict, one after the other"
ORDINARY, PACKED = "predict", "compiled predict, packed"
NUMBA, ONNX = "compiled predict, numba", "compiled predict, onnx"
EXPLAIN, QUICK_EXPLAIN, UPDATE = "explain", "compiled explain, packed", "partial_update"
# What the library promises: ours, the rival, and how many times as fast at least.
FASTER = ((ORDINARY, VOTING, 8.0), (PACKED, VOTING, 60.0), (NUMBA, VOTING, 60.0), (ONNX, VOTING, 120.0))
ONE_THREAD, OWN_THREADS = "one thread", "threads as they come"
FIRST = "first row"


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    trained: int
    fewer_trained: int
    trees: int
    rounds: int
    fewer_rounds: int
    rows: int
    batch: int
    batch_rounds: int


FULL = Plan(5_000, 1_000, trees=200, rounds=30, fewer_rounds=6, rows=20, batch=100_000, batch_rounds=7)
QUICK = Plan(200, 100, trees=5, rounds=2, fewer_rounds=1, rows=3, batch=300, batch_rounds=1)


def main(argv: Sequence[str]) -> None:
    """Time, print a table for each part, and the targets beside what was found."""
    chosen = parser("latency", __doc__).parse_args(argv)
    plan = QUICK if chosen.quick else FULL
    made = configuration("latency", argv, ("numpy", "scikit-learn", "xgboost", "lightgbm", "numba", "onnxruntime"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # LightGBM asks for the names that it gave itself
        voting, ensemble = _fitted(plan.trained, plan.trees, ONE_THREAD)
        measured = pd.DataFrame(
            [
                *_one_row("one row", plan, plan.rounds, voting, ensemble),
                *_many_rows(plan, ensemble),
                *_other_settings(plan),
            ]
        )
    n_columns = table("regressor", 1)[0].shape[1]
    show(f"one row of {n_columns} columns, milliseconds", _times(measured[measured["what"] == "one row"]))
    show(f"{plan.batch:,} rows, milliseconds", _times(measured[measured["what"] == "many rows"]))
    show("one row, other settings: milliseconds, and how many times as fast", _settings(measured, plan))
    show("targets, and found (medians of ratios of the same round)", _targets(measured))
    save(measured, made, chosen.save)


def members(trees: int, threads: str = ONE_THREAD) -> list[tuple[str, Any]]:
    """List models as most users write them: the libraries' own classes with their defaults, on one thread or on many.

    XGBoost and LightGBM take all cores unless they are told otherwise; forests take them where they are told so.
    """
    boosted, forest = ({"n_jobs": 1}, {"n_jobs": 1}) if threads == ONE_THREAD else ({}, {"n_jobs": -1})
    return [
        ("xgboost", XGBRegressor(n_estimators=trees, random_state=0, **boosted)),
        ("lightgbm", LGBMRegressor(n_estimators=trees, verbosity=-1, random_state=0, **boosted)),
        ("random_forest", RandomForestRegressor(trees, random_state=0, **forest)),
        ("ridge", Ridge()),
    ]


def _fitted(trained: int, trees: int, threads: str) -> tuple[Any, Any]:
    X, y = table("regressor", trained)
    ours = RegimeAwareEnsembleRegressor(members(trees, threads), combiner="dynamic", cv=2, random_state=0)
    return VotingRegressor(members(trees, threads)).fit(X, y), ours.fit(X, y)


def _other_settings(plan: Plan) -> Iterator[dict[str, Any]]:
    settings = list(product((plan.trained, plan.fewer_trained), (ONE_THREAD, OWN_THREADS)))[1:]
    for trained, threads in settings:
        voting, ensemble = _fitted(trained, plan.trees, threads)
        what = f"{trained:,} rows of training, {threads}"
        yield from _one_row(what, plan, plan.fewer_rounds, voting, ensemble, (VOTING, ORDINARY, PACKED, NUMBA, ONNX))


def _one_row(
    what: str, plan: Plan, rounds: int, voting: Any, ensemble: Any, names: Sequence[str] = ()
) -> Iterator[dict[str, Any]]:
    X, y = table("regressor", rounds * plan.rows, seed=1)
    yield {"what": FIRST, "contender": what, "round": 0, "value": _seconds(lambda: ensemble.predict(X[:1]))}
    packed, numba, onnx = (ensemble.compile(engine=engine) for engine in ("packed", "numba", "onnx"))
    calls: dict[str, Callable[[slice], Any]] = {
        VOTING: lambda row: voting.predict(X[row]),
        ALONE: lambda row: [model.predict(X[row]) for model in ensemble.estimators_],
        ORDINARY: lambda row: ensemble.predict(X[row]),
        PACKED: lambda row: packed.predict(X[row]),
        NUMBA: lambda row: numba.predict(X[row]),
        ONNX: lambda row: onnx.predict(X[row]),
        EXPLAIN: lambda row: ensemble.explain(X[row]),
        QUICK_EXPLAIN: lambda row: packed.explain(X[row]),
        UPDATE: lambda row: ensemble.partial_update(X[row], y[row]),
    }
    names = names or list(calls)
    gc.collect()
    gc.disable()  # or one of them pays for what another left behind
    for number in range(rounds):
        first = number % len(names)
        for name in [*names[first:], *names[:first]]:
            for at in range(number * plan.rows, (number + 1) * plan.rows):
                seconds = _seconds(partial(calls[name], slice(at, at + 1)))
                yield {"what": what, "contender": name, "round": number, "value": seconds}
    gc.enable()


def _seconds(call: Callable[[], Any]) -> float:
    start = perf_counter()
    call()
    return perf_counter() - start


def _many_rows(plan: Plan, ensemble: Any) -> Iterator[dict[str, Any]]:
    X, _ = table("regressor", plan.batch, seed=2)
    calls: dict[str, Callable[[], Any]] = {
        ALONE: lambda: [model.predict(X) for model in ensemble.estimators_],
        ORDINARY: lambda: ensemble.predict(X),
    }
    for number, name, seconds, _ in in_turns(calls, plan.batch_rounds):
        yield {"what": "many rows", "contender": name, "round": number, "value": seconds}


def _settings(measured: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """How often each fits into the time of the rival, and how long the very first row takes."""
    firsts = measured[measured["what"] == FIRST].set_index("contender")["value"]
    lines = []
    for what in firsts.index:
        rounds = _by_round(measured[measured["what"] == what])
        lines.append(
            {
                "members": f"{plan.trained:,} rows of training, {ONE_THREAD}" if what == "one row" else what,
                VOTING: f"{1e3 * rounds[VOTING].median():.2f}",
                **{ours: f"{(rounds[VOTING] / rounds[ours]).median():.0f}" for ours, _, _ in FASTER},
                "first predict": f"{1e3 * firsts[what]:.1f}",
            }
        )
    return pd.DataFrame(lines)


def _by_round(measured: pd.DataFrame) -> pd.DataFrame:
    """Median time of each contender in each round."""
    return measured.pivot_table(index="round", columns="contender", values="value", aggfunc="median")


def _times(measured: pd.DataFrame) -> pd.DataFrame:
    """Median and 99th percentile of each contender, and how often it fits into the first one's time."""
    rounds, each = _by_round(measured), measured.groupby("contender")["value"]
    first = measured["contender"].iloc[0]
    lines = [
        {
            "contender": name,
            "median": f"{1e3 * each.get_group(name).median():.3f}",
            "p99": f"{1e3 * each.get_group(name).quantile(0.99):.3f}",
            "times faster": f"{(rounds[first] / rounds[name]).median():.1f}",
            "n": len(each.get_group(name)),
        }
        for name in measured["contender"].unique()
    ]
    return pd.DataFrame(lines)


def _targets(measured: pd.DataFrame) -> pd.DataFrame:
    one, many = (_by_round(measured[measured["what"] == what]) for what in ("one row", "many rows"))
    lines = [
        {
            "what": ours,
            "beside": rival,
            "wanted": f"at least {bound:g} times as fast",
            "found": f"{(one[rival] / one[ours]).median():.1f}",
        }
        for ours, rival, bound in FASTER
    ]
    for rounds, ours, bound in ((one, UPDATE, 1.2), (many, ORDINARY, 1.05)):
        found = f"{(rounds[ours] / rounds[ALONE]).median():.2f}"
        what = ours if rounds is one else f"{ours} of many rows"
        lines.append({"what": what, "beside": ALONE, "wanted": f"at most {bound:g} times as long", "found": found})
    return pd.DataFrame(lines)

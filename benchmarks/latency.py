"""How soon one row is answered, and many: beside scikit-learn's voting with the same members, and the members alone.

The rule: nothing is timed alone. Rivals take turns within a round, on the same rows, other ones each round, and every
ratio is of two times of the same round, so that a machine that slows down slows both.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
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
ONE_ROW, FIRST = "one row", "first row"


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


FULL = Plan(5_000, 1_000, trees=200, rounds=30, fewer_rounds=6, rows=20, batch=100_000, batch_rounds=5)
QUICK = Plan(200, 100, trees=5, rounds=2, fewer_rounds=1, rows=3, batch=300, batch_rounds=1)


def main(argv: Sequence[str]) -> None:
    """Time, print a table for each part, and the targets beside what was found."""
    chosen = parser("latency", __doc__).parse_args(argv)
    plan = QUICK if chosen.quick else FULL
    made = configuration("latency", argv, ("numpy", "scikit-learn", "xgboost", "lightgbm", "numba", "onnxruntime"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # LightGBM asks for the names that it gave itself
        measured = pd.DataFrame([*_trained(plan, plan.trained), *_trained(plan, plan.fewer_trained)])
    n_columns = table("regressor", 1)[0].shape[1]
    show(f"one row of {n_columns} columns, milliseconds", _times(measured[measured["what"] == ONE_ROW]))
    show(f"{plan.batch:,} rows, milliseconds", _times(measured[measured["what"] == "many rows"]))
    show("one row by rows of training and threads: milliseconds, and how many times as fast", _settings(measured))
    show("targets, and found (medians of ratios of the same round)", _targets(measured))
    save(measured, made, chosen.save)


def members(trees: int) -> list[tuple[str, Any]]:
    """List models as most users write them: the libraries' own classes with their defaults, on one thread."""
    return [
        ("xgboost", XGBRegressor(n_estimators=trees, n_jobs=1, random_state=0)),
        ("lightgbm", LGBMRegressor(n_estimators=trees, n_jobs=1, verbosity=-1, random_state=0)),
        ("random_forest", RandomForestRegressor(trees, n_jobs=1, random_state=0)),
        ("ridge", Ridge()),
    ]


def _take_threads(models: Sequence[Any]) -> None:
    """Let fitted models answer on all cores: boosted ones do by default, forests where users write ``n_jobs=-1``."""
    boosted, lightgbm, forest, _ = models
    boosted.set_params(n_jobs=None).get_booster().set_param({"nthread": 0})
    lightgbm.set_params(n_jobs=None)
    forest.set_params(n_jobs=-1)


def _trained(plan: Plan, trained: int) -> Iterator[dict[str, Any]]:
    """All that is measured of models of one size: on one thread, then on all that the libraries take."""
    X, y = table("regressor", trained)
    voting = VotingRegressor(members(plan.trees)).fit(X, y)
    ensemble = RegimeAwareEnsembleRegressor(members(plan.trees), combiner="dynamic", cv=2, random_state=0).fit(X, y)
    first = _seconds(lambda: ensemble.predict(X[:1]))
    yield {"what": FIRST, "contender": f"{trained:,} rows", "round": 0, "value": first}
    calls = _calls(voting, ensemble)
    rivals = {name: calls[name] for name in (VOTING, *(ours for ours, _, _ in FASTER))}
    if trained == plan.trained:
        yield from _one_row(ONE_ROW, plan, plan.rounds, calls)
        yield from _many_rows(plan, ensemble)
    else:
        yield from _one_row(f"{trained:,} rows, {ONE_THREAD}", plan, plan.fewer_rounds, rivals)
    for models in (voting.estimators_, ensemble.estimators_):
        _take_threads(models)
    yield from _one_row(f"{trained:,} rows, {OWN_THREADS}", plan, plan.fewer_rounds, rivals)


def _calls(voting: Any, ensemble: Any) -> dict[str, Callable[[Any, Any], Any]]:
    packed, numba, onnx = (ensemble.compile(engine=engine) for engine in ("packed", "numba", "onnx"))
    return {
        VOTING: lambda X, _: voting.predict(X),
        ALONE: lambda X, _: [model.predict(X) for model in ensemble.estimators_],
        ORDINARY: lambda X, _: ensemble.predict(X),
        PACKED: lambda X, _: packed.predict(X),
        NUMBA: lambda X, _: numba.predict(X),
        ONNX: lambda X, _: onnx.predict(X),
        EXPLAIN: lambda X, _: ensemble.explain(X),
        QUICK_EXPLAIN: lambda X, _: packed.explain(X),
        UPDATE: ensemble.partial_update,
    }


def _one_row(
    what: str, plan: Plan, rounds: int, calls: Mapping[str, Callable[[Any, Any], Any]]
) -> Iterator[dict[str, Any]]:
    X, y = table("regressor", rounds * plan.rows, seed=1)
    names = list(calls)
    gc.collect()
    gc.disable()  # or one of them pays for what another left behind
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            for at in range(number * plan.rows, (number + 1) * plan.rows):
                seconds = _seconds(partial(calls[name], X[at : at + 1], y[at : at + 1]))
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


def _settings(measured: pd.DataFrame) -> pd.DataFrame:
    """How often each fits into the time of the rival, and how long the very first row takes."""
    firsts = measured[measured["what"] == FIRST].set_index("contender")["value"]
    lines = []
    for size, threads in product(firsts.index, (ONE_THREAD, OWN_THREADS)):
        main = (size, threads) == (firsts.index[0], ONE_THREAD)
        rounds = _by_round(measured[measured["what"] == (ONE_ROW if main else f"{size}, {threads}")])
        lines.append(
            {
                "members": f"{size}, {threads}",
                VOTING: f"{1e3 * rounds[VOTING].median():.2f}",
                **{ours: f"{(rounds[VOTING] / rounds[ours]).median():.0f}" for ours, _, _ in FASTER},
                "first predict": f"{1e3 * firsts[size]:.1f}",
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
    one, many = (_by_round(measured[measured["what"] == what]) for what in (ONE_ROW, "many rows"))
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

"""What an outcome costs: one row handed back to an ensemble, one step of a rule, and the replay of a long record.

The rule: nothing is timed alone. Rivals take turns within a round on the same rows and every ratio is of two times of
the same round. river's ``EWARegressor`` has its members for nothing here: they look up what they say, so that its rule
alone is timed. Where river or numba is not installed, the others run without it. numba has translated before the clock
starts.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import Ridge

from benchmarks._kept import configuration, parser, save, show
from benchmarks.speed._rounds import in_turns
from skensemble import RegimeAwareEnsembleRegressor, rules
from skensemble.combiners import DynamicWeighting

__all__ = ["main"]

Array = NDArray[np.float64]
# By contender and number of specialists; of its members, where it knows no contexts.
Calls = dict[tuple[str, int], Callable[[], Any]]

MODELS = 10
UPDATE, MEMBERS = "partial_update(X, y)", "members' predict"
DEFAULT, UNHEARD = "BernsteinAggregation", "BernsteinAggregation, a regime not heard yet"
DYNAMIC, RIVER, LOOP = "DynamicWeighting.follow", "river EWARegressor", "numpy loop"
IN_NUMBA = ", numba"
RULES = [name for name in rules.__all__ if name != "Rule"]
# The models alone, then dynamic weighting: two pooled contexts and one for each of 0, 2, 3 and 8 regimes.
CONTEXTS = (1, 2, 4, 5, 10)
# What one step of the default rule may take in microseconds, and a replay in seconds: in numpy, and in numba.
STEP, STEP_IN_NUMBA = 25.0, 3.0
REPLAY, REPLAY_IN_NUMBA = 3.0, 0.3


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    replayed: int
    steps: int
    updates: int
    rounds: int


FULL = Plan(replayed=100_000, steps=5_000, updates=300, rounds=5)
QUICK = Plan(replayed=100, steps=10, updates=2, rounds=1)


def main(argv: Sequence[str]) -> None:
    """Time, print a table for each part, and the targets beside what was found."""
    options = parser("feedback", __doc__)
    chosen = options.parse_args(argv)
    plan = QUICK if chosen.quick else FULL
    made = configuration("feedback", argv, ("numpy", "scikit-learn", "numba", "river"))
    for library in ("river", "numba"):
        if not _is_here(library):
            print(f"{library} is not installed: what needs it does not take part.")
    measured = pd.DataFrame([*_updates(plan), *_steps(plan), *_replays(plan)])
    show(f"one row of outcomes, {MODELS} linear members", _times(measured, "one row"))
    show(f"one step (weights and update), {MODELS} models in each context", _times(measured, "step"))
    show(f"{plan.replayed:,} outcomes × {MODELS} models, per outcome", _times(measured, "replay"))
    show("targets, and found", _targets(measured))
    save(measured, made, chosen.save)


# One row.


def _updates(plan: Plan) -> Iterator[dict[str, Any]]:
    """Hand single outcomes back to an ensemble, and ask its members alone."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300 + plan.updates, 5))
    y = X[:, 0] + rng.normal(size=len(X))
    regimes = np.where(np.arange(len(X)) // 50 % 2, "calm", "wild")
    members = [(f"ridge{i}", Ridge(alpha=10.0**i)) for i in range(MODELS)]
    ensemble = RegimeAwareEnsembleRegressor(members, combiner="dynamic").fit(X[:300], y[:300], regimes=regimes[:300])
    rows = [slice(i, i + 1) for i in range(300, len(X))]
    said = [ensemble.explain(X[row], regimes=regimes[row]) for row in rows]

    def partial_update() -> None:
        for row in rows:
            ensemble.partial_update(X[row], y[row], regimes=regimes[row])

    def from_explanations() -> None:
        for row, explanation in zip(rows, said, strict=True):
            ensemble.partial_update(y=y[row], predictions=explanation)

    def members_alone() -> None:
        for row in rows:
            for model in ensemble.estimators_:
                model.predict(X[row])

    calls: Calls = {
        (UPDATE, 4 * MODELS): partial_update,
        (MEMBERS, MODELS): members_alone,
        ("partial_update(predictions=, y=)", 4 * MODELS): from_explanations,
    }
    return _measured("one row", calls, plan.rounds, len(rows))


# One step.


def _steps(plan: Plan) -> Iterator[dict[str, Any]]:
    """Step the default rule with more and more contexts, and every rule with four of them."""
    for n_contexts in CONTEXTS:
        n = MODELS * n_contexts
        names = RULES if n_contexts == 4 else [DEFAULT]
        calls: Calls = {(name, n): _stepper(name, n_contexts, plan.steps) for name in names}
        if n_contexts > 3:
            calls[UNHEARD, n] = _stepper(DEFAULT, n_contexts, plan.steps, unheard=1)
        if _is_here("numba"):
            calls[DEFAULT + IN_NUMBA, n] = _replayer(n_contexts, plan.steps)
        yield from _measured("step", calls, plan.rounds, plan.steps)


def _stepper(name: str, n_contexts: int, steps: int, unheard: int = 0) -> Callable[[], None]:
    rule: rules.Rule[Any] = getattr(rules, name)()
    started, losses, awake = _specialists(rule, n_contexts, unheard)

    def step() -> None:
        state = started
        for i in range(steps):
            speaking = awake[i % 100]
            weights = rule.weights(state, speaking)
            state = rule.update(state, losses[i % 100], speaking, weights=weights)

    return step


def _replayer(n_contexts: int, steps: int) -> Callable[[], None]:
    """Take the same steps in machine code, where nobody calls a single one."""
    rule = rules.BernsteinAggregation(engine="numba")
    started, losses, awake = _specialists(rule, n_contexts)
    rows = np.arange(steps) % 100
    many = losses[rows], awake[rows]
    rule.replay(started, *many)
    return lambda: rule.replay(started, *many)


def _specialists(rule: rules.Rule[Any], n_contexts: int, unheard: int = 0) -> tuple[Any, Array, Array]:
    """Start a rule, and draw losses and confidences.

    Two pooled contexts and one regime speak on each row; the last ``unheard`` regimes on none.
    """
    rng = np.random.default_rng(0)
    n = MODELS * n_contexts
    memory = np.ones((n_contexts, MODELS))
    memory[1:2] = 0.98
    started = rule.start(np.full(n, 1 / n), memory.ravel(), np.tile(np.arange(MODELS), n_contexts))
    losses = rng.normal(size=(100, n))
    regime = 2 + np.arange(100) % max(n_contexts - 2 - unheard, 1)
    contexts = np.arange(n_contexts)
    awake = np.repeat((contexts < 2) | (contexts == regime[:, None]), MODELS, axis=1).astype(float)
    return started, losses, awake


# Replay.


def _replays(plan: Plan) -> Iterator[dict[str, Any]]:
    """Replay the same outcomes through dynamic weighting, every rule alone, river and a loop over arrays."""
    rng = np.random.default_rng(0)
    targets = rng.normal(size=plan.replayed)
    said = targets[:, None] + rng.normal(size=(plan.replayed, MODELS)) * np.linspace(0.5, 2, MODELS)
    losses = np.square(said - targets[:, None])
    memberships = np.eye(2)[np.arange(plan.replayed) // 50 % 2]

    def follow(n_regimes: int, engine: str = "numpy") -> Callable[[], None]:
        def run() -> None:
            known, nothing = memberships[:, :n_regimes], slice(0, 0)
            combiner = DynamicWeighting(rules.BernsteinAggregation(engine)).fit(
                said[nothing, :, None], targets[nothing, None], known[nothing]
            )
            combiner.follow(said[:, :, None], targets[:, None], known)

        return run

    def alone(name: str) -> Callable[[], None]:
        def run() -> None:
            rule = getattr(rules, name)()
            rule.replay(rule.start(np.full(MODELS, 1 / MODELS), np.ones(MODELS)), losses, np.ones(losses.shape))

        return run

    calls: Calls = {
        (f"{DYNAMIC}, 2 regimes", 4 * MODELS): follow(2),
        (f"{DYNAMIC}, no regimes", 2 * MODELS): follow(0),
        **{(f"{name}.replay", MODELS): alone(name) for name in RULES},
        (LOOP, MODELS): lambda: _loop(said, targets),
    }
    if _is_here("numba"):
        calls |= {
            (f"{DYNAMIC}, 2 regimes{IN_NUMBA}", 4 * MODELS): follow(2, "numba"),
            (f"{DYNAMIC}, no regimes{IN_NUMBA}", 2 * MODELS): follow(0, "numba"),
        }
    if _is_here("river"):
        ready, outcomes = _dicts(said), targets.tolist()
        calls |= {
            (f"{RIVER}, rows as dicts", MODELS): lambda: _river(ready, outcomes),
            (f"{RIVER}, rows as arrays", MODELS): lambda: _river(_dicts(said), targets.tolist()),
        }
    return _measured("replay", calls, plan.rounds, plan.replayed)


def _loop(said: Array, targets: Array, rate: float = 0.5) -> Array:
    """The exponentially weighted average as in textbooks: one fixed rate, no sleep, no regimes, no state of its own."""
    weights = np.full(said.shape[1], 1 / said.shape[1])
    combined = np.empty(len(targets))
    for i, target in enumerate(targets):
        combined[i] = weights @ said[i]
        weights = weights * np.exp(-rate * (said[i] - target) ** 2)
        weights /= weights.sum()
    return combined


def _is_here(library: str) -> bool:
    return find_spec(library) is not None


def _dicts(said: Array) -> list[dict[int, float]]:
    return [dict(enumerate(row)) for row in said.tolist()]


def _river(rows: list[dict[int, float]], targets: list[float]) -> list[float]:
    """One call per row answers and learns, the fastest way that river has."""
    base, ensemble = (importlib.import_module(f"river.{name}") for name in ("base", "ensemble"))

    class Lookup(base.Regressor):
        def __init__(self, position: int) -> None:
            self.position = position

        def predict_one(self, x: dict[int, float]) -> float:
            return x[self.position]

        def learn_one(self, x: dict[int, float], y: float) -> None:
            pass

    model = ensemble.EWARegressor([Lookup(k) for k in range(MODELS)])
    return [model.learn_predict_one(x, y) for x, y in zip(rows, targets, strict=True)]


# What it means.


def _measured(what: str, calls: Calls, rounds: int, repeats: int) -> Iterator[dict[str, Any]]:
    """Yield one record per round and contender: microseconds for each of ``repeats``, by the clock and by work."""
    for number, (name, n), seconds, worked in in_turns(calls, rounds):
        about = {"what": what, "contender": name, "specialists": n, "round": number}
        yield about | {"microseconds": 1e6 * seconds / repeats, "work": 1e6 * worked / repeats}


def _times(measured: pd.DataFrame, what: str) -> pd.DataFrame:
    """Medians, the least and the most, and for replays the ratio to each rival in the same round."""
    part = measured[measured["what"] == what]
    clock = part.groupby(["contender", "specialists"], sort=False)["microseconds"]
    table = clock.agg(median="median", least="min", most="max", n="count")
    table["work"] = part.groupby(["contender", "specialists"], sort=False)["work"].median()
    if what == "replay":
        wide = part.pivot(index="round", columns="contender", values="microseconds")
        for rival in (name for name in wide if name.startswith((RIVER, LOOP))):
            table[f"/ {rival}"] = [(wide[name] / wide[rival]).median() for name, _ in table.index]
    return table.round(2).reset_index()


def _targets(measured: pd.DataFrame) -> pd.DataFrame:
    """What was wanted and what was found, by the clock and by the work of the process."""
    lines = []
    for unit in ("microseconds", "work"):
        wide = {
            what: part.pivot_table(index="round", columns=["contender", "specialists"], values=unit)
            for what, part in measured.groupby("what")
        }
        for name, bound in ((DEFAULT, STEP), (DEFAULT + IN_NUMBA, STEP_IN_NUMBA)):
            for n in (n for other, n in wide["step"] if other == name):
                step = wide["step"][name, n].median()
                lines.append(
                    (f"one step, {name}, {n} specialists", unit, f"{step:.1f} µs", f"≤ {bound:g} µs", step <= bound)
                )
        rows = wide["one row"].droplevel("specialists", axis=1)
        beyond = (rows[UPDATE] - rows[MEMBERS]).median()
        lines.append(("partial_update beyond the members' predict", unit, f"{beyond:.0f} µs", "", None))
        replay = wide["replay"].droplevel("specialists", axis=1)
        for ours in (name for name in replay if name.startswith(DYNAMIC)):
            bound, seconds = REPLAY_IN_NUMBA if ours.endswith(IN_NUMBA) else REPLAY, replay[ours].median() / 10
            lines.append((f"100,000 outcomes, {ours}", unit, f"{seconds:.2f} s", f"≤ {bound:g} s", seconds <= bound))
        for rival in (name for name in replay if name.startswith(RIVER)):
            for ours in (name for name in replay if name.startswith((DYNAMIC, DEFAULT))):
                ratio = (replay[ours] / replay[rival]).median()
                lines.append((f"{ours} / {rival}", unit, f"{ratio:.2f}", "≤ 1", ratio <= 1))
    table = pd.DataFrame(lines, columns=["what", "by", "found", "target", ""])
    return table.assign(**{"": table[""].map({True: "met", False: "MISSED", None: ""})})

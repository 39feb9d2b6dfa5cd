"""What a method costs: seconds to fit, to predict and to take back one outcome, and memory at its peak.

The rule: a method is alone in a new process with one thread, is fitted once on the first half of the rows, and is asked
about the others. What only reads what our models said costs what these cost, and is not measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.quality import _rivals
from benchmarks.quality._case import Case
from benchmarks.quality._methods import METHODS, Method, missing_package
from benchmarks.quality._scenarios import SCENARIOS
from benchmarks.speed._processes import peak_memory

__all__ = ["COSTED", "costs"]

ROOT = Path(__file__).parents[2]
COSTED = ("sharp-numbers-a", "sharp-classes-a")
FOREST = "river adaptive forest"
_UPDATES = 100


def costs(scenarios: Sequence[str], methods: Sequence[Method], *, quick: bool) -> Iterator[tuple[str, str, str, float]]:
    """Yield scenario, method, measure and figure of the methods that can be measured by themselves."""
    for name in scenarios:
        for method in methods:
            if (method.online or method.frozen or method.plain or method.name == FOREST) and not (
                missing_package(method.needs) or missing_package(SCENARIOS[name].needs)
            ):
                arguments = [sys.executable, "-m", "benchmarks.quality._cost", name, method.name, *["quick"] * quick]
                said = subprocess.run(
                    arguments,
                    cwd=ROOT,
                    env=os.environ | {"OMP_NUM_THREADS": "1"},
                    check=True,
                    capture_output=True,
                    text=True,
                )
                for measure, value in json.loads(said.stdout).items():
                    yield name, method.name, measure, value


def _timed(call: Any, *given: Any, **named: Any) -> tuple[float, Any]:
    begin = perf_counter()
    found = call(*given, **named)
    return perf_counter() - begin, found


def _cost_of_ensemble(case: Case, ensemble: Any, updates: int) -> dict[str, float]:
    market, first = case.market, case.schedule.first
    X, y = market.X, market.y
    takes = ensemble.regime_detector is None

    def told(rows: slice) -> dict[str, Any]:
        return {"regimes": market.told.iloc[rows]} if takes and market.told is not None else {}

    then, now = slice(0, first), slice(first, len(X))
    said = {"fit s": _timed(ensemble.fit, X.iloc[then], y.iloc[then], **told(then))[0]}
    said["predict ms/row"] = 1e3 * _timed(ensemble.predict, X.iloc[now], **told(now))[0] / (len(X) - first)
    if updates:
        rows = [slice(row, row + 1) for row in range(first, first + updates)]
        spent = sum(_timed(ensemble.partial_update, X.iloc[row], y.iloc[row], **told(row))[0] for row in rows)
        said["update ms/row"] = 1e3 * spent / updates
    return said


def _cost_of_plain(case: Case, model: Any) -> dict[str, float]:
    X, y, first = case.market.X, case.market.y, case.schedule.first
    fitted = _timed(model.fit, X.iloc[:first], y.iloc[:first])[0]
    predicted = _timed(model.predict if case.numbers else model.predict_proba, X.iloc[first:])[0]
    return {"fit s": fitted, "predict ms/row": 1e3 * predicted / (len(X) - first)}


def _cost_of_forest(case: Case, updates: int) -> dict[str, float]:
    rows, first, model = list(_rivals.forest_rows(case)), case.schedule.first, _rivals.adaptive_forest(case)

    def learn(some: Sequence[Any]) -> None:
        for row in some:
            model.learn_one(*row)

    fitted = _timed(learn, rows[:first])[0]
    asked = _timed(lambda: [_rivals.forest_answer(case, model, row) for row, _ in rows[first:]])[0]
    updated = _timed(learn, rows[first : first + updates])[0]
    spent = {"fit s": fitted, "predict ms/row": 1e3 * asked / (len(rows) - first)}
    return spent | {"update ms/row": 1e3 * updated / updates}


def main(scenario: str, name: str, quick: str = "") -> None:
    warnings.simplefilter("ignore")
    case, method = Case.of(SCENARIOS[scenario], quick=bool(quick)), METHODS[name]
    assert case.schedule.periods
    updates = 3 if quick else _UPDATES
    before = peak_memory()
    if method.plain:
        said = _cost_of_plain(case, method.plain(case))
    elif method.name == FOREST:
        said = _cost_of_forest(case, updates)
    else:
        make: Any = method.online or method.frozen
        said = _cost_of_ensemble(case, make(case), updates if method.online else 0)
    print(json.dumps(said | {"peak MiB": peak_memory() - before}))


if __name__ == "__main__":
    main(*sys.argv[1:])

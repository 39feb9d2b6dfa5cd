"""Times in turns: every round runs each contender once, and each round starts with another."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Iterator, Mapping
from time import perf_counter, process_time
from typing import Any

from benchmarks.speed._contenders import Setting, contenders, table
from skensemble._checks import LookAheadWarning

__all__ = ["fit_and_predict", "in_turns"]

WARM_UP_ROWS = 200


def in_turns(calls: Mapping[str, Callable[[], Any]], rounds: int) -> Iterator[tuple[int, str, float, float]]:
    """Yield round, name, seconds by the clock and seconds of this process's work of each call."""
    names = list(calls)
    for number in range(rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            gc.collect()
            start, worked = perf_counter(), process_time()
            calls[name]()
            yield number, name, perf_counter() - start, process_time() - worked


def fit_and_predict(setting: Setting, fit_rounds: int, predict_rounds: int) -> Iterator[dict[str, Any]]:
    """Yield one record per measured fit, then per measured prediction of as many new rows."""
    X, y = table(setting.task, setting.rows)
    new, _ = table(setting.task, setting.rows, seed=1)
    ready = contenders(setting)
    with warnings.catch_warnings():
        # Blocks of rows as folds look ahead, on purpose: see FOLDS.
        warnings.simplefilter("ignore", LookAheadWarning)
        _warm_up(setting)
        fits = {name: lambda model=model: model.fit(X, y) for name, model in ready.items()}
        predictions = {name: lambda model=model: model.predict(new) for name, model in ready.items()}
        for what, calls, rounds in (("fit", fits, fit_rounds), ("predict", predictions, predict_rounds)):
            for number, name, seconds, worked in in_turns(calls, rounds):
                about = {"contender": name, "round": number, "unit": "s"} | vars(setting)
                yield {"what": what, "value": seconds} | about
                if setting.n_jobs == 1:  # with more, scikit-learn's work is done by other processes
                    yield {"what": f"{what} cpu", "value": worked} | about


def _warm_up(setting: Setting) -> None:
    """Load the libraries and start the worker processes before the clock runs."""
    X, y = table(setting.task, WARM_UP_ROWS)
    for model in contenders(Setting(setting.task, setting.members, WARM_UP_ROWS, setting.n_jobs)).values():
        model.fit(X, y).predict(X)

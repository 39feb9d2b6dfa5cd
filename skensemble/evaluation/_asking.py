"""How anything is asked what it says of the rows: a function, a pipeline, an ensemble, any estimator.

One idea: whatever it is, its answers come as a list of outputs in the order in which they are made, so that the first
one that moves is where it leaks. One rule: who is asked is a copy, made anew for every question.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from inspect import Parameter, signature
from types import MethodType
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils import check_random_state

from skensemble._base import RegimeAwareEnsemble
from skensemble._checks import shown
from skensemble.evaluation._futures import Rows
from skensemble.evaluation._outputs import NotRowByRowError, Output, ensemble_outputs, tabulated

__all__ = ["ask", "check_can_answer", "fitted", "name_of", "record", "takes_regimes", "takes_targets"]

_METHODS = ("predict_proba", "predict", "decision_function", "transform")
# What answers for the rows that it learns from, and for no others.
_ON_BATCH = ("fit_predict", "fit_transform")
_BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def name_of(thing: Any) -> str:
    """Name a thing so that a sentence can begin with it."""
    if isinstance(thing, (partial, FrozenEstimator)):
        return name_of(thing.func if isinstance(thing, partial) else thing.estimator)
    own = getattr(thing, "__name__", type(thing).__name__)
    if isinstance(thing, MethodType):
        return f"{type(thing.__self__).__name__}.{own}"
    return "The function" if own == "<lambda>" else str(own)


def check_can_answer(thing: Any) -> None:
    """Refuse what cannot be asked about rows."""
    if isinstance(thing, type):
        raise ValueError(
            f"estimator of check_causality must be an estimator or a function of X; got the class {thing.__name__}. "
            f"Did you mean {thing.__name__}()?"
        )
    if not any(is_one(thing) for is_one, _ in _WAYS):
        raise ValueError(
            f"estimator of check_causality must be a function of X, or have fit and one of "
            f"{', '.join((*_METHODS, *_ON_BATCH))}; got {shown(thing)}."
        )


def ask(thing: Any, who: str, rows: Rows, about: str) -> list[Output]:
    """Ask a copy of a function, or of a fitted estimator, for all that it says of the rows."""
    try:
        with _held():
            return list(_answers(_copied(thing), Rows(*map(_copied, rows))))
    except NotRowByRowError:
        raise
    except Exception as error:
        raise ValueError(f"{who} could not answer for {about}: {type(error).__name__}: {error}") from error


def fitted(estimator: Any, rows: Rows, who: str, about: str) -> Any:
    """Fit a clone on the rows; what has no fit, is frozen, or is fitted and cannot be cloned, is taken as it is."""
    frozen = isinstance(estimator, FrozenEstimator)
    if frozen or not hasattr(estimator, "fit") or (not _can_be_cloned(estimator) and _is_fitted(estimator)):
        return estimator.estimator if frozen else estimator
    thing, given = _anew(estimator), Rows(*map(_copied, rows))
    regimes = {name: given.regimes for name in names_for_regimes(thing) if given.regimes is not None}
    try:
        with _held():
            _call(thing.fit, given._replace(regimes=None), targets=True, **regimes)
    except Exception as error:
        hint = "" if rows.y is not None else " (if it learns from targets, pass y)"
        raise ValueError(f"{who} could not be fitted on {about}: {type(error).__name__}: {error}{hint}") from error
    return thing


def record(ensemble: Any, n_samples: int) -> list[Output]:
    """Lay out the out-of-fold record of a fitted ensemble; rows without a prediction are missing."""
    kept = ensemble.out_of_fold_
    outputs = ensemble_outputs(
        kept,
        kept.predictions,
        models=ensemble.model_names_,
        regimes=ensemble.regimes_,
        classes=ensemble.classes_.tolist() if hasattr(ensemble, "classes_") else None,
        recorded=True,
    )
    return [Output(name, table.set_axis(kept.rows).reindex(range(n_samples))) for name, table in outputs]


def takes_targets(call: Any) -> bool:
    """Whether a function takes ``y``: by this name, or as a second argument that it cannot do without."""
    return "y" in _parameters(call) or _takes_them_second(call)


def takes_regimes(thing: Any) -> bool:
    """Whether regimes can be handed to a function, or to fit or a method of an estimator."""
    last = thing.steps[-1][1] if isinstance(thing, Pipeline) else thing
    calls = [thing, *(getattr(last, name, None) for name in ("explain", *_METHODS, *_ON_BATCH))]
    return bool(names_for_regimes(thing)) or any("regimes" in _parameters(call) for call in calls)


def names_for_regimes(thing: Any) -> list[str]:
    """Under which name fit takes the regimes, if it does."""
    if not isinstance(thing, Pipeline):
        return ["regimes"] if "regimes" in _parameters(getattr(thing, "fit", None)) else []
    return [f"{thing.steps[-1][0]}__{name}" for name in names_for_regimes(thing.steps[-1][1])]


# One way to ask for each kind of thing; the first that fits is taken.


def _ask_steps(pipeline: Pipeline, rows: Rows) -> Iterator[Output]:
    for name, step in pipeline.steps[:-1]:
        if hasattr(step, "transform"):
            who = f"transform of step {name!r}"
            said = step.transform(rows.X)
            yield Output(who, tabulated(said, rows.X, who))
            rows = rows._replace(X=said)
    yield from _answers(pipeline.steps[-1][1], rows)


def _ask_ensemble(ensemble: RegimeAwareEnsemble, rows: Rows) -> Iterator[Output]:
    said = ensemble.explain(rows.X, regimes=rows.regimes)
    yield from ensemble_outputs(
        said, said.member_predictions, models=said.models, regimes=said.regimes, classes=said.classes
    )


def _ask_methods(estimator: Any, rows: Rows) -> Iterator[Output]:
    for name in filter(lambda name: hasattr(estimator, name), _METHODS):
        said = _call(getattr(estimator, name), rows)
        table = tabulated(said, rows.X, f"{name} of {type(estimator).__name__}")
        classes = np.asarray(getattr(estimator, "classes_", ())).tolist()
        if name == "predict_proba" and len(classes) == table.shape[1]:
            table.columns = pd.Index([f"class {label!r}" for label in classes])
        yield Output(name, table)


def _ask_on_batch(estimator: Any, rows: Rows) -> Iterator[Output]:
    for name in filter(lambda name: hasattr(estimator, name), _ON_BATCH):
        said = _call(getattr(estimator, name), rows)
        yield Output(name, tabulated(said, rows.X, f"{name} of {type(estimator).__name__}"))


def _ask_function(function: Any, rows: Rows) -> Iterator[Output]:
    said = _call(function, rows, targets=True)
    yield Output("output", tabulated(said, rows.X, name_of(function)))


def _has_one_of(names: tuple[str, ...]) -> Callable[[Any], bool]:
    return lambda thing: any(hasattr(thing, name) for name in names)


_WAYS: tuple[tuple[Callable[[Any], bool], Callable[[Any, Rows], Iterator[Output]]], ...] = (
    (lambda thing: isinstance(thing, Pipeline), _ask_steps),
    (lambda thing: isinstance(thing, RegimeAwareEnsemble), _ask_ensemble),
    (_has_one_of(_METHODS), _ask_methods),
    (_has_one_of(_ON_BATCH), _ask_on_batch),
    (callable, _ask_function),
)


def _answers(thing: Any, rows: Rows) -> Iterator[Output]:
    return next((way(thing, rows) for is_one, way in _WAYS if is_one(thing)), iter(()))


# Calls.


def _call(call: Any, rows: Rows, *, targets: bool = False, **given: Any) -> Any:
    """Hand over X, and what goes beside it where it was given and is taken."""
    if rows.regimes is not None and "regimes" in _parameters(call):
        given["regimes"] = rows.regimes
    if not targets or rows.y is None or not takes_targets(call):
        return call(rows.X, **given)
    return call(rows.X, rows.y, **given) if _takes_them_second(call) else call(rows.X, y=rows.y, **given)


@contextmanager
def _held() -> Iterator[None]:
    """Keep warnings about made-up rows quiet, and let every call draw the same numbers from the global generators."""
    chance = check_random_state(None)
    states = chance.get_state(), random.getstate()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        chance.set_state(states[0])
        random.setstate(states[1])


def _copied(thing: Any) -> Any:
    try:
        return deepcopy(thing)
    except Exception:  # a lock, a handle or a generator inside
        return thing


def _can_be_cloned(estimator: Any) -> bool:
    try:
        clone(estimator)
    except (TypeError, RuntimeError):
        return False
    return True


def _anew(estimator: Any) -> Any:
    return clone(estimator) if _can_be_cloned(estimator) else deepcopy(estimator)


def _is_fitted(estimator: Any) -> bool:
    return any(name.endswith("_") and not name.startswith("__") for name in getattr(estimator, "__dict__", ()))


def _takes_them_second(call: Any) -> bool:
    places = [each for each in _parameters(call).values() if each.kind in _BY_POSITION]
    second = places[1] if len(places) > 1 else None
    if second is None or second.name == "regimes":
        return False
    return second.name == "y" or second.default is Parameter.empty


def _parameters(call: Any) -> dict[str, Parameter]:
    try:
        return dict(signature(call).parameters)
    except (TypeError, ValueError):  # some functions written in C
        return {}

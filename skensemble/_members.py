"""From the parameter ``estimators`` to live models by name, ready for their fits, or to a sentence on what is wrong."""

from __future__ import annotations

import warnings
import zlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import get_routing_for_object
from sklearn.utils.validation import has_fit_parameter

from skensemble._checks import shown
from skensemble.models import (
    DEFAULT_CLASSIFIERS,
    DEFAULT_REGRESSORS,
    label_encoded,
    make_model,
    model_names,
    needs_label_encoding,
    same_on_any_threads,
    takes_sample_weight,
    warn_about_stand_ins,
)

__all__ = ["checked_models", "listed_models", "seeded", "warn_about_weights", "weight_params", "with_threads"]

Array = NDArray[np.float64]

_PARTS = ("fit", "predict", "get_params", "__sklearn_tags__")
_DEFAULTS = {"classifier": DEFAULT_CLASSIFIERS, "regressor": DEFAULT_REGRESSORS}


def listed_models(estimators: Any, task: str) -> list[Any]:
    """List the entries of ``estimators``, its default filled in and each known name replaced by a pair."""
    given = _DEFAULTS[task] if estimators is None else estimators
    if not isinstance(given, (list, tuple)):
        return []
    known = model_names(task)
    return [(entry, make_model(entry, task)) if isinstance(entry, str) and entry in known else entry for entry in given]


def checked_models(estimators: Any, task: str, owner: str, reserved: Collection[str]) -> list[tuple[str, Any]]:
    """Return the live models by name; classifiers that want labels 0, 1, … are wrapped."""
    if estimators is not None and (isinstance(estimators, (str, Mapping)) or not isinstance(estimators, (list, tuple))):
        raise ValueError(
            f"estimators of {owner} must be a list of names and (name, estimator) pairs, for example "
            f"['xgboost', ('ridge', Ridge())]; got {shown(estimators)}."
        )
    warn_about_stand_ins(estimators or (), task, owner)
    models = [_checked_entry(entry, task, owner) for entry in listed_models(estimators, task)]
    _check_names([name for name, _ in models], owner, reserved)
    alive = [(name, model) for name, model in models if not isinstance(model, str)]
    if not alive:
        raise ValueError(
            f"estimators of {owner} has no model left: {shown([name for name, _ in models])} are all 'drop', or the "
            f"list is empty. Keep at least one model."
        )
    return [(name, label_encoded(model) if needs_label_encoding(model) else model) for name, model in alive]


def warn_about_weights(models: Sequence[tuple[str, Any]]) -> None:
    """Say which models will not hear of the sample weights."""
    deaf = [name for name, model in models if not takes_sample_weight(model)]
    if deaf:
        warnings.warn(
            f"sample_weight does not reach {', '.join(deaf)}: fit takes none there. Rows of weight zero are left out; "
            f"the others count alike for {'it' if len(deaf) == 1 else 'them'}.",
            UserWarning,
            stacklevel=4,
        )


def seeded(models: Sequence[tuple[str, Any]], random_state: int) -> list[tuple[str, Any]]:
    """Clone the models and give those without a seed one that depends on the model's name only.

    Parameters
    ----------
    models : sequence of (str, estimator)
        The models.
    random_state : int
        Where the seeds come from.

    Returns
    -------
    list of (str, estimator)
        Clones; their order does not matter for the seeds.
    """
    ready = []
    for name, given in models:
        model = clone(given, safe=False)
        if not isinstance(model, FrozenEstimator):
            seed = int(np.random.SeedSequence([random_state, zlib.crc32(name.encode())]).generate_state(1)[0] >> 1)
            _fill_none(model, "random_state", seed)
        ready.append((name, model))
    return ready


def with_threads(model: Any, threads: int | None) -> Any:
    """Set the threads of a model; more than one only where its answers do not depend on their number."""
    model = clone(model)
    # A forest of scikit-learn adds up its trees in whatever order its threads come in: the last digit would vary.
    if not isinstance(model, FrozenEstimator) and (threads == 1 or same_on_any_threads(model)):
        _fill_none(model, "n_jobs", threads)
    return model


def weight_params(model: Any, sample_weight: Array) -> dict[str, Array]:
    """Name the argument by which a model's fit takes sample weights; empty where it takes, or asks for, none."""
    if has_fit_parameter(model, "sample_weight"):
        return {"sample_weight": sample_weight}
    if sklearn.get_config()["enable_metadata_routing"]:
        asked_for = get_routing_for_object(model).consumes("fit", ["sample_weight"])
        return {"sample_weight": sample_weight} if asked_for else {}
    if isinstance(model, Pipeline) and takes_sample_weight(model):
        return {f"{model.steps[-1][0]}__sample_weight": sample_weight}
    return {}


def _checked_entry(entry: Any, task: str, owner: str) -> tuple[str, Any]:
    if isinstance(entry, str):
        make_model(entry, task)  # an unknown name: it knows which there are
    is_pair = isinstance(entry, tuple) and len(entry) == 2
    if not is_pair or not isinstance(entry[0], str):
        raise ValueError(
            f"estimators of {owner} holds {shown(entry)}: each entry must be a model's name such as 'xgboost', or a "
            f"pair (name, estimator)."
        )
    name, model = entry
    if isinstance(model, str):
        if model == "drop":
            return name, model
        if model in model_names(task):
            return name, make_model(model, task)
    if isinstance(model, type) or not all(hasattr(model, part) for part in _PARTS):
        fix = f" Did you mean {model.__name__}()?" if isinstance(model, type) else ""
        raise ValueError(
            f"The model {name!r} of {owner} must be a scikit-learn estimator with fit and predict (derive one of your "
            f"own from BaseEstimator), or 'drop'; got {shown(model)}.{fix}"
        )
    if is_regressor(model) if task == "classifier" else is_classifier(model):
        raise ValueError(f"The model {name!r} of {owner} is {shown(model)}, which is not a {task}. Choose a {task}.")
    return name, model


def _check_names(names: Sequence[str], owner: str, reserved: Collection[str]) -> None:
    doubles = [name for name, times in Counter(names).items() if times > 1]
    if doubles:
        raise ValueError(
            f"estimators of {owner} names {shown(doubles)} more than once: each name must be different, since results "
            f"and parameters are found by it."
        )
    wrong = [name for name in names if "__" in name or not name]
    if wrong:
        raise ValueError(
            f"estimators of {owner} has the names {shown(wrong)}: a name must not be empty or contain '__', which "
            f"separates a model from its parameters."
        )
    taken = [name for name in names if name in reserved]
    if taken:
        raise ValueError(
            f"estimators of {owner} has the names {shown(taken)}, which are parameters of {owner} itself. Rename them."
        )


def _fill_none(model: Any, parameter: str, value: Any) -> None:
    """Set a parameter wherever it occurs in a model, was left at ``None`` and does something."""
    if not hasattr(model, "get_params") or isinstance(model, type):
        return
    params = model.get_params(deep=True)
    names = [
        name
        for name, given in params.items()
        if given is None
        and (name == parameter or name.endswith(f"__{parameter}"))
        and not (parameter == "n_jobs" and _without_threads(params.get(name.rpartition("__")[0], model)))
    ]
    model.set_params(**dict.fromkeys(names, value))


def _without_threads(model: Any) -> bool:
    """Whether scikit-learn has retired ``n_jobs`` of this model, and warns whoever sets it."""
    return isinstance(model, LogisticRegression) and not isinstance(model, LogisticRegressionCV)

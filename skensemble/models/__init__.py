"""Models by name: every name stands for one estimator per task that copes with what real tables hold.

The one rule that all of them keep: what is learned depends on the rows and their weights, not on the order of the
rows, the number of threads, the names of the columns or the kind of the labels. XGBoost and LightGBM are imported when
a model of theirs is fitted, not before.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from skensemble._checks import check_choice, shown
from skensemble.models._base import NamedModel, documented
from skensemble.models._boosting import (
    HistogramBoostingClassifier,
    HistogramBoostingRegressor,
    LightGBMClassifier,
    LightGBMRegressor,
    XGBoostClassifier,
    XGBoostRegressor,
)
from skensemble.models._few import answers_as_named, few_as_in_fit, few_numbers, quick_answer
from skensemble.models._forests import (
    BootstrapForestClassifier,
    BootstrapForestRegressor,
    RandomSplitForestClassifier,
    RandomSplitForestRegressor,
    forest_trees,
)
from skensemble.models._importances import ColumnsRead, column_importances, columns_read, mean_importances
from skensemble.models._parts import forest_of_parts, parts_of_forest
from skensemble.models._standardized import (
    LinearClassifier,
    LinearRegressor,
    NetworkClassifier,
    NetworkRegressor,
)
from skensemble.models._users import (
    LabelEncodedClassifier,
    innermost,
    label_encoded,
    needs_label_encoding,
    relative_cost,
    same_on_any_threads,
    takes_sample_weight,
)

__all__ = [
    "DEFAULT_CLASSIFIERS",
    "DEFAULT_REGRESSORS",
    "BootstrapForestClassifier",
    "BootstrapForestRegressor",
    "ColumnsRead",
    "HistogramBoostingClassifier",
    "HistogramBoostingRegressor",
    "LabelEncodedClassifier",
    "LightGBMClassifier",
    "LightGBMRegressor",
    "LinearClassifier",
    "LinearRegressor",
    "NamedModel",
    "NetworkClassifier",
    "NetworkRegressor",
    "RandomSplitForestClassifier",
    "RandomSplitForestRegressor",
    "XGBoostClassifier",
    "XGBoostRegressor",
    "answers_as_named",
    "canonical_name",
    "column_importances",
    "columns_read",
    "documented",
    "few_as_in_fit",
    "few_numbers",
    "forest_of_parts",
    "forest_trees",
    "innermost",
    "label_encoded",
    "make_model",
    "mean_importances",
    "model_names",
    "needs_label_encoding",
    "parts_of_forest",
    "quick_answer",
    "relative_cost",
    "same_on_any_threads",
    "takes_sample_weight",
    "warn_about_stand_ins",
]

DEFAULT_REGRESSORS = ("xgboost", "lightgbm", "random_forest", "linear")
DEFAULT_CLASSIFIERS = ("xgboost", "lightgbm", "random_forest", "logistic")

_MODELS: dict[str, dict[str, type]] = {
    "regressor": {
        "xgboost": XGBoostRegressor,
        "lightgbm": LightGBMRegressor,
        "random_forest": BootstrapForestRegressor,
        "extra_trees": RandomSplitForestRegressor,
        "hist_gradient_boosting": HistogramBoostingRegressor,
        "linear": LinearRegressor,
        "mlp": NetworkRegressor,
    },
    "classifier": {
        "xgboost": XGBoostClassifier,
        "lightgbm": LightGBMClassifier,
        "random_forest": BootstrapForestClassifier,
        "extra_trees": RandomSplitForestClassifier,
        "hist_gradient_boosting": HistogramBoostingClassifier,
        "logistic": LinearClassifier,
        "mlp": NetworkClassifier,
    },
}

# The name of the linear model of the other task: what is asked for here, and what is given instead.
_STAND_INS = {"regressor": {"logistic": "linear"}, "classifier": {"linear": "logistic"}}


def model_names(task: str) -> tuple[str, ...]:
    """Return the names that `make_model` knows.

    Parameters
    ----------
    task : {"regressor", "classifier"}
        What is predicted: numbers or labels.

    Returns
    -------
    names : tuple of str
        Every name; in a regressor ``"logistic"`` stands for ``"linear"``, in a classifier the other way round.

    Raises
    ------
    ValueError
        If there is no such task.

    Examples
    --------
    >>> model_names("regressor")
    ('xgboost', 'lightgbm', 'random_forest', 'extra_trees', 'hist_gradient_boosting', 'linear', 'mlp', 'logistic')
    """
    check_choice(task, "task", "model_names", _MODELS)
    return (*_MODELS[task], *_STAND_INS[task])


def canonical_name(name: str, task: str) -> str:
    """Return the name under which the task knows a model: ``"linear"`` for ``"logistic"`` in a regressor.

    Parameters
    ----------
    name : str
        One of `model_names`.
    task : {"regressor", "classifier"}
        What is predicted: numbers or labels.

    Returns
    -------
    name : str
        The same name, or that of the linear model of the task.

    Raises
    ------
    ValueError
        If the task knows no model of that name.

    Examples
    --------
    >>> canonical_name("logistic", "regressor"), canonical_name("linear", "classifier")
    ('linear', 'logistic')
    """
    names = model_names(task)
    if name not in names:
        close = get_close_matches(name.lower(), names, n=1) if isinstance(name, str) else []
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"No {task} has the name {shown(name)}.{hint} The names are {', '.join(map(repr, names))}.")
    return _STAND_INS[task].get(name, name)


def make_model(name: str, task: str) -> Any:
    """Return a fresh model by its name.

    Parameters
    ----------
    name : str
        One of `model_names`.
    task : {"regressor", "classifier"}
        What is predicted: numbers or labels.

    Returns
    -------
    model : estimator
        A new, unfitted estimator with its default parameters.

    Raises
    ------
    ValueError
        If the task knows no model of that name.

    Examples
    --------
    >>> make_model("linear", "regressor"), make_model("linear", "classifier")
    (LinearRegressor(), LinearClassifier())
    """
    known_name = canonical_name(name, task)
    return _MODELS[task][known_name]()


def warn_about_stand_ins(names: Iterable[Any], task: str, owner: str) -> None:
    """Warn, once for all names, where a regressor was asked for logistic regression and gets the linear model.

    Made to be called once at the start of a fit, so that reading and setting parameters stays quiet.

    Parameters
    ----------
    names : iterable
        The names asked for; what is no name (an estimator, for one) is passed over.
    task : {"regressor", "classifier"}
        What is predicted: numbers or labels.
    owner : str
        Who asked, for the sentence.

    Warns
    -----
    UserWarning
        If ``"logistic"`` is among the names of a regressor.

    Examples
    --------
    >>> warn_about_stand_ins(["xgboost", "linear"], "regressor", "EnsembleRegressor")
    """
    if task == "regressor" and any(isinstance(name, str) and name == "logistic" for name in names):
        warnings.warn(
            f"'logistic' in {owner} is a model for classes, so the linear regressor takes its place. "
            "Write 'linear' to say so yourself.",
            UserWarning,
            stacklevel=3,
        )

"""Who runs against whom: the same members, rows and folds on both sides, so that only the ensemble differs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from numpy.typing import NDArray
from sklearn.ensemble import (
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from xgboost import XGBClassifier, XGBRegressor

from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble.models import make_model

__all__ = ["FOLDS", "MEMBERS", "TASKS", "Setting", "contenders", "members", "table"]

TASKS = ("regressor", "classifier")
# By name of the package, the libraries' own classes, and four linear models: there the ensemble itself is what costs.
MEMBERS = ("wrapped", "raw", "light")
# Folds are blocks of rows, not forward ones: scikit-learn's stacking takes nothing but a partition. To fit on all rows
# and on all but each of k blocks is the work of k fits on all rows.
FOLDS = 2
FEATURES = 30
# Without a bound on the depth a forest on 100,000 rows takes a minute or more, and hides whatever the ensembles do.
FOREST = {"n_estimators": 50, "max_depth": 8, "min_samples_leaf": 5, "max_features": 0.33, "random_state": 0}


@dataclass(frozen=True)
class Setting:
    """One comparison: the task, the kind of members, the number of rows and of jobs."""

    task: str
    members: str
    rows: int
    n_jobs: int | None


def table(task: str, rows: int, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Draw rows of 30 columns, four of them informative, and targets that are mostly noise, as returns are."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, FEATURES))
    y = 0.3 * X[:, 0] + 0.2 * X[:, 1] * X[:, 2] + 0.2 * np.sin(2 * X[:, 3]) + rng.normal(size=rows)
    return X, y if task == "regressor" else (y > 0).astype(int)


def members(task: str, kind: str) -> list[tuple[str, Any]]:
    """List the named members that both sides get."""
    number = task == "regressor"
    linear = Ridge if number else LogisticRegression
    if kind == "light":
        strength = "alpha" if number else "C"
        return [(f"linear{i}", linear(**{strength: 10.0**-i})) for i in range(4)]
    if kind == "raw":
        forest = RandomForestRegressor if number else RandomForestClassifier
        return [
            ("xgboost", (XGBRegressor if number else XGBClassifier)(n_estimators=100, max_depth=4)),
            ("lightgbm", (LGBMRegressor if number else LGBMClassifier)(n_estimators=100, num_leaves=15, verbose=-1)),
            ("random_forest", forest(**FOREST)),
            ("linear", linear()),
        ]
    return [
        ("xgboost", make_model("xgboost", task).set_params(n_estimators=100, random_state=0)),
        ("lightgbm", make_model("lightgbm", task).set_params(n_estimators=100, random_state=0)),
        ("random_forest", make_model("random_forest", task).set_params(**FOREST)),
        ("linear", make_model("linear", task)),
    ]


def contenders(setting: Setting) -> dict[str, Any]:
    """Build the four unfitted ensembles of one comparison, by name."""
    number = setting.task == "regressor"
    listed = members(setting.task, setting.members)
    folds = list(KFold(FOLDS).split(np.empty((setting.rows, 0))))
    ensemble = RegimeAwareEnsembleRegressor if number else RegimeAwareEnsembleClassifier
    ours = {"estimators": listed, "cv": folds, "n_jobs": setting.n_jobs, "random_state": 0}
    voting = VotingRegressor if number else VotingClassifier
    stacking = StackingRegressor if number else StackingClassifier
    return {
        "skensemble voting": ensemble(combiner="weighted_voting", **ours),
        "sklearn voting": voting(listed, n_jobs=setting.n_jobs, **({} if number else {"voting": "soft"})),
        "skensemble stacking": ensemble(combiner="stacking", **ours),
        "sklearn stacking": stacking(listed, cv=folds, n_jobs=setting.n_jobs),
    }

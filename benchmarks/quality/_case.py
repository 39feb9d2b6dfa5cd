"""One scenario made ready: its rows, when what is known, its models, and what these said."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.quality._markets import Market, sometimes
from benchmarks.quality._scenarios import Scenario
from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble._training import OutOfFold
from skensemble.evaluation._schedule import Schedule, make_schedule
from skensemble.models import DEFAULT_CLASSIFIERS, DEFAULT_REGRESSORS, make_model
from skensemble.regimes import SingleRegime, detect, encode_memberships, regime_names

__all__ = ["LINEAR", "N_TRAININGS", "QUICK_ROWS", "Case", "Said"]

Array = NDArray[np.float64]

N_TRAININGS = 2
QUICK_ROWS, QUICK_TRAININGS = 160, 2
# Named alike for numbers and classes, so that tables have one row for it.
LINEAR = "linear"
_SMALL: dict[str, dict[str, Any]] = {
    "xgboost": {"n_estimators": 3},
    "lightgbm": {"n_estimators": 3},
    "random_forest": {"n_estimators": 3},
}


@dataclass(frozen=True, eq=False)
class Said:
    """What the models of the ensembles said, trained anew at every training, before the outcomes.

    Parameters
    ----------
    before : OutOfFold
        Out of fold, on the rows of the first training.
    predictions : ndarray of shape (n_judged, n_models, n_outputs)
        On the judged rows; NaN where a model was silent.
    """

    before: OutOfFold
    predictions: Array


@dataclass(frozen=True, eq=False)
class Case:
    """What every method gets of a scenario.

    Parameters
    ----------
    scenario : Scenario
        The scenario.
    market : Market
        Its rows.
    quick : bool
        Whether models are so small that they cost nothing.
    """

    scenario: Scenario
    market: Market
    quick: bool

    @classmethod
    def of(cls, scenario: Scenario, *, quick: bool = False) -> Case:
        return cls(scenario, scenario.make(QUICK_ROWS if quick else None), quick)

    @property
    def numbers(self) -> bool:
        return self.scenario.task == "numbers"

    # When.

    @property
    def walk(self) -> dict[str, Any]:
        """How `walk_forward` is told of it: half of the rows first, then so many trainings."""
        n_rows = len(self.market.X)
        first = n_rows // 2
        every = -(-(n_rows - first) // (QUICK_TRAININGS if self.quick else N_TRAININGS))
        return {"initial": first, "refit_every": every, "outcome_delay": self.scenario.horizon}

    @cached_property
    def schedule(self) -> Schedule:
        index = self.market.X.index
        assert isinstance(index, pd.DatetimeIndex)
        return make_schedule(len(index), index, window=None, **self.walk)

    @property
    def judged(self) -> slice:
        return slice(self.schedule.first, len(self.market.X))

    @property
    def known(self) -> NDArray[np.intp]:
        """For each judged row the number of judged rows whose outcome was known."""
        first = self.schedule.first
        return np.maximum(self.schedule.known[first:] - first, 0)

    @cached_property
    def moments(self) -> NDArray[np.intp]:
        """Number of the moment of each judged row."""
        return np.unique(self.market.X.index[self.judged].asi8, return_inverse=True)[1]

    # What.

    @cached_property
    def classes(self) -> NDArray[Any] | None:
        return None if self.numbers else np.unique(self.market.y)

    @cached_property
    def targets(self) -> Array:
        """Outcomes of all rows, ``(n_samples, n_outputs)``."""
        y = self.market.y.to_numpy()
        if self.classes is None:
            return y.astype(float)[:, None]
        return np.eye(len(self.classes))[np.searchsorted(self.classes, y)]

    @cached_property
    def memberships(self) -> Array:
        """Regimes of all rows as the methods know them: told, or by the scenario's detector as first trained."""
        if self.scenario.detector is not None:
            return self.detected(self.scenario.detector())
        told = self.market.told
        return encode_memberships(told, regime_names(told), len(self.market.X))

    def detected(self, detector: Any) -> Array:
        """Memberships by a detector fitted on the rows before the first judged one."""
        X = self.market.X
        fitted = detector.fit(X.iloc[: self.schedule.first])
        found = detect(fitted, X)
        return encode_memberships(found, regime_names(found), len(X))

    @property
    def regimes(self) -> NDArray[Any]:
        """The regime that each judged row is counted in: the true one, where it is known."""
        if self.market.truth is not None:
            return self.market.truth[self.judged]
        return self.memberships[self.judged].argmax(axis=1).astype(str)

    # Who.

    def members(self, *, patient: bool = True) -> list[tuple[str, Any]]:
        """The default models; with ``patient=False`` as those get them who cannot bear that one says nothing."""
        task = "regressor" if self.numbers else "classifier"
        names = DEFAULT_REGRESSORS if self.numbers else DEFAULT_CLASSIFIERS
        made = []
        for name in names:
            model = make_model(name, task).set_params(**(_SMALL.get(name, {}) if self.quick else {}))
            if "random_state" in model.get_params() and not patient:
                model.set_params(random_state=0)
            if name in ("linear", "logistic") and self.scenario.change:
                model = sometimes(model, self.scenario.change, patient)
            made.append((LINEAR if name == "logistic" else name, model))
        return made

    def ensemble(self, combiner: Any, *, blind: bool) -> Any:
        """Our ensemble of the default models; blind is told of no regimes."""
        task = RegimeAwareEnsembleRegressor if self.numbers else RegimeAwareEnsembleClassifier
        detector = SingleRegime() if blind else self.scenario.detector and self.scenario.detector()
        return task(
            self.members(),
            combiner=combiner,
            label_horizon=self.scenario.horizon,
            regime_detector=detector,
            coverages=(0.9,),  # Nobody looks at intervals here, and fewer are quicker.
            random_state=0,
            n_jobs=1,
        )

"""The S&P 500 lived through day by day: models, ensembles, plain rivals, and who was right.

All of it is one call of `walk_forward`: what is said of a day is made of rows and outcomes that were known at its
close. The return of the next day is known one row later, the volatility of the next five days five rows later.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin

from skensemble._regressor import RegimeAwareEnsembleRegressor
from skensemble.datasets import load_sp500
from skensemble.displays import CumulativeLossDisplay, WeightsDisplay
from skensemble.evaluation import WalkForward, walk_forward
from skensemble.models import LightGBMRegressor
from skensemble.regimes import SingleRegime

__all__ = [
    "BEST_SINGLE",
    "BLIND",
    "COMBINERS",
    "COST_BPS",
    "EQUAL",
    "FORMATS",
    "HORIZONS",
    "NO_MODEL",
    "REGIMES",
    "RIVAL",
    "NoModel",
    "default_lightgbm",
    "draw",
    "walk",
]

HORIZONS = {"return": 1, "volatility": 5}
_TITLES = {"return": "next-day return", "volatility": "volatility of the next 5 days"}
REGIMES = ("CALM", "NORMAL", "STRESSED")
COMBINERS = {"voting": "weighted_voting", "stacking": "stacking", "dynamic": "dynamic"}
RIVAL = "default LightGBM"
NO_MODEL = "no model"
BLIND = "dynamic, no regimes"
EQUAL = "equal weights"
BEST_SINGLE = "best single"
COST_BPS = 1.0
FORMATS = (".pdf", ".png", ".svg")

_LONG = 1e-12  # a return that is as good as none, on the long side
_SMALL = {
    "xgboost__n_estimators": 30,
    "xgboost__learning_rate": 0.2,
    "lightgbm__n_estimators": 30,
    "lightgbm__learning_rate": 0.2,
    "random_forest__n_estimators": 15,
}


class NoModel(RegressorMixin, BaseEstimator):
    """Expect what stands in a column, or nothing but the long side: the rival that learns nothing.

    Parameters
    ----------
    column : str, default=None
        Name of a column of X; ``None`` expects a return of as good as 0, held long.
    """

    def __init__(self, column: str | None = None) -> None:
        self.column = column

    def fit(self, X: Any, y: Any) -> NoModel:
        """Learn nothing.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Ignored.

        Returns
        -------
        NoModel
            Itself.
        """
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the column.

        Parameters
        ----------
        X : DataFrame of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            What is expected.
        """
        return np.full(len(X), _LONG) if self.column is None else X[self.column].to_numpy()


def default_lightgbm() -> LightGBMRegressor:
    """One LightGBM with the library's own defaults: what many people would have used.

    Returns
    -------
    LightGBMRegressor
        Unfitted.
    """
    return LightGBMRegressor(n_estimators=100, learning_rate=0.1, num_leaves=31)


def walk(target: str, *, quick: bool = False) -> WalkForward:
    """Train on the first years, predict the rest day by day, take outcomes back, and retrain every January.

    Parameters
    ----------
    target : {"return", "volatility"}
        What is predicted.
    quick : bool, default=False
        Fewer years and smaller models.

    Returns
    -------
    WalkForward
        The same for the same arguments.
    """
    since, first = ("2011", "2015-01-01") if quick else ("2000", "2007-01-01")
    market: Any = load_sp500(target)
    X, y, regimes = (part[since:] for part in market)
    horizon = HORIZONS[target]

    def ensemble(combiner: str, detector: Any = None) -> RegimeAwareEnsembleRegressor:
        made = RegimeAwareEnsembleRegressor(
            combiner=combiner, label_horizon=horizon, regime_detector=detector, random_state=0, n_jobs=-1
        )
        return made.set_params(**(_SMALL if quick else {}))

    rivals = {
        RIVAL: default_lightgbm(),
        NO_MODEL: NoModel(None if target == "return" else "volatility_21"),
        **{name: ensemble(combiner) for name, combiner in COMBINERS.items()},
        BLIND: ensemble("dynamic", SingleRegime()),
    }
    return walk_forward(
        rivals,
        X,
        y,
        initial=first,
        refit_every="YS",
        outcome_delay=horizon,
        regimes=regimes,
        returns=y if target == "return" else None,
        cost_bps=COST_BPS if target == "return" else 0.0,
        judge_models=True,
    )


def draw(walks: dict[str, WalkForward], path: Path) -> None:
    """Draw how the weights moved and how the loss ran, one column per target, and save the picture.

    Parameters
    ----------
    walks : dict of str to WalkForward
        What is to be drawn, by target.
    path : Path
        Where to; the ending says in which format.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra: the tables do without it

    figure = Figure(figsize=(8.0 * len(walks), 8.0), layout="constrained")
    grid = figure.subplots(2, len(walks), squeeze=False)
    for (target, walked), (above, below) in zip(walks.items(), grid.T, strict=True):
        WeightsDisplay.from_walk_forward(walked, rival="dynamic").plot(above)
        losses = CumulativeLossDisplay.from_walk_forward(walked, rival="dynamic", against=(RIVAL, EQUAL, BEST_SINGLE))
        # What was earned is in the table, with its interval.
        losses.profits_bps = None
        losses.plot(below)
        above.set_title(f"S&P 500, {_TITLES[target]}: {above.get_title(loc='left')}", loc="left", fontsize=11)
    figure.savefig(path, dpi=150)

"""What models, rivals and ensembles would have said of the S&P 500 day by day, and who was right.

One rule that every line keeps: what is said of a day is made of rows and outcomes that were known at its close. The
return of the next day is known one row later, the volatility of the next five days five rows later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import clone

from skensemble._regressor import RegimeAwareEnsembleRegressor
from skensemble.combiners import Combiner, DynamicWeighting, Stacking, WeightedVoting
from skensemble.datasets import load_sp500
from skensemble.models import LightGBMRegressor
from skensemble.performance import sharpe_interval, trade_outcomes, wilson_interval
from skensemble.splits import ForwardSplit

__all__ = [
    "BEST_SINGLE",
    "BLOCK",
    "COMBINERS",
    "EQUAL",
    "HORIZONS",
    "NO_MODEL",
    "REGIMES",
    "RIVAL",
    "Walk",
    "change_interval",
    "default_lightgbm",
    "draw",
    "figures",
    "learned_each_day",
    "learned_each_january",
    "walk",
    "with_regimes",
]

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

HORIZONS = {"return": 1, "volatility": 5}
REGIMES = ("CALM", "NORMAL", "STRESSED")
COMBINERS = ("voting", "stacking", "dynamic")
RIVAL = "default LightGBM"
EQUAL = "equal weights"
BEST_SINGLE = "best single"
NO_MODEL = "no model"
BLOCK = 63

_TRADING_DAYS = 252
_N_DRAWS = 2000
_LONG = 1e-12  # a return that is as good as none, on the long side
_SMALL = {
    "xgboost__n_estimators": 30,
    "xgboost__learning_rate": 0.2,
    "lightgbm__n_estimators": 30,
    "lightgbm__learning_rate": 0.2,
    "random_forest__n_estimators": 15,
}


@dataclass(frozen=True, eq=False)
class Walk:
    """What was said of every judged day, and what came true.

    Parameters
    ----------
    target : str
        ``"return"`` or ``"volatility"``.
    models : tuple of str
        Names of the models.
    learned_from : pandas.Timestamp
        First day that any model was trained on.
    said : DataFrame of shape (n_days, n_contestants)
        Predictions: of each model alone, the rivals, and the ensembles without and with regimes.
    outcome : Series of shape (n_days,)
        What came true.
    regimes : Series of shape (n_days,)
        Regime of each day.
    best : tuple of str
        The best single model, year by year.
    weights : DataFrame of shape (n_days, n_models)
        Weights of the models behind what dynamic weighting with regimes said.
    weights_now : DataFrame of shape (n_models, n_regimes)
        Its weights in each regime after the last outcome.
    """

    target: str
    models: tuple[str, ...]
    learned_from: pd.Timestamp
    said: pd.DataFrame
    outcome: pd.Series
    regimes: pd.Series
    best: tuple[str, ...]
    weights: pd.DataFrame
    weights_now: pd.DataFrame

    @property
    def losses(self) -> pd.DataFrame:
        """Squared error of every contestant on every day.

        Returns
        -------
        DataFrame of shape (n_days, n_contestants)
            In the unit of the target, squared.
        """
        return self.said.sub(self.outcome, axis=0) ** 2


def with_regimes(combiner: str) -> str:
    """Name the contestant that combines per regime.

    Parameters
    ----------
    combiner : str
        One of `COMBINERS`.

    Returns
    -------
    str
        A column of `Walk.said`.
    """
    return f"{combiner} + regimes"


def walk(target: str, *, quick: bool = False) -> Walk:
    """Train on the first years, predict the rest, and retrain every January on all days before.

    One fit does it: each year is one more forward fold, so that the out-of-fold record of the ensemble is what its
    models, retrained every January, said of that year.

    Parameters
    ----------
    target : {"return", "volatility"}
        What is predicted.
    quick : bool, default=False
        Fewer years and smaller models.

    Returns
    -------
    Walk
        The same for the same arguments.
    """
    horizon = HORIZONS[target]
    since, first_year, n_folds = ("2011", 2015, 3) if quick else ("2000", 2007, 5)
    market: Any = load_sp500(target)
    X, y, regimes = (part[since:] for part in market)
    years = pd.DatetimeIndex(X.index).year
    januaries = np.searchsorted(years, np.unique(years[years >= first_year]))
    early = ForwardSplit(n_folds, label_horizon=horizon).split(X[: januaries[0]])
    yearly = [(np.arange(first - horizon), np.arange(first, stop)) for first, stop in pairwise([*januaries, len(X)])]
    ensemble = RegimeAwareEnsembleRegressor(
        cv=[*early, *yearly], label_horizon=horizon, outcome="return" if target == "return" else None, random_state=0
    ).set_params(n_jobs=-1, **(_SMALL if quick else {}))
    ensemble.fit(X, y, regimes=regimes)

    record, names = ensemble.out_of_fold_, ensemble.model_names_
    opened = np.searchsorted(record.rows, januaries)
    judged = slice(opened[0], None)
    years_of = [slice(*ends) for ends in pairwise([*opened, len(record.rows)])]
    heard = (record.predictions, record.targets)
    said = dict(zip(names, record.predictions[judged, :, 0].T, strict=True))
    said[RIVAL] = _retrained(default_lightgbm(), X, y, yearly)
    said[EQUAL] = record.predictions[judged, :, 0].mean(axis=1)
    best = _best_models(*heard, opened, horizon)
    said[BEST_SINGLE] = np.concatenate([record.predictions[rows, k, 0] for rows, k in zip(years_of, best, strict=True)])
    said[NO_MODEL] = np.full(len(X), _LONG) if target == "return" else X["volatility_21"]
    said[NO_MODEL] = said[NO_MODEL][januaries[0] :]
    for place, memberships in ((str, record.memberships[:, :0]), (with_regimes, record.memberships)):
        said[place("voting")] = learned_each_january(WeightedVoting(), *heard, memberships, opened, horizon)
        said[place("stacking")] = learned_each_january(Stacking(), *heard, memberships, opened, horizon)
        dynamic = DynamicWeighting()
        said[place("dynamic")], weights = learned_each_day(dynamic, *heard, memberships, opened[0], horizon)
    days = X.index[januaries[0] :]
    return Walk(
        target=target,
        models=names,
        learned_from=X.index[0],
        said=pd.DataFrame({name: np.asarray(values) for name, values in said.items()}, index=days),
        outcome=y[days],
        regimes=regimes[days],
        best=tuple(names[k] for k in best),
        weights=pd.DataFrame(weights, days, names),
        weights_now=pd.DataFrame(dynamic.regime_weights_[1:].T, names, ensemble.regimes_)[list(REGIMES)],
    )


def learned_each_january(
    combiner: Combiner, predictions: Array, targets: Array, memberships: Array, opened: Rows, horizon: int
) -> Array:
    """Combine each year with what a combiner learned from the outcomes known when it began.

    Parameters
    ----------
    combiner : Combiner
        Unfitted.
    predictions : ndarray of shape (n_samples, n_models, 1)
        Out-of-fold predictions.
    targets : ndarray of shape (n_samples, 1)
        What came true.
    memberships : ndarray of shape (n_samples, n_regimes)
        Memberships of the rows.
    opened : ndarray of shape (n_years,)
        First row of each year; rows before the first are only learned from.
    horizon : int
        Rows until an outcome is known.

    Returns
    -------
    ndarray of shape (n_samples - opened[0],)
        Combined predictions.
    """
    combined = []
    for first, stop in pairwise([*opened, len(targets)]):
        known, year = slice(0, first - horizon + 1), slice(first, stop)
        learned = clone(combiner).fit(predictions[known], targets[known], memberships[known])
        combined.append(learned.combine(predictions[year], memberships[year])[:, 0])
    return np.concatenate(combined)


def learned_each_day(
    combiner: Combiner, predictions: Array, targets: Array, memberships: Array, first: int, horizon: int
) -> tuple[Array, Array]:
    """Combine day by day; before each, the combiner is told the outcome that has just become known.

    These are the steps that ``partial_update(predictions=explanation, y=outcome)`` of an ensemble takes.

    Parameters
    ----------
    combiner : Combiner
        Unfitted; in the end it has learned all that was known at the last row.
    predictions : ndarray of shape (n_samples, n_models, 1)
        Out-of-fold predictions.
    targets : ndarray of shape (n_samples, 1)
        What came true.
    memberships : ndarray of shape (n_samples, n_regimes)
        Memberships of the rows.
    first : int
        First row to be judged.
    horizon : int
        Rows until an outcome is known.

    Returns
    -------
    combined : ndarray of shape (n_samples - first,)
        Combined predictions.
    weights : ndarray of shape (n_samples - first, n_models)
        The weights behind them.
    """
    known = slice(0, first - horizon + 1)
    combiner.fit(predictions[known], targets[known], memberships[known])
    combined, weights = np.empty(len(targets)), np.empty(predictions.shape[:2])
    for day in range(first, len(targets)):
        if day > first:
            # The regret is that of the weights of the day when the prediction was made.
            due = slice(day - horizon, day - horizon + 1)
            then = weights[due] if due.start >= first else None
            combiner.follow(predictions[due], targets[due], memberships[due], weights=then)
        today = slice(day, day + 1)
        weights[today] = combiner.weights(predictions[today], memberships[today])
        combined[today] = combiner.combine(predictions[today], memberships[today])[:, 0]
    return combined[first:], weights[first:]


def _best_models(predictions: Array, targets: Array, opened: Rows, horizon: int) -> list[int]:
    """The model that, at the start of each year, had the lowest loss out of fold until then."""
    losses = (predictions[:, :, 0] - targets) ** 2
    return [int(losses[: first - horizon + 1].mean(axis=0).argmin()) for first in opened]


def default_lightgbm() -> LightGBMRegressor:
    """One LightGBM with the library's own defaults: what many people would have used.

    Returns
    -------
    LightGBMRegressor
        Unfitted.
    """
    return LightGBMRegressor(n_estimators=100, learning_rate=0.1, num_leaves=31)


def _retrained(model: Any, X: Any, y: Any, folds: Sequence[tuple[Rows, Rows]]) -> Array:
    return np.concatenate([model.fit(X.iloc[train], y.iloc[train]).predict(X.iloc[test]) for train, test in folds])


def figures(walked: Walk) -> pd.DataFrame:
    """Judge every contestant.

    Parameters
    ----------
    walked : Walk
        What was said.

    Returns
    -------
    DataFrame of shape (n_contestants, n_figures)
        ``error`` (root mean squared, in the unit of the target), ``change`` (of mean squared error against the single
        LightGBM, as a fraction) and the same in each regime (``change_CALM``, …), ``worst`` (the regime where that is
        highest). For returns also ``n``, ``win_rate``, ``profit_bps``, ``sharpe`` (annualised), with ``_low`` and
        ``_high`` where there is an interval (95 %), and ``profit_bps_CALM``, …; ``worst`` is then the regime of least
        profit.
    """
    losses: Any = walked.losses
    table = pd.DataFrame({"error": np.sqrt(losses.mean()), "change": losses.mean() / losses[RIVAL].mean() - 1})
    inside = losses.groupby(walked.regimes).mean()
    for regime in REGIMES:
        table[f"change_{regime}"] = inside.loc[regime] / inside.loc[regime, RIVAL] - 1
    worst = table[[f"change_{regime}" for regime in REGIMES]].to_numpy().argmax(axis=1)
    if walked.target == "return":
        worst = _add_trading(table, walked)
    return table.assign(worst=[REGIMES[k] for k in worst])


def _add_trading(table: pd.DataFrame, walked: Walk) -> Rows:
    """Add what holding the predicted side would have earned; return the place of the regime of least profit."""
    wins, profits = trade_outcomes(walked.said, walked.outcome)
    table["n"] = np.isfinite(wins).sum(axis=0)
    table["win_rate"] = np.nanmean(wins, axis=0)
    table["win_rate_low"], table["win_rate_high"] = wilson_interval(np.nansum(wins, axis=0), table["n"])
    table["profit_bps"] = np.nanmean(profits, axis=0)
    sharpe = np.nanmean(profits, axis=0) / np.nanstd(profits, axis=0, ddof=1)
    skewness = stats.skew(profits, nan_policy="omit")
    kurtosis = stats.kurtosis(profits, fisher=False, nan_policy="omit")
    low, high = sharpe_interval(sharpe, np.isfinite(profits).sum(axis=0), skewness, kurtosis)
    for name, value in {"sharpe": sharpe, "sharpe_low": low, "sharpe_high": high}.items():
        table[name] = np.asarray(value) * np.sqrt(_TRADING_DAYS)
    for regime in REGIMES:
        table[f"profit_bps_{regime}"] = np.nanmean(profits[walked.regimes == regime], axis=0)
    return table[[f"profit_bps_{regime}" for regime in REGIMES]].to_numpy().argmin(axis=1)


def change_interval(losses: Any, rival: Any) -> tuple[float, float, float]:
    """Compare the mean losses of two contestants on the same days, by a paired block bootstrap.

    Whole blocks of `BLOCK` days (about a quarter of a year), cut from the days closed to a circle, are drawn with
    replacement, for both contestants alike: bad days come in clusters, and days drawn one by one would look far more
    certain than they are. 2,000 draws with a fixed seed.

    Parameters
    ----------
    losses, rival : array-like of shape (n_days,)
        Losses of the contestant and of the rival on the same days in time order.

    Returns
    -------
    change, low, high : float
        Mean loss of the contestant relative to the rival's, less 1, and its 95 % interval. Below 0 is better than the
        rival; an interval that holds 0 cannot tell.

    References
    ----------
    D. N. Politis and J. P. Romano, "A circular block-resampling procedure for stationary data", in Exploring the
    Limits of Bootstrap, Wiley 1992.

    Examples
    --------
    >>> change_interval([1.0, 3.0, 1.0, 3.0], [2.0, 6.0, 2.0, 6.0])
    (-0.5, -0.5, -0.5)
    """
    both = np.stack([np.asarray(losses, dtype=float), np.asarray(rival, dtype=float)])
    n_days = both.shape[1]
    block = min(BLOCK, n_days)
    totals = np.cumsum(np.hstack([np.zeros((2, 1)), both, both[:, : block - 1]]), axis=1)
    of_block = totals[:, block:] - totals[:, :-block]
    starts = np.random.default_rng(0).integers(n_days, size=(_N_DRAWS, -(-n_days // block)))
    drawn = of_block[:, starts].sum(axis=2)
    low, high = np.quantile(drawn[0] / drawn[1] - 1, [0.025, 0.975])
    return float(both[0].sum() / both[1].sum() - 1), float(low), float(high)


# Okabe and Ito's colours, which people of all kinds of colour vision can tell apart.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
_SHADES = ("#eeeeee", "#aaaaaa", "#222222")
_LINES = {
    EQUAL: ("#777777", ":"),
    "voting": ("#56B4E9", "--"),
    "stacking": ("#D55E00", "-."),
    "dynamic": ("black", "-"),
}
_LEGEND: dict[str, Any] = {"fontsize": 9, "frameon": False, "borderaxespad": 0.1}
_TITLES = {"return": "next-day return", "volatility": "volatility of the next 5 days"}


def draw(walks: Sequence[Walk], path: Path) -> None:
    """Draw how the weights moved and how the loss ran, one column per target, and save the picture.

    Parameters
    ----------
    walks : sequence of Walk
        What is to be drawn.
    path : Path
        Where to; the ending says in which format.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra: the tables do without it

    figure = Figure(figsize=(7.0 * len(walks), 7.5), layout="constrained")
    grid = figure.subplots(3, len(walks), sharex="col", squeeze=False, height_ratios=[0.25, 2, 2])
    for column, walked in enumerate(walks):
        _draw_regimes(grid[0, column], walked)
        _draw_weights(grid[1, column], walked)
        _draw_losses(grid[2, column], walked)
    figure.savefig(path, dpi=150)


def _draw_regimes(axes: Any, walked: Walk) -> None:
    days = walked.said.index
    inside = [(walked.regimes == regime).astype(float) for regime in REGIMES]
    axes.stackplot(days, inside, labels=REGIMES, colors=_SHADES, step="post", lw=0)
    axes.set(yticks=[], ylim=(0, 1), xlim=(days[0], days[-1]))
    axes.set_title(f"S&P 500, {_TITLES[walked.target]}", pad=22)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, **_LEGEND)
    axes.text(0, 1.15, "regime", transform=axes.transAxes, fontsize=9)


def _draw_weights(axes: Any, walked: Walk) -> None:
    smooth = walked.weights.rolling(21, min_periods=1).mean()
    axes.stackplot(smooth.index, smooth.T, labels=smooth.columns, colors=_COLOURS, edgecolor="white", lw=0.3)
    axes.set(ylabel="weight (mean of 21 days)", ylim=(0, 1))
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=4, **_LEGEND)
    axes.text(0, 1.02, "dynamic + regimes", transform=axes.transAxes, fontsize=9)


def _draw_losses(axes: Any, walked: Walk) -> None:
    losses: Any = walked.losses
    ahead = 100 * losses.sub(losses[RIVAL], axis=0).cumsum() / losses[RIVAL].sum()
    for name, (colour, line) in _LINES.items():
        shown = name if name == EQUAL else with_regimes(name)
        axes.plot(ahead.index, ahead[shown], color=colour, ls=line, label=f"{shown}: {ahead[shown].iloc[-1]:+.1f} %")
    axes.axhline(0, color="black", lw=0.8)
    axes.set(ylabel="% of the loss of the default LightGBM")
    axes.legend(loc="upper right", bbox_to_anchor=(1, 0.88), **_LEGEND)
    axes.text(
        0, 1.02, "Loss so far less that of the default LightGBM: lower is better", transform=axes.transAxes, fontsize=9
    )

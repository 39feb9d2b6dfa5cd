"""Which model is good in which regime, beside the ensemble and its plain rivals."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from skensemble._checks import check_choice
from skensemble._judged import (
    BEST,
    EQUAL,
    Judged,
    ensemble_of,
    judged_by_live,
    judged_by_walk,
    plain_rivals,
)
from skensemble.displays._style import FEW, draw_cells, named, panels, show_bar, show_title, width_of_names

__all__ = ["RegimePerformanceDisplay"]

_POOLED = "pooled"
# By what share two counts of rows may differ and still be of the same rows, for want of better knowledge.
_OTHER_ROWS = 0.01
# What is counted, what is told of it, and whether more is better.
_METRICS = {
    "loss": ("n", "loss against equal weights (%)", False),
    "win_rate": ("n_sides", "right side (% of outcomes)", True),
    "profit_bps": ("n_trades", "mean profit per trade (bps)", True),
    "sharpe": ("n_trades", "Sharpe ratio per trade", True),
}


class RegimePerformanceDisplay:
    """A table of models by regimes, coloured by how well each did, with its n in each cell.

    The ensemble, equal weights and the best single model so far stand below the models, all regimes together
    (``"pooled"``) at the right. Lighter is better. Cells of fewer than 30 outcomes are hatched: they may be anything.
    The loss is told against that of equal weights on the same rows: with -5, the mean loss was 5 % below theirs. A
    ledger keeps no rows: there a loss is left out where it is of other rows, by more than one in a hundred.

    Parameters
    ----------
    figures : DataFrame
        One row for each performer and regime: ``performer``, ``regime``, ``n`` and ``value``, and if known ``low`` and
        ``high``; performers and regimes are drawn in the order in which they come.
    metric : {"loss", "win_rate", "profit_bps", "sharpe"}, default="loss"
        What ``value`` is: loss against equal weights and win rate in %, mean profit per trade in basis points, or its
        Sharpe ratio.
    who : str, default="ensemble"
        Name of the ensemble, for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.

    See Also
    --------
    WeightsDisplay : Whom the ensemble trusted.

    Examples
    --------
    >>> import numpy as np
    >>> from skensemble import RegimeAwareEnsembleRegressor
    >>> from skensemble.displays import RegimePerformanceDisplay
    >>> X = np.arange(60.0).reshape(-1, 1)
    >>> y, regimes = np.tile([1.0, 3.0], 30), np.tile(["calm", "wild"], 30)
    >>> from sklearn.dummy import DummyRegressor
    >>> models = [(f"always {c}", DummyRegressor(strategy="constant", constant=c)) for c in (1, 3)]
    >>> ensemble = RegimeAwareEnsembleRegressor(models, combiner="dynamic").fit(X, y, regimes=regimes)
    >>> display = RegimePerformanceDisplay.from_estimator(ensemble)
    >>> display.frame().query("performer == 'always 1'")
      performer  regime     n  value  low  high
    0  always 1    calm  25.0 -100.0  NaN   NaN
    1  always 1    wild  25.0  300.0  NaN   NaN
    2  always 1  pooled  50.0  100.0  NaN   NaN
    """

    def __init__(self, figures: pd.DataFrame, *, metric: str = "loss", who: str = "ensemble") -> None:
        self.figures = figures
        self.metric = metric
        self.who = who

    @classmethod
    def from_estimator(cls, estimator: Any, *, metric: str = "loss", window: str = "lifetime") -> Self:
        """Read the ledger of a fitted ensemble: its out-of-fold rows, and all that it has been told since.

        Parameters
        ----------
        estimator : RegimeAwareEnsembleRegressor, RegimeAwareEnsembleClassifier or Pipeline
            Fitted; a Pipeline must end in one.
        metric : {"loss", "win_rate", "profit_bps", "sharpe"}, default="loss"
            What to tell; all but the loss need sides or classes, the last two returns.
        window : {"lifetime", "recent"}, default="lifetime"
            All outcomes, or the last ``lookback`` of each performer in each regime.

        Returns
        -------
        RegimePerformanceDisplay
            Not drawn yet.

        Raises
        ------
        ValueError
            If the metric or window is none of these, or was not counted.
        """
        ensemble, _ = ensemble_of(estimator, cls.__name__)
        check_choice(metric, "metric", f"{cls.__name__}.from_estimator", _METRICS)
        check_choice(window, "window", f"{cls.__name__}.from_estimator", ("lifetime", "recent"))
        frame = ensemble.ledger_.frame().replace({"performer": {"best so far": BEST}})
        return cls._told(frame[frame["window"] == window], metric, "ensemble", "the ledger holds")

    @classmethod
    def from_walk_forward(cls, walk: Any, *, rival: str | None = None, metric: str = "loss") -> Self:
        """Count what was judged in a walk forward.

        Parameters
        ----------
        walk : WalkForward
            What `walk_forward` returned. With ``judge_models=True`` its models are there for every metric, without for
            the loss only, and only for the one that serves by default.
        rival : str, default=None
            Which ensemble; the default (``None``) is the first. Plain estimators of the walk forward are shown, too.
        metric : {"loss", "win_rate", "profit_bps", "sharpe"}, default="loss"
            What to tell; all but the loss need sides or classes, the last two returns.

        Returns
        -------
        RegimePerformanceDisplay
            Not drawn yet.

        Raises
        ------
        ValueError
            If the metric is none of these, or was not counted.
        """
        check_choice(metric, "metric", f"{cls.__name__}.from_walk_forward", _METRICS)
        judged = judged_by_walk(walk, rival, cls.__name__)
        names = plain_rivals(walk, judged.who)
        plain = [name for name in walk.estimators if name not in walk.explanations]
        rivals = (judged.who, *plain)
        # A rival may be called as a model of the ensemble.
        called = {name: f"{name} alone" if name in rivals else name for name in names}
        shown_as = {own: called[name] for name, own in names.items() if own in walk.losses}
        shown_as |= {name: name for name in rivals}
        if metric == "loss":
            assert judged.losses is not None
            *models, own, equal, best = judged.losses.columns
            losses = judged.losses.set_axis([*(called[name] for name in models), own, equal, best], axis=1)
            losses = losses.assign(**{name: walk.losses[name].to_numpy() for name in plain})
            return cls._told(_counted(judged, losses), metric, judged.who, "the walk forward has")
        order = [*(names[model] for model in judged.models), judged.who, names[EQUAL], names[BEST], *plain]
        report = walk.report().rename(columns={"rival": "performer"}).set_index("performer", drop=False)
        report = pd.concat([report.loc[[name]] for name in order if name in walk.losses], ignore_index=True)
        report["performer"] = report["performer"].map(shown_as)
        return cls._told(report, metric, judged.who, "the walk forward has")

    @classmethod
    def from_live(cls, live: Any) -> Self:
        """Count the losses of a live process on all that has come true.

        For the other metrics, and with the record from before it went live, ask ``from_estimator(live.ensemble)``.

        Parameters
        ----------
        live : LiveEnsemble
            With at least one prediction.

        Returns
        -------
        RegimePerformanceDisplay
            Not drawn yet.
        """
        judged, _ = judged_by_live(live, cls.__name__)
        assert judged.losses is not None
        return cls._told(_counted(judged, judged.losses), "loss", judged.who, "the journal has")

    @classmethod
    def _told(cls, figures: pd.DataFrame, metric: str, who: str, holder: str) -> Self:
        """Choose the columns of a metric."""
        if metric not in figures:
            beside = "classes, or returns=," if metric == "win_rate" else "returns="
            raise ValueError(f"metric={metric!r} of {cls.__name__} needs {beside} and {holder} none.")
        count, _, _ = _METRICS[metric]
        n = figures["won"] + figures["lost"] if count == "n_sides" else figures[count]
        told = pd.DataFrame({"performer": figures["performer"], "regime": figures["regime"], "n": n})
        if metric == "loss":
            equal = figures[figures["performer"] == EQUAL].set_index("regime")
            reference = figures.get("equal", figures["regime"].map(equal["loss"]))
            same_rows = ("equal" in figures) | ((n / figures["regime"].map(equal["n"]) - 1).abs() <= _OTHER_ROWS)
            told["value"] = 100 * (figures["loss"] / reference.where(same_rows & (reference > 0)) - 1)
        else:
            told["value"] = figures[metric]
        scale = 100.0 if metric == "win_rate" else 1.0
        told["value"] *= scale
        for end in ("low", "high"):
            bound = figures.get(f"{metric}_{end}")
            told[end] = np.nan if bound is None else scale * bound
        return cls(told.reset_index(drop=True), metric=metric, who=who)

    def frame(self) -> pd.DataFrame:
        """List the figures.

        Returns
        -------
        DataFrame
            One row for each performer and regime (last: ``"pooled"``), with ``performer``, ``regime``, ``n``, ``value``
            and its 95 % interval ``low``, ``high``, NaN where it is not known: a loss has one in `WalkForward.report`.
        """
        return self.figures.copy()

    def plot(self, ax: Any = None) -> Self:
        """Draw the table.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to; the default (``None``) is a new figure.

        Returns
        -------
        RegimePerformanceDisplay
            Itself, with ``ax_`` and ``figure_``.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        performers, regimes = (list(dict.fromkeys(self.figures[name])) for name in ("performer", "regime"))
        table = self.figures.set_index(["performer", "regime"])
        n, values = (
            np.array(
                [[table[name].get((who, regime), np.nan) for regime in regimes] for who in performers], dtype=float
            )
            for name in ("n", "value")
        )
        _, label, more_is_better = _METRICS[self.metric]
        size = (width_of_names(performers) + max(1.15 * len(regimes) + 1.2, 5.2), 1.4 + 0.5 * len(performers))
        self.figure_, (self.ax_,) = panels("RegimePerformanceDisplay", ax, size=size)
        mesh = draw_cells(
            self.ax_,
            values,
            [[_cell(value, count) for value, count in zip(*row, strict=True)] for row in zip(values, n, strict=True)],
            rows=[str(who) for who in performers],
            columns=[str(regime) for regime in regimes],
            limits=_limits(values),
            hatched=~(n >= FEW),
            palette="cividis" if more_is_better else "cividis_r",
        )
        bar = show_bar(self.ax_, mesh, label, extend="both")
        if not more_is_better:
            bar.ax.invert_yaxis()
        self.ax_.axvline(len(regimes) - 1, color="black", linewidth=1.2)
        if self.who in performers:
            self.ax_.axhline(performers.index(self.who), color="black", linewidth=1.2)
        self.ax_.set_xlabel("regime")
        few = "; hatched: n below 30" if (~(n >= FEW)).any() else ""
        details = f"{label}, lighter is better; n = {np.nanmax(n[:, -1], initial=0.0):,.0f}{few}"
        show_title(self.ax_, f"Who is good in which regime: {named(self.who)} and its models", details)
        return self


def _counted(judged: Judged, losses: pd.DataFrame) -> pd.DataFrame:
    """Mean losses and n of each performer and regime, and of equal weights on the same rows."""
    weight = judged.sample_weight[:, None]
    shares = np.column_stack([judged.memberships.to_numpy(dtype=float), np.ones(len(weight))]) * weight
    equal = losses[EQUAL].to_numpy(dtype=float)
    regimes = [*judged.memberships.columns, _POOLED]
    parts = []
    for name in losses.columns:
        own = losses[name].to_numpy(dtype=float)
        known = np.isfinite(own) & np.isfinite(equal)
        n = shares[known].sum(axis=0)
        some = np.where(n > 0, n, np.nan)
        mean, theirs = ((shares[known] * values[known, None]).sum(axis=0) / some for values in (own, equal))
        parts.append(pd.DataFrame({"performer": name, "regime": regimes, "n": n, "loss": mean, "equal": theirs}))
    return pd.concat(parts, ignore_index=True)


def _cell(value: float, n: float) -> str:
    count = "n = 0" if not n > 0 else f"n = {n:,.0f}"
    if not np.isfinite(value):
        return count
    return f"{value:+.{1 if abs(value) >= 1 else 2}f}\n{count}" if value else f"0\n{count}"


def _limits(values: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[float, float]:
    """From where to where the colours go: one wild cell must not make all others look alike."""
    known = values[np.isfinite(values)]
    if not len(known):
        return 0.0, 1.0
    low, high = np.quantile(known, [0.05, 0.95])
    return (float(low), float(high)) if high > low else (float(low) - 1.0, float(high) + 1.0)

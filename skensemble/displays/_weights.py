"""How far an ensemble trusted each of its models, over time."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from skensemble._judged import Judged, judged_by_estimator, likeliest
from skensemble.displays._base import JudgedDisplay
from skensemble.displays._style import (
    COLOURS,
    HATCHES,
    axis_of,
    draw_bands,
    height_of_legend,
    lay_time,
    named,
    panels,
    short,
    show_legend,
    show_title,
    span,
    starts_of_stretches,
)

__all__ = ["WeightsDisplay"]

_STRIP = 1.08


class WeightsDisplay(JudgedDisplay):
    """Trust over time: how much of each prediction every model made up, and which regime it was made in.

    Areas one on the other add up to 1; where a model is asleep its area is gone. Regimes are bands behind the areas,
    visible in the strip above them. Of more than 1,000 rows the picture shows the mean weight of each of 1,000
    stretches.

    Parameters
    ----------
    weights : DataFrame of shape (n_rows, n_models)
        Weights in time order; the index is drawn as time where it has times.
    memberships : DataFrame of shape (n_rows, n_regimes)
        Share of each regime in each row; zeros where it is unknown.
    who : str, default="ensemble"
        Whose weights these are, for the title.
    rows : str, default="rows"
        What the rows are, for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.

    See Also
    --------
    RegimePerformanceDisplay : Whether the trust was deserved.

    Examples
    --------
    >>> import numpy as np
    >>> from skensemble import RegimeAwareEnsembleRegressor
    >>> from skensemble.displays import WeightsDisplay
    >>> X = np.arange(60.0).reshape(-1, 1)
    >>> models = ["linear", "extra_trees"]
    >>> ensemble = RegimeAwareEnsembleRegressor(models, combiner="dynamic", random_state=0)
    >>> ensemble = ensemble.fit(X, X[:, 0], regimes=np.repeat(["calm", "wild"], 30))
    >>> display = WeightsDisplay.from_estimator(ensemble)
    >>> display.frame().tail(1).round(2)
        row regime  linear  extra_trees
    49   59   wild     1.0          0.0
    """

    def __init__(
        self, weights: pd.DataFrame, memberships: pd.DataFrame, *, who: str = "ensemble", rows: str = "rows"
    ) -> None:
        self.weights = weights
        self.memberships = memberships
        self.who = who
        self.rows = rows

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any = None, *, regimes: Any = None) -> Self:
        """Take the weights of a fitted ensemble.

        Parameters
        ----------
        estimator : RegimeAwareEnsembleRegressor, RegimeAwareEnsembleClassifier or Pipeline
            Fitted; a Pipeline must end in one.
        X : array-like of shape (n_samples, n_features), default=None
            Rows, in time order, to ask it about as it stands. The default (``None``) are the out-of-fold rows of
            `fit`, with the weights that it would have had then.
        regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row of ``X``; the default (``None``) asks the detector.

        Returns
        -------
        WeightsDisplay
            Not drawn yet.
        """
        return cls._of(judged_by_estimator(estimator, X, None, regimes, cls.__name__))

    @classmethod
    def _of(cls, judged: Judged) -> Self:
        weights = pd.DataFrame(judged.weights, index=judged.index, columns=list(judged.models))
        return cls(weights, judged.memberships, who=judged.who, rows=judged.rows)

    def frame(self) -> pd.DataFrame:
        """List the weights.

        Returns
        -------
        DataFrame
            One row for each row, all of them: ``row`` (its time or label), ``regime`` (the likeliest; ``None`` where it
            is unknown), and one column for each model.
        """
        table = self.weights.reset_index(drop=True)
        table.insert(0, "row", pd.Series(self.weights.index))
        table.insert(1, "regime", pd.Series(likeliest(self.memberships), dtype=object))
        return table

    def plot(self, ax: Any = None) -> Self:
        """Draw the weights.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to; the default (``None``) is a new figure.

        Returns
        -------
        WeightsDisplay
            Itself, with ``ax_`` and ``figure_``.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        height = max(4.2, height_of_legend(self.weights.shape[1], self.memberships.shape[1]))
        self.figure_, (self.ax_,) = panels("WeightsDisplay", ax, size=(9.0, height))
        axis = axis_of(self.weights.index)
        bands = draw_bands(self.ax_, axis, self.memberships)
        areas = self._draw_areas(axis.x)
        self.ax_.set_ylim(0, _STRIP if bands else 1)
        self.ax_.set_yticks(np.linspace(0, 1, 5))
        self.ax_.set_ylabel("weight, adding up to 1")
        lay_time(self.ax_, axis)
        show_title(self.ax_, f"How far {named(self.who)} trusts each model", span(self.weights.index, self.rows))
        show_legend(self.ax_, {"model: mean weight": areas[::-1], "regime (strip above)": bands})
        return self

    def _draw_areas(self, x: Any) -> list[Any]:
        values = self.weights.to_numpy(dtype=float)
        starts = _moments(x)
        if len(starts) > len(starts_of_stretches(len(starts))):
            starts = starts[starts_of_stretches(len(starts))]
        n_rows = np.diff(np.append(starts, len(x)))
        heights = np.add.reduceat(values, starts, axis=0) / n_rows[:, None] if len(x) else values
        at = np.append(x[starts], x[-1:])
        heights = np.concatenate([heights, heights[-1:]])
        areas = self.ax_.stackplot(at, heights.T, step="post", zorder=1, edgecolor="white", linewidth=0.0)
        for place, (area, model) in enumerate(zip(areas, self.weights.columns, strict=True)):
            area.set_facecolor(COLOURS[place % len(COLOURS)])
            # A hatch of its own tells apart even models of one colour.
            area.set_hatch(HATCHES[(place + place // len(COLOURS)) % len(HATCHES)])
            mean = f": {100 * np.nanmean(values[:, place]):.0f} %" if len(x) else ""
            area.set_label(short(model) + mean)
        return list(areas)


def _moments(x: Any) -> Any:
    """Where each moment begins: rows of one time are one moment."""
    return np.flatnonzero(np.append(True, np.diff(x) > 0)) if len(x) else np.zeros(0, dtype=int)

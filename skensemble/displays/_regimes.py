"""A series, and which regime it was in."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from skensemble._checks import shown
from skensemble._judged import explained, judged_by_live, judged_by_walk, likeliest
from skensemble.displays._style import (
    PLAIN,
    axis_of,
    draw_bands,
    height_of_legend,
    lay_time,
    panels,
    short,
    show_legend,
    show_title,
    span,
    thinned,
)
from skensemble.regimes import encode_memberships, regime_names

__all__ = ["RegimesDisplay"]


class RegimesDisplay:
    """A series, such as a price, with its regimes as bands behind it.

    It shows at a glance whether regimes mean anything: whether they last, and whether the series behaves differently
    in them. The legend counts the rows of each regime, and how many stretches they come in.

    Parameters
    ----------
    series : Series of shape (n_rows,)
        Numbers in time order; its name is the label, its index is drawn as time where it has times.
    regimes : array-like of shape (n_rows,) or (n_rows, n_regimes)
        Labels, missing where a regime is unknown, or memberships, one column for each regime, in the order of the rows
        of the series.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.

    Raises
    ------
    ValueError
        If the series is not one of numbers, or has another length than the regimes.

    Examples
    --------
    >>> import pandas as pd
    >>> from skensemble.displays import RegimesDisplay
    >>> price = pd.Series([100.0, 101.0, 90.0], name="price")
    >>> RegimesDisplay(price, ["calm", "calm", "wild"]).frame()
       row  price regime
    0    0  100.0   calm
    1    1  101.0   calm
    2    2   90.0   wild
    """

    def __init__(self, series: Any, regimes: Any) -> None:
        values = series if isinstance(series, pd.Series) else pd.Series(np.asarray(series).ravel(), name="value")
        try:
            values = values.astype(float)
        except (TypeError, ValueError) as error:
            raise ValueError(f"series of {type(self).__name__} must be numbers; got {shown(series)}.") from error
        if len(regimes) != len(values):
            raise ValueError(
                f"series of {type(self).__name__} has {len(values)} rows, but there are {len(regimes)} regimes. Pass "
                f"one number for each row."
            )
        if isinstance(regimes, pd.DataFrame):
            shares = regimes.set_axis(values.index, axis=0).fillna(0.0)
        else:
            names = regime_names(regimes)
            columns = pd.Index(list(names), dtype=object, tupleize_cols=False)
            encoded = encode_memberships(regimes, names, len(values))
            shares = pd.DataFrame(encoded, index=values.index, columns=columns)
        self.series = values.rename("value") if values.name is None else values
        self.memberships = shares

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, *, series: Any, regimes: Any = None) -> Self:
        """Ask a fitted ensemble for the regime of each row.

        Parameters
        ----------
        estimator : RegimeAwareEnsembleRegressor, RegimeAwareEnsembleClassifier or Pipeline
            Fitted; a Pipeline must end in one.
        X : array-like of shape (n_samples, n_features)
            Rows, in time order.
        series : array-like of shape (n_samples,)
            What to draw: one number for each row.
        regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row of ``X``; the default (``None``) asks the detector.

        Returns
        -------
        RegimesDisplay
            Not drawn yet.
        """
        said = explained(estimator, X, regimes, cls.__name__)
        columns = pd.Index(list(said.regimes), dtype=object, tupleize_cols=False)
        return cls._of(series, pd.DataFrame(said.memberships, index=said.index, columns=columns))

    @classmethod
    def from_walk_forward(cls, walk: Any, *, series: Any = None) -> Self:
        """Take the regimes of the judged rows, as they were known at each.

        Parameters
        ----------
        walk : WalkForward
            What `walk_forward` returned.
        series : array-like of shape (n_judged,), or Series that holds them by label, default=None
            What to draw. The default (``None``) is what came true, by number.

        Returns
        -------
        RegimesDisplay
            Not drawn yet.

        Raises
        ------
        ValueError
            If the series has no number for a judged row, or there are only classes to be drawn.
        """
        judged = judged_by_walk(walk, None, cls.__name__)
        given = walk.outcome if series is None else series
        if isinstance(series, pd.Series) and len(series) != len(walk) and series.index.is_unique:
            given = series.reindex(walk.predictions.index)
        return cls._of(given, judged.memberships)

    @classmethod
    def from_live(cls, live: Any, *, series: Any = None) -> Self:
        """Take the regimes of the predictions of a live process, by their times.

        Parameters
        ----------
        live : LiveEnsemble
            With at least one prediction.
        series : array-like of shape (n_predictions,), default=None
            What to draw, in the order of the times. The default (``None``) is what came true, by number.

        Returns
        -------
        RegimesDisplay
            Not drawn yet.
        """
        judged, frame = judged_by_live(live, cls.__name__)
        given = frame["y"].rename("outcome") if series is None else series
        return cls._of(given, judged.memberships)

    @classmethod
    def _of(cls, series: Any, memberships: pd.DataFrame) -> Self:
        if not memberships.shape[1]:
            raise ValueError(f"{cls.__name__} needs regimes, and here there are none: pass regimes, or a detector.")
        values = series if isinstance(series, pd.Series) else pd.Series(np.asarray(series).ravel(), name="value")
        same = len(values) == len(memberships)
        return cls(values.set_axis(memberships.index) if same else values, memberships)

    def frame(self) -> pd.DataFrame:
        """List the series and its regimes.

        Returns
        -------
        DataFrame
            One row for each row: ``row`` (its time or label), the series by its name, and ``regime`` (the likeliest;
            ``None`` where it is unknown).
        """
        return pd.DataFrame(
            {
                "row": pd.Series(self.series.index),
                self.series.name: self.series.to_numpy(),
                "regime": pd.Series(likeliest(self.memberships), dtype=object),
            }
        )

    def plot(self, ax: Any = None) -> Self:
        """Draw the series over its regimes.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to; the default (``None``) is a new figure.

        Returns
        -------
        RegimesDisplay
            Itself, with ``ax_`` and ``figure_``.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.figure_, (self.ax_,) = panels(
            "RegimesDisplay", ax, size=(9.0, max(4.2, height_of_legend(self.memberships.shape[1])))
        )
        axis = axis_of(self.series.index)
        bands = draw_bands(self.ax_, axis, self.memberships)
        values = np.asarray(self.series, dtype=np.float64)
        kept = thinned(values)
        self.ax_.plot(axis.x[kept], values[kept], color="black", linewidth=1.0)
        self.ax_.set_ylabel(str(self.series.name), **PLAIN)
        lay_time(self.ax_, axis)
        regime = pd.Series(likeliest(self.memberships), dtype=object).fillna("unknown").astype(str)
        n_rows = regime.value_counts()
        n_stretches = regime[regime != regime.shift()].value_counts()
        for band in bands:
            name = band.get_label()
            band.set_label(f"{short(name)}: n = {n_rows.get(name, 0):,} in {n_stretches.get(name, 0):,}")
        show_title(self.ax_, f"{self.series.name} and its regimes", span(self.series.index))
        show_legend(self.ax_, {"regime: rows in stretches": bands})
        return self

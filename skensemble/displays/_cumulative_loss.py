"""What an ensemble has gained on its plain rivals, over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd

from skensemble._checks import shown
from skensemble._judged import (
    BEST,
    EQUAL,
    Judged,
    judged_by_estimator,
    judged_by_live,
    judged_by_walk,
    plain_rivals,
    with_mean_one,
)
from skensemble.displays._style import (
    LINE_COLOURS,
    LINES,
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
    thinned,
)
from skensemble.performance import moment_profits

__all__ = ["CumulativeLossDisplay"]


class CumulativeLossDisplay:
    r"""Loss so far less that of a rival, and, where there are returns, profit so far and how far it fell.

    The line of a rival r is the regret of the ensemble against it,

    .. math:: R_t = \sum_{s \le t} w_s (\ell_s - \ell_{r,s}),

    drawn in % of the rival's loss over all rows: below zero is gained, and where the line falls, the ensemble was the
    better of the two just then. The rivals are those that anybody could have had: equal weights, and the single model
    with the least loss of the outcomes known before each row. A row on which either said nothing, or whose outcome is
    not known, or of weight 0, changes nothing. With profits there are two more panels: profit so far, in % of a stake
    that is the same for every trade (where rows have weights, in proportion to these), and its distance below its
    highest point until then.

    Parameters
    ----------
    losses : DataFrame of shape (n_rows, 1 + n_rivals)
        Loss of the ensemble, then of each rival, in time order.
    memberships : DataFrame of shape (n_rows, n_regimes)
        Share of each regime in each row; zeros where it is unknown.
    profits_bps : DataFrame of shape (n_rows, n_performers), default=None
        Profit of each row in basis points, NaN without a trade; rows of one time are one trade, their mean.
    sample_weight : ndarray of shape (n_rows,), default=None
        How much each row counts, in losses and profits; 1 if None. Of weights only the ratios matter, but for the
        regrets in units of the loss.
    loss : str, default="loss"
        What the losses are, for the label.
    rows : str, default="rows"
        What the rows are, for the title.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        One, or three with profits.
    figure_ : matplotlib Figure
        The figure around them.

    See Also
    --------
    RegimePerformanceDisplay : The same by model and regime, without time.

    Examples
    --------
    >>> import pandas as pd
    >>> from skensemble.displays import CumulativeLossDisplay
    >>> losses = pd.DataFrame({"ours": [1.0, 1.0, 1.0], "equal weights": [1.0, 3.0, 0.0]})
    >>> CumulativeLossDisplay(losses, pd.DataFrame({"calm": [1.0, 1.0, 1.0]})).frame()
       row         rival  regret  regret_pct
    0    0  equal weights     0.0         0.0
    1    1  equal weights    -2.0       -50.0
    2    2  equal weights    -1.0       -25.0
    """

    def __init__(
        self,
        losses: pd.DataFrame,
        memberships: pd.DataFrame,
        *,
        profits_bps: pd.DataFrame | None = None,
        sample_weight: Any = None,
        loss: str = "loss",
        rows: str = "rows",
    ) -> None:
        self.losses = losses
        self.memberships = memberships
        self.profits_bps = profits_bps
        self.sample_weight = sample_weight
        self.loss = loss
        self.rows = rows

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any = None, y: Any = None, *, regimes: Any = None) -> Self:
        """Compare a fitted ensemble with its plain rivals.

        Parameters
        ----------
        estimator : RegimeAwareEnsembleRegressor, RegimeAwareEnsembleClassifier or Pipeline
            Fitted; a Pipeline must end in one.
        X : array-like of shape (n_samples, n_features), default=None
            Rows that it has not seen, in time order. The default (``None``) are the out-of-fold rows of `fit`, and
            what it would have said of them then.
        y : array-like of shape (n_samples,), default=None
            What came true on them.
        regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row of ``X``; the default (``None``) asks the detector.

        Returns
        -------
        CumulativeLossDisplay
            Not drawn yet.

        Raises
        ------
        ValueError
            If ``X`` is given without ``y``.
        """
        if X is not None and y is None:
            raise ValueError(f"{cls.__name__}.from_estimator needs the outcomes of X: pass y, too.")
        return cls._of(judged_by_estimator(estimator, X, y, regimes, cls.__name__), None, (BEST, EQUAL))

    @classmethod
    def from_walk_forward(cls, walk: Any, *, rival: str | None = None, against: Sequence[str] | None = None) -> Self:
        """Compare an ensemble with others on every judged row.

        Parameters
        ----------
        walk : WalkForward
            What `walk_forward` returned.
        rival : str, default=None
            Which ensemble; the default (``None``) is the first.
        against : sequence of str, default=None
            Rivals of the walk forward to compare it with. The default (``None``) are the plain rivals of this ensemble,
            ``"best single"`` and ``"equal weights"``.

        Returns
        -------
        CumulativeLossDisplay
            Not drawn yet.

        Raises
        ------
        ValueError
            If a name is not that of a rival.
        """
        judged = judged_by_walk(walk, rival, cls.__name__)
        called = plain_rivals(walk, judged.who)
        others = (BEST, EQUAL) if against is None else tuple(against)
        own = {name: called[name] if name in (BEST, EQUAL) else name for name in others}
        if isinstance(against, str) or any(name not in walk.losses for name in own.values()):
            raise ValueError(
                f"against of {cls.__name__}.from_walk_forward must list rivals among {shown(list(walk.rivals))}; got "
                f"{shown(against)}."
            )
        losses = walk.losses[[judged.who, *own.values()]].set_axis([judged.who, *own], axis=1)
        profits = None
        if walk.profits_bps is not None:
            profits = walk.profits_bps[[judged.who, *own.values()]].set_axis([judged.who, *own], axis=1)
            profits = profits.set_axis(judged.index, axis=0)
        return cls(
            losses.set_axis(judged.index, axis=0),
            judged.memberships,
            profits_bps=profits,
            sample_weight=judged.sample_weight,
            loss=judged.loss,
        )

    @classmethod
    def from_live(cls, live: Any) -> Self:
        """Compare a live ensemble with its plain rivals on what has come true.

        Parameters
        ----------
        live : LiveEnsemble
            With at least one prediction; its profits are those that `LiveEnsemble.feedback` was told.

        Returns
        -------
        CumulativeLossDisplay
            Not drawn yet.
        """
        judged, frame = judged_by_live(live, cls.__name__)
        profits = None
        if frame["profit_bps"].notna().any():
            profits = pd.DataFrame({judged.who: frame["profit_bps"].to_numpy()}, index=judged.index)
        return cls._of(judged, profits, (BEST, EQUAL))

    @classmethod
    def _of(cls, judged: Judged, profits: pd.DataFrame | None, others: Sequence[str]) -> Self:
        assert judged.losses is not None
        return cls(
            judged.losses[[judged.who, *others]],
            judged.memberships,
            profits_bps=profits,
            sample_weight=judged.sample_weight,
            loss=judged.loss,
            rows=judged.rows,
        )

    @property
    def who(self) -> str:
        """Name of the ensemble.

        Returns
        -------
        str
            The first column of the losses.
        """
        return str(self.losses.columns[0])

    def frame(self) -> pd.DataFrame:
        """List the regrets.

        Returns
        -------
        DataFrame
            One row for each row and rival: ``row`` (its time or label), ``rival``, ``regret`` until then in units of
            the loss, and ``regret_pct``, the same in % of the rival's loss over all rows (NaN where that is not above
            0).
        """
        regret, relative = self._regrets()
        rows = pd.Series(self.losses.index)
        parts = [
            pd.DataFrame({"row": rows, "rival": name, "regret": regret[name], "regret_pct": relative[name]})
            for name in self.losses.columns[1:]
        ]
        return pd.concat(parts, ignore_index=True)

    def equity(self) -> pd.DataFrame:
        """List profit so far, and how far below its highest point it is.

        Returns
        -------
        DataFrame
            One row for each moment and performer: ``row`` (its time or label), ``performer``, ``profit_bps`` until
            then and ``drawdown_bps``, 0 or below; empty without profits.
        """
        earned = self._earned()
        if earned is None:
            return pd.DataFrame(columns=["row", "performer", "profit_bps", "drawdown_bps"])
        fallen = _drawdown(earned)
        parts = [
            pd.DataFrame(
                {
                    "row": pd.Series(earned.index),
                    "performer": name,
                    "profit_bps": earned[name].to_numpy(),
                    "drawdown_bps": fallen[name].to_numpy(),
                }
            )
            for name in earned.columns
        ]
        return pd.concat(parts, ignore_index=True)

    def _regrets(self) -> tuple[dict[str, Any], dict[str, Any]]:
        values = self.losses.to_numpy(dtype=float)
        weight = self._weight()
        regret, relative = {}, {}
        for name, of_rival in zip(self.losses.columns[1:], values.T[1:], strict=True):
            both = np.isfinite(values[:, 0]) & np.isfinite(of_rival)
            ours, theirs = (weight * np.where(both, part, 0.0) for part in (values[:, 0], of_rival))
            total = theirs.sum()
            regret[str(name)] = np.cumsum(ours - theirs)
            relative[str(name)] = 100 * regret[str(name)] / (total if total > 0 else np.nan)
        return regret, relative

    def _earned(self) -> pd.DataFrame | None:
        """Profit so far, in basis points of one stake."""
        if self.profits_bps is None:
            return None
        place, moments = self.profits_bps.index.factorize(use_na_sentinel=False)
        profits, weight = moment_profits(self.profits_bps.to_numpy(dtype=float), with_mean_one(self._weight()), place)
        earned = np.cumsum(np.nan_to_num(profits) * weight[:, None], axis=0)
        return pd.DataFrame(earned, index=moments, columns=self.profits_bps.columns)

    def _weight(self) -> Any:
        return np.ones(len(self.losses)) if self.sample_weight is None else np.asarray(self.sample_weight, dtype=float)

    def plot(self, ax: Any = None) -> Self:
        """Draw the regrets, and with profits the equity curve and the drawdown below.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to; the default (``None``) is a new figure. Three panels share its place.

        Returns
        -------
        CumulativeLossDisplay
            Itself, with ``axes_`` and ``figure_``.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        earned = self._earned()
        heights = (2.0,) if earned is None else (2.0, 2.0, 1.0)
        height = max(4.2, height_of_legend(self.losses.shape[1] - 1, self.memberships.shape[1]))
        size = (9.0, height if earned is None else 1.9 * height)
        self.figure_, self.axes_ = panels("CumulativeLossDisplay", ax, heights, size=size)
        self._draw_regrets(self.axes_[0])
        show_title(self.axes_[0], self._subject(), span(self.losses.index, self.rows))
        if earned is not None:
            self._draw_equity(self.axes_[1], self.axes_[2], earned)
        return self

    def _subject(self) -> str:
        return f"What {named(self.who)} has lost or gained on its rivals"

    def _draw_regrets(self, axes: Any) -> None:
        axis = axis_of(self.losses.index)
        bands = draw_bands(axes, axis, self.memberships)
        regret, relative = self._regrets()
        in_percent = all(np.isfinite(values).all() for values in relative.values())
        drawn = relative if in_percent else regret
        handles = []
        for place, (name, values) in enumerate(drawn.items()):
            end = f"{values[-1]:+.1f} %" if in_percent else f"{values[-1]:+.3g}"
            label = f"{short(name)}: {end}" if len(values) else short(name)
            handles += _line(axes, axis.x, values, place + 1, label)
        axes.axhline(0, color="black", linewidth=0.8, zorder=1.5)
        unit = "% of its whole loss" if in_percent else self.loss
        axes.set_ylabel(f"loss less the rival's\n({unit})")
        lay_time(axes, axis, labelled=len(self.axes_) == 1)
        show_legend(axes, {"rival (below 0: gained on it)": handles, "regime": bands})

    def _draw_equity(self, above: Any, below: Any, earned: pd.DataFrame) -> None:
        axis = axis_of(earned.index)
        fallen = _drawdown(earned)
        handles = []
        for place, name in enumerate(earned.columns):
            values, falls = earned[name].to_numpy() / 100, fallen[name].to_numpy() / 100
            label = f"{short(name)}: {values[-1]:+.1f} %, fell {-falls.min():.1f} %" if len(values) else short(name)
            handles += _line(above, axis.x, values, place, label)
            _line(below, axis.x, falls, place, str(name))
        memberships = self.memberships.groupby(level=0, sort=False).mean() if len(earned) < len(self.losses) else None
        for axes in (above, below):
            draw_bands(axes, axis, self.memberships if memberships is None else memberships)
            axes.axhline(0, color="black", linewidth=0.8, zorder=1.5)
            lay_time(axes, axis, labelled=axes is below)
        above.set_ylabel("profit so far\n(% of stake)")
        below.set_ylabel("drawdown\n(% of stake)")
        show_title(above, f"Profit of {named(self.who)} and its rivals", span(earned.index))
        show_legend(above, {"whose: at the end, deepest fall": handles})


def _drawdown(earned: pd.DataFrame) -> pd.DataFrame:
    return earned - np.maximum(earned.cummax(), 0.0)


def _line(axes: Any, x: Any, values: Any, place: int, label: str) -> list[Any]:
    kept = thinned(values)
    style = {"color": "black" if place == 0 else LINE_COLOURS[(place - 1) % len(LINE_COLOURS)], "linewidth": 1.6}
    return list(axes.plot(x[kept], values[kept], linestyle=LINES[place % len(LINES)], label=label, **style))

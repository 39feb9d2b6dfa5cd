"""Whether an ensemble was as sure as it should have been."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skensemble._judged import Judged, ensemble_of
from skensemble.displays._base import JudgedDisplay
from skensemble.displays._style import (
    COLOURS,
    FEW,
    named,
    panels,
    scale_of,
    short,
    show_legend,
    show_title,
    width_of_text,
)
from skensemble.performance import rate_interval, wilson_interval

__all__ = ["ReliabilityDisplay"]

Array = NDArray[np.float64]

_POOLED = "pooled"
_N_BINS = 20
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_COLUMNS = ["kind", "regime", "stated", "n", "realised", "low", "high"]


class ReliabilityDisplay(JudgedDisplay):
    """What was stated against what came true: confidence at the left, intervals (or sets) at the right.

    Of predictions with a confidence of 0.7 seven in ten should be right, and of intervals at 90 % nine in ten should
    hold the outcome: then points lie on the diagonal. Confidence is told by twentieths of what was stated, which make
    points at its mean; whiskers are 95 % intervals, of as many rows as are independent: rows of one timestamp count for
    less the more they share their fate (`skensemble.performance.rate_interval`). Points of fewer than 30 rows are
    hollow, and those of single regimes go without whiskers, which would hide the rest. All regimes together are the
    black line with its n; each regime has a marker of its own beside it.

    Parameters
    ----------
    figures : DataFrame
        ``kind`` (``"confidence"`` or ``"coverage"``), ``regime`` (one of them ``"pooled"``), ``stated``, ``n``,
        ``realised`` and its interval ``low``, ``high``.
    who : str, default="ensemble"
        Name of the ensemble, for the title.
    bounds : {"intervals", "sets"}, default="intervals"
        What should hold outcomes: intervals of numbers or sets of classes.

    Attributes
    ----------
    axes_ : list of matplotlib Axes
        For confidence, and for coverage.
    figure_ : matplotlib Figure
        The figure around them.

    Examples
    --------
    >>> import numpy as np
    >>> from skensemble import RegimeAwareEnsembleRegressor
    >>> from skensemble.displays import ReliabilityDisplay
    >>> X, y = np.zeros((200, 1)), np.sin(np.arange(200.0))
    >>> ensemble = RegimeAwareEnsembleRegressor(["linear"]).fit(X, y)
    >>> frame = ReliabilityDisplay.from_estimator(ensemble).frame()
    >>> frame[frame["kind"] == "coverage"].iloc[:, :5].round(2)
           kind  regime  stated      n  realised
    2  coverage  pooled    0.50  164.0      0.49
    3  coverage  pooled    0.80  164.0      0.81
    4  coverage  pooled    0.90  164.0      0.93
    5  coverage  pooled    0.95  164.0      0.98
    """

    def __init__(self, figures: pd.DataFrame, *, who: str = "ensemble", bounds: str = "intervals") -> None:
        self.figures = figures
        self.who = who
        self.bounds = bounds

    @classmethod
    def from_estimator(cls, estimator: Any) -> Self:
        """Read the record of a fitted ensemble: its out-of-fold rows, and all that it has been told since.

        The record keeps no times: in whiskers, rows of one timestamp count as rows of their own.

        Parameters
        ----------
        estimator : RegimeAwareEnsembleRegressor, RegimeAwareEnsembleClassifier or Pipeline
            Fitted; a Pipeline must end in one.

        Returns
        -------
        ReliabilityDisplay
            Not drawn yet.
        """
        ensemble: Any = ensemble_of(estimator, cls.__name__)[0]
        of_classes = hasattr(ensemble, "classes_")
        bounds = ensemble.sets_ if of_classes else ensemble.intervals_
        said = ensemble.confidence_.reliability(ensemble.regimes_).rename_axis(["regime", "bin"]).reset_index()
        said = said[said["bin"] != "all"].rename(columns={"right": "realised"}).assign(kind="confidence")
        held = bounds.coverage_frame(ensemble.regimes_).reset_index().rename(columns={"coverage": "stated"})
        figures = pd.concat([said[_COLUMNS], held.assign(kind="coverage")[_COLUMNS]], ignore_index=True)
        independent = figures["n"] / ensemble.ledger_.overlap
        figures["low"], figures["high"] = wilson_interval(figures["realised"] * independent, independent)
        return cls(figures, bounds="sets" if of_classes else "intervals")

    @classmethod
    def _of(cls, judged: Judged) -> Self:
        said, targets = judged.explanation, judged.targets
        assert said is not None
        assert targets is not None
        came = np.isfinite(targets).all(axis=1)
        weight = np.where(came, judged.sample_weight, 0.0)
        names = [*judged.memberships.columns, _POOLED]
        shares = np.column_stack([judged.memberships.to_numpy(dtype=float), np.ones(len(weight))]) * weight[:, None]
        right = _right(judged.combined, targets)
        place = np.minimum((said.confidence * _N_BINS).astype(np.intp), _N_BINS - 1)

        def told(kind: str, rows: NDArray[np.bool_], came_true: Array, stated: Array) -> pd.DataFrame:
            return _told(kind, names, shares[rows], came_true[rows], stated[rows], judged.moments[rows], judged.overlap)

        parts = [told("confidence", place == own, right, said.confidence) for own in range(_N_BINS)]
        for number, coverage in enumerate(said.coverages):
            if said.classes is None:
                low, high = said.interval(coverage).T
                held = ((low <= targets[:, 0]) & (targets[:, 0] <= high)).astype(float)
            else:
                held = (said.possible(coverage) & (targets == 1.0)).any(axis=1).astype(float)
            stated = np.isfinite(said.limits[:, :, number]).all(axis=1)
            parts.append(told("coverage", stated, held, said.confidence).assign(stated=coverage))
        figures = pd.concat(parts, ignore_index=True)
        order = pd.Categorical(figures["regime"], names)
        figures = figures.assign(order=order.codes).sort_values(["kind", "order"], kind="stable")
        figures = figures[(figures["n"] > 0) | (figures["kind"] == "coverage")]
        return cls(
            figures[_COLUMNS].reset_index(drop=True),
            who=judged.who,
            bounds="intervals" if said.classes is None else "sets",
        )

    def frame(self) -> pd.DataFrame:
        """List the points.

        Returns
        -------
        DataFrame
            One row for each point: ``kind``, ``regime`` (last: ``"pooled"``), what was ``stated``, ``n`` (rows, by
            membership), ``realised`` (the share that came true) and its 95 % interval ``low``, ``high``.
        """
        return self.figures.copy()

    def plot(self, ax: Any = None) -> Self:
        """Draw both panels.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to; the default (``None``) is a new figure. Both panels share its place.

        Returns
        -------
        ReliabilityDisplay
            Itself, with ``axes_`` and ``figure_``.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        self.figure_, self.axes_ = panels("ReliabilityDisplay", ax, (1.0, 1.0), size=(10.5, 4.6), across=True)
        sure, held = self.axes_
        handles = self._draw(sure, "confidence")
        self._draw(held, "coverage")
        sure.set(xlabel="stated confidence", ylabel="share that was right")
        held.set(xlabel=f"stated coverage of {self.bounds}", ylabel="share that held the outcome")
        show_title(sure, f"How sure {named(self.who)} was, and how right", self._details("confidence"))
        show_title(held, f"What its {self.bounds} held", self._details("coverage"))
        show_legend(held, {"95 % whiskers;\nhollow: n below 30": handles})
        return self

    def _details(self, kind: str) -> str:
        own = self.figures[(self.figures["kind"] == kind) & (self.figures["regime"] == _POOLED)]
        n = own["n"].sum() if kind == "confidence" else own["n"].max()
        return f"n = {0 if np.isnan(n) else n:,.0f} rows"

    def _draw(self, axes: Any, kind: str) -> list[Any]:
        figures = self.figures[(self.figures["kind"] == kind) & (self.figures["n"] > 0)]
        regimes = [name for name in dict.fromkeys(self.figures["regime"]) if name != _POOLED]
        regimes = regimes if len(regimes) > 1 else []
        axes.plot([0, 1], [0, 1], color="#777777", linewidth=0.8, linestyle=":", zorder=0.5)
        left, right = _ends(figures["stated"])
        whiskers = figures[(figures["n"] >= FEW) | (figures["regime"] == _POOLED)]
        bottom, top = _ends(np.append(whiskers[["low", "high"]], figures["realised"]))
        handles = []
        for place, regime in enumerate([*regimes, _POOLED]):
            own = figures[figures["regime"] == regime]
            pooled = regime == _POOLED
            # Beside each other, so that whiskers do not hide each other.
            shift = 0.0 if pooled else (place - len(regimes) / 2 + (place >= len(regimes) / 2)) * 0.015 * (right - left)
            look: dict[str, Any] = {"color": COLOURS[place % len(COLOURS)], "marker": _MARKERS[place % len(_MARKERS)]}
            look = {"color": "black", "marker": "o"} if pooled else look
            handles.append(_draw_points(axes, own, shift, short(regime), look, joined=pooled))
        size = 7 * scale_of(axes)
        inch = (right - left) / (axes.bbox.width / axes.figure.dpi)
        free = left + inch * width_of_text(" n:", size)
        axes.text(0.0, 0.0, " n:", transform=axes.transAxes, fontsize=size, va="bottom")
        for point in figures[figures["regime"] == _POOLED].sort_values("stated").itertuples():
            text = f"{point.n:,.0f}"
            half = inch * width_of_text(text, size) / 2
            # Where counts stand too close, the first of them is told.
            if point.stated - half >= free:
                style: dict[str, Any] = {"xytext": (0, 3), "textcoords": "offset points", "ha": "center"}
                axes.annotate(text, (point.stated, bottom), fontsize=size, **style)
                free = point.stated + half
        axes.set_xlim(left, right)
        axes.set_ylim(bottom, top)
        return handles


def _ends(values: Any) -> tuple[float, float]:
    """From where to where an axis goes."""
    known = np.asarray(values, dtype=float)
    known = known[np.isfinite(known)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 1.0)
    room = max(0.08 * (high - low), 0.03)
    return float(low - room), float(high + room)


def _right(combined: Array, targets: Array) -> Array:
    """1 where the side or class came true, 0 where it did not, NaN where there was no side."""
    if targets.shape[1] > 1:
        return (combined.argmax(axis=1) == targets.argmax(axis=1)).astype(float)
    said, came = np.sign(combined[:, 0]), np.sign(targets[:, 0])
    return np.where((said == 0) | (came == 0) | np.isnan(said * came), np.nan, said == came)


def _told(
    kind: str,
    names: Sequence[Any],
    shares: Array,
    came_true: Array,
    stated: Array,
    moments: NDArray[np.intp],
    overlap: float,
) -> pd.DataFrame:
    """One point for each regime and all together."""
    known = np.isfinite(came_true)
    own, hits = shares[known], came_true[known]
    n = own.sum(axis=0)
    some = np.where(n > 0, n, np.nan)
    bounds = [rate_interval(hits, share, moments[known], overlap=overlap) for share in own.T]
    return pd.DataFrame(
        {
            "kind": kind,
            "regime": pd.Series(list(names), dtype=object),
            "stated": stated[known] @ own / some,
            "n": n,
            "realised": hits @ own / some,
            "low": [low for low, _ in bounds],
            "high": [high for _, high in bounds],
        }
    )


def _draw_points(axes: Any, own: pd.DataFrame, shift: float, label: str, look: dict[str, Any], *, joined: bool) -> Any:
    from matplotlib.lines import Line2D  # noqa: PLC0415 - an extra

    x, y, low, high, n = (own[name].to_numpy(dtype=float) for name in ("stated", "realised", "low", "high", "n"))
    colour = look["color"]
    sure = joined | (n >= FEW)
    axes.vlines((x + shift)[sure], low[sure], high[sure], color=colour, linewidth=1.0, zorder=1.5 if joined else 1.2)
    if joined:
        axes.plot(x, y, color=colour, linewidth=1.2, zorder=1.6)
    for few in (False, True):
        some = (n < FEW) == few
        face = "white" if few else colour
        axes.plot(x[some] + shift, y[some], linestyle="none", ms=5, mfc=face, mec=colour, zorder=2, **look)
    return Line2D([], [], label=label, linestyle="-" if joined else "none", linewidth=1.2, ms=5, **look)

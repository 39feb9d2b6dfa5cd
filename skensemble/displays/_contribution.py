"""One prediction taken apart."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd

from skensemble._checks import check_number, shown
from skensemble._judged import explained, judged_by_live, judged_by_walk
from skensemble.displays._style import COLOURS, PLAIN, named, panels, scale_of, short, show_legend, show_title
from skensemble.explanation import Explanation

__all__ = ["ContributionDisplay"]

_UP, _DOWN = COLOURS[0], COLOURS[1]


class ContributionDisplay:
    """One prediction taken apart: what each model moved it by, from the baseline to the total.

    Each bar begins where the one above it ended, so that the last ends at the prediction; beside it stands what the
    model said and how far it was trusted. Numbers show the interval around the total, where one has been learned, and
    a cross marks what came true, where that is known. Of classes the probability of one of them is taken apart.

    Parameters
    ----------
    explanation : Explanation
        Of one prediction.
    outcome : object, default=None
        What came true; ``None`` where that is not known.
    label : object, default=None
        Class whose probability is taken apart; the default (``None``) is the predicted one.
    coverage : float, default=0.9
        How often the interval should hold the outcome; one of those of the explanation.
    who : str, default="ensemble"
        Whose prediction it is, for the title.
    when : object, default=None
        What the row is called in the title; the default (``None``) is its label in the explanation.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.

    See Also
    --------
    WeightsDisplay : The weights of many predictions.

    Examples
    --------
    >>> import numpy as np
    >>> from skensemble import RegimeAwareEnsembleRegressor
    >>> from skensemble.displays import ContributionDisplay
    >>> from sklearn.dummy import DummyRegressor
    >>> models = [(f"always {c}", DummyRegressor(strategy="constant", constant=c)) for c in (1, 3)]
    >>> X, y = np.zeros((20, 1)), np.full(20, 2.0)
    >>> ensemble = RegimeAwareEnsembleRegressor(models).fit(X, y)
    >>> ContributionDisplay.from_estimator(ensemble, X[:1]).frame()
           part  said  weight  contribution  until
    0  baseline   NaN     NaN           0.0    0.0
    1  always 3   3.0     0.5           1.5    1.5
    2  always 1   1.0     0.5           0.5    2.0
    3     total   NaN     NaN           2.0    2.0
    """

    def __init__(
        self,
        explanation: Explanation,
        *,
        outcome: Any = None,
        label: Any = None,
        coverage: float = 0.9,
        who: str = "ensemble",
        when: Any = None,
    ) -> None:
        self.explanation = explanation
        self.outcome = outcome
        self.label = label
        self.coverage = coverage
        self.who = who
        self.when = when

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        X: Any,
        *,
        row: int = 0,
        regimes: Any = None,
        label: Any = None,
        coverage: float = 0.9,
    ) -> Self:
        """Take apart what a fitted ensemble says of a row.

        Parameters
        ----------
        estimator : RegimeAwareEnsembleRegressor, RegimeAwareEnsembleClassifier or Pipeline
            Fitted; a Pipeline must end in one.
        X : array-like of shape (n_samples, n_features)
            Rows.
        row : int, default=0
            Which of them, by position; -1 is the last.
        regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row of ``X``; the default (``None``) asks the detector.
        label : object, default=None
            Class whose probability is taken apart; the default (``None``) is the predicted one.
        coverage : float, default=0.9
            How often the interval should hold the outcome; one of the ``coverages`` of the ensemble.

        Returns
        -------
        ContributionDisplay
            Not drawn yet.
        """
        said = explained(estimator, X, regimes, cls.__name__)
        one = said[_checked_row(row, len(said), f"{cls.__name__}.from_estimator")]
        return cls._checked(one, None, label, coverage, "ensemble", one.index[0])

    @classmethod
    def from_walk_forward(
        cls, walk: Any, *, rival: str | None = None, row: int = -1, label: Any = None, coverage: float = 0.9
    ) -> Self:
        """Take apart what an ensemble said of a judged row, and show what came true.

        Parameters
        ----------
        walk : WalkForward
            What `walk_forward` returned.
        rival : str, default=None
            Which ensemble; the default (``None``) is the first.
        row : int, default=-1
            Which judged row, by position; the default is the last.
        label : object, default=None
            Class whose probability is taken apart; the default (``None``) is the predicted one.
        coverage : float, default=0.9
            How often the interval should hold the outcome; one of the ``coverages`` of the ensemble.

        Returns
        -------
        ContributionDisplay
            Not drawn yet.
        """
        judged = judged_by_walk(walk, rival, cls.__name__)
        place = _checked_row(row, len(judged.index), f"{cls.__name__}.from_walk_forward")
        assert judged.explanation is not None
        one = judged.explanation[place]
        return cls._checked(one, walk.outcome.iloc[place], label, coverage, judged.who, judged.index[place])

    @classmethod
    def from_live(cls, live: Any, *, id: Any = None, label: Any = None, coverage: float = 0.9) -> Self:  # noqa: A002
        """Take apart a prediction of a live process.

        Parameters
        ----------
        live : LiveEnsemble
            With at least one prediction.
        id : str, default=None
            Which prediction; the default (``None``) is the one of the latest time.
        label : object, default=None
            Class whose probability is taken apart; the default (``None``) is the predicted one.
        coverage : float, default=0.9
            How often the interval should hold the outcome; one of the ``coverages`` of the ensemble.

        Returns
        -------
        ContributionDisplay
            Not drawn yet.

        Raises
        ------
        ValueError
            If the journal knows no such prediction.
        """
        judged, frame = judged_by_live(live, cls.__name__)
        places = [len(frame) - 1] if id is None else np.flatnonzero(frame["id"] == str(id)).tolist()
        if not places:
            raise ValueError(f"id of {cls.__name__}.from_live must be that of a prediction; the journal has no {id!r}.")
        assert judged.explanation is not None
        one, outcome = judged.explanation[places[0]], frame["y"].iloc[places[0]]
        came = None if pd.isna(outcome) else outcome
        return cls._checked(one, came, label, coverage, judged.who, judged.index[places[0]])

    @classmethod
    def _checked(cls, one: Explanation, outcome: Any, label: Any, coverage: float, who: str, when: Any) -> Self:
        """Refuse classes and coverages that nothing is known of before anything is drawn."""
        display = cls(one, outcome=outcome, label=label, coverage=coverage, who=who, when=when)
        display.frame()
        display.interval()
        return display

    def _place(self) -> int:
        """Which output is taken apart."""
        said = self.explanation
        if said.classes is None:
            if self.label is not None:
                raise ValueError(f"label of {type(self).__name__} is for classes; these are numbers.")
            return 0
        if self.label is None:
            return int(said.combined[0].argmax())
        if self.label not in said.classes:
            raise ValueError(
                f"label of {type(self).__name__} must be one of the classes {shown(list(said.classes))}; got "
                f"{shown(self.label)}."
            )
        return said.classes.index(self.label)

    def frame(self) -> pd.DataFrame:
        """List the parts.

        Returns
        -------
        DataFrame
            ``part`` (the baseline, the models from the largest contribution down, the total), what each model ``said``,
            its ``weight`` and ``contribution``, and where the sum stands ``until`` there, this part included.
        """
        said, at = self.explanation, self._place()
        moved = said.contributions[0, :, at]
        order = np.argsort(-np.abs(moved), kind="stable")
        baseline, total = said.baseline[0, at], said.combined[0, at]
        nothing = [float("nan")]
        return pd.DataFrame(
            {
                "part": ["baseline", *(said.models[k] for k in order), "total"],
                "said": [*nothing, *said.member_predictions[0, order, at], *nothing],
                "weight": [*nothing, *said.weights[0, order], *nothing],
                "contribution": [baseline, *moved[order], total],
                "until": [*np.cumsum([baseline, *moved[order]]), total],
            }
        )

    def interval(self) -> tuple[float, float] | None:
        """Between what the outcome should lie.

        Returns
        -------
        tuple of float, or None
            Lower and upper end; ``None`` for classes, and where nothing has been learned yet.
        """
        if self.explanation.classes is not None:
            return None
        low, high = self.explanation.interval(self.coverage)[0].tolist()
        return (low, high) if np.isfinite([low, high]).all() else None

    def plot(self, ax: Any = None) -> Self:
        """Draw the parts.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to; the default (``None``) is a new figure.

        Returns
        -------
        ContributionDisplay
            Itself, with ``ax_`` and ``figure_``.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        parts = self.frame()
        size = (9.0, 1.5 + 0.42 * len(parts))
        self.figure_, (self.ax_,) = panels("ContributionDisplay", ax, size=size)
        ends = self._draw_bars(parts)
        handles, interval = self._draw_total(len(parts) - 1, ends)
        reach = [*ends, *(interval or ())]
        names = [_part_name(part) for part in parts.itertuples()]
        # In a small place what each model said would leave no room for the bars.
        names = names if scale_of(self.ax_) == 1.0 else [name.partition("\n")[0] for name in names]
        self.ax_.set_yticks(range(len(parts)), names, **PLAIN)
        self.ax_.set_ylim(len(parts) - 0.4, -0.6)
        low, high = min(reach), max(reach)
        room = 0.22 * ((high - low) or abs(high) or 1.0)
        self.ax_.set_xlim(low - room, high + room)
        at = self._place()
        classes = self.explanation.classes
        unit = "prediction, in units of the outcome" if classes is None else f"probability of {classes[at]}"
        self.ax_.set_xlabel(unit, **PLAIN)
        show_title(self.ax_, f"What the prediction of {named(self.who)} is made of", self._details(at))
        show_legend(self.ax_, {"": handles})
        return self

    def _draw_bars(self, parts: pd.DataFrame) -> list[float]:
        ends = [0.0]
        last = len(parts) - 1
        for place, part in enumerate(parts.itertuples()):
            moved: Any = part.contribution
            start: Any = 0.0 if place in (0, last) else part.until - moved
            style = {"facecolor": "#bbbbbb"} if place in (0, last) else _signed(moved)
            self.ax_.barh(place, moved, left=start, height=0.62, edgecolor="black", linewidth=0.6, **style)
            if place < last:
                self.ax_.plot([part.until] * 2, [place + 0.31, place + 0.69], color="black", linewidth=0.6)
            self._write(place, start, moved, last)
            ends += [start, start + moved]
        self.ax_.axvline(0, color="black", linewidth=0.8, zorder=0.5)
        return ends

    def _write(self, place: int, start: float, moved: float, last: int) -> None:
        asleep = np.isnan(self.frame()["said"].iloc[place]) and 0 < place < last
        text = "asleep" if asleep else f"{moved:+.3g}" if 0 < place < last else f"{moved:.3g}"
        right = moved >= 0
        self.ax_.annotate(
            text,
            (start + moved, place),
            xytext=(4 if right else -4, 9 if place == last else 0),
            textcoords="offset points",
            va="center",
            ha="left" if right else "right",
            fontsize=8.5 * scale_of(self.ax_),
        )

    def _draw_total(self, place: int, ends: list[float]) -> tuple[list[Any], tuple[float, float] | None]:
        interval, handles = self.interval(), []
        if interval is not None:
            label = f"interval that holds {100 * self.coverage:g} % of outcomes"
            (line,) = self.ax_.plot(interval, [place] * 2, color="black", linewidth=1.5, marker="|", ms=10, label=label)
            handles.append(line)
        if self.explanation.classes is None and self.outcome is not None:
            value = float(self.outcome)
            ends.append(value)
            look: dict[str, Any] = {"linestyle": "none", "marker": "X", "ms": 8, "color": COLOURS[5], "mec": "black"}
            handles += self.ax_.plot([value], [place], label=f"what came true: {value:.3g}", **look)
        return handles, interval

    def _details(self, at: int) -> str:
        said = self.explanation
        when = said.index[0] if self.when is None else self.when
        regime = said.regime[0]
        parts = [f"{when:%Y-%m-%d %H:%M}".removesuffix(" 00:00") if isinstance(when, pd.Timestamp) else f"row {when}"]
        parts.append(f"regime {'unknown' if regime is None else regime}" if said.regimes else "no regimes")
        parts.append(f"confidence {said.confidence[0]:.2f}")
        if said.classes is not None:
            parts.insert(1, f"predicted {said.prediction[0]}")
            parts += [f"came true {self.outcome}"] if self.outcome is not None else []
        return ", ".join(parts)


def _part_name(part: Any) -> str:
    if np.isnan(part.weight):
        return short(part.part)
    said = "" if np.isnan(part.said) else f"said {part.said:.3g}, "
    return f"{short(part.part)}\n{said}weight {part.weight:.2f}"


def _signed(moved: float) -> dict[str, Any]:
    return {"facecolor": _UP} if moved >= 0 else {"facecolor": _DOWN, "hatch": "///"}


def _checked_row(row: Any, n: int, owner: str) -> int:
    if n == 0:
        raise ValueError(f"{owner} needs at least one row.")
    check_number(row, "row", owner, low=-n, high=n - 1, integer=True)
    return int(row) % n

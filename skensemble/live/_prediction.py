"""What was said, as the caller gets it and as the journal keeps it: numbers of a fixed layout, and no pickle."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from inspect import getdoc
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skensemble._checks import shown
from skensemble._html import Markup, element, notebook
from skensemble.explanation import Explanation

__all__ = ["Layout", "LivePrediction"]

_NUMBER = np.dtype("<f8")


@dataclass(frozen=True, eq=False, repr=False)
class LivePrediction(Explanation):
    """An `Explanation` that stands in a journal under ids, for `LiveEnsemble.feedback` to refer to.

    Parameters
    ----------
    {explained}
    ids : tuple of str
        Under what each row stands in the journal.
    at : DatetimeIndex
        The time that each row is a prediction of, in UTC.
    version : int
        Which of the ensembles that have been live said it; the first is 1.
    stale : bool
        Whether the ensemble was older than ``max_age``, or had heard of no outcome for ``max_silence``.
    journaled : bool
        Whether it stands in the journal; False only where that could not be written and ``on_journal_error="warn"``.

    See Also
    --------
    Explanation : The prediction and everything it was made of.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skensemble import LiveEnsemble, RegimeAwareEnsembleRegressor
    >>> X = [[0.0], [1.0], [2.0], [3.0]] * 5
    >>> ensemble = RegimeAwareEnsembleRegressor(["linear"]).fit(X, [row[0] for row in X])
    >>> with tempfile.TemporaryDirectory() as folder, LiveEnsemble(ensemble, Path(folder) / "live.db") as live:
    ...     said = live.predict([2.0], id="first", at="2024-01-02")
    >>> said.id, said.version, said.stale, float(said.prediction[0].round(1))
    ('first', 1, False, 2.0)
    """

    ids: tuple[str, ...]
    at: pd.DatetimeIndex
    version: int
    stale: bool
    journaled: bool

    @property
    def id(self) -> str:
        """The id of the only row.

        Returns
        -------
        str
            For several rows see ``ids``.

        Raises
        ------
        ValueError
            If there are several.
        """
        if len(self.ids) != 1:
            raise ValueError(
                f"These are {len(self.ids)} predictions: their ids are in ids, or take one, as in said[0]."
            )
        return self.ids[0]

    def __getitem__(self, rows: Any) -> LivePrediction:
        """Take some of the rows, by position: a number, a slice, a mask or a list of numbers."""
        chosen = np.atleast_1d(np.arange(len(self))[rows])
        taken = super().__getitem__(rows)
        assert isinstance(taken, LivePrediction)
        return replace(taken, ids=tuple(self.ids[row] for row in chosen), at=self.at[chosen])

    def _about(self) -> str:
        about = f"version {self.version}{', STALE' * self.stale}{', NOT IN THE JOURNAL' * (not self.journaled)}"
        return about if len(self) != 1 else f"{shown(self.ids[0], 40)} at {self.at[0]:%Y-%m-%d %H:%M:%S}, {about}"

    def __repr__(self) -> str:
        if len(self) != 1:
            return f"{super().__repr__()}, {self._about()}"
        return f"{self._about()}\n{super().__repr__()}"

    def _repr_html_(self) -> str:
        return notebook(element("p", self._about()), Markup(super()._repr_html_()))


def _explained() -> str:
    """What an Explanation says of its parameters."""
    return (getdoc(Explanation) or "").partition("----------\n")[2].partition("\n\nExamples")[0]


LivePrediction.__doc__ = (getdoc(LivePrediction) or "").replace("{explained}", _explained())


class Layout(NamedTuple):
    """What the numbers of a prediction are about.

    Parameters
    ----------
    models : tuple of str
        Names of the models.
    regimes : tuple of hashable
        Names of the regimes.
    classes : tuple of hashable or None
        Class labels; None for numbers.
    type_of_class : str
        Their type in an array.
    coverages : tuple of float
        The coverages that are tracked.
    n_limits : int
        Limits of each coverage.
    knows_best : bool
        Whether the numbers tell what the best single model said; those of early journals do not.
    """

    models: tuple[str, ...]
    regimes: tuple[Hashable, ...]
    classes: tuple[Hashable, ...] | None
    type_of_class: str
    coverages: tuple[float, ...]
    n_limits: int
    knows_best: bool = False

    @classmethod
    def of(cls, said: Explanation) -> Layout:
        """Read off an explanation how its numbers lie."""
        kind = "" if said.classes is None else said.prediction.dtype.str
        return cls(said.models, said.regimes, said.classes, kind, said.coverages, said.limits.shape[1], True)

    def packed(self, said: Explanation) -> list[bytes]:
        """Lay the numbers of each row in a row."""
        parts = [np.asarray(getattr(said, name), dtype=_NUMBER).reshape(len(said), -1) for name, _ in self._parts()]
        return [row.tobytes() for row in np.hstack(parts)]

    def unpacked(self, rows: Sequence[bytes], at: pd.DatetimeIndex) -> dict[str, Any]:
        """Read the fields of an explanation back, to the last bit."""
        numbers = np.frombuffer(b"".join(rows), dtype=_NUMBER).astype(float).reshape(len(rows), -1)
        found: dict[str, Any] = {}
        start = 0
        for name, shape in self._parts():
            stop = start + int(np.prod(shape, dtype=int))
            found[name] = numbers[:, start:stop].reshape(len(rows), *shape)
            start = stop
        combined = found["combined"]
        found.setdefault("best_so_far", np.full_like(combined, np.nan))
        found["prediction"] = combined[:, 0]
        if self.classes is not None:
            labels = np.empty(len(self.classes), dtype=np.dtype(self.type_of_class))
            labels[:] = self.classes
            found["prediction"] = labels[combined.argmax(axis=1)]
        return found | {
            "models": self.models,
            "regimes": self.regimes,
            "classes": self.classes,
            "coverages": self.coverages,
            "index": at,
        }

    def _parts(self) -> list[tuple[str, tuple[int, ...]]]:
        """Fields and their shapes, row by row."""
        n_models, n_outputs = len(self.models), 1 if self.classes is None else len(self.classes)
        each = (n_models, n_outputs)
        return [
            ("combined", (n_outputs,)),
            ("member_predictions", each),
            ("weights", (n_models,)),
            ("contributions", each),
            ("baseline", (n_outputs,)),
            ("memberships", (len(self.regimes),)),
            ("agreement", ()),
            ("confidence", ()),
            ("nominal", ()),
            ("limits", (self.n_limits, len(self.coverages))),
            *([("best_so_far", (n_outputs,))] if self.knows_best else []),
        ]

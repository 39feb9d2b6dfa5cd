"""What can be read from a journal: tables of what was said and what came true, and how the process is doing."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from skensemble._html import html_table, notebook
from skensemble.explanation import Explanation
from skensemble.live._journal import Journal, Said
from skensemble.live._prediction import Layout
from skensemble.live._rows import in_kind, in_utc, unpacked_rows

__all__ = ["Health", "asleep_share", "features_of", "layouts_of", "pending_frame", "said_before", "story_frame", "utc"]

_CHUNK = 10_000


@dataclass(frozen=True, repr=False)
class Health:
    """How a live ensemble is doing.

    Parameters
    ----------
    version : int
        Which ensemble is live; the first is 1.
    trained_until : Timestamp
        Time of the last row that it was trained on; where rows had no times, when it went live.
    age : Timedelta
        How long ago that was.
    last_feedback : Timestamp or None
        When the last outcome arrived.
    stale : bool
        Whether it is older than ``max_age``, or the last outcome longer ago than ``max_silence``.
    n_predictions, n_pending, n_outcomes : int
        Predictions in the journal, those without an outcome, and outcomes and trades.
    n_late : int
        Outcomes that came too late to be sorted in at their own time, see ``replay_window``.
    asleep : float
        Share of the models' answers that were missing in the last 100 predictions; NaN without any.
    drift : float
        How surprising the losses since this version took over would be if nothing had changed, see Notes.
    latency_p50_ms, latency_p99_ms : float
        Duration of the last 1,000 calls of `predict` of this process, journal included; NaN without any.
    journal_bytes : int
        Size of the journal and its log.

    Notes
    -----
    ``drift`` is a p-value that may be looked at after every outcome (a conformal test martingale): as long as the
    losses are exchangeable, the chance that it is ever below α, for one version, is at most α. ``drifting`` asks for
    0.01. Losses that come in clusters give more alarms than that.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skensemble import LiveEnsemble, RegimeAwareEnsembleRegressor
    >>> X = [[0.0], [1.0], [2.0], [3.0]] * 5
    >>> ensemble = RegimeAwareEnsembleRegressor(["linear"]).fit(X, [row[0] for row in X])
    >>> with tempfile.TemporaryDirectory() as folder, LiveEnsemble(ensemble, Path(folder) / "live.db") as live:
    ...     said = live.predict([2.0])
    ...     health = live.health()
    >>> health.n_predictions, health.n_pending, health.drifting
    (1, 1, False)
    """

    version: int
    trained_until: pd.Timestamp
    age: pd.Timedelta
    last_feedback: pd.Timestamp | None
    stale: bool
    n_predictions: int
    n_pending: int
    n_outcomes: int
    n_late: int
    asleep: float
    drift: float
    latency_p50_ms: float
    latency_p99_ms: float
    journal_bytes: int

    @property
    def drifting(self) -> bool:
        """Whether the combined loss has grown beyond chance.

        Returns
        -------
        bool
            ``drift <= 0.01``: of versions under which nothing changes, at most one in a hundred ever shows True.
        """
        return self.drift <= 0.01

    def _figures(self) -> dict[str, str]:
        return {name: str(getattr(self, name)) for name in (*(field.name for field in fields(self)), "drifting")}

    def __str__(self) -> str:
        return "\n".join(f"{name:<15} {value}" for name, value in self._figures().items())

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return notebook(html_table("Health", ["figure", "value"], [*self._figures().items()]))


def layouts_of(journal: Journal) -> dict[int, Layout]:
    """Layouts of all that was said, by the numbers under which they stand in the journal."""
    return {number: Layout(*pickle.loads(names)) for number, names in journal.layouts()}


def utc(moment: int) -> pd.Timestamp:
    """A time of the journal as one of pandas."""
    return pd.Timestamp(moment, tz="UTC")


def said_before(rows: Sequence[Said], layouts: Mapping[int, Layout], times: Sequence[int]) -> list[Explanation]:
    """Read predictions back: one explanation for every run of predictions of one layout."""
    found = []
    start = 0
    for layout, run in groupby(rows, key=lambda row: row.layout):
        blobs = [row.said for row in run]
        at = in_kind(times[start : start + len(blobs)], None)
        found.append(Explanation(**layouts[layout].unpacked(blobs, at)))
        start += len(blobs)
    return found


def features_of(rows: Sequence[Said], columns: Mapping[int, str]) -> list[Any]:
    """Read features back: one table for every run of rows with the same columns."""
    return [
        unpacked_rows(columns[number], [row.features for row in run])
        for number, run in groupby(rows, key=lambda row: row.columns)
        if number is not None
    ]


def asleep_share(rows: Sequence[Said], layouts: Mapping[int, Layout]) -> float:
    """Share of answers that were missing."""
    asleep = [said.asleep.ravel() for said in said_before(rows, layouts, [row.at for row in rows])]
    return float(np.concatenate(asleep).mean()) if asleep else float("nan")


def pending_frame(rows: Sequence[tuple[str, int, int]]) -> pd.DataFrame:
    """Predictions without an outcome as a table."""
    ids, times, versions = zip(*rows, strict=True) if rows else ((), (), ())
    at = in_utc(times)
    return pd.DataFrame({"id": pd.Series(ids, dtype=object), "at": at, "version": pd.Series(versions, dtype="int64")})


def story_frame(journal: Journal, layouts: Mapping[int, Layout]) -> pd.DataFrame:
    """All that was said and came true as a table, oldest first."""
    parts = []
    n = len(Said._fields)
    for _, chunk in groupby(enumerate(journal.story()), key=lambda pair: (pair[0] // _CHUNK, pair[1][5])):
        rows = [row for _, row in chunk]
        said = [Said(*row[:n]) for row in rows]
        times = [row.at for row in said]
        (explained,) = said_before(said, layouts, times)
        y, loss, won, profit, late, heard = zip(*(row[n:] for row in rows), strict=True)
        parts.append(
            pd.DataFrame(
                {
                    "id": [row.id for row in said],
                    "at": in_utc(times),
                    "version": [row.version for row in said],
                    "prediction": explained.prediction,
                    "confidence": explained.confidence,
                    "agreement": explained.agreement,
                    "regime": explained.regime,
                    "stale": [bool(row.stale) for row in said],
                    "y": np.array(y, dtype=float) if explained.classes is None else pd.Series(y, dtype=object),
                    "loss": np.array(loss, dtype=float),
                    "won": np.array(won, dtype=float),
                    "profit_bps": np.array(profit, dtype=float),
                    "late": np.array(late, dtype=int) > 0,
                    "made": in_utc([row.made for row in said]),
                    "heard": pd.to_datetime(pd.Series(heard, dtype="Int64"), unit="ns", utc=True),
                }
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(_COLUMNS))


_COLUMNS = (
    "id",
    "at",
    "version",
    "prediction",
    "confidence",
    "agreement",
    "regime",
    "stale",
    "y",
    "loss",
    "won",
    "profit_bps",
    "late",
    "made",
    "heard",
)

"""What can be read of a live ensemble, from its journal and beside it; nothing here moves it."""

from __future__ import annotations

import threading
import time
import warnings
from collections import deque
from contextlib import suppress
from copy import copy
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pandas as pd

from skensemble._base import RegimeAwareEnsemble
from skensemble._checks import check_choice, check_number, shown
from skensemble.explanation import Explanation, joined
from skensemble.live._drift import drift_p_value
from skensemble.live._files import save
from skensemble.live._given import length_of_time
from skensemble.live._journal import Journal, JournalError
from skensemble.live._prediction import LivePrediction
from skensemble.live._rows import in_utc, moment
from skensemble.live._state import State
from skensemble.live._views import Health, asleep_share, layouts_of, pending_frame, said_before, story_frame, utc
from skensemble.live._what_if import WhatIf, what_if

__all__ = ["LiveReader", "StaleWarning"]

_N_LATENCIES = 1000
_N_ASLEEP = 100


class StaleWarning(UserWarning):
    """A live ensemble has not been trained, or has heard of no outcome, for longer than was allowed."""


class LiveReader:
    """An open journal, and all that it and the ensembles in it can be asked."""

    _journal: Journal

    # Opening and closing.

    @classmethod
    def open(
        cls,
        path: Any,
        *,
        read_only: bool = False,
        synchronous: str = "full",
        max_age: Any = None,
        max_silence: Any = None,
        on_journal_error: str = "raise",
        compiled: bool = False,
    ) -> Self:
        """Go on with a journal.

        Parameters
        ----------
        path : path
            The journal, one of your own: it holds pickles.
        read_only : bool, default=False
            Whether to look only, which is possible while another process writes.
        synchronous, max_age, max_silence, on_journal_error, compiled : object
            As of `LiveEnsemble`; they are of this process and not of the journal.

        Returns
        -------
        LiveEnsemble
            With all that was acknowledged before.

        Raises
        ------
        JournalError
            If there is no journal, another process writes it, or it is damaged, foreign, or newer than this version.
        """
        live = cls.__new__(cls)
        live._choose(max_age, max_silence, on_journal_error, compiled)
        live._journal = Journal(path, synchronous=synchronous, read_only=read_only)
        try:
            live._start()
        except BaseException:
            live._journal.close()
            raise
        return live

    def _choose(self, max_age: Any, max_silence: Any, on_journal_error: str, compiled: bool) -> None:
        check_choice(on_journal_error, "on_journal_error", "LiveEnsemble", ("raise", "warn"))
        self._max_age = length_of_time(max_age, "max_age")
        self._max_silence = length_of_time(max_silence, "max_silence")
        self._on_journal_error = on_journal_error
        if not isinstance(compiled, bool):
            raise ValueError(f"compiled of LiveEnsemble must be True or False; got {shown(compiled)}.")
        self._compiles = compiled

    def _start(self) -> None:
        self._lock = threading.RLock()
        self._latencies: deque[int] = deque(maxlen=_N_LATENCIES)
        self._state = State(self._journal, compiled=self._compiles)

    def close(self) -> None:
        """Write a snapshot and let another process write; what is closed stays so."""
        with self._lock:
            state = self._state
            if not self._journal.closed and not self._journal.read_only and state.arrival != state.snapshot_arrival:
                with suppress(JournalError):
                    state.snapshot()
            self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        kind = type(self._state.replay.first.ensemble).__name__
        return f"LiveEnsemble of {kind}, version {self._state.version}, journal {self.path}"

    # Looking.

    @property
    def path(self) -> Any:
        """The journal.

        Returns
        -------
        pathlib.Path
            Its full path.
        """
        return self._journal.path

    @property
    def version(self) -> int:
        """Which ensemble is live.

        Returns
        -------
        int
            1 for the first, one more with each that took over.
        """
        with self._lock:
            return self._state.version

    @property
    def ensemble(self) -> RegimeAwareEnsemble:
        """The ensemble with all that it has learned until now.

        Returns
        -------
        RegimeAwareEnsembleRegressor or RegimeAwareEnsembleClassifier
            A copy of this moment: later outcomes do not reach it, and what is done to it does not reach the journal.
        """
        with self._lock:
            self._state.catch_up()
            return copy(self._state.now())

    def fitted(self, version: int) -> RegimeAwareEnsemble:
        """Return an ensemble as it was when it went live.

        Parameters
        ----------
        version : int
            Which: 1 is the first of the journal.

        Returns
        -------
        RegimeAwareEnsembleRegressor or RegimeAwareEnsembleClassifier
            A copy.

        Raises
        ------
        JournalError
            If the journal holds none of this version.
        """
        check_number(version, "version", "LiveEnsemble.fitted", low=1, integer=True)
        with self._journal.reading() as journal, self._lock:
            return copy(self._state.fitted(int(version), journal))

    def said(self, id: str) -> LivePrediction:  # noqa: A002
        """Read a prediction back.

        Parameters
        ----------
        id : str
            Its id.

        Returns
        -------
        LivePrediction
            As it was said, to the last bit; the index is its time.

        Raises
        ------
        ValueError
            If nothing was said under this id.
        """
        with self._lock:
            state = self._state
            row = state.found(id)
            if row.layout not in state.layouts:
                state.layouts = layouts_of(self._journal)
            at = in_utc([row.at])
            return LivePrediction(
                **state.layouts[row.layout].unpacked([row.said], at),
                ids=(row.id,),
                at=at,
                version=row.version,
                stale=bool(row.stale),
                journaled=True,
            )

    # The whole of it.

    def pending(self) -> pd.DataFrame:
        """List the predictions without an outcome.

        Returns
        -------
        DataFrame
            ``id``, ``at`` and ``version``, oldest first.
        """
        with self._journal.reading() as journal:
            return pending_frame(journal.open_predictions())

    def to_frame(self, *, clock: bool = False) -> pd.DataFrame:
        """List all that was said and what came true.

        Parameters
        ----------
        clock : bool, default=False
            Whether to tell, too, when each was said (``made``) and when its outcome arrived (``heard``), by the clock
            of the process.

        Returns
        -------
        DataFrame
            One row for each prediction, in the order in which they were made: ``id``, ``at``, ``version``,
            ``prediction``, ``confidence``, ``agreement``, ``regime``, ``stale``, and, missing as long as they are not
            known, ``y``, ``loss``, ``won``, ``profit_bps``, and ``late``.
        """
        with self._journal.reading() as journal:
            story = story_frame(journal, layouts_of(journal))
        return story if clock else story.drop(columns=["made", "heard"])

    def explanation(self) -> Explanation:
        """Take all that was said apart.

        Returns
        -------
        Explanation
            One row for each prediction, in the order in which they were made; the index holds their ids. What only
            some versions of the ensemble know of models, regimes and classes, the others have laid out beside it.

        Raises
        ------
        ValueError
            If nothing has been said yet.
        """
        with self._journal.reading() as journal:
            layouts = layouts_of(journal)
            rows = list(journal.predictions())
        if not rows:
            raise ValueError(f"Nothing has been said yet: the journal {self.path} holds no prediction.")
        whole = joined(said_before(rows, layouts, [row.at for row in rows]))
        return replace(whole, index=pd.Index([row.id for row in rows], name="id", dtype=object))

    def health(self, *, at: Any = None) -> Health:
        """Say how the process is doing.

        Parameters
        ----------
        at : Timestamp or str, default=None
            The moment that ages are told for; now by default.

        Returns
        -------
        Health
            Ages, counts, models asleep, drift of the loss, latency, size.
        """
        with self._lock:
            state = self._state
            state.catch_up()
            ensemble, version, heard = state.now(), state.version, state.heard
            moment_at = max(time.time_ns(), state.last_made) if at is None else moment(at)
            stale = self._is_stale(moment_at, ensemble, loud=False)
            trained = state.trained_until(ensemble)
            latencies = np.array(self._latencies or [np.nan]) / 1e6
        with self._journal.reading() as journal:
            return Health(
                version=version,
                trained_until=utc(trained),
                age=pd.Timedelta(moment_at - trained),
                last_feedback=None if heard is None else utc(heard),
                stale=stale,
                **journal.figures(),
                asleep=asleep_share(journal.latest_predictions(_N_ASLEEP), layouts_of(journal)),
                drift=drift_p_value(journal.losses(version)),
                latency_p50_ms=float(np.quantile(latencies, 0.5)),
                latency_p99_ms=float(np.quantile(latencies, 0.99)),
                journal_bytes=journal.n_bytes(),
            )

    def what_if(self, combiner: Any, *, last: int | None = None) -> WhatIf:
        """Replay the journal under another rule.

        The rule starts with what the first ensemble of the journal had seen out of fold; then it hears of each outcome
        when that had arrived. Models say what they said.

        Parameters
        ----------
        combiner : {"weighted_voting", "stacking", "dynamic", "weighted_combiners"} or Combiner
            The other rule.
        last : int, default=None
            Replay the latest so many outcomes only. The default (``None``) is all of them.

        Returns
        -------
        WhatIf
            Loss by loss, and how they compare.

        Raises
        ------
        ValueError
            If there are no outcomes, or the combiner is none.
        """
        if last is not None:
            check_number(last, "last", "LiveEnsemble.what_if", low=1, integer=True)
        with self._journal.reading() as journal:
            rows = journal.settled(last=None if last is None else int(last))
            layouts = layouts_of(journal)
            with self._lock:
                first = self._state.fitted(min((said.version for _, said in rows), default=1), journal)
        return what_if(combiner, first, rows, layouts)

    def save(self, path: Any) -> None:
        """Write the ensemble, as it has learned until now, to a file that `load` reads without running code from it.

        Parameters
        ----------
        path : path
            The file, replaced as a whole or not at all.
        """
        save(self.ensemble, path)

    def _is_stale(self, at: int, ensemble: RegimeAwareEnsemble, *, loud: bool = True) -> bool:
        """Whether the ensemble is too old at a time, or has not heard of anything for too long."""
        state = self._state
        age, silence = at - state.trained_until(ensemble), at - (state.heard or state.begun)
        stale = False
        for name, limit, passed, since in (
            ("max_age", self._max_age, age, "was trained"),
            ("max_silence", self._max_silence, silence, "heard of an outcome"),
        ):
            if limit is not None and passed > limit:
                stale = True
                if loud:
                    warnings.warn(
                        f"This prediction is stale: the ensemble last {since} {pd.Timedelta(passed)} before it, and "
                        f"{name} is {pd.Timedelta(limit)}.",
                        StaleWarning,
                        stacklevel=3,
                    )
        return stale

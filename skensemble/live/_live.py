"""A fitted ensemble in a live process: it predicts, waits, hears what came true in any order, and loses nothing."""

from __future__ import annotations

import pickle
import threading
import time
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import replace
from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import is_classifier

from skensemble._base import RegimeAwareEnsemble
from skensemble._checks import check_choice, check_number, shown
from skensemble.compiled import CompiledEnsemble
from skensemble.evaluation import Change
from skensemble.explanation import Explanation, joined
from skensemble.live._drift import drift_p_value
from skensemble.live._files import made_with, save
from skensemble.live._given import (
    checked_ensemble,
    checked_outcome,
    checked_trade,
    classes_of,
    column_of,
    in_time,
    length_of_time,
    regimes_of,
)
from skensemble.live._journal import OUTCOME, TAKEOVER, TRADE, Entry, Journal, JournalError, Said
from skensemble.live._prediction import Layout, LivePrediction
from skensemble.live._replay import Event, Replay, Window, arrivals, moved, moving
from skensemble.live._rows import (
    are_many,
    checked_ids,
    digest,
    in_kind,
    moment,
    moments,
    packed_rows,
    rows_of,
    unpacked_rows,
)
from skensemble.live._views import Health, asleep_share, pending_frame, said_before, story_frame, utc
from skensemble.live._what_if import WhatIf, compared, what_if
from skensemble.regimes import remembered

__all__ = ["LiveEnsemble", "StaleWarning", "TakeoverRefusedError"]

_BEGINNING = -(2**63)
_N_LATENCIES = 1000
_N_ASLEEP = 100


class StaleWarning(UserWarning):
    """A live ensemble has not been trained, or has heard of no outcome, for longer than was allowed."""


class TakeoverRefusedError(RuntimeError):
    """An ensemble that was to take over did worse on the journal's rows than the one that is live, beyond chance."""


class LiveEnsemble:
    """A fitted ensemble and its journal.

    `predict` writes what it says into the journal before it returns; `feedback` joins an outcome to what had been said,
    by id, whenever it comes; `adopt` puts a retrained ensemble in the place of the one before. Whatever returned stands
    in the journal: a process that is killed at any moment goes on where it was with `LiveEnsemble.open`.

    Outcomes are learned from in the order of the times they are of, not of their arrival: any order of arrival ends in
    the same weights, to the last bit, as long as no more than ``replay_window`` outcomes of later times arrive before
    one. Those that come later still are learned from as if they were of the latest time, and `Health.n_late` counts
    them.

    Parameters
    ----------
    ensemble : RegimeAwareEnsembleRegressor or RegimeAwareEnsembleClassifier
        Fitted. It is not changed: what is learned is in ``ensemble`` of this object.
    path : path
        Where the journal begins: a file that is not there yet. Beside it stand, while it is open, SQLite's own ``-wal``
        and ``-shm``, and ``.lock``.
    features : {"hash", "values"}, default="hash"
        What is kept of the features: a fingerprint, or the values, which ``gate`` of `adopt` needs. The values are
        always kept where the regime detector looks back.
    replay_window : int, default=500
        How many outcomes of later times may arrive before one that is still sorted in. Larger costs memory, and
        time when an outcome is late.
    snapshot_every : int, default=1000
        After so many outcomes the state is written down, so that opening need not replay those before.
    synchronous : {"full", "normal"}, default="full"
        What an acknowledged write survives: ``"full"`` the loss of power, ``"normal"`` the end of the process, whatever
        ends it, and is several times faster.
    max_age : str or timedelta, default=None
        After so long since its training (`Health.trained_until`) an ensemble's predictions are stale, with a warning.
        The default (``None``) is never.
    max_silence : str or timedelta, default=None
        After so long without an outcome predictions are stale, with a warning. The default (``None``) is never.
    on_journal_error : {"raise", "warn"}, default="raise"
        What `predict` does where the journal cannot be written: raise, or warn and predict all the same, outside of the
        journal. Outcomes are never taken without it.
    compiled : bool, default=False
        Whether a few rows are answered by the compiled ensemble: faster, and up to the last digits the same.

    Attributes
    ----------
    path : pathlib.Path
        The journal.

    Raises
    ------
    ValueError
        If the ensemble is not fitted, or a parameter is wrong.
    JournalError
        If the journal cannot be begun, in words.

    See Also
    --------
    LiveEnsemble.open : Go on with a journal.

    Notes
    -----
    The journal holds the ensemble as a pickle, and opening a journal unpickles it: open your own journals only. To pass
    an ensemble on, use `save` and `load`, which run no code from a file.

    Any number of threads may call any method. One process writes; others may open the journal with ``read_only=True``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skensemble import LiveEnsemble, RegimeAwareEnsembleRegressor
    >>> X = np.arange(40.0).reshape(-1, 1)
    >>> ensemble = RegimeAwareEnsembleRegressor(["linear", "extra_trees"], combiner="dynamic", random_state=0)
    >>> ensemble = ensemble.fit(X, X[:, 0])
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "live.db"
    >>> live = LiveEnsemble(ensemble, path)
    >>> said = [live.predict([40.0 + hour], id=f"hour {hour}", at=f"2024-01-02 {hour:02}:00") for hour in range(3)]
    >>> live.feedback("hour 1", y=41.0)
    True
    >>> live.feedback("hour 0", y=40.0), live.feedback("hour 0", y=40.0)     # late, and twice
    (True, False)
    >>> live.pending()["id"].tolist()
    ['hour 2']
    >>> weights = live.ensemble.weights_
    >>> live.close()
    >>> live = LiveEnsemble.open(path)
    >>> live.ensemble.weights_.equals(weights)
    True
    >>> live.close(); folder.cleanup()
    """

    def __init__(
        self,
        ensemble: RegimeAwareEnsemble,
        path: Any,
        *,
        features: str = "hash",
        replay_window: int = 500,
        snapshot_every: int = 1000,
        synchronous: str = "full",
        max_age: Any = None,
        max_silence: Any = None,
        on_journal_error: str = "raise",
        compiled: bool = False,
    ) -> None:
        check_choice(features, "features", "LiveEnsemble", ("hash", "values"))
        check_number(replay_window, "replay_window", "LiveEnsemble", low=1, integer=True)
        check_number(snapshot_every, "snapshot_every", "LiveEnsemble", low=1, integer=True)
        self._choose(max_age, max_silence, on_journal_error, compiled)
        fitted = copy(checked_ensemble(ensemble, "LiveEnsemble"))
        self._compiled_of(fitted)
        blob = pickle.dumps(fitted)
        self._journal = Journal(path, synchronous=synchronous, create=True)
        try:
            with self._journal.writing("begin a journal") as journal:
                journal.keep_options(
                    {"features": features, "replay_window": int(replay_window), "snapshot_every": int(snapshot_every)}
                )
                journal.add_version(1, time.time_ns(), made_with(), blob)
            self._start()
        except BaseException:
            self._journal.close()
            raise

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
        self._is_compiled = compiled
        self._compiled: CompiledEnsemble | None = None

    def _compiled_of(self, fitted: RegimeAwareEnsemble) -> CompiledEnsemble | None:
        """The ensemble that answers, compiled, where that was asked for."""
        if not self._is_compiled or (self._compiled is not None and self._compiled.ensemble is fitted):
            return self._compiled
        return fitted.compile()

    def _start(self) -> None:
        self._lock = threading.RLock()
        self._latencies: deque[int] = deque(maxlen=_N_LATENCIES)
        self._versions: dict[int, tuple[int, RegimeAwareEnsemble]] = {}
        with self._journal.reading() as journal:
            self._load(journal)

    def _load(self, journal: Journal) -> None:
        """Bring back the state of the last acknowledged call: the snapshot, and what arrived since."""
        options = journal.options()
        self._keeps_values = options["features"] == "values"
        self._snapshot_every = options["snapshot_every"]
        self._layouts = {number: Layout(*pickle.loads(names)) for number, names in journal.layouts()}
        self._last_made, self._heard, self._begun = journal.last_made(), journal.last_feedback(), journal.begun()
        arrival, state = journal.snapshot() or (0, None)
        kept = None if state is None else self._unpickled(state, "The snapshot", made_with())
        self._taken_over: dict[int, int] = {1: _BEGINNING}
        if kept is None:
            detector, n_remembered = None, 0
            self._replay = Replay(Window(options["replay_window"]), self._fitted(1, journal), 1, self._fitted)
        else:
            self._taken_over = kept["taken_over"]
            detector, n_remembered = kept["detector"], kept["n_remembered"]
            events = [self._event(*found) for found in journal.events_of(kept["arrivals"])]
            window = Window(options["replay_window"], events, kept["n_closed"], kept["closed_until"])
            first = moved(self._fitted(kept["version"], journal), kept["state"])
            self._replay = Replay(window, first, kept["version"], self._fitted)
        self._snapshot_arrival = self._arrival = arrival
        taken_over = False
        for found in journal.events(arrival):
            entry = found[0]
            if entry.kind == TAKEOVER:
                taken_over = True
                self._taken_over[entry.version] = entry.placed
                self._fitted(entry.version, journal)
            self._replay.insert(self._event(*found))
            self._arrival = entry.arrival
        self._version = max(self._taken_over)
        self._compiled = self._compiled_of(self._fitted(self._version, journal))
        self._n_remembered = journal.last_prediction()
        if kept is None or taken_over:
            self._detector = self._after_training(self._fitted(self._version, journal), journal)
        else:
            self._detector = self._after_rows(detector, journal, n_remembered)

    def _event(self, entry: Entry, layout: int | None, said: bytes | None) -> Event:
        return Event.of(entry, None if layout is None else self._layouts[layout], said)

    def _fitted(self, version: int, journal: Journal | None = None) -> RegimeAwareEnsemble:
        """An ensemble as it was fitted."""
        if version not in self._versions:
            made, with_what, blob = (journal or self._journal).version(version)
            self._versions[version] = made, self._unpickled(blob, "The ensemble", with_what)
        return self._versions[version][1]

    def _unpickled(self, blob: bytes, what: str, with_what: str) -> Any:
        try:
            return pickle.loads(blob)
        except Exception as error:  # whatever a library of another version makes of it
            raise JournalError(
                f"{what} in {self.path} cannot be read back ({type(error).__name__}: {error}). It was made with "
                f"{with_what}, this is {made_with()}: install what it was made with."
            ) from error

    def _after_training(self, fitted: RegimeAwareEnsemble, journal: Journal) -> Any:
        """The detector of a fitted ensemble, after the rows that were predicted for times after its training."""
        until = fitted.trained_until_
        return self._after_rows(fitted.regime_detector_, journal, 0, since=None if until is None else moment(until))

    def _after_rows(self, detector: Any, journal: Journal, after: int, *, since: int | None = None) -> Any:
        """A detector that looks back, after the rows that were predicted: those it knows already it leaves out."""
        if not hasattr(detector, "remember"):
            return detector
        columns, n_lost = journal.columns(), 0
        for said in journal.predictions(after, since=since):
            try:
                detector = remembered(detector, unpacked_rows(columns[said.columns or 0], [said.features]))
            except (KeyError, ValueError):
                n_lost += 1
        if n_lost:
            warnings.warn(
                f"The regime detector looks back, but {n_lost} rows that were predicted are not in {self.path}, or "
                f"have other columns: it goes on without them.",
                UserWarning,
                stacklevel=4,
            )
        return detector

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
            return self._version

    @property
    def ensemble(self) -> RegimeAwareEnsemble:
        """The ensemble with all that it has learned until now.

        Returns
        -------
        RegimeAwareEnsembleRegressor or RegimeAwareEnsembleClassifier
            A copy of this moment: later outcomes do not reach it, and what is done to it does not reach the journal.
        """
        with self._lock:
            self._catch_up()
            return copy(self._now())

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
            return copy(self._fitted(int(version), journal))

    def _catch_up(self) -> None:
        """Where another process writes, read what it has written."""
        if not self._journal.read_only or self._journal.closed:
            return
        with self._journal.reading() as journal:
            if journal.last_arrival() != self._arrival or journal.last_prediction() != self._n_remembered:
                self._load(journal)

    def _now(self) -> RegimeAwareEnsemble:
        ensemble = self._replay.now().ensemble
        if hasattr(self._detector, "remember") and ensemble.regime_detector_ is not self._detector:
            ensemble = moved(ensemble, {"regime_detector_": self._detector})
        return ensemble

    # Predicting.

    def predict(self, x: Any, *, id: Any = None, at: Any = None, regimes: Any = None) -> LivePrediction:  # noqa: A002
        """Predict, and write it down before saying it.

        Parameters
        ----------
        x : DataFrame, mapping, Series or array-like
            One row or many.
        id : str or sequence of str, default=None
            Under what `feedback` will refer to each row. The default (``None``) makes them up.
        at : Timestamp, str, or sequence of them, default=None
            The time that each row is a prediction of, in UTC where no zone is given; outcomes are learned from in this
            order. The default (``None``) is the row's time in a DatetimeIndex of ``x``, else now by a clock that never
            goes back.
        regimes : hashable, or array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row; of a single row one label is enough. The default (``None``) asks the detector.

        Returns
        -------
        LivePrediction
            An `Explanation` with ids, times, version, and whether it is stale.

        Raises
        ------
        ValueError
            If the input is wrong, or an id stands in the journal already.
        JournalError
            If the journal cannot be written and ``on_journal_error="raise"``; then nothing was said.
        """
        started = time.perf_counter_ns()
        with self._lock:
            self._check_writable("predict")
            ensemble, version, made = self._now(), self._version, self._clock()
            asked = ensemble if self._compiled is None else self._compiled.attached(ensemble)
        X = rows_of(x, getattr(ensemble, "feature_names_in_", None))
        n_rows = X.shape[0]
        times = moments(at, X, n_rows) or [made] * n_rows
        ids = checked_ids(id, n_rows)
        if X is not x and isinstance(X, pd.DataFrame):
            X = in_time(X, times, ensemble)
        try:
            said = asked.explain(X, regimes=regimes_of(regimes, n_rows))
        except (OverflowError, TypeError) as error:
            raise ValueError(f"x of LiveEnsemble.predict holds what is no number: {error}.") from error
        stale = self._is_stale(max(times), ensemble)
        kept = packed_rows(X)
        journaled = True
        with self._lock:
            self._check_writable("predict")
            detector = remembered(self._detector, X)
            try:
                self._keep(said, ids, times, made, version, stale, kept, given=id is not None)
            except JournalError as error:
                if self._on_journal_error == "raise":
                    raise
                journaled = False
                warnings.warn(
                    f"{error} The prediction is not in the journal: no outcome of it can be taken.",
                    UserWarning,
                    stacklevel=2,
                )
            self._detector = detector
            self._latencies.append(time.perf_counter_ns() - started)
        return LivePrediction(
            **{name: getattr(said, name) for name in said.__dataclass_fields__},
            ids=ids,
            at=in_kind(times, None).tz_localize("UTC"),
            version=version,
            stale=stale,
            journaled=journaled,
        )

    def _keep(
        self,
        said: Any,
        ids: Sequence[str],
        times: Sequence[int],
        made: int,
        version: int,
        stale: bool,
        kept: tuple[str, list[bytes]],
        *,
        given: bool,
    ) -> None:
        """Write predictions down."""
        layout = Layout.of(said)
        description, features = kept
        numbers = [number for number, known in self._layouts.items() if known == layout]
        values = self._keeps_values or hasattr(self._detector, "remember")
        with self._writing("keep a prediction") as journal:
            for each in ids if given else ():
                known = journal.said(each)
                if known is not None:
                    raise ValueError(
                        f"id {shown(each)} stands in the journal already, of {utc(known.at)}. Each prediction needs an "
                        f"id of its own; said(id) tells what was said under this one."
                    )
            number = numbers[0] if numbers else journal.add_layout(pickle.dumps(tuple(layout)))
            columns = journal.columns_number(description) if values else None
            if not values:
                features = [digest(description, row) for row in features]
            rows = zip(ids, times, layout.packed(said), features, strict=True)
            journal.say(
                (each, at, made, version, number, packed, columns, row, int(stale)) for each, at, packed, row in rows
            )
        self._layouts[number] = layout
        self._n_remembered += len(ids)

    @contextmanager
    def _writing(self, what: str) -> Iterator[Journal]:
        """Write all of it or nothing; where it failed, the journal decides what has happened."""
        try:
            with self._journal.writing(what) as journal:
                yield journal
        except JournalError:
            with suppress(JournalError), self._journal.reading() as journal:
                if (journal.last_arrival(), journal.last_prediction()) != (self._arrival, self._n_remembered):
                    self._load(journal)
            raise

    def _check_writable(self, what: str) -> None:
        if self._journal.closed or self._journal.read_only:
            why = "has been closed" if self._journal.closed else "is open for reading only"
            raise JournalError(f"Cannot {what}: {self.path} {why}. LiveEnsemble.open(path) opens it for writing.")

    def _clock(self) -> int:
        """Now, in nanoseconds; where the computer's clock goes back, as little later than before as can be."""
        self._last_made = max(time.time_ns(), self._last_made + 1)
        return self._last_made

    def _trained_until(self, ensemble: RegimeAwareEnsemble) -> int:
        until = ensemble.trained_until_
        return self._versions[self._version][0] if until is None else moment(until)

    def _is_stale(self, at: int, ensemble: RegimeAwareEnsemble, *, loud: bool = True) -> bool:
        """Whether the ensemble is too old at a time, or has not heard of anything for too long."""
        age, silence = at - self._trained_until(ensemble), at - (self._heard or self._begun)
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
            row = self._found(id)
            if row.layout not in self._layouts:
                self._layouts = {number: Layout(*pickle.loads(names)) for number, names in self._journal.layouts()}
            at = in_kind([row.at], None).tz_localize("UTC")
            return LivePrediction(
                **self._layouts[row.layout].unpacked([row.said], at),
                ids=(row.id,),
                at=at,
                version=row.version,
                stale=bool(row.stale),
                journaled=True,
            )

    def _found(self, id: Any) -> Said:  # noqa: A002
        (id,) = checked_ids(id, 1)  # noqa: A001
        self._journal.check_open("look for a prediction")
        row = self._journal.said(id)
        if row is None:
            raise ValueError(f"Nothing was said under the id {shown(id)}: predict gives ids, pending() lists them.")
        return row

    # Outcomes.

    def feedback(self, id: Any, *, y: Any = None, won: Any = None, profit_bps: Any = None, at: Any = None) -> bool:  # noqa: A002
        """Take what came true of predictions, joined to what was said then: models, weights and regime are those.

        Parameters
        ----------
        id : str or sequence of str
            Which predictions. Several are taken together or not at all.
        y : object or sequence, default=None
            What came true: a number, or a class.
        won : bool or sequence of bool, default=None
            Whether the trade that followed the prediction was won.
        profit_bps : float or sequence of float, default=None
            Its profit in basis points.
        at : Timestamp or str, default=None
            When this became known, for ``max_silence``; now by default. The order of learning is that of the
            predictions' times.

        Returns
        -------
        bool
            Whether any of it was new. What is known already, and the same, changes nothing.

        Raises
        ------
        ValueError
            If an id is unknown, an outcome is none, or another outcome is known already; then nothing has moved.
        JournalError
            If the journal cannot be written; then nothing has moved.
        """
        ids = checked_ids(id, len(id) if are_many(id) else 1)
        columns = {
            name: column_of(value, id, len(ids), name)
            for name, value in {"y": y, "won": won, "profit_bps": profit_bps}.items()
        }
        if all(value is None for column in columns.values() for value in column):
            raise ValueError("feedback needs an outcome: y, won or profit_bps.")
        given = None if at is None else moment(at)
        with self._lock:
            self._check_writable("take an outcome")
            made = self._clock()
            window = self._replay.window.copied()
            news: list[Event] = []
            for each, *outcome in zip(ids, *columns.values(), strict=True):
                said = self._found(each)
                for entry in self._entries(said, *outcome):
                    placed, late = window.place(max(said.at, self._taken_over[said.version] + 1))
                    arrival = self._arrival + 1 + len(news)
                    entry = entry._replace(  # noqa: PLW2901
                        arrival=arrival, placed=placed, late=late, at=made if given is None else given, made=made
                    )
                    news.append(self._event(entry, said.layout, said.said))
                    window.insert(news[-1])
            if not news:
                return False
            with self._writing("take an outcome") as journal:
                for event in news:
                    journal.record(event.entry)
            self._heard = news[-1].entry.at
            self._learn(news)
            return True

    def _entries(self, said: Said, y: Any, won: Any, profit_bps: Any) -> list[Entry]:
        """What is new in the outcomes of a prediction, checked."""
        layout = self._layouts[said.layout]
        blank = Entry(0, "", said.prediction, said.version, 0, 0, 0, 0)
        entries = []
        if y is not None:
            outcome, loss = checked_outcome(type(self._replay.latest.ensemble).__name__, layout, said, y)
            if self._is_new(said, OUTCOME, {"y": outcome}):
                entries.append(blank._replace(kind=OUTCOME, outcome=outcome, loss=loss))
        if won is not None or profit_bps is not None:
            won, profit_bps = checked_trade(self._now(), won, profit_bps)
            if self._is_new(said, TRADE, {"won": won, "profit_bps": profit_bps}):
                entries.append(blank._replace(kind=TRADE, won=won, profit_bps=profit_bps))
        return entries

    def _is_new(self, said: Said, kind: str, given: dict[str, Any]) -> bool:
        """Whether an outcome is not known yet; another one that is known is an error."""
        known = self._journal.event(said.prediction, kind)
        if known is None:
            return True
        before = {name: getattr(known, "outcome" if name == "y" else name) for name in given}
        if before != given:
            raise ValueError(
                f"The outcome of {shown(said.id)} is known and is another one: {_listed(before)} stands in the journal "
                f"since {utc(known.made):%Y-%m-%d %H:%M:%S} UTC, got {_listed(given)}. What has been learned stays."
            )
        return False

    def _learn(self, news: Sequence[Event]) -> None:
        """Sort events in that stand in the journal, and write a snapshot when it is time."""
        for event in news:
            self._replay.insert(event)
        self._arrival = news[-1].entry.arrival
        if self._replay.n_waiting <= len(news):
            # In order: learned from at once, so that the next prediction need not wait. What makes the fold go back
            # waits for it, since more may come.
            self._replay.now()
        if self._arrival - self._snapshot_arrival >= self._snapshot_every:
            # The journal holds everything: a snapshot that fails is written another time.
            with suppress(JournalError):
                self._snapshot()

    def _snapshot(self) -> None:
        self._replay.now()
        first, window = self._replay.first, self._replay.window
        state = {
            "state": moving(first.ensemble),
            "version": first.version,
            "arrivals": list(arrivals(window.events)),
            "n_closed": window.n_closed,
            "closed_until": window.closed_until,
            "taken_over": self._taken_over,
            "detector": self._detector if hasattr(self._detector, "remember") else None,
            "n_remembered": self._n_remembered,
        }
        with self._journal.writing("write a snapshot") as journal:
            journal.keep_snapshot(self._arrival, pickle.dumps(state))
        self._snapshot_arrival = self._arrival
        # Nothing takes us back to the ensembles before.
        self._versions = {number: known for number, known in self._versions.items() if number >= first.version}

    # Another ensemble.

    def adopt(self, ensemble: RegimeAwareEnsemble, *, gate: int | None = None, at: Any = None) -> Change | None:
        """Put a retrained ensemble in the place of the one that is live.

        Ledger, weights and intervals go on as they stand, as with ``warm_start``: a model of the same name and
        definition keeps its record, one whose definition has changed keeps half of it, a new one starts with what it
        has earned out of fold. Outcomes that the old ensemble's predictions still wait for are learned from.

        Parameters
        ----------
        ensemble : RegimeAwareEnsembleRegressor or RegimeAwareEnsembleClassifier
            Fitted, of the same task; it must know the classes of the one before.
        gate : int, default=None
            Compare it first with what was said on the latest so many rows with an outcome, as far as they are later
            than its training: leave some days out of the training for this. It needs ``features="values"``.
        at : Timestamp or str, default=None
            From when on. The default (``None``) is right after the latest time that was predicted.

        Returns
        -------
        Change or None
            How its loss compared, where ``gate`` was given.

        Raises
        ------
        TakeoverRefusedError
            If its loss was larger beyond chance, with the numbers; then nothing has changed.
        ValueError
            If it is not fitted, of another task, or knows other classes.
        JournalError
            If the journal cannot be written; then nothing has changed.
        """
        fitted = copy(checked_ensemble(ensemble, "LiveEnsemble.adopt"))
        blob = pickle.dumps(fitted)
        given = None if at is None else moment(at)
        with self._lock:
            self._check_writable("adopt")
            self._check_classes(fitted)
            change = None if gate is None else self._judged(fitted, gate)
            made, version = self._clock(), self._version + 1
            if given is None:
                last = self._journal.last_at()
                given = made if last is None else last + 1
            start = max(given, self._taken_over[self._version] + 1)
            placed, late = self._replay.window.place(start)
            compiled = self._compiled_of(fitted)
            entry = Entry(self._arrival + 1, TAKEOVER, None, version, placed, late, start, made)
            detector = self._after_training(fitted, self._journal)
            with self._writing("adopt an ensemble") as journal:
                journal.add_version(version, made, made_with(), blob)
                journal.record(entry)
            self._versions[version] = made, fitted
            self._version, self._taken_over[version] = version, placed
            self._detector, self._compiled = detector, compiled
            self._learn([self._event(entry, None, None)])
            with suppress(JournalError):
                self._snapshot()
        return change

    def _check_classes(self, fitted: RegimeAwareEnsemble) -> None:
        now = self._now()
        if is_classifier(now) != is_classifier(fitted):
            raise ValueError(
                f"LiveEnsemble.adopt needs an ensemble of the same task: {type(now).__name__} is live, got "
                f"{type(fitted).__name__}."
            )
        gone = set(classes_of(now)) - set(classes_of(fitted))
        if gone:
            raise ValueError(
                f"LiveEnsemble.adopt needs an ensemble that knows the classes of the one before; got one that has "
                f"never seen {shown(sorted(gone))}, of which outcomes may still come. Fit it on rows of these, too."
            )
        if classes_of(now) != classes_of(fitted):
            warnings.warn(
                f"The classes were {shown(classes_of(now))} and are {shown(classes_of(fitted))} now: what was learned "
                f"of the other classes means nothing here, so ledger and weights go on from those of the new ensemble.",
                UserWarning,
                stacklevel=3,
            )

    def _judged(self, fitted: RegimeAwareEnsemble, gate: int) -> Change:
        check_number(gate, "gate", "LiveEnsemble.adopt", low=1, integer=True)
        rows = [pair for pair in self._journal.settled(last=int(gate)) if pair[1].columns is not None]
        if not rows and not self._keeps_values:
            raise ValueError("gate of LiveEnsemble.adopt needs the rows: begin the journal with features='values'.")
        change = compared(fitted, rows, self._layouts, self._journal.columns())
        if change.verdict == "distinguishable: more loss":
            raise TakeoverRefusedError(
                f"The new ensemble's loss on the latest rows is {100 * change.change:+.1f} % of the live one's (95 % "
                f"interval {100 * change.low:+.1f} to {100 * change.high:+.1f} %): it does not take over. "
                f"adopt(ensemble) without gate puts it in all the same."
            )
        return change

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
            layouts = {number: Layout(*pickle.loads(names)) for number, names in journal.layouts()}
            with self._lock:
                first = self._fitted(min((said.version for _, said in rows), default=1), journal)
        return what_if(combiner, first, rows, layouts)

    # Reading.

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
            layouts = {number: Layout(*pickle.loads(names)) for number, names in journal.layouts()}
            story = story_frame(journal, layouts)
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
            layouts = {number: Layout(*pickle.loads(names)) for number, names in journal.layouts()}
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
            self._catch_up()
            ensemble, version, heard = self._now(), self._version, self._heard
            moment_at = max(time.time_ns(), self._last_made) if at is None else moment(at)
            stale = self._is_stale(moment_at, ensemble, loud=False)
            trained = self._trained_until(ensemble)
            latencies = np.array(self._latencies or [np.nan]) / 1e6
        with self._journal.reading() as journal:
            layouts = {number: Layout(*pickle.loads(names)) for number, names in journal.layouts()}
            return Health(
                version=version,
                trained_until=utc(trained),
                age=pd.Timedelta(moment_at - trained),
                last_feedback=None if heard is None else utc(heard),
                stale=stale,
                **journal.figures(),
                asleep=asleep_share(journal.latest_predictions(_N_ASLEEP), layouts),
                drift=drift_p_value(journal.losses(version)),
                latency_p50_ms=float(np.quantile(latencies, 0.5)),
                latency_p99_ms=float(np.quantile(latencies, 0.99)),
                journal_bytes=journal.n_bytes(),
            )

    def prune(self, *, before: Any) -> int:
        """Delete predictions made for times before one, with their outcomes; what was learned from them stays.

        Ensembles that took part in nothing that is left go, too. Outcomes that are still open to late ones before them
        stay (``replay_window``). An outcome of a prediction that is gone is of an unknown id.

        Parameters
        ----------
        before : Timestamp or str
            The time.

        Returns
        -------
        int
            How many predictions are gone.

        Raises
        ------
        JournalError
            If the journal cannot be written.
        """
        limit = moment(before, "before")
        with self._lock:
            self._check_writable("prune")
            self._snapshot()
            first = min(arrivals(self._replay.window.events), default=self._arrival + 1)
            with self._journal.writing("prune") as journal:
                n_gone = journal.prune(limit, first, self._replay.first.version)
            # The room stays in the file where a reader is in the way.
            with suppress(JournalError):
                self._journal.compact()
        return n_gone

    def save(self, path: Any) -> None:
        """Write the ensemble, as it has learned until now, to a file that `load` reads without running code from it.

        Parameters
        ----------
        path : path
            The file, replaced as a whole or not at all.
        """
        save(self.ensemble, path)

    def close(self) -> None:
        """Write a snapshot and let another process write; what is closed stays so."""
        with self._lock:
            if not self._journal.closed and not self._journal.read_only and self._arrival != self._snapshot_arrival:
                with suppress(JournalError):
                    self._snapshot()
            self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        kind = type(self._replay.first.ensemble).__name__
        return f"LiveEnsemble of {kind}, version {self._version}, journal {self.path}"


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items() if value is not None)

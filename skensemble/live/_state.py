"""How far a live process has come with its journal: brought back when that is opened, moved only by what stands in it.

One rule: first the journal, then the state; where writing failed, the state is what the journal says. Nothing here
locks: whoever asks holds the lock of the live ensemble.
"""

from __future__ import annotations

import pickle
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from skensemble._base import RegimeAwareEnsemble
from skensemble._checks import shown
from skensemble.compiled import CompiledEnsemble
from skensemble.explanation import Explanation
from skensemble.live._files import made_with
from skensemble.live._journal import TAKEOVER, Entry, Journal, JournalError, Said
from skensemble.live._prediction import Layout
from skensemble.live._replay import Event, Replay, Window, arrivals, moved, moving
from skensemble.live._rows import checked_ids, digest, moment, unpacked_rows
from skensemble.live._views import layouts_of, utc
from skensemble.regimes import remembered

__all__ = ["State"]

_BEGINNING = -(2**63)


class State:
    """Which ensembles have been live, what has been learned, and up to where in the journal.

    Parameters
    ----------
    journal : Journal
        Open.
    compiled : bool
        Whether the ensemble that is live is compiled.
    """

    def __init__(self, journal: Journal, *, compiled: bool) -> None:
        self.journal = journal
        self.compiled: CompiledEnsemble | None = None
        self._compiles = compiled
        self.versions: dict[int, tuple[int, RegimeAwareEnsemble]] = {}
        with journal.reading() as reader:
            self.load(reader)

    # Bringing back.

    def load(self, journal: Journal) -> None:
        """Bring back the state of the last acknowledged call: the snapshot, and what arrived since."""
        options = journal.options()
        self.keeps_values = options["features"] == "values"
        self._snapshot_every = options["snapshot_every"]
        self.layouts = layouts_of(journal)
        self.last_made, self.heard, self.begun = journal.last_made(), journal.last_feedback(), journal.begun()
        arrival, state = journal.snapshot() or (0, None)
        kept = None if state is None else self._unpickled(state, "The snapshot", made_with())
        self.taken_over: dict[int, int] = {1: _BEGINNING}
        if kept is None:
            detector, n_remembered = None, 0
            self.replay = Replay(Window(options["replay_window"]), self.fitted(1, journal), 1, self.fitted)
        else:
            self.taken_over = kept["taken_over"]
            detector, n_remembered = kept["detector"], kept["n_remembered"]
            events = [self.event(*found) for found in journal.events_of(kept["arrivals"])]
            window = Window(options["replay_window"], events, kept["n_closed"], kept["closed_until"])
            first = moved(self.fitted(kept["version"], journal), kept["state"])
            self.replay = Replay(window, first, kept["version"], self.fitted)
        self.snapshot_arrival = self.arrival = arrival
        taken_over = False
        for found in journal.events(arrival):
            entry = found[0]
            if entry.kind == TAKEOVER:
                taken_over = True
                self.taken_over[entry.version] = entry.placed
                self.fitted(entry.version, journal)
            self.replay.insert(self.event(*found))
            self.arrival = entry.arrival
        self.version = max(self.taken_over)
        self.compiled = self._compiled_of(self.fitted(self.version, journal))
        self.n_remembered = journal.last_prediction()
        if kept is None or taken_over:
            self.detector = self._after_training(self.fitted(self.version, journal), journal)
        else:
            self.detector = self._after_rows(detector, journal, n_remembered)

    def event(self, entry: Entry, layout: int | None, said: bytes | None) -> Event:
        """An event of the journal, in its place in time."""
        return Event.of(entry, None if layout is None else self.layouts[layout], said)

    def fitted(self, version: int, journal: Journal | None = None) -> RegimeAwareEnsemble:
        """An ensemble as it was fitted."""
        if version not in self.versions:
            made, with_what, blob = (journal or self.journal).version(version)
            self.versions[version] = made, self._unpickled(blob, "The ensemble", with_what)
        return self.versions[version][1]

    def _unpickled(self, blob: bytes, what: str, with_what: str) -> Any:
        try:
            return pickle.loads(blob)
        except Exception as error:  # whatever a library of another version makes of it
            raise JournalError(
                f"{what} in {self.journal.path} cannot be read back ({type(error).__name__}: {error}). It was made "
                f"with {with_what}, this is {made_with()}: install what it was made with."
            ) from error

    def _compiled_of(self, fitted: RegimeAwareEnsemble) -> CompiledEnsemble | None:
        """The ensemble that answers, compiled, where that was asked for."""
        if not self._compiles or (self.compiled is not None and self.compiled.ensemble is fitted):
            return self.compiled
        return fitted.compile()

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
                f"The regime detector looks back, but {n_lost} rows that were predicted are not in {journal.path}, or "
                f"have other columns: it goes on without them.",
                UserWarning,
                stacklevel=5,
            )
        return detector

    def catch_up(self) -> None:
        """Where another process writes, read what it has written."""
        if not self.journal.read_only or self.journal.closed:
            return
        with self.journal.reading() as journal:
            self._load_news(journal)

    def _load_news(self, journal: Journal) -> None:
        if (journal.last_arrival(), journal.last_prediction()) != (self.arrival, self.n_remembered):
            self.load(journal)

    # Looking.

    def now(self) -> RegimeAwareEnsemble:
        """The ensemble with all that it has learned until now, never changed afterwards."""
        ensemble = self.replay.now().ensemble
        if hasattr(self.detector, "remember") and ensemble.regime_detector_ is not self.detector:
            ensemble = moved(ensemble, {"regime_detector_": self.detector})
        return ensemble

    def trained_until(self, ensemble: RegimeAwareEnsemble) -> int:
        """Time of the last row that the live ensemble was trained on; without times, when it went live."""
        until = ensemble.trained_until_
        return self.versions[self.version][0] if until is None else moment(until)

    def found(self, id: Any) -> Said:  # noqa: A002
        """Find a prediction by its id."""
        (id,) = checked_ids(id, 1)  # noqa: A001
        self.journal.check_open("look for a prediction")
        row = self.journal.said(id)
        if row is None:
            raise ValueError(f"Nothing was said under the id {shown(id)}: predict gives ids, pending() lists them.")
        return row

    def clock(self) -> int:
        """Now, in nanoseconds; where the computer's clock goes back, as little later than before as can be."""
        self.last_made = max(time.time_ns(), self.last_made + 1)
        return self.last_made

    # Writing.

    def check_writable(self, what: str) -> None:
        """Refuse what a closed journal, or one that is open for reading only, cannot take."""
        if self.journal.closed or self.journal.read_only:
            why = "has been closed" if self.journal.closed else "is open for reading only"
            raise JournalError(
                f"Cannot {what}: {self.journal.path} {why}. LiveEnsemble.open(path) opens it for writing."
            )

    @contextmanager
    def writing(self, what: str) -> Iterator[Journal]:
        """Write all of it or nothing; where it failed, the journal decides what has happened."""
        try:
            with self.journal.writing(what) as journal:
                yield journal
        except JournalError:
            with suppress(JournalError), self.journal.reading() as journal:
                self._load_news(journal)
            raise

    def keep(
        self,
        said: Explanation,
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
        numbers = [number for number, known in self.layouts.items() if known == layout]
        values = self.keeps_values or hasattr(self.detector, "remember")
        with self.writing("keep a prediction") as journal:
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
        self.layouts[number] = layout
        self.n_remembered += len(ids)

    def hear(self, news: Sequence[Event]) -> None:
        """Write down what came true, and learn from it."""
        with self.writing("take an outcome") as journal:
            for event in news:
                journal.record(event.entry)
        self.heard = news[-1].entry.at
        self._learn(news)

    def take_over(self, fitted: RegimeAwareEnsemble, blob: bytes, at: int | None) -> None:
        """Let an ensemble take over from a time on, by default right after the latest that was predicted."""
        made, version = self.clock(), self.version + 1
        if at is None:
            last = self.journal.last_at()
            at = made if last is None else last + 1
        start = max(at, self.taken_over[self.version] + 1)
        placed, late = self.replay.window.place(start)
        compiled = self._compiled_of(fitted)
        entry = Entry(self.arrival + 1, TAKEOVER, None, version, placed, late, start, made)
        detector = self._after_training(fitted, self.journal)
        with self.writing("adopt an ensemble") as journal:
            journal.add_version(version, made, made_with(), blob)
            journal.record(entry)
        self.versions[version] = made, fitted
        self.version, self.taken_over[version] = version, placed
        self.detector, self.compiled = detector, compiled
        self._learn([self.event(entry, None, None)])
        with suppress(JournalError):
            self.snapshot()

    def _learn(self, news: Sequence[Event]) -> None:
        """Sort events in that stand in the journal, and write a snapshot when it is time."""
        for event in news:
            self.replay.insert(event)
        self.arrival = news[-1].entry.arrival
        if self.replay.n_waiting <= len(news):
            # In order: learned from at once, so that the next prediction need not wait. What makes the fold go back
            # waits for it, since more may come.
            self.replay.now()
        if self.arrival - self.snapshot_arrival >= self._snapshot_every:
            # The journal holds everything: a snapshot that fails is written another time.
            with suppress(JournalError):
                self.snapshot()

    def snapshot(self) -> None:
        """Write down what has been learned, so that opening need not replay what arrived before."""
        self.replay.now()
        first, window = self.replay.first, self.replay.window
        state = {
            "state": moving(first.ensemble),
            "version": first.version,
            "arrivals": list(arrivals(window.events)),
            "n_closed": window.n_closed,
            "closed_until": window.closed_until,
            "taken_over": self.taken_over,
            "detector": self.detector if hasattr(self.detector, "remember") else None,
            "n_remembered": self.n_remembered,
        }
        with self.journal.writing("write a snapshot") as journal:
            journal.keep_snapshot(self.arrival, pickle.dumps(state))
        self.snapshot_arrival = self.arrival
        # Nothing takes us back to the ensembles before.
        self.versions = {number: known for number, known in self.versions.items() if number >= first.version}

    def prune(self, before: int) -> int:
        """Delete what nobody can ask for any more once predictions for times before one are gone; their number."""
        self.snapshot()
        first = min(arrivals(self.replay.window.events), default=self.arrival + 1)
        with self.journal.writing("prune") as journal:
            n_gone = journal.prune(before, first, self.replay.first.version)
        # The room stays in the file where a reader is in the way.
        with suppress(JournalError):
            self.journal.compact()
        return n_gone

"""The journal: one SQLite file in which every prediction and outcome stands before anybody is told that it does.

One idea: what has been acknowledged is on the disk, and what is on the disk is all there is to know. The rule kept
here: every statement of SQL stands in this file and takes its values as parameters, never as text.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

from skensemble._checks import check_choice, shown

__all__ = ["MIGRATIONS", "OUTCOME", "TAKEOVER", "TRADE", "Entry", "Journal", "JournalError", "Said"]

# Marks the file as ours ("sken"), so that a foreign database is never taken for a journal.
APPLICATION_ID = 0x736B656E

OUTCOME, TRADE, TAKEOVER = "y", "trade", "adopt"

# One script for each version of the schema: a file of version n lacks those from n on.
MIGRATIONS: list[str] = [
    """
    CREATE TABLE options (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE layouts (layout INTEGER PRIMARY KEY, names BLOB NOT NULL);
    CREATE TABLE columns (columns INTEGER PRIMARY KEY, description TEXT NOT NULL UNIQUE);
    CREATE TABLE versions (
        version INTEGER PRIMARY KEY, made INTEGER NOT NULL, made_with TEXT NOT NULL, ensemble BLOB NOT NULL
    );
    CREATE TABLE predictions (
        prediction INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL,
        made INTEGER NOT NULL, version INTEGER NOT NULL, layout INTEGER NOT NULL, said BLOB NOT NULL, columns INTEGER,
        features BLOB NOT NULL, stale INTEGER NOT NULL, settled INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX predictions_at ON predictions (at);
    CREATE INDEX predictions_open ON predictions (at) WHERE settled = 0;
    CREATE TABLE events (
        arrival INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, prediction INTEGER, version INTEGER NOT NULL,
        placed INTEGER NOT NULL, late INTEGER NOT NULL, at INTEGER NOT NULL, made INTEGER NOT NULL,
        outcome, won INTEGER, profit_bps REAL, loss REAL
    );
    CREATE UNIQUE INDEX events_once ON events (prediction, kind) WHERE prediction IS NOT NULL;
    CREATE INDEX events_late ON events (arrival) WHERE late = 1;
    CREATE TABLE snapshot (one INTEGER PRIMARY KEY CHECK (one = 1), arrival INTEGER NOT NULL, state BLOB NOT NULL);
    """,
]

_SYNCHRONOUS = {"full": "FULL", "normal": "NORMAL"}
# How long a reader's or a checkpoint's short lock is waited for.
_PATIENCE_S = 10.0


class JournalError(RuntimeError):
    """The journal could not be opened, read or written; the message says why, and what was not done."""


class Said(NamedTuple):
    """One prediction as it stands in the journal."""

    prediction: int
    id: str
    at: int
    made: int
    version: int
    layout: int
    said: bytes
    columns: int | None
    features: bytes
    stale: int


class Entry(NamedTuple):
    """One event: an outcome, a trade, or an ensemble that takes over."""

    arrival: int
    kind: str
    prediction: int | None
    version: int
    placed: int
    late: int
    at: int
    made: int
    outcome: Any = None
    won: int | None = None
    profit_bps: float | None = None
    loss: float | None = None


_SAID = ", ".join(f"p.{name}" for name in Said._fields)
_ENTRY = ", ".join(f"e.{name}" for name in Entry._fields)


class Journal:
    """An open journal.

    Parameters
    ----------
    path : path
        The file.
    synchronous : {"full", "normal"}
        Whether each acknowledged write survives the loss of power, or only the end of the process.
    read_only : bool
        Whether to look only. Otherwise this is the one writer, or there is an error.
    create : bool
        Whether the journal must not be there yet, or must be.
    """

    def __init__(self, path: Any, *, synchronous: str = "full", read_only: bool = False, create: bool = False) -> None:
        check_choice(synchronous, "synchronous", "LiveEnsemble", _SYNCHRONOUS)
        self.path = _checked_path(path)
        self.read_only = read_only
        self._process = os.getpid()
        self._lock: sqlite3.Connection | None = None
        self._connection: sqlite3.Connection | None = None
        if not create and not self.path.is_file():
            raise JournalError(f"There is no journal at {self.path}. LiveEnsemble(ensemble, path) begins one.")
        try:
            if not read_only:
                self._lock = self._locked()
            with self._speaking("open"):
                self._connection = self._connected(read_only)
                self._prepare(create, synchronous)
        except BaseException:
            self.close()
            raise

    # Opening.

    def _locked(self) -> sqlite3.Connection:
        """Hold a lock that ends with the process, whatever ends it."""
        with self._speaking("lock"):
            lock = _connect(_uri(Path(f"{self.path}.lock"), "rwc"), timeout=0)
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            lock.close()
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise JournalError(
                    f"{self.path} is open for writing already, here or in another process; one journal has one "
                    f"writer. Close that one, or look only: LiveEnsemble.open(path, read_only=True)."
                ) from None
            raise JournalError(self._sentence("lock", error)) from error
        return lock

    def _connected(self, read_only: bool) -> sqlite3.Connection:
        return _connect(_uri(self.path, "ro" if read_only else "rwc"), timeout=_PATIENCE_S)

    def _prepare(self, create: bool, synchronous: str) -> None:
        application, version = (self._one(f"PRAGMA {name}") for name in ("application_id", "user_version"))
        empty = not self._one("SELECT count(*) FROM sqlite_master")
        if create and not empty:
            raise JournalError(
                f"{self.path} holds {'a journal' if application == APPLICATION_ID else 'another database'} already. "
                f"LiveEnsemble.open(path) goes on with a journal; for a new one give another path."
            )
        if not empty and application != APPLICATION_ID:
            raise JournalError(f"{self.path} is a database, but no journal of skensemble. Nothing was changed.")
        if version > len(MIGRATIONS):
            raise JournalError(
                f"{self.path} was written by a newer skensemble (its schema is {version}, this one knows "
                f"{len(MIGRATIONS)}). Update skensemble; nothing was changed."
            )
        if not create and empty:
            raise JournalError(f"{self.path} holds no journal yet. LiveEnsemble(ensemble, path) begins one.")
        if self.read_only:
            if version < len(MIGRATIONS):
                raise JournalError(
                    f"{self.path} was written by an older skensemble (its schema is {version}, not "
                    f"{len(MIGRATIONS)}). Open it for writing once, which brings it up to date."
                )
            return
        self._do("PRAGMA journal_mode = WAL")
        self._do(f"PRAGMA synchronous = {_SYNCHRONOUS[synchronous]}")
        with self.writing("open"):
            for number in range(version, len(MIGRATIONS)):
                for statement in filter(str.strip, MIGRATIONS[number].split(";")):
                    self._do(statement)
                # Pragmas take no parameters; these are numbers of our own.
                self._do(f"PRAGMA user_version = {number + 1:d}")
            self._do(f"PRAGMA application_id = {APPLICATION_ID:d}")

    def close(self) -> None:
        """Close the file and let another writer in; what is closed stays so."""
        for connection in (self._connection, self._lock):
            if connection is not None and os.getpid() == self._process:
                with suppress(sqlite3.Error):
                    connection.close()
        self._connection = self._lock = None

    @property
    def closed(self) -> bool:
        return self._connection is None

    # Talking to SQLite.

    @contextmanager
    def writing(self, what: str) -> Iterator[Self]:
        """Write all of it or nothing."""
        if self.read_only:
            raise JournalError(f"{self.path} is open for reading only: cannot {what}.")
        with self._speaking(what):
            try:
                self._do("BEGIN IMMEDIATE")
                yield self
                self._do("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._do("ROLLBACK")
                raise

    @contextmanager
    def reading(self) -> Iterator[Journal]:
        """A second connection that sees one moment, for long reads that must not keep the writer waiting."""
        self.check_open("read")
        with self._speaking("read"):
            reader = object.__new__(Journal)
            reader.path, reader.read_only, reader._process, reader._lock = self.path, True, self._process, None
            reader._connection = self._connected(True)
            with closing(reader):
                reader._do("BEGIN")
                yield reader

    @contextmanager
    def _speaking(self, what: str) -> Iterator[None]:
        """Say what SQLite means."""
        try:
            yield
        except sqlite3.Error as error:
            raise JournalError(self._sentence(what, error)) from error

    def _sentence(self, what: str, error: sqlite3.Error) -> str:
        code = getattr(error, "sqlite_errorcode", None)
        reason, advice = _REASONS.get(-1 if code is None else code & 0xFF, ("", "Nothing of it is in the journal."))
        return f"Cannot {what}: {reason or 'SQLite failed'} ({self.path}: {error}). {advice}"

    def check_open(self, what: str) -> sqlite3.Connection:
        """Return the connection, or say why there is none."""
        if self._connection is None:
            raise JournalError(f"Cannot {what}: {self.path} has been closed. LiveEnsemble.open(path) opens it again.")
        if os.getpid() != self._process:
            raise JournalError(
                f"Cannot {what}: {self.path} was opened by process {self._process} and this is its fork "
                f"{os.getpid()}. Open it read_only here, or open it after the fork."
            )
        return self._connection

    def _do(self, statement: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        return self.check_open("use it").execute(statement, values)

    def _one(self, statement: str, values: Sequence[Any] = ()) -> Any:
        row = self._do(statement, values).fetchone()
        return None if row is None else row[0]

    # Options, versions, layouts.

    def options(self) -> dict[str, Any]:
        """What was chosen when the journal was begun."""
        return dict(self._do("SELECT name, value FROM options").fetchall())

    def keep_options(self, options: dict[str, Any]) -> None:
        for name, value in options.items():
            self._do("INSERT INTO options VALUES (?, ?)", (name, value))

    def add_version(self, version: int, made: int, made_with: str, ensemble: bytes) -> None:
        self._do("INSERT INTO versions VALUES (?, ?, ?, ?)", (version, made, made_with, ensemble))

    def version(self, version: int) -> tuple[int, str, bytes]:
        """When an ensemble was put in, with which libraries it was made, and the ensemble."""
        found = self._do("SELECT made, made_with, ensemble FROM versions WHERE version = ?", (version,)).fetchone()
        if found is None:
            raise JournalError(
                f"There is no ensemble of version {version} in {self.path}: it never was, or was pruned."
            )
        made, made_with, blob = found
        return made, made_with, blob

    def layouts(self) -> list[tuple[int, bytes]]:
        return self._do("SELECT layout, names FROM layouts").fetchall()

    def add_layout(self, names: bytes) -> int:
        return int(self._do("INSERT INTO layouts (names) VALUES (?)", (names,)).lastrowid or 0)

    def columns(self) -> dict[int, str]:
        return dict(self._do("SELECT columns, description FROM columns").fetchall())

    def columns_number(self, description: str) -> int:
        """Number of a description of columns, which is added where it is new."""
        known = self._one("SELECT columns FROM columns WHERE description = ?", (description,))
        if known is None:
            known = self._do("INSERT INTO columns (description) VALUES (?)", (description,)).lastrowid
        return int(known)

    # Predictions.

    def say(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Write predictions, each as in `Said` without its number."""
        self.check_open("keep a prediction").executemany(
            f"INSERT INTO predictions ({', '.join(Said._fields[1:])}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
        )

    def said(self, id: str) -> Said | None:  # noqa: A002
        """Find a prediction by its id."""
        row = self._do(f"SELECT {_SAID} FROM predictions p WHERE p.id = ?", (id,)).fetchone()
        return None if row is None else Said(*row)

    def last_prediction(self) -> int:
        return int(self._one("SELECT max(prediction) FROM predictions") or 0)

    def last_at(self) -> int | None:
        """The latest time that was predicted."""
        return self._one("SELECT max(at) FROM predictions")

    def predictions(self, after: int = 0, *, since: int | None = None) -> Iterator[Said]:
        """List predictions in the order in which they were made: later than a number, and made for times from on."""
        rows = self._do(
            f"SELECT {_SAID} FROM predictions p WHERE p.prediction > ?1 AND (?2 IS NULL OR p.at >= ?2) "
            "ORDER BY p.prediction",
            (after, since),
        )
        return (Said(*row) for row in rows)

    def latest_predictions(self, n: int) -> list[Said]:
        rows = self._do(f"SELECT {_SAID} FROM predictions p ORDER BY p.prediction DESC LIMIT ?", (n,)).fetchall()
        return [Said(*row) for row in rows]

    def open_predictions(self) -> list[tuple[str, int, int]]:
        """List id, time and version of the predictions without an outcome, oldest first."""
        return self._do("SELECT id, at, version FROM predictions WHERE settled = 0 ORDER BY at, prediction").fetchall()

    # Events.

    def last_arrival(self) -> int:
        return int(self._one("SELECT max(arrival) FROM events") or 0)

    def record(self, entry: Entry) -> None:
        """Write an event."""
        self._do("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", entry)
        if entry.prediction is not None:
            self._do("UPDATE predictions SET settled = 1 WHERE prediction = ?", (entry.prediction,))

    def event(self, prediction: int, kind: str) -> Entry | None:
        """Find what came true of a prediction."""
        row = self._do(
            f"SELECT {_ENTRY} FROM events e WHERE e.prediction = ? AND e.kind = ?", (prediction, kind)
        ).fetchone()
        return None if row is None else Entry(*row)

    def events(self, after: int) -> Iterator[tuple[Entry, int | None, bytes | None]]:
        """List events as they arrived, with layout and numbers of what had been said."""
        n = len(Entry._fields)
        rows = self._do(
            f"SELECT {_ENTRY}, p.layout, p.said FROM events e LEFT JOIN predictions p USING (prediction) "
            "WHERE e.arrival > ? ORDER BY e.arrival",
            (after,),
        )
        return ((Entry(*row[:n]), *row[n:]) for row in rows)

    def events_of(self, arrivals: Iterable[int]) -> Iterator[tuple[Entry, int | None, bytes | None]]:
        """List some events, in the given order, with layout and numbers of what had been said."""
        n = len(Entry._fields)
        for arrival in arrivals:
            row = self._do(
                f"SELECT {_ENTRY}, p.layout, p.said FROM events e LEFT JOIN predictions p USING (prediction) "
                "WHERE e.arrival = ?",
                (arrival,),
            ).fetchone()
            yield Entry(*row[:n]), *row[n:]

    def begun(self) -> int:
        """When the journal began, as far as it knows."""
        return int(self._one("SELECT min(made) FROM versions"))

    def settled(self, *, last: int | None = None) -> list[tuple[Entry, Said]]:
        """List outcomes with what had been said, in the order of the times they are of."""
        n = len(Entry._fields)
        rows = self._do(
            f"SELECT {_ENTRY}, {_SAID} FROM events e JOIN predictions p USING (prediction) WHERE e.kind = ? "
            "ORDER BY e.placed DESC, p.prediction DESC LIMIT ?",
            (OUTCOME, -1 if last is None else last),
        ).fetchall()
        return [(Entry(*row[:n]), Said(*row[n:])) for row in reversed(rows)]

    def losses(self, version: int) -> list[float]:
        """Losses of the outcomes that arrived since an ensemble took over, as they arrived."""
        rows = self._do(
            "SELECT loss FROM events WHERE loss IS NOT NULL AND arrival > "
            "coalesce((SELECT max(arrival) FROM events WHERE kind = ? AND version = ?), 0) ORDER BY arrival",
            (TAKEOVER, version),
        )
        return [loss for (loss,) in rows]

    def story(self) -> Iterator[tuple[Any, ...]]:
        """List everything that was said: the prediction, then the outcome and the trade, and when the outcome came."""
        return iter(
            self._do(
                f"SELECT {_SAID}, e.outcome, e.loss, t.won, t.profit_bps, "
                "coalesce(e.late, 0) + coalesce(t.late, 0), e.made FROM predictions p "
                "LEFT JOIN events e ON e.prediction = p.prediction AND e.kind = ? "
                "LEFT JOIN events t ON t.prediction = p.prediction AND t.kind = ? ORDER BY p.prediction",
                (OUTCOME, TRADE),
            )
        )

    def figures(self) -> dict[str, Any]:
        """What `Health` counts by the journal."""
        return {
            "n_predictions": self._one("SELECT count(*) FROM predictions"),
            "n_pending": self._one("SELECT count(*) FROM predictions WHERE settled = 0"),
            "n_outcomes": self._one("SELECT count(*) FROM events WHERE kind <> ?", (TAKEOVER,)),
            "n_late": self._one("SELECT count(*) FROM events WHERE late = 1"),
        }

    def last_feedback(self) -> int | None:
        """Time of the outcome that arrived last."""
        return self._one("SELECT at FROM events WHERE kind <> ? ORDER BY arrival DESC LIMIT 1", (TAKEOVER,))

    def last_made(self) -> int:
        """The last reading of the clock that is in the journal."""
        return max(
            int(self._one(f"SELECT coalesce(max(made), 0) FROM (SELECT made FROM {table} ORDER BY {key} DESC LIMIT 1)"))
            for table, key in (("predictions", "prediction"), ("events", "arrival"), ("versions", "version"))
        )

    def n_bytes(self) -> int:
        """Size of the file and of its log."""
        return sum(each.stat().st_size for each in (self.path, Path(f"{self.path}-wal")) if each.exists())

    # Snapshots and pruning.

    def snapshot(self) -> tuple[int, bytes] | None:
        return self._do("SELECT arrival, state FROM snapshot").fetchone()

    def keep_snapshot(self, arrival: int, state: bytes) -> None:
        self._do("INSERT OR REPLACE INTO snapshot VALUES (1, ?, ?)", (arrival, state))

    def prune(self, before: int, first_arrival: int, first_version: int) -> int:
        """Delete predictions made for times before one, and their events, but for those events from an arrival on.

        With them go ensembles before a version, of which no prediction is left.
        """
        kept = "SELECT prediction FROM events WHERE arrival >= ? AND prediction IS NOT NULL"
        gone = f"SELECT prediction FROM predictions WHERE at < ? AND prediction NOT IN ({kept})"
        self._do(f"DELETE FROM events WHERE prediction IN ({gone})", (before, first_arrival))
        n_gone = self._do(f"DELETE FROM predictions WHERE prediction IN ({gone})", (before, first_arrival)).rowcount
        self._do(
            "DELETE FROM versions WHERE version < ? AND version NOT IN (SELECT version FROM predictions)",
            (first_version,),
        )
        return n_gone

    def compact(self) -> None:
        """Give the room of what was deleted back to the disk."""
        with self._speaking("compact"):
            self._do("VACUUM")
            self._do("PRAGMA wal_checkpoint(TRUNCATE)")


_REASONS = {
    sqlite3.SQLITE_FULL: ("the disk is full", "Nothing of it is in the journal; make room and call again."),
    sqlite3.SQLITE_IOERR: ("the disk failed", "Nothing of it is in the journal; look at the disk and call again."),
    sqlite3.SQLITE_READONLY: (
        "the file or its folder may not be written",
        "Give this user the right to write both, or look only: LiveEnsemble.open(path, read_only=True).",
    ),
    sqlite3.SQLITE_PERM: ("the file may not be used", "Give this user the right to read and write it."),
    sqlite3.SQLITE_CANTOPEN: (
        "the file cannot be opened",
        "Is the folder there, and may this user read and write it?",
    ),
    sqlite3.SQLITE_CORRUPT: (
        "the file is damaged",
        "Restore a backup; what is left can be read with the sqlite3 program's .recover.",
    ),
    sqlite3.SQLITE_NOTADB: ("the file is no database, or cut off", "Is this the right path? Restore a backup if so."),
    sqlite3.SQLITE_BUSY: ("another connection holds a lock for long", "Let it finish and call again."),
}


def _connect(uri: str, *, timeout: float) -> sqlite3.Connection:
    return sqlite3.connect(uri, timeout=timeout, uri=True, isolation_level=None, check_same_thread=False)


def _uri(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?mode={mode}"


def _checked_path(path: Any) -> Path:
    try:
        # Two names of one file are one journal.
        return Path(os.path.realpath(os.fsdecode(path)))
    except (TypeError, ValueError):
        raise ValueError(f"path of LiveEnsemble must be a path to a file; got {shown(path)}.") from None

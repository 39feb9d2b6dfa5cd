"""The journal: nothing acknowledged is lost, whatever fails, and a file that is none is refused in words."""

import os
import resource
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from _live_cases import at, learned, regressor, rows

from skensemble import JournalError, LiveEnsemble
from skensemble.live import _journal

ROWS, YS, REGIMES = rows(60, seed=1)
ENSEMBLE = regressor()
OTHER = regressor(seed=3)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "live.db"


@pytest.fixture
def live(path):
    with LiveEnsemble(ENSEMBLE, path, synchronous="normal", snapshot_every=4) as live:
        yield live


def say(live, i):
    return live.predict(ROWS[i], id=f"row {i}", at=at(i), regimes=REGIMES[i])


def test_a_process_that_is_killed_a_hundred_times_is_as_one_that_never_was(tmp_path):
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("_live_victim.py")), str(tmp_path), "100", "0"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    n_kills, n_calls, n_about, version = map(int, done.stdout.split())
    assert n_kills == 100
    assert n_calls > 300
    assert n_about > 10
    assert version > 1


# Failures at every write.


class Failing(sqlite3.Connection):
    """A connection whose n-th statement that writes fails, before or after it was carried out."""

    countdown = None
    after = False

    def execute(self, statement, *values):
        return self._or_fail(statement, super().execute, *values)

    def executemany(self, statement, *values):
        return self._or_fail(statement, super().executemany, *values)

    def _or_fail(self, statement, run, *values):
        cls = type(self)
        writes = statement.split()[0] in ("INSERT", "UPDATE", "DELETE", "COMMIT", "BEGIN") and statement != "BEGIN"
        if not writes or cls.countdown is None:
            return run(statement, *values)
        cls.countdown -= 1
        if cls.countdown >= 0:
            return run(statement, *values)
        if cls.after:
            run(statement, *values)
        cls.countdown = None
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error


@pytest.fixture
def failing(monkeypatch):
    real = sqlite3.connect
    monkeypatch.setattr(_journal.sqlite3, "connect", lambda *args, **given: real(*args, factory=Failing, **given))
    yield Failing
    Failing.countdown, Failing.after = None, False


def _same(first, second):
    return first[0] == second[0] and first[1].equals(second[1])


CALLS = {
    "predict": lambda live: say(live, 9),
    "feedback": lambda live: live.feedback("row 3", y=YS[3], won=True),
    "many": lambda live: live.feedback(["row 1", "row 0", "row 2"], y=YS[[1, 0, 2]]),
    "adopt": lambda live: live.adopt(OTHER, at=at(20)),
    "prune": lambda live: live.prune(before=at(2)),
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", CALLS)
def test_a_call_that_fails_at_any_write_has_not_happened_or_has_as_a_whole(path, failing, name, after):
    call, n_failures = CALLS[name], 0
    # What the call does where nothing fails.
    twin = LiveEnsemble(ENSEMBLE, path.with_name("twin.db"), synchronous="normal", snapshot_every=4)
    live = LiveEnsemble(ENSEMBLE, path, synchronous="normal", snapshot_every=4)
    for each in (twin, live):
        for i in range(6):
            say(each, i)
        each.feedback(["row 4", "row 5"], y=YS[4:6])
    before = learned(live.ensemble), live.to_frame()
    call(twin)
    expected = learned(twin.ensemble), twin.to_frame()
    failed_late = False
    for number in range(30):
        failing.countdown, failing.after = number, after
        failure = None
        try:
            call(live)
        except JournalError as error:
            failure = str(error)
        if failure is None:
            break
        n_failures += 1
        assert "the disk failed" in failure
        state = learned(live.ensemble), live.to_frame()
        failed_late = not _same(state, before)
        if failed_late:
            assert _same(state, expected)
            break
    failing.countdown = None
    assert n_failures > 1
    if not failed_late:
        assert learned(live.ensemble) == expected[0]
    live.close()
    with LiveEnsemble.open(path, synchronous="normal") as again:
        assert learned(again.ensemble) == expected[0]
        assert again.to_frame().equals(expected[1])
    twin.close()


def test_a_snapshot_that_fails_fails_nobody_and_is_written_another_time(live, failing, monkeypatch):
    def broken(self, arrival, state):
        raise JournalError("no room")

    for i in range(12):
        say(live, i)
    with monkeypatch.context() as patch:
        patch.setattr(_journal.Journal, "keep_snapshot", broken)
        for i in range(6):
            assert live.feedback(f"row {i}", y=YS[i])
    assert live._journal.snapshot() is None
    live.feedback("row 7", y=YS[7])
    assert live._journal.snapshot()[0] == 7


def test_a_full_disk_is_said_and_nothing_is_lost(live, path):
    for i in range(5):
        say(live, i)
    live.feedback("row 0", y=YS[0])
    n_pages = live._journal._one("PRAGMA page_count")
    live._journal._one(f"PRAGMA max_page_count = {n_pages:d}")
    i = 5
    full = None
    while full is None:
        try:
            say(live, i)
            i += 1
        except JournalError as error:
            full = str(error)
    assert full.startswith("Cannot keep a prediction: the disk is full")
    assert full.endswith("make room and call again.")
    kept = learned(live.ensemble)
    assert len(live.to_frame()) == i
    live._journal._one("PRAGMA max_page_count = 1000000")
    say(live, i)
    assert learned(live.ensemble) == kept
    live.close()
    with LiveEnsemble.open(path) as again:
        assert learned(again.ensemble) == kept
        assert len(again.to_frame()) == i + 1


@contextmanager
def files_of_at_most(n_bytes):
    """Let the system refuse to write further."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("n_more", [0, 500, 5000, 20000])
def test_a_file_that_may_not_grow_stops_the_journal_and_not_the_ensemble(path, n_more):
    with LiveEnsemble(ENSEMBLE, path, on_journal_error="warn") as live:
        for i in range(5):
            say(live, i)
        with (
            files_of_at_most(Path(f"{path}-wal").stat().st_size + n_more),
            pytest.warns(UserWarning, match=r"Cannot keep a prediction: .* is not in the journal: no outcome of it"),
        ):
            said, n_rows = _first_outside(live, 5)
        assert said.prediction[0] == live.ensemble.predict(ROWS[[7]])[0]
        with pytest.raises(ValueError, match=f"Nothing was said under the id '{said.id}'"):
            live.feedback(said.id, y=1.0)
        state = learned(live.ensemble)
        with files_of_at_most(0):
            _refused(lambda: live.feedback("row 1", y=1.0), "Cannot take an outcome")
            _refused(lambda: live.adopt(OTHER), "Cannot adopt an ensemble")
        assert learned(live.ensemble) == state
        assert say(live, 40).journaled
    with LiveEnsemble.open(path) as again:
        assert learned(again.ensemble) == state
        assert len(again.to_frame()) == n_rows + 1


def _first_outside(live, n_rows):
    """Predict until it is not in the journal."""
    while (said := live.predict(ROWS[7], id=f"row {n_rows}")).journaled:
        n_rows += 1
    return said, n_rows


def _refused(call, sentence):
    with pytest.raises(JournalError, match=sentence):
        call()


def test_a_file_that_may_not_be_written_is_said(live):
    say(live, 0)
    live._journal._do("PRAGMA query_only = ON")
    with pytest.raises(JournalError, match="Cannot take an outcome: the file or its folder may not be written"):
        live.feedback("row 0", y=1.0)
    live._journal._do("PRAGMA query_only = OFF")
    assert live.feedback("row 0", y=1.0)


# Files that are no journals.


def test_what_is_no_journal_is_refused_and_stays_as_it_is(tmp_path):
    text = tmp_path / "text.db"
    text.write_text("id,y\n" * 200)
    with pytest.raises(JournalError, match="the file is no database, or cut off"):
        LiveEnsemble.open(text)
    with pytest.raises(JournalError, match="the file is no database, or cut off"):
        LiveEnsemble(ENSEMBLE, text)
    assert text.read_text() == "id,y\n" * 200
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    content = foreign.read_bytes()
    with pytest.raises(JournalError, match="is a database, but no journal of skensemble"):
        LiveEnsemble.open(foreign)
    with pytest.raises(JournalError, match="holds another database already"):
        LiveEnsemble(ENSEMBLE, foreign)
    assert foreign.read_bytes() == content
    with pytest.raises(JournalError, match="There is no journal at"):
        LiveEnsemble.open(tmp_path / "nothing.db")
    with pytest.raises(JournalError, match="There is no journal at"):
        LiveEnsemble.open(tmp_path)
    with pytest.raises(JournalError, match="the file cannot be opened"):
        LiveEnsemble(ENSEMBLE, tmp_path / "no folder" / "live.db")
    for wrong in (None, 3, object(), "a\x00b"):
        with pytest.raises(ValueError, match="path of LiveEnsemble must be a path"):
            LiveEnsemble(ENSEMBLE, wrong)


def test_an_empty_file_becomes_a_journal_and_a_journal_does_not_begin_twice(path):
    path.touch()
    with pytest.raises(JournalError, match="holds no journal yet"):
        LiveEnsemble.open(path)
    LiveEnsemble(ENSEMBLE, path).close()
    with pytest.raises(JournalError, match=r"holds a journal already. LiveEnsemble.open\(path\) goes on"):
        LiveEnsemble(OTHER, path)
    LiveEnsemble.open(path).close()


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9])
def test_a_file_that_was_cut_off_is_said(live, path, share):
    for i in range(40):
        say(live, i)
    live.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    with (
        pytest.raises(JournalError, match=r"the file is no database, or cut off|the file is damaged"),
        LiveEnsemble.open(path) as again,
    ):
        again.to_frame()


def test_a_journal_of_a_newer_version_is_left_alone(live, path):
    live.close()
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {len(_journal.MIGRATIONS) + 1}")
    other.close()
    for read_only in (False, True):
        with pytest.raises(JournalError, match=r"was written by a newer skensemble .* Update skensemble"):
            LiveEnsemble.open(path, read_only=read_only)


def test_a_journal_of_an_older_version_is_brought_up_to_date_once(live, path, monkeypatch):
    say(live, 0)
    live.close()
    monkeypatch.setattr(
        _journal, "MIGRATIONS", [*_journal.MIGRATIONS, "CREATE TABLE later (x); INSERT INTO later VALUES (1);"]
    )
    with pytest.raises(JournalError, match=r"was written by an older skensemble .* Open it for writing once"):
        LiveEnsemble.open(path, read_only=True)
    for _ in range(2):
        with LiveEnsemble.open(path) as again:
            assert again._journal._one("SELECT count(*) FROM later") == 1
            assert again.pending()["id"].tolist() == ["row 0"]
    LiveEnsemble.open(path, read_only=True).close()


def test_a_migration_that_fails_changes_nothing(live, path, monkeypatch):
    live.close()
    with monkeypatch.context() as patch:
        patch.setattr(_journal, "MIGRATIONS", [*_journal.MIGRATIONS, "CREATE TABLE later (x); NONSENSE;"])
        with pytest.raises(JournalError, match="Cannot open"):
            LiveEnsemble.open(path)
    LiveEnsemble.open(path).close()


def test_a_new_journal_has_the_schema_that_all_migrations_make(live):
    assert live._journal._one("PRAGMA user_version") == len(_journal.MIGRATIONS)
    assert live._journal._one("PRAGMA journal_mode") == "wal"


@pytest.mark.parametrize(("synchronous", "number"), [("full", 2), ("normal", 1)])
def test_the_disk_is_waited_for_as_chosen(path, synchronous, number):
    with LiveEnsemble(ENSEMBLE, path, synchronous=synchronous) as live:
        assert live._journal._one("PRAGMA synchronous") == number
    with pytest.raises(ValueError, match="synchronous of LiveEnsemble must be one of 'full', 'normal'; got 'off'"):
        LiveEnsemble.open(path, synchronous="off")


def test_an_ensemble_that_cannot_be_read_back_is_said(live, path):
    live.close()
    with sqlite3.connect(path) as other:
        other.execute("UPDATE versions SET ensemble = ?", (b"\x80\x04cgone\nNothing\n.",))
    other.close()
    with pytest.raises(
        JournalError, match=r"cannot be read back .* made with .*scikit-learn.* install what it was made"
    ):
        LiveEnsemble.open(path)


# One writer, many readers.


def test_a_second_writer_is_refused_and_a_reader_is_not(live, path):
    say(live, 0)
    for again in (lambda: LiveEnsemble.open(path), lambda: LiveEnsemble(ENSEMBLE, path)):
        with pytest.raises(JournalError, match="is open for writing already, here or in another process"):
            again()
    link = path.with_name("link.db")
    link.symlink_to(path)
    with pytest.raises(JournalError, match="is open for writing already"):
        LiveEnsemble.open(link)
    with LiveEnsemble.open(path, read_only=True) as looking:
        say(live, 1)
        live.feedback("row 0", y=YS[0])
        assert learned(looking.ensemble) == learned(live.ensemble)
        assert looking.to_frame().equals(live.to_frame())
        assert looking.pending()["id"].tolist() == ["row 1"]
        assert looking.said("row 1").prediction == live.said("row 1").prediction
        assert looking.health().n_outcomes == 1
        live.adopt(OTHER, at=at(9))
        assert learned(looking.ensemble) == learned(live.ensemble)
        assert looking.health().version == 2
        for call in (
            lambda: looking.predict(ROWS[0]),
            lambda: looking.feedback("row 1", y=1.0),
            lambda: looking.adopt(OTHER),
            lambda: looking.prune(before=at(1)),
        ):
            with pytest.raises(JournalError, match="is open for reading only"):
                call()
    live.close()
    LiveEnsemble.open(path).close()


def test_another_process_reads_and_may_not_write(live, path):
    say(live, 0)
    script = (
        "import sys; from skensemble import LiveEnsemble, JournalError\n"
        "with LiveEnsemble.open(sys.argv[1], read_only=True) as live: print(live.pending()['id'].tolist())\n"
        "try: LiveEnsemble.open(sys.argv[1])\n"
        "except JournalError as error: print('open for writing already' in str(error))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], check=True, capture_output=True, text=True, cwd=Path(__file__).parent
    )
    assert done.stdout.split("\n")[:2] == ["['row 0']", "True"]


def test_a_fork_is_told_to_open_the_journal_itself(live, monkeypatch):
    say(live, 0)
    monkeypatch.setattr(_journal.os, "getpid", lambda: 1)
    with pytest.raises(JournalError, match=r"was opened by process .* this is its fork 1"):
        live.feedback("row 0", y=1.0)
    monkeypatch.undo()
    assert live.feedback("row 0", y=1.0)

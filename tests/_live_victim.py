"""A process that is killed while it predicts and feeds back, again and again, beside a twin that never is.

Run as a script: forks children, kills them at random moments, reopens the journal, and compares it with what was
acknowledged and with a journal in which the same calls were never interrupted.
"""

import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

from _live_cases import MODELS, at, learned, regressor, rows

from skensemble import LiveEnsemble

ROWS, YS, REGIMES = rows(200, seed=2)
ENSEMBLES = [regressor(), regressor(MODELS[1:], seed=3), regressor([*MODELS, ("d", MODELS[0][1])], seed=4)]


def do(live, call):
    """One call; a call that was made already is harmless."""
    kind, number = call
    if kind == "predict":
        i = number % len(ROWS)
        live.predict(ROWS[i], id=f"row {number}", at=at(number), regimes=REGIMES[i])
    elif kind == "feedback":
        live.feedback(f"row {number}", y=YS[number % len(YS)])
    elif kind == "trade":
        live.feedback(f"row {number}", profit_bps=10.0 * YS[number % len(YS)])
    elif kind == "adopt":
        live.adopt(ENSEMBLES[number % 3], at=at(number - 0.5))
    elif kind == "prune":
        live.prune(before=at(number))


def is_done(live, call):
    kind, number = call
    if kind == "adopt":
        return live.version
    if kind == "prune":
        return None
    frame = live.to_frame().set_index("id")
    name = f"row {number}"
    if name not in frame.index or kind == "predict":
        return name in frame.index
    return bool(frame.loc[name].notna()["y" if kind == "feedback" else "profit_bps"])


def calls(chance, first):
    """An endless story: predictions in order, outcomes in any order, now and then another ensemble."""
    number, open_ids = first, []
    while True:
        yield "predict", number
        open_ids.append(number)
        number += 1
        while open_ids and chance.random() < 0.6:
            known = open_ids.pop(chance.randrange(len(open_ids)))
            yield "feedback", known
            if chance.random() < 0.2:
                yield "trade", known
        if chance.random() < 0.02:
            yield "adopt", number
        if chance.random() < 0.01:
            yield "prune", number - 150


def live_until_killed(path, seed, first, log):
    live = LiveEnsemble.open(path, synchronous="normal")
    for kind, number in calls(random.Random(seed), first):
        os.write(log, f"begin {kind} {number}\n".encode())
        do(live, (kind, number))
        os.write(log, f"done {kind} {number}\n".encode())


def one_life(path, chance, first):
    """Let a child live for a while; the calls that it has acknowledged, and the one that it was about."""
    read, log = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        try:
            live_until_killed(path, chance.random(), first, log)
        except BaseException as error:
            os.write(log, f"failed {type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(1)
    os.close(log)
    said = b""
    n_calls = chance.choice([0, 0, 1, 3, 10, 25])
    while said.count(b"done") < n_calls:
        more = os.read(read, 65536)
        if not more:
            break
        said += more
    time.sleep(chance.random() * 0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while more := os.read(read, 65536):
        said += more
    os.close(read)
    lines = said.decode().splitlines()
    assert not [line for line in lines if line.startswith("failed")], lines[-1]
    parsed = [(word, kind, int(number)) for word, kind, number in map(str.split, lines)]
    done = [(kind, number) for word, kind, number in parsed if word == "done"]
    begun = [(kind, number) for word, kind, number in parsed if word == "begin"]
    return done, begun[len(done) :]


def main(folder, n_kills, seed):
    warnings.simplefilter("ignore")
    chance = random.Random(seed)
    path, twin_path = Path(folder) / "killed.db", Path(folder) / "twin.db"
    options = {"replay_window": 60, "snapshot_every": 15, "synchronous": "normal"}
    LiveEnsemble(ENSEMBLES[0], path, **options).close()
    twin = LiveEnsemble(ENSEMBLES[0], twin_path, **options)
    n_calls = n_open = first = 0
    for _ in range(n_kills):
        done, about = one_life(path, chance, first)
        for call in done:
            do(twin, call)
        n_calls += len(done)
        with LiveEnsemble.open(path, synchronous="normal") as live:
            for call in about:
                # Nobody was told how this one ended: it is in the journal as a whole, or not at all.
                n_open += 1
                in_journal = is_done(live, call)
                if call[0] == "prune":
                    do(live, call)
                if in_journal is True or (call[0] == "adopt" and in_journal > twin.version) or call[0] == "prune":
                    do(twin, call)
            assert learned(live.ensemble) == learned(twin.ensemble)
            assert live.to_frame().equals(twin.to_frame())
            assert live.health().n_late == twin.health().n_late
        first = 1 + max([first, *(number for kind, number in [*done, *about] if kind == "predict")])
    sys.stdout.write(f"{n_kills} {n_calls} {n_open} {twin.version}\n")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))

"""Any interleaving of calls on a live ensemble equals a simple model in memory: a sorted list, learned from anew."""

import shutil
import tempfile
from bisect import bisect
from copy import copy
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from _live_cases import MODELS, as_explanation, at, learned, regressor, rows
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from skensemble import LiveEnsemble
from skensemble._carry import transplanted
from skensemble.explanation import joined

ROWS, YS, REGIMES = rows(100, seed=5)
ENSEMBLES = [regressor(), regressor(MODELS[1:], seed=3), regressor([*MODELS, ("d", MODELS[1][1])], seed=4)]
WINDOW = 6


def nanoseconds(hour):
    return at(hour).as_unit("ns").value


class Model:
    """What a live ensemble should be: events in the order of time, and what came too late at the end."""

    def __init__(self):
        self.said, self.known, self.traded = {}, {}, {}
        self.events, self.versions, self.closed, self.n_late = [], [(0, ENSEMBLES[0])], None, 0

    def add(self, time, rank, number, event):
        late = self.closed is not None and time <= self.closed
        self.n_late += late
        time = self.events[-1][0] if late else time
        keys = [each[:3] for each in self.events]
        self.events.insert(bisect(keys, (time, rank, number)), (time, rank, number, event))
        # A time is closed once there are so many events of later times.
        for each in {each[0] for each in self.events}:
            if each > (self.closed or 0) and sum(other[0] > each for other in self.events) >= WINDOW:
                self.closed = each
        return time

    def ensemble(self):
        ensemble = copy(ENSEMBLES[0])
        for (time, rank), same in groupby(self.events, key=lambda event: event[:2]):
            events = [event[3] for event in same]
            if rank == 2:
                for fitted in events:
                    after = copy(fitted)
                    vars(after).update(transplanted(vars(ensemble), vars(fitted)))
                    ensemble = after
                continue
            index = pd.DatetimeIndex(np.full(len(events), time, dtype="datetime64[ns]"))
            # Those of one version together: what each of them said has names of its own.
            for _, batch in groupby(zip(events, index, strict=True), key=lambda pair: self.said[pair[0]][0].models):
                numbers, times = zip(*batch, strict=True)
                said = [as_explanation(self.said[number][0]) for number in numbers]
                if rank == 0:
                    together = replace(joined(said), index=pd.DatetimeIndex(times))
                    ensemble.partial_update(predictions=together, y=[self.known[n] for n in numbers])
                else:
                    for number, one in zip(numbers, said, strict=True):
                        trade = {"model": None, "profit_bps": self.traded[number], "regime": one.regime[0]}
                        ensemble.partial_update(trades=trade, predictions=one)
        return ensemble


class LiveMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.folder = tempfile.mkdtemp()
        self.live = LiveEnsemble(
            ENSEMBLES[0], Path(self.folder) / "live.db", synchronous="normal", replay_window=WINDOW, snapshot_every=3
        )
        self.model = Model()
        self.n = 0

    def teardown(self):
        self.live.close()
        shutil.rmtree(self.folder)

    @rule(hour=st.integers(0, 30), n=st.integers(1, 3))
    def predict(self, hour, n):
        taken = [(self.n + k) % len(ROWS) for k in range(n)]
        names = [f"row {self.n + k}" for k in range(n)]
        said = self.live.predict(ROWS[taken], id=names, at=at(hour), regimes=REGIMES[taken])
        for k in range(n):
            self.model.said[self.n + k] = said[k], nanoseconds(hour), self.live.version
        self.n += n

    def _placed(self, number):
        _, time, version = self.model.said[number]
        # Nothing that a version said is learned from before it took over.
        return max(time, self.model.versions[version - 1][0] + 1)

    @precondition(lambda self: self.n)
    @rule(data=st.data(), y=st.sampled_from([-1.0, 0.5, 2.0]))
    def feedback(self, data, y):
        number = data.draw(st.integers(0, self.n - 1))
        if number in self.model.known:
            y = self.model.known[number]
            assert not self.live.feedback(f"row {number}", y=y)
            with pytest.raises(ValueError, match="another one"):
                self.live.feedback(f"row {number}", y=y + 1)
            return
        assert self.live.feedback(f"row {number}", y=y)
        self.model.known[number] = y
        self.model.add(self._placed(number), 0, number, number)

    @precondition(lambda self: self.n)
    @rule(data=st.data(), profit=st.sampled_from([-20.0, 5.0, 30.0]))
    def trade(self, data, profit):
        number = data.draw(st.integers(0, self.n - 1))
        if number not in self.model.traded:
            assert self.live.feedback(f"row {number}", profit_bps=profit)
            self.model.traded[number] = profit
            self.model.add(self._placed(number), 1, number, number)

    @rule()
    def restart(self):
        self.live.close()
        self.live = LiveEnsemble.open(self.live.path, synchronous="normal")

    @rule(which=st.integers(0, 2), hour=st.integers(0, 30))
    def adopt(self, which, hour):
        self.live.adopt(ENSEMBLES[which], at=at(hour + 0.5))
        time = max(nanoseconds(hour + 0.5), self.model.versions[-1][0] + 1)
        placed = self.model.add(time, 2, len(self.model.versions), ENSEMBLES[which])
        self.model.versions.append((placed, ENSEMBLES[which]))

    @rule()
    def refuse(self):
        with pytest.raises(ValueError, match="Nothing was said"):
            self.live.feedback("nobody", y=1.0)

    @invariant()
    def nothing_is_lost_or_counted_twice(self):
        if not hasattr(self, "model"):
            return
        health = self.live.health()
        assert (health.n_predictions, health.n_outcomes) == (
            self.n,
            len(self.model.known) + len(self.model.traded),
        )
        assert health.n_late == self.model.n_late
        assert health.version == len(self.model.versions)
        assert learned(self.live.ensemble) == learned(self.model.ensemble())
        settled = {f"row {number}" for number in (*self.model.known, *self.model.traded)}
        assert set(self.live.pending()["id"]) == {f"row {number}" for number in range(self.n)} - settled


LiveMachine.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
TestAnyInterleaving = LiveMachine.TestCase


def test_the_model_would_notice_a_difference():
    model = Model()
    said = regressor().explain(ROWS[:1], regimes=REGIMES[:1])
    model.said[0], model.known[0] = (said, 0, 1), 1.0
    before = learned(model.ensemble())
    model.add(nanoseconds(0), 0, 0, 0)
    assert learned(model.ensemble()) != before
    assert np.isfinite(model.ensemble().weights_).all(axis=None)

"""What has been learned, in the order of the times that outcomes are of, whatever the order in which they arrive.

One idea: the state is a fold over events that are sorted by time. One rule: events of one time are learned together or
not at all, so that where the fold was interrupted never shows, not in the last bit. Records never change, so a moment
is kept by a shallow copy; a late outcome takes the fold back to the last moment before it.
"""

from __future__ import annotations

import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from itertools import groupby
from typing import Any, NamedTuple

from skensemble._base import RegimeAwareEnsemble
from skensemble._carry import transplanted
from skensemble.explanation import Explanation, laid_out
from skensemble.live._journal import OUTCOME, TAKEOVER, TRADE, Entry
from skensemble.live._prediction import Layout
from skensemble.live._rows import in_kind
from skensemble.trades import check_trades

__all__ = ["Event", "Moment", "Replay", "Window", "moving"]

_RANKS = {OUTCOME: 0, TRADE: 1, TAKEOVER: 2}
# Kept moments within the window, and events beyond it that may wait to be learned from.
_N_KEPT = 16
_MOST_WAITING = 2000


class Event(NamedTuple):
    """An event with what had been said; of one time outcomes come first, then trades, then takeovers."""

    placed: int
    rank: int
    number: int
    entry: Entry
    layout: Layout | None
    said: bytes | None

    @classmethod
    def of(cls, entry: Entry, layout: Layout | None, said: bytes | None) -> Event:
        """Put an event of the journal in its place."""
        number = entry.version if entry.prediction is None else entry.prediction
        return cls(entry.placed, _RANKS[entry.kind], number, entry, layout, said)

    @property
    def key(self) -> tuple[int, int, int]:
        return self[:3]


class Moment(NamedTuple):
    """The ensemble after so many events of the window."""

    n_events: int
    version: int
    ensemble: RegimeAwareEnsemble


class Window:
    """The latest events in the order of their times, and how far back a late one may still be sorted in.

    Parameters
    ----------
    n_least : int
        How many events stay open to late ones before them.
    events : list of Event
        Sorted.
    n_closed : int
        How many of them are closed.
    closed_until : int or None
        Time of the last closed event; None as long as nothing is closed.
    """

    def __init__(
        self, n_least: int, events: Sequence[Event] = (), n_closed: int = 0, closed_until: int | None = None
    ) -> None:
        self.n_least = n_least
        self.events = list(events)
        self.n_closed = n_closed
        self.closed_until = closed_until

    def place(self, at: int) -> tuple[int, int]:
        """Say at which time an event of a time is sorted in, and whether it came too late for its own."""
        if self.closed_until is None or at > self.closed_until:
            return at, 0
        return self.events[-1].placed, 1

    def insert(self, event: Event) -> int:
        """Sort an event in; the number of events whose times are all before its own."""
        self.events.insert(bisect_right(self.events, event.key, key=_key), event)
        before = bisect_left(self.events, event.placed, key=_placed)
        while len(self.events) - self.n_closed > self.n_least:
            # What happened at one time is closed together.
            closing = self.events[self.n_closed].placed
            stop = bisect_right(self.events, closing, key=_placed)
            if len(self.events) - stop < self.n_least:
                break
            self.n_closed, self.closed_until = stop, closing
        return before

    def copied(self) -> Window:
        """The same, to try something out."""
        return Window(self.n_least, self.events, self.n_closed, self.closed_until)

    def forget(self, n: int) -> None:
        """Let go of the first events, which are closed."""
        del self.events[:n]
        self.n_closed -= n


def _key(event: Event) -> tuple[int, int, int]:
    return event.key


def _placed(event: Event) -> int:
    return event.placed


class Replay:
    """The fold, carried on when somebody asks.

    Parameters
    ----------
    window : Window
        The latest events.
    ensemble : RegimeAwareEnsemble
        What was learned before the first of them.
    version : int
        Which ensemble that is.
    fitted : callable
        Gives an ensemble, as it was fitted, by its version.
    """

    def __init__(
        self, window: Window, ensemble: RegimeAwareEnsemble, version: int, fitted: Callable[[int], RegimeAwareEnsemble]
    ) -> None:
        self.window = window
        self._fitted = fitted
        self._moments = [Moment(0, version, ensemble)]

    @property
    def first(self) -> Moment:
        """The moment before the first event of the window."""
        return self._moments[0]

    @property
    def latest(self) -> Moment:
        """The moment after all events that have been learned from yet."""
        return self._moments[-1]

    @property
    def n_waiting(self) -> int:
        """Number of events that have not been learned from yet."""
        return len(self.window.events) - self._moments[-1].n_events

    def insert(self, event: Event) -> None:
        """Sort an event in; it is learned from when somebody asks, or when too many wait."""
        before = self.window.insert(event)
        while self._moments[-1].n_events > before:
            self._moments.pop()
        if self.n_waiting > self.window.n_least + _MOST_WAITING:
            self.now()

    def now(self) -> Moment:
        """Learn from all events that wait, and return the ensemble, which is never changed afterwards."""
        events, spacing = self.window.events, max(self.window.n_least // _N_KEPT, 1)
        while self._moments[-1].n_events < len(events):
            last = self._moments[-1]
            stop = min(last.n_events + spacing, len(events))
            stop = bisect_right(events, events[stop - 1].placed, key=_placed)
            self._keep(self._after(last, events[last.n_events : stop], stop), spacing)
        self._let_go()
        return self._moments[-1]

    def _keep(self, moment: Moment, spacing: int) -> None:
        """Keep a moment; the one before goes where it is too near to the one before that."""
        if len(self._moments) > 1 and self._moments[-1].n_events - self._moments[-2].n_events < spacing:
            self._moments.pop()
        self._moments.append(moment)

    def _let_go(self) -> None:
        """Begin at the last moment that no late event can take us back behind."""
        safe = [moment for moment in self._moments if moment.n_events <= self.window.n_closed]
        gone = safe[-1].n_events
        if gone:
            self.window.forget(gone)
            kept = self._moments[len(safe) - 1 :]
            self._moments = [moment._replace(n_events=moment.n_events - gone) for moment in kept]

    def _after(self, before: Moment, events: Sequence[Event], n_events: int) -> Moment:
        version, ensemble = before.version, copy(before.ensemble)
        for _, same in groupby(events, key=_batch):
            batch = list(same)
            if batch[0].entry.kind == TAKEOVER:
                for event in batch:
                    version = event.entry.version
                    ensemble = taken_over(ensemble, self._fitted(version))
            else:
                _learn(ensemble, batch)
        return Moment(n_events, version, ensemble)


def _batch(event: Event) -> tuple[str, Layout | None]:
    return event.entry.kind, event.layout


def taken_over(before: RegimeAwareEnsemble, fitted: RegimeAwareEnsemble) -> RegimeAwareEnsemble:
    """A fitted ensemble with the record of the one before it, where both know the same classes."""
    after = copy(fitted)
    if _classes(before) == _classes(fitted):
        after.__dict__.update(transplanted(vars(before), vars(fitted)))
    return after


def _classes(ensemble: RegimeAwareEnsemble) -> list[Any] | None:
    return ensemble.classes_.tolist() if hasattr(ensemble, "classes_") else None


def moving(ensemble: RegimeAwareEnsemble) -> dict[str, Any]:
    """All that outcomes and takeovers move, but for what a detector remembers, which rows move and not outcomes."""
    names = {*ensemble._moving, "_sides", "records_", "regimes_"} - {"regime_detector_"}
    return {name: getattr(ensemble, name) for name in sorted(names)}


def moved(ensemble: RegimeAwareEnsemble, state: Mapping[str, Any]) -> RegimeAwareEnsemble:
    """The ensemble with what it has learned."""
    after = copy(ensemble)
    after.__dict__.update(state)
    return after


def _learn(ensemble: RegimeAwareEnsemble, batch: Sequence[Event]) -> None:
    """Learn from events of one kind and layout; where one fails, all others of its batch still count."""
    try:
        _learn_together(ensemble, batch)
        return
    except Exception as error:
        each = [list(same) for _, same in groupby(batch, key=_placed)]
        if len(each) == 1:
            # What was acknowledged is not given up: it stays in the journal, and whoever mends the model can replay it.
            warnings.warn(
                f"{type(ensemble).__name__} could not learn from {len(batch)} outcomes of the journal, the first of "
                f"arrival {batch[0].entry.arrival} ({type(error).__name__}: {error}). The weights go on without.",
                UserWarning,
                stacklevel=2,
            )
            return
    for part in each:
        _learn(ensemble, part)


def _learn_together(ensemble: RegimeAwareEnsemble, batch: Sequence[Event]) -> None:
    said = _explained(ensemble, batch)
    if batch[0].entry.kind == OUTCOME:
        outcomes = [event.entry.outcome for event in batch]
        ensemble.partial_update(predictions=said, y=outcomes)
        return
    classes = _classes(ensemble)
    said = laid_out(said, ensemble.model_names_, ensemble.regimes_, classes)
    trades = [trade(event.entry.won, event.entry.profit_bps, said.regime[row]) for row, event in enumerate(batch)]
    # Units were looked at when the trade came in; how that ended must not depend on which trades came before it.
    read = check_trades(trades, ensemble.model_names_, ensemble.regimes_, in_bps=True)
    ensemble._learn_read_trades(read, said, said.member_predictions)


def trade(won: Any, profit_bps: Any, regime: Any) -> dict[str, Any]:
    """A trade of the ensemble as a user would hand it over."""
    known = {"won": won, "profit_bps": profit_bps}
    return {"model": None, "regime": regime, **{name: value for name, value in known.items() if value is not None}}


def _explained(ensemble: RegimeAwareEnsemble, batch: Sequence[Event]) -> Explanation:
    layout = batch[0].layout
    assert layout is not None
    until = ensemble.learned_until_ if ensemble.learned_until_ is not None else ensemble.trained_until_
    at = in_kind([event.placed for event in batch], until)
    return Explanation(**layout.unpacked([event.said or b"" for event in batch], at))


def arrivals(events: Sequence[Event]) -> Iterator[int]:
    """Under what numbers events stand in the journal."""
    return (event.entry.arrival for event in events)

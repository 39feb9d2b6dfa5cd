"""What came true, as events for the journal: checked, new, and each at its place in time."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from copy import copy
from typing import Any

import numpy as np
import pandas as pd

from skensemble._base import RegimeAwareEnsemble
from skensemble._checks import shown
from skensemble.live._journal import OUTCOME, TRADE, Entry, Journal, Said
from skensemble.live._prediction import Layout
from skensemble.live._replay import Event, trade
from skensemble.live._state import State
from skensemble.live._views import utc
from skensemble.live._what_if import loss_of
from skensemble.trades import check_trades

__all__ = ["news_of"]


def news_of(state: State, ids: Sequence[str], columns: Iterable[Sequence[Any]], at: int | None) -> list[Event]:
    """List what is new in the outcomes of predictions, of which nothing stands in the journal yet.

    Parameters
    ----------
    state : State
        What stands in the journal.
    ids : sequence of str
        Of which predictions.
    columns : iterable of three sequences
        ``y``, ``won`` and ``profit_bps`` of each.
    at : int or None
        When they became known; None is now.
    """
    made = state.clock()
    window = state.replay.window.copied()
    news: list[Event] = []
    for each, *outcome in zip(ids, *columns, strict=True):
        said = state.found(each)
        for entry in _entries(state, said, *outcome):
            placed, late = window.place(max(said.at, state.taken_over[said.version] + 1))
            entry = entry._replace(  # noqa: PLW2901
                arrival=state.arrival + 1 + len(news),
                placed=placed,
                late=late,
                at=made if at is None else at,
                made=made,
            )
            news.append(state.event(entry, said.layout, said.said))
            window.insert(news[-1])
    return news


def _entries(state: State, said: Said, y: Any, won: Any, profit_bps: Any) -> list[Entry]:
    """What is new in the outcomes of a prediction, checked."""
    blank = Entry(0, "", said.prediction, said.version, 0, 0, 0, 0)
    entries = []
    if y is not None:
        who = type(state.replay.latest.ensemble).__name__
        outcome, loss = _checked_outcome(who, state.layouts[said.layout], said, y)
        if _is_new(state.journal, said, OUTCOME, {"y": outcome}):
            entries.append(blank._replace(kind=OUTCOME, outcome=outcome, loss=loss))
    if won is not None or profit_bps is not None:
        won, profit_bps = _checked_trade(state.now(), won, profit_bps)
        if _is_new(state.journal, said, TRADE, {"won": won, "profit_bps": profit_bps}):
            entries.append(blank._replace(kind=TRADE, won=won, profit_bps=profit_bps))
    return entries


def _is_new(journal: Journal, said: Said, kind: str, given: dict[str, Any]) -> bool:
    """Whether an outcome is not known yet; another one that is known is an error."""
    known = journal.event(said.prediction, kind)
    if known is None:
        return True
    before = {name: getattr(known, "outcome" if name == "y" else name) for name in given}
    if before != given:
        raise ValueError(
            f"The outcome of {shown(said.id)} is known and is another one: {_listed(before)} stands in the journal "
            f"since {utc(known.made):%Y-%m-%d %H:%M:%S} UTC, got {_listed(given)}. What has been learned stays."
        )
    return False


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in values.items() if value is not None)


def _checked_outcome(who: str, layout: Layout, said: Said, y: Any) -> tuple[Any, float]:
    """An outcome as the journal keeps it, and what it cost."""
    if isinstance(y, (np.ndarray, pd.Series)) and y.shape == (1,):
        y = y.tolist()[0]
    y = y.item() if isinstance(y, np.generic) else y
    if not isinstance(y, (str, int, float)):
        raise ValueError(f"y of feedback must be one number or class for {shown(said.id)}; got {shown(y)}.")
    given = y
    (combined,) = np.frombuffer(said.said, dtype="<f8")[None, : 1 if layout.classes is None else len(layout.classes)]
    if layout.classes is None:
        try:
            y = float("nan") if isinstance(y, str) else float(y)
        except OverflowError:
            y = float("inf")
        if not np.isfinite(y):
            raise ValueError(f"y of feedback must be a finite number for {who}; got {shown(given)}.")
        targets = np.full((1, 1), y)
    else:
        known = [label for label in layout.classes if label == y and isinstance(label, str) == isinstance(y, str)]
        if not known:
            raise ValueError(
                f"y of feedback must be one of the classes that {who} knew when it said {shown(said.id)}, "
                f"{shown(list(layout.classes))}; got {shown(y)}."
            )
        y = known[0]
        targets = np.eye(len(layout.classes))[[layout.classes.index(y)]]
    with np.errstate(over="ignore"):
        return y, float(min(loss_of(targets, combined[None])[0], np.finfo(float).max))


def _checked_trade(ensemble: RegimeAwareEnsemble, won: Any, profit_bps: Any) -> tuple[int | None, float | None]:
    """A trade as the journal keeps it."""
    combiner = copy(ensemble.combiner_)
    n_models, n_regimes = len(ensemble.model_names_), len(ensemble.regimes_)
    in_bps = getattr(combiner, "trades_", None) is not None
    read = check_trades([trade(won, profit_bps, None)], ensemble.model_names_, ensemble.regimes_, in_bps=in_bps)
    if not combiner.follow_trades(np.empty((0, n_models)), np.empty((0, n_regimes)), np.empty(0)):
        warnings.warn(
            f"{type(combiner).__name__} of {type(ensemble).__name__} has no weights that trades could move: only the "
            f"ledger moves. combiner='dynamic' follows trades.",
            UserWarning,
            stacklevel=5,
        )
    profit = None if profit_bps is None else float(read.profits_bps[0])
    return None if won is None else int(bool(won)), profit

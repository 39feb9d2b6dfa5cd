"""A fitted ensemble in a live process: it predicts, waits, hears what came true in any order, and loses nothing."""

from __future__ import annotations

import pickle
import time
import warnings
from copy import copy
from typing import Any

import pandas as pd

from skensemble._base import RegimeAwareEnsemble
from skensemble._checks import check_choice, check_number
from skensemble.evaluation import Change
from skensemble.live._files import made_with
from skensemble.live._given import check_succession, checked_ensemble, column_of, in_time, regimes_of
from skensemble.live._journal import Journal, JournalError
from skensemble.live._outcomes import news_of
from skensemble.live._prediction import LivePrediction
from skensemble.live._reader import LiveReader
from skensemble.live._rows import are_many, checked_ids, in_utc, moment, moments, packed_rows, rows_of
from skensemble.live._what_if import judged
from skensemble.regimes import remembered

__all__ = ["LiveEnsemble"]


class LiveEnsemble(LiveReader):
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
        if compiled:
            # What cannot be compiled begins no journal.
            fitted.compile()
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
        started, state = time.perf_counter_ns(), self._state
        with self._lock:
            state.check_writable("predict")
            ensemble, version, made = state.now(), state.version, state.clock()
            asked = ensemble if state.compiled is None else state.compiled.attached(ensemble)
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
            state.check_writable("predict")
            detector = remembered(state.detector, X)
            try:
                state.keep(said, ids, times, made, version, stale, kept, given=id is not None)
            except JournalError as error:
                if self._on_journal_error == "raise":
                    raise
                journaled = False
                warnings.warn(
                    f"{error} The prediction is not in the journal: no outcome of it can be taken.",
                    UserWarning,
                    stacklevel=2,
                )
            state.detector = detector
            self._latencies.append(time.perf_counter_ns() - started)
        return LivePrediction(
            **{name: getattr(said, name) for name in said.__dataclass_fields__},
            ids=ids,
            at=in_utc(times),
            version=version,
            stale=stale,
            journaled=journaled,
        )

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
        state = self._state
        with self._lock:
            state.check_writable("take an outcome")
            news = news_of(state, ids, columns.values(), given)
            if news:
                state.hear(news)
        return bool(news)

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
        state, change = self._state, None
        with self._lock:
            state.check_writable("adopt")
            check_succession(state.now(), fitted)
            if gate is not None:
                change = judged(fitted, gate, self._journal, state.layouts, keeps_values=state.keeps_values)
            state.take_over(fitted, blob, given)
        return change

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
            self._state.check_writable("prune")
            return self._state.prune(limit)

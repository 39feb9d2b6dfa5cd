"""The ledger: who counted for what, in which regime, over which window."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from skensemble._checks import check_number, shown
from skensemble._html import html_table, notebook
from skensemble._texts import between, count, label, number, percent, shortened, with_count
from skensemble.performance._intervals import Array, effective_number, normal_quantile, ratio
from skensemble.performance._reading import check_shares, distinct_names, read_memberships, read_table, row_weights
from skensemble.performance._records import (
    AGREEMENT,
    CHANNELS,
    LOSS,
    MOMENTS,
    N_CHANNELS,
    N_PLANES,
    PROFIT,
    ROUNDING,
    TOTALS,
    WEIGHTS,
    WIN,
    extended,
    figures_of,
    joined,
    joined_pairs,
    pairs_of,
    pushed,
    tradable,
)
from skensemble.regimes import listed_memberships

__all__ = ["Ledger"]

_POOLED = "pooled"
_BESIDE_MODELS = ("ensemble", "equal weights", "best so far")
# Names under which others than the models stand in tables and pictures.
_RESERVED = (*_BESIDE_MODELS, "best single", "live ensemble")
# Outcomes wait in blocks of this many rows, so that arithmetic is done on arrays and still never depends on batches.
_BLOCK = 256
_NAME_WIDTH = 14
# The first words of the columns that are absent from the table as long as a channel has counted nothing.
_COLUMNS = {
    WIN: ("won", "lost", "win_rate"),
    PROFIT: ("n_trades", "profit", "sharpe", "drawdown"),
    AGREEMENT: ("n_agreement", "agreement"),
}


class Ledger:
    """The record of every model, the ensemble, equal weights and the best model so far, per regime and pooled.

    A ledger never changes: :meth:`updated` returns a new one, so that a reader in another thread always sees a whole
    record and an update that fails leaves nothing behind. Its size depends on the number of models and regimes and on
    ``lookback``, not on the number of outcomes. The ledger only counts; whoever owns it says what happened.

    An outcome counts by its weight: ``sample_weight`` × membership in a regime, ``sample_weight`` alone in the pooled
    record. So n is the sum of these weights, the number of outcomes where regimes are hard and nothing is weighted.
    What is NaN did not happen: it leaves the record of that performer and figure as it was.

    How sure a figure is depends on how many independent outcomes stand behind it, and not on the scale of the weights
    w: every interval is that of Kish's effective number (Σw)² / Σw², which is n where all weights are one, divided by
    ``overlap``.

    Parameters
    ----------
    models : sequence of str
        Names of the models, all different.
    regimes : sequence of hashable
        Labels of the regimes, all different; the pooled record is added.
    lookback : int, default=50
        How many of its latest outcomes make up the recent window of each performer in each regime. Larger is steadier
        and slower to notice a change; the size of the ledger grows with it.
    periods_per_year : float, default=None
        Outcomes per year, traded or not, for the annualised Sharpe ratio (252 for one outcome per trading day); that of
        a regime is the one of a year spent in it. Not annualised if None.
    overlap : float, default=1.0
        How many outcomes in a row share one stretch of time: 5 for the return of the next five days on daily rows.
        Five such outcomes tell as much as one, and a year holds a fifth of ``periods_per_year`` of them.

    Attributes
    ----------
    performers : tuple of str
        The columns of what :meth:`updated` takes: the models, then ``"ensemble"``, ``"equal weights"`` and
        ``"best so far"``.

    References
    ----------
    T. F. Chan, G. H. Golub and R. J. LeVeque, "Algorithms for computing the sample variance: analysis and
    recommendations", The American Statistician, 1983.

    L. Kish, Survey Sampling, Wiley 1965.

    P. Pébay, "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical
    moments", Sandia Report SAND2008-6212, 2008.

    Examples
    --------
    Two days in one regime, one in the other; the second model is asleep on the last.

    >>> ledger = Ledger(["ridge", "forest"], ["calm", "wild"])
    >>> nan = float("nan")
    >>> ledger = ledger.updated(
    ...     [[1, 0], [1, 0], [0, 1]],
    ...     losses=[[1, 2, 1, 1, 1], [3, 2, 2, 2, 3], [5, nan, 5, 5, 5]],
    ... )
    >>> frame = ledger.frame().query("window == 'lifetime' and performer in ['ridge', 'forest']")
    >>> print(frame.to_string(index=False))
    performer regime   window   n  loss
        ridge   calm lifetime 2.0   2.0
        ridge   wild lifetime 1.0   5.0
        ridge pooled lifetime 3.0   3.0
       forest   calm lifetime 2.0   2.0
       forest   wild lifetime 0.0   NaN
       forest pooled lifetime 2.0   2.0
    """

    def __init__(
        self,
        models: Sequence[str],
        regimes: Sequence[Hashable],
        *,
        lookback: int = 50,
        periods_per_year: float | None = None,
        overlap: float = 1.0,
    ) -> None:
        check_number(lookback, "lookback", "Ledger", low=1, integer=True)
        if periods_per_year is not None:
            check_number(periods_per_year, "periods_per_year", "Ledger", low=0, open_low=True)
        check_number(overlap, "overlap", "Ledger", low=1)
        self.models = distinct_names(models, "models", _RESERVED)
        self.regimes = distinct_names(regimes, "regimes", (_POOLED,))
        self.lookback = int(lookback)
        self.periods_per_year = periods_per_year
        self.overlap = overlap
        shape = (len(self.regimes) + 1, len(self.performers))
        self._lifetime = np.zeros((N_PLANES, *shape))
        # Weight, its square and the channels of each of the latest outcomes, in a ring; weight 0 marks an empty place.
        self._recent = np.zeros((self.lookback, 2 + N_CHANNELS, *shape))
        self._slot = np.zeros(shape, dtype=np.intp)
        # Per pair of models, over the outcomes that both were awake for: weight, mean error of the first, its sum of
        # squared deviations, the sum of products of the deviations of both, and the squared weight.
        self._pairs = np.zeros((5, len(self.models), len(self.models)))
        # Weight and total of the models' losses, pooled, added up outcome by outcome: who leads must not depend on
        # which of them wait for their block.
        self._losses = np.zeros((2, len(self.models)))
        # Outcomes that do not fill a block yet: weight, channels and errors side by side; and what part of them lies
        # in which regime: number of the row, position of the regime and weight, by row.
        self._pending = np.empty((0, 1 + N_CHANNELS * shape[1] + len(self.models)))
        self._inside = np.empty((0, 3))

    @property
    def performers(self) -> tuple[str, ...]:
        """Who is judged: the models, then the ensemble and its two plain rivals."""
        return self.models + _BESIDE_MODELS

    @property
    def past_losses(self) -> Array:
        """Mean loss of every model until now, in the pooled record; the largest number where there is none yet.

        Returns
        -------
        ndarray of shape (n_models,)
            In units of the loss. Of the models awake, the one with the lowest is the best so far.

        Examples
        --------
        >>> ledger = Ledger(["ridge", "forest"], [])
        >>> ledger = ledger.updated(np.empty((2, 0)), losses=[[9, 1, 1, 1, 1], [0, 1, 1, 1, 1]])
        >>> ledger.past_losses.tolist()
        [4.5, 1.0]
        """
        return _means(self._losses)

    def leaders(
        self,
        losses: npt.ArrayLike,
        *,
        sample_weight: npt.ArrayLike | None = None,
        known: npt.NDArray[np.intp] | None = None,
    ) -> npt.NDArray[np.intp]:
        """Say for every row which single model had the lowest mean loss before it, in the pooled record.

        Only models awake on the row may lead. Ties go to the first; so does a start without any record.

        Parameters
        ----------
        losses : array-like of shape (n_samples, n_models)
            Losses of the models on rows in time order, NaN where asleep. The rows are those about to be recorded.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row; 1 if None.
        known : ndarray of shape (n_samples,), default=None
            How many of these rows had an outcome when each was predicted; ``None`` is all rows before.

        Returns
        -------
        leaders : ndarray of shape (n_samples,)
            Position in ``models``.

        Raises
        ------
        ValueError
            If a shape does not fit.

        Examples
        --------
        The first model leads at the start; after its large loss the second does.

        >>> ledger = Ledger(["ridge", "forest"], [])
        >>> ledger.leaders([[9, 1], [0, 1], [0, 1]])
        array([0, 1, 1])
        >>> ledger.leaders([[9, 1], [0, 1], [0, 1]], known=np.array([0, 0, 1]))
        array([0, 0, 1])
        """
        losses = read_table(losses, "losses", (None, len(self.models)), "one column per model")
        sums = self._losses_after(row_weights(sample_weight, len(losses)), losses)
        mean = _means(sums[:-1] if known is None else sums[known])
        return np.argmin(np.where(np.isfinite(losses), mean, np.inf), axis=1)

    def updated(
        self,
        memberships: npt.ArrayLike,
        *,
        losses: npt.ArrayLike | None = None,
        wins: npt.ArrayLike | None = None,
        profits_bps: npt.ArrayLike | None = None,
        agreements: npt.ArrayLike | None = None,
        errors: npt.ArrayLike | None = None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Ledger:
        """Return the ledger with more outcomes, in time order; n rows at once equal n calls of one row, to the bit.

        Whatever is not given, or is not finite, is not counted; each of the figures has its own n.

        Parameters
        ----------
        memberships : array-like of shape (n_samples, n_regimes), or ndarray of int of shape (n_samples,)
            Share of each regime in each row, in [0, 1] with a sum of at most 1; all zero where the regime is unknown,
            then only the pooled record moves. Or, where every row lies in one regime only, its position, -1 where it is
            unknown: of many regimes that is far less to go through.
        losses : array-like of shape (n_samples, n_performers), default=None
            How wrong each performer was, lower is better. Columns as in ``performers``.
        wins : array-like of shape (n_samples, n_performers), default=None
            1 where a performer was on the right side, 0 where on the wrong one, NaN where neither.
        profits_bps : array-like of shape (n_samples, n_performers), default=None
            Profit of each trade in basis points, NaN where there was none. Where it is NaN beside a loss, the performer
            could have traded and did not.
        agreements : array-like of shape (n_samples, n_performers), default=None
            For a model, whether it was on the ensemble's side (1 or 0); for the ensemble, the share or the weight of
            the models on its side.
        errors : array-like of shape (n_samples, n_models), default=None
            What :meth:`error_correlations` compares: signed errors in regression, losses in classification.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts; 1 if None. A row of weight 0 is a row left out.

        Returns
        -------
        ledger : Ledger
            A new ledger; this one stays as it is.

        Raises
        ------
        ValueError
            If a shape does not fit, memberships or weights are negative, or wins or agreements lie outside [0, 1].

        Examples
        --------
        A trade of the ensemble alone, in an unknown regime:

        >>> nan = float("nan")
        >>> ledger = Ledger(["ridge"], ["calm"])
        >>> later = ledger.updated([[0]], wins=[[nan, 1, nan, nan]], profits_bps=[[nan, 12, nan, nan]])
        >>> later.frame().query("won > 0 and window == 'lifetime'")[["performer", "regime", "won", "profit_bps"]]
          performer  regime  won  profit_bps
        6  ensemble  pooled  1.0        12.0
        """
        rows, inside = self._rows(memberships, sample_weight)
        width = len(self.performers)
        start = 1
        for name, values in zip(CHANNELS, (losses, wins, profits_bps, agreements), strict=True):
            if values is not None:
                rows[:, start : start + width] = read_table(
                    values, name, (len(rows), width), "one column per performer"
                )
                if name in ("wins", "agreements"):
                    check_shares(rows[:, start : start + width], name)
            start += width
        if profits_bps is not None:
            channels = self._parts(rows)[1]
            rows[:, start : start + width] = tradable(channels[:, LOSS], channels[:, PROFIT])
        if errors is not None:
            rows[:, start + width :] = read_table(
                errors, "errors", (len(rows), len(self.models)), "one column per model"
            )
        if not rows[:, 0].all():
            rows, inside = _left_in(rows, inside)

        later = self._copy()
        later._losses = self._losses_after(rows[:, 0], rows[:, 1 : 1 + len(self.models)])[-1]
        inside[:, 0] += len(self._pending)
        pending, inside = np.concatenate([self._pending, rows]), np.concatenate([self._inside, inside])
        whole = len(pending) - len(pending) % _BLOCK
        starts = range(0, whole + 1, _BLOCK)
        cuts = np.searchsorted(inside[:, 0], starts).tolist()
        for start, stop, first, last in zip(starts, starts[1:], cuts, cuts[1:], strict=False):
            later._absorb(pending[start:stop], inside[first:last] - [start, 0, 0])
        later._pending = pending[whole:].copy()
        later._inside = inside[cuts[-1] :] - [whole, 0, 0]
        return later

    def __add__(self, other: Ledger) -> Ledger:
        """Join the ledger of one stretch of time with that of the stretch after it."""
        if not isinstance(other, Ledger):
            return NotImplemented
        for name in ("models", "regimes", "lookback", "periods_per_year", "overlap"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise ValueError(
                    f"Ledgers can be added if they have the same {name}; got {shown(mine)} and {shown(theirs)}. "
                    "Use reindexed to give both the same models and regimes."
                )
        both, other = self._settled(), other._settled()
        rows = other._recent_rows()
        with np.errstate(over="ignore", invalid="ignore"):
            both._lifetime = joined(both._lifetime, other._lifetime)
            both._recent, both._slot = pushed(both._recent, both._slot, rows[:, 0], rows[:, 1], rows[:, 2:])
            both._pairs = joined_pairs(both._pairs, other._pairs)
            both._losses = both._losses + other._losses
        return both

    def reindexed(self, models: Sequence[str], regimes: Sequence[Hashable]) -> Ledger:
        """Carry the record over to other models and regimes, as after a retrain.

        Records stay where names match; new models and regimes start empty; those no longer named are dropped. The
        records of the ensemble and its rivals, and the pooled ones, always stay.

        Parameters
        ----------
        models : sequence of str
            Names of the models from now on.
        regimes : sequence of hashable
            Labels of the regimes from now on.

        Returns
        -------
        ledger : Ledger
            A new ledger; this one stays as it is.

        Raises
        ------
        ValueError
            If names are not different from each other, or are reserved.

        Examples
        --------
        >>> ledger = Ledger(["ridge", "forest"], ["calm"]).updated([[1]], losses=[[1, 2, 1, 1, 1]])
        >>> moved = ledger.reindexed(["boost", "forest"], ["calm", "wild"])
        >>> frame = moved.frame().query("window == 'lifetime' and regime == 'calm'")
        >>> print(frame[["performer", "n", "loss"]].head(3).to_string(index=False))
        performer   n  loss
            boost 0.0   NaN
           forest 1.0   2.0
         ensemble 1.0   1.0
        """
        new = Ledger(
            models, regimes, lookback=self.lookback, periods_per_year=self.periods_per_year, overlap=self.overlap
        )
        rows = _positions((*new.regimes, _POOLED), (*self.regimes, _POOLED))
        columns = _positions(new.performers, self.performers)
        pairs = _positions(new.models, self.models)
        new._lifetime = _taken(self._lifetime, rows, columns)
        new._recent = _taken(self._recent, rows, columns)
        new._slot = _taken(self._slot, rows, columns)
        new._pairs = _taken(self._pairs, pairs, pairs)
        new._losses = _columns_taken(self._losses, pairs, 0.0)
        # Outcomes that wait go on waiting: when they are summed up must not depend on who came and went.
        weight, values, errors = self._parts(self._pending)
        waiting = [
            weight[:, None],
            *_columns_taken(values, columns, np.nan).transpose(1, 0, 2),
            _columns_taken(errors, pairs, np.nan),
        ]
        # One layout, hence one order of summation.
        new._pending = np.ascontiguousarray(np.hstack(waiting))
        new._inside = _moved(self._inside, _positions((*self.regimes, _POOLED), (*new.regimes, _POOLED)))
        return new

    def discounted(self, models: Sequence[str], factor: float) -> Ledger:
        """Let the past of some models count for less, as after their definition has changed.

        Each of their outcomes, lifetime and recent, counts ``factor`` times what it did, and there are as good as
        ``factor`` times as many of them: n and with it the certainty fall while rates and means stay. Cumulative profit
        and drawdown are those of ``factor`` times the stake.

        Parameters
        ----------
        models : sequence of str
            The models (or other performers) concerned.
        factor : float
            From 0 (forget) to 1 (nothing changes).

        Returns
        -------
        ledger : Ledger
            A new ledger; this one stays as it is.

        Raises
        ------
        ValueError
            If a name is unknown or the factor lies outside [0, 1].

        Examples
        --------
        >>> ledger = Ledger(["ridge"], []).updated(np.empty((4, 0)), losses=np.full((4, 4), 3.0))
        >>> ledger.discounted(["ridge"], 0.25).frame().head(1)[["performer", "n", "loss"]]
          performer    n  loss
        0     ridge  1.0   3.0
        """
        check_number(factor, "factor", "Ledger.discounted", low=0, high=1)
        for model in models:
            if model not in self.performers:
                raise ValueError(
                    f"models of Ledger.discounted must be among {shown(list(self.performers))}; got {shown(model)}."
                )
        if not len(models):
            return self
        factors = np.array([factor if name in models else 1.0 for name in self.performers])
        kept = factors[: len(self.models)]
        later = self._settled()
        weighted = np.ones((N_PLANES, 1, 1), dtype=bool)
        # A mean does not depend on the weight of its outcomes; without any outcome left it goes back to 0.
        weighted[MOMENTS][0] = False
        later._lifetime = later._lifetime * np.where(weighted, factors, factors > 0)
        # Squares too by the factor, not by its square: then the effective number falls by it.
        later._recent[:, :2] *= factors
        smaller = np.minimum(kept[:, None], kept)
        later._pairs = later._pairs * np.stack([smaller, smaller > 0, smaller, smaller, smaller])
        later._losses = later._losses * kept
        return later

    def frame(self) -> pd.DataFrame:
        """Show every figure in a tidy table: one row per performer, regime and window.

        Columns beyond ``n`` and ``loss`` are there once there was something to count for them.

        Returns
        -------
        frame : DataFrame
            - ``performer``, ``regime`` (a label, or ``"pooled"``), ``window`` (``"lifetime"``, or ``"recent"`` for the
              last ``lookback`` outcomes of this performer in this regime);
            - ``n``, ``loss``: outcomes with a loss, and its mean;
            - ``won``, ``lost``, ``win_rate`` with ``_low``, ``_high``: :func:`wilson_interval`;
            - ``n_trades``, ``profit_bps`` with ``_low``, ``_high``: mean profit per trade, :func:`mean_interval`;
            - ``sharpe`` with ``_low``, ``_high``: mean / standard deviation (``ddof=1``) of profit per trade,
              :func:`sharpe_interval`;
            - ``sharpe_annual`` likewise, × √(``periods_per_year`` / ``overlap``), of all outcomes that came with
              profits, NaN among them as 0: who trades on every tenth day has a tenth of the trades in a year;
            - ``drawdown_bps``: deepest fall of cumulative profit from its highest point, the start included;
            - ``n_agreement``, ``agreement``: mean agreement with the ensemble's side.

            Intervals are at 95 %, of the effective number of outcomes (see the class) divided by ``overlap``.

        Examples
        --------
        >>> ledger = Ledger(["ridge"], []).updated(np.empty((3, 0)), profits_bps=[[10] * 4, [-30] * 4, [50] * 4])
        >>> ledger.frame().loc[0, ["n_trades", "profit_bps", "sharpe", "drawdown_bps"]].astype(float).round(3).to_dict()
        {'n_trades': 3.0, 'profit_bps': 10.0, 'sharpe': 0.25, 'drawdown_bps': 30.0}
        """
        now = self._settled()
        rows = now._recent_rows()
        with np.errstate(over="ignore", invalid="ignore"):
            recent = extended(np.zeros_like(now._lifetime), rows[:, 0], rows[:, 1], rows[:, 2:])
            windows = {
                window: figures_of(record, self.periods_per_year, self.overlap)
                for window, record in {"lifetime": now._lifetime, "recent": recent}.items()
            }
        labels = (*self.regimes, _POOLED)
        tables = []
        for window, figures in windows.items():
            table = pd.DataFrame({name: figure.T.ravel() for name, figure in figures.items()})
            names = np.repeat(np.array(self.performers, dtype=object), len(labels))
            table.insert(0, "performer", pd.Series(names, dtype=object))
            table.insert(1, "regime", pd.Series([*labels] * len(self.performers), dtype=object))
            table.insert(2, "window", window)
            tables.append(table)
        # Lifetime and recent figures of one performer and regime belong next to each other.
        frame = pd.concat(tables).sort_index(kind="stable").reset_index(drop=True)
        counted = now._lifetime[WEIGHTS].any(axis=(1, 2))
        absent = tuple(word for channel, words in _COLUMNS.items() if not counted[channel] for word in words)
        return frame[[name for name in frame.columns if not name.startswith(absent)]]

    def error_correlations(self) -> pd.DataFrame:
        """Show how alike the models err: the correlation of the errors of every pair, pooled, with n and interval.

        Models whose errors are hardly correlated are those worth combining.

        Returns
        -------
        frame : DataFrame
            One row per pair: ``model``, ``other``, ``n`` (outcomes for which both were awake), ``correlation``,
            ``low``, ``high`` (95 %, by Fisher's transformation; NaN unless there are more than 3 independent outcomes).

        References
        ----------
        R. A. Fisher, "On the 'probable error' of a coefficient of correlation deduced from a small sample", Metron,
        1921.

        Examples
        --------
        >>> ledger = Ledger(["ridge", "forest"], [])
        >>> ledger = ledger.updated(np.empty((3, 0)), errors=[[1, 2], [2, 4], [3, 6]])
        >>> ledger.error_correlations()
           model   other    n  correlation  low  high
        0  ridge  forest  3.0          1.0  NaN   NaN
        """
        weight, mean, deviation, product, square = self._settled()._pairs
        spread = np.sqrt(deviation)
        spread[spread <= ROUNDING * np.abs(mean) * np.sqrt(weight)] = 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            correlation = np.clip(ratio(product, spread * spread.T), -1.0, 1.0)
        with np.errstate(divide="ignore"):
            centre = np.arctanh(correlation)
        spare = effective_number(weight, square) / self.overlap - 3
        half = ratio(normal_quantile(0.95), np.sqrt(np.maximum(spare, 0.0)))
        first, second = np.triu_indices(len(self.models), k=1)
        return pd.DataFrame(
            {
                "model": [self.models[i] for i in first],
                "other": [self.models[i] for i in second],
                "n": weight[first, second],
                "correlation": correlation[first, second],
                "low": np.tanh(centre - half)[first, second],
                "high": np.tanh(centre + half)[first, second],
            }
        )

    def _rows(self, memberships: npt.ArrayLike, sample_weight: npt.ArrayLike | None) -> tuple[Array, Array]:
        """Start a row per outcome: its weight, then room for the channels and the errors; and where each row lies."""
        shares = read_memberships(memberships, len(self.regimes))
        rows = np.full((len(shares), self._pending.shape[1]), np.nan)
        rows[:, 0] = row_weights(sample_weight, len(shares))
        row, regime, share = listed_memberships(shares)
        return rows, np.column_stack([row, regime, share * rows[row, 0]])

    def _absorb(self, rows: Array, inside: Array) -> None:
        """Take a block of rows into the record of a ledger that nobody has seen yet."""
        weight, channels, errors = self._parts(rows)
        pooled = np.array([len(self.regimes)]), np.arange(len(rows))[:, None], weight[:, None]
        with np.errstate(over="ignore", invalid="ignore"):
            for regimes, row, part in (pooled, _in_turn(inside)) if len(inside) else (pooled,):
                values = np.where(part[:, None, :, None] > 0, channels[row].transpose(0, 2, 1, 3), np.nan)
                weights = part[:, :, None] * np.isfinite(values).any(axis=1)
                given = weights, weights**2, values
                self._lifetime[:, regimes] = extended(self._lifetime[:, regimes], *given)
                self._recent[:, :, regimes], self._slot[regimes] = pushed(
                    self._recent[:, :, regimes], self._slot[regimes], *given
                )
            if np.isfinite(errors).any():
                self._pairs = joined_pairs(self._pairs, pairs_of(weight, errors))

    def _parts(self, rows: Array) -> tuple[Array, Array, Array]:
        """Weight, channels (n_samples, 5, n_performers) and errors of rows laid out side by side."""
        width = len(self.performers)
        end = 1 + N_CHANNELS * width
        return rows[:, 0], rows[:, 1:end].reshape(len(rows), N_CHANNELS, width), rows[:, end:]

    def _losses_after(self, weights: Array, losses: Array) -> Array:
        """Weight and total of losses after none of some rows, after one, and so on: (n_samples + 1, 2, n_models)."""
        heard = np.isfinite(losses)
        sums = weights[:, None, None] * np.stack([heard, np.where(heard, losses, 0.0)], axis=1)
        with np.errstate(over="ignore"):
            return np.add.accumulate(np.concatenate([self._losses[None], sums]), axis=0)

    def _settled(self) -> Ledger:
        """Return the same record with nothing waiting."""
        settled = self._copy()
        if len(self._pending):
            settled._absorb(self._pending, self._inside)
            settled._pending, settled._inside = self._pending[:0], self._inside[:0]
        return settled

    def _recent_rows(self) -> Array:
        """Unroll the ring, oldest outcome first: (lookback, 7, n_regimes + 1, n_performers)."""
        order = (self._slot + np.arange(self.lookback)[:, None, None]) % self.lookback
        return np.take_along_axis(self._recent, order[:, None], axis=0)

    def _copy(self) -> Ledger:
        later = object.__new__(Ledger)
        later.__dict__.update(self.__dict__)
        for name in ("_lifetime", "_recent", "_slot"):
            setattr(later, name, getattr(self, name).copy())
        return later

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Read ledgers, too, that were written before the losses were added up by themselves."""
        self.__dict__.update(state)
        if "_losses" not in state:
            n_models = len(self.models)
            self._losses = self._lifetime[[WEIGHTS.start + LOSS, TOTALS.start + LOSS], -1, :n_models]
            self._losses = self._losses_after(self._pending[:, 0], self._pending[:, 1 : 1 + n_models])[-1]

    def __eq__(self, other: object) -> bool:
        """Compare names, settings and every bit of the record."""
        if not isinstance(other, Ledger):
            return NotImplemented
        return all(
            np.array_equal(mine, other.__dict__[name], equal_nan=True)
            if isinstance(mine, np.ndarray)
            else mine == other.__dict__[name]
            for name, mine in self.__dict__.items()
        )

    def __hash__(self) -> int:
        return hash((self.models, self.regimes, self.lookback))

    def __repr__(self) -> str:
        frame = self.frame()
        frame = frame[(frame["window"] == "lifetime") & (frame["regime"] == _POOLED)]
        text = pd.DataFrame(
            {
                "": [shortened(name, _NAME_WIDTH) for name in frame["performer"]],
                "n": [_counted(n) for n in frame["n"]],
                "loss": [f"{loss:.4g}" for loss in frame["loss"]],
            },
            dtype=object,
        )
        if "win_rate" in frame:
            rates = 100 * frame[["win_rate", "win_rate_low", "win_rate_high"]].to_numpy(dtype=float)
            text["won [95 %]"] = [f"{rate:.0f}% [{low:.0f}, {high:.0f}]" for rate, low, high in rates]
        if "sharpe" in frame:
            sharpes = frame[["sharpe", "sharpe_low", "sharpe_high"]].to_numpy(dtype=float)
            text["trades"] = [_counted(n) for n in frame["n_trades"]]
            text["bps"] = [f"{profit:.3g}" for profit in frame["profit_bps"]]
            text["Sharpe [95 %]"] = [f"{ratio:.2f} [{low:.2f}, {high:.2f}]" for ratio, low, high in sharpes]
        counts = f"{len(self.models)} models, {len(self.regimes)} regimes"
        return f"Ledger of {counts}; lifetime, pooled (all of it: frame()):\n{text.to_string(index=False, max_rows=20)}"

    def _repr_html_(self) -> str:
        frame = self.frame().query("window == 'lifetime'")
        labels = (*self.regimes, _POOLED)
        pooled = frame[len(self.regimes) :: len(labels)]
        columns: dict[str, Iterable[str]] = {
            "performer": self.performers,
            "n": map(count, pooled["n"]),
            "loss": map(number, pooled["loss"]),
        }
        if "win_rate" in frame:
            columns["won or lost"] = map(count, pooled["won"] + pooled["lost"])
            columns["won [95 %]"] = _with_interval(pooled, "win_rate", lambda share: percent(share, 0))
        if "sharpe" in frame:
            columns["trades"] = map(count, pooled["n_trades"])
            columns["bps [95 %]"] = _with_interval(pooled, "profit_bps", number)
            columns["Sharpe per trade [95 %]"] = _with_interval(pooled, "sharpe", number)
        about = f"Ledger of {len(self.models)} models, {len(self.regimes)} regimes: lifetime, pooled"
        tables = [html_table(about, [*columns], [*zip(*columns.values(), strict=True)])]
        if self.regimes:
            cells = [with_count(loss, n) for loss, n in frame[["loss", "n"]].to_numpy(dtype=float)]
            rows = [[name, *cells[place * len(labels) :][: len(labels)]] for place, name in enumerate(self.performers)]
            tables.append(html_table("Loss (n) by regime", ["performer", *map(label, labels)], rows))
        return notebook(*tables)


def _with_interval(table: pd.DataFrame, name: str, written: Callable[[float], str]) -> list[str]:
    figures = table[[name, f"{name}_low", f"{name}_high"]].to_numpy(dtype=float)
    return [written(middle) + between(written(low), written(high)) for middle, low, high in figures]


def _left_in(rows: Array, inside: Array) -> tuple[Array, Array]:
    """Leave out the rows of weight zero."""
    kept = rows[:, 0] > 0
    inside = inside[kept[inside[:, 0].astype(np.intp)]]
    inside[:, 0] = (np.cumsum(kept) - 1)[inside[:, 0].astype(np.intp)]
    return rows[kept], inside


def _in_turn(inside: Array) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Array]:
    """Lay the rows of every regime that there are any of one below the other, the first of each side by side.

    So the work is that of the rows, however many regimes there are: positions of the regimes found, then numbers and
    weights of their rows ``(n_most, n_found)``, weight 0 below the last.
    """
    order = np.argsort(inside[:, 1], kind="stable")
    row, regime = inside[order, :2].astype(np.intp).T
    found, first, count = np.unique(regime, return_index=True, return_counts=True)
    column = np.repeat(np.arange(len(found)), count)
    turn = np.arange(len(order)) - first[column]
    rows, weights = np.zeros((count.max(), len(found)), dtype=np.intp), np.zeros((count.max(), len(found)))
    rows[turn, column], weights[turn, column] = row, inside[order, 2]
    return found, rows, weights


def _moved(inside: Array, positions: npt.NDArray[np.intp]) -> Array:
    """Say where rows lie after their regimes have moved; -1 is nowhere."""
    moved = inside.copy()
    moved[:, 1] = positions[inside[:, 1].astype(np.intp)]
    moved = moved[moved[:, 1] >= 0]
    return moved[np.lexsort((moved[:, 1], moved[:, 0]))]


def _counted(n: float) -> str:
    return f"{n:.0f}" if n >= 100 else f"{n:.3g}"


def _positions(new: Sequence[Hashable], old: Sequence[Hashable]) -> npt.NDArray[np.intp]:
    """Find the new names among the old ones; -1 where there is none."""
    place = {name: position for position, name in enumerate(old)}
    return np.array([place.get(name, -1) for name in new], dtype=np.intp)


def _taken(array: npt.NDArray[Any], rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    """Rearrange the last two axes; -1 gives zeros, the empty record."""
    padded = np.pad(array, [(0, 0)] * (array.ndim - 2) + [(0, 1), (0, 1)])
    return padded[..., rows[:, None], columns]


def _means(sums: Array) -> Array:
    """Mean losses from weights and totals, ``(..., 2, n_models)``; the largest number where there is no record."""
    weight, total = sums[..., 0, :], sums[..., 1, :]
    return np.divide(total, weight, out=np.full_like(total, np.finfo(float).max), where=weight > 0)


def _columns_taken(array: Array, columns: npt.NDArray[np.intp], missing: float) -> Array:
    """Rearrange the last axis; -1 gives what is missing."""
    padded = np.concatenate([array, np.full((*array.shape[:-1], 1), missing)], axis=-1)
    return padded[..., columns]

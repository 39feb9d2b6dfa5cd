"""The honest record of who was right: every model and its plain rivals, per regime and pooled.

The one idea: what is known about a performer in a regime is a small record of sums, moments and extremes that can be
joined with the record of any later stretch of time. A few more outcomes are joined in the same way as a whole other
ledger, so constant memory, feedback row by row, merging and the recent window are one piece of arithmetic. The one
rule: a figure that its outcomes do not define is NaN, never 0, and every figure stands beside its number of outcomes.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from skensemble._checks import check_number, shown

__all__ = ["Ledger", "mean_interval", "sharpe_interval", "trade_outcomes", "wilson_interval"]

Array: TypeAlias = npt.NDArray[np.float64]

_POOLED = "pooled"
_BESIDE_MODELS = ("ensemble", "equal weights", "best so far")
_BPS = 1e4
# Outcomes wait in blocks of this many rows, so that arithmetic is done on arrays and still never depends on batches.
_BLOCK = 256
# Below this share of the mean, a standard deviation is what rounding left behind.
_ROUNDING = 1e-12
_NAME_WIDTH = 14
_TINY = float(np.finfo(np.float64).tiny)

# A record is an array (15, n_regimes + 1, n_performers). Its planes: for each of the four channels below the weight of
# the outcomes and their weighted total; mean and central moment sums (2 to 4) of profit; highest and lowest point and
# deepest fall of the path of cumulative profit, which starts at 0.
_CHANNELS = ("losses", "wins", "profits_bps", "agreements")
_N_PLANES = 15
_LOSS, _WIN, _PROFIT, _AGREEMENT = range(4)
_WEIGHTS, _TOTALS, _MOMENTS, _PATH = slice(0, 4), slice(4, 8), slice(8, 12), slice(12, 15)
# The first words of the columns that are absent from the table as long as a channel has counted nothing.
_COLUMNS = {
    _WIN: ("won", "lost", "win_rate"),
    _PROFIT: ("n_trades", "profit", "sharpe", "drawdown"),
    _AGREEMENT: ("n_agreement", "agreement"),
}


def wilson_interval(wins: npt.ArrayLike, n: npt.ArrayLike, confidence: float = 0.95) -> tuple[Array, Array]:
    """Bound the true rate behind ``wins`` successes in ``n`` outcomes by the score interval of Wilson.

    Unlike the textbook interval it stays inside [0, 1] and says something sensible for few outcomes and for rates of 0
    and 1. With p = wins / n and z the normal quantile,

        (p + z²/2n ± z √(p (1 − p)/n + z²/4n²)) / (1 + z²/n).

    Parameters
    ----------
    wins : array-like
        Successes; may be fractional where outcomes are weighted.
    n : array-like
        Outcomes, of the same shape. Where 0 the bounds are NaN.
    confidence : float, default=0.95
        Probability in (0, 1) that the interval covers the true rate; higher is wider.

    Returns
    -------
    low, high : ndarray
        The bounds, of the shape of the input.

    Raises
    ------
    ValueError
        If the confidence is not between 0 and 1.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the American
    Statistical Association, 1927.

    Examples
    --------
    >>> low, high = wilson_interval(8, 10)
    >>> print(f"{low:.4f} to {high:.4f}")
    0.4902 to 0.9433
    """
    wins, n = np.asarray(wins, dtype=float), np.asarray(n, dtype=float)
    z = _normal_quantile(confidence)
    rate, spread = _ratio(wins, n), _ratio(z**2, n)
    # Rounding of weighted sums may leave a rate a hair outside [0, 1].
    variance = np.maximum(_ratio(rate * (1 - rate), n), 0.0)
    half = z * np.sqrt(variance + _ratio(spread, 4 * n))
    low, high = (rate + spread / 2 - half) / (1 + spread), (rate + spread / 2 + half) / (1 + spread)
    return np.maximum(low, 0.0), np.minimum(high, 1.0)


def mean_interval(
    mean: npt.ArrayLike, std: npt.ArrayLike, n: npt.ArrayLike, confidence: float = 0.95
) -> tuple[Array, Array]:
    """Bound the true mean of ``n`` outcomes by Student's interval, mean ± t(n − 1) · std / √n.

    Parameters
    ----------
    mean, std : array-like
        Mean and standard deviation (``ddof=1``) of the outcomes, in any one unit.
    n : array-like
        Outcomes; may be fractional where they are weighted. Where not above 1 the bounds are NaN.
    confidence : float, default=0.95
        Probability in (0, 1) that the interval covers the true mean; higher is wider.

    Returns
    -------
    low, high : ndarray
        The bounds, in the unit of the mean.

    Raises
    ------
    ValueError
        If the confidence is not between 0 and 1.

    References
    ----------
    Student, "The probable error of a mean", Biometrika, 1908.

    Examples
    --------
    >>> low, high = mean_interval(10.0, 30.0, 9)
    >>> print(f"{low:.2f} to {high:.2f}")
    -13.06 to 33.06
    """
    mean, std, n = (np.asarray(part, dtype=float) for part in (mean, std, n))
    _normal_quantile(confidence)
    quantile = special.stdtrit(np.where(n > 1, n - 1, np.nan), 0.5 + confidence / 2)
    half = quantile * _ratio(std, np.sqrt(n))
    return mean - half, mean + half


def sharpe_interval(
    sharpe: npt.ArrayLike,
    n: npt.ArrayLike,
    skewness: npt.ArrayLike = 0.0,
    kurtosis: npt.ArrayLike = 3.0,
    confidence: float = 0.95,
) -> tuple[Array, Array]:
    """Bound the true Sharpe ratio per trade by Lo's large-sample interval with Mertens' correction.

    Profits that are skewed to the left or have fat tails make a Sharpe ratio less certain than its size suggests. With
    skewness γ₃ and kurtosis γ₄ (3 for a normal distribution) the interval is

        S ± z √((1 − γ₃ S + (γ₄ − 1) S² / 4) / n),

    which is Lo's for normal profits. It takes profits as independent from trade to trade.

    Parameters
    ----------
    sharpe : array-like
        Mean of profit divided by its standard deviation, per trade (not annualised).
    n : array-like
        Trades; may be fractional where they are weighted. Where not above 1 the bounds are NaN.
    skewness, kurtosis : array-like, default=0.0 and 3.0
        Standardised third and fourth central moments of profit.
    confidence : float, default=0.95
        Probability in (0, 1) that the interval covers the true ratio; higher is wider.

    Returns
    -------
    low, high : ndarray
        The bounds, per trade. For annualised ones multiply both by √(trades per year).

    Raises
    ------
    ValueError
        If the confidence is not between 0 and 1.

    References
    ----------
    A. W. Lo, "The statistics of Sharpe ratios", Financial Analysts Journal, 2002.

    E. Mertens, "Comments on variance of the IID estimator in Lo (2002)", working paper, University of Basel, 2002.

    Examples
    --------
    >>> low, high = sharpe_interval(0.1, 400)
    >>> print(f"{low:.3f} to {high:.3f}")
    0.002 to 0.198
    """
    sharpe, n, skewness, kurtosis = (np.asarray(part, dtype=float) for part in (sharpe, n, skewness, kurtosis))
    # Never negative for moments of real data (γ₄ ≥ 1 + γ₃²), but rounding may take it there.
    spread = np.maximum(1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2, 0.0)
    half = _normal_quantile(confidence) * np.sqrt(_ratio(spread, np.where(n > 1, n, 0.0)))
    return sharpe - half, sharpe + half


def trade_outcomes(sides: npt.ArrayLike, returns: npt.ArrayLike) -> tuple[Array, Array]:
    """Say what taking a side earned: who won, and how many basis points.

    profit_bps = side × return × 10⁴. A performer that took no side (0 or NaN) made no trade; a return of exactly 0 is a
    trade that is neither won nor lost.

    Parameters
    ----------
    sides : array-like of shape (n_samples, n_performers)
        Above 0 for long, below 0 for short, 0 or NaN for no trade; only the sign counts.
    returns : array-like of shape (n_samples,)
        What the market did, as a fraction (0.01 is one per cent); NaN where unknown.

    Returns
    -------
    wins : ndarray of shape (n_samples, n_performers)
        1 where the side was right, 0 where it was wrong, NaN where there was no trade or the return was 0.
    profits_bps : ndarray of shape (n_samples, n_performers)
        Profit in basis points, NaN where there was no trade.

    Examples
    --------
    >>> wins, profits_bps = trade_outcomes([[1, -1, 0]], [0.0025])
    >>> wins
    array([[ 1.,  0., nan]])
    >>> profits_bps
    array([[ 25., -25.,  nan]])
    """
    signs = np.sign(np.asarray(sides, dtype=float))
    profits_bps = np.where(signs == 0, np.nan, signs * np.asarray(returns, dtype=float)[:, None] * _BPS)
    decided = np.isfinite(profits_bps) & (profits_bps != 0)
    return np.where(decided, (profits_bps > 0).astype(float), np.nan), profits_bps


class Ledger:
    """The record of every model, the ensemble, equal weights and the best model so far, per regime and pooled.

    A ledger never changes: :meth:`updated` returns a new one, so that a reader in another thread always sees a whole
    record and an update that fails leaves nothing behind. Its size depends on the number of models and regimes and on
    ``lookback``, not on the number of outcomes. The ledger only counts; whoever owns it says what happened.

    An outcome counts by its weight: ``sample_weight`` × membership in a regime, ``sample_weight`` alone in the pooled
    record. So n is the sum of these weights, the number of outcomes where regimes are hard and nothing is weighted.
    What is NaN did not happen: it leaves the record of that performer and figure as it was.

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
        Trades per year, for the annualised Sharpe ratio (252 for one trade per trading day); that of a regime is the
        one of a year spent in it. Not annualised if None.

    Attributes
    ----------
    performers : tuple of str
        The columns of what :meth:`updated` takes: the models, then ``"ensemble"``, ``"equal weights"`` and
        ``"best so far"``.

    References
    ----------
    T. F. Chan, G. H. Golub and R. J. LeVeque, "Algorithms for computing the sample variance: analysis and
    recommendations", The American Statistician, 1983.

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
    ) -> None:
        check_number(lookback, "lookback", "Ledger", low=1, integer=True)
        if periods_per_year is not None:
            check_number(periods_per_year, "periods_per_year", "Ledger", low=0, open_low=True)
        self.models = _distinct(models, "models", _BESIDE_MODELS)
        self.regimes = _distinct(regimes, "regimes", (_POOLED,))
        self.lookback = int(lookback)
        self.periods_per_year = periods_per_year
        shape = (len(self.regimes) + 1, len(self.performers))
        self._lifetime = np.zeros((_N_PLANES, *shape))
        # Weight and the four channels of each of the latest outcomes, in a ring; weight 0 marks an empty place.
        self._recent = np.zeros((self.lookback, 1 + len(_CHANNELS), *shape))
        self._slot = np.zeros(shape, dtype=np.intp)
        # Per pair of models, over the outcomes that both were awake for: weight, mean error of the first, its sum of
        # squared deviations, and the sum of products of the deviations of both.
        self._pairs = np.zeros((4, len(self.models), len(self.models)))
        # Outcomes that do not fill a block yet: weights, channels and errors side by side.
        self._pending = np.empty((0, shape[0] + len(_CHANNELS) * shape[1] + len(self.models)))

    @property
    def performers(self) -> tuple[str, ...]:
        """Who is judged: the models, then the ensemble and its two plain rivals."""
        return self.models + _BESIDE_MODELS

    def leaders(self, losses: npt.ArrayLike, *, sample_weight: npt.ArrayLike | None = None) -> npt.NDArray[np.intp]:
        """Say for every row which single model had the lowest mean loss before it, in the pooled record.

        Only models awake on the row may lead. Ties go to the first; so does a start without any record.

        Parameters
        ----------
        losses : array-like of shape (n_samples, n_models)
            Losses of the models on rows in time order, NaN where asleep. The rows are those about to be recorded.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row; 1 if None.

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

        >>> Ledger(["ridge", "forest"], []).leaders([[9, 1], [0, 1], [0, 1]])
        array([0, 1, 1])
        """
        n_models = len(self.models)
        losses = _table(losses, "losses", (None, n_models), "one column per model")
        weights = _row_weights(sample_weight, len(losses))
        record = self._lifetime[:, -1, :n_models]
        waiting = self._pending[:, len(self.regimes) :]
        weights = np.concatenate([waiting[:, 0], weights])[:, None]
        losses = np.concatenate([waiting[:, 1 : 1 + n_models], losses])
        awake = np.isfinite(losses)
        weight = _sums_before(record[_WEIGHTS][_LOSS], weights * awake)
        total = _sums_before(record[_TOTALS][_LOSS], weights * np.where(awake, losses, 0.0))
        no_record = np.finfo(float).max
        mean = np.divide(total, weight, out=np.full_like(total, no_record), where=weight > 0)
        return np.argmin(np.where(awake, mean, np.inf), axis=1)[len(waiting) :]

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
        memberships : array-like of shape (n_samples, n_regimes)
            Share of each regime in each row, in [0, 1] with a sum of at most 1; all zero where the regime is unknown,
            then only the pooled record moves.
        losses : array-like of shape (n_samples, n_performers), default=None
            How wrong each performer was, lower is better. Columns as in ``performers``.
        wins : array-like of shape (n_samples, n_performers), default=None
            1 where a performer was on the right side, 0 where on the wrong one, NaN where neither.
        profits_bps : array-like of shape (n_samples, n_performers), default=None
            Profit of each trade in basis points, NaN where there was none.
        agreements : array-like of shape (n_samples, n_performers), default=None
            For a model, whether it was on the ensemble's side (1 or 0); for the ensemble, the share or the weight of
            the models on its side.
        errors : array-like of shape (n_samples, n_models), default=None
            What :meth:`error_correlations` compares: signed errors in regression, losses in classification.
        sample_weight : array-like of shape (n_samples,), default=None
            How many outcomes each row counts for; 1 if None. A row of weight 0 is a row left out.

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
        rows = self._rows(memberships, sample_weight)
        width = len(self.performers)
        start = len(self.regimes) + 1
        for name, values in zip(_CHANNELS, (losses, wins, profits_bps, agreements), strict=True):
            if values is not None:
                rows[:, start : start + width] = _table(values, name, (len(rows), width), "one column per performer")
                if name in ("wins", "agreements"):
                    _check_shares(rows[:, start : start + width], name)
            start += width
        if errors is not None:
            rows[:, start:] = _table(errors, "errors", (len(rows), len(self.models)), "one column per model")
        if sample_weight is not None:
            rows = rows[rows[:, len(self.regimes)] > 0]

        later = self._copy()
        pending = np.concatenate([self._pending, rows])
        whole = len(pending) - len(pending) % _BLOCK
        for block in range(0, whole, _BLOCK):
            later._absorb(pending[block : block + _BLOCK])
        later._pending = pending[whole:].copy()
        return later

    def __add__(self, other: Ledger) -> Ledger:
        """Join the ledger of one stretch of time with that of the stretch after it."""
        if not isinstance(other, Ledger):
            return NotImplemented
        for name in ("models", "regimes", "lookback", "periods_per_year"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine != theirs:
                raise ValueError(
                    f"Ledgers can be added if they have the same {name}; got {shown(mine)} and {shown(theirs)}. "
                    "Use reindexed to give both the same models and regimes."
                )
        both, other = self._settled(), other._settled()
        rows = other._recent_rows()
        with np.errstate(over="ignore", invalid="ignore"):
            both._lifetime = _joined(both._lifetime, other._lifetime)
            both._recent, both._slot = _pushed(both._recent, both._slot, rows[:, 0], rows[:, 1:])
            both._pairs = _joined_pairs(both._pairs, other._pairs)
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
        new = Ledger(models, regimes, lookback=self.lookback, periods_per_year=self.periods_per_year)
        rows = _positions((*new.regimes, _POOLED), (*self.regimes, _POOLED))
        columns = _positions(new.performers, self.performers)
        pairs = _positions(new.models, self.models)
        old = self._settled()
        new._lifetime = _taken(old._lifetime, rows, columns)
        new._recent = _taken(old._recent, rows, columns)
        new._slot = _taken(old._slot, rows, columns)
        new._pairs = _taken(old._pairs, pairs, pairs)
        return new

    def discounted(self, models: Sequence[str], factor: float) -> Ledger:
        """Let the past of some models count for less, as after their definition has changed.

        Each of their outcomes, lifetime and recent, counts ``factor`` times what it did, so n and with it the certainty
        fall while rates and means stay. Cumulative profit and drawdown are those of ``factor`` times the stake.

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
        factors = np.array([factor if name in models else 1.0 for name in self.performers])
        kept = factors[: len(self.models)]
        later = self._settled()
        weighted = np.ones((_N_PLANES, 1, 1), dtype=bool)
        # A mean does not depend on the weight of its outcomes; without any outcome left it goes back to 0.
        weighted[_MOMENTS][0] = False
        later._lifetime = later._lifetime * np.where(weighted, factors, factors > 0)
        later._recent = later._recent.copy()
        later._recent[:, 0] *= factors
        smaller = np.minimum(kept[:, None], kept)
        later._pairs = later._pairs * np.stack([smaller, smaller > 0, smaller, smaller])
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
              :func:`sharpe_interval`; ``sharpe_annual`` likewise, × √``periods_per_year``;
            - ``drawdown_bps``: deepest fall of cumulative profit from its highest point, the start included;
            - ``n_agreement``, ``agreement``: mean agreement with the ensemble's side.

            Intervals are at 95 %.

        Examples
        --------
        >>> ledger = Ledger(["ridge"], []).updated(np.empty((3, 0)), profits_bps=[[10] * 4, [-30] * 4, [50] * 4])
        >>> ledger.frame().loc[0, ["n_trades", "profit_bps", "sharpe", "drawdown_bps"]].astype(float).round(3).to_dict()
        {'n_trades': 3.0, 'profit_bps': 10.0, 'sharpe': 0.25, 'drawdown_bps': 30.0}
        """
        now = self._settled()
        rows = now._recent_rows()
        with np.errstate(over="ignore", invalid="ignore"):
            recent = _extended(np.zeros_like(now._lifetime), rows[:, 0], rows[:, 1:])
            windows = {
                "lifetime": _figures(now._lifetime, self.periods_per_year),
                "recent": _figures(recent, self.periods_per_year),
            }
        labels = (*self.regimes, _POOLED)
        tables = []
        for window, figures in windows.items():
            table = pd.DataFrame({name: figure.T.ravel() for name, figure in figures.items()})
            table.insert(0, "performer", np.repeat(np.array(self.performers, dtype=object), len(labels)))
            table.insert(1, "regime", pd.Series([*labels] * len(self.performers), dtype=object))
            table.insert(2, "window", window)
            tables.append(table)
        # Lifetime and recent figures of one performer and regime belong next to each other.
        frame = pd.concat(tables).sort_index(kind="stable").reset_index(drop=True)
        counted = now._lifetime[_WEIGHTS].any(axis=(1, 2))
        absent = tuple(word for channel, words in _COLUMNS.items() if not counted[channel] for word in words)
        return frame[[name for name in frame.columns if not name.startswith(absent)]]

    def error_correlations(self) -> pd.DataFrame:
        """Show how alike the models err: the correlation of the errors of every pair, pooled, with n and interval.

        Models whose errors are hardly correlated are those worth combining.

        Returns
        -------
        frame : DataFrame
            One row per pair: ``model``, ``other``, ``n`` (outcomes for which both were awake), ``correlation``,
            ``low``, ``high`` (95 %, by Fisher's transformation; NaN unless n > 3).

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
        weight, mean, square, product = self._settled()._pairs
        spread = np.sqrt(square)
        spread[spread <= _ROUNDING * np.abs(mean) * np.sqrt(weight)] = 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            correlation = np.clip(_ratio(product, spread * spread.T), -1.0, 1.0)
        with np.errstate(divide="ignore"):
            centre = np.arctanh(correlation)
        half = _ratio(_normal_quantile(0.95), np.sqrt(np.maximum(weight - 3, 0.0)))
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

    def _rows(self, memberships: npt.ArrayLike, sample_weight: npt.ArrayLike | None) -> Array:
        """Start a row per outcome: weights in each regime and pooled, then room for the channels and the errors."""
        memberships = _table(memberships, "memberships", (None, len(self.regimes)), "one column per regime")
        totals = memberships.sum(axis=1)
        # Written so that NaN is refused too.
        if not (memberships.min(initial=0.0) >= 0 and totals.max(initial=0.0) <= 1 + 1e-6):
            row = int(np.argmin((memberships >= 0).all(axis=1) & (totals <= 1 + 1e-6)))
            raise ValueError(
                "memberships of the ledger must be at least 0 and add up to at most 1 in every row; "
                f"got {shown(memberships[row].tolist())} in row {row}."
            )
        n_weights = len(self.regimes) + 1
        rows = np.full((len(memberships), self._pending.shape[1]), np.nan)
        rows[:, : n_weights - 1] = memberships
        rows[:, n_weights - 1] = 1.0
        if sample_weight is not None:
            rows[:, :n_weights] *= _row_weights(sample_weight, len(rows))[:, None]
        return rows

    def _absorb(self, rows: Array) -> None:
        """Take a block of rows into the record of a ledger that nobody has seen yet."""
        n_weights, width = len(self.regimes) + 1, len(self.performers)
        weights, errors = rows[:, :n_weights], rows[:, n_weights + len(_CHANNELS) * width :]
        values = rows[:, n_weights : n_weights + len(_CHANNELS) * width].reshape(-1, len(_CHANNELS), 1, width)
        weight = weights[:, :, None] * np.isfinite(values).any(axis=1)
        with np.errstate(over="ignore", invalid="ignore"):
            self._lifetime = _extended(self._lifetime, weight, values)
            self._recent, self._slot = _pushed(self._recent, self._slot, weight, values)
            if np.isfinite(errors).any():
                self._pairs = _joined_pairs(self._pairs, _pairs_of(weights[:, -1], errors))

    def _settled(self) -> Ledger:
        """Return the same record with nothing waiting."""
        settled = self._copy()
        if len(self._pending):
            settled._absorb(self._pending)
            settled._pending = self._pending[:0]
        return settled

    def _recent_rows(self) -> Array:
        """Unroll the ring, oldest outcome first: (lookback, 5, n_regimes + 1, n_performers)."""
        order = (self._slot + np.arange(self.lookback)[:, None, None]) % self.lookback
        return np.take_along_axis(self._recent, order[:, None], axis=0)

    def _copy(self) -> Ledger:
        later = object.__new__(Ledger)
        later.__dict__.update(self.__dict__)
        return later

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
                "": [_shortened(name) for name in frame["performer"]],
                "n": [_counted(n) for n in frame["n"]],
                "loss": [f"{loss:.4g}" for loss in frame["loss"]],
            }
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


def _shortened(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else name[: _NAME_WIDTH - 1] + "…"


def _counted(n: float) -> str:
    return f"{n:.0f}" if n >= 100 else f"{n:.3g}"


def _joined(first: Array, second: Array) -> Array:
    """Join the record of one stretch of time with that of the next; either may be empty."""
    both = first + second
    n_first, n_second = first[_WEIGHTS][_PROFIT], second[_WEIGHTS][_PROFIT]
    if not n_second.any():
        return both
    mean, m2, m3, _ = first[_MOMENTS]
    mean_second, m2_second, m3_second, _ = second[_MOMENTS]
    n = np.maximum(n_first + n_second, _TINY)
    gap = mean_second - mean
    # An empty second part makes up and lift exactly 0, so that the first stays as it was to the last bit.
    up, down = gap * (n_second / n), gap * (n_first / n)
    lift = up * gap * n_first
    moments = both[_MOMENTS]
    moments[0] = mean + up
    moments[1] += lift
    moments[2] += lift * (down - up) + 3 * (down * m2_second - up * m2)
    moments[3] += (
        lift * (down * down - down * up + up * up)
        + 6 * (up * up * m2 + down * down * m2_second)
        + 4 * (down * m3_second - up * m3)
    )
    level = first[_TOTALS][_PROFIT]
    peak, low, fall = first[_PATH]
    peak_second, low_second, fall_second = second[_PATH]
    path = both[_PATH]
    path[0] = np.maximum(peak, level + peak_second)
    path[1] = np.minimum(low, level + low_second)
    path[2] = np.maximum(np.maximum(fall, fall_second), peak - (level + low_second))
    return both


def _extended(record: Array, weight: Array, values: Array) -> Array:
    """Join a record with a block of rows.

    ``weight`` is (n_samples, n_regimes + 1, n_performers), ``values`` (n_samples, 4, the same or 1, n_performers).
    """
    known = np.isfinite(values)
    values = np.where(known, values, 0.0)
    weights = weight[:, None] * known
    sums = np.concatenate([weights, weights * values], axis=1)
    block = np.zeros_like(record)
    block[_WEIGHTS] = sums[:, _WEIGHTS].sum(axis=0)
    weight, profit = weights[:, _PROFIT], values[:, _PROFIT]
    mean = (weight * profit).sum(axis=0) / np.maximum(block[_WEIGHTS][_PROFIT], _TINY)
    gap = profit - mean
    power = weight * gap
    block[_MOMENTS][0] = mean
    for moment in block[_MOMENTS][1:]:
        power = power * gap
        moment[:] = power.sum(axis=0)
    level = np.add.accumulate(sums[:, _TOTALS][:, _PROFIT], axis=0)
    peak = np.maximum.accumulate(np.maximum(level, 0.0), axis=0)
    path = block[_PATH]
    path[0], path[1], path[2] = peak[-1], level.min(axis=0, initial=0.0), (peak - level).max(axis=0)
    both = _joined(record, block)
    # Row by row: `leaders` must find the same sums whether or not rows wait for their block.
    both[: _TOTALS.stop] = np.add.accumulate(np.concatenate([record[None, : _TOTALS.stop], sums]), axis=0)[-1]
    return both


def _pushed(recent: Array, slot: npt.NDArray[np.intp], weight: Array, values: Array) -> tuple[Array, Any]:
    """Put the latest of some rows into the ring, each performer and regime at its own pace."""
    lookback = len(recent)
    entered = weight > 0
    count = np.cumsum(entered, axis=0)
    row, regime, performer = np.nonzero(entered & (count > count[-1] - lookback))
    place = (slot[regime, performer] + count[row, regime, performer] - 1) % lookback
    recent = recent.copy()
    recent[place, 0, regime, performer] = weight[row, regime, performer]
    recent[place, 1:, regime, performer] = np.broadcast_to(values, (*values.shape[:2], *slot.shape))[
        row, :, regime, performer
    ]
    return recent, (slot + count[-1]) % lookback


def _pairs_of(weight: Array, errors: Array) -> Array:
    """Make the pair record of a block of rows: (4, n_models, n_models)."""
    awake = np.isfinite(errors)
    errors = np.where(awake, errors, 0.0)[:, :, None]
    weights = weight[:, None, None] * (awake[:, :, None] & awake[:, None, :])
    n = weights.sum(axis=0)
    mean = (weights * errors).sum(axis=0) / np.maximum(n, _TINY)
    gap = errors - mean
    lever = weights * gap
    return np.stack([n, mean, (lever * gap).sum(axis=0), (lever * gap.transpose(0, 2, 1)).sum(axis=0)])


def _joined_pairs(first: Array, second: Array) -> Array:
    """Join the pair records of one stretch of time and the next."""
    both = first + second
    gap = second[1] - first[1]
    up = gap * (second[0] / np.maximum(both[0], _TINY))
    lift = up * first[0]
    both[1] = first[1] + up
    both[2] += lift * gap
    both[3] += lift * gap.T
    return both


def _figures(record: Array, periods_per_year: float | None) -> dict[str, Array]:
    """Read a record: every figure as (n_regimes + 1, n_performers)."""
    n, n_sides, n_trades, n_agreement = record[_WEIGHTS]
    loss, won, _, agreement = record[_TOTALS]
    win_low, win_high = wilson_interval(won, n_sides)
    mean, m2, m3, m4 = record[_MOMENTS]
    mean = np.where(n_trades > 0, mean, np.nan)
    std = np.sqrt(_ratio(m2, n_trades - 1))
    profit_low, profit_high = mean_interval(mean, std, n_trades)
    sharpe = _ratio(mean, np.where(std > _ROUNDING * np.abs(mean), std, 0.0))
    skewness = _ratio(m3 * np.sqrt(n_trades), m2**1.5)
    kurtosis = _ratio(m4 * n_trades, m2**2)
    sharpe_low, sharpe_high = sharpe_interval(sharpe, n_trades, skewness, kurtosis)
    figures = {
        "n": n,
        "loss": _ratio(loss, n),
        "won": won,
        "lost": n_sides - won,
        "win_rate": _ratio(won, n_sides),
        "win_rate_low": win_low,
        "win_rate_high": win_high,
        "n_trades": n_trades,
        "profit_bps": mean,
        "profit_bps_low": profit_low,
        "profit_bps_high": profit_high,
        "sharpe": sharpe,
        "sharpe_low": sharpe_low,
        "sharpe_high": sharpe_high,
    }
    if periods_per_year is not None:
        year = np.sqrt(periods_per_year)
        figures |= {
            "sharpe_annual": year * sharpe,
            "sharpe_annual_low": year * sharpe_low,
            "sharpe_annual_high": year * sharpe_high,
        }
    return figures | {
        "drawdown_bps": np.where(n_trades > 0, record[_PATH][2], np.nan),
        "n_agreement": n_agreement,
        "agreement": _ratio(agreement, n_agreement),
    }


def _ratio(top: npt.ArrayLike, bottom: npt.ArrayLike) -> Array:
    """Divide where there is something to divide by; NaN elsewhere."""
    top, bottom = np.broadcast_arrays(np.asarray(top, dtype=float), np.asarray(bottom, dtype=float))
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)


def _normal_quantile(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence of an interval must lie between 0 and 1; got {shown(confidence)}.")
    return float(special.ndtri(0.5 + confidence / 2))


def _sums_before(start: Array, rows: Array) -> Array:
    """Add up the rows strictly before each row, one after the other as the record does."""
    return np.add.accumulate(np.concatenate([start[None], rows]), axis=0)[:-1]


def _distinct(names: Sequence[Any], what: str, reserved: tuple[str, ...]) -> tuple[Any, ...]:
    """Refuse names that would mix up two records."""
    names = tuple(names)
    for position, name in enumerate(names):
        if name in reserved:
            raise ValueError(f"{what} of Ledger may not be called {shown(name)}: it keeps a record of its own there.")
        if name in names[:position]:
            raise ValueError(f"{what} of Ledger must all be different; got {shown(name)} twice.")
    return names


def _table(values: npt.ArrayLike, name: str, shape: tuple[int | None, int], columns: str) -> Array:
    """Read numbers of a given shape; None stands for any number of rows."""
    table = _numbers(values, name)
    if table.ndim != 2 or table.shape[1] != shape[1] or shape[0] not in (None, len(table)):
        rows = "n_samples" if shape[0] is None else shape[0]
        raise ValueError(
            f"{name} of the ledger must have one row per outcome and {columns}, a shape of ({rows}, {shape[1]}); "
            f"got {table.shape}."
        )
    return table


def _numbers(values: npt.ArrayLike, name: str) -> Array:
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} of the ledger must be numbers; got {shown(values)}.") from error


def _row_weights(sample_weight: npt.ArrayLike | None, n: int) -> Array:
    if sample_weight is None:
        return np.ones(n)
    weights = _numbers(sample_weight, "sample_weight")
    if weights.shape != (n,) or not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError(
            f"sample_weight of the ledger must be {n} finite numbers of at least 0; got {shown(weights.tolist())}."
        )
    return weights


def _check_shares(values: Array, name: str) -> None:
    if ((values < 0) | (values > 1)).any():
        wrong = values[(values < 0) | (values > 1)][0]
        raise ValueError(f"{name} of the ledger must lie between 0 and 1, or be NaN; got {shown(float(wrong))}.")


def _positions(new: Sequence[Hashable], old: Sequence[Hashable]) -> npt.NDArray[np.intp]:
    """Find the new names among the old ones; -1 where there is none."""
    place = {name: position for position, name in enumerate(old)}
    return np.array([place.get(name, -1) for name in new], dtype=np.intp)


def _taken(array: npt.NDArray[Any], rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp]) -> npt.NDArray[Any]:
    """Rearrange the last two axes; -1 gives zeros, the empty record."""
    padded = np.pad(array, [(0, 0)] * (array.ndim - 2) + [(0, 1), (0, 1)])
    return padded[..., rows[:, None], columns]

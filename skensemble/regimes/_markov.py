"""Regimes by a hidden Markov model: learned by hmmlearn, followed by a filter of our own."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from skensemble._checks import check_choice, check_number
from skensemble.regimes._hidden import HiddenRegimes, low_to_high, not_installed, standardized
from skensemble.regimes._named import Floats, checked_names, level_names, volatility_names

__all__ = ["MarkovRegimes"]


class MarkovRegimes(HiddenRegimes):
    """Tell regimes apart by a Gaussian hidden Markov model, by rows up to now and never by later ones.

    The market is in a state that nobody sees and that tends to last; in each, values have a mean and a standard
    deviation of their own. These are learned in ``fit`` by the Baum-Welch algorithm of hmmlearn. From then on the
    model is only followed, by the forward filter::

        p_t(k) ∝ N(x_t; μ_k, σ_k) · Σ_j p_{t-1}(j) A_jk

    the probability of regime k given the rows up to t. Before the first row stands the share that each regime had of
    the training rows; a row with a missing value moves the probabilities by the transitions A alone. Several columns
    are taken to be independent within a regime.

    The likeliest path through a batch (Viterbi) and probabilities given the whole batch (smoothing) look ahead: a row
    is called calm because calm rows follow. Holding the S&P 500 on calm days of 2009 to 2018 had a Sharpe ratio of 0.66
    by filtered regimes and of 1.37 by smoothed ones, which nobody could have had. Neither is on offer here. Parameters
    look ahead too, within the rows of ``fit``: an ensemble learns them anew from the past of each fold.

    Rows that are predicted together are history for each other. Where the index of a DataFrame (times, or row numbers
    that increase) says that the rows of ``fit`` came before, the filter carries on from the last of these; an array
    cannot say, and begins anew. One row must follow the other in a single series: several rows at one time are
    refused.

    Parameters
    ----------
    columns : str, int or sequence of these, default=0
        Column or columns to look at: names of columns of a DataFrame, or positions. The first one gives the order of
        the regimes.
    n_regimes : int, default=2
        Number of regimes, at least 2. More are finer, and each of them is known from fewer rows.
    order : {"deviation", "mean"}, default="deviation"
        What of the first column sorts the regimes, low to high: its standard deviation within each, as fits returns,
        or its mean, as fits a level such as a spread.
    n_init : int, default=5
        Starts of the search for parameters, of which the likeliest end is kept. More take longer and miss it less
        often.
    max_iter : int, default=500
        Steps of the search from each start at most.
    random_state : int, default=0
        Seed of the starts; the same rows and the same seed give the same regimes.
    names : sequence of str, default=None
        Names of the regimes, low to high. The default (``None``) is, by deviation, ``CALM, TURBULENT`` for two,
        ``CALM, NORMAL, TURBULENT`` for three, otherwise ``VOLATILITY_1, VOLATILITY_2, …``; by mean, ``LOW, HIGH``,
        ``LOW, MID, HIGH``, otherwise ``LEVEL_1, LEVEL_2, …``.

    Attributes
    ----------
    regimes_ : tuple of str
        Names of the regimes, low to high.
    means_ : ndarray of shape (n_regimes, n_columns)
        Mean of each column in each regime, in units of the column.
    deviations_ : ndarray of shape (n_regimes, n_columns)
        Standard deviation of each column in each regime, in units of the column.
    transitions_ : ndarray of shape (n_regimes, n_regimes)
        Probability that the regime of a row (row of the matrix) is followed by another (column). A regime lasts
        1 / (1 - A_kk) rows on average.
    shares_ : ndarray of shape (n_regimes,)
        Share of each regime of the training rows.
    state_ : ndarray of shape (n_regimes,)
        Logarithms of the probabilities at the last known row.
    past_times_ : ndarray of shape (1,) or (0,)
        When that row was; empty where no index says it.
    clock_ : str
        What the index of the training rows holds; empty where it does not say when they were.

    See Also
    --------
    JumpRegimes : Regimes that change less often, without a distribution.
    VolatilityRegimes : Calm and turbulent by a window, without a model.

    References
    ----------
    L. E. Baum, T. Petrie, G. Soules and N. Weiss. "A maximization technique occurring in the statistical analysis of
    probabilistic functions of Markov chains". The Annals of Mathematical Statistics, 1970.

    J. D. Hamilton. "A new approach to the economic analysis of nonstationary time series and the business cycle".
    Econometrica, 1989.

    Examples
    --------
    Fifty returns of deviation 1, then fifty of deviation 8. One small return more does not prove that calm is back,
    and four make it likely.

    >>> import pandas as pd
    >>> X = pd.DataFrame({"return": np.random.RandomState(4).normal(0, [1.0] * 50 + [8.0] * 50)})
    >>> regimes = MarkovRegimes("return").fit(X)
    >>> regimes.deviations_.ravel().round().tolist()
    [1.0, 8.0]
    >>> regimes.predict(X)[[0, 49, 50, 99]].tolist()
    ['CALM', 'CALM', 'TURBULENT', 'TURBULENT']
    >>> later = pd.DataFrame({"return": [1.0] * 5}, index=range(100, 105))
    >>> regimes.predict_proba(later)[:, 0].round(1).tolist()
    [0.0, 0.1, 0.3, 0.7, 0.9]
    """

    _pool = np.logaddexp

    def __init__(
        self,
        columns: str | int | Sequence[str | int] = 0,
        n_regimes: int = 2,
        *,
        order: str = "deviation",
        n_init: int = 5,
        max_iter: int = 500,
        random_state: int = 0,
        names: Sequence[str] | None = None,
    ) -> None:
        self.columns = columns
        self.n_regimes = n_regimes
        self.order = order
        self.n_init = n_init
        self.max_iter = max_iter
        self.random_state = random_state
        self.names = names

    def _names(self) -> tuple[str, ...]:
        owner = type(self).__name__
        self._check_learning()
        check_choice(self.order, "order", owner, ("deviation", "mean"))
        check_number(self.max_iter, "max_iter", owner, low=1, integer=True)
        usual = volatility_names if self.order == "deviation" else level_names
        return checked_names(self.names, usual(self.n_regimes), owner)

    def _learn(self, values: Floats, lengths: NDArray[np.intp]) -> None:
        # hmmlearn adds constants to variances that are harmless for rows of size 1, and drown returns of size 0.01.
        rows, centre, scale = standardized(values)
        # By those constants a column that never moves would favour the regime with more rows: it is kept out.
        moving = rows.any(axis=0) | ~rows.any()
        rows, n_regimes = rows[:, moving], int(self.n_regimes)
        starts = _starts(rows, n_regimes, int(self.n_init), int(self.random_state))
        model = _likeliest([_learned(rows, lengths, start, int(self.max_iter)) for start in starts])
        means, deviations = np.tile(centre, (n_regimes, 1)), np.tile(scale, (n_regimes, 1))
        means[:, moving] += scale[moving] * model.means_
        deviations[:, moving] *= np.sqrt(np.diagonal(model.covars_, axis1=1, axis2=2))
        order = low_to_high(deviations if self.order == "deviation" else means)
        self.means_, self.deviations_ = means[order], deviations[order]
        self.transitions_ = model.transmat_[np.ix_(order, order)]
        self.shares_ = model.predict_proba(rows, lengths).mean(axis=0)[order]

    def _start(self) -> Floats:
        with np.errstate(divide="ignore"):
            return np.log(self.shares_)

    def _moves(self) -> Floats:
        return np.log(self.transitions_)

    def _evidence(self, values: Floats) -> Floats:
        evidence = np.zeros((len(values), len(self.means_)))
        for column, means, deviations in zip(values.T, self.means_.T, self.deviations_.T, strict=True):
            evidence -= 0.5 * ((column[:, None] - means) / deviations) ** 2 + np.log(deviations)
        return evidence

    def _membership(self, state: Floats) -> Floats:
        return np.exp(state)

    def _advice(self) -> str:
        return "ask for fewer by n_regimes=, or look at other columns"


def _starts(rows: Floats, n_regimes: int, n_init: int, seed: int) -> Iterator[tuple[Floats, Floats]]:
    """Yield means and variances to start from: first of regimes that differ in nothing but variance, then at random.

    The usual start, by k-means, tells rises from falls, which is far from calm and turbulent and takes long to leave.
    """
    random = np.random.RandomState(seed)
    variances = np.repeat(4.0 ** (np.arange(n_regimes)[:, None] - (n_regimes - 1) / 2), rows.shape[1], axis=1)
    yield np.zeros_like(variances), variances
    for _ in range(n_init - 1):
        yield rows[random.choice(len(rows), n_regimes, replace=False)], random.permutation(variances)


def _learned(rows: Floats, lengths: NDArray[np.intp], start: tuple[Floats, Floats], max_iter: int) -> Any:
    """Climb from a start to the nearest top of the likelihood."""
    try:
        from hmmlearn.hmm import GaussianHMM  # noqa: PLC0415 - an extra: only fit needs it
    except ModuleNotFoundError:
        raise not_installed("hmmlearn", "MarkovRegimes") from None
    n_regimes = len(start[0])
    # Each transition counts as seen a tenth of a time more than it was: a regime that could never be left, or never be
    # entered, would be a poor guess of what comes. A hair of weight on the mean of all rows serves a regime of no rows.
    priors = {"transmat_prior": 1.1, "means_weight": 1e-6}
    model = GaussianHMM(n_regimes, init_params="", n_iter=max_iter, tol=1e-3, **priors)
    model.startprob_ = np.full(n_regimes, 1.0 / n_regimes)
    model.transmat_ = np.where(np.eye(n_regimes, dtype=bool), 0.9, 0.1 / (n_regimes - 1))
    model.means_, model.covars_ = start
    with _silence("hmmlearn.base"), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # hmmlearn 0.3.3 sets the shape of arrays
        return model.fit(rows, lengths)


def _likeliest(models: list[Any]) -> Any:
    # Whether a search ended before its last step; hmmlearn calls the last step converged as well.
    if all(model.monitor_.iter == model.n_iter for model in models):
        warnings.warn(
            f"MarkovRegimes did not converge within max_iter={models[0].n_iter} steps from any of n_init={len(models)} "
            f"starts: its regimes may be poor. Raise max_iter, ask for fewer by n_regimes=, or pass more rows.",
            ConvergenceWarning,
            stacklevel=4,
        )
    return max(models, key=lambda model: model.monitor_.history[-1])


@contextmanager
def _silence(logger: str) -> Iterator[None]:
    """Let a logger say nothing for a while; a filter of its own each time, so that threads do not undo each other's."""

    def nothing(record: logging.LogRecord) -> bool:
        return False

    logging.getLogger(logger).addFilter(nothing)
    try:
        yield
    finally:
        logging.getLogger(logger).removeFilter(nothing)

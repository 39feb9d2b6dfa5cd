"""Regimes by a statistical jump model: learned by jumpmodels, followed by a dynamic programme of our own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from skensemble._checks import check_number
from skensemble.regimes._hidden import HiddenRegimes, low_to_high, not_installed, standardized
from skensemble.regimes._named import Floats, checked_names, level_names

__all__ = ["JumpRegimes"]


class JumpRegimes(HiddenRegimes):
    """Tell regimes apart by centres, as k-means does, and make each change of regime cost something.

    Clusters flicker: a single odd row is another regime. Here a path of regimes pays half the squared distance of
    each row to the centre of its regime, in units of the columns' standard deviations s, and λ for each jump. The
    centres are those of the cheapest path through the training rows, found in ``fit`` by jumpmodels. From then on the
    cost of the cheapest path that ends in regime k is carried forward::

        V_t(k) = ½ ‖(x_t - μ_k) / s‖² + min_j ( V_{t-1}(j) + λ·1[j ≠ k] )

    and the regime of a row is the one where the cheapest path up to it ends. A row with a missing value costs nothing
    in any regime, so that the regime stays; before the first complete row there is none.

    The cheapest path through a whole batch looks ahead: it jumps at the first odd row, because odd rows follow (see
    `MarkovRegimes` for what that fakes). Here a jump is announced when the rows up to now have paid for it. Centres
    look ahead too, within the rows of ``fit``: an ensemble learns them anew from the past of each fold.

    Rows that are predicted together are history for each other. Where the index of a DataFrame (times, or row numbers
    that increase) says that the rows of ``fit`` came before, the costs carry on from the last of these; an array
    cannot say, and begins anew. One row must follow the other in a single series: several rows at one time are
    refused.

    Parameters
    ----------
    columns : str, int or sequence of these, default=0
        Column or columns to look at: names of columns of a DataFrame, or positions. The first one gives the order of
        the regimes. Regimes differ in their means, so that calm and turbulent are told apart by a measure of
        volatility and not by returns.
    n_regimes : int, default=2
        Number of regimes, at least 2. More are finer, and each of them is known from fewer rows.
    jump_penalty : float, default=10.0
        Cost λ of a jump, at least 0, in the unit of the rows' costs. Larger means fewer jumps, seen later: where
        centres lie d standard deviations apart, a row at the other centre saves d²/2, and a jump shows after some
        2λ/d² rows. 0 is k-means, where a row with a missing value has no regime.
    n_init : int, default=5
        Starts of the search for centres, of which the cheapest end is kept. More take longer and miss it less often.
    random_state : int, default=0
        Seed of the starts; the same rows and the same seed give the same regimes.
    names : sequence of str, default=None
        Names of the regimes, low to high by the centre of the first column. The default (``None``) is ``LOW, HIGH``
        for two, ``LOW, MID, HIGH`` for three, otherwise ``LEVEL_1, LEVEL_2, …``.

    Attributes
    ----------
    regimes_ : tuple of str
        Names of the regimes, low to high.
    centers_ : ndarray of shape (n_regimes, n_columns)
        Mean of each column in each regime, in units of the column; NaN, and last, where jumps cost too much for a
        regime to have any row.
    scale_ : ndarray of shape (n_columns,)
        Standard deviation of each column over the training rows; 1 for a column that is constant there.
    state_ : ndarray of shape (n_regimes,)
        Smallest V less V, at the last known row: 0 for its regime, and below for those that cost more.
    past_times_ : ndarray of shape (1,) or (0,)
        When that row was; empty where no index says it.
    clock_ : str
        What the index of the training rows holds; empty where it does not say when they were.

    See Also
    --------
    MarkovRegimes : Regimes with probabilities, by a distribution.
    OrderedRegimes : Regimes of any clusterer, with ``min_dwell`` against flicker.

    References
    ----------
    P. Nystrup, E. Lindström and H. Madsen. "Learning hidden Markov models with persistent states by penalizing jumps".
    Expert Systems with Applications, 2020.

    Y. Shu, C. Yu and J. M. Mulvey. "Downside risk reduction using regime-switching signals: a statistical jump model
    approach". Journal of Asset Management, 2024.

    Examples
    --------
    The centres 0 and 2 are two deviations apart: each row of the other kind saves 2, and two of them pay for a jump.

    >>> import pandas as pd
    >>> X = pd.DataFrame({"volatility": [0.0, 0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 2.0]})
    >>> regimes = JumpRegimes("volatility", jump_penalty=3).fit(X)
    >>> regimes.centers_.ravel().tolist()
    [0.0, 2.0]
    >>> regimes.predict(X).tolist()
    ['LOW', 'LOW', 'LOW', 'LOW', 'LOW', 'HIGH', 'HIGH', 'HIGH']
    """

    _pool = np.maximum

    def __init__(
        self,
        columns: str | int | Sequence[str | int] = 0,
        n_regimes: int = 2,
        *,
        jump_penalty: float = 10.0,
        n_init: int = 5,
        random_state: int = 0,
        names: Sequence[str] | None = None,
    ) -> None:
        self.columns = columns
        self.n_regimes = n_regimes
        self.jump_penalty = jump_penalty
        self.n_init = n_init
        self.random_state = random_state
        self.names = names

    def _names(self) -> tuple[str, ...]:
        owner = type(self).__name__
        self._check_learning()
        check_number(self.jump_penalty, "jump_penalty", owner, low=0, high=1e9)
        return checked_names(self.names, level_names(self.n_regimes), owner)

    def _learn(self, values: Floats, lengths: NDArray[np.intp]) -> None:
        # Rows that cost nothing make no difference to the cheapest path: it is learned as if they were not there.
        rows, centre, scale = standardized(values)
        search = (int(self.n_regimes), float(self.jump_penalty), int(self.n_init), int(self.random_state))
        centers = centre + scale * _centers(rows, *search)
        self.centers_, self.scale_ = centers[low_to_high(centers)], scale

    def _start(self) -> Floats:
        return np.zeros(len(self.centers_))

    def _moves(self) -> Floats:
        return -float(self.jump_penalty) * (1.0 - np.eye(len(self.centers_)))

    def _evidence(self, values: Floats) -> Floats:
        # A regime without rows is infinitely far away.
        centers = np.where(np.isnan(self.centers_), np.inf, self.centers_)
        evidence = np.zeros((len(values), len(centers)))
        for column, middle, unit in zip(values.T, centers.T, self.scale_, strict=True):
            evidence -= 0.5 * ((column[:, None] - middle) / unit) ** 2
        return evidence

    def _membership(self, state: Floats) -> Floats:
        # All alike: nothing has been seen yet.
        return np.zeros(len(state)) if (state == 0).all() else np.eye(len(state))[state.argmax()]

    def _advice(self) -> str:
        return "ask for fewer by n_regimes=, lower jump_penalty, or look at other columns"


def _centers(rows: Floats, n_regimes: int, jump_penalty: float, n_init: int, seed: int) -> Floats:
    """Return the centres of the cheapest path through the rows; NaN for a regime that it leaves out."""
    # jumpmodels switches off numpy's warnings for good when it is imported; within errstate they come back.
    with np.errstate(divide="ignore", invalid="ignore"):
        try:
            from jumpmodels.jump import JumpModel  # noqa: PLC0415 - an extra: only fit needs it
        except ModuleNotFoundError:
            raise not_installed("jumpmodels", "JumpRegimes") from None
        model = JumpModel(n_regimes, jump_penalty, n_init=n_init, random_state=seed).fit(rows)
    return np.asarray(model.centers_)

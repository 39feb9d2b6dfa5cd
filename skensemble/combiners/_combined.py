"""A combiner of combiners: where nobody knows which way of combining suits the data, the outcomes say so."""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from skensemble._checks import check_part, shown
from skensemble.combiners._base import Array, Combiner
from skensemble.combiners._dynamic import DynamicWeighting
from skensemble.combiners._stacking import Stacking
from skensemble.combiners._voting import WeightedVoting

__all__ = ["WeightedCombiners"]

# Where nobody says in which folds rows were predicted, rows are learned from in so many blocks.
_BLOCKS = 5


class WeightedCombiners(Combiner):
    r"""Weigh several ways of combining as if each were a model.

    Voting is steady, stacking can say more than any average of the models (and go wrong where levels drift), dynamic
    weighting follows what changes. Which of them suits is seldom known beforehand. With :math:`f_c` the answer of
    combiner c, and shares :math:`u_c` that move after every outcome by the rule of a `DynamicWeighting`, the answer is

    .. math:: \sum_c u_c f_c , \qquad u_c \ge 0, \; \sum_c u_c = 1 .

    A combiner is judged by what it said before it knew the outcome: out of fold in `fit`, row by row afterwards. A
    model's weight is the mean of its weights in the combiners, and its contribution that of its contributions.

    Parameters
    ----------
    combiners : list of Combiner, default=None
        What is weighed. The default (``None``) is ``[WeightedVoting(), Stacking(), DynamicWeighting()]``.
    judge : DynamicWeighting, default=None
        How the shares move; it is told of no regimes. The default (``None``) is ``DynamicWeighting()``.

    Attributes
    ----------
    regime_weights_ : ndarray of shape (1 + n_regimes, n_models)
        Weights of the models now, first pooled, then in each regime.
    combiners_ : list of Combiner
        The combiners, fitted.
    judge_ : DynamicWeighting
        Fitted on what the combiners said; its ``regime_weights_[0]`` are the shares now.

    Raises
    ------
    ValueError
        If ``combiners`` is not a list of combiners, or empty.

    See Also
    --------
    DynamicWeighting : The same for models, with regimes.

    Notes
    -----
    Three combiners learn, so an update takes as long as all of theirs. Outcomes that arrive late are judged by today's
    shares, also where the explanation of the time is given. As in `DynamicWeighting` the order of the rows matters, and
    a row of weight two is not the same as two rows.

    References
    ----------
    Wintenberger, O. (2017). Optimal learning with Bernstein online aggregation. Machine Learning 106, 119-141.

    Examples
    --------
    The best answer is the first model's prediction doubled: no average of models gives it, stacking does.

    >>> import numpy as np
    >>> from skensemble.combiners import WeightedCombiners
    >>> targets = np.sin(np.arange(400.0))[:, None]
    >>> predictions = np.stack([targets / 2, targets / 3], axis=1)
    >>> combined = WeightedCombiners().fit(predictions, targets, np.zeros((400, 0)))
    >>> [type(each).__name__ for each in combined.combiners_]
    ['WeightedVoting', 'Stacking', 'DynamicWeighting']
    >>> bool(combined.judge_.regime_weights_[0, 1] > 0.9)
    True
    """

    def __init__(self, combiners: list[Combiner] | None = None, *, judge: DynamicWeighting | None = None) -> None:
        self.combiners = combiners
        self.judge = judge

    @property
    def looks_at_features(self) -> bool:
        """Whether the rows themselves matter to one of the combiners.

        Returns
        -------
        bool
            As they say.
        """
        return any(each.looks_at_features for each in self.combiners or [])

    def fit_forward(
        self,
        predictions: Array,
        targets: Array,
        memberships: Array,
        sample_weight: Array,
        folds: NDArray[np.intp],
        *,
        known: NDArray[np.intp] | None = None,
        features: Any = None,
    ) -> tuple[Array, Array]:
        """Learn like `fit`, and say what the answer was on each row with what could be known before it.

        Parameters
        ----------
        predictions : ndarray of shape (n_samples, n_models, n_outputs)
            Out-of-fold predictions; NaN where a model sleeps.
        targets : ndarray of shape (n_samples, n_outputs)
            What came true; one column per class for classes.
        memberships : ndarray of shape (n_samples, n_regimes)
            Rows sum to 1, or are zero where the regime is unknown.
        sample_weight : ndarray of shape (n_samples,)
            How much each row counts.
        folds : ndarray of shape (n_samples,)
            Number of the fold that each row was predicted in.
        known : ndarray of shape (n_samples,), default=None
            How many rows had an outcome when each row was predicted, see `follow`.
        features : array-like of shape (n_samples, n_features), default=None
            The rows themselves, for combiners that look at them.

        Returns
        -------
        combined : ndarray of shape (n_samples, n_outputs)
            The combined predictions.
        weights : ndarray of shape (n_samples, n_models)
            The weights behind them.
        """
        self.check_parameters()
        self.combiners_ = [clone(each) for each in self._given()]
        said = [
            each.fit_forward(predictions, targets, memberships, sample_weight, folds, known=known, features=features)
            for each in self.combiners_
        ]
        self.judge_ = clone(self.judge) if self.judge is not None else DynamicWeighting()
        heard = np.stack([combined for combined, _ in said], axis=1)
        combined, shares = self.judge_.fit_forward(heard, targets, _nowhere(heard), sample_weight, folds, known=known)
        self.regime_weights_ = self._regime_weights(predictions.shape[1], memberships.shape[1])
        return combined, _shared(shares, [weights for _, weights in said])

    def weights(self, predictions: Array, memberships: Array) -> Array:
        """Return how far each model is trusted on each row.

        Parameters
        ----------
        predictions : ndarray of shape (n_samples, n_models, n_outputs)
            Predictions; NaN where a model sleeps.
        memberships : ndarray of shape (n_samples, n_regimes)
            Memberships of the rows.

        Returns
        -------
        ndarray of shape (n_samples, n_models)
            Weights; 0 for models asleep, else summing to 1.
        """
        shares = self._shares(np.zeros((len(predictions), len(self.combiners_), 1)))
        return _shared(shares, [each.weights(predictions, memberships) for each in self.combiners_])

    def follow_trades(self, profits_bps: Array, memberships: Array, sample_weight: Array) -> bool:
        """Learn from trades of single models, as far as the combiners do.

        Parameters
        ----------
        profits_bps : ndarray of shape (n_trades, n_models)
            Profit of each model's trade in basis points; NaN where it did not trade.
        memberships : ndarray of shape (n_trades, n_regimes)
            Memberships of the trades.
        sample_weight : ndarray of shape (n_trades,)
            How much each trade counts.

        Returns
        -------
        bool
            Whether weights of one of them have moved.
        """
        self.combiners_ = [copy(each) for each in self.combiners_]
        moved = [each.follow_trades(profits_bps, memberships, sample_weight) for each in self.combiners_]
        return any(moved)

    def welcome(self, newcomers: NDArray[np.bool_], taught: WeightedCombiners) -> None:
        """Give models that `resume` did not find the record that they have earned elsewhere.

        Parameters
        ----------
        newcomers : ndarray of bool of shape (n_models,)
            Which models are new.
        taught : WeightedCombiners
            Of the same combiners, models and regimes; it has learned from rows on which they all spoke.
        """
        for own, other in zip(self.combiners_, taught.combiners_, strict=True):
            own.welcome(newcomers, other)
        self.regime_weights_ = self._regime_weights(len(newcomers), len(self.regime_weights_) - 1)

    def check_parameters(self) -> None:
        """Refuse parameters that make no sense."""
        check_part(self.judge, "judge", "WeightedCombiners", DynamicWeighting, "DynamicWeighting()")
        given = self.combiners
        if given is not None and not (
            isinstance(given, (list, tuple)) and given and all(isinstance(each, Combiner) for each in given)
        ):
            raise ValueError(
                f"combiners of WeightedCombiners must be a list of combiners, such as [WeightedVoting(), Stacking()]; "
                f"got {shown(given)}."
            )
        for each in [*self._given(), *([] if self.judge is None else [self.judge])]:
            each.check_parameters()

    def _given(self) -> list[Combiner]:
        if self.combiners is not None:
            return list(self.combiners)
        return [WeightedVoting(), Stacking(), DynamicWeighting()]

    def _fit(self, predictions: Array, targets: Array, memberships: Array, counted: Array, features: Any) -> None:
        n_samples = len(targets)
        blocks = np.arange(n_samples) * _BLOCKS // max(n_samples, 1)
        self.fit_forward(predictions, targets, memberships, counted, blocks, features=features)

    def _follow(
        self,
        predictions: Array,
        targets: Array,
        memberships: Array,
        counted: Array,
        weights: Array | None,
        known: NDArray[np.intp] | None,
        features: Any,
    ) -> tuple[Array, Array]:
        combiners, judge = [copy(each) for each in self.combiners_], copy(self.judge_)
        said = [each._follow(predictions, targets, memberships, counted, None, known, features) for each in combiners]
        heard = np.stack([combined for combined, _ in said], axis=1)
        combined, shares = judge._follow(heard, targets, _nowhere(heard), counted, None, known, None)
        self.combiners_, self.judge_ = combiners, judge
        self.regime_weights_ = self._regime_weights(predictions.shape[1], memberships.shape[1])
        return combined, _shared(shares, [own for _, own in said])

    def _resume(self, past: WeightedCombiners, models: Any, regimes: Any, keep: Array, n_outputs: int) -> bool:
        mine = [clone(each) for each in self._given()]
        if len(mine) != len(past.combiners_) or repr(self.judge) != repr(past.judge):
            return False
        # What all of them have earned together means nothing where one of them starts anew.
        if not all(
            own.resume(each, models, regimes, keep, n_outputs) for own, each in zip(mine, past.combiners_, strict=True)
        ):
            return False
        self.combiners_, self.judge_ = mine, copy(past.judge_)
        self.regime_weights_ = self._regime_weights(len(models), len(regimes))
        return True

    def _combine(self, predictions: Array, memberships: Array, features: Any) -> Array:
        heard = np.stack(
            [each.combine(predictions, memberships, features=features) for each in self.combiners_], axis=1
        )
        return self.judge_.combine(heard, _nowhere(heard))

    def _contribute(self, predictions: Array, memberships: Array, features: Any) -> Array:
        shares = self._shares(np.zeros((len(predictions), len(self.combiners_), 1)))
        contributions = [each.contributions(predictions, memberships, features=features) for each in self.combiners_]
        return np.einsum("nc,cnko->nko", shares, np.stack(contributions))

    def _shares(self, heard: Array) -> Array:
        return self.judge_.weights(heard, _nowhere(heard))

    def _regime_weights(self, n_models: int, n_regimes: int) -> Array:
        inside = np.vstack([np.zeros(n_regimes), np.eye(n_regimes)])
        return self.weights(np.zeros((1 + n_regimes, n_models, 1)), inside)


def _shared(shares: Array, weights: list[Array]) -> Array:
    """The mean of the combiners' weights of the models, by the combiners' shares."""
    return np.einsum("nc,cnk->nk", shares, np.stack(weights))


def _nowhere(heard: Array) -> Array:
    """Memberships of rows of which no regime is told: the combiners know them already."""
    return np.zeros((len(heard), 0))

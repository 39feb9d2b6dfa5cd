"""Dynamic weighting: weights that move with every outcome, pooled and per regime."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import clone

from skensemble._checks import check_number, check_part
from skensemble.combiners._base import Array, Averaging, awake_models, default_loss, weighted_mean
from skensemble.losses import Loss
from skensemble.rules import BernsteinAggregation, Rule

__all__ = ["DynamicWeighting"]

_SHORT_SHARE = 0.2


class DynamicWeighting(Averaging):
    r"""Average the models with weights that a rule moves after every outcome.

    The rule divides trust among *specialists*, one for every pair (model, context). The contexts are: all rows with a
    full memory, all rows with a short memory, and each regime. A specialist speaks with confidence 1 in the first two
    and with the row's membership in a regime; where its model sleeps it is silent. A model's weight is the sum over
    its contexts, the prediction :math:`z = \sum_k w_k x_k`. After the outcome y the rule is told the slope of the loss
    at the prediction times what each model said,

    .. math:: \ell_k = \langle \ell'(z, y), x_k \rangle ,

    (the gradient trick: for convex losses the ensemble then competes with the best mix of models, not only with the
    best model), and moves. Nothing is tuned: neither a learning rate nor how much a regime is to be believed; where
    labels are noise, the pooled specialists win.

    Parameters
    ----------
    rule : Rule, default=None
        How trust moves. The default (``None``) is ``BernsteinAggregation()``.
    loss : Loss, default=None
        What an error costs. The default (``None``) is ``SquaredLoss()`` for regression, ``LogLoss()`` for classes.
    gradient_trick : bool, default=True
        Learn from slopes. ``False`` learns from the models' own losses and competes with the best model only; losses
        that are not convex are always learned from so.
    short_memory : float, default=0.98
        Factor by which the short memory fades with each outcome: 0.98 remembers some 50 outcomes. 1 forgets nothing.

    Attributes
    ----------
    regime_weights_ : ndarray of shape (1 + n_regimes, n_models)
        Weights now, first where no regime is known, then in each regime.
    state_ : record of arrays
        What the rule has learned; never changed in place.

    See Also
    --------
    WeightedVoting : Weights that are set once, from all past errors alike.

    Notes
    -----
    A rule learns in the order of the rows. So a row of weight two is not the same as two rows, and the order of rows
    matters: of scikit-learn's conventions that one, equivalence of weights and repetitions, does not hold here. What
    does hold: a row of weight zero is a row left out.

    References
    ----------
    Wintenberger, O. (2017). Optimal learning with Bernstein online aggregation. Machine Learning 106, 119-141.

    Gaillard, P., Stoltz, G. & van Erven, T. (2014). A second-order bound with excess losses. COLT, 176-196: sleeping
    and confidences.

    Freund, Y., Schapire, R., Singer, Y. & Warmuth, M. (1997). Using and combining predictors that specialize. STOC,
    334-343.

    Examples
    --------
    Two models, the first always right; after twenty outcomes it has nearly all the weight:

    >>> import numpy as np
    >>> from skensemble.combiners import DynamicWeighting
    >>> targets = np.ones((20, 1))
    >>> predictions = np.stack([targets, targets + 1], axis=1)
    >>> dynamic = DynamicWeighting().fit(predictions, targets, np.zeros((20, 0)))
    >>> bool(dynamic.regime_weights_[0, 0] > 0.95)
    True
    """

    def __init__(
        self,
        rule: Rule[Any] | None = None,
        *,
        loss: Loss | None = None,
        gradient_trick: bool = True,
        short_memory: float = 0.98,
    ) -> None:
        self.rule = rule
        self.loss = loss
        self.gradient_trick = gradient_trick
        self.short_memory = short_memory

    def fit_forward(
        self,
        predictions: Array,
        targets: Array,
        memberships: Array,
        sample_weight: Array,
        folds: Any,
        *,
        known: Any = None,
        features: Any = None,
    ) -> tuple[Array, Array]:
        """Learn like `fit`, and say what the answer was before each row was known.

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
            Ignored: outcomes arrive one by one, not by folds.
        known : ndarray of shape (n_samples,), default=None
            How many rows had an outcome when each row was predicted; ``None`` is all rows before.
        features : array-like of shape (n_samples, n_features), default=None
            Ignored.

        Returns
        -------
        combined : ndarray of shape (n_samples, n_outputs)
            The combined predictions.
        weights : ndarray of shape (n_samples, n_models)
            The weights behind them.
        """
        self.check_parameters()
        self._start(predictions.shape[1], memberships.shape[1], targets.shape[1])
        return self.follow(predictions, targets, memberships, sample_weight, known=known)

    def check_parameters(self) -> None:
        """Refuse parameters that make no sense."""
        check_number(self.short_memory, "short_memory", "DynamicWeighting", low=0, open_low=True, high=1)
        check_part(self.rule, "rule", "DynamicWeighting", Rule, "BernsteinAggregation()")
        check_part(self.loss, "loss", "DynamicWeighting", Loss, "SquaredLoss()")
        loss = self.loss if self.gradient_trick and (self.loss is None or self.loss.convex) else None
        (BernsteinAggregation() if self.rule is None else self.rule).check(loss)

    def _fit(self, predictions: Array, targets: Array, memberships: Array, counted: Array, features: Any) -> None:
        self._start(predictions.shape[1], memberships.shape[1], targets.shape[1])
        self._follow(predictions, targets, memberships, counted, None, None, features)

    def _start(self, n_models: int, n_regimes: int, n_outputs: int) -> None:
        """Lay out the specialists, model by model within each context, and their prior."""
        self.trades_ = None
        self.rule_ = self.rule if self.rule is not None else BernsteinAggregation()
        self.loss_ = self.loss if self.loss is not None else default_loss(n_outputs)
        self.n_contexts_ = 2 + n_regimes
        # Pooled contexts hold as much trust as one regime: on a row one regime is awake.
        shares = np.array([1 - _SHORT_SHARE, _SHORT_SHARE, *np.ones(n_regimes)])
        memory = np.ones(self.n_contexts_)
        memory[1] = self.short_memory
        self.state_ = self.rule_.start(
            np.repeat(shares / shares.sum() / n_models, n_models),
            np.repeat(memory, n_models),
            np.tile(np.arange(n_models), self.n_contexts_),
        )
        self.regime_weights_ = self._regime_weights(n_models, n_regimes)

    def _follow(
        self,
        predictions: Array,
        targets: Array,
        memberships: Array,
        counted: Array,
        weights: Array | None,
        known: Any,
        features: Any,
    ) -> tuple[Array, Array]:
        awake, slopes = awake_models(predictions), self.gradient_trick and self.loss_.convex
        self.state_, before = self.rule_.follow(
            self.state_,
            np.where(awake[:, :, None], predictions, 0.0),
            targets,
            self._confidences(awake, memberships),
            loss=self.loss_ if slopes else None,
            losses=None if slopes else self.loss_(targets, predictions),
            scale=counted,
            known=known,
            weights=weights,
        )
        self.regime_weights_ = self._regime_weights(predictions.shape[1], memberships.shape[1])
        before = self._with_trades(before, awake, memberships)
        return weighted_mean(before, predictions), before

    def _resume(self, past: DynamicWeighting, models: Any, regimes: Any, keep: Array, n_outputs: int) -> bool:
        self._start(len(models), len(regimes), n_outputs)
        # What another rule, or the same on another scale of losses, has learned means nothing to this one.
        same = repr((_without_engine(self.rule_), self.loss_)) == repr((_without_engine(past.rule_), past.loss_))
        if not same or self.gradient_trick != past.gradient_trick:
            return False
        n_before = past.regime_weights_.shape[1]
        contexts = np.concatenate([[0, 1], np.where(regimes >= 0, regimes + 2, -1)])
        known = (contexts[:, None] >= 0) & (models >= 0)
        source = np.where(known, contexts[:, None] * n_before + models, -1).ravel()
        self.state_ = self.rule_.carried(past.state_, self.state_, source, np.tile(keep, len(contexts)))
        self.regime_weights_ = self._regime_weights(len(models), len(regimes))
        self._resume_trades(past, models, regimes, keep)
        return True

    def welcome(self, newcomers: Any, taught: DynamicWeighting) -> None:
        """Give models that `resume` did not find the record that they have earned elsewhere.

        A specialist that has hardly been heard is trusted at a high rate: without a record of its own, a newcomer would
        take over every regime in which it was lucky once.

        Parameters
        ----------
        newcomers : ndarray of bool of shape (n_models,)
            Which models are new.
        taught : DynamicWeighting
            A combiner of the same kind, models and regimes that has learned from rows on which they all spoke.
        """
        self.state_ = self.rule_.joined(self.state_, taught.state_, np.tile(newcomers, self.n_contexts_))
        self.regime_weights_ = self._regime_weights(len(newcomers), len(self.regime_weights_) - 1)

    def _weigh(self, awake: Any, memberships: Array) -> Array:
        trust = self.rule_.weights(self.state_, self._confidences(awake, memberships))
        return trust.reshape(len(awake), self.n_contexts_, awake.shape[1]).sum(axis=1)

    def _confidences(self, awake: Any, memberships: Array) -> Array:
        """Confidence ``(n_samples, n_specialists)`` of every pair of context and model."""
        contexts = np.ones((len(awake), self.n_contexts_))
        contexts[:, 2:] = memberships
        return (contexts[:, :, None] * awake[:, None, :]).reshape(len(awake), self.n_contexts_ * awake.shape[1])

    def _regime_weights(self, n_models: int, n_regimes: int) -> Array:
        inside = np.vstack([np.zeros(n_regimes), np.eye(n_regimes)])
        return self._weigh(np.ones((1 + n_regimes, n_models), dtype=bool), inside)


def _without_engine(rule: Rule[Any]) -> Rule[Any]:
    """Return the rule as it would be without an engine of its own: what it learns is the same."""
    return clone(rule).set_params(engine="numpy") if "engine" in rule.get_params() else rule

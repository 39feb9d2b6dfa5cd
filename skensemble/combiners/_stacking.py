"""Stacking: a model of the models' predictions."""

from __future__ import annotations

import warnings
from copy import deepcopy
from inspect import signature
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import clone, is_classifier

from skensemble._checks import ModelFailureWarning, check_number, shown
from skensemble._compat import take_rows
from skensemble.combiners._base import (
    Array,
    Combiner,
    awake_models,
    equal_weights,
    regime_shares,
    spoken,
    weighted_mean,
)
from skensemble.combiners._final import LogOddsPool, NonNegativeRidge
from skensemble.models import make_model, takes_sample_weight
from skensemble.splits import answered_rows

__all__ = ["Stacking"]

_MOST_INFLUENCE_ROWS = 1000


class Stacking(Combiner):
    r"""Learn how to combine the models with a model of their predictions.

    The final estimator is fitted on out-of-fold predictions: for classes on the probabilities, of the second class
    alone where there are two. With regimes it is fitted once more for each of them, on all rows with weights

    .. math:: s_i \Big(m_{ir} + \kappa \big/ \textstyle\sum_l s_l\Big),

    so that the pooled record counts for :math:`\kappa` = ``shrinkage`` rows beside the regime's own.

    Parameters
    ----------
    final_estimator : estimator, default=None
        Any regressor, or classifier with ``predict_proba``. The default (``None``) is ``NonNegativeRidge()`` for
        regression and ``LogOddsPool()`` for classification, or with ``passthrough`` the linear model of the task.
    passthrough : bool, default=False
        Whether the final estimator sees the features beside the predictions.
    shrinkage : float, default=50.0
        Rows that the pooled record counts for in each regime. Larger means that regimes differ less.

    Attributes
    ----------
    final_estimators_ : list of estimator
        The fitted final estimators, first pooled, then of each regime. Empty where there was nothing to learn from, or
        the final estimator failed: then models have equal weights.
    regime_weights_ : ndarray of shape (1 + n_regimes, n_models)
        Share of each model in the absolute contributions on the rows learned from (at most 1000 of them).

    See Also
    --------
    WeightedVoting : An average instead of a model.

    Notes
    -----
    A model asleep on a row is replaced by the mean of those awake. A final estimator with one coefficient per class
    cannot learn a class that was never among its rows; the default can. Contributions are the mean, over the two
    orders first to last and last to first, of what the answer moves by when a model's prediction takes the place of its
    mean out of fold; for a linear final estimator that is coefficient times deviation.

    References
    ----------
    Wolpert, D. H. (1992). Stacked generalization. Neural Networks 5(2), 241-259.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from skensemble.combiners import Stacking
    >>> targets = np.array([[1.0], [2.0], [3.0], [5.0]])
    >>> predictions = np.stack([2 * targets, 10 - targets ** 2], axis=1)
    >>> stacking = Stacking(LinearRegression()).fit(predictions, targets, np.zeros((4, 0)))
    >>> stacking.final_estimators_[0].coef_.round(6) + 0.0
    array([0.5, 0. ])
    """

    def __init__(self, final_estimator: Any = None, *, passthrough: bool = False, shrinkage: float = 50.0) -> None:
        self.final_estimator = final_estimator
        self.passthrough = passthrough
        self.shrinkage = shrinkage

    @property
    def looks_at_features(self) -> bool:
        """Whether the rows themselves matter to the answer.

        Returns
        -------
        bool
            As ``passthrough`` says.
        """
        return bool(self.passthrough)

    def check_parameters(self) -> None:
        """Refuse parameters that make no sense."""
        check_number(self.shrinkage, "shrinkage", "Stacking", low=0)

    def _fit(self, predictions: Array, targets: Array, memberships: Array, counted: Array, features: Any) -> None:
        final = self._resolved(targets.shape[1])
        rows = np.flatnonzero((counted > 0) & awake_models(predictions).any(axis=1))
        n_models, n_regimes = predictions.shape[1], memberships.shape[1]
        self.n_outputs_ = targets.shape[1]
        self.baseline_ = np.zeros(predictions.shape[1:])
        self.regime_weights_ = np.full((1 + n_regimes, n_models), 1.0 / max(n_models, 1))
        self.final_estimators_: list[Any] = []
        if not len(rows):
            return
        of_row, filled, counted, memberships = counted, _filled(predictions[rows]), counted[rows], memberships[rows]
        self.baseline_ = np.einsum("n,nmk->mk", counted / counted.sum(), filled)
        design = self._design(filled, None if features is None else take_rows(features, rows))
        self.final_estimators_ = self._fit_each(final, design, _labels(targets[rows]), counted, memberships)
        if self.final_estimators_:
            few = rows[:: max(len(rows) // _MOST_INFLUENCE_ROWS, 1)]
            own = None if features is None else take_rows(features, few)
            self._measure_influence(predictions[few], n_regimes, own, of_row[few])

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
        before = self.weights(predictions, memberships)
        blind = self.passthrough and features is None
        if blind or not self._follows():
            kind = type(self.final_estimators_[0]).__name__ if self.final_estimators_ else "(none was fitted)"
            lacks = "has no partial_fit that takes sample_weight"
            if blind:
                lacks = "needs the features (passthrough), which an explanation does not hold"
            warnings.warn(
                f"The final_estimator {kind} of Stacking {lacks}: it stays as it is, and only the ledger moves. "
                f"NonNegativeRidge, LogOddsPool and SGD models follow outcomes.",
                UserWarning,
                stacklevel=4,
            )
            if blind:
                return np.full(targets.shape, np.nan), before
            return self.combine(predictions, memberships, features=features), before
        # Learned on copies, so that somebody who predicts meanwhile sees the old ones or the new ones.
        learning = {id(each): deepcopy(each) for each in self.final_estimators_}
        finals = [learning[id(each)] for each in self.final_estimators_]
        filled, labels, shares = _filled(predictions), _labels(targets), regime_shares(memberships)
        combined, heard = np.empty(targets.shape), awake_models(predictions).any(axis=1)
        for i, now in enumerate(answered_rows(len(targets), known)):
            row = slice(i, i + 1)
            design = self._design(filled[row], None if features is None else take_rows(features, row))
            if now == row:
                combined[row] = self._blend(finals, design, memberships[row])
            elif now.start < now.stop:
                other = self._design(filled[now], None if features is None else take_rows(features, now))
                combined[now] = self._blend(finals, other, memberships[now])
            if counted[i] > 0 and heard[i]:
                self._teach(finals, design, labels[row], counted[i], shares[i])
        self.final_estimators_ = finals
        return combined, before

    def _resume(self, past: Stacking, models: Any, regimes: Any, keep: Array, n_outputs: int) -> bool:
        # A model of predictions means nothing for other models, other features or with other parameters; one that
        # cannot follow outcomes learns from the rows of a retrain only if it is fitted anew.
        same = np.array_equal(models, np.arange(past.regime_weights_.shape[1])) and (keep == 1).all()
        same = same and np.array_equal(regimes, np.arange(len(past.regime_weights_) - 1))
        if not same or self.passthrough or not past._follows() or self._settings() != past._settings():
            return False
        for name, value in vars(past).items():
            if name.endswith("_"):
                setattr(self, name, value)
        return True

    def _follows(self) -> bool:
        """Whether every final estimator can learn from one more row of any weight."""
        return bool(self.final_estimators_) and all(
            hasattr(each, "partial_fit") and "sample_weight" in signature(each.partial_fit).parameters
            for each in self.final_estimators_
        )

    def _settings(self) -> dict[str, str]:
        """Parameters but for seeds, which are drawn anew with every fit, and for parts, whose own are listed too."""
        return {
            name: type(value).__name__ if hasattr(value, "get_params") else repr(value)
            for name, value in self.get_params(deep=True).items()
            if name.rpartition("__")[2] != "random_state"
        }

    def _teach(self, finals: list[Any], design: Any, labels: Any, counted: float, shares: Array) -> None:
        pooled, *regimes = finals
        pooled.partial_fit(design, labels, sample_weight=np.array([counted]))
        # The pooled record that fit left in each regime stays what it is: rows of others would make it grow.
        for final, share in zip(regimes, shares[1:], strict=True):
            if final is not pooled and share > 0:
                final.partial_fit(design, labels, sample_weight=np.array([counted * share]))

    def _combine(self, predictions: Array, memberships: Array, features: Any) -> Array:
        if not self.final_estimators_:
            return weighted_mean(equal_weights(awake_models(predictions)), predictions)
        return self._answer(_filled(predictions), memberships, features)

    def _contribute(self, predictions: Array, memberships: Array, features: Any) -> Array:
        if not self.final_estimators_:
            return equal_weights(awake_models(predictions))[:, :, None] * spoken(predictions)
        filled = _filled(predictions)
        # A model asleep stands in both ends of the path with the same value, so that it contributes nothing.
        mean = np.where(awake_models(predictions)[:, :, None], self.baseline_, filled)
        n_models = predictions.shape[1]
        # Two paths from the mean to what was said, one model after the other: in order, and in the opposite one.
        replaced = np.tri(n_models + 1, n_models, -1, dtype=bool)
        steps = np.where(np.stack([replaced, replaced[:, ::-1]])[..., None], filled[:, None, None], mean[:, None, None])
        n_steps = steps.shape[1] * steps.shape[2]
        rows = np.repeat(np.arange(len(filled)), n_steps)
        known = None if features is None else take_rows(features, rows)
        answers = self._answer(steps.reshape(-1, *filled.shape[1:]), memberships[rows], known)
        moves = np.diff(answers.reshape(*steps.shape[:3], -1), axis=2)
        return 0.5 * (moves[:, 0] + moves[:, 1, ::-1])

    def _resolved(self, n_outputs: int) -> Any:
        """The final estimator, with its default filled in and its kind checked."""
        final = self.final_estimator
        if final is None:
            if self.passthrough:
                return make_model("linear", "regressor" if n_outputs == 1 else "classifier")
            return NonNegativeRidge() if n_outputs == 1 else LogOddsPool(n_classes=n_outputs)
        kind = "regressor" if n_outputs == 1 else "classifier with predict_proba"
        fits = hasattr(final, "fit") and not isinstance(final, type)
        if not fits or not (hasattr(final, "predict_proba") if n_outputs > 1 else not is_classifier(final)):
            raise ValueError(f"final_estimator of Stacking must be a {kind}; got {shown(final)}.")
        return final

    def _design(self, filled: Array, features: Any) -> Any:
        """What the final estimator sees: the predictions side by side, and the features with ``passthrough``."""
        columns: Any = filled[:, :, 1:] if self.n_outputs_ == 2 else filled
        columns = columns.reshape(len(filled), -1)
        if not self.passthrough:
            return columns
        if sparse.issparse(features):
            return sparse.csr_matrix(sparse.hstack([sparse.csr_matrix(columns), features]))
        if hasattr(features, "columns"):
            frame = features if isinstance(features, pd.DataFrame) else pd.DataFrame(features.to_dict(as_series=False))
            names = [f"prediction{i}" for i in range(columns.shape[1])]
            return pd.concat([pd.DataFrame(columns, columns=names, index=frame.index), frame], axis=1)
        return np.hstack([columns, np.asarray(features)])

    def _fit_each(self, final: Any, design: Any, target: Any, counted: Array, memberships: Array) -> list[Any]:
        """Fit the pooled final estimator and one for each regime; equal weights serve where it fails."""
        weighs = takes_sample_weight(final)
        if not weighs and (memberships.shape[1] or np.ptp(counted) > 0):
            warnings.warn(
                f"final_estimator {type(final).__name__} of Stacking takes no sample_weight: rows count alike and "
                f"every regime gets the pooled answer. Choose one that takes them, for example Ridge.",
                UserWarning,
                stacklevel=2,
            )
        plain = bool((counted == 1).all())
        shares = regime_shares(memberships)
        prior = self.shrinkage / counted.sum()
        try:
            pooled = clone(final)
            pooled.fit(design, target, **({"sample_weight": counted} if weighs and not plain else {}))
            each = [pooled]
            for share in shares[:, 1:].T:
                alone = weighs and np.isfinite(prior) and share @ counted > 0
                weights = {"sample_weight": counted * (share + prior)} if alone else {}
                each.append(clone(final).fit(design, target, **weights) if alone else pooled)
        except Exception as error:
            warnings.warn(
                f"final_estimator {type(final).__name__} of Stacking failed ({type(error).__name__}: {error}): the "
                f"models have equal weights instead.",
                ModelFailureWarning,
                stacklevel=2,
            )
            return []
        return each

    def _answer(self, filled: Array, memberships: Array, features: Any) -> Array:
        return self._blend(self.final_estimators_, self._design(filled, features), memberships)

    def _blend(self, finals: list[Any], design: Any, memberships: Array) -> Array:
        """Blend the answers of the final estimators by the shares of the regimes."""
        shares = regime_shares(memberships)
        combined = np.zeros((len(shares), self.n_outputs_))
        for final, share in zip(finals, shares.T, strict=True):
            rows = np.flatnonzero(share > 0)
            if len(rows) == len(shares):
                combined += share[:, None] * self._outputs(final, design)
            elif len(rows):
                combined[rows] += share[rows, None] * self._outputs(final, take_rows(design, rows))
        return combined

    def _outputs(self, final: Any, design: Any) -> Array:
        if self.n_outputs_ == 1:
            return np.asarray(final.predict(design), dtype=float).reshape(-1, 1)
        outputs = np.zeros((design.shape[0], self.n_outputs_))
        outputs[:, np.asarray(final.classes_, dtype=int)] = final.predict_proba(design)
        return outputs

    def _measure_influence(self, predictions: Array, n_regimes: int, features: Any, counted: Array) -> None:
        n_rows = len(predictions)
        for r in range(1 + n_regimes):
            inside = np.zeros((n_rows, n_regimes))
            inside[:, r - 1 : r] = float(r > 0)
            moved = counted @ np.abs(self.contributions(predictions, inside, features=features)).sum(axis=2)
            if moved.sum() > 0:
                self.regime_weights_[r] = moved / moved.sum()


def _labels(targets: Array) -> Any:
    """Targets as a final estimator takes them: numbers, or class numbers."""
    return targets[:, 0] if targets.shape[1] == 1 else targets.argmax(axis=1)


def _filled(predictions: Array) -> Array:
    """Replace models asleep by the mean of those awake on the row."""
    awake = awake_models(predictions)
    if awake.all():
        return predictions
    mean = weighted_mean(equal_weights(awake), predictions)
    return np.where(awake[:, :, None], predictions, mean[:, None, :])

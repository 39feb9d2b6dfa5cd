"""Past errors to weights, at once: what a vote is weighted by.

A weighting reads nothing but :class:`Evidence`: sums over past rows that can be added row by row, discounted, merged
and shrunk towards other sums in constant memory. The one rule that all members keep: the weights are a pure function of
the evidence, never negative, add up to 1 over the models that were heard, and depend on a model's evidence alone, never
on its position, so that models with equal evidence share equally.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import nnls
from sklearn.base import BaseEstimator

from skensemble._checks import check_number, shown

__all__ = [
    "BestModels",
    "ConvexWeights",
    "Evidence",
    "GreedySelection",
    "InverseLoss",
    "SoftmaxLoss",
    "UniformWeights",
    "Weighting",
]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_CHUNK_NUMBERS = 1 << 18  # 2 MiB of floats: what one step of accumulation may hold per intermediate array


@dataclass(frozen=True, eq=False)
class Evidence:
    """What past rows say about the models: sums over rows, from which every weighting is computed.

    A row counts for a model where that model was awake, and for a pair of models where both were. Sums can be added
    (``a + b`` is the evidence of the rows of both), discounted or weighted (``scaled``) and continued row by row
    (``plus``); n rows at once give bitwise the same sums as n times one row.

    Parameters
    ----------
    weight : array of shape (n_models,)
        Sum of the sample weights of the rows on which each model was awake: the number of rows that back it.
    loss_sum : array of shape (n_models,)
        Weighted sum of each model's losses.
    pair_weight : array of shape (n_models, n_models)
        Sum of the sample weights of the rows on which both models were awake.
    gram_sum : array of shape (n_models, n_models)
        Weighted sum of the products of both models' errors, added over the outputs; the diagonal holds the squared
        errors.

    Examples
    --------
    Two models, three outcomes; the second model slept on the last one.

    >>> import numpy as np
    >>> targets = np.array([[0.0], [0.0], [0.0]])
    >>> predictions = np.array([[[1.0], [2.0]], [[3.0], [-2.0]], [[2.0], [np.nan]]])
    >>> evidence = Evidence.of(predictions, targets, np.abs(predictions[:, :, 0]), np.ones(3))
    >>> evidence.mean_loss
    array([2., 2.])
    >>> evidence.weight
    array([3., 2.])
    >>> evidence.gram_sum
    array([[14., -4.],
           [-4.,  8.]])
    """

    weight: FloatArray
    loss_sum: FloatArray
    pair_weight: FloatArray
    gram_sum: FloatArray

    @classmethod
    def empty(cls, n_models: int) -> Self:
        """Return the evidence of no rows.

        Parameters
        ----------
        n_models : int
            Number of models.

        Returns
        -------
        Evidence
            Sums of zero.
        """
        pairs = (n_models, n_models)
        return cls(np.zeros(n_models), np.zeros(n_models), np.zeros(pairs), np.zeros(pairs))

    @classmethod
    def of(
        cls, predictions: FloatArray, targets: FloatArray, losses: FloatArray, sample_weight: FloatArray
    ) -> Evidence:
        """Return the evidence of some rows.

        Parameters
        ----------
        predictions : array of shape (n_samples, n_models, n_outputs)
            What each model said.
        targets : array of shape (n_samples, n_outputs)
            What came true; one-hot rows for classes.
        losses : array of shape (n_samples, n_models)
            How wrong each model was; NaN where it was asleep.
        sample_weight : array of shape (n_samples,)
            How much each row counts.

        Returns
        -------
        Evidence
            The sums.
        """
        return cls.empty(np.shape(losses)[-1]).plus(predictions, targets, losses, sample_weight)

    def plus(
        self, predictions: FloatArray, targets: FloatArray, losses: FloatArray, sample_weight: FloatArray
    ) -> Evidence:
        """Return this evidence continued by more rows, one after the other.

        Parameters
        ----------
        predictions : array of shape (n_samples, n_models, n_outputs)
            What each model said.
        targets : array of shape (n_samples, n_outputs)
            What came true; one-hot rows for classes.
        losses : array of shape (n_samples, n_models)
            How wrong each model was; NaN where it was asleep.
        sample_weight : array of shape (n_samples,)
            How much each row counts; a row of weight 0 is no row.

        Returns
        -------
        evidence : Evidence
            The new sums; this object stays as it is.

        Raises
        ------
        ValueError
            If the shapes do not belong together.
        """
        n_samples, n_models = losses.shape
        expected = (n_samples, len(self.weight))
        if predictions.shape[:2] != expected or losses.shape != expected or len(sample_weight) != n_samples:
            raise ValueError(
                f"Evidence about {len(self.weight)} models needs predictions of shape (n_samples, n_models, n_outputs),"
                f" losses of shape (n_samples, n_models) and one sample weight per row; got {predictions.shape}, "
                f"{losses.shape} and {sample_weight.shape}."
            )
        evidence = self
        step = max(1, _CHUNK_NUMBERS // n_models**2)
        for start in range(0, n_samples, step):
            rows = slice(start, start + step)
            evidence = evidence._plus_chunk(predictions[rows], targets[rows], losses[rows], sample_weight[rows])
        return evidence

    def scaled(self, factor: float) -> Evidence:
        """Return this evidence as if each row had counted more or less.

        Parameters
        ----------
        factor : float
            How many times as much, at least 0.

        Returns
        -------
        Evidence
            The new sums; this object stays as it is.
        """
        check_number(factor, "factor", "Evidence.scaled", low=0)
        if factor == 0:
            return Evidence.empty(len(self.weight))
        return Evidence(self.weight * factor, self.loss_sum * factor, self.pair_weight * factor, self.gram_sum * factor)

    def select(self, models: BoolArray | npt.NDArray[np.intp]) -> Evidence:
        """Return the evidence about some of the models.

        Parameters
        ----------
        models : array of bool of shape (n_models,) or of int
            A mask, or positions.

        Returns
        -------
        Evidence
            Of these models, in this order.
        """
        return Evidence(
            self.weight[models],
            self.loss_sum[models],
            self.pair_weight[models][:, models],
            self.gram_sum[models][:, models],
        )

    def moved(self, models: npt.NDArray[np.intp], keep: FloatArray) -> Evidence:
        """Return the evidence laid out for other models.

        Parameters
        ----------
        models : ndarray of int of shape (n_new,)
            Position of each model here; -1 for one that was never heard.
        keep : ndarray of shape (n_new,)
            How much the record of each counts on, in [0, 1].

        Returns
        -------
        Evidence
            Of the new models.
        """
        kept = np.where(models >= 0, keep, 0.0)
        pairs = np.minimum(kept[:, None], kept)
        own = self.select(np.maximum(models, 0)) if len(self.weight) else Evidence.empty(len(models))
        parts = (own.weight, kept), (own.loss_sum, kept), (own.pair_weight, pairs), (own.gram_sum, pairs)
        # What counts for nothing is gone, also where it was infinite.
        return Evidence(*(np.where(share > 0, part, 0.0) * share for part, share in parts))

    @property
    def mean_loss(self) -> FloatArray:
        """Mean loss of each model, of shape (n_models,); NaN for a model that was never heard."""
        return _mean(self.loss_sum, self.weight)

    @property
    def gram(self) -> FloatArray:
        """Mean products of errors, of shape (n_models, n_models); NaN for a pair never heard together."""
        return _mean(self.gram_sum, self.pair_weight)

    @property
    def total(self) -> float:
        """The number of rows that back the model heard most often."""
        return float(self.weight.max(initial=0.0))

    def _plus_chunk(
        self, predictions: FloatArray, targets: FloatArray, losses: FloatArray, sample_weight: FloatArray
    ) -> Evidence:
        counts = ~np.isnan(losses) & (sample_weight > 0)[:, None]
        weight = np.where(counts, sample_weight[:, None], 0.0)
        pair_weight = np.minimum(weight[:, :, None], weight[:, None, :])
        with np.errstate(over="ignore", invalid="ignore"):
            errors = np.where(counts[:, :, None], predictions - targets[:, None, :], 0.0)
            products = np.zeros(pair_weight.shape)
            # Output by output, since a matrix product may round differently for one row than for many.
            for k in range(errors.shape[2]):
                products += errors[:, :, None, k] * errors[:, None, :, k]
            return Evidence(
                _continued(self.weight, weight),
                _continued(self.loss_sum, weight * np.where(counts, losses, 0.0)),
                _continued(self.pair_weight, pair_weight),
                _continued(self.gram_sum, pair_weight * products),
            )

    def __add__(self, other: Evidence) -> Evidence:
        """Return the evidence of the rows of both."""
        if len(self.weight) != len(other.weight):
            raise ValueError(
                f"Evidence about {len(self.weight)} models cannot be added to evidence about {len(other.weight)} "
                "models; select the models that both know first."
            )
        return Evidence(
            self.weight + other.weight,
            self.loss_sum + other.loss_sum,
            self.pair_weight + other.pair_weight,
            self.gram_sum + other.gram_sum,
        )


class Weighting(BaseEstimator, ABC):
    """From evidence to weights, at once.

    A member says how the models that were heard share the weight (``_shares``); the rules for all are kept here. A
    model that was never heard gets 0, and what the others get does not depend on it. A model whose mean loss or mean
    squared error is infinite gets 0. Where no model is left, those heard share equally, and where none was heard, all.

    Examples
    --------
    >>> import numpy as np
    >>> class MostHeard(Weighting):
    ...     def _shares(self, evidence):
    ...         return evidence.weight == evidence.total
    >>> rows = np.array([[[0.0], [1.0], [1.0]], [[0.0], [1.0], [np.nan]]])
    >>> evidence = Evidence.of(rows, np.zeros((2, 1)), np.abs(rows[:, :, 0]), np.ones(2))
    >>> MostHeard()(evidence)
    array([0.5, 0.5, 0. ])
    """

    def __call__(self, evidence: Evidence) -> FloatArray:
        """Weigh the models.

        Parameters
        ----------
        evidence : Evidence
            What past rows say about the models.

        Returns
        -------
        weights : array of shape (n_models,)
            Never negative; their sum is 1.

        Raises
        ------
        ValueError
            If a parameter is out of its range, or the weighting cannot use losses such as these.
        """
        self._check()
        heard = evidence.weight > 0
        sound = heard & np.isfinite(evidence.loss_sum) & np.isfinite(evidence.gram_sum.diagonal())
        weights = np.zeros(len(heard))
        if sound.any():
            chosen, shares = sound, self._shares(evidence.select(sound))
        else:
            chosen = heard if heard.any() else ~heard
            shares = np.ones(chosen.sum())
        weights[chosen] = shares / shares.sum()
        return weights

    @abstractmethod
    def _shares(self, evidence: Evidence) -> FloatArray | BoolArray:
        """Shares of models that were all heard and have finite sums: not negative, not all 0."""

    def _check(self) -> None:
        """Refuse parameters out of their range; some weightings have none."""


class UniformWeights(Weighting):
    """Equal weights for all models that were heard.

    The plain rival that every other weighting has to beat, and the null object of the family.

    Examples
    --------
    >>> UniformWeights()(Evidence.empty(4))
    array([0.25, 0.25, 0.25, 0.25])
    """

    def _shares(self, evidence: Evidence) -> FloatArray:
        return np.ones(len(evidence.weight))


class InverseLoss(Weighting):
    r"""Weights inversely proportional to a power of the mean loss.

    Half the loss, twice the weight: a cautious choice that ignores how the models' errors hang together. With squared
    loss and power 1 it is the classic combination of independent forecasts. The weight of model k with mean loss
    :math:`L_k` is proportional to :math:`(\min_l L_l / L_k)^{\text{power}}`; the unit of the loss does not matter.
    Models that never lost anything share all the weight.

    Parameters
    ----------
    power : float, default=1.0
        At least 0. Larger means more weight on the best; 0 means equal weights.

    References
    ----------
    J. M. Bates and C. W. J. Granger, "The combination of forecasts", Operational Research Quarterly, 1969.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[[1.0], [3.0]]])
    >>> evidence = Evidence.of(rows, np.zeros((1, 1)), np.abs(rows[:, :, 0]), np.ones(1))
    >>> InverseLoss()(evidence)
    array([0.75, 0.25])
    """

    def __init__(self, power: float = 1.0) -> None:
        self.power = power

    def _shares(self, evidence: Evidence) -> FloatArray | BoolArray:
        loss = _ratio_scale(evidence.mean_loss, "InverseLoss")
        best = loss.min()
        # Powers of ratios to the best lie between 0 and 1, whatever the unit.
        return loss == 0 if best == 0 else (best / loss) ** self.power

    def _check(self) -> None:
        check_number(self.power, "power", "InverseLoss", low=0)


class SoftmaxLoss(Weighting):
    r"""Weights that fall exponentially with the mean loss, relative to the best model's.

    The weight of model k with mean loss :math:`L_k` is proportional to :math:`\exp(-(L_k / L_* - 1) / T)`, with
    :math:`L_*` the smallest mean loss and :math:`T` the temperature. Since losses are compared with the best one, their
    unit does not matter: at temperature 0.1 a model that loses 10 % more than the best has :math:`1/e` of its weight.
    Models that never lost anything share all the weight.

    Parameters
    ----------
    temperature : float, default=0.1
        Above 0: the relative excess loss at which the weight has fallen to :math:`1/e`. Larger means weights nearer to
        equal.

    See Also
    --------
    InverseLoss : Falls with a power of the loss, more gently.

    References
    ----------
    N. Littlestone and M. K. Warmuth, "The weighted majority algorithm", Information and Computation, 1994.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[[2.0], [3.0]]])
    >>> evidence = Evidence.of(rows, np.zeros((1, 1)), np.abs(rows[:, :, 0]), np.ones(1))
    >>> weights = SoftmaxLoss(temperature=0.5)(evidence)
    >>> (weights[1] / weights[0]).round(4), np.exp(-1).round(4)
    (np.float64(0.3679), np.float64(0.3679))
    """

    def __init__(self, temperature: float = 0.1) -> None:
        self.temperature = temperature

    def _shares(self, evidence: Evidence) -> FloatArray | BoolArray:
        loss = _ratio_scale(evidence.mean_loss, "SoftmaxLoss")
        best = loss.min()
        if best == 0:
            return loss == 0
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(-(loss / best - 1.0) / self.temperature)

    def _check(self) -> None:
        check_number(self.temperature, "temperature", "SoftmaxLoss", low=0, open_low=True)


class BestModels(Weighting):
    """The models with the lowest mean losses share equally; the others get nothing.

    A model whose loss equals that of the last one chosen is chosen too, so that the order of the models never decides.

    Parameters
    ----------
    n_models : int, default=3
        How many models share, at least 1; more if there are ties, fewer if fewer were heard.

    Examples
    --------
    >>> import numpy as np
    >>> rows = np.array([[[1.0], [4.0], [2.0]]])
    >>> evidence = Evidence.of(rows, np.zeros((1, 1)), np.abs(rows[:, :, 0]), np.ones(1))
    >>> BestModels(n_models=2)(evidence)
    array([0.5, 0. , 0.5])
    """

    def __init__(self, n_models: int = 3) -> None:
        self.n_models = n_models

    def _shares(self, evidence: Evidence) -> BoolArray:
        loss = evidence.mean_loss
        return loss <= np.sort(loss)[: int(self.n_models)][-1]

    def _check(self) -> None:
        check_number(self.n_models, "n_models", "BestModels", low=1, integer=True)


class ConvexWeights(Weighting):
    r"""The convex combination of the models that would have had the smallest squared error.

    Two models that err in opposite directions are worth more than two that err alike: unlike weightings by each model's
    own loss, this one sees how the errors hang together. With :math:`G_{kl}` the mean product of the errors of models k
    and l, it solves

    .. math:: \min_v \; v^\top G v + \sum_k \frac{s}{n_k} m_k v_k^2
              \quad \text{subject to} \quad v_k \ge 0, \; \sum_k v_k = 1,
              \qquad m_k = \frac{n_k G_{kk} + s \operatorname{median}_l G_{ll}}{n_k + s},

    with s the shrinkage and :math:`n_k` the number of rows on which model k was heard. The second term says: on s more
    rows every model erred as much as it usually does, independently of the others, where what is usual is itself
    taken from its own rows and s rows of the median model (of the better one of two in the middle). So the weights
    start equal, follow the models' own errors next, and then the way their errors hang together; the unit of the
    target does not matter, a terrible model cannot blur the choice between the others, and one that was heard on a few
    lucky rows cannot take over.

    It minimises the squared error (for classes the Brier score) of the combination, whatever loss the models are judged
    by elsewhere. A pair never heard together is taken to err alike: nothing says that mixing the two helps.

    Parameters
    ----------
    shrinkage : float, default=20.0
        At least 0 and at most 1e12, in rows: how strongly the weights are pulled towards equal. Larger means that more
        rows are needed to leave them; 0 trusts the rows alone.

    References
    ----------
    L. Breiman, "Stacked regressions", Machine Learning, 1996.

    F. X. Diebold and P. Pauly, "The use of prior information in forecast combination", International Journal of
    Forecasting, 1990.

    C. L. Lawson and R. J. Hanson, "Solving Least Squares Problems", Prentice-Hall, 1974.

    Examples
    --------
    Errors of variance 1 and 3 that are independent: weights 3 to 1.

    >>> import numpy as np
    >>> pairs = np.full((2, 2), 1000.0)
    >>> evidence = Evidence(pairs[0], np.array([1000.0, 3000.0]), pairs, np.diag([1000.0, 3000.0]))
    >>> ConvexWeights(shrinkage=0)(evidence).round(6)
    array([0.75, 0.25])
    """

    def __init__(self, shrinkage: float = 20.0) -> None:
        self.shrinkage = shrinkage

    def _shares(self, evidence: Evidence) -> FloatArray | BoolArray:
        gram = _error_products(evidence)
        squared_error = gram.diagonal()
        # Evidence discounted to almost nothing is no more shrunk than evidence of a millionth of a row.
        pull = self.shrinkage / np.maximum(evidence.weight, 1e-6)
        # Of two in the middle the better one: of two models a terrible one must not say what is usual.
        median = np.sort(squared_error)[(len(gram) - 1) // 2]
        usual = (squared_error + pull * median) / (1.0 + pull)
        shrunk = gram + np.diag(pull * usual)
        return _simplex_minimum(shrunk) if shrunk.diagonal().min() > 0 else squared_error == 0

    def _check(self) -> None:
        check_number(self.shrinkage, "shrinkage", "ConvexWeights", low=0, high=1e12)


class GreedySelection(Weighting):
    """Ensemble selection: again and again, add the model that helps the combination most; count how often each came.

    Every round adds one model, with replacement, to an equally weighted bag: the one that leaves the bag with the
    smallest squared error; models that would serve equally well share the place. Many weights are exactly 0, and
    few rounds follow chance patterns less than an exact optimum would.

    It minimises the squared error (for classes the Brier score) of the combination, whatever loss the models are judged
    by elsewhere. A pair never heard together is taken to err alike: nothing says that mixing the two helps.

    Parameters
    ----------
    n_rounds : int, default=50
        How many models are added, at least 1. Fewer means coarser weights on fewer models; many rounds approach
        :class:`ConvexWeights` without shrinkage.

    References
    ----------
    R. Caruana, A. Niculescu-Mizil, G. Crew and A. Ksikes, "Ensemble selection from libraries of models", ICML, 2004.

    Examples
    --------
    The first model errs by 1, the others by 2 and -2. Alone the first is best; two parts of it and one of the third
    are right together.

    >>> import numpy as np
    >>> rows = np.array([[[1.0], [2.0], [-2.0]]])
    >>> evidence = Evidence.of(rows, np.zeros((1, 1)), np.abs(rows[:, :, 0]), np.ones(1))
    >>> GreedySelection(n_rounds=1)(evidence)
    array([1., 0., 0.])
    >>> GreedySelection(n_rounds=3)(evidence).round(3)
    array([0.667, 0.   , 0.333])
    """

    def __init__(self, n_rounds: int = 50) -> None:
        self.n_rounds = n_rounds

    def _shares(self, evidence: Evidence) -> FloatArray:
        gram = _error_products(evidence)
        squared_error = gram.diagonal()
        shares = np.zeros(len(gram))
        with_bag = np.zeros(len(gram))
        for _ in range(int(self.n_rounds)):
            # What each model would add to the squared error of the bag's sum; the bag's own part is common to all.
            cost = 2.0 * with_bag + squared_error
            rounding = 1e-12 * (2.0 * np.abs(with_bag) + squared_error)
            best = cost.argmin()
            taken = cost <= cost[best] + rounding[best]
            shares += taken / taken.sum()
            with_bag += gram[:, taken].mean(axis=1)
        return shares

    def _check(self) -> None:
        check_number(self.n_rounds, "n_rounds", "GreedySelection", low=1, integer=True)


def _continued(start: FloatArray, rows: FloatArray) -> FloatArray:
    """Add rows to a state strictly one after the other, however they are batched; ``sum`` would pair them up."""
    return np.asarray(np.add.accumulate(np.concatenate([start[None], rows]), axis=0)[-1])


def _mean(sums: FloatArray, weights: FloatArray) -> FloatArray:
    """Divide where there is something to divide by; NaN elsewhere."""
    return np.divide(sums, weights, out=np.full(sums.shape, np.nan), where=weights > 0)


def _ratio_scale(mean_loss: FloatArray, owner: str) -> FloatArray:
    """Refuse losses whose ratios mean nothing."""
    if mean_loss.min() < 0:
        raise ValueError(
            f"{owner} compares losses by their ratios and needs mean losses of at least 0; got {shown(mean_loss)}. "
            "Use a loss that is never negative, or BestModels, which only ranks."
        )
    return mean_loss


def _error_products(evidence: Evidence) -> FloatArray:
    """Mean products of errors, complete and with the largest squared error as the unit, so that nothing overflows."""
    gram = evidence.gram
    size = np.sqrt(gram.diagonal())
    # Errors that are alike have the largest product there can be; common rows that are harder than the others may
    # seem to show a larger one.
    alike = size[:, None] * size
    gram = np.clip(np.where(np.isnan(gram), alike, gram), -alike, alike)
    largest = gram.diagonal().max()
    return gram / largest if largest > 0 else gram


def _simplex_minimum(gram: FloatArray) -> FloatArray:
    """Minimise v'Gv over the simplex, up to the scale of v; the diagonal must be positive.

    Minimising v'Gv + (1'v - 1)² over v ≥ 0 has the same optimality conditions up to the scale of v, and is a
    non-negative least-squares problem in any factor of G. Dividing by the models' own errors first keeps it well
    conditioned however much those differ.
    """
    size = np.sqrt(gram.diagonal())
    values, vectors = np.linalg.eigh(gram / size[:, None] / size)
    # Pairs heard on different rows can make the matrix indefinite. Eigenvalues slightly above 0 instead of at 0 make
    # the minimum unique, so that models that err alike share equally: above by the square root of the rounding error,
    # where what this changes and what rounding changes are equally small.
    factor = np.sqrt(np.maximum(values, 1e-8))[:, None] * vectors.T
    relative = size.min() / size
    scaled, _ = nnls(np.vstack([factor, relative]), np.append(np.zeros(len(size)), 1.0), maxiter=100 * len(size))
    return np.asarray(scaled * relative)

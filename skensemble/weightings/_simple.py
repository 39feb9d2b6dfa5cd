"""Weights from each model's own mean loss."""

from __future__ import annotations

import numpy as np

from skensemble._checks import check_number, shown
from skensemble.weightings._base import Weighting
from skensemble.weightings._evidence import BoolArray, Evidence, FloatArray

__all__ = ["BestModels", "InverseLoss", "SoftmaxLoss", "UniformWeights"]


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


def _ratio_scale(mean_loss: FloatArray, owner: str) -> FloatArray:
    """Refuse losses whose ratios mean nothing."""
    if mean_loss.min() < 0:
        raise ValueError(
            f"{owner} compares losses by their ratios and needs mean losses of at least 0; got {shown(mean_loss)}. "
            "Use a loss that is never negative, or BestModels, which only ranks."
        )
    return mean_loss

"""Weights from how the errors of the models hang together."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from skensemble._checks import check_number
from skensemble.weightings._base import Weighting
from skensemble.weightings._evidence import BoolArray, Evidence, FloatArray

__all__ = ["ConvexWeights", "GreedySelection"]


class ConvexWeights(Weighting):
    r"""The convex combination of the models that would have had the smallest squared error.

    Two models that err in opposite directions are worth more than two that err alike: unlike weightings by each model's
    own loss, this one sees how the errors hang together. With :math:`G_{kl}` the mean product of the errors of models k
    and l, it solves

    .. math:: \underset{v}{\min} \; v^\top G v + \sum_k \frac{s}{n_k} m_k v_k^2
              \quad \text{subject to} \quad v_k \ge 0, \; \sum_k v_k = 1,

              m_k = \frac{n_k G_{kk} + s \operatorname{median}_l G_{ll}}{n_k + s},

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

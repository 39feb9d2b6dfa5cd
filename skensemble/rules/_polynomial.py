"""Weights by positive regret, with a rate for every specialist."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skensemble.rules._base import Rule, Specialists, moved, normalised, shares_of
from skensemble.rules._row import TINY, Floats, Positions

__all__ = ["MLPoly"]


class PolynomialState(NamedTuple):
    """State of ``MLPoly``.

    Attributes
    ----------
    specialists : Specialists
        The fixed part.
    regret : ndarray of shape (n_specialists,)
        Sum of regrets.
    root : ndarray of shape (n_specialists,)
        Root of the sum of squared regrets.
    reach : float
        The largest regret seen, in absolute value.
    odds : ndarray of shape (n_specialists,)
        The weights before confidences, up to a factor; 0 without positive regret.
    """

    specialists: Specialists
    regret: Floats
    root: Floats
    reach: float
    odds: Floats


class MLPoly(Rule[PolynomialState]):
    """Weigh by positive regret, with a rate for every specialist.

    Only those that would have done better than the ensemble so far get a weight, in proportion to how much better.
    Decisive (weights reach exactly 0) and quick to return::

        w_j ∝ a_j p_j η_j max(R_j, 0)      η_j = 1 / (E² + V_j),   V_j = Σ r_j²,   E = largest |r| of anyone so far

    and w_j ∝ a_j p_j where nobody awake has positive regret. The original has 1 in place of E², for losses in [0, 1].

    Guarantee, for memory 1 and every j and T, with E_1 the first E above 0::

        R_j ≤ √((E_T² + V_j) / p_j) · (√(1.45 · Σ_i p_i ln((E_T² + V_i) / E_1²)) + 0.71 N_T)

    where N_T is the number of rows on which some r_i² is above E² + V_i of the row before: the first, and then only
    where the range of the losses widens. Gaillard et al. (2014) prove it for a known range, by the potential
    Σ_i p_i η_i max(R_i, 0)². Where the range widens, its root grows by at most 1/√2 (Minkowski); on all other rows
    every η_i r_i² is at most 1 and their sum telescopes. Adding a constant to all losses changes nothing; nor does a
    common positive factor. With memory below 1, R_j and V_j fade: a heuristic without a bound. A newcomer after
    ``carried`` has no weight until it would have gained; a record kept in part has R_j and V_j multiplied by that part.

    See Also
    --------
    BernsteinAggregation : Exponential weights with a rate for every specialist.

    References
    ----------
    P. Gaillard, G. Stoltz and T. van Erven. "A second-order bound with excess losses". COLT, 2014.

    Examples
    --------
    Regrets are (½, 0, −½): only the first would have gained.

    >>> import numpy as np
    >>> rule = MLPoly()
    >>> state, awake = rule.start([0.25, 0.5, 0.25], [1, 1, 1]), np.ones(3)
    >>> state = rule.update(state, np.array([0.0, 0.5, 1.0]), awake)
    >>> rule.weights(state, awake)
    array([1., 0., 0.])
    """

    def _begin(self, specialists: Specialists) -> PolynomialState:
        nothing = np.zeros_like(specialists.prior)
        return PolynomialState(specialists, nothing, nothing, 0.0, nothing)

    def _weigh(self, state: PolynomialState, awake: Floats) -> Floats:
        def undecided(part: Floats) -> Floats:
            return shares_of(part * state.specialists.prior)

        return normalised(awake * state.odds, awake, undecided)

    def _learn(self, state: PolynomialState, regrets: Floats, awake: Floats, weights: Floats) -> PolynomialState:
        specialists, regret, root, reach, _ = state
        if specialists.fading:
            half = specialists.half_memory**awake
            regret, root = half * half * regret, half * root
        regret = regret + regrets
        root = np.hypot(root, regrets)
        reach = max(reach, float(np.maximum.reduce(np.abs(regrets))))
        return self._judged(specialists, regret, root, reach)

    def _carry(
        self, state: PolynomialState, fresh: PolynomialState, origin: Positions, kept: Floats
    ) -> PolynomialState:
        regret = kept * moved(state.regret, origin, kept)
        root = np.sqrt(kept) * moved(state.root, origin, kept)
        return self._judged(fresh.specialists, regret, root, state.reach)

    def _judged(self, specialists: Specialists, regret: Floats, root: Floats, reach: float) -> PolynomialState:
        """Return the state with the weights that follow from regrets and their squares."""
        sizes = np.maximum(np.hypot(root, reach), TINY)
        odds = specialists.prior * (np.maximum(regret, 0.0) / sizes)
        odds *= np.minimum.reduce(sizes) / sizes
        return PolynomialState(specialists, regret, root, reach, odds)

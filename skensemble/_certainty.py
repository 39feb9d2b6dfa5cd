"""How sure an ensemble may be: what its past outcomes say about the next, for numbers and classes alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from skensemble.intervals import AdaptiveConfidence, AdaptiveIntervals, AdaptiveSets, side_chances

__all__ = ["Certainty", "Statement", "probable"]

Array = NDArray[np.float64]

# A fit follows its latest out-of-fold rows only: what is learned of older ones has faded.
_MOST_ROWS = 10_000


@dataclass(frozen=True, eq=False)
class Statement:
    """How sure what was said of some rows was, as it was stated before their outcomes.

    Parameters
    ----------
    limits : ndarray of shape (n_samples, n_limits, n_coverages)
        For each tracked coverage how far below and above the prediction the outcome may be (numbers: two limits), or up
        to which margin, the logarithm of how much likelier the likeliest class is, a class is possible (one limit).
    nominal : ndarray of shape (n_samples,)
        Probability that the side or class is right, as it follows from the scale of past errors or is said by the
        models.
    confidence : ndarray of shape (n_samples,)
        The same, held against how often it came true.
    """

    limits: Array
    nominal: Array
    confidence: Array


@dataclass(frozen=True, eq=False)
class Certainty:
    """What is known about how wrong an ensemble is; a record that never changes.

    Parameters
    ----------
    bounds : AdaptiveIntervals or AdaptiveSets
        Within what outcomes lie.
    right : AdaptiveConfidence
        How often sides or classes are right.
    """

    bounds: AdaptiveIntervals | AdaptiveSets
    right: AdaptiveConfidence

    @classmethod
    def unknown(cls, of_classes: bool, n_regimes: int, coverages: Sequence[float]) -> Certainty:
        """Start without any outcome."""
        kind = AdaptiveSets if of_classes else AdaptiveIntervals
        return cls(kind(n_regimes, coverages=coverages), AdaptiveConfidence(n_regimes))

    def statement(self, combined: Array, spreads: Array, memberships: Array) -> Statement:
        """Say how sure predictions are, with what is known now."""
        if isinstance(self.bounds, AdaptiveIntervals):
            limits = self.bounds.stated(spreads, memberships)
            nominal = self.bounds.sides(combined[:, 0], spreads, memberships)
        else:
            limits = self.bounds.stated(memberships)[:, None, :]
            nominal = probable(combined).max(axis=1)
        return Statement(limits, nominal, self.right.probability(nominal, memberships))

    def after(
        self,
        combined: Array,
        spreads: Array,
        targets: Array,
        memberships: Array,
        counted: Array,
        *,
        said: Statement | None = None,
        known: NDArray[np.intp] | None = None,
    ) -> Certainty:
        """Return the record with more outcomes.

        Parameters
        ----------
        combined : ndarray of shape (n_samples, n_outputs)
            What the ensemble said.
        spreads : ndarray of shape (n_samples,)
            How far its models were apart.
        targets : ndarray of shape (n_samples, n_outputs)
            What came true.
        memberships : ndarray of shape (n_samples, n_regimes)
            Memberships of the rows.
        counted : ndarray of shape (n_samples,)
            How much each row counts.
        said : Statement, default=None
            How sure it was when it said so; ``None`` works out what it would have stated.
        known : ndarray of shape (n_samples,), default=None
            How many of these rows had an outcome when each was predicted; ``None`` is all rows before.

        Returns
        -------
        Certainty
            A new one.
        """
        came = _right(combined, targets)
        bounds: AdaptiveIntervals | AdaptiveSets
        if said is not None:
            if isinstance(self.bounds, AdaptiveIntervals):
                errors = (targets - combined)[:, 0]
                bounds = self.bounds.updated(errors, spreads, memberships, counted, stated=said.limits)
            else:
                said_of_classes = (probable(combined), targets, memberships, counted)
                bounds = self.bounds.updated(*said_of_classes, stated=said.limits[:, 0])
            right = self.right.updated(said.nominal, came, memberships, counted, stated=said.confidence)
            return replace(self, bounds=bounds, right=right)
        rows = slice(max(len(combined) - _MOST_ROWS, 0), None)
        combined, spreads, targets, memberships, counted, came = (
            part[rows] for part in (combined, spreads, targets, memberships, counted, came)
        )
        known = None if known is None else np.maximum(known[rows] - rows.start, 0)
        if isinstance(self.bounds, AdaptiveIntervals):
            errors = (targets - combined)[:, 0]
            bounds, _, scale = self.bounds.followed(errors, spreads, memberships, counted, known=known)
            nominal = side_chances(combined[:, 0], scale)
        else:
            of_classes = probable(combined)
            bounds, _ = self.bounds.followed(of_classes, targets, memberships, counted, known=known)
            nominal = of_classes.max(axis=1)
        right, _ = self.right.followed(nominal, came, memberships, counted, known=known)
        return replace(self, bounds=bounds, right=right)

    def reindexed(self, regime_positions: Sequence[int]) -> Certainty:
        """Carry the record over to other regimes."""
        return Certainty(self.bounds.reindexed(regime_positions), self.right.reindexed(regime_positions))


def probable(combined: Array) -> Array:
    """Combined outputs as probabilities: sums of shares may be a hair above 1, and a model may say what it likes.

    Examples
    --------
    >>> probable(np.array([[-0.5, 1.5], [0.3, 0.7]]))
    array([[0. , 1. ],
           [0.3, 0.7]])
    """
    return np.clip(combined, 0.0, 1.0)


def _right(combined: Array, targets: Array) -> Array:
    """1 where the side or class came true, 0 where it did not, NaN where there was no side."""
    if targets.shape[1] > 1:
        return (combined.argmax(axis=1) == targets.argmax(axis=1)).astype(float)
    said, came = np.sign(combined[:, 0]), np.sign(targets[:, 0])
    return np.where((said == 0) | (came == 0) | ~np.isfinite(combined[:, 0]), np.nan, said == came)

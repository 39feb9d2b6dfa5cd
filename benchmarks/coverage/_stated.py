"""What is said beside a predicted class or side: a set of classes, and the probability of being right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.coverage._data import Said
from benchmarks.coverage._rivals import COVERAGES
from skensemble.intervals import AdaptiveConfidence, AdaptiveIntervals, AdaptiveSets, ProbabilityCalibration

__all__ = ["SETS", "STATED", "calibrated", "nominal", "right"]

Array = NDArray[np.float64]
Bools = NDArray[np.bool_]


def _replayed(said: Said, record: Any, say: Callable[[Any, slice], Any], learn: Callable[[Any, slice], Any]) -> Array:
    """Say of each row what is known then; outcomes are learned from when they arrive."""
    n_learned, found = 0, []
    for row, n_known in enumerate(said.known.tolist()):
        if n_known > n_learned:
            record, n_learned = learn(record, slice(n_learned, n_known)), n_known
        found.append(say(record, slice(row, row + 1)))
    return np.concatenate(found)


# The probability of being right.


def nominal(said: Said) -> Array:
    """The probability that nobody has checked: of the likeliest class, or of the side if residuals were normal."""
    if said.combined.shape[1] > 1:
        return np.asarray(said.combined.max(axis=1))
    combined, residuals = said.combined[:, 0], (said.targets - said.combined)[:, 0]
    return _replayed(
        said,
        AdaptiveIntervals(said.memberships.shape[1]),
        lambda record, rows: record.sides(combined[rows], said.spreads[rows], said.memberships[rows]),
        lambda record, rows: record.updated(residuals[rows], said.spreads[rows], said.memberships[rows]),
    )


def right(said: Said) -> Array:
    """1 where the likeliest class or the side came true, 0 where it did not, NaN where there was none."""
    if said.combined.shape[1] > 1:
        return (said.combined.argmax(axis=1) == said.targets.argmax(axis=1)).astype(float)
    sides = np.sign(said.combined[:, 0]) * np.sign(said.targets[:, 0])
    return np.where(sides == 0, np.nan, (sides > 0).astype(float))


def _adaptive(said: Said, stated: Array) -> Array:
    outcomes = right(said)
    return _replayed(
        said,
        AdaptiveConfidence(said.memberships.shape[1]),
        lambda record, rows: record.probability(stated[rows], said.memberships[rows]),
        lambda record, rows: record.updated(stated[rows], outcomes[rows], said.memberships[rows]),
    )


def _wider_spreads(said: Said, stated: Array) -> Array:
    """Share of the rows so far on which the models were at least as far apart: what was called confidence before."""
    return np.array([(said.spreads[:row] >= said.spreads[row]).mean() if row else 0.5 for row in range(len(stated))])


STATED: dict[str, Callable[[Said, Array], Array]] = {
    "AdaptiveConfidence": _adaptive,
    "nominal": lambda said, stated: stated,
    "share of wider spreads": _wider_spreads,
}


def calibrated(said: Said) -> Array:
    """The probabilities of all classes as calibration would have stated them, fold by fold."""
    calibration = ProbabilityCalibration(said.combined.shape[1])
    return calibration.learned_forward(said.combined, said.targets, said.folds, known=said.known)[0]


# Sets of classes, (n_rows, n_classes, n_coverages).


def _adaptive_sets(said: Said, first: int) -> Bools:
    def say(record: AdaptiveSets, rows: slice) -> Bools:
        inside = said.memberships[rows]
        return np.stack([record.sets(said.combined[rows], inside, coverage) for coverage in COVERAGES], axis=2)

    def learn(record: AdaptiveSets, rows: slice) -> AdaptiveSets:
        return record.updated(said.combined[rows], said.targets[rows], said.memberships[rows])

    return _replayed(said, AdaptiveSets(said.memberships.shape[1], coverages=COVERAGES), say, learn).astype(bool)


def _until_they_add_up(said: Said, first: int) -> Bools:
    """The likeliest classes, until their probabilities add up to the coverage."""
    order = np.argsort(-said.combined, axis=1, kind="stable")
    sums = np.cumsum(np.take_along_axis(said.combined, order, axis=1), axis=1)
    before = np.empty_like(sums)
    np.put_along_axis(before, order, np.column_stack([np.zeros(len(sums)), sums[:, :-1]]), axis=1)
    return before[:, :, None] < np.array(COVERAGES)


def _one_threshold(said: Said, judged: slice) -> Bools:
    """All classes that are likelier than a fixed probability, which covers as asked on some rows; and the likeliest."""
    of_truth = (said.combined * said.targets).sum(axis=1)[judged]
    thresholds = np.quantile(of_truth, 1.0 - np.array(COVERAGES), method="lower")
    likeliest = said.combined == said.combined.max(axis=1, keepdims=True)
    return (said.combined[:, :, None] >= thresholds) | likeliest[:, :, None]


SETS: dict[str, Callable[[Said, int], Bools]] = {
    "AdaptiveSets": _adaptive_sets,
    "until they add up": _until_they_add_up,
    "split conformal": lambda said, first: _one_threshold(said, slice(0, first)),
    "one threshold, in hindsight": lambda said, first: _one_threshold(said, slice(first, None)),
}

"""A large forest as several smaller fits, whose trees together are, bit for bit, those of one fit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor

from skensemble.models._forests import (
    BootstrapForestClassifier,
    BootstrapForestRegressor,
    RandomSplitForestClassifier,
    RandomSplitForestRegressor,
)

__all__ = ["forest_of_parts", "parts_of_forest"]

# Fewer trees than these are not worth a task of their own.
FEWEST_TREES = 5

_NAMED = (
    BootstrapForestClassifier,
    BootstrapForestRegressor,
    RandomSplitForestClassifier,
    RandomSplitForestRegressor,
)
_FORESTS = (*_NAMED, ExtraTreesClassifier, ExtraTreesRegressor, RandomForestClassifier, RandomForestRegressor)


def parts_of_forest(forest: Any, n_parts: int) -> list[Any]:
    """Split an unfitted forest into smaller ones, each with the seeds that its trees would have had.

    A forest draws one seed for every tree, in their order. So a part that starts where the draws of the parts before
    it end grows the very trees that the whole would have grown there.

    Parameters
    ----------
    forest : estimator
        A forest of scikit-learn, or a named one, with a whole number as ``random_state``.
    n_parts : int
        Into how many parts; less where they would have fewer than five trees.

    Returns
    -------
    list of estimator
        Unfitted; the forest itself where it cannot be split, as anything that is no forest.

    Examples
    --------
    >>> [part.n_estimators for part in parts_of_forest(RandomForestRegressor(100, random_state=0), 3)]
    [33, 33, 34]
    """
    n_parts = min(n_parts, forest.n_estimators // FEWEST_TREES) if _splittable(forest) else 1
    if n_parts < 2:
        return [forest]
    edges = np.linspace(0, forest.n_estimators, n_parts + 1).astype(int).tolist()
    return [_part(forest, first, last) for first, last in pairwise(edges)]


def forest_of_parts(forest: Any, parts: Sequence[Any]) -> Any:
    """Put the fitted parts of a forest together.

    Parameters
    ----------
    forest : estimator
        The unfitted forest.
    parts : sequence of estimator
        What `parts_of_forest` made of it, fitted on the same rows.

    Returns
    -------
    estimator
        What a fit of ``forest`` would have given.

    Examples
    --------
    >>> X, y = np.arange(30.0)[:, None], np.arange(30.0)
    >>> forest = RandomForestRegressor(25, random_state=0)
    >>> whole = forest_of_parts(forest, [part.fit(X, y) for part in parts_of_forest(forest, 2)])
    >>> bool((whole.predict(X) == forest.fit(X, y).predict(X)).all())
    True
    """
    whole = parts[0]
    if len(parts) > 1:
        asked = {"n_estimators": forest.n_estimators, "random_state": forest.random_state}
        whole.set_params(**asked)
        grown = [part.model_ if isinstance(forest, _NAMED) else part for part in parts]
        # A named forest that has nothing to learn but a constant grows no trees.
        if grown[0] is not None:
            grown[0].set_params(**asked)
            grown[0].estimators_ = [tree for part in grown for tree in part.estimators_]
    return whole


def _splittable(forest: Any) -> bool:
    # Not those derived from them; and out-of-bag scores and warm starts need the whole forest at once.
    return (
        type(forest) in _FORESTS
        and isinstance(forest.random_state, (int, np.integer))
        and 0 <= int(forest.random_state) < 2**32  # any other is refused by the forest, in its words
        and not getattr(forest, "oob_score", False)
        and not getattr(forest, "warm_start", False)
        and isinstance(forest.n_estimators, (int, np.integer))
    )


def _part(forest: Any, first: int, last: int) -> Any:
    draws = np.random.RandomState(forest.random_state)
    draws.randint(np.iinfo(np.int32).max, size=first)
    return clone(forest).set_params(n_estimators=last - first, random_state=draws)

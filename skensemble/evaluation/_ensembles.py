"""Where in an estimator an ensemble stands, and what stands before it."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline

from skensemble._base import RegimeAwareEnsemble

__all__ = ["buried_ensembles", "ensemble_in", "front_of"]


def ensemble_in(thing: Any) -> RegimeAwareEnsemble | None:
    """Find the ensemble that an estimator is, or that stands at the end of it, of a Pipeline in a Pipeline as well."""
    while isinstance(thing, Pipeline):
        thing = thing.steps[-1][1]
    return thing if isinstance(thing, RegimeAwareEnsemble) else None


def front_of(thing: Any) -> Any:
    """Take what stands before the last step: one Pipeline of the very same transformers; None where nothing does."""
    parts = []
    while isinstance(thing, Pipeline):
        parts.append(thing[:-1])
        thing = thing.steps[-1][1]
    parts = [part for part in parts if len(part)]
    if len(parts) < 2:
        return parts[0] if parts else None
    return Pipeline([(f"pipeline {number}", part) for number, part in enumerate(parts)])


def buried_ensembles(thing: Any) -> list[RegimeAwareEnsemble]:
    """List the ensembles inside an estimator that is none itself, such as a search over one's parameters."""
    parts = thing.get_params(deep=True).values() if ensemble_in(thing) is None else ()
    return [part for part in parts if isinstance(part, RegimeAwareEnsemble)]

"""Ensembles as files that run no code when they are read."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from typing import Any

__all__ = ["made_with", "save"]

_LIBRARIES = ("skensemble", "scikit-learn", "xgboost", "lightgbm", "numpy")


def made_with() -> str:
    """Versions of the libraries that an ensemble is made of, as text."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return json.dumps(found)


def save(ensemble: Any, path: Any) -> None:
    raise NotImplementedError

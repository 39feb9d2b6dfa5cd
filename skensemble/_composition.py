"""Named parts of an estimator as parameters: ``get_params`` and ``set_params`` reach into models that are only named.

scikit-learn's own composition wants ``(name, estimator)`` tuples. Here a list may mix names and tuples, ``None`` may
stand for a default, and `set_params` still works on what a name stands for, on a copy of the caller's list.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

from sklearn.base import BaseEstimator

__all__ = ["NamedParts", "pairs"]


def pairs(entries: Any) -> list[tuple[str, Any]]:
    """List ``(name, estimator)`` of what is well formed; the rest is refused later, in ``fit``."""
    if not isinstance(entries, (list, tuple)):
        return []
    return [(e[0], e[1]) for e in entries if isinstance(e, tuple) and len(e) == 2 and isinstance(e[0], str)]


class NamedParts(BaseEstimator):
    """An estimator whose parameter ``estimators`` lists models, and whose other parts may be given by name."""

    estimators: Any

    @abstractmethod
    def _listed_models(self) -> list[Any]:
        """``estimators`` with its default filled in and each known name replaced by ``(name, estimator)``."""

    @abstractmethod
    def _named_parts(self) -> dict[str, Any]:
        """What each parameter that may be ``None`` or a word stands for; left out where it cannot be told."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters, with those of every model and part where ``deep``.

        Parameters
        ----------
        deep : bool, default=True
            Also return each model under its name and its parameters as ``name__parameter``.

        Returns
        -------
        dict
            Parameter names and values.
        """
        params: dict[str, Any] = super().get_params(deep=deep)
        if not deep:
            return params
        for name, model in pairs(self._listed_models()):
            params.setdefault(name, model)
            params.update(_nested(name, model))
        for name, part in self._named_parts().items():
            params.update(_nested(name, part))
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters; ``name__parameter`` reaches into a model or part, also one that is only named.

        Parameters
        ----------
        **params : dict
            Parameter names and values. ``name=estimator`` replaces a model, ``name="drop"`` leaves it out. The list
            given as ``estimators`` is never changed: a new one takes its place.

        Returns
        -------
        estimator
            Itself.
        """
        own = super().get_params(deep=False)
        for name in [name for name in params if name in own]:
            setattr(self, name, params.pop(name))
        nested: dict[str, dict[str, Any]] = {}
        for key, value in params.items():
            name, _, parameter = key.partition("__")
            nested.setdefault(name, {})[parameter] = value
        for name, values in nested.items():
            self._set_one(name, values)
        return self

    def _set_one(self, name: str, values: dict[str, Any]) -> None:
        models: list[Any] = self._listed_models()
        position = next((i for i, (known, _) in _positions(models) if known == name), None)
        if position is not None:
            models = list(models)
            model = values.pop("", models[position][1])
            models[position] = (name, model)
            _set_nested(self, name, model, values)
            self.estimators = models
            return
        part = self._named_parts().get(name, getattr(self, name, None))
        if "" in values or name not in super().get_params(deep=False):
            raise ValueError(
                f"Invalid parameter {name!r} for estimator {type(self).__name__}. Valid parameters are: "
                f"{sorted(self.get_params(deep=False))} and the models {[known for known, _ in pairs(models)]}."
            )
        _set_nested(self, name, part, values)
        setattr(self, name, part)


def _positions(models: list[Any]) -> list[tuple[int, tuple[str, Any]]]:
    return [(i, entry) for i, entry in enumerate(models) if pairs([entry])]


def _nested(name: str, part: Any) -> dict[str, Any]:
    if not hasattr(part, "get_params") or isinstance(part, type):
        return {}
    return {f"{name}__{key}": value for key, value in part.get_params(deep=True).items()}


def _set_nested(owner: Any, name: str, part: Any, values: dict[str, Any]) -> None:
    if not values:
        return
    if not hasattr(part, "set_params"):
        raise ValueError(
            f"{name} of {type(owner).__name__} is {part!r}: it has no parameters to set ({sorted(values)})."
        )
    part.set_params(**values)

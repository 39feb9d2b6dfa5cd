"""A fitted ensemble, compiled: the same answers for a few rows, in a fraction of the time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if

from skensemble._checks import check_choice, shown
from skensemble._compat import take_rows
from skensemble._training import outputs
from skensemble._trees import PackedTrees, TreeModel
from skensemble.compiled._numba import NumbaTrees
from skensemble.compiled._onnx import OnnxTrees
from skensemble.compiled._reading import tree_model
from skensemble.explanation import Explanation
from skensemble.models import few_as_in_fit, few_numbers

__all__ = ["CompiledEnsemble", "kept_rows"]

Array = NDArray[np.float64]

# With more rows the models' own loops over rows are faster than ours over trees.
FEW_ROWS = 8
# How far an engine may be from the ordinary answer, in units of the largest ordinary answer.
TOLERANCE = 1e-6
N_EDGES = 256
# Rows of training kept for that: no more than are taken for few.
N_KEPT = 64

ENGINES: dict[str, type[PackedTrees]] = {"numba": NumbaTrees, "onnx": OnnxTrees, "packed": PackedTrees}


class _Member(NamedTuple):
    """A packed model: its place among all, where its classes stand among those of the ensemble, what it can read."""

    place: int
    classes: NDArray[np.intp]
    takes_missing: bool


def _for_classes(method: Callable[..., Array]) -> Callable[..., Array]:
    """Offer a method only where the ensemble knows classes."""
    offered: Callable[..., Array] = available_if(lambda quick: hasattr(quick.ensemble, method.__name__))(method)
    return offered


class CompiledEnsemble:
    """A fitted ensemble that answers one row in a fraction of a millisecond; made by ``compile``.

    The trees of all models are packed into one table through which a row falls at once. Weights, regimes and intervals
    are those of the ensemble at the moment of asking: what `partial_update` learns is seen here at once. Nothing in it
    changes while it answers, so any number of threads may ask; a pickle holds the ensemble, too.

    Parameters
    ----------
    ensemble : RegimeAwareEnsembleRegressor or RegimeAwareEnsembleClassifier
        The fitted ensemble.
    X_check : array-like of shape (n_samples, n_features), default=None
        Rows to verify on, of which 64 are taken. The default (``None``) are rows that ``fit`` has kept.
    engine : {"packed", "numba", "onnx"}, default=None
        What takes rows through the trees. The default (``None``) is ``"packed"``.

    Attributes
    ----------
    packed_models : tuple of str
        Names of the models whose trees are in the table.
    other_models : tuple of str
        Names of the models that are asked themselves, on the shortest way that they offer.

    Raises
    ------
    ValueError
        If the packed trees say anything else than their models, or there are no rows to verify on.

    Notes
    -----
    More than eight rows at a time, and rows with values beyond single precision (infinity, or whole numbers above 2^24
    in an array of such), are answered by the ensemble itself. After another ``fit`` the compiled trees are those of
    yesterday: it says so and has to be compiled again.

    Examples
    --------
    >>> from skensemble import RegimeAwareEnsembleRegressor
    >>> X = np.arange(400.0).reshape(200, 2)
    >>> ensemble = RegimeAwareEnsembleRegressor(["random_forest", "linear"], random_state=0).fit(X, X[:, 0])
    >>> quick = ensemble.compile()
    >>> quick.packed_models, quick.other_models
    (('random_forest',), ('linear',))
    >>> bool(np.isclose(quick.predict(X[:1]), ensemble.predict(X[:1]), rtol=1e-12)[0])
    True
    """

    ensemble: Any
    engine: str
    packed_models: tuple[str, ...]
    other_models: tuple[str, ...]
    _trees: PackedTrees | None
    _members: tuple[_Member, ...]
    _estimators: list[Any]

    def __init__(self, ensemble: Any, X_check: Any = None, *, engine: str | None = None) -> None:
        who = f"compile of {type(ensemble).__name__}"
        engine = "packed" if engine is None else engine
        check_choice(engine, "engine", who, ENGINES)
        rows = ensemble._kept_rows if X_check is None else kept_rows(ensemble._validated_rows(X_check))
        if X_check is None and rows is None:
            raise ValueError(
                f"{who} verifies itself on rows of numbers, and fit has seen none: pass some as X_check. Where X holds "
                f"anything but finite numbers nothing can be packed."
            )
        models, members = _readable(ensemble) if rows is not None else ([], [])
        packed = {member.place for member in members}
        names = list(enumerate(ensemble.model_names_))
        vars(self).update(
            ensemble=ensemble,
            engine=engine,
            packed_models=tuple(name for place, name in names if place in packed),
            other_models=tuple(name for place, name in names if place not in packed),
            _trees=ENGINES[engine](models, ensemble.n_features_in_) if models else None,
            _members=tuple(members),
            _estimators=ensemble.estimators_,
        )
        if self._trees is not None and rows is not None:
            self._verify(self._trees, rows, who)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{name} of {type(self).__name__} cannot be set: compile the ensemble again.")

    def __repr__(self) -> str:
        parts = (f"{name}={getattr(self, name)!r}" for name in ("engine", "packed_models", "other_models"))
        return f"{type(self).__name__}({', '.join(parts)})"

    def predict(self, X: Any, *, regimes: Any = None) -> NDArray[Any]:
        """Predict numbers or classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row; the default (``None``) asks the ensemble's detector.

        Returns
        -------
        ndarray of shape (n_samples,)
            What ``predict`` of the ensemble says.
        """
        return self.ensemble._decide(self._merged(X, regimes))

    @_for_classes
    def predict_proba(self, X: Any, *, regimes: Any = None) -> Array:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row; the default (``None``) asks the ensemble's detector.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            What ``predict_proba`` of the ensemble says.
        """
        return self._merged(X, regimes)

    def explain(self, X: Any, *, regimes: Any = None) -> Explanation:
        """Predict, and say what the predictions are made of.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row; the default (``None``) asks the ensemble's detector.

        Returns
        -------
        Explanation
            What ``explain`` of the ensemble says.
        """
        rows, said = self._asked(X)
        index = rows.index if isinstance(rows, pd.DataFrame) else pd.RangeIndex(rows.shape[0])
        return self.ensemble._explained(said, self.ensemble._memberships(rows, regimes), rows, index)

    def attached(self, ensemble: Any) -> CompiledEnsemble:
        """Answer for another moment of the same fit.

        Parameters
        ----------
        ensemble : RegimeAwareEnsembleRegressor or RegimeAwareEnsembleClassifier
            A shallow copy of the ensemble that was compiled, which may have learned since.

        Returns
        -------
        CompiledEnsemble
            With the same trees, and the weights of that ensemble.
        """
        other = copy(self)
        vars(other).update(ensemble=ensemble)
        return other

    @property
    def weights_(self) -> pd.DataFrame:
        """How far each model is trusted now, pooled and in each regime.

        Returns
        -------
        pandas.DataFrame of shape (n_models, 1 + n_regimes)
            The weights of the ensemble.
        """
        return self.ensemble.weights_

    def _merged(self, X: Any, regimes: Any) -> Array:
        rows, said = self._asked(X)
        asked = self.ensemble
        memberships = asked._memberships(rows, regimes)
        return asked._merged(said, rows, memberships, asked.combiner_, asked.calibration_)

    def _asked(self, X: Any) -> tuple[Any, Array]:
        """Checked rows, and what all models say of them."""
        if self.ensemble.estimators_ is not self._estimators:
            raise ValueError(
                f"{type(self.ensemble).__name__} was fitted again after it was compiled, so these are the models of "
                f"before: compile it again."
            )
        values = few_as_in_fit(self.ensemble, X)
        gaps = values is None
        if gaps:
            X = self.ensemble._validated_rows(X)
            values = few_numbers(X)
            gaps = values is not None and bool(np.isnan(values).any())
        known = self._said(values, gaps=gaps) if values is not None and len(values) <= FEW_ROWS else {}
        return X, self.ensemble._ask_models(X, known, values)

    def _said(self, values: Array, *, gaps: bool) -> Mapping[int, Array]:
        """What the packed models say, by their places; those that refuse gaps say nothing where there are some."""
        if self._trees is None:
            return {}
        classes = getattr(self.ensemble, "classes_", None)
        said = {}
        for member, answer in zip(self._members, self._trees.answers(values), strict=True):
            if member.takes_missing or not gaps:
                said[member.place] = answer if classes is None else _placed(answer, member.classes, len(classes))
        return said

    def _verify(self, trees: PackedTrees, rows: Array, who: str) -> None:
        """Compare on rows, on rows that stand on thresholds, and on rows with gaps; refuse a difference."""
        random_state = np.random.RandomState(0)
        # A model that refuses gaps has to be seen on rows without any.
        known = np.nan_to_num(rows)
        edges = trees.edges(known, N_EDGES, random_state)
        edges = edges[(np.abs(edges) <= np.finfo(np.float32).max).all(axis=1)]
        holes = rows.copy()
        holes[random_state.random_sample(holes.shape) < 0.2] = np.nan
        ensemble, columns = self.ensemble, getattr(self.ensemble, "feature_names_in_", None)
        for values in (known, edges, holes):
            if not len(values):
                continue
            gaps = bool(np.isnan(values).any())
            X = values if columns is None else pd.DataFrame(values, columns=columns)
            said = self._said(values, gaps=gaps)
            for member in self._members:
                if member.place not in said or (gaps and not get_tags(ensemble).input_tags.allow_nan):
                    continue
                model = ensemble.estimators_[member.place]
                own = outputs(model, X, getattr(ensemble, "classes_", None))
                apart = np.abs(said[member.place] - own).max(axis=1, initial=0.0)
                worst = int(apart.argmax())
                packed = shown(said[member.place][worst].tolist())
                if not apart[worst] <= TOLERANCE * np.abs(own).max():
                    raise ValueError(
                        f"{who} with engine={self.engine!r} is wrong: {ensemble.model_names_[member.place]} says "
                        f"{shown(own[worst].tolist())} and its packed trees {packed}, "
                        f"of the row {shown(values[worst].tolist())}. The ensemble itself stays right: use its predict."
                    )


def _readable(ensemble: Any) -> tuple[list[TreeModel], list[_Member]]:
    """The models that are nothing but trees, and where they stand."""
    models, members = [], []
    classes = getattr(ensemble, "classes_", None)
    for place, model in enumerate(ensemble.estimators_):
        read = tree_model(model)
        own = np.arange(1) if classes is None or read is None else np.searchsorted(classes, model.classes_)
        # Trees for two classes may stand for one number, and trees for a number for two classes: the model knows how.
        if read is not None and read.leaves.n_columns == len(own):
            models.append(read)
            members.append(_Member(place, own, read.takes_missing))
    return models, members


def _placed(answer: Array, places: NDArray[np.intp], n_classes: int) -> Array:
    if len(places) == n_classes:
        return answer
    said = np.zeros((len(answer), n_classes))
    said[:, places] = answer
    return said


def kept_rows(X: Any) -> Array | None:
    """Take a few rows, evenly spread, to verify on what is compiled later.

    Parameters
    ----------
    X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
        Rows.

    Returns
    -------
    ndarray of shape (at most 64, n_features) or None
        Their numbers; ``None`` where they hold anything else.

    Examples
    --------
    >>> kept_rows(np.arange(1000.0)[:, None]).shape
    (64, 1)
    """
    rows = take_rows(X, np.unique(np.linspace(0, X.shape[0] - 1, N_KEPT).astype(int)))
    # Whole numbers of any size: what is compiled is verified on rows of floats.
    whole = isinstance(rows, np.ndarray) and rows.dtype.kind in "iu"
    return few_numbers(rows.astype(np.float64) if whole else rows)

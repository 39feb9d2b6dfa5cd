"""What a prediction says: the number, and everything it was made of, in one frozen record that adds up."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skensemble._checks import shown
from skensemble._html import Markup, html_table, notebook
from skensemble._texts import label, listed, percent, shortened
from skensemble.combiners import awake_models, over_awake
from skensemble.intervals import within_margins

__all__ = ["Explanation", "agreement", "joined", "laid_out", "spread"]

Array = NDArray[np.float64]

_NAME_WIDTH = 24
# Rows that a notebook shows of many.
_MOST_SHOWN = 20


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    r"""One prediction, or many, taken apart.

    The contributions add up: ``baseline + contributions.sum(axis=1) == combined``. The weights are those that the
    prediction was made with.

    Parameters
    ----------
    prediction : ndarray of shape (n_samples,)
        What `predict` returns: numbers, or class labels.
    combined : ndarray of shape (n_samples, n_outputs)
        The combined prediction behind it: the number itself, or the probability of each class.
    models : tuple of str
        Names of the models.
    member_predictions : ndarray of shape (n_samples, n_models, n_outputs)
        What each model said; NaN where it is asleep.
    weights : ndarray of shape (n_samples, n_models)
        How far each model is trusted; 0 where it is asleep, summing to 1 over the others.
    contributions : ndarray of shape (n_samples, n_models, n_outputs)
        What each model moved the prediction by.
    baseline : ndarray of shape (n_samples, n_outputs)
        The part that no model answers for: 0 for voting.
    best_so_far : ndarray of shape (n_samples, n_outputs)
        What the plain rival says: of the models awake, the one with the lowest loss on all outcomes that had come when
        the prediction was made, pooled. NaN where that is not known any more.
    regimes : tuple of hashable
        Names of the regimes.
    memberships : ndarray of shape (n_samples, n_regimes)
        How far each row belongs to each regime; a row of zeros is served by the pooled answer.
    agreement : ndarray of shape (n_samples,)
        Weight on models of the ensemble's side: the same sign for numbers, the same class for classes.
    confidence : ndarray of shape (n_samples,)
        Calibrated probability that the predicted side (the sign of a number) or class is right: of predictions with
        0.7 seven in ten should be, and `performance_report` says whether they were.
    nominal : ndarray of shape (n_samples,)
        The same before it was held against past outcomes.
    limits : ndarray of shape (n_samples, n_limits, n_coverages)
        For each coverage how far below and above the prediction the outcome may be (numbers), or up to which margin to
        the likeliest class another one is possible (classes); see `interval` and `possible`.
    coverages : tuple of float
        The coverages that are tracked.
    classes : tuple of hashable or None
        Class labels; None for numbers.
    index : pandas.Index
        Row labels, taken from X where it has them.

    Examples
    --------
    >>> import numpy as np
    >>> from skensemble import RegimeAwareEnsembleRegressor
    >>> X = np.arange(40.0).reshape(-1, 1)
    >>> ensemble = RegimeAwareEnsembleRegressor(["linear", "extra_trees"], random_state=0).fit(X, X[:, 0])
    >>> explanation = ensemble.explain(X[:2])
    >>> total = explanation.baseline + explanation.contributions.sum(axis=1)
    >>> bool(np.allclose(total[:, 0], ensemble.predict(X[:2])))
    True
    """

    prediction: NDArray[Any]
    combined: Array
    models: tuple[str, ...]
    member_predictions: Array
    weights: Array
    contributions: Array
    baseline: Array
    best_so_far: Array
    regimes: tuple[Hashable, ...]
    memberships: Array
    agreement: Array
    confidence: Array
    nominal: Array
    limits: Array
    coverages: tuple[float, ...]
    classes: tuple[Hashable, ...] | None
    index: pd.Index[Any]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Read explanations, too, that were written before they knew who was the best so far."""
        self.__dict__.update({"best_so_far": np.full_like(state["combined"], np.nan)} | state)

    @property
    def asleep(self) -> NDArray[np.bool_]:
        """Which models were asleep.

        Returns
        -------
        ndarray of shape (n_samples, n_models)
            True where the model had no finite prediction.
        """
        return ~np.isfinite(self.member_predictions).all(axis=2)

    @property
    def regime(self) -> NDArray[Any]:
        """The likeliest regime of each row.

        Returns
        -------
        ndarray of shape (n_samples,)
            Regime names; None where the regime is unknown.
        """
        names = np.empty(len(self.memberships), dtype=object)
        for i in np.flatnonzero(self.memberships.sum(axis=1) > 0):
            names[i] = self.regimes[int(self.memberships[i].argmax())]
        return names

    def interval(self, coverage: float = 0.9) -> Array:
        """Return between what the outcome should lie with the given frequency, for numbers.

        Parameters
        ----------
        coverage : float, default=0.9
            One of ``coverages``; `predict_interval` knows what is between them.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            Lower and upper ends; infinite as long as nothing has been learned.

        Raises
        ------
        ValueError
            If the coverage is not tracked, or these are classes.
        """
        if self.classes is not None:
            raise ValueError("interval is for numbers; the possible classes are in possible(coverage).")
        at = self._tracked(coverage, "interval")
        return self.combined + self.limits[:, :, at] * [-1.0, 1.0]

    def possible(self, coverage: float = 0.9) -> NDArray[np.bool_]:
        """Return which classes should hold the outcome with the given frequency.

        Parameters
        ----------
        coverage : float, default=0.9
            One of ``coverages``; `predict_set` knows what is between them.

        Returns
        -------
        ndarray of bool of shape (n_samples, n_classes)
            The likeliest class is always among them.

        Raises
        ------
        ValueError
            If the coverage is not tracked, or these are numbers.
        """
        if self.classes is None:
            raise ValueError("possible is for classes; the interval of a number is in interval(coverage).")
        at = self._tracked(coverage, "possible")
        return within_margins(self.combined, self.limits[:, 0, at])

    def _tracked(self, coverage: float, owner: str) -> int:
        if coverage not in self.coverages:
            beside = {"interval": "predict_interval", "possible": "predict_set"}[owner]
            raise ValueError(
                f"coverage of {owner} must be one of those that are tracked, {shown(self.coverages)}; got "
                f"{shown(coverage)}. {beside} knows what is between them."
            )
        return self.coverages.index(coverage)

    def frame(self) -> pd.DataFrame:
        """List what every model said of every row.

        Returns
        -------
        pandas.DataFrame
            One row per sample, model and output, with the columns ``row``, ``model``, ``class`` (for classes),
            ``said``, ``weight``, ``contribution`` and, the same for all models of a sample, ``baseline``,
            ``combined``, ``prediction``, ``regime``, ``agreement`` and ``confidence``.
        """
        n, n_models, n_outputs = self.member_predictions.shape
        each = n_models * n_outputs
        columns: dict[str, Any] = {
            "row": self.index.repeat(each),
            "model": np.tile(np.repeat(np.array(self.models, dtype=object), n_outputs), n),
        }
        if self.classes is not None:
            labels = np.empty(n_outputs, dtype=object)
            labels[:] = self.classes
            columns["class"] = np.tile(labels, n * n_models)
        columns["said"] = self.member_predictions.ravel()
        columns["weight"] = np.repeat(self.weights.ravel(), n_outputs)
        columns["contribution"] = self.contributions.ravel()
        columns["baseline"] = np.tile(self.baseline[:, None, :], (1, n_models, 1)).ravel()
        columns["combined"] = np.tile(self.combined[:, None, :], (1, n_models, 1)).ravel()
        for name in ("prediction", "regime", "agreement", "confidence"):
            columns[name] = np.repeat(getattr(self, name), each)
        return pd.DataFrame(columns)

    def __len__(self) -> int:
        return len(self.prediction)

    def __getitem__(self, rows: Any) -> Explanation:
        """Take some of the rows, by position: a number, a slice, a mask or a list of numbers."""
        chosen = np.arange(len(self))[rows]
        at = np.atleast_1d(chosen)
        return replace(self, **{name: getattr(self, name)[at] for name in _BY_ROW})

    def __repr__(self) -> str:
        if len(self) != 1:
            names = shortened(", ".join(self.models), 48)
            return f"Explanation of {len(self)} predictions by {len(self.models)} models ({names})"
        regime = self.regime[0]
        lines = [
            f"prediction {self._answer()}   confidence {self.confidence[0]:.2f}   "
            f"agreement {self.agreement[0]:.2f}   regime {'unknown' if regime is None else shortened(regime, 24)}"
        ]
        rows = self._parts()
        width = min(max(map(len, (*self.models, "baseline"))), _NAME_WIDTH)
        for name, said, weight, contribution in rows:
            beside = (f"said {said:>10}", f"weight {weight}") if said else (" " * 15, " " * 12)
            lines.append(f"  {shortened(name, width):<{width}}  {'   '.join(beside)}   contribution {contribution}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        if len(self) != 1:
            return notebook(self._html_of_many())
        regime = "unknown" if self.regime[0] is None else label(self.regime[0])
        coverage, bounds = self._bounds()
        about = (
            f"Prediction {self._answer()}{f' ({coverage}: {bounds})' * bool(bounds)}, confidence "
            f"{self.confidence[0]:.2f}, agreement {self.agreement[0]:.2f}, regime {regime}"
        )
        return notebook(html_table(about, ["model", "said", "weight", "contribution"], self._parts()))

    def _html_of_many(self) -> Markup:
        """The first and the last rows."""
        n, half = len(self), _MOST_SHOWN // 2
        rows = [*range(n)] if n <= _MOST_SHOWN else [*range(half), *range(n - half, n)]
        columns = ["row", "prediction", self._bounds()[0], "confidence", "agreement", "regime", "weighs most"]
        cells = []
        for row in rows:
            one, regime = self[row], self.regime[row]
            first = int(one.weights[0].argmax())
            cells.append(
                [
                    label(self.index[row]),
                    one._answer(),
                    one._bounds()[1],
                    f"{one.confidence[0]:.2f}",
                    f"{one.agreement[0]:.2f}",
                    "unknown" if regime is None else label(regime),
                    f"{self.models[first]} ({one.weights[0, first]:.2f})",
                ]
            )
        some = "" if len(rows) == n else f", the first and last {half}"
        about = f"Explanation of {n:,} predictions by {len(self.models)} models{some}"
        return html_table(about, columns, cells, words=("regime", "weighs most"))

    def _answer(self) -> str:
        """The only prediction, for a class with its probability."""
        probable = "" if self.classes is None else f" (probability {self.combined[0].max():.3g})"
        return f"{_plain(self.prediction[0])}{probable}"

    def _bounds(self) -> tuple[str, str]:
        """Between what the first outcome should lie, or which classes it may be, behind the coverage next to 90 %."""
        if not self.coverages:
            return "", ""
        coverage = min(self.coverages, key=lambda each: abs(each - 0.9))
        share = percent(coverage, 0)
        if not len(self) or np.isnan(self.limits[0]).all():
            return share, ""
        if self.classes is None:
            return share, " to ".join(f"{end:.4g}" for end in self.interval(coverage)[0])
        possible = self.possible(coverage)[0]
        return share, listed([name for name, is_possible in zip(self.classes, possible, strict=True) if is_possible])

    def _parts(self) -> list[tuple[str, str, str, str]]:
        """What the only prediction was made of, as texts: who, what was said, by what weight, and how far it moved it.

        Of classes it is the probability of the likeliest one.
        """
        at = int(self.combined[0].argmax())
        rows = []
        for k, model in enumerate(self.models):
            said = "asleep" if self.asleep[0, k] else f"{self.member_predictions[0, k, at]:.4g}"
            rows.append((model, said, f"{self.weights[0, k]:.3f}", f"{self.contributions[0, k, at]:+.4g}"))
        if np.any(self.baseline[0] != 0):
            rows.append(("baseline", "", "", f"{self.baseline[0, at]:+.4g}"))
        return rows


# What has one entry for each row; the rest names what the entries are about.
_BY_ROW = tuple(
    field.name for field in fields(Explanation) if field.name not in ("models", "regimes", "classes", "coverages")
)


def laid_out(
    explanation: Explanation,
    models: Sequence[str],
    regimes: Sequence[Hashable],
    classes: Sequence[Hashable] | None,
) -> Explanation:
    """Bring an explanation into another order of models, regimes and classes.

    Parameters
    ----------
    explanation : Explanation
        What was said.
    models : sequence of str
        A model that was not there then was asleep; one that is not named any more leaves no trace, and its weight is
        shared out among the others.
    regimes : sequence of hashable
        A regime that was not there then has no member.
    classes : sequence of hashable or None
        All classes of the explanation, and further ones, which had no probability; ``None`` for numbers.

    Returns
    -------
    Explanation
        The same one where nothing changes.

    Examples
    --------
    >>> from skensemble import RegimeAwareEnsembleRegressor
    >>> X = np.arange(40.0).reshape(-1, 1)
    >>> said = RegimeAwareEnsembleRegressor(["linear"]).fit(X, X[:, 0]).explain(X[:2])
    >>> laid_out(said, ["linear", "mlp"], (), None).weights
    array([[1., 0.],
           [1., 0.]])
    """
    models, regimes = tuple(models), tuple(regimes)
    classes = None if classes is None else tuple(classes)
    if (models, regimes, classes) == (explanation.models, explanation.regimes, explanation.classes):
        return explanation
    outputs = [0] if classes is None else [classes.index(label) for label in explanation.classes or ()]
    n, n_models, n_outputs = len(explanation), len(models), 1 if classes is None else len(classes)
    said, moved = np.full((n, n_models, n_outputs), np.nan), np.zeros((n, n_models, n_outputs))
    weights, memberships = np.zeros((n, n_models)), np.zeros((n, len(regimes)))
    for k, name in enumerate(explanation.models):
        if name in models:
            now = models.index(name)
            said[:, now] = np.where(explanation.asleep[:, [k]], np.nan, 0.0)
            said[:, now, outputs] = explanation.member_predictions[:, k]
            moved[:, now, outputs] = explanation.contributions[:, k]
            weights[:, now] = explanation.weights[:, k]
    for r, regime in enumerate(explanation.regimes):
        if regime in regimes:
            memberships[:, regimes.index(regime)] = explanation.memberships[:, r]
    if set(explanation.models) - set(models):
        weights = over_awake(weights, awake_models(said))
    combined, best = np.zeros((2, n, n_outputs))
    combined[:, outputs], best[:, outputs] = explanation.combined, explanation.best_so_far
    best[~np.isfinite(explanation.best_so_far).all(axis=1)] = np.nan
    return replace(
        explanation,
        combined=combined,
        models=models,
        member_predictions=said,
        weights=weights,
        contributions=moved,
        baseline=combined - moved.sum(axis=1),
        best_so_far=best,
        regimes=regimes,
        memberships=memberships,
        classes=classes,
    )


def joined(explanations: Sequence[Explanation]) -> Explanation:
    """Put explanations of one and the same stream one below the other.

    Parameters
    ----------
    explanations : sequence of Explanation
        In time order, at least one. What only some of them know of models, regimes and classes, the others have laid
        out as `laid_out` does it.

    Returns
    -------
    Explanation
        Of all rows.

    Examples
    --------
    >>> from skensemble import RegimeAwareEnsembleRegressor
    >>> X = np.arange(40.0).reshape(-1, 1)
    >>> ensemble = RegimeAwareEnsembleRegressor(["linear"]).fit(X, X[:, 0])
    >>> joined([ensemble.explain(X[:2]), ensemble.explain(X[2:5])])
    Explanation of 5 predictions by 1 models (linear)
    """
    first, *others = explanations
    if not others:
        return first
    models, regimes = (
        tuple(dict.fromkeys(name for each in explanations for name in getattr(each, kind)))
        for kind in ("models", "regimes")
    )
    classes = None
    if first.classes is not None:
        labels = [np.asarray(each.classes) for each in explanations]
        classes = tuple(np.unique(np.concatenate(labels)).tolist())
    parts = [laid_out(each, models, regimes, classes) for each in explanations]
    values: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in _BY_ROW if name != "index"
    }
    index = first.index.append([each.index for each in others])
    return replace(parts[0], index=index, **values)


def spread(predictions: Array, weights: Array, combined: Array) -> Array:
    r"""How far apart the models are, as the weighted root mean square distance from the combined prediction.

    Parameters
    ----------
    predictions : ndarray of shape (n_samples, n_models, n_outputs)
        What each model said; NaN where it is asleep.
    weights : ndarray of shape (n_samples, n_models)
        Weights, 0 where asleep.
    combined : ndarray of shape (n_samples, n_outputs)
        The combined prediction.

    Returns
    -------
    ndarray of shape (n_samples,)
        :math:`\sqrt{\sum_k w_k \sum_c (x_{kc} - z_c)^2}`, in units of the prediction.

    Examples
    --------
    >>> import numpy as np
    >>> spread(np.array([[[1.0], [3.0]]]), np.array([[0.5, 0.5]]), np.array([[2.0]]))
    array([1.])
    """
    distance = np.where(weights[:, :, None] > 0, predictions - combined[:, None, :], 0.0)
    with np.errstate(over="ignore"):
        return np.sqrt(np.einsum("nm,nmk->n", weights, distance**2))


def agreement(predictions: Array, weights: Array, combined: Array) -> Array:
    """Weight on the models that take the ensemble's side.

    Parameters
    ----------
    predictions : ndarray of shape (n_samples, n_models, n_outputs)
        What each model said; NaN where it is asleep.
    weights : ndarray of shape (n_samples, n_models)
        Weights, 0 where asleep, summing to 1.
    combined : ndarray of shape (n_samples, n_outputs)
        The combined prediction. One output is a number, whose side is its sign; several are classes, whose side is the
        likeliest.

    Returns
    -------
    ndarray of shape (n_samples,)
        Between 0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> agreement(np.array([[[1.0], [-3.0], [2.0]]]), np.array([[0.5, 0.25, 0.25]]), np.array([[0.25]]))
    array([0.75])
    """
    said = np.where(np.isfinite(predictions), predictions, 0.0)
    if combined.shape[1] == 1:
        same = np.sign(said[:, :, 0]) == np.sign(combined)
    else:
        same = said.argmax(axis=2) == combined.argmax(axis=1)[:, None]
    return np.minimum((weights * same).sum(axis=1), 1.0)


def _plain(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, (float, np.floating)) else shortened(value, 24)

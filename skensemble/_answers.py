"""What all models of an ensemble say of the same rows; one that fails, or talks nonsense, sleeps, loudly."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skensemble._checks import ModelFailureWarning
from skensemble._training import AsleepModel, outputs, within_reach
from skensemble.models import few_numbers

__all__ = ["answers"]

Array = NDArray[np.float64]


def answers(
    models: Mapping[str, Any],
    X: Any,
    classes: NDArray[Any] | None,
    reach: tuple[float, float],
    *,
    known: Mapping[int, Array],
    numbers: Array | None,
    first: int,
    raises: bool,
) -> Array:
    """Ask all models.

    Parameters
    ----------
    models : mapping of str to estimator
        Fitted, by name.
    X : array-like of shape (n_samples, n_features)
        Checked rows.
    classes : ndarray of shape (n_classes,) or None
        Sorted class labels of the ensemble; ``None`` for numbers.
    reach : tuple of float
        Between what numbers make sense, see `reach_of`.
    known : mapping of int to ndarray of shape (n_samples, n_outputs)
        What some of them say, by their places, where somebody knows it already.
    numbers : ndarray of shape (n_samples, n_features) or None
        The rows as `few_numbers` gives them; ``None`` where they have not been asked for.
    first : int
        Number of the first row, for whoever reads an error.
    raises : bool
        Whether a model that sleeps is an error and not a warning.

    Returns
    -------
    ndarray of shape (n_samples, n_models, n_outputs)
        NaN where a model sleeps; on every row somebody is awake.

    Raises
    ------
    ValueError
        If nobody has a finite prediction of some row.
    """
    n_samples = X.shape[0]
    numbers = few_numbers(X) if numbers is None else numbers
    said = np.full((n_samples, len(models), 1 if classes is None else len(classes)), np.nan)
    failed = {}
    for k, model in enumerate(models.values()):
        try:
            said[:, k] = known[k] if k in known else outputs(model, X, classes, numbers=numbers)
        except Exception as error:  # whatever a model does, the others answer
            failed[k] = f"failed in predict ({type(error).__name__}: {error})"
    # Usually all of them answer, and then one look at all of it will do.
    all_awake = not np.isnan(said).any()
    if not all_awake:
        _report_asleep(models, np.isnan(said).any(axis=2), failed, raises=raises)
    if classes is None and (sensible := within_reach(said, reach)) is not said:
        silenced = np.isnan(sensible[:, :, 0]) & ~np.isnan(said[:, :, 0])
        _report_nonsense(list(models), said[:, :, 0], silenced, raises=raises)
        said, all_awake = sensible, False
    alone = np.zeros(0, dtype=bool) if all_awake else np.isnan(said).any(axis=2).all(axis=1)
    if alone.any():
        row = first + int(np.argmax(alone))
        raise ValueError(
            f"No model has a finite prediction for {int(alone.sum())} of {n_samples} rows, the first is row {row}. "
            f"Look at these rows for missing or infinite values, and at estimators_ for models that failed in fit."
        )
    return said


def _report_asleep(
    models: Mapping[str, Any], asleep: NDArray[np.bool_], failed: Mapping[int, str], *, raises: bool
) -> None:
    for k, ((name, model), n_asleep) in enumerate(zip(models.items(), asleep.sum(axis=0).tolist(), strict=True)):
        if n_asleep and not isinstance(model, AsleepModel):
            trouble = f"has no finite prediction for {n_asleep} of {len(asleep)} rows"
            _report_sleep(name, failed.get(k, trouble), raises=raises)


def _report_nonsense(names: Sequence[str], said: Array, silenced: NDArray[np.bool_], *, raises: bool) -> None:
    for k in np.flatnonzero(silenced.any(axis=0)).tolist():
        own = said[silenced[:, k], k]
        _report_sleep(
            names[k],
            f"says {own[np.abs(own).argmax()]:.4g}, which is more than a hundred times their range away from all "
            f"outcomes of the training, where others do not",
            raises=raises,
        )


def _report_sleep(name: str, trouble: str, *, raises: bool) -> None:
    if raises:
        raise ValueError(f"{name} {trouble}. on_error='warn' would carry on without it.")
    warnings.warn(f"{name} {trouble}: it sleeps there.", ModelFailureWarning, stacklevel=7)

"""Synthetic markets and prediction streams whose right answer is known.

One idea: a hidden chain of regimes decides which kind of model is right, so that a combiner's loss can be compared with
the best that could have been done. One rule that every member keeps: the seed determines the whole output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from skensemble._checks import check_choice, check_number
from skensemble.datasets._sp500 import MarketData

__all__ = ["PredictionStream", "make_prediction_stream", "make_regime_classification", "make_regime_regression"]

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
Seed = int | np.random.RandomState | None
World = tuple[Floats, Floats]  # skill (n_samples, n_models) and memberships (n_samples, n_regimes)

_DWELL = 50


class PredictionStream(NamedTuple):
    """What several models said, what was true, and who was right: enough to test a combiner without fitting a model.

    Parameters
    ----------
    targets : ndarray of shape (n_samples, 1)
        What was to be predicted.
    predictions : ndarray of shape (n_samples, n_models, 1)
        What each model said.
    memberships : ndarray of shape (n_samples, n_regimes)
        What is told about the regime of each row: a one in its column, or zeros alone where it is not known.
    best : ndarray of shape (n_samples,)
        The model whose predictions have the smallest expected squared error in that row.

    Examples
    --------
    >>> from skensemble.datasets import make_prediction_stream
    >>> stream = make_prediction_stream("noise", n_samples=100, n_models=3, random_state=0)
    >>> stream.predictions.shape, sorted(set(stream.best.tolist()))
    ((100, 3, 1), [0])
    """

    targets: Floats
    predictions: Floats
    memberships: Floats
    best: Integers


def make_regime_regression(
    n_samples: int = 2000,
    n_features: int = 5,
    n_regimes: int = 2,
    *,
    dwell: float = 50,
    noise: float = 1.0,
    informative: bool = True,
    random_state: Seed = None,
) -> MarketData:
    """Make a market in which different kinds of models are right in different regimes.

    The features are independent standard normal variables. In regimes 0, 2, 4, … the target is linear in them, which a
    linear model finds best; in regimes 1, 3, 5, … it is a sum of V shapes ``|x| - E|x|``, of which a linear model sees
    nothing and trees see a lot. Every regime has coefficients of its own, scaled so that the signal has variance 1:

    ``y = signal_r(x) + noise * ε`` with standard normal ``ε``, so that no model can expect a mean squared error below
    ``noise²``.

    Parameters
    ----------
    n_samples : int, default=2000
        Number of rows, one per hour.
    n_features : int, default=5
        Number of columns.
    n_regimes : int, default=2
        Number of regimes.
    dwell : float, default=50
        Mean number of rows before the regime changes to another one.
    noise : float, default=1.0
        Standard deviation of what nobody can predict.
    informative : bool, default=True
        Whether the returned regimes are those that made the data. With ``False`` they are those of another, independent
        chain: labels that look the same and tell nothing.
    random_state : int, RandomState or None, default=None
        Determines the whole output.

    Returns
    -------
    X : DataFrame of shape (n_samples, n_features)
        Columns ``x0``, ``x1``, …, indexed by time.
    y : Series of shape (n_samples,)
        The target.
    regimes : Series of shape (n_samples,)
        Labels ``"R0"``, ``"R1"``, ….

    Raises
    ------
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> import numpy as np
    >>> from skensemble.datasets import make_regime_regression
    >>> X, y, regimes = make_regime_regression(noise=0.0, random_state=0)
    >>> for label in ("R0", "R1"):
    ...     rows = regimes == label
    ...     unexplained = np.linalg.lstsq(X[rows], y[rows], rcond=None)[1][0] / (y[rows] ** 2).sum()
    ...     print(f"{label}: a linear model misses {unexplained:.0%}")
    R0: a linear model misses 0%
    R1: a linear model misses 100%
    """
    owner = "make_regime_regression"
    _check_market(owner, n_samples=n_samples, n_features=n_features, n_regimes=n_regimes, dwell=dwell, noise=noise)
    rng = check_random_state(random_state)
    features, regime = _features_and_regimes(rng, n_samples, n_features, n_regimes, dwell)
    target = _signal(rng, features, regime, n_regimes) + noise * rng.standard_normal(n_samples)
    told = regime if informative else _chain(rng, n_samples, n_regimes, dwell)
    return _market(features, target, told)


def make_regime_classification(
    n_samples: int = 2000,
    n_features: int = 5,
    n_regimes: int = 2,
    n_classes: int = 2,
    *,
    dwell: float = 50,
    noise: float = 0.5,
    informative: bool = True,
    random_state: Seed = None,
) -> MarketData:
    """Make a market of classes in which different kinds of models are right in different regimes.

    Each class has a signal as in :func:`make_regime_regression`, linear in regimes 0, 2, 4, … and V-shaped in the
    others, and the class is drawn with

    ``P(y = c | x, r) = exp(signal_rc(x) / noise) / Σ_d exp(signal_rd(x) / noise)``.

    Parameters
    ----------
    n_samples : int, default=2000
        Number of rows, one per hour.
    n_features : int, default=5
        Number of columns.
    n_regimes : int, default=2
        Number of regimes.
    n_classes : int, default=2
        Number of classes.
    dwell : float, default=50
        Mean number of rows before the regime changes to another one.
    noise : float, default=0.5
        How much chance decides; at 0 the class with the largest signal is certain.
    informative : bool, default=True
        Whether the returned regimes are those that made the data, or those of an independent chain.
    random_state : int, RandomState or None, default=None
        Determines the whole output.

    Returns
    -------
    X : DataFrame of shape (n_samples, n_features)
        Columns ``x0``, ``x1``, …, indexed by time.
    y : Series of shape (n_samples,)
        Classes 0 to ``n_classes - 1``.
    regimes : Series of shape (n_samples,)
        Labels ``"R0"``, ``"R1"``, ….

    Raises
    ------
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> from skensemble.datasets import make_regime_classification
    >>> X, y, regimes = make_regime_classification(n_samples=100, n_classes=3, random_state=0)
    >>> sorted(y.unique().tolist()), sorted(regimes.unique().tolist())
    ([0, 1, 2], ['R0', 'R1'])
    """
    owner = "make_regime_classification"
    _check_market(owner, n_samples=n_samples, n_features=n_features, n_regimes=n_regimes, dwell=dwell, noise=noise)
    check_number(n_classes, "n_classes", owner, low=2, integer=True)
    rng = check_random_state(random_state)
    features, regime = _features_and_regimes(rng, n_samples, n_features, n_regimes, dwell)
    signals = np.column_stack([_signal(rng, features, regime, n_regimes) for _ in range(n_classes)])
    # The largest of signals with Gumbel noise is a draw from their softmax.
    target = np.argmax(signals + noise * rng.gumbel(size=signals.shape), axis=1)
    told = regime if informative else _chain(rng, n_samples, n_regimes, dwell)
    return _market(features, target, told)


def make_prediction_stream(
    kind: str = "informative",
    n_samples: int = 2000,
    n_models: int = 4,
    n_regimes: int = 3,
    *,
    random_state: Seed = None,
) -> PredictionStream:
    """Make the predictions of models of known skill, to test combiners on.

    With a standard normal signal ``s``, the target is ``s + ε/2`` and model ``k`` says ``s + skill_tk ε_k``, all ``ε``
    independent and standard normal. In each regime one model is good (skill 0.5) and the others are poor (skills drawn
    from 1 to 2); regime ``r`` favours model ``r mod n_models`` and lasts 50 rows on average.

    Parameters
    ----------
    kind : str, default="informative"
        What happens in the stream.

        - ``"informative"``: the labels told are the true regimes.
        - ``"noise"``: one model is good throughout; the labels change but mean nothing.
        - ``"rare"``: informative, but the last regime covers about one row in fifty.
        - ``"new"``: informative, but the last regime is not seen in the first four fifths of the rows.
        - ``"many"``: informative, but each regime goes by eight names, so that each label has few rows; the
          memberships have ``8 * n_regimes`` columns.
        - ``"drift"``: informative, but in each regime skill passes gradually from one model to the next.
        - ``"missing"``: informative, but the label of every second row, at random, is not known.
        - ``"switch"``: one model is good throughout the first half and useless (skill 4) from then on; the labels mean
          nothing.
        - ``"heavy_tails"``: informative, but the models' errors follow Student's t with 3 degrees of freedom, scaled to
          the same variance.
    n_samples : int, default=2000
        Number of rows.
    n_models : int, default=4
        Number of models.
    n_regimes : int, default=3
        Number of regimes.
    random_state : int, RandomState or None, default=None
        Determines the whole output.

    Returns
    -------
    targets : ndarray of shape (n_samples, 1)
        What was to be predicted.
    predictions : ndarray of shape (n_samples, n_models, 1)
        What each model said.
    memberships : ndarray of shape (n_samples, n_regimes)
        The regimes told: one-hot rows, or zeros alone where a label is missing.
    best : ndarray of shape (n_samples,)
        The model of smallest skill figure, that is, of smallest expected squared error, in each row.

    Raises
    ------
    ValueError
        If ``kind`` is none of these words or a number is out of its range.

    Examples
    --------
    >>> from skensemble.datasets import make_prediction_stream
    >>> targets, predictions, memberships, best = make_prediction_stream("switch", random_state=0)
    >>> predictions.shape, memberships.shape
    ((2000, 4, 1), (2000, 3))
    >>> bool(best[0] == best[999] != best[1000] == best[-1])
    True
    """
    owner = "make_prediction_stream"
    check_choice(kind, "kind", owner, _WORLDS)
    for name, count in {"n_samples": n_samples, "n_models": n_models, "n_regimes": n_regimes}.items():
        check_number(count, name, owner, low=1, integer=True)
    rng = check_random_state(random_state)
    skill, memberships = _WORLDS[kind](rng, n_samples, n_models, n_regimes)
    signal = rng.standard_normal((n_samples, 1))
    targets = signal + 0.5 * rng.standard_normal((n_samples, 1))
    errors = rng.standard_normal((n_samples, n_models))
    if kind == "heavy_tails":
        errors = rng.standard_t(3, size=(n_samples, n_models)) / np.sqrt(3)
    return PredictionStream(targets, (signal + skill * errors)[:, :, np.newaxis], memberships, skill.argmin(axis=1))


def _check_market(owner: str, *, dwell: float, noise: float, **counts: int) -> None:
    for name, count in counts.items():
        check_number(count, name, owner, low=1, integer=True)
    check_number(dwell, "dwell", owner, low=1)
    check_number(noise, "noise", owner, low=0)


def _features_and_regimes(
    rng: np.random.RandomState, n_samples: int, n_features: int, n_regimes: int, dwell: float
) -> tuple[Floats, Integers]:
    return rng.standard_normal((n_samples, n_features)), _chain(rng, n_samples, n_regimes, dwell)


def _chain(rng: np.random.RandomState, n_samples: int, n_regimes: int, dwell: float) -> Integers:
    """Draw a chain of regimes that leaves each with probability ``1 / dwell`` for any of the others."""
    leaves = rng.random_sample(n_samples) < 1 / dwell
    steps = rng.randint(1, max(n_regimes, 2), size=n_samples) * leaves
    steps[0] = rng.randint(n_regimes)
    return (np.cumsum(steps) % n_regimes).astype(np.intp)


def _signal(rng: np.random.RandomState, features: Floats, regime: Integers, n_regimes: int) -> Floats:
    """Draw coefficients for every regime and apply those of each row's regime; variance 1 in every regime."""
    coefficients = rng.standard_normal((n_regimes, features.shape[1]))
    coefficients /= np.linalg.norm(coefficients, axis=1, keepdims=True)
    v_shapes = (np.abs(features) - np.sqrt(2 / np.pi)) / np.sqrt(1 - 2 / np.pi)
    shaped = np.where((regime % 2 == 0)[:, np.newaxis], features, v_shapes)
    return np.asarray((shaped * coefficients[regime]).sum(axis=1))


def _market(features: Floats, target: NDArray[Any], regime: Integers) -> MarketData:
    times = pd.date_range("2000-01-01", periods=len(features), freq=pd.Timedelta(hours=1), name="time")
    names = np.array([f"R{r}" for r in range(regime.max() + 1)])
    return MarketData(
        pd.DataFrame(features, times, [f"x{j}" for j in range(features.shape[1])]),
        pd.Series(target, times, name="y"),
        pd.Series(names[regime], times, name="regime"),
    )


def _skills(rng: np.random.RandomState, n_models: int, n_regimes: int) -> Floats:
    skills = rng.uniform(1, 2, size=(n_regimes, n_models))
    skills[np.arange(n_regimes), np.arange(n_regimes) % n_models] = 0.5
    return skills


def _one_hot(regime: Integers, n_regimes: int) -> Floats:
    return np.eye(n_regimes)[regime]


def _informative(rng: np.random.RandomState, n_samples: int, n_models: int, n_regimes: int) -> World:
    regime = _chain(rng, n_samples, n_regimes, _DWELL)
    return _skills(rng, n_models, n_regimes)[regime], _one_hot(regime, n_regimes)


def _noise(rng: np.random.RandomState, n_samples: int, n_models: int, n_regimes: int) -> World:
    regime = _chain(rng, n_samples, n_regimes, _DWELL)
    return np.repeat(_skills(rng, n_models, 1), n_samples, axis=0), _one_hot(regime, n_regimes)


def _rare(rng: np.random.RandomState, n_samples: int, n_models: int, n_regimes: int) -> World:
    regime = _chain(rng, n_samples, max(n_regimes - 1, 1), _DWELL)
    regime[rng.random_sample(n_samples) < 0.02] = n_regimes - 1
    return _skills(rng, n_models, n_regimes)[regime], _one_hot(regime, n_regimes)


def _new(rng: np.random.RandomState, n_samples: int, n_models: int, n_regimes: int) -> World:
    regime = _chain(rng, n_samples, n_regimes, _DWELL)
    start = n_samples * 4 // 5
    regime[:start] %= max(n_regimes - 1, 1)
    regime[start : start + _DWELL] = n_regimes - 1
    return _skills(rng, n_models, n_regimes)[regime], _one_hot(regime, n_regimes)


def _many(rng: np.random.RandomState, n_samples: int, n_models: int, n_regimes: int) -> World:
    name = _chain(rng, n_samples, 8 * n_regimes, _DWELL)
    return _skills(rng, n_models, n_regimes)[name % n_regimes], _one_hot(name, 8 * n_regimes)


def _drift(rng: np.random.RandomState, n_samples: int, n_models: int, n_regimes: int) -> World:
    regime = _chain(rng, n_samples, n_regimes, _DWELL)
    skills = _skills(rng, n_models, n_regimes)
    passed = np.linspace(0, 1, n_samples)[:, np.newaxis]
    skill = (1 - passed) * skills[regime] + passed * np.roll(skills, 1, axis=1)[regime]
    return skill, _one_hot(regime, n_regimes)


def _missing(rng: np.random.RandomState, n_samples: int, n_models: int, n_regimes: int) -> World:
    skill, memberships = _informative(rng, n_samples, n_models, n_regimes)
    memberships[rng.random_sample(n_samples) < 0.5] = 0
    return skill, memberships


def _switch(rng: np.random.RandomState, n_samples: int, n_models: int, n_regimes: int) -> World:
    skill, memberships = _noise(rng, n_samples, n_models, n_regimes)
    skill[n_samples // 2 :, 0] = 4
    return skill, memberships


_WORLDS: dict[str, Callable[[np.random.RandomState, int, int, int], World]] = {
    "informative": _informative,
    "noise": _noise,
    "rare": _rare,
    "new": _new,
    "many": _many,
    "drift": _drift,
    "missing": _missing,
    "switch": _switch,
    "heavy_tails": _informative,
}

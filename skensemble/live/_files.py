"""Ensembles as files that run no code when they are read.

One idea: a file names types, and only types of a published list are made from it. One rule: a file is there as a whole,
the old one or the new one, whatever happens while it is written.
"""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from sklearn.utils.validation import check_is_fitted

from skensemble._base import RegimeAwareEnsemble
from skensemble._checks import shown
from skensemble._files import write_whole

__all__ = ["TRUSTED_TYPES", "load", "made_with", "save"]

_LIBRARIES = ("skensemble", "scikit-learn", "xgboost", "lightgbm")
_ABOUT = "skensemble.json"
_FORMAT = 1


def _listed(package: str, modules: dict[str, str]) -> set[str]:
    return {f"{package}.{module}.{name}" for module, names in modules.items() for name in names.split()}


# What ensembles of our own models, combiners, rules, weightings, losses and detectors are made of, besides what skops
# trusts by itself. None of them does anything but keep what it is given.
TRUSTED_TYPES: frozenset[str] = frozenset(
    {
        "collections.OrderedDict",
        "lightgbm.basic.Booster",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
        "xgboost.core.Booster",
    }
    | _listed(
        "skensemble",
        {
            "_certainty": "Certainty",
            "_classifier": "RegimeAwareEnsembleClassifier",
            "_regressor": "RegimeAwareEnsembleRegressor",
            "_training": "AsleepModel OutOfFold",
            "combiners._combined": "WeightedCombiners",
            "combiners._dynamic": "DynamicWeighting",
            "combiners._final": "LogOddsPool NonNegativeRidge",
            "combiners._stacking": "Stacking",
            "combiners._voting": "WeightedVoting",
            "intervals._calibration": "ProbabilityCalibration _FadingMean _Judgement _Rows",
            "intervals._confidence": "AdaptiveConfidence _State",
            "intervals._intervals": "AdaptiveIntervals _State",
            "intervals._sets": "AdaptiveSets _State",
            "intervals._thresholds": "Thresholds",
            "losses": "AbsoluteLoss BrierLoss HuberLoss LogLoss PinballLoss SquaredLoss",
            "models._boosting": "HistogramBoostingClassifier HistogramBoostingRegressor LightGBMClassifier "
            "LightGBMRegressor XGBoostClassifier XGBoostRegressor",
            "models._columns": "Categories",
            "models._forests": "BootstrapForestClassifier BootstrapForestRegressor RandomSplitForestClassifier "
            "RandomSplitForestRegressor",
            "models._importances": "ColumnsRead",
            "models._standardized": "LinearClassifier LinearRegressor NetworkClassifier NetworkRegressor",
            "models._users": "LabelEncodedClassifier",
            "performance._ledger": "Ledger",
            "regimes._bins": "QuantileRegimes",
            "regimes._detection": "SingleRegime",
            "regimes._ordered": "OrderedRegimes",
            "regimes._product": "ProductRegimes",
            "regimes._windows": "TrendRegimes VolatilityRegimes",
            "rules._base": "Specialists Trust",
            "rules._bernstein": "BernsteinAggregation BernsteinState",
            "rules._exponential": "ExponentialAverage ExponentialState FixedShare",
            "rules._polynomial": "MLPoly PolynomialState",
            "rules._row": "Trust",
            "rules._simple": "NoLearning PriorState RecentPerformance RecentState",
            "trades._evidence": "TradeEvidence",
            "weightings._evidence": "Evidence",
            "weightings._mixes": "ConvexWeights GreedySelection",
            "weightings._simple": "BestModels InverseLoss SoftmaxLoss UniformWeights",
        },
    )
)


def save(ensemble: RegimeAwareEnsemble, path: Any) -> None:
    """Write a fitted ensemble to a file that `load` reads without running code from it.

    The file is replaced as a whole or not at all, and is on the disk when this returns. It needs
    ``pip install "skensemble[secure]"``.

    Parameters
    ----------
    ensemble : RegimeAwareEnsembleRegressor or RegimeAwareEnsembleClassifier
        Fitted.
    path : path
        The file.

    Raises
    ------
    ValueError
        If the ensemble is not fitted, or holds something that cannot be written so.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skensemble import RegimeAwareEnsembleRegressor
    >>> from skensemble.live import load, save
    >>> X = np.arange(40.0).reshape(-1, 1)
    >>> ensemble = RegimeAwareEnsembleRegressor(["linear"]).fit(X, X[:, 0])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(ensemble, Path(folder) / "ensemble.skops")
    ...     again = load(Path(folder) / "ensemble.skops")
    >>> bool((again.predict(X) == ensemble.predict(X)).all())
    True
    """
    if not isinstance(ensemble, RegimeAwareEnsemble):
        raise ValueError(f"save writes a RegimeAwareEnsembleRegressor or -Classifier; got {shown(ensemble)}.")
    check_is_fitted(ensemble, "combiner_")
    try:
        packed = io.BytesIO(_skops().dumps(ensemble))
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"The ensemble holds something that skops cannot write: {error}") from error
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr(_ABOUT, json.dumps({"format": _FORMAT, "made_with": json.loads(made_with())}))
    write_whole(Path(os.fsdecode(path)), packed.getvalue())


def load(path: Any, *, trusted: Sequence[str] = ()) -> RegimeAwareEnsemble:
    """Read an ensemble from a file of `save`.

    No code of the file runs, whatever is in it: it may name types only, and those are made that ``TRUSTED_TYPES``
    lists, scikit-learn's and numpy's own that skops trusts, and those that you vouch for. Boosted models are read by
    the libraries that wrote them.

    Parameters
    ----------
    path : path
        The file.
    trusted : sequence of str, default=()
        Further types, such as ``"my_package.MyModel"``, that you know to do no harm when they are made.

    Returns
    -------
    RegimeAwareEnsembleRegressor or RegimeAwareEnsembleClassifier
        With all that it had learned.

    Raises
    ------
    ValueError
        If it is no such file, is damaged, was written by a newer format, or names a type that nobody vouches for.

    Warns
    -----
    UserWarning
        If it was made with other versions of skensemble, scikit-learn, xgboost or lightgbm.

    Examples
    --------
    >>> from skensemble.live import load
    >>> load(__file__)
    Traceback (most recent call last):
    ...
    ValueError: .../_files.py is no file of skensemble.live.save, or it is damaged (File is not a zip file).
    """
    where = Path(os.fsdecode(path))
    data = where.read_bytes()
    skops = _skops()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            about = json.loads(archive.read(_ABOUT))
        written_in, versions = int(about["format"]), dict(about["made_with"])
        unknown = set() if written_in > _FORMAT else set(skops.get_untrusted_types(data=data))
    except Exception as error:  # whatever is in the file
        raise _damaged(where, error) from error
    if written_in > _FORMAT:
        raise ValueError(
            f"{where} is of format {written_in}, made with skensemble {versions.get('skensemble')}; this one reads "
            f"formats up to {_FORMAT}. Update skensemble."
        )
    strangers = sorted(unknown - TRUSTED_TYPES - set(trusted))
    if strangers:
        raise ValueError(
            f"{where} holds types that nobody vouches for: {shown(strangers, 300)}. If you know them all, and whom the "
            f"file is from, name them in trusted=."
        )
    _warn_about_versions(where, versions)
    try:
        ensemble = skops.loads(data, trusted=sorted(unknown))
    except Exception as error:  # whatever is in the file
        raise _damaged(where, error) from error
    if not isinstance(ensemble, RegimeAwareEnsemble):
        raise ValueError(f"{where} holds {shown(ensemble)} and no ensemble.")
    return ensemble


def _damaged(where: Path, error: Exception) -> ValueError:
    return ValueError(f"{where} is no file of skensemble.live.save, or it is damaged ({error}).")


def _warn_about_versions(where: Path, versions: dict[str, str]) -> None:
    here = json.loads(made_with())
    apart = [
        f"{name} {then} (here {here.get(name, 'not installed')})"
        for name, then in versions.items()
        if here.get(name) != then
    ]
    if apart:
        warnings.warn(
            f"{where} was made with {', '.join(apart)}: its models may answer otherwise or not at all. Compare some "
            f"predictions, or install what it was made with.",
            UserWarning,
            stacklevel=3,
        )


def made_with() -> str:
    """Versions of the libraries that an ensemble is made of, as text."""
    from importlib import metadata  # noqa: PLC0415 - it takes its time, and only files need it

    found = {}
    for name in _LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return json.dumps(found)


def _skops() -> Any:
    try:
        return import_module("skops.io")
    except ImportError:
        raise ImportError('save and load need skops: pip install "skensemble[secure]".') from None

"""Files of ensembles: they come back to the last bit, and nothing in a file is ever run."""

import importlib
import inspect
import io
import json
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from _live_cases import DAYS, MODELS, at, classifier, learned, regressor, rows
from skops import io as skops_io

from skensemble import (
    LiveEnsemble,
    RegimeAwareEnsembleClassifier,
    RegimeAwareEnsembleRegressor,
    combiners,
    losses,
    rules,
)
from skensemble import weightings as families
from skensemble.combiners import Combiner, DynamicWeighting, Stacking, WeightedVoting
from skensemble.live import TRUSTED_TYPES, _files, load, save
from skensemble.losses import Loss
from skensemble.regimes import OrderedRegimes, ProductRegimes, QuantileRegimes, TrendRegimes, VolatilityRegimes
from skensemble.rules import Rule
from skensemble.weightings import Weighting

X, Y, REGIMES = rows(60, seed=1)
FRAME = pd.DataFrame(X, columns=list("xyz"), index=DAYS)
ALL = ["xgboost", "lightgbm", "random_forest", "extra_trees", "hist_gradient_boosting"]
OWN = ["_live_cases.Says", "_live_cases.Leans"]


def members(module, kind):
    found = [getattr(module, name) for name in module.__all__]
    return [each for each in found if inspect.isclass(each) and issubclass(each, kind) and not inspect.isabstract(each)]


def small(names):
    sizes = {"n_estimators": 2, "max_iter": 2}
    return {
        f"{name}__{size}": value
        for name in names
        for size, value in sizes.items()
        if (size == "max_iter") == (name == "hist_gradient_boosting") and name in ALL
    }


def trained():
    """Ensembles of all of our own parts."""
    yield RegimeAwareEnsembleRegressor([*ALL, "linear"], random_state=0).set_params(**small(ALL)), Y, REGIMES
    labels = np.where(Y > 0, "up", "down")
    of_classes = RegimeAwareEnsembleClassifier([*ALL, "logistic"], calibrate=True, random_state=0)
    yield of_classes.set_params(**small(ALL)), labels, REGIMES
    ways = [
        *(combiner() for combiner in members(combiners, Combiner)),
        *(DynamicWeighting(rule()) for rule in members(rules, Rule)),
        *(DynamicWeighting(loss=loss()) for loss in members(losses, Loss)),
        *(WeightedVoting(weighting()) for weighting in members(families, Weighting)),
    ]
    for combiner in ways:
        yield RegimeAwareEnsembleRegressor(["linear"], combiner=combiner), Y, REGIMES
    yield RegimeAwareEnsembleClassifier(["logistic"], combiner=Stacking()), labels, REGIMES
    one, other = QuantileRegimes("x"), TrendRegimes("y")
    for detector in (one, other, VolatilityRegimes("x", window=5), ProductRegimes(one, other)):
        yield RegimeAwareEnsembleRegressor(["linear"], regime_detector=detector), Y, None


def test_the_published_list_is_enough_for_all_of_our_own_parts_and_every_type_is_there():
    needed = set()
    for ensemble, y, regimes in trained():
        ensemble.fit(FRAME, y, regimes=regimes)
        if isinstance(ensemble.combiner_, (DynamicWeighting, WeightedVoting)):
            ensemble.partial_update(trades={"model": None, "won": True, "profit_bps": 2.0})
        unknown = set(skops_io.get_untrusted_types(data=skops_io.dumps(ensemble)))
        assert unknown <= TRUSTED_TYPES, ensemble
        needed |= unknown
    for name in TRUSTED_TYPES:
        module, _, kind = name.rpartition(".")
        assert inspect.isclass(getattr(importlib.import_module(module), kind)), name
    assert {name for name in TRUSTED_TYPES - needed if "._regimes" not in name} <= {
        "skensemble._training.AsleepModel",
        "skensemble.losses.LogLoss",
        "skensemble.models._standardized.NetworkClassifier",
        "skensemble.models._standardized.NetworkRegressor",
        "skensemble.models._users.LabelEncodedClassifier",
        "skensemble.regimes._detection.SingleRegime",
        "skensemble.regimes._ordered.OrderedRegimes",
        # So it is called in files that were written when it stood there.
        "skensemble.rules._base.Trust",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    }
    assert OrderedRegimes.__module__ == "skensemble.regimes._ordered"


@pytest.mark.parametrize("ensemble", [regressor(times=DAYS), classifier(calibrate=True)], ids=["numbers", "classes"])
def test_an_ensemble_comes_back_to_the_last_bit_and_goes_on(tmp_path, ensemble):
    path = tmp_path / "ensemble.skops"
    save(ensemble, path)
    again = load(path, trusted=OWN)
    rows_, y = (FRAME, Y) if ensemble._task == "regressor" else (X, np.where(Y > 0, "yes", "no"))
    for each in (ensemble, again):
        each.partial_update(
            rows_.set_index(rows_.index + pd.Timedelta("99D")) if hasattr(rows_, "set_index") else rows_, y
        )
    np.testing.assert_array_equal(again.explain(rows_).combined, ensemble.explain(rows_).combined)
    assert learned(again) == learned(ensemble)


def test_a_live_ensemble_saves_what_it_has_learned(tmp_path):
    with LiveEnsemble(regressor(), tmp_path / "live.db", synchronous="normal") as live:
        live.predict(X[0], id="a", at=at(0))
        live.feedback("a", y=1.0)
        live.save(tmp_path / "now.skops")
        assert learned(load(tmp_path / "now.skops", trusted=OWN)) == learned(live.ensemble)


def test_types_that_nobody_vouches_for_are_not_made(tmp_path):
    path = tmp_path / "ensemble.skops"
    save(regressor(), path)
    with pytest.raises(ValueError, match=r"holds types that nobody vouches for: \['_live_cases.Says'\]"):
        load(path)


# Hostile files.


class Hostile:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def test_a_pickle_is_never_unpickled(tmp_path):
    mark, path = tmp_path / "it ran", tmp_path / "ensemble.skops"
    path.write_bytes(pickle.dumps(Hostile(str(mark))))
    with pytest.raises(ValueError, match=r"is no file of skensemble.live.save, or it is damaged"):
        load(path)
    # Nor one that is hidden in an archive of the right form.
    save(regressor(), path)
    about = zipfile.ZipFile(path).read("skensemble.json")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("skensemble.json", about)
        archive.writestr("schema.json", pickle.dumps(Hostile(str(mark))))
    with pytest.raises(ValueError, match=r"is no file of skensemble.live.save, or it is damaged"):
        load(path)
    assert not mark.exists()


def tampered(path, change):
    """Change the schema of a file of save."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(parts["schema.json"])
    change(schema)
    parts["schema.json"] = json.dumps(schema).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)


def nodes(schema):
    """All nodes of a schema."""
    if isinstance(schema, dict):
        yield schema
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from nodes(each)


def test_a_file_that_names_a_function_runs_nothing(tmp_path):
    path, module = tmp_path / "ensemble.skops", tmp_path / "evil.py"
    module.write_text(f"import os\nos.mkdir({str(tmp_path / 'it ran')!r})\nclass Model: pass\n")

    def to_module(schema):
        for node in nodes(schema):
            if node.get("__class__") == "Says":
                node.update(__class__="Model", __module__="evil")

    def to_system(schema):
        for node in nodes(schema):
            if node.get("__class__") == "Says":
                inside = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode", "content": '"true"'}
                node.clear()
                node.update(__class__="system", __module__="os", __loader__="FunctionNode", content=inside, __id__=1)

    for change in (to_module, to_system):
        save(regressor(), path)
        tampered(path, change)
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(str(tmp_path))
            with pytest.raises(ValueError, match=r"nobody vouches for: .*(evil.Model|os.system)"):
                load(path, trusted=OWN)
    assert not (tmp_path / "it ran").exists()


def test_any_damage_is_said_and_makes_nothing_else_of_the_file(tmp_path):
    path = tmp_path / "ensemble.skops"
    save(regressor(), path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for place in rng.integers(len(whole), size=rng.integers(1, 40)):
            damaged[place] = rng.integers(256)
        path.write_bytes(bytes(damaged[: rng.integers(len(whole) // 2, len(whole) + 1)]))
        try:
            load(path, trusted=OWN)
        except ValueError:
            refused += 1
    assert refused > 100


def test_what_is_no_ensemble_is_refused(tmp_path):
    path = tmp_path / "dict.skops"
    packed = io.BytesIO(skops_io.dumps({"a": 1}))
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("skensemble.json", json.dumps({"format": 1, "made_with": json.loads(_files.made_with())}))
    path.write_bytes(packed.getvalue())
    with pytest.raises(ValueError, match=r"holds \{'a': 1\} and no ensemble"):
        load(path)
    path.write_bytes(skops_io.dumps({"a": 1}))
    with pytest.raises(ValueError, match=r"is no file of skensemble.live.save"):
        load(path)
    with pytest.raises(ValueError, match="save writes a RegimeAwareEnsemble"):
        save({"a": 1}, path)
    with pytest.raises(ValueError, match="not fitted"):
        save(RegimeAwareEnsembleRegressor(), path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing.skops")


# Versions, and writing.


def test_other_versions_are_said(tmp_path, monkeypatch):
    path = tmp_path / "ensemble.skops"
    with monkeypatch.context() as patch:
        patch.setattr(_files, "made_with", lambda: json.dumps({"scikit-learn": "0.1", "gone": "3"}))
        save(regressor(), path)
    with pytest.warns(UserWarning, match=r"made with scikit-learn 0.1 \(here .*\), gone 3 \(here not installed\)"):
        load(path, trusted=OWN)
    monkeypatch.setattr(_files, "_FORMAT", 2)
    save(regressor(), path)
    monkeypatch.setattr(_files, "_FORMAT", 1)
    with pytest.raises(ValueError, match=r"is of format 2, .*reads formats up to 1. Update skensemble"):
        load(path, trusted=OWN)


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "ensemble.skops"
    save(regressor(), path)
    before = path.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(_files.os, step, full)
            with pytest.raises(OSError, match="No space left"):
                save(regressor(seed=2), path)
        assert path.read_bytes() == before
        assert [each.name for each in Path(tmp_path).iterdir()] == ["ensemble.skops"]
    save(regressor([*MODELS[:2]]), path)
    assert load(path, trusted=OWN).model_names_ == ("a", "b")


def test_without_skops_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skops.io", None)
    with pytest.raises(ImportError, match=r'pip install "skensemble\[secure\]"'):
        save(regressor(), tmp_path / "ensemble.skops")

"""The recipes of the guide's page on other packages, run as they stand there: with the package where it is installed.

Where it is not, a stand-in of the documented interface shows that the recipe's own part holds.
"""

import re
import sys
import tomllib
import types
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import skensemble
from skensemble import RegimeAwareEnsembleRegressor

# What other people's packages warn of is theirs.
pytestmark = pytest.mark.filterwarnings("ignore")

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "guide" / "ecosystem.md"


def recipe(name):
    """Run the code of the page under a name, and return what it has made."""
    code = re.search(rf"```python\n# {name}\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]
    made = {"__name__": "recipe"}
    exec(compile(code, f"{PAGE.name}: {name}", "exec"), made)
    return made


def with_module(monkeypatch, name, **contents):
    """Put a stand-in of a module in place, and of those that it lies in."""
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        path = ".".join(parts[:depth])
        module = sys.modules.get(path)
        if module is None:
            module = types.ModuleType(path)
            monkeypatch.setitem(sys.modules, path, module)
            if depth > 1:
                monkeypatch.setattr(sys.modules[".".join(parts[: depth - 1])], parts[depth - 1], module, raising=False)
    for key, value in contents.items():
        monkeypatch.setattr(module, key, value, raising=False)


def test_every_recipe_is_run_here():
    names = re.findall(r"```python\n# (.*)\n", PAGE.read_text())
    run = set(re.findall(r'recipe\("([\w ]+)"\)', Path(__file__).read_text()))
    assert sorted(names) == sorted(run)
    elsewhere = [page for page in (ROOT / "docs").rglob("*.md") if "```python\n# " in page.read_text() and page != PAGE]
    assert elsewhere == []


def test_the_code_of_river_on_the_page_for_its_users_runs():
    page = (ROOT / "docs" / "coming-from" / "river.md").read_text()
    code = re.search(r"```text\n(from river .*?)```", page, re.DOTALL)[1]
    rng = np.random.default_rng(0)
    made = {"rows": [({"a": a, "b": b}, 2 * a) for a, b in rng.normal(size=(200, 2))]}
    exec(compile(code, "river.md", "exec"), made)
    assert 0 < made["error"].get() < 4.0
    assert len(made["hedge"]["EWARegressor"].weights) == 2


# MLflow.


class Run:
    """Notes down what is logged, as MLflow would."""

    def __init__(self):
        self.logged = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def note(self, kind):
        return lambda *args, **kwargs: self.logged.setdefault(kind, []).append((args, kwargs))

    def log_model(self, sk_model, *, name, input_example, skops_trusted_types):
        from skops import io

        data = io.dumps(sk_model)
        assert set(io.get_untrusted_types(data=data)) <= set(skops_trusted_types)
        self.logged["model"] = io.loads(data, trusted=skops_trusted_types)
        sk_model.predict(input_example)
        return types.SimpleNamespace(model_uri=f"models:/{name}")


def test_mlflow(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    run = Run()
    if find_spec("mlflow"):
        import mlflow

        mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/runs.db")
    else:
        with_module(
            monkeypatch,
            "mlflow",
            start_run=lambda: run,
            log_params=run.note("params"),
            log_metric=run.note("metric"),
            log_table=run.note("table"),
        )
        with_module(monkeypatch, "mlflow.sklearn", log_model=run.log_model, load_model=lambda uri: run.logged["model"])
    made = recipe("mlflow")
    X, y = made["X"], made["y"]
    np.testing.assert_array_equal(made["again"].predict(X), made["ensemble"].predict(X))
    made["again"].partial_update(X.set_axis(X.index + pd.Timedelta("4000D")), y.to_numpy())
    if run.logged:
        assert run.logged["params"][0][0][0]["label_horizon"] == 5
        assert [args[0] for args, _ in run.logged["metric"]] == [
            "loss of ensemble",
            "loss of equal weights",
            "loss of best so far",
        ]


# FreqAI.


class BaseRegressionModel:
    """What a model of FreqAI's users finds in itself."""

    freqai_info: dict
    model_training_parameters: dict


def test_freqai(monkeypatch):
    if not find_spec("freqtrade"):
        with_module(
            monkeypatch,
            "freqtrade.freqai.base_models.BaseRegressionModel",
            BaseRegressionModel=BaseRegressionModel,
        )
    kind = recipe("freqai")["RegimeAwareModel"]
    model = object.__new__(kind)
    model.freqai_info = {"feature_parameters": {"label_period_candles": 4}}
    model.model_training_parameters = {
        "estimators": ["linear", "extra_trees"],
        "combiner": "dynamic",
        "random_state": 0,
    }
    rng = np.random.default_rng(0)
    features = pd.DataFrame(rng.normal(size=(200, 2)), columns=["%-rsi", "%-return"], index=np.arange(30, 230))
    data = {
        "train_features": features,
        "train_labels": (features[["%-return"]] + 0.1).set_axis(["&-target"], axis=1),
        "train_weights": np.linspace(0.5, 1.0, 200),
    }
    kitchen = types.SimpleNamespace(data={"extra_returns_per_train": {"kept": 1.0}}, pair="ETH/USDT")
    ensemble = model.fit(data, kitchen)
    assert isinstance(ensemble, RegimeAwareEnsembleRegressor)
    assert ensemble.label_horizon == 4
    assert ensemble.predict(features).shape == (200,)
    extra = kitchen.data["extra_returns_per_train"]
    assert extra.pop("kept") == 1.0
    assert list(extra) == ["trust_linear", "trust_extra_trees"]
    assert sum(extra.values()) == pytest.approx(1.0)
    data["train_labels"]["&-other"] = 0.0
    with pytest.raises(ValueError, match=r"predicts one label; got .*&-other"):
        model.fit(data, kitchen)


# skfolio: nothing to stand in for, so these are there where it is.

if find_spec("skfolio"):

    def test_skfolio():
        made = recipe("skfolio")
        assert made["weights"].sum() == pytest.approx(1.0)
        assert all(0.01 <= confidence <= 0.99 for confidence in made["confidences"])
        np.testing.assert_allclose(
            made["prior"].fit(made["returns"]).views_, [float(view.split("=")[1]) for view in made["views"]]
        )

    def test_splitters_of_skfolio():
        ensemble = recipe("skfolio splitter")["ensemble"]
        assert ensemble.out_of_fold_.rows.tolist() == list(range(500, 1000))


# What the package says of itself.


def test_the_package_says_that_it_has_types():
    assert (Path(skensemble.__file__).parent / "py.typed").read_text() == ""


def test_the_citation_says_what_the_package_says():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [line.strip() for line in (ROOT / "CITATION.cff").read_text().splitlines()]
    assert lines[0] == "cff-version: 1.2.0"
    assert f"license: {project['license']}" in lines
    assert [f"- name: {author['name']}" for author in project["authors"]] == [
        x for x in lines if x.startswith("- name")
    ]
    assert lines[lines.index("keywords:") + 1 :] == [f"- {word}" for word in project["keywords"]]
    title = next(line for line in lines if line.startswith("title: ")).split('"')[1]
    assert f"{{{title}}}" in (ROOT / "docs" / "citation.md").read_text()

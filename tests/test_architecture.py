"""The shape of the package, drawn from its imports: arrows point down, no cycles, no foreign private names."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import skensemble

ROOT = Path(skensemble.__file__).parent

# What stands on what. An import may stay on its layer or point down; a new module must find its place here.
LAYERS = {
    4: {"", "__main__", "_demo", "_review", "multi_model", "live", "evaluation"},
    3: {"_regressor", "_classifier", "displays"},
    2: {"_base", "_fitted", "_judged", "_parameters"},
    1: {
        "_answers",
        "_carry",
        "_certainty",
        "_feedback",
        "_learning",
        "_members",
        "_training",
        "combiners",
        "compiled",
        "explanation",
        "intervals",
        "models",
        "performance",
    },
    0: {
        "_checks",
        "_compat",
        "_composition",
        "_files",
        "_html",
        "_inputs",
        "_progress",
        "_scorer",
        "_softmax",
        "_texts",
        "_translation",
        "datasets",
        "losses",
        "regimes",
        "rules",
        "splits",
        "trades",
        "weightings",
    },
}
LAYER_OF = {module: layer for layer, modules in LAYERS.items() for module in modules}

# Loaded by those who need them, when they need them.
HEAVY = {
    "dask",
    "distributed",
    "hmmlearn",
    "jumpmodels",
    "lightgbm",
    "matplotlib",
    "numba",
    "onnx",
    "onnxruntime",
    "polars",
    "skops",
    "xgboost",
}


def files():
    return sorted(ROOT.rglob("*.py"))


def module_name(path):
    parts = ["skensemble", *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): ast.parse(path.read_text()) for path in files()}


def imported_names(tree):
    """(module, name) of every import in a module, wherever it stands; name is None for ``import module``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from ((node.module, alias.name) for alias in node.names)


def arrows():
    """(importing module, imported module), both of this package."""
    for module, tree in MODULES.items():
        for target, name in imported_names(tree):
            if target.partition(".")[0] == "skensemble":
                yield module, f"{target}.{name}" if f"{target}.{name}" in MODULES else target


def unit(module):
    """The file or folder right below the package."""
    return [*module.split("."), ""][1]


def test_every_module_has_its_place():
    assert {unit(module) for module in MODULES} <= set(LAYER_OF)
    assert sum(map(len, LAYERS.values())) == len(LAYER_OF)


def test_the_contributing_page_shows_the_layers_as_they_are():
    page = (ROOT.parent / "docs" / "contributing.md").read_text(encoding="utf-8")
    shown = {
        int(layer): set(re.findall(r"`(\w+)`", names))
        for layer, names in re.findall(r"^\| (\d) \| (.*?) \|", page, re.M)
    }
    assert set(shown) == set(LAYERS)
    assert all(names <= LAYERS[layer] for layer, names in shown.items())


def test_arrows_point_down():
    up = [
        f"{module} imports {target}" for module, target in arrows() if LAYER_OF[unit(target)] > LAYER_OF[unit(module)]
    ]
    assert up == []


def moves_itself(node):
    """Whether a statement sets an attribute of ``self``, or several at once."""
    if isinstance(node, ast.Attribute):
        return isinstance(node.ctx, ast.Store | ast.Del) and ast.unparse(node.value) == "self"
    called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    first = ast.unparse(node.args[0]) if called and node.args else ""
    return called in {"self.__dict__.update", "vars(self).update"} or (
        called in {"setattr", "delattr"} and first == "self"
    )


def test_only_fit_and_partial_update_move_an_ensemble():
    """What a fitted ensemble answers stands in a module of its own, and nothing in it moves the ensemble."""
    assert any(map(moves_itself, ast.walk(MODULES["skensemble._base"])))
    assert not any(map(moves_itself, ast.walk(MODULES["skensemble._fitted"])))


def cycle(edges):
    """One cycle among the edges, as a path, or None."""
    following: dict[str, set[str]] = {}
    for start, end in edges:
        following.setdefault(start, set()).add(end)
    done: set[str] = set()

    def visit(node, path):
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return None
        for successor in sorted(following.get(node, ())):
            found = visit(successor, [*path, node])
            if found:
                return found
        done.add(node)
        return None

    return next(filter(None, (visit(node, []) for node in sorted(following))), None)


def test_the_cycle_finder_finds_cycles():
    assert cycle([("a", "b"), ("b", "c")]) is None
    assert cycle([("a", "b"), ("b", "c"), ("c", "b")]) == ["b", "c", "b"]


def test_no_cycle_between_modules_nor_between_families():
    assert cycle((start, end) for start, end in arrows() if start != end) is None
    assert cycle((unit(start), unit(end)) for start, end in arrows() if unit(start) != unit(end)) is None


def is_private(name):
    return any(part.startswith("_") and not part.startswith("__") for part in name.split("."))


def test_private_names_of_other_packages_are_reached_for_in_compat_only():
    reached = []
    for module, tree in MODULES.items():
        if module == "skensemble._compat":
            continue
        foreign = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                foreign |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        for target, name in imported_names(tree):
            if target.partition(".")[0] != "skensemble" and is_private(f"{target}.{name or ''}"):
                reached.append(f"{module}: from {target} import {name}")
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and is_private(node.attr):
                reached += [f"{module}: {node.value.id}.{node.attr}"] * (node.value.id in foreign)
    assert reached == []


def test_a_family_keeps_its_inside_to_itself():
    """Whoever stands outside a folder imports from the folder, not from a file in it."""
    inside = [
        f"{module} imports {target}"
        for module, target in arrows()
        if unit(module) != unit(target) and is_private(target.partition(".")[2].partition(".")[2])
    ]
    assert inside == []


@pytest.mark.parametrize(
    ("libraries", "family"),
    [
        ({"xgboost", "lightgbm"}, "models"),
        ({"hmmlearn", "jumpmodels"}, "regimes"),
        ({"onnx", "onnxruntime"}, "compiled"),
        ({"numba"}, "_translation"),
    ],
)
def test_only_one_family_knows_the_libraries_it_learns_by(libraries, family):
    users = {
        unit(module)
        for module, tree in MODULES.items()
        for target, _ in imported_names(tree)
        if target.partition(".")[0] in libraries
    }
    assert users == {family}


@pytest.mark.parametrize("library", ["matplotlib", "xgboost", "lightgbm", "hmmlearn", "jumpmodels"])
def test_heavy_libraries_are_imported_inside_functions(library):
    for module, tree in MODULES.items():
        for node in tree.body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                assert all(target.partition(".")[0] != library for target, _ in imported_names(node)), module


def test_importing_the_package_loads_no_heavy_library_and_says_nothing():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import sys, skensemble; print(*sorted(sys.modules))"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded & HEAVY == set()

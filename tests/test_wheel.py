"""What `pip install .` puts where: the package as it stands here, and nothing else."""

import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import skensemble

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built as pip builds it, by the backend that the project names, in a process of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    backend = PROJECT["build-system"]["build-backend"]
    build = f"import sys, {backend} as backend; backend.build_wheel(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", build, folder], check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = folder.iterdir()
    with zipfile.ZipFile(built) as archive:
        yield archive


@pytest.fixture(scope="module")
def metadata(wheel):
    return Parser().parsestr(wheel.read(f"{info()}/METADATA").decode())


def info():
    return f"skensemble-{skensemble.__version__}.dist-info"


def test_all_modules_and_data_are_inside_and_nothing_else(wheel):
    expected = {path.relative_to(ROOT).as_posix() for path in (ROOT / "skensemble").rglob("*.py")}
    expected |= {"skensemble/py.typed", "skensemble/datasets/sp500.csv.gz"}
    assert len(expected) > 100
    names = set(wheel.namelist())
    assert {name for name in names if not name.startswith(info())} == expected
    for name in expected:
        assert wheel.read(name) == (ROOT / name).read_bytes(), name
    assert {f"{info()}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "licenses/LICENSE")} == names - expected


def test_it_says_what_it_is_and_what_it_needs(wheel, metadata):
    project = PROJECT["project"]
    assert (metadata["Name"], metadata["Version"]) == ("skensemble", skensemble.__version__)
    assert metadata["Requires-Python"] == project["requires-python"]
    assert metadata["Summary"] == project["description"]
    assert metadata["License-Expression"] == project["license"]
    assert metadata.get_payload() == (ROOT / "README.md").read_text(encoding="utf-8")
    assert "Tag: py3-none-any" in wheel.read(f"{info()}/WHEEL").decode().splitlines()


def test_extras_hold_what_the_project_says(metadata):
    project = PROJECT["project"]
    extras = project["optional-dependencies"]
    assert set(metadata.get_all("Provides-Extra")) == set(extras)
    lines = [Requirement(line) for line in metadata.get_all("Requires-Dist")]
    assert {bare(line) for line in lines if line.marker is None} == set(
        map(bare, map(Requirement, project["dependencies"]))
    )
    of_extra = {
        extra: [line for line in lines if line.marker and line.marker.evaluate({"extra": extra})] for extra in extras
    }
    assert sum(map(len, of_extra.values())) + len(project["dependencies"]) == len(lines)
    given = {extra: list(map(Requirement, several)) for extra, several in extras.items()}
    for extra in extras:
        assert needed(extra, of_extra) == needed(extra, given), extra


def test_what_builds_it_is_there_for_the_tests():
    assert set(PROJECT["build-system"]["requires"]) <= set(PROJECT["project"]["optional-dependencies"]["test"])


def bare(requirement):
    return requirement.name, frozenset(requirement.extras), requirement.specifier


def needed(extra, lines):
    """What an extra asks for; an extra of our own stands for what that asks for."""
    found = set()
    for line in lines[extra]:
        own = line.extras if line.name == "skensemble" else ()
        found |= set().union(*(needed(each, lines) for each in own)) if own else {bare(line)}
    return found

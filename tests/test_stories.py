"""The claims of the README; its examples and links are tested with those of the documentation."""

import re
import tomllib
from pathlib import Path

import skensemble

ROOT = Path(__file__).parents[1]


def test_readme_has_the_two_commands_that_ci_runs():
    commands = re.findall(r"^\$ (.+)$", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [command.split(" && ")[-1] for command in commands] == [
        ".venv/bin/python -m skensemble",
        ".venv/bin/python -m pytest -n 2",
    ]


def test_the_python_versions_of_the_readme_are_those_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = re.findall(r"Python :: (3\.\d+)", " ".join(project["classifiers"]))
    assert f"Python {versions[0]} to {versions[-1]}" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert project["requires-python"] == f">={versions[0]}"


def test_public_names_are_sorted_and_there():
    assert list(skensemble.__all__) == sorted(skensemble.__all__)
    assert all(hasattr(skensemble, name) for name in skensemble.__all__)

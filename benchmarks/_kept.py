"""What every benchmark of quality keeps: one tidy table under the configuration that made it."""

from __future__ import annotations

import os
import platform
import shlex
from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import joblib
import pandas as pd

import skensemble

__all__ = ["configuration", "parser", "save", "show"]

RESULTS = Path(__file__).parent / "results"


def parser(name: str, description: str | None) -> ArgumentParser:
    """Start the options of a benchmark with those that all have."""
    options = ArgumentParser(prog=f"python -m benchmarks {name}", description=description)
    options.add_argument("--quick", action="store_true", help="the smallest setting, in seconds: does it run at all?")
    options.add_argument(
        "--save",
        type=Path,
        nargs="?",
        const=RESULTS / f"{name}.csv",
        help="keep the measurements as CSV, without a path in benchmarks/results",
    )
    return options


def configuration(name: str, argv: Sequence[str], packages: Sequence[str]) -> dict[str, Any]:
    """Say what makes the figures: command, date, versions, machine; it is printed and kept above them."""
    made = {
        "command": shlex.join(["python", "-m", "benchmarks", name, *argv]),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "python": platform.python_version(),
        "skensemble": skensemble.__version__,
        **{package: _version(package) for package in packages},
        "system": f"{platform.system()} {platform.machine()}",
        "cores": joblib.cpu_count(),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "not set"),
    }
    for key, value in made.items():
        print(f"{key}: {value}")
    return made


def show(title: str, table: pd.DataFrame) -> None:
    print(f"\n{title}\n{table.to_string(index=False)}", flush=True)


def save(measured: pd.DataFrame, made: dict[str, Any], path: Path | None) -> None:
    """Write one row per measurement, under the configuration as comments: ``pandas.read_csv(path, comment="#")``."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    about = "".join(f"# {key}: {value}\n" for key, value in made.items())
    path.write_text(about + measured.to_csv(index=False, float_format="%.8g"))
    print(f"\nkept in {path}")


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"

"""What only a fresh process can tell: how long an import takes, and how much memory a fit needs at its peak."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.speed._rounds import in_turns

__all__ = ["import_times", "peak_memory", "peaks"]

ROOT = Path(__file__).parents[2]
IMPORTS = {"skensemble": "import skensemble", "sklearn.ensemble + pandas": "import sklearn.ensemble, pandas"}


def import_times(rounds: int) -> Iterator[dict[str, Any]]:
    """Yield one record per import, each in a new process; the start of the interpreter is not counted."""
    found: dict[str, float] = {}

    def run(name: str) -> None:
        code = f"import time; start = time.perf_counter(); {IMPORTS[name]}; print(time.perf_counter() - start)"
        found[name] = float(_output("-c", code))

    for number, name, *_ in in_turns({name: lambda name=name: run(name) for name in IMPORTS}, rounds):
        yield {"what": "import", "contender": name, "round": number, "value": found[name], "unit": "s"}


def peaks(task: str, members: str, rows: int, names: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the peak memory of each contender, fitted by one job and asked in a process of its own."""
    for name in names:
        said = json.loads(_output("-m", "benchmarks.speed._peak", task, members, str(rows), name))
        about = {"contender": name, "round": 0, "unit": "MiB", "task": task, "members": members, "rows": rows}
        for what, value in said.items():
            yield {"what": what, "value": value, "n_jobs": 1} | about


def peak_memory() -> float:
    """Return the most memory that this process has held so far, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # On Linux ru_maxrss starts at what the parent held when it started this process; this counter starts anew.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 1024**2 if sys.platform == "darwin" else used / 1024


def _output(*arguments: str) -> str:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout

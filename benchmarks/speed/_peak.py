"""Fit and ask one contender, and print the peak memory before, after the fit and after the predictions."""

from __future__ import annotations

import json
import sys
import warnings

from benchmarks.speed._contenders import Setting, contenders, table
from benchmarks.speed._processes import peak_memory


def main(task: str, members: str, rows: str, name: str) -> None:
    warnings.simplefilter("ignore")
    X, y = table(task, int(rows))
    model = contenders(Setting(task, members, int(rows), 1))[name]
    said = {"memory before": peak_memory()}
    model.fit(X, y)
    said["memory fit"] = peak_memory()
    model.predict(X)
    said["memory predict"] = peak_memory()
    print(json.dumps(said))


if __name__ == "__main__":
    main(*sys.argv[1:])

from __future__ import annotations

import sys
import warnings
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import __main__, cluster, latency, pickles, speed
from benchmarks.speed._contenders import MEMBERS, TASKS, Setting, contenders, table
from benchmarks.speed._report import COMPARISONS, FULL_ROWS
from benchmarks.speed._rounds import in_turns
from benchmarks.speed._schedule import _bound
from skensemble._checks import LookAheadWarning

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"


def test_the_smallest_setting_runs_prints_and_keeps_every_measurement(tmp_path, capsys):
    path = tmp_path / "speed.csv"
    speed.main(["--quick", "--save", str(path)])
    printed = capsys.readouterr().out
    kept = pd.read_csv(path, comment="#")
    assert {"fit", "predict cpu", "import", "memory fit", "makespan"} <= set(kept["what"])
    assert (kept["value"] > 0).all()
    assert not kept.duplicated([name for name in kept if name not in ("value", "unit")]).any()
    assert "sklearn voting × 2" in printed
    for word in ("command: python -m benchmarks speed --quick", "date", "scikit-learn", "cores"):
        assert word in printed
        assert f"# {word}" in path.read_text()


def test_latency_runs_prints_its_targets_and_keeps_every_measurement(tmp_path, capsys):
    path = tmp_path / "latency.csv"
    latency.main(["--quick", "--save", str(path)])
    printed = capsys.readouterr().out
    kept = pd.read_csv(path, comment="#")
    n_rows = kept[kept["what"] == "one row"].groupby("contender").size()
    assert len(n_rows) == 9
    assert (n_rows == latency.QUICK.rounds * latency.QUICK.rows).all()
    assert (kept["value"] > 0).all()
    assert kept.groupby("what").size()["first row"] == 2
    for line in (
        "100 rows, threads as they come",
        "compiled predict, packed  ",
        "at least 60 times as fast",
        "at most 1.05 times as long",
    ):
        assert line in printed


def test_pickles_are_weighed_and_read_again(tmp_path, capsys):
    path = tmp_path / "pickles.csv"
    pickles.main(["--quick", "--save", str(path)])
    kept = pd.read_csv(path, comment="#")
    size = kept[kept["what"] == "size"].set_index("contender")["value"]
    # An ensemble holds its members, a compiled one the ensemble.
    assert size[pickles.ALONE] < size[pickles.OURS] < size[pickles.COMPILED]
    assert set(kept["what"]) == {"size", "dump", "load"}
    assert "load × members" in capsys.readouterr().out


def test_cluster_simulates_what_was_measured(tmp_path, capsys):
    path = tmp_path / "cluster.csv"
    cluster.main(["--quick", "--save", str(path)])
    kept = pd.read_csv(path, comment="#")
    assert kept["cores"].tolist() == [1, 4]
    one = kept.set_index("cores").loc[1]
    # On one core every order takes the sum of all.
    assert one[["flat", "as scikit-learn's stacking"]].tolist() == pytest.approx([1.0, 1.0])
    assert kept["jobs"].tolist() == [24, pytest.approx(24, abs=24)]
    assert "makespan over the bound" in capsys.readouterr().out


def test_jobs_go_to_the_core_that_is_free_first():
    assert cluster._makespan([3.0, 2.0, 2.0, 1.0], 2) == 4.0
    assert cluster._makespan([3.0, 2.0, 2.0], 1) == 7.0
    assert cluster._makespan([1.0], 8) == 1.0


@pytest.mark.parametrize(("task", "kind"), list(product(TASKS, MEMBERS)))
def test_both_sides_get_the_same_members_and_folds(task, kind):
    X, y = table(task, 60)
    ready = contenders(Setting(task, kind, 60, 1))
    assert {name for what, *pair, _ in COMPARISONS for name in pair if what != "import"} == set(ready)
    assert len({str(model.estimators) for model in ready.values()}) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookAheadWarning)
        for name, model in ready.items():
            # The libraries' own classes take every core where nobody stops them: seconds of waiting for tiny tables.
            if kind != "raw" or name.startswith("skensemble"):
                assert np.shape(model.fit(X, y).predict(X)) == (60,)


def test_every_round_runs_each_once_and_starts_with_another():
    seen = []
    calls = {name: lambda name=name: seen.append(name) for name in "abc"}
    assert [(number, name) for number, name, *_ in in_turns(calls, 2)] == list(
        zip([0] * 3 + [1] * 3, seen, strict=True)
    )
    assert seen == ["a", "b", "c", "b", "c", "a"]


def test_no_order_of_tasks_beats_the_bound():
    assert _bound([(0.0, 3.0), (0.0, 1.0)]) == 3.0
    assert _bound([(0.0, 2.0), (0.0, 2.0), (2.0, 4.0)]) == 3.0


def test_kept_results_say_what_made_them():
    for path in RESULTS.glob("speed*.csv"):
        head = [line for line in path.read_text().splitlines() if line.startswith("# ")]
        assert {"command", "date", "python", "scikit-learn", "cores"} <= {line[2:].split(":")[0] for line in head}
        assert set(pd.read_csv(path, comment="#")["rows"].dropna()) <= set(FULL_ROWS)


def test_an_unknown_benchmark_is_refused_with_the_names_that_exist(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "speeed"])
    with pytest.raises(SystemExit, match=",".join(__main__.BENCHMARKS)):
        __main__.main()

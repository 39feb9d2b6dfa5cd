"""The benchmarks of quality: their smallest settings run, and what they measure by is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import defaults, feedback_speed, regret
from benchmarks.__main__ import BENCHMARKS
from skensemble import rules, weightings
from skensemble.datasets import make_prediction_stream

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
NAMES = ("defaults", "feedback", "regret")


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """What the smallest setting of a benchmark keeps, run once for each."""
    kept = {}

    def run(name, *options):
        if name not in kept:
            path = tmp_path_factory.mktemp("results") / f"{name}.csv"
            BENCHMARKS[name](["--quick", *options, "--save", str(path)])
            kept[name] = path
        return kept[name]

    return run


@pytest.mark.parametrize(("name", "options"), [("defaults", ()), ("feedback", ()), ("regret", ("--kinds", "missing"))])
def test_the_smallest_setting_keeps_one_row_per_measurement_under_its_configuration(quick, name, options):
    path = quick(name, *options)
    head = [line for line in path.read_text().splitlines() if line.startswith("# ")]
    assert {"command", "date", "python", "numpy", "cores"} <= {line[2:].split(":")[0] for line in head}
    measured = pd.read_csv(path, comment="#")
    assert measured.notna().all(axis=None)
    figure = "loss" if "loss" in measured else "microseconds"
    assert (measured[figure] > 0).all()
    assert not measured.duplicated([column for column in measured if column not in {figure, "work"}]).any()


def test_every_rule_and_weighting_takes_part(quick):
    assert set(feedback_speed.RULES) == set(rules.__all__) - {"Rule"}
    inside = {name.removeprefix("dynamic, ") for name in regret.contenders() if name.startswith("dynamic, ")}
    assert inside == set(rules.__all__) - {"Rule", "NoLearning", "BernsteinAggregation"}
    weighed = {repr(combiner.weighting) for question, combiner in defaults.candidates() if question == "weighting"}
    assert {
        f"{name}()" for name in weightings.__all__ if issubclass(getattr(weightings, name), weightings.Weighting)
    } - {"Weighting()"} <= weighed


def test_no_convex_combination_beats_the_best_mix():
    rng = np.random.default_rng(0)
    errors = rng.normal(size=(200, 4)) * [0.5, 1, 1, 2] + rng.normal(size=(200, 1))
    least = regret._best_mix(errors)
    tried = np.square(errors @ rng.dirichlet(np.full(4, 0.5), size=5000).T).sum(axis=0)
    assert least <= tried.min() <= 1.01 * least


def test_two_models_of_independent_errors_mix_by_hand():
    errors = np.array([[1.0, 0.0], [0.0, 2.0]])  # v² + 4 (1 − v)² is least at v = 4/5
    assert regret._best_mix(errors) == pytest.approx(0.8)
    assert regret.oracles(errors, np.array([1, 0])) == pytest.approx(
        {regret.MODEL: 1.0, regret.MIX: 0.8, regret.REGIME_MODEL: 0.0, regret.REGIME_MIX: 0.0}
    )


def test_one_per_regime_sees_its_own_rows_only():
    targets, predictions, memberships, _ = make_prediction_stream("informative", n_samples=400, random_state=0)
    answer = regret.contenders()[regret.ALONE]
    inside = memberships[:, 0] == 1
    elsewhere = np.where(inside[:, None], targets, 1e3)
    before, after = (answer(predictions, known, memberships)[inside] for known in (targets, elsewhere))
    assert np.array_equal(before, after)
    assert not np.array_equal(answer(predictions, targets, memberships[:, :0])[inside], before)


def test_what_is_missed_is_said_to_be_missed():
    losses = pd.DataFrame({"kind": "noise", "seed": [0, 0, 1, 1]})
    losses["contender"] = [regret.DEFAULT, regret.BLIND] * 2
    verdicts = [
        regret._expectations(losses.assign(loss=loss))[""].item()
        for loss in ([1.0, 1.0, 1.0, 1.0], [1.1, 1.0, 1.1, 1.0], [1.0, 1.0, 1.1, 1.0])
    ]
    assert verdicts == ["met", "MISSED", "MISSED, but the interval reaches over"]


def test_the_interval_is_students():
    assert regret.interval(pd.Series([1.0, 3.0])) == pytest.approx((2.0, 12.706), abs=1e-3)


def test_the_loop_over_arrays_follows_the_better_model():
    targets = np.zeros(50)
    combined = feedback_speed._loop(np.column_stack([targets, targets + 1]), targets)
    assert combined[0] == 0.5
    assert 0 < combined[-1] < 1e-6


def test_kept_results_say_what_made_them():
    for path in (RESULTS / f"{name}.csv" for name in NAMES):
        head = [line for line in path.read_text().splitlines() if line.startswith("# ")]
        assert {"command", "date", "python", "numpy", "cores"} <= {line[2:].split(":")[0] for line in head}
        assert "--quick" not in head[0]

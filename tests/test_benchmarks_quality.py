"""The benchmarks of quality: their smallest settings run, and what they measure by is right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import defaults, feedback_speed, regret
from benchmarks.__main__ import BENCHMARKS
from benchmarks.coverage import _measures, _rivals
from benchmarks.coverage._data import Said, noise
from benchmarks.coverage._stated import SETS, STATED, nominal
from skensemble import rules, weightings
from skensemble.datasets import make_prediction_stream

RESULTS = Path(__file__).parents[1] / "benchmarks" / "results"
NAMES = ("coverage", "defaults", "feedback", "live", "regret")


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


@pytest.mark.parametrize(
    ("name", "options"),
    [("coverage", ()), ("defaults", ()), ("feedback", ()), ("live", ()), ("regret", ("--kinds", "missing"))],
)
def test_the_smallest_setting_keeps_one_row_per_measurement_under_its_configuration(quick, name, options):
    path = quick(name, *options)
    head = [line for line in path.read_text().splitlines() if line.startswith("# ")]
    assert {"command", "date", "python", "numpy", "cores"} <= {line[2:].split(":")[0] for line in head}
    measured = pd.read_csv(path, comment="#")
    assert measured.notna().all(axis=None)
    figure = next(each for each in ("loss", "microseconds", "value") if each in measured)
    assert figure == "value" or (measured[figure] > 0).all()
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


# Coverage


here = [name for name in _rivals.RIVALS if name != "MAPIE ACI" or _rivals.mapie_is_here()]


def _classes(seed=0, n=60):
    rng = np.random.default_rng(seed)
    came = np.eye(3)[rng.integers(3, size=n)]
    inside = np.eye(2)[rng.integers(2, size=n)]
    rows = np.arange(n)
    known, folds = np.maximum(rows - 2, 0), rows // 12
    return Said("classes", 0, rng.dirichlet(np.ones(3), size=n), came, np.ones(n), inside, known, folds)


def _from(said, row):
    """The same until ``row``, other outcomes from there on."""
    targets = said.targets.copy()
    targets[row:] = targets[row:][::-1] * (3.0 if targets.shape[1] == 1 else 1.0)
    return replace(said, targets=targets)


@pytest.mark.parametrize("name", here)
def test_intervals_of_a_row_know_only_the_outcomes_that_were_known(name):
    said = noise("labelled", 0, 60)
    said = replace(said, known=np.maximum(said.known - 2, 0))
    found, other = (_rivals.drawn(each, name, first=10) for each in (said, _from(said, 40)))
    # The outcome of row 40 is known when row 43 is drawn.
    np.testing.assert_array_equal(found[:43], other[:43])
    assert (found[43:] != other[43:]).any() == (name != "split conformal")
    assert np.isfinite(found[20:]).all()


def test_statements_and_sets_of_a_row_know_only_the_outcomes_that_were_known():
    said = _classes()
    for make in STATED.values():
        np.testing.assert_array_equal(*(make(each, nominal(each))[:43] for each in (said, _from(said, 40))))
    for name, make in SETS.items():
        if "hindsight" not in name:
            np.testing.assert_array_equal(*(make(each, 10)[:43] for each in (said, _from(said, 40))))


def test_the_aggregation_of_one_rate_is_the_rate(monkeypatch):
    monkeypatch.setattr(_rivals.AggregatedConformal, "_GAMMAS", np.array([_rivals._GAMMA]))
    said = noise("labelled", 1, 300)
    one, other = (_rivals.drawn(said, name, first=50) for name in ("ACI", "DtACI"))
    np.testing.assert_array_equal(one, other)


def test_adaptive_conformal_inference_by_hand():
    rival = _rivals.AdaptiveConformal(0, 250)
    nowhere = np.empty(0)
    for residual in (1.0, -2.0, 3.0, 4.0):
        rival.around(1.0, nowhere)
        rival.learn(residual, 1.0, nowhere)
    # The second, third and fourth were beyond all before: only an interval without an end would have held them. Levels
    # of 0.2 and less ask for one, and are never below 0 after three rows; that of 0.5 is missed three times.
    assert rival.alphas[0] == pytest.approx(0.5 + 0.02 * 3 * (0.5 - 1))
    assert rival.alphas[1] == pytest.approx(0.2 + 0.02 * 3 * 0.2)
    # ⌈5 · (1 - α)⌉ = 3 of four sizes for the first, the largest for the others.
    np.testing.assert_allclose(rival.around(1.0, nowhere), [[3.0, 4.0, 4.0, 4.0]] * 2)


def test_widths_at_equal_coverage_by_hand():
    residuals, inside = np.array([1.0, -1.0, 2.0, -4.0]), np.array([0, 0, 1, 1])
    found = dict(_measures.widths(residuals, np.full(4, 1.0), np.full(4, 1.0), 0.5, inside))
    assert found == pytest.approx(
        {
            "mean width": 2.0,
            "width": 2.0,
            "typical width": 2.0,
            "width, by regime": 3.0,
            "interval score": 2 + 4 * (0 + 0 + 1 + 3) / 4,
        }
    )
    # One that is twice as wide throughout is as wide at equal coverage; one off its centre is wider.
    wider = dict(_measures.widths(residuals, np.full(4, 2.0), np.full(4, 2.0), 0.5, inside))
    assert wider["width"] == 2.0
    shifted = dict(_measures.widths(residuals, np.full(4, 0.0), np.full(4, 2.0), 0.5, inside))
    assert shifted["width"] == 2.0 * 1.0
    assert dict(_measures.widths(residuals, np.full(4, 0.0), np.full(4, 2.0), 0.9, inside))["width"] == 10.0


def test_sets_that_add_up_by_hand():
    said = replace(_classes(n=1), combined=np.array([[0.6, 0.31, 0.09]]))
    found = SETS["until they add up"](said, 0)[0]
    np.testing.assert_array_equal(found.T, [[1, 0, 0], [1, 1, 0], [1, 1, 0], [1, 1, 1]])

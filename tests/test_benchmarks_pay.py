"""Does it pay: the benchmark runs, leaves nobody out silently, knows no outcome too early, measures what it says."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from benchmarks import regret
from benchmarks.quality import _case, _main, _markets, _measures, _methods, _oracles, _rivals, _run, _series, _tables
from benchmarks.quality._case import Case
from benchmarks.quality._markets import KINDS, Market, synthetic
from benchmarks.quality._methods import METHODS
from benchmarks.quality._scenarios import PREDICTABLE, QUICK, SCENARIOS, TRADED
from skensemble import check_causality, combiners, regimes, rules, walk_forward, weightings
from skensemble.combiners import DynamicWeighting

FAMILIES = (combiners, rules, weightings, regimes)


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """The smallest setting, run once: what it printed and what it kept."""
    path = tmp_path_factory.mktemp("results") / "quality.csv"
    with pytest.MonkeyPatch.context() as patch:
        said = []
        patch.setattr("builtins.print", lambda *words, **_: said.append(" ".join(map(str, words))))
        _main.run_main(["--quick", "--jobs", "1", "--save", str(path)])
    return "\n".join(said), path


@pytest.fixture(scope="module")
def heard():
    """A small case and what its models said, trained once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_case, "QUICK_TRAININGS", 1)
        case = Case.of(SCENARIOS["sharp-numbers-a"], quick=True)
        said, _ = _run._live_frozen(case, {})
    return case, said


# It runs.


def test_the_smallest_setting_keeps_one_row_per_figure_under_its_configuration(quick):
    printed, path = quick
    head = [line for line in path.read_text().splitlines() if line.startswith("# ")]
    assert {"command", "date", "python", "numpy", "river", "cores"} <= {line[2:].split(":")[0] for line in head}
    kept = _main.read(path)
    assert set(kept["scenario"]) == set(QUICK)
    assert not kept.duplicated(["scenario", "method", "measure"]).any()
    for words in ("tune set", "report set", "targets, and found", "cost on", "AutoGluon is left out"):
        assert words in printed


def test_nobody_is_left_out_silently(quick):
    printed, path = quick
    answered = set(_main.read(path).query("measure == 'loss'")["method"])
    for name, method in METHODS.items():
        assert name in answered or f"{name} is left out, {method.needs} is not installed" in printed
    assert "failed" not in printed


def test_a_package_that_is_missing_is_said(monkeypatch):
    monkeypatch.setattr(_run, "missing_package", lambda needs: f"{needs} is not installed" if needs else "")
    methods = [METHODS[name] for name in ("LightGBM", "river adaptive forest")]
    chosen = [SCENARIOS["sharp-numbers-a"], SCENARIOS["wti-return"]]
    found = _run.run(chosen, methods, quick=True, jobs=1, say=lambda _: None)
    assert found.remarks == [
        "sharp-numbers-a: river adaptive forest is left out, river is not installed",
        "wti-return: arch is not installed",
    ]
    assert set(found.figures["method"]) == {"LightGBM"}


def test_a_rival_that_fails_is_said_and_comes_last():
    def fails(case, said):
        raise ArithmeticError("no")

    broken = replace(METHODS["sklearn Voting"], plain=None, reads=fails)
    case = Case.of(SCENARIOS["sharp-numbers-a"], quick=True)
    found = _run.answered(case, [METHODS["LightGBM"], broken])
    assert list(found.complete) == ["LightGBM"]
    assert found.remarks == ["sklearn Voting failed: ArithmeticError: no"]
    figures = pd.DataFrame(
        [
            ("sharp-numbers-a", "LightGBM", "loss", 1.0),
            ("sharp-numbers-a", "no model", "loss", 2.0),
            ("sharp-numbers-a", "sklearn Voting", "failed", 1.0),
            ("noise-numbers-a", "sklearn Voting", "loss", 1.0),
        ],
        columns=["scenario", "method", "measure", "value"],
    )
    assert _tables.ranks(figures).loc["sharp-numbers-a"].to_dict() == {
        "LightGBM": 0.0,
        "no model": 0.5,
        "sklearn Voting": 1.0,
    }


def test_a_method_that_is_silent_has_failed():
    found = _run.Answers()
    found.take("no model", np.array([[1.0], [np.nan]]))
    assert found.remarks == ["no model failed: it says nothing on 1 of 2 rows"]
    assert not found.complete


def test_compare_finds_what_has_become_worse(quick, tmp_path, capsys):
    path = quick[1]
    _main.compare_main(["--found", str(path), "--kept", str(path)])
    assert "No loss of ours" in capsys.readouterr().out
    worse = _main.read(path)
    ours = (worse["method"] == "dynamic") & (worse["measure"] == "loss")
    worse.loc[ours, "value"] *= 1.03
    worse.to_csv(tmp_path / "worse.csv", index=False)
    with pytest.raises(SystemExit, match=f"{len(QUICK)} of our losses are more than 2 %"):
        _main.compare_main(["--found", str(tmp_path / "worse.csv"), "--kept", str(path)])
    _main.compare_main(["--found", str(tmp_path / "worse.csv"), "--kept", str(path), "--tolerance", "0.05"])
    # A loss that is not there any more is worse; a method that was not asked is not.
    worse[~ours].to_csv(tmp_path / "lost.csv", index=False)
    with pytest.raises(SystemExit, match=f"{len(QUICK)} of our losses"):
        _main.compare_main(["--found", str(tmp_path / "lost.csv"), "--kept", str(path)])
    worse[worse["method"] != "dynamic"].to_csv(tmp_path / "fewer.csv", index=False)
    _main.compare_main(["--found", str(tmp_path / "fewer.csv"), "--kept", str(path)])


def test_a_finished_run_is_resumed_to_its_tables(quick, tmp_path, monkeypatch):
    """Also without a scenario whose costs are measured."""
    monkeypatch.setattr("builtins.print", lambda *words, **_: None)
    path = tmp_path / "again.csv"
    found = _main.read(quick[1]).query("scenario == 'sp500-sign'")
    found.to_csv(path.with_suffix(".part.csv"), index=False)
    _main.run_main(["--quick", "--scenarios", "sp500-sign", "--resume", "--save", str(path)])
    pd.testing.assert_frame_equal(_main.read(path), found.reset_index(drop=True))


def test_the_picture_is_drawn_and_the_list_is_complete(quick, tmp_path, capsys):
    _main.plot_main(["--kept", str(quick[1]), "--set", "tune", "--to", str(tmp_path / "pay.png")])
    assert (tmp_path / "pay.png").stat().st_size > 10_000
    _main.list_main([])
    printed = capsys.readouterr().out
    for name in (*SCENARIOS, *METHODS, *_methods.LEFT_OUT):
        assert f"  {name} " in printed


def test_the_kept_results_are_those_of_everything(capsys):
    for choice in (["--set", "tune"], ["--scenarios", "sharp*"], ["--methods", "dynamic"]):
        with pytest.raises(SystemExit):
            _main.run_main([*choice, "--save"])
        assert "give --save a path of its own" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="No scenario or no method"):
        _main.run_main(["--scenarios", "shrap*"])


def test_kept_results_say_what_made_them():
    for path in (_main.KEPT, _main.KEPT_QUICK):
        if path.exists():
            head = [line for line in path.read_text().splitlines() if line.startswith("# ")]
            assert {"command", "date", "python", "numpy", "cores"} <= {line[2:].split(":")[0] for line in head}
            assert set(_main.read(path)["scenario"]) <= set(SCENARIOS)


def test_the_page_says_what_the_kept_results_say():
    page = (Path(__file__).parents[1] / "docs" / "does-it-pay.md").read_text()
    claims = _tables._claims(_main.read(_main.KEPT), "report")
    assert len(claims) == 9
    for found, n in claims[["found", "n"]].itertuples(index=False):
        assert f"| {found} | {n} |" in page


# It is complete.


def test_every_public_part_has_an_entry():
    public = {
        name
        for family in FAMILIES
        for name in family.__all__
        if inspect.isclass(part := getattr(family, name))
        and issubclass(part, BaseEstimator)
        and not inspect.isabstract(part)
    }
    assert len(public) > 20
    assert public == {type(part).__name__ for method in METHODS.values() for part in method.parts}


def test_both_sets_hold_every_kind():
    def kinds(set_):
        return {(each.group, each.kind, each.task) for each in SCENARIOS.values() if each.set == set_}

    assert kinds("tune") == kinds("report")
    assert {kind for _, kind, _ in kinds("tune")} == {*KINDS, PREDICTABLE, TRADED}


def test_a_method_answers_in_one_way():
    for method in METHODS.values():
        assert sum(way is not None for way in (method.online, method.frozen, method.plain, method.reads)) == 1


# The scenarios are what they say.


@pytest.mark.parametrize("name", [name for name, scenario in SCENARIOS.items() if scenario.group == "synthetic"])
def test_a_name_stands_for_the_same_rows(name):
    one, other = (SCENARIOS[name].make(300) for _ in range(2))
    pd.testing.assert_frame_equal(one.X, other.X)
    pd.testing.assert_series_equal(one.y, other.y)
    assert (one.told is None) == (SCENARIOS[name].detector is not None)
    assert len(one.X) == 300


def test_the_right_answer_is_known():
    market = synthetic("sharp", "numbers", False, 2400)
    unexplained = {}
    for regime in ("R0", "R1"):
        rows = market.truth == regime
        X = np.column_stack([np.ones(rows.sum()), market.X[rows]])
        y = market.y[rows].to_numpy()
        unexplained[regime] = np.square(y - X @ np.linalg.lstsq(X, y)[0]).mean()
    # Noise of variance 1 is left where a line is right, and the signal of variance 1 beside it where it is not.
    assert unexplained["R0"] == pytest.approx(1.0, abs=0.1)
    assert unexplained["R1"] == pytest.approx(2.0, abs=0.2)
    assert (market.told == market.truth).all()
    assert (
        0.4
        < (synthetic("noise", "numbers", False, 2400).told == synthetic("noise", "numbers", False, 2400).truth).mean()
        < 0.6
    )


@pytest.mark.parametrize(("kind", "change"), [("broken", "nonsense"), ("silent", "silence"), ("newcomer", "arrival")])
@pytest.mark.parametrize("task", ["numbers", "classes"])
def test_a_model_breaks_falls_silent_or_arrives(kind, change, task):
    case = Case.of(SCENARIOS[f"{kind}-{task}-a"], quick=True)
    model = dict(case.members())["linear"].fit(case.market.X, case.market.y)
    said = model.predict(case.market.X)[:, None] if task == "numbers" else model.predict_proba(case.market.X)
    late = case.market.X[_markets.CLOCK].to_numpy() >= _markets.CHANGE
    away = ~late if change == "arrival" else late
    assert np.isfinite(said[~away]).all()
    assert np.isnan(said[away]).all() == (change != "nonsense")
    if change == "nonsense":
        assert (np.abs(said[away]) == 1e6).all() if task == "numbers" else set(said[away].ravel()) == {0.0, 1.0}
    patient = dict(case.members(patient=False))["linear"].fit(case.market.X, case.market.y)
    assert np.isfinite(patient.predict(case.market.X)).all() or task == "classes"


def test_features_and_labels_of_series_do_not_look_ahead():
    steps = pd.DataFrame({"step": np.random.default_rng(0).normal(size=400)}, pd.date_range("2000", periods=400))
    assert check_causality(lambda frame: _series.features(frame["step"], season=12), steps)
    assert check_causality(lambda frame: pd.factorize(_series.labels(frame["step"]).fillna(""), sort=True)[0], steps)


def test_targets_of_series_by_hand():
    steps = pd.Series(np.arange(8.0), pd.date_range("2000", periods=8))
    assert _series.TARGETS["return"](steps).tolist()[:2] == [1.0, 2.0]
    assert _series.TARGETS["volatility"](steps).iloc[0] == pytest.approx(np.sqrt(252 * (1 + 4 + 9 + 16 + 25) / 5))
    assert _series.TARGETS["volatility"](steps).isna().sum() == 5
    assert _series.TARGETS["sign"](-steps).tolist()[:7] == ["down"] * 7


def test_a_panel_keeps_rows_of_one_moment_together():
    rng = np.random.default_rng(0)
    steps = pd.DataFrame(rng.normal(size=(300, 3)), pd.date_range("2000", periods=300), list("abc"))
    made = _series.panel(steps, "return", every=5, n_moments=20, per_year=52)
    assert made.groups.tolist() == ["a", "b", "c"] * 20
    for row in (0, 31, 59):
        place = steps.index.get_loc(made.X.index[row])
        assert made.returns[row] == made.y.iloc[row] == steps[made.groups[row]].iloc[place + 1]
        assert made.X["step_0"].iloc[row] == steps[made.groups[row]].iloc[place]


# Nothing is known too early, and what is replayed is what was lived.


def test_a_replay_is_the_ensemble_trained_once(heard):
    case, said = heard
    X, y, told = case.market.X, case.market.y, case.market.told
    ensemble = case.ensemble("dynamic", blind=False)
    walk = walk_forward(ensemble, X, y, regimes=told, initial=case.schedule.first, outcome_delay=1)
    lived = walk.predictions.to_numpy()
    np.testing.assert_allclose(_methods.replayed(DynamicWeighting(), case, said)[:, 0], lived[:, 0], rtol=1e-12)
    np.testing.assert_allclose(_methods._equal_weights(case, said)[:, 0], walk.predictions["equal weights"], rtol=1e-12)
    np.testing.assert_allclose(_methods._best_single(case, said)[:, 0], walk.predictions["best single"], rtol=1e-12)


@pytest.mark.parametrize("name", ["best single", "windowed rule", "rule MLPoly", "river EWA", "river adaptive forest"])
@pytest.mark.parametrize("horizon", [1, 5])
def test_an_answer_knows_the_outcomes_that_were_known(heard, name, horizon):
    case, said = heard
    case = Case(replace(case.scenario, horizon=horizon), case.market, quick=True)
    changed = case.market.y.copy()
    first = case.schedule.first
    changed.iloc[first + 20 :] *= -30.0
    other = Case(case.scenario, replace(case.market, y=changed), quick=True)
    one, two = (METHODS[name].reads(each, said)[:, 0] for each in (case, other))
    # The outcome of row 20 is known when row 20 + horizon is predicted.
    np.testing.assert_array_equal(one[: 20 + horizon], two[: 20 + horizon])
    assert (one[20 + horizon :] != two[20 + horizon :]).any()


# Oracles and measures.


def test_the_best_mix_of_numbers_is_that_of_the_other_study(heard):
    case, said = heard
    errors = said.predictions[:, :, 0] - case.targets[case.judged]
    found = np.square(_oracles.best_mix(case, said) - case.targets[case.judged]).sum()
    assert found == pytest.approx(regret._best_mix(errors), rel=1e-5)


def test_no_convex_combination_of_probabilities_beats_the_best_mix():
    rng = np.random.default_rng(0)
    truth = rng.dirichlet([1, 1, 1], size=300)
    targets = np.eye(3)[(truth.cumsum(axis=1) > rng.random((300, 1))).argmax(axis=1)]
    said = np.stack([truth, rng.dirichlet([1, 1, 1], size=300), np.full((300, 3), 1 / 3)], axis=1)
    losses = combiners.default_loss(3)(targets, said)

    def lost(weights):
        return combiners.default_loss(3)(targets, np.einsum("k,nko->no", weights, said)[:, None]).mean()

    weights = _oracles.mix_of_least_loss(targets, said, losses)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()
    tried = min(lost(each) for each in rng.dirichlet([1, 1, 1], size=2000))
    assert lost(weights) <= tried + 1e-9


def test_for_a_silent_model_the_others_speak():
    said = np.array([[[1.0], [3.0], [np.nan]]])
    np.testing.assert_array_equal(_oracles.spoken_for(said), [[[1.0], [3.0], [2.0]]])


def test_recovery_by_hand():
    regimes = np.repeat(["a", "b"], 100)
    oracle, own = np.ones(200), np.ones(200)
    own[100:110] = 3.0
    # 25 rows may lose 10 % more than the oracle's 25: one row of excess 2.
    assert _measures.recovery(own, oracle, regimes) == 9.0
    own[100:] = 2.0
    assert _measures.recovery(own, oracle, regimes) == 150.0
    assert np.isnan(_measures.recovery(own, oracle, np.repeat("a", 200)))


def test_worst_year_and_trades_by_hand():
    own, oracle = np.array([1.0, 1.0, 4.0, 1.0]), np.array([1.0, 1.0, 1.0, 3.0])
    assert _measures.worst_year(own, oracle, 2) == 2.5
    index = pd.date_range("2000", periods=8)
    y = pd.Series([0.0, 0, 0, 0, 0.01, -0.02, 0.03, 0.01], index)
    market = Market(pd.DataFrame({"x": np.zeros(8)}, index), y, returns=y.to_numpy(), truth=np.repeat("a", 8))
    case = Case(SCENARIOS["sp500-return"], market, quick=True)
    found = _measures._trades(case, np.array([[1.0], [1.0], [-1.0], [-1.0]]))
    # Right, wrong, wrong, wrong; 1 bp for the first side and 2 for the turn.
    earned = np.array([100.0 - 1, -200.0, -300.0 - 2, -100.0])
    assert found["win rate"] == 0.25
    assert found["profit bps"] == pytest.approx(earned.mean())
    assert found["sharpe"] == pytest.approx(earned.mean() / earned.std(ddof=1) * np.sqrt(252))


def test_intervals_are_over_scenarios():
    found = _tables.bootstrap(pd.Series([1.0, 3.0]))
    assert (found.mean, found.low, found.high, found.n) == (2.0, 1.0, 3.0, 2)
    assert _tables.bootstrap(pd.Series([np.log(0.5)] * 3), _tables._geometric).mean == pytest.approx(0.5)


def test_river_says_what_its_best_model_says_in_the_end():
    case = Case.of(SCENARIOS["sharp-numbers-a"], quick=True)
    said, _ = _run._live_frozen(case, {})
    right = said.predictions.copy()
    right[:, 1] = case.targets[case.judged]
    before = replace(said.before, predictions=said.before.predictions.copy())
    before.predictions[:, 1] = before.targets
    answer = _rivals.ewa(case, _case.Said(before, right))
    np.testing.assert_allclose(answer[:, 0], case.targets[case.judged][:, 0], atol=0.05)

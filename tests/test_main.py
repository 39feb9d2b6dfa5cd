"""The program: tables that say what was computed, nothing used before its time, a sentence where it cannot go on."""

import io
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMRegressor
from sklearn.linear_model import LinearRegression, Ridge

from skensemble import RegimeAwareEnsembleRegressor, __main__, __version__, _demo
from skensemble.combiners import DynamicWeighting, Stacking, WeightedVoting
from skensemble.datasets import load_sp500, make_prediction_stream

ENSEMBLES = [name for combiner in _demo.COMBINERS for name in (combiner, _demo.with_regimes(combiner))]
RIVALS = [_demo.RIVAL, _demo.EQUAL, _demo.BEST_SINGLE, _demo.NO_MODEL]


def run(*arguments):
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = __main__.main(arguments)
        except SystemExit as left:
            code = left.code
    return code, out.getvalue(), err.getvalue()


@pytest.fixture(scope="module")
def walks():
    return {target: _demo.walk(target, quick=True) for target in _demo.HORIZONS}


@pytest.fixture(scope="module")
def printed(walks, tmp_path_factory):
    path = tmp_path_factory.mktemp("picture") / "walk.png"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(__main__, "walk", lambda target, quick: walks[target])
        return *run("--quick", "--save", str(path)), path


def section(text, target):
    title = {"return": "== Return", "volatility": "== Volatility"}[target]
    return text[text.index(title) :].partition("\n== ")[0]


def row(text, name):
    (found,) = re.findall(rf"^ {re.escape(name)}  +([-+0-9].*)$", text, flags=re.MULTILINE)
    return found.split()


def test_it_says_what_it_did_and_nothing_else(printed):
    code, out, err, _ = printed
    assert code == 0
    assert err == ""
    assert out.isascii()
    assert max(map(len, out.splitlines()[:-1])) <= 100
    assert "2015 to 2018" in out.splitlines()[0]
    assert "trained on 2011 to 2014" in out.splitlines()[1]


@pytest.mark.parametrize("target", _demo.HORIZONS)
def test_every_contestant_has_a_row_with_its_figures(printed, walks, target):
    text = section(printed[1], target).partition("How dynamic")[0]
    found = _demo.figures(walks[target])
    assert list(found.index) == [*walks[target].models, *RIVALS, *found.index[-6:]]
    assert sorted(found.index[-6:]) == sorted(ENSEMBLES)
    unit = {"return": 1e4, "volatility": 100}[target]
    for name, figure in found.iterrows():
        cells = row(text, name)
        assert float(cells[0]) == pytest.approx(unit * figure["error"], abs=0.051)
        assert float(cells[1]) == pytest.approx(100 * figure["change"], abs=0.051)
        assert figure["worst"] in cells
        if target == "return":
            assert float(cells[2]) == pytest.approx(100 * figure["win_rate"], abs=0.051)
            assert float(cells[5]) == figure["n"]
            assert float(cells[6]) == pytest.approx(figure["profit_bps"], abs=0.051)
            assert float(cells[7]) == pytest.approx(figure["sharpe"], abs=0.0051)


def test_the_figures_are_those_of_the_predictions(walks):
    walked = walks["return"]
    found = _demo.figures(walked)
    profit = 1e4 * np.sign(walked.said["dynamic"]) * walked.outcome
    kept = found.loc["dynamic"]
    assert kept["profit_bps"] == pytest.approx(profit.mean())
    assert kept["sharpe"] == pytest.approx(np.sqrt(252) * profit.mean() / profit.std())
    assert kept["n"] == (profit != 0).sum()
    assert kept["win_rate"] == pytest.approx((profit > 0).sum() / kept["n"])
    by_regime = profit.groupby(walked.regimes).mean()
    assert kept["worst"] == by_regime.idxmin()
    assert kept["profit_bps_CALM"] == pytest.approx(by_regime["CALM"])
    assert kept["win_rate_low"] < kept["win_rate"] < kept["win_rate_high"]
    assert kept["sharpe_low"] < kept["sharpe"] < kept["sharpe_high"]
    assert found.loc[_demo.RIVAL, "change"] == 0
    assert found.loc[_demo.NO_MODEL, "profit_bps"] == pytest.approx(1e4 * walked.outcome.mean())


@pytest.mark.parametrize("target", _demo.HORIZONS)
def test_the_weights_are_shown_by_regime_and_by_year(printed, walks, target):
    walked = walks[target]
    assert walked.weights.shape == (len(walked.said), 4)
    assert np.allclose(walked.weights.sum(axis=1), 1)
    assert np.allclose(walked.weights_now.sum(), 1)
    text = section(printed[1], target).partition("How dynamic")[2]
    for model in walked.models:
        cells = [float(cell) for cell in row(text, model)]
        years = walked.weights[model].groupby(walked.weights.index.year).mean()
        assert cells == pytest.approx([*(100 * walked.weights_now.loc[model]), *(100 * years)], abs=0.51)


@pytest.mark.parametrize("target", _demo.HORIZONS)
def test_the_last_lines_say_no_more_than_the_intervals(printed, walks, target):
    text = section(printed[1], target).partition("Is it more than chance?")[2]
    losses = walks[target].losses
    against = {"equal weights": _demo.EQUAL, "the default LightGBM": _demo.RIVAL, "no model": _demo.NO_MODEL}
    for words, rival in against.items():
        (sentence,) = re.findall(rf"^ Against {words}: (.*)\.$", text, flags=re.MULTILINE)
        for combiner in _demo.COMBINERS:
            _, low, high = _demo.change_interval(losses[_demo.with_regimes(combiner)], losses[rival])
            (part,) = [part for part in sentence.split("; ") if combiner in part or "any" in part]
            claim = "less loss" if high < 0 else "more loss" if low > 0 else "chance"
            assert claim in part
    assert f"same {len(losses):,} days" in text
    assert ("Sharpe (95 %)" in text) == (target == "return")


def test_sentences_follow_the_intervals():
    below, above, around = (-0.2, -0.3, -0.1), (0.2, 0.1, 0.3), (0.0, -0.1, 0.1)
    say = __main__._plainly
    assert say({"a": below, "b": above, "c": around}) == "a has less loss; b has more loss; for c it may be chance"
    assert say({"a": below, "b": below}) == "a and b have less loss"
    assert say({"a": around, "b": around}) == "any difference may be chance"


def test_the_picture_is_saved(printed):
    _, out, _, path = printed
    assert path.read_bytes().startswith(b"\x89PNG")
    assert out.splitlines()[-1] == f"The picture is in {path}."


def test_one_target_alone(walks, monkeypatch):
    asked = []
    monkeypatch.setattr(__main__, "walk", lambda target, quick: asked.append((target, quick)) or walks[target])
    code, out, _ = run("--target", "volatility")
    assert (code, asked) == (0, [("volatility", False)])
    assert "== Volatility" in out
    assert "== Return" not in out


def test_help_explains():
    code, out, _ = run("--help")
    assert code == 0
    for word in ("--target", "--save FILE.png", "--quick", "every January", "partial_update", *_demo.REGIMES):
        assert word in out


def test_the_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "skensemble", "--version"], check=True, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == (f"skensemble {__version__}\n", "")


def test_what_cannot_be_saved_is_said_before_the_work(tmp_path, monkeypatch):
    monkeypatch.setattr(__main__, "walk", lambda *_, **__: pytest.fail("it went to work"))
    code, out, err = run("--save", str(tmp_path / "walk.doc"))
    assert (code, out) == (1, "")
    assert "must end in one of .pdf, .png, .svg" in err
    code, out, err = run("--save", str(tmp_path / "nowhere" / "walk.png"))
    assert (code, out) == (1, "")
    assert "there is no folder" in err
    monkeypatch.setattr(__main__, "find_spec", lambda name: None)
    code, out, err = run("--save", str(tmp_path / "walk.png"))
    assert (code, out) == (1, "")
    assert err.endswith('needs matplotlib, which is not installed. Run: pip install "skensemble[plot]"\n')
    assert run("--target", "price")[0] == 2


@pytest.mark.parametrize("horizon", [1, 5])
def test_no_outcome_is_used_before_it_is_known(horizon):
    targets, predictions, memberships, _ = make_prediction_stream(n_samples=300, random_state=0)
    opened = np.array([100, 200])
    changed = targets.copy()
    changed[150:] += 10.0
    unknown = 150 + horizon - 100
    for combiner in (WeightedVoting(), Stacking()):
        before, after = (
            _demo.learned_each_january(combiner, predictions, y, memberships, opened, horizon)
            for y in (targets, changed)
        )
        assert np.array_equal(before[:100], after[:100])
        assert not np.array_equal(before[100:], after[100:])
    before, after = (
        _demo.learned_each_day(DynamicWeighting(), predictions, y, memberships, 100, horizon)[1]
        for y in (targets, changed)
    )
    assert np.array_equal(before[:unknown], after[:unknown])
    assert not np.array_equal(before[unknown], after[unknown])


@pytest.mark.parametrize("horizon", [1, 5])
def test_the_january_that_opens_inside_a_horizon_does_not_know_it(horizon):
    targets, predictions, memberships, _ = make_prediction_stream(n_samples=200, random_state=1)
    changed = targets.copy()
    changed[100 - horizon + 1 : 100] += 10.0
    for combiner in (WeightedVoting(), Stacking()):
        before, after = (
            _demo.learned_each_january(combiner, predictions, y, memberships, np.array([100]), horizon)
            for y in (targets, changed)
        )
        assert np.array_equal(before, after)


@pytest.mark.parametrize("horizon", [1, 5])
def test_day_by_day_is_what_partial_update_does(horizon):
    X, y, regimes = (part[:260] for part in load_sp500("volatility"))
    first, known = 220, 220 - horizon + 1
    ensemble = RegimeAwareEnsembleRegressor(
        [("plain", LinearRegression()), ("flat", Ridge(1e3))], combiner="dynamic", cv=3
    ).fit(X[:known], y[:known], regimes=regimes[:known])
    record = ensemble.out_of_fold_
    rest = ensemble.member_predictions(X[known:]).to_numpy()[:, :, None]
    memberships = np.stack([regimes == name for name in ensemble.regimes_], axis=1).astype(float)
    start = len(X) - len(rest) - len(record.rows)
    combined, weights = _demo.learned_each_day(
        DynamicWeighting(),
        np.concatenate([record.predictions, rest]),
        y.to_numpy()[start:, None],
        memberships[start:],
        first - start,
        horizon,
    )
    said = {}
    for day in range(first, len(X)):
        due = day - horizon
        if due >= first:
            ensemble.partial_update(predictions=said[due], y=y[due : due + 1])
        elif day > first:
            ensemble.partial_update(X[due : due + 1], y[due : due + 1], regimes=regimes[due : due + 1])
        said[day] = ensemble.explain(X[day : day + 1], regimes=regimes[day : day + 1])
    assert np.allclose(combined, [said[day].prediction[0] for day in said], rtol=1e-9)
    assert np.allclose(weights, [said[day].weights[0] for day in said], rtol=1e-9)


def test_the_rival_is_as_good_as_the_library_itself():
    X, y, _ = load_sp500("volatility")
    train, test = slice(0, 3000), slice(3005, None)
    ours, theirs = (
        np.mean((model.fit(X[train], y[train]).predict(X[test]) - y[test]) ** 2)
        for model in (_demo.default_lightgbm(), LGBMRegressor(verbose=-1, n_jobs=1))
    )
    assert ours == pytest.approx(theirs, rel=0.05)


def test_the_interval_of_a_change():
    rng = np.random.default_rng(0)
    rival = rng.exponential(size=1000)
    assert _demo.change_interval(rival, rival) == (0, 0, 0)
    change, low, high = _demo.change_interval(0.8 * rival + 0.02 * rng.exponential(size=1000), rival)
    assert change == pytest.approx(-0.18, abs=0.01)
    assert -0.2 < low < change < high < -0.15
    _, low, high = _demo.change_interval(rng.exponential(size=1000), rival)
    assert low < 0 < high


def test_bad_days_in_clusters_make_the_interval_wide():
    rng = np.random.default_rng(1)
    rival = np.ones(2000)
    apart = 1 + rng.standard_normal(2000)
    together = np.repeat(1 + rng.standard_normal(40), 50)
    widths = [np.diff(_demo.change_interval(losses, rival)[1:])[0] for losses in (apart, together)]
    assert widths[1] > 4 * widths[0]


def test_the_best_single_model_is_chosen_by_what_was_known(walks):
    walked = walks["volatility"]
    years = pd.DatetimeIndex(walked.said.index).year
    for year, name in zip(np.unique(years), walked.best, strict=True):
        inside = walked.said[years == year]
        assert np.array_equal(inside[_demo.BEST_SINGLE], inside[name])

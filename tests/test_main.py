"""The program: tables that say what was computed, nothing used before its time, a sentence where it cannot go on."""

import io
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
from lightgbm import LGBMRegressor

from skensemble import __main__, __version__, _demo
from skensemble.datasets import load_sp500
from skensemble.evaluation import Change, change_interval

ENSEMBLES = [*_demo.COMBINERS, _demo.BLIND]
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
    assert "first trained on 1,006 days" in out.splitlines()[1]


def pooled(walked):
    report = walked.report()
    return report[report["regime"] == "pooled"].set_index("rival")


@pytest.mark.parametrize("target", _demo.HORIZONS)
def test_every_contestant_has_a_row_with_its_figures(printed, walks, target):
    text = section(printed[1], target).partition("How dynamic")[0]
    walked = walks[target]
    found = pooled(walked)
    models = walked.explanations["dynamic"].models
    assert set(found.index) == {*(f"{model} alone" for model in models), *RIVALS, *ENSEMBLES}
    unit = {"return": 1e4, "volatility": 100}[target]
    for name, figure in found.iterrows():
        cells = row(text, name.removesuffix(" alone"))
        errors = (walked.predictions[name] - walked.outcome).astype(float)
        assert float(cells.pop(0)) == pytest.approx(unit * np.sqrt((errors**2).mean()), abs=0.051)
        if name != _demo.RIVAL:
            assert float(cells.pop(0)) == pytest.approx(100 * figure["change"], abs=0.051)
        assert cells[-1] == str(figure["worst_year"])
        if target == "return":
            assert float(cells[0]) == pytest.approx(100 * figure["win_rate"], abs=0.051)
            assert float(cells[3]) == figure["won"] + figure["lost"]
            assert float(cells[4]) == pytest.approx(figure["profit_bps"], abs=0.051)
            assert float(cells[5]) == pytest.approx(figure["sharpe_annual"], abs=0.0051)
        elif name != _demo.RIVAL:
            by_regime = walked.report().set_index(["rival", "regime"]).loc[name, "change"]
            assert [float(cell) for cell in cells[:3]] == pytest.approx(
                [*(100 * by_regime[list(_demo.REGIMES)])], abs=0.051
            )


def test_the_figures_are_those_of_the_predictions(walks):
    walked = walks["return"]
    sides = np.sign(walked.predictions["dynamic"])
    profit = 1e4 * sides * walked.outcome - _demo.COST_BPS * (sides != sides.shift(fill_value=0))
    kept = pooled(walked).loc["dynamic"]
    assert kept["profit_bps"] == pytest.approx(profit.mean())
    assert kept["sharpe"] == pytest.approx(profit.mean() / profit.std())
    assert kept["n_trades"] == len(walked)
    assert kept["won"] == (sides * walked.outcome > 0).sum()
    assert kept["worst_year"] == profit.groupby(profit.index.year).mean().idxmin()
    assert walked.predictions[_demo.NO_MODEL].abs().max() < 1e-9
    held = 1e4 * walked.outcome.mean() - _demo.COST_BPS / len(walked)
    assert pooled(walked).loc[_demo.NO_MODEL, "profit_bps"] == pytest.approx(held)
    expected = load_sp500("volatility").X["volatility_21"][walks["volatility"].predictions.index]
    assert walks["volatility"].predictions[_demo.NO_MODEL].equals(expected.rename(_demo.NO_MODEL))


def test_it_lives_through_the_years_with_a_training_each_january(walks):
    for target, walked in walks.items():
        starts = walked.trainings["judged_from"]
        assert [start.year for start in starts] == [2015, 2016, 2017, 2018]
        assert (starts.dt.day_of_year <= 5).all()
        ensemble = walked.estimators["dynamic"]
        assert ensemble.label_horizon == _demo.HORIZONS[target]
        counted = ensemble.ledger_.frame().query("performer == 'ensemble' and regime == 'pooled'")["n"].max()
        # All outcomes since the first training went back, but for those that are not known at the last day.
        assert counted > len(walked)


@pytest.mark.parametrize("target", _demo.HORIZONS)
def test_the_weights_are_shown_by_regime_and_by_year(printed, walks, target):
    walked = walks[target]
    weights, now = walked.weights["dynamic"], walked.estimators["dynamic"].weights_
    assert np.allclose(weights.sum(axis=1), 1)
    text = section(printed[1], target).partition("How dynamic")[2]
    for model in weights:
        cells = [float(cell) for cell in row(text, model)]
        years = weights[model].groupby(weights.index.year).mean()
        assert cells == pytest.approx([*(100 * now.loc[model, list(_demo.REGIMES)]), *(100 * years)], abs=0.51)


@pytest.mark.parametrize("target", _demo.HORIZONS)
def test_the_last_lines_say_no_more_than_the_intervals(printed, walks, target):
    text = section(printed[1], target).partition("Is it more than chance?")[2]
    losses = walks[target].losses
    against = {"equal weights": _demo.EQUAL, "the default LightGBM": _demo.RIVAL, "no model": _demo.NO_MODEL}
    for words, rival in against.items():
        (sentence,) = re.findall(rf"^ Against {words}: (.*)\.$", text, flags=re.MULTILINE)
        for combiner in _demo.COMBINERS:
            _, low, high, _ = change_interval(losses[combiner], losses[rival])
            (part,) = [part for part in sentence.split("; ") if combiner in part or "any" in part]
            claim = "less loss" if high < 0 else "more loss" if low > 0 else "chance"
            assert claim in part
    assert f"same {len(losses):,} days" in text
    assert ("Sharpe (95 %)" in text) == (target == "return")


@pytest.mark.parametrize("target", _demo.HORIZONS)
def test_it_says_whether_its_intervals_held(printed, walks, target):
    text = section(printed[1], target).partition("How often outcomes were within")[2]
    said, came = walks[target].explanations["dynamic"], walks[target].outcome
    for coverage in said.coverages:
        (cells,) = re.findall(rf"^ +{100 * coverage:.0f}( +[0-9. ]+)$", text, flags=re.MULTILINE)
        low, high = said.interval(coverage).T
        held = (low <= came) & (came <= high)
        own = [held.mean(), *(held[walks[target].regimes == regime].mean() for regime in _demo.REGIMES)]
        assert [float(cell) for cell in cells.split()] == pytest.approx([100 * share for share in own], abs=0.051)
    assert ("said to be right" in text) == (target == "return")


def test_sentences_follow_the_intervals():
    below = Change(-0.2, -0.3, -0.1, "distinguishable: less loss")
    above = Change(0.2, 0.1, 0.3, "distinguishable: more loss")
    around = Change(0.0, -0.1, 0.1, "not distinguishable")
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


def test_the_rival_is_as_good_as_the_library_itself():
    X, y, _ = load_sp500("volatility")
    train, test = slice(0, 3000), slice(3005, None)
    ours, theirs = (
        np.mean((model.fit(X[train], y[train]).predict(X[test]) - y[test]) ** 2)
        for model in (_demo.default_lightgbm(), LGBMRegressor(verbose=-1, n_jobs=1))
    )
    assert ours == pytest.approx(theirs, rel=0.05)

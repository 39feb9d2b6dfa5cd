"""Displays: the numbers are those of the rows, every source agrees, and a picture tells nothing by colour alone."""

import inspect
import sys
from itertools import combinations, pairwise
from operator import itemgetter
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from matplotlib.dates import date2num, num2date
from matplotlib.figure import Figure
from matplotlib.text import Text
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skensemble import (
    JournalError,
    LiveEnsemble,
    RegimeAwareEnsembleClassifier,
    RegimeAwareEnsembleRegressor,
    displays,
    walk_forward,
)
from skensemble.displays import (
    AgreementDisplay,
    ContributionDisplay,
    CumulativeLossDisplay,
    RegimePerformanceDisplay,
    RegimesDisplay,
    ReliabilityDisplay,
    WeightsDisplay,
)
from skensemble.displays._style import (
    COLOURS,
    HATCHES,
    LINE_COLOURS,
    LINES,
    axis_of,
    draw_bands,
    scale_of,
    span,
    starts_of_stretches,
    thinned,
)
from skensemble.intervals import AdaptiveConfidence
from skensemble.performance import rate_interval, wilson_interval

DISPLAYS = [getattr(displays, name) for name in displays.__all__]
SOURCES = ("from_estimator", "from_walk_forward", "from_live")
N_TRAIN, N_LIVE = 150, 90


@pytest.fixture(autouse=True, scope="module")
def _backend():
    before = mpl.get_backend()
    pyplot.switch_backend("Agg")
    yield
    pyplot.switch_backend(before)


@pytest.fixture(autouse=True)
def _closed():
    yield
    pyplot.close("all")


def rows(n=N_TRAIN + N_LIVE):
    """Two regimes of thirty days each; in one the outcome follows the first column, in the other the second."""
    random = np.random.default_rng(3)
    X = pd.DataFrame(random.normal(size=(n, 2)), columns=["a", "b"], index=pd.date_range("2020-01-01", periods=n))
    wild = np.arange(n) // 30 % 2 == 1
    y = np.where(wild, X["b"], X["a"]) + 0.3 * random.normal(size=n)
    return X, pd.Series(y, index=X.index), pd.Series(np.where(wild, "wild", "calm"), index=X.index)


def regressor():
    models = [
        ("a", make_pipeline(FunctionTransformer(itemgetter(["a"])), LinearRegression())),
        ("b", make_pipeline(FunctionTransformer(itemgetter(["b"])), LinearRegression())),
        ("tree", DecisionTreeRegressor(max_depth=3, random_state=0)),
    ]
    return RegimeAwareEnsembleRegressor(models, combiner="dynamic")


def classifier():
    models = [("logistic", LogisticRegression()), ("tree", DecisionTreeClassifier(max_depth=2, random_state=0))]
    return RegimeAwareEnsembleClassifier(models, combiner="dynamic")


def lived(estimator, y, folder, X, regimes):
    """The same rows lived through in a walk forward and in a live process."""
    walk = walk_forward({"ours": estimator}, X, y, initial=N_TRAIN, regimes=regimes, judge_models=True)
    past = slice(None, N_TRAIN)
    live = LiveEnsemble(estimator.fit(X[past], y[past], regimes=regimes[past]), folder / "live.db")
    for i in range(N_TRAIN, len(X)):
        live.predict(X.iloc[[i]], id=str(i), regimes=[regimes.iloc[i]])
        live.feedback(str(i), y=y.iloc[i])
    return SimpleNamespace(walk=walk, live=live, estimator=live.ensemble, X=X, y=y, regimes=regimes)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    X, y, regimes = rows()
    found = lived(regressor(), y, tmp_path_factory.mktemp("numbers"), X, regimes)
    yield found
    found.live.close()


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    X, y, regimes = rows()
    labels = pd.Series(np.where(y > 0, "up", "down"), index=X.index)
    found = lived(classifier(), labels, tmp_path_factory.mktemp("classes"), X, regimes)
    yield found
    found.live.close()


@pytest.fixture(params=["numbers", "classes"])
def story(request):
    return request.getfixturevalue(request.param)


def made(display, source, story):
    """A display of a source, whatever else it asks for."""
    method = getattr(display, source, None)
    if method is None:
        return None
    of = {"from_estimator": story.estimator, "from_walk_forward": story.walk, "from_live": story.live}[source]
    wanted = inspect.signature(method).parameters
    n = N_LIVE
    beside = {"X": story.X[-n:], "y": story.y[-n:], "regimes": story.regimes[-n:], "series": np.arange(float(n))}
    return method(of, **{name: value for name, value in beside.items() if name in wanted})


ALL = [(display, source) for display in DISPLAYS for source in SOURCES]


# Over every display.


@pytest.mark.parametrize(("display", "source"), ALL)
def test_every_display_has_every_source_or_says_why_not(display, source):
    assert hasattr(display, source) or source.removeprefix("from_") in display.__doc__


@pytest.mark.parametrize(("display", "source"), ALL)
def test_it_is_worked_out_drawn_and_listed(display, source, story):
    shown = made(display, source, story)
    assert isinstance(shown, display)
    frame = shown.frame()
    assert isinstance(frame, pd.DataFrame)
    assert len(frame)
    assert not hasattr(shown, "figure_")
    assert shown.plot() is shown
    shown.figure_.canvas.draw()
    axes = shown.axes_ if hasattr(shown, "axes_") else [shown.ax_]
    assert all(ax.get_figure() is shown.figure_ for ax in axes)
    assert axes[0].get_title(loc="left").strip()
    assert all(ax.get_ylabel() or ax.get_yticklabels() for ax in axes)
    assert axes[-1].get_xlabel() or isinstance(shown, AgreementDisplay)
    assert shown.frame().equals(frame)


@pytest.mark.parametrize("display", DISPLAYS)
def test_drawing_leaves_what_it_shows_and_the_session_as_they_were(display, numbers):
    shown = made(display, "from_walk_forward", numbers)
    before, settings = shown.frame(), dict(mpl.rcParams)
    mine, other = pyplot.subplots()
    figure, (first, second) = pyplot.subplots(2, 1)
    pyplot.sca(other)
    shown.plot(first)
    assert shown.figure_ is figure
    assert pyplot.gca() is other
    assert len(pyplot.get_fignums()) == 2
    drawn = len(first.get_children())
    shown.plot(second)
    assert len(first.get_children()) == drawn
    assert dict(mpl.rcParams) == settings
    assert shown.frame().equals(before)
    # A figure that pyplot does not know serves, too.
    apart = Figure()
    shown.plot(apart.subplots())
    assert shown.figure_ is apart
    part, _ = Figure(layout="constrained").subfigures(1, 2)
    shown.plot(part.subplots())
    assert shown.figure_ is part
    assert mine.axes == [other]


@pytest.mark.parametrize("display", DISPLAYS)
def test_drawn_twice_it_is_the_same_picture(display, numbers):
    shown = made(display, "from_walk_forward", numbers)
    pictures = []
    for _ in range(2):
        shown.plot().figure_.canvas.draw()
        pictures.append(np.asarray(shown.figure_.canvas.buffer_rgba()).copy())
    assert np.array_equal(*pictures)


@pytest.mark.parametrize(("display", "source"), ALL)
def test_a_wrong_source_gets_a_sentence(display, source, numbers):
    method = getattr(display, source)
    wanted = inspect.signature(method).parameters
    beside = {"X": numbers.X[:3], "y": numbers.y[:3], "series": np.arange(3.0)}
    beside = {name: value for name, value in beside.items() if name in wanted}
    with pytest.raises(ValueError, match=f"{display.__name__}.{source} (must|needs).*got 'nothing'"):
        method("nothing", **beside)


@pytest.mark.parametrize("display", DISPLAYS)
def test_wrong_axes_get_a_sentence(display, numbers):
    shown = made(display, "from_walk_forward", numbers)
    with pytest.raises(ValueError, match=f"ax of {display.__name__}.plot must be one Axes .*got 'here'"):
        shown.plot("here")


@pytest.mark.parametrize("display", DISPLAYS)
def test_without_matplotlib_the_numbers_are_there_and_plot_says_what_to_do(display, numbers, monkeypatch):
    monkeypatch.setattr("skensemble.displays._style.find_spec", lambda name: None)
    shown = made(display, "from_walk_forward", numbers)
    assert len(shown.frame())
    with pytest.raises(ImportError, match=rf'{display.__name__}.plot needs matplotlib.*"skensemble\[plot\]"'):
        shown.plot()


def test_the_numbers_do_without_matplotlib():
    import subprocess

    code = "import sys, skensemble.displays; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"


ALIKE = [display for display in DISPLAYS if display is not RegimesDisplay]


@pytest.mark.parametrize("display", ALIKE)
def test_a_walk_forward_and_a_live_process_tell_the_same_of_the_same_rows(display, story):
    walk, live = (made(display, source, story).frame() for source in ("from_walk_forward", "from_live"))
    names = {"live ensemble": "ours"}
    live = live.replace({"performer": names, "rival": names})
    live = live.loc[:, live.columns != "row"]
    pd.testing.assert_frame_equal(live, walk.loc[:, walk.columns != "row"], rtol=1e-9, check_index_type=False)


def test_the_regimes_are_the_same_from_every_source(story):
    found = [made(RegimesDisplay, source, story).frame()["regime"].tolist() for source in SOURCES]
    assert found[0] == found[1] == found[2] == story.regimes[-N_LIVE:].tolist()


# Each by itself.


def line(ax, label):
    (found,) = [line for line in ax.get_lines() if line.get_label().startswith(label)]
    return found


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_weights_are_those_of_the_walk(numbers):
    shown = made(WeightsDisplay, "from_walk_forward", numbers)
    frame = shown.frame()
    assert np.array_equal(frame[["a", "b", "tree"]], numbers.walk.weights["ours"])
    assert frame["regime"].tolist() == numbers.walk.regimes.tolist()
    assert (pd.DatetimeIndex(frame["row"]) == numbers.walk.predictions.index).all()
    shown.plot()
    areas = [area for area in shown.ax_.collections if area.get_label() and ":" in area.get_label()]
    assert [area.get_label() for area in areas] == [
        f"{model}: {100 * frame[model].mean():.0f} %" for model in ("a", "b", "tree")
    ]
    assert len({area.get_hatch() for area in areas}) == len({tuple(area.get_facecolor()[0]) for area in areas}) == 3
    assert legend(shown.ax_)[-3:] == ["regime (strip above)", "calm", "wild"]
    assert shown.ax_.get_ylim() == (0, 1.08)
    assert "2020-05-30 to 2020-08-27, n = 90" in [text.get_text() for text in shown.ax_.texts]


def test_weights_of_an_estimator_are_those_it_had_then(numbers):
    frame = WeightsDisplay.from_estimator(numbers.estimator).frame()
    record = numbers.estimator.out_of_fold_
    assert np.array_equal(frame[["a", "b", "tree"]], record.weights)
    assert frame["row"].tolist() == record.rows.tolist()
    asked = WeightsDisplay.from_estimator(numbers.estimator, numbers.X[:5], regimes=numbers.regimes[:5]).frame()
    expected = numbers.estimator.explain(numbers.X[:5], regimes=numbers.regimes[:5]).weights
    assert np.array_equal(asked[["a", "b", "tree"]], expected)


def test_a_pipeline_is_asked_as_a_whole():
    X, y, regimes = rows(60)
    front = FunctionTransformer(lambda X: 2 * X)
    ensemble = regressor().fit(2 * X, y, regimes=regimes)
    frame, expected = (
        WeightsDisplay.from_estimator(asked, given, regimes=regimes).frame()
        for asked, given in ((make_pipeline(front, ensemble), X), (ensemble, 2 * X))
    )
    assert frame.equals(expected)


def test_cumulative_losses_by_hand():
    losses = pd.DataFrame({"ours": [1.0, np.nan, 1.0, 2.0], "theirs": [2.0, 5.0, np.nan, 4.0]})
    shown = CumulativeLossDisplay(losses, pd.DataFrame(index=losses.index), sample_weight=[1, 1, 1, 3])
    assert shown.frame()["regret"].tolist() == [-1, -1, -1, -7]
    # What the rival lost on the rows that count for both: 2 + 3 * 4.
    assert shown.frame()["regret_pct"].tolist() == pytest.approx([-100 / 14] * 3 + [-50])
    drawn = line(shown.plot().axes_[0], "theirs: -50.0 %")
    assert drawn.get_ydata()[-1] == pytest.approx(-50)


def test_losses_that_have_no_percentage_are_drawn_in_their_own_units():
    losses = pd.DataFrame({"ours": [-1.0, -1.0], "theirs": [-2.0, -4.0]})
    shown = CumulativeLossDisplay(losses, pd.DataFrame(index=losses.index), loss="minus profit").plot()
    assert shown.frame()["regret_pct"].isna().all()
    assert line(shown.axes_[0], "theirs: +4").get_ydata().tolist() == [1, 4]
    assert "minus profit" in shown.axes_[0].get_ylabel()


def test_equity_and_drawdown_by_hand():
    times = pd.DatetimeIndex(["2024-01-01", "2024-01-02", "2024-01-02", "2024-01-03", "2024-01-04"])
    profits = pd.DataFrame({"ours": [-10.0, 20.0, 40.0, np.nan, -25.0]}, index=times)
    losses = pd.DataFrame({"ours": 1.0, "theirs": 1.0}, index=times)
    shown = CumulativeLossDisplay(losses, pd.DataFrame(index=times), profits_bps=profits)
    equity = shown.equity()
    # Rows of one time are one trade, the mean of theirs.
    assert equity["profit_bps"].tolist() == [-10, 20, 20, -5]
    assert equity["drawdown_bps"].tolist() == [-10, 0, 0, -25]
    shown.plot()
    assert len(shown.axes_) == 3
    assert line(shown.axes_[1], "ours: -0.1 %, fell 0.2 %").get_ydata().tolist() == [-0.1, 0.2, 0.2, -0.05]
    assert line(shown.axes_[2], "ours").get_ydata().tolist() == [-0.1, 0, 0, -0.25]
    assert CumulativeLossDisplay(losses, pd.DataFrame(index=times)).equity().empty


def test_rows_count_in_the_equity_curve_as_they_do_in_the_loss_curve():
    times = pd.DatetimeIndex(["2024-01-01", "2024-01-02", "2024-01-02", "2024-01-03", "2024-01-04"])
    profits = pd.DataFrame({"ours": [-10.0, 20.0, 40.0, 70.0, -25.0]}, index=times)
    losses = pd.DataFrame({"ours": 1.0, "theirs": 1.0}, index=times)
    for factor in (1.0, 7.0):
        shown = CumulativeLossDisplay(
            losses, pd.DataFrame(index=times), profits_bps=profits, sample_weight=factor * np.array([1, 0.5, 1.5, 0, 1])
        )
        # On the second day 20 and 40 count as 1 to 3, and the day as 1; the third does not count.
        np.testing.assert_allclose(shown.equity()["profit_bps"], [-10, 25, 25, 0], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(shown.equity()["drawdown_bps"], [-10, 0, 0, -25], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(shown.frame()["regret_pct"], 0)


def test_the_equity_curve_ends_where_the_report_says():
    X, y, regimes = rows(120)
    times = pd.date_range("2024-01-01", periods=60).repeat(2)
    X, y, weight = X.set_axis(times), y.to_numpy(), np.tile([0.0, 1.0, 3.0, 0.5, 0.0, 0.0], 20)
    rivals = {"ours": regressor(), "plain": LinearRegression()}
    walk = walk_forward(
        rivals, X, y, initial=60, refit_every=20, regimes=regimes.to_numpy(), returns=y, sample_weight=weight
    )
    report = walk.report().query("regime == 'pooled'").set_index("rival")
    shown = CumulativeLossDisplay.from_walk_forward(walk, against=["plain"])
    for who, own in shown.equity().groupby("performer"):
        found = report.loc[who]
        assert own["profit_bps"].iloc[-1] == pytest.approx(found["profit_bps"] * found["n_trades"])
        assert own["drawdown_bps"].min() == pytest.approx(-found["drawdown_bps"])
    own = walk.losses.mul(weight[-len(walk) :], axis=0).sum()
    assert shown.frame()["regret_pct"].iloc[-1] == pytest.approx(100 * (own["ours"] / own["plain"] - 1))


def test_out_of_fold_the_losses_are_those_of_the_ledger():
    X, y, regimes = rows(120)
    for horizon in (0, 7):
        ensemble = regressor().set_params(label_horizon=horizon).fit(X, y, regimes=regimes)
        shown = CumulativeLossDisplay.from_estimator(ensemble)
        ledger = ensemble.ledger_.frame().query("regime == 'pooled' and window == 'lifetime'").set_index("performer")
        means = shown.losses.mean()
        assert means["ensemble"] == pytest.approx(ledger.loc["ensemble", "loss"])
        assert means["equal weights"] == pytest.approx(ledger.loc["equal weights", "loss"])
        assert means["best single"] == pytest.approx(ledger.loc["best so far", "loss"])


def test_the_rivals_of_a_walk_forward_may_be_chosen(numbers):
    X, y, regimes = rows(120)
    rivals = {"plain": LinearRegression(), "ours": regressor()}
    walk = walk_forward(rivals, X, y, initial=80, regimes=regimes, returns=y)
    shown = CumulativeLossDisplay.from_walk_forward(walk, against=["plain", "equal weights"])
    assert shown.frame()["rival"].unique().tolist() == ["plain", "equal weights"]
    expected = (walk.losses["ours"] - walk.losses["plain"]).cumsum()
    assert shown.frame().query("rival == 'plain'")["regret"].tolist() == pytest.approx(expected.tolist())
    assert shown.equity()["performer"].unique().tolist() == ["ours", "plain", "equal weights"]
    assert len(shown.plot().axes_) == 3
    for wrong in (["nobody"], "plain"):
        with pytest.raises(ValueError, match=r"against of CumulativeLossDisplay.from_walk_forward must list rivals"):
            CumulativeLossDisplay.from_walk_forward(walk, against=wrong)
    with pytest.raises(ValueError, match=r"rival of .* must be one of the ensembles \['ours'\]; got 'plain'"):
        CumulativeLossDisplay.from_walk_forward(walk, rival="plain")
    with pytest.raises(ValueError, match="needs an ensemble among the rivals; got"):
        WeightsDisplay.from_walk_forward(walk_forward({"plain": LinearRegression()}, X, y, initial=80))


def test_ensembles_of_the_same_models_have_their_plain_rivals_in_common():
    X, y, regimes = rows(120)
    models = regressor().estimators
    rivals = {
        "one": RegimeAwareEnsembleRegressor(models),
        "two": RegimeAwareEnsembleRegressor(models[:2]),
        "three": RegimeAwareEnsembleRegressor(models[:2], combiner="stacking"),
    }
    walk = walk_forward(rivals, X, y, initial=80, regimes=regimes, judge_models=True)
    for rival, equal in {
        "one": "equal weights",
        "two": "equal weights of two",
        "three": "equal weights of two",
    }.items():
        shown = CumulativeLossDisplay.from_walk_forward(walk, rival=rival)
        assert np.array_equal(shown.losses["equal weights"], walk.losses[equal])
        performers = RegimePerformanceDisplay.from_walk_forward(walk, rival=rival).frame()["performer"].unique()
        n_models = len(rivals[rival].estimators)
        assert [*performers] == [*["a", "b", "tree"][:n_models], rival, "equal weights", "best single"]


def test_a_rival_is_chosen_by_what_had_been_heard_when_each_prediction_was_made(tmp_path):
    models = [(f"always {c}", DummyRegressor(strategy="constant", constant=c)) for c in (0.0, 1.0)]
    X = np.zeros((20, 1))
    ensemble = RegimeAwareEnsembleRegressor(models).fit(X, np.full(20, 0.5))
    with LiveEnsemble(ensemble, tmp_path / "live.db") as live:
        for i in range(4):
            live.predict([[0.0]], id=str(i), at=f"2024-01-0{i + 1}")
        for i in range(4):
            live.feedback(str(i), y=1.0)
        live.predict([[0.0]], id="4", at="2024-01-05")
        live.feedback("4", y=1.0)
        live.predict([[0.0]], id="waits", at="2024-01-06")
        losses = CumulativeLossDisplay.from_live(live).losses
    # The first four were made before anything had been heard: then the first model leads.
    assert losses["best single"].tolist()[:5] == [1, 1, 1, 1, 0]
    assert losses.iloc[-1].isna().all()


@pytest.mark.parametrize("horizon", [0, 10])
def test_of_new_rows_the_best_single_model_is_that_of_outcomes_known_before(horizon):
    """Each outcome outweighs all before it, so whoever heard it early is never wrong."""
    sides = np.array([1.0, -1.0] * 5 + [1.0, -1.0, -1.0, 1.0, -1.0, 1.0])
    sides[10:] *= 100.0 ** np.arange(6)
    index = pd.RangeIndex(160) if horizon else np.repeat(pd.date_range("2024-01-01", periods=16), 10)
    X, y = pd.DataFrame({"x": 0.0}, index=index), pd.Series(np.repeat(sides, 10), index=index)
    models = [(f"always {c}", DummyRegressor(strategy="constant", constant=c)) for c in (1.0, -1.0)]
    ensemble = RegimeAwareEnsembleRegressor(models, label_horizon=horizon).fit(X[:100], y[:100])
    found = CumulativeLossDisplay.from_estimator(ensemble, X[100:], y[100:]).losses["best single"].to_numpy()
    before = np.repeat(np.sign(sides[10:-1]), 10)
    assert found[10:].tolist() == ((y[110:] - before) ** 2).tolist()


@pytest.mark.parametrize("metric", ["loss", "win_rate"])
def test_a_rival_called_as_a_model_does_not_stand_in_its_place(metric):
    X, y, _ = rows(140)
    rivals = {"a": DummyRegressor(), "b": regressor()}
    walk = walk_forward(rivals, X, y, initial=90, returns=y, judge_models=True)
    told = RegimePerformanceDisplay.from_walk_forward(walk, metric=metric)
    told.plot()
    found = told.frame().set_index("performer")
    assert list(found.index) == ["a alone", "b alone", "tree", "b", "equal weights", "best single", "a"]
    if metric == "loss":
        mean = walk.losses.mean()
        changes = 100 * (mean[["a alone", "b alone", "b", "a"]] / mean["equal weights"] - 1)
        assert found["value"][["a alone", "b alone", "b", "a"]].to_numpy() == pytest.approx(changes.to_numpy())


def test_performance_by_regime_by_hand(numbers):
    shown = made(RegimePerformanceDisplay, "from_walk_forward", numbers)
    losses, regimes = numbers.walk.losses, numbers.walk.regimes
    table = shown.frame().set_index(["performer", "regime"])
    for performer, rival in {"a": "a alone", "ours": "ours", "best single": "best single"}.items():
        for regime in ("calm", "wild"):
            own = losses[regimes == regime]
            expected = 100 * (own[rival].mean() / own["equal weights"].mean() - 1)
            assert table.loc[(performer, regime), "value"] == pytest.approx(expected)
            assert table.loc[(performer, regime), "n"] == (regimes == regime).sum()
    assert (table.xs("equal weights")["value"] == 0).all()
    shown.plot()
    assert [text.get_text() for text in shown.ax_.get_yticklabels()] == [
        "a", "b", "tree", "ours", "equal weights", "best single",
    ]  # fmt: skip
    assert [text.get_text() for text in shown.ax_.get_xticklabels()] == ["calm", "wild", "pooled"]
    texts = [text.get_text() for text in shown.ax_.texts]
    assert f"{table.loc[('a', 'calm'), 'value']:+.1f}\nn = {table.loc[('a', 'calm'), 'n']:.0f}" in texts
    assert "0\nn = 90" in texts


def test_of_models_that_were_not_judged_the_losses_are_worked_out_where_they_can_be(numbers):
    X, y, regimes = numbers.X, numbers.y, numbers.regimes
    walk = walk_forward({"ours": regressor()}, X, y, initial=N_TRAIN, regimes=regimes)
    frame = RegimePerformanceDisplay.from_walk_forward(walk).frame()
    pd.testing.assert_frame_equal(frame, made(RegimePerformanceDisplay, "from_walk_forward", numbers).frame())
    from skensemble.losses import AbsoluteLoss

    other = walk_forward({"ours": regressor()}, X, y, initial=N_TRAIN, regimes=regimes, loss=AbsoluteLoss())
    frame = RegimePerformanceDisplay.from_walk_forward(other).frame()
    assert frame["performer"].unique().tolist() == ["ours", "equal weights", "best single"]


def test_a_model_that_slept_is_compared_on_the_rows_it_spoke_on():
    frame = pd.DataFrame({"performer": ["m", "equal weights"], "regime": "pooled", "n": [50, 100], "loss": [1.0, 2.0]})
    # A ledger has no rows to compare on.
    told = RegimePerformanceDisplay._told(frame, "loss", "ensemble", "")
    assert told.frame()["value"].isna().tolist() == [True, False]
    from skensemble._judged import Judged
    from skensemble.displays._regime_performance import _counted

    losses = pd.DataFrame({"m": [2.0, np.nan], "equal weights": [4.0, 100.0]})
    blank = dict.fromkeys(Judged.__dataclass_fields__)
    judged = Judged(
        **blank | {"memberships": pd.DataFrame({"r": [1.0, 1.0]}), "sample_weight": np.ones(2), "overlap": 1.0}
    )
    told = RegimePerformanceDisplay._told(_counted(judged, losses), "loss", "ensemble", "")
    assert told.frame().query("performer == 'm'")["value"].tolist() == [-50, -50]


@pytest.mark.parametrize("metric", ["win_rate", "profit_bps", "sharpe"])
def test_other_figures_are_those_of_the_reports(metric):
    X, y, regimes = rows(140)
    walk = walk_forward({"ours": regressor()}, X, y, initial=90, regimes=regimes, returns=y, judge_models=True)
    frame = RegimePerformanceDisplay.from_walk_forward(walk, metric=metric).frame().set_index(["performer", "regime"])
    report = walk.report().set_index(["rival", "regime"])
    scale = 100 if metric == "win_rate" else 1
    for name, rival in {"a": "a alone", "ours": "ours", "equal weights": "equal weights"}.items():
        for end in ("", "_low", "_high"):
            found = frame.loc[(name, "wild"), end[1:] or "value"]
            assert found == pytest.approx(scale * report.loc[(rival, "wild"), metric + end])
    ensemble = regressor().fit(X, y, regimes=regimes, returns=y)
    shown = RegimePerformanceDisplay.from_estimator(ensemble, metric=metric, window="recent")
    ledger = ensemble.ledger_.frame().query("window == 'recent' and performer == 'best so far' and regime == 'pooled'")
    own = shown.frame().query("performer == 'best single' and regime == 'pooled'")
    assert own["value"].item() == pytest.approx(scale * ledger[metric].item())
    assert shown.plot().figure_.axes[1].get_ylabel()


def test_figures_that_nobody_counted_get_a_sentence(numbers):
    with pytest.raises(ValueError, match="metric='sharpe' of RegimePerformanceDisplay needs returns= and the ledger"):
        RegimePerformanceDisplay.from_estimator(numbers.estimator, metric="sharpe")
    with pytest.raises(ValueError, match=r"metric='win_rate' of .* needs classes, or returns=, and the walk forward"):
        RegimePerformanceDisplay.from_walk_forward(numbers.walk, metric="win_rate")
    with pytest.raises(ValueError, match=r"metric of .* must be one of"):
        RegimePerformanceDisplay.from_walk_forward(numbers.walk, metric="luck")


def test_few_outcomes_are_hatched():
    figures = pd.DataFrame(
        [("m", "calm", 29, 1.0), ("m", "pooled", 30, 2.0), ("n", "calm", 0, np.nan), ("n", "pooled", 31, -3.0)],
        columns=["performer", "regime", "n", "value"],
    )
    shown = RegimePerformanceDisplay(figures).plot()
    assert [patch.get_xy() for patch in shown.ax_.patches] == [(0, 0), (0, 1)]
    assert all(patch.get_hatch() for patch in shown.ax_.patches)
    texts = [text.get_text() for text in shown.ax_.texts]
    assert texts[:4] == ["+1.0\nn = 29", "+2.0\nn = 30", "n = 0", "-3.0\nn = 31"]
    assert "hatched: n below 30" in texts[-1]


def test_contributions_add_up_to_what_is_drawn(story):
    shown = made(ContributionDisplay, "from_walk_forward", story)
    said = story.walk.explanations["ours"][-1]
    parts = shown.frame()
    assert parts["contribution"].iloc[:-1].sum() == pytest.approx(parts["contribution"].iloc[-1], rel=1e-9)
    assert parts["contribution"].iloc[-1] == pytest.approx(
        said.combined[0].max() if said.classes else said.combined[0, 0]
    )
    sizes = parts["contribution"].iloc[1:-1].abs()
    assert sizes.is_monotonic_decreasing
    shown.plot()
    bars = shown.ax_.patches
    assert [bar.get_width() for bar in bars] == pytest.approx(parts["contribution"].tolist())
    assert [bar.get_x() + bar.get_width() for bar in bars] == pytest.approx(parts["until"].tolist())
    assert all(bool(bar.get_hatch()) == (bar.get_width() < 0) for bar in bars[1:-1])


def test_one_number_is_shown_with_its_interval_and_what_came(numbers):
    shown = ContributionDisplay.from_walk_forward(numbers.walk, row=5, coverage=0.8)
    said = numbers.walk.explanations["ours"][5]
    assert shown.interval() == pytest.approx(tuple(said.interval(0.8)[0]))
    assert shown.outcome == numbers.walk.outcome.iloc[5]
    shown.plot()
    assert legend(shown.ax_) == [
        "interval that holds 80 % of outcomes", f"what came true: {shown.outcome:.3g}",
    ]  # fmt: skip
    details = shown.ax_.texts[-1].get_text()
    assert "2020-06-04, regime" in details
    live = ContributionDisplay.from_live(numbers.live, id=str(N_TRAIN + 5))
    assert live.frame()["contribution"].tolist() == pytest.approx(shown.frame()["contribution"].tolist())
    with pytest.raises(ValueError, match="the journal has no 'unheard of'"):
        ContributionDisplay.from_live(numbers.live, id="unheard of")
    with pytest.raises(ValueError, match=r"row of ContributionDisplay.from_walk_forward must be an integer"):
        ContributionDisplay.from_walk_forward(numbers.walk, row=N_LIVE)
    with pytest.raises(ValueError, match="coverage of interval must be one of those that are tracked"):
        ContributionDisplay.from_walk_forward(numbers.walk, coverage=0.77)
    with pytest.raises(ValueError, match="label of ContributionDisplay is for classes"):
        ContributionDisplay.from_walk_forward(numbers.walk, label="up")


def test_of_classes_one_is_taken_apart(classes):
    up, down = (
        ContributionDisplay.from_estimator(
            classes.estimator, classes.X[-1:], regimes=classes.regimes[-1:], label=label
        ).frame()
        for label in ("up", "down")
    )
    assert up["until"].iloc[-1] + down["until"].iloc[-1] == pytest.approx(1)
    with pytest.raises(ValueError, match=r"must be one of the classes \['down', 'up'\]; got 'sideways'"):
        ContributionDisplay.from_walk_forward(classes.walk, label="sideways")


def test_agreement_is_the_correlation_of_errors(numbers):
    shown = made(AgreementDisplay, "from_walk_forward", numbers)
    said = numbers.walk.member_predictions["ours"]
    expected = said.sub(numbers.walk.outcome, axis=0).corr()
    for pair in shown.frame().itertuples():
        assert pair.correlation == pytest.approx(expected.loc[pair.model, pair.other])
        assert pair.n == N_LIVE
    assert sorted(shown.order()) == ["a", "b", "tree"]
    shown.plot()
    assert [text.get_text() for text in shown.ax_.get_yticklabels()] == shown.order()
    texts = [text.get_text() for text in shown.ax_.texts]
    assert texts.count(f"{expected.loc['a', 'b']:.2f}") == 2
    assert "n = 90" in texts[-1]
    ledger = numbers.estimator.ledger_.error_correlations()
    assert AgreementDisplay.from_estimator(numbers.estimator).frame().equals(ledger)


def test_models_that_err_alike_stand_beside_each_other():
    names = ["a1", "b1", "a2", "b2"]
    alike = {("a1", "a2"): 0.9, ("b1", "b2"): 0.8}
    pairs = [(i, j, 20, alike.get((i, j), 0.0)) for k, i in enumerate(names) for j in names[k + 1 :]]
    shown = AgreementDisplay(pd.DataFrame(pairs, columns=["model", "other", "n", "correlation"]), names)
    order = [name[0] for name in shown.order()]
    assert order in (list("aabb"), list("bbaa"))
    shown.plot()
    # Fewer than thirty outcomes in common: every pair, twice.
    assert len(shown.ax_.patches) == 12
    one = AgreementDisplay(pd.DataFrame(pairs[:0], columns=["model", "other", "n", "correlation"]), ["alone"])
    assert one.plot().order() == ["alone"]


def test_reliability_counts_as_the_record_does(story):
    shown = made(ReliabilityDisplay, "from_walk_forward", story)
    said, walk = story.walk.explanations["ours"], story.walk
    if said.classes is None:
        right = (np.sign(said.prediction) == np.sign(walk.outcome)).to_numpy(dtype=float)
        low, high = said.interval(0.8).T
        held = (low <= walk.outcome) & (walk.outcome <= high)
    else:
        right = (said.prediction == walk.outcome).to_numpy(dtype=float)
        held = said.possible(0.8)[np.arange(N_LIVE), [said.classes.index(label) for label in walk.outcome]]
    record = AdaptiveConfidence(2).updated(said.nominal, right, said.memberships, stated=said.confidence)
    expected = record.reliability(said.regimes).drop("all", level="stated").reset_index(names=["regime", "bin"])
    frame = shown.frame()
    found = frame[frame["kind"] == "confidence"].reset_index(drop=True)
    assert found["regime"].tolist() == expected["regime"].tolist()
    for name, counted in {"stated": "stated", "n": "n", "realised": "right", "low": "low", "high": "high"}.items():
        assert found[name].tolist() == pytest.approx(expected[counted].tolist())
    pooled = frame.query("kind == 'coverage' and regime == 'pooled' and stated == 0.8")
    assert pooled["realised"].item() == pytest.approx(np.mean(held))
    assert pooled["n"].item() == N_LIVE
    calm = frame.query("kind == 'coverage' and regime == 'calm' and stated == 0.8")
    assert calm["realised"].item() == pytest.approx(np.mean(np.asarray(held)[walk.regimes == "calm"]))
    shown.plot()
    assert legend(shown.axes_[1]) == ["calm", "wild", "pooled"]
    assert "sets" in shown.axes_[1].get_xlabel() or said.classes is None
    counts = [text.get_text() for text in shown.axes_[1].texts]
    assert counts.count("90") == len(said.coverages)


@pytest.mark.parametrize("classes", [False, True])
def test_whiskers_know_that_rows_of_one_time_share_their_fate(classes):
    X, y, regimes = (values.iloc[np.arange(80).repeat(5)] for values in rows(80))
    y = y + 0.3 * np.random.default_rng(0).normal(size=400)
    ours = regressor()
    if classes:
        y, ours = y.gt(0).map({True: "up", False: "down"}), RegimeAwareEnsembleClassifier([("a", LogisticRegression())])
    walk = walk_forward({"ours": ours}, X, y, regimes=regimes, initial=200, outcome_delay=2)
    said = walk.explanations["ours"]
    if classes:
        held = said.possible(0.8)[np.arange(200), np.searchsorted(said.classes, walk.outcome)]
    else:
        low, high = said.interval(0.8).T
        held = (low <= walk.outcome) & (walk.outcome <= high)
    frame = ReliabilityDisplay.from_walk_forward(walk).frame().query("kind == 'coverage' and stated == 0.8")
    for regime, share in {**walk.memberships, "pooled": np.ones(200)}.items():
        own = frame[frame["regime"] == regime]
        bounds = rate_interval(held, share, walk.moments, overlap=walk.overlap)
        assert own[["low", "high"]].to_numpy().ravel().tolist() == pytest.approx(bounds)
    narrow = wilson_interval(own["realised"].item() * 200, 200)
    assert (own["high"] - own["low"]).item() > 1.3 * (narrow[1] - narrow[0])


def test_of_weights_of_rows_only_the_ratios_matter():
    X, y, _ = rows(140)
    one, thousand = (
        walk_forward({"ours": regressor()}, X, y, initial=90, sample_weight=np.full(140, weight))
        for weight in (1.0, 1000.0)
    )
    reliability = ReliabilityDisplay.from_walk_forward(thousand).frame().query("kind == 'coverage'")
    assert reliability["n"].tolist() == pytest.approx([50.0] * len(reliability))
    assert AgreementDisplay.from_walk_forward(thousand).frame()["n"].tolist() == pytest.approx([50.0] * 3)
    regrets = [CumulativeLossDisplay.from_walk_forward(walk).frame() for walk in (one, thousand)]
    # The weights change nothing but what an ensemble learns from them.
    assert 0.1 < (regrets[1]["regret"].abs().max() / regrets[0]["regret"].abs().max()) < 10


def test_reliability_of_an_estimator_is_its_own_record(story):
    frame = made(ReliabilityDisplay, "from_estimator", story).frame()
    ensemble = story.estimator
    bounds = ensemble.sets_ if hasattr(ensemble, "classes_") else ensemble.intervals_
    expected = bounds.coverage_frame(ensemble.regimes_)
    assert frame.query("kind == 'coverage'")["realised"].tolist() == pytest.approx(expected["realised"].tolist())
    n = ensemble.confidence_.reliability(ensemble.regimes_).xs("all", level="stated")["n"]
    assert frame.query("kind == 'confidence'").groupby("regime")["n"].sum().to_dict() == n.to_dict()


def test_a_series_is_drawn_over_its_regimes():
    times = pd.date_range("2024-01-01", periods=5)
    price = pd.Series([1.0, 2.0, 3.0, 4.0, 5.0], index=times, name="price (USD)")
    shown = RegimesDisplay(price, ["calm", "calm", "wild", None, "calm"]).plot()
    assert shown.frame()["regime"].tolist() == ["calm", "calm", "wild", None, "calm"]
    assert shown.ax_.get_ylabel() == "price (USD)"
    assert legend(shown.ax_) == ["calm: n = 3 in 2", "wild: n = 1 in 1", "unknown: n = 1 in 1"]
    (drawn,) = [line for line in shown.ax_.get_lines() if len(line.get_xdata()) == 5]
    assert drawn.get_ydata().tolist() == price.tolist()
    assert [num2date(x).date() for x in drawn.get_xdata()] == list(times.date)
    for wrong in (["a", "b"], np.zeros((5, 1))):
        with pytest.raises(ValueError, match="series of RegimesDisplay"):
            RegimesDisplay(wrong, ["calm"] * 4)


def test_a_series_may_be_given_by_label(numbers):
    longer = pd.Series(np.arange(300.0), index=pd.date_range("2020-01-01", periods=300), name="price")
    shown = RegimesDisplay.from_walk_forward(numbers.walk, series=longer)
    assert shown.frame()["price"].tolist() == longer[N_TRAIN : N_TRAIN + N_LIVE].tolist()
    assert RegimesDisplay.from_walk_forward(numbers.walk).frame()["outcome"].tolist() == numbers.walk.outcome.tolist()


def test_classes_are_no_series(classes):
    with pytest.raises(ValueError, match="series of RegimesDisplay must be numbers; got"):
        RegimesDisplay.from_walk_forward(classes.walk)


# How they look.


def lightness(colour):
    red, green, blue = mpl.colors.to_rgb(colour)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def test_nothing_is_told_by_colour_alone():
    assert len(set(HATCHES)) == len(COLOURS)
    assert len(set(map(str, LINES))) == len(LINE_COLOURS)
    assert all(lightness(colour) < 0.67 for colour in LINE_COLOURS)


@pytest.mark.parametrize("n_regimes", [1, 2, 3, 4, 7])
def test_bands_of_regimes_are_told_apart_in_grey(n_regimes):
    ax = Figure().subplots()
    memberships = pd.DataFrame(np.vstack([np.eye(n_regimes), np.zeros((1, n_regimes))]))
    handles = draw_bands(ax, axis_of(memberships.index), memberships)
    assert [handle.get_label() for handle in handles] == [*map(str, range(n_regimes)), "unknown"]
    looks = {(round(lightness(handle.get_facecolor()[:3]), 2), handle.get_hatch()) for handle in handles}
    assert len(looks) == n_regimes + 1


def test_bands_cover_the_rows_of_their_regime_and_nothing_is_drawn_of_one():
    ax = Figure().subplots()
    memberships = pd.DataFrame({"calm": [1, 1, 0, 0, 1], "wild": [0, 0, 1, 1, 0]}, index=[2, 3, 4, 5, 6])
    draw_bands(ax, axis_of(memberships.index), memberships)
    calm, wild = ax.collections
    assert [path.get_extents().intervalx.tolist() for path in calm.get_paths()] == [[2, 4], [6, 7]]
    assert [path.get_extents().intervalx.tolist() for path in wild.get_paths()] == [[4, 6]]
    assert draw_bands(ax, axis_of(memberships.index), memberships[["calm"]].clip(lower=1)) == []
    assert draw_bands(ax, axis_of(memberships.index), memberships[[]]) == []


def test_a_long_line_keeps_its_extremes():
    random = np.random.default_rng(0)
    values = random.normal(size=100_000).cumsum()
    values[[3_333, 77_777]] = [1e6, -1e6]
    values[500:600] = np.nan
    kept = thinned(values)
    assert len(kept) <= 4_000
    assert {0, len(values) - 1, 3_333, 77_777} <= set(kept.tolist())
    assert (np.diff(kept) > 0).all()
    for start, stop in zip(
        starts_of_stretches(len(values)), [*starts_of_stretches(len(values))[1:], None], strict=True
    ):
        own = kept[(kept >= start) & (kept < (stop or len(values)))]
        if np.isfinite(values[start:stop]).any():
            assert np.nanmax(values[own]) == np.nanmax(values[start:stop])
            assert np.nanmin(values[own]) == np.nanmin(values[start:stop])
    assert thinned(values[:3_000]).tolist() == list(range(3_000))


def test_a_long_series_makes_few_shapes_and_its_weights_still_add_up():
    n = 200_000
    random = np.random.default_rng(0)
    weights = pd.DataFrame(random.dirichlet([1.0, 1.0, 1.0], n), columns=["a", "b", "c"])
    memberships = pd.DataFrame(np.eye(2)[random.integers(0, 2, n)], columns=["calm", "wild"])
    shown = WeightsDisplay(weights, memberships).plot()
    assert len(shown.frame()) == n
    areas = [area for area in shown.ax_.collections if "%" in area.get_label()]
    bands = [band for band in shown.ax_.collections if "%" not in band.get_label()]
    assert sum(len(area.get_paths()[0].vertices) for area in areas) < 3 * 5_000
    assert sum(len(band.get_paths()) for band in bands) <= 1_000
    top = areas[-1].get_paths()[0].vertices[:, 1].max()
    assert top == pytest.approx(1)
    lines = CumulativeLossDisplay(weights.rename(columns={"a": "ours"}), memberships).plot().axes_[0].get_lines()
    assert max(len(line.get_xdata()) for line in lines) <= 4_000


def test_rows_of_one_time_are_drawn_as_one():
    times = pd.DatetimeIndex(["2024-01-01"] * 2 + ["2024-01-02"] * 2)
    weights = pd.DataFrame({"a": [0.0, 1.0, 0.5, 0.7], "b": [1.0, 0.0, 0.5, 0.3]}, index=times)
    shown = WeightsDisplay(weights, pd.DataFrame(index=times)).plot()
    lower = shown.ax_.collections[0].get_paths()[0].vertices
    assert set(np.round(lower[:, 1], 9)) == {0.0, 0.5, 0.6}
    assert len(shown.frame()) == 4


def test_rows_stand_at_their_times_or_numbers():
    aware = pd.date_range("2024-01-01", periods=2, tz="Europe/Berlin")
    assert axis_of(aware).x.tolist() == date2num(aware.tz_localize(None)).tolist()
    assert axis_of(pd.PeriodIndex(["2024-01", "2024-02"], freq="M")).has_times
    assert axis_of(pd.Index([5, 7])).x.tolist() == [5, 7]
    assert axis_of(pd.Index([7, 5])).x.tolist() == [0, 1]
    assert axis_of(pd.Index(["x", "y"])).x.tolist() == [0, 1]
    assert span(aware) == "2024-01-01 to 2024-01-02, n = 2"
    assert span(pd.RangeIndex(3), "rows") == "rows 0 to 2, n = 3"
    assert span(pd.RangeIndex(0)) == "n = 0"


@pytest.mark.parametrize("size", [(4.0, 3.0), (2.7, 2.1)], ids=str)
@pytest.mark.parametrize("display", DISPLAYS)
def test_in_a_small_place_nothing_is_written_over(display, size, numbers):
    figure = Figure(figsize=size, layout="constrained")
    shown = made(display, "from_walk_forward", numbers).plot(figure.add_subplot())
    # Where the layout finds no room it warns.
    figure.canvas.draw()
    own = [shown.ax_] if hasattr(shown, "ax_") else shown.axes_
    for axes in own:
        assert axes.bbox.width > 0.2 * figure.bbox.width
        assert scale_of(axes) < 1
        for line in (axes.xaxis, axes.yaxis):
            boxes = [text.get_window_extent() for text in line.get_ticklabels() if text.get_text() in seen(line)]
            low, high = ("x0", "x1") if line is axes.xaxis else ("y0", "y1")
            boxes.sort(key=lambda box, end=low: getattr(box, end))
            assert all(getattr(one, high) <= getattr(next_one, low) for one, next_one in pairwise(boxes))
        texts = [text for text in axes.findobj(Text) if text.get_visible() and text.get_text().strip()]
        assert min(text.get_fontsize() for text in texts) > 3.5
        inside = [text.get_window_extent() for text in axes.texts if text.get_text() and text.get_in_layout()]
        assert not any(one.overlaps(other) for one, other in combinations(inside, 2))
    # A figure of its own is as it always was.
    plain = made(display, "from_walk_forward", numbers).plot()
    assert {scale_of(axes) for axes in plain.figure_.axes} == {1.0}
    pyplot.close("all")


def seen(line):
    """What is written at the ticks that the picture holds; nothing that is turned aside."""
    low, high = sorted(line.get_view_interval())
    ticks = [tick for tick in line.get_major_ticks() if low <= tick.get_loc() <= high and tick.label1.get_visible()]
    return {tick.label1.get_text() for tick in ticks if not tick.label1.get_rotation()}


def test_three_panels_need_a_place_that_can_be_divided():
    losses = pd.DataFrame({"ours": [1.0], "theirs": [1.0]})
    profits = pd.DataFrame({"ours": [1.0]})
    shown = CumulativeLossDisplay(losses, pd.DataFrame(index=losses.index), profits_bps=profits)
    with pytest.raises(ValueError, match="draws 3 panels in the place of ax, which must come from subplots"):
        shown.plot(Figure().add_axes([0, 0, 1, 1]))


def test_a_journal_tells_what_was_said_and_by_whom(numbers, tmp_path):
    said = numbers.live.explanation()
    assert said.index.tolist() == [str(i) for i in range(N_TRAIN, N_TRAIN + N_LIVE)]
    assert np.array_equal(said.weights, numbers.walk.explanations["ours"].weights)
    clock = numbers.live.to_frame(clock=True)
    assert (clock["heard"] >= clock["made"]).all()
    assert clock.drop(columns=["made", "heard"]).equals(numbers.live.to_frame())
    assert numbers.live.fitted(1).ledger_ != numbers.estimator.ledger_
    with pytest.raises(JournalError, match="There is no ensemble of version 2 in"):
        numbers.live.fitted(2)


def test_a_model_that_joins_later_is_asleep_before(tmp_path):
    X, y, _ = rows(120)
    models = regressor().estimators
    few, all_ = (RegimeAwareEnsembleRegressor(models[:n], combiner="dynamic").fit(X[:60], y[:60]) for n in (2, 3))
    with LiveEnsemble(few, tmp_path / "live.db") as live:
        for i in range(60, 120):
            if i == 90:
                live.adopt(all_)
            live.predict(X.iloc[[i]], id=str(i))
            live.feedback(str(i), y=y.iloc[i])
        shown = {display: display.from_live(live) for display in DISPLAYS if display is not RegimesDisplay}
    assert shown[WeightsDisplay].frame()["tree"].gt(0).tolist() == [False] * 30 + [True] * 30
    counts = shown[RegimePerformanceDisplay].frame().query("regime == 'pooled'").set_index("performer")["n"]
    assert counts.to_dict() == {
        "a": 60,
        "b": 60,
        "tree": 30,
        "live ensemble": 60,
        "equal weights": 60,
        "best single": 60,
    }
    assert shown[AgreementDisplay].frame()["n"].tolist() == [60, 30, 30]
    for each in shown.values():
        each.plot().figure_.canvas.draw()


def test_names_are_no_formulas_and_none_is_left_out():
    X, y, regimes = rows(90)
    names = {"a": "_costs $5", "b": r"$\nonsense$ of a name that is very much longer than it need be", "tree": "a\nb"}
    models = [(names[name], model) for name, model in regressor().estimators]
    regimes = regimes.map({"calm": "$calm$ % {x}", "wild": "_wild"})
    walk = walk_forward(
        {"$us$": RegimeAwareEnsembleRegressor(models, combiner="dynamic")}, X, y, initial=60, regimes=regimes
    )
    for display in DISPLAYS:
        shown = display.from_walk_forward(walk).plot()
        shown.figure_.canvas.draw()
        axes = shown.axes_ if hasattr(shown, "axes_") else [shown.ax_]
        texts = [text for ax in axes for text in (ax.get_legend().get_texts() if ax.get_legend() else [])]
        assert not any(text.get_parse_math() for text in texts)
    words = legend(WeightsDisplay.from_walk_forward(walk).plot().ax_)
    assert any(word.startswith(" _costs $5: ") for word in words)
    assert " _wild" in words


def test_nothing_has_been_said_yet(tmp_path, numbers):
    with LiveEnsemble(numbers.estimator, tmp_path / "live.db") as live:
        for display in DISPLAYS:
            with pytest.raises(ValueError, match="Nothing has been said yet"):
                display.from_live(live)


def test_outcomes_without_their_rows_get_a_sentence(numbers):
    with pytest.raises(ValueError, match="got y or regimes, but not their rows: pass X, too"):
        CumulativeLossDisplay.from_estimator(numbers.estimator, y=numbers.y)
    with pytest.raises(ValueError, match="needs the outcomes of X: pass y, too"):
        CumulativeLossDisplay.from_estimator(numbers.estimator, numbers.X)
    with pytest.raises(ValueError, match="has 3 outcomes for 4 rows of X"):
        CumulativeLossDisplay.from_estimator(
            numbers.estimator, numbers.X[:4], numbers.y[:3], regimes=numbers.regimes[:4]
        )

"""What would have happened: the loop of a live process to the last bit, and nothing known before its time."""

import pickle
import tracemalloc
import warnings
from dataclasses import fields, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import polars
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.cluster import KMeans
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import StackingRegressor, VotingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skensemble import (
    ModelFailureWarning,
    RegimeAwareEnsembleClassifier,
    RegimeAwareEnsembleRegressor,
    walk_forward,
)
from skensemble.evaluation import change_interval, difference_interval
from skensemble.evaluation._schedule import make_schedule
from skensemble.losses import AbsoluteLoss
from skensemble.performance import mean_interval, sharpe_interval, wilson_interval
from skensemble.regimes import OrderedRegimes, SingleRegime, VolatilityRegimes

N, INITIAL = 160, 80
COMBINERS = ["weighted_voting", "stacking", "dynamic", "weighted_combiners"]
SURE = ("confidence", "nominal", "limits")
every_combiner = pytest.mark.parametrize("combiner", COMBINERS)


def made(n=N, seed=0, classes=False):
    rng = np.random.RandomState(seed)
    X = pd.DataFrame(rng.standard_normal((n, 3)), columns=list("abc"), index=pd.bdate_range("2019-06-03", periods=n))
    state = (np.arange(n) // 20) % 2
    signal = np.where(state == 0, X["a"], 2.0 * (X["b"] > 0) - 1.0)
    y = pd.Series(signal + 0.3 * rng.standard_normal(n), X.index)
    if classes:
        y = pd.Series(np.select([y < -0.5, y > 0.5], ["down", "up"], "flat"), X.index)
    return X, y, pd.Series(np.array(["line", "step"])[state], X.index)


def ensemble(combiner="dynamic", classes=False, **params):
    if classes:
        models = [("tree", DecisionTreeClassifier(max_depth=2, random_state=0)), ("prior", DummyClassifier())]
        return RegimeAwareEnsembleClassifier(models, combiner=combiner, cv=2, random_state=0, **params)
    models = [("tree", DecisionTreeRegressor(max_depth=2, random_state=0)), ("mean", DummyRegressor())]
    return RegimeAwareEnsembleRegressor(models, combiner=combiner, cv=2, random_state=0, **params)


def by_hand(model, X, y, regimes=None, *, initial, refit_every, delay, groups=None):
    """The loop that a user would write: outcomes come back with what was said, then a retrain, then the next row."""
    n, said, told = len(X), {}, initial
    model = clone(model).set_params(warm_start=True)
    moments = [np.flatnonzero(X.index == moment) for moment in X.index.unique()]
    firsts = {int(rows[0]): rows for rows in moments}

    def known_before(row):
        known = sum(1 for other in range(row) if other + delay <= row and X.index[other] < X.index[row])
        return max(first for first in firsts if first <= known)

    def some(values, rows):
        return None if values is None else values.iloc[rows]

    for start, rows in firsts.items():
        if start < initial:
            continue
        known = known_before(start)
        while told < known:
            first = max(first for first in firsts if first <= told)
            due = np.arange(told, min(known, first + len(firsts[first])))
            explanation = said[first][due[0] - first : due[-1] - first + 1]
            model.partial_update(predictions=explanation, y=y.iloc[due], groups=some(groups, due))
            told = int(due[-1]) + 1
        if start == initial or (refit_every and (start - initial) % refit_every == 0):
            past = slice(0, known)
            model.fit(X.iloc[past], y.iloc[past], regimes=some(regimes, past), groups=some(groups, past))
            if known < start:
                model.remember(X.iloc[known:start])
        said[start] = model.explain(X.iloc[rows], regimes=some(regimes, rows))
        model.remember(X.iloc[rows])
    assert n > initial
    return model, said


def assert_same_walk(walk, name, model, said):
    got = walk.explanations[name]
    place = 0
    for piece in said.values():
        rows = slice(place, place + len(piece))
        place += len(piece)
        for field in (
            *("combined", "weights", "member_predictions", "memberships", "contributions", "best_so_far"),
            *SURE,
        ):
            mine, theirs = getattr(got, field)[rows], getattr(piece, field)
            np.testing.assert_array_equal(mine[..., : theirs.shape[-1]] if mine.ndim > 1 else mine, theirs)
    assert place == len(got)
    lived = walk.estimators[name]
    assert lived.ledger_ == model.ledger_
    assert (lived._certainty.bounds, lived.confidence_) == (model._certainty.bounds, model.confidence_)
    pd.testing.assert_frame_equal(lived.weights_, model.weights_, check_exact=True)


# The same as the loop by hand.


@every_combiner
@pytest.mark.parametrize("classes", [False, True])
@pytest.mark.parametrize(("delay", "refit_every"), [(0, 30), (3, 25), (7, None)])
def test_it_is_the_loop_of_a_live_process_bit_for_bit(combiner, classes, delay, refit_every):
    X, y, regimes = made(classes=classes)
    model = ensemble(combiner, classes, label_horizon=delay)
    walk = walk_forward(
        {"it": model}, X, y, regimes=regimes, initial=INITIAL, refit_every=refit_every, outcome_delay=delay
    )
    plan = {"initial": INITIAL, "refit_every": refit_every, "delay": delay}
    assert_same_walk(walk, "it", *by_hand(model, X, y, regimes, **plan))


@pytest.mark.parametrize("delay", [0, 4])
@pytest.mark.parametrize(
    "detector",
    [
        VolatilityRegimes("a", window=5),
        OrderedRegimes(DecisionTreeRegressor, min_dwell=3),
        lambda X: np.where(X["a"] > 0, "up", "down"),
        None,
    ],
    ids=["windows", "dwelling", "function", "none"],
)
def test_detectors_that_look_back_see_every_row(detector, delay):
    X, y, _ = made()
    if isinstance(detector, OrderedRegimes):
        detector = OrderedRegimes(min_dwell=3, columns=["a"], by="a")
    model = ensemble(regime_detector=detector, label_horizon=delay)
    walk = walk_forward({"it": model}, X, y, initial=INITIAL, refit_every=30, outcome_delay=delay)
    assert_same_walk(walk, "it", *by_hand(model, X, y, initial=INITIAL, refit_every=30, delay=delay))
    if isinstance(detector, VolatilityRegimes):
        # Only the rows at the very beginning have no window behind them.
        assert (walk.memberships.sum(axis=1) == 1).all()


def panel(n_days=60, assets=("AAA", "BBB", "CCC")):
    rng = np.random.RandomState(1)
    days = pd.bdate_range("2020-01-01", periods=n_days).repeat(len(assets))
    X = pd.DataFrame(rng.standard_normal((len(days), 2)), columns=["a", "b"], index=days)
    y = pd.Series(X["a"].to_numpy() + 0.5 * rng.standard_normal(len(days)), days)
    return X, y, pd.Series(np.tile(assets, n_days), days)


@every_combiner
@pytest.mark.parametrize("delay", [0, 6])
def test_rows_of_one_timestamp_live_together(combiner, delay):
    X, y, groups = panel()
    model = ensemble(combiner, label_horizon=delay)
    walk = walk_forward({"it": model}, X, y, groups=groups, initial=90, refit_every=45, outcome_delay=delay)
    assert_same_walk(walk, "it", *by_hand(model, X, y, groups=groups, initial=90, refit_every=45, delay=delay))
    by_group = walk.estimators["it"].group_ledger_
    assert by_group.regimes == ("AAA", "BBB", "CCC")
    counts = by_group.frame().query("window == 'lifetime' and performer == 'ensemble'").set_index("regime")["n"]
    assert counts["AAA"] == counts["pooled"] / 3


# Nothing before its time.


@every_combiner
@pytest.mark.parametrize("delay", [1, 5])
def test_an_altered_future_moves_nothing_before_it_is_known(combiner, delay):
    X, y, regimes = made()
    changed = 120
    later = y.copy()
    later.iloc[changed] += 50.0
    rivals = {"it": ensemble(combiner, label_horizon=delay), "tree": DecisionTreeRegressor(random_state=0)}
    plan = {"initial": INITIAL, "refit_every": 25, "outcome_delay": delay, "regimes": regimes}
    one, other = (walk_forward(rivals, X, target, **plan) for target in (y, later))
    heard = changed + max(delay, 1) - INITIAL
    for name in one.rivals:
        np.testing.assert_array_equal(one.predictions[name][:heard], other.predictions[name][:heard])
    for field in ("weights", "memberships", "member_predictions", *SURE):
        mine, theirs = (getattr(walk.explanations["it"], field)[:heard] for walk in (one, other))
        np.testing.assert_array_equal(mine, theirs)
    assert not one.predictions.iloc[heard:].equals(other.predictions.iloc[heard:])
    # Features of later rows, and later rows themselves, do not matter either.
    moved = X.copy()
    moved.iloc[changed:] = 7.0
    again = walk_forward(rivals, moved, y, **plan)
    short = walk_forward(rivals, X[:changed], y[:changed], **plan | {"regimes": regimes[:changed]})
    for walk in (again, short):
        pd.testing.assert_frame_equal(
            walk.predictions[: changed - INITIAL], one.predictions[: changed - INITIAL], check_exact=True
        )


def test_outcomes_of_one_timestamp_do_not_know_each_other():
    X, y, _ = panel()
    later = y.copy()
    later.iloc[120] += 50.0  # the first of three rows of its day
    one, other = (walk_forward({"it": ensemble()}, X, target, initial=90) for target in (y, later))
    np.testing.assert_array_equal(one.predictions["it"][:33], other.predictions["it"][:33])
    assert not np.array_equal(one.predictions["it"][33:], other.predictions["it"][33:])


def test_a_label_longer_than_the_delay_is_refused():
    X, y, _ = made()
    with pytest.raises(ValueError, match=r"outcome_delay of walk_forward is shorter than label_horizon=5.*'it'"):
        walk_forward({"it": ensemble(label_horizon=5)}, X, y, initial=INITIAL)
    with pytest.raises(ValueError, match="Pass outcome_delay='7D' or more"):
        walk_forward({"it": ensemble(label_horizon="7D")}, X, y, initial=INITIAL, outcome_delay=2)
    walk_forward({"it": ensemble(label_horizon="7D")}, X, y, initial=INITIAL, outcome_delay="7D")


# When is trained on what.


def periods(n=20, times=None, **words):
    words = {"initial": 8, "refit_every": None, "window": None, "outcome_delay": 0} | words
    return [(p.train.start, p.train.stop, p.start, p.stop) for p in make_schedule(n, times, **words).periods]


def test_rows_and_calendars_say_when_to_retrain():
    assert periods() == [(0, 8, 8, 20)]
    assert periods(refit_every=5) == [(0, 8, 8, 13), (0, 13, 13, 18), (0, 18, 18, 20)]
    assert periods(refit_every=6, window=4, outcome_delay=3) == [(2, 6, 8, 14), (8, 12, 14, 20)]
    days = pd.date_range("2023-12-25", periods=20)
    assert periods(times=days, initial="2023-12-28", refit_every="YS") == [(0, 3, 3, 7), (0, 7, 7, 20)]
    assert periods(times=days, refit_every="7D", window="5D") == [(3, 8, 8, 15), (10, 15, 15, 20)]
    assert periods(times=days, outcome_delay="2D", window=3) == [(4, 7, 8, 20)]
    assert periods(times=days.tz_localize("UTC"), initial="2023-12-28")[0][2] == 3
    assert periods(times=days, refit_every=np.timedelta64(7, "D"), window=np.timedelta64(5, "D")) == periods(
        times=days, refit_every="7D", window="5D"
    )
    # A month begins with its first row, whatever the hour.
    hours = pd.date_range("2023-12-30 16:30", periods=20, freq="8h")
    assert periods(times=hours, initial=2, refit_every="MS") == [(0, 2, 2, 4), (0, 4, 4, 20)]
    # Rows of one time are never parted.
    twice = days[:10].repeat(2)
    assert periods(times=twice, initial=7, refit_every=5) == [(0, 6, 6, 10), (0, 10, 10, 16), (0, 16, 16, 20)]
    assert periods(times=twice, outcome_delay=3) == [(0, 6, 8, 20)]


def test_a_training_ends_before_the_first_outcome_that_is_not_known():
    X, y, _ = made()

    class Counts(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            self.last_ = X.index[-1]
            self.n_ = len(X)
            return self

        def predict(self, X):
            return np.full(len(X), float(self.n_))

    walk = walk_forward({"it": Counts()}, X, y, initial=100, refit_every=20, window=50, outcome_delay=4)
    assert walk.predictions["it"].unique().tolist() == [50.0]
    assert walk.estimators["it"].last_ == X.index[140 - 4]
    assert walk.trainings["judged_from"].tolist() == [X.index[100], X.index[120], X.index[140]]
    assert walk.trainings["n_judged"].tolist() == [20, 20, 20]


class Late(BaseEstimator):
    """A model that needs many rows."""

    def __init__(self, model=None, since=100):
        self.model = model
        self.since = since

    def fit(self, X, y):
        if len(X) < self.since:
            raise ValueError("too few rows")
        self.model_ = clone(self.model).fit(X, y)
        if hasattr(self.model_, "classes_"):
            self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)

    def __sklearn_tags__(self):
        return self.model.__sklearn_tags__()


class Counting(RegressorMixin, BaseEstimator):
    fits: ClassVar[list[float]] = []

    def __init__(self, slope=1.0):
        self.slope = slope

    def fit(self, X, y):
        Counting.fits.append(self.slope)
        return self

    def predict(self, X):
        return self.slope * X["a"].to_numpy()


def test_equal_trainings_are_made_once():
    fits = Counting.fits
    fits.clear()
    X, y, _ = made()

    def pool(combiner, *slopes):
        models = [(f"m{slope}", Counting(slope)) for slope in slopes]
        return RegimeAwareEnsembleRegressor(models, combiner=combiner, cv=2, random_state=0)

    rivals = {combiner: pool(combiner, 1.0, 0.5) for combiner in COMBINERS}
    alone = walk_forward({"dynamic": rivals["dynamic"]}, X, y, initial=INITIAL, refit_every=40)
    n_fits = len(fits)
    # Two models, once in each of two folds and twice on all rows.
    assert n_fits == 2 * 4
    fits.clear()
    walk = walk_forward(rivals, X, y, initial=INITIAL, refit_every=40)
    assert len(fits) == n_fits
    assert walk.predictions["dynamic"].equals(alone.predictions["dynamic"])
    fits.clear()
    walk_forward(rivals | {"other": pool("dynamic", 1.0, 0.2)}, X, y, initial=INITIAL, refit_every=40)
    assert len(fits) == n_fits * 3 // 2


# Rivals.


def test_any_estimator_may_be_a_rival_and_the_plain_ones_are_always_there():
    X, y, regimes = made()
    rivals = {
        "line": LinearRegression(),
        "scaled": make_pipeline(StandardScaler(), Ridge()),
        "ensemble": ensemble(),
        "behind a scaler": make_pipeline(StandardScaler(), ensemble("stacking")),
    }
    walk = walk_forward(rivals, X, y, regimes=regimes, initial=INITIAL, refit_every=40)
    assert walk.rivals == (*rivals, "equal weights", "best single")
    line = LinearRegression()
    for start in (80, 120):
        now = slice(start - 80, start - 40)
        expected = line.fit(X[:start], y[:start]).predict(X[start : start + 40])
        np.testing.assert_array_equal(walk.predictions["line"][now], expected)
    said = walk.explanations["ensemble"].member_predictions[:, :, 0]
    np.testing.assert_array_equal(walk.predictions["equal weights"], 0.5 * said[:, 0] + 0.5 * said[:, 1])
    best = walk.predictions["best single"].to_numpy()[:, None]
    assert (best == said).any(axis=1).all()
    assert walk.estimators["behind a scaler"][-1].ledger_.frame()["n"].max() > 80


def test_the_best_single_model_is_the_one_of_least_loss_until_then():
    X, y, _ = made()
    walk = walk_forward({"it": ensemble(label_horizon=5)}, X, y, initial=INITIAL, outcome_delay=5)
    fold = walk.estimators["it"].out_of_fold_
    said = np.concatenate([fold.predictions, walk.explanations["it"].member_predictions])[:, :, 0]
    came = np.concatenate([fold.targets[:, 0], walk.outcome])
    first = len(fold.targets)
    for row in (0, 6, 30, 79):
        known = np.r_[0:first, first : first + max(row - 4, 0)]
        least = ((said[known] - came[known, None]) ** 2).mean(axis=0).argmin()
        assert walk.predictions["best single"].iloc[row] == said[first + row, least]


@pytest.mark.parametrize("classes", [False, True])
def test_each_model_may_be_judged_alone_and_may_have_been_asleep(classes):
    X, y, _ = made(classes=classes)
    model = ensemble(classes=classes)
    late = LogisticRegression() if classes else LinearRegression()
    model.set_params(estimators=[*model.estimators, ("late", Late(late, since=100))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ModelFailureWarning)
        walk = walk_forward({"it": model}, X, y, initial=INITIAL, refit_every=40, judge_models=True)
    names = model.get_params()["estimators"]
    assert walk.rivals == ("it", "equal weights", "best single", *(f"{name} alone" for name, _ in names))
    report = walk.report().set_index("rival")
    assert report.loc["tree alone", "n"] == 80
    assert report.loc["late alone", "n"] == 40
    if classes:
        assert walk.predictions["late alone"][:40].isna().all()
        assert walk.wins["late alone"][:40].isna().all()
    change = change_interval(walk.losses["late alone"][40:], walk.losses["it"][40:])
    assert report.loc["late alone", ["change", "change_low", "change_high", "verdict"]].tolist() == list(change)


def test_pools_of_other_models_have_rivals_of_their_own():
    X, y, _ = made()
    other = RegimeAwareEnsembleRegressor([("ridge", Ridge()), ("mean", DummyRegressor())], cv=2)
    walk = walk_forward({"a": ensemble(), "b": ensemble("stacking"), "c": other}, X, y, initial=INITIAL)
    assert walk.rivals[3:] == ("equal weights", "best single", "equal weights of c", "best single of c")


def test_a_detector_of_its_own_comes_before_the_regimes_that_were_passed():
    X, y, regimes = made()
    rivals = {"with": ensemble(), "without": ensemble(regime_detector=SingleRegime())}
    walk = walk_forward(rivals, X, y, regimes=regimes, initial=INITIAL)
    assert walk.explanations["with"].regimes == ("line", "step")
    assert walk.explanations["without"].regimes == ("all",)
    assert walk.regimes.equals(regimes[INITIAL:].rename("regime").astype(object))
    found = walk_forward({"it": ensemble(regime_detector=lambda X: X["a"] > 0)}, X, y, initial=INITIAL)
    assert found.memberships.columns.tolist() == [False, True]
    assert (found.regimes == (X["a"][INITIAL:] > 0)).all()


def test_a_new_class_is_learned_at_the_next_training():
    X, y, _ = made(classes=True)
    y.iloc[100:] = y.iloc[100:].where(y.iloc[100:] != "flat", "new")
    y.iloc[:100] = y.iloc[:100].where(y.iloc[:100] != "flat", "up")
    rivals = {"it": ensemble(classes=True), "line": LogisticRegression()}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The classes were", UserWarning)
        walk = walk_forward(rivals, X, y, initial=INITIAL, refit_every=40)
    assert walk.probabilities["it"].columns.tolist() == ["down", "new", "up"]
    before, after = walk.probabilities["it"]["new"][:40], walk.probabilities["it"]["new"][40:]
    assert (before == 0).all()
    assert after.mean() > 0
    assert np.isfinite(walk.losses.to_numpy()).all()
    np.testing.assert_allclose(walk.probabilities["it"].sum(axis=1), 1.0)


def test_rows_of_weight_zero_count_nowhere():
    X, y, regimes = made()
    weight = np.where(np.arange(N) % 4, 1.0, 0.0)
    spoiled = y.where(weight > 0, 1e3)
    rivals = {"it": ensemble(), "tree": DecisionTreeRegressor(random_state=0)}
    one, other = (
        walk_forward(rivals, X, target, regimes=regimes, sample_weight=weight, initial=INITIAL, refit_every=30)
        for target in (y, spoiled)
    )
    pd.testing.assert_frame_equal(one.predictions, other.predictions, check_exact=True)
    pd.testing.assert_frame_equal(one.report(), other.report())
    assert one.report().query("regime == 'pooled'")["n"].tolist() == [60.0] * 4


# When rows were, whatever says it.


def by_date_and_asset(X, y, groups):
    rows = pd.MultiIndex.from_arrays([X.index, groups], names=["date", "asset"])
    return X.set_axis(rows), y.set_axis(rows)


@pytest.mark.parametrize("combiner", COMBINERS)
def test_times_may_be_a_level_of_the_index(combiner):
    X, y, groups = panel()
    plan = {"initial": 90, "refit_every": "10D", "outcome_delay": 3}
    walk = walk_forward({"it": ensemble(combiner)}, X, y, **plan)
    same = walk_forward({"it": ensemble(combiner)}, *by_date_and_asset(X, y, groups), **plan)
    np.testing.assert_array_equal(same.predictions, walk.predictions)
    assert same.estimators["it"].ledger_ == walk.estimators["it"].ledger_
    assert same.estimators["it"].learned_until_ == walk.estimators["it"].learned_until_ > X.index[90]
    assert same.predictions.index.names == ["date", "asset"]
    with pytest.raises(ValueError, match="The rows of X must be in time order"):
        walk_forward(
            {"it": ensemble()}, *[part.sort_index(level=1) for part in by_date_and_asset(X, y, groups)], **plan
        )


@pytest.mark.parametrize("where", ["y", "periods"])
@pytest.mark.parametrize("delay", [0, 3])
def test_times_of_the_targets_and_periods_count_too(where, delay):
    X, y, _ = made()
    plan = {"initial": INITIAL, "refit_every": 30, "outcome_delay": delay}
    columns = X.to_numpy()
    same = walk_forward({"it": ensemble()}, pd.DataFrame(columns, index=X.index), y, **plan)
    rows = (columns, y) if where == "y" else (pd.DataFrame(columns, index=X.index.to_period("D")), y.to_numpy())
    walk = walk_forward({"it": ensemble()}, *rows, **plan)
    np.testing.assert_array_equal(walk.predictions, same.predictions)
    assert walk.estimators["it"].ledger_ == same.estimators["it"].ledger_
    assert walk.estimators["it"].learned_until_ == same.estimators["it"].learned_until_
    # Nothing was learned twice.
    frame = walk.estimators["it"].ledger_.frame().query("regime == 'pooled' and window == 'lifetime'")
    assert frame.set_index("performer").loc["ensemble", "n"] <= N


def test_the_best_so_far_does_not_know_rows_of_its_own_time():
    """By a shared shock, the model that is right of the first row is right of all rows of that day."""
    days = pd.bdate_range("2024-01-01", periods=40).repeat(3)
    shock = np.random.RandomState(0).choice([-1.0, 1.0], 40).repeat(3)
    X, y = pd.DataFrame({"a": np.zeros(120)}, index=days), pd.Series(shock, days)
    models = [(f"always {c}", DummyRegressor(strategy="constant", constant=c)) for c in (-1.0, 1.0)]
    model = RegimeAwareEnsembleRegressor(models, combiner="dynamic", cv=2)
    walk = walk_forward({"it": model}, X, y, initial=60)
    ledger = walk.estimators["it"].ledger_.frame().query("window == 'lifetime'").set_index("performer")
    fitted = clone(model).fit(X[:60], y[:60])
    said = fitted.explain(X[60:])
    fitted.partial_update(predictions=said, y=y[60:])
    at_once = fitted.ledger_.frame().query("window == 'lifetime'").set_index("performer")
    for frame in (ledger, at_once):
        # Squared errors are 0 or 4, and alike for all rows of a day.
        assert frame.loc["best so far", "loss"] > 1.0
    assert walk.losses["best single"].mean() > 1.0


# Where ensembles stand.


def test_an_ensemble_at_the_end_of_a_pipeline_in_a_pipeline_hears_of_outcomes():
    X, y, _ = made()
    scaled = make_pipeline(StandardScaler().set_output(transform="pandas"), ensemble())
    nested = make_pipeline("passthrough", make_pipeline(*(step for _, step in scaled.steps)))
    walk = walk_forward({"flat": scaled, "nested": nested, "it": ensemble()}, X, y, initial=INITIAL, refit_every=40)
    np.testing.assert_array_equal(walk.predictions["flat"], walk.predictions["nested"])
    assert set(walk.explanations) == {"flat", "nested", "it"}
    np.testing.assert_array_equal(walk.estimators["nested"].predict(X[-5:]), walk.estimators["flat"].predict(X[-5:]))


def test_an_ensemble_inside_something_else_is_told_nothing_and_that_is_said():
    X, y, _ = made()
    search = GridSearchCV(ensemble(label_horizon=3), {"combiner": ["dynamic"]}, cv=2)
    with pytest.warns(UserWarning, match="'search' of walk_forward holds an ensemble inside GridSearchCV"):
        walk_forward({"search": search}, X, y, initial=INITIAL, outcome_delay=3)
    with (
        pytest.warns(UserWarning, match="holds an ensemble inside"),
        pytest.raises(ValueError, match="outcome_delay of walk_forward is shorter than label_horizon=3"),
    ):
        walk_forward({"search": search}, X, y, initial=INITIAL)


@pytest.mark.parametrize("limit", [{"max_models": 1}, {"rest_after": 5, "min_weight": 0.3}])
def test_the_plain_rivals_are_made_of_all_models_whoever_rests(limit):
    X, y, _ = made()
    plan = {"initial": INITIAL, "refit_every": 20, "judge_models": True}
    walk = walk_forward({"it": ensemble(**limit)}, X, y, **plan)
    free = walk_forward({"it": ensemble()}, X, y, **plan)
    # Somebody rests, and the plain rivals do not mind.
    assert np.isnan(walk.member_predictions["it"].to_numpy()).any()
    plain = ["equal weights", "best single", "tree alone", "mean alone"]
    pd.testing.assert_frame_equal(walk.predictions[plain], free.predictions[plain], check_exact=True)


@pytest.mark.parametrize("form", ["csr_array", "coo_matrix"])
def test_sparse_rows_will_do(form):
    X, y, _ = made()
    X = X.where(X > 0, 0.0).to_numpy()
    models = [("line", Ridge()), ("mean", DummyRegressor())]
    model = RegimeAwareEnsembleRegressor(models, combiner="dynamic", cv=2)
    walk = walk_forward({"it": model, "line": Ridge()}, getattr(sparse, form)(X), y.to_numpy(), initial=INITIAL)
    same = walk_forward({"it": model, "line": Ridge()}, X, y.to_numpy(), initial=INITIAL)
    np.testing.assert_allclose(walk.predictions, same.predictions, rtol=1e-6)
    assert walk.trainings["judged_from"].tolist() == [INITIAL]


def test_a_detector_that_looks_back_needs_a_clock_and_says_so_before_anything_is_trained():
    X, y, _ = made()
    Counting.fits.clear()
    model = RegimeAwareEnsembleRegressor([("counting", Counting())], regime_detector=VolatilityRegimes(0, window=5))
    with pytest.raises(ValueError, match="VolatilityRegimes of the rival 'it' looks back over rows"):
        walk_forward({"it": model}, X.to_numpy(), y.to_numpy(), initial=INITIAL)
    assert not Counting.fits


def test_weights_reach_a_pipeline_that_asks_for_them():
    X, y, _ = made()
    weight = np.where(np.arange(N) % 2, 1.0, 0.5)
    with sklearn.config_context(enable_metadata_routing=True):
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        asks, silent = (make_pipeline(scaler, Ridge().set_fit_request(sample_weight=asks)) for asks in (True, False))
        walk = walk_forward({"asks": asks, "silent": silent}, X, y, sample_weight=weight, initial=INITIAL)
    for name, passed in {"asks": {"ridge__sample_weight": weight[:INITIAL]}, "silent": {}}.items():
        alone = make_pipeline(StandardScaler(), Ridge()).fit(X[:INITIAL], y[:INITIAL], **passed)
        np.testing.assert_allclose(walk.predictions[name], alone.predict(X[INITIAL:]))


def test_an_error_in_training_says_whose_it_is():
    X, y, _ = made()
    with pytest.raises(ValueError, match="too few rows") as raised:
        walk_forward({"line": Ridge(), "late": Late(Ridge(), since=300)}, X, y, initial=INITIAL)
    assert raised.value.__notes__ == ["This was the rival 'late', trained on rows 0 to 79."]


# What travels, and what stays as it was.


@pytest.mark.parametrize("kind", ["array", "list", "polars"])
def test_any_table_will_do(kind):
    X, y, regimes = made()
    given = {
        "array": lambda: (X.to_numpy(), y.to_numpy()),
        "list": lambda: (X.to_numpy().tolist(), y.tolist()),
        "polars": lambda: (polars.DataFrame(X.to_dict("list")), y.to_numpy()),
    }[kind]()
    rivals = {"it": ensemble(), "line": LinearRegression()}
    plan = {"initial": INITIAL, "refit_every": 30}
    walk = walk_forward(rivals, *given, regimes=regimes.tolist(), **plan)
    same = walk_forward(rivals, X, y, regimes=regimes, **plan)
    np.testing.assert_allclose(walk.predictions, same.predictions, rtol=1e-12)
    assert walk.predictions.index.tolist() == list(range(INITIAL, N))
    assert walk.times is None


def test_nothing_that_is_passed_is_changed_and_the_result_travels():
    X, y, _ = made()
    rivals = {"it": ensemble(regime_detector=VolatilityRegimes("a", window=5)), "line": LinearRegression()}
    before = X.copy(), y.copy()
    walk = walk_forward(rivals, X, y, initial=INITIAL, refit_every=40)
    pd.testing.assert_frame_equal(X, before[0])
    pd.testing.assert_series_equal(y, before[1])
    assert not hasattr(rivals["line"], "coef_")
    assert not hasattr(rivals["it"], "combiner_")
    assert rivals["it"].warm_start is False
    again = pickle.loads(pickle.dumps(walk))
    pd.testing.assert_frame_equal(again.report(), walk.report())
    # The ensemble goes on from where it stands.
    lived = again.estimators["it"]
    assert lived.partial_update(X[-3:].set_axis(X.index[-3:] + pd.Timedelta(days=30)), y[-3:].to_numpy()) is lived


def test_side_by_side_is_one_after_the_other():
    X, y, _ = made()
    rivals = {f"depth {depth}": DecisionTreeRegressor(max_depth=depth, random_state=0) for depth in (1, 2, 3)}
    one, two = (walk_forward(rivals, X, y, initial=INITIAL, refit_every=10, n_jobs=n_jobs) for n_jobs in (1, 2))
    pd.testing.assert_frame_equal(one.predictions, two.predictions, check_exact=True)


# Tables.


class Says(RegressorMixin, BaseEstimator):
    """Repeats a column."""

    def __init__(self, column="a"):
        self.column = column

    def fit(self, X, y):
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return X[self.column].to_numpy()


def test_figures_by_hand():
    index = pd.DatetimeIndex(["2019-12-30", "2019-12-31", "2020-01-01", "2020-01-02", "2020-01-03", "2020-01-06"])
    X = pd.DataFrame({"a": [0, 0, 1.0, -1.0, 1.0, 0.0], "b": [0, 0, 1.0, 1.0, 1.0, 1.0]}, index=index)
    y = pd.Series([0, 0, 0.01, 0.02, -0.01, 0.03], index)
    regimes = ["x", "x", "calm", "calm", "wild", "wild"]
    rivals = {"a": Says("a"), "b": Says("b")}
    walk = walk_forward(rivals, X, y, returns=y, regimes=regimes, initial=2, cost_bps=10, loss=AbsoluteLoss())
    # a is long, short, long, out: three changes of side, and one that a later trade would pay for; b is long: one.
    assert walk.sides["a"].tolist() == [1, -1, 1, 0]
    np.testing.assert_allclose(walk.profits_bps["a"], [90, -210, -110, np.nan])
    np.testing.assert_allclose(walk.profits_bps["b"], [90, 200, -100, 300])
    np.testing.assert_allclose(walk.losses["a"], [0.99, 1.02, 1.01, 0.03])
    report = walk.report(block=2).set_index(["rival", "regime"])
    pooled, wild = report.loc[("b", "pooled")], report.loc[("b", "wild")]
    profits = np.array([90.0, 200, -100, 300])
    assert (pooled["n"], wild["n"]) == (4, 2)
    assert (pooled["won"], pooled["lost"], pooled["n_trades"]) == (3, 1, 4)
    np.testing.assert_allclose(pooled[["win_rate_low", "win_rate_high"]].tolist(), wilson_interval(3, 4))
    assert pooled["profit_bps"] == pytest.approx(profits.mean())
    np.testing.assert_allclose(
        pooled[["profit_bps_low", "profit_bps_high"]].tolist(), mean_interval(profits.mean(), profits.std(ddof=1), 4)
    )
    assert pooled["sharpe"] == pytest.approx(profits.mean() / profits.std(ddof=1))
    assert pooled["drawdown_bps"] == 100
    assert report.loc[("a", "pooled"), "drawdown_bps"] == pytest.approx(320)
    assert (report.loc[("a", "pooled"), "n_trades"], report.loc[("a", "wild"), "n_trades"]) == (3, 1)
    # Two rows are no regime to speak of.
    assert pooled["worst_regime"] is None
    change = change_interval(walk.losses["b"], walk.losses["a"], block=2)
    assert pooled["change"] == change.change == pytest.approx(walk.losses["b"].mean() / walk.losses["a"].mean() - 1)
    assert pooled[["change_low", "change_high"]].isna().all()
    assert pooled["verdict"] == change.verdict == "too few rows"
    assert report.loc[("a", "pooled"), "verdict"] == ""
    assert "worst_year" not in report
    frame = walk.frame()
    assert frame.columns.tolist() == [
        *("row", "rival", "prediction", "outcome", "loss", "regime", "side", "profit_bps"),
    ]
    assert frame.query("rival == 'b'")["profit_bps"].tolist() == walk.profits_bps["b"].tolist()
    assert "Walk forward over 4 rows" in repr(walk)


@pytest.mark.parametrize(
    ("better", "words"), [(1e-5, "less loss by a hair"), (-1e-5, "more loss by a hair"), (0.1, "less loss")]
)
def test_a_difference_that_the_digits_do_not_show_is_called_a_hair(better, words):
    X, outcome = np.zeros((400, 1)), np.random.default_rng(0).choice([-1.0, 1.0], 400)
    rivals = {
        "one": DummyRegressor(strategy="constant", constant=100.0),
        "other": DummyRegressor(strategy="constant", constant=100.0 * (1 - better)),
    }
    last = repr(walk_forward(rivals, X, outcome, initial=100)).splitlines()[-1]
    assert last.endswith(words)
    assert ("0.0 %" in last) == ("hair" in last)


def test_the_worst_year_is_the_one_of_least_profit():
    X, y, regimes = made(800)
    rivals = {"a": Says("a"), "b": Says("b")}
    walk = walk_forward(rivals, X, y / 100, returns=y / 100, regimes=regimes, initial=INITIAL)
    profits = walk.profits_bps["b"]
    years, states = (profits.groupby(by).mean() for by in (walk.times.year, walk.regimes))
    assert len(years) == 4
    report = walk.report().query("regime == 'pooled'").set_index("rival")
    assert report.loc["b", "worst_year"] == years.idxmin()
    assert report.loc["b", "worst_regime"] == states.idxmin()
    # Without profits it is the loss relative to the first rival; of that one the loss.
    walk = walk_forward(rivals, X, y / 100, initial=INITIAL)
    years = walk.losses.groupby(walk.times.year).mean()
    report = walk.report().set_index("rival")
    assert report.loc["a", "worst_year"] == years["a"].idxmax()
    assert report.loc["b", "worst_year"] == (years["b"] / years["a"]).idxmax()


def test_a_few_days_are_no_worst_year():
    """The last three days are a disaster, and all that there is of 2020."""
    X, y, _ = made(155)
    returns = y.where(y.index.year == 2019, -9.0 * np.sign(X["a"])) / 100
    assert (y.index.year == 2020).sum() == 3
    walk = walk_forward({"a": Says("a")}, X, y, returns=returns, initial=INITIAL)
    assert walk.report()["worst_year"].tolist() == [2019]
    late = walk_forward({"a": Says("a")}, X, y, returns=returns, initial=130)
    assert late.report()["worst_year"].tolist() == [None]


def test_one_bad_trade_in_a_quiet_year_is_not_the_worst_year():
    """A year without a trade has earned nothing, which is more than a loss on every day."""
    X, y, _ = made(700)
    quiet = X.index.year == 2020
    X["a"] = np.where(quiet, 0.0, X["a"])
    X.iloc[np.flatnonzero(quiet)[5], 0] = 1.0
    returns = pd.Series(np.where(quiet, -0.02, np.where(X.index.year == 2021, -np.sign(X["a"]), 1.0) / 100), X.index)
    walk = walk_forward({"a": Says("a")}, X, y, returns=returns, initial=INITIAL)
    assert walk.profits_bps["a"].groupby(walk.times.year).mean().idxmin() == 2020
    assert walk.report()["worst_year"].tolist() == [2021]


# Costs.


def paid_by_hand(sides, groups, cost):
    """Go through the rows of each group: a trade pays for its own change, and for leaving before it."""
    paid, held, owed = np.full(len(sides), np.nan), {}, {}
    for row, (side, group) in enumerate(zip(sides, groups, strict=True)):
        owed[group] = owed.get(group, 0) + (side != held.get(group, 0))
        held[group] = side
        if side:
            paid[row], owed[group] = cost * owed[group], 0
    return paid


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), n_groups=st.integers(1, 4))
def test_every_change_of_side_is_paid_by_a_trade(seed, n_groups):
    rng = np.random.RandomState(seed)
    sides, groups = rng.choice([-1.0, 0.0, 1.0], 60, p=[0.2, 0.5, 0.3]), rng.randint(n_groups, size=60)
    X, returns = pd.DataFrame({"a": sides}), 0.01 * rng.standard_normal(60)
    plan = {"returns": returns, "groups": groups, "initial": 10}
    free, walk = (walk_forward({"a": Says("a")}, X, np.zeros(60), cost_bps=cost, **plan) for cost in (0.0, 7.0))
    paid = free.profits_bps["a"] - walk.profits_bps["a"]
    np.testing.assert_allclose(paid, paid_by_hand(sides[10:], groups[10:], 7.0), atol=1e-9)
    assert walk.report()["n_trades"].equals(free.report()["n_trades"])
    # What comes later moves no row.
    part = {name: values[:40] for name, values in plan.items() if name != "initial"}
    short = walk_forward({"a": Says("a")}, X[:40], np.zeros(40), cost_bps=7.0, initial=10, **part)
    np.testing.assert_array_equal(short.profits_bps["a"], walk.profits_bps["a"][:30])


# Days without a trade, and days that outcomes share.


def test_a_year_of_a_rare_trader_is_a_year_of_days():
    n = 600
    X = pd.DataFrame({"a": np.zeros(n), "b": 1.0}, pd.bdate_range("2015-01-01", periods=n))
    X.iloc[::10, 0] = 1.0
    rng = np.random.RandomState(0)
    returns = pd.Series(0.002 + 0.01 * rng.standard_normal(n), X.index)
    regimes = np.where(np.arange(n) % 20 < 10, "x", "y")
    walk = walk_forward(
        {"rare": Says("a"), "long": Says("b")}, X, returns, returns=returns, regimes=regimes, initial=100
    )
    report = walk.report().set_index(["rival", "regime"])
    a_year = 499 / ((X.index[-1] - X.index[100]).days / 365.25)
    for rival in ("rare", "long"):
        for regime, rows in {"x": walk.regimes == "x", "y": walk.regimes == "y", "pooled": walk.regimes != ""}.items():
            found, daily = report.loc[(rival, regime)], walk.profits_bps[rival][rows].fillna(0.0)
            ratio = daily.mean() / daily.std()
            assert found["sharpe_annual"] == pytest.approx(np.sqrt(a_year) * ratio)
            low, high = sharpe_interval(ratio, len(daily), _skewness(daily), _kurtosis(daily))
            assert found["sharpe_annual_low"] == pytest.approx(np.sqrt(a_year) * low)
            assert found["sharpe_annual_high"] == pytest.approx(np.sqrt(a_year) * high)
    rare = report.loc[("rare", "pooled")]
    assert rare["n_trades"] == 50
    trades = walk.profits_bps["rare"].dropna()
    assert rare["sharpe"] == pytest.approx(trades.mean() / trades.std())
    assert rare["sharpe_annual"] == pytest.approx(np.sqrt(a_year / 10) * rare["sharpe"], rel=0.05)


def test_outcomes_that_share_their_days_are_fewer():
    """Buy and hold, judged by the return of the next day and by that of the next five."""
    n = 3000
    days = pd.Series(np.random.RandomState(1).normal(0.0006, 0.01, n), pd.bdate_range("2005-01-03", periods=n))
    weeks = days.rolling(5).sum().shift(-4).dropna()
    X = pd.DataFrame({"a": 1.0}, days.index)
    of_days = walk_forward({"long": Says("a")}, X, days, returns=days, initial=10, outcome_delay=1)
    of_weeks = walk_forward({"long": Says("a")}, X[: len(weeks)], weeks, returns=weeks, initial=10, outcome_delay=5)
    assert (of_days.overlap, of_weeks.overlap) == (1, 5)
    one, other = of_days.report().iloc[0], of_weeks.report().iloc[0]
    assert other["sharpe_annual"] == pytest.approx(one["sharpe_annual"], rel=0.03)
    for name, tolerance in {"sharpe_annual": 0.1, "profit_bps": 0.1}.items():
        widths = [each[f"{name}_high"] - each[f"{name}_low"] for each in (one, other)]
        assert widths[1] == pytest.approx(widths[0] * (5 if name == "profit_bps" else 1), rel=tolerance)
    n_weeks = len(of_weeks) / 5
    bounds = wilson_interval(other["win_rate"] * n_weeks, n_weeks)
    assert (other["win_rate_low"], other["win_rate_high"]) == pytest.approx(bounds)


def test_assets_that_rise_and_fall_together_make_no_rate_surer():
    """Buy and hold of one asset, and of twenty that move as one; and of twenty that have nothing to do with it."""
    n, n_assets = 300, 20
    rng = np.random.default_rng(0)
    of_days = pd.Series(rng.normal(0.002, 0.01, n), pd.bdate_range("2005-01-03", periods=n))
    names = np.tile(np.arange(n_assets), n)
    found = {}
    for kind in ("one", "alike", "apart"):
        y = of_days if kind == "one" else of_days.repeat(n_assets)
        y = pd.Series(rng.normal(0.002, 0.01, len(y)), y.index) if kind == "apart" else y
        groups = None if kind == "one" else names
        X = pd.DataFrame({"a": 1.0}, y.index)
        walk = walk_forward({"long": Says("a")}, X, y, returns=y, groups=groups, initial=len(y) // 10)
        found[kind] = walk.report().iloc[0]
        if groups is not None:
            own = walk.report(by="group").set_index("group")
            alone = wilson_interval(own.loc[0, "win_rate"] * 270, 270)
            assert (own.loc[0, "win_rate_low"], own.loc[0, "win_rate_high"]) == pytest.approx(alone)
    width = {kind: each["win_rate_high"] - each["win_rate_low"] for kind, each in found.items()}
    assert width["alike"] == pytest.approx(width["one"], rel=0.01)
    assert width["apart"] == pytest.approx(width["one"] / np.sqrt(n_assets), rel=0.1)


@pytest.mark.parametrize(
    ("delay", "n_assets", "overlap"),
    [(0, 1, 1), (1, 1, 1), (5, 1, 5), ("1D", 1, 1), ("7D", 1, 5), (0, 3, 1), ("1D", 3, 1), ("7D", 3, 5)],
)
def test_the_overlap_is_counted_in_moments(delay, n_assets, overlap):
    X, y, groups = panel(60, ("AAA", "BBB", "CCC")[:n_assets])
    model = ensemble(label_horizon=delay, outcome="return")
    plan = {"groups": groups, "initial": 30 * n_assets, "outcome_delay": delay}
    walk = walk_forward({"it": model}, X, y, **plan)
    lived = walk.estimators["it"]
    assert walk.overlap == lived.ledger_.overlap == lived.group_ledger_.overlap == overlap


# Weights.


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 1000), scale=st.floats(1e-6, 1e6), by=st.sampled_from(["regime", "group"]))
def test_the_scale_of_the_weights_changes_no_figure_of_the_report(seed, scale, by):
    X, y, groups = panel(60, ("AAA", "BBB"))
    rng = np.random.RandomState(seed)
    weight, returns = rng.choice([0.0, 0.3, 1.0, 2.0], len(y)), 0.01 * rng.standard_normal(len(y))
    plan = {"returns": returns, "groups": groups, "regimes": rng.dirichlet([1, 1], len(y)), "initial": 60}
    rivals = {"line": LinearRegression(), "a": Says("a")}
    one, other = (
        walk_forward(rivals, X, y, sample_weight=w, cost_bps=2.0, **plan).report(by) for w in (weight, scale * weight)
    )
    pd.testing.assert_frame_equal(one, other, rtol=1e-6, atol=1e-9)
    assert one.query(f"{by} == 'pooled'")["n"].tolist() == pytest.approx([(weight[60:] > 0).sum()] * 2)


def test_the_scale_of_the_weights_changes_no_side_of_a_class():
    X, y, _ = made(classes=True)
    returns = 0.003 * (y == "up") + 0.02 * np.random.RandomState(0).standard_normal(N)
    sides = [
        walk_forward(
            DummyClassifier(strategy="constant", constant="up"),
            *(X, y),
            returns=returns,
            initial=INITIAL,
            sample_weight=np.full(N, scale),
        ).sides
        for scale in (1.0, 1e4)
    ]
    assert (sides[0] == 0).all(axis=None)
    pd.testing.assert_frame_equal(*sides)


# Groups.


def of_group(walk, group):
    """The same walk, as if nobody else had been there."""
    own = walk.groups == group
    values = {field.name: getattr(walk, field.name) for field in fields(walk)}
    kept = ("predictions", "outcome", "losses", "memberships", "wins", "sides", "profits_bps", "times", "groups")
    rows = {name: values[name][own] for name in (*kept, "sample_weight")}
    return replace(walk, **rows, moments=np.unique(walk.moments[own], return_inverse=True)[1])


def test_a_group_is_judged_as_if_it_were_alone():
    X, y, groups = panel(100, ("AAA", "BBB", "CCC", "DDD"))
    X["b"] = X["b"].where(groups == "AAA", 0.0)
    walk = walk_forward({"a": Says("a"), "b": Says("b")}, X, y, returns=y / 100, groups=groups, initial=40, cost_bps=3)
    by_group = (
        walk.report(by="group")
        .set_index(["group", "rival"])
        .drop(columns=["worst_group", "worst_year"], errors="ignore")
    )
    for group in ("AAA", "CCC"):
        alone = (
            of_group(walk, group).report().set_index("rival").drop(columns=["regime", "worst_year"], errors="ignore")
        )
        pd.testing.assert_frame_equal(by_group.loc[group], alone, rtol=1e-12)


def test_a_report_of_many_groups_costs_what_its_rows_cost():
    n_assets, n_days = 400, 40
    days = pd.bdate_range("2020-01-01", periods=n_days).repeat(n_assets)
    X = pd.DataFrame(np.random.RandomState(0).standard_normal((len(days), 1)), columns=["a"], index=days)
    y, groups = X["a"] / 100, np.tile([f"asset {k}" for k in range(n_assets)], n_days)
    walk = walk_forward({"mean": DummyRegressor()}, X, y, returns=y, groups=groups, initial=5 * n_assets)
    tracemalloc.start()
    report = walk.report(by="group")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A table of rows by assets alone would take 51 MB.
    assert peak < 30e6
    assert (report["n"] == [35] * n_assets + [35 * n_assets]).all()


def test_rows_of_one_timestamp_are_one_trade():
    X, y, groups = panel()
    walk = walk_forward({"a": Says("a")}, X, y / 100, returns=y / 100, groups=groups, initial=90, cost_bps=1)
    report = walk.report().iloc[0]
    daily = walk.profits_bps["a"].groupby(walk.times).mean()
    assert report["n"] == 90
    assert report["n_trades"] == len(daily) == 30
    assert report["sharpe"] == pytest.approx(daily.mean() / daily.std())
    low, high = sharpe_interval(daily.mean() / daily.std(), 30, daily.skew() * 28 / np.sqrt(30 * 29), _kurtosis(daily))
    assert (report["sharpe_low"], report["sharpe_high"]) == pytest.approx((low, high))
    # An asset changes its side by itself.
    sides = walk.sides["a"].to_numpy().reshape(30, 3)
    paid = 100 * np.sign(sides) * y[90:].to_numpy().reshape(30, 3) - walk.profits_bps["a"].to_numpy().reshape(30, 3)
    np.testing.assert_allclose(paid, np.vstack([np.ones((1, 3)), sides[1:] != sides[:-1]]), atol=1e-9)
    by_group = walk.report(by="group").set_index("group")
    assert by_group.loc["AAA", "n"] == by_group.loc["AAA", "n_trades"] == 30
    assert by_group.loc["AAA", "profit_bps"] == pytest.approx(walk.profits_bps["a"][0::3].mean())


def _skewness(values):
    gap = values - values.mean()
    return float(np.sqrt(len(values)) * (gap**3).sum() / (gap**2).sum() ** 1.5)


def _kurtosis(values):
    gap = values - values.mean()
    return float(len(values) * (gap**4).sum() / (gap**2).sum() ** 2)


def test_classes_are_right_or_wrong_and_stand_for_the_side_that_paid():
    X, y, regimes = made(classes=True)
    returns = np.select([y == "up", y == "down"], [0.01, -0.02], 0.0) + 0.001 * X["c"].to_numpy()
    rivals = {"tree": DecisionTreeClassifier(max_depth=2, random_state=0), "it": ensemble(classes=True)}
    walk = walk_forward(rivals, X, y, regimes=regimes, returns=returns, initial=INITIAL, refit_every=40)
    said = walk.predictions["tree"]
    np.testing.assert_array_equal(walk.wins["tree"], said == y[INITIAL:])
    taken = said.map({"up": 1.0, "down": -1.0, "flat": 0.0})
    np.testing.assert_array_equal(walk.sides["tree"], taken)
    np.testing.assert_allclose(walk.profits_bps["tree"].fillna(0), 1e4 * taken * returns[INITIAL:])
    assert walk.loss == "LogLoss"
    report = walk.report()
    assert report["win_rate"].between(0, 1).all()
    blunt = walk_forward(rivals | {"blunt": RidgeClassifier()}, X, y, initial=INITIAL)
    assert blunt.loss == "share of wrong classes"
    np.testing.assert_array_equal(blunt.losses["tree"], blunt.predictions["tree"] != y[INITIAL:])


def test_weights_and_what_the_models_said_come_as_tables():
    X, y, _ = made()
    walk = walk_forward({"it": ensemble(), "line": LinearRegression()}, X, y, initial=INITIAL)
    weights, said = walk.weights["it"], walk.member_predictions["it"]
    assert weights.columns.tolist() == said.columns.tolist() == ["tree", "mean"]
    assert weights.index.equals(X.index[INITIAL:])
    np.testing.assert_allclose((weights * said).sum(axis=1), walk.predictions["it"])
    frame = walk.frame()
    assert frame["confidence"].notna().sum() == len(walk)
    X, y, _ = made(classes=True)
    walk = walk_forward({"it": ensemble(classes=True)}, X, y, initial=INITIAL)
    assert walk.member_predictions["it"].columns.names == ["model", "class"]


def test_a_difference_that_is_chance_is_called_so():
    rng = np.random.RandomState(0)
    losses = rng.chisquare(1, (1000, 2))
    assert change_interval(losses[:, 0], losses[:, 1]).verdict == "not distinguishable"
    assert change_interval(0.5 * losses[:, 0], losses[:, 0]).verdict == "distinguishable: less loss"
    assert change_interval(2 * losses[:, 0], losses[:, 0]).verdict == "distinguishable: more loss"


def test_few_rows_tell_nothing():
    assert change_interval([1.0, 3.0], [2.0, 6.0])[3] == "too few rows"
    assert np.isnan(change_interval(np.ones(29), np.arange(1.0, 30.0))[1:3]).all()
    assert change_interval(np.ones(30), np.arange(1.0, 31.0)).verdict == "distinguishable: less loss"


@pytest.mark.parametrize("n_rows", [30, 63, 126, 250])
@pytest.mark.parametrize("kind", ["normal", "heavy"])
def test_chance_is_rarely_called_a_difference_however_few_the_rows(n_rows, kind):
    rng = np.random.default_rng(n_rows)
    draws = rng.normal(size=(300, 2, n_rows)) if kind == "normal" else rng.standard_t(3, size=(300, 2, n_rows))
    found = [change_interval(10 + ours, 10 + theirs).verdict != "not distinguishable" for ours, theirs in draws]
    # 5 % by right; of 300 draws no more than 9 % by chance of this test's own.
    assert np.mean(found) < 0.09


def test_a_rival_that_is_next_to_perfect_has_a_verdict_too():
    nothing, something = np.zeros(150), np.zeros(150)
    something[::20] = 1.0
    change = change_interval(something, nothing)
    assert np.isnan(change.change)
    assert change.verdict == "distinguishable: more loss"
    nothing[::50] = 1.0
    change = change_interval(something, nothing)
    assert change.change == pytest.approx(8 / 3 - 1)
    assert change.low <= change.change <= change.high == np.inf
    # Losses below 0, such as profits with the sign turned, have no ratio, but a difference.
    profit = np.random.default_rng(0).normal(1.0, 0.1, size=200)
    assert np.isnan(change_interval(-2 * profit, -profit)[:3]).all()
    assert change_interval(-2 * profit, -profit).verdict == "distinguishable: less loss"


def test_the_interval_of_a_change():
    rng = np.random.default_rng(0)
    rival = rng.exponential(size=1000)
    assert change_interval(rival, rival) == (0, 0, 0, "not distinguishable")
    change, low, high, _ = change_interval(0.8 * rival + 0.02 * rng.exponential(size=1000), rival)
    assert change == pytest.approx(-0.18, abs=0.01)
    assert -0.2 < low < change < high < -0.15
    _, low, high, _ = change_interval(rng.exponential(size=1000), rival)
    assert low < 0 < high


@settings(max_examples=30, deadline=None)
@given(st.integers(30, 200), st.integers(0, 2**31), st.sampled_from([1, 7, 63]))
def test_the_interval_of_a_difference_is_paired_and_knows_only_ratios_of_weights(n, seed, block):
    rng = np.random.default_rng(seed)
    ours, theirs, common = rng.normal(size=(3, n))
    weight = rng.choice([0.0, 1.0, 3.0], size=n, p=[0.1, 0.5, 0.4])
    weight[:30] += 1.0
    difference, low, high = difference_interval(ours, theirs, weight, block=block)
    assert difference == pytest.approx(weight @ (ours - theirs) / weight.sum())
    assert low <= high
    for other in (
        difference_interval(ours + common, theirs + common, 5 * weight, block=block),
        difference_interval(ours[weight > 0], theirs[weight > 0], weight[weight > 0], block=block),
    ):
        np.testing.assert_allclose(other, (difference, low, high), atol=1e-9)
    np.testing.assert_allclose(
        difference_interval(theirs, ours, weight, block=block), (-difference, -high, -low), atol=1e-9
    )
    # Where losses have a ratio, both say the same of the difference.
    verdict = change_interval(100 + ours, 100 + theirs, block=block).verdict
    _, low, high = difference_interval(ours, theirs, block=block)
    assert (low <= 0 <= high) == (verdict == "not distinguishable")


def test_few_rows_have_a_difference_and_no_interval():
    assert difference_interval([1.0, 3.0], [0.0, 0.0], [1.0, 3.0]).difference == 2.5
    assert np.isnan(difference_interval(np.ones(40), np.zeros(40), np.arange(40) < 29)[1:]).all()
    for wrong in (([1.0], [1.0, 2.0]), ([[1.0]], [[1.0]]), ([], []), ([1.0], [2.0], [0.0]), ([1.0], [2.0], [1.0, 1.0])):
        with pytest.raises(ValueError, match="difference_interval compares figures of the same rows"):
            difference_interval(*wrong)


def test_bad_days_in_clusters_make_the_interval_wide():
    rng = np.random.default_rng(1)
    rival = np.ones(2000)
    apart = 1 + rng.standard_normal(2000)
    together = np.repeat(1 + rng.standard_normal(40), 50)
    widths = [np.diff(change_interval(losses, rival)[1:3])[0] for losses in (apart, together)]
    assert widths[1] > 4 * widths[0]


def test_intervals_of_differences_hold_the_truth_about_as_often_as_they_say():
    """Losses in clusters of twenty rows: rows drawn one by one would be far too sure."""
    rng = np.random.RandomState(0)
    inside = alone = 0
    for _ in range(100):
        common, own = rng.chisquare(2, (40, 1, 1)), rng.chisquare(2, (40, 1, 2))
        losses = (common * own * np.ones((1, 20, 1))).reshape(800, 2)
        blocks, rows = (change_interval(*losses.T, block=block) for block in (40, 1))
        inside += blocks.low <= 0 <= blocks.high
        alone += rows.low <= 0 <= rows.high
    assert 85 <= inside <= 99
    assert alone < 60


# What is wrong gets a sentence.


def call(**changes):
    X, y, regimes = made()
    given = {"estimator": {"it": DummyRegressor()}, "X": X, "y": y, "initial": INITIAL} | changes
    if changes.get("regimes") == "good":
        given["regimes"] = regimes
    return walk_forward(given.pop("estimator"), given.pop("X"), given.pop("y"), **given)


WRONG = {
    "no rival": ({"estimator": {}}, "estimator of walk_forward is empty"),
    "a class": (
        {"estimator": {"it": Ridge}},
        r"The rival 'it' of walk_forward must be a regressor or a.*got <class",
    ),
    "a clusterer": ({"estimator": {"it": KMeans(2)}}, "The rival 'it' of walk_forward must be a regressor or a class"),
    "no rows at all": ({"X": {}}, "X of walk_forward must be an array, a frame or a sparse matrix.*got {}"),
    "an endless outcome": ({"y": np.full(N, np.inf)}, r"y of walk_forward has no outcome in row 0 \(inf\)"),
    "a callback alone": ({"callbacks": 3}, "callbacks of walk_forward must be a list of callbacks; got 3"),
    "half a row": ({"initial": 0.5}, "initial of walk_forward must be a number of rows, or the time.*got 0.5"),
    "a zone of its own": ({"initial": pd.Timestamp("2019-08-01", tz="UTC")}, "with a time zone, but the times of the"),
    "back in time": ({"refit_every": "-30D"}, "refit_every of walk_forward must be a number.*above 0; got '-30D'"),
    "a window of nothing": ({"window": "0D"}, "window of walk_forward must be a number.*above 0; got '0D'"),
    "another taken name": ({"estimator": {"best single of a": Ridge()}}, "names a rival 'best single of a'"),
    "a name of models": ({"estimator": {"tree alone": Ridge()}, "judge_models": True}, "names a rival 'tree alone'"),
    "a taken name": ({"estimator": {"equal weights": Ridge()}}, "names a rival 'equal weights'"),
    "two tasks": ({"estimator": {"a": Ridge(), "b": LogisticRegression()}}, r"mixes classifiers and regressors: \['b'"),
    "too late": ({"initial": 500}, "initial of walk_forward is 500, which puts the first judged row at 500 of 160"),
    "no past": ({"initial": 0}, "must be rows before it"),
    "no number": ({"initial": "soon"}, "initial of walk_forward must be a number of rows, or the time"),
    "no times": ({"X": np.zeros((N, 1)), "y": np.zeros(N), "initial": "2019-08-01"}, "the rows of X have no times"),
    "no step": ({"refit_every": "sometimes"}, "refit_every of walk_forward must be a number of rows.*got 'sometimes'"),
    "no rows": ({"refit_every": 0}, "refit_every of walk_forward must be an integer of at least 1; got 0"),
    "window without times": (
        {"X": np.zeros((N, 1)), "y": np.zeros(N), "window": "5D"},
        "window of walk_forward is '5D', a length of time",
    ),
    "nothing known": ({"outcome_delay": 90}, "finds nothing to learn from before row 80.*outcome_delay=90"),
    "a negative delay": (
        {"outcome_delay": -1},
        "outcome_delay of walk_forward must be a number of rows .*got -1",
    ),
    "a short y": ({"y": np.zeros(3)}, "has 160 rows and y has 3"),
    "a missing outcome": ({"y": np.full(N, np.nan)}, "y of walk_forward has no outcome in row 0"),
    "short regimes": ({"regimes": ["a"]}, "regimes has 1 rows but X has 160"),
    "short returns": ({"returns": [0.1]}, "returns must hold one finite number for each of the 160 rows"),
    "short groups": ({"groups": ["a"]}, "groups must hold one label for each of the 160 rows"),
    "a missing group": ({"groups": [None] * N}, "groups must hold one label for each row; got None in row 0"),
    "a cost of nothing": ({"cost_bps": 1}, "cost_bps of walk_forward is 1, but without returns there is no profit"),
    "a cost of nobody": (
        {"X": panel()[0], "y": panel()[1], "returns": panel()[1], "initial": 90, "cost_bps": 1},
        "cost_bps of walk_forward is 1 and rows share a time, such as 2020-01-01 00:00:00: nobody can tell",
    ),
    "a negative cost": ({"cost_bps": -1}, "cost_bps of walk_forward must be a number of at least 0; got -1"),
    "no loss": ({"loss": "mae"}, "loss of walk_forward must be a Loss such as SquaredLoss"),
    "negative weights": ({"sample_weight": -np.ones(N)}, "sample_weight must hold one finite number"),
}


@pytest.mark.parametrize("wrong", WRONG, ids=WRONG)
def test_what_is_wrong_gets_a_sentence(wrong):
    changes, sentence = WRONG[wrong]
    with pytest.raises(ValueError, match=sentence):
        call(**changes)


def test_a_report_by_groups_needs_groups():
    walk = call()
    with pytest.raises(ValueError, match="needs groups: pass groups= to walk_forward"):
        walk.report(by="group")
    with pytest.raises(ValueError, match="by of report must be one of 'group', 'regime'; got 'asset'"):
        walk.report(by="asset")


def test_a_rival_without_an_answer_is_named():
    class Silent(Says):
        def predict(self, X):
            return np.full(len(X), np.nan)

    with pytest.raises(ValueError, match="The rival 'it' has no finite prediction for row 80"):
        call(estimator={"it": Silent()})


def test_times_out_of_order_are_refused():
    X, y, _ = made()
    with pytest.raises(ValueError, match="must be in time order"):
        walk_forward(DummyRegressor(), X[::-1], y[::-1], initial=INITIAL)


def test_a_classifier_alone_has_its_class_for_a_name():
    X, y, _ = made(classes=True)
    walk = walk_forward(DummyClassifier(), X, y, initial=INITIAL)
    assert walk.rivals == ("DummyClassifier",)


@pytest.mark.parametrize("rival", [StackingRegressor([("ridge", Ridge())]), VotingRegressor([("ridge", Ridge())])])
def test_ensembles_of_scikit_learn_are_rivals_before_they_are_fitted(rival):
    X = np.arange(60.0).reshape(-1, 1)
    walk = walk_forward(rival, X, X[:, 0], initial=40)
    assert np.isfinite(walk.predictions.to_numpy()).all()

"""Hidden regimes: learned by other libraries, followed by our own recursion, which is theirs at the last row."""

import logging
import pickle
import sys
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import skops.io as skops
from hmmlearn.hmm import GaussianHMM
from hypothesis import given, settings
from hypothesis import strategies as st
from jumpmodels.jump import JumpModel
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline

from skensemble import RegimeAwareEnsembleRegressor
from skensemble.regimes import (
    JumpRegimes,
    MarkovRegimes,
    OrderedRegimes,
    ProductRegimes,
    QuantileRegimes,
    VolatilityRegimes,
)

few = settings(deadline=None, max_examples=8, derandomize=True)
both = pytest.mark.parametrize("detector", [MarkovRegimes("r"), JumpRegimes("size", jump_penalty=3)], ids=repr)


def switching(n=600, seed=0, length=50):
    """Returns of a market that is calm or turbulent by turns, their average size of late, and which it was."""
    wild = np.arange(n) // length % 2
    r = np.random.RandomState(seed).standard_normal(n) * np.where(wild, 0.024, 0.008)
    X = pd.DataFrame({"r": r, "size": pd.Series(r).abs().ewm(span=10).mean()})
    return X.set_index(pd.date_range("2020-01-01", periods=n)), wild


def answers(detector, X):
    return detector.predict(X).tolist()


def high(detector, X):
    """Whether each row is in the upper of two regimes."""
    return (detector.predict(X) == detector.regimes_[1]).astype(int)


# Numbers by hand.


def test_the_filter_by_hand():
    """Means 0 and 1 and deviations 1: a row at ½ + ln c is c times as likely in the second regime."""
    fitted = MarkovRegimes().fit(switching(100)[0].to_numpy())
    half = Fraction(1, 2)
    A = [[Fraction(3, 4), Fraction(1, 4)], [half, half]]
    fitted.means_, fitted.deviations_ = np.array([[0.0], [1.0]]), np.ones((2, 1))
    fitted.transitions_, fitted.shares_ = np.array(A, dtype=float), np.array([0.5, 0.5])
    p, expected = [half, half], []
    for times in (2, 1, 3):
        ahead = [p[0] * A[0][0] + p[1] * A[1][0], p[0] * A[0][1] + p[1] * A[1][1]]
        total = ahead[0] + times * ahead[1]
        p = [ahead[0] / total, times * ahead[1] / total]
        expected.append(p)
    assert expected[0] == [Fraction(5, 11), Fraction(6, 11)]
    assert expected[1] == [Fraction(27, 44), Fraction(17, 44)]
    assert expected[2] == [Fraction(115, 298), Fraction(183, 298)]
    # The second row is missing: the transitions alone.
    rows = [[0.5 + np.log(2), 0.0], [np.nan, 0.0], [0.5 + np.log(3), 0.0]]
    np.testing.assert_allclose(fitted.predict_proba(rows), np.array(expected, dtype=float), rtol=1e-12)


def test_the_dynamic_programme_by_hand():
    """Centres 0 and 2, a jump costs 3; V is (0, 2), (0, 4), (2, 3), (4, 3), the same, (4, 5)."""
    X = pd.DataFrame({"level": [0.0, 0.0, 2.0, 2.0, np.nan, 0.0]})
    fitted = JumpRegimes("level", jump_penalty=3).fit(pd.DataFrame({"level": [0.0] * 4 + [2.0] * 4}))
    assert fitted.centers_.tolist() == [[0.0], [2.0]]
    assert fitted.scale_.tolist() == [1.0]
    assert answers(fitted, X) == ["LOW", "LOW", "LOW", "HIGH", "HIGH", "LOW"]
    costs = [(0, 2), (0, 4), (2, 3), (4, 3), (4, 3), (4, 5)]
    fitted.state_ = np.zeros(2)  # as if nothing were known before
    for row, (low, high) in enumerate(costs):
        fitted.remember(X.iloc[[row]].set_axis([8 + row]))
        assert fitted.state_.tolist() == [min(low, high) - low, min(low, high) - high]


# What the libraries say.


@pytest.mark.parametrize("n_regimes", [2, 3])
def test_the_filter_is_the_posterior_of_hmmlearn_at_the_last_row_of_each_prefix(n_regimes):
    X, _ = switching(300)
    fitted = MarkovRegimes(["r", "size"], n_regimes).fit(X[:200])
    theirs = GaussianHMM(n_regimes)
    theirs.startprob_, theirs.transmat_ = fitted.shares_ @ fitted.transitions_, fitted.transitions_
    theirs.means_, theirs.covars_ = fitted.means_, fitted.deviations_**2
    rows = X[["r", "size"]].to_numpy()
    last = [theirs.predict_proba(rows[: n + 1])[-1] for n in range(300)]
    np.testing.assert_allclose(fitted.predict_proba(X), last, rtol=1e-6, atol=1e-9)
    # With the whole batch known they change their mind, which is why we do not ask.
    assert np.abs(theirs.predict_proba(rows) - last).max() > 0.3


@pytest.mark.parametrize("n_regimes", [2, 3])
@pytest.mark.parametrize("jump_penalty", [0.0, 1.0, 5.0])
def test_the_programme_is_the_online_prediction_of_jumpmodels(n_regimes, jump_penalty):
    X, _ = switching(300)
    rows = X[["size", "r"]].to_numpy()
    centre, scale = rows[:200].mean(axis=0), rows[:200].std(axis=0)
    theirs = JumpModel(n_regimes, jump_penalty, n_init=5, random_state=0).fit((rows[:200] - centre) / scale)
    order = np.argsort(theirs.centers_[:, 0])
    fitted = JumpRegimes(["size", "r"], n_regimes, jump_penalty=jump_penalty).fit(X[:200])
    np.testing.assert_allclose((fitted.centers_ - centre) / scale, theirs.centers_[order], atol=1e-12)
    said = np.argsort(order)[theirs.predict_online((rows - centre) / scale)]
    assert answers(fitted, X) == [fitted.regimes_[regime] for regime in said]
    # A row without a value costs nothing: the others are as if it were not there.
    gaps = X.copy()
    gaps.iloc[50:60, 1] = gaps.iloc[120, 0] = np.nan
    complete = gaps.notna().all(axis=1).to_numpy()
    said = np.argsort(order)[theirs.predict_online((rows[complete] - centre) / scale)]
    assert np.array(answers(fitted, gaps))[complete].tolist() == [fitted.regimes_[regime] for regime in said]


def test_nothing_is_heard_of_the_libraries(caplog, capfd, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "jumpmodels"]:
        monkeypatch.delitem(sys.modules, name)
    before = np.geterr()
    with caplog.at_level(logging.DEBUG):
        MarkovRegimes().fit([[0.0], [0.1], [10.0], [50.0]])  # more parameters than rows
        JumpRegimes("size").fit(switching(200)[0])
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
    assert np.geterr() == before
    assert logging.getLogger("hmmlearn.base").filters == []


# No look-ahead.


@both
@few
@given(cut=st.integers(1, 199), seed=st.integers(0, 999), size=st.sampled_from([0.01, 1e6, 1e200, np.nan]))
def test_the_future_never_changes_the_past(detector, cut, seed, size):
    X, _ = switching(200, seed=1)
    X.iloc[[0, 70, 150], :] = np.nan
    fitted = clone(detector).fit(X[:100])
    other = X.copy()
    other.iloc[cut:] = size * np.random.RandomState(seed).standard_normal((200 - cut, 2))
    known = fitted.predict_proba(X[:cut]).tobytes()
    assert fitted.predict_proba(X)[:cut].tobytes() == known
    assert fitted.predict_proba(other)[:cut].tobytes() == known


@both
def test_rows_that_are_remembered_one_by_one_give_what_a_batch_gives(detector):
    X, _ = switching(200, seed=1)
    X.iloc[[120, 150], :] = np.nan
    fitted = clone(detector).fit(X[:100])
    batch = fitted.predict_proba(X[100:])
    assert fitted.predict_proba(X)[100:].tobytes() == batch.tobytes()
    for row in range(100, 200):
        assert fitted.predict_proba(X[row : row + 1]).tobytes() == batch[row - 100].tobytes()
        fitted.remember(X[row - 2 : row + 1])  # two of them known already
    assert fitted.past_times_.tolist() == X.index[-1:].to_numpy().tolist()


@both
def test_rows_of_another_clock_begin_anew(detector):
    X, _ = switching(200, seed=1)
    fitted = clone(detector).fit(X[:100])
    array = clone(detector).set_params(columns=0).fit(X[:100].to_numpy())
    assert array.past_times_.tolist() == []
    for rows in (X[100:].reset_index(drop=True), X[:1]):
        first = rows[:1]
        alone = fitted.predict_proba(first.set_axis(["a"]))
        assert fitted.predict_proba(first).tobytes() == alone.tobytes()
    with pytest.raises(ValueError, match="cannot tell whether these rows come after those of fit"):
        fitted.remember(X[100:].reset_index(drop=True))


def test_a_small_return_after_turbulent_rows_is_turbulent_and_by_itself_calm():
    X, _ = switching(seed=3)
    fitted = MarkovRegimes("r").fit(X)
    quiet = X[-1:] * 0.0
    after = quiet.set_axis(X.index[-1:] + pd.Timedelta(days=1))
    wild = fitted.remember(X[-20:].set_axis(X.index[-20:] + pd.Timedelta(days=20)) * 0 + 0.05)
    assert answers(wild, after.set_axis(X.index[-1:] + pd.Timedelta(days=21))) == ["TURBULENT"]
    assert answers(wild, quiet.set_axis([0])) == ["CALM"]


# Names.


@pytest.mark.parametrize("seed", range(4))
def test_a_refit_never_swaps_names(seed):
    X, _ = switching(400, seed=seed)
    rng = np.random.RandomState(seed)
    blocks = np.concatenate([np.arange(start, start + 40) for start in rng.randint(0, 360, 10)])
    calm = pd.DataFrame({"r": [0.001, -0.001] * 20, "size": 0.004})
    wild = pd.DataFrame({"r": [0.05, -0.05] * 20, "size": 0.03})
    for rows in (X, X[:300], X.iloc[blocks].reset_index(drop=True), X * [-1, 1]):
        for random_state in (seed, seed + 100):
            markov = MarkovRegimes("r", random_state=random_state).fit(rows)
            jumps = JumpRegimes("size", jump_penalty=5, random_state=random_state).fit(rows)
            assert answers(markov, calm.set_axis([0] * 40))[-1] == "CALM"
            assert answers(markov, wild.set_axis([0] * 40))[-1] == "TURBULENT"
            assert answers(jumps, calm.set_axis([0] * 40))[-1] == "LOW"
            assert answers(jumps, wild.set_axis([0] * 40))[-1] == "HIGH"
            assert (np.diff(markov.deviations_[:, 0]) > 0).all()
            assert (np.diff(jumps.centers_[:, 0]) > 0).all()


def test_regimes_are_sorted_by_the_first_column():
    level = np.repeat([5.0, 0.0, 10.0], 40) + 0.1 * np.random.RandomState(0).standard_normal(120)
    X = pd.DataFrame({"level": level, "other": -level})
    names = np.repeat(["MID", "LOW", "HIGH"], 40).tolist()
    turned = np.repeat(["MID", "HIGH", "LOW"], 40).tolist()
    for detector in (MarkovRegimes("level", 3, order="mean"), JumpRegimes("level", 3, jump_penalty=0.5)):
        assert answers(clone(detector).fit(X), X) == names
        assert answers(clone(detector).set_params(columns=["other", "level"]).fit(X), X) == turned
        given_names = clone(detector).set_params(names=["few", "some", "many"]).fit(X)
        assert given_names.classes_.tolist() == ["few", "some", "many"]


def test_usual_names():
    X, _ = switching(300)
    level = np.repeat([0.0, 1.0, 2.0, 3.0], 75) + 0.01 * np.random.RandomState(0).standard_normal(300)
    X = X.assign(level=level, r=X["r"] * 5 ** (4 * np.arange(300) // 300))
    assert MarkovRegimes("r", 3).fit(X).regimes_ == ("CALM", "NORMAL", "TURBULENT")
    assert MarkovRegimes("r", 4).fit(X).regimes_ == tuple(f"VOLATILITY_{i}" for i in (1, 2, 3, 4))
    assert MarkovRegimes("level", order="mean").fit(X).regimes_ == ("LOW", "HIGH")
    assert JumpRegimes("level", 4).fit(X).regimes_ == ("LEVEL_1", "LEVEL_2", "LEVEL_3", "LEVEL_4")


# Found, and not found.


def test_a_switch_of_volatility_is_found():
    """On rows that were not learned from; more often than by a window of twenty rows with the median as its cut."""
    right = {"markov": [], "jumps": [], "window": []}
    for seed in range(4):
        X, wild = switching(1500, seed=seed, length=125)
        then, now = slice(0, 750), slice(750, 1500)
        for name, detector in zip(
            right, [MarkovRegimes("r"), JumpRegimes("size"), VolatilityRegimes("r")], strict=True
        ):
            right[name].append(np.mean(high(detector.fit(X[then]), X[now]) == wild[now]))
    assert min(right["markov"]) > 0.93
    assert min(right["jumps"]) > 0.83
    assert np.mean(right["markov"]) > np.mean(right["window"]) + 0.03


def test_parameters_are_found():
    X, _ = switching(3000)
    fitted = MarkovRegimes("r").fit(X)
    np.testing.assert_allclose(fitted.deviations_[:, 0], [0.008, 0.024], rtol=0.1)
    np.testing.assert_allclose(fitted.transitions_, [[0.98, 0.02], [0.02, 0.98]], atol=0.01)
    np.testing.assert_allclose(fitted.shares_ @ fitted.transitions_, fitted.shares_, atol=0.01)


def test_a_larger_penalty_means_fewer_jumps():
    X, _ = switching(600)
    jumps = [np.abs(np.diff(high(JumpRegimes("size", jump_penalty=cost).fit(X), X))).sum() for cost in (0, 2, 20)]
    assert jumps[0] > jumps[1] >= jumps[2] > 0


@pytest.mark.filterwarnings("ignore:.*finds less than one row of X in the regime:UserWarning")
@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_trouble(seed):
    X = np.random.RandomState(seed).standard_normal((120, 2))
    for detector in (MarkovRegimes(), MarkovRegimes([0, 1], 3), JumpRegimes(), JumpRegimes([0, 1], 3, jump_penalty=1)):
        memberships = detector.fit(X).predict_proba(X)
        np.testing.assert_allclose(memberships.sum(axis=1), 1.0)


@pytest.mark.filterwarnings("ignore:.*finds less than one row of X in the regime:UserWarning")
@pytest.mark.parametrize(("n_rows", "n_columns"), [(60, 400), (5, 1)])
def test_far_too_few_rows_are_no_trouble(n_rows, n_columns):
    X = np.random.RandomState(0).standard_normal((n_rows, n_columns))
    for detector in (MarkovRegimes(range(n_columns), 5), JumpRegimes(range(n_columns), 5, jump_penalty=1)):
        np.testing.assert_allclose(detector.fit(X).predict_proba(X).sum(axis=1), 1.0)


@both
@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_units_do_not_matter(detector, unit):
    X, _ = switching(300)
    plain = clone(detector).fit(X).predict_proba(X)
    np.testing.assert_allclose(clone(detector).fit(X * unit).predict_proba(X * unit), plain, atol=1e-6)


def test_a_gap_is_no_transition():
    X, _ = switching(200, length=100)
    whole = MarkovRegimes("r").fit(X)
    X.iloc[100, 0] = np.nan
    split = MarkovRegimes("r").fit(X)
    assert split.transitions_[0, 1] < 0.2 * whole.transitions_[0, 1]
    assert high(split, X).mean() == pytest.approx(0.5, abs=0.02)


def test_rows_without_a_value():
    X, _ = switching(800)
    markov, jumps = MarkovRegimes("r").fit(X), JumpRegimes("size", jump_penalty=2).fit(X)
    gone = X.reset_index(drop=True) * np.nan
    # Before the first value: how often each regime is, or nothing.
    np.testing.assert_allclose(markov.predict_proba(gone), np.tile(markov.shares_, (800, 1)), atol=0.03)
    assert answers(jumps, gone) == [None] * 800
    # After it: ever less certain, or the same.
    later = gone.set_axis(X.index + pd.Timedelta(days=800))
    certain = np.abs(np.diff(markov.predict_proba(later), axis=1)[:, 0])
    assert certain[0] > 0.9
    assert certain[-1] < 0.1
    assert set(answers(jumps, later)) == {answers(jumps, X)[-1]}
    # One of several columns is enough.
    X.iloc[50, 1] = np.inf
    several = MarkovRegimes(["r", "size"]).fit(X)
    said = several.predict_proba(X)
    np.testing.assert_allclose(said[50], said[49] @ several.transitions_, rtol=1e-9)


@pytest.mark.parametrize(
    ("detector", "absent"),
    [(MarkovRegimes(), "TURBULENT"), (JumpRegimes(), "HIGH"), (JumpRegimes(0, 3), "MID and in HIGH")],
)
def test_a_regime_that_never_comes_is_told(detector, absent):
    with pytest.warns(UserWarning, match=f"finds less than one row of X in the regime {absent}: ask for fewer"):
        fitted = clone(detector).fit(np.full((30, 1), 0.1))
    assert set(answers(fitted, np.full((5, 1), 0.1))) == {fitted.regimes_[0]}
    assert np.isfinite(fitted.predict_proba([[0.1], [1e9], [-1e200]])).all()


@both
def test_a_constant_column_says_nothing(detector):
    X, _ = switching(300)
    X["flat"] = 0.1
    column = detector.columns
    alone, beside = clone(detector).fit(X), clone(detector).set_params(columns=[column, "flat"]).fit(X)
    assert answers(beside, X) == answers(alone, X)


def test_a_search_that_did_not_end_is_told():
    X, _ = switching(100)
    with pytest.warns(ConvergenceWarning, match=r"within max_iter=2 steps from any of n_init=3 starts.*Raise max_iter"):
        MarkovRegimes("r", max_iter=2, n_init=3).fit(X)


# Wrong calls get sentences.


@pytest.mark.parametrize(
    ("detector", "change", "words"),
    [
        (MarkovRegimes("vix"), None, r"columns of MarkovRegimes is 'vix', but X has the columns \['r', 'size'\]"),
        (JumpRegimes(["r", 7]), None, "columns of JumpRegimes is 7, but X has"),
        (MarkovRegimes([]), None, r"columns of MarkovRegimes must be a column of X or a list of them; got \[\]"),
        (JumpRegimes(None), None, "a list of them; got None"),
        (MarkovRegimes(n_regimes=1), None, "n_regimes of MarkovRegimes must be an integer of at least 2; got 1"),
        (JumpRegimes(n_regimes=2.5), None, "n_regimes of JumpRegimes must be an integer of at least 2; got 2.5"),
        (MarkovRegimes(n_init=0), None, "n_init of MarkovRegimes must be an integer of at least 1; got 0"),
        (MarkovRegimes(max_iter=0), None, "max_iter of MarkovRegimes must be an integer of at least 1; got 0"),
        (JumpRegimes(random_state=None), None, "random_state of JumpRegimes must be an integer .*; got None"),
        (MarkovRegimes(order="vol"), None, "order of MarkovRegimes must be one of 'deviation', 'mean'; got 'vol'"),
        (JumpRegimes(jump_penalty=-1), None, "jump_penalty of JumpRegimes must be a number of at least 0 .*; got -1"),
        (JumpRegimes(jump_penalty=np.inf), None, "jump_penalty of JumpRegimes must be a number .*; got inf"),
        (MarkovRegimes(names=["a"]), None, r"names of MarkovRegimes must be 2 different texts.*'CALM'.* got \['a'\]"),
        (JumpRegimes(names=["a", "a"]), None, "names of JumpRegimes must be 2 different texts"),
        (MarkovRegimes("r", 3), lambda X: X[:2], r"X of MarkovRegimes has 2 rows .* 'r'; n_regimes=3 needs at least"),
        (JumpRegimes("r"), lambda X: X * np.nan, "X of JumpRegimes has 0 rows without a missing value"),
        (MarkovRegimes("r"), lambda X: pd.concat([X, X]).sort_index(), "one row for each time, oldest first"),
        (JumpRegimes("r"), lambda X: X[::-1], r"X.sort_index\(\)"),
        (MarkovRegimes("r"), lambda X: X["r"], r"Pass a DataFrame, such as series.to_frame\(\)"),
        (MarkovRegimes("r"), lambda X: X.assign(r="high"), "'r', which does not hold numbers"),
    ],
    ids=lambda value: "change" if callable(value) else str(value) if isinstance(value, str) else type(value).__name__,
)  # fmt: skip
def test_wrong_calls_get_sentences(detector, change, words):
    X, _ = switching(30)
    with pytest.raises(ValueError, match=f"(?s){words}"):
        clone(detector).fit(X if change is None else change(X))


@both
def test_the_libraries_are_needed_in_fit_alone(detector, monkeypatch):
    X, _ = switching(200)
    fitted = clone(detector).fit(X[:100])
    expected = fitted.predict_proba(X[100:]).tobytes()
    saved, packed = pickle.dumps(fitted), skops.dumps(fitted)
    for name in ("hmmlearn", "hmmlearn.hmm", "jumpmodels", "jumpmodels.jump"):
        monkeypatch.setitem(sys.modules, name, None)
    library = {"MarkovRegimes": "hmmlearn", "JumpRegimes": "jumpmodels"}[type(detector).__name__]
    words = rf'needs {library}, which is not installed. Run: pip install "skensemble\[regimes\]"'
    with pytest.raises(ModuleNotFoundError, match=words):
        clone(detector).fit(X)
    untrusted = skops.get_untrusted_types(data=packed)
    assert all(name.startswith("skensemble.") for name in untrusted)
    for again in (pickle.loads(saved), skops.loads(packed, trusted=untrusted)):
        assert again.predict_proba(X[100:]).tobytes() == expected
        again.remember(X[100:])


# In an ensemble.


class FromColumn(RegressorMixin, BaseEstimator):
    """Say what a column says."""

    def __init__(self, column, factor):
        self.column = column
        self.factor = factor

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return self.factor * X[self.column].to_numpy()


@pytest.mark.parametrize(
    "detector",
    [
        MarkovRegimes("r", n_init=2),
        JumpRegimes("size", jump_penalty=3, n_init=2),
        ProductRegimes(MarkovRegimes("r", n_init=2), QuantileRegimes("a", 2)),
        OrderedRegimes(JumpRegimes("size", jump_penalty=3, n_init=2), "size", min_dwell=2),
    ],
    ids=repr,
)
def test_regimes_pay_in_an_ensemble(detector):
    """One model is right in calm, the other in turbulence."""
    X, wild = switching(900, seed=2, length=100)
    rng = np.random.RandomState(0)
    X["a"] = rng.standard_normal(900)
    y = np.where(wild, X["a"], -X["a"]) + 0.1 * rng.standard_normal(900)
    models = [("up", FromColumn("a", 1.0)), ("down", FromColumn("a", -1.0))]
    blind = RegimeAwareEnsembleRegressor(models, n_jobs=1).fit(X[:600], y[:600])
    ensemble = RegimeAwareEnsembleRegressor(models, regime_detector=detector, n_jobs=1).fit(X[:600], y[:600])
    assert set(ensemble.regimes_) == set(ensemble.regime_detector_.regimes_)
    said = ensemble.predict(X[600:])
    assert np.mean((said - y[600:]) ** 2) < 0.6 * np.mean((blind.predict(X[600:]) - y[600:]) ** 2)
    np.testing.assert_array_equal(ensemble.predict(X[600:700]), said[:100])
    np.testing.assert_array_equal(ensemble.predict(X)[600:], said)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(ensemble)).predict(X[600:]), said)
    ensemble.partial_update(X[600:700], y[600:700])
    assert np.isfinite(ensemble.predict(X[700:])).all()


def test_a_search_goes_into_the_number_of_regimes():
    X, _ = switching(300)
    y = X["r"].shift(-1).fillna(0.0)
    models = [("ridge", Ridge()), ("line", LinearRegression())]
    ensemble = RegimeAwareEnsembleRegressor(models, regime_detector=MarkovRegimes(0, n_init=2), n_jobs=1)
    pipeline = make_pipeline("passthrough", ensemble)
    grid = {"regimeawareensembleregressor__regime_detector__n_regimes": [2, 3]}
    search = GridSearchCV(pipeline, grid, cv=TimeSeriesSplit(2), error_score="raise").fit(X.to_numpy(), y)
    best = search.best_params_["regimeawareensembleregressor__regime_detector__n_regimes"]
    assert len(search.best_estimator_[-1].regime_detector_.regimes_) == best

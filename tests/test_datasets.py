from __future__ import annotations

import inspect
import time

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression

from skensemble import datasets
from skensemble.datasets import (
    load_sp500,
    load_sp500_prices,
    make_prediction_stream,
    make_regime_classification,
    make_regime_regression,
)
from skensemble.datasets._sp500 import _TARGETS, _features, _regimes
from skensemble.datasets._synthetic import _WORLDS

MAKERS = [getattr(datasets, name) for name in datasets.__all__ if name.startswith("make_")]
MARKETS = [make_regime_regression, make_regime_classification]
KINDS = sorted(_WORLDS)


# The S&P 500


@pytest.mark.parametrize(
    ("day", "close"),
    [("1999-01-04", 1228.10), ("2008-10-13", 1003.35), ("2018-12-24", 2351.10), ("2018-12-31", 2506.85)],
)
def test_published_closes(day, close):
    assert load_sp500_prices().loc[day, "close"] == close


def test_the_table_is_whole():
    prices = load_sp500_prices()
    assert prices.shape == (5031, 5)
    assert prices.index.is_monotonic_increasing
    assert prices.index.is_unique
    assert prices.notna().all(axis=None)
    assert (prices > 0).all(axis=None)
    assert (prices["high"] >= prices[["open", "low", "close"]].max(axis=1)).all()
    assert (prices["low"] <= prices[["open", "close"]].min(axis=1)).all()


@pytest.mark.parametrize("target", sorted(_TARGETS))
def test_every_target_comes_with_whole_rows(target):
    start = time.perf_counter()
    X, y, regimes = load_sp500(target)
    assert time.perf_counter() - start < 1
    assert isinstance(X.index, pd.DatetimeIndex)
    assert X.index.equals(y.index)
    assert X.index.equals(regimes.index)
    assert not X.isna().any(axis=None)
    assert not y.isna().any()
    assert set(regimes) == {"CALM", "NORMAL", "STRESSED"}
    assert X.to_numpy().dtype == np.float64
    assert np.isfinite(X.to_numpy()).all()


def test_targets_by_hand():
    close = load_sp500_prices()["close"].to_numpy()
    days = load_sp500_prices().index
    day = int(days.get_loc("2008-10-10"))
    returns = close[1:] / close[:-1] - 1  # returns[i] is the return of day i + 1
    assert load_sp500("return").y["2008-10-10"] == pytest.approx(1003.35 / 899.22 - 1, rel=1e-12)
    assert load_sp500("sign").y["2008-10-10"] == "up"
    assert load_sp500("sign").y["2008-10-13"] == "down"
    following = returns[day : day + 5]
    assert load_sp500("volatility").y["2008-10-10"] == pytest.approx(np.sqrt(252 * np.mean(following**2)), rel=1e-9)


def test_the_last_rows_have_no_target():
    days = load_sp500_prices().index
    assert load_sp500("return").X.index[-1] == days[-2]
    assert load_sp500("sign").X.index[-1] == days[-2]
    assert load_sp500("volatility").X.index[-1] == days[-6]


def test_a_day_without_change_is_down():
    returns = pd.Series([np.nan, 0.01, 0.0, -0.01])
    assert _TARGETS["sign"](returns)[:3].tolist() == ["up", "down", "down"]


def test_features_by_hand():
    prices = load_sp500_prices()
    row = load_sp500().X.loc["2008-10-13"]
    until = prices.loc[:"2008-10-13"]
    day, before = until.iloc[-1], until.iloc[-2]
    returns = until["close"].pct_change().to_numpy()
    ranges = np.log(until["high"] / until["low"]).to_numpy()
    expected = {
        "return_1": day["close"] / before["close"] - 1,
        "return_5": day["close"] / until["close"].iloc[-6] - 1,
        "volatility_21": np.sqrt(252 * np.mean(returns[-21:] ** 2)),
        "range_volatility_5": np.sqrt(252 * np.mean(ranges[-5:] ** 2) / (4 * np.log(2))),
        "volume_ratio": np.log(day["volume"] / until["volume"].iloc[-21:].mean()),
        "from_high_252": day["close"] / until["close"].iloc[-252:].max() - 1,
        "from_mean_200": day["close"] / until["close"].iloc[-200:].mean() - 1,
        "overnight_gap": day["open"] / before["close"] - 1,
        "close_location": (day["close"] - day["low"]) / (day["high"] - day["low"]),
        "weekday": 0,
    }
    assert row[list(expected)].to_numpy() == pytest.approx(np.array(list(expected.values())), rel=1e-7)


def test_a_day_without_a_range_closes_in_the_middle():
    prices = load_sp500_prices()[:3].copy()
    prices.iloc[1] = [1000.0, 1000.0, 1000.0, 1000.0, 1e9]
    assert _features(prices)["close_location"].iloc[1] == 0.5


def test_regimes_by_hand():
    volatility = pd.Series(np.random.RandomState(0).permutation(400).astype(float))
    regimes = _regimes(volatility)
    assert regimes[:251].isna().all()
    for row in (251, 300, 399):
        rank = np.mean(volatility[: row + 1] <= volatility[row])
        assert regimes[row] == ("CALM" if rank <= 1 / 3 else "STRESSED" if rank > 0.8 else "NORMAL")


@pytest.mark.parametrize("cut", [600, 2444, 5000])
def test_the_future_changes_no_feature_and_no_regime(cut):
    prices = load_sp500_prices()
    altered = prices.copy()
    altered.iloc[cut:] = altered.iloc[cut:].to_numpy()[::-1] * 3.7
    known = _features(prices)[:cut]
    for other in (prices[:cut], altered):
        features = _features(other)[:cut]
        assert features.to_numpy().tobytes() == known.to_numpy().tobytes()
        assert _regimes(features["volatility_21"]).equals(_regimes(_features(prices)["volatility_21"])[:cut])


def test_regimes_tell_how_much_the_next_day_moves():
    _, y, regimes = load_sp500()
    moves = y.abs().groupby(regimes).mean()
    assert moves["CALM"] < moves["NORMAL"] < moves["STRESSED"]


def test_an_unknown_target_gets_a_sentence():
    with pytest.raises(
        ValueError, match="target of load_sp500 must be one of 'return', 'sign', 'volatility'; got 'cash'"
    ):
        load_sp500("cash")


# Synthetic


def same(a, b):
    return all(np.array_equal(np.asarray(x), np.asarray(z)) for x, z in zip(a, b, strict=True))


@pytest.mark.parametrize("make", MAKERS)
def test_the_seed_determines_everything(make):
    assert same(make(random_state=3), make(random_state=3))
    assert same(make(random_state=3), make(random_state=np.random.RandomState(3)))
    assert not same(make(random_state=3), make(random_state=4))


@pytest.mark.parametrize("make", MAKERS)
def test_every_number_is_checked(make):
    for name in inspect.signature(make).parameters:
        if name in ("kind", "informative", "random_state"):
            continue
        with pytest.raises(ValueError, match=rf"^{name} of {make.__name__} must be .*; got -1"):
            make(**{name: -1})


@pytest.mark.parametrize("make", MARKETS)
@pytest.mark.parametrize("informative", [True, False])
def test_markets_are_frames_in_time_order(make, informative):
    X, y, regimes = make(500, 3, 4, informative=informative, random_state=0)
    assert X.shape == (500, 3)
    assert list(X.columns) == ["x0", "x1", "x2"]
    assert X.index.is_monotonic_increasing
    assert X.index.equals(y.index)
    assert X.index.equals(regimes.index)
    assert set(regimes) == {"R0", "R1", "R2", "R3"}


@pytest.mark.parametrize("make", MARKETS)
def test_small_markets(make):
    X, y, regimes = make(1, 1, 1, dwell=1, random_state=0)
    assert (len(X), len(y), regimes.tolist()) == (1, 1, ["R0"])


def test_dwell_is_the_mean_length_of_a_stay():
    regimes = make_regime_regression(100_000, n_regimes=3, dwell=20, random_state=0).regimes
    changes = int((regimes != regimes.shift()).sum())
    assert 100_000 / changes == pytest.approx(20, rel=0.05)


def test_noise_is_the_best_loss_there_is():
    X, y, regimes = make_regime_regression(20_000, noise=0.7, random_state=0)
    linear = regimes == "R0"
    residual = y[linear] - LinearRegression().fit(X[linear], y[linear]).predict(X[linear])
    assert np.mean(residual**2) == pytest.approx(0.49, rel=0.05)
    assert y[linear].var() == pytest.approx(1.49, rel=0.05)
    assert y[~linear].var() == pytest.approx(1.49, rel=0.05)


def test_different_models_are_right_in_different_regimes():
    X, y, regimes = make_regime_regression(4000, noise=0.3, random_state=1)
    train, test = slice(0, 3000), slice(3000, None)
    losses = {}
    for name, model in {
        "line": LinearRegression(),
        "forest": RandomForestRegressor(30, min_samples_leaf=5, random_state=0),
    }.items():
        squared = (y[test] - model.fit(X[train], y[train]).predict(X[test])) ** 2
        losses[name] = squared.groupby(regimes[test]).mean()
    assert losses["line"]["R0"] < losses["forest"]["R0"]
    assert losses["forest"]["R1"] < losses["line"]["R1"]


@pytest.mark.parametrize("make", MARKETS)
def test_uninformative_labels_change_the_labels_alone(make):
    told, true = make(informative=False, random_state=5), make(informative=True, random_state=5)
    assert told.X.equals(true.X)
    assert told.y.equals(true.y)
    agreement = np.mean(told.regimes.to_numpy() == true.regimes.to_numpy())
    assert 0.2 < agreement < 0.8


def test_classes_are_all_there_and_follow_the_signal():
    X, y, regimes = make_regime_classification(4000, n_classes=3, noise=0.0, random_state=0)
    assert sorted(y.unique()) == [0, 1, 2]
    linear = regimes == "R0"
    assert LogisticRegression(C=100, max_iter=1000).fit(X[linear], y[linear]).score(X[linear], y[linear]) > 0.98


# Prediction streams


@pytest.mark.parametrize("kind", KINDS)
def test_streams_have_the_four_shapes(kind):
    stream = make_prediction_stream(kind, 300, 5, 2, random_state=0)
    assert stream.targets.shape == (300, 1)
    assert stream.predictions.shape == (300, 5, 1)
    assert stream.memberships.shape == (300, 16 if kind == "many" else 2)
    assert stream.best.shape == (300,)
    assert np.isfinite(stream.targets).all()
    assert np.isfinite(stream.predictions).all()
    assert set(np.unique(stream.memberships)) <= {0.0, 1.0}
    told = stream.memberships.sum(axis=1)
    assert set(told) == ({0.0, 1.0} if kind == "missing" else {1.0})


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_model_is_best(kind):
    targets, predictions, _, best = make_prediction_stream(kind, 20_000, random_state=0)
    squared = (predictions[:, :, 0] - targets) ** 2
    chosen = squared[np.arange(len(best)), best].mean()
    any_one = squared.mean(axis=0).min()
    assert chosen == pytest.approx(any_one) if np.unique(best).size == 1 else chosen < 0.8 * any_one


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n_samples", "n_models", "n_regimes"), [(1, 1, 1), (30, 1, 3), (30, 2, 1), (30, 3, 7)])
def test_streams_of_any_size(kind, n_samples, n_models, n_regimes):
    stream = make_prediction_stream(kind, n_samples, n_models, n_regimes, random_state=0)
    assert stream.predictions.shape == (n_samples, n_models, 1)
    assert stream.best.max() < n_models


def regimes_of_best(stream):
    """Which models are ever the best under each label."""
    return [np.unique(stream.best[stream.memberships[:, r] == 1]).size for r in range(stream.memberships.shape[1])]


@pytest.mark.parametrize("kind", ["informative", "rare", "new", "many", "missing", "heavy_tails"])
def test_a_label_names_the_best_model(kind):
    assert set(regimes_of_best(make_prediction_stream(kind, 5000, random_state=0))) == {1}


def test_what_each_kind_promises():
    streams = {kind: make_prediction_stream(kind, 5000, random_state=0) for kind in KINDS}
    assert np.unique(streams["noise"].best).size == 1
    assert 0.01 < streams["rare"].memberships[:, 2].mean() < 0.03
    assert streams["new"].memberships[:4000, 2].sum() == 0
    assert streams["new"].memberships[4000:, 2].sum() >= 50
    assert streams["missing"].memberships.sum(axis=1).mean() == pytest.approx(0.5, abs=0.05)
    assert set(streams["drift"].best[:1000]) != set(streams["drift"].best[-1000:])
    first, second = streams["switch"].best[:2500], streams["switch"].best[2500:]
    assert np.unique(first).tolist() == [0]
    assert np.unique(second).size == 1
    assert second[0] != 0


def test_heavy_tails_are_heavy():
    def largest(kind):
        targets, predictions, _, _ = make_prediction_stream(kind, 5000, random_state=0)
        return np.abs(predictions[:, :, 0] - targets).max()

    assert largest("heavy_tails") > 2 * largest("informative")


def test_an_unknown_kind_gets_a_sentence():
    with pytest.raises(ValueError, match=r"kind of make_prediction_stream must be one of 'drift', .* got 'calm'"):
        make_prediction_stream("calm")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_described(kind):
    assert f'``"{kind}"``:' in make_prediction_stream.__doc__

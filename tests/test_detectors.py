"""Detectors: named in an order that no refit changes, by rows up to now, and missing where too little is known."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import skops.io as skops
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.cluster import DBSCAN, KMeans
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skensemble import RegimeAwareEnsembleRegressor
from skensemble.regimes import (
    JumpRegimes,
    MarkovRegimes,
    OrderedRegimes,
    ProductRegimes,
    QuantileRegimes,
    SingleRegime,
    TrendRegimes,
    VolatilityRegimes,
    detect,
)

few = settings(deadline=None, max_examples=8, derandomize=True)
MODELS = [("ridge", Ridge()), ("line", LinearRegression())]

DETECTORS = [
    QuantileRegimes("r"),
    QuantileRegimes("price", 5),
    VolatilityRegimes("r", window=4),
    VolatilityRegimes("price", 3, window=3, prices=True),
    TrendRegimes("r", window=5),
    TrendRegimes("price", 0.5, window=2, prices=True, names=("bear", "flat", "bull")),
    ProductRegimes(TrendRegimes("r", window=3), VolatilityRegimes("r", window=4)),
    ProductRegimes(QuantileRegimes("r"), OrderedRegimes(KMeans(2, random_state=0), min_dwell=2)),
    OrderedRegimes(KMeans(3, random_state=0), "r"),
    OrderedRegimes(KMeans(3, random_state=0), "r", columns=["r"], min_dwell=3),
    OrderedRegimes(make_pipeline(StandardScaler(), KMeans(2, random_state=0)), "price", min_dwell=2),
    OrderedRegimes(GaussianMixture(2, random_state=0), "r", columns=["r"]),
]
# Those that follow a hidden state say something of every row, and of one in the middle what they know by then.
HIDDEN = [
    MarkovRegimes("r", n_init=2),
    MarkovRegimes(["price", "r"], order="mean", n_init=2),
    JumpRegimes("price", jump_penalty=0.5, n_init=2),
    ProductRegimes(JumpRegimes(["r", "price"], jump_penalty=0.5, n_init=2), MarkovRegimes("r", n_init=2)),
    OrderedRegimes(MarkovRegimes("r", n_init=2), "price"),
    OrderedRegimes(JumpRegimes("price", jump_penalty=0.5, n_init=2), "r", columns=["price"], min_dwell=2),
]
every_detector = pytest.mark.parametrize("detector", DETECTORS + HIDDEN, ids=repr)
every_plain_detector = pytest.mark.parametrize("detector", DETECTORS, ids=repr)


def market(n=60, seed=0, start="2024-01-01", missing=()):
    rng = np.random.RandomState(seed)
    r = rng.standard_normal(n) * np.where(np.arange(n) // 10 % 2, 0.03, 0.01)
    X = pd.DataFrame({"r": r, "price": 100 * np.cumprod(1 + r)}, index=pd.date_range(start, periods=n))
    X.iloc[list(missing), 0] = np.nan
    return X


def answers(detector, X):
    return detector.predict(X).tolist()


def is_mixture(detector):
    return isinstance(getattr(detector, "estimator", None), GaussianMixture)


def assert_same_memberships(detector, got, expected):
    """To the last bit; the density of a mixture is a product of matrices, whose rounding depends on their size."""
    if is_mixture(detector):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)
    else:
        assert got.tobytes() == expected.tobytes()


# No look-ahead.


@every_detector
@few
@given(cut=st.integers(1, 49), seed=st.integers(0, 999), size=st.sampled_from([1.0, 1e6, np.nan]))
def test_the_future_never_changes_the_past(detector, cut, seed, size):
    X = market(60, missing=(7, 33, 52))
    fitted = clone(detector).fit(X.iloc[:30])
    other = X.copy()
    other.iloc[cut:] = size * (1 + np.random.RandomState(seed).standard_normal((60 - cut, 2)))
    for rows in (X, X.iloc[30:]):
        n = len(rows.index[rows.index < X.index[cut]])
        if n:
            alone = rows.iloc[:n]
            for future in (rows, other.loc[rows.index]):
                assert answers(fitted, future)[:n] == answers(fitted, alone)
                assert_same_memberships(detector, fitted.predict_proba(future)[:n], fitted.predict_proba(alone))


@every_detector
@pytest.mark.parametrize("times", ["dates", "zone", "numbers"])
@few
@given(blocks=st.lists(st.integers(1, 6), min_size=1, max_size=12))
def test_row_by_row_equals_one_batch(detector, times, blocks):
    X = market(60, missing=(28, 33, 52))
    if times == "zone":
        X = X.tz_localize("Europe/Zurich")
    if times == "numbers":
        X = X.reset_index(drop=True)
    fitted = clone(detector).fit(X.iloc[:30])
    batch = fitted.predict_proba(X.iloc[30:])
    state = pickle.dumps(fitted)
    assert answers(fitted, X)[30:] == answers(fitted, X.iloc[30:])  # with the training rows in front or without
    assert pickle.dumps(fitted) == state  # to predict is to change nothing
    start = 30
    for n in blocks:
        rows = X.iloc[start : min(start + n, 60)]
        if not len(rows):
            break
        assert_same_memberships(detector, fitted.predict_proba(rows), batch[start - 30 : start - 30 + len(rows)])
        if hasattr(fitted, "remember"):
            # Rows that are known already are left out.
            fitted.remember(X.iloc[: start + len(rows)] if n % 2 else rows)
        start += n


@every_plain_detector
def test_training_rows_get_what_was_known_at_them(detector):
    X = market(50)
    fitted = clone(detector).fit(X)
    all_rows = answers(fitted, X)
    assert answers(fitted, X.set_axis(list("a" * 50))) == all_rows
    for start in (1, 20, 45, 49):
        # From the middle on, the answer is what was known or, where the rows before are not, none.
        part = answers(fitted, X.iloc[start:])
        assert all(got in (known, None) for got, known in zip(part, all_rows[start:], strict=True))


def test_an_array_has_no_history_but_itself():
    X = market(40).to_numpy()
    fitted = VolatilityRegimes(0, window=4).fit(X[:30])
    assert len(fitted.past_) == 0
    assert answers(fitted, X[30:])[:3] == [None] * 3
    assert answers(fitted, X[27:])[3:] == answers(fitted, X)[30:]


def test_rows_of_an_earlier_time_or_another_kind_of_index_get_no_history():
    X = market(40)
    fitted = VolatilityRegimes("r", window=4).fit(X.iloc[20:])
    assert answers(fitted, X.iloc[:20])[:4][:3] == [None] * 3
    assert answers(fitted, X.reset_index(drop=True))[:3] == [None] * 3
    assert answers(fitted, market(3, start="2025-01-01"))[0] is not None


# Names.


@pytest.mark.parametrize("seed", range(5))
def test_a_refit_never_swaps_names(seed):
    """However the clusters are numbered, the name says where they lie."""
    rng = np.random.RandomState(seed)
    level = rng.permutation(np.repeat([0.0, 5.0, 10.0], 20))
    X = pd.DataFrame({"other": -level, "level": level + 0.1 * rng.standard_normal(60)})
    expected = pd.Series(level).map({0.0: "LOW", 5.0: "MID", 10.0: "HIGH"}).tolist()
    for clusterer in (KMeans(3, random_state=seed), GaussianMixture(3, random_state=seed)):
        detector = OrderedRegimes(clusterer, "level").fit(X)
        assert answers(detector, X) == expected
        assert answers(clone(detector).set_params(by="other").fit(X), X) == [
            {"LOW": "HIGH", "HIGH": "LOW"}.get(name, name) for name in expected
        ]
    assert answers(QuantileRegimes("level").fit(X), X) == expected


def test_names_may_be_given():
    X = market()
    assert QuantileRegimes("r", 2, names=["small", "large"]).fit(X).regimes_ == ("small", "large")
    assert QuantileRegimes("r", 2).fit(X).regimes_ == ("LOW", "HIGH")
    assert QuantileRegimes("r", 4).fit(X).regimes_ == ("LEVEL_1", "LEVEL_2", "LEVEL_3", "LEVEL_4")
    assert VolatilityRegimes("r", 3).fit(X).regimes_ == ("CALM", "NORMAL", "TURBULENT")
    assert VolatilityRegimes("r", 4).fit(X).regimes_[0] == "VOLATILITY_1"
    assert OrderedRegimes(KMeans(2, random_state=0), names=["a", "b"]).fit(X).classes_.tolist() == ["a", "b"]


def test_a_product_names_all_pairs_in_order():
    X = market()
    product = ProductRegimes(TrendRegimes("r", window=3), VolatilityRegimes("r", window=3)).fit(X)
    assert product.regimes_ == (
        "TREND_DOWN/CALM",
        "TREND_DOWN/TURBULENT",
        "SIDEWAYS/CALM",
        "SIDEWAYS/TURBULENT",
        "TREND_UP/CALM",
        "TREND_UP/TURBULENT",
    )
    trend, volatility = answers(product.first_, X), answers(product.second_, X)
    assert answers(product, X) == [None if a is None else f"{a}/{b}" for a, b in zip(trend, volatility, strict=True)]
    assert ProductRegimes(product, QuantileRegimes("r", 2)).fit(X).regimes_[0] == "TREND_DOWN/CALM/LOW"


def test_a_product_of_probabilities_multiplies_them():
    X = market()
    mixture = OrderedRegimes(GaussianMixture(2, random_state=0), "r", columns=["r"])
    product = ProductRegimes(mixture, lambda X: np.where(X["r"] > 0, "up", "down")).fit(X)
    alone = product.first_.predict_proba(X)
    up = (X["r"] > 0).to_numpy()
    np.testing.assert_allclose(product.predict_proba(X)[up][:, [1, 3]], alone[up])
    np.testing.assert_allclose(product.predict_proba(X).sum(axis=1), 1.0)


# Numbers by hand.


def test_bins_by_hand():
    fitted = QuantileRegimes(0, 4).fit(np.arange(5.0)[:, None])
    assert fitted.cuts_.tolist() == [1.0, 2.0, 3.0]
    assert answers(fitted, [[-9], [1], [1.1], [3], [99], [np.nan], [np.inf]]) == [
        "LEVEL_1", "LEVEL_1", "LEVEL_2", "LEVEL_3", "LEVEL_4", None, None,
    ]  # fmt: skip


def test_volatility_by_hand():
    """Prices 100, 110, 99, 99: returns 10 %, -10 %, 0; σ over two is 0.2/√2, then 0.1/√2; the cut is between."""
    X = np.array([[100.0], [110.0], [99.0], [99.0]])
    fitted = VolatilityRegimes(0, window=2, prices=True).fit(X)
    np.testing.assert_allclose(fitted.cuts_, [0.15 / np.sqrt(2)])
    assert answers(fitted, X) == [None, None, "TURBULENT", "CALM"]


def test_volatility_is_what_pandas_says():
    X = market(81)
    fitted = VolatilityRegimes("price", 3, window=7, prices=True).fit(X)
    expected = X["price"].pct_change().rolling(7).std()
    np.testing.assert_allclose(fitted.cuts_, expected.quantile([1 / 3, 2 / 3]), rtol=1e-9)
    cut = pd.cut(expected, [-np.inf, *fitted.cuts_, np.inf], labels=fitted.regimes_).astype(object)
    assert answers(fitted, X) == cut.where(cut.notna(), None).tolist()


def test_trend_by_hand():
    """Over two returns a and b, t = (a + b) / |a - b|: 3, then 1 (not above it), -1 (not below), -3, and 0 / 0 is 0."""
    X = np.array([[1.0], [2.0], [0.0], [-2.0], [0.0], [0.0], [0.5], [0.5]])
    expected = [None, "TREND_UP", "SIDEWAYS", "SIDEWAYS", "SIDEWAYS", "SIDEWAYS", "SIDEWAYS", "TREND_UP"]
    assert answers(TrendRegimes(0, window=2).fit(X), X) == expected
    assert answers(TrendRegimes(0, 0.0, window=2).fit(X), X)[2:6] == [
        "TREND_UP", "TREND_DOWN", "TREND_DOWN", "SIDEWAYS",
    ]  # fmt: skip


def test_dwelling_by_hand():
    X = np.array([0, 1, 1, 0, 1, 0, 0, 1, 1, 1], dtype=float)[:, None]
    X[8] = np.nan  # has no regime, and interrupts nothing
    fitted = OrderedRegimes(KMeans(2, random_state=0), min_dwell=2).fit(X)
    low, high = "LOW", "HIGH"
    assert answers(fitted, X) == [None, None, high, high, high, high, low, low, None, high]


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=12, max_size=60), st.integers(2, 5))
@few
def test_every_regime_dwells(values, min_dwell):
    X = np.array([0.0, 1.0, 2.0, *values])[:, None]
    said = pd.Series(answers(OrderedRegimes(KMeans(3, random_state=0), min_dwell=min_dwell).fit(X), X)).dropna()
    lengths = said.groupby((said != said.shift()).cumsum()).size()
    assert (lengths.iloc[:-1] >= min_dwell).all()


# Missing, constant, short.


@every_plain_detector
def test_rows_without_a_number_have_no_regime(detector):
    X = market(60)
    fitted = clone(detector).fit(X)
    X.iloc[40] = np.nan
    assert answers(fitted, X)[40] is None
    assert not fitted.predict_proba(X)[40].any()
    assert fitted.predict_proba(X).shape == (60, len(fitted.regimes_))
    assert answers(fitted, X.iloc[:0]) == []


@pytest.mark.parametrize(
    "detector",
    [VolatilityRegimes("r", window=20), TrendRegimes("r", window=20), QuantileRegimes("r"), ProductRegimes()],
    ids=repr,
)
def test_too_short_a_history_knows_nothing(detector):
    X = market(8)
    if isinstance(detector, QuantileRegimes):
        X["r"] = np.nan
    assert answers(clone(detector).fit(X), X) == [None] * 8


def test_rows_that_are_all_alike_are_one_regime():
    X = pd.DataFrame({"r": np.full(30, 0.01)})
    assert set(answers(QuantileRegimes("r").fit(X), X)) == {"LOW"}
    assert set(answers(VolatilityRegimes("r", window=3).fit(X), X)[2:]) == {"CALM"}
    assert set(answers(TrendRegimes("r", window=3).fit(X), X)[2:]) == {"TREND_UP"}
    assert set(answers(OrderedRegimes(GaussianMixture(1)).fit(X), X)) == {"LEVEL_1"}


def test_prices_that_are_not_positive_have_no_return():
    X = pd.DataFrame({"price": [1.0, 2.0, -1.0, 2.0, 3.0, 3.0, 4.0]})
    said = answers(VolatilityRegimes("price", window=2, prices=True).fit(X), X)
    assert [name is None for name in said] == [True, True, True, True, True, False, False]


def test_frames_of_polars():
    X = market(40)
    other = pl.DataFrame({name: X[name].to_numpy() for name in X})
    for detector in DETECTORS + HIDDEN:
        plain = clone(detector).fit(X)
        assert answers(clone(detector).fit(other), other) == answers(plain, X)


# As scikit-learn has it.


@every_detector
def test_clones_and_pickles(detector):
    X = market(60)
    fitted = clone(detector).fit(X.iloc[:30])
    again = pickle.loads(pickle.dumps(fitted))
    assert_same_memberships(SingleRegime(), again.predict_proba(X.iloc[30:]), fitted.predict_proba(X.iloc[30:]))
    assert repr(clone(fitted)) == repr(detector)
    assert not hasattr(clone(fitted), "regimes_")
    assert detect(fitted, X).columns.tolist() == list(fitted.regimes_) == fitted.classes_.tolist()
    assert fitted.n_features_in_ == 2


def test_everything_survives_skops():
    X = market(60)
    for detector in (VolatilityRegimes("r", window=4), OrderedRegimes(KMeans(2, random_state=0), min_dwell=2)):
        fitted = clone(detector).fit(X[:30])
        saved = skops.dumps(fitted)
        again = skops.loads(saved, trusted=skops.get_untrusted_types(data=saved))
        assert answers(again, X[30:]) == answers(fitted, X[30:])


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


def two_markets(n=240, seed=0, length=30):
    """Each model's column is right in one regime only; the regime is a matter of volatility."""
    rng = np.random.RandomState(seed)
    wild = np.arange(n) // length % 2 == 1
    X = pd.DataFrame(rng.standard_normal((n, 2)), columns=["a", "b"], index=pd.date_range("2024-01-01", periods=n))
    X["r"] = rng.standard_normal(n) * np.where(wild, 0.05, 0.01)
    X["price"] = 100 * np.cumprod(1 + X["r"])
    y = pd.Series(np.where(wild, X["a"], -X["a"]) + 0.1 * rng.standard_normal(n), index=X.index)
    return X, y


@every_detector
def test_inside_an_ensemble(detector):
    X, y = two_markets()
    ensemble = RegimeAwareEnsembleRegressor(MODELS, regime_detector=detector, n_jobs=1).fit(X[:200], y[:200])
    assert set(ensemble.regime_detector_.regimes_) <= set(ensemble.regimes_)
    said = ensemble.predict(X[200:])
    assert np.isfinite(said).all()
    # The future does not matter, and neither does what came before the rows that are known.
    np.testing.assert_allclose(ensemble.predict(X[200:210]), said[:10], rtol=1e-12)
    np.testing.assert_allclose(ensemble.predict(X)[200:], said, rtol=1e-12)
    again = pickle.loads(pickle.dumps(ensemble))
    np.testing.assert_array_equal(again.predict(X[200:]), said)
    ensemble.partial_update(X[200:210], y[200:210])
    assert np.isfinite(ensemble.predict(X[210:])).all()


@pytest.mark.parametrize(
    ("detector", "share"),
    [
        (OrderedRegimes(KMeans(2, random_state=0), "level", columns=["level"]), 0.05),
        (QuantileRegimes("level", 2), 0.15),
        (VolatilityRegimes("r", window=5), 0.5),
        (OrderedRegimes(GaussianMixture(2, random_state=0), "size", columns=["size"], min_dwell=2), 0.5),
    ],
    ids=repr,
)
def test_a_market_of_two_regimes_is_found(detector, share):
    """As good as with the true labels where clusters show them; a quantile cuts beside them, a window is late."""
    X, y = two_markets(900, length=75)
    wild = np.arange(900) // 75 % 2
    X["level"] = wild + 0.1 * np.random.RandomState(1).standard_normal(900)
    X["size"] = X["r"].abs().rolling(5, min_periods=1).mean()
    models = [("a", FromColumn("a", 1.0)), ("b", FromColumn("a", -1.0))]
    truth = np.where(wild, "wild", "calm")
    known = RegimeAwareEnsembleRegressor(models, n_jobs=1).fit(X[:600], y[:600], regimes=truth[:600])
    blind = RegimeAwareEnsembleRegressor(models, n_jobs=1).fit(X[:600], y[:600])
    found = RegimeAwareEnsembleRegressor(models, regime_detector=detector, n_jobs=1).fit(X[:600], y[:600])
    best, error, without = (
        np.mean((said - y[600:]) ** 2)
        for said in (known.predict(X[600:], regimes=truth[600:]), found.predict(X[600:]), blind.predict(X[600:]))
    )
    assert best < 0.05 * without
    assert error < share * without


def test_a_search_goes_into_detectors():
    X, y = two_markets(120)
    ensemble = RegimeAwareEnsembleRegressor(MODELS, regime_detector=ProductRegimes(), n_jobs=1)
    grid = {
        "ensemble__regime_detector": [ProductRegimes(TrendRegimes("r", window=5), VolatilityRegimes("r", window=5))],
        "ensemble__regime_detector__second__n_regimes": [2, 3],
    }
    pipeline = make_pipeline("passthrough", ensemble)
    pipeline.steps[1] = ("ensemble", ensemble)
    search = GridSearchCV(pipeline, grid, cv=TimeSeriesSplit(2), error_score="raise").fit(X, y)
    n_regimes = search.best_params_["ensemble__regime_detector__second__n_regimes"]
    assert len(search.best_estimator_[-1].regime_detector_.regimes_) == 3 * n_regimes


def test_a_detector_at_the_end_of_a_pipeline():
    X = market(60)
    pipeline = make_pipeline(StandardScaler(), OrderedRegimes(KMeans(2, random_state=0), min_dwell=2)).fit(X)
    assert set(pipeline.predict(X)) == {None, "LOW", "HIGH"}
    assert pipeline.classes_.tolist() == ["LOW", "HIGH"]


def test_an_ensemble_at_the_end_of_a_pipeline_passes_arrays():
    X, y = two_markets(120)
    ensemble = RegimeAwareEnsembleRegressor(MODELS, regime_detector=VolatilityRegimes(2, window=5), n_jobs=1)
    said = make_pipeline(StandardScaler(), ensemble).fit(X, y).predict(X)
    assert np.isfinite(said).all()


def test_a_regime_that_never_comes_back_and_one_that_is_new():
    X, y = two_markets()
    early = (np.arange(240) < 60)[:, None].repeat(4, axis=1)
    X = X.where(~early, X - 50.0)
    X.iloc[200:, 2] = 0.5
    ensemble = RegimeAwareEnsembleRegressor(MODELS, regime_detector=QuantileRegimes("r", 4), n_jobs=1)
    assert np.isfinite(ensemble.fit(X[:200], y[:200]).predict(X[200:])).all()


def test_rows_of_one_regime_are_served_as_without():
    X, y = two_markets()
    X["r"] = 0.01
    said = [
        RegimeAwareEnsembleRegressor(MODELS, regime_detector=detector, n_jobs=1).fit(X, y).predict(X)
        for detector in (SingleRegime(), QuantileRegimes("r"), VolatilityRegimes("r", window=2))
    ]
    np.testing.assert_allclose(said[1], said[0], rtol=1e-9)
    np.testing.assert_allclose(said[2], said[0], rtol=0.05, atol=0.01)  # the first row of all has no regime


def test_too_long_a_window_is_no_regimes():
    X, y = two_markets(100)
    plain = RegimeAwareEnsembleRegressor(MODELS, n_jobs=1).fit(X, y).predict(X)
    detector = VolatilityRegimes("r", window=500)
    ensemble = RegimeAwareEnsembleRegressor(MODELS, regime_detector=detector, n_jobs=1).fit(X, y)
    np.testing.assert_allclose(ensemble.predict(X), plain, rtol=1e-9)


# Wrong calls get sentences.


def doubled(X):
    return pd.concat([X, X]).sort_index()


@pytest.mark.parametrize(
    ("detector", "change", "words"),
    [
        (QuantileRegimes("vix"), None, r"column of QuantileRegimes is 'vix', but X has the columns \['r', 'price'\]"),
        (QuantileRegimes("vix"), np.asarray, "2 columns without names"),
        (QuantileRegimes(2), np.asarray, "position from 0 to 1"),
        (QuantileRegimes(-1), None, "position from 0 to 1"),
        (QuantileRegimes("r"), lambda X: X["r"], r"Pass a DataFrame, such as series.to_frame\(\)"),
        (QuantileRegimes("r"), lambda X: X.assign(r="high"), "'r', which does not hold numbers"),
        (QuantileRegimes("r", 1), None, "n_regimes of QuantileRegimes must be an integer of at least 2; got 1"),
        (QuantileRegimes("r", 2, names=["a"]), None, r"must be 2 different texts, .* got \['a'\]"),
        (QuantileRegimes("r", 2, names=["a", "a"]), None, "must be 2 different texts"),
        (QuantileRegimes("r", 2, names="ab"), None, "must be 2 different texts"),
        (QuantileRegimes("r", 2, names=[0, 1]), None, "must be 2 different texts"),
        (QuantileRegimes("r", 2, names=["a", "pooled"]), None, "Rename it"),
        (VolatilityRegimes("r", window=1), None, "window of VolatilityRegimes must be an integer of at least 2"),
        (VolatilityRegimes("r", prices="price"), None, "prices of VolatilityRegimes must be True"),
        (VolatilityRegimes("r"), doubled, "one row for each time, oldest first"),
        (TrendRegimes("r"), lambda X: X[::-1], r"X.sort_index\(\)"),
        (TrendRegimes("r", -1), None, "threshold of TrendRegimes must be a number of at least 0; got -1"),
        (ProductRegimes(3), None, r"first of ProductRegimes must be a detector .* got 3"),
        (ProductRegimes(second=KMeans), None, "second of ProductRegimes must be a detector"),
        (ProductRegimes(lambda X: [None] * len(X)), None, "whose regimes have names"),
        (ProductRegimes(KMeans(2)), None, r"those of KMeans\(n_clusters=2\) are \[0, 1\].*OrderedRegimes"),
        (OrderedRegimes(DBSCAN()), None, r"must have fit and predict .* got DBSCAN\(\)"),
        (OrderedRegimes(KMeans), None, "must have fit and predict"),
        (OrderedRegimes(by="vix"), None, "by of OrderedRegimes is 'vix'"),
        (OrderedRegimes(by="r"), lambda X: X[["r", "r"]], "by of OrderedRegimes names 'r', but X has 2 columns of it"),
        (OrderedRegimes(min_dwell=0), None, "min_dwell of OrderedRegimes must be an integer of at least 1; got 0"),
        (OrderedRegimes(min_dwell=2), doubled, "one row for each time"),
        (OrderedRegimes(columns="r"), None, "columns of OrderedRegimes must be a list of columns of X"),
        (OrderedRegimes(columns=["r", "vix"]), None, "columns of OrderedRegimes is 'vix'"),
        (OrderedRegimes(), lambda X: X * np.nan, "no row without a missing value"),
        (OrderedRegimes(names=["a", "b"]), None, "must be 3 different texts"),
    ],
    ids=lambda value: "change" if callable(value) else str(value) if isinstance(value, str) else type(value).__name__,
)  # fmt: skip
def test_wrong_calls_get_sentences(detector, change, words):
    X = market(30)
    with pytest.raises(ValueError, match=f"(?s){words}"):
        clone(detector).fit(X if change is None else change(X))


@pytest.mark.parametrize("detector", [VolatilityRegimes("r", window=3), OrderedRegimes(min_dwell=2)], ids=repr)
def test_rows_to_remember_must_say_when_they_were(detector):
    X = market(40)
    fitted = clone(detector).fit(X[:30])
    state = pickle.dumps(fitted)
    for rows in (X[30:].reset_index(drop=True), X[30:].tz_localize("UTC"), X[30:].set_axis(list("a" * 10))):
        with pytest.raises(ValueError, match="cannot tell whether these rows come after those of fit"):
            fitted.remember(rows)
    assert answers(fitted, X[30:].tz_localize("UTC"))[0] is None
    assert pickle.dumps(fitted) == state
    with pytest.raises(ValueError, match="cannot tell whether"):
        clone(detector).fit(X[:30].set_axis(list("a" * 30))).remember(X[30:])


def test_rows_that_one_part_refuses_change_neither():
    X = market(40)
    product = ProductRegimes(VolatilityRegimes("r", window=3), VolatilityRegimes("price", window=3)).fit(X[:30])
    state = pickle.dumps(product)
    with pytest.raises(ValueError, match="does not hold numbers"):
        product.remember(X[30:].assign(price="high"))
    assert pickle.dumps(product) == state


def test_other_columns_than_in_fit_are_refused():
    X = market(30)
    with pytest.raises(ValueError, match="misses the columns"):
        QuantileRegimes("r").fit(X).predict(X[["r"]])

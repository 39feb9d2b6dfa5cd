"""Whether it looks ahead: every known way to do so is found where it happens, and nothing else is called guilty."""

import inspect
import pickle
import random
import warnings
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hmmlearn.hmm import GaussianHMM
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator, ClusterMixin, RegressorMixin, TransformerMixin, clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans
from sklearn.decomposition import PCA
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, KFold, TimeSeriesSplit
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, StandardScaler
from sklearn.svm import SVC, SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import skensemble
import skensemble.combiners
import skensemble.regimes
from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor, check_causality
from skensemble.combiners import Combiner, WeightedVoting
from skensemble.datasets import load_sp500
from skensemble.evaluation import CausalityReport
from skensemble.evaluation._futures import Rows as Known
from skensemble.evaluation._futures import cut_points, other_future, other_outcomes, rows_until
from skensemble.regimes import OrderedRegimes, ProductRegimes, TrendRegimes, VolatilityRegimes
from skensemble.splits import ForwardSplit

ENSEMBLES = [RegimeAwareEnsembleRegressor, RegimeAwareEnsembleClassifier]


def market(n=300, seed=0):
    """Two regimes of volatility, a price, a volume of whole numbers, a weekday, and labels of several kinds."""
    rng = np.random.default_rng(seed)
    r = rng.normal(size=n) * np.where(np.arange(n) // 30 % 2, 0.03, 0.01)
    return pd.DataFrame(
        {
            "r": r,
            "price": 100 * np.cumprod(1 + r),
            "volume": rng.integers(1000, 9000, n),
            "weekday": np.arange(n) % 5,
            "side": np.where(rng.normal(size=n) > 0, "buy", "sell"),
            "open": rng.random(n) > 0.5,
            "sector": pd.Categorical(rng.choice(["a", "b", "c"], n)),
        },
        index=pd.date_range("2024-01-01", periods=n, name="day"),
    )


MARKET = market()
NUMBERS = MARKET[["r", "price", "volume"]]
NEXT = MARKET["r"].shift(-1, fill_value=0.0).rename("next")
UP = pd.Series(np.where(NEXT > 0, "up", "down"), MARKET.index)
GAPS = MARKET[["r", "price"]].copy()
GAPS.iloc[[40, 41, 207, 208, 209]] = np.nan
EXTREMES_FIRST = NUMBERS.copy()
EXTREMES_FIRST.iloc[[3, 5]] = [[-0.1, 20.0, 20], [0.1, 300.0, 9500]]
HOURS = pd.DataFrame(
    {"price": 100 + np.cumsum(np.random.default_rng(1).normal(size=24 * 20))},
    index=pd.date_range("2024-01-01", periods=24 * 20, freq="h"),
)
DAYS = pd.date_range("2024-01-01", periods=50)
PANEL = pd.DataFrame(
    {"value": np.random.default_rng(2).normal(size=350)},
    index=pd.MultiIndex.from_product([DAYS, list("abcdefg")], names=["day", "asset"]),
)


class RefitScaler(TransformerMixin, BaseEstimator):
    """Learns the mean of whatever it is shown."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return X - X.mean()


class CentredModel(RegressorMixin, BaseEstimator):
    """Answers with a mean of the row before, the row and the row after."""

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return pd.Series(np.asarray(X)[:, 0]).rolling(3, center=True, min_periods=1).mean().to_numpy()


class Smoothed(GaussianHMM):
    """A hidden Markov model as the library has it: its probabilities look at all rows."""

    def fit(self, X, lengths=None):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # hmmlearn 0.3.3 sets the shape of arrays
            return super().fit(X, lengths)


class HalfFiltered(Smoothed):
    """Filters its probabilities, and forgets that its most probable path looks at all rows."""

    def predict_proba(self, X, lengths=None):
        return np.exp(self._compute_log_likelihood(np.asarray(X)))


class Peeking(WeightedVoting):
    """Weighs the models on every row by what became of all of them."""

    def fit_forward(self, predictions, targets, memberships, sample_weight, folds, *, known=None, features=None):
        self.fit(predictions, targets, memberships, sample_weight, features=features)
        return self.combine(predictions, memberships), self.weights(predictions, memberships)


class NotFromHere:
    """Has fit and predict, and is no estimator of scikit-learn."""

    def __init__(self, mean=None):
        self.mean = mean

    def fit(self, features, target):
        self.mean_ = float(np.mean(target))

    def predict(self, features):
        return np.full(len(features), self.mean_)


def without_short_runs(X):
    """Regimes that last five rows at least; whether they do is known four rows later."""
    runs = (X["wild"] != X["wild"].shift()).cumsum()
    return X["wild"].where(runs.map(runs.value_counts()) >= 5).ffill()


def last_rows(X, n=5):
    return X.rolling(n).mean()


def last_of_the_day(X):
    return X["price"].resample("D").last().reindex(X.index, method="ffill")


def last_of_the_day_before(X):
    return X["price"].resample("D").last().shift(1).reindex(X.index, method="ffill")


def merged_with_its_day(X):
    days = X["price"].resample("D").last().rename_axis("time").rename("close").reset_index()
    return pd.merge_asof(X.rename_axis("time").reset_index(), days, on="time")["close"]


def two_models(kind, **params):
    models = {
        RegimeAwareEnsembleRegressor: [("ridge", Ridge()), ("tree", DecisionTreeRegressor(max_depth=3))],
        RegimeAwareEnsembleClassifier: [("bayes", GaussianNB()), ("tree", DecisionTreeClassifier(max_depth=3))],
    }
    return kind(models[kind], **{"cv": 3, **params})


def ensemble(**params):
    return two_models(RegimeAwareEnsembleRegressor, **params)


SHUFFLED = KFold(4, shuffle=True, random_state=0)
HMM = Smoothed(2, random_state=0)

# What looks ahead, and where it is to be found.


def anywhere(move):
    return move.row < move.cut


def just_before(n_rows):
    return lambda move: move.cut - n_rows <= move.row < move.cut


def same_day(move):
    return move.row // 24 == move.cut // 24 and move.row < move.cut


def in_the_gap(move):
    return move.row in (207, 208, 209)


def first_row(move):
    return (move.row, move.cut) == (0, 1)


def own_label(move):
    return move.change == "outcomes altered" and move.row == move.cut


FUNCTIONS = {
    "a centred window": (lambda X: X.rolling(5, center=True).mean(), NUMBERS, just_before(2)),
    "one that copes": (lambda X: X["r"].rolling(5, center=True, min_periods=1).mean(), NUMBERS, just_before(2)),
    "the next row": (lambda X: X["price"].shift(-1) / X["price"] - 1, NUMBERS, just_before(1)),
    "the next label": (lambda X: X[["side", "open", "sector", "weekday"]].shift(-1), MARKET, just_before(1)),
    "the next row, dropped": (lambda X: X.pct_change().shift(-1).dropna(), NUMBERS, just_before(1)),
    "the row five ahead": (lambda X: X["r"].shift(-5), NUMBERS, just_before(5)),
    "a scaler over all rows": (lambda X: (X - X.mean()) / X.std(), NUMBERS, anywhere),
    "a scaler fitted on all rows": (StandardScaler().fit_transform, NUMBERS, anywhere),
    "a scaler of an array": (StandardScaler().fit_transform, NUMBERS.to_numpy(), anywhere),
    "single precision": (lambda X: X - X.mean(axis=0), NUMBERS.to_numpy(np.float32), anywhere),
    "ranks over all rows": (lambda X: X.rank(pct=True), NUMBERS, anywhere),
    "ranks of whole numbers": (lambda X: X["volume"].rank(), NUMBERS, anywhere),
    "a part of the largest": (lambda X: X["r"] / X["r"].abs().max(), NUMBERS, anywhere),
    "a part of the largest volume": (lambda X: X["volume"] / X["volume"].max(), EXTREMES_FIRST, anywhere),
    "above the lowest": (lambda X: X["price"] - X["price"].min(), EXTREMES_FIRST, anywhere),
    "bins over all rows": (lambda X: pd.qcut(X["r"], 4, labels=list("abcd")), NUMBERS, anywhere),
    "filled from behind": (lambda X: X.bfill(), GAPS, in_the_gap),
    "a line between known values": (lambda X: X.interpolate(), GAPS, in_the_gap),
    "the start filled from behind": (lambda X: X.rolling(20).mean().bfill(), NUMBERS, first_row),
    "the same day's close": (last_of_the_day, HOURS, same_day),
    "a merge off by one": (merged_with_its_day, HOURS, same_day),
    "the place among all rows": (lambda X: np.arange(len(X)) / len(X), NUMBERS, anywhere),
    "the next of another asset": (lambda X: X.groupby(level="asset").shift(-1), PANEL, just_before(7)),
    "the mean of an asset": (lambda X: X.groupby(level="asset").transform("mean"), PANEL, anywhere),
}
FUNCTIONS_OF_Y = {
    "a mean of y": (lambda X, y: y.groupby(X["weekday"]).transform("mean"), NEXT, anywhere),
    "y itself": (lambda X, y: X.assign(y=y), NEXT, own_label),
    "classes themselves": (lambda X, y: (y == "up").astype(float), UP, own_label),
}
DETECTOR = ensemble(regime_detector=HMM)
CENTRED = RegimeAwareEnsembleRegressor([("ridge", Ridge()), ("centred", CentredModel())])
ORDERED = ensemble(regime_detector=OrderedRegimes(HMM, "r", columns=["r"]))
WINDOW = ensemble(regime_detector=lambda X: X["r"].rolling(9, center=True).std() > 0.02)
CLASSES = two_models(RegimeAwareEnsembleClassifier, cv=SHUFFLED)
SCALED = make_pipeline(StandardScaler(), ensemble())
SECOND_STEP = make_pipeline(StandardScaler(), FunctionTransformer(lambda X: X - X.mean(axis=0)), Ridge())
ESTIMATORS = {
    "a smoothed regime": (HMM, NEXT, "predict_proba, column"),
    "the most probable path": (HalfFiltered(2, random_state=0), None, "predict"),
    "clusters of all rows": (AgglomerativeClustering(3), None, "fit_predict"),
    "outliers among all rows": (LocalOutlierFactor(), None, "fit_predict"),
    "a scaler that fits in transform": (RefitScaler(), None, "transform, column 'r'"),
    "the same in a pipeline": (make_pipeline(RefitScaler(), Ridge()), NEXT, "transform of step 'refitscaler', column"),
    "the second step": (SECOND_STEP, NEXT, "transform of step 'functiontransformer'"),
    "a model that centres": (CentredModel(), NEXT, "predict"),
    "a smoothed detector": (DETECTOR, NEXT, "memberships, regime"),
    "put into order": (ORDERED, NEXT, "memberships, regime"),
    "a centred detector": (WINDOW, NEXT, "memberships, regime"),
    "a detector in a pipeline": (make_pipeline(FunctionTransformer(), DETECTOR), NEXT, "memberships, regime"),
    "a member that centres": (CENTRED, NEXT, "member_predictions, model 'centred'"),
    "shuffled folds": (ensemble(cv=SHUFFLED), NEXT, "out_of_fold_.predictions, model"),
    "shuffled folds of classes": (CLASSES, UP, "out_of_fold_.predictions, model"),
    "whole folds": (ensemble(cv=KFold(4)), NEXT, "out_of_fold_.predictions, model"),
    "a scaler before folds": (SCALED, NEXT, "out_of_fold_.predictions, model 'ridge'"),
    "a combiner that peeks": (ensemble(combiner=Peeking()), NEXT, "out_of_fold_.weights, model"),
}


def assert_found(report, X, says):
    assert not report, report
    move = report.move
    assert str(report).startswith(f"{report.checked} looks ahead: {says}"), report
    assert f" of row {move.row:,}" in str(report)
    assert move.advice in str(report)
    assert move.first_row <= move.row < move.cut + (move.change == "outcomes altered")
    assert move.label is None or move.label == X.index[move.row]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_that_look_ahead_are_found(name):
    function, X, where = FUNCTIONS[name]
    report = check_causality(function, X)
    assert_found(report, X, "output")
    assert where(report.move), report


@pytest.mark.parametrize("name", FUNCTIONS_OF_Y)
def test_features_of_unknown_targets_are_found(name):
    function, y, where = FUNCTIONS_OF_Y[name]
    report = check_causality(function, MARKET, y)
    assert_found(report, MARKET, "output")
    assert where(report.move), report


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_that_look_ahead_are_found_where_they_do(name):
    thing, y, says = ESTIMATORS[name]
    X = NUMBERS[["r"]]
    assert_found(check_causality(thing, X, y, n_cuts=5), X, says)


INNOCENT = {
    "a backward window": (lambda X: X.rolling(5).agg(["mean", "std", "max"]), NUMBERS, None),
    "the row before": (lambda X: X.shift(1), MARKET, None),
    "nothing at all": (lambda X: X, MARKET, None),
    "an expanding scaler": (lambda X: (X - X.expanding().mean()) / X.expanding().std(), NUMBERS, None),
    "an expanding rank": (lambda X: X["r"].expanding().rank(pct=True), NUMBERS, None),
    "an exponential mean": (lambda X: X.ewm(halflife=10).mean(), NUMBERS, None),
    "a random walk": (lambda X: X["r"].cumsum(), NUMBERS, None),
    "filled from before": (lambda X: X.ffill(), GAPS, None),
    "rows left out": (lambda X: X.pct_change(5).dropna(), NUMBERS, None),
    "every fifth row": (lambda X: X.iloc[::5], NUMBERS, None),
    "the order of rows changed": (lambda X: X.iloc[::-1], NUMBERS, None),
    "the day before": (last_of_the_day_before, HOURS, None),
    "the last y": (lambda X, y: X.assign(last=y.shift(1)), NUMBERS, NEXT),
    "the mean of y so far": (lambda X, y: y.shift(1).expanding().mean(), NUMBERS, NEXT),
    "a second argument that is no y": (last_rows, NUMBERS, NEXT),
    "a part of a function": (partial(last_rows, n=3), NUMBERS, None),
    "ranks within a day": (lambda X: X.groupby(level="day").rank(), PANEL, None),
    "each asset's last": (lambda X: X.groupby(level="asset").shift(1), PANEL, None),
    "one time, several rows": (lambda X: X.groupby(X.index).rank(), PANEL.reset_index("asset", drop=True), None),
    "the global generator": (lambda X: np.random.normal(size=len(X)), NUMBERS, None),  # noqa: NPY002
    "a walk of an array": (lambda X: np.cumsum(X, axis=0), NUMBERS.to_numpy(), None),
    "a function of numpy": (np.sign, NUMBERS.to_numpy(), None),
    "a series": (lambda r: r.rolling(3).std(), NUMBERS["r"], None),
    "windows of each row": (lambda X: X.mean(axis=1), np.random.default_rng(0).normal(size=(100, 5, 3)), None),
    "polars": (lambda X: X.select(pl.all().rolling_mean(5)), pl.DataFrame(NUMBERS.to_dict("list")), None),
    "polars, a series": (lambda X: X["side"].shift(1), pl.DataFrame({"side": MARKET["side"].tolist()}), None),
    "lists": (lambda X: X[:, 0], NUMBERS.to_numpy().tolist(), NEXT.tolist()),
    "missing labels": (lambda X: X["side"].astype("string").where(X["open"]).shift(1), MARKET, None),
    "missing whole numbers": (lambda X: X["volume"].astype("Int64").where(X["open"]), MARKET, None),
    "arrays as labels": (lambda X: pd.Series([np.arange(k % 3) for k in range(len(X))], X.index), MARKET, None),
    "a frozen model": (FrozenEstimator(LinearRegression().fit(NUMBERS, NEXT)), NUMBERS, None),
    "a model from elsewhere": (NotFromHere(), NUMBERS, NEXT),
    "a clustering that has nothing to find": (DBSCAN(eps=1e9, min_samples=1), NUMBERS, None),
    "listed folds": (ensemble(cv=[(np.arange(200), np.arange(200, 300))]), NUMBERS, NEXT),
    "a frozen ensemble": (FrozenEstimator(ensemble().fit(NUMBERS, NEXT)), NUMBERS, None),
    # What becomes a column only because of later rows says nothing of earlier ones.
    "a column for each label": (lambda X: pd.get_dummies(X["r"].round().astype(int)), NUMBERS, None),
    "a pipeline that ends in an ensemble": (make_pipeline(FunctionTransformer(), ensemble()), NUMBERS, NEXT),
}  # fmt: skip


@pytest.mark.parametrize("name", INNOCENT)
def test_what_looks_back_is_innocent(name):
    thing, X, y = INNOCENT[name]
    report = check_causality(thing, X, y)
    assert report, report
    assert not report.unanswered
    assert "was not caught looking ahead" in repr(report)


MODELS = [
    Ridge(),
    KNeighborsRegressor(),
    SVR(),
    GaussianProcessRegressor(),
    MLPRegressor(hidden_layer_sizes=(20, 20), max_iter=20),
    ExtraTreesRegressor(5, n_jobs=2),
    HistGradientBoostingRegressor(max_iter=5),
    GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=TimeSeriesSplit(3)),
    LogisticRegression(),
    KNeighborsClassifier(algorithm="brute"),
    SVC(),
    MLPClassifier(max_iter=10),
    RandomForestClassifier(10, n_jobs=2),
    CalibratedClassifierCV(GaussianNB(), cv=3),
    KMeans(3),
    GaussianMixture(2),
    PCA(2),
    StandardScaler(),
    KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"),
    LocalOutlierFactor(novelty=True),
]


@pytest.mark.parametrize("single", [False, True], ids=["double", "single precision"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_rounding_is_no_look_ahead(model, single):
    """Sums round by the size of the batch; in single precision a million times as much."""
    X = StandardScaler().fit_transform(NUMBERS).astype(np.float32 if single else np.float64)
    y = UP.to_numpy() if is_classifier(model) else NEXT.to_numpy().astype(X.dtype)
    report = check_causality(make_pipeline(PCA(2), model), X, y, n_cuts=5)
    assert report, report


def detectors():
    """All of the package's own, as they come, and with parameters that make them look back."""
    named = [getattr(skensemble.regimes, name) for name in skensemble.regimes.__all__]
    kinds = [thing for thing in named if inspect.isclass(thing) and issubclass(thing, BaseEstimator)]
    assert len(kinds) >= 6
    return [
        *(kind() for kind in kinds),
        VolatilityRegimes("price", 3, window=5, prices=True),
        OrderedRegimes(KMeans(3, random_state=0), "r", min_dwell=3),
        ProductRegimes(TrendRegimes("r", window=5), OrderedRegimes(GaussianMixture(2, random_state=0), "r")),
    ]


@pytest.mark.parametrize("detector", detectors(), ids=repr)
def test_our_detectors_look_back_only(detector):
    assert check_causality(detector, NUMBERS), detector
    assert check_causality(ensemble(regime_detector=detector), NUMBERS, NEXT, n_cuts=1), detector


def combiners():
    named = [getattr(skensemble.combiners, name) for name in skensemble.combiners.__all__]
    kinds = [thing for thing in named if inspect.isclass(thing) and issubclass(thing, Combiner)]
    found = [kind() for kind in kinds if not inspect.isabstract(kind)]
    assert len(found) >= 3
    return found


@pytest.mark.parametrize("regimes", ["none", "given", "probabilities", "late", "clusters", "looking back"])
@pytest.mark.parametrize("combiner", combiners(), ids=repr)
@pytest.mark.parametrize("kind", ENSEMBLES)
def test_forward_ensembles_are_innocent(kind, combiner, regimes):
    y = NEXT if kind is RegimeAwareEnsembleRegressor else UP
    share = (MARKET["volume"] / 9000).to_numpy()
    given = {
        "given": MARKET["sector"],
        "probabilities": pd.DataFrame({"calm": share, "storm": 1 - share}, MARKET.index),
        "late": pd.Series(np.where(np.arange(300) < 110, "old", "new"), MARKET.index),
    }.get(regimes)
    detector = {"clusters": KMeans(3), "looking back": VolatilityRegimes("r", window=5)}.get(regimes)
    made = two_models(kind, combiner=combiner, regime_detector=detector)
    report = check_causality(made, NUMBERS, y, regimes=given, n_cuts=1)
    assert report, report
    assert not report.unanswered
    assert {"member_predictions", "weights", "combined", "out_of_fold_.predictions"} <= set(report.outputs)
    assert ("memberships" in report.outputs) == (regimes != "none")


# Labels that are known later.


def test_labels_known_too_late_are_found_and_purged_ones_are_innocent():
    X, y, _ = load_sp500("volatility")
    X, y = X[["volatility_5", "volatility_21", "return_1"]][:600], y[:600]
    hasty, patient = ensemble(), ensemble(label_horizon=5)
    assert check_causality(hasty, X, y)
    report = check_causality(hasty, X, y, label_horizon=5)
    assert not report
    assert report.move.output == "out_of_fold_.predictions"
    assert "label_horizon" in str(report)
    assert check_causality(patient, X, y)
    assert check_causality(patient, X, y, label_horizon=5)
    assert check_causality(ensemble(label_horizon="10D"), X, y)


def test_features_of_y_know_it_when_its_label_is_known():
    def features(X, y):
        return X.assign(last=y.shift(5))

    for horizon in (0, 5, "5D", pd.Timedelta("5D")):
        assert check_causality(features, NUMBERS, NEXT, label_horizon=horizon)
    for horizon in (6, "6D"):
        report = check_causality(features, NUMBERS, NEXT, label_horizon=horizon)
        assert report.move.change == "outcomes altered"
        assert "y was altered from row" in str(report)
    assert not check_causality(lambda X, *, y: y.shift(-1), NUMBERS, NEXT)
    assert not check_causality(lambda X, y, /: y.shift(-1), NUMBERS, NEXT)
    assert not check_causality(lambda X, n=1, y=None: y.shift(-n), NUMBERS, NEXT)


def test_functions_get_regimes_where_they_take_them():
    assert check_causality(lambda X, regimes: X["r"].groupby(regimes).cumsum(), NUMBERS, regimes=UP)
    assert not check_causality(lambda X, regimes: pd.Series(regimes).shift(-1), NUMBERS, NEXT, regimes=UP)
    pairs = [(side, day % 2) for day, side in enumerate(UP)]
    assert check_causality(ensemble(), NUMBERS, NEXT, regimes=pairs)
    piped = make_pipeline(FunctionTransformer(), ensemble())
    assert check_causality(piped, NUMBERS, NEXT, regimes=UP)


# How small a leak, how large a rounding.


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_row_in_two_thousand_is_found(dtype):
    """A mean over all rows of which one is not yet known: a move of the size of 1/n."""
    X = np.random.default_rng(0).normal(size=(2000, 1)).astype(dtype)
    assert not check_causality(lambda X: X - X[-1] / dtype(2000), X)
    assert not check_causality(lambda X: X - X[1999:].sum(axis=0) / dtype(2000), X)


def test_tolerance_is_a_part_of_the_spread():
    X = 1000 * np.random.default_rng(0).normal(size=(100, 1))
    assert check_causality(lambda X: X + 1e-5 * len(X), X)
    assert not check_causality(lambda X: X + 1e-5 * len(X), X, tolerance=1e-9)
    # Where rows are altered the batch keeps its size, and there is no excuse.
    assert not check_causality(lambda X: X + 0.01 * X.sum(), X, tolerance=0.1)


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("level", [0.0, 1.0, 1e6])
def test_neither_units_nor_levels_matter(scale, level):
    X = scale * (level + np.random.default_rng(0).normal(size=(100, 1)))
    assert check_causality(lambda X: X, X)
    assert not check_causality(lambda X: np.roll(X, -1), X)


def test_one_wild_value_hides_nothing():
    X = np.random.default_rng(0).normal(size=(200, 1))
    X[30] = 1e9
    report = check_causality(lambda X: np.roll(X, -1), X)
    assert report.move.row == report.move.cut - 1 or report.move.row > 100


def test_values_that_hardly_vary_may_be_rounded():
    X = np.random.default_rng(0).normal(size=(100, 1))
    assert check_causality(lambda X: np.full(len(X), 0.1) + 1e-17 * len(X), X)
    highest = float(X.max())
    assert check_causality(lambda X: np.where(highest > X, 1e-15 / len(X), 1.0), X)
    assert check_causality(lambda X: np.zeros(len(X)), X)


few = settings(deadline=None, max_examples=15, derandomize=True)


@few
@given(st.lists(st.floats(-2, 2).filter(lambda tap: abs(tap) > 1e-3), min_size=1, max_size=8), st.integers(0, 99))
def test_filters_are_judged_by_their_taps(taps, seed):
    x = np.random.default_rng(seed).normal(size=120)

    def backward(x):
        return np.convolve(x, taps)[: len(x)]

    def with_one_tap_ahead(x):
        ahead = np.append(x[1:], 0.0)
        return backward(x) + 0.01 * ahead

    assert check_causality(backward, x, n_cuts=2)
    report = check_causality(with_one_tap_ahead, x, n_cuts=2)
    assert report.move.row == report.move.cut - 1
    assert report.move.n_moved == 1


# What is handed over stays as it is, and so does chance.


def states():
    return np.random.get_state()[1].tobytes(), np.random.get_state()[2], random.getstate()  # noqa: NPY002


def vandal(X, y):
    """Draws, warns, and writes into what it is given."""
    np.random.normal(size=3)  # noqa: NPY002
    random.random()
    warnings.warn("made-up rows", RuntimeWarning, stacklevel=1)
    y[:] = 0
    X["r"] = 0.0
    X.index = pd.RangeIndex(len(X))
    return X


CHECKED = {
    "a vandal": vandal,
    "an ensemble": ensemble(regime_detector=KMeans(2)),
    "a fitted ensemble": ensemble().fit(NUMBERS, NEXT),
    "a frozen detector": FrozenEstimator(clone(HMM).fit(NUMBERS)),
}


@pytest.mark.parametrize("name", CHECKED)
def test_nothing_is_changed(name):
    X, y = NUMBERS.copy(), NEXT.to_numpy().copy()
    before = pickle.dumps((X, y, CHECKED[name])), states()
    check_causality(CHECKED[name], X, y, n_cuts=2)
    assert (pickle.dumps((X, y, CHECKED[name])), states()) == before


def test_the_same_question_gets_the_same_answer():
    for thing in (HMM, ensemble(cv=SHUFFLED), lambda X: X.rank()):
        first, again = (str(check_causality(thing, NUMBERS, NEXT, n_cuts=2)) for _ in range(2))
        assert first == again


class Counts(BaseEstimator):
    """Counts how often it was asked, which is nobody's business."""

    def fit(self, X, y=None):
        self.n_ = 0
        return self

    def predict(self, X):
        self.n_ += 1
        return np.full(len(X), float(self.n_))


def test_whoever_keeps_count_is_asked_anew():
    assert check_causality(Counts(), NUMBERS)


def noisy(X, size=1e-6):
    return X["r"] + size * X["r"].std() * np.random.default_rng().normal(size=len(X))


def test_chance_of_its_own_is_called_by_name():
    with pytest.raises(ValueError, match=r"noisy answers differently when asked twice: output of row .* seed"):
        check_causality(partial(noisy, size=1.0), NUMBERS)
    # Noise in the last digits, as on some accelerators, is no answer of its own; a leak above it still is found.
    assert check_causality(noisy, NUMBERS)
    assert not check_causality(lambda X: noisy(X).shift(-1), NUMBERS)


class FewerInTheWild(ClusterMixin, BaseEstimator):
    """Tells up from down where it was fitted on calm rows, and nothing where not."""

    def fit(self, X, y=None):
        self.calm_ = float(X["r"].abs().max()) < 0.15
        return self

    def predict(self, X):
        return np.where(X["r"] > 0, "up", "down") if self.calm_ else np.full(len(X), None)


def test_regimes_that_another_future_would_not_have_had():
    X = NUMBERS.assign(r=NUMBERS["r"].clip(-0.1, 0.1))
    report = check_causality(ensemble(regime_detector=FewerInTheWild()), X, NEXT, n_cuts=2)
    assert report, report
    assert "out_of_fold_.memberships" in report.outputs


class ByHash(ClusterMixin, BaseEstimator):
    """Numbers its two clusters by the last digit of what it was fitted on."""

    def fit(self, X, y=None):
        self.cut_, self.swapped_ = 0.0, int(1e6 * abs(X["r"].sum())) % 2
        return self

    def predict(self, X):
        return np.asarray(X["r"] > self.cut_).astype(int) ^ self.swapped_


def test_what_regimes_are_called_is_not_compared():
    for seed in range(4):
        X = market(200, seed)[["r", "price"]]
        y = X["r"].shift(-1, fill_value=0.0)
        assert check_causality(ensemble(regime_detector=ByHash()), X, y, n_cuts=2)


# Futures.


@pytest.mark.parametrize("cut", [1, 150, 299])
def test_another_future_leaves_the_past_and_the_types(cut):
    X = MARKET.assign(
        when=MARKET.index + pd.Timedelta("1h"),
        small=MARKET["r"].astype("float32"),
        smaller=MARKET["r"].astype("float16"),
        amount=MARKET["volume"].astype("int32"),
        maybe_amount=MARKET["volume"].astype("Int64"),
        arrow=MARKET["volume"].astype("int32[pyarrow]"),
        small_arrow=MARKET["r"].astype("float[pyarrow]"),
        maybe=MARKET["r"].astype("Float64").mask(MARKET["open"]),
        number=np.arange(300),
        zone=MARKET.index.tz_localize("Europe/Zurich"),
        thing=[(k % 3,) for k in range(300)],
    )
    other = other_future(Known(X, None, None), cut).X
    pd.testing.assert_frame_equal(other.iloc[:cut], X.iloc[:cut])
    assert other.index.equals(X.index)
    assert (other.dtypes == X.dtypes).all()
    assert (other["price"] > 0).all()
    pd.testing.assert_frame_equal(other[["number", "when", "zone"]], X[["number", "when", "zone"]])  # clocks go on
    assert set(other["sector"]) <= set(X["sector"])
    if cut < 299:
        changed = [name for name in X if not other[name].equals(X[name])]
        assert set(changed) == set(X) - {"number", "when", "zone"}
    for values in (X["r"], X["r"].to_numpy(), X["side"].to_numpy(), pl.DataFrame(NUMBERS.to_dict("list"))):
        other = other_outcomes(Known(None, values, None), cut, classes=False).y
        assert type(other) is type(values)
        assert len(other) == 300


@pytest.mark.parametrize("made", [sparse.csr_matrix, sparse.csc_matrix, sparse.coo_array, sparse.csr_array])
def test_sparse_rows(made):
    X = made(sparse.random(200, 30, 0.2, random_state=0))
    y = NEXT.to_numpy()[:200]
    assert check_causality(Ridge(), X, y)
    assert check_causality(lambda X: X * 2, X)
    assert not check_causality(lambda X: X - sparse.csr_array(X.mean(axis=0).reshape(1, -1).repeat(X.shape[0], 0)), X)


def test_words_and_more_columns_than_fit_into_memory():
    words = [" ".join(f"w{k * j % 1500}" for j in range(1, 9)) for k in range(100)]
    known = CountVectorizer(vocabulary=[f"w{k}" for k in range(1500)])
    assert check_causality(make_pipeline(known, MultinomialNB()), words, UP[:100])
    assert check_causality(known.transform, words)
    assert not check_causality(lambda words: known.transform(words[::-1]), words)


@pytest.mark.parametrize("start", [1300, 301], ids=["late", "early"])
def test_a_regime_dated_with_hindsight_is_found_where_it_begins(start):
    """One row in five hundred tells."""
    X = pd.DataFrame({"wild": np.where(np.arange(2000) < start, "no", "yes")})
    report = check_causality(without_short_runs, X)
    assert report.move.row == report.move.cut - 1 == start, report


def test_cuts_lie_inside_days_and_between_times():
    cuts = cut_points(HOURS, 10)
    assert any(cut % 24 for cut in cuts)
    assert all(cut % 7 == 0 for cut in cut_points(PANEL, 10))
    assert {1, 299, 210} <= set(cut_points(GAPS, 10))
    known = rows_until(Known(NUMBERS, NEXT, UP), 10)
    assert [len(values) for values in known] == [10, 10, 10]


def test_rows_that_may_not_be_altered_are_removed_only():
    def picky(X):
        if not X["price"].equals(NUMBERS["price"].iloc[: len(X)]):
            raise RuntimeError("These are no prices of mine.")
        return X["price"].pct_change()

    report = check_causality(picky, NUMBERS)
    assert report
    assert len(report.unanswered) == len(report.cuts)
    assert "no prices of mine" in str(report)
    assert not check_causality(lambda X: picky(X).shift(-1), NUMBERS)


# Sentences.


def test_the_report_speaks():
    report = check_causality(lambda X: X["price"].shift(-1), NUMBERS)
    assert isinstance(report, CausalityReport)
    with pytest.raises(AssertionError, match="looks ahead"):
        assert report, report
    assert str(report) == repr(report)
    assert str(report).startswith(
        f"The function looks ahead: output of row {report.move.row} ({report.move.label.date()}) was "
    )
    assert "is nan when the rows from" in str(report)
    assert report.cuts[-1] == report.move.cut or report.move.cut in report.cuts
    innocent = check_causality(ensemble(), NUMBERS, NEXT)
    assert f"before {len(innocent.cuts)} cuts of 300 rows" in str(innocent)
    assert innocent.n_samples == 300


def test_names_in_the_report():
    def momentum(X):
        return X["price"].pct_change(5)

    for thing, name in (
        (momentum, "momentum"),
        (lambda X: X, "The function"),
        (StandardScaler().fit_transform, "StandardScaler.fit_transform"),
        (partial(momentum), "momentum"),
        (FrozenEstimator(StandardScaler().fit(NUMBERS)), "StandardScaler"),
        (VolatilityRegimes(), "VolatilityRegimes"),
    ):
        assert check_causality(thing, NUMBERS, n_cuts=1).checked == name


def raises(sentence, *args, **params):
    with pytest.raises(ValueError, match=sentence):
        check_causality(*args, **params)


def test_errors_are_sentences():
    raises(r"an array, a frame \(pandas, polars\) or a sparse matrix .* got 3", np.sign, 3)
    raises("got {'r': 1}", np.sign, {"r": 1})
    raises("X of check_causality has 19 rows: with fewer than 20", np.sign, np.zeros((19, 1)))
    raises("y of check_causality has 7 rows but X has 300", Ridge(), NUMBERS, NEXT[:7])
    raises("regimes of check_causality has 7 rows but X has 300", ensemble(), NUMBERS, NEXT, regimes=UP[:7])
    raises("regimes of check_causality is given, but Ridge takes none", Ridge(), NUMBERS, NEXT, regimes=UP)
    raises("must be in time order", np.sign, NUMBERS[::-1])
    raises("must be in time order", np.sign, PANEL[::-1])
    raises("holds rows of one time only", np.sign, NUMBERS.set_axis(NUMBERS.index[:1].repeat(300)))
    raises(r"got the class StandardScaler. Did you mean StandardScaler\(\)", StandardScaler, NUMBERS)
    raises("must be a function of X, or have fit and one of predict_proba, .* got 'hmm'", "hmm", NUMBERS)
    raises("n_cuts of check_causality must be an integer of at least 1", np.sign, NUMBERS, n_cuts=0)
    raises("tolerance of check_causality must be a number above 0", np.sign, NUMBERS, tolerance=0)
    raises("label_horizon must be a number of rows", lambda X, y: y, NUMBERS, NEXT, label_horizon="soon")
    raises("The function gave 295 rows for 300: it must give one for each", lambda X: X.to_numpy()[5:], NUMBERS)
    raises("The function gave 20 rows for 480", lambda X: X.resample("D").last().set_axis(range(-20, 0)), HOURS)
    raises("gave 1 rows for 300", lambda X: None, NUMBERS)
    raises("The function has no value in any of 300 rows", lambda X: X.rolling(999).mean(), NUMBERS)
    raises("The function has no value in any of 300 rows", lambda X: X[[]], NUMBERS)
    raises(r"The function could not answer for all rows: KeyError: 'close'", lambda X: X["close"], NUMBERS)
    raises("Ridge could not be fitted on the first 150 of 300 rows: TypeError.* pass y", Ridge(), NUMBERS)
    fixed = NUMBERS["r"].to_numpy()
    raises("could not answer for all rows, but with those from .* on removed", lambda X: X.assign(z=fixed), NUMBERS)


def test_an_error_keeps_its_cause():
    with pytest.raises(ValueError, match="KeyError") as caught:
        check_causality(lambda X: X["close"], NUMBERS)
    assert isinstance(caught.value.__cause__, KeyError)


def test_dummies_and_forward_splits_are_innocent():
    models = [("mean", DummyRegressor()), ("median", DummyRegressor(strategy="median"))]
    assert check_causality(RegimeAwareEnsembleRegressor(models, cv=ForwardSplit(3, window=30)), NUMBERS, NEXT)
    voters = [("prior", DummyClassifier()), ("bayes", GaussianNB())]
    voting = RegimeAwareEnsembleClassifier(voters, combiner=WeightedVoting(), max_models=1)
    assert check_causality(voting, NUMBERS, UP)

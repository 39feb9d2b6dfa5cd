"""Wrong calls and the sentence that each gets: who, what was given, what to do."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.cluster import DBSCAN
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GroupKFold, TimeSeriesSplit

from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble.combiners import DynamicWeighting, LogOddsPool, NonNegativeRidge, Stacking, WeightedVoting
from skensemble.losses import HuberLoss, LogLoss, PinballLoss
from skensemble.splits import ForwardSplit
from skensemble.weightings import BestModels, ConvexWeights, GreedySelection, InverseLoss, SoftmaxLoss

N = 40
MODELS = [("ridge", Ridge()), ("line", LinearRegression())]
RNG = np.random.RandomState(0)
X = RNG.standard_normal((N, 3))
y = X[:, 0] + 0.1 * RNG.standard_normal(N)
LABELS = np.where(y > 0, "up", "down")
TIMES = pd.date_range("2024-01-01", periods=N)
FRAME = pd.DataFrame(X, columns=["a", "b", "c"], index=TIMES)


def with_one(values, position, value):
    values = np.array(values, dtype=object)
    values[position] = value
    return values


class Unfit(BaseEstimator):
    pass


class Bare:
    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.zeros(len(X))


def regressor(models=MODELS, **params):
    return RegimeAwareEnsembleRegressor(models, n_jobs=params.pop("n_jobs", 1), **params)


def fit(X=X, y=y, *, models=MODELS, regimes=None, sample_weight=None, fit_params=None, **params):
    ensemble = regressor(models, **params)
    return ensemble.fit(X, y, regimes=regimes, sample_weight=sample_weight, **(fit_params or {}))


def classify(y, X=X, models=None, **params):
    models = models or [("one", LogisticRegression())]
    return RegimeAwareEnsembleClassifier(models, n_jobs=1, **params).fit(X, y)


def combined(combiner):
    return fit(combiner=combiner, regimes=["calm", "wild"] * (N // 2))


def voting(weighting=None, loss=None, **params):
    return combined(WeightedVoting(weighting, loss=loss, **params))


WRONG = {
    # The list of models.
    "no list": (lambda: fit(models="xgboost"), "estimators of RegimeAwareEnsembleRegressor must be a list.*'xgboost'"),
    "a mapping": (lambda: fit(models={"ridge": Ridge()}), r"must be a list of names and .* pairs.*got \{'ridge'"),
    "a set": (lambda: fit(models={"linear"}), r"must be a list of names .*got \{'linear'\}"),
    "empty": (lambda: fit(models=[]), "has no model left.*Keep at least one model"),
    "all dropped": (lambda: fit(models=[("a", "drop"), ("b", "drop")]), r"\['a', 'b'\] are all 'drop'"),
    "unknown name": (lambda: fit(models=["xgbost"]), "No regressor has the name 'xgbost'. Did you mean 'xgboost'"),
    "wild name": (lambda: fit(models=["zzz"]), "No regressor has the name 'zzz'. The names are 'xgboost', .*'linear'"),
    "unknown inner name": (lambda: fit(models=[("a", "xgbost")]), "model 'a' .*or 'drop'; got 'xgbost'"),
    "no pair": (lambda: fit(models=[Ridge()]), r"holds Ridge\(\): each entry must be a model's name .*or a pair"),
    "a triple": (lambda: fit(models=[("a", Ridge(), 1)]), "each entry must be a model's name .*or a pair"),
    "pair turned": (lambda: fit(models=[(Ridge(), "a")]), "each entry must be a model's name .*or a pair"),
    "duplicate": (
        lambda: fit(models=[MODELS[0]] * 2),
        r"names \['ridge'\] more than once: each name must be different",
    ),
    "dunder": (lambda: fit(models=[("a__b", Ridge())]), r"has the names \['a__b'\]: a name must not .*contain '__'"),
    "nameless": (lambda: fit(models=[("", Ridge())]), "a name must not be empty"),
    "name taken": (lambda: fit(models=[("cv", Ridge())]), r"names \['cv'\], which are parameters of .*Rename them"),
    "a class": (lambda: fit(models=[("a", Ridge)]), r"model 'a' .*must be .*estimator.*Did you mean Ridge\(\)\?"),
    "no estimator": (lambda: fit(models=[("a", 3)]), "model 'a' .*with fit and predict.*got 3"),
    "no predict": (lambda: fit(models=[("a", Unfit())]), r"model 'a' .*with fit and predict.*got Unfit\(\)"),
    "not of sklearn": (lambda: fit(models=[("a", Bare())]), "model 'a' .*derive one of your own from BaseEstimator"),
    "classifier": (
        lambda: fit(models=[("a", LogisticRegression())]),
        r"model 'a' of RegimeAwareEnsembleRegressor is LogisticRegression\(\), which is not a regressor",
    ),
    "regressor": (lambda: classify(LABELS, models=[("a", Ridge())]), r"model 'a' .* which is not a classifier"),
    # Parameters of the ensemble.
    "combiner": (lambda: fit(combiner="voting"), "combiner of .* must be one of 'dynamic', .*; got 'voting'"),
    "combiner class": (lambda: fit(combiner=Stacking), "combiner of .* must be one of .*got <class"),
    "combiner kind": (lambda: fit(combiner=Ridge()), r"or a combiner such as WeightedVoting\(\); got Ridge\(\)"),
    "on_error": (lambda: fit(on_error="ignore"), "on_error of .* must be one of 'raise', 'warn'; got 'ignore'"),
    "n_jobs": (lambda: fit(n_jobs="all"), "n_jobs of .* must be None, .* or -1 for all cores; got 'all'"),
    "n_jobs zero": (lambda: fit(n_jobs=0), "n_jobs of .*got 0"),
    "seed": (lambda: fit(random_state="lucky"), "'lucky' cannot be used to seed"),
    "set unknown": (lambda: regressor().set_params(alpha=3), "Invalid parameter 'alpha' for estimator .*Valid param"),
    "set on drop": (
        lambda: regressor([("a", "drop"), *MODELS]).set_params(a__alpha=3),
        "a of RegimeAwareEnsembleRegressor is 'drop': it has no parameters to set",
    ),
    "set inner": (lambda: regressor().set_params(ridge__alhpa=3), "Invalid parameter 'alhpa' for estimator Ridge"),
    "set on no part": (lambda: regressor(combiner="x").set_params(combiner__loss=1), "is 'x': it has no parameters"),
    # Folds.
    "cv zero": (lambda: fit(cv=0), "cv of .* must be an integer of at least 1; got 0"),
    "cv float": (lambda: fit(cv=2.5), "cv of .* must be None, a number of forward folds, .*got 2.5"),
    "cv word": (lambda: fit(cv="time"), "cv of .* must be None, .*got 'time'"),
    "cv class": (lambda: fit(cv=TimeSeriesSplit), "cv of .* must be None, .*got <class"),
    "cv bool": (lambda: fit(cv=True), "cv of .* must be None, .*got True"),
    "cv no pairs": (lambda: fit(cv=[np.arange(5)]), r"must give pairs \(train, test\) of row numbers; fold 0 is array"),
    "cv no rows": (lambda: fit(cv=[(range(10), [N])]), "cv of .*fold 0 names row 40, but X has the rows 0 to 39"),
    "cv negative": (lambda: fit(cv=[(range(10), [-1])]), "cv of .*fold 0 names row -1"),
    "cv words": (lambda: fit(cv=[("a", "b")]), "must give pairs .*fold 0 holds 'a'"),
    "cv floats": (lambda: fit(cv=[([0.0, 1.0], [2.5])]), r"must give pairs .*fold 0 holds \[0.0, 1.0\]"),
    "cv empty": (lambda: fit(cv=[]), "cv of .*leaves no fold with rows to learn from: it gave 0 folds"),
    "cv used up": (lambda: [fit(cv=cv) for cv in [iter([])]], "a generator can be read only once"),
    "cv no test": (lambda: fit(cv=[(range(10), [])]), "fold 0 has no rows to predict. Leave it out"),
    "no groups": (lambda: fit(cv=GroupKFold(2)), "groups"),
    "splits": (lambda: fit(cv=ForwardSplit(0)), "n_splits of ForwardSplit must be an integer of at least 1; got 0"),
    "window": (
        lambda: fit(cv=ForwardSplit(window=0)),
        "window of ForwardSplit must be an integer of at least 1; got 0",
    ),
    "min_train": (lambda: fit(cv=ForwardSplit(min_train=99)), "min_train=99 of ForwardSplit leaves no row"),
    "horizon": (lambda: fit(label_horizon=-1), "label_horizon must be a number of rows .*; got -1"),
    "horizon word": (lambda: fit(label_horizon="soon"), "label_horizon must be .* a length of time .*; got 'soon'"),
    "horizon unit": (lambda: fit(label_horizon="5D"), "label_horizon='5D' is a length of time, .*DatetimeIndex"),
    "embargo": (lambda: fit(embargo=1.5), "embargo must be a number of rows .*; got 1.5"),
    "two units": (lambda: fit(FRAME, label_horizon="2D", embargo=3), "must both be numbers of rows or both"),
    "long horizon": (lambda: fit(label_horizon=N), "label_horizon=40 and embargo=0 .*leave no training row.*Pass more"),
    "long horizon, own cv": (
        lambda: fit(cv=TimeSeriesSplit(2), label_horizon=N),
        "leaves no fold with rows to learn from: it gave 2 folds, .*label_horizon=40",
    ),
    # X and y.
    "one-dimensional X": (lambda: fit(X[:, 0]), "Expected 2D array, got 1D array"),
    "one row": (lambda: fit(X[:1], y[:1]), r"1 sample\(s\).*minimum of 2 is required"),
    "one row in a frame": (lambda: fit(FRAME[:1], y[:1]), r"1 sample\(s\).*minimum of 2 is required"),
    "lengths": (lambda: fit(X, y[:-1]), "inconsistent numbers of samples.*40, 39"),
    "frame lengths": (lambda: fit(FRAME, y[:-1]), "inconsistent numbers of samples.*40, 39"),
    "no y": (lambda: fit(X, None), "requires y to be passed"),
    "NaN in X": (lambda: fit(with_one(X[:, :1], 3, np.nan).astype(float)), "Input X contains NaN"),
    "NaN in y": (lambda: fit(X, with_one(y, 3, np.nan).astype(float)), "Input y contains NaN"),
    "NaN in y of a frame": (lambda: fit(FRAME, with_one(y, 3, np.nan).astype(float)), "Input y contains NaN"),
    "infinite y": (lambda: fit(FRAME, with_one(y, 3, np.inf).astype(float)), "Input y contains infinity"),
    "two targets": (lambda: fit(X, X[:, :2]), r"y should be a 1d array, got an array of shape \(40, 2\)"),
    "words in y": (
        lambda: fit(X, LABELS),
        "y of RegimeAwareEnsembleRegressor must hold numbers; got .* in row 0. For classes use .*Classifier",
    ),
    "a word in y": (lambda: fit(X, with_one(y, 7, "n/a")), "must hold numbers; got 'n/a' of type str in row 7"),
    "dates in y": (lambda: fit(X, TIMES), "must hold numbers; got .*2024-01-01.* in row 0"),
    "no class": (lambda: classify(with_one(LABELS, 5, None)), r"has no class in row 5 \(None\).*Leave such rows out"),
    "no class in a frame": (lambda: classify(with_one(LABELS, 5, np.nan), FRAME), "has no class in row 5|contains NaN"),
    "NaN class": (lambda: classify(with_one(y > 0, 5, np.nan).astype(float)), "contains NaN"),
    "measured classes": (lambda: classify(y), "Unknown label type: continuous"),
    "unsorted": (lambda: fit(FRAME[::-1], y), r"row 1 \(2024-02-08 .* is earlier than row 0 .*Sort X, y"),
    "no time": (
        lambda: fit(FRAME.set_axis(TIMES[:-1].append(pd.DatetimeIndex([pd.NaT]))), y),
        "row 39 has no timestamp",
    ),
    "other times": (lambda: fit(FRAME, pd.Series(y, TIMES + pd.Timedelta("1h"))), "not of the same times: row 0"),
    # Sample weights.
    "weight length": (
        lambda: fit(sample_weight=np.ones(3)),
        r"for each of the 40 rows of X; got array\(\[1., 1., 1.\]\)",
    ),
    "negative weight": (lambda: fit(sample_weight=-np.ones(N)), "sample_weight must hold .*at least 0.*Negative"),
    "NaN weight": (lambda: fit(sample_weight=np.full(N, np.nan)), "sample_weight must hold .*NaN"),
    "endless weight": (lambda: fit(sample_weight=np.full(N, 1e308)), r"sums of weights above 1e\+100 are no numbers"),
    "complex weight": (lambda: fit(sample_weight=np.full(N, 1j)), "complex numbers are no weights"),
    "weight words": (lambda: fit(sample_weight=["a"] * N), r"sample_weight must hold .*got \['a'"),
    "no weight": (lambda: fit(sample_weight=np.zeros(N)), "sample_weight .*(non-zero|greater than zero)"),
    "unknown metadata": (lambda: fit(fit_params={"eval_set": 3}), r"got \['eval_set'\].*enable_metadata_routing=True"),
    # Regimes.
    "one word": (lambda: fit(regimes="TREND"), "'TREND'. A column of X is named by regime_detector='TREND'"),
    "one number": (lambda: fit(regimes=3), "regimes must hold one label per row of X; got 3"),
    "too few": (lambda: fit(regimes=["a", "b"]), "regimes has 2 rows but X has 40: give one regime per row"),
    "measurement": (
        lambda: fit(np.tile(X, (3, 1)), np.tile(y, 3), regimes=np.arange(120) / 7),
        "regimes holds 120 different labels in 120 rows, .*that is a measurement.*Cut it into",
    ),
    "sums": (lambda: fit(regimes=np.full((N, 2), 0.7)), r"sum to 1 in each row .*row 0 is \[0.7, 0.7\]"),
    "negative": (lambda: fit(regimes=np.tile([1.5, -0.5], (N, 1))), r"not negative .*row 0 is \[1.5, -0.5\]"),
    "word tables": (lambda: fit(regimes=[["a", "b"]] * N), "regimes has 2 columns, so it must hold prob.*got .*'a'"),
    "unhashable": (lambda: fit(regimes=[{1}] * N), r"regimes must hold one label per row of X; got \{1\} in row 0"),
    "pooled": (lambda: fit(regimes=["pooled", "x"] * 20), "label 'pooled', which names .*Rename it"),
    "same columns": (
        lambda: fit(regimes=pd.DataFrame(np.full((N, 2), 0.5), columns=["a", "a"])),
        "several columns named 'a'",
    ),
    "detector class": (lambda: fit(regime_detector=DBSCAN), "regime_detector must be None, .*got <class"),
    "detector number": (lambda: fit(regime_detector=3), "regime_detector must be None, the name of a column .*got 3"),
    "no column": (
        lambda: fit(FRAME, regime_detector="z"),
        r"names the column 'z', but X has the columns \['a', 'b', 'c'\]",
    ),
    "no columns": (lambda: fit(regime_detector="z"), "X is a ndarray without column names. Pass a DataFrame"),
    "no forecast": (lambda: fit(regime_detector=DBSCAN()), r"DBSCAN\(\) has neither predict_proba nor predict"),
    "detector rows": (lambda: fit(regime_detector=lambda X: ["a"]), "regimes has 1 rows but X has 40"),
    # Parts of the combiner.
    "weighting": (lambda: voting(3), r"weighting of WeightedVoting must be .*ConvexWeights\(\).*got 3"),
    "weighting class": (lambda: voting(ConvexWeights), "weighting of WeightedVoting must be .*got <class"),
    "loss": (lambda: voting(loss="squared"), r"loss of WeightedVoting must be .*SquaredLoss\(\).*got 'squared'"),
    "shrinkage": (lambda: voting(shrinkage=-1), "shrinkage of WeightedVoting must be a number of at least 0; got -1"),
    "stacking shrinkage": (lambda: combined(Stacking(shrinkage="a")), "shrinkage of Stacking must be .*got 'a'"),
    "rule": (lambda: combined(DynamicWeighting("boa")), "rule of DynamicWeighting must be .*got 'boa'"),
    "power": (lambda: voting(InverseLoss(-1)), "power of InverseLoss must be a number of at least 0.*; got -1"),
    "temperature": (lambda: voting(SoftmaxLoss(0)), "temperature of SoftmaxLoss must be a number above 0; got 0"),
    "best": (lambda: voting(BestModels(0)), "n_models of BestModels must be an integer of at least 1; got 0"),
    "rounds": (lambda: voting(GreedySelection(2.5)), "n_rounds of GreedySelection must be an integer .*; got 2.5"),
    "convex": (lambda: voting(ConvexWeights(-3)), "shrinkage of ConvexWeights must be a number .*; got -3"),
    "quantile": (lambda: voting(loss=PinballLoss(2)), "quantile of PinballLoss must be .*; got 2"),
    "delta": (lambda: voting(loss=HuberLoss(0)), "delta of HuberLoss must be a number above 0; got 0"),
    "floor": (lambda: voting(loss=LogLoss(2)), "floor of LogLoss must be a number .*; got 2"),
    "final word": (lambda: combined(Stacking("ridge")), "final_estimator of Stacking must be a regressor; got 'ridge'"),
    "final class": (lambda: combined(Stacking(Ridge)), "final_estimator of Stacking must be a regressor; got <class"),
    "final kind": (lambda: combined(Stacking(LogisticRegression())), "final_estimator of Stacking must be a regressor"),
    "final without probabilities": (
        lambda: classify(LABELS, combiner=Stacking(Ridge())),
        r"final_estimator of Stacking must be a classifier with predict_proba; got Ridge\(",
    ),
    "ridge": (lambda: NonNegativeRidge(-1).fit(X, y), "alpha of NonNegativeRidge must be a number .*; got -1"),
    "pool": (lambda: LogOddsPool(alpha="a").fit(X[:, :1], y > 0), "alpha of LogOddsPool must be .*; got 'a'"),
    # Asking.
    "other columns": (lambda: fit(FRAME).predict(FRAME[["a", "b"]]), r"misses the columns \['c'\]"),
    "columns turned": (
        lambda: fit(FRAME).predict(FRAME[["c", "b", "a"]]),
        "columns in another order than in fit: 'c' where 'a' was",
    ),
    "fewer columns": (lambda: fit().predict(X[:, :2]), "X has 2 features, but .* is expecting 3"),
    "NaN asked": (lambda: fit().predict(np.full((2, 3), np.nan)), "Input X contains NaN"),
    "regimes asked": (
        lambda: fit(regimes=["a", "b"] * 20).predict(X, regimes=["a"]),
        "regimes has 1 rows but X has 40",
    ),
    "a word asked": (lambda: fit().predict(X, regimes="TREND"), "one label per row of X; got 'TREND'"),
    "sums asked": (
        lambda: fit(regimes=np.eye(2)[np.arange(N) % 2]).explain(X, regimes=np.full((N, 2), 0.6)),
        r"row 0 is \[0.6, 0.6\]",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_call_gets_a_sentence(case):
    call, sentence = WRONG[case]
    with pytest.raises(ValueError, match=re.compile(sentence, re.DOTALL)) as caught:
        call()
    text = str(caught.value)
    assert not re.search(r"\b_[a-z]+\(", text), "names an internal function"


def test_there_are_many_of_them():
    assert len(WRONG) >= 45


@pytest.mark.parametrize("ask", ["predict", "explain", "member_predictions", "performance_report", "weights_"])
def test_asking_before_fitting(ask):
    asked = {"predict", "explain", "member_predictions"}
    with pytest.raises(NotFittedError, match="RegimeAwareEnsembleRegressor instance is not fitted yet"):
        _ = getattr(regressor(), ask)(*([X] if ask in asked else []))


def test_a_search_survives_wrong_parameters_until_fit():
    for value in (-1, "helloworld", {}, [], None, np.nan):
        for name in regressor().get_params(deep=False):
            ensemble = RegimeAwareEnsembleRegressor().set_params(**{name: value})
            repr(ensemble)
            ensemble.get_params(deep=True)


@pytest.mark.parametrize(
    ("first", "last"),
    [("28/06/2024", "04.01.2016"), ("2024-06-28 16:00", "2016-01-04 16:00"), ("2016/1/4", "2024/6/28")],
)
def test_dates_in_a_column_are_not_read_and_a_warning_says_so(first, last):
    """As a file comes out of read_csv: often newest row first, with the date as a column of text."""
    dates = np.repeat([first, last], N // 2)
    table = pd.DataFrame({"Date": dates, "a": X[:, 0]})
    said = f"Column 'Date' of X .* {re.escape(repr(first))} in the first row.*index_col='Date', parse_dates=True"
    with pytest.warns(UserWarning, match=said):
        RegimeAwareEnsembleRegressor(["linear"]).fit(table, y)
    with pytest.warns(UserWarning, match=said):
        RegimeAwareEnsembleRegressor(["linear"]).fit(table.astype({"Date": "category"}), y)


@pytest.mark.parametrize("text", ["1.2.3", "10/12", "room 12-05-2024", "calm"])
def test_other_text_is_a_category_and_no_warning_says_otherwise(text):
    table = pd.DataFrame({"kind": np.repeat([text, f"{text}!"], N // 2), "a": X[:, 0]})
    RegimeAwareEnsembleRegressor(["linear"]).fit(table, y)


def test_rows_with_times_may_have_dates_in_a_column_too():
    table = pd.DataFrame({"settled on": TIMES.strftime("%Y-%m-%d"), "a": X[:, 0]}, index=TIMES)
    RegimeAwareEnsembleRegressor(["linear"]).fit(table, pd.Series(y, TIMES))

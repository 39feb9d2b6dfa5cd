"""Retraining without forgetting: whose record goes on, which rows count, who rests and who comes back."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, clone
from sklearn.linear_model import Ridge, SGDRegressor
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble._carry import definition
from skensemble._checks import ModelFailureWarning
from skensemble.combiners import DynamicWeighting, Stacking, WeightedVoting
from skensemble.losses import AbsoluteLoss
from skensemble.rules import MLPoly, RecentPerformance
from skensemble.weightings import InverseLoss

N, FIRST, START = 240, 120, 20
DAYS = pd.date_range("2024-01-01", periods=N)
FITTED: list[str] = []


class Says(RegressorMixin, BaseEstimator):
    """Say what stands in a column; write down that it was fitted."""

    def __init__(self, column=0, scale=1.0, broken=False, random_state=None):
        self.column = column
        self.scale = scale
        self.broken = broken
        self.random_state = random_state

    def fit(self, X, y):
        FITTED.append("abcd"[self.column])
        if self.broken and len(y) >= self.broken:
            raise RuntimeError("the disk is full")
        self.is_fitted_ = True
        return self

    def predict(self, X):
        return self.scale * np.asarray(X)[:, self.column]


class Leans(ClassifierMixin, BaseEstimator):
    """Probabilities from one column."""

    def __init__(self, column=0):
        self.column = column

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        raised = np.exp(np.asarray(X)[:, [self.column]] * np.arange(len(self.classes_)))
        return raised / raised.sum(axis=1, keepdims=True)

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@pytest.fixture(autouse=True)
def _empty():
    FITTED.clear()


def made(times=True, seed=0, noise=(0.3, 0.6, 0.9, 1.2)):
    rng = np.random.RandomState(seed)
    y = rng.standard_normal(N)
    X = y[:, None] + np.array(noise) * rng.standard_normal((N, 4))
    regimes = np.array(["calm", "wild"], dtype=object)[(np.arange(N) // 20) % 2]
    return (pd.DataFrame(X, columns=list("abcd"), index=DAYS) if times else X), y, regimes


def folds(n, start=START):
    middle = (start + n) // 2
    return [(np.arange(start), np.arange(start, middle)), (np.arange(middle), np.arange(middle, n))]


def ensemble(names="abc", combiner="dynamic", n=FIRST, **params):
    models = [(name, Says("abcd".index(name))) for name in names]
    defaults = {"combiner": combiner, "cv": folds(n), "warm_start": True}
    return RegimeAwareEnsembleRegressor(models, **defaults | params)


def refit(fitted, rows, data, **params):
    X, y, regimes = data
    fitted.set_params(cv=folds(rows.stop - (rows.start or 0)), **params)
    return fitted.fit(X[rows], y[rows], regimes=regimes[rows])


def updated(fitted, rows, data):
    X, y, regimes = data
    return fitted.partial_update(X[rows], y[rows], regimes=regimes[rows])


def figure(fitted, performer, column="n", regime="pooled", window="lifetime"):
    frame = fitted.performance_report()
    row = (frame["performer"] == performer) & (frame["regime"] == regime) & (frame["window"] == window)
    return float(frame.loc[row, column].iloc[0])


def first(names="abc", combiner="dynamic", times=True, **params):
    data = made(times)
    return refit(ensemble(names, combiner, **params), slice(0, FIRST), data), data


COMBINERS = [WeightedVoting(), WeightedVoting(InverseLoss(), memory=0.98), Stacking(), DynamicWeighting()]
every_combiner = pytest.mark.parametrize("combiner", COMBINERS, ids=repr)


def assert_same_answers(one, other, data):
    X, _, regimes = data
    pd.testing.assert_frame_equal(one.weights_, other.weights_, check_exact=True)
    np.testing.assert_array_equal(one.predict(X, regimes=regimes), other.predict(X, regimes=regimes))


# Which rows count.


@every_combiner
def test_a_retrain_on_rows_already_learned_from_changes_nothing(combiner):
    fitted, data = first(combiner=combiner)
    updated(fitted, slice(FIRST, 160), data)
    again = refit(pickle.loads(pickle.dumps(fitted)), slice(0, 160), data)
    assert again.ledger_ == fitted.ledger_.reindexed(fitted.ledger_.models, fitted.ledger_.regimes)
    assert_same_answers(again, fitted, data)
    pd.testing.assert_frame_equal(again.performance_report(), fitted.performance_report())
    np.testing.assert_array_equal(again._idle, fitted._idle)
    assert set(again.records_.values()) == {"kept"}
    assert again.learned_until_ == DAYS[159]


@every_combiner
def test_later_rows_of_a_retrain_are_learned_from_as_an_update_would(combiner):
    fitted, data = first(combiner=combiner)
    by_update = updated(pickle.loads(pickle.dumps(fitted)), slice(FIRST, 180), data)
    by_refit = refit(fitted, slice(0, 180), data)
    assert figure(by_refit, "ensemble") == 180 - START
    pd.testing.assert_frame_equal(by_refit.performance_report(), by_update.performance_report())
    assert_same_answers(by_refit, by_update, data)


def test_a_retrain_in_between_is_the_longer_replay():
    fitted, data = first()
    updated(fitted, slice(FIRST, 150), data)
    refit(fitted, slice(0, 200), data)
    updated(fitted, slice(200, N), data)
    whole = refit(ensemble(), slice(0, N), data)
    assert_same_answers(fitted, whole, data)
    pd.testing.assert_frame_equal(fitted.performance_report(), whole.performance_report())


@every_combiner
def test_without_times_nothing_is_replayed(combiner):
    fitted, data = first(combiner=combiner, times=False)
    updated(fitted, slice(FIRST, 160), data)
    before = fitted.weights_
    with pytest.warns(UserWarning, match="without times nobody can tell"):
        refit(fitted, slice(0, N), data)
    assert figure(fitted, "ensemble") == 160 - START
    pd.testing.assert_frame_equal(fitted.weights_, before, check_exact=True)
    assert fitted.learned_until_ is None


def test_a_window_that_ends_before_the_last_outcome_does_not_turn_back_the_clock():
    fitted, data = first()
    updated(fitted, slice(FIRST, 180), data)
    refit(fitted, slice(40, 170), data)
    assert fitted.learned_until_ == DAYS[179]
    refit(fitted, slice(60, 190), data)
    assert figure(fitted, "ensemble") == 190 - START


def test_a_retrain_without_times_does_not_lose_the_clock():
    fitted, data = first()
    X, y, regimes = data
    with pytest.warns(UserWarning, match="without times nobody can tell"):
        fitted.fit(X[:FIRST].reset_index(drop=True), y[:FIRST], regimes=regimes[:FIRST])
    assert fitted.learned_until_ == DAYS[FIRST - 1]
    refit(fitted, slice(0, 150), data)
    assert figure(fitted, "ensemble") == 150 - START


def test_an_explanation_moves_the_clock_too():
    fitted, (X, y, regimes) = first()
    said = fitted.explain(X[FIRST:150], regimes=regimes[FIRST:150])
    fitted.partial_update(predictions=said, y=y[FIRST:150])
    assert fitted.learned_until_ == DAYS[149]
    refit(fitted, slice(0, 160), (X, y, regimes))
    assert figure(fitted, "ensemble") == 160 - START


def test_rows_of_weight_zero_do_not_move_the_clock():
    fitted, (X, y, _) = first()
    fitted.partial_update(X[FIRST:150], y[FIRST:150], sample_weight=np.r_[np.ones(10), np.zeros(20)])
    assert fitted.learned_until_ == DAYS[FIRST + 9]


def test_times_with_a_zone_after_times_without_are_refused():
    fitted, (X, y, regimes) = first()
    with pytest.raises(ValueError, match="time zone"):
        fitted.fit(X.tz_localize("UTC")[:FIRST], y[:FIRST], regimes=regimes[:FIRST])


def test_without_warm_start_everything_is_forgotten():
    fitted, data = first(warm_start=False)
    updated(fitted, slice(FIRST, 200), data)
    again = refit(fitted, slice(0, FIRST), data)
    alone = refit(ensemble(), slice(0, FIRST), data)
    assert again.ledger_ == alone.ledger_
    assert set(again.records_.values()) == {"new"}
    assert_same_answers(again, alone, data)


# Without hindsight.


@every_combiner
@pytest.mark.parametrize("horizon", [0, 5])
def test_no_figure_of_a_retrain_uses_its_own_or_a_later_outcome(combiner, horizon):
    X, y, regimes = made()
    changed = y.copy()
    changed[160] = 40.0
    records = []
    for target in (y, changed):
        fitted = refit(ensemble(combiner=combiner, label_horizon=horizon), slice(0, FIRST), (X, y, regimes))
        records.append(refit(fitted, slice(0, 200), (X, target, regimes)).out_of_fold_)
    one, other = records
    unaffected = one.rows < 160 + max(horizon, 1)
    # The fold of the later half holds all the news, so it alone was trained.
    assert one.rows[0] == (START + 200) // 2
    for name in ("combined", "weights"):
        mine, theirs = getattr(one, name), getattr(other, name)
        np.testing.assert_array_equal(mine[unaffected], theirs[unaffected])
    assert not np.array_equal(one.combined[~unaffected], other.combined[~unaffected])


@every_combiner
def test_folds_that_tell_nothing_new_are_not_trained(combiner):
    fitted, data = first(combiner=combiner)
    cold = fitted.out_of_fold_
    FITTED.clear()
    warm = refit(fitted, slice(0, FIRST), data)
    assert sorted(FITTED) == ["a", "b", "c"]
    assert len(warm.out_of_fold_.rows) == 0
    assert warm.out_of_fold_.predictions.shape == (0, *cold.predictions.shape[1:])
    assert warm.n_excluded_ == START
    # Something new in the last of them: that one is trained, and only its new rows are learned from.
    n = figure(warm, "a")
    FITTED.clear()
    refit(warm, slice(0, FIRST + 10), data)
    assert sorted(FITTED) == ["a", "a", "b", "b", "c", "c"]
    assert figure(warm, "a") == n + 10
    # A model that nobody knows needs them all.
    FITTED.clear()
    refit(warm, slice(0, FIRST + 10), data, estimators=[(name, Says("abcd".index(name))) for name in "abcd"])
    assert FITTED.count("d") == FITTED.count("a") == 3
    assert warm.out_of_fold_.rows[0] == START


def test_where_models_are_selected_all_folds_are_trained():
    fitted, data = first(max_models=2)
    FITTED.clear()
    refit(fitted, slice(0, FIRST), data)
    assert FITTED.count("a") == 3


def test_a_label_that_is_not_known_yet_does_not_weigh():
    X, y, regimes = made()
    fitted = refit(ensemble(label_horizon="7D"), slice(0, FIRST), (X, y, regimes))
    weights = fitted.out_of_fold_.weights
    # Seven days after the first outcome nobody knows anything yet.
    np.testing.assert_allclose(weights[:7], 1 / 3)
    assert not np.allclose(weights[8], 1 / 3)


# Models that come, go and change.


@pytest.mark.parametrize("combiner", [WeightedVoting(InverseLoss()), DynamicWeighting()], ids=repr)
def test_a_changed_definition_starts_from_half_of_its_record(combiner):
    fitted, data = first(combiner=combiner)
    n = figure(fitted, "b")
    refit(fitted, slice(0, FIRST), data, b__scale=1.1)
    assert fitted.records_ == {"a": "kept", "b": "discounted", "c": "kept"}
    assert figure(fitted, "b") == n / 2
    assert figure(fitted, "a") == n
    assert figure(fitted, "ensemble") == n
    refit(fitted, slice(0, FIRST), data, b__random_state=7)
    assert fitted.records_ == dict.fromkeys("abc", "kept")


def test_what_makes_a_definition():
    assert definition(Ridge(alpha=2)) == definition(Ridge(alpha=np.int64(2)))
    assert definition(Ridge(alpha=np.int64(2))) != definition(Ridge(alpha=np.int64(3)))
    assert definition(Says(scale=[1])) != definition(Says(scale=[2]))
    assert definition(Says(random_state=1)) == definition(Says(random_state=2))
    nested = [definition(Says(scale=[("one", SGDRegressor(random_state=seed))])) for seed in (1, 2)]
    assert nested[0] == nested[1]
    assert definition(Ridge()) != definition(Says())


@pytest.mark.parametrize("combiner", COMBINERS, ids=repr)
def test_models_come_and_go(combiner):
    fitted, data = first("abc", combiner)
    updated(fitted, slice(FIRST, 160), data)
    weights, n = fitted.weights_, figure(fitted, "b")
    loss = figure(fitted, "b", "loss")
    models = [(name, Says("abcd".index(name))) for name in "bcd"]
    refit(fitted, slice(0, 160), data, estimators=models)
    moved = fitted.weights_
    assert fitted.model_names_ == ("b", "c", "d")
    assert fitted.records_ == {"b": "kept", "c": "kept", "d": "new"}
    assert figure(fitted, "b") == n
    assert figure(fitted, "b", "loss") == loss
    # The new one has a record of the rows of this retrain, the ensemble none of them twice.
    assert figure(fitted, "d") == 160 - START
    assert figure(fitted, "ensemble") == n
    # What the ensemble said on them is on record already: nothing for the new one to agree with.
    assert figure(fitted, "d", "n_agreement") == 0
    updated(fitted, slice(160, 200), data)
    assert figure(fitted, "d", "n_agreement") == 40
    assert figure(fitted, "d", "agreement") > 0.5
    np.testing.assert_allclose(fitted.weights_.sum(), 1)
    if isinstance(combiner, DynamicWeighting):
        ratio = moved.loc["b"] / moved.loc["c"]
        np.testing.assert_allclose(ratio, weights.loc["b"] / weights.loc["c"])


def test_regimes_come_and_none_is_forgotten():
    fitted, (X, y, regimes) = first()
    n = figure(fitted, "a", regime="wild")
    renamed = np.where(regimes == "wild", "storm", "calm").astype(object)
    refit(fitted, slice(0, 160), (X, y, renamed))
    assert fitted.regimes_ == ("calm", "wild", "storm")
    assert figure(fitted, "a", regime="wild") == n
    assert figure(fitted, "a", regime="storm") == (renamed[FIRST:160] == "storm").sum()
    score = figure(fitted, "a", "score", regime="storm")
    later = renamed[FIRST:160] == "storm"
    said, came = X["a"].to_numpy()[FIRST:160][later], y[FIRST:160][later]
    assert score == pytest.approx(1 - np.square(said - came).mean() / came.var())


def test_scores_are_those_of_all_outcomes_and_not_of_the_last_window():
    fitted, data = first()
    updated(fitted, slice(FIRST, 160), data)
    refit(fitted, slice(60, 200), data)
    X, y, _ = data
    loss = np.square(X["a"].to_numpy()[START:200] - y[START:200]).mean()
    assert figure(fitted, "a", "score") == pytest.approx(1 - loss / y[START:200].var())


def test_another_set_of_classes_starts_anew_and_says_so():
    X, y, regimes = made()
    three = np.array(["down", "flat", "up"])[np.digitize(y, [-0.4, 0.4])]
    two = np.where(y > 0, "up", "down")
    fitted = RegimeAwareEnsembleClassifier([("a", Leans(0)), ("b", Leans(1))], combiner="dynamic", warm_start=True)
    fitted.fit(X[:FIRST], three[:FIRST], regimes=regimes[:FIRST])
    said = r"classes were \['down', 'flat', 'up'\] and are \['down', 'up'\] now"
    with pytest.warns(UserWarning, match=said) as caught:
        fitted.fit(X[:FIRST], two[:FIRST], regimes=regimes[:FIRST])
    assert len(caught) == 1
    assert set(fitted.records_.values()) == {"new"}
    fitted.fit(X[:FIRST], two[:FIRST], regimes=regimes[:FIRST])
    assert set(fitted.records_.values()) == {"kept"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (DynamicWeighting(), WeightedVoting()),
        (WeightedVoting(), Stacking()),
        (Stacking(), DynamicWeighting()),
        (DynamicWeighting(), DynamicWeighting(MLPoly())),
        (DynamicWeighting(), DynamicWeighting(loss=AbsoluteLoss())),
        (DynamicWeighting(), DynamicWeighting(gradient_trick=False)),
        (DynamicWeighting(RecentPerformance(20)), DynamicWeighting(RecentPerformance(30))),
        (WeightedVoting(InverseLoss()), WeightedVoting(InverseLoss(), loss=AbsoluteLoss())),
        (Stacking(), Stacking(SGDRegressor(random_state=0))),
        (Stacking(SGDRegressor(alpha=0.1)), Stacking(SGDRegressor(alpha=0.2))),
        (Stacking(Ridge(1.0)), Stacking(Ridge(1.0))),
        (Stacking(SGDRegressor()), Stacking(SGDRegressor(), passthrough=True)),
    ],
    ids=repr,
)
def test_what_another_combiner_has_learned_is_not_taken_for_its_own(before, after):
    fitted, data = first(combiner=before, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        updated(fitted, slice(FIRST, 160), data)
    n = figure(fitted, "a")
    refit(fitted, slice(0, 180), data, combiner=after)
    anew = refit(ensemble(combiner=after, random_state=0), slice(0, 180), data)
    assert_same_answers(fitted, anew, data)
    assert figure(fitted, "a") == n + 20
    assert set(fitted.records_.values()) == {"kept"}


def test_a_final_estimator_that_follows_goes_on_with_the_same_seed_or_none():
    for seed in (None, 3):
        fitted, data = first(combiner=Stacking(SGDRegressor()), random_state=seed)
        updated(fitted, slice(FIRST, 180), data)
        before = fitted.predict(data[0])
        refit(fitted, slice(0, 180), data)
        np.testing.assert_array_equal(fitted.predict(data[0]), before)


def test_voting_may_change_how_it_weighs_and_keeps_the_evidence():
    fitted, data = first(combiner=WeightedVoting())
    updated(fitted, slice(FIRST, 160), data)
    evidence = fitted.combiner_.evidence_[0].weight
    refit(fitted, slice(0, 160), data, combiner=WeightedVoting(InverseLoss(power=2)))
    np.testing.assert_array_equal(fitted.combiner_.evidence_[0].weight, evidence)


def test_what_trades_have_taught_survives():
    fitted, data = first()
    trades = [{"model": "c", "profit_bps": 30.0 + k, "regime": "calm"} for k in range(20)]
    fitted.partial_update(trades=trades)
    before, n = fitted.weights_, figure(fitted, "c", "n_trades")
    refit(fitted, slice(0, FIRST), data)
    pd.testing.assert_frame_equal(fitted.weights_, before, check_exact=True)
    assert figure(fitted, "c", "n_trades") == n
    models = [(name, Says("abcd".index(name))) for name in "cd"]
    refit(fitted, slice(0, FIRST), data, estimators=models, c__scale=1.0)
    assert fitted.combiner_.trades_.n_trades[0].tolist()[1] == 0
    assert fitted.combiner_.trades_.n_trades[0].tolist()[0] > 19


def test_sides_of_classes_are_remembered_when_returns_are_not_given_again():
    X, y, _ = made()
    labels = np.where(y > 0, "up", "down")
    fitted = RegimeAwareEnsembleClassifier([("a", Leans(0)), ("b", Leans(1))], combiner="dynamic", warm_start=True)
    fitted.fit(X[:FIRST], labels[:FIRST], returns=0.01 * y[:FIRST])
    fitted.fit(X[:FIRST], labels[:FIRST])
    n = figure(fitted, "a", "n_trades")
    fitted.partial_update(X[FIRST:], labels[FIRST:], returns=0.01 * y[FIRST:])
    assert figure(fitted, "a", "n_trades") == n + N - FIRST


# Who works.


def test_only_the_best_models_work_and_the_others_sleep():
    fitted, (X, _, regimes) = first("dcba", max_models=2)
    assert fitted.selected_models_ == ("b", "a")
    said = fitted.explain(X[FIRST:], regimes=regimes[FIRST:])
    assert said.asleep[:, :2].all()
    assert not said.asleep[:, 2:].any()
    assert (said.weights[:, :2] == 0).all()


def test_a_model_that_could_not_be_trained_takes_nobodys_place():
    X, y, regimes = made()
    models = [("a", Says(0, broken=FIRST)), ("b", Says(1)), ("c", Says(2))]
    fitted = RegimeAwareEnsembleRegressor(models, combiner="dynamic", cv=folds(FIRST), max_models=1)
    with pytest.warns(ModelFailureWarning, match="a failed on all rows"):
        fitted.fit(X[:FIRST], y[:FIRST], regimes=regimes[:FIRST])
    assert fitted.selected_models_ == ("b",)
    assert np.isfinite(fitted.predict(X[FIRST:])).all()


def test_a_model_that_carries_next_to_nothing_rests_and_is_not_fitted():
    noise = (0.1, 0.1, 3.0, 3.0)
    data = made(noise=noise)
    fitted = refit(ensemble(rest_after=100, min_weight=0.02), slice(0, FIRST), data)
    assert fitted._idle[2] < 100
    updated(fitted, slice(FIRST, 200), data)
    assert fitted._idle[2] >= 100
    n = figure(fitted, "c")
    FITTED.clear()
    refit(fitted, slice(0, 200), data)
    assert "c" not in FITTED
    assert FITTED.count("a") == 1
    assert fitted.selected_models_ == ("a", "b")
    assert fitted.records_["c"] == "kept"
    assert figure(fitted, "c") == n
    updated(fitted, slice(200, 220), data)
    assert figure(fitted, "c") == n
    FITTED.clear()
    refit(pickle.loads(pickle.dumps(fitted)), slice(0, 220), data)
    assert "c" not in FITTED


def test_an_idle_model_is_not_counted_idle_twice_for_the_same_rows():
    data = made(times=False, noise=(0.1, 0.1, 3.0, 3.0))
    fitted = refit(ensemble(), slice(0, FIRST), data)
    idle = fitted._idle.copy()
    assert idle[2] > 10
    with pytest.warns(UserWarning, match="without times nobody can tell"):
        refit(fitted, slice(0, FIRST), data)
    np.testing.assert_array_equal(fitted._idle, idle)
    assert refit(ensemble(names="abcd"), slice(0, FIRST), data)._idle.shape == (4,)


def test_a_resting_model_is_revived_when_things_get_worse():
    X, y, regimes = made(noise=(0.1, 0.1, 3.0, 3.0))
    fitted = refit(ensemble(rest_after=50, min_weight=0.02, lookback=20), slice(0, FIRST), (X, y, regimes))
    updated(fitted, slice(FIRST, 160), (X, y, regimes))
    refit(fitted, slice(0, 160), (X, y, regimes))
    assert fitted.selected_models_ == ("a", "b")
    # From here on those at work know nothing, and the one that rests would.
    turned = X.copy()
    turned.iloc[160:, :2] = np.random.RandomState(1).standard_normal((80, 2)) * 3
    turned.iloc[160:, 2] = y[160:]
    updated(fitted, slice(160, 190), (turned, y, regimes))
    FITTED.clear()
    refit(fitted, slice(0, 200), (turned, y, regimes))
    assert "c" in FITTED
    assert fitted.selected_models_ == ("a", "b", "c")
    updated(fitted, slice(200, 240), (turned, y, regimes))
    assert fitted.weights_.loc["c", "calm"] > 0.5


def test_somebody_always_works():
    fitted, data = first("ab", rest_after=1, min_weight=1.0)
    refit(fitted, slice(0, 140), data)
    assert fitted.selected_models_
    assert np.isfinite(fitted.predict(data[0])).all()


# Beside the rest of scikit-learn.


def test_a_clone_has_no_past():
    fitted, data = first()
    updated(fitted, slice(FIRST, 200), data)
    copied = refit(clone(fitted), slice(0, FIRST), data)
    assert set(copied.records_.values()) == {"new"}
    assert figure(copied, "ensemble") == FIRST - START


def test_a_search_starts_every_fit_from_nothing():
    X, y, _ = made()
    search = GridSearchCV(
        ensemble(cv=2), {"combiner": ["dynamic", "weighted_voting"], "warm_start": [True, False]}, cv=TimeSeriesSplit(3)
    )
    search.fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isfinite(scores).all()
    assert scores[0] == scores[1]
    assert scores[2] == scores[3]
    assert set(search.best_estimator_.records_.values()) == {"new"}


@every_combiner
def test_a_pickle_in_between_changes_nothing(combiner):
    fitted, data = first(combiner=combiner)
    other = pickle.loads(pickle.dumps(fitted))
    for each in (fitted, other):
        updated(each, slice(FIRST, 140), data)
    other = pickle.loads(pickle.dumps(other))
    for each in (fitted, other):
        refit(each, slice(0, 180), data)
    assert fitted.ledger_ == other.ledger_
    assert_same_answers(fitted, other, data)


def test_a_retrain_that_is_refused_leaves_an_ensemble_that_answers_as_before():
    X, y, _ = made()
    labels = np.where(y > 0, "up", "down")
    fitted = RegimeAwareEnsembleClassifier([("a", Leans(0)), ("b", Leans(1))], combiner="dynamic", warm_start=True)
    fitted.fit(X[:FIRST], labels[:FIRST])
    before = fitted.predict(X)
    with pytest.warns(UserWarning, match="classes were"), pytest.raises(ValueError, match="returns must hold"):
        fitted.fit(X[:FIRST], np.where(y > 0, "long", "short")[:FIRST], returns=[1.0])
    assert fitted.classes_.tolist() == ["down", "up"]
    np.testing.assert_array_equal(fitted.predict(X), before)
    fitted.partial_update(X[FIRST:], labels[FIRST:])


def test_a_newcomer_does_not_take_over_a_regime_that_it_has_hardly_seen():
    X, y, regimes = made(noise=(0.1, 0.1, 1.0, 3.0))
    fitted = refit(ensemble(combiner="dynamic", names="abc"), slice(0, FIRST), (X, y, regimes))
    refit(fitted.set_params(estimators=ensemble(names="abcd").estimators), slice(0, FIRST + 5), (X, y, regimes))
    anew = refit(ensemble(combiner="dynamic", names="abcd"), slice(0, FIRST + 5), (X, y, regimes))
    assert fitted.records_["d"] == "new"
    assert (fitted.weights_.loc["d"] <= anew.weights_.loc["d"] + 0.1).all()


def test_times_of_y_serve_where_x_has_none():
    X, y, regimes = made()
    fitted = ensemble()
    fitted.fit(X[:FIRST].to_numpy(), pd.Series(np.asarray(y[:FIRST]), index=DAYS[:FIRST]), regimes=regimes[:FIRST])
    assert fitted.learned_until_ == DAYS[FIRST - 1]

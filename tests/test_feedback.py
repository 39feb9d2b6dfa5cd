"""Outcomes that come back: rows, explanations and trades move weights and ledger, exactly once and all or nothing."""

import pickle
import threading
import warnings
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, SGDRegressor

import skensemble.combiners
from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble._checks import LookAheadWarning, ModelFailureWarning
from skensemble._feedback import said_earlier
from skensemble.combiners import Combiner, DynamicWeighting, Stacking, WeightedVoting
from skensemble.performance import Ledger, mean_interval, wilson_interval
from skensemble.weightings import InverseLoss

N, FIRST = 160, 100
CALLS: list[str] = []
MOOD: dict[int, str] = {}


class Says(RegressorMixin, BaseEstimator):
    """Say what stands in a column, or be as broken as the column's mood; learn nothing."""

    def __init__(self, column=0, scale=1.0):
        self.column = column
        self.scale = scale

    def fit(self, X, y, sample_weight=None):
        self.is_fitted_ = True
        return self

    def predict(self, X):
        CALLS.append("predict")
        said = self.scale * np.asarray(X)[:, self.column]
        mood = MOOD.get(self.column)
        if mood == "raises":
            raise RuntimeError("the moon is full")
        if mood == "wrong shape":
            return np.zeros((len(X), 2))
        return np.full(len(X), {"nan": np.nan, "inf": np.inf, "constant": 9.0}[mood]) if mood else said


class Leans(ClassifierMixin, BaseEstimator):
    """Probabilities from one column, element by element, so that a row alone gets the same bits."""

    def __init__(self, column=0, sharpness=1.0):
        self.column = column
        self.sharpness = sharpness

    def fit(self, X, y, sample_weight=None):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X):
        CALLS.append("predict")
        raised = np.exp(self.sharpness * np.asarray(X)[:, [self.column]] * np.arange(len(self.classes_)))
        return raised / raised.sum(axis=1, keepdims=True)


class Moody(SGDRegressor):
    """Refuse large outcomes."""

    def partial_fit(self, X, y, sample_weight=None):
        if (np.asarray(y) > 1).any():
            raise RuntimeError("too much")
        return super().partial_fit(X, y, sample_weight=sample_weight)


@pytest.fixture(autouse=True)
def _well():
    CALLS.clear()
    MOOD.clear()


def made(n=N, seed=0):
    """Three columns that know the number ever less well, its class, and a regime in which their order is turned."""
    rng = np.random.RandomState(seed)
    y = rng.standard_normal(n)
    regimes = np.array(["calm", "wild"], dtype=object)[(np.arange(n) // 20) % 2]
    noise = np.where((regimes == "wild")[:, None], [1.5, 0.6, 0.9], [0.3, 0.6, 0.9])
    X = y[:, None] + noise * rng.standard_normal((n, 3))
    labels = np.array(["down", "flat", "up"])[np.digitize(y, [-0.4, 0.4])]
    return X, y, labels, regimes


def numbers(combiner=None, names=("a", "b", "c"), **params):
    models = [(name, Says("abc".index(name))) for name in names]
    return RegimeAwareEnsembleRegressor(models, **{"combiner": combiner, "cv": _folds(FIRST)} | params)


def classes(combiner=None, names=("a", "b", "c"), **params):
    models = [(name, Leans("abc".index(name))) for name in names]
    return RegimeAwareEnsembleClassifier(models, **{"combiner": combiner, "cv": _folds(FIRST)} | params)


def _folds(n):
    middle = (20 + n) // 2
    return [(np.arange(20), np.arange(20, middle)), (np.arange(middle), np.arange(middle, n))]


def concrete():
    members = [getattr(skensemble.combiners, name) for name in skensemble.combiners.__all__]
    kinds = [m for m in members if isinstance(m, type) and issubclass(m, Combiner) and not m.__abstractmethods__]
    return [kind() for kind in kinds]


COMBINERS = [*concrete(), WeightedVoting(InverseLoss(), memory=0.97), DynamicWeighting(gradient_trick=False)]
every_combiner = pytest.mark.parametrize("combiner", COMBINERS, ids=repr)
every_task = pytest.mark.parametrize("make", [numbers, classes], ids=["numbers", "classes"])


def fitted(make, combiner=None, *, n=FIRST, **params):
    X, y, labels, regimes = made()
    target = y if make is numbers else labels
    return make(combiner, **params).fit(X[:n], target[:n], regimes=regimes[:n])


def rest(make, rows=slice(FIRST, N)):
    X, y, labels, regimes = made()
    return X[rows], (y if make is numbers else labels)[rows], regimes[rows]


def answers(ensemble):
    X, _, _, regimes = made(40, seed=9)
    explanation = ensemble.explain(X, regimes=regimes)
    return explanation.combined, explanation.weights, explanation.contributions


def assert_same(one, other):
    pd.testing.assert_frame_equal(one.weights_, other.weights_, check_exact=True)
    assert one.ledger_ == other.ledger_
    pd.testing.assert_frame_equal(one.performance_report(), other.performance_report(), check_exact=True)
    np.testing.assert_array_equal(one._idle, other._idle)
    assert one.learned_until_ == other.learned_until_
    for mine, theirs in zip(answers(one), answers(other), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def bits(ensemble):
    return pickle.dumps(vars(ensemble))


def figure(ensemble, performer, column, regime="pooled", window="lifetime"):
    frame = ensemble.performance_report()
    row = (frame["performer"] == performer) & (frame["regime"] == regime) & (frame["window"] == window)
    return float(frame.loc[row, column].iloc[0])


# Rows.


@every_task
@every_combiner
def test_many_rows_at_once_are_as_many_calls(make, combiner):
    at_once, one_by_one = fitted(make, combiner), fitted(make, combiner)
    X, y, regimes = rest(make)
    weight = np.where(np.arange(len(y)) % 5, 1.3, 0.0)
    at_once.partial_update(X, y, regimes=regimes, sample_weight=weight)
    for i in range(len(y)):
        one = slice(i, i + 1)
        one_by_one.partial_update(X[one], y[one], regimes=regimes[one], sample_weight=weight[one])
        if i % 17 == 0:
            one_by_one = pickle.loads(pickle.dumps(one_by_one))
    assert_same(at_once, one_by_one)


@every_task
@every_combiner
def test_updates_move_what_is_said(make, combiner):
    ensemble = fitted(make, combiner)
    before, n = answers(ensemble)[0], figure(ensemble, "ensemble", "n")
    X, y, regimes = rest(make)
    assert ensemble.partial_update(X, y, regimes=regimes) is ensemble
    assert figure(ensemble, "ensemble", "n") == n + len(y)
    assert not np.array_equal(answers(ensemble)[0], before)


@every_task
@pytest.mark.parametrize("slopes", [True, False])
def test_fit_and_update_are_one_longer_replay(make, slopes):
    combiner = DynamicWeighting(gradient_trick=slopes)
    ensemble = fitted(make, combiner)
    X, y, regimes = rest(make)
    ensemble.partial_update(X, y, regimes=regimes)
    longer = fitted(make, combiner, n=N, cv=_folds(N))
    assert_same(ensemble, longer)


@every_task
@pytest.mark.parametrize("weighting", [None, InverseLoss()])
def test_voting_ends_with_the_weights_of_a_fit_on_all_rows(make, weighting):
    ensemble = fitted(make, WeightedVoting(weighting))
    X, y, regimes = rest(make)
    ensemble.partial_update(X, y, regimes=regimes)
    longer = fitted(make, WeightedVoting(weighting), n=N, cv=_folds(N))
    pd.testing.assert_frame_equal(ensemble.weights_, longer.weights_, rtol=1e-9)


@every_task
@every_combiner
def test_the_ledger_counts_what_was_said_before_each_outcome(make, combiner):
    ensemble = fitted(make, combiner)
    X, y, regimes = rest(make)
    n = figure(ensemble, "ensemble", "n")
    total = n * figure(ensemble, "ensemble", "loss")
    by_hand = []
    for i in range(len(y)):
        said = ensemble.explain(X[i : i + 1], regimes=regimes[i : i + 1]).combined[0]
        if make is numbers:
            by_hand.append((said[0] - y[i]) ** 2)
        else:
            by_hand.append(-np.log(said[ensemble.classes_.tolist().index(y[i])]))
        ensemble.partial_update(X[i : i + 1], y[i : i + 1], regimes=regimes[i : i + 1])
    expected = (total + sum(by_hand)) / (n + len(y))
    np.testing.assert_allclose(figure(ensemble, "ensemble", "loss"), expected, rtol=1e-9)


@every_task
@every_combiner
def test_no_figure_of_fit_uses_its_own_or_a_later_outcome(make, combiner):
    X, y, labels, regimes = made()
    target = (y if make is numbers else labels)[:FIRST]
    changed = target.copy()
    changed[70] = 30.0 if make is numbers else {"up": "down"}.get(target[70], "up")
    for extra, delay in [({}, 0), ({"max_models": 1, "lookback": 5}, 0), ({"label_horizon": 4}, 3)]:
        one, other = (make(combiner, **extra).fit(X[:FIRST], t, regimes=regimes[:FIRST]) for t in (target, changed))
        unaffected = one.out_of_fold_.rows <= 70 + delay
        for name in ("combined", "weights"):
            mine, theirs = (getattr(each.out_of_fold_, name)[unaffected] for each in (one, other))
            np.testing.assert_array_equal(mine, theirs)
        assert "max_models" in extra or not np.array_equal(answers(one)[0], answers(other)[0])


@every_combiner
def test_no_figure_of_an_update_uses_its_own_or_a_later_outcome(combiner):
    ensemble = fitted(numbers, combiner)
    X, y, regimes = rest(numbers)
    said, inside = X[:, :, None], np.eye(2)[(regimes == "wild").astype(int)]
    changed = y.copy()
    changed[30] = -25.0
    one, other = (deepcopy(ensemble.combiner_).follow(said, t[:, None], inside) for t in (y, changed))
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine[:31], theirs[:31])
    assert not np.array_equal(one[0][31:], other[0][31:])


def test_outcomes_of_one_moment_are_not_known_to_each_other():
    X, y, _, _ = made()
    days = pd.DatetimeIndex(np.repeat(pd.date_range("2024-01-01", periods=FIRST // 4), 4))
    frame = pd.DataFrame(X[:FIRST], columns=list("abc"), index=days)
    changed = y[:FIRST].copy()
    changed[60] = 25.0  # the first of four rows of its day
    one, other = (numbers("dynamic").fit(frame, t).out_of_fold_ for t in (y[:FIRST], changed))
    same_day = one.rows <= 63
    np.testing.assert_array_equal(one.combined[same_day], other.combined[same_day])
    assert not np.array_equal(one.combined[~same_day], other.combined[~same_day])


@every_task
@every_combiner
def test_a_row_of_weight_zero_changes_nothing(make, combiner):
    ensemble = fitted(make, combiner)
    X, y, regimes = rest(make)
    before = bits(ensemble)
    ensemble.partial_update(X, y, regimes=regimes, sample_weight=np.zeros(len(y)))
    assert bits(ensemble) == before


def test_one_enormous_outcome_does_not_poison_the_weights():
    for combiner in COMBINERS:
        for size in (1e100, 1e155, 1e200):
            ensemble = fitted(numbers, combiner)
            X, y, regimes = rest(numbers)
            ensemble.partial_update(X[:1], [size], regimes=regimes[:1])
            ensemble.partial_update(X[1:], y[1:], regimes=regimes[1:])
            assert np.isfinite(answers(ensemble)[0]).all(), (combiner, size)
            assert (ensemble.weights_.to_numpy() >= 0).all()


def test_a_final_estimator_that_cannot_follow_says_so_and_only_the_ledger_moves():
    class WithoutWeights(Ridge):
        def partial_fit(self, X, y):
            raise AssertionError("it does not take the weights that regimes need")

    for final in (Ridge(), WithoutWeights()):
        ensemble = fitted(numbers, Stacking(final))
        before, n = answers(ensemble)[0], figure(ensemble, "ensemble", "n")
        X, y, regimes = rest(numbers)
        with pytest.warns(UserWarning, match=r"final_estimator \w+ of Stacking .*only the ledger moves"):
            ensemble.partial_update(X, y, regimes=regimes)
        np.testing.assert_array_equal(answers(ensemble)[0], before)
        assert figure(ensemble, "ensemble", "n") == n + len(y)


def test_a_final_estimator_that_follows_is_moved():
    ensemble = fitted(numbers, Stacking(SGDRegressor(random_state=0)))
    before = answers(ensemble)[0]
    X, y, regimes = rest(numbers)
    ensemble.partial_update(X, y, regimes=regimes)
    assert not np.array_equal(answers(ensemble)[0], before)


def test_a_final_estimator_that_fails_half_way_leaves_everything_as_it_was():
    ensemble = fitted(numbers, Stacking(Moody(random_state=0)))
    X, y, regimes = rest(numbers)
    before = bits(ensemble)
    with pytest.raises(RuntimeError, match="too much"):
        ensemble.partial_update(X, y, regimes=regimes)
    assert bits(ensemble) == before


# Explanations.


@every_task
@every_combiner
def test_an_explanation_given_back_at_once_is_the_row_given_back(make, combiner):
    by_rows, by_words = fitted(make, combiner), fitted(make, combiner)
    X, y, regimes = rest(make)
    for i in range(0, 40):
        one = slice(i, i + 1)
        said = by_words.explain(X[one], regimes=regimes[one])
        by_words.partial_update(predictions=said, y=y[one])
        by_rows.partial_update(X[one], y[one], regimes=regimes[one])
    pd.testing.assert_frame_equal(by_rows.weights_, by_words.weights_, rtol=1e-8)
    pd.testing.assert_frame_equal(by_rows.performance_report(), by_words.performance_report(), rtol=1e-8)


@every_task
@every_combiner
def test_nothing_is_recomputed_for_an_explanation(make, combiner):
    ensemble = fitted(make, combiner)
    X, y, regimes = rest(make)
    said = pickle.loads(pickle.dumps(ensemble.explain(X, regimes=regimes)))
    CALLS.clear()
    ensemble.partial_update(predictions=said, y=y)
    assert not CALLS


def test_the_ledger_counts_what_the_explanation_said_and_not_what_would_be_said_today():
    ensemble = fitted(numbers, "dynamic")
    X, y, regimes = rest(numbers)
    said = ensemble.explain(X, regimes=regimes)
    n, loss = figure(ensemble, "ensemble", "n"), figure(ensemble, "ensemble", "loss")
    ensemble.partial_update(X, y, regimes=regimes)
    n_now, loss_now = figure(ensemble, "ensemble", "n"), figure(ensemble, "ensemble", "loss")
    assert (n_now * loss_now - n * loss) / len(y) != pytest.approx(np.mean((said.prediction - y) ** 2))
    ensemble = fitted(numbers, "dynamic").partial_update(predictions=said, y=y)
    loss_now = figure(ensemble, "ensemble", "loss")
    assert (n_now * loss_now - n * loss) / len(y) == pytest.approx(np.mean((said.prediction - y) ** 2))


def test_the_rival_of_a_late_outcome_is_the_model_that_led_when_the_prediction_was_made():
    ensemble = RegimeAwareEnsembleRegressor([("zero", Says(0)), ("one", Says(1))], cv=_folds(FIRST))
    X = np.tile([0.0, 1.0], (FIRST, 1))
    # Out of fold, 0 was right 80 times; then 1 is, 200 times, which only the outcome that is late does not know.
    ensemble.fit(X, np.zeros(FIRST))
    late = ensemble.explain(X[:1])
    assert late.best_so_far.tolist() == [[0.0]]
    ensemble.partial_update(np.tile([0.0, 1.0], (200, 1)), np.ones(200))
    # 0 led for 80 outcomes, at no loss, and then while the loss of 0, n / (80 + n), was not above that of 1.
    assert figure(ensemble, "best so far", "n") == 280
    assert figure(ensemble, "best so far", "loss") == pytest.approx(81 / 280)
    assert ensemble.explain(X[:1]).best_so_far.tolist() == [[1.0]]
    ensemble.partial_update(predictions=late, y=[1.0])
    assert figure(ensemble, "best so far", "loss") == pytest.approx(82 / 281)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    order=st.permutations(range(12)),
    asked=st.lists(st.integers(0, 12), min_size=12, max_size=12),
    moved=st.integers(0, 11),
)
def test_no_outcome_that_came_after_a_prediction_chooses_its_rival(seed, order, asked, moved):
    def lived(y):
        """Predict each row when so many of the outcomes, in their order, have come; who stood beside each."""
        ensemble, said, beside = pickle.loads(start), {}, {}
        for n_known in range(13):
            for row in range(12):
                # No outcome comes before its prediction.
                if min(asked[row], order.index(row)) == n_known:
                    said[row] = ensemble.explain(X[row : row + 1])
            if n_known < 12:
                row = order[n_known]
                n, loss = (figure(ensemble, "best so far", name) for name in ("n", "loss"))
                ensemble.partial_update(predictions=said[row], y=y[[row]])
                beside[row] = (n + 1) * figure(ensemble, "best so far", "loss") - n * loss
        return {row: each.best_so_far[0, 0] for row, each in said.items()}, beside

    start = pickle.dumps(numbers("dynamic").fit(*(part[:FIRST] for part in made(seed=seed)[:2])))
    X, y = (part[FIRST : FIRST + 12] for part in made(seed=seed)[:2])
    changed = y.copy()
    changed[moved] += 50.0
    one, other = lived(y), lived(changed)
    for row in range(12):
        # Who stands is who counts, and an outcome that came later does not choose.
        assert one[1][row] == pytest.approx((one[0][row] - y[row]) ** 2, rel=1e-6, abs=1e-9)
        if min(asked[row], order.index(row)) <= order.index(moved):
            assert one[0][row] == other[0][row]


def test_the_rival_says_what_it_said_even_where_its_model_is_gone():
    before = fitted(numbers, "dynamic")
    X, y, regimes = rest(numbers)
    said = before.explain(X, regimes=regimes)
    mean = before.ledger_.frame().query("regime == 'pooled' and window == 'lifetime'")["loss"].to_numpy()[:3]
    leader = int(mean.argmin())
    np.testing.assert_array_equal(said.best_so_far, said.member_predictions[:, leader])
    now = fitted(numbers, "dynamic", names=tuple(name for name in "abc" if name != "abc"[leader]))
    n, loss = (figure(now, "best so far", name) for name in ("n", "loss"))
    now.partial_update(predictions=said, y=y)
    total = n * loss + ((X[:, leader] - y) ** 2).sum()
    assert figure(now, "best so far", "n") == n + len(y)
    assert figure(now, "best so far", "loss") == pytest.approx(total / (n + len(y)))


def test_where_nobody_knows_who_led_the_rival_has_no_record():
    ensemble = fitted(numbers, "dynamic")
    X, y, regimes = rest(numbers)
    said = ensemble.explain(X, regimes=regimes)
    # As explanations were before they knew.
    old = object.__new__(type(said))
    old.__setstate__({name: value for name, value in vars(said).items() if name != "best_so_far"})
    n = {who: figure(ensemble, who, "n") for who in ("best so far", "equal weights")}
    ensemble.partial_update(predictions=pickle.loads(pickle.dumps(old)), y=y)
    assert figure(ensemble, "best so far", "n") == n["best so far"]
    assert figure(ensemble, "equal weights", "n") == n["equal weights"] + len(y)


@every_task
@every_combiner
def test_an_explanation_of_the_ensemble_before_a_retrain_is_understood(make, combiner):
    before = fitted(make, combiner)
    X, y, regimes = rest(make)
    said = before.explain(X, regimes=regimes)
    X1, y1, regimes1 = rest(make, slice(0, FIRST))
    renamed = np.where(regimes1 == "wild", "storm", "calm").astype(object)
    now = make(combiner, names=("c", "b")).fit(X1, y1, regimes=renamed)
    n = figure(now, "b", "n", "calm")
    now.partial_update(predictions=said, y=y)
    assert figure(now, "b", "n", "calm") == n + (regimes == "calm").sum()
    assert figure(now, "c", "n") == FIRST - 20 + len(y)
    assert np.isfinite(answers(now)[0]).all()
    labels = None if make is numbers else now.classes_.tolist()
    then = said_earlier(said, ("c", "b"), ("calm", "storm"), labels, said.coverages)
    earlier, combined, weights = then["said"], then["combined"], then["weights"]
    assert then["limits"] is said.limits
    assert "limits" not in said_earlier(said, ("c", "b"), ("calm", "storm"), labels, (0.5,))
    np.testing.assert_array_equal(combined, said.combined)
    np.testing.assert_array_equal(earlier[:, 0], said.member_predictions[:, 2])
    # The model that is gone leaves no trace: the others share what it had.
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)


def test_a_model_that_was_not_there_then_was_asleep():
    said = fitted(numbers, "dynamic", names=("a", "b")).explain(rest(numbers)[0])
    now = fitted(numbers, "dynamic")
    n = figure(now, "c", "n")
    now.partial_update(predictions=said, y=rest(numbers)[1])
    assert figure(now, "c", "n") == n
    assert figure(now, "a", "n") > n


def test_an_explanation_of_fewer_classes_counts_as_it_was_said():
    X, _, labels, regimes = made()
    two = np.where(labels == "flat", "up", labels)
    before = classes("dynamic").fit(X[:FIRST], two[:FIRST], regimes=regimes[:FIRST])
    said = before.explain(X[FIRST:], regimes=regimes[FIRST:])
    now = fitted(classes, "dynamic")
    n = figure(now, "ensemble", "n")
    total = n * figure(now, "ensemble", "loss")
    now.partial_update(predictions=said, y=two[FIRST:])
    own = np.log(said.combined[np.arange(N - FIRST), (two[FIRST:] == "up").astype(int)])
    assert figure(now, "ensemble", "loss") == pytest.approx((total - own.sum()) / (n + len(own)))


def test_passthrough_cannot_learn_from_an_explanation_and_says_so():
    ensemble = fitted(numbers, Stacking(SGDRegressor(random_state=0), passthrough=True))
    X, y, regimes = rest(numbers)
    said, before = ensemble.explain(X, regimes=regimes), answers(ensemble)[0]
    with pytest.warns(UserWarning, match=r"passthrough.*only the ledger moves"):
        ensemble.partial_update(predictions=said, y=y)
    np.testing.assert_array_equal(answers(ensemble)[0], before)
    assert figure(ensemble, "ensemble", "n") == FIRST - 20 + len(y)


# Trades.


def test_trades_of_models_move_weights_and_ledger():
    for combiner in (None, "dynamic"):
        ensemble = fitted(numbers, combiner)
        before = ensemble.weights_
        trades = [{"model": "c", "profit_bps": 40.0 + i, "regime": "calm"} for i in range(30)]
        trades += [{"model": "a", "profit_bps": -30.0 - i, "regime": "calm"} for i in range(30)]
        ensemble.partial_update(trades=trades)
        assert ensemble.weights_.loc["c", "calm"] > before.loc["c", "calm"]
        assert ensemble.weights_.loc["a", "calm"] < before.loc["a", "calm"]
        assert figure(ensemble, "c", "profit_bps", "calm") == pytest.approx(np.mean(40.0 + np.arange(30)))
        assert figure(ensemble, "c", "n_trades", "wild") == 0
        assert figure(ensemble, "a", "win_rate") == 0
        for combined, weights, contributions in [answers(ensemble)]:
            np.testing.assert_allclose(weights.sum(axis=1), 1)
            np.testing.assert_allclose(contributions.sum(axis=1), combined)


@every_task
def test_trades_at_once_are_as_many_calls_and_a_table_is_its_records(make):
    trades = pd.DataFrame(
        {
            "model": ["a", "b", None, "c", "a"] * 6,
            "won": [True, False, True, False, True] * 6,
            "profit_bps": [12.0, -7.0, 5.0, -1.5, 3.0] * 6,
            "regime": ["calm", "wild", None, "unheard of", "calm"] * 6,
            "sample_weight": [1.0, 2.0, 1.0, 0.5, 0.0] * 6,
            "time": pd.date_range("2024-01-01", periods=30),
        }
    )
    at_once = fitted(make, "dynamic").partial_update(trades=trades)
    one_by_one, records = fitted(make, "dynamic"), fitted(make, "dynamic")
    for record in trades.to_dict("records"):
        one_by_one.partial_update(trades=record)
    records.partial_update(trades=trades.to_dict("records"))
    assert_same(at_once, one_by_one)
    assert_same(at_once, records)
    assert figure(at_once, "b", "n_trades", "wild") == 12
    assert figure(at_once, "c", "n_trades") == 3
    assert figure(at_once, "c", "n_trades", "calm") + figure(at_once, "c", "n_trades", "wild") == 0
    assert figure(at_once, "ensemble", "n_trades") == 6


def test_a_trade_of_the_ensemble_is_credited_by_the_side_of_each():
    ensemble = fitted(numbers, "dynamic")
    X = np.array([[2.0, 1.5, -1.0], [-1.0, 0.0, -2.0]])
    said = ensemble.explain(X, regimes=["calm", "wild"])
    assert np.sign(said.prediction).tolist() == [1, -1]
    trades = [{"model": None, "profit_bps": 30.0, "regime": "calm"}, {"model": None, "profit_bps": -8.0}]
    ensemble.partial_update(trades=trades, predictions=said)
    assert figure(ensemble, "ensemble", "profit_bps") == pytest.approx(11)
    assert figure(ensemble, "a", "profit_bps") == pytest.approx((30 - 8) / 2)
    assert figure(ensemble, "b", "n_trades") == 1
    assert figure(ensemble, "c", "profit_bps") == pytest.approx((-30 - 8) / 2)
    assert figure(ensemble, "c", "profit_bps", "calm") == pytest.approx(-30)


def test_a_trade_of_the_ensemble_without_explanation_is_its_own_alone():
    ensemble = fitted(numbers, "dynamic")
    before = ensemble.weights_
    ensemble.partial_update(trades={"model": None, "won": True, "profit_bps": 5.0, "regime": "calm"})
    pd.testing.assert_frame_equal(ensemble.weights_, before, rtol=1e-12)
    assert figure(ensemble, "ensemble", "n_trades") == 1
    assert figure(ensemble, "a", "n_trades") == 0


def test_whether_it_was_won_is_credited_where_nothing_more_is_known():
    ensemble = fitted(numbers, "dynamic")
    said = ensemble.explain(np.array([[2.0, 1.5, -1.0]] * 2), regimes=["calm", "calm"])
    before = ensemble.weights_
    trades = [{"model": None, "won": True, "regime": "calm"}, {"model": "c", "won": True, "regime": "calm"}]
    ensemble.partial_update(trades=trades, predictions=said)
    assert [figure(ensemble, name, "won") for name in ("a", "b", "c", "ensemble")] == [1, 1, 1, 1]
    assert [figure(ensemble, name, "lost") for name in ("a", "b", "c", "ensemble")] == [0, 0, 1, 0]
    pd.testing.assert_frame_equal(ensemble.weights_, before)


def test_classes_take_the_sides_of_their_returns():
    X, y, labels, regimes = made()
    ensemble = classes("dynamic").fit(X[:FIRST], labels[:FIRST], regimes=regimes[:FIRST], returns=0.01 * y[:FIRST])
    said = ensemble.explain(np.array([[3.0, 3.0, -3.0]]))
    assert said.prediction[0] == "up"
    n = figure(ensemble, "c", "n_trades")
    total = n * figure(ensemble, "c", "profit_bps")
    ensemble.partial_update(trades={"model": None, "profit_bps": 25.0}, predictions=said)
    assert figure(ensemble, "c", "n_trades") == n + 1  # class 0 of three, "down", is the other side
    assert figure(ensemble, "c", "profit_bps") == pytest.approx((total - 25) / (n + 1))


def test_a_model_of_models_has_no_weights_that_trades_could_move():
    ensemble = fitted(numbers, "stacking")
    before = answers(ensemble)[0]
    with pytest.warns(UserWarning, match="only the ledger moves"):
        ensemble.partial_update(trades={"model": "a", "profit_bps": 12.0})
    np.testing.assert_array_equal(answers(ensemble)[0], before)
    assert figure(ensemble, "a", "n_trades") == 1


def test_no_trades_are_no_change():
    ensemble = fitted(numbers, "dynamic")
    before = ensemble.weights_, ensemble.ledger_
    ensemble.partial_update(trades=[])
    pd.testing.assert_frame_equal(ensemble.weights_, before[0])
    assert ensemble.ledger_ == before[1]


# Returns.


def test_targets_that_are_returns_have_wins_and_profits():
    X, y, _, regimes = made()
    ensemble = numbers("dynamic", outcome="return").fit(X[:FIRST], 0.01 * y[:FIRST], regimes=regimes[:FIRST])
    ensemble.partial_update(X[FIRST:], 0.01 * y[FIRST:], regimes=regimes[FIRST:])
    profit = np.sign(X[20:, 1]) * y[20:] * 100
    assert figure(ensemble, "b", "profit_bps") == pytest.approx(profit.mean())
    assert figure(ensemble, "b", "sharpe") == pytest.approx(profit.mean() / profit.std(ddof=1))
    assert figure(ensemble, "b", "win_rate") == pytest.approx((profit > 0).mean())
    assert figure(ensemble, "b", "win_rate_low") == pytest.approx(float(wilson_interval((profit > 0).sum(), 140)[0]))
    low = float(mean_interval(profit.mean(), profit.std(ddof=1), 140)[0])
    assert figure(ensemble, "b", "profit_bps_low") == pytest.approx(low)
    fall = np.maximum.accumulate(np.append(0, profit.cumsum())) - np.append(0, profit.cumsum())
    assert figure(ensemble, "b", "drawdown_bps") == pytest.approx(fall.max())


def test_returns_of_classes_have_profits_by_the_side_of_the_class():
    X, y, labels, regimes = made()
    ensemble = classes("dynamic").fit(X[:FIRST], labels[:FIRST], regimes=regimes[:FIRST], returns=0.01 * y[:FIRST])
    ensemble.partial_update(X[FIRST:], labels[FIRST:], regimes=regimes[FIRST:], returns=0.01 * y[FIRST:])
    said = Leans(1).fit(X, labels).predict_proba(X[20:]).argmax(axis=1)
    middle = np.sign(y[:FIRST][labels[:FIRST] == "flat"].sum())
    side = np.array([-1.0, middle, 1.0])[said]
    profit = side * y[20:] * 100
    assert figure(ensemble, "b", "profit_bps") == pytest.approx(profit.mean())
    assert figure(ensemble, "b", "win_rate") == pytest.approx(
        (np.array(["down", "flat", "up"])[said] == labels[20:]).mean()
    )


def test_without_returns_there_are_no_trading_figures():
    assert "profit_bps" not in fitted(numbers, "dynamic").performance_report()
    assert "win_rate" not in fitted(numbers, "dynamic").performance_report()
    report = fitted(classes, "dynamic").performance_report()
    assert "profit_bps" not in report
    assert "win_rate" in report


# The report.


@every_task
@every_combiner
def test_the_report_has_baselines_counts_and_scores_by_hand(make, combiner):
    ensemble = fitted(make, combiner)
    X, y, regimes = rest(make)
    ensemble.partial_update(X, y, regimes=regimes)
    frame = ensemble.performance_report()
    assert set(frame["performer"]) == {"a", "b", "c", "ensemble", "equal weights", "best so far"}
    assert set(frame["regime"]) == {"calm", "wild", "pooled"}
    assert set(frame["window"]) == {"lifetime", "recent"}
    X, y, regimes = rest(make, slice(20, N))
    inside = {"pooled": np.ones(len(y), bool), "calm": regimes == "calm", "wild": regimes == "wild"}
    if make is classes:
        proba = Leans(1).fit(X, y).predict_proba(X)
        right = np.array(["down", "flat", "up"])[proba.argmax(axis=1)] == y
    for regime, rows in inside.items():
        assert figure(ensemble, "equal weights", "n", regime) == rows.sum()
        if make is numbers:
            loss = np.square(X[rows, 1] - y[rows]).mean()
            plain = np.square(X[rows].mean(axis=1) - y[rows]).mean()
            assert figure(ensemble, "b", "loss", regime) == pytest.approx(loss)
            assert figure(ensemble, "equal weights", "loss", regime) == pytest.approx(plain)
            assert figure(ensemble, "b", "score", regime) == pytest.approx(1 - loss / y[rows].var())
        else:
            assert figure(ensemble, "b", "score", regime) == pytest.approx(right[rows].mean())
            assert figure(ensemble, "b", "win_rate_low", regime) < figure(ensemble, "b", "win_rate_high", regime)


def test_scores_do_not_depend_on_the_size_of_the_sample_weights():
    X, y, _, regimes = made()
    one, other = (
        numbers("weighted_voting").fit(X[:FIRST], y[:FIRST], regimes=regimes[:FIRST], sample_weight=np.full(FIRST, w))
        for w in (1.0, 1e-4)
    )
    assert figure(one, "a", "score") == pytest.approx(figure(other, "a", "score"))


# Wrong calls.

HELD_X = made()[0][FIRST:]
HELD_Y = made()[1][FIRST:]
EARLIER = pd.date_range("2020-01-01", periods=N - FIRST)
TIMED = pd.DataFrame(HELD_X, index=EARLIER)


def trade(**fields):
    return {"trades": [{"model": "a", "profit_bps": 12.0} | fields]}


WRONG_OF_NUMBERS = {
    "nothing": ({}, "needs either X or predictions .*neither"),
    "rows without outcomes": ({"X": HELD_X}, "needs y"),
    "outcomes without rows": ({"y": HELD_Y}, "needs either X or predictions"),
    "too few outcomes": ({"X": HELD_X, "y": HELD_Y[:5]}, "5 outcomes for 60 rows"),
    "a missing outcome": ({"X": HELD_X, "y": np.where(np.arange(60) == 7, np.nan, HELD_Y)}, "no outcome in row 7"),
    "an infinite outcome": ({"X": HELD_X, "y": np.where(np.arange(60) == 7, np.inf, HELD_Y)}, "row 7 .inf"),
    "an infinite object": ({"X": HELD_X[:2], "y": np.array([1.0, np.inf], dtype=object)}, "row 1 .inf"),
    "a None": ({"X": HELD_X[:2], "y": [1.0, None]}, "no outcome in row 1 .None"),
    "words": ({"X": HELD_X[:2], "y": ["up", "down"]}, "must hold numbers; got .*up"),
    "two columns of outcomes": ({"X": HELD_X[:2], "y": np.zeros((2, 2))}, "y should be a 1d array"),
    "another width": ({"X": HELD_X[:, :2], "y": HELD_Y}, "2 features"),
    "no rows": ({"X": HELD_X[:0], "y": HELD_Y[:0]}, "0 sample"),
    "missing values": ({"X": HELD_X * np.nan, "y": HELD_Y}, "contains NaN"),
    "a row of one dimension": ({"X": HELD_X[0], "y": HELD_Y[:1]}, "2D array"),
    "too few regimes": ({"X": HELD_X, "y": HELD_Y, "regimes": ["calm"]}, "regimes has 1 rows but X has 60"),
    "one word of regimes": ({"X": HELD_X, "y": HELD_Y, "regimes": "calm"}, "one label per row"),
    "no probabilities": ({"X": HELD_X[:1], "y": [1.0], "regimes": [[0.9, 0.9]]}, "sum to 1"),
    "a negative weight": ({"X": HELD_X[:2], "y": [1.0, 2.0], "sample_weight": [1, -1]}, "sample_weight must hold"),
    "a missing weight": ({"X": HELD_X[:2], "y": [1.0, 2.0], "sample_weight": [1, np.nan]}, "sample_weight must hold"),
    "too few weights": ({"X": HELD_X[:2], "y": [1.0, 2.0], "sample_weight": [1]}, "sample_weight must hold"),
    "a missing return": ({"X": HELD_X[:2], "y": [1.0, 2.0], "returns": [0.1, np.nan]}, "returns must hold"),
    "too few returns": ({"X": HELD_X[:2], "y": [1.0, 2.0], "returns": [0.1]}, "returns must hold"),
    "words for returns": ({"X": HELD_X[:2], "y": [1.0, 2.0], "returns": ["a", "b"]}, "returns must hold"),
    "an array of predictions": ({"predictions": HELD_Y, "y": HELD_Y}, "must be an Explanation"),
    "rows back in time": ({"X": TIMED[::-1], "y": HELD_Y}, "must be in time order: row 1"),
    "outcomes of other days": (
        {"X": TIMED, "y": pd.Series(HELD_Y, EARLIER + pd.Timedelta("1D"))},
        "X and y are not of the same times",
    ),
    "weights of other days": (
        {"X": TIMED, "y": HELD_Y, "sample_weight": pd.Series(1.0, EARLIER + pd.Timedelta("1D"))},
        "X and sample_weight are not of the same times",
    ),
    "returns of other days": (
        {"X": TIMED, "y": HELD_Y, "returns": pd.Series(0.1, EARLIER + pd.Timedelta("1D"))},
        "X and returns are not of the same times",
    ),
    "an unknown model": (trade(model="d"), "model of trades.0. must be one of 'a', 'b', 'c'"),
    "a won loss": (trade(won=True, profit_bps=-1.0), "contradicts"),
    "a missing profit": (trade(profit_bps=np.nan), "must be a finite number"),
    "fractions": (trade(profit_bps=0.01), "looks like fractions"),
    "an unknown field": (trade(pnl=3), "must be one of model, won"),
    "no trade": ({"trades": 3}, "must be a DataFrame"),
    "a negative trade weight": (trade(sample_weight=-1.0), "must not be negative"),
    "trades and rows": ({**trade(), "X": HELD_X, "y": HELD_Y}, "either trades or X and y"),
    "trades and regimes": ({**trade(), "regimes": ["calm"]}, "regimes .*fields of the trades"),
    "trades and weights": ({**trade(), "sample_weight": [1.0]}, "fields of the trades"),
    "trades and returns": ({**trade(), "returns": [0.1]}, "fields of the trades"),
}
WRONG_OF_CLASSES = {
    "a class nobody has seen": ({"X": HELD_X[:2], "y": ["up", "sideways"]}, "sideways.*which fit has not seen"),
    "numbers for words": ({"X": HELD_X[:2], "y": [0, 1]}, "fit has not seen"),
    "what no word is compared with": ({"X": HELD_X[:2], "y": [10**400, 0]}, "fit has not seen"),
    "a missing class": ({"X": HELD_X[:2], "y": ["up", None]}, "no outcome in row 1"),
    "a NaN class": ({"X": HELD_X[:2], "y": np.array(["up", np.nan], dtype=object)}, "no outcome in row 1"),
    "returns that fit never had": (
        {"X": HELD_X[:2], "y": ["up", "up"], "returns": [0.1, 0.2]},
        "which class is long.*fit with returns",
    ),
}


@pytest.mark.parametrize("wrong", WRONG_OF_NUMBERS)
def test_a_wrong_update_of_numbers_gets_a_sentence_and_moves_nothing(wrong):
    call, sentence = WRONG_OF_NUMBERS[wrong]
    _assert_refused(fitted(numbers, "dynamic"), call, sentence)


@pytest.mark.parametrize("wrong", WRONG_OF_CLASSES)
def test_a_wrong_update_of_classes_gets_a_sentence_and_moves_nothing(wrong):
    call, sentence = WRONG_OF_CLASSES[wrong]
    _assert_refused(fitted(classes, "dynamic"), call, sentence)


def _assert_refused(ensemble, call, sentence):
    before = bits(ensemble)
    with pytest.raises(ValueError, match=f"(?s){sentence}"):
        ensemble.partial_update(**call)
    assert bits(ensemble) == before


def test_wrong_explanations_get_a_sentence_and_move_nothing():
    ensemble = fitted(numbers, "dynamic")
    said = ensemble.explain(HELD_X)
    of_classes = fitted(classes, "dynamic").explain(HELD_X)
    calls = [
        ({"predictions": said}, "needs y"),
        ({"predictions": said, "y": HELD_Y[:-1]}, "59 outcomes for 60 rows"),
        ({"predictions": said, "y": HELD_Y, "X": HELD_X}, "both"),
        ({"predictions": said, "y": HELD_Y, "regimes": ["calm"] * 60}, "regimes.*explanation"),
        ({"predictions": of_classes, "y": HELD_Y}, "explanation of the classes"),
        ({"predictions": ensemble.explain(TIMED), "y": pd.Series(HELD_Y, EARLIER + pd.Timedelta("1D"))}, "same times"),
        ({"predictions": said, **trade()}, "60 predictions for 1 trades"),
    ]
    for call, sentence in calls:
        _assert_refused(ensemble, call, sentence)


def test_times_with_and_without_a_zone_do_not_mix():
    X, y, _, _ = made()
    days = pd.date_range("2024-01-01", periods=N)
    ensemble = numbers("dynamic").fit(pd.DataFrame(X[:FIRST], index=days[:FIRST]), y[:FIRST])
    _assert_refused(
        ensemble, {"X": pd.DataFrame(X[FIRST:], index=days[FIRST:].tz_localize("UTC")), "y": y[FIRST:]}, "time zone"
    )


def test_an_empty_frame_is_no_update():
    X, y, _, _ = made()
    frame = pd.DataFrame(X, columns=list("xyz"))
    ensemble = numbers("dynamic").fit(frame[:FIRST], y[:FIRST])
    _assert_refused(ensemble, {"X": frame[:0], "y": y[:0]}, "0 sample")
    _assert_refused(ensemble, {"predictions": _empty(ensemble.explain(frame[:1])), "y": []}, "no rows")


def _empty(said):
    from dataclasses import replace

    each_row = "prediction combined member_predictions weights contributions baseline memberships agreement confidence"
    return replace(said, **{name: getattr(said, name)[:0] for name in [*each_row.split(), "index"]})


@pytest.mark.parametrize("call", [{}, {"X": HELD_X, "y": HELD_Y}, trade(), {"predictions": 3, "y": HELD_Y}])
def test_before_fit_there_is_nothing_to_update(call):
    for make in (numbers, classes):
        with pytest.raises(NotFittedError):
            make("dynamic").partial_update(**call)


# All or nothing.


@every_task
@every_combiner
@pytest.mark.parametrize("victim", ["combiner", "ledger"])
@pytest.mark.parametrize("form", ["rows", "explanation", "trades"])
def test_an_update_that_fails_half_way_leaves_everything_as_it_was(make, combiner, victim, form, monkeypatch):
    ensemble = fitted(make, combiner)
    X, y, regimes = rest(make)
    said = ensemble.explain(X, regimes=regimes)
    before = bits(ensemble)

    def broken(*args, **kwargs):
        raise OSError("half way")

    if victim == "ledger":
        monkeypatch.setattr(Ledger, "updated", broken)
    else:
        kind, verb = type(ensemble.combiner_), "follow_trades" if form == "trades" else "follow"
        real = getattr(kind, verb)

        def learned_then_broken(self, *args, **kwargs):
            real(self, *args, **kwargs)
            raise OSError("half way")

        monkeypatch.setattr(kind, verb, learned_then_broken)
    call = {
        "rows": {"X": X, "y": y, "regimes": regimes},
        "explanation": {"predictions": said, "y": y},
        "trades": trade(),
    }[form]
    with pytest.raises(OSError, match="half way"):
        ensemble.partial_update(**call)
    monkeypatch.undo()
    assert bits(ensemble) == before
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ensemble.partial_update(**call)
    assert bits(ensemble) != before


class Interrupted(DynamicWeighting):
    """Somebody else updates the ensemble right after each answer."""

    between = None

    def combine(self, predictions, memberships, *, features=None):
        combined = super().combine(predictions, memberships, features=features)
        if Interrupted.between is not None:
            between, Interrupted.between = Interrupted.between, None
            between()
        return combined


def test_an_explanation_is_of_one_moment_even_if_an_update_comes_in_between():
    ensemble = fitted(numbers, Interrupted())
    X, y, regimes = rest(numbers)
    expected = ensemble.explain(X, regimes=regimes)
    Interrupted.between = lambda: ensemble.partial_update(X, y, regimes=regimes)
    said = ensemble.explain(X, regimes=regimes)
    np.testing.assert_array_equal(said.weights, expected.weights)
    np.testing.assert_array_equal(said.contributions, expected.contributions)
    assert not np.array_equal(ensemble.explain(X, regimes=regimes).weights, expected.weights)


@every_task
@every_combiner
def test_readers_in_other_threads_see_whole_states_only(make, combiner):
    ensemble = fitted(make, combiner)
    X, y, regimes = rest(make)
    frame = X[:3]
    wrongs, n_read, done = [], [0] * 4, threading.Event()

    def read(k):
        while not done.is_set() or n_read[k] < 3:
            said = ensemble.explain(frame, regimes=regimes[:3])
            total = said.baseline + said.contributions.sum(axis=1)
            if not np.allclose(total, said.combined, rtol=1e-9, atol=1e-12):
                wrongs.append((total, said.combined))
            if not np.allclose(said.weights.sum(axis=1), 1):
                wrongs.append(said.weights)
            ensemble.predict(frame)
            n_read[k] += 1

    readers = [threading.Thread(target=read, args=(k,)) for k in range(4)]
    for reader in readers:
        reader.start()
    try:
        for i in range(25):
            one = slice(i, i + 1)
            ensemble.partial_update(X[one], y[one], regimes=regimes[one])
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert not wrongs
    assert min(n_read) >= 3
    alone = fitted(make, combiner).partial_update(X[:25], y[:25], regimes=regimes[:25])
    assert_same(ensemble, alone)


# Models that break.


@pytest.mark.parametrize("how", ["raises", "nan", "inf", "constant", "wrong shape"])
@pytest.mark.parametrize("combiner", COMBINERS, ids=repr)
def test_a_model_that_breaks_mid_stream_never_sinks_the_others_and_may_come_back(how, combiner):
    rng = np.random.RandomState(2)
    n = 420
    y = rng.standard_normal(n)
    X = y[:, None] + np.array([0.2, 0.5, 0.8]) * rng.standard_normal((n, 3))
    ensemble = numbers(combiner).fit(X[:FIRST], y[:FIRST])
    said = np.full(n, np.nan)
    for start in range(FIRST, n, 4):
        MOOD.clear()
        if 180 <= start < 300:
            MOOD[0] = how
        rows = slice(start, start + 4)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ModelFailureWarning)
            said[rows] = ensemble.predict(X[rows])
            ensemble.partial_update(X[rows], y[rows])
        assert bool(caught) == (bool(MOOD) and how != "constant")
        assert all(str(each.message).startswith("a ") for each in caught)
    assert np.isfinite(said[FIRST:]).all()
    loss = np.square(said - y)
    if how != "constant":
        assert loss[180:300].mean() <= 1.3 * 0.5**2
    elif isinstance(combiner, DynamicWeighting):
        assert loss[220:300].mean() <= 1.5 * 0.5**2
    assert loss[340:].mean() <= (1.3 * 0.5**2 if how != "constant" else 9.0)
    if how != "constant":
        # Those of a model of models are what they were after fit.
        assert ensemble.weights_.loc["a", "pooled"] > (0.4 if isinstance(combiner, Stacking) else 0.5)


def test_a_model_that_breaks_is_not_judged_meanwhile():
    ensemble = fitted(numbers, "dynamic")
    X, y, regimes = rest(numbers)
    n = figure(ensemble, "a", "n")
    MOOD[0] = "nan"
    with pytest.warns(ModelFailureWarning, match=r"a has no finite prediction for 60 of 60 rows: it sleeps there"):
        ensemble.partial_update(X, y, regimes=regimes)
    assert figure(ensemble, "a", "n") == n
    assert figure(ensemble, "b", "n") == n + 60


def test_when_no_model_is_left_there_is_an_error_and_nothing_moves():
    ensemble = fitted(numbers, "dynamic")
    MOOD.update(dict.fromkeys(range(3), "nan"))
    before = bits(ensemble)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ModelFailureWarning)
        with pytest.raises(ValueError, match="No model has a finite prediction for 60 of 60 rows"):
            ensemble.partial_update(HELD_X, HELD_Y)
    assert bits(ensemble) == before


def test_real_models_follow_too():
    X, y, labels, regimes = made()
    lines = [("line", LinearRegression()), ("ridge", Ridge(50.0))]
    for combiner in ("weighted_voting", "stacking", "dynamic", "weighted_combiners"):
        ensemble = RegimeAwareEnsembleRegressor(lines, combiner=combiner).fit(X[:FIRST], y[:FIRST])
        before = ensemble.score(X[FIRST:], y[FIRST:])
        ensemble.partial_update(X[FIRST:], y[FIRST:])
        assert ensemble.score(X[FIRST:], y[FIRST:]) > before - 0.05
        votes = RegimeAwareEnsembleClassifier([("one", LogisticRegression()), ("two", LogisticRegression(C=0.01))])
        votes.set_params(combiner=combiner).fit(X[:FIRST], labels[:FIRST], regimes=regimes[:FIRST])
        votes.partial_update(X[FIRST:], labels[FIRST:], regimes=regimes[FIRST:])
        assert votes.score(X, labels) > 0.5


def test_asking_about_rows_that_the_models_were_trained_on_is_called_hindsight():
    days = pd.bdate_range("2020-01-01", periods=120)
    frame = pd.DataFrame({"x": np.linspace(0, 1, 120)}, index=days)
    y = np.linspace(0, 2, 120)
    ensemble = RegimeAwareEnsembleRegressor([("line", LinearRegression())]).fit(frame[:100], y[:100])
    assert ensemble.trained_until_ == days[99]
    with pytest.warns(LookAheadWarning, match="is no forecast"):
        ensemble.partial_update(frame[90:110], y[90:110])
    ensemble.partial_update(frame[110:120], y[110:120])


def test_a_class_whose_returns_are_chance_takes_no_side():
    rng = np.random.default_rng(0)
    label = np.tile(["buy", "hold", "sell"], 100)
    returns = np.select([label == "buy", label == "sell"], [0.02, -0.02], 0.0) + 0.005 * rng.normal(size=300)
    ensemble = RegimeAwareEnsembleClassifier([("line", LogisticRegression())])
    ensemble.fit(returns[:, None], label, returns=returns)
    np.testing.assert_array_equal(ensemble._sides, [1, 0, -1])

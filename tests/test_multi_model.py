import pickle

import numpy as np
import pandas as pd
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error, r2_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble._checks import ModelFailureWarning
from skensemble.datasets import make_regime_classification, make_regime_regression
from skensemble.models import make_model
from skensemble.multi_model import (
    DynamicEnsembleCombiner,
    MultiModelTrainer,
    predict_with_ensemble,
    train_multi_model_ensemble,
)
from skensemble.trades import TradeEvidence, check_trades

METHODS = ("weighted_voting", "stacking", "dynamic_weighting")
MAKE = {False: make_regime_regression, True: make_regime_classification}
MODELS = {
    False: [("linear", LinearRegression()), ("tree", DecisionTreeRegressor(max_depth=4, random_state=0))],
    True: ["logistic", ("tree", DecisionTreeClassifier(max_depth=4, random_state=0))],
}
N_TRAIN = 400


def market(is_classification=False, n_samples=700):
    X, y, regimes = MAKE[is_classification](n_samples, random_state=0)
    X_train, X_val, X_new = X[:N_TRAIN], X[N_TRAIN:600], X[600:]
    return {"X_train": X_train, "y_train": y[:N_TRAIN], "X_val": X_val, "y_val": y[N_TRAIN:600]}, regimes, X_new


def trained(method="weighted_voting", is_classification=False, regimes=None, **parameters):
    data, _, _ = market(is_classification)
    trainer = MultiModelTrainer(
        MODELS[is_classification], method, is_classification, random_state=0, n_jobs=1, **parameters
    )
    trainer.train_parallel(**data, regimes=regimes)
    return trainer


# The usage of the original brief.


def test_the_original_usage():
    X, y, regimes = make_regime_regression(n_samples=400, random_state=0)
    regimes = regimes.map({"R0": "TREND", "R1": "RANGE"})
    X_train, y_train, X_val, y_val, X_new = X[:280], y[:280], X[280:390], y[280:390], X[399:]

    trainer = MultiModelTrainer(
        techniques=["xgboost", "lightgbm", "random_forest", "logistic"],
        ensemble_method="weighted_voting",
        is_classification=False,
    )
    with pytest.warns(UserWarning, match="linear"):
        results = trainer.train_parallel(
            X_train=X_train, y_train=y_train, X_val=X_val, y_val=y_val, regimes=regimes[:390]
        )
    result = trainer.predict_ensemble(X_new, regime="TREND")

    assert list(results) == ["xgboost", "lightgbm", "random_forest", "logistic"]
    assert all(each.n == 110 and each.error is None for each in results.values())
    assert isinstance(result.prediction, float)
    assert 0 <= result.confidence <= 1
    assert list(result.model_contributions) == list(results)
    assert sum(result.model_contributions.values()) == pytest.approx(result.prediction)

    combiner = DynamicEnsembleCombiner(lookback_trades=50, min_trades_for_weighting=10)
    for _ in range(12):
        combiner.update_performance(model_name="xgboost", won=True, profit_bps=15.0, regime="TREND")
        combiner.update_performance(model_name="logistic", won=False, profit_bps=-5.0, regime="TREND")
    predictions = {name: 0.5 + k for k, name in enumerate(results)}
    weights = combiner.get_weights(current_regime="TREND", model_names=list(results), predictions=predictions)
    assert weights["random_forest"] == weights["lightgbm"] == 0.25
    assert weights["xgboost"] > 0.45
    assert weights["logistic"] < 0.05
    assert combiner.combine(predictions, weights) == pytest.approx(sum(weights[m] * predictions[m] for m in weights))


@pytest.mark.parametrize("is_classification", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_on_every_task(method, is_classification):
    _, regimes, X_new = market(is_classification)
    trainer = trained(method, is_classification, regimes[:600])
    kind = RegimeAwareEnsembleClassifier if is_classification else RegimeAwareEnsembleRegressor
    assert isinstance(trainer.ensemble_, kind)
    assert trainer.ensemble_.regimes_ == ("R0", "R1")

    many = trainer.predict_ensemble(X_new, regime="R1")
    expected = trainer.ensemble_.explain(X_new, regimes=["R1"] * 100)
    assert np.array_equal(many.prediction, expected.prediction)
    assert np.array_equal(many.confidence, expected.confidence)
    assert np.array_equal(many.explanation.weights, expected.weights)
    of = expected.combined.argmax(axis=1)
    rows = np.arange(100)
    total = expected.baseline[rows, of] + sum(many.model_contributions.values())
    assert np.allclose(total, expected.combined[rows, of], rtol=1e-9)
    if is_classification:
        assert np.array_equal(trainer.ensemble_.classes_[of], many.prediction)

    one = trainer.predict_ensemble(X_new[:1], regime="R1")
    assert one.prediction == pytest.approx(many.prediction[0])
    assert isinstance(one.confidence, float)
    assert all(isinstance(each, float) for each in one.model_contributions.values())

    per_row = trainer.predict_ensemble(X_new[:2], regime=["R0", "R1"])
    assert per_row.prediction[1] == pytest.approx(many.prediction[1])
    assert per_row.prediction[0] == pytest.approx(trainer.predict_ensemble(X_new[:1], regime="R0").prediction)


def test_both_regimes_have_their_model():
    _, regimes, _ = market()
    for known in (regimes[:600], regimes[:N_TRAIN]):  # the second leaves the regimes of the validation rows unknown
        weights = trained(regimes=known).ensemble_.weights_.loc["linear"]
        assert weights["R0"] > weights["pooled"] > weights["R1"] + 0.1


def test_results_are_those_of_models_that_saw_the_training_rows_only():
    data, _, _ = market()
    results = trained().results_
    alone = LinearRegression().fit(data["X_train"], data["y_train"]).predict(data["X_val"])
    assert results["linear"].loss == pytest.approx(mean_squared_error(data["y_val"], alone))
    assert results["linear"].score == pytest.approx(r2_score(data["y_val"], alone))
    assert results["linear"].n == 200

    data, _, _ = market(is_classification=True)
    results = trained(is_classification=True).results_
    model = make_model("logistic", "classifier").fit(data["X_train"], data["y_train"])
    assert results["logistic"].loss == pytest.approx(log_loss(data["y_val"], model.predict_proba(data["X_val"])))
    assert results["logistic"].score == accuracy_score(data["y_val"], model.predict(data["X_val"]))


def test_the_models_that_predict_have_seen_both_sets():
    data, _, X_new = market()
    trainer = trained()
    both = LinearRegression().fit(pd.concat([data["X_train"], data["X_val"]]), [*data["y_train"], *data["y_val"]])
    said = trainer.ensemble_.member_predictions(X_new)["linear"]
    assert np.allclose(said, both.predict(X_new))


def test_the_same_as_the_estimator_with_one_fold():
    data, regimes, X_new = market()
    ensemble = RegimeAwareEnsembleRegressor(
        MODELS[False], cv=[(np.arange(N_TRAIN), np.arange(N_TRAIN, 600))], random_state=0
    )
    X, y = (pd.concat([data[f"{name}_train"], data[f"{name}_val"]]) for name in "Xy")
    ensemble.fit(X, y, regimes=regimes[:600])
    trainer = trained(regimes=regimes[:600])
    pd.testing.assert_frame_equal(trainer.ensemble_.weights_, ensemble.weights_)
    assert np.array_equal(trainer.predict_ensemble(X_new).prediction, ensemble.predict(X_new))
    # Another fit, on other rows, is not tied to the rows of this one.
    assert trainer.ensemble_.cv is None
    trainer.ensemble_.fit(X[:100], y[:100])


# Regimes that cover all rows, the training rows, or none; labels and probabilities.


def test_regimes_of_the_training_rows_alone():
    _, regimes, X_new = market()
    trainer = trained("dynamic_weighting", regimes=regimes[:N_TRAIN])
    record = trainer.ensemble_.out_of_fold_
    behind = record.rows >= N_TRAIN
    assert behind.sum() == 200
    assert (~behind).sum() > 200
    assert not record.memberships[behind].any()
    assert record.memberships[~behind].all(axis=1).sum() == 0
    assert np.array_equal(record.memberships[~behind].sum(axis=1), np.ones((~behind).sum()))
    assert trainer.results_["linear"].n == 200
    same = trained("dynamic_weighting")
    assert trainer.results_ == same.results_
    assert not np.array_equal(
        trainer.predict_ensemble(X_new, "R0").prediction, trainer.predict_ensemble(X_new, "R1").prediction
    )


def test_without_regimes_every_regime_gets_the_pooled_answer():
    _, _, X_new = market()
    trainer = trained()
    assert trainer.ensemble_.regimes_ == ()
    pooled = trainer.predict_ensemble(X_new).prediction
    assert np.array_equal(trainer.predict_ensemble(X_new, regime="R0").prediction, pooled)


@pytest.mark.parametrize("n_known", [N_TRAIN, 600])
def test_labels_in_any_form_mean_the_same(n_known):
    _, regimes, _ = market()
    expected = trained(regimes=regimes[:n_known]).ensemble_.weights_
    labels = regimes[:n_known].tolist()
    for form in (labels, np.array(labels), pd.get_dummies(regimes[:n_known], dtype=float)):
        pd.testing.assert_frame_equal(trained(regimes=form).ensemble_.weights_, expected, check_names=False)
    probabilities = trained(regimes=pd.get_dummies(regimes[:n_known], dtype=float).to_numpy())
    assert np.array_equal(probabilities.ensemble_.weights_, expected)


@pytest.mark.parametrize("label", ["never seen", None, float("nan"), ("a", "tuple"), 7])
def test_unknown_regimes_are_served_by_the_pooled_weights(label):
    X_new = market()[2]
    trainer = TRAINED
    pooled = trainer.predict_ensemble(X_new).explanation
    assert np.array_equal(trainer.predict_ensemble(X_new, regime=label).explanation.weights, pooled.weights)


TRAINED = trained("dynamic_weighting", regimes=market()[1][:600])


# Rows of other kinds.


def as_kind(kind, values):
    if kind == "polars":
        return polars.DataFrame({name: values[name].to_numpy() for name in values})
    array = values.to_numpy()
    return {"array": array, "list": array.tolist(), "sparse": sparse.csr_matrix(array)}[kind]


@pytest.mark.parametrize("kind", ["array", "list", "sparse", "polars"])
def test_rows_of_every_kind_give_the_same(kind):
    data, regimes, X_new = market()
    linear = [("linear", LinearRegression())]
    expected = MultiModelTrainer(linear, n_jobs=1)
    expected.train_parallel(**data, regimes=regimes[:600])
    trainer = MultiModelTrainer(linear, n_jobs=1)
    rows = {name: as_kind(kind, data[name]) for name in ("X_train", "X_val")}
    targets = {name: data[name].tolist() for name in ("y_train", "y_val")}
    trainer.train_parallel(**rows, **targets, regimes=regimes[:600].tolist())
    said = trainer.predict_ensemble(as_kind(kind, X_new), regime="R0").prediction
    assert np.allclose(said, expected.predict_ensemble(X_new, regime="R0").prediction)


def test_a_label_horizon_keeps_the_validation_set_clean():
    data, _, _ = market()
    results = trained(label_horizon="10h").results_
    alone = LinearRegression().fit(data["X_train"][:-10], data["y_train"][:-10]).predict(data["X_val"])
    assert results["linear"].loss == pytest.approx(mean_squared_error(data["y_val"], alone), rel=1e-12)


# What goes wrong.


class Failing(RegressorMixin, BaseEstimator):
    def __init__(self, most=0):
        self.most = most

    def fit(self, X, y):
        if len(X) > self.most:
            raise RuntimeError("no luck today")
        return self

    def predict(self, X):
        return np.zeros(len(X))


class Silent(Failing):
    def fit(self, X, y):
        self.rows_ = len(X)
        return self

    def predict(self, X):
        return np.full(len(X), np.nan if self.rows_ == N_TRAIN else 1.0)


def test_a_model_that_fails_sleeps_and_says_why():
    data, _, X_new = market()
    trainer = MultiModelTrainer([*MODELS[False], ("broken", Failing())], random_state=0, n_jobs=1)
    with pytest.warns(ModelFailureWarning, match="broken.*no luck today"):
        results = trainer.train_parallel(**data)
    assert "no luck today" in results["broken"].error
    assert results["broken"].n == 0
    assert np.isnan([results["broken"].loss, results["broken"].score]).all()
    result = trainer.predict_ensemble(X_new[:1])
    assert result.model_contributions["broken"] == 0
    assert sum(result.model_contributions.values()) == pytest.approx(result.prediction)


def test_a_model_without_an_answer_on_the_validation_set_says_so():
    data, _, _ = market()
    trainer = MultiModelTrainer([*MODELS[False], ("silent", Silent())], random_state=0, n_jobs=1)
    results = trainer.train_parallel(**data)
    assert "no finite prediction" in results["silent"].error
    assert results["silent"].n == 0


def short(name, stop):
    data, _, _ = market()
    return {name: data[name][:stop]}


@pytest.mark.parametrize(
    ("parameters", "changes", "sentence"),
    [
        (
            {"ensemble_method": "voting"},
            {},
            "ensemble_method of MultiModelTrainer must be one of 'dynamic_weighting', 'stacking', "
            "'weighted_voting'; got 'voting'",
        ),
        ({"ensemble_method": None}, {}, "ensemble_method of MultiModelTrainer must be one of .*; got None"),
        ({"is_classification": "no"}, {}, "is_classification of MultiModelTrainer must be True or False; got 'no'"),
        ({"techniques": ["xgbost"]}, {}, "Did you mean 'xgboost'"),
        ({"techniques": "xgboost"}, {}, "must be a list of names"),
        ({}, short("y_train", 399), "y_train of train_parallel has 399 entries and X_train has 400 rows"),
        ({}, short("y_val", 100), "y_val of train_parallel has 100 entries and X_val has 200 rows"),
        ({}, {**short("X_val", 0), **short("y_val", 0)}, "at least one row"),
        ({}, {"regimes": ["R0"] * 500}, "each of the 400 training rows, or for these and the 200 .*; got 500"),
        ({}, {"regimes": ["pooled"] * 400}, "names the answer for all regimes"),
    ],
)
def test_bad_input_gets_a_sentence(parameters, changes, sentence):
    data, _, _ = market()
    trainer = MultiModelTrainer(**{"techniques": MODELS[False], "n_jobs": 1, **parameters})
    with pytest.raises(ValueError, match=sentence):
        trainer.train_parallel(**{**data, **changes})
    assert not hasattr(trainer, "ensemble_")


def test_columns_must_be_the_same_in_both_sets():
    data, _, _ = market()
    trainer = MultiModelTrainer(MODELS[False], n_jobs=1)
    swapped = data["X_val"][["x1", "x0", "x2", "x3", "x4"]]
    for X_val in (swapped, data["X_val"].to_numpy(), data["X_val"][["x0"]]):
        with pytest.raises(ValueError, match=r"X_val of train_parallel must have the columns of X_train .*; got"):
            trainer.train_parallel(**{**data, "X_val": X_val})


def test_a_validation_set_before_the_training_set_is_an_error():
    data, _, _ = market()
    turned = {
        name: data[name.replace(*swap)]
        for name, swap in ((name, ("train", "val") if "train" in name else ("val", "train")) for name in data)
    }
    with pytest.raises(ValueError, match="order"):
        MultiModelTrainer(MODELS[False], n_jobs=1).train_parallel(**turned)


def test_regimes_of_other_times_are_an_error():
    data, regimes, _ = market()
    with pytest.raises(ValueError, match="not of the same times"):
        MultiModelTrainer(MODELS[False], n_jobs=1).train_parallel(**data, regimes=regimes[1 : N_TRAIN + 1])


def test_nothing_is_predicted_before_training():
    trainer = MultiModelTrainer()
    with pytest.raises(NotFittedError, match="call train_parallel first"):
        trainer.predict_ensemble([[0.0]])
    with pytest.raises(NotFittedError, match="call train_parallel first"):
        trainer.update_performance("linear", won=True, profit_bps=1.0)
    with pytest.raises(NotFittedError, match="call train_parallel first"):
        predict_with_ensemble(trainer, [[0.0]])


def test_a_failed_training_leaves_the_one_before():
    data, _, X_new = market()
    trainer = trained()
    before = trainer.predict_ensemble(X_new).prediction
    with pytest.raises(ValueError, match="entries"):
        trainer.train_parallel(**{**data, **short("y_val", 3)})
    trainer.techniques = [("broken", Failing())]
    with pytest.raises(ValueError, match="No model is left"):
        trainer.train_parallel(**data)
    assert np.array_equal(trainer.predict_ensemble(X_new).prediction, before)


# A trainer as an object.


@pytest.mark.parametrize("method", METHODS)
def test_a_trainer_pickles(method):
    _, regimes, X_new = market()
    trainer = trained(method, regimes=regimes[:600])
    again = pickle.loads(pickle.dumps(trainer))
    for regime in ("R0", None):
        first, second = trainer.predict_ensemble(X_new, regime), again.predict_ensemble(X_new, regime)
        assert np.array_equal(first.prediction, second.prediction)
    assert again.results_ == trainer.results_


def test_a_trainer_is_cloned_and_shown():
    fresh = clone(TRAINED)
    assert not hasattr(fresh, "ensemble_")
    assert fresh.get_params(deep=False).keys() == TRAINED.get_params(deep=False).keys()
    assert "dynamic_weighting" in repr(TRAINED)
    for thing in (TRAINED, DynamicEnsembleCombiner()):
        assert type(thing).__name__ in thing._repr_html_()


def test_the_functions_do_the_same():
    data, regimes, X_new = market()
    trainer = train_multi_model_ensemble(
        **data,
        regimes=regimes[:600],
        techniques=MODELS[False],
        ensemble_method="dynamic_weighting",
        random_state=0,
    )
    result = predict_with_ensemble(trainer, X_new, regime="R1")
    assert np.array_equal(result.prediction, TRAINED.predict_ensemble(X_new, regime="R1").prediction)


def test_trades_reach_the_ensemble():
    _, regimes, _ = market()
    trainer = trained("dynamic_weighting", regimes=regimes[:600])
    before = trainer.ensemble_.weights_.loc["tree", "R0"]
    for _ in range(30):
        trainer.update_performance(model_name="tree", won=True, profit_bps=20.0, regime="R0")
        trainer.update_performance(model_name="linear", won=False, profit_bps=-20.0, regime="R0")
    trainer.update_performance(model_name=None, won=True, profit_bps=7.0, regime="R0")
    assert trainer.ensemble_.weights_.loc["tree", "R0"] > before
    frame = trainer.ensemble_.ledger_.frame().query("window == 'lifetime' and regime == 'R0'").set_index("performer")
    assert frame.loc["tree", "profit_bps"] == 20
    assert frame.loc["ensemble", "profit_bps"] == 7
    with pytest.raises(ValueError, match="contradicts"):
        trainer.update_performance(model_name="tree", won=True, profit_bps=-1.0)


def test_stacking_says_that_trades_move_no_weights():
    trainer = trained("stacking")
    with pytest.warns(UserWarning, match="only the ledger moves"):
        trainer.update_performance("tree", won=True, profit_bps=5.0)


# Weights from trades.


def told(*stretches, **parameters):
    """A combiner after stretches of trades: (model, profit, regime, how many)."""
    combiner = DynamicEnsembleCombiner(**parameters)
    for model, profit, regime, count in stretches:
        for _ in range(count):
            combiner.update_performance(model_name=model, won=profit > 0, profit_bps=profit, regime=regime)
    return combiner


def test_weights_are_equal_before_any_trade():
    combiner = DynamicEnsembleCombiner()
    assert combiner.get_weights(model_names=["a", "b"]) == {"a": 0.5, "b": 0.5}
    assert combiner.get_weights("TREND", predictions={"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0})["d"] == 0.25
    assert combiner.ledger_ is None


@pytest.mark.parametrize("least", [1, 2, 10])
def test_weights_are_equal_until_each_has_enough_trades(least):
    combiner = told(("a", 20, "T", least), ("b", -20, "T", least - 1), min_trades_for_weighting=least)
    assert combiner.get_weights("T", ["a", "b"]) == {"a": 0.5, "b": 0.5}
    combiner.update_performance(model_name="b", won=False, profit_bps=-20, regime="T")
    assert combiner.get_weights("T", ["a", "b"])["a"] > 0.5
    assert combiner.n_trades_ == {"a": least, "b": least}


def test_a_newcomer_has_an_equal_share_and_the_others_keep_their_order():
    combiner = told(("a", 20, "T", 15), ("b", -20, "T", 15), ("c", -50, "T", 9))
    weights = combiner.get_weights("T", ["a", "b", "c", "d"])
    assert weights["c"] == weights["d"] == 0.25
    two = combiner.get_weights("T", ["a", "b"])
    assert weights["a"] == pytest.approx(two["a"] / 2)
    assert weights["b"] == pytest.approx(two["b"] / 2)
    assert sum(weights.values()) == pytest.approx(1)


def test_weights_are_those_of_the_evidence():
    rng = np.random.default_rng(0)
    combiner = DynamicEnsembleCombiner(lookback_trades=30)
    evidence = TradeEvidence(2, 2, half_life=600)
    for _ in range(60):
        k, r, profit = rng.integers(2), rng.integers(2), float(rng.normal(5, 20))
        combiner.update_performance(model_name="ab"[k], won=profit > 0, profit_bps=profit, regime="xy"[r])
        profits = np.full((1, 2), np.nan)
        profits[0, k] = profit
        evidence = evidence.updated(profits, np.eye(2)[[r]])
    for r, regime in enumerate("xy"):
        weights = combiner.get_weights(regime, ["a", "b"])
        assert list(weights.values()) == pytest.approx(evidence.weights(np.eye(2)[[r]])[0], rel=1e-9)
    assert list(combiner.get_weights(None, ["b", "a"]).values()) == pytest.approx(
        evidence.weights([[0, 0]])[0, ::-1], rel=1e-9
    )


def test_every_regime_has_its_weights_and_an_unseen_one_the_pooled():
    combiner = told(("a", 20, "T", 40), ("b", -20, "T", 40), ("a", -20, "R", 20), ("b", 20, "R", 20))
    assert combiner.get_weights("T", ["a", "b"])["a"] > 0.9
    assert combiner.get_weights("R", ["a", "b"])["b"] > 0.5
    pooled = combiner.get_weights(None, ["a", "b"])
    assert pooled["a"] > 0.5
    for unseen in ("CRASH", float("nan"), 3, ("a", "b")):
        assert combiner.get_weights(unseen, ["a", "b"]) == pooled


def test_the_ledger_keeps_the_record():
    combiner = told(("a", 10, "T", 30), ("a", -10, "R", 5), ("b", 4, None, 3), lookback_trades=20)
    frame = combiner.ledger_.frame().set_index(["performer", "regime", "window"])
    assert frame.loc[("a", "T", "lifetime"), "n_trades"] == 30
    assert frame.loc[("a", "T", "recent"), "n_trades"] == 20
    assert frame.loc[("a", "pooled", "recent"), "win_rate"] == 0.75
    assert frame.loc[("a", "R", "lifetime"), "profit_bps"] == -10
    assert frame.loc[("b", "pooled", "lifetime"), "n_trades"] == 3
    assert frame.loc[("b", "T", "lifetime"), "n_trades"] == 0


def test_a_longer_lookback_is_slower_to_change_its_mind():
    def after_a_change(lookback):
        stretches = [("a", 10, "T", 100), ("b", -10, "T", 100), ("a", -10, "T", 60), ("b", 10, "T", 60)]
        return told(*stretches, lookback_trades=lookback).get_weights("T", ["a", "b"])["a"]

    assert after_a_change(2) < after_a_change(5) < after_a_change(50)


def test_the_same_trades_give_the_same_weights():
    stretches = [("a", 20, "T", 12), ("b", -3, "R", 12), ("c", 5, None, 12)]
    first, second = told(*stretches), told(*stretches)
    assert first.get_weights("T") == second.get_weights("T")
    again = pickle.loads(pickle.dumps(first))
    assert again.get_weights("T") == first.get_weights("T")
    assert clone(first).ledger_ is None


def test_models_without_a_prediction_have_no_weight():
    combiner = told(("a", 20, "T", 15), ("b", -20, "T", 15), ("c", -20, "T", 15))
    predictions = {"a": None, "b": 1.0, "c": np.nan, "d": 2.0}
    weights = combiner.get_weights("T", predictions=predictions)
    assert weights == {"a": 0.0, "b": 0.5, "c": 0.0, "d": 0.5}
    assert combiner.get_weights("T", ["a", "e"], predictions) == {"a": 0.0, "e": 0.0}
    arrays = {"a": np.array([np.nan, 1.0]), "b": np.array([np.nan, np.nan])}
    assert combiner.get_weights("T", predictions=arrays) == {"a": 1.0, "b": 0.0}


def test_all_models_that_have_traded_by_default():
    assert list(told(("b", 1, None, 1), ("a", 1, None, 1)).get_weights()) == ["b", "a"]


trades = st.lists(
    st.tuples(
        st.sampled_from("abc"),
        st.floats(-1e3, 1e3).filter(lambda profit: abs(profit) >= 1),
        st.sampled_from(["T", "R", None]),
    ),
    max_size=40,
)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(trades, st.sampled_from(["T", "R", None, "unseen"]))
def test_weights_are_shares_and_the_order_of_names_is_irrelevant(history, regime):
    combiner = told(*((*trade, 1) for trade in history), min_trades_for_weighting=3)
    weights = combiner.get_weights(regime, ["a", "b", "c"])
    assert sum(weights.values()) == pytest.approx(1)
    assert min(weights.values()) >= 0
    turned = combiner.get_weights(regime, ["c", "a", "b"])
    assert all(turned[name] == pytest.approx(weights[name]) for name in weights)


def test_small_profits_are_believed_once_the_unit_is_known():
    combiner = DynamicEnsembleCombiner()
    with pytest.raises(ValueError, match="looks like fractions"):
        combiner.update_performance(model_name="a", won=True, profit_bps=0.0012)
    assert combiner.ledger_ is None
    combiner.update_performance(model_name="a", won=True, profit_bps=12)
    combiner.update_performance(model_name="a", won=True, profit_bps=0.0012)
    assert combiner.n_trades_ == {"a": 2}
    assert len(check_trades({"model": "a", "profit_bps": 0.0012}, ["a"], [], in_bps=True)) == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model_name": None}, "model_name of update_performance must be the name of a model; got None"),
        ({"model_name": "ensemble"}, "may not be called 'ensemble'"),
        ({"won": False}, "contradicts its profit_bps"),
        ({"won": "yes"}, "must be True or False; got 'yes'"),
        ({"profit_bps": np.nan}, "must be a finite number; got nan"),
        ({"regime": ["T"]}, r"regime of update_performance must be one label.*got \['T'\]"),
        ({"regime": "pooled"}, "names the answer for all regimes"),
    ],
)
def test_bad_trades_get_a_sentence_and_move_nothing(changes, sentence):
    combiner = told(("a", 20, "T", 15), ("b", -20, "T", 15))
    before = pickle.dumps(combiner)
    trade = {"model_name": "c", "won": True, "profit_bps": 5.0, "regime": "R"}
    with pytest.raises(ValueError, match=sentence):
        combiner.update_performance(**{**trade, **changes})
    assert pickle.dumps(combiner) == before


@pytest.mark.parametrize("parameters", [{"lookback_trades": 0}, {"min_trades_for_weighting": -1}])
def test_bad_parameters_get_a_sentence(parameters):
    combiner = DynamicEnsembleCombiner(**parameters)
    sentence = f"{next(iter(parameters))} of DynamicEnsembleCombiner must be an integer"
    with pytest.raises(ValueError, match=sentence):
        combiner.update_performance(model_name="a", won=True, profit_bps=5.0)
    with pytest.raises(ValueError, match=sentence):
        combiner.get_weights(model_names=["a"])


@pytest.mark.parametrize("names", ["xgboost", [], ["a", "a"]])
def test_names_to_weigh_must_be_a_list_of_different_names(names):
    with pytest.raises(ValueError, match="model_names of get_weights must be a list of at least one name"):
        DynamicEnsembleCombiner().get_weights(model_names=names)


def test_a_regime_to_weigh_for_is_one_label():
    with pytest.raises(ValueError, match="current_regime of get_weights must be one label"):
        DynamicEnsembleCombiner().get_weights(current_regime=["T"], model_names=["a"])


# Arithmetic by hand.


def test_numbers_are_combined_by_weight():
    combiner = DynamicEnsembleCombiner()
    assert combiner.combine({"a": 4.0, "b": 8}, {"a": 0.75, "b": 0.25}) == 5.0
    assert isinstance(combiner.combine({"a": 4.0}, {"a": 1}), float)
    # Three quarters and a half of the weight are left: 0.5 / 0.75 · 4 + 0.25 / 0.75 · 10.
    assert combiner.combine({"a": 4.0, "b": None, "c": 10.0}, {"a": 0.5, "b": 0.25, "c": 0.25}) == pytest.approx(6.0)
    assert combiner.combine({"a": 4.0, "b": np.nan}, {"a": 0.1, "b": 0.9, "gone": 0.5}) == 4.0
    assert combiner.combine({"a": 4.0, "b": 8.0, "c": np.inf}, {"a": 0, "b": 0, "c": 1}) == 6.0


def test_rows_are_combined_one_by_one():
    said = {"a": [1.0, np.nan, 3.0], "b": pd.Series([3.0, 5.0, np.nan]), "c": None, "d": np.nan}
    combined = DynamicEnsembleCombiner().combine(said, {"a": 0.25, "b": 0.75})
    assert np.array_equal(combined, [2.5, 5.0, 3.0])


def test_probabilities_are_combined_row_by_row():
    said = {"a": np.array([[0.5, 0.5], [1.0, 0.0]]), "b": np.array([[0.1, 0.9], [0.3, np.nan]])}
    combined = DynamicEnsembleCombiner().combine(said, {"a": 0.5, "b": 0.5})
    assert np.allclose(combined, [[0.3, 0.7], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("predictions", "weights", "sentence"),
    [
        ({"a": 1.0, "b": 2.0}, {"a": 1.0}, "weights of combine has none for 'b'"),
        ({"a": 1.0}, {"a": -1.0}, r"weights\['a'\] of combine must be a number of at least 0; got -1.0"),
        ({"a": 1.0}, {"a": np.nan}, r"weights\['a'\] of combine must be a number"),
        ({"a": None, "b": np.nan}, {"a": 1.0}, "No model in predictions of combine has a finite prediction for row 0"),
        ({"a": [1.0, np.nan]}, {"a": 1.0}, "finite prediction for row 1 of 2"),
        ({}, {}, "No model in predictions of combine"),
        ({"a": [1.0, 2.0], "b": 1.0}, {"a": 1.0, "b": 1.0}, "one shape for all models.*of 'a'.*of 'b'"),
        ({"a": np.zeros((1, 1, 1))}, {"a": 1.0}, "one shape for all models"),
        ({"a": "up"}, {"a": 1.0}, "predictions must be numbers or probabilities; got {'a': 'up'}"),
    ],
)
def test_bad_predictions_get_a_sentence(predictions, weights, sentence):
    with pytest.raises(ValueError, match=sentence):
        DynamicEnsembleCombiner().combine(predictions, weights)


def test_classes_with_names_and_a_model_that_knows_only_one():
    X = np.zeros((60, 1))
    y = np.array(["up", "down"] * 30)
    always = [(name, DummyClassifier(strategy="constant", constant=name)) for name in ("up", "down")]
    trainer = MultiModelTrainer(always, is_classification=True, n_jobs=1)
    results = trainer.train_parallel(X[:40], y[:40], X[40:], y[40:])
    assert results["up"].score == results["down"].score == 0.5
    result = trainer.predict_ensemble(X[:1])
    assert result.prediction in ("up", "down")
    assert result.model_contributions[result.prediction] == pytest.approx(0.5)


def test_one_validation_row_has_no_r2():
    X = np.arange(10.0)[:, None]
    trainer = MultiModelTrainer([("two", DummyRegressor(strategy="constant", constant=2.0))], n_jobs=1)
    result = trainer.train_parallel(X[:9], X[:9, 0], X[9:], X[9:, 0])["two"]
    assert (result.loss, result.n) == (49.0, 1)
    assert np.isnan(result.score)

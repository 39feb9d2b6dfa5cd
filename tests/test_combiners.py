"""Combiners: numbers by hand, limits per regime, models asleep, sums that add up, and what they are worth."""

import warnings
from copy import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import skensemble.combiners
from skensemble._checks import ModelFailureWarning
from skensemble.combiners import (
    Combiner,
    DynamicWeighting,
    LogOddsPool,
    NonNegativeRidge,
    Stacking,
    WeightedCombiners,
    WeightedVoting,
    best_so_far,
)
from skensemble.datasets import make_prediction_stream
from skensemble.weightings import ConvexWeights, InverseLoss, UniformWeights

NOBODY = np.zeros((0, 0))
few = settings(deadline=None, max_examples=25, derandomize=True)


def concrete():
    """Every combiner of the package, with its defaults."""
    members = [getattr(skensemble.combiners, name) for name in skensemble.combiners.__all__]
    return [
        member()
        for member in members
        if isinstance(member, type) and issubclass(member, Combiner) and not member.__abstractmethods__
    ]


every_combiner = pytest.mark.parametrize("combiner", concrete(), ids=repr)
at_once = [WeightedVoting(), WeightedVoting(InverseLoss()), Stacking(), Stacking(LinearRegression())]


def draw(seed=0, n=80, n_models=3, n_outputs=1, n_regimes=2, asleep=0.0, soft=False):
    """Predictions, targets and memberships without any pattern but that the first model is the best."""
    rng = np.random.RandomState(seed)
    memberships = rng.dirichlet(np.ones(n_regimes), n) if soft else np.eye(n_regimes)[rng.randint(n_regimes, size=n)]
    if n_outputs == 1:
        targets = rng.standard_normal((n, 1))
        noise = rng.standard_normal((n, n_models, 1)) * np.linspace(0.5, 1.5, n_models)[:, None]
        predictions = targets[:, None] + noise
    else:
        targets = np.eye(n_outputs)[np.r_[np.arange(n_outputs), rng.randint(n_outputs, size=n - n_outputs)]]
        logits = 1.5 * targets[:, None] + rng.standard_normal((n, n_models, n_outputs))
        predictions = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    sleeping = rng.random_sample((n, n_models)) < asleep
    sleeping[:, 0] = False
    predictions[sleeping] = np.nan
    return predictions, targets, memberships


def loss_of(combined, targets):
    return float(((combined - targets) ** 2).mean())


# By hand.


def test_inverse_loss_by_hand():
    targets = np.zeros((2, 1))
    predictions = np.array([[[1.0], [2.0]], [[1.0], [-2.0]]])
    voting = WeightedVoting(InverseLoss()).fit(predictions, targets, np.zeros((2, 0)))
    np.testing.assert_allclose(voting.regime_weights_, [[0.8, 0.2]])  # losses 1 and 4
    said = np.array([[[10.0], [20.0]]])
    np.testing.assert_allclose(voting.combine(said, np.zeros((1, 0))), [[12.0]])
    np.testing.assert_allclose(voting.contributions(said, np.zeros((1, 0))), [[[8.0], [4.0]]])


def test_the_pooled_record_stands_in_for_shrinkage_rows():
    """Losses: model 0 costs 1 in regime 0 and 3 in regime 1; model 1 the other way round. Two rows each."""
    targets = np.zeros((4, 1))
    predictions = np.sqrt(np.array([[1.0, 3.0], [1.0, 3.0], [3.0, 1.0], [3.0, 1.0]]))[:, :, None]
    memberships = np.repeat(np.eye(2), 2, axis=0)
    voting = WeightedVoting(InverseLoss(), shrinkage=4.0).fit(predictions, targets, memberships)
    own = np.array([2 * 1 + 4 * 2, 2 * 3 + 4 * 2]) / 6  # two rows of its own and four pooled ones of mean loss 2
    expected = (1 / own) / (1 / own).sum()
    np.testing.assert_allclose(voting.regime_weights_, [[0.5, 0.5], expected, expected[::-1]])


def test_stacking_by_hand():
    targets = np.array([[1.0], [2.0], [3.0], [5.0]])
    predictions = np.stack([2 * targets, 10 - targets**2], axis=1)
    stacking = Stacking(LinearRegression()).fit(predictions, targets, np.zeros((4, 0)))
    said = np.array([[[8.0], [3.0]]])
    np.testing.assert_allclose(stacking.combine(said, np.zeros((1, 0))), [[4.0]])
    # The first model's mean out of fold is 5.5, its coefficient one half: it moved the answer by half of 2.5.
    np.testing.assert_allclose(stacking.contributions(said, np.zeros((1, 0))), [[[1.25], [0.0]]], atol=1e-12)
    np.testing.assert_allclose(stacking.regime_weights_, [[1.0, 0.0]], atol=1e-9)


# Regimes.


def in_regime(combiner, predictions, regime, n_regimes):
    inside = np.zeros((len(predictions), n_regimes))
    if regime is not None:
        inside[:, regime] = 1.0
    return combiner.combine(predictions, inside)


@pytest.mark.parametrize("combiner", at_once, ids=repr)
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_without_shrinkage_each_regime_stands_alone(combiner, n_outputs):
    if isinstance(combiner, Stacking) and n_outputs > 1 and combiner.final_estimator is not None:
        combiner = Stacking(LogisticRegression(tol=1e-10, max_iter=1000))
    predictions, targets, memberships = draw(n_outputs=n_outputs)
    together = clone(combiner).set_params(shrinkage=0.0).fit(predictions, targets, memberships)
    for regime in range(2):
        rows = memberships[:, regime] == 1
        alone = clone(combiner).fit(predictions[rows], targets[rows], np.zeros((rows.sum(), 0)))
        np.testing.assert_allclose(
            in_regime(together, predictions, regime, 2),
            alone.combine(predictions, np.zeros((len(predictions), 0))),
            rtol=1e-4,
            atol=1e-5,
        )


@pytest.mark.parametrize("combiner", at_once[:3], ids=repr)
@pytest.mark.parametrize("n_outputs", [1, 2, 3])
def test_with_infinite_shrinkage_regimes_do_not_exist(combiner, n_outputs):
    predictions, targets, memberships = draw(n_outputs=n_outputs, soft=True)
    shrunk = clone(combiner).set_params(shrinkage=np.inf).fit(predictions, targets, memberships)
    blind = clone(combiner).fit(predictions, targets, np.zeros((len(targets), 0)))
    expected = blind.combine(predictions, np.zeros((len(targets), 0)))
    np.testing.assert_allclose(shrunk.combine(predictions, memberships), expected, rtol=1e-9)
    large = clone(combiner).set_params(shrinkage=1e9).fit(predictions, targets, memberships)
    # Stacking's prior rows count for its own ridge too, so that only voting tends to the same limit.
    if isinstance(combiner, WeightedVoting) and combiner.weighting is not None:
        np.testing.assert_allclose(large.combine(predictions, memberships), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "combiner", [WeightedVoting(InverseLoss(), shrinkage=100.0), Stacking(Ridge(1e-6), shrinkage=100.0)], ids=repr
)
def test_a_rare_regime_leans_on_the_pool_and_a_frequent_one_on_itself(combiner):
    rng = np.random.RandomState(0)
    targets = rng.standard_normal((1000, 1))
    good, poor = (targets + scale * rng.standard_normal((1000, 1)) for scale in (0.3, 1.5))
    predictions = np.stack([good, poor], axis=1)
    distance = []
    for n_own in (3, 400):
        swapped = predictions.copy()
        swapped[:n_own] = swapped[:n_own, ::-1]
        memberships = np.repeat(np.eye(2), [n_own, 1000 - n_own], axis=0)
        weights = clone(combiner).fit(swapped, targets, memberships).regime_weights_
        distance.append(np.abs(weights[1] - weights[0]).sum())
    assert distance[0] < 0.2
    assert distance[1] > 0.5


@every_combiner
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_an_unknown_regime_is_served_by_the_pooled_answer(combiner, n_outputs):
    predictions, targets, memberships = draw(n_outputs=n_outputs)
    fitted = clone(combiner).fit(predictions, targets, memberships)
    said = predictions[:1]
    weights = fitted.weights(said, np.zeros((1, 2)))
    if isinstance(combiner, Stacking):
        np.testing.assert_allclose(weights[0], fitted.regime_weights_[0])
        blind = clone(combiner).fit(predictions, targets, np.zeros((len(targets), 0)))
        np.testing.assert_allclose(
            fitted.combine(predictions, 0 * memberships), blind.combine(predictions, memberships[:, :0]), rtol=1e-9
        )
    else:
        np.testing.assert_allclose(weights[0], fitted.regime_weights_[0], rtol=1e-9)


@pytest.mark.parametrize("combiner", at_once, ids=repr)
def test_soft_memberships_blend_the_answers(combiner):
    predictions, targets, memberships = draw()
    fitted = clone(combiner).fit(predictions, targets, memberships)
    pooled, first, second = (in_regime(fitted, predictions, regime, 2) for regime in (None, 0, 1))
    half = fitted.combine(predictions, np.full((len(targets), 2), 0.5))
    np.testing.assert_allclose(half, (first + second) / 2, rtol=1e-9)
    part = fitted.combine(predictions, np.tile([0.2, 0.3], (len(targets), 1)))
    np.testing.assert_allclose(part, 0.5 * pooled + 0.2 * first + 0.3 * second, rtol=1e-9)


@every_combiner
def test_a_regime_without_rows_gets_the_pooled_answer(combiner):
    predictions, targets, memberships = draw()
    wide = np.column_stack([memberships, np.zeros(len(targets))])
    fitted = clone(combiner).fit(predictions, targets, wide)
    if not isinstance(combiner, tuple(type(each) for each in at_once)):
        assert np.isfinite(fitted.regime_weights_[3]).all()
        return
    np.testing.assert_allclose(fitted.regime_weights_[3], fitted.regime_weights_[0], rtol=1e-9)


# Models asleep.


@every_combiner
@pytest.mark.parametrize("n_outputs", [1, 2, 3])
def test_models_asleep_have_no_weight_and_the_others_share(combiner, n_outputs):
    predictions, targets, memberships = draw(asleep=0.4, n_outputs=n_outputs)
    predictions[0, 1] = np.inf
    fitted = clone(combiner).fit(predictions, targets, memberships)
    weights = fitted.weights(predictions, memberships)
    awake = np.isfinite(predictions).all(axis=2)
    assert (weights[~awake] == 0).all()
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    assert (fitted.contributions(predictions, memberships)[~awake] == 0).all()
    assert np.isfinite(fitted.combine(predictions, memberships)).all()


def test_the_weights_of_those_awake_keep_their_proportions():
    predictions, targets, memberships = draw()
    fitted = WeightedVoting(InverseLoss()).fit(predictions, targets, memberships)
    full = fitted.weights(predictions, memberships)
    predictions[:, 0] = np.nan
    np.testing.assert_allclose(
        fitted.weights(predictions, memberships)[:, 1:], full[:, 1:] / full[:, 1:].sum(axis=1, keepdims=True)
    )


def test_where_only_weightless_models_are_awake_they_share_equally():
    targets = np.array([[1.0], [2.0]])
    predictions = np.stack([targets, targets + 1, targets - 3], axis=1)
    fitted = WeightedVoting(InverseLoss()).fit(predictions, targets, np.zeros((2, 0)))
    np.testing.assert_array_equal(fitted.regime_weights_, [[1.0, 0.0, 0.0]])
    predictions[:, 0] = np.nan
    np.testing.assert_array_equal(fitted.weights(predictions, np.zeros((2, 0))), [[0.0, 0.5, 0.5]] * 2)


@every_combiner
def test_no_evidence_gives_equal_weights(combiner):
    for predictions in (np.empty((0, 3, 1)), np.full((4, 3, 1), np.nan)):
        n = len(predictions)
        fitted = clone(combiner).fit(predictions, np.zeros((n, 1)), np.zeros((n, 2)))
        said = np.array([[[1.0], [2.0], [6.0]]])
        np.testing.assert_allclose(fitted.combine(said, np.zeros((1, 2))), [[3.0]])
        np.testing.assert_allclose(fitted.weights(said, np.zeros((1, 2))), [[1 / 3] * 3])
        np.testing.assert_allclose(fitted.contributions(said, np.zeros((1, 2))).sum(), 3.0)


# What adds up, and what does not matter.

FINALS = {
    1: [None, LinearRegression(), Ridge(3.0), DecisionTreeRegressor(max_depth=4), RandomForestRegressor(3)],
    3: [None, LogisticRegression(max_iter=500), DecisionTreeClassifier(max_depth=4), RandomForestClassifier(3)],
}


@few
@given(
    st.sampled_from(concrete()),
    st.sampled_from([1, 2, 3]),
    st.integers(0, 4),
    st.integers(0, 1000),
    st.sampled_from([0.0, 0.3]),
    st.booleans(),
)
def test_baseline_and_contributions_add_up(combiner, n_outputs, which, seed, asleep, soft):
    predictions, targets, memberships = draw(seed, 30, 4, n_outputs, 2, asleep, soft)
    if isinstance(combiner, Stacking):
        finals = FINALS[min(n_outputs, 3) if n_outputs != 2 else 3]
        combiner = Stacking(finals[which % len(finals)])
    fitted = clone(combiner).fit(predictions, targets, memberships)
    combined = fitted.combine(predictions, memberships)
    contributions = fitted.contributions(predictions, memberships)
    baseline = combined - contributions.sum(axis=1)
    if isinstance(combiner, WeightedCombiners):
        # What no model answers for is what stacking's models do not answer for, as far as it has a say.
        shares = fitted._shares(np.zeros((30, 3, 1)))[:, 1:2]
        stacking = fitted.combiners_[1]
        own = stacking.combine(predictions, memberships) - stacking.contributions(predictions, memberships).sum(axis=1)
        np.testing.assert_allclose(baseline, shares * own, rtol=1e-9, atol=1e-12)
        return
    if not isinstance(combiner, Stacking):
        np.testing.assert_array_equal(baseline, 0.0)
        return
    # What is left when every model awake says its mean: it must not depend on what they said.
    standing = np.where(np.isfinite(predictions).all(axis=2)[:, :, None], fitted.baseline_, np.nan)
    if not asleep:
        np.testing.assert_allclose(baseline, fitted.combine(standing, memberships), rtol=1e-9, atol=1e-12)
    assert np.isfinite(contributions).all()


@every_combiner
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_the_order_of_the_models_does_not_matter(combiner, n_outputs):
    predictions, targets, memberships = draw(n_outputs=n_outputs, asleep=0.2, n_models=4)
    order = np.array([2, 0, 3, 1])
    straight = clone(combiner).fit(predictions, targets, memberships)
    turned = clone(combiner).fit(predictions[:, order], targets, memberships)
    np.testing.assert_allclose(
        turned.combine(predictions[:, order], memberships), straight.combine(predictions, memberships), rtol=1e-7
    )
    for name in ("weights", "contributions"):
        expected = getattr(straight, name)(predictions, memberships)[:, order]
        got = getattr(turned, name)(predictions[:, order], memberships)
        if isinstance(combiner, (Stacking, WeightedCombiners)) and n_outputs > 1:
            # Two orders stand for all orders where the model of models is not linear.
            assert np.corrcoef(got.ravel(), expected.ravel())[0, 1] > 0.95
        else:
            np.testing.assert_allclose(got, expected, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("combiner", at_once, ids=repr)
@pytest.mark.parametrize("times", ["mixed", "twice"])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_weighted_rows_are_repeated_rows(combiner, times, n_outputs):
    if n_outputs > 1 and isinstance(combiner, Stacking) and combiner.final_estimator is not None:
        combiner = Stacking(LogisticRegression(tol=1e-12, max_iter=5000))
    predictions, targets, memberships = draw(n_outputs=n_outputs)
    counts = np.full(len(targets), 2) if times == "twice" else np.random.RandomState(0).randint(0, 4, len(targets))
    weighted = clone(combiner).fit(predictions, targets, memberships, counts.astype(float))
    rows = np.repeat(np.arange(len(targets)), counts)
    repeated = clone(combiner).fit(predictions[rows], targets[rows], memberships[rows])
    tolerance = {"rtol": 1e-4} if isinstance(getattr(combiner, "final_estimator", None), LogisticRegression) else {}
    np.testing.assert_allclose(
        weighted.combine(predictions, memberships), repeated.combine(predictions, memberships), **tolerance
    )
    np.testing.assert_allclose(weighted.regime_weights_, repeated.regime_weights_, **tolerance)


@every_combiner
def test_combining_changes_nothing(combiner):
    predictions, targets, memberships = draw(asleep=0.2)
    given = [part.copy() for part in (predictions, targets, memberships)]
    fitted = clone(combiner).fit(predictions, targets, memberships)
    first = fitted.combine(predictions, memberships)
    fitted.contributions(predictions, memberships)
    np.testing.assert_array_equal(fitted.combine(predictions, memberships), first)
    for before, after in zip(given, (predictions, targets, memberships), strict=True):
        np.testing.assert_array_equal(before, after)


@every_combiner
def test_forward_says_only_what_the_past_could_know(combiner):
    predictions, targets, memberships = draw(n=60)
    folds, counted = np.repeat([0, 1, 2], 20), np.ones(60)
    said, weights = clone(combiner).fit_forward(predictions, targets, memberships, counted, folds)
    np.testing.assert_allclose(weights[0], 1 / 3)
    changed = targets.copy()
    changed[40:] += 100.0
    again, weights_again = clone(combiner).fit_forward(predictions, changed, memberships, counted, folds)
    np.testing.assert_array_equal(said[:40], again[:40])
    np.testing.assert_array_equal(weights[:41], weights_again[:41])


def test_the_best_so_far_knows_the_folds_before():
    losses = np.array([[9.0, 1.0], [1.0, 2.0], [5.0, 1.0], [5.0, np.nan]])
    np.testing.assert_array_equal(best_so_far(losses, np.ones(4), np.array([0, 1, 2, 2])), [0, 1, 1, 0])


# Final estimators.


def test_a_final_estimator_that_takes_no_weights_says_so():
    predictions, targets, memberships = draw()
    with pytest.warns(UserWarning, match="KNeighborsRegressor of Stacking takes no sample_weight"):
        fitted = Stacking(KNeighborsRegressor()).fit(predictions, targets, memberships)
    assert len({id(final) for final in fitted.final_estimators_}) == 1


def test_a_final_estimator_that_fails_leaves_equal_weights():
    class Failing(Ridge):
        def fit(self, X, y, sample_weight=None):
            raise RuntimeError("no memory")

    predictions, targets, memberships = draw()
    with pytest.warns(ModelFailureWarning, match=r"Failing of Stacking failed \(RuntimeError: no memory\)"):
        fitted = Stacking(Failing()).fit(predictions, targets, memberships)
    np.testing.assert_allclose(fitted.combine(predictions, memberships), predictions.mean(axis=1))


def test_passthrough_lets_the_final_estimator_see_the_features():
    predictions, targets, memberships = draw()
    features = targets @ np.array([[1.0, -2.0]])
    fitted = Stacking(LinearRegression(), passthrough=True).fit(predictions, targets, memberships, features=features)
    np.testing.assert_allclose(fitted.combine(predictions, memberships, features=features), targets, atol=1e-9)


@pytest.mark.parametrize("n_outputs", [2, 3])
def test_a_class_that_was_never_learned_is_served(n_outputs):
    predictions, targets, memberships = draw(n=120, n_outputs=n_outputs)
    late = targets[:, -1] == 1
    fitted = Stacking().fit(predictions[~late], targets[~late], memberships[~late])
    assert (fitted.combine(predictions, memberships)[late].argmax(axis=1) == n_outputs - 1).mean() > 0.5


def random_pool(seed, n_classes, n_models=3, n=60):
    predictions, targets, _ = draw(seed, n, n_models, n_classes, 1)
    columns = predictions[:, :, 1] if n_classes == 2 else predictions.reshape(n, -1)
    weight = np.random.RandomState(seed).uniform(0, 2, n)
    return predictions, columns, targets.argmax(axis=1), weight


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_classes", [2, 3])
def test_the_pool_of_log_odds_is_the_optimum_that_scipy_finds(seed, n_classes):
    predictions, columns, labels, s = random_pool(seed, n_classes)
    alpha, n_models = 7.0, predictions.shape[1]
    logs = np.log(np.clip(predictions, 1e-6, 1.0))  # (n, models, classes)
    logs -= logs.mean(axis=2, keepdims=True)

    def probabilities(v):
        z = np.einsum("nmc,m->nc", logs, v)
        return np.exp(z - z.max(axis=1, keepdims=True)) / np.exp(z - z.max(axis=1, keepdims=True)).sum(1, keepdims=True)

    equal = np.full(n_models, 1 / n_models)
    p = probabilities(equal)
    centred = logs - np.einsum("nmc,nc->nm", logs, p)[:, :, None]
    curvature = np.einsum("n,nc,nmc->", s, p, centred**2) / n_models

    def cost(v):
        own = -(s * np.log(probabilities(v)[np.arange(len(labels)), labels])).sum()
        return own + 0.5 * alpha / s.sum() * curvature * ((v - equal) ** 2).sum()

    reference = minimize(cost, equal, bounds=[(0, None)] * n_models, method="L-BFGS-B", options={"ftol": 1e-15})
    pool = LogOddsPool(n_classes, alpha=alpha).fit(columns, labels, sample_weight=s)
    assert cost(pool.coef_) <= reference.fun + 1e-9
    np.testing.assert_allclose(pool.coef_, reference.x, atol=2e-5)
    np.testing.assert_allclose(pool.predict_proba(columns), probabilities(pool.coef_), rtol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_the_ridge_is_the_optimum_that_scipy_finds(seed):
    rng = np.random.RandomState(seed)
    x = rng.standard_normal((50, 4)) @ rng.standard_normal((4, 4)) * [1.0, 10.0, 0.1, 1.0] + 5.0
    y = x @ [0.3, 0.02, -1.0, 0.4] + rng.standard_normal(50)
    s, alpha = rng.uniform(0, 2, 50), 11.0
    variance = s @ (y - s @ y / s.sum()) ** 2 / s.sum()

    def cost(v):
        left = y - x @ v
        left = left - s @ left / s.sum()  # the best level
        return s @ left**2 + alpha * variance * ((v - 0.25) ** 2).sum()

    reference = minimize(
        cost, np.full(4, 0.25), bounds=[(0, None)] * 4, method="L-BFGS-B", options={"ftol": 1e-16, "gtol": 1e-10}
    )
    ridge = NonNegativeRidge(alpha).fit(x, y, sample_weight=s)
    assert cost(ridge.coef_) <= reference.fun * (1 + 1e-9)
    np.testing.assert_allclose(ridge.coef_, reference.x, atol=1e-5)
    level = s @ (y - x @ ridge.coef_) / s.sum()
    np.testing.assert_allclose(ridge.intercept_, level * s.sum() / (s.sum() + alpha))


@pytest.mark.parametrize("unit", [1e-6, 1.0, 1e6])
def test_the_unit_of_the_target_does_not_matter(unit):
    predictions, targets, memberships = draw()
    expected = Stacking().fit(predictions, targets, memberships).combine(predictions, memberships)
    got = Stacking().fit(unit * predictions, unit * targets, memberships).combine(unit * predictions, memberships)
    np.testing.assert_allclose(got, unit * expected, rtol=1e-8)


@pytest.mark.parametrize("size", [1e2, 1e6, 1e200])
@pytest.mark.parametrize("combiner", [WeightedVoting(), Stacking()], ids=repr)
@pytest.mark.parametrize("n_models", [2, 4])
def test_a_model_of_enormous_errors_cannot_blur_the_others(combiner, size, n_models):
    predictions, targets, memberships = draw(n=300, n_models=n_models)
    predictions[:, -1] *= size
    sound = clone(combiner).fit(predictions[:, :-1], targets, memberships)
    both = clone(combiner).fit(predictions, targets, memberships)
    alone = loss_of(sound.combine(predictions[:, :-1], memberships), targets)
    assert loss_of(both.combine(predictions, memberships), targets) < 1.1 * alone


@pytest.mark.parametrize("model", ["constant", "copy"])
def test_constant_and_copied_models_do_no_harm(model):
    predictions, targets, memberships = draw(n=200)
    predictions[:, 1] = 3.0 if model == "constant" else predictions[:, 0]
    fitted = Stacking().fit(predictions, targets, memberships)
    assert loss_of(fitted.combine(predictions, memberships), targets) < 1.05 * loss_of(predictions[:, 0], targets)


# What they are worth: means over streams whose truth is known.


def relative_loss(combiner, kind, n, n_streams, *, blind=False, rival=None):
    """Mean squared error on fresh rows over that of a rival (default: equal weights), over streams."""
    own, other = [], []
    for seed in range(n_streams):
        stream = make_prediction_stream(kind, n_samples=n + 1000, random_state=seed)
        mixed = np.random.RandomState(seed).permutation(n + 1000)  # so that few rows know all regimes
        targets, said, memberships = (part[mixed] for part in stream[:3])
        shown = memberships[:, :0] if blind else memberships
        fitted = clone(combiner).fit(said[:n], targets[:n], shown[:n])
        own.append(loss_of(fitted.combine(said[n:], shown[n:]), targets[n:]))
        if rival is None:
            other.append(loss_of(said[n:].mean(axis=1), targets[n:]))
        else:
            blind_rival = clone(rival).fit(said[:n], targets[:n], memberships[:n, :0])
            other.append(loss_of(blind_rival.combine(said[n:], memberships[n:, :0]), targets[n:]))
    return float(np.mean(own) / np.mean(other))


def small_datasets(n_sets, n, signal):
    """Models of about the same skill, where equal weights are hard to beat, and little can be predicted."""
    for seed in range(n_sets):
        rng = np.random.RandomState(seed)
        common, own = rng.standard_normal((n + 2000, 1)), rng.standard_normal((n + 2000, 4))
        s = rng.standard_normal(n + 2000)
        said = signal * (s[:, None] + 0.5 * common + (0.4 + 0.1 * np.arange(4)) * own)
        yield said[:, :, None], (signal * s + rng.standard_normal(n + 2000))[:, None]


@pytest.mark.parametrize("signal", [0.2, 1.0])
@pytest.mark.parametrize("n", [20, 60])
def test_stacking_does_not_lose_to_equal_weights_on_small_data(n, signal):
    own, equal = [], []
    for said, targets in small_datasets(200, n, signal):
        fitted = Stacking().fit(said[:n], targets[:n], np.zeros((n, 0)))
        own.append(loss_of(fitted.combine(said[n:], np.zeros((2000, 0))), targets[n:]))
        equal.append(loss_of(said[n:].mean(axis=1), targets[n:]))
    assert np.mean(own) < 1.01 * np.mean(equal)


def test_pooled_log_odds_do_not_lose_to_equal_weights_on_small_data():
    own, equal = [], []
    for seed in range(100):
        predictions, targets, _ = draw(seed, 1020, 4, 3)
        fitted = Stacking().fit(predictions[:20], targets[:20], np.zeros((20, 0)))
        for losses, combined in (
            (own, fitted.combine(predictions[20:], np.zeros((1000, 0)))),
            (equal, predictions[20:].mean(axis=1)),
        ):
            losses.append(-np.log(combined[targets[20:] == 1]).mean())
    assert np.mean(own) < np.mean(equal)


@pytest.mark.parametrize("combiner", [WeightedVoting(), Stacking()], ids=repr)
def test_noise_labels_cost_next_to_nothing(combiner):
    assert relative_loss(combiner, "noise", 1000, 20, rival=combiner) < 1.01


@pytest.mark.parametrize("combiner", [WeightedVoting(), Stacking()], ids=repr)
def test_labels_that_inform_pay(combiner):
    assert relative_loss(combiner, "informative", 1000, 20, rival=combiner) < 0.85


@pytest.mark.parametrize("combiner", [WeightedVoting(), Stacking()], ids=repr)
@pytest.mark.parametrize("kind", ["rare", "missing", "many"])
def test_rare_missing_and_scattered_labels_pay_too(combiner, kind):
    assert relative_loss(combiner, kind, 1000, 5, rival=combiner) < 0.97


def test_the_default_weighting_is_no_worse_than_equal_weights_anywhere():
    for kind in ("informative", "noise", "heavy_tails"):
        assert relative_loss(WeightedVoting(), kind, 50, 20) < 1.0
    assert isinstance(ConvexWeights(), type(WeightedVoting(ConvexWeights()).weighting))
    uniform = WeightedVoting(UniformWeights())
    assert relative_loss(uniform, "noise", 50, 3) == pytest.approx(1.0)


def test_streams_have_warnings_as_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Stacking().fit(*draw(n=3, n_models=5))


def test_following_does_not_make_the_pooled_record_of_a_regime_grow():
    # One regime is always 1 x the first model, the other always the second: with more and more outcomes of the other
    # regime, the first must not be drawn to it.
    rng = np.random.default_rng(0)
    said = rng.normal(size=(2000, 2, 1))
    regime = np.repeat([0, 1], [100, 1900])
    targets = said[np.arange(2000), regime]
    memberships = np.eye(2)[regime]
    early, late = slice(50, 150), slice(150, 2000)
    stacking = Stacking().fit(said[early], targets[early], memberships[early])
    before = stacking.final_estimators_[1].coef_.copy()
    stacking.follow(said[late], targets[late], memberships[late])
    np.testing.assert_array_equal(stacking.final_estimators_[1].coef_, before)


# Combiners weighed.


def test_the_answer_is_the_mean_of_the_combiners_by_their_shares():
    predictions, targets, memberships = draw(n=60, asleep=0.1)
    given = [WeightedVoting(UniformWeights()), DynamicWeighting()]
    fitted = WeightedCombiners(given).fit(predictions, targets, memberships)
    share = fitted.judge_.regime_weights_[0]
    assert share.sum() == pytest.approx(1.0)
    assert given[0] is not fitted.combiners_[0]
    for name in ("combine", "contributions", "weights"):
        first, second = (getattr(each, name)(predictions, memberships) for each in fitted.combiners_)
        got = getattr(fitted, name)(predictions, memberships)
        np.testing.assert_allclose(got, share[0] * first + share[1] * second, rtol=1e-12, atol=1e-12)


def test_a_combiner_is_judged_by_what_it_said_before_the_outcome():
    """Stacking that fits its rows perfectly and knows nothing gets no share."""
    rng = np.random.RandomState(0)
    predictions, targets = rng.standard_normal((200, 3, 1)), rng.standard_normal((200, 1))
    parrot = Stacking(DecisionTreeRegressor(random_state=0))
    fitted = WeightedCombiners([parrot, Stacking()]).fit(predictions, targets, np.zeros((200, 0)))
    inside = fitted.combiners_[0].combine(predictions, np.zeros((200, 0)))
    assert np.abs(inside - targets).max() < 1e-12
    assert fitted.judge_.regime_weights_[0, 0] < 0.1


@pytest.mark.parametrize("n_outputs", [1, 3])
def test_weighed_combiners_follow_row_by_row_and_leave_copies_alone(n_outputs):
    predictions, targets, memberships = draw(n=60, n_outputs=n_outputs)
    at_once = WeightedCombiners().fit(predictions[:40], targets[:40], memberships[:40])
    one_by_one = clone(at_once).fit(predictions[:40], targets[:40], memberships[:40])
    answer = at_once.combine(predictions, memberships)
    kept = copy(at_once)
    combined, weights = at_once.follow(predictions[40:], targets[40:], memberships[40:])
    np.testing.assert_array_equal(kept.combine(predictions, memberships), answer)
    for i in range(40, 60):
        row = slice(i, i + 1)
        before = one_by_one.combine(predictions[row], memberships[row])
        now, trust = one_by_one.follow(predictions[row], targets[row], memberships[row])
        np.testing.assert_allclose(now, before, rtol=1e-12)
        np.testing.assert_array_equal(now[0], combined[i - 40])
        np.testing.assert_array_equal(trust[0], weights[i - 40])
    np.testing.assert_array_equal(
        at_once.combine(predictions, memberships), one_by_one.combine(predictions, memberships)
    )


def test_weighed_combiners_go_on_where_all_of_them_can():
    predictions, targets, memberships = draw(n=60)
    past = WeightedCombiners().fit(predictions, targets, memberships)
    same, everybody = np.arange(3), np.ones(3)
    went_on = WeightedCombiners()
    assert went_on.resume(past, same, np.arange(2), everybody, 1)
    np.testing.assert_array_equal(went_on.combine(predictions, memberships), past.combine(predictions, memberships))
    # Stacking cannot with a new model, so nobody does.
    assert not WeightedCombiners().resume(past, np.array([0, 1, 2, -1]), np.arange(2), np.ones(4), 1)
    assert not WeightedCombiners([WeightedVoting()]).resume(past, same, np.arange(2), everybody, 1)
    grown = WeightedCombiners([WeightedVoting(), DynamicWeighting()]).fit(predictions, targets, memberships)
    larger = WeightedCombiners([WeightedVoting(), DynamicWeighting()])
    assert larger.resume(grown, np.array([0, 1, 2, -1]), np.arange(2), np.ones(4), 1)
    larger.welcome(np.array([False, False, False, True]), clone(larger).fit(*draw(n=60, n_models=4)))
    assert larger.regime_weights_.shape == (3, 4)


def test_trades_move_those_that_they_can_move():
    predictions, targets, memberships = draw(n=60)
    fitted = WeightedCombiners().fit(predictions, targets, memberships)
    before = fitted.weights(predictions, memberships)
    profits = np.tile([[90.0, -80.0, np.nan]], (200, 1))
    assert fitted.follow_trades(profits, np.zeros((200, 2)), np.ones(200))
    assert (fitted.weights(predictions, memberships)[:, 0] > before[:, 0]).all()
    assert (
        not WeightedCombiners([Stacking()])
        .fit(predictions, targets, memberships)
        .follow_trades(profits, np.zeros((200, 2)), np.ones(200))
    )


@pytest.mark.parametrize("wrong", [[], "dynamic", [Stacking], {"a": Stacking()}], ids=repr)
def test_weighed_combiners_want_combiners(wrong):
    with pytest.raises(ValueError, match="combiners of WeightedCombiners must be a list of combiners"):
        WeightedCombiners(wrong).fit(*draw())
    with pytest.raises(ValueError, match="judge of WeightedCombiners must be a DynamicWeighting"):
        WeightedCombiners(judge=Stacking()).fit(*draw())


def test_stacking_that_looks_at_the_rows_is_shown_them():
    predictions, targets, memberships = draw(n=60)
    features = np.random.RandomState(1).standard_normal((60, 2))
    given = WeightedCombiners([WeightedVoting(), Stacking(passthrough=True)])
    assert given.looks_at_features
    fitted = given.fit(predictions, targets, memberships, features=features)
    assert np.isfinite(fitted.combine(predictions, memberships, features=features)).all()

"""Dynamic weighting against its formulas on plain floats, and the promises that make it worth having."""

import math
import pickle
from copy import copy

import _reference_rules
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression

from skensemble import RegimeAwareEnsembleRegressor, losses, rules
from skensemble.combiners import DynamicWeighting, WeightedCombiners, WeightedVoting
from skensemble.datasets import make_prediction_stream
from skensemble.losses import AbsoluteLoss, BrierLoss, HuberLoss, LogLoss, Loss, PinballLoss, SquaredLoss

KINDS = ["informative", "noise", "rare", "new", "many", "drift", "missing", "switch", "heavy_tails"]
RULES = [name for name in rules.__all__ if name != "Rule"]
LOSSES = [name for name in losses.__all__ if name != "Loss"]
few = settings(deadline=None, max_examples=30, derandomize=True)


# The reference: one row after the other, one specialist after the other, by the formulas, no logarithms.

LOSS_OF_ONE_OUTPUT = {
    SquaredLoss: lambda y, p: (p - y) ** 2,
    BrierLoss: lambda y, p: (p - y) ** 2,
    AbsoluteLoss: lambda y, p: abs(p - y),
    PinballLoss: lambda y, p: 0.5 * abs(p - y),
    HuberLoss: lambda y, p: (p - y) ** 2 / 2 if abs(p - y) <= 1 else abs(p - y) - 0.5,
    LogLoss: lambda y, p: -y * (math.log(min(max(p, 1e-6), 1.0)) - max(1e-6 - p, 0.0) / 1e-6) if y else 0.0,
}
SLOPE_OF_ONE_OUTPUT = {
    SquaredLoss: lambda y, p: 2 * (p - y),
    BrierLoss: lambda y, p: 2 * (p - y),
    AbsoluteLoss: lambda y, p: (p > y) - (p < y),
    PinballLoss: lambda y, p: 0.5 * ((p > y) - (p < y)),
    HuberLoss: lambda y, p: min(max(p - y, -1.0), 1.0),
    LogLoss: lambda y, p: -y / max(p, 1e-6) if p < 1 else 0.0,
}


class SlowBernstein:
    """Bernstein online aggregation over specialists as the design states it, on plain floats."""

    def __init__(self, prior, memory, models):
        self.prior, self.memory, self.models = prior, memory, models
        self.v, self.q = [0.0] * len(prior), [0.0] * len(prior)

    def weights(self, awake):
        speaking = [j for j, a in enumerate(awake) if a > 0]
        share = sum(awake[j] * self.prior[j] for j in speaking)
        known = {self.models[j] for j in speaking if self.v[j] > 0}
        weights = [0.0] * len(awake)
        for j in speaking:
            if self.models[j] not in known:
                weights[j] = awake[j] * self.prior[j] / share
        rest = 1.0 - sum(weights)
        loud = {}
        for j in speaking:
            if self.v[j] > 0:
                rate = 1.0 / math.sqrt(self.v[j])
                loud[j] = awake[j] * self.prior[j] * rate * math.exp(rate * self.q[j])
        for j, part in loud.items():
            weights[j] = rest * part / sum(loud.values())
        return weights

    def update(self, specialist_losses, awake, weights, scale):
        for j, a in enumerate(awake):
            if a > 0:
                # Differences first: a model that is alone has a regret of exactly 0 and stays never updated.
                leads = [each - specialist_losses[j] for each in specialist_losses]
                lead = sum(w * one for w, one in zip(weights, leads, strict=True))
                regret = scale * a * lead
                fade = self.memory[j] ** a
                self.v[j] = fade * self.v[j] + 2.2 * regret**2
                self.q[j] = fade * self.q[j] + regret - (regret**2 / math.sqrt(self.v[j]) if self.v[j] > 0 else 0.0)


def slowly(stream, *, rule=SlowBernstein, loss=SquaredLoss, slopes=True, weight=None, given=None):
    """Weights and combined predictions before each row; ``given`` are the weights of the moment, None where they are
    those in force.
    """
    targets, predictions, memberships = (part.tolist() for part in stream)
    n_models, n_regimes = len(predictions[0]), len(memberships[0])
    # Full and short memory share one half, 0.8 to 0.2; every regime has as much as both together.
    shares = [0.8, 0.2] + [1.0] * n_regimes
    prior = [share / sum(shares) / n_models for share in shares for _ in range(n_models)]
    memory = [g for g in [1.0, 0.98] + [1.0] * n_regimes for _ in range(n_models)]
    engine = rule(prior, memory, [k for _ in shares for k in range(n_models)])
    all_weights, combined = [], []
    for i, (y, said, inside) in enumerate(zip(targets, predictions, memberships, strict=True)):
        up = [all(math.isfinite(value) for value in outputs) for outputs in said]
        awake = [float(confidence * here) for confidence in [1.0, 1.0, *inside] for here in up]
        trust = engine.weights(awake)
        of_models = [sum(trust[k::n_models]) for k in range(n_models)]
        all_weights.append(of_models)
        combined.append([sum(of_models[k] * said[k][c] for k in range(n_models) if up[k]) for c in range(len(y))])
        scale = 1.0 if weight is None else float(weight[i])
        if scale == 0:
            continue
        at = combined[-1]
        if given is not None and given[i] is not None:
            of_models = given[i]
            trust = [*of_models, *[0.0] * (len(trust) - n_models)]
            at = [sum(of_models[k] * said[k][c] for k in range(n_models) if up[k]) for c in range(len(y))]
        if slopes:
            slope = [SLOPE_OF_ONE_OUTPUT[loss](*pair) for pair in zip(y, at, strict=True)]
            each = [sum(map(math.prod, zip(slope, said[k], strict=True))) if up[k] else 0.0 for k in range(n_models)]
        else:
            one = LOSS_OF_ONE_OUTPUT[loss]
            each = [sum(one(*pair) for pair in zip(y, said[k], strict=True)) if up[k] else 0.0 for k in range(n_models)]
        engine.update(each * len(shares), awake, trust, scale)
    return np.array(all_weights), np.array(combined)


def replayed(stream, weight=None, **params):
    targets, predictions, memberships = stream
    weight = np.ones(len(targets)) if weight is None else weight
    folds = np.zeros(len(targets), dtype=int)
    dynamic = DynamicWeighting(**params)
    combined, weights = dynamic.fit_forward(predictions, targets, memberships, weight, folds)
    return dynamic, combined, weights


def stream_of(kind, n=300, seed=0, **sizes):
    return tuple(make_prediction_stream(kind, n, random_state=seed, **sizes)[:3])


def classes_of(seed=0, n=200, n_models=3, n_classes=3, n_regimes=2):
    rng = np.random.RandomState(seed)
    targets = np.eye(n_classes)[rng.randint(n_classes, size=n)]
    logits = targets[:, None] * np.linspace(2, 0.5, n_models)[:, None] + rng.standard_normal((n, n_models, n_classes))
    said = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    return targets, said, np.eye(n_regimes)[rng.randint(n_regimes, size=n)]


def roughened(stream, seed=0):
    """Soft regimes, some of them unknown or only partly known, and models that sleep; the first row stays whole."""
    targets, predictions, memberships = stream
    rng = np.random.RandomState(seed)
    memberships = rng.dirichlet(np.full(memberships.shape[1], 0.5), len(targets))
    memberships[rng.random_sample(len(targets)) < 0.2] = 0
    memberships[rng.random_sample(len(targets)) < 0.2] *= 0.3
    predictions = predictions.copy()
    asleep = rng.random_sample(predictions.shape[:2]) < 0.3
    asleep[:, 0] &= ~asleep.all(axis=1)
    predictions[asleep] = np.nan
    return targets, predictions, memberships


def same_state(one, other):
    pairs = zip(leaves((one.state_, one.regime_weights_)), leaves((other.state_, other.regime_weights_)), strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def leaves(state):
    if isinstance(state, tuple):
        for part in state:
            yield from leaves(part)
    else:
        yield np.nan if state is None else state


# By the formulas.


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_slow_formula_on_every_kind_of_stream(kind):
    stream = stream_of(kind, 500)
    weights, combined = slowly(stream)
    _, fast_combined, fast_weights = replayed(stream)
    np.testing.assert_allclose(fast_weights, weights, rtol=0, atol=1e-10)
    np.testing.assert_allclose(fast_combined, combined, rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("slopes", [True, False])
def test_it_is_the_slow_formula_with_soft_and_unknown_regimes_sleep_and_sample_weights(kind, slopes):
    stream = roughened(stream_of(kind, 300), seed=KINDS.index(kind))
    weight = np.random.RandomState(1).exponential(size=300) * (np.arange(300) % 7 > 0)
    weights, combined = slowly(stream, slopes=slopes, weight=weight)
    _, fast_combined, fast_weights = replayed(stream, weight, gradient_trick=slopes)
    np.testing.assert_allclose(fast_weights, weights, rtol=0, atol=1e-10)
    np.testing.assert_allclose(fast_combined, combined, rtol=0, atol=1e-10)


@pytest.mark.parametrize("slopes", [True, False])
def test_it_is_the_slow_formula_for_classes(slopes):
    stream = roughened(classes_of())
    weights, combined = slowly(stream, loss=LogLoss, slopes=slopes)
    _, fast_combined, fast_weights = replayed(stream, gradient_trick=slopes)
    np.testing.assert_allclose(fast_weights, weights, rtol=0, atol=1e-10)
    np.testing.assert_allclose(fast_combined, combined, rtol=0, atol=1e-10)


@pytest.mark.parametrize("slopes", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("rule", RULES)
def test_every_rule_with_every_loss_is_the_slow_formula(rule, loss, slopes):
    classes = loss in ("LogLoss", "BrierLoss")
    stream = roughened(classes_of(n=120) if classes else stream_of("informative", 120))
    slow = SlowBernstein if rule == "BernsteinAggregation" else getattr(_reference_rules, rule)
    weights, _ = slowly(stream, rule=slow, loss=getattr(losses, loss), slopes=slopes)
    params = {"rule": getattr(rules, rule)(), "loss": getattr(losses, loss)(), "gradient_trick": slopes}
    _, combined, fast_weights = replayed(stream, **params)
    np.testing.assert_allclose(fast_weights, weights, rtol=0, atol=1e-10)
    np.testing.assert_allclose(fast_weights.sum(axis=1), 1, rtol=1e-12)
    assert np.isfinite(combined).all()


def test_delayed_outcomes_are_judged_by_the_weights_of_their_moment():
    targets, predictions, memberships = stream = roughened(stream_of("informative", 200))
    dynamic = replayed(stream)[0]
    then = np.random.RandomState(3).dirichlet(np.ones(predictions.shape[1]), 200) * np.isfinite(predictions[:, :, 0])
    then /= then.sum(axis=1, keepdims=True)
    late = copy(dynamic)
    _, before = late.follow(predictions, targets, memberships, weights=then)
    twice = tuple(np.concatenate([part, part]) for part in stream)
    expected, _ = slowly(twice, given=[None] * 200 + then.tolist())
    np.testing.assert_allclose(before, expected[200:], rtol=0, atol=1e-10)
    assert not same_state(late, _followed(dynamic, stream))


def _followed(dynamic, stream, **given):
    targets, predictions, memberships = stream
    later = copy(dynamic)
    later.follow(predictions, targets, memberships, **given)
    return later


def test_a_replay_of_late_outcomes_is_what_a_live_process_would_have_done():
    """Five rows pass until an outcome is known; the regret is that of what was said then."""
    targets, predictions, memberships = roughened(stream_of("drift", 150))
    delay, n = 5, 150
    known = np.maximum(np.arange(n) - delay + 1, 0)
    replay = DynamicWeighting()
    combined, weights = replay.fit_forward(predictions, targets, memberships, np.ones(n), None, known=known)
    live = DynamicWeighting().fit(predictions[:0], targets[:0], memberships[:0])
    said = np.empty((n, 1))
    trusted = np.empty(predictions.shape[:2])
    for row in range(n + delay):
        if row >= delay:
            due = slice(row - delay, row - delay + 1)
            live.follow(predictions[due], targets[due], memberships[due], weights=trusted[due])
        if row < n:
            now = slice(row, row + 1)
            # An outcome is handed in before the row at whose time it is known.
            trusted[now] = live.weights(predictions[now], memberships[now])
            said[now] = live.combine(predictions[now], memberships[now])
    np.testing.assert_allclose(trusted, weights, rtol=0, atol=1e-12)
    np.testing.assert_allclose(said, combined, rtol=0, atol=1e-12)
    np.testing.assert_allclose(live.regime_weights_, replay.regime_weights_, rtol=0, atol=1e-12)


def test_a_loss_that_is_not_convex_is_learned_from_by_its_values():
    class SaturatedLoss(Loss):
        convex = False

        def _losses(self, targets, predictions):
            return np.tanh(np.square(predictions - targets))

        def _slopes(self, targets, combined):
            raise AssertionError("slopes of a loss that is not convex mean nothing")

    stream = stream_of("informative", 60)
    one = replayed(stream, loss=SaturatedLoss())[2]
    np.testing.assert_array_equal(one, replayed(stream, loss=SaturatedLoss(), gradient_trick=False)[2])


# Rows and batches.


@few
@given(data=st.data())
def test_any_split_into_batches_and_any_pickle_in_between_gives_the_same_bits(data):
    rule = data.draw(st.sampled_from(RULES))
    classes = data.draw(st.booleans())
    targets, predictions, memberships = roughened(classes_of(n=60) if classes else stream_of("drift", 60))
    weight = np.where(np.arange(60) % 5, 1.3, 0.0)
    whole = DynamicWeighting(getattr(rules, rule)())
    said = whole.fit_forward(predictions, targets, memberships, weight, None)
    parts = clone(whole)
    cuts = sorted(data.draw(st.sets(st.integers(1, 59), max_size=8)))
    pieces = []
    for number, rows in enumerate(np.split(np.arange(60), cuts)):
        step = (predictions[rows], targets[rows], memberships[rows], weight[rows])
        pieces.append(parts.follow(*step) if number else parts.fit_forward(*step, None))
        if data.draw(st.booleans()):
            parts = pickle.loads(pickle.dumps(parts))
    assert same_state(parts, whole)
    for at_once, piecewise in zip(said, zip(*pieces, strict=True), strict=True):
        np.testing.assert_array_equal(at_once, np.concatenate(piecewise))


def test_learning_leaves_a_copy_taken_before_whole():
    stream = roughened(stream_of("informative", 100))
    dynamic = replayed(stream)[0]
    bits = pickle.dumps(vars(dynamic))
    later = _followed(dynamic, stream)
    assert pickle.dumps(vars(dynamic)) == bits
    assert not same_state(later, dynamic)


@pytest.mark.parametrize("rule", RULES)
def test_a_row_of_weight_zero_is_a_row_removed(rule):
    stream = roughened(stream_of("informative", 200))
    weight = np.where(np.arange(200) % 3, 0.7, 0.0)
    kept = weight > 0
    with_them = replayed(stream, weight, rule=getattr(rules, rule)())[0]
    without = replayed(tuple(part[kept] for part in stream), weight[kept], rule=getattr(rules, rule)())[0]
    assert same_state(with_them, without)


def test_a_row_of_weight_zero_is_a_row_removed_in_the_estimator_too():
    rng = np.random.RandomState(0)
    X = rng.standard_normal((120, 2))
    y = X[:, 0] + 0.3 * rng.standard_normal(120)
    regimes = np.array(["a", "b"])[rng.randint(2, size=120)]
    models = [(f"m{k}", FrozenEstimator(LinearRegression().fit(X[:, :], X[:, 0] * k))) for k in range(3)]
    weight = np.where(np.arange(120) % 4, 1.5, 0.0)
    kept = np.flatnonzero(weight)
    folds = [(np.arange(40), np.arange(40, 80)), (np.arange(80), np.arange(80, 120))]
    position = np.cumsum(weight > 0) - 1
    folds_kept = [tuple(position[rows[weight[rows] > 0]] for rows in fold) for fold in folds]
    with_them = RegimeAwareEnsembleRegressor(models, combiner="dynamic", cv=folds)
    with_them.fit(X, y, regimes=regimes, sample_weight=weight)
    without = RegimeAwareEnsembleRegressor(models, combiner="dynamic", cv=folds_kept)
    without.fit(X[kept], y[kept], regimes=regimes[kept], sample_weight=weight[kept])
    assert same_state(with_them.combiner_, without.combiner_)
    assert with_them.ledger_ == without.ledger_
    np.testing.assert_array_equal(with_them._idle, without._idle)
    with_them.partial_update(X, y, regimes=regimes, sample_weight=weight)
    without.partial_update(X[kept], y[kept], regimes=regimes[kept], sample_weight=weight[kept])
    assert same_state(with_them.combiner_, without.combiner_)
    assert with_them.ledger_ == without.ledger_
    np.testing.assert_array_equal(with_them._idle, without._idle)
    np.testing.assert_array_equal(with_them._moments, without._moments)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("slopes", [True, False])
def test_the_order_of_models_permutes_the_weights(rule, slopes):
    targets, predictions, memberships = stream = roughened(stream_of("drift", 200))
    order = np.array([2, 0, 3, 1])
    params = {"rule": getattr(rules, rule)(), "gradient_trick": slopes}
    one = replayed(stream, **params)[2]
    other = replayed((targets, predictions[:, order], memberships), **params)[2]
    np.testing.assert_allclose(other, one[:, order], rtol=0, atol=1e-9)


# What it is worth.


def total_loss(stream, memberships=None, **params):
    targets, predictions, own = stream
    combined = replayed((targets, predictions, own if memberships is None else memberships), **params)[1]
    return float(np.square(combined - targets).sum())


def best_mix_per_regime(stream):
    """Loss of the best convex combination in each regime, known in hindsight."""
    targets, predictions, memberships = stream
    total = 0.0
    for inside in memberships.T > 0:
        said, came = predictions[inside, :, 0], targets[inside, 0]
        # A heavy extra row makes the coefficients add up to one.
        mix, _ = nnls(np.vstack([said, np.full(said.shape[1], 1e4)]), np.append(came, 1e4))
        total += float(np.square(said @ mix - came).sum())
    return total


def test_where_regimes_tell_something_regret_is_at_most_a_quarter_of_the_regime_blind():
    own, blind = [], []
    for seed in range(20):
        stream = stream_of("informative", 800, seed)
        floor = best_mix_per_regime(stream)
        own.append(total_loss(stream) - floor)
        blind.append(total_loss(stream, stream[2][:, :0]) - floor)
    assert np.mean(own) <= 0.25 * np.mean(blind)
    assert (np.array(own) < np.array(blind)).all()


def test_where_regimes_tell_nothing_the_loss_is_within_two_per_cent_of_the_regime_blind():
    streams = [stream_of("noise", 800, seed) for seed in range(12)]
    own = sum(map(total_loss, streams))
    blind = sum(total_loss(stream, stream[2][:, :0]) for stream in streams)
    assert own <= 1.02 * blind


def test_it_adapts_when_the_best_model_changes_inside_a_regime():
    targets, predictions, memberships = stream_of("informative", 900, n_models=2, n_regimes=1)
    rng = np.random.RandomState(0)
    skill = np.where(np.arange(900)[:, None] < 450, [0.2, 1.5], [1.5, 0.2])
    predictions = (targets + skill * rng.standard_normal((900, 2)))[:, :, None]
    weights = replayed((targets, predictions, memberships))[2]
    assert weights[440:450, 0].mean() > 0.9
    assert weights[600:, 1].mean() > 0.9
    # The short memory is what makes it quick.
    slow = replayed((targets, predictions, memberships), short_memory=1.0)[2]
    assert weights[460:600, 1].mean() > slow[460:600, 1].mean()


def in_engine(engine, n=240):
    """An ensemble whose weights are worked out in an engine, fitted on the first half and told of the second."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    y, regimes = X[:, 0] + rng.normal(size=n), np.where(np.arange(n) % 60 < 30, "calm", "wild")
    combiner = DynamicWeighting(rules.BernsteinAggregation(engine=engine))
    members = [
        ("one", LinearRegression()),
        ("other", LinearRegression(fit_intercept=False)),
        ("none", DummyRegressor()),
    ]
    ensemble = RegimeAwareEnsembleRegressor(members, combiner=combiner)
    ensemble.fit(X[: n // 2], y[: n // 2], regimes=regimes[: n // 2])
    return ensemble.partial_update(X[n // 2 :], y[n // 2 :], regimes=regimes[n // 2 :]), X, regimes


def test_an_ensemble_in_machine_code_is_the_same_ensemble():
    (slow, X, regimes), (fast, _, _) = in_engine("numpy"), in_engine("numba")
    fast = pickle.loads(pickle.dumps(fast))
    np.testing.assert_allclose(fast.weights_, slow.weights_, rtol=0, atol=1e-12)
    np.testing.assert_allclose(fast.predict(X, regimes=regimes), slow.predict(X, regimes=regimes), rtol=1e-12)
    assert not np.allclose(slow.weights_.iloc[0], 1 / 3)


def test_another_engine_goes_on_from_what_was_learned_and_another_rule_does_not():
    past = in_engine("numpy")[0].combiner_
    where = np.arange(3), np.arange(2), np.ones(3), 1
    resumed = DynamicWeighting(rules.BernsteinAggregation(engine="numba"))
    assert resumed.resume(past, *where)
    np.testing.assert_allclose(resumed.regime_weights_, past.regime_weights_, rtol=0, atol=1e-15)
    assert not DynamicWeighting(rules.MLPoly()).resume(past, *where)


class Rooted(Loss):
    """A loss that the library does not know, and that is not convex."""

    convex = False

    def _losses(self, targets, predictions):
        return np.abs(predictions - targets) ** 0.5

    def _slopes(self, targets, combined):
        raise AssertionError("slopes of a loss that is not convex are not asked for")


def test_machine_code_learns_from_own_losses_of_any_kind():
    targets, predictions, memberships = stream_of("informative", 200, n_models=3, n_regimes=2)
    slow, fast = (
        DynamicWeighting(rules.BernsteinAggregation(engine=engine), loss=Rooted()).fit(
            predictions, targets, memberships
        )
        for engine in ("numpy", "numba")
    )
    np.testing.assert_allclose(fast.regime_weights_, slow.regime_weights_, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("combiner", "message"),
    [
        (DynamicWeighting(short_memory=2), "short_memory of DynamicWeighting must be"),
        (DynamicWeighting(rules.FixedShare(share=2)), "share of FixedShare must be"),
        (WeightedCombiners([WeightedVoting(shrinkage=-1)]), "shrinkage of WeightedVoting must be"),
        (WeightedCombiners(judge=DynamicWeighting(short_memory=0)), "short_memory of DynamicWeighting must be"),
    ],
    ids=["number", "rule", "one of several", "judge"],
)
def test_a_combiner_that_makes_no_sense_is_refused_before_anybody_trains(combiner, message):
    class Untrained(LinearRegression):
        def fit(self, X, y, sample_weight=None):
            raise AssertionError("was trained")

    ensemble = RegimeAwareEnsembleRegressor([("model", Untrained())], combiner=combiner)
    with pytest.raises(ValueError, match=message):
        ensemble.fit(np.arange(60.0)[:, None], np.arange(60.0))


def test_one_regime_that_changes_its_best_model_does_not_disturb_the_other():
    rng = np.random.RandomState(1)
    n = 1200
    memberships = np.eye(2)[rng.randint(2, size=n)]
    calm, late = memberships[:, 0] > 0, np.arange(n) >= 600
    skill = np.where((calm | ~late)[:, None], [0.3, 1.5], [1.5, 0.3])
    targets = rng.standard_normal((n, 1))
    predictions = (targets + skill * rng.standard_normal((n, 2)))[:, :, None]
    weights = replayed((targets, predictions, memberships))[2]
    assert weights[calm & (np.arange(n) > 900), 0].mean() > 0.85
    assert weights[~calm & (np.arange(n) > 900), 1].mean() > 0.85


def test_an_unknown_regime_is_served_by_the_pooled_specialists_alone():
    stream = stream_of("informative", 400)
    dynamic = replayed(stream)[0]
    n_models = stream[1].shape[1]
    pooled = dynamic.rule_.weights(dynamic.state_, np.repeat([1.0, 1.0, 0.0, 0.0, 0.0], n_models))
    np.testing.assert_allclose(
        dynamic.weights(np.zeros((1, n_models, 1)), np.zeros((1, 3)))[0],
        pooled.reshape(-1, n_models).sum(axis=0),
        rtol=1e-12,
    )


def test_a_model_that_slept_keeps_its_record_to_the_bit():
    targets, predictions, memberships = stream = stream_of("informative", 100)
    dynamic = replayed(stream)[0]
    quiet = predictions.copy()
    quiet[:, 2] = np.nan
    later = _followed(dynamic, (targets, quiet, memberships))
    mine = np.arange(2, dynamic.state_.root.size, 4)
    np.testing.assert_array_equal(later.state_.root[mine], dynamic.state_.root[mine])
    np.testing.assert_array_equal(later.state_.evidence[mine], dynamic.state_.evidence[mine])
    assert (later.state_.root[mine + 1] != dynamic.state_.root[mine + 1]).any()


@pytest.mark.parametrize("size", [1e-120, 1e120])
def test_extreme_units_change_nothing(size):
    targets, predictions, memberships = stream = stream_of("informative", 150)
    plain = replayed(stream)[2]
    np.testing.assert_allclose(replayed((targets * size, predictions * size, memberships))[2], plain, atol=1e-9)


def test_one_absurd_outcome_leaves_weights_that_are_shares():
    targets, predictions, memberships = stream_of("informative", 100)
    targets = targets.copy()
    targets[50] = 1e250
    weights = replayed((targets, predictions, memberships))[2]
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    assert (weights >= 0).all()

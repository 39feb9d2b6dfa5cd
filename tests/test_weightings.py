"""Weightings: the sums they read, invariants of the whole family, hand-computed numbers, optima against references."""

import itertools
import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.base import clone

from skensemble import weightings as family
from skensemble.weightings import (
    BestModels,
    ConvexWeights,
    Evidence,
    GreedySelection,
    InverseLoss,
    SoftmaxLoss,
    UniformWeights,
    Weighting,
)

MEMBERS = [
    cls for name in family.__all__ if issubclass(cls := getattr(family, name), Weighting) and cls is not Weighting
]
OTHER_PARAMETERS = [InverseLoss(0.0), InverseLoss(3.0), SoftmaxLoss(2.0), BestModels(1), ConvexWeights(0.0)]
WEIGHTINGS = [cls() for cls in MEMBERS] + [*OTHER_PARAMETERS, ConvexWeights(500.0), GreedySelection(7)]
ALWAYS_EQUAL = ["UniformWeights()", "InverseLoss(power=0.0)"]
FIELDS = ["weight", "loss_sum", "pair_weight", "gram_sum"]

every_weighting = pytest.mark.parametrize("weighting", WEIGHTINGS, ids=repr)
quick = settings(deadline=None, max_examples=50, derandomize=True)


def some_rows(rng, n_samples=30, n_models=4, n_outputs=1, asleep=0.2):
    """Rows as a combiner hands them over: models of different quality that err alike in part, and sleep sometimes."""
    targets = rng.normal(size=(n_samples, n_outputs))
    common = rng.normal(size=(n_samples, 1, n_outputs))
    own = rng.normal(size=(n_samples, n_models, n_outputs)) * rng.uniform(0.3, 2.0, size=(1, n_models, 1))
    predictions = targets[:, None, :] + 0.5 * common + own
    predictions[rng.random((n_samples, n_models)) < asleep] = np.nan
    losses = np.square(predictions - targets[:, None, :]).sum(axis=2)
    return predictions, targets, losses, rng.uniform(0.5, 2.0, size=n_samples)


def evidence_of_errors(errors, sample_weight=None):
    """Evidence under squared loss of models whose errors are the columns."""
    errors = np.asarray(errors, dtype=float)
    weight = np.ones(len(errors)) if sample_weight is None else sample_weight
    with np.errstate(over="ignore"):
        return Evidence.of(errors[:, :, None], np.zeros((len(errors), 1)), np.square(errors), weight)


def evidence_of_gram(gram, n_samples=1000.0):
    """Evidence as if that many rows had given exactly these mean products of errors."""
    gram = np.asarray(gram, dtype=float)
    rows = np.full(gram.shape, float(n_samples))
    return Evidence(rows[0], gram.diagonal() * n_samples, rows, gram * n_samples)


def assert_same(left, right, exact=True):
    for field in FIELDS:
        compare = np.testing.assert_array_equal if exact else np.testing.assert_allclose
        compare(getattr(left, field), getattr(right, field))


# Evidence


def test_evidence_hand_numbers():
    targets = np.array([[1.0, 0.0], [0.0, 1.0]])
    predictions = np.array([[[0.5, 0.5], [1.0, 0.0]], [[0.5, 0.5], [np.nan, np.nan]]])
    losses = np.array([[0.7, 0.0], [0.3, np.nan]])
    evidence = Evidence.of(predictions, targets, losses, np.array([2.0, 3.0]))
    np.testing.assert_array_equal(evidence.weight, [5, 2])
    np.testing.assert_allclose(evidence.loss_sum, [2.3, 0])
    np.testing.assert_array_equal(evidence.pair_weight, [[5, 2], [2, 2]])
    np.testing.assert_allclose(evidence.gram_sum, [[2.5, 0], [0, 0]])
    np.testing.assert_allclose(evidence.mean_loss, [0.46, 0])
    np.testing.assert_allclose(evidence.gram, [[0.5, 0], [0, 0]])
    assert evidence.total == 5


def test_evidence_agrees_with_its_definition():
    predictions, targets, losses, weight = some_rows(np.random.default_rng(0), n_outputs=3)
    evidence = Evidence.of(predictions, targets, losses, weight)
    awake = ~np.isnan(losses)
    for k, m in itertools.product(range(4), repeat=2):
        both = awake[:, k] & awake[:, m]
        products = ((predictions[:, k] - targets) * (predictions[:, m] - targets)).sum(axis=1)
        assert evidence.pair_weight[k, m] == pytest.approx(weight[both].sum())
        assert evidence.gram_sum[k, m] == pytest.approx((weight * products)[both].sum())
    np.testing.assert_allclose(evidence.loss_sum, np.nansum(weight[:, None] * losses, axis=0))
    np.testing.assert_allclose(evidence.weight, evidence.pair_weight.diagonal())
    np.testing.assert_array_equal(evidence.gram_sum, evidence.gram_sum.T)


@quick
@given(
    seed=st.integers(0, 1000),
    n_models=st.integers(1, 5),
    n_outputs=st.integers(1, 12),
    cuts=st.lists(st.integers(0, 30), max_size=5),
)
def test_rows_at_once_equal_rows_one_by_one_bitwise(seed, n_models, n_outputs, cuts):
    rows = some_rows(np.random.default_rng(seed), n_models=n_models, n_outputs=n_outputs)
    start = Evidence.of(*some_rows(np.random.default_rng(seed + 1), n_models=n_models, n_outputs=n_outputs))
    together = start.plus(*rows)
    in_batches, one_by_one = start, start
    for low, high in itertools.pairwise([0, *sorted(cuts), 30]):
        in_batches = in_batches.plus(*(part[low:high] for part in rows))
    for i in range(30):
        one_by_one = one_by_one.plus(*(part[i : i + 1] for part in rows))
    assert_same(together, in_batches)
    assert_same(together, one_by_one)


def test_chunks_do_not_show(monkeypatch):
    rows = some_rows(np.random.default_rng(1), n_samples=200)
    expected = Evidence.of(*rows)
    monkeypatch.setattr("skensemble.weightings._evidence._CHUNK_NUMBERS", 100)
    assert_same(Evidence.of(*rows), expected)


def test_evidence_is_additive_and_scales():
    rows = some_rows(np.random.default_rng(2))
    whole = Evidence.of(*rows)
    parts = [Evidence.of(*(part[piece] for part in rows)) for piece in (slice(0, 11), slice(11, 30))]
    assert_same(parts[0] + parts[1], whole, exact=False)
    assert_same(whole + Evidence.empty(4), whole)
    assert_same(whole.scaled(0.25), Evidence.of(*rows[:3], 0.25 * rows[3]), exact=False)
    assert_same(whole.scaled(1.0), whole)
    np.testing.assert_allclose(whole.scaled(0.25).mean_loss, whole.mean_loss)
    np.testing.assert_allclose(whole.scaled(0.25).gram, whole.gram)


def test_evidence_selects_models():
    predictions, targets, losses, weight = some_rows(np.random.default_rng(3))
    whole = Evidence.of(predictions, targets, losses, weight)
    expected = Evidence.of(predictions[:, [3, 1]], targets, losses[:, [3, 1]], weight)
    assert_same(whole.select(np.array([3, 1])), expected)
    assert_same(whole.select(np.array([False, True, False, True])).select(np.array([1, 0])), expected)


def test_rows_that_teach_nothing_leave_the_evidence_as_it_was():
    evidence = Evidence.of(*some_rows(np.random.default_rng(4), n_models=2))
    silence = np.full((1, 2, 1), np.nan), np.zeros((1, 1)), np.full((1, 2), np.nan), np.ones(1)
    no_outcome = np.ones((1, 2, 1)), np.full((1, 1), np.nan), np.full((1, 2), np.nan), np.ones(1)
    no_weight = np.full((1, 2, 1), 1e308), np.array([[-1e308]]), np.full((1, 2), np.inf), np.zeros(1)
    no_rows = np.ones((0, 2, 1)), np.ones((0, 1)), np.ones((0, 2)), np.ones(0)
    for rows in (silence, no_outcome, no_weight, no_rows):
        assert_same(evidence.plus(*rows), evidence)


def test_never_heard_is_nan_and_empty_evidence_is_zero():
    evidence = Evidence.empty(3)
    assert np.isnan(evidence.mean_loss).all()
    assert np.isnan(evidence.gram).all()
    assert evidence.total == 0
    assert_same(Evidence.of(*some_rows(np.random.default_rng(5))).scaled(0.0), Evidence.empty(4))


def test_infinite_losses_do_not_survive_being_forgotten():
    evidence = Evidence.of(np.full((1, 1, 1), 1e200), np.zeros((1, 1)), np.full((1, 1), np.inf), np.ones(1))
    assert evidence.mean_loss == np.inf
    assert_same(evidence.scaled(0), Evidence.empty(1))


def test_evidence_refuses_what_does_not_belong_together():
    rows = some_rows(np.random.default_rng(6))
    with pytest.raises(ValueError, match=re.escape("Evidence about 3 models needs predictions of shape (n_samples")):
        Evidence.empty(3).plus(*rows)
    with pytest.raises(ValueError, match=re.escape("got (30, 4, 1), (30, 4) and (29,)")):
        Evidence.of(*rows[:3], np.ones(29))
    with pytest.raises(ValueError, match="about 4 models cannot be added to evidence about 1 models"):
        Evidence.empty(4) + Evidence.empty(1)
    with pytest.raises(ValueError, match=re.escape("factor of Evidence.scaled must be a number of at least 0; got -1")):
        Evidence.empty(2).scaled(-1)


# The whole family


def test_the_family_is_complete_and_sorted():
    assert family.__all__ == sorted(family.__all__)
    found = {cls.__name__ for cls in vars(family).values() if isinstance(cls, type) and issubclass(cls, Weighting)}
    assert found | {"Evidence"} == set(family.__all__)


@st.composite
def evidences(draw):
    """Evidence of few or many rows, of any scale, with sleepers and twins."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    n_samples, n_models = draw(st.sampled_from([1, 2, 5, 60])), draw(st.integers(1, 6))
    predictions, targets, _, weight = some_rows(rng, n_samples, n_models, asleep=draw(st.sampled_from([0, 0.3, 0.9])))
    if draw(st.booleans()):
        predictions[:, -1] = predictions[:, 0]
    scale = 10.0 ** draw(st.sampled_from([0, 0, 0, -150, -8, 8, 150]))
    losses = np.square(predictions - targets[:, None, :]).sum(axis=2)
    return Evidence.of(scale * predictions, scale * targets, scale * losses, weight)


@every_weighting
@quick
@given(evidence=evidences())
def test_weights_lie_on_the_simplex_of_the_models_that_were_heard(weighting, evidence):
    before = [getattr(evidence, field).copy() for field in FIELDS]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weights = weighting(evidence)
    assert weights.shape == evidence.weight.shape
    assert weights.dtype == np.float64
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1, abs=1e-12)
    heard = evidence.weight > 0
    assert not heard.any() or (weights[~heard] == 0).all()
    np.testing.assert_array_equal(weighting(evidence), weights)
    for field, value in zip(FIELDS, before, strict=True):
        np.testing.assert_array_equal(getattr(evidence, field), value)


@every_weighting
@quick
@given(evidence=evidences(), seed=st.integers(0, 100))
def test_the_order_of_the_models_never_decides(weighting, evidence, seed):
    order = np.random.default_rng(seed).permutation(len(evidence.weight))
    np.testing.assert_allclose(weighting(evidence.select(order)), weighting(evidence)[order], atol=1e-6)


@every_weighting
@quick
@given(evidence=evidences(), unheard=st.integers(1, 3))
def test_models_never_heard_change_nothing_for_the_others(weighting, evidence, unheard):
    n_models = len(evidence.weight)
    larger = Evidence.empty(n_models + unheard)
    for field in FIELDS:
        values = getattr(evidence, field)
        getattr(larger, field)[tuple(slice(0, n) for n in values.shape)] = values
    if evidence.total > 0:
        np.testing.assert_array_equal(weighting(larger), [*weighting(evidence), *[0.0] * unheard])


@every_weighting
@quick
@given(seed=st.integers(0, 1000), power=st.integers(-70, 70))
def test_the_unit_of_the_target_does_not_matter(weighting, seed, power):
    rng = np.random.default_rng(seed)
    errors = rng.normal(size=(20, 4)) * rng.uniform(0.5, 2, size=4)
    expected = weighting(evidence_of_errors(errors))
    np.testing.assert_allclose(weighting(evidence_of_errors(errors * 10.0**power)), expected, atol=1e-8)


@every_weighting
@pytest.mark.parametrize("correlation", [-0.2, 0.0, 0.5, 1.0])
def test_equal_evidence_gives_equal_weights(weighting, correlation):
    gram = np.full((4, 4), correlation)
    np.fill_diagonal(gram, 1.0)
    np.testing.assert_allclose(weighting(evidence_of_gram(gram)), 0.25, atol=1e-6)
    twins = np.array([[1.0, 1.0, 0.3], [1.0, 1.0, 0.3], [0.3, 0.3, 1.2]])
    weights = weighting(evidence_of_gram(twins))
    assert weights[0] == pytest.approx(weights[1], abs=1e-6)


@every_weighting
def test_where_nobody_was_heard_all_share_equally(weighting):
    np.testing.assert_array_equal(weighting(Evidence.empty(5)), np.full(5, 0.2))
    np.testing.assert_array_equal(weighting(Evidence.empty(1)), [1.0])


@every_weighting
def test_a_single_model_carries_all(weighting):
    for error in (0.0, 1e-150, 1.0, 1e150, 1e200):
        np.testing.assert_array_equal(weighting(evidence_of_errors([[error]])), [1.0])


@every_weighting
def test_models_that_were_never_wrong_share_equally(weighting):
    np.testing.assert_allclose(weighting(evidence_of_errors(np.zeros((5, 4)))), 0.25)


@every_weighting
def test_an_infinitely_wrong_model_gets_nothing(weighting):
    errors = np.random.default_rng(7).normal(size=(30, 3))
    with_broken = np.insert(errors, 1, 1e200, axis=1)
    expected = np.insert(weighting(evidence_of_errors(errors)), 1, 0.0)
    np.testing.assert_array_equal(weighting(evidence_of_errors(with_broken)), expected)
    np.testing.assert_array_equal(weighting(evidence_of_errors(np.full((3, 2), 1e200))), [0.5, 0.5])


@every_weighting
@quick
@given(seed=st.integers(0, 1000), backing=st.sampled_from([1e-300, 1.0, 1e12]))
def test_models_of_every_size_at_once(weighting, seed, backing):
    rng = np.random.default_rng(seed)
    sizes = rng.choice([0, 1e-160, 1e-150, 1.0, 1e3, 1e150, 1e153], size=6)
    errors = np.where(rng.random((9, 6)) < 0.4, np.nan, rng.normal(size=(9, 6)) * sizes)
    weights = weighting(evidence_of_errors(errors, np.full(9, backing)))
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("weighting", [w for w in WEIGHTINGS if repr(w) not in ALWAYS_EQUAL], ids=repr)
def test_a_terrible_model_does_not_blur_the_choice_between_the_others(weighting):
    errors = np.random.default_rng(8).normal(size=(300, 3)) * [1.0, 1.5, 2.0]
    with_terrible = np.insert(errors, 0, 1e6 * np.random.default_rng(9).normal(size=300), axis=1)
    weights = weighting(evidence_of_errors(with_terrible))
    assert weights[0] < 1e-5
    if not isinstance(weighting, ConvexWeights):
        np.testing.assert_allclose(weights[1:], weighting(evidence_of_errors(errors)), atol=1e-5)


@every_weighting
def test_weightings_are_plain_scikit_learn_objects(weighting):
    copy = clone(weighting)
    assert copy is not weighting
    assert copy.get_params() == weighting.get_params()
    assert repr(copy) == repr(weighting)


@pytest.mark.parametrize(
    ("weighting", "sentence"),
    [
        (InverseLoss(-1), "power of InverseLoss must be a number of at least 0; got -1."),
        (SoftmaxLoss(0), "temperature of SoftmaxLoss must be a number above 0; got 0."),
        (SoftmaxLoss("hot"), "temperature of SoftmaxLoss must be a number above 0; got 'hot'."),
        (BestModels(0), "n_models of BestModels must be an integer of at least 1; got 0."),
        (BestModels(1.5), "n_models of BestModels must be an integer of at least 1; got 1.5."),
        (ConvexWeights(-3), "shrinkage of ConvexWeights must be a number of at least 0 .* got -3."),
        (ConvexWeights(float("inf")), "shrinkage of ConvexWeights must be a number .* got inf."),
        (GreedySelection(0), "n_rounds of GreedySelection must be an integer of at least 1; got 0."),
    ],
    ids=repr,
)
def test_parameters_are_checked_when_they_are_used(weighting, sentence):
    with pytest.raises(ValueError, match=sentence):
        weighting(Evidence.empty(2))


def test_the_abstract_class_cannot_be_used():
    with pytest.raises(TypeError, match="abstract"):
        Weighting()


# Members


@pytest.mark.parametrize(
    ("weighting", "losses", "expected"),
    [
        (UniformWeights(), [1.0, 5.0], [0.5, 0.5]),
        (InverseLoss(), [1.0, 3.0], [0.75, 0.25]),
        (InverseLoss(2.0), [1.0, 3.0], [0.9, 0.1]),
        (InverseLoss(0.0), [1.0, 3.0], [0.5, 0.5]),
        (InverseLoss(), [0.0, 3.0, 0.0], [0.5, 0, 0.5]),
        (SoftmaxLoss(np.log(3)), [1.0, 1 + np.log(3) ** 2], [0.75, 0.25]),
        (SoftmaxLoss(1e-9), [1.0, 1.1], [1, 0]),
        (SoftmaxLoss(), [1e-300, 1e300], [1, 0]),
        (SoftmaxLoss(), [0.0, 3.0, 0.0], [0.5, 0, 0.5]),
        (BestModels(2), [3.0, 1.0, 2.0], [0, 0.5, 0.5]),
        (BestModels(2), [3.0, 1.0, 3.0], [1 / 3, 1 / 3, 1 / 3]),
        (BestModels(9), [3.0, 1.0], [0.5, 0.5]),
        (BestModels(1), [-3.0, 1.0], [1, 0]),
    ],
)
def test_weights_from_losses(weighting, losses, expected):
    n_models = len(losses)
    pairs = np.ones((n_models, n_models))
    evidence = Evidence(pairs[0], np.array(losses), pairs, pairs)
    np.testing.assert_allclose(weighting(evidence), expected, atol=1e-12)


@pytest.mark.parametrize("weighting", [InverseLoss(), SoftmaxLoss()], ids=repr)
def test_ratios_of_negative_losses_are_refused(weighting):
    evidence = Evidence(np.ones(2), np.array([-1.0, 2.0]), np.ones((2, 2)), np.ones((2, 2)))
    with pytest.raises(ValueError, match=re.escape("needs mean losses of at least 0; got array([-1., 2.])")):
        weighting(evidence)


def test_convex_weights_of_two_models_by_the_formula():
    gram = np.array([[1.0, 0.3], [0.3, 2.0]])
    first = (2.0 - 0.3) / (1.0 + 2.0 - 2 * 0.3)
    weights = ConvexWeights(0.0)(evidence_of_gram(gram))
    np.testing.assert_allclose(weights, [first, 1 - first], atol=1e-9)


def test_convex_weights_shrinkage_by_the_formula():
    # 10 rows and 10 pseudo-rows: usual errors are 1 and 2 averaged with 1, the better of the two in the middle.
    gram = np.array([[1.0, 0.3], [0.3, 2.0]])
    first, second = 1.0 + 1.0, 2.0 + 1.5
    expected = (second - 0.3) / (first + second - 0.6)
    assert ConvexWeights(10.0)(evidence_of_gram(gram, 10))[0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("n_models", [2, 3])
def test_convex_weights_beat_every_point_of_a_grid(n_models):
    rng = np.random.default_rng(10)
    steps = np.linspace(0, 1, 101)
    grid = np.array([v for v in itertools.product(steps, repeat=n_models - 1) if sum(v) <= 1])
    grid = np.column_stack([grid, 1 - grid.sum(axis=1)])
    for _ in range(20):
        evidence = evidence_of_errors(rng.normal(size=(8, n_models)) * rng.uniform(0.5, 2, size=n_models))
        weights = ConvexWeights(0.0)(evidence)
        best = np.einsum("ik,kl,il->i", grid, evidence.gram, grid).min()
        assert weights @ evidence.gram @ weights <= best + 1e-9


def test_convex_weights_agree_with_a_general_solver():
    rng = np.random.default_rng(11)
    for n_models in (2, 5, 8):
        evidence = evidence_of_errors(rng.normal(size=(50, n_models)) + rng.normal(size=(50, 1)))
        gram = evidence.gram
        solved = minimize(
            lambda v, gram=gram: v @ gram @ v,
            np.full(n_models, 1 / n_models),
            jac=lambda v, gram=gram: 2 * gram @ v,
            bounds=[(0, 1)] * n_models,
            constraints={"type": "eq", "fun": lambda v: v.sum() - 1, "jac": np.ones_like},
            options={"ftol": 1e-14},
        )
        np.testing.assert_allclose(ConvexWeights(0.0)(evidence), solved.x, atol=1e-5)


def violation_of_optimality(weights, gram):
    """How far a point of the simplex is from its optimality conditions: all models used have the least slope."""
    slopes = gram @ weights
    level = weights @ slopes
    return max((level - slopes).max(), np.abs(slopes - level)[weights > 0].max()) / gram.diagonal().max()


@quick
@given(seed=st.integers(0, 1000), n_models=st.integers(1, 12), n_samples=st.integers(1, 60))
def test_convex_weights_are_optimal(seed, n_models, n_samples):
    rng = np.random.default_rng(seed)
    errors = rng.normal(size=(n_samples, n_models)) + rng.normal(size=(n_samples, 1))
    errors[:, -1] = errors[:, 0]
    evidence = evidence_of_errors(errors)
    weights = ConvexWeights(0.0)(evidence)
    assert violation_of_optimality(weights, evidence.gram) < 1e-7
    assert np.ptp(weights[[0, -1]]) < 1e-6


def test_convex_weights_are_exact_where_no_two_models_are_twins():
    rng = np.random.default_rng(16)
    for n_models in range(1, 13):
        errors = 10.0 ** rng.uniform(-3, 3, size=n_models) * rng.normal(size=(60, n_models))
        evidence = evidence_of_errors(errors + rng.normal(size=(60, 1)))
        assert violation_of_optimality(ConvexWeights(0.0)(evidence), evidence.gram) < 1e-12


def test_convex_weights_go_from_equal_to_inverse_error_to_the_optimum():
    gram = np.array([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 4.0]])
    few, some, many = (ConvexWeights()(evidence_of_gram(gram, n)) for n in (1e-4, 10, 1e7))
    np.testing.assert_allclose(few, 1 / 3, atol=1e-3)
    np.testing.assert_allclose(many, ConvexWeights(0.0)(evidence_of_gram(gram)), atol=1e-5)
    assert few[2] > some[2] > InverseLoss()(evidence_of_gram(gram))[2]


def test_convex_weights_do_not_fall_for_a_few_lucky_rows():
    errors = np.random.default_rng(12).normal(size=(500, 3))
    errors[:, 2] = np.nan
    errors[:2, 2] = 0.0
    assert ConvexWeights()(evidence_of_errors(errors))[2] < 0.2
    one_row = ConvexWeights()(evidence_of_errors([[0.0, 1.0, 1.2]]))
    np.testing.assert_allclose(one_row, 1 / 3, atol=0.05)


def test_convex_weights_with_a_perfect_model():
    errors = np.random.default_rng(13).normal(size=(400, 4))
    errors[:, 1] = 0.0
    np.testing.assert_allclose(ConvexWeights(0.0)(evidence_of_errors(errors)), [0, 1, 0, 0])
    assert ConvexWeights()(evidence_of_errors(errors))[1] > 0.9


@pytest.mark.parametrize("weighting", [ConvexWeights(), ConvexWeights(0.0), GreedySelection()], ids=repr)
def test_a_pair_never_heard_together_is_taken_to_err_alike(weighting):
    errors = np.full((40, 2), np.nan)
    errors[::2, 0], errors[1::2, 1] = 1.0, 2.0
    separate = evidence_of_errors(errors)
    alike = evidence_of_gram([[1.0, 2.0], [2.0, 4.0]], 20)
    np.testing.assert_allclose(weighting(separate), weighting(alike), atol=1e-12)


def test_convex_weights_with_an_indefinite_gram():
    gram = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    assert np.linalg.eigvalsh(gram)[0] < -0.1
    weights = ConvexWeights(0.0)(evidence_of_gram(gram))
    np.testing.assert_allclose(weights, [0.5, 0, 0.5], atol=1e-8)


def greedy_reference(predictions, targets, n_rounds):
    """Selection with replacement the slow way: average the predictions of every bag and measure its error."""
    bag = []
    for _ in range(n_rounds):
        errors = [
            np.square(predictions[:, [*bag, k]].mean(axis=1) - targets).sum() for k in range(predictions.shape[1])
        ]
        bag.append(int(np.argmin(errors)))
    return np.bincount(bag, minlength=predictions.shape[1]) / n_rounds


@pytest.mark.parametrize("n_outputs", [1, 3])
@pytest.mark.parametrize("n_rounds", [1, 2, 10, 40])
def test_greedy_selection_agrees_with_a_slow_reference(n_outputs, n_rounds):
    for seed in range(5):
        predictions, targets, losses, _ = some_rows(
            np.random.default_rng(seed), n_models=6, n_outputs=n_outputs, asleep=0
        )
        evidence = Evidence.of(predictions, targets, losses, np.ones(30))
        expected = greedy_reference(predictions, targets, n_rounds)
        np.testing.assert_allclose(GreedySelection(n_rounds)(evidence), expected, atol=1e-12)


def test_greedy_selection_approaches_the_convex_optimum():
    evidence = evidence_of_errors(np.random.default_rng(14).normal(size=(60, 5)))
    greedy, optimum = GreedySelection(2000)(evidence), ConvexWeights(0.0)(evidence)
    np.testing.assert_allclose(greedy, optimum, atol=5e-3)


def test_weightings_that_see_errors_hang_together_beat_the_best_model():
    rng = np.random.default_rng(15)
    errors = rng.normal(size=(2000, 3))
    errors[:, 1] = -errors[:, 0] + 0.1 * rng.normal(size=2000)
    past, future = errors[:1000], errors[1000:]
    for weighting in (ConvexWeights(), GreedySelection()):
        combined = future @ weighting(evidence_of_errors(past))
        assert np.square(combined).mean() < 0.1 * np.square(future).mean(axis=0).min()

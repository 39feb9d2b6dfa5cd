"""Losses: hand-computed numbers, slopes against finite differences, convexity, sleeping models, extreme values."""

import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from skensemble import losses as family
from skensemble.losses import AbsoluteLoss, BrierLoss, HuberLoss, LogLoss, Loss, PinballLoss, SquaredLoss

MEMBERS = [cls for name in family.__all__ if (cls := getattr(family, name)) is not Loss]
OTHER_PARAMETERS = [PinballLoss(0.1), PinballLoss(0.9), HuberLoss(0.2), HuberLoss(30.0), LogLoss(0.05)]
LOSSES = [cls() for cls in MEMBERS] + OTHER_PARAMETERS
NEEDS_PROBABILITIES = (LogLoss,)

every_loss = pytest.mark.parametrize("loss", LOSSES, ids=repr)
quick = settings(deadline=None, max_examples=50, derandomize=True)


def rows_for(loss, rng, n_samples=40, n_models=3, n_outputs=3):
    """Targets and predictions that suit the loss: classes and probabilities, or anything."""
    if isinstance(loss, NEEDS_PROBABILITIES):
        targets = np.eye(n_outputs)[rng.integers(n_outputs, size=n_samples)]
        return targets, rng.dirichlet(np.ones(n_outputs), size=(n_samples, n_models))
    return 3 * rng.normal(size=(n_samples, n_outputs)), 3 * rng.normal(size=(n_samples, n_models, n_outputs))


def one(loss, target, prediction):
    """The loss of one prediction of one output."""
    return loss(np.array([[target]]), np.array([[[prediction]]])).item()


def slope_at(loss, target, prediction):
    return loss.slope(np.array([[target]]), np.array([[prediction]])).item()


def test_the_family_is_complete_and_sorted():
    assert family.__all__ == sorted(family.__all__)
    assert all(issubclass(cls, Loss) for cls in MEMBERS)
    subclasses = {cls.__name__ for cls in vars(family).values() if isinstance(cls, type) and issubclass(cls, Loss)}
    assert subclasses == set(family.__all__)


@pytest.mark.parametrize(
    ("loss", "target", "prediction", "expected", "slope"),
    [
        (SquaredLoss(), 1.0, 4.0, 9.0, 6.0),
        (SquaredLoss(), 1.0, 1.0, 0.0, 0.0),
        (BrierLoss(), 1.0, 0.25, 0.5625, -1.5),
        (AbsoluteLoss(), 1.0, -2.0, 3.0, -1.0),
        (AbsoluteLoss(), 1.0, 3.5, 2.5, 1.0),
        (PinballLoss(0.9), 10.0, 8.0, 1.8, -0.9),
        (PinballLoss(0.9), 10.0, 12.0, 0.2, 0.1),
        (HuberLoss(1.0), 0.0, 0.5, 0.125, 0.5),
        (HuberLoss(1.0), 0.0, 1.0, 0.5, 1.0),
        (HuberLoss(1.0), 0.0, -3.0, 2.5, -1.0),
        (LogLoss(), 1.0, 0.5, np.log(2), -2.0),
        (LogLoss(), 0.0, 0.5, 0.0, 0.0),
        (LogLoss(0.01), 1.0, 0.01, np.log(100), -100.0),
        (LogLoss(0.01), 1.0, 0.0, np.log(100) + 1, -100.0),
        (LogLoss(), 1.0, 1.0, 0.0, 0.0),
        (LogLoss(), 1.0, 1.5, 0.0, 0.0),
    ],
)
def test_hand_numbers(loss, target, prediction, expected, slope):
    assert one(loss, target, prediction) == pytest.approx(expected, abs=1e-15)
    assert slope_at(loss, target, prediction) == pytest.approx(slope, abs=1e-15)


@every_loss
def test_outputs_are_added_up(loss):
    targets, predictions = rows_for(loss, np.random.default_rng(0))
    per_output = [loss(targets[:, [k]], predictions[:, :, [k]]) for k in range(3)]
    np.testing.assert_allclose(loss(targets, predictions), sum(per_output), rtol=1e-14)
    assert loss(targets, predictions).shape == (40, 3)
    assert loss.slope(targets, predictions[:, 0]).shape == (40, 3)


def test_brier_is_squared_loss_and_at_most_two():
    targets, predictions = rows_for(LogLoss(), np.random.default_rng(1))
    np.testing.assert_array_equal(BrierLoss()(targets, predictions), SquaredLoss()(targets, predictions))
    assert one(BrierLoss(), 0.0, 1.0) == 1
    assert BrierLoss()(np.array([[1.0, 0.0]]), np.array([[[0.0, 1.0]]])).item() == 2


def test_pinball_at_one_half_is_half_the_absolute_error():
    targets, predictions = rows_for(PinballLoss(), np.random.default_rng(2))
    np.testing.assert_allclose(2 * PinballLoss()(targets, predictions), AbsoluteLoss()(targets, predictions))


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.8])
def test_pinball_is_lowest_at_its_quantile(quantile):
    outcomes = np.random.default_rng(3).normal(size=(1001, 1))
    constants = np.quantile(outcomes, [quantile - 0.05, quantile, quantile + 0.05])
    mean_loss = PinballLoss(quantile)(outcomes, np.tile(constants[None, :, None], (1001, 1, 1))).mean(axis=0)
    assert mean_loss.argmin() == 1


@every_loss
def test_slopes_agree_with_finite_differences(loss):
    rng = np.random.default_rng(4)
    targets, predictions = rows_for(loss, rng, n_samples=200, n_models=1)
    combined, step = predictions[:, 0], 1e-6
    slopes = loss.slope(targets, combined)
    for k in range(targets.shape[1]):
        shift = np.zeros_like(combined)
        shift[:, k] = step
        ends = np.stack([combined - shift, combined + shift], axis=1)
        below, above = loss(targets, ends).T
        # A finite difference across a kink measures neither side of it, and across a bend only nearly so.
        smooth = np.abs(combined[:, k] - targets[:, k]) > 1e-3
        smooth &= np.abs(np.abs(combined[:, k] - targets[:, k]) - getattr(loss, "delta", np.inf)) > 1e-3
        smooth &= combined[:, k] > 1e-2
        assert smooth.sum() > 30
        np.testing.assert_allclose((above - below)[smooth] / (2 * step), slopes[smooth, k], rtol=1e-4, atol=1e-6)


def test_log_loss_slope_below_the_floor_agrees_with_finite_differences():
    loss, step = LogLoss(0.1), 1e-7
    for probability in (0.0, 0.03, 0.0999):
        difference = (one(loss, 1.0, probability + step) - one(loss, 1.0, probability - step)) / (2 * step)
        assert difference == pytest.approx(slope_at(loss, 1.0, probability), rel=1e-6)


@every_loss
def test_the_slope_at_the_minimum_is_zero(loss):
    targets = np.eye(3)
    np.testing.assert_array_equal(loss.slope(targets, targets), np.zeros((3, 3)))
    np.testing.assert_array_equal(loss(targets, targets[:, None, :]), np.zeros((3, 1)))


finite = st.floats(-1e3, 1e3)


@every_loss
@quick
@given(target=finite, a=finite, b=finite, share=st.floats(0, 1))
def test_losses_that_claim_it_are_convex_and_none_is_negative(loss, target, a, b, share):
    assert isinstance(loss.convex, bool)
    if isinstance(loss, NEEDS_PROBABILITIES):
        target = float(target > 0)
        a, b = a / 1e3, b / 1e3
    between = one(loss, target, share * a + (1 - share) * b)
    chord = share * one(loss, target, a) + (1 - share) * one(loss, target, b)
    assert between >= 0
    if loss.convex:
        assert between <= chord + 1e-9 * (1 + abs(chord))
        # The slope supports the loss from below, at kinks too: what makes it safe to learn from.
        tangent = one(loss, target, a) + slope_at(loss, target, a) * (b - a)
        assert one(loss, target, b) >= tangent - 1e-9 * (1 + abs(tangent))


@every_loss
def test_sleeping_models_and_missing_outcomes_have_no_loss(loss):
    targets, predictions = rows_for(loss, np.random.default_rng(5), n_samples=4)
    expected = loss(targets, predictions)
    predictions[0, 1] = np.nan
    predictions[1, 2, 0] = np.nan
    predictions[2, 0, 0] = np.inf
    targets[3, 0] = np.nan
    expected[[0, 1, 2], [1, 2, 0]] = np.nan
    expected[3] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(loss(targets, predictions), expected)
        assert np.isnan(loss.slope(targets, predictions[:, 1])[0]).all()


@every_loss
@pytest.mark.parametrize("size", [1e-300, 1e-150, 1e150, 1e300, 1.7e308])
def test_extreme_values_are_silent_and_never_nan(loss, size):
    targets = np.array([[0.0, 1.0]])
    predictions = size * np.array([[[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        losses = loss(targets, predictions)
        slopes = loss.slope(targets[[0] * 4], predictions[0])
        far = loss(-1e308 * np.ones((1, 1)), 1e308 * np.ones((1, 1, 1)))
    assert not np.isnan(losses).any()
    assert (losses >= 0).all()
    assert not np.isnan(slopes).any()
    assert not np.isnan(far).any()


def test_log_loss_is_bounded_on_probabilities():
    loss = LogLoss()
    probabilities = np.linspace(0, 1, 101)[None, :, None]
    losses = loss(np.ones((1, 1)), probabilities)
    assert losses.max() <= 1 - np.log(1e-6) + 1e-12
    assert np.abs(loss.slope(np.ones((101, 1)), probabilities[0])).max() <= 1e6 * (1 + 1e-12)
    assert (np.diff(losses[0]) < 0).all()


def test_log_loss_uses_rows_that_do_not_sum_to_one_as_they_are():
    assert LogLoss()(np.array([[0.0, 1.0]]), np.array([[[0.9, 0.9]]])).item() == pytest.approx(-np.log(0.9))


@every_loss
@pytest.mark.parametrize("n_outputs", [1, 2, 9, 40])
def test_a_row_has_the_same_loss_alone_and_among_others(loss, n_outputs):
    rng = np.random.default_rng(6)
    targets, predictions = rows_for(loss, rng, n_samples=23, n_models=2, n_outputs=n_outputs)
    together = loss(targets, np.asfortranarray(predictions))
    alone = [loss(targets[[i]], predictions[[i]])[0] for i in range(23)]
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(
        loss.slope(targets, predictions[:, 0]), [loss.slope(targets[[i]], predictions[[i], 0])[0] for i in range(23)]
    )


@every_loss
def test_empty_batches_are_no_trouble(loss):
    assert loss(np.empty((0, 2)), np.empty((0, 3, 2))).shape == (0, 3)
    assert loss.slope(np.empty((0, 2)), np.empty((0, 2))).shape == (0, 2)


@every_loss
def test_losses_are_plain_scikit_learn_objects(loss):
    copy = clone(loss)
    assert copy is not loss
    assert copy.get_params() == loss.get_params()
    assert re.fullmatch(r"\w+\(.*\)", repr(loss))
    assert type(loss)(**loss.get_params()).get_params() == loss.get_params()


@pytest.mark.parametrize(
    ("loss", "sentence"),
    [
        (PinballLoss(1.5), "quantile of PinballLoss must be a number of at least 0 and at most 1; got 1.5."),
        (PinballLoss("median"), "quantile of PinballLoss must be .* got 'median'."),
        (PinballLoss(1), "quantile of PinballLoss must lie strictly between 0 and 1; got 1, for which"),
        (PinballLoss(0.0), "quantile of PinballLoss must lie strictly between 0 and 1; got 0.0, for which"),
        (HuberLoss(0), "delta of HuberLoss must be a number above 0; got 0."),
        (HuberLoss(float("nan")), "delta of HuberLoss must be a number above 0; got nan."),
        (LogLoss(0), "floor of LogLoss must be a number of at least 1e-15 and at most 1; got 0."),
        (LogLoss(2), "floor of LogLoss must be a number of at least 1e-15 and at most 1; got 2."),
    ],
    ids=repr,
)
def test_parameters_are_checked_when_they_are_used(loss, sentence):
    with pytest.raises(ValueError, match=sentence):
        loss(np.zeros((1, 1)), np.zeros((1, 1, 1)))
    with pytest.raises(ValueError, match=sentence):
        loss.slope(np.zeros((1, 1)), np.zeros((1, 1)))


@every_loss
@pytest.mark.parametrize(
    ("targets", "predictions"), [((3,), (3, 2)), ((3, 1), (3, 2)), ((3, 1), (3, 2, 4)), ((1, 1), (3, 2, 1))]
)
def test_shapes_that_do_not_belong_together_are_refused(loss, targets, predictions):
    said = re.escape(f"got {predictions} and {targets}")
    with pytest.raises(ValueError, match=said):
        loss(np.zeros(targets), np.zeros(predictions))
    with pytest.raises(ValueError, match="of one shape"):
        loss.slope(np.zeros(targets), np.zeros(predictions))


def test_the_abstract_class_cannot_be_used():
    with pytest.raises(TypeError, match="abstract"):
        Loss()

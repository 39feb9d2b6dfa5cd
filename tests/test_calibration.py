"""Calibration of combined probabilities: forward only, kept only where it has paid, and then to the point."""

import copy
import pickle

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

from skensemble.combiners import LogOddsPool
from skensemble.intervals import ProbabilityCalibration
from skensemble.losses import LogLoss

NAN = float("nan")


def drawn(seed, slope=1.0, levels=(0.0, 0.0, 0.0), n=2000, n_folds=10):
    """Probabilities, and classes drawn from those that the map of ``slope`` and ``levels`` makes of them."""
    rng = np.random.default_rng(seed)
    said = softmax(rng.normal(size=(n, len(levels))), axis=1)
    truth = softmax(slope * np.log(said) + np.array(levels), axis=1)
    came = (np.log(truth) + rng.gumbel(size=truth.shape)).argmax(axis=1)
    return said, np.eye(len(levels))[came], np.arange(n) * n_folds // n, truth


def log_loss(targets, said):
    return LogLoss()(targets, said[:, None, :])[:, 0]


def drifting(seed, slopes, n=1000):
    """One stretch of n rows after the other, each with a slope of its own."""
    said, came, _, _ = zip(*(drawn(seed + k, slope, n=n) for k, slope in enumerate(slopes)), strict=True)
    return np.concatenate(said), np.concatenate(came)


def learned(said, came, folds, weight=None, known=None, **options):
    return ProbabilityCalibration(said.shape[1], **options).learned_forward(said, came, folds, weight, known=known)


# What it finds


@pytest.mark.parametrize("slope", [0.3, 2.5])
@pytest.mark.parametrize("levels", [(0.0, 0.0, 0.0), (0.8, 0.0, -0.8)])
def test_the_map_that_made_the_classes_is_found(slope, levels):
    said, came, folds, truth = drawn(0, slope, levels, n=4000)
    then, calibration = learned(said, came, folds, half_life=np.inf)
    assert calibration.slope == pytest.approx(slope, abs=0.2)
    np.testing.assert_allclose(np.diff(calibration.levels), np.diff(levels), atol=0.3)
    assert np.abs(calibration.calibrated(said) - truth).mean() < 0.03
    gain, doubt = calibration.gain
    assert gain > 5 * doubt > 0
    # What would have been said is nearly as good as that, but for the folds that it took to find out.
    later = folds > 2
    assert log_loss(came, then)[later].mean() < log_loss(came, truth)[later].mean() + 0.02


def test_it_agrees_with_a_minimiser_that_knows_no_derivatives():
    said, came, folds, _ = drawn(1, 2.0, (0.5, 0.0, -0.5), n=600, n_folds=3)
    _, calibration = learned(said, came, folds, half_life=np.inf)
    found = np.append(calibration.slope, calibration.levels)
    logs = np.log(said) - np.log(said).mean(axis=1, keepdims=True)
    curvature = (said * logs**2).sum() - ((said * logs).sum(axis=1) ** 2).sum(), *(said * (1 - said)).sum(axis=0)
    pull = np.array([10.0, 300.0, 300.0, 300.0]) / 600 * np.array(curvature)

    def cost(v):
        p = softmax(v[0] * logs + v[1:], axis=1)
        return -np.log((p * came).sum(axis=1)).sum() + 0.5 * (pull * (v - np.eye(4)[0]) ** 2).sum()

    np.testing.assert_allclose(found, minimize(cost, np.eye(4)[0], tol=1e-12).x, atol=1e-4)


def test_levels_alone_by_hand():
    """A coin said to be fair that falls three times in four on one side: the log-odds go most of the way to log 3."""
    said, came = np.full((4000, 2), 0.5), np.tile([[1, 0], [1, 0], [1, 0], [0, 1]], (1000, 1))
    _, calibration = learned(said, came, np.arange(4000) // 400, half_life=np.inf)
    assert calibration.slope == 1.0
    # Two levels of prior precision 300/4 each, moved against each other by t/2: 4000 (3/4 - p) = 75 t/2.
    t = np.diff(calibration.levels[::-1])[0]
    assert 4000 * (0.75 - 1 / (1 + np.exp(-t))) == pytest.approx(300 / 4 * t / 2, rel=1e-6)


# Only where it has paid


def test_calibrated_probabilities_stay_as_they_are_to_the_bit():
    kept = 0
    for seed in range(20):
        said, came, folds, _ = drawn(seed, 1.0, n=1000)
        then, calibration = learned(said, came, folds)
        if calibration.slope == 1.0:
            kept += 1
            np.testing.assert_array_equal(calibration.calibrated(said), said)
            assert "changes nothing" in repr(calibration)
        assert log_loss(came, then).mean() < log_loss(came, said).mean() + 0.005
    assert kept >= 18


def test_the_final_map_is_kept_only_if_forward_it_was_better_than_none():
    for seed in range(20):
        said, came, folds, _ = drawn(seed, [1.0, 1.15][seed % 2], n=600)
        _, calibration = learned(said, came, folds)
        gain, doubt = calibration.gain
        assert (calibration.slope != 1.0) == (gain > 2 * doubt)


def test_the_gain_is_that_of_maps_that_knew_the_past_alone():
    said, came, folds, _ = drawn(2, 2.0, n=1000)
    _, calibration = learned(said, came, folds, half_life=np.inf)
    gains = []
    for fold in range(1, 10):
        now, past = folds == fold, folds < fold
        _, taught = learned(said[past], came[past], np.arange(past.sum()) // 50, half_life=np.inf)
        gains.append(log_loss(came, said)[now] - log_loss(came[now], taught.calibrated(said[now])))
    assert calibration.gain[0] == pytest.approx(np.concatenate(gains).mean())
    assert calibration.gain[1] == pytest.approx(np.concatenate(gains).std() / np.sqrt(900))


def test_newer_rows_tell_more_of_the_gain():
    """The last two folds by hand, a row half as much as one a hundred later; what is left is the gain before them."""
    said, came, folds, _ = drawn(2, 2.0, n=1000)
    _, calibration = learned(said, came, folds, half_life=100.0)
    (_, before), (_, after) = (
        learned(said[rows], came[rows], folds[rows], half_life=100.0) for rows in (slice(800), slice(900))
    )
    gains = [
        (log_loss(came, said) - log_loss(came, each.calibrated(said)))[rows]
        for each, rows in ((before, slice(800, 900)), (after, slice(900, 1000)))
    ]
    s = 0.5 ** (np.arange(200)[::-1] / 100.0)
    last = s @ np.concatenate(gains)
    whole = (1 - 0.5**9) / (1 - 0.5 ** (1 / 100))
    earlier = calibration.gain[0] * whole - last
    assert earlier / (whole - s.sum()) == pytest.approx(before.gain[0])


def test_few_rows_prove_nothing_and_neither_does_one_of_enormous_weight():
    said, came, folds, _ = drawn(2, 3.0, n=18, n_folds=2)
    always_right = np.eye(3)[said.argmax(axis=1)]
    for n, pays in ((18, False), (20, True)):
        both = np.tile(said, (2, 1))[:n], np.tile(always_right, (2, 1))[:n], np.arange(n) // (n // 2)
        assert (learned(*both, half_life=np.inf)[1].slope > 1) == pays
    said, came, folds, _ = drawn(2, 1.0)
    for seed in range(5):
        weight = np.where(np.random.default_rng(seed).random(2000) < 0.01, 1e9, 1.0)
        assert learned(said, came, folds, weight)[1].slope == 1.0


def test_the_first_two_folds_are_never_calibrated():
    said, came, folds, _ = drawn(3, 3.0)
    then, _ = learned(said, came, folds)
    changed = [fold for fold in range(10) if not np.array_equal(then[folds == fold], said[folds == fold])]
    assert changed == list(range(2, 10))


def test_one_fold_and_no_rows_teach_nothing():
    said, came, folds, _ = drawn(4, 3.0, n=100)
    for rows in (slice(0), slice(10), slice(1)):
        then, calibration = learned(said[rows], came[rows], folds[rows])
        np.testing.assert_array_equal(then, said[rows])
        np.testing.assert_array_equal(calibration.calibrated(said), said)
        assert np.isnan(calibration.gain).all()
    assert learned(said[:0], came[:0], folds[:0])[1] == ProbabilityCalibration(3)


# Time order


@pytest.mark.parametrize("cut", [3, 6, 9])
def test_the_future_changes_nothing_before(cut):
    said, came, folds, _ = drawn(5, 2.0, (0.5, 0.0, 0.0))
    other = drawn(6, 0.2, (-2.0, 0.0, 1.0))
    then, _ = learned(said, came, folds)
    before = folds < cut
    mixed = [np.where(before[:, None], mine, theirs) for mine, theirs in zip((said, came), other, strict=False)]
    np.testing.assert_array_equal(learned(*mixed, folds)[0][before], then[before])
    np.testing.assert_array_equal(learned(said[before], came[before], folds[before])[0], then[before])
    # Outcomes of a fold come after what is said of it.
    same_fold = folds <= cut
    later_outcomes = np.where(before[:, None], came, other[1])
    np.testing.assert_array_equal(learned(said, later_outcomes, folds)[0][same_fold], then[same_fold])


def test_outcomes_that_were_still_open_teach_nothing():
    said, came, folds, _ = drawn(7, 2.0)
    horizon = 30
    known = np.maximum(np.arange(2000) - horizon, 0)
    then, _ = learned(said, came, folds, known=known)
    for fold in range(3, 10):
        start = np.flatnonzero(folds == fold)[0]
        altered = came.copy()
        altered[start - horizon : start] = came[start - horizon : start, ::-1]
        now = folds == fold
        np.testing.assert_array_equal(learned(said, altered, folds, known=known)[0][now], then[now])
        assert not np.array_equal(learned(said, altered, folds)[0][now], then[now])
    at_once, plain = learned(said, came, folds, known=np.arange(2000)), learned(said, came, folds)
    np.testing.assert_array_equal(at_once[0], plain[0])
    assert at_once[1] == plain[1]


# Outcomes that come one by one, and the next map


def test_rows_at_once_are_rows_one_by_one():
    said, came = drifting(12, [3.0, 1.0, 0.4], n=400)
    weight = np.random.default_rng(0).integers(3, size=1200) / 2.0
    came[::7] = NAN
    _, first = learned(said[:400], came[:400], np.arange(400) // 100)
    at_once, together = first.followed(said[400:], came[400:], weight[400:])
    one_by_one, each = [], first
    for row in range(400, 1200):
        now = slice(row, row + 1)
        np.testing.assert_array_equal(each.calibrated(said[now]), each.followed(said[now], came[now])[0])
        then, each = each.followed(said[now], came[now], weight[now])
        one_by_one.append(then)
    np.testing.assert_array_equal(np.concatenate(one_by_one), at_once)
    assert each == together != first
    # The map was in force, and then it was not.
    changed = (at_once != said[400:]).any(axis=1)
    assert changed[0]
    assert not changed[-1]


def test_rows_that_wait_for_outcomes_are_calibrated_by_what_is_known():
    said, came = drifting(12, [3.0, 0.4], n=400)
    _, first = learned(said[:400], came[:400], np.arange(400) // 100)
    late = [first.followed(said[400:], came[400:], known=np.maximum(np.arange(400) - delay, 0)) for delay in (0, 25)]
    assert late[0][1] == late[1][1]
    changed = [(then != said[400:]).any(axis=1) for then, _ in late]
    np.testing.assert_array_equal(changed[0][:-25], changed[1][25:])
    assert changed[1][:25].all()


def test_the_next_map_knows_all_rows_and_stays_as_long_as_it_pays():
    said, came = drifting(13, [2.0, 1.0, 2.0, 2.0])
    nothing = said[:0], came[:0], []
    _, first = learned(said[:1000], came[:1000], np.arange(1000) // 200)
    _, after = first.followed(said[1000:2000], came[1000:2000])
    assert first.slope > 1.5
    assert after.slope == 1
    assert after.gain[0] < 0
    _, second = after.learned_forward(*nothing)
    assert second.gain == after.gain
    # Of the same rows in folds, too, since a map depends on the rows alone.
    _, other = learned(said[:2000], came[:2000], np.arange(2000) // 500)
    np.testing.assert_array_equal(second._taught, other._taught)
    # Nothing new teaches nothing new.
    assert second.learned_forward(*nothing)[1] == second
    # What pays again is taken up again.
    for start in range(2000, 4000, 100):
        rows = slice(start, start + 100)
        _, second = second.followed(said[rows], came[rows])[1].learned_forward(*nothing)
    assert second.slope > 1


@pytest.mark.parametrize("cut", [3, 6])
def test_folds_in_two_goes_are_folds_in_one(cut):
    said, came, folds, _ = drawn(14, 2.0)
    then, whole = learned(said, came, folds)
    before = folds < cut
    early, first = learned(said[before], came[before], folds[before])
    late, second = first.learned_forward(said[~before], came[~before], folds[~before])
    np.testing.assert_array_equal(np.concatenate([early, late]), then)
    np.testing.assert_array_equal(second.calibrated(said), whole.calibrated(said))
    np.testing.assert_allclose(second.gain, whole.gain)


@pytest.mark.parametrize("path", [[0.4, 1.0, 1.0], [0.4, 2.0, 1.0], [1.0, 1.0, 1.0], [1.5, 0.5, 1.5], [0.4, 0.4, 0.4]])
@pytest.mark.parametrize("every", [100, 500])
def test_a_map_learned_anew_is_hardly_ever_worse_than_none(path, every):
    """Models that were too sure become as sure as they should be, or the other way round."""
    said, came = drifting(15, path)
    _, calibration = learned(said[:500], came[:500], np.arange(500) // 100)
    frozen, stated = calibration, []
    for start in range(500, 3000, every):
        rows = slice(start, start + every)
        then, calibration = calibration.followed(said[rows], came[rows])
        _, calibration = calibration.learned_forward(said[:0], came[:0], [])
        stated.append(then)
    none, live, kept = (
        log_loss(came[500:], each).mean()
        for each in (said[500:], np.concatenate(stated), frozen.calibrated(said[500:]))
    )
    assert live < none * 1.002
    assert live < kept + 0.002


def test_ten_thousand_rows_are_kept():
    said, came, folds, _ = drawn(16, 2.0, n=12_000)
    _, calibration = learned(said, came, folds)
    _, later = calibration.followed(said[:5], came[:5])
    assert len(pickle.dumps(calibration)) == len(pickle.dumps(later)) < 10_100 * 5 * 8
    # What was learned is what the rows that are left teach again.
    assert calibration.learned_forward(said[:0], came[:0], [])[1] == calibration


# Rows that count more, less or not at all


def test_weights_are_numbers_of_rows():
    said, came, folds, _ = drawn(8, 2.0, n=600)
    twice, weighted = (
        learned(np.repeat(said, 2, axis=0), np.repeat(came, 2, axis=0), np.repeat(folds, 2)),
        learned(said, came, folds, np.full(600, 2.0)),
    )
    assert weighted[1].slope == pytest.approx(twice[1].slope, rel=1e-3)
    assert weighted[1].gain[0] == pytest.approx(twice[1].gain[0], rel=1e-3)


def test_rows_of_no_weight_no_outcome_or_no_prediction_are_rows_left_out():
    said, came, folds, _ = drawn(9, 2.0, n=900)
    out = np.random.default_rng(0).integers(4, size=900)
    rows = out > 0
    then, calibration = learned(said[rows], came[rows], folds[rows])
    weights = np.where(rows, 1.0, 0.0)
    assert learned(said, came, folds, weights)[1] == calibration
    asleep, unknown = np.where(rows[:, None], said, NAN), np.where(rows[:, None], came, 0.0)
    for altered in ((asleep, came), (said, unknown), (said, np.where(rows[:, None], came, NAN))):
        found, other = learned(*altered, folds)
        assert other == calibration
        np.testing.assert_array_equal(found[rows], then)
    assert np.isnan(learned(asleep, came, folds)[0][~rows]).all()


def test_impossible_classes_pass():
    said = np.tile([[1.0, 0.0, 0.0], [0.2, 0.8, 0.0]], (200, 1))
    came = np.tile([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0]], (100, 1))
    then, calibration = learned(said, came, np.arange(400) // 40)
    assert np.isfinite(then).all()
    after = calibration.calibrated(said)
    np.testing.assert_allclose(after.sum(axis=1), 1.0)
    # The class that was said to be impossible comes true in a quarter of the rows.
    assert after[:, 2].mean() == pytest.approx(0.25, abs=0.05)


# A record


def test_a_calibration_never_changes_and_survives_pickle():
    said, came, folds, _ = drawn(10, 2.0)
    start = ProbabilityCalibration(3)
    before = copy.deepcopy(start)
    _, calibration = start.learned_forward(said, came, folds)
    assert start == before != calibration
    calibration.levels[:] = 7
    calibration.calibrated(said)[:] = 7
    assert calibration == start.learned_forward(said, came, folds)[1]
    again = pickle.loads(pickle.dumps(calibration))
    assert again == calibration
    assert hash(again) == hash(calibration)
    np.testing.assert_array_equal(again.calibrated(said), calibration.calibrated(said))
    assert calibration != 3
    assert repr(start) == "ProbabilityCalibration(n_classes=3, half_life=1000) that changes nothing"
    assert repr(calibration).startswith("ProbabilityCalibration(n_classes=3, half_life=1000) of slope ")


def test_the_newton_method_is_that_of_the_pool_of_log_odds():
    """Without levels, sharpening is a pool of one model."""
    said, came, _, _ = drawn(11, 2.0, n=1500)
    pool = LogOddsPool(3, alpha=10.0).fit(said, came.argmax(axis=1))
    _, calibration = learned(said, came, np.arange(1500) // 150, half_life=np.inf)
    assert pool.coef_[0] == pytest.approx(calibration.slope, abs=0.05)


# What is refused


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"probabilities": [[0.5, 0.5, 0.0]]}, "probabilities of ProbabilityCalibration must have 2 columns.*got 3"),
        ({"probabilities": [[1.5, 0.0]]}, "probabilities of ProbabilityCalibration must lie between 0 and 1"),
        ({"targets": [[1, 1]]}, "targets of ProbabilityCalibration must have a 1 for the class that came true"),
        ({"folds": [0.5]}, r"folds of ProbabilityCalibration must be one integer per row; got \[0.5\]"),
        ({"folds": [0, 1]}, "folds of ProbabilityCalibration must have one entry for each of the 1 rows; got 2"),
        ({"known": [0, 1]}, "known of ProbabilityCalibration must have one entry for each of the 1 rows; got 2"),
        ({"sample_weight": [-1.0]}, "sample_weight of ProbabilityCalibration must be finite and not negative"),
    ],
)
def test_rows_that_make_no_sense_get_a_sentence(changed, message):
    rows = {"probabilities": [[0.5, 0.5]], "targets": [[1, 0]], "folds": [0]}
    with pytest.raises(ValueError, match=message):
        ProbabilityCalibration(2).learned_forward(**{**rows, **changed})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_classes": 1}, "n_classes of ProbabilityCalibration must be an integer of at least 2; got 1"),
        ({"half_life": 0}, "half_life of ProbabilityCalibration must be a number above 0; got 0"),
    ],
)
def test_parameters_that_make_no_sense_get_a_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        ProbabilityCalibration(**{"n_classes": 2, **options})

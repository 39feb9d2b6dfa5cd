"""Adaptive sets: never empty, as often right as they say unless the classifier is right more often, and no larger."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skensemble.intervals import AdaptiveSets
from skensemble.performance import wilson_interval

NAN = float("nan")
COVERAGES = np.array([0.5, 0.8, 0.9, 0.95])
N_ROWS = 3000
quick = settings(deadline=None, max_examples=50)


def states(rng, n_regimes, stay):
    draws, moved = rng.integers(n_regimes, size=N_ROWS), rng.random(N_ROWS) > stay
    return draws[np.maximum.accumulate(np.where(moved, np.arange(N_ROWS), 0))]


def market(seed, sharpness, said, n_classes=3):
    """Classes drawn with the sharpness of each row's regime, and probabilities that are ``said`` times as sharp."""
    rng = np.random.default_rng(seed)
    state = states(rng, len(sharpness), 0.98)
    scores = np.array(sharpness)[state][:, None] * rng.normal(size=(N_ROWS, n_classes))
    came = (scores + rng.gumbel(size=scores.shape)).argmax(axis=1)
    stated = np.exp(np.broadcast_to(said, (N_ROWS,))[:, None] * scores)
    return stated / stated.sum(axis=1, keepdims=True), np.eye(n_classes)[came], np.eye(len(sharpness))[state]


def followed(rows, step=10):
    """Sets of every row at every tracked coverage, (n_samples, n_classes, n_coverages), each before its outcome."""
    sets, found = AdaptiveSets(rows[2].shape[1]), []
    for start in range(0, N_ROWS, step):
        here = [part[start : start + step] for part in rows]
        found.append(np.stack([sets.sets(here[0], here[2], coverage) for coverage in COVERAGES], axis=2))
        sets = sets.updated(*here)
    return sets, np.concatenate(found)


def learned(probabilities, targets, memberships=None, **options):
    memberships = np.empty((len(probabilities), 0)) if memberships is None else np.asarray(memberships, dtype=float)
    return AdaptiveSets(memberships.shape[1], **options).updated(probabilities, targets, memberships)


# As often right as they say


STREAMS = {
    "calibrated": market(0, [1.0, 1.0], 1.0),
    "overconfident": market(1, [1.0, 0.5], 4.0),
    "modest": market(2, [1.0, 2.0], 0.2),
    "hopeless": market(3, [1e-3, 1e-3], 1e3),
    "backwards": market(4, [1.0, 1.0], -1.0),
    "five classes": market(5, [0.5, 1.5, 1.0], 2.0, n_classes=5),
    "two classes": market(6, [0.3, 1.0], 3.0, n_classes=2),
    "breaks": market(7, [1.0, 1.0], np.where(np.arange(N_ROWS) < N_ROWS // 2, 1.0, 5.0)),
}


@pytest.mark.parametrize("kind", STREAMS)
def test_coverage_is_as_stated_pooled_by_regime_and_at_all_times(kind):
    probabilities, targets, _ = STREAMS[kind]
    sets, found = followed(STREAMS[kind])
    frame = sets.coverage_frame()
    accuracy = (probabilities.argmax(axis=1) == targets.argmax(axis=1)).mean()
    # Where the likeliest class is right more often than was asked, and for a while is enough, coverage is above.
    held = found[np.arange(N_ROWS), targets.argmax(axis=1)]
    rolling = (np.cumsum(held, axis=0)[250:] - np.cumsum(held, axis=0)[:-250]) / 250
    for place, coverage in enumerate(COVERAGES):
        gaps = frame.xs(coverage, level="coverage")["realised"] - coverage
        assert gaps["pooled"] > -0.015
        assert gaps[sets.n_rows > 500].min() > -0.03
        assert rolling[250:, place].min() > coverage - 0.09
        if accuracy < coverage - 0.15:
            assert gaps["pooled"] < 0.015
            assert gaps[sets.n_rows > 500].max() < 0.03


def test_a_classifier_that_is_right_more_often_than_asked_gets_sets_of_one_class():
    probabilities, targets, memberships = market(8, [6.0, 6.0], 1.0, n_classes=4)
    accuracy = (probabilities.argmax(axis=1) == targets.argmax(axis=1)).mean()
    assert 0.8 < accuracy < 0.9
    sets, found = followed((probabilities, targets, memberships))
    assert found[500:, :, 0].sum(axis=1).mean() < 1.05
    realised = sets.coverage_frame().loc["pooled", "realised"]
    assert accuracy <= realised[0.5] < accuracy + 0.02
    assert abs(realised[0.95] - 0.95) < 0.015


def test_sets_are_small_where_the_classifier_tells_and_large_where_it_does_not():
    rows = market(9, [3.0, 0.0], 1.0)
    _, found = followed(rows)
    sizes = found[500:, :, 1].sum(axis=1)
    telling = rows[2][500:, 0] == 1
    assert sizes[telling].mean() < 1.6
    assert sizes[~telling].mean() > 2.1


def test_what_is_counted_is_what_the_sets_were():
    rows = [part[:120] for part in market(10, [1.0, 2.0], 2.0)]
    sets, hits = AdaptiveSets(2), np.zeros(4)
    for row in range(120):
        here = [part[row : row + 1] for part in rows]
        if row:
            hits += [sets.sets(here[0], here[2], coverage)[0, here[1][0].argmax()] for coverage in COVERAGES]
        sets = sets.updated(*here)
    frame = sets.coverage_frame(["CALM", "WILD"]).loc["pooled"]
    np.testing.assert_allclose(frame["n"], 119)
    np.testing.assert_allclose(frame["realised"] * 119, hits)
    np.testing.assert_allclose(frame[["low", "high"]], np.column_stack(wilson_interval(hits, np.full(4, 119))))


# The form of the set


probabilities_of_three = st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda row: sum(row) > 0.01)


@quick
@given(st.integers(0, 100), probabilities_of_three, st.floats(0.001, 0.95), st.floats(0.001, 0.95))
def test_a_set_holds_the_likeliest_class_and_all_smaller_sets(seed, row, one, other):
    rng = np.random.default_rng(seed)
    sets = learned(rng.dirichlet(np.ones(3), size=60), np.eye(3)[rng.integers(3, size=60)])
    said = np.array([row]) / sum(row)
    small, large = (sets.sets(said, [[]], coverage)[0] for coverage in sorted([one, other]))
    assert small[said[0].argmax()]
    assert (large >= small).all()
    # No class outside is likelier than one inside.
    assert said[0][large].min() >= said[0][~large].max(initial=0.0)


@quick
@given(st.permutations(range(4)), st.integers(0, 100))
def test_classes_have_no_order(order, seed):
    rng = np.random.default_rng(seed)
    said, came = rng.dirichlet(np.ones(4), size=60), np.eye(4)[rng.integers(4, size=60)]
    plain, moved = learned(said, came), learned(said[:, order], came[:, order])
    new = rng.dirichlet(np.ones(4), size=20)
    nobody = np.empty((20, 0))
    np.testing.assert_array_equal(plain.sets(new, nobody, 0.8)[:, order], moved.sets(new[:, order], nobody, 0.8))


def test_how_sharp_probabilities_are_throughout_does_not_matter():
    rng = np.random.default_rng(11)
    # Few rows are near the floor, where the two would differ.
    scores, came = rng.normal(size=(300, 3)), np.eye(3)[rng.integers(3, size=300)]
    said = [np.exp(k * scores) / np.exp(k * scores).sum(axis=1, keepdims=True) for k in (1.0, 0.01)]
    nobody = np.empty((100, 0))
    one, other = (learned(each[:200], came[:200]).sets(each[200:], nobody, 0.8) for each in said)
    # The unit weighs margins by probabilities, so that it is not quite the same multiple.
    assert (one == other).mean() > 0.9


def test_before_anything_is_known_and_where_nothing_is_said_every_class_may_come_true():
    assert AdaptiveSets(1).sets([[0.9, 0.1]], [[1]], 0.5).all()
    sets = learned([[0.9, 0.1]] * 20, [[1, 0]] * 20)
    assert sets.sets([[NAN, NAN], [NAN, 0.5], [0.9, 0.1]], np.empty((3, 0)), 0.5).tolist() == [
        [True, True],
        [True, True],
        [True, False],
    ]


def test_classes_as_likely_as_the_likeliest_are_in():
    sets = learned([[1 / 3] * 3] * 50, [[1, 0, 0]] * 50)
    assert sets.sets([[1 / 3] * 3], [[]], 0.5).all()
    sets = learned([[0.8, 0.2]] * 50, [[1, 0]] * 50)
    assert sets.sets([[0.5, 0.5], [0.6, 0.4]], np.empty((2, 0)), 0.5).tolist() == [[True, True], [True, False]]


def test_certain_and_impossible_classes_pass():
    sure = learned([[1.0, 0.0, 0.0]] * 30 + [[0.0, 1.0, 0.0]], [[1, 0, 0]] * 31)
    assert sure.sets([[1.0, 0.0, 0.0]], [[]], 0.9)[0, 0]
    assert np.isfinite(sure.coverage_frame()["realised"]).all()


# By hand


def test_the_first_steps_by_hand():
    # The first row finds no unit and is not judged; the others are each half as likely, so the unit is log 2.
    first = learned([[0.5, 0.25, 0.25]], [[0, 1, 0]], [[1.0]], coverages=[0.8])
    assert first.n_rows.tolist() == [0, 0]
    limit = math.log(2) * math.log(5)
    assert limit_of(first, 0.8) == pytest.approx(limit, abs=1e-6)
    # log 9 is a miss: 0.6 · 0.8 for all rows and half of it for the regime; then the unit hears of log 9.
    second = first.updated([[0.9, 0.1, 0.0]], [[0, 1, 0]], [[1.0]])
    fade = 2 ** (-1 / 100)
    share, floor = 0.1 / (0.1 + 1e-6), math.log(0.9 / 1e-6)
    unit = (fade * math.log(2) + share * math.log(9) + (1 - share) * floor) / (fade + 1)
    assert limit_of(second, 0.8) == pytest.approx(unit * math.log(5) * math.exp(0.6 * 0.8 * 1.5), abs=1e-6)
    # Below the smallest coverage as for exponential margins.
    assert limit_of(second, 0.5) == pytest.approx(unit * math.log(2) * math.exp(0.6 * 0.8 * 1.5), abs=1e-6)


def limit_of(sets, coverage):
    """The margin up to which the second of two classes is in the set, in the regime of the first column."""
    low, high = 0.0, 13.0
    for _ in range(40):
        margin = (low + high) / 2
        second = 1 / (1 + math.exp(margin))
        inside = sets.sets([[1 - second, second]], [[1.0]], coverage)[0, 1]
        low, high = (margin, high) if inside else (low, margin)
    return low


def test_one_class_alone_is_its_own_set():
    sets = AdaptiveSets(0).updated(np.ones((3, 1)), np.ones((3, 1)), np.empty((3, 0)))
    assert sets.stated([[]]).tolist() == [[0.0] * 4]
    assert sets.sets([[1.0], [np.nan]], [[], []], 0.9).tolist() == [[True], [True]]
    # The first row found nothing known, and is not judged.
    assert sets.coverage_frame()["realised"].tolist() == [1.0] * 4
    assert sets.n_rows.tolist() == [2.0]


# What is refused


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"probabilities": [0.5, 0.5]}, r"probabilities of AdaptiveSets must have one row per sample.*got a shape of"),
        ({"probabilities": np.empty((2, 0))}, r"one column for each class; got a shape of \(2, 0\)"),
        ({"probabilities": [[1.2, 0.0], [0, 1]]}, "probabilities of AdaptiveSets must lie between 0 and 1; got"),
        ({"probabilities": [["a", "b"]]}, "probabilities of AdaptiveSets must be numbers"),
        ({"targets": [[1, 0]]}, r"targets of AdaptiveSets must have one row per sample.*\(2, 2\); got \(1, 2\)"),
        ({"targets": [[1, 1], [0, 1]]}, "targets of AdaptiveSets must have a 1 for the class that came true"),
        ({"targets": [[0.5, 0.5], [0, 1]]}, "targets of AdaptiveSets must have a 1 for the class that came true"),
    ],
)
def test_rows_that_make_no_sense_get_a_sentence(changed, message):
    rows = {"probabilities": [[0.5, 0.5], [0.9, 0.1]], "targets": [[1, 0], [0, 1]], "memberships": np.empty((2, 0))}
    with pytest.raises(ValueError, match=message):
        AdaptiveSets(0).updated(**{**rows, **changed})


def test_what_else_is_refused():
    with pytest.raises(ValueError, match=r"coverage of AdaptiveSets must be at most 0.95.*got 0.99.*Name larger"):
        AdaptiveSets(0).sets([[0.5, 0.5]], [[]], 0.99)
    with pytest.raises(ValueError, match="coverages of AdaptiveSets must be numbers between 0 and 1"):
        AdaptiveSets(0, coverages=[0.9, 0.5])

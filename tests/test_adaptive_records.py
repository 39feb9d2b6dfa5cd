"""Promises of every record in `skensemble.intervals` that learns row by row; the members are found here, not listed."""

import copy
import inspect
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skops import io as skops_io

from skensemble import intervals

NAN = float("nan")
quick = settings(deadline=None, max_examples=25)


def shares(rng, n, n_regimes):
    memberships = rng.dirichlet(np.ones(n_regimes), size=n)
    memberships[rng.random(n) < 0.1] = 0
    return memberships


def residuals(rng, n):
    values = rng.standard_t(3, size=n)
    values[rng.random(n) < 0.1] = NAN
    return values, rng.lognormal(size=n)


def classes(rng, n):
    probabilities = rng.dirichlet(np.ones(3), size=n)
    probabilities[rng.random(n) < 0.1] = NAN
    targets = np.eye(3)[rng.integers(3, size=n)]
    targets[rng.random(n) < 0.1] = 0
    return probabilities, targets


def statements(rng, n):
    right = rng.integers(2, size=n).astype(float)
    right[rng.random(n) < 0.1] = NAN
    return rng.uniform(0.2, 1.0, size=n), right


# What a row is made of, what a record says of rows, and what is to be handed back where outcomes arrive late.
MEMBERS = {
    "AdaptiveConfidence": (
        statements,
        lambda record, rows, inside: record.probability(rows[0], inside),
        lambda record, rows: record.probability(rows[0], rows[-2]),
    ),
    "AdaptiveIntervals": (
        residuals,
        lambda record, rows, inside: record.bounds(rows[1], rows[1], inside, 0.85),
        lambda record, rows: record.stated(rows[1], rows[-2]),
    ),
    "AdaptiveSets": (
        classes,
        lambda record, rows, inside: record.sets(rows[0], inside, 0.85),
        lambda record, rows: record.stated(rows[-2]),
    ),
}
every_record = pytest.mark.parametrize("name", sorted(MEMBERS))


def stream(name, seed, n=40, n_regimes=2):
    rng = np.random.default_rng(seed)
    return (*MEMBERS[name][0](rng, n), shares(rng, n, n_regimes), rng.integers(0, 3, size=n).astype(float))


def learned(name, seed, n=40, n_regimes=2):
    return getattr(intervals, name)(n_regimes).updated(*stream(name, seed, n, n_regimes))


def cut(rows, where):
    return tuple(part[where] for part in rows)


def said(name, record, seed=99, memberships=None):
    rows = stream(name, seed, n_regimes=record.n_regimes)
    return np.array(MEMBERS[name][1](record, rows, rows[-2] if memberships is None else memberships))


def test_every_member_is_tested():
    found = [name for name in intervals.__all__ if hasattr(getattr(intervals, name), "reindexed")]
    assert found == sorted(MEMBERS)


@every_record
@given(st.integers(0, 1000), st.integers(0, 40))
@quick
def test_many_rows_at_once_are_the_same_as_one_by_one(name, seed, place):
    rows, start = stream(name, seed), getattr(intervals, name)(2)
    at_once = start.updated(*rows)
    in_two = start.updated(*cut(rows, slice(place))).updated(*cut(rows, slice(place, None)))
    assert at_once == in_two
    one_by_one = start
    for row in range(40):
        one_by_one = one_by_one.updated(*cut(rows, slice(row, row + 1)))
    assert at_once == one_by_one
    np.testing.assert_array_equal(said(name, at_once), said(name, one_by_one))


@every_record
@pytest.mark.parametrize("place", [1, 20, 39])
def test_the_future_changes_nothing_before(name, place):
    rows, others = stream(name, 8), stream(name, 9)
    mixed = [np.concatenate([part[:place], other[place:]]) for part, other in zip(rows, others, strict=True)]
    # The outcome of a row comes after what was said of it, too.
    outcome = 0 if name == "AdaptiveIntervals" else 1
    mixed[outcome][place - 1] = others[outcome][place - 1]

    def path(rows):
        record, found = getattr(intervals, name)(2), []
        for row in range(40):
            here = cut(rows, slice(row, row + 1))
            found.append(np.array(MEMBERS[name][1](record, here, here[-2])))
            record = record.updated(*here)
        return np.array(found)

    np.testing.assert_array_equal(path(rows)[:place], path(mixed)[:place])


@every_record
@pytest.mark.parametrize("delay", [0, 1, 4, 60])
def test_to_follow_is_to_say_and_then_to_learn_when_outcomes_are_known(name, delay):
    rows, record = stream(name, 31), getattr(intervals, name)(2)
    known = np.maximum(np.arange(40) - max(delay, 1) + 1, 0)
    followed, stated, *_ = record.followed(*rows, known=known)
    said_then = []
    for row in range(40 + max(delay, 1)):
        due = row - max(delay, 1)
        if due >= 0:
            record = record.updated(*cut(rows, slice(due, due + 1)), stated=said_then[due])
        if row < 40:
            said_then.append(MEMBERS[name][2](record, cut(rows, slice(row, row + 1))))
    np.testing.assert_array_equal(stated, np.concatenate(said_then))
    if delay < 2:
        plain, in_turn, *_ = getattr(intervals, name)(2).followed(*rows)
        assert plain == getattr(intervals, name)(2).updated(*rows)
        np.testing.assert_array_equal(in_turn, stated)
        assert followed == plain
    assert followed == record


def figures(record):
    frame = record.reliability() if hasattr(record, "reliability") else record.coverage_frame()
    return frame.to_numpy()


@every_record
def test_what_was_stated_just_before_changes_nothing(name):
    rows, plain, handed = stream(name, 25), getattr(intervals, name)(2), getattr(intervals, name)(2)
    for row in range(40):
        here = cut(rows, slice(row, row + 1))
        plain, handed = plain.updated(*here), handed.updated(*here, stated=MEMBERS[name][2](handed, here))
    assert plain == handed
    unknown = np.full_like(MEMBERS[name][2](plain, rows), NAN)
    assert plain.updated(*rows) == plain.updated(*rows, stated=unknown)


@every_record
def test_late_outcomes_are_judged_as_rows_were_said(name):
    """Ten rows are said by a record that knows none of them: each is judged as if it were the next."""
    record, rows = learned(name, 26, n=100), stream(name, 27, n=10)
    then = MEMBERS[name][2](record, rows)
    late = record
    for row in range(10):
        here = slice(row, row + 1)
        late = late.updated(*cut(rows, here), stated=then[here])
    assert late == record.updated(*rows, stated=then)
    alone = [record.updated(*cut(rows, slice(row, row + 1))) for row in range(10)]
    if name == "AdaptiveConfidence":
        totals = [figures(each)[-1, :2] * [1, figures(each)[-1, 0]] for each in (record, late, *alone)]
    else:
        totals = [figures(each)[-4:, :2].prod(axis=1) for each in (record, late, *alone)]
    np.testing.assert_allclose(totals[1] - totals[0], np.sum(totals[2:], axis=0) - 10 * totals[0])


@every_record
def test_what_is_said_of_many_rows_is_said_of_each(name):
    record, rows = learned(name, 10, n=200, n_regimes=9), stream(name, 11, n=101, n_regimes=9)
    of = MEMBERS[name][1]
    at_once = np.array(of(record, rows, rows[-2]))
    each = [np.array(of(record, cut(rows, slice(row, row + 1)), rows[-2][row : row + 1])) for row in range(101)]
    axis = 1 if name == "AdaptiveIntervals" else 0
    np.testing.assert_array_equal(at_once, np.concatenate(each, axis=axis))


@every_record
def test_a_record_never_changes(name):
    record = learned(name, 12)
    before = copy.deepcopy(record)
    record.updated(*stream(name, 13))
    record.reindexed([1, 0]).updated(*stream(name, 13))
    said(name, record)
    record.n_rows[:] = 7
    assert record == before
    assert learned(name, 12) == before
    assert record.updated(*stream(name, 13)) != record


@every_record
def test_nothing_that_is_handed_over_is_changed(name):
    rows = stream(name, 14)
    before = copy.deepcopy(rows)
    for part in rows:
        part.setflags(write=False)
    said_of = MEMBERS[name][1](getattr(intervals, name)(2).updated(*rows), rows, rows[-2])
    for part, kept in zip(rows, before, strict=True):
        np.testing.assert_array_equal(part, kept)
    assert not any(np.shares_memory(part, each) for part in rows for each in np.atleast_1d(said_of))


@every_record
def test_a_record_has_one_size_and_survives_pickle_and_skops(name):
    short, long = learned(name, 15, n=30), learned(name, 15, n=400)
    assert len(pickle.dumps(short)) == len(pickle.dumps(long)) < 10_000
    dumped = skops_io.dumps(long)
    trusted = skops_io.get_untrusted_types(data=dumped)
    assert all(each.startswith("skensemble.") for each in trusted)
    for again in (pickle.loads(pickle.dumps(long)), skops_io.loads(dumped, trusted=trusted)):
        assert again == long
        assert hash(again) == hash(long)
        assert again.updated(*stream(name, 16)) == long.updated(*stream(name, 16))
    assert long != short
    assert long != 3


@every_record
def test_rows_without_outcome_or_weight_change_nothing(name):
    record, rows = learned(name, 17), stream(name, 18)
    nothing = list(rows)
    nothing[-1] = np.zeros(40)
    assert record.updated(*nothing) == record
    unknown = list(rows)
    outcome = 0 if name == "AdaptiveIntervals" else 1
    unknown[outcome] = np.full_like(rows[outcome], NAN)
    assert record.updated(*unknown) == record
    assert record.updated(*cut(rows, slice(0))) == record


@every_record
def test_a_weight_of_two_is_a_larger_step_and_an_absurd_one_breaks_nothing(name):
    rows, start = stream(name, 19), getattr(intervals, name)(2)
    plain, double = (start.updated(*rows[:-1], np.full(40, weight)) for weight in (1.0, 2.0))
    assert plain == start.updated(*rows[:-1])
    assert plain != double
    assert not np.isnan(said(name, start.updated(*rows[:-1], np.full(40, 1e50)))).all()


@every_record
def test_an_unseen_regime_and_an_unknown_one_are_the_pooled_answer(name):
    start, rows = getattr(intervals, name)(2), list(stream(name, 20, n=300))
    rows[-2] = np.tile([1.0, 0.0], (300, 1))
    record = start.updated(*rows)
    unseen = said(name, record, memberships=np.tile([0.0, 1.0], (40, 1)))
    np.testing.assert_array_equal(unseen, said(name, record, memberships=np.zeros((40, 2))))


@every_record
def test_regimes_are_carried_over_and_new_ones_lean_on_the_pool(name):
    record = learned(name, 21, n=300)
    moved = record.reindexed([-1, 1, 0])
    assert moved.n_regimes == 3
    before, after = np.eye(2)[[0, 1] * 20], np.eye(3)[[2, 1] * 20]
    rows = stream(name, 99)
    of = MEMBERS[name][1]
    np.testing.assert_array_equal(of(record, rows, before), of(moved, rows, after))
    np.testing.assert_array_equal(
        of(record, rows, np.zeros((40, 2))), of(moved, rows, np.tile([1.0, 0.0, 0.0], (40, 1)))
    )
    np.testing.assert_array_equal(moved.n_rows, np.append(0.0, record.n_rows[[1, 0, 2]]))
    assert record.reindexed([0, 1]) == record
    assert record.reindexed([]).n_regimes == 0
    # What is left behind leaves no trace in the pooled part.
    np.testing.assert_array_equal(
        of(record, rows, np.zeros((40, 2))), of(record.reindexed([]), rows, np.empty((40, 0)))
    )


@every_record
def test_rows_are_counted_by_membership(name):
    record = getattr(intervals, name)(2)
    rows = list(stream(name, 22))
    rows[-2] = np.tile([0.25, 0.5], (40, 1))
    n_rows = record.updated(*rows).n_rows
    assert n_rows[2] > 10
    np.testing.assert_allclose(n_rows, n_rows[2] * np.array([0.25, 0.5, 1.0]))


@every_record
@pytest.mark.parametrize(
    ("position", "value", "message"),
    [
        (-2, [[1], [0]], r"memberships of {} must have one row per sample.*a shape of \(2, 2\); got \(2, 1\)"),
        (-2, [[1, 0.5], [0, 0]], "memberships of {} must be shares of at least 0 that add up to at most 1"),
        (-2, [[NAN, 0.5], [0, 0]], "memberships of {} must be shares of at least 0 that add up to at most 1"),
        (-2, [["calm"], ["wild"]], "memberships of {} must be numbers"),
        (-1, [1.0, -1.0], r"sample_weight of {} must be finite and not negative; got \[1.0, -1.0\]"),
        (-1, [1.0, math.inf], "sample_weight of {} must be finite"),
        (-1, [1.0], "sample_weight of {} must have one entry for each of the 2 rows; got 1"),
    ],
)
def test_rows_that_make_no_sense_get_a_sentence(name, position, value, message):
    rows = list(stream(name, 23, n=2))
    rows[position] = value
    with pytest.raises(ValueError, match=message.format(name)):
        getattr(intervals, name)(2).updated(*rows)


@every_record
def test_what_was_stated_must_be_of_these_rows(name):
    record, rows = learned(name, 28), stream(name, 29, n=3)
    with pytest.raises(ValueError, match=f"stated of {name} must be what was stated of each row, of shape"):
        record.updated(*rows, stated=MEMBERS[name][2](record, cut(rows, slice(2))))


@every_record
def test_what_else_is_refused(name):
    make = getattr(intervals, name)
    with pytest.raises(ValueError, match=f"n_regimes of {name} must be an integer of at least 0; got -1"):
        make(-1)
    with pytest.raises(ValueError, match=f"regime_positions of {name} must be positions from 0 to 1, or -1"):
        make(2).reindexed([2])
    frame = make(2).reliability if name == "AdaptiveConfidence" else make(2).coverage_frame
    with pytest.raises(ValueError, match=rf"regimes of {name} must be 2 names, one per regime; got \['CALM'\]"):
        frame(["CALM"])


@every_record
def test_the_repr_makes_it_again(name):
    record = learned(name, 24)
    made, _, after = repr(record).partition(" after ")
    assert after == f"{record.n_rows[-1]:g} rows judged"
    again = eval(made, {name: getattr(intervals, name)})
    assert again == getattr(intervals, name)(2)
    assert hash(again) == hash(record)


@every_record
def test_public_signatures_are_annotated(name):
    for method_name, method in inspect.getmembers(getattr(intervals, name), inspect.isfunction):
        if not method_name.startswith("_"):
            signature = inspect.signature(method)
            assert signature.return_annotation is not inspect.Signature.empty
            parameters = list(signature.parameters.values())[1:]
            assert all(parameter.annotation is not inspect.Parameter.empty for parameter in parameters)

"""Adaptive intervals: as often right as they say, on streams that nobody announced, and never wiser than their past."""

import copy
import math
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from skensemble.intervals import AdaptiveIntervals
from skensemble.performance import wilson_interval

NAN = float("nan")
COVERAGES = np.array([0.5, 0.8, 0.9, 0.95])
N_ROWS = 3000
quick = settings(deadline=None, max_examples=50)


def states(rng, n_regimes, stay, n=N_ROWS):
    """A regime for each row, which lasts 1 / (1 − stay) rows or longer."""
    draws, moved = rng.integers(n_regimes, size=n), rng.random(n) > stay
    return draws[np.maximum.accumulate(np.where(moved, np.arange(n), 0))]


def labelled(rng):
    state = states(rng, 2, 0.99)
    return np.array([1.0, 4.0])[state] * rng.normal(size=N_ROWS), rng.lognormal(size=N_ROWS), np.eye(2)[state]


def unlabelled(rng):
    noise = np.eye(2)[rng.integers(2, size=N_ROWS)]
    deviation = np.array([1.0, 4.0])[states(rng, 2, 0.99)]
    return deviation * rng.normal(size=N_ROWS), np.abs(rng.normal(size=N_ROWS)), noise


def heavy_tails(rng):
    state = states(rng, 2, 0.98)
    return np.array([1.0, 3.0])[state] * rng.standard_t(3, size=N_ROWS), np.ones(N_ROWS), np.eye(2)[state]


def skewed(rng):
    state = states(rng, 3, 0.98)
    residuals = np.array([1.0, 2.0, 4.0])[state] * (rng.exponential(size=N_ROWS) - 1)
    return residuals, rng.lognormal(size=N_ROWS), np.eye(3)[state]


def clustered(rng):
    """The volatility of prices, and a regime that is read off the rows before."""
    residuals, variance = np.zeros(N_ROWS), 1.0
    for row in range(N_ROWS):
        residuals[row] = math.sqrt(variance) * rng.standard_t(6)
        variance = 0.03 + 0.066 * residuals[row] ** 2 + 0.87 * variance
    recent = pd.Series(np.abs(residuals)).rolling(20, min_periods=1).mean().shift(fill_value=0.0).to_numpy()
    return residuals, np.full(N_ROWS, NAN), np.eye(2)[(recent > np.median(recent)).astype(int)]


def told_by_the_spread(rng):
    spreads = rng.lognormal(sigma=0.6, size=N_ROWS)
    return spreads * rng.normal(size=N_ROWS), spreads, np.eye(2)[states(rng, 2, 0.98)]


def rare_and_wild(rng):
    wild = (states(rng, 12, 0.97) == 0).astype(int)
    return np.array([1.0, 5.0])[wild] * rng.normal(size=N_ROWS), np.ones(N_ROWS), np.eye(2)[wild]


def broken(rng):
    deviation = np.where(np.arange(N_ROWS) < N_ROWS // 2, 1.0, 4.0)
    return deviation * rng.normal(size=N_ROWS), rng.lognormal(size=N_ROWS), np.zeros((N_ROWS, 2))


STREAMS = [labelled, unlabelled, heavy_tails, skewed, clustered, told_by_the_spread, rare_and_wild, broken]


def small(seed, n=40, n_regimes=2):
    """A short stream with gaps, unknown spreads, unknown regimes and rows of no weight."""
    rng = np.random.default_rng(seed)
    residuals = rng.standard_t(3, size=n) + 0.3
    residuals[rng.random(n) < 0.1] = NAN
    spreads = rng.lognormal(size=n)
    spreads[rng.random(n) < 0.1] = NAN
    memberships = rng.dirichlet(np.ones(n_regimes), size=n)
    memberships[rng.random(n) < 0.1] = 0
    return residuals, spreads, memberships, rng.integers(0, 3, size=n).astype(float)


def learned(residuals, spreads=None, memberships=None, sample_weight=None, **options):
    residuals = np.asarray(residuals, dtype=float)
    spreads = np.ones(len(residuals)) if spreads is None else spreads
    memberships = np.empty((len(residuals), 0)) if memberships is None else np.asarray(memberships, dtype=float)
    start = AdaptiveIntervals(memberships.shape[1], **options)
    return start.updated(residuals, spreads, memberships, sample_weight)


def everywhere(intervals, coverage):
    """The interval around 0 in each regime, in an unknown one and in a mix, with three spreads."""
    n = intervals.n_regimes
    memberships = np.tile(np.vstack([np.eye(n), np.zeros(n), np.full(n, 1 / max(n, 1))]), (3, 1))
    spreads = np.repeat([NAN, 0.5, 3.0], n + 2)
    return np.array(intervals.bounds(np.zeros(len(spreads)), spreads, memberships, coverage))


# As often right as they say


@pytest.mark.parametrize("make", STREAMS)
def test_coverage_is_as_stated_pooled_by_regime_and_at_all_times(make):
    residuals, spreads, memberships = make(np.random.default_rng(20))
    intervals, hits, step = AdaptiveIntervals(memberships.shape[1]), [np.zeros(4)], 10
    for start in range(0, N_ROWS, step):
        rows = slice(start, start + step)
        intervals = intervals.updated(residuals[rows], spreads[rows], memberships[rows])
        record = intervals.coverage_frame().loc["pooled"]
        hits.append((record["realised"] * record["n"]).to_numpy())
    frame = intervals.coverage_frame()
    gaps = (frame["realised"] - frame.index.get_level_values("coverage")).abs()
    assert gaps["pooled"].max() < 0.015
    assert gaps[frame["n"] > 500].max() < 0.03
    window = 250 // step
    rolling = (np.array(hits)[window:] - np.array(hits)[:-window]) / 250
    assert (rolling[window:] - COVERAGES).min() > -0.08


def test_what_is_counted_is_what_the_bounds_were():
    residuals, spreads, memberships, _ = small(5, n=120)
    intervals, hits, known = AdaptiveIntervals(2), np.zeros(4), np.flatnonzero(np.isfinite(residuals))
    for row in known:
        here = slice(row, row + 1)
        if row != known[0]:
            for place, coverage in enumerate(COVERAGES):
                low, high = intervals.bounds([10.0], spreads[here], memberships[here], coverage)
                hits[place] += low[0] <= 10 + residuals[row] <= high[0]
        intervals = intervals.updated(residuals[here], spreads[here], memberships[here])
    frame = intervals.coverage_frame(["CALM", "WILD"])
    pooled = frame.loc["pooled"]
    np.testing.assert_allclose(pooled["n"], len(known) - 1)
    np.testing.assert_allclose(pooled["realised"] * pooled["n"], hits)
    np.testing.assert_allclose(frame.loc["CALM", "n"], intervals.n_rows[0])
    low, high = wilson_interval(hits, pooled["n"].to_numpy())
    np.testing.assert_allclose(pooled[["low", "high"]], np.column_stack([low, high]))


def test_overlapping_outcomes_that_arrive_late_are_covered_as_often_as_stated():
    """Sums of five steps of clustered noise, each known five rows later: judged as they were said, they are covered."""
    steps, _, _ = clustered(np.random.default_rng(30))
    residuals = np.convolve(steps, np.ones(5), mode="valid")
    n, spreads, nowhere = len(residuals), np.ones(len(residuals)), np.empty((len(residuals), 0))
    intervals, said = AdaptiveIntervals(0), np.full((n, 2, 4), NAN)
    for row in range(n):
        now, late = slice(row, row + 1), slice(max(row - 5, 0), max(row - 4, 0))
        intervals = intervals.updated(residuals[late], spreads[late], nowhere[late], stated=said[late])
        said[now] = intervals.stated(spreads[now], nowhere[now])
    covered = (-said[:, 0] <= residuals[:, None]) & (residuals[:, None] <= said[:, 1])
    np.testing.assert_allclose(covered[250:].mean(axis=0), COVERAGES, atol=0.02)
    pooled = intervals.coverage_frame().loc["pooled"]
    judged = np.isfinite(said[: n - 5, 0, 0])
    np.testing.assert_allclose(pooled["realised"], covered[: n - 5][judged].mean(axis=0))


def test_what_is_stated_is_what_the_bounds_are():
    intervals = learned(*small(31, n=200))
    _, spreads, memberships, _ = small(32)
    stated = intervals.stated(spreads, memberships)
    for place, coverage in enumerate(COVERAGES):
        low, high = intervals.bounds(np.zeros(40), spreads, memberships, coverage)
        np.testing.assert_allclose(stated[:, 0, place], -low)
        np.testing.assert_allclose(stated[:, 1, place], high)
    assert np.isinf(AdaptiveIntervals(2).stated(spreads, memberships)).all()


def test_a_change_without_notice_is_found():
    rng = np.random.default_rng(2)
    before = learned(rng.normal(size=600))
    after = before.updated(10 * rng.normal(size=300), np.ones(300), np.empty((300, 0)))
    for coverage in COVERAGES:
        assert 6 < everywhere(after, coverage)[1, 0] / everywhere(before, coverage)[1, 0] < 15


def test_regimes_have_widths_of_their_own_and_a_mix_is_between():
    rng = np.random.default_rng(3)
    state = states(rng, 2, 0.95, 2000)
    residuals = np.array([1.0, 5.0])[state] * rng.normal(size=2000)
    intervals = learned(residuals, memberships=np.eye(2)[state])
    _, high = intervals.bounds([0, 0, 0], [1, 1, 1], [[1, 0], [0.5, 0.5], [0, 1]], 0.9)
    assert 3 < high[2] / high[0] < 7
    assert high[0] < high[1] < high[2]


def test_an_unseen_regime_and_an_unknown_one_are_the_pooled_answer():
    intervals = learned(np.random.default_rng(4).normal(size=300), memberships=np.tile([1.0, 0.0], (300, 1)))
    for coverage in COVERAGES:
        low, high = intervals.bounds([0, 0], [1, 1], [[0, 1], [0, 0]], coverage)
        assert low[0] == low[1]
        assert high[0] == high[1]
        assert 0.5 < high[0] / stats.norm.ppf((1 + coverage) / 2) < 2


def test_intervals_are_asymmetric_where_residuals_are():
    rng = np.random.default_rng(6)
    residuals = rng.exponential(size=2000) - 1
    low, high = everywhere(learned(residuals), 0.9)[:, 0]
    assert high > 1.5 * -low
    low, high = everywhere(learned(rng.normal(size=2000)), 0.9)[:, 0]
    assert 0.75 < high / -low < 1.33


def test_the_spread_counts_where_it_tells_and_only_there():
    rng = np.random.default_rng(7)
    spreads, noise = rng.lognormal(sigma=0.6, size=1500), rng.normal(size=1500)
    for residuals, least, most in [(spreads * noise, 2.5, 3.5), (noise, 0.8, 1.3)]:
        _, high = learned(residuals, spreads).bounds([0, 0], [0.7, 2.1], np.empty((2, 0)), 0.8)
        assert least < high[1] / high[0] < most


# Never wiser than the past


@pytest.mark.parametrize("cut", [1, 7, 20, 39])
def test_the_future_changes_nothing_before(cut):
    def path(residuals, spreads, memberships, weights):
        intervals, found = AdaptiveIntervals(2), []
        for row in range(len(residuals)):
            here = slice(row, row + 1)
            found.append(intervals.bounds([1.0], spreads[here], memberships[here], 0.8))
            intervals = intervals.updated(residuals[here], spreads[here], memberships[here], weights[here])
        return np.array(found)

    stream = small(8)
    altered = [np.concatenate([part[:cut], other[cut:]]) for part, other in zip(stream, small(9), strict=True)]
    np.testing.assert_array_equal(path(*stream)[:cut], path(*altered)[:cut])
    # The outcome of a row comes after its interval, too.
    altered[0][cut - 1] = 1e6
    np.testing.assert_array_equal(path(*stream)[:cut], path(*altered)[:cut])


@quick
@given(st.integers(0, 1000), st.integers(0, 40))
def test_many_rows_at_once_are_the_same_as_one_by_one(seed, cut):
    stream = small(seed)
    at_once = learned(*stream)
    in_two = AdaptiveIntervals(2).updated(*(part[:cut] for part in stream)).updated(*(part[cut:] for part in stream))
    assert at_once == in_two
    if seed % 10 == 0:
        one_by_one = AdaptiveIntervals(2)
        for row in range(40):
            one_by_one = one_by_one.updated(*(part[row : row + 1] for part in stream))
        assert at_once == one_by_one
        np.testing.assert_array_equal(everywhere(at_once, 0.85), everywhere(one_by_one, 0.85))


def test_bounds_of_many_rows_are_those_of_each():
    intervals = learned(*small(10, n=200, n_regimes=3))
    _, spreads, memberships, _ = small(11, n=101, n_regimes=3)
    centres = np.linspace(-5, 5, 101)
    for coverage in (0.1, 0.5, 0.77, 0.95):
        at_once = np.array(intervals.bounds(centres, spreads, memberships, coverage))
        rows = [slice(row, row + 1) for row in range(101)]
        single = [intervals.bounds(centres[row], spreads[row], memberships[row], coverage) for row in rows]
        np.testing.assert_array_equal(at_once, np.array(single)[:, :, 0].T)


def test_a_record_never_changes():
    intervals = learned(*small(12))
    before = copy.deepcopy(intervals)
    intervals.updated(*small(13))
    intervals.reindexed([1, 0])
    everywhere(intervals, 0.7)
    intervals.coverage_frame()
    intervals.n_rows[:] = 7
    assert intervals == before


def test_a_record_has_one_size_and_survives_pickle():
    short, long = learned(*small(14, n=10)), learned(*small(14, n=500))
    assert len(pickle.dumps(short)) == len(pickle.dumps(long))
    again = pickle.loads(pickle.dumps(long))
    assert again == long
    assert hash(again) == hash(long)
    assert again.updated(*small(15)) == long.updated(*small(15))
    assert long != short
    assert long != 3


def test_rows_without_an_outcome_or_weight_change_nothing():
    intervals = learned(*small(16))
    nothing = intervals.updated([NAN, math.inf, -math.inf, 5.0], [1, 1, NAN, 9], np.full((4, 2), 0.5), [1, 1, 1, 0])
    assert nothing == intervals
    assert intervals.updated([], [], np.empty((0, 2))) == intervals


# The form of the interval


@quick
@given(st.integers(0, 1000), st.floats(0.001, 0.95), st.floats(0.001, 0.95))
def test_more_coverage_is_never_narrower(seed, one, other):
    intervals = learned(*small(seed, n=60))
    (inner_low, inner_high), (outer_low, outer_high) = (
        everywhere(intervals, coverage) for coverage in sorted([one, other])
    )
    assert (inner_low <= 0).all()
    assert (inner_high >= 0).all()
    # Up to what rounding leaves of two equal ends.
    assert (outer_low <= inner_low * (1 - 1e-12)).all()
    assert (outer_high >= inner_high * (1 - 1e-12)).all()


def test_coverages_that_are_not_tracked_are_met_too():
    rng = np.random.default_rng(17)
    intervals, residuals = AdaptiveIntervals(0), rng.standard_t(4, size=2000)
    wanted, hits = np.array([0.2, 0.4, 0.65, 0.85, 0.93]), np.zeros(5)
    for start in range(0, 2000, 5):
        block = residuals[start : start + 5]
        if start >= 100:
            for place, coverage in enumerate(wanted):
                low, high = intervals.bounds(np.zeros(5), np.ones(5), np.empty((5, 0)), coverage)
                hits[place] += ((low <= block) & (block <= high)).sum()
        intervals = intervals.updated(block, np.ones(5), np.empty((5, 0)))
    np.testing.assert_allclose(hits / 1900, wanted, atol=0.03)


@pytest.mark.parametrize("unit", [2.0**-40, 2.0**40])
def test_the_unit_of_the_target_and_that_of_the_spread_do_not_matter(unit):
    residuals, spreads, memberships, weights = small(18, n=100)
    plain = learned(residuals, spreads, memberships, weights)
    other = learned(unit * residuals, spreads / unit, memberships, weights)
    for coverage in (0.3, 0.8, 0.9):
        expected = plain.bounds([0, 0], [0.5, 3.0], [[1, 0], [0, 0]], coverage)
        found = other.bounds([0, 0], [0.5 / unit, 3.0 / unit], [[1, 0], [0, 0]], coverage)
        np.testing.assert_allclose(found, unit * np.array(expected), rtol=1e-12)
    pd.testing.assert_frame_equal(plain.coverage_frame(), other.coverage_frame())


def test_residuals_the_other_way_round_give_the_mirrored_interval():
    residuals, spreads, memberships, weights = small(19, n=100)
    low, high = everywhere(learned(residuals, spreads, memberships, weights), 0.8)
    mirrored = everywhere(learned(-residuals, spreads, memberships, weights), 0.8)
    np.testing.assert_array_equal([-high, -low], mirrored)


def test_the_first_steps_by_hand():
    # The first residual sets the scale to 2; q starts as that of normal residuals, in units of their mean size.
    first = learned([2.0], memberships=[[1.0]], coverages=[0.8])
    start = math.log(stats.norm.ppf(0.9) * math.sqrt(math.pi / 2))
    np.testing.assert_allclose(everywhere(first, 0.8)[1, 0], 2 * math.exp(start))
    # 10 is a miss, above: 0.6 · 0.8 for all rows, half of it for the regime, a quarter of 0.6 for the lean.
    second = first.updated([10.0], [1.0], [[1.0]])
    fade = 2 ** (-1 / 25)
    scale = (2 * fade + 10) / (fade + 1)
    shift, lean = 0.6 * 0.8 * 1.5, 0.15
    expected = scale * np.exp([start + shift - lean, start + shift + lean]) * [-1, 1]
    np.testing.assert_allclose(everywhere(second, 0.8)[:, 0], expected)


def test_weights_multiply_the_steps():
    one = learned([2.0, 10.0], sample_weight=[1, 1], coverages=[0.8])
    half = learned([2.0, 10.0], sample_weight=[1, 0.5], coverages=[0.8])
    # The scale moves less, and so does the threshold: 0.5 · 0.6 · 0.8 instead of 0.6 · 0.8 and so for the lean.
    fade = 2 ** (-0.5 / 25)
    scales = [(2 * 2 ** (-1 / 25) + 10) / (2 ** (-1 / 25) + 1), (2 * fade + 5) / (fade + 0.5)]
    ratio = scales[0] / scales[1] * math.exp(0.24 + 0.075)
    np.testing.assert_allclose(everywhere(one, 0.8)[1, 0] / everywhere(half, 0.8)[1, 0], ratio)
    assert np.isfinite(everywhere(learned(*small(1)[:3], np.full(40, 1e50)), 0.9)).all()


# Streams that are hard on arithmetic


def test_before_anything_is_known_everything_may_happen():
    low, high = AdaptiveIntervals(1).bounds([1.0, NAN], [1.0, 1.0], [[1], [0]], 0.5)
    np.testing.assert_array_equal(low, [-np.inf, NAN])
    np.testing.assert_array_equal(high, [np.inf, NAN])
    assert AdaptiveIntervals(1).coverage_frame()["realised"].isna().all()


def test_models_that_are_never_wrong_get_an_interval_of_no_width_and_recover():
    intervals = learned(np.zeros(1000))
    low, high = intervals.bounds([3.0, NAN], [1, 1], np.empty((2, 0)), 0.95)
    np.testing.assert_array_equal(low, [3.0, NAN])
    np.testing.assert_array_equal(high, [3.0, NAN])
    assert (intervals.coverage_frame()["realised"] == 1).all()
    rng = np.random.default_rng(0)
    for quiet in (intervals, learned(np.append(rng.normal(size=100), np.zeros(1000)))):
        later = quiet.updated(rng.normal(size=500), np.ones(500), np.empty((500, 0)))
        for coverage in COVERAGES:
            assert 0.5 < everywhere(later, coverage)[1, 0] / stats.norm.ppf((1 + coverage) / 2) < 2


def test_the_same_residual_over_and_over_is_covered_as_often_as_stated():
    frame = learned(np.full(2000, -0.3)).coverage_frame()
    np.testing.assert_allclose(frame["realised"], COVERAGES, atol=0.03)


def test_absurd_outcomes_pass():
    rng = np.random.default_rng(1)
    residuals = rng.normal(size=1000)
    plain = learned(residuals)
    residuals[[300, 940]] = [1e300, -1e150]
    shaken = learned(residuals)
    for coverage in COVERAGES:
        assert everywhere(shaken, coverage)[1, 0] < 2 * everywhere(plain, coverage)[1, 0]
    cauchy = learned(rng.standard_cauchy(size=2000)).coverage_frame()
    np.testing.assert_allclose(cauchy["realised"], COVERAGES, atol=0.02)
    for unit in (1e-300, 1e300):
        assert np.isfinite(everywhere(learned(unit * rng.normal(size=50)), 0.9)).all()


@pytest.mark.parametrize("spread", [0.0, NAN, math.inf])
def test_a_spread_that_says_nothing_is_as_good_as_none(spread):
    residuals = np.random.default_rng(3).normal(size=200)
    found = everywhere(learned(residuals, np.full(200, spread)), 0.9)
    np.testing.assert_array_equal(found[:, :1], everywhere(learned(residuals), 0.9)[:, :1])


def test_nothing_is_forgotten_if_so_asked():
    intervals = learned(np.repeat([1.0, 3.0], 200), half_life=math.inf)
    assert everywhere(intervals, 0.9)[1, 0] < everywhere(learned(np.repeat([1.0, 3.0], 200)), 0.9)[1, 0]


# Other regimes


def test_regimes_are_carried_over_and_new_ones_lean_on_the_pool():
    intervals = learned(*small(20, n=300))
    moved = intervals.reindexed([-1, 1, 0])
    assert moved.n_regimes == 3
    for coverage in (0.4, 0.9):
        before = intervals.bounds([0, 0, 0], [1, 1, 1], [[0, 0], [0, 1], [1, 0]], coverage)
        np.testing.assert_array_equal(before, moved.bounds([0, 0, 0], [1, 1, 1], np.eye(3), coverage))
    np.testing.assert_array_equal(moved.n_rows, np.append(0.0, intervals.n_rows[[1, 0, 2]]))
    assert intervals.reindexed([0, 1]) == intervals
    assert intervals.reindexed([]).n_regimes == 0


# The scale, and the side


def test_the_scale_by_hand():
    assert np.isnan(AdaptiveIntervals(1).scale([1.0, NAN], [[1], [0]])).all()
    fade = 2 ** (-1 / 25)
    scale = learned([2.0, -10.0]).scale([1.0, NAN], np.empty((2, 0)))
    np.testing.assert_allclose(scale, (2 * fade + 10) / (fade + 1))
    np.testing.assert_array_equal(learned([0.0, 0.0]).scale([1.0], [[]]), [0.0])


def test_the_scale_is_what_residuals_are_measured_by():
    """All that a threshold of an unknown regime has to say is the same at every spread."""
    intervals, spreads = learned(*small(22, n=200)), [NAN, 0.2, 1.0, 5.0]
    nobody = np.zeros((4, 2))
    _, high = intervals.bounds(np.zeros(4), spreads, nobody, 0.9)
    ratio = high / intervals.scale(spreads, nobody)
    np.testing.assert_allclose(ratio, ratio[0])


def test_sides_by_hand():
    first = learned([2.0])
    sides = first.sides([0.0, NAN, 1.0, -5.0], np.ones(4), np.empty((4, 0)))
    np.testing.assert_allclose(sides, [0.5, 0.5, *stats.norm.cdf(np.array([1.0, 5.0]) / (2 * math.sqrt(math.pi / 2)))])
    np.testing.assert_array_equal(AdaptiveIntervals(0).sides([3.0], [1.0], [[]]), [0.5])
    certain = learned([0.0, 0.0]).sides([0.0, 1e-300], [1.0, 1.0], np.empty((2, 0)))
    np.testing.assert_array_equal(certain, [0.5, 1.0])


def test_sides_come_true_as_often_as_they_say_where_residuals_are_normal():
    rng = np.random.default_rng(24)
    state = states(rng, 2, 0.98)
    combined = rng.normal(size=N_ROWS)
    residuals = np.array([1.0, 3.0])[state] * rng.normal(size=N_ROWS)
    memberships, intervals, sides = np.eye(2)[state], AdaptiveIntervals(2), np.empty(N_ROWS)
    for start in range(0, N_ROWS, 10):
        rows = slice(start, start + 10)
        sides[rows] = intervals.sides(combined[rows], np.ones(10), memberships[rows])
        intervals = intervals.updated(residuals[rows], np.ones(10), memberships[rows])
    right = np.sign(combined + residuals) == np.sign(combined)
    for regime in range(2):
        rows = (state == regime) & (np.arange(N_ROWS) >= 250)
        assert abs(sides[rows].mean() - right[rows].mean()) < 0.03


def test_rows_come_and_go_without_leaving_anything_behind():
    """A row that is asked about is not learned from, and rows beside it do not matter."""
    intervals = learned(*small(25))
    _, spreads, memberships, _ = small(26)
    at_once = intervals.scale(spreads, memberships)
    single = [intervals.scale(spreads[row : row + 1], memberships[row : row + 1])[0] for row in range(40)]
    np.testing.assert_array_equal(at_once, single)
    assert intervals == learned(*small(25))


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_regimes": -1}, "n_regimes of AdaptiveIntervals must be an integer of at least 0; got -1"),
        ({"half_life": 0}, "half_life of AdaptiveIntervals must be a number above 0; got 0"),
        ({"coverages": [0.9, 0.5]}, r"in increasing order, such as \(0.5, 0.8, 0.9, 0.95\); got \[0.9, 0.5\]"),
        ({"coverages": [0.5, 1.0]}, "coverages of AdaptiveIntervals must be numbers between 0 and 1"),
        ({"coverages": []}, "coverages of AdaptiveIntervals must be numbers between 0 and 1"),
        ({"coverages": "high"}, "coverages of AdaptiveIntervals must be numbers; got 'high'"),
    ],
)
def test_parameters_that_make_no_sense_get_a_sentence(options, message):
    with pytest.raises(ValueError, match=message):
        AdaptiveIntervals(**{"n_regimes": 2, **options})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"residuals": [[1.0]]}, r"residuals of AdaptiveIntervals must be one number per row.*got \(1, 1\)"),
        ({"residuals": ["up", "down"]}, "residuals of AdaptiveIntervals must be numbers; got"),
        ({"spreads": [1.0]}, "spreads of AdaptiveIntervals must have one entry for each of the 2 rows; got 1"),
        ({"spreads": [1.0, -2.0]}, r"spreads of AdaptiveIntervals must not be negative; got \[1.0, -2.0\]"),
        ({"memberships": [[1], [0]]}, r"a shape of \(2, 2\); got \(2, 1\)"),
        ({"memberships": [[1, 0.5], [0, 0]]}, "shares of at least 0 that add up to at most 1"),
        ({"memberships": [[NAN, 0.5], [0, 0]]}, "shares of at least 0 that add up to at most 1"),
        ({"sample_weight": [1.0, -1.0]}, r"must be finite and not negative; got \[1.0, -1.0\]"),
        ({"sample_weight": [1.0]}, "sample_weight of AdaptiveIntervals must have one entry for each of the 2 rows"),
    ],
)
def test_rows_that_make_no_sense_get_a_sentence(changed, message):
    rows = {"residuals": [1.0, 2.0], "spreads": [1.0, 1.0], "memberships": [[1, 0], [0, 1]]}
    with pytest.raises(ValueError, match=message):
        AdaptiveIntervals(2).updated(**{**rows, **changed})


def test_what_else_is_refused():
    intervals = learned(*small(21))
    with pytest.raises(ValueError, match=r"coverage of AdaptiveIntervals must be at most 0.95.*got 0.99.*Name larger"):
        everywhere(intervals, 0.99)
    with pytest.raises(ValueError, match="coverage of AdaptiveIntervals must be a number above 0; got 0"):
        everywhere(intervals, 0)
    with pytest.raises(ValueError, match=r"regimes of AdaptiveIntervals must be 2 names.*got \['CALM'\]"):
        intervals.coverage_frame(["CALM"])
    with pytest.raises(ValueError, match=r"positions from 0 to 1, or -1 for a new one; got \[2\]"):
        intervals.reindexed([2])


def test_a_record_says_what_it_is():
    assert repr(learned([1, 2, 3], coverages=[0.9])) == (
        "AdaptiveIntervals(n_regimes=0, coverages=(0.9,), half_life=25) after 2 rows judged"
    )

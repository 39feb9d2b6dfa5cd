"""Adaptive confidence: what is said comes true as often as it is said, in every regime and from the start."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, logit

from skensemble.intervals import AdaptiveConfidence
from skensemble.performance import wilson_interval

NAN = float("nan")
N_ROWS = 3000
DOUBT, REGIME_DOUBT = 0.35, 0.25
quick = settings(deadline=None, max_examples=50)

# Log-odds of being right, by regime, where u is said: a slope and a level for each of two regimes.
WORLDS = {
    "calibrated": [(1, 0), (1, 0)],
    "overconfident": [(0.4, 0), (0.4, 0)],
    "modest": [(2, 0), (2, 0)],
    "one regime overstates": [(1, 0.4), (1, -0.6)],
    "one regime tells nothing": [(1.2, 0), (0, 0)],
    "one regime is wrong": [(1, 0), (-0.4, 0)],
    "always the same": [(0, 0.1), (0, 0.1)],
}


def states(rng, stay=0.98, n=N_ROWS):
    draws, moved = rng.integers(2, size=n), rng.random(n) > stay
    return draws[np.maximum.accumulate(np.where(moved, np.arange(n), 0))]


def world(kind, seed, n=N_ROWS):
    rng = np.random.default_rng(seed)
    state, u = states(rng, n=n), 1.5 * np.abs(rng.normal(size=n))
    slopes, levels = np.array(WORLDS[kind]).T[:, state]
    truth = expit(slopes * u + levels)
    return expit(u), (rng.random(n) < truth).astype(float), np.eye(2)[state], truth


def followed(nominal, right, memberships, step=1, **options):
    """What was stated of each row before its outcome, and the record in the end."""
    confidence, stated = AdaptiveConfidence(memberships.shape[1], **options), np.empty(len(nominal))
    for start in range(0, len(nominal), step):
        rows = slice(start, start + step)
        stated[rows] = confidence.probability(nominal[rows], memberships[rows])
        confidence = confidence.updated(nominal[rows], right[rows], memberships[rows])
    return stated, confidence


def everyone(frame):
    return frame.xs("all", level="stated")


# As often right as it says


@pytest.mark.parametrize("kind", WORLDS)
def test_what_is_stated_comes_true_in_every_regime(kind):
    nominal, right, memberships, truth = world(kind, 0)
    stated, confidence = followed(nominal, right, memberships, step=10)
    frame = everyone(confidence.reliability())
    assert (frame["stated"] - frame["right"]).abs().max() < 0.03
    # Once it has seen a few hundred rows, it is near the truth of each row and not only on average.
    assert np.abs(stated - truth)[500:].mean() < 0.035
    if kind != "calibrated":
        assert frame.loc["pooled", "log_loss"] < frame.loc["pooled", "nominal_log_loss"] + 0.003
    assert frame.loc["pooled", "log_loss"] < frame.loc["pooled", "nominal_log_loss"] + 0.005


@pytest.mark.parametrize("kind", WORLDS)
def test_it_is_never_badly_wrong_on_the_first_rows(kind):
    """On the first hundred rows it is hardly off where the nominal is right, and less than it elsewhere."""
    errors = []
    for seed in range(10):
        nominal, right, memberships, truth = world(kind, 100 + seed, n=100)
        stated, _ = followed(nominal, right, memberships)
        errors.append([np.abs(stated - truth).mean(), np.abs(nominal - truth).mean()])
    ours, nominal_error = np.mean(errors, axis=0)
    assert ours < max(0.04, 0.75 * nominal_error)


def test_a_change_is_followed():
    rng = np.random.default_rng(1)
    u = 1.5 * np.abs(rng.normal(size=2 * N_ROWS))
    truth = expit(u * np.where(np.arange(2 * N_ROWS) < N_ROWS, 1.0, 0.0))
    right = (rng.random(2 * N_ROWS) < truth).astype(float)
    stated, _ = followed(expit(u), right, np.empty((2 * N_ROWS, 0)), step=10)
    assert np.abs(stated - truth)[N_ROWS : N_ROWS + 100].mean() > 0.15
    assert np.abs(stated - truth)[-1000:].mean() < 0.05


def test_a_regime_without_rows_of_its_own_states_what_all_have_in_common():
    nominal, right, memberships, _ = world("overconfident", 2)
    confidence = AdaptiveConfidence(3).updated(nominal, right, np.column_stack([memberships, np.zeros(N_ROWS)]))
    unseen, unknown = confidence.probability([0.9, 0.9], [[0, 0, 1], [0, 0, 0]])
    assert unseen == unknown
    assert abs(unseen - expit(0.4 * logit(0.9))) < 0.07


# By hand, and against the same by another way


def test_the_first_step_by_hand():
    """One row from a normal prior: u says 2, it was wrong; the most probable log-odds solve t = 2 - v expit(t)."""
    confidence = AdaptiveConfidence(0, half_life=math.inf).updated([expit(2.0)], [0], [[]])
    variance = DOUBT**2 * (2.0**2 + 1.0)
    t = logit(confidence.probability([expit(2.0)], [[]])[0])
    assert t == pytest.approx(2.0 - variance * expit(t))
    # A row that says nothing has only the level to learn from: b moves by the same as a does per unit of u.
    moved = (t - 2.0) / (2.0**2 + 1.0)
    assert logit(confidence.probability([0.5], [[]])[0]) == pytest.approx(moved)


def test_without_forgetting_it_is_nearly_the_regression_on_all_rows():
    nominal, right, memberships, _ = world("one regime overstates", 3, n=400)
    confidence = AdaptiveConfidence(2, half_life=math.inf).updated(nominal, right, memberships)
    u = logit(nominal)
    design = np.column_stack([u, np.ones(400), *(part for m in memberships.T for part in (m * u, m))])
    prior, doubts = np.eye(6)[0], np.array([DOUBT] * 2 + [REGIME_DOUBT] * 4)

    def cost(w):
        return np.logaddexp(0, -(2 * right - 1) * (design @ w)).sum() + (((w - prior) / doubts) ** 2).sum() / 2

    best = minimize(cost, prior, tol=1e-10).x
    new = np.array([0.55, 0.7, 0.9])
    for regime in range(2):
        inside = np.tile(np.eye(2)[regime], (3, 1))
        row = np.column_stack([logit(new), np.ones(3), *(p for m in inside.T for p in (m * logit(new), m))])
        np.testing.assert_allclose(confidence.probability(new, inside), expit(row @ best), atol=0.02)


def test_two_rows_at_once_are_nearly_a_row_of_weight_two():
    twice = AdaptiveConfidence(0, half_life=1e9).updated([0.7, 0.7], [1, 1], [[], []])
    heavy = AdaptiveConfidence(0, half_life=1e9).updated([0.7], [1], [[]], [2.0])
    np.testing.assert_allclose(twice.probability([0.7], [[]]), heavy.probability([0.7], [[]]), atol=1e-3)


def test_everything_is_forgotten_in_the_end():
    confidence = AdaptiveConfidence(1, half_life=10).updated(np.full(100, 0.9), np.zeros(100), np.ones((100, 1)))
    assert confidence.probability([0.9], [[1]])[0] < 0.3
    # Rows at 0.5 that are right half of the time say nothing of the slope, which goes back to one.
    later = confidence.updated(np.full(400, 0.5), np.arange(400) % 2, np.ones((400, 1)))
    assert later.probability([0.9], [[1]])[0] == pytest.approx(0.9, abs=0.02)


# The form of the answer


@quick
@given(st.integers(0, 1000), st.floats(0, 1), st.floats(0, 1))
def test_probabilities_are_probabilities_and_at_the_start_the_nominal_ones(seed, one, other):
    nominal, right, memberships, _ = world("calibrated", seed, n=30)
    fresh = AdaptiveConfidence(2)
    np.testing.assert_allclose(fresh.probability([one], [[0, 0]]), np.clip(one, 1e-3, 1 - 1e-3), atol=1e-12)
    said = fresh.updated(nominal, right, memberships).probability([one, other], [[1, 0], [0.5, 0.5]])
    assert ((said > 0) & (said < 1)).all()


def test_what_is_certain_and_what_is_unknown_pass():
    confidence = AdaptiveConfidence(0).updated([1.0, 1.0, 0.0, NAN, 0.7], [0, 1, 1, 1, NAN], np.empty((5, 0)))
    assert confidence.n_rows.tolist() == [3]
    said = confidence.probability([1.0, 0.5, 0.0, NAN], np.empty((4, 0)))
    assert np.isfinite(said[:3]).all()
    assert math.isnan(said[3])


def test_a_single_absurd_row_does_not_rule():
    confidence = AdaptiveConfidence(0).updated([1.0], [0], [[]])
    assert 0.4 < confidence.probability([0.8], [[]])[0] < 0.8
    assert confidence.probability([1.0], [[]])[0] > 0.4


# The record


def test_reliability_counts_what_was_stated():
    nominal, right, memberships, _ = world("one regime tells nothing", 4, n=300)
    stated, confidence = followed(nominal, right, memberships)
    frame = confidence.reliability(["CALM", "WILD"])
    assert list(frame.index.get_level_values("regime").unique()) == ["CALM", "WILD", "pooled"]
    for name, rows in (("WILD", memberships[:, 1] == 1), ("pooled", np.ones(300, dtype=bool))):
        part = frame.loc[name]
        bins = pd.Series(np.minimum((stated[rows] * 20).astype(int), 19))
        assert list(part.index) == [*(f"{k / 20:.2f} to {(k + 1) / 20:.2f}" for k in sorted(bins.unique())), "all"]
        np.testing.assert_allclose(part["n"].iloc[:-1], bins.value_counts().sort_index())
        np.testing.assert_allclose(part["right"].iloc[:-1], pd.Series(right[rows]).groupby(bins).mean())
        total = part.loc["all"]
        of_outcome = np.where(right[rows] == 1, stated[rows], 1 - stated[rows])
        of_nominal = np.where(right[rows] == 1, nominal[rows], 1 - nominal[rows])
        expected = {
            "n": rows.sum(),
            "stated": stated[rows].mean(),
            "right": right[rows].mean(),
            "brier": ((1 - of_outcome) ** 2).mean(),
            "log_loss": -np.log(of_outcome).mean(),
            "nominal": nominal[rows].mean(),
            "nominal_brier": ((1 - of_nominal) ** 2).mean(),
            "nominal_log_loss": -np.log(of_nominal).mean(),
        }
        for column, value in expected.items():
            assert total[column] == pytest.approx(value), column
        low, high = wilson_interval(right[rows].sum(), rows.sum())
        np.testing.assert_allclose(total[["low", "high"]].astype(float), [low, high])
    np.testing.assert_array_equal(confidence.n_rows, everyone(frame)["n"])


def test_a_record_without_rows_shows_that_it_has_none():
    frame = AdaptiveConfidence(1).reliability()
    assert list(frame.index) == [(0, "all"), ("pooled", "all")]
    assert (frame["n"] == 0).all()
    assert frame.drop(columns="n").isna().all(axis=None)


def test_a_regime_that_goes_takes_only_what_was_its_own():
    """The rest is what one would know without asking about it: later outcomes teach the same."""
    rng = np.random.default_rng(5)
    rows = rng.uniform(0.5, 1, 300), rng.integers(2, size=300).astype(float), rng.dirichlet(np.ones(3), size=300)
    before = AdaptiveConfidence(3).updated(*rows)
    shorter = before.reindexed([2, 0])
    new = rng.uniform(0.5, 1, 50), rng.integers(2, size=50).astype(float), rng.dirichlet(np.ones(2), size=50)
    stay = before.updated(*new[:2], np.column_stack([new[2][:, 1], np.zeros(50), new[2][:, 0]]))
    np.testing.assert_allclose(
        shorter.updated(*new).probability([0.6, 0.9], [[1, 0], [0, 1]]),
        stay.probability([0.6, 0.9], [[0, 0, 1], [1, 0, 0]]),
        atol=1e-3,
    )


# What is refused


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"nominal": [1.2, 0.5]}, "nominal of AdaptiveConfidence must be probabilities between 0 and 1, or NaN; got"),
        ({"nominal": [[0.5]]}, r"nominal of AdaptiveConfidence must be one number per row.*got \(1, 1\)"),
        ({"right": [0.5, 1]}, "right of AdaptiveConfidence must be 1 where the prediction was right, 0 where it was"),
        ({"right": [1]}, "right of AdaptiveConfidence must have one entry for each of the 2 rows; got 1"),
        ({"right": ["yes", "no"]}, "right of AdaptiveConfidence must be numbers"),
    ],
)
def test_rows_that_make_no_sense_get_a_sentence(changed, message):
    rows = {"nominal": [0.6, 0.7], "right": [1, 0], "memberships": np.empty((2, 0))}
    with pytest.raises(ValueError, match=message):
        AdaptiveConfidence(0).updated(**{**rows, **changed})


def test_a_half_life_of_nothing_is_refused():
    with pytest.raises(ValueError, match="half_life of AdaptiveConfidence must be a number above 0; got 0"):
        AdaptiveConfidence(0, half_life=0)

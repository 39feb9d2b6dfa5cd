"""Trades of single models: what they teach, and what is said when they cannot be read."""

import dataclasses
import pickle
from collections import namedtuple

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from skensemble.trades import TradeEvidence, Trades, check_trades

NAN = float("nan")
MODELS = ["ridge", "forest", "boost"]
REGIMES = ["calm", "wild"]
quick = settings(deadline=None, max_examples=50)


def stream(seed, n=60, n_models=3, n_regimes=2, *, asleep=0.5, soft=False):
    """Profits with gaps, memberships with unknown rows, and weights with zeros."""
    rng = np.random.default_rng(seed)
    profits = 3 * np.arange(n_models) + 20 * rng.standard_t(3, size=(n, n_models))
    profits[rng.random(profits.shape) < 0.1] = 0
    profits[rng.random(profits.shape) < asleep] = NAN
    if soft:
        memberships = rng.dirichlet(np.ones(n_regimes), size=n)
    else:
        memberships = np.eye(n_regimes)[rng.integers(n_regimes, size=n)]
    memberships[rng.random(n) < 0.1] = 0
    return profits, memberships, rng.integers(0, 3, size=n).astype(float)


def learned(profits, memberships, sample_weight=None, **options):
    profits, memberships = np.asarray(profits, dtype=float), np.asarray(memberships, dtype=float)
    return TradeEvidence(profits.shape[1], memberships.shape[1], **options).updated(profits, memberships, sample_weight)


def contexts(n_regimes):
    """Each regime, an unknown one, and an even mix of all."""
    return np.vstack([np.eye(n_regimes), np.zeros(n_regimes), np.full(n_regimes, 1 / n_regimes)])


# What is learned


def test_without_trades_all_are_equal():
    np.testing.assert_allclose(TradeEvidence(4, 2).weights(contexts(2)), 0.25, rtol=1e-12)


def test_one_trade_by_hand():
    # One trade of +50: the size is 50, so it counts as 1. trust = 1/101, the centre is 1, its gap 0; the ratio is
    # (0.02 − 1/101²) / 2, the variance 2 / 2. The one that traded is at the centre, with the smaller variance.
    inertia = 2 / (0.02 - 1 / 101**2)
    means, deviations = np.array([1.0, 1.0]), np.sqrt([1 / (1 + inertia), 1 / inertia])
    chance = stats.norm.cdf((means[0] - means[1]) / np.hypot(*deviations))
    np.testing.assert_allclose(learned([[50, NAN]], [[]]).weights([[]]), [[chance, 1 - chance]], atol=2e-3)


def test_two_models_by_hand():
    # Four trades of +30 and four of −30: size 30, means 1 and −1, no spread: variance 2 / (2 + 3 + 3).
    evidence = learned([[30, -30]] * 4, np.empty((4, 0)), half_life=np.inf)
    variance, trust = 0.25, 4 / 104
    excess = 2 * trust**2 * (1 / variance - 1 / 4)
    inertia = 2 / (0.02 + excess)
    mean, deviation = 4 / (4 + inertia), np.sqrt(variance / (4 + inertia))
    chance = stats.norm.cdf(2 * mean / (np.sqrt(2) * deviation))
    np.testing.assert_allclose(evidence.weights([[]]), [[chance, 1 - chance]], atol=2e-3)
    assert chance > 0.6


def test_counts_fade_on_the_clock_of_each_model():
    evidence = learned([[5, NAN]] * 3 + [[NAN, 5]], [[1, 0], [1, 0], [0, 1], [0, 0]], half_life=1)
    np.testing.assert_allclose(evidence.n_trades, [[1.5, 0], [1, 0], [1.75, 1]])


def test_soft_memberships_count_in_parts():
    evidence = learned([[5, -5]], [[0.25, 0.75]], [2.0])
    np.testing.assert_allclose(evidence.n_trades, [[0.5, 0.5], [1.5, 1.5], [2, 2]])


@pytest.mark.parametrize("n_models", [2, 3, 7])
def test_the_weights_are_the_chances_to_be_the_best(n_models):
    from skensemble.trades._beliefs import chances_to_be_best

    rng = np.random.default_rng(n_models)
    means, deviations = rng.normal(size=n_models), rng.uniform(0.5, 3, size=n_models)
    grid = np.linspace(-30, 30, 60_001)[:, None]
    below, density = stats.norm.cdf(grid, means, deviations), stats.norm.pdf(grid, means, deviations)
    expected = [(density[:, k] * np.delete(below, k, axis=1).prod(axis=1)).sum() * 1e-3 for k in range(n_models)]
    np.testing.assert_allclose(chances_to_be_best(means[None], deviations[None])[0], expected, atol=4e-3)


def test_a_belief_far_surer_than_the_others_is_integrated_too():
    from skensemble.trades._beliefs import chances_to_be_best

    found = chances_to_be_best(np.array([[0.0, 0.5]]), np.array([[1.0, 1e-20]]))
    np.testing.assert_allclose(found[0, 0], stats.norm.sf(0.5), rtol=1e-6)


def test_the_better_model_of_each_regime_is_found_and_the_pool_serves_an_unknown_one():
    rng = np.random.default_rng(3)
    memberships = np.eye(2)[rng.integers(2, size=600)]
    means = memberships @ np.array([[30.0, -30.0, 0.0], [-30.0, 40.0, 0.0]])
    weights = learned(means + 50 * rng.normal(size=means.shape), memberships).weights([[1, 0], [0, 1], [0, 0]])
    assert weights[0, 0] > 0.95
    assert weights[1, 1] > 0.95
    assert weights[2].max() < 0.95


def test_a_rare_regime_leans_on_the_pool():
    rng = np.random.default_rng(4)
    memberships = np.tile([[1.0, 0.0]], (400, 1))
    memberships[-3:] = [0, 1]
    profits = [20, 0] + 50 * rng.normal(size=(400, 2))
    weights = learned(profits, memberships).weights([[1, 0], [0, 1]])
    assert (weights[:, 0] > 0.9).all()


def test_what_a_regime_adds_to_all_is_not_taken_for_skill_of_those_who_traded_there():
    rng = np.random.default_rng(5)
    memberships = np.repeat(np.eye(2), 300, axis=0)
    profits = memberships @ [[-40.0] * 3, [40.0] * 3] + 30 * rng.normal(size=(600, 3))
    profits[310:, 2] = NAN
    weights = learned(profits, memberships).weights([[0, 1], [0, 0]])
    assert weights[0, 2] > 0.15
    assert weights[1, 2] > 0.03


def test_a_model_that_never_traded_is_neither_ruled_out_nor_trusted_alone():
    profits = np.random.default_rng(6).normal(5, 50, size=(500, 6))
    profits[:, 2] = NAN
    weights = learned(profits, np.empty((500, 0))).weights([[]])[0]
    assert 0.01 < weights[2] < 0.5


def test_the_leader_is_dropped_after_it_has_turned():
    rng = np.random.default_rng(7)
    before, after = rng.normal([30, 10], 40, size=(500, 2)), rng.normal([-30, 10], 40, size=(700, 2))
    evidence = learned(before, np.empty((500, 0)))
    assert evidence.weights([[]])[0, 0] > 0.95
    assert evidence.updated(after, np.empty((700, 0))).weights([[]])[0, 0] < 0.1


# What absurd trades do


def test_a_few_absurd_trades_do_not_rule():
    rng = np.random.default_rng(8)
    profits = rng.normal([20, 0], 30, size=(300, 2))
    clean = learned(profits, np.empty((300, 0))).weights([[]])[0]
    profits[[100, 200]] = [[-10_000, NAN], [NAN, 10_000]]
    assert clean[0] > 0.99
    assert learned(profits, np.empty((300, 0))).weights([[]])[0, 0] > 0.95


def test_an_absurd_first_trade_is_forgotten():
    profits = np.random.default_rng(9).normal([20, 0], 30, size=(300, 2))
    profits[0] = [-10_000, NAN]
    assert learned(profits, np.empty((300, 0))).weights([[]])[0, 0] > 0.95


def test_small_gains_do_not_hide_disasters_that_recur():
    rng = np.random.default_rng(10)
    profits = rng.normal([12, 0], 5, size=(3_000, 2))
    profits[rng.random(3_000) < 0.04, 0] = -600
    assert learned(profits, np.empty((3_000, 0))).weights([[]])[0, 0] < 0.05


@pytest.mark.parametrize("size", [1e-300, 1e-150, 1e150, 1e300])
@pytest.mark.parametrize("half_life", [1e-9, 1000.0, np.inf])
def test_weights_stay_finite_at_extremes(size, half_life):
    rows = [[size, -1 / size, 0], [0, 0, 0], [-size, size, NAN], [1.0, NAN, -np.inf]] * 5
    evidence = learned(rows, [[1, 0]] * 20, np.tile([1, 1e-30, 1e30, 1e300], 5), half_life=half_life)
    weights = evidence.weights(contexts(2))
    assert (weights > 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1)


def test_only_zeros_teach_nothing_about_who_is_the_best():
    np.testing.assert_allclose(learned([[0, 0]] * 9, [[1]] * 9).weights([[1]]), 0.5, rtol=1e-9)


def test_one_model_has_all_the_weight():
    np.testing.assert_array_equal(learned([[5], [-9]], [[1], [0]]).weights([[1], [0]]), 1)


# What holds always


@quick
@given(seed=st.integers(0, 10**6), cut=st.integers(0, 60), soft=st.booleans())
def test_rows_at_once_equal_rows_one_by_one(seed, cut, soft):
    profits, memberships, weight = stream(seed, soft=soft)
    whole = learned(profits, memberships, weight)
    start = TradeEvidence(3, 2)
    halves = start.updated(profits[:cut], memberships[:cut], weight[:cut])
    halves = pickle.loads(pickle.dumps(halves)).updated(profits[cut:], memberships[cut:], weight[cut:])
    single = start
    for row in range(len(profits)):
        single = single.updated(profits[row : row + 1], memberships[row : row + 1], weight[row : row + 1])
    assert whole == halves == single
    assert start == TradeEvidence(3, 2)
    np.testing.assert_array_equal(whole.weights(contexts(2)), single.weights(contexts(2)))


@quick
@given(seed=st.integers(0, 10**6), power=st.integers(-60, 60))
def test_the_unit_of_profits_does_not_matter(seed, power):
    profits, memberships, weight = stream(seed)
    expected = learned(profits, memberships, weight).weights(contexts(2))
    for factor, tolerance in ((2.0**power, 0.0), (10.0 ** (power / 3), 1e-7)):
        found = learned(profits * factor, memberships, weight).weights(contexts(2))
        np.testing.assert_allclose(found, expected, rtol=tolerance)


@quick
@given(seed=st.integers(0, 10**6), order=st.permutations(range(5)))
def test_the_order_of_models_does_not_matter(seed, order):
    profits, memberships, weight = stream(seed, n_models=5)
    expected = learned(profits, memberships, weight).weights(contexts(2))[:, order]
    np.testing.assert_allclose(
        learned(profits[:, order], memberships, weight).weights(contexts(2)), expected, rtol=1e-9
    )


@quick
@given(seed=st.integers(0, 10**6), soft=st.booleans())
def test_weights_are_chances(seed, soft):
    profits, memberships, weight = stream(seed, soft=soft)
    weights = learned(profits, memberships, weight).weights(memberships)
    assert weights.shape == (60, 3)
    assert (weights > 0).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-12)
    one = learned(profits, memberships, weight).weights(memberships[7:8])
    np.testing.assert_allclose(one, weights[7:8], rtol=1e-9)


@quick
@given(seed=st.integers(0, 10**6))
def test_rows_of_no_trade_or_no_weight_change_nothing(seed):
    evidence = learned(*stream(seed))
    assert evidence.updated([[NAN, NAN, NAN], [NAN, np.inf, NAN]], [[1, 0], [0, 0]]) == evidence
    assert evidence.updated([[9, -9, 9]], [[1, 0]], [0]) == evidence
    assert evidence.updated(np.empty((0, 3)), np.empty((0, 2))) == evidence


def test_a_constant_added_to_all_profits_hardly_matters():
    profits = np.random.default_rng(11).normal([8, 4, 0], 40, size=(400, 3))
    memberships = np.eye(2)[np.arange(400) % 2]
    expected = learned(profits, memberships).weights(contexts(2))
    for constant in (-40, 20, 40):
        np.testing.assert_allclose(learned(profits + constant, memberships).weights(contexts(2)), expected, atol=0.04)


@pytest.mark.parametrize("sleeper", [0, 1, 2])
def test_who_does_not_trade_keeps_its_record(sleeper):
    profits, memberships, weight = stream(12, asleep=0)
    before = learned(profits, memberships, weight)
    profits[:, sleeper] = NAN
    after = before.updated(profits, memberships, weight)
    np.testing.assert_array_equal(after.n_trades[:, sleeper], before.n_trades[:, sleeper])


# Retraining


def test_reindexed_moves_records_and_new_ones_are_empty():
    profits, memberships, _ = stream(13)
    evidence = learned(profits, memberships)
    moved = evidence.reindexed([2, -1, 0, 1], [1, -1])
    expected = np.zeros((3, 4))
    expected[np.ix_([0, 2], [0, 2, 3])] = evidence.n_trades[np.ix_([1, 2], [2, 0, 1])]
    np.testing.assert_array_equal(moved.n_trades, expected)
    assert evidence.reindexed([2, 0, 1], [1, 0]).reindexed([1, 2, 0], [1, 0]) == evidence
    assert evidence.reindexed(range(3), range(2)) == evidence


def test_reindexed_then_updated_equals_the_stream_of_those_models():
    profits, memberships, _ = stream(14)
    order = [2, 0, 1]
    later = learned(profits[:30], memberships[:30]).reindexed(order, [0, 1])
    later = later.updated(profits[30:][:, order], memberships[30:])
    assert later == learned(profits[:, order], memberships)


def test_faded_models_know_less():
    profits = np.random.default_rng(15).normal([20, 0], 30, size=(300, 2))
    evidence = learned(profits, np.empty((300, 0)))
    assert evidence.faded([1, 1]) == evidence
    np.testing.assert_allclose(evidence.faded([0.5, 1]).n_trades, evidence.n_trades * [0.5, 1])
    np.testing.assert_allclose(evidence.faded([0, 0]).weights([[]]), 0.5, rtol=1e-6)


def test_repr_and_hash():
    evidence = learned([[5, NAN]], [[1]])
    assert repr(evidence) == "TradeEvidence(n_models=2, n_regimes=1, half_life=1000) after 1 trades that count"
    assert hash(evidence) == hash(TradeEvidence(2, 1))
    assert evidence != TradeEvidence(2, 1)
    assert evidence != "evidence"


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda e: e.updated([[1, 2, 3]], [[1]]),
            r"profits_bps .* one column per model.*\(n_samples, 2\); got \(1, 3\)",
        ),
        (lambda e: e.updated([["a", 2]], [[1]]), r"profits_bps .* must be numbers; got \[\['a', 2\]\]"),
        (lambda e: e.updated([[1, 2]], [[1, 0]]), r"memberships .* one column per regime.*got \(1, 2\)"),
        (lambda e: e.updated([[1, 2]], [[1.5]]), r"memberships .* at most 1 in each row; got \[\[1.5\]\]"),
        (lambda e: e.updated([[1, 2]], [[NAN]]), r"memberships .* got \[\[nan\]\]"),
        (lambda e: e.updated([[1, 2]], [[1], [1]]), r"one entry for each of the 1 rows .* got shapes \(2, 1\)"),
        (lambda e: e.updated([[1, 2]], [[1]], [-1]), r"sample_weight .* not negative; got \[-1.0\]"),
        (lambda e: e.updated([[1, 2]], [[1]], [NAN]), r"sample_weight .* finite .* got \[nan\]"),
        (lambda e: e.updated([[1, 2]], [[1]], [1, 1]), r"sample_weight .* got shapes \(1, 1\) and \(2,\)"),
        (lambda e: e.weights([[-0.5]]), r"memberships .* at least 0 .* got \[\[-0.5\]\]"),
        (lambda e: e.reindexed([0, 2], [0]), r"model_positions .* from 0 to 1, or -1 .* got \[0, 2\]"),
        (lambda e: e.reindexed([0, 1], [-2]), r"regime_positions .* got \[-2\]"),
        (lambda e: e.faded([1, 2]), r"factor .* 2 numbers from 0 to 1.* got \[1.0, 2.0\]"),
        (lambda e: e.faded([1]), r"factor .* one per model; got \[1.0\]"),
        (lambda _: TradeEvidence(0, 1), r"n_models of TradeEvidence must be an integer of at least 1; got 0"),
        (lambda _: TradeEvidence(1, -1), r"n_regimes of TradeEvidence must be an integer of at least 0; got -1"),
        (lambda _: TradeEvidence(1, 1, half_life=0), r"half_life of TradeEvidence must be a number above 0; got 0"),
    ],
)
def test_wrong_numbers_get_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(TradeEvidence(2, 1))


# Reading trades

NamedTrade = namedtuple("NamedTrade", ["model", "won", "profit_bps", "regime"])


@dataclasses.dataclass
class DeskTrade:
    model: str | None
    won: bool
    profit_bps: float
    regime: str | None


ROWS = [("forest", True, 12.5, "calm"), (None, False, -3.0, None), ("ridge", False, 0.0, "never seen")]
COLUMNS = ["model", "won", "profit_bps", "regime"]


@pytest.mark.parametrize(
    "trades",
    [
        pd.DataFrame(ROWS, columns=COLUMNS),
        pd.DataFrame(ROWS, columns=COLUMNS).convert_dtypes(),
        pd.DataFrame(ROWS, columns=COLUMNS).astype({"model": "category", "regime": "category"}),
        pd.DataFrame(ROWS, columns=COLUMNS).astype({"won": float}),
        pd.DataFrame(ROWS, columns=COLUMNS)[COLUMNS[::-1]],
        pl.DataFrame(ROWS, schema=COLUMNS, orient="row"),
        [dict(zip(COLUMNS, row, strict=True)) for row in ROWS],
        (dict(zip(COLUMNS, row, strict=True)) for row in ROWS),
        [NamedTrade(*row) for row in ROWS],
        [DeskTrade(*row) for row in ROWS],
        [row for _, row in pd.DataFrame(ROWS, columns=COLUMNS).iterrows()],
    ],
    ids=[
        "frame",
        "nullable",
        "category",
        "floats",
        "reordered",
        "polars",
        "dicts",
        "generator",
        "tuple",
        "data",
        "series",
    ],
)
def test_trades_of_any_kind_read_the_same(trades):
    read = check_trades(trades, MODELS, REGIMES)
    assert isinstance(read, Trades)
    assert len(read) == 3
    assert read.models.tolist() == [1, -1, 0]
    np.testing.assert_array_equal(read.won, [1, 0, NAN])
    assert read.profits_bps.tolist() == [12.5, -3, 0]
    assert read.regimes.tolist() == ["calm", None, None]
    assert read.time is None
    assert read.sample_weight.tolist() == [1, 1, 1]


def test_one_trade_with_everything():
    when = pd.Timestamp("2024-03-01 16:00", tz="UTC")
    trade = {"model": "boost", "won": np.True_, "profit_bps": np.float32(4), "regime": "wild", "time": when}
    read = check_trades({**trade, "sample_weight": 2}, MODELS, REGIMES)
    assert (read.models.tolist(), read.won.tolist(), read.profits_bps.tolist()) == ([2], [1], [4])
    assert (read.regimes.tolist(), read.time.tolist(), read.sample_weight.tolist()) == (["wild"], [when], [2])


def test_what_is_not_given_follows_or_is_unknown():
    read = check_trades([{"model": "boost", "won": False}, {"model": "boost", "profit_bps": -2}], MODELS, REGIMES)
    np.testing.assert_array_equal(read.won, [0, 0])
    np.testing.assert_array_equal(read.profits_bps, [NAN, -2])
    assert len(check_trades([], MODELS, REGIMES)) == 0
    assert len(check_trades(pd.DataFrame(columns=COLUMNS), MODELS, REGIMES)) == 0


def test_labels_of_any_kind_and_equal_times():
    rows = [{"model": "boost", "won": True, "regime": label, "time": 3} for label in (("a", 1), 2, NAN, pd.NA, 1.5)]
    read = check_trades(rows, MODELS, np.array([2, 3]))
    assert read.regimes.tolist() == [None, 2, None, None, None]
    assert check_trades(rows[:1], MODELS, [("a", 1)]).regimes.tolist() == [("a", 1)]


def test_fractions_are_told_from_small_profits():
    rows = [{"model": "ridge", "profit_bps": profit} for profit in (0.01, 0.0, 0.02, -35.0)]
    assert len(check_trades(rows, MODELS, REGIMES)) == 4
    with pytest.raises(ValueError, match="multiply by 10,000"):
        check_trades(rows[:3], MODELS, REGIMES)


def trade(**fields):
    return {"model": "ridge", "won": True, "profit_bps": 12.0, **fields}


def without(*names):
    return {name: value for name, value in trade().items() if name not in names}


@pytest.mark.parametrize(
    ("trades", "sentence"),
    [
        (None, r"trades must be a DataFrame, one trade as a dict.*got None"),
        ("ridge", r"trades must be .*got 'ridge'"),
        ([trade(), 3], r"trades\[1\] must be a dict.*got 3"),
        ([trade(profit=3)], r"a field of trades\[0\] must be one of .*got 'profit'.* Did you mean 'profit_bps'\?"),
        (pd.DataFrame([trade(pnl=3)]), r"a column of trades must be one of .*got 'pnl'"),
        (pd.DataFrame([["a", True, True]], columns=["model", "won", "won"]), r"must appear once; got 'won' twice"),
        (without("model"), r"trades\[0\] has no model; got .*model=None for a trade of the ensemble"),
        ([trade(), without("won", "profit_bps")], r"trades\[1\] has neither won nor profit_bps.*Add one or both"),
        (trade(model="rigde"), r"model of trades\[0\] must be one of 'ridge', .*got 'rigde'.* Did you mean 'ridge'\?"),
        (trade(model=0), r"model of trades\[0\] must be one of .*got 0\.$"),
        ({"model": ["ridge", "boost"], "won": [True, True]}, r"one name, since a dict is one trade.*Pass a DataFrame"),
        (trade(profit_bps=NAN), r"profit_bps of trades\[0\] must be a finite number; got nan.*Leave it out"),
        (trade(profit_bps=np.inf), r"profit_bps of trades\[0\] must be a finite number; got inf"),
        (trade(profit_bps=10**400), r"profit_bps of trades\[0\] must be a finite number; got 1000"),
        (trade(profit_bps="12"), r"profit_bps of trades\[0\] must be a finite number; got '12'"),
        (trade(profit_bps=True), r"profit_bps of trades\[0\] must be a finite number; got True"),
        (trade(profit_bps=None), r"profit_bps of trades\[0\] must be a finite number; got None.*Leave it out"),
        (trade(won=NAN), r"won of trades\[0\] must be True or False; got nan.*Leave it out"),
        (trade(won=None), r"won of trades\[0\] must be True or False; got None.*Leave it out"),
        (trade(won="True"), r"won of trades\[0\] must be True or False; got 'True'.*Text"),
        (trade(won=2), r"won of trades\[0\] must be True or False; got 2"),
        (trade(won=False), r"won of trades\[0\] contradicts its profit_bps: got won=False with profit_bps=12"),
        (trade(profit_bps=-12), r"contradicts its profit_bps: got won=True with profit_bps=-12"),
        (trade(profit_bps=0), r"contradicts its profit_bps: got won=True with profit_bps=0"),
        (trade(profit_bps=0.0123), r"profit_bps of trades looks like fractions: .* 0.0123 .*multiply by 10,000"),
        ([trade(profit_bps=0.01), trade(profit_bps=0.08)] + [trade(profit_bps=0.002)] * 3, r"looks like fractions"),
        ([trade(time=2), trade(time=1)], r"time of trades\[1\] goes backwards; got 1 after 2.*Sort"),
        ([trade(time=1), trade()], r"time of trades\[1\] is missing.*all times or none"),
        ([trade(time=pd.NaT)], r"time of trades\[0\] is missing; got NaT"),
        ([trade(time=1), trade(time="noon")], r"time of trades\[1\] cannot be compared .*got 'noon' after 1"),
        (trade(sample_weight=-1), r"sample_weight of trades\[0\] must not be negative; got -1"),
        (trade(sample_weight=NAN), r"sample_weight of trades\[0\] must be a finite number; got nan"),
        (trade(regime=["calm"]), r"regime of trades\[0\] must be one label, or None.*got \['calm'\]"),
    ],
)
def test_bad_trades_get_a_sentence(trades, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_trades(trades, MODELS, REGIMES)

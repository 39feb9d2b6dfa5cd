"""The ledger says what plain arithmetic on the whole history says, however the history arrived."""

import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from skensemble.performance import (
    Ledger,
    effective_number,
    mean_interval,
    performance_figures,
    rate_interval,
    sharpe_interval,
    trade_outcomes,
    wilson_interval,
)

MODELS = ["ridge", "forest", "boost"]
REGIMES = ["calm", "wild"]
LOOKBACK = 20
CHANNELS = ("losses", "wins", "profits_bps", "agreements")
# What is a sum of weights, and so has their scale.
SUMS = ["n", "won", "lost", "n_trades", "drawdown_bps", "n_agreement"]


def history(n, *, seed=0, soft=False, asleep=0.2, models=MODELS, regimes=REGIMES):
    """Rows as an ensemble would hand them over; some models asleep or without a trade, some regimes unknown."""
    rng = np.random.default_rng(seed)
    n_performers = len(models) + 3
    profits = 3 + 20 * rng.standard_t(4, size=(n, n_performers))
    profits[rng.random(profits.shape) < 0.05] = 0
    table = {
        "losses": rng.exponential(size=(n, n_performers)),
        "wins": np.where(profits == 0, np.nan, profits > 0),
        "profits_bps": profits,
        "agreements": rng.integers(0, 2, size=(n, n_performers)).astype(float),
    }
    flat, sleeping = rng.random((n, n_performers)) < 0.3, rng.random((n, n_performers)) < asleep
    table["wins"][flat] = table["profits_bps"][flat] = np.nan
    for values in table.values():
        values[sleeping] = np.nan
    shared = rng.normal(size=(n, 1))
    errors = shared + rng.normal(size=(n, len(models)))
    errors[sleeping[:, : len(models)]] = np.nan
    if soft:
        memberships = rng.dirichlet(np.ones(len(regimes)), size=n)
    else:
        memberships = np.eye(len(regimes))[rng.integers(len(regimes), size=n)]
    memberships[rng.random(n) < 0.1] = 0
    return {"memberships": memberships, **table, "errors": errors}


def part(rows, start, stop):
    return {name: values[start:stop] for name, values in rows.items()}


def new_ledger(**options):
    return Ledger(MODELS, REGIMES, **{"lookback": LOOKBACK, "periods_per_year": 252, **options})


def cell(ledger, performer, regime="pooled", window="lifetime"):
    frame = ledger.frame()
    wanted = (frame["performer"] == performer) & (frame["regime"] == regime) & (frame["window"] == window)
    return frame[wanted].iloc[0]


def plain_figures(outcomes):
    """Compute every figure with pandas from a whole history of unweighted outcomes of one performer."""
    loss, win, profit = outcomes["losses"].dropna(), outcomes["wins"].dropna(), outcomes["profits_bps"].dropna()
    n, std = len(profit), profit.std()
    sharpe = profit.mean() / std
    skewness, kurtosis = stats.skew(profit), stats.kurtosis(profit, fisher=False)
    half = stats.norm.ppf(0.975) * np.sqrt((1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2) / n)
    wilson = stats.binomtest(int(win.sum()), len(win)).proportion_ci(method="wilson")
    student = stats.t.interval(0.95, n - 1, loc=profit.mean(), scale=std / np.sqrt(n))
    path = pd.concat([pd.Series([0.0]), profit]).cumsum()
    figures = {
        "n": len(loss),
        "loss": loss.mean(),
        "won": (win == 1).sum(),
        "lost": (win == 0).sum(),
        "win_rate": win.mean(),
        "win_rate_low": wilson.low,
        "win_rate_high": wilson.high,
        "n_trades": n,
        "profit_bps": profit.mean(),
        "profit_bps_low": student[0],
        "profit_bps_high": student[1],
        "sharpe": sharpe,
        "sharpe_low": sharpe - half,
        "sharpe_high": sharpe + half,
    }
    # A year holds days without a trade, too.
    daily = outcomes["profits_bps"][outcomes["losses"].notna()].fillna(0.0)
    ratio = daily.mean() / daily.std()
    low, high = sharpe_interval(ratio, len(daily), stats.skew(daily), stats.kurtosis(daily, fisher=False))
    return {
        **figures,
        "sharpe_annual": ratio * np.sqrt(252),
        "sharpe_annual_low": low * np.sqrt(252),
        "sharpe_annual_high": high * np.sqrt(252),
        "drawdown_bps": (path.cummax() - path).max(),
        "n_agreement": outcomes["agreements"].notna().sum(),
        "agreement": outcomes["agreements"].mean(),
    }


def test_every_figure_equals_pandas_on_the_whole_history():
    rows = history(1_000)
    ledger = new_ledger().updated(**rows)
    frame = ledger.frame().set_index(["performer", "regime", "window"])
    assert len(frame) == len(ledger.performers) * 3 * 2
    for column, performer in enumerate(ledger.performers):
        outcomes = pd.DataFrame({name: rows[name][:, column] for name in CHANNELS})
        for regime, share in zip([*REGIMES, "pooled"], [*rows["memberships"].T, np.ones(1_000)], strict=True):
            awake = outcomes[share > 0].dropna(how="all")
            for window, seen in (("lifetime", awake), ("recent", awake.tail(LOOKBACK))):
                expected = pd.Series(plain_figures(seen))
                found = frame.loc[(performer, regime, window)].astype(float)
                assert list(found.index) == list(expected.index)
                np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


def test_error_correlations_equal_pandas():
    rows = history(500)
    found = new_ledger().updated(**rows).error_correlations().set_index(["model", "other"])
    errors = pd.DataFrame(rows["errors"], columns=MODELS)
    expected = errors.corr()
    assert list(found.index) == [("ridge", "forest"), ("ridge", "boost"), ("forest", "boost")]
    for (model, other), line in found.iterrows():
        both = errors[[model, other]].dropna()
        interval = stats.pearsonr(both[model], both[other]).confidence_interval(0.95)
        wanted = [len(both), expected.loc[model, other], interval.low, interval.high]
        np.testing.assert_allclose(line.to_numpy(dtype=float), wanted, rtol=1e-11)


@pytest.mark.parametrize("n", [2, 10, 130])
def test_constant_errors_are_not_correlated_with_anything(n):
    errors = np.random.default_rng(0).normal(size=(n, 3))
    errors[:, 1] = 0.1
    found = new_ledger().updated(np.zeros((n, 2)), errors=errors).error_correlations()
    assert found["correlation"].isna().tolist() == [True, False, True]
    assert (found["n"] == n).all()


def test_soft_memberships_and_sample_weights_weigh_every_figure():
    rows = history(300, soft=True)
    sample_weight = np.random.default_rng(1).uniform(0.2, 2.0, size=300)
    ledger = new_ledger().updated(**rows, sample_weight=sample_weight)
    for column, performer in enumerate(ledger.performers):
        for regime, share in zip([*REGIMES, "pooled"], [*rows["memberships"].T, np.ones(300)], strict=True):
            known = np.isfinite(rows["losses"][:, column]) & (share > 0)
            weight = (share * sample_weight)[known]
            loss, profit, win = (rows[name][known, column] for name in ("losses", "profits_bps", "wins"))
            traded, profit = weight[np.isfinite(profit)], profit[np.isfinite(profit)]
            n, n_trades, mean = weight.sum(), traded.sum(), np.average(profit, weights=traded)
            spare = n_trades - (traded**2).sum() / n_trades
            std = np.sqrt(np.sum(traded * (profit - mean) ** 2) / spare)
            level = np.cumsum(traded * profit)
            independent = n_trades**2 / (traded**2).sum()
            found = cell(ledger, performer, regime)
            expected = {
                "n": n,
                "loss": np.average(loss, weights=weight),
                "won": weight[win == 1].sum(),
                "lost": weight[win == 0].sum(),
                "n_trades": n_trades,
                "profit_bps": mean,
                "profit_bps_low": mean_interval(mean, std, independent)[0],
                "sharpe": mean / std,
                "drawdown_bps": np.max(np.maximum.accumulate(np.maximum(level, 0)) - level),
            }
            np.testing.assert_allclose(
                found[[*expected]].to_numpy(dtype=float), [*expected.values()], rtol=1e-11, atol=1e-12
            )


def test_sums_and_means_of_an_integer_weight_are_those_of_that_many_rows():
    """Not the intervals: a row that counts three times is still one outcome."""
    rows = history(40)
    weight = np.arange(40) % 3
    weighted = new_ledger().updated(**rows, sample_weight=weight)
    repeated = new_ledger().updated(**{name: np.repeat(values, weight, axis=0) for name, values in rows.items()})
    columns = [*SUMS, "loss", "win_rate", "profit_bps", "agreement"]
    lifetimes = [ledger.frame().query("window == 'lifetime'")[columns] for ledger in (weighted, repeated)]
    np.testing.assert_allclose(*lifetimes, rtol=1e-10, atol=1e-12)


def test_intervals_are_those_of_the_effective_number():
    """Three rows of weight 1 and one of weight 3 tell as much as 6² / 12 = 3 outcomes."""
    assert effective_number(6, 12) == 3
    profits = np.array([20.0, -10, 20, 10])
    ledger = Ledger(["ridge"], []).updated(
        np.empty((4, 0)),
        wins=np.repeat([[1], [0], [1], [1]], 4, axis=1),
        profits_bps=np.repeat(profits[:, None], 4, axis=1),
        sample_weight=[1, 1, 1, 3],
    )
    found = cell(ledger, "ridge")
    assert (found["won"], found["lost"]) == (5, 1)
    np.testing.assert_allclose(found[["win_rate_low", "win_rate_high"]].tolist(), wilson_interval(2.5, 3))
    # Weighted mean 10; squares of 10, -20, 10, 0 add up to 600, and the sum of weights less 12 / 6 is 4.
    assert found["profit_bps"] == 10
    np.testing.assert_allclose(
        found[["profit_bps_low", "profit_bps_high"]].tolist(), mean_interval(10, np.sqrt(150), 3)
    )
    assert found["sharpe"] == pytest.approx(10 / np.sqrt(150))


@settings(deadline=None, max_examples=50, derandomize=True)
@given(seed=st.integers(0, 1_000), soft=st.booleans(), scale=st.floats(1e-6, 1e6), overlap=st.sampled_from([1, 2.5]))
def test_the_scale_of_the_weights_tells_nothing(seed, soft, scale, overlap):
    rows = history(120, seed=seed, soft=soft)
    weight = np.random.default_rng(seed).choice([0.0, 0.5, 1.0, 3.0], size=120)
    plain, scaled = (new_ledger(overlap=overlap).updated(**rows, sample_weight=w) for w in (weight, scale * weight))
    for one, other in (
        (plain.frame(), scaled.frame()),
        (plain.error_correlations(), scaled.error_correlations()),
    ):
        sums = [name for name in one if name in SUMS]
        np.testing.assert_allclose(other[sums], scale * one[sums], rtol=1e-9)
        pd.testing.assert_frame_equal(other.drop(columns=sums), one.drop(columns=sums), rtol=1e-9, atol=1e-12)


def test_a_row_of_weight_zero_is_a_row_left_out():
    rows = history(150)
    kept = np.arange(150) % 4 > 0
    left_out = new_ledger().updated(**{name: values[kept] for name, values in rows.items()})
    assert new_ledger().updated(**rows, sample_weight=kept.astype(float)) == left_out


def test_hand_numbers():
    ledger = Ledger(["ridge"], ["calm"], periods_per_year=100).updated(
        [[1], [1], [0], [1]],
        losses=[[4] * 4, [0] * 4, [2] * 4, [2] * 4],
        wins=[[1] * 4, [0] * 4, [1] * 4, [np.nan] * 4],
        profits_bps=[[20] * 4, [-10] * 4, [20] * 4, [0] * 4],
        agreements=[[1] * 4, [0] * 4, [1] * 4, [1] * 4],
    )
    calm, pooled = cell(ledger, "ridge", "calm"), cell(ledger, "ridge")
    assert (calm["n"], calm["loss"], calm["won"], calm["lost"]) == (3, 2, 1, 1)
    assert (pooled["n"], pooled["loss"], pooled["won"], pooled["lost"]) == (4, 2, 2, 1)
    assert pooled["win_rate"] == pytest.approx(2 / 3)
    # Profits 20, -10, 20, 0: mean 7.5, deviations 12.5, -17.5, 12.5, -7.5, squares add up to 675.
    assert pooled["profit_bps"] == 7.5
    assert pooled["sharpe"] == pytest.approx(7.5 / 15)
    assert pooled["sharpe_annual"] == pytest.approx(5)
    # In the calm regime the path runs 0, 20, 10, 10.
    assert calm["drawdown_bps"] == 10
    assert pooled["drawdown_bps"] == 10
    assert pooled["agreement"] == 0.75


def test_a_year_holds_days_without_a_trade():
    """Of trades of 30, -10 and 40 in six outcomes; with three zeros the mean is 10 and squares add up to 2000."""
    nan = np.nan
    ledger = Ledger(["ridge"], [], periods_per_year=252).updated(
        np.empty((6, 0)),
        losses=np.ones((6, 4)),
        profits_bps=np.repeat([[30], [nan], [-10], [nan], [nan], [40]], 4, axis=1),
    )
    found = cell(ledger, "ridge")
    assert (found["n"], found["n_trades"], found["profit_bps"]) == (6, 3, 20)
    assert found["sharpe"] == pytest.approx(20 / np.sqrt(700))
    annual = np.sqrt(252)
    assert found["sharpe_annual"] == pytest.approx(annual * 10 / np.sqrt(2000 / 5))
    daily = [30, 0, -10, 0, 0, 40]
    low, high = sharpe_interval(10 / 20, 6, stats.skew(daily), stats.kurtosis(daily, fisher=False))
    assert (found["sharpe_annual_low"], found["sharpe_annual_high"]) == pytest.approx((annual * low, annual * high))


def test_who_trades_on_every_tenth_day_has_a_tenth_of_the_trades_in_a_year():
    rng = np.random.default_rng(0)
    profits = np.full((20_000, 4), np.nan)
    profits[::10] = 0.05 + rng.normal(size=(2_000, 1))
    ledger = Ledger(["ridge"], [], periods_per_year=250)
    found = cell(ledger.updated(np.empty((20_000, 0)), losses=np.ones((20_000, 4)), profits_bps=profits), "ridge")
    assert found["sharpe_annual"] == pytest.approx(np.sqrt(25) * found["sharpe"], rel=0.01)
    # Trades alone, of which nobody knows how many days had none, are a year of trades.
    alone = cell(ledger.updated(np.empty((2_000, 0)), profits_bps=profits[::10]), "ridge")
    assert alone["sharpe_annual"] == pytest.approx(np.sqrt(250) * alone["sharpe"])


def test_a_year_of_trades_holds_no_outcomes_that_nobody_could_trade_on():
    """Two years of errors out of fold, and then the first trades: nobody has been out of the market for two years."""
    profits = np.random.default_rng(0).normal(5, 50, size=(100, 1)).repeat(4, axis=1)
    trades, nothing = {"profits_bps": profits}, np.full((50, 4), np.nan)
    ledger = Ledger(["ridge"], [], periods_per_year=252).updated(np.empty((500, 0)), losses=np.ones((500, 4)))
    found = cell(ledger.updated(np.empty((100, 0)), **trades), "ridge")
    assert (found["n"], found["n_trades"]) == (500, 100)
    assert found["sharpe_annual"] == pytest.approx(np.sqrt(252) * found["sharpe"])
    # Who was asleep was not out of the market either.
    asleep = ledger.updated(np.empty((50, 0)), losses=nothing, profits_bps=nothing).updated(
        np.empty((100, 0)), **trades
    )
    assert cell(asleep, "ridge")["sharpe_annual"] == pytest.approx(found["sharpe_annual"])
    flat = ledger.updated(np.empty((50, 0)), losses=np.ones((50, 4)), profits_bps=nothing)
    daily = np.append(profits[:, 0], np.zeros(50))
    found = cell(flat.updated(np.empty((100, 0)), **trades), "ridge")
    assert found["sharpe_annual"] == pytest.approx(np.sqrt(252) * daily.mean() / daily.std(ddof=1))


# Outcomes that share their days.


def test_overlapping_outcomes_are_as_many_as_there_are_apart():
    rows = history(200)
    alone, shared = (new_ledger(overlap=overlap).updated(**rows) for overlap in (1, 4))
    for performer in alone.performers:
        one, other = cell(alone, performer, "calm"), cell(shared, performer, "calm")
        for same in (*SUMS, "loss", "win_rate", "profit_bps", "sharpe", "agreement"):
            assert one[same] == other[same]
        n_sides, n_trades = (one["won"] + one["lost"]) / 4, one["n_trades"] / 4
        bounds = wilson_interval(one["win_rate"] * n_sides, n_sides)
        assert other[["win_rate_low", "win_rate_high"]].tolist() == pytest.approx(bounds)
        std = one["profit_bps"] / one["sharpe"]
        bounds = mean_interval(one["profit_bps"], std, n_trades)
        assert other[["profit_bps_low", "profit_bps_high"]].tolist() == pytest.approx(bounds)
        for name in ("sharpe", "sharpe_annual"):
            wide, narrow = (each[name + "_high"] - each[name + "_low"] for each in (other, one))
            assert wide == pytest.approx(2 * narrow if name == "sharpe" else narrow)
        assert other["sharpe_annual"] == pytest.approx(one["sharpe_annual"] / 2)
    n = alone.error_correlations()["n"]
    widths = [
        np.arctanh(ledger.error_correlations()["high"]) - np.arctanh(ledger.error_correlations()["low"])
        for ledger in (alone, shared)
    ]
    np.testing.assert_allclose(widths[1] / widths[0], np.sqrt((n - 3) / (n / 4 - 3)))


def test_the_overlap_stays_with_the_record():
    ledger = new_ledger(overlap=5)
    assert ledger.reindexed(["ridge"], []).overlap == 5
    assert (ledger + ledger).overlap == 5
    assert ledger != new_ledger()


def test_intervals_of_overlapping_outcomes_hold_the_truth_about_as_often_as_they_say():
    """Sums of five days on daily rows, 400 streams whose true mean is 0: without the overlap three in eight miss it."""
    days = np.random.default_rng(0).normal(size=(504, 400))
    weeks = np.lib.stride_tricks.sliding_window_view(days, 5, axis=0).sum(axis=-1)
    misses = {}
    for overlap in (1, 5):
        found = performance_figures(np.zeros((500, 0)), np.ones_like(weeks), profits_bps=weeks, overlap=overlap)
        for name in ("sharpe", "profit_bps"):
            misses[name, overlap] = (found[f"{name}_low"] * found[f"{name}_high"] > 0).mean()
        won = performance_figures(np.zeros((500, 0)), weeks, wins=weeks > 0, overlap=overlap)
        misses["win_rate", overlap] = ((won["win_rate_low"] > 0.5) | (won["win_rate_high"] < 0.5)).mean()
    assert 0.03 < misses["sharpe", 5] < 0.08
    assert 0.03 < misses["profit_bps", 5] < 0.08
    # Signs share less than sums do.
    assert misses["win_rate", 5] < 0.05
    assert min(misses[name, 1] for name in ("sharpe", "profit_bps", "win_rate")) > 0.25


def test_a_year_of_overlapping_outcomes_is_a_year_of_days():
    days = np.random.default_rng(1).normal(0.06, 1.0, size=(10_000, 1))
    weeks = np.lib.stride_tricks.sliding_window_view(days, 5, axis=0).sum(axis=-1)
    of_days, of_weeks = (
        performance_figures(
            np.zeros((len(profits), 0)), profits, profits_bps=profits, periods_per_year=252, overlap=overlap
        )["sharpe_annual"].item()
        for profits, overlap in ((days, 1), (weeks, 5))
    )
    assert of_weeks == pytest.approx(of_days, rel=0.05)
    assert 0.7 < of_days < 1.3


# Rows of one regime each.


@settings(deadline=None, max_examples=30, derandomize=True)
@given(seed=st.integers(0, 1_000), cut=st.integers(0, 300), weighted=st.booleans())
def test_positions_of_regimes_are_memberships_to_the_bit(seed, cut, weighted):
    rng = np.random.default_rng(seed)
    regimes = [f"asset {number}" for number in range(40)]
    rows = history(300, seed=seed, regimes=regimes)
    positions = np.where(rows["memberships"].any(axis=1), rows["memberships"].argmax(axis=1), -1)
    weight = rng.choice([0.0, 0.5, 1.0], size=300) if weighted else np.ones(300)
    start = Ledger(MODELS, regimes, lookback=3)
    one = start.updated(**rows, sample_weight=weight)
    other = start
    for part_of in (slice(cut), slice(cut, None)):
        values = {name: each[part_of] for name, each in rows.items()} | {"memberships": positions[part_of]}
        other = other.updated(**values, sample_weight=weight[part_of])
    assert one == other
    moved = [regimes[20], "new", *regimes[:10]]
    pd.testing.assert_frame_equal(
        one.reindexed(MODELS, moved).frame(), other.reindexed(MODELS, moved).frame(), check_exact=True
    )
    assert one.reindexed(MODELS, moved).updated(**history(5, regimes=moved)) == other.reindexed(MODELS, moved).updated(
        **history(5, regimes=moved)
    )


def test_many_regimes_cost_what_their_rows_cost():
    n, n_assets = 20_000, 1_000
    ledger = Ledger(["ridge"], range(n_assets), lookback=1)
    losses = np.ones((n, 4))
    tracemalloc.start()
    ledger = ledger.updated(np.arange(n) % n_assets, losses=losses)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A table of rows by assets alone would take 160 MB.
    assert peak < 40e6
    frame = ledger.frame().query("window == 'lifetime' and performer == 'ridge'")
    assert (frame["n"] == [20] * n_assets + [n]).all()


def test_a_fall_from_the_start_is_a_drawdown():
    ledger = Ledger(["ridge"], []).updated(np.empty((3, 0)), profits_bps=[[-5] * 4, [-7] * 4, [40] * 4])
    assert cell(ledger, "ridge")["drawdown_bps"] == 12


splits = st.lists(st.integers(0, 200), max_size=6).map(sorted)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(seed=st.integers(0, 1_000), cuts=splits, soft=st.booleans(), lookback=st.sampled_from([1, 7, 64, 300]))
def test_batches_do_not_matter_to_the_bit(seed, cuts, soft, lookback):
    rows = history(200, seed=seed, soft=soft)
    at_once = new_ledger(lookback=lookback).updated(**rows)
    in_parts = new_ledger(lookback=lookback)
    for start, stop in zip([0, *cuts], [*cuts, 200], strict=True):
        in_parts = pickle.loads(pickle.dumps(in_parts.updated(**part(rows, start, stop))))
    assert in_parts == at_once
    pd.testing.assert_frame_equal(in_parts.frame(), at_once.frame(), check_exact=True)
    pd.testing.assert_frame_equal(in_parts.error_correlations(), at_once.error_correlations(), check_exact=True)


def test_row_by_row_does_not_matter_to_the_bit():
    rows = history(150)
    one_by_one = new_ledger()
    for row in range(150):
        one_by_one = one_by_one.updated(**part(rows, row, row + 1))
    assert one_by_one == new_ledger().updated(**rows)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(seed=st.integers(0, 1_000), first=st.integers(0, 150), second=st.integers(0, 150), soft=st.booleans())
def test_the_sum_of_ledgers_is_the_ledger_of_both(seed, first, second, soft):
    rows = history(150, seed=seed, soft=soft)
    start, stop = sorted((first, second))
    parts = [new_ledger().updated(**part(rows, *cut)) for cut in ((0, start), (start, stop), (stop, 150))]
    whole = new_ledger().updated(**rows)
    numbers = whole.frame().columns[3:]
    for total in ((parts[0] + parts[1]) + parts[2], parts[0] + (parts[1] + parts[2])):
        np.testing.assert_allclose(total.frame()[numbers], whole.frame()[numbers], rtol=1e-12, atol=1e-11)
        np.testing.assert_allclose(
            total.error_correlations().iloc[:, 2:], whole.error_correlations().iloc[:, 2:], rtol=1e-12, atol=1e-12
        )


def test_a_sum_goes_on_like_the_whole():
    rows = history(400)
    total = new_ledger().updated(**part(rows, 0, 130)) + new_ledger().updated(**part(rows, 130, 250))
    total = total.updated(**part(rows, 250, 400))
    whole = new_ledger().updated(**rows)
    numbers = whole.frame().columns[3:]
    np.testing.assert_allclose(total.frame()[numbers], whole.frame()[numbers], rtol=1e-12, atol=1e-11)


def test_an_empty_ledger_adds_nothing():
    ledger = new_ledger().updated(**history(90))
    for total in (ledger + new_ledger(), new_ledger() + ledger):
        pd.testing.assert_frame_equal(total.frame(), ledger.frame(), rtol=1e-14)


def test_only_like_ledgers_can_be_added():
    for other in (
        Ledger(["ridge"], REGIMES, lookback=LOOKBACK, periods_per_year=252),
        new_ledger(lookback=3),
        new_ledger(periods_per_year=12),
        new_ledger(overlap=2),
    ):
        with pytest.raises(ValueError, match="can be added if they have the same"):
            new_ledger() + other
    with pytest.raises(TypeError):
        new_ledger() + 1


def test_a_sleeping_row_leaves_the_record_as_it_was():
    before = new_ledger().updated(**history(100))
    nothing = np.full((5, 6), np.nan)
    later = before.updated(
        np.ones((5, 2)) / 2,
        losses=nothing,
        wins=nothing,
        profits_bps=nothing,
        agreements=nothing,
        errors=nothing[:, :3],
    )
    pd.testing.assert_frame_equal(later.frame(), before.frame(), check_exact=True)
    pd.testing.assert_frame_equal(later.error_correlations(), before.error_correlations(), check_exact=True)


def test_one_sleeping_model_stands_still_while_the_others_move():
    rows = history(200, asleep=0)
    before = new_ledger().updated(**part(rows, 0, 100))
    for name in (*CHANNELS, "errors"):
        rows[name][100:, 1] = np.nan
    after = before.updated(**part(rows, 100, 200)).frame().set_index("performer")
    pd.testing.assert_frame_equal(after.loc[["forest"]], before.frame().set_index("performer").loc[["forest"]])
    assert (after.loc["ridge", "n"] > before.frame().set_index("performer").loc["ridge", "n"]).sum() == 3


def test_infinite_values_count_as_sleep():
    rows = history(30, asleep=0)
    broken = {name: values.copy() for name, values in rows.items()}
    asleep = {name: values.copy() for name, values in rows.items()}
    for name in ("losses", "profits_bps", "errors"):
        broken[name][10:20, 0] = np.inf
        asleep[name][10:20, 0] = np.nan
    pd.testing.assert_frame_equal(new_ledger().updated(**broken).frame(), new_ledger().updated(**asleep).frame())


def test_a_row_of_unknown_regime_is_only_pooled():
    ledger = new_ledger().updated([[0, 0]], losses=np.ones((1, 6)))
    assert [cell(ledger, "ridge", regime)["n"] for regime in (*REGIMES, "pooled")] == [0, 0, 1]


def test_an_update_changes_nothing_of_the_ledger_before_it():
    rows = history(300)
    before = new_ledger().updated(**part(rows, 0, 100))
    kept = pickle.dumps(before)
    given_rows = {name: values.copy() for name, values in rows.items()}
    before.updated(**part(rows, 100, 300))
    before.discounted(["ridge"], 0.5)
    before.reindexed(["forest"], [])
    repr(before + before)
    assert pickle.dumps(before) == kept
    for name, values in rows.items():
        np.testing.assert_array_equal(values, given_rows[name])


def test_undefined_figures_are_nan_and_never_zero():
    empty = new_ledger().updated(**part(history(1), 0, 0)).frame()
    assert list(empty.columns) == ["performer", "regime", "window", "n", "loss"]
    assert (empty["n"] == 0).all()
    assert empty["loss"].isna().all()

    single = cell(new_ledger().updated([[1, 0]], **{name: np.ones((1, 6)) for name in CHANNELS}), "ridge")
    assert single["profit_bps"] == 1
    assert single[["profit_bps_low", "sharpe", "sharpe_low", "sharpe_annual"]].isna().all()
    other = cell(new_ledger().updated([[1, 0]], **{name: np.ones((1, 6)) for name in CHANNELS}), "ridge", "wild")
    counts = ["n", "won", "lost", "n_trades", "n_agreement"]
    assert (other[counts] == 0).all()
    assert other.drop(["performer", "regime", "window", *counts]).isna().all()


@pytest.mark.parametrize("profit", [0.1, -3.7, 1e12, 1 / 3])
@pytest.mark.parametrize("n", [2, 63, 64, 1_000])
def test_constant_profits_have_no_sharpe_ratio(profit, n):
    ledger = Ledger(["ridge"], []).updated(np.empty((n, 0)), profits_bps=np.full((n, 4), profit))
    found = cell(ledger, "ridge")
    assert found["profit_bps"] == pytest.approx(profit, rel=1e-14)
    assert found[["sharpe", "sharpe_low", "sharpe_high"]].isna().all()


@pytest.mark.parametrize(("centre", "scale"), [(0, 1e12), (1e12, 1e6), (1e6, 1), (0, 1e-12), (0, 1e70)])
def test_extreme_profits_lose_no_digits(centre, scale):
    profits = centre + scale * np.random.default_rng(3).standard_t(5, size=2_000)
    ledger = Ledger(["ridge"], []).updated(np.empty((2_000, 0)), profits_bps=np.repeat(profits[:, None], 4, axis=1))
    found = cell(ledger, "ridge")
    standard = (profits - profits.mean()) / profits.std(ddof=1)
    low, high = sharpe_interval(
        profits.mean() / profits.std(ddof=1), 2_000, stats.skew(standard), stats.kurtosis(standard, fisher=False)
    )
    assert found["sharpe"] == pytest.approx(profits.mean() / profits.std(ddof=1), rel=1e-9)
    assert found[["sharpe_low", "sharpe_high"]].tolist() == pytest.approx([low, high], rel=1e-6)


def test_profits_too_large_for_their_fourth_power_keep_their_mean():
    profits = np.full((10, 4), 1e150)
    profits[::2] = -3e150
    found = cell(Ledger(["ridge"], []).updated(np.empty((10, 0)), profits_bps=profits), "ridge")
    assert found["profit_bps"] == pytest.approx(-1e150)
    assert found[["sharpe_low", "sharpe_high"]].isna().all()


def naive_leaders(losses, n_models):
    leaders = []
    for row in range(len(losses)):
        means = [
            np.mean(past[np.isfinite(past)]) if np.isfinite(past).any() else 1e300 for past in losses[:row, :n_models].T
        ]
        leaders.append(int(np.argmin(np.where(np.isfinite(losses[row, :n_models]), means, np.inf))))
    return leaders


def test_leaders_had_the_lowest_mean_loss_before():
    losses = history(300, asleep=0.3)["losses"]
    assert new_ledger().leaders(losses[:, :3]).tolist() == naive_leaders(losses, 3)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(seed=st.integers(0, 1_000), cuts=splits)
def test_leaders_do_not_depend_on_batches(seed, cuts):
    rows = history(200, seed=seed)
    # Losses that tie to a rounding error make a difference in the last bit change the leader.
    rows["losses"] = np.round(rows["losses"], 1)
    weight = np.random.default_rng(seed).choice([0.1, 0.7, 1.0], size=200)
    ledger, found = new_ledger(), []
    for start, stop in zip([0, *cuts], [*cuts, 200], strict=True):
        found += ledger.leaders(rows["losses"][start:stop, :3], sample_weight=weight[start:stop]).tolist()
        ledger = ledger.updated(**part(rows, start, stop), sample_weight=weight[start:stop])
    assert found == new_ledger().leaders(rows["losses"][:, :3], sample_weight=weight).tolist()


def test_past_losses_are_those_of_the_frame_whatever_the_ledger_went_through():
    rows = history(300, asleep=0.3)
    ledger = new_ledger().updated(**part(rows, 0, 150)) + new_ledger().updated(**part(rows, 150, 300))
    for each in (
        new_ledger().updated(**rows),
        ledger,
        ledger.discounted(["ridge"], 0.3).updated(**part(rows, 0, 20)),
        ledger.reindexed(["linear", "boost", "ridge"], ["wild"]).updated([[0.0]], losses=[[1.0, np.nan, 2.0, 1, 1, 1]]),
    ):
        expected = each.frame().query("regime == 'pooled' and window == 'lifetime'")["loss"][: len(each.models)]
        none = np.finfo(float).max
        np.testing.assert_allclose(each.past_losses, expected.fillna(none), rtol=1e-12)
        # As ledgers were written before they added these losses up by themselves.
        old = object.__new__(Ledger)
        old.__setstate__({name: value for name, value in vars(each).items() if name != "_losses"})
        np.testing.assert_allclose(old.past_losses, each.past_losses, rtol=1e-12)
    assert ledger.discounted(["ridge"], 0).past_losses[0] == none


def test_reindexed_carries_what_keeps_its_name():
    rows = history(170)
    old = new_ledger().updated(**rows)
    moved = old.reindexed(["linear", "boost", "ridge"], ["wild", "flat"])
    before, after = (ledger.frame().set_index(["performer", "regime", "window"]) for ledger in (old, moved))
    for key, line in after.iterrows():
        if key[0] == "linear" or key[1] == "flat":
            assert line["n"] == 0
        else:
            pd.testing.assert_series_equal(line, before.loc[key], check_exact=True)
    pairs = moved.error_correlations().set_index(["model", "other"])["correlation"]
    previous = old.error_correlations().set_index(["model", "other"])["correlation"]
    assert pairs["boost", "ridge"] == pytest.approx(previous["ridge", "boost"], rel=1e-14)
    assert pairs.drop(("boost", "ridge")).isna().all()
    pd.testing.assert_frame_equal(old.reindexed(MODELS, REGIMES).frame(), old.frame(), check_exact=True)


def test_discounted_outcomes_count_for_less():
    rows = history(200, asleep=0)
    full = new_ledger().updated(**rows)
    half = full.discounted(["forest"], 0.5)
    before, after = cell(full, "forest"), cell(half, "forest")
    for count in ("n", "won", "lost", "n_trades", "n_agreement", "drawdown_bps"):
        assert after[count] == before[count] / 2
    for figure in ("loss", "win_rate", "profit_bps", "agreement"):
        assert after[figure] == pytest.approx(before[figure])
    assert after["profit_bps_high"] > before["profit_bps_high"]
    assert cell(half, "forest", window="recent")["n"] == LOOKBACK / 2
    for window in ("lifetime", "recent"):
        whole, less = (cell(ledger, "forest", window=window) for ledger in (full, half))
        n_sides = (whole["won"] + whole["lost"]) / 2
        bounds = wilson_interval(whole["win_rate"] * n_sides, n_sides)
        assert less[["win_rate_low", "win_rate_high"]].tolist() == pytest.approx(bounds)
    pd.testing.assert_series_equal(cell(half, "ridge"), cell(full, "ridge"), check_exact=True)
    counts = half.error_correlations().set_index(["model", "other"])["n"]
    assert counts["ridge", "boost"] == 200
    assert counts["ridge", "forest"] == counts["forest", "boost"] == 100


def test_the_past_fades_by_the_factor_whatever_its_weights():
    rows, weight = history(200, asleep=0), np.random.default_rng(0).choice([0.5, 1.0, 4.0], size=200)
    full = new_ledger().updated(**rows, sample_weight=weight)
    before, after = cell(full, "forest"), cell(full.discounted(["forest"], 0.25), "forest")
    sided = np.isfinite(rows["wins"][:, 1])
    independent = effective_number(weight[sided].sum(), (weight[sided] ** 2).sum()) / 4
    bounds = wilson_interval(before["win_rate"] * independent, independent)
    assert after[["win_rate_low", "win_rate_high"]].tolist() == pytest.approx(bounds)


def test_discounting_to_zero_forgets():
    rows = history(200, asleep=0)
    forgot = new_ledger().updated(**part(rows, 0, 100)).discounted(MODELS, 0).updated(**part(rows, 100, 200))
    fresh = new_ledger().updated(**part(rows, 100, 200))
    for model in MODELS:
        for window in ("lifetime", "recent"):
            found, wanted = (cell(ledger, model, "calm", window).iloc[3:].astype(float) for ledger in (forgot, fresh))
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(
        forgot.error_correlations().iloc[:, 2:], fresh.error_correlations().iloc[:, 2:], rtol=1e-12
    )


def test_columns_appear_with_what_they_count():
    ledger = new_ledger(periods_per_year=None)
    losses = ledger.updated([[1, 0]], losses=np.ones((1, 6))).frame()
    sides = ledger.updated([[1, 0]], losses=np.ones((1, 6)), wins=np.ones((1, 6))).frame()
    trades = ledger.updated([[1, 0]], profits_bps=np.ones((1, 6))).frame()
    assert list(losses.columns) == ["performer", "regime", "window", "n", "loss"]
    assert [*sides.columns[5:]] == ["won", "lost", "win_rate", "win_rate_low", "win_rate_high"]
    assert "sharpe" in trades
    assert "win_rate" not in trades
    assert not trades.columns.str.contains("annual").any()


def test_regimes_may_be_any_hashable():
    regimes = [0, 1.5, None, ("a", 1), pd.Timestamp("2020-01-01")]
    ledger = Ledger(["ridge"], regimes).updated(np.eye(5), losses=np.ones((5, 4)))
    frame = ledger.frame().query("performer == 'ridge' and window == 'lifetime'")
    assert frame["regime"].tolist() == [*regimes, "pooled"]
    assert frame["n"].tolist() == [1, 1, 1, 1, 1, 5]
    assert repr(ledger).splitlines()[2].split() == ["ridge", "5", "1"]


def test_repr_fits_a_terminal():
    models = [f"a_model_with_a_long_name_{number}" for number in range(30)]
    ledger = Ledger(models, REGIMES).updated(**history(2_000, models=models))
    lines = repr(ledger).splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 25
    assert lines[0].startswith("Ledger of 30 models, 2 regimes")
    assert "best so far" in lines[-1]
    assert "loss" in repr(new_ledger())


def test_pickle_and_skops_round_trip():
    from skops.io import dumps, get_untrusted_types, loads

    rows = history(150)
    ledger = new_ledger().updated(**part(rows, 0, 100))
    state = dumps(ledger)
    for again in (
        pickle.loads(pickle.dumps(ledger)),
        loads(state, trusted=get_untrusted_types(data=state)),
    ):
        assert again == ledger
        assert hash(again) == hash(ledger)
        assert again.updated(**part(rows, 100, 150)) == ledger.updated(**part(rows, 100, 150))
    assert ledger != ledger.updated(**part(rows, 100, 101))
    assert ledger != "a ledger"


def test_size_does_not_grow_with_outcomes():
    assert len(pickle.dumps(new_ledger().updated(**history(256)))) == len(
        pickle.dumps(new_ledger().updated(**history(25_600)))
    )


def test_wilson_interval_known_values():
    np.testing.assert_allclose(wilson_interval(8, 10), (0.4901625, 0.9433178), atol=1e-6)
    np.testing.assert_allclose(wilson_interval(0, 10), (0.0, 0.2775328), atol=1e-6)
    low, high = wilson_interval([0, 5, 10], [0, 10, 10], confidence=0.8)
    assert np.isnan([low[0], high[0]]).all()
    assert low[1] + high[1] == pytest.approx(1)
    assert high[2] == pytest.approx(1)
    low, high = wilson_interval(0.3 + 0.6, 0.9)
    assert 0 <= low < high <= 1


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**31), st.sampled_from([1.0, 2.5]))
def test_the_interval_of_a_rate_of_rows_at_times_of_their_own_is_wilsons(n, seed, overlap):
    rng = np.random.default_rng(seed)
    hits, weight = (rng.random(n) < 0.7).astype(float), rng.choice([0.0, 0.3, 1.0, 2.0], size=n)
    hits[rng.random(n) < 0.1] = np.nan
    bounds = rate_interval(hits, weight, np.arange(n), overlap=overlap)
    counts = np.isfinite(hits) & (weight > 0)
    total, square = weight[counts].sum(), (weight[counts] ** 2).sum()
    independent = effective_number(total, square) / overlap
    expected = wilson_interval(weight[counts] @ hits[counts] / max(total, 1e-9) * independent, independent)
    np.testing.assert_allclose(bounds, expected, rtol=1e-9)
    np.testing.assert_allclose(rate_interval(hits, 7 * weight, 3 * np.arange(n), overlap=overlap), bounds, rtol=1e-9)


@settings(deadline=None)
@given(st.integers(2, 30), st.integers(2, 9), st.integers(0, 2**31))
def test_rows_that_repeat_what_others_of_their_time_say_make_no_rate_surer(n, copies, seed):
    hits = (np.random.default_rng(seed).random(n) < 0.6).astype(float)
    once = rate_interval(hits, np.ones(n), np.arange(n))
    many = rate_interval(hits.repeat(copies), np.ones(n * copies), np.arange(n).repeat(copies))
    # Of n days alike n - 1 are free to differ, and how much they do is known from them alone.
    student = special.stdtrit(n - 1, 0.975) / special.ndtri(0.975)
    independent = (n - 1) / student**2 if 0 < hits.mean() < 1 else n
    np.testing.assert_allclose(many, wilson_interval(hits.mean() * independent, independent), rtol=1e-9)
    assert many[1] - many[0] >= once[1] - once[0] - 1e-12


def test_the_interval_of_a_rate_covers_where_rows_of_one_time_share_their_fate():
    rng = np.random.default_rng(3)
    n_streams, n_days, n_assets = 400, 100, 30
    share = 0.6 + 0.25 * rng.choice([-1.0, 1.0], size=(n_streams, n_days, 1))
    hits = (rng.random((n_streams, n_days, n_assets)) < share).reshape(n_streams, -1)
    days = np.arange(n_days).repeat(n_assets)
    bounds = np.array([rate_interval(own, np.ones(len(own)), days) for own in hits])
    assert 0.92 < np.mean((bounds[:, 0] < 0.6) & (bounds[:, 1] > 0.6)) < 0.98
    low, high = wilson_interval(hits.sum(axis=1), np.full(n_streams, hits.shape[1]))
    assert np.mean((low < 0.6) & (high > 0.6)) < 0.7


@pytest.mark.parametrize(("n_days", "overlap"), [(2, 1), (3, 1), (5, 1), (4, 5), (10, 5)])
def test_the_interval_of_a_rate_covers_where_days_are_few(n_days, overlap):
    rng = np.random.default_rng(4)
    n_streams, n_assets, window = 400, 20, np.ones(overlap)

    def moved(width):
        steps = rng.normal(size=(n_streams, n_days + overlap - 1, width))
        return np.apply_along_axis(np.convolve, 1, steps, window, "valid")

    hits = (moved(1) + moved(n_assets) > 0).astype(float).reshape(n_streams, -1)
    days = np.arange(n_days).repeat(n_assets)
    bounds = np.array([rate_interval(own, np.ones(len(own)), days, overlap=overlap) for own in hits])
    assert np.mean((bounds[:, 0] <= 0.5) & (bounds[:, 1] >= 0.5)) > 0.92


def test_the_interval_of_no_rate():
    assert np.isnan(rate_interval([1.0, np.nan], [0.0, 1.0], [0, 0])).all()
    assert np.isnan(rate_interval([], [], [])).all()


def test_intervals_where_nothing_is_defined():
    for n in (0, 1):
        assert np.isnan(mean_interval(1.0, 1.0, n)).all()
        assert np.isnan(sharpe_interval(1.0, n)).all()
    assert np.isfinite(mean_interval(1.0, 1.0, 1.5)).all()
    for interval in (
        lambda c: wilson_interval(1, 2, c),
        lambda c: mean_interval(0, 1, 5, c),
        lambda c: sharpe_interval(0, 9, confidence=c),
    ):
        with pytest.raises(ValueError, match=r"confidence of an interval must lie between 0 and 1; got 95\."):
            interval(95)


@pytest.mark.parametrize("kind", ["normal", "fat tails", "skewed left"])
def test_the_sharpe_interval_covers(kind):
    rng = np.random.default_rng(7)
    n_streams, sharpe = 300, 0.15
    noise = {
        "normal": lambda size: rng.normal(size=size),
        "fat tails": lambda size: rng.standard_t(6, size=size) / np.sqrt(6 / 4),
        "skewed left": lambda size: (4 - rng.gamma(4, size=size)) / 2,
    }[kind]((500, n_streams + 3))
    ledger = Ledger([f"stream {number}" for number in range(n_streams)], [])
    frame = ledger.updated(np.empty((500, 0)), profits_bps=sharpe + noise).frame()
    streams = frame[frame["window"] == "lifetime"].head(n_streams)
    covered = ((streams["sharpe_low"] <= sharpe) & (sharpe <= streams["sharpe_high"])).mean()
    assert 0.90 <= covered <= 0.98


def test_trade_outcomes_by_hand():
    wins, profits = trade_outcomes([[2.0, -1, 0, np.nan], [1, -1, 0, 1], [1, -1, 1, 1]], [0.01, 0.0, np.nan])
    np.testing.assert_allclose(profits, [[100, -100, np.nan, np.nan], [0, 0, np.nan, 0], [np.nan] * 4], atol=0)
    np.testing.assert_array_equal(wins, [[1, 0, np.nan, np.nan], [np.nan] * 4, [np.nan] * 4])


WRONG = {
    "columns": ({"losses": np.ones((1, 5))}, r"losses of the ledger .* a shape of \(1, 6\); got \(1, 5\)"),
    "rows": ({"wins": np.ones((2, 6))}, r"wins of the ledger .* got \(2, 6\)"),
    "flat": ({"profits_bps": np.ones(6)}, r"profits_bps of the ledger .* got \(6,\)"),
    "errors": ({"errors": np.ones((1, 6))}, r"errors of the ledger .* one column per model.* \(1, 3\); got \(1, 6\)"),
    "words": ({"losses": [["good"] * 6]}, r"losses of the ledger must be numbers; got \[\['good'"),
    "signs as wins": ({"wins": -np.ones((1, 6))}, r"wins of the ledger must lie between 0 and 1, or be NaN; got -1\.0"),
    "per cent": ({"agreements": np.full((1, 6), 60)}, r"agreements of the ledger .* got 60\.0"),
    "memberships": ({"memberships": [[1, 0, 0]]}, r"memberships .* one column per regime, .* got \(1, 3\)"),
    "sum": ({"memberships": [[1, 1]]}, r"memberships .* add up to at most 1 in every row; got \[1\.0, 1\.0\] in row 0"),
    "negative": ({"memberships": [[-1, 1]]}, r"memberships .* got \[-1\.0, 1\.0\] in row 0"),
    "missing": ({"memberships": [[np.nan, 1]]}, r"memberships .* got \[nan, 1\.0\] in row 0"),
    "position": ({"memberships": np.array([2])}, r"memberships .* must be positions of its 2 regimes, or -1; got 2 in"),
    "weight": ({"sample_weight": [-1]}, r"sample_weight of the ledger must be 1 finite numbers .* got \[-1\.0\]"),
    "weights": ({"sample_weight": [1, 1]}, r"sample_weight of the ledger must be 1 finite numbers"),
    "weight missing": ({"sample_weight": [np.nan]}, r"sample_weight of the ledger .* got \[nan\]"),
    "weight words": ({"sample_weight": ["big"]}, r"sample_weight of the ledger must be numbers; got \['big'\]"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_update_gets_a_sentence_and_moves_nothing(wrong):
    given_rows, sentence = WRONG[wrong]
    ledger = new_ledger().updated(**history(10))
    kept = pickle.dumps(ledger)
    with pytest.raises(ValueError, match=sentence):
        ledger.updated(**{"memberships": [[1, 0]], **given_rows})
    assert pickle.dumps(ledger) == kept


def test_wrong_names_and_settings_get_a_sentence():
    with pytest.raises(ValueError, match="models of Ledger must all be different; got 'ridge' twice"):
        Ledger(["ridge", "ridge"], [])
    for name in ("best single", "live ensemble"):
        with pytest.raises(ValueError, match=f"models of Ledger may not be called '{name}': somebody else stands"):
            Ledger(["a", name], [])
    with pytest.raises(ValueError, match="models of Ledger may not be called 'ensemble'"):
        Ledger(["ensemble"], [])
    with pytest.raises(ValueError, match="regimes of Ledger may not be called 'pooled'"):
        Ledger(["ridge"], ["pooled"])
    with pytest.raises(ValueError, match="lookback of Ledger must be an integer of at least 1; got 0"):
        Ledger(["ridge"], [], lookback=0)
    with pytest.raises(ValueError, match="periods_per_year of Ledger must be a number above 0; got 0"):
        Ledger(["ridge"], [], periods_per_year=0)
    with pytest.raises(ValueError, match=r"overlap of Ledger must be a number of at least 1; got 0\.5"):
        Ledger(["ridge"], [], overlap=0.5)
    with pytest.raises(ValueError, match=r"models of Ledger\.discounted must be among .* got 'bost'"):
        new_ledger().discounted(["bost"], 0.5)
    with pytest.raises(ValueError, match=r"factor of Ledger\.discounted must be a number of at least 0 and at most 1"):
        new_ledger().discounted(["boost"], 2)
    with pytest.raises(ValueError, match=r"losses of the ledger .* a shape of \(n_samples, 3\); got \(1, 6\)"):
        new_ledger().leaders(np.ones((1, 6)))

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_score

from skensemble.splits import ForwardSplit, check_time_order, looks_ahead, purge

examples = settings(deadline=None, max_examples=50, derandomize=True)


def rows(n):
    return np.zeros((n, 1))


def frame(times):
    return pd.DataFrame({"x": 0.0}, index=pd.DatetimeIndex(times))


def meets(begin, end, i, j):
    return begin[i] <= end[j] and begin[j] <= end[i]


def purged_pair_by_pair(train, test, begin, end):
    return [i for i in train if not any(meets(begin, end, i, j) for j in test)]


sizes = st.integers(2, 60)
lengths = st.integers(0, 8)


@st.composite
def some_rows(draw):
    n = draw(sizes)
    choose = st.lists(st.integers(0, n - 1), unique=True, max_size=n)
    return n, draw(choose), draw(choose)


@st.composite
def some_times(draw, min_size=2):
    """Times in order, some of them shared, in days."""
    steps = draw(st.lists(st.integers(0, 3), min_size=min_size, max_size=60))
    return pd.Timestamp("2020-01-31") + pd.to_timedelta(np.cumsum(steps), unit="D")


# purge


@examples
@given(some_rows(), lengths, lengths)
def test_purge_in_rows_is_the_definition_pair_by_pair(chosen, horizon, embargo):
    n, train, test = chosen
    end = np.arange(n) + horizon + embargo
    expected = train if horizon + embargo == 0 else purged_pair_by_pair(train, test, np.arange(n), end)
    kept = purge(train, test, n_samples=n, label_horizon=horizon, embargo=embargo)
    assert kept.tolist() == expected


@examples
@given(st.data(), some_times(), st.integers(1, 8), lengths)
def test_purge_in_time_is_the_definition_pair_by_pair(data, times, horizon, embargo):
    choose = st.lists(st.integers(0, len(times) - 1), unique=True)
    train, test = data.draw(choose), data.draw(choose)
    end = times + pd.Timedelta(days=horizon + embargo)
    kept = purge(
        train, test, n_samples=len(times), times=times, label_horizon=f"{horizon}D", embargo=pd.Timedelta(days=embargo)
    )
    assert kept.tolist() == purged_pair_by_pair(train, test, times, end)


@pytest.mark.parametrize("offset", [pd.offsets.BDay(3), pd.offsets.MonthEnd(1), pd.offsets.Day(4), pd.offsets.Hour(30)])
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_purge_with_calendar_offsets_is_the_definition_pair_by_pair(offset, zone):
    times = pd.date_range("2021-03-20", periods=40, freq="D", tz=zone)
    end = [time + offset for time in times]
    train, test = [*range(12), *range(20, 40)], [*range(14, 18)]
    kept = purge(train, test, n_samples=40, times=times, label_horizon=offset)
    assert kept.tolist() == purged_pair_by_pair(train, test, times, end)


def test_a_calendar_offset_may_be_a_word():
    times = pd.bdate_range("2021-03-01", periods=8)  # two weeks of Monday to Friday, cut short
    kept = purge(range(7), [7], n_samples=8, times=times, label_horizon="2B", embargo="1B")
    assert kept.tolist() == [0, 1, 2, 3]


def test_purge_by_hand():
    assert purge(range(10), [5], n_samples=10, label_horizon=1).tolist() == [0, 1, 2, 3, 7, 8, 9]
    assert purge(range(10), [5], n_samples=10, label_horizon=1, embargo=1).tolist() == [0, 1, 2, 8, 9]
    assert purge([9, 0, 6], [2], n_samples=10, label_horizon=3).tolist() == [9, 6]


def test_purge_of_nothing():
    assert purge([3, 4], [4], n_samples=5).tolist() == [3, 4]
    assert purge([], [1], n_samples=5, label_horizon=2).tolist() == []
    assert purge([0, 1], [], n_samples=5, label_horizon=2).tolist() == [0, 1]


def test_purge_takes_masks():
    train = np.array([True, True, True, False])
    assert purge(train, ~train, n_samples=4, label_horizon=1).tolist() == [0, 1]


def test_purge_distinguishes_what_a_time_unit_cannot_hold():
    times = pd.date_range("2020-01-01", periods=4, freq="s").as_unit("s")
    kept = purge([0, 1, 2], [3], n_samples=4, times=times, label_horizon="1500ms")
    assert kept.tolist() == [0, 1]


def test_purge_is_fast_on_scattered_rows():
    n = 200_000
    order = np.random.RandomState(0).permutation(n)
    kept = purge(order[: n // 2], order[n // 2 :], n_samples=n, label_horizon=3)
    assert kept.size < n // 2  # comparing pairs would be 10^10 steps


# ForwardSplit


@examples
@given(st.integers(100, 300), st.integers(2, 6), lengths, st.none() | st.integers(10, 60))
def test_equals_time_series_split_on_large_data(n, n_splits, gap, window):
    mine = list(ForwardSplit(n_splits, window=window, min_train=1, label_horizon=gap).split(rows(n)))
    theirs = list(TimeSeriesSplit(n_splits, gap=gap, max_train_size=window).split(rows(n)))
    assert len(mine) == len(theirs)
    for (train, test), (their_train, their_test) in zip(mine, theirs, strict=True):
        np.testing.assert_array_equal(train, their_train)
        np.testing.assert_array_equal(test, their_test)


@examples
@given(st.integers(80, 300), st.integers(2, 6))
def test_the_default_equals_time_series_split_on_large_data(n, n_splits):
    mine = [(train.tolist(), test.tolist()) for train, test in ForwardSplit(n_splits).split(rows(n))]
    theirs = [(train.tolist(), test.tolist()) for train, test in TimeSeriesSplit(n_splits).split(rows(n))]
    assert mine == theirs


def check_folds(folds, n, begin, end):
    """Promises of every split: later, disjoint, contiguous test blocks up to the last row, and no shared interval."""
    assert folds
    tested = np.concatenate([test for _, test in folds])
    np.testing.assert_array_equal(tested, np.arange(tested[0], n))
    for train, test in folds:
        assert train.size
        assert train.max() < test.min()
        assert not looks_ahead(train, test)
        assert not any(meets(begin, end, i, j) for i in train for j in test)


@examples
@given(sizes, st.integers(1, 7), lengths, lengths, st.none() | st.integers(1, 20))
def test_no_label_interval_of_a_training_row_meets_one_of_a_test_row(n, n_splits, horizon, embargo, window):
    splitter = ForwardSplit(n_splits, window=window, label_horizon=horizon, embargo=embargo)
    end = np.arange(n) + horizon + embargo
    if math.ceil(n / 2) <= horizon + embargo:
        with pytest.raises(ValueError, match="leave no training row"):
            list(splitter.split(rows(n)))
        return
    folds = list(splitter.split(rows(n)))
    check_folds(folds, n, np.arange(n), end)
    assert splitter.get_n_splits(rows(n)) == len(folds) <= n_splits
    assert all(window is None or train.size <= window for train, _ in folds)
    if len(folds) > 1:
        assert all(train.size >= min(10, window or 10) for train, _ in folds)


@examples
@given(some_times(min_size=40), st.integers(1, 7), lengths, lengths)
def test_no_label_interval_meets_another_in_time_and_no_timestamp_is_cut(times, n_splits, horizon, embargo):
    splitter = ForwardSplit(n_splits, label_horizon=pd.Timedelta(days=horizon), embargo=f"{embargo}D")
    end = times + pd.Timedelta(days=horizon + embargo)
    middle = max(times[math.ceil(len(times) / 2)], times[times > times[0]].min()) if times[-1] > times[0] else times[0]
    if end[0] >= middle:
        with pytest.raises(ValueError, match=r"leave no training row|share the timestamp"):
            list(splitter.split(frame(times)))
        return
    folds = list(splitter.split(frame(times)))
    check_folds(folds, len(times), times, end)
    assert splitter.get_n_splits(frame(times)) == len(folds)
    for train, test in folds:
        assert times[train[-1]] < times[test[0]]


@examples
@given(some_times(), st.integers(1, 7))
def test_panels_always_get_a_fold_and_whole_timestamps(times, n_splits):
    if times[0] == times[-1]:
        with pytest.raises(ValueError, match=r"All \d+ rows share the timestamp 2020-.*two times"):
            list(ForwardSplit(n_splits).split(frame(times)))
        return
    folds = list(ForwardSplit(n_splits).split(frame(times)))
    assert folds
    for train, test in folds:
        assert times[train[-1]] < times[test[0]]
        assert test[-1] == len(times) - 1 or times[test[-1]] < times[test[-1] + 1]


def test_panel_boundaries_move_to_the_start_of_a_timestamp():
    times = np.repeat(pd.date_range("2020-01-01", periods=12, freq="D"), 3)
    (train, test), (later_train, later_test) = ForwardSplit(2, min_train=16).split(frame(times))
    assert (train[-1] + 1, test[0], test[-1] + 1) == (15, 15, 24)  # cut at 16, inside rows 15 to 17
    assert (later_train[-1] + 1, later_test[0], later_test[-1] + 1) == (24, 24, 36)


def test_later_rows_change_nothing_for_a_fixed_test_set():
    test = [10, 11]
    shorter = purge(range(10), test, n_samples=12, label_horizon=3)
    longer = purge(range(10), test, n_samples=500, label_horizon=3)
    np.testing.assert_array_equal(shorter, longer)


@pytest.mark.parametrize(
    ("n", "firsts"),
    [
        (2, [1]),
        (3, [2]),
        (10, [5]),
        (20, [10]),
        (27, [14]),
        (28, [10, 19]),
        (30, [10, 20]),
        (40, [10, 16, 22, 28, 34]),
        (60, [10, 20, 30, 40, 50]),
    ],
)
def test_small_data_gets_fewer_folds(n, firsts):
    assert [test[0] for _, test in ForwardSplit().split(rows(n))] == firsts


def test_purging_counts_when_the_folds_are_counted():
    assert ForwardSplit().get_n_splits(rows(60)) == 5
    assert ForwardSplit(label_horizon=10).get_n_splits(rows(60)) == 2


def test_min_train_is_kept_to():
    folds = list(ForwardSplit(5, min_train=252).split(rows(1000)))
    assert len(folds) == 5
    assert folds[0][0].size >= 252
    assert [test.size for _, test in folds] == [149] * 5
    assert [test.tolist() for _, test in ForwardSplit(5, min_train=8).split(rows(10))] == [[8], [9]]


def test_a_fold_left_without_training_rows_is_skipped():
    splitter = ForwardSplit(4, min_train=2, label_horizon=3)
    assert [(train.tolist(), test.tolist()) for train, test in splitter.split(rows(10))] == [
        ([0], [4, 5]),
        ([0, 1, 2], [6, 7]),
        ([0, 1, 2, 3, 4], [8, 9]),
    ]
    assert splitter.get_n_splits(rows(10)) == 3


def test_many_splits_of_few_rows_are_counted_quickly():
    assert ForwardSplit(n_splits=3000).get_n_splits(rows(3000)) == 2990


def test_plays_where_scikit_learn_takes_a_cv():
    rng = np.random.RandomState(0)
    X = pd.DataFrame(rng.standard_normal((90, 2)), index=pd.date_range("2020-01-01", periods=90, freq="D"))
    y = rng.standard_normal(90)
    cv = ForwardSplit(3, label_horizon="5D")
    assert cross_val_score(Ridge(), X, y, cv=cv).shape == (3,)
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=cv).fit(X, y)
    assert search.n_splits_ == 3
    assert "split2_test_score" in search.cv_results_
    with config_context(enable_metadata_routing=True):
        assert cross_val_score(Ridge(), X, y, cv=cv).shape == (3,)
        assert GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=cv).fit(X, y).n_splits_ == 3


def test_is_cloned_and_set_like_any_estimator():
    splitter = ForwardSplit(3, window=50, label_horizon="5D")
    copied = clone(splitter).set_params(n_splits=4)
    assert (copied.n_splits, copied.window, copied.label_horizon, splitter.n_splits) == (4, 50, "5D", 3)
    assert repr(splitter) == "ForwardSplit(label_horizon='5D', n_splits=3, window=50)"
    assert GridSearchCV(Ridge(), {}, cv=splitter).get_params()["cv__window"] == 50


def test_get_n_splits_without_rows_is_the_number_asked_for():
    assert ForwardSplit(7).get_n_splits() == 7


@pytest.mark.parametrize(
    "X", [[[0.0]] * 30, pd.Series(range(30)), np.zeros((30, 2, 2)), frame(["2020-01-01"] * 15 + ["2020-01-02"] * 15)]
)
def test_rows_of_many_kinds(X):
    assert all(train.size and test.size for train, test in ForwardSplit().split(X))


@pytest.mark.parametrize(
    ("parameters", "X", "sentence"),
    [
        ({}, rows(1), "at least 2 rows.*got n_samples=1. Pass more rows"),
        ({}, rows(0), "n_samples=0"),
        ({"n_splits": 0}, rows(9), "n_splits of ForwardSplit must be an integer of at least 1; got 0"),
        ({"n_splits": 2.5}, rows(9), "n_splits of ForwardSplit must be an integer"),
        ({"window": 0}, rows(9), "window of ForwardSplit must be an integer of at least 1; got 0"),
        ({"min_train": "all"}, rows(9), "min_train of ForwardSplit must be an integer of at least 1; got 'all'"),
        ({"min_train": 9}, rows(9), "min_train=9 of ForwardSplit leaves no row to be judged on; got n_samples=9"),
        ({"label_horizon": -1}, rows(9), "label_horizon must be a number of rows .* got -1"),
        ({"label_horizon": 1.5}, rows(9), "label_horizon must be a number of rows"),
        ({"label_horizon": True}, rows(9), "label_horizon must be a number of rows .* got True"),
        ({"label_horizon": None}, rows(9), "label_horizon must be a number of rows .* got None"),
        ({"label_horizon": "5"}, rows(9), "length of time such as '5D'; got '5'"),
        ({"label_horizon": "soon"}, rows(9), "length of time such as '5D'; got 'soon'"),
        ({"label_horizon": "nat"}, rows(9), "length of time such as '5D'; got 'nat'"),
        ({"embargo": "-5D"}, rows(9), "embargo must be .*; got '-5D'"),
        ({"label_horizon": np.timedelta64(-1, "D")}, rows(9), "label_horizon must be"),
        ({"label_horizon": -pd.offsets.BDay(2)}, frame(pd.date_range("2020", periods=9)), "must not go back in time"),
        ({"label_horizon": "5D"}, rows(9), "label_horizon='5D' is a length of time, .*; got rows without an index"),
        ({"embargo": "5D"}, rows(9), "embargo='5D' is a length of time, which needs rows with a DatetimeIndex"),
        ({"label_horizon": "5D", "embargo": 3}, rows(9), "must both be numbers of rows or both be lengths of time"),
        (
            {"label_horizon": 4, "embargo": 1},
            rows(9),
            "label_horizon=4 and embargo=1 .* leave no training row .* these 9",
        ),
        ({}, frame(["2020-01-02", "2020-01-01"]), r"row 1 \(2020-01-01 00:00:00\) is earlier than row 0 \(2020-01-02"),
    ],
)
def test_wrong_calls_get_a_sentence(parameters, X, sentence):
    with pytest.raises(ValueError, match=sentence):
        list(ForwardSplit(**parameters).split(X))


def test_lengths_of_x_and_y_must_agree():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        list(ForwardSplit().split(rows(20), np.zeros(19)))


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"train": [0, 9]}, "train of purge must hold row numbers from 0 to 8; got 9"),
        ({"test": [-1]}, "test of purge must hold row numbers from 0 to 8; got -1"),
        ({"train": [0.5]}, "train of purge must be row numbers or a mask"),
        ({"train": [[0]]}, "train of purge must be row numbers or a mask"),
        ({"n_samples": -1}, "n_samples of purge"),
        ({"times": pd.date_range("2020", periods=3)}, "one entry per row; got 3 for n_samples=9"),
        ({"times": pd.RangeIndex(9), "label_horizon": "5D"}, "got an index of type RangeIndex"),
        ({"times": pd.DatetimeIndex([pd.NaT] * 9), "label_horizon": "5D"}, "row 0 has no timestamp"),
    ],
)
def test_wrong_purges_get_a_sentence(parameters, sentence):
    with pytest.raises(ValueError, match=sentence):
        purge(**{"train": [0, 1], "test": [4], "n_samples": 9, **parameters})


# order in time


def test_time_order_names_the_first_bad_timestamp():
    times = pd.to_datetime(["2020-01-01", "2020-01-03", "2020-01-03", "2020-01-02", "2020-01-01"])
    with pytest.raises(
        ValueError, match=r"row 3 \(2020-01-02 00:00:00\) is earlier than row 2 \(2020-01-03 00:00:00\)"
    ):
        check_time_order(times)


def test_time_order_refuses_missing_timestamps():
    with pytest.raises(ValueError, match=r"row 1 has no timestamp \(NaT\)"):
        check_time_order(pd.DatetimeIndex(["2020-01-01", pd.NaT]))


@pytest.mark.parametrize(
    "index", [None, pd.RangeIndex(3), pd.Index([3, 1, 2]), pd.DatetimeIndex([]), pd.to_datetime(["2020-01-01"] * 2)]
)
def test_time_order_lets_everything_else_pass(index):
    check_time_order(index)


@pytest.mark.parametrize(
    ("train", "test", "ahead"),
    [
        ([0, 1], [2, 3], False),
        ([3, 0], [2], True),
        ([2], [2], True),
        ([], [2], False),
        ([2], [], False),
        ([True, False], [False, True], False),
        ([False, True], [True, False], True),
    ],
)
def test_looks_ahead(train, test, ahead):
    assert looks_ahead(train, test) is ahead

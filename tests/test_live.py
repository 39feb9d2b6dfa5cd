"""A live ensemble: what it says is kept, what comes true is learned from once and in order, and others take over."""

import pickle
import threading
from copy import copy

import numpy as np
import pandas as pd
import pytest
from _live_cases import DAYS, MODELS, Says, at, classifier, learned, plainly, regressor, rows
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skensemble import JournalError, LiveEnsemble, RegimeAwareEnsembleRegressor, StaleWarning
from skensemble._base import RegimeAwareEnsemble
from skensemble._checks import LookAheadWarning
from skensemble.combiners import Stacking, WeightedCombiners, WeightedVoting
from skensemble.displays import CumulativeLossDisplay
from skensemble.live import TakeoverRefusedError
from skensemble.live._drift import drift_p_value
from skensemble.live._prediction import Layout
from skensemble.regimes import VolatilityRegimes

ROWS, YS, REGIMES = rows(300, seed=1)
ENSEMBLE = regressor()


@pytest.fixture
def begin(tmp_path):
    """Begin journals, and close them in the end."""
    begun = []

    def one(ensemble=ENSEMBLE, **options):
        begun.append(LiveEnsemble(ensemble, tmp_path / f"{len(begun)}.db", **{"synchronous": "normal", **options}))
        return begun[-1]

    yield one
    for each in begun:
        each.close()


@pytest.fixture
def live(begin):
    return begin()


def say(live, n, start=0):
    return [live.predict(ROWS[i], id=f"row {i}", at=at(i), regimes=REGIMES[i]) for i in range(start, start + n)]


def reopened(live, **options):
    live.close()
    return LiveEnsemble.open(live.path, synchronous="normal", **options)


def same_state(first, second):
    assert learned(first) == learned(second)


# Predicting.


def test_it_says_what_the_ensemble_says_and_keeps_it_to_the_last_bit(live):
    said = live.predict(ROWS[:3], id=["x", "y", "z"], at=at(0), regimes=REGIMES[:3])
    plain = ENSEMBLE.explain(ROWS[:3], regimes=REGIMES[:3])
    for name in plain.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(said, name), getattr(plain, name))
    assert said.ids == ("x", "y", "z")
    assert (said.at == at(0).tz_localize("UTC")).all()
    with pytest.raises(ValueError, match="These are 3 predictions"):
        _ = said.id
    for row, each in enumerate(said.ids):
        kept = live.said(each)
        for name in set(plain.__dataclass_fields__) - {"index"}:
            np.testing.assert_array_equal(getattr(kept, name), getattr(said[row], name), strict=True)
        assert (kept.id, kept.version, kept.stale, kept.at[0]) == (each, 1, False, said.at[row])
    assert repr(live.said("x")).startswith("'x' at 2024-06-01 00:00:00, version 1\nprediction ")


def test_classes_and_sleepers_are_read_back_as_they_were_said(begin):
    for classes in (("no", "yes"), ("a", "b", "c"), (3, 7)):
        ensemble = classifier(classes)
        live = begin(ensemble)
        said = live.predict(ROWS[:5], id=list("vwxyz"))
        np.testing.assert_array_equal(said.prediction, ensemble.predict(ROWS[:5]), strict=True)
        np.testing.assert_array_equal(live.said("z").prediction, said.prediction[4:], strict=True)
        assert live.said("z").classes == classes
    live = begin(regressor())
    row = [np.nan, 1.0, 2.0]
    sleepy = live.ensemble
    sleepy.set_params(on_error="warn")
    assert not ENSEMBLE.explain([[0.0, 1.0, 2.0]]).asleep.any()
    with pytest.raises(ValueError, match="NaN"):
        live.predict(row, id="nan")
    with pytest.raises(ValueError, match="Nothing was said under the id 'nan'"):
        live.said("nan")


@pytest.mark.parametrize(
    "form",
    [
        list,
        np.array,
        lambda values: dict(zip("zyx", values[::-1], strict=True)),
        lambda values: pd.Series(values, list("xyz")),
        lambda values: pd.DataFrame([values], columns=list("xyz")),
    ],
)
def test_a_row_may_come_in_any_form(begin, form):
    ensemble = regressor(times=DAYS)
    values = ROWS[0].tolist()
    said = begin(ensemble).predict(form(values), id="x", at=at(5))
    assert said.prediction[0] == ensemble.predict(pd.DataFrame([values], columns=list("xyz")))[0]
    assert said.at[0] == at(5).tz_localize("UTC")


def test_the_time_is_given_or_that_of_the_row_or_now(begin):
    live = begin(regressor(times=DAYS))
    frame = pd.DataFrame(ROWS[:2], columns=list("xyz"), index=pd.DatetimeIndex([at(1), at(2)]))
    assert live.predict(frame).at.tolist() == [at(1).tz_localize("UTC"), at(2).tz_localize("UTC")]
    assert live.predict(frame, at=at(9)).at.tolist() == [at(9).tz_localize("UTC")] * 2
    assert live.predict(frame[:1], at="2024-06-01 02:00+02:00").at[0] == at(0).tz_localize("UTC")
    before = pd.Timestamp.now("UTC")
    now = live.predict(ROWS[0]).at[0]
    assert before <= now <= pd.Timestamp.now("UTC")


def test_a_clock_that_goes_back_does_not_turn_the_order_round(live, monkeypatch):
    clock = iter([10**18, 10**18 - 10**12, 10**18 + 5])
    first = live.predict(ROWS[0]).at[0]
    monkeypatch.setattr("skensemble.live._live.time.time_ns", lambda: next(clock))
    times = [live.predict(ROWS[0]).at[0] for _ in range(3)]
    assert [first, *times] == sorted([first, *times])
    assert len({first, *times}) == 4


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"x": "row"}, r"x of LiveEnsemble.predict must be one row .*; got 'row'"),
        ({"x": {"a": 1.0}}, r"names columns, but the ensemble was fitted on rows without names; got \{'a': 1.0\}"),
        ({"x": [1.0]}, "X has 1 features, but .* is expecting 3"),
        ({"x": []}, "must be one row"),
        ({"x": [[["a"]]]}, "must be one row"),
        ({"id": 3}, "id must be a text of 1 to 1,000 characters; got 3"),
        ({"id": ""}, "id must be a text"),
        ({"id": "\ud800"}, "half a character"),
        ({"id": ["a", "b"]}, "one text for each of the 1 rows; got 2"),
        ({"id": ["a", "a"], "x": [[1.0, 2.0, 3.0]] * 2}, "each row once; got 'a' twice"),
        ({"at": "soon"}, "at must be a time, .*; got 'soon'"),
        ({"at": None, "x": [1.0, 2.0, "c"]}, "could not convert|must be real|dtype"),
        ({"at": pd.NaT}, "at must be a time"),
        ({"at": True}, "at must be a time"),
        ({"at": 1e300}, "at must be a time"),
        ({"at": [at(0), at(1)]}, "one for each of the 1 rows; got 2"),
        ({"at": "9999-01-01"}, "between the years 1678 and 2262"),
        ({"regimes": ["up", "down"]}, "regimes has 2 rows but X has 1"),
        ({"regimes": "up", "x": [[1.0] * 3] * 2, "id": None}, "one label per row of X; got 'up'"),
    ],
    ids=str,
)
def test_what_cannot_be_read_is_refused_and_nothing_is_kept(live, wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        live.predict(**{"x": ROWS[0], "id": "a", "at": at(0), "regimes": None, **wrong})
    assert len(live.to_frame()) == 0


def test_an_id_names_one_prediction(live):
    live.predict(ROWS[0], id="a", at=at(0))
    with pytest.raises(ValueError, match="id 'a' stands in the journal already, of 2024-06-01 00:00:00"):
        live.predict(ROWS[1], id="a")
    assert live.said("a").at[0] == at(0).tz_localize("UTC")
    assert live.predict(ROWS[0]).id != live.predict(ROWS[0]).id


HOSTILE = ["'; DROP TABLE events; --", '"', "\\", "a\x00b", "%s", "?", "Ж🦜", " ", "\n", "' OR 1=1 --", "x" * 1000]


def test_hostile_ids_are_only_ids(live):
    for number, text in enumerate(HOSTILE):
        live.predict(ROWS[number], id=text, at=at(number))
    for number, text in enumerate(HOSTILE):
        assert live.feedback(text, y=float(number))
    assert live.to_frame()[["id", "y"]].values.tolist() == [[text, float(k)] for k, text in enumerate(HOSTILE)]
    with pytest.raises(ValueError, match="Nothing was said under the id"):
        live.feedback("' OR '1'='1", y=1.0)


@given(st.text(min_size=1, max_size=30))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_is_an_id_or_is_refused(live, text):
    refused = None
    try:
        said = live.predict(ROWS[0], id=text)
    except ValueError as error:
        refused = str(error)
    if refused is None:
        assert live.said(text).id == said.id == text
    else:
        assert "half a character" in refused or "stands in the journal already" in refused


# Outcomes.


def test_outcomes_teach_what_partial_update_teaches(live):
    said = say(live, 30)
    for i in range(30):
        assert live.feedback(f"row {i}", y=YS[i])
    same_state(live.ensemble, plainly(ENSEMBLE, [(said[i], YS[i], at(i)) for i in range(30)]))
    assert live.ensemble.learned_until_ == at(29)


@pytest.mark.parametrize(
    "combiner",
    ["dynamic", WeightedVoting(memory=0.99), Stacking(), WeightedCombiners()],
    ids=lambda each: type(each).__name__,
)
@pytest.mark.parametrize("seed", range(3))
def test_any_order_of_arrival_ends_in_the_same_weights(begin, combiner, seed):
    rng = np.random.default_rng(seed)
    ensemble = regressor(combiner=combiner)
    live = begin(ensemble, replay_window=40)
    said = [live.predict(ROWS[i], id=f"row {i}", at=at(i // 2), regimes=REGIMES[i]) for i in range(40)]
    for i in rng.permutation(40):
        live.feedback(f"row {i}", y=YS[i])
        if rng.random() < 0.2:
            live.predict(ROWS[i])
    ordered = plainly(ensemble, [(said[i], YS[i], at(i // 2)) for i in range(40)])
    same_state(live.ensemble, ordered)
    assert live.health().n_late == 0
    with reopened(live) as again:
        same_state(again.ensemble, ordered)


def test_what_comes_too_late_is_learned_from_as_the_latest_and_counted(begin):
    live = begin(replay_window=5)
    said = say(live, 20)
    for i in [*range(1, 20), 0]:
        live.feedback(f"row {i}", y=YS[i])
    # Of one time with row 19, the latest, and before it, since it was said before it.
    before = [(said[i], YS[i], at(i)) for i in range(1, 19)]
    same_state(live.ensemble, plainly(ENSEMBLE, [*before, (said[0], YS[0], at(19)), (said[19], YS[19], at(19))]))
    assert live.health().n_late == 1
    assert live.to_frame().query("late")["id"].tolist() == ["row 0"]
    with reopened(live) as again:
        same_state(again.ensemble, live_state(live))


def live_state(live):
    """The state of a journal that has been closed, by itself."""
    with LiveEnsemble.open(live.path, read_only=True) as looking:
        return looking.ensemble


def test_the_same_outcome_twice_is_harmless_and_another_one_is_refused(live):
    say(live, 2)
    assert live.feedback("row 0", y=1.5)
    before = learned(live.ensemble)
    assert not live.feedback("row 0", y=1.5)
    with pytest.raises(ValueError, match=r"'row 0' is known and is another one: y=1.5 stands .* got y=2.5\. What"):
        live.feedback("row 0", y=2.5)
    assert live.feedback("row 0", won=True, profit_bps=3.0)
    assert not live.feedback("row 0", won=True, profit_bps=3.0)
    with pytest.raises(ValueError, match=r"another one: won=1, profit_bps=3.0 stands .* got won=0, profit_bps=-3.0"):
        live.feedback("row 0", won=False, profit_bps=-3.0)
    with pytest.raises(ValueError, match="another one"):
        live.feedback(["row 1", "row 0"], y=[1.0, 7.0])
    assert live.pending()["id"].tolist() == ["row 1"]
    assert live.health().n_outcomes == 2
    assert before != learned(live.ensemble)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({}, "feedback needs an outcome: y, won or profit_bps"),
        ({"id": "row 9", "y": 1.0}, "Nothing was said under the id 'row 9'"),
        ({"id": 3, "y": 1.0}, "id must be a text"),
        ({"y": np.nan}, "finite number"),
        ({"y": np.inf}, "finite number"),
        ({"y": "up"}, "finite number for .*; got 'up'"),
        ({"y": [1.0, 2.0]}, "must be one number or class"),
        ({"y": {}}, "must be one number or class"),
        ({"y": 10**400}, "finite number"),
        ({"won": "yes"}, "won of .* must be True or False; got 'yes'"),
        ({"profit_bps": np.inf}, "profit_bps of .* must be a finite number"),
        ({"won": True, "profit_bps": -2.0}, "contradicts"),
        ({"profit_bps": 0.001}, "looks like fractions"),
        ({"y": 1.0, "at": "soon"}, "at must be a time"),
        ({"id": ["row 0", "row 1"], "y": 1.0}, "y must hold one value for each of the 2 ids"),
        ({"id": ["row 0", "row 1"], "y": [1.0]}, "y must hold one value for each of the 2 ids"),
        ({"id": ["row 0", "row 0"], "y": [1.0, 1.0]}, "each row once"),
    ],
    ids=str,
)
def test_an_outcome_that_is_none_changes_nothing(live, wrong, sentence):
    say(live, 2)
    before = learned(live.ensemble)
    with pytest.raises(ValueError, match=sentence):
        live.feedback(**{"id": "row 0", **wrong})
    assert learned(live.ensemble) == before
    assert len(live.pending()) == 2


def test_classes_come_true_or_are_refused(begin):
    live = begin(classifier())
    live.predict(ROWS[:2], id=["a", "b"], at=at(0))
    for wrong in ("maybe", 1, None, np.nan, b"yes"):
        with pytest.raises(ValueError, match=r"one of the classes|one number or class|needs an outcome"):
            live.feedback("a", y=wrong)
    assert live.feedback("a", y=np.str_("yes"))
    assert live.to_frame()["y"].tolist() == ["yes", None]
    flags = begin(classifier((False, True)))
    flags.predict(ROWS[0], id="a")
    assert flags.feedback("a", y=True)
    assert not flags.feedback("a", y=np.True_)


def test_trades_are_credited_by_what_was_said(live):
    said = say(live, 3)
    for i, profit in enumerate((12.0, -3.0, 0.5)):
        assert live.feedback(f"row {i}", won=profit > 0, profit_bps=profit)
    plain = copy(ENSEMBLE)
    for i, profit in enumerate((12.0, -3.0, 0.5)):
        trade = {"model": None, "won": profit > 0, "profit_bps": profit, "regime": REGIMES[i]}
        plain.partial_update(trades=trade, predictions=said[i])
    same_state(live.ensemble, plain)


def test_a_combiner_that_trades_cannot_move_says_so(begin):
    live = begin(regressor(combiner=Stacking()))
    say(live, 1)
    with pytest.warns(UserWarning, match="Stacking .* has no weights that trades could move"):
        live.feedback("row 0", won=True)
    assert live.ensemble.ledger_.frame().query("performer == 'ensemble' and regime == 'pooled'")["won"].max() == 1


def test_a_model_that_cannot_learn_from_an_outcome_loses_that_one_alone(live, monkeypatch):
    say(live, 4)
    learn = RegimeAwareEnsemble.partial_update

    def picky(self, X=None, y=None, **given):
        if -7.0 in y:
            raise FloatingPointError("too small")
        return learn(self, X, y, **given)

    monkeypatch.setattr(RegimeAwareEnsemble, "partial_update", picky)
    with pytest.warns(UserWarning, match=r"could not learn from 1 outcomes .*FloatingPointError: too small"):
        live.feedback([f"row {i}" for i in range(4)], y=[1.0, -7.0, 2.0, 3.0])
    monkeypatch.undo()
    others = [(live.said(f"row {i}"), float(max(i, 1)), at(i)) for i in (0, 2, 3)]
    same_state(live.ensemble, plainly(ENSEMBLE, others))


def test_a_compiled_ensemble_answers_the_same_and_learns(begin):
    sizes = {"random_forest__n_estimators": 5}
    ensemble = RegimeAwareEnsembleRegressor(["random_forest", "linear"], combiner="dynamic", random_state=0)
    X, y, regimes = rows(60)
    ensemble.set_params(**sizes).fit(X, y, regimes=regimes)
    other = RegimeAwareEnsembleRegressor(["random_forest"], combiner="dynamic", random_state=1).set_params(**sizes)
    other.fit(X, y, regimes=regimes)
    quick, plain = begin(ensemble, compiled=True), begin(ensemble)
    for i in range(12):
        if i == 8:
            quick.adopt(other)
            plain.adopt(other)
        said = [each.predict(ROWS[i], id=f"row {i}", at=at(i), regimes=REGIMES[i]) for each in (quick, plain)]
        np.testing.assert_allclose(said[0].combined, said[1].combined, rtol=1e-9)
        np.testing.assert_allclose(said[0].weights, said[1].weights, rtol=1e-6)
        for each in (quick, plain):
            each.feedback(f"row {i}", y=YS[i])
        if i == 4:
            quick = reopened(quick, compiled=True)
    quick.close()
    with pytest.raises(ValueError, match="compiled of LiveEnsemble must be True or False; got 'yes'"):
        begin(ensemble, compiled="yes")
    with pytest.raises(ValueError, match="pass some as X_check"):
        begin(_of_words(), compiled=True)
    begin(ensemble)


def _of_words():
    """An ensemble of rows that cannot be packed."""
    frame = pd.DataFrame({"x": ["a", "b"] * 30})
    return RegimeAwareEnsembleRegressor(["random_forest"], random_state=0).fit(frame, YS[:60])


# Restarting.


@pytest.mark.parametrize("snapshot_every", [1, 7, 1000])
def test_it_goes_on_where_it_was(begin, snapshot_every):
    rng = np.random.default_rng(0)
    live = begin(replay_window=10, snapshot_every=snapshot_every)
    twin = begin(replay_window=10)
    for step in range(60):
        i = step
        for each in (live, twin):
            each.predict(ROWS[i], id=f"row {i}", at=at(i), regimes=REGIMES[i])
        known = int(rng.integers(max(step - 15, 0), step + 1))
        for each in (live, twin):
            each.feedback(f"row {known}", y=YS[known])
        if step % 9 == 0:
            live = reopened(live)
        same_state(live.ensemble, twin.ensemble)
    assert live.health().n_late == twin.health().n_late
    assert live.pending()["id"].tolist() == twin.pending()["id"].tolist()
    live.close()


def test_an_ensemble_handed_over_is_not_changed_and_neither_is_the_journal(live):
    before = learned(ENSEMBLE)
    say(live, 3)
    live.feedback("row 0", y=1.0)
    state = learned(live.ensemble)
    live.ensemble.partial_update(ROWS[:3], YS[:3])
    assert learned(live.ensemble) == state
    assert learned(ENSEMBLE) == before


@pytest.mark.parametrize("task", ["numbers", "classes"])
def test_partial_update_moves_what_a_moment_keeps_and_nothing_else(task):
    if task == "numbers":
        ensemble, y = regressor(times=DAYS, regime_detector=VolatilityRegimes("x", window=5)), YS[:5]
    else:
        ensemble, y = classifier(calibrate=True), ["no", "yes", "yes", "no", "yes"]
    ensemble._idle = ensemble._idle + 3
    frame = pd.DataFrame(ROWS[:5], columns=list("xyz"), index=pd.date_range("2024-06-01", periods=5))
    before = {name: pickle.dumps(value) for name, value in vars(ensemble).items()}
    ensemble.partial_update(frame if task == "numbers" else ROWS[:5], y, groups=list("ababa"))
    ensemble.partial_update(trades={"model": "a", "won": True, "profit_bps": 2.0})
    after = {name: pickle.dumps(value) for name, value in vars(ensemble).items()}
    of_numbers = {"regime_detector_", "learned_until_"}
    expected = set(ensemble._moving) - ({"calibration_"} if task == "numbers" else of_numbers)
    assert {name for name in after if after[name] != before.get(name)} == expected


# Regimes of a detector that looks back.


@pytest.mark.parametrize("as_frame", [True, False])
def test_a_detector_that_looks_back_remembers_every_row_also_after_a_restart(begin, as_frame):
    ensemble = regressor(times=DAYS, regime_detector=VolatilityRegimes("x", window=5))
    live, plain = begin(ensemble, snapshot_every=3), copy(ensemble)
    for i in range(20):
        frame = pd.DataFrame(ROWS[[i]], columns=list("xyz"), index=pd.DatetimeIndex([at(i)]))
        said = live.predict(frame if as_frame else ROWS[i], id=f"row {i}", at=at(i))
        np.testing.assert_array_equal(said.memberships, plain.explain(frame).memberships)
        plain.remember(frame)
        if i % 4 == 0:
            live.feedback(f"row {i}", y=YS[i])
        if i % 5 == 0:
            live = reopened(live)
    # A new ensemble is told what has happened since it was trained.
    live.adopt(ensemble, at=at(20))
    frame = pd.DataFrame(ROWS[[20]], columns=list("xyz"), index=pd.DatetimeIndex([at(20)]))
    np.testing.assert_array_equal(live.predict(frame).memberships, plain.explain(frame).memberships)
    live.close()


def test_rows_that_a_new_detector_cannot_be_told_of_are_said(begin):
    live = begin(regressor(times=DAYS))
    for i in range(3):
        live.predict(ROWS[i], at=at(i))
    with pytest.warns(UserWarning, match="looks back, but 3 rows that were predicted are not in"):
        live.adopt(regressor(times=DAYS, regime_detector=VolatilityRegimes("x", window=5)))
    live.predict(ROWS[3], at=at(3))
    with reopened(live) as again:
        again.predict(ROWS[4], at=at(4))


def test_rows_of_all_kinds_are_read_back_as_they_were(tmp_path):
    from skensemble.live._rows import packed_rows, unpacked_rows

    frame = pd.DataFrame(
        {
            "f": [0.1, np.nan],
            "i": [1, 2**60],
            "b": [True, False],
            "s": ["a", None],
            "c": pd.Categorical(["u", "v"], categories=["v", "u", "w"]),
            "t": pd.to_datetime(["2024-01-01", None]),
            "z": pd.to_datetime(["2024-01-01", "2024-01-02"]).tz_localize("Europe/Paris"),
            "n": pd.array([1, None], dtype="Int64"),
        },
        index=pd.DatetimeIndex(["2024-01-01 00:00:00.000000001", "2024-01-02"]),
    )
    for table in (frame, frame[["f"]], frame.set_index(pd.Index([3, 5])), frame.tz_localize("UTC")):
        again = unpacked_rows(*packed_rows(table))
        pd.testing.assert_frame_equal(again, table, check_freq=False, check_column_type=False)
    for array in (np.eye(3), np.arange(4).reshape(2, 2), np.array([["a", "b"]])):
        np.testing.assert_array_equal(unpacked_rows(*packed_rows(array)), array, strict=True)
    with pytest.raises(ValueError, match=r"x holds \{1\} of type set"):
        packed_rows(pd.DataFrame({"x": [{1}]}))
    with pytest.raises(ValueError, match="named by texts or whole numbers"):
        packed_rows(pd.DataFrame([[1.0]], columns=[(1, 2)]))


def test_features_are_kept_as_a_fingerprint_or_as_they_are(begin):
    for features, n_bytes in (("hash", 32), ("values", None)):
        live = begin(features=features)
        say(live, 1)
        (row,) = live._journal.latest_predictions(1)
        assert (row.columns is None) == (features == "hash")
        assert n_bytes is None or len(row.features) == n_bytes


# Another ensemble takes over.


def test_a_takeover_is_a_warm_start_of_the_record(live):
    said = say(live, 20)
    for i in range(10):
        live.feedback(f"row {i}", y=YS[i])
    before = live.ensemble
    retrained = regressor([("a", Says(0)), ("b", Says(1, scale=2.0)), ("d", Says(2))], seed=3)
    assert live.adopt(retrained, at=at(20)) is None
    after = live.ensemble
    assert (live.version, live.predict(ROWS[20], at=at(21)).version) == (2, 2)
    assert after.records_ == {"a": "kept", "b": "discounted", "d": "new"}
    old, new = before.ledger_.frame(), after.ledger_.frame()
    kept = ["performer", "regime", "window", "n", "loss"]
    for own in ("performer == 'a'", "performer == 'ensemble'"):
        pd.testing.assert_frame_equal(
            old.query(own)[kept].reset_index(drop=True), new.query(own)[kept].reset_index(drop=True)
        )
    assert after.learned_until_ == at(9)
    # Outcomes that the old one's predictions wait for are learned from, before the takeover.
    for i in range(10, 20):
        live.feedback(f"row {i}", y=YS[i])
    twin = plainly(ENSEMBLE, [(said[i], YS[i], at(i)) for i in range(20)])
    pooled = "performer == 'ensemble' and regime == 'pooled'"
    assert live.ensemble.ledger_.frame().query(pooled)["n"].tolist() == twin.ledger_.frame().query(pooled)["n"].tolist()
    with reopened(live) as again:
        assert again.version == 2
        same_state(again.ensemble, live_state(again))


@pytest.mark.parametrize("combiner", ["dynamic", "weighted_voting", "stacking", WeightedCombiners()], ids=str)
def test_regimes_and_models_come_and_go_in_a_takeover(begin, combiner):
    live = begin(regressor(combiner=combiner))
    say(live, 10)
    live.feedback([f"row {i}" for i in range(10)], y=YS[:10])
    X, y, _ = rows(60, seed=4)
    new = RegimeAwareEnsembleRegressor(MODELS[1:], combiner=combiner, random_state=0)
    live.adopt(new.fit(X, y, regimes=np.where(X[:, 2] > 0.5, "new", "up")))
    expected = ("up", "new") if combiner not in ("dynamic", "weighted_voting") else ("down", "up", "new")
    assert set(live.ensemble.regimes_) == set(expected)
    weights = live.ensemble.weights_
    np.testing.assert_allclose(weights.sum(), 1.0)
    said = live.predict(ROWS[0], id="later", regimes="new")
    assert said.regime[0] == "new"
    live.feedback("later", y=1.0)
    assert len(live.ensemble.performance_report()) > 0
    with reopened(live) as again:
        same_state(again.ensemble, live_state(again))


def test_what_cannot_take_over_is_refused(begin):
    live = begin(classifier())
    for wrong, sentence in (
        (Says(), "needs a fitted RegimeAwareEnsemble.*; got Says"),
        (RegimeAwareEnsembleRegressor(), "not fitted"),
        (regressor(), "of the same task: RegimeAwareEnsembleClassifier is live"),
        (classifier(("no", "never")), r"knows the classes of the one before; .*never seen \['yes'\]"),
    ):
        with pytest.raises(ValueError, match=sentence):
            live.adopt(wrong)
    assert live.version == 1


def test_new_classes_start_the_record_anew_and_say_so(begin):
    live = begin(classifier())
    live.predict(ROWS[0], id="old", at=at(0))
    live.predict(ROWS[0], id="older", at=at(0))
    wider = classifier(("no", "unsure", "yes"))
    with pytest.warns(UserWarning, match=r"The classes were .* ledger and weights go on from those of the new"):
        live.adopt(wider, at=at(1))
    live.predict(ROWS[1], id="new", at=at(2))
    assert live.feedback("new", y="unsure")
    with pytest.raises(ValueError, match=r"one of the classes that .* knew when it said 'old'"):
        live.feedback("old", y="unsure")
    assert live.feedback("old", y="yes")
    assert live.ensemble.classes_.tolist() == ["no", "unsure", "yes"]


def gated(begin, seed=0, n=60):
    live = begin(regressor(times=DAYS), features="values")
    for i in range(n):
        live.predict(ROWS[i], id=f"row {i}", at=at(24 * i), regimes=REGIMES[i])
        live.feedback(f"row {i}", y=YS[i])
    return live


def test_a_gate_refuses_what_is_worse_beyond_chance_with_the_numbers(begin):
    live = gated(begin)
    state = learned(live.ensemble)
    worse = regressor([("bad", Says(1, scale=5.0))], times=DAYS)
    with pytest.raises(TakeoverRefusedError, match=r"loss on the latest rows is \+\d+.* % .*interval \+\d+"):
        live.adopt(worse, gate=60)
    assert (live.version, learned(live.ensemble)) == (1, state)
    change = live.adopt(regressor(times=DAYS, seed=5), gate=60)
    assert change.verdict in ("not distinguishable", "distinguishable: less loss")
    assert live.version == 2


def test_a_gate_looks_only_at_rows_later_than_the_training(begin):
    live = gated(begin)
    late = regressor(times=pd.date_range(at(0), periods=60), seed=5)
    assert live.adopt(late, gate=60).verdict == "too few rows"
    with pytest.raises(ValueError, match="needs the rows: begin the journal with features='values'"):
        begin().adopt(regressor(), gate=10)
    timeless = pd.DataFrame(rows(60)[0], columns=list("xyz"))
    blind = RegimeAwareEnsembleRegressor(MODELS).fit(timeless, rows(60)[1])
    with pytest.warns(LookAheadWarning, match="cannot tell which rows"):
        live.adopt(blind, gate=5)


# Looking back.


def test_what_if_the_rule_had_been_another(live):
    with pytest.raises(ValueError, match="holds none yet"):
        live.what_if("dynamic")
    said = say(live, 60)
    for i in range(60):
        live.feedback(f"row {i}", y=YS[i])
    found = live.what_if(WeightedVoting())
    np.testing.assert_allclose(found.frame["loss"], [(said[i].prediction[0] - YS[i]) ** 2 for i in range(60)])
    assert found.frame["id"].tolist() == [f"row {i}" for i in range(60)]
    # Outcomes came after all predictions were made: nothing that was not known then moves the other rule.
    plain = regressor(combiner=WeightedVoting())
    expected = [(plain.explain(ROWS[[i]], regimes=[REGIMES[i]]).combined[0, 0] - YS[i]) ** 2 for i in range(60)]
    np.testing.assert_allclose(found.frame["other_loss"], expected)
    assert repr(found).startswith("60 outcomes: loss ")
    with pytest.raises(ValueError, match=r"combiner of LiveEnsemble.what_if must be one of"):
        live.what_if("best")


@pytest.mark.parametrize("ensemble", [ENSEMBLE, classifier(calibrate=True)], ids=["numbers", "classes"])
def test_what_if_under_the_same_rule_is_what_was_said(begin, ensemble):
    live = begin(ensemble)
    for i in range(40):
        live.predict(ROWS[i], id=f"row {i}", at=at(i), regimes=REGIMES[i])
        live.feedback(f"row {i}", y=YS[i] if ensemble is ENSEMBLE else ["no", "yes"][int(YS[i] > 0)])
    found = live.what_if("dynamic")
    np.testing.assert_allclose(found.frame["other_loss"], found.frame["loss"])


def test_what_if_of_classes_and_models_that_came_later(begin):
    live = begin(classifier())
    for i in range(40):
        if i == 20:
            with pytest.warns(UserWarning, match="The classes were"):
                live.adopt(classifier(("no", "unsure", "yes")), at=at(20))
        live.predict(ROWS[i], id=f"row {i}", at=at(i + 1), regimes=REGIMES[i])
        live.feedback(f"row {i}", y="yes" if YS[i] > 0 else "no")
    found = live.what_if("weighted_voting")
    assert np.isfinite(found.frame["other_loss"]).all()
    assert len(found.frame) == 40


def test_the_table_tells_the_whole_story(live):
    assert live.to_frame().columns.tolist()[:3] == ["id", "at", "version"]
    assert live.pending().empty
    said = say(live, 3)
    live.feedback("row 1", y=0.5, won=True, profit_bps=4.0)
    frame = live.to_frame()
    assert frame["id"].tolist() == ["row 0", "row 1", "row 2"]
    np.testing.assert_array_equal(frame["prediction"], [each.prediction[0] for each in said])
    assert frame.loc[1, ["y", "won", "profit_bps"]].tolist() == [0.5, 1.0, 4.0]
    assert frame.loc[1, "loss"] == (said[1].prediction[0] - 0.5) ** 2
    assert frame["y"].isna().tolist() == [True, False, True]
    assert frame["regime"].tolist() == REGIMES[:3].tolist()
    assert live.pending()["id"].tolist() == ["row 0", "row 2"]


def test_health_counts(begin):
    live = begin(regressor(times=DAYS))
    health = live.health(at="2024-03-31")
    assert (health.trained_until, health.age) == (DAYS[-1].tz_localize("UTC"), pd.Timedelta("31D"))
    assert health.last_feedback is None
    assert np.isnan([health.asleep, health.latency_p50_ms]).all()
    say(live, 4)
    live.feedback("row 1", y=1.0, at=at(7))
    health = live.health()
    assert (health.n_predictions, health.n_pending, health.n_outcomes, health.version) == (4, 3, 1, 1)
    assert health.last_feedback == at(7).tz_localize("UTC")
    assert (health.asleep, health.drifting, health.stale) == (0.0, False, False)
    assert 0 < health.latency_p50_ms <= health.latency_p99_ms
    assert health.journal_bytes > 10_000
    assert str(health).splitlines()[-1] == "drifting        False"


def test_staleness_is_said_and_kept(begin):
    live = begin(regressor(times=DAYS), max_age="10D", max_silence="2D")
    assert not live.predict(ROWS[0], id="young", at=DAYS[-1] + pd.Timedelta("9D")).stale
    with pytest.warns(StaleWarning, match=r"last was trained 11 days .* max_age is 10 days"):
        said = live.predict(ROWS[0], id="old", at=DAYS[-1] + pd.Timedelta("11D"))
    assert (said.stale, live.said("old").stale, live.said("young").stale) == (True, True, False)
    assert np.isfinite(said.prediction[0])
    assert "STALE" in repr(said)
    live.feedback("young", y=1.0, at=DAYS[-1])
    with pytest.warns(StaleWarning, match=r"last heard of an outcome 3 days .* max_silence is 2 days"):
        live.predict(ROWS[0], at=DAYS[-1] + pd.Timedelta("3D"))
    with reopened(live) as again:
        assert not again.predict(ROWS[0], at=DAYS[-1] + pd.Timedelta("30D")).stale
    for wrong in ("soon", 5, "-1D", True):
        with pytest.raises(ValueError, match="max_age of LiveEnsemble must be a length of time"):
            begin(max_age=wrong)


def test_pruning_keeps_what_was_learned_and_what_is_open_to_late_outcomes(begin):
    live = begin(replay_window=5)
    say(live, 40)
    for i in range(30):
        live.feedback(f"row {i}", y=YS[i])
    state = learned(live.ensemble)
    assert live.prune(before=at(28)) == 25
    assert learned(live.ensemble) == state
    assert live.to_frame()["id"].tolist() == [f"row {i}" for i in range(25, 40)]
    with pytest.raises(ValueError, match="Nothing was said under the id 'row 3'"):
        live.feedback("row 3", y=1.0)
    live = reopened(live)
    assert learned(live.ensemble) == state
    live.feedback("row 35", y=1.0)
    assert live.prune(before=at(1000)) > 0
    with reopened(live) as again:
        assert learned(again.ensemble) != state


def test_pruning_lets_go_of_ensembles_that_nobody_needs(begin):
    live = begin(replay_window=2, snapshot_every=1)
    for version in range(1, 5):
        say(live, 4, start=4 * version)
        for i in range(4 * version, 4 * version + 4):
            live.feedback(f"row {i}", y=YS[i])
        live.adopt(regressor(seed=version), at=at(4 * version + 3.5))
    assert sorted(live._state.versions) == [4, 5]
    state = learned(live.ensemble)
    live.prune(before=at(15))
    assert live._journal._do("SELECT version FROM versions").fetchall() == [(3,), (4,), (5,)]
    with reopened(live) as again:
        assert learned(again.ensemble) == state
        assert len(again.what_if("weighted_voting").frame) == len(again.to_frame()) == 5
        assert len(again.what_if("weighted_voting", last=2).frame) == 2


def test_pruning_does_not_change_who_was_the_best_single_model(begin):
    live = begin(regressor([("a", Says(0)), ("b", Says(1))]), replay_window=2)
    # Out of fold, a leads; of the outcomes that are pruned, b.
    for i in range(40):
        live.predict(ROWS[i], id=f"row {i}", at=at(i))
        live.feedback(f"row {i}", y=10 * ROWS[i, 1])
    losses = CumulativeLossDisplay.from_live(live).losses["best single"].to_numpy()
    assert live.prune(before=at(30)) == 30
    kept = CumulativeLossDisplay.from_live(live).losses["best single"].to_numpy()
    np.testing.assert_array_equal(kept, losses[30:])
    np.testing.assert_allclose(kept, 81 * ROWS[30:40, 1] ** 2)


def test_rows_of_a_journal_that_does_not_know_who_led_are_read_all_the_same(live, monkeypatch):
    now = Layout.of
    with monkeypatch.context() as patch:
        # As it was written once.
        patch.setattr(Layout, "of", lambda said: now(said)._replace(knows_best=False))
        say(live, 10)
    early = live._journal._do("SELECT names FROM layouts").fetchall()
    live._journal._do("UPDATE layouts SET names = ?", (pickle.dumps(pickle.loads(early[0][0])[:6]),))
    with reopened(live) as again:
        say(again, 10, start=10)
        for i in range(20):
            again.feedback(f"row {i}", y=YS[i])
        said, frame = again.explanation(), again.ensemble.ledger_.frame()
        # A picture finds out for itself who led.
        assert CumulativeLossDisplay.from_live(again).losses["best single"].notna().all()
    assert np.isnan(said.best_so_far).ravel().tolist() == [True] * 10 + [False] * 10
    n = frame.query("regime == 'pooled' and window == 'lifetime'").set_index("performer")["n"]
    assert (n["ensemble"], n["best so far"]) == (70, 60)


# The test of drift.


def test_losses_that_stay_as_they_are_rarely_raise_an_alarm():
    rng = np.random.default_rng(0)
    alarms = [drift_p_value(rng.exponential(size=300)) <= 0.05 for _ in range(400)]
    assert np.mean(alarms) <= 0.05


def test_losses_that_double_are_noticed_and_those_that_halve_are_not():
    rng = np.random.default_rng(0)
    losses = rng.exponential(size=400)
    assert drift_p_value(np.r_[losses, 3 * rng.exponential(size=150)]) < 0.01
    assert drift_p_value(np.r_[losses, 0.3 * rng.exponential(size=150)]) > 0.05
    assert drift_p_value([]) == 1.0
    assert drift_p_value(np.ones(2000)) > 0.05


def test_ranks_do_not_depend_on_blocks(monkeypatch):
    losses = np.random.default_rng(0).integers(0, 20, size=300).astype(float)
    whole = drift_p_value(losses)
    monkeypatch.setattr("skensemble.live._drift._BLOCK", 7)
    assert drift_p_value(losses) == whole


# Threads.


def test_threads_predict_and_feed_back_and_nothing_is_lost_or_counted_twice(begin):
    live = begin(regressor([("a", Says(0))]), replay_window=2000)
    n_threads, n_calls = 8, 25
    failures = []

    def work(thread):
        try:
            for call in range(n_calls):
                name = f"{thread} {call}"
                live.predict(ROWS[call], id=name, at=at(call * n_threads + thread))
                live.feedback(name, y=float(call))
                live.feedback(name, y=float(call))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(n_threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    health = live.health()
    assert (health.n_predictions, health.n_outcomes, health.n_pending) == (200, 200, 0)
    order = [(f"{t} {c}", float(c), at(c * n_threads + t)) for t in range(n_threads) for c in range(n_calls)]
    expected = plainly(live._state.fitted(1), [(live.said(name), y, time) for name, y, time in order])
    same_state(live.ensemble, expected)


def test_what_is_closed_says_so(live):
    say(live, 1)
    live.close()
    live.close()
    for call in (
        lambda: live.predict(ROWS[0]),
        lambda: live.feedback("row 0", y=1.0),
        lambda: live.adopt(ENSEMBLE),
        lambda: live.prune(before=at(0)),
        live.pending,
        live.to_frame,
        lambda: live.said("row 0"),
    ):
        with pytest.raises(JournalError, match="has been closed"):
            call()

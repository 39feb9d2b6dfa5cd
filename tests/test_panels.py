"""Many assets at one timestamp: split together, learned together, counted each by itself; and rows that happen."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold

from skensemble import LookAheadWarning, RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor
from skensemble.regimes import (
    JumpRegimes,
    MarkovRegimes,
    OrderedRegimes,
    ProductRegimes,
    QuantileRegimes,
    TrendRegimes,
    VolatilityRegimes,
)

ASSETS = ("AAA", "BBB", "CCC", "DDD")
COMBINERS = ["weighted_voting", "stacking", "dynamic", "weighted_combiners"]
every_combiner = pytest.mark.parametrize("combiner", COMBINERS)
every_task = pytest.mark.parametrize("classes", [False, True])


def panel(n_days=40, classes=False):
    rng = np.random.RandomState(0)
    days = pd.bdate_range("2024-01-01", periods=n_days).repeat(len(ASSETS))
    X = pd.DataFrame(rng.standard_normal((len(days), 2)), columns=["a", "b"], index=days)
    y = pd.Series(X["a"].to_numpy() + 0.5 * rng.standard_normal(len(days)), days)
    if classes:
        y = pd.Series(np.where(y > 0, "up", "down"), days)
    return X, y, pd.Series(np.tile(ASSETS, n_days), days)


def ensemble(combiner="dynamic", classes=False, **params):
    if classes:
        models = [("line", LogisticRegression()), ("prior", DummyClassifier())]
        return RegimeAwareEnsembleClassifier(models, combiner=combiner, cv=2, **params)
    return RegimeAwareEnsembleRegressor(
        [("line", LinearRegression()), ("mean", DummyRegressor())], combiner=combiner, cv=2, **params
    )


def lifetime(ledger, performer="ensemble"):
    frame = ledger.frame()
    return frame[(frame["window"] == "lifetime") & (frame["performer"] == performer)].set_index("regime")


# Learned together.


@every_task
@every_combiner
def test_outcomes_of_one_timestamp_are_given_at_once_or_one_timestamp_at_a_time(combiner, classes):
    X, y, groups = panel(classes=classes)
    then, now = slice(0, 80), slice(80, 160)
    fitted = ensemble(combiner, classes).fit(X[then], y[then], groups=groups[then])
    at_once = clone_fitted(fitted).partial_update(X[now], y[now], groups=groups[now])
    for day in X.index[now].unique():
        fitted.partial_update(X.loc[day:day], y.loc[day:day], groups=groups.loc[day:day])
    assert fitted.ledger_ == at_once.ledger_
    assert fitted.group_ledger_ == at_once.group_ledger_
    pd.testing.assert_frame_equal(fitted.weights_, at_once.weights_, check_exact=True)


def clone_fitted(fitted):
    copy = clone(fitted)
    copy.__dict__.update(fitted.__dict__)
    return copy


@every_combiner
def test_no_row_of_a_timestamp_knows_the_outcome_of_another(combiner):
    X, y, _ = panel()
    fitted = ensemble(combiner).fit(X[:80], y[:80])
    day = slice(80, 84)
    changed = y[day].copy()
    changed.iloc[0] += 30.0
    records = [clone_fitted(fitted).partial_update(X[day], target).ledger_ for target in (y[day], changed)]
    # What the ensemble is credited with on the other three rows is the same, so the losses differ by one row's alone.
    said = fitted.predict(X[day])
    for record, target in zip(records, (y[day], changed), strict=True):
        before, after = lifetime(fitted.ledger_).loc["pooled"], lifetime(record).loc["pooled"]
        assert after["n"] * after["loss"] - before["n"] * before["loss"] == pytest.approx(((said - target) ** 2).sum())


def test_the_order_within_a_timestamp_hardly_matters():
    X, y, _ = panel()
    fitted = ensemble().fit(X[:80], y[:80])
    turned = np.arange(160).reshape(-1, 4)[:, ::-1].ravel()[80:]
    one = clone_fitted(fitted).partial_update(X[80:], y[80:])
    other = clone_fitted(fitted).partial_update(X.iloc[turned], y.iloc[turned])
    np.testing.assert_allclose(one.weights_, other.weights_, atol=0.01)


def test_folds_never_part_a_timestamp():
    X, y, _ = panel()
    record = ensemble().fit(X, y).out_of_fold_
    assert pd.Series(record.folds).groupby(X.index[record.rows]).nunique().max() == 1
    assert len(record.rows) % len(ASSETS) == 0


# Counted each by itself.


@every_task
def test_every_group_has_a_record_that_adds_up(classes):
    X, y, groups = panel(classes=classes)
    fitted = ensemble(classes=classes).fit(X[:120], y[:120], groups=groups[:120])
    fitted.partial_update(X[120:], y[120:], groups=groups[120:])
    own, pooled = lifetime(fitted.group_ledger_), lifetime(fitted.ledger_).loc["pooled"]
    assert own.index.tolist() == [*ASSETS, "pooled"]
    assert own.loc[list(ASSETS), "n"].sum() == pooled["n"] == own.loc["pooled", "n"]
    assert (own["n"] * own["loss"])[list(ASSETS)].sum() == pytest.approx(pooled["n"] * pooled["loss"])
    report = fitted.performance_report(by="group")
    assert set(report["group"]) == {*ASSETS, "pooled"}
    assert set(report["window"]) == {"lifetime"}
    of_all = fitted.performance_report().query("window == 'lifetime' and regime == 'pooled'")
    columns = ["performer", "n", "loss", "score"]
    pd.testing.assert_frame_equal(
        report.query("group == 'pooled'")[columns].reset_index(drop=True), of_all[columns].reset_index(drop=True)
    )


def test_scores_of_a_group_are_measured_by_its_own_outcomes():
    X, y, groups = panel()
    fitted = ensemble().fit(X, y, groups=groups)
    rows = fitted.out_of_fold_.rows
    report = fitted.performance_report(by="group").set_index(["performer", "group"])
    for asset in ASSETS:
        own = rows[groups.to_numpy()[rows] == asset]
        loss = report.loc[("line", asset), "loss"]
        assert report.loc[("line", asset), "score"] == pytest.approx(1 - loss / y.iloc[own].var(ddof=0))


def test_hundreds_of_assets_at_one_timestamp():
    """More labels than half of the rows: of regimes that would be a measurement, of assets it is a day."""
    n_assets, n_days = 120, 8
    days = pd.bdate_range("2024-01-01", periods=n_days).repeat(n_assets)
    X = pd.DataFrame(np.random.RandomState(0).standard_normal((len(days), 2)), columns=["a", "b"], index=days)
    y, groups = X["a"], np.tile([f"{number:03d}" for number in range(n_assets)], n_days)
    then, now = slice(0, 6 * n_assets), slice(6 * n_assets, None)
    fitted = ensemble().fit(X[then], y[then], groups=groups[then])
    at_once = clone_fitted(fitted).partial_update(X[now], y[now], groups=groups[now])
    for day in (6, 7):
        rows = slice(day * n_assets, (day + 1) * n_assets)
        fitted.partial_update(X[rows], y[rows], groups=groups[rows])
    assert fitted.group_ledger_ == at_once.group_ledger_
    np.testing.assert_array_equal(fitted._group_moments, at_once._group_moments)
    assert fitted.group_ledger_.regimes == tuple(groups[:n_assets])
    counts = lifetime(fitted.group_ledger_)["n"]
    assert counts["pooled"] == counts[:-1].sum()


def test_no_group_may_have_the_name_of_all():
    X, y, groups = panel()
    with pytest.raises(ValueError, match="groups holds the label 'pooled', which names the answer for all groups"):
        ensemble().fit(X, y, groups=groups.replace("AAA", "pooled"))


def test_groups_come_and_the_record_of_each_survives_a_retrain():
    X, y, groups = panel()
    fitted = ensemble(warm_start=True).fit(X[:80], y[:80], groups=groups[:80])
    before = lifetime(fitted.group_ledger_)["n"]
    new = groups[80:84].replace("DDD", "EEE")
    fitted.partial_update(X[80:84], y[80:84], groups=new)
    assert lifetime(fitted.group_ledger_).index.tolist() == [*ASSETS, "EEE", "pooled"]
    fitted.fit(X[:84], y[:84], groups=groups[:84])
    after = lifetime(fitted.group_ledger_)["n"]
    assert after["AAA"] == before["AAA"] + 1
    assert after["EEE"] == 1
    # Outcomes without a group count in the other ledger only.
    fitted.partial_update(X[84:88], y[84:88])
    assert lifetime(fitted.group_ledger_)["n"].equals(after)
    assert lifetime(fitted.ledger_).loc["pooled", "n"] == after["pooled"] + 4


def test_without_groups_there_is_no_report_of_them():
    X, y, groups = panel()
    fitted = ensemble().fit(X, y)
    assert fitted.group_ledger_ is None
    with pytest.raises(ValueError, match="knows no groups: pass groups= to fit or partial_update"):
        fitted.performance_report(by="group")
    with pytest.raises(
        ValueError, match=r"by of performance_report of .* must be one of 'group', 'regime'; got 'asset'"
    ):
        fitted.performance_report(by="asset")
    with pytest.raises(ValueError, match="groups must hold one label for each of the 160 rows; got 'AAA'"):
        ensemble().fit(X, y, groups="AAA")
    fitted = ensemble().fit(X[:80], y[:80], groups=groups[:80])
    before = fitted.group_ledger_
    with pytest.raises(ValueError, match="groups must hold one label for each of the 4 rows"):
        fitted.partial_update(X[80:84], y[80:84], groups=["AAA"])
    assert fitted.group_ledger_ == before


def test_groups_of_a_search_reach_the_splitter_and_the_ledger():
    X, y, groups = panel()
    with pytest.warns(LookAheadWarning):
        inner = ensemble().set_params(cv=GroupKFold(2)).fit(X, y, groups=groups)
    assert inner.group_ledger_.regimes == ASSETS
    search = GridSearchCV(ensemble(), {"combiner": ["dynamic"]}, cv=GroupKFold(2)).fit(X, y, groups=groups)
    # Without metadata routing scikit-learn hands groups to its own splitter only.
    assert search.best_estimator_.group_ledger_ is None


# Rows that happen.


def series(n=120):
    rng = np.random.RandomState(3)
    size = np.where((np.arange(n) // 20) % 2 == 0, 0.5, 2.0)
    X = pd.DataFrame({"r": size * rng.standard_normal(n)}, index=pd.bdate_range("2024-01-01", periods=n))
    return X, pd.Series(X["r"].shift(-1).fillna(0.0) + rng.standard_normal(n), X.index)


DETECTORS = {
    "windows": VolatilityRegimes("r", window=5),
    "product": ProductRegimes(TrendRegimes("r", window=4), VolatilityRegimes("r", window=5)),
    "dwelling": OrderedRegimes(min_dwell=3),
    "markov": MarkovRegimes("r"),
    "jumps": JumpRegimes("r", jump_penalty=0.5),
    "nothing to remember": QuantileRegimes("r"),
    "a function": lambda X: X["r"] > 0,
    "none": None,
}


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("form", ["rows", "explanations"])
def test_row_by_row_is_what_one_batch_is(detector, form):
    X, y = series()
    fitted = ensemble(regime_detector=DETECTORS[detector]).fit(X[:60], y[:60])
    at_once = fitted.explain(X[60:]).memberships
    lived = []
    for row in range(60, 120):
        now = slice(row, row + 1)
        said = fitted.explain(X[now])
        lived.append(said.memberships)
        if form == "rows":
            fitted.partial_update(X[now], y[now])
        else:
            fitted.remember(X[now]).partial_update(predictions=said, y=y[now])
    np.testing.assert_array_equal(np.concatenate(lived), at_once)
    # What is remembered twice is remembered once.
    again = fitted.explain(X[118:])
    assert np.array_equal(fitted.remember(X[100:]).explain(X[118:]).memberships, again.memberships)


def test_without_remembering_rows_follow_upon_those_of_fit():
    X, y = series()
    fitted = ensemble(regime_detector=VolatilityRegimes("r", window=5)).fit(X[:60], y[:60])
    late = X[100:101]
    blind = fitted.explain(late).memberships
    fitted.remember(X[60:100])
    seen = fitted.explain(late).memberships
    expected = fitted.regime_detector_.predict_proba(X[96:101])[-1:]
    np.testing.assert_array_equal(seen, expected)
    assert blind.sum() == 1


def test_rows_that_do_not_say_when_they_were_are_refused_where_it_matters():
    X, y = series()
    fitted = ensemble(regime_detector=VolatilityRegimes("r", window=5)).fit(X[:60], y[:60])
    before = fitted.regime_detector_
    with pytest.raises(ValueError, match="VolatilityRegimes cannot tell whether these rows come after those of fit"):
        fitted.remember(X[60:70].reset_index(drop=True).set_axis(list("abcdefghij")))
    assert fitted.regime_detector_ is before
    # Feedback from such rows moves weights and ledger alone.
    fitted.partial_update(X[60:70].set_axis(list("abcdefghij")), y[60:70].to_numpy())
    assert fitted.regime_detector_ is before
    blind = ensemble().fit(X.to_numpy()[:60], y.to_numpy()[:60])
    assert blind.remember(X.to_numpy()[60:]) is blind


def test_a_rejected_update_remembers_nothing():
    X, y = series()
    fitted = ensemble(regime_detector=VolatilityRegimes("r", window=5)).fit(X[:60], y[:60])
    before = fitted.regime_detector_
    with pytest.raises(ValueError, match="has no outcome in row 1"):
        fitted.partial_update(X[60:62], [1.0, np.nan])
    assert fitted.regime_detector_ is before
    fitted.partial_update(X[60:62], y[60:62])
    assert fitted.regime_detector_ is not before
    assert len(before.past_) == len(fitted.regime_detector_.past_)

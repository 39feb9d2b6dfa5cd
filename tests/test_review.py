"""The review: a verdict that is true where the answer is known, and a page that is whole or not there, and readable."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from _live_cases import Leans, Says
from scipy import stats
from sklearn.dummy import DummyRegressor
from test_html import NASTY, read

from skensemble import (
    LiveEnsemble,
    ModelFailureWarning,
    RegimeAwareEnsembleClassifier,
    RegimeAwareEnsembleRegressor,
    review,
    walk_forward,
)
from skensemble._html import _PAGE_STYLE
from skensemble._review._evidence import read_live, read_walk
from skensemble._review._verdict import answers, headline
from skensemble.combiners import Stacking, WeightedVoting
from skensemble.evaluation import change_interval, difference_interval
from skensemble.losses import AbsoluteLoss, HuberLoss
from skensemble.performance import performance_figures, wilson_interval
from skensemble.weightings import BestModels, UniformWeights

N, INITIAL = 500, 100
EQUAL = WeightedVoting(UniformWeights())


def made(*errors, n=N):
    """Features that are what each model will say, and the truth."""
    rng = np.random.default_rng(0)
    y = rng.normal(size=n)
    columns = {f"m{k}": y + error(rng, n) for k, error in enumerate(errors)}
    X = pd.DataFrame(columns, index=pd.bdate_range("2022-01-03", periods=n))
    return X, pd.Series(y, X.index)


def noise(scale):
    return lambda rng, n: scale * rng.normal(size=n)


def walked(X, y, combiner="dynamic", *, names="abcd", initial=INITIAL, rivals=None, **given):
    models = [(name, Says(k)) for k, name in enumerate(names[: X.shape[1]])]
    ensemble = RegimeAwareEnsembleRegressor(models, combiner=combiner, random_state=0)
    return walk_forward({**(rivals or {}), "mix": ensemble}, X, y, initial=initial, **given)


def said(walk, **given):
    """The verdict, and the sentences by question."""
    evidence = read_walk(walk, **{"rival": None, **given})
    return headline(evidence), {each.question: each.sentences for each in answers(evidence)}


BEATS = "Does it beat the single model and equal weights?"
CARRIES = "Which model carries which regime?"
DROPS = "What could be dropped?"
HOLDS = "Does its confidence hold?"
EARNS = "Did it earn?"
WELL = "Is the process well?"


@pytest.fixture(scope="module")
def one_model_for_each_regime():
    regimes = np.where(np.arange(N) // 25 % 2, "calm", "wild")
    rng = np.random.default_rng(1)
    y = rng.normal(size=N)
    wrong = np.where(regimes == "calm", 0.1, 2.0)[:, None] * rng.normal(size=(N, 1))
    other = np.where(regimes == "calm", 2.0, 0.1)[:, None] * rng.normal(size=(N, 1))
    X = pd.DataFrame(np.hstack([wrong, other]) + y[:, None], index=pd.bdate_range("2022-01-03", periods=N))
    return walked(X, pd.Series(y, X.index), regimes=regimes)


# The verdict where the answer is known.


def test_better_than_both(one_model_for_each_regime):
    walk = one_model_for_each_regime
    verdict, found = said(walk)
    assert verdict.kind == "good"
    assert verdict.texts == [
        "Yes: mix beats the best single model and equal weights, both by more than chance explains (n = 400 rows)."
    ]
    single, equal, nothing, hindsight = found[BEATS]
    assert nothing.startswith("It beats knowing nothing (0 on every row): ")
    change = change_interval(walk.losses["mix"], walk.losses["equal weights"])
    assert equal == (
        f"It beats equal weights: {-100 * change.change:.1f} % less loss (95 % interval: {-100 * change.high:.1f} to "
        f"{-100 * change.low:.1f} % less; n = 400 rows). That is more than chance explains."
    )
    assert single.startswith("It beats the best single model: ")
    assert hindsight.startswith("In hindsight ")
    assert hindsight.endswith("more than chance explains.")


def test_one_model_for_each_regime(one_model_for_each_regime):
    _, found = said(one_model_for_each_regime)
    shares = one_model_for_each_regime.weights["mix"].groupby(one_model_for_each_regime.regimes.to_numpy()).mean()
    assert found[CARRIES] == [
        f"{regime} (n = 200 rows): {model} ({100 * shares.loc[regime, model]:.0f} % of the weight) carries most. Alone "
        f"{model} did best there, too."
        for regime, model in (("calm", "a"), ("wild", "b"))
    ]
    nothing, a, b, about = found[DROPS]
    assert nothing == "Nothing for sure: dropping any of them may have cost more than 1 % of the loss."
    assert a.startswith("a is needed: without it ")
    assert b.startswith("b is needed: without it ")
    assert about.startswith("An approximation, one model at a time")


def test_worse_than_the_best_model():
    verdict, found = said(walked(*made(noise(0.1), noise(3.0)), EQUAL))
    assert verdict.kind == "bad"
    assert verdict.texts[0].startswith(
        "No: mix has more loss than the best single model, by more than chance explains ("
    )
    assert found[BEATS][0].startswith("It loses to the best single model: ")
    assert found[BEATS][1] == "Against equal weights: exactly the same loss (n = 400 rows)."
    assert found[DROPS][0].startswith("b does harm: without it ")
    assert found[DROPS][1].startswith("a is needed: without it ")


def test_a_model_that_is_of_no_use_could_go():
    _, found = said(walked(*made(noise(0.5), noise(0.5), noise(30.0)), WeightedVoting(BestModels(2))))
    assert found[DROPS][0] == "c could go: without it exactly the same loss (n = 400 rows)."
    assert [sentence[:11] for sentence in found[DROPS][1:3]] == ["a is needed", "b is needed"]


def test_a_removal_hands_the_weight_to_the_others():
    walk = walked(*made(noise(0.5), noise(0.5), noise(30.0)))
    kept = walk.weights["mix"][["a", "b"]]
    mean = (kept.div(kept.sum(axis=1), axis=0) * walk.member_predictions["mix"][["a", "b"]]).sum(axis=1)
    evidence = read_walk(walk, None)
    np.testing.assert_allclose(evidence.without(2), (mean - walk.outcome) ** 2)


def test_where_a_model_was_alone_its_removal_tells_nothing():
    X, y = made(noise(0.5), noise(0.5))
    X.loc[X.index[-100:], "m1"] = np.nan
    with pytest.warns(ModelFailureWarning):
        walk = walked(X, y)
    evidence = read_walk(walk, None)
    assert np.isnan(evidence.without(0)).sum() == 100
    assert evidence.compared(evidence.without(0), evidence.plain[:, 0]).n == 300
    np.testing.assert_allclose(evidence.without(1)[-100:], evidence.plain[-100:, 0])


def test_who_alone_spoke_on_many_rows_is_needed():
    X, y = made(noise(0.0), noise(0.0))
    X.loc[X.index[::2], "m1"] = np.nan
    with pytest.warns(ModelFailureWarning):
        walk = walked(X + 0.1, y, EQUAL)
    assert "a is needed: on 50.0 % of the rows no other model spoke (n = 400 rows)." in said(walk)[1][DROPS]
    table = read_walk(walk, None)
    assert [table.unanswered(table.without(k)) for k in range(2)] == [0.5, 0.0]


def test_where_one_model_spoke_it_is_not_compared_with_others():
    X, y = made(noise(0.5), noise(0.5))
    X.loc[X.index[::2], "m1"] = np.nan
    regimes = np.where(np.isnan(X["m1"]), "alone", "both")
    with pytest.warns(ModelFailureWarning):
        _, found = said(walked(X, y, EQUAL, regimes=regimes))
    assert found[CARRIES][0] == "alone (n = 200 rows): a (100 % of the weight) carries most."
    assert "Alone" in found[CARRIES][1]


def test_small_losses_are_not_taken_for_others():
    X, y = made(noise(0.5), noise(1.0))
    walk = walked(2e-5 * X, 2e-5 * y, loss=HuberLoss())
    judged = walked(2e-5 * X, 2e-5 * y, loss=HuberLoss(), judge_models=True)
    assert read_walk(walk, None).alone is None
    evidence = read_walk(judged, None)
    assert evidence.without(0) == pytest.approx(evidence.alone[:, 1], rel=1e-9, abs=0)


def test_what_cannot_be_told_apart_is_not_claimed():
    X, y = made(noise(0.5), n=180)
    X["m1"] = X["m0"] + 0.25 * np.random.default_rng(1).normal(size=180)
    verdict, found = said(walked(X, y))
    assert verdict.kind == "open"
    assert verdict.texts == [
        "Not proven: mix cannot be told apart from the best single model and equal weights (n = 80 rows)."
    ]
    assert [sentence.endswith("Chance may explain that.") for sentence in found[BEATS][:2]] == [True, True]
    assert found[DROPS][1].startswith("It cannot be told what the loss would be without a (")


def test_less_than_anybody_would_notice_is_level():
    X, y = made(noise(0.5))
    X["m1"] = X["m0"] + 0.001 * np.random.default_rng(1).normal(size=N)
    verdict, found = said(walked(X, y))
    assert verdict.kind == "open"
    assert verdict.texts == [
        "Level: mix is as good as the best single model and equal weights, within 1 % (n = 400 rows)."
    ]
    assert [sentence.endswith("That is less than 1 % either way.") for sentence in found[BEATS][:2]] == [True, True]
    assert [sentence[:12] for sentence in found[DROPS][:2]] == ["a could go: ", "b could go: "]
    assert "drop one and look again" in found[DROPS][-1]


def test_a_loss_that_nobody_would_notice_is_no_defeat():
    """Beyond chance the ensemble is worse than the model that it follows, by a hair."""
    X, y = made(noise(0.5))
    own = walked(X, y)
    hair = own.losses["best single"] * 1.002
    walk = replace(own, losses=own.losses.assign(mix=hair), explanations=dict(own.explanations))
    assert change_interval(hair, own.losses["best single"]).verdict == "distinguishable: more loss"
    assert said(walk)[0].texts[0].startswith("Level: mix is as good as the best single model")


def test_models_that_say_the_same_tie():
    X, y = made(noise(0.5))
    verdict, found = said(walked(X.assign(m1=X["m0"], m2=X["m0"]), y, EQUAL))
    assert verdict.texts[0].startswith("Level: ")
    assert found[BEATS][:2] == [
        "Against the best single model: exactly the same loss (n = 400 rows).",
        "Against equal weights: exactly the same loss (n = 400 rows).",
    ]
    assert "The ensemble has exactly its loss" in found[BEATS][3]
    assert found[CARRIES] == [
        "No regimes are known. All rows (n = 400 rows): no model carries it, all weigh about 33 %. Alone all had the "
        "same loss."
    ]
    assert found[DROPS][0] == "a could go: without it exactly the same loss (n = 400 rows)."


def test_too_few_rows_claim_nothing(one_model_for_each_regime):
    X, y = made(noise(0.1), noise(3.0), n=129)
    verdict, found = said(walked(X, y, returns=y))
    assert verdict.kind == "open"
    assert verdict.texts == [
        "Too early to tell: too few rows (n = 29 rows; it takes at least 30).",
        "What it earns cannot be told: too few trades (n = 29 trades; it takes at least 30).",
    ]
    every = [sentence for sentences in found.values() for sentence in sentences]
    assert not [sentence for sentence in every if "explain" in sentence or "95 % interval" in sentence]
    assert sum("too few" in sentence.lower() for sentence in every) >= 6
    few = walked(X, y, regimes=np.where(np.arange(129) > 110, "rare", "usual"), initial=60)
    assert said(few)[1][CARRIES][0] == "rare (n = 18 rows): too few rows to tell."


def test_one_row_has_a_review(tmp_path):
    X, y = made(noise(0.1), noise(3.0), n=101)
    page = review(walked(X, y), tmp_path / "one.html").read_text(encoding="utf-8").replace("\xa0", " ")
    assert "Too early to tell: too few rows (n = 1 row; it takes at least 30)." in page


def test_one_model_only():
    verdict, found = said(walked(*made(noise(0.1))))
    assert verdict.texts[0].startswith("Level: ")
    assert found[DROPS] == ["There is one model only."]
    assert found[CARRIES][0].startswith("No regimes are known. All rows (n = 400 rows): a is the only model.")


def test_a_perfect_rival_is_compared_without_a_ratio():
    verdict, found = said(walked(*made(noise(0.0), noise(3.0)), EQUAL))
    assert verdict.texts[0].startswith("No: mix has more loss than the best single model")
    assert re.match(r"It loses to the best single model: a mean loss of [\d.]+ in place of 0 \(", found[BEATS][0])


def test_models_without_any_error_are_level():
    verdict, found = said(walked(*made(noise(0.0), noise(0.0)), EQUAL))
    assert verdict.texts[0].startswith("Level: ")
    assert found[BEATS][0] == "Against the best single model: exactly the same loss (n = 400 rows)."
    assert found[DROPS][0] == "a could go: without it exactly the same loss (n = 400 rows)."


def test_the_first_plain_rival_is_answered_first():
    X, y = made(noise(0.5), noise(0.5))
    _, found = said(walked(X, y, rivals={"always nothing": DummyRegressor()}))
    assert found[BEATS][0].startswith("It beats always nothing: ")


def test_another_ensemble_may_be_asked_for():
    X, y = made(noise(0.1), noise(3.0))
    models = [("a", Says(0)), ("b", Says(1))]
    ensembles = {
        name: RegimeAwareEnsembleRegressor(models, combiner=combiner, random_state=0)
        for name, combiner in {"equal": EQUAL, "dynamic": "dynamic"}.items()
    }
    walk = walk_forward(ensembles, X, y, initial=INITIAL)
    assert said(walk)[0].texts[0].startswith("No: equal ")
    assert "dynamic" in said(walk, rival="dynamic")[0].texts[0]
    with pytest.raises(
        ValueError, match=r"rival of review must be one of the ensembles \['equal', 'dynamic'\]; got 'best'"
    ):
        review(walk, "never.html", rival="best")


@pytest.mark.parametrize(("loss", "is_known"), [(AbsoluteLoss(), True), (HuberLoss(0.01), False)])
def test_a_loss_of_ones_own_is_said_not_to_be_known(loss, is_known):
    _, found = said(walked(*made(noise(0.1), noise(3.0)), loss=loss, judge_models=True))
    assert (found[DROPS][0].startswith("That cannot be worked out")) is not is_known
    assert "carries most" in found[CARRIES][0]


def test_stacking_is_said_to_learn_anew():
    _, found = said(walked(*made(noise(0.5), noise(0.5)), Stacking()))
    assert "would have been learned anew" in found[DROPS][-1]


def test_rows_of_one_time_are_one_moment():
    X, y = made(noise(0.1), noise(3.0))
    X.index = y.index = X.index[np.arange(N) // 10 * 10]
    walk = walked(X, y, EQUAL)
    assert said(walk)[1][BEATS][1] == "Against equal weights: exactly the same loss (n = 400 rows at 40 times)."
    few = walked(X[:300], y[:300], EQUAL)
    assert said(few)[0].texts == [
        "Too early to tell: too few rows (n = 200 rows at 20 times; it takes at least 30 times)."
    ]
    every = [sentence for sentences in said(few)[1].values() for sentence in sentences]
    assert not [sentence for sentence in every if "less to ;" in sentence or "nan" in sentence]


def test_of_many_regimes_and_models_the_first_are_told():
    X, y = made(*[noise(0.5)] * 15, n=1500)
    names = [f"model {k}" for k in range(15)]
    regimes = [f"regime {k}" for k in np.arange(1500) // 50 % 14]
    _, found = said(walked(X, y, EQUAL, names=names, initial=200, regimes=regimes))
    assert len(found[CARRIES]) == 13
    assert found[CARRIES][-1] == "2 smaller ones stand in the tables."
    assert len(found[DROPS]) <= 15


def test_a_mix_of_models_that_predict_nothing_is_said_to_be_worth_nothing():
    rng = np.random.default_rng(3)
    X, _ = made(noise(0.0), noise(0.0))
    X, random = 0.5 * X + 0.5 * rng.normal(size=X.shape), pd.Series(rng.normal(size=N), X.index)
    verdict, found = said(walked(X, random))
    assert verdict.texts[1].startswith("It predicts worse than knowing nothing (0 on every row) does: ")
    assert any(sentence.startswith("It loses to knowing nothing (0 on every row): ") for sentence in found[BEATS])
    small = said(walked(0.01 * X, random))[0].texts[1]
    assert small.startswith("It is not known to predict better than knowing nothing (0 on every row) does: ")


def test_where_all_outcomes_are_on_one_side_nothing_is_no_rival():
    X, y = made(noise(0.1), noise(0.1))
    verdict, found = said(walked(X + 100, y + 100))
    assert len(verdict.texts) == 1
    assert not [sentence for sentence in found[BEATS] if "nothing" in sentence]


# What was earned.


def test_what_was_earned_is_said_with_its_interval():
    X, y = made(noise(0.1), noise(3.0))
    walk = walked(X, y, returns=y / 1e4)
    verdict, found = said(walk)
    assert len(verdict.texts) == 2
    row = walk.report().query("rival == 'mix' and regime == 'pooled'").iloc[0]
    assert verdict.texts[1] == (
        f"It earned {row['profit_bps']:.3g} basis points a trade (95 % interval: {row['profit_bps_low']:+.3g} to "
        f"{row['profit_bps_high']:+.3g}; n = {row['n_trades']:.0f} trades). That is more than chance explains."
    )
    assert found[EARNS][1].startswith(f"Its Sharpe ratio of a year was {row['sharpe_annual']:.2f} (95 % interval: ")
    lost = said(walked(X, y, returns=-y / 1e4))[0].texts[1]
    assert lost.startswith("It lost ")
    random = pd.Series(np.random.default_rng(5).normal(size=N), X.index) / 1e4
    assert said(walked(X, y, returns=random))[0].texts[1].endswith("Chance may explain that.")


def test_what_was_earned_beyond_the_rivals_is_paired_by_moment():
    X, y = made(noise(0.1), noise(3.0))
    walk = walked(X, y, returns=y / 1e4, rivals={"always up": DummyRegressor(strategy="constant", constant=1.0)})
    found = said(walk)[1][EARNS]
    profits = walk.profits_bps.fillna(0.0)
    expected = difference_interval(profits["mix"], profits["always up"])
    assert expected.low > 0
    assert found[2] == (
        f"Against always up it earned {expected.difference:.3g} basis points more each time (95 % interval: "
        f"{expected.low:+.3g} to {expected.high:+.3g}; n = 400 times). That is more than chance explains."
    )
    assert re.match(r"Against the best single model.* Chance may explain that\.|.*exactly the same", found[3])
    assert found[4].startswith("Against equal weights it earned ")
    assert len(found) == 5
    # Without a trade nothing was earned; rows of one time are one trade.
    idle = walk.profits_bps.copy()
    idle.iloc[::2] = np.nan
    halved = said(replace(walk, profits_bps=idle))[1][EARNS][2]
    again = difference_interval(*(idle[name].fillna(0.0) for name in ("mix", "always up")))
    assert f"earned {again.difference:.3g} basis points more" in halved
    assert "n = 400 times" in halved
    pairs = said(replace(walk, moments=np.arange(400) // 2))[1][EARNS][2]
    again = difference_interval(
        *(profits[name].to_numpy().reshape(-1, 2).mean(axis=1) for name in ("mix", "always up"))
    )
    assert f"earned {again.difference:.3g} basis points more" in pairs
    assert "n = 200 times" in pairs
    few = said(walked(X[:120], y[:120], returns=y[:120] / 1e4))[1][EARNS]
    assert few[-1] == "Against equal weights: too few times to tell (n = 20 times; it takes at least 30)."


# Confidence.


def with_limits(walk, factor):
    own = walk.explanations["mix"]
    return replace(walk, explanations={"mix": replace(own, limits=own.limits * factor)})


def test_intervals_are_held_against_what_came_true():
    X, y = made(noise(0.5), noise(0.5))
    walk = walked(X, y, regimes=np.where(np.arange(N) % 2, "even", "odd"))
    low, high = walk.explanations["mix"].interval(0.9).T
    held = (low <= y[INITIAL:]) & (y[INITIAL:] <= high)
    ends = wilson_interval(held.sum(), 400)
    found = said(walk)[1][HOLDS]
    assert found[0] == (
        f"Its 90 % intervals held {100 * held.mean():.1f} % of the outcomes (95 % interval: {100 * ends[0]:.1f} to "
        f"{100 * ends[1]:.1f} %; n = 400 rows): as often as stated."
    )
    short = said(with_limits(walk, 0.5))[1][HOLDS]
    assert short[0].endswith("less often than stated, by more than chance explains.")
    assert re.match(r"In (even|odd) only \d+\.\d % \(95 % interval: ", short[1])
    assert said(with_limits(walk, 3.0))[1][HOLDS][0].endswith("more often than stated, so they are wider than need be.")
    assert said(with_limits(walk, np.inf))[1][HOLDS][0] == "Its 90 % intervals: too few rows to tell (n = 0 rows)."


def test_outcomes_that_share_their_time_count_for_less():
    X, y = made(noise(0.5), noise(0.5))
    models = [("a", Says(0)), ("b", Says(1))]
    ensemble = RegimeAwareEnsembleRegressor(models, combiner="dynamic", label_horizon=5, random_state=0)
    evidence = read_walk(walk_forward({"mix": ensemble}, X, y, initial=INITIAL, outcome_delay=5), None)
    found = evidence.held(0.9, evidence.weight)
    assert (found.low, found.high) == pytest.approx(wilson_interval(found.rate * 80, 80))


def test_rows_of_one_time_that_share_their_fate_count_as_one():
    X, y = made(noise(0.5), noise(0.5))
    X.index = y.index = X.index[np.arange(N) // 10 * 10]
    evidence = read_walk(walked(X, y, EQUAL), None)
    together, apart = np.arange(400) // 10 % 5 > 0, np.arange(400) % 5 > 0
    found = evidence._rate(together, np.ones(400))
    assert (found.rate, found.n, found.n_moments) == (0.8, 400, 40)
    as_many = 39 * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 39)) ** 2
    assert (found.low, found.high) == pytest.approx(wilson_interval(0.8 * as_many, as_many))
    # Where rows of one time are as different as any, each counts; where all are alike, nobody can tell.
    assert evidence._rate(apart, np.ones(400))[3:] == pytest.approx(wilson_interval(0.8 * 400, 400))
    assert evidence._rate(together | True, np.ones(400))[3:] == pytest.approx(wilson_interval(40, 40))
    few = read_walk(walked(X[:300], y[:300], EQUAL), None)
    assert not few._rate(np.ones(200, dtype=bool), np.ones(200)).is_known


TENTHS = np.arange(400) % 10


def confident(stated, right=TENTHS < 8):
    """A walk whose ensemble says how sure it is, and is right on some of the rows."""
    walk = walked(*made(noise(0.0), noise(0.0)))
    own = replace(walk.explanations["mix"], confidence=np.full(400, stated))
    outcome = walk.outcome * np.where(right, 1.0, -1.0)
    return replace(walk, outcome=outcome, explanations={"mix": own}, losses=walk.losses * 0 + 1.0)


@pytest.mark.parametrize(
    ("stated", "so"),
    [
        (0.8, "it keeps its word."),
        (0.95, "it is too sure, by more than chance explains."),
        (0.6, "it is too modest, by more than chance explains."),
    ],
)
def test_confidence_is_held_against_how_often_it_was_right(stated, so):
    *_, sentence, flat = said(confident(stated))[1][HOLDS]
    assert sentence.startswith(
        f"It was sure of the side (the sign) with {100 * stated:.1f} % on average, and right in 80.0 %"
    )
    assert sentence.endswith(so)
    assert flat == "Its confidence hardly differs from row to row, so it cannot tell good rows from bad ones."


def test_confidence_may_tell_good_rows_from_bad_ones():
    sharp = np.choose(np.arange(400) % 3, [0.9, 0.7, 0.6])
    found = said(confident(sharp, (TENTHS < 6) | (sharp > 0.8)))[1][HOLDS][-1]
    assert found.startswith(
        "In the third of rows where it was surest (90.0 %) it was right in 100.0 % (95 % interval: "
    )
    assert found.endswith("n = 133 rows): the more sure, the more often right.")
    assert said(confident(sharp))[1][HOLDS][-1].endswith("a difference that chance may explain.")


def test_a_side_that_never_changes_is_no_question():
    X, y = made(noise(0.1), noise(0.1))
    assert "no question here" in said(walked(X + 100, y + 100))[1][HOLDS][-1]


def test_who_takes_no_side_is_not_said_to_have_seen_one_only():
    X, y = made(noise(0.1), noise(0.1))
    assert said(walked(0 * X, y))[1][HOLDS][-1].startswith("Its confidence in the side (the sign) cannot be judged")


@pytest.fixture(scope="module")
def classified():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(N, 2)), columns=["x", "y"])
    y = np.where(X["x"] + 0.5 * rng.normal(size=N) > 0, "up", "down")
    ensemble = RegimeAwareEnsembleClassifier([("a", Leans(0)), ("b", Leans(1))], combiner="dynamic", random_state=0)
    return walk_forward({"mix": ensemble}, X, y, initial=INITIAL)


def test_classes_have_sets_and_confidence(classified):
    _, found = said(classified)
    assert re.match(r"Its 90 % sets held \d\d\.\d % of the outcomes \(95 % interval: ", found[HOLDS][0])
    assert found[HOLDS][1].startswith("It was sure of the class with ")
    assert found[CARRIES][0].startswith("No regimes are known. All rows (n = 400 rows): a (")
    assert found[DROPS][-2].startswith("a is needed")


# A live process.


@pytest.fixture
def live(tmp_path):
    X, y = made(noise(0.1), noise(3.0), n=200)
    models = [("a", Says(0)), ("b", Says(1))]
    regimes = np.where(np.arange(200) % 2, "calm", "wild")
    ensemble = RegimeAwareEnsembleRegressor(models, combiner="dynamic", random_state=0)
    ensemble.fit(X[:100], y[:100], regimes=regimes[:100])
    with LiveEnsemble(ensemble, tmp_path / "live.db", synchronous="normal") as live:
        for row in range(100, 200):
            live.predict(X.iloc[[row]], id=f"{row}", regimes=regimes[row])
        live.feedback([f"{row}" for row in range(100, 197)], y=y.iloc[100:197].tolist())
        live.feedback("100", profit_bps=12.0)
        yield live


def test_a_journal_has_a_review(live, tmp_path):
    evidence = read_live(live)
    found = {each.question: each.sentences for each in answers(evidence)}
    frame = live.to_frame().dropna(subset="loss")
    assert evidence.plain[:, 0] == pytest.approx(frame["loss"].to_numpy())
    assert headline(evidence).texts[0].endswith("(n = 97 rows).")
    assert headline(evidence).texts[1] == (
        "What it earns cannot be told: too few trades (n = 1 trade; it takes at least 30)."
    )
    assert [sentence.partition(" (")[0] for sentence in found[CARRIES]] == ["calm", "wild"]
    assert found[WELL][0] == "Version 1 is live. Of 100 predictions, 3 wait for an outcome."
    assert found[WELL][-1].startswith("There is no sign that losses have grown since this version took over (p = ")
    page = review(live, tmp_path / "live.html").read_text(encoding="utf-8")
    assert "of these without an outcome" in page
    assert page == review(live, tmp_path / "again.html").read_text(encoding="utf-8")


def test_trades_of_a_journal_count_as_those_of_a_walk(tmp_path):
    X, y = made(noise(0.1), noise(3.0), n=200)
    ensemble = RegimeAwareEnsembleRegressor([("a", Says(0)), ("b", Says(1))], label_horizon=5, random_state=0)
    ensemble.fit(X[:100], y[:100])
    profits = np.random.default_rng(0).normal(1.0, 3.0, size=100)
    with LiveEnsemble(ensemble, tmp_path / "live.db", synchronous="normal") as live:
        # Two assets at each time.
        for row in range(100, 200):
            live.predict(X.iloc[[100 + (row - 100) // 2]], id=f"{row}")
        for row in range(100, 200):
            live.feedback(f"{row}", profit_bps=profits[row - 100])
        found = read_live(live).trading["live ensemble"]
    told = performance_figures(
        np.zeros((50, 0)), np.zeros((50, 1)), profits_bps=profits.reshape(50, 2).mean(axis=1)[:, None], overlap=5.0
    )
    assert found == pytest.approx({name: figure[0, 0] for name, figure in told.items()}, nan_ok=True)
    assert found["n_trades"] == 50


def test_a_journal_without_outcomes_claims_nothing(tmp_path):
    X, y = made(noise(0.1), noise(3.0), n=60)
    ensemble = RegimeAwareEnsembleRegressor([("a", Says(0)), ("b", Says(1))], random_state=0).fit(X, y)
    with LiveEnsemble(ensemble, tmp_path / "live.db") as live:
        with pytest.raises(ValueError, match="Nothing has been said yet"):
            review(live, tmp_path / "live.html")
        live.predict(X.iloc[[0]])
        page = review(live, tmp_path / "live.html").read_text(encoding="utf-8").replace("\xa0", " ")
    assert "Too early to tell: too few rows (n = 0 rows; it takes at least 30)." in page
    assert "No outcome is known yet." in page
    assert "all outcomes are on one side" not in page


# The file.


def test_the_same_input_gives_the_same_bytes(one_model_for_each_regime, tmp_path):
    first = review(one_model_for_each_regime, tmp_path / "first.html")
    second = review(one_model_for_each_regime, tmp_path / "second.html")
    assert first.read_bytes() == second.read_bytes()


def test_any_path_will_do(one_model_for_each_regime, tmp_path):
    path = tmp_path / "päge <1>.html"
    for given in (path, str(path), os.fsencode(path)):
        path.unlink(missing_ok=True)
        assert review(one_model_for_each_regime, given) == path
        assert path.exists()


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_leaves_the_page_before(step, one_model_for_each_regime, tmp_path, monkeypatch):
    path = tmp_path / "review.html"
    path.write_text("the page before")

    def fails(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(os, step, fails)
    with pytest.raises(OSError, match="the disk is full"):
        review(one_model_for_each_regime, path)
    assert path.read_text() == "the page before"
    assert [each.name for each in tmp_path.iterdir()] == ["review.html"]


def test_what_cannot_be_reviewed_is_refused_in_words(tmp_path):
    X, y = made(noise(0.1))
    plain = walk_forward({"line": DummyRegressor()}, X, y, initial=INITIAL)
    with pytest.raises(ValueError, match=r"review needs an ensemble among the rivals .* got \['line'\]"):
        review(plain, tmp_path / "x.html")
    with pytest.raises(ValueError, match="review takes what walk_forward returned, or a LiveEnsemble; got 3"):
        review(3, tmp_path / "x.html")
    with pytest.raises(FileNotFoundError):
        review(walked(X, y), tmp_path / "nowhere" / "x.html")
    assert list(tmp_path.iterdir()) == []


def test_an_ensemble_is_not_chosen_from_a_journal(live, tmp_path):
    with pytest.raises(ValueError, match="a journal has one ensemble; got 'mix'"):
        review(live, tmp_path / "x.html", rival="mix")


def test_without_matplotlib_it_says_what_pictures_need(tmp_path):
    program = """
import sys
sys.modules["matplotlib"] = None
sys.path.insert(0, sys.argv[1])
import test_review
X, y = test_review.made(test_review.noise(0.1), test_review.noise(1.0))
print(test_review.review(test_review.walked(X, y), sys.argv[2]))
"""
    path = tmp_path / "plain.html"
    subprocess.run([sys.executable, "-c", program, str(Path(__file__).parent), str(path)], check=True)
    text = path.read_text(encoding="utf-8")
    assert "Pictures need matplotlib: <code>pip install &quot;skensemble[plot]&quot;</code>" in text
    assert "<img" not in text


# The page, read as a browser would.


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    X, y = made(noise(0.1), noise(3.0), noise(1.0))
    names = [name for name in NASTY if "\ud800" not in name]
    regimes = pd.Series(np.array(names[:2], dtype=object)[np.arange(N) % 2], X.index)
    walk = walked(
        X, y, names=names[1:4], regimes=regimes, returns=y, judge_models=True, rivals={names[0]: DummyRegressor()}
    )
    return review(walk, tmp_path_factory.mktemp("nasty") / "nasty.html", title=names[0]).read_text(encoding="utf-8")


def test_names_are_text_and_nothing_comes_from_outside(nasty):
    allowed = "html head meta title style body main a h1 h2 h3 p ul li dl dt dd code strong div figure figcaption img"
    reader = ReviewReader()
    reader.feed(nasty)
    assert set(reader.tags) <= {*allowed.split(), "span", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    for _, name, value in reader.attributes:
        assert not name.startswith("on")
        assert name != "src" or value.startswith("data:image/png;base64,")
        assert name != "href" or value == "#main"
    assert "url(" not in nasty
    assert "@import" not in nasty


def test_the_page_can_be_read_by_those_who_do_not_see_it(nasty):
    reader = ReviewReader()
    reader.feed(nasty)
    levels = [int(tag[1]) for tag in reader.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert reader.tags.count("caption") == reader.tags.count("table") > 4
    attributes = set(reader.attributes)
    assert ("html", "lang", "en") in attributes
    scopes = [value for tag, name, value in reader.attributes if (tag, name) == ("th", "scope")]
    assert len(scopes) == reader.tags.count("th")
    texts = [value for tag, name, value in reader.attributes if (tag, name) == ("img", "alt")]
    assert len(texts) == reader.tags.count("img")
    assert all(texts)
    regions = [value for _, name, value in reader.attributes if (name, value) == ("role", "region")]
    assert len(regions) == sum(name == "tabindex" and value == "0" for _, name, value in reader.attributes)


class ReviewReader(type(read("<p></p>"))):
    """Reads a page with pictures."""


def brightness(colour):
    digits = colour.removeprefix("#")
    digits = digits if len(digits) == 6 else "".join(2 * digit for digit in digits)
    parts = np.array([int(digits[k : k + 2], 16) / 255 for k in (0, 2, 4)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


def test_every_text_stands_out_from_what_is_behind_it():
    palettes = [dict(re.findall(r"--(\w+):(#\w+)", part)) for part in re.findall(r":root\{([^}]*)\}", _PAGE_STYLE)]
    assert len(palettes) == 3
    for palette in palettes:
        for text in ("text", "quiet", "link"):
            for behind in ("page", "box"):
                light, dark = sorted((brightness(palette[text]), brightness(palette[behind])), reverse=True)
                assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, behind)

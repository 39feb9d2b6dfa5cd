"""Whatever is handed over: a documented error or an answer, and a refusal changes nothing."""

import random

import numpy as np
import pandas as pd
import pytest
from _live_cases import at, classifier, learned, regressor, rows

from skensemble import JournalError, LiveEnsemble

ROWS, YS, REGIMES = rows(20, seed=1)

# What somebody may pass by mistake, or on purpose.
STRANGE = [
    None,
    True,
    False,
    0,
    -1,
    2**70,
    10**400,
    1.5,
    float("nan"),
    float("inf"),
    1e308,
    1j,
    "",
    "up",
    "\x00",
    "\ud800",
    "'; DROP TABLE events; --",
    b"bytes",
    (),
    [],
    [None],
    [1.0],
    [1.0, 2.0, 3.0],
    [[1.0, 2.0, 3.0]],
    [[1.0, 2.0], [3.0]],
    ["a", 1, None],
    {},
    {"a": 1.0},
    {1, 2},
    object(),
    int,
    len,
    range(3),
    np.array([]),
    np.array(1.0),
    np.array([1.0]),
    np.zeros((0, 3)),
    np.zeros((2, 3, 1)),
    np.array(["x"]),
    np.array([None, {}], dtype=object),
    np.datetime64("NaT", "ns"),
    np.datetime64("2024-01-01"),
    pd.NaT,
    pd.NA,
    pd.Timestamp("2024-06-01"),
    pd.Timestamp("1700-01-01", tz="UTC"),
    pd.Timedelta("1D"),
    pd.Series([1.0, 2.0, 3.0]),
    pd.Series(dtype=float),
    pd.DataFrame({"x": [1.0]}),
    pd.DataFrame(),
    pd.Categorical(["a"]),
]
DOCUMENTED = (ValueError, JournalError)


def strange(chance):
    value = chance.choice(STRANGE)
    if chance.random() < 0.15:
        value = [value, chance.choice(STRANGE)]
    if chance.random() < 0.05:
        value = {"model": value, "won": chance.choice(STRANGE)}
    return value


@pytest.mark.parametrize("make", [regressor, classifier])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_live_ensemble_answers_or_refuses_in_words(tmp_path, make, seed):
    chance = random.Random(seed)
    n_refused = 0
    with LiveEnsemble(make(), tmp_path / "live.db", synchronous="normal", features="values") as live:
        for i in range(10):
            live.predict(ROWS[i], id=f"row {i}", at=at(i), regimes=REGIMES[i])
        calls = {
            "predict": lambda given: live.predict(**{"x": ROWS[0], **given}),
            "feedback": lambda given: live.feedback(**{"id": f"row {chance.randrange(10)}", **given}),
            "said": lambda given: live.said(given["id"]),
            "prune": lambda given: live.prune(before=given["before"]),
            "adopt": lambda given: live.adopt(given["ensemble"], **{k: v for k, v in given.items() if k != "ensemble"}),
            "what_if": lambda given: live.what_if(given["combiner"]),
            "health": lambda given: live.health(at=given["at"]),
        }
        names = {
            "predict": ["x", "id", "at", "regimes"],
            "feedback": ["id", "y", "won", "profit_bps", "at"],
            "said": ["id"],
            "prune": ["before"],
            "adopt": ["ensemble", "gate", "at"],
            "what_if": ["combiner"],
            "health": ["at"],
        }
        state = learned(live.ensemble), live.version, len(live.to_frame()), len(live.pending())
        for _ in range(250):
            name = chance.choice([*["predict", "feedback"] * 4, *calls])
            few = chance.random() < 0.6 and name in ("predict", "feedback")
            chosen = [chance.choice(names[name])] if few else names[name]
            given = {each: strange(chance) for each in chosen}
            try:
                calls[name](given)
            except DOCUMENTED:
                n_refused += 1
                now = learned(live.ensemble), live.version, len(live.to_frame()), len(live.pending())
                assert now == state, (name, given)
            except Exception as error:
                raise AssertionError(f"{name}({given}) raised {type(error).__name__}: {error}") from error
            else:
                state = learned(live.ensemble), live.version, len(live.to_frame()), len(live.pending())
    assert n_refused > 120


@pytest.mark.parametrize("make", [regressor, classifier])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_partial_update_answers_or_refuses_in_words_and_a_refusal_moves_nothing(make, seed):
    chance = random.Random(seed)
    ensemble, n_refused = make(), 0
    y = YS[:3] if make is regressor else ["no", "yes", "no"]
    explanation = ensemble.explain(ROWS[:3], regimes=REGIMES[:3])
    names = ["X", "y", "regimes", "sample_weight", "returns", "groups", "predictions", "trades"]
    state = learned(ensemble)
    for _ in range(250):
        form = chance.choice(["rows", "said", "trades"])
        given = {
            "rows": {"X": ROWS[:3], "y": y},
            "said": {"predictions": explanation, "y": y},
            "trades": {"trades": {"model": "a", "won": True, "profit_bps": 2.0}},
        }[form]
        for name in chance.sample(names, chance.choice([1, 1, 2, 4])):
            given = {**given, name: strange(chance)}
        try:
            ensemble.partial_update(**given)
        except ValueError:
            n_refused += 1
            assert learned(ensemble) == state, given
        except Exception as error:
            # scikit-learn's own word for rows that hold no numbers.
            if "must be a string or a real number" not in str(error):
                raise AssertionError(f"partial_update({given}) raised {type(error).__name__}: {error}") from error
        else:
            state = learned(ensemble)
    assert n_refused > 120

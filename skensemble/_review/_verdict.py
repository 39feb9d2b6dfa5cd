"""What a review says in plain words: every sentence with the number of rows and the interval that it stands on.

One rule: where chance may explain it, or rows are too few, the sentence says so and claims nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from skensemble._judged import EQUAL
from skensemble._review._evidence import BEST_SO_FAR, FEWEST, Comparison, Evidence, Rate
from skensemble._texts import count, label, listed, number, percent

__all__ = ["Answer", "Headline", "answers", "headline", "reading_of_removal", "rows_of"]

Array = NDArray[np.float64]

LESS, MORE, FEW = "distinguishable: less loss", "distinguishable: more loss", "too few rows"
LEVEL, UNCLEAR = "as good as", "cannot be told"
_SO = {
    LESS: "that is more than chance explains",
    MORE: "that is more than chance explains",
    LEVEL: "that is less than 1 % either way",
    UNCLEAR: "chance may explain that",
}

# As much more or less loss as nobody would notice.
_NEGLIGIBLE = 0.01
# Whoever has at least this share of the largest weight carries with it.
_ALIKE = 0.85
# A change that is written as 0.0 %.
_NOTHING = 0.0005
_ROUNDING = 1e-9
# So many sentences to a question; the tables have the rest.
_MOST_SENTENCES = 12
# A confidence that hardly moves cannot be told apart into low and high.
_FLAT = 0.02


class Headline(NamedTuple):
    """The verdict in a few sentences.

    Parameters
    ----------
    texts : list of str
        Whether it is better than its plain rivals, whether that is worth anything, and what was earned.
    kind : {"good", "bad", "open"}
        Which way it goes.
    """

    texts: list[str]
    kind: str


class Answer(NamedTuple):
    """What is said to one question.

    Parameters
    ----------
    question : str
        The question.
    sentences : list of str
        The answer.
    """

    question: str
    sentences: list[str]


def headline(evidence: Evidence) -> Headline:
    """Say whether the ensemble beats its plain rivals, whether that is worth anything, and what it earned."""
    text, kind = _overall(evidence)
    texts = [text, *_worth(evidence)]
    return Headline(texts if evidence.trading is None else [*texts, _earned(evidence)], kind)


def _worth(evidence: Evidence) -> list[str]:
    """Nothing to say where it predicts better than nothing does."""
    if evidence.nothing is None:
        return []
    found = evidence.compared(evidence.plain[:, 0], evidence.nothing)
    relation = _relation(found)
    if relation in (LESS, FEW):
        return []
    verdict = "It predicts worse than" if relation == MORE else "It is not known to predict better than"
    return [f"{verdict} {_nothing(evidence)} does: {_by(found)}."]


def _nothing(evidence: Evidence) -> str:
    of_classes = evidence.judged.combined.shape[1] > 1
    return f"knowing nothing ({'the same probability for every class' if of_classes else '0 on every row'})"


def _overall(evidence: Evidence) -> tuple[str, str]:
    own, equal, best = evidence.plain.T
    against = {"the best single model": best, EQUAL: equal}
    found = {name: evidence.compared(own, losses) for name, losses in against.items()}
    who, rows = evidence.name, _rows(found[EQUAL])
    by_relation: dict[str, list[str]] = {}
    for name, each in found.items():
        by_relation.setdefault(_relation(each), []).append(name)
    if FEW in by_relation:
        return f"Too early to tell: too few rows ({_few(found[EQUAL])}).", "open"
    beaten, lost, level = (listed(by_relation.get(relation, [])) for relation in (LESS, MORE, LEVEL))
    if lost:
        also = f", though it beats {beaten}" if beaten else ""
        return f"No: {who} has more loss than {lost}, by more than chance explains{also} ({rows}).", "bad"
    unclear = listed(by_relation.get(UNCLEAR, []))
    rest = [f"is as good as {level}, within {percent(_NEGLIGIBLE, 0)}"] if level else []
    rest += [f"cannot be told apart from {unclear}"] if unclear else []
    if beaten and rest:
        return f"In part: {who} beats {beaten} by more than chance explains, and {rest[0]} ({rows}).", "open"
    if beaten:
        return f"Yes: {who} beats {beaten}, both by more than chance explains ({rows}).", "good"
    return f"{'Not proven' if unclear else 'Level'}: {who} {', and '.join(rest)} ({rows}).", "open"


def _relation(found: Comparison) -> str:
    """Less or more loss beyond chance, as good as none of either, or nobody can tell."""
    change = found.change
    if change.verdict == FEW:
        return FEW
    if (change.low > -_NEGLIGIBLE and change.high < _NEGLIGIBLE) or _is_same(found):
        return LEVEL
    return change.verdict if change.verdict in (LESS, MORE) else UNCLEAR


def answers(evidence: Evidence) -> list[Answer]:
    """Answer what is asked at a review."""
    found = [
        Answer("Does it beat the single model and equal weights?", _rivals(evidence)),
        Answer("Which model carries which regime?", _carriers(evidence)),
        Answer("What could be dropped?", _removals(evidence)),
        Answer("Does its confidence hold?", _confidence(evidence)),
    ]
    if evidence.trading is not None:
        found.insert(1, Answer("Did it earn?", _earnings(evidence)))
    if evidence.health is not None:
        found.append(Answer("Is the process well?", _process(evidence)))
    return found


# The single model and equal weights.


def _rivals(evidence: Evidence) -> list[str]:
    own, equal, best = evidence.plain.T
    against = {"the best single model": best, EQUAL: equal}
    if evidence.first_rival is not None:
        against = {label(evidence.first_rival): evidence.rivals[evidence.first_rival]} | against
    if evidence.nothing is not None:
        against[_nothing(evidence)] = evidence.nothing
    sentences = [_against(name, evidence.compared(own, losses)) for name, losses in against.items()]
    return [*sentences, *_hindsight(evidence, own)]


def _against(name: str, found: Comparison) -> str:
    relation = _relation(found)
    if relation == FEW:
        return f"Against {name}: too few rows to tell ({_few(found)})."
    if _is_same(found):
        return f"Against {name}: exactly the same loss ({_rows(found)})."
    who = {LESS: f"It beats {name}", MORE: f"It loses to {name}"}.get(relation, f"Against {name}")
    return f"{who}: {_by(found)}. {_SO[relation].capitalize()}."


def _is_same(found: Comparison) -> bool:
    change = found.change
    if np.isnan(change.change):
        return found.ours == found.theirs == 0
    return max(abs(change.change), abs(change.low), abs(change.high)) < _ROUNDING


def _hindsight(evidence: Evidence, own: Array) -> list[str]:
    """The best model alone on these very rows, which nobody could have chosen before."""
    behind = evidence.behind(evidence.weight)
    if evidence.alone is None or np.isnan(behind).all():
        return []
    first = int(np.nanargmin(behind))
    found = evidence.compared(own, evidence.alone[:, first])
    name = f"In hindsight {label(evidence.models[first])} was the best model alone, which nobody could know before."
    if _relation(found) == FEW:
        return []
    if _is_same(found):
        return [f"{name} The ensemble has exactly its loss ({_rows(found)})."]
    return [f"{name} Against it the ensemble has {_by(found)}: {_SO[_relation(found)]}."]


def _by(found: Comparison) -> str:
    """How much less or more loss, with the interval and n."""
    change = found.change
    if np.isnan(change.change):
        return f"a mean loss of {number(found.ours)} in place of {number(found.theirs)} ({_rows(found)})"
    return f"{_directed(change.change)} (95 % interval: {_range(change.low, change.high)}; {_rows(found)})"


def _directed(change: float) -> str:
    if abs(change) < _NOTHING:
        return "as good as the same loss"
    return f"{percent(abs(change))} {'less' if change < 0 else 'more'} loss"


def _range(low: float, high: float) -> str:
    """An interval of changes in words."""
    if low >= 0 or high <= 0:
        word, ends = ("more", (low, high)) if low >= 0 else ("less", (-high, -low))
        first, last = map(percent, ends)
        return f"{first.removesuffix(' %')} to {last} {word}" if np.isfinite(ends[1]) else f"{first} to {last}"
    return f"{percent(-low)} less to {percent(high)}{' more' if np.isfinite(high) else ''}"


def _rows(found: Comparison) -> str:
    return rows_of(found.n, found.n_moments)


def rows_of(n: float, n_moments: int | None = None) -> str:
    """Write how many rows, and at how many moments where they share these."""
    text = f"n = {count(n)} {'row' if n == 1 else 'rows'}"
    if n_moments is None or n_moments >= round(n):
        return text
    return f"{text} at {n_moments:,} {'time' if n_moments == 1 else 'times'}"


def _few(found: Comparison) -> str:
    """How few they are, and how many it takes."""
    return f"{_rows(found)}; it takes at least {FEWEST}{' times' if found.n_moments < round(found.n) else ''}"


# Profits.


def _earned(evidence: Evidence) -> str:
    trading = evidence.trading
    assert trading is not None
    found = trading[evidence.judged.who]
    n, mean, low, high = (found[name] for name in ("n_trades", "profit_bps", "profit_bps_low", "profit_bps_high"))
    trades = f"n = {count(n)} {'trade' if n == 1 else 'trades'}"
    if n < FEWEST:
        return f"What it earns cannot be told: too few trades ({trades}; it takes at least {FEWEST})."
    so = "That is more than chance explains." if low > 0 or high < 0 else "Chance may explain that."
    figure = f"{abs(mean):.3g} basis points a trade (95 % interval: {low:+.3g} to {high:+.3g}; {trades})"
    return f"It {'earned' if mean >= 0 else 'lost'} {figure}. {so}"


def _earnings(evidence: Evidence) -> list[str]:
    assert evidence.trading is not None
    found = evidence.trading[evidence.judged.who]
    sentences = [_earned(evidence)]
    if np.isfinite(found.get("sharpe_annual_low", np.nan)):
        ratio, low, high = (found[f"sharpe_annual{end}"] for end in ("", "_low", "_high"))
        yearly = f"{ratio:.2f} (95 % interval: {low:.2f} to {high:.2f}; n = {count(found['n_trades'])} trades)"
        sentences.append(f"Its Sharpe ratio of a year was {yearly}.")
    against = {"the best single model": BEST_SO_FAR, EQUAL: EQUAL}
    if evidence.first_rival is not None:
        against = {label(evidence.first_rival): evidence.first_rival} | against
    rivals = {name: evidence.trading.get(key, {}) for name, key in against.items()}
    return [*sentences, *(_ahead(name, rival) for name, rival in rivals.items() if "ahead_bps" in rival)]


def _ahead(name: str, rival: Mapping[str, float]) -> str:
    """How much more was earned than by another, moment by moment."""
    more, low, high, n = (rival[key] for key in ("ahead_bps", "ahead_bps_low", "ahead_bps_high", "n_moments"))
    times = f"n = {count(n)} times"
    if np.isnan(low):
        return f"Against {name}: too few times to tell ({times}; it takes at least {FEWEST})."
    if more == low == high == 0:
        return f"Against {name}: it earned exactly the same ({times})."
    so = _SO[LESS] if low > 0 or high < 0 else _SO[UNCLEAR]
    figure = f"{abs(more):.3g} basis points {'more' if more >= 0 else 'less'} each time"
    return f"Against {name} it earned {figure} (95 % interval: {low:+.3g} to {high:+.3g}; {times}). {so.capitalize()}."


# Who carries.


def _carriers(evidence: Evidence) -> list[str]:
    parts = evidence.parts()
    whole = parts.pop(None)
    if not parts:
        sentence = f"No regimes are known. All rows ({rows_of(evidence.n)}): "
        return [f"{sentence}{_carrier(evidence, whole) if evidence.n >= FEWEST else 'too few rows to tell.'}"]
    largest = sorted(parts, key=lambda name: -parts[name].sum())[:_MOST_SENTENCES]
    sentences = []
    for regime, weight in parts.items():
        if regime in largest:
            n = float(weight.sum())
            carrier = _carrier(evidence, weight) if n >= FEWEST else "too few rows to tell."
            sentences.append(f"{label(regime)} ({rows_of(n)}): {carrier}")
    left_out = len(parts) - len(sentences)
    return [*sentences, *([f"{left_out} smaller ones stand in the tables."] if left_out else [])]


def _the_first(sentences: list[str]) -> list[str]:
    left_out = len(sentences) - _MOST_SENTENCES
    return sentences if left_out <= 0 else [*sentences[:_MOST_SENTENCES], f"{left_out} more stand in the tables."]


def _carrier(evidence: Evidence, weight: Array) -> str:
    models, shares = evidence.models, evidence.mean_weights(weight)
    order = np.argsort(-shares, kind="stable")
    first = int(order[0])
    if len(models) == 1:
        return f"{label(models[0])} is the only model."
    near = [int(k) for k in order if shares[k] >= _ALIKE * shares[first]]
    if len(near) == len(models):
        text = f"no model carries it, all weigh about {percent(1 / len(models), 0)}."
    else:
        weighed = [f"{label(models[k])} ({percent(shares[k], 0)} of the weight)" for k in near]
        text = f"{listed(weighed)} {'carries' if len(near) == 1 else 'carry'} most."
    return f"{text} {_least_loss(evidence, first, weight)}".rstrip()


def _least_loss(evidence: Evidence, carrier: int, weight: Array) -> str:
    """Whether the model that carries was also the best alone."""
    behind = evidence.behind(weight)
    if evidence.alone is None or np.isnan(behind).all():
        return ""
    if np.isfinite(behind).sum() < 2:
        return ""
    if np.nanmax(behind) == np.nanmin(behind):
        return f"Alone all {'that spoke ' * bool(np.isnan(behind).any())}had the same loss."
    first, models = int(np.nanargmin(behind)), evidence.models
    if behind[first] == behind[carrier]:
        return f"Alone {label(models[carrier])} did best there, too."
    found = evidence.compared(evidence.alone[:, first], evidence.alone[:, carrier], weight)
    best, other = label(models[first]), label(models[carrier])
    if _relation(found) == FEW:
        return f"Alone {best} did best, on too few rows to tell ({_rows(found)})."
    return f"Alone {best} did best; against {other} it had {_by(found)}: {_SO[_relation(found)]}."


# What could go.


HARM, SPARE, NEEDED = "better without it", "could go", "needed"
_SAID_OF_REMOVALS = {HARM: "does harm", SPARE: "could go", NEEDED: "is needed"}


def reading_of_removal(found: Comparison, unanswered: float) -> str:
    """Say what the loss without a model means for it, and that so large a share of the rows has no other."""
    if unanswered > _NEGLIGIBLE:
        return NEEDED
    relation = _relation(found)
    if relation == UNCLEAR and found.change.high < _NEGLIGIBLE:
        return SPARE
    return {LESS: HARM, MORE: NEEDED, LEVEL: SPARE}.get(relation, relation)


def _removals(evidence: Evidence) -> list[str]:
    own = evidence.plain[:, 0]
    if len(evidence.models) == 1:
        return ["There is one model only."]
    without = {model: evidence.without(k) for k, model in enumerate(evidence.models)}
    found = {name: evidence.compared(losses, own) for name, losses in without.items() if losses is not None}
    if not found:
        return ["That cannot be worked out: the loss of this walk forward is not one that is known by its name."]
    unanswered = {name: evidence.unanswered(losses) for name, losses in without.items() if losses is not None}
    if all(each.change.verdict == FEW for each in found.values()):
        return [f"Too few rows to tell ({_few(next(iter(found.values())))})."]
    readings = {name: reading_of_removal(each, unanswered[name]) for name, each in found.items()}
    sentences = [
        f"{label(name)} {said}: {_left_without(evidence, found[name], unanswered[name])}."
        for reading, said in _SAID_OF_REMOVALS.items()
        for name in found
        if readings[name] == reading
    ]
    sentences = _the_first(sentences)
    unclear = [name for name, reading in readings.items() if reading == UNCLEAR]
    if unclear:
        ends = [
            f"{label(name)} ({_range(found[name].change.low, found[name].change.high)})"
            for name in unclear[:_MOST_SENTENCES]
        ]
        ends += ["others"] if len(unclear) > _MOST_SENTENCES else []
        sentences.append(
            f"It cannot be told what the loss would be without {_either(ends)}; {_rows(found[unclear[0]])}."
        )
    if not {SPARE, HARM} & set(readings.values()):
        sentences.insert(
            0, f"Nothing for sure: dropping any of them may have cost more than {percent(_NEGLIGIBLE, 0)} of the loss."
        )
    about = "An approximation, one model at a time: its weight goes to the others as they were trusted then."
    if not evidence.is_a_mean:
        about += " The way they are combined would have been learned anew without it, which the record does not tell."
    return [*sentences, f"{about} Of several that could go, drop one and look again."]


def _left_without(evidence: Evidence, found: Comparison, unanswered: float) -> str:
    if unanswered > _NEGLIGIBLE:
        return f"on {percent(unanswered)} of the rows no other model spoke ({rows_of(evidence.n)})"
    return f"without it {_same_or_by(found)}"


def _same_or_by(found: Comparison) -> str:
    return f"exactly the same loss ({_rows(found)})" if _is_same(found) else _by(found)


def _either(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


# Confidence.


def _confidence(evidence: Evidence) -> list[str]:
    said = evidence.judged.explanation
    if said is None:
        return ["The record does not hold what was stated."]
    sentences = []
    if said.coverages:
        coverage = min(said.coverages, key=lambda each: abs(each - 0.9))
        sentences.append(_coverage(evidence, coverage, said.classes is not None))
        worst = _worst_regime(evidence, coverage)
        if worst:
            sentences.append(worst)
    return [*sentences, *_sureness(evidence)]


def _coverage(evidence: Evidence, coverage: float, of_classes: bool) -> str:
    found = evidence.held(coverage, evidence.weight)
    what = f"{percent(coverage, 0)} {'sets' if of_classes else 'intervals'}"
    if not found.is_known:
        return f"Its {what}: too few rows to tell ({rows_of(found.n, found.n_moments)})."
    text = f"Its {what} held {_rate(found, 'of the outcomes')}"
    if found.low <= coverage <= found.high:
        return f"{text}: as often as stated."
    if found.high < coverage:
        return f"{text}: less often than stated, by more than chance explains."
    also = ", for a set holds at least the likeliest class" if of_classes else ", so they are wider than need be"
    return f"{text}: more often than stated{also}."


def _worst_regime(evidence: Evidence, coverage: float) -> str:
    """The regime where outcomes were outside most often, if that is more than chance."""
    rates = {name: evidence.held(coverage, weight) for name, weight in evidence.parts().items() if name is not None}
    short = {name: each for name, each in rates.items() if each.is_known and each.high < coverage}
    if not short:
        return ""
    worst = min(short, key=lambda name: short[name].rate)
    return f"In {label(worst)} only {_rate(short[worst])}."


def _rate(found: Rate, of: str = "") -> str:
    ends = f"{percent(found.low).removesuffix(' %')} to {percent(found.high)}"
    return f"{percent(found.rate)}{' ' * bool(of)}{of} (95 % interval: {ends}; {rows_of(found.n, found.n_moments)})"


def _sureness(evidence: Evidence) -> list[str]:
    known = evidence.right()
    what = "class" if evidence.judged.combined.shape[1] > 1 else "side (the sign)"
    if known is None:
        return [_no_sides(evidence)]
    right, rows = known
    stated, found = evidence.reliability(right, rows)
    if not found.is_known:
        return [f"Its confidence in the {what}: too few rows to tell ({rows_of(found.n, found.n_moments)})."]
    text = f"It was sure of the {what} with {percent(stated)} on average, and right in {_rate(found)}"
    if found.low <= stated <= found.high:
        sentences = [f"{text}: it keeps its word."]
    else:
        sentences = [f"{text}: it is too {'sure' if found.high < stated else 'modest'}, by more than chance explains."]
    return [*sentences, *_sharpness(evidence, right, rows)]


def _no_sides(evidence: Evidence) -> str:
    """Why nobody can be right or wrong about the side."""
    targets = evidence.judged.targets
    assert targets is not None
    if not (targets != 0).any():
        return f"Its confidence in the side (the sign): too few rows to tell ({rows_of(0)})."
    if (targets > 0).any() and (targets < 0).any():
        return (
            "Its confidence in the side (the sign) cannot be judged: where it took one, outcomes never changed sides."
        )
    return "Whether the side (the sign) is right is no question here: all outcomes are on one side."


def _sharpness(evidence: Evidence, right: NDArray[np.bool_], rows: NDArray[np.bool_]) -> list[str]:
    """Whether it is right more often where it says so."""
    heard = np.flatnonzero(rows & (evidence.weight > 0))
    order = heard[np.argsort(evidence.stated[heard], kind="stable")]
    third = len(order) // 3
    (unsure, bottom), (sure, top) = (
        evidence.reliability(right, np.isin(np.arange(len(rows)), part))
        for part in (order[:third], order[len(order) - third :])
    )
    if sure - unsure < _FLAT:
        return ["Its confidence hardly differs from row to row, so it cannot tell good rows from bad ones."]
    if not (top.is_known and bottom.is_known):
        return []
    text = (
        f"In the third of rows where it was surest ({percent(sure)}) it was right in {_rate(top)}, in the third where "
        f"it was least sure ({percent(unsure)}) in {_rate(bottom)}"
    )
    so = "the more sure, the more often right" if top.low > bottom.high else "a difference that chance may explain"
    return [f"{text}: {so}."]


# The process.


def _process(evidence: Evidence) -> list[str]:
    health = evidence.health
    assert health is not None
    n = health.n_predictions
    sentences = [
        f"Version {health.version} is live. Of {n:,} {'prediction' if n == 1 else 'predictions'}, {health.n_pending:,} "
        f"{'waits' if health.n_pending == 1 else 'wait'} for an outcome."
    ]
    if health.n_late:
        sentences.append(f"{health.n_late:,} outcomes came too late to be learned from at their own time.")
    if health.asleep > 0:
        sentences.append(f"{percent(health.asleep)} of the models' answers were missing in the last 100 predictions.")
    if health.stale:
        sentences.append("At the last prediction it was stale: older, or longer without an outcome, than was allowed.")
    since = f"since this version took over (p = {health.drift:.2g})"
    if health.drifting:
        return [*sentences, f"Losses have grown {since}: the models have become worse, or the times harder to predict."]
    return [*sentences, f"There is no sign that losses have grown {since}."]

"""The page: the verdict first, then the tables that it stands on, then pictures, then how to read it all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from skensemble._html import Markup, element, html_table, joined, page, scrollable
from skensemble._review._evidence import Comparison, Evidence, Rate
from skensemble._review._verdict import LESS, MORE, Answer, Headline, reading_of_removal, rows_of
from skensemble._texts import between, count, label, number, percent

__all__ = ["Picture", "written"]

# What losses are called in a sentence.
_LOSSES = {
    "SquaredLoss": "squared error",
    "AbsoluteLoss": "absolute error",
    "LogLoss": "log loss of the probabilities",
    "BrierLoss": "Brier score of the probabilities",
}
_SHORT = {LESS: "less", MORE: "more"}


class Picture(NamedTuple):
    """A picture of a review.

    Parameters
    ----------
    title : str
        What it shows.
    seen : str
        What is drawn, for somebody who does not see it.
    source : str
        The picture itself, as a ``data:`` address.
    width, height : int
        Its size in pixels of the page.
    """

    title: str
    seen: str
    source: str
    width: int
    height: int


def written(
    title: str, evidence: Evidence, verdict: Headline, answers: Sequence[Answer], pictures: Sequence[Picture] | None
) -> str:
    """Write the page; without ``pictures`` it says what they need."""
    return page(
        title,
        element("p", _unbroken(_about(evidence)), class_="quiet"),
        element("h2", "Verdict", id="verdict"),
        element("div", *(element("p", _unbroken(text)) for text in verdict.texts), class_=f"verdict {verdict.kind}"),
        *(_answer(each) for each in answers),
        element("h2", "Tables"),
        *_tables(evidence),
        element("h2", "Pictures"),
        *_shown(pictures),
        element("h2", "How to read this"),
        _reading(evidence),
    )


def _about(evidence: Evidence) -> str:
    judged = evidence.judged
    n = len(judged.index)
    models = f"{len(judged.models)} {'model' if len(judged.models) == 1 else 'models'}"
    name = evidence.name
    name = f"The {name.removeprefix('the ')}" if name.startswith("the ") else name
    who = f"{name} is made of {models}: {', '.join(map(label, judged.models))}"
    if not n:
        return f"{who}. No outcome is known yet."
    first, last = label(judged.index[0]), label(judged.index[-1])
    return (
        f"{who}. Judged by its {_loss_of(evidence)} on {rows_of(n)} from {first} to {last}, each predicted with what "
        f"was known at its time."
    )


def _loss_of(evidence: Evidence) -> str:
    return _LOSSES.get(evidence.judged.loss, evidence.judged.loss)


def _answer(answer: Answer) -> Markup:
    return joined(
        element("h3", answer.question),
        element("ul", *(element("li", _unbroken(sentence)) for sentence in answer.sentences)),
    )


def _unbroken(sentence: str) -> str:
    """Keep a number with its unit, and n with its number, on one line."""
    return sentence.replace(" %", "\N{NO-BREAK SPACE}%").replace("n = ", "n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}")


# Tables.


def _tables(evidence: Evidence) -> list[Markup]:
    tables = [
        _contestants(evidence),
        _earnings(evidence),
        _by_regime(evidence),
        _weights(evidence),
        _removals(evidence),
        _coverage(evidence),
        _sureness(evidence),
        _health(evidence),
    ]
    return [each for each in tables if each]


def _table(caption: str, columns: list[str], rows: list[list[str]], *, words: Sequence[str] = ()) -> Markup:
    return scrollable(html_table(caption, columns, rows, words=words), caption) if rows else Markup("")


class _Unit(NamedTuple):
    """What losses are told in, so that they can be compared digit by digit.

    Parameters
    ----------
    exponent : int
        The power of ten that stands for one.
    digits : int
        Digits behind the point.
    """

    exponent: int
    digits: int

    @classmethod
    def of(cls, evidence: Evidence) -> _Unit:
        """Choose it by the ensemble's own loss: four digits that matter."""
        loss, _ = evidence.mean_loss(evidence.plain[:, 0], evidence.weight)
        first = math.floor(math.log10(abs(loss))) if np.isfinite(loss) and loss != 0 else 0
        return cls(0, max(3 - first, 0)) if -3 <= first < 6 else cls(first, 3)

    @property
    def name(self) -> str:
        return f", in 1e{self.exponent}" if self.exponent else ""

    def written(self, loss: float) -> str:
        return "" if np.isnan(loss) else f"{loss / 10.0**self.exponent:,.{self.digits}f}"


def _contestants(evidence: Evidence) -> Markup:
    own, *_ = everyone = list(evidence.contestants().items())
    unit, rows = _Unit.of(evidence), []
    for name, losses in everyone:
        loss, n = evidence.mean_loss(losses, evidence.weight)
        cells = [label(name), count(n), unit.written(loss)]
        cells += ["", ""] if name == own[0] else _change(evidence.compared(own[1], losses))
        rows.append(cells)
    columns = ["who", "n", "mean loss", "ensemble against it [95 %]", "verdict"]
    return _table(f"Who had how much loss ({_loss_of(evidence)}{unit.name})", columns, rows, words=("verdict",))


def _change(found: Comparison) -> list[str]:
    change = found.change
    ends = (percent(change.low, signed=True), percent(change.high, signed=True))
    return [percent(change.change, signed=True) + between(*ends), change.verdict.removeprefix("distinguishable: ")]


def _earnings(evidence: Evidence) -> Markup:
    trading = evidence.trading
    if trading is None:
        return Markup("")
    sharpe, per = "sharpe_annual", "of a year"
    if sharpe not in trading[evidence.judged.who]:
        sharpe, per = "sharpe", "per trade"
    compared = any("ahead_bps" in figures for figures in trading.values())
    rows = []
    for name in evidence.contestants():
        if name in trading:
            figures = trading[name]
            bps, ratio = (_figure(figures, key, form) for key, form in (("profit_bps", "{:.3g}"), (sharpe, "{:.2f}")))
            ahead = _figure(figures, "ahead_bps", "{:+.3g}") if "ahead_bps" in figures else ""
            cells = [label(name), count(figures["n_trades"]), bps, ratio, count(figures["drawdown_bps"])]
            rows.append([*cells[:3], ahead, *cells[3:]] if compared else cells)
    columns = ["who", "trades (n)", "basis points a trade [95 %]", f"Sharpe {per} [95 %]", "deepest fall (bps)"]
    if compared:
        columns.insert(3, "ensemble against it, each time [95 %]")
    return _table("Who earned what, after costs", columns, rows)


def _figure(figures: Mapping[str, float], name: str, form: str) -> str:
    middle, *ends = (
        "" if np.isnan(figures[key]) else form.format(figures[key]) for key in (name, f"{name}_low", f"{name}_high")
    )
    return middle + between(*ends)


def _by_regime(evidence: Evidence) -> Markup:
    parts = evidence.parts()
    if len(parts) < 2:
        return Markup("")
    unit, rows = _Unit.of(evidence), []
    for name, losses in evidence.contestants().items():
        means = [evidence.mean_loss(losses, weight) for weight in parts.values()]
        rows.append([label(name), *(f"{unit.written(loss)} ({count(n)})" if n else "" for loss, n in means)])
    return _table(f"Mean loss (n) by regime ({_loss_of(evidence)}{unit.name})", ["who", *_names(evidence)], rows)


def _names(evidence: Evidence) -> list[str]:
    return ["all rows" if name is None else label(name) for name in evidence.parts()]


def _weights(evidence: Evidence) -> Markup:
    parts = evidence.parts()
    columns = np.column_stack([evidence.mean_weights(weight) for weight in parts.values()])
    rows = [
        [label(model), *(percent(share, 0) for share in shares)]
        for model, shares in zip(evidence.models, columns, strict=True)
    ]
    heads = [
        f"{name} (n = {count(float(weight.sum()))})"
        for name, weight in zip(_names(evidence), parts.values(), strict=True)
    ]
    where = " by regime" if evidence.regimes else ""
    return _table(f"Mean weight of each model{where}", ["model", *heads], rows)


def _removals(evidence: Evidence) -> Markup:
    unit, rows = _Unit.of(evidence), []
    for k, model in enumerate(evidence.models):
        losses = evidence.without(k)
        if losses is not None:
            found = evidence.compared(losses, evidence.plain[:, 0])
            change, _ = _change(found)
            reading = reading_of_removal(found, evidence.unanswered(losses))
            rows.append([label(model), count(found.n), unit.written(found.ours), change, reading])
    columns = ["without", "n", "mean loss", "change [95 %]", "verdict"]
    return _table(
        f"Loss of the ensemble without each model (approximation{unit.name})", columns, rows, words=("verdict",)
    )


def _coverage(evidence: Evidence) -> Markup:
    said = evidence.judged.explanation
    if said is None:
        return Markup("")
    rows = [
        [percent(coverage, 0), *(_rate(evidence.held(coverage, weight)) for weight in evidence.parts().values())]
        for coverage in said.coverages
    ]
    what = "intervals" if said.classes is None else "sets"
    return _table(f"How often outcomes were within the {what} [95 %] (n)", ["stated", *_names(evidence)], rows)


def _rate(found: Rate) -> str:
    if not found.n:
        return ""
    return f"{percent(found.rate)}{between(percent(found.low), percent(found.high))} ({count(found.n)})"


def _sureness(evidence: Evidence) -> Markup:
    known = evidence.right() if evidence.judged.explanation is not None else None
    if known is None:
        return Markup("")
    right, decided = known
    tenths = np.clip(np.floor(np.nan_to_num(evidence.stated) * 10), 0, 9)
    rows = []
    for tenth in range(10):
        stated, found = evidence.reliability(right, decided & (tenths == tenth))
        if found.n:
            rows.append([f"{10 * tenth} to {10 * tenth + 10} %", count(found.n), percent(stated), _share(found)])
    stated, found = evidence.reliability(right, decided)
    if found.n:
        rows.append(["all", count(found.n), percent(stated), _share(found)])
    return _table("How sure it was, and how often it was right", ["stated", "n", "on average", "right [95 %]"], rows)


def _share(found: Rate) -> str:
    return percent(found.rate) + between(percent(found.low), percent(found.high))


def _health(evidence: Evidence) -> Markup:
    health = evidence.health
    if health is None:
        return Markup("")
    heard = "never" if health.last_feedback is None else label(f"{health.last_feedback:%Y-%m-%d %H:%M:%S}")
    rows = [
        ["version", str(health.version)],
        ["trained until", label(f"{health.trained_until:%Y-%m-%d %H:%M:%S}")],
        ["last outcome arrived", heard],
        ["predictions", count(health.n_predictions)],
        ["of these without an outcome", count(health.n_pending)],
        ["outcomes and trades", count(health.n_outcomes)],
        ["of these too late", count(health.n_late)],
        ["answers of models missing, last 100", percent(health.asleep)],
        ["drift (p-value)", number(health.drift)],
    ]
    return _table("The process at the last prediction", ["figure", "value"], rows)


# Pictures.


def _shown(pictures: Sequence[Picture] | None) -> list[Markup]:
    if pictures is None:
        install = element("code", 'pip install "skensemble[plot]"')
        return [element("p", "Pictures need matplotlib: ", install, " and write the review again.")]
    if not pictures:
        return [element("p", "There are too few rows for pictures.")]
    return [
        element(
            "figure",
            element("figcaption", each.title),
            scrollable(
                element("img", src=each.source, alt=each.seen, width=each.width, height=each.height), each.title
            ),
        )
        for each in pictures
    ]


# How to read it.


def _reading(evidence: Evidence) -> Markup:
    overlap = evidence.judged.overlap
    words = [
        ("n", "How many rows a figure is of; rows that count less, or belong to a regime in part, count as much."),
        (
            "Best single model so far",
            "On each row the model of least loss until then: for whoever trusts one model only.",
        ),
        ("Equal weights", "The plain mean of the models."),
        ("Knowing nothing", "To say 0 on every row, or the same probability for every class."),
        (
            "95 % interval",
            "Between what the true figure may lie. Losses are compared row by row, drawn anew 2,000 times in whole "
            "blocks of up to 63 moments, since bad days come in clusters. One interval in twenty misses by chance, and "
            "this page has many: the verdict at the top is the one to go by.",
        ),
        ("Less loss, more loss", "The interval leaves out no difference. Not distinguishable: it does not."),
        ("As good as, could go", "The interval says that it is surely a matter of less than 1 %."),
        ("Too few rows", "Fewer than 30: nothing is said."),
        ("Weight", "How far a model was trusted; on each row they add up to 100 %."),
    ]
    if evidence.trading is not None and len(evidence.trading) > 1:
        words.append(
            (
                "Basis points each time",
                "Profits are compared as losses are, at every row (or time that rows share), traded or not: without a "
                "trade nothing was earned.",
            )
        )
    if len(np.unique(evidence.moments)) < len(evidence.moments):
        words.append(
            (
                "Rows of one time",
                "In the comparison of losses and in profits they count as one; in the intervals of shares for the "
                "less, the more alike they are.",
            )
        )
    if overlap > 1:
        words.append(
            (
                "Overlap",
                f"Outcomes share their time with their neighbours, {overlap:g} in a row: in the intervals of shares "
                f"and profits they count as one.",
            )
        )
    return element("dl", *(joined(element("dt", term), element("dd", text)) for term, text in words))

"""HTML for notebooks: what comes from data is text and nothing else, in light and in dark, and plain reprs fit."""

import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.dummy import DummyRegressor

from skensemble import RegimeAwareEnsembleClassifier, RegimeAwareEnsembleRegressor, walk_forward
from skensemble._html import Markup, element, html_table, joined, notebook, page, scrollable
from skensemble._texts import between, count, label, listed, number, percent, shortened, with_count
from skensemble.explanation import Explanation
from skensemble.live import Health, LivePrediction
from skensemble.performance import Ledger

TABLE = {"div", "style", "table", "caption", "thead", "tbody", "tr", "th", "td", "p", "span"}
PAGE = TABLE | {"html", "head", "meta", "title", "body", "main", "a", "h1"}
VOID = {"meta", "img"}

NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='x",
    "&amp;",
    "\ud800",
    "\x00\x1b[31m",
]
texts = st.one_of(st.sampled_from(NASTY), st.text(st.characters(exclude_categories=()), min_size=1, max_size=20))
names = st.one_of(texts, st.integers(), st.floats(allow_nan=False), st.tuples(texts, st.integers()), st.none())


class Reader(HTMLParser):
    """Reads what a browser would: elements, attributes and text, and whether all is closed in order."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.attributes, self.words = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.words.append(data)


def read(markup):
    markup.encode("utf-8")
    reader = Reader()
    reader.feed(markup)
    reader.close()
    assert reader.open == []
    assert not any(name.startswith("on") or name in ("src", "style") for _, name, _ in reader.attributes)
    return reader


# Fragments.


def test_an_element_escapes_what_is_not_markup():
    assert element("b", "<i>", element("i", "&"), title='"') == '<b title="&quot;">&lt;i&gt;<i>&amp;</i></b>'
    assert element("meta", charset="utf-8", name=None) == '<meta charset="utf-8">'
    assert element("div", class_="x", aria_label="y") == '<div class="x" aria-label="y"></div>'
    assert joined("<", element("i")) == "&lt;<i></i>"
    assert isinstance(joined("<"), Markup)


def test_what_no_document_may_hold_is_replaced():
    assert element("p", "a\x00b\ud800\x9f\ufffe") == "<p>a\ufffdb\ufffd\ufffd\ufffd</p>"
    assert element("p", "a\tb\n") == "<p>a\tb\n</p>"


def test_a_table_of_many_rows_says_how_many_are_left_out():
    reader = read(html_table("many", ["name", "n"], [[f"row {i}", i] for i in range(61)]))
    assert reader.tags.count("tr") == 62
    assert reader.words[-1] == "… and 1 more"
    assert read(html_table("sixty", ["name"], [[i] for i in range(60)])).words[-1] == "59"


@given(st.lists(names, min_size=1, max_size=4), names, names)
def test_whatever_stands_in_a_table_is_text(columns, cell, caption):
    reader = read(html_table(caption, columns, [[cell] * len(columns)], words=[columns[0]]))
    assert set(reader.tags) <= TABLE
    assert {value for _, name, value in reader.attributes if name == "scope"} == {"col", "row"}
    assert len(reader.words) <= 1 + 2 * len(columns)


@given(texts, texts)
def test_whatever_stands_in_a_page_is_text(title, text):
    markup = page(title, element("p", text), scrollable(html_table(text, ["x"], [[text]]), text))
    reader = read(markup)
    assert set(reader.tags) <= PAGE
    assert reader.tags.count("h1") == 1
    assert {value for _, name, value in reader.attributes if name == "href"} == {"#main"}
    assert markup == page(title, element("p", text), scrollable(html_table(text, ["x"], [[text]]), text))


def test_a_table_in_a_notebook_has_no_colour_of_its_own():
    style = re.search(r"<style>(.*)</style>", notebook(), flags=re.DOTALL)[1]
    assert not re.search(r"#[0-9a-f]{3}", style)
    for colour in re.findall(r"(?:color|background):([^;}!]+)", style):
        assert colour in ("inherit", "none")


# Words.


def test_names_and_numbers_are_written_in_one_manner():
    assert [shortened(name, 8) for name in ("short", "much too long", ("a", 1))] == ["short", "much to…", "a, 1"]
    assert shortened("two\nlines", 20) == "two lines"
    assert label(pd.Timestamp("2024-01-02")) == "2024-01-02"
    assert [count(n) for n in (0, 3, 12.25, 99.5, 1234.5, float("nan"))] == ["0", "3", "12.2", "99.5", "1,234", "0"]
    assert [number(x) for x in (0.123456, float("nan"), 1e-9)] == ["0.1235", "", "1e-09"]
    assert [percent(x) for x in (0.1234, -0.00001, float("nan"))] == ["12.3 %", "0.0 %", ""]
    assert [percent(x, signed=True) for x in (0.1, -0.1, -0.00001)] == ["+10.0 %", "-10.0 %", "+0.0 %"]
    assert [percent(x) for x in (12.3456, -12.0)] == ["1,235 %", "-1,200 %"]
    assert percent(float("inf")) == "endlessly more"
    assert between("1 %", "2 %") == " [1, 2]"
    assert between("", "2") == ""
    assert with_count(0.5, 3) == "0.5 (3)"
    assert with_count(float("nan"), 0) == ""
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b", 3])] == ["a", "a and b", "a, b and 3"]


# What a notebook shows.


def explained(n=1, models=("tree", "line"), regimes=("calm",), classes=None):
    rng = np.random.default_rng(0)
    n_outputs = 1 if classes is None else len(classes)
    said = rng.dirichlet(np.ones(max(n_outputs, 2)), size=(n, len(models)))[:, :, :n_outputs]
    weights = rng.dirichlet(np.ones(len(models)), size=n)
    moved = weights[:, :, None] * said
    combined = moved.sum(axis=1)
    prediction = combined[:, 0]
    if classes is not None:
        prediction = np.empty(n, dtype=object)
        for row, best in enumerate(combined.argmax(axis=1)):
            prediction[row] = classes[best]
    return Explanation(
        prediction=prediction,
        combined=combined,
        models=tuple(models),
        member_predictions=said,
        weights=weights,
        contributions=moved,
        baseline=np.zeros((n, n_outputs)),
        best_so_far=combined,
        regimes=tuple(regimes),
        memberships=np.eye(max(len(regimes), 1))[np.arange(n) % max(len(regimes), 1), : len(regimes)],
        agreement=np.full(n, 0.5),
        confidence=np.full(n, 0.625),
        nominal=np.full(n, 0.5),
        limits=np.full((n, 2 if classes is None else 1, 2), 0.25),
        coverages=(0.5, 0.9),
        classes=classes,
        index=pd.RangeIndex(n),
    )


def test_one_prediction_in_a_notebook():
    words = read(explained()._repr_html_()).words
    one = explained()
    low, high = one.interval(0.9)[0]
    assert words[0].startswith(f"Prediction {one.prediction[0]:.5g} (90 %: {low:.4g} to {high:.4g}), confidence 0.62")
    assert words[1:5] == ["model", "said", "weight", "contribution"]
    assert words[5:9] == [
        "tree",
        f"{one.member_predictions[0, 0, 0]:.4g}",
        f"{one.weights[0, 0]:.3f}",
        f"{one.contributions[0, 0, 0]:+.4g}",
    ]


def test_a_class_in_a_notebook():
    words = read(explained(classes=("up", "down", "flat"))._repr_html_()).words
    assert re.match(r"Prediction \w+ \(probability 0\.\d+\) \(90 %: .*\), confidence", words[0])


def test_many_predictions_in_a_notebook_are_some_of_them():
    reader = read(explained(n=50)._repr_html_())
    assert reader.words[0] == "Explanation of 50 predictions by 2 models, the first and last 10"
    assert reader.tags.count("tr") == 21
    assert read(explained(n=20)._repr_html_()).tags.count("tr") == 21
    assert read(explained(n=0)._repr_html_()).tags.count("tr") == 1


def test_a_ledger_in_a_notebook():
    nan = float("nan")
    ledger = Ledger(["ridge", "forest"], ["calm", "wild"])
    assert read(ledger._repr_html_()).words[0] == "Ledger of 2 models, 2 regimes: lifetime, pooled"
    later = ledger.updated(
        [[1, 0], [1, 0], [0, 1]],
        losses=[[1, 2, 1, 1, 1], [3, 2, 2, 2, 3], [5, nan, 5, 5, 5]],
        wins=[[1, 0, 1, 1, 1]] * 3,
        profits_bps=[[10, -10, 10, 10, 10], [20, -10, 10, 10, 10], [30, -20, 10, 10, 10]],
    )
    words = read(later._repr_html_()).words
    assert words[words.index("ridge") : words.index("forest")][:3] == ["ridge", "3", "3"]
    assert {"won or lost", "won [95 %]", "trades", "bps [95 %]", "Sharpe per trade [95 %]"} <= set(words)
    by_regime = words[words.index("Loss (n) by regime") :]
    assert by_regime[by_regime.index("forest") :][:3] == ["forest", "2 (2)", "2 (2)"]


@pytest.fixture(scope="module")
def walk():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=120)}, index=pd.bdate_range("2024-01-01", periods=120))
    y = X["a"] * 0.01
    models = [("<b>low</b>", DummyRegressor(strategy="constant", constant=-0.01)), ("mean", DummyRegressor())]
    rivals = {
        "a rival with a name that is far too long for a terminal": DummyRegressor(),
        "<i>ensemble</i>": RegimeAwareEnsembleRegressor(models, combiner="dynamic", random_state=0),
    }
    regimes = np.array(["<u>", "wild"])[np.arange(120) // 20 % 2]
    return walk_forward(rivals, X, y, initial=60, regimes=regimes, returns=y, judge_models=True)


def test_a_walk_forward_in_a_notebook(walk):
    reader = read(walk._repr_html_())
    assert {"<i>ensemble</i>", "<b>low</b> alone", "<u>", "equal weights"} <= set(reader.words)
    assert {"n", "loss", "change [95 %]", "verdict", "won [95 %]", "bps [95 %]", "Sharpe [95 %]"} <= set(reader.words)
    assert set(reader.tags) <= TABLE
    report = walk.report().set_index(["rival", "regime"]).loc[("equal weights", "<u>")]
    assert f"{report['loss']:.4g} ({report['n']:.0f})" in reader.words


def test_plain_reprs_fit_a_terminal(walk):
    assert max(map(len, repr(walk).splitlines())) <= 100
    long = explained(models=("a model with a name that is far too long",) * 2, regimes=("a long regime " * 5,))
    assert max(map(len, repr(long).splitlines())) <= 100
    many = explained(n=3, models=[f"a model with a long name, {k}" for k in range(9)])
    assert len(repr(many)) <= 100
    live = live_prediction(id="an id that nobody would make up " * 3)
    assert max(map(len, repr(live).splitlines())) <= 100
    assert max(map(len, repr(HEALTH).splitlines())) <= 80


def live_prediction(id="x", n=1):  # noqa: A002
    said = explained(n=n)
    return LivePrediction(
        **{name: getattr(said, name) for name in said.__dataclass_fields__},
        ids=(id,) * n,
        at=pd.date_range("2024-01-02", periods=n, tz="UTC"),
        version=1,
        stale=True,
        journaled=True,
    )


HEALTH = Health(
    version=1,
    trained_until=pd.Timestamp("2024-01-01", tz="UTC"),
    age=pd.Timedelta("31D"),
    last_feedback=None,
    stale=False,
    n_predictions=4,
    n_pending=3,
    n_outcomes=1,
    n_late=0,
    asleep=0.0,
    drift=1.0,
    latency_p50_ms=float("nan"),
    latency_p99_ms=float("nan"),
    journal_bytes=10,
)


def test_a_live_prediction_and_its_process_in_a_notebook():
    words = read(live_prediction(id="<x>")._repr_html_()).words
    assert words[0] == "'<x>' at 2024-01-02 00:00:00, version 1, STALE"
    assert words[1].startswith("Prediction ")
    assert "version 1, STALE" in read(live_prediction(n=3)._repr_html_()).words
    words = read(HEALTH._repr_html_()).words
    assert words[words.index("n_pending") + 1] == "3"
    assert words[-2:] == ["drifting", "False"]
    assert repr(HEALTH) == str(HEALTH)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(texts, min_size=1, max_size=3, unique=True),
    st.lists(names, min_size=1, max_size=3, unique_by=lambda name: (type(name), name)),
    st.lists(texts, min_size=2, max_size=3, unique=True),
)
def test_no_name_can_be_more_than_a_name(models, regimes, classes):
    ledger_models = [name for name in models if name not in ("ensemble", "equal weights", "best so far")]
    regimes = [name for place, name in enumerate(regimes) if name != "pooled" and name not in regimes[:place]]
    ledger = Ledger(ledger_models, regimes).updated(
        np.eye(len(regimes)), losses=np.ones((len(regimes), len(ledger_models) + 3))
    )
    shown = [ledger, *(explained(n, models, regimes, kind) for n in (1, 3) for kind in (None, tuple(classes)))]
    for thing in shown:
        assert set(read(thing._repr_html_()).tags) <= TABLE
        assert repr(thing)


# Diagrams of the estimators.


@pytest.mark.parametrize("kind", [RegimeAwareEnsembleRegressor, RegimeAwareEnsembleClassifier])
def test_a_diagram_shows_the_stages_in_the_order_of_the_rows(kind):
    X = pd.DataFrame({"state": np.arange(60) % 3})
    y = np.arange(60) % 2
    names = ["linear", "extra_trees"] if kind is RegimeAwareEnsembleRegressor else ["logistic", "extra_trees"]
    ensemble = kind(names, combiner="dynamic", regime_detector="state", random_state=0)
    for fitted in (False, True):
        if fitted:
            ensemble.fit(X, y)
        labels = re.findall(r"<div><div>(\w+)</div>", ensemble._repr_html_())
        places = [labels.index(name) for name in ("regime_detector", *names, "combiner", "DynamicWeighting")]
        assert places == sorted(places)


def test_names_in_a_diagram_are_text():
    nasty = "<img src=x>"
    drawn = RegimeAwareEnsembleRegressor([(nasty, DummyRegressor())])._repr_html_()
    assert nasty not in drawn
    assert "&lt;img src=x&gt;" in drawn

"""Fragments of HTML, and the only place where what comes from data becomes part of a page.

One rule: a text is escaped unless it is `Markup`, and only this module makes `Markup`. So no name of a model, regime or
row can be anything else than text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

__all__ = ["Markup", "element", "html_table", "joined", "notebook", "page", "scrollable"]

# What a table holds at most, so that neither a notebook nor a reader drowns.
_MOST_ROWS = 60

# What no document may hold: half a surrogate pair cannot be written down, and of the controls only white space is text.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
# Elements that hold nothing and are not closed.
_VOID = ("img", "link", "meta")

# Tables take the colours of the notebook, light or dark: the only one of their own is that of a line, and sees through.
_NOTEBOOK_STYLE = """
.skensemble{overflow-x:auto}
.skensemble table{border-collapse:collapse;margin:.3em 0 1em;color:inherit;background:none;font-size:90%}
.skensemble caption{caption-side:top;text-align:left;color:inherit;padding:.2em 0;font-weight:bold;white-space:nowrap}
.skensemble tr{color:inherit;background:none!important}
.skensemble th,.skensemble td{text-align:right;padding:.15em .7em;color:inherit;background:none;
border-bottom:1px solid rgba(128,128,128,.4);font-variant-numeric:tabular-nums;white-space:nowrap}
.skensemble th:first-child,.skensemble .words{text-align:left}
.skensemble p{margin:.2em 0}
"""


class Markup(str):
    """A piece of HTML: what stands in it has been escaped."""

    __slots__ = ()


def _escaped(text: object) -> str:
    if isinstance(text, Markup):
        return text
    return html.escape(_UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", str(text)))


def element(name: str, /, *inside: object, **attributes: object) -> Markup:
    """Make an element.

    Parameters
    ----------
    name : str
        What it is, such as ``"p"``.
    *inside : object
        What stands in it, one behind the other; escaped, but for `Markup`.
    **attributes : object
        Its attributes, escaped; ``class_`` is ``class``, ``aria_label`` is ``aria-label``, and ``None`` is left out.

    Returns
    -------
    Markup
        The element.

    Examples
    --------
    >>> element("p", "5 < 6: ", element("em", "yes"), class_="sum")
    '<p class="sum">5 &lt; 6: <em>yes</em></p>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_escaped(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    end = "" if name in _VOID else f"{joined(*inside)}</{name}>"
    return Markup(f"<{name}{given}>{end}")


def joined(*parts: object) -> Markup:
    """Put pieces one behind the other; what is not `Markup` is escaped."""
    return Markup("".join(map(_escaped, parts)))


def html_table(
    caption: object, columns: Sequence[object], rows: Sequence[Sequence[object]], *, words: Sequence[str] = ()
) -> Markup:
    """Make a table whose rows begin with their names.

    Parameters
    ----------
    caption : object
        What it shows.
    columns : sequence
        Headings, that of the names first.
    rows : sequence of sequences
        Cells, as texts. What is beyond 60 rows is left out, with a row that says how many.
    words : sequence of str, default=()
        Columns that hold words, and not numbers.

    Returns
    -------
    Markup
        The table.

    Examples
    --------
    >>> html_table("Loss", ["model", "n"], [["<b>", 3]]).partition("<tbody>")[2]
    '<tr><th scope="row">&lt;b&gt;</th><td>3</td></tr></tbody></table>'
    """
    kinds = ["words" if column in words else None for column in columns]
    head = [element("th", column, scope="col", class_=kind) for column, kind in zip(columns, kinds, strict=True)]
    body = []
    for first, *others in rows[:_MOST_ROWS]:
        cells = [element("td", cell, class_=kind) for cell, kind in zip(others, kinds[1:], strict=True)]
        body.append(element("tr", element("th", first, scope="row"), *cells))
    if len(rows) > _MOST_ROWS:
        left_out = f"… and {len(rows) - _MOST_ROWS:,} more"
        body.append(element("tr", element("th", left_out, scope="row", colspan=len(columns))))
    return element(
        "table",
        element("caption", element("span", caption)),
        element("thead", element("tr", *head)),
        element("tbody", *body),
    )


def notebook(*parts: object) -> str:
    """Wrap up tables for a notebook, light or dark; where styles are not trusted they are plain tables."""
    return str(element("div", element("style", Markup(_NOTEBOOK_STYLE)), *parts, class_="skensemble"))


def scrollable(content: Markup, name: object) -> Markup:
    """Let what may be wider than the window scroll by itself, also by the keys of somebody without a mouse."""
    return element("div", content, class_="wide", tabindex=0, role="region", aria_label=name)


def page(title: str, *parts: object) -> str:
    """Make a whole page that needs nothing beside itself, and could not fetch it.

    Parameters
    ----------
    title : str
        Its title, and only heading of the first rank.
    *parts : object
        What stands below the title.

    Returns
    -------
    str
        The document.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_NOTHING_FROM_OUTSIDE),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("style", Markup(_PAGE_STYLE)),
    )
    skip = element("a", "Skip to the verdict", class_="skip", href="#main")
    main = element("main", element("h1", title), *parts, id="main", tabindex=-1)
    return "<!DOCTYPE html>\n" + element("html", head, element("body", skip, main), lang="en") + "\n"


_NOTHING_FROM_OUTSIDE = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
)

# Tables are measured in whole pixels: lines would hide behind the background of the next row.
_PAGE_STYLE = """
:root{--text:#1b1f24;--quiet:#57606a;--page:#fff;--box:#f4f6f8;--line:#c9d1d9;--link:#0550ae;--good:#116329;--bad:#a40e26}
@media screen and (prefers-color-scheme:dark){:root{--text:#e6edf3;--quiet:#a3adb8;--page:#0d1117;--box:#161b22;
--line:#3d444d;--link:#79b8ff;--good:#56d364;--bad:#ff8f88}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:1rem/1.55 system-ui,sans-serif;overflow-wrap:break-word}
main{max-width:62rem;margin:0 auto;padding:1.5rem 1rem 3rem}
main:focus{outline:none}
h1{font-size:1.7rem;line-height:1.25;margin:0 0 .3rem}
h2{font-size:1.3rem;margin:2.2rem 0 .6rem;padding-bottom:.2rem;border-bottom:1px solid var(--line)}
h3{font-size:1.05rem;margin:1.2rem 0 .2rem}
p,ul{margin:.3rem 0 .6rem;max-width:46rem}
ul{padding-left:1.3rem}
dt{font-weight:600}
dd{margin:0 0 .5rem;max-width:46rem}
a{color:var(--link)}
.quiet{color:var(--quiet)}
.skip{position:absolute;left:-99rem}
.skip:focus{left:1rem;top:.5rem;background:var(--page);padding:.4rem .8rem;outline:2px solid var(--link)}
.verdict{background:var(--box);border-left:.4rem solid var(--quiet);padding:.8rem 1rem;font-size:1.15rem;margin:1rem 0}
.verdict p{margin:0;max-width:none}
.verdict.good{border-color:var(--good)}
.verdict.bad{border-color:var(--bad)}
.wide{overflow-x:auto;margin:.6rem 0 1.2rem}
:focus-visible{outline:2px solid var(--link);outline-offset:2px}
table{border-collapse:separate;border-spacing:0;font-size:15px;line-height:21px;min-width:min(24rem,100%)}
caption{caption-side:top;text-align:left;font-weight:600;padding:.3rem 0}
caption span{display:inline-block;position:sticky;left:0;max-width:calc(100vw - 2rem)}
th,td{text-align:right;padding:4px 11px;border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums;
white-space:nowrap}
thead th{vertical-align:bottom;background:var(--box)}
th:first-child{padding-left:5px}
th[scope=row],th:first-child,.words{text-align:left}
th[scope=row]{font-weight:500;background:var(--page)}
th:first-child{position:sticky;left:0}
figure{margin:1rem 0 1.6rem}
figure img{display:block;max-width:100%;height:auto;background:#fff;border:1px solid var(--line)}
figcaption{font-weight:600;font-size:.92rem}
@media screen and (max-width:40rem){
figure img{min-width:36rem}
th[scope=row]{min-width:8rem;white-space:normal;overflow-wrap:anywhere}
}
@media print{
@page{margin:15mm}
:root{--text:#000;--quiet:#444;--page:#fff;--box:#f4f4f4;--line:#999;--link:#000}
body{font-size:10pt}
main{max-width:none;padding:0}
.skip{display:none}
.wide{overflow:visible}
table{font-size:11px;line-height:15px}
th,td{white-space:normal;padding:2px 6px}
th:first-child,caption span{position:static}
th[scope=row]{overflow-wrap:anywhere;min-width:7rem}
figure img{max-height:230mm;object-fit:contain;object-position:left}
thead{display:table-header-group}
tr,figure,.verdict,.wide{break-inside:avoid}
h1,h2,h3,caption{break-after:avoid}
}
"""

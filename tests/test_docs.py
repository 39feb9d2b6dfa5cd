"""The documentation: its examples run, its links lead somewhere, every page is found, every public name is explained.

Pages are found here, not listed. What sphinx writes itself (``gallery``, ``api/generated``) is judged by what it is
written from.
"""

import doctest
import importlib
import re
from pathlib import Path

import pytest
from test_docstrings import public_modules

import skensemble

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
WRITTEN_BY_SPHINX = (DOCS / "_build", DOCS / "gallery", DOCS / "api" / "generated")
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def sources(pattern):
    return [
        path
        for path in sorted(DOCS.rglob(pattern))
        if not any(path.is_relative_to(folder) for folder in WRITTEN_BY_SPHINX)
    ]


PAGES = [ROOT / "README.md", *sources("*.md")]
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def read(path):
    return path.read_text(encoding="utf-8")


# Examples


@every_page
def test_every_example_prints_what_the_page_shows(page):
    text = re.sub(r"^```\w*$", "", read(page), flags=re.MULTILINE)
    examples = doctest.DocTestParser().get_doctest(text, {}, page.name, str(page), 0)
    report: list[str] = []
    result = doctest.DocTestRunner(optionflags=OPTIONS).run(examples, out=report.append)
    assert result.failed == 0, "".join(report)


@every_page
def test_every_block_of_python_is_an_example(page):
    """Or begins with the name of a recipe, for test_recipes; what needs a cluster, and is not run, is marked ``py``."""
    blocks = re.findall(r"^```python\n(.*?)^```$", read(page), flags=re.MULTILINE | re.DOTALL)
    assert [block for block in blocks if not block.startswith((">>> ", "# "))] == []


# Links


def prose(page):
    """A page without its blocks of code, but with what stands in directives such as the glossary."""

    def block(found):
        return found[2] if found[1].startswith("{") else ""

    return re.sub(r"^```(.*?)\n(.*?)^```$", block, read(page), flags=re.MULTILINE | re.DOTALL)


def links(page):
    return re.findall(r"\]\(([^)\s]+)", re.sub(r"`[^`\n]*`", "", prose(page)))


def anchors(page):
    """The anchors of the headings of a page, as GitHub and MyST make them."""
    titles = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def source_of(target):
    """What a page of the gallery is written from; any other page is its own source."""
    gallery = DOCS / "gallery"
    if not target.is_relative_to(gallery):
        return target
    example = DOCS / "examples" / target.relative_to(gallery)
    header = next(iter(sorted(example.parent.glob("GALLERY_HEADER.*"))), example)
    return header if target.name == "index.rst" else example.with_suffix(".py")


@every_page
def test_links_lead_somewhere(page):
    lost = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = source_of((page.parent / path).resolve()) if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert lost == []


@every_page
def test_links_to_elsewhere_are_well_formed(page):
    elsewhere = [link for link in links(page) if "://" in link]
    assert [link for link in elsewhere if not re.fullmatch(r"https://[\w.-]+\.\w+(/\S*)?", link)] == []


# Every page is found


def toctrees(page):
    """The entries of the toctrees of a page, in Markdown or reStructuredText."""
    text = read(page)
    blocks = re.findall(r"^```\{toctree\}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    blocks += re.findall(r"^\.\. toctree::\n((?:[ \t]+\S.*\n|[ \t]*\n)*)", text + "\n", flags=re.MULTILINE)
    entries = [line.strip() for block in blocks for line in block.splitlines()]
    return [entry for entry in entries if entry and not entry.startswith(":")]


def page_at(place):
    """The file behind an entry of a toctree; None for the pages of the gallery, which sphinx writes."""
    if place.is_relative_to(DOCS / "gallery"):
        return None
    found = [path for suffix in (".md", ".rst") if (path := place.with_name(place.name + suffix)).exists()]
    assert found, f"there is no page for {place.relative_to(DOCS)}"
    return found[0]


def test_every_page_is_reachable_from_the_first():
    reached, waiting = set(), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            waiting += filter(None, (page_at((page.parent / entry).resolve()) for entry in toctrees(page)))
    headers = set(DOCS.rglob("GALLERY_HEADER.*"))
    templates = set((DOCS / "_templates").rglob("*"))
    assert {*sources("*.md"), *sources("*.rst")} - reached - headers - templates == set()


def test_the_citation_names_the_version():
    assert f"version = {{{skensemble.__version__}}}" in read(DOCS / "citation.md")


# The API reference


def listed():
    """(module, name) of every entry of the API pages."""
    found = []
    for page in sources("api/*.rst"):
        module = ""
        for line in read(page).splitlines():
            module = line.split()[-1] if line.startswith((".. currentmodule::", ".. automodule::")) else module
            entry = re.fullmatch(r"   (\w+)|\.\. data:: (\w+)", line)
            if entry and module:
                found.append((module, entry[1] or entry[2]))
    return found


def thing(module, name):
    return getattr(importlib.import_module(module), name)


def test_the_api_reference_lists_every_public_name_once():
    entries = listed()
    assert len(set(entries)) == len(entries)
    explained = {id(thing(*entry)) for entry in entries}
    missing = [
        f"{module}.{name}"
        for module in public_modules()
        for name in importlib.import_module(module).__all__
        if id(thing(module, name)) not in explained and module != "skensemble.__main__"
    ]
    assert missing == [], "add them to a page of docs/api"


def test_the_api_reference_lists_nothing_else():
    """And under the shortest path: what the package itself hands out stands under its name."""
    for module, name in listed():
        assert name in importlib.import_module(module).__all__, f"{module}.{name}"
        assert module == "skensemble" or name not in skensemble.__all__, f"{module}.{name}"

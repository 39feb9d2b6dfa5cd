"""Pages that GitHub shows as they are, made a little better: names in code type lead to the API reference."""

import re

from docutils import nodes
from sphinx.util.nodes import make_refnode

# Names that cannot be taken for a word or for a method of something else.
UNMISTAKABLE = re.compile(r"(?:[A-Z]\w*[a-z]\w*|[a-z]+_\w+)")
EXPLAINED = {"class", "exception", "function"}


def trim(app, docname, source):
    """Drop the empty line that ends the last output of a block of examples: doctest needs it, readers do not."""
    source[0] = re.sub(r"\n\n```$", "\n```", source[0], flags=re.MULTILINE)


def link_names(app, doctree, docname):
    """Let every public name, alone or as a call, lead to the page that explains it."""
    explained = {
        path.rpartition(".")[2]: entry
        for path, entry in app.env.domains["py"].objects.items()
        if entry.objtype in EXPLAINED and not entry.aliased
    }
    for code in list(doctree.findall(nodes.literal)):
        name = code.astext().partition("(")[0]
        entry = explained.get(name) if UNMISTAKABLE.fullmatch(name) else None
        if entry and entry.docname != docname and not isinstance(code.parent, nodes.reference | nodes.title):
            code.replace_self(make_refnode(app.builder, docname, entry.docname, entry.node_id, code.deepcopy(), name))


def setup(app):
    """Look at every page as it is read, and again once all names are known."""
    app.connect("source-read", trim)
    app.connect("doctree-resolved", link_names)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""What the API pages show of a class, and where the names in docstrings lead."""

import importlib
import inspect
import re

from sphinx.util import logging

# Whose method is meant where a docstring of another class names one that several have.
ESTIMATOR = "skensemble.RegimeAwareEnsembleRegressor"


def own_members(module, name):
    """Return (kind, name) of the public methods and properties of a class that this package wrote, its own first."""
    found = {}
    for parent in getattr(importlib.import_module(module), name).__mro__:
        for member, value in vars(parent).items():
            kind = "property" if isinstance(value, property) else "method"
            described = kind == "property" or isinstance(value, (classmethod, staticmethod)) or inspect.isroutine(value)
            made_by_sklearn = member.startswith("set_") and member.endswith("_request")
            ours = parent.__module__.startswith("skensemble") and not member.startswith("_")
            if described and ours and not made_by_sklearn:
                found.setdefault(member, kind)
    return [(kind, member) for member, kind in found.items()]


def lend(app):
    """Give the templates the function, while they need it."""
    app.config.autosummary_context["own_members"] = own_members


def take_back(app):
    """Take it away again: a function among the settings would make sphinx forget what it has read."""
    del app.config.autosummary_context["own_members"]


def lead(app, env, node, contnode):
    """Find what a docstring names by its last name alone, as readers do, or by ``Class.attribute``."""
    if node.get("refdomain") != "py":
        return None
    target = node["reftarget"]
    names = [name for name, entry in env.domains["py"].objects.items() if not entry.aliased]
    found = [name for name in names if name.endswith(f".{target}")]
    known = [name for name in found if name.startswith(f"{ESTIMATOR}.")] or found
    if not known:
        owner, _, attribute = target.rpartition(".")
        known = [name for name in names if owner and name.endswith(f".{owner}") and _documents(name, attribute)]
    if len(known) > 1:
        logging.getLogger(__name__).warning("%s may be any of %s", target, ", ".join(known), location=node)
    return (
        env.domains["py"].resolve_xref(env, node["refdoc"], app.builder, "obj", known[0], node, contnode)
        if known
        else None
    )


def _documents(path, attribute):
    module, _, name = path.rpartition(".")
    return f"\n{attribute} : " in (inspect.getdoc(getattr(importlib.import_module(module), name)) or "")


def keep_initials(app, what, name, thing, options, lines):
    """Let an author's initial at the start of a line be one: docutils takes ``P. `` for the 16th item of a list."""
    lines[:] = [re.sub(r"^(\s*[A-Z])\. (?=\w)", r"\1\\. ", line) for line in lines]


def setup(app):
    """Tell sphinx; autosummary writes its pages at the usual priority, 500."""
    app.connect("builder-inited", lend, priority=400)
    app.connect("builder-inited", take_back, priority=600)
    app.connect("missing-reference", lead)
    app.connect("autodoc-process-docstring", keep_initials, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

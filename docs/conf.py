"""How sphinx builds these pages; the command stands in contributing.md."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_extensions"))

import skensemble  # noqa: E402

project = "skensemble"
author = "The skensemble developers"
copyright = f"2026, {author}"  # noqa: A001
version = release = skensemble.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "offline",
    "api",
    "pages",
    "stale",
]
exclude_patterns = ["_build", "_templates", "examples"]
templates_path = ["_templates"]

# A name in single backticks is a link to what it names: a name that leads nowhere is a warning, hence an error.
default_role = "py:obj"
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"sklearn\..*")]

autodoc_typehints = "none"
autosummary_generate = True
autosummary_ignore_module_all = False
numpydoc_show_class_members = False
toc_object_entries_show_parents = "hide"

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "gallery",
    "subsection_order": [f"examples/{shelf}" for shelf in ("first_steps", "stages", "pitfalls")],
    "within_subsection_order": "FileNameSortKey",
    "backreferences_dir": "gallery/backreferences",
    "doc_module": ("skensemble",),
    "reference_url": {"skensemble": None},
    "download_all_examples": False,
    "show_signature": False,
    "show_memory": False,
    "min_reported_time": 1_000_000,
    "write_computation_times": False,
    "remove_config_comments": True,
    "abort_on_example_error": True,
    "ignore_repr_types": r"matplotlib\..*",
    "reset_modules": ("matplotlib", "strict.warnings_are_errors"),
    "reset_modules_order": "both",
}

html_theme = "pydata_sphinx_theme"
html_title = "skensemble"
html_static_path = ["_static"]
html_css_files = ["skensemble.css"]
# Pages at the root have nothing below them to list beside them.
html_sidebars = {"*": []}
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "header_links_before_dropdown": 7,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_toc_level": 2,
    "navigation_with_keys": False,
}

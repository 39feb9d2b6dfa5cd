"""Formulas as MathML, which every browser draws by itself: no script, no font and nothing from elsewhere."""

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util import logging


def mathml(formula, display, node):
    """Translate a formula; a command that the translation does not know would stand there as it is."""
    try:
        translated = convert(formula, display=display)
    except Exception:
        translated = "\\"
    if "\\" in translated:
        logging.getLogger(__name__).warning("no MathML can be made of %s", formula, location=node)
    return translated


def inline(writer, node):
    """Write a formula that stands in a line."""
    writer.body.append(mathml(node.astext(), "inline", node))
    raise nodes.SkipNode


def display(writer, node):
    """Write a formula that stands by itself, or several; a wide one scrolls, so that the page does not."""
    formulas = "".join(mathml(formula, "block", node) for formula in node.astext().strip().split("\n\n"))
    writer.body.append(f'<div class="formula">{formulas}</div>\n')
    raise nodes.SkipNode


def setup(app):
    """Tell sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""Formulas as MathML, which every browser draws by itself: no script, no font and nothing from elsewhere."""

from docutils import nodes
from latex2mathml.converter import convert


def inline(writer, node):
    """Write a formula that stands in a line."""
    writer.body.append(convert(node.astext()))
    raise nodes.SkipNode


def display(writer, node):
    """Write a formula that stands by itself, or several; a wide one scrolls, so that the page does not."""
    formulas = "".join(convert(formula, display="block") for formula in node.astext().split("\n\n"))
    writer.body.append(f'<div class="formula">{formulas}</div>\n')
    raise nodes.SkipNode


def setup(app):
    """Tell sphinx."""
    app.add_html_math_renderer("mathml", (inline, None), (display, None))
    app.config.html_math_renderer = "mathml"
    return {"parallel_read_safe": True, "parallel_write_safe": True}

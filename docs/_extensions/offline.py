"""The pages must work without a network: whatever a page loads lies beside it."""

import re
from pathlib import Path

from sphinx.util import logging

# Links are followed by readers; these are fetched by browsers, unasked.
LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\ssrc\s*=\s*["'](?:https?:)?//[^"']*"""
    r"""|<link\b[^>]*\shref\s*=\s*["'](?:https?:)?//[^"']*"""
    r"""|@import\s+(?:url\()?["']?(?:https?:)?//[^"')]*"""
    r"""|url\(\s*["']?(?:https?:)?//[^"')]*""",
    re.IGNORECASE,
)


def check(app, exception):
    """Warn of every page and style sheet that fetches something from elsewhere."""
    if exception is None and app.builder.format == "html":
        for path in sorted(Path(app.outdir).rglob("*")):
            if path.suffix in {".html", ".css"}:
                for found in LOADED.findall(path.read_text(encoding="utf-8")):
                    logging.getLogger(__name__).warning("%s loads something from elsewhere: %s", path.name, found)


def setup(app):
    """Look at the pages once they are written."""
    app.connect("build-finished", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

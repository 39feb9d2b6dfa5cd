"""Pages that sphinx wrote of what is gone since (an example renamed, a name removed) go, too."""

from pathlib import Path

from sphinx.ext.autosummary.generate import find_autosummary_in_files


def remove(app):
    """Remove the written pages that nothing stands behind any more."""
    source = Path(app.srcdir)
    for page in (source / "gallery").rglob("plot_*.rst"):
        if not (source / "examples" / page.relative_to(source / "gallery")).with_suffix(".py").exists():
            page.unlink()
    listed = {entry.name for entry in find_autosummary_in_files(list((source / "api").glob("*.rst")))}
    for page in (source / "api" / "generated").glob("*.rst"):
        if page.stem not in listed:
            page.unlink()


def setup(app):
    """Look before anything is read."""
    app.connect("builder-inited", remove)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

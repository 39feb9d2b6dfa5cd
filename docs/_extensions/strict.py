"""Warnings of an example are errors, as everywhere else; those of sphinx itself are sphinx's affair."""

import warnings

_OUTSIDE: list = []


def warnings_are_errors(gallery_conf, path, when):
    """Let an example run with warnings as errors; sphinx-gallery calls this before and after each."""
    if when == "before":
        _OUTSIDE.append(warnings.filters[:])
        warnings.simplefilter("error")
    elif _OUTSIDE:
        warnings.filters[:] = _OUTSIDE.pop()

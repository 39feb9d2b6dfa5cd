"""One page for the monthly review, written as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from skensemble._checks import shown
from skensemble._files import write_whole
from skensemble._review._evidence import Evidence, read_live, read_walk
from skensemble._review._page import written
from skensemble._review._verdict import answers, headline
from skensemble.evaluation import WalkForward
from skensemble.live import LiveEnsemble

__all__ = ["review"]


def review(
    result_or_live: WalkForward | LiveEnsemble, path: Any, *, title: str | None = None, rival: str | None = None
) -> Path:
    """Write a page that says what came of an ensemble, the verdict first and in plain words.

    Does it beat the single model and equal weights, and by more than chance explains? Which model carries which regime?
    What could be dropped? Does its confidence hold? Every sentence has its n and interval, and with fewer than 30 rows
    it says that these are too few. Then come the tables behind it and, with ``pip install "skensemble[plot]"``,
    pictures. The page is one file that needs nothing beside itself: it can be sent, kept, read on a phone, and printed.

    Parameters
    ----------
    result_or_live : WalkForward or LiveEnsemble
        What `walk_forward` returned, or a live process: then its predictions with a known outcome are judged.
    path : path
        The file, replaced as a whole or not at all.
    title : str, default=None
        Heading of the page. The default (``None``) names the ensemble.
    rival : str, default=None
        Which ensemble of a walk forward. The default (``None``) is the first, which was not chosen by its result; the
        others stand in the tables.

    Returns
    -------
    pathlib.Path
        The file. The same input gives the same bytes.

    Raises
    ------
    ValueError
        If there is no ensemble to judge, or nothing has been predicted.
    OSError
        If the file cannot be written; then what was there before stays.

    See Also
    --------
    WalkForward.report : The figures as a table.
    LiveEnsemble.health : How a process is doing now.

    Notes
    -----
    What could be dropped is an approximation: the weight of a model goes to the others as they were trusted on each
    row, and nothing is learned anew. It can go where the 95 % interval says that this would have cost less than 1 % of
    the loss.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skensemble import RegimeAwareEnsembleRegressor, review, walk_forward
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 2))
    >>> y = X[:, 0] + 0.1 * rng.normal(size=400)
    >>> ensemble = RegimeAwareEnsembleRegressor(["linear", "extra_trees"], combiner="dynamic", random_state=0)
    >>> walk = walk_forward({"ensemble": ensemble}, X, y, initial=200)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = review(walk, Path(folder) / "review.html").read_text(encoding="utf-8")
    >>> "Does it beat the single model and equal weights?" in page
    True
    """
    from skensemble._review._pictures import pictures_of  # noqa: PLC0415 - displays are loaded by those who draw

    where = Path(os.fsdecode(path))
    evidence = _read(result_or_live, rival)
    heading = f"Review of {evidence.name}" if title is None else str(title)
    content = written(heading, evidence, headline(evidence), answers(evidence), pictures_of(result_or_live, evidence))
    write_whole(where, content.encode("utf-8"))
    return where


def _read(given: Any, rival: str | None) -> Evidence:
    if isinstance(given, WalkForward):
        return read_walk(given, rival)
    if isinstance(given, LiveEnsemble):
        if rival is not None:
            raise ValueError(f"rival of review is for a walk forward, a journal has one ensemble; got {shown(rival)}.")
        return read_live(given)
    raise ValueError(f"review takes what walk_forward returned, or a LiveEnsemble; got {shown(given)}.")

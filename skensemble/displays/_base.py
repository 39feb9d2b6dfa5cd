"""Where displays of all judged rows come from: a walk forward or a live journal."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

from skensemble._judged import Judged, judged_by_live, judged_by_walk

__all__ = ["JudgedDisplay"]


class JudgedDisplay:
    """A display that is worked out from what was said of rows and what came true, wherever they were judged."""

    @classmethod
    def from_walk_forward(cls, walk: Any, *, rival: str | None = None) -> Self:
        """Take what an ensemble said of every judged row, and what came true.

        Parameters
        ----------
        walk : WalkForward
            What `walk_forward` returned.
        rival : str, default=None
            Which ensemble; the default (``None``) is the first.

        Returns
        -------
        display
            Not drawn yet.
        """
        return cls._of(judged_by_walk(walk, rival, cls.__name__))

    @classmethod
    def from_live(cls, live: Any) -> Self:
        """Take all predictions of a live process, by their times, and what has come true.

        Parameters
        ----------
        live : LiveEnsemble
            With at least one prediction.

        Returns
        -------
        display
            Not drawn yet.
        """
        return cls._of(judged_by_live(live, cls.__name__)[0])

    @classmethod
    @abstractmethod
    def _of(cls, judged: Judged) -> Self:
        """Work the display out."""

"""How far a fit has come, as a tree of tasks: for scikit-learn's callbacks, and as plain lines for who asks for them.

One rule: where nobody listens nothing is said, and whoever listens changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from time import time
from typing import Any

from sklearn.base import clone

from skensemble._checks import check_number
from skensemble._compat import callbacks_of, travelling_callbacks

__all__ = ["Progress", "check_verbose", "listened_to"]


@dataclass(frozen=True, eq=False)
class Progress:
    """One task of a fit, for those who listen.

    Parameters
    ----------
    context : CallbackContext, default=None
        The task as scikit-learn's callbacks know it; ``None`` where none of them listens.
    owner : estimator, default=None
        Whose fit it is.
    line : str, default=""
        What is printed of the task; nothing where nobody asked for lines.
    n_parts : int, default=0
        How many parts the task has.
    begun : float, default=0.0
        When the fit began, by the clock that worker processes share.
    """

    context: Any = None
    owner: Any = None
    line: str = ""
    n_parts: int = 0
    begun: float = 0.0

    def part(self, name: str, number: int, n_parts: int = 0) -> Progress:
        """Announce a part of the task; all parts are announced before the first of them runs."""
        context = self.context and self.context.subcontext(
            task_name=name, task_id=number, max_subtasks=n_parts, sequential_subtasks=False
        )
        words = f" {name}" if n_parts else f", {name} ({number + 1} of {self.n_parts})"
        return replace(self, context=context, line=self.line and self.line + words, n_parts=n_parts)

    @contextmanager
    def running(self, estimator: Any = None) -> Iterator[None]:
        """Say that the task begins and that it has ended; a fit of ``estimator`` inside it is part of the tree."""
        with self._heard(estimator):
            yield
        if self.line and not self.n_parts:
            # With its end in one piece: print would write that by itself, and another thread between the two.
            print(f"{self.line} after {time() - self.begun:.1f} s\n", end="", flush=True)  # noqa: T201 - asked for

    @contextmanager
    def _heard(self, estimator: Any) -> Iterator[None]:
        if self.context is None:
            yield
            return
        # Whoever brings a progress bar of its own cannot be part of another.
        handed_on = hasattr(estimator, "set_callbacks") and not travelling_callbacks(estimator)
        with self.context.propagate_callback_context(estimator) if handed_on else nullcontext():
            self.context.call_on_fit_task_begin(estimator=self.owner)
            yield
        self.context.call_on_fit_task_end(estimator=self.owner)


def listened_to(estimator: Any, n_parts: int, name: str) -> Progress:
    """Start the tree of an estimator's fit, which has so many parts; ``verbose`` asks for lines under a name."""
    whole = Progress(line=f"[{name}]" if estimator.verbose else "", n_parts=n_parts, begun=time())
    if not callbacks_of(estimator):
        return whole
    context = estimator._init_callback_context(max_subtasks=n_parts, sequential_subtasks=False)
    # Callbacks get the estimator as it was before the fit: what it learns is not theirs to wait for.
    return replace(whole, context=context, owner=clone(estimator))


def check_verbose(verbose: Any, owner: str) -> None:
    """Refuse what is neither a truth nor a number of at least 0."""
    if not isinstance(verbose, bool):
        check_number(verbose, "verbose", owner, low=0, integer=True)

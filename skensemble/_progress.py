"""How far a fit has come, as a tree of tasks for scikit-learn's callbacks; nothing at all where nobody listens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from sklearn.base import clone

from skensemble._compat import has_callbacks

__all__ = ["Progress", "listened_to"]


@dataclass(frozen=True, eq=False)
class Progress:
    """One task of a fit, for those who listen.

    Parameters
    ----------
    context : CallbackContext, default=None
        The task as scikit-learn's callbacks know it; ``None`` where nobody listens.
    owner : estimator, default=None
        Whose fit it is.
    """

    context: Any = None
    owner: Any = None

    def part(self, name: str, number: int, n_parts: int = 0) -> Progress:
        """Announce a part of the task; all parts are announced before the first of them runs."""
        if self.context is None:
            return self
        inside = self.context.subcontext(
            task_name=name, task_id=number, max_subtasks=n_parts, sequential_subtasks=False
        )
        return Progress(inside, self.owner)

    @contextmanager
    def running(self, estimator: Any = None) -> Iterator[None]:
        """Say that the task begins and that it has ended; a fit of ``estimator`` inside it is part of the tree."""
        if self.context is None:
            yield
            return
        handed_on = hasattr(estimator, "set_callbacks")
        with self.context.propagate_callback_context(estimator) if handed_on else nullcontext():
            self.context.call_on_fit_task_begin(estimator=self.owner)
            yield
        self.context.call_on_fit_task_end(estimator=self.owner)


def listened_to(estimator: Any, n_parts: int) -> Progress:
    """Start the tree of an estimator's fit, which has so many parts."""
    if not has_callbacks(estimator):
        return Progress()
    context = estimator._init_callback_context(max_subtasks=n_parts, sequential_subtasks=False)
    # Callbacks get the estimator as it was before the fit: what it learns is not theirs to wait for.
    return Progress(context, clone(estimator))

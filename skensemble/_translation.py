"""Loops as machine code, by numba, where somebody asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from typing import Any

import numpy as np

__all__ = ["largest", "total", "translated"]

# Reductions over the first axis: the shortest way in numpy, and names under which numba finds its own.
total, largest = np.add.reduce, np.maximum.reduce


def translated(function: Callable[..., Any], called: Sequence[Callable[..., Any]] = ()) -> Callable[..., Any]:
    """Translate a function of arrays into machine code, and keep the translation where a folder takes it.

    Parameters
    ----------
    function : callable
        In the part of Python and numpy that numba knows.
    called : sequence of callable, default=()
        Functions that it calls; wherever else they are called they run as they are.

    Returns
    -------
    callable
        The same function, fast. What it does to floats is what numpy does, in the same order; the last digit of
        exponentials and sums may differ. The first call ever takes seconds.

    Raises
    ------
    ImportError
        If numba is not installed.

    References
    ----------
    Lam, S. K., Pitrou, A. & Seibert, S. (2015). Numba: a LLVM-based Python JIT compiler. LLVM-HPC.
    """
    try:
        import numba  # noqa: PLC0415 - loaded where it is needed, and an extra
        import numba.extending  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(
            f"engine='numba' needs numba ({error}): pip install \"skensemble[fast]\", or use another engine."
        ) from error
    _teach(numba.extending)
    for each in called:
        numba.extending.register_jitable(each)
    if called:
        # numba looks for changes in the file of the function only, so what it calls becomes a part of its name.
        codes = [each.__code__ for each in called]
        mark = repr([(code.co_code, code.co_consts, code.co_names) for code in codes])
        function.__qualname__ += "_" + sha256(mark.encode()).hexdigest()[:8]
    options = {"nogil": True, "error_model": "numpy"}
    compiled: Callable[..., Any]
    try:
        compiled = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder takes the translation: every process makes its own
        compiled = numba.njit(**options)(function)
    return compiled


@cache
def _teach(extending: Any) -> None:
    """Give numba its own ways to the reductions."""
    in_rows = lambda values: values.sum(axis=0)  # noqa: E731 - numba compares signatures, annotations included
    in_all = lambda values: values.sum()  # noqa: E731
    extending.overload(total)(lambda values: in_all if values.ndim == 1 else in_rows)
    extending.overload(largest)(lambda values: lambda values: values.max())

"""What every test shares. The environment must be set before scipy and the OpenMP libraries are first imported."""

import os
import sys

import pytest

os.environ["SCIPY_ARRAY_API"] = "1"
# Two test processes on two cores: threads of their own would wait for each other, ten times as long as they work.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _no_figure_stays_open():
    """Matplotlib warns of the twenty-first figure that is open, whoever has drawn the others."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")

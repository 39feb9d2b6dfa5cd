"""A fitted ensemble and its journal in a live process.

One idea: whatever was acknowledged stands in one file, so that a process may die at any moment and go on. One rule:
nothing is learned that is not in the journal, and what is in the journal is learned from exactly once.
"""

from skensemble.live._files import TRUSTED_TYPES, load, save
from skensemble.live._journal import JournalError
from skensemble.live._live import LiveEnsemble
from skensemble.live._prediction import LivePrediction
from skensemble.live._reader import StaleWarning
from skensemble.live._views import Health
from skensemble.live._what_if import TakeoverRefusedError, WhatIf

__all__ = [
    "TRUSTED_TYPES",
    "Health",
    "JournalError",
    "LiveEnsemble",
    "LivePrediction",
    "StaleWarning",
    "TakeoverRefusedError",
    "WhatIf",
    "load",
    "save",
]

"""What would have happened, and whether anything looks ahead.

One idea: a figure is worth what was known when it was made. One rule: whatever is judged here answers from rows and
outcomes that were known at its time, and whoever is asked is never changed.
"""

from skensemble.evaluation._causality import check_causality
from skensemble.evaluation._comparison import Change, Difference, change_interval, difference_interval
from skensemble.evaluation._permutation import permutation_importance
from skensemble.evaluation._report import CausalityReport, Move
from skensemble.evaluation._result import WalkForward
from skensemble.evaluation._walk_forward import walk_forward

__all__ = [
    "CausalityReport",
    "Change",
    "Difference",
    "Move",
    "WalkForward",
    "change_interval",
    "check_causality",
    "difference_interval",
    "permutation_importance",
    "walk_forward",
]

"""Forward splitters: who may learn from which rows before being judged on which.

One idea: a label is known only some time after its row, so every row owns an interval of time that ends when its label
is known. One rule that everything here keeps: no interval of a training row touches one of a test row, and what a
model is judged on comes after what it learned from.
"""

from skensemble.splits._folds import make_folds
from skensemble.splits._forward import ForwardSplit
from skensemble.splits._intervals import answered_rows, looks_ahead, n_outcomes_known, purge
from skensemble.splits._times import check_time_order, earlier_moments, times_of

__all__ = [
    "ForwardSplit",
    "answered_rows",
    "check_time_order",
    "earlier_moments",
    "looks_ahead",
    "make_folds",
    "n_outcomes_known",
    "purge",
    "times_of",
]

"""How long the two ensembles take beside scikit-learn's own, with the same members on the same rows.

The rule: nothing is timed alone. Rivals take turns within a round and every ratio is of two times of the same round, so
that a machine that slows down slows both.
"""

from benchmarks.speed._contenders import table
from benchmarks.speed._report import main
from benchmarks.speed._rounds import in_turns

__all__ = ["in_turns", "main", "table"]

"""What would have happened: predictions row by row as they would have been made, and who was better by how much.

The rule that everything here keeps: what is said of a row is made of rows and outcomes that were known at its time.
"""

from skensemble.evaluation._comparison import Change, change_interval
from skensemble.evaluation._result import WalkForward
from skensemble.evaluation._walk_forward import walk_forward

__all__ = ["Change", "WalkForward", "change_interval", "walk_forward"]

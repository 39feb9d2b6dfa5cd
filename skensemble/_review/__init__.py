"""One page that says what came of an ensemble.

One idea: what is read first must be true by itself. One rule: every sentence is made of a figure with its n and its
interval, and says so where chance may explain it.
"""

from skensemble._review._review import review

__all__ = ["review"]

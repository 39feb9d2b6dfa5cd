"""How often intervals, sets and stated probabilities come true, and what that costs in width, beside their rivals.

The rule: all rivals see the same predictions, and of a row nothing but what was known before it; outcomes that take
days arrive days later. The first rows (a year of days) are for learning, and judged are the others.
"""

from benchmarks.coverage._report import main

__all__ = ["main"]

"""Evaluation: does what you have look ahead, before anything else is asked of it.

The one idea: a figure is worth what was known when it was made. The one rule: whatever is judged here answers from the
rows up to now, and whoever is asked is never changed.
"""

from skensemble.evaluation._causality import check_causality
from skensemble.evaluation._report import CausalityReport, Move

__all__ = ["CausalityReport", "Move", "check_causality"]

"""The honest record of who was right: every model and its plain rivals, per regime and pooled.

The one idea: what is known about a performer in a regime is a small record of sums, moments and extremes that can be
joined with the record of any later stretch of time. A few more outcomes are joined in the same way as a whole other
ledger, so constant memory, feedback row by row, merging and the recent window are one piece of arithmetic. The one
rule: a figure that its outcomes do not define is NaN, never 0, and every figure stands beside its number of outcomes.
"""

from skensemble.performance._figures import moment_profits, performance_figures
from skensemble.performance._intervals import (
    effective_number,
    mean_interval,
    rate_interval,
    sharpe_interval,
    trade_outcomes,
    wilson_interval,
)
from skensemble.performance._ledger import Ledger

__all__ = [
    "Ledger",
    "effective_number",
    "mean_interval",
    "moment_profits",
    "performance_figures",
    "rate_interval",
    "sharpe_interval",
    "trade_outcomes",
    "wilson_interval",
]

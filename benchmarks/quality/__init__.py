"""Does it pay? Every method on every scenario: predicted row by row, judged by what came true.

The rule: every method sees the same rows, is trained at the same moments, and hears of outcomes no sooner; scenarios
that defaults may be tuned on are apart from those that tell how it went.
"""

from benchmarks.quality._main import compare_main, list_main, plot_main, run_main

__all__ = ["compare_main", "list_main", "plot_main", "run_main"]

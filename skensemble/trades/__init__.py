"""What trades of single models teach about all of them.

The one idea: a trade of one model tells nothing about what the others would have earned on it, so it carries no regret
and no rule can learn from it. What it does tell, a little, is what its own model earns; weights from such trades are
the probability that a model is the best, given how much (and how little) is known of each. The one rule: what a user
hands over is checked as a whole before anything is learned from any of it, so that a bad trade moves nothing.
"""

from skensemble.trades._evidence import TradeEvidence
from skensemble.trades._reading import Trades, check_trades

__all__ = ["TradeEvidence", "Trades", "check_trades"]

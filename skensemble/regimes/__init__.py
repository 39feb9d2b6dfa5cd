"""Regimes: from labels or probabilities that somebody knows, or from X, to memberships.

A membership matrix ``(n_samples, n_regimes)`` is the one form in which regimes travel through the package. The rule
that all members keep: a row sums to 1, or is all zero where the regime is unknown or was never seen, and then the
pooled answer serves it.
"""

from skensemble.regimes._bins import QuantileRegimes
from skensemble.regimes._detection import (
    SingleRegime,
    detect,
    detect_forward,
    fit_detector,
    learn_regimes,
    matched_numbers,
)
from skensemble.regimes._history import remembered
from skensemble.regimes._jumps import JumpRegimes
from skensemble.regimes._markov import MarkovRegimes
from skensemble.regimes._memberships import (
    encode_memberships,
    joined_names,
    label_names,
    listed_memberships,
    regime_names,
)
from skensemble.regimes._ordered import OrderedRegimes
from skensemble.regimes._product import ProductRegimes
from skensemble.regimes._windows import TrendRegimes, VolatilityRegimes

__all__ = [
    "JumpRegimes",
    "MarkovRegimes",
    "OrderedRegimes",
    "ProductRegimes",
    "QuantileRegimes",
    "SingleRegime",
    "TrendRegimes",
    "VolatilityRegimes",
    "detect",
    "detect_forward",
    "encode_memberships",
    "fit_detector",
    "joined_names",
    "label_names",
    "learn_regimes",
    "listed_memberships",
    "matched_numbers",
    "regime_names",
    "remembered",
]

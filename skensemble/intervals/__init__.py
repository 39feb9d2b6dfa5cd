"""How sure a prediction is: intervals, sets and probabilities that come true as often as they say.

The one idea: how wrong the last predictions were says how wrong the next may be. A threshold that rises after every
miss and falls after every hit ends where misses are as frequent as they should be, whatever the stream does, and a
probability that is moved by every outcome ends where it comes true. The one rule: whatever is said of a row is said
before its outcome and judged as it was said, so that a row never tells anything about itself.
"""

from skensemble.intervals._calibration import ProbabilityCalibration
from skensemble.intervals._confidence import AdaptiveConfidence
from skensemble.intervals._intervals import AdaptiveIntervals, side_chances
from skensemble.intervals._sets import AdaptiveSets, within_margins
from skensemble.intervals._thresholds import check_coverage, read_coverages

__all__ = [
    "AdaptiveConfidence",
    "AdaptiveIntervals",
    "AdaptiveSets",
    "ProbabilityCalibration",
    "check_coverage",
    "read_coverages",
    "side_chances",
    "within_margins",
]

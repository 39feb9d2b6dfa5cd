"""Intervals around a prediction that hold the outcome as often as they say.

The one idea: how wrong the last predictions were, in units of a scale known before each of them, says how wrong the
next may be; a threshold that rises after every miss and falls after every hit ends where misses are as frequent as
they should be, whatever the stream does. The one rule: an interval is made before its outcome and judged as it was
made, so that a row never tells anything about itself.
"""

from skensemble.intervals._calibration import ProbabilityCalibration
from skensemble.intervals._confidence import AdaptiveConfidence
from skensemble.intervals._intervals import AdaptiveIntervals
from skensemble.intervals._sets import AdaptiveSets

__all__ = ["AdaptiveConfidence", "AdaptiveIntervals", "AdaptiveSets", "ProbabilityCalibration"]

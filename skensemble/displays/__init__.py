"""Pictures that answer what is asked at the monthly review, from whom was trusted to whether it paid.

The one idea: a display holds numbers. It is worked out by ``from_estimator``, ``from_walk_forward`` or ``from_live``,
drawn by ``plot``, and shows its numbers in ``frame``. The one rule: nothing is told by colour alone, and no figure
without its n. Drawing needs matplotlib (``pip install "skensemble[plot]"``); the numbers do not.
"""

from skensemble.displays._agreement import AgreementDisplay
from skensemble.displays._contribution import ContributionDisplay
from skensemble.displays._cumulative_loss import CumulativeLossDisplay
from skensemble.displays._regime_performance import RegimePerformanceDisplay
from skensemble.displays._regimes import RegimesDisplay
from skensemble.displays._reliability import ReliabilityDisplay
from skensemble.displays._weights import WeightsDisplay

__all__ = [
    "AgreementDisplay",
    "ContributionDisplay",
    "CumulativeLossDisplay",
    "RegimePerformanceDisplay",
    "RegimesDisplay",
    "ReliabilityDisplay",
    "WeightsDisplay",
]

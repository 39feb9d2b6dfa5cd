"""Data to learn on: one real market, and synthetic ones whose right answer is known.

One idea: everything comes as rows in time order with a regime beside each row. One rule that every member keeps: what
stands in a row of ``X`` and of ``regimes`` was known at the time of that row; only ``y`` looks forward.
"""

from skensemble.datasets._sp500 import MarketData, load_sp500, load_sp500_prices
from skensemble.datasets._synthetic import (
    PredictionStream,
    make_prediction_stream,
    make_regime_classification,
    make_regime_regression,
)

__all__ = [
    "MarketData",
    "PredictionStream",
    "load_sp500",
    "load_sp500_prices",
    "make_prediction_stream",
    "make_regime_classification",
    "make_regime_regression",
]

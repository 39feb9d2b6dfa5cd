"""Several models, one prediction: regime-aware ensembles that keep learning."""

from skensemble._checks import LookAheadWarning, ModelFailureWarning
from skensemble._classifier import RegimeAwareEnsembleClassifier
from skensemble._regressor import RegimeAwareEnsembleRegressor
from skensemble._review import review
from skensemble._scorer import make_regime_scorer
from skensemble.evaluation import check_causality, walk_forward
from skensemble.live import JournalError, LiveEnsemble, LivePrediction, StaleWarning

__all__ = [
    "JournalError",
    "LiveEnsemble",
    "LivePrediction",
    "LookAheadWarning",
    "ModelFailureWarning",
    "RegimeAwareEnsembleClassifier",
    "RegimeAwareEnsembleRegressor",
    "StaleWarning",
    "check_causality",
    "make_regime_scorer",
    "review",
    "walk_forward",
]

__version__ = "0.1.0"

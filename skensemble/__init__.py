"""Several models, one prediction: regime-aware ensembles that keep learning."""

from skensemble._classifier import RegimeAwareEnsembleClassifier
from skensemble._regressor import RegimeAwareEnsembleRegressor

__all__ = ["RegimeAwareEnsembleClassifier", "RegimeAwareEnsembleRegressor"]

__version__ = "0.1.0"

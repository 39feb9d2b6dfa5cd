"""What a fitted ensemble answers: predictions, what they are made of, and the record. Nothing here moves it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted

from skensemble._answers import answers
from skensemble._certainty import Certainty, probable
from skensemble._checks import check_choice
from skensemble._compat import take_rows
from skensemble._feedback import best_so_far, with_reliability, with_scores
from skensemble._inputs import check_same_times, checked_rows
from skensemble._parameters import EnsembleParameters
from skensemble._training import AsleepModel, OutOfFold
from skensemble.combiners import Combiner
from skensemble.compiled import CompiledEnsemble
from skensemble.explanation import Explanation, agreement, spread
from skensemble.intervals import AdaptiveConfidence, ProbabilityCalibration
from skensemble.models import ColumnsRead, few_as_in_fit, mean_importances
from skensemble.performance import Ledger
from skensemble.regimes import detect, encode_memberships

__all__ = ["FittedEnsemble"]

Array = NDArray[np.float64]

# So many rows keep all models at work, and what they say of them takes little memory.
BATCH_ROWS = 65_536

_MOMENTS = ("learned_until_", "trained_until_")


class FittedEnsemble(EnsembleParameters):
    """Predict, and say what predictions are made of and who was right until now."""

    classes_: NDArray[Any]
    n_features_in_: int
    estimators_: list[Any]
    regime_detector_: Any
    combiner_: Combiner
    calibration_: ProbabilityCalibration | None
    ledger_: Ledger
    learned_until_: Any
    trained_until_: Any
    model_names_: tuple[str, ...]
    regimes_: tuple[Hashable, ...]
    selected_models_: tuple[str, ...]
    out_of_fold_: OutOfFold
    group_ledger_: Ledger | None
    _moments: Array
    _group_moments: Array | None
    _sides: Array | None
    _kept_rows: Array | None
    _columns_read: list[ColumnsRead | None]
    _certainty: Certainty
    _reach: tuple[float, float]

    # Predictions, and what they are made of.

    def explain(self, X: Any, *, regimes: Any = None) -> Explanation:
        """Predict, and say what the predictions are made of.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.
        regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
            Regime of each row; the default (``None``) asks ``regime_detector``. A missing regime, or one that was never
            seen, is served by the pooled answer.

        Returns
        -------
        Explanation
            Predictions, weights, contributions, agreement and confidence; `Explanation.frame` lists them.
        """
        X = self._validated_rows(X)
        index = X.index if isinstance(X, pd.DataFrame) else pd.RangeIndex(X.shape[0])
        return self._explained(self._ask_models(X), self._memberships(X, regimes), X, index)

    def _explained(
        self, said: Array, memberships: Array, features: Any, index: pd.Index[Any], best: Array | None = None
    ) -> Explanation:
        """What predictions are made of, once the models have been asked; who is best the ledger knows, if not given."""
        # One combiner for all of it: another thread may put its successor in place meanwhile.
        combiner, calibration = self.combiner_, self.calibration_
        combined = self._merged(said, features, memberships, combiner, calibration)
        weights = combiner.weights(said, memberships)
        contributions = combiner.contributions(said, memberships, features=features)
        certainty = self._certainty
        statement = certainty.statement(combined, spread(said, weights, combined), memberships)
        return Explanation(
            prediction=self._decide(combined),
            combined=combined,
            models=self.model_names_,
            member_predictions=said,
            weights=weights,
            contributions=contributions,
            baseline=combined - contributions.sum(axis=1),
            best_so_far=best_so_far(self.ledger_, said) if best is None else best,
            regimes=self.regimes_,
            memberships=memberships,
            agreement=agreement(said, weights, combined),
            confidence=statement.confidence,
            nominal=statement.nominal,
            limits=statement.limits,
            coverages=certainty.bounds.coverages,
            classes=tuple(self.classes_.tolist()) if hasattr(self, "classes_") else None,
            index=index,
        )

    def compile(self, X_check: Any = None, *, engine: str | None = None) -> CompiledEnsemble:
        """Make the ensemble ready for one row at a time.

        The trees of all models are packed into one table, so that a row falls through all of them at once; then they
        are verified against the models themselves, also on rows that stand exactly on thresholds.

        Parameters
        ----------
        X_check : array-like of shape (n_samples, n_features), default=None
            Rows to verify on, of which 64 are taken. The default (``None``) are rows that `fit` has kept.
        engine : {"packed", "numba", "onnx"}, default=None
            What takes rows through the trees: numpy, or, with ``pip install "skensemble[fast]"``, a loop that numba
            translates when it is first asked for, or ONNX Runtime. The default (``None``) is ``"packed"``.

        Returns
        -------
        CompiledEnsemble
            With ``predict``, ``predict_proba``, ``explain``, and the weights of this ensemble at every moment.

        Raises
        ------
        ValueError
            If the compiled trees say anything else than the models, beyond a millionth of the largest prediction.
        """
        check_is_fitted(self, "combiner_")
        return CompiledEnsemble(self, X_check, engine=engine)

    def member_predictions(self, X: Any) -> pd.DataFrame:
        """Return what each model says.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        pandas.DataFrame of shape (n_samples, n_models) or (n_samples, n_models * n_classes)
            One column per model, or per model and class; NaN where a model is asleep.
        """
        X = self._validated_rows(X)
        said = self._ask_models(X)
        columns: Any = pd.Index(self.model_names_, name="model")
        if hasattr(self, "classes_"):
            columns = pd.MultiIndex.from_product([self.model_names_, self.classes_.tolist()], names=["model", "class"])
        index = X.index if isinstance(X, pd.DataFrame) else None
        return pd.DataFrame(said.reshape(len(said), -1), columns=columns, index=index)

    # What has been learned.

    @property
    def weights_(self) -> pd.DataFrame:
        """How far each model is trusted, pooled and in each regime.

        Returns
        -------
        pandas.DataFrame of shape (n_models, 1 + n_regimes)
            Columns ``"pooled"`` and the regimes; each sums to 1 over the models that predict.
        """
        check_is_fitted(self, "combiner_")
        columns = pd.Index(["pooled", *self.regimes_], dtype=object, name="regime", tupleize_cols=False)
        n_models, n_regimes = len(self.model_names_), len(self.regimes_)
        inside = np.vstack([np.zeros(n_regimes), np.eye(n_regimes)])
        asleep = [isinstance(model, AsleepModel) for model in self.estimators_]
        said = np.where(np.array(asleep)[None, :, None], np.nan, np.zeros((1 + n_regimes, n_models, 1)))
        weights = self.combiner_.weights(said, inside)
        return pd.DataFrame(weights.T, index=pd.Index(self.model_names_, name="model"), columns=columns)

    @property
    def feature_importances_(self) -> Array:
        """How much the models make of each column, by what they say themselves.

        Each model's importances (``feature_importances_``; of linear models the absolute coefficients times the spread
        of their columns) are brought to a sum of one, and averaged by how far the models are trusted now, pooled.
        Models that say nothing (networks, histogram boosting), or use products, principal components and whatever else
        a Pipeline makes of several columns at once, are left out. What counts is what was learned, on the rows that it
        was learned from: whether a column helps on rows not seen is what `skensemble.evaluation.permutation_importance`
        measures.

        Returns
        -------
        ndarray of shape (n_features,)
            At least 0, summing to 1; all zero where no model uses any column.

        Raises
        ------
        AttributeError
            If no model says what it makes of the columns.
        """
        check_is_fitted(self, "combiner_")
        found = mean_importances(self.estimators_, self.weights_["pooled"].to_numpy(), self._columns_read)
        if found is None:
            raise AttributeError(
                f"{type(self).__name__} has no feature_importances_: none of its models "
                f"({', '.join(self.model_names_)}) says what it makes of the columns. "
                f"skensemble.evaluation.permutation_importance measures it for any model."
            )
        return found

    @property
    def confidence_(self) -> AdaptiveConfidence:
        """How often predicted sides or classes were right.

        Returns
        -------
        AdaptiveConfidence
            The record; `AdaptiveConfidence.reliability` holds what was stated against what came true.
        """
        return self._known().right

    def _known(self) -> Certainty:
        check_is_fitted(self, "combiner_")
        return self._certainty

    def performance_report(self, by: str = "regime") -> pd.DataFrame:
        """Compare the models, the ensemble and its plain rivals on outcomes that they had not seen.

        The record starts with the out-of-fold rows of `fit` and goes on with every `partial_update`. The ensemble's
        figures are those of what it said, or would have said, before each outcome was known; "best so far" is the
        single model with the lowest loss until then, "equal weights" the plain mean, both of the models at work. What
        came back as ``predictions=`` is judged as it was said then, late as its outcome may be.

        Parameters
        ----------
        by : {"regime", "group"}, default="regime"
            What the outcomes are told apart by; groups have no recent window.

        Returns
        -------
        pandas.DataFrame
            The frame of `Ledger` with the column ``score``: R² of numbers (against the variance of all outcomes in the
            regime or group), accuracy of classes; higher is better. By regime, the ensemble's row of its lifetime also
            holds its mean stated ``confidence`` beside how often it was ``right``, with the interval, and their number
            ``n_confidence``; `confidence_` has them by what was stated.

        Raises
        ------
        ValueError
            If ``by`` is none of these, or there are no groups.
        """
        check_is_fitted(self, "combiner_")
        who = type(self).__name__
        check_choice(by, "by", f"performance_report of {who}", ("regime", "group"))
        ledger, moments = self.ledger_, self._moments
        if by == "group":
            if self.group_ledger_ is None or self._group_moments is None:
                raise ValueError(f"{who} knows no groups: pass groups= to fit or partial_update.")
            ledger, moments = self.group_ledger_, self._group_moments
        report = with_scores(ledger.frame(), None if hasattr(self, "classes_") else moments, ledger.regimes)
        if by == "group":
            return report[report["window"] == "lifetime"].rename(columns={"regime": "group"}).reset_index(drop=True)
        return with_reliability(report, self.confidence_.reliability(self.regimes_), ledger.overlap)

    # The steps of predict.

    @abstractmethod
    def _decide(self, combined: Array) -> NDArray[Any]:
        """What `predict` returns for combined outputs."""

    def _combined(self, X: Any, regimes: Any) -> Array:
        """The prediction; many rows come in batches, side by side, so that memory does not grow with them."""
        X = self._validated_rows(X)
        # One combiner for all of them: another thread may put its successor in place meanwhile.
        memberships, combiner, calibration = self._memberships(X, regimes), self.combiner_, self.calibration_
        if X.shape[0] <= BATCH_ROWS:
            return self._merged(self._ask_models(X), X, memberships, combiner, calibration)

        def merged(first: int) -> Array:
            rows = slice(first, first + BATCH_ROWS)
            batch = take_rows(X, rows)
            return self._merged(self._ask_models(batch, first=first), batch, memberships[rows], combiner, calibration)

        batches = range(0, X.shape[0], BATCH_ROWS)
        return np.concatenate(Parallel(n_jobs=self.n_jobs, prefer="threads")(delayed(merged)(at) for at in batches))

    def _merged(
        self,
        said: Array,
        X: Any,
        memberships: Array,
        combiner: Combiner,
        calibration: ProbabilityCalibration | None,
    ) -> Array:
        """The prediction, once the models have been asked."""
        combined = combiner.combine(said, memberships, features=X)
        return combined if calibration is None else calibration.calibrated(probable(combined))

    def _bounded(self, X: Any, regimes: Any) -> tuple[Array, Array, Array]:
        """What bounds are made of: the combined prediction, how far the models are apart, and memberships."""
        X = self._validated_rows(X)
        said, memberships = self._ask_models(X), self._memberships(X, regimes)
        combiner, calibration = self.combiner_, self.calibration_
        combined = self._merged(said, X, memberships, combiner, calibration)
        return combined, spread(said, combiner.weights(said, memberships), combined), memberships

    def _validated_rows(self, X: Any) -> Any:
        if hasattr(self, "combiner_") and few_as_in_fit(self, X) is not None:
            return X
        check_is_fitted(self, "combiner_")
        return checked_rows(self, X)

    def _memberships(self, X: Any, regimes: Any) -> Array:
        check_same_times(X, regimes, "regimes")
        found = detect(self.regime_detector_, X) if regimes is None else regimes
        return encode_memberships(found, self.regimes_, X.shape[0])

    def _ask_models(
        self, X: Any, known: Mapping[int, Array] | None = None, numbers: Array | None = None, first: int = 0
    ) -> Array:
        """What the models say ``(n_samples, n_models, n_outputs)``; see `answers`."""
        return answers(
            dict(zip(self.model_names_, self.estimators_, strict=True)),
            X,
            getattr(self, "classes_", None),
            self._reach,
            known=known or {},
            numbers=numbers,
            first=first,
            raises=self.on_error == "raise",
        )

    # Copies and pickles.

    def __copy__(self) -> Any:
        # Records are replaced and never changed, so this is the ensemble of this moment.
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        return copied

    def __getstate__(self) -> dict[str, Any]:
        # Text, for skops makes objects without calling them, which no Timestamp survives.
        state: dict[str, Any] = super().__getstate__()
        return state | {name: _written(state[name]) for name in _MOMENTS if name in state}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state | {name: _read_again(state[name]) for name in _MOMENTS if name in state})


def _written(moment: pd.Timestamp | None) -> str | None:
    """Write a time as text that any release of pandas reads: one in a time zone becomes that of UTC."""
    if moment is None:
        return None
    return str(moment if moment.tzinfo is None else moment.tz_convert("UTC"))


def _read_again(text: str | None) -> pd.Timestamp | None:
    return None if text is None else pd.Timestamp(text)

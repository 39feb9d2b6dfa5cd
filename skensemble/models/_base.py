"""What every named model does around its training: read the rows, train on numbers, answer in the user's terms."""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Callable
from itertools import pairwise
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_array
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from skensemble._checks import check_columns
from skensemble.models._columns import Categories, is_frame
from skensemble.models._rows import Rows, counted_rows, weighted_rows

__all__ = ["NamedClassifier", "NamedModel", "NamedRegressor", "documented", "in_slices"]

# With fewer rows per thread, starting a thread costs more than it saves.
ROWS_PER_THREAD = 2_000

Class = TypeVar("Class", bound=type)


def documented(**texts: str) -> Callable[[Class], Class]:
    """Fill the marks ``{name}`` in the docstring of a class with texts that it shares with its sibling.

    Parameters
    ----------
    **texts : str
        A text for each mark.

    Returns
    -------
    callable
        The decorator of the class.

    Examples
    --------
    >>> @documented(kind="small")
    ... class Model:
    ...     '''A {kind} model.'''
    >>> Model.__doc__
    'A small model.'
    """

    def fill(cls: Class) -> Class:
        doc = inspect.cleandoc(cls.__doc__ or "")
        for name, text in texts.items():
            doc = doc.replace("{" + name + "}", inspect.cleandoc(text))
        cls.__doc__ = doc
        return cls

    return fill


def in_slices(answer: Callable[[Any], NDArray], values: Any, n_jobs: int | None) -> NDArray:
    """Answer for slices of the rows in threads; each row gets the same answer for any number of them."""
    threads = min(effective_n_jobs(n_jobs), values.shape[0] // ROWS_PER_THREAD)
    if threads < 2:
        return answer(values)
    edges = np.linspace(0, values.shape[0], threads + 1).astype(int)
    slices = (values[first:last] for first, last in pairwise(edges))
    return np.concatenate(Parallel(n_jobs=threads, prefer="threads")(delayed(answer)(part) for part in slices))


class NamedModel(BaseEstimator):
    """The steps that all named models share; a model says how it trains on numbers and how it answers.

    Examples
    --------
    >>> from skensemble.models import LinearRegressor
    >>> isinstance(LinearRegressor(), NamedModel)
    True
    """

    # A class attribute, not set_fit_request: that needs routing switched on and ties the instance to itself.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"sample_weight": True}
    _reads_sparse = True
    model_: Any

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Learn from rows.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Numbers; NaN is a missing value. In a DataFrame, text, object and category columns are categories.
        y : array-like of shape (n_samples,)
            The targets.
        sample_weight : array-like of shape (n_samples,), default=None
            How much each row counts. Whole numbers are repetitions of a row; other weights matter only relative to
            their mean. A row of weight zero is a row left out.

        Returns
        -------
        self : estimator
            The fitted model.
        """
        categories = Categories.of(X)
        values, targets = validate_data(self, categories.encode(X) if is_frame(X) else X, y, **self._reading(y=True))
        if is_frame(X):
            check_columns(self, X, reset=True)
        rows = weighted_rows(values, targets, sample_weight, type(self).__name__)
        self.categories_ = categories
        self._learn(self._prepared(self._arranged(rows._replace(targets=self._numbers(rows.targets)))))
        return self

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self._reads_sparse
        tags.input_tags.allow_nan = True
        return tags

    def _reading(self, *, y: bool = False) -> dict[str, Any]:
        accepted = ["csr"] if self._reads_sparse else False
        return {"dtype": np.float64, "accept_sparse": accepted, "ensure_all_finite": "allow-nan"}

    def _values(self, X: Any) -> Any:
        """Return the numbers of rows to answer for, after checking that they have the columns of fit."""
        check_is_fitted(self)
        if is_frame(X):
            check_columns(self, X, reset=False)
            return check_array(self.categories_.encode(X), **self._reading())
        if self.categories_.values:
            raise ValueError(
                f"{type(self).__name__} learned categories in columns {sorted(self.categories_.values)}, so X must be "
                f"a DataFrame with the columns of fit; got {type(X).__name__}."
            )
        return validate_data(self, X, reset=False, **self._reading())

    def _transformed(self, values: Any) -> Any:
        """Return the numbers of rows as the model reads them."""
        return values

    def _arranged(self, rows: Rows) -> Rows:
        """Return the rows as often and in the order as they are learned."""
        return counted_rows(rows)

    def _prepared(self, rows: Rows) -> Rows:
        """Return the rows with their columns as they are learned."""
        return rows

    @abstractmethod
    def _numbers(self, targets: NDArray) -> NDArray:
        """Return the targets as numbers, or refuse targets that are not for this task."""

    @abstractmethod
    def _learn(self, rows: Rows) -> None:
        """Train on checked rows."""


class NamedRegressor(RegressorMixin, NamedModel):
    """A model for numbers; it learns the standardised target, so that the unit of the target changes nothing."""

    def predict(self, X: Any) -> NDArray:
        """Predict the target.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows with the columns of ``fit``.

        Returns
        -------
        predictions : ndarray of shape (n_samples,)
            One prediction per row.
        """
        return self.answers(self._values(X))

    def answers(self, values: Any) -> NDArray:
        """Predict without a check, for who has made them: one row is answered sooner than checked.

        Parameters
        ----------
        values : ndarray or CSR matrix of float of shape (n_samples, n_features)
            Rows with the columns of ``fit``, all numbers or NaN; a model that learned categories cannot read them.

        Returns
        -------
        predictions : ndarray of shape (n_samples,)
            One prediction per row.
        """
        if self.model_ is None:
            return np.full(values.shape[0], self.target_mean_)
        said = self._answer(self._transformed(values))
        return self.target_mean_ + self.target_scale_ * said.astype(np.float64, copy=False)

    def _reading(self, *, y: bool = False) -> dict[str, Any]:
        return super()._reading() | ({"y_numeric": True} if y else {})

    def _numbers(self, targets: NDArray) -> NDArray:
        return targets.astype(np.float64)

    def _learn(self, rows: Rows) -> None:
        targets = rows.targets
        self.target_mean_ = float(np.average(targets, weights=rows.weight))
        self.target_scale_ = float(np.sqrt(np.average((targets - self.target_mean_) ** 2, weights=rows.weight)))
        if self.target_scale_ <= 1e-12 * abs(self.target_mean_):
            self.model_ = None  # There is nothing to learn but the constant.
            return
        if not self._standardizes_target():
            self.target_mean_, self.target_scale_ = 0.0, 1.0
        self.model_ = self._train(rows._replace(targets=(targets - self.target_mean_) / self.target_scale_))

    def _standardizes_target(self) -> bool:
        return True

    @abstractmethod
    def _train(self, rows: Rows) -> Any:
        """Return what was learned from rows whose targets are numbers."""

    @abstractmethod
    def _answer(self, values: Any) -> NDArray:
        """Return one number per row, in the units of the targets that were learned."""


class NamedClassifier(ClassifierMixin, NamedModel):
    """A model for labels of any kind; it learns codes 0 to n_classes - 1 and answers in labels."""

    def predict(self, X: Any) -> NDArray:
        """Predict the most probable class.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows with the columns of ``fit``.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            One label per row.
        """
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X: Any) -> NDArray:
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Rows with the columns of ``fit``.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``; each row sums to one.
        """
        return self.answers(self._values(X))

    def answers(self, values: Any) -> NDArray:
        """Predict probabilities without a check, for who has made them: one row is answered sooner than checked.

        Parameters
        ----------
        values : ndarray or CSR matrix of float of shape (n_samples, n_features)
            Rows with the columns of ``fit``, all numbers or NaN; a model that learned categories cannot read them.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        if len(self.classes_) == 1:
            return np.ones((values.shape[0], 1))
        return self._probabilities(self._transformed(values))

    def _numbers(self, targets: NDArray) -> NDArray:
        check_classification_targets(targets)
        self.classes_, codes = np.unique(targets, return_inverse=True)
        return codes

    def _learn(self, rows: Rows) -> None:
        self.model_ = None if len(self.classes_) == 1 else self._train(rows, len(self.classes_))

    @abstractmethod
    def _train(self, rows: Rows, n_classes: int) -> Any:
        """Return what was learned from rows whose targets are codes of at least two classes."""

    @abstractmethod
    def _probabilities(self, values: Any) -> NDArray:
        """Return the probability of each class, shape (n_samples, n_classes)."""

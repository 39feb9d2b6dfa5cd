"""What is lost without a column: the same models asked about rows in which its values have changed places in time."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import is_classifier, is_regressor
from sklearn.utils import check_random_state
from sklearn.utils.parallel import Parallel, delayed

from skensemble._checks import check_number, check_part, shown
from skensemble._inputs import with_moved
from skensemble._members import seeded, weight_params
from skensemble._training import outputs
from skensemble.combiners import default_loss
from skensemble.evaluation._comparison import Change
from skensemble.evaluation._ensembles import ensemble_in, front_of
from skensemble.evaluation._parts import Part, change, parts_by_regime
from skensemble.evaluation._stream import Stream, checked_stream
from skensemble.losses import Loss
from skensemble.models import label_encoded, needs_label_encoding
from skensemble.splits import make_folds

__all__ = ["permutation_importance"]

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

_OWNER = "permutation_importance"
# Of fewer blocks every shuffle would be much like another.
_FEWEST_BLOCKS = 8


def permutation_importance(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    columns: Any = None,
    regimes: Any = None,
    sample_weight: Any = None,
    cv: Any = None,
    label_horizon: Any = None,
    loss: Loss | None = None,
    n_repeats: int = 5,
    block: int = 63,
    random_state: Any = None,
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """Measure how much worse a prediction gets where a column says what it said at other times.

    In every forward fold the estimator is trained on earlier rows and predicts the rows of the fold twice: as they are,
    and with the values of a column in other places. What a model has merely learned by heart does not count: it has
    seen none of these rows. Values move in whole blocks of time within the fold, so that the column still looks like
    itself (it trends and clusters as before) and no value comes from a time that the fold does not have. No block keeps
    its place, so that short folds show as much as long ones.

    Parameters
    ----------
    estimator : estimator
        An ensemble, a Pipeline that ends in one, or any regressor or classifier. It is not changed.
    X : array-like of shape (n_samples, n_features)
        Features, oldest row first. Where its index (or that of y) has times, rows of one time move together.
    y : array-like of shape (n_samples,)
        What came true.
    columns : sequence of columns, or dict of str to column or list of columns, default=None
        Which columns are judged, by name (by position in an array). A list in the dict moves as one: what one of two
        columns alike knows is not missed as long as the other is there. The default (``None``) is each by itself.
    regimes : array-like of shape (n_samples,) or (n_samples, n_regimes), default=None
        Regime of each row: handed to an ensemble without a ``regime_detector`` of its own, where they stay in their
        places, and what the result is told apart by. The default (``None``) leaves it to the detector, which sees the
        moved values; the result is told apart by what it says of the rows as they are.
    sample_weight : array-like of shape (n_samples,), default=None
        How much each row counts, in training and result.
    cv : int, splitter or iterable of (train, test), default=None
        The folds. The default (``None``) is five forward folds (`skensemble.splits.ForwardSplit`), an int that many.
    label_horizon : int, str or timedelta, default=None
        How long after its row an outcome is known: training rows whose outcome was not known before the fold are left
        out. The default (``None``) is that of the ensemble, otherwise 0.
    loss : Loss, default=None
        What an error costs. The default (``None``) is the squared error of numbers, and of classes the log loss, or the
        share of wrong ones where the estimator gives no probabilities.
    n_repeats : int, default=5
        How often each column is moved; the losses of a row are averaged over them.
    block : int, default=63
        Rows that stay together (timestamps, where rows share them), when they are moved and in the bootstrap of
        `change_interval`; at most an eighth of a fold.
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffles and of the models that have none of their own. All columns are moved in the same way, so
        that a row of the result does not depend on which others there are.
    n_jobs : int, default=None
        Folds at a time, as joblib takes it.

    Returns
    -------
    DataFrame
        One row for each column (or group of columns) and regime, ``"pooled"`` being all rows, with ``feature``,
        ``regime``, ``n`` (rows judged, by their weight and share of the regime), ``loss`` (mean, rows as they are),
        ``permuted_loss``, and ``change``, ``change_low``, ``change_high``: how much more the permuted loss is, as a
        part of the loss, with its 95 % interval, and ``verdict`` in words. An interval that holds 0: nobody can tell
        that the column is missed.

    Raises
    ------
    ValueError
        If the input is wrong, in words that say which and what to do.

    See Also
    --------
    skensemble.RegimeAwareEnsembleRegressor : Its ``feature_importances_`` are what the models say themselves.
    change_interval : How the intervals are made.

    Notes
    -----
    Cost: one fit for each fold, and 1 + columns × ``n_repeats`` predictions of the rows of each; 20 columns in five
    folds take five fits and predict every row 101 times. An ensemble keeps the weights of its fit over the fold.

    References
    ----------
    L. Breiman, Random forests, Machine Learning 2001.

    A. Fisher, C. Rudin and F. Dominici, All models are wrong, but many are useful: learning a variable's importance by
    studying an entire class of prediction models simultaneously, Journal of Machine Learning Research 2019.

    Examples
    --------
    The outcome follows the first column while the regime is "on", and nothing while it is "off":

    >>> from sklearn.dummy import DummyRegressor
    >>> from skensemble import RegimeAwareEnsembleRegressor
    >>> from skensemble.evaluation import permutation_importance
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(1200, 2)), columns=["signal", "noise"])
    >>> regimes = np.repeat(["on", "off"] * 30, 20)
    >>> y = np.where(regimes == "on", X["signal"], 0.0) + rng.normal(size=1200)
    >>> ensemble = RegimeAwareEnsembleRegressor(["linear", ("mean", DummyRegressor())])
    >>> found = permutation_importance(ensemble, X, y, regimes=regimes, random_state=0)
    >>> found.assign(change=found["change"].round(1) + 0.0)[["feature", "regime", "n", "change", "verdict"]]
      feature  regime       n  change                     verdict
    0  signal     off   500.0     0.0         not distinguishable
    1  signal      on   500.0     0.9  distinguishable: more loss
    2  signal  pooled  1000.0     0.5  distinguishable: more loss
    3   noise     off   500.0     0.0         not distinguishable
    4   noise      on   500.0     0.0         not distinguishable
    5   noise  pooled  1000.0     0.0         not distinguishable
    """
    _check_estimator(estimator)
    stream, times = checked_stream(X, y, regimes, sample_weight, owner=_OWNER)
    groups = _column_groups(columns, stream.X)
    check_part(loss, "loss", _OWNER, Loss, "SquaredLoss()")
    for name, number in {"n_repeats": n_repeats, "block": block}.items():
        check_number(number, name, _OWNER, low=1, integer=True)
    seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    horizon = getattr(ensemble_in(estimator), "label_horizon", 0) if label_horizon is None else label_horizon
    folds = make_folds(cv, stream.X, stream.y, owner=_OWNER, label_horizon=horizon)
    classes = np.unique(np.asarray(stream.y)) if is_classifier(estimator) else None
    n_samples = stream.X.shape[0]
    moments = np.arange(n_samples) if times is None else np.unique(times.asi8, return_inverse=True)[1]
    judged = Parallel(n_jobs=n_jobs, prefer="threads")(
        delayed(_judged)(
            estimator,
            stream,
            train,
            np.sort(test),
            moments,
            groups,
            classes,
            loss,
            n_repeats=n_repeats,
            block=block,
            seeds=(seed, number),
        )
        for number, (train, test) in enumerate(folds)
    )
    return _table(judged, list(groups), stream, moments, block)


class _Judged(NamedTuple):
    """What came of a fold.

    Attributes
    ----------
    rows : ndarray of shape (n_rows,)
        Rows of the fold.
    losses : ndarray of shape (n_rows, 1 + n_groups)
        Loss of the rows as they are, and with each group of columns moved.
    memberships : DataFrame of shape (n_rows, n_regimes)
        Regimes of the rows.
    """

    rows: Rows
    losses: Array
    memberships: pd.DataFrame


def _check_estimator(estimator: Any) -> None:
    learns = hasattr(estimator, "fit") and not isinstance(estimator, type)
    if not learns or not (is_classifier(estimator) or is_regressor(estimator)):
        raise ValueError(
            f"estimator of {_OWNER} must be a regressor or a classifier, with fit and predict; got {shown(estimator)}."
        )


def _column_groups(columns: Any, X: Any) -> dict[Hashable, list[int]]:
    """Positions of the columns that move together, by name."""
    if len(X.shape) != 2:
        raise ValueError(f"X of {_OWNER} must have rows and columns; got an array of shape {X.shape}.")
    names = list(X.columns) if hasattr(X, "columns") else list(range(X.shape[1]))
    if columns is None:
        return {name: [place] for place, name in enumerate(names)}
    usable = isinstance(columns, Iterable) and not isinstance(columns, str)
    if not usable or not list(columns) or not all(isinstance(name, Hashable) for name in columns):
        raise ValueError(
            f"columns of {_OWNER} must be a list of columns of X, or a dict of groups of them such as "
            f"{{'trend': [{names[0]!r}]}}; got {shown(columns)}."
        )
    given = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns}
    groups = {}
    for label, chosen in given.items():
        together = [chosen] if chosen in names or not isinstance(chosen, (list, tuple, set)) else list(chosen)
        unknown = [name for name in together if name not in names]
        if unknown or not together:
            what = f"which X does not have: {shown(unknown)}" if unknown else "but no column"
            raise ValueError(f"columns of {_OWNER} names {shown(chosen)}, {what}. The columns are {shown(names)}.")
        groups[label] = [names.index(name) for name in together]
    return groups


def _judged(
    estimator: Any,
    stream: Stream,
    train: Rows,
    test: Rows,
    moments: Rows,
    groups: Mapping[Hashable, list[int]],
    classes: NDArray[Any] | None,
    loss: Loss | None,
    *,
    n_repeats: int,
    block: int,
    seeds: tuple[int, int],
) -> _Judged:
    """Train on the past of a fold, and ask about its rows as they are and with columns moved."""
    ((_, model),) = seeded([("estimator", estimator)], seeds[0])
    front, ensemble = front_of(model), ensemble_in(model)
    handed = ensemble is not None and ensemble.regime_detector is None and stream.regimes is not None
    past, judged = stream.rows(train), stream.rows(test)
    if ensemble is None:
        model = label_encoded(model) if needs_label_encoding(model) else model
        model.fit(past.X, past.y, **({} if past.sample_weight is None else weight_params(model, past.sample_weight)))
    else:
        features = past.X if front is None else front.fit_transform(past.X, past.y)
        model = ensemble.fit(features, past.y, **past.given("sample_weight", *(("regimes",) if handed else ())))
    beside = {"regimes": judged.regimes} if handed else {}

    def read(X: Any) -> Any:
        return X if ensemble is None or front is None else front.transform(X)

    def losses(X: Any) -> Array:
        said = outputs(model, read(X), classes, **beside)
        return _losses(model, said, np.asarray(judged.y), classes, loss)

    if np.ptp(moments[test]) == 0:
        raise ValueError(
            f"Every fold of {_OWNER} must have rows of two times at least, or no value can change its place; got one "
            f"with the rows {shown(test.tolist())} only. Make the folds longer."
        )
    before = losses(judged.X)
    silent = np.flatnonzero(np.isnan(before))
    if len(silent):
        raise ValueError(
            f"The estimator of {_OWNER} has no finite prediction for row {test[silent[0]]}. Let it cope with such "
            f"rows, for example by a Pipeline with an imputer."
        )
    draws = np.random.default_rng(seeds)
    sources = [moved_rows(moments[test], block, draws) for _ in range(n_repeats)]
    after = [
        np.mean([losses(with_moved(judged.X, places, source)) for source in sources], axis=0)
        for places in groups.values()
    ]
    memberships = judged.regimes
    if memberships is None:
        memberships = pd.DataFrame(index=range(len(test)))
        if ensemble is not None:
            said = ensemble.explain(read(judged.X))
            memberships = pd.DataFrame(said.memberships, columns=pd.Index(list(said.regimes), dtype=object))
    return _Judged(test, np.column_stack([before, *after]), memberships)


def _losses(model: Any, said: Array, y: NDArray[Any], classes: NDArray[Any] | None, loss: Loss | None) -> Array:
    """What was said of each row costs so much."""
    if classes is None:
        chosen = default_loss(1) if loss is None else loss
        return chosen(y.astype(float)[:, None], said[:, None])[:, 0]
    targets = np.eye(len(classes))[np.searchsorted(classes, y)]
    if loss is None and not hasattr(model, "predict_proba"):
        return np.where(np.isnan(said).any(axis=1), np.nan, said.argmax(axis=1) != targets.argmax(axis=1))
    chosen = default_loss(len(classes)) if loss is None else loss
    return chosen(targets, said[:, None])[:, 0]


def moved_rows(moments: Rows, block: int, draws: np.random.Generator) -> Rows:
    """Draw the row that each row takes its values from: blocks of time change places, and none keeps its own.

    Parameters
    ----------
    moments : ndarray of int of shape (n_rows,)
        Number of the moment of each row, not decreasing; two moments at least, or all stays as it is.
    block : int
        Moments in a block, at most an eighth of them.
    draws : Generator
        Where chance comes from.

    Returns
    -------
    ndarray of int of shape (n_rows,)
        Positions. The rows of a moment take theirs from the rows of one moment, in their order.

    Examples
    --------
    >>> moved_rows(np.arange(8), 3, np.random.default_rng(0)).tolist()
    [5, 2, 0, 4, 1, 7, 3, 6]
    >>> moved_rows(np.repeat(np.arange(20), 2), 2, np.random.default_rng(0)).tolist()[:8]
    [28, 29, 18, 19, 20, 21, 22, 23]
    """
    first = np.flatnonzero(np.diff(moments, prepend=moments[0] - 1))
    counts = np.diff(first, append=len(moments))
    n_moments = len(first)
    size = max(min(block, n_moments // _FEWEST_BLOCKS), 1)
    # Where the first block begins is drawn, too, so that no edge is always an edge.
    rolled = np.roll(np.arange(n_moments), -int(draws.integers(n_moments)))
    pieces = [rolled[start : start + size] for start in range(0, n_moments, size)]
    # A round dance: each takes the place of the next, so none keeps its own (which would hide what a column knows).
    ring = draws.permutation(len(pieces))
    next_of = dict(zip(ring, np.roll(ring, 1), strict=True))
    taken = np.empty(n_moments, dtype=np.intp)
    taken[rolled] = np.concatenate([pieces[next_of[place]] for place in range(len(pieces))])
    of_row = np.repeat(taken, counts)
    rank = np.arange(len(moments)) - np.repeat(first, counts)
    return first[of_row] + rank % counts[of_row]


def _table(judged: list[_Judged], features: list[Hashable], stream: Stream, moments: Rows, block: int) -> pd.DataFrame:
    """Judge every feature, in each regime and pooled, over the rows of all folds in time order."""
    rows = np.concatenate([each.rows for each in judged])
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    losses = np.concatenate([each.losses for each in judged])[order]
    memberships = pd.concat([each.memberships for each in judged], ignore_index=True).fillna(0.0).iloc[order]
    weight = np.ones(len(rows)) if stream.sample_weight is None else stream.sample_weight[rows]
    weight = weight * ((weight > 0).sum() / max(weight.sum(), np.finfo(float).tiny))
    parts = parts_by_regime(memberships, weight)
    lines = [
        _line(feature, part, losses[:, [0, place]], moments[rows], block)
        for place, feature in enumerate(features, start=1)
        for part in parts
    ]
    return pd.DataFrame(lines)


def _line(feature: Hashable, part: Part, losses: Array, moments: Rows, block: int) -> dict[str, Any]:
    """What is lost without a feature in some of the rows; those without an answer once it has moved are left out."""
    heard = np.isfinite(losses[part.rows]).all(axis=1)
    weight = part.weight[heard]
    total = weight.sum()
    before, after = weight @ losses[part.rows][heard] / total if total > 0 else np.full(2, np.nan)
    found: Change = change(part, losses[:, 1], losses[:, 0], moments, block)
    return {
        "feature": feature,
        "regime": part.name,
        "n": total,
        "loss": before,
        "permuted_loss": after,
        "change": found.change,
        "change_low": found.low,
        "change_high": found.high,
        "verdict": found.verdict,
    }

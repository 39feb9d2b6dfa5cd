"""From what was said and what came true to the figures that the ledger counts."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skensemble._certainty import Certainty, Statement
from skensemble._checks import shown
from skensemble._compat import take_rows
from skensemble.combiners import awake_models, default_loss, equal_weights, weighted_mean
from skensemble.explanation import Explanation, laid_out, spread
from skensemble.performance import Ledger, effective_number, trade_outcomes, wilson_interval
from skensemble.regimes import joined_names, label_names, listed_memberships
from skensemble.splits import earlier_moments
from skensemble.trades import Trades

__all__ = [
    "Outcomes",
    "best_so_far",
    "certainty_after",
    "class_sides",
    "figures_after",
    "inferred_frequency",
    "inferred_overlap",
    "outcome_moments",
    "recorded",
    "recorded_trades",
    "said_earlier",
    "trade_credits",
    "with_reliability",
    "with_scores",
]

Array = NDArray[np.float64]
_YEAR = pd.Timedelta(days=365.25)


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What came true of some rows in time order, and what had been said of them.

    Parameters
    ----------
    said : ndarray of shape (n_samples, n_models, n_outputs) or None
        What the models said; NaN where asleep. ``None`` as long as they have not been asked.
    targets : ndarray of shape (n_samples, n_outputs)
        What came true.
    memberships : ndarray of shape (n_samples, n_regimes)
        Memberships as they were known at each row.
    counted : ndarray of shape (n_samples,)
        How much each row counts.
    times : DatetimeIndex or None
        Times of the rows.
    features : array-like of shape (n_samples, n_features) or None
        The rows themselves, where they are given.
    combined : ndarray of shape (n_samples, n_outputs) or None
        What the ensemble said, where that is given; it is worked out otherwise.
    weights : ndarray of shape (n_samples, n_models) or None
        The weights behind it.
    best : ndarray of shape (n_samples, n_outputs) or None
        What the best single model of that time said, where the time was earlier; it is found otherwise.
    returns : ndarray of shape (n_samples,) or None
        Returns of a long position.
    groups : ndarray of shape (n_samples,) or None
        Whose outcome each row is.
    limits, nominal, confidence : ndarray or None
        How sure the ensemble was when it said so, as in a `Statement`; ``None`` where that is to be worked out.
    known : ndarray of shape (n_samples,) or None
        How many of these rows had an outcome when each was predicted; ``None`` is all rows before.
    """

    said: Any
    targets: Array
    memberships: Array
    counted: Array
    times: pd.DatetimeIndex | None = None
    features: Any = None
    combined: Array | None = None
    weights: Array | None = None
    best: Array | None = None
    returns: Array | None = None
    groups: NDArray[Any] | None = None
    limits: Array | None = None
    nominal: Array | None = None
    confidence: Array | None = None
    known: NDArray[np.intp] | None = None

    @property
    def statement(self) -> Statement | None:
        """How sure the ensemble was when it said so."""
        if self.limits is None or self.nominal is None or self.confidence is None:
            return None
        return Statement(self.limits, self.nominal, self.confidence)

    def counting(self) -> Outcomes:
        """Leave out the rows of weight zero.

        Returns
        -------
        Outcomes
            Itself where there are none.
        """
        return self.those(self.counted > 0)

    def followed_by(self, later: Sequence[Outcomes]) -> Outcomes:
        """Put more outcomes of the same kind below.

        Parameters
        ----------
        later : sequence of Outcomes
            In time order, with the same fields.

        Returns
        -------
        Outcomes
            Of all rows, without features; each knows those of earlier times.
        """
        values: dict[str, Any] = {}
        for field in fields(self):
            parts = [getattr(each, field.name) for each in (self, *later)]
            if field.name == "times" and self.times is not None:
                values["times"] = self.times.append(parts[1:])
            elif field.name not in ("known", "features") and parts[0] is not None:
                values[field.name] = np.concatenate(parts)
        return Outcomes(**values, known=earlier_moments(values.get("times")))

    def those(self, chosen: NDArray[np.bool_]) -> Outcomes:
        """Take some of the rows.

        Parameters
        ----------
        chosen : ndarray of bool of shape (n_samples,)
            Which.

        Returns
        -------
        Outcomes
            Itself where that is all of them.
        """
        if chosen.all():
            return self
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        rows = np.flatnonzero(chosen)
        taken = {key: take_rows(value, rows) for key, value in values.items() if value is not None}
        if self.known is not None:
            taken["known"] = np.concatenate([[0], np.cumsum(chosen)])[self.known[rows]]
        return replace(self, **taken)

    def __len__(self) -> int:
        return len(self.targets)


def certainty_after(
    certainty: Certainty,
    news: Outcomes,
    combined: Array,
    weights: Array,
    known: NDArray[np.bool_] | None = None,
) -> Certainty:
    """Learn from more outcomes how sure the ensemble may be.

    Parameters
    ----------
    certainty : Certainty
        What was known so far.
    news : Outcomes
        What came true, of rows of positive weight.
    combined : ndarray of shape (n_samples, n_outputs)
        What the ensemble had said.
    weights : ndarray of shape (n_samples, n_models)
        The weights behind it.
    known : ndarray of shape (n_samples,), default=None
        Rows that are on record already and are news to some models only.

    Returns
    -------
    Certainty
        A new one.
    """
    if known is not None:
        news, combined, weights = news.those(~known), combined[~known], weights[~known]
    return certainty.after(
        combined,
        spread(news.said, weights, combined),
        news.targets,
        news.memberships,
        news.counted,
        said=news.statement,
        known=news.known,
    )


def figures_after(
    figures: Mapping[str, Any],
    news: Outcomes,
    combined: Array,
    weights: Array,
    *,
    sides: Array | None,
    known: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Count more outcomes in everything that an ensemble counts by.

    Parameters
    ----------
    figures : mapping of str to object
        What was counted so far: ``ledger_`` and ``_moments``, and the same by group; other entries are not looked at.
    news : Outcomes
        What came true, of rows of positive weight.
    combined : ndarray of shape (n_samples, n_outputs)
        What the ensemble had said.
    weights : ndarray of shape (n_samples, n_models)
        The weights behind it.
    sides : ndarray of shape (n_classes,) or None
        Side that each class stands for.
    known : ndarray of shape (n_samples,), default=None
        Rows that are on record already and are news to some models only.

    Returns
    -------
    dict of str to object
        The same entries anew.
    """
    best = _best_until_then(figures["ledger_"], news) if news.best is None else news.best

    def after(ledger: Ledger, inside: NDArray[Any]) -> Ledger:
        return recorded(ledger, news, combined, weights, best, inside, sides=sides, known=known)

    new = slice(None) if known is None else ~known

    def moments_after(moments: Array | None, inside: NDArray[Any], ledger: Ledger) -> Array:
        return outcome_moments(moments, news.targets[new], inside[new], news.counted[new], len(ledger.regimes))

    found = {
        "ledger_": after(figures["ledger_"], news.memberships),
        "group_ledger_": figures["group_ledger_"],
        "_moments": moments_after(figures["_moments"], news.memberships, figures["ledger_"]),
        "_group_moments": figures["_group_moments"],
    }
    if news.groups is not None:
        by_group = _with_groups(found["group_ledger_"], figures["ledger_"], news.groups)
        place = {name: position for position, name in enumerate(by_group.regimes)}
        inside = np.array([place[group] for group in news.groups.tolist()], dtype=np.intp)
        found["group_ledger_"] = after(by_group, inside)
        found["_group_moments"] = moments_after(found["_group_moments"], inside, by_group)
    return found


def best_so_far(ledger: Ledger, said: Array) -> Array:
    """What the model says, of those awake, that has the lowest loss in the record as it stands.

    Parameters
    ----------
    ledger : Ledger
        The record.
    said : ndarray of shape (n_samples, n_models, n_outputs)
        What the models say; NaN where asleep.

    Returns
    -------
    ndarray of shape (n_samples, n_outputs)
        NaN where all are asleep.
    """
    losses = ledger.past_losses
    if np.isfinite(said).all():
        return said[:, losses.argmin()]
    leaders = np.where(awake_models(said), losses, np.inf).argmin(axis=1)
    return said[np.arange(len(said)), leaders]


def _best_until_then(ledger: Ledger, news: Outcomes) -> Array:
    """What the model said that had the lowest loss before each row."""
    losses = default_loss(news.targets.shape[1])(news.targets, news.said)
    leaders = ledger.leaders(losses, sample_weight=news.counted, known=news.known)
    return news.said[np.arange(len(news)), leaders]


def _with_groups(by_group: Ledger | None, ledger: Ledger, groups: NDArray[Any]) -> Ledger:
    """The ledger of groups with room for these; a group keeps no recent window, of which there may be too many."""
    if by_group is None:
        by_group = Ledger(
            ledger.models, (), lookback=1, periods_per_year=ledger.periods_per_year, overlap=ledger.overlap
        )
    names = joined_names(by_group.regimes, label_names(groups, "groups"))
    return by_group if names == by_group.regimes else by_group.reindexed(ledger.models, names)


def recorded(
    ledger: Ledger,
    news: Outcomes,
    combined: Array,
    weights: Array,
    best: Array,
    memberships: NDArray[Any],
    *,
    sides: Array | None = None,
    known: NDArray[np.bool_] | None = None,
) -> Ledger:
    """Return the ledger with more rows: of every model, the ensemble, equal weights and the best model so far.

    Parameters
    ----------
    ledger : Ledger
        The record so far.
    news : Outcomes
        What the models said and what came true; without returns there are no trading figures.
    combined : ndarray of shape (n_samples, n_outputs)
        What the ensemble said.
    weights : ndarray of shape (n_samples, n_models)
        The weights behind it.
    best : ndarray of shape (n_samples, n_outputs)
        What the best model so far said.
    memberships : ndarray of shape (n_samples, n_regimes), or of int of shape (n_samples,)
        Memberships of the rows in the regimes of this ledger, or their positions.
    sides : ndarray of shape (n_classes,), default=None
        Side that each class stands for; ``None`` for numbers, whose sign is the side.
    known : ndarray of shape (n_samples,), default=None
        Rows that are on record already and are news to some models only: they do not count again for the ensemble and
        its rivals.

    Returns
    -------
    Ledger
        A new one.
    """
    said, targets, counted, returns = news.said, news.targets, news.counted, news.returns
    n_models = said.shape[1]
    awake = awake_models(said)
    loss = default_loss(targets.shape[1])
    equal = np.where(awake.any(axis=1, keepdims=True), weighted_mean(equal_weights(awake), said), np.nan)
    rivals = [combined, equal, best]
    everyone = np.concatenate([said, np.stack(rivals, axis=1)], axis=1)
    if known is not None:
        everyone[known, n_models:] = np.nan
    heard = awake_models(everyone)
    losses = loss(targets, everyone)
    wins: Array | None = None
    profits: Array | None = None
    if targets.shape[1] == 1:
        stance = np.where(heard, np.sign(everyone[:, :, 0]), np.nan)
        errors = said[:, :, 0] - targets
        if returns is not None:
            wins, profits = trade_outcomes(stance, returns)
    else:
        stance = np.where(heard, np.where(np.isfinite(everyone), everyone, -1.0).argmax(axis=2), np.nan)
        errors = losses[:, :n_models]
        wins = np.where(heard, stance == targets.argmax(axis=1)[:, None], np.nan)
        if returns is not None and sides is not None:
            taken = np.where(heard, sides[np.where(heard, stance, 0).astype(int)], np.nan)
            profits = trade_outcomes(taken, returns)[1]
    same = stance[:, :n_models] == stance[:, [n_models]]
    agreements = np.full(losses.shape, np.nan)
    agreements[:, :n_models] = np.where(awake & heard[:, [n_models]], same, np.nan)
    agreements[:, n_models] = np.where(heard[:, n_models], np.minimum((weights * same).sum(axis=1), 1.0), np.nan)
    return ledger.updated(
        memberships,
        losses=losses,
        wins=wins,
        profits_bps=profits,
        agreements=agreements,
        errors=errors,
        sample_weight=counted,
    )


def trade_credits(
    trades: Trades, n_models: int, explanation: Explanation | None, said: Array | None, sides: Array | None
) -> tuple[Array, Array]:
    """Profits and wins of the models by trade; a trade of the ensemble is credited to each by the side it took.

    Parameters
    ----------
    trades : Trades
        Checked trades.
    n_models : int
        Number of models.
    explanation : Explanation or None
        What was said before each trade; without it trades of the ensemble are nobody's in particular.
    said : ndarray of shape (n_trades, n_models, n_outputs) or None
        What the models of today had said in ``explanation``.
    sides : ndarray of shape (n_classes,) or None
        Side that each class stands for.

    Returns
    -------
    profits : ndarray of shape (n_trades, n_models)
        In basis points; NaN where there was no trade, its profit is not known, or the model took no side.
    wins : ndarray of shape (n_trades, n_models)
        1 where a model's side was right, 0 where it was wrong, NaN where it was neither.
    """
    profits, wins = np.full((2, len(trades), n_models), np.nan)
    own = np.flatnonzero(trades.models >= 0)
    profits[own, trades.models[own]] = trades.profits_bps[own]
    wins[own, trades.models[own]] = trades.won[own]
    if explanation is None or said is None:
        return profits, wins
    together = trades.models < 0
    awake = awake_models(said)
    if said.shape[2] == 1:
        taken, ensemble = np.sign(said[:, :, 0]), np.sign(explanation.combined)
        agreed = taken * ensemble
    else:
        taken = np.where(np.isfinite(said), said, -1.0).argmax(axis=2)
        ensemble = explanation.combined.argmax(axis=1)[:, None]
        opposite = -1.0 if said.shape[2] == 2 else 0.0
        agreed = np.where(taken == ensemble, 1.0, opposite) if sides is None else sides[taken] * sides[ensemble]
    agreed = np.where(together[:, None] & awake & (agreed != 0), agreed, np.nan)
    won = np.where(agreed > 0, trades.won[:, None], 1.0 - trades.won[:, None])
    rows = together[:, None]
    credited = agreed * trades.profits_bps[:, None]
    return np.where(rows, credited, profits), np.where(rows, np.where(np.isnan(agreed), np.nan, won), wins)


def recorded_trades(ledger: Ledger, trades: Trades, profits: Array, wins: Array, memberships: Array) -> Ledger:
    """Return the ledger with more trades.

    Parameters
    ----------
    ledger : Ledger
        The record so far.
    trades : Trades
        Checked trades.
    profits, wins : ndarray of shape (n_trades, n_models)
        From `trade_credits`.
    memberships : ndarray of shape (n_trades, n_regimes)
        Memberships of the trades.

    Returns
    -------
    Ledger
        A new one.
    """
    n_models = profits.shape[1]
    earned, won = np.full((2, len(trades), len(ledger.performers)), np.nan)
    earned[:, :n_models], won[:, :n_models] = profits, wins
    together = trades.models < 0
    earned[together, n_models], won[together, n_models] = trades.profits_bps[together], trades.won[together]
    return ledger.updated(memberships, wins=won, profits_bps=earned, sample_weight=trades.sample_weight)


def class_sides(targets: Array, returns: Array | None, counted: Array, overlap: float) -> Array | None:
    """Side that each class stands for: the sign of its mean return on the training rows, if that is not chance.

    Parameters
    ----------
    targets : ndarray of shape (n_samples, n_classes)
        Classes, one column each.
    returns : ndarray of shape (n_samples,) or None
        Returns; ``None`` tells nothing.
    counted : ndarray of shape (n_samples,)
        How much each row counts.
    overlap : float
        How many returns in a row share one stretch of time.

    Returns
    -------
    ndarray of shape (n_classes,) or None
        1 long, -1 short, 0 neither: a mean return within two standard errors of zero is no side.
    """
    if returns is None or targets.shape[1] == 1:
        return None
    share = counted[:, None] * targets
    n = np.maximum(share.sum(axis=0), np.finfo(float).tiny)
    mean = returns @ share / n
    independent = effective_number(n, (share**2).sum(axis=0)) / overlap
    error = np.sqrt(np.maximum(returns**2 @ share / n - mean**2, 0.0) / independent)
    return np.where(np.abs(mean) > 2.0 * error, np.sign(mean), 0.0)


def inferred_frequency(times: pd.DatetimeIndex | None) -> float | None:
    """Moments per year, told from the first and the last.

    Parameters
    ----------
    times : DatetimeIndex or None
        Times of the rows.

    Returns
    -------
    float or None
        Different times per year; ``None`` where there are fewer than 30 or no times at all.
    """
    if times is None or times.nunique() < 30:
        return None
    return float((times.nunique() - 1) / ((times[-1] - times[0]) / _YEAR))


def inferred_overlap(known: NDArray[np.intp], times: pd.DatetimeIndex | None) -> float:
    """How many moments in a row typically have outcomes that share one stretch of time.

    The outcome of a row overlaps with its own and with those that are not known yet when the row is seen.

    Parameters
    ----------
    known : ndarray of shape (n_samples,)
        How many rows, from the first on, had an outcome when each was seen.
    times : DatetimeIndex or None
        Times of the rows, in order; rows of one time are one moment.

    Returns
    -------
    float
        The median, at least 1: rows at the beginning, before which nothing is known yet, do not tell.
    """
    moment = np.arange(len(known)) if times is None else np.unique(times.asi8, return_inverse=True)[1]
    waiting = moment - moment[known] + 1
    told = known > 0
    return float(np.median(waiting[told] if told.any() else waiting))


def said_earlier(
    explanation: Explanation,
    models: Sequence[str],
    regimes: Sequence[Hashable],
    classes: Sequence[Hashable] | None,
    coverages: Sequence[float] = (),
) -> dict[str, Any]:
    """Bring what was said earlier, perhaps before the last retrain, into the order of models, regimes and classes now.

    Parameters
    ----------
    explanation : Explanation
        What was said.
    models : sequence of str
        Models now. One that was not there then was asleep; one that is gone leaves no trace.
    regimes : sequence of hashable
        Regimes now.
    classes : sequence of hashable or None
        Classes now.
    coverages : sequence of float, default=()
        Coverages that are tracked now; a statement of other ones is left out.

    Returns
    -------
    dict of str to object
        The fields of `Outcomes` that an explanation knows: ``said``, ``combined``, ``weights``, ``best``,
        ``memberships`` and, where there is one, the statement of how sure it was.

    Raises
    ------
    ValueError
        If ``explanation`` is no explanation, or one of another task or of other classes.
    """
    if not isinstance(explanation, Explanation):
        raise ValueError(f"predictions must be an Explanation as explain() returns it; got {shown(explanation)}.")
    if (classes is None) != (explanation.classes is None) or set(explanation.classes or ()) - set(classes or ()):
        raise ValueError(
            f"predictions is an explanation of the classes {shown(explanation.classes)}; this ensemble knows "
            f"{shown(None if classes is None else tuple(classes))}."
        )
    now = laid_out(explanation, models, regimes, classes)
    then: dict[str, Any] = {
        "said": now.member_predictions,
        "combined": now.combined,
        "weights": now.weights,
        "best": now.best_so_far,
        "memberships": now.memberships,
    }
    if now.coverages == tuple(coverages):
        then |= {name: getattr(now, name) for name in ("limits", "nominal", "confidence")}
    return then


def outcome_moments(
    moments: Array | None, targets: Array, memberships: NDArray[Any], counted: Array, n_regimes: int
) -> Array:
    """Sums of what came true, of ones, deviations and their squares, pooled and per regime; row by row.

    Parameters
    ----------
    moments : ndarray of shape (4, 1 + n_regimes) or None
        The sums so far: number, sum and sum of squares of the distance to the origin, and the origin. Regimes that came
        later are not in it yet.
    targets : ndarray of shape (n_samples, n_outputs)
        What came true; only numbers are summed.
    memberships : ndarray of shape (n_samples, n_regimes), or of int of shape (n_samples,)
        Memberships of the rows, or the positions of their regimes.
    counted : ndarray of shape (n_samples,)
        How much each row counts.
    n_regimes : int
        Number of regimes.

    Returns
    -------
    ndarray of shape (4, 1 + n_regimes)
        New sums.
    """
    rows, regimes, shares = listed_memberships(memberships)
    if moments is None:
        moments = np.zeros((4, 1))
        moments[3] = targets[0, 0] if len(targets) else 0.0
    new = np.zeros((4, 1 + n_regimes - moments.shape[1]))
    new[3] = moments[3, 0]
    moments = np.hstack([moments, new])
    everyone = np.zeros(len(counted), dtype=np.intp)
    place, part = np.concatenate([everyone, 1 + regimes]), np.concatenate([counted, shares * counted[rows]])
    distance = targets[:, 0] - moments[3, 0]
    distance = np.concatenate([distance, distance[rows]])
    with np.errstate(over="ignore", invalid="ignore"):
        for sums, each in zip(moments, (part, part * distance, part * distance**2), strict=False):
            # One row after the other, so that many at once give the bits of many calls.
            np.add.at(sums, place, each)
    return moments


def with_scores(frame: pd.DataFrame, moments: Array | None, regimes: Sequence[Hashable]) -> pd.DataFrame:
    """Add what scikit-learn calls a score: R² for numbers, accuracy for classes.

    Parameters
    ----------
    frame : pandas.DataFrame
        Of a `Ledger`.
    moments : ndarray of shape (4, 1 + n_regimes) or None
        From `outcome_moments`; ``None`` for classes.
    regimes : sequence of hashable
        Names of the regimes.

    Returns
    -------
    pandas.DataFrame
        With the column ``score`` behind ``loss``.
    """
    if moments is None:
        score = frame["win_rate"].to_numpy()
    else:
        n = np.where(moments[0] > 0, moments[0], 1.0)
        with np.errstate(over="ignore", invalid="ignore"):
            spreads = moments[2] / n - (moments[1] / n) ** 2
        variance = dict(zip(("pooled", *regimes), spreads, strict=True))
        of_regime = np.array([variance[regime] for regime in frame["regime"]])
        score = np.where(of_regime > 0, 1.0 - frame["loss"] / np.where(of_regime > 0, of_regime, 1.0), np.nan)
    frame.insert(list(frame.columns).index("loss") + 1, "score", score)
    return frame


def with_reliability(frame: pd.DataFrame, reliability: pd.DataFrame, overlap: float) -> pd.DataFrame:
    """Add how sure the ensemble was beside how often it was right.

    Parameters
    ----------
    frame : pandas.DataFrame
        Of a `Ledger`.
    reliability : pandas.DataFrame
        Of an `AdaptiveConfidence`.
    overlap : float
        How many outcomes in a row share one stretch of time.

    Returns
    -------
    pandas.DataFrame
        With the columns ``n_confidence``, ``confidence``, ``right``, ``right_low`` and ``right_high`` at the end, known
        in the ensemble's rows of its lifetime.
    """
    of_all = reliability.xs("all", level="stated")
    independent = of_all["n"] / overlap
    low, high = wilson_interval(of_all["right"] * independent, independent)
    own = (frame["performer"] == "ensemble") & (frame["window"] == "lifetime")
    columns = {
        "n_confidence": of_all["n"],
        "confidence": of_all["stated"],
        "right": of_all["right"],
        "right_low": low,
        "right_high": high,
    }
    for name, figures in columns.items():
        values = np.full(len(frame), np.nan)
        # Both list the regimes in one order, and the pooled row last.
        values[own] = figures
        frame[name] = values
    return frame

"""What a review judges by: rows in time order with what was said of them and what came true, numbers only.

One rule: whoever is compared is compared on the same rows, moment by moment, and every figure knows its n.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skensemble import losses
from skensemble._checks import shown
from skensemble._judged import BEST, EQUAL, Judged, judged_by_live, judged_by_walk, plain_rivals, same_losses
from skensemble._texts import label
from skensemble.combiners import awake_models, default_loss, over_awake, weighted_mean
from skensemble.evaluation import Change, WalkForward, change_interval, difference_interval
from skensemble.live import Health, LiveEnsemble
from skensemble.performance import moment_profits, performance_figures, rate_interval

__all__ = ["FEWEST", "Comparison", "Evidence", "Rate", "read_live", "read_walk"]

Array = NDArray[np.float64]

BEST_SO_FAR = "best single model so far"
NOTHING = "knowing nothing"

# Below so many rows nothing is said, as in `change_interval`.
FEWEST = 30


class Comparison(NamedTuple):
    """How the loss of one compares with another's on the rows that both spoke on.

    Parameters
    ----------
    n : float
        Rows, by weight.
    n_moments : int
        Moments they are of.
    ours, theirs : float
        Mean losses; NaN without rows.
    change : Change
        Ours relative to theirs.
    """

    n: float
    n_moments: int
    ours: float
    theirs: float
    change: Change


class Rate(NamedTuple):
    """How often something came true.

    Parameters
    ----------
    n : float
        Rows, by weight.
    n_moments : int
        Moments they are of.
    rate, low, high : float
        Share of them, with its 95 % interval.
    """

    n: float
    n_moments: int
    rate: float
    low: float
    high: float

    @property
    def is_known(self) -> bool:
        return min(self.n, self.n_moments) >= FEWEST


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of an ensemble, its models and its rivals on rows whose outcome is known.

    Parameters
    ----------
    judged : Judged
        The rows.
    weight : ndarray of shape (n_rows,)
        How much each row counts, 1 on average over those that do.
    rivals : dict of str to ndarray of shape (n_rows,)
        Losses of further contestants: the others of a walk forward.
    first_rival : str or None
        That one of them which a walk forward names first, where it is no ensemble.
    trading : dict of str to dict of str to float, or None
        What each contestant earned, by its figures as `WalkForward.report` calls them, and how much more the ensemble
        earned than it at each of ``n_moments`` (``ahead_bps``, with its interval); ``None`` without trades.
    health : Health or None
        How the process was doing, of a live ensemble.
    """

    judged: Judged
    weight: Array
    rivals: Mapping[str, Array]
    first_rival: str | None = None
    trading: Mapping[str, Mapping[str, float]] | None = None
    health: Health | None = None

    # Who is compared.

    @property
    def name(self) -> str:
        """What the ensemble is called in a sentence."""
        who = self.judged.who
        return f"the {who}" if who in ("ensemble", "live ensemble") else label(who)

    @property
    def moments(self) -> NDArray[np.intp]:
        """Number of the moment of each row."""
        return self.judged.moments

    @property
    def n(self) -> float:
        """Rows, by weight."""
        return float(self.weight.sum())

    @property
    def models(self) -> tuple[str, ...]:
        return self.judged.models

    @property
    def regimes(self) -> list[Any]:
        return list(self.judged.memberships.columns)

    @property
    def plain(self) -> Array:
        """Losses ``(n_rows, 3)`` of the ensemble, equal weights and the best single model so far."""
        assert self.judged.losses is not None
        return self.judged.losses.to_numpy(dtype=float)[:, -3:]

    @property
    def alone(self) -> Array | None:
        """Losses ``(n_rows, n_models)`` of the models; ``None`` where the loss is not known but by its name."""
        assert self.judged.losses is not None
        table = self.judged.losses.to_numpy(dtype=float)
        return table[:, :-3] if table.shape[1] > 3 else None

    @property
    def nothing(self) -> Array | None:
        """Losses of whoever says 0, or the same probability for every class; ``None`` where that is no rival."""
        loss, targets = self._loss(), self.judged.targets
        assert targets is not None
        if loss in (None, _wrong) or self.right() is None:
            return None
        assert loss is not None
        said = np.full(targets.shape, 0.0 if targets.shape[1] == 1 else 1.0 / targets.shape[1])
        return loss(targets, said[:, None, :])[:, 0]

    def contestants(self) -> dict[str, Array]:
        """Losses of all, the ensemble first."""
        own, equal, best = self.plain.T
        found = {self.judged.who: own}
        if self.first_rival is not None:
            found[self.first_rival] = self.rivals[self.first_rival]
        found |= {BEST_SO_FAR: best, EQUAL: equal}
        if self.nothing is not None:
            found[NOTHING] = self.nothing
        if self.alone is not None:
            found |= {f"{model} alone": losses for model, losses in zip(self.models, self.alone.T, strict=True)}
        return found | {name: losses for name, losses in self.rivals.items() if name not in found}

    # Where.

    def parts(self) -> dict[Any, Array]:
        """Weights of the rows in each regime, and of all of them, by name."""
        shares = self.judged.memberships.to_numpy(dtype=float)
        return {
            **{name: share * self.weight for name, share in zip(self.regimes, shares.T, strict=True)},
            None: self.weight,
        }

    # What is found.

    def compared(self, ours: Array, theirs: Array, weight: Array | None = None) -> Comparison:
        """Compare two on the rows that both spoke on."""
        weight = self.weight if weight is None else weight
        heard = np.isfinite(ours) & np.isfinite(theirs) & (weight > 0)
        if not heard.any():
            nothing = float("nan")
            return Comparison(0.0, 0, nothing, nothing, Change(nothing, nothing, nothing, "too few rows"))
        both = np.column_stack([ours, theirs])[heard] * weight[heard, None]
        moments = self.moments[heard]
        starts = np.flatnonzero(np.diff(moments, prepend=-1))
        one, other = np.add.reduceat(both, starts, axis=0).T
        n = float(weight[heard].sum())
        return Comparison(n, len(starts), one.sum() / n, other.sum() / n, change_interval(one, other))

    def mean_loss(self, of: Array, weight: Array) -> tuple[float, float]:
        """Mean loss and n."""
        heard = np.isfinite(of) & (weight > 0)
        n = float(weight[heard].sum())
        return (float(of[heard] @ weight[heard]) / n if n else float("nan")), n

    def behind(self, weight: Array) -> Array:
        """How much more loss each model alone had than the ensemble on the same rows, on average; NaN of too few."""
        if self.alone is None:
            return np.full(len(self.models), np.nan)
        more = self.alone - self.plain[:, [0]]
        heard = np.isfinite(more) * weight[:, None]
        n = heard.sum(axis=0)
        mean = np.where(heard > 0, more * heard, 0.0).sum(axis=0) / np.where(n > 0, n, 1.0)
        return np.where(n >= FEWEST, mean, np.nan)

    def mean_weights(self, weight: Array) -> Array:
        """Mean weights of the models on some of the rows."""
        total = weight.sum()
        return weight @ self.judged.weights / total if total else np.full(len(self.models), np.nan)

    def without(self, model: int) -> Array | None:
        """Losses of the ensemble without one of its models, as far as its record tells.

        The weight of the model is shared out among the others as they were trusted, equally where they were not at all,
        and the prediction moves by as much as their weighted mean does. For combiners that are a weighted mean that is
        what they would have said with these weights.
        """
        judged, loss = self.judged, self._loss()
        if loss is None or len(self.models) < 2:
            return None
        awake = awake_models(judged.said)
        others = awake & (np.arange(len(self.models)) != model)
        before, after = (weighted_mean(over_awake(judged.weights, part), judged.said) for part in (awake, others))
        moved = judged.combined + after - before
        if moved.shape[1] > 1:
            moved = np.clip(moved, 0.0, None)
            moved /= np.maximum(moved.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        moved = np.where(others.any(axis=1, keepdims=True), moved, np.nan)
        assert judged.targets is not None
        return loss(judged.targets, moved[:, None, :])[:, 0]

    def unanswered(self, losses: Array) -> float:
        """Share of the rows that the ensemble spoke on and another is silent on."""
        spoken = np.where(np.isfinite(self.plain[:, 0]), self.weight, 0.0)
        return float(spoken[~np.isfinite(losses)].sum() / spoken.sum()) if spoken.any() else 0.0

    @property
    def is_a_mean(self) -> bool:
        """Whether predictions are the weighted mean of what the models said."""
        judged = self.judged
        mean = weighted_mean(over_awake(judged.weights, awake_models(judged.said)), judged.said)
        return bool(np.allclose(mean, judged.combined, rtol=1e-6, atol=1e-9))

    def _loss(self) -> Callable[[Array, Array], Array] | None:
        """The loss that the losses are: the default one, or one of ours by its name; ``None`` for any other."""
        targets, combined = self.judged.targets, self.judged.combined
        assert targets is not None
        named = getattr(losses, self.judged.loss, None) if self.judged.loss in losses.__all__ else None
        candidates = [*([named()] if named not in (None, losses.Loss) else []), default_loss(targets.shape[1]), _wrong]
        for loss in candidates:
            if same_losses(loss(targets, combined[:, None, :])[:, 0], self.plain[:, 0]):
                return loss
        return None

    def held(self, coverage: float, weight: Array) -> Rate:
        """How often the outcome was within what had been stated to hold it with a frequency."""
        said, targets = self.judged.explanation, self.judged.targets
        assert said is not None
        assert targets is not None
        if said.classes is None:
            low, high = said.interval(coverage).T
            inside, stated = (low <= targets[:, 0]) & (targets[:, 0] <= high), np.isfinite(high - low)
        else:
            inside = (said.possible(coverage) & (targets > 0)).any(axis=1)
            stated = np.isfinite(said.limits[:, 0, said.coverages.index(coverage)])
        return self._rate(inside, np.where(stated, weight, 0.0))

    def right(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
        """Whether side or class was right, and on which rows it could be; ``None`` where the side is no question."""
        targets, combined = self.judged.targets, self.judged.combined
        assert targets is not None
        if targets.shape[1] > 1:
            return targets.argmax(axis=1) == combined.argmax(axis=1), np.ones(len(targets), dtype=bool)
        said, came = np.sign(combined[:, 0]), np.sign(targets[:, 0])
        decided = (said != 0) & (came != 0) & np.isfinite(self.stated)
        if not decided.any() or len(np.unique(came[decided])) < 2:
            return None
        return said == came, decided

    @property
    def stated(self) -> Array:
        """The confidence that was stated."""
        assert self.judged.explanation is not None
        return self.judged.explanation.confidence

    def reliability(self, right: NDArray[np.bool_], rows: NDArray[np.bool_]) -> tuple[float, Rate]:
        """The confidence that was stated on some rows on average, beside how often they were right."""
        weight = np.where(rows, self.weight, 0.0)
        stated = float(np.nansum(weight * np.where(rows, self.stated, 0.0)) / weight.sum()) if weight.any() else np.nan
        return stated, self._rate(right, weight)

    def _rate(self, hits: NDArray[np.bool_], weight: Array) -> Rate:
        n, heard = float(weight.sum()), weight > 0
        low, high = rate_interval(hits, weight, self.moments, overlap=self.judged.overlap)
        return Rate(n, len(np.unique(self.moments[heard])), float(weight @ hits) / n if n else float("nan"), low, high)


def _wrong(targets: Array, predictions: Array) -> Array:
    """Whether the likeliest class is another one than came true."""
    wrong = predictions.argmax(axis=2) != targets.argmax(axis=1)[:, None]
    return np.where(np.isnan(predictions).any(axis=2), np.nan, wrong)


# Where it comes from.


def read_walk(walk: WalkForward, rival: str | None) -> Evidence:
    """Read a walk forward, as one of its ensembles saw it."""
    known = list(walk.explanations)
    if not known:
        raise ValueError(
            f"review needs an ensemble among the rivals of the walk forward; got {shown(list(walk.rivals))}. report() "
            f"compares plain estimators."
        )
    if rival is not None and rival not in known:
        raise ValueError(f"rival of review must be one of the ensembles {shown(known)}; got {shown(rival)}.")
    judged = judged_by_walk(walk, rival, "review")
    own = {judged.who, *plain_rivals(walk, judged.who).values()}
    counted = walk.sample_weight > 0
    first = walk.rivals[0]
    return Evidence(
        judged=judged,
        weight=walk.sample_weight * (counted.sum() / max(walk.sample_weight.sum(), np.finfo(float).tiny)),
        rivals={str(name): walk.losses[name].to_numpy(dtype=float) for name in walk.rivals if name not in own},
        first_rival=None if first in walk.explanations else first,
        trading=_trading(walk, judged),
    )


def _trading(walk: WalkForward, judged: Judged) -> dict[str, dict[str, float]] | None:
    if walk.profits_bps is None:
        return None
    report = walk.report().query("regime == 'pooled'").set_index("rival")
    names = plain_rivals(walk, judged.who)
    said = {
        names[EQUAL]: EQUAL,
        names[BEST]: BEST_SO_FAR,
        **{names[model]: f"{model} alone" for model in judged.models},
    }
    figures = [name for name in report.columns if name.startswith(("n_trades", "profit_bps", "sharpe", "drawdown_bps"))]
    found = {str(name): dict(row) for name, row in report[figures].astype(float).iterrows()}
    # At a moment without a trade nothing was earned, so that all are compared at the same moments.
    earned, weight = moment_profits(walk.profits_bps.to_numpy(), walk.sample_weight, walk.moments)
    of_name = dict(zip(walk.rivals, np.nan_to_num(earned).T, strict=True))
    for name in found.keys() - {judged.who}:
        ahead = difference_interval(of_name[judged.who], of_name[name], weight)
        found[name] |= dict(zip(("ahead_bps", "ahead_bps_low", "ahead_bps_high"), ahead, strict=True))
        found[name]["n_moments"] = float((weight > 0).sum())
    return {said.get(name, name): row for name, row in found.items()}


def read_live(live: LiveEnsemble) -> Evidence:
    """Read a journal: the predictions whose outcome is known, and how the process was doing at the last one."""
    judged, frame = judged_by_live(live, "review")
    assert judged.targets is not None
    known = np.flatnonzero(np.isfinite(judged.targets).all(axis=1))
    rows = _taken(judged, known)
    return Evidence(
        judged=rows,
        weight=np.ones(len(known)),
        rivals={},
        trading=_trades(judged, frame),
        health=live.health(at=frame["at"].max()),
    )


def _trades(judged: Judged, frame: pd.DataFrame) -> dict[str, dict[str, float]] | None:
    """What the trades of a journal earned, one after the other; those of one time are one trade, their mean."""
    profits_bps = frame.dropna(subset="profit_bps").groupby("at")["profit_bps"].mean().to_numpy(dtype=float)
    n = len(profits_bps)
    if not n:
        return None
    found = performance_figures(
        np.zeros((n, 0)), np.zeros((n, 1)), profits_bps=profits_bps[:, None], overlap=judged.overlap
    )
    return {judged.who: {name: float(figure[0, 0]) for name, figure in found.items()}}


def _taken(judged: Judged, rows: NDArray[np.intp]) -> Judged:
    names = ("said", "combined", "weights", "targets", "sample_weight", "moments")
    arrays = {name: getattr(judged, name)[rows] for name in names}
    tables = {name: getattr(judged, name).iloc[rows] for name in ("memberships", "losses")}
    said = None if judged.explanation is None else judged.explanation[rows]
    return replace(judged, **arrays, **tables, index=judged.index[rows], explanation=said)

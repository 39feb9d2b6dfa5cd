"""How much dynamic weighting loses against those who know the stream beforehand, and what its rivals lose.

The rule: everybody sees the same rows in the same order, and only the outcomes of the rows before. The oracles alone
have seen the whole stream. The regret of a contender is its total loss less that of an oracle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray
from scipy import stats

from benchmarks._kept import configuration, parser, save, show
from skensemble import rules
from skensemble.combiners import Combiner, DynamicWeighting, Stacking, WeightedVoting
from skensemble.datasets import make_prediction_stream
from skensemble.weightings import UniformWeights

__all__ = ["main"]

Array = NDArray[np.float64]

KINDS = ("informative", "noise", "rare", "new", "many", "drift", "missing", "switch", "heavy_tails")
ROWS, QUICK_ROWS = 2000, 120
SEEDS, QUICK_SEEDS = 20, 2
# Stacking has to have seen some rows before it can follow; until then models have equal weights.
STACKING_STARTS = 20

DEFAULT, BLIND = "dynamic weighting", "regime-blind"
ALONE, ALONE_SHORT = "one per regime", "one per regime, short memory too"
# A regime is known by the model that is truly the best in it, also where its label is missing or means nothing.
MODEL, MIX = "best model", "best mix"
REGIME_MODEL, REGIME_MIX = "best model per true regime", "best mix per true regime"
ORACLES = (MODEL, MIX, REGIME_MODEL, REGIME_MIX)


def main(argv: Sequence[str]) -> None:
    """Replay the streams, print a table for each kind, and what was expected beside what came true."""
    options = parser("regret", __doc__)
    options.add_argument("--seeds", type=int, default=SEEDS, help="streams of each kind (default: %(default)s)")
    options.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="what happens in the streams")
    options.add_argument("--n-jobs", type=int, default=1, help="streams replayed side by side (default: %(default)s)")
    chosen = options.parse_args(argv)
    n_seeds, rows = (QUICK_SEEDS, QUICK_ROWS) if chosen.quick else (chosen.seeds, ROWS)
    made = configuration("regret", argv, ("numpy", "scipy", "scikit-learn")) | {"rows": rows, "seeds": n_seeds}
    replays = Parallel(n_jobs=chosen.n_jobs)(
        delayed(_losses)(kind, rows, seed) for kind in chosen.kinds for seed in range(n_seeds)
    )
    measured = pd.DataFrame([record for replay in replays for record in replay])
    for kind, part in measured.groupby("kind", sort=False):
        show(f"{kind}: total loss, the same / {BLIND}, regret; mean ± half of a 95 % interval", _table(part))
    show("expected, and found", _expectations(measured))
    save(measured, made, chosen.save)


# Who takes part.


def contenders() -> dict[str, Callable[[Array, Array, Array], Array]]:
    """Name everybody who answers a stream; each takes predictions, targets and memberships."""
    others = [name for name in rules.__all__ if name not in {"Rule", "NoLearning", "BernsteinAggregation"}]
    windowed = rules.RecentPerformance(lookback=50, min_outcomes=10)
    return {
        DEFAULT: _online(DynamicWeighting()),
        BLIND: _blind(DynamicWeighting()),
        # With one memory for both, the two pooled contexts are one: the plain rule, once for each regime.
        ALONE: _one_per_regime(DynamicWeighting(short_memory=1.0)),
        ALONE_SHORT: _one_per_regime(DynamicWeighting()),
        "windowed, one per regime": _one_per_regime(DynamicWeighting(windowed, short_memory=1.0, gradient_trick=False)),
        "windowed on slopes, one per regime": _one_per_regime(DynamicWeighting(windowed, short_memory=1.0)),
        "equal weights": _online(WeightedVoting(UniformWeights())),
        "voting": _online(WeightedVoting()),
        "stacking": _stacking,
        **{f"dynamic, {name}": _online(DynamicWeighting(getattr(rules, name)())) for name in others},
    }


def _online(combiner: Combiner) -> Callable[[Array, Array, Array], Array]:
    def answer(predictions: Array, targets: Array, memberships: Array) -> Array:
        nothing = slice(0, 0)
        combiner.fit(predictions[nothing], targets[nothing], memberships[nothing])
        return combiner.follow(predictions, targets, memberships)[0]

    return answer


def _blind(combiner: Combiner) -> Callable[[Array, Array, Array], Array]:
    answer = _online(combiner)
    return lambda predictions, targets, memberships: answer(predictions, targets, memberships[:, :0])


def _one_per_regime(combiner: Combiner) -> Callable[[Array, Array, Array], Array]:
    """Answer each regime by a combiner that sees nothing else, and rows of no known regime by one that sees all."""
    answer = _blind(combiner)

    def answers(predictions: Array, targets: Array, memberships: Array) -> Array:
        combined = answer(predictions, targets, memberships)
        for inside in memberships.T.astype(bool):
            combined[inside] = answer(predictions[inside], targets[inside], memberships[inside])
        return combined

    return answers


def _stacking(predictions: Array, targets: Array, memberships: Array) -> Array:
    stacking = Stacking()
    first, later = slice(0, STACKING_STARTS), slice(STACKING_STARTS, None)
    stacking.fit(predictions[first], targets[first], memberships[first])
    followed, _ = stacking.follow(predictions[later], targets[later], memberships[later])
    return np.concatenate([predictions[first].mean(axis=1), followed])


# What they lose.


def _losses(kind: str, rows: int, seed: int) -> list[dict[str, Any]]:
    """One record for each contender and oracle: its total squared error on one stream."""
    stream = make_prediction_stream(kind, n_samples=rows, random_state=seed)
    totals = {
        name: float(np.square(answer(stream.predictions, stream.targets, stream.memberships) - stream.targets).sum())
        for name, answer in contenders().items()
    }
    totals |= oracles(stream.predictions[:, :, 0] - stream.targets, stream.best)
    return [{"kind": kind, "seed": seed, "contender": name, "loss": loss} for name, loss in totals.items()]


def oracles(errors: Array, best: NDArray[np.intp]) -> dict[str, float]:
    """Total loss in hindsight of the best model and the best convex combination, on all rows and in each regime."""
    regimes = [errors[best == model] for model in np.unique(best)]
    return {
        MODEL: _best_model(errors),
        MIX: _best_mix(errors),
        REGIME_MODEL: sum(map(_best_model, regimes)),
        REGIME_MIX: sum(map(_best_mix, regimes)),
    }


def _best_model(errors: Array) -> float:
    return float(np.square(errors).sum(axis=0).min())


def _best_mix(errors: Array) -> float:
    """The least total loss of any convex combination: the best of the solutions on every subset of models.

    On a subset, the weights that add up to one and lose least are ``G⁻¹1 / 1'G⁻¹1`` with G the products of errors.
    """
    gram = errors.T @ errors
    least = _best_model(errors)
    models = range(len(gram))
    for subset in (list(chosen) for size in models[1:] for chosen in combinations(models, size + 1)):
        direction = np.linalg.lstsq(gram[np.ix_(subset, subset)], np.ones(len(subset)))[0]
        if (direction >= 0).all():
            weights = direction / direction.sum()
            least = min(least, float(weights @ gram[np.ix_(subset, subset)] @ weights))
    return least


# What it means.


def _wide(measured: pd.DataFrame) -> pd.DataFrame:
    """Seeds × contenders."""
    return measured.pivot(index="seed", columns="contender", values="loss")


def interval(figures: pd.Series) -> tuple[float, float]:
    """Mean, and half of its 95 % interval by Student's t."""
    return float(figures.mean()), float(stats.t.ppf(0.975, len(figures) - 1) * figures.sem())


def _table(measured: pd.DataFrame) -> pd.DataFrame:
    losses = _wide(measured)
    lines = []
    for name in measured["contender"].unique():
        line = {"contender": name, "loss": f"{losses[name].mean():.1f}"}
        line["/ blind"] = _shown(losses[name] / losses[BLIND], 3)
        if name not in ORACLES:
            line |= {f"to {oracle}": _shown(losses[name] - losses[oracle], 1) for oracle in ORACLES}
        lines.append(line)
    return pd.DataFrame(lines).fillna("")


def _shown(figures: pd.Series, digits: int) -> str:
    mean, half = interval(figures)
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def _expectations(measured: pd.DataFrame) -> pd.DataFrame:
    """Hold the figures against what was expected; an interval that reaches over the line is said to."""
    lines = []
    for kind, words, figure, most in EXPECTED:
        if kind in set(measured["kind"]):
            mean, half = interval(figure(_wide(measured[measured["kind"] == kind])))
            found = "met" if mean <= most else "MISSED"
            sure = "" if abs(mean - most) > half else ", but the interval reaches over"
            lines.append(
                {
                    "kind": kind,
                    "figure": words,
                    "at most": most,
                    "found": f"{mean:.3f} ± {half:.3f}",
                    "": found + sure,
                }
            )
    return pd.DataFrame(lines)


def _loss_ratio(rival: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda losses: losses[DEFAULT] / losses[rival]


def _regret_ratio(losses: pd.DataFrame) -> pd.Series:
    return (losses[DEFAULT] - losses[REGIME_MIX]) / (losses[BLIND] - losses[REGIME_MIX])


# Kind, figure in words, the figure on each seed, the most it may be. "Far below" is taken as half the regret.
EXPECTED: tuple[tuple[str, str, Callable[[pd.DataFrame], pd.Series], float], ...] = (
    ("informative", f"regret / that of {BLIND}", _regret_ratio, 0.25),
    ("noise", f"loss / {BLIND}", _loss_ratio(BLIND), 1.02),
    ("rare", f"loss / {ALONE}", _loss_ratio(ALONE), 1.01),
    ("rare", f"loss / {ALONE_SHORT}", _loss_ratio(ALONE_SHORT), 1.01),
    ("rare", f"regret / that of {BLIND}", _regret_ratio, 0.5),
    ("new", f"loss / {ALONE}", _loss_ratio(ALONE), 1.01),
    ("new", f"loss / {ALONE_SHORT}", _loss_ratio(ALONE_SHORT), 1.01),
    ("new", f"regret / that of {BLIND}", _regret_ratio, 0.5),
    ("missing", f"loss / {BLIND}", _loss_ratio(BLIND), 1.0),
    ("missing", f"loss / {ALONE}", _loss_ratio(ALONE), 1.0),
    ("missing", f"loss / {ALONE_SHORT}", _loss_ratio(ALONE_SHORT), 1.0),
)

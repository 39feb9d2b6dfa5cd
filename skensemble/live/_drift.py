"""Whether losses have become larger: a test that may be looked at after every outcome."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["drift_p_value"]

_STAKES = (0.25, 0.5, 1.0)
_ENOUGH = 1e12
_BLOCK = 512


def drift_p_value(losses: npt.ArrayLike) -> float:
    r"""How surprising it would be that losses grew as much as they did, if nothing had changed.

    Each loss is ranked among those before it; as long as nothing changes, its rank is as likely to be one as any other.
    A gambler who owns 1 bets on high ranks: on :math:`p_n`, the share of earlier losses above this one (of equal ones
    a share of their own, drawn with a fixed seed), he is paid :math:`1 + s (1 - 2 p_n)` for each unit, with stakes s of
    1/4, 1/2 and 1. Since nobody knows when a change would begin, he sets aside the share
    :math:`1 / (t (t + 1))` of his money for bets that begin at outcome t. Fair bets do not make rich: with
    exchangeable losses, the chance that he ever owns 1/α is at most α (Ville's inequality), however often one looks.

    Parameters
    ----------
    losses : array-like of shape (n_samples,)
        Losses as they became known.

    Returns
    -------
    float
        1 over the most that he has owned so far: a p-value that holds at every moment. 1 without outcomes.

    Notes
    -----
    Losses that come in clusters, as those of volatile days do, are not exchangeable: then alarms are more frequent than
    the level says, and mean "these days are unlike those before", not always "the models have become worse".

    References
    ----------
    Vovk, V. (2021). Testing randomness online. Statistical Science 36(4), 595-611.

    Shin, J., Ramdas, A. & Rinaldo, A. (2024). E-detectors: a nonparametric framework for sequential change detection.
    New England Journal of Statistics in Data Science 2(2), 229-260: mixing over the moment of the change.

    Examples
    --------
    >>> import numpy as np
    >>> losses = np.random.default_rng(0).exponential(size=300)
    >>> drift_p_value(losses) > 0.05, drift_p_value(np.append(losses, 3 * losses[:100])) < 0.001
    (True, True)
    """
    gains = 1.0 - 2.0 * _shares_above(np.asarray(losses, dtype=float))
    owned, most = [0.0] * len(_STAKES), 1.0
    # Plain numbers: there is far too little work in a step for arrays.
    for n, gain in enumerate(gains.tolist(), start=1):
        begun = 1.0 / (n * (n + 1.0) * len(_STAKES))
        owned = [(part + begun) * (1.0 + stake * gain) for part, stake in zip(owned, _STAKES, strict=True)]
        most = max(most, sum(owned) + 1.0 / (n + 1.0))
        if most > _ENOUGH:
            break
    return 1.0 / most


def _shares_above(losses: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Which share of each loss and those before it are above it; of equal ones, itself among them, a random part."""
    n = len(losses)
    above, equal = np.zeros(n), np.ones(n)
    # Earlier losses in sorted runs, each more than twice as long as the next: few to search, and seldom to merge.
    runs: list[npt.NDArray[np.float64]] = []
    for start in range(0, n, _BLOCK):
        rows = slice(start, start + _BLOCK)
        block = losses[rows]
        inside = np.tri(len(block), k=-1, dtype=bool)
        above[rows] = ((block > block[:, None]) & inside).sum(axis=1)
        equal[rows] += ((block == block[:, None]) & inside).sum(axis=1)
        for run in runs:
            low, high = (np.searchsorted(run, block, side=side) for side in ("left", "right"))
            above[rows] += len(run) - high
            equal[rows] += high - low
        runs.append(np.sort(block))
        while len(runs) > 1 and len(runs[-2]) <= 2 * len(runs[-1]):
            runs[-2:] = [np.sort(np.concatenate(runs[-2:]), kind="stable")]
    part = np.random.default_rng(0).uniform(size=n)
    return (above + part * equal) / np.arange(1, n + 1)

"""How alike the models err."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from skensemble._judged import Judged, ensemble_of
from skensemble.combiners import default_loss
from skensemble.displays._base import JudgedDisplay
from skensemble.displays._style import FEW, draw_cells, named, panels, show_bar, show_title, width_of_names
from skensemble.performance import Ledger

__all__ = ["AgreementDisplay"]


class AgreementDisplay(JudgedDisplay):
    """How alike the models err: the correlation of the errors of every pair, similar models beside each other.

    Models whose errors are hardly correlated are worth combining; of two whose errors are all but the same one could
    go. Errors are signed, prediction less outcome; for classes they are losses. The order is that of the leaves of a
    dendrogram (average linkage of 1 less the correlation, neighbours as alike as the tree allows). Lighter is more
    alike. Pairs with fewer than 30 outcomes in common are hatched.

    Parameters
    ----------
    pairs : DataFrame
        One row for each pair: ``model``, ``other``, ``n``, ``correlation``, ``low`` and ``high``, as
        `Ledger.error_correlations` has it.
    models : sequence of str
        All models.
    who : str, default="ensemble"
        Whose models they are, for the title.

    Attributes
    ----------
    ax_ : matplotlib Axes
        Where it was drawn.
    figure_ : matplotlib Figure
        The figure around it.

    References
    ----------
    Z. Bar-Joseph, D. K. Gifford and T. S. Jaakkola, "Fast optimal leaf ordering for hierarchical clustering",
    Bioinformatics, 2001.

    Examples
    --------
    >>> import pandas as pd
    >>> from skensemble.displays import AgreementDisplay
    >>> pairs = pd.DataFrame({"model": ["a", "a", "b"], "other": ["b", "c", "c"]})
    >>> pairs = pairs.assign(n=50.0, correlation=[0.1, 0.9, 0.2], low=float("nan"), high=float("nan"))
    >>> AgreementDisplay(pairs, ["a", "b", "c"]).order()
    ['b', 'c', 'a']
    """

    def __init__(self, pairs: pd.DataFrame, models: Any, *, who: str = "ensemble") -> None:
        self.pairs = pairs
        self.models = list(models)
        self.who = who

    @classmethod
    def from_estimator(cls, estimator: Any) -> Self:
        """Read the ledger of a fitted ensemble: its out-of-fold rows, and all that it has been told since.

        Parameters
        ----------
        estimator : RegimeAwareEnsembleRegressor, RegimeAwareEnsembleClassifier or Pipeline
            Fitted; a Pipeline must end in one.

        Returns
        -------
        AgreementDisplay
            Not drawn yet.
        """
        ensemble, _ = ensemble_of(estimator, cls.__name__)
        return cls(ensemble.ledger_.error_correlations(), ensemble.model_names_)

    @classmethod
    def _of(cls, judged: Judged) -> Self:
        targets, said = judged.targets, judged.said
        assert targets is not None
        errors = said[:, :, 0] - targets if targets.shape[1] == 1 else default_loss(targets.shape[1])(targets, said)
        ledger = Ledger(judged.models, [], overlap=judged.overlap)
        ledger = ledger.updated(np.empty((len(errors), 0)), errors=errors, sample_weight=judged.sample_weight)
        return cls(ledger.error_correlations(), judged.models, who=judged.who)

    def frame(self) -> pd.DataFrame:
        """List the pairs.

        Returns
        -------
        DataFrame
            One row for each pair: ``model``, ``other``, ``n`` (outcomes on which both spoke), ``correlation`` and its
            95 % interval ``low``, ``high``.
        """
        return self.pairs.copy()

    def order(self) -> list[str]:
        """List the models, similar ones beside each other.

        Returns
        -------
        list of str
            As they are drawn.
        """
        if len(self.models) < 3:
            return list(self.models)
        correlation, _ = self._squares()
        # Who has nothing in common with another is as far from it as chance.
        distance = 1.0 - np.nan_to_num(correlation, nan=0.0)
        np.fill_diagonal(distance, 0.0)
        tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
        return [self.models[place] for place in leaves_list(tree)]

    def _squares(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        place = {model: number for number, model in enumerate(self.models)}
        correlation, n = np.eye(len(place)), np.full((len(place), len(place)), np.nan)
        first, second = (self.pairs[name].map(place).to_numpy(dtype=np.intp) for name in ("model", "other"))
        for table, name in ((correlation, "correlation"), (n, "n")):
            table[first, second] = table[second, first] = self.pairs[name]
        return correlation, n

    def plot(self, ax: Any = None) -> Self:
        """Draw the table.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to; the default (``None``) is a new figure.

        Returns
        -------
        AgreementDisplay
            Itself, with ``ax_`` and ``figure_``.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        names = self.order()
        places = [self.models.index(name) for name in names]
        correlation, n = (table[np.ix_(places, places)] for table in self._squares())
        pairs = ~np.eye(len(names), dtype=bool)
        side = max(3.0, min(0.8 * len(names), 11.0))
        size = (width_of_names(names) + side + 1.6, 0.5 * width_of_names(names) + side + 0.8)
        self.figure_, (self.ax_,) = panels("AgreementDisplay", ax, size=size)
        least, most = np.nanmin(n, initial=np.inf), np.nanmax(n, initial=0.0)
        with_n = bool(least < most)
        mesh = draw_cells(
            self.ax_,
            np.where(pairs, correlation, np.nan),
            [[self._cell(correlation[i, j], n[i, j], i == j, with_n) for j in range(len(n))] for i in range(len(n))],
            rows=names,
            columns=names,
            limits=(min(0.0, float(np.nanmin(correlation, initial=0.0))), 1.0),
            hatched=pairs & ~(n >= FEW),
        )
        self.ax_.set_aspect("equal")
        show_bar(self.ax_, mesh, "correlation of errors", shrink=0.7)
        counted = f"n = {most:,.0f}" if not with_n else f"n from {least:,.0f} to {most:,.0f}"
        few = "; hatched: n below 30" if (pairs & ~(n >= FEW)).any() else ""
        show_title(self.ax_, f"How alike the models of {named(self.who)} err", f"lighter is more alike; {counted}{few}")
        return self

    def _cell(self, correlation: float, n: float, own: bool, with_n: bool) -> str:
        if own:
            return ""
        value = "" if np.isnan(correlation) else f"{correlation:.2f}"
        return f"{value}\nn = {n:,.0f}".strip() if with_n else value

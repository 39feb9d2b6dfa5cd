"""What `walk_forward` found: every row of every rival, and the tables that are made of them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skensemble._checks import check_choice
from skensemble._feedback import inferred_frequency
from skensemble.evaluation._comparison import Change, change_interval
from skensemble.explanation import Explanation
from skensemble.performance import performance_figures
from skensemble.regimes import encode_memberships, regime_names

__all__ = ["WalkForward"]

Array = NDArray[np.float64]

_WINS = ["won", "lost", "win_rate", "win_rate_low", "win_rate_high"]
_TRADING = ("n_trades", "profit_bps", "sharpe", "drawdown")


@dataclass(frozen=True, eq=False, repr=False)
class WalkForward:
    """What every rival said of every judged row, and what came of it; made by `walk_forward`.

    Parameters
    ----------
    predictions : DataFrame of shape (n_judged, n_rivals)
        Numbers, or class labels; the index is that of the rows.
    outcome : Series of shape (n_judged,)
        What came true.
    losses : DataFrame of shape (n_judged, n_rivals)
        Loss of each prediction.
    loss : str
        What the losses are.
    memberships : DataFrame of shape (n_judged, n_regimes)
        Regimes as they were known at each row.
    probabilities : dict of str to DataFrame of shape (n_judged, n_classes), or None
        Probabilities that each rival gave to the classes.
    wins : DataFrame of shape (n_judged, n_rivals) or None
        1 where the side (or class) was right, 0 where it was wrong, NaN where neither.
    sides : DataFrame of shape (n_judged, n_rivals) or None
        1 long, -1 short, 0 neither; ``None`` without returns.
    profits_bps : DataFrame of shape (n_judged, n_rivals) or None
        Profit of the side in basis points, costs taken off; NaN where there was no side.
    explanations : dict of str to Explanation
        What each ensemble said, taken apart.
    estimators : dict of str to estimator
        The rivals as they stand after the last row; an ensemble may go on from there.
    trainings : DataFrame of shape (n_periods, 3)
        For each training the first row that was predicted with it (``judged_from``), and the number of rows learned
        from (``n_train``) and predicted (``n_judged``).
    sample_weight : ndarray of shape (n_judged,)
        How much each row counts.
    groups : ndarray of shape (n_judged,) or None
        Whose row each is.
    moments : ndarray of shape (n_judged,)
        Number of the moment of each row: rows of one timestamp have one.
    times : DatetimeIndex or None
        Times of the rows.

    See Also
    --------
    walk_forward : Makes it.

    Examples
    --------
    >>> from sklearn.dummy import DummyRegressor
    >>> from sklearn.linear_model import LinearRegression
    >>> from skensemble import walk_forward
    >>> X = np.arange(100.0).reshape(-1, 1)
    >>> rivals = {"mean": DummyRegressor(), "line": LinearRegression()}
    >>> walk = walk_forward(rivals, X, 2 * X[:, 0], initial=50, refit_every=10)
    >>> walk.predictions.shape, len(walk.trainings)
    ((50, 2), 5)
    >>> walk.report()[["rival", "n", "verdict"]]
      rival     n                     verdict
    0  mean  50.0
    1  line  50.0  distinguishable: less loss
    """

    predictions: pd.DataFrame
    outcome: pd.Series
    losses: pd.DataFrame
    loss: str
    memberships: pd.DataFrame
    probabilities: dict[str, pd.DataFrame] | None
    wins: pd.DataFrame | None
    sides: pd.DataFrame | None
    profits_bps: pd.DataFrame | None
    explanations: Mapping[str, Explanation]
    estimators: Mapping[str, Any]
    trainings: pd.DataFrame
    sample_weight: Array
    groups: NDArray[Any] | None
    moments: NDArray[np.intp]
    times: pd.DatetimeIndex | None

    @property
    def rivals(self) -> tuple[str, ...]:
        """Names of the rivals, in the order of all tables.

        Returns
        -------
        tuple of str
            First those that were given, then the plain rivals of the ensembles.
        """
        return tuple(self.predictions.columns)

    @property
    def regimes(self) -> pd.Series:
        """The likeliest regime of each row.

        Returns
        -------
        Series of shape (n_judged,)
            Names; ``None`` where the regime is unknown.
        """
        names = np.empty(len(self.memberships), dtype=object)
        shares = self.memberships.to_numpy()
        labels = list(self.memberships.columns)
        for row in np.flatnonzero(shares.sum(axis=1) > 0):
            names[row] = labels[int(shares[row].argmax())]
        return pd.Series(names, index=self.predictions.index, name="regime", dtype=object)

    @property
    def weights(self) -> dict[str, pd.DataFrame]:
        """How far each ensemble trusted each of its models, row by row.

        Returns
        -------
        dict of str to DataFrame of shape (n_judged, n_models)
            One for each ensemble.
        """
        return {
            name: pd.DataFrame(said.weights, index=self.predictions.index, columns=list(said.models))
            for name, said in self.explanations.items()
        }

    @property
    def member_predictions(self) -> dict[str, pd.DataFrame]:
        """What the models of each ensemble said.

        Returns
        -------
        dict of str to DataFrame of shape (n_judged, n_models) or (n_judged, n_models * n_classes)
            One for each ensemble.
        """
        frames = {}
        for name, said in self.explanations.items():
            columns: Any = list(said.models)
            if said.classes is not None:
                columns = pd.MultiIndex.from_product([said.models, said.classes], names=["model", "class"])
            flat = said.member_predictions.reshape(len(said), -1)
            frames[name] = pd.DataFrame(flat, index=self.predictions.index, columns=columns)
        return frames

    def report(self, by: str = "regime", *, block: int = 63) -> pd.DataFrame:
        """Judge every rival, pooled and in each regime, and against the first one.

        Parameters
        ----------
        by : {"regime", "group"}, default="regime"
            What the rows are told apart by.
        block : int, default=63
            Rows (timestamps, where rows share them) in a block of the bootstrap, see `change_interval`.

        Returns
        -------
        DataFrame
            One row for each rival and regime (``"pooled"`` is all of them), with

            - ``n``, ``loss``: rows and mean loss;
            - with sides or classes ``won``, ``lost``, ``win_rate`` with its interval (rows of one timestamp counted as
              independent);
            - with returns ``n_trades``, ``profit_bps`` (mean), ``sharpe`` (``sharpe_annual`` where rows have times),
              each with its interval, and ``drawdown_bps``, after costs; rows of one timestamp are one trade, the mean
              of theirs;
            - pooled, ``worst_regime`` and ``worst_year``: of least profit where there are returns, otherwise of most
              loss relative to the first rival (for that one, of most loss);
            - ``change``, ``change_low``, ``change_high``: mean loss against that of the first rival on the same rows,
              less 1, with its 95 % interval, and ``verdict`` in words; nothing for the first rival itself.

        Raises
        ------
        ValueError
            If ``by`` is none of these, or there are no groups.

        Examples
        --------
        >>> from sklearn.dummy import DummyRegressor
        >>> from skensemble import walk_forward
        >>> X, y = np.zeros((40, 1)), np.tile([0.0, 2.0], 20)
        >>> walk = walk_forward({"mean": DummyRegressor()}, X, y, initial=20, regimes=["a"] * 30 + ["b"] * 10)
        >>> walk.report()[["rival", "regime", "n", "loss"]]
          rival  regime     n  loss
        0  mean       a  10.0   1.0
        1  mean       b  10.0   1.0
        2  mean  pooled  20.0   1.0
        """
        check_choice(by, "by", "report", ("regime", "group"))
        shares = self.memberships if by == "regime" else self._groups_as_shares()
        names: list[Hashable] = [*shares.columns, "pooled"]
        parts = np.column_stack([shares.to_numpy(), np.ones(len(shares))]) * self.sample_weight[:, None]
        table = self._figures(shares.to_numpy())
        table.insert(0, "rival", np.repeat(np.array(self.rivals, dtype=object), len(names)))
        table.insert(1, by, pd.Series(names * len(self.rivals), dtype=object))
        pooled = table[by] == "pooled"
        own = self.regimes if by == "regime" else self.groups
        for word, labels in {f"worst_{by}": own, "worst_year": self._years}.items():
            if labels is not None and pd.Series(labels).nunique() > 1:
                table[word] = pd.Series(dict(zip(table.index[pooled], self._worst(labels), strict=True)), dtype=object)
        changes = [self._change(rival, part, block) for rival in self.rivals for part in parts.T]
        columns = ("change", "change_low", "change_high", "verdict")
        for column, values in zip(columns, zip(*changes, strict=True), strict=True):
            table[column] = values
        return table

    def frame(self) -> pd.DataFrame:
        """List what every rival said of every row.

        Returns
        -------
        DataFrame
            One row for each judged row and rival, with ``row`` (its label), ``rival``, ``prediction``, ``outcome``,
            ``loss``, ``regime`` and, where there are such, ``group``, ``side``, ``profit_bps`` and, of ensembles,
            ``agreement`` and ``confidence``.
        """
        once = {"row": self.predictions.index, "outcome": self.outcome, "regime": self.regimes, "group": self.groups}
        each = {
            "prediction": self.predictions,
            "loss": self.losses,
            "side": self.sides,
            "profit_bps": self.profits_bps,
            "agreement": self._of_ensembles("agreement"),
            "confidence": self._of_ensembles("confidence"),
        }
        known = pd.DataFrame({name: np.asarray(values) for name, values in once.items() if values is not None})
        parts = []
        for place, rival in enumerate(self.rivals):
            part = known.assign(rival=rival)
            for name, values in each.items():
                if values is not None:
                    part[name] = values.iloc[:, place].to_numpy()
            parts.append(part)
        table = pd.concat(parts, ignore_index=True)
        order = ["row", "rival", "prediction", "outcome", "loss"]
        return table[[*order, *(name for name in table.columns if name not in order)]]

    # What the tables are made of.

    def _figures(self, shares: Array) -> pd.DataFrame:
        """Figures of every rival in every regime, as a ledger counts them."""
        wins = None if self.wins is None else self.wins.to_numpy()
        figures = performance_figures(shares, self.losses.to_numpy(), wins=wins, sample_weight=self.sample_weight)
        chosen = ["n", "loss"] + ([] if wins is None else _WINS)
        if self.profits_bps is not None:
            parts = [self._trades(part) for part in (*shares.T, np.ones(len(self)))]
            figures |= {name: np.vstack([part[name] for part in parts]) for name in parts[0]}
            chosen += list(parts[0])
        return pd.DataFrame({name: figures[name].T.ravel() for name in chosen})

    def _trades(self, share: Array) -> dict[str, Array]:
        """Figures of a part of the rows, where rows of one moment are one trade, the mean of theirs."""
        assert self.profits_bps is not None
        profits = self.profits_bps.to_numpy()
        traded = np.isfinite(profits)
        weight = share * self.sample_weight
        counted = weight[:, None] * traded
        held = self._summed(counted)
        means = self._summed(counted * np.where(traded, profits, 0.0)) / np.where(held > 0, held, 1.0)
        inside = self._summed((weight > 0.0)[:, None].astype(float))[:, 0]
        figures = performance_figures(
            np.zeros((len(means), 0)),
            np.full(means.shape, np.nan),
            profits_bps=np.where(held > 0, means, np.nan),
            sample_weight=self._summed(weight[:, None])[:, 0] / np.maximum(inside, 1.0),
            periods_per_year=None if self.times is None else inferred_frequency(self.times),
        )
        return {name: figure[-1] for name, figure in figures.items() if name.startswith(_TRADING)}

    def _change(self, rival: str, part: Array, block: int) -> Change:
        """How a rival compares with the first one in a part of the rows, moment by moment."""
        losses = self.losses[[rival, self.rivals[0]]].to_numpy()
        part = np.where(np.isfinite(losses).all(axis=1), part, 0.0)
        inside = self._summed(part[:, None])[:, 0] > 0
        if rival == self.rivals[0] or not inside.any():
            return Change(float("nan"), float("nan"), float("nan"), "")
        both = self._summed(np.where(part[:, None] > 0, losses, 0.0) * part[:, None])[inside]
        return change_interval(both[:, 0], both[:, 1], block=block)

    def _summed(self, values: Array) -> Array:
        """Sums over the rows of each moment."""
        total = np.zeros((int(self.moments[-1]) + 1, values.shape[1]))
        np.add.at(total, self.moments, values)
        return total

    def _worst(self, labels: Any) -> list[Any]:
        """For each rival the label where it did worst."""
        judged = self.losses if self.profits_bps is None else -self.profits_bps
        weight = judged.notna().mul(self.sample_weight, axis=0)
        groups = np.asarray(labels, dtype=object)
        means = judged.fillna(0.0).mul(weight).groupby(groups).sum() / weight.groupby(groups).sum()
        if self.profits_bps is None:
            relative = means.div(means[self.rivals[0]], axis=0)
            relative[self.rivals[0]] = means[self.rivals[0]]
            means = relative
        return [None if means[name].isna().all() else means[name].idxmax() for name in self.rivals]

    @property
    def _years(self) -> Any:
        return None if self.times is None else self.times.year

    def _groups_as_shares(self) -> pd.DataFrame:
        if self.groups is None:
            raise ValueError("report(by='group') needs groups: pass groups= to walk_forward.")
        names = regime_names(self.groups)
        shares = encode_memberships(self.groups, names, len(self.groups))
        return pd.DataFrame(shares, index=self.predictions.index, columns=pd.Index(names, dtype=object))

    def _of_ensembles(self, name: str) -> pd.DataFrame | None:
        if not self.explanations:
            return None
        found = {key: getattr(said, name) for key, said in self.explanations.items()}
        return pd.DataFrame(found, index=self.predictions.index, columns=list(self.rivals), dtype=float)

    def __len__(self) -> int:
        return len(self.predictions)

    def __repr__(self) -> str:
        report = self.report()
        report = report[report["regime"] == "pooled"]
        shown = pd.DataFrame({"": report["rival"], "n": report["n"].map("{:.0f}".format)})
        shown["loss"] = report["loss"].map("{:.4g}".format)
        for name, form in {"win_rate": "{:.1%}", "profit_bps": "{:.3g}", "sharpe_annual": "{:.2f}"}.items():
            if name in report:
                shown[name] = report[name].map(form.format)
        against = f"loss vs {self.rivals[0]} [95 %]"
        shown[against] = [
            "" if np.isnan(change) else f"{change:+.1%}" + ("" if np.isnan(low) else f" [{low:+.1%}, {high:+.1%}]")
            for change, low, high in report[["change", "change_low", "change_high"]].to_numpy(dtype=float)
        ]
        shown[" "] = report["verdict"]
        first, last = self.predictions.index[0], self.predictions.index[-1]
        head = f"Walk forward over {len(self)} rows, {first} to {last}, {len(self.trainings)} trainings; {self.loss}:"
        return f"{head}\n{shown.to_string(index=False)}"

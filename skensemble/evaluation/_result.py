"""What `walk_forward` found: every row of every rival, and the tables that are made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skensemble._checks import check_choice
from skensemble._feedback import inferred_frequency
from skensemble._html import html_table, notebook
from skensemble._texts import between, count, label, number, percent, shortened, with_count
from skensemble.evaluation._comparison import Change
from skensemble.evaluation._parts import Part, change, figures, parts_by_group, parts_by_regime, worst_labels
from skensemble.explanation import Explanation

__all__ = ["WalkForward"]

Array = NDArray[np.float64]

_NAME_WIDTH = 22


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
    overlap : float
        How many moments in a row have outcomes that share one stretch of time: those from a row until its outcome is
        known, 1 where that is before the next.

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
    overlap: float

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
        shares = self.memberships.to_numpy()
        # The last label stands for an unknown regime.
        labels = pd.Series([*self.memberships.columns, None], dtype=object).to_numpy()
        known = shares.sum(axis=1) > 0
        names = labels[np.where(known, np.argmax(np.column_stack([shares, np.zeros(len(shares))]), axis=1), -1)]
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
            Moments (rows, or timestamps where rows share them) in a block of the bootstrap, see `change_interval`.

        Returns
        -------
        DataFrame
            One row for each rival and regime (``"pooled"`` is all of them), with

            - ``n``, ``loss``: rows and mean loss;
            - with sides or classes ``won``, ``lost``, ``win_rate`` with its interval, where rows of one timestamp count
              for less the more they share their fate, see `skensemble.performance.rate_interval`;
            - with returns ``n_trades``, ``profit_bps`` and ``sharpe`` per trade, each with its interval, and
              ``drawdown_bps``, after costs; rows of one timestamp are one trade, the mean of theirs;
            - where rows have times, too, ``sharpe_annual`` with its interval: of all moments, with a profit of 0 where
              there is no trade, × √(moments per year / ``overlap``); that of a regime is of a year spent in it;
            - pooled, ``worst_regime`` and ``worst_year``: of least profit by row where there are returns, otherwise of
              most loss relative to the first rival (for that one, of most loss); only of those with at least 30 judged
              moments, ``None`` where there is none;
            - ``change``, ``change_low``, ``change_high``: mean loss against that of the first rival on the same rows,
              less 1, with its 95 % interval, and ``verdict`` in words; nothing for the first rival itself.

            Of weights only the ratios matter: they are brought to a mean of 1 over the rows that count. Intervals are
            at 95 %, of the effective number of outcomes as in a `Ledger`, divided by ``overlap``.

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
        parts = self._parts(by)
        losses = self.losses.to_numpy()
        wins, profits = (None if table is None else table.to_numpy() for table in (self.wins, self.profits_bps))
        year = None if self.times is None else inferred_frequency(self.times[self.sample_weight > 0])
        found = [
            figures(part, losses, wins, profits, self.moments, periods_per_year=year, overlap=self.overlap)
            for part in parts
        ]
        table = pd.DataFrame({name: np.stack([each[name] for each in found], axis=1).ravel() for name in found[0]})
        table.insert(0, "rival", np.repeat(np.array(self.rivals, dtype=object), len(parts)))
        table.insert(1, by, pd.Series([part.name for part in parts] * len(self.rivals), dtype=object))
        own = self.regimes if by == "regime" else self.groups
        pooled = np.arange(len(parts) - 1, len(table), len(parts))
        for word, labels in {f"worst_{by}": own, "worst_year": self._years}.items():
            if labels is not None and pd.Series(labels).nunique() > 1:
                worst = worst_labels(labels, losses, profits, self.sample_weight, self.moments)
                table[word] = pd.Series(worst, index=pooled, dtype=object).reindex(table.index)
        nothing = Change(float("nan"), float("nan"), float("nan"), "")
        changes = [nothing] * len(parts)
        changes += [change(part, rival, losses[:, 0], self.moments, block) for rival in losses.T[1:] for part in parts]
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

    def _parts(self, by: str) -> list[Part]:
        """The rows of each regime or group, and all of them."""
        given = self.sample_weight
        weight = given * ((given > 0).sum() / max(given.sum(), np.finfo(float).tiny))
        if by == "regime":
            return parts_by_regime(self.memberships, weight)
        if self.groups is None:
            raise ValueError("report(by='group') needs groups: pass groups= to walk_forward.")
        return parts_by_group(self.groups, weight)

    @property
    def _years(self) -> Any:
        return None if self.times is None else self.times.year

    def _of_ensembles(self, name: str) -> pd.DataFrame | None:
        if not self.explanations:
            return None
        found = {key: getattr(said, name) for key, said in self.explanations.items()}
        return pd.DataFrame(found, index=self.predictions.index, columns=list(self.rivals), dtype=float)

    def __len__(self) -> int:
        return len(self.predictions)

    def _head(self) -> str:
        first, last = (label(self.predictions.index[place]) for place in (0, -1))
        return f"Walk forward over {len(self):,} rows, {first} to {last}, trainings: {len(self.trainings)}"

    def __repr__(self) -> str:
        texts = _texts_of(self.report().query("regime == 'pooled'"))
        texts["rival"] = [shortened(name, _NAME_WIDTH) for name in texts["rival"]]
        about = f"{self.loss}, and its change against {shortened(self.rivals[0], _NAME_WIDTH)}:"
        return f"{self._head()}\n{about}\n{texts.rename(columns={'rival': ''}).to_string(index=False)}"

    def _repr_html_(self) -> str:
        report = self.report()
        texts = _texts_of(report.query("regime == 'pooled'"), intervals=True)
        about = f"{self._head()}. {self.loss}, and its change against {shortened(self.rivals[0], 60)}"
        tables = [html_table(about, list(texts.columns), texts.to_numpy().tolist(), words=("verdict",))]
        regimes = list(dict.fromkeys(report["regime"]))
        if len(regimes) > 1:
            cells = np.array([with_count(*each) for each in report[["loss", "n"]].to_numpy(dtype=float)], dtype=object)
            rows = np.column_stack([np.array(self.rivals, dtype=object), cells.reshape(len(self.rivals), -1)]).tolist()
            tables.append(html_table("Loss (rows) by regime", ["rival", *map(label, regimes)], rows))
        return notebook(*tables)


def _texts_of(pooled: pd.DataFrame, *, intervals: bool = False) -> pd.DataFrame:
    """Rows of a report as texts, what matters most first."""
    texts = pd.DataFrame({"rival": pooled["rival"], "n": pooled["n"].map(count), "loss": pooled["loss"].map(number)})
    ends = {"change": True, "win_rate": intervals, "profit_bps": intervals, "sharpe_annual": intervals}
    writers: dict[str, Any] = {
        "change": ("change", lambda share: percent(share, signed=True)),
        "win_rate": ("won", lambda share: percent(share, 0)),
        "profit_bps": ("bps", lambda value: "" if np.isnan(value) else f"{value:.3g}"),
        "sharpe_annual": ("Sharpe", lambda value: "" if np.isnan(value) else f"{value:.2f}"),
    }
    for name, (heading, written) in writers.items():
        if name not in pooled:
            continue
        columns = pooled[[name, f"{name}_low", f"{name}_high"]].to_numpy(dtype=float)
        texts[heading + (" [95 %]" if ends[name] else "")] = [
            written(middle) + (between(written(low), written(high)) if ends[name] else "")
            for middle, low, high in columns
        ]
        if name == "change":
            # A difference that is none in the digits shown would contradict them.
            hair = texts[heading + " [95 %]"].str.startswith(percent(0.0, signed=True)) & pooled[
                "verdict"
            ].str.contains(":")
            texts["verdict"] = pooled["verdict"].str.removeprefix("distinguishable: ") + np.where(
                hair, " by a hair", ""
            )
    return texts

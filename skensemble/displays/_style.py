"""How all displays look: one palette, hatches, bands of regimes, and series thinned so that a million rows draw fast.

The one rule: nothing is told by colour alone. What a colour tells, a hatch, a line style or a word tells too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from skensemble._judged import likeliest_places
from skensemble._texts import shortened

__all__ = [
    "COLOURS",
    "FEW",
    "HATCHES",
    "LINES",
    "LINE_COLOURS",
    "PLAIN",
    "Axis",
    "axis_of",
    "draw_bands",
    "draw_cells",
    "height_of_legend",
    "lay_time",
    "named",
    "panels",
    "scale_of",
    "short",
    "show_bar",
    "show_legend",
    "show_title",
    "span",
    "starts_of_stretches",
    "thinned",
    "width_of_names",
    "width_of_text",
]

Array = NDArray[np.float64]

# M. Okabe and K. Ito, "Color universal design", 2008: people of all kinds of colour vision can tell these apart.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
HATCHES = ("", "///", "...", "\\\\\\", "xxx", "ooo", "---", "|||")
# Of those colours the ones that are darkest in grey come first: lines are drawn before grey bands.
LINE_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (8, 2)))
# A dollar in a name is a dollar, and begins no formula.
PLAIN: dict[str, Any] = {"parse_math": False}
# Figures of fewer outcomes than this are hatched: they may be anything.
FEW = 30

# Bands are light enough for every line before them to be seen, in grey too.
_LIGHTEST, _DARKEST = 0.97, 0.76
_MOST_SHADES = 4
_MOST_STRETCHES = 1_000
# Characters of a name.
_NAME_WIDTH = 26
_SMALL = 8.5
# Smaller texts cannot be read.
_SMALLEST = 4.0
# In a place much smaller than a display's own figure texts are smaller, but no smaller than this part of their size,
# ticks are fewer, and what has no room is cut or left out.
_LEAST_SCALE = 0.55
_FEW_TICKS, _ROUND = 3, (1, 2, 5, 10)


class Axis(NamedTuple):
    """Where rows stand on the horizontal axis.

    Parameters
    ----------
    x : ndarray of shape (n_rows,)
        Ascending: days of matplotlib where the rows have times, otherwise row numbers.
    has_times : bool
        Which of the two.
    """

    x: Array
    has_times: bool


def axis_of(index: pd.Index[Any]) -> Axis:
    """Say where rows stand: at their times, at their numbers, or one after the other."""
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    if isinstance(index, pd.DatetimeIndex):
        days = (index.tz_localize(None) - pd.Timestamp(0)) / pd.Timedelta(days=1)
        return Axis(np.asarray(days, dtype=float), True)
    ascending = pd.api.types.is_numeric_dtype(index.dtype) and index.is_monotonic_increasing
    return Axis(np.asarray(index, dtype=float) if ascending else np.arange(len(index), dtype=float), False)


def named(who: str) -> str:
    """How a title calls an ensemble: by its name, or as the ensemble."""
    return f"the {who}" if who in ("ensemble", "live ensemble") else short(who)


def short(name: object) -> str:
    """A name of a model or regime that leaves room for the picture."""
    return shortened(name, _NAME_WIDTH)


def span(index: pd.Index[Any], what: str = "rows") -> str:
    """From when to when, and how many."""
    n = f"n = {len(index):,}"
    if not len(index):
        return n
    first, last = (_moment(index[place]) for place in (0, -1))
    between = first if first == last else f"{first} to {last}"
    return f"{between}, {n}" if isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex)) else f"{what} {between}, {n}"


def _moment(label: Any) -> str:
    if isinstance(label, pd.Timestamp) and label != label.normalize():
        return f"{label:%Y-%m-%d %H:%M}"
    return f"{label:%Y-%m-%d}" if isinstance(label, pd.Timestamp) else str(label)


# Thinning.


def starts_of_stretches(n: int, n_most: int = _MOST_STRETCHES) -> NDArray[np.intp]:
    """Cut n rows into at most so many stretches of one length: where each begins."""
    return np.unique(np.linspace(0, n, min(n, n_most), endpoint=False).astype(np.intp))


def thinned(values: Array, n_most: int = _MOST_STRETCHES) -> NDArray[np.intp]:
    """Choose the rows that a line cannot do without: the first, last, lowest and highest of every stretch.

    Examples
    --------
    >>> thinned(np.array([0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0, -9.0, 0.0, 0.0, 0.0, 0.0]), 2)
    array([ 0,  2,  5,  6,  7, 11])
    """
    n = len(values)
    if n <= 4 * n_most:
        return np.arange(n)
    starts = starts_of_stretches(n, n_most)
    stops = np.append(starts[1:], n)
    kept = [starts, stops - 1]
    for filled, farthest in ((np.inf, np.argmin), (-np.inf, np.argmax)):
        known = np.where(np.isfinite(values), values, filled)
        places = [start + farthest(known[start:stop]) for start, stop in zip(starts, stops, strict=True)]
        kept.append(np.array(places, dtype=np.intp))
    return np.unique(np.concatenate(kept))


# Figures and axes.


def panels(
    owner: str, ax: Any, heights: Sequence[float] = (1.0,), *, size: tuple[float, float], across: bool = False
) -> tuple[Any, list[Any]]:
    """Make axes, below or beside each other, in a figure of their own or in the place of ``ax``."""
    if find_spec("matplotlib") is None:
        raise ImportError(f'{owner}.plot needs matplotlib, which is not installed. Run: pip install "skensemble[plot]"')
    n = len(heights)
    shape, ratios = ((1, n), "width_ratios") if across else ((n, 1), "height_ratios")
    if ax is None:
        from matplotlib import pyplot  # noqa: PLC0415 - an extra: numbers do without it

        figure = pyplot.figure(figsize=size, layout="constrained")
        cells = figure.add_gridspec(*shape, **{ratios: heights})
    elif not hasattr(ax, "get_figure") or not hasattr(ax, "plot"):
        raise ValueError(f"ax of {owner}.plot must be one Axes of matplotlib, or None for a new figure; got {ax!r}.")
    elif n == 1:
        figure, cells = ax.get_figure(), None
    else:
        figure, place = ax.get_figure(), ax.get_subplotspec()
        if place is None:
            raise ValueError(
                f"{owner}.plot draws {n} panels in the place of ax, which must come from subplots() or a GridSpec for "
                f"this; got one that was placed by hand."
            )
        ax.set_axis_off()
        cells = place.subgridspec(*shape, **{ratios: heights})
    first = ax if cells is None else figure.add_subplot(cells[0])
    shared = None if across else first
    made = [first, *(figure.add_subplot(cells[place], sharex=shared) for place in range(1, n))]
    if ax is not None:
        _shrink(made, min(ax.bbox.width / size[0], ax.bbox.height / size[1]) / figure.dpi)
    return figure, made


def scale_of(axes: Any) -> float:
    """How large texts are in axes, as a part of what is usual: as large as its labels."""
    from matplotlib import rcParams  # noqa: PLC0415 - an extra

    return float(min(1.0, axes.yaxis.label.get_size() / rcParams["font.size"]))


def width_of_text(text: str, size: float) -> float:
    """Inches that a text of so many points takes, about."""
    return 0.55 * len(text) * size / 72


def _shrink(several: Sequence[Any], part: float) -> None:
    """Make what matplotlib writes by itself small and rare enough for a place that is such a part of the usual one."""
    from matplotlib import rcParams  # noqa: PLC0415 - an extra
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    # Around the axes of a figure of its own there is room for a quarter more.
    scale = max(1.7 * part, _LEAST_SCALE)
    if scale >= 1.0:
        return
    size = scale * rcParams["font.size"]
    for axes in several:
        axes.tick_params(labelsize=size, length=3.5 * scale, pad=3.5 * scale)
        for line in (axes.xaxis, axes.yaxis):
            line.label.set_size(size)
            line.get_offset_text().set_size(size)
            line.set_major_locator(MaxNLocator(_FEW_TICKS, steps=_ROUND))


def show_bar(axes: Any, mesh: Any, label: str, **given: Any) -> Any:
    """Draw beside the axes what its colours mean."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415 - an extra

    bar = axes.figure.colorbar(mesh, ax=axes, label=label, **given)
    scale = scale_of(axes)
    if scale < 1.0:
        size = scale * bar.ax.yaxis.label.get_size()
        bar.ax.tick_params(labelsize=size)
        bar.ax.yaxis.label.set_size(size)
        bar.locator = MaxNLocator(_FEW_TICKS, steps=_ROUND)
    return bar


def show_title(axes: Any, subject: str, details: str) -> None:
    """Say what one looks at, and below it, smaller, of when and of how many."""
    scale = scale_of(axes)
    size, small = 11 * scale, _SMALL * scale
    if scale < 1.0:
        room = 1.2 * axes.bbox.width / axes.figure.dpi
        subject = shortened(subject, int(room / width_of_text("n", size)))
        details = details if width_of_text(details, small) <= room else ""
    axes.set_title(f"{subject}\n", loc="left", fontsize=size, **PLAIN)
    style: dict[str, Any] = {"ha": "left", "va": "bottom", "fontsize": small, "color": "#444444", **PLAIN}
    place: dict[str, Any] = {"xycoords": "axes fraction", "xytext": (0, 1), "textcoords": "offset points"}
    # The line that the title leaves empty has room for it; the layout must not make any beside the axes.
    axes.annotate(details, (0, 1), **place, **style).set_in_layout(False)


def show_legend(axes: Any, groups: Mapping[str, Sequence[Any]]) -> None:
    """Put a legend right of the axes, with a heading over each group."""
    from matplotlib.lines import Line2D  # noqa: PLC0415 - an extra

    told = {title: handles for title, handles in groups.items() if handles}
    if not told:
        return
    scale = scale_of(axes)
    size = _SMALL * scale
    while scale < 1.0 and len(told) > 1 and _lines(told) * 1.5 * size / 72 > axes.bbox.height / axes.figure.dpi:
        told.popitem()
    entries: list[Any] = []
    for title, handles in told.items():
        # A line that is none, so that the heading begins where the symbols do.
        heading = [Line2D([], [], linestyle="none", label=title)] if entries else []
        entries += [*heading, *handles]
    style: dict[str, Any] = {"title": next(iter(told)), "frameon": False, "borderaxespad": 0.0, "handleheight": 1.4}
    style |= {"fontsize": size, "title_fontsize": size} | ({"handlelength": 1.4} if scale < 1.0 else {})
    corner: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}
    # What begins with an underscore would be left out.
    labels = [entry.get_label() for entry in entries]
    labels = [f" {label}" if label.startswith("_") else label for label in labels]
    legend = axes.legend(entries, labels, **corner, **style)
    legend.set_alignment("left")
    for text in legend.get_texts():
        text.set(**PLAIN)


def _lines(groups: Mapping[str, Sequence[Any]]) -> int:
    return sum(1 + len(handles) for handles in groups.values())


def height_of_legend(*n_entries: int) -> float:
    """Inches that groups of so many entries need, with their headings and the title above."""
    return 0.19 * sum(n + 1 for n in n_entries if n) + 1.0


def lay_time(axes: Any, axis: Axis, *, labelled: bool = True) -> None:
    """Bound the horizontal axis by the rows, and label it, unless the axes below do."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415 - an extra

    x = axis.x
    if len(x):
        axes.set_xlim(x[0], x[-1] if x[-1] > x[0] else x[0] + 1.0)
    if axis.has_times:
        locator = AutoDateLocator(**({"minticks": 2, "maxticks": _FEW_TICKS} if scale_of(axes) < 1.0 else {}))
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    if labelled:
        # In a small place dates speak for themselves.
        axes.set_xlabel(("time" if scale_of(axes) == 1.0 else "") if axis.has_times else "row")
    else:
        axes.tick_params(labelbottom=False)
        axes.xaxis.get_offset_text().set_visible(False)


def width_of_names(names: Sequence[object]) -> float:
    """Inches that names beside the axes need."""
    return 0.085 * max((len(short(name)) for name in names), default=0) + 0.3


# Regimes as bands.


def draw_bands(axes: Any, axis: Axis, memberships: pd.DataFrame) -> list[Any]:
    """Draw behind everything which regime each row is in; what the legend needs, empty where there is nothing to tell.

    Of a long series every stretch has the regime that is in it most.
    """
    names, regime = list(memberships.columns), likeliest_places(memberships)
    starts = starts_of_stretches(len(regime))
    if not names or (len(names) == 1 and (regime == 0).all()):
        return []
    if len(starts) < len(regime):
        shares = np.eye(len(names) + 1)[regime]
        regime = np.add.reduceat(shares, starts, axis=0).argmax(axis=1)
    edges = np.append(axis.x[starts], axis.x[-1] + _step(axis.x)) if len(regime) else np.zeros(1)
    changes = np.flatnonzero(np.diff(regime, prepend=-1))
    stops = np.append(changes[1:], len(regime))
    handles = []
    for place, look in enumerate(_looks(len(names))):
        own = regime[changes] == place
        if place == len(names) and not own.any():
            continue
        bars = [(edges[a], edges[b] - edges[a]) for a, b in zip(changes[own], stops[own], strict=True)]
        label = short(names[place]) if place < len(names) else "unknown"
        handles.append(_bars(axes, bars, label, look))
    return handles


def _step(x: Array) -> float:
    steps = np.diff(x)
    return float(np.median(steps)) if len(steps) else 1.0


def _looks(n: int) -> list[dict[str, Any]]:
    """Shades of grey, and hatches where there are more regimes than one can tell apart by shade; the last: unknown."""
    n_shades = min(max(n, 2), _MOST_SHADES)
    shades = np.linspace(_LIGHTEST, _DARKEST, n_shades)
    looks = [
        {"facecolor": str(shades[place % n_shades]), "hatch": HATCHES[place // n_shades % len(HATCHES)]}
        for place in range(n)
    ]
    return [*looks, {"facecolor": "white", "hatch": "xx"}]


def _bars(axes: Any, bars: Sequence[tuple[float, float]], label: str, look: dict[str, Any]) -> Any:
    from matplotlib.patches import Patch  # noqa: PLC0415 - an extra

    # The edge is the colour of the hatch; without one it would show as a seam between bands.
    edge = {"edgecolor": "#777777" if look["hatch"] else "none", "linewidth": 0.0}
    drawn = axes.broken_barh(bars, (0, 1), transform=axes.get_xaxis_transform(), zorder=0.1, **look, **edge)
    drawn.set_label(label)
    return Patch(label=label, edgecolor="#777777", linewidth=0.5, **look)


# Tables as heat maps.


def draw_cells(
    axes: Any,
    values: Array,
    texts: Sequence[Sequence[str]],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    limits: tuple[float, float],
    hatched: NDArray[np.bool_],
    palette: str = "cividis",
) -> Any:
    """Draw a table whose cells are coloured by value and say it in words; returns what a colour bar needs.

    The palette runs from dark to light, so that it can be read in grey too.
    """
    from matplotlib.patches import Rectangle  # noqa: PLC0415 - an extra

    n_rows, n_columns = values.shape
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(values), cmap=palette, vmin=limits[0], vmax=limits[1], edgecolors="white", linewidth=1.0
    )
    width, height = _cell_size(axes, rows, n_columns)
    size = min(9.0 * scale_of(axes), _text_size(texts, width, height))
    for i in range(n_rows):
        for j in range(n_columns):
            light = not np.isfinite(values[i, j]) or _is_light(mesh.cmap(mesh.norm(values[i, j])))
            colour = "black" if light else "white"
            if hatched[i, j]:
                look: dict[str, Any] = {"hatch": "///", "edgecolor": colour, "alpha": 0.35, "linewidth": 0.0}
                axes.add_patch(Rectangle((j, i), 1, 1, facecolor="none", **look))
            if size >= _SMALLEST:
                axes.text(j + 0.5, i + 0.5, texts[i][j], ha="center", va="center", fontsize=size, color=colour)
    columns = [*map(short, columns)]
    slanted = max(map(len, columns), default=0) * 0.085 * scale_of(axes) > width
    turned: dict[str, Any] = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"} if slanted else {}
    axes.set_xticks(np.arange(n_columns) + 0.5, columns, **turned, **PLAIN)
    axes.set_yticks(np.arange(n_rows) + 0.5, [*map(short, rows)], **PLAIN)
    axes.tick_params(length=0)
    axes.invert_yaxis()
    for spine in axes.spines.values():
        spine.set_visible(False)
    return mesh


def _cell_size(axes: Any, rows: Sequence[str], n_columns: int) -> tuple[float, float]:
    """Width and height of a cell in inches, as far as they are known before the layout."""
    width, height = 0.8 * axes.bbox.width / axes.figure.dpi, 0.9 * axes.bbox.height / axes.figure.dpi
    scale = scale_of(axes)
    if scale < 1.0:
        # Names and colour bar take what a figure of its own would have added for them.
        width -= scale * (width_of_names(rows) + 0.4)
    return max(width, 0.0) / max(n_columns, 1), height / max(len(rows), 1)


def _text_size(texts: Sequence[Sequence[str]], width: float, height: float) -> float:
    """Points in which all texts fit into their cells."""
    lines = [text.split("\n") for row in texts for text in row]
    tallest = max(map(len, lines), default=1)
    longest = max((len(line) for each in lines for line in each), default=1)
    return min(72 * height / (1.35 * tallest), 72 * width / (0.62 * max(longest, 1)))


def _is_light(colour: Any) -> bool:
    red, green, blue = colour[:3]
    return bool(0.299 * red + 0.587 * green + 0.114 * blue > 0.5)

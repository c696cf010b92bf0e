"""Figures for papers: curves over seeds, drawn by matplotlib without touching its global state.

What is drawn is plain data (:class:`Panel`, :class:`Series`), so that it can be checked, and drawn elsewhere, too.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from styleapp.data.files import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "OKABE_ITO",
    "SUFFIXES",
    "Panel",
    "Scale",
    "Series",
    "check_suffix",
    "draw",
    "figure_bytes",
    "series_of",
    "write_figure",
]

OKABE_ITO = {
    "black": "#000000",
    "orange": "#e69f00",
    "sky": "#56b4e9",
    "green": "#009e73",
    "blue": "#0072b2",
    "vermillion": "#d55e00",
    "purple": "#cc79a7",
    "grey": "#7a7a7a",
}
"""Colours that the colour-blind can tell apart (Okabe & Ito 2008); grey for their yellow, too faint on white."""

COLOURS = {
    "none": "black",
    "batch": "vermillion",
    "layer": "blue",
    "instance": "green",
    "group": "orange",
    "moving_batch": "purple",
    "revisited_batch": "sky",
    "weight_norm": "green",
    "bounded_weight_norm": "purple",
    "weight_standardization": "sky",
    "spectral_norm": "grey",
}
"""A normalization has the same colour in all figures."""

MARKERS = "osD^vP*X"
SUFFIXES = (".png", ".svg", ".pdf")
PANEL_INCHES = (4.4, 3.3)
DOTS_PER_INCH = 160
LEGEND_INCHES = 1.9
FEW = 8  # points of a series, up to which each is marked
NEAR = 300  # ratio of a logarithmic axis' ends, up to which 2 and 5 are labelled, too
WIDEST, NARROWEST = 2.8, 1.3  # points; of the first line and the last, so that a line shows under one that covers it

Scale = Literal["linear", "log"]


@dataclass(frozen=True)
class Series:
    """A line with a band: the mean over seeds, from the smallest to the largest.

    Attributes:
        name: in the legend. Series of the same name in several panels look alike and have one entry.
        x: places, in rising order.
        values: one sequence a seed, each as long as ``x``. What is not finite leaves a gap.
        shade: 0 to 1, a place on a sequential colour map, for series that have an order; else a colour of its own.
        dashed: for what is compared with.
    """

    name: str
    x: tuple[float, ...]
    values: tuple[tuple[float, ...], ...]
    shade: float | None = None
    dashed: bool = False

    def __post_init__(self) -> None:
        if not self.values or any(len(line) != len(self.x) for line in self.values):
            raise ValueError(f"series {self.name!r} must have {len(self.x)} values for each of at least one seed")

    def band(self) -> tuple[list[float], list[float], list[float]]:
        """Smallest, mean and largest of the seeds, place by place; NaN where none is finite."""
        columns = [[value for value in column if math.isfinite(value)] for column in zip(*self.values, strict=True)]
        means = [sum(column) / len(column) if column else math.nan for column in columns]
        return [min(c, default=math.nan) for c in columns], means, [max(c, default=math.nan) for c in columns]


def series_of(points: Iterable[tuple[str, int, float, float]], **looks: Callable[[str], Any]) -> tuple[Series, ...]:
    """A series for each name, a line in it for each seed; NaN where a seed has no value at a place of the others.

    Args:
        points: name, seed, place and value of each.
        looks: by field of :class:`Series`, a function of the name.
    """
    lines: dict[str, dict[int, dict[float, float]]] = {}
    for name, seed, place, value in points:
        lines.setdefault(name, {}).setdefault(seed, {})[place] = value
    series = []
    for name, of_seeds in lines.items():
        places = tuple(sorted({place for line in of_seeds.values() for place in line}))
        values = tuple(tuple(line.get(place, math.nan) for place in places) for line in of_seeds.values())
        series.append(Series(name, places, values, **{field: look(name) for field, look in looks.items()}))
    return tuple(series)


@dataclass(frozen=True)
class Panel:
    """A pair of axes with its lines; labels name what is shown and its unit."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    x_scale: Scale = "linear"
    y_scale: Scale = "linear"


def draw(panels: Sequence[Panel], title: str) -> "Figure":
    """All panels, at most two in a row, with one legend beside them.

    Args:
        panels: at least one.
        title: over the figure; how many seeds the bands hold is said below it.
    """
    from matplotlib.figure import Figure

    columns = min(len(panels), 2)
    rows = math.ceil(len(panels) / columns)
    size = (PANEL_INCHES[0] * columns + LEGEND_INCHES, PANEL_INCHES[1] * rows + 0.5)
    figure = Figure(figsize=size, layout="constrained")
    looks = _looks(panels)
    axes = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    for place, panel in zip(axes, panels, strict=False):
        _draw_panel(place, panel, looks)
    for unused in axes[len(panels) :]:
        unused.remove()
    seeds = max(len(series.values) for panel in panels for series in panel.series)
    band = f"lines: mean of {seeds} seeds; bands: smallest to largest" if seeds > 1 else "one seed"
    figure.suptitle(f"{title}\n", x=0.01, ha="left", fontsize=12, fontweight="bold")
    figure.text(0.01, 0.99 - 0.27 / size[1], band, ha="left", va="top", fontsize=9, color="#555555")
    handles = {line.get_label(): line for place in axes[: len(panels)] for line in place.get_lines()}
    figure.legend(handles.values(), handles.keys(), loc="outside right center", frameon=False, fontsize=9)
    return figure


def figure_bytes(figure: "Figure", suffix: str) -> bytes:
    """The file that a figure makes.

    Args:
        suffix: one of :data:`SUFFIXES`.
    """
    stream = BytesIO()
    undated: dict[str, Callable[[], dict[str, Any]]] = {
        ".png": dict,
        ".svg": lambda: {"Date": None},
        ".pdf": lambda: {"CreationDate": None},
    }
    figure.savefig(stream, format=suffix[1:], dpi=DOTS_PER_INCH, metadata=undated[suffix]())
    return stream.getvalue()


def check_suffix(path: str | Path) -> str:
    """The suffix of a file for a figure, in lower case.

    Raises:
        ValueError: no such figures are drawn.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"{path}: a figure's name must end with {', '.join(SUFFIXES)}")
    return suffix


def write_figure(figure: "Figure", path: str | Path) -> None:
    """Writes a figure, in full or not at all.

    Raises:
        ValueError: the name has another suffix than :data:`SUFFIXES`, or it cannot be written.
    """
    content = figure_bytes(figure, check_suffix(path))
    try:
        write_whole(Path(path), content)
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror or error}") from error


def _looks(panels: Sequence[Panel]) -> dict[str, dict[str, Any]]:
    """Colour, marker and dashes of each series by its name: told apart without colour, too."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    series = {one.name: one for panel in panels for one in panel.series}
    taken = {COLOURS[name] for name in series if name in COLOURS}
    spare = cycle([name for name in OKABE_ITO if name not in taken] or list(OKABE_ITO))
    looks = {}
    for index, (name, one) in enumerate(series.items()):
        if one.shade is None:
            colour = OKABE_ITO[COLOURS[name] if name in COLOURS else next(spare)]
        else:
            colour = to_hex(colormaps["viridis"](0.88 * one.shade))  # its brightest end is too faint on white
        looks[name] = {
            "color": colour,
            "marker": MARKERS[index % len(MARKERS)],
            "linestyle": "--" if one.dashed else "-",
            "linewidth": WIDEST - (WIDEST - NARROWEST) * index / max(1, len(series) - 1),
        }
    return looks


def _draw_panel(place: "Axes", panel: Panel, looks: dict[str, dict[str, Any]]) -> None:
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    for index, series in enumerate(panel.series):
        low, mean, high = series.band()
        look = looks[series.name]
        every = max(1, len(series.x) // FEW)
        place.plot(series.x, mean, label=series.name, markersize=5, markevery=(index % every, every), **look)
        if len(series.values) > 1:
            place.fill_between(series.x, low, high, color=look["color"], alpha=0.18, linewidth=0)
    place.set_xscale(panel.x_scale)
    place.set_yscale(panel.y_scale)
    ticks = sorted({x for series in panel.series for x in series.x})
    if panel.x_scale == "log" and len(ticks) <= FEW:  # sizes that double: each has its own tick
        place.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        place.set_xticks([], minor=True)
    elif panel.x_scale == "linear":
        place.xaxis.set_major_locator(MaxNLocator(integer=all(tick == int(tick) for tick in ticks)))
    if panel.y_scale == "log":
        bottom, top = place.get_ylim()
        if top < NEAR * bottom:
            place.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            place.yaxis.set_major_formatter("{x:g}")
        place.yaxis.set_minor_formatter(NullFormatter())
    place.set_title(panel.title, fontsize=10, loc="left")
    place.set_xlabel(panel.x_label, fontsize=9)
    place.set_ylabel(panel.y_label, fontsize=9)
    place.tick_params(labelsize=8)
    place.grid(alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        place.spines[side].set_visible(False)

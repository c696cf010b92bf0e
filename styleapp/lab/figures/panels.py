"""Parts of figures beside the block of features: value plots, bars, tables, matrices, maps and notes."""

from collections.abc import Sequence
from statistics import NormalDist

import torch
from torch import Tensor

from styleapp.lab.figures.svg import BLUE, FAINT, GREY, INK, LINE, RED, Drawing, Point, Tone, mixed

__all__ = ["SAMPLE", "bars", "grid", "heading", "note", "notes", "spread", "swatch_notes"]

QUANTILES = [NormalDist().inv_cdf((index + 0.5) / 40) for index in range(40)]
SAMPLE = torch.tensor([value + 0.18 * value**2 for value in QUANTILES], dtype=torch.float64)
"""The values of one channel in the figures: 40 of a bell that leans a little to the right."""

UNIT = 34.0  # pixels of 1 in a plot of values


def heading(drawing: Drawing, words: str, below: str = "") -> None:
    """What the figure says, over it, and how it is in training and in evaluation, under it."""
    drawing.text(24, 32, words, size=15, bold=True)
    if below:
        drawing.text(24, drawing.height - 16, below, size=12.5, fill=FAINT)


def note(drawing: Drawing, x: float, y: float, words: str, anchor: str = "start", fill: str = INK) -> None:
    """A line of the size that all notes have."""
    drawing.text(x, y, words, size=13, anchor=anchor, fill=fill)


def notes(drawing: Drawing, x: float, y: float, lines: Sequence[str], fill: str = INK) -> None:
    """Lines under each other."""
    for index, words in enumerate(lines):
        note(drawing, x, y + 19 * index, words, fill=fill)


def swatch_notes(drawing: Drawing, x: float, y: float, lines: Sequence[tuple[Tone, str]]) -> None:
    """A legend: what a colour stands for."""
    for index, (tone, words) in enumerate(lines):
        drawing.box(x, y + 27 * index - 12, 15, 15, tone.front, radius=3)
        note(drawing, x + 24, y + 27 * index, words)


def spread(
    drawing: Drawing, x: float, y: float, values: Tensor, counted: Tensor, centre: float, *,
    unit: float = UNIT, dot: float = 3.9, height: float = 66,
) -> None:  # fmt: skip
    """Values as dots over an axis, those that count in red; the centre is a dashed line.

    Args:
        x: where the value 0 is.
        y: height of the axis.
        counted: a boolean a value.
        unit: pixels of the value 1.
        dot: radius in pixels.
        height: of the dashed line.
    """
    pitch = 2 * dot + 1.2
    ends = [x + unit * float(end) for end in (values.min(), values.max())]
    drawing.line([(ends[0] - 14, y), (ends[1] + 14, y)], LINE)
    drawing.line([(x + unit * centre, y + 5), (x + unit * centre, y - height)], FAINT, 1.2, dashed=True)
    stacked: dict[int, int] = {}
    for value, counts in zip(values.tolist(), counted.tolist(), strict=True):
        column = round(unit * value / pitch)
        stacked[column] = stacked.get(column, 0) + 1
        place = (x + column * pitch, y + pitch / 3 - stacked[column] * pitch)
        drawing.dot(*place, dot, RED.front if counts else GREY.side)


def reach(drawing: Drawing, x: float, y: float, left: float, right: float, words: str, tone: str = RED.front) -> None:
    """A bracket from one value to another with what it is; x is where the value 0 is."""
    a, b = x + UNIT * left, x + UNIT * right
    drawing.line([(a, y - 5), (a, y + 5)], tone, 2)
    drawing.line([(b, y - 5), (b, y + 5)], tone, 2)
    drawing.line([(a, y), (b, y)], tone, 2)
    note(drawing, b + 10, y + 4.5, words, fill=tone if tone != LINE else FAINT)


def bars(
    drawing: Drawing, x: float, y: float, heights: Sequence[float], tones: Sequence[Tone], names: Sequence[str] = (),
    width: float = 22, pitch: float = 30,
) -> None:  # fmt: skip
    """Upright bars on a line at y, heights in pixels, with names under them."""
    drawing.line([(x - 6, y), (x + pitch * (len(heights) - 1) + width + 6, y)], LINE)
    for index, (height, tone) in enumerate(zip(heights, tones, strict=True)):
        drawing.box(x + pitch * index, y - height, width, height, tone.front, radius=2)
        if names:
            drawing.text(x + pitch * index + width / 2, y + 16, names[index], size=12, fill=FAINT, anchor="middle")


def grid(
    drawing: Drawing, x: float, y: float, values: Sequence[Sequence[float]], tone: Tone = BLUE, cell: float = 20
) -> None:
    """A table of values 0 to 1 as shades of a colour."""
    for row, line in enumerate(values):
        for column, value in enumerate(line):
            shade = mixed("#f3f6fb", tone.front, value)
            drawing.box(x + column * cell, y + row * cell, cell, cell, shade, "#ffffff")


def stack(
    drawing: Drawing, x: float, y: float, colours: Sequence[Sequence[str]], planes: int, cell: float = 13
) -> Point:
    """A map in colours, repeated into the depth as planes of channels; gives the middle of its right edge."""
    rows, columns = len(colours), len(colours[0])
    for plane in reversed(range(planes)):
        left, top = x + 7 * plane, y - 6 * plane
        drawing.box(left - 1.5, top - 1.5, columns * cell + 3, rows * cell + 3, "#ffffff")
        for row, line in enumerate(colours):
            for column, colour in enumerate(line):
                drawing.box(left + column * cell, top + row * cell, cell, cell, colour, "#ffffff")
    return x + columns * cell + 7 * (planes - 1), y + rows * cell / 2

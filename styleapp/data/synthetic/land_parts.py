"""What label maps of landscapes are put together of: ridges, tree lines, roads in perspective, houses, animals, cars.

Lengths are in shorter sides of the picture, and a line is a height for each of its columns.
"""

from collections.abc import Sequence

import numpy as np

from styleapp.data.synthetic.fields import ridge
from styleapp.data.synthetic.label_canvas import LabelCanvas, Line

__all__ = [
    "LAND",
    "at",
    "boat",
    "car",
    "conifers",
    "cow",
    "flowers",
    "herd",
    "house",
    "level",
    "mountain_range",
    "peaks",
    "row_of_houses",
    "sky",
    "tree",
    "tree_line",
    "wave",
    "way",
]

Random = np.random.Generator
Names = str | Sequence[str]
Point = tuple[float, float]

LAND = ("grass", "ground", "snow")
"""What plain land is: the first that a label set has."""


# Lines


def wave(canvas: LabelCanvas, random: Random, height: float, swing: float, bumps: float = 1.5) -> Line:
    """A smooth line about a height: a curved horizon, a shore, a hill."""
    phases, sizes = random.uniform(0, 2 * np.pi, 3), random.uniform(0.5, 1, 3) / (1, 2.2, 4)
    x = canvas.columns / canvas.width
    turns = zip((1, 2.1, 3.7), phases, sizes, strict=True)
    total = np.sum([size * np.sin(2 * np.pi * bumps * turn * x / 2 + phase) for turn, phase, size in turns], axis=0)
    return height + swing * total / 1.3


def peaks(canvas: LabelCanvas, random: Random, low: float, high: float, bumps: int) -> Line:
    """A jagged line between two heights, the summits at ``high``."""
    return low - (low - high) * ridge(random, len(canvas.columns), bumps, octaves=4, gain=0.42)


def level(canvas: LabelCanvas, height: float) -> Line:
    """A straight horizon."""
    return np.full_like(canvas.columns, height)


def at(canvas: LabelCanvas, line: Line, x: float) -> float:
    """How high a line is at one place."""
    return float(np.interp(x, canvas.columns, line))


# Land


def sky(canvas: LabelCanvas) -> None:
    """Sky everywhere."""
    canvas.box("sky", 0, 0, canvas.width, canvas.height)


def mountain_range(
    canvas: LabelCanvas, random: Random, horizon: Line, summits: float, *, bumps: int = 3, snow: float = 0.0
) -> None:
    """Mountains down to a horizon.

    Args:
        summits: their height, measured from the top.
        snow: how far it reaches down from the highest summit, as a share of their height.
    """
    low = float(horizon.min())
    line = peaks(canvas, random, low - 0.25 * (low - summits), summits, bumps)
    canvas.between("mountain", line, horizon)
    if snow > 0:
        edge = peaks(
            canvas, random, summits + snow * (low - summits), summits + 0.6 * snow * (low - summits), 4 * bumps
        )
        canvas.between("snow", line, np.minimum(edge, horizon))


def tree_line(canvas: LabelCanvas, random: Random, base: Line, height: float) -> None:
    """A wood whose crowns stand out against what is behind it, its feet on a line."""
    x = -0.5 * height
    while x < canvas.width + 0.5 * height:
        width, tall = height * random.uniform(0.35, 0.6), height * random.uniform(0.6, 1.0)
        foot = at(canvas, base, x)
        canvas.ellipse("tree", (x, foot - tall + width), (width, width * random.uniform(0.8, 1.2)))
        x += width * random.uniform(0.7, 1.2)
    canvas.between("tree", base - 0.5 * height, base)


def tree(canvas: LabelCanvas, random: Random, x: float, foot: float, height: float) -> None:
    """A leaf tree: a trunk and a crown of several rounds."""
    trunk, crown = 0.05 * height, 0.3 * height
    sides = [(x - trunk, foot), (x - 0.6 * trunk, foot - 0.6 * height), (x + 0.6 * trunk, foot - 0.6 * height)]
    canvas.polygon("tree", [*sides, (x + trunk, foot)])
    centre = foot - height + 1.15 * crown
    canvas.ellipse("tree", (x, centre), (crown, crown))
    for _ in range(6):
        away, turn, size = crown * random.uniform(0.4, 0.7), random.uniform(0, 2 * np.pi), random.uniform(0.45, 0.7)
        place = (x + away * np.cos(turn), centre + 0.75 * away * np.sin(turn))
        canvas.ellipse("tree", place, (size * crown, size * crown))


def conifers(canvas: LabelCanvas, random: Random, line: Line, height: float, gap: float) -> None:
    """Firs along a line, ``gap`` times their width apart."""
    x = random.uniform(-0.2, 0.5) * height
    while x < canvas.width + 0.2 * height:
        tall = height * random.uniform(0.55, 1.0)
        half = 0.2 * tall
        _fir(canvas, x, at(canvas, line, x) + 0.06 * tall, tall)
        x += half * (1 + gap * random.uniform(0.5, 1.5))


def _fir(canvas: LabelCanvas, x: float, foot: float, tall: float) -> None:
    if not canvas.is_land(min(max(x, 0), canvas.width - 1e-6), foot):
        return
    for share in (1.0, 0.75, 0.5):  # three tiers
        top = foot - tall * (0.4 + 0.62 * share)
        bottom = foot - tall * (0.06 + 0.54 * (1 - share))
        half = 0.2 * tall * share
        canvas.polygon("tree", [(x, top), (x + half, bottom), (x - half, bottom)])
    canvas.box("tree", x - 0.03 * tall, foot - 0.1 * tall, x + 0.03 * tall, foot)


def way(
    canvas: LabelCanvas, names: Names, top: Point, bottom: Point, bend: float,
    widths: tuple[float, float],
) -> list[Point]:  # fmt: skip
    """A road or river in perspective; gives its middle from there to here.

    Args:
        top, bottom: x and y of the middle where it vanishes and where it comes to us.
        bend: how far it swings to the side in between.
        widths: there and here.
    """
    near = np.linspace(0, 1, 40) ** 1.6  # more points where it is far away
    x = top[0] + (bottom[0] - top[0]) * near + bend * np.sin(2 * np.pi * near**0.6) * (0.15 + near * (1 - near))
    y = top[1] + (bottom[1] - top[1]) * near
    half = (widths[0] + (widths[1] - widths[0]) * near**1.1) / 2
    left, right = zip(x - half, y, strict=True), zip((x + half)[::-1], y[::-1], strict=True)
    canvas.polygon(names, [(float(a), float(b)) for a, b in (*left, *right)])
    return [(float(a), float(b)) for a, b in zip(x, y, strict=True)]


# Things


def house(canvas: LabelCanvas, random: Random, x: float, foot: float, height: float) -> None:
    """A house with a gable or a hipped roof."""
    half, wall = height * random.uniform(0.5, 0.9), 0.6 * height
    canvas.box("building", x - half, foot - wall, x + half, foot)
    ridge_half = half * random.choice([0.0, 0.6])
    roof = [(x - 1.1 * half, foot - wall), (x - ridge_half, foot - height), (x + ridge_half, foot - height)]
    canvas.polygon("building", [*roof, (x + 1.1 * half, foot - wall)])
    if random.random() < 0.5:
        canvas.box("building", x + 0.3 * half, foot - 1.08 * height, x + 0.45 * half, foot - 0.7 * height)


def row_of_houses(canvas: LabelCanvas, random: Random, line: Line, span: tuple[float, float], height: float) -> None:
    """Houses side by side on a line, between two shares of the width; some stand apart."""
    x = span[0] * canvas.width
    while x < span[1] * canvas.width:
        tall = height * random.uniform(0.7, 1.1)
        house(canvas, random, x, at(canvas, line, x) + random.uniform(0, 0.15) * tall, tall)
        x += tall * random.uniform(0.9, 1.9)


def cow(canvas: LabelCanvas, x: float, foot: float, height: float, side: int = 1) -> None:
    """An animal on four legs that looks to one side (1 right, −1 left)."""
    body = foot - 0.62 * height
    canvas.ellipse("animal", (x, body), (0.62 * height, 0.3 * height))
    canvas.ellipse("animal", (x + side * 0.7 * height, body - 0.2 * height), (0.2 * height, 0.16 * height))
    neck = [(0.35, -0.25), (0.65, -0.32), (0.75, -0.08), (0.4, 0.15)]
    canvas.polygon("animal", [(x + side * a * height, body + b * height) for a, b in neck])
    for leg in (-0.45, -0.28, 0.3, 0.46):
        canvas.box("animal", x + (leg - 0.06) * height, body, x + (leg + 0.06) * height, foot)


def herd(canvas: LabelCanvas, random: Random, line: Line, count: int, height: float) -> None:
    """Animals below a line, the nearer the larger."""
    lowest = canvas.height - 0.04
    depths = np.sort(random.uniform(0.05, 0.85, count))
    places = random.permutation(np.arange(count))
    for depth, place in zip(depths, places, strict=True):
        x = canvas.width * (place + random.uniform(0.3, 0.7)) / count
        start = at(canvas, line, x)
        foot = start + (lowest - start) * depth
        side = int(random.choice([-1, 1]))
        if canvas.is_land(x, foot):
            cow(canvas, x, foot, height * (0.35 + depth), side)


def car(canvas: LabelCanvas, x: float, foot: float, height: float) -> None:
    """A car from behind or from the front."""
    half = 0.62 * height
    canvas.box("vehicle", x - half, foot - 0.62 * height, x + half, foot - 0.1 * height)
    cabin = [(-0.8, -0.6), (-0.58, -1.0), (0.58, -1.0), (0.8, -0.6)]
    canvas.polygon("vehicle", [(x + a * half, foot + b * height) for a, b in cabin])
    for wheel in (-0.92, 0.6):
        canvas.box("vehicle", x + wheel * half, foot - 0.15 * height, x + (wheel + 0.32) * half, foot)


def boat(canvas: LabelCanvas, x: float, foot: float, height: float) -> None:
    """A sailing boat."""
    hull = [(-0.5, -0.2), (0.55, -0.2), (0.4, 0.0), (-0.4, 0.0)]
    sail = [(0.02, -1.0), (0.02, -0.26), (0.48, -0.26)]
    for shape in (hull, sail, [(-0.02, -0.95), (-0.02, -0.26), (-0.34, -0.26)]):
        canvas.polygon("vehicle", [(x + a * height, foot + b * height) for a, b in shape])


def flowers(canvas: LabelCanvas, random: Random, line: Line, count: int) -> None:
    """Patches of flowers below a line."""
    for x, depth, size in random.uniform(size=(count, 3)):
        start = at(canvas, line, x * canvas.width)
        y = start + (canvas.height - start) * (0.15 + 0.8 * depth)
        radius = (0.01 + 0.03 * size) * (0.4 + depth)
        canvas.ellipse("flower", (x * canvas.width, y), (2.2 * radius, radius))

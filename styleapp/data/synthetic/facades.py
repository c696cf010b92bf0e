"""Label maps of houses: a plan of floors and window axes, and how it is drawn.

The classes are those of the CMP Facade Database: background, facade, window, door, cornice, sill, balcony, blind, deco,
molding, pillar and shop. What of them a label set lacks is left out.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from styleapp.data.synthetic.label_canvas import LabelCanvas

__all__ = ["BALCONIES", "GROUND_FLOORS", "ROOFS", "House", "draw_house"]

Random = np.random.Generator


class Cell(NamedTuple):
    """The place of one window: a floor (0 is the lowest above the ground floor) by an axis, and where it lies."""

    floor: int
    axis: int
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class House:
    """What a house looks like. Lengths are shares of what they are part of.

    Attributes:
        left, right: background beside the wall, of the picture's width.
        sky, street: background above the house and below it, of the picture's height.
        floors: above the ground floor.
        axes: windows side by side.
        window: width and height of a window, of its axis and floor.
        panes: parts that a window has.
        ground: name in :data:`GROUND_FLOORS`.
        ground_height: of the ground floor, in floors.
        roof: name in :data:`ROOFS`.
        roof_height: in floors.
        balconies: name in :data:`BALCONIES`.
        sills, cornices, blinds, deco: what windows have below, above, beside, and on top of these.
        bands: whether a molding lies between all floors, beside the one over the ground floor.
        molding: height of moldings, in floors.
        pillars: between the axes, on so many of the lowest floors.
        arched: whether windows end round at the top.
    """

    left: float = 0.08
    right: float = 0.08
    sky: float = 0.12
    street: float = 0.03
    floors: int = 3
    axes: int = 4
    window: tuple[float, float] = (0.46, 0.56)
    panes: int = 1
    ground: str = "shops"
    ground_height: float = 1.2
    roof: str = "flat"
    roof_height: float = 0.5
    balconies: str = "none"
    sills: bool = True
    cornices: bool = False
    blinds: bool = False
    deco: bool = False
    bands: bool = False
    molding: float = 0.14
    pillars: int = 0
    arched: bool = False


class Wall(NamedTuple):
    """Where the upper floors of a house are, and the sizes of a floor and an axis."""

    left: float
    top: float
    right: float
    bottom: float
    floor: float
    axis: float


def draw_house(canvas: LabelCanvas, house: House, random: Random) -> None:
    """Paints a house over the whole canvas."""
    canvas.box("background", 0, 0, canvas.width, canvas.height)
    left, right = house.left * canvas.width, (1 - house.right) * canvas.width
    top, ground = house.sky * canvas.height, (1 - house.street) * canvas.height
    floor = (ground - top) / (house.roof_height + house.floors + house.ground_height)
    bottom = ground - house.ground_height * floor
    wall = Wall(left, top + house.roof_height * floor, right, bottom, floor, (right - left) / house.axes)
    canvas.box("facade", left, wall.top, right, ground)
    ROOFS[house.roof](canvas, house, wall, random)
    GROUND_FLOORS[house.ground](canvas, house, wall, ground, random)
    _moldings(canvas, house, wall)
    _pillars(canvas, house, wall)
    for cell in _cells(house, wall):
        _window(canvas, house, cell)
    for box in BALCONIES[house.balconies](house, wall, random):
        canvas.box("balcony", *box)


def _cells(house: House, wall: Wall) -> Iterator[Cell]:
    width, height = house.window[0] * wall.axis, house.window[1] * wall.floor
    for floor in range(house.floors):
        base = wall.bottom - (floor + 0.2) * wall.floor
        for axis in range(house.axes):
            centre = wall.left + (axis + 0.5) * wall.axis
            yield Cell(floor, axis, centre - width / 2, base - height, centre + width / 2, base)


def _window(canvas: LabelCanvas, house: House, cell: Cell) -> None:
    _, _, left, top, right, bottom = cell
    width, height = right - left, bottom - top
    if house.blinds:
        for x in (left - 0.3 * width, right):
            canvas.box("blind", x, top, x + 0.3 * width, bottom)
    pane = width / house.panes
    for number in range(house.panes):
        start = left + number * pane
        canvas.box("window", start, top, start + pane * (0.84 if number + 1 < house.panes else 1), bottom)
    if house.arched:
        canvas.ellipse("window", ((left + right) / 2, top), (width / 2, 0.3 * width))
    over = 0.18 * width
    lift = 0.3 * width if house.arched else 0
    if house.sills:
        canvas.box("sill", left - over, bottom, right + over, bottom + 0.18 * height)
    if house.cornices:
        canvas.box("cornice", left - over, top - lift - 0.2 * height, right + over, top - lift)
    if house.deco:
        up = top - lift - (0.2 * height if house.cornices else 0)
        canvas.box("deco", left, up - 0.16 * height, right, up)


def _moldings(canvas: LabelCanvas, house: House, wall: Wall) -> None:
    height = house.molding * wall.floor
    for floor in range(house.floors) if house.bands else (0,):
        line = wall.bottom - floor * wall.floor
        canvas.box("molding", wall.left, line - height / 2, wall.right, line + height / 2)


def _pillars(canvas: LabelCanvas, house: House, wall: Wall) -> None:
    if house.pillars == 0:
        return
    half = 0.07 * wall.axis
    top = wall.bottom - min(house.pillars, house.floors) * wall.floor + house.molding * wall.floor / 2
    for axis in range(house.axes + 1):
        x = min(max(wall.left + axis * wall.axis, wall.left + half), wall.right - half)
        canvas.box("pillar", x - half, top, x + half, wall.bottom - house.molding * wall.floor / 2)


# Roofs


def _flat(canvas: LabelCanvas, house: House, wall: Wall, random: Random) -> None:
    over = 0.02 * (wall.right - wall.left)
    height = max(0.2, 0.5 * house.roof_height) * wall.floor
    bottom = wall.top + 0.1 * wall.floor
    canvas.box("molding", wall.left - over, bottom - height, wall.right + over, bottom)


def _mansard(canvas: LabelCanvas, house: House, wall: Wall, random: Random) -> None:
    height, inset = house.roof_height * wall.floor, 0.35 * wall.axis
    low = wall.top - 0.05 * wall.floor
    slopes = [(wall.left, low), (wall.left + inset, low - height), (wall.right - inset, low - height)]
    canvas.polygon("facade", [*slopes, (wall.right, low)])
    size = 0.5 * house.window[0] * wall.axis
    count = house.axes if random.random() < 0.5 else (house.axes + 1) // 2
    for number in range(count):
        x = wall.left + inset + (number + 0.5) * (wall.right - wall.left - 2 * inset) / count
        canvas.box("cornice", x - 1.4 * size, low - 0.85 * height, x + 1.4 * size, low - 0.7 * height)
        canvas.box("window", x - size, low - 0.7 * height, x + size, low - 0.12 * height)
    canvas.box("molding", wall.left, wall.top - 0.12 * wall.floor, wall.right, wall.top + 0.12 * wall.floor)


def _gable(canvas: LabelCanvas, house: House, wall: Wall, random: Random) -> None:
    height, middle = house.roof_height * wall.floor, (wall.left + wall.right) / 2
    peak = wall.top - height
    canvas.polygon("facade", [(wall.left, wall.top + 0.01), (middle, peak), (wall.right, wall.top + 0.01)])
    size = min(0.3 * wall.axis, 0.12 * (wall.right - wall.left))
    base = wall.top - 0.18 * height
    canvas.box("window", middle - size, base - 0.34 * height, middle + size, base)
    canvas.box("sill", middle - 1.3 * size, base, middle + 1.3 * size, base + 0.06 * height)
    canvas.box("molding", wall.left, wall.top - 0.08 * wall.floor, wall.right, wall.top + 0.1 * wall.floor)


def _parapet(canvas: LabelCanvas, house: House, wall: Wall, random: Random) -> None:
    """A molding with a raised middle and pieces of decoration on it."""
    _flat(canvas, house, wall, random)
    line = wall.top + 0.1 * wall.floor - max(0.2, 0.5 * house.roof_height) * wall.floor
    middle, half = (wall.left + wall.right) / 2, 0.18 * (wall.right - wall.left)
    canvas.box("molding", middle - half, line - 0.3 * house.roof_height * wall.floor, middle + half, line)
    for share in (0.03, 0.97):
        x, size = wall.left + share * (wall.right - wall.left), 0.12 * wall.axis
        canvas.box("deco", x - size, line - 0.3 * wall.floor, x + size, line)


# Ground floors


def _shops(canvas: LabelCanvas, house: House, wall: Wall, ground: float, random: Random) -> None:
    """Shop windows with a door between them."""
    height, width = ground - wall.bottom, wall.right - wall.left
    count = max(3, round(house.axes * 0.7))
    entrance, step = int(random.integers(count)), width / count
    for number in range(count):
        left, right = wall.left + (number + 0.08) * step, wall.left + (number + 0.92) * step
        top = wall.bottom + 0.24 * height
        if number != entrance:
            canvas.box("shop", left, top, right, ground - 0.06 * height)
            continue
        narrow = min(right - left, 0.46 * height)
        middle = (left + right) / 2
        canvas.box("door", middle - narrow / 2, top, middle + narrow / 2, ground)


def _doorway(canvas: LabelCanvas, house: House, wall: Wall, ground: float, random: Random) -> None:
    """Windows, and a door in one of the middle axes."""
    height = ground - wall.bottom
    entrance = (house.axes - int(random.integers(2))) // 2
    for axis in range(house.axes):
        middle, half = wall.left + (axis + 0.5) * wall.axis, house.window[0] * wall.axis / 2
        top = wall.bottom + 0.28 * height
        if axis == min(entrance, house.axes - 1):
            half = min(max(half, 0.2 * height), 0.42 * wall.axis)
            canvas.box("cornice", middle - 1.4 * half, top - 0.1 * height, middle + 1.4 * half, top)
            canvas.box("door", middle - half, top, middle + half, ground)
            continue
        canvas.box("window", middle - half, top, middle + half, ground - 0.28 * height)
        canvas.box("sill", middle - 1.3 * half, ground - 0.28 * height, middle + 1.3 * half, ground - 0.2 * height)


def _arcade(canvas: LabelCanvas, house: House, wall: Wall, ground: float, random: Random) -> None:
    """Arches between pillars: shops, and a door in the middle."""
    height = ground - wall.bottom
    half = min(0.34 * wall.axis, 0.42 * height)
    for axis in range(house.axes):
        middle = wall.left + (axis + 0.5) * wall.axis
        name = "door" if axis == house.axes // 2 else ("shop", "window")
        top = wall.bottom + 0.24 * height + min(0.3 * height, half)
        canvas.ellipse(name, (middle, top), (half, min(0.3 * height, half)))
        canvas.box(name, middle - half, top, middle + half, ground)
    for axis in range(house.axes + 1):
        x = min(max(wall.left + axis * wall.axis, wall.left + 0.1 * wall.axis), wall.right - 0.1 * wall.axis)
        canvas.box("pillar", x - 0.1 * wall.axis, wall.bottom + 0.14 * height, x + 0.1 * wall.axis, ground)


# Balconies

Box = tuple[float, float, float, float]


def _some_balconies(chosen: Callable[[House, int, int], bool]) -> Callable[[House, Wall, Random], Iterator[Box]]:
    """Balconies of their own for the windows that are chosen by floor and axis."""

    def balconies(house: House, wall: Wall, random: Random) -> Iterator[Box]:
        for cell in _cells(house, wall):
            if chosen(house, cell.floor, cell.axis):
                over, height = 0.3 * (cell.right - cell.left), cell.bottom - cell.top
                yield cell.left - over, cell.bottom - 0.42 * height, cell.right + over, cell.bottom + 0.16 * height

    return balconies


def _continuous(house: House, wall: Wall, random: Random) -> Iterator[Box]:
    for floor in range(house.floors):
        base = wall.bottom - (floor + 0.1) * wall.floor
        yield wall.left + 0.02, base - 0.28 * wall.floor, wall.right - 0.02, base


ROOFS = {"flat": _flat, "mansard": _mansard, "gable": _gable, "parapet": _parapet}
GROUND_FLOORS = {"shops": _shops, "doorway": _doorway, "arcade": _arcade}
BALCONIES = {
    "none": _some_balconies(lambda house, floor, axis: False),
    "alternate": _some_balconies(lambda house, floor, axis: axis % 2 == 1),
    "middle": _some_balconies(lambda house, floor, axis: abs(2 * axis + 1 - house.axes) < 2),
    "sides": _some_balconies(lambda house, floor, axis: axis in (0, house.axes - 1)),
    "first floor": _some_balconies(lambda house, floor, axis: floor == 0 and axis == house.axes // 2),
    "continuous": _continuous,
}

"""Label maps of landscapes: scenes of parts that :mod:`styleapp.data.synthetic.land_parts` draws.

Classes: sky, tree, grass, water, mountain, road, building, ground, snow, animal, vehicle; flower if there is one. What
a label set lacks of them is left out, or land of another kind takes its place.
"""

import numpy as np

from styleapp.data.synthetic.label_canvas import LabelCanvas, Line
from styleapp.data.synthetic.land_parts import (
    LAND,
    at,
    boat,
    car,
    conifers,
    cow,
    flowers,
    herd,
    house,
    level,
    mountain_range,
    row_of_houses,
    sky,
    tree,
    tree_line,
    wave,
    way,
)

__all__ = [
    "coast",
    "country_road",
    "lake",
    "meadow",
    "mountains",
    "random_landscape",
    "river_valley",
    "snow_field",
    "street",
    "village",
]

Random = np.random.Generator

SAND = ("ground", "grass", "snow")
SNOW = ("snow", "ground", "grass")


def lake(canvas: LabelCanvas, random: Random) -> None:
    """Mountains and woods behind a lake, a meadow with a tree on this side."""
    sky(canvas)
    far = random.uniform(0.46, 0.54) * canvas.height
    mountain_range(canvas, random, level(canvas, far), random.uniform(0.14, 0.24) * canvas.height, snow=0.3)
    tree_line(canvas, random, wave(canvas, random, far, 0.006), random.uniform(0.05, 0.09))
    near = wave(canvas, random, random.uniform(0.76, 0.84) * canvas.height, 0.05)
    canvas.between("water", level(canvas, far), near)
    canvas.below(LAND, near)
    if random.random() < 0.6:
        boat(canvas, random.uniform(0.4, 0.7) * canvas.width, (0.4 * far + 0.6 * float(near.min())), 0.12)
    x = random.choice([0.14, 0.86]) * canvas.width
    tree(canvas, random, x, at(canvas, near, x) + 0.08, random.uniform(0.5, 0.65))


def meadow(canvas: LabelCanvas, random: Random) -> None:
    """Animals on a meadow before a wood."""
    sky(canvas)
    horizon = wave(canvas, random, random.uniform(0.38, 0.46) * canvas.height, 0.03)
    canvas.below(LAND, horizon)
    tree_line(canvas, random, horizon + 0.01, random.uniform(0.1, 0.18))
    flowers(canvas, random, horizon, 8)
    herd(canvas, random, horizon + 0.08, int(random.integers(3, 6)), 0.17)


def mountains(canvas: LabelCanvas, random: Random) -> None:
    """Snowy summits over a forest."""
    sky(canvas)
    base = wave(canvas, random, random.uniform(0.68, 0.75) * canvas.height, 0.03)
    mountain_range(canvas, random, base, random.uniform(0.1, 0.16) * canvas.height, snow=random.uniform(0.3, 0.5))
    canvas.below(LAND, base)
    tree_line(canvas, random, base + 0.03, 0.1)
    conifers(canvas, random, wave(canvas, random, 0.9 * canvas.height, 0.04), random.uniform(0.2, 0.28), 0.8)


def street(canvas: LabelCanvas, random: Random) -> None:
    """A street between houses, with cars and trees."""
    sky(canvas)
    horizon = random.uniform(0.5, 0.56) * canvas.height
    vanishing = random.uniform(0.42, 0.58) * canvas.width
    canvas.below(("road", "ground"), level(canvas, horizon))
    canvas.box("tree", vanishing - 0.12, horizon - 0.05, vanishing + 0.12, horizon)
    depths = (1.5, 0.85, 0.5, 0.3, 0.18)  # how near, 1 at the picture's edge
    for side in (-1, 1):
        edge = 0 if side < 0 else canvas.width
        _kerb(canvas, vanishing, edge, horizon, depths)
        for near, far in zip(depths, depths[1:], strict=False):
            tall = random.uniform(0.36, 0.62) * canvas.height
            left, right = (vanishing + (edge - vanishing) * depth for depth in (near, far))
            heights = [(left, near, -tall), (right, far, -tall), (right, far, 0.17), (left, near, 0.17)]
            canvas.polygon("building", [(x, horizon + depth * height) for x, depth, height in heights])
        for depth in (0.36, 0.72) if random.random() < 0.7 else (0.5,):
            x = vanishing + 0.82 * (edge - vanishing) * depth
            tree(canvas, random, x, horizon + 0.24 * depth, 0.55 * depth)
    for depth, lane in ((0.3, -0.2), (random.uniform(0.6, 0.9), 0.32)):
        car(canvas, vanishing + lane * depth * canvas.width, horizon + 0.4 * depth * canvas.height, 0.26 * depth)


def _kerb(canvas: LabelCanvas, vanishing: float, edge: float, horizon: float, depths: tuple[float, ...]) -> None:
    """A strip between houses and road."""
    near, far = depths[0], depths[-1]
    shape = [(1.0, near, 0.17), (1.0, far, 0.17), (0.75, far, 0.23), (0.75, near, 0.23)]
    points = [(vanishing + share * (edge - vanishing) * d, horizon + d * height) for share, d, height in shape]
    canvas.polygon(("ground", "grass"), points)


def coast(canvas: LabelCanvas, random: Random) -> None:
    """The sea, a headland, and a beach that curves away."""
    sky(canvas)
    horizon = random.uniform(0.4, 0.48) * canvas.height
    side = int(random.choice([-1, 1]))
    x = canvas.columns / canvas.width
    across = x if side > 0 else 1 - x  # 0 on the side of the sea
    canvas.below("water", level(canvas, horizon))
    _headland(canvas, random, horizon, across)
    beach = canvas.height * (0.98 - 0.42 * np.clip(across - 0.1, 0, 1) ** 1.3) + wave(canvas, random, 0, 0.02, 2.5)
    canvas.below(SAND, beach)
    dune = canvas.height * (1.25 - 0.62 * np.clip(across - 0.1, 0, 1)) + wave(canvas, random, 0, 0.03, 2)
    canvas.below("grass", dune)
    if random.random() < 0.6:
        boat(canvas, canvas.width * (0.3 if side > 0 else 0.7), horizon + 0.12, 0.11)


def _headland(canvas: LabelCanvas, random: Random, horizon: float, across: Line) -> None:
    rise = np.clip((across - random.uniform(0.45, 0.6)) / 0.35, 0, 1) ** 0.7
    top = horizon - rise * (0.2 + wave(canvas, random, 0, 0.04, 4)) * canvas.height
    canvas.between(("mountain", "tree"), top, level(canvas, horizon))
    canvas.between("tree", top + 0.06, level(canvas, horizon))


def snow_field(canvas: LabelCanvas, random: Random) -> None:
    """Firs and a hut in the snow under mountains."""
    sky(canvas)
    horizon = wave(canvas, random, random.uniform(0.5, 0.58) * canvas.height, 0.03)
    mountain_range(canvas, random, horizon, random.uniform(0.12, 0.2) * canvas.height, snow=0.55)
    canvas.below(SNOW, horizon)
    tree_line(canvas, random, horizon + 0.01, 0.05)
    place = random.uniform(0.3, 0.7)
    hill = wave(canvas, random, 0.74 * canvas.height, 0.04)
    house(canvas, random, place * canvas.width, at(canvas, hill, place * canvas.width), 0.17)
    conifers(canvas, random, wave(canvas, random, 0.88 * canvas.height, 0.06), 0.32, 3.0)


def country_road(canvas: LabelCanvas, random: Random) -> None:
    """A road that winds over the land to the horizon."""
    sky(canvas)
    horizon = wave(canvas, random, random.uniform(0.42, 0.5) * canvas.height, 0.03)
    if random.random() < 0.6:
        mountain_range(canvas, random, horizon, random.uniform(0.2, 0.3) * canvas.height)
    canvas.below(LAND, horizon)
    tree_line(canvas, random, horizon + 0.005, 0.05)
    start = random.uniform(0.35, 0.65) * canvas.width
    bottom = (random.uniform(0.35, 0.65) * canvas.width, canvas.height + 0.02)
    bend = random.choice([-0.35, 0.35])
    middle = way(canvas, ("road", "ground"), (start, at(canvas, horizon, start)), bottom, bend, (0.012, 0.6))
    car(canvas, *middle[27], 0.09)
    for share, foot, tall in ((0.08, 0.8, 0.5), (0.9, 0.72, 0.36)):
        tree(canvas, random, share * canvas.width, foot * canvas.height, tall * random.uniform(0.9, 1.1))


def village(canvas: LabelCanvas, random: Random) -> None:
    """Houses between trees before hills, a road or a pond in front."""
    sky(canvas)
    foot = wave(canvas, random, random.uniform(0.56, 0.62) * canvas.height, 0.02)
    mountain_range(canvas, random, foot, random.uniform(0.2, 0.28) * canvas.height, bumps=2)
    canvas.below(LAND, foot)
    tree_line(canvas, random, foot, 0.16)
    row_of_houses(canvas, random, foot + 0.04, (0.06, 0.95), 0.2)
    x = random.uniform(0.3, 0.7) * canvas.width
    if random.random() < 0.5:
        way(canvas, ("road", "ground"), (x, at(canvas, foot, x) + 0.05), (x, canvas.height), 0.25, (0.03, 0.4))
    else:
        canvas.ellipse("water", (x, 0.85 * canvas.height), (0.3, 0.07))
    tree(canvas, random, 0.1 * canvas.width, 0.85 * canvas.height, 0.42)


def river_valley(canvas: LabelCanvas, random: Random) -> None:
    """A river that winds through woods and meadows."""
    sky(canvas)
    horizon = wave(canvas, random, random.uniform(0.42, 0.48) * canvas.height, 0.02)
    mountain_range(canvas, random, horizon, random.uniform(0.14, 0.24) * canvas.height, snow=0.2)
    canvas.below(LAND, horizon)
    tree_line(canvas, random, horizon + 0.02, random.uniform(0.08, 0.12))
    start = random.uniform(0.35, 0.65) * canvas.width
    side = int(random.choice([-1, 1]))  # where the river leaves room
    bottom = ((0.5 - side * random.uniform(0, 0.2)) * canvas.width, canvas.height + 0.02)
    way(canvas, ("water", "road"), (start, at(canvas, horizon, start) + 0.02), bottom, 0.5 * side, (0.02, 0.75))
    for share, foot in ((0.07, 0.75), (0.93, 0.68)):
        tree(canvas, random, share * canvas.width, foot * canvas.height, random.uniform(0.3, 0.45))
    for away, foot, tall in ((0.3, 0.74, 0.07), (0.38, 0.88, 0.1)):
        cow(canvas, (0.5 + away * side) * canvas.width, foot * canvas.height, tall, side=int(random.choice([-1, 1])))


def random_landscape(canvas: LabelCanvas, random: Random) -> None:
    """A landscape whose parts are all drawn at random: what is far, in the middle and near."""
    sky(canvas)
    horizon = wave(canvas, random, random.uniform(0.3, 0.62) * canvas.height, random.uniform(0, 0.05))
    _far(canvas, random, horizon)
    land = LAND if random.random() < 0.7 else random.choice([SAND, SNOW])
    canvas.below(tuple(land), horizon)
    _middle(canvas, random, horizon)
    _near(canvas, random, horizon)


def _far(canvas: LabelCanvas, random: Random, horizon: Line) -> None:
    top = float(horizon.min())
    if random.random() < 0.6:
        summits = top * random.uniform(0.25, 0.8)
        mountain_range(
            canvas, random, horizon, summits, bumps=int(random.integers(1, 5)), snow=random.choice([0, 0.3, 0.6])
        )
    if random.random() < 0.65:
        tree_line(canvas, random, horizon + 0.01, random.uniform(0.03, 0.18))
    if random.random() < 0.3:
        start = random.uniform(0, 0.6)
        row_of_houses(canvas, random, horizon + 0.03, (start, start + random.uniform(0.2, 0.5)), 0.14)


def _middle(canvas: LabelCanvas, random: Random, horizon: Line) -> None:
    start = random.uniform(0.2, 0.8) * canvas.width
    top, bottom = (start, at(canvas, horizon, start) + 0.01), (random.uniform(0.2, 0.8) * canvas.width, canvas.height)
    bend, low = random.uniform(-0.5, 0.5), float(horizon.max())
    kind = random.choice(["lake", "river", "road", "hill", "land"], p=[0.25, 0.15, 0.25, 0.15, 0.2])
    share, inhabited = random.random(), random.random() < 0.4
    if kind == "lake":
        near = wave(canvas, random, low + random.uniform(0.3, 0.8) * (canvas.height - low), 0.05)
        canvas.between("water", level(canvas, low + 0.02), near)
        if inhabited:
            boat(canvas, (0.2 + 0.6 * share) * canvas.width, 0.5 * (low + float(near.min())), 0.1)
    elif kind == "hill":
        canvas.below(random.choice(["tree", "mountain"]), wave(canvas, random, (low + canvas.height) / 2, 0.12, 1))
        canvas.below(LAND, wave(canvas, random, 0.35 * low + 0.65 * canvas.height, 0.05))
    elif kind == "river":
        way(canvas, ("water", "road"), top, bottom, bend, (0.02, 0.2 + 0.6 * share))
    elif kind == "road":
        middle = way(canvas, ("road", "ground"), top, bottom, bend, (0.02, 0.3 + 0.5 * share))
        if inhabited:
            car(canvas, *middle[24 + int(12 * share)], 0.09 + 0.1 * share)


def _near(canvas: LabelCanvas, random: Random, horizon: Line) -> None:
    """Whatever would stand in the water is left out; each has its own random numbers, so that this changes no other."""
    low = float(horizon.max())
    count, firs, animals, blossoms, hut = random.integers(0, 4), *(random.random(4) < (0.25, 0.3, 0.2, 0.25))
    if blossoms:
        flowers(canvas, random, horizon, int(random.integers(4, 12)))
    if hut:
        x, tall = random.uniform(0.15, 0.85) * canvas.width, random.uniform(0.15, 0.35)
        foot, own = low + 0.4 * tall, random.spawn(1)[0]
        if canvas.is_land(x, foot) and canvas.is_land(x, foot - 0.01):
            house(canvas, own, x, foot, tall)
    if animals:
        herd(canvas, random, horizon + 0.08, int(random.integers(1, 5)), 0.16)
    for own, near in zip(random.spawn(int(count)), np.sort(random.uniform(0.15, 1, int(count))), strict=True):
        x = own.choice([own.uniform(-0.02, 0.3), own.uniform(0.7, 1.02)]) * canvas.width
        foot = low + near * 0.85 * (canvas.height - low)
        if canvas.is_land(min(max(x, 0), 0.999 * canvas.width), foot):
            tree(canvas, own, x, foot, 0.2 + 0.45 * near)
    if firs:
        conifers(canvas, random, wave(canvas, random, 0.3 * low + 0.7 * canvas.height, 0.05), 0.25, 2.5)

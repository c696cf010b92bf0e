"""Ready-made label maps: houses and landscapes that are drawn by classes' names, so for any label set that has these.

`LAYOUTS` is the one table of them; `layout` draws one by its name, `random_layout` any.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from styleapp.data.labels import LabelSet
from styleapp.data.mask_colours import Numbers
from styleapp.data.synthetic import landscapes
from styleapp.data.synthetic.facades import BALCONIES, GROUND_FLOORS, ROOFS, House, draw_house
from styleapp.data.synthetic.label_canvas import LabelCanvas
from styleapp.data.synthetic.land_parts import level, wave

__all__ = ["LAYOUTS", "Layout", "layout", "layouts_for", "random_layout"]

Random = np.random.Generator
SMALLEST = 32
"""Pixels of the shorter side, below which windows have none."""


@dataclass(frozen=True)
class Layout:
    """One ready-made label map.

    Attributes:
        needs: classes without which it makes no sense; further ones are left out where a label set lacks them.
        draw: paints it; all that is random comes from the generator.
    """

    needs: frozenset[str]
    draw: Callable[[LabelCanvas, Random], None]


# Houses. Each call of a plan is a house of its kind; what is random is how many axes and floors it has, and the like.


def _town_house(random: Random) -> House:
    side = random.uniform(0.16, 0.24)
    return House(
        left=side, right=side + random.uniform(-0.06, 0.06), sky=0.08, floors=3, axes=int(random.integers(3, 5)),
        window=(0.42, 0.56), panes=2, ground="doorway", roof="gable", roof_height=1.0, cornices=True,
        deco=bool(random.random() < 0.4), bands=True, molding=0.1,
    )  # fmt: skip


def _apartment_block(random: Random) -> House:
    return House(
        left=random.uniform(0.0, 0.08), right=random.uniform(0.03, 0.1), sky=random.uniform(0.08, 0.16),
        floors=int(random.integers(4, 6)), axes=int(random.integers(5, 7)), window=(0.5, 0.54), panes=2,
        ground="doorway", ground_height=1.1, roof_height=0.4,
        balconies=str(random.choice(["alternate", "sides", "middle"])), blinds=bool(random.random() < 0.3),
    )  # fmt: skip


def _shop_front(random: Random) -> House:
    return House(
        left=0.0, right=random.uniform(0.0, 0.1), sky=0.0, street=0.05, floors=int(random.integers(1, 3)),
        axes=int(random.integers(3, 5)), window=(0.42, 0.6), ground="shops", ground_height=1.4, roof_height=0.3,
        cornices=bool(random.random() < 0.5), molding=0.2,
    )  # fmt: skip


def _palace(random: Random) -> House:
    return House(
        left=0.05, right=0.05, sky=random.uniform(0.12, 0.2), floors=2, axes=int(random.integers(5, 8)),
        window=(0.4, 0.54), ground="arcade", ground_height=1.1, roof="parapet", roof_height=0.6, cornices=True,
        deco=True, bands=True, molding=0.13, pillars=2, balconies="first floor", arched=bool(random.random() < 0.5),
    )  # fmt: skip


def _hotel(random: Random) -> House:
    return House(
        left=random.uniform(0.02, 0.1), right=random.uniform(0.02, 0.1), sky=0.06, floors=int(random.integers(4, 6)),
        axes=int(random.integers(4, 7)), window=(0.42, 0.62), ground="shops", ground_height=1.2, roof="mansard",
        roof_height=0.9, balconies="continuous", sills=False, cornices=bool(random.random() < 0.5),
    )  # fmt: skip


def _villa(random: Random) -> House:
    return House(
        left=random.uniform(0.1, 0.18), right=random.uniform(0.1, 0.18), sky=0.14, street=0.06, floors=2,
        axes=int(random.integers(3, 5)), window=(0.38, 0.56), panes=2, ground="doorway", ground_height=1.0,
        roof="mansard", roof_height=0.9, blinds=True, balconies="middle", pillars=int(random.integers(2)),
    )  # fmt: skip


def _random_house(random: Random) -> House:
    coin = random.random
    floors, blinds = int(random.integers(1, 6)), bool(coin() < 0.2)
    left, right, sky = np.maximum(0, random.uniform(-0.08, 0.2, 3))
    floor = (1 - sky) / (floors + 1.9)  # about its height, of the picture's
    axes = max(2, round((1 - left - right) / (floor * random.uniform(0.65, 1.15))))
    return House(
        left=left, right=right, sky=sky, street=max(0.0, random.uniform(-0.03, 0.06)), floors=floors, axes=axes,
        window=(random.uniform(0.32, 0.42) if blinds else random.uniform(0.4, 0.64), random.uniform(0.48, 0.6)),
        panes=int(random.integers(1, 4)), ground=str(random.choice(list(GROUND_FLOORS))),
        ground_height=random.uniform(0.95, 1.4), roof=str(random.choice(list(ROOFS))),
        roof_height=random.uniform(0.35, 1.0), balconies=str(random.choice(list(BALCONIES))), sills=bool(coin() < 0.85),
        cornices=bool(coin() < 0.6), blinds=blinds, deco=bool(coin() < 0.4), bands=bool(coin() < 0.4),
        molding=random.uniform(0.08, 0.2), pillars=int(random.integers(1, floors + 1)) if coin() < 0.2 else 0,
        arched=bool(coin() < 0.15),
    )  # fmt: skip


def _house(plan: Callable[[Random], House], *more: str) -> Layout:
    def draw(canvas: LabelCanvas, random: Random) -> None:
        draw_house(canvas, _widened(plan(random), canvas), random)

    return Layout(frozenset({"background", "facade", "window", *more}), draw)


def _land(draw: Callable[[LabelCanvas, Random], None], *needs: str) -> Layout:
    return Layout(frozenset({"sky", *needs}), draw)


LAYOUTS: MappingProxyType[str, Layout] = MappingProxyType(
    {
        "town house": _house(_town_house),
        "apartment block": _house(_apartment_block, "balcony"),
        "shop front": _house(_shop_front, "shop"),
        "palace": _house(_palace),
        "hotel": _house(_hotel, "balcony"),
        "villa": _house(_villa),
        "lake": _land(landscapes.lake, "water", "grass"),
        "meadow": _land(landscapes.meadow, "grass"),
        "mountains": _land(landscapes.mountains, "mountain", "grass"),
        "street": _land(landscapes.street, "road", "building"),
        "coast": _land(landscapes.coast, "water", "ground"),
        "snow field": _land(landscapes.snow_field, "snow"),
        "country road": _land(landscapes.country_road, "grass", "road"),
        "village": _land(landscapes.village, "grass", "building"),
        "river valley": _land(landscapes.river_valley, "grass", "water"),
    }
)
"""By name, houses first."""

RANDOM = (_house(_random_house), _land(landscapes.random_landscape, "grass"))


def layouts_for(labels: LabelSet) -> tuple[str, ...]:
    """Names of the ready-made label maps whose classes a label set has; none for a set of other things."""
    return tuple(name for name, entry in LAYOUTS.items() if entry.needs <= set(labels.names))


def layout(name: str, labels: LabelSet, size: tuple[int, int] = (256, 256), seed: int = 0) -> Numbers:
    """Draws a ready-made label map.

    Args:
        name: a key of :data:`LAYOUTS`.
        labels: the label set; it has at least the classes that the layout needs.
        size: height and width in pixels, at least 32 each. A longer side makes room for more windows or more land.
        seed: a whole number of at least 0; another one gives another house or land of the same kind.

    Returns:
        Class numbers, H×W.

    Raises:
        ValueError: an unknown name, classes that the label set lacks, or a size or seed that is too small.
    """
    if name not in LAYOUTS:
        fitting = ", ".join(layouts_for(labels)) or "none, of this label set"
        raise ValueError(f"unknown layout {name!r}; known are {fitting}")
    missing = LAYOUTS[name].needs - set(labels.names)
    if missing:
        raise ValueError(f"layout {name!r} needs the classes {', '.join(sorted(missing))}; the label set lacks them")
    return _drawn(LAYOUTS[name].draw, labels, size, seed)


def random_layout(labels: LabelSet, size: tuple[int, int] = (256, 256), seed: int = 0) -> Numbers:
    """Draws a label map at random: a house, a landscape, or, of other classes, areas with curved borders.

    For the arguments see :func:`layout`.

    Raises:
        ValueError: a size or seed that is too small.
    """
    fitting = [entry.draw for entry in RANDOM if entry.needs <= set(labels.names)]
    return _drawn(fitting[seed % len(fitting)] if fitting else _areas, labels, size, seed)


def _drawn(draw: Callable[[LabelCanvas, Random], None], labels: LabelSet, size: tuple[int, int], seed: int) -> Numbers:
    if min(size) < SMALLEST:
        raise ValueError(f"a layout must be at least {SMALLEST} pixels a side, got {size[1]}×{size[0]}")
    if seed < 0:
        raise ValueError(f"the seed of a layout must be 0 or more, got {seed}")
    canvas = LabelCanvas(labels, size)
    draw(canvas, np.random.default_rng(seed))
    return canvas.numbers


def _widened(house: House, canvas: LabelCanvas) -> House:
    """As many windows as a longer side has room for."""
    axes, floors = round(house.axes * canvas.width), round(house.floors * canvas.height)
    return replace(house, axes=axes, floors=floors)


def _areas(canvas: LabelCanvas, random: Random) -> None:
    """Layers from top to bottom, and rounds on them."""
    names = [str(name) for name in random.permutation(canvas.labels.names)]
    layers = names[: max(1, min(4, len(names) - 1))]
    for place, name in enumerate(layers):
        canvas.below(
            name, wave(canvas, random, canvas.height * place / len(layers), 0.06) if place else level(canvas, 0)
        )
    for name in names[len(layers) :] * 2:
        centre = random.uniform(0.1, 0.9) * canvas.width, random.uniform(0.1, 0.9) * canvas.height
        canvas.ellipse(name, centre, (random.uniform(0.04, 0.18), random.uniform(0.04, 0.18)))

"""A generated landscape that stands for a photo: smooth sky, fine grass, hard edges, light and dark.

What a style does to it can be shown anywhere, because it belongs to nobody.
"""

import numpy as np
from PIL import Image

from styleapp.data.synthetic.fields import (
    Field,
    blend,
    coordinates,
    grain,
    noise,
    picture,
    ramp,
    rgb,
    ridge,
    smoothstep,
)

__all__ = ["scene"]

SHORE, MEADOW = 0.58, 0.80
SUN = (0.70, 0.20)


def scene(size: int = 512, seed: int = 0) -> Image.Image:
    """A square RGB picture of sky, mountains, a lake, a meadow, a tree and a house.

    Args:
        size: pixels a side.
        seed: of clouds, mountains and leaves.
    """
    rng = np.random.default_rng(seed)
    x, y = coordinates(size)
    land = _sky(rng, size, x, y)
    for colour, top, bumps in (("#8fa3c4", 0.36, 5), ("#5b7393", 0.43, 7), ("#3d5a4c", 0.51, 9)):
        crest = top + 0.13 * (1 - ridge(rng, size, bumps))  # S
        rock = rgb(colour) * (0.82 + 0.36 * noise(rng, size, 12, 4))[..., None]
        land = blend(land, rock, _edge(y - crest, size))
    land = blend(land, _lake(rng, land, x, y), _edge(y - SHORE, size))
    bank = MEADOW - 0.06 * np.sin(3.2 * x + 0.4)
    grass = ramp(0.55 * noise(rng, size, 9, 5) + 0.45 * grain(rng, size, 0.006), ("#39541f", "#6f8f2f", "#b9b552"))
    land = blend(land, grass, _edge(y - bank, size))
    land = _house(land, x, y, size)
    return picture(_tree(rng, land, x, y), size)


def _edge(distance: Field, size: int) -> Field:
    """0 before a line and 1 behind it, about a pixel wide."""
    return smoothstep(-0.7 / size, 0.7 / size, distance)


def _sky(rng: np.random.Generator, size: int, x: Field, y: Field) -> Field:
    sky = ramp(y / SHORE, ("#3f78c2", "#8fb8e0", "#f5dcb4"))
    clouds = smoothstep(0.5, 0.85, noise(rng, size, (3, 6), 5)) * smoothstep(0.5, 0.1, y)
    sky = blend(sky, rgb("#fdf6ec"), 0.85 * clouds)
    away = np.hypot(x - SUN[0], y - SUN[1])
    return blend(sky, rgb("#fff3c4"), np.maximum(smoothstep(0.055, 0.045, away), 0.45 * np.exp(-((away / 0.16) ** 2))))


def _lake(rng: np.random.Generator, land: Field, x: Field, y: Field) -> Field:
    """What stands above the shore, upside down and broken by ripples."""
    size = len(land)
    ripples = (noise(rng, size, (4, 60), 2) - 0.5) * 0.05 * smoothstep(SHORE, 1, y)
    rows = np.clip(((2 * SHORE - y + ripples) * size).astype(int), 0, size - 1)
    columns = np.clip(((x + ripples) * size).astype(int), 0, size - 1)
    return 0.82 * land[rows, columns] + 0.18 * rgb("#23466b")


def _house(land: Field, x: Field, y: Field, size: int) -> Field:
    def box(left: float, right: float, top: float, bottom: float) -> Field:
        return _edge(np.minimum(np.minimum(x - left, right - x), np.minimum(y - top, bottom - y)), size)

    land = blend(land, rgb("#e9dcc3"), box(0.62, 0.80, 0.66, 0.79))
    land = blend(land, rgb("#cdb995"), box(0.74, 0.80, 0.66, 0.79))
    roof = np.minimum(y - (0.57 + 0.7 * np.abs(x - 0.71)), 0.665 - y)
    land = blend(land, rgb("#a8402c"), _edge(roof, size))
    for left in (0.64, 0.69):
        land = blend(land, rgb("#2d3a4a"), box(left, left + 0.03, 0.69, 0.73))
    return blend(land, rgb("#5b3a21"), box(0.755, 0.785, 0.71, 0.79))


def _tree(rng: np.random.Generator, land: Field, x: Field, y: Field) -> Field:
    size = len(land)
    trunk = np.minimum(0.018 + 0.02 * smoothstep(0.8, 0.93, y) - np.abs(x - 0.2 - 0.02 * np.sin(9 * y)), 0.93 - y)
    land = blend(land, rgb("#4a3423"), _edge(np.minimum(trunk, y - 0.5), size))
    leaves = noise(rng, size, 14, 4)
    crown = np.hypot((x - 0.2) / 0.19, (y - 0.46) / 0.2) + 0.7 * (leaves - 0.5)
    foliage = ramp(np.clip(0.5 * leaves + 0.5 * (0.9 - y) + 0.3 * (x - 0.2), 0, 1), ("#16301a", "#2f5a24", "#86a83c"))
    return blend(land, foliage, smoothstep(1, 0.94, crown))

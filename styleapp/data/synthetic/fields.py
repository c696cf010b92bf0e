"""Fields that the sample styles are drawn from: coordinates, noise, colour ramps, relief and ridges.

A field is a size×size array over the picture, x to the right and y down, both from 0 to 1, so that a composition does
not depend on the size it is drawn at. A colour field has a third axis of red, green and blue from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Field = NDArray[Any]
OVERSAMPLING = 2  # pictures with hard edges are drawn this much larger, because ImageDraw has no anti-aliasing


def coordinates(size: int) -> tuple[Field, Field]:
    """x and y of every pixel centre, each size×size, in (0, 1)."""
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = np.meshgrid(axis, axis)
    return x, y


def polar(x: Field, y: Field, centre: tuple[float, float]) -> tuple[Field, Field]:
    """Distance from `centre` in picture sides, and angle in (-π, π]."""
    return np.hypot(x - centre[0], y - centre[1]), np.arctan2(y - centre[1], x - centre[0])


def noise(
    rng: np.random.Generator, size: int, cells: int | tuple[int, int], octaves: int = 1, gain: float = 0.5
) -> Field:
    """Smooth noise, scaled to 0…1: `cells` bumps along x and y (one number for both), halved in each further octave."""
    cells_x, cells_y = (cells, cells) if isinstance(cells, int) else cells
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        nx, ny = cells_x << octave, cells_y << octave
        lattice = Image.fromarray(rng.random((ny + 4, nx + 4), dtype=np.float32))
        layer = lattice.resize((size, size), Image.Resampling.BICUBIC, box=(2, 2, nx + 2, ny + 2))
        total += gain**octave * np.asarray(layer)
    low, high = total.min(), total.max()
    return (total - low) / max(high - low, 1e-6)


def grain(rng: np.random.Generator, size: int, width: float) -> Field:
    """Grain without a direction, 0…1 around 0.5, its lumps about `width` picture sides wide.

    Unlike fine `noise` it shows no lattice.
    """
    own = np.random.default_rng(rng.integers(1 << 32))  # so that `rng` goes on the same way at every size
    speckle = Image.fromarray(own.integers(0, 256, (size, size), dtype=np.uint8))
    blurred = np.asarray(speckle.filter(ImageFilter.GaussianBlur(max(0.5, width * size / 2))), np.float32)
    return np.clip(0.5 + (blurred - blurred.mean()) / max(5 * float(blurred.std()), 1e-6), 0, 1)


def ridge(rng: np.random.Generator, size: int, bumps: int, octaves: int = 4, gain: float = 0.5) -> Field:
    """A jagged line over x: `size` values from 0 to 1, with about `bumps` summits."""
    positions = (np.arange(size) + 0.5) / size
    total = np.zeros(size)
    for octave in range(octaves):
        knots = (bumps << octave) * 2
        values = rng.random(knots + 1)
        total += gain**octave * np.interp(positions * knots, np.arange(knots + 1), values)
    return ((total - total.min()) / max(float(np.ptp(total)), 1e-6)).astype(np.float32)


def smoothstep(start: float, end: float, values: Field) -> Field:
    """0 before `start`, 1 after `end` and a smooth step between; `end` may lie before `start`."""
    t = np.clip((values - start) / (end - start), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def triangle(phase: Field) -> Field:
    """Triangle wave of period 1: 0 at whole numbers, 1 half-way between them."""
    return 1 - np.abs(2 * (phase - np.floor(phase)) - 1)


def hashed(*ids: Field, salt: int = 0) -> Field:
    """A random number in [0, 1) for every combination of whole numbers, the same wherever the combination occurs."""
    mixed = np.full(np.broadcast_shapes(*(np.shape(i) for i in ids)), (salt * 374761393 + 1) % (1 << 32), np.uint32)
    for values in ids:
        mixed = (mixed ^ np.asarray(values).astype(np.int64).astype(np.uint32)) * np.uint32(2654435761)
        mixed = (mixed ^ (mixed >> np.uint32(15))) * np.uint32(2246822519)
        mixed ^= mixed >> np.uint32(13)
    return (mixed >> np.uint32(8)).astype(np.float32) / np.float32(1 << 24)


def rgb(colour: str) -> Field:
    """'#rrggbb' as three numbers in 0…1."""
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / 255


def palette(colours: Sequence[str]) -> Field:
    """Colours '#rrggbb' as an array N×3 in 0…1."""
    return np.stack([rgb(colour) for colour in colours])


def ramp(values: Field, colours: Sequence[str]) -> Field:
    """Blend along evenly spaced colours: 0 gives the first one, 1 the last one. Adds a last axis of 3."""
    table = palette(colours)
    stops = np.linspace(0.0, 1.0, 1024)
    fine = np.stack([np.interp(stops, np.linspace(0, 1, len(table)), table[:, c]) for c in range(3)], axis=1)
    return fine.astype(np.float32)[(np.clip(values, 0, 1) * 1023).astype(np.int32)]


def blend(under: Field, over: Field, cover: Field) -> Field:
    """`over` (a colour or a colour field) laid upon `under`, where `cover` is 1."""
    return under + cover[..., None] * (over - under)


def relief(height: Field) -> Field:
    """How bright a surface of this height (in pixels) is under a light from the upper left; flat gives 0, in -1…1."""
    down, right = np.gradient(height.astype(np.float32))
    slope = right + down
    return slope / np.sqrt(1 + slope * slope)


def look_up(field: Field, points: Field) -> Field:
    """Values of a field at points (…×2, x and y in 0…1; those outside take the nearest edge)."""
    size = field.shape[0]
    cell = np.clip((points * size).astype(np.int32), 0, size - 1)
    return field[cell[..., 1], cell[..., 0]]


def paper(rng: np.random.Generator, size: int, roughness: float = 0.06) -> Field:
    """Brightness of a sheet of rough paper, about 1 ± `roughness`: tooth and clouds."""
    tooth = grain(rng, size, 0.003) + 0.7 * grain(rng, size, 0.008)
    clouds = noise(rng, size, 5, 3)
    return 1 + roughness * (1.5 * (tooth - 0.85) + 0.8 * (clouds - 0.5))


def picture(colours: Field, size: int) -> Image.Image:
    """A colour field as an RGB picture, brought to size×size if it was drawn larger."""
    image = Image.fromarray((np.clip(colours, 0, 1) * 255 + 0.5).astype(np.uint8))
    return image if image.width == size else image.resize((size, size), Image.Resampling.LANCZOS)

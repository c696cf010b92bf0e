"""Sample styles: pictures in the manner of an art technique, drawn by our own code, so free of any licence question.

`SAMPLE_STYLES` is the one table of them; `sample_style` draws one by its name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from PIL import Image

from styleapp.data.synthetic import prints, strokes, tiles, washes

__all__ = ["SAMPLE_STYLES", "SampleStyle", "sample_style"]

SMALLEST = 32  # below this the finest lines of some styles are thinner than the drawing can show


@dataclass(frozen=True)
class SampleStyle:
    """One sample style.

    Attributes:
        name: the key in `SAMPLE_STYLES`, lower case with underscores.
        title: how a page calls it.
        draw: (size in pixels, seed of at least 0) to a square RGB picture; equal arguments give equal pixels.
    """

    name: str
    title: str
    draw: Callable[[int, int], Image.Image]


SAMPLE_STYLES: MappingProxyType[str, SampleStyle] = MappingProxyType(
    {
        style.name: style
        for style in (
            SampleStyle("oil", "Swirling oil night", strokes.oil),
            SampleStyle("pointillism", "Pointillist lake", strokes.pointillism),
            SampleStyle("coloured_pencil", "Coloured-pencil leaves", strokes.coloured_pencil),
            SampleStyle("mosaic", "Mosaic sun", tiles.mosaic),
            SampleStyle("stained_glass", "Stained-glass rose", tiles.stained_glass),
            SampleStyle("geometric", "Geometric discs", tiles.geometric),
            SampleStyle("woodcut", "Woodcut mountains", prints.woodcut),
            SampleStyle("wave_print", "Wave print", prints.wave_print),
            SampleStyle("halftone", "Halftone burst", prints.halftone),
            SampleStyle("watercolour", "Watercolour poppies", washes.watercolour),
            SampleStyle("ink_wash", "Ink-wash mountains", washes.ink_wash),
            SampleStyle("marbled_paper", "Marbled paper", washes.marbled_paper),
        )
    }
)


def sample_style(name: str, size: int = 512, seed: int = 0) -> Image.Image:
    """Draws a sample style as a square RGB picture.

    Args:
        name: a key of `SAMPLE_STYLES`.
        size: side in pixels, at least 32. The composition is the same at every size, its grain is not.
        seed: a whole number of at least 0; another seed gives another picture in the same manner.

    Raises:
        ValueError: an unknown name (the message lists the known ones), or a size or seed that is too small.
    """
    if name not in SAMPLE_STYLES:
        raise ValueError(f"unknown sample style {name!r}; known: {', '.join(SAMPLE_STYLES)}")
    if size < SMALLEST:
        raise ValueError(f"a sample style must be at least {SMALLEST} pixels wide, got {size}")
    if seed < 0:
        raise ValueError(f"the seed of a sample style must be 0 or more, got {seed}")
    return SAMPLE_STYLES[name].draw(size, seed)

"""A label map to paint on by names of classes, in coordinates that do not depend on its size."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from styleapp.data.labels import LabelSet
from styleapp.data.mask_colours import Numbers

__all__ = ["LabelCanvas", "Line"]

Line = NDArray[Any]
"""Heights over the canvas, one for each of :attr:`LabelCanvas.columns`, measured downwards from the top."""

Point = tuple[float, float]


class LabelCanvas:
    """Shapes by class name, edges hard. The shorter side is 1, x goes to the right and y down.

    A shape takes several names: the first that the label set has is painted, and nothing if it has none of them. So a
    scene can have details that a label set need not know.

    Args:
        labels: the label set; what is not painted keeps its first class.
        size: height and width in pixels.

    Attributes:
        width, height: of the canvas; the smaller is 1.
        columns: x of each pixel's centre.
    """

    def __init__(self, labels: LabelSet, size: tuple[int, int]) -> None:
        self.labels, self.scale = labels, min(size)
        self.height, self.width = size[0] / self.scale, size[1] / self.scale
        self.columns: Line = (np.arange(size[1]) + 0.5) / self.scale
        self._numbers = {label.name: label.index for label in labels.classes}
        self._image = Image.new("L", size[::-1], 0)
        self._draw = ImageDraw.Draw(self._image)

    @property
    def numbers(self) -> Numbers:
        """What has been painted: H×W, uint8."""
        return np.array(self._image)

    def has(self, *names: str) -> bool:
        """Whether the label set has all of these classes."""
        return all(name in self._numbers for name in names)

    def box(self, names: str | Sequence[str], left: float, top: float, right: float, bottom: float) -> None:
        """A rectangle of at least one pixel, if it has any width and height."""
        number = self._number(names)
        if number is None or right <= left or bottom <= top:
            return
        x, y = round(left * self.scale), round(top * self.scale)
        end_x, end_y = max(x + 1, round(right * self.scale)), max(y + 1, round(bottom * self.scale))
        self._draw.rectangle((x, y, end_x - 1, end_y - 1), fill=number)

    def ellipse(self, names: str | Sequence[str], centre: Point, radii: Point) -> None:
        """An ellipse with level axes."""
        number = self._number(names)
        if number is None:
            return
        (x, y), (a, b) = centre, radii
        left, top, right, bottom = (value * self.scale for value in (x - a, y - b, x + a, y + b))
        self._draw.ellipse((left, top, max(left, right - 1), max(top, bottom - 1)), fill=number)

    def polygon(self, names: str | Sequence[str], points: Sequence[Point]) -> None:
        """What lies within the way around these points."""
        number = self._number(names)
        if number is not None:
            self._draw.polygon([(x * self.scale, y * self.scale) for x, y in points], fill=number)

    def between(self, names: str | Sequence[str], top: Line, bottom: Line) -> None:
        """In every column what lies from one line to the other; nothing where the second is not below the first."""
        number = self._number(names)
        if number is None:
            return
        rows = (np.arange(self._image.height)[:, None] + 0.5) / self.scale
        inside = Image.fromarray((rows >= top) & (rows < bottom))
        self._image.paste(number, mask=inside)

    def below(self, names: str | Sequence[str], line: Line) -> None:
        """In every column all that lies below a line."""
        self.between(names, line, np.full_like(line, np.inf))

    def is_land(self, x: float, y: float) -> bool:
        """Whether something can stand there: neither sky nor water, and not outside."""
        column, row = int(x * self.scale), int(y * self.scale)
        if not (0 <= column < self._image.width and 0 <= row < self._image.height):
            return False
        number = self._image.getpixel((column, row))
        return number not in {self._numbers.get("sky"), self._numbers.get("water")}

    def _number(self, names: str | Sequence[str]) -> int | None:
        wanted = (names,) if isinstance(names, str) else names
        return next((self._numbers[name] for name in wanted if name in self._numbers), None)

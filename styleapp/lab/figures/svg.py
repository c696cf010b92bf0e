"""A drawing as SVG text: the few shapes that our figures are made of, on a white card for light and dark pages."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

__all__ = [
    "BLUE",
    "FAINT",
    "GREEN",
    "GREY",
    "INK",
    "LINE",
    "RED",
    "VIOLET",
    "YELLOW",
    "Drawing",
    "Point",
    "Tone",
    "mixed",
]

Point = tuple[float, float]

INK, FAINT, LINE = "#22252b", "#626973", "#b4bac4"
FONT = "system-ui, -apple-system, 'Segoe UI', 'Helvetica Neue', Arial, 'Liberation Sans', sans-serif"


@dataclass(frozen=True)
class Tone:
    """Colours of the three visible faces of a block, lit from above."""

    front: str
    top: str
    side: str


GREY = Tone("#dfe3e9", "#eceff3", "#cbd1da")
RED = Tone("#e8543f", "#f4907f", "#c13d2a")
BLUE = Tone("#2f7de1", "#7fb0f0", "#2261b5")
VIOLET = Tone("#a98be6", "#cdbcf2", "#8a68d2")
GREEN = Tone("#2fa37e", "#7fcdb3", "#227d60")
YELLOW = Tone("#f2b705", "#f8d565", "#c79504")


def mixed(first: str, second: str, share: float) -> str:
    """A colour between two of the form ``#rrggbb``; share 0 is the first."""
    pairs = [(int(first[i : i + 2], 16), int(second[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def _number(value: float) -> str:
    return f"{round(value, 1) + 0.0:g}"  # + 0.0 makes −0 a plain 0


def _runs(text: str) -> str:
    """``C_1`` and ``w_{WD}`` with the part after the underscore lowered."""
    first, *others = re.split(r"_(?:\{([^}]*)\}|(\S))", escape(text, quote=False))
    runs = [first]
    for long, short, plain in zip(others[0::3], others[1::3], others[2::3], strict=True):
        runs.append(f'<tspan dy="3" font-size="75%">{long or short}</tspan>')
        if plain:
            runs.append(f'<tspan dy="-3">{plain}</tspan>')
    return "".join(runs)


@dataclass
class Drawing:
    """Shapes in the order in which they are drawn; y grows downwards, units are pixels.

    Attributes:
        title: what the figure is, for readers who do not see it.
    """

    width: int
    height: int
    title: str
    shapes: list[str] = field(default_factory=list)

    def polygon(self, points: Sequence[Point], fill: str, stroke: str = "none", width: float = 1.0) -> None:
        listed = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
        self.shapes.append(f'<polygon points="{listed}" fill="{fill}"{_stroke(stroke, width)}/>')

    def mesh(self, points: Sequence[Sequence[Point]], fill: str, lines: str = "#ffffff") -> None:
        """A surface of cells: its corners row by row."""
        corners = [points[0][0], points[0][-1], points[-1][-1], points[-1][0]]
        self.polygon(corners, fill, lines)
        inner = [(row[0], row[-1]) for row in points[1:-1]]
        inner += [(points[0][i], points[-1][i]) for i in range(1, len(points[0]) - 1)]
        path = "".join(f"M{_number(a)} {_number(b)}L{_number(c)} {_number(d)}" for (a, b), (c, d) in inner)
        if path:
            self.shapes.append(f'<path d="{path}"{_stroke(lines, 1.0)}/>')

    def box(
        self, x: float, y: float, width: float, height: float, fill: str, stroke: str = "none", radius: float = 0
    ) -> None:
        rounded = f' rx="{_number(radius)}"' if radius else ""
        place = f'x="{_number(x)}" y="{_number(y)}" width="{_number(width)}" height="{_number(height)}"'
        self.shapes.append(f'<rect {place}{rounded} fill="{fill}"{_stroke(stroke, 1.0)}/>')

    def dot(self, x: float, y: float, radius: float, fill: str, stroke: str = "none") -> None:
        place = f'cx="{_number(x)}" cy="{_number(y)}" r="{_number(radius)}"'
        self.shapes.append(f'<circle {place} fill="{fill}"{_stroke(stroke, 1.0)}/>')

    def line(self, points: Sequence[Point], stroke: str = LINE, width: float = 1.5, dashed: bool = False) -> None:
        listed = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
        dashes = ' stroke-dasharray="4 3"' if dashed else ""
        self.shapes.append(f'<polyline points="{listed}" fill="none"{_stroke(stroke, width)}{dashes}/>')

    def arrow(self, points: Sequence[Point], stroke: str = FAINT, width: float = 1.5) -> None:
        """A line through the points with a head at the last one."""
        (x0, y0), (x1, y1) = points[-2], points[-1]
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        neck = (x1 - 8 * ux, y1 - 8 * uy)
        self.line([*points[:-1], neck], stroke, width)
        wings = [(neck[0] - 4 * uy, neck[1] + 4 * ux), (neck[0] + 4 * uy, neck[1] - 4 * ux)]
        self.polygon([(x1, y1), *wings], stroke)

    def text(
        self, x: float, y: float, words: str, *, size: float = 13, fill: str = INK, anchor: str = "start",
        bold: bool = False, turned: bool = False,
    ) -> None:  # fmt: skip
        """One line of text at its baseline; ``_`` lowers what follows, ``turned`` reads from bottom to top."""
        look = f'font-size="{_number(size)}" fill="{fill}"'
        look += f' text-anchor="{anchor}"' if anchor != "start" else ""
        look += ' font-weight="600"' if bold else ""
        look += f' transform="rotate(-90 {_number(x)} {_number(y)})"' if turned else ""
        self.shapes.append(f'<text x="{_number(x)}" y="{_number(y)}" {look}>{_runs(words)}</text>')

    def svg(self) -> str:
        """The whole file, one shape a line."""
        size = f'width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{FONT}">'
        card = f'<rect x="0.5" y="0.5" width="{self.width - 1}" height="{self.height - 1}" rx="10" fill="#ffffff" '
        card += 'stroke="#e3e6ea"/>'
        return "\n".join([head, f"<title>{escape(self.title)}</title>", card, *self.shapes, "</svg>", ""])


def _stroke(colour: str, width: float) -> str:
    if colour == "none":
        return ""
    thick = f' stroke-width="{_number(width)}"' if width != 1 else ""
    return f' stroke="{colour}"{thick} stroke-linejoin="round"'

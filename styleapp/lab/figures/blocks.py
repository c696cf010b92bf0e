"""Which cells share statistics: features N×C×(H,W) as a block cut into sets, and a convolution's kernels as a grid."""

from collections.abc import Callable
from dataclasses import dataclass

from styleapp.lab.figures.svg import FAINT, GREY, RED, Drawing, Point, Tone

__all__ = ["SHARING", "Block", "Kernels", "Sharing", "slab"]

CELL = 22.0
DEEP: Point = (13.0, -8.0)  # one step along N
GAP = 8.0  # between two sets, along C
APART = 0.7  # between two sets, along N, in steps


@dataclass(frozen=True)
class Sharing:
    """How many samples and channels a set of cells that share statistics spans; ``None`` is all of them.

    Height and width are always within a set: every normalizer here averages over them.
    """

    samples: int | None
    channels: int | None

    def together(self, first: Point, second: Point) -> bool:
        """Whether two (sample, channel) share statistics."""
        spans = (self.samples, self.channels)
        return all(span is None or a // span == b // span for span, a, b in zip(spans, first, second, strict=True))


BATCH = Sharing(samples=None, channels=1)
GROUP_CHANNELS = 2  # the figure's features have 6 channels in 3 groups

SHARING: dict[str, Sharing] = {
    "batch": BATCH,
    "sync_batch": BATCH,
    "layer": Sharing(samples=1, channels=None),
    "instance": Sharing(samples=1, channels=1),
    "group": Sharing(samples=1, channels=GROUP_CHANNELS),
    "l1_batch": BATCH,
    "linf_batch": BATCH,
    "topk_batch": BATCH,
    "revisited_batch": BATCH,
    "moving_batch": BATCH,
    "power": BATCH,
    "memorized_batch": BATCH,
    "unified_batch": BATCH,
    "adaptive_batch": BATCH,
}
"""What a normalizer's figure shows, for every normalizer but ``none``; in the figures a group has two channels."""


def _cuts(size: int, span: int | None) -> list[range]:
    step = size if span is None else span
    return [range(start, min(start + step, size)) for start in range(0, size, step)]


@dataclass(frozen=True)
class Block:
    """Features drawn as a block: C to the right, N into the depth, H×W upwards; sets of cells stand apart.

    Attributes:
        x: left edge of the front.
        y: bottom of the front.
        sharing: how the block is cut; ``None`` leaves it whole.
    """

    x: float
    y: float
    sharing: Sharing | None
    samples: int = 4
    channels: int = 6
    pixels: int = 4
    cell: float = CELL

    @property
    def right(self) -> float:
        """Right end of the front."""
        return self._corner(0, self.channels, 0)[0]

    @property
    def top(self) -> float:
        """Upper end of the front."""
        return self.y - self.pixels * self.cell

    @property
    def far(self) -> Point:
        """The corner at the back, top and right."""
        return self._corner(self.samples, self.channels, self.pixels)

    def _corner(self, n: float, c: float, h: float, behind: bool = False, beside: bool = False) -> Point:
        """A corner of the grid; on a cut it belongs to the set before, unless ``behind`` or ``beside``."""
        depth, step = n, self.cell / CELL
        across = c * self.cell
        if self.sharing is not None:
            across += GAP * step * _cut_before(c, self.sharing.channels, beside)
            depth += APART * _cut_before(n, self.sharing.samples, behind)
        return self.x + across + depth * DEEP[0] * step, self.y - h * self.cell + depth * DEEP[1] * step

    def middle(self, n: int, c: int, h: float) -> Point:
        """Middle of the front side of a cell; a height of ``pixels`` is its upper edge."""
        return self._corner(n, c + 0.5, h, behind=True)

    def draw(self, drawing: Drawing, tone: Callable[[int, int], Tone] = lambda n, c: GREY) -> None:
        """Draws the sets from the back to the front, each in the tone of its first (sample, channel)."""
        sharing = self.sharing or Sharing(None, None)
        for samples in reversed(_cuts(self.samples, sharing.samples)):
            for channels in _cuts(self.channels, sharing.channels):
                self._draw_set(drawing, samples, channels, tone(samples[0], channels[0]))

    def _draw_set(self, drawing: Drawing, samples: range, channels: range, tone: Tone) -> None:
        n0, n1, c0, c1 = samples[0], samples[-1] + 1, channels[0], channels[-1] + 1

        def at(n: int, c: int, h: int) -> Point:
            return self._corner(n, c, h, behind=n == n0, beside=c == c0)

        ns, cs, hs = range(n0, n1 + 1), range(c0, c1 + 1), range(self.pixels + 1)
        drawing.mesh([[at(n0, c, h) for c in cs] for h in hs], tone.front)
        drawing.mesh([[at(n, c, self.pixels) for c in cs] for n in ns], tone.top)
        drawing.mesh([[at(n, c1, h) for n in ns] for h in hs], tone.side)

    def label(self, drawing: Drawing, channels: str = "C channels") -> None:
        """Names the three axes."""
        drawing.text((self.x + self.right) / 2, self.y + 20, channels, fill=FAINT, anchor="middle")
        drawing.text(self.x - 10, (self.y + self.top) / 2, "H×W pixels", fill=FAINT, anchor="middle", turned=True)
        (x0, y0), (x1, y1) = self._corner(0, self.channels, 0), self._corner(self.samples, self.channels, 0)
        drawing.text((x0 + x1) / 2 + 10, (y0 + y1) / 2 + 14, "N pictures", fill=FAINT)


def _cut_before(position: float, span: int | None, included: bool) -> int:
    """How many cuts lie before a position; one right at it counts if ``included``."""
    if span is None:
        return 0
    whole, rest = divmod(position, span)
    return int(whole) - (1 if rest == 0 and whole > 0 and not included else 0)


def slab(sharing: Sharing, marked: Point, tone: Tone = RED, other: Tone = GREY) -> Callable[[int, int], Tone]:
    """Tones of a block whose cells that share statistics with the marked one stand out."""
    return lambda n, c: tone if sharing.together((n, c), marked) else other


@dataclass(frozen=True)
class Kernels:
    """A convolution's weight as a grid: a row an output channel, a square of taps an input channel.

    Attributes:
        x: left edge.
        y: upper edge.
    """

    x: float
    y: float
    rows: int = 4
    inputs: int = 3
    taps: int = 3
    tap: float = 10.0

    @property
    def pitch(self) -> float:
        """From one row to the next, and from one square to the next."""
        return self.taps * self.tap + 9

    @property
    def right(self) -> float:
        return self.x + self.inputs * self.pitch - 9

    @property
    def bottom(self) -> float:
        return self.y + self.rows * self.pitch - 9

    def middle(self, row: int) -> float:
        """Height of the middle of a row."""
        return self.y + row * self.pitch + self.taps * self.tap / 2

    def draw(self, drawing: Drawing, tone: Callable[[int, int], Tone] = lambda row, channel: GREY) -> None:
        """Draws every tap in the tone of its (row, input)."""
        for row in range(self.rows):
            for channel in range(self.inputs):
                x, y = self.x + channel * self.pitch, self.y + row * self.pitch
                steps = [index * self.tap for index in range(self.taps + 1)]
                mesh = [[(x + across, y + down) for across in steps] for down in steps]
                drawing.mesh(mesh, tone(row, channel).front)

    def label(self, drawing: Drawing) -> None:
        drawing.text((self.x + self.right) / 2, self.bottom + 20, "C_{in} × k × k", fill=FAINT, anchor="middle")
        middle = (self.y + self.bottom) / 2
        drawing.text(self.x - 12, middle, "C_{out} kernels", fill=FAINT, anchor="middle", turned=True)


KERNEL_SHARING: dict[str, Callable[[int, int], bool]] = {
    "none": lambda row, other: False,
    "weight_norm": lambda row, other: row == other,
    "bounded_weight_norm": lambda row, other: row == other,
    "weight_standardization": lambda row, other: row == other,
    "conv_norm": lambda row, other: row == other,
    "spectral_norm": lambda row, other: True,
}
"""Whether two rows of a convolution's weight share what a weight normalization divides by."""

"""A small stylizer for any style: no VGG at inference, and a trunk at a quarter of the resolution.

Two small encoders with adaptive instance norm at several depths are the idea of MicroAST (Wang et al., AAAI 2023); that
a network predicts scales and shifts from a style is Ghiasi et al.'s (BMVC 2017).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, relu

from styleapp.models.blocks import ReflectConv2d, beyond, faded
from styleapp.models.cells import CELL, CHANNELS, folded, margined, trimmed, with_margin
from styleapp.models.subpixel import picture_head
from styleapp.norms import Code, build_norm, mean_deviation, split_code

__all__ = ["MicroStylizer", "ResidualBlock", "StyleSignal"]

SMALLEST_STYLE, LARGEST_STYLE = 32, 512


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(relu(x)))), both 3×3: what enters and leaves is not rectified, so that a norm may follow."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = ReflectConv2d(width, width), ReflectConv2d(width, width)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.first(relu(x))  # N×C×H×W
        return self.second(inner.relu_()).add_(x)  # N×C×H×W


class StyleSignal(nn.Module):
    """Means and deviations of learned features of a style picture at three scales: N×(2·Σ widths).

    Args:
        widths: channels at 1/4, 1/8 and 1/16 of the resolution.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.widths = tuple(widths)
        before = (CHANNELS, *self.widths)
        self.entries = nn.ModuleList(ReflectConv2d(a, b) for a, b in zip(before, self.widths, strict=False))
        self.blocks = nn.ModuleList(ReflectConv2d(width, width) for width in self.widths[1:])

    @property
    def length(self) -> int:
        return 2 * sum(self.widths)

    def forward(self, style: Tensor) -> Tensor:
        x = relu(self.entries[0](folded(fitted(style))))  # N×C×H/4×W/4
        moments = [*mean_deviation(x)]
        for entry, block in zip(self.entries[1:], self.blocks, strict=True):
            x = relu(block(relu(entry(avg_pool2d(x, 2)))))  # N×C×h×w
            moments += mean_deviation(x)
        return torch.cat(moments, dim=1).flatten(1)  # N×L


class MicroStylizer(nn.Module):
    """Any photo in the style of any picture, with few convolutions.

    Args:
        width: channels of the trunk.
        blocks: residual blocks; each is followed by a norm that the style governs.
        style_widths: see :class:`StyleSignal`.
        hidden: width of the layer between signal and codes.
        normalizer: a name of :data:`styleapp.norms.NORMALIZERS`.

    Note:
        MicroAST gives the style's statistics to the content path and modulates its filters besides. Here the scales and
        shifts of all depths come from the statistics through one hidden layer, and one code holds them all.
    """

    stride = CELL
    """Sides of a photo must be multiples of this for the output to have the photo's size."""

    bytes_per_pixel = 150
    """Peak memory of rendering a large picture, above the idle process, rounded up (``styleapp benchmark``)."""

    def __init__(
        self,
        width: int = 48,
        blocks: int = 4,
        style_widths: Sequence[int] = (48, 80, 112),
        hidden: int = 96,
        normalizer: str = "instance",
    ) -> None:
        super().__init__()
        self.width, self.hidden, self.normalizer = width, hidden, normalizer
        self.entry = ReflectConv2d(CHANNELS, width)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(blocks))
        self.norms = nn.ModuleList(build_norm(normalizer, width, modulator="image") for _ in range(blocks))
        self.head = picture_head(width, CELL)
        self.signal = StyleSignal(style_widths)
        self.to_codes = nn.Sequential(
            nn.Linear(self.signal.length, hidden), nn.ReLU(), nn.Linear(hidden, 2 * width * blocks)
        )

    def options(self) -> dict[str, Any]:
        """What is needed to build this network again."""
        return {
            "width": self.width,
            "blocks": len(self.blocks),
            "style_widths": list(self.signal.widths),
            "hidden": self.hidden,
            "normalizer": self.normalizer,
        }

    def code(self, style: Tensor) -> Code:
        """The code of a style picture (N×3×H×W, RGB in [0, 1], at least 16 pixels a side): all depths in a row."""
        changes, shifts = self.to_codes(self.signal(style))[..., None, None].chunk(2, dim=1)  # N×D·C×1×1
        return Code(gamma=1 + changes, beta=shifts)

    def render(self, photo: Tensor, code: Code | Sequence[Code], strength: float | Tensor = 1.0) -> Tensor:
        """The photo in a style.

        Args:
            photo: N×3×H×W, RGB in [0, 1], sides multiples of :attr:`stride`, above 8.
            code: from :meth:`code`, or several with regions that cover the photo.
            strength: 0 is the photo, 1 its painting, between them one fades into the other; more goes beyond the style,
                away from the photo's own code. Also one value a sample (N×1×1×1), up to 1.

        Returns:
            N×3×H×W, RGB about [0, 1], not clamped.
        """
        if isinstance(strength, float) and strength > 1:
            code = beyond(self.code(shrunk(photo)), code, strength)
        codes = split_code(with_margin(code, photo.shape[-2:]), [self.width] * len(self.blocks))
        x = self.entry(folded(margined(photo)))  # N×C×h×w, h = H/4 + 4
        for block, norm, at_depth in zip(self.blocks, self.norms, codes, strict=True):
            x = norm(block(x), at_depth)  # N×C×h×w
        return faded(photo, trimmed(self.head(x)), strength)  # N×3×H×W


def shrunk(photo: Tensor) -> Tensor:
    """At most 512 pixels at its short side: enough to see what a photo's own style is."""
    scale = LARGEST_STYLE / min(photo.shape[-2:])
    return interpolate(photo, scale_factor=scale, mode="bilinear", antialias=True) if scale < 1 else photo


def fitted(style: Tensor) -> Tensor:
    """A style picture of at least 32 pixels a side, and of whole cells: what is left over is cut off."""
    scale = SMALLEST_STYLE / min(style.shape[-2:])
    if scale > 1:
        style = interpolate(style, scale_factor=scale, mode="bilinear", antialias=True)
    height, width = (side // CELL * CELL for side in style.shape[-2:])
    return style[..., :height, :width]

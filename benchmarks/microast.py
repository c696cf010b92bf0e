"""The content path of MicroAST (Wang et al., AAAI 2023, figure 2), rebuilt with random weights to be timed.

Sizes as its authors publish them: a 9×9 entry of 16 channels, two strided depthwise-separable steps to 64 channels at a
quarter of the resolution, four residual blocks, two bilinear enlargements, a 9×9 exit.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = ["MicroAST", "StyleOfMicroAST"]

WIDTHS = (16, 32, 64)


class StyleOfMicroAST(NamedTuple):
    """What the style gives at each of two depths, deepest first: four tensors of 1×64×1×1."""

    means: tuple[Tensor, Tensor]
    deviations: tuple[Tensor, Tensor]
    filter_scales: tuple[Tensor, Tensor]
    filter_biases: tuple[Tensor, Tensor]

    @classmethod
    def random(cls) -> "StyleOfMicroAST":
        return cls(*((torch.rand(1, WIDTHS[2], 1, 1), torch.rand(1, WIDTHS[2], 1, 1)) for _ in cls._fields))


class MicroAST(nn.Module):
    """From a photo (N×3×H×W, sides multiples of 4) and a known style to the picture."""

    def __init__(self) -> None:
        super().__init__()
        low, middle, high = WIDTHS
        self.shallow = nn.Sequential(
            *_padded(3, low, 9),
            nn.ReLU(True),
            *_separable(low, middle, 2),
            *_separable(middle, high, 2),
            _Residual(high),
        )
        self.deep = _Residual(high)
        self.restyled = nn.ModuleList(_ModulatedResidual(high) for _ in range(2))
        self.exit = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear"),
            *_separable_down(high, middle),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            *_separable_down(middle, low),
            *_padded(low, 3, 9),
        )

    def forward(self, photo: Tensor, style: StyleOfMicroAST) -> Tensor:
        x = self.deep(self.shallow(photo))  # N×64×H/4×W/4
        for block, mean, deviation, scale, bias in zip(self.restyled, *style, strict=True):
            x = block(_adain(x, mean, deviation), scale, bias)
        return self.exit(x)  # N×3×H×W


def _padded(channels: int, width: int, size: int, stride: int = 1, groups: int = 1) -> tuple[nn.Module, nn.Module]:
    return nn.ReflectionPad2d(size // 2), nn.Conv2d(channels, width, size, stride, groups=groups)


def _separable(channels: int, width: int, stride: int) -> tuple[nn.Module, ...]:
    """Each channel gives two that are then mixed."""
    return *_padded(channels, width, 3, stride, channels), nn.ReLU(True), nn.Conv2d(width, width, 1), nn.ReLU(True)


def _separable_down(channels: int, width: int) -> tuple[nn.Module, ...]:
    """Each pair of channels gives one; these are then mixed."""
    return *_padded(channels, width, 3, groups=width), nn.ReLU(True), nn.Conv2d(width, width, 1), nn.ReLU(True)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Sequential(*_padded(width, width, 3)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x).relu_())


class _ModulatedResidual(_Residual):
    """The style also scales what the filters give and adds a share of what they were given."""

    def forward(self, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:  # type: ignore[override]
        inner = (scale * self.first(x) + bias * x).relu_()
        return x + scale * self.second(inner) + bias * inner


def _adain(x: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    own = x.flatten(2).var(2, keepdim=True).add(1e-5).sqrt().unsqueeze(-1)
    return (x - x.mean((2, 3), keepdim=True)) / own * deviation + mean

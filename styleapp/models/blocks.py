"""Pieces that several networks share."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from styleapp.norms import Code

__all__ = ["ReflectConv2d", "beyond", "faded", "reflect_conv"]

BORDER_FROM = 192
"""Shorter side of the features from which correcting a border is quicker than a padded copy of all of them."""


def reflect_conv(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A 3×3 convolution with reflection padding 1.

    Large features are not copied for it where no gradient is asked for: they are padded with zeros inside the
    convolution, and the outermost rows and columns of the result are computed again from strips.

    Args:
        x: N×C×H×W with H, W ≥ 2.
        weight: C'×C×3×3.
        bias: C'.
    """
    if torch.is_grad_enabled() or min(x.shape[-2:]) < BORDER_FROM:
        return conv2d(pad(x, (1, 1, 1, 1), mode="reflect"), weight, bias)
    y = conv2d(x, weight, bias, padding=1)  # N×C'×H×W, wrong in its outermost cells
    for ours, strip in _border(x):
        y[ours] = conv2d(strip, weight, bias)
    return y


def _border(x: Tensor) -> list[tuple[tuple[slice, ...], Tensor]]:
    """The four edges of the result, and the three rows or columns of the padded features that each comes from."""
    every, first, last = slice(None), slice(0, 1), slice(-1, None)
    rows = pad(x[:, :, :2], (1, 1, 1, 0), mode="reflect"), pad(x[:, :, -2:], (1, 1, 0, 1), mode="reflect")
    columns = pad(x[..., :2], (1, 0, 1, 1), mode="reflect"), pad(x[..., -2:], (0, 1, 1, 1), mode="reflect")
    return [
        ((every, every, first), rows[0]),  # N×C×3×(W+2)
        ((every, every, last), rows[1]),
        ((every, every, every, first), columns[0]),  # N×C×(H+2)×3
        ((every, every, every, last), columns[1]),
    ]


class ReflectConv2d(nn.Conv2d):
    """3×3 convolution with reflection padding: no frame around the picture, as zero padding leaves."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3)
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        assert self.bias is not None
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return reflect_conv(x, self.weight, self.bias)  # N×C'×H×W


def faded(photo: Tensor, painting: Tensor, strength: float | Tensor) -> Tensor:
    """From the photo (strength 0) to its painting (1 and above); also one strength a sample (N×1×1×1)."""
    if isinstance(strength, Tensor):
        return torch.lerp(photo, painting, strength.clamp(max=1))
    return painting if strength >= 1 else torch.lerp(photo, painting, strength)


def beyond(own: Code, code: Code | Sequence[Code], strength: float) -> Code | list[Code]:
    """Codes that go on in the direction from a plain one, by a strength above 1; regions stay."""
    if not isinstance(code, Code):
        return [beyond(own, one, strength) for one in code]  # type: ignore[misc]
    gamma, beta = torch.lerp(own.gamma, code.gamma, strength), torch.lerp(own.beta, code.beta, strength)
    return Code(gamma, beta, code.region)

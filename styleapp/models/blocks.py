"""Pieces that several networks share."""

from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

__all__ = ["ReflectConv2d", "reflect_conv"]


def reflect_conv(x: Tensor, conv: nn.Module) -> Tensor:
    """A 3×3 convolution with reflection padding 1.

    Args:
        x: N×C×H×W with H, W ≥ 2.
        conv: a 3×3 ``nn.Conv2d``; its own padding setting is not used.
    """
    return conv2d(pad(x, (1, 1, 1, 1), mode="reflect"), conv.weight, conv.bias)  # type: ignore[arg-type]


class ReflectConv2d(nn.Conv2d):
    """3×3 convolution with reflection padding: no frame around the picture, as zero padding leaves."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size=3)
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        assert self.bias is not None
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return reflect_conv(x, self)  # N×C'×H×W

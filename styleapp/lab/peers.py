"""What others run, rebuilt from the papers with random weights, to be timed beside our own networks."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

__all__ = ["PlainAdaIN", "plain_adain"]

ENCODER = (64, 64, "pool", 128, 128, "pool", 256, 256, 256, 256, "pool", 512)
DECODER = (256, "up", 256, 256, 256, 128, "up", 128, 64, "up", 64)


class PlainAdaIN(nn.Module):
    """AdaIN as a first PyTorch version of it looks: one sequence of modules, padding as a layer, NCHW in memory.

    The arithmetic of :class:`styleapp.models.adain.AdaINStylizer`: VGG-19 to relu4_1, statistics, mirrored decoder.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*_layers(ENCODER, channels=3))
        self.decoder = nn.Sequential(*_layers(DECODER, channels=512), nn.ReflectionPad2d(1), nn.Conv2d(64, 3, 3))

    def code(self, style: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and deviation of a style picture's features, each N×512×1×1."""
        return _statistics(self.encoder(style))

    def forward(self, photo: Tensor, code: tuple[Tensor, Tensor]) -> Tensor:
        features = self.encoder(photo)  # N×512×H/8×W/8
        mean, deviation = _statistics(features)
        normalized = (features - mean.expand_as(features)) / deviation.expand_as(features)
        restyled = normalized * code[1].expand_as(features) + code[0].expand_as(features)
        return self.decoder(restyled)  # N×3×H×W


def _layers(plan: tuple[int | str, ...], channels: int) -> Iterator[nn.Module]:
    for step in plan:
        if step == "pool":
            yield nn.MaxPool2d(2, ceil_mode=True)
        elif step == "up":
            yield nn.Upsample(scale_factor=2, mode="nearest")
        else:
            width = int(step)
            yield nn.ReflectionPad2d(1)
            yield nn.Conv2d(channels, width, 3)
            yield nn.ReLU()
            channels = width


def _statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    flat = features.flatten(2)  # N×C×P
    deviation = (flat.var(dim=2) + 1e-5).sqrt()
    return flat.mean(dim=2)[..., None, None], deviation[..., None, None]


def plain_adain(device: torch.device) -> PlainAdaIN:
    """A :class:`PlainAdaIN` ready to be timed."""
    return PlainAdaIN().to(device).eval().requires_grad_(False)

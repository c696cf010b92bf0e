"""Noise that gives a network something to make textures of, where its input is the same all over."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["Grain", "grain_from", "grain_pattern"]


def grain_pattern(height: int, width: int, number: int = 0) -> Tensor:
    """1×1×H×W values of a normal distribution that are always the same for a size and a number."""
    return torch.randn(1, 1, height, width, generator=torch.Generator().manual_seed(number))


@contextmanager
def grain_from(seed: int, device: torch.device) -> Iterator[None]:
    """Inside, the noise of training depends on the seed alone; outside, random numbers go on as if none was drawn."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


class Grain(nn.Module):
    """x + w·n with a learned strength w for each channel and noise n that all channels share (N×1×H×W).

    In training the noise is new each time (:func:`grain_from` makes it repeatable); in evaluation it is
    :func:`grain_pattern`, so that a picture stays the same but for what is changed in its input. From StyleGAN (Karras
    et al., CVPR 2019, section 2).

    Args:
        channels: of x.
        number: of the pattern; layers with different ones have different patterns.

    Note:
        StyleGAN begins with w = 0; here it begins at random with deviation 0.3, because trainings are short.
    """

    def __init__(self, channels: int, number: int = 0) -> None:
        super().__init__()
        self.number = number
        self.strength = nn.Parameter(0.3 * torch.randn(channels))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            noise = torch.randn_like(x[:, :1])  # N×1×H×W
        else:
            noise = grain_pattern(x.shape[2], x.shape[3], self.number).to(x)  # 1×1×H×W
        return torch.addcmul(x, self.strength.view(1, -1, 1, 1), noise)  # N×C×H×W

"""A task that two cores can train on: pictures of gratings, and a small network that tells their kinds apart."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["CLASSES", "GratingNetwork", "gratings"]

ANGLES, PERIODS = 4, (3.0, 6.0)
CLASSES = ANGLES * len(PERIODS)
WIDTHS = ((12, 1), (16, 2), (16, 1), (24, 2), (24, 1))  # channels and stride of each convolution
NOISE = 0.2
DEVIATION = 0.6  # of the sum of ground, waves and noise: pictures are divided by it


def gratings(count: int, generator: torch.Generator, size: int = 16) -> tuple[Tensor, Tensor]:
    """Pictures of waves, whose direction (one of four) and period (3 or 6 pixels) are the class.

    Phase, contrast (0.2 to 1), the colour of the waves and of the ground differ from picture to picture: it is because
    contrast and ground differ that the statistics of a small batch are far from those of a large one.

    Returns:
        Pictures N×3×H×W, not limited to a range, and classes N.
    """
    classes = torch.randint(CLASSES, (count,), generator=generator)

    def draw(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator)

    angles = (classes % ANGLES).view(-1, 1, 1) * (math.pi / ANGLES)
    periods = torch.tensor(PERIODS)[classes // ANGLES].view(-1, 1, 1)
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    along = x * angles.cos() + y * angles.sin()  # N×H×W
    waves = torch.sin(2 * math.pi * (along / periods + draw(1, 1)))
    contrast, colour, ground = 0.2 + 0.8 * draw(1, 1, 1), 0.5 + 0.5 * draw(3, 1, 1), 2 * draw(3, 1, 1) - 1
    noise = NOISE * torch.randn(count, 3, size, size, generator=generator)
    return (ground + contrast * colour * waves.unsqueeze(1) + noise) / DEVIATION, classes  # N×3×H×W, N


class GratingNetwork(nn.Module):
    """Five 3×3 convolutions, each with a norm and ReLU; then the mean over all places and a linear layer.

    They have 12, 16, 16, 24, 24 channels, He-normal weights and no bias; the second and fourth have stride 2.

    Args:
        norm: builds the norm for a number of channels.
    """

    def __init__(self, norm: Callable[[int], nn.Module]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width, stride in WIDTHS:
            conv = nn.Conv2d(before, width, 3, stride, padding=1, bias=False)
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            layers += [conv, norm(width), nn.ReLU()]
            before = width
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(before, CLASSES)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.features(pictures).mean((2, 3)))  # N×classes

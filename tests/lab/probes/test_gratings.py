"""The generated task: its classes are told by direction and period, and pictures differ in everything else."""

import pytest
import torch
from torch import nn

from styleapp.lab.probes.gratings import ANGLES, CLASSES, PERIODS, GratingNetwork, gratings
from styleapp.norms import build_norm


def _draw(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    return gratings(count, torch.Generator().manual_seed(seed))


def test_depends_on_the_seed_alone() -> None:
    first, again, other = _draw(5), _draw(5), _draw(5, 1)
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


def test_all_classes_come_about_equally_often() -> None:
    _, classes = _draw(4000)
    assert classes.bincount(minlength=CLASSES).tolist() == pytest.approx([500] * CLASSES, abs=90)


def test_pictures_have_about_deviation_one_and_differ_in_contrast() -> None:
    pictures, _ = _draw(2000)
    assert pictures.shape == (2000, 3, 16, 16)
    assert float(pictures.std()) == pytest.approx(1.2, abs=0.15)
    assert abs(float(pictures.mean())) < 0.05
    contrasts = pictures.std((2, 3)).flatten()
    assert float(contrasts.quantile(0.95) / contrasts.quantile(0.05)) > 2


def test_the_class_is_the_strongest_wave() -> None:
    """An oracle of its own: the direction and period with the largest Fourier coefficient, on large pictures."""
    pictures, classes = gratings(64, torch.Generator().manual_seed(3), size=48)
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(48.0), indexing="ij")
    grey = pictures.mean(1) - pictures.mean((1, 2, 3)).view(-1, 1, 1)
    strength = []
    for kind in range(CLASSES):
        angle, period = torch.tensor((kind % ANGLES) * torch.pi / ANGLES), PERIODS[kind // ANGLES]
        phase = 2 * torch.pi * (x * angle.cos() + y * angle.sin()) / period
        strength.append(((grey * phase.cos()).sum((1, 2)) ** 2 + (grey * phase.sin()).sum((1, 2)) ** 2).sqrt())
    assert torch.equal(torch.stack(strength).argmax(0), classes)


def test_network() -> None:
    network = GratingNetwork(lambda width: build_norm("batch", width))
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert [(conv.out_channels, conv.stride[0]) for conv in convolutions] == [
        (12, 1),
        (16, 2),
        (16, 1),
        (24, 2),
        (24, 1),
    ]
    assert all(conv.bias is None for conv in convolutions)
    assert network(_draw(2)[0]).shape == (2, CLASSES)

"""How activations grow with depth in a residual network: with normalized activations, and with normalized weights.

The network: x ← x + g · norm(W · relu(x)), 20 times. Features are 256 wide, W is square without bias with He-normal
weights, the norm has no scale and shift, 128 samples begin as standard normal values, and nothing is trained. g is 1
but for ``weight_standardization``, whose rows have length √256: g = √(2 / (1 − 1/π)) / √256 makes the variance of a
branch that of its input.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from styleapp.lab.plots import Panel
from styleapp.lab.probes.base import Probe, Row, curves
from styleapp.lab.probes.state import seeded
from styleapp.norms import WEIGHT_NORMS, build_norm

__all__ = ["GROWTH", "Branch", "GrowthRow", "measure_growth"]

WIDTH, BLOCKS, SAMPLES = 256, 20, 128
RECTIFIED_GAIN = math.sqrt(2 / (1 - 1 / math.pi))
"""ReLU of a standard normal value has variance (1 − 1/π) / 2."""


@dataclass(frozen=True)
class GrowthRow(Row):
    """After ``block`` blocks: variance over the samples, mean over the features."""

    block: int
    variance: float


@dataclass(frozen=True)
class Case:
    """What normalizes a branch, and the gain behind it."""

    norm: str = "none"
    weight_norm: str = "none"
    gain: float = 1.0
    options: dict[str, Any] = field(default_factory=dict)


CASES = {
    "none": Case(),
    "batch": Case("batch"),
    "layer": Case("layer"),
    "group": Case("group", options={"groups": 8}),
    "weight_norm": Case(weight_norm="weight_norm"),
    "bounded_weight_norm": Case(weight_norm="bounded_weight_norm"),
    "weight_standardization": Case(weight_norm="weight_standardization", gain=RECTIFIED_GAIN / math.sqrt(WIDTH)),
    "spectral_norm": Case(weight_norm="spectral_norm"),
}


class Branch(nn.Module):
    """g · norm(W · relu(x)) on N×C×1×1, where a 1×1 convolution is a linear layer."""

    def __init__(self, case: Case) -> None:
        super().__init__()
        conv = nn.Conv2d(WIDTH, WIDTH, 1, bias=False)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        self.conv = WEIGHT_NORMS[case.weight_norm](conv)
        self.norm = build_norm(case.norm, WIDTH, modulator="none", **case.options)
        self.gain = case.gain

    def forward(self, x: Tensor) -> Tensor:
        return self.gain * self.norm(self.conv(x.relu()))  # N×C×1×1


def measure_growth(case: str, seed: int) -> tuple[GrowthRow, ...]:
    """The variance after each block. All cases of a seed have the same input and weights."""
    rows = []
    with seeded(seed), torch.no_grad():
        x = torch.randn(SAMPLES, WIDTH, 1, 1)
        draws = torch.Generator().manual_seed(seed)
        for block in range(1, BLOCKS + 1):
            torch.manual_seed(int(torch.randint(2**31, (), generator=draws)))  # attaching some norms draws numbers, too
            x = x + Branch(CASES[case])(x)
            rows.append(GrowthRow(case, seed, block, float(x.var(0, unbiased=False).mean())))
    return tuple(rows)


def _panels(rows: Sequence[GrowthRow]) -> tuple[Panel, ...]:
    blocks, variance = "residual blocks", "variance of activations (input: 1)"
    activations = [row for row in rows if CASES[row.case].norm != "none"]
    return (
        Panel("All", blocks, variance, curves(rows, "block", "variance"), y_scale="log"),
        *(
            [Panel("Normalized activations", blocks, variance, curves(activations, "block", "variance"))]
            if activations
            else []
        ),
    )


GROWTH = Probe(
    name="growth",
    title="variance of activations over 20 random residual blocks, with normalized activations and weights",
    heading="Activations of a random residual network",
    source="Lubana et al., Beyond BatchNorm, NeurIPS 2021, arXiv 2106.05956",
    cases=tuple(CASES),
    row=GrowthRow,
    measure=measure_growth,
    axis="block",
    shown=(1, 5, 10, 20),
    columns={"variance": "variance"},
    panels=_panels,
)
"""The probe of ``styleapp probe growth``."""

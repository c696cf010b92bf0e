"""Effective learning rates: behind a normalization a kernel's length has no effect, but it slows its own learning.

The training: :class:`GratingNetwork` with batch normalization on new :func:`gratings` each step, batches of 32, plain
SGD of rate 0.5 for 200 steps, cross-entropy, with and without weight decay on the kernels. The decay of 0.005 is
strong, so that it shows within 200 steps: it alone would shorten kernels to e^(−0.5 · 0.005 · 200) = 61 %.

``corrected rates`` has no decay either, but gives each kernel the rate that its direction has in the run with decay: if
decay acts through effective rates alone, it must train as that run does.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy

from styleapp.lab.plots import Panel, Scale
from styleapp.lab.probes.base import Probe, Row, curves
from styleapp.lab.probes.gratings import GratingNetwork, gratings
from styleapp.lab.probes.state import seeded
from styleapp.norms import build_norm

__all__ = ["RATES", "RateRow", "effective_rates", "kernel_lengths", "measure_rates"]

RATE, DECAY, BATCH, STEPS, EVERY = 0.5, 0.005, 32, 200, 10
CASES = ("no decay", "weight decay", "corrected rates")


@dataclass(frozen=True)
class RateRow(Row):
    """All kernels before a norm, at one step.

    Attributes:
        step: of the training, from 0.
        loss: of the step's batch.
        length: ‖w‖ of a kernel (the weights of one output channel), mean over kernels and layers.
        effective_rate: η / ‖w‖², the rate at which the direction w / ‖w‖ learns, mean; η is the kernel's own.
        turn: angle between a kernel before and after this step, mean, in degrees.
    """

    step: int
    loss: float
    length: float
    effective_rate: float
    turn: float


def kernel_lengths(weight: Tensor) -> Tensor:
    """‖w‖ of the weights of each output channel, C'×… to C'."""
    return torch.linalg.vector_norm(weight.flatten(1), dim=1)


def effective_rates(weight: Tensor, rate: float) -> Tensor:
    """η / ‖w‖² of each output channel, for weights whose length a normalization cancels.

    For a loss with L(a·w) = L(w) the gradient at w is that at w / ‖w‖ over ‖w‖, and a step of rate η turns the kernel
    as one of rate η / ‖w‖² would turn a kernel of length 1. Hoffer et al., *Norm Matters*, NeurIPS 2018 (arXiv
    1803.01814), section 3.
    """
    return rate / kernel_lengths(weight).square()


def measure_rates(case: str, seed: int, steps: int = STEPS, every: int = EVERY) -> tuple[RateRow, ...]:
    """A row each ``every`` steps. All cases of a seed have the same batches and the same weights to begin with.

    Note:
        Norm Matters corrects with lengths that are logged in epochs; here both runs see the same batches, and lengths
        are taken step by step.
    """
    trained = {
        "no decay": lambda: _Training(seed).run(steps),
        "weight decay": lambda: _Training(seed, DECAY).run(steps),
        "corrected rates": lambda: _Training(seed).run(steps, _Training(seed, DECAY).run(steps)),
    }
    return tuple(_row(case, seed, number, step) for number, step in enumerate(trained[case]()) if number % every == 0)


@dataclass(frozen=True)
class _Step:
    """One step: the loss of its batch; of each layer the kernels' lengths before it, their rates, and their turns."""

    loss: float
    lengths: tuple[Tensor, ...]
    rates: tuple[Tensor, ...]
    turns: tuple[Tensor, ...]


class _Training:
    """A network, its batches and its optimizer, from one seed."""

    def __init__(self, seed: int, decay: float = 0.0) -> None:
        with seeded(seed):
            self.network = GratingNetwork(lambda width: build_norm("batch", width))
        self.draws = torch.Generator().manual_seed(seed)
        self.kernels = [module.weight for module in self.network.modules() if isinstance(module, nn.Conv2d)]
        own = {id(kernel) for kernel in self.kernels}
        others = [parameter for parameter in self.network.parameters() if id(parameter) not in own]
        groups: list[dict[str, Any]] = [
            {"params": self.kernels, "weight_decay": decay},
            {"params": others},
        ]  # scales and shifts do not decay
        self.optimizer = torch.optim.SGD(groups, lr=RATE)

    def run(self, steps: int, like: Sequence[_Step] | None = None) -> list[_Step]:
        """All steps; ``like`` are those of the training whose effective rates kernels shall have."""
        return [self._step(None if like is None else like[number].lengths) for number in range(steps + 1)]

    def _step(self, lengths_there: Sequence[Tensor] | None) -> _Step:
        pictures, classes = gratings(BATCH, self.draws)
        loss = cross_entropy(self.network(pictures), classes)
        self.optimizer.zero_grad()
        loss.backward()
        before = [kernel.detach().clone() for kernel in self.kernels]
        lengths = [kernel_lengths(kernel) for kernel in before]
        shares = [torch.ones_like(length) for length in lengths]
        if lengths_there is not None:
            shares = [(here / there).square() for here, there in zip(lengths, lengths_there, strict=True)]
        for kernel, share in zip(self.kernels, shares, strict=True):
            assert kernel.grad is not None
            kernel.grad.mul_(share.view(-1, 1, 1, 1))  # plain SGD: a larger gradient is a larger rate
        self.optimizer.step()
        rates = [effective_rates(kernel, RATE) * share for kernel, share in zip(before, shares, strict=True)]
        return _Step(float(loss.detach()), tuple(lengths), tuple(rates), tuple(turns(before, self.kernels)))


def turns(before: Sequence[Tensor], after: Sequence[Tensor]) -> list[Tensor]:
    """The angle in degrees by which each kernel has turned, one tensor a layer."""
    with torch.no_grad():
        cosines = [
            cosine_similarity(old.double().flatten(1), new.double().flatten(1))
            for old, new in zip(before, after, strict=True)
        ]
    return [cosine.clamp(-1, 1).acos() * (180 / math.pi) for cosine in cosines]


def _row(case: str, seed: int, number: int, step: _Step) -> RateRow:
    means = [float(torch.cat(parts).mean()) for parts in (step.lengths, step.rates, step.turns)]
    return RateRow(case, seed, number, step.loss, *means)


def _panels(rows: Sequence[RateRow]) -> tuple[Panel, ...]:
    def panel(title: str, label: str, figure: str, y_scale: Scale = "linear") -> Panel:
        return Panel(title, "training step", label, curves(rows, "step", figure), y_scale=y_scale)

    return (
        panel("Training", "cross-entropy of the batch", "loss", "log"),
        panel("Length of kernels", "mean ‖w‖", "length"),
        panel("Effective learning rate", "mean η / ‖w‖²", "effective_rate"),
        panel("What a step does", "mean turn of a kernel in a step (degrees)", "turn", "log"),
    )


RATES = Probe(
    name="rates",
    title="length of kernels before a batch normalization and their effective learning rate, during a training",
    heading="Kernels before a batch normalization during a short training",
    source="Hoffer et al., Norm Matters, NeurIPS 2018, arXiv 1803.01814",
    cases=CASES,
    row=RateRow,
    measure=measure_rates,
    axis="step",
    shown=(0, 50, 100, 150, 200),
    columns={"loss": "loss", "length": "‖w‖", "effective_rate": "η/‖w‖²", "turn": "turn (°)"},
    panels=_panels,
)
"""The probe of ``styleapp probe rates``."""

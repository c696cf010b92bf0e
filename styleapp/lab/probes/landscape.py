"""Smoothness of the loss along the gradient, at a point and during a short training.

The training: :class:`GratingNetwork` on new :func:`gratings` each step, batches of 32, plain SGD of rate 0.1 for 150
steps, cross-entropy. Each 10 steps the loss is probed on the batch of that step, at half to four times the rate.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from styleapp.lab.plots import Panel, Scale
from styleapp.lab.probes.base import Probe, Row, curves
from styleapp.lab.probes.gratings import GratingNetwork, gratings
from styleapp.lab.probes.state import kept_state, seeded
from styleapp.norms import build_norm

__all__ = ["LANDSCAPE", "Landscape", "LandscapeRow", "measure_landscape", "probe_landscape"]

RATE, BATCH, STEPS, EVERY = 0.1, 32, 150, 10
MULTIPLES = (0.5, 1.0, 2.0, 3.0, 4.0)


@dataclass(frozen=True)
class Landscape:
    """The loss along −g from a point w.

    Attributes:
        steps: the step sizes s.
        loss: L(w).
        gradient: ‖g‖.
        losses: L(w − s·g), one a step size.
        changes: ‖gₛ − g‖, where gₛ is the gradient at w − s·g, one a step size.
    """

    steps: tuple[float, ...]
    loss: float
    gradient: float
    losses: tuple[float, ...]
    changes: tuple[float, ...]

    @property
    def loss_range(self) -> float:
        """Largest minus smallest of the losses along the gradient; what a smooth loss keeps small."""
        return max(self.losses) - min(self.losses)

    @property
    def predictiveness(self) -> float:
        """Largest ‖gₛ − g‖: small where the gradient goes on to tell the truth."""
        return max(self.changes)

    @property
    def smoothness(self) -> float:
        """Effective β, largest ‖gₛ − g‖ / (s·‖g‖): how fast the gradient turns or grows, whatever its length."""
        return max(change / (step * self.gradient) for step, change in zip(self.steps, self.changes, strict=True))


def probe_landscape(network: nn.Module, loss: Callable[[], Tensor], steps: Sequence[float]) -> Landscape:
    """Goes along the gradient of all parameters and looks at loss and gradient there.

    Santurkar et al., *How Does Batch Normalization Help Optimization?*, NeurIPS 2018 (arXiv 1805.11604), section 3. All
    evaluations start from the same running statistics and random numbers. The network stays in its mode, and is
    afterwards what it was bit for bit, with running statistics and ``.grad``.

    Args:
        loss: computes a scalar with the network, each time on the same batch.
        steps: sizes s, above 0; the authors take half to four times the learning rate.

    Raises:
        ValueError: a step is not above 0 or there is none; the loss is no scalar, has no gradient, or one that is 0 or
            not finite: then there is no direction to go.
    """
    if not steps or min(steps) <= 0 or not all(map(math.isfinite, steps)):
        raise ValueError(f"steps must be numbers above 0, at least one, got {list(steps)}")
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    value, start = _loss_and_gradient(network, loss, parameters)
    length = float(_length(start))
    if length == 0 or not math.isfinite(length):
        raise ValueError(f"the gradient has length {length}: there is no direction to go")
    losses, changes = [], []
    for step in steps:
        with kept_state(network):
            with torch.no_grad():
                for parameter, gradient in zip(parameters, start, strict=True):
                    parameter.sub_(step * gradient)
            there, moved = _loss_and_gradient(network, loss, parameters)
        losses.append(there)
        changes.append(float(_length([after - before for after, before in zip(moved, start, strict=True)])))
    return Landscape(tuple(steps), value, length, tuple(losses), tuple(changes))


def _loss_and_gradient(
    network: nn.Module, loss: Callable[[], Tensor], parameters: Sequence[Tensor]
) -> tuple[float, list[Tensor]]:
    with kept_state(network), torch.enable_grad():
        value = loss()
        if value.numel() != 1 or not value.requires_grad:
            raise ValueError("the loss must be a scalar that depends on parameters which require a gradient")
        gradients = torch.autograd.grad(value, list(parameters), allow_unused=True)
    known = [
        torch.zeros_like(parameter) if gradient is None else gradient
        for gradient, parameter in zip(gradients, parameters, strict=True)
    ]
    return float(value.detach()), known


def _length(parts: Sequence[Tensor]) -> Tensor:
    return torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(part.double()) for part in parts]))


@dataclass(frozen=True)
class LandscapeRow(Row):
    """The loss around one step of the training.

    Attributes:
        step: of the training, from 0.
        loss, gradient: at the point itself.
        lowest, highest: loss along the gradient.
        predictiveness, smoothness: see :class:`Landscape`.
        relative_change: largest ‖gₛ − g‖ / ‖g‖: does not depend on how long gradients are.
    """

    step: int
    loss: float
    gradient: float
    lowest: float
    highest: float
    loss_range: float
    predictiveness: float
    relative_change: float
    smoothness: float


CASES: dict[str, dict[str, Any]] = {"none": {}, "batch": {}, "layer": {}, "group": {"groups": 4}}


def measure_landscape(case: str, seed: int, steps: int = STEPS, every: int = EVERY) -> tuple[LandscapeRow, ...]:
    """A row each ``every`` steps. All cases of a seed have the same weights and batches; a run ends if it diverges."""
    with seeded(seed):
        network = GratingNetwork(lambda width: build_norm(case, width, **CASES[case]))
    draws = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
    rows = []
    for step in range(steps + 1):
        pictures, classes = gratings(BATCH, draws)

        def loss(pictures: Tensor = pictures, classes: Tensor = classes) -> Tensor:
            return cross_entropy(network(pictures), classes)

        if step % every == 0:
            try:
                found = probe_landscape(network, loss, [RATE * multiple for multiple in MULTIPLES])
            except ValueError:  # not finite
                break
            rows.append(_row(case, seed, step, found))
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    return tuple(rows)


def _row(case: str, seed: int, step: int, found: Landscape) -> LandscapeRow:
    return LandscapeRow(
        case,
        seed,
        step,
        loss=found.loss,
        gradient=found.gradient,
        lowest=min(found.losses),
        highest=max(found.losses),
        loss_range=found.loss_range,
        predictiveness=found.predictiveness,
        relative_change=found.predictiveness / found.gradient,
        smoothness=found.smoothness,
    )


def _panels(rows: Sequence[LandscapeRow]) -> tuple[Panel, ...]:
    def panel(title: str, label: str, figure: str, y_scale: Scale = "log") -> Panel:
        return Panel(title, "training step", label, curves(rows, "step", figure), y_scale=y_scale)

    return (
        panel("Training", "cross-entropy of the batch", "loss", "linear"),
        panel("Range of the loss along the gradient", "largest − smallest loss", "loss_range"),
        panel("Change of the gradient", "largest ‖g − gₛ‖ / ‖g‖", "relative_change"),
        panel("Effective smoothness", "largest ‖g − gₛ‖ / (s·‖g‖)", "smoothness"),
    )


LANDSCAPE = Probe(
    name="landscape",
    title="range of the loss, change of the gradient and effective smoothness along the gradient, during a training",
    heading="The loss along the gradient during a short training",
    source="Santurkar et al., How Does Batch Normalization Help Optimization?, NeurIPS 2018, arXiv 1805.11604",
    cases=tuple(CASES),
    row=LandscapeRow,
    measure=measure_landscape,
    axis="step",
    shown=(0, 50, 100, 150),
    columns={
        "loss": "loss",
        "gradient": "gradient",
        "loss_range": "loss range",
        "predictiveness": "gradient change",
        "relative_change": "relative",
        "smoothness": "β",
    },
    panels=_panels,
    overall=True,
)
"""The probe of ``styleapp probe landscape``."""

"""Adaptive gradient clipping: a gradient is at most a small share of its weight, unit by unit."""

from collections.abc import Sequence
from typing import ClassVar

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from styleapp.training.rules.base import Part, TrainingRule

__all__ = ["AdaptiveClipping", "clip_units"]

SMALLEST = 1e-6


class AdaptiveClipping(TrainingRule):
    """Shortens the gradient of each unit to λ times the length of its weight, for networks without normalization.

    Brock et al., *High-Performance Large-Scale Image Recognition Without Normalization*, ICML 2021, section 4. A unit
    is what makes one output: a kernel, a row of a matrix or of a table of styles; all entries of a vector are one unit.

    Args:
        share: λ; the authors take 0.01 for large batches, more for small ones.
        floor: ε, what a shorter weight counts as, so that weights that begin at 0 can move.
        leave: names of modules within the part that are not clipped; the authors leave out the last layer.
        part: see :class:`TrainingRule`.

    Raises:
        ValueError: a number is not above 0; at the start of the fit, when the part has no module of a name.
    """

    title: ClassVar[str] = "clipping"
    edits_gradients: ClassVar[bool] = True

    def __init__(
        self, share: float = 0.01, floor: float = 1e-3, leave: Sequence[str] = (), part: Part = "network"
    ) -> None:
        super().__init__(part)
        if share <= 0 or floor <= 0:
            raise ValueError(f"share and floor must be above 0, got {share} and {floor}")
        self.share, self.floor, self.leave = share, floor, tuple(leave)
        self.clipped: list[nn.Parameter] = []

    def check(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        names = {name for name, _ in self.target.named_modules()}
        unknown = [name for name in self.leave if name not in names]
        if unknown:
            raise self.refusal(f"it has no module {unknown[0]} to leave out: take a name of named_modules()")

    def begin(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        left = {id(one) for name in self.leave for one in self.target.get_submodule(name).parameters()}
        self.clipped = [one for one in self.target.parameters() if one.requires_grad and id(one) not in left]

    def before_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        shorter = [clip_units(one, one.grad, self.share, self.floor) for one in self.clipped if one.grad is not None]
        self.curves["clipped_share"] = torch.cat(shorter).float().mean()


@torch.no_grad()
def clip_units(weight: Tensor, gradient: Tensor, share: float, floor: float) -> Tensor:
    """Shortens a gradient in place, to λ · max(‖w‖, ε) for each unit; which units it was too long for.

    Args:
        weight, gradient: of any shape; the first axis counts units where there are two or more.
        share: λ.
        floor: ε.

    Note:
        ‖g‖ is taken as at least 1e-6, as in timm.
    """
    most = _lengths(weight).clamp_min(floor) * share
    length = _lengths(gradient)
    gradient.mul_(torch.where(length > most, most / length.clamp_min(SMALLEST), 1.0))
    return (length > most).flatten()


def _lengths(x: Tensor) -> Tensor:
    """Of each unit, in a shape that multiplies x."""
    if x.dim() < 2:
        return torch.linalg.vector_norm(x)
    return torch.linalg.vector_norm(x.flatten(1), dim=1).view(-1, *(1 for _ in x.shape[1:]))

"""MimicNorm: kernels are centred after every step, and one last batch normalization stands behind a critic's logits."""

from collections.abc import Iterator
from math import prod
from typing import ClassVar

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from styleapp.models.discriminator import PatchDiscriminator
from styleapp.norms.memory import MemorizedBatchNormalizer
from styleapp.training.rules.base import Part, TrainingRule

__all__ = ["MimicNorm", "centre", "kernels"]

PHOTOS_AND_PICTURES = 2


class MimicNorm(TrainingRule):
    """Two cheap things in place of batch normalizations: centred kernels, and one last normalization.

    Fei et al., *MimicNorm*, 2020. Before training and after each step the mean of every kernel is subtracted from it,
    in place: wᵢ ← wᵢ − mean wᵢ for each output channel i. Linear layers, convolutions in groups, and kernels of one
    number stay as they are; where a weight normalization computes kernels, the parameter is centred that they are made
    of.

    Args:
        last_norm: normalize the logits of a critic, without scale and shift; for ``part="discriminator"``.
        part: see :class:`TrainingRule`.

    Raises:
        ValueError: at the start of the fit, when the part has no such kernel, when ``last_norm`` is asked for without
            patch discriminators, or comes after a callback that averages weights.

    Note:
        In a classifier all classes are in the batch of the last normalization. Our critic sees pictures and photos one
        after the other; normalized apart, both would have mean 0, and nothing would tell them from each other. So
        statistics are pooled over the last two batches (:class:`MemorizedBatchNormalizer`), one of each. The factors of
        residual branches of the paper belong to the network.
    """

    title: ClassVar[str] = "mimic"

    def __init__(self, last_norm: bool = False, part: Part = "network") -> None:
        super().__init__(part)
        self.last_norm = last_norm
        self.adds_tensors = last_norm
        self.kernels: list[nn.Parameter] = []

    def check(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.kernels = list(kernels(self.target))
        if not self.kernels:
            raise self.refusal("it has no convolution whose kernels could be centred: leave the rule out")
        if self.last_norm:
            critics = [one for one in self.target.modules() if isinstance(one, PatchDiscriminator)]
            if not critics:
                raise self.refusal("it has no logits of a critic: set last_norm to false")
            for critic in critics:
                critic.register_module("to_logits", with_last_norm(critic.to_logits))

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.global_step == 0:  # a resumed run was centred before
            for kernel in self.kernels:
                centre(kernel)

    def after_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        means = [centre(kernel) for kernel in self.kernels]
        self.curves["largest_mean"] = torch.stack([mean.abs().max() for mean in means]).max()


def with_last_norm(to_logits: nn.Module) -> nn.Sequential:
    """Logits and their normalization; what has it already stays."""
    if isinstance(to_logits, nn.Sequential):
        return to_logits
    assert isinstance(to_logits, nn.Conv2d)
    return nn.Sequential(to_logits, MemorizedBatchNormalizer(to_logits.out_channels, batches=PHOTOS_AND_PICTURES))


def kernels(part: nn.Module) -> Iterator[nn.Parameter]:
    """Of each ungrouped convolution that is trained the kernels, or the parameter that they are computed from."""
    for layer in part.modules():
        if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d) and layer.groups == 1:
            shape = (layer.out_channels, layer.in_channels, *layer.kernel_size)
            holder: nn.Module = layer.parametrizations if is_parametrized(layer, "weight") else layer  # type: ignore[assignment]
            for parameter in holder.parameters():
                if tuple(parameter.shape) == shape and prod(shape[1:]) > 1 and parameter.requires_grad:
                    yield parameter


@torch.no_grad()
def centre(kernel: Tensor) -> Tensor:
    """Subtracts its mean from the kernel of each output channel, in place; these means.

    Args:
        kernel: O×I×k…
    """
    mean = kernel.flatten(1).mean(1)
    kernel.sub_(mean.view(-1, *(1 for _ in kernel.shape[1:])))
    return mean

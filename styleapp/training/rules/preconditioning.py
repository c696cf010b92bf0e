"""Batch-normalization preconditioning: gradients of layers as if their inputs had been normalized."""

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from styleapp.norms.deviations import batch_moments
from styleapp.norms.statistics import wide
from styleapp.norms.synchronized import merge_moments
from styleapp.training.rules.base import Part, TrainingRule, in_second_pass

__all__ = ["BatchNormPreconditioning", "precondition"]

Layer = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d


class BatchNormPreconditioning(TrainingRule):
    """Changes the gradients of linear and convolution layers to those of a network whose features are normalized.

    Lange et al., *Batch Normalization Preconditioning for Neural Network Training*, JMLR 23, 2022. With the running
    mean μ and variance σ² of a layer's input, one value a feature or channel, over all batches and processes of a step:

    * σ̃² = σ² + ε₁·max σ² + ε₂ and q² = max(n_in / N, 1), n_in numbers that enter an output, N values a statistic;
    * G_W ← (G_W − G_b·μᵀ) / (q²·σ̃²), then G_b ← G_b / q² − G_W·μ with the new G_W.

    The forward pass stays as it is, so this suits networks without normalization; batches of one are enough.

    Args:
        momentum: of the running statistics, in torch's sense; 1 − ρ of the paper. They begin at mean 0 and variance 1.
        eps_share: ε₁.
        eps: ε₂.
        part: see :class:`TrainingRule`.

    Raises:
        ValueError: a number is out of range; at the start of the fit, when the part has no layer of its own weights.

    Note:
        The constants are recalled, not read again. For convolutions a channel has one mean and variance for all taps,
        as if padding had them, too. Layers without a bias cannot shift: there nothing is subtracted, and σ² is the mean
        square. Layers whose weight is computed from others (weight normalizations) are left alone.
    """

    title: ClassVar[str] = "preconditioning"
    edits_gradients: ClassVar[bool] = True

    def __init__(
        self, momentum: float = 0.01, eps_share: float = 1e-2, eps: float = 1e-4, part: Part = "network"
    ) -> None:
        super().__init__(part)
        if not 0 < momentum <= 1:
            raise ValueError(f"momentum must be above 0 and at most 1, got {momentum}")
        if eps_share < 0 or eps < 0:
            raise ValueError(f"eps_share and eps must be at least 0, got {eps_share} and {eps}")
        self.momentum, self.eps_share, self.eps = momentum, eps_share, eps
        self.layers: dict[str, Layer] = {}
        self.running: dict[str, Tensor] = {}
        self.seen: dict[str, Tensor] = {}

    def check(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.layers = {
            name: layer
            for name, layer in self.target.named_modules()
            if isinstance(layer, Layer) and not is_parametrized(layer, "weight") and layer.weight.requires_grad
        }
        if not self.layers:
            raise self.refusal("none of its layers has weights of its own: set its weight_norm to none")

    def begin(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        for name, layer in self.layers.items():
            started = self.running.get(
                name, torch.tensor([[0.0], [1.0]]).expand(2, layer.weight.shape[1] * _groups(layer))
            )
            self.running[name] = started.to(layer.weight.device, torch.float64).clone()
            self.seen[name] = _nothing(self.running[name])
            self.handles.append(layer.register_forward_pre_hook(self._collector(name)))

    def before_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        before = _length(self.layers.values())
        found = self._of_all_processes(trainer, module)
        counts = torch.stack([rows[:, 0].sum() for rows in found.values()]).tolist()  # all at once: GPUs would wait
        for (name, rows), number in zip(found.items(), counts, strict=True):
            if number > 0:
                count, mean, squares = merge_moments(rows)
                self.running[name].lerp_(torch.stack([mean, squares / count]), self.momentum)
                self._edit(self.layers[name], self.running[name], number)
        self.curves["gradient_ratio"] = _length(self.layers.values()) / before

    def state_dict(self) -> dict[str, Any]:
        return {"running": {name: value.cpu() for name, value in self.running.items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.running = dict(state_dict["running"])

    def _collector(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        """A hook that adds what passes into a layer to its moments."""

        def collect(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            learning = layer.training and torch.is_grad_enabled() and self.layers[name].weight.requires_grad
            if learning and inputs[0].numel() and not in_second_pass():
                row = _moments(inputs[0].detach(), -1 if isinstance(layer, nn.Linear) else 1)
                self.seen[name] = _row(merge_moments(torch.stack([self.seen[name], row])), self.seen[name])

        return collect

    def _of_all_processes(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, Tensor]:
        """Moments of the inputs of each layer since the last step, a row a process; forgets them."""
        rows = module.all_gather(torch.cat(list(self.seen.values())))
        assert isinstance(rows, Tensor)
        parts = rows.view(trainer.world_size, -1).split([len(row) for row in self.seen.values()], dim=1)
        found = dict(zip(self.seen, parts, strict=True))
        self.seen = {name: _nothing(running) for name, running in self.running.items()}
        return found

    @torch.no_grad()
    def _edit(self, layer: Layer, running: Tensor, count: float) -> None:
        weight, bias = layer.weight.grad, None if layer.bias is None else layer.bias.grad
        if weight is None:
            return
        mean, variance = running.unbind()
        if bias is None:
            variance = variance + mean.square()
        variance = variance + self.eps_share * variance.max() + self.eps
        q2 = max(layer.weight[0].numel() / count, 1.0)
        precondition(weight, bias, mean.to(weight), variance.to(weight), q2)


@torch.no_grad()
def precondition(weight: Tensor, bias: Tensor | None, mean: Tensor, variance: Tensor, q2: float = 1.0) -> None:
    """Edits the gradients of a layer in place: G_W ← (G_W − G_b·μᵀ) / (q²·σ̃²), then G_b ← G_b / q² − G_W·μ.

    Args:
        weight: G_W, O×C or O×C/g×k…; with g groups the first O/g outputs see the first C/g channels, and so on.
        bias: G_b, O; without it nothing is subtracted.
        mean: μ, C.
        variance: σ̃², C.
        q2: q².
    """
    groups = len(mean) // weight.shape[1]
    shape = (len(weight), weight.shape[1], *(1 for _ in weight.shape[2:]))
    centre, spread = (
        one.view(groups, -1).repeat_interleave(len(weight) // groups, dim=0).view(shape)  # O×C/g×1…
        for one in (mean, variance)
    )
    if bias is not None:
        weight.sub_(bias.view(-1, *(1 for _ in shape[1:])) * centre)
    weight.div_(q2 * spread)
    if bias is not None:
        bias.div_(q2).sub_((weight * centre).flatten(1).sum(1))


def _moments(x: Tensor, axis: int) -> Tensor:
    """Number of values, means and sums of squared deviations (1 + 2C) over all axes but one, in float64."""
    if x.dim() == 4 and axis == 1:
        mean, variance = (one.flatten().double() for one in batch_moments(x))
    else:
        others = [number for number in range(x.dim()) if number != axis % x.dim()]
        variance, mean = (one.double() for one in torch.var_mean(wide(x), dim=others, correction=0))
    count = mean.new_full((1,), x.numel() // len(mean))
    return torch.cat([count, mean, variance * count])


def _row(merged: tuple[Tensor, Tensor, Tensor], like: Tensor) -> Tensor:
    count, mean, squares = merged
    return torch.cat([count.view(1), mean, squares]).to(like)


def _nothing(running: Tensor) -> Tensor:
    """The moments of no value."""
    return running.new_zeros(1 + running.numel())


def _groups(layer: Layer) -> int:
    return 1 if isinstance(layer, nn.Linear) else layer.groups


def _length(layers: Iterable[Layer]) -> Tensor:
    """Of all gradients of the layers together."""
    gradients = [one.grad for layer in layers for one in layer.parameters(recurse=False) if one.grad is not None]
    return torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(one) for one in gradients]))

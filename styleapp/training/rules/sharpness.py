"""Sharpness-aware minimization: the gradient is taken at the worst point nearby, along all weights or norms alone."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, ClassVar, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.core.optimizer import LightningOptimizer
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from styleapp.norms.initialisation import InputNorm
from styleapp.norms.modulators import AffineModulator, MaskModulator, StylesModulator
from styleapp.training.rules.base import Part, TrainingRule, second_pass, silent

__all__ = ["SharpnessAware", "climb", "norm_parameters"]

TINY = 1e-16
NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, AffineModulator, StylesModulator, InputNorm)

Losses = dict[str, Tensor]


class SharpnessAware(TrainingRule):
    """Moves weights to the worst point nearby, takes the gradient of all weights there, moves back, and steps with it.

    SAM-ON (Mueller et al., *Normalization Layers Are All That Sharpness-Aware Minimization Needs*, NeurIPS 2023) moves
    the scales and shifts of normalizations alone: e = ρ·g / (‖g‖₂ + 1e-16), the norm over these parameters only. With
    ``parameters="all"`` it is SAM (Foret et al., ICLR 2021). A step costs two forward and backward passes.

    The second pass sees the same batches, and buffers (running statistics, the vectors of spectral normalization) as
    they were before the first; afterwards they are as the first pass left them. Gradients of both passes are those of
    all accumulated batches and of all processes.

    Args:
        rho: ρ, length of the move; 0 is the plain optimizer. Useful ones are larger for norms than for all weights.
        parameters: what moves, ``"norms"`` or ``"all"``.
        adaptive: scale the move by T = |w| + ``floor``, entry by entry: e = ρ·T²g / (‖T·g‖ + 1e-16); of shifts and
            biases T is 1. Kwon et al., *ASAM*, ICML 2021. ρ is then larger again, 10 in the reference's example.
        adaptive_shifts: the same T for shifts and biases.
        floor: η of T.
        ball: ``"linf"`` moves every entry by the same: e = ρ·sign(g), or ρ·sign(g)·T.
        masks: count SPADE's convolutions that paint γ and β among the norms.
        start: first step that is taken so.
        end: first step that is plain again; ``None`` for never.
        part: see :class:`TrainingRule`.

    Raises:
        ValueError: a number is out of range; at the start of the fit, when nothing would move, when a rule that edits
            gradients comes before this one, or when a module with manual optimization has no ``descend``.

    Note:
        The reference finds norms by their names, and lets running statistics move in the second pass as well. Its η is
        0 in the script and 0.01 in the class; ours is 0. Where gradients overflow in the second pass of half precision
        (``16-mixed``), the step takes those of the first.
    """

    title: ClassVar[str] = "sharpness"

    def __init__(
        self,
        rho: float = 0.5,
        parameters: Literal["norms", "all"] = "norms",
        adaptive: bool = False,
        adaptive_shifts: bool = False,
        floor: float = 0.0,
        ball: Literal["l2", "linf"] = "l2",
        masks: bool = False,
        start: int = 0,
        end: int | None = None,
        part: Part = "network",
    ) -> None:
        super().__init__(part)
        if rho < 0 or floor < 0:
            raise ValueError(f"rho and floor must be at least 0, got {rho} and {floor}")
        if start < 0 or (end is not None and end < start):
            raise ValueError(f"start must be at least 0 and end not before it, got {start} and {end}")
        self.rho, self.floor, self.ball = rho, floor, ball
        self.parameters, self.masks = parameters, masks
        self.adaptive, self.adaptive_shifts = adaptive, adaptive_shifts
        self.start, self.end = start, end
        self.moved: dict[str, nn.Parameter] = {}
        self.batches: list[tuple[Any, int]] = []
        self.buffers: list[Tensor] = []
        self.first_loss: list[Tensor] = []

    def check(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if not self._chosen():
            raise self.refusal("it has no scales and shifts of norms to move: set parameters to all, or masks to true")
        editing = [type(rule).__name__ for rule in self.rules_before(trainer) if rule.edits_gradients]
        if editing:
            raise self.refusal(f"it would undo what {editing[0]} does: put it before that rule")
        if not module.automatic_optimization and not hasattr(module, "descend"):
            raise self.refusal(
                f"{type(module).__name__} takes its gradients by hand: "
                "give it a method descend, as SynthesisTraining has"
            )

    def begin(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.moved = self._chosen()
        if not module.automatic_optimization:
            plain = module.descend

            def descend(optimizer: LightningOptimizer, losses: Callable[[], Losses]) -> Losses:
                if optimizer.optimizer is not self.optimizer or not self.acts():
                    return plain(optimizer, losses)  # type: ignore[operator]
                return self._descend_twice(module, lambda: plain(optimizer, losses))  # type: ignore[operator]

            vars(module)["descend"] = descend

    def release(self, module: pl.LightningModule) -> None:
        super().release(module)
        vars(module).pop("descend", None)
        self.batches, self.buffers, self.first_loss = [], [], []

    def _chosen(self) -> dict[str, nn.Parameter]:
        every = dict(self.target.named_parameters())
        found = every if self.parameters == "all" else norm_parameters(self.target, self.masks)
        return {name: one for name, one in found.items() if one.requires_grad}

    def acts(self) -> bool:
        """Whether the present step is one of the window."""
        return self.start <= self.step and (self.end is None or self.step < self.end)

    # Manual optimization: the module says how gradients are taken

    def _descend_twice(self, module: pl.LightningModule, gradients: Callable[[], Losses]) -> Losses:
        self.buffers = _copies(module)
        first = gradients()
        with self._at_the_worst_point(module) as climbed:
            if climbed:
                second = gradients()
                self.curves["rise"] = _total(second) - _total(first)
        return first

    # Automatic optimization: batches are kept until they step

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        if pl_module.automatic_optimization and self.acts():
            if not self.batches:
                self.buffers, self.first_loss = _copies(pl_module), []
            self.batches.append((batch, batch_idx))

    def on_before_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor) -> None:
        if self.batches:
            self.first_loss.append(loss.detach() / _loss_scale(trainer))

    def before_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        batches, self.batches = self.batches, []
        if not batches:
            return
        first = [(one, one.grad) for one in _parameters(self.optimizer)] if _scaler(trainer) is not None else []
        with self._at_the_worst_point(module) as climbed:
            if climbed:
                self.optimizer.zero_grad()
                loss = self._again(trainer, batches)
                _unscale(self.optimizer, _loss_scale(trainer), first)
                self.curves["rise"] = loss - torch.stack(self.first_loss).sum()

    def _again(self, trainer: pl.Trainer, batches: Sequence[tuple[Any, int]]) -> Tensor:
        """Gradients of the same batches, as the trainer takes them; their loss."""
        strategy, losses = trainer.strategy, []
        for number, (batch, batch_idx) in enumerate(batches, start=1):
            alone = isinstance(strategy, DDPStrategy) and number < len(batches)
            with strategy.block_backward_sync() if alone else nullcontext():  # type: ignore[attr-defined]
                output = strategy.training_step(batch, batch_idx)
                loss = output["loss"] if isinstance(output, Mapping) else output
                assert isinstance(loss, Tensor)
                strategy.backward(loss / trainer.accumulate_grad_batches, self.optimizer)
            losses.append(loss.detach() / trainer.accumulate_grad_batches)
        return torch.stack(losses).sum()

    # Both

    @contextmanager
    def _at_the_worst_point(self, module: pl.LightningModule) -> Iterator[bool]:
        """Weights moved up the gradient, buffers as before the first pass; whether the gradient allows it."""
        moving = {name: one for name, one in self.moved.items() if one.grad is not None}
        gradients = [one.grad for one in moving.values() if one.grad is not None]
        norm = _length(gradients)
        if not gradients or not bool(norm.isfinite()):
            yield False
            return
        scales = [self._scale(name, one) for name, one in moving.items()] if self.adaptive else None
        there = climb(gradients, self.rho, scales, self.ball)
        here, after = [one.detach().clone() for one in moving.values()], _copies(module)
        self.curves["gradient_norm"] = norm
        try:
            _set(moving.values(), [one + move for one, move in zip(here, there, strict=True)])
            _set(module.buffers(), self.buffers)
            with second_pass(), silent(module), torch.enable_grad():
                yield True
        finally:
            _set(moving.values(), here)
            _set(module.buffers(), after)
            self.buffers = []

    def _scale(self, name: str, parameter: Tensor) -> Tensor:
        """T of adaptive moves."""
        if name.rpartition(".")[2] == "bias" and not self.adaptive_shifts:
            return torch.ones_like(parameter)
        return parameter.detach().abs() + self.floor


def climb(
    gradients: Sequence[Tensor], rho: float, scales: Sequence[Tensor] | None = None, ball: str = "l2"
) -> list[Tensor]:
    """Moves e that raise the loss most inside a ball of radius ρ: ρ·T²g / (‖T·g‖₂ + 1e-16), or ρ·sign(g)·T.

    Args:
        gradients: g, tensors that share the norm.
        scales: T of each entry; ``None`` is 1.
        ball: ``"l2"`` or ``"linf"``.
    """
    scales = [torch.ones_like(one) for one in gradients] if scales is None else scales
    if ball == "linf":
        return [rho * one.sign() * scale for one, scale in zip(gradients, scales, strict=True)]
    scaled = [scale * one for one, scale in zip(gradients, scales, strict=True)]
    norm = _length(scaled)
    return [rho / (norm + TINY) * scale * one for one, scale in zip(scaled, scales, strict=True)]


def norm_parameters(part: nn.Module, masks: bool = False) -> dict[str, nn.Parameter]:
    """Scales and shifts of all normalizations, by the types of their modules; a table of styles is one, too.

    Args:
        masks: also SPADE's convolutions from a label map to γ and to β.
    """
    found: dict[str, nn.Parameter] = {}
    for name, module in part.named_modules():
        if isinstance(module, NORMS):
            found |= {f"{name}.{key}".lstrip("."): one for key, one in module.named_parameters(recurse=False)}
        elif masks and isinstance(module, MaskModulator):
            for side in ("gamma", "beta"):
                conv = module.get_submodule(side)
                found |= {f"{name}.{side}.{key}".lstrip("."): one for key, one in conv.named_parameters()}
    return found


def _length(tensors: Sequence[Tensor]) -> Tensor:
    """Of several tensors together."""
    lengths = [torch.linalg.vector_norm(one) for one in tensors]
    return torch.linalg.vector_norm(torch.stack(lengths)) if lengths else torch.tensor(0.0)


def _copies(module: nn.Module) -> list[Tensor]:
    return [buffer.detach().clone() for buffer in module.buffers()]


@torch.no_grad()
def _set(tensors: Any, values: Sequence[Tensor]) -> None:
    for tensor, value in zip(tensors, values, strict=True):
        tensor.copy_(value)


def _total(losses: Losses) -> Tensor:
    return torch.stack([value.detach() for value in losses.values()]).sum()


def _parameters(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [one for group in optimizer.param_groups for one in group["params"]]


def _loss_scale(trainer: pl.Trainer) -> float:
    """By which losses are multiplied in half precision, so that gradients do not vanish; 1 elsewhere."""
    scaler = _scaler(trainer)
    return 1.0 if scaler is None else float(scaler.get_scale())


def _scaler(trainer: pl.Trainer) -> Any:
    return getattr(trainer.precision_plugin, "scaler", None)


def _unscale(optimizer: torch.optim.Optimizer, scale: float, first: Sequence[tuple[nn.Parameter, Any]]) -> None:
    """Gradients without the scale of the loss; those of the first pass where they overflow."""
    if not first:
        return
    gradients = [one.grad for one in _parameters(optimizer) if one.grad is not None]
    for gradient in gradients:
        gradient.div_(scale)
    if not all(bool(one.isfinite().all()) for one in gradients):
        for parameter, gradient in first:
            parameter.grad = gradient

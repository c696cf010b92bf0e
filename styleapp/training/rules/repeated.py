"""The second forward pass of memorized batch normalization, after each step of any training module."""

from contextlib import suppress
from typing import Any, ClassVar

import pytorch_lightning as pl
from torch import Tensor, nn

from styleapp.norms.memory import MemorizedBatchNormalizer, SecondForward, second_forward
from styleapp.training.rules.base import Part, TrainingRule, in_second_pass, mean_of, silent

__all__ = ["RepeatedForward"]


class Complete(Exception):
    """All memories hold the batch again; what would follow has nothing to do with them."""


class RepeatedForward(TrainingRule):
    """After each step the last batch passes once more, so that the memory holds statistics of the changed weights.

    Guo et al., *Double Forward Propagation for Memorized Batch Normalization*, AAAI 2018. For networks with the
    normalizer ``memorized_batch``. Costs a forward pass a step: with automatic optimization that of a training step as
    far as the last memory, so that losses are not computed again; with manual optimization that of the part
    (:class:`styleapp.norms.memory.SecondForward`).

    Args:
        part: see :class:`TrainingRule`.

    Raises:
        ValueError: at the start of the fit, when the part has no memorized batch normalization.

    Note:
        Of accumulated batches only the last passes again, and of several passes of a critic only the last.
    """

    title: ClassVar[str] = "repeated"

    def __init__(self, part: Part = "network") -> None:
        super().__init__(part)
        self.layers: list[MemorizedBatchNormalizer] = []
        self.before: list[Tensor] = []
        self.batch: tuple[Any, int] | None = None
        self.calls = 0
        self.again: SecondForward | None = None

    def check(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.layers = [one for one in self.target.modules() if isinstance(one, MemorizedBatchNormalizer)]
        if not self.layers:
            raise self.refusal("nothing in it remembers batches: set its normalizer to memorized_batch")

    def begin(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if not module.automatic_optimization:
            self.again = SecondForward(self.target, self.optimizer)
            # Hooks run in the order in which they came: this one sees the memory after the repetition.
            self.handles.append(self.optimizer.register_step_post_hook(lambda *_: self._compare()))
        else:
            self.handles += [layer.register_forward_hook(self._count) for layer in self.layers]

    def release(self, module: pl.LightningModule) -> None:
        super().release(module)
        if self.again is not None:
            self.again.remove()
        self.batch = self.again = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        self.batch, self.calls = (batch, batch_idx), 0

    def after_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.before = [layer.memory_mean.clone() for layer in self.layers]
        if not module.automatic_optimization or self.batch is None:
            return
        (batch, batch_idx), self.batch = self.batch, None
        context = trainer.precision_plugin.train_step_context()
        with suppress(Complete), second_forward(self.target), silent(module), context:
            module.training_step(batch, batch_idx)
        self._compare()

    def _count(self, layer: nn.Module, *_: Any) -> None:
        """A hook that counts the calls of all memories, and ends the repetition when it has had as many."""
        if not layer.training or in_second_pass():
            return
        if not layer.again:
            self.calls += 1
            return
        self.calls -= 1
        if self.calls == 0:
            raise Complete

    def _compare(self) -> None:
        """By how much the remembered means moved, in deviations."""
        moved = [
            (layer.memory_mean - before).abs() / layer.memory_var.sqrt().clamp_min(layer.eps**0.5)
            for layer, before in zip(self.layers, self.before, strict=True)
        ]
        batches = max(layer.batches for layer in self.layers)
        self.curves["moved"] = mean_of(moved) * batches

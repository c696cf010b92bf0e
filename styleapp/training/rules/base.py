"""What training rules share: the part of a module that they act on, its optimizer, curves, and refusals."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import WeightAveraging
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

__all__ = ["Part", "TrainingRule", "in_second_pass", "second_pass", "silent"]

Part = Literal["network", "discriminator"]

_second: ContextVar[bool] = ContextVar("second pass", default=False)


class TrainingRule(pl.Callback):
    """A way to train that is no layer, for one part of any training module, with automatic and manual optimization.

    A new rule fills :meth:`check` and some of :meth:`begin`, :meth:`before_step` and :meth:`after_step`. What it puts
    into :attr:`curves` is logged once, under its :attr:`title`.

    Args:
        part: what it acts on: the network, or the discriminator where a module has one.

    Raises:
        ValueError: from the start of the fit; one sentence that says what does not fit, and what to change.

    Attributes:
        title: what its curves are called.
        edits_gradients: whether it changes gradients between backward pass and step.
        adds_tensors: whether it puts modules into the part, which a checkpoint or an average of weights then has.
        target: the part.
        optimizer: the one that trains it.
        step: number of the step that is being made, from 0.
    """

    title: ClassVar[str]
    edits_gradients: ClassVar[bool] = False
    adds_tensors: bool = False
    target: nn.Module
    optimizer: Optimizer

    def __init__(self, part: Part = "network") -> None:
        self.part = part
        self.step = 0
        self.curves: dict[str, Any] = {}
        self.handles: list[RemovableHandle] = []

    @property
    def state_key(self) -> str:
        return self._generate_state_key(part=self.part)

    # What a rule fills

    def check(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Refuses what does not fit, and puts into the part what checkpoints and averages must find there."""

    def begin(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Once the module is on its device and has optimizers, before anything is restored from a checkpoint."""

    def before_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Gradients are complete: of all accumulated batches and all processes, unscaled, not yet clipped."""

    def after_step(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """The optimizer has changed the part's weights."""

    # Lightning's hooks

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        if stage != "fit":
            return
        target = getattr(pl_module, self.part, None)
        if not isinstance(target, nn.Module):
            raise self.refusal(f"{type(pl_module).__name__} has no {self.part}: set part to another")
        self.target = target
        if not isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy):
            strategy = type(trainer.strategy).__name__
            raise self.refusal(f"every process needs all weights, which {strategy} divides up: use strategy ddp")
        twins = [one for one in self._others(trainer, type(self)) if one.part == self.part]
        if twins:
            raise self.refusal("it stands twice in trainer.callbacks: leave one out")
        if self.adds_tensors and self.after_averaging(trainer):
            raise self.refusal("an average of weights must find its tensors: put it before EMAWeightAveraging")
        self.check(trainer, pl_module)

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.optimizer = self._optimizer(trainer)
        hook = self.optimizer.register_step_post_hook(lambda *_: self.after_step(trainer, pl_module))
        self.handles.append(hook)
        self.begin(trainer, pl_module)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self.step = trainer.global_step

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        if optimizer is self.optimizer:
            self.before_step(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        title = self.title if self.part == "network" else f"{self.title}_{self.part}"
        curves, self.curves = self.curves, {}
        pl_module.log_dict({f"{title}/{name}": value for name, value in curves.items()})

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self.release(pl_module)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self.release(pl_module)

    def release(self, module: pl.LightningModule) -> None:
        """Takes hooks away again."""
        for handle in self.handles:
            handle.remove()
        self.handles = []

    # What they have in common

    def refusal(self, reason: str) -> ValueError:
        return ValueError(f"{type(self).__name__} for the {self.part}: {reason}")

    def after_averaging(self, trainer: pl.Trainer) -> bool:
        """Whether weights are averaged by a callback before this one."""
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        return any(isinstance(one, WeightAveraging) for one in callbacks[: callbacks.index(self)])

    def averages(self, trainer: pl.Trainer) -> bool:
        """Whether weights are averaged at all."""
        return any(isinstance(one, WeightAveraging) for one in trainer.callbacks)  # type: ignore[attr-defined]

    def rules_before(self, trainer: pl.Trainer) -> list["TrainingRule"]:
        """Rules for the same part that come earlier in the list."""
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        earlier = callbacks[: callbacks.index(self)]
        return [one for one in earlier if isinstance(one, TrainingRule) and one.part == self.part]

    def _others(self, trainer: pl.Trainer, kind: type["TrainingRule"]) -> list["TrainingRule"]:
        callbacks: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]
        return [one for one in callbacks if type(one) is kind and one is not self and isinstance(one, TrainingRule)]

    def _optimizer(self, trainer: pl.Trainer) -> Optimizer:
        own = {id(parameter) for parameter in self.target.parameters() if parameter.requires_grad}
        holding = [
            optimizer
            for optimizer in trainer.optimizers
            if any(id(parameter) in own for group in optimizer.param_groups for parameter in group["params"])
        ]
        if len(holding) != 1:
            raise self.refusal(f"it wants one optimizer that trains this part, and there are {len(holding)}")
        return holding[0]


@contextmanager
def second_pass() -> Iterator[None]:
    """Within the block a batch passes again: what collects statistics of batches has seen it."""
    token = _second.set(True)
    try:
        yield
    finally:
        _second.reset(token)


def in_second_pass() -> bool:
    return _second.get()


@contextmanager
def silent(module: pl.LightningModule) -> Iterator[None]:
    """Within the block nothing that the module logs is kept: the curves are those of the pass that counts."""
    before = vars(module).get("log")
    vars(module)["log"] = lambda *_, **__: None
    try:
        yield
    finally:
        del vars(module)["log"]
        if before is not None:
            vars(module)["log"] = before


def mean_of(values: list[Tensor]) -> Tensor:
    """The mean over all entries of several tensors."""
    return torch.cat([value.detach().flatten() for value in values]).mean()

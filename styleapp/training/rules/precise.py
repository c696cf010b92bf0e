"""Running statistics collected anew for every score and checkpoint, from the first training batches."""

from collections.abc import Iterator
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor

from styleapp.norms.normalizers import Normalizer
from styleapp.training.rules.base import Part, TrainingRule, silent
from styleapp.training.running_means import fresh_statistics

__all__ = ["PreciseStatistics"]

LIVE = "live_statistics"


class PreciseStatistics(TrainingRule):
    """Gives validations, checkpoints and the end of training the statistics of the weights that they have.

    Wu & Johnson, *Rethinking "Batch" in BatchNorm*, 2021, section 3 (precise BN). Moving averages are those of older
    weights, and of an average of weights they are not at all. Here they become the mean over the first training
    batches, all alike (:func:`styleapp.training.running_means.fresh_statistics`), for the weights that are scored,
    saved and left behind; training itself goes on with its own, and so does a resumed run.

    With automatic optimization a pass is a training step without gradients; with manual optimization the module says
    what a pass is, in ``collect_statistics``.

    Args:
        batches: how many; each costs a forward pass for every validation and every checkpoint.
        part: see :class:`TrainingRule`.

    Raises:
        ValueError: ``batches`` is below 1; at the start of the fit, when nothing in the part keeps running statistics,
            when weights are averaged by a callback that comes later, or when the module already does the same.
    """

    title: ClassVar[str] = "precise"

    def __init__(self, batches: int = 16, part: Part = "network") -> None:
        super().__init__(part)
        if batches < 1:
            raise ValueError(f"batches must be at least 1, got {batches}")
        self.batches = batches
        self.live: dict[str, Tensor] = {}
        self.ended = False

    def check(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if not self._statistics():
            raise self.refusal("nothing in it keeps running statistics: leave the rule out")
        if self.averages(trainer) and not self.after_averaging(trainer):
            raise self.refusal("it must see averaged weights: put it behind EMAWeightAveraging")
        if module.automatic_optimization:
            return
        name = type(module).__name__
        if self.part != "network" or not hasattr(module, "collect_statistics"):
            raise self.refusal(f"{name} takes its steps by hand, and has no collect_statistics for it: leave it out")
        if self.averages(trainer):
            raise self.refusal(f"{name} does this by itself where weights are averaged: leave the rule out")

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self._trains(trainer):
            self.live = self._statistics()
            self._collect(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Where weights are averaged, that callback exchanges all tensors, these among them.
        if self._trains(trainer) and not self.averages(trainer):
            self._put(self.live)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        super().on_train_start(trainer, pl_module)
        self.ended = False

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.live, self.ended = self._statistics(), True
        self._collect(trainer, pl_module)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if not self._trains(trainer):
            return
        prefix = f"{self.part}."
        weights = {
            key.removeprefix(prefix): one for key, one in checkpoint["state_dict"].items() if key.startswith(prefix)
        }
        before = {key: value.clone() for key, value in self.target.state_dict().items()}
        live = self.live if self.ended else self._statistics()
        self.target.load_state_dict(weights)
        self._collect(trainer, pl_module)
        found = self._statistics()
        self.target.load_state_dict(before)
        checkpoint["state_dict"] |= {f"{prefix}{key}": value for key, value in found.items()}
        if "current_model_state" not in checkpoint:  # elsewhere a resumed run finds them there
            checkpoint[LIVE] = {**checkpoint.get(LIVE, {}), self.part: live}

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if self.part in checkpoint.get(LIVE, {}):
            self._put(checkpoint[LIVE][self.part])

    def _trains(self, trainer: pl.Trainer) -> bool:
        """Not yet in the sanity check, and not in ``trainer.validate``."""
        return trainer.state.fn == TrainerFn.FITTING and trainer.train_dataloader is not None

    def _statistics(self) -> dict[str, Tensor]:
        """What the normalizers of the part keep beside their parameters."""
        return {
            f"{name}.{key}": buffer.detach().clone()
            for name, module in self.target.named_modules()
            if isinstance(module, Normalizer)
            for key, buffer in module.named_buffers()
        }

    def _put(self, statistics: dict[str, Tensor]) -> None:
        self.target.load_state_dict(statistics, strict=False)

    def _collect(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        before = self._statistics()
        with isolate_rng():
            if module.automatic_optimization:
                self._pass_batches(trainer, module)
            else:
                module.collect_statistics(self.target)  # type: ignore[operator]
        self.curves["moved"] = _distance(before, self._statistics())

    def _pass_batches(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        context = trainer.precision_plugin.train_step_context()
        with fresh_statistics(self.target), silent(module), context:
            for number, batch in enumerate(self._first_batches(trainer)):
                module.training_step(batch, number)

    def _first_batches(self, trainer: pl.Trainer) -> Iterator[Any]:
        loader: Any = trainer.train_dataloader
        for number in range(self.batches):
            samples = range(number * loader.batch_size, (number + 1) * loader.batch_size)
            batch = loader.collate_fn([loader.dataset[index % len(loader.dataset)] for index in samples])
            yield trainer.strategy.batch_to_device(batch)


def _distance(before: dict[str, Tensor], after: dict[str, Tensor]) -> Tensor:
    """Between statistics, as a share of their length."""
    names = [name for name, value in before.items() if value.is_floating_point()]
    moved = torch.stack([(after[name] - before[name]).float().square().sum() for name in names]).sum()
    return (moved / torch.stack([before[name].float().square().sum() for name in names]).sum()).sqrt()

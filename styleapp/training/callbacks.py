"""What is seen of a run while it trains, and what is kept of it: pictures, throughput, the record."""

import subprocess
import time
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from torch import Tensor
from torchvision.utils import make_grid

from styleapp.data.mask_colours import paint_mask

__all__ = ["LabelSampleGrid", "LossCurve", "SampleGrid", "Throughput", "TrainingRecord"]


class SampleGrid(pl.Callback):
    """Writes a sheet of photos × styles × outputs to TensorBoard after each validation.

    Args:
        rows: how many validation pairs the sheet shows, spread evenly over the list.
    """

    columns: tuple[str, ...] = ("photo", "style", "output")

    def __init__(self, rows: int = 8) -> None:
        self.rows = rows
        self.pictures: list[Tensor] = []

    def row(self, trainer: pl.Trainer, module: Any, outputs: Tensor, batch: Any) -> list[Tensor]:
        """The pictures of one row (3×H×W each, RGB in [0, 1])."""
        return [batch.photo[0], batch.style[0], outputs[0]]

    def on_validation_batch_end(  # type: ignore[override]
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Tensor, batch: Any, batch_idx: int, *_: Any
    ) -> None:
        if not trainer.is_global_zero:
            return
        total = max(1, int(sum(trainer.num_val_batches)))
        if batch_idx % max(1, total // self.rows) == 0 and len(self.pictures) < self.rows * len(self.columns):
            self.pictures += [picture.float().cpu() for picture in self.row(trainer, module, outputs, batch)]

    def on_validation_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        logger = trainer.logger
        if self.pictures and isinstance(logger, TensorBoardLogger) and not trainer.sanity_checking:
            sheet = make_grid(torch.stack(self.pictures).clamp(0, 1), nrow=len(self.columns))
            logger.experiment.add_image(", ".join(self.columns), sheet, trainer.global_step)
        self.pictures = []


class LabelSampleGrid(SampleGrid):
    """The same with masks: the mask in its colours, the photo, the picture in a style drawn at random and the photo's.

    For :class:`styleapp.training.synthesis.SynthesisTraining`.
    """

    columns = ("mask", "photo", "style drawn", "style of the photo")

    def row(self, trainer: pl.Trainer, module: Any, outputs: Tensor, batch: Any) -> list[Tensor]:
        labels = trainer.datamodule.labels  # type: ignore[attr-defined]
        mask = torch.from_numpy(paint_mask(batch.mask[0].cpu().numpy(), labels)).permute(2, 0, 1) / 255  # 3×H×W
        return [mask, batch.photo[0], outputs[0], module.reconstruct(batch)[0]]


class Throughput(pl.Callback):
    """Shows training pictures a second, all processes together, in the progress bar and the log."""

    def __init__(self) -> None:
        self.started = 0.0

    def on_train_batch_start(self, *_: Any) -> None:
        self.started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        seconds = time.perf_counter() - self.started
        module.log("images/s", trainer.world_size * len(batch.photo) / seconds, prog_bar=True)


class TrainingRecord(pl.Callback):
    """Keeps in the checkpoint what a model card needs: time, hardware, data, and the scores over the steps.

    Beside the time on the clock it keeps the processor's, which other work on the machine disturbs less.
    """

    def __init__(self) -> None:
        self.seconds, self.processor_seconds = 0.0, 0.0
        self.curve: list[dict[str, float]] = []
        self.facts: dict[str, Any] = {}
        self._started, self._worked = time.perf_counter(), time.process_time()

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._started, self._worked = time.perf_counter(), time.process_time()
        data = trainer.datamodule.hparams if hasattr(trainer, "datamodule") else {}
        self.facts = {
            **{name: Path(str(data[name])).name for name in ("photos", "styles", "folder") if name in data},
            "crop": data.get("crop"),
            "batch_size": int(data.get("batch_size", 0)) * trainer.world_size * trainer.accumulate_grad_batches,
            "device": _device_name(module.device),
            "processes": trainer.world_size,
            "precision": str(trainer.precision),
            "torch": str(torch.__version__),
            "commit": _commit(),
        }

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        scores = {
            name.removeprefix("score/"): round(float(value), 4)
            for name, value in trainer.callback_metrics.items()
            if name.startswith("score/")
        }
        if scores and not trainer.sanity_checking:
            self.curve.append({"step": trainer.global_step, **scores})

    def state_dict(self) -> dict[str, Any]:
        return {
            "seconds": self.seconds + time.perf_counter() - self._started,
            "processor_seconds": self.processor_seconds + time.process_time() - self._worked,
            "curve": list(self.curve),
            "facts": dict(self.facts),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds, self.curve = state_dict["seconds"], state_dict["curve"]
        self.processor_seconds = state_dict.get("processor_seconds", 0.0)  # older checkpoints have none


class LossCurve(pl.Callback):
    """Keeps the training losses in the checkpoint, each as means over so many steps.

    A curve of the logger would do, but for two things: a resumed run begins a new one, and it lies in another file than
    the weights that belong to it.

    Args:
        every: steps of a mean.

    Attributes:
        points: the means by name, with the number of the last step of each under ``step``; a mean over steps that
            diverged is not finite.

    Raises:
        ValueError: ``every`` is below 1.
    """

    def __init__(self, every: int = 10) -> None:
        if every < 1:
            raise ValueError(f"every must be at least 1, got {every}")
        self.every = every
        self.points: list[dict[str, float]] = []
        self.sums: dict[str, float] = {}
        self.batches = 0  # in the sums; more than steps where gradients are accumulated

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        self.batches += 1
        for name, value in trainer.callback_metrics.items():
            if name.startswith("train/"):
                name = name.removeprefix("train/")
                self.sums[name] = self.sums.get(name, 0.0) + float(value)
        step, last = trainer.global_step, int(self.points[-1]["step"]) if self.points else 0
        if step > last and step % self.every == 0:
            self.points.append({"step": step, **{name: value / self.batches for name, value in self.sums.items()}})
            self.sums, self.batches = {}, 0

    def state_dict(self) -> dict[str, Any]:
        return {"points": list(self.points), "sums": dict(self.sums), "batches": self.batches}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.points, self.sums, self.batches = (state_dict[name] for name in ("points", "sums", "batches"))


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"


def _commit() -> str:
    """Of the working folder; empty outside a repository and where git is not installed."""
    try:
        found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return found.stdout.strip()

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

__all__ = ["LabelSampleGrid", "SampleGrid", "Throughput", "TrainingRecord"]


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
    """Keeps in the checkpoint what a model card needs: time, hardware, data, and the scores over the steps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.curve: list[dict[str, float]] = []
        self.facts: dict[str, Any] = {}
        self._started = time.perf_counter()

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._started = time.perf_counter()
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
        seconds = self.seconds + time.perf_counter() - self._started
        return {"seconds": seconds, "curve": list(self.curve), "facts": dict(self.facts)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds, self.curve = state_dict["seconds"], state_dict["curve"]


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

"""Networks of a few numbers, trained by the real trainer: automatically on pictures of noise, manually on masks."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.model_helpers import is_overridden
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, TensorDataset

from styleapp.models.discriminator import MultiScaleDiscriminator
from styleapp.models.spade import SpadeGenerator
from styleapp.norms import build_norm
from styleapp.norms.weights import apply_weight_norm
from styleapp.training.label_data import LabelData
from styleapp.training.synthesis import SynthesisTraining

State = dict[str, Tensor]


class Tiny(nn.Module):
    """Two convolutions with a normalization behind the first; a conv whose name says norm, and which is none."""

    def __init__(self, normalizer: str = "batch", weight_norm: str = "none", **options: Any) -> None:
        super().__init__()
        self.conv = apply_weight_norm(nn.Conv2d(3, 4, 3), weight_norm)
        self.act = build_norm(normalizer, 4, **options)
        self.norm_conv = nn.Conv2d(4, 2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm_conv(self.act(self.conv(x)).relu()).mean((2, 3))  # N×2


class TinyTraining(pl.LightningModule):
    """Automatic optimization with any optimizer."""

    def __init__(self, network: nn.Module, optimizer: str = "SGD", lr: float = 0.1, **options: Any) -> None:
        super().__init__()
        self.network, self.made = network, (optimizer, {"lr": lr, **options})

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        x, y = (part.to(self.network.norm_conv.weight.dtype) for part in batch)
        loss = mse_loss(self.network(x), y)
        self.log("train/loss", loss.detach())
        return loss

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("score", mse_loss(self.network(batch[0]), batch[1]))

    def configure_optimizers(self) -> Any:
        name, options = self.made
        optimizer = getattr(torch.optim, name)(self.network.parameters(), **options)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _halving)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _halving(step: int) -> float:
    return 0.9**step


@pytest.fixture(scope="session")
def samples() -> TensorDataset:
    """Twelve pictures of noise, each brighter than the one before, with two numbers to guess; in float64."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(12, 3, 6, 6, generator=random, dtype=torch.float64) + torch.arange(12).view(-1, 1, 1, 1) / 6
    return TensorDataset(x, torch.randn(12, 2, generator=random, dtype=torch.float64))


@pytest.fixture(scope="session")
def tiny() -> Callable[..., TinyTraining]:
    """``tiny(normalizer, weight_norm=…, optimizer=…, lr=…, double=True, norm={…}, **optimizer's)``: always the same."""

    def make(
        normalizer: str = "batch",
        weight_norm: str = "none",
        double: bool = True,
        norm: dict[str, Any] | None = None,
        **options: Any,
    ) -> TinyTraining:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            module = TinyTraining(Tiny(normalizer, weight_norm, **(norm or {})), **options)
        return module.double() if double else module

    return make


@pytest.fixture
def fit(samples: TensorDataset, tmp_path: Path) -> Callable[..., pl.Trainer]:
    """``fit(module, *callbacks, data=…, ckpt_path=…, steps=2, batch_size=4, **trainer's)``; the trainer, afterwards."""

    def run(
        module: pl.LightningModule,
        *callbacks: pl.Callback,
        data: Any = None,
        ckpt_path: Any = None,
        steps: int = 2,
        batch_size: int = 4,
        **options: Any,
    ) -> pl.Trainer:
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
        defaults = {"limit_val_batches": 0, "num_sanity_val_steps": 0, "precision": "64-true", "logger": False}
        trainer = pl.Trainer(
            accelerator="cpu", devices=1, max_steps=steps, callbacks=list(callbacks), default_root_dir=tmp_path,
            **{**quiet, **defaults, **options},
        )  # fmt: skip
        if data is None:
            scored = DataLoader(samples, batch_size=6) if is_overridden("validation_step", module) else None
            trainer.fit(module, DataLoader(samples, batch_size=batch_size), scored, ckpt_path=ckpt_path)
        else:
            trainer.fit(module, data, ckpt_path=ckpt_path)
        return trainer

    return run


@pytest.fixture
def synthesis() -> Callable[..., SynthesisTraining]:
    """``synthesis(normalizer, critic={…}, **options)``: manual optimization with two optimizers; always the same."""

    def make(normalizer: str = "batch", critic: dict[str, Any] | None = None, **options: Any) -> SynthesisTraining:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = SpadeGenerator(
                3, ((8,), (8,), (6,)), hidden=4, latent=4, style_planes=2, style_widths=(6,), normalizer=normalizer
            )
            discriminator = MultiScaleDiscriminator(3, (6, 8, 10), **(critic or {}))
            return SynthesisTraining(network, discriminator, **{"statistics_batches": 2, **options})

    return make


@pytest.fixture
def masks(label_folder: Path) -> LabelData:
    return LabelData(str(label_folder), crop=32, smallest_side=32, largest_side=48, steps_per_epoch=2, score_size=32)


@pytest.fixture
def fit_masks(fit: Callable[..., pl.Trainer], masks: LabelData) -> Callable[..., pl.Trainer]:
    """``fit`` on masks, in float32."""

    def run(module: pl.LightningModule, *callbacks: pl.Callback, **options: Any) -> pl.Trainer:
        return fit(module, *callbacks, data=masks, **{"precision": "32-true", **options})

    return run


@pytest.fixture(scope="session")
def state_of() -> Callable[[nn.Module], State]:
    """Copies of parameters and buffers."""
    return lambda module: {name: value.detach().clone() for name, value in module.state_dict().items()}


@pytest.fixture(autouse=True)
def one_seed() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield

"""Trainings that are small enough to compare rules on a CPU: named styles, and pictures of facades.

Their validations measure one loss on the same crops every time, so that curves can be laid over one another.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from styleapp.data.folder import PictureFolder
from styleapp.data.mask_pairs import LabelledCrop
from styleapp.losses import PERCEPTUAL_WEIGHTS, perceptual_loss
from styleapp.models.concatenated import ConcatenatedGenerator
from styleapp.models.discriminator import MultiScaleDiscriminator
from styleapp.models.multistyle import MultiStyleNetwork
from styleapp.models.spade import SpadeGenerator
from styleapp.training.label_data import LabelData
from styleapp.training.named import NamedSample, NamedSamples, NamedStyleData, NamedStyleTraining, PhotoCrops
from styleapp.training.synthesis import SynthesisTraining

__all__ = ["EPOCH", "Places", "Training", "facades", "named_styles", "prepared"]

EPOCH = 20
"""Steps from one validation to the next."""

CLASSES = 12
STAGES, STYLE_WIDTHS = ((64,), (48,), (32,), (16,)), (16, 32, 32)
UNSEEN = 1_000_003
"""Seed of the crops that losses are measured on."""

Training = tuple[pl.LightningModule, pl.LightningDataModule]


class Places(NamedTuple):
    """Folders: of photos, of the named styles, of facades, and of what is computed once."""

    photos: Path
    styles: Path
    facades: Path
    cache: Path


def prepared(photos: Path, styles: Path, facades: Path, folder: Path, count: int = 120) -> Places:
    """Copies the first ``count`` photos and four styles into a folder: all are encoded before training begins."""
    few, four = folder / "photos", folder / "styles"
    _copied(PictureFolder(photos, "train").paths[:count], few)
    _copied(PictureFolder(photos, "held_out").paths[:20], few)
    _copied(PictureFolder(styles, "all").paths[:4], four)
    return Places(few, four, facades, folder / "cache")


def _copied(paths: Sequence[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        shutil.copy(path, folder / path.name)


class MeasuredStyles(NamedStyleTraining):
    """Validates with the losses that it is trained with."""

    def validation_step(self, batch: NamedSample, batch_idx: int) -> Tensor:  # type: ignore[override]
        return torch.stack([*self.losses(self.encode(batch)).values()]).sum()


class FixedCrops(NamedStyleData):
    """Validates on eight crops of photos that are not trained on, each in a style that stays the same."""

    def setup(self, stage: str) -> None:
        super().setup(stage)
        samples = NamedSamples(PhotoCrops(PictureFolder(self.photos, "held_out"), self.crops[0]), UNSEEN)
        encoder, _ = self._encoder()
        self.fixed = []
        for first in (0, self.batch_size):
            batch = default_collate([samples[first + number] for number in range(self.batch_size)])
            deepest = encoder(batch.photo, ("relu4_1",))["relu4_1"]
            self.fixed.append(NamedSample(batch.photo, deepest.clone(), batch.number))

    def val_dataloader(self) -> DataLoader[Any]:
        return DataLoader(self.fixed, batch_size=None)  # type: ignore[arg-type]


def named_styles(places: Places, seed: int, normalizer: str = "instance") -> Training:
    """The fast network of many styles, 16 wide with 2 blocks, on crops of 96 pixels; rates as in its recipe."""
    names = [path.stem for path in PictureFolder(places.styles, "all").paths]
    torch.manual_seed(seed)
    module = MeasuredStyles(
        MultiStyleNetwork(names, width=16, blocks=2, normalizer=normalizer),
        styles=str(places.styles), sides=(), style_weight=9.0, gram_weight=3.5, pixel_weight=150.0,
        identity_share=0.0, learning_rate=1.5e-3, warmup_steps=10,
    )  # fmt: skip
    data = FixedCrops(
        str(places.photos), str(places.styles), crop=96, smallest_side=128, largest_side=192, batch_size=4,
        steps_per_epoch=EPOCH, seed=seed, cache=str(places.cache), crops_per_photo=1, score_photos=1,
    )  # fmt: skip
    return module, data


class MeasuredFacades(SynthesisTraining):
    """Validates with the perceptual loss of pictures in the styles of the photos; no critic judges itself."""

    def validation_step(self, batch: LabelledCrop, batch_idx: int) -> Tensor:
        taps = tuple(PERCEPTUAL_WEIGHTS)
        picture, photo = self.encoder(self.reconstruct(batch), taps), self.encoder(batch.photo, taps)
        return perceptual_loss(picture, photo)

    def on_validation_epoch_end(self) -> None: ...


def facades(places: Places, seed: int, plain_norms: bool = False) -> Training:
    """A small generator and the default critic, on crops of 64 pixels.

    Args:
        plain_norms: batch norms with a scale a channel, as :class:`ConcatenatedGenerator` has, in place of SPADE's.
    """
    torch.manual_seed(seed)
    if plain_norms:
        network: SpadeGenerator = ConcatenatedGenerator(CLASSES, STAGES, (16, 32, 48), 16, STYLE_WIDTHS)
    else:
        network = SpadeGenerator(CLASSES, STAGES, hidden=16, latent=16, style_planes=4, style_widths=STYLE_WIDTHS)
    module = MeasuredFacades(
        network,
        MultiScaleDiscriminator(CLASSES),
        kl_free=8.0,
        constant_share=1.0,
        generator_rate=1e-3,
        discriminator_rate=2e-3,
    )
    data = LabelData(
        str(places.facades), crop=64, smallest_side=72, largest_side=96, batch_size=2, steps_per_epoch=EPOCH,
        seed=seed, score_photos=8, score_size=64,
    )  # fmt: skip
    return module, data

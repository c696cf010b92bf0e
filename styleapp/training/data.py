"""Lightning's view of the stylization data: which batches a run sees, and in which order."""

import logging
from collections.abc import Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from styleapp.data.folder import PictureFolder
from styleapp.data.pairs import CropSampler, Curriculum, PicturePair, ScoringPairs, StepSampler, TrainingPairs
from styleapp.data.pictures import PictureError
from styleapp.models.vgg import STYLE_TAPS
from styleapp.training.cache import (
    CachedPairs,
    CachedPhotos,
    CachedStyles,
    EncodedPair,
    Encoder,
    cache_photos,
    cache_styles,
)

__all__ = ["StylizationData", "training_loader"]

log = logging.getLogger(__name__)


class StylizationData(pl.LightningDataModule):
    """Photos and styles from two folders; pictures that :func:`held_out` names are used for validation only.

    Args:
        photos: folder of photos, searched with sub-folders.
        styles: folder of style pictures.
        crop: side of the training crops in pixels, a multiple of 8.
        larger_crops: later sides by the step from which they are used, as in ``{3000: 192, 5000: 256}``. Small crops
            are quick to learn from; the statistics of large ones are nearer to those of whole pictures.
        smallest_side: smallest short side that a picture is resized to before cropping.
        largest_side: largest such side.
        batch_size: pairs a step and process.
        steps_per_epoch: an epoch is only a unit of reporting; this is its length.
        seed: of the samples.
        workers: processes that decode pictures.
        cache: folder for encoder features; with it a step on a CPU runs the encoder once instead of three times.
        crops_per_photo: how many crops of each photo the cache holds.
        cache_seed: of these crops; by default ``seed``. Runs with different seeds can share a cache.
        score_photos: validation uses this many held-out photos,
        score_styles: each with this many held-out styles,
        score_size: at this size in pixels.
    """

    def __init__(
        self,
        photos: str,
        styles: str,
        crop: int = 128,
        larger_crops: dict[int, int] | None = None,
        smallest_side: int = 160,
        largest_side: int = 256,
        batch_size: int = 4,
        steps_per_epoch: int = 500,
        seed: int = 0,
        workers: int = 0,
        cache: str | None = None,
        crops_per_photo: int = 4,
        cache_seed: int | None = None,
        score_photos: int = 6,
        score_styles: int = 6,
        score_size: int = 256,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.photos, self.styles = photos, styles
        self.crops = {0: _crop_sampler(crop, smallest_side, largest_side)}
        for step, side in sorted((larger_crops or {}).items()):
            self.crops[step] = _crop_sampler(side, max(side, smallest_side), max(side, largest_side))
        self.batch_size, self.steps_per_epoch = batch_size, steps_per_epoch
        self.seed, self.workers = seed, workers
        self.cache, self.crops_per_photo = cache, crops_per_photo
        self.cache_seed = seed if cache_seed is None else cache_seed
        self.score_photos, self.score_styles, self.score_size = score_photos, score_styles, score_size

    def prepare_data(self) -> None:
        if self.cache is not None:
            for crop in self.crops.values():
                self._pairs(crop)

    def setup(self, stage: str) -> None:
        trainer = self.trainer
        assert trainer is not None
        batches = trainer.world_size * trainer.accumulate_grad_batches  # of all processes together, a step
        self.training = Curriculum(
            {step * batches * self.batch_size: self._pairs(crop) for step, crop in self.crops.items()}
        )
        self.scoring = self._scored(_unseen(self.photos))

    def train_dataloader(self) -> DataLoader[EncodedPair] | DataLoader[PicturePair]:
        assert self.trainer is not None
        return training_loader(self.trainer, self.training, self.batch_size, self.steps_per_epoch, self.workers)

    def val_dataloader(self) -> DataLoader[PicturePair]:
        return DataLoader(self.scoring, batch_size=1)

    def _scored(self, photos: PictureFolder) -> ScoringPairs:
        return ScoringPairs(photos, _unseen(self.styles), self.score_size, self.score_photos, self.score_styles)

    def _pairs(self, crop: CropSampler) -> Dataset[EncodedPair] | Dataset[PicturePair]:
        photos, styles = PictureFolder(self.photos), PictureFolder(self.styles)
        if self.cache is None:
            return TrainingPairs(photos, styles, crop, self.seed)
        encoder, identity = self._encoder()
        side = self.crops[0].sides[1]
        squares = cache_styles(self.cache, encoder, identity, STYLE_TAPS, styles, side, self.cache_seed, progress=_bar)
        return CachedPairs(self._cached_photos(photos, crop), CachedStyles(squares, STYLE_TAPS), self.seed)

    def _cached_photos(self, photos: PictureFolder, crop: CropSampler) -> CachedPhotos:
        assert self.cache is not None
        encoder, identity = self._encoder()
        arguments = (STYLE_TAPS[-1], photos, crop, self.crops_per_photo, self.cache_seed)
        return CachedPhotos(cache_photos(self.cache, encoder, identity, *arguments, progress=_bar))

    def _encoder(self) -> tuple[Encoder, str]:
        """The one of the losses: features of another would mean nothing to them."""
        assert self.trainer is not None
        module: Any = self.trainer.lightning_module
        return torch.inference_mode()(module.encoder.eval()), str(module.encoder.identity)


def training_loader(
    trainer: pl.Trainer, samples: Dataset[Any], batch_size: int, steps_per_epoch: int, workers: int
) -> DataLoader[Any]:
    """Batches from where a run has got to: a resumed one goes on with the samples that come next, in every process."""
    sampler = StepSampler(
        batch_size,
        steps_per_epoch,
        steps_done=lambda: trainer.global_step * trainer.accumulate_grad_batches,
        rank=trainer.global_rank,
        world_size=trainer.world_size,
    )
    return DataLoader(
        samples, batch_size=batch_size, sampler=sampler, num_workers=workers, pin_memory=torch.cuda.is_available()
    )


def _crop_sampler(side: int, smallest_side: int, largest_side: int) -> CropSampler:
    if side % 8 or side < 32:
        raise ValueError(f"crop must be a multiple of 8 and at least 32, got {side}")
    return CropSampler(side, (smallest_side, largest_side))


def _unseen(folder: str) -> PictureFolder:
    """The held-out pictures; of a folder too small to have one, all, which training sees as well."""
    try:
        return PictureFolder(folder, "held_out")
    except PictureError:
        log.warning("%s has no held-out picture: its scores will be of pictures that training has seen", folder)
        return PictureFolder(folder, "all")


def _bar(items: Iterable[int], what: str) -> "tqdm[int]":
    return tqdm(items, desc=what)

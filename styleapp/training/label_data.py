"""Lightning's view of photos with masks: which crops a run sees, in which order, and which pairs are scored."""

from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from styleapp.data.labels import LabelError, LabelSet
from styleapp.data.mask_pairs import AlignedCropSampler, LabelledCrop, LabelledCrops, LabelledPhotos
from styleapp.data.pairs import centre_crop
from styleapp.data.pictures import evenly
from styleapp.training.data import training_loader

__all__ = ["LabelData", "ScoredPhotos", "labels_of_run"]


class LabelData(pl.LightningDataModule):
    """Photos and masks below one folder: ``train/images``, ``train/labels``, ``val/images`` and ``val/labels``.

    Every mask is read before training begins, so that a number that is no class is found there, with the file's name.

    Args:
        folder: with these four and the label set.
        labels: the label set's file in that folder, YAML or JSON.
        crop: side of the training crops in pixels, a multiple of 8.
        smallest_side: smallest short side that a picture is resized to before cropping.
        largest_side: largest such side.
        batch_size: crops a step and process.
        steps_per_epoch: an epoch is only a unit of reporting; this is its length.
        evenness: of the classes, see :func:`styleapp.data.mask_pairs.balanced_weights`.
        seed: of the samples.
        workers: processes that decode pictures.
        score_photos: validation uses this many pairs of ``val``,
        score_size: at this size in pixels.

    Attributes:
        labels: the label set, after :meth:`setup`.
        counts: pixels of each class in each training mask, after :meth:`setup`.
    """

    labels: LabelSet
    counts: Tensor

    def __init__(
        self,
        folder: str,
        labels: str = "classes.json",
        crop: int = 128,
        smallest_side: int = 144,
        largest_side: int = 256,
        batch_size: int = 4,
        steps_per_epoch: int = 500,
        evenness: float = 0.5,
        seed: int = 0,
        workers: int = 0,
        score_photos: int = 64,
        score_size: int = 256,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        if crop % 8 or crop < 32:
            raise ValueError(f"crop must be a multiple of 8 and at least 32, got {crop}")
        self.crop = AlignedCropSampler(crop, (smallest_side, largest_side))
        self.folder, self.label_file = Path(folder), labels
        self.batch_size, self.steps_per_epoch = batch_size, steps_per_epoch
        self.evenness, self.seed, self.workers = evenness, seed, workers
        self.score_photos, self.score_size = score_photos, score_size

    def setup(self, stage: str) -> None:
        self.labels = LabelSet.load(self.folder / self.label_file)
        photos = self._photos("train")
        self.counts = photos.counts
        self.training = LabelledCrops(photos, self.crop, self.evenness, self.seed)
        self.scoring = ScoredPhotos(self._photos("val"), self.score_size, self.score_photos)

    def train_dataloader(self) -> DataLoader[LabelledCrop]:
        assert self.trainer is not None
        return training_loader(self.trainer, self.training, self.batch_size, self.steps_per_epoch, self.workers)

    def val_dataloader(self) -> DataLoader[LabelledCrop]:
        """All pairs for every process: the scores are of all pictures together, no mean of scores of parts."""
        everything: DistributedSampler[int] = DistributedSampler(self.scoring, num_replicas=1, rank=0, shuffle=False)
        return DataLoader(self.scoring, batch_size=1, sampler=everything)

    def _photos(self, part: str) -> LabelledPhotos:
        return LabelledPhotos(self.folder / part / "images", self.folder / part / "labels", self.labels)


class ScoredPhotos(Dataset[LabelledCrop]):
    """The central squares of a few pairs that are spread evenly over a folder: a fixed list."""

    def __init__(self, photos: LabelledPhotos, size: int, count: int) -> None:
        self.photos, self.size = photos, size
        self.indices = evenly(range(len(photos)), count)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> LabelledCrop:
        photo, mask = self.photos.read(self.indices[index])
        window = min(photo.size)
        left, top = (photo.width - window) / 2, (photo.height - window) / 2
        box = (left, top, left + window, top + window)
        square = Image.fromarray(mask).resize((self.size, self.size), Image.Resampling.NEAREST, box=box)
        return LabelledCrop(centre_crop(photo, self.size), torch.from_numpy(np.array(square)))


def labels_of_run(trainer: pl.Trainer, num_labels: int) -> LabelSet:
    """The label set of a run's data.

    Raises:
        LabelError: the network has another number of labels.
    """
    data: LabelData = trainer.datamodule  # type: ignore[attr-defined]
    if len(data.labels) != num_labels:
        file = data.folder / data.label_file
        raise LabelError(f"the network has num_labels {num_labels}, but {file} has {len(data.labels)} classes")
    return data.labels

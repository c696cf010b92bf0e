"""Lightning's view of photos with masks: which crops a run sees, in which order, and which pairs are scored."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler

from styleapp.data.labels import LabelError, LabelSet
from styleapp.data.mask_pairs import AlignedCropSampler, JoinedPhotos, LabelledCrop, LabelledCrops, LabelledPhotos
from styleapp.data.scored_photos import ScoredPhotos
from styleapp.training.data import training_loader

__all__ = ["LabelData", "label_record", "labels_of_run"]


class LabelData(pl.LightningDataModule):
    """Photos and masks below one folder: ``train/images``, ``train/labels``, ``val/images`` and ``val/labels``.

    Every mask is read before training begins, so that a number that is no class is found there, with the file's name.

    Args:
        folder: with these four and the label set.
        labels: the label set's file in that folder, YAML or JSON.
        merged: classes that count as others, see :func:`styleapp.data.label_merging.merge_labels`.
        unlabelled_corners: whether blank corners of photos lose their labels, see
            :func:`styleapp.data.blank_corners.without_blank_corners`; also where pictures are scored.
        guessed: a further folder to train on, with ``images`` and ``labels``; there ``labels.yaml`` has the classes
            that are left, as ``styleapp segment`` writes them.
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
        merged: dict[str, str] | None = None,
        unlabelled_corners: bool = False,
        guessed: str | None = None,
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
        self.folder, self.label_file, self.merged = Path(folder), labels, merged
        self.unlabelled_corners = unlabelled_corners
        self.guessed = None if guessed is None else Path(guessed)
        self.batch_size, self.steps_per_epoch = batch_size, steps_per_epoch
        self.evenness, self.seed, self.workers = evenness, seed, workers
        self.score_photos, self.score_size = score_photos, score_size

    def setup(self, stage: str) -> None:
        self.of_files = LabelSet.load(self.folder / self.label_file)
        parts = [self._photos("train")]
        if self.guessed is not None:
            own = LabelSet.load(self.guessed / "labels" / "labels.yaml")
            parts.append(LabelledPhotos(self.guessed / "images", self.guessed / "labels", own))
        photos = JoinedPhotos(parts)
        self.labels, self.counts = photos.labels, photos.counts
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
        folder = self.folder / part
        return LabelledPhotos(folder / "images", folder / "labels", self.of_files, self.merged, self.unlabelled_corners)


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


def label_record(trainer: pl.Trainer, num_labels: int) -> dict[str, Any]:
    """What a network's record keeps of the masks: the label set, which classes of the files count as others, and
    whether blank corners had labels.

    Raises:
        LabelError: see :func:`labels_of_run`.
    """
    data: LabelData = trainer.datamodule  # type: ignore[attr-defined]
    record: dict[str, Any] = {"labels": labels_of_run(trainer, num_labels).record()}
    if data.merged:
        record["merged"] = dict(data.merged)
    if data.unlabelled_corners:
        record["unlabelled_corners"] = True
    return record

"""Folders of photos and their masks: pairing by file stem, checks before training, and aligned random crops."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from styleapp.data.blank_corners import without_blank_corners
from styleapp.data.label_merging import merge_labels
from styleapp.data.labels import IGNORED, LabelError, LabelSet
from styleapp.data.mask_colours import Numbers
from styleapp.data.masks import read_mask
from styleapp.data.pairs import sample_generator
from styleapp.data.pictures import PictureError, list_pictures, read_picture

__all__ = [
    "AlignedCropSampler",
    "JoinedPhotos",
    "LabelledCrop",
    "LabelledCrops",
    "LabelledPhotos",
    "MaskReport",
    "Pairing",
    "balanced_weights",
    "check_masks",
    "pair_by_stem",
]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pairing:
    """Photos with their masks, and what has no partner.

    Attributes:
        pairs: photo and mask, sorted by path.
        photos_alone, masks_alone: the others.
    """

    pairs: tuple[tuple[Path, Path], ...]
    photos_alone: tuple[Path, ...]
    masks_alone: tuple[Path, ...]


def pair_by_stem(photos: str | Path, masks: str | Path) -> Pairing:
    """Pairs files of the same path below two folders, but for the suffix.

    Raises:
        PictureError: a folder does not exist or holds no picture.
        LabelError: two files of one folder differ in nothing but the suffix.
    """
    by_stem = [_by_stem(Path(folder)) for folder in (photos, masks)]
    found, others = by_stem
    return Pairing(
        tuple((found[stem], others[stem]) for stem in found if stem in others),
        *(tuple(mine[stem] for stem in mine if stem not in theirs) for mine, theirs in (by_stem, by_stem[::-1])),
    )


def _by_stem(folder: Path) -> dict[Path, Path]:
    grouped: defaultdict[Path, list[Path]] = defaultdict(list)
    for path in list_pictures(folder):
        grouped[path.relative_to(folder).with_suffix("")].append(path)
    for paths in grouped.values():
        if len(paths) > 1:
            raise LabelError(f"{paths[0]} and {paths[1]} differ in nothing but the suffix: only one can have a partner")
    return {stem: paths[0] for stem, paths in grouped.items()}


@dataclass
class MaskReport:
    """What :func:`check_masks` found.

    Attributes:
        labels: for each usable mask, the labels that it has and how many pixels of each, :data:`IGNORED` included.
        unusable: for each other mask, why.
    """

    labels: dict[Path, dict[int, int]] = field(default_factory=dict)
    unusable: dict[Path, str] = field(default_factory=dict)


def check_masks(
    pairs: Sequence[tuple[Path, Path]],
    labels: LabelSet,
    progress: Callable[[Sequence[tuple[Path, Path]]], Iterable[tuple[Path, Path]]] | None = None,
) -> MaskReport:
    """Decodes every mask and reports its labels, or why it cannot be used.

    That is what :func:`read_mask` refuses, a mask without any labelled pixel, and one whose photo has another size or
    cannot be read.
    """
    report = MaskReport()
    for photo, mask in progress(pairs) if progress else pairs:
        try:
            found, counts = np.unique(_read_pair(photo, mask, labels)[1], return_counts=True)
        except (LabelError, PictureError) as error:
            report.unusable[mask] = str(error)
            continue
        report.labels[mask] = dict(zip(found.tolist(), counts.tolist(), strict=True))
    return report


def _read_pair(photo: Path, mask: Path, labels: LabelSet) -> tuple[Image.Image, Numbers]:
    numbers = read_mask(mask, labels)
    picture = read_picture(photo).rgb
    if picture.size != numbers.shape[::-1]:
        height, width = numbers.shape
        raise LabelError(f"{mask} is {width}×{height}, but {photo} is {picture.width}×{picture.height}")
    if (numbers == IGNORED).all():
        raise LabelError(f"{mask} has no pixel with a label")
    return picture, numbers


class LabelledPhotos:
    """The pairs of two folders, all checked, decoded on access. What has no partner is left out with a warning.

    Args:
        photos, masks: folders, searched with their sub-folders; see :func:`pair_by_stem`.
        labels: the label set of the masks.
        merged: classes that count as others, see :func:`styleapp.data.label_merging.merge_labels`.
        unlabelled_corners: whether blank corners of photos lose their labels, see
            :func:`styleapp.data.blank_corners.without_blank_corners`.

    Attributes:
        labels: the label set after merging.
        counts: pixels of each of its classes in each mask (blank corners included), pairs × L.

    Raises:
        LabelError: no pair, or masks that cannot be used: the first one is named with what is wrong.
        PictureError: a folder does not exist or holds no picture.
    """

    def __init__(
        self,
        photos: str | Path,
        masks: str | Path,
        labels: LabelSet,
        merged: Mapping[str, str] | None = None,
        unlabelled_corners: bool = False,
    ) -> None:
        self.unlabelled_corners = unlabelled_corners
        pairing = pair_by_stem(photos, masks)
        self.pairs, self.of_files = pairing.pairs, labels
        self.labels, self.numbers = merge_labels(labels, merged or {})
        if not self.pairs:
            raise LabelError(f"no photo of {photos} has a mask of the same name in {masks}")
        for alone, folder, missing in ((pairing.photos_alone, photos, "mask"), (pairing.masks_alone, masks, "photo")):
            if alone:
                log.warning("left out %d files of %s without a %s, e.g. %s", len(alone), folder, missing, alone[0].name)
        report = check_masks(self.pairs, labels)
        if report.unusable:
            reason = next(iter(report.unusable.values()))
            raise LabelError(f"{len(report.unusable)} of {len(self.pairs)} masks cannot be used; the first: {reason}")
        self.counts = torch.stack([self._counted(report.labels[mask]) for _, mask in self.pairs])

    def __len__(self) -> int:
        return len(self.pairs)

    def read(self, index: int) -> tuple[Image.Image, Numbers]:
        """The photo, RGB, and its mask as :func:`read_mask` gives it, but for merged classes and blank corners."""
        photo, mask = _read_pair(*self.pairs[index], self.of_files)
        merged = self.numbers[mask]
        return photo, without_blank_corners(photo, merged) if self.unlabelled_corners else merged

    def _counted(self, found: Mapping[int, int]) -> Tensor:
        """Pixels of each class from those of each number in a file."""
        counts = torch.zeros(256, dtype=torch.long)
        for number, count in found.items():
            counts[self.numbers[number]] += count
        return counts[: len(self.labels)]


class JoinedPhotos:
    """Several :class:`LabelledPhotos` as one.

    Raises:
        LabelError: their label sets have other classes.
    """

    def __init__(self, parts: Sequence[LabelledPhotos]) -> None:
        self.labels = parts[0].labels
        for part in parts[1:]:
            if part.labels.names != self.labels.names:
                named = [f"{one.pairs[0][1]} is of {', '.join(one.labels.names)}" for one in (parts[0], part)]
                raise LabelError(f"masks of different classes cannot be joined: {'; '.join(named)}")
        self.counts = torch.cat([part.counts for part in parts])
        self.places = [(part, index) for part in parts for index in range(len(part))]

    def __len__(self) -> int:
        return len(self.places)

    def read(self, index: int) -> tuple[Image.Image, Numbers]:
        """See :meth:`LabelledPhotos.read`."""
        part, place = self.places[index]
        return part.read(place)


def balanced_weights(counts: Tensor, evenness: float = 0.5) -> Tensor:
    """How often to draw each picture so that rare classes are seen more often: N probabilities, of sum 1.

    Args:
        counts: N×L, pixels of each class in each picture.
        evenness: 0 draws all pictures alike; 1 draws a class first, all those that there are alike, then a picture in
            proportion to its pixels of that class. With few pictures of a class these then come again and again.

    Raises:
        ValueError: evenness is not 0 to 1, or no picture has any labelled pixel.
    """
    if not 0 <= evenness <= 1:
        raise ValueError(f"evenness must be 0 to 1, got {evenness}")
    totals = counts.sum(0)  # L
    present = totals > 0
    if not present.any():
        raise ValueError("there is nothing to balance: no picture has a pixel with a label")
    shares = counts[:, present] / totals[present]  # N×L', each column of sum 1
    return evenness * shares.mean(1) + (1 - evenness) / len(counts)


class LabelledCrop(NamedTuple):
    """A photo (3×S×S, RGB in [0, 1]) and its mask (S×S, uint8, :data:`IGNORED` without label), or a batch of them."""

    photo: Tensor
    mask: Tensor


class AlignedCropSampler:
    """Random square crops of a photo and its mask at random scale, mirrored half of the time, both alike.

    Args:
        size: side of the crop in pixels.
        sides: smallest and largest short side that the picture is (as if) resized to before cropping.
    """

    def __init__(self, size: int, sides: tuple[int, int]) -> None:
        if not size <= sides[0] <= sides[1]:
            raise ValueError(f"need crop ≤ smallest side ≤ largest side, got {size} and {sides[0]}…{sides[1]}")
        self.size, self.sides = size, sides

    def __call__(self, photo: Image.Image, mask: Numbers, random: torch.Generator) -> LabelledCrop:
        low, high = self.sides
        scale, left, top, mirror = torch.rand(4, generator=random).tolist()
        window = round(self.size * min(photo.size) / (low + (high - low) * scale))  # in pixels of the original
        corner = round(top * (photo.height - window)), round(left * (photo.width - window))

        def cropped(part: Tensor, interpolation: InterpolationMode) -> Tensor:
            part = functional.crop(part, *corner, window, window)
            part = functional.resize(part, [self.size, self.size], interpolation=interpolation, antialias=True)
            return functional.horizontal_flip(part) if mirror < 0.5 else part

        colours = cropped(tv_tensors.Image(photo), InterpolationMode.BICUBIC)  # 3×S×S
        numbers = cropped(tv_tensors.Mask(np.array(mask)), InterpolationMode.NEAREST_EXACT)  # S×S
        return LabelledCrop(colours.as_subclass(Tensor).float() / 255, numbers.as_subclass(Tensor))


class LabelledCrops(Dataset[LabelledCrop]):
    """Sample ``index``: a random crop of a random pair, a function of the seed and the number alone.

    Args:
        evenness: of the classes, see :func:`balanced_weights`.
    """

    def __init__(
        self, photos: LabelledPhotos | JoinedPhotos, crop: AlignedCropSampler, evenness: float = 0.5, seed: int = 0
    ) -> None:
        self.photos, self.crop, self.seed = photos, crop, seed
        self.weights = balanced_weights(photos.counts, evenness)

    def __len__(self) -> int:
        return 2**40  # as many as anybody will take

    def __getitem__(self, index: int) -> LabelledCrop:
        random = sample_generator(self.seed, index)
        chosen = int(torch.multinomial(self.weights, 1, generator=random))
        return self.crop(*self.photos.read(chosen), random)

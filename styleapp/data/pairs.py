"""Photos paired with styles, for training and for scoring.

A training sample is a function of the seed and of its number alone. So a run that is resumed, or spread over more
processes, sees the same samples as one that was never interrupted.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, DistributedSampler
from torchvision.transforms.v2.functional import pil_to_tensor

from styleapp.data.folder import PictureFolder
from styleapp.data.pictures import evenly

__all__ = ["CropSampler", "Curriculum", "PicturePair", "ScoringPairs", "StepSampler", "TrainingPairs", "centre_crop"]


class PicturePair(NamedTuple):
    """A photo and a style picture, each 3×H×W (or a batch of them), RGB in [0, 1]."""

    photo: Tensor
    style: Tensor


class CropSampler:
    """Random square crops at random scale, mirrored half of the time.

    Args:
        size: side of the crop in pixels.
        sides: smallest and largest short side that the picture is (as if) resized to before cropping.
    """

    def __init__(self, size: int, sides: tuple[int, int]) -> None:
        if not size <= sides[0] <= sides[1]:
            raise ValueError(f"need crop ≤ smallest side ≤ largest side, got {size} and {sides[0]}…{sides[1]}")
        self.size = size
        self.sides = sides

    def __call__(self, image: Image.Image, random: torch.Generator) -> Tensor:
        """A 3×size×size tensor of uint8."""
        low, high = self.sides
        scale, left, top, mirror = torch.rand(4, generator=random).tolist()
        window = self.size * min(image.size) / (low + (high - low) * scale)  # in pixels of the original
        x, y = left * (image.width - window), top * (image.height - window)
        crop = image.resize((self.size, self.size), Image.Resampling.BICUBIC, box=(x, y, x + window, y + window))
        tensor = pil_to_tensor(crop)  # 3×S×S
        return tensor.flip(-1) if mirror < 0.5 else tensor


def centre_crop(image: Image.Image, size: int) -> Tensor:
    """Short side resized to ``size``, then the central square: 3×size×size, RGB in [0, 1]."""
    window = min(image.size)
    x, y = (image.width - window) / 2, (image.height - window) / 2
    square = image.resize((size, size), Image.Resampling.BICUBIC, box=(x, y, x + window, y + window))
    return pil_to_tensor(square).float() / 255


def sample_generator(seed: int, index: int) -> torch.Generator:
    """A random generator that depends on nothing but the seed and the sample's number."""
    return torch.Generator().manual_seed((seed * 1_000_003 + index) % 2**63)


class TrainingPairs(Dataset[PicturePair]):
    """Sample ``index``: a random crop of a random photo and a random crop of a random style."""

    def __init__(self, photos: PictureFolder, styles: PictureFolder, crop: CropSampler, seed: int = 0) -> None:
        self.photos, self.styles, self.crop, self.seed = photos, styles, crop, seed

    def __len__(self) -> int:
        return 2**40  # as many as anybody will take

    def __getitem__(self, index: int) -> PicturePair:
        random = sample_generator(self.seed, index)
        chosen = torch.randint(2**31, (2,), generator=random).tolist()
        photo = self.crop(self.photos.read(chosen[0] % len(self.photos)), random)
        style = self.crop(self.styles.read(chosen[1] % len(self.styles)), random)
        return PicturePair(photo.float() / 255, style.float() / 255)


class Curriculum(Dataset[Any]):
    """Several data sets one after the other: each has the samples from its first number to where the next begins.

    Args:
        parts: by the number of their first sample; one begins with 0.
    """

    def __init__(self, parts: Mapping[int, Dataset[Any]]) -> None:
        if 0 not in parts or min(parts) < 0:
            raise ValueError(f"the first part must begin with sample 0, got {sorted(parts)}")
        self.starts = sorted(parts)
        self.parts = [parts[start] for start in self.starts]

    def __len__(self) -> int:
        return 2**40

    def __getitem__(self, index: int) -> Any:
        return self.parts[bisect_right(self.starts, index) - 1][index]


class ScoringPairs(Dataset[PicturePair]):
    """A few photos, spread evenly over the folder, with each of a few such styles, centre-cropped: a fixed list."""

    def __init__(
        self, photos: PictureFolder, styles: PictureFolder, size: int, num_photos: int, num_styles: int
    ) -> None:
        self.photos = [centre_crop(photos.read(index), size) for index in evenly(range(len(photos)), num_photos)]
        self.styles = [centre_crop(styles.read(index), size) for index in evenly(range(len(styles)), num_styles)]

    def __len__(self) -> int:
        return len(self.photos) * len(self.styles)

    def __getitem__(self, index: int) -> PicturePair:
        photo, style = divmod(index, len(self.styles))
        return PicturePair(self.photos[photo], self.styles[style])


class StepSampler(DistributedSampler[int]):
    """Sample numbers of one process, from the step that the run has reached to the end of the epoch.

    It divides the samples among the processes itself and says so by its base class: Lightning would otherwise wrap it
    and divide them once more.

    Args:
        batch_size: samples a step and process.
        steps_per_epoch: length of an epoch.
        steps_done: asked at the start of each epoch; in a resumed run it is not a multiple of ``steps_per_epoch``.
        rank, world_size: this process and the number of them; their samples do not overlap.
    """

    def __init__(
        self, batch_size: int, steps_per_epoch: int, steps_done: Callable[[], int], rank: int = 0, world_size: int = 1
    ) -> None:
        super().__init__(range(batch_size * steps_per_epoch), world_size, rank, shuffle=False)  # type: ignore[arg-type]
        self.batch_size, self.steps_per_epoch, self.steps_done = batch_size, steps_per_epoch, steps_done
        self.rank, self.world_size = rank, world_size

    def __len__(self) -> int:
        return self.batch_size * self.steps_per_epoch

    def __iter__(self) -> Iterator[int]:
        done = self.steps_done()
        for step in range(done, done + self.steps_per_epoch - done % self.steps_per_epoch):
            start = (step * self.world_size + self.rank) * self.batch_size
            yield from range(start, start + self.batch_size)

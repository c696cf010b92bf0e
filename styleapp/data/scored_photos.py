"""Photos with masks that are scored: the same central squares in training, on the command line and on sheets."""

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from styleapp.data.mask_pairs import LabelledCrop, LabelledPhotos
from styleapp.data.pairs import centre_crop
from styleapp.data.pictures import evenly

__all__ = ["ScoredPhotos"]


class ScoredPhotos(Dataset[LabelledCrop]):
    """The central squares of a few pairs that are spread evenly over a folder: a fixed list.

    Args:
        photos: the pairs.
        size: side of the squares in pixels.
        count: how many pairs at most; by default all.
    """

    def __init__(self, photos: LabelledPhotos, size: int, count: int | None = None) -> None:
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

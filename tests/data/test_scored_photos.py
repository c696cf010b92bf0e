"""Pairs that are scored: which ones, and that photo and mask are cut alike."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from styleapp.data.labels import LabelSet
from styleapp.data.mask_pairs import LabelledPhotos
from styleapp.data.pairs import centre_crop
from styleapp.data.pictures import read_picture
from styleapp.data.scored_photos import ScoredPhotos


@pytest.fixture(scope="module")
def photos(labelled_photos: Path) -> LabelledPhotos:
    labels = LabelSet.load(labelled_photos / "classes.json")
    return LabelledPhotos(labelled_photos / "photos", labelled_photos / "masks", labels)


def test_at_their_own_size_they_are_the_middle_columns(photos: LabelledPhotos) -> None:
    scored = ScoredPhotos(photos, 48)
    for (photo, mask), (photo_file, mask_file) in zip(map(scored.__getitem__, range(4)), photos.pairs, strict=True):
        assert torch.equal(photo, centre_crop(read_picture(photo_file).rgb, 48))
        assert torch.equal(mask, torch.from_numpy(np.array(Image.open(mask_file))[:, 6:54]))


@pytest.mark.parametrize("size", [16, 32, 100])
def test_masks_keep_to_labels_at_any_size(photos: LabelledPhotos, size: int) -> None:
    photo, mask = ScoredPhotos(photos, size)[1]
    assert photo.shape == (3, size, size) and mask.shape == (size, size)
    assert set(mask.unique().tolist()) <= {0, 1, 2, 255}


@pytest.mark.parametrize(("count", "expected"), [(None, [0, 1, 2, 3]), (2, [0, 2]), (3, [0, 1, 2]), (9, [0, 1, 2, 3])])
def test_they_are_spread_evenly(photos: LabelledPhotos, count: int | None, expected: list[int]) -> None:
    assert ScoredPhotos(photos, 16, count).indices == expected

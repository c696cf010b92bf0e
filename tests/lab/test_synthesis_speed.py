"""What the speed of mask-to-image is measured with: real pictures and features of one size, of every class."""

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.synthesis_speed import encode_call, mask_of, our_call


@pytest.mark.parametrize("labels", [3, 12])
def test_masks_have_every_class(labels: int) -> None:
    mask = mask_of(128, labels)
    assert mask.shape == (128, 128)
    assert np.unique(mask).tolist() == list(range(labels))


def test_ours_is_a_picture_of_the_mask() -> None:
    picture = our_call(mask_of(64, 12), 12)()
    assert isinstance(picture, Image.Image)
    assert picture.size == (64, 64)


def test_encode_goes_to_relu4_1() -> None:
    features = encode_call(64)()
    assert isinstance(features, dict)
    assert {name: value.shape for name, value in features.items()} == {"relu4_1": torch.Size([1, 512, 8, 8])}

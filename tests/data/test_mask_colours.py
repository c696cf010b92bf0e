"""Masks in colours: smoothed edges bring no other class, thin lines stay, and what is no mask is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from styleapp.data.labels import IGNORED, LabelSet
from styleapp.data.mask_colours import paint_mask
from styleapp.data.masks import read_mask


def test_painted_and_read_again(tmp_path: Path, numbers: np.ndarray, labels: LabelSet) -> None:
    painted = paint_mask(numbers, labels)
    assert painted[20, 25].tolist() == [0, 202, 252]
    assert np.array_equal(read_mask(painted, labels), numbers)
    Image.fromarray(painted).save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png", labels), numbers)


def test_thin_lines_stay_where_nothing_is_mixed(numbers: np.ndarray, labels: LabelSet) -> None:
    numbers[:, 30], numbers[3, 3] = 2, 0
    assert np.array_equal(read_mask(paint_mask(numbers, labels), labels), numbers)


def test_thin_lines_stay_beside_smoothed_edges(labels: LabelSet) -> None:
    """But for one that may be a smoothed edge itself: a line of windows, one pixel wide, between facade and door."""
    numbers = np.ones((20, 40), np.uint8)
    numbers[:, 5], numbers[:, 20], numbers[:, 21:] = 2, 2, 3
    painted = paint_mask(numbers, labels)
    painted[10, 10] = (0, 40, 240)
    found = read_mask(painted, labels)
    assert np.array_equal(found[:, :20], numbers[:, :20]) and np.array_equal(found[:, 21:], numbers[:, 21:])
    assert not (found[:, 20] == 2).any()


@pytest.mark.parametrize("quality", [75, 95])
def test_lossy_file_is_read_with_a_few_wrong_edges(
    tmp_path: Path, numbers: np.ndarray, labels: LabelSet, quality: int
) -> None:
    large = np.kron(numbers, np.ones((6, 6), np.uint8))
    Image.fromarray(paint_mask(large, labels)).save(tmp_path / "mask.jpg", quality=quality)
    assert (read_mask(tmp_path / "mask.jpg", labels) == large).mean() > 0.97


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 2), (9, 1)])
def test_tiny_masks(labels: LabelSet, shape: tuple[int, int]) -> None:
    painted = paint_mask(np.full(shape, 3, np.uint8), labels)
    painted[0, 0] = (0, 190, 240)
    assert (read_mask(painted, labels) == 3).all()


@pytest.mark.parametrize("factor", [1.0, 0.5, 1.7, 3.0])
def test_smoothed_edges_bring_no_other_class(numbers: np.ndarray, factor: float, labels: LabelSet) -> None:
    """A door in a facade: on the way from one colour to the other lies that of windows."""
    numbers[numbers == 2], numbers[numbers == IGNORED] = 1, 1
    size = round(60 * factor), round(40 * factor)
    large = Image.fromarray(paint_mask(numbers, labels)).resize((240, 160), Image.Resampling.BILINEAR)
    found = read_mask(large.resize(size, Image.Resampling.LANCZOS), labels)
    expected = np.asarray(Image.fromarray(numbers).resize(size, Image.Resampling.NEAREST))
    assert np.unique(found).tolist() == [0, 1, 3]
    assert (found == expected).mean() > 0.93


def test_nearest_alone_would_bring_another_class(numbers: np.ndarray, labels: LabelSet) -> None:
    """The oracle of the test above: without looking around, edges of doors are windows."""
    numbers[numbers != 3] = 1
    smoothed = Image.fromarray(paint_mask(numbers, labels)).resize((240, 160), Image.Resampling.BILINEAR)
    palette = np.array([colour for colour, _ in labels.palette], dtype=float)
    distances = np.linalg.norm(np.asarray(smoothed)[:, :, None] - palette, axis=-1)
    assert (distances.argmin(-1) == 2).sum() > 100
    assert (read_mask(smoothed, labels) == 2).sum() == 0


def test_single_pixel_that_looks_like_a_class_is_a_mixture(numbers: np.ndarray, labels: LabelSet) -> None:
    painted = paint_mask(np.where(numbers == 3, 3, 1).astype(np.uint8), labels)
    painted[10, 25] = (0, 124, 252)
    painted[20, 15] = (0, 90, 250)
    assert np.unique(read_mask(painted, labels)).tolist() == [1, 3]


def test_rounded_colours_are_those_of_the_palette(numbers: np.ndarray, labels: LabelSet) -> None:
    painted = paint_mask(numbers, labels).astype(int)
    noise = np.random.default_rng(0).integers(-1, 2, painted.shape)
    assert np.array_equal(read_mask((painted + noise).clip(0, 255).astype(np.uint8), labels), numbers)


def test_unknown_colours_are_listed_with_the_nearest_class(numbers: np.ndarray, labels: LabelSet, refusal) -> None:
    painted = paint_mask(numbers, labels)
    painted[10:20, 20:30] = (200, 10, 10)
    painted[30:38, 20:28] = (0, 160, 160)
    assert refusal(painted, labels) == (
        "the mask has colours that are not in its label set: "
        "(200, 10, 10) in 100 pixels, nearest is ignored; (0, 160, 160) in 64 pixels, nearest is window"
    )


def test_photo_is_no_mask(draw_photo, labels: LabelSet, refusal) -> None:
    message = refusal(draw_photo(64, 48), labels)
    assert message.startswith("the mask has colours that are not in its label set: (")
    assert message.endswith("more, as in a photo or a lossy file: save masks as PNG")
    assert message.count("nearest is") == 5

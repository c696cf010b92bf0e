"""Blank corners: what is one colour from the corner on, through JPEG; never a sky, and nothing inside."""

import io

import numpy as np
import pytest
from PIL import Image

from styleapp.data.blank_corners import FRINGE, blank_corners, without_blank_corners
from styleapp.data.labels import IGNORED

SIDE = 96


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)


def _wedge(size: int) -> np.ndarray:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return rows + columns < size


def _through_jpeg(pixels: np.ndarray) -> Image.Image:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return Image.open(buffer).convert("RGB")


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("colour", [(0, 0, 0), (130, 130, 130)])
def test_a_wedge_in_each_corner(noise: np.ndarray, turns: int, colour: tuple[int, int, int]) -> None:
    wedge = np.rot90(_wedge(60), turns)
    noise[wedge] = colour
    found = blank_corners(_through_jpeg(noise))
    farther = np.rot90(_wedge(60 + 2 * FRINGE + 4), turns)
    assert found[wedge].mean() > 0.85  # blocks at the edge are mixed
    assert not found[~farther].any()


def test_what_begins_inside_is_no_corner(noise: np.ndarray) -> None:
    noise[30:70, 30:70] = 0
    assert not blank_corners(Image.fromarray(noise)).any()


def test_few_pixels_are_part_of_the_photo(noise: np.ndarray) -> None:
    noise[_wedge(17)] = 0  # of it, one pixel lies behind the margin
    assert not blank_corners(Image.fromarray(noise)).any()


def test_a_bright_sky_keeps_its_label(noise: np.ndarray) -> None:
    noise[:40] = 255
    assert not blank_corners(Image.fromarray(noise)).any()
    assert blank_corners(Image.fromarray(noise), brightest=255)[:40].all()


def test_pictures_below_the_margin() -> None:
    assert not blank_corners(Image.new("RGB", (5, 20))).any()


def test_masks_lose_labels_there_only(noise: np.ndarray) -> None:
    noise[_wedge(60)] = 0
    photo, mask = Image.fromarray(noise), np.full((SIDE, SIDE), 3, dtype=np.uint8)
    without, blank = without_blank_corners(photo, mask), blank_corners(photo)
    assert without.dtype == np.uint8 and (mask == 3).all()
    np.testing.assert_array_equal(without == IGNORED, blank)
    assert set(np.unique(without[~blank])) == {3}

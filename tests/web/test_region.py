"""From strokes on a canvas to masks of the photo's size."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from styleapp.web.region import BRUSHES, CANVAS_SIDE, canvas, masks_of_painting, weighted_masks

RED, BLUE, YELLOW = ([int(code[i : i + 2], 16) for i in (1, 3, 5)] for code in BRUSHES)


def layer(height: int, width: int, strokes: list[tuple[slice, slice, list[int]]], alpha: int = 255) -> dict:
    """What the editor hands over: rectangles of colour on one transparent layer."""
    pixels = np.zeros((height, width, 4), dtype=np.uint8)
    for rows, columns, colour in strokes:
        pixels[rows, columns] = [*colour, alpha]
    return {"background": None, "layers": [Image.fromarray(pixels)], "composite": None}


@pytest.mark.parametrize(
    "painting",
    [
        None,
        {},
        {"layers": None},
        {"layers": []},
        {"layers": [None]},
        layer(30, 40, []),
        layer(8, 8, [(slice(8), slice(8), RED)], 90),
    ],
)
def test_nothing_painted_is_the_whole_picture(painting: dict | None) -> None:
    assert masks_of_painting(painting, (40, 30), {0: 1.0}) is None


@pytest.mark.parametrize("zoom", [1, 2, 0.5])
def test_mask_has_the_photos_size_whatever_the_canvas(zoom: float) -> None:
    height, width = int(32 * zoom), int(48 * zoom)
    (mask,) = masks_of_painting(layer(height, width, [(slice(None), slice(width // 2), RED)]), (48, 32), {0: 1.0}) or []
    expected = np.zeros((32, 48), dtype=np.uint8)
    expected[:, :24] = 255
    assert (mask.mode, mask.size) == ("L", (48, 32))
    np.testing.assert_array_equal(np.asarray(mask), expected)


def test_one_colour_mixes_the_styles_by_weight() -> None:
    painting = layer(10, 10, [(slice(5), slice(None), BLUE)])
    masks = [np.asarray(mask) for mask in masks_of_painting(painting, (10, 10), {0: 3.0, 2: 1.0}) or []]
    assert [(int(mask[0, 0]), int(mask[9, 9])) for mask in masks] == [(191, 0), (64, 0)]


def test_each_of_several_colours_is_for_its_own_style() -> None:
    painting = layer(10, 30, [(slice(None), slice(10), RED), (slice(None), slice(20, None), YELLOW)])
    first, third = (np.asarray(mask) for mask in masks_of_painting(painting, (30, 10), {0: 1.0, 2: 1.0}) or [])
    assert (first[:, :10] == 255).all() and not first[:, 10:].any()
    assert (third[:, 20:] == 255).all() and not third[:, :20].any()


def test_blended_edges_take_the_nearest_colour_and_are_no_colour_of_their_own() -> None:
    painting = layer(100, 100, [(slice(None), slice(50), RED), (slice(None), slice(50, None), YELLOW)])
    pixels = np.asarray(painting["layers"][0]).copy()
    pixels[:, 50, :3] = BLUE  # one column of a hundred, as if two colours had met there
    painting["layers"] = [Image.fromarray(pixels)]
    masks = masks_of_painting(painting, (100, 100), {0: 1.0, 2: 1.0})
    assert masks is not None and len(masks) == 2


def test_a_colour_without_style_is_said() -> None:
    painting = layer(10, 20, [(slice(None), slice(10), RED), (slice(None), slice(10, None), BLUE)])
    with pytest.raises(ValueError, match="blue is painted for style 2, which is empty"):
        masks_of_painting(painting, (20, 10), {0: 1.0, 2: 1.0})


def test_layers_of_other_sizes_are_laid_over_each_other() -> None:
    painting = layer(20, 20, [(slice(10), slice(None), RED)])
    painting["layers"].append(layer(10, 10, [(slice(5, None), slice(None), RED)])["layers"][0])
    (mask,) = masks_of_painting(painting, (20, 20), {0: 1.0}) or []
    assert np.asarray(mask).min() == 255


def test_weights_of_a_mask_add_up() -> None:
    masks = weighted_masks(Image.new("RGB", (4, 4), (255, 255, 255)), [1, 1, 1])
    assert sum(int(np.asarray(mask)[0, 0]) for mask in masks) == 255


@pytest.mark.parametrize(("size", "expected"), [((100, 50), (768, 384)), ((1000, 3000), (256, 768))])
def test_canvas_is_the_photo_in_a_size_for_the_brush(tmp_path: Path, size: tuple, expected: tuple) -> None:
    Image.new("RGBA", size, (9, 8, 7, 255)).save(tmp_path / "photo.png")
    value = canvas(str(tmp_path / "photo.png"))
    assert value is not None and value["background"].size == expected and max(expected) == CANVAS_SIDE
    assert (value["background"].mode, value["layers"]) == ("RGB", [])


def test_canvas_shows_a_photo_upright(tmp_path: Path) -> None:
    image = Image.new("RGB", (60, 30))
    exif = image.getexif()
    exif[274] = 6  # turn right to see it upright
    image.save(tmp_path / "photo.jpg", exif=exif)
    value = canvas(str(tmp_path / "photo.jpg"))
    assert value is not None and value["background"].size == (384, 768)


def test_no_photo_is_an_empty_canvas() -> None:
    assert canvas(None) is None

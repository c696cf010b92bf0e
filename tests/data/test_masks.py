"""Masks of any kind: numbers, transparency, files with a palette, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from styleapp.data.labels import IGNORED, LabelError, LabelSet
from styleapp.data.mask_colours import paint_mask
from styleapp.data.masks import one_hot, read_mask, save_mask
from styleapp.data.pictures import PictureError

# Numbers


@pytest.mark.parametrize("mode", ["L", "I;16", "I"])
def test_numbers_in_a_file(tmp_path: Path, numbers: np.ndarray, mode: str, labels: LabelSet) -> None:
    kind = {"L": np.uint8, "I;16": np.uint16, "I": np.int32}[mode]
    path = tmp_path / ("mask.tiff" if mode == "I" else "mask.png")
    Image.fromarray(numbers.astype(kind)).save(path)
    found = read_mask(path, labels)
    assert found.dtype == np.uint8 and np.array_equal(found, numbers)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.int16])
def test_numbers_in_an_array(numbers: np.ndarray, dtype: Any, labels: LabelSet) -> None:
    assert np.array_equal(read_mask(numbers.astype(dtype), labels), numbers)
    assert np.array_equal(read_mask(numbers.astype(dtype)[..., None], labels), numbers)


def test_black_and_white_is_zero_and_one(labels: LabelSet) -> None:
    assert read_mask(Image.new("1", (3, 2), 1), labels).tolist() == [[1, 1, 1], [1, 1, 1]]
    assert read_mask(np.eye(2, dtype=bool), labels).tolist() == [[1, 0], [0, 1]]


def test_every_ignored_number_becomes_the_same(strict_labels: LabelSet) -> None:
    ignored = [{"index": 7, "name": "edge", "ignore": True}, {"index": 9, "name": "unknown", "ignore": True}]
    labels = LabelSet.from_record({"classes": [*strict_labels.record()["classes"], *ignored]})
    assert read_mask(np.array([[0, 7, 9, 3]]), labels).tolist() == [[0, IGNORED, IGNORED, 3]]


def test_numbers_out_of_range_are_listed(
    tmp_path: Path, numbers: np.ndarray, labels: LabelSet, strict_labels: LabelSet, refusal
) -> None:
    numbers[0, :7], numbers[1, :2] = 4, 37
    path = tmp_path / "mask.png"
    Image.fromarray(numbers).save(path)
    assert refusal(path, labels) == (
        f"{path} has the label 4 (7 pixels), 37 (2 pixels); known are 0 to 3 and 255 (ignored)"
    )
    assert refusal(np.array([[-1, 0]]), labels).startswith("the mask has the label -1 (1 pixel)")
    assert "255 (1 pixel)" in refusal(np.array([[255, 0]]), strict_labels)
    assert "8 (1 pixel) and 91 more; known" in refusal(np.arange(100)[None], labels)


# Transparency and palettes


def test_transparent_is_without_label(numbers: np.ndarray, labels: LabelSet, strict_labels: LabelSet, refusal) -> None:
    painted = paint_mask(numbers, labels)
    alpha = np.full(numbers.shape, 255, np.uint8)
    alpha[:, :20], alpha[:, 20] = 0, 200
    painted[:, :10] = (255, 0, 255)  # nobody sees it
    rgba = np.dstack([painted, alpha])
    expected = numbers.copy()
    expected[:, :20] = IGNORED
    assert np.array_equal(read_mask(rgba, labels), expected)
    assert np.array_equal(read_mask(Image.fromarray(rgba), labels), expected)
    painted[numbers == IGNORED] = (0, 0, 220)
    message = refusal(np.dstack([painted, alpha]), strict_labels)
    assert message == "the mask has 800 transparent pixels; its label set has nothing for these"


def test_palette_file_holds_colours_if_they_are_the_sets_else_numbers(
    tmp_path: Path, numbers: np.ndarray, labels: LabelSet
) -> None:
    painted = Image.fromarray(paint_mask(numbers, labels)).quantize(8, dither=Image.Dither.NONE)
    assert painted.mode == "P" and not np.array_equal(np.asarray(painted), numbers)
    assert np.array_equal(read_mask(painted, labels), numbers)
    numbered = Image.fromarray(numbers)
    numbered.putpalette([value for i in range(256) for value in (i * 37 % 256, i * 91 % 256, 13)])
    numbered.save(tmp_path / "mask.png")
    with Image.open(tmp_path / "mask.png") as image:
        assert image.mode == "P"
    assert np.array_equal(read_mask(tmp_path / "mask.png", labels), numbers)


# Files that are written


def test_saved_mask_has_numbers_and_colours(tmp_path: Path, numbers: np.ndarray, labels: LabelSet) -> None:
    path = save_mask(tmp_path / "new" / "mask.png", numbers, labels)
    assert np.array_equal(read_mask(path, labels), numbers)
    with Image.open(path) as image:
        assert (image.format, image.mode) == ("PNG", "P")
        assert np.array_equal(np.asarray(image), numbers)
        assert np.array_equal(np.asarray(image.convert("RGB")), paint_mask(numbers, labels))
    assert [file.name for file in path.parent.iterdir()] == ["mask.png"]


def test_saved_mask_has_the_sets_own_number_for_what_is_ignored(
    tmp_path: Path, numbers: np.ndarray, strict_labels: LabelSet
) -> None:
    unseen = {"index": 9, "name": "unseen", "ignore": True}  # it has no colour
    labels = LabelSet.from_record({"classes": [*strict_labels.record()["classes"], unseen]})
    path = save_mask(tmp_path / "mask.png", numbers, labels)
    assert np.array_equal(np.asarray(Image.open(path)), np.where(numbers == IGNORED, 9, numbers))
    assert np.array_equal(read_mask(path, labels), numbers)
    labelled = np.where(numbers == IGNORED, 0, numbers).astype(np.uint8)
    assert np.array_equal(read_mask(save_mask(path, labelled, strict_labels), strict_labels), labelled)


@pytest.mark.parametrize("classes", [1, 2, 16, 17, 255])
def test_saved_mask_of_any_number_of_classes(tmp_path: Path, classes: int) -> None:
    colours = [[i, 255 - i, i % 7 * 30] for i in range(classes)]
    entries = [{"index": i, "name": f"class {i}", "rgb": colour} for i, colour in enumerate(colours)]
    labels = LabelSet.from_record({"classes": entries, "ignore_index": 255})
    numbers = np.arange(classes + 1, dtype=np.uint8)[None].repeat(3, 0)
    numbers[:, -1] = IGNORED
    assert np.array_equal(read_mask(save_mask(tmp_path / "mask.png", numbers, labels), labels), numbers)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (np.full((4, 4), 4, np.uint8), "has the label 4 (16 pixels); known are 0 to 3"),
        (np.full((4, 4), IGNORED, np.uint8), "has 16 pixels without label; its label set has nothing for these"),
        (np.zeros((0, 4), np.uint8), "cannot hold a mask of 0×4: it must be H×W numbers"),
        (np.zeros((4, 4, 3), np.uint8), "cannot hold a mask of 4×4×3"),
    ],
)
def test_masks_that_could_not_be_read_back(
    tmp_path: Path, numbers: np.ndarray, message: str, strict_labels: LabelSet
) -> None:
    with pytest.raises(LabelError) as caught:
        save_mask(tmp_path / "mask.png", numbers, strict_labels)
    assert f"{tmp_path / 'mask.png'} {message}" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_masks_that_cannot_be_written(tmp_path: Path, numbers: np.ndarray, labels: LabelSet) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(PictureError, match=r"file/mask\.png cannot be written: "):
        save_mask(tmp_path / "file" / "mask.png", numbers, labels)
    with pytest.raises(PictureError, match=r"mask\.jpg: a mask is a \.png file"):
        save_mask(tmp_path / "mask.jpg", numbers, labels)


# What is no mask


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros((4, 4), np.float32), "has values of type float32: label numbers and colours are whole numbers"),
        (Image.new("F", (4, 4)), "has values of type float32"),
        (np.zeros((0, 4), np.uint8), "has no pixel: it is 4×0"),
        (Image.new("L", (0, 4)), "has no pixel: it is 0×4"),
        (np.zeros((4, 4, 2), np.uint8), "must be H×W numbers or H×W×3 colours, got 4×4×2"),
        (np.zeros(4, np.uint8), "must be H×W numbers or H×W×3 colours, got 4"),
        (np.full((2, 2, 3), 300), "has colours of 300 to 300: they must be 0 to 255"),
    ],
)
def test_no_mask(source: Any, message: str, labels: LabelSet, refusal) -> None:
    assert f"the mask {message}" in refusal(source, labels)


def test_no_file(tmp_path: Path, numbers: np.ndarray, labels: LabelSet, refusal) -> None:
    with pytest.raises(PictureError, match="mask.png does not exist"):
        read_mask(tmp_path / "mask.png", labels)
    path = tmp_path / "cut.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 4, (64, 64), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:200])
    assert refusal(path, labels).startswith(f"{path} is damaged and cannot be decoded")
    assert read_mask(numbers, labels, name="painting").shape == (40, 60)
    with pytest.raises(LabelError, match="^painting has the label 9"):
        read_mask(np.array([[9]]), labels, name="painting")


# One-hot


def test_one_hot_by_hand() -> None:
    planes = one_hot(torch.tensor([[[0, 2], [IGNORED, 1]]], dtype=torch.uint8), 3)
    assert planes.dtype == torch.float32
    assert planes.tolist() == [[[[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 1], [0, 0]]]]


def test_one_hot_is_torchs() -> None:
    numbers = torch.randint(5, (2, 6, 7))
    expected = torch.nn.functional.one_hot(numbers, 5).permute(0, 3, 1, 2).float()
    assert torch.equal(one_hot(numbers, 5), expected)

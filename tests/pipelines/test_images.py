"""Pictures in every accepted form become tensors and come back; files are written in full or not at all."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from styleapp.data.pictures import PictureError
from styleapp.pipelines.images import FORMATS, load_picture, save_image, to_image, to_tensor

RGB = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3) * 4


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (RGB, RGB),
        (RGB[..., 0], np.repeat(RGB[..., :1], 3, axis=-1)),
        (RGB[..., :1], np.repeat(RGB[..., :1], 3, axis=-1)),
        (RGB / 255.0, RGB),
        ((RGB / 255.0).astype(np.float32), RGB),
        (RGB.astype(np.uint16) * 257, RGB),
        (np.asfortranarray(RGB), RGB),
        (RGB[::-1, ::-1], RGB[::-1, ::-1]),
    ],
    ids=["rgb", "grey", "one channel", "float64", "float32", "uint16", "fortran", "view"],
)
def test_arrays(array: np.ndarray, expected: np.ndarray) -> None:
    assert (np.asarray(load_picture(array, "the photo").rgb) == expected).all()


def test_array_with_alpha() -> None:
    array = np.dstack([RGB, np.full((4, 5), 255, np.uint8)])
    array[0, 0, 3] = 0
    picture = load_picture(array, "the photo")
    assert picture.alpha is not None
    assert picture.alpha.getpixel((0, 0)) == 0
    assert picture.rgb.getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 2, 2), np.uint8), r"shape \(2, 2, 2\); H×W, H×W×3 or H×W×4"),
        (np.zeros((1, 3, 8, 8), np.uint8), r"shape \(1, 3, 8, 8\)"),
        (np.zeros((0, 4, 3), np.uint8), r"shape \(0, 4, 3\)"),
        (np.zeros((4, 4), np.int64), "array of int64; uint8, or float"),
        (np.full((4, 4), 1.5), r"values outside \[0, 1\]"),
        (np.full((4, 4), -0.1), "values outside"),
        (np.full((4, 4), np.nan), "values outside"),
    ],
)
def test_arrays_that_are_no_picture(array: np.ndarray, message: str) -> None:
    with pytest.raises(PictureError, match=f"^the photo is an? .*{message}"):
        load_picture(array, "the photo")


def test_paths_name_themselves_and_images_do_not(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"nowhere\.jpg does not exist"):
        load_picture(tmp_path / "nowhere.jpg", "the photo")
    with pytest.raises(PictureError, match="^the photo is 1×200"):
        load_picture(Image.new("RGB", (1, 200)), "the photo")


def test_tensor_round_trip() -> None:
    tensor = to_tensor(Image.fromarray(RGB))
    assert tensor.shape == (1, 3, 4, 5)
    assert tensor.is_contiguous(memory_format=torch.channels_last)
    assert 0 <= tensor.min() <= tensor.max() <= 1
    assert (np.asarray(to_image(tensor)) == RGB).all()


def test_every_value_comes_back() -> None:
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = Image.fromarray(np.stack([ramp] * 3, axis=-1))
    assert (np.asarray(to_image(to_tensor(image))) == np.asarray(image)).all()


def test_values_outside_are_clamped() -> None:
    tensor = torch.tensor([-0.5, 0.5, 1.5]).view(1, 3, 1, 1)
    assert to_image(tensor).getpixel((0, 0)) == (0, 128, 255)


@pytest.mark.parametrize("size", [(5, 4), (10, 8)])
def test_alpha_is_given_back_in_the_size_of_the_picture(size: tuple[int, int]) -> None:
    image = to_image(to_tensor(Image.fromarray(RGB)), Image.new("L", size, 77))
    assert image.mode == "RGBA"
    assert image.size == (5, 4)
    assert image.getchannel("A").getextrema() == (77, 77)


# Files


@pytest.mark.parametrize("suffix", sorted(FORMATS))
@pytest.mark.parametrize("upper", [False, True])
def test_written_file_is_read_back(tmp_path: Path, draw_photo, suffix: str, upper: bool) -> None:
    photo = draw_photo(40, 30)
    path = save_image(photo, tmp_path / f"out{suffix.upper() if upper else suffix}")
    again = load_picture(path, "it").rgb
    tolerance = 6 if suffix == ".webp" else 2  # WebP always stores colour at half resolution
    assert np.abs(np.asarray(again).astype(int) - np.asarray(photo)).mean() < tolerance
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_alpha_is_composited_where_the_format_has_none(tmp_path: Path, suffix: str) -> None:
    image = Image.new("RGBA", (16, 16), (200, 0, 0, 0))
    assert Image.open(save_image(image, tmp_path / f"out{suffix}")).convert("RGB").getpixel((8, 8)) == (255, 255, 255)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_alpha_is_kept_where_the_format_has_one(tmp_path: Path, suffix: str) -> None:
    image = Image.new("RGBA", (16, 16), (200, 0, 0, 90))
    with Image.open(save_image(image, tmp_path / f"out{suffix}")) as again:
        assert again.getchannel("A").getextrema() == (90, 90)


def test_file_is_readable_by_others_as_the_umask_says(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        path = save_image(Image.new("RGB", (2, 2)), tmp_path / "x.png")
        assert path.stat().st_mode & 0o777 == 0o640
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


@pytest.mark.parametrize("name", ["out.gif", "out.txt", "out"])
def test_unknown_suffix(tmp_path: Path, name: str) -> None:
    with pytest.raises(PictureError, match=rf"{name}: cannot write .*; use \.png, \.jpg"):
        save_image(Image.new("RGB", (2, 2)), tmp_path / name)
    assert not any(tmp_path.iterdir())


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"out\.png cannot be written: No such file or directory"):
        save_image(Image.new("RGB", (2, 2)), tmp_path / "nowhere" / "out.png")


def test_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "out.png").mkdir()
    with pytest.raises(PictureError, match=r"out\.png cannot be written"):
        save_image(Image.new("RGB", (2, 2)), tmp_path / "out.png")
    assert [path.name for path in tmp_path.iterdir()] == ["out.png"]


def test_folder_that_is_not_writable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:  # tests may run as root, whom no permission stops
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PictureError, match=r"out\.png cannot be written: Permission denied"):
        save_image(Image.new("RGB", (2, 2)), tmp_path / "out.png")


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_full_disk_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: bool, suffix: str
) -> None:
    path = tmp_path / f"out{suffix}"
    if existing:
        path.write_bytes(b"the old one")

    def fail(self: Image.Image, file: Any, **_: Any) -> None:
        file.write(b"half a picture")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(PictureError, match="cannot be written: No space left on device"):
        save_image(Image.new("RGB", (2, 2)), path)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == ([b"the old one"] if existing else [])


@pytest.mark.parametrize(("suffix", "side"), [(".webp", 16_384), (".jpg", 65_501)])
def test_larger_than_the_format_allows(tmp_path: Path, suffix: str, side: int) -> None:
    with pytest.raises(PictureError, match=rf"out{suffix} cannot be written"):
        save_image(Image.new("RGB", (side, 700)), tmp_path / f"out{suffix}")
    assert not any(tmp_path.iterdir())


def test_interruption_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_image(Image.new("RGB", (2, 2)), tmp_path / "out.png")
    assert not any(tmp_path.iterdir())

"""Folders as they are found: some files are no pictures."""

import logging
from pathlib import Path

import pytest
from PIL import Image

from styleapp.data.folder import FolderError, FolderReport, PictureFolder, check_folder
from styleapp.data.pictures import PictureError, held_out


def _fill(folder: Path, count: int, damaged: tuple[int, ...] = ()) -> Path:
    """Pictures whose red value is their number; some of them damaged."""
    for number in range(count):
        path = folder / f"{number:03d}.png"
        if number in damaged:
            path.write_bytes(b"no picture")
        else:
            Image.new("RGB", (16, 16), (number, 0, 0)).save(path)
    return folder


def _red(image: Image.Image) -> int:
    value = image.getpixel((0, 0))
    assert isinstance(value, tuple)
    return int(value[0])


def test_train_and_held_out_part_the_folder(photo_folder: Path) -> None:
    everything, train, kept_out = (PictureFolder(photo_folder, keep) for keep in ("all", "train", "held_out"))
    assert (len(train), len(kept_out)) == (6, 2)
    assert sorted([*train.paths, *kept_out.paths]) == list(everything.paths)
    assert all(held_out(path) for path in kept_out.paths)
    assert not any(held_out(path) for path in train.paths)


def test_train_is_the_default(photo_folder: Path) -> None:
    assert PictureFolder(photo_folder).paths == PictureFolder(photo_folder, "train").paths


def test_reads_rgb(photo_folder: Path) -> None:
    image = PictureFolder(photo_folder).read(0)
    assert image.mode == "RGB"
    assert image.size == (72, 60)


def test_damaged_file_is_replaced_by_the_next_and_counted_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = PictureFolder(_fill(tmp_path, 5, damaged=(2,)), "all")
    with caplog.at_level(logging.WARNING):
        assert [_red(folder.read(index)) for index in (1, 2, 2, 3)] == [1, 3, 3, 3]
    assert [record.getMessage() for record in caplog.records] == [
        f"left out 1 of 5 pictures of {tmp_path}: {tmp_path}/002.png is not a picture that can be read; "
        "known kinds are avif, bmp, gif, jpeg, jpg, png, tif, tiff, webp"
    ]


def test_last_file_is_replaced_by_the_first(tmp_path: Path) -> None:
    assert _red(PictureFolder(_fill(tmp_path, 3, damaged=(2,)), "all").read(2)) == 0


def test_too_small_counts_as_damaged(tmp_path: Path) -> None:
    Image.new("RGB", (15, 40)).save(_fill(tmp_path, 3) / "000.png")
    folder = PictureFolder(tmp_path, "all")
    assert _red(folder.read(0)) == 1
    assert "15×40: under 16 pixels" in folder.unusable[tmp_path / "000.png"]


@pytest.mark.parametrize(("count", "tolerated"), [(10, 1), (100, 1), (200, 2)])
def test_more_than_one_in_a_hundred_is_an_error(tmp_path: Path, count: int, tolerated: int) -> None:
    folder = PictureFolder(_fill(tmp_path, count, damaged=tuple(range(0, 2 * tolerated + 2, 2))), "all")
    for number in range(tolerated):
        folder.read(2 * number)
    message = rf"{tolerated + 1} of the {count} pictures of .* cannot be used \(more than 1%\).*styleapp check-data"
    with pytest.raises(FolderError, match=message):
        folder.read(2 * tolerated)


def test_nothing_usable(tmp_path: Path) -> None:
    folder = PictureFolder(_fill(tmp_path, 1, damaged=(0,)), "all")
    with pytest.raises(PictureError, match="none of the 1 pictures"):
        folder.read(0)


def test_nothing_to_keep(tmp_path: Path) -> None:
    _fill(tmp_path, 3)
    with pytest.raises(PictureError, match="holds no picture for 'held_out'"):
        PictureFolder(tmp_path, "held_out")
    with pytest.raises(ValueError, match="keep must be one of train, held_out, all, got 'test'"):
        PictureFolder(tmp_path, "test")


def test_report(tmp_path: Path) -> None:
    _fill(tmp_path, 4, damaged=(3,))
    Image.new("RGB", (40, 20)).save(tmp_path / "wide.png")
    report = check_folder(tmp_path)
    assert (report.usable, report.held_out) == (4, sum(held_out(name) for name in ("000", "001", "002", "wide")))
    assert (report.smallest, report.largest) == ((16, 16), (40, 20))
    assert list(report.unusable) == [str(tmp_path / "003.png")]
    assert report.passes
    (tmp_path / "001.png").write_bytes(b"")
    assert not check_folder(tmp_path).passes


def test_report_judges_what_training_would_read(tmp_path: Path) -> None:
    """Two of 201 are no more than 1 %, two of the 190 that are trained on are."""
    names = [number for number in range(230) if not held_out(f"{number:03}")][:190]
    report = FolderReport("any", usable=199, held_out=11, unusable={f"{number:03}.png": "" for number in names[:2]})
    assert not report.passes
    assert FolderReport("any", usable=209, held_out=11, unusable=report.unusable).passes


def test_report_counts_held_out_and_shows_progress(photo_folder: Path) -> None:
    seen: list[Path] = []

    def progress(paths: list[Path]) -> list[Path]:
        seen.extend(paths)
        return paths

    report = check_folder(photo_folder, progress)
    assert (report.usable, report.held_out, len(seen)) == (8, 2, 8)


def test_report_of_nothing_usable_does_not_pass(tmp_path: Path) -> None:
    assert not check_folder(_fill(tmp_path, 1, damaged=(0,))).passes

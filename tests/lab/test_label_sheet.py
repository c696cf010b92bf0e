"""The sheet of masks shows what it says: the mask, its photo and the pipeline's pictures, in their places."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.label_sheet import GAP, LINE, label_sheet, legend_of, rows_of_files, rows_of_folder
from styleapp.checkpoint import Card
from styleapp.data.labels import LabelSet
from styleapp.data.mask_colours import paint_mask
from styleapp.models.spade import SpadeGenerator
from styleapp.pipelines.synthesize import SynthesizePipeline

COLOURS = {"sky": (90, 150, 220), "tree": (30, 90, 40), "house": (180, 120, 80)}
ENTRIES = [{"index": index, "name": name, "rgb": list(rgb)} for index, (name, rgb) in enumerate(COLOURS.items())]
SIDE, SEEDS = 64, (0, 3)


@pytest.fixture(scope="module")
def pipe() -> SynthesizePipeline:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SpadeGenerator(3, ((8,), (6,)), hidden=4, latent=4, style_widths=(), weight_norm="none")
        for parameter in network.parameters():
            parameter.data.add_(torch.randn_like(parameter))
    record = {"labels": {"classes": ENTRIES}}
    return SynthesizePipeline(network.eval().requires_grad_(False), Card("spade", network.options(), record=record))


def _mask(width: int, height: int, seed: int) -> np.ndarray:
    blocks = np.random.default_rng(seed).integers(0, 3, (height // 8, width // 8), dtype=np.uint8)
    return blocks.repeat(8, 0).repeat(8, 1)


@pytest.fixture
def folder(tmp_path: Path, draw_photo: Callable[..., Image.Image]) -> Path:
    """Five pairs of 80×64; of the third, the mask is missing."""
    (tmp_path / "classes.json").write_text(json.dumps({"classes": ENTRIES}))
    for part in ("images", "labels"):
        (tmp_path / "val" / part).mkdir(parents=True)
    for seed in range(5):
        draw_photo(80, 64, seed).save(tmp_path / f"val/images/{seed}.png")
        if seed != 2:
            Image.fromarray(_mask(80, 64, seed)).save(tmp_path / f"val/labels/{seed}.png")
    return tmp_path


def _cell(sheet: Image.Image, line: int, column: int, size: tuple[int, int] = (SIDE, SIDE)) -> np.ndarray:
    left = column * (SIDE + GAP) + (SIDE - size[0]) // 2
    top = LINE + line * (SIDE + GAP) + (SIDE - size[1]) // 2
    return np.asarray(sheet)[top : top + size[1], left : left + size[0]]


def test_sheet_of_a_folder(
    pipe: SynthesizePipeline, folder: Path, draw_photo: Callable[..., Image.Image], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        rows = rows_of_folder(folder, pipe, 2, SIDE)
    assert "left out 1 files" in caplog.text
    sheet = label_sheet(pipe, rows, SEEDS, SIDE)
    for line, seed in enumerate((0, 3)):  # the first and the third of the four pairs
        mask = _mask(80, 64, seed)[:, 8:72]
        photo = np.asarray(draw_photo(80, 64, seed))[:, 8:72]
        np.testing.assert_array_equal(_cell(sheet, line, 0), paint_mask(mask, pipe.labels))
        assert np.abs(_cell(sheet, line, 1).astype(int) - photo).max() <= 1
        for column, number in enumerate(SEEDS, start=2):
            np.testing.assert_array_equal(_cell(sheet, line, column), np.asarray(pipe(mask, seed=number)))


def test_classes_are_merged_as_in_training(pipe: SynthesizePipeline, folder: Path) -> None:
    more = [*ENTRIES, {"index": 3, "name": "bush", "rgb": [1, 2, 3]}]
    (folder / "classes.json").write_text(json.dumps({"classes": more}))
    Image.fromarray(np.full((64, 80), 3, dtype=np.uint8)).save(folder / "val/labels/0.png")
    with pytest.raises(SystemExit, match="bush"):
        rows_of_folder(folder, pipe, 2, SIDE)
    record = {**pipe.card.record, "merged": {"bush": "tree"}}
    merging = SynthesizePipeline(pipe.network, Card("spade", pipe.card.options, record=record))
    first, second = rows_of_folder(folder, merging, 2, SIDE)
    assert (first.mask == 1).all()
    np.testing.assert_array_equal(second.mask, _mask(80, 64, 3)[:, 8:72])


def test_masks_without_photos_are_shown_whole(pipe: SynthesizePipeline, tmp_path: Path) -> None:
    for name, size in (("wide", (128, 48)), ("high", (16, 32))):
        Image.fromarray(_mask(*size, seed=1)).save(tmp_path / f"{name}.png")
    rows = rows_of_files([tmp_path / "wide.png", tmp_path / "high.png"], pipe.labels)
    sheet = label_sheet(pipe, rows, SEEDS, SIDE)
    assert sheet.width == (1 + len(SEEDS)) * (SIDE + GAP)
    wide, high = paint_mask(rows[0].mask, pipe.labels)[::2, ::2], paint_mask(rows[1].mask, pipe.labels)
    np.testing.assert_array_equal(_cell(sheet, 0, 0, (64, 24)), wide)
    np.testing.assert_array_equal(_cell(sheet, 1, 0, (32, 64)), high.repeat(2, 0).repeat(2, 1))
    expected = np.asarray(pipe(rows[0].mask, seed=3, size=SIDE))
    np.testing.assert_array_equal(_cell(sheet, 0, 2, (64, 24)), expected)


def test_columns_are_named_and_classes_are_in_the_legend(pipe: SynthesizePipeline, tmp_path: Path) -> None:
    Image.fromarray(np.zeros((64, 64), dtype=np.uint8)).save(tmp_path / "sky.png")
    sheet = np.asarray(label_sheet(pipe, rows_of_files([tmp_path / "sky.png"], pipe.labels), SEEDS, SIDE))
    for column in range(1 + len(SEEDS)):
        head = sheet[:LINE, column * (SIDE + GAP) : column * (SIDE + GAP) + SIDE]
        assert (head < 100).any()  # letters
    legend = sheet[LINE + SIDE + GAP :].reshape(-1, 3)
    for colour in COLOURS.values():
        assert (legend == colour).all(axis=1).sum() > 100


def test_long_legends_have_several_lines() -> None:
    names = [f"a rather long name of class {index}" for index in range(6)]
    entries = [{"index": i, "name": name, "rgb": [40 * i, 0, 250]} for i, name in enumerate(names)]
    legend = legend_of(LabelSet.from_record({"classes": entries}), 500)
    assert legend.size == (500, 6 * LINE)

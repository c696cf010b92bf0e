"""Label maps as people handle them: networks of the manifest, ready-made maps, files there and back."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from styleapp.data.labels import IGNORED, LabelError, LabelSet
from styleapp.data.masks import read_mask
from styleapp.pipelines.label_maps import (
    drawn_map,
    legend,
    map_picture,
    read_map,
    ready_made,
    resized_map,
    segmenter_of,
    stored_map,
    synthesis_networks,
    write_map,
)

NAMES = ("background", "facade", "window", "door", "shop")
ENTRIES = [{"index": index, "name": name, "rgb": [40 * index, 200, 90]} for index, name in enumerate(NAMES)]
LABELS = LabelSet.from_record({"classes": [*ENTRIES, {"index": 9, "name": "void", "rgb": [0, 0, 0], "ignore": True}]})
CLOSED = LabelSet.from_record({"classes": ENTRIES})


def test_networks_are_those_of_the_manifest_that_paint_maps(
    tmp_path: Path, spade_checkpoint: Path, micro_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEAPP_CHECKPOINTS", str(tmp_path))
    assert synthesis_networks() == ()
    for file in (spade_checkpoint, micro_checkpoint):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    files = {"b": spade_checkpoint.name, "micro": micro_checkpoint.name, "gone": "gone.safetensors"}
    listed = {**files, "broken": "broken.safetensors", "a": spade_checkpoint.name}
    (tmp_path / "manifest.json").write_text(json.dumps({name: {"file": file} for name, file in listed.items()}))
    assert synthesis_networks() == ("b", "a")
    assert segmenter_of("b") == "b_segmenter"


def test_ready_made_maps_have_the_labels_and_the_side() -> None:
    assert ready_made(LABELS) and "lake" not in ready_made(LABELS)
    for name in (*ready_made(LABELS), None):
        numbers = drawn_map(LABELS, name, 48)
        assert numbers.shape == (48, 48) and set(np.unique(numbers)) <= set(range(5))
        assert np.array_equal(drawn_map(LABELS, name, 48), numbers)
        assert not np.array_equal(drawn_map(LABELS, name, 48, seed=3), numbers)
    with pytest.raises(ValueError, match="unknown layout 'moon'"):
        drawn_map(LABELS, "moon", 48)


def test_map_comes_back_from_its_file(tmp_path: Path) -> None:
    numbers = drawn_map(LABELS, None, 64)
    numbers[:5] = IGNORED
    mask, names = write_map(tmp_path, numbers, LABELS, "house")
    assert (mask.name, names.name) == ("house-mask.png", "house-labels.yaml")
    assert np.array_equal(read_map(mask, LabelSet.load(names), 1024), numbers)
    with Image.open(mask) as image:
        assert set(np.unique(np.asarray(image))) <= {0, 1, 2, 3, 4, 9}


def test_smoothed_edges_and_large_files_are_read(tmp_path: Path) -> None:
    numbers = np.zeros((60, 90), dtype=np.uint8)
    numbers[20:50, 15:70] = 2
    picture = map_picture(numbers, LABELS)
    picture.resize((180, 120), Image.Resampling.BICUBIC).save(tmp_path / "smooth.png")
    found = read_map(tmp_path / "smooth.png", LABELS, 1024)
    assert found.shape == (120, 180) and set(np.unique(found)) == {0, 2}
    assert (found != numbers.repeat(2, 0).repeat(2, 1)).sum() <= 2 * (110 + 60)  # at most a pixel along the edge
    assert read_map(tmp_path / "smooth.png", LABELS, 90).shape == (60, 90)
    Image.new("RGB", (8, 8), (255, 255, 255)).save(tmp_path / "white.png")
    with pytest.raises(LabelError, match=r"white\.png has colours that are not in its label set"):
        read_map(tmp_path / "white.png", LABELS, 1024)


@pytest.mark.parametrize(("side", "shape"), [(10, (4, 10)), (200, (80, 200)), (50, (20, 50))])
def test_resized_map_has_whole_labels(side: int, shape: tuple[int, int]) -> None:
    numbers = np.random.default_rng(0).integers(0, 5, (20, 50)).astype(np.uint8)
    found = resized_map(numbers, side)
    assert found.shape == shape and set(np.unique(found)) <= set(range(5))
    if side == 200:
        assert np.array_equal(found, numbers.repeat(4, 0).repeat(4, 1))


def test_pixels_without_label_get_the_number_of_the_label_set() -> None:
    numbers = np.array([[0, IGNORED], [4, 2]], dtype=np.uint8)
    stored = stored_map(numbers, LABELS)
    assert stored.tolist() == [[0, 9], [4, 2]]
    assert np.array_equal(read_mask(stored, LABELS), numbers)
    assert np.array_equal(stored_map(numbers, CLOSED), numbers)


def test_legend_names_every_class_and_what_has_none() -> None:
    listed = legend(LABELS)
    assert [one["name"] for one in listed] == [*NAMES, "no label"]
    assert listed[1] == {"index": 1, "name": "facade", "colour": "#28c85a"}
    assert listed[-1] == {"index": IGNORED, "name": "no label", "colour": None}
    assert legend(CLOSED) == listed[:-1]

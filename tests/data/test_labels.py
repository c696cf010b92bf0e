"""Label sets: what files may hold, and what is said of those that cannot be used."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from styleapp.data.labels import IGNORED, Label, LabelError, LabelSet

SKY = {"index": 0, "name": "sky", "rgb": [112, 178, 230]}
TREE = {"index": 1, "name": "tree", "rgb": [38, 105, 45], "share": 0.2}
UNKNOWN = {"index": 9, "name": "unknown", "rgb": [250, 0, 0], "ignore": True}


def _of(*entries: Any, **more: Any) -> LabelSet:
    return LabelSet.from_record({"classes": list(entries), **more})


@pytest.mark.parametrize("write", [json.dumps, yaml.safe_dump], ids=["json", "yaml"])
def test_file(tmp_path: Path, write: Any) -> None:
    path = tmp_path / "classes"
    path.write_text(write({"classes": [TREE, UNKNOWN, SKY], "note": "other keys are left alone"}))
    labels = LabelSet.load(path)
    assert labels.names == ("sky", "tree") and len(labels) == 2
    assert labels.classes[1] == Label(1, "tree", (38, 105, 45))
    assert labels.ignored == (Label(9, "unknown", (250, 0, 0), ignore=True),)
    assert labels.numbers == "0 to 1 and 9 (unknown)"
    assert labels.palette == [((112, 178, 230), 0), ((38, 105, 45), 1), ((250, 0, 0), IGNORED)]


def test_ignore_index_is_short_for_one_more_entry() -> None:
    assert _of(SKY, ignore_index=255).ignored == (Label(255, "ignored", (0, 0, 0), ignore=True),)
    assert _of(SKY, ignore_index=None).ignored == ()
    assert [label.name for label in _of(SKY, UNKNOWN, ignore_index=9).ignored] == ["unknown"]
    black = {"index": 0, "name": "night", "rgb": [0, 0, 0]}
    assert _of(black, ignore_index=255).palette == [((0, 0, 0), 0)]


def test_record_round_trip() -> None:
    labels = _of(SKY, TREE, UNKNOWN, {"index": 200, "name": "edge", "ignore": True}, ignore_index=255)
    again = LabelSet.from_record(json.loads(json.dumps(labels.record())))
    assert again == labels and hash(again) == hash(labels)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([], "numbered 0, 1, 2, … without gaps, at most 255, got \\[\\]"),
        ([SKY, {**TREE, "index": 2}], "without gaps, at most 255, got \\[0, 2\\]"),
        ([SKY, SKY], "without gaps, at most 255, got \\[0, 0\\]"),
        ([SKY, {**TREE, "name": "sky"}], "two labels have the same name, 'sky'"),
        ([SKY, {**TREE, "rgb": SKY["rgb"]}], "two labels have the same rgb, \\[112, 178, 230\\]"),
        ([SKY, {**UNKNOWN, "index": 0}], "two labels have the same index, 0"),
        ([SKY, {**UNKNOWN, "index": 256}], "label 'unknown' has the index 256: it must be 0 to 255"),
        ([{"index": 0, "name": "sky"}], "label 'sky' has no rgb; only an ignored one may have none"),
        ([{**SKY, "rgb": [0, 0, 256]}], "label 'sky' has the rgb \\[0, 0, 256\\]: values must be 0 to 255"),
        ([{**SKY, "rgb": [0, 0]}], "class 'sky' needs three whole numbers as its rgb, got \\[0, 0\\]"),
        ([{**SKY, "rgb": "blue"}], "class 'sky' needs three whole numbers as its rgb, got 'blue'"),
        ([{**SKY, "index": "0"}], "every class needs a whole number as its index, got '0'"),
        ([{**SKY, "index": True}], "every class needs a whole number as its index, got True"),
        ([{**SKY, "name": ""}], "class 0 needs a name, got ''"),
        (["sky"], "every class must be an entry with index, name and rgb, got 'sky'"),
    ],
)
def test_wrong_entries(entries: list[Any], message: str) -> None:
    with pytest.raises(LabelError, match=f"^the label set: .*{message}"):
        _of(*entries)


@pytest.mark.parametrize("record", [None, [], {"labels": []}, {"classes": "sky"}])
def test_wrong_record(record: Any) -> None:
    with pytest.raises(LabelError, match="must have a list 'classes' of entries with index, name and rgb"):
        LabelSet.from_record(record)


def test_wrong_file(tmp_path: Path) -> None:
    path = tmp_path / "classes.yaml"
    with pytest.raises(LabelError, match=f"label set {path} cannot be read: No such file"):
        LabelSet.load(path)
    path.write_text("{")
    with pytest.raises(LabelError, match=f"^label set {path} is neither YAML nor JSON: .*") as caught:
        LabelSet.load(path)
    assert "\n" not in str(caught.value)
    path.write_text("classes: [{index: 1, name: sky, rgb: [0, 0, 0]}]")
    with pytest.raises(LabelError, match=f"^label set {path}: classes must be numbered"):
        LabelSet.load(path)


def test_saved_file_is_read_back(tmp_path: Path) -> None:
    labels = _of({**SKY, "name": "Himmel, heiß: 'x'"}, TREE, UNKNOWN, {"index": 200, "name": "edge", "ignore": True})
    path = labels.save(tmp_path / "new" / "labels.yaml")
    assert LabelSet.load(path) == labels
    assert [file.name for file in path.parent.iterdir()] == ["labels.yaml"]
    assert "rgb: [38, 105, 45]" in path.read_text()


def test_saving_where_nothing_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(LabelError, match="label set .*file/labels.yaml cannot be written: "):
        _of(SKY).save(tmp_path / "file" / "labels.yaml")

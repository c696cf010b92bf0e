"""Networks for label maps: which there are, what is said of those that are missing, and how quick they are."""

import json
import shutil
from pathlib import Path

import pytest

from styleapp.web.painters import LIVE_SECONDS, SMALLEST_LIVE, Pace, Painters


@pytest.fixture
def painters(paint_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Painters:
    monkeypatch.setenv("STYLEAPP_CHECKPOINTS", str(paint_folder))
    return Painters()


def test_networks_are_loaded_once(painters: Painters) -> None:
    assert painters.names() == ("facades", "town")
    assert painters.problem() is None
    assert painters.get("town") is painters.get("town")
    assert painters.labels("town").names == ("sky", "tree", "house")
    assert painters.segmenter("town").labels.names == ("sky", "tree", "house")


@pytest.mark.parametrize("name", ["town_segmenter", "adain", "../facades", "/etc/passwd", ""])
def test_other_names_are_refused(painters: Painters, name: str) -> None:
    with pytest.raises(ValueError, match=r"unknown network .* for label maps; known are facades, town$"):
        painters.get(name)


def test_missing_segmenter_is_said(painters: Painters) -> None:
    with pytest.raises(ValueError, match="facades_segmenter"):
        painters.segmenter("facades")


def test_segmenter_with_other_labels_is_refused(
    paint_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(paint_folder, tmp_path, dirs_exist_ok=True)
    listed = json.loads((tmp_path / "manifest.json").read_text())
    listed["facades_segmenter"] = listed["town_segmenter"]
    (tmp_path / "manifest.json").write_text(json.dumps(listed))
    monkeypatch.setenv("STYLEAPP_CHECKPOINTS", str(tmp_path))
    with pytest.raises(ValueError, match="facades_segmenter has other labels than facades"):
        Painters().segmenter("facades")


def test_problem_is_one_sentence_until_a_network_is_there(
    paint_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEAPP_CHECKPOINTS", str(tmp_path))
    painters = Painters()
    assert "lists no network that makes pictures of label maps" in str(painters.problem())
    (tmp_path / "manifest.json").write_text("{")
    assert "is not valid JSON" in str(painters.problem())
    shutil.copytree(paint_folder, tmp_path, dirs_exist_ok=True)
    assert painters.problem() is None


def test_pace_makes_live_pictures_smaller_where_the_network_is_slow() -> None:
    pace = Pace()
    assert pace.live_side((256, 256)) is None  # nothing is known yet
    pace.note(256 * 256, 60.0)  # the first one also loads what is needed
    assert pace.live_side((256, 256)) is None
    pace.note(256 * 256, 4 * LIVE_SECONDS)
    assert pace.live_side((512, 256)) == 181  # half the pixels' root: 512 × (1 / 8) ** 0.5
    assert pace.live_side((256, 256)) == SMALLEST_LIVE
    assert pace.live_side((SMALLEST_LIVE, 64)) is None
    pace.note(256 * 256, LIVE_SECONDS / 2)  # the machine was busy with something else before
    assert pace.live_side((256, 256)) is None
    pace.note(256 * 256, 4 * LIVE_SECONDS)
    assert pace.live_side((256, 256)) == SMALLEST_LIVE

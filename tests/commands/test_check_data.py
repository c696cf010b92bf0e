"""``styleapp check-data``: which folders training would refuse."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from styleapp.cli import main

Captured = pytest.CaptureFixture[str]


class TestCheckData:
    def test_a_good_folder(self, photo_folder: Path, document: Callable[[], Any]) -> None:
        assert main(["check-data", str(photo_folder), "--json"]) == 0
        (record,) = document()["folders"]
        assert record["passes"] is True
        assert (record["usable"], record["held_out"], record["unusable"]) == (8, 2, {})
        assert record["smallest"] == record["largest"] == [72, 60]

    def test_a_folder_that_training_refuses(self, desk: Path, photo_folder: Path, capsys: Captured) -> None:
        (desk / "worse.png").write_bytes(b"")
        assert main(["check-data", str(photo_folder), "."]) == 1
        out = capsys.readouterr().out
        assert "bad.jpg is not a picture" in out
        assert "worse.png is empty" in out
        assert out.splitlines()[-1].split()[-2:] == ["refuses", "it"]
        assert out.splitlines()[-2].split()[-2:] == ["accepts", "it"]

    def test_a_folder_is_needed(self, desk: Path, refused: Callable[..., str]) -> None:
        assert "nowhere is not a folder" in refused("check-data", ".", "nowhere")


@pytest.fixture
def own(labelled_photos: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return shutil.copytree(labelled_photos, tmp_path / "own")


def mask_words(folder: Path) -> list[str]:
    return ["check-data", f"{folder}/photos", "--masks", f"{folder}/masks", "--labels", f"{folder}/classes.json"]


class TestMasks:
    def test_labels_of_every_file(self, labelled_photos: Path, document: Callable[[], Any]) -> None:
        assert main([*mask_words(labelled_photos), "--json"]) == 0
        report = document()
        assert (report["passes"], report["pairs"], report["unusable"]) == (True, 4, {})
        assert report["photos_alone"] == report["masks_alone"] == []
        for path, found in report["labels"].items():
            values, counts = np.unique(np.asarray(Image.open(path)), return_counts=True)
            assert found == {str(value): count for value, count in zip(values, counts, strict=True)}
        totals = {row["name"]: (row["index"], row["pixels"], row["masks"]) for row in report["classes"]}
        assert list(totals) == ["sky", "tree", "house", "without label"]
        assert totals["without label"] == (255, 4 * 24, 4)
        assert sum(pixels for _, pixels, _ in totals.values()) == 4 * 48 * 60

    def test_as_a_list(self, own: Path, capsys: Captured) -> None:
        (own / "masks" / "0.png").unlink()
        (own / "photos" / "3.png").unlink()
        assert main(mask_words(own)) == 0
        out = capsys.readouterr().out.splitlines()
        assert out[:2] == [f"{own}/masks/{name}.png: 0 1 2 255" for name in (1, 2)]
        assert out[2:4] == [f"{own}/photos/0.png has no mask", f"{own}/masks/3.png has no photo"]
        assert out[-1].split()[1:] == ["2", "0", "1", "1", "accepts", "it"]

    def test_what_training_refuses_is_named_with_file_and_count(self, own: Path, capsys: Captured) -> None:
        mask = np.array(Image.open(own / "masks" / "1.png"))
        mask[20:22, :7] = 9
        Image.fromarray(mask).save(own / "masks" / "1.png")
        Image.fromarray(np.full((48, 60), 255, np.uint8)).save(own / "masks" / "2.png")
        Image.fromarray(mask[:, :50]).save(own / "masks" / "3.png")
        assert main(mask_words(own)) == 1
        out = capsys.readouterr().out
        assert f"{own}/masks/1.png has the label 9 (14 pixels); known are 0 to 2 and 255 (unknown)" in out
        assert f"{own}/masks/2.png has no pixel with a label" in out
        assert f"{own}/masks/3.png has the label 9" in out
        assert out.splitlines()[-1].split()[1:] == ["1", "3", "0", "0", "refuses", "it"]

    def test_without_any_pair(self, own: Path, document: Callable[[], Any]) -> None:
        for index in range(4):
            (own / "masks" / f"{index}.png").rename(own / "masks" / f"m{index}.png")
        assert main([*mask_words(own), "--json"]) == 1
        report = document()
        assert (report["passes"], report["pairs"], len(report["masks_alone"])) == (False, 0, 4)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("photos --masks masks", "one folder of photos, --masks and --labels together"),
            ("photos --labels classes.json", "one folder of photos, --masks and --labels together"),
            ("photos masks --masks masks --labels classes.json", "one folder of photos"),
            ("photos --masks nowhere --labels classes.json", "nowhere is not a folder"),
            ("photos --masks masks --labels nowhere.yaml", "label set nowhere.yaml cannot be read"),
            ("photos --masks masks --labels photos/0.png", "label set photos/0.png is neither YAML nor JSON"),
        ],
    )
    def test_refuses_bad_input(
        self, words: str, said: str, labelled_photos: Path, refused: Callable[..., str], monkeypatch: Any
    ) -> None:
        monkeypatch.chdir(labelled_photos)
        assert said in refused("check-data", *words.split())

"""``styleapp check-data``: which folders training would refuse."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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

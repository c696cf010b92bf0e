"""``styleapp evaluate``: that table, JSON and CSV say the same, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from styleapp.cli import main

Captured = pytest.CaptureFixture[str]


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(".part")]


class TestEvaluate:
    def test_table_json_and_csv_agree(
        self, photo_folder: Path, style_folder: Path, checkpoint: Path, tmp_path: Path, document: Callable[[], Any]
    ) -> None:
        table = tmp_path / "new" / "scores.csv"
        words = ["evaluate", photo_folder, style_folder, "--held-out", "--limit-photos", "1", "--limit-styles", "1"]
        words += ["--checkpoint", checkpoint, "--csv", table, "--device", "cpu"]
        assert main([*map(str, words), "--json"]) == 0
        report = document()
        assert (report["photos"], report["styles"], report["pairs"]) == (1, 1, 1)
        assert report["photo_itself"]["content_distance"] == 0
        (row,) = report["rows"]
        assert row["strength"] == 1
        assert row["seconds"] > 0
        assert report["hardware"]
        lines = [line.split(",") for line in table.read_text().splitlines()]
        assert float(lines[2][2]) == row["style_distance"]
        assert leftovers(tmp_path) == []

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("evaluate nowhere .", "nowhere is not a folder"),
            ("evaluate . . --limit-photos 0", "whole number above 0, got '0'"),
            ("evaluate . . --strengths 0;1", "numbers such as 0,0.5,1, got '0;1'"),
            ("evaluate . . --strengths 9", "between 0 and 1.5, got 9.0"),
            ("evaluate . . --device tpu", "device must be auto, cpu or cuda, got 'tpu'"),
            ("evaluate sub . --held-out", "sub holds no picture that is held out"),
        ],
    )
    def test_refuses_bad_input(
        self, words: str, said: str, desk: Path, checkpoint: Path, refused: Callable[..., str]
    ) -> None:
        (desk / "sub").mkdir()
        Image.new("RGB", (16, 16)).save(desk / "sub" / "photo.png")
        assert said in refused(*words.split(), "--checkpoint", checkpoint)

    def test_a_table_for_people(self, capsys: Captured) -> None:
        from styleapp.commands.evaluate import _show
        from styleapp.pipelines.evaluate import Evaluation, ScoreRow
        from styleapp.scores import StyleScores

        rows = (ScoreRow(0.5, 0.125, 0.5, 0.25), ScoreRow(1.0, 0.0625, 0.75, 0.25))
        _show(Evaluation(3, 4, StyleScores(0.375, 0.0), rows, (), 31.26, 0.5, "a machine"), "adain")
        out = capsys.readouterr().out.splitlines()
        assert out[1].split() == ["the", "photo", "itself", "0.3750", "0.0000"]
        assert out[3].split() == ["adain", "1", "0.0625", "0.7500", "0.250"]
        assert "12 pairs: 3 photos × 4 styles" in out[4]
        assert "31.3 dB" in out[5]
        assert "a machine" in out[6]

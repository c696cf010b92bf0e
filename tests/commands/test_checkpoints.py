"""``styleapp checkpoints`` and ``styleapp export``: what is there, and what is made."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from styleapp.checkpoint import read_card, save_network
from styleapp.cli import main

Captured = pytest.CaptureFixture[str]
QUICK = ("--style-scale", "0.25")  # encodes a style at 128 pixels instead of 512


class TestCheckpoints:
    def test_are_listed(self, shelf: Path, capsys: Captured, document: Callable[[], Any]) -> None:
        assert main(["checkpoints", "--json"]) == 0
        (record,) = document()["checkpoints"]
        assert (record["name"], record["architecture"], record["problem"]) == ("adain", "adain", None)
        assert record["megabytes"] == pytest.approx((shelf / "adain.safetensors").stat().st_size / 1e6, abs=0.01)
        assert main(["checkpoints"]) == 0
        assert capsys.readouterr().out.splitlines()[1].startswith("adain")

    def test_a_damaged_one_is_named(self, shelf: Path, capsys: Captured) -> None:
        (shelf / "adain.safetensors").write_bytes(b"nothing")
        assert main(["checkpoints"]) == 1
        assert "is damaged" in capsys.readouterr().out

    def test_no_manifest(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]) -> None:
        monkeypatch.setenv("STYLEAPP_CHECKPOINTS", str(tmp_path))
        assert f"{tmp_path} has no manifest.json" in refused("checkpoints")

    def test_of_every_kind(
        self, shelf: Path, spade_checkpoint: Path, segmenter_checkpoint: Path, capsys: Captured
    ) -> None:
        agreement = {"pixel_accuracy": 0.6123, "mean_iou": 0.31}
        ours = {**agreement, "statistics_distance": 0.0789, "colour_error": 0.05, "photo_pixel_accuracy": 0.59}
        scored = {"town": ({**ours, "pictures": 46, "draws": 1}, spade_checkpoint)}
        scored["town_segmenter"] = ({**agreement, "pictures": 46, "iou_by_class": {"sky": 0.5}}, segmenter_checkpoint)
        entries = {}
        for name, (scores, source) in scored.items():
            card = replace(read_card(source), scores=scores)
            entries[name] = {"file": save_network(shelf / f"{name}.safetensors", load_file(source), card).name}
        (shelf / "manifest.json").write_text(json.dumps(entries))
        assert main(["checkpoints"]) == 0
        heads, *rows = capsys.readouterr().out.splitlines()
        assert rows[0].split()[:2] == ["town", "spade"] and rows[1].split()[:2] == ["town_segmenter", "segmenter"]
        assert rows[0].endswith("  pixel_accuracy 0.6123, mean_iou 0.31, statistics_distance 0.0789, colour_error 0.05")
        assert rows[1].endswith("  pixel_accuracy 0.6123, mean_iou 0.31")
        assert main(["checkpoints", "--json"]) == 0
        assert [one["scores"] for one in json.loads(capsys.readouterr().out)["checkpoints"]] == [
            scores for scores, _ in scored.values()
        ]

    def test_names_can_be_used(self, shelf: Path, desk: Path) -> None:
        assert main(["stylize", "photo.png", "--style", "s1.png", *QUICK]) == 0
        assert Path("stylized/photo--s1.png").is_file()


class TestExport:
    def test_passes_on_what_was_asked(
        self, tmp_path: Path, checkpoint: Path, monkeypatch: Any, document: Callable[[], Any]
    ) -> None:
        from styleapp.training import export

        def write(run: str, output: Path, scores: dict[str, Any], *others: None) -> Path:
            assert (run, scores, *others) == ("runs/mine", {}, None, None, None, None)
            output.write_bytes(checkpoint.read_bytes())
            return output

        monkeypatch.setattr(export, "export_run", write)
        assert main(["export", "runs/mine", "-o", str(tmp_path / "x.safetensors"), "--json"]) == 0
        report = document()
        assert report["architecture"] == "adain"
        assert report["record"] == {"steps": 0}

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("export nowhere -o x.safetensors", "nowhere is neither a .ckpt file nor a folder"),
            ("export . -o x.safetensors", "neither a .ckpt file"),
            ("export bad.jpg -o x.safetensors", "bad.jpg is not a training checkpoint"),
            ("export . -o x.pt", "x.pt: the name of a checkpoint ends with .safetensors"),
        ],
    )
    def test_refuses_bad_input(self, words: str, said: str, desk: Path, refused: Callable[..., str]) -> None:
        assert said in refused(*words.split())
        assert not Path("x.safetensors").exists()

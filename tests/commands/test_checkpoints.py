"""``styleapp checkpoints`` and ``styleapp export``: what is there, and what is made."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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

    def test_names_can_be_used(self, shelf: Path, desk: Path) -> None:
        assert main(["stylize", "photo.png", "--style", "s1.png", *QUICK]) == 0
        assert Path("stylized/photo--s1.png").is_file()


class TestExport:
    def test_passes_on_what_was_asked(
        self, tmp_path: Path, checkpoint: Path, monkeypatch: Any, document: Callable[[], Any]
    ) -> None:
        from styleapp.training import export

        def write(run: str, output: Path, scores: dict[str, Any], blend: None, styles: None) -> Path:
            assert (run, scores, blend, styles) == ("runs/mine", {}, None, None)
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

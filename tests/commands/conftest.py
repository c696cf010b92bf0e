"""What the tests of commands share: a desk with a few files, a shelf of checkpoints, readers of what was printed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from styleapp.cli import main


@pytest.fixture
def desk(tmp_path: Path, draw_photo: Callable, draw_style: Callable, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a photo, two styles and a file that is none; also the current folder."""
    draw_photo(40, 32, 1).save(tmp_path / "photo.png")
    draw_style(32, 32, 1).save(tmp_path / "s1.png")
    draw_style(32, 32, 2).save(tmp_path / "s2.png")
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def shelf(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint folder with ``adain``."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    (folder / "adain.safetensors").write_bytes(checkpoint.read_bytes())
    entries = {"adain": {"file": "adain.safetensors", "title": "AdaIN"}}
    (folder / "manifest.json").write_text(json.dumps(entries))
    monkeypatch.setenv("STYLEAPP_CHECKPOINTS", str(folder))
    return folder


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must refuse its input, and gives the one line with which it does."""

    def run(*words: str | Path) -> str:
        assert main([str(word) for word in words]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("styleapp: error: ")
        assert err.count("\n") == 1
        assert "Traceback" not in err
        return err

    return run


@pytest.fixture
def document(capsys: pytest.CaptureFixture[str]) -> Callable[[], Any]:
    """Reads standard output as JSON; standard error goes with it as ``stderr``."""

    def read() -> Any:
        out, err = capsys.readouterr()
        return {**json.loads(out), "stderr": err}

    return read

"""``styleapp serve``: what it passes on to the page, which is tested elsewhere."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from styleapp.cli import main

Captured = pytest.CaptureFixture[str]
QUICK = ("--style-scale", "0.25")  # encodes a style at 128 pixels instead of 512


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(".part")]


class TestServe:
    def test_passes_on_what_was_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from types import ModuleType

        asked: list[tuple[Any, ...]] = []
        page: Any = ModuleType("styleapp.web.app")
        page.launch = lambda *arguments: asked.append(arguments)
        monkeypatch.setitem(sys.modules, "styleapp.web.app", page)
        assert main(["serve", "--host", "0.0.0.0", "--port", "8000", "--checkpoint", "mine"]) == 0
        assert asked == [("0.0.0.0", 8000, "mine")]

    @pytest.mark.parametrize("port", ["0", "70000", "http"])
    def test_refuses_a_bad_port(self, port: str, refused: Callable[..., str]) -> None:
        assert "between 1 and 65535" in refused("serve", "--port", port)

"""``styleapp serve``: what it passes on to the page, which is tested elsewhere."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from styleapp.cli import main


class TestServe:
    def test_passes_on_what_was_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[Any, ...]] = []
        page: Any = ModuleType("styleapp.web.app")
        page.launch = lambda *arguments, **options: asked.append((*arguments, options))
        monkeypatch.setitem(sys.modules, "styleapp.web.app", page)
        place = ["--host", "0.0.0.0", "--port", "8000"]
        assert main(["serve", *place, "--checkpoint", "mine"]) == 130  # its only end is Ctrl-C
        assert main(["serve", *place, "--named", "ours", "--multi-user"]) == 130
        assert asked == [
            ("0.0.0.0", 8000, "mine", {"named": "multistyle", "multi_user": False}),
            ("0.0.0.0", 8000, "adain", {"named": "ours", "multi_user": True}),
        ]

    @pytest.mark.parametrize("port", ["0", "70000", "http"])
    def test_refuses_a_bad_port(self, port: str, refused: Callable[..., str]) -> None:
        assert "between 1 and 65535" in refused("serve", "--port", port)

    def test_a_port_in_use_is_bad_input(self, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]) -> None:
        def launch(*arguments: Any, **options: Any) -> None:
            raise OSError("Cannot find empty port in range: 8000-8000. You can specify a different port by …")

        page: Any = ModuleType("styleapp.web.app")
        page.launch = launch
        monkeypatch.setitem(sys.modules, "styleapp.web.app", page)
        assert "127.0.0.1:8000 is in use" in refused("serve", "--port", "8000")

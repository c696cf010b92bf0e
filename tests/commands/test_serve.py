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
        page.launch = lambda *arguments: asked.append(arguments)
        monkeypatch.setitem(sys.modules, "styleapp.web.app", page)
        assert (
            main(["serve", "--host", "0.0.0.0", "--port", "8000", "--checkpoint", "mine"]) == 130
        )  # its only end is Ctrl-C
        assert asked == [("0.0.0.0", 8000, "mine")]

    @pytest.mark.parametrize("port", ["0", "70000", "http"])
    def test_refuses_a_bad_port(self, port: str, refused: Callable[..., str]) -> None:
        assert "between 1 and 65535" in refused("serve", "--port", port)

    def test_a_port_in_use_is_bad_input(self, monkeypatch: pytest.MonkeyPatch, refused: Callable[..., str]) -> None:
        def launch(*arguments: Any) -> None:
            raise OSError("Cannot find empty port in range: 8000-8000. You can specify a different port by …")

        page: Any = ModuleType("styleapp.web.app")
        page.launch = launch
        monkeypatch.setitem(sys.modules, "styleapp.web.app", page)
        assert "127.0.0.1:8000 is in use" in refused("serve", "--port", "8000")

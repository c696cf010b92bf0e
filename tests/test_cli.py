"""The dispatcher: help, errors in one line, exit statuses, and a start without torch."""

import subprocess
import sys
from pathlib import Path

import pytest

from styleapp import cli
from styleapp.cli import COMMANDS, main

Captured = pytest.CaptureFixture[str]


def refused(capsys: Captured, *words: str | Path) -> str:
    """The one line with which a command refuses its input."""
    assert main([str(word) for word in words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("styleapp: error: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return err


class TestEveryCommand:
    @pytest.mark.parametrize("name", COMMANDS)
    def test_explains_itself_with_examples(self, name: str, capsys: Captured) -> None:
        assert main([name, "--help"]) == 0
        out, err = capsys.readouterr()
        assert f"\n  styleapp {name}" in out
        assert "exit status" in out
        assert err == ""

    @pytest.mark.parametrize("name", COMMANDS)
    def test_refuses_an_unknown_flag_in_one_line(self, name: str, capsys: Captured) -> None:
        needed = {
            "stylize": ["a", "--style", "b"],
            "segment": ["a"],
            "add-style": ["a"],
            "styles": ["list"],
            "evaluate": ["a", "b"],
            "check-data": ["a"],
            "export": ["a", "-oA"],
            "ablate": ["presets"],
        }
        assert "--no-such-flag" in refused(capsys, name, *needed.get(name, []), "--no-such-flag")

    def test_are_listed(self, capsys: Captured) -> None:
        assert main(["--help"]) == 0
        out = capsys.readouterr().out
        for name, summary in COMMANDS.items():
            assert name in out
            assert summary in out

    def test_version(self, capsys: Captured) -> None:
        assert main(["--version"]) == 0
        assert capsys.readouterr().out.startswith("styleapp 0.")

    def test_a_command_is_needed(self, capsys: Captured) -> None:
        assert "name a command: stylize" in refused(capsys)
        assert "'paint'" in refused(capsys, "paint")

    @pytest.mark.parametrize(
        ("raised", "status", "said"),
        [
            (KeyboardInterrupt(), 130, ""),
            (ValueError("two\nlines"), 2, "styleapp: error: two lines\n"),
            (OSError("no such port"), 2, "styleapp: error: no such port\n"),
            (RuntimeError("CUDA out of memory"), 2, "styleapp: error: not enough memory"),
        ],
    )
    def test_ends_quietly(
        self, raised: BaseException, status: int, said: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(words: list[str]) -> int:
            raise raised

        monkeypatch.setattr(cli, "_run", fail)
        assert main([]) == status
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(said)
        assert err.count("\n") == (1 if said else 0)

    def test_a_mistake_of_ours_is_not_hidden(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(words: list[str]) -> int:
            raise RuntimeError("shapes do not fit")

        monkeypatch.setattr(cli, "_run", fail)
        with pytest.raises(RuntimeError, match="shapes"):
            main([])


def run_program(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)


def test_the_installed_program_starts_without_torch(tmp_path: Path) -> None:
    """The entry point itself; then the same call with a look at what was imported."""
    program = Path(sys.executable).with_name("styleapp")
    shown = subprocess.run([program, "--help"], capture_output=True, text=True, check=False, timeout=60)
    assert shown.returncode == 0
    assert "check-data" in shown.stdout
    heavy = {"torch", "numpy", "PIL", "gradio", "tqdm"}
    for words in (["--help"], ["stylize", "--help"], ["--version"], ["evaluate"]):
        code = f"import sys; from styleapp.cli import main; main({words}); print({heavy} & {{*sys.modules}})"
        assert run_program(code).stdout.splitlines()[-1] == "set()", words


def test_a_missing_photo_is_one_line_in_the_shell(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "styleapp", "evaluate", "nowhere", "."]
    ended = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "styleapp: error: nowhere is not a folder\n"

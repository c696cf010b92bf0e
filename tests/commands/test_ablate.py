"""``styleapp ablate``: pictures with and without a switch, files that make them again, lists, and refusals."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from styleapp.cli import main
from styleapp.commands.ablate import ACTIONS
from styleapp.lab.presets import PRESETS

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def asked(desk: Path, named_checkpoint: Path) -> list[str]:
    """A network, a photo and a style."""
    return ["run", "--checkpoint", str(named_checkpoint), "--photo", "photo.png", "--style", "night", "--size", "64"]


def grid(folder: str) -> np.ndarray:
    return np.asarray(Image.open(Path(folder) / "grid.png"))


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_explains_itself(action: str, capsys: Captured) -> None:
    assert main(["ablate", action, "--help"]) == 0
    out = capsys.readouterr().out
    assert f"\n  styleapp ablate {action}" in out
    assert "exit status" in out


def test_the_yaml_makes_the_same_picture(asked: list[str], capsys: Captured, tmp_path: Path) -> None:
    assert main(["ablate", *asked, "--normalizer", "group", "--set", "groups=2", "eps=0.01", "-o", "out"]) == 0
    out = capsys.readouterr().out
    assert "entry_norm: instance → group\n" in out
    assert "switched from original: mean difference" in out
    assert out.endswith("out/ablation.yaml\n")
    Path("photo.png").unlink()
    assert main(["ablate", "run", "--config", "out/ablation.yaml", "-o", "again"]) == 0
    assert (grid("out") == grid("again")).all()
    assert (grid("out")[:, 64:140] != grid("out")[:, :76]).any()


def test_json(asked: list[str], document: Callable[[], Any]) -> None:
    words = ["--layers", "blocks.*", "--modulation", "shift", "--layer-strength", "0.5", "--memory", "--json"]
    assert main(["ablate", *asked, *words]) == 0
    facts = document()
    assert facts["switches"] == [{"layers": "blocks.*", "modulation": "shift", "strength": 0.5}]
    assert {one["layer"] for one in facts["changes"]} == {"blocks.0.first_norm", "blocks.0.second_norm"}
    assert facts["original"]["peak_mib"] >= 0
    assert facts["files"] == {}


def test_options_go_over_a_configuration(asked: list[str], capsys: Captured) -> None:
    assert main(["ablate", *asked, "--normalizer", "layer", "-o", "out"]) == 0
    words = ["ablate", "run", "--config", "out/ablation.yaml"]
    assert main([*words, "--removed", "mean", "--style", "wave", "-o", "other"]) == 0
    assert "takes only the mean away" in capsys.readouterr().out
    assert "styles:\n- wave\n" in Path("other/ablation.yaml").read_text()


def test_layers(named_checkpoint: Path, capsys: Captured, document: Callable[[], Any]) -> None:
    assert main(["ablate", "layers", str(named_checkpoint)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["entry_norm", "norm", "8", "instance", "×", "styles"] in lines
    assert ["entry", "convolution", "8×48×3×3", "none"] in lines
    assert main(["ablate", "layers", str(named_checkpoint), "--json"]) == 0
    assert document()["layers"][0]["normalizer"] == "instance"


def test_presets(capsys: Captured, document: Callable[[], Any]) -> None:
    assert main(["ablate", "presets"]) == 0
    out = capsys.readouterr().out
    assert all(f"{one.name} ({one.ablation.checkpoint}: " in out and one.look in out for one in PRESETS.values())
    assert main(["ablate", "presets", "--json"]) == 0
    assert [one["name"] for one in document()["presets"]] == [*PRESETS]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a switch, such as --normalizer"),
        (["--layers", "blocks.*"], "--layers says where"),
        (["--normalizer", "grup"], "unknown normalizer 'grup'"),
        (["--normalizer", "group", "--set", "groups"], "--set takes OPTION=VALUE"),
        (
            ["--normalizer", "group", "--set", "groups=3"],
            "entry_norm: groups must be a divisor of the 8 features, got 3",
        ),
        (
            ["--normalizer", "group", "--set", "groups=many"],
            "option groups of group must be a whole number or nothing, got 'many'",
        ),
        (["--preset", "nothing"], "unknown preset 'nothing'"),
        (["--config", "no.yaml"], "no.yaml cannot be read"),
        (["--normalizer", "batch", "--photo", "bad.jpg"], "bad.jpg"),
        (["--normalizer", "batch", "--size", "4000"], "size must be 32 to 1024 pixels"),
    ],
)
def test_refused(words: list[str], said: str, asked: list[str], refused: Callable[..., str]) -> None:
    assert said in refused("ablate", *asked, *words)


def test_an_action_is_needed(refused: Callable[..., str]) -> None:
    assert "ACTION" in refused("ablate")
    assert "'paint'" in refused("ablate", "paint")

"""Every recipe names existing classes and options, and can be parsed where no data are."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pytorch_lightning import LightningDataModule, LightningModule
from pytorch_lightning.cli import LightningCLI

ROOT = Path(__file__).resolve().parents[1]
RECIPES = sorted(path for path in (ROOT / "configs").rglob("*.yaml") if path.parent.name != "grids")


class Parser(LightningCLI):
    """Stops before anything is built: that would read weights and want data."""

    def instantiate_classes(self) -> None: ...


def _parsed(path: Path, *overrides: str) -> Any:
    """The recipe with all its defaults filled in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["train.py"])  # Lightning warns of arguments beside its own
        return Parser(
            LightningModule,
            LightningDataModule,
            subclass_mode_model=True,
            subclass_mode_data=True,
            run=False,
            args=[f"--config={path}", *overrides],
        ).config


def test_there_are_recipes() -> None:
    assert {"adain.yaml", "smoke.yaml"} <= {path.name for path in RECIPES}


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_is_parsed(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # its relative folders are not there
    config = _parsed(path)
    stated = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert config.model.class_path == stated["model"]["class_path"]
    for name, value in stated["data"]["init_args"].items():
        assert config.data.init_args[name] == value
    assert config.trainer.max_steps == stated["trainer"]["max_steps"]
    assert len(config.trainer.callbacks) == len(stated["trainer"]["callbacks"])


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_can_be_resumed_and_repeated(path: Path) -> None:
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(config["seed_everything"], int)
    callbacks = {one["class_path"].rsplit(".")[-1]: one.get("init_args", {}) for one in config["trainer"]["callbacks"]}
    assert callbacks["ModelCheckpoint"]["save_last"]
    assert callbacks["ModelCheckpoint"]["every_n_train_steps"] <= config["trainer"]["max_steps"]
    assert "TrainingRecord" in callbacks
    assert callbacks["EMAWeightAveraging"]["use_buffers"] is False


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_crops_fit(path: Path) -> None:
    options = yaml.safe_load(path.read_text(encoding="utf-8"))["data"]["init_args"]
    assert options["crop"] % 8 == 0
    assert options["crop"] <= options["smallest_side"] <= options["largest_side"]


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("--data.init_args.crops=3", "crops"),
        ("--model.init_args.style_weight=much", "style_weight"),
        ("--trainer.steps=3", "steps"),
        ("--model.class_path=styleapp.training.stylizer.Nothing", "Nothing"),
    ],
)
def test_misspelt_options_are_refused(override: str, named: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        _parsed(ROOT / "configs" / "smoke.yaml", override)
    assert stopped.value.code == 2
    assert named in capsys.readouterr().err.partition("error:")[2]


def test_option_is_overridden() -> None:
    config = _parsed(ROOT / "configs" / "smoke.yaml", "--trainer.max_steps=2", "--data.init_args.batch_size=7")
    assert config.trainer.max_steps == 2
    assert config.data.init_args.batch_size == 7

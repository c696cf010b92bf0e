"""Recipes small enough for tests, and the runs that several tests look at."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

ROOT = Path(__file__).resolve().parents[2]
STEPS, SAVED_AT = 6, 3  # with four steps an epoch both lie in the middle of one, and a validation is between them

Recipe = Callable[..., Path]
Train = Callable[..., Any]
Logged = Callable[[Path], dict[str, dict[int, float]]]


@pytest.fixture(scope="session")
def train() -> Train:
    """``train.main`` of the script at the root: ``train("fit", "--config=…")``."""
    spec = importlib.util.spec_from_file_location("train", ROOT / "train.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def main(*args: object) -> Any:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.argv", ["train.py"])  # Lightning warns of arguments beside its own
            return module.main([str(arg) for arg in args])

    return main


@pytest.fixture(scope="session")
def recipe(photo_folder: Path, style_folder: Path) -> Recipe:
    """Writes ``configs/smoke.yaml`` with tiny pictures and its outputs in a folder: ``recipe(folder, data={…})``.

    ``classes`` replaces those of ``model`` and ``data``.
    """

    def write(folder: Path, without: str = "no callback", **changes: dict[str, Any]) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        config = yaml.safe_load((ROOT / "configs" / "smoke.yaml").read_text(encoding="utf-8"))
        for part, class_path in changes.get("classes", {}).items():
            config[part]["class_path"] = class_path
        config["data"]["init_args"] |= {
            "photos": str(photo_folder),
            "styles": str(style_folder),
            "crop": 32,
            "smallest_side": 32,
            "largest_side": 48,
            "batch_size": 4,
            "steps_per_epoch": 4,
            "score_size": 32,
            **changes.get("data", {}),
        }
        config["model"]["init_args"] |= changes.get("model", {})
        config["trainer"] |= {
            "accelerator": "cpu",
            "max_steps": STEPS,
            "default_root_dir": str(folder),
            "enable_progress_bar": False,
            "enable_model_summary": False,
            **changes.get("trainer", {}),
        }
        callbacks = [one for one in config["trainer"]["callbacks"] if not one["class_path"].endswith(without)]
        config["trainer"]["callbacks"] = callbacks
        for callback in callbacks:
            if callback["class_path"].endswith("ModelCheckpoint"):
                callback["init_args"] |= {
                    "dirpath": str(folder / "checkpoints"),
                    "every_n_train_steps": SAVED_AT,
                    "save_top_k": -1,
                }
        path = folder / "recipe.yaml"
        path.write_text(yaml.safe_dump(config), encoding="utf-8")
        return path

    return write


@pytest.fixture(scope="session")
def finished_run(train: Train, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of six steps that nothing interrupted."""
    folder = tmp_path_factory.mktemp("finished")
    train("fit", f"--config={recipe(folder)}")
    return folder


@pytest.fixture(scope="session")
def checkpoint_at() -> Callable[[Path, int], Path]:
    """The checkpoint that a run wrote after a step: ``checkpoint_at(run, step)``."""

    def find(run: Path, step: int) -> Path:
        (found,) = (run / "checkpoints").glob(f"*step={step}.ckpt")
        return found

    return find


@pytest.fixture(scope="session")
def logged() -> Logged:
    """Everything that a run logged, ``logged(run)[name][step]``; of a resumed run the later values."""

    def read(run: Path) -> dict[str, dict[int, float]]:
        scalars: dict[str, dict[int, float]] = {}
        for folder in sorted((run / "lightning_logs").iterdir()):
            events = EventAccumulator(str(folder), size_guidance={"scalars": 0}).Reload()
            for name in events.Tags()["scalars"]:
                scalars.setdefault(name, {}).update({event.step: event.value for event in events.Scalars(name)})
        return scalars

    return read

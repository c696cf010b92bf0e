"""Recipes small enough for tests, and the runs that several tests look at."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from styleapp.checkpoint import Card, save_network
from styleapp.data.mask_pairs import LabelledCrop
from styleapp.models.segmenter import Segmenter
from styleapp.models.vgg import VGG19

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


LABELS = [
    {"index": 0, "name": "sky", "rgb": [90, 150, 220]},
    {"index": 1, "name": "tree", "rgb": [30, 90, 40]},
    {"index": 2, "name": "house", "rgb": [180, 120, 80]},
]


@pytest.fixture(scope="session")
def label_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five pairs for training and three for scoring, 56×48: three classes in noisy colours, a corner without label."""
    folder = tmp_path_factory.mktemp("labelled")
    random = np.random.default_rng(0)
    colours = np.array([label["rgb"] for label in LABELS])
    for part, count in (("train", 5), ("val", 3)):
        for kind in ("images", "labels"):
            (folder / part / kind).mkdir(parents=True)
        for index in range(count):
            mask = np.zeros((48, 56), dtype=np.uint8)
            top, left = random.integers(10, 30, 2)
            mask[top:] = 1
            mask[top - 6 : top + 12, left : left + 16] = 2
            photo = (colours[mask] + random.normal(0, 12, (48, 56, 3))).clip(0, 255).astype(np.uint8)
            mask[:4, :4] = 255
            Image.fromarray(photo).save(folder / part / "images" / f"{index}.png")
            Image.fromarray(mask).save(folder / part / "labels" / f"{index}.png")
    (folder / "classes.json").write_text(json.dumps({"classes": LABELS, "ignore_index": 255}))
    return folder


@pytest.fixture(scope="session")
def segmenter_file(vgg: VGG19, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained segmenter of three labels as a checkpoint file."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Segmenter(3, 8, vgg)
    card = Card("segmenter", network.options(), vgg.identity)
    return save_network(tmp_path_factory.mktemp("segmenters") / "s.safetensors", network.state_dict(), card)


@pytest.fixture(scope="session")
def crops() -> LabelledCrop:
    """Two photos of noise with masks of noise, 32×32."""
    random = torch.Generator().manual_seed(0)
    return LabelledCrop(torch.rand(2, 3, 32, 32, generator=random), torch.randint(3, (2, 32, 32), generator=random))


@pytest.fixture(scope="session")
def label_recipe(label_folder: Path) -> Recipe:
    """Writes a recipe of masks, such as ``configs/facades.yaml``, with tiny pictures and networks.

    ``label_recipe("facades", folder, model={…}, data={…}, trainer={…})``.
    """
    small = {
        "SpadeGenerator": {
            "stages": [[8], [8], [6]],
            "hidden": 4,
            "latent": 4,
            "style_planes": 2,
            "style_widths": [6],
            "grain": True,
        },
        "MultiScaleDiscriminator": {"widths": [6, 8, 10]},
        "Segmenter": {"width": 8},
    }

    def write(name: str, folder: Path, **changes: dict[str, Any]) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        config = yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8"))
        for value in config["model"]["init_args"].values():
            if isinstance(value, dict):
                value["init_args"] |= {"num_labels": 3, **small[value["class_path"].rsplit(".")[-1]]}
        config["model"]["init_args"] |= changes.get("model", {})
        tiny = {"crop": 32, "smallest_side": 32, "largest_side": 48, "steps_per_epoch": 4, "score_size": 32}
        config["data"]["init_args"] |= {"folder": str(label_folder), **tiny, **changes.get("data", {})}
        quiet = {"accelerator": "cpu", "enable_progress_bar": False, "enable_model_summary": False}
        config["trainer"] |= {
            **quiet,
            "max_steps": STEPS,
            "default_root_dir": str(folder),
            "log_every_n_steps": 1,
            **changes.get("trainer", {}),
        }
        for callback in config["trainer"]["callbacks"]:
            if callback["class_path"].endswith("ModelCheckpoint"):
                saved = {"dirpath": str(folder / "checkpoints"), "every_n_train_steps": SAVED_AT, "save_top_k": -1}
                callback["init_args"] |= saved
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

"""A grid small enough for tests: two cells of a tiny network with named styles."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from styleapp.data.folder import PictureFolder

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def write_grid(photo_folder: Path, style_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes ``configs/ablation/multistyle.yaml`` with tiny pictures, and a grid of it; ``write_grid(seeds=[0], …)``.

    A key with the value ``...`` is left out.
    """
    cache = tmp_path_factory.mktemp("cache")

    def write(steps: int = 4, **changes: Any) -> Path:
        folder = tmp_path_factory.mktemp("grid")
        recipe = yaml.safe_load((ROOT / "configs" / "ablation" / "multistyle.yaml").read_text(encoding="utf-8"))
        names = [path.stem for path in PictureFolder(style_folder, "all").paths][:3]
        recipe["model"]["init_args"]["styles"] = str(style_folder)
        recipe["model"]["init_args"]["network"]["init_args"] |= {"width": 8, "blocks": 1, "styles": names}
        recipe["data"]["init_args"] |= {
            "photos": str(photo_folder),
            "styles": str(style_folder),
            "crop": 32,
            "smallest_side": 40,
            "largest_side": 48,
            "batch_size": 2,
            "cache": str(cache),
        }
        recipe["trainer"] |= {"accelerator": "cpu", "max_steps": steps}
        for callback in recipe["trainer"]["callbacks"]:
            if callback["class_path"].endswith("LossCurve"):
                callback["init_args"]["every"] = 2
        (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
        network = "model.init_args.network.init_args"
        precise = {"class_path": "styleapp.training.rules.PreciseStatistics", "init_args": {"batches": 2}}
        grid = {
            "recipe": "recipe.yaml",
            "seeds": [0],
            "saves": 2,
            "scoring": {"photos": 1, "size": 64},
            "axes": {
                "normalizer": {
                    "instance": {f"{network}.normalizer": "instance"},
                    "batch": {f"{network}.normalizer": "batch", "trainer.callbacks+": precise},
                },
                "weight_norm": {
                    "none": {},
                    "weight_standardization": {f"{network}.weight_norm": "weight_standardization"},
                },
            },
            "parts": [
                {"normalizer": ["instance"], "weight_norm": ["weight_standardization"]},
                {"normalizer": ["batch"], "weight_norm": ["none"]},
            ],
            **changes,
        }
        path = folder / "tiny.yaml"
        stated = {key: value for key, value in grid.items() if value is not ...}
        path.write_text(yaml.safe_dump(stated, sort_keys=False), encoding="utf-8")
        return path

    return write

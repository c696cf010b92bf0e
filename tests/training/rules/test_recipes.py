"""Rules chosen in recipes, for the real modules: named styles, a segmenter, label maps in one process and in two."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from styleapp.checkpoint import load_network
from styleapp.data.folder import PictureFolder
from styleapp.training.export import export_run

ROOT = Path(__file__).resolve().parents[3]
RULES = "styleapp.training.rules."

Logged = Callable[[Path], dict[str, dict[int, float]]]


def _with_rules(path: Path, *chosen: dict[str, Any]) -> Path:
    """Puts rules before the other callbacks of a recipe."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    added = [{"class_path": RULES + one.pop("rule"), "init_args": one} for one in chosen]
    config["trainer"]["callbacks"] = added + config["trainer"]["callbacks"]
    path.write_text(yaml.safe_dump(config), encoding="utf-8")
    return path


def test_named_styles(
    train: Any, recipe: Any, style_folder: Path, tmp_path: Path, logged: Logged, photo_folder: Path
) -> None:
    """SAM-ON moves the tables of styles; with clipping, an average of weights, and a file that paints."""
    module = "styleapp.training.named"
    names = [one.stem for one in PictureFolder(style_folder, "all").paths]
    network = {
        "class_path": "styleapp.models.multistyle.MultiStyleNetwork",
        "init_args": {"styles": names, "width": 8, "blocks": 1},
    }
    path = recipe(
        tmp_path,
        classes={"model": f"{module}.NamedStyleTraining", "data": f"{module}.NamedStyleData"},
        model={"network": network, "styles": str(style_folder), "sides": [40]},
        data={"batch_size": 2},
        trainer={"max_steps": 3, "limit_val_batches": 1},
    )
    path = _with_rules(
        path,
        {"rule": "SharpnessAware", "rho": 0.2},
        {"rule": "AdaptiveClipping", "share": 0.1},
        {"rule": "DecayLog", "file": str(tmp_path / "log.safetensors"), "decay": 0.1},
    )
    trained = train("fit", f"--config={path}")
    curves = logged(tmp_path)
    for name in ("sharpness/rise", "sharpness/gradient_norm", "clipping/clipped_share", "decay/effective_rate"):
        assert list(curves[name]) == [0, 1, 2], name
        assert all(math.isfinite(value) for value in curves[name].values())
    # Behind each of these kernels is an instance norm; the head's have none.
    (rule,) = (one for one in trained.trainer.callbacks if type(one).__name__ == "DecayLog")
    assert rule.kernels == ("entry", "blocks.0.first", "blocks.0.second")
    written = export_run(tmp_path, tmp_path / "out.safetensors")
    assert load_network(written)[0].styles == tuple(names)


def test_segmenter(train: Any, label_recipe: Any, tmp_path: Path, logged: Logged) -> None:
    """A head without normalizations: preconditioned, clipped, its kernels centred."""
    path = label_recipe("facades_segmenter", tmp_path, trainer={"max_steps": 3})
    path = _with_rules(path, {"rule": "BatchNormPreconditioning"}, {"rule": "AdaptiveClipping"}, {"rule": "MimicNorm"})
    trained = train("fit", f"--config={path}")
    curves = logged(tmp_path)
    for name in ("preconditioning/gradient_ratio", "clipping/clipped_share", "mimic/largest_mean"):
        assert list(curves[name]) == [0, 1, 2], name
    (rule,) = (one for one in trained.trainer.callbacks if type(one).__name__ == "BatchNormPreconditioning")
    assert len(rule.layers) == 7  # the frozen encoder's are none of them
    saved = torch.load(tmp_path / "checkpoints" / "last.ckpt", map_location="cpu", weights_only=True)
    assert len(saved["callbacks"]) >= 3


PROBE = '''
"""Writes what one process has after each step."""

import hashlib
import json
from pathlib import Path

import pytorch_lightning as pl


class Probe(pl.Callback):
    def __init__(self, folder: str) -> None:
        self.folder, self.hashes = Path(folder), []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        digest = hashlib.sha256()
        for name in ("network", "discriminator"):
            for _, parameter in sorted(getattr(module, name).named_parameters()):
                digest.update(parameter.detach().contiguous().numpy().tobytes())
        self.hashes.append(digest.hexdigest())

    def on_train_end(self, trainer, module):
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        seen = {"hashes": self.hashes, "metrics": metrics}
        (self.folder / f"rank{trainer.global_rank}.json").write_text(json.dumps(seen))
'''


@pytest.mark.slow
def test_label_maps_in_two_processes(label_recipe: Any, tmp_path: Path) -> None:
    """Manual optimization with rules for both networks: the same weights in both processes after every step."""
    path = label_recipe("facades", tmp_path, data={"batch_size": 2}, trainer={"max_steps": 3, "limit_val_batches": 0})
    path = _with_rules(
        path,
        {"rule": "SharpnessAware", "rho": 0.05, "masks": True},
        {"rule": "SharpnessAware", "rho": 0.05, "parameters": "all", "part": "discriminator"},
        {"rule": "BatchNormPreconditioning", "part": "discriminator"},
        {"rule": "AdaptiveClipping", "share": 0.1, "part": "discriminator"},
        {"rule": "MimicNorm", "last_norm": True, "part": "discriminator"},
        {"rule": "RevisitedBatchNorm", "input_norm": True, "part": "discriminator"},
    )
    (tmp_path / "rank_probe.py").write_text(PROBE, encoding="utf-8")
    command = [
        *(sys.executable, str(ROOT / "train.py"), "fit", f"--config={path}"),
        *("--trainer.strategy=ddp_find_unused_parameters_true", "--trainer.devices=2", "--trainer.accelerator=cpu"),
        *("--trainer.callbacks+=rank_probe.Probe", f"--trainer.callbacks.folder={tmp_path}"),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-3000:]
    ranks = [json.loads((tmp_path / f"rank{rank}.json").read_text()) for rank in range(2)]
    assert ranks[0]["hashes"] == ranks[1]["hashes"]
    assert len(set(ranks[0]["hashes"])) == 3
    assert ranks[0]["metrics"]["sharpness/rise"] != ranks[1]["metrics"]["sharpness/rise"]  # each of its own samples
    shared = "sharpness/gradient_norm"
    assert ranks[0]["metrics"][shared] == pytest.approx(ranks[1]["metrics"][shared], rel=1e-6)

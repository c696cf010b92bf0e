"""From a training run to a file that pipelines load."""

from pathlib import Path
from typing import Any

import torch
import yaml

from styleapp.checkpoint import Card, CheckpointError, save_network
from styleapp.models.vgg import EncoderIdentity

__all__ = ["export_run", "find_training_checkpoint"]

NETWORK_PREFIX = "network."
RECORD_KEY = "TrainingRecord"


def find_training_checkpoint(run: str | Path) -> Path:
    """The newest ``.ckpt`` of a run: the path itself, or the newest below a folder.

    Raises:
        CheckpointError: there is none.
    """
    path = Path(run)
    if path.is_file():
        return path
    found = sorted(path.rglob("*.ckpt"), key=lambda file: file.stat().st_mtime) if path.is_dir() else []
    if not found:
        raise CheckpointError(f"{run} is neither a .ckpt file nor a folder with one; train first")
    return found[-1]


def export_run(run: str | Path, output: str | Path, scores: dict[str, Any] | None = None) -> Path:
    """Writes the serving file of a run: averaged weights in half precision with their record, without the encoder.

    Args:
        run: a ``.ckpt`` file or a folder with some; the newest is taken.
        output: the ``.safetensors`` file to write.
        scores: measured values for the card.

    Raises:
        CheckpointError: no checkpoint found, or it is not one of a network that can be served.
    """
    path = find_training_checkpoint(run)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for damaged and foreign files
        raise CheckpointError(f"{path} is not a training checkpoint that can be read: {error}") from error
    if "architecture" not in state:
        raise CheckpointError(f"{path} was not written by one of our training modules")
    tensors = {
        name.removeprefix(NETWORK_PREFIX): tensor
        for name, tensor in state["state_dict"].items()
        if name.startswith(NETWORK_PREFIX)
    }
    encoder = EncoderIdentity(**state["encoder"]) if state.get("encoder") else None
    architecture = state["architecture"]
    card = Card(architecture["name"], architecture["options"], encoder, _record(path, state), scores or {})
    return save_network(output, tensors, card)


def _record(path: Path, state: dict[str, Any]) -> dict[str, Any]:
    kept = state.get("callbacks", {}).get(RECORD_KEY, {})
    record = {"steps": state["global_step"], "seed": _seed(path), **kept.get("facts", {})}
    if kept:
        record |= {"seconds": round(kept["seconds"]), "curve": kept["curve"]}
    return record


def _seed(path: Path) -> int | None:
    """From the recipe that the trainer leaves beside the run's logs; ``None`` where it is gone."""
    for folder in path.parents[:3]:
        found = sorted(folder.rglob("config.yaml"), key=lambda file: file.stat().st_mtime)
        if found:
            return yaml.safe_load(found[-1].read_text(encoding="utf-8")).get("seed_everything")
    return None

"""From a training run to a file that pipelines load."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
import yaml
from torch import Tensor
from torchvision.transforms.v2.functional import pil_to_tensor

from styleapp.checkpoint import ARCHITECTURES, Card, CheckpointError, load_network, save_network
from styleapp.data.folder import PictureFolder
from styleapp.models.multistyle import NamedStylizer
from styleapp.models.spade import SpadeGenerator
from styleapp.models.style_encoder import StyleEncoder, pooled_moments
from styleapp.models.vgg import EncoderIdentity
from styleapp.norms import switch_weight_norm
from styleapp.thumbnails import thumbnail, to_text

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


def export_run(
    run: str | Path,
    output: str | Path,
    scores: dict[str, Any] | None = None,
    blend: tuple[str, float] | None = None,
    styles: dict[str, dict[str, str]] | None = None,
    scored: str | None = None,
    draw_like: str | Path | None = None,
) -> Path:
    """Writes the serving file of a run: averaged weights in half precision with their record, without the encoder.

    Convolutions with a weight normalization become ordinary ones that compute the same; ConvNorm alone, which acts on
    their outputs, stays.

    Args:
        run: a ``.ckpt`` file or a folder with some; the newest is taken.
        output: the ``.safetensors`` file to write.
        scores: measured values for the card.
        blend: a checkpoint by name or path, usually the one that the run started from, and its share in the written
            weights, 0 to 1. Between two that are close the losses change smoothly, so a trade can be chosen afterwards.
        styles: of a network with named styles, what is known of each (title, artist, year, licence); the thumbnail is
            painted here.
        scored: architecture of the network that the scores were measured of, if that is known.
        draw_like: of a network with a style encoder, a folder of photos: seeds then draw styles as these have them, see
            :meth:`styleapp.models.spade.SpadeGenerator.draw_from`.

    Raises:
        CheckpointError: no checkpoint found, or it is not one of a network that can be served, or the one to blend
            with is of another architecture or encoder, or its share is out of range, or a described style is unknown,
            or the scores are those of another architecture, or the training diverged.
        PictureError: there is no such folder of photos.
        ValueError: photos without a style encoder, or too few of them.
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
    broken = [name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise CheckpointError(f"{path} has values that are not finite, first in {broken[0]}: its training diverged")
    encoder = EncoderIdentity(**state["encoder"]) if state.get("encoder") else None
    architecture = state["architecture"]
    if scored not in (None, architecture["name"]):
        raise CheckpointError(
            f"the scores are of a network of architecture {scored!r}, {path} of {architecture['name']!r}"
        )
    if architecture["options"].get("weight_norm", "none") != "none":
        architecture, tensors = _plain(architecture, tensors)
    record = _record(path, state)
    if blend is not None:
        other, share = blend
        tensors = _blended(tensors, other, share, Card(architecture["name"], architecture["options"], encoder))
        record |= {"blended_with": Path(other).stem, "blended_share": share}
    if draw_like is not None:
        tensors, photos = _drawing(architecture, tensors, draw_like)
        record |= {"styles_drawn_like": photos}
    card = Card(architecture["name"], architecture["options"], encoder, record, scores or {})
    if styles is not None:
        card = replace(card, styles=_illustrated(card, tensors, styles))
    return save_network(output, tensors, card)


def _plain(architecture: dict[str, Any], tensors: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The same network with weights that are not computed from others."""
    if architecture["options"]["weight_norm"] == "conv_norm":  # acts on outputs: no weights compute the same
        return architecture, tensors
    network: Any = ARCHITECTURES[architecture["name"]](**architecture["options"])
    network.load_state_dict(tensors)
    switch_weight_norm(network, "none")
    return {**architecture, "options": network.options()}, network.state_dict()


@torch.no_grad()
def _drawing(
    architecture: dict[str, Any], tensors: dict[str, Tensor], folder: str | Path
) -> tuple[dict[str, Tensor], int]:
    """The weights with which seeds draw the styles of photos, and the number of these photos."""
    generator = ARCHITECTURES[architecture["name"]]
    if not issubclass(generator, SpadeGenerator) or not architecture["options"]["style_widths"]:
        raise ValueError(f"a network of architecture {architecture['name']!r} without style encoder has no such styles")
    network = generator(**architecture["options"]).eval()
    network.load_state_dict(tensors)
    encoder = cast(StyleEncoder, network.style_encoder)
    photos = PictureFolder(folder, "all")
    places = [encoder(pil_to_tensor(photos.read(index))[None].float() / 255) for index in range(len(photos))]
    means, log_variances = (torch.cat(parts) for parts in zip(*places, strict=True))  # N×Z each
    network.draw_from(*pooled_moments(means, log_variances))
    return network.state_dict(), len(photos)


def _illustrated(
    card: Card, tensors: dict[str, Tensor], styles: dict[str, dict[str, str]]
) -> dict[str, dict[str, str]]:
    """The facts about each style of the network with a thumbnail."""
    named = ARCHITECTURES[card.architecture]
    if not issubclass(named, NamedStylizer):
        raise CheckpointError(f"a network of architecture {card.architecture!r} has no named styles to describe")
    network = named(**card.options)
    unknown = sorted(set(styles) - set(network.styles))
    if unknown:
        raise CheckpointError(f"{unknown[0]!r} is described, but the network's styles are {', '.join(network.styles)}")
    network.load_state_dict(tensors)
    network.eval().requires_grad_(False)
    return {name: {**styles.get(name, {}), "thumbnail": to_text(thumbnail(network, name))} for name in network.styles}


def _blended(tensors: dict[str, Tensor], other: str, share: float, card: Card) -> dict[str, Tensor]:
    if not 0 <= share <= 1:
        raise CheckpointError(f"the share of a checkpoint must be between 0 and 1, got {share}")
    network, theirs, _ = load_network(other, architecture=card.architecture)
    if (theirs.options, theirs.encoder) != (card.options, card.encoder):
        raise CheckpointError(f"{other} has other options or another encoder than the run: they cannot be blended")
    state = network.state_dict()
    return {name: torch.lerp(tensor.float(), state[name].float(), share) for name, tensor in tensors.items()}


def _record(path: Path, state: dict[str, Any]) -> dict[str, Any]:
    kept = state.get("callbacks", {}).get(RECORD_KEY, {})
    record = {"steps": state["global_step"], "seed": _seed(path), **kept.get("facts", {}), **state.get("record", {})}
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

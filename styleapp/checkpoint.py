"""Networks as files: fp16 safetensors with JSON metadata, and the manifest of the ones that are shipped."""

import hashlib
import inspect
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from styleapp.data.files import write_whole
from styleapp.models.adain import AdaINStylizer
from styleapp.models.concatenated import ConcatenatedGenerator
from styleapp.models.micro import MicroStylizer
from styleapp.models.multistyle import MultiStyleNetwork, PaperMultiStyleNetwork
from styleapp.models.segmenter import Segmenter
from styleapp.models.spade import SpadeGenerator
from styleapp.models.vgg import EncoderIdentity, load_vgg19

__all__ = [
    "ARCHITECTURES",
    "Card",
    "CheckpointError",
    "architecture_of",
    "enter_in_manifest",
    "find_checkpoint",
    "load_network",
    "manifest",
    "save_network",
]

FORMAT = 1
ENCODER_PREFIX = "encoder."

ARCHITECTURES: dict[str, type[nn.Module]] = {
    "adain": AdaINStylizer,
    "micro": MicroStylizer,
    "multistyle": MultiStyleNetwork,
    "multistyle_paper": PaperMultiStyleNetwork,
    "spade": SpadeGenerator,
    "concatenated": ConcatenatedGenerator,
    "segmenter": Segmenter,
}


def architecture_of(network: nn.Module) -> str:
    """The name of a network's class in :data:`ARCHITECTURES`.

    Raises:
        CheckpointError: it is none of them.
    """
    for name, architecture in ARCHITECTURES.items():
        if type(network) is architecture:
            return name
    raise CheckpointError(f"{type(network).__name__} is none of the architectures {', '.join(ARCHITECTURES)}")


class CheckpointError(ValueError):
    """A checkpoint cannot be found or used; the message names it and says what is needed."""


@dataclass(frozen=True)
class Card:
    """What a checkpoint file says about itself.

    Attributes:
        architecture: name in :data:`ARCHITECTURES`.
        options: of its constructor, without the encoder.
        encoder: the encoder that it was trained with; no other may be used.
        record: how it was trained (data, steps, seed, device, wall time, commit); of a network for masks also their
            label set, under ``labels`` (see :meth:`styleapp.data.labels.LabelSet.record`).
        scores: measured values by name.
        styles: of a network with named styles what is known of each: title, artist, year, licence, thumbnail (see
            :mod:`styleapp.thumbnails`).
    """

    architecture: str
    options: dict[str, Any] = field(default_factory=dict)
    encoder: EncoderIdentity | None = None
    record: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    styles: dict[str, dict[str, str]] = field(default_factory=dict)


def checkpoint_folder() -> Path:
    """``$STYLEAPP_CHECKPOINTS`` if set, else the folder ``checkpoints`` beside the package."""
    return Path(os.environ.get("STYLEAPP_CHECKPOINTS") or Path(__file__).resolve().parent.parent / "checkpoints")


def manifest() -> dict[str, dict[str, Any]]:
    """The shipped checkpoints by name: file, title, sha256, licence; empty where there is no manifest.

    Raises:
        CheckpointError: the manifest is no JSON or of another shape.
    """
    path = checkpoint_folder() / "manifest.json"
    if not path.is_file():
        return {}
    try:
        return {name: {**entry, "file": str(entry["file"])} for name, entry in json.loads(path.read_bytes()).items()}
    except ValueError as error:
        raise CheckpointError(f"{path} is not valid JSON: {error}") from error
    except (AttributeError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} must map each name to an object with the key 'file'") from error


def find_checkpoint(name_or_path: str | Path) -> Path:
    """The file of a name of the manifest, or the path itself.

    Raises:
        CheckpointError: neither exists.
    """
    entry = manifest().get(str(name_or_path))
    path = checkpoint_folder() / entry["file"] if entry else Path(name_or_path)
    if path.is_file():
        return path
    if entry:
        raise CheckpointError(
            f"checkpoint {str(name_or_path)!r} is listed in {checkpoint_folder()}, but {path} is gone"
        )
    known = ", ".join(sorted(manifest())) or "none"
    raise CheckpointError(
        f"checkpoint {str(name_or_path)!r} is neither a file nor one of the names in {checkpoint_folder()} ({known}); "
        "STYLEAPP_CHECKPOINTS names another folder"
    )


def enter_in_manifest(path: Path) -> bool:
    """Lists a file of the checkpoint folder under its stem, or renews its sha256; what else is listed stays.

    Returns:
        Whether the file lies in the checkpoint folder; other files are not listed.
    """
    if path.resolve().parent != checkpoint_folder().resolve():
        return False
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with FileLock(checkpoint_folder() / ".manifest.lock"):  # of two exports at once, neither loses the other's entry
        entries = manifest()
        entries[path.stem] = {"title": path.stem, **entries.get(path.stem, {}), "file": path.name, "sha256": digest}
        text = json.dumps(entries, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
        _write(checkpoint_folder() / "manifest.json", text.encode())
    return True


def save_network(path: str | Path, tensors: Mapping[str, Tensor], card: Card) -> Path:
    """Writes tensors in half precision with their card; the encoder's are left out. All or nothing.

    Raises:
        CheckpointError: the architecture is unknown, a value is not finite, or the file cannot be written.
    """
    if card.architecture not in ARCHITECTURES:
        raise CheckpointError(f"unknown architecture {card.architecture!r}; known are {', '.join(ARCHITECTURES)}")
    target = Path(path)
    kept = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous().cpu()
        for name, tensor in tensors.items()
        if not name.startswith(ENCODER_PREFIX)
    }
    metadata = {"format": str(FORMAT), "card": json.dumps(asdict(card))}
    broken = [name for name, tensor in kept.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise CheckpointError(f"{broken[0]} has values that are not finite in half precision: {target} is not written")
    _write(target, save(kept, metadata=metadata))
    return target


def _write(target: Path, content: bytes) -> None:
    try:
        write_whole(target, content)
    except OSError as error:
        raise CheckpointError(f"{target} cannot be written: {error.strerror or error}") from error


def read_card(path: Path) -> Card:
    """The card of a checkpoint file, without its tensors.

    Raises:
        CheckpointError: the file is damaged, no checkpoint of ours, or of a newer format.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is damaged or not a safetensors file: {error}") from error
    if "card" not in metadata:
        raise CheckpointError(f"{path} is not a StyleApp checkpoint; `styleapp export` writes one from a training run")
    version = metadata.get("format", "")
    if version.isdecimal() and int(version) > FORMAT:
        raise CheckpointError(f"{path} has format {version}; this version reads up to {FORMAT}")
    try:
        stored = json.loads(metadata["card"])
        encoder = EncoderIdentity(**stored["encoder"]) if stored.get("encoder") else None
        return Card(**{**stored, "encoder": encoder})
    except (ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path} has a card that cannot be read: {error}") from error


def load_network(
    name_or_path: str | Path, architecture: str | None = None, encoder: str | None = None
) -> tuple[nn.Module, Card, str]:
    """A network ready for use: evaluation mode, float32, channels-last.

    Args:
        name_or_path: see :func:`find_checkpoint`.
        architecture: refuse any other that is not built on it.
        encoder: where to load the encoder from instead of the source that the card names; it must be the same one.

    Returns:
        The network, its card and the file's sha256.

    Raises:
        CheckpointError: not found, damaged, of another architecture, or made for another encoder.
    """
    path = find_checkpoint(name_or_path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != manifest().get(str(name_or_path), {}).get("sha256", digest):
        raise CheckpointError(f"{path} is not the file that the manifest lists under {str(name_or_path)!r}: damaged?")
    card = read_card(path)
    if card.architecture not in ARCHITECTURES or (architecture and not _built_on(card.architecture, architecture)):
        wanted = architecture or f"one of {', '.join(ARCHITECTURES)}"
        raise CheckpointError(f"{path} holds a network of architecture {card.architecture!r}; {wanted} is needed")
    architecture_class = ARCHITECTURES[card.architecture]
    encoded = "encoder" in inspect.signature(architecture_class).parameters  # built around a VGG-19
    parts = {"encoder": _encoder(path, card, encoder)} if encoded else {}
    with safe_open(path, framework="pt") as file:
        stored = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118 - not a mapping
    try:
        network = architecture_class(**parts, **card.options)
        own = {name: value for name, value in network.state_dict().items() if name.startswith(ENCODER_PREFIX)}
        network.load_state_dict({**stored, **own})
    except (RuntimeError, TypeError) as error:
        reason = " ".join(str(error).split())[:300]  # torch lists every tensor on lines of their own
        raise CheckpointError(f"{path} does not fit the architecture {card.architecture!r}: {reason}") from error
    network = network.to(memory_format=torch.channels_last).eval().requires_grad_(False)
    return network, card, digest


def _built_on(architecture: str, wanted: str) -> bool:
    """Whether one architecture is another, or a variant of it that can do what it does."""
    return issubclass(ARCHITECTURES[architecture], ARCHITECTURES[wanted])


def _encoder(path: Path, card: Card, source: str | None) -> Any:
    if card.encoder is None:
        raise CheckpointError(f"{path} does not say which encoder it was trained with")
    try:
        vgg = load_vgg19(source or card.encoder.source, last="relu4_1")
    except (FileNotFoundError, ValueError) as error:
        raise CheckpointError(f"the encoder of {path}, {card.encoder}, cannot be loaded: {error}") from error
    if vgg.identity is None or vgg.identity.sha256 != card.encoder.sha256:
        raise CheckpointError(f"{path} was trained with {card.encoder} and cannot be used with {vgg.identity}")
    return vgg

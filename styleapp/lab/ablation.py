"""An ablation: one network, switches for its layers and pictures to try them on; and what comes of it."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
import yaml
from PIL import Image, ImageChops
from torch import Tensor

from styleapp.checkpoint import find_checkpoint
from styleapp.lab.benches import Bench, Rendering, open_bench
from styleapp.lab.switches import Change, LayerSwitch, convolutions_of, norm_layers_of, switched_copy
from styleapp.norms import NORMALIZERS
from styleapp.norms.layer import MODULATORS
from styleapp.norms.weights import weight_norm_name

__all__ = ["Ablation", "LayerInfo", "Outcome", "layers_of", "run"]


@dataclass(frozen=True)
class Ablation:
    """Everything that is needed to make the pictures of an ablation again.

    Attributes:
        checkpoint: a name of the manifest, or a file.
        switches: for layers of its network; where several fit a layer, the last one counts.
        photos: of a stylizing network: files, or names of :func:`styleapp.pipelines.samples.sample_photos`. The central
            squares of all of them pass the network as one batch.
        styles: names of the network's styles; or, where it takes pictures, files or names of
            :func:`styleapp.pipelines.samples.sample_styles`. Several are mixed. Of a mask-to-image network one picture
            at most, whose style is painted in.
        weights: one a style, brought to sum 1; equal by default.
        style_pictures: what style distances are measured against, where styles are only names: files, one a style.
        masks: of a mask-to-image network: files, or names of its ready-made label maps. All pass the network as one
            batch, and must then have the same shape.
        seed: draws the style of a mask-to-image network, and the ready-made label maps.
        strength: of the style; 0 to 1.5, of a mask-to-image network to 1.
        size: side of the photos' squares in pixels, longer side of the masks. Scores of different sizes cannot be
            compared.

    Raises:
        ValueError: a number is out of range, or something has the wrong type.
    """

    checkpoint: str
    switches: tuple[LayerSwitch, ...] = ()
    photos: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    style_pictures: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    seed: int = 0
    strength: float = 1.0
    size: int = 256

    def __post_init__(self) -> None:
        for name, kind in LISTS.items():
            object.__setattr__(self, name, _as_tuple(name, getattr(self, name), kind))
        for name in ("seed", "size"):
            if not isinstance(getattr(self, name), int) or isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} must be a whole number, got {getattr(self, name)!r}")
        if not SIZES[0] <= self.size <= SIZES[1]:
            raise ValueError(f"size must be {SIZES[0]} to {SIZES[1]} pixels, got {self.size}")
        if max(len(self.photos), len(self.masks)) > LARGEST_BATCH:
            raise ValueError(f"a batch has at most {LARGEST_BATCH} pictures, got {len(self.photos) or len(self.masks)}")
        for name in ("weights", "style_pictures"):
            if getattr(self, name) and len(getattr(self, name)) != len(self.styles):
                raise ValueError(f"{len(self.styles)} styles but {len(getattr(self, name))} {name}: give one a style")

    def to_yaml(self) -> str:
        """What differs from the defaults, in a form for people; :meth:`from_yaml` reads it."""
        record: dict[str, Any] = {"checkpoint": self.checkpoint}
        record["switches"] = [switch.record() for switch in self.switches]
        for one in fields(self):
            value = getattr(self, one.name)
            if one.name not in record and value != one.default:
                record[one.name] = list(value) if isinstance(value, tuple) else value
        return yaml.safe_dump(record, sort_keys=False, allow_unicode=True)

    @classmethod
    def from_yaml(cls, text: str, name: str = "the configuration") -> "Ablation":
        """The ablation that a text describes.

        Args:
            name: how messages call it.

        Raises:
            ValueError: it is no YAML, has unknown entries or lacks the checkpoint, or see the class.
        """
        try:
            record = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"{name} is not valid YAML: {' '.join(str(error).split())}") from error
        known = _known(record, cls, name)
        if not isinstance(known.get("checkpoint"), str):
            raise ValueError(f"{name} must name a checkpoint")
        switches = known.pop("switches", None) or []
        if not isinstance(switches, list):
            raise ValueError(f"{name}: switches must be a list")
        try:
            made = [
                LayerSwitch(**_known(one, LayerSwitch, f"{name}, switch {n + 1}")) for n, one in enumerate(switches)
            ]
            return cls(**known, switches=tuple(made))
        except TypeError as error:
            raise ValueError(f"{name} has an entry of the wrong kind: {error}") from error

    @classmethod
    def load(cls, path: str | Path) -> "Ablation":
        """Reads a file; files that it names are looked for beside it first.

        Raises:
            ValueError: it cannot be read, or see :meth:`from_yaml`.
        """
        file = Path(path)
        try:
            made = cls.from_yaml(file.read_text(encoding="utf-8"), str(file))
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from error
        pictures = ("photos", "styles", "style_pictures", "masks")
        beside: dict[str, Any] = {
            name: tuple(_beside(file.parent, one) for one in getattr(made, name)) for name in pictures
        }
        return replace(made, checkpoint=_beside(file.parent, made.checkpoint), **beside)


LISTS = {
    "switches": LayerSwitch,
    "photos": str,
    "styles": str,
    "weights": (int, float),
    "style_pictures": str,
    "masks": str,
}
SIZES = (32, 1024)
LARGEST_BATCH = 16


def _as_tuple(name: str, value: Any, kind: Any) -> tuple[Any, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(one, kind) for one in value):
        raise ValueError(f"{name} must be a list of {'numbers' if name == 'weights' else 'names'}, got {value!r}")
    return tuple(value)


def _known(record: Any, kind: type, name: str) -> dict[str, Any]:
    names = [one.name for one in fields(kind)]
    if not isinstance(record, Mapping):
        raise ValueError(f"{name} must have entries {', '.join(names)}")
    unknown = [str(key) for key in record if key not in names]
    if unknown:
        raise ValueError(f"{name} has an unknown entry {unknown[0]!r}; known are {', '.join(names)}")
    return dict(record)


def _beside(folder: Path, name: str) -> str:
    return str(folder / name) if (folder / name).is_file() else name


@dataclass(frozen=True)
class Outcome:
    """What an ablation gives.

    Attributes:
        ablation: what was asked for.
        original, switched: pictures, scores, seconds and statistics of each layer without and with the switches.
        difference: one picture each, the absolute difference of the two.
        change: how far the switched pictures are from the original ones: ``mean_difference``, the mean absolute
            difference of the values (0 to 1); of stylized photos also ``style_distance`` and ``content_distance`` with
            the original picture in the place of style and photo.
        changes: one record a switched layer.
    """

    ablation: Ablation
    original: Rendering
    switched: Rendering
    difference: tuple[Image.Image, ...]
    change: Mapping[str, float]
    changes: tuple[Change, ...]


def run(ablation: Ablation, *, memory: bool = False) -> Outcome:
    """Makes the pictures without and with the switches, and compares them.

    Networks and what was made without switches are kept for the next call with the same pictures. The network itself is
    never changed (see :func:`styleapp.lab.switches.switched_copy`), so several threads may call this at the same time.

    Args:
        memory: also measure the peak of memory; that collects garbage, takes a while and is wrong where other threads
            work.

    Raises:
        ValueError: something in the ablation cannot be used or does not fit together.
    """
    bench = _bench(ablation.checkpoint)
    network, changes = switched_copy(bench.network, ablation.switches)
    inputs, original = _reference(replace(ablation, switches=()), bench, _stamps(ablation), memory)
    switched = bench.render(network, inputs, changes, memory)
    pairs = list(zip(original.pictures, switched.pictures, strict=True))
    return Outcome(
        ablation,
        original,
        switched,
        tuple(ImageChops.difference(one, other) for one, other in pairs),
        bench.change(original, switched),
        changes,
    )


@lru_cache(maxsize=4)
def _reference(plain: Ablation, bench: Bench, stamps: tuple[float, ...], memory: bool) -> tuple[Any, Rendering]:
    """The inputs and what they become without switches."""
    inputs = bench.prepare(plain)
    network, _ = switched_copy(bench.network)
    return inputs, bench.render(network, inputs, memory=memory)


def _stamps(ablation: Ablation) -> tuple[float, ...]:
    """When the pictures were changed last: a new picture may have the name of an old one."""
    names = (*ablation.photos, *ablation.styles, *ablation.style_pictures, *ablation.masks)
    return tuple(os.stat(name).st_mtime if os.path.isfile(name) else 0.0 for name in names)


def _bench(checkpoint: str) -> Bench:
    path = find_checkpoint(checkpoint)
    return _opened(checkpoint, path, path.stat().st_mtime)


@lru_cache(maxsize=4)
def _opened(checkpoint: str, path: Path, changed: float) -> Bench:
    return open_bench(checkpoint)


@dataclass(frozen=True)
class LayerInfo:
    """A layer that a switch can be for.

    Attributes:
        name: its qualified name.
        kind: ``norm``, or ``convolution``.
        shape: number of channels of a norm, shape of a convolution's weight.
        normalizer, modulator: names of a norm's two parts, else ``None``.
        weight_norm: name of a convolution's weight normalization, else ``None``.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    normalizer: str | None = None
    modulator: str | None = None
    weight_norm: str | None = None


def layers_of(checkpoint: str) -> tuple[LayerInfo, ...]:
    """The layers of a checkpoint's network that can be switched: norms in the network's order, then convolutions.

    Raises:
        CheckpointError: see :func:`styleapp.checkpoint.load_network`.
    """
    network = _bench(checkpoint).network
    norms = [
        LayerInfo(
            name,
            "norm",
            (layer.num_features,),
            _key(NORMALIZERS, layer.normalizer),
            _key(MODULATORS, layer.modulator),
        )
        for name, layer in norm_layers_of(network).items()
    ]
    convolutions = [
        LayerInfo(name, "convolution", _weight_shape(conv), weight_norm=weight_norm_name(conv))
        for name, conv in convolutions_of(network).items()
    ]
    return (*norms, *convolutions)


def _weight_shape(conv: torch.nn.Conv2d) -> tuple[int, ...]:
    weight: Tensor = conv.weight
    return tuple(weight.shape)


def _key(table: Mapping[str, type], part: object) -> str:
    return next(name for name, kind in table.items() if kind is type(part))

"""Label maps as people handle them: which networks paint them, where they come from, and files that they can keep."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from styleapp.checkpoint import CheckpointError, find_checkpoint, manifest, read_card
from styleapp.data.labels import IGNORED, LabelSet
from styleapp.data.mask_colours import Numbers, paint_mask
from styleapp.data.masks import read_mask, save_mask
from styleapp.data.synthetic.layouts import layout, layouts_for, random_layout

__all__ = [
    "IGNORED",
    "LabelSet",
    "Numbers",
    "drawn_map",
    "legend",
    "map_picture",
    "read_map",
    "ready_made",
    "resized_map",
    "segmenter_of",
    "stored_map",
    "synthesis_networks",
    "write_map",
]


def synthesis_networks() -> tuple[str, ...]:
    """Names of the manifest's networks that make pictures of label maps, in its order.

    A file that is missing or damaged is left out: what it holds is not known.

    Raises:
        CheckpointError: the manifest cannot be read.
    """
    return tuple(name for name in manifest() if _architecture(name) == "spade")


def segmenter_of(name: str) -> str:
    """The name of the network that makes label maps of photos for a network of :func:`synthesis_networks`."""
    return f"{name}_segmenter"


def _architecture(name: str) -> str | None:
    try:
        return read_card(find_checkpoint(name)).architecture
    except CheckpointError:
        return None


def ready_made(labels: LabelSet) -> tuple[str, ...]:
    """Names of the ready-made maps whose classes a label set has; it may be none."""
    return layouts_for(labels)


def drawn_map(labels: LabelSet, name: str | None, side: int, seed: int = 0) -> Numbers:
    """A square label map that code draws (side×side).

    Args:
        name: one of :func:`ready_made`; without one anything that the label set allows.
        side: at least 32 pixels.
        seed: another one gives another map of the same kind.

    Raises:
        ValueError: see :func:`styleapp.data.synthetic.layouts.layout`.
    """
    if name is None:
        return random_layout(labels, (side, side), seed)
    return layout(name, labels, (side, side), seed)


def read_map(path: str | Path, labels: LabelSet, longest: int) -> Numbers:
    """A label map from a file, numbers or colours (H×W); one that is larger than this is shrunk to it.

    Raises:
        LabelError, PictureError: see :func:`styleapp.data.masks.read_mask`.
    """
    numbers = read_mask(path, labels)
    return resized_map(numbers, longest) if max(numbers.shape) > longest else numbers


def resized_map(numbers: Numbers, longest: int) -> Numbers:
    """A label map with this longer side in pixels; of each pixel the label at its centre."""
    height, width = (max(1, round(side * longest / max(numbers.shape))) for side in numbers.shape)
    return np.array(Image.fromarray(numbers).resize((width, height), Image.Resampling.NEAREST))


def map_picture(numbers: Numbers, labels: LabelSet) -> Image.Image:
    """A label map in its label set's colours."""
    return Image.fromarray(paint_mask(numbers, labels))


def stored_map(numbers: Numbers, labels: LabelSet) -> Numbers:
    """A label map with the number that the label set has for pixels without label, as in files, instead of ours."""
    return np.where(numbers == IGNORED, labels.ignored[0].index, numbers) if labels.ignored else numbers


def write_map(folder: Path, numbers: Numbers, labels: LabelSet, stem: str) -> tuple[Path, Path]:
    """Writes a label map as ``<stem>-mask.png`` (label numbers, with colours for viewers) and its legend as YAML.

    Returns:
        Both files.

    Raises:
        LabelError, PictureError: see :func:`styleapp.data.masks.save_mask`.
    """
    mask = save_mask(folder / f"{stem}-mask.png", numbers, labels)
    return mask, labels.save(folder / f"{stem}-labels.yaml")


def legend(labels: LabelSet) -> list[dict[str, Any]]:
    """The classes with ``index``, ``name`` and ``colour`` (``#rrggbb``).

    Where pixels may be without a label, that is one more entry at the end: index :data:`IGNORED`, no colour.
    """
    entries: list[dict[str, Any]] = [
        {"index": one.index, "name": one.name, "colour": "#" + bytes(one.rgb or ()).hex()} for one in labels.classes
    ]
    unlabelled = [{"index": IGNORED, "name": "no label", "colour": None}] if labels.ignored else []
    return [*entries, *unlabelled]

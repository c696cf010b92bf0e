"""Masks of any kind as label numbers and as one-hot maps."""

import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from styleapp.data.files import write_whole
from styleapp.data.labels import IGNORED, LabelError, LabelSet
from styleapp.data.mask_colours import Numbers, labels_of_colours
from styleapp.data.pictures import PictureError, check_size, open_picture

__all__ = ["one_hot", "read_mask", "save_mask"]

Values = NDArray[Any]

SHOWN = 5
"""Wrong numbers that a message lists."""


def read_mask(source: str | Path | Image.Image | Values, labels: LabelSet, *, name: str | None = None) -> Numbers:
    """A mask as numbers of classes (H×W, uint8), :data:`IGNORED` where a pixel has no label.

    Masks of one channel hold label numbers. Masks of three hold the colours of the label set; of mixed colours, as at
    smoothed edges, each becomes the nearest of those that are found beside it. Where a fourth channel is transparent,
    a pixel has no label. A file with a palette holds colours if all of its colours are the label set's,
    otherwise numbers.

    Args:
        source: a path, an opened picture, or an array: H×W whole numbers, or H×W×3 or H×W×4 of uint8.
        name: how messages call the mask; the path by default.

    Raises:
        LabelError: numbers or colours that the label set does not have (they are listed with counts and, for colours,
            the nearest classes), fractions instead of numbers, no pixel, transparency where nothing may be without
            label.
        PictureError: the file is no picture, damaged or too large.
    """
    label = name or (str(source) if isinstance(source, str | Path) else "the mask")
    values = _values(source, labels, label)
    if values.ndim not in (2, 3) or values.shape[2:] not in ((), (3,), (4,)):
        raise LabelError(f"{label} must be H×W numbers or H×W×3 colours, got {'×'.join(map(str, values.shape))}")
    if values.size == 0:
        raise LabelError(f"{label} has no pixel: it is {values.shape[1]}×{values.shape[0]}")
    if values.dtype.kind not in "uib":
        raise LabelError(f"{label} has values of type {values.dtype}: label numbers and colours are whole numbers")
    if values.ndim == 2:
        return _from_numbers(values, labels, label)
    if values.min() < 0 or values.max() > 255:
        raise LabelError(f"{label} has colours of {values.min()} to {values.max()}: they must be 0 to 255")
    if values.shape[2] == 3:
        return labels_of_colours(values, labels, label)
    return _from_painted_parts(values[..., :3], values[..., 3] < 128, labels, label)


def _values(source: str | Path | Image.Image | Values, labels: LabelSet, label: str) -> Values:
    if isinstance(source, np.ndarray):
        return source[..., 0] if source.ndim == 3 and source.shape[2] == 1 else source
    if isinstance(source, Image.Image):
        return _decoded(source, labels, label)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # the size is checked here
        with open_picture(Path(source), label) as image:
            return _decoded(image, labels, label)


def _decoded(image: Image.Image, labels: LabelSet, label: str) -> Values:
    if 0 not in image.size:
        check_size(image.size, label)
    try:
        image.load()
        numbered = image.mode in ("1", "L", "F") or image.mode.startswith("I")
        if numbered or (image.mode == "P" and not _painted(image, labels)):
            return np.asarray(image)
        return np.asarray(image.convert("RGBA" if image.has_transparency_data else "RGB"))
    except Exception as error:  # Pillow's decoders raise many kinds for damaged files
        raise LabelError(f"{label} is damaged and cannot be decoded: {error}") from error


def _painted(image: Image.Image, labels: LabelSet) -> bool:
    """Whether a picture has no other colours than the label set."""
    used = image.convert("RGB").getcolors() or []  # None if more than 256
    known = {rgb for rgb, _ in labels.palette}
    return bool(used) and all(colour in known for _, colour in used)


def _from_numbers(values: Values, labels: LabelSet, label: str) -> Numbers:
    values = values.astype(np.int64)
    found, counts = np.unique(values, return_counts=True)
    ignored = [entry.index for entry in labels.ignored]
    wrong = [
        f"{number} ({count:,} pixel{'s' if count > 1 else ''})"
        for number, count in zip(found, counts, strict=True)
        if not 0 <= number < len(labels) and number not in ignored
    ]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise LabelError(f"{label} has the label {', '.join(wrong[:SHOWN])}{more}; known are {labels.numbers}")
    return np.where(np.isin(values, ignored), IGNORED, values).astype(np.uint8)


def _from_painted_parts(rgb: Values, transparent: NDArray[np.bool_], labels: LabelSet, label: str) -> Numbers:
    if transparent.any() and not labels.ignored:
        raise LabelError(f"{label} has {transparent.sum():,} transparent pixels; its label set has nothing for these")
    unseen = next((colour for colour, number in labels.palette if number == IGNORED), labels.palette[0][0])
    shown = np.where(transparent[..., None], np.array(unseen), rgb)  # what is hidden may have any colour
    return np.where(transparent, np.uint8(IGNORED), labels_of_colours(shown, labels, label))


def save_mask(path: str | Path, numbers: Numbers, labels: LabelSet) -> Path:
    """Writes a mask as a PNG of label numbers, in full or not at all.

    The file has the label set's colours as its palette: viewers show colours, and :func:`read_mask`, Pillow and
    training read numbers. A folder that is missing is made.

    Args:
        path: ends with ``.png``.
        numbers: H×W, as :func:`read_mask` gives it. A pixel without label gets the number of the set's first ignored
            entry.

    Raises:
        LabelError: a number that is no class, no pixel, or a pixel without label where the set ignores nothing.
        PictureError: the file cannot be written, or is no PNG.
    """
    target = Path(path)
    if target.suffix.lower() != ".png":
        raise PictureError(f"{target}: a mask is a .png file, because no other kind keeps its numbers everywhere")
    if numbers.ndim != 2 or numbers.size == 0:
        raise LabelError(f"{target} cannot hold a mask of {'×'.join(map(str, numbers.shape))}: it must be H×W numbers")
    unlabelled = numbers == IGNORED
    if unlabelled.any() and not labels.ignored:
        raise LabelError(f"{target} has {unlabelled.sum():,} pixels without label; its label set has nothing for these")
    stored = np.where(unlabelled, labels.ignored[0].index if labels.ignored else 0, numbers)
    _from_numbers(stored, labels, str(target))  # refuses what could not be read back
    image = Image.fromarray(stored.astype(np.uint8))
    image.putpalette(_shown_colours(labels).tobytes())
    content = BytesIO()
    image.save(content, "PNG", bits=8, optimize=True)
    try:
        write_whole(target, content.getvalue())
    except OSError as error:
        raise PictureError(f"{target} cannot be written: {error.strerror or error}") from error
    return target


def _shown_colours(labels: LabelSet) -> Numbers:
    """A colour for each number (256×3); what has none gets one that no class has, so that it is not read as a class."""
    taken = {rgb for rgb, _ in labels.palette}
    other = next(grey for grey in range(255, -1, -1) if (grey, grey, grey) not in taken)
    table = np.full((256, 3), other, dtype=np.uint8)
    for entry in (*labels.classes, *labels.ignored):
        if entry.rgb is not None:
            table[entry.index] = entry.rgb
    return table


def one_hot(numbers: Tensor, num_labels: int) -> Tensor:
    """Masks (N×H×W, whole numbers) as maps with one plane a class: N×L×H×W of 0 and 1.

    A pixel without a label is 0 in all planes, and so is any number that is no class.
    """
    planes = torch.arange(num_labels, device=numbers.device).view(-1, 1, 1)  # L×1×1
    return (numbers.unsqueeze(1) == planes).float()  # N×L×H×W

"""Reading pictures of any kind as RGB, and saying in one sentence why a file is none."""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

__all__ = [
    "SUFFIXES",
    "Picture",
    "PictureError",
    "check_size",
    "evenly",
    "held_out",
    "list_pictures",
    "max_pixels",
    "open_picture",
    "read_picture",
]

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"})
DEFAULT_MAX_PIXELS = 80_000_000
LONGEST_ASPECT = 100

Item = TypeVar("Item")


class PictureError(ValueError):
    """A file is not a picture that can be used; the message names the file and what is allowed."""


@dataclass(frozen=True)
class Picture:
    """An upright 8-bit RGB picture and, where the file has transparency, its alpha channel (mode L, same size)."""

    rgb: Image.Image
    alpha: Image.Image | None = None


def max_pixels() -> int:
    """Largest picture that is decoded, in pixels: ``$STYLEAPP_MAX_PIXELS`` or 80 million."""
    text = os.environ.get("STYLEAPP_MAX_PIXELS", str(DEFAULT_MAX_PIXELS))
    if not text.isdecimal() or int(text) == 0:
        raise PictureError(f"STYLEAPP_MAX_PIXELS must be a whole number above 0, got {text!r}")
    return int(text)


def read_picture(source: str | Path | Image.Image, *, name: str | None = None) -> Picture:
    """Decodes a file, or brings an opened image, to upright 8-bit RGB plus alpha.

    EXIF rotation is applied, colour profiles are converted to sRGB, 16-bit is scaled to 8-bit, greyscale, CMYK and
    palettes become RGB, of an animation the first frame is taken, transparency is composited on white.

    Args:
        source: a path or an opened image.
        name: how messages call the picture; the path by default.

    Raises:
        PictureError: not a picture, damaged, empty, larger than :func:`max_pixels` (found before decoding), or more
            than 100 times as long as wide.
    """
    label = name or (str(source) if isinstance(source, str | Path) else "the picture")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")  # what matters of its complaints comes as a PictureError
        if isinstance(source, Image.Image):
            return _decode(source, label)
        with open_picture(Path(source), label) as image:
            return _decode(image, label)


def _decode(image: Image.Image, label: str) -> Picture:
    check_size(image.size, label)
    try:
        image.load()
        upright = ImageOps.exif_transpose(image)
        return _split_alpha(_to_8_bit(_to_srgb(upright)))
    except Exception as error:  # Pillow's decoders raise many kinds for damaged files
        raise PictureError(f"{label} is damaged and cannot be decoded: {error}") from error


def open_picture(path: Path, label: str) -> Image.Image:
    """A picture file that is not decoded yet.

    Args:
        label: how messages call it.

    Raises:
        PictureError: not a picture or empty.
    """
    if not path.exists():
        raise PictureError(f"{label} does not exist")
    if path.is_dir():
        raise PictureError(f"{label} is a folder, not a picture")
    if path.stat().st_size == 0:
        raise PictureError(f"{label} is empty (0 bytes)")
    try:
        return Image.open(path)
    except UnidentifiedImageError as error:
        known = ", ".join(sorted(suffix[1:] for suffix in SUFFIXES))
        raise PictureError(f"{label} is not a picture that can be read; known kinds are {known}") from error
    except Image.DecompressionBombError as error:
        limit = min(max_pixels(), 2 * (Image.MAX_IMAGE_PIXELS or max_pixels()))  # Pillow has its own limit
        raise PictureError(f"{label} is too large: at most {limit:,} pixels are read") from error
    except Exception as error:  # Pillow's decoders raise many kinds for damaged files
        raise PictureError(f"{label} cannot be read: {error}") from error


def check_size(size: tuple[int, int], label: str) -> None:
    """Refuses what is larger than :func:`max_pixels` or more than 100 times as long as wide.

    Raises:
        PictureError: that.
    """
    width, height = size
    if width * height > max_pixels():
        raise PictureError(
            f"{label} is {width}×{height} pixels; at most {max_pixels():,} are read (STYLEAPP_MAX_PIXELS changes this)"
        )
    if max(width, height) > LONGEST_ASPECT * min(width, height):
        raise PictureError(f"{label} is {width}×{height}: more than {LONGEST_ASPECT} times as long as wide")


def _to_srgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if not profile or image.mode not in ("RGB", "RGBA", "CMYK", "L"):
        return image
    if image.mode == "RGB" and "transparency" in image.info:
        image = image.convert("RGBA")  # the conversion below would forget which colour is see-through
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.convert("RGB") if image.mode == "RGBA" else image
    try:
        converted = ImageCms.profileToProfile(
            colours, ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return image  # a broken profile is common and harmless: read the numbers as sRGB
    assert converted is not None
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _to_8_bit(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        return Image.fromarray((np.asarray(image, dtype=np.float64).clip(0, 65535) / 257).round().astype(np.uint8))
    if image.mode == "F":
        values = np.asarray(image, dtype=np.float64)
        scale = 255.0 if np.nanmax(values, initial=0.0) <= 1.0 else 1.0
        return Image.fromarray((np.nan_to_num(values) * scale).clip(0, 255).round().astype(np.uint8))
    return image


def _split_alpha(image: Image.Image) -> Picture:
    if not image.has_transparency_data:
        return Picture(image.convert("RGB"))
    with_alpha = image.convert("RGBA")
    alpha = with_alpha.getchannel("A")
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Picture(Image.alpha_composite(white, with_alpha).convert("RGB"), alpha)


def list_pictures(folder: str | Path) -> list[Path]:
    """All picture files below a folder, sub-folders and upper-case suffixes included, sorted by path.

    Raises:
        PictureError: the folder does not exist or holds no picture.
    """
    root = Path(folder)
    if not root.is_dir():
        raise PictureError(f"{root} is not a folder")
    found = sorted(path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise PictureError(f"{root} holds no picture ({', '.join(sorted(SUFFIXES))}), not even in sub-folders")
    return found


def evenly(items: Sequence[Item], count: int | None) -> list[Item]:
    """``count`` items spread evenly over a list: sorted file names come in families, and the first would be of one."""
    if count is None or count >= len(items):
        return list(items)
    return [items[index * len(items) // count] for index in range(count)]


def held_out(path: str | Path) -> bool:
    """Whether a picture is kept out of every training: one in twenty, decided by its file stem alone."""
    return int(sha1(os.fsencode(Path(path).stem)).hexdigest(), 16) % 20 == 0

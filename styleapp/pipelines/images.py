"""Pictures in and out of the pipelines: any accepted form to tensors, tensors to files that are never half-written."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from styleapp.data.files import replacing
from styleapp.data.pictures import Picture, PictureError, read_picture

__all__ = ["ImageSource", "load_picture", "save_image", "to_image", "to_tensor"]

ImageSource = str | Path | Image.Image | np.ndarray
"""A path, a PIL image, or an array H×W, H×W×3 or H×W×4: uint8, or float in [0, 1]."""

LOSSY_QUALITY = 95
FORMATS = {
    ".png": {"format": "PNG"},
    ".jpg": {"format": "JPEG", "quality": LOSSY_QUALITY, "subsampling": 0},
    ".jpeg": {"format": "JPEG", "quality": LOSSY_QUALITY, "subsampling": 0},
    ".webp": {"format": "WEBP", "quality": LOSSY_QUALITY},
    ".tif": {"format": "TIFF"},
    ".tiff": {"format": "TIFF"},
    ".bmp": {"format": "BMP"},
}
OPAQUE_ONLY = frozenset({".jpg", ".jpeg", ".bmp"})


def load_picture(source: ImageSource, name: str) -> Picture:
    """An upright RGB picture from any accepted form.

    Args:
        source: see :data:`ImageSource`.
        name: what messages call it where there is no path, e.g. ``the photo``.

    Raises:
        PictureError: not a picture, damaged, too large or too thin; see :func:`read_picture`.
    """
    if isinstance(source, str | Path):
        return read_picture(source)
    return read_picture(_from_array(source, name) if isinstance(source, np.ndarray) else source, name=name)


def _from_array(array: np.ndarray, name: str) -> Image.Image:
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)) or array.size == 0:
        raise PictureError(f"{name} is an array of shape {array.shape}; H×W, H×W×3 or H×W×4 is needed")
    if array.dtype == np.uint16:
        array = (array / 257.0).round().astype(np.uint8)
    elif np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all() or array.min() < 0 or array.max() > 1:
            raise PictureError(f"{name} is a float array with values outside [0, 1]")
        array = (array * 255).round().astype(np.uint8)
    elif array.dtype != np.uint8:
        raise PictureError(f"{name} is an array of {array.dtype}; uint8, or float in [0, 1], is needed")
    return Image.fromarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array)


def to_tensor(image: Image.Image) -> Tensor:
    """1×3×H×W (1×1×H×W for mode L), values in [0, 1], channels-last in memory."""
    values = torch.from_numpy(np.array(image)).view(image.height, image.width, -1)  # H×W×C: channels-last as it is
    return values.permute(2, 0, 1)[None].float().div_(255)


def to_image(tensor: Tensor, alpha: Image.Image | None = None) -> Image.Image:
    """An 8-bit RGB image of a 1×3×H×W tensor, clamped to [0, 1]; RGBA if there is an alpha channel."""
    array = tensor[0].mul(255).round_().clamp_(0, 255).to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    image = Image.fromarray(np.ascontiguousarray(array))
    if alpha is not None:
        image.putalpha(alpha if alpha.size == image.size else alpha.resize(image.size))
    return image


def save_image(image: Image.Image, path: str | Path) -> Path:
    """Writes a picture in full or not at all: to a temporary file in the same folder, then renamed.

    JPEG and BMP have no transparency: alpha is composited on white.

    Raises:
        PictureError: the suffix is no known format, or the folder is missing, not writable or full.
    """
    target = Path(path)
    options = FORMATS.get(target.suffix.lower())
    if options is None:
        raise PictureError(
            f"{target}: cannot write {target.suffix or 'a file without suffix'}; use {', '.join(FORMATS)}"
        )
    if target.suffix.lower() in OPAQUE_ONLY:
        image = read_picture(image).rgb
    try:
        with replacing(target) as file:
            image.save(file, **options)  # type: ignore[arg-type]
    except (OSError, ValueError) as error:  # ValueError: larger than the format allows
        raise PictureError(f"{target} cannot be written: {getattr(error, 'strerror', None) or error}") from error
    return target

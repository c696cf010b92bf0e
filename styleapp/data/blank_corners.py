"""Corners of photos that show nothing: what is left in one colour where a photo was straightened."""

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from styleapp.data.labels import IGNORED
from styleapp.data.mask_colours import Numbers

__all__ = ["blank_corners", "without_blank_corners"]

TOLERANCE = 6
"""How far each of red, green and blue may be from that of the corner: what JPEG does to one colour."""

SMALLEST_SHARE = 2e-3
"""A corner of fewer of the picture's pixels is part of what the photo shows."""

FRINGE = 3
"""Pixels beside a blank corner in which JPEG mixes both sides."""

MARGIN = 8
"""A picture's outermost pixels, the blocks of JPEG that may be filled up with something else, are as those inside."""


def blank_corners(photo: Image.Image, brightest: int = 250) -> npt.NDArray[np.bool_]:
    """Where a photo is blank: H×W.

    Args:
        photo: RGB.
        brightest: corners of a brighter colour (mean of red, green and blue, 0 to 255) are taken for a sky.
    """
    pixels = np.asarray(photo).astype(np.int16)  # H×W×3
    found = np.zeros(pixels.shape[:2], dtype=bool)
    for rows in (1, -1):
        for columns in (1, -1):
            found[::rows, ::columns] |= _at_first_corner(pixels[::rows, ::columns], brightest)
    wider = Image.fromarray(found.astype(np.uint8)).filter(ImageFilter.MaxFilter(2 * FRINGE + 1))
    return np.asarray(wider).astype(bool)


def _at_first_corner(pixels: npt.NDArray[np.int16], brightest: int) -> npt.NDArray[np.bool_]:
    """Runs of the corner's colour that begin at either edge, as long as there is one in every row, or column."""
    inner = pixels[MARGIN:, MARGIN:]
    if inner.size == 0 or inner[0, 0].mean() > brightest:
        return np.zeros(pixels.shape[:2], dtype=bool)
    same = (np.abs(inner - inner[0, 0]) <= TOLERANCE).all(2)  # H'×W'
    along_rows = np.logical_and.accumulate(same, axis=1) & np.logical_and.accumulate(same[:, :1], axis=0)
    along_columns = np.logical_and.accumulate(same, axis=0) & np.logical_and.accumulate(same[:1], axis=1)
    corner = along_rows | along_columns
    if corner.mean() < SMALLEST_SHARE:
        return np.zeros(pixels.shape[:2], dtype=bool)
    return np.pad(corner, ((MARGIN, 0), (MARGIN, 0)), mode="edge")  # H×W


def without_blank_corners(photo: Image.Image, mask: Numbers) -> Numbers:
    """The mask without labels where its photo is blank: nothing of a class can be learned there."""
    return np.where(blank_corners(photo), np.uint8(IGNORED), mask)

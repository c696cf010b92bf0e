"""Pictures as cells of 4×4 pixels, for networks that work at a quarter of the resolution."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor
from torch.nn.functional import interpolate, pad

from styleapp.norms import Code

__all__ = ["CELL", "CHANNELS", "folded", "margined", "trimmed", "with_margin"]

CELL = 4
"""Side of a cell in pixels."""

CHANNELS = 3 * CELL**2
"""Values of a cell."""

MARGIN = 2 * CELL


def folded(picture: Tensor) -> Tensor:
    """RGB in [0, 1] (N×3×H×W, sides multiples of 4) as values from −1 to 1 of cells: N×48×H/4×W/4, channels-last.

    The values of a cell are ordered by row, column and colour, not by colour first as in ``pixel_unshuffle``: so a
    channels-last picture is copied in runs of 12 numbers instead of one by one.
    """
    grid = picture.permute(0, 2, 3, 1).unflatten(2, (-1, CELL)).unflatten(1, (-1, CELL))  # N×h×4×w×4×3
    cells = grid.transpose(2, 3).flatten(3)  # N×h×w×48
    return cells.mul(2).sub_(1).permute(0, 3, 1, 2)


def margined(photo: Tensor) -> Tensor:
    """The photo (sides above 8) with 8 mirrored pixels around it: N×3×H+16×W+16.

    A mirrored cell is not the cell of the mirrored photo, so what a network pads inside would be seen as a frame. This
    margin is painted, too, and then cut off.
    """
    return pad(photo, (MARGIN,) * 4, mode="reflect")


def trimmed(picture: Tensor) -> Tensor:
    """A picture without the margin."""
    return picture[..., MARGIN:-MARGIN, MARGIN:-MARGIN]


def with_margin(code: Code | Sequence[Code], size: Sequence[int]) -> Code | list[Code]:
    """Codes for a photo of a size (H, W) with the margin around it: their regions get one, too."""
    if not isinstance(code, Code):
        return [with_margin(one, size) for one in code]  # type: ignore[misc]
    if code.region is None:
        return code
    region = interpolate(code.region, size=tuple(size), mode="bilinear", antialias=True)
    return replace(code, region=pad(region, (MARGIN,) * 4, mode="replicate"))

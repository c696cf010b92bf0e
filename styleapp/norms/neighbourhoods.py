"""A mask as the list of 3×3 neighbourhoods that it has: what is computed for each of them need only be looked up."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["Neighbourhoods", "PaddingMode", "find_neighbourhoods"]

PaddingMode = Literal["zeros", "replicate"]

LARGEST = 2**63
"""What keys must stay below."""


@dataclass(frozen=True)
class Neighbourhoods:
    """The 3×3 labels around the pixels of one mask, each kind once. A 256×256 mask of a facade has some 2,000 of them.

    Attributes:
        taps: U×9, the labels row by row from the top left: 0 to L − 1, L for a pixel without label, L + 1 beyond the
            border; and k·(L + 2) more for the k-th of the nine, so that each has a number of its own.
        places: H×W, which of them each pixel has.
        num_labels: L.
        further: P values of planes that lie beside those of the labels, each the same in the whole picture; ``None``
            is no plane.
        padding_mode: ``"zeros"`` if there is nothing beyond the border, ``"replicate"`` if the labels go on there.
    """

    taps: Tensor
    places: Tensor
    num_labels: int
    further: Tensor | None = None
    padding_mode: PaddingMode = "zeros"

    @property
    def planes(self) -> int:
        """L + P: how many planes a map of this would have."""
        return self.num_labels + (0 if self.further is None else len(self.further))


def find_neighbourhoods(
    mask: Tensor, num_labels: int, further: Tensor | None = None, padding_mode: PaddingMode = "zeros"
) -> Neighbourhoods:
    """The neighbourhoods of a mask.

    Args:
        mask: H×W whole numbers; those that are not 0 to L − 1 are no label.
        num_labels: L.
        further, padding_mode: see :class:`Neighbourhoods`.

    Raises:
        ValueError: the mask has another shape, no pixel, or fractions.
    """
    if mask.dim() != 2 or mask.is_floating_point() or mask.numel() == 0:
        raise ValueError(f"a mask must be H×W whole numbers, got {tuple(mask.shape)} {mask.dtype}")
    kinds = num_labels + 2
    numbers = mask.long()
    numbers = torch.where((numbers >= 0) & (numbers < num_labels), numbers, num_labels)  # H×W
    framed = FRAMES[padding_mode](numbers, num_labels + 1)  # (H+2)×(W+2)
    found, places = torch.unique(_keys(framed, kinds), return_inverse=True)  # U and H×W
    height, width = mask.shape
    pixels = torch.arange(height * width, device=mask.device)
    examples = pixels.new_empty(len(found)).scatter_(0, places.flatten(), pixels)  # U, a pixel that has it
    corners = examples // width * (width + 2) + examples % width  # U, places in the framed mask
    nine = torch.arange(9, device=mask.device)
    steps = nine // 3 * (width + 2) + nine % 3
    labels = framed.flatten()[corners[:, None] + steps]  # U×9
    return Neighbourhoods(labels + nine * kinds, places, num_labels, further, padding_mode)


def _framed_by(numbers: Tensor, beyond: int) -> Tensor:
    return pad(numbers, (1, 1, 1, 1), value=beyond)


def _continued(numbers: Tensor, beyond: int) -> Tensor:
    rows, columns = (torch.arange(-1, side + 1).clamp(0, side - 1) for side in numbers.shape)
    return numbers[rows[:, None], columns]  # torch's padding replicates no whole numbers


FRAMES: dict[PaddingMode, Callable[[Tensor, int], Tensor]] = {"zeros": _framed_by, "replicate": _continued}
"""One pixel more on each side of a mask (H×W): a number that stands for nothing, or the nearest label."""


def _keys(framed: Tensor, kinds: int) -> Tensor:
    """A number for each pixel (H×W) that two pixels share if their neighbourhoods are the same, and only then."""
    rows = (framed[:, :-2] * kinds + framed[:, 1:-1]) * kinds + framed[:, 2:]  # (H+2)×W
    upper = rows[:-2] * kinds**3 + rows[1:-1]  # H×W
    if kinds**9 >= LARGEST:
        upper = torch.unique(upper, return_inverse=True)[1]
    return upper * kinds**3 + rows[2:]

"""Sides of label maps: continued to what a generator can halve, and shrunken."""

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["continued", "padded_map", "shrunk"]


def padded_map(label_map: Tensor, stride: int) -> Tensor:
    """Continued to the right and below, so that the sides are multiples of the stride, and two of it at least."""
    more = [larger - side for larger, side in zip(_sides(label_map, stride), label_map.shape[-2:], strict=True)]
    return pad(label_map, (0, more[1], 0, more[0]), mode="replicate") if any(more) else label_map


def continued(mask: Tensor, stride: int) -> Tensor:
    """:func:`padded_map` for numbers (H×W), which torch's padding does not replicate."""
    rows, columns = (
        torch.arange(larger).clamp_max(side - 1) for larger, side in zip(_sides(mask, stride), mask.shape, strict=True)
    )
    return mask[rows[:, None], columns]  # H'×W'


def _sides(label_map: Tensor, stride: int) -> list[int]:
    """Height and width from which on nothing need be continued."""
    return [max(2, -(-side // stride)) * stride for side in label_map.shape[-2:]]


def shrunk(mask: Tensor, halvings: int) -> Tensor:
    """Of each square of pixels the one behind its centre, as ``nearest-exact`` takes it."""
    step = 2**halvings
    return mask[step // 2 :: step, step // 2 :: step]  # h×w

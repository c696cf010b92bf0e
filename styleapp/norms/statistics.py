"""Means and deviations of feature maps: what a normalizer removes and what a style is made of."""

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Moments", "mean_deviation"]


class Moments(NamedTuple):
    """Mean and biased standard deviation of each channel, both N×C×1×1."""

    mean: Tensor
    deviation: Tensor


def mean_deviation(features: Tensor, region: Tensor | None = None, eps: float = 0.0) -> Moments:
    """Mean and deviation over height and width, √(biased variance + eps), computed in float32 or wider.

    Args:
        features: N×C×H×W.
        region: N×1×H×W or 1×1×H×W weights ≥ 0; statistics are taken where they are large. ``None`` is everywhere.
        eps: added to the variance, inside the root.

    Raises:
        ValueError: the region has no weight at all.
    """
    x = features if features.dtype in (torch.float32, torch.float64) else features.float()
    if region is None:
        variance, mean = torch.var_mean(x, dim=(2, 3), keepdim=True, correction=0)  # N×C×1×1
        return Moments(mean, (variance + eps).sqrt())
    total = region.sum(dim=(2, 3), keepdim=True)  # N×1×1×1
    if bool((total <= 0).any()):
        raise ValueError("the region is empty: its weights sum to 0")
    weight = region / total
    mean = (x * weight).sum(dim=(2, 3), keepdim=True)  # N×C×1×1
    variance = ((x - mean).square() * weight).sum(dim=(2, 3), keepdim=True)
    return Moments(mean, (variance + eps).sqrt())

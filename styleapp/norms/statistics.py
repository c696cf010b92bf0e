"""Means and deviations: what a normalizer removes and what a style is made of.

Every function takes the axes that it averages over and, for statistics inside a region, weights that broadcast against
the features. All compute in float32 or wider and give float32 or wider, also under autocast.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import log, pi, sqrt
from typing import Literal, NamedTuple

import torch
from torch import Tensor

__all__ = [
    "L1_CONSTANT",
    "Moments",
    "calibrated_constant",
    "l1_moments",
    "mean_deviation",
    "paper_constant",
    "quadratic_mean",
    "topk_moments",
    "wide",
]

L1_CONSTANT = sqrt(pi / 2)
"""Standard deviation over mean absolute deviation of normally distributed values."""

PLANE = (2, 3)
"""Height and width of N×C×H×W."""


class Moments(NamedTuple):
    """Mean and deviation, shaped like the features with the averaged axes of size 1: N×C×1×1 of an instance."""

    mean: Tensor
    deviation: Tensor


def wide(x: Tensor) -> Tensor:
    """``x`` in float32 or wider: sums of squares of half-precision values overflow or lose what they are for."""
    return x if x.dtype in (torch.float32, torch.float64) else x.float()


def mean_deviation(
    features: Tensor,
    region: Tensor | None = None,
    eps: float = 0.0,
    *,
    dim: Sequence[int] = PLANE,
    unbiased: bool = False,
) -> Moments:
    """Mean and L2 deviation √(variance + eps), by Welford's update: exact also where the mean is large.

    Args:
        features: any shape.
        region: weights ≥ 0 that broadcast against the features; statistics are taken where they are large.
        eps: added to the variance, inside the root.
        dim: axes that are averaged over.
        unbiased: divide by n − 1 instead of n; without a region only.

    Raises:
        ValueError: the region has no weight at all, or is given together with ``unbiased``.
    """
    x = wide(features)
    if region is None:
        if eps == 0:  # the gradient of a root at 0 is infinite, that of torch's deviation is 0
            deviation, mean = torch.std_mean(x, dim=tuple(dim), keepdim=True, correction=int(unbiased))
            return Moments(mean, deviation)
        variance, mean = torch.var_mean(x, dim=tuple(dim), keepdim=True, correction=int(unbiased))
        return Moments(mean, (variance + eps).sqrt())
    if unbiased:
        raise ValueError("an unbiased deviation inside a region is not defined: weights have no count")
    share = _shares(region, x, dim)
    mean = (x * share).sum(dim=tuple(dim), keepdim=True)
    variance = ((x - mean).square() * share).sum(dim=tuple(dim), keepdim=True)
    return Moments(mean, (variance + eps).sqrt())


def l1_moments(features: Tensor, region: Tensor | None = None, *, dim: Sequence[int] = PLANE) -> Moments:
    """Mean and √(π/2) · mean absolute deviation, which is the standard deviation of normal values.

    Hoffer et al., *Norm Matters*, NeurIPS 2018, section 4.
    """
    x = wide(features)
    if region is None:
        mean = x.mean(dim=tuple(dim), keepdim=True)
        return Moments(mean, L1_CONSTANT * (x - mean).abs().mean(dim=tuple(dim), keepdim=True))
    share = _shares(region, x, dim)
    mean = (x * share).sum(dim=tuple(dim), keepdim=True)
    return Moments(mean, L1_CONSTANT * ((x - mean).abs() * share).sum(dim=tuple(dim), keepdim=True))


def topk_moments(
    features: Tensor,
    k: int,
    constant: Literal["paper", "calibrated"] = "paper",
    region: Tensor | None = None,
    *,
    dim: Sequence[int] = PLANE,
) -> Moments:
    """Mean, and constant(n) · mean of the k largest absolute deviations; k = 1 is L∞.

    Inside a region a deviation counts by its weight as a share of the largest one, and n is the sum of these shares.

    Args:
        k: how many, reduced to n where there are fewer.
        constant: :func:`paper_constant`, or :func:`calibrated_constant`, which gives normal values deviation 1.

    Raises:
        ValueError: ``k`` is below 1, a statistic without a region has fewer than 2 values, or a region has no weight.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    x, axes = wide(features), tuple(dim)
    count = _count(x, dim)
    if region is None:
        mean = x.mean(dim=axes, keepdim=True)
        spread = (x - mean).abs()
    else:
        mean = (x * _shares(region, x, dim)).sum(dim=axes, keepdim=True)
        weight = (region / region.amax(dim=axes, keepdim=True)).expand_as(x)
        spread = (x - mean).abs() * weight
        count = int(weight.sum(dim=axes).min())
        if count < 2:  # a region of one place: nothing deviates from its mean
            return Moments(mean, torch.zeros_like(mean))
    if count < 2:
        raise ValueError(f"a top-k deviation needs at least 2 values, got {count}")
    largest = _flat(spread, axes).topk(min(k, count), dim=-1).values.mean(-1)
    factor = paper_constant(count) if constant == "paper" else calibrated_constant(count, min(k, count))
    return Moments(mean, factor * largest.view_as(mean))


def quadratic_mean(
    features: Tensor, region: Tensor | None = None, eps: float = 0.0, *, dim: Sequence[int] = PLANE
) -> Tensor:
    """√(mean of squares + eps): a deviation from 0 instead of from the mean."""
    x = wide(features)
    if region is None:
        return (x.square().mean(dim=tuple(dim), keepdim=True) + eps).sqrt()
    return ((x.square() * _shares(region, x, dim)).sum(dim=tuple(dim), keepdim=True) + eps).sqrt()


def paper_constant(count: int) -> float:
    """(1 + √(π ln 4)) / √(8 ln n), the constant of L∞ and top-k in Hoffer et al., section 4.

    Note:
        The mean of the reciprocals of two bounds of E[max |z|]. Normal values come out with a deviation of about 0.7
        for k = 1; :func:`calibrated_constant` has the exact expectation.
    """
    return (1 + sqrt(pi * log(4))) / sqrt(8 * log(count))


@lru_cache(maxsize=256)
def calibrated_constant(count: int, k: int = 1) -> float:
    """1 / E[mean of the k largest |z|] of ``count`` independent standard normal values.

    Σⱼ≤ₖ P(the j-th largest > t) = E[min(k, B)] with B the binomial number of values above t; its integral over t,
    by the trapezoidal rule, is the expected sum of the k largest.
    """
    t = torch.linspace(0, 12, 6001, dtype=torch.float64)
    above = torch.special.erfc(t / sqrt(2)).clamp(1e-300, 1 - 1e-16).unsqueeze(1)  # T×1
    below = torch.special.erf(t / sqrt(2)).clamp_min(1e-300).unsqueeze(1)
    j = torch.arange(k, dtype=torch.float64).unsqueeze(0)  # 1×K
    n = torch.tensor(float(count), dtype=torch.float64)
    ways = torch.lgamma(n + 1) - torch.lgamma(j + 1) - torch.lgamma(n - j + 1)
    probability = (ways + j * above.log() + (n - j) * below.log()).exp()  # T×K of P(B = j)
    expected = k - ((k - j) * probability).sum(dim=1)
    return k / float(torch.trapezoid(expected, t))


def _shares(region: Tensor, x: Tensor, dim: Sequence[int]) -> Tensor:
    """The region's weights brought to sum 1 over the averaged axes."""
    full = torch.broadcast_to(region, torch.broadcast_shapes(region.shape, tuple(_kept(x, dim))))
    total = full.sum(dim=tuple(dim), keepdim=True)
    if bool((total <= 0).any()):
        raise ValueError("the region is empty: its weights sum to 0")
    return region / total


def _kept(x: Tensor, dim: Sequence[int]) -> list[int]:
    """Sizes of the averaged axes, 1 elsewhere."""
    averaged = {axis % x.dim() for axis in dim}
    return [size if axis in averaged else 1 for axis, size in enumerate(x.shape)]


def _count(x: Tensor, dim: Sequence[int]) -> int:
    count = 1
    for axis in dim:
        count *= x.shape[axis]
    return count


def _flat(x: Tensor, dim: tuple[int, ...]) -> Tensor:
    """The averaged axes as one last axis."""
    kept = [axis for axis in range(x.dim()) if axis not in {axis % x.dim() for axis in dim}]
    return x.permute(*kept, *dim).flatten(len(kept))

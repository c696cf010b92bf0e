"""Adaptive instance normalization (Huang & Belongie, ICCV 2017, section 5, equation 8)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from styleapp.norms.statistics import Moments, mean_deviation

__all__ = ["AdaptiveInstanceNorm", "StyleCode", "adaptive_instance_norm", "blend_codes", "style_code", "weight_shares"]

CONTENT_EPS = 1e-5


@dataclass(frozen=True)
class StyleCode:
    """What a style gives to a feature map: scale γ and shift β, and where.

    Attributes:
        gamma: N×C×1×1 or N×C×H×W, the style's deviations.
        beta: the same shape, the style's means.
        region: N×1×H×W weights of the part of the picture that this code is for; any size, resized to the features.
            ``None`` is the whole picture.
    """

    gamma: Tensor
    beta: Tensor
    region: Tensor | None = None


def style_code(features: Tensor) -> StyleCode:
    """The code of a style picture: biased deviation without ε, and mean, of its features (N×C×H×W)."""
    moments = mean_deviation(features)
    return StyleCode(gamma=moments.deviation, beta=moments.mean)


def blend_codes(codes: Sequence[StyleCode], weights: Sequence[float]) -> StyleCode:
    """Weighted mean of codes. Σ wₖ·AdaIN(c, sₖ) equals AdaIN with the blended code, so one decoding serves a mixture.

    Args:
        codes: of the same shape, without regions.
        weights: one a code, ≥ 0, not all 0; brought to sum 1.

    Raises:
        ValueError: numbers differ, or see :func:`weight_shares`.
    """
    if len(codes) != len(weights):
        raise ValueError(f"{len(codes)} styles but {len(weights)} weights: give one weight a style")
    shares = weight_shares(weights)
    gamma = torch.stack([code.gamma * share for code, share in zip(codes, shares, strict=True)]).sum(0)
    beta = torch.stack([code.beta * share for code, share in zip(codes, shares, strict=True)]).sum(0)
    return StyleCode(gamma, beta)


def weight_shares(weights: Sequence[float]) -> list[float]:
    """Weights brought to sum 1.

    Raises:
        ValueError: a weight is negative or not finite, or all are 0.
    """
    total = float(sum(weights))
    if not all(0 <= weight < float("inf") for weight in weights) or total == float("inf"):
        raise ValueError(f"style weights must be finite and at least 0, got {list(weights)}")
    if total <= 0:
        raise ValueError(f"style weights sum to 0, got {list(weights)}: at least one must be above 0")
    return [weight / total for weight in weights]


def adaptive_instance_norm(content: Tensor, codes: StyleCode | Sequence[StyleCode]) -> Tensor:
    """Gives the content features the style's mean and deviation: γ·(c − μ_c)/√(σ_c² + 1e-5) + β.

    With regions, each code normalizes and restyles its own part: content statistics are taken *inside* the region (as
    the authors' code does) and the results are added with the regions as weights. Where regions overlap to more than
    1 they are scaled down to 1; what no region covers keeps the content's features.

    Args:
        content: N×C×H×W.
        codes: one code, or several that each have a region.

    Raises:
        ValueError: one of several codes has no region.

    Note:
        The deviations are biased, and ε stands on the content side only: the authors' Torch7 layer
        (``stats="lua"``), not the widespread PyTorch port, which is unbiased with ε on both sides.
    """
    if isinstance(codes, StyleCode) and codes.region is None:
        return _restyle(content, mean_deviation(content, eps=CONTENT_EPS), codes)
    parts = [codes] if isinstance(codes, StyleCode) else list(codes)
    regions = _fitted_regions(parts, content.shape[-2:])  # K of N×1×H×W
    result = content * (1 - torch.stack(regions).sum(0))
    for code, region in zip(parts, regions, strict=True):
        if bool((region > 0).any()):  # a region smaller than one cell of the feature map changes nothing
            moments = mean_deviation(content, region, eps=CONTENT_EPS)
            result = result + region * _restyle(content, moments, code)
    return result


def _restyle(content: Tensor, moments: Moments, code: StyleCode) -> Tensor:
    scale = code.gamma / moments.deviation  # N×C×1×1
    return torch.addcmul(code.beta, content - moments.mean, scale)  # centred first: β survives a huge scale


def _fitted_regions(codes: Sequence[StyleCode], size: torch.Size) -> list[Tensor]:
    regions = []
    for code in codes:
        if code.region is None:
            raise ValueError("each of several style codes needs a region; blend_codes mixes them everywhere instead")
        regions.append(interpolate(code.region.float(), size=tuple(size), mode="area"))
    excess = torch.stack(regions).sum(0).clamp_min(1)
    return [region / excess for region in regions]


class AdaptiveInstanceNorm(nn.Module):
    """Module form of :func:`adaptive_instance_norm`; it has no parameters and no state."""

    def forward(self, content: Tensor, codes: StyleCode | Sequence[StyleCode]) -> Tensor:
        return adaptive_instance_norm(content, codes)  # N×C×H×W

"""What a modulator gives back to normalized features: scales and shifts, and the part of the picture they are for."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate

__all__ = ["Code", "blend_codes", "fitted_regions", "join_codes", "split_code", "weight_shares"]


@dataclass(frozen=True)
class Code:
    """Scale γ and shift β of normalized features, and where they hold.

    Attributes:
        gamma: N×C×1×1 or 1×C×1×1 for the whole picture, N×C×H×W where it varies over the picture.
        beta: the same shape.
        region: N×1×H×W weights of the part of the picture that this code is for; any size, resized to the features.
            ``None`` is the whole picture.
    """

    gamma: Tensor
    beta: Tensor
    region: Tensor | None = None


def blend_codes(codes: Sequence[Code], weights: Sequence[float]) -> Code:
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
    return Code(gamma, beta)


def join_codes(codes: Sequence[Code]) -> Code:
    """Codes of several layers, one behind the other along the channels, so that they can be kept and mixed as one."""
    return Code(torch.cat([code.gamma for code in codes], dim=1), torch.cat([code.beta for code in codes], dim=1))


def split_code(code: Code | Sequence[Code], widths: Sequence[int]) -> list[Code | list[Code]]:
    """The codes of several layers out of one joined code, or out of several joined codes with regions.

    Args:
        widths: channels of each layer, in order.

    Raises:
        ValueError: the code has another number of channels.
    """
    if not isinstance(code, Code):
        return [list(parts) for parts in zip(*(split_code(one, widths) for one in code), strict=True)]
    if code.gamma.shape[1] != sum(widths):
        raise ValueError(f"a code for layers of {list(widths)} channels has {sum(widths)}, got {code.gamma.shape[1]}")
    pairs = zip(code.gamma.split(list(widths), dim=1), code.beta.split(list(widths), dim=1), strict=True)
    return [Code(gamma, beta, code.region) for gamma, beta in pairs]


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


def fitted_regions(codes: Sequence[Code], size: Sequence[int]) -> list[Tensor]:
    """The regions of codes at the size of the features (H, W), scaled down where they overlap to more than 1.

    Raises:
        ValueError: one of the codes has no region.
    """
    regions = []
    for code in codes:
        if code.region is None:
            raise ValueError("each of several style codes needs a region; blend_codes mixes them everywhere instead")
        regions.append(interpolate(code.region.float(), size=tuple(size), mode="area"))
    excess = torch.stack(regions).sum(0).clamp_min(1)
    return [region / excess for region in regions]  # K of N×1×H×W

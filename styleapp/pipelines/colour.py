"""Whose colours a stylized picture has: the style's or the photo's, in four ways."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from kornia.color import lab_to_rgb, rgb_to_lab
from kornia.contrib import histogram_matching
from torch import Tensor

__all__ = ["COLOURS", "ColourMode", "keep_luminance_only", "match_covariance", "match_histogram"]

RIDGE = 1e-4  # of the variances, which are at most 0.25: keeps one-colour pictures invertible


@dataclass(frozen=True)
class ColourMode:
    """What is done to the style picture before, and to the result after the network.

    Attributes:
        title: one line for people.
        prepare: (style, photo) → style.
        finish: (result, photo) → result.
    """

    title: str
    prepare: Callable[[Tensor, Tensor], Tensor] | None = None
    finish: Callable[[Tensor, Tensor], Tensor] | None = None


def match_covariance(picture: Tensor, reference: Tensor) -> Tensor:
    """Gives a picture the mean and covariance of the reference's colours (linear, by symmetric square roots).

    Args:
        picture, reference: 1×3×H×W, RGB in [0, 1]; sizes may differ.

    Note:
        The AdaIN authors' code uses sums instead of means, which rescales the result where the pixel counts differ.
    """
    mean, covariance = _colour_moments(picture)
    target_mean, target_covariance = _colour_moments(reference)
    transform = _power(target_covariance, 0.5) @ _power(covariance, -0.5)  # 3×3
    centred = picture.flatten(2)[0].double() - mean  # 3×P
    recoloured = transform @ centred + target_mean
    return recoloured.view(picture.shape[1:])[None].clamp(0, 1).to(picture.dtype)


def _colour_moments(picture: Tensor) -> tuple[Tensor, Tensor]:
    pixels = picture.flatten(2)[0].double()  # 3×P
    covariance = torch.cov(pixels) if pixels.shape[1] > 1 else pixels.new_zeros(3, 3)
    return pixels.mean(1, keepdim=True), covariance + RIDGE * torch.eye(3, dtype=torch.float64, device=picture.device)


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp_min(RIDGE / 2).pow(exponent)) @ vectors.T


def keep_luminance_only(result: Tensor, photo: Tensor) -> Tensor:
    """The result's lightness (CIE L) with the photo's a and b; both 1×3×H×W, RGB in [0, 1]."""
    lightness = rgb_to_lab(result.clamp(0, 1))[:, :1]
    return lab_to_rgb(torch.cat([lightness, rgb_to_lab(photo)[:, 1:]], dim=1))


def match_histogram(result: Tensor, photo: Tensor) -> Tensor:
    """Gives each channel of the result the histogram that it has in the photo; both 1×3×H×W, RGB in [0, 1]."""
    channels = [
        histogram_matching(
            result[:, index : index + 1].clamp(0, 1).contiguous(), photo[:, index : index + 1].contiguous()
        )
        for index in range(3)
    ]
    return torch.cat(channels, dim=1)


COLOURS = {
    "style": ColourMode("the style's colours"),
    "luminance": ColourMode("the photo's colours, the style's light and dark", finish=keep_luminance_only),
    "match": ColourMode("the style repainted in the photo's palette first", prepare=match_covariance),
    "histogram": ColourMode("the result in exactly the photo's range of colours", finish=match_histogram),
}

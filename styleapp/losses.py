"""What training minimizes: pure functions of features and moments, so that each can be checked by hand."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss, normalize

from styleapp.norms.statistics import Moments, mean_deviation

__all__ = ["content_loss", "contrastive_loss", "feature_loss", "gram_loss", "gram_matrix", "style_loss"]


def content_loss(output: Tensor, photo: Tensor, eps: float = 1e-5) -> Tensor:
    """Mean squared difference of two feature maps, each channel first brought to mean 0 and deviation 1.

    Args:
        output, photo: N×C×H×W features of one tap.
        eps: added to the variances; above the score's 1e-5 it keeps nearly silent channels from giving huge gradients.

    Note:
        The paper compares the output's features with the AdaIN target t. Normalized by its own statistics, t *is* the
        normalized photo: this is the same comparison with all channels weighing alike, statistics being left to
        :func:`style_loss`.
    """
    return mse_loss(_standardized(output, eps), _standardized(photo, eps))


def _standardized(features: Tensor, eps: float) -> Tensor:
    moments = mean_deviation(features, eps=eps)
    return (features - moments.mean) / moments.deviation


def style_loss(output: Sequence[Moments], style: Sequence[Moments]) -> Tensor:
    """Mean over taps of (‖Δμ‖² + ‖Δσ‖²) / (‖μ_style‖² + ‖σ_style‖²), norms taken over the channels.

    Args:
        output, style: one :class:`Moments` a tap, each N×C×1×1; the same number of taps.

    Returns:
        One number, the mean over the batch.

    Note:
        The paper adds absolute squared differences, so deep taps with large features count most and bright, busy
        styles more than quiet ones. Relative differences give every tap and every style the same say.
    """
    distances = [_relative_distance(ours, theirs) for ours, theirs in zip(output, style, strict=True)]
    return sum(distances[1:], start=distances[0]).mean() / len(distances)


def _relative_distance(output: Moments, style: Moments) -> Tensor:
    difference = (output.mean - style.mean).square() + (output.deviation - style.deviation).square()  # N×C×1×1
    size = style.mean.square() + style.deviation.square()
    return difference.sum(dim=(1, 2, 3)) / size.sum(dim=(1, 2, 3))  # N


def feature_loss(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference as a share of the target's mean square, e.g. of a photo and its reconstruction."""
    return mse_loss(output, target) / target.square().mean()


def contrastive_loss(output: Tensor, style: Tensor, temperature: float = 0.2) -> Tensor:
    """How hard it is to tell from its signal which style of the batch an output has: cross-entropy over cosines.

    0 where each output is much nearer to its own style than to the others; log N where all look alike.

    Args:
        output, style: N×L signals; row i of both belongs together.
        temperature: cosines are divided by it.

    Note:
        After the style signal contrastive loss of MicroAST (Wang et al., AAAI 2023, section 3.3), which compares by
        Euclidean distances and keeps the own style out of the sum; cross-entropy is the usual form (InfoNCE).
    """
    cosines = normalize(output, dim=1) @ normalize(style, dim=1).T  # N×N
    return cross_entropy(cosines / temperature, torch.arange(len(output), device=output.device))


def gram_matrix(features: Tensor) -> Tensor:
    """Mean products of all pairs of channels over height and width: N×C×C of N×C×H×W (Gatys et al., CVPR 2016)."""
    flat = features.flatten(2)  # N×C×P
    return flat @ flat.transpose(1, 2) / flat.shape[2]


def gram_loss(output: Sequence[Tensor], style: Sequence[Tensor]) -> Tensor:
    """Mean over taps of ‖G_output − G_style‖² / ‖G_style‖².

    Args:
        output, style: one Gram matrix a tap (N×C×C); the same number of taps.

    Returns:
        One number, the mean over the batch.

    Note:
        Dumoulin et al. compare absolutely, with a weight for each style to make up for it; here the size of a style's
        own Gram matrix is that weight.
    """
    pairs = zip(output, style, strict=True)
    shares = [(ours - theirs).square().sum((1, 2)) / theirs.square().sum((1, 2)) for ours, theirs in pairs]
    return torch.stack(shares).mean()

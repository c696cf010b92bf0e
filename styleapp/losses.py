"""What training minimizes: pure functions of features and moments, so that each can be checked by hand."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, l1_loss, mse_loss, normalize, relu

from styleapp.norms.statistics import Moments, mean_deviation

__all__ = [
    "PERCEPTUAL_WEIGHTS",
    "content_loss",
    "contrastive_loss",
    "discriminator_loss",
    "feature_loss",
    "feature_matching_loss",
    "generator_loss",
    "gradient_penalty",
    "gram_loss",
    "gram_matrix",
    "kl_divergence",
    "perceptual_loss",
    "segmentation_loss",
    "style_loss",
]

PERCEPTUAL_WEIGHTS = {"relu1_1": 0.1, "relu2_1": 0.2, "relu3_1": 0.4, "relu4_1": 1.0}
"""How much each tap of VGG-19 says in :func:`perceptual_loss` of generated pictures."""


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


def generator_loss(fake: Sequence[Tensor]) -> Tensor:
    """−mean of the logits of generated pictures, averaged over the discriminators: the generator's side of the hinge.

    Park et al., CVPR 2019, section 3, after Lim & Ye, *Geometric GAN*, 2017.

    Args:
        fake: logits, one tensor of any shape a discriminator; high for what looks like a photo.
    """
    return torch.stack([-logits.mean() for logits in fake]).mean()


def discriminator_loss(real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """Mean of max(0, 1 − logit) over photos plus mean of max(0, 1 + logit) over generated pictures: the other side.

    It is averaged over the discriminators; 2 where all say 0, 0 where photos have at least 1 and the others at most −1.

    Args:
        real, fake: logits, one tensor of any shape a discriminator, as many of both.
    """
    margins = [relu(1 - photo).mean() + relu(1 + made).mean() for photo, made in zip(real, fake, strict=True)]
    return torch.stack(margins).mean()


def gradient_penalty(real: Sequence[Tensor], photo: Tensor) -> Tensor:
    """½ ‖∂D/∂photo‖², mean over the batch, with D the mean of all logits of a photo: R1, which smooths discriminators.

    Mescheder et al., *Which Training Methods for GANs do actually Converge?*, ICML 2018, equation 9.

    Args:
        real: logits of the photos, N×1×h×w for each discriminator.
        photo: N×3×H×W, a leaf that the logits were computed from with a gradient.

    Note:
        There D is one number a picture. A mean over P patches has slopes about √P times smaller than one patch's, so
        weights that suit this penalty are larger than those in papers (1 to 10).
    """
    judged = torch.stack([logits.mean((1, 2, 3)) for logits in real]).mean(0)  # N
    (slope,) = torch.autograd.grad(judged.sum(), photo, create_graph=True)  # N×3×H×W
    return slope.square().sum((1, 2, 3)).mean() / 2


def feature_matching_loss(fake: Sequence[Sequence[Tensor]], real: Sequence[Sequence[Tensor]]) -> Tensor:
    """Mean absolute difference of a discriminator's inner features, summed over its layers, averaged over all of them.

    Wang et al., *High-Resolution Image Synthesis* (pix2pixHD), CVPR 2018, section 3.2. No gradient flows to the
    photos' features.

    Args:
        fake, real: for each discriminator the features of generated pictures and of photos for the same maps.
    """
    scales = zip(fake, real, strict=True)
    sums = [
        torch.stack([l1_loss(made, photo.detach()) for made, photo in zip(ours, theirs, strict=True)]).sum()
        for ours, theirs in scales
    ]
    return torch.stack(sums).mean()


def perceptual_loss(
    output: Mapping[str, Tensor], target: Mapping[str, Tensor], weights: Mapping[str, float] = PERCEPTUAL_WEIGHTS
) -> Tensor:
    """Weighted sum over taps of the mean absolute difference, as a share of the target's mean.

    Args:
        output, target: features of VGG-19 (not negative) at the taps of ``weights``.

    Note:
        SPADE's differences are absolute, with weights 1/32 to 1 for its VGG-19 from relu1_1 to relu5_1. Features of
        ours grow twenty-fold from relu1_1 to relu4_1; as shares, all taps and all such networks have one scale.
    """
    shares = [
        weight * l1_loss(output[tap], target[tap]) / target[tap].mean().clamp_min(1e-8)
        for tap, weight in weights.items()
    ]
    return torch.stack(shares).sum()


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """½ Σ (μ² + σ² − 1 − log σ²): how far normal distributions are from that of mean 0 and variance 1.

    Kingma & Welling, *Auto-Encoding Variational Bayes*, ICLR 2014, appendix B.

    Args:
        mean, log_variance: N×Z; the sum is over Z, the mean over N.

    Note:
        SPADE's code sums over the batch, too, so that its weight of 0.05 depends on the batch's size.
    """
    terms = mean.square() + log_variance.exp() - 1 - log_variance  # N×Z
    return terms.sum(1).mean() / 2


def segmentation_loss(logits: Tensor, mask: Tensor, weights: Tensor | None = None) -> Tensor:
    """Weighted mean cross-entropy over the pixels that have a class; 0 where none has.

    Args:
        logits: N×L×H×W.
        mask: N×H×W, whole numbers; those from L up are no class.
        weights: of the classes, L; all alike by default.
    """
    num_labels = logits.shape[1]
    target = mask.long().masked_fill(mask >= num_labels, -100)  # what torch passes over
    weights = logits.new_ones(num_labels) if weights is None else weights
    counted = weights[target[target >= 0]].sum()
    return cross_entropy(logits, target, weights, reduction="sum") / counted.clamp_min(1e-8)

"""Tells photos from generated pictures, patch by patch and at several scales (SPADE's, after pix2pixHD's)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, leaky_relu

from styleapp.norms import build_norm
from styleapp.norms.weights import apply_weight_norm

__all__ = ["Judgement", "MultiScaleDiscriminator", "PatchDiscriminator"]


class Judgement(NamedTuple):
    """What one discriminator says.

    Attributes:
        features: what lies between its convolutions, shallowest first; for feature matching.
        logits: N×1×h×w, one a patch; high for photos.
    """

    features: tuple[Tensor, ...]
    logits: Tensor


class PatchDiscriminator(nn.Module):
    """4×4 convolutions with leaky ReLUs; of stride 2 but for the last two, which are of stride 1.

    With four widths a patch is 70×70 pixels. All convolutions but the first and the last are normalized, features and
    weights, and have no bias.

    Args:
        in_channels: of picture and map together.
        widths: channels of the inner features; the paper's are 64, 128, 256, 512.
        normalizer: of the features, a name of :data:`styleapp.norms.NORMALIZERS`.
        weight_norm: a name of :data:`styleapp.norms.WEIGHT_NORMS`.
    """

    def __init__(self, in_channels: int, widths: Sequence[int], normalizer: str, weight_norm: str) -> None:
        super().__init__()
        self.entry = nn.Conv2d(in_channels, widths[0], 4, stride=2, padding=2)
        strides = [2] * (len(widths) - 2) + [1]
        self.convs = nn.ModuleList(
            apply_weight_norm(nn.Conv2d(a, b, 4, stride, padding=2, bias=False), weight_norm)
            for a, b, stride in zip(widths, widths[1:], strides, strict=False)
        )
        self.norms = nn.ModuleList(build_norm(normalizer, width, modulator="none") for width in widths[1:])
        self.to_logits = nn.Conv2d(widths[-1], 1, 4, padding=2)

    def forward(self, x: Tensor) -> Judgement:
        x = leaky_relu(self.entry(x), 0.2)  # N×C×H/2+1×W/2+1
        features = [x]
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = leaky_relu(norm(conv(x)), 0.2)  # N×C'×h×w
            features.append(x)
        return Judgement(tuple(features), self.to_logits(x))  # logits N×1×h×w


class MultiScaleDiscriminator(nn.Module):
    """Patch discriminators of the same form, each with weights of its own, on the picture at halved sizes.

    Park et al., CVPR 2019, appendix A. The default is a compact one: 0.77 million parameters with 12 labels, where the
    paper's has 5.6 to 5.9 million.

    Args:
        num_labels: L, planes of the map.
        widths, normalizer, weight_norm: see :class:`PatchDiscriminator`.
        scales: number of discriminators.

    Raises:
        ValueError: fewer than two widths or no scale; see also :func:`styleapp.norms.build_norm`.
    """

    def __init__(
        self,
        num_labels: int,
        widths: Sequence[int] = (48, 96, 192),
        scales: int = 2,
        normalizer: str = "instance",
        weight_norm: str = "spectral_norm",
    ) -> None:
        super().__init__()
        if len(widths) < 2 or scales < 1:
            raise ValueError(f"two widths and one scale are the least, got {list(widths)} and {scales}")
        self.at_scales = nn.ModuleList(
            PatchDiscriminator(num_labels + 3, widths, normalizer, weight_norm) for _ in range(scales)
        )

    def forward(self, photo: Tensor, label_map: Tensor) -> list[Judgement]:
        """What each discriminator says of pictures for their maps, largest scale first.

        Args:
            photo: N×3×H×W, RGB in [0, 1].
            label_map: N×L×H×W, one-hot.
        """
        x = torch.cat([label_map, photo * 2 - 1], dim=1)  # N×(L+3)×H×W
        judgements = []
        for discriminator in self.at_scales:
            judgements.append(discriminator(x))
            x = avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)  # N×(L+3)×H/2×W/2
        return judgements

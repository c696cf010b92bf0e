"""From a photo to the style of a mask-to-image generator: a variational encoder (Park et al., CVPR 2019, section 3)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from styleapp.norms import build_norm
from styleapp.norms.weights import apply_weight_norm

__all__ = ["StyleEncoder", "drawn_style", "pooled_moments"]

SMALLEST = 4
"""Side of the features that the mean and variance are read from."""


class StyleEncoder(nn.Module):
    """Mean and log-variance of a photo's style: convolutions of stride 2, each normalized, then two linear layers.

    The photo, of any size, is resized to a square of :attr:`side` pixels, so that 4×4 cells are left at the end.

    Args:
        latent: length of a style.
        widths: channels of the convolutions; the paper's are 64, 128, 256, 512, 512, 512 on 256×256.
        normalizer: a name of :data:`styleapp.norms.NORMALIZERS`; the paper's is ``instance``.
        weight_norm: of the convolutions, a name of :data:`styleapp.norms.WEIGHT_NORMS`.

    Note:
        Instance normalization takes every channel's mean and deviation away, and most of what tells a palette with
        them. With ``layer``, the default, the proportions of the channels stay.
    """

    def __init__(
        self,
        latent: int,
        widths: Sequence[int],
        normalizer: str = "layer",
        weight_norm: str = "spectral_norm",
    ) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.convs = nn.ModuleList(
            apply_weight_norm(nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False), weight_norm)
            for a, b in zip((3, *self.widths), self.widths, strict=False)
        )
        self.norms = nn.ModuleList(build_norm(normalizer, width, modulator="none") for width in self.widths)
        self.to_mean = nn.Linear(SMALLEST**2 * self.widths[-1], latent)
        self.to_log_variance = nn.Linear(SMALLEST**2 * self.widths[-1], latent)

    @property
    def side(self) -> int:
        """Of the square that a photo is resized to."""
        return SMALLEST << len(self.widths)

    def forward(self, photo: Tensor) -> tuple[Tensor, Tensor]:
        """The style of a photo.

        Args:
            photo: N×3×H×W of any size, RGB in [0, 1].

        Returns:
            Mean and log-variance, each N×latent; styles are normally distributed, and near mean 0 and variance 1 over
            all photos if the network was trained so (:func:`styleapp.losses.kl_divergence`).
        """
        square = interpolate(photo, size=(self.side, self.side), mode="bilinear", antialias=True)
        x = square * 2 - 1  # N×3×S×S
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = leaky_relu(norm(conv(x)), 0.2)  # N×C×s×s
        x = x.flatten(1)  # N×16·C
        return self.to_mean(x), self.to_log_variance(x)


def drawn_style(mean: Tensor, log_variance: Tensor, noise: Tensor) -> Tensor:
    """A style at random from where a photo's lies, as training needs it: mean + deviation × noise (N×latent each)."""
    return mean + torch.exp(log_variance / 2) * noise


def pooled_moments(means: Tensor, log_variances: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (Z) and covariance (Z×Z) of the styles of many photos together, from what the encoder gives for each (N×Z).

    Raises:
        ValueError: not more photos than numbers in a style: their covariance would leave some directions out.
    """
    count, latent = means.shape
    if count <= latent:
        raise ValueError(f"{count} photos are too few for styles of {latent} numbers: more than {latent} are needed")
    return means.mean(0), torch.cov(means.T) + torch.diag(log_variances.exp().mean(0))

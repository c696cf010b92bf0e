"""What SPADE is compared with: the map goes in once, at the beginning, and every norm is a plain one."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from styleapp.models.map_sizes import padded_map
from styleapp.models.spade import COMPACT_STAGES, SpadeGenerator
from styleapp.norms import NormLayer, build_norm
from styleapp.norms.neighbourhoods import PaddingMode
from styleapp.norms.weights import apply_weight_norm

__all__ = ["ConcatenatedGenerator", "MapEncoder"]


class MapEncoder(nn.Module):
    """Features of a whole map at a fraction of its size: normalized 3×3 convolutions, the last ones of stride 2.

    Args:
        num_labels: L.
        widths: channels, first those at full size; every further one halves the sides.
        norm: makes a norm layer of a width.
        weight_norm: of the convolutions, a name of :data:`styleapp.norms.WEIGHT_NORMS`.
        padding_mode: of the convolutions.
    """

    def __init__(
        self,
        num_labels: int,
        widths: Sequence[int],
        norm: Callable[[int], NormLayer],
        weight_norm: str,
        padding_mode: PaddingMode,
    ) -> None:
        super().__init__()
        ways = list(zip((num_labels, *widths), widths, strict=False))
        self.convs = nn.ModuleList(
            apply_weight_norm(
                nn.Conv2d(a, b, 3, stride=1 if index == 0 else 2, padding=1, padding_mode=padding_mode), weight_norm
            )
            for index, (a, b) in enumerate(ways)
        )
        self.norms = nn.ModuleList(norm(width) for width in widths)

    def forward(self, label_map: Tensor) -> Tensor:
        x = label_map  # N×L×H×W
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = leaky_relu(norm(conv(x)), 0.2)  # N×C×h×w
        return x


class ConcatenatedGenerator(SpadeGenerator):
    """The blocks of :class:`styleapp.models.spade.SpadeGenerator` with plain norms, behind an encoder of the map.

    Park et al., CVPR 2019, compare with such a network (*pix2pixHD*, sections 3 and 4): what a map says must survive
    the norms that follow, which take a constant area's features away.

    Args:
        num_labels, stages, latent, style_widths, normalizer, weight_norm, padding_mode: see the class above.
        encoder_widths: of the :class:`MapEncoder`, from full size to the first stage's, whose width comes last.

    Raises:
        ValueError: another number of widths than of stages; see also the class above.

    Note:
        With the default widths it has 2.62 million parameters, the compact SPADE generator 2.60: what is in the norms
        there is in the encoder here. A style is added to the encoded map and lies beside no norm.
    """

    def __init__(
        self,
        num_labels: int,
        stages: Sequence[Sequence[int]] = COMPACT_STAGES,
        encoder_widths: Sequence[int] = (32, 32, 64, 96, 128),
        latent: int = 64,
        style_widths: Sequence[int] = (32, 64, 96, 128, 128),
        normalizer: str = "batch",
        weight_norm: str = "spectral_norm",
        padding_mode: PaddingMode = "replicate",
    ) -> None:
        super().__init__(
            num_labels,
            stages,
            hidden=0,
            latent=latent,
            style_planes=0,
            style_widths=style_widths,
            normalizer=normalizer,
            weight_norm=weight_norm,
            padding_mode=padding_mode,
        )
        if len(encoder_widths) != len(self.widths) - 1:
            raise ValueError(
                f"{len(self.widths)} stages need {len(self.widths) - 1} encoder_widths, got {len(encoder_widths)}"
            )
        self.encoder_widths = tuple(encoder_widths)
        widths = (*encoder_widths, self.widths[0][0])
        self.start: nn.Module = MapEncoder(num_labels, widths, self._norm, weight_norm, padding_mode)

    def _norm(self, width: int) -> NormLayer:
        return build_norm(self.normalizer, width, modulator="affine")

    def options(self) -> dict[str, Any]:
        inherited = super().options()
        kept = ("num_labels", "stages", "latent", "style_widths", "normalizer", "weight_norm", "padding_mode")
        return {**{name: inherited[name] for name in kept}, "encoder_widths": list(self.encoder_widths)}

    def forward(self, label_map: Tensor, z: Tensor | None = None) -> Tensor:
        height, width = self._checked(label_map, z).shape[-2:]
        x, _ = self._started(padded_map(label_map, self.stride), z)  # N×C×h×w
        return self._painted(x, [x] * len(self.stages))[..., :height, :width]  # N×3×H×W

    @torch.no_grad()
    def paint(self, mask: Tensor, z: Tensor | None = None) -> Tensor:
        return self(self._one_hot(mask), z)  # 1×3×H×W

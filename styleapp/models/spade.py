"""Pictures from label maps: norms whose scale and shift are painted by the map (SPADE; Park et al., CVPR 2019)."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from styleapp.data.masks import one_hot
from styleapp.models.grain import Grain
from styleapp.models.map_sizes import continued, padded_map, shrunk
from styleapp.models.style_encoder import StyleEncoder
from styleapp.norms import NormLayer, build_norm
from styleapp.norms.neighbourhoods import Neighbourhoods, PaddingMode, find_neighbourhoods
from styleapp.norms.weights import apply_weight_norm, weight_norm_name

__all__ = ["COMPACT_STAGES", "SpadeBlock", "SpadeGenerator", "paper_generator", "paper_stages"]

COMPACT_STAGES = ((160,), (160,), (128,), (96, 64), (32,), (32,))
"""Widths from 1/32 of the map's size to all of it."""


class SpadeBlock(nn.Module):
    """x + conv(f(norm(conv(f(norm(x)))))) with f = leaky ReLU of slope 0.2 and norms that the map modulates.

    Where the width changes, what is added to is conv(norm(x)) of 1×1, without f (section 3 and appendix A of the
    paper). The narrower of the two widths is that of the middle.

    Args:
        in_width, out_width: channels.
        norm: makes a norm layer of a width.
        weight_norm: of the convolutions, a name of :data:`styleapp.norms.WEIGHT_NORMS`.
        padding_mode: of the 3×3 convolutions.
    """

    def __init__(
        self,
        in_width: int,
        out_width: int,
        norm: Callable[[int], NormLayer],
        weight_norm: str,
        padding_mode: PaddingMode = "zeros",
    ) -> None:
        super().__init__()
        middle = min(in_width, out_width)
        self.first_norm, self.second_norm = norm(in_width), norm(middle)
        convs = (
            nn.Conv2d(a, b, 3, padding=1, padding_mode=padding_mode)
            for a, b in ((in_width, middle), (middle, out_width))
        )
        self.first, self.second = (apply_weight_norm(conv, weight_norm) for conv in convs)
        self.shortcut: nn.Conv2d | None = None
        if in_width != out_width:
            self.shortcut_norm = norm(in_width)
            self.shortcut = apply_weight_norm(nn.Conv2d(in_width, out_width, 1, bias=False), weight_norm)

    def forward(self, x: Tensor, label_map: Tensor | Neighbourhoods) -> Tensor:
        kept = x if self.shortcut is None else self.shortcut(self.shortcut_norm(x, label_map))  # N×C'×H×W
        inner = self.first(leaky_relu(self.first_norm(x, label_map), 0.2, inplace=True))  # N×min(C, C')×H×W
        added = self.second(leaky_relu(self.second_norm(inner, label_map), 0.2, inplace=True))  # N×C'×H×W
        return added.add_(kept)


class SpadeGenerator(nn.Module):
    """A picture from a label map, in a style that is drawn at random or taken from a photo.

    From the shrunken map, blocks and nearest ×2 enlargements lead to the full size; every norm sees the map. The
    default is a compact one of 2.6 million parameters with its style encoder. Of the paper's network
    (:func:`paper_generator`, 93 to 97 million) it keeps the form of the blocks and cuts:

    * the widths, 160 to 32 instead of 1024 to 64. They shrink before the last two enlargements, not after them, so
      that the block at full size needs no third norm for its shortcut;
    * between map and scale, 48 hidden channels instead of 128 and 1×1 convolutions behind them instead of 3×3: there
      is most of the work at full size. The price is that γ and β see 3×3 pixels of the map instead of 5×5;
    * the style's length, 64 instead of 256, and its encoder, five convolutions on 128×128 instead of six on 256×256.

    Args:
        num_labels: L, all planes of the map.
        stages: widths of the blocks of each size, smallest first; see :func:`paper_stages`.
        hidden: channels between map and scale in every norm.
        kernel: of the convolutions from there to scale and shift, 3 in the paper.
        latent: length of a style; 0 for a generator without.
        style_planes: how many planes of the style every norm sees beside the map.
        style_widths: of the :class:`StyleEncoder`; empty for none.
        normalizer: a name of :data:`styleapp.norms.NORMALIZERS`.
        weight_norm: of the blocks' and the style encoder's convolutions, a name of
            :data:`styleapp.norms.WEIGHT_NORMS`.
        padding_mode: of all 3×3 convolutions. With ``"zeros"``, as in the paper, a network can tell where a corner is;
            ours then put a speckled spot into one, as if to steer the batch statistics by it.
        grain: whether noise is added before the blocks of each size, see :class:`styleapp.models.grain.Grain`. Without
            it all pixels far from a border of the map are alike, so a wide meadow has no blades.

    Attributes:
        style_encoder: photo to mean and log-variance of its style, or ``None``.

    Raises:
        ValueError: a stage without a block, a style encoder without a style; see also
            :func:`styleapp.norms.build_norm`.

    Note:
        In the paper a style replaces the map at the start, through a linear layer that ties the network to one size of
        pictures. Here it is added to the map's features, the same everywhere, so any size will do; and some planes of
        it lie beside the map for every norm, because at the start alone it hardly changes the picture. Weights outside
        the norms start with torch's ordinary size; the authors' are smaller.
    """

    def __init__(
        self,
        num_labels: int,
        stages: Sequence[Sequence[int]] = COMPACT_STAGES,
        hidden: int = 48,
        kernel: int = 1,
        latent: int = 64,
        style_planes: int = 8,
        style_widths: Sequence[int] = (32, 64, 96, 128, 128),
        normalizer: str = "batch",
        weight_norm: str = "spectral_norm",
        padding_mode: PaddingMode = "replicate",
        grain: bool = False,
    ) -> None:
        super().__init__()
        if not stages or not all(stages):
            raise ValueError(f"every stage needs the width of one block at least, got {[list(s) for s in stages]}")
        if style_widths and latent == 0:
            raise ValueError("a style encoder needs a style: latent must be at least 1")
        self.num_labels, self.latent, self.normalizer = num_labels, latent, normalizer
        self.hidden, self.kernel, self.padding_mode = hidden, kernel, padding_mode
        self.widths = tuple(tuple(stage) for stage in stages)
        self.style_planes = style_planes if latent else 0
        start = self.widths[0][0]
        self.start: nn.Module = nn.Conv2d(num_labels, start, 3, padding=1, padding_mode=padding_mode)
        self.style = nn.Linear(latent, start + self.style_planes) if latent else None
        self.stages = self._blocks(start, weight_norm)
        self.grain = grain
        before = [start, *(stage[-1] for stage in self.widths[:-1])]
        grains = (Grain(width, number) if grain else nn.Identity() for number, width in enumerate(before))
        self.grains = nn.ModuleList(grains)
        self.to_rgb = nn.Conv2d(self.widths[-1][-1], 3, 3, padding=1, padding_mode=padding_mode)
        nn.init.xavier_normal_(self.to_rgb.weight, gain=0.1)
        assert self.to_rgb.bias is not None
        nn.init.zeros_(self.to_rgb.bias)  # mid grey: no colour is out of reach at first
        self.style_encoder = StyleEncoder(latent, style_widths, weight_norm=weight_norm) if style_widths else None

    def _blocks(self, width: int, weight_norm: str) -> nn.ModuleList:
        stages = nn.ModuleList()
        for stage in self.widths:
            ways = zip((width, *stage), stage, strict=False)
            stages.append(nn.ModuleList(SpadeBlock(a, b, self._norm, weight_norm, self.padding_mode) for a, b in ways))
            width = stage[-1]
        return stages

    def _norm(self, width: int) -> NormLayer:
        planes = self.num_labels + self.style_planes
        return build_norm(
            self.normalizer,
            width,
            modulator="mask",
            num_labels=planes,
            hidden=self.hidden,
            kernel_size=self.kernel,
            padding_mode=self.padding_mode,
        )

    @property
    def stride(self) -> int:
        """Maps whose sides are multiples of this, at least twice it, are not padded."""
        return 2 ** (len(self.widths) - 1)

    @property
    def bytes_per_pixel(self) -> int:
        """Memory that painting takes, about (float32): at full size the map twice, what is hidden, and the block's."""
        widths = [width for stage in self.widths for width in stage]
        planes = self.num_labels + self.style_planes
        return 4 * (2 * planes + self.hidden + 7 * max(widths[-2:]))

    def options(self) -> dict[str, Any]:
        """What is needed to build this network again, as it is now.

        For use rather than training, make the weights plain ones first: ``switch_weight_norm(network, "none")``.
        """
        block = self.stages[0][0]  # type: ignore[index]
        return {
            "num_labels": self.num_labels,
            "stages": [list(stage) for stage in self.widths],
            "hidden": self.hidden,
            "kernel": self.kernel,
            "latent": self.latent,
            "style_planes": self.style_planes,
            "style_widths": list(self.style_encoder.widths) if self.style_encoder else [],
            "normalizer": self.normalizer,
            "weight_norm": weight_norm_name(block.first),
            "padding_mode": self.padding_mode,
            "grain": self.grain,
        }

    def forward(self, label_map: Tensor, z: Tensor | None = None) -> Tensor:
        """The picture of a label map.

        Args:
            label_map: N×L×H×W of any size, one-hot (:func:`styleapp.data.masks.one_hot`); soft maps are welcome, and a
                pixel of nothing but 0 has no label.
            z: N×latent or 1×latent, from a normal distribution or from :attr:`style_encoder`; ``None`` is its mean, 0.

        Returns:
            N×3×H×W, RGB in [0, 1].

        Raises:
            ValueError: another number of planes, no pixel, a style of another length, or one where there is none.
        """
        height, width = self._checked(label_map, z).shape[-2:]
        label_map = padded_map(label_map, self.stride)  # N×L×H'×W', multiples of the stride
        sizes = [[side // 2**halvings for side in label_map.shape[-2:]] for halvings in self._halvings]
        small = interpolate(label_map, size=sizes[0], mode="nearest-exact")  # N×L×h×w
        x, planes = self._started(small, z)  # N×C×h×w, N×P
        if planes is not None:
            everywhere = planes[..., None, None].expand(-1, -1, *label_map.shape[-2:])  # N×P×H'×W'
            label_map = torch.cat([label_map, everywhere], dim=1)  # N×(L+P)×H'×W'
        maps = (interpolate(label_map, size=size, mode="nearest-exact") for size in sizes)  # of N×(L+P)×h×w
        return self._painted(x, maps)[..., :height, :width]  # N×3×H×W

    @torch.no_grad()
    def paint(self, mask: Tensor, z: Tensor | None = None) -> Tensor:
        """The same picture from a mask of label numbers, without a gradient; on a CPU in a fraction of the time.

        There, scales and shifts are computed once for every neighbourhood of labels that the mask has, and looked up
        for each pixel; see :func:`styleapp.norms.lookup.looked_up_norm`.

        Args:
            mask: H×W whole numbers; a pixel of any other number than 0 to L − 1 has no label.
            z: 1×latent, see the call.

        Returns:
            1×3×H×W, RGB in [0, 1].

        Raises:
            ValueError: see the call.
        """
        if mask.dim() != 2 or mask.is_floating_point() or mask.numel() == 0:
            raise ValueError(f"a mask must be H×W whole numbers, got {tuple(mask.shape)} {mask.dtype}")
        if mask.device.type != "cpu":
            return self(self._one_hot(mask), z)
        whole = continued(mask, self.stride)  # H'×W', multiples of the stride
        masks = [shrunk(whole, halvings) for halvings in self._halvings]  # of h×w
        x, planes = self._started(self._checked(self._one_hot(masks[0]), z), z)  # 1×C×h×w, 1×P
        further = None if planes is None else planes[0]  # P
        seen = (find_neighbourhoods(small, self.num_labels, further, self.padding_mode) for small in masks)
        return self._painted(x, seen)[..., : mask.shape[0], : mask.shape[1]]  # 1×3×H×W

    @torch.no_grad()
    def draw_from(self, mean: Tensor, covariance: Tensor) -> None:
        """From now on normal noise stands for styles with this mean (Z) and covariance (Z×Z), in place.

        Training only pushes photos' styles towards noise, and some way short of it; with the moments of the photos'
        styles (:func:`styleapp.models.style_encoder.pooled_moments`) seeds draw what photos have. The style encoder
        gives the same styles in the new numbers. Its log-variances keep the old ones: only training uses them.

        Raises:
            ValueError: there is no style encoder, or the covariance is not positive definite.
        """
        if self.style is None or self.style_encoder is None:
            raise ValueError("this generator has no style encoder: seeds draw what it was trained with")
        root, failed = torch.linalg.cholesky_ex(covariance)  # Z×Z
        if failed:
            raise ValueError("the covariance of styles must be positive definite")
        to_mean = self.style_encoder.to_mean
        self.style.bias.add_(self.style.weight @ mean)
        self.style.weight.copy_(self.style.weight @ root)
        to_mean.weight.copy_(torch.linalg.solve_triangular(root, to_mean.weight, upper=False))
        to_mean.bias.copy_(torch.linalg.solve_triangular(root, (to_mean.bias - mean)[:, None], upper=False)[:, 0])

    def _one_hot(self, mask: Tensor) -> Tensor:
        return one_hot(mask[None], self.num_labels).contiguous(memory_format=torch.channels_last)  # 1×L×H×W

    @property
    def _halvings(self) -> range:
        """How often the map is halved for each stage."""
        return range(len(self.widths) - 1, -1, -1)

    def _started(self, small: Tensor, z: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Features of the smallest map (N×L×h×w) in a style, and what of the style lies beside maps (N×P)."""
        x = self.start(small)  # N×C×h×w
        if self.style is None:
            return x, None
        styled = self.style(small.new_zeros(1, self.latent) if z is None else z)  # N×(C+P), or 1×
        vector, planes = styled.expand(len(x), -1).split([x.shape[1], self.style_planes], dim=1)
        return x + vector[..., None, None], planes  # N×C×h×w, N×P

    def _painted(self, x: Tensor, maps: Iterable[Tensor | Neighbourhoods]) -> Tensor:
        """The picture (N×3×H'×W') from features of the smallest size and the map of each stage."""
        for index, (stage, at_size) in enumerate(zip(self.stages, maps, strict=True)):
            if index > 0:
                x = interpolate(x, scale_factor=2.0, mode="nearest")  # N×C×2h×2w
            x = self.grains[index](x)
            for block in stage:  # type: ignore[attr-defined]
                x = block(x, at_size)  # N×C×h×w
        return (torch.tanh(self.to_rgb(leaky_relu(x, 0.2, inplace=True))) + 1) / 2  # N×3×H'×W'

    def _checked(self, label_map: Tensor, z: Tensor | None) -> Tensor:
        if label_map.dim() != 4 or label_map.shape[1] != self.num_labels or label_map.numel() == 0:
            raise ValueError(f"a label map must be N×{self.num_labels}×H×W, got {tuple(label_map.shape)}")
        if z is not None and self.style is None:
            raise ValueError("this generator has no style: it makes one picture of a map")
        count = len(label_map)
        if z is not None and (z.dim() != 2 or len(z) not in (1, count) or z.shape[1] != self.latent):
            raise ValueError(f"a style for {count} maps must be {count}×{self.latent}, got {tuple(z.shape)}")
        return label_map


def paper_stages(width: int = 64, enlargements: int = 5) -> tuple[tuple[int, ...], ...]:
    """Stages of the paper's generator.

    Args:
        width: of the last block before an eventual seventh enlargement (``ngf``).
        enlargements: 5, or 6 and 7 for large pictures, which begin as small and go on for longer.

    Raises:
        ValueError: another number of enlargements.
    """
    wide = 16 * width
    narrowing = ((wide // 2,), (wide // 4,), (wide // 8,), (width,))
    plans = {
        5: ((wide,), (wide, wide), *narrowing),
        6: ((wide,), (wide,), (wide,), *narrowing),
        7: ((wide,), (wide,), (wide,), *narrowing, (width // 2,)),
    }
    if enlargements not in plans:
        raise ValueError(f"the paper's generator has 5, 6 or 7 enlargements, not {enlargements}")
    return plans[enlargements]


def paper_generator(
    num_labels: int, width: int = 64, enlargements: int = 5, weight_norm: str = "spectral_norm"
) -> SpadeGenerator:
    """The paper's generator without a style: with 184 labels (COCO-Stuff) 97,480,899 parameters."""
    stages = paper_stages(width, enlargements)
    return SpadeGenerator(
        num_labels,
        stages,
        hidden=128,
        kernel=3,
        latent=0,
        style_widths=(),
        weight_norm=weight_norm,
        padding_mode="zeros",
    )

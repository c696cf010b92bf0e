"""Label map in, picture out: what command line, web page and scripts call."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from styleapp.checkpoint import Card, load_network
from styleapp.data.labels import IGNORED, LabelError
from styleapp.data.mask_colours import Numbers
from styleapp.data.masks import read_mask
from styleapp.models.spade import SpadeGenerator
from styleapp.pipelines.allocation import kept_memory
from styleapp.pipelines.hardware import free_memory
from styleapp.pipelines.images import ImageSource, load_picture, to_image, to_tensor
from styleapp.pipelines.label_record import labels_of_card

__all__ = ["MaskSource", "SynthesizePipeline"]

MaskSource = str | Path | Image.Image | np.ndarray
"""A mask: a path, a PIL image or an array, label numbers or colours; see :func:`styleapp.data.masks.read_mask`."""

LARGEST_SEED = 2**63 - 1
FAR_FROM_TRAINED = 1.5
"""Times that a mask's short side may be above the largest, or below the smallest, that was trained on."""

log = logging.getLogger(__name__)


class SynthesizePipeline:
    """Makes pictures of masks with one network.

    Example:
        >>> pipe = SynthesizePipeline.from_checkpoint("facades")
        >>> pipe.labels.names
        ('background', 'facade', 'window', …)
        >>> pipe("mask.png", seed=3).save("result.png")
        >>> pipe("mask.png", style="photo.jpg", style_strength=0.8).save("styled.png")

    Attributes:
        labels: the label set of the masks that the network knows.
    """

    def __init__(self, network: SpadeGenerator, card: Card, digest: str = "", device: str = "cpu") -> None:
        self.network, self.card, self.digest, self.device = network, card, digest, torch.device(device)
        self.labels = labels_of_card(card, network.num_labels)

    @classmethod
    def from_checkpoint(cls, name_or_path: str | Path = "facades", device: str | None = None) -> "SynthesizePipeline":
        """A pipeline around a trained network.

        Args:
            name_or_path: a name of the manifest, or a file.
            device: as torch names it; by default the first CUDA device, else the CPU.

        Raises:
            CheckpointError: see :func:`styleapp.checkpoint.load_network`; or it does not name its labels.
        """
        network, card, digest = load_network(name_or_path, architecture="spade")
        chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
        return cls(cast(SpadeGenerator, network.to(chosen)), card, digest, chosen)

    @property
    def takes_styles(self) -> bool:
        """Whether a picture can be given as a style."""
        return self.network.style_encoder is not None

    def __call__(
        self,
        mask: MaskSource,
        seed: int = 0,
        style: ImageSource | None = None,
        style_strength: float = 1.0,
        size: int | None = None,
    ) -> Image.Image:
        """The picture of a mask, of the mask's size.

        Args:
            mask: see :data:`MaskSource`; pixels without a label become something that fits.
            seed: draws a style, the same for the same seed.
            style: a picture whose style is taken instead.
            style_strength: 0 (the seed's style) to 1 (the picture's), mixed in between.
            size: longer side of the result in pixels; the mask is resized to it by nearest neighbours.

        Raises:
            LabelError: the mask cannot be used, or nothing in it has a label.
            PictureError: the mask's file or the style picture cannot be read.
            ValueError: a control is out of its range, or the picture is too large for the free memory.
        """
        self.check_controls(seed, style, style_strength, size)
        return self.paint(mask, self.style(seed, style, style_strength), size)

    def paint(self, mask: MaskSource, style: Tensor | None, size: int | None = None) -> Image.Image:
        """The picture of a mask in a style that :meth:`style` gave, or one between such. See the call."""
        numbers = self._numbers(mask, size)
        with torch.inference_mode(), kept_memory(self._check_memory(numbers)):
            return to_image(self.network.paint(torch.from_numpy(numbers).to(self.device), style))  # of 1×3×H×W

    def interpolate(
        self, mask: MaskSource, start: Tensor | None, end: Tensor | None, frames: int = 8, size: int | None = None
    ) -> Iterator[Image.Image]:
        """Pictures of a mask on the way from one style to another, both included.

        Example:
            >>> dusk, dawn = (pipe.style(style=name) for name in ("dusk.jpg", "dawn.jpg"))
            >>> pictures = list(pipe.interpolate("mask.png", dusk, dawn))

        Args:
            mask, size: see the call.
            start, end: styles as :meth:`style` gives them, of pictures or seeds.
            frames: how many pictures, at least 2.

        Raises:
            ValueError: as the call; or the network has no styles.
        """
        for style in self.styles_between(start, end, frames):
            yield self.paint(mask, style, size)

    def styles_between(self, start: Tensor | None, end: Tensor | None, frames: int) -> list[Tensor]:
        """Styles on the way from one to another at equal steps, both included; see :meth:`interpolate`."""
        if start is None or end is None:
            raise ValueError("this network has no style: there is nothing between two of them")
        if frames < 2:
            raise ValueError(f"frames must be at least 2, one for each end, got {frames}")
        return [_between(start, end, step / (frames - 1)) for step in range(frames)]

    def _numbers(self, mask: MaskSource, size: int | None) -> Numbers:
        numbers = _resized(read_mask(mask, self.labels), size)
        if (numbers == IGNORED).all():
            name = str(mask) if isinstance(mask, str | Path) else "the mask"
            raise LabelError(f"{name} has no pixel with a label: there is nothing to paint")
        self._warn_of_size(min(numbers.shape))
        return numbers

    def style(self, seed: int = 0, style: ImageSource | None = None, style_strength: float = 1.0) -> Tensor | None:
        """What the network is given as a style (1×Z); ``None`` where it has none. For the arguments see the call."""
        if self.network.latent == 0:
            return None
        drawn = torch.randn(1, self.network.latent, generator=torch.Generator().manual_seed(seed)).to(self.device)
        if style is None:
            return drawn
        encoder = self.network.style_encoder
        assert encoder is not None
        with torch.inference_mode():
            mean, _ = encoder(to_tensor(load_picture(style, "the style picture").rgb).to(self.device))
        return torch.lerp(drawn, mean, style_strength)

    def check_controls(
        self, seed: int = 0, style: ImageSource | None = None, style_strength: float = 1.0, size: int | None = None
    ) -> None:
        """What the call says of controls that it cannot use, before there is a mask.

        Raises:
            ValueError: a control is out of its range, or the network takes no style pictures.
        """
        if not 0 <= seed <= LARGEST_SEED or int(seed) != seed:
            raise ValueError(f"seed must be a whole number from 0 to {LARGEST_SEED}, got {seed}")
        if not 0 <= style_strength <= 1:
            raise ValueError(f"style_strength must be between 0 and 1, got {style_strength}")
        if style is not None and not self.takes_styles:
            raise ValueError("this network has no style encoder: it takes a seed, but no style picture")
        if size is not None and size < 1:
            raise ValueError(f"size must be at least 1, got {size}")

    def _warn_of_size(self, side: int) -> None:
        sides = self.card.record.get("sides")
        if sides is None or sides[0] / FAR_FROM_TRAINED <= side <= sides[1] * FAR_FROM_TRAINED:
            return
        log.warning(
            "the mask's short side is %d pixels, the network was trained on %d to %d: the picture may look "
            "washed out; size brings the mask nearer",
            side,
            *sides,
        )

    def _check_memory(self, numbers: Numbers) -> float:
        """Bytes that the picture takes. What would not fit is said before it is tried: a system that runs out of memory
        ends the program without a word.
        """
        height, width = numbers.shape
        needed, free = numbers.size * self.network.bytes_per_pixel, free_memory(self.device)
        if free is not None and needed > free:
            side = int(max(height, width) * (free / needed) ** 0.5)
            raise ValueError(
                f"painting {width}×{height} pixels takes about {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB "
                f"are free: a size of at most {side} fits"
            )
        return needed


def _between(start: Tensor, end: Tensor, share: float) -> Tensor:
    """On the arc from one style to another (1×Z each), the length from that of the one to that of the other.

    The straight way leads past the mean, where two seeds' pictures become one that is nothing special (White,
    *Sampling Generative Networks*, 2016, section 2.1).
    """
    lengths = start.norm(), end.norm()
    if min(lengths) == 0:
        return torch.lerp(start, end, share)
    one, other = start / lengths[0], end / lengths[1]
    angle = torch.acos((one * other).sum().clamp(-1, 1))
    if torch.sin(angle) < 1e-4:  # the same direction, or the opposite: there is no arc, or any
        return torch.lerp(start, end, share)
    turned = (torch.sin((1 - share) * angle) * one + torch.sin(share * angle) * other) / torch.sin(angle)
    return turned * torch.lerp(*lengths, share)


def _resized(numbers: Numbers, size: int | None) -> Numbers:
    """A mask with this longer side; of each pixel the label at its centre."""
    if size is None or max(numbers.shape) == size:
        return numbers
    height, width = (max(1, round(side * size / max(numbers.shape))) for side in numbers.shape)
    return np.array(Image.fromarray(numbers).resize((width, height), Image.Resampling.NEAREST))

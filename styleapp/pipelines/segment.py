"""Photo in, label map out: for masks to paint on, and for photos without masks to train with."""

from pathlib import Path
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from styleapp.checkpoint import Card, load_network
from styleapp.data.labels import IGNORED
from styleapp.data.mask_colours import Numbers
from styleapp.models.segmenter import Segmenter
from styleapp.pipelines.allocation import kept_memory
from styleapp.pipelines.hardware import free_memory
from styleapp.pipelines.images import ImageSource, load_picture, to_tensor
from styleapp.pipelines.label_record import labels_of_card

__all__ = ["SegmentPipeline"]

SEEN_SIDE = 256
"""Short side at which a photo is looked at: that of the scores."""

LONGEST_SEEN = 4.0
"""Times as long as wide; a longer photo is looked at at the area of such a one, to bound time and memory."""

SMALLEST_SEEN = 16
BYTES_PER_PIXEL = 20
"""Memory of the mask's size: the best label so far, how probable it is, and the next one's probability twice."""


class SegmentPipeline:
    """Makes label maps of photos with one network.

    Example:
        >>> pipe = SegmentPipeline.from_checkpoint("facades_segmenter")
        >>> numbers = pipe("photo.jpg", sureness=0.5)
        >>> save_mask("mask.png", numbers, pipe.labels)

    Attributes:
        labels: the label set of the masks.
    """

    def __init__(self, network: Segmenter, card: Card, digest: str = "", device: str = "cpu") -> None:
        self.network, self.card, self.digest, self.device = network, card, digest, torch.device(device)
        self.labels = labels_of_card(card, network.num_labels)

    @classmethod
    def from_checkpoint(
        cls, name_or_path: str | Path = "facades_segmenter", device: str | None = None
    ) -> "SegmentPipeline":
        """A pipeline around a trained network.

        Args:
            name_or_path: a name of the manifest, or a file.
            device: as torch names it; by default the first CUDA device, else the CPU.

        Raises:
            CheckpointError: see :func:`styleapp.checkpoint.load_network`; or it does not name its labels.
        """
        network, card, digest = load_network(name_or_path, architecture="segmenter")
        chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
        return cls(cast(Segmenter, network.to(chosen)), card, digest, chosen)

    def __call__(self, photo: ImageSource, size: int | None = None, sureness: float = 0.0) -> Numbers:
        """The most probable class of each pixel: H×W, uint8.

        The photo is looked at at a short side of 256 pixels, whatever its own size: objects then are about as large as
        in training. Probabilities are enlarged smoothly before the best is taken, so that edges have no steps.

        Args:
            photo: path, PIL image or array.
            size: longer side of the mask in pixels; by default the mask has the photo's size.
            sureness: pixels whose best class has a lower probability than this, 0 to 1, have no label:
                :data:`styleapp.data.labels.IGNORED`. 0 labels all.

        Raises:
            PictureError: the photo cannot be read.
            ValueError: a control is out of its range, or the mask is too large for the free memory.
        """
        self.check_controls(size, sureness)
        picture = load_picture(photo, "the photo").rgb
        scale = 1.0 if size is None else size / max(picture.size)
        width, height = (max(1, round(side * scale)) for side in picture.size)
        needed = self._check_memory(width, height)
        with torch.inference_mode(), kept_memory(needed):
            seen = to_tensor(_as_seen(picture)).to(self.device)  # 1×3×h×w
            best, labels = _best(self.network(seen).softmax(1), (height, width))  # each H×W
            labels[best < sureness] = IGNORED
            return np.asarray(labels.cpu().numpy())

    def check_controls(self, size: int | None = None, sureness: float = 0.0) -> None:
        """What the call says of controls that it cannot use, before there is a photo.

        Raises:
            ValueError: a control is out of its range, or nothing can be without label in the label set.
        """
        if not 0 <= sureness <= 1:
            raise ValueError(f"sureness must be between 0 and 1, got {sureness}")
        if sureness > 0 and not self.labels.ignored:
            raise ValueError(f"sureness must be 0, got {sureness}: the label set has nothing for pixels without label")
        if size is not None and size < 1:
            raise ValueError(f"size must be at least 1, got {size}")

    def _check_memory(self, width: int, height: int) -> int:
        needed, free = width * height * BYTES_PER_PIXEL, free_memory(self.device)
        if free is not None and needed > free:
            side = int(max(height, width) * (free / needed) ** 0.5)
            raise ValueError(
                f"a mask of {width}×{height} pixels takes about {needed / 1e9:.1f} GB of memory and {free / 1e9:.1f} "
                f"GB are free: a size of at most {side} fits"
            )
        return needed


def _as_seen(picture: Image.Image) -> Image.Image:
    short, long = sorted(picture.size)
    scale = SEEN_SIDE / short / max(1.0, long / short / LONGEST_SEEN) ** 0.5
    width, height = (max(SMALLEST_SEEN, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC)  # as the scores resize


def _best(probabilities: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The highest of the probabilities (1×L×h×w) at another size, and which it is: float and uint8, H×W.

    One class after the other is enlarged, because all at the size of a large photo would need a lot of room.
    """
    best = probabilities.new_full(size, -1.0)  # H×W
    labels = torch.zeros(size, dtype=torch.uint8, device=best.device)
    for number, plane in enumerate(probabilities[0]):
        if plane.shape != best.shape:
            plane = interpolate(plane[None, None], size=size, mode="bilinear", antialias=True)[0, 0]  # H×W
        higher = plane > best
        labels[higher] = number
        best = torch.where(higher, plane, best)
    return best, labels

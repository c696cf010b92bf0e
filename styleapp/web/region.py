"""The painted region: the photo as a canvas, and what was painted on it as one mask a style."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from styleapp.web.pictures import fitted, upright

__all__ = ["BRUSHES", "CANVAS_SIDE", "canvas", "masks_of_painting", "weighted_masks"]

BRUSHES = {"#e8543f": "red", "#2f7de1": "blue", "#f2b705": "yellow"}
"""Brush colours in the order of the styles that they stand for, with their names."""

CANVAS_SIDE = 768  # finer is not needed: edges of regions are softened by the pipeline
OPAQUE = 127  # of 255: from here on a pixel counts as painted
SPECK = 0.02  # share of all painted pixels below which a colour is taken for the blended edge of another


def canvas(photo: str | None) -> dict[str, Any] | None:
    """A value for ``gr.ImageEditor``: the photo, upright, in a size that suits the brush; nothing painted yet."""
    if photo is None:
        return None
    image = upright(photo).convert("RGB")
    return {"background": image.resize(fitted(image.size, CANVAS_SIDE, enlarge=True)), "layers": [], "composite": None}


def masks_of_painting(
    painting: Mapping[str, Any] | None, size: tuple[int, int], weights: Mapping[int, float]
) -> list[Image.Image] | None:
    """One mask a style, or None where nothing is painted (the whole picture then).

    Painted in one colour, the mixture of all styles goes there; painted in several, each colour is for its own style.

    Args:
        painting: what ``gr.ImageEditor`` hands over: ``layers`` are PIL images with alpha, of any one size.
        size: the photo's width and height, which the masks get.
        weights: of the styles that are given, by their place: 0 is the first, which red stands for.

    Raises:
        ValueError: a colour is painted that has no style.
    """
    layers = [layer for layer in (painting or {}).get("layers") or [] if layer is not None]
    if not layers:
        return None
    flat = Image.new("RGBA", layers[0].size)
    for layer in layers:
        fitting = layer if layer.size == flat.size else layer.resize(flat.size, Image.Resampling.NEAREST)
        flat = Image.alpha_composite(flat, fitting.convert("RGBA"))
    # gradio hands over canvas pixels: not the photo's, and in some browsers not even those of its background
    pixels = np.asarray(flat.resize(size, Image.Resampling.NEAREST))  # H×W×4
    painted = pixels[..., 3] > OPAQUE  # H×W
    if not painted.any():
        return None
    nearest = _nearest_brush(pixels[..., :3])  # H×W
    shares = [(painted & (nearest == index)).sum() / painted.sum() for index in range(len(BRUSHES))]
    used = [index for index, share in enumerate(shares) if share > SPECK]
    if len(used) == 1:
        return weighted_masks(_mask(painted), list(weights.values()))
    for index in used:
        if index not in weights:
            colour = list(BRUSHES.values())[index]
            raise ValueError(
                f"{colour} is painted for style {index + 1}, which is empty: add a style or erase {colour}"
            )
    return [_mask(painted & (nearest == index)) for index in weights]


def weighted_masks(mask: Image.Image, weights: Sequence[float]) -> list[Image.Image]:
    """One mask (mode L) a style that mixes the styles by weight where the given mask is white."""
    total = sum(weights)
    levels = np.asarray(mask.convert("L"), dtype=np.float32)
    return [Image.fromarray((levels * (weight / total)).round().astype(np.uint8)) for weight in weights]


def _nearest_brush(colours: np.ndarray) -> np.ndarray:
    palette = np.array([[int(code[i : i + 2], 16) for i in (1, 3, 5)] for code in BRUSHES], dtype=np.int32)  # 3×3
    distances = [((colours.astype(np.int32) - brush) ** 2).sum(-1) for brush in palette]
    return np.stack(distances).argmin(0)


def _mask(painted: np.ndarray) -> Image.Image:
    return Image.fromarray(painted.astype(np.uint8) * 255)

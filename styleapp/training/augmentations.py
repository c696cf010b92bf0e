"""Changes that photos and pictures share before a discriminator sees them, so that it cannot learn photos by heart."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from kornia.color import rgb_to_grayscale
from kornia.geometry.transform import translate
from torch import Tensor

__all__ = ["AUGMENTATIONS", "Augmented", "augment", "draw_changes"]

Changes = dict[str, Tensor]

GREY = 0.5
FARTHEST = 1 / 8  # of the side
HOLE = 1 / 2  # of the side


class Augmented(NamedTuple):
    """A picture (N×3×H×W, RGB in [0, 1] but for colours that went beyond) and its map (N×L×H×W), changed together."""

    picture: Tensor
    label_map: Tensor


def change_colours(both: Augmented, drawn: Tensor) -> Augmented:
    """Brightness by −0.25 to 0.25, saturation by 0 to 2, contrast by 0.5 to 1.5. The map stays."""
    brightness, saturation, contrast = (drawn[:, index].view(-1, 1, 1, 1) for index in range(3))
    picture = both.picture + (brightness - 0.5) / 2
    picture = torch.lerp(rgb_to_grayscale(picture), picture, 2 * saturation)
    mean = picture.mean((1, 2, 3), keepdim=True)
    return both._replace(picture=torch.lerp(mean, picture, contrast + 0.5))


def move(both: Augmented, drawn: Tensor) -> Augmented:
    """Moved by up to an eighth of the side each way, in whole pixels; grey without a label comes in."""
    size = torch.tensor(both.picture.shape[:-3:-1], device=drawn.device)  # W, H
    pixels = ((2 * drawn[:, :2] - 1) * FARTHEST * size).round()  # N×2
    layers = torch.cat([both.picture - GREY, both.label_map], dim=1)
    moved = translate(layers, pixels.to(layers.dtype))  # N×(3+L)×H×W
    return Augmented(moved[:, :3] + GREY, moved[:, 3:])


def cut_out(both: Augmented, drawn: Tensor) -> Augmented:
    """A square of half the side becomes grey without a label, some of it beyond the border."""
    inside = []
    for axis, side in enumerate(both.picture.shape[-2:]):
        place = torch.arange(side, device=drawn.device) + 0.5
        centre = drawn[:, axis : axis + 1] * side  # N×1
        inside.append((place - centre).abs() < HOLE * side / 2)  # N×side
    kept = ~(inside[0][:, :, None] & inside[1][:, None, :]).unsqueeze(1)  # N×1×H×W
    return Augmented((both.picture - GREY) * kept + GREY, both.label_map * kept)


AUGMENTATIONS: dict[str, Callable[[Augmented, Tensor], Augmented]] = {
    "colour": change_colours,
    "translation": move,
    "cutout": cut_out,
}
"""By name, each with random numbers N×3 in [0, 1)."""


def draw_changes(names: Sequence[str], count: int, random: torch.Generator) -> Changes:
    """Random numbers for ``count`` pictures, to be given to photos and pictures alike."""
    return {name: torch.rand(count, 3, generator=random) for name in names}


def augment(picture: Tensor, label_map: Tensor, changes: Changes) -> Augmented:
    """Pictures and their maps, changed so that gradients pass.

    Zhao et al., *Differentiable Augmentation for Data-Efficient GAN Training*, NeurIPS 2020, section 3 and appendix.

    Args:
        picture: N×3×H×W, RGB in [0, 1].
        label_map: N×L×H×W.
        changes: see :func:`draw_changes`; applied in its order.

    Note:
        There pictures have no maps. A discriminator that compares both would otherwise learn to expect them shifted, so
        whatever moves or hides the picture moves or hides its map.
    """
    both = Augmented(picture, label_map)
    for name, drawn in changes.items():
        both = AUGMENTATIONS[name](both, drawn.to(picture.device))
    return both._replace(label_map=both.label_map.detach())  # moved as one tensor with the picture

"""Ablations that are named after what papers say: which network, which switches, and what to look for."""

from dataclasses import dataclass

from styleapp.lab.ablation import Ablation
from styleapp.lab.switches import LayerSwitch

__all__ = ["PRESETS", "Preset", "preset"]


@dataclass(frozen=True)
class Preset:
    """One ablation that is worth seeing.

    Attributes:
        name: what it is asked for by.
        claim: what a paper says, in one sentence.
        look: what to look for in the pictures, in one sentence.
        system: name of the catalogue's entry whose page tells more.
        paper: where the claim is.
        ablation: network, switches, and sample pictures; put others in their place with ``dataclasses.replace``.
    """

    name: str
    claim: str
    look: str
    system: str
    paper: str
    ablation: Ablation


PHOTOS = ("tower", "lion", "cheetah", "cheetah1")
ULYANOV = "Ulyanov et al., Instance Normalization: The Missing Ingredient for Fast Stylization, 2016, arXiv 1607.08022"
DUMOULIN = "Dumoulin et al., A Learned Representation for Artistic Style, ICLR 2017, section 2.2"
HUANG = "Huang & Belongie, Arbitrary Style Transfer in Real-time, ICCV 2017, section 5"
PARK = "Park et al., Semantic Image Synthesis with Spatially-Adaptive Normalization, CVPR 2019, section 3"
HOFFER = "Hoffer et al., Norm Matters, NeurIPS 2018"
IOFFE = "Ioffe & Szegedy, Batch Normalization, ICML 2015"
WU = "Wu & He, Group Normalization, ECCV 2018"


def _named(*switches: LayerSwitch, photos: tuple[str, ...] = PHOTOS[:1]) -> Ablation:
    return Ablation("multistyle", switches, photos, ("vangogh-starry_night",))


def _any_style(*switches: LayerSwitch) -> Ablation:
    return Ablation("adain", switches, PHOTOS[:1], ("oil",))


def _masks(*switches: LayerSwitch) -> Ablation:
    return Ablation("facades", switches, masks=("palace",))


_LIST = (
    Preset(
        "The missing ingredient",
        "Normalizing each photo by itself, not by its batch, is what makes fast stylization work.",
        "Each photo's contrast now depends on the other photos of the batch: flat ones stay flat, hard ones overshoot.",
        "instance",
        ULYANOV,
        _named(LayerSwitch(normalizer="batch"), photos=PHOTOS),
    ),
)

PRESETS: dict[str, Preset] = {one.name: one for one in _LIST}
"""By name, in the order in which they are shown."""


def preset(name: str) -> Preset:
    """The preset of this name; upper and lower case count the same.

    Raises:
        ValueError: there is none.
    """
    for known, entry in PRESETS.items():
        if known.lower() == name.lower():
            return entry
    raise ValueError(f"unknown preset {name!r}; known are {', '.join(PRESETS)}")

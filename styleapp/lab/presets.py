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


def _masks(*switches: LayerSwitch, masks: tuple[str, ...] = ("palace",)) -> Ablation:
    return Ablation("facades", switches, masks=masks)


_LIST = (
    Preset(
        "The missing ingredient",
        "Normalizing each photo by itself, not by its batch, is what makes fast stylization work.",
        "Style now depends on the other photos of the batch: flat photos stay pale, and palettes no longer match.",
        "instance",
        ULYANOV,
        _named(LayerSwitch(normalizer="batch"), photos=PHOTOS),
    ),
    Preset(
        "No normalization",
        "Without it the statistics of the photo, not of the style, decide how strong the features are.",
        "Nothing that was trained behind norms works without them: every colour is clipped.",
        "none",
        ULYANOV,
        _named(LayerSwitch(normalizer="none"), photos=PHOTOS[:2]),
    ),
    Preset(
        "From instance to layer",
        "Groups lie between layer and instance normalization: the fewer channels share statistics, the less contrast.",
        "With one group for all channels their proportions stay the photo's: pale, not in the style's palette.",
        "layer",
        WU,
        _named(LayerSwitch(normalizer="layer"), photos=PHOTOS[:2]),
    ),
    Preset(
        "Groups of four channels",
        "Groups lie between layer and instance normalization: the fewer channels share statistics, the less contrast.",
        "Between the original and one group for all: the tower has its contrast back, the lion not yet.",
        "group",
        WU,
        _named(LayerSwitch(normalizer="group", options={"groups": 8}), photos=PHOTOS[:2]),
    ),
    Preset(
        "L1 instead of L2",
        "The mean absolute deviation does as well as the root of the mean square.",
        "The same picture with slightly harder contrast: rare large values count less, so the divisor is smaller.",
        "l1_batch",
        f"{HOFFER}, section 4",
        _named(LayerSwitch(normalizer="instance", options={"deviation": "l1"})),
    ),
    Preset(
        "The ten largest instead of all",
        "The mean of the ten largest deviations does nearly as well as all of them.",
        "The same picture, paler: real channels have longer tails than those that the constant is made for.",
        "topk_batch",
        f"{HOFFER}, section 4",
        _named(LayerSwitch(normalizer="instance", options={"deviation": "topk", "k": 10})),
    ),
    Preset(
        "The largest value alone",
        "The largest deviation alone is a poorer measure of a channel than all of them.",
        "Paler still, and unevenly so: one bright spot decides how strong a channel is.",
        "linf_batch",
        f"{HOFFER}, section 4",
        _named(LayerSwitch(normalizer="instance", options={"deviation": "linf"})),
    ),
    Preset(
        "Not centred",
        "Quadratic means can stand in for mean and variance.",
        "Strokes stay; colours drift, because the means of the photo's features pass through every scale.",
        "power",
        "Shen et al., PowerNorm, ICML 2020, section 4",
        _named(LayerSwitch(normalizer="power"), photos=PHOTOS[:2]),
    ),
    Preset(
        "Shift only",
        "A style is nothing but a scale and a shift in every norm.",
        "Most of the style is still there: in this network the shifts carry its colours.",
        "conditional_instance",
        DUMOULIN,
        _named(LayerSwitch(modulation="shift")),
    ),
    Preset(
        "Scale only",
        "A style is nothing but a scale and a shift in every norm.",
        "Strokes stay, but the sky loses the style's blue.",
        "conditional_instance",
        DUMOULIN,
        _named(LayerSwitch(modulation="scale")),
    ),
    Preset(
        "No style at all",
        "All styles share the convolutions; what is left without scales and shifts belongs to none of them.",
        "Drawn with strokes that are nobody's, in colours that are nobody's.",
        "conditional_instance",
        DUMOULIN,
        _named(LayerSwitch(modulation="none")),
    ),
    Preset(
        "Mean only",
        "AdaIN aligns mean and deviation of each channel.",
        "With the means alone each channel keeps the photo's own contrast, so light and dark stay the photo's.",
        "adain",
        HUANG,
        _any_style(LayerSwitch(removed="mean", modulation="shift")),
    ),
    Preset(
        "Deviation only",
        "AdaIN aligns mean and deviation of each channel.",
        "With the deviations alone the strokes come, and the style's colours fade to grey.",
        "adain",
        HUANG,
        _any_style(LayerSwitch(removed="deviation", modulation="scale")),
    ),
    Preset(
        "The length of filters does not matter",
        "In front of a normalization the length of a filter has no effect, only its direction.",
        "Filters of other lengths, and the same picture: the difference is black.",
        "bounded_weight_norm",
        f"{HOFFER}, section 2",
        _named(LayerSwitch("blocks.*", weight_norm="bounded_weight_norm")),
    ),
    Preset(
        "The length of filters does matter",
        "In front of a normalization the length of a filter has no effect, only its direction.",
        "The decoder of AdaIN has no norms: the same switch takes contrast and colour out of the picture.",
        "bounded_weight_norm",
        f"{HOFFER}, section 2",
        _any_style(LayerSwitch("decoder.*", weight_norm="bounded_weight_norm")),
    ),
    Preset(
        "Standardized weights",
        "Filters of mean 0 and deviation 1 make a loss smoother; a network is trained with them.",
        "Only the means of the filters matter here, for the norms undo their lengths: colours shift a little.",
        "weight_standardization",
        "Qiao et al., Weight Standardization, 2019, section 3",
        _named(LayerSwitch("blocks.*", weight_norm="weight_standardization")),
    ),
    Preset(
        "SPADE by class",
        "Scale and shift vary over the picture, so that what the map says is not washed away.",
        "One scale and shift for each class: shading at borders is gone, the building and its windows stay.",
        "spade",
        PARK,
        _masks(LayerSwitch("stages.*", modulation="class_mean")),
    ),
    Preset(
        "SPADE without space",
        "Normalizing washes the map away unless scale and shift bring it back, place by place.",
        "One scale and shift for the whole picture: fog. What the first features knew of the map is washed away.",
        "spade",
        PARK,
        _masks(LayerSwitch("stages.*", modulation="map_mean")),
    ),
    Preset(
        "SPADE at the small sizes only",
        "The map is given at every size, from the smallest to the full one.",
        "Without space at the three largest sizes fog is left: what the small sizes knew does not survive there.",
        "spade",
        PARK,
        _masks(LayerSwitch("stages.[345].*", modulation="map_mean")),
    ),
    Preset(
        "SPADE at the large sizes only",
        "The map is given at every size, from the smallest to the full one.",
        "Without space at the three smallest sizes lines and windows stay, masses and shading do not.",
        "spade",
        PARK,
        _masks(LayerSwitch("stages.[012].*", modulation="map_mean")),
    ),
    Preset(
        "Running or batch statistics",
        "In use, averages from training stand in for the statistics of a batch.",
        "The two maps' own statistics instead: brightness and contrast now depend on what else is in the batch.",
        "batch",
        IOFFE,
        _masks(LayerSwitch("stages.*", statistics="batch"), masks=("palace", "hotel")),
    ),
    Preset(
        "SPADE on instance statistics",
        "SPADE can stand on the statistics of a batch or of each picture.",
        "Each picture's own statistics, which are those of a batch of one: what all its places have in common is lost.",
        "instance",
        PARK,
        _masks(LayerSwitch("stages.*", normalizer="instance")),
    ),
    Preset(
        "Beyond the style",
        "Scales and shifts can be interpolated, and so can be exaggerated.",
        "One and a half times as far from no style: strokes and colours overshoot.",
        "conditional_instance",
        DUMOULIN,
        _named(LayerSwitch(strength=1.5)),
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

"""The claims themselves: what each paper says, how we try it, and where the figures are."""

from styleapp.lab.claims import At, Claim, Measure, alike, of_card, ordered, rises, why_not

__all__ = ["CLAIMS"]

STYLE = "style distance"
GRIDS = "configs/ablation/grids"
FIRST, SIZES = f"{GRIDS}/first.yaml", f"{GRIDS}/batch_size.yaml"
FURTHER, MASKS = f"{GRIDS}/further.yaml", f"{GRIDS}/masks.yaml"


def _grid(file: str, only: str = "") -> str:
    chosen = f" --only '{only}'" if only else ""
    return f"styleapp ablate train --grid {file}{chosen}"


def _probe(name: str) -> str:
    return f"styleapp probe {name} --csv checkpoints/ablation/probe-{name}.csv"


def _first(label: str, normalizer: str, weight_norm: str = "none", number: str = "style_distance") -> At:
    return At(label, "first", number, {"normalizer": normalizer, "weight_norm": weight_norm})


def _further(system: str) -> At:
    return At(system, "further", "style_distance", {"system": system})


def _sized(normalizer: str, size: int) -> At:
    choices = {"normalizer": normalizer, "batch_size": str(size)}
    return At(f"{normalizer}, batch of {size}", "batch_size", "style_distance", choices)


def _masks(label: str, number: str, critic: str = "plain", kind: str = "spade") -> At:
    return At(label, "masks", number, {"map": kind, "normalizer": "batch", "critic": critic})


def _signals(number: str, falls: bool = False, depth: int = 20) -> Measure:
    """From instance statistics to layer statistics, by the size of the groups."""
    sizes = (1, 4, 16, 64)
    places = [At(f"groups of {n}", "probe-signals", number, {}, {"group_size": n, "depth": depth}) for n in sizes]
    return rises(f"{number} at layer {depth}", places, falls)


ACTIVATION = (
    Claim(
        "none",
        "Without normalization the same training reaches less (the baseline of all papers here).",
        "named styles, 300 steps: instance statistics against none",
        _grid(FIRST, "[in]*--none--*"),
        ordered(STYLE, _first("instance", "instance"), _first("none", "none")),
    ),
    Claim(
        "batch",
        "Training is quicker than without (Ioffe & Szegedy 2015).",
        "named styles, 300 steps: training loss over the last steps",
        _grid(FIRST, "*--none--*"),
        ordered("training loss", _first("batch", "batch", number="loss"), _first("none", "none", number="loss")),
    ),
    Claim(
        "batch",
        "With small batches it degrades (Wu & He 2018).",
        "named styles, equal samples: batches of 16 against batches of 1",
        _grid(SIZES, "*--batch--*"),
        ordered(STYLE, _sized("batch", 16), _sized("batch", 1)),
    ),
    Claim(
        "sync_batch",
        "Statistics over all workers are those of the whole batch (Zhang et al. 2018).",
        "two processes against one, forward and backward",
        "pytest tests/norms/test_synchronized.py",
        why_not("no figure: an identity, which the tests assert to rounding"),
    ),
    Claim(
        "layer",
        "Training is quicker than without, with batches of any size (Ba et al. 2016).",
        "named styles, 300 steps: training loss over the last steps",
        _grid(FIRST, "*--none--*"),
        ordered("training loss", _first("layer", "layer", number="loss"), _first("none", "none", number="loss")),
    ),
    Claim(
        "instance",
        "For stylization instance statistics reach more than batch statistics (Ulyanov et al. 2016).",
        "named styles, 300 steps",
        _grid(FIRST, "*--none--*"),
        ordered(STYLE, _first("instance", "instance"), _first("batch", "batch")),
    ),
    Claim(
        "group",
        "From large batches to batches of 1 it stays as good (Wu & He 2018).",
        "named styles, equal samples: batches of 1 against batches of 16",
        _grid(SIZES, "*--group--*"),
        alike(STYLE, _sized("group", 1), _sized("group", 16)),
    ),
    Claim(
        "group",
        "With batches of 1 it is better than batch statistics (Wu & He 2018).",
        "named styles, equal samples",
        _grid(SIZES, "1--*"),
        ordered(STYLE, _sized("group", 1), _sized("batch", 1)),
    ),
    Claim(
        "l1_batch",
        "The mean absolute deviation does as well as the standard deviation (Hoffer et al. 2018).",
        "named styles, 300 steps",
        _grid(FIRST, "*batch--none--*"),
        alike(STYLE, _first("l1_batch", "l1_batch"), _first("batch", "batch")),
    ),
    Claim(
        "linf_batch",
        "The largest deviation alone is somewhat worse than the standard deviation (Hoffer et al. 2018).",
        "named styles, 300 steps",
        _grid(FURTHER, "linf_batch--*"),
        ordered(STYLE, _first("batch", "batch"), _further("linf_batch")),
    ),
    Claim(
        "topk_batch",
        "The ten largest deviations do as well as the standard deviation (Hoffer et al. 2018).",
        "named styles, 300 steps",
        _grid(FURTHER, "topk_batch--*"),
        alike(STYLE, _further("topk_batch"), _first("batch", "batch")),
    ),
    Claim(
        "revisited_batch",
        "A small scale at the beginning trains to more (Davis & Frank 2022).",
        "named styles, equal samples, batches of 4: every row of the tables begins with γ = 0.1 instead of 1",
        _grid(SIZES, "4--*batch--*"),
        ordered(STYLE, _sized("revisited_batch", 4), _sized("batch", 4)),
    ),
    Claim(
        "revisited_batch",
        "With small batches it loses less than batch normalization that begins with 1.",
        "named styles, equal samples, batches of 1",
        _grid(SIZES, "1--*batch--*"),
        ordered(STYLE, _sized("revisited_batch", 1), _sized("batch", 1)),
    ),
    Claim(
        "moving_batch",
        "With small batches it closes the gap to large ones (Yan et al. 2020).",
        "named styles, equal samples, batches of 1, kernels centred",
        _grid(SIZES, "1--*batch--*"),
        ordered(STYLE, _sized("moving_batch", 1), _sized("batch", 1)),
    ),
    Claim(
        "power",
        "Quadratic means over all batches do better than statistics of the batch (Shen et al. 2020, for text).",
        "named styles, 300 steps",
        _grid(FIRST, "*--none--*"),
        ordered(STYLE, _first("power", "power"), _first("batch", "batch")),
    ),
    Claim(
        "memorized_batch",
        "Statistics of several batches and a second pass do better than those of a small batch (Guo et al. 2018).",
        "named styles, 300 steps of batch 4",
        _grid(FURTHER, "memorized_batch--*"),
        ordered(STYLE, _further("memorized_batch"), _first("batch", "batch")),
    ),
    Claim(
        "unified_batch",
        "Statistics of too similar samples spoil the running averages (Wang et al. 2023).",
        "none",
        "styleapp norms unified_batch",
        why_not("no figure: threshold and rectifications are not in the abstract, which is all that we follow"),
    ),
    Claim(
        "adaptive_batch",
        "Only heterogeneous batches need normalization (Alsobhi et al. 2022).",
        "none",
        "styleapp norms adaptive_batch",
        why_not("no figure: the measure of heterogeneity is not in the abstract, which is all that we follow"),
    ),
)

WEIGHT = (
    Claim(
        "weight_norm",
        "Length and direction apart train better than plain weights (Salimans & Kingma 2016).",
        "named styles, 300 steps, no normalizer",
        _grid(FIRST, "none--*"),
        ordered(STYLE, _first("weight_norm", "none", "weight_norm"), _first("none", "none")),
    ),
    Claim(
        "bounded_weight_norm",
        "Fixed lengths train where weight normalization lags or fails (Hoffer et al. 2018).",
        "named styles, 300 steps, no normalizer",
        _grid(FIRST, "none--*"),
        ordered(
            STYLE,
            _first("bounded_weight_norm", "none", "bounded_weight_norm"),
            _first("weight_norm", "none", "weight_norm"),
        ),
    ),
    Claim(
        "weight_standardization",
        "Group statistics reach more with it than without (Qiao et al. 2019).",
        "named styles, 300 steps",
        _grid(FIRST, "group--*"),
        ordered(
            STYLE,
            _first("with weight_standardization", "group", "weight_standardization"),
            _first("without", "group"),
        ),
    ),
    Claim(
        "conv_norm",
        "Filtered to unit gain, convolutions train better (Liu et al. 2021).",
        "named styles, 300 steps, before instance statistics",
        _grid(FURTHER, "conv_norm--*"),
        ordered(STYLE, _further("conv_norm"), _first("instance alone", "instance")),
    ),
    Claim(
        "spectral_norm",
        "It bounds how much a layer can enlarge, for discriminators (Miyato et al. 2018).",
        "named styles, 300 steps, in the place of a normalizer",
        _grid(FURTHER, "spectral_norm--*"),
        ordered(STYLE, _further("spectral_norm"), _first("none", "none")),
    ),
)

CONDITIONAL = (
    Claim(
        "conditional_instance",
        "γ and β alone are enough to tell styles apart (Dumoulin et al. 2017).",
        "named styles, 300 steps: five styles in one network against the photos themselves",
        _grid(FIRST, "instance--none--*"),
        ordered(
            STYLE,
            _first("painted", "instance"),
            _first("the photos", "instance", number="photo_itself_style_distance"),
        ),
    ),
    Claim(
        "adain",
        "One network paints in styles that it has never seen (Huang & Belongie 2017).",
        "the shipped network on held-out photos and styles",
        "styleapp evaluate PHOTOS STYLES --held-out --limit-photos 12 --limit-styles 10",
        of_card("adain"),
    ),
    Claim(
        "spade",
        "A map in every norm is seen better in the picture than a map that goes in once (Park et al. 2019).",
        "facades, 400 steps against 500 of the concatenated map, the same time: labels a segmenter finds again",
        _grid(MASKS),
        ordered(
            "pixel accuracy",
            _masks("in every norm", "pixel_accuracy"),
            _masks("once", "pixel_accuracy", kind="concatenated"),
            highest=True,
        ),
    ),
)

RULES = (
    Claim(
        "input_norm",
        "Normalized pictures train a network better than raw ones (Davis & Frank 2022, for classification).",
        "facades, 400 steps: in front of the critic, or not",
        _grid(MASKS, "spade--batch--*"),
        ordered(
            "statistics distance",
            _masks("input_norm", "statistics_distance", critic="input_norm"),
            _masks("without", "statistics_distance"),
        ),
    ),
    Claim(
        "mimic_norm",
        "Centred kernels train a network without normalization (Fei et al. 2020).",
        "named styles, 300 steps, no normalizer",
        _grid(FURTHER, "mimic_norm--*"),
        ordered(STYLE, _further("mimic_norm"), _first("none", "none")),
    ),
    Claim(
        "decay_rate_correction",
        "Weight decay before a norm acts by its learning rates alone (Hoffer et al. 2018).",
        "probe: effective rate at the end, rates corrected against weight decay",
        _probe("rates"),
        alike(
            "effective rate at step 300",
            At("corrected rates", "probe-rates", "effective_rate", {"case": "corrected rates"}, {"step": 300}),
            At("weight decay", "probe-rates", "effective_rate", {"case": "weight decay"}, {"step": 300}),
        ),
    ),
    Claim(
        "bn_preconditioning",
        "Preconditioned gradients train a network without normalization better (Lange et al. 2022).",
        "named styles, 300 steps, no normalizer",
        _grid(FURTHER, "bn_preconditioning--*"),
        ordered(STYLE, _further("bn_preconditioning"), _first("none", "none")),
    ),
    Claim(
        "sam_on",
        "Sharpness-aware steps of γ and β alone generalize better (Mueller et al. 2023).",
        "named styles, 300 steps, held-out photos",
        _grid(FURTHER, "sam_on--*"),
        ordered(STYLE, _further("sam_on"), _first("without", "instance")),
    ),
    Claim(
        "landscape_probe",
        "With batch normalization gradients change less along the step (Santurkar et al. 2018).",
        "probe: largest change of the gradient, as a share of it, mean over a short training",
        _probe("landscape"),
        ordered(
            "relative change of the gradient",
            At("batch", "probe-landscape", "relative_change", {"case": "batch"}),
            At("none", "probe-landscape", "relative_change", {"case": "none"}),
        ),
    ),
    Claim(
        "beyond_bn_probe",
        "The larger the groups, the more alike samples become (Lubana et al. 2021).",
        "probe: mean cosine of the last layer's features of different samples, from instance to layer statistics",
        _probe("signals"),
        _signals("similarity"),
    ),
    Claim(
        "beyond_bn_probe",
        "The larger the groups, the smaller the first layer's gradient (Lubana et al. 2021).",
        "probe: length of the gradient, from instance to layer statistics",
        _probe("signals"),
        _signals("gradient", falls=True, depth=1),
    ),
    Claim(
        "beyond_bn_probe",
        "Over residual blocks activations grow more slowly with activation norms than with weight norms "
        "(Lubana et al. 2021).",
        "probe: variance after 20 random residual blocks",
        _probe("growth"),
        ordered(
            "variance",
            At("batch", "probe-growth", "variance", {"case": "batch"}, {"block": 20}),
            At("weight_norm", "probe-growth", "variance", {"case": "weight_norm"}, {"block": 20}),
        ),
    ),
)

CLAIMS: tuple[Claim, ...] = (*ACTIVATION, *WEIGHT, *CONDITIONAL, *RULES)

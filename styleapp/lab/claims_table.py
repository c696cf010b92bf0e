"""The claims themselves: what each paper says, how we try it, and where the figures are."""

from styleapp.lab.claims import Claim, alike, of_card, ordered, why_not
from styleapp.lab.claims_places import (
    FIRST,
    FURTHER,
    MASKS,
    SIZES,
    STYLE,
    first_at,
    further_at,
    grid_command,
    masks_at,
    probe_command,
    sized_at,
    workers_at,
)
from styleapp.lab.claims_rules import PROBED, RULES

__all__ = ["CLAIMS"]

ACTIVATION = (
    Claim(
        "none",
        "Without normalization the same training reaches less (the baseline of all papers here).",
        "named styles, 300 steps: instance statistics against none",
        grid_command(FIRST, "[in]*--none--*"),
        ordered(STYLE, first_at("instance", "instance"), first_at("none", "none")),
    ),
    Claim(
        "batch",
        "Training is quicker than without (Ioffe & Szegedy 2015).",
        "named styles, 300 steps: training loss over the last steps",
        grid_command(FIRST, "*--none--*"),
        ordered("training loss", first_at("batch", "batch", number="loss"), first_at("none", "none", number="loss")),
    ),
    Claim(
        "batch",
        "With small batches it degrades (Wu & He 2018).",
        "named styles, equal samples: batches of 16 against batches of 1",
        grid_command(SIZES, "*--batch--*"),
        ordered(STYLE, sized_at("batch", 16), sized_at("batch", 1)),
    ),
    Claim(
        "sync_batch",
        "Statistics over all workers are those of the whole batch (Zhang et al. 2018).",
        "probe: how far a network that four processes trained is from that of one, beside batch statistics of each",
        probe_command("workers"),
        ordered("relative difference of the logits", workers_at("sync_batch", 4), workers_at("batch", 4)),
    ),
    Claim(
        "layer",
        "Training is quicker than without, with batches of any size (Ba et al. 2016).",
        "named styles, 300 steps: training loss over the last steps",
        grid_command(FIRST, "*--none--*"),
        ordered("training loss", first_at("layer", "layer", number="loss"), first_at("none", "none", number="loss")),
    ),
    Claim(
        "instance",
        "For stylization instance statistics reach more than batch statistics (Ulyanov et al. 2016).",
        "named styles, 300 steps",
        grid_command(FIRST, "*--none--*"),
        ordered(STYLE, first_at("instance", "instance"), first_at("batch", "batch")),
    ),
    Claim(
        "group",
        "From large batches to batches of 1 it stays as good (Wu & He 2018).",
        "named styles, equal samples: batches of 1 against batches of 16",
        grid_command(SIZES, "*--group--*"),
        alike(STYLE, sized_at("group", 1), sized_at("group", 16)),
    ),
    Claim(
        "group",
        "With batches of 1 it is better than batch statistics (Wu & He 2018).",
        "named styles, equal samples",
        grid_command(SIZES, "1--*"),
        ordered(STYLE, sized_at("group", 1), sized_at("batch", 1)),
    ),
    Claim(
        "l1_batch",
        "The mean absolute deviation does as well as the standard deviation (Hoffer et al. 2018).",
        "named styles, 300 steps",
        grid_command(FIRST, "*batch--none--*"),
        alike(STYLE, first_at("l1_batch", "l1_batch"), first_at("batch", "batch")),
    ),
    Claim(
        "linf_batch",
        "The largest deviation alone is somewhat worse than the standard deviation (Hoffer et al. 2018).",
        "named styles, 300 steps",
        grid_command(FURTHER, "linf_batch--*"),
        ordered(STYLE, first_at("batch", "batch"), further_at("linf_batch")),
    ),
    Claim(
        "topk_batch",
        "The ten largest deviations do as well as the standard deviation (Hoffer et al. 2018).",
        "named styles, 300 steps",
        grid_command(FURTHER, "topk_batch--*"),
        alike(STYLE, further_at("topk_batch"), first_at("batch", "batch")),
    ),
    Claim(
        "revisited_batch",
        "A small scale at the beginning trains to more (Davis & Frank 2022).",
        "named styles, equal samples, batches of 4: every row of the tables begins with γ = 0.1 instead of 1",
        grid_command(SIZES, "4--*batch--*"),
        ordered(STYLE, sized_at("revisited_batch", 4), sized_at("batch", 4)),
    ),
    Claim(
        "revisited_batch",
        "With small batches it loses less than batch normalization that begins with 1.",
        "named styles, equal samples, batches of 1",
        grid_command(SIZES, "1--*batch--*"),
        ordered(STYLE, sized_at("revisited_batch", 1), sized_at("batch", 1)),
    ),
    Claim(
        "moving_batch",
        "With small batches it closes the gap to large ones (Yan et al. 2020).",
        "named styles, equal samples, batches of 1, kernels centred",
        grid_command(SIZES, "1--*batch--*"),
        ordered(STYLE, sized_at("moving_batch", 1), sized_at("batch", 1)),
    ),
    Claim(
        "moving_batch",
        "Averages over 16 batches do better than statistics of one small batch (Yan et al. 2020).",
        "named styles, 300 steps of batch 4, kernels centred",
        grid_command(FIRST, "*batch--*"),
        ordered(STYLE, first_at("moving_batch", "moving_batch", "centred_weights"), first_at("batch", "batch")),
    ),
    Claim(
        "power",
        "Quadratic means over all batches do better than statistics of the batch (Shen et al. 2020, for text).",
        "named styles, 300 steps",
        grid_command(FIRST, "*--none--*"),
        ordered(STYLE, first_at("power", "power"), first_at("batch", "batch")),
    ),
    Claim(
        "memorized_batch",
        "Statistics of several batches and a second pass do better than those of a small batch (Guo et al. 2018).",
        "named styles, 300 steps of batch 4",
        grid_command(FURTHER, "memorized_batch--*"),
        ordered(STYLE, further_at("memorized_batch"), first_at("batch", "batch")),
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
        grid_command(FIRST, "none--*"),
        ordered(STYLE, first_at("weight_norm", "none", "weight_norm"), first_at("none", "none")),
    ),
    Claim(
        "bounded_weight_norm",
        "Fixed lengths train where weight normalization lags or fails (Hoffer et al. 2018).",
        "named styles, 300 steps, no normalizer",
        grid_command(FIRST, "none--*"),
        ordered(
            STYLE,
            first_at("bounded_weight_norm", "none", "bounded_weight_norm"),
            first_at("weight_norm", "none", "weight_norm"),
        ),
    ),
    Claim(
        "weight_standardization",
        "Group statistics reach more with it than without (Qiao et al. 2019).",
        "named styles, 300 steps",
        grid_command(FIRST, "group--*"),
        ordered(
            STYLE,
            first_at("with weight_standardization", "group", "weight_standardization"),
            first_at("without", "group"),
        ),
    ),
    Claim(
        "conv_norm",
        "Filtered to unit gain, convolutions train better (Liu et al. 2021).",
        "named styles, 300 steps, before instance statistics",
        grid_command(FURTHER, "conv_norm--*"),
        ordered(STYLE, further_at("conv_norm"), first_at("instance alone", "instance")),
    ),
    Claim(
        "spectral_norm",
        "Layers that cannot enlarge by more than 1 train better (Miyato et al. 2018, for discriminators).",
        "named styles, 300 steps, in the place of a normalizer",
        grid_command(FURTHER, "spectral_norm--*"),
        ordered(STYLE, further_at("spectral_norm"), first_at("none", "none")),
    ),
)

CONDITIONAL = (
    Claim(
        "conditional_instance",
        "γ and β alone are enough to tell styles apart (Dumoulin et al. 2017).",
        "named styles, 300 steps: five styles in one network against the photos themselves",
        grid_command(FIRST, "instance--none--*"),
        ordered(
            STYLE,
            first_at("painted", "instance"),
            first_at("the photos", "instance", number="photo_itself_style_distance"),
        ),
    ),
    Claim(
        "adain",
        "One network paints in styles that it has never seen (Huang & Belongie 2017).",
        "the shipped network on held-out photos and styles: it shall leave less than half of the photos' own distance",
        "styleapp evaluate PHOTOS STYLES --held-out --limit-photos 12 --limit-styles 10",
        of_card("adain"),
    ),
    Claim(
        "spade",
        "A map in every norm is seen better in the picture than a map that goes in once (Park et al. 2019).",
        "facades, 400 steps against 500 of the concatenated map, the same time: labels a segmenter finds again",
        grid_command(MASKS),
        ordered(
            "pixel accuracy",
            masks_at("in every norm", "pixel_accuracy"),
            masks_at("once", "pixel_accuracy", kind="concatenated"),
            highest=True,
        ),
    ),
)

CLAIMS: tuple[Claim, ...] = (*ACTIVATION, *WEIGHT, *CONDITIONAL, *RULES, *PROBED)

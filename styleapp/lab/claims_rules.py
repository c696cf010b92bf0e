"""Claims about rules of training and about what probes measure."""

from statistics import median

from styleapp.lab.claims import At, Claim, alike, ordered, provided
from styleapp.lab.claims_places import (
    FURTHER,
    MASKS,
    STYLE,
    drift_at,
    first_at,
    further_at,
    grid_command,
    masks_at,
    probe_command,
    signals,
)

__all__ = ["PROBED", "RULES"]

RULES = (
    Claim(
        "input_norm",
        "Normalized pictures train a network better than raw ones (Davis & Frank 2022, for classification).",
        "facades, 400 steps: in front of the critic, or not",
        grid_command(MASKS, "spade--batch--*"),
        ordered(
            "statistics distance",
            masks_at("input_norm", "statistics_distance", critic="input_norm"),
            masks_at("without", "statistics_distance"),
        ),
    ),
    Claim(
        "mimic_norm",
        "Centred kernels train a network without normalization (Fei et al. 2020).",
        "named styles, 300 steps, no normalizer",
        grid_command(FURTHER, "mimic_norm--*"),
        ordered(STYLE, further_at("mimic_norm"), first_at("none", "none")),
    ),
    Claim(
        "decay_rate_correction",
        "Weight decay before a norm acts by its learning rates alone (Hoffer et al. 2018).",
        "probe: by how many degrees a step turns a kernel, rates corrected against weight decay, mean over a training",
        probe_command("rates"),
        alike(
            "turn of a kernel",
            At("corrected rates", "probe-rates", "turn", {"case": "corrected rates"}),
            At("weight decay", "probe-rates", "turn", {"case": "weight decay"}),
        ),
    ),
    Claim(
        "bn_preconditioning",
        "Preconditioned gradients train a network without normalization better (Lange et al. 2022).",
        "named styles, 300 steps, no normalizer",
        grid_command(FURTHER, "bn_preconditioning--*"),
        ordered(STYLE, further_at("bn_preconditioning"), first_at("none", "none")),
    ),
    Claim(
        "sam_on",
        "Sharpness-aware steps of γ and β alone generalize better (Mueller et al. 2023).",
        "named styles, 300 steps, held-out photos",
        grid_command(FURTHER, "sam_on--*"),
        ordered(STYLE, further_at("sam_on"), first_at("without", "instance")),
    ),
)

PROBED = (
    Claim(
        "landscape_probe",
        "With batch normalization gradients change less along the step (Santurkar et al. 2018).",
        "probe: largest change of the gradient, as a share of it, mean over a short training",
        probe_command("landscape"),
        ordered(
            "relative change of the gradient",
            At("batch", "probe-landscape", "relative_change", {"case": "batch"}),
            At("none", "probe-landscape", "relative_change", {"case": "none"}),
        ),
    ),
    Claim(
        "landscape_probe",
        "With batch normalization gradients change less along the step (Santurkar et al. 2018).",
        "probe: the same at a typical place of the training, the median",
        probe_command("landscape"),
        ordered(
            "relative change of the gradient",
            At("batch", "probe-landscape", "relative_change", {"case": "batch"}, average=median),
            At("none", "probe-landscape", "relative_change", {"case": "none"}, average=median),
        ),
    ),
    Claim(
        "beyond_bn_probe",
        "The larger the groups, the more alike samples become (Lubana et al. 2021).",
        "probe: mean cosine of the last layer's features of different samples, from instance to layer statistics",
        probe_command("signals"),
        signals("similarity"),
    ),
    Claim(
        "beyond_bn_probe",
        "The larger the groups, the smaller the first layer's gradient (Lubana et al. 2021).",
        "probe: length of the gradient, from instance to layer statistics",
        probe_command("signals"),
        signals("gradient", falls=True, depth=1),
    ),
    Claim(
        "beyond_bn_probe",
        "Over residual blocks activations grow more slowly with activation norms than with weight norms "
        "(Lubana et al. 2021).",
        "probe: variance after 20 random residual blocks",
        probe_command("growth"),
        ordered(
            "variance",
            At("batch", "probe-growth", "variance", {"case": "batch"}, {"block": 20}),
            At("weight_norm", "probe-growth", "variance", {"case": "weight_norm"}, {"block": 20}),
        ),
    ),
    Claim(
        "batch",
        "With small batches it degrades (Wu & He 2018).",
        "probe: accuracy of a small classifier whose norms saw its 16 samples a step at once, or one by one",
        probe_command("drift"),
        ordered("accuracy", drift_at("batch", 16), drift_at("batch", 1), highest=True),
    ),
    Claim(
        "group",
        "From large batches to batches of 1 it stays as good (Wu & He 2018).",
        "probe: the same classifier",
        probe_command("drift"),
        alike("accuracy", drift_at("group", 1), drift_at("group", 16)),
    ),
    Claim(
        "moving_batch",
        "With small batches it closes the gap to large ones (Yan et al. 2020).",
        "probe: the same classifier, samples one by one",
        probe_command("drift"),
        ordered("accuracy", drift_at("moving_batch", 1), drift_at("batch", 1), highest=True),
    ),
    Claim(
        "revisited_batch",
        "With small batches it loses less than batch normalization that begins with 1.",
        "probe: the same classifier, samples one by one",
        probe_command("drift"),
        provided(
            drift_at("revisited_batch", 16),
            0.5,
            ordered("accuracy", drift_at("revisited_batch", 1), drift_at("batch", 1), highest=True),
        ),
    ),
)

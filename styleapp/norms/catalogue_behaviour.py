"""The catalogue's data: which values each system takes its statistics of, and what training and evaluation do."""

from dataclasses import dataclass

__all__ = ["BEHAVIOURS", "Behaviour"]


@dataclass(frozen=True)
class Behaviour:
    """How a system acts.

    Attributes:
        axes: what the statistics are taken over, and how many there are. Features are N×C×H×W, a kernel is
            C_out×C_in×k×k.
        training: where they come from in training mode.
        evaluation: where they come from in evaluation mode.
    """

    axes: str
    training: str
    evaluation: str


PER_CHANNEL = "N, H, W: one for each channel"
PER_KERNEL = "C_in, k, k of the kernel: one for each output channel"
SAME = "the same"
RUNNING = "running averages"
NO_LAYER = "not part of the forward pass"

BEHAVIOURS: dict[str, Behaviour] = {
    "none": Behaviour("none", "nothing is removed", SAME),
    "batch": Behaviour(
        PER_CHANNEL, "this batch; running averages move by 0.1, fed with the unbiased variance", RUNNING
    ),
    "sync_batch": Behaviour(
        "N of all workers, H, W: one for each channel",
        "the batches of all workers, weighted by their number of values; running averages move by 0.1",
        RUNNING,
    ),
    "layer": Behaviour("C, H, W: one for each sample", "the sample itself; nothing is stored", SAME),
    "instance": Behaviour("H, W: one for each channel of each sample", "the sample itself; nothing is stored", SAME),
    "group": Behaviour(
        "C/G, H, W: one for each group of channels of each sample", "the sample itself; nothing is stored", SAME
    ),
    "l1_batch": Behaviour(PER_CHANNEL, "this batch; running mean and deviation move by 0.1", RUNNING),
    "linf_batch": Behaviour(PER_CHANNEL, "this batch; running mean and deviation move by 0.1", RUNNING),
    "topk_batch": Behaviour(PER_CHANNEL, "this batch; running mean and deviation move by 0.1", RUNNING),
    "revisited_batch": Behaviour(
        PER_CHANNEL, "this batch; running averages move by 0.1, fed with the unbiased variance", RUNNING
    ),
    "moving_batch": Behaviour(
        f"{PER_CHANNEL}; quadratic means, nothing is centred",
        "v and Ψ are means over a ring of the last 16 batches (this batch's own in the first 100); backward moves Ψ",
        "running quadratic mean, which moved by 0.02",
    ),
    "power": Behaviour(
        f"{PER_CHANNEL}; quadratic means, nothing is centred",
        "the running quadratic mean from before this batch (this batch's own in the first 10,000); backward moves ν",
        "running quadratic mean, which moved by 0.1",
    ),
    "memorized_batch": Behaviour(
        f"{PER_CHANNEL}, over the last K = 5 batches",
        "the memory and this batch, which alone has a gradient; a second forward pass after the step renews its slot",
        "the same memory",
    ),
    "unified_batch": Behaviour(
        PER_CHANNEL, "this batch; running averages skip a batch whose samples are too similar", RUNNING
    ),
    "adaptive_batch": Behaviour(
        PER_CHANNEL,
        "this batch where its samples differ enough, otherwise nothing is removed",
        f"{RUNNING}; nothing is removed before the first batch was normalized",
    ),
    "weight_norm": Behaviour(PER_KERNEL, "the weights alone; g and v are learned", SAME),
    "bounded_weight_norm": Behaviour(PER_KERNEL, "the weights alone; ρ is fixed when it is attached", SAME),
    "weight_standardization": Behaviour(PER_KERNEL, "the weights alone; the gradient flows through μ and σ", SAME),
    "conv_norm": Behaviour(
        "C_in of the kernel's spectrum: one for each output channel and frequency",
        "V from the weights at the current size, without a gradient",
        "the same, kept until weights or size change",
    ),
    "spectral_norm": Behaviour(
        "the whole kernel: one number", "one step of power iteration each forward pass", "the last estimate"
    ),
    "conditional_instance": Behaviour(
        "H, W: one for each channel of each sample", "γ and β from the table, by style number or mixing weights", SAME
    ),
    "adain": Behaviour(
        "H, W: one for each channel of each sample, of content and of style", "γ and β from the style picture", SAME
    ),
    "spade": Behaviour(
        "those of the normalizer, in the paper N, H, W; γ and β differ from place to place",
        "as the normalizer; γ and β from the label map",
        "as the normalizer; γ and β from the label map",
    ),
    "input_norm": Behaviour(PER_CHANNEL, "this batch of pictures; running averages move by 0.1", RUNNING),
    "mimic_norm": Behaviour(PER_KERNEL, "kernels are centred in place after each step", "the weights as they are"),
    "decay_rate_correction": Behaviour(PER_KERNEL, "changes the optimizer's step", NO_LAYER),
    "bn_preconditioning": Behaviour(
        "N, H, W of a layer's input: one for each input channel",
        "running averages change the gradients before the step",
        NO_LAYER,
    ),
    "sam_on": Behaviour("none", "γ and β are moved up and back around a second gradient", NO_LAYER),
    "landscape_probe": Behaviour("none", "weights and running averages are restored afterwards", NO_LAYER),
    "beyond_bn_probe": Behaviour("C, H, W: one vector for each sample", "reads activations and gradients", NO_LAYER),
}

"""The catalogue's data: name, title, kind, status, paper, formula and switches of every system."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["ENTRIES", "Entry", "Kind", "Status"]

Kind = Literal["activation", "weight", "conditional", "rule", "optimizer", "analysis"]
Status = Literal["ready", "experimental", "planned"]


@dataclass(frozen=True)
class Entry:
    """A normalization system.

    Attributes:
        name: as in :func:`styleapp.norms.build_norm` where it is a normalizer; unique.
        title: as people say it.
        kind: what it works on: activations, weights, activations under a condition; or a training rule, an optimizer's
            step, an analysis.
        status: ``ready``; ``experimental``, an approximation of a paper whose details are unknown; ``planned``.
        paper: authors, short title, place and year, arXiv number, part.
        formula: in one line; x are features, z is what a modulator scales by γ and shifts by β, w a kernel.
        switches: Python expressions that build it or put it into a network; none while it is planned.
    """

    name: str
    title: str
    kind: Kind
    status: Status
    paper: str
    formula: str
    switches: tuple[str, ...] = ()


def _activation(name: str, title: str, paper: str, formula: str, options: str = "", status: Status = "ready") -> Entry:
    switches = (f'build_norm("{name}", 64{options})', f'switch_norms(network, "{name}"{options})')
    return Entry(name, title, "activation", status, paper, formula, switches)


def _weight(name: str, title: str, paper: str, formula: str) -> Entry:
    return Entry(name, title, "weight", "ready", paper, formula, (f'switch_weight_norm(network, "{name}")',))


NORM_MATTERS = "Hoffer et al., Norm Matters, NeurIPS 2018, arXiv 1803.01814"
REVISITED = "Davis & Frank, Revisiting Batch Norm Initialization, ECCV 2022, arXiv 2110.13989"

ACTIVATION = (
    Entry(
        "none",
        "No normalization",
        "activation",
        "ready",
        "the baseline of every comparison",
        "z = x",
        ('build_norm("none", 64)', 'switch_norms(network, "none")', 'switch_weight_norm(network, "none")'),
    ),
    _activation(
        "batch",
        "Batch normalization",
        "Ioffe & Szegedy, Batch Normalization, ICML 2015, arXiv 1502.03167, algorithms 1 and 2",
        "z = (x − μ) / √(σ² + ε), σ² biased",
    ),
    _activation(
        "sync_batch",
        "Synchronized batch normalization",
        "Zhang et al., Context Encoding for Semantic Segmentation, CVPR 2018, arXiv 1803.08904",
        "z = (x − μ) / √(σ² + ε), M = Σ Mᵢ + Σ nᵢ·(μᵢ − μ)² over workers i, σ² = M / Σ nᵢ",
    ),
    _activation(
        "layer",
        "Layer normalization",
        "Ba et al., Layer Normalization, 2016, arXiv 1607.06450",
        "z = (x − μ) / √(σ² + ε), σ² biased",
    ),
    _activation(
        "instance",
        "Instance normalization",
        "Ulyanov et al., Instance Normalization, 2016, arXiv 1607.08022",
        "z = (x − μ) / √(σ² + ε), σ² biased",
    ),
    _activation(
        "group",
        "Group normalization",
        "Wu & He, Group Normalization, ECCV 2018, arXiv 1803.08494",
        "z = (x − μ) / √(σ² + ε), σ² biased",
        ", groups=8",
    ),
    _activation(
        "l1_batch",
        "L1 batch normalization",
        f"{NORM_MATTERS}, section 4",
        "z = (x − μ) / (√(π/2) · mean |x − μ| + ε)",
    ),
    _activation(
        "linf_batch",
        "L∞ batch normalization",
        f"{NORM_MATTERS}, section 4",
        "z = (x − μ) / (C(n) · max |x − μ| + ε), C(n) = (1 + √(π·ln 4)) / √(8·ln n)",
    ),
    _activation(
        "topk_batch",
        "Top-k batch normalization",
        f"{NORM_MATTERS}, section 4",
        "z = (x − μ) / (C(n) · mean of the k largest |x − μ| + ε), C(n) = (1 + √(π·ln 4)) / √(8·ln n)",
        ", k=10",
    ),
    Entry(
        "revisited_batch",
        "Batch normalization with a small initial scale",
        "activation",
        "ready",
        REVISITED,
        "z = (x − μ) / √(σ² + ε), σ² biased; y = γ·z + β begins with γ = 0.1, β = 0; rate of γ divided by 100",
        (
            'build_norm("revisited_batch", 64)',
            'switch_norms(network, "revisited_batch")',
            "revisit(network)",
            "learning_rate_groups(network, lr=0.1, weight_decay=1e-4)",
            "RevisitedBatchNorm()",
        ),
    ),
    Entry(
        "moving_batch",
        "Moving average batch normalization",
        "activation",
        "ready",
        "Yan et al., Towards Stabilizing Batch Statistics in Backward Propagation of Batch Normalization, "
        "ICLR 2020, arXiv 2001.06838",
        "z = r · x / √(v + ε), v = mean of x² over the last batches; ∂x = (g − Ψ·x / √(v + ε)) / √(v + ε), g = r·∂z",
        (
            'build_norm("moving_batch", 64, batches=16)',
            'switch_norms(network, "moving_batch", batches=16)',
            'switch_weight_norm(network, "centred_weights")',
        ),
    ),
    _activation(
        "power",
        "PowerNorm",
        "Shen et al., PowerNorm, ICML 2020, arXiv 2003.07845, section 4 and algorithm 2",
        "z = x / √(φ + ε), φ ← 0.9·φ + 0.1 · mean x²; ∂x = (∂z − 0.1·ν·z) / √(φ + ε)",
    ),
    Entry(
        "memorized_batch",
        "Memorized batch normalization",
        "activation",
        "ready",
        "Guo et al., Double Forward Propagation for Memorized Batch Normalization, AAAI 2018, arXiv 2010.04947",
        "z = (x − μ) / √(σ² + ε), μ = Σ aᵢ·μᵢ, σ² = Σ aᵢ·(σᵢ² + (μᵢ − μ)²) over the last batches i",
        (
            'build_norm("memorized_batch", 64, batches=5)',
            'switch_norms(network, "memorized_batch", batches=5)',
            "SecondForward(network, optimizer)",
            "RepeatedForward()",
        ),
    ),
    _activation(
        "unified_batch",
        "Unified batch normalization (the gate only)",
        "Wang et al., Unified Batch Normalization, 2023, arXiv 2311.15993, from its abstract",
        "z = (x − μ) / √(σ² + ε); running averages move only if the samples' mean cosine similarity is ≤ τ",
        ", threshold=0.9",
        "experimental",
    ),
    _activation(
        "adaptive_batch",
        "Threshold-based adaptive batch normalization",
        "Alsobhi et al., Adaptive Batch Normalization for Training Data with Heterogeneous Features, 2022, "
        "arXiv 2211.02050, from its abstract",
        "z = (x − μ) / √(σ² + ε) if the batch's heterogeneity is above t, else z = x",
        ", threshold=0.01",
        "experimental",
    ),
)

WEIGHT = (
    _weight(
        "weight_norm",
        "Weight normalization",
        "Salimans & Kingma, Weight Normalization, NeurIPS 2016, arXiv 1602.07868, section 2",
        "wᵢ = gᵢ · vᵢ / ‖vᵢ‖ for each output channel i",
    ),
    _weight(
        "bounded_weight_norm",
        "Bounded weight normalization",
        f"{NORM_MATTERS}, section 5",
        "wᵢ = ρ · vᵢ / ‖vᵢ‖ for each output channel i, ρ = mean of the initial ‖vᵢ‖",
    ),
    _weight(
        "weight_standardization",
        "Weight standardization",
        "Qiao et al., Weight Standardization, 2019, arXiv 1903.10520, section 3",
        "ŵᵢ = (wᵢ − μᵢ) / (σᵢ + ε) for each output channel i",
    ),
    _weight(
        "conv_norm",
        "Convolutional normalization",
        "Liu et al., Convolutional Normalization, NeurIPS 2021, arXiv 2103.00673",
        "ŷₖ = F⁻¹(F(yₖ) · Vₖ), Vₖ(ω) = (Σⱼ |F(wₖⱼ)(ω)|² + ε)^(−1/2); then a learned depthwise k×k convolution",
    ),
    _weight(
        "spectral_norm",
        "Spectral normalization",
        "Miyato et al., Spectral Normalization for Generative Adversarial Networks, ICLR 2018, arXiv 1802.05957",
        "ŵ = w / σ₁(w), the largest singular value of w as a matrix of C_out rows",
    ),
)

CONDITIONAL = (
    Entry(
        "conditional_instance",
        "Conditional instance normalization",
        "conditional",
        "ready",
        "Dumoulin et al., A Learned Representation for Artistic Style, ICLR 2017, arXiv 1610.07629, section 2.2",
        "y = γₛ · (x − μ) / √(σ² + ε) + βₛ; a mixture has γ = Σ aₛ·γₛ and β = Σ aₛ·βₛ",
        ('build_norm("instance", 64, modulator="styles", num_styles=16)',),
    ),
    Entry(
        "adain",
        "Adaptive instance normalization",
        "conditional",
        "ready",
        "Huang & Belongie, Arbitrary Style Transfer in Real-time, ICCV 2017, arXiv 1703.06868, section 5, equation 8",
        "y = σ(s) · (x − μ) / √(σ² + ε) + μ(s)",
        (
            'build_norm("instance", 64, modulator="image")',
            'build_norm("instance", 64, modulator="image", stats="torch")',
        ),
    ),
    Entry(
        "spade",
        "Spatially adaptive normalization",
        "conditional",
        "ready",
        "Park et al., Semantic Image Synthesis with Spatially-Adaptive Normalization, CVPR 2019, arXiv 1903.07291, "
        "section 3",
        "y = (1 + γ(m)) · (x − μ) / √(σ² + ε) + β(m), γ and β convolutions of the label map m",
        (
            'build_norm("batch", 64, modulator="mask", num_labels=8)',
            'build_norm("sync_batch", 64, modulator="mask", num_labels=8)',
            'build_norm("instance", 64, modulator="mask", num_labels=8)',
        ),
    ),
)

RULES = (
    Entry(
        "input_norm",
        "Batch normalization of the input",
        "rule",
        "ready",
        REVISITED,
        "z = γ · (x − μ) / √(σ² + ε), γ begins at 0.1 · 0.58, no shift",
        ("InputNorm(3)", 'RevisitedBatchNorm(part="discriminator", input_norm=True)'),
    ),
    Entry(
        "mimic_norm",
        "MimicNorm",
        "rule",
        "ready",
        "Fei et al., MimicNorm, 2020, arXiv 2010.09278",
        "wᵢ ← wᵢ − mean wᵢ after each step; one batch normalization without γ, β on the logits",
        ("MimicNorm()", 'MimicNorm(part="discriminator", last_norm=True)'),
    ),
    Entry(
        "decay_rate_correction",
        "Learning rates in place of weight decay",
        "rule",
        "ready",
        f"{NORM_MATTERS}, equation 4",
        "ηᵢ = η · ‖wᵢ‖² / ‖wᵢ of a run with weight decay‖² for each output channel i, without weight decay",
        ('DecayLog("decay.safetensors", decay=1e-4)', 'DecayRateCorrection("decay.safetensors")'),
    ),
    Entry(
        "bn_preconditioning",
        "Batch-normalization preconditioning",
        "optimizer",
        "ready",
        "Lange et al., Batch Normalization Preconditioning for Neural Network Training, JMLR 23, 2022, "
        "arXiv 2108.01110",
        "G_W ← (G_W − G_b·μᵀ) / (q²·σ̃²), G_b ← G_b / q² − G_W·μ, with running μ, σ̃² of the layer's input",
        ("BatchNormPreconditioning()",),
    ),
    Entry(
        "sam_on",
        "Sharpness-aware minimization of norm parameters only",
        "optimizer",
        "ready",
        "Mueller et al., Normalization Layers Are All That Sharpness-Aware Minimization Needs, NeurIPS 2023, "
        "arXiv 2306.04226",
        "e = ρ · g / ‖g‖ on γ and β only; the step uses the gradient of all weights at that point",
        ("SharpnessAware(rho=0.5)", "SharpnessAware(rho=10.0, adaptive=True)"),
    ),
    Entry(
        "landscape_probe",
        "Smoothness of the loss",
        "analysis",
        "ready",
        "Santurkar et al., How Does Batch Normalization Help Optimization?, NeurIPS 2018, arXiv 1805.11604",
        "L(w − s·g), ‖g − gₛ‖ and ‖g − gₛ‖ / (s·‖g‖) over step sizes s",
        ("probe_landscape(network, loss, steps=[0.05, 0.1, 0.2, 0.4])", 'probe("landscape")'),
    ),
    Entry(
        "beyond_bn_probe",
        "Activations, similarity and gradients at initialisation",
        "analysis",
        "ready",
        "Lubana et al., Beyond BatchNorm, NeurIPS 2021, arXiv 2106.05956",
        "variance of activations, mean cosine of samples, stable rank tr(G) / ‖G‖₂, gradient norm, layer by layer",
        ("probe_signals(network, loss)", 'probe("signals")', 'probe("growth")'),
    ),
)

ENTRIES: tuple[Entry, ...] = (*ACTIVATION, *WEIGHT, *CONDITIONAL, *RULES)

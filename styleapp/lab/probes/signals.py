"""Beyond BatchNorm: what a random network does to activations and gradients, layer by layer and by group size.

The network that is probed, :func:`signal_network`, is 20 times a 3×3 convolution to 64 channels (zero padding, no
bias, He-normal weights, fan-in), a normalization without scale and shift, and ReLU; then the mean over all places and
a linear layer to 10 classes (He-normal, no bias). It sees 32 pictures of 3×8×8 standard normal values with random
classes; the loss is cross-entropy. Everything is measured at the outputs of the convolutions.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from styleapp.lab.plots import Panel, Series
from styleapp.lab.probes.base import Probe, Row, curves
from styleapp.lab.probes.state import kept_state, seeded
from styleapp.norms import build_norm

__all__ = ["SIGNALS", "LayerSignals", "SignalRow", "probe_signals", "sample_cosines", "signal_network", "stable_rank"]

WIDTH, DEPTH, SAMPLES, SIZE, CLASSES = 64, 20, 32, 8, 10
GROUP_SIZES = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class LayerSignals:
    """One layer's output y, N×C×… .

    Attributes:
        layer: its qualified name.
        variance: over N and places, mean over the channels.
        similarity: mean cosine of two different samples, see :func:`sample_cosines`.
        stable_rank: see :func:`stable_rank`.
        gradient: ‖∂L/∂y‖, Frobenius; NaN where the loss does not depend on y.
    """

    layer: str
    variance: float
    similarity: float
    stable_rank: float
    gradient: float


def probe_signals(
    network: nn.Module, loss: Callable[[], Tensor], layers: Mapping[str, nn.Module] | None = None
) -> tuple[LayerSignals, ...]:
    """Looks at the outputs of layers, and at the gradients that arrive there, during one forward and backward pass.

    Lubana et al., *Beyond BatchNorm*, NeurIPS 2021 (arXiv 2106.05956). The network stays in its mode, and is afterwards
    what it was, with running statistics and ``.grad``.

    Args:
        loss: computes a scalar with the network, on at least two samples.
        layers: what is watched, by name; by default all ``nn.Conv2d``.

    Returns:
        A record each time that a layer was used, in the order of the forward pass.

    Raises:
        ValueError: the loss is no scalar or has no gradient, or no watched layer was used.
    """
    chosen = layers or {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    seen: list[tuple[str, tuple[float, float, float]]] = []
    gradients: dict[int, float] = {}

    def watch(name: str) -> Callable[[nn.Module, tuple[object, ...], Tensor], None]:
        def look(module: nn.Module, inputs: tuple[object, ...], output: Tensor) -> None:
            number = len(seen)
            seen.append((name, _features(output.detach())))
            if output.requires_grad:  # told at once: a layer behind may change the output in place
                output.register_hook(lambda arriving: gradients.__setitem__(number, float(arriving.norm())))

        return look

    hooks = [module.register_forward_hook(watch(name)) for name, module in chosen.items()]
    try:
        with kept_state(network), torch.enable_grad():
            parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
            torch.autograd.grad(_scalar(loss()), parameters, allow_unused=True)
    finally:
        for hook in hooks:
            hook.remove()
    if not seen:
        raise ValueError("the loss uses none of the watched layers")
    return tuple(
        LayerSignals(name, *features, gradients.get(number, float("nan")))
        for number, (name, features) in enumerate(seen)
    )


def sample_cosines(features: Tensor) -> float:
    """Mean cosine of the features of two different samples; N×…, N at least 2."""
    gram = _gram(features)  # N×N
    count = len(gram)
    return float((gram.sum() - gram.trace()) / (count * (count - 1)))


def stable_rank(features: Tensor) -> float:
    """tr(G) / ‖G‖₂ of the cosines G of all samples: how many directions they span, 1 to N. Features are N×… ."""
    gram = _gram(features)  # N×N
    return float(gram.trace() / torch.linalg.matrix_norm(gram, 2))


def signal_network(norm: str, **options: Any) -> nn.Sequential:
    """The network of this probe, see the head of this file; N×3×H×W to N×10.

    Args:
        norm: a normalizer's name.
        options: of that normalizer.
    """
    layers: list[nn.Module] = []
    for depth in range(DEPTH):
        conv = nn.Conv2d(WIDTH if depth else 3, WIDTH, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
        layers += [conv, build_norm(norm, WIDTH, modulator="none", **options), nn.ReLU()]
    head = nn.Linear(WIDTH, CLASSES, bias=False)
    nn.init.kaiming_normal_(head.weight, nonlinearity="relu")
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


@dataclass(frozen=True)
class SignalRow(Row):
    """One convolution of the probed network.

    Attributes:
        group_size: channels that share a statistic; 0 where that is no group of one sample (``none``, ``batch``).
        depth: 1 to 20.
        variance, similarity, stable_rank, gradient: see :class:`LayerSignals`.
    """

    group_size: int
    depth: int
    variance: float
    similarity: float
    stable_rank: float
    gradient: float


GROUPED = {f"groups of {size}": size for size in GROUP_SIZES}
CASES = ("none", "batch", *GROUPED)


def measure_signals(case: str, seed: int) -> tuple[SignalRow, ...]:
    """A row a convolution. All cases of a seed have the same weights and pictures."""
    size = GROUPED.get(case, 0)
    with seeded(seed):
        network = signal_network("group", groups=WIDTH // size) if size else signal_network(case)
        pictures = torch.randn(SAMPLES, 3, SIZE, SIZE)
        classes = torch.randint(CLASSES, (SAMPLES,))
        signals = probe_signals(network, lambda: cross_entropy(network(pictures), classes))
    return tuple(
        SignalRow(case, seed, size, depth, found.variance, found.similarity, found.stable_rank, found.gradient)
        for depth, found in enumerate(signals, 1)
    )


def _panels(rows: Sequence[SignalRow]) -> tuple[Panel, ...]:
    def shade(case: str) -> float | None:
        return GROUP_SIZES.index(GROUPED[case]) / (len(GROUP_SIZES) - 1) if case in GROUPED else None

    deep = "depth (number of the convolution)"
    wide = "channels that share a statistic"
    cosine, gradient = "mean cosine of two samples", "‖∂L/∂y‖ (Frobenius)"
    return (
        Panel("Samples become alike", deep, cosine, curves(rows, "depth", "similarity", shade=shade)),
        Panel(
            "Gradients on their way back", deep, gradient, curves(rows, "depth", "gradient", shade=shade), y_scale="log"
        ),
        Panel(f"After {DEPTH} convolutions", wide, cosine, _by_size(rows, DEPTH, "similarity"), "log"),
        Panel("At the first convolution", wide, gradient, _by_size(rows, 1, "gradient"), "log", "log"),
    )


def _by_size(rows: Sequence[SignalRow], depth: int, figure: str) -> tuple[Series, ...]:
    """One line over the sizes of groups, and dashed lines at the height of what has no groups."""
    grouped: dict[int, dict[float, float]] = {}
    level: dict[str, list[float]] = {}
    for row in rows:
        if row.depth == depth and row.group_size:
            grouped.setdefault(row.seed, {})[row.group_size] = getattr(row, figure)
        elif row.depth == depth:
            level.setdefault(row.case, []).append(getattr(row, figure))
    lines = [tuple(line.values()) for line in grouped.values()]
    sizes = tuple(next(iter(grouped.values()), {}))
    flat = (GROUP_SIZES[0], GROUP_SIZES[-1])
    series = [
        Series(case, flat, tuple((value,) * 2 for value in values), dashed=True) for case, values in level.items()
    ]
    return (*([Series("by group size", sizes, tuple(lines))] if lines else []), *series)


def _features(output: Tensor) -> tuple[float, float, float]:
    """Variance, similarity and stable rank of N×C×… ."""
    channels = output.transpose(0, 1).flatten(1)  # C×(N·…)
    variance = float(channels.var(1, unbiased=False).mean())
    return variance, sample_cosines(output), stable_rank(output)


def _gram(features: Tensor) -> Tensor:
    if len(features) < 2:
        raise ValueError(f"samples are compared with each other: at least 2 are needed, got {len(features)}")
    directions = normalize(features.flatten(1).float(), dim=1)  # N×D
    return directions @ directions.T  # N×N


def _scalar(loss: Tensor) -> Tensor:
    if loss.numel() != 1 or not loss.requires_grad:
        raise ValueError("the loss must be a scalar that depends on parameters which require a gradient")
    return loss


SIGNALS = Probe(
    name="signals",
    title="similarity of samples, stable rank and gradients of a random network, by depth and size of groups",
    heading="Signals in a random network of 20 convolutions",
    source="Lubana et al., Beyond BatchNorm, NeurIPS 2021, arXiv 2106.05956",
    cases=CASES,
    row=SignalRow,
    measure=measure_signals,
    axis="depth",
    shown=(1, DEPTH),
    columns={
        "variance": "variance",
        "similarity": "mean cosine",
        "stable_rank": "stable rank",
        "gradient": "gradient norm",
    },
    panels=_panels,
)
"""The probe of ``styleapp probe signals``."""

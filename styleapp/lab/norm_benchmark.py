"""Seconds and memory of normalization layers, forward and backward, beside ``torch.nn.BatchNorm2d`` in the same rounds.

Each layer takes turns with BatchNorm2d and with a plain copy of the features, so that other work on the machine slows
all three alike: compare the ratios between machines, and seconds only within one run.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from styleapp.lab.benchmark import interleaved
from styleapp.lab.memory import PeakMemory
from styleapp.norms import NORMALIZERS, Code, NormLayer, build_norm
from styleapp.pipelines.hardware import best_device, hardware_name

__all__ = ["CPU_SHAPE", "GPU_SHAPE", "NormMeasurement", "benchmark_norms", "measure_norm", "pairs_of"]

CPU_SHAPE = (8, 64, 256, 256)
GPU_SHAPE = (32, 128, 256, 256)
CONDITIONED = {"batch", "instance"}  # whose modulators with a condition are measured, too
NUM_STYLES = 16


@dataclass(frozen=True)
class NormMeasurement:
    """One layer in training; times are medians in seconds of one forward and one backward pass.

    Attributes:
        normalizer: its name.
        modulator: its name. ``image`` is given the moments of its styles, ``mask`` the maps that its convolutions make:
            what is measured is the layer, not where its code comes from.
        shape: of the features, N×C×H×W in float32.
        compiled: whether the layer went through ``torch.compile``.
        seconds: forward and backward.
        batch_norm_seconds: of ``torch.nn.BatchNorm2d``, uncompiled.
        times_batch_norm: how many times as long as BatchNorm2d it takes. Median over the rounds.
        share_of_copy: how near it comes to the bandwidth of a copy, if it moved only what two passes in each direction
            must move (:func:`movements`). Median over the rounds; where copies leave the cache and layers do not, it
            may be above 1.
        peak_mib: most memory above features, conditions and the gradient that arrives, in MiB.
        batch_norm_peak_mib: the same of BatchNorm2d.
        repeats: number of rounds.
        hardware: on which all this was measured.
    """

    normalizer: str
    modulator: str
    shape: tuple[int, ...]
    compiled: bool
    seconds: float
    batch_norm_seconds: float
    times_batch_norm: float
    share_of_copy: float
    peak_mib: float
    batch_norm_peak_mib: float
    repeats: int
    hardware: str


def pairs_of(normalizers: Sequence[str]) -> list[tuple[str, str]]:
    """What is measured: every normalizer with learned scales, and ``batch`` and ``instance`` also with other codes.

    Raises:
        ValueError: a name is unknown.
    """
    for name in normalizers:
        if name not in NORMALIZERS:
            raise ValueError(f"unknown normalizer {name!r}; known are {', '.join(NORMALIZERS)}")
    conditioned = [(name, modulator) for name in normalizers if name in CONDITIONED for modulator in CONDITIONS]
    return [(name, "affine") for name in normalizers] + conditioned


def benchmark_norms(
    pairs: Sequence[tuple[str, str]],
    shape: Sequence[int] | None = None,
    repeats: int = 5,
    device: str = "auto",
    compiled: bool = False,
) -> Iterator[NormMeasurement]:
    """The layers of :func:`pairs_of`, one after the other.

    Raises:
        ValueError: see :func:`measure_norm`.
    """
    for normalizer, modulator in pairs:
        yield measure_norm(normalizer, modulator, shape, repeats, device, compiled)


def measure_norm(
    normalizer: str,
    modulator: str,
    shape: Sequence[int] | None = None,
    repeats: int = 5,
    device: str = "auto",
    compiled: bool = False,
) -> NormMeasurement:
    """Measures one layer in training.

    Args:
        shape: N, C, H, W; ``None`` is 8×64×256×256, on a GPU 32×128×256×256.
        compiled: measures what ``torch.compile`` makes of the layer.

    Raises:
        ValueError: a name is unknown, the shape is not one of features, ``repeats`` is below 1, or there is no such
            device.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    place = best_device(device)
    size = tuple(shape or (GPU_SHAPE if place.type == "cuda" else CPU_SHAPE))
    if len(size) != 4 or min(size) < 1:
        raise ValueError(f"a shape must be four numbers N, C, H, W of at least 1, got {list(size)}")
    x, gradient = (torch.randn(size, device=place) for _ in range(2))
    ours = _pass_of(*_layer(normalizer, modulator, x), x, gradient, compiled)
    peer = _pass_of(nn.BatchNorm2d(size[1]).to(place), (), x, gradient)
    copy = partial(torch.empty_like(x).copy_, x)
    peak, peer_peak = _peak(ours, place), _peak(peer, place)
    rounds = list(interleaved((ours, peer, copy), repeats, place))
    seconds, batch_norm_seconds, _ = map(median, zip(*rounds, strict=True))
    return NormMeasurement(
        normalizer=normalizer,
        modulator=modulator,
        shape=size,
        compiled=compiled,
        seconds=seconds,
        batch_norm_seconds=batch_norm_seconds,
        times_batch_norm=median(taken / other for taken, other, _ in rounds),
        share_of_copy=median(movements(modulator) / 2 * copied / taken for taken, _, copied in rounds),
        peak_mib=peak,
        batch_norm_peak_mib=peer_peak,
        repeats=repeats,
        hardware=hardware_name(place),
    )


def movements(modulator: str) -> int:
    """How often memory of the features' size must be read or written by two passes forward and two backward.

    Forward reads x twice and writes y; backward reads x and ∂y twice and writes ∂x: 8, a copy being 2. The maps of
    ``mask`` are read once forward (γ, β) and twice backward (γ), and ∂γ is written; ∂β is ∂y itself.
    """
    return 13 if modulator == "mask" else 8


def _styles(shape: Sequence[int], place: torch.device) -> Tensor:
    return torch.arange(shape[0], device=place) % NUM_STYLES


def _moments(shape: Sequence[int], place: torch.device) -> tuple[Tensor, Tensor]:
    return torch.randn(*shape[:2], 1, 1, device=place), torch.rand(*shape[:2], 1, 1, device=place)


def _maps(shape: Sequence[int], place: torch.device) -> Code:
    gamma, beta = (torch.randn(*shape, device=place).requires_grad_() for _ in range(2))
    return Code(gamma, beta)


CONDITIONS: dict[str, Callable[[Sequence[int], torch.device], Any]] = {
    "styles": _styles,
    "image": _moments,
    "mask": _maps,
}


def _layer(normalizer: str, modulator: str, x: Tensor) -> tuple[NormLayer, tuple[Any, ...]]:
    """The layer and what it takes besides features. A code is given to a layer without a modulator."""
    condition = CONDITIONS[modulator](x.shape, x.device) if modulator in CONDITIONS else None
    options: dict[str, Any] = {"num_styles": NUM_STYLES} if modulator == "styles" else {}
    name = "none" if isinstance(condition, Code) else modulator
    return build_norm(normalizer, x.shape[1], modulator=name, **options).to(x.device), (condition,)


def _pass_of(
    layer: nn.Module, conditions: tuple[Any, ...], x: Tensor, gradient: Tensor, compiled: bool = False
) -> Callable[[], object]:
    """Forward and backward with fresh gradients of everything that has one."""
    features = x.detach().requires_grad_()
    code = [
        part for condition in conditions if isinstance(condition, Code) for part in (condition.gamma, condition.beta)
    ]
    leaves = [features, *layer.parameters(), *code]
    call = torch.compile(layer, fullgraph=False) if compiled else layer

    def run() -> object:
        return torch.autograd.grad(call(features, *conditions), leaves, gradient)

    return run


def _peak(call: Callable[[], object], place: torch.device) -> float:
    """Peak memory in MiB once everything is loaded."""
    call()
    with PeakMemory(place) as memory:
        call()
    return memory.mib

"""What goes into each normalization layer and what comes out: mean and deviation of every channel."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from styleapp.lab.switches import norm_layers_of
from styleapp.norms import mean_deviation

__all__ = ["ChannelStatistics", "LayerStatistics", "recorded_statistics"]

BATCH = (0, 2, 3)


@dataclass(frozen=True)
class ChannelStatistics:
    """Mean and L2 deviation of each channel over the whole batch and its places, C numbers each."""

    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @property
    def mean_size(self) -> float:
        """Mean over the channels of the absolute values of their means."""
        return sum(map(abs, self.mean)) / len(self.mean)

    @property
    def mean_deviation(self) -> float:
        """Mean over the channels of their deviations."""
        return sum(self.deviation) / len(self.deviation)


@dataclass(frozen=True)
class LayerStatistics:
    """One normalization layer in one pass.

    Attributes:
        layer: its qualified name.
        shape: of its features, N×C×H×W.
        before: of what goes in.
        after: of what comes out, scaled and shifted.
    """

    layer: str
    shape: tuple[int, ...]
    before: ChannelStatistics
    after: ChannelStatistics


@contextmanager
def recorded_statistics(network: nn.Module) -> Iterator[list[LayerStatistics]]:
    """Collects the statistics of all normalization layers that work within the ``with`` block, in that order."""
    found: list[LayerStatistics] = []
    handles = []
    for name, layer in norm_layers_of(network).items():

        def look(_: nn.Module, inputs: tuple[Any, ...], output: Tensor, name: str = name) -> None:
            x = inputs[0]
            found.append(LayerStatistics(name, tuple(x.shape), _channels(x), _channels(output)))

        handles.append(layer.register_forward_hook(look))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def _channels(x: Tensor) -> ChannelStatistics:
    moments = mean_deviation(x, dim=BATCH)
    return ChannelStatistics(tuple(moments.mean.flatten().tolist()), tuple(moments.deviation.flatten().tolist()))

"""Switching the normalizer of the layers of a built network, and switching back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from styleapp.norms.layer import NORMALIZERS, NormConfig, NormLayer
from styleapp.norms.normalizers import Normalizer

__all__ = ["STARTED_ANEW", "Switched", "switch_norms", "switched_norms"]

STARTED_ANEW = "new: its running statistics start anew, train or recalibrate before evaluating"
"""What :attr:`Switched.state` says where nothing is known that evaluation could use."""


@dataclass(frozen=True)
class Switched:
    """What happened to one layer.

    Attributes:
        layer: its qualified name in the network.
        before, after: names of its normalizers.
        state: what became of the running statistics, in words.
        bias: whether a bias of the convolution before it has an effect now that it had not, or the other way round.
    """

    layer: str
    before: str
    after: str
    state: str
    bias: str


def switch_norms(network: nn.Module, normalizer: str, *, pattern: str = "*", **options: Any) -> tuple[Switched, ...]:
    """Gives the :class:`NormLayer` of a network another normalizer, in place; modulators and their weights stay.

    Running statistics move where old and new normalizer both keep a mean and a deviation. Where the new one starts
    anew, its report says so: evaluation is then meaningless until it has seen batches in training mode.

    Args:
        normalizer: one of :data:`NORMALIZERS`.
        pattern: which layers, by qualified name, with ``*`` and ``?`` as in file names.
        options: of the new normalizer's constructor.

    Returns:
        One record a switched layer, in the network's order.

    Raises:
        ValueError: an unknown name or option, a value that some layer cannot have (nothing is switched then), or no
            layer fits the pattern.
    """
    config = NormConfig(normalizer, "none", options=options)
    layers = _layers(network, pattern)
    built = [config.build(layer.num_features).normalizer for layer in layers.values()]
    return tuple(_exchange(name, layer, new) for (name, layer), new in zip(layers.items(), built, strict=True))


@contextmanager
def switched_norms(
    network: nn.Module, normalizer: str, *, pattern: str = "*", **options: Any
) -> Iterator[tuple[Switched, ...]]:
    """:func:`switch_norms` for the length of a ``with`` block; then the very normalizers from before are back."""
    kept = {name: layer.normalizer for name, layer in _layers(network, pattern).items()}
    try:
        yield switch_norms(network, normalizer, pattern=pattern, **options)
    finally:
        for name, old in kept.items():
            layer = network.get_submodule(name)
            layer.normalizer = old.train(layer.training)


def _layers(network: nn.Module, pattern: str) -> dict[str, NormLayer]:
    every = {name: module for name, module in network.named_modules() if isinstance(module, NormLayer)}
    chosen = {name: layer for name, layer in every.items() if fnmatchcase(name, pattern)}
    if not chosen:
        names = ", ".join(every) or "none at all"
        raise ValueError(f"no normalization layer fits the pattern {pattern!r}; the network has {names}")
    return chosen


def _exchange(name: str, layer: NormLayer, new: Normalizer) -> Switched:
    old = layer.normalizer
    place = next((tensor for tensor in [*layer.parameters(), *layer.buffers()]), None)
    if place is not None:
        new.to(place.device)
        new.to(place.dtype)
    new.train(layer.training)
    report = Switched(name, _name(old), _name(new), _move_state(old, new), _bias_effect(old, new))
    layer.normalizer = new
    return report


def _name(normalizer: Normalizer) -> str:
    return next(name for name, kind in NORMALIZERS.items() if kind is type(normalizer))


def _move_state(old: Normalizer, new: Normalizer) -> str:
    if not any(True for _ in new.buffers()):
        return "none: it needs no running statistics"
    moments = old.running_moments()
    if moments is not None and new.adopt_moments(moments):
        return "moved: running mean and deviation"
    return STARTED_ANEW


def _bias_effect(old: Normalizer, new: Normalizer) -> str:
    if old.centred == new.centred:
        return "unchanged"
    return "without effect now" if new.centred else "has an effect now"

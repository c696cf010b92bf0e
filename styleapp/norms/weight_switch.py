"""Switching the weight normalization of the convolutions of a built network, and switching back."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from styleapp.norms.computed_weight import effective_weight
from styleapp.norms.weights import WEIGHT_NORMS, remove_weight_norm, require_applicable, require_known, weight_norm_name

__all__ = ["SwitchedWeight", "switch_weight_norm", "switched_weight_norm"]

_EFFECTS = {
    "bounded_weight_norm": "every filter has the same norm now",
    "weight_standardization": "every filter has mean 0 and deviation 1 now",
    "centred_weights": "every filter has mean 0 now",
    "conv_norm": "every output channel is filtered to unit gain now",
    "spectral_norm": "the weight is divided by its largest singular value now",
}


@dataclass(frozen=True)
class SwitchedWeight:
    """What happened to one convolution.

    Attributes:
        layer: its qualified name in the network.
        before, after: names of its weight normalizations.
        exact: whether it computes what it did before, up to rounding; found by comparing the weights.
        change: what became of its output, in words.
    """

    layer: str
    before: str
    after: str
    exact: bool
    change: str


def switch_weight_norm(network: nn.Module, name: str, pattern: str = "*", **options: Any) -> tuple[SwitchedWeight, ...]:
    """Gives the convolutions of a network another weight normalization, in place, starting from their weights.

    The weight that a convolution computes with stays where the new convention allows it: with ``none``,
    ``weight_norm`` and ``bounded_weight_norm(mode="frobenius")`` always, with the others where it fulfils it already.
    Load weights before; names in the state dict change, and parameters are new: build the optimizer afterwards.

    Args:
        name: one of :data:`WEIGHT_NORMS`.
        pattern: which ``nn.Conv2d``, subclasses too, by qualified name, with ``*`` and ``?`` as in file names.
        options: of the function in that table.

    Returns:
        One record a convolution, in the network's order.

    Raises:
        ValueError: an unknown name or option, something that some convolution cannot have (nothing is switched then),
            or no convolution fits the pattern.
    """
    require_known(name, options)
    chosen = _convolutions(network, pattern)
    for layer, conv in chosen.items():
        _require_applicable(layer, conv, name, options)
    return tuple(_exchange(layer, conv, name, options) for layer, conv in chosen.items())


@contextmanager
def switched_weight_norm(
    network: nn.Module, name: str, pattern: str = "*", **options: Any
) -> Iterator[tuple[SwitchedWeight, ...]]:
    """:func:`switch_weight_norm` for the length of a ``with`` block; then the very parameters from before are back.

    Inside the block the convolutions work on copies: what is trained there is forgotten.
    """
    kept = [(conv, type(conv), conv.__dict__) for conv in _convolutions(network, pattern).values()]
    try:
        for conv, _, _ in kept:
            object.__setattr__(conv, "__dict__", deepcopy(conv).__dict__)
        yield switch_weight_norm(network, name, pattern, **options)
    finally:
        for conv, kind, attributes in kept:
            training = conv.training
            conv.__class__ = kind
            object.__setattr__(conv, "__dict__", attributes)
            conv.train(training)


def _convolutions(network: nn.Module, pattern: str) -> dict[str, nn.Conv2d]:
    every = {
        name: module for name, module in network.named_modules(remove_duplicate=False) if isinstance(module, nn.Conv2d)
    }
    fitting = [(name, conv) for name, conv in every.items() if fnmatchcase(name, pattern)]
    first_names = {id(conv): name for name, conv in reversed(fitting)}  # a shared convolution is switched once
    chosen = {name: conv for name, conv in fitting if first_names[id(conv)] == name}
    if not chosen:
        names = ", ".join(every) or "none at all"
        raise ValueError(f"no convolution fits the pattern {pattern!r}; the network has {names}")
    return chosen


def _require_applicable(layer: str, conv: nn.Conv2d, name: str, options: dict[str, Any]) -> None:
    """Raises what the switch would raise, with the layer's name."""
    try:
        require_applicable(conv, name, **options)
    except ValueError as error:
        raise ValueError(f"{layer}: {error}" if layer else str(error)) from error


def _exchange(layer: str, conv: nn.Conv2d, name: str, options: dict[str, Any]) -> SwitchedWeight:
    before = weight_norm_name(conv)
    weight = effective_weight(conv)
    WEIGHT_NORMS[name](remove_weight_norm(conv), **options)
    lost = ["the filter behind the convolution is gone"] if before == "conv_norm" else []
    gained = [_EFFECTS[name]] if name == "conv_norm" or not _same(weight, effective_weight(conv)) else []
    changes = lost + gained
    return SwitchedWeight(layer, before, name, not changes, " and ".join(changes) or "nothing")


def _same(before: Tensor, after: Tensor) -> bool:
    tolerance = 16 * torch.finfo(before.dtype).eps * float(before.abs().max())
    return float((after - before).abs().max()) <= tolerance

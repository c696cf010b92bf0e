"""Weight normalizations of a convolution, and the table from name to the function that attaches one.

Each is a parametrization (:mod:`torch.nn.utils.parametrize`): ``conv.weight`` is computed from what is learned, which
is found under ``conv.parametrizations.weight``. Convolutional normalization alone acts on the output and is a module
behind the convolution, see :mod:`styleapp.norms.conv_norm`.

Initialise first, then attach: an initialiser works in place, and in place it would only change the computed weight,
which is thrown away. Such a change is noticed the next time that the weight is used and is a ``RuntimeError``. To set
the weight afterwards, assign a tensor: ``conv.weight = tensor``, under ``torch.no_grad()``.

State dicts round-trip and layers deep-copy; torch does not let a module with parametrizations pickle, so save its
state dict. Weight decay on a weight whose length is normalized away only changes the size of its steps: keep
``parametrizations.weight.original`` (``original1`` of weight norm) out of it.
"""

import inspect
from collections.abc import Callable, Iterable
from copy import deepcopy
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from styleapp.norms.computed_weight import computation, compute_weight, forget_computation, guard_weight, require_plain
from styleapp.norms.conv_norm import attach_conv_norm, detach_conv_norm
from styleapp.norms.standardized_weight import centred_weights, weight_standardization

__all__ = [
    "WEIGHT_NORMS",
    "apply_weight_norm",
    "bounded_weight_norm",
    "remove_weight_norm",
    "require_applicable",
    "require_known",
    "spectral_norm",
    "weight_norm",
    "weight_norm_name",
]


Attach = Callable[..., nn.Conv2d]


class EqualNorms(nn.Module):
    """Parametrization ρ·v/‖v‖ of each filter; ρ, the mean norm of the filters at the start, is fixed."""

    rho: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("rho", _norms(weight.detach()).mean())

    def forward(self, direction: Tensor) -> Tensor:
        return direction * (self.rho / _norms(direction))  # C'×C×kh×kw

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight


class FixedTotalNorm(nn.Module):
    """Parametrization g·v/‖v‖ of each filter, where the vector g is rescaled to its length ρ at the start."""

    rho: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("rho", torch.linalg.vector_norm(weight.detach()))

    def forward(self, lengths: Tensor, direction: Tensor) -> Tensor:
        lengths = lengths * (self.rho / torch.linalg.vector_norm(lengths))  # C'×1×1×1
        return direction * (lengths / _norms(direction))  # C'×C×kh×kw

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return _norms(weight), weight


def no_weight_norm(conv: nn.Conv2d) -> nn.Conv2d:
    """Leaves a convolution as it is."""
    return conv


def weight_norm(conv: nn.Conv2d) -> nn.Conv2d:
    """Length and direction of each filter as parameters of their own, w = g·v/‖v‖; the weight stays what it was.

    Salimans & Kingma, NeurIPS 2016 (arXiv 1602.07868), section 2; wraps torch's parametrization, whose parameters are
    ``original0`` (g) and ``original1`` (v).

    Raises:
        ValueError: a filter is 0 and has no direction.

    Note:
        The paper sets g and the bias from the activations of one batch; here g is the weight's own norm.
    """
    _require_directions(conv, "weight_norm")
    parametrizations.weight_norm(require_plain(conv), "weight")
    return guard_weight(conv)


def bounded_weight_norm(conv: nn.Conv2d, *, mode: Literal["channel", "frobenius"] = "channel") -> nn.Conv2d:
    """Norms that cannot grow: Hoffer et al., NeurIPS 2018 (arXiv 1803.01814), section 5.

    The scale that the network needs must live elsewhere: in a last layer without it, or in the normalization layers.

    Args:
        mode: ``channel`` gives every filter the norm ρ, the mean of the norms at the start, so the weight changes
            unless they were all equal; ``frobenius`` keeps a learned length of each filter and fixes only the norm of
            the whole weight, which stays what it was.

    Raises:
        ValueError: the mode is unknown, or a filter is 0 and has no direction.
    """
    kinds: dict[str, Callable[[Tensor], nn.Module]] = {"channel": EqualNorms, "frobenius": FixedTotalNorm}
    if mode not in kinds:
        raise ValueError(f"bounded_weight_norm has no mode {mode!r}; known are {', '.join(kinds)}")
    _require_directions(conv, "bounded_weight_norm")
    return compute_weight(conv, kinds[mode](conv.weight))


def spectral_norm(conv: nn.Conv2d, *, n_power_iterations: int = 1, eps: float = 1e-12) -> nn.Conv2d:
    """The weight, as a matrix C'×(C·kh·kw), over its largest singular value.

    Miyato et al., ICLR 2018 (arXiv 1802.05957), section 2.1; wraps torch's parametrization. The singular value is
    estimated, starting from random vectors, and better with every use of the weight in training mode.

    Args:
        n_power_iterations: steps of the estimate each time that the weight is used in training mode.
        eps: smallest length that the estimate divides by.

    Raises:
        ValueError: the weight is 0, or there are no iterations.
    """
    if n_power_iterations < 1:
        raise ValueError(f"n_power_iterations must be at least 1, got {n_power_iterations}")
    if not bool(conv.weight.any()):
        raise ValueError("spectral_norm cannot divide a weight that is 0 by its singular value, which is 0")
    parametrizations.spectral_norm(require_plain(conv), "weight", n_power_iterations=n_power_iterations, eps=eps)
    return guard_weight(conv)


WEIGHT_NORMS: dict[str, Attach] = {
    "none": no_weight_norm,
    "weight_norm": weight_norm,
    "bounded_weight_norm": bounded_weight_norm,
    "weight_standardization": weight_standardization,
    "centred_weights": centred_weights,
    "conv_norm": attach_conv_norm,
    "spectral_norm": spectral_norm,
}

_NAMES = {
    "_WeightNorm": "weight_norm",  # torch keeps its own two classes private
    "_SpectralNorm": "spectral_norm",
    "EqualNorms": "bounded_weight_norm",
    "FixedTotalNorm": "bounded_weight_norm",
    "StandardizedWeight": "weight_standardization",
    "CentredWeight": "centred_weights",
}


def apply_weight_norm(conv: nn.Conv2d, name: str, **options: Any) -> nn.Conv2d:
    """Gives a convolution a weight normalization instead of the one that it has, in place.

    The new one starts from the weight that the old one computed. Where it fails the convolution stays as it was.

    Args:
        name: one of :data:`WEIGHT_NORMS`; ``none`` leaves the computed weight as an ordinary parameter.
        options: of the function in that table.

    Returns:
        The same convolution. Its parameters are others than before: build the optimizer afterwards.

    Raises:
        ValueError: the name or an option is unknown, or this convolution cannot have it.
    """
    require_applicable(conv, name, **options)
    return WEIGHT_NORMS[name](remove_weight_norm(conv), **options)


def remove_weight_norm(conv: nn.Conv2d) -> nn.Conv2d:
    """Makes a computed weight an ordinary parameter again; takes a ConvNorm away, which changes the output."""
    return forget_computation(detach_conv_norm(conv) if hasattr(conv, "conv_norm") else conv)


def weight_norm_name(conv: nn.Module) -> str:
    """The name in :data:`WEIGHT_NORMS` of what a convolution has; the class's name where it is not one of these."""
    if hasattr(conv, "conv_norm"):
        return "conv_norm"
    computing = computation(conv)
    kinds = [] if computing is None else [type(part).__name__ for part in computing.children()]
    return " + ".join(_NAMES.get(kind, kind) for kind in kinds) or "none"


def require_known(name: str, options: Iterable[str]) -> None:
    """Refuses a name that is not in :data:`WEIGHT_NORMS`, or an option that its function does not have.

    Raises:
        ValueError: that; it lists the known ones.
    """
    if name not in WEIGHT_NORMS:
        raise ValueError(f"there is no weight normalization {name!r}; known are {', '.join(WEIGHT_NORMS)}")
    known = list(inspect.signature(WEIGHT_NORMS[name]).parameters)[1:]
    unknown = [option for option in options if option not in known]
    if unknown:
        has = ", ".join(known) or "none at all"
        raise ValueError(f"{name} has no option {', '.join(map(repr, unknown))}; its options are {has}")


def require_applicable(conv: nn.Conv2d, name: str, **options: Any) -> None:
    """Raises what :func:`apply_weight_norm` would, without a trace on the convolution or torch's random numbers."""
    require_known(name, options)
    device = next(conv.parameters()).device  # not conv.weight: in training a look at it moves spectral norm's estimate
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        WEIGHT_NORMS[name](remove_weight_norm(deepcopy(conv)), **options)


def _norms(weight: Tensor) -> Tensor:
    return torch.linalg.vector_norm(weight, dim=list(range(1, weight.ndim)), keepdim=True)  # C'×1×1×1


def _require_directions(conv: nn.Conv2d, name: str) -> None:
    empty = (_norms(conv.weight.detach()).flatten() == 0).nonzero().flatten().tolist()
    if empty:
        raise ValueError(f"{name} needs filters that have a direction; the weights of output channel {empty[0]} are 0")

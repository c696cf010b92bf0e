"""Revisited batch-norm initialisation: small scales, their learning rate, and a batch norm in front of the network."""

from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.parametrize import is_parametrized

from styleapp.norms.conv_norm import ConvNorm
from styleapp.norms.layer import NormLayer
from styleapp.norms.modulators import AffineModulator, StylesModulator
from styleapp.norms.normalizers import BatchNormalizer

__all__ = ["RECTIFIED_DEVIATION", "InputNorm", "learning_rate_groups", "revisit"]

RECTIFIED_DEVIATION = 0.58
"""Standard deviation of ReLU(z) for normal z, √(1/2 − 1/(2π)) = 0.5838, in the two digits that the authors use."""


class InputNorm(nn.Module):
    """Batch normalization of a network's input, so that it has the scale that later layers see: γ·(x − μ)/√(σ² + ε).

    Davis & Frank, *Revisiting Batch Norm Initialization*, ECCV 2022. γ begins at ``gamma`` · 0.58, the deviation of
    rectified normal values, and is learned; there is no shift. It takes raw pixels, 0 to 1, in place of a normalization
    with the data set's mean and deviation.

    Args:
        num_features: C.
        gamma: the γ₀ of the network's batch norms, see :func:`revisit`.
        eps, momentum: see :class:`BatchNormalizer`.

    Raises:
        ValueError: ``gamma`` is not between 0 and 1; in training, when N·H·W is 1.
    """

    def __init__(
        self, num_features: int = 3, *, gamma: float = 0.1, eps: float = 1e-5, momentum: float | None = 0.1
    ) -> None:
        super().__init__()
        self.normalizer = BatchNormalizer(num_features, eps=eps, momentum=momentum)
        self.weight = nn.Parameter(torch.empty(num_features))
        self.start_at(gamma)

    def start_at(self, gamma: float) -> None:
        """Begins with γ = ``gamma`` · 0.58."""
        nn.init.constant_(self.weight, _checked(gamma) * RECTIFIED_DEVIATION)

    def forward(self, x: Tensor) -> Tensor:
        z = self.normalizer(x)  # N×C×H×W
        return (z * self.weight.view(1, -1, 1, 1)).to(x.dtype)


def revisit(
    model: nn.Module, gamma: float = 0.1, *, keep: Collection[nn.Module] = (), reset_convolutions: bool = False
) -> tuple[str, ...]:
    """Gives every batch normalization of a model the scale γ₀ and the shift 0, in place.

    Davis & Frank, ECCV 2022. These are torch's batch norms, :class:`NormLayer` with batch statistics and an affine
    modulator, and :class:`InputNorm`, whose scale becomes γ₀·0.58. Other modulators are left alone.

    Args:
        gamma: γ₀, above 0 and below 1; the authors recommend 0.1.
        keep: norms, or modules with norms inside, that keep their scale. A norm right before the picture that a
            network paints belongs here: nothing after it makes up for a small scale.
        reset_convolutions: also draw all convolutions anew (He, fan-in) and set their biases and those of linear
            layers to 0, as the authors do. Convolutions with a weight normalization keep their weights.

    Returns:
        The qualified names of the norms that were changed, in the model's order.

    Raises:
        ValueError: ``gamma`` is not between 0 and 1.
    """
    _checked(gamma)
    kept = {id(inner) for module in keep for inner in module.modules()}
    if reset_convolutions:
        _reset(model)
    changed = []
    for name, module in _batch_norms(model):
        if id(module) not in kept:
            _start(module, gamma)
            changed.append(name)
    return tuple(changed)


def learning_rate_groups(
    model: nn.Module, lr: float, weight_decay: float, divisor: float = 100.0
) -> list[dict[str, Any]]:
    """Parameter groups for an optimizer, in which the scales of batch norms learn slowly and do not decay.

    With a small γ the gradient that reaches the layers before it shrinks by γ while γ's own does not; the smaller rate
    makes up for it. Groups, each with ``params``, ``lr``, ``weight_decay`` and ``name``:

    * ``scales``: γ of batch norms (those of :func:`revisit`), rate ``lr / divisor``, no decay;
    * ``shifts``: biases, shifts, and scales and style tables of all other norms, rate ``lr``, no decay;
    * ``weights``: everything else, rate ``lr``, decay ``weight_decay``.

    Every parameter that requires a gradient is in exactly one group; groups without any are left out.

    Args:
        divisor: at least 1; the authors' c.

    Raises:
        ValueError: ``divisor`` is below 1.

    Note:
        Parameters are told apart by the type of their module. The authors' code goes by the shape of the squeezed
        tensor, and so takes a convolution with a single kernel for a scale.
    """
    if divisor < 1:
        raise ValueError(f"divisor must be at least 1, got {divisor}")
    scales = {id(_scale_and_shift(module)[0]) for _, module in _batch_norms(model)}
    undecayed = {id(parameter) for parameter in _undecayed(model)} - scales
    every = [parameter for parameter in model.parameters() if parameter.requires_grad]
    weights = {id(parameter) for parameter in every} - scales - undecayed
    rows = (
        ("scales", scales, lr / divisor, 0.0),
        ("shifts", undecayed, lr, 0.0),
        ("weights", weights, lr, weight_decay),
    )
    groups = [
        {"params": [p for p in every if id(p) in chosen], "lr": rate, "weight_decay": decay, "name": name}
        for name, chosen, rate, decay in rows
    ]
    return [group for group in groups if group["params"]]


def _batch_norms(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Modules of batch normalization that learn one scale a channel."""
    return ((name, module) for name, module in model.named_modules() if _learns_a_scale(module))


def _learns_a_scale(module: nn.Module) -> bool:
    if isinstance(module, NormLayer):
        return isinstance(module.normalizer, BatchNormalizer) and isinstance(module.modulator, AffineModulator)
    return isinstance(module, InputNorm) or (isinstance(module, _BatchNorm) and module.affine)


def _scale_and_shift(module: nn.Module) -> tuple[Any, Any]:
    """γ and β of a module of :func:`_batch_norms`; β is ``None`` where there is none."""
    holder = module.modulator if isinstance(module, NormLayer) else module
    return holder.weight, getattr(holder, "bias", None)


def _start(module: nn.Module, gamma: float) -> None:
    if isinstance(module, InputNorm):
        module.start_at(gamma)
        return
    scale, shift = _scale_and_shift(module)
    nn.init.constant_(scale, gamma)
    if shift is not None:
        nn.init.zeros_(shift)


def _undecayed(model: nn.Module) -> Iterator[nn.Parameter]:
    """Biases of all modules, and all parameters of norms and of modulators that hold scales and shifts directly."""
    norms = (_BatchNorm, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, nn.modules.instancenorm._InstanceNorm)
    for module in model.modules():
        if isinstance(module, (*norms, AffineModulator, StylesModulator)):
            yield from module.parameters(recurse=False)
        elif isinstance(bias := getattr(module, "bias", None), nn.Parameter):
            yield bias


def _reset(model: nn.Module) -> None:
    for module in model.modules():
        normalized = is_parametrized(module, "weight") or hasattr(module, "conv_norm")
        if isinstance(module, _ConvNd) and not normalized:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if isinstance(module, _ConvNd | nn.Linear | ConvNorm) and module.bias is not None:
            nn.init.zeros_(module.bias)


def _checked(gamma: float) -> float:
    if not 0 < gamma < 1:
        raise ValueError(f"gamma must be above 0 and below 1, got {gamma}")
    return gamma

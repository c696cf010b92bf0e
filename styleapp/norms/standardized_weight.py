"""Weights whose filters have mean 0, and deviation 1: what standardizes them, and how a convolution gets it."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from styleapp.norms.computed_weight import compute_weight
from styleapp.norms.statistics import wide

__all__ = [
    "CONVENTIONS",
    "CentredWeight",
    "StandardizedWeight",
    "centre_weight",
    "centred_weights",
    "standardize_weight",
    "weight_standardization",
]


@dataclass(frozen=True)
class Convention:
    """How a deviation is taken: divisor n − correction, and eps added to the variance (inside the root) or after it."""

    correction: int
    eps: float
    inside: bool


ConventionName = Literal["official", "tensorflow", "timm"]
CONVENTIONS: dict[str, Convention] = {
    "official": Convention(correction=1, eps=1e-5, inside=False),  # the authors' PyTorch layer
    "tensorflow": Convention(correction=0, eps=1e-5, inside=False),  # the authors' TensorFlow snippet
    "timm": Convention(correction=0, eps=1e-6, inside=True),
}


def centre_weight(weight: Tensor) -> Tensor:
    """Each filter (C×kh×kw of C'×C×kh×kw) minus its mean: a constant input gives 0, so activations need no centring.

    Yan et al., ICLR 2020 (arXiv 2001.06838), for the convolutions before ``moving_batch``.
    """
    w = wide(weight)
    return (w - w.mean(_filter_axes(w), keepdim=True)).to(weight.dtype)


def standardize_weight(weight: Tensor, convention: ConventionName = "official", eps: float | None = None) -> Tensor:
    """Each filter minus its mean, over its deviation (see :func:`weight_standardization`).

    Args:
        weight: C'×C×kh×kw.
        convention: one of :data:`CONVENTIONS`.
        eps: instead of the convention's own.

    Raises:
        ValueError: the convention is unknown.
    """
    how = _convention(convention)
    w = wide(weight)
    small = how.eps if eps is None else eps
    # Through std and not through the root of var: that has no gradient where a filter is constant, as at zero.
    spread, mean = torch.std_mean(w, _filter_axes(w), correction=how.correction, keepdim=True)  # C'×1×1×1
    deviation = (spread.square() + small).sqrt() if how.inside else spread + small
    return ((w - mean) / deviation).to(weight.dtype)


class CentredWeight(nn.Module):
    """Parametrization :func:`centre_weight`."""

    def forward(self, weight: Tensor) -> Tensor:
        return centre_weight(weight)  # C'×C×kh×kw

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight


class StandardizedWeight(nn.Module):
    """Parametrization :func:`standardize_weight`."""

    def __init__(self, convention: ConventionName = "official", eps: float | None = None) -> None:
        super().__init__()
        self.convention: ConventionName = convention
        self.eps = _convention(convention).eps if eps is None else eps

    def forward(self, weight: Tensor) -> Tensor:
        return standardize_weight(weight, self.convention, self.eps)  # C'×C×kh×kw

    def right_inverse(self, weight: Tensor) -> Tensor:
        return weight

    def extra_repr(self) -> str:
        return f"{self.convention!r}, eps={self.eps}"


def weight_standardization(
    conv: nn.Conv2d, *, convention: ConventionName = "official", eps: float | None = None
) -> nn.Conv2d:
    """Filters of mean 0 and deviation 1: Qiao et al. 2019 (arXiv 1903.10520), section 3.

    For convolutions that a normalization layer follows; an output layer would lose its scale.

    Args:
        convention: three are in use, and differ by √(n/(n − 1)) for filters of n weights: ``official`` (the authors'
            PyTorch layer) has the unbiased deviation plus 1e-5, ``tensorflow`` (theirs, too) the biased one plus
            1e-5, ``timm`` the root of biased variance plus 1e-6.
        eps: instead of the convention's own.

    Raises:
        ValueError: the convention is unknown, or a filter has a single weight, which has no deviation.
    """
    _require_fan_in(conv, "weight_standardization")
    return compute_weight(conv, StandardizedWeight(convention, eps))


def centred_weights(conv: nn.Conv2d) -> nn.Conv2d:
    """Filters of mean 0, :func:`centre_weight`.

    Raises:
        ValueError: a filter has a single weight, of which nothing would be left.

    Note:
        The paper's layer has no bias and starts with normal weights of deviation 1; here both stay as they are.
    """
    _require_fan_in(conv, "centred_weights")
    return compute_weight(conv, CentredWeight())


def _convention(name: str) -> Convention:
    if name not in CONVENTIONS:
        raise ValueError(f"there is no convention {name!r} of standardization; known are {', '.join(CONVENTIONS)}")
    return CONVENTIONS[name]


def _filter_axes(weight: Tensor) -> list[int]:
    return list(range(1, weight.ndim))


def _require_fan_in(conv: nn.Conv2d, name: str) -> None:
    if conv.weight[0].numel() < 2:
        raise ValueError(f"{name} needs filters of at least 2 weights, those of a {conv} have 1")

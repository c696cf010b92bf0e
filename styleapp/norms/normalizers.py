"""Normalizers: what removes statistics from features. The ones that torch has are wrapped, not rewritten."""

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm, group_norm, instance_norm

from styleapp.norms.code import Code
from styleapp.norms.deviations import AbsoluteDeviation, InstanceDeviation, LargestDeviation, rescale
from styleapp.norms.fused import fused_instance_norm
from styleapp.norms.kernels import Deviation, standardize
from styleapp.norms.statistics import Moments, l1_moments, mean_deviation, topk_moments, wide

__all__ = [
    "BatchNormalizer",
    "GroupNormalizer",
    "InstanceNormalizer",
    "LayerNormalizer",
    "PLANE_DEVIATIONS",
    "NoNormalizer",
    "Normalizer",
    "RevisitedBatchNormalizer",
    "modulate",
    "require_values",
    "wide",
]


def modulate(z: Tensor, code: Code | None) -> Tensor:
    """γ·z + β in z's type; z itself without a code."""
    if code is None:
        return z
    if torch.compiler.is_compiling():
        return torch.addcmul(code.beta, z, code.gamma).to(z.dtype)
    return rescale(z, None, z.new_ones(1, z.shape[1], 1, 1), code.gamma, code.beta)  # N×C×H×W


def require_values(x: Tensor, count: int, name: str) -> None:
    """Refuses statistics of a single value: they would turn every feature into 0.

    Raises:
        ValueError: ``count``, the number of values of each statistic, is below 2.
    """
    if count < 2:
        shape = "×".join(str(size) for size in x.shape)
        raise ValueError(f"{name} normalization needs at least 2 values a statistic, features of {shape} have {count}")


def vectors(code: Code | None, num_features: int) -> tuple[Tensor, Tensor] | None:
    """γ and β as vectors of C, where all samples and all places share them; ``None`` where they do not."""
    if code is None or code.gamma.numel() != num_features or code.beta.numel() != num_features:
        return None
    return code.gamma.reshape(-1), code.beta.reshape(-1)


class Normalizer(nn.Module):
    """Removes statistics from features (N×C×H×W); scale and shift are a modulator's business.

    A new normalizer fills :meth:`normalize`, and :meth:`forward` where scale and shift can be fused into it.

    Attributes:
        centred: every channel loses its mean, so a convolution's bias before this layer has no effect.
        initial_scale: what an affine modulator that is built together with this normalizer starts with.
    """

    centred: ClassVar[bool] = True
    initial_scale: float = 1.0

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, x: Tensor, code: Code | None = None) -> Tensor:
        return modulate(self.normalize(x), code)  # N×C×H×W

    def normalize(self, x: Tensor) -> Tensor:
        """The features without their statistics, in their own type."""
        raise NotImplementedError

    def restyle(self, x: Tensor, codes: Sequence[Code], regions: Sequence[Tensor]) -> Tensor:
        """Each code in its own region (N×1×H×W, together at most 1); what no region covers keeps its features."""
        z = self.normalize(x)  # N×C×H×W
        result = x * (1 - torch.stack(list(regions)).sum(0))
        for code, region in zip(codes, regions, strict=True):
            result = result + region * modulate(z, code)
        return result.to(x.dtype)

    def running_moments(self) -> Moments | None:
        """Mean and deviation (C each) that evaluation uses, where this normalizer stores both."""
        return None

    def adopt_moments(self, moments: Moments) -> bool:
        """Takes over what another normalizer's :meth:`running_moments` gave; whether there was a place for it."""
        return False

    def extra_repr(self) -> str:
        return str(self.num_features)


class NoNormalizer(Normalizer):
    """Removes nothing: the modulator alone."""

    centred = False

    def normalize(self, x: Tensor) -> Tensor:
        return x


class BatchNormalizer(Normalizer):
    """Statistics of each channel over the batch, height and width; running averages in evaluation.

    Ioffe & Szegedy, ICML 2015, algorithms 1 and 2; the computation is :func:`torch.nn.functional.batch_norm`.

    Args:
        eps: added to the biased variance, inside the root.
        momentum: running ← (1 − m)·running + m·batch, fed with the unbiased variance; ``None`` averages all batches
            equally.
        track_running_stats: ``False`` uses the batch's own statistics in evaluation, too.

    Raises:
        ValueError: in training, when N·H·W is 1.
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        num_features: int,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__(num_features)
        self.eps, self.momentum, self.track_running_stats = eps, momentum, track_running_stats
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Tensor, code: Code | None = None) -> Tensor:
        fused = vectors(code, self.num_features)
        if fused is not None:
            return self._batch_norm(x, *fused)
        return modulate(self._batch_norm(x), code)  # N×C×H×W

    def normalize(self, x: Tensor) -> Tensor:
        return self._batch_norm(x)

    def _batch_norm(self, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        own = self.training or not self.track_running_stats
        if own:
            require_values(x, x.numel() // x.shape[1], "batch")
        if not self.track_running_stats:
            return batch_norm(x, None, None, weight, bias, True, 0.0, self.eps)
        return batch_norm(
            x, self.running_mean, self.running_var, weight, bias, self.training, self._next_share(), self.eps
        )

    def _next_share(self) -> float:
        """Share of the batch in the running averages; counts the batch."""
        if not self.training:
            return 0.0
        self.num_batches_tracked.add_(1)
        return 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum

    def running_moments(self) -> Moments | None:
        return Moments(self.running_mean, self.running_var.sqrt()) if self.track_running_stats else None

    def adopt_moments(self, moments: Moments) -> bool:
        self.running_mean.copy_(moments.mean)
        self.running_var.copy_(moments.deviation.square())
        return self.track_running_stats

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class RevisitedBatchNormalizer(BatchNormalizer):
    """Batch normalization whose affine modulator starts with a small scale; otherwise the same.

    Davis & Frank, *Revisiting Batch Norm Initialization*, ECCV 2022. The learning-rate groups that belong to it are
    in :mod:`styleapp.norms.initialisation`.

    Args:
        initial_scale: γ₀, above 0 and below 1.
    """

    def __init__(
        self, num_features: int, *, eps: float = 1e-5, momentum: float | None = 0.1, initial_scale: float = 0.1
    ) -> None:
        super().__init__(num_features, eps=eps, momentum=momentum)
        if not 0 < initial_scale < 1:
            raise ValueError(f"initial_scale must be above 0 and below 1, got {initial_scale}")
        self.initial_scale = initial_scale


class GroupNormalizer(Normalizer):
    """Statistics of each sample over groups of channels, height and width; the same in training and evaluation.

    Wu & He, ECCV 2018; the computation is :func:`torch.nn.functional.group_norm`.

    Args:
        groups: number of groups, a divisor of the number of features; ``None`` is the paper's 32, or the largest
            divisor below it.
        eps: added to the biased variance, inside the root.
    """

    centred = False

    def __init__(self, num_features: int, *, groups: int | None = None, eps: float = 1e-5) -> None:
        super().__init__(num_features)
        if groups is None:
            groups = next(number for number in range(32, 0, -1) if num_features % number == 0)
        if groups < 1 or num_features % groups != 0:
            raise ValueError(f"groups must be a divisor of the {num_features} features, got {groups}")
        self.groups, self.eps = groups, eps

    def forward(self, x: Tensor, code: Code | None = None) -> Tensor:
        fused = vectors(code, self.num_features)
        if fused is not None:
            return self._group_norm(x, *fused)
        return modulate(self._group_norm(x), code)  # N×C×H×W

    def normalize(self, x: Tensor) -> Tensor:
        return self._group_norm(x)

    def _group_norm(self, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        require_values(x, x.shape[1:].numel() // self.groups, type(self).__name__.removesuffix("Normalizer").lower())
        weight, bias = (None if part is None else wide(part) for part in (weight, bias))  # of a half-precision network
        return group_norm(wide(x), self.groups, weight, bias, self.eps).to(x.dtype)

    def extra_repr(self) -> str:
        return f"{self.num_features}, groups={self.groups}, eps={self.eps}"


class LayerNormalizer(GroupNormalizer):
    """Statistics of each sample over all channels, height and width; scale and shift stay one a channel.

    Ba et al. 2016, in the form for pictures of any size: one group. ``torch.nn.LayerNorm([C, H, W])`` has the same
    statistics, but a scale for every place.
    """

    def __init__(self, num_features: int, *, eps: float = 1e-5) -> None:
        super().__init__(num_features, groups=1, eps=eps)


PLANE_DEVIATIONS: dict[str, Callable[[int, float], Deviation]] = {
    "l2": lambda k, eps: InstanceDeviation(eps),
    "l1": lambda k, eps: AbsoluteDeviation(eps),
    "linf": lambda k, eps: LargestDeviation(1, eps=eps),
    "topk": lambda k, eps: LargestDeviation(k, eps=eps),
}
"""What instance normalization can divide by, from k and ε. All but the first are of the channels of a batch, here of a
batch of one sample whose channels are the planes."""

MOMENTS_INSIDE: dict[str, Callable[[Tensor, Tensor, int], Moments]] = {
    "l1": lambda x, region, k: l1_moments(x, region),
    "linf": lambda x, region, k: topk_moments(x, 1, region=region),
    "topk": lambda x, region, k: topk_moments(x, k, region=region),
}
"""The same inside a region, without ε."""


class InstanceNormalizer(Normalizer):
    """Statistics of each channel of each sample over height and width; the same in training and evaluation.

    Ulyanov et al. 2016; without a code the computation is :func:`torch.nn.functional.instance_norm`. With one it is
    ours in training and wherever a channel hardly varies, because that function scales on the CPU before it centres:
    where a style's deviation meets a channel that does not vary, only rounding would be left.

    Args:
        eps: added to the variance, inside the root; to another deviation itself.
        unbiased: divide by n − 1 instead of n, as a widespread port of AdaIN does.
        deviation: what to divide by, a name of :data:`PLANE_DEVIATIONS`. All but ``l2`` are those of *Norm Matters*
            (Hoffer et al., NeurIPS 2018, section 4), there of a batch, here of each plane.
        k: how many values count for ``topk``.

    Raises:
        ValueError: the deviation is unknown, ``k`` is below 1, or another deviation than L2 is to be unbiased.
    """

    def __init__(
        self, num_features: int, *, eps: float = 1e-5, unbiased: bool = False, deviation: str = "l2", k: int = 10
    ) -> None:
        super().__init__(num_features)
        if deviation not in PLANE_DEVIATIONS:
            raise ValueError(f"deviation must be one of {', '.join(PLANE_DEVIATIONS)}, got {deviation!r}")
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        if unbiased and deviation != "l2":
            raise ValueError(f"only the deviation l2 can be unbiased, not {deviation}")
        self.eps, self.unbiased, self.deviation, self.k = eps, unbiased, deviation, k

    def forward(self, x: Tensor, code: Code | None = None) -> Tensor:
        require_values(x, x.shape[2] * x.shape[3], "instance")
        if self.deviation != "l2":
            return self._by_other_deviation(x, code)
        if self.unbiased or code is not None:
            return self._restyled(x, code)
        return instance_norm(wide(x), eps=self.eps).to(x.dtype)  # N×C×H×W

    def normalize(self, x: Tensor) -> Tensor:
        return self(x)

    def _restyled(self, x: Tensor, code: Code | None) -> Tensor:
        gamma, beta = (None, None) if code is None else (code.gamma, code.beta)
        if not self.unbiased and not torch.compiler.is_compiling():
            fused = fused_instance_norm(x, self.eps, gamma, beta)
            if fused is not None:
                return fused
        return standardize(x, InstanceDeviation(self.eps, self.unbiased), gamma, beta).y

    def _by_other_deviation(self, x: Tensor, code: Code | None) -> Tensor:
        """Each plane as a channel of a single sample, because the kernels take these deviations of channels."""
        parts = (None, None) if code is None else (code.gamma, code.beta)
        gamma, beta = (
            None if part is None else part.expand(*x.shape[:2], *part.shape[2:]).flatten(0, 1)[None] for part in parts
        )
        deviation = PLANE_DEVIATIONS[self.deviation](self.k, self.eps)
        return standardize(x.flatten(0, 1)[None], deviation, gamma, beta).y.reshape(x.shape)

    def _moments_inside(self, x: Tensor, region: Tensor) -> Moments:
        """N×C×1×1."""
        if self.deviation == "l2":
            return mean_deviation(x, region, self.eps, unbiased=self.unbiased)
        mean, deviation = MOMENTS_INSIDE[self.deviation](x, region, self.k)
        return Moments(mean, deviation + self.eps)

    def _restyled_inside(self, x: Tensor, code: Code, region: Tensor) -> Tensor:
        mean, deviation = self._moments_inside(x, region)  # N×C×1×1
        return torch.addcmul(code.beta, wide(x) - mean, code.gamma / deviation).to(x.dtype)

    def restyle(self, x: Tensor, codes: Sequence[Code], regions: Sequence[Tensor]) -> Tensor:
        """As the authors of AdaIN do it: statistics are taken inside each region of each sample."""
        if len(x) > 1 and any(len(region) > 1 for region in regions):  # one may be empty, or smaller than another
            return torch.cat([self.restyle(*_sample(number, x, codes, regions)) for number in range(len(x))])
        result = wide(x) * (1 - torch.stack(list(regions)).sum(0))  # N×C×H×W
        for code, region in zip(codes, regions, strict=True):
            if bool((region > 0).any()):  # a region smaller than one cell of the features changes nothing
                result = result + region * self._restyled_inside(x, code, region)
        return result.to(x.dtype)

    def extra_repr(self) -> str:
        more = (", unbiased=True" if self.unbiased else "") + (f", {self.deviation}" if self.deviation != "l2" else "")
        return f"{self.num_features}, eps={self.eps}{more}"


def _sample(
    number: int, x: Tensor, codes: Sequence[Code], regions: Sequence[Tensor]
) -> tuple[Tensor, list[Code], list[Tensor]]:
    """What belongs to one sample of a batch; parts with a single entry are for all samples."""

    def its(part: Tensor) -> Tensor:
        return part if len(part) == 1 else part[number : number + 1]

    return its(x), [Code(its(code.gamma), its(code.beta)) for code in codes], [its(region) for region in regions]

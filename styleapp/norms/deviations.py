"""What :func:`styleapp.norms.kernels.standardize` can divide by: L2 of planes, L1 and the k largest of channels."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from styleapp.norms.kernels import Deviation, Measured, Pullback, Response, standardize
from styleapp.norms.pieces import PLANE, Pieces, fitting, widened
from styleapp.norms.statistics import (
    L1_CONSTANT,
    Moments,
    calibrated_constant,
    l1_moments,
    mean_deviation,
    paper_constant,
    topk_moments,
    wide,
)

__all__ = [
    "AbsoluteDeviation",
    "FixedStatistics",
    "InstanceDeviation",
    "LargestDeviation",
    "PooledStatistics",
    "batch_moments",
    "batch_square",
    "itself",
    "plane_moments",
    "rescale",
]

BATCH = (0, 2, 3)


def rescale(
    x: Tensor, mean: Tensor | None, divisor: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None
) -> Tensor:
    """γ·(x − mean)/divisor + β with constant statistics, such as running ones; in x's type.

    Args:
        x: N×C×H×W.
        mean: 1×C×1×1; ``None`` is 0.
        divisor: 1×C×1×1.
        gamma: N×C×1×1, 1×C×1×1 or N×C×H×W; ``None`` is 1.
        beta: the same shape; given where γ is.
    """
    return standardize(x, FixedStatistics(mean, divisor), gamma, beta).y


@torch.no_grad()
def batch_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel of the batch (1×C×1×1), as constants, in float32 or wider."""
    if torch.compiler.is_compiling():
        variance, mean = torch.var_mean(wide(x), dim=BATCH, keepdim=True, correction=0)
        return mean, variance
    pieces = Pieces(x)
    mean = _mean(x, pieces, x[:1, :, :1, :1])
    return mean, _total(_squares(x, pieces, mean)) / _count(x)


@torch.no_grad()
def plane_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each plane (N×C×1×1), as constants, in float32 or wider."""
    if torch.compiler.is_compiling():
        variance, mean = torch.var_mean(wide(x), dim=PLANE, keepdim=True, correction=0)
        return mean, variance
    pieces = Pieces(x)
    mean = _mean(x, pieces, x[:, :, :1, :1])
    return mean, _squares(x, pieces, mean) / (x.shape[2] * x.shape[3])


@torch.no_grad()
def batch_square(x: Tensor) -> Tensor:
    """Mean of squares of each channel of the batch (1×C×1×1), as a constant, in float32 or wider."""
    if torch.compiler.is_compiling():
        return wide(x).square().mean(BATCH, keepdim=True)
    return _total(_squares(x, Pieces(x), None)) / _count(x)


@dataclass(frozen=True)
class FixedStatistics(Deviation):
    """Given statistics, as constants; see :func:`rescale`.

    Attributes:
        mean: 1×C×1×1; ``None`` is 0.
        divisor: 1×C×1×1.
    """

    mean: Tensor | None
    divisor: Tensor

    def moments(self, x: Tensor) -> Moments:
        return Moments(torch.zeros_like(self.divisor) if self.mean is None else self.mean, self.divisor)

    def measure(self, x: Tensor, pieces: Pieces) -> Measured:
        return Measured(self.mean, self.divisor)

    def response(self, pullback: Pullback) -> Response:
        return Response()


@dataclass(frozen=True)
class PooledStatistics(Deviation):
    """Statistics of channels in which the batch has a share, pooled with others that are constants.

    μ = a·μ_batch + …, and σ² the variance about this μ, a·(σ²_batch + (μ_batch − μ)²) + …. A share of 1 is batch
    normalization, a share of 0 :class:`FixedStatistics`.

    Attributes:
        mean: μ, 1×C×1×1.
        divisor: √(σ² + ε), 1×C×1×1.
        share: a, from 0 to 1.
    """

    mean: Tensor
    divisor: Tensor
    share: Tensor | float

    def moments(self, x: Tensor) -> Moments:
        variance, mean = torch.var_mean(wide(x), dim=BATCH, keepdim=True, correction=0)
        pooled = self.mean + self.share * _change(mean)
        squares = self.share * _change(variance + mean.square()) - _change(pooled.square())
        return Moments(pooled, (self.divisor.square() + squares).sqrt())

    def measure(self, x: Tensor, pieces: Pieces) -> Measured:
        return Measured(self.mean, self.divisor)

    def response(self, pullback: Pullback) -> Response:
        steepness, level = _batch_answer(pullback, 1 / _count(pullback.x))
        return Response(itself, self.share * steepness / self.divisor, self.share * level)


@dataclass(frozen=True)
class InstanceDeviation(Deviation):
    """√(variance + ε) of each plane.

    Attributes:
        eps: added inside the root.
        unbiased: the variance divides by n − 1.
    """

    eps: float = 1e-5
    unbiased: bool = False

    def moments(self, x: Tensor) -> Moments:
        return mean_deviation(x, eps=self.eps, unbiased=self.unbiased)

    def measure(self, x: Tensor, pieces: Pieces) -> Measured:
        mean = _mean(x, pieces, x[:, :, :1, :1])
        return Measured(mean, (_squares(x, pieces, mean) / self._freedom(x) + self.eps).sqrt())

    def response(self, pullback: Pullback) -> Response:
        x, divisor = pullback.x, pullback.measured.divisor
        steepness = -pullback.products / (self._freedom(x) * divisor.square())
        return Response(itself, steepness, -pullback.sums / (x.shape[2] * x.shape[3] * divisor))

    def _freedom(self, x: Tensor) -> int:
        return x.shape[2] * x.shape[3] - int(self.unbiased)


@dataclass(frozen=True)
class AbsoluteDeviation(Deviation):
    """√(π/2) · mean |x − μ| of each channel of the batch, plus ε."""

    eps: float = 1e-5

    def moments(self, x: Tensor) -> Moments:
        mean, deviation = l1_moments(x, dim=BATCH)
        return Moments(mean, deviation + self.eps)

    def measure(self, x: Tensor, pieces: Pieces) -> Measured:
        mean = _mean(x, pieces, x[:1, :, :1, :1])
        room = pieces.room()
        (spread,) = pieces.sums(lambda x_, mean_: [torch.sub(x_, mean_, out=fitting(room, x_)).abs_()], x, mean)
        return Measured(mean, L1_CONSTANT / _count(x) * _total(spread) + self.eps)

    def response(self, pullback: Pullback) -> Response:
        x, mean, pieces = pullback.x, pullback.measured.mean, pullback.pieces
        room = pieces.room()
        (signs,) = pieces.sums(lambda x_, mean_: [torch.sub(x_, mean_, out=fitting(room, x_)).sign_()], x, mean)
        steepness, level = _batch_answer(pullback, L1_CONSTANT / _count(x))
        return Response(torch.Tensor.sign_, steepness, level - steepness * _total(signs) / _count(x))


@dataclass(frozen=True)
class LargestDeviation(Deviation):
    """Constant · mean of the k largest |x − μ| of each channel of the batch, plus ε.

    Attributes:
        k: reduced to n where there are fewer.
        constant: see :func:`styleapp.norms.statistics.topk_moments`.
    """

    k: int
    constant: Literal["paper", "calibrated"] = "paper"
    eps: float = 1e-5

    def moments(self, x: Tensor) -> Moments:
        mean, deviation = topk_moments(x, self.k, self.constant, dim=BATCH)
        return Moments(mean, deviation + self.eps)

    def measure(self, x: Tensor, pieces: Pieces) -> Measured:
        mean = _mean(x, pieces, x[:1, :, :1, :1])
        largest, places = _largest(x, mean, min(self.k, _count(x)), pieces)
        return Measured(mean, (self._share(x) * largest.sum(1) + self.eps).view_as(mean), places)

    def response(self, pullback: Pullback) -> Response:
        steepness, level = _batch_answer(pullback, self._share(pullback.x))
        signs = _signs_at(pullback).sum(1).view_as(level)
        return Response(level=level - steepness * signs / _count(pullback.x))

    def respond_at_places(self, dx: Tensor, pullback: Pullback) -> None:
        steepness, _ = _batch_answer(pullback, self._share(pullback.x))
        answer = steepness.view(-1, 1) * _signs_at(pullback)  # C×K
        dx.index_put_(_indices(pullback), answer.to(dx.dtype), accumulate=True)

    def _share(self, x: Tensor) -> float:
        """What one of the k deviations counts in σ."""
        count = _count(x)
        k = min(self.k, count)
        return (paper_constant(count) if self.constant == "paper" else calibrated_constant(count, k)) / k


def _count(x: Tensor) -> int:
    """Values of each channel of the batch."""
    return x.shape[0] * x.shape[2] * x.shape[3]


def _total(sums: Tensor) -> Tensor:
    """Sums of planes (N×C×1×1) brought to sums of channels (1×C×1×1)."""
    return sums.sum(0, keepdim=True)


def itself(centred: Tensor) -> Tensor:
    """The shape of responses in proportion to x − μ."""
    return centred


def _mean(x: Tensor, pieces: Pieces, near: Tensor) -> Tensor:
    """Means of planes or channels, of whichever ``near`` has one value each (N×C×1×1 or 1×C×1×1).

    Differences to that value are summed: exact for equal values, and also where the mean is large.
    """
    near, room = wide(near), pieces.room()
    (sums,) = pieces.sums(lambda x_, near_: [torch.sub(x_, near_, out=fitting(room, x_))], x, near)
    means = sums / (x.shape[2] * x.shape[3])
    return near + (means.mean(0, keepdim=True) if len(near) == 1 else means)


def _squares(x: Tensor, pieces: Pieces, mean: Tensor | None) -> Tensor:
    """Sums of (x − mean)² over each plane."""
    room = pieces.room()

    def terms(x_: Tensor, mean_: Tensor | None) -> list[Tensor]:
        room_ = fitting(room, x_)
        centred = widened(x_, room_) if mean_ is None else torch.sub(x_, mean_, out=room_)
        return [torch.mul(centred, centred, out=room_)]

    return pieces.sums(terms, x, mean)[0]


def _change(value: Tensor) -> Tensor:
    """0, but with the gradient of the value."""
    return value - value.detach()


def _largest(x: Tensor, mean: Tensor, k: int, pieces: Pieces) -> tuple[Tensor, Tensor]:
    """The k largest |x − μ| of each channel (C×K), and their places in N×H×W.

    They lie in the k rows of pixels with the largest peaks, so only these few rows are sorted.
    """
    samples, channels, height, width = x.shape
    room, peaks = pieces.room(), mean.new_empty(samples, channels, height, 1)
    for x_, mean_, peaks_ in pieces(x, mean, peaks):
        peaks_.copy_(torch.sub(x_, mean_, out=fitting(room, x_)).abs_().amax(3, keepdim=True))
    of_channels = peaks.transpose(0, 1).reshape(channels, -1)  # C×N·H
    rows = of_channels.topk(min(k, of_channels.shape[1]), dim=1).indices  # C×R
    channel = torch.arange(channels, device=x.device).unsqueeze(1)
    candidates = (wide(x[rows // height, channel, rows % height]) - mean.view(-1, 1, 1)).abs()  # C×R×W
    values, found = candidates.flatten(1).topk(k, dim=1)  # C×K
    return values, rows.gather(1, found // width) * width + found % width


def _batch_answer(pullback: Pullback, share: float) -> tuple[Tensor, Tensor]:
    """What σ and μ of channels give back: −B/(σ + ε) · share of one value in σ, and −A/n/(σ + ε)."""
    divisor = pullback.measured.divisor
    level = -_total(pullback.sums) / (_count(pullback.x) * divisor)
    return -_total(pullback.products) * share / divisor, level


def _indices(pullback: Pullback) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The places as sample, channel, row and column."""
    places = pullback.measured.places
    assert places is not None
    height, width = pullback.x.shape[2:]
    channel = torch.arange(len(places), device=places.device).unsqueeze(1)
    return places // (height * width), channel, places // width % height, places % width


def _signs_at(pullback: Pullback) -> Tensor:
    """Signs of x − μ at the places, C×K."""
    assert pullback.measured.mean is not None
    return (wide(pullback.x[_indices(pullback)]) - pullback.measured.mean.view(-1, 1)).sign()

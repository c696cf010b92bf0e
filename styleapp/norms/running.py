"""Batch normalization by quadratic means: nothing is centred, and statistics are smoothed over recent batches.

Two systems share the core, z = x / √(quadratic mean + ε). They differ in how the quadratic mean is smoothed, and in how
the one statistic that the gradient needs, ψ = mean(∂z·z), is: both keep it from batch to batch, and so have a backward
pass of their own that changes state.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from styleapp.norms.code import Code
from styleapp.norms.deviations import batch_square, itself, rescale
from styleapp.norms.kernels import Deviation, Measured, Pullback, Response, standardize
from styleapp.norms.normalizers import Normalizer, require_values
from styleapp.norms.pieces import Pieces
from styleapp.norms.statistics import Moments, wide

__all__ = ["MovingBatchNormalizer", "PowerNormalizer"]


@dataclass
class _Batch(Deviation):
    """One training batch: y = r·z with z = x / root, and ∂x = (g − Ψ·z) / backward_root with g = r·∂y.

    Attributes:
        root: 1×C×1×1.
        backward_root: the same shape.
        ratio: r, the same shape, or 1.
        smooth: gives Ψ (C) for ψ = mean(g·z) of this batch; with ``move=True`` it stores ψ.
        moved: whether a backward pass went through. Only the first may move state.
    """

    twice_differentiable = False

    root: Tensor
    backward_root: Tensor
    ratio: Tensor | float
    smooth: Callable[..., Tensor]
    moved: bool = False

    def measure(self, x: Tensor, pieces: Pieces) -> Measured:
        return Measured(None, self.root / self.ratio)

    def response(self, pullback: Pullback) -> Response:
        first, self.moved = not self.moved, True
        values = pullback.x.numel() // pullback.x.shape[1]
        smoothed = self.smooth(pullback.products.sum(0).flatten() / values, move=first)  # C
        steepness = -smoothed.view_as(self.root) / (self.root * self.backward_root)
        return Response(itself, steepness, divisor=self.backward_root / self.ratio)


class _QuadraticNormalizer(Normalizer):
    """What the two share: evaluation, counting, and state that moves once for each forward and backward pass."""

    centred = False
    running_square: Tensor
    num_batches_tracked: Tensor

    def __init__(self, num_features: int, eps: float) -> None:
        super().__init__(num_features)
        self.eps = eps
        self.register_buffer("running_square", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Tensor, code: Code | None = None) -> Tensor:
        gamma, beta = (None, None) if code is None else (code.gamma, code.beta)
        if not self.training:
            return rescale(x, None, self._root(self.running_square), gamma, beta)  # N×C×H×W
        require_values(x, x.numel() // x.shape[1], "batch")
        train = torch.compiler.disable(self._train) if torch.compiler.is_compiling() else self._train
        return train(x, gamma, beta)  # N×C×H×W

    def normalize(self, x: Tensor) -> Tensor:
        return self(x)

    def _train(self, x: Tensor, gamma: Tensor | None, beta: Tensor | None) -> Tensor:
        with torch.no_grad():
            batch = self._batch(*self._begin_batch(x))
        return standardize(x, batch, gamma, beta).y

    def _batch(self, number: Tensor, own: Tensor) -> _Batch:
        """What the batch of this number and quadratic mean (C) is divided by; moves the running quadratic mean."""
        raise NotImplementedError

    def _root(self, square: Tensor) -> Tensor:
        return (wide(square) + self.eps).sqrt().view(1, -1, 1, 1)

    def _begin_batch(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Number of this batch, from 1, and the quadratic mean of its features (C)."""
        if torch._C._current_graph_task_id() != -1:  # this is how torch's own modules ask whether a backward pass runs
            raise RuntimeError(
                f"{type(self).__name__} cannot be computed again inside a backward pass (activation checkpointing): "
                "its statistics would move twice. Leave this layer out of the checkpointed part"
            )
        self.num_batches_tracked.add_(1)
        return self.num_batches_tracked, batch_square(x).flatten()

    def adopt_moments(self, moments: Moments) -> bool:
        """The mean of squares is μ² + σ²."""
        self.running_square.copy_(moments.mean.square() + moments.deviation.square())
        return True


class MovingBatchNormalizer(_QuadraticNormalizer):
    """Moving average batch normalization: x / √(v + ε), with v the quadratic mean of the last batches.

    Yan et al., *Towards Stabilizing Batch Statistics in Backward Propagation of Batch Normalization*, ICLR 2020. Made
    for batches of 1 to 8. Training multiplies by r = √(v + ε) / √(running + ε), a constant for the gradient; evaluation
    divides by √(running + ε). Backward, with g = r·∂y: ∂x = (g − z·Ψ) / √(v + ε), where Ψ is the mean of ψ = mean(g·z)
    over the last batches. The paper pairs it with convolutions whose kernels have mean 0, because features keep theirs.

    Args:
        batches: how many batches v and Ψ are averaged over: the batch size to imitate over the real one, 32 / 2 = 16.
            Until so many have passed, the batch's own v and ψ are used.
        warm_up: the batch's own v and ψ are also used before this batch.
        correction_warm_up: r is 1 up to this batch (and up to ``warm_up``).
        clamp: r is limited to [1 / clamp, clamp].
        eps: added to the quadratic mean, inside the root.
        momentum: running ← (1 − m)·running + m·v.

    Raises:
        ValueError: an option is out of range; in training, when N·H·W is 1.
        RuntimeError: in training, when computed inside a backward pass, as activation checkpointing does.

    Note:
        State also changes in the backward pass. A forward pass moves it at most once: the first backward through it
        stores its ψ, further ones (``retain_graph``) only read, and a forward without a backward stores none. A ψ that
        is not finite (an overflow under loss scaling) is not stored. The gradient cannot be differentiated again.
        ``torch.compile`` leaves the training pass uncompiled. The authors write momentum as 0.98, the weight of the old
        value; ours is torch's 0.02. They count batches once for both passes, we count them apart, which is the same
        where every forward has its backward.
    """

    square_ring: Tensor
    projection_ring: Tensor
    num_gradients_tracked: Tensor

    def __init__(
        self,
        num_features: int,
        *,
        batches: int = 16,
        warm_up: int = 100,
        correction_warm_up: int = 1000,
        clamp: float = 5.0,
        eps: float = 1e-5,
        momentum: float = 0.02,
    ) -> None:
        super().__init__(num_features, eps)
        if batches < 1:
            raise ValueError(f"batches must be at least 1, got {batches}")
        if clamp < 1:
            raise ValueError(f"clamp must be at least 1, got {clamp}")
        self.batches, self.warm_up, self.correction_warm_up = batches, warm_up, correction_warm_up
        self.clamp, self.momentum = clamp, momentum
        self.register_buffer("square_ring", torch.zeros(batches, num_features))
        self.register_buffer("projection_ring", torch.zeros(batches, num_features))
        self.register_buffer("num_gradients_tracked", torch.tensor(0))

    def _batch(self, number: Tensor, own: Tensor) -> _Batch:
        self.square_ring.copy_(self._with_newest(self.square_ring, own, number))
        square = self._ring_mean(self.square_ring, own, number)
        root = self._root(square)
        settled = number > max(self.correction_warm_up, self.warm_up)
        ratio = (root / self._root(self.running_square)).clamp(1 / self.clamp, self.clamp)
        self.running_square.lerp_(square.to(self.running_square.dtype), self.momentum)
        return _Batch(root, root, torch.where(settled, ratio, 1.0), self._smooth)

    def _smooth(self, own: Tensor, *, move: bool) -> Tensor:
        number = self.num_gradients_tracked + 1
        ring = self._with_newest(self.projection_ring, own, number)
        if move:
            finite = own.isfinite().all()
            self.projection_ring.copy_(torch.where(finite, ring, self.projection_ring))
            self.num_gradients_tracked.add_(finite)
        return self._ring_mean(ring, own, number)

    def _with_newest(self, ring: Tensor, newest: Tensor, number: Tensor) -> Tensor:
        return ring.index_copy(0, (number % self.batches).view(1), newest.to(ring.dtype).unsqueeze(0))

    def _ring_mean(self, ring: Tensor, own: Tensor, number: Tensor) -> Tensor:
        full = (number > self.batches) & (number >= self.warm_up)
        return torch.where(full, ring.mean(0).to(own.dtype), own)

    def extra_repr(self) -> str:
        return f"{self.num_features}, batches={self.batches}, eps={self.eps}, momentum={self.momentum}"


class PowerNormalizer(_QuadraticNormalizer):
    """PowerNorm: x / √(φ + ε), with φ the batch's quadratic mean in the warm-up and its running average after it.

    Shen et al., *PowerNorm: Rethinking Batch Normalization in Transformers*, ICML 2020, section 4 and algorithm 2;
    places of the picture stand for the paper's tokens. After the warm-up φ is the average *before* this batch.
    Backward: a = ∂z − (1 − α)·ν·z, ν ← ν + mean(a·z), ∂x = a / root, where (1 − α)·ν approaches ψ = mean(∂z·z).

    Args:
        alpha: weight of the old value in both directions: φ ← α·φ + (1 − α)·φ_batch, and ν above.
        warm_up: batches that are normalized with their own φ. In all but the last of them φ is a plain average of the
            batches so far before the step above.
        backward_scale: what a is divided by after the warm-up: ``"paper"``, the root of the forward pass;
            ``"code"``, the batch's own root, as the authors' released code does.
        group_scale: before all this, divide each place by the quadratic mean of its channels (groups of them).
        groups: of channels, for ``group_scale``; 1 is :class:`torch.nn.RMSNorm` over channels without weights.
        eps: added to quadratic means, inside the root.

    Raises:
        ValueError: an option is out of range; in training, when N·H·W is 1.
        RuntimeError: in training, when computed inside a backward pass, as activation checkpointing does.

    Note:
        ν changes in the backward pass, in the warm-up, too. A forward pass moves it at most once: further backwards
        through it (``retain_graph``) only read. A value that is not finite (an overflow under loss scaling) is not
        stored. The gradient cannot be differentiated again. ``torch.compile`` leaves the training pass uncompiled.
    """

    running_projection: Tensor

    def __init__(
        self,
        num_features: int,
        *,
        alpha: float = 0.9,
        warm_up: int = 10_000,
        backward_scale: Literal["paper", "code"] = "paper",
        group_scale: bool = False,
        groups: int = 1,
        eps: float = 1e-5,
    ) -> None:
        super().__init__(num_features, eps)
        if not 0 <= alpha < 1:
            raise ValueError(f"alpha must be at least 0 and below 1, got {alpha}")
        if backward_scale not in ("paper", "code"):
            raise ValueError(f'backward_scale must be "paper" or "code", got {backward_scale!r}')
        if groups < 1 or num_features % groups != 0:
            raise ValueError(f"groups must be a divisor of the {num_features} features, got {groups}")
        self.alpha, self.warm_up, self.backward_scale = alpha, warm_up, backward_scale
        self.group_scale, self.groups = group_scale, groups
        self.register_buffer("running_projection", torch.zeros(num_features))

    def forward(self, x: Tensor, code: Code | None = None) -> Tensor:
        scaled = self._scale_groups(x) if self.group_scale else x
        return super().forward(scaled, code).to(x.dtype)  # N×C×H×W

    def adopt_moments(self, moments: Moments) -> bool:
        """Not with ``group_scale``: these are moments of features that were not scaled."""
        return False if self.group_scale else super().adopt_moments(moments)

    def _scale_groups(self, x: Tensor) -> Tensor:
        grouped = wide(x).unflatten(1, (self.groups, -1))  # N×G×C/G×H×W
        return (grouped * (grouped.square().mean(2, keepdim=True) + self.eps).rsqrt()).flatten(1, 2)

    def _batch(self, number: Tensor, own: Tensor) -> _Batch:
        running = wide(self.running_square)
        square = torch.where(number <= self.warm_up, own, running)
        root = self._root(square)
        backward_root = {"paper": root, "code": self._root(own)}[self.backward_scale]
        running = torch.where(number < self.warm_up, running + (own - running) / number, running)
        self.running_square.copy_(self.alpha * running + (1 - self.alpha) * own)
        return _Batch(root, backward_root, 1.0, partial(self._smooth, own / (square + self.eps)))

    def _smooth(self, z_square: Tensor, own: Tensor, *, move: bool) -> Tensor:
        share = (1 - self.alpha) * wide(self.running_projection)
        if move:
            left = own - share * z_square  # mean(a·z)
            finite = left.isfinite().all()
            self.running_projection.add_(torch.where(finite, left, 0.0).to(self.running_projection.dtype))
        return share

    def extra_repr(self) -> str:
        scale = f", group_scale=True, groups={self.groups}" if self.group_scale else ""
        return f"{self.num_features}, alpha={self.alpha}, warm_up={self.warm_up}, eps={self.eps}{scale}"

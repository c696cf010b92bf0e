"""Batch normalization by the deviations of *Norm Matters*: L1, L∞, top-k (Hoffer et al., NeurIPS 2018, section 4)."""

from typing import Literal

import torch
from torch import Tensor

from styleapp.norms.code import Code
from styleapp.norms.deviations import AbsoluteDeviation, LargestDeviation, rescale
from styleapp.norms.kernels import Deviation, standardize
from styleapp.norms.normalizers import Normalizer, require_values
from styleapp.norms.statistics import Moments, wide

__all__ = ["L1BatchNormalizer", "LinfBatchNormalizer", "LpBatchNormalizer", "TopKBatchNormalizer"]


class LpBatchNormalizer(Normalizer):
    """(x − μ) / (deviation + ε) over batch, height and width; running mean and deviation in evaluation.

    Args:
        eps: added to the deviation, outside of any root.
        momentum: running ← (1 − m)·running + m·batch.

    Raises:
        ValueError: in training, when N·H·W is 1.

    Note:
        The authors' code keeps 1/deviation, with the opposite sense of momentum and averages that begin at 0. Ours
        keeps the deviation, begins at mean 0 and deviation 1, and moves by 0.1 a batch, as torch does.
    """

    running_mean: Tensor
    running_scale: Tensor
    num_batches_tracked: Tensor

    def __init__(self, num_features: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(num_features)
        self.eps, self.momentum = eps, momentum
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_scale", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def deviation(self) -> Deviation:
        """What to divide by."""
        raise NotImplementedError

    def forward(self, x: Tensor, code: Code | None = None) -> Tensor:
        gamma, beta = (None, None) if code is None else (code.gamma, code.beta)
        if not self.training:
            mean, scale = (wide(stored).view(1, -1, 1, 1) for stored in self.running_moments())
            return rescale(x, mean, scale + self.eps, gamma, beta)  # N×C×H×W
        require_values(x, x.numel() // x.shape[1], "batch")
        y, mean, divisor = standardize(x, self.deviation(), gamma, beta)
        self._track(mean, divisor - self.eps)
        return y  # N×C×H×W

    def normalize(self, x: Tensor) -> Tensor:
        return self(x)

    @torch.no_grad()
    def _track(self, mean: Tensor, scale: Tensor) -> None:
        self.running_mean.lerp_(mean.flatten().to(self.running_mean.dtype), self.momentum)
        self.running_scale.lerp_(scale.flatten().to(self.running_scale.dtype), self.momentum)
        self.num_batches_tracked.add_(1)

    def running_moments(self) -> Moments:
        return Moments(self.running_mean, self.running_scale)

    def adopt_moments(self, moments: Moments) -> bool:
        self.running_mean.copy_(moments.mean)
        self.running_scale.copy_(moments.deviation)
        return True

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class L1BatchNormalizer(LpBatchNormalizer):
    """√(π/2) · mean |x − μ| as the deviation: no squares and no root, made for half precision."""

    def deviation(self) -> Deviation:
        return AbsoluteDeviation(self.eps)


class TopKBatchNormalizer(LpBatchNormalizer):
    """Constant · mean of the k largest |x − μ| as the deviation.

    Args:
        k: how many, reduced to n = N·H·W where there are fewer.
        constant: ``"paper"``, or ``"calibrated"``, which gives normal values deviation 1.
    """

    def __init__(
        self,
        num_features: int,
        *,
        k: int = 10,
        constant: Literal["paper", "calibrated"] = "paper",
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        super().__init__(num_features, eps=eps, momentum=momentum)
        if k < 1:
            raise ValueError(f"k must be at least 1, got {k}")
        if constant not in ("paper", "calibrated"):
            raise ValueError(f'constant must be "paper" or "calibrated", got {constant!r}')
        self.k, self.constant = k, constant

    def deviation(self) -> Deviation:
        return LargestDeviation(self.k, self.constant, self.eps)


class LinfBatchNormalizer(TopKBatchNormalizer):
    """Constant · max |x − μ| as the deviation: top-k with k = 1."""

    def __init__(
        self,
        num_features: int,
        *,
        constant: Literal["paper", "calibrated"] = "paper",
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        super().__init__(num_features, k=1, constant=constant, eps=eps, momentum=momentum)

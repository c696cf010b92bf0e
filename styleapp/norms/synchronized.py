"""Batch normalization over all processes: statistics of the batches of all workers together."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from styleapp.norms.normalizers import BatchNormalizer, require_values
from styleapp.norms.statistics import wide

__all__ = ["SyncBatchNormalizer", "merge_moments"]


class SyncBatchNormalizer(BatchNormalizer):
    """Batch statistics of all processes of the default process group, in training.

    Several processes then compute what one process computes with all their samples in one batch: output, gradient and
    running averages, also where the processes have different numbers of samples or sizes of pictures. Without a process
    group, with a single process, and in evaluation this is batch normalization.

    On GPUs the computation is :class:`torch.nn.SyncBatchNorm`, which refuses CPUs. There each process gives its number
    of values, mean and sum of squared deviations to all others, in one exchange a pass.

    Args:
        eps: added to the biased variance, inside the root.
        momentum: running ← (1 − m)·running + m·batch, fed with the unbiased variance over all processes; ``None``
            averages all batches equally.

    Raises:
        ValueError: in training, when N·H·W, summed over all processes, is 1.

    Note:
        The gradient is that of the sum of all processes' losses, as in torch. A process may have no sample on the CPU.
        Calls must come in the same order in every process. ``torch.compile`` breaks the graph around the exchange.
    """

    def __init__(self, num_features: int, *, eps: float = 1e-5, momentum: float | None = 0.1) -> None:
        super().__init__(num_features, eps=eps, momentum=momentum)

    def _batch_norm(self, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        if not (self.training and _in_company()):
            return super()._batch_norm(x, weight, bias)
        z = self._exchanged(x) if x.device.type == "cpu" else self._torch_layer()(x)  # N×C×H×W
        if weight is None or bias is None:
            return z
        return torch.addcmul(bias.view(1, -1, 1, 1), z, weight.view(1, -1, 1, 1)).to(x.dtype)

    def _torch_layer(self) -> nn.SyncBatchNorm:
        """Torch's layer around our running statistics, which it updates in place."""
        layer = nn.SyncBatchNorm(self.num_features, self.eps, self.momentum, affine=False, device="meta")
        layer.running_mean, layer.running_var = self.running_mean, self.running_var
        layer.num_batches_tracked = self.num_batches_tracked
        return layer.train(self.training)

    def _exchanged(self, x: Tensor) -> Tensor:
        values = wide(x)
        count, mean, squares = merge_moments(_gather(_local_moments(values)))
        total = int(count.detach())
        require_values(x, total, "batch")
        self._track(mean.detach(), squares.detach() / (total - 1))
        scale = (squares / total + self.eps).rsqrt().to(values.dtype)
        return ((values - mean.to(values.dtype).view(1, -1, 1, 1)) * scale.view(1, -1, 1, 1)).to(x.dtype)

    def _track(self, mean: Tensor, unbiased: Tensor) -> None:
        share = self._next_share()
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), share)


def merge_moments(parts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Number of values, means and sums of squared deviations of several shards taken together.

    Squared deviations are merged by the parallel rule Σ Mᵢ + Σ nᵢ·(μᵢ − μ)², never as E[x²] − E[x]², which loses all
    digits where the mean is large.

    Args:
        parts: shards × (1 + 2C): the number of values of a channel, then C means, then C sums of squared deviations.
            A shard of 0 values weighs nothing.

    Returns:
        The number (a scalar), the means and the sums of squared deviations (C each).
    """
    counts, moments = parts[:, :1], parts[:, 1:]
    means, squares = moments.chunk(2, dim=1)  # shards×C
    total = counts.sum()
    mean = (counts * means).sum(0) / total
    return total, mean, (squares + counts * (means - mean).square()).sum(0)


def _local_moments(x: Tensor) -> Tensor:
    """This process's row for :func:`merge_moments`, in float64: it is short, and merging subtracts."""
    count = x.numel() // x.shape[1]
    mean = x.sum((0, 2, 3)) / max(count, 1)
    squares = (x - mean.view(1, -1, 1, 1)).square().sum((0, 2, 3))
    return torch.cat([mean.new_full((1,), count), mean, squares]).double()


def _gather(row: Tensor) -> Tensor:
    """The rows of all processes, differentiable: each adds its own to zeros, so that one sum serves both passes."""
    rows = torch.zeros(dist.get_world_size(), row.numel(), dtype=row.dtype)
    return _SumOverProcesses.apply(rows.index_copy(0, torch.tensor([dist.get_rank()]), row.unsqueeze(0)))


class _SumOverProcesses(torch.autograd.Function):
    """The sum over all processes; its gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _SumOverProcesses.apply(gradient)


def _in_company() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1

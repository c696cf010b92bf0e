"""Memorized batch normalization: the last batches supply the statistics, and are seen twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from styleapp.norms.code import Code
from styleapp.norms.deviations import PooledStatistics, batch_moments, rescale
from styleapp.norms.kernels import standardize
from styleapp.norms.normalizers import Normalizer, require_values
from styleapp.norms.statistics import Moments, wide

__all__ = ["MemorizedBatchNormalizer", "SecondForward", "second_forward"]


class MemorizedBatchNormalizer(Normalizer):
    """Mean and variance pooled over the last batches, the same rule in training and evaluation.

    Guo et al., *Double Forward Propagation for Memorized Batch Normalization*, AAAI 2018. With the remembered batches
    i of weight aᵢ: μ = Σ aᵢ·μᵢ and σ² = Σ aᵢ·(σᵢ² + (μᵢ − μ)²). In training the newest batch is differentiated through,
    the others are constants; evaluation remembers nothing new. After each step of the optimizer the same batch passes
    a second time, so that its statistics are those of the changed weights: see :func:`second_forward` and
    :class:`SecondForward`. Without the second pass this works as well, with statistics that are one step older.

    Args:
        batches: K, how many batches are remembered, the newest included; 1 is batch normalization in training.
        eps: added to the pooled variance, inside the root.

    Raises:
        ValueError: ``batches`` is below 1; in training, when N·H·W is 1.

    Note:
        The abstract names neither K nor the weights. Ours are K = 5 and equal weights of all batches seen so far;
        slots that are still empty weigh nothing. Variances are biased, in evaluation, too, and there is no correction
        in the manner of Batch Renormalization. Before the first batch, evaluation has mean 0 and variance 1.
    """

    centred = False  # the means of older batches do not follow a bias
    memory_mean: Tensor
    memory_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, num_features: int, *, batches: int = 5, eps: float = 1e-5) -> None:
        super().__init__(num_features)
        if batches < 1:
            raise ValueError(f"batches must be at least 1, got {batches}")
        self.batches, self.eps = batches, eps
        self.again = False
        self.register_buffer("memory_mean", torch.zeros(batches, num_features))
        self.register_buffer("memory_var", torch.ones(batches, num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x: Tensor, code: Code | None = None) -> Tensor:
        gamma, beta = (None, None) if code is None else (code.gamma, code.beta)
        if not self.training:
            mean, divisor = self._divided_by(wide(self.memory_mean), wide(self.memory_var))
            return rescale(x, mean, divisor, gamma, beta)  # N×C×H×W
        require_values(x, x.numel() // x.shape[1], "batch")
        mean, divisor = self._divided_by(*self._remember(x))
        return standardize(x, PooledStatistics(mean, divisor, 1 / self._filled(x)), gamma, beta).y  # N×C×H×W

    def normalize(self, x: Tensor) -> Tensor:
        return self(x)

    @torch.no_grad()
    def _remember(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Means and variances (K×C) with this batch's in its slot."""
        seen = self.num_batches_tracked
        seen.copy_(seen.clamp_min(1) if self.again else seen + 1)
        slot = ((seen - 1) % self.batches).view(1)
        mean, var = (moment.view(1, -1) for moment in batch_moments(x))
        # Not what the buffers hold: these may be narrower than the features.
        means = wide(self.memory_mean).to(mean.dtype).index_copy(0, slot, mean)
        variances = wide(self.memory_var).to(var.dtype).index_copy(0, slot, var)
        self.memory_mean.copy_(means)
        self.memory_var.copy_(variances)
        return means, variances

    def _filled(self, like: Tensor) -> Tensor:
        """How many slots are filled, as a number to compute with; slot 0 counts as filled from the beginning."""
        return self.num_batches_tracked.clamp(1, self.batches).to(wide(like).dtype)

    def _pooled(self, means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (C) over the slots that are filled."""
        filled = self._filled(means)
        slots = torch.arange(self.batches, device=means.device).unsqueeze(1)  # K×1
        share = (slots < filled) / filled
        mean = (share * means).sum(0)
        return mean, (share * (variances + (means - mean).square())).sum(0)

    def _divided_by(self, means: Tensor, variances: Tensor) -> tuple[Tensor, Tensor]:
        """μ and √(σ² + ε), 1×C×1×1."""
        mean, var = self._pooled(means, variances)
        return mean.view(1, -1, 1, 1), (var + self.eps).sqrt().view(1, -1, 1, 1)

    def running_moments(self) -> Moments:
        mean, var = self._pooled(wide(self.memory_mean), wide(self.memory_var))
        return Moments(mean, var.sqrt())

    def adopt_moments(self, moments: Moments) -> bool:
        """They become the only batch that is remembered."""
        self.memory_mean[0] = moments.mean
        self.memory_var[0] = moments.deviation.square()
        self.num_batches_tracked.fill_(1)
        return True

    def extra_repr(self) -> str:
        return f"{self.num_features}, batches={self.batches}, eps={self.eps}"


@contextmanager
def second_forward(model: nn.Module) -> Iterator[None]:
    """Within the ``with`` block forward passes of the model overwrite the newest remembered batch; no gradients.

    Use it after ``optimizer.step()``, with the model still in training mode::

        with second_forward(model):
            model(batch)

    Other layers that keep running statistics see the batch twice, and dropout draws anew.
    """
    layers = [module for module in model.modules() if isinstance(module, MemorizedBatchNormalizer)]
    for layer in layers:
        layer.again = True
    try:
        with torch.no_grad():
            yield
    finally:
        for layer in layers:
            layer.again = False


class SecondForward:
    """Runs the second forward pass by itself: after each step of the optimizer, with the last batch of the model.

    It remembers what the model was last called with in training mode and with gradients, until the next step. Where
    gradients of several batches are accumulated, only the last of them passes again.

    Args:
        model: the module whose call is repeated.
        optimizer: whose ``step`` the repetition follows.
    """

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        self._model = model
        self._call: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self._handles = (
            model.register_forward_pre_hook(self._keep_call, with_kwargs=True),
            optimizer.register_step_post_hook(self._repeat_call),
        )

    def remove(self) -> None:
        """Undoes the hooks."""
        for handle in self._handles:
            handle.remove()
        self._call = None

    def _keep_call(self, model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if model.training and torch.is_grad_enabled():
            self._call = (args, kwargs)

    def _repeat_call(self, optimizer: Optimizer, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._call is None:
            return
        (inputs, options), self._call = self._call, None
        with second_forward(self._model):
            self._model(*inputs, **options)

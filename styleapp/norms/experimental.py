"""Batch normalizations of which only the idea is published in what could be read: approximations, with thresholds."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import batch_norm, normalize

from styleapp.norms.code import Code
from styleapp.norms.deviations import plane_moments
from styleapp.norms.normalizers import BatchNormalizer, modulate, require_values
from styleapp.norms.statistics import Moments, wide

__all__ = ["AdaptiveBatchNormalizer", "UnifiedBatchNormalizer", "feature_heterogeneity", "feature_similarity"]


def feature_similarity(x: Tensor) -> Tensor:
    """Mean cosine similarity of all pairs of samples, each flattened: a scalar from −1 to 1.

    The similarity probe of Lubana et al., *Beyond BatchNorm*, NeurIPS 2021. 0 for a single sample, which has no pair.

    Args:
        x: N×….
    """
    count = x.shape[0]
    directions = normalize(wide(x).flatten(1), dim=1)  # N×D of length 1
    pairs = max(count * (count - 1), 1)
    # |Σ d|² = Σ |d|² + all pairs, so the N×N table is not needed.
    both = directions.sum(0).square().sum() - directions.square().sum()
    return (both / pairs).clamp(-1, 1)


def feature_heterogeneity(x: Tensor) -> Tensor:
    """How much samples differ from each other in their channel means: a scalar from 0 to 1.

    Variance between the samples' means as a share of the variance of all values, averaged over channels. 0 for a
    single sample, for copies of one, and in channels that do not vary. Passes no gradient on.

    Args:
        x: N×C×H×W.
    """
    means, variances = plane_moments(x)  # N×C×1×1
    between = (means - means.mean(0)).square().mean(0)  # C×1×1
    total = between + variances.mean(0)
    return torch.where(total > 0, between / total.clamp_min(torch.finfo(total.dtype).tiny), 0.0).clamp(0, 1).mean()


class _SelectiveBatchNormalizer(BatchNormalizer):
    """Batch normalization that chooses which batches it remembers."""

    momentum: float

    def __init__(self, num_features: int, *, threshold: float, eps: float, momentum: float) -> None:
        super().__init__(num_features, eps=eps, momentum=momentum)
        self.threshold = threshold

    def _remembered_if(self, taken: Tensor, x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
        """The features normalized by their own statistics, which the running averages get only if ``taken``."""
        after = (self.running_mean.clone(), self.running_var.clone())  # not in place: the backward pass keeps them
        y = batch_norm(x, *after, weight, bias, True, self.momentum, self.eps)  # N×C×H×W
        self.running_mean.copy_(torch.where(taken, after[0], self.running_mean))
        self.running_var.copy_(torch.where(taken, after[1], self.running_var))
        self.num_batches_tracked.add_(taken)
        return y

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, threshold={self.threshold}"


class UnifiedBatchNormalizer(_SelectiveBatchNormalizer):
    """Batch normalization whose running averages skip batches of samples that are too alike. Experimental.

    After *Unified Batch Normalization: Identifying and Alleviating the Feature Condensation in Batch Normalization and
    a Unified Framework*, arXiv 2311.15993, as far as its abstract tells: watch the cosine similarity of the samples'
    features, and past a threshold keep the batch from updating the statistics.

    **Unknown**, and so ours: the threshold and whether it differs from layer to layer; what replaces the batch's
    statistics past the threshold; all of the second stage, which adds published corrections to each part of batch
    normalization (centring and scaling, affine, running statistics) and is left out. Results of the paper cannot be
    claimed for this layer.

    Args:
        threshold: a batch whose :func:`feature_similarity` is above it is skipped; at 1 this is batch normalization.
        use_running: also normalize such a batch with the running averages instead of its own statistics.
        eps: added to the biased variance, inside the root.
        momentum: running ← (1 − m)·running + m·batch, fed with the unbiased variance.

    Raises:
        ValueError: in training, when N·H·W is 1.

    Note:
        A single sample has similarity 0. In several processes each decides for itself.
    """

    def __init__(
        self,
        num_features: int,
        *,
        threshold: float = 0.9,
        use_running: bool = False,
        eps: float = 1e-5,
        momentum: float = 0.1,
    ) -> None:
        super().__init__(num_features, threshold=threshold, eps=eps, momentum=momentum)
        self.use_running = use_running

    def _batch_norm(self, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        if not self.training:
            return super()._batch_norm(x, weight, bias)
        require_values(x, x.numel() // x.shape[1], "batch")
        taken = feature_similarity(x.detach()) <= self.threshold
        before = (self.running_mean.clone(), self.running_var.clone())
        y = self._remembered_if(taken, x, weight, bias)
        if self.use_running:
            y = torch.where(taken, y, batch_norm(x, *before, weight, bias, False, 0.0, self.eps))
        return y


class AdaptiveBatchNormalizer(_SelectiveBatchNormalizer):
    """Batch normalization of those batches only whose samples differ enough; others pass unchanged. Experimental.

    After the threshold-based adaptive batch normalization of arXiv 2211.02050, as far as its abstract tells: decide
    for each training batch from the heterogeneity of its features whether it needs batch normalization.

    **Unknown**, and so ours: the measure (:func:`feature_heterogeneity`), its threshold, and what evaluation does. The
    paper decides before training from the input data; here each layer decides from the features that it is given.
    Evaluation uses the running averages, to which batches that pass unchanged add nothing, and is the identity where
    no batch was normalized. Training and evaluation therefore differ by more than in batch normalization.

    Args:
        threshold: a batch is normalized when its heterogeneity is above it; −∞ is batch normalization, +∞ none.
        eps: added to the biased variance, inside the root.
        momentum: running ← (1 − m)·running + m·batch, fed with the unbiased variance.

    Raises:
        ValueError: in training, when N·H·W is 1.

    Note:
        A single sample has heterogeneity 0, so that the default never normalizes batches of one. The decision is read
        back from the device before the features are touched; compiled code computes both results and keeps one.
    """

    centred = False

    def __init__(self, num_features: int, *, threshold: float = 0.01, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(num_features, threshold=threshold, eps=eps, momentum=momentum)

    def _batch_norm(self, x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        code = None if weight is None or bias is None else Code(weight.view(1, -1, 1, 1), bias.view(1, -1, 1, 1))
        plain = partial(modulate, x, code)
        if not self.training:
            return _either(self.num_batches_tracked > 0, partial(super()._batch_norm, x, weight, bias), plain)
        require_values(x, x.numel() // x.shape[1], "batch")
        taken = feature_heterogeneity(x) > self.threshold
        return _either(taken, partial(self._remembered_if, taken, x, weight, bias), plain)

    def adopt_moments(self, moments: Moments) -> bool:
        self.num_batches_tracked.clamp_(min=1)
        return super().adopt_moments(moments)


def _either(condition: Tensor, first: Callable[[], Tensor], second: Callable[[], Tensor]) -> Tensor:
    """One of two results. Compiled code makes both, because a compiler cannot take a branch by a value."""
    if torch.compiler.is_compiling():
        return torch.where(condition, first(), second())
    return first() if condition else second()

"""Norms that a mask modulates, for inference on CPUs: scale and shift are looked up for each pixel.

Behind a 3×3 and a 1×1 convolution, γ and β depend on the 3×3 labels around a pixel alone, so they are computed once for
each kind of neighbourhood, and running statistics become a part of them. What is left for a pixel is γ·x + β.
"""

import torch
from torch import Tensor

from styleapp.norms.modulators import MaskModulator, Modulator
from styleapp.norms.neighbourhoods import Neighbourhoods
from styleapp.norms.normalizers import BatchNormalizer, Normalizer, RevisitedBatchNormalizer
from styleapp.norms.synchronized import SyncBatchNormalizer

__all__ = ["looked_up_norm"]

BAND = 2**19
"""Bytes of features a thread that are scaled at a time: they and what belongs to them stay in the second cache."""

FIXED_IN_USE = (BatchNormalizer, RevisitedBatchNormalizer, SyncBatchNormalizer)


def looked_up_norm(normalizer: Normalizer, modulator: Modulator, x: Tensor, seen: Neighbourhoods) -> Tensor | None:
    """γ·z + β for normalized features z, or nothing where the ordinary way has to be taken.

    That is where a gradient is asked for, for another modulator or a wider one (``kernel_size`` above 1), and outside
    of CPUs, a single sample of the mask's size and the modulator's own type.

    Args:
        x: 1×C×H×W, channels-last or else copied; the result is channels-last.
        seen: of a mask of this size.
    """
    if torch.is_grad_enabled() or torch.compiler.is_compiling() or type(modulator) is not MaskModulator:
        return None
    fitting = len(x) == 1 and x.shape[2:] == seen.places.shape and x.dtype == modulator.gamma.weight.dtype
    if not fitting or not modulator.narrow or x.device.type != "cpu":
        return None
    gamma, beta = modulator.table(seen)  # U×C each
    if not isinstance(normalizer, BatchNormalizer) or not _is_fixed(normalizer):
        return _scaled(normalizer.normalize(x), gamma, beta, seen.places)
    gamma = gamma * torch.rsqrt(normalizer.running_var + normalizer.eps)
    return _scaled(x, gamma, torch.addcmul(beta, gamma, normalizer.running_mean, value=-1), seen.places)


def _is_fixed(normalizer: BatchNormalizer) -> bool:
    """Whether it takes nothing but its running statistics away; those derived from it may do otherwise."""
    return type(normalizer) in FIXED_IN_USE and not normalizer.training and normalizer.track_running_stats


def _scaled(x: Tensor, gamma: Tensor, beta: Tensor, places: Tensor) -> Tensor:
    """γ·x + β with rows of two tables (U×C) for each pixel."""
    _, channels, height, width = x.shape
    rows = x.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).reshape(-1, channels)  # H·W×C
    result = x.new_empty(rows.shape)
    step = max(1, BAND * torch.get_num_threads() // (channels * x.itemsize))
    scale, shift = x.new_empty(2, min(step, len(rows)), channels)
    for rows_, result_, places_ in zip(
        *(tensor.split(step) for tensor in (rows, result, places.flatten())), strict=True
    ):
        scale_, shift_ = scale[: len(rows_)], shift[: len(rows_)]
        torch.index_select(gamma, 0, places_, out=scale_)
        torch.index_select(beta, 0, places_, out=shift_)
        torch.addcmul(shift_, rows_, scale_, out=result_)
    return result.view(1, height, width, channels).permute(0, 3, 1, 2)

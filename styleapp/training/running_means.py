"""Running statistics of batch norms for weights that were never in a training step: averages of weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import torch
from torch import nn

from styleapp.norms.normalizers import BatchNormalizer, Normalizer, RevisitedBatchNormalizer
from styleapp.norms.synchronized import SyncBatchNormalizer

__all__ = ["fresh_statistics"]

EQUAL_MEANS = (BatchNormalizer, RevisitedBatchNormalizer, SyncBatchNormalizer)
"""Those that can give all batches the same share; others keep their own rule, and what they had fades."""


@contextmanager
def fresh_statistics(network: nn.Module) -> Iterator[None]:
    """Within the block, running statistics are collected anew from what passes through the network; nothing else moves.

    Afterwards they are the mean over the passes, all alike. An average of weights needs this: the statistics of the
    weights that it was averaged from are not its own. Only the normalizers are in training mode, so that weights, and
    the estimates of spectral normalization among them, are those of evaluation.
    """
    modes = {module: module.training for module in network.modules()}
    running = [module for module in modes if isinstance(module, Normalizer) and any(True for _ in module.buffers())]
    equal = [(cast(BatchNormalizer, module), module.momentum) for module in running if type(module) in EQUAL_MEANS]
    network.eval()
    for normalizer in running:
        normalizer.train()
    for batch_norm, _ in equal:
        batch_norm.momentum = None
        batch_norm.num_batches_tracked.zero_()
    try:
        with torch.no_grad():
            yield
    finally:
        for batch_norm, momentum in equal:
            batch_norm.momentum = cast("float | None", momentum)
        for module, mode in modes.items():
            module.training = mode

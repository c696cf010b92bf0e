"""Running statistics of batch norms for weights that were never in a training step: averages of weights."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch import nn

from styleapp.norms.normalizers import BatchNormalizer, Normalizer, RevisitedBatchNormalizer
from styleapp.norms.running import MovingBatchNormalizer, PowerNormalizer
from styleapp.norms.synchronized import SyncBatchNormalizer

__all__ = ["fresh_statistics"]

EQUAL_MEANS = (BatchNormalizer, RevisitedBatchNormalizer, SyncBatchNormalizer)
"""Those that can give all batches the same share by themselves."""


def _alpha(normalizer: PowerNormalizer, number: int) -> dict[str, float]:
    return {"alpha": 1 - 1 / number}


def _when_memory_is_fresh(normalizer: MovingBatchNormalizer, number: int) -> dict[str, float]:
    return {"momentum": 1 / max(1, number - normalizer.batches + 1)}


def _momentum(normalizer: Normalizer, number: int) -> dict[str, float]:
    return {"momentum": 1 / number} if hasattr(normalizer, "momentum") else {}


SHARES: tuple[tuple[type[Normalizer], Callable[[Any, int], dict[str, float]]], ...] = (
    (PowerNormalizer, _alpha),
    (MovingBatchNormalizer, _when_memory_is_fresh),
    (Normalizer, _momentum),
)
"""For the others: what makes running ← (1 − share)·running + share·batch an equal mean, by the number of the batch."""


@contextmanager
def fresh_statistics(network: nn.Module) -> Iterator[None]:
    """Within the block, running statistics are collected anew from what passes through the network; nothing else moves.

    Afterwards they are the mean over the passes, all alike. An average of weights needs this: the statistics of the
    weights that it was averaged from are not its own. Only the normalizers are in training mode, so that weights, and
    the estimates of spectral normalization among them, are those of evaluation.

    Note:
        ``moving_batch`` averages over its memory of batches, as soon as that holds only new ones: it takes as many
        passes. ``memorized_batch`` keeps to the rule of its memory. ``power`` gives the first passes somewhat more
        while it is in its warm-up.
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
        with torch.no_grad(), ExitStack() as stack:
            for normalizer in running:
                if type(normalizer) not in EQUAL_MEANS:
                    stack.enter_context(_equal_shares(normalizer))
            yield
    finally:
        for batch_norm, momentum in equal:
            batch_norm.momentum = cast("float | None", momentum)
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def _equal_shares(normalizer: Normalizer) -> Iterator[None]:
    """Within the block a normalizer gives all batches that it takes the same share, and what it had none."""
    share = next(rule for kind, rule in SHARES if isinstance(normalizer, kind))
    kept = {name: getattr(normalizer, name) for name in share(normalizer, 1)}
    hook = normalizer.register_forward_pre_hook(
        partial(_set_share, share, int(cast(Any, normalizer).num_batches_tracked))
    )
    try:
        yield
    finally:
        hook.remove()
        for name, value in kept.items():
            setattr(normalizer, name, value)


def _set_share(share: Callable[[Any, int], dict[str, float]], before: int, normalizer: Any, _: Any) -> None:
    for name, value in share(normalizer, int(normalizer.num_batches_tracked) - before + 1).items():
        setattr(normalizer, name, value)

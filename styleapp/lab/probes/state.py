"""What a probe borrows it gives back: parameters, buffers and random numbers are as they were, bit for bit."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["kept_state", "one_thread", "rewind_buffers", "seeded"]

Saved = list[tuple[dict[str, Tensor | None], str, Tensor, Tensor]]


@contextmanager
def kept_state(network: nn.Module) -> Iterator[None]:
    """Puts parameters, buffers (running statistics, the vectors of spectral normalization) and random numbers back.

    Tensors keep their identity, so an optimizer goes on with them. Gradients (``.grad``) are not looked at.
    """
    parameters = [(parameter, parameter.detach().clone()) for parameter in network.parameters()]
    devices = sorted({parameter.device.index or 0 for parameter, _ in parameters if parameter.device.type == "cuda"})
    with torch.random.fork_rng(devices), rewind_buffers(network):
        try:
            yield
        finally:
            with torch.no_grad():
                for parameter, before in parameters:
                    parameter.copy_(before)


@contextmanager
def rewind_buffers(network: nn.Module) -> Iterator[None]:
    """Puts buffers back, also those that are not part of the state dict, and those that were exchanged meanwhile."""
    saved: Saved = [
        (module._buffers, name, buffer, buffer.detach().clone())
        for module in network.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    try:
        yield
    finally:
        with torch.no_grad():
            for holder, name, buffer, before in saved:
                buffer.copy_(before)
                holder[name] = buffer


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random numbers of the CPU that depend on the seed alone; outside they go on as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes with one thread: tiny networks gain nothing by more, and sums have the same order anywhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

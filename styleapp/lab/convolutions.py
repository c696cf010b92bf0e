"""The bare convolutions of a network: the floor under its running time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import conv2d
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["BareConvolution", "bare_convolutions", "record_convolutions"]


CONVOLUTIONS = (torch.ops.aten.convolution.default, torch.ops.aten.conv2d.default)  # the latter in inference mode


@dataclass(frozen=True)
class BareConvolution:
    """One convolution: its own weights, zero padding that keeps the size, and an input of the right shape."""

    image: Tensor
    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, int]
    padding: tuple[int, int]
    groups: int

    def __call__(self) -> Tensor:
        return conv2d(self.image, self.weight, self.bias, self.stride, self.padding, 1, self.groups)

    def multiplications(self) -> int:
        """How many products it adds up; twice that are floating-point operations."""
        samples, _, height, width = self.image.shape
        return samples * (height // self.stride[0]) * (width // self.stride[1]) * self.weight.numel()


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[BareConvolution] = []
        self.images: dict[tuple[int, ...], Tensor] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in CONVOLUTIONS:
            self._add(result, *args)
        return result

    def _add(
        self, output: Tensor, image: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Sequence[int] = (1, 1),
        padding: Any = None, dilation: Sequence[int] = (1, 1), *others: Any,
    ) -> None:  # fmt: skip
        transposed = len(others) > 1 and others[0]
        if transposed or any(step != 1 for step in dilation):
            raise NotImplementedError("transposed and dilated convolutions have no bare counterpart here")
        down, right = stride[0], stride[-1]
        shape = (*image.shape[:2], output.shape[2] * down, output.shape[3] * right)
        if shape not in self.images:
            values = torch.rand(shape, device=image.device, dtype=image.dtype)
            self.images[shape] = values.contiguous(memory_format=torch.channels_last)
        same = (weight.shape[2] // 2, weight.shape[3] // 2)
        groups = int(others[-1]) if others else 1
        self.found.append(BareConvolution(self.images[shape], weight, bias, (down, right), same, groups))


def record_convolutions(run: Callable[[], object]) -> list[BareConvolution]:
    """The convolutions that a call makes, in their order; inputs of equal shape share one picture of noise.

    Args:
        run: calls the network once.

    Raises:
        NotImplementedError: it makes none, or of a kind that has no bare counterpart here.
    """
    recorder = _Recorder()
    with torch.no_grad(), recorder:
        run()
    if not recorder.found:
        raise NotImplementedError("no convolution was seen")
    return recorder.found


def bare_convolutions(calls: Sequence[BareConvolution]) -> None:
    """Makes them all and drops the results: no padding beside zeros, no activation, pooling or statistics."""
    for call in calls:
        call()

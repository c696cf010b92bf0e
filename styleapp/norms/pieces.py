"""Features cut into pieces that stay in the cache: what :mod:`styleapp.norms.kernels` computes on.

Features are large against a cache. What costs time is how often they are read, and above all fresh memory for what lies
between input and output.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any

import torch
from torch import Tensor

__all__ = ["PLANE", "Pieces", "fitting", "widened"]

PIECE = 2**20  # bytes a thread: a piece, its gradient, its result and the rooms to compute in stay in the last caches
PLANE = (2, 3)

Step = tuple[Callable[..., Tensor], Tensor | None]


class Pieces:
    """Features (N×C×H×W) cut into pieces that stay in the cache: into planes where these lie one after the other, else
    into samples, and these into bands of rows where they are too large. On other devices than a CPU all is one piece.

    Attributes:
        dtype: float32 or wider, in which pieces are computed.
    """

    def __init__(self, x: Tensor) -> None:
        self.dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
        self._x, self._by_plane = x, x.is_contiguous()
        stack = self._stack(x)
        space = PIECE * torch.get_num_threads() // self.dtype.itemsize if x.device.type == "cpu" else x.numel()
        self._step = max(1, space // max(1, stack[:1].numel()))
        self._rows = x.shape[2] if self._by_plane else min(x.shape[2], space // max(1, stack[:1, :, :1].numel()))
        self._rows = max(1, self._rows)
        self._largest = stack[: self._step, :, : self._rows]

    def __call__(self, *tensors: Tensor | None) -> Iterator[tuple[Any, ...]]:
        """The pieces of tensors of N×C×H×W, N×C×1×1 or 1×C×1×1, side by side; ``None`` stays ``None``."""
        return zip(*(repeat(None) if tensor is None else self._cut(tensor) for tensor in tensors), strict=False)

    @property
    def _bands(self) -> int:
        return -(-self._x.shape[2] // self._rows)

    def _cut(self, tensor: Tensor) -> Iterator[Tensor]:
        for part in self._stack(tensor).split(self._step):
            yield from part.split(self._rows, dim=2) if tensor.shape[2] > 1 else repeat(part, self._bands)

    def _stack(self, tensor: Tensor) -> Tensor:
        full = tensor.expand(self._x.shape[0], -1, -1, -1)
        return full.reshape(-1, 1, *full.shape[2:]) if self._by_plane else full

    def room(self) -> Tensor:
        """Memory to compute the largest piece in."""
        return torch.empty_like(self._largest, dtype=self.dtype)

    def sums(self, terms: Callable[..., Iterable[Tensor]], *tensors: Tensor | None) -> list[Tensor]:
        """Sums (N×C×1×1) over each plane of everything that ``terms`` yields for the pieces of tensors."""
        rows = [
            [term.sum(PLANE, keepdim=True, dtype=self.dtype) for term in terms(*pieces)] for pieces in self(*tensors)
        ]
        samples, channels = self._x.shape[:2]
        return [
            torch.cat(column).view(samples, self._bands, channels, 1, 1).sum(1) for column in zip(*rows, strict=True)
        ]

    def chain(self, x: Tensor, *steps: Step, dtype: torch.dtype) -> Tensor:
        """Binary operations one after the other, (torch.sub, μ), (torch.mul, γ), …, into fresh memory of a type.

        A step whose operand is ``None`` is left out; one must stay.
        """
        operations, operands = zip(*(step for step in steps if step[1] is not None), strict=True)
        result, room = torch.empty_like(self._x, dtype=dtype), self.room()
        for value, result_, *operands_ in self(x, result, *operands):
            room_ = fitting(room, value)
            value = widened(value, room_)
            for operation, operand_ in zip(operations[:-1], operands_[:-1], strict=True):
                value = operation(value, operand_, out=room_)
            operations[-1](value, operands_[-1], out=result_)
        return result


def fitting(room: Tensor, piece: Tensor) -> Tensor:
    """The part of a room that a piece fills."""
    return room[: len(piece), :, : piece.shape[2]]


def widened(piece: Tensor, room: Tensor) -> Tensor:
    """The piece in the room's type: itself, or a copy in the room."""
    return piece if piece.dtype == room.dtype else room.copy_(piece)

"""Peak memory of a piece of work, above what the process held before it."""

import ctypes
import gc
import os
import sys
from pathlib import Path
from types import TracebackType

import torch

__all__ = ["PeakMemory"]

MIB = 2**20
STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")  # writing 5 sets the peak back to what is held now


class PeakMemory:
    """Measures what is done inside a ``with`` block.

    On a GPU this is memory allocated by torch, on a CPU resident memory of the process. Outside Linux the peak cannot
    be set back: there it is right only for the largest work since the process began.

    Attributes:
        mib: the peak above the start, in MiB; set at the end of the block.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.mib = 0.0
        self._start = 0

    def __enter__(self) -> "PeakMemory":
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
            torch.cuda.reset_peak_memory_stats(self.device)
            self._start = torch.cuda.memory_allocated(self.device)
        else:
            _reset_peak()
            self._start = _peak()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        on_gpu = self.device.type == "cuda"
        peak = torch.cuda.max_memory_allocated(self.device) if on_gpu else _peak()
        self.mib = max(0, peak - self._start) / MIB


def _reset_peak() -> None:
    release = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if release is not None:
        release(0)  # else what earlier work left on the heap is used again and not seen
    try:
        RESET.write_text("5")
    except OSError:
        return


def _peak() -> int:
    """Largest resident size in bytes."""
    if STATUS.is_file():
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

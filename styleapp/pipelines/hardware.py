"""The machine: what it is called, what it has free. A time without its hardware means nothing."""

import platform
from pathlib import Path

import torch

__all__ = ["best_device", "free_memory", "hardware_name", "is_out_of_memory", "synchronize"]

MEMORY = Path("/proc/meminfo")


def best_device(name: str = "auto") -> torch.device:
    """The device of a name; ``auto`` is the GPU where there is one.

    Raises:
        ValueError: the name is unknown, or this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in ("cpu", "cuda"):
        raise ValueError(f"device must be auto, cpu or cuda, got {name!r}")
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device cuda was asked for, but torch finds no GPU here")
    return torch.device(name)


def hardware_name(device: torch.device) -> str:
    """The processor's model and the number of threads in use, or the GPU's name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{_processor()}, {threads} thread{'' if threads == 1 else 's'}"


def _processor() -> str:
    table = Path("/proc/cpuinfo")
    if table.is_file():
        for line in table.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def synchronize(device: torch.device) -> None:
    """Waits until a GPU has done what was asked of it, so that a clock can be read; a CPU has always done it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def free_memory(device: torch.device) -> int | None:
    """Bytes that a program can still take: of the GPU, or of the machine (Linux); ``None`` where nobody tells."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if MEMORY.is_file():
        for line in MEMORY.read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out; torch raises an ordinary ``RuntimeError`` for that on a CPU."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    message = str(error).lower()
    return isinstance(error, RuntimeError) and any(sign in message for sign in ("out of memory", "tried to allocate"))

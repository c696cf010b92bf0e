"""Seconds and memory of a stylization, beside its own bare convolutions and a plain PyTorch AdaIN in the same run.

A machine that does other work is slow for all three alike, so the ratios are what can be compared between machines.
Each size is measured in a process of its own: the peak of one cannot hide that of another.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import cast

import torch

from styleapp.checkpoint import load_network
from styleapp.lab.convolutions import bare_convolutions, record_convolutions
from styleapp.lab.memory import PeakMemory
from styleapp.lab.peers import plain_adain
from styleapp.pipelines.hardware import best_device, hardware_name, synchronize
from styleapp.pipelines.stylize import Stylizer

__all__ = ["Measurement", "benchmark", "interleaved", "measure", "measure_apart"]

STYLE_SIDE = 256
SMALLEST_SIDE = 16


@dataclass(frozen=True)
class Measurement:
    """One checkpoint at one size, the style known; times are medians in seconds.

    Attributes:
        checkpoint: as it was named.
        size: side of the square photo in pixels.
        seconds: of one picture.
        images_per_second: its inverse.
        peak_mib: most memory above that of the loaded, idle process (GPU: allocated by torch), in MiB.
        bare_seconds: of the network's own convolutions, with zero padding and nothing between them.
        times_bare: how many times as long as these we take; 1 is the floor. Median over the rounds.
        plain_seconds: of :class:`styleapp.lab.peers.PlainAdaIN`.
        times_plain: how many times as long as we it takes. Median over the rounds.
        repeats: number of rounds.
        hardware: on which all this was measured.
    """

    checkpoint: str
    size: int
    seconds: float
    images_per_second: float
    peak_mib: float
    bare_seconds: float
    times_bare: float
    plain_seconds: float
    times_plain: float
    repeats: int
    hardware: str


@torch.inference_mode()
def measure(checkpoint: str | Path, size: int, repeats: int = 5, device: str = "auto") -> Measurement:
    """Measures in this process; the peak of memory is right only if nothing ran in it before.

    Raises:
        CheckpointError: see :func:`styleapp.checkpoint.load_network`.
        ValueError: the size does not suit the network, or there is no such device.
    """
    place = best_device(device)
    loaded, _, _ = load_network(checkpoint)
    network = cast(Stylizer, loaded.to(place))
    check_size(size, network.stride)
    photo = torch.rand(1, 3, size, size, device=place).contiguous(memory_format=torch.channels_last)
    style = torch.rand(1, 3, STYLE_SIDE, STYLE_SIDE, device=place).contiguous(memory_format=torch.channels_last)
    names = getattr(network, "names", ())
    code = network.code(names[0] if names else style)
    ours = partial(network.render, photo, code)
    with PeakMemory(place) as memory:
        ours()
    bare = partial(bare_convolutions, record_convolutions(ours))
    peer = plain_adain(place)
    plain = partial(peer, photo.contiguous(), peer.code(style.contiguous()))
    rounds = list(interleaved((ours, bare, plain), repeats, place))
    seconds, bare_seconds, plain_seconds = map(median, zip(*rounds, strict=True))
    return Measurement(
        checkpoint=str(checkpoint),
        size=size,
        seconds=seconds,
        images_per_second=1 / seconds,
        peak_mib=memory.mib,
        bare_seconds=bare_seconds,
        times_bare=median(taken / floor for taken, floor, _ in rounds),
        plain_seconds=plain_seconds,
        times_plain=median(other / taken for taken, _, other in rounds),
        repeats=repeats,
        hardware=hardware_name(place),
    )


def check_size(size: int, stride: int) -> None:
    """Refuses what the network cannot take as it is.

    Raises:
        ValueError: the size is too small or no multiple of the stride.
    """
    if size < SMALLEST_SIDE or size % stride != 0:
        raise ValueError(f"sizes must be multiples of {stride} and at least {SMALLEST_SIDE}, got {size}")


def interleaved(
    calls: Sequence[Callable[[], object]], repeats: int, device: torch.device
) -> Iterator[tuple[float, ...]]:
    """Seconds of each call, one tuple a round, after one round that does not count."""
    for index in range(repeats + 1):
        taken = tuple(_seconds(call, device) for call in calls)
        if index > 0:
            yield taken


def _seconds(call: Callable[[], object], device: torch.device) -> float:
    synchronize(device)
    started = time.perf_counter()
    call()
    synchronize(device)
    return time.perf_counter() - started


def measure_apart(checkpoint: str | Path, size: int, repeats: int = 5, device: str = "auto") -> Measurement:
    """:func:`measure` in a fresh process.

    Raises:
        ValueError: as there, with its message.
    """
    request = json.dumps({"checkpoint": str(checkpoint), "size": size, "repeats": repeats, "device": device})
    command = [sys.executable, "-W", "ignore", "-m", "styleapp.lab.benchmark", request]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        reason = (answer.stderr.strip() or f"the process ended with status {answer.returncode}").splitlines()[-1]
        raise ValueError(f"{checkpoint} at {size}×{size} could not be measured: {reason}")
    return Measurement(**json.loads(answer.stdout.splitlines()[-1]))


def benchmark(
    checkpoints: Sequence[str | Path], sizes: Sequence[int], repeats: int = 5, device: str = "auto"
) -> Iterator[Measurement]:
    """Every checkpoint at every size, each in a process of its own, one after the other.

    Raises:
        ValueError: see :func:`measure`; or ``repeats`` is below 1.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    for checkpoint in checkpoints:
        for size in sizes:
            yield measure_apart(checkpoint, size, repeats, device)


def answer_request(request: str) -> int:
    """The other side of :func:`measure_apart`: one line of JSON, or a reason on standard error."""
    try:
        print(json.dumps(asdict(measure(**json.loads(request)))))
    except (ValueError, OSError, MemoryError, RuntimeError) as error:
        print(" ".join(str(error).split()) or type(error).__name__, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(answer_request(sys.argv[1]))

"""Seconds and memory of a network, beside its own bare convolutions and, where it stylizes, a plain PyTorch AdaIN.

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

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from styleapp.checkpoint import Card, load_network
from styleapp.data.synthetic.layouts import random_layout
from styleapp.lab.convolutions import bare_convolutions, record_convolutions
from styleapp.lab.memory import PeakMemory
from styleapp.lab.peers import plain_adain
from styleapp.models.segmenter import Segmenter
from styleapp.models.spade import SpadeGenerator
from styleapp.pipelines.hardware import best_device, hardware_name, synchronize
from styleapp.pipelines.segment import SegmentPipeline
from styleapp.pipelines.stylize import Stylizer
from styleapp.pipelines.synthesize import SynthesizePipeline

__all__ = ["Measurement", "benchmark", "interleaved", "measure", "measure_apart"]

STYLE_SIDE = 256
SMALLEST_SIDE = 16

Run = Callable[[], object]


@dataclass(frozen=True)
class Measurement:
    """One checkpoint at one size, the style known; times are medians in seconds.

    Attributes:
        checkpoint: as it was named.
        size: side of the square photo or mask in pixels.
        seconds: of one picture.
        images_per_second: its inverse.
        peak_mib: most memory above that of the loaded, idle process (GPU: allocated by torch), in MiB.
        bare_seconds: of the network's own convolutions, with zero padding and nothing between them.
        times_bare: how many times as long as these we take; 1 is the floor. Median over the rounds.
        plain_seconds: of :class:`styleapp.lab.peers.PlainAdaIN`; ``None`` of a network that does not stylize.
        times_plain: how many times as long as we it takes. Median over the rounds; ``None`` as above.
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
    plain_seconds: float | None
    times_plain: float | None
    repeats: int
    hardware: str


@torch.inference_mode()
def measure(checkpoint: str | Path, size: int, repeats: int = 5, device: str = "auto") -> Measurement:
    """Measures in this process; the peak of memory is right only if nothing ran in it before.

    Of a stylizing network, the network itself; of one for masks the whole call of its pipeline, on a drawn label map or
    a picture of noise.

    Raises:
        CheckpointError: see :func:`styleapp.checkpoint.load_network`.
        ValueError: the size does not suit the network, or there is no such device.
    """
    place = best_device(device)
    network, card, _ = load_network(checkpoint)
    check_size(size, getattr(network, "stride", 1))
    ours = PREPARED.get(card.architecture, _stylization)(network.to(place), card, size, place)
    with PeakMemory(place) as memory:
        ours()
    bare = partial(bare_convolutions, record_convolutions(ours))
    peers = () if card.architecture in PREPARED else (_plain_stylization(size, place),)
    rounds = list(interleaved((ours, bare, *peers), repeats, place))
    seconds, bare_seconds, *others = map(median, zip(*rounds, strict=True))
    return Measurement(
        checkpoint=str(checkpoint),
        size=size,
        seconds=seconds,
        images_per_second=1 / seconds,
        peak_mib=memory.mib,
        bare_seconds=bare_seconds,
        times_bare=median(taken / floor for taken, floor, *_ in rounds),
        plain_seconds=others[0] if peers else None,
        times_plain=median(other[0] / taken for taken, _, *other in rounds) if peers else None,
        repeats=repeats,
        hardware=hardware_name(place),
    )


def _stylization(network: nn.Module, card: Card, size: int, place: torch.device) -> Run:
    """A photo in a style that is known."""
    stylizer = cast(Stylizer, network)
    names = getattr(network, "names", ())
    code = stylizer.code(names[0] if names else _noise(STYLE_SIDE, place))
    return partial(stylizer.render, _noise(size, place), code)


def _plain_stylization(size: int, place: torch.device) -> Run:
    peer = plain_adain(place)
    return partial(peer, _noise(size, place).contiguous(), peer.code(_noise(STYLE_SIDE, place).contiguous()))


def _synthesis(network: nn.Module, card: Card, size: int, place: torch.device) -> Run:
    """A drawn label map, which has areas and borders as a painted one."""
    pipe = SynthesizePipeline(cast(SpadeGenerator, network), card, device=str(place))
    return partial(pipe, random_layout(pipe.labels, (size, size)))


def _segmentation(network: nn.Module, card: Card, size: int, place: torch.device) -> Run:
    pipe = SegmentPipeline(cast(Segmenter, network), card, device=str(place))
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    return partial(pipe, Image.fromarray(noise))


PREPARED = {"spade": _synthesis, "segmenter": _segmentation}
"""By architecture, what makes the call that is measured; all others stylize."""


def _noise(side: int, place: torch.device) -> Tensor:
    return torch.rand(1, 3, side, side, device=place).contiguous(memory_format=torch.channels_last)


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

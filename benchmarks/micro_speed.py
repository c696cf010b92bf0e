"""`micro` beside MicroAST's bare content path: ``python -m benchmarks.micro_speed [SIZE …]``.

Ours is the whole call, PIL image in and out, with the style known; theirs is the network alone, tensor to tensor, with
random weights. They take turns in one process a size. The share of the peak is all multiplications of our convolutions
over the time of the whole call, as a part of what one large 3×3 convolution reaches in the same rounds.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
import torch
from PIL import Image
from torch import nn

from benchmarks.microast import MicroAST, StyleOfMicroAST
from styleapp.checkpoint import Card
from styleapp.commands.console import print_table
from styleapp.lab.benchmark import interleaved
from styleapp.lab.convolutions import record_convolutions
from styleapp.lab.memory import PeakMemory
from styleapp.models.micro import MicroStylizer
from styleapp.pipelines.hardware import hardware_name
from styleapp.pipelines.stylize import StylizePipeline

CPU = torch.device("cpu")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=[512, 1024, 2048], metavar="SIZE", help="sides of photos")
    parser.add_argument("--repeats", type=int, default=5, metavar="N")
    parser.add_argument("--apart", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.apart:
        print(json.dumps(APART[arguments.apart](arguments.sizes[0], arguments.repeats)))
        return 0
    print_table(
        [
            ["size", "micro s", "MicroAST s", "times as fast", "share of peak", "micro MiB", "MicroAST MiB"],
            *(row(size, arguments.repeats) for size in arguments.sizes),
        ]
    )
    print(f"on {hardware_name(CPU)}; medians of {arguments.repeats} rounds that take turns")
    return 0


def row(size: int, repeats: int) -> list[str]:
    """One line of the table; speed and both peaks of memory each come from a process of their own."""
    speed, ours, theirs = (apart(what, size, repeats) for what in ("speed", "our memory", "their memory"))
    numbers = f"{speed['ours']:.3f}", f"{speed['theirs']:.3f}", f"{speed['times']:.2f}", f"{speed['share']:.0%}"
    return [str(size), *numbers, f"{ours['mib']:.0f}", f"{theirs['mib']:.0f}"]


def apart(what: str, size: int, repeats: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.micro_speed", str(size), f"--repeats={repeats}", f"--apart={what}"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def pipeline() -> StylizePipeline:
    network = MicroStylizer().to(memory_format=torch.channels_last).eval().requires_grad_(False)
    return StylizePipeline(network, Card("micro"))


def our_call(size: int) -> Callable[[], object]:
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)
    call = partial(pipeline(), Image.fromarray(noise), Image.fromarray(noise[:256, :256]))
    call()  # from here on the style is known
    return call


def their_call(size: int) -> Callable[[], object]:
    network, style = MicroAST().eval().requires_grad_(False), StyleOfMicroAST.random()
    return partial(torch.inference_mode()(network), torch.rand(1, 3, size, size), style)


def speed_of(size: int, repeats: int) -> dict[str, float]:
    ours, theirs, largest = our_call(size), their_call(size), LargeConvolution()
    with torch.inference_mode():
        work = sum(one.multiplications() for one in record_convolutions(ours))
        rounds = list(interleaved((ours, theirs, largest), repeats, CPU))
    ours_s, theirs_s, _ = map(median, zip(*rounds, strict=True))
    return {
        "ours": ours_s,
        "theirs": theirs_s,
        "times": median(their / our for our, their, _ in rounds),
        "share": median(work / our / (largest.multiplications / peak) for our, _, peak in rounds),
    }


class LargeConvolution:
    """A 3×3 convolution of a size at which the machine is at its best."""

    def __init__(self) -> None:
        self.conv = nn.Conv2d(256, 256, 3, padding=1, bias=False).to(memory_format=torch.channels_last)
        self.image = torch.rand(1, 256, 128, 128).contiguous(memory_format=torch.channels_last)
        self.multiplications = self.conv.weight.numel() * 128 * 128

    def __call__(self) -> object:
        return self.conv(self.image)


def memory_of(call: Callable[[], object]) -> dict[str, float]:
    with PeakMemory(CPU) as memory:
        call()
    return {"mib": memory.mib}


APART: dict[str, Callable[[int, int], dict[str, float]]] = {
    "speed": speed_of,
    "our memory": lambda size, _: memory_of(our_call(size)),
    "their memory": lambda size, _: memory_of(their_call(size)),
}

if __name__ == "__main__":
    sys.exit(main())

"""A picture of a mask beside a VGG-19 encode and the paper's generator: ``python -m benchmarks.synthesis_speed``.

Ours is the whole call of the pipeline, mask array in and PIL image out, with the compact generator; the encode goes to
relu4_1, tensor in and features out, channels-last; the paper's generator (ngf 64) is the network alone, one-hot map in
and tensor out, with plain weights as ours. All weights are random, but for those of ``--checkpoint NAME`` in the place
of ours; all three in one process, in rounds that take turns: a machine that does other work is slow for all alike, so
the ratios are what counts.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from styleapp.checkpoint import Card
from styleapp.commands.console import print_table
from styleapp.data.mask_colours import Numbers
from styleapp.data.masks import one_hot
from styleapp.lab.benchmark import interleaved
from styleapp.models.spade import SpadeGenerator, paper_generator
from styleapp.models.vgg import load_vgg19
from styleapp.pipelines.hardware import hardware_name
from styleapp.pipelines.synthesize import SynthesizePipeline

CPU = torch.device("cpu")
ENTRIES = {"classes": [{"index": index, "name": str(index), "rgb": [index, 0, 0]} for index in range(255)]}

Network = TypeVar("Network", bound=nn.Module)


def mask_of(size: int, labels: int) -> Numbers:
    """Rectangles of random classes over one another, as many as in a drawn facade."""
    random = np.random.default_rng(0)
    mask = np.zeros((size, size), dtype=np.uint8)
    for left, top, width, height in random.integers(0, (size, size, size // 4, size // 4), (100, 4)):
        mask[top : top + height, left : left + width] = random.integers(labels)
    return mask


def ready(network: Network) -> Network:
    return network.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def our_call(mask: Numbers, labels: int, checkpoint: str | None = None) -> Callable[[], object]:
    if checkpoint is not None:
        return partial(SynthesizePipeline.from_checkpoint(checkpoint, device="cpu"), mask)
    network = ready(SpadeGenerator(labels, weight_norm="none"))
    record = {"labels": {"classes": ENTRIES["classes"][:labels]}}
    return partial(SynthesizePipeline(network, Card("spade", network.options(), record=record)), mask)


def encode_call(size: int) -> Callable[[], object]:
    photo = torch.rand(1, 3, size, size).contiguous(memory_format=torch.channels_last)
    return partial(torch.inference_mode()(load_vgg19(last="relu4_1")), photo, ("relu4_1",))


def paper_call(mask: Numbers, labels: int) -> Callable[[], object]:
    network = ready(paper_generator(labels, weight_norm="none"))
    planes = one_hot(torch.from_numpy(mask)[None], labels).contiguous(memory_format=torch.channels_last)
    return partial(torch.inference_mode()(network), planes)


def row(size: int, labels: int, repeats: int, paper_repeats: int, checkpoint: str | None = None) -> list[str]:
    """One line of the table: seconds of each, then the ratios, medians over rounds."""
    mask = mask_of(size, labels)
    ours, encode, paper = our_call(mask, labels, checkpoint), encode_call(size), paper_call(mask, labels)
    beside_encode = list(interleaved((ours, encode), repeats, CPU))
    beside_paper = list(interleaved((ours, paper), paper_repeats, CPU))
    our_s, encode_s = map(median, zip(*beside_encode, strict=True))
    paper_s = median(taken for _, taken in beside_paper)
    share = median(our / other for our, other in beside_encode)
    times = median(other / our for our, other in beside_paper)
    return [str(size), f"{our_s:.3f}", f"{encode_s:.3f}", f"{share:.2f}", f"{paper_s:.2f}", f"{times:.1f}"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=[256, 512], metavar="SIZE", help="sides of the masks")
    parser.add_argument("--labels", type=int, default=12, metavar="L", help="number of classes (default %(default)s)")
    parser.add_argument("--checkpoint", metavar="NAME", help="a network instead of random weights; see --labels")
    parser.add_argument("--repeats", type=int, default=15, metavar="N", help="rounds beside the encode")
    parser.add_argument("--paper-repeats", type=int, default=3, metavar="N", help="rounds beside the paper's generator")
    arguments = parser.parse_args()
    heads = ["size", "ours s", "encode s", "ours / encode", "paper s", "paper / ours"]
    counts = (arguments.labels, arguments.repeats, arguments.paper_repeats)
    rows = [row(size, *counts, arguments.checkpoint) for size in arguments.sizes]
    print_table([heads, *rows])
    print(f"on {hardware_name(CPU)}, {torch.get_num_threads()} threads; medians of rounds that take turns")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""``styleapp benchmark``: how fast and how hungry the checkpoints are here."""

import argparse
from typing import TYPE_CHECKING

from styleapp.commands.console import print_json, print_table, progress

if TYPE_CHECKING:
    from styleapp.lab.benchmark import Measurement

DESCRIPTION = """Measure seconds, pictures a second and peak memory of the checkpoints on this machine.

Beside each stands how long the network's own convolutions alone take (zero padding, nothing between them: no network
of this shape can be faster), and a plain PyTorch AdaIN with random weights. The three take turns, so that other work
on the machine disturbs all alike; times are medians after a warm-up, with the style known."""

EXAMPLES = """  styleapp benchmark
  styleapp benchmark --sizes 512 1024 --repeats 9
  styleapp benchmark --checkpoint runs/mine.safetensors --json

exit status: 0 fine, 2 bad input"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[256, 512], metavar="PIXELS",
        help="sides of the square photos (default: 256 512)",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint", nargs="+", metavar="NAME",
        help="names of `styleapp checkpoints`, or files (default: all that are installed)",
    )  # fmt: skip
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="rounds, at least 1 (default: 5)")
    parser.add_argument("--device", default="auto", metavar="DEVICE", help="auto, cpu or cuda (default: auto)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the table")


def run(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from styleapp.checkpoint import checkpoint_folder, manifest
    from styleapp.lab.benchmark import benchmark

    checkpoints = arguments.checkpoint or sorted(manifest())
    if not checkpoints:
        raise ValueError(f"{checkpoint_folder()} has no checkpoint to measure; name one with --checkpoint")
    results: list[Measurement] = []
    with progress(len(checkpoints) * len(arguments.sizes), "measurements") as advance:
        for result in benchmark(checkpoints, arguments.sizes, arguments.repeats, arguments.device):
            results.append(result)
            advance(1)
    if arguments.json:
        print_json({"measurements": [asdict(result) for result in results]})
    else:
        show(results)
    return 0


def show(results: list["Measurement"]) -> None:
    """The table, and in words what the ratios are."""
    rows = [["checkpoint", "size", "seconds", "images/s", "peak MiB", "× bare", "plain PyTorch"]]
    for result in results:
        times = (f"{result.seconds:.3f}", f"{result.images_per_second:.2f}", f"{result.peak_mib:.0f}")
        plain = f"{result.plain_seconds:.3f} s"
        rows.append([result.checkpoint, str(result.size), *times, f"{result.times_bare:.2f}", plain])
    print_table(rows)
    for result in results:
        print(
            f"{result.checkpoint} at {result.size}: {result.times_bare:.2f} × its bare convolutions, "
            f"{result.times_plain:.2f} × as fast as plain PyTorch"
        )
    print(f"on {results[0].hardware}; medians of {results[0].repeats} rounds")

"""``styleapp benchmark``: how fast and how hungry checkpoints, or normalization layers, are here."""

import argparse
from typing import TYPE_CHECKING

from styleapp.commands.console import print_json, print_table, progress

if TYPE_CHECKING:
    from styleapp.lab.benchmark import Measurement
    from styleapp.lab.norm_benchmark import NormMeasurement

DESCRIPTION = """Measure seconds, pictures a second and peak memory of the checkpoints on this machine.

Beside each stands how long the network's own convolutions alone take (zero padding, nothing between them: no network
of this shape can be faster), and beside stylizing networks a plain PyTorch AdaIN with random weights. They take turns,
so that other work on the machine disturbs all alike; times are medians after a warm-up. Of stylizing networks the
network alone is timed, with the style known; of networks for masks the whole call, from mask to picture or from photo
to mask (a photo is always looked at at 256 pixels).

With --norms, measure the normalization layers instead, forward and backward, beside torch.nn.BatchNorm2d."""

EXAMPLES = """  styleapp benchmark
  styleapp benchmark --sizes 512 1024 --repeats 9
  styleapp benchmark --checkpoint runs/mine.safetensors --json
  styleapp benchmark --norms
  styleapp benchmark --norms l1_batch topk_batch --shape 2 32 128 128

exit status: 0 fine, 2 bad input"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[256, 512], metavar="PIXELS",
        help="sides of the square photos or masks (default: 256 512)",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint", nargs="+", metavar="NAME",
        help="names of `styleapp checkpoints`, or files (default: all that are installed)",
    )  # fmt: skip
    parser.add_argument(
        "--norms", nargs="*", metavar="NAME",
        help="normalizers of `styleapp norms` instead of checkpoints (without a name: all)",
    )  # fmt: skip
    parser.add_argument(
        "--shape", type=int, nargs=4, metavar=("N", "C", "H", "W"),
        help="features for --norms (default: 8 64 256 256, on a GPU 32 128 256 256)",
    )  # fmt: skip
    parser.add_argument("--compiled", action="store_true", help="for --norms: what torch.compile makes of the layers")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="rounds, at least 1 (default: 5)")
    parser.add_argument("--device", default="auto", metavar="DEVICE", help="auto, cpu or cuda (default: auto)")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the table")


def run(arguments: argparse.Namespace) -> int:
    return _run_checkpoints(arguments) if arguments.norms is None else _run_norms(arguments)


def _run_checkpoints(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from styleapp.checkpoint import checkpoint_folder, manifest
    from styleapp.lab.benchmark import benchmark

    if arguments.shape or arguments.compiled:
        raise ValueError("--shape and --compiled belong to --norms; checkpoints have --sizes")
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


def _run_norms(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from styleapp.lab.norm_benchmark import benchmark_norms, pairs_of
    from styleapp.norms import NORMALIZERS

    if arguments.checkpoint:
        raise ValueError("--norms measures layers, --checkpoint networks: give one of the two")
    pairs = pairs_of(arguments.norms or list(NORMALIZERS))
    results: list[NormMeasurement] = []
    with progress(len(pairs), "layers") as advance:
        for result in benchmark_norms(pairs, arguments.shape, arguments.repeats, arguments.device, arguments.compiled):
            results.append(result)
            advance(1)
    if arguments.json:
        print_json({"norms": [asdict(result) for result in results]})
    else:
        show_norms(results)
    return 0


def show(results: list["Measurement"]) -> None:
    """The table, and in words what the ratios are."""
    rows = [["checkpoint", "size", "seconds", "images/s", "peak MiB", "× bare", "plain PyTorch"]]
    for result in results:
        times = (f"{result.seconds:.3f}", f"{result.images_per_second:.2f}", f"{result.peak_mib:.0f}")
        plain = "-" if result.plain_seconds is None else f"{result.plain_seconds:.3f} s"
        rows.append([result.checkpoint, str(result.size), *times, f"{result.times_bare:.2f}", plain])
    print_table(rows)
    for result in results:
        faster = "" if result.times_plain is None else f", {result.times_plain:.2f} × as fast as plain PyTorch"
        print(f"{result.checkpoint} at {result.size}: {result.times_bare:.2f} × its bare convolutions{faster}")
    print(f"on {results[0].hardware}; medians of {results[0].repeats} rounds")


def show_norms(results: list["NormMeasurement"]) -> None:
    """The table, and on what it was measured."""
    rows = [["normalizer", "modulator", "ms", "× BatchNorm2d", "of copy speed", "peak MiB", "BatchNorm2d MiB"]]
    for result in results:
        ratios = (f"{result.times_batch_norm:.2f}", f"{result.share_of_copy:.0%}")
        peaks = (f"{result.peak_mib:.0f}", f"{result.batch_norm_peak_mib:.0f}")
        rows.append([result.normalizer, result.modulator, f"{result.seconds * 1000:.1f}", *ratios, *peaks])
    print_table(rows)
    first = results[0]
    shape = "×".join(map(str, first.shape))
    compiled = ", compiled" if first.compiled else ""
    print(f"forward and backward of {shape} on {first.hardware}{compiled}; medians of {first.repeats} rounds")

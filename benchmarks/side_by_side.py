"""Our AdaIN beside a plain PyTorch one, both with random weights: ``python -m benchmarks.side_by_side [SIZE …]``."""

import argparse
import sys
import tempfile
from pathlib import Path

from styleapp.checkpoint import Card, save_network
from styleapp.commands.console import print_table
from styleapp.lab.benchmark import Measurement, benchmark
from styleapp.models.adain import AdaINStylizer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=[256, 512], metavar="SIZE", help="sides of the photos")
    parser.add_argument("--repeats", type=int, default=5, metavar="N")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        network = AdaINStylizer()
        card = Card("adain", network.options(), network.encoder.identity)
        untrained = save_network(Path(folder) / "adain.safetensors", network.state_dict(), card)
        results = list(benchmark([untrained], arguments.sizes, arguments.repeats))
    print_table([["", "size", "seconds", "× bare convolutions"], *(row for result in results for row in rows(result))])
    print(f"on {results[0].hardware}; medians of {results[0].repeats} rounds that take turns")
    return 0


def rows(result: Measurement) -> list[list[str]]:
    """Three lines of the table: ours, the peer, the floor."""
    named = (
        ("StyleApp AdaIN", result.seconds, result.times_bare),
        ("plain PyTorch AdaIN", result.plain_seconds, result.times_bare * result.times_plain),
        ("bare convolutions", result.bare_seconds, 1.0),
    )
    return [[name, str(result.size), f"{seconds:.3f}", f"{times:.2f}"] for name, seconds, times in named]


if __name__ == "__main__":
    sys.exit(main())

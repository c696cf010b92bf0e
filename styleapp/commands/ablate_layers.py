"""``styleapp ablate layers``: what can be switched in a network."""

import argparse
from dataclasses import asdict

from styleapp.commands.console import print_json

DESCRIPTION = """List the layers of a network that can be switched: normalization layers, then convolutions.

Their names are what --layers of `styleapp ablate run` is compared with."""

EXAMPLES = """  styleapp ablate layers multistyle
  styleapp ablate layers facades --json

exit status: 0 fine, 2 bad input"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", nargs="?", default="multistyle", metavar="NAME",
        help="a name of `styleapp checkpoints`, or a file (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments: argparse.Namespace) -> int:
    from styleapp.lab.ablation import layers_of

    layers = layers_of(arguments.checkpoint)
    if arguments.json:
        print_json({"checkpoint": arguments.checkpoint, "layers": [asdict(layer) for layer in layers]})
        return 0
    rows = [("layer", "kind", "shape", "normalizer × modulator, or weight normalization")]
    for layer in layers:
        what = f"{layer.normalizer} × {layer.modulator}" if layer.kind == "norm" else str(layer.weight_norm)
        rows.append((layer.name, layer.kind, "×".join(map(str, layer.shape)), what))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0

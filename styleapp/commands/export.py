"""``styleapp export``: from a training run to a file that the other commands load."""

import argparse
from pathlib import Path

from styleapp.commands.console import print_json

DESCRIPTION = """Make a checkpoint file of a training run: averaged weights in half precision, with their record.

RUN is a .ckpt file or the folder of a run; of a folder the newest .ckpt is taken."""

EXAMPLES = """  styleapp export runs/adain -o mine.safetensors
  styleapp stylize photo.jpg --style painting.jpg --checkpoint mine.safetensors

exit status: 0 fine, 2 bad input"""

SUFFIX = ".safetensors"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a .ckpt file, or a folder with some")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help=f"the {SUFFIX} file to write")
    parser.add_argument("--json", action="store_true", help="print one JSON document with the checkpoint's card")


def run(arguments: argparse.Namespace) -> int:
    output = Path(arguments.output)
    if output.suffix != SUFFIX:
        raise ValueError(f"{output}: the name of a checkpoint ends with {SUFFIX}")
    from dataclasses import asdict

    from styleapp.checkpoint import read_card
    from styleapp.training.export import export_run

    export_run(arguments.run, output)
    card = read_card(output)
    megabytes = output.stat().st_size / 1e6
    if arguments.json:
        print_json({"file": str(output), "megabytes": round(megabytes, 2), **asdict(card)})
    else:
        print(f"{output}: {card.architecture}, {card.record.get('steps')} steps, {megabytes:.1f} MB")
    return 0

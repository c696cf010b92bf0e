"""``styleapp ablate``: what becomes of a network when its normalizations are exchanged."""

import argparse
import importlib
from typing import cast

from styleapp.cli import Command

DESCRIPTION = """Exchange normalizations and measure what becomes of it.

`train` trains a grid of networks from scratch, `claims` writes the page that sets the results beside the papers'
claims. `styleapp ablate ACTION --help` shows the options of each."""

EXAMPLES = """  styleapp ablate train --grid configs/ablation/grids/first.yaml
  styleapp ablate train --grid configs/ablation/grids/first.yaml --collect
  styleapp ablate claims

exit status: 0 fine, 1 a cell could not be trained, 2 bad input"""

ACTIONS = {
    "train": "train a grid of networks",
    "claims": "write docs/ablations.md from the results",
}
"""``train`` is implemented by ``styleapp/commands/ablate_train.py``, and so on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", title="actions")
    for name, summary in ACTIONS.items():
        action = _action(name)
        own = actions.add_parser(
            name,
            help=summary,
            description=action.DESCRIPTION,
            epilog=f"examples:\n{action.EXAMPLES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        action.add_arguments(own)


def run(arguments: argparse.Namespace) -> int:
    return _action(arguments.action).run(arguments)


def _action(name: str) -> Command:
    return cast(Command, importlib.import_module(f"styleapp.commands.ablate_{name}"))

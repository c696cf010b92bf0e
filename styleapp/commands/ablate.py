"""``styleapp ablate``: switches for the normalizations of a network. What it can do is a table, one file each."""

import argparse
import importlib
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from styleapp.cli import Command

DESCRIPTION = """Exchange normalizations and see, measure and understand what changes.

`run` switches those of a trained network, `train` trains a grid of networks from scratch, and `claims` sets the results
beside what papers say.

`styleapp ablate ACTION --help` explains each action, with examples."""

EXAMPLES = """  styleapp ablate presets
  styleapp ablate run --preset "the missing ingredient" -o out/
  styleapp ablate run --photo photo.jpg --style munch-the_scream --normalizer group --set groups=8
  styleapp ablate layers multistyle
  styleapp ablate train --grid configs/ablation/grids/first.yaml
  styleapp ablate train --grid configs/ablation/grids/first.yaml --collect
  styleapp ablate plot first -o first.svg
  styleapp ablate claims

exit status: 0 fine, 1 a cell could not be trained, 2 bad input"""

ACTIONS = {
    "run": "make pictures without and with a switch, and compare them",
    "layers": "list the layers of a network that can be switched",
    "presets": "list ablations that are named after what papers say",
    "train": "train a grid of networks",
    "plot": "draw the results of a grid",
    "claims": "write docs/ablations.md from the results",
}
"""Name and one line of help; ``run`` is implemented by ``styleapp/commands/ablate_run.py``, and so on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    listed = "\n".join(f"{name:<14}{summary}" for name, summary in ACTIONS.items())
    actions = parser.add_subparsers(
        title="actions", description=listed, dest="action", metavar="ACTION", help=argparse.SUPPRESS, required=True
    )
    for name in ACTIONS:
        action = _action(name)
        own = actions.add_parser(
            name,
            description=action.DESCRIPTION,
            epilog=f"examples:\n{action.EXAMPLES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        action.add_arguments(own)


def run(arguments: argparse.Namespace) -> int:
    return _action(arguments.action).run(arguments)


def _action(name: str) -> "Command":
    return cast("Command", importlib.import_module(f"styleapp.commands.ablate_{name}"))

"""``styleapp styles``: what can be asked for by name, and the files of one's own styles."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styleapp.commands.console import print_json, print_table

if TYPE_CHECKING:
    from styleapp.pipelines.style_bank import StyleBank

DESCRIPTION = """List the styles that a checkpoint has by name, and your own; show, remove, export or import those.

Your own styles lie in $STYLEAPP_STYLES, or in styleapp/styles where this system keeps a user's data."""

EXAMPLES = """  styleapp styles list
  styleapp styles show "Grandma's garden"
  styleapp styles export "Grandma's garden" garden.safetensors
  styleapp styles import garden.safetensors
  styleapp styles remove "Grandma's garden"

exit status: 0 fine, 2 bad input"""

LISTED = ["name", "title", "artist", "year", "of"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=ACTIONS, help="what to do")
    parser.add_argument("name", nargs="?", metavar="NAME", help="a style of yours; for import a file")
    parser.add_argument("file", nargs="?", metavar="FILE", help="for export: where to write it")
    parser.add_argument(
        "--checkpoint", default="multistyle", metavar="NAME",
        help="whose names `list` shows: a name of `styleapp checkpoints`, or a file (default: multistyle)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments: argparse.Namespace) -> int:
    from styleapp.pipelines.style_bank import StyleBank

    wanted = {"list": 0, "export": 2}.get(arguments.action, 1)
    given = [word for word in (arguments.name, arguments.file) if word is not None]
    if len(given) != wanted:
        raise ValueError(f"`styleapp styles {arguments.action}` takes {wanted} names or files, got {len(given)}")
    document = ACTIONS[arguments.action](StyleBank(), arguments)
    if arguments.json:
        print_json(document)
    elif arguments.action == "list":
        print_table([LISTED, *([one[key] for key in LISTED] for one in document["styles"])])
    else:
        print("\n".join(f"{key}: {value}" for key, value in document.items()))
    return 0


def _list(bank: "StyleBank", arguments: argparse.Namespace) -> dict[str, Any]:
    from styleapp.checkpoint import find_checkpoint, read_card

    card = read_card(find_checkpoint(arguments.checkpoint))
    known = [_listed(name, card.styles.get(name, {}), arguments.checkpoint) for name in card.options.get("styles", [])]
    return {"styles": known + [_listed(name, {}, "you") for name in bank.names()]}


def _listed(name: str, facts: dict[str, str], owner: str) -> dict[str, str]:
    return {"name": name, **{key: facts.get(key, "") for key in LISTED[1:-1]}, "of": owner}


def _show(bank: "StyleBank", arguments: argparse.Namespace) -> dict[str, Any]:
    entry = bank.entry(arguments.name)
    return {"name": entry.name, "file": str(bank.path(entry.name)), "network": entry.base, **entry.record}


def _remove(bank: "StyleBank", arguments: argparse.Namespace) -> dict[str, Any]:
    bank.remove(arguments.name)
    return {"removed": arguments.name}


def _export(bank: "StyleBank", arguments: argparse.Namespace) -> dict[str, Any]:
    target = Path(arguments.file)
    bank.give(arguments.name, target)
    return {"exported": arguments.name, "file": str(target)}


def _import(bank: "StyleBank", arguments: argparse.Namespace) -> dict[str, Any]:
    entry = bank.take(Path(arguments.name))
    return {"imported": entry.name, "file": str(bank.path(entry.name))}


ACTIONS = {"list": _list, "show": _show, "remove": _remove, "export": _export, "import": _import}

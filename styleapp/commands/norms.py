"""``styleapp norms``: the catalogue of normalization systems."""

import argparse
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from styleapp.commands.console import print_json

if TYPE_CHECKING:
    from styleapp.norms.catalogue import Entry

DESCRIPTION = """List the normalization systems, or explain those that are named.

A name shows formula, axes, what training and evaluation do, paper, and the calls that switch it."""

EXAMPLES = """  styleapp norms
  styleapp norms group power
  styleapp norms adain --json

exit status: 0 fine, 2 bad input"""

INDENT = 14  # columns before an explanation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="systems to explain; without any, all are listed")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments: argparse.Namespace) -> int:
    from styleapp.norms.catalogue import catalogue, entry

    entries = [entry(name) for name in arguments.names] or list(catalogue())
    if arguments.json:
        print_json({"norms": [_record(known) for known in entries]})
    elif arguments.names:
        print("\n\n".join(_explanation(known) for known in entries))
    else:
        _list(entries)
    return 0


def _record(known: "Entry") -> dict[str, Any]:
    from styleapp.norms.catalogue import behaviour

    return {**asdict(known), **asdict(behaviour(known.name)), "page": _page(known)}


def _page(known: "Entry") -> str:
    """In the repository; the package itself has no documents."""
    from styleapp.norms.catalogue import PAGES

    return f"{PAGES}/{known.name}.md"


def _explanation(known: "Entry") -> str:
    from styleapp.norms.catalogue import behaviour

    acts = behaviour(known.name)
    facts = {
        "kind": f"{known.kind}, {known.status}",
        "formula": known.formula,
        "axes": acts.axes,
        "training": acts.training,
        "evaluation": acts.evaluation,
        "paper": known.paper,
        "switches": "\n".join(known.switches) or "none yet",
        "page": _page(known),
    }
    return "\n".join([f"{known.name}: {known.title}", *(_fact(name, words) for name, words in facts.items())])


def _fact(name: str, words: str) -> str:
    """A name and its explanation, which hangs where it takes several lines."""
    width = max(shutil.get_terminal_size((100, 24)).columns - INDENT, 40)
    lines = [part for line in words.split("\n") for part in textwrap.wrap(line, width, break_long_words=False)]
    return textwrap.indent("\n".join(lines), " " * INDENT).replace(" " * INDENT, f"  {name}".ljust(INDENT), 1)


def _list(entries: Sequence["Entry"]) -> None:
    rows = [("name", "kind", "status", "title"), *((e.name, e.kind, e.status, e.title) for e in entries)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

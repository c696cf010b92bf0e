"""``styleapp ablate presets``: ablations that are worth seeing."""

import argparse
from typing import TYPE_CHECKING, Any

from styleapp.commands.console import print_json

if TYPE_CHECKING:
    from styleapp.lab.presets import Preset

DESCRIPTION = """List ablations that are named after what papers say: the claim, and what to look for.

`styleapp ablate run --preset NAME` makes one, with sample pictures or with yours."""

EXAMPLES = """  styleapp ablate presets
  styleapp ablate presets --json

exit status: 0 fine, 2 bad input"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments: argparse.Namespace) -> int:
    from styleapp.lab.presets import PRESETS

    if arguments.json:
        print_json({"presets": [_record(one) for one in PRESETS.values()]})
        return 0
    print("\n\n".join(_explanation(one) for one in PRESETS.values()))
    return 0


def _record(one: "Preset") -> dict[str, Any]:
    return {
        "name": one.name,
        "claim": one.claim,
        "look": one.look,
        "system": one.system,
        "paper": one.paper,
        "checkpoint": one.ablation.checkpoint,
        "switches": [switch.record() for switch in one.ablation.switches],
    }


def _explanation(one: "Preset") -> str:
    switches = "; ".join(
        ", ".join(f"{key} {value}" for key, value in switch.record().items()) for switch in one.ablation.switches
    )
    return (
        f"{one.name} ({one.ablation.checkpoint}: {switches})\n  claim: {one.claim}\n  look:  {one.look}\n"
        f"  paper: {one.paper}; `styleapp norms {one.system}`"
    )

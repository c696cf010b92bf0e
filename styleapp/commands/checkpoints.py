"""``styleapp checkpoints``: what is installed."""

import argparse
from typing import Any

from styleapp.commands.console import print_json, print_table

DESCRIPTION = """List the checkpoints that can be named: architecture, size and the scores they were measured with.

They are looked up in $STYLEAPP_CHECKPOINTS, then beside the package."""

SHOWN = (
    "style_distance", "content_distance", "psnr_strength_0",
    "pixel_accuracy", "mean_iou", "statistics_distance", "colour_error",
)  # fmt: skip
"""Scores that the table has; JSON has all."""

EXAMPLES = """  styleapp checkpoints
  styleapp checkpoints --json

exit status: 0 fine, 1 a file is missing or damaged, 2 bad input"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the table")


def run(arguments: argparse.Namespace) -> int:
    from styleapp.checkpoint import checkpoint_folder, manifest

    entries = manifest()
    if not entries:
        raise ValueError(f"{checkpoint_folder()} has no manifest.json; STYLEAPP_CHECKPOINTS names another folder")
    records = [_record(name, entry) for name, entry in entries.items()]
    if arguments.json:
        print_json({"folder": str(checkpoint_folder()), "checkpoints": records})
    else:
        _show(records)
    return 1 if any(record["problem"] for record in records) else 0


def _record(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    from styleapp.checkpoint import CheckpointError, find_checkpoint, read_card

    record: dict[str, Any] = {"name": name, **entry, "architecture": None, "megabytes": None, "scores": {}}
    try:
        path = find_checkpoint(name)
        card = read_card(path)
    except CheckpointError as error:
        return {**record, "problem": str(error)}
    measured = {"architecture": card.architecture, "scores": card.scores}
    return {**record, **measured, "megabytes": round(path.stat().st_size / 1e6, 2), "problem": None}


def _show(records: list[dict[str, Any]]) -> None:
    rows = [["name", "architecture", "MB", "scores"]]
    for record in records:
        known = {name: record["scores"].get(name) for name in SHOWN}
        scores = ", ".join(f"{name} {value}" for name, value in known.items() if value is not None) or "-"
        size = "-" if record["megabytes"] is None else f"{record['megabytes']:.1f}"
        rows.append([record["name"], record["architecture"] or "-", size, record["problem"] or scores])
    print_table(rows)

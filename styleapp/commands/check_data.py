"""``styleapp check-data``: what training would leave out of a folder, and why."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styleapp.commands import check_masks
from styleapp.commands.console import print_json, print_table, progress

if TYPE_CHECKING:
    from styleapp.data.folder import FolderReport

DESCRIPTION = """Decode every picture of the folders and list those that cannot be used, with the reason.

Training leaves single damaged files out, and refuses a folder in which more than 1 % (and more than one) are.

With --masks, the photos of one folder are checked together with their masks: which have no partner (training leaves
these out), which labels each mask has, and which masks cannot be used (training refuses the folder if there is one)."""

EXAMPLES = """  styleapp check-data photos/ paintings/
  styleapp check-data photos/ --json > report.json
  styleapp check-data train/images --masks train/labels --labels classes.json

exit status: 0 training accepts the folders, 1 it would refuse one of them, 2 bad input"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", nargs="+", metavar="DIR", help="folders of pictures, searched with sub-folders")
    parser.add_argument("--masks", metavar="FOLDER", help="masks that are called like the photos")
    parser.add_argument("--labels", metavar="FILE", help="their label set, YAML or JSON")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the list")


def run(arguments: argparse.Namespace) -> int:
    if arguments.masks or arguments.labels:
        if not (arguments.masks and arguments.labels and len(arguments.folders) == 1):
            raise ValueError("masks are checked by one folder of photos, --masks and --labels together")
        return check_masks.run(arguments.folders[0], arguments)
    from styleapp.data.folder import check_folder
    from styleapp.data.pictures import list_pictures

    listed = {folder: list_pictures(folder) for folder in arguments.folders}
    with progress(sum(map(len, listed.values())), "pictures") as advance:

        def counted(paths: list[Path]) -> Iterable[Path]:
            for path in paths:
                yield path
                advance(1)

        reports = [check_folder(folder, counted) for folder in listed]
    if arguments.json:
        print_json({"folders": [_record(report) for report in reports]})
    else:
        _show(reports)
    return 0 if all(report.passes for report in reports) else 1


def _record(report: "FolderReport") -> dict[str, Any]:
    return {
        "folder": report.folder,
        "passes": report.passes,
        "usable": report.usable,
        "held_out": report.held_out,
        "smallest": report.smallest,
        "largest": report.largest,
        "unusable": report.unusable,
    }


def _show(reports: list["FolderReport"]) -> None:
    for report in reports:
        for reason in report.unusable.values():
            print(reason)
    rows = [["folder", "usable", "held out", "unusable", "smallest", "largest", "training"]]
    for report in reports:
        sizes = ["-" if size is None else f"{size[0]}×{size[1]}" for size in (report.smallest, report.largest)]
        verdict = "accepts it" if report.passes else "refuses it"
        counts = (report.usable, report.held_out, len(report.unusable))
        rows.append([report.folder, *map(str, counts), *sizes, verdict])
    print_table(rows)

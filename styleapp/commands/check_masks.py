"""``styleapp check-data --masks``: what of photos with masks training would refuse."""

import argparse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styleapp.commands.console import print_json, print_table, progress

if TYPE_CHECKING:
    from styleapp.data.labels import LabelSet
    from styleapp.data.mask_pairs import MaskReport, Pairing

Pair = tuple[Path, Path]


@dataclass(frozen=True)
class _Checked:
    labels: "LabelSet"
    pairing: "Pairing"
    report: "MaskReport"

    @property
    def passes(self) -> bool:
        """Whether training would accept the masks: there is a pair, and each can be used."""
        return bool(self.pairing.pairs) and not self.report.unusable

    def classes(self) -> list[dict[str, Any]]:
        """Of each class, and of what has no label, how many pixels there are and in how many masks."""
        from styleapp.data.labels import IGNORED

        rows = [(label.index, label.name) for label in self.labels.classes] + [(IGNORED, "without label")]
        found = list(self.report.labels.values())
        return [
            {
                "index": index,
                "name": name,
                "pixels": sum(counts.get(index, 0) for counts in found),
                "masks": sum(index in counts for counts in found),
            }
            for index, name in rows
        ]


def run(photos: str, arguments: argparse.Namespace) -> int:
    """Checks the masks of a folder of photos; gives the exit status of ``styleapp check-data``."""
    from styleapp.data.labels import LabelSet
    from styleapp.data.mask_pairs import check_masks, pair_by_stem

    labels = LabelSet.load(arguments.labels)
    pairing = pair_by_stem(photos, arguments.masks)
    with progress(len(pairing.pairs), "pairs") as advance:

        def counted(pairs: Sequence[Pair]) -> Iterable[Pair]:
            for pair in pairs:
                yield pair
                advance(1)

        checked = _Checked(labels, pairing, check_masks(pairing.pairs, labels, counted))
    if arguments.json:
        print_json(_record(photos, arguments.masks, checked))
    else:
        _show(photos, checked)
    return 0 if checked.passes else 1


def _record(photos: str, masks: str, checked: _Checked) -> dict[str, Any]:
    return {
        "photos": photos,
        "masks": masks,
        "passes": checked.passes,
        "pairs": len(checked.pairing.pairs),
        "photos_alone": [str(path) for path in checked.pairing.photos_alone],
        "masks_alone": [str(path) for path in checked.pairing.masks_alone],
        "unusable": {str(path): reason for path, reason in checked.report.unusable.items()},
        "classes": checked.classes(),
        "labels": {str(path): counts for path, counts in checked.report.labels.items()},
    }


def _show(photos: str, checked: _Checked) -> None:
    for path, found in checked.report.labels.items():
        print(f"{path}: {' '.join(map(str, found))}")
    for path in checked.pairing.photos_alone:
        print(f"{path} has no mask")
    for path in checked.pairing.masks_alone:
        print(f"{path} has no photo")
    for reason in checked.report.unusable.values():
        print(reason)
    classes = checked.classes()
    total = max(1, sum(row["pixels"] for row in classes))
    rows = [["label", "share of pixels", "in masks"]]
    rows += [[f"{row['index']} {row['name']}", f"{row['pixels'] / total:.2%}", str(row["masks"])] for row in classes]
    print_table(rows)
    alone = len(checked.pairing.photos_alone), len(checked.pairing.masks_alone)
    counts = (len(checked.report.labels), len(checked.report.unusable), *alone)
    verdict = "accepts it" if checked.passes else "refuses it"
    print_table(
        [
            ["folder", "usable pairs", "unusable", "photos without mask", "masks without photo", "training"],
            [photos, *map(str, counts), verdict],
        ]
    )

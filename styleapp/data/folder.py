"""A folder of pictures as a data set that survives the files found in real folders."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from styleapp.data.pictures import PictureError, held_out, list_pictures, read_picture

__all__ = ["FolderReport", "PictureFolder", "check_folder"]

SMALLEST_SIDE = 16
TOLERATED_SHARE = 0.01

log = logging.getLogger(__name__)


class PictureFolder:
    """The usable pictures below a folder, decoded on access.

    A file that cannot be decoded is replaced by the next one in the list and counted in a warning; more than 1 %
    of such files is an error, because then the folder is not what it was taken for.

    Args:
        root: searched with all its sub-folders.
        keep: ``train`` leaves out what :func:`held_out` names, ``held_out`` keeps only that, ``all`` is everything.

    Raises:
        PictureError: no folder, or nothing usable in it.
    """

    def __init__(self, root: str | Path, keep: str = "train") -> None:
        chosen = {"train": lambda path: not held_out(path), "held_out": held_out, "all": lambda path: True}
        if keep not in chosen:
            raise ValueError(f"keep must be one of {', '.join(chosen)}, got {keep!r}")
        self.root = Path(root)
        self.paths: Sequence[Path] = [path for path in list_pictures(root) if chosen[keep](path)]
        if not self.paths:
            raise PictureError(f"{root} holds no picture for {keep!r}")
        self.unusable: dict[Path, str] = {}

    def __len__(self) -> int:
        return len(self.paths)

    def read(self, index: int) -> Image.Image:
        """The picture at an index, RGB; the next usable one where that file is damaged or under 16 pixels a side."""
        for step in range(len(self.paths)):
            path = self.paths[(index + step) % len(self.paths)]
            if path in self.unusable:
                continue
            try:
                return _read_usable(path)
            except PictureError as error:
                self._leave_out(path, str(error))
        raise PictureError(f"none of the {len(self.paths)} pictures in {self.root} can be used")

    def _leave_out(self, path: Path, reason: str) -> None:
        self.unusable[path] = reason
        log.warning("left out %d of %d pictures of %s: %s", len(self.unusable), len(self), self.root, reason)
        if len(self.unusable) > max(1.0, TOLERATED_SHARE * len(self.paths)):
            raise FolderError(
                f"{len(self.unusable)} of the {len(self.paths)} pictures of {self.root} cannot be used "
                f"(more than {TOLERATED_SHARE:.0%}); the last one: {reason}. `styleapp check-data` lists them all"
            )


class FolderError(PictureError):
    """More than 1 % of a training folder is unusable."""


def _read_usable(path: Path) -> Image.Image:
    image = read_picture(path).rgb
    if min(image.size) < SMALLEST_SIDE:
        raise PictureError(f"{path} is {image.width}×{image.height}: under {SMALLEST_SIDE} pixels")
    return image


@dataclass
class FolderReport:
    """What :func:`check_folder` found: how many files are fine, and the others with the reason."""

    folder: str
    usable: int = 0
    held_out: int = 0
    unusable: dict[str, str] = field(default_factory=dict)
    smallest: tuple[int, int] | None = None
    largest: tuple[int, int] | None = None

    @property
    def passes(self) -> bool:
        """Whether training would accept the folder: both what it trains on and what it holds out."""
        aside = sum(held_out(path) for path in self.unusable)
        parts = ((self.usable - self.held_out, len(self.unusable) - aside), (self.held_out, aside))
        few = all(bad <= max(1.0, TOLERATED_SHARE * (good + bad)) for good, bad in parts)
        return self.usable > 0 and few


def check_folder(folder: str | Path, progress: Callable[[list[Path]], Iterable[Path]] | None = None) -> FolderReport:
    """Decodes every picture below a folder and reports what training would use and leave out."""
    report = FolderReport(str(folder))
    paths = list_pictures(folder)
    for path in progress(paths) if progress else paths:
        try:
            size = _read_usable(path).size
        except PictureError as error:
            report.unusable[str(path)] = str(error)
            continue
        report.usable += 1
        report.held_out += held_out(path)
        area = size[0] * size[1]
        if report.smallest is None or area < report.smallest[0] * report.smallest[1]:
            report.smallest = size
        if report.largest is None or area > report.largest[0] * report.largest[1]:
            report.largest = size
    return report

"""Folders of photos into masks, and of masks into pictures: names of results, and going on after a bad file."""

import os
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from styleapp.data.labels import LabelError, LabelSet
from styleapp.data.pictures import PictureError
from styleapp.pipelines.batch import Job, find_inputs, results_folder
from styleapp.pipelines.hardware import is_out_of_memory

__all__ = ["LEGEND", "MaskPlan", "Result", "plan_masks", "require_same_legend", "run_each"]

LEGEND = "labels.yaml"
"""File beside masks with the label set that they are of."""

Made = TypeVar("Made")


@dataclass(frozen=True)
class Result:
    """What became of a job: what there is to say of the file that was written, or why there is none."""

    job: Job
    seconds: float
    facts: dict[str, Any] | None = None
    problem: str | None = None


@dataclass(frozen=True)
class MaskPlan:
    """The masks to be made.

    Attributes:
        jobs: one a photo.
        problems: why something that was named gives no mask, one sentence each.
        skipped: how many pictures lie in the folder that results go to; they are no inputs.
    """

    jobs: tuple[Job, ...]
    problems: tuple[str, ...] = ()
    skipped: int = 0


def plan_masks(named: Sequence[str | Path], output: str | Path) -> MaskPlan:
    """Photos with the files of their masks, so that :func:`styleapp.data.mask_pairs.pair_by_stem` finds them together.

    A mask has its photo's name with ``.png`` and lies in the same sub-folder. Of photos that differ in nothing but the
    suffix only the first gets one.

    Args:
        named: photos, and folders that are searched with their sub-folders.
        output: a file, if there is one photo; else a folder, see :func:`styleapp.pipelines.batch.results_folder`.

    Raises:
        ValueError: one file for several masks, a file of another kind than PNG, a mask that would overwrite an input,
            or masks that would go straight between the photos of a folder.
    """
    folder = results_folder(output)
    places: dict[Path, Path] = {}  # photo and where its mask goes below the folder
    problems: list[str] = []
    skipped = 0
    for path in map(Path, named):
        found = find_inputs([path], folder)
        problems += found.problems
        skipped += found.skipped
        for photo in found.paths:
            places.setdefault(photo, Path(photo.name) if photo == path else photo.relative_to(path))
    if folder is None:
        return MaskPlan(_one_file(list(places), Path(output)), tuple(problems), skipped)
    inputs, taken, jobs = {_key(photo) for photo in places}, dict[str, Path](), list[Job]()
    for photo, place in places.items():
        mask = folder / place.with_suffix(".png")
        if _key(mask) in inputs:
            raise ValueError(f"{mask} is one of the photos and would be overwritten; name another folder with -o")
        first = taken.setdefault(_key(mask), photo)
        if first != photo:
            problems.append(f"{photo} has no mask of its own: {mask} is that of {first}")
            continue
        jobs.append(Job(photo, (), mask))
    return MaskPlan(tuple(jobs), tuple(problems), skipped)


def _one_file(photos: Sequence[Path], output: Path) -> tuple[Job, ...]:
    if len(photos) > 1:
        raise ValueError(f"{output} is one file, but there are {len(photos)} masks: a folder ends with /")
    if output.suffix.lower() != ".png":
        raise ValueError(f"{output} cannot be written: a mask ends with .png, a folder with /")
    if photos and _key(photos[0]) == _key(output):
        raise ValueError(f"{output} is the photo and would be overwritten; name another file")
    return tuple(Job(photo, (), output) for photo in photos)


def _key(path: Path) -> str:
    """The same for two names of one file, also on a disk that takes ``A`` and ``a`` for the same."""
    return unicodedata.normalize("NFC", os.path.realpath(path)).casefold()


def require_same_legend(path: Path, labels: LabelSet) -> None:
    """Sees to it that masks of two label sets do not come together.

    Raises:
        LabelError: the legend exists and is of another label set, or is none.
    """
    if path.exists() and LabelSet.load(path) != labels:
        raise LabelError(f"{path} is the legend of another label set; name another folder for these masks with -o")


def run_each(
    jobs: Sequence[Job],
    make: Callable[[Job], Made],
    write: Callable[[Made, Path], dict[str, Any]],
    advance: Callable[[float], None] = lambda share: None,
) -> Iterator[Result]:
    """Makes and writes one result after the other.

    A file that cannot be used is a result with a problem, and the next job follows. A result that cannot be written
    ends the batch, since the next could not be written either.

    Args:
        make: raises ``ValueError`` for what is wrong with a job's files; check what concerns all jobs before.
        write: takes what was made and the job's output, and returns what there is to say of it.
        advance: told 1 after each job.
    """
    for job in jobs:
        started = time.perf_counter()
        try:
            made = _made(job, make)
        except ValueError as error:
            yield Result(job, time.perf_counter() - started, problem=_named(str(error), job))
            continue
        finally:
            advance(1)
        try:
            job.output.parent.mkdir(parents=True, exist_ok=True)
            facts = write(made, job.output)
        except OSError as error:
            problem = f"the folder {job.output.parent} cannot be made: {error.strerror or error}"
            yield Result(job, time.perf_counter() - started, problem=problem)
            return
        except (PictureError, LabelError) as error:
            yield Result(job, time.perf_counter() - started, problem=str(error))
            return
        yield Result(job, time.perf_counter() - started, facts)


def _made(job: Job, make: Callable[[Job], Made]) -> Made:
    try:
        return make(job)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise PictureError(f"{job.photo} needs more memory than there is; a smaller size helps") from error


def _named(problem: str, job: Job) -> str:
    return problem if str(job.photo) in problem else f"{job.photo}: {problem}"

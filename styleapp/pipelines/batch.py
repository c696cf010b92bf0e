"""Many photos × many styles: what is read, under which names results are written, and what goes on after a bad file."""

import os
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from styleapp.data.pictures import PictureError, list_pictures
from styleapp.pipelines.hardware import is_out_of_memory
from styleapp.pipelines.images import FORMATS, save_image
from styleapp.pipelines.stylize import StylizePipeline

__all__ = [
    "Inputs",
    "Job",
    "Outcome",
    "find_inputs",
    "named_styles",
    "plan_batch",
    "results_folder",
    "run_batch",
    "without_done",
]

SEPARATOR = "--"
LONGEST_LABEL = 100  # bytes; two of them, the suffixes and a temporary name stay under the usual 255


@dataclass(frozen=True)
class Inputs:
    """The pictures that were named.

    Attributes:
        paths: in the order in which they were named, each file once; what a folder holds is sorted.
        problems: why something that was named gives no picture, one sentence each.
        skipped: how many pictures lie in the folder that results go to; they are no inputs.
    """

    paths: tuple[Path, ...]
    problems: tuple[str, ...] = ()
    skipped: int = 0


@dataclass(frozen=True)
class Job:
    """One picture to be made: a photo in one style, or in a mixture of several; styles are files, or names of them."""

    photo: Path
    styles: tuple[Path, ...]
    output: Path


@dataclass(frozen=True)
class Outcome:
    """What became of a job: the size of the result (width, height), or why there is none."""

    job: Job
    seconds: float
    size: tuple[int, int] | None = None
    problem: str | None = None


def find_inputs(named: Sequence[str | Path], output: Path | None = None, repeats: bool = False) -> Inputs:
    """The pictures behind file and folder names; folders are searched with their sub-folders.

    Args:
        named: files and folders. A file that is missing is kept: reading it says what is wrong.
        output: the folder that results go to. Below a named folder it is left out, so that results do not become
            photos of the next run.
        repeats: keep a file that is named twice, as styles of a mixture may be.

    Raises:
        ValueError: results would go straight into a folder whose pictures are inputs.
    """
    found: list[Path] = []
    problems: list[str] = []
    skipped = 0
    for path in map(Path, named):
        if not path.is_dir():
            found.append(path)
            continue
        if output is not None and _same(path, output):
            raise ValueError(
                f"{path} is read from and written to; name another folder for the results, e.g. -o painted"
            )
        try:
            listed = list_pictures(path)
        except PictureError as error:
            problems.append(str(error))
            continue
        inside = [] if output is None or not _below(output, path) else [one for one in listed if _below(one, output)]
        skipped += len(inside)
        found += [file for file in listed if file not in set(inside)]
    kept = found if repeats else {os.path.abspath(file): file for file in found}.values()
    return Inputs(tuple(kept), tuple(problems), skipped)


def named_styles(asked: Sequence[str], known: Sequence[str]) -> Inputs:
    """Names of styles in the place of files, for a network that has names.

    Raises:
        ValueError: a name is unknown.
    """
    for name in asked:
        if name not in known:
            raise ValueError(f"unknown style {name!r}: this checkpoint paints by name; known are {', '.join(known)}")
    return Inputs(tuple(map(Path, dict.fromkeys(asked))))


def results_folder(output: str | Path) -> Path | None:
    """The folder that an output names: one that exists, ends with a slash or has no suffix; ``None`` for a file."""
    path = Path(output)
    return None if path.suffix and not path.is_dir() and not str(output).endswith(("/", os.sep)) else path


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _below(file: Path, folder: Path) -> bool:
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(file)).parents


def plan_batch(
    photos: Sequence[Path],
    styles: Sequence[Path],
    output: str | Path,
    *,
    mix: bool = False,
    named: bool = False,
    protected: Sequence[str | Path] = (),
) -> list[Job]:
    """Every photo × every style, or every photo in the mixture of all styles, with the file of each result.

    Results are called ``photo--style.png``, mixtures ``photo--one+two.png``. Where that is not unique, also for a
    disk that takes ``A`` and ``a`` for the same, a number is added. The names depend on the inputs alone, so running
    again writes the same files; an input is never among them.

    Args:
        output: a file, if there is one result; else a folder, see :func:`results_folder`. It need not exist.
        named: styles are names, whose dots begin no suffix.
        protected: further files that no result may be called like, such as masks.

    Raises:
        ValueError: no photo or style, one file for several results, or a file that is itself an input.
    """
    if not photos or not styles:
        raise ValueError(f"there is no {'style' if photos else 'photo'} to work with")
    inputs = {_key(path) for path in (*photos, *styles, *protected)}
    pairs: list[tuple[int, tuple[Path, ...], int]]  # index of the photo, styles, index of the style's label
    if mix:
        pairs = [(photo, tuple(styles), 0) for photo in range(len(photos))]
        style_labels = [_cut("+".join(style.name if named else style.stem for style in styles))]
    else:  # a style's photos one after the other: its code is computed once
        pairs = [(photo, (style,), index) for index, style in enumerate(styles) for photo in range(len(photos))]
        style_labels = _labels([style.name if named else style.stem for style in styles])
    folder = results_folder(output)
    if folder is None:
        if len(pairs) > 1:
            raise ValueError(f"{output} is one file, but there are {len(pairs)} results: a folder ends with /")
        if Path(output).suffix.lower() not in FORMATS:
            raise ValueError(f"{output} cannot be written: a file ends with {', '.join(FORMATS)}, a folder with /")
        if _key(output) in inputs:
            raise ValueError(f"{output} is one of the inputs and would be overwritten; name another file")
        return [Job(photos[0], pairs[0][1], Path(output))]
    photo_labels = _labels([photo.stem for photo in photos])
    jobs, taken = [], set(inputs)
    for photo, chosen, style in pairs:
        path = _free(folder, f"{photo_labels[photo]}{SEPARATOR}{style_labels[style]}", taken)
        taken.add(_key(path))
        jobs.append(Job(photos[photo], chosen, path))
    return jobs


def _labels(names: Sequence[str]) -> list[str]:
    """Names, made different from each other by a number where two are equal."""
    stems = [_cut(name) for name in names]
    natural, taken = {_fold(stem) for stem in stems}, set[str]()
    labels = []
    for stem in stems:
        label = stem
        if _fold(stem) in taken:
            label = next(name for number in count(2) if _fold(name := f"{stem}-{number}") not in taken | natural)
        taken.add(_fold(label))
        labels.append(label)
    return labels


def _free(folder: Path, name: str, taken: set[str]) -> Path:
    candidates = (folder / f"{name}{'' if number == 1 else f'-{number}'}.png" for number in count(1))
    return next(path for path in candidates if _key(path) not in taken and not path.is_dir())


def _key(path: str | Path) -> str:
    return _fold(os.path.realpath(path))


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _cut(name: str) -> str:
    return os.fsencode(name)[:LONGEST_LABEL].decode("utf-8", "ignore")


def without_done(jobs: Sequence[Job]) -> list[Job]:
    """The jobs whose result does not exist. Files are written in full or not at all, so what exists is done."""
    return [job for job in jobs if not job.output.exists()]


def run_batch(
    pipeline: StylizePipeline,
    jobs: Sequence[Job],
    advance: Callable[[float], None] = lambda share: None,
    **controls: Any,
) -> Iterator[Outcome]:
    """Makes and writes one picture after the other; folders are created when the first result is there.

    A photo or style that cannot be used is an outcome with a problem, and the next job follows. A result that cannot
    be written ends the batch, since the next could not be written either.

    Args:
        advance: told the share of a picture that was done since the last call; a job adds up to 1.
        controls: of :meth:`StylizePipeline.stages`.

    Raises:
        ValueError: a control is out of its range.
    """
    for job in jobs:
        started = time.perf_counter()
        try:
            image = _stylize(pipeline, job, advance, controls)
        except PictureError as error:
            yield Outcome(job, time.perf_counter() - started, problem=str(error))
            continue
        try:
            job.output.parent.mkdir(parents=True, exist_ok=True)
            save_image(image, job.output)
        except OSError as error:
            problem = f"the folder {job.output.parent} cannot be made: {error.strerror or error}"
            yield Outcome(job, time.perf_counter() - started, problem=problem)
            return
        except PictureError as error:
            yield Outcome(job, time.perf_counter() - started, problem=str(error))
            return
        yield Outcome(job, time.perf_counter() - started, size=image.size)


def _stylize(pipeline: StylizePipeline, job: Job, advance: Callable[[float], None], controls: dict[str, Any]) -> Any:
    done, image = 0.0, None
    try:
        for stage in pipeline.stages(job.photo, job.styles, **controls):
            advance(stage.done - done)
            done, image = stage.done, stage.image
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise PictureError(f"{job.photo} needs more memory than there is; max_side makes it smaller") from error
    finally:
        advance(1.0 - done)
    return image

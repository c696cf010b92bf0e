"""``styleapp export``: from a training run to a file that the other commands load."""

import argparse
import json
from pathlib import Path
from typing import Any

from styleapp.commands.console import print_json

DESCRIPTION = """Make a checkpoint file of a training run: averaged weights in half precision, with their record.

RUN is a .ckpt file or the folder of a run; of a folder the newest .ckpt is taken. A file in the checkpoint folder is
also entered in its manifest, so that it can be named."""

EXAMPLES = """  styleapp export runs/adain -o mine.safetensors
  styleapp stylize photo.jpg --style painting.jpg --checkpoint mine.safetensors
  styleapp evaluate photos/ styles/ --held-out --checkpoint mine.safetensors --json > scores.json
  styleapp export runs/adain -o mine.safetensors --scores scores.json
  styleapp export runs/adain_refine -o mine.safetensors --blend adain 0.15
  styleapp export runs/multistyle -o mine.safetensors --styles configs/named_styles.json
  styleapp evaluate val/images val/labels --checkpoint town.safetensors --json > scores.json
  styleapp export runs/facades -o town.safetensors --draw-like train/images --scores scores.json

exit status: 0 fine, 2 bad input"""

SUFFIX = ".safetensors"
STYLE_FACTS = ("title", "artist", "year", "licence")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a .ckpt file, or a folder with some")
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help=f"the {SUFFIX} file to write")
    parser.add_argument(
        "--scores", metavar="FILE", help="what `evaluate --json` printed, to be kept in the file's card"
    )
    parser.add_argument(
        "--blend", nargs=2, metavar=("NAME", "SHARE"),
        help="weighted mean with another checkpoint, SHARE of which is 0 to 1, e.g. the one that training started from",
    )  # fmt: skip
    parser.add_argument(
        "--styles", metavar="FILE",
        help="of named styles: a JSON object of title, artist, year and licence by name, to be kept in the file's card",
    )  # fmt: skip
    parser.add_argument(
        "--draw-like", metavar="PHOTOS",
        help="of a mask-to-image network: a folder of photos, usually those of its training; seeds then draw styles as "
        "these have them",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON document with the checkpoint's card")


def run(arguments: argparse.Namespace) -> int:
    output = Path(arguments.output)
    if output.suffix != SUFFIX:
        raise ValueError(f"{output}: the name of a checkpoint ends with {SUFFIX}")
    from dataclasses import asdict

    from styleapp.checkpoint import enter_in_manifest, read_card
    from styleapp.training.export import export_run

    scored, scores = _scores(arguments.scores)
    export_run(
        arguments.run, output, scores, _blend(arguments.blend), _styles(arguments.styles), scored, arguments.draw_like
    )
    listed = enter_in_manifest(output)
    card = read_card(output)
    megabytes = output.stat().st_size / 1e6
    if arguments.json:
        told = {**asdict(card), "styles": list(card.styles)}  # without thumbnails
        print_json({"file": str(output), "megabytes": round(megabytes, 2), **told})
    else:
        print(f"{output}: {card.architecture}, {card.record.get('steps')} steps, {megabytes:.1f} MB")
        if listed:
            print(f"listed as {output.stem!r}")
    return 0


def _blend(given: list[str] | None) -> tuple[str, float] | None:
    if given is None:
        return None
    name, share = given
    try:
        return name, float(share)
    except ValueError:
        raise ValueError(f"--blend takes a checkpoint and its share from 0 to 1, got {share}") from None


def _styles(file: str | None) -> dict[str, dict[str, str]] | None:
    if file is None:
        return None
    try:
        document = json.loads(Path(file).read_text(encoding="utf-8"))
        return {name: {key: str(facts[key]) for key in STYLE_FACTS} for name, facts in document.items()}
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        facts = ", ".join(STYLE_FACTS)
        raise ValueError(f"{file} must be a JSON object that gives each style's {facts}: {error}") from error


def _scores(file: str | None) -> tuple[str | None, dict[str, Any]]:
    """The architecture that was evaluated, if the file says so, and what a card keeps of its evaluation."""
    if file is None:
        return None, {}
    try:
        document = json.loads(Path(file).read_text(encoding="utf-8"))
        architecture = document.get("architecture")
        own_styles = bool(document.get("reconstruct"))
        kept = KEPT.get(architecture, _of_stylizer)(document)
    except OSError as error:
        raise ValueError(f"{file} cannot be read: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise ValueError(
            f"{file} is not what `styleapp evaluate --json` prints, of a stylizing network with strength 1 among others"
        ) from error
    if own_styles:
        raise ValueError(f"{file} was measured with --reconstruct: a card has the scores of styles drawn at random")
    return architecture, kept


def _of_stylizer(document: dict[str, Any]) -> dict[str, Any]:
    full = next(row for row in document["rows"] if row["strength"] == 1)
    psnr = document["psnr_strength_0"]  # null where strength 0 is the photo itself
    kept = {
        "style_distance": round(full["style_distance"], 4),
        "content_distance": round(full["content_distance"], 4),
        "pairs": document["pairs"],
        "photo_itself_style_distance": round(document["photo_itself"]["style_distance"], 4),
        "psnr_strength_0": None if psnr is None else round(psnr, 2),
    }
    if not document.get("named_styles"):
        return kept
    keys = "style_distance", "content_distance", "photo_itself"
    return {
        **kept,
        "by_style": {row["style"]: {key: round(row[key], 4) for key in keys} for row in document["by_style"]},
    }


def _of_synthesis(document: dict[str, Any]) -> dict[str, Any]:
    """Beside the network's scores, the photos' own label agreement and how far other photos are from them."""
    photos = document["references"]["photos"]
    others = document["references"].get("other_photos", {})
    return {
        **{name: round(value, 4) for name, value in document["scores"].items()},
        **{f"photo_{name}": round(photos[name], 4) for name in ("pixel_accuracy", "mean_iou") if name in photos},
        **{f"other_photos_{name}": round(value, 4) for name, value in others.items()},
        "pictures": document["pictures"],
        "draws": len(document["draws"]),
    }


def _of_segmenter(document: dict[str, Any]) -> dict[str, Any]:
    """An IoU is null for a class that nobody has."""
    ious = {row["name"]: row["iou"] for row in document["classes"]}
    return {
        **{name: round(value, 4) for name, value in document["scores"].items()},
        "pictures": document["pictures"],
        "iou_by_class": {name: None if iou is None else round(iou, 4) for name, iou in ious.items()},
    }


KEPT = {"spade": _of_synthesis, "concatenated": _of_synthesis, "segmenter": _of_segmenter}
"""What a card keeps of an evaluation, by architecture; all others stylize."""

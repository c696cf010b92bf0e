"""``styleapp segment``: photos in, label maps out."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styleapp.commands.console import print_notes
from styleapp.commands.results import joined, tell_results

if TYPE_CHECKING:
    from styleapp.data.mask_colours import Numbers

DESCRIPTION = """Make label maps of photos: for masks to paint on, or for photos without masks to train with.

Photos are picture files or folders, which are searched with their sub-folders. A mask is a PNG of label numbers that
viewers show in colours; it has its photo's name and lies in the same sub-folder, so that training finds the two
together. Beside the masks labels.yaml says what the numbers mean. Inputs are never overwritten, masks of an earlier
run are, unless --resume is given."""

EXAMPLES = """  styleapp segment house.jpg -o house-mask.png
  styleapp segment photos/ -o masks/
  styleapp segment photos/ -o masks/ --checkpoint landscape_segmenter --sureness 0.6 --resume

exit status: 0 all done, 1 some masks could not be made (named at the end), 2 nothing could be done"""

DEFAULT_OUTPUT = "masks"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help="photo files and folders of photos")
    parser.add_argument(
        "-o", "--output", default=f"{DEFAULT_OUTPUT}/", metavar="OUT",
        help="a folder, made if need be; for one photo also a .png file (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint", default="facades_segmenter", metavar="NAME",
        help="a name of `styleapp checkpoints`, or a file (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--sureness", type=float, default=0.0, metavar="P",
        help="0 to 1: pixels whose most probable class is less probable have no label (default: 0, all have one)",
    )  # fmt: skip
    parser.add_argument(
        "--size", type=int, metavar="PIXELS", help="longer side of the masks (default: they have their photos' sizes)"
    )
    parser.add_argument("--resume", action="store_true", help="make only the masks that are not there yet")
    parser.add_argument("--json", action="store_true", help="print one JSON document with a record a mask")


def run(arguments: argparse.Namespace) -> int:
    from styleapp.data.labels import IGNORED
    from styleapp.data.masks import save_mask
    from styleapp.pipelines.batch import without_done
    from styleapp.pipelines.mask_batch import LEGEND, plan_masks, require_same_legend, run_each
    from styleapp.pipelines.segment import SegmentPipeline

    plan = plan_masks(arguments.photos, arguments.output)
    if not plan.jobs:
        raise ValueError(joined(plan.problems) or f"all photos lie in {arguments.output}, where the masks go")
    jobs = without_done(plan.jobs) if arguments.resume else list(plan.jobs)
    pipeline = SegmentPipeline.from_checkpoint(arguments.checkpoint)
    pipeline.check_controls(arguments.size, arguments.sureness)
    legend = masks_folder(arguments.output) / LEGEND
    require_same_legend(legend, pipeline.labels)

    def write(numbers: "Numbers", path: Path) -> dict[str, Any]:
        if not legend.exists():
            pipeline.labels.save(legend)
        save_mask(path, numbers, pipeline.labels)
        return {"size": list(numbers.shape[::-1]), "labelled": round(float((numbers != IGNORED).mean()), 4)}

    status = tell_results(
        lambda advance: run_each(
            jobs, lambda job: pipeline(job.photo, arguments.size, arguments.sureness), write, advance
        ),
        total=len(jobs),
        kept=len(plan.jobs) - len(jobs),
        kind="masks",
        problems=plan.problems,
        head={"checkpoint": arguments.checkpoint, "legend": str(legend)} if arguments.json else None,
    )
    if plan.skipped:
        print_notes([f"{plan.skipped} pictures in {arguments.output} were left alone: masks go there"])
    return status


def masks_folder(output: str) -> Path:
    """The folder that masks go to."""
    from styleapp.pipelines.batch import results_folder

    return results_folder(output) or Path(output).parent

"""``styleapp add-style``: a painting in, a style of that name from now on."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from styleapp.commands.console import print_json, progress

if TYPE_CHECKING:
    from styleapp.pipelines.add_style import Learning

DESCRIPTION = """Teach a network with named styles a new one, from a single picture.

Only a row of scales and shifts is learned; the network and its other styles stay as they are. The style is kept in your
own folder ($STYLEAPP_STYLES, or styleapp/styles where this system keeps a user's data) and can be used by its name from
then on. Ctrl-C ends the lesson early and keeps what was learned so far."""

EXAMPLES = """  styleapp add-style painting.jpg
  styleapp add-style painting.jpg --name "Grandma's garden" --steps 400
  styleapp add-style painting.jpg --photos holiday/ --checkpoint mine.safetensors

exit status: 0 fine, 2 bad input"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("picture", metavar="PICTURE", help="the painting, drawing or texture")
    parser.add_argument("--name", metavar="NAME", help="what the style is called (default: the file's name)")
    parser.add_argument("--steps", type=int, default=200, metavar="N", help="length of the lesson (default: 200)")
    parser.add_argument(
        "--photos", metavar="FOLDER", help="photos to practise on (default: the sample photos of the web page)"
    )
    parser.add_argument(
        "--checkpoint", default="multistyle", metavar="NAME",
        help="a name of `styleapp checkpoints`, or a file, of a network with named styles (default: multistyle)",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", metavar="DEVICE", help="auto, cpu or cuda (default: auto)")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(arguments: argparse.Namespace) -> int:
    from styleapp.checkpoint import CheckpointError
    from styleapp.data.pictures import list_pictures
    from styleapp.pipelines.hardware import best_device
    from styleapp.pipelines.images import load_picture
    from styleapp.pipelines.lessons import check_new_name, keep, lesson
    from styleapp.pipelines.stylize import StylizePipeline

    name = arguments.name or Path(arguments.picture).stem
    device = best_device(arguments.device)
    pipeline = StylizePipeline.from_checkpoint(arguments.checkpoint, device=str(device))
    if not pipeline.styles:
        raise CheckpointError(f"{arguments.checkpoint} has no named styles: it takes any picture as a style already")
    check_new_name(pipeline, name)
    picture = load_picture(arguments.picture, "the picture").rgb
    photos = list_pictures(arguments.photos) if arguments.photos else []
    last: Learning | None = None
    with progress(arguments.steps, "steps") as advance:
        try:
            for state in lesson(pipeline, picture, arguments.steps, photos):
                advance(min(1, state.step))
                last = state
        except KeyboardInterrupt:
            if last is None or last.step == 0:
                raise
    assert last is not None and pipeline.bank is not None
    record, path = keep(pipeline, name, last), pipeline.bank.path(name)
    if arguments.json:
        print_json({"name": name, "file": str(path), **record})
    else:
        print(f"{name}: {last.step} steps, style distance {last.style_distance:.3f}, {path}")
    return 0

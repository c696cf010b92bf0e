"""A sheet mask | real | ours in several styles, to be looked at: ``python -m benchmarks.label_sheet FOLDER``.

FOLDER has ``val/images``, ``val/labels`` and ``classes.json`` as for training; of its pairs, spread evenly, the central
squares are shown that scores are taken from. ``--masks FILE …`` shows masks without photos instead, whole.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from styleapp import SynthesizePipeline
from styleapp.data.labels import LabelSet
from styleapp.data.mask_colours import Numbers, paint_mask
from styleapp.data.mask_pairs import LabelledPhotos
from styleapp.data.masks import read_mask
from styleapp.data.scored_photos import ScoredPhotos
from styleapp.pipelines.images import save_image, to_image

LINE = 24
"""Height of a line of text in pixels."""

GAP = 4
"""Pixels between two pictures."""


@dataclass(frozen=True)
class Row:
    """A mask (numbers of classes) and the photo that it was drawn after, if there is one."""

    mask: Numbers
    photo: Image.Image | None = None


def rows_of_folder(folder: Path, pipe: SynthesizePipeline, count: int, side: int) -> list[Row]:
    """Central squares of validation pairs, spread evenly over the sorted list; labels as in training."""
    labels, record = LabelSet.load(folder / "classes.json"), pipe.card.record
    corners = bool(record.get("unlabelled_corners"))
    photos = LabelledPhotos(folder / "val/images", folder / "val/labels", labels, record.get("merged"), corners)
    if photos.labels.names != pipe.labels.names:
        raise SystemExit(f"{folder} has the classes {photos.labels.names}, the network knows {pipe.labels.names}")
    scored = ScoredPhotos(photos, side, count)
    crops = [scored[index] for index in range(len(scored))]
    return [Row(crop.mask.numpy(), to_image(crop.photo[None])) for crop in crops]


def rows_of_files(paths: Sequence[Path], labels: LabelSet) -> list[Row]:
    return [Row(read_mask(path, labels)) for path in paths]


def pictures_of(row: Row, pipe: SynthesizePipeline, seeds: Sequence[int], side: int) -> list[Image.Image]:
    """The mask in its colours, the photo, then the network's picture for each seed."""
    colours = Image.fromarray(paint_mask(row.mask, pipe.labels))
    shown = [colours.resize(fitted(colours.size, side), Image.Resampling.NEAREST)]
    if row.photo is not None:
        shown.append(row.photo)
    return shown + [pipe(row.mask, seed=seed, size=side) for seed in seeds]


def fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """Width and height with this longer side."""
    return max(1, round(size[0] * side / max(size))), max(1, round(size[1] * side / max(size)))


def label_sheet(pipe: SynthesizePipeline, rows: Sequence[Row], seeds: Sequence[int], side: int) -> Image.Image:
    """One line a mask under the columns' names, the classes' colours below."""
    heads = ["mask", *(["real"] if rows[0].photo else []), *(f"seed {seed}" for seed in seeds)]
    cell = side + GAP
    legend = legend_of(pipe.labels, cell * len(heads))
    sheet = Image.new("RGB", (cell * len(heads), LINE + cell * len(rows) + legend.height), "white")
    draw = ImageDraw.Draw(sheet)
    for column, head in enumerate(heads):
        draw.text((column * cell + side / 2, LINE / 2), head, "black", font(), anchor="mm")
    for line, row in enumerate(rows):
        for column, picture in enumerate(pictures_of(row, pipe, seeds, side)):
            left, top = (side - picture.width) // 2, (side - picture.height) // 2
            sheet.paste(picture, (column * cell + left, LINE + line * cell + top))
    sheet.paste(legend, (0, LINE + cell * len(rows)))
    return sheet


def legend_of(labels: LabelSet, width: int) -> Image.Image:
    """The name of every class beside its colour, in as many lines as it takes."""
    left, top, places = 0, 0, []
    for label in labels.classes:
        taken = round(font().getlength(label.name)) + 2 * LINE
        if left and left + taken > width:
            left, top = 0, top + LINE
        places.append((left, top))
        left += taken
    legend = Image.new("RGB", (width, top + LINE), "white")
    draw = ImageDraw.Draw(legend)
    for label, (left, top) in zip(labels.classes, places, strict=True):
        draw.rectangle((left + GAP, top + GAP, left + LINE - GAP, top + LINE - GAP), label.rgb, "black")
        draw.text((left + LINE, top + LINE / 2), label.name, "black", font(), anchor="lm")
    return legend


def font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(LINE * 2 // 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", metavar="FOLDER", help="of photos and masks")
    parser.add_argument("--masks", type=Path, nargs="+", default=[], metavar="FILE", help="masks instead of the folder")
    parser.add_argument("--checkpoint", default="facades", help="name or file (default %(default)s)")
    parser.add_argument("--rows", type=int, default=8, help="masks of the folder (default %(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3], help="default 0 1 2 3")
    parser.add_argument("--side", type=int, default=256, help="longer side of a picture (default %(default)s)")
    parser.add_argument("-o", "--output", default="runs/label-sheet.png", help="default %(default)s")
    options = parser.parse_args()
    if (options.folder is None) == (not options.masks):
        parser.error("give either a folder or --masks")
    pipe = SynthesizePipeline.from_checkpoint(options.checkpoint)
    if options.masks:
        rows = rows_of_files(options.masks, pipe.labels)
    else:
        rows = rows_of_folder(options.folder, pipe, options.rows, options.side)
    Path(options.output).parent.mkdir(parents=True, exist_ok=True)
    print(save_image(label_sheet(pipe, rows, options.seeds, options.side), options.output))


if __name__ == "__main__":
    main()

"""A sheet of held-out photos × held-out styles, to be looked at: ``python -m benchmarks.contact_sheet``.

Of a network with named styles, these are the columns; ``--styles`` may name a folder with the paintings.
"""

import argparse
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageOps

from styleapp import StylizePipeline
from styleapp.data.pictures import evenly, held_out, list_pictures, read_picture
from styleapp.pipelines.gallery import gallery
from styleapp.pipelines.images import save_image
from styleapp.pipelines.samples import sample_photos, sample_styles


def unseen(folder: str, count: int) -> list[Path]:
    """Pictures of a folder that no training sees, evenly over the sorted list."""
    return evenly([path for path in list_pictures(folder) if held_out(path)], count)


def tile(image: Image.Image, side: int) -> Image.Image:
    return ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)


@dataclass(frozen=True)
class Column:
    """A style: the picture at its head, what the pipeline is asked for, and with which controls."""

    head: Image.Image
    style: Path | str
    controls: dict[str, float] = field(default_factory=dict)


def columns_of_pictures(styles: list[Path], side: int) -> list[Column]:
    controls = {"style_scale": min(1.0, max(0.5, side / 512))}
    return [Column(read_picture(style).rgb, style, controls) for style in styles]


def columns_of_names(pipe: StylizePipeline, folder: Path) -> list[Column]:
    """Headed by the paintings where the folder has them under the styles' names, else by the thumbnails."""
    paintings = {path.stem: path for path in folder.glob("*")}
    return [
        Column(read_picture(paintings[entry.name]).rgb if entry.name in paintings else entry.thumbnail, entry.name)
        for entry in gallery(pipe)
        if not entry.own
    ]


def contact_sheet(
    pipe: StylizePipeline, photos: list[Path], columns: list[Column], side: int, strength: float
) -> Image.Image:
    """Photos down the left, styles along the top, results at ``side`` pixels."""
    sheet = Image.new("RGB", (side * (len(columns) + 1), side * (len(photos) + 1)), "white")
    for place, column in enumerate(columns, start=1):
        sheet.paste(tile(column.head, side), (place * side, 0))
    for row, path in enumerate(photos, start=1):
        photo = tile(read_picture(path).rgb, side)
        sheet.paste(photo, (0, row * side))
        for place, column in enumerate(columns, start=1):
            result = pipe(photo, column.style, strength=strength, **column.controls)
            sheet.paste(result, (place * side, row * side))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", default="../shared/data/content", help="folder of photos (default %(default)s)")
    parser.add_argument("--styles", default="../shared/data/style", help="folder of styles (default %(default)s)")
    parser.add_argument("--samples", action="store_true", help="our sample photos and styles instead of the folders")
    parser.add_argument("--checkpoint", default="adain", help="name or file (default %(default)s)")
    parser.add_argument("--rows", type=int, default=6, help="photos (default %(default)s)")
    parser.add_argument("--columns", type=int, default=6, help="styles (default %(default)s)")
    parser.add_argument("--side", type=int, default=256, help="pixels of a picture (default %(default)s)")
    parser.add_argument("--strength", type=float, default=1.0, help="default %(default)s")
    parser.add_argument("-o", "--output", default="runs/contact-sheet.png", help="default %(default)s")
    options = parser.parse_args()
    pipe = StylizePipeline.from_checkpoint(options.checkpoint)
    if options.samples:
        photos = [sample.path for sample in sample_photos()][: options.rows]
    else:
        photos = unseen(options.photos, options.rows)
    if pipe.styles:
        columns = columns_of_names(pipe, Path(options.styles))[: options.columns]
    else:
        known = [sample.path for sample in sample_styles()] if options.samples else unseen(options.styles, 10**9)
        columns = columns_of_pictures(evenly(known, options.columns), options.side)
    sheet = contact_sheet(pipe, photos, columns, options.side, options.strength)
    Path(options.output).parent.mkdir(parents=True, exist_ok=True)
    print(save_image(sheet, options.output))


if __name__ == "__main__":
    main()

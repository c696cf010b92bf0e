"""What is kept of an ablation: a grid of its pictures, tables, and a configuration with the pictures that it needs."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from styleapp.data.files import write_whole
from styleapp.lab.ablation import Ablation, Outcome
from styleapp.lab.layer_statistics import LayerStatistics
from styleapp.pipelines.images import save_image

__all__ = ["COLUMNS", "export", "grid_picture", "record", "scores_csv", "statistics_csv"]

COLUMNS = ("original", "switched", "difference")
GAP, HEADING = 6, 22
INK, PAPER = (34, 37, 43), (255, 255, 255)


def grid_picture(outcome: Outcome) -> Image.Image:
    """One row a photo or mask: the original picture, the switched one, and their absolute difference."""
    rows = list(zip(outcome.original.pictures, outcome.switched.pictures, outcome.difference, strict=True))
    width, height = rows[0][0].size
    grid = Image.new(
        "RGB", (3 * width + 4 * GAP, HEADING + GAP + len(rows) * (height + GAP)), PAPER
    )  # rows lie under one heading
    drawing, font = ImageDraw.Draw(grid), ImageFont.load_default(13)
    for column, title in enumerate(COLUMNS):
        drawing.text((GAP + column * (width + GAP), 6), title, INK, font)
    for index, row in enumerate(rows):
        for column, picture in enumerate(row):
            grid.paste(picture, (GAP + column * (width + GAP), HEADING + GAP + index * (height + GAP)))
    return grid


def statistics_csv(outcome: Outcome) -> str:
    """One line for each channel of each normalization layer, of both networks, before and after the layer."""
    header = ["network", "layer", "place", "samples", "height", "width", "channel", "mean", "deviation"]
    renderings = {"original": outcome.original, "switched": outcome.switched}
    lines = ([name, *line] for name, one in renderings.items() for layer in one.layers for line in _lines(layer))
    return _csv([header, *lines])


def _lines(layer: LayerStatistics) -> Iterator[list[Any]]:
    samples, _, height, width = layer.shape
    for place, channels in (("before", layer.before), ("after", layer.after)):
        for number, (mean, deviation) in enumerate(zip(channels.mean, channels.deviation, strict=True)):
            yield [layer.layer, place, samples, height, width, number, f"{mean:.7g}", f"{deviation:.7g}"]


def scores_csv(outcome: Outcome) -> str:
    """One line for the original network, one for the switched one; how far apart they are goes with the second."""
    names = [*outcome.original.scores]
    header = ["network", *names, "seconds", "peak_mib", *(f"change_{name}" for name in outcome.change)]
    lines = []
    for name, one, change in (
        ("original", outcome.original, [""] * len(outcome.change)),
        ("switched", outcome.switched, [*outcome.change.values()]),
    ):
        peak = "" if one.peak_mib is None else one.peak_mib
        lines.append([name, *(one.scores[score] for score in names), one.seconds, peak, *change])
    return _csv([header, *lines])


def _csv(rows: Sequence[Sequence[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def record(outcome: Outcome) -> dict[str, Any]:
    """Scores, seconds and what was changed, as plain data for JSON; without pictures and channels."""
    return {
        "checkpoint": outcome.ablation.checkpoint,
        "switches": [switch.record() for switch in outcome.ablation.switches],
        "original": _facts(outcome.original),
        "switched": _facts(outcome.switched),
        "change": dict(outcome.change),
        "changes": [asdict(change) for change in outcome.changes],
        "layers": [_layer_facts(*pair) for pair in zip(outcome.original.layers, outcome.switched.layers, strict=True)],
    }


def _facts(rendering: Any) -> dict[str, Any]:
    return {**rendering.scores, "seconds": round(rendering.seconds, 4), "peak_mib": rendering.peak_mib}


def _layer_facts(original: LayerStatistics, switched: LayerStatistics) -> dict[str, Any]:
    facts: dict[str, Any] = {"layer": original.layer, "shape": list(original.shape)}
    for name, layer in (("original", original), ("switched", switched)):
        for place, channels in (("before", layer.before), ("after", layer.after)):
            facts[f"{name}_{place}"] = {"mean_size": channels.mean_size, "mean_deviation": channels.mean_deviation}
    return facts


def export(outcome: Outcome, folder: str | Path) -> dict[str, Path]:
    """Writes all that is known of an ablation into a folder, which is made if need be.

    ``grid.png``, ``layers.csv``, ``scores.csv``, ``scores.json`` and ``ablation.yaml``; the pictures that the
    configuration needs lie beside it as ``input-….png``, so that ``styleapp ablate run --config ablation.yaml`` makes
    the same pictures on another machine, too.

    Returns:
        The files by what they are: ``grid``, ``statistics``, ``scores``, ``record``, ``configuration``.

    Raises:
        PictureError: a picture cannot be written.
        OSError: another file cannot be written.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    files = {
        "grid": save_image(grid_picture(outcome), place / "grid.png"),
        "statistics": place / "layers.csv",
        "scores": place / "scores.csv",
        "record": place / "scores.json",
        "configuration": place / "ablation.yaml",
    }
    texts = {
        "statistics": statistics_csv(outcome),
        "scores": scores_csv(outcome),
        "record": json.dumps(record(outcome), indent=2) + "\n",
        "configuration": with_inputs(outcome.ablation, place).to_yaml(),
    }
    for name, text in texts.items():
        write_whole(files[name], text.encode())
    return files


def with_inputs(ablation: Ablation, folder: Path) -> Ablation:
    """The same ablation with copies of its files in a folder; names of samples, styles and ready-made maps stay."""
    kept: dict[str, Any] = {}
    contents: dict[Path, bytes] = {}
    for kind in ("photos", "styles", "style_pictures", "masks"):
        names = []
        for number, name in enumerate(getattr(ablation, kind), start=1):
            file = Path(name)
            if not file.is_file():
                names.append(name)
                continue
            copy = folder / f"input-{kind.replace('_', '-')}-{number}{file.suffix.lower()}"
            contents[copy] = file.read_bytes()
            names.append(copy.name)
        kept[kind] = tuple(names)
    for copy, content in contents.items():  # when all are read: a copy may have the name of another input
        if not copy.is_file() or copy.read_bytes() != content:
            write_whole(copy, content)
    checkpoint = Path(ablation.checkpoint)
    return replace(
        ablation, checkpoint=str(checkpoint.resolve()) if checkpoint.is_file() else ablation.checkpoint, **kept
    )

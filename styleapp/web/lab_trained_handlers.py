"""What the part *Trained* of the tab *Lab* does: results of grids as curves, tables and pictures."""

import html
import tempfile
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from styleapp.lab.grid_figures import Trained, heading, numbers_of, panels, summary_lines, trained, trained_grids
from styleapp.lab.grid_results import results_folder
from styleapp.pipelines.samples import sample_photos
from styleapp.pipelines.stylize import StylizePipeline
from styleapp.web.lab_figures import drawn, offered, table_html
from styleapp.web.pictures import fitted, readable_errors

__all__ = ["DOWNLOADS", "TrainedHandlers"]

DOWNLOADS = {"svg": "Figure (SVG)", "png": "Figure (PNG)", "results": "Results (CSV)", "curves": "Curves (CSV)"}
"""What can be downloaded, and what its button says."""

PICTURE_SIDE = 256
MOST_LINES = 8
"""Settings that a figure shows at first: more lines than colours cannot be told apart at a glance."""

NOTHING = (
    "<b>No grid has been trained yet.</b> Train one with "
    "<code>styleapp ablate train --grid configs/ablation/grids/first.yaml</code>, then repeat the command with "
    "<code>--collect</code>."
)


class TrainedHandlers:
    """What happens when a grid, its settings, or the picture is chosen; holds nothing that belongs to one visitor."""

    def open(self, opened: bool) -> tuple[Any, ...]:
        """For the page, when the part is shown: the notice, the frame around all else, whether it is open now, the
        photo, and :meth:`choose`.

        Args:
            opened: whether that was before; then all stays as it is.
        """
        if opened:
            return (gr.skip(),) * (4 + CHOSEN)
        names = trained_grids()
        if not names:
            return gr.update(value=NOTHING, visible=True), gr.update(visible=False), False, *(gr.skip(),) * (1 + CHOSEN)
        photos = [(sample.title, sample.name) for sample in sample_photos()]
        photo = gr.update(choices=photos, value=photos[0][1] if photos else None)
        grids, problems = _readable(names)
        if not grids:
            words = html.escape(" ".join(problems))
            return gr.update(value=words, visible=True), gr.update(visible=False), False, *(gr.skip(),) * (1 + CHOSEN)
        notice = gr.update(value=html.escape(" ".join(problems)), visible=bool(problems))
        first = next((grid for grid in grids if grid.networks), grids[0])  # there is most to see
        _, *rest = self.choose(first.name)
        grid = gr.update(choices=[(one.title, one.name) for one in grids], value=first.name)
        return notice, gr.update(visible=True), True, photo, grid, *rest

    def choose(self, name: str) -> tuple[Any, ...]:
        """For the page, when a grid is chosen: its name, what it is, its settings, its losses, the style, and the frame
        around the pictures.
        """
        with readable_errors():
            grid = trained(name)
            settings = [(title, setting) for setting, title in grid.settings.items()]
            losses = [
                (heading(number).removeprefix("training ").capitalize(), number) for number in numbers_of(grid.curves)
            ]
            styles = grid.styles
        losses.sort(key=lambda choice: choice[1] != "loss")  # the whole before its parts
        titles = [(style.replace("-", ": ").replace("_", " "), style) for style in styles]
        return (
            name,
            _explained(grid),
            gr.update(choices=settings, value=[value for _, value in settings][:MOST_LINES]),
            gr.update(choices=losses, value=losses[0][1]),
            gr.update(choices=titles, value=styles[0] if styles else None),
            gr.update(visible=bool(styles)),
        )

    def draw(self, name: str | None, settings: Sequence[str], loss: str) -> Iterator[tuple[Any, ...]]:
        """For the page: yields the figure, the table, and the files of :data:`DOWNLOADS`."""
        if not name:
            yield (gr.skip(),) * (2 + len(DOWNLOADS))
            return
        with readable_errors():
            grid = trained(name)
            shown = [setting for setting in grid.settings if setting in settings]
            if not shown:
                raise ValueError("Tick at least one setting.")
            figure, files = drawn(panels(grid, loss, shown), f"{grid.title}, trained from scratch")
            table = table_html(summary_lines(grid, shown))
            contents = {f"{name}-{loss}{suffix}": content for suffix, content in files.items()}
            contents |= {file.name: file.read_bytes() for file in grid.files}
        with tempfile.TemporaryDirectory() as folder:
            yield figure, table, *offered(contents, folder)

    def paint(self, name: str | None, settings: Sequence[str], photo: str, style: str) -> Iterator[Any]:
        """For the page: yields a photo, and one after the other what each network that was kept makes of it; where none
        was, there is no place for pictures.
        """
        if not name or not style:
            yield gr.update(value=None, visible=False)
            return
        with readable_errors():
            grid = trained(name)
            files = {sample.name: sample.path for sample in sample_photos()}
            if photo not in files:
                raise ValueError(f"there is no sample photo {photo!r}; there are {', '.join(files)}")
            tiles: list[tuple[Image.Image, str]] = [(_small(files[photo]), "photo")]
            for setting, title in grid.settings.items():
                if setting in settings and setting in grid.networks:
                    painting = _pipeline(grid.networks[setting])(tiles[0][0], style)
                    tiles.append((painting, title))
                    yield gr.update(value=tiles, visible=True)


CHOSEN = 6
"""How many controls :meth:`TrainedHandlers.choose` is for."""


def _pipeline(file: Path) -> StylizePipeline:
    return _loaded(file, file.stat().st_mtime_ns)


@lru_cache(maxsize=32)
def _loaded(file: Path, written: int) -> StylizePipeline:
    """The time at which it was written tells a network from one that was collected later."""
    return StylizePipeline.from_checkpoint(file)


def _small(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("RGB").resize(fitted(picture.size, PICTURE_SIDE), Image.Resampling.LANCZOS)


def _readable(names: Sequence[str]) -> tuple[list[Trained], list[str]]:
    """The results of these grids, and what is wrong with others."""
    grids, problems = [], []
    for name in names:
        try:
            grids.append(trained(name))
        except ValueError as error:
            problems.append(f"{error}.".replace(f"{results_folder()}/", ""))
    return grids, problems


def _explained(grid: Trained) -> str:
    """How many cells there are, and how each was trained."""
    settings, seeds = (
        f"{count} {what}{'s' if count > 1 else ''}"
        for count, what in ((len(grid.settings), "setting"), (grid.seeds, "seed"))
    )
    samples = sorted({int(one.numbers["samples"]) for one in grid.results})
    seen = f"{samples[0]:,}" if len(samples) == 1 else f"{samples[0]:,} to {samples[-1]:,}"
    return (
        f"<p>{settings}, {seeds}, {seen} training samples each. "
        f"To repeat: <code>styleapp ablate train --grid configs/ablation/grids/{html.escape(grid.name)}.yaml</code></p>"
    )

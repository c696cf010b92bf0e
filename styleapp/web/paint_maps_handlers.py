"""Where the label maps of the tab *Paint* come from: ready-made ones, photos, files; and the endpoint ``/segment``."""

import html
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from styleapp.pipelines.label_maps import (
    LabelSet,
    Numbers,
    drawn_map,
    map_picture,
    read_map,
    ready_made,
    resized_map,
    write_map,
)
from styleapp.web.paint_canvas import LARGEST_MAP, painted_map, shown_map
from styleapp.web.painters import Painters
from styleapp.web.pictures import readable_errors

__all__ = ["ANY", "SIDES", "MapsHandlers"]

SIDES = [256, 384, 512]
"""Of maps, in pixels; the first is what the page begins with."""

ANY = "random"
"""What the picture is called that stands for no ready-made map, but for a new one each time."""

TILE_SIDE = 96
MANY = 2**31


class MapsHandlers:
    """What happens when another map is asked for; holds nothing that belongs to one visitor.

    Args:
        painters: the networks, whose labels maps have.
    """

    def __init__(self, painters: Painters) -> None:
        self.painters = painters

    def open(self) -> tuple[Any, ...]:
        """For the page, when it is opened: the notice, the frame around all else, the networks, and :meth:`switch`."""
        problem = self.painters.problem()
        if problem:
            notice = f"<b>No network for label maps yet.</b> {html.escape(problem)}"
            return gr.update(value=notice, visible=True), gr.update(visible=False), *[gr.skip()] * 5
        names = self.painters.names()
        choices = [(name.replace("_", " ").capitalize(), name) for name in names]
        network = gr.update(choices=choices, value=names[0], visible=len(names) > 1)
        return gr.update(visible=False), gr.update(visible=True), network, *self.switch(names[0], SIDES[0])

    def switch(self, network: str, side: int) -> tuple[Any, ...]:
        """For the page, when a network is chosen: a first map, the ready-made ones, their names, and the style's frame.

        Args:
            side: of the map, in pixels.
        """
        with readable_errors():
            pipeline = self.painters.get(network)
            labels = pipeline.labels
            names = [*ready_made(labels), ANY]
            tiles = [(_tile(labels, name), name.capitalize()) for name in names]
            first = drawn_map(labels, _known(names[0]), side)
            return shown_map(network, first, labels), tiles, names, gr.update(visible=pipeline.takes_styles)

    def begin(self, network: str, side: int, names: list[str], event: gr.SelectData) -> dict[str, Any]:
        """For the page, when one of the ready-made maps is clicked: a new one of that kind."""
        with readable_errors():
            labels = self.painters.labels(network)
            return shown_map(network, drawn_map(labels, _known(names[event.index]), side, _any_seed()), labels)

    def resize(self, painted: Any, side: int) -> Any:
        """For the page, when another size is chosen: the map with this longer side."""
        with readable_errors():
            network, numbers = painted_map(painted)
            if max(numbers.shape) == side:
                return gr.skip()
            return shown_map(network, resized_map(numbers, side), self.painters.labels(network))

    def see(self, network: str, photo: str | None, side: int) -> Any:
        """For the page, when a photo is given: what is on it, with this longer side."""
        if not photo:
            return gr.skip()
        with readable_errors(photo):
            segmenter = self.painters.segmenter(network)
            return shown_map(network, segmenter(photo, size=side), segmenter.labels)

    def load(self, network: str, file: str | None) -> Any:
        """For the page, when a mask is uploaded: this map in its own size, up to that of the largest canvas."""
        if not file:
            return gr.skip()
        with readable_errors(file):
            labels = self.painters.labels(network)
            return shown_map(network, read_map(file, labels, LARGEST_MAP), labels)

    def segment(self, photo: str, checkpoint: str, sureness: float = 0.0, size: int | None = None) -> Iterator[str]:
        """Labels the parts of a photo; returns a PNG of label numbers of the photo's size, with colours for viewers.

        See docs/web.md for every value.
        """
        with readable_errors(photo), tempfile.TemporaryDirectory() as folder:
            if not photo:
                raise ValueError("a photo is needed")
            segmenter = self.painters.segmenter(checkpoint)
            numbers: Numbers = segmenter(photo, size=size, sureness=sureness)
            yield str(write_map(Path(folder), numbers, segmenter.labels, "photo")[0])

    def labels(self) -> dict[str, Any]:
        """Lists the networks for label maps with their label sets: number, name and colour of each class."""
        with readable_errors():
            return {name: self.painters.labels(name).record() for name in self.painters.names()}


def _known(name: str) -> str | None:
    return None if name == ANY else name


def _any_seed() -> int:
    return random.randrange(MANY)


def _tile(labels: LabelSet, name: str) -> Image.Image:
    return map_picture(drawn_map(labels, _known(name), TILE_SIDE, seed=1), labels)

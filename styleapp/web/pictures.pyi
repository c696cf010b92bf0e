"""What the page's pictures need beyond Gradio's own components."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr
from gradio.data_classes import ImageData
from PIL import Image

from styleapp.pipelines.images import load_picture

__all__ = ["PREVIEW_SIDE", "PictureFile", "fitted", "readable_errors", "upright"]

PREVIEW_SIDE = 1280
"""Longer side in pixels up to which pictures are shown; larger ones are for the download."""

from gradio.events import Dependency

class PictureFile(gr.Image):
    """An image component whose handler gets the uploaded file as it is.

    Gradio's own opens the file first: what is no picture, or too large, then ends in a message that helps nobody,
    while :func:`styleapp.data.pictures.read_picture` says it in one sentence.
    """

    is_template = True  # shown by gr.Image's own frontend

    def preprocess(self, payload: ImageData | None) -> str | None:
        """The path of the upload, which Gradio has checked to lie in its upload folder."""
        return None if payload is None else payload.path
    from typing import Callable, Literal, Sequence, Any, TYPE_CHECKING
    from gradio.blocks import Block

    if TYPE_CHECKING:
        from gradio.components import Timer
        from gradio.components.base import Component

@contextmanager
def readable_errors(*paths: str | None) -> Iterator[None]:
    """Turns a ValueError into the page's message, with the visitor's file names instead of the server's paths."""
    try:
        yield
    except ValueError as error:
        message = str(error)
        for path in filter(None, paths):
            message = message.replace(path, Path(path).name)
        raise gr.Error(message, title="That did not work", print_exception=False) from error

def upright(path: str) -> Image.Image:
    """The picture of a file as it should be seen: EXIF rotation applied, RGB or RGBA, 8 bits."""
    picture = load_picture(path, "the photo")
    image = picture.rgb
    if picture.alpha is not None:
        image.putalpha(picture.alpha)
    return image

def fitted(size: tuple[int, int], longest: int) -> tuple[int, int]:
    """Width and height shrunk in proportion so that the longer side is at most this many pixels."""
    scale = min(1.0, longest / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))

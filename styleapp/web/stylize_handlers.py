"""What the tab *Stylize* and the HTTP endpoint ``/stylize`` do: photo and styles in, painting out."""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from PIL import Image

from styleapp.pipelines.images import save_image
from styleapp.pipelines.stylize import Stage
from styleapp.web.network import NetworkProvider
from styleapp.web.pictures import PREVIEW_SIDE, fitted, readable_errors, upright
from styleapp.web.region import masks_of_painting, weighted_masks

__all__ = ["StylizeHandlers"]

NOTHING_NEW = (gr.skip(),) * 4
DRAFT_SIDE = 384
"""Longer side of what is painted while a slider is being dragged."""

Slots = Mapping[int, tuple[str, float]]
"""Style pictures and their weights by place; 0 is the first."""


class Controls(NamedTuple):
    """What the page's controls hold, in the order in which it gives them."""

    photo: str | None
    style: str | None
    strength: float
    style_2: str | None
    style_3: str | None
    weight: float
    weight_2: float
    weight_3: float
    painting: dict[str, Any] | None
    colour: str
    style_scale: float
    max_side: int | None

    @property
    def pictures(self) -> tuple[str | None, ...]:
        return self.photo, self.style, self.style_2, self.style_3

    @property
    def sliders(self) -> tuple[float, ...]:
        """What a draft can be asked for, and by which it is told from a painting that is there already."""
        return self.strength, self.weight, self.weight_2, self.weight_3, self.style_scale


class StylizeHandlers:
    """What happens when buttons are pressed; holds nothing that belongs to one visitor.

    Args:
        network: loads the network that paints.
    """

    def __init__(self, network: NetworkProvider) -> None:
        self.network = network

    def paint(
        self,
        wanted: bool,
        photo: str | None,
        style: str | None,
        strength: float,
        style_2: str | None,
        style_3: str | None,
        weight: float,
        weight_2: float,
        weight_3: float,
        painting: dict[str, Any] | None,
        colour: str,
        style_scale: float,
        max_side: int | None,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 - gradio recognizes the parameter by its default
    ) -> Iterator[tuple[Any, ...]]:
        """For the page: yields ((photo, painting), download, caption, sliders), and nothing new at each step before.

        A generator, so that *Stop* can end it between two steps. If it is not wanted, it ends at once: a slider that
        is let go paints anew only where there is a painting.
        """
        if not wanted:
            yield NOTHING_NEW
            return
        controls = Controls(
            photo,
            style,
            strength,
            style_2,
            style_3,
            weight,
            weight_2,
            weight_3,
            painting,
            colour,
            style_scale,
            max_side,
        )
        with self._work(controls, max_side) as (before, stages, folder):
            start = time.perf_counter()
            for stage in stages:
                progress(stage.done, desc=stage.title.capitalize())
                if stage.image is None:
                    yield NOTHING_NEW
                    continue
                seconds = time.perf_counter() - start
                file = save_image(stage.image, folder / f"{Path(checked_photo(photo)).stem}-painted.png")
                pair, told = preview(before, stage.image, file), caption(seconds, stage.image.size)
                yield pair, gr.update(value=str(file), interactive=True), told, controls.sliders

    def draft(self, painted: tuple[float, ...] | None, *values: Any) -> Any:
        """For the page, while a slider is dragged: (photo, painting) of a small picture.

        Nothing new where there is no painting yet, or where the painting in full size with these very values is there:
        a draft that comes late must not take its place.

        Args:
            painted: the sliders of the last painting in full size.
            values: of the controls, as in :class:`Controls`.
        """
        controls = Controls(*values)
        if painted is None or tuple(painted) == controls.sliders:
            return gr.skip()
        side = min(DRAFT_SIDE, controls.max_side or DRAFT_SIDE)
        with self._work(controls, side) as (before, stages, _):
            (image,) = [stage.image for stage in stages if stage.image is not None]
            return before.resize(image.size), image

    @contextmanager
    def _work(self, controls: Controls, max_side: int | None) -> Iterator[tuple[Image.Image, Iterator[Stage], Path]]:
        """The photo, the steps of its painting, and a folder for as long as they take."""
        with readable_errors(*controls.pictures), tempfile.TemporaryDirectory() as folder:
            photo = checked_photo(controls.photo)
            slots = filled_slots(
                (controls.style, controls.weight),
                (controls.style_2, controls.weight_2),
                (controls.style_3, controls.weight_3),
            )
            before = upright(photo)
            weights = {slot: weight for slot, (_, weight) in slots.items()}
            masks = masks_of_painting(controls.painting, before.size, weights)
            look = controls.strength, controls.colour, controls.style_scale
            yield before, self._stages(photo, slots, masks, *look, max_side), Path(folder)

    def stylize(
        self,
        photo: str,
        style: str,
        strength: float = 1.0,
        style_2: str | None = None,
        style_3: str | None = None,
        weight: float = 1.0,
        weight_2: float = 1.0,
        weight_3: float = 1.0,
        region: str | None = None,
        colour: str = "style",
        style_scale: float = 1.0,
        max_side: int | None = None,
    ) -> Iterator[str | None]:
        """Paints the photo in the style of one to three pictures; returns a PNG of the photo's size.

        See docs/web.md for every value.
        """
        paths = (photo, style, style_2, style_3, region)
        with readable_errors(*paths), tempfile.TemporaryDirectory() as folder:
            photo = checked_photo(photo)
            slots = filled_slots((style, weight), (style_2, weight_2), (style_3, weight_3))
            masks = weighted_masks(upright(region), [weight for _, weight in slots.values()]) if region else None
            for stage in self._stages(photo, slots, masks, strength, colour, style_scale, max_side):
                yield str(save_image(stage.image, Path(folder) / "painting.png")) if stage.image else None

    def _stages(
        self,
        photo: str,
        slots: Slots,
        masks: list[Image.Image] | None,
        strength: float,
        colour: str,
        style_scale: float,
        max_side: int | None,
    ) -> Iterator[Stage]:
        return self.network.get().stages(
            photo,
            [path for path, _ in slots.values()],
            strength=strength,
            weights=None if masks else [weight for _, weight in slots.values()],
            regions=masks,
            colour=colour,
            style_scale=style_scale,
            max_side=max_side or None,
        )


def checked_photo(photo: str | None) -> str:
    """The photo.

    Raises:
        ValueError: there is none.
    """
    if not photo:
        raise ValueError("Choose a photo first: drop one in, or click one of the samples below the first frame.")
    return photo


def filled_slots(*given: tuple[str | None, float]) -> Slots:
    """The styles that are there, by place.

    Raises:
        ValueError: there is none, or all weights are 0.
    """
    slots = {index: (path, float(weight)) for index, (path, weight) in enumerate(given) if path}
    if not slots:
        raise ValueError("Choose a style first: drop a picture in, or click one of the samples below the second frame.")
    if sum(weight for _, weight in slots.values()) <= 0:
        raise ValueError("The weights of all styles are 0: raise at least one of them under “Mix styles”.")
    return slots


def preview(before: Image.Image, after: Image.Image, file: Path) -> tuple[Image.Image, Image.Image | str]:
    """Photo and painting of one size, small enough to be shown; the painting's file itself where it is."""
    size = fitted(after.size, PREVIEW_SIDE)
    return before.resize(size), str(file) if size == after.size else after.resize(size)


def caption(seconds: float, size: tuple[int, int]) -> str:
    """For example ``0.9 s, 640×480``."""
    return f"{seconds:.1f} s, {size[0]}×{size[1]}"

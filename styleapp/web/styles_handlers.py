"""What the tab *Styles* and its HTTP endpoints do: photo and names of styles in, painting out."""

import html
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from styleapp.pipelines.images import save_image
from styleapp.web.pictures import fitted, readable_errors, upright
from styleapp.web.studios import Studio, Studios
from styleapp.web.stylize_handlers import DRAFT_SIDE, NOTHING_NEW, caption, checked_photo, preview

__all__ = ["MIXED", "NOBODY", "StylesHandlers", "Wish", "alone", "told_mixture"]

MIXED = 4
"""How many styles the page mixes; the endpoint takes any number."""

NO_PLACE = -1  # in a gallery; Gradio does not pass None on, and takes this for the first picture when pictures change

SHEET_SIDE = 320
"""Longer side of the pictures in which all styles are shown at once."""

NOBODY = ""
"""What a list of names holds where no style is chosen."""


@dataclass(frozen=True)
class Wish:
    """What the page's controls hold.

    Attributes:
        mixture: weights by name; a style that is chosen twice has the sum of both.
    """

    photo: str | None
    strength: float
    mixture: dict[str, float]
    colour: str
    max_side: int | None

    @classmethod
    def of(cls, photo: str | None, strength: float, *rest: Any) -> "Wish":
        """From values in the order in which the page gives them: the names, their weights, colour and longer side."""
        names, weights, (colour, side) = rest[:MIXED], rest[MIXED : 2 * MIXED], rest[2 * MIXED :]
        mixture: dict[str, float] = {}
        for name, weight in zip(names, weights, strict=True):
            if name:
                mixture[name] = mixture.get(name, 0.0) + weight
        return cls(photo, strength, mixture, colour, side or None)


class StylesHandlers:
    """What happens when something is clicked; holds nothing that belongs to one visitor.

    Args:
        studios: where a visitor's network and styles are.
    """

    def __init__(self, studios: Studios) -> None:
        self.studios = studios

    def open(self, request: gr.Request) -> tuple[Any, ...]:
        """For the page: what :meth:`shelve` returns, when it is opened."""
        return self.shelve(request, None, *alone(NOBODY))

    def shelve(self, request: gr.Request, chosen: str | None, *mix: Any) -> tuple[Any, ...]:
        """For the page: all that depends on which styles there are, when they have changed.

        Args:
            chosen: a style that is to be the only one in the mixer.
            mix: names and weights that the mixer holds; styles that are gone are taken out.

        Returns:
            The notice, the gallery and the names of its styles, the mixer's names and weights, the list of one's own
            styles, and the frame around that.
        """
        problem = self.studios.problem()
        if problem:
            notice = f"<b>No network with named styles yet.</b> {html.escape(problem)}"
            return gr.update(value=notice, visible=True), *[gr.skip()] * (2 + 2 * MIXED + 2)
        with readable_errors():
            studio = self.studios.renewed(request.session_hash)
        names, own = studio.names, studio.bank.names()
        mix = alone(chosen) if chosen in names else mix
        kept = [name if name in names else NOBODY for name in mix[:MIXED]]
        choices = [("none", NOBODY), *((entry.title, entry.name) for entry in studio.entries)]
        return (
            gr.update(visible=False),
            _marked(names, kept, value=[(entry.thumbnail, entry.caption) for entry in studio.entries]),
            names,
            *(gr.update(choices=choices, value=name) for name in kept),
            *mix[MIXED:],
            gr.update(
                choices=[_own_choice(studio, name) for name in own],
                value=chosen if chosen in own else next(iter(own), None),
            ),
            gr.update(visible=bool(own)),
        )

    def choose(self, clicked: list[str], names: list[str], event: gr.SelectData) -> tuple[Any, ...]:
        """For the page: the mixer's names and weights when a picture is clicked, and which one the gallery marks.

        Args:
            clicked: names of the styles among which the click was.
            names: of the gallery's styles.
        """
        values = alone(clicked[event.index])
        return *values, _marked(names, values[:MIXED])

    def mark(self, names: list[str], *mixed: str) -> Any:
        """For the page, when the mixer's names have been changed: the gallery marks a style that is alone, or none."""
        return {"selected_index": NO_PLACE, **_marked(names, mixed)}

    def paint(self, request: gr.Request, *values: Any) -> Iterator[tuple[Any, ...]]:
        """For the page: yields ((photo, painting), download, caption, values)."""
        wish = Wish.of(*values)
        with readable_errors(wish.photo), tempfile.TemporaryDirectory() as folder:
            studio = self.studios.get(request.session_hash)
            photo, mixture = checked_photo(wish.photo), checked_mixture(wish.mixture)
            start = time.perf_counter()
            image = _painted(studio, photo, mixture, wish.strength, wish.colour, wish.max_side)
            told = f"{caption(time.perf_counter() - start, image.size)} · {told_mixture(studio, mixture)}"
            file = save_image(image, Path(folder) / f"{Path(photo).stem}-painted.png")
            yield preview(upright(photo), image, file), gr.update(value=str(file), interactive=True), told, values

    def change(self, request: gr.Request, painted: tuple[Any, ...] | None, *values: Any) -> Iterator[tuple[Any, ...]]:
        """For the page, when a control was changed: as :meth:`repaint`, but nothing new where the values are as before.

        Lists of names tell of one choice several times.

        Args:
            painted: the values of the last painting in full size.
        """
        if painted is not None and tuple(painted) == values:
            yield NOTHING_NEW
        else:
            yield from self.repaint(request, *values)

    def repaint(self, request: gr.Request, *values: Any) -> Iterator[tuple[Any, ...]]:
        """For the page: as :meth:`paint` where there are a photo and a style, else nothing new."""
        wish = Wish.of(*values)
        if wish.photo and wish.mixture:
            yield from self.paint(request, *values)
        else:
            yield NOTHING_NEW

    def draft(self, request: gr.Request, painted: tuple[Any, ...] | None, *values: Any) -> Any:
        """For the page, while a slider is dragged: (photo, painting) of a small picture.

        Nothing new where there is no painting yet, or where the painting in full size with these very values is there:
        a draft that comes late must not take its place.

        Args:
            painted: the values of the last painting in full size.
        """
        wish = Wish.of(*values)
        if painted is None or tuple(painted) == values or not wish.photo or sum(wish.mixture.values()) <= 0:
            return gr.skip()
        side = min(DRAFT_SIDE, wish.max_side or DRAFT_SIDE)
        with readable_errors(wish.photo):
            studio = self.studios.get(request.session_hash)
            image = _painted(studio, wish.photo, wish.mixture, wish.strength, wish.colour, side)
            return upright(wish.photo).resize(image.size), image

    def sheet(self, request: gr.Request, photo: str | None, strength: float, colour: str) -> Iterator[tuple[Any, ...]]:
        """For the page: yields (small paintings with captions, names of their styles), one more each time."""
        with readable_errors(photo), tempfile.TemporaryDirectory() as folder:
            studio = self.studios.get(request.session_hash)
            image = upright(checked_photo(photo))
            small = image.resize(fitted(image.size, SHEET_SIDE), Image.Resampling.LANCZOS)
            tiles: list[tuple[str, str]] = []
            for number, entry in enumerate(studio.entries):
                painting = studio.pipeline(small, entry.name, strength=strength, colour=colour)
                tiles.append((str(save_image(painting, Path(folder) / f"{number}.jpg")), entry.caption))
                yield gr.update(value=tiles, visible=True), studio.names

    def styles(self, request: gr.Request) -> list[dict[str, Any]]:
        """Lists the named styles: name, title, artist, year, and whether it is one of your own."""
        with readable_errors():
            return [
                {"name": one.name, "title": one.title, "artist": one.artist, "year": one.year, "own": one.own}
                for one in self.studios.get(request.session_hash).entries
            ]

    def stylize_named(
        self,
        request: gr.Request,
        photo: str,
        styles: Any,
        strength: float = 1.0,
        colour: str = "style",
        region: str | None = None,
        max_side: int | None = None,
    ) -> Iterator[str]:
        """Paints the photo in a style by name, or in a mixture of several; returns a PNG of the photo's size.

        See docs/web.md for every value.
        """
        with readable_errors(photo, region), tempfile.TemporaryDirectory() as folder:
            studio = self.studios.get(request.session_hash)
            mixture = checked_mixture(asked_mixture(styles))
            image = _painted(studio, checked_photo(photo), mixture, strength, colour, max_side, region)
            yield str(save_image(image, Path(folder) / "painting.png"))


def alone(name: str) -> tuple[Any, ...]:
    """Values of the mixer that are this style and no other: names, then weights."""
    return (name, *[NOBODY] * (MIXED - 1), *[1.0] * MIXED)


def told_mixture(studio: Studio, mixture: dict[str, float]) -> str:
    """For example ``The Scream`` or ``The Scream 75 %, Water Lilies 25 %``."""
    titles = {studio.title(name): weight / sum(mixture.values()) for name, weight in mixture.items() if weight > 0}
    if len(titles) == 1:
        return next(iter(titles))
    return ", ".join(f"{title} {share:.0%}".replace("%", " %") for title, share in titles.items())


def _own_choice(studio: Studio, name: str) -> tuple[str, str]:
    return (f"{name} (of another network)" if name in studio.pipeline.unusable else name, name)


def _marked(names: list[str], mixed: Sequence[str], **update: Any) -> Any:
    """An update of the gallery; where the mixture has one style only, this is marked."""
    chosen = [*{*mixed} - {NOBODY}]
    if len(chosen) == 1 and chosen[0] in names:
        update["selected_index"] = names.index(chosen[0])
    return gr.update(**update)


def asked_mixture(styles: Any) -> dict[str, float]:
    """Weights by name from what an endpoint is given: a name, a JSON object, or the text of one.

    Raises:
        ValueError: it is something else.
    """
    if isinstance(styles, str) and styles.lstrip().startswith("{"):
        try:
            styles = json.loads(styles)
        except ValueError as error:
            raise ValueError(f"styles is no JSON object: {error}") from error
    if isinstance(styles, str) and styles:
        return {styles: 1.0}
    if not isinstance(styles, dict) or not all(isinstance(weight, int | float) for weight in styles.values()):
        raise ValueError("styles must be the name of a style, or a JSON object of names and weights; see /styles")
    return styles


def checked_mixture(mixture: dict[str, float]) -> dict[str, float]:
    """The mixture.

    Raises:
        ValueError: there is none, or all weights are 0.
    """
    if not mixture:
        raise ValueError("Choose a style first: click one of the pictures in the gallery.")
    if sum(mixture.values()) <= 0:
        raise ValueError("The weights of all styles are 0: raise at least one of them.")
    return mixture


def _painted(
    studio: Studio,
    photo: str,
    mixture: dict[str, float],
    strength: float,
    colour: str,
    max_side: int | None,
    region: str | None = None,
) -> Image.Image:
    regions = [region] if region else None
    return studio.pipeline(photo, mixture, strength=strength, colour=colour, max_side=max_side, regions=regions)

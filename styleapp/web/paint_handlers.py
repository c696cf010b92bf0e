"""What the tab *Paint* and the HTTP endpoint ``/synthesize`` do: label map, seed and style in, picture out."""

import hashlib
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from styleapp.pipelines.images import save_image
from styleapp.pipelines.label_maps import Numbers, stored_map, write_map
from styleapp.web.paint_canvas import painted_map
from styleapp.web.painters import Painters
from styleapp.web.pictures import readable_errors
from styleapp.web.stylize_handlers import caption

__all__ = ["MANY_SEEDS", "VARIANTS", "PaintHandlers", "Wish"]

MANY_SEEDS = 10_000
"""From how many seeds dice and variants are drawn: few digits can be remembered."""

VARIANTS = 4
NOTHING_NEW = (gr.skip(),) * 6


@dataclass(frozen=True, eq=False)
class Wish:
    """What the page's controls hold.

    Attributes:
        numbers: the label map, H×W.
    """

    network: str
    numbers: Numbers
    seed: int
    style: str | None
    strength: float

    @classmethod
    def of(cls, painted: Any, seed: float | None, style: str | None, strength: float) -> "Wish":
        """From values in the order in which the page gives them.

        Raises:
            ValueError: there is no map.
        """
        return cls(*painted_map(painted), int(seed or 0), style, strength)

    @property
    def key(self) -> tuple[Any, ...]:
        """The same for the same wishes."""
        digest = hashlib.sha256(self.numbers.tobytes()).hexdigest()
        return self.network, self.numbers.shape, digest, self.seed, self.style, self.strength


class PaintHandlers:
    """What happens when something was painted; holds nothing that belongs to one visitor.

    Args:
        painters: the networks.
    """

    def __init__(self, painters: Painters) -> None:
        self.painters = painters

    def live(self, done: tuple[Any, ...] | None, *values: Any) -> Iterator[tuple[Any, ...]]:
        """For the page, after each change: as :meth:`settle`, smaller where the network would take too long."""
        yield from self._shown(done, values, live=True)

    def settle(self, done: tuple[Any, ...] | None, *values: Any) -> Iterator[tuple[Any, ...]]:
        """For the page, when nothing has been changed for a while: yields the picture, the files of picture, mask and
        legend, what to say of it, and :attr:`Wish.key` if the picture has its full size.

        Args:
            done: that of the last picture in full size; nothing new where it is what is wanted.
            values: of the controls, as in :meth:`Wish.of`.
        """
        yield from self._shown(done, values, live=False)

    def _shown(self, done: tuple[Any, ...] | None, values: tuple[Any, ...], *, live: bool) -> Iterator[tuple[Any, ...]]:
        if not values[0]:  # no network, so no map
            yield NOTHING_NEW
            return
        with readable_errors(values[2]), tempfile.TemporaryDirectory() as folder:
            wish = Wish.of(*values)
            if done is not None and tuple(done) == wish.key:
                yield NOTHING_NEW
                return
            side = self.painters.pace(wish.network).live_side(wish.numbers.shape) if live else None
            image, seconds = self._painted(wish, side)
            file = save_image(image, Path(folder) / f"{wish.network}-seed-{wish.seed}.png")
            files = write_map(Path(folder), wish.numbers, self.painters.labels(wish.network), wish.network)
            told = f"{caption(seconds, image.size)} · seed {wish.seed}{' · draft' if side else ''}"
            yield (
                str(file),
                gr.update(value=str(file), interactive=side is None),
                *(gr.update(value=str(one), interactive=True) for one in files),
                told,
                None if side else wish.key,
            )

    def _painted(self, wish: Wish, side: int | None) -> tuple[Image.Image, float]:
        """A picture, with this longer side or the map's, and how many seconds it took."""
        pipeline = self.painters.get(wish.network)
        mask = stored_map(wish.numbers, pipeline.labels)
        start = time.perf_counter()
        image = pipeline(mask, wish.seed, wish.style, wish.strength if wish.style else 1.0, side)
        seconds = time.perf_counter() - start
        self.painters.pace(wish.network).note(image.width * image.height, seconds)
        return image, seconds

    def variants(self, *values: Any) -> Iterator[tuple[Any, list[int]]]:
        """For the page: yields (pictures of other seeds, their seeds), one more each time."""
        with readable_errors(values[2]), tempfile.TemporaryDirectory() as folder:
            wish = Wish.of(*values)
            side = self.painters.pace(wish.network).live_side(wish.numbers.shape)
            seeds = random.sample(range(MANY_SEEDS), VARIANTS)
            tiles: list[tuple[str, str]] = []
            for seed in seeds:
                image, _ = self._painted(Wish(wish.network, wish.numbers, seed, wish.style, wish.strength), side)
                tiles.append((str(save_image(image, Path(folder) / f"{seed}.png")), f"Seed {seed}"))
                yield gr.update(value=tiles, visible=True, selected_index=None), seeds

    def take(self, seeds: list[int], event: gr.SelectData) -> int:
        """For the page, when one of the variants is clicked: its seed."""
        return seeds[event.index]

    def send(self, *values: Any) -> Iterator[tuple[str, Any]]:
        """For the page: yields the picture in full size, and the tab *Stylize* to go to."""
        with readable_errors(values[2]), tempfile.TemporaryDirectory() as folder:
            wish = Wish.of(*values)
            image, _ = self._painted(wish, None)
            file = save_image(image, Path(folder) / f"{wish.network}-seed-{wish.seed}.png")
            yield str(file), gr.update(selected="stylize")

    def synthesize(
        self,
        mask: str,
        checkpoint: str,
        seed: int = 0,
        style: str | None = None,
        style_strength: float = 1.0,
        size: int | None = None,
    ) -> Iterator[str]:
        """Makes a picture of a label map, numbers or colours; returns a PNG of the map's size.

        See docs/web.md for every value.
        """
        with readable_errors(mask, style), tempfile.TemporaryDirectory() as folder:
            if not mask:
                raise ValueError("a mask is needed: a picture file of label numbers or colours")
            image = self.painters.get(checkpoint)(mask, seed, style, style_strength, size)
            yield str(save_image(image, Path(folder) / "picture.png"))

"""The networks behind the tab *Paint*: from label maps to pictures and back, loaded when they are first needed."""

from collections import deque
from statistics import median_low
from threading import Lock
from typing import Any

from styleapp.pipelines.label_maps import LabelSet, segmenter_of, synthesis_networks
from styleapp.pipelines.segment import SegmentPipeline
from styleapp.pipelines.synthesize import SynthesizePipeline

__all__ = ["LIVE_SECONDS", "Pace", "Painters"]

LIVE_SECONDS = 0.6
"""How long a picture may take that is made after each stroke; where the network is slower, it gets a smaller map."""

SMALLEST_LIVE = 128
"""Longer side in pixels below which a picture would say nothing."""

REMEMBERED = 3


class Pace:
    """How quickly a network paints, by its last pictures.

    The middle one of three counts, so that a single slow one does not matter. The very first one does not count: it
    also sets up the memory.
    """

    def __init__(self) -> None:
        self._seconds_per_pixel: deque[float] = deque(maxlen=REMEMBERED)
        self._warm = False

    def note(self, pixels: int, seconds: float) -> None:
        """Takes one picture into account."""
        if self._warm:
            self._seconds_per_pixel.append(seconds / pixels)
        self._warm = True

    def live_side(self, shape: tuple[int, ...]) -> int | None:
        """Longer side in pixels at which a map of this shape is painted in :data:`LIVE_SECONDS`; None is its own."""
        if not self._seconds_per_pixel:
            return None
        longest, pixels = max(shape), shape[0] * shape[1]
        share = LIVE_SECONDS / (median_low(self._seconds_per_pixel) * pixels)
        return None if share >= 1 or longest <= SMALLEST_LIVE else max(SMALLEST_LIVE, int(longest * share**0.5))


class Painters:
    """Finds the networks that the manifest lists, and keeps each that was needed.

    While one cannot be loaded, every call tries again: so the page starts without any.
    """

    def __init__(self) -> None:
        self._loaded: dict[tuple[Any, str], Any] = {}
        self._paces: dict[str, Pace] = {}
        self._lock = Lock()

    def names(self) -> tuple[str, ...]:
        """Of the networks that make pictures of label maps.

        Raises:
            ValueError: the manifest cannot be read.
        """
        return synthesis_networks()

    def get(self, name: str) -> SynthesizePipeline:
        """A network that makes pictures of label maps.

        Raises:
            ValueError: no such name in the manifest, or it cannot be loaded.
        """
        if (SynthesizePipeline, name) not in self._loaded:
            self._check(name)
        return self._pipeline(SynthesizePipeline, name)

    def segmenter(self, name: str) -> SegmentPipeline:
        """The network that makes label maps of photos for the one of this name.

        Raises:
            ValueError: no such name in the manifest, there is no segmenter for it, it cannot be loaded, or it has
                other labels.
        """
        labels = self.get(name).labels
        found: SegmentPipeline = self._pipeline(SegmentPipeline, segmenter_of(name))
        if found.labels.names != labels.names:
            raise ValueError(f"{segmenter_of(name)} has other labels than {name}: export both from the same data")
        return found

    def labels(self, name: str) -> LabelSet:
        """What the network of this name can paint."""
        return self.get(name).labels

    def pace(self, name: str) -> Pace:
        """Of the network of this name."""
        return self._paces.setdefault(name, Pace())

    def problem(self) -> str | None:
        """One sentence that says why there is nothing to paint with, or None where there is."""
        problem = "The manifest of the checkpoints lists no network that makes pictures of label maps (spade)."
        try:
            for name in self.names():
                self.get(name)
                return None
        except ValueError as error:
            problem = str(error)
        return problem

    def _check(self, name: str) -> None:
        names = self.names()
        if name not in names:
            raise ValueError(f"unknown network {name!r} for label maps; known are {', '.join(names) or 'none'}")

    def _pipeline(self, kind: Any, name: str) -> Any:
        with self._lock:
            if (kind, name) not in self._loaded:
                self._loaded[kind, name] = kind.from_checkpoint(name)
            return self._loaded[kind, name]

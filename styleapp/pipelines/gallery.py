"""What a page or a list shows of named styles: who painted them, when, and what they look like."""

from dataclasses import dataclass
from typing import cast

from PIL import Image

from styleapp.models.multistyle import NamedStylizer
from styleapp.pipelines.stylize import StylizePipeline
from styleapp.thumbnails import from_text, thumbnail

__all__ = ["GalleryEntry", "gallery"]


@dataclass(frozen=True)
class GalleryEntry:
    """A style as it is shown.

    Attributes:
        name: under which it is asked for.
        title: for people; that of a style of one's own is its name.
        artist, year, licence: of the painting; empty where nobody said.
        thumbnail: a generated landscape in this style, 160×160.
        own: whether it lies in the user's bank.
    """

    name: str
    title: str
    artist: str
    year: str
    licence: str
    thumbnail: Image.Image
    own: bool

    @property
    def caption(self) -> str:
        """For example ``The Scream · Edvard Munch``."""
        return " · ".join(filter(None, (self.title, self.artist)))


def gallery(pipeline: StylizePipeline) -> list[GalleryEntry]:
    """All styles of a pipeline: those of the checkpoint, then the user's own.

    What the checkpoint does not say is left empty; a thumbnail that it lacks is painted now.
    """
    network = cast(NamedStylizer, pipeline.network)
    shipped = [_shipped(name, pipeline, network) for name in network.styles]
    bank = pipeline.bank
    own = [GalleryEntry(name, name, "", "", "", bank.thumbnail(name), True) for name in network.learned] if bank else []
    return shipped + own


def _shipped(name: str, pipeline: StylizePipeline, network: NamedStylizer) -> GalleryEntry:
    facts = pipeline.card.styles.get(name, {})
    picture = from_text(facts["thumbnail"]) if "thumbnail" in facts else thumbnail(network, name)
    artist, year, licence = (facts.get(key, "") for key in ("artist", "year", "licence"))
    return GalleryEntry(name, facts.get("title", name), artist, year, licence, picture, False)

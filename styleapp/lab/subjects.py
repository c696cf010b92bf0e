"""What ablations can be of: the networks of the manifest that make pictures, and what each is given."""

from dataclasses import dataclass

from styleapp.checkpoint import ARCHITECTURES, Card, CheckpointError, find_checkpoint, manifest, read_card
from styleapp.data.labels import LabelError
from styleapp.models.spade import SpadeGenerator
from styleapp.pipelines.label_maps import ready_made
from styleapp.pipelines.label_record import labels_of_card

__all__ = ["Subject", "subject", "subjects"]


@dataclass(frozen=True)
class Subject:
    """A network that ablations can be of.

    Attributes:
        name: in the manifest.
        title: what the manifest says of it.
        of_masks: whether it makes pictures of label maps; else it paints photos.
        masks: names of the ready-made label maps that it can paint.
        styles: names of its styles; empty where a style is a picture.
        takes_pictures: whether a style can be a picture.
    """

    name: str
    title: str
    of_masks: bool
    masks: tuple[str, ...] = ()
    styles: tuple[str, ...] = ()
    takes_pictures: bool = True


def subjects() -> tuple[Subject, ...]:
    """The networks of the manifest that make pictures, in its order; no network is loaded.

    A file that is missing or damaged is left out: what it holds is not known.

    Raises:
        CheckpointError: the manifest cannot be read.
    """
    found = []
    for name, entry in manifest().items():
        try:
            card = read_card(find_checkpoint(name))
            architecture = ARCHITECTURES.get(card.architecture)
            if architecture is not None and issubclass(architecture, SpadeGenerator):
                found.append(_of_masks(name, entry.get("title", name), card))
            elif hasattr(architecture, "render"):
                found.append(_of_photos(name, entry.get("title", name), card))
        except (CheckpointError, LabelError):
            continue
    return tuple(found)


def subject(name: str) -> Subject:
    """The one of this name.

    Raises:
        ValueError: there is none; the message lists those that there are.
    """
    known = subjects()
    for one in known:
        if one.name == name:
            return one
    raise ValueError(f"unknown network {name!r}; known are {', '.join(one.name for one in known) or 'none'}")


def _of_photos(name: str, title: str, card: Card) -> Subject:
    styles = tuple(card.options.get("styles", ()))
    return Subject(name, title, of_masks=False, styles=styles, takes_pictures=not styles)


def _of_masks(name: str, title: str, card: Card) -> Subject:
    labels = labels_of_card(card, int(card.options.get("num_labels", 0)))
    return Subject(
        name,
        title,
        of_masks=True,
        masks=ready_made(labels),
        takes_pictures=bool(card.options.get("style_widths")),
    )

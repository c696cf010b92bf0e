"""Label sets: which numbers and colours of a mask mean what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import yaml

from styleapp.data.files import write_whole

__all__ = ["IGNORED", "Label", "LabelError", "LabelSet"]

IGNORED = 255
"""What a pixel without a label has in every mask that was read, whatever number its file has for that."""

RGB = tuple[int, int, int]
BLACK: RGB = (0, 0, 0)


class LabelError(ValueError):
    """A label set or a mask cannot be used; the message names the file and the value, and what is allowed."""


@dataclass(frozen=True)
class Label:
    """One entry of a label set.

    Attributes:
        index: its number in masks, 0 to 255.
        name: of what it stands for.
        rgb: its colour in coloured masks, 0 to 255 each; only an ignored one may have none.
        ignore: pixels of it count as not labelled.
    """

    index: int
    name: str
    rgb: RGB | None = None
    ignore: bool = False


@dataclass(frozen=True)
class LabelSet:
    """The classes of masks, and what in a mask is no class.

    Attributes:
        classes: numbered 0, 1, 2, … in this order; at most 255.
        ignored: further entries, of other numbers.

    Raises:
        LabelError: no class, numbers with gaps or twice, names or colours twice, a colour that is none.
    """

    classes: tuple[Label, ...]
    ignored: tuple[Label, ...] = ()

    def __post_init__(self) -> None:
        every = (*self.classes, *self.ignored)
        indices = [label.index for label in self.classes]
        if not 1 <= len(indices) <= IGNORED or indices != list(range(len(indices))):
            raise LabelError(f"classes must be numbered 0, 1, 2, … without gaps, at most {IGNORED}, got {indices}")
        for label in every:
            if not 0 <= label.index <= 255:
                raise LabelError(f"label {label.name!r} has the index {label.index}: it must be 0 to 255")
            if label.rgb is None and not label.ignore:
                raise LabelError(f"label {label.name!r} has no rgb; only an ignored one may have none")
            if label.rgb is not None and not all(0 <= value <= 255 for value in label.rgb):
                raise LabelError(f"label {label.name!r} has the rgb {list(label.rgb)}: values must be 0 to 255")
        _require_once("index", [label.index for label in every])
        _require_once("name", [label.name for label in every])
        _require_once("rgb", [label.rgb for label in every if label.rgb is not None])

    def __len__(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the classes, in order."""
        return tuple(label.name for label in self.classes)

    @property
    def numbers(self) -> str:
        """In words, which numbers a mask may have."""
        also = "".join(f" and {label.index} ({label.name})" for label in self.ignored)
        return f"0 to {len(self) - 1}{also}"

    @property
    def palette(self) -> list[tuple[RGB, int]]:
        """Every colour with what it means: the number of a class, or :data:`IGNORED`."""
        pairs = [(label.rgb, IGNORED if label.ignore else label.index) for label in (*self.classes, *self.ignored)]
        return [(rgb, number) for rgb, number in pairs if rgb is not None]

    def record(self) -> dict[str, Any]:
        """What :meth:`from_record` makes this label set of again."""
        return {"classes": [_entry(label) for label in (*self.classes, *self.ignored)]}

    @classmethod
    def from_record(cls, record: Any, name: str = "the label set") -> "LabelSet":
        """A label set from what a file holds.

        ``classes`` is a list of entries with ``index``, ``name``, ``rgb`` and, where pixels of it count as not
        labelled, ``ignore: true``. ``ignore_index`` at the top is short for one more of these, black if nothing else
        is. Other keys are left alone.

        Args:
            name: how messages call it.

        Raises:
            LabelError: something is missing or wrong; see the class.
        """
        if not isinstance(record, Mapping) or not isinstance(record.get("classes"), list):
            raise LabelError(f"{name} must have a list 'classes' of entries with index, name and rgb")
        try:
            labels = [_label(entry) for entry in record["classes"]]
            shorthand = record.get("ignore_index")
            if shorthand is not None and shorthand not in [label.index for label in labels if label.ignore]:
                colour = {} if BLACK in [label.rgb for label in labels] else {"rgb": BLACK}
                labels.append(_label({"index": shorthand, "name": "ignored", "ignore": True, **colour}))
            classes = sorted((label for label in labels if not label.ignore), key=lambda label: label.index)
            return cls(tuple(classes), tuple(label for label in labels if label.ignore))
        except LabelError as error:
            raise LabelError(f"{name}: {error}") from error

    @classmethod
    def load(cls, path: str | Path) -> "LabelSet":
        """A label set from a YAML or JSON file.

        Raises:
            LabelError: no file, no YAML, or see :meth:`from_record`.
        """
        try:
            record = yaml.safe_load(Path(path).read_bytes())  # JSON is YAML
        except OSError as error:
            raise LabelError(f"label set {path} cannot be read: {error.strerror or error}") from error
        except yaml.YAMLError as error:
            reason = " ".join(str(error).split())
            raise LabelError(f"label set {path} is neither YAML nor JSON: {reason}") from error
        return cls.from_record(record, f"label set {path}")

    def save(self, path: str | Path) -> Path:
        """Writes the label set as a YAML file that :meth:`load` reads, in full or not at all.

        Raises:
            LabelError: it cannot be written.
        """
        text = yaml.safe_dump(self.record(), sort_keys=False, default_flow_style=None, allow_unicode=True)
        try:
            write_whole(Path(path), text.encode())
        except OSError as error:
            raise LabelError(f"label set {path} cannot be written: {error.strerror or error}") from error
        return Path(path)


def _label(entry: Any) -> Label:
    if not isinstance(entry, Mapping):
        raise LabelError(f"every class must be an entry with index, name and rgb, got {entry!r}")
    index, name, rgb, ignore = (entry.get(key) for key in ("index", "name", "rgb", "ignore"))
    if not _is_number(index):
        raise LabelError(f"every class needs a whole number as its index, got {index!r} in {dict(entry)}")
    if not isinstance(name, str) or not name:
        raise LabelError(f"class {index} needs a name, got {name!r}")
    if rgb is not None and not (isinstance(rgb, list | tuple) and len(rgb) == 3 and all(map(_is_number, rgb))):
        raise LabelError(f"class {name!r} needs three whole numbers as its rgb, got {rgb!r}")
    return Label(index, name, None if rgb is None else (rgb[0], rgb[1], rgb[2]), bool(ignore))


def _entry(label: Label) -> dict[str, Any]:
    colour = {} if label.rgb is None else {"rgb": list(label.rgb)}
    return {"index": label.index, "name": label.name, **colour, **({"ignore": True} if label.ignore else {})}


def _is_number(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _require_once(what: str, values: Sequence[Any]) -> None:
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise LabelError(f"two labels have the same {what}, {list(twice) if isinstance(twice, tuple) else twice!r}")

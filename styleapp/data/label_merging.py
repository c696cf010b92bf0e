"""Classes of a label set that count as others: for those that are too rare, or that nothing can be learned of."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from styleapp.data.labels import IGNORED, LabelError, LabelSet
from styleapp.data.mask_colours import Numbers

__all__ = ["Merging", "merge_labels"]


class Merging(NamedTuple):
    """A smaller label set, and what the numbers of the larger one are in it.

    Attributes:
        labels: the classes that are left, numbered anew in their old order; what is ignored stays.
        numbers: for each number from 0 to 255 in a mask that was read with the larger set, the one in the smaller.
    """

    labels: LabelSet
    numbers: Numbers


def merge_labels(labels: LabelSet, merged: Mapping[str, str]) -> Merging:
    """A label set without some of its classes.

    Args:
        merged: name of a class that goes, and name of the class that its pixels belong to from now on, or of an
            ignored entry.

    Raises:
        LabelError: a name that the label set does not have, or a class that goes itself as the aim of another.
    """
    every = {label.name: label for label in (*labels.classes, *labels.ignored)}
    for gone, into in merged.items():
        if gone not in labels.names:
            raise LabelError(f"{gone!r} cannot be merged: the classes are {', '.join(labels.names)}")
        if into not in every or into in merged:
            left = ", ".join(name for name in every if name not in merged)
            raise LabelError(f"{gone!r} cannot be merged into {into!r}: what is left is {left}")
    kept = [label for label in labels.classes if label.name not in merged]
    smaller = LabelSet(tuple(replace(label, index=number) for number, label in enumerate(kept)), labels.ignored)
    places = {label.name: label.index for label in smaller.classes}
    numbers = np.full(256, IGNORED, dtype=np.uint8)
    for label in labels.classes:
        numbers[label.index] = places.get(merged.get(label.name, label.name), IGNORED)
    return Merging(smaller, numbers)

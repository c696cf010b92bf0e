"""Classes that count as others: names, numbers, and what is said of names that are not there."""

import numpy as np
import pytest

from styleapp.data.label_merging import merge_labels
from styleapp.data.labels import IGNORED, Label, LabelError, LabelSet

NAMES = ("sky", "flower", "grass", "person", "object")
CLASSES = tuple(Label(number, name, (number, 0, 0)) for number, name in enumerate(NAMES))
LABELS = LabelSet(CLASSES, (Label(255, "unlabelled", (0, 0, 9), ignore=True),))


def test_numbers_follow_the_names() -> None:
    labels, numbers = merge_labels(LABELS, {"flower": "grass", "person": "object"})
    assert labels.names == ("sky", "grass", "object") and labels.ignored == LABELS.ignored
    assert [label.rgb for label in labels.classes] == [(0, 0, 0), (2, 0, 0), (4, 0, 0)]
    assert numbers[np.array([0, 1, 2, 3, 4, 255])].tolist() == [0, 1, 1, 2, 2, IGNORED]


def test_a_class_can_be_dropped() -> None:
    labels, numbers = merge_labels(LABELS, {"person": "unlabelled"})
    assert labels.names == ("sky", "flower", "grass", "object")
    assert numbers[:5].tolist() == [0, 1, 2, IGNORED, 3]


def test_nothing_merged_changes_nothing() -> None:
    labels, numbers = merge_labels(LABELS, {})
    assert labels == LABELS and numbers[:5].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("merged", "message"),
    [
        ({"cow": "grass"}, "'cow' cannot be merged: the classes are sky, flower, grass, person, object"),
        ({"unlabelled": "grass"}, "'unlabelled' cannot be merged"),
        ({"flower": "meadow"}, "'flower' cannot be merged into 'meadow': what is left is sky, grass"),
        ({"flower": "grass", "grass": "object"}, "'flower' cannot be merged into 'grass'"),
        ({"sky": "sky"}, "'sky' cannot be merged into 'sky'"),
    ],
)
def test_names_must_be_there(merged: dict[str, str], message: str) -> None:
    with pytest.raises(LabelError, match=message):
        merge_labels(LABELS, merged)

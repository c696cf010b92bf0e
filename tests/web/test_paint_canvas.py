"""Label maps to what the canvas shows, and what it hands over to label maps."""

import numpy as np
import pytest

from styleapp.pipelines.label_maps import IGNORED, LabelSet
from styleapp.web.paint_canvas import LARGEST_MAP, painted_map, shown_map

ENTRIES = [{"index": 0, "name": "sky", "rgb": [1, 2, 3]}, {"index": 1, "name": "tree", "rgb": [4, 5, 6]}]
LABELS = LabelSet.from_record({"classes": ENTRIES, "ignore_index": 255})


def test_map_is_told_row_by_row() -> None:
    numbers = np.array([[0, 0, 1], [1, 1, IGNORED]], dtype=np.uint8)
    shown = shown_map("town", numbers, LABELS)
    assert (shown["network"], shown["map"]) == ("town", "3x2 0:2 1:3 255:1")
    assert [entry["name"] for entry in shown["legend"]] == ["sky", "tree", "no label"]


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (64, 48), (LARGEST_MAP, 3)])
def test_map_comes_back(shape: tuple[int, int]) -> None:
    numbers = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    network, found = painted_map(shown_map("town", numbers, LABELS))
    assert network == "town" and found.dtype == np.uint8
    np.testing.assert_array_equal(found, numbers)


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (None, "There is no label map yet"),
        ("", "There is no label map yet"),
        ({}, "There is no label map yet"),
        ({"map": "2x2 0:4"}, "There is no label map yet"),
        ({"map": "2x2", "network": "town"}, "There is no label map yet"),
        ({"map": "2x2 0:4\n", "network": "town"}, "There is no label map yet"),
        ({"map": "2x2 0:3", "network": "town"}, "damaged"),
        ({"map": "2x2 0:3 1:2", "network": "town"}, "damaged"),
        ({"map": "2x2 256:4", "network": "town"}, "damaged"),
        ({"map": "0x4 0:0", "network": "town"}, "at most 1024×1024 pixels, this one is 0×4"),
        ({"map": "99999x99999 0:9999999", "network": "town"}, "at most 1024×1024 pixels, this one is 99999×99999"),
    ],
)
def test_what_is_no_map_is_refused(value: object, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        painted_map(value)

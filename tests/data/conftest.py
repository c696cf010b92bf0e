"""A label set and a mask for the tests of masks."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from styleapp.data.labels import IGNORED, LabelError, LabelSet
from styleapp.data.masks import read_mask

NAMES = ("background", "facade", "window", "door")
COLOURS = ((0, 0, 220), (0, 48, 250), (0, 124, 252), (0, 202, 252))
"""Half way from a facade to a door is a window."""


def _label_set(**more: Any) -> LabelSet:
    colours = enumerate(zip(NAMES, COLOURS, strict=True))
    entries = [{"index": index, "name": name, "rgb": list(colour)} for index, (name, colour) in colours]
    return LabelSet.from_record({"classes": entries, **more})


@pytest.fixture(scope="session")
def labels() -> LabelSet:
    """Background, facade, window and door; 255 and black are ignored."""
    return _label_set(ignore_index=255)


@pytest.fixture(scope="session")
def strict_labels() -> LabelSet:
    """The same, but every pixel must have a label."""
    return _label_set()


@pytest.fixture
def numbers() -> np.ndarray:
    """A facade with a round door, a window and a hole, on a background: 60×40."""
    image = Image.new("L", (60, 40))
    draw = ImageDraw.Draw(image)
    draw.rectangle((10, 5, 50, 39), fill=1)
    draw.ellipse((15, 10, 35, 30), fill=3)
    draw.rectangle((38, 10, 46, 18), fill=2)
    draw.rectangle((0, 0, 5, 5), fill=IGNORED)
    return np.array(image)


def _refusal(source: Any, labels: LabelSet) -> str:
    with pytest.raises(LabelError) as caught:
        read_mask(source, labels)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(scope="session")
def refusal() -> Callable[[Any, LabelSet], str]:
    """What is said of a mask that cannot be read: ``refusal(source, labels)``."""
    return _refusal

"""Small pictures of styles: the landscape in the style that is asked for, and the way into a card and back."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from styleapp.checkpoint import load_network
from styleapp.models.multistyle import NamedStylizer
from styleapp.thumbnails import SIDE, from_text, jpeg, thumbnail, to_text


@pytest.fixture(scope="module")
def network(named_checkpoint: Path) -> NamedStylizer:
    loaded, _, _ = load_network(named_checkpoint)
    assert isinstance(loaded, NamedStylizer)
    return loaded


def _values(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def test_each_style_looks_like_itself(network: NamedStylizer) -> None:
    wave, night = (thumbnail(network, name) for name in ("wave", "night"))
    assert (wave.mode, wave.size) == ("RGB", (SIDE, SIDE))
    assert np.abs(_values(wave) - _values(night)).mean() > 5
    assert thumbnail(network, network.code("wave")).tobytes() == wave.tobytes()


def test_text_and_back(network: NamedStylizer) -> None:
    drawn = thumbnail(network, "scream")
    text = to_text(drawn)
    assert text.isascii() and len(text) < 40_000
    assert np.abs(_values(from_text(text)) - _values(drawn)).mean() < 8  # of 255: JPEG
    assert jpeg(drawn)[:2] == b"\xff\xd8"

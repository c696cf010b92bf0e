"""The generated landscape: repeatable, of any size, and with what a photo has."""

import numpy as np
import pytest

from styleapp.data.synthetic.scene import scene


def test_same_seed_same_picture() -> None:
    assert scene(96, seed=1).tobytes() == scene(96, seed=1).tobytes()
    assert scene(96, seed=1).tobytes() != scene(96, seed=2).tobytes()


@pytest.mark.parametrize("size", [48, 75, 200])
def test_is_square_rgb_with_light_dark_and_colours(size: int) -> None:
    image = scene(size)
    assert (image.mode, image.size) == ("RGB", (size, size))
    values = np.asarray(image).astype(float) / 255
    assert values.min() < 0.25 and values.max() > 0.9
    sky, meadow = values[: size // 4].mean((0, 1)), values[-size // 12 :].mean((0, 1))
    assert sky[2] > sky[0] and meadow[1] > max(meadow[0], meadow[2])  # blue, green


def test_composition_does_not_depend_on_size() -> None:
    small, large = (np.asarray(scene(size).resize((24, 24)), float) for size in (96, 288))
    assert np.abs(small - large).mean() < 12  # of 255

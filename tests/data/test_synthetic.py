"""The sample styles: what each picture must be, whatever its technique."""

import numpy as np
import pytest
from PIL import Image

from styleapp.data.synthetic import SAMPLE_STYLES, sample_style

SIZE = 160
NAMES = sorted(SAMPLE_STYLES)


@pytest.fixture(scope="module")
def drawn() -> dict[str, Image.Image]:
    return {name: sample_style(name, SIZE, seed=0) for name in NAMES}


def grey(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L"), np.float64) / 255


def high_frequencies(image: Image.Image) -> float:
    """Root mean square of what a 5×5 mean takes away: fine strokes."""
    values = grey(image)
    windows = np.lib.stride_tricks.sliding_window_view(values, (5, 5))
    return float(np.sqrt(np.mean((values[2:-2, 2:-2] - windows.mean(axis=(-1, -2))) ** 2)))


def low_frequencies(image: Image.Image) -> float:
    """Deviation of an 8×8 thumbnail over its colours: large shapes."""
    return float(np.asarray(image.resize((8, 8), Image.Resampling.BOX), np.float64).std(axis=(0, 1)).max() / 255)


def most_common_share(image: Image.Image) -> float:
    """Share of the pixels with the most frequent colour, of 16 levels a channel."""
    levels = np.asarray(image).astype(np.int64) // 16
    counts = np.bincount((levels @ [256, 16, 1]).ravel())
    return float(counts.max() / counts.sum())


def flat_share(image: Image.Image) -> float:
    """Share of 16×16 blocks that are all but one grey."""
    blocks = grey(image).reshape(SIZE // 16, 16, SIZE // 16, 16)
    return float(np.mean(blocks.std(axis=(1, 3)) < 0.01))


def test_there_are_at_least_ten_with_names_and_titles_of_their_own():
    assert len(SAMPLE_STYLES) >= 10
    assert all(name == style.name for name, style in SAMPLE_STYLES.items())
    assert len({style.title for style in SAMPLE_STYLES.values()}) == len(SAMPLE_STYLES)


@pytest.mark.parametrize("name", NAMES)
def test_is_square_rgb_of_the_size_asked_for(drawn, name):
    assert (drawn[name].mode, drawn[name].size) == ("RGB", (SIZE, SIZE))
    odd = sample_style(name, 75, seed=2)
    assert (odd.mode, odd.size) == ("RGB", (75, 75))


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_pixels_other_seed_other_pixels(drawn, name):
    assert sample_style(name, SIZE, seed=0).tobytes() == drawn[name].tobytes()
    first, other = (np.asarray(image, np.float64) for image in (drawn[name], sample_style(name, SIZE, seed=1)))
    assert np.abs(first - other).mean() > 8


@pytest.mark.parametrize("name", NAMES)
def test_draws_no_numbers_from_the_global_generator(name):
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    sample_style(name, 48)
    assert np.array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("name", NAMES)
def test_composition_does_not_depend_on_the_size(drawn, name):
    small, large, other = (
        np.asarray(image.resize((10, 10), Image.Resampling.BOX), np.float64)
        for image in (drawn[name], sample_style(name, 2 * SIZE, seed=0), sample_style(name, 2 * SIZE, seed=4))
    )
    assert np.abs(small - large).mean() < 0.6 * np.abs(small - other).mean()


@pytest.mark.parametrize("name", NAMES)
def test_is_rich_at_stroke_scale_and_at_large(drawn, name):
    image = drawn[name]
    assert np.asarray(image).std() / 255 > 0.15
    assert high_frequencies(image) > 0.05
    assert low_frequencies(image) > 0.06
    assert most_common_share(image) < 0.2
    assert flat_share(image) < 0.02


def test_the_measures_reject_poor_pictures():
    flat = Image.new("RGB", (SIZE, SIZE), (90, 120, 200))
    assert high_frequencies(flat) < 0.001
    assert flat_share(flat) == most_common_share(flat) == 1
    ramp = Image.fromarray(np.linspace(0, 255, SIZE).astype(np.uint8)[None].repeat(SIZE, 0)).convert("RGB")
    assert high_frequencies(ramp) < 0.05
    speckle = Image.fromarray(np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8), "RGB")
    assert low_frequencies(speckle) < 0.06


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="fresco") as caught:
        sample_style("fresco")
    assert all(name in str(caught.value) for name in NAMES)


@pytest.mark.parametrize(("size", "seed", "word"), [(8, 0, "pixels"), (64, -1, "seed")])
def test_size_and_seed_are_checked(size, seed, word):
    with pytest.raises(ValueError, match=word):
        sample_style(NAMES[0], size, seed)

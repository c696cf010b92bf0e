"""Ready-made label maps: repeatable, of any size, with the classes that they should have and no others."""

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from styleapp.data.labels import LabelSet
from styleapp.data.mask_colours import Numbers
from styleapp.data.synthetic.layouts import LAYOUTS, layout, layouts_for, random_layout

FACADE = [
    "background", "facade", "window", "door", "cornice", "sill", "balcony", "blind", "deco", "molding",
    "pillar", "shop",
]  # fmt: skip
LAND = ["sky", "tree", "grass", "water", "mountain", "road", "building", "ground", "snow", "animal", "vehicle"]


def _set(names: Sequence[str]) -> LabelSet:
    entries = [{"index": i, "name": name, "rgb": [i, 255 - i, 7 * i]} for i, name in enumerate(names)]
    return LabelSet.from_record({"classes": entries, "ignore_index": 255})


HOUSES, LANDSCAPES = _set(FACADE), _set(LAND)
READY = [(name, labels) for labels in (HOUSES, LANDSCAPES) for name in layouts_for(labels)]


def _share(numbers: Numbers, labels: LabelSet, *names: str) -> float:
    return float(np.isin(numbers, [labels.names.index(name) for name in names]).mean())


def _names(numbers: Numbers, labels: LabelSet) -> set[str]:
    return {labels.names[number] for number in np.unique(numbers)}


def test_every_layout_fits_one_of_the_shipped_label_sets() -> None:
    houses, landscapes = layouts_for(HOUSES), layouts_for(LANDSCAPES)
    assert (*houses, *landscapes) == tuple(LAYOUTS)
    assert len(houses) >= 4 and len(landscapes) >= 4
    assert layouts_for(_set(["cat", "dog"])) == ()
    assert layouts_for(_set(["sky", "grass", "water"])) == ("lake", "meadow", "river valley")


@pytest.mark.parametrize(("name", "labels"), READY)
def test_drawn_classes(name: str, labels: LabelSet) -> None:
    numbers = layout(name, labels)
    assert numbers.shape == (256, 256) and numbers.dtype == np.uint8
    assert LAYOUTS[name].needs <= _names(numbers, labels)
    assert _share(numbers, labels, labels.names[0]) < 0.6  # not one class of everything


@pytest.mark.parametrize(("name", "labels"), [*READY, (None, HOUSES), (None, LANDSCAPES), (None, _set("abcde"))])
def test_the_seed_decides(name: str | None, labels: LabelSet) -> None:
    def drawn(seed: int) -> bytes:
        numbers = layout(name, labels, (64, 64), seed) if name else random_layout(labels, (64, 64), seed)
        return numbers.tobytes()

    assert drawn(3) == drawn(3)
    assert len({drawn(seed) for seed in range(6)}) >= 5


@pytest.mark.parametrize("size", [(32, 32), (33, 70), (70, 33), (100, 100), (320, 96)])
@pytest.mark.parametrize(("name", "labels"), READY)
def test_any_size(name: str, labels: LabelSet, size: tuple[int, int]) -> None:
    numbers = layout(name, labels, size, seed=1)
    assert numbers.shape == size and numbers.max() < len(labels)
    assert LAYOUTS[name].needs - {"shop"} <= _names(numbers, labels)


@pytest.mark.parametrize(("name", "labels"), READY)
def test_the_composition_does_not_depend_on_the_size(name: str, labels: LabelSet) -> None:
    large = Image.fromarray(layout(name, labels, (384, 384), seed=2)).resize((128, 128), Image.Resampling.NEAREST)
    assert (np.asarray(large) == layout(name, labels, (128, 128), seed=2)).mean() > 0.93


@pytest.mark.parametrize("labels", [HOUSES, LANDSCAPES])
def test_random_ones_keep_their_composition_too(labels: LabelSet) -> None:
    for seed in range(20):
        large = Image.fromarray(random_layout(labels, (384, 384), seed)).resize((128, 128), Image.Resampling.NEAREST)
        assert (np.asarray(large) == random_layout(labels, (128, 128), seed)).mean() > 0.85, seed


def test_a_longer_side_has_room_for_more_windows() -> None:
    def windows(size: tuple[int, int]) -> int:
        row = layout("apartment block", HOUSES, size, seed=1)[round(0.36 * size[0])] == FACADE.index("window")
        return int((np.diff(row.astype(int)) == 1).sum())

    assert windows((256, 512)) == 2 * windows((256, 256)) > 0


def test_houses_are_as_mixed_as_real_ones() -> None:
    """Shares of pixels in the training masks of the CMP Facade Database; of ours within a factor of two and a half."""
    real = {"background": 0.228, "facade": 0.361, "window": 0.129, "balcony": 0.041, "molding": 0.089, "shop": 0.039}
    drawn = np.stack([random_layout(HOUSES, (96, 96), seed) for seed in range(150)])
    for name, share in real.items():
        assert share / 2.5 < _share(drawn, HOUSES, name) < share * 2.5, name
    assert _names(drawn, HOUSES) == set(FACADE)


def test_random_landscapes_have_everything_at_times() -> None:
    drawn = np.stack([random_layout(LANDSCAPES, (96, 96), seed) for seed in range(120)])
    shares = {name: _share(drawn, LANDSCAPES, name) for name in LAND}
    assert min(shares.values()) > 0.001 and max(shares.values()) < 0.5
    top, bottom = drawn[:, 0], drawn[:, -1]
    assert _share(top, LANDSCAPES, "sky") > 0.9
    assert _share(bottom, LANDSCAPES, "sky") == 0


@pytest.mark.parametrize("seed", range(8))
def test_animals_stand_on_land(seed: int) -> None:
    numbers = layout("meadow", LANDSCAPES, (256, 256), seed)
    feet = numbers == LAND.index("animal")
    below = np.zeros_like(feet)
    below[1:] = feet[:-1] & ~feet[1:]
    assert feet.any()
    assert not np.isin(numbers[below], [LAND.index("water"), LAND.index("sky")]).any()


@pytest.mark.parametrize(
    ("names", "known"),
    [
        (["background", "facade", "window"], 3),
        (["grass", "sky", "water"], 2),
        (["sky", "grass", "person"], 1),
    ],
)
def test_details_that_a_set_lacks_are_left_out(names: list[str], known: int) -> None:
    labels = _set(names)
    assert len(layouts_for(labels)) >= known
    for name in layouts_for(labels):
        assert layout(name, labels, (64, 64)).max() < len(names)
    for seed in range(10):
        assert random_layout(labels, (64, 64), seed).max() < len(names)


@pytest.mark.parametrize("names", [["only"], ["a", "b"], list("abcdefghij")])
def test_sets_of_other_things_get_areas(names: list[str]) -> None:
    labels = _set(names)
    drawn = np.stack([random_layout(labels, (64, 64), seed) for seed in range(5)])
    assert _names(drawn, labels) == set(names)


def test_a_set_with_both_gets_both() -> None:
    labels = _set([*FACADE, *LAND])
    first, second = ({*_names(random_layout(labels, (64, 64), seed), labels)} for seed in (0, 1))
    assert {"facade" in first, "facade" in second} == {"sky" in first, "sky" in second} == {True, False}


@pytest.mark.parametrize(
    ("name", "size", "seed", "message"),
    [
        ("castle", (64, 64), 0, "unknown layout 'castle'; known are town house, apartment block"),
        ("lake", (64, 64), 0, "layout 'lake' needs the classes grass, sky, water; the label set lacks them"),
        ("palace", (64, 31), 0, "a layout must be at least 32 pixels a side, got 31×64"),
        ("palace", (64, 64), -1, "the seed of a layout must be 0 or more, got -1"),
    ],
)
def test_what_cannot_be_drawn(name: str, size: tuple[int, int], seed: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        layout(name, HOUSES, size, seed)


def test_what_cannot_be_drawn_at_random() -> None:
    with pytest.raises(ValueError, match="at least 32 pixels a side, got 8×64"):
        random_layout(HOUSES, (64, 8))
    with pytest.raises(ValueError, match="0 or more, got -3"):
        random_layout(HOUSES, seed=-3)

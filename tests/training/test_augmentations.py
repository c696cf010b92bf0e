"""Changes of photo and picture: by hand, alike for the same random numbers, aligned with the map, with a gradient."""

import pytest
import torch
from torch import Tensor

from styleapp.training.augmentations import AUGMENTATIONS, Augmented, augment, draw_changes

SIDE = 16


@pytest.fixture
def both() -> Augmented:
    """Two pictures whose maps they are: planes of 0 and 1."""
    planes = (torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) < 0.5).float()
    return Augmented(planes, planes.clone())


def _drawn(*values: float) -> Tensor:
    return torch.tensor([values, values])


def _random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_same_random_numbers_same_change(both: Augmented, name: str) -> None:
    changes = draw_changes([name], 2, _random(1))
    first, again = augment(*both, changes), augment(*both, changes)
    assert torch.equal(first.picture, again.picture) and torch.equal(first.label_map, again.label_map)
    other = augment(*both, draw_changes([name], 2, _random(2)))
    assert not torch.equal(first.picture, other.picture)
    assert not torch.allclose(first.picture, both.picture)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_gradient_is_that_of_the_change(name: str) -> None:
    picture = torch.rand(2, 3, 5, 6, dtype=torch.double, generator=_random(), requires_grad=True)
    changes = {name: torch.rand(2, 3, dtype=torch.double, generator=_random(3))}
    label_map = torch.zeros(2, 1, 5, 6, dtype=torch.double)
    assert not augment(picture, label_map, changes).label_map.requires_grad
    assert torch.autograd.gradcheck(lambda x: augment(x, label_map, changes).picture, (picture,))


@pytest.mark.parametrize("name", ["translation", "cutout"])
def test_picture_and_map_stay_aligned(both: Augmented, name: str) -> None:
    """What comes in is grey without a label, everything else is where it is in the map."""
    for seed in range(6):
        picture, label_map = augment(*both, draw_changes([name], 2, _random(seed)))
        labelled = (picture - 0.5).abs() > 0.25
        torch.testing.assert_close(picture[labelled], label_map[labelled])
        torch.testing.assert_close(label_map[~labelled], torch.zeros_like(label_map[~labelled]))


def test_translation_by_hand(both: Augmented) -> None:
    """An eighth of 16 pixels to the right, one up."""
    picture, label_map = AUGMENTATIONS["translation"](both, _drawn(1.0, 0.25, 0.0))
    torch.testing.assert_close(picture[..., :-1, 2:], both.picture[..., 1:, :-2])
    torch.testing.assert_close(picture[..., :2], torch.full((2, 3, SIDE, 2), 0.5))
    torch.testing.assert_close(label_map[..., :-1, 2:], both.label_map[..., 1:, :-2])
    assert label_map[..., -1, :].abs().max() < 1e-6


def test_translation_of_an_oblong_is_a_share_of_each_side() -> None:
    oblong = Augmented(torch.rand(1, 3, 8, 32), torch.ones(1, 1, 8, 32))
    moved = AUGMENTATIONS["translation"](oblong, torch.ones(1, 3))
    torch.testing.assert_close(moved.picture[..., 1:, 4:], oblong.picture[..., :-1, :-4])


@pytest.mark.parametrize(("at", "hidden"), [(0.5, 64), (0.0, 16), (0.99999, 16)])
def test_cutout_by_hand(both: Augmented, at: float, hidden: int) -> None:
    """Half of 16 each way; at a corner a quarter of the square is inside."""
    picture, label_map = AUGMENTATIONS["cutout"](both, _drawn(at, at, 0.0))
    assert (picture == 0.5).all(1).sum((1, 2)).tolist() == [hidden, hidden]
    assert torch.equal(label_map == both.label_map, (picture != 0.5) | (both.label_map == 0))


def test_colours_by_hand(both: Augmented) -> None:
    colours = AUGMENTATIONS["colour"]
    picture = both.picture
    torch.testing.assert_close(colours(both, _drawn(0.5, 0.5, 0.5)).picture, picture)
    torch.testing.assert_close(colours(both, _drawn(0.9, 0.5, 0.5)).picture, picture + 0.2)
    grey = colours(both, _drawn(0.5, 0.0, 0.5)).picture
    weights = torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    torch.testing.assert_close(grey, (weights * picture).sum(1, keepdim=True).expand_as(picture))
    steep = colours(both, _drawn(0.5, 0.5, 1.0)).picture
    mean = picture.mean((1, 2, 3), keepdim=True)
    torch.testing.assert_close(steep, mean + 1.5 * (picture - mean))
    assert steep.max() > 1  # nothing is cut off: there the gradient would end
    assert colours(both, _drawn(0.9, 0.1, 0.9)).label_map is both.label_map


def test_each_picture_has_its_own_change(both: Augmented) -> None:
    same = Augmented(*(part[:1].expand(2, -1, -1, -1) for part in both))
    changed = augment(*same, draw_changes(list(AUGMENTATIONS), 2, _random()))
    assert not torch.allclose(changed.picture[0], changed.picture[1])


def test_nothing_asked_for_nothing_changed(both: Augmented) -> None:
    assert augment(*both, draw_changes([], 2, _random())).picture is both.picture

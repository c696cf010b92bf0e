"""Learning a style from one picture: only a row moves, it moves towards the style, and it can be stopped."""

from itertools import islice
from pathlib import Path

import pytest
import torch
from PIL import Image

from styleapp.checkpoint import load_network
from styleapp.models.multistyle import NamedStylizer
from styleapp.models.vgg import VGG19
from styleapp.norms import Code
from styleapp.pipelines import add_style
from styleapp.pipelines.add_style import learn_style, nearest_mixture
from styleapp.pipelines.images import to_tensor


@pytest.fixture(autouse=True)
def little_practice(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "CROP": 32,
        "PRACTICE": 6,
        "BATCH": 2,
        "PREVIEW_SIDE": 48,
        "MIXTURE_SIDE": 32,
        "SCORE_SIZE": 64,
    }.items():
        monkeypatch.setattr(add_style, name, value)


@pytest.fixture
def network(named_checkpoint: Path) -> NamedStylizer:
    loaded, _, _ = load_network(named_checkpoint)
    assert isinstance(loaded, NamedStylizer)
    return loaded


@pytest.fixture(scope="module")
def pictures(draw_photo, draw_style) -> tuple[Image.Image, list[Image.Image]]:
    return draw_style(80, 64), [draw_photo(80, 60, seed) for seed in range(2)]


def test_only_the_row_is_learned(network: NamedStylizer, vgg: VGG19, pictures) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    photo = to_tensor(pictures[1][0].resize((64, 48)))
    with torch.no_grad():
        known = network.render(photo, network.code("wave"))
    *_, last = learn_style(network, vgg, *pictures, steps=3)
    network.learn("stripes", last.code)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    with torch.no_grad():
        assert torch.equal(network.render(photo, network.code("wave")), known)
        assert not torch.allclose(network.render(photo, network.code("stripes")), known)
    assert all(parameter.grad is None for part in (network, vgg) for parameter in part.parameters())


def test_it_comes_nearer_to_the_style(network: NamedStylizer, vgg: VGG19, pictures) -> None:
    states = list(learn_style(network, vgg, *pictures, steps=12, learning_rate=0.05, from_mixture=False))
    distances = [state.style_distance for state in states[1:]]
    assert sum(distances[-3:]) < 0.9 * sum(distances[:3])


def test_states_have_steps_and_previews(network: NamedStylizer, vgg: VGG19, pictures) -> None:
    states = list(learn_style(network, vgg, *pictures, steps=5, preview_every=2))
    assert [(state.step, state.steps) for state in states] == [(step, 5) for step in range(6)]
    assert [state.step for state in states if state.preview is not None] == [0, 2, 4, 5]
    assert states[0].preview is not None and states[0].preview.size == (48, 48)
    width = sum(norm.num_features for norm in network.norms)
    assert all(state.code.gamma.shape == (1, width, 1, 1) for state in states)
    assert not torch.equal(states[1].code.gamma, states[2].code.gamma)


def test_it_can_be_stopped_and_repeated(network: NamedStylizer, vgg: VGG19, pictures) -> None:
    first, again = ([*islice(learn_style(network, vgg, *pictures, steps=9), 3)] for _ in range(2))
    assert torch.equal(first[2].code.gamma, again[2].code.gamma)
    assert first[2].step == 2


def test_a_style_that_the_network_has_is_its_own_mixture(network: NamedStylizer, vgg: VGG19, pictures) -> None:
    """Asked for the picture that one of its styles makes of a photo, the mixture is that style."""
    photo = to_tensor(pictures[1][0].resize((64, 48)))
    with torch.no_grad():
        painted = network.render(photo, network.code("night")).clamp(0, 1)
    mixture = nearest_mixture(network, vgg, photo, painted)
    assert set(mixture) == set(network.styles)
    assert sum(mixture.values()) == pytest.approx(1.0, abs=1e-5)
    assert mixture["night"] > 0.9


def test_learning_begins_with_the_mixture(network: NamedStylizer, vgg: VGG19, pictures) -> None:
    nearest, plain = (
        next(learn_style(network, vgg, *pictures, steps=1, from_mixture=choice)) for choice in (True, False)
    )
    assert torch.equal(plain.code.gamma, torch.ones_like(plain.code.gamma))
    assert isinstance(nearest.code, Code) and not torch.equal(nearest.code.beta, plain.code.beta)


def test_nothing_to_practise_on(network: NamedStylizer, vgg: VGG19, pictures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(add_style, "sample_photos", lambda: [])
    with pytest.raises(ValueError, match="no photo to practise on"):
        next(learn_style(network, vgg, pictures[0]))
    with pytest.raises(ValueError, match="steps must be at least 1, got 0"):
        next(learn_style(network, vgg, *pictures, steps=0))

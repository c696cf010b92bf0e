"""Pictures from label maps: the paper's sizes, any size of map, what map and style reach, and saving."""

import json

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, leaky_relu, pad

from styleapp.models.spade import SpadeBlock, SpadeGenerator, paper_generator, paper_stages
from styleapp.models.style_encoder import drawn_style, pooled_moments
from styleapp.norms import NormLayer, build_norm, switch_norms, switch_weight_norm
from styleapp.norms.weights import weight_norm_name

LABELS = 3
SMALL = {"stages": ((12,), (12, 8), (6,)), "hidden": 5, "latent": 4, "style_planes": 2, "style_widths": (6, 8)}


def _built(**options: object) -> SpadeGenerator:
    """Small, and with scales and shifts that differ, as if it had been trained."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = SpadeGenerator(LABELS, **{**SMALL, **options})  # type: ignore[arg-type]
        for norm in _norms(network):
            for parameter in norm.modulator.parameters():
                parameter.data.add_(torch.randn_like(parameter) / 5)
        network.to_rgb.weight.data.mul_(10)
    return network.eval()


def _norms(network: nn.Module) -> list[NormLayer]:
    return [module for module in network.modules() if isinstance(module, NormLayer)]


def _map(height: int, width: int, count: int = 1, seed: int = 0) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    numbers = torch.randint(LABELS, (count, -(-height // 4), -(-width // 4)), generator=random)
    numbers = numbers.repeat_interleave(4, 1).repeat_interleave(4, 2)[:, :height, :width]
    return nn.functional.one_hot(numbers, LABELS).permute(0, 3, 1, 2).float()


def _z(count: int = 1, seed: int = 1) -> Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def network() -> SpadeGenerator:
    return _built().requires_grad_(False)


# Sizes


@pytest.mark.parametrize(
    ("labels", "enlargements", "count"), [(184, 5, 97_480_899), (151, 5, 96_492_483), (36, 6, 93_048_003)]
)
def test_parameters_of_the_paper(labels: int, enlargements: int, count: int) -> None:
    """COCO-Stuff, ADE20K and Cityscapes (specification, section 7c)."""
    with torch.device("meta"):
        network = paper_generator(labels, enlargements=enlargements, weight_norm="none")
    assert sum(parameter.numel() for parameter in network.parameters()) == count
    assert network.stride == 2**enlargements


def test_paper_has_five_six_or_seven_enlargements() -> None:
    assert paper_stages(8, 7) == ((128,), (128,), (128,), (64,), (32,), (16,), (8,), (4,))
    assert len(paper_stages(8, 6)) == 7
    with pytest.raises(ValueError, match="5, 6 or 7 enlargements, not 4"):
        paper_stages(8, 4)


@pytest.mark.parametrize("labels", [12, 14])
def test_default_is_compact(labels: int) -> None:
    with torch.device("meta"):
        network = SpadeGenerator(labels, weight_norm="none")
    count = sum(tensor.numel() for tensor in network.state_dict().values())
    assert count < 2.7e6
    assert 2 * count <= 10e6  # bytes in half precision
    assert network.style_encoder is not None


@pytest.mark.parametrize("size", [(16, 16), (8, 24), (4, 4), (1, 1), (13, 30)])
def test_picture_has_the_size_of_the_map(network: SpadeGenerator, size: tuple[int, int]) -> None:
    picture = network(_map(*size, count=2), _z(2))
    assert picture.shape == (2, 3, *size)
    assert 0 <= picture.min() < picture.max() <= 1


def test_other_sizes_are_continued_and_cut_off(network: SpadeGenerator) -> None:
    label_map = _map(13, 18)
    continued = pad(label_map, (0, 2, 0, 3), mode="replicate")
    assert torch.equal(network(label_map, _z()), network(continued, _z())[..., :13, :18])


# What a block computes


def _zeroed(norm: NormLayer) -> None:
    for parameter in norm.modulator.parameters():
        nn.init.zeros_(parameter)


@pytest.mark.parametrize(("width", "middle"), [(4, 4), (7, 6)])
def test_block_by_hand(width: int, middle: int) -> None:
    """Without scales and shifts the norms are plain ones."""
    torch.manual_seed(0)
    block = SpadeBlock(width, middle, lambda w: build_norm("instance", w, modulator="mask", num_labels=LABELS), "none")
    for norm in _norms(block):
        _zeroed(norm)
    x = torch.randn(2, width, 8, 8)

    def branch(y: Tensor, conv: nn.Conv2d) -> Tensor:
        return conv2d(leaky_relu(nn.functional.instance_norm(y), 0.2), conv.weight, conv.bias, padding=1)

    kept = x
    if block.shortcut is not None:
        assert block.shortcut.bias is None
        kept = conv2d(nn.functional.instance_norm(x), block.shortcut.weight)
    expected = kept + branch(branch(x, block.first), block.second)
    torch.testing.assert_close(block(x, _map(8, 8, 2)), expected, rtol=1e-4, atol=1e-5)
    assert (block.shortcut is None) == (width == middle)
    assert block.first.out_channels == min(width, middle)


def test_spectral_norm_is_on_the_convolutions_of_blocks_alone() -> None:
    network = _built(style_widths=())
    names = {name: weight_norm_name(conv) for name, conv in network.named_modules() if isinstance(conv, nn.Conv2d)}
    for name, found in names.items():
        of_block = name.startswith("stages") and "modulator" not in name
        assert found == ("spectral_norm" if of_block else "none"), name


# What map and style reach


def test_samples_do_not_mix(network: SpadeGenerator) -> None:
    maps, styles = _map(16, 16, 3), _z(3)
    alone = torch.cat([network(maps[i : i + 1], styles[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(network(maps, styles), alone)


def test_map_decides_on_the_picture(network: SpadeGenerator) -> None:
    label_map = _map(32, 32)
    picture = network(label_map, _z())
    assert torch.equal(network(label_map, _z()), picture)
    assert (network(label_map.roll(1, 1), _z()) - picture).abs().mean() > 0.01


def test_no_style_is_the_mean_style(network: SpadeGenerator) -> None:
    label_map = _map(16, 16)
    assert torch.equal(network(label_map), network(label_map, torch.zeros(1, 4)))
    torch.testing.assert_close(network(_map(16, 16, 2), _z()), network(_map(16, 16, 2), _z().repeat(2, 1)))


@pytest.mark.parametrize("normalizer", ["batch", "instance"])
@pytest.mark.parametrize("muted", [slice(0, 12), slice(12, None)], ids=["through the norms", "at the start"])
def test_style_is_heard_in_two_ways(normalizer: str, muted: slice) -> None:
    """At the start alone instance norms would silence it."""
    network = _built(normalizer=normalizer)
    assert network.style is not None
    with torch.no_grad():
        network.style.weight[muted], network.style.bias[muted] = 0, 0
        difference = (network(_map(16, 16), _z()) - network(_map(16, 16), -_z())).abs().mean()
    heard = normalizer == "batch" or muted.start == 0
    assert (difference > 1e-3) == heard


def test_pixel_without_label_is_like_no_class(network: SpadeGenerator) -> None:
    label_map = _map(16, 16)
    label_map[..., 4:12, 4:12] = 0
    picture = network(label_map, _z())
    for number in range(LABELS):
        filled = label_map.clone()
        filled[:, number, 4:12, 4:12] = 1
        assert (network(filled, _z()) - picture)[..., 6:10, 6:10].abs().mean() > 0.01


@pytest.mark.parametrize("normalizer", ["batch", "layer", "instance", "group", "none", "l1_batch"])
def test_gradients_reach_every_parameter(normalizer: str) -> None:
    network = _built(normalizer=normalizer).train()
    assert network.style_encoder is not None
    style = drawn_style(*network.style_encoder(torch.rand(2, 3, 20, 20)), _z(2))
    network(_map(16, 16, 2), style).square().mean().backward()
    silent = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert not silent
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())  # type: ignore[union-attr]


# Label numbers instead of a map


def _mask(height: int, width: int, seed: int = 0) -> Tensor:
    """Numbers of :func:`_map`, with a corner that has no label."""
    mask = _map(height, width, seed=seed)[0].argmax(0).to(torch.uint8)
    mask[: height // 3, : width // 3] = 255
    return mask


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"weight_norm": "none", "style_planes": 0},
        {"latent": 0, "style_widths": ()},
        {"kernel": 3},
        {"normalizer": "instance"},
        {"stages": ((6, 4),)},
    ],
    ids=["default", "no planes", "no style", "wide", "instance", "one size"],
)
def test_numbers_give_the_picture_of_their_map(options: dict[str, object], layout: torch.memory_format) -> None:
    network = _built(**options).to(memory_format=layout)
    for norm in _norms(network):
        for name, buffer in norm.named_buffers():
            if name.endswith(("mean", "var")):
                buffer.uniform_(0.3, 2)
    z = _z() if network.latent else None
    # Planes of few pixels hardly vary, and of those instance norms enlarge the rounding, one after the other.
    smallest = () if options.get("normalizer") == "instance" else ((4, 4), (1, 1))
    for size in ((40, 24), (13, 30), *smallest):
        mask = _mask(*size)
        with torch.no_grad():
            expected = network((mask == torch.arange(LABELS)[:, None, None]).float()[None], z)
        picture = network.paint(mask, z)
        assert picture.shape == (1, 3, *size)
        assert expected.std() > 0.01
        torch.testing.assert_close(picture, expected, rtol=0, atol=1e-5)


def test_numbers_are_looked_up(network: SpadeGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    """By no modulator as a map of the picture's size: that is what takes time."""
    expected = network.paint(_mask(16, 16), _z())

    def refuse(*_: object) -> None:
        raise AssertionError("a norm went the ordinary way")

    for norm in _norms(network):
        monkeypatch.setattr(norm.modulator, "make_code", refuse)
    assert torch.equal(network.paint(_mask(16, 16), _z()), expected)


def test_numbers_need_no_gradient_and_no_style() -> None:
    network = _built()
    assert not network.paint(_mask(16, 16), _z()).requires_grad
    assert torch.equal(network.paint(_mask(16, 16)), network.paint(_mask(16, 16), torch.zeros(1, 4)))


def test_numbers_on_other_devices() -> None:
    """There the map is what is painted."""
    network = _built().to("meta")
    assert network.paint(_mask(13, 30).to("meta")).shape == (1, 3, 13, 30)


# Saving and switching


def test_options_build_the_same_network(network: SpadeGenerator) -> None:
    other = SpadeGenerator(**json.loads(json.dumps(network.options()))).eval()
    other.load_state_dict(network.state_dict())
    assert other.options() == network.options()
    assert torch.equal(other(_map(16, 16), _z()), network(_map(16, 16), _z()))


def test_plain_weights_compute_the_same_and_are_in_the_options() -> None:
    network = _built().requires_grad_(False)
    before = network(_map(16, 16), _z())
    switch_weight_norm(network, "none")
    torch.testing.assert_close(network(_map(16, 16), _z()), before)
    assert network.options()["weight_norm"] == "none"
    assert set(SpadeGenerator(**network.options()).state_dict()) == set(network.state_dict())


def test_normalizer_can_be_switched(network: SpadeGenerator) -> None:
    other = _built().requires_grad_(False)
    assert len(switch_norms(other, "group", groups=2)) == len(_norms(network))
    assert (other(_map(16, 16), _z()) - network(_map(16, 16), _z())).abs().mean() > 1e-3


# Bad input


@pytest.mark.parametrize("shape", [(1, 4, 8, 8), (3, 8, 8), (1, 3, 0, 8), (0, 3, 8, 8)])
def test_map_of_another_shape(network: SpadeGenerator, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a label map must be N×3×H×W, got"):
        network(torch.zeros(shape))


@pytest.mark.parametrize("mask", [torch.zeros(8, 8), torch.zeros(1, 8, 8).long(), torch.zeros(0, 8).long()])
def test_numbers_of_another_shape(network: SpadeGenerator, mask: Tensor) -> None:
    with pytest.raises(ValueError, match="a mask must be H×W whole numbers, got"):
        network.paint(mask)


@pytest.mark.parametrize("shape", [(1, 5), (3, 4), (4,)])
def test_style_of_another_shape(network: SpadeGenerator, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a style for 2 maps must be 2×4, got"):
        network(_map(8, 8, 2), torch.zeros(shape))


def test_style_where_there_is_none() -> None:
    network = _built(latent=0, style_widths=())
    assert network(_map(8, 8)).shape == (1, 3, 8, 8)
    for given in (network, network.paint):
        with pytest.raises(ValueError, match="this generator has no style"):
            given(_map(8, 8) if given is network else _mask(8, 8), _z())
    with pytest.raises(ValueError, match="a style encoder needs a style"):
        _built(latent=0)


@pytest.mark.parametrize("stages", [(), ((8,), ())])
def test_stage_without_a_block(stages: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(ValueError, match="every stage needs the width of one block"):
        _built(stages=stages)


def test_unknown_names() -> None:
    with pytest.raises(ValueError, match="unknown normalizer 'spade'; known are"):
        _built(normalizer="spade")
    with pytest.raises(ValueError, match="no weight normalization 'spectral'; known are"):
        _built(weight_norm="spectral")


# Styles that seeds draw


def test_seeds_draw_what_photos_have() -> None:
    """Whitened styles are painted as before, and the photos' own have mean 0 and the unit as their covariance."""
    before, after = _built(), _built()
    assert before.style_encoder is not None and after.style_encoder is not None
    photos = torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        means, log_variances = before.style_encoder(photos)
        mean, covariance = pooled_moments(means, log_variances)
        torch.testing.assert_close(mean, means.mean(0))
        expected = torch.cov(means.T) + torch.diag(log_variances.exp().mean(0))
        torch.testing.assert_close(covariance, expected)
        after.draw_from(mean, covariance)
        white, _ = after.style_encoder(photos)
        label_map = _map(16, 16, count=40)
        torch.testing.assert_close(after(label_map, white), before(label_map, means), rtol=1e-4, atol=1e-5)
        root = torch.linalg.cholesky(covariance)
        torch.testing.assert_close(
            after(label_map, _z(40)), before(label_map, mean + _z(40) @ root.T), rtol=1e-4, atol=1e-5
        )
        torch.testing.assert_close(white.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
        within = torch.linalg.inv(root) @ torch.diag(log_variances.exp().mean(0)) @ torch.linalg.inv(root).T
        torch.testing.assert_close(torch.cov(white.T) + within, torch.eye(4), atol=1e-4, rtol=0)


def test_moments_that_cannot_be_drawn_from() -> None:
    with pytest.raises(ValueError, match="4 photos are too few for styles of 4 numbers: more than 4 are needed"):
        pooled_moments(torch.zeros(4, 4), torch.zeros(4, 4))
    with pytest.raises(ValueError, match="positive definite"):
        _built().draw_from(torch.zeros(4), torch.zeros(4, 4))
    with pytest.raises(ValueError, match="no style encoder"):
        _built(style_widths=()).draw_from(torch.zeros(4), torch.eye(4))

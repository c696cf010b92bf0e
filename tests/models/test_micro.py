"""The small stylizer: sizes, grids, and what its code must allow."""

import pytest
import torch
from torch import Tensor
from torch.nn.functional import pixel_unshuffle

from benchmarks.tiles import in_tiles, statistics_of
from styleapp.models.micro import MicroStylizer, StyleSignal, fitted, folded, shrunk
from styleapp.norms import NORMALIZERS, Code, blend_codes, switch_norms, switched_norms
from styleapp.pipelines.images import to_tensor


@pytest.fixture(scope="module")
def network() -> MicroStylizer:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MicroStylizer().eval().requires_grad_(False)


def test_parameters(network: MicroStylizer) -> None:
    assert sum(parameter.numel() for parameter in network.parameters()) == 598_227  # at most 0.8 million


def test_options_build_the_same_network() -> None:
    options = {"width": 16, "blocks": 2, "style_widths": [8, 12], "hidden": 10, "normalizer": "layer"}
    network = MicroStylizer(**options)
    assert network.options() == options
    other = MicroStylizer(**network.options())
    other.load_state_dict(network.state_dict())


@pytest.mark.parametrize("size", [(16, 16), (48, 64), (204, 12)])
def test_output_has_the_photos_size(network: MicroStylizer, style: Tensor, size: tuple[int, int]) -> None:
    output = network.render(torch.rand(1, 3, *size), network.code(style))
    assert output.shape == (1, 3, *size)
    assert output.isfinite().all()


@pytest.mark.parametrize("size", [(16, 16), (16, 300), (33, 47), (130, 64)])
def test_style_of_any_size(network: MicroStylizer, size: tuple[int, int]) -> None:
    code = network.code(torch.rand(2, 3, *size))
    assert code.gamma.shape == code.beta.shape == (2, 4 * 48, 1, 1)


def test_flat_photo_has_no_grid(network: MicroStylizer, style: Tensor) -> None:
    output = network.render(torch.full((1, 3, 64, 64), 0.4), network.code(style))
    spectrum = torch.fft.fft2(output.double()).abs() / output[0, 0].numel()
    spectrum[..., 0, 0] = 0
    assert spectrum.max() < 1e-5


def test_strength_fades_from_the_photo_to_the_painting(network: MicroStylizer, photo: Tensor, style: Tensor) -> None:
    code = network.code(style)
    painting = network.render(photo, code)
    assert torch.equal(network.render(photo, code, 0.0), photo)
    torch.testing.assert_close(network.render(photo, code, 0.3), 0.7 * photo + 0.3 * painting)


def test_strength_above_one_leaves_the_photos_own_code(network: MicroStylizer, photo: Tensor, style: Tensor) -> None:
    own, code = network.code(photo), network.code(style)
    further = Code(1.5 * code.gamma - 0.5 * own.gamma, 1.5 * code.beta - 0.5 * own.beta)
    found = network.render(photo, code, 1.5)
    torch.testing.assert_close(found, network.render(photo, further), rtol=1e-4, atol=1e-5)
    whole = Code(code.gamma, code.beta, torch.ones(1, 1, 48, 64))
    torch.testing.assert_close(network.render(photo, [whole], 1.5), found, rtol=1e-4, atol=1e-5)
    own_style = network.render(photo, own, 1.5)
    torch.testing.assert_close(own_style, network.render(photo, own), rtol=1e-4, atol=1e-5)


def test_strength_of_each_sample(network: MicroStylizer, photo: Tensor, style: Tensor) -> None:
    code, strengths = network.code(style), (0.0, 0.4, 0.7, 1.0)
    together = network.render(photo.expand(4, -1, -1, -1), code, torch.tensor(strengths).view(4, 1, 1, 1))
    for row, strength in zip(together, strengths, strict=True):
        torch.testing.assert_close(row, network.render(photo, code, strength)[0], rtol=1e-4, atol=1e-5)


def test_regions_and_mixtures_use_the_same_code(network: MicroStylizer, photo: Tensor, style: Tensor) -> None:
    one, other = network.code(style), network.code(1 - style)
    left = torch.zeros(1, 1, 48, 64)
    left[..., :32] = 1
    everywhere = network.render(photo, [Code(one.gamma, one.beta, torch.ones(1, 1, 48, 64))])
    torch.testing.assert_close(everywhere, network.render(photo, one), rtol=1e-4, atol=1e-5)
    halves = [Code(one.gamma, one.beta, left), Code(other.gamma, other.beta, 1 - left)]
    assert not torch.allclose(network.render(photo, halves), network.render(photo, one))
    corner = network.render(photo, blend_codes([one, other], [1, 0]))
    torch.testing.assert_close(corner, network.render(photo, one))


def test_shift_of_the_photo_by_a_cell_shifts_the_picture(network: MicroStylizer, style: Tensor) -> None:
    """Away from borders; without norms, because their statistics are of the whole picture."""
    tile, code = torch.rand(1, 3, 32, 32).repeat(1, 1, 8, 8), network.code(style)
    with switched_norms(network, "none"):
        plain, moved = (network.render(x, code) for x in (tile, tile.roll((4, 8), dims=(2, 3))))
    inside = slice(112, 144)  # a pixel depends on 84 pixels around it at most
    expected = plain.roll((4, 8), dims=(2, 3))[..., inside, inside]
    torch.testing.assert_close(moved[..., inside, inside], expected, rtol=1e-4, atol=1e-5)


def test_memory_layout_changes_nothing(network: MicroStylizer, photo: Tensor, style: Tensor) -> None:
    last = photo.contiguous(memory_format=torch.channels_last)
    code = network.code(style)
    torch.testing.assert_close(network.render(last, code), network.render(photo, code), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("normalizer", sorted(set(NORMALIZERS) - {"sync_batch"}))
def test_normalizer_is_an_option_and_a_switch(normalizer: str, photo: Tensor, style: Tensor) -> None:
    torch.manual_seed(0)
    built = MicroStylizer(width=16, blocks=2, style_widths=(8, 8), hidden=8, normalizer=normalizer).eval()
    torch.manual_seed(0)
    switched = MicroStylizer(width=16, blocks=2, style_widths=(8, 8), hidden=8).eval()
    assert [one.layer for one in switch_norms(switched, normalizer)] == ["norms.0", "norms.1"]
    outputs = [network.render(photo, network.code(style)) for network in (built, switched)]
    torch.testing.assert_close(*outputs)


def test_gradients_reach_every_parameter(photo: Tensor, style: Tensor) -> None:
    torch.manual_seed(0)
    network = MicroStylizer(width=16, blocks=2, style_widths=(8, 8), hidden=8)
    network.render(photo, network.code(style)).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_folded_picture() -> None:
    cells = folded(torch.full((1, 3, 8, 12), 0.75))
    assert cells.shape == (1, 48, 2, 3)
    assert torch.equal(cells, torch.full_like(cells, 0.5))
    picture = torch.rand(2, 3, 8, 12)
    by_colour = pixel_unshuffle(picture * 2 - 1, 4).unflatten(1, (3, 16))  # N×3×16×h×w
    assert torch.equal(folded(picture), by_colour.transpose(1, 2).flatten(1, 2))
    assert folded(picture).is_contiguous(memory_format=torch.channels_last)


def test_own_style_is_looked_at_in_small() -> None:
    assert shrunk(torch.rand(1, 3, 600, 1200)).shape == (1, 3, 512, 1024)
    small = torch.rand(1, 3, 512, 700)
    assert shrunk(small) is small


def test_fitted_style_keeps_its_shape() -> None:
    assert fitted(torch.rand(1, 3, 16, 24)).shape == (1, 3, 32, 48)
    assert fitted(torch.rand(1, 3, 67, 41)).shape == (1, 3, 64, 40)


def test_signal_does_not_depend_on_where_things_are() -> None:
    """Mirrored and repeated, a style has the same statistics, but for borders."""
    torch.manual_seed(0)
    signal = StyleSignal((8, 8)).eval()
    style = torch.rand(1, 3, 128, 128)
    plain = signal(style)
    assert plain.shape == (1, signal.length) == (1, 32)
    torch.testing.assert_close(signal(style.repeat(1, 1, 3, 3)), plain, rtol=0.1, atol=0.06)


def test_tiles_with_the_statistics_of_the_whole_equal_the_whole(
    network: MicroStylizer, draw_photo, style: Tensor
) -> None:
    """All that a tile does not know of its picture are means and deviations, and the pixels that reach into it."""
    photo, code = to_tensor(draw_photo(256, 264)), network.code(style)
    whole = network.render(photo, code)
    with statistics_of(network, photo, code):
        torch.testing.assert_close(in_tiles(network, photo, code), whole, rtol=1e-4, atol=1e-5)
    assert (in_tiles(network, photo, code) - whole).abs().max() > 0.01
    assert torch.equal(network.render(photo, code), whole)

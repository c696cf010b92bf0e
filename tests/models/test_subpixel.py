"""Enlargement by sub-pixel convolution: what it must not draw, and what it is without its details."""

import pytest
import torch
from torch.nn.functional import conv2d, interpolate, pad, pixel_shuffle

from styleapp.models.subpixel import SubpixelConv2d, bilinear_phases, ramp_free


@pytest.fixture(params=[2, 4])
def layer(request: pytest.FixtureRequest) -> SubpixelConv2d:
    torch.manual_seed(3)
    layer = SubpixelConv2d(5, 3, request.param).double()
    torch.nn.init.normal_(layer.bias)
    return layer


@pytest.mark.parametrize("size", [(2, 2), (5, 7)])
def test_enlarges(layer: SubpixelConv2d, size: tuple[int, int]) -> None:
    expected = (2, 3, size[0] * layer.factor, size[1] * layer.factor)
    assert layer(torch.rand(2, 5, *size).double()).shape == expected


def test_flat_features_become_a_flat_picture(layer: SubpixelConv2d) -> None:
    """Whatever the filters are: with large random ones a bare sub-pixel convolution has a grid of the same size."""
    features = torch.randn(1, 5, 1, 1).double()
    picture = layer(features.expand(1, 5, 6, 6))
    expected = (layer.smooth * features.view(1, 5)).sum(1) + layer.bias
    torch.testing.assert_close(picture, expected.view(1, 3, 1, 1).expand_as(picture), rtol=0, atol=1e-6)
    bare = conv2d(features.expand(1, 5, 6, 6), layer.detail.flatten(0, 1).unflatten(-1, (3, 3)))
    assert pixel_shuffle(bare, layer.factor).std((2, 3)).min() > 0.1


def test_ramp_stays_a_ramp(layer: SubpixelConv2d) -> None:
    """Features that rise evenly become a picture that rises evenly, by 1/r of a cell's step a pixel."""
    rows, columns = torch.meshgrid(torch.arange(8.0), torch.arange(9.0), indexing="ij")
    slopes = torch.randn(2, 5, 1, 1).double()
    picture = layer((slopes[0] * rows + slopes[1] * columns).double()[None])
    inside = picture[..., layer.factor : -layer.factor, layer.factor : -layer.factor]  # reflection bends the border
    down, across = ((layer.smooth * slope.view(1, 5)).sum(1) / layer.factor for slope in slopes)
    torch.testing.assert_close(
        inside.diff(dim=2), down.view(1, 3, 1, 1).expand_as(inside.diff(dim=2)), rtol=0, atol=1e-5
    )
    torch.testing.assert_close(
        inside.diff(dim=3), across.view(1, 3, 1, 1).expand_as(inside.diff(dim=3)), rtol=0, atol=1e-5
    )


def test_without_details_it_is_bilinear_interpolation(layer: SubpixelConv2d) -> None:
    torch.nn.init.zeros_(layer.detail)
    features = torch.randn(1, 5, 6, 7).double()
    mixed = torch.einsum("oc,nchw->nohw", layer.smooth, pad(features, (1, 1, 1, 1), mode="reflect"))
    expected = interpolate(mixed, scale_factor=float(layer.factor), mode="bilinear", align_corners=False)
    cut = slice(layer.factor, -layer.factor)
    torch.testing.assert_close(layer(features), expected[..., cut, cut] + layer.bias.view(1, 3, 1, 1))


def test_details_are_drawn_where_features_bend(layer: SubpixelConv2d) -> None:
    torch.nn.init.zeros_(layer.smooth)
    features = torch.zeros(1, 5, 5, 5).double()
    features[..., 2, 2] = 1
    assert layer(features).std() > 0.01


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_phases_by_hand(factor: int) -> None:
    phases = bilinear_phases(factor).view(factor, factor, 3, 3)
    torch.testing.assert_close(phases.sum((2, 3)), torch.ones(factor, factor))
    place = 0.5 / factor - 0.5  # of the first part, left of the centre
    across = torch.tensor([-place, 1 + place, 0.0])
    torch.testing.assert_close(phases[0, 0], torch.outer(across, across))


def test_projection() -> None:
    projection = ramp_free()
    torch.testing.assert_close(projection @ projection, projection)
    assert projection.trace().item() == pytest.approx(6)
    ramp = torch.arange(-1.0, 2.0).repeat(3) * 2 + 5
    torch.testing.assert_close(projection @ ramp, torch.zeros(9), atol=1e-5, rtol=0)


def test_gradients_by_finite_differences() -> None:
    layer = SubpixelConv2d(2, 1, 2).double()
    x = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (x,))
    assert {name for name, _ in layer.named_parameters()} == {"smooth", "detail", "bias"}
    assert set(layer.state_dict()) == {"smooth", "detail", "bias"}  # what can be worked out is not stored

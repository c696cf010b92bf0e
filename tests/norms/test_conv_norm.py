"""Convolutional normalization against numbers computed by hand, its definition, and what it must not depend on."""

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from styleapp.models.blocks import ReflectConv2d, reflect_conv
from styleapp.norms.conv_norm import attach_conv_norm, conv_norm, whitening_filter
from styleapp.norms.weights import weight_norm

Draw = Callable[..., Tensor]


def _conv(*shape: int, seed: int = 0, **options: Any) -> nn.Conv2d:
    inputs, outputs, kernel = shape or (3, 4, 3)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Conv2d(inputs, outputs, kernel, **options).double()


def _circular(x: Tensor, weight: Tensor) -> Tensor:
    rows, columns = weight.shape[2:]
    return conv2d(pad(x, (0, columns - 1, 0, rows - 1), mode="circular"), weight)


def _operator(layer: Callable[[Tensor], Tensor], channels: int, side: int) -> Tensor:
    """The layer as C' matrices side²×(C·side²): its answers to impulses."""
    impulses = torch.eye(channels * side * side, dtype=torch.float64).view(-1, channels, side, side)
    return layer(impulses).detach().flatten(2).permute(1, 2, 0)


# The filter


def test_row_by_hand() -> None:
    weight = torch.tensor([2.0, 1.0], dtype=torch.float64).view(1, 1, 1, 2)
    whitening = whitening_filter(weight, (1, 4))[0, 0]
    assert (1 / whitening.square()).tolist() == pytest.approx([9, 5, 1])
    assert whitening.tolist() == pytest.approx([1 / 3, 0.4472136, 1])
    impulse = torch.tensor([0.0, 1, 0, 0], dtype=torch.float64).view(1, 1, 1, 4)
    whitened = conv_norm(_circular(impulse, weight), weight).flatten()
    # torch correlates: the answer to an impulse is the kernel backwards.
    assert whitened.roll(-1).flip(0).roll(1).tolist() == pytest.approx([0.9472136, 0.2236068, 0.0527864, -0.2236068])
    assert whitened.square().sum().item() == pytest.approx(1)


def test_frequency_without_energy_stays_finite() -> None:
    weight = torch.ones(1, 1, 1, 2)
    assert whitening_filter(weight, (1, 4)).flatten().tolist() == pytest.approx([0.5, 1 / math.sqrt(2), 1e6])
    assert whitening_filter(weight, (1, 4), eps=0.25).flatten()[-1].item() == pytest.approx(2)
    assert whitening_filter(torch.zeros(2, 3, 3, 3), (4, 4)).isfinite().all()


def test_rounding_below_zero_energy_stays_finite(draw: Draw) -> None:
    weight = draw(64, 8, 3, 3, scale=1e4)
    weight -= weight.mean((2, 3), keepdim=True)
    assert whitening_filter(weight, (8, 8)).isfinite().all()


@given(
    seed=st.integers(0, 2**31),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    extra=st.tuples(st.integers(0, 9), st.integers(0, 9)),
)
@settings(max_examples=40, deadline=None)
def test_filter_is_its_definition(seed: int, kernel: tuple[int, int], extra: tuple[int, int]) -> None:
    weight = torch.randn(2, 3, *kernel, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    size = (kernel[0] + extra[0], kernel[1] + extra[1])
    power = torch.fft.rfft2(weight, s=size).abs().square().sum(1)
    torch.testing.assert_close(whitening_filter(weight, size).square().reciprocal(), power, rtol=1e-9, atol=1e-11)


def test_picture_smaller_than_the_kernel_samples_the_same_spectrum(draw: Draw) -> None:
    weight = draw(2, 3, 5, 5)
    torch.testing.assert_close(whitening_filter(weight, (2, 4)), whitening_filter(weight, (8, 8))[:, ::4, ::2])


def test_filter_has_no_gradient(draw: Draw) -> None:
    assert not whitening_filter(draw(2, 3, 3, 3).requires_grad_(), (8, 8)).requires_grad


# What it does to a circular convolution


@given(seed=st.integers(0, 2**31))
@settings(max_examples=4, deadline=None)
def test_singular_values_of_every_channel_are_one(seed: int) -> None:
    conv = _conv(3, 4, 3, seed=seed, padding=1, padding_mode="circular", bias=False)
    before = torch.linalg.svdvals(_operator(conv, 3, 8))
    after = _operator(attach_conv_norm(conv), 3, 8)
    values = torch.linalg.svdvals(after)
    torch.testing.assert_close(values, torch.ones_like(values), rtol=0, atol=1e-8)
    assert (before - 1).abs().max() > 0.1
    assert torch.linalg.matrix_norm(after.flatten(0, 1), 2) <= 2 + 1e-8


@given(seed=st.integers(0, 2**31), scales=st.lists(st.floats(0.05, 50), min_size=4, max_size=4))
@settings(max_examples=20, deadline=None)
def test_scale_of_the_weights_does_not_matter(seed: int, scales: list[float]) -> None:
    random = torch.Generator().manual_seed(seed)
    x, weight = (torch.randn(*shape, generator=random, dtype=torch.float64) for shape in ((1, 3, 8, 9), (4, 3, 3, 3)))
    scaled = weight * torch.tensor(scales, dtype=torch.float64).view(4, 1, 1, 1)
    expected = conv_norm(_circular(x, weight), weight)
    torch.testing.assert_close(conv_norm(_circular(x, scaled), scaled), expected, rtol=0, atol=1e-6)


def test_five_times_the_weights(draw: Draw) -> None:
    x, weight = draw(1, 3, 8, 8), draw(4, 3, 3, 3)
    expected = conv_norm(_circular(x, weight), weight, eps=0)
    assert (conv_norm(_circular(x, 5 * weight), 5 * weight, eps=0) - expected).abs().max() < 1e-14


@pytest.mark.parametrize("size", [(8, 8), (5, 12)])
def test_kernel_of_one_is_weight_norm_of_length_one(draw: Draw, size: tuple[int, int]) -> None:
    conv, peer, x = _conv(3, 4, 1), weight_norm(_conv(3, 4, 1)), draw(2, 3, *size)
    peer.parametrizations.weight.original0.data.fill_(1)
    torch.testing.assert_close(attach_conv_norm(conv, eps=0)(x), peer(x), rtol=0, atol=1e-14)


# Behind a convolution


def _whitened(conv: nn.Conv2d, x: Tensor, padding: tuple[int, int]) -> Tensor:
    """The definition at full length: x, surrounded by zeros, convolved with the whitened kernel."""
    (height, width), (rows, columns) = x.shape[2:], conv.kernel_size
    full = max(rows - 1, padding[0]), max(columns - 1, padding[1])
    size = height + 2 * full[0] - rows + 1, width + 2 * full[1] - columns + 1
    kernel = torch.fft.rfft2(conv.weight.flip(2, 3), s=size)
    kernel = kernel / kernel.abs().square().sum(1, keepdim=True).sqrt()
    y = torch.fft.irfft2((torch.fft.rfft2(x, s=size).unsqueeze(1) * kernel).sum(2), s=size)
    y = y.roll((full[0] - rows + 1, full[1] - columns + 1), (2, 3))
    top, left = full[0] - padding[0], full[1] - padding[1]
    y = y[:, :, top : size[0] - top : conv.stride[0], left : size[1] - left : conv.stride[1]]
    return y if conv.bias is None else y + conv.bias.view(-1, 1, 1)


@pytest.mark.parametrize("size", [(8, 8), (11, 6)])
@pytest.mark.parametrize(
    ("kernel", "padding", "stride"),
    [
        (3, 1, 1),
        (3, 0, 1),
        (3, 1, 2),
        (3, 2, (1, 3)),
        (3, 4, 1),
        (4, 2, 2),
        ((1, 5), (0, 2), 1),
        ((3, 2), (0, 3), 2),
        (3, "same", 1),
        (3, "valid", 1),
        (4, "valid", 1),
    ],
)
def test_zero_padding_follows_the_paper(
    draw: Draw, kernel: Any, padding: Any, stride: Any, size: tuple[int, int]
) -> None:
    conv, x = _conv(3, 4, kernel, padding=padding, stride=stride), draw(2, 3, *size)
    margin = {"same": (1, 1), "valid": (0, 0)}.get(padding) if isinstance(padding, str) else conv.padding
    usual, expected = conv(x), _whitened(conv, x, margin)
    result = attach_conv_norm(conv)(x)
    assert result.shape == usual.shape
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("mode", ["circular", "reflect", "replicate"])
@pytest.mark.parametrize("stride", [1, 2])
def test_other_paddings_are_filtered_at_their_size(draw: Draw, mode: Any, stride: int) -> None:
    conv, x = _conv(padding=1, padding_mode=mode, stride=stride), draw(2, 3, 9, 8)
    pictures = conv2d(pad(x, (1, 1, 1, 1), mode=mode), conv.weight)
    expected = conv_norm(pictures, conv.weight)[:, :, ::stride, ::stride] + conv.bias.view(-1, 1, 1)
    torch.testing.assert_close(attach_conv_norm(conv)(x), expected)


@pytest.mark.parametrize("size", [(8, 8), (16, 5)])
def test_convolution_that_pads_itself(draw: Draw, size: tuple[int, int]) -> None:
    conv, x = ReflectConv2d(3, 4).double(), draw(2, 3, *size)
    nn.init.normal_(conv.bias)
    expected = conv_norm(
        reflect_conv(x, conv.weight, conv.bias) - conv.bias.view(-1, 1, 1), conv.weight
    ) + conv.bias.view(-1, 1, 1)
    torch.testing.assert_close(attach_conv_norm(conv)(x), expected)
    assert isinstance(conv, ReflectConv2d)


def test_bias_comes_after_the_filter(draw: Draw) -> None:
    conv, bare, x = _conv(padding=1), _conv(padding=1, bias=False), draw(1, 3, 8, 8)
    bare.weight.data, bias = conv.weight.data.clone(), conv.bias
    attach_conv_norm(conv)
    assert conv.bias is None
    assert conv.conv_norm.bias is bias
    difference = conv(x) - attach_conv_norm(bare)(x)
    torch.testing.assert_close(difference, bias.view(1, -1, 1, 1).expand_as(difference))


@pytest.mark.parametrize(("kernel", "shape"), [(3, (3, 3)), (4, (3, 3)), (1, (1, 1)), ((5, 2), (5, 1))])
def test_depthwise_convolution_changes_nothing_at_first(draw: Draw, kernel: Any, shape: tuple[int, int]) -> None:
    conv, bare, x = (_conv(3, 4, kernel, padding=1), _conv(3, 4, kernel, padding=1), draw(1, 3, 8, 8))
    attach_conv_norm(conv)
    assert conv.conv_norm.depthwise.shape == (4, 1, *shape)
    torch.testing.assert_close(conv(x), attach_conv_norm(bare, depthwise=False)(x))


def test_depthwise_convolution_acts_before_the_bias(draw: Draw) -> None:
    conv, x, kernel = attach_conv_norm(_conv(padding=1, stride=2)), draw(1, 3, 8, 8), draw(4, 1, 3, 3)
    bias = conv.conv_norm.bias
    whitened = conv(x) - bias.view(-1, 1, 1)
    conv.conv_norm.depthwise.data = kernel
    torch.testing.assert_close(conv(x), conv2d(whitened, kernel, bias, padding=1, groups=4))


def test_names_in_the_state_dict() -> None:
    assert list(attach_conv_norm(_conv()).state_dict()) == ["weight", "conv_norm.depthwise", "conv_norm.bias"]
    assert list(attach_conv_norm(_conv(bias=False), depthwise=False).state_dict()) == ["weight"]


def test_frozen_convolution_stays_frozen() -> None:
    conv = attach_conv_norm(_conv().requires_grad_(False))
    assert not any(parameter.requires_grad for parameter in conv.parameters())


# Gradients


def test_gradient_of_the_function(draw: Draw) -> None:
    weight = draw(2, 3, 3, 3)
    assert torch.autograd.gradcheck(lambda y: conv_norm(y, weight), draw(1, 2, 4, 3).requires_grad_())


@pytest.mark.parametrize("training", [True, False])
def test_gradient_of_the_input(draw: Draw, training: bool) -> None:
    conv = attach_conv_norm(_conv(2, 3, 3, padding=1, stride=2)).train(training)
    assert torch.autograd.gradcheck(conv, draw(1, 2, 4, 3).requires_grad_())


def test_gradient_of_the_weights_leaves_the_filter_out(draw: Draw) -> None:
    conv, x, weighting = _conv(padding=1), draw(1, 3, 6, 6), draw(1, 4, 6, 6)
    twin = copy.deepcopy(conv)
    (attach_conv_norm(conv)(x) * weighting).sum().backward()
    whitening = whitening_filter(twin.weight, (8, 8))
    y = torch.fft.irfft2(torch.fft.rfft2(conv2d(x, twin.weight, padding=2)) * whitening, s=(8, 8))[:, :, 1:-1, 1:-1]
    (y * weighting).sum().backward()
    torch.testing.assert_close(conv.weight.grad, twin.weight.grad)


# What it is not defined for


@pytest.mark.parametrize(
    ("conv", "message"),
    [
        (nn.Conv2d(4, 4, 3, groups=2), "groups=1, got groups=2"),
        (nn.Conv2d(4, 4, 3, dilation=2), r"dilation=1, got dilation=\(2, 2\)"),
        (nn.Conv2d(4, 4, 4, padding="same"), "cannot center padding='same'"),
        (attach_conv_norm(nn.Conv2d(4, 4, 3)), "already has a ConvNorm"),
    ],
)
def test_what_it_is_not_defined_for(conv: nn.Conv2d, message: str) -> None:
    before = conv.padding
    with pytest.raises(ValueError, match=message):
        attach_conv_norm(conv)
    assert conv.padding == before


def test_own_forward_with_a_stride() -> None:
    conv = ReflectConv2d(3, 4)
    conv.stride = (2, 2)
    with pytest.raises(ValueError, match=r"ReflectConv2d has a forward of its own.*\(2, 2\)"):
        attach_conv_norm(conv)

"""The shared convolution against torch's own layers."""

import pytest
import torch
from torch import nn

from styleapp.models.blocks import ReflectConv2d


@pytest.mark.parametrize("size", [(2, 2), (5, 8)])
def test_equals_padding_then_convolution(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    conv, x = ReflectConv2d(3, 4), torch.randn(2, 3, *size)
    plain = nn.Conv2d(3, 4, 3)
    plain.load_state_dict(conv.state_dict())
    assert conv(x).shape == (2, 4, *size)
    torch.testing.assert_close(conv(x), plain(nn.ReflectionPad2d(1)(x)))


@pytest.mark.parametrize("size", [(192, 192), (193, 230)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_large_features_get_the_same_border_without_a_padded_copy(
    size: tuple[int, int], layout: torch.memory_format
) -> None:
    torch.manual_seed(0)
    conv, x = ReflectConv2d(5, 4).double(), torch.randn(2, 5, *size, dtype=torch.float64)
    x = x.contiguous(memory_format=layout)
    expected = conv(x)
    with torch.no_grad():
        result = conv(x)
    torch.testing.assert_close(result, expected, rtol=1e-12, atol=1e-12)


def test_starts_without_shift_and_with_the_spread_for_relu() -> None:
    torch.manual_seed(0)
    conv = ReflectConv2d(64, 128)
    assert conv.bias is not None
    assert conv.bias.abs().max() == 0
    assert conv.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)

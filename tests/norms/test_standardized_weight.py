"""Weight standardization and centred weights against numbers by hand, timm, and what they must not depend on."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d
from torch.nn.utils.parametrize import is_parametrized

from styleapp.norms.standardized_weight import (
    CONVENTIONS,
    centre_weight,
    centred_weights,
    standardize_weight,
    weight_standardization,
)


def _conv(*, dtype: torch.dtype = torch.float64, **options: Any) -> nn.Conv2d:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Conv2d(3, 4, 3, **{"padding": 1, **options}).to(dtype)


def _image(*size: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(5), dtype=dtype)


def _with_rows(*rows: list[float]) -> nn.Conv2d:
    """A convolution of 1×n kernels with these filters."""
    conv = nn.Conv2d(1, len(rows), (1, len(rows[0])), bias=False).double()
    conv.weight.data = torch.tensor(rows, dtype=torch.float64).view(len(rows), 1, 1, -1)
    return conv


# Weight standardization


@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        ("official", [-1.161886, -0.387295, 0.387295, 1.161886]),
        ("tensorflow", [-1.341629, -0.447210, 0.447210, 1.341629]),
        ("timm", [-1.341640, -0.447213, 0.447213, 1.341640]),
    ],
)
def test_conventions_by_hand(convention: Any, expected: list[float]) -> None:
    conv = weight_standardization(_with_rows([1.0, 2.0, 3.0, 4.0]), convention=convention)
    assert conv.weight.flatten().tolist() == pytest.approx(expected, abs=1e-6)


def test_conventions_differ_by_the_divisor() -> None:
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64).view(1, 4, 1, 1)
    ratio = standardize_weight(weight, "timm") / standardize_weight(weight, "official")
    torch.testing.assert_close(ratio, torch.full_like(ratio, 1.154709), rtol=0, atol=1e-6)
    wide = torch.randn(1, 128, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ratio = standardize_weight(wide, "timm") / standardize_weight(wide, "official")
    torch.testing.assert_close(ratio - 1, torch.full_like(ratio, 4.4e-4), rtol=0, atol=1e-5)


def test_norm_of_a_standardized_filter() -> None:
    weight = torch.randn(5, 128, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    norms = standardize_weight(weight).flatten(1).norm(dim=1)
    torch.testing.assert_close(norms, torch.full_like(norms, 33.926), rtol=0, atol=1e-3)


@pytest.mark.parametrize("scale", [0.01, 1.0])
def test_timm_convention_is_timms(scale: float) -> None:
    layers = pytest.importorskip("timm.layers")
    peer = layers.StdConv2d(3, 4, 3, padding=1)
    peer.weight.data *= scale
    ours = nn.Conv2d(3, 4, 3, padding=1, bias=False)
    ours.weight.data = peer.weight.data.clone()
    x = _image(9, 6, dtype=torch.float32)
    weight_standardization(ours, convention="timm")
    torch.testing.assert_close(ours(x), peer(x))


def test_eps_can_be_given() -> None:
    weight = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64).view(1, 4, 1, 1)
    expected = (weight - 2.5) / (math.sqrt(1.25) + 1)
    torch.testing.assert_close(standardize_weight(weight, "tensorflow", eps=1), expected)


@pytest.mark.parametrize("convention", sorted(CONVENTIONS))
def test_constant_filter_gets_a_gradient(convention: Any) -> None:
    conv = weight_standardization(_with_rows([2.0, 2.0, 2.0], [1.0, 2.0, 4.0]), convention=convention)
    assert conv.weight[0].flatten().tolist() == [0, 0, 0]
    (conv.weight * torch.arange(6.0).view(2, 1, 1, 3)).sum().backward()
    assert conv.parametrizations.weight.original.grad.isfinite().all()


@given(
    seed=st.integers(0, 2**31),
    scale=st.floats(0.2, 50),
    shift=st.floats(-5, 5),
    convention=st.sampled_from(sorted(CONVENTIONS)),
)
@settings(max_examples=40, deadline=None)
def test_standardization_forgets_scale_and_shift(seed: int, scale: float, shift: float, convention: Any) -> None:
    weight = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    moved = standardize_weight(scale * weight + shift, convention)
    torch.testing.assert_close(moved, standardize_weight(weight, convention), rtol=3e-4, atol=1e-9)
    torch.testing.assert_close(standardize_weight(-scale * weight, convention), -moved, rtol=3e-4, atol=1e-9)


@pytest.mark.parametrize("attach", [weight_standardization, centred_weights])
def test_filter_of_one_weight_is_refused(attach: Callable[[nn.Conv2d], nn.Conv2d]) -> None:
    conv = nn.Conv2d(4, 4, 1, groups=4)
    with pytest.raises(ValueError, match="at least 2 weights"):
        attach(conv)
    assert not is_parametrized(conv)


def test_unknown_convention() -> None:
    with pytest.raises(ValueError, match="'keras'.*official, tensorflow, timm"):
        weight_standardization(_conv(), convention="keras")  # type: ignore[arg-type]


# Centred weights


def test_centred_convolution_subtracts_the_local_mean() -> None:
    conv, x = _conv(bias=False), _image(8, 9)
    means = conv.weight.detach().mean((1, 2, 3))
    sums = avg_pool2d(x, 3, stride=1, padding=1).sum(1, keepdim=True) * 9
    expected = conv(x) - means.view(1, -1, 1, 1) * sums
    torch.testing.assert_close(centred_weights(conv)(x), expected)


@pytest.mark.parametrize("attach", [centred_weights, weight_standardization])
@pytest.mark.parametrize("size", [(8, 8), (5, 13)])
def test_constant_input_gives_nothing(attach: Callable[[nn.Conv2d], nn.Conv2d], size: tuple[int, int]) -> None:
    conv = attach(_conv(bias=False, padding=0))
    assert conv(torch.full((1, 3, *size), 7.0, dtype=torch.float64)).abs().max() < 1e-12


def test_centring_twice_is_centring_once() -> None:
    weight = _conv(dtype=torch.float32).weight.detach()
    once = centre_weight(weight)
    assert once.mean((1, 2, 3)).abs().max() < 1e-7
    torch.testing.assert_close(centre_weight(once), once, rtol=0, atol=1e-7)


def test_centring_stays_after_steps() -> None:
    conv = centred_weights(_conv())
    steps = torch.optim.SGD(conv.parameters(), lr=0.5, weight_decay=0.1)
    conv(_image(8, 8)).square().mean().backward()
    steps.step()
    assert conv.weight.mean((1, 2, 3)).abs().max() < 1e-15

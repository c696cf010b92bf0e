"""The normalizers that wrap torch: bit for bit torch's own layers, and the numbers of the specification."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from styleapp.norms import build_norm

Draw = Callable[..., Tensor]
HAND = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64).view(1, 1, 2, 2)


def _flat(x: Tensor) -> list[float]:
    return x.flatten().tolist()


# Torch's own layers


@pytest.mark.parametrize(
    ("name", "options", "twin"),
    [
        ("batch", {}, nn.BatchNorm2d(8)),
        ("batch", {"momentum": None}, nn.BatchNorm2d(8, momentum=None)),
        ("batch", {"momentum": 0.3, "eps": 1e-3}, nn.BatchNorm2d(8, momentum=0.3, eps=1e-3)),
        ("batch", {"track_running_stats": False}, nn.BatchNorm2d(8, track_running_stats=False)),
        ("sync_batch", {}, nn.BatchNorm2d(8)),
        ("revisited_batch", {}, nn.BatchNorm2d(8)),
        ("layer", {}, nn.GroupNorm(1, 8)),
        ("group", {"groups": 4}, nn.GroupNorm(4, 8)),
        ("instance", {}, nn.InstanceNorm2d(8, affine=True)),
    ],
)
@pytest.mark.parametrize("affine", [True, False])
def test_equals_torch_bit_for_bit(
    name: str, options: dict[str, Any], twin: nn.Module, affine: bool, draw: Draw
) -> None:
    """Output, gradients and running statistics over three batches and then in evaluation."""
    ours, theirs = build_norm(name, 8, modulator="affine" if affine else "none", **options), copy.deepcopy(twin)
    weight, bias = draw(8, dtype=torch.float32), draw(8, dtype=torch.float32)
    with torch.no_grad():
        theirs.weight.copy_(weight if affine else torch.ones(8))
        theirs.bias.copy_(bias if affine else torch.zeros(8))
        for parameter, value in zip(ours.modulator.parameters(), (weight, bias), strict=False):
            parameter.copy_(value)
    for mode in (True, True, True, False):
        ours.train(mode)
        theirs.train(mode)
        x = draw(3, 8, 6, 5, scale=2.0, shift=1.0, dtype=torch.float32)
        a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
        y, expected = ours(a), theirs(b)
        torch.testing.assert_close(y, expected, rtol=0, atol=0 if affine and name != "instance" else 1e-6)
        y.square().sum().backward()
        expected.square().sum().backward()
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-5, atol=1e-5)
    for name, stored in ours.normalizer.named_buffers():
        if getattr(theirs, name, None) is not None:
            torch.testing.assert_close(stored, getattr(theirs, name), rtol=0, atol=0)


def test_layer_has_the_statistics_of_torchs_layer_norm(draw: Draw) -> None:
    x = draw(3, 8, 6, 5)
    ours = build_norm("layer", 8, modulator="none").double()
    torch.testing.assert_close(ours(x), nn.LayerNorm([8, 6, 5], elementwise_affine=False)(x))


# Numbers of the specification


def test_batch_by_hand() -> None:
    norm = build_norm("batch", 1).double()
    assert _flat(norm(HAND)) == pytest.approx([-1.3416354, -0.4472118, 0.4472118, 1.3416354], abs=5e-8)
    normalizer: Any = norm.normalizer
    assert normalizer.running_mean.item() == pytest.approx(0.25)
    assert normalizer.running_var.item() == pytest.approx(1.0666667, abs=5e-8)
    assert _flat(norm.eval()(HAND)) == pytest.approx([0.7261810, 1.6944223, 2.6626636, 3.6309049], abs=5e-8)


def test_cumulative_batch_by_hand() -> None:
    norm = build_norm("batch", 1, modulator="none", momentum=None).double()
    for batch in ([0.0, 2.0], [4.0, 6.0]):
        norm(torch.tensor(batch, dtype=torch.float64).view(2, 1, 1, 1))
    normalizer: Any = norm.normalizer
    assert normalizer.running_mean.item() == pytest.approx(3)
    assert normalizer.running_var.item() == pytest.approx(2)


def test_layer_by_hand() -> None:
    x = torch.tensor([1.0, 3.0, 10.0, 14.0], dtype=torch.float64).view(1, 4, 1, 1)
    expected = [-1.1441549, -0.7627699, 0.5720774, 1.3348474]
    assert _flat(build_norm("layer", 4).double()(x)) == pytest.approx(expected, abs=5e-8)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["group", "layer"])
def test_networks_in_half_precision(name: str, dtype: torch.dtype) -> None:
    norm, x = build_norm(name, 4).to(dtype), torch.randn(2, 4, 3, 3).to(dtype)
    torch.testing.assert_close(norm(x), build_norm(name, 4)(x.float()).to(dtype))


@pytest.mark.parametrize("name", ["group", "layer"])
def test_no_samples(name: str) -> None:
    assert build_norm(name, 4)(torch.zeros(0, 4, 3, 3)).shape == (0, 4, 3, 3)


def test_group_by_hand() -> None:
    x = torch.tensor([1.0, 3.0, 10.0, 14.0], dtype=torch.float64).view(1, 4, 1, 1)
    expected = [-0.999995, 0.999995, -0.99999875, 0.99999875]
    assert _flat(build_norm("group", 4, groups=2).double()(x)) == pytest.approx(expected, abs=5e-9)


def test_instance_removes_contrast_and_brightness(draw: Draw) -> None:
    norm = build_norm("instance", 3, modulator="none").double()
    x = draw(2, 3, 16, 16)
    gap = (norm(3 * x + 7) - norm(x)).abs().max().item()
    assert 0 < gap < 2e-5  # what ε leaves; the specification has 4.7e-6 on other values


def test_large_means_are_exact() -> None:
    """A million values of N(10⁴, 1): a one-pass variance in float32 gives 8.0."""
    x = 1e4 + torch.randn(1, 1, 1000, 1000, generator=torch.Generator().manual_seed(0))
    for name in ("batch", "instance", "layer"):
        deviation = build_norm(name, 1, modulator="none")(x).std().item()
        assert deviation == pytest.approx(1.0, abs=2e-3), name


@pytest.mark.parametrize(
    ("name", "options", "effect"),
    [("instance", {}, False), ("batch", {}, False), ("group", {"groups": 2}, True), ("layer", {}, True)],
)
def test_bias_before_the_layer(name: str, options: dict[str, Any], effect: bool, draw: Draw) -> None:
    """Where every channel loses its mean, a convolution's bias has no effect; the class says which."""
    norm = build_norm(name, 4, modulator="none", **options).double()
    x, bias = draw(2, 4, 8, 8), draw(1, 4, 1, 1)
    gap = (norm(x + bias) - norm(x)).abs().max().item()
    assert norm.normalizer.centred is not effect
    assert gap > 0.1 if effect else gap < 1e-14


# Identities


sizes = st.tuples(st.integers(1, 3), st.sampled_from([2, 4, 6]), st.integers(2, 7), st.integers(1, 7))


def _random(size: tuple[int, int, int, int], seed: int, shift: float) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 3 + shift


@given(size=sizes, seed=st.integers(0, 99), shift=st.floats(-50, 50))
@settings(deadline=None, max_examples=40)
def test_instance_is_group_of_one_channel_is_batch_of_one_sample(
    size: tuple[int, int, int, int], seed: int, shift: float
) -> None:
    x = _random(size, seed, shift)
    count, channels, height, width = size
    instance = build_norm("instance", channels, modulator="none").double()(x)
    group = build_norm("group", channels, modulator="none", groups=channels).double()(x)
    batch = build_norm("batch", count * channels, modulator="none").double()(x.view(1, -1, height, width))
    torch.testing.assert_close(instance, group, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(instance, batch.view(size), rtol=1e-9, atol=1e-9)


@given(size=sizes, seed=st.integers(0, 99), shift=st.floats(-50, 50))
@settings(deadline=None, max_examples=40)
def test_layer_is_one_group(size: tuple[int, int, int, int], seed: int, shift: float) -> None:
    x = _random(size, seed, shift)
    layer = build_norm("layer", size[1], modulator="none").double()(x)
    group = build_norm("group", size[1], modulator="none", groups=1).double()(x)
    assert torch.equal(layer, group)


# Options


def test_groups_default_to_the_largest_divisor_up_to_32() -> None:
    assert [build_norm("group", n).normalizer.groups for n in (64, 48, 40, 7)] == [32, 24, 20, 7]


@pytest.mark.parametrize("groups", [0, 3, 16])
def test_groups_must_divide(groups: int) -> None:
    with pytest.raises(ValueError, match=f"divisor of the 8 features, got {groups}"):
        build_norm("group", 8, groups=groups)


def test_revisited_batch_starts_small(draw: Draw) -> None:
    norm = build_norm("revisited_batch", 4)
    assert _flat(norm.modulator.weight) == pytest.approx([0.1] * 4)  # type: ignore[union-attr, operator]
    deviation = norm.double()(draw(4, 4, 32, 32, scale=5.0)).std(dim=(0, 2, 3), correction=0)
    assert _flat(deviation) == pytest.approx([0.0999999] * 4, abs=2e-7)


@pytest.mark.parametrize("modulator", ["styles", "mask"])
def test_revisited_batch_is_batch_for_other_modulators(
    modulator: str, build_pair: Callable[..., nn.Module], condition_for: Callable[..., Any], draw: Draw
) -> None:
    x = draw(2, 8, 5, 5, dtype=torch.float32)
    revisited, batch = build_pair("revisited_batch", modulator), build_pair("batch", modulator)
    batch.load_state_dict(revisited.state_dict())
    condition = condition_for(modulator, x)
    assert torch.equal(revisited(x, condition), batch(x, condition))


@pytest.mark.parametrize("scale", [0.0, 1.0, -0.1])
def test_initial_scale_out_of_range(scale: float) -> None:
    with pytest.raises(ValueError, match="initial_scale must be above 0 and below 1"):
        build_norm("revisited_batch", 4, initial_scale=scale)

"""Weight normalizations against numbers computed by hand, torch, timm and what each of them must not depend on."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d
from torch.nn.utils import parametrizations
from torch.nn.utils.parametrize import is_parametrized

from styleapp.models.blocks import ReflectConv2d, reflect_conv
from styleapp.norms.computed_weight import effective_weight
from styleapp.norms.weights import (
    CONVENTIONS,
    apply_weight_norm,
    bounded_weight_norm,
    centre_weight,
    centred_weights,
    spectral_norm,
    standardize_weight,
    weight_norm,
    weight_standardization,
)

Case = tuple[str, dict[str, Any]]
COMPUTED: list[Case] = [
    ("weight_norm", {}),
    ("bounded_weight_norm", {}),
    ("bounded_weight_norm", {"mode": "frobenius"}),
    *(("weight_standardization", {"convention": name}) for name in CONVENTIONS),
    ("centred_weights", {}),
    ("spectral_norm", {}),
]
EVERY: list[Case] = [("none", {}), *COMPUTED, ("conv_norm", {}), ("conv_norm", {"depthwise": False})]
computed = pytest.mark.parametrize(("name", "options"), COMPUTED)
every = pytest.mark.parametrize(("name", "options"), EVERY)


def _conv(*, seed: int = 0, dtype: torch.dtype = torch.float64, **options: Any) -> nn.Conv2d:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Conv2d(3, 4, 3, **{"padding": 1, **options}).to(dtype)


def _image(*size: int, channels: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(2, channels, *size, generator=torch.Generator().manual_seed(5), dtype=dtype)


def _with_rows(*rows: list[float]) -> nn.Conv2d:
    """A convolution of 1×n kernels with these filters."""
    conv = nn.Conv2d(1, len(rows), (1, len(rows[0])), bias=False).double()
    conv.weight.data = torch.tensor(rows, dtype=torch.float64).view(len(rows), 1, 1, -1)
    return conv


def _rows(weight: Tensor) -> Tensor:
    return weight.detach().flatten(1)


def _matrix(*rows: list[float]) -> Tensor:
    return torch.tensor(rows, dtype=torch.float64)


# Weight norm


def test_weight_norm_and_its_gradients_by_hand() -> None:
    conv = weight_norm(_with_rows([3.0, 4.0]))
    length, direction = conv.parametrizations.weight.original0, conv.parametrizations.weight.original1
    length.data.fill_(10)
    torch.testing.assert_close(_rows(conv.weight), _matrix([6.0, 8.0]))
    conv.weight.flatten()[0].backward()
    assert length.grad.item() == pytest.approx(0.6)
    torch.testing.assert_close(_rows(direction.grad), _matrix([1.28, -0.96]))


def test_attaching_weight_norm_changes_nothing() -> None:
    conv = _conv()
    before = conv.weight.detach().clone()
    assert (weight_norm(conv).weight - before).abs().max() < 1e-16


def test_gradient_of_weight_norm_is_orthogonal_to_the_direction() -> None:
    conv = weight_norm(_conv())
    conv(100 * _image(8, 8)).square().mean().backward()
    direction = conv.parametrizations.weight.original1
    along = (direction * direction.grad).flatten(1).sum(1)
    assert direction.grad.norm() > 1000
    assert along.abs().max() < 1e-10


# Bounded weight norm


def test_bounded_weight_norm_by_hand() -> None:
    conv = bounded_weight_norm(_with_rows([3.0, 4.0], [0.0, 2.0]))
    assert conv.parametrizations.weight[0].rho.item() == pytest.approx(3.5)
    torch.testing.assert_close(_rows(conv.weight), _matrix([2.1, 2.8], [0.0, 3.5]))


def test_bounded_weight_norm_is_weight_norm_with_one_frozen_length() -> None:
    ours, theirs = bounded_weight_norm(_conv()), parametrizations.weight_norm(_conv())
    theirs.parametrizations.weight.original0.data[:] = theirs.parametrizations.weight.original0.mean()
    torch.testing.assert_close(ours.weight, theirs.weight)


def test_frobenius_mode_by_hand() -> None:
    conv = bounded_weight_norm(_with_rows([3.0, 4.0], [0.0, 2.0]), mode="frobenius")
    torch.testing.assert_close(_rows(conv.weight), _matrix([3.0, 4.0], [0.0, 2.0]))
    conv.parametrizations.weight.original0.data.mul_(7)
    torch.testing.assert_close(_rows(conv.weight), _matrix([3.0, 4.0], [0.0, 2.0]))
    conv.parametrizations.weight.original0.data = torch.ones(2, 1, 1, 1, dtype=torch.float64)
    assert conv.weight.norm().item() == pytest.approx(math.sqrt(29))


@pytest.mark.parametrize("mode", ["channel", "frobenius"])
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam])
def test_bound_holds_after_steps(mode: Any, optimizer: Callable[..., torch.optim.Optimizer]) -> None:
    conv = _conv()
    norms = conv.weight.detach().flatten(1).norm(dim=1)
    bounded_weight_norm(conv, mode=mode)
    start, steps = conv.weight.detach().clone(), optimizer(conv.parameters(), lr=0.5)
    for _ in range(3):
        steps.zero_grad()
        conv(_image(8, 8)).square().mean().backward()
        steps.step()
    after = conv.weight.detach().flatten(1).norm(dim=1)
    assert not torch.allclose(start, conv.weight)
    if mode == "channel":
        torch.testing.assert_close(after, norms.mean().expand(4))
    else:
        torch.testing.assert_close(after.norm(), norms.norm())
        assert not torch.allclose(after, norms)


def test_rho_is_no_parameter() -> None:
    conv = bounded_weight_norm(_conv())
    assert [name for name, _ in conv.named_parameters()] == ["bias", "parametrizations.weight.original"]
    assert [name for name, _ in conv.named_buffers()] == ["parametrizations.weight.0.rho"]


@pytest.mark.parametrize("attach", [weight_norm, bounded_weight_norm])
def test_empty_filter_has_no_direction(attach: Callable[[nn.Conv2d], nn.Conv2d]) -> None:
    with pytest.raises(ValueError, match="output channel 1 are 0"):
        attach(_with_rows([3.0, 4.0], [0.0, 0.0]))


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
    torch.testing.assert_close(_rows(conv.weight), _matrix(expected), rtol=0, atol=1e-6)


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
    assert _rows(conv.weight)[0].tolist() == [0, 0, 0]
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


# Spectral norm


def test_spectral_norm_reaches_one() -> None:
    conv = spectral_norm(_conv(dtype=torch.float32))
    for _ in range(100):
        conv(_image(4, 4, dtype=torch.float32))
    assert torch.linalg.svdvals(conv.eval().weight.flatten(1))[0].item() == pytest.approx(1, abs=1e-6)


def test_spectral_norm_is_torchs() -> None:
    torch.manual_seed(1)
    ours = spectral_norm(_conv(), n_power_iterations=2)
    torch.manual_seed(1)
    theirs = parametrizations.spectral_norm(_conv(), n_power_iterations=2)
    assert torch.equal(ours.weight, theirs.weight)


def test_spectral_norm_of_nothing() -> None:
    with pytest.raises(ValueError, match="a weight that is 0"):
        spectral_norm(_with_rows([0.0, 0.0]))
    with pytest.raises(ValueError, match="at least 1, got 0"):
        spectral_norm(_conv(), n_power_iterations=0)


def test_network_in_evaluation_gets_no_power_iterations() -> None:
    conv = spectral_norm(_conv().eval())
    assert torch.equal(conv.weight, conv.weight)


# All of them


def _scalar(conv: nn.Conv2d, x: Tensor) -> Tensor:
    return conv(x).square().sum()


@computed
def test_gradient(name: str, options: dict[str, Any]) -> None:
    conv = apply_weight_norm(_conv(bias=False).eval(), name, **options)  # spectral norm would move while it is tested
    names, values = zip(*conv.named_parameters(), strict=True)
    x = _image(4, 3)

    def output(*parameters: Tensor) -> Tensor:
        return torch.func.functional_call(conv, dict(zip(names, parameters, strict=True)), x)

    inputs = tuple(value.detach().requires_grad_() for value in values)
    assert torch.autograd.gradcheck(output, inputs, fast_mode=True)


@computed
def test_functional_gradient(name: str, options: dict[str, Any]) -> None:
    conv = apply_weight_norm(_conv().eval(), name, **options)
    parameters, x = {key: value.detach() for key, value in conv.named_parameters()}, _image(4, 4)
    found = torch.func.grad(lambda p: torch.func.functional_call(conv, p, x).square().sum())(parameters)
    _scalar(conv, x).backward()
    for key, parameter in conv.named_parameters():
        torch.testing.assert_close(found[key], parameter.grad)


@computed
@pytest.mark.parametrize("size", [(16, 16), (7, 20)])
def test_output_is_a_convolution_with_the_effective_weight(
    name: str, options: dict[str, Any], size: tuple[int, int]
) -> None:
    conv, x = apply_weight_norm(_conv().eval(), name, **options), _image(*size)
    torch.testing.assert_close(conv(x), conv2d(x, effective_weight(conv), conv.bias, padding=1))
    assert conv(x[:1]).shape == (1, 4, *size)


@computed
def test_convolution_that_pads_itself(name: str, options: dict[str, Any]) -> None:
    conv, x = ReflectConv2d(3, 4).double().eval(), _image(8, 6)
    apply_weight_norm(conv, name, **options)
    plain = ReflectConv2d(3, 4).double()
    plain.weight.data, plain.bias = effective_weight(conv), conv.bias
    assert isinstance(conv, ReflectConv2d)
    torch.testing.assert_close(conv(x), reflect_conv(x, plain.weight, plain.bias))


@every
def test_training_and_evaluation_agree(name: str, options: dict[str, Any]) -> None:
    conv, x = apply_weight_norm(_conv(), name, **options), _image(8, 8)
    for _ in range(100 if name == "spectral_norm" else 0):
        conv(x)
    torch.testing.assert_close(conv.train()(x), conv.eval()(x))


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_types_are_kept(name: str, options: dict[str, Any], dtype: torch.dtype) -> None:
    conv = apply_weight_norm(_conv(dtype=dtype), name, **options)
    assert conv.weight.dtype == dtype
    output = conv(_image(8, 8, dtype=dtype))
    assert output.dtype == dtype
    assert output.isfinite().all()


@every
def test_channels_last_gives_the_same(name: str, options: dict[str, Any]) -> None:
    conv, x = apply_weight_norm(_conv().eval(), name, **options), _image(8, 6)
    torch.testing.assert_close(conv(x.to(memory_format=torch.channels_last)), conv(x))
